"""The search server goes away in the middle of traffic and comes back: nothing is lost, nothing is there twice."""
import pytest

from harness.traffic import NOTHING, Traffic, difference
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH


@pytest.mark.slow
@pytest.mark.parametrize("name, how", [("opensearch2", "kill"), ("elasticsearch8", "stop")])
def test_server_goes_and_comes_back(weir, own_server, prefix, name, how):
    server = own_server(name)
    server.put_template(prefix, f"{prefix}-*", {"properties": {"sender": {"type": "keyword"}}})
    w = weir(ELASTICSEARCH, es_url=server.url, prefix=prefix)
    with Traffic(w.port, rate=150) as traffic:
        wait_until(lambda: server.count(f"{prefix}-*") > 300, 60, lambda: f"documents arrive:\n{w.log_tail()}", 0.2)
        getattr(server, how)()
        at_outage = traffic.acked()
        wait_until(lambda: traffic.acked() > at_outage + 2000, 60, lambda: f"acks go on:\n{w.log_tail()}")
        server.start()
        back = traffic.acked()
        wait_until(lambda: traffic.acked() > back + 500, 60, "acks go on after the outage")
        total = traffic.finish()
    wait_until(lambda: server.count(f"{prefix}-*") >= total, 90,
               lambda: f"{total} documents, there are {server.count(f'{prefix}-*')}:\n{w.log_tail()}", 0.5)
    w.stop()
    assert difference(traffic, [h["_source"] for h in server.documents(f"{prefix}-*")]) == NOTHING


def test_outage_at_start(weir, fake_es, prefix):
    """Weir starts, takes events and acknowledges them while there is no server."""
    fake_es.close_listener()
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    with Traffic(w.port) as traffic:
        wait_until(lambda: traffic.acked() > 2000, 60, lambda: f"acks come:\n{w.log_tail()}")
        total = traffic.finish()
    w.restart()
    assert fake_es.stored_events() == 0
    fake_es.open_listener()
    wait_until(lambda: fake_es.stored_events() >= total, 60, lambda: f"all arrive:\n{w.log_tail()}")
    w.stop()
    assert difference(traffic, fake_es.documents(f"{prefix}-*").values()) == NOTHING
