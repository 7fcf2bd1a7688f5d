"""Weir as its operator meets it: command line, signals, the end, logs, metrics, and a buffer that is full."""
import json
import os
import re
import signal
import socket
import subprocess

import pytest

import fake_faults
from harness import http
from harness.forward import Connection, chunk_id, encode, event_time, send_events
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH, SYSTEM
from test_kill9 import NOTHING, Traffic, difference


@pytest.fixture
def command(weir, tmp_path):
    """command(*arguments, config=): runs weir to its end; the configuration's path stands for "CONF"."""
    w = weir(SYSTEM + "<source>\n @type forward\n port {{forward_port}}\n</source>\n<match **>\n @type null\n</match>\n", start=False)
    open(w.log_path, "w").close()

    def run(*arguments, config=None, env=None):
        if config is not None:
            w.configure(config)
        argv = [w.binary, *(w.config_path if a == "CONF" else a for a in arguments)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30, env={**os.environ, **(env or {})})

    run.weir = w
    return run


# ---- the command line --------------------------------------------------------------------------------------------------


def test_version(command):
    r = command("--version")
    assert r.returncode == 0 and re.fullmatch(r"weir \d+\.\d+\.\d+\n", r.stdout)


def test_dry_run(command):
    """It lists what would be loaded, contacts nobody and leaves nothing behind."""
    for arguments, env in ((("-c", "CONF", "--dry-run"), {}), (("--dry-run",), {"FLUENT_CONF": command.weir.config_path})):
        r = command(*arguments, env=env)
        assert r.returncode == 0, r.stderr
        assert re.search(r"source +forward", r.stdout) and re.search(r"match +null", r.stdout)
    assert not os.path.exists(command.weir.root)


def test_inline(command):
    r = command("-c", "CONF", "-i", "<match x>\n@type nothing\n</match>", "--dry-run")
    assert r.returncode == 1 and "Unknown output plugin 'nothing'" in r.stderr


def test_all_faults_in_one_run(command):
    r = command("check", "CONF", config="<source>\n  @type forward\n  prot 24224\n  port many\n</source>\n<match **>\n  @type s3\n</match>\n<match a>\n  @type elastic\n</match>\n")
    assert r.returncode == 1
    path = command.weir.config_path
    for place, text in ((":3:3:", "did you mean 'port'?"), (":4:8:", "many"), (":7:", "s3"), (":10:", "elastic")):
        assert re.search(re.escape(path + place) + ".*" + re.escape(text), r.stderr), f"{place} {text}:\n{r.stderr}"


@pytest.mark.parametrize("config, place", [("<source>\n  @type forward\n", ":1:"), ("<match **>\n</source>\n", ":2:"), ('a "b\n', ":1:")])
def test_syntax(command, config, place):
    r = command("-c", "CONF", "--dry-run", config=config)
    assert r.returncode == 1 and command.weir.config_path + place in r.stderr, r.stderr


def test_no_configuration(command):
    r = command("-c", "/nowhere/weir.conf")
    assert r.returncode == 1 and "/nowhere/weir.conf" in r.stderr


def test_port_is_taken(command):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        r = command("-c", "CONF", config=f"<system>\n root_dir {command.weir.root}\n</system>\n<source>\n @type forward\n @id in_f\n bind 127.0.0.1\n port {port}\n</source>\n")
    assert r.returncode == 1 and f"127.0.0.1:{port}" in r.stderr and "in use" in r.stderr, r.stderr


