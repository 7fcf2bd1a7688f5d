"""The books of each buffer: what was ever stored is what was delivered, given up, dropped, lost, or is still there; over restarts and kills."""
import glob
import json
import os

import pytest

import fake_faults as faults
from harness.forward import Connection, chunk_id, encode, event_time, send_events
from harness.traffic import Traffic
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH

N = 300


def records(n=N, first=0, **fields):
    return [{"sender": "s", "seq": first + i, "text": "x", **fields} for i in range(n)]


def ledger(w, plugin_id="es"):
    m = w.metrics()
    books = {o: m.sum("weir_buffer_events_total", plugin_id=plugin_id, outcome=o)
             for o in ("stored", "delivered", "already_there", "dead", "dropped", "lost")}
    books["there"] = m.sum("weir_buffer_events", plugin_id=plugin_id)
    assert books["stored"] == sum(books.values()) - books["stored"], books
    return {k: v for k, v in books.items() if v}


def wait_ledger(w, plugin_id="es", **want):
    wait_until(lambda: ledger(w, plugin_id) == want, 20, lambda: f"{want}: {ledger(w, plugin_id)}\n{w.log_tail()}")


def test_over_restarts(weir, fake_es, prefix):
    """Delivered, given up, held; then weir is ended, killed, started again."""
    es = fake_es
    w = weir(ELASTICSEARCH, es_url=es.url, prefix=prefix)
    es.fault(faults.item_error("text", "bad", reason="failed to parse field [text]"))
    events = records()
    events[7]["text"] = "bad"
    send_events(w.port, "app", events)
    wait_ledger(w, stored=N, delivered=N - 1, dead=1)
    wait_ledger(w, "dead_letters", stored=1, there=1)
    w.restart()
    wait_ledger(w, stored=N, delivered=N - 1, dead=1)
    es.fault(faults.status(503))
    send_events(w.port, "app", records(first=N))
    wait_ledger(w, stored=2 * N, delivered=N - 1, dead=1, there=N)
    w.kill9()
    w.start()
    wait_ledger(w, stored=2 * N, delivered=N - 1, dead=1, there=N)
    wait_ledger(w, "dead_letters", stored=1, there=1)
    es.heal()
    wait_ledger(w, stored=2 * N, delivered=2 * N - 1, dead=1)
    w.kill9()
    w.start()
    wait_ledger(w, stored=2 * N, delivered=2 * N - 1, dead=1)


def test_kills(weir, fake_es, prefix):
    """Under load and killed in the middle: nothing that was acknowledged is missing in the books, and nothing is in them twice."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    with Traffic(w.port) as traffic:
        for _ in range(5):
            before = traffic.acked()
            wait_until(lambda: traffic.acked() >= before + 700, 60, "acks come", 0.001)
            w.kill9()
            w.start()
        total = traffic.finish()
    wait_until(lambda: fake_es.stored_events() >= total and "there" not in ledger(w), 60, lambda: f"{ledger(w)}\n{w.log_tail()}")
    books = ledger(w)
    assert set(books) <= {"stored", "delivered", "already_there"}
    # A sender repeats what it had no ack for; whatever came in again met its first copy.
    assert books["stored"] >= total and books["delivered"] <= total


def test_chunk_taken_away(weir, fake_es, prefix):
    """Somebody deletes a chunk's file while weir runs: told, counted, and what is behind it goes on."""
    es = fake_es
    es.fault(faults.status(503))
    # A request that is under way has its chunk open, which outlives its name: the first one has failed, and the next comes late.
    w = weir(ELASTICSEARCH, es_url=es.url, prefix=prefix, buffer="retry_wait 3s\nretry_max_interval 3s\nretry_randomize false")
    send_events(w.port, "app", records())
    w.wait_log("503")
    for path in glob.glob(os.path.join(w.root, "es/buffer/*.chunk")):
        os.unlink(path)
    es.heal()
    send_events(w.port, "app", records(first=N))
    wait_ledger(w, stored=2 * N, delivered=N, lost=N)
    w.allow("the file of a chunk is not there any more")
    assert w.metrics().sum("weir_buffer_missing_chunks_total", plugin_id="es") >= 1
    assert {seq for _, seq in es.event_counts} == set(range(N, 2 * N))


def send_one(port, events):
    """A message with an ack; OSError if there comes none."""
    with Connection(port, 1) as c:
        c.send(encode("packed", "app", [(event_time(1700000000, e["seq"]), e) for e in events], chunk_id()))
        c.ack()


