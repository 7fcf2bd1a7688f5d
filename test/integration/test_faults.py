"""Everything that can go wrong between weir and Elasticsearch, one at a time: each accepted event is stored exactly once, or is a dead
letter with a reason, and weir neither storms the server nor grows."""
import contextlib
import math
import os
import subprocess
import time

import pytest

import fake_faults as faults
from fake_es import FakeES
from harness.books import Books, balanced
from harness.forward import send_events
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH

N = 2000
# Sanitizers keep freed memory and shadows of it.
MEMORY_COUNTS = os.environ.get("WEIR_VARIANT", "release") == "release"


def records(n=N, first=0, **fields):
    return [{"sender": "s", "seq": first + i, "text": "x" * (i % 100), **fields} for i in range(n)]


def stored(es, w, n, timeout=60):
    wait_until(lambda: es.stored_events() >= n, timeout,
               lambda: f"{n} events stored, there are {es.stored_events()}; {es.state()}:\n{w.log_tail()}")


def delivered(es, w, expected=range(N), timeout=60):
    """All of them and nothing else, each once, and weir's books agree."""
    want = {("s", seq) for seq in expected}
    stored(es, w, len(want), timeout)
    assert set(es.event_counts) == want
    assert es.duplicates() == {}

    books = balanced(w)
    assert books.indexed + books.already_there == len(want)


@pytest.fixture
def es_and_weir(weir, fake_es, prefix):
    def make(output="", buffer="", config=ELASTICSEARCH):
        return fake_es, weir(config, es_url=fake_es.url, prefix=prefix, output=output, buffer=buffer)
    return make


def test_no_fault(es_and_weir):
    es, w = es_and_weir()
    send_events(w.port, "app", records())
    delivered(es, w)
    assert es.counts["items"] == N


def test_items_rejected(es_and_weir):
    """A tenth of the items gets a 429 in each of three requests: only those are sent again."""
    es, w = es_and_weir()
    es.fault(faults.reject_items(0.1, times=3))
    send_events(w.port, "app", records())
    delivered(es, w)
    assert es.counts["item 429"] > 0
    assert es.counts["items"] == N + es.counts["item 429"]


@pytest.mark.parametrize("code, type", [(429, "circuit_breaking_exception"), (503, "unavailable_shards_exception"),
                                        (500, "some_new_exception")])
def test_items_fail_for_now(es_and_weir, code, type):
    es, w = es_and_weir()
    es.fault(faults.reject_items(0.5, code=code, type=type, times=2))
    send_events(w.port, "app", records())
    delivered(es, w)


