"""Weir is killed in the middle of acknowledged traffic, again and again: each acknowledged event is found exactly once."""
import random

import pytest

from harness.traffic import NOTHING, Traffic, difference
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH


def kill_again_and_again(w, traffic, kills):
    dice = random.Random(7)
    for _ in range(kills):
        before = traffic.acked()
        # Somewhere in a group commit, a flush, a reply: the place differs each time.
        more = dice.randrange(20, 1500)
        wait_until(lambda: traffic.acked() >= before + more, 60, lambda: f"acks come:\n{w.log_tail()}", 0.001)
        w.kill9()
        w.start()


@pytest.mark.slow
def test_real_server(weir, opensearch, prefix):
    opensearch.put_template(prefix, f"{prefix}-*", {"properties": {"sender": {"type": "keyword"}}})
    w = weir(ELASTICSEARCH, es_url=opensearch.url, prefix=prefix)
    with Traffic(w.port, rate=1500) as traffic:
        kill_again_and_again(w, traffic, 8)
        total = traffic.finish()
    wait_until(lambda: opensearch.count(f"{prefix}-*") >= total, 90,
               lambda: f"{total} documents, there are {opensearch.count(f'{prefix}-*')}:\n{w.log_tail()}", 0.5)
    w.stop()
    hits = [h["_source"] for h in opensearch.documents(f"{prefix}-*")]
    assert difference(traffic, hits) == NOTHING


def test_kill_while_it_starts(weir, fake_es, prefix):
    """A backlog that is recovered while weir is killed once more."""
    fake_es.close_listener()
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    with Traffic(w.port) as traffic:
        wait_until(lambda: traffic.acked() > 3000, 60, "acks come while the server is down")
        total = traffic.finish()
    w.kill9()
    for i in range(5):
        w.start(wait=False)
        if i % 2:
            w.wait_ready()
        w.kill9()
    fake_es.open_listener()
    w.start()
    wait_until(lambda: fake_es.stored_events() >= total, 60,
               lambda: f"{total} events stored, {fake_es.stored_events()} are:\n{w.log_tail()}")
    w.stop()
    assert difference(traffic, fake_es.documents(f"{prefix}-*").values()) == NOTHING
