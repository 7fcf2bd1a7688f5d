"""What weir tells of itself: the status page in a real browser, its data, health, the tools that ask for it."""
import json
import os
import pty
import re
import select
import socket
import subprocess
import time

import fake_faults
import msgpack
import pytest

from harness.browser import Browser
from harness.forward import Connection, chunk_id, encode, event_time, send_events
from harness.ports import free_port
from harness.waiting import PATIENCE, wait_until
from harness.weir import ROOT, SYSTEM

HOSTILE = '<img src=x onerror="window.hacked=1">'

CONFIG = SYSTEM + """
<source>
  @type forward
  @id in
  bind 127.0.0.1
  port {{forward_port}}
</source>
<match app.**>
  @type elasticsearch
  @id es
  hosts {{es_url}}
  logstash_format true
  <buffer>
    flush_interval 0.2
    retry_wait 0.2
    retry_max_interval 1s
  </buffer>
</match>
<match away.**>
  @type forward
  @id away
  <server>
    host 127.0.0.1
    port {{dead_port}}
  </server>
  <buffer>
    {{away}}
    flush_interval 0.2
    retry_wait 0.5
    retry_max_interval 1s
  </buffer>
</match>
"""


@pytest.fixture
def running(weir, fake_es):
    return weir(CONFIG, es_url=fake_es.url, dead_port=free_port())


@pytest.fixture
def browser(tmp_path):
    b = Browser(str(tmp_path))
    yield b
    b.close()


def tool(w, *arguments, **options):
    return subprocess.run([w.binary, *arguments], capture_output=True, timeout=60,
                          env={**os.environ, "WEIR_ADMIN": w.admin}, **options)


def status(w):
    return w.get("/api/status.json").json


def wait_status(w, condition, what):
    return wait_until(lambda: (lambda s: condition(s) and s)(status(w)), 20, lambda: f"{what}: {json.dumps(status(w), indent=1)}")


def output(s, plugin_id):
    return next(o for o in s["outputs"] if o["id"] == plugin_id)


def hostile_traffic(w, fake_es):
    """Events that are delivered, that are dead letters, and that wait; with markup wherever a sender can put it."""
    fake_es.fault(fake_faults.reject_items(1.0, code=400, type="mapper_parsing_exception" + HOSTILE, reason=HOSTILE, times=1))
    send_events(w.port, "app." + HOSTILE, [{"seq": 0, "message": HOSTILE + "</script><script>window.hacked=2</script>"}])
    wait_status(w, lambda s: s["dead_letters"]["events"] == 1, "a dead letter")
    send_events(w.port, "app.web", [{"seq": i} for i in range(1, 200)])
    send_events(w.port, "away.x", [{"seq": i} for i in range(50)])
    send_events(w.port, "nobody.wants", [{"seq": 1}])
    # What is delivered leaves its queue a moment later.
    wait_status(w, lambda s: output(s, "es")["delivered"] == 199 and s["totals"]["pending_events"] == 50 and output(s, "away")["state"] == "down", "traffic")


def test_status_json(running, fake_es):
    w = running
    hostile_traffic(w, fake_es)
    s = status(w)
    assert s["weir"]["ready"] is True and s["weir"]["not_ready"] is None and s["weir"]["pid"] == w.pid
    source, = s["sources"]
    assert (source["id"], source["type"], source["events"]) == ("in", "forward", 251)
    es, away = output(s, "es"), output(s, "away")
    assert es["state"] == "ok" and es["emitted"] == 200 and es["buffer"]["queue_events"] == 0
    assert away["delivered"] == 0 and away["buffer"]["stage_events"] + away["buffer"]["queue_events"] == 50
    assert away["retry"]["failures"] >= 1 and "refused" in away["retry"]["reason"].lower()
    assert s["totals"]["received_events"] == 251 and s["totals"]["unmatched_events"] == 1 and s["totals"]["pending_events"] == 50
    sender = s["senders"]["top"][0]
    assert sender["address"] == "127.0.0.1" and sender["source"] == "in" and sender["events"] == 251 and sender["bytes"] > 251
    dead, = s["dead_letters"]["samples"]
    assert dead["reason"] == "mapper_parsing_exception" + HOSTILE and dead["text"] == HOSTILE and dead["plugin"] == "es"
    assert dead["tag"] == "app." + HOSTILE and dead["status"] == 400 and json.loads(dead["event"]["text"])["seq"] == 0
    history = w.get("/api/history.json").json
    assert history["step_s"] * history["steps"] == 3600 and history["columns"][0] == "at_s"


