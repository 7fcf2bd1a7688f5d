"""A sender that lost an ack sends its chunk again: to the same weir, to one that was killed meanwhile, to another one."""
import glob
import threading

from harness.forward import Connection, chunk_id, encode, event_time
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH, SYSTEM

T = 1700000000

FILE = SYSTEM + """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
</source>
<match **>
  @type file
  path {{root}}/out
  append true
  <format>
    @type json
  </format>
  <buffer []>
    {{flush}}
  </buffer>
</match>
"""


def message(form="packed", chunk=None, first=0, count=3):
    entries = [(event_time(T + n), {"n": n}) for n in range(first, first + (1 if form == "message" else count))]
    return encode(form, "app.x", entries, chunk)


def send(w, data, chunk):
    with Connection(w.port) as c:
        c.send(data)
        if chunk is not None:
            assert c.ack() == chunk


def lines(w):
    found = []
    for name in glob.glob(w.root + "/out*.log"):
        with open(name) as f:
            found += f.read().splitlines()
    return sorted(found)


def test_same_weir_stores_it_once(weir):
    """An output without document ids has no other help: a repetition is known before it is stored."""
    w = weir(FILE, flush="flush_mode immediate")
    ids = {form: chunk_id() for form in ("packed", "forward", "gzip", "message")}
    for n, (form, chunk) in enumerate(ids.items()):
        for _ in range(3):
            send(w, message(form, chunk, 10 * n), chunk)
    want = sorted(f'{{"n":{n}}}' for n in (0, 1, 2, 10, 11, 12, 20, 21, 22, 30))
    wait_until(lambda: lines(w) == want, 10, lambda: f"{lines(w)}\n{w.log_tail()}")
    m = w.metrics()
    assert m.sum("weir_source_repeated_messages_total") == 8
    assert m.sum("weir_source_repeated_events_total") == 3 * 2 * 3 + 2
    assert m.sum("weir_source_events_total") == 3 * (3 * 3 + 1)
    w.stop()
    assert lines(w) == want


def test_what_is_no_repetition(weir):
    """The same chunk id with other events, under another tag; and a sender without chunk ids has sent something new."""
    w = weir(FILE, flush="flush_mode immediate")
    chunk = chunk_id()
    send(w, message("packed", chunk, 0), chunk)
    send(w, message("packed", chunk, 5), chunk)
    send(w, message("packed", chunk, 0).replace(b"app.x", b"app.y"), chunk)
    send(w, message("packed", None, 0), None)
    send(w, message("packed", None, 0), None)
    want = sorted([f'{{"n":{n}}}' for n in (0, 1, 2)] * 4 + [f'{{"n":{n}}}' for n in (5, 6, 7)])
    wait_until(lambda: lines(w) == want, 10, lambda: f"{lines(w)}\n{w.log_tail()}")
    assert w.metrics().sum("weir_source_repeated_messages_total") == 0


def test_many_at_once(weir):
    """The same chunks on several connections at the same time: each is acknowledged on all, and stored once."""
    w = weir(FILE, flush="flush_mode immediate")
    chunks = [(c, message("packed", c, 10 * n, 1)) for n, c in enumerate(chunk_id() for _ in range(50))]

    def all_of_them():
        with Connection(w.port) as c:
            for chunk, data in chunks:
                c.send(data)
            for chunk, _ in chunks:
                assert c.ack() == chunk
            done.append(1)

    done = []
    threads = [threading.Thread(target=all_of_them) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert len(done) == 4
    want = sorted(f'{{"n":{10 * n}}}' for n in range(50))
    wait_until(lambda: lines(w) == want, 10, lambda: f"{lines(w)}\n{w.log_tail()}")
    assert w.metrics().sum("weir_source_repeated_messages_total") == 150


def test_killed_weir_has_it_in_its_buffer(weir):
    """Without document ids: what a crash left in an unfinished chunk is not stored again, the rest of a repetition is."""
    w = weir(FILE, flush="flush_interval 60s")
    ids = {form: chunk_id() for form in ("packed", "forward", "gzip", "message")}
    for n, (form, chunk) in enumerate(ids.items()):
        send(w, message(form, chunk, 10 * n), chunk)
    w.kill9()
    w.start()
    w.wait_log("have been looked through and queued chunks=1 records=10")
    for n, (form, chunk) in enumerate(ids.items()):
        send(w, message(form, chunk, 10 * n), chunk)
    assert w.metrics().sum("weir_source_repeated_events_total") == 10
    chunk = chunk_id()
    send(w, message("packed", chunk, 40), chunk)
    w.flush()
    want = sorted(f'{{"n":{n}}}' for n in (0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 40, 41, 42))
    wait_until(lambda: lines(w) == want, 10, lambda: f"{lines(w)}\n{w.log_tail()}")


def test_killed_weir_and_another_one(weir, fake_es, prefix):
    """Ids are made from what the sender sent: after kill -9, and to another weir, the repetition meets the first copy."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    other = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    ids = {form: chunk_id() for form in ("packed", "forward", "gzip", "message")}
    for n, (form, chunk) in enumerate(ids.items()):
        send(w, message(form, chunk, 10 * n), chunk)
    wait_until(lambda: len(fake_es.documents(f"{prefix}-*")) == 10, 20, w.log_tail)
    w.kill9()
    w.start()
    for n, (form, chunk) in enumerate(ids.items()):
        send(w, message(form, chunk, 10 * n), chunk)
        send(other, message(form, chunk, 10 * n), chunk)

    def met_or_known(w):
        m = w.metrics()
        return m.sum("weir_output_already_there_events_total") + m.sum("weir_source_repeated_events_total")
    wait_until(lambda: met_or_known(w) + met_or_known(other) == 20, 20, w.log_tail)
    found = sorted(d["n"] for d in fake_es.documents(f"{prefix}-*").values())
    assert found == [0, 1, 2, 10, 11, 12, 20, 21, 22, 30]