@pytest.mark.parametrize("action", ("drop_oldest_chunk", "throw_exception"))
def test_overflow(weir, fake_es, prefix, action):
    """A full buffer drops its oldest chunks, counted and told; or it refuses, and its senders know."""
    es = fake_es
    es.fault(faults.status(503))
    w = weir(ELASTICSEARCH, es_url=es.url, prefix=prefix,
             buffer=f"chunk_limit_size 16k\ntotal_limit_size 128k\noverflow_action {action}")
    refused = 0
    for i in range(20):
        try:
            send_one(w.port, records(50, first=50 * i, fill="x" * 200))
        except OSError:
            refused += 1
    m = w.metrics()
    if action == "drop_oldest_chunk":
        books = ledger(w)
        assert refused == 0 and books["stored"] == 1000
        assert books["dropped"] == m.sum("weir_buffer_dropped_events_total", plugin_id="es") > 0
        w.wait_log("its oldest chunk was thrown away undelivered")
        w.allow("its oldest chunk was thrown away undelivered")
    else:
        assert refused > 0 and m.sum("weir_source_refused_events_total") > 0
        assert "dropped" not in ledger(w)
        w.wait_log("the buffer is full")
        w.allow("a buffer takes nothing more")
    es.heal()
    books = ledger(w)
    wait_until(lambda: "there" not in ledger(w), 20, lambda: w.log_tail())
    assert es.stored_events() == ledger(w)["delivered"] == books["stored"] - books.get("dropped", 0)


def test_a_long_message(weir, fake_es, prefix):
    """What it costs that events are refused does not grow with the message that they came in: all of it for good, and then every other one until it is given up."""
    n = 30000
    fake_es.fault(faults.reject_items(share=1, code=400, type="mapper_parsing_exception", reason="no", times=2))
    fake_es.fault(faults.items_if(lambda item: item.document["seq"] % 2, 503, "unavailable_shards_exception", "primary shard is not active"))
    w = weir(ELASTICSEARCH.replace("retry_forever true", "retry_max_times 1"), es_url=fake_es.url, prefix=prefix)
    w.allow("Hit limit for retries")
    send_events(w.port, "app", records(n), chunk_size=n)
    wait_ledger(w, stored=n, dead=n)
    send_events(w.port, "app", records(n, first=n), chunk_size=n)
    wait_ledger(w, stored=2 * n, delivered=n / 2, dead=1.5 * n)


@pytest.mark.parametrize("status, kind", [(503, "unavailable_shards_exception"), (429, "cluster_block_exception"), (403, "cluster_block_exception")])
def test_one_index_takes_nothing(weir, fake_es, prefix, status, kind):
    """What is refused for now or held never keeps the events behind it in its chunk waiting, and nothing of what was taken is sent again."""
    n = 30000
    fake_es.fault(faults.items_if(lambda item: item.document["seq"] == 0, status, kind, "no"))
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    w.allow("an index takes no events", "failed to flush")
    send_events(w.port, "app", records(n), chunk_size=n)
    wait_until(lambda: fake_es.stored_events() == n - 1, 20, lambda: f"{fake_es.stored_events()}\n{w.log_tail()}")
    wait_until(lambda: len(fake_es.bulk_requests()) >= 5, 20, w.log_tail)
    fake_es.heal()
    wait_ledger(w, stored=n, delivered=n)


DEAD_LABEL = """
<label @DEAD_LETTER>
  <match **>
    @type elasticsearch
    @id dead_index
    hosts {{es_url}}
    index_name dead
    <buffer>
      flush_interval 0.2
    </buffer>
  </match>
</label>
"""


def test_dead_letters_as_events(weir, fake_es, prefix):
    """With <label @DEAD_LETTER> what was given up is also in an index of its own: why, which field, where to, and the event itself."""
    es = fake_es
    w = weir(ELASTICSEARCH + DEAD_LABEL, es_url=es.url, prefix=prefix)
    es.fault(faults.item_error("text", "bad", reason="[1:9] failed to parse field [text] of type [long] in document"))
    events = records()
    events[7]["text"] = "bad"
    send_events(w.port, "app", events)
    wait_until(lambda: es.documents("dead"), 20, lambda: w.log_tail())
    (d,) = es.documents("dead").values()
    assert (d["destination"], d["reason"], d["field"], d["tag"], d["status"], d["events"]) == (
        "es", "document_parsing_exception", "text", "app", 400, 1)
    assert json.loads(d["event"])["seq"] == 7 and d["index"].startswith(prefix) and "failed to parse" in d["text"]
    line = w.wait_log("an event was rejected for good").string
    assert 'field="text"' in line and 'reason="document_parsing_exception"' in line
    # One that is refused there too is a dead letter of that index, and no event any more.
    es.fault(faults.index_error("dead", 400, "strict_dynamic_mapping_exception", "mapping set to strict"))
    events = records(first=N)
    events[9]["text"] = "bad"
    send_events(w.port, "app", events)
    wait_ledger(w, "dead_letters", stored=3, there=3)
    assert len(es.documents("dead")) == 1
    assert w.metrics().sum("weir_dead_letter_events_total", reason="strict_dynamic_mapping_exception") == 1