def test_metrics(running, fake_es):
    w = running
    hostile_traffic(w, fake_es)
    m = w.metrics()
    assert m.sum("weir_forward_ack_seconds_count", plugin_id="in") == 4
    assert 0 < m.sum("weir_forward_ack_seconds_sum", plugin_id="in") < 20
    assert m.sum("weir_buffer_sync_seconds_count", plugin_id="es") == m.sum("weir_buffer_syncs_total", plugin_id="es")
    assert m.sum("weir_output_request_seconds_count", plugin_id="es") >= 2
    assert m.sum("weir_output_event_age_seconds_count", plugin_id="es") == 200
    assert m.sum("weir_output_delivered_events_total", plugin_id="es") == 199
    assert m.sum("weir_build_info") == 1
    assert m.sum("fluentd_output_status_emit_records", plugin_id="es", type="elasticsearch") == 200
    assert m.sum("fluentd_output_status_retry_count", plugin_id="away") >= 1
    assert m.sum("fluentd_output_status_num_errors", plugin_id="es") == 0


@pytest.mark.slow
def test_page(running, fake_es, browser):
    w = running
    hostile_traffic(w, fake_es)
    headers = subprocess.run(["curl", "-sI", w.admin + "/"], capture_output=True, text=True, check=True).stdout
    assert "default-src 'none'; script-src 'sha256-" in headers and "unsafe" not in headers
    browser.open(w.admin + "/")
    browser.wait("document.body.dataset.updates >= 1")
    text = browser.evaluate("document.body.innerText")
    for part in (HOSTILE, "DEAD LETTERS", "SENDERS", "127.0.0.1", "next try in", "storing, not delivering everything", "without a <match>"):
        assert part in text, f"{part!r} is missing:\n{text}"
    assert browser.evaluate("document.querySelector('#outputs [data-state=down] .name').textContent") == "away"
    assert browser.evaluate("document.querySelectorAll('#sources .node').length") == 1
    assert browser.evaluate("document.querySelectorAll('img, iframe, script').length") == 1
    assert browser.evaluate("document.querySelector('#dead pre').textContent").count("<script>window.hacked=2") == 1
    # What a reader has opened stays open, while the numbers go on.
    browser.evaluate("document.querySelector('#dead details').open = true")
    send_events(w.port, "app.web", [{"seq": i} for i in range(1000, 2000)])
    browser.wait("document.querySelector('#tiles').innerText.includes('1.25k in all')")
    browser.wait("parseFloat(document.querySelector('#sources .rate span').textContent) > 0")
    assert browser.evaluate("document.querySelector('#dead details').open")
    browser.wait("document.querySelectorAll('#rates path').length > 0", 30)
    shots = os.path.join(ROOT, "build/screenshots")
    browser.screenshot(f"{shots}/status.png")
    for name, size in (("dark", {"dark": True}), ("phone", {"width": 390, "height": 844, "phone": True}),
                       ("phone-dark", {"width": 390, "height": 844, "phone": True, "dark": True})):
        browser.open(w.admin + "/", **size)
        browser.wait("document.body.dataset.updates >= 1 && document.querySelectorAll('#rates text').length > 0")
        assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is wider than the screen"
        browser.screenshot(f"{shots}/status-{name}.png")
    assert browser.evaluate("window.hacked") is None
    assert not browser.complaints()
    assert all(u.startswith(w.admin + "/") or u.startswith("data:") or u == "about:blank" for u in browser.requests())
    w.stop()
    browser.wait("document.body.classList.contains('stale')")