def test_one_folder_for_two(weir, fake_es, prefix):
    """The second one says who has the folder, and leaves."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    other = weir(ELASTICSEARCH, start=False, es_url=fake_es.url, prefix=prefix, root=w.root)
    other.allow(".")
    other.start(wait=False)
    assert other.process.popen.wait(60) == 1
    other.process = None
    assert f"in use by process {w.pid}" in other.log(), other.log_tail()
    send_events(w.port, "a", [{"n": 1}])


def test_log_file(weir, tmp_path):
    """-o: the log goes to a file, which SIGUSR1 opens anew; -q leaves out what is fine."""
    log = tmp_path / "own.log"
    w = weir(SYSTEM, start=False)
    w.arguments = ["-o", str(log), "-v"]
    w.start()
    assert "[info]" in log.read_text()
    os.rename(log, tmp_path / "rotated.log")
    w.flush()
    wait_until(lambda: log.exists(), 10, "the log is opened anew")
    w.stop()
    assert "[info]" in log.read_text()


def test_quiet(weir):
    w = weir(SYSTEM, start=False)
    w.arguments = ["-q"]
    w.start()
    w.stop()
    assert "[info]" not in w.log()


def test_json_log(weir):
    w = weir(SYSTEM.replace("<admin>", "<log>\n format json\n </log>\n <admin>"))
    w.stop()
    lines = [json.loads(line) for line in w.log().splitlines()]
    assert lines and all({"time", "level", "message"} <= set(line) for line in lines)


# ---- signals and the end -----------------------------------------------------------------------------------------------


def test_flush_by_signal(weir, fake_es, prefix):
    w = weir(ELASTICSEARCH.replace("flush_interval 0.2", "flush_mode interval\n    flush_interval 1h"), es_url=fake_es.url, prefix=prefix)
    send_events(w.port, "a", [{"n": i} for i in range(10)])
    assert len(fake_es.documents()) == 0
    w.flush()
    wait_until(lambda: len(fake_es.documents()) == 10, 20, w.log_tail)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_flush_at_shutdown(weir, fake_es, prefix, number):
    w = weir(ELASTICSEARCH.replace("flush_interval 0.2", "flush_mode lazy\n    flush_at_shutdown true"), es_url=fake_es.url, prefix=prefix)
    send_events(w.port, "a", [{"n": i} for i in range(10)])
    assert len(fake_es.documents()) == 0
    w.process.signal(number)
    assert w.process.popen.wait(60) == 0
    w.process = None
    assert len(fake_es.documents()) == 10


def test_end_without_flush(weir, fake_es, prefix):
    """What is not sent stays on disk, and the next start sends it."""
    w = weir(ELASTICSEARCH.replace("flush_interval 0.2", "flush_interval 1h\n    flush_at_shutdown false"), es_url=fake_es.url, prefix=prefix)
    # A flush thread that is quick may have begun with what the end has queued.
    fake_es.fault(fake_faults.status(503))
    send_events(w.port, "a", [{"n": i} for i in range(10)])
    w.stop()
    assert len(fake_es.documents()) == 0
    fake_es.heal()
    w.configure(ELASTICSEARCH)
    w.start()
    wait_until(lambda: len(fake_es.documents()) == 10, 20, w.log_tail)


def test_second_signal(weir, fake_es, prefix):
    """A destination that is down does not keep weir from ending when it is told twice; nothing is lost."""
    fake_es.close_listener()
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix, buffer="flush_at_shutdown true")
    w.allow("flush", "shutdown", "deadline")
    send_events(w.port, "a", [{"n": i} for i in range(10)])
    w.process.signal(signal.SIGTERM)
    w.wait_log("(?i)shutting down|ends|SIGTERM")
    w.process.signal(signal.SIGTERM)
    assert w.process.popen.wait(60) == 0
    w.process = None
    fake_es.open_listener()
    w.start()
    wait_until(lambda: len(fake_es.documents()) == 10, 20, w.log_tail)


def test_end_in_traffic(weir, fake_es, prefix):
    """Restarts in order in the middle of traffic: what was read is acknowledged, connections end with FIN, nothing comes twice or is lost."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    with Traffic(w.port, rate=2000) as traffic:
        for _ in range(3):
            before = traffic.acked()
            wait_until(lambda: traffic.acked() > before + 500, 60, w.log_tail)
            w.restart()
        total = traffic.finish()
    wait_until(lambda: fake_es.stored_events() >= total, 60, w.log_tail)
    w.stop()
    assert difference(traffic, fake_es.documents(f"{prefix}-*").values()) == NOTHING