UNREADABLE = {
    "lost": lambda: [faults.lose_reply(times=2)],
    "cut": lambda: [faults.cut_reply(at, times=1) for at in (0, 1, 8, 20, 33, 60, -1)],
    "fewer items": lambda: [faults.fewer_items(times=2)],
    "html": lambda: [faults.html(times=2)],
    "html 502": lambda: [faults.html(502, times=2)],
    "errors without items": lambda: [faults.errors_without_items(times=2)],
    "not json": lambda: [faults.not_json(times=1), faults.not_json("", times=1), faults.not_json("null", times=1)],
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_reply_unreadable(es_and_weir, name):
    """A reply that says nothing: all is sent again, and the ids make that harmless."""
    es, w = es_and_weir()
    fault = [es.fault(f) for f in UNREADABLE[name]()]
    for i in range(len(fault) + 1):
        # One fault after the other, each on a request of its own.
        es.faults[:] = fault[i:i + 1]
        send_events(w.port, "app", records(200, i * 200))
        stored(es, w, (i + 1) * 200)
        wait_until(lambda: i == len(fault) or fault[i].used > 0, 10, "the fault hits a request")
    es.heal()
    delivered(es, w, range(200 * (len(fault) + 1)))


def test_huge_reply(es_and_weir):
    """100 MB of reply are not read into memory."""
    es, w = es_and_weir()
    send_events(w.port, "app", records(100))
    stored(es, w, 100)
    before = w.rss()
    es.fault(faults.huge_reply(100 << 20, times=2))
    send_events(w.port, "app", records(N - 100, 100))
    delivered(es, w)
    # What each of the two flush threads may read of a reply is bounded.
    assert not MEMORY_COUNTS or w.rss() - before < 150 << 20


def test_one_document_refused(es_and_weir):
    es, w = es_and_weir()
    es.fault(faults.item_error("text", "bad", reason="[1:20] failed to parse field [text] of type [long]"))
    bad = records()
    bad[777]["text"] = "bad"
    send_events(w.port, "app", bad)
    delivered(es, w, set(range(N)) - {777})
    wait_until(lambda: w.metrics().sum("weir_dead_letter_events_total", reason="document_parsing_exception") == 1, 10,
               lambda: w.get("/metrics").text)
    assert es.counts["items"] == N


def test_whole_request_refused(es_and_weir):
    """A 400 for the request because of one document: it is found by halving, not by looping."""
    es, w = es_and_weir()
    es.fault(faults.whole_request_if("text", "bad"))
    bad = records()
    bad[1234]["text"] = "bad"
    send_events(w.port, "app", bad, chunk_size=N)
    delivered(es, w, set(range(N)) - {1234})
    wait_until(lambda: w.metrics().sum("weir_dead_letter_events_total") == 1, 10, lambda: w.get("/metrics").text)
    assert len(es.bulk_requests()) <= 2 * math.log2(N) + 3


def test_too_large(es_and_weir):
    """413: halves, and halves of them."""
    es, w = es_and_weir()
    es.fault(faults.too_large(20000))
    send_events(w.port, "app", records(), chunk_size=N)
    delivered(es, w)
    assert all(r.wire_bytes <= 20000 for r in es.bulk_requests() if r.status == 200)


def test_one_document_too_large(es_and_weir):
    es, w = es_and_weir()
    es.fault(faults.too_large(20000))
    big = records(100)
    big[50]["text"] = "x" * 30000
    send_events(w.port, "app", big)
    delivered(es, w, set(range(100)) - {50})
    wait_until(lambda: w.metrics().sum("weir_dead_letter_events_total") == 1, 10, lambda: w.get("/metrics").text)


HOLDING = {401: "password or API key is wrong", 403: "no right to write", 404: "no _bulk at that place", 405: "no _bulk at that place",
           415: "compression_level no_compression", 301: "redirects are not followed"}


@pytest.mark.parametrize("code", HOLDING)
def test_somebody_must_mend_it(es_and_weir, code):
    """Weir says what to do, holds, asks seldom, loses nothing, and goes on when it is mended."""
    es, w = es_and_weir(config=ELASTICSEARCH.replace("retry_max_interval 2s", "retry_max_interval 60s"))
    w.allow("failed to flush the buffer")
    fault = es.fault(faults.status(code, headers={"Location": "http://127.0.0.1:1/"}))
    send_events(w.port, "app", records())
    w.wait_log(f"{code} .*{HOLDING[code]}")
    # Nothing to wait for: that there are no more requests is what is looked at.
    time.sleep(1)
    assert fault.used <= 2, "a storm"
    assert w.metrics().sum("weir_output_holding") == 1 and Books(w).pending == N
    es.heal()
    w.flush()
    delivered(es, w, timeout=45)
    assert w.metrics().sum("weir_output_holding") == 0


def test_mended_by_itself(es_and_weir):
    """No signal, no restart: the next try after it is mended goes through."""
    es, w = es_and_weir()
    w.allow("failed to flush the buffer")
    fault = es.fault(faults.status(401, times=2))
    send_events(w.port, "app", records())
    delivered(es, w)
    assert fault.used == 2


def test_the_others_go_on(weir, fake_es, prefix):
    """One destination refuses everything, the other one has all of it."""
    with FakeES() as bad:
        bad.fault(faults.status(403))
        head, match = ELASTICSEARCH.split("<match **>")
        store = match.split("</match>")[0]
        w = weir(head + "<match **>\n@type copy\n<store>" + store + "</store>\n<store>" +
                 store.replace("@id es", "@id bad").replace("{{es_url}}", bad.url) + "</store>\n</match>",
                 es_url=fake_es.url, prefix=prefix)
        w.allow("failed to flush the buffer")
        send_events(w.port, "app", records())
        delivered(fake_es, w)
        assert Books(w, output="bad").pending == N
        bad.heal()
        delivered(bad, w)


@pytest.mark.parametrize("where", ["connect", "headers", "body"])
def test_hang(es_and_weir, where):
    es, w = es_and_weir(output="request_timeout 2s")
    fault = es.fault(faults.hang(where, times=1))
    send_events(w.port, "app", records())
    delivered(es, w, timeout=30)
    assert fault.used == 1


def test_slow_reply(es_and_weir):
    es, w = es_and_weir(output="request_timeout 3s")
    es.fault(faults.slow_reply(1, times=1))
    send_events(w.port, "app", records())
    delivered(es, w, timeout=30)


def test_one_host_hangs(weir, fake_es, prefix):
    """Of two hosts one never answers: the other takes all, and in time."""
    with FakeES() as silent:
        silent.fault(faults.hang("connect"))
        w = weir(ELASTICSEARCH, es_url=f"{silent.url},{fake_es.url}", prefix=prefix, output="request_timeout 2s")
        send_events(w.port, "app", records())
        delivered(fake_es, w, timeout=30)


def test_one_host_of_three_dead_and_back(weir, fake_es, prefix):
    with FakeES() as second, FakeES() as third:
        third.close_listener()
        w = weir(ELASTICSEARCH, es_url=f"{fake_es.url},{second.url},{third.url}", prefix=prefix, output="resurrect_after 2s")
        every = (fake_es, second, third)
        for i in range(10):
            send_events(w.port, "app", records(100, i * 100))
            wait_until(lambda: sum(e.stored_events() for e in every) >= (i + 1) * 100, 20, w.log_tail)
        assert fake_es.stored_events() and second.stored_events() and not third.stored_events()
        third.open_listener()
        sent = 1000

        def third_is_used():
            nonlocal sent
            send_events(w.port, "app", records(100, sent))
            sent += 100
            return third.stored_events() > 0
        wait_until(third_is_used, 70, w.log_tail, 0.3)
        wait_until(lambda: sum(e.stored_events() for e in every) >= sent, 20, w.log_tail)
        counts = fake_es.event_counts + second.event_counts + third.event_counts
        assert set(counts) == {("s", i) for i in range(sent)} and max(counts.values()) == 1


def test_unavailable_for_a_while(es_and_weir):
    """503 while events keep coming: acks go on, memory stays flat, then all is delivered."""
    es, w = es_and_weir()
    send_events(w.port, "app", records(500))
    stored(es, w, 500)
    before = w.rss()
    fault = es.fault(faults.status(503))
    send_events(w.port, "app", records(60000, 500), chunk_size=1000)
    wait_until(lambda: fault.used >= 3, 20, "weir tries again")
    # Nothing to wait for: that there are few more requests is what is looked at.
    time.sleep(0.5)
    assert not MEMORY_COUNTS or w.rss() - before < 32 << 20
    assert fault.used < 60, "a storm"
    es.heal()
    delivered(es, w, range(60500))


def test_retry_after(es_and_weir):
    es, w = es_and_weir()
    es.fault(faults.status(429, retry_after=4, times=1))
    send_events(w.port, "app", records(), chunk_size=N)
    delivered(es, w)
    times = [r.time for r in es.bulk_requests()]
    assert 3.6 <= times[1] - times[0] <= 6


def test_connection_refused_and_back(es_and_weir):
    es, w = es_and_weir()
    send_events(w.port, "app", records(1000))
    stored(es, w, 1000)
    es.close_listener()
    send_events(w.port, "app", records(1000, 1000))
    wait_until(lambda: w.metrics().sum("weir_output_down") == 1, 20, lambda: w.get("/metrics").text)
    es.open_listener()
    delivered(es, w)


BLOCKED = {
    "write block": (403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];"),
    "flood stage": (403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"),
    "closed": (400, "index_closed_exception", "closed"),
    "no right": (403, "security_exception", "action [indices:data/write/bulk[s]] is unauthorized"),
    "missing": (404, "index_not_found_exception", "no such index [x]"),
}
BY_TAG = ELASTICSEARCH.replace("logstash_prefix {{prefix}}", "logstash_prefix {{prefix}}-${tag}")


@pytest.mark.parametrize("name", BLOCKED)
def test_blocked_index(es_and_weir, name):
    """One index takes nothing: its events are held, over a kill as well; those of others in the same requests and chunks go on."""
    es, w = es_and_weir(config=BY_TAG)
    w.allow("an index takes no events", "failed to flush the buffer")
    fault = es.fault(faults.index_error(lambda index: "-bad-" in index, *BLOCKED[name]))
    good, bad = records(300), records(300, 300)
    for first in (0, 100, 200):
        send_events(w.port, "good", good[first:first + 100])
        send_events(w.port, "bad", bad[first:first + 100])
        stored(es, w, first + 100)
    w.wait_log("an index takes no events: .*blocks, its rights")
    wait_until(lambda: w.metrics().sum("weir_output_blocked_chunks_total") > 0, 20, lambda: w.get("/metrics").text)
    w.kill9()
    w.start()
    before = es.counts["items"]
    wait_until(lambda: fault.used > 4 and es.counts["items"] > before, 20, w.log_tail)
    assert es.stored_events() == 300
    es.heal()
    wait_until(lambda: w.flush() or es.stored_events() >= 600, 20, w.log_tail, 0.3)
    assert set(es.event_counts) == {("s", i) for i in range(600)} and es.duplicates() == {}
    assert balanced_after(w).dead == 0


def balanced_after(w):
    """The books of a weir that began with a backlog: only what is pending, and what died, is known."""
    return wait_until(lambda: (b := Books(w)).pending == 0 and b, 20, lambda: f"nothing is pending: {Books(w)}")


def test_blocked_for_good(es_and_weir):
    """An index that never comes back ends in the dead letters once retry_timeout is over, and holds up nothing."""
    es, w = es_and_weir(config=BY_TAG.replace("retry_forever true", "retry_timeout 2s"))
    w.allow("an index takes no events", "failed to flush the buffer", "Hit limit for retries")
    es.fault(faults.index_error(lambda index: "-bad-" in index))
    send_events(w.port, "bad", records(100, N))
    send_events(w.port, "good", records())
    stored(es, w, N)
    wait_until(lambda: w.flush() or w.metrics().sum("weir_dead_letter_events_total", reason="retries_used_up") == 100, 20,
               lambda: w.get("/metrics").text, 0.3)
    books = balanced(w)
    assert (books.indexed, books.dead) == (N, 100)


def test_retry_state_survives_a_kill(es_and_weir):
    """What of a request was stored is not sent again after a kill; what was rejected is."""
    es, w = es_and_weir(buffer="retry_wait 60s\nretry_max_interval 60s\nretry_randomize false")
    es.fault(faults.reject_items(0.5, times=1))
    send_events(w.port, "app", records(), chunk_size=N)
    wait_until(lambda: w.metrics().sum("weir_output_chunk_retries_total") == 1, 20, w.log_tail)
    rejected = es.counts["item 429"]
    assert 0 < rejected < N
    w.kill9()
    w.start()
    w.flush()
    stored(es, w, N)
    assert es.counts["items"] == N + rejected
    assert es.duplicates() == {}


def test_configuration_refused(es_and_weir):
    """A 400 whatever the events are: held after some requests, not a request for each event, and nothing is a dead letter."""
    es, w = es_and_weir(config=ELASTICSEARCH.replace("retry_max_interval 2s", "retry_max_interval 60s"))
    w.allow("failed to flush the buffer")
    fault = es.fault(faults.status(400))
    send_events(w.port, "app", records(), chunk_size=N)
    w.wait_log("refused by itself.*400")
    assert fault.used < 80
    es.heal()
    w.flush()
    delivered(es, w)
    assert Books(w).dead == 0


def test_many_bad_documents(es_and_weir):
    """A row of events that the request fails for, at its beginning: they alone are dead letters."""
    es, w = es_and_weir()
    es.fault(faults.whole_request_if("text", "bad"))
    some = records(400)
    for r in some[:40]:
        r["text"] = "bad"
    send_events(w.port, "app", some, chunk_size=400)
    delivered(es, w, range(40, 400))
    assert Books(w).dead == 40


def test_requests_stay_smaller(es_and_weir):
    """After a 413 the next requests are made smaller from the start."""
    es, w = es_and_weir()
    fault = es.fault(faults.too_large(70000))
    send_events(w.port, "app", records(1000), chunk_size=1000)
    stored(es, w, 1000)
    first = es.counts["status 413"]
    assert first > 0
    for i in range(3):
        send_events(w.port, "app", records(1000, 1000 * (i + 1)), chunk_size=1000)
        stored(es, w, 1000 * (i + 2))
    assert es.counts["status 413"] == first and fault
    delivered(es, w, range(4000))


def test_fewer_requests_while_busy(es_and_weir):
    """429s halve what may be under way, good answers bring it back."""
    es, w = es_and_weir(buffer="flush_thread_count 8\nchunk_limit_size 8k")
    assert w.metrics().sum("weir_output_requests_limit") == 8
    es.fault(faults.reject_items(0.2, times=40))
    es.fault(faults.late(0.05))
    send_events(w.port, "app", records(6000), chunk_size=20)
    wait_until(lambda: w.metrics().sum("weir_output_requests_limit") == 1, 20, lambda: w.get("/metrics").text)
    es.heal()
    delivered(es, w, range(6000))
    assert w.metrics().sum("weir_output_requests_limit") > 1


def test_books_of_a_request_in_parts(es_and_weir):
    """Parts of a request are stored, then one is refused: all of it is sent again, and no event is counted twice."""
    es, w = es_and_weir()
    es.fault(faults.too_large(20000))
    es.fault(faults.status(503, times=2, when=lambda r: any(i.document["seq"] == N - 1 for i in r.items) and r.wire_bytes < 20000))
    send_events(w.port, "app", records(), chunk_size=N)
    delivered(es, w)
    books = Books(w)
    assert books.already_there > 0 and books.indexed + books.already_there == N


def test_refused_is_not_acknowledged(weir, fake_es, prefix):
    """A full buffer that throws: no ack, a closed connection, and the books say so."""
    fake_es.close_listener()
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix,
             buffer="chunk_limit_size 64k\ntotal_limit_size 128k\noverflow_action throw_exception")
    w.allow("a buffer takes nothing more", "failed to flush the buffer", "full")
    sent = 0
    with pytest.raises((ConnectionError, OSError)):
        for sent in range(0, 100 * N, 100):
            send_events(w.port, "app", records(100, sent), chunk_size=100)
    wait_until(lambda: Books(w).refused >= 100, 20, lambda: w.get("/metrics").text)
    books = Books(w)
    assert books.balance() and books.pending == sent, books
    fake_es.open_listener()
    delivered(fake_es, w, range(sent))


@pytest.mark.parametrize("step", ["bulk-answered", "bulk-concluded", "chunk-delivered", "chunk-unlinked"])
def test_dead_letter_survives(es_and_weir, step):
    """weir dies right before or after the chunk of a bad event goes: its dead letter is there, the others are stored once."""
    es, w = es_and_weir()
    es.fault(faults.item_error("text", "bad"))
    some = records(100)
    some[50]["text"] = "bad"
    w.stop()
    w.env["WEIR_DIE_AT"] = step
    w.start()
    with contextlib.suppress(OSError):
        send_events(w.port, "app", some, chunk_size=100)
    w.process.popen.wait(60)
    w.kill9()
    del w.env["WEIR_DIE_AT"]
    w.start()
    stored(es, w, 99)
    wait_until(lambda: Books(w).pending == 0, 20, lambda: w.get("/metrics").text)
    assert es.duplicates() == {}
    w.stop()
    out = subprocess.run([w.binary, "deadletter", "show", "--dir", os.path.join(w.root, "dead")], capture_output=True, text=True, timeout=20)
    assert '"bad"' in out.stdout, (out.stdout, out.stderr)


def test_crash_loop(es_and_weir):
    """Something in a message crashes weir each time that it is to be delivered: the third time it is set aside, and the others are delivered."""
    es, w = es_and_weir(buffer="flush_interval 60s")
    send_events(w.port, "app", records(5), chunk_size=1)
    w.kill9()
    w.env["WEIR_DIE_AT"] = "frame-read:3:abort"
    for _ in range(3):
        w.start(wait=False)
        assert w.process.popen.wait(60) != 0
        w.kill9()
    del w.env["WEIR_DIE_AT"]
    w.allow("weir has crashed three times at work on a message")
    w.start()
    stored(es, w, 4)
    assert {seq for _, seq in es.event_counts} == {0, 1, 3, 4}
    wait_until(lambda: w.metrics().sum("weir_buffer_events_total", plugin_id="es", outcome="lost") == 1, 20, lambda: w.get("/metrics").text)
    folder = os.path.join(w.root, "es/buffer")
    assert len(os.listdir(os.path.join(folder, "backup"))) == 1
    assert not [n for n in os.listdir(folder) if n.endswith(".blame")]


def test_failure_store(es_and_weir):
    """Events in the server's failure store are indexed, and counted by themselves as well."""
    es, w = es_and_weir()
    es.fault(faults.failure_store(7))
    send_events(w.port, "app", records(), chunk_size=N)
    delivered(es, w)
    assert w.metrics().sum("weir_output_failure_store_events_total") == 7


def test_all_at_once(es_and_weir):
    """Faults by turns under traffic; planted bad documents are the only dead letters."""
    es, w = es_and_weir(output="request_timeout 2s")
    es.fault(faults.item_error("text", "bad"))
    total, bad = 0, set()
    turns = [lambda: faults.reject_items(0.1, times=5), lambda: faults.lose_reply(times=1), lambda: faults.cut_reply(40, times=1),
             lambda: faults.status(503, times=2), lambda: faults.hang("body", times=1), lambda: faults.fewer_items(times=1),
             lambda: faults.html(times=1), lambda: faults.late(0.5, times=2)]
    for turn in range(24):
        es.fault(turns[turn % len(turns)]())
        some = records(500, total)
        some[turn]["text"] = "bad"
        bad.add(total + turn)
        send_events(w.port, "app", some, ("packed", "forward", "gzip")[turn % 3])
        total += 500
    delivered(es, w, set(range(total)) - bad, timeout=120)
    assert Books(w).dead == len(bad)