def test_health(weir, fake_es):
    """Outputs that hang block neither; a full buffer is what makes weir not ready."""
    silent = socket.create_server(("127.0.0.1", 0))
    w = weir(CONFIG, es_url=f"http://127.0.0.1:{silent.getsockname()[1]}", dead_port=free_port(),
             away="chunk_limit_size 64k\n total_limit_size 256k")
    send_events(w.port, "app.web", [{"seq": i} for i in range(100)])
    for path in ("/healthz", "/readyz", "/metrics", "/api/status.json"):
        began = time.monotonic()
        assert w.get(path).status == 200
        assert time.monotonic() - began < 1 * PATIENCE
    with Connection(w.port) as c:
        for _ in range(16):
            c.send(encode("packed", "away.x", [(event_time(1), {"text": "x" * 40000})], chunk_id()))
        wait_until(lambda: w.get("/readyz").status == 503, 20, w.log_tail)
        assert w.get("/readyz").text == "the buffer of away takes nothing: it is full\n"
        for _ in range(50):  # and stays so, whatever is tried meanwhile
            assert w.get("/healthz").status == 200 and output(status(w), "away")["state"] == "full"
        assert tool(w, "status").returncode == 2
    w.kill9()  # it would wait for those that wait for room
    silent.close()


def test_status_tool(running, fake_es):
    w = running
    assert tool(w, "status").returncode == 0
    hostile_traffic(w, fake_es)
    r = tool(w, "status")
    assert r.returncode == 3 and b"away" in r.stdout and b"next try in" in r.stdout and b"\x1b" not in r.stdout
    assert re.search(rb"127\.0\.0\.1 +in ", r.stdout)
    assert json.loads(tool(w, "status", "--json").stdout)["weir"]["pid"] == w.pid
    r = tool(w, "status", "--admin", f"127.0.0.1:{free_port()}")
    assert r.returncode == 1 and b"no answer" in r.stderr


def test_top(running, fake_es):
    """On a terminal: one screen, drawn anew, fits when the window changes, ends with q and gives the terminal back."""
    w = running
    send_events(w.port, "away.\x1b]0;owned\x07", [{"seq": 1}])
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["WEIR_ADMIN"] = w.admin
        os.execv(w.binary, [w.binary, "top", "--interval", "0.2"])
    seen = b""

    def read_until(pattern):
        nonlocal seen
        def more():
            nonlocal seen
            if select.select([fd], [], [], 0.05)[0]:
                seen += os.read(fd, 65536)
            return re.search(pattern, seen)
        wait_until(more, 20, lambda: f"{pattern} in {seen[-2000:]}", 0)

    import fcntl
    import struct
    import termios
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 40, 0, 0))
    read_until(rb"\x1b\[\?1049h.*weir .*OUTPUT|received")
    seen = b""
    read_until(rb"\x1b\[H(?s:.*)\x1b\[H")
    screen = seen.split(b"\x1b[H")[-2]
    lines = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", screen).split(b"\r\n")
    assert len(lines) <= 12 and max(len(x) for x in lines) <= 40, lines
    assert b"\x1b]" not in seen
    os.write(fd, b"q")
    read_until(rb"\x1b\[\?1049l")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(fd)


def test_cat(weir, fake_es):
    path = f"/tmp/weir-test-{os.getpid()}-{free_port()}.sock"
    w = weir(CONFIG + f"<source>\n @type unix\n path {path}\n</source>\n", es_url=fake_es.url, dead_port=free_port())

    def cat(text, *arguments, **env):
        return subprocess.run([w.binary, "cat", "-p", str(w.port), *arguments], input=text, capture_output=True, timeout=60,
                              env={**os.environ, **env})

    def documents(n):
        wait_until(lambda: len(fake_es.documents()) >= n, 20, lambda: str(fake_es.documents()))
        assert len(fake_es.documents()) == n
        return [d for d in fake_es.documents().values()]

    r = cat('{"a":1}\n\n{"text":"한글"}'.encode(), "app.json")
    assert (r.returncode, r.stdout, r.stderr) == (0, b"", b"")
    assert {json.dumps({k: v for k, v in d.items() if k != "@timestamp"}, ensure_ascii=False) for d in documents(2)} == {'{"a": 1}', '{"text": "한글"}'}
    r = cat(b"one line\nno \xff utf8\n", "app.none", "-f", "none", "--message-key", "line", "--event-time", "2026-01-02T03:04:05Z")
    assert r.returncode == 0
    lines = [d for d in documents(4) if "line" in d]
    assert {d["line"] for d in lines} == {"one line", "no \ufffd utf8"} and lines[0]["@timestamp"].startswith("2026-01-02T03:04:05")
    assert cat(msgpack.packb({"m": 1}) + msgpack.packb({"m": 2}), "app.mp", "--msgpack", "--time-as-integer").returncode == 0
    documents(6)
    assert cat(b'{"u":1}\n', "-s", path, "app.unix").returncode == 0
    documents(7)
    many = b"".join(b'{"seq":%d}\n' % i for i in range(5000))
    assert cat(many, "app.many").returncode == 0
    documents(5007)
    r = cat(b'{"ok":1}\n[1]\nnonsense\n', "app.bad")
    assert r.returncode == 1 and r.stderr.count(b"left out") == 2
    documents(5008)
    r = cat(b'{"a":1}\n', "-p", str(free_port()), "--retry-limit", "1", "app.x")
    assert r.returncode == 1 and r.stderr.count(b"refused") == 2 and b"given up; 0 events" in r.stderr
    for wrong in ([], ["a", "b"], ["-f", "xml", "t"], ["-p", "0", "t"]):
        assert b"usage" in cat(b"", *wrong).stderr


