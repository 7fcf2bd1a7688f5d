"""Connections: what they cost, and that old ones are ended so that senders spread."""
import http.client
import os
import random
import resource
import socket
import ssl
import threading
import time

import pytest

from harness.forward import Connection, Sender, chunk_id, encode, event_time
from harness.traffic import NOTHING, Traffic, difference
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH, SYSTEM
from test_inputs_forward import closed, found, message, pki, run, tls  # noqa: F401 (pki and run are fixtures)

NULL = SYSTEM + """
<source>
  @type forward
  @id in
  bind 127.0.0.1
  port {{forward_port}}
  {{options}}
</source>
<match **>
  @type null
</match>
"""
IDLE, BUSY = 10000, 1000
MIB = 1 << 20
PLAIN = os.environ.get("WEIR_VARIANT", "release") == "release"  # sanitizers keep freed memory


@pytest.fixture
def descriptors():
    """Room for so many connections in this process and in weir."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < IDLE + BUSY + 500:
        pytest.skip(f"only {hard} descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def chunk(count):
    return encode("packed", "app", [(event_time(1700000000, i), {"log": "x" * 200, "i": i}) for i in range(count)], "an id")


def all_acked(socks):
    for s in socks:
        assert s.recv(64), "weir has closed a connection"


@pytest.mark.slow
def test_memory(weir, descriptors):
    """Ten thousand idle connections and a thousand busy ones within 64 MiB; an idle one, whatever it has sent before, costs less than 3 KiB."""
    w = weir(NULL)
    socks, one, many = [], chunk(1), chunk(40)
    before = w.rss()
    try:
        for _ in range(IDLE + BUSY):
            socks.append(socket.create_connection(("127.0.0.1", w.port), 30))
        for s in socks:
            s.sendall(one)
        all_acked(socks)
        each = (w.rss() - before) / len(socks)
        assert each < 3 << 10, f"{each:.0f} bytes for an idle connection"
        busy = socks[:BUSY]
        for _ in range(3):
            for s in busy:
                s.sendall(many + many[:len(many) // 2])  # a whole one, and half of the next
            all_acked(busy)
            grown = w.rss() - before
            assert grown < 64 * MIB, f"{grown / MIB:.1f} MiB"
            for s in busy:
                s.sendall(many[len(many) // 2:])
            all_acked(busy)
        assert w.metrics().sum("weir_forward_connections_accepted_total") == IDLE + BUSY
    finally:
        for s in socks:
            s.close()


# ---- max_connection_age --------------------------------------------------------------------------------------------------


class OneOfSeveral(Sender):
    """A sender whose every connection goes to one of several ports, as a Kubernetes service does it."""

    def __init__(self, ports, *args, **options):
        super().__init__(None, *args, **options)
        self.ports = ports

    port = property(lambda self: random.choice(self.ports), lambda self, _: None)


def recycled(w):
    return w.metrics().sum("weir_forward_connections_closed_total", reason="age")


@pytest.mark.parametrize("window", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_senders_spread(weir, fake_es, prefix, window):
    """A second weir comes up beside one that all senders are connected to: soon it has its share. No reset, nothing lost, nothing twice."""
    config = ELASTICSEARCH.replace("@id in", "@id in\n  max_connection_age 1s")
    first = weir(config, es_url=fake_es.url, prefix=prefix)
    ports = [first.port]
    with Traffic(ports, count=6, sender=OneOfSeveral, rate=100, window=window) as traffic:
        wait_until(lambda: traffic.acked() > 200, 30, first.log_tail)
        second = weir(config, es_url=fake_es.url, prefix=prefix)
        ports.append(second.port)
        wait_until(lambda: second.metrics().sum("weir_forward_acks_total") > 50, 30, second.log_tail)
        wait_until(lambda: recycled(second) > 0, 30, second.log_tail)
        total = traffic.finish()
    assert sum(s.broken for s in traffic.senders) >= 1
    assert sum(s.resets for s in traffic.senders) == 0, "a connection was reset"
    wait_until(lambda: fake_es.stored_events() >= total, 60, second.log_tail)
    first.stop()
    second.stop()
    assert difference(traffic, fake_es.documents(f"{prefix}-*").values()) == NOTHING


@pytest.mark.slow
def test_sender_without_a_pause(weir, fake_es, prefix):
    """It gets some seconds for one; then the end comes between two messages all the same."""
    w = weir(ELASTICSEARCH.replace("@id in", "@id in\n  max_connection_age 1s"), es_url=fake_es.url, prefix=prefix)
    with Traffic(w.port, count=1, rate=2000, max_chunk=4) as traffic:
        wait_until(lambda: recycled(w) > 0, 60, w.log_tail)
        total = traffic.finish()
    assert sum(s.resets for s in traffic.senders) == 0, "a connection was reset"
    wait_until(lambda: fake_es.stored_events() >= total, 60, w.log_tail)
    w.stop()
    assert difference(traffic, fake_es.documents(f"{prefix}-*").values()) == NOTHING


@pytest.mark.slow
def test_sender_without_a_gap(run):  # noqa: F811
    """A part of its next message is always there: the end comes at last, after the ack of what was whole; that next one may be stored without its ack."""
    w = run("max_connection_age 1s")
    acked, rest, began = 0, b"", time.monotonic()
    with Connection(w.port) as c, pytest.raises(ConnectionError):
        while time.monotonic() < began + 90:
            following = message({"i": acked + 1}, chunk=str(acked + 1))
            c.send((rest or message({"i": acked}, chunk=str(acked))) + following[:9])
            rest = following[9:]
            assert c.ack() == str(acked)
            acked += 1
            time.sleep(0.01)
    assert recycled(w) == 1 and time.monotonic() > began + 20
    assert [r["i"] for r in found(w, acked)] in (list(range(acked)), list(range(acked + 1)))


@pytest.mark.parametrize("secure", [pytest.param(None, marks=pytest.mark.slow), pytest.param("TLSv1_2", marks=pytest.mark.slow), "TLSv1_3"])
def test_sender_that_never_looks(run, pki, secure):  # noqa: F811
    """One that asks for no acks and does not see the end: all that it sends is stored, however late."""
    w = run("max_connection_age 1s" + (f"\n<transport tls>\n cert_path {pki}/server.pem\n private_key_path {pki}/server.key\n</transport>" if secure else ""))
    sent = 0
    with tls(pki, w.port, version=ssl.TLSVersion[secure]) if secure else Connection(w.port) as c:
        while not recycled(w):
            c.send(message({"i": sent}))
            sent += 1
            time.sleep(0.3)
        time.sleep(3.2)  # longer than weir waits for a FIN elsewhere, to the second
        for _ in range(3):
            c.send(message({"i": sent}))
            sent += 1
            time.sleep(0.1)
        assert [r["i"] for r in found(w, sent)] == list(range(sent))
        assert closed(c.sock), "the FIN has been there for long"


def test_half_a_message(run):  # noqa: F811
    """The end does not come within a message: it is acknowledged first."""
    w = run("max_connection_age 1s")
    with Connection(w.port) as c:
        data = message(chunk="late")
        c.send(data[:-3])
        time.sleep(2.5)
        assert recycled(w) == 0
        c.send(data[-3:])
        assert c.ack() == "late"
        assert closed(c.sock)


def test_http(weir):
    w = weir(NULL.replace("@type forward", "@type http"), options="max_connection_age 1s\nkeepalive_timeout 60s")
    c = http.client.HTTPConnection("127.0.0.1", w.port, timeout=20)

    def answer():
        c.request("POST", "/app", b'{"k":"v"}', {"Content-Type": "application/json"})
        r = c.getresponse()
        r.read()
        assert r.status == 200
        return r.getheader("Connection")
    assert answer() == "Keep-Alive"
    wait_until(lambda: answer() == "close", 10, w.log_tail)


def large(seq):
    """A message of 4 MB."""
    return encode("packed", "app", [(event_time(1700000000), {"sender": "s", "seq": 4 * seq + i, "x": os.urandom(500000).hex()}) for i in range(4)], chunk_id())


def send_all(w, messages):
    """Each over a connection of its own; gives the threads and the list of those that were acknowledged."""
    acked = []

    def send(data):
        with Connection(w.port, 120) as c:
            c.send(data)
            acked.append(c.ack())
    threads = [threading.Thread(target=send, args=(data,), daemon=True) for data in messages]
    for t in threads:
        t.start()
    return threads, acked


def test_more_than_the_memory_for_messages(weir):
    """All begin at once, and together are several times input_memory_limit: one after the other comes through, and nobody is closed for having waited."""
    w = weir(NULL.replace("<system>", "<system>\n input_memory_limit 16m"), options="message_timeout 3s")
    threads, acked = send_all(w, [large(i) for i in range(24)])
    for t in threads:
        t.join(60)
    assert len(acked) == 24
    assert not PLAIN or w.rss() < 100 * MIB


def test_memory_while_a_buffer_is_full(weir, fake_es, prefix):
    """What was read and waits for room counts as memory for messages; all of it is stored in the end."""
    fake_es.close_listener()
    w = weir(ELASTICSEARCH.replace("<system>", "<system>\n input_memory_limit 16m"), es_url=fake_es.url, prefix=prefix,
             buffer="total_limit_size 16m\nchunk_limit_size 4m")
    w.allow("failed to flush")
    threads, acked = send_all(w, [large(i) for i in range(30)])
    wait_until(lambda: len(acked) >= 3, 20, w.log_tail)
    time.sleep(2)
    assert not PLAIN or w.rss() < 90 * MIB
    fake_es.open_listener()
    for t in threads:
        t.join(60)
    assert len(acked) == 30
    wait_until(lambda: fake_es.stored_events() == 120, 30, w.log_tail)
