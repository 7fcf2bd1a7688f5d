"""Everything that can go wrong between weir and Elasticsearch, one at a time: each accepted event is stored exactly once, or is a dead
letter with a reason, and weir neither storms the server nor grows."""
import math
import os
import time

import pytest

import fake_faults as faults
from fake_es import FakeES
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

    def balanced():
        m = w.metrics()
        done = sum(m.sum(f"weir_output_{x}_events_total") for x in ("indexed", "already_there"))
        return done == len(want)
    wait_until(balanced, 20, lambda: f"{len(want)} events counted as done:\n{w.get('/metrics').text}")


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


@pytest.mark.parametrize("code", [401, 403])
def test_refused_for_want_of_rights(es_and_weir, code):
    """Somebody must mend it: weir holds, asks seldom, loses nothing."""
    es, w = es_and_weir(config=ELASTICSEARCH.replace("retry_max_interval 2s", "retry_max_interval 60s"))
    w.allow(".*")
    fault = es.fault(faults.status(code))
    send_events(w.port, "app", records())
    wait_until(lambda: fault.used >= 1, 20, "a first request")
    # Nothing to wait for: that there are no more requests is what is looked at.
    time.sleep(3)
    assert fault.used <= 2, "a storm"
    es.heal()
    w.flush()
    delivered(es, w, timeout=45)


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


def test_target_missing(es_and_weir):
    """Auto-creation is off and the index is not there: held, not thrown away."""
    es, w = es_and_weir()
    w.allow(".*")
    es.auto_create = False
    send_events(w.port, "app", records())
    wait_until(lambda: es.counts["item 404"] >= 1, 20, w.log_tail)
    es.auto_create = True

    def stored_after_a_flush():
        w.flush()
        return es.stored_events() >= N
    wait_until(stored_after_a_flush, 20, w.log_tail, 0.3)
    delivered(es, w)


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
    wait_until(lambda: w.metrics().sum("weir_dead_letter_events_total") == len(bad), 10, lambda: w.get("/metrics").text)