def test_cat_shared_key(weir):
    w = weir(SYSTEM + """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
  <security>
    self_hostname here
    shared_key s3cret
  </security>
</source>
<match **>
  @type null
  @id end
</match>
""")
    for key, code in (("s3cret", 0), ("wrong", 1)):
        r = subprocess.run([w.binary, "cat", "-p", str(w.port), "--retry-limit", "0", "t"], input=b'{"a":1}\n', capture_output=True,
                           timeout=60, env={**os.environ, "WEIR_SHARED_KEY": key})
        assert r.returncode == code, r.stderr
        assert b"s3cret" not in r.stderr
    assert w.metrics().sum("weir_output_emitted_events_total", plugin_id="end") == 1


def test_tail(running, fake_es):
    w = running

    def run(*arguments):
        return subprocess.Popen([w.binary, "tail", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**os.environ, "WEIR_ADMIN": w.admin})

    first, second = run("app.*", "--count", "2"), run("--output", "away", "--json", "--count", "1")
    # No event is seen before the tap is there, and nothing tells when it is: so they are sent until both have ended.
    def feed():
        if first.poll() is None or second.poll() is None:
            send_events(w.port, "app.x", [{"text": "\x1b[31m한\x9b"}], seconds=1767323045)
            send_events(w.port, "away.x", [{"seq": 1}])
            return False
        return True
    wait_until(feed, 20, "both have seen their events", 0.1)
    out = first.communicate()[0].decode().splitlines()
    assert out == ['2026-01-02T03:04:05.000000000Z app.x: {"text":"\\u001b[31m한\\u009b"}'] * 2
    assert json.loads(second.communicate()[0])["tag"] == "away.x"
    r = tool(w, "tail", "/(/")
    assert r.returncode == 1 and b"answered 400" in r.stderr
    r = tool(w, "tail", "--output", "awya")
    assert r.returncode == 1 and b"no output with that @id" in r.stderr


def test_tail_never_slows(running, fake_es):
    """A tail that nobody reads: events go through all the same, and what is not shown is counted."""
    w = running
    with socket.create_connection(("127.0.0.1", w.values["admin_port"])) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /api/tail HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(12).startswith(b"HTTP/1.1 200")
        def full():
            send_events(w.port, "away.flood", [{"text": "y" * 1000}] * 500)
            return w.metrics().sum("weir_tail_dropped_events_total") > 0
        wait_until(full, 20, "events are dropped by the tail")
        taken = w.metrics().sum("weir_source_events_total", plugin_id="in")
        assert output(status(w), "away")["emitted"] == taken


def test_log_is_limited(weir):
    """A flood of the same trouble is a line now and then, with how many were held back."""
    w = weir(SYSTEM.replace("</system>", "<log>\n format json\n </log>\n</system>") + """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
</source>
<match **>
  @type null
</match>
""")
    with Connection(w.port) as c:
        for _ in range(500):
            chunk = chunk_id()
            c.send(msgpack.packb(["t", [["no time", {"a": 1}]], {"chunk": chunk}]))
            assert c.ack() == chunk
    m = w.metrics()
    assert m.sum("weir_log_lines_total", level="warn") >= 1 and m.sum("weir_log_held_back_lines_total") >= 490
    lines = [json.loads(x) for x in w.log().splitlines()]
    assert len([x for x in lines if "skip invalid event" in x["message"]]) <= 3
    assert len(lines) < 60 and all({"time", "level", "message"} <= set(x) for x in lines)