# ---- a full buffer, the books ------------------------------------------------------------------------------------------


def test_full_buffer(weir, fake_es, prefix):
    """When the buffer is full senders are slowed down; once there is room all goes on, and everything is there once."""
    fake_es.close_listener()
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix, buffer="chunk_limit_size 64k\n total_limit_size 512k")
    with Traffic(w.port, window=8) as traffic:
        def stands():
            before = traffic.acked()
            return before and not w_moves(traffic, before)
        wait_until(stands, 60, lambda: f"the senders are slowed down:\n{w.log_tail()}")
        assert sum(os.path.getsize(p) for p in w.backlog_files()) < 1 << 20
        assert http.request("GET", w.admin + "/healthz").status == 200
        fake_es.open_listener()
        before = traffic.acked()
        wait_until(lambda: traffic.acked() > before + 1000, 60, w.log_tail)
        total = traffic.finish()
    wait_until(lambda: fake_es.stored_events() >= total, 60, w.log_tail)
    w.stop()
    assert difference(traffic, fake_es.documents(f"{prefix}-*").values()) == NOTHING


def w_moves(traffic, before):
    """Whether an ack comes within a second."""
    try:
        wait_until(lambda: traffic.acked() > before, 1, "an ack")
        return True
    except AssertionError:
        return False


def test_unmatched(weir):
    w = weir(SYSTEM + "<source>\n @type forward\n bind 127.0.0.1\n port {{forward_port}}\n</source>\n<match known.**>\n @type null\n</match>\n")
    for _ in range(3):
        for tag in ("stray.one", "stray.two", "known.x"):
            send_events(w.port, tag, [{"n": i} for i in range(5)])
    assert w.metrics().sum("weir_source_unmatched_events_total") == 30
    for tag in ("stray.one", "stray.two"):
        assert len(re.findall(rf"\[warn\].*{tag}", w.log())) == 1, w.log_tail()


def test_books(weir, fake_es, prefix):
    """received = stored + refused + repeated + unmatched; stored = indexed + already there + dead letters + dropped + pending."""
    fake_es.fault(fake_faults.item_error("bad", True))
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    send_events(w.port, "a", [{"n": i, "bad": i % 10 == 0} for i in range(1000)])
    chunk = chunk_id()
    for _ in range(2):
        with Connection(w.port) as c:
            c.send(encode("packed", "a", [(event_time(1700000000), {"n": -1})], chunk))
            assert c.ack() == chunk

    def stands():
        m = w.metrics()
        ended = m.sum("weir_output_indexed_events_total") + m.sum("weir_dead_letter_events_total")
        waiting = m.sum("weir_buffer_pending_bytes", plugin_id="es") + m.sum("weir_buffer_queue_events", plugin_id="es")
        return m if ended >= 1001 and not waiting else None
    m = wait_until(stands, 20, w.log_tail)
    total = {n: m.sum(f"weir_{n}_total") for n in (
        "source_events", "source_refused_events", "source_repeated_events", "source_unmatched_events", "output_indexed_events",
        "output_already_there_events", "dead_letter_events", "output_dropped_events")}
    stored = m.sum("weir_buffer_durable_events_total", plugin_id="es")
    pending = m.sum("weir_buffer_queue_events", plugin_id="es") + m.sum("weir_buffer_stage_events", plugin_id="es")
    assert total["source_events"] == 1002
    assert total["source_events"] == stored + sum(total[f"source_{n}_events"] for n in ("refused", "repeated", "unmatched"))
    assert stored == total["output_indexed_events"] + total["output_already_there_events"] + total["dead_letter_events"] + total["output_dropped_events"] + pending
    assert (total["dead_letter_events"], total["source_repeated_events"]) == (100, 1)
