"""The tools that work on folders: weir buffer, weir deadletter, weir drain. What they say is read back, what they do is looked for in the fake
Elasticsearch."""
import glob
import json
import os
import shutil
import subprocess

import pytest

import fake_faults as faults
from harness.forward import send_events
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH

N = 60


def records(n=N, first=0, **fields):
    return [{"sender": "s", "seq": first + i, "text": "x", **fields} for i in range(n)]


def tool(w, *args, status=0):
    """What a tool prints; it must end with that status."""
    r = subprocess.run([w.binary, *map(str, args)], capture_output=True, text=True, timeout=60)
    assert r.returncode == status, f"{args}: status {r.returncode}\n{r.stdout}\n{r.stderr}"
    return r.stdout + r.stderr


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def folder(w):
    return os.path.join(w.root, "es/buffer")


def chunks(w):
    return sorted(glob.glob(os.path.join(folder(w), "*.chunk")))


def damage(path):
    """Turns a byte of the first frame's payload over."""
    with open(path, "r+b") as f:
        f.seek(4096 + 120)
        byte = f.read(1)[0]
        f.seek(4096 + 120)
        f.write(bytes([byte ^ 0x20]))


@pytest.fixture
def stopped(weir, fake_es, prefix):
    """A weir that has ended with two chunks of N events each in its buffer, as the server was away."""
    es = fake_es
    es.fault(faults.status(503))
    w = weir(ELASTICSEARCH.replace("flush_interval 0.2", "flush_interval 60"), es_url=es.url, prefix=prefix)
    for first in (0, N):
        send_events(w.port, "app.log", records(first=first))
        w.flush()
        wait_until(lambda: w.metrics().sum("weir_buffer_queue_chunks", plugin_id="es") == 1 + first // N, 10, "a chunk")
    w.stop()
    es.heal()
    return es, w


def test_buffer_ls_show(stopped):
    es, w = stopped
    text = tool(w, "buffer", "ls", folder(w))
    assert "2 chunks" in text and f"{2 * N} events" in text and "in use" not in text
    shown = lines(tool(w, "buffer", "show", folder(w)))
    assert [e["record"]["seq"] for e in shown] == list(range(2 * N))
    assert all(e["tag"] == "app.log" and e["time"].endswith("Z") for e in shown)
    assert len(lines(tool(w, "buffer", "show", folder(w), "--limit", 7))) == 7
    name = os.path.basename(chunks(w)[1])
    assert [e["record"]["seq"] for e in lines(tool(w, "buffer", "show", folder(w), name))] == list(range(N, 2 * N))
    tool(w, "buffer", "show", folder(w), "nothing", status=1)
    tool(w, "buffer", "ls", w.root + "/none", status=1)
    tool(w, "buffer", "frobnicate", folder(w), status=1)


def test_buffer_in_use(stopped):
    """Looking at a buffer that runs harms nothing; mending is refused."""
    es, w = stopped
    es.fault(faults.status(503))
    w.start()
    send_events(w.port, "app.log", records(first=2 * N))
    text = tool(w, "buffer", "ls", folder(w))
    assert f"in use by process {w.pid}, output es" in text
    assert "everything is good" in tool(w, "buffer", "verify", folder(w))
    assert "in use by" in tool(w, "buffer", "repair", folder(w), status=1)
    es.heal()
    w.flush()
    wait_until(lambda: es.stored_events() == 3 * N, 20, lambda: w.log_tail())
    assert es.duplicates() == {}


def test_buffer_verify_repair(stopped):
    es, w = stopped
    assert "everything is good" in tool(w, "buffer", "verify", folder(w))
    damage(chunks(w)[0])
    text = tool(w, "buffer", "verify", folder(w), status=2)
    assert "DAMAGED" in text and "1 frames" in text
    assert not os.path.exists(folder(w) + "/backup")
    assert "1 damaged frames" in tool(w, "buffer", "repair", folder(w))
    assert len(os.listdir(folder(w) + "/backup")) == 1
    text = tool(w, "buffer", "verify", folder(w))
    assert "everything is good" in text and "1 damaged or torn pieces are in backup/" in text
    w.allow("chunk files were removed or damaged meanwhile")
    w.start()
    wait_until(lambda: not chunks(w), 20, lambda: w.log_tail())
    assert w.metrics().sum("weir_buffer_events_total", plugin_id="es", outcome="lost") == N
    assert {seq for _, seq in es.event_counts} == set(range(N, 2 * N))


def test_strange_folder(stopped, tmp_path):
    """Any files at all: told, and nothing is touched."""
    es, w = stopped
    d = folder(w)
    with open(d + "/0123456789abcdef-01234567.chunk", "wb") as f:
        f.write(b"\0" * 5000)
    with open(d + "/not\x1b[31mours", "wb") as f:
        f.write(b"x")
    os.mkfifo(d + "/0123456789abcdef-01234568.chunk")
    before = sorted(os.listdir(d))
    text = tool(w, "buffer", "verify", d, status=2)
    assert "no head" in text and "not a file" in text and "\x1b" not in text
    tool(w, "buffer", "ls", d)
    assert sorted(os.listdir(d)) == before


def test_another_folder(stopped):
    """The folder above, by mistake: nobody is told that its buffer is empty, or good, and nothing is put there."""
    es, w = stopped
    above = os.path.dirname(folder(w))
    for verb in ("ls", "show", "verify", "repair"):
        assert "is no buffer's folder" in tool(w, "buffer", verb, above, status=1)
    assert "is no buffer's folder" in tool(w, "drain", above, "-c", w.config_path, status=1)
    assert os.listdir(above) == ["buffer"]


def test_drain_of_nobodys(stopped, tmp_path):
    """An empty buffer's chunks cannot say whose it was, and of two outputs neither is taken."""
    es, w = stopped
    (tmp_path / "empty").mkdir()
    w.configure(w.config + "<match none>\n @type forward\n <server>\n host 127.0.0.1\n </server>\n</match>\n")
    assert "nothing in the folder tells whose it was" in tool(w, "drain", tmp_path / "empty", "-c", w.config_path, status=1)


def test_drain(stopped, weir, prefix, tmp_path):
    """A folder that came from elsewhere is delivered by another configuration; the weir that runs there goes on."""
    es, w = stopped
    moved = str(tmp_path / "moved")
    shutil.move(folder(w), moved)
    other = weir(ELASTICSEARCH, es_url=es.url, prefix=prefix)
    assert "all is delivered" in tool(other, "drain", moved, "-c", other.config_path)
    assert {seq for _, seq in es.event_counts} == set(range(2 * N))
    assert es.duplicates() == {}
    assert not glob.glob(moved + "/*.chunk") and not os.path.exists(moved + "/dead")
    send_events(other.port, "app.log", records(first=2 * N))
    wait_until(lambda: es.stored_events() == 3 * N, 20, lambda: other.log_tail())
    assert "no output none" in tool(other, "drain", moved, "-c", other.config_path, "--to", "none", status=1)


def test_drain_gives_up(stopped, tmp_path):
    """What is not delivered in time stays; what the server refuses lies in DIR/dead."""
    es, w = stopped
    fault = es.fault(faults.status(503))
    assert "stays where it is" in tool(w, "drain", folder(w), "-c", w.config_path, "--timeout", 1, status=1)
    assert len(chunks(w)) == 2 and fault.used
    es.heal()
    es.fault(faults.item_error("seq", 3, reason="failed to parse field [seq]"))
    text = tool(w, "drain", folder(w), "-c", w.config_path)
    assert "1 events became dead letters" in text
    assert es.stored_events() == 2 * N - 1
    dead = lines(tool(w, "deadletter", "show", "--dir", folder(w) + "/dead"))
    assert [d["record"]["seq"] for d in dead] == [3]


@pytest.fixture
def with_dead(weir, fake_es, prefix):
    """A running weir that has given two events up."""
    es = fake_es
    w = weir(ELASTICSEARCH, es_url=es.url, prefix=prefix)
    es.fault(faults.item_error("text", "bad", reason="failed to parse field [text] of type [long]"))
    events = records()
    events[7]["text"] = events[20]["text"] = "bad"
    send_events(w.port, "app.log", events)
    wait_until(lambda: es.stored_events() == N - 2 and w.metrics().sum("weir_dead_letter_events_total") == 2, 20,
               lambda: w.log_tail())
    return es, w


def ids(es):
    """seq -> document id"""
    return {d["seq"]: i for i, d in es.documents().items()}


def test_deadletter_ls_show(with_dead):
    es, w = with_dead
    for running in (True, False):
        text = tool(w, "deadletter", "ls", "-c", w.config_path)
        assert "2 events" in text and "  es  document_parsing_exception  failed to parse field [text]" in text
        shown = lines(tool(w, "deadletter", "show", "-c", w.config_path))
        assert [d["record"]["seq"] for d in shown] == [20, 7] or [d["record"]["seq"] for d in shown] == [7, 20]
        for d in shown:
            assert (d["destination"], d["reason"], d["status"], d["tag"]) == ("es", "document_parsing_exception", 400, "app.log")
            assert "failed to parse field [text]" in d["text"] and d["index"].startswith(w.values["prefix"])
        for args, n in ((("--tag", "app.*"), 2), (("--tag", "web.*"), 0), (("--reason", "document_parsing_exception"), 2),
                        (("--reason", "x"), 0), (("--destination", "es"), 2), (("--destination=in",), 0),
                        (("--since", "1h"), 2), (("--until", "1h"), 0), (("--since", "2199-01-01"), 0),
                        (("--limit", "1"), 1)):
            assert len(lines(tool(w, "deadletter", "show", "-c", w.config_path, *args))) == n, args
        if running:
            w.stop()
    assert "--since wants a time" in tool(w, "deadletter", "ls", "-c", w.config_path, "--since", "soon", status=1)


@pytest.mark.parametrize("running", (True, False))
def test_deadletter_replay(with_dead, running, prefix):
    """They come back to their place: the same id that they would have had, and those that the filter leaves stay."""
    es, w = with_dead
    es.heal()
    if not running:
        w.stop()
    before = set(ids(es).values())
    assert "0 events were given back" in tool(w, "deadletter", "replay", "-c", w.config_path, "--tag", "other")
    assert "2 events were given back to their destination, 0 stay" in tool(
        w, "deadletter", "replay", "-c", w.config_path, "--reason", "document_parsing_exception")
    assert "0 events" in tool(w, "deadletter", "ls", "-c", w.config_path)
    if not running:
        w.start()
    wait_until(lambda: es.stored_events() == N, 20, lambda: w.log_tail())
    assert es.duplicates() == {}
    # The ids of one message differ in their last four characters, which are the event's place.
    by_seq = ids(es)
    assert len(set(by_seq.values())) == N and before < set(by_seq.values())
    places = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    heads = {i[8:24] for i in by_seq.values()}
    assert len(heads) == 1
    assert all(i[24:] == "AA" + places[seq // 64] + places[seq % 64] for seq, i in by_seq.items())


def test_deadletter_replay_again(with_dead):
    """Refused again, they are dead letters again, and can be replayed again to the same id."""
    es, w = with_dead
    assert "2 events" in tool(w, "deadletter", "replay", "-c", w.config_path)
    wait_until(lambda: "2 events\n" in tool(w, "deadletter", "ls", "-c", w.config_path), 20, lambda: w.log_tail())
    es.heal()
    assert "2 events" in tool(w, "deadletter", "replay", "-c", w.config_path)
    wait_until(lambda: es.stored_events() == N, 20, lambda: w.log_tail())
    by_seq = ids(es)
    places = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert all(i[24:] == "AA" + places[seq // 64] + places[seq % 64] for seq, i in by_seq.items())


@pytest.mark.parametrize("running", (True, False))
def test_deadletter_drop(with_dead, running):
    es, w = with_dead
    if not running:
        w.stop()
    assert "drop wants to know which" in tool(w, "deadletter", "drop", "-c", w.config_path, status=1)
    assert "0 events were thrown away, 2 stay" in tool(w, "deadletter", "drop", "-c", w.config_path, "--until", "1h")
    assert "2 events were thrown away, 0 stay" in tool(w, "deadletter", "drop", "-c", w.config_path, "--all")
    assert "0 events" in tool(w, "deadletter", "ls", "-c", w.config_path)


def test_deadletter_without_destination(with_dead, prefix):
    """What was given up before it was for anybody: told, kept, and given to the output that is named."""
    es, w = with_dead
    es.heal()
    text = w.config.replace("@id es\n", "@id es2\n")
    assert text != w.config
    w.stop()
    w.configure(text)
    text = tool(w, "deadletter", "replay", "-c", w.config_path)
    assert "0 events were given back" in text and "2 of those could not be given back" in text
    assert "there is no output es9" in tool(w, "deadletter", "replay", "-c", w.config_path, "--to", "es9", status=1)
    assert "2 events were given back" in tool(w, "deadletter", "replay", "-c", w.config_path, "--to", "es2")
    w.start()
    wait_until(lambda: es.stored_events() == N, 20, lambda: w.log_tail())
