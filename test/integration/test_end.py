"""SIGTERM: nothing new is accepted, what has been read is stored and acknowledged, buffers are flushed as far as was asked for, exit 0."""
import signal
import socket
import time

import pytest

import fake_faults as faults
from harness.forward import Connection, chunk_id, encode, event_time, send_events
from harness.waiting import PATIENCE, wait_until
from harness.weir import ELASTICSEARCH

FLUSH = "flush_interval 60s\nflush_at_shutdown true\nshutdown_timeout {}"


def message(first, count=3):
    chunk = chunk_id()
    entries = [(event_time(1700000000), {"sender": "s", "seq": first + i}) for i in range(count)]
    return chunk, encode("packed", "app", entries, chunk)


def ended(w, timeout=20):
    """Waits for the end; the exit status."""
    process, w.process = w.process, None
    try:
        return process.popen.wait(timeout * PATIENCE)
    finally:
        process.kill()


def refuses(w):
    try:
        socket.create_connection(("127.0.0.1", w.port), 1).close()
        return False
    except OSError:
        return True


def test_fin_between_acks(weir, fake_es, prefix):
    """A sender that waits sees an orderly end, not a reset; a new one is refused."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    with Connection(w.port) as busy, Connection(w.port) as idle:
        chunk, data = message(0)
        busy.send(data)
        assert busy.ack() == chunk
        w.process.signal(signal.SIGTERM)
        assert idle.sock.recv(1) == b""
        assert busy.sock.recv(1) == b""
        wait_until(lambda: refuses(w), 10, "new connections are refused")
    assert ended(w) == 0
    w.start()
    wait_until(lambda: fake_es.stored_events() == 3, 20, w.log_tail)


def test_newcomers_are_not_reset(weir, fake_es, prefix):
    """Who is connected but not accepted yet, because weir is busy, is seen off like the others; closing a listening socket would reset them."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    w.process.signal(signal.SIGSTOP)
    newcomers = [Connection(w.port) for _ in range(200)]  # more than are accepted in a turn
    for i, c in enumerate(newcomers):
        c.send(message(3 * i)[1])
    w.process.signal(signal.SIGTERM)
    w.process.signal(signal.SIGCONT)
    for c in newcomers:
        while c.sock.recv(4096):  # ConnectionResetError
            pass
        c.close()
    assert ended(w) == 0
    w.start()
    wait_until(lambda: fake_es.stored_events() == 600, 20, w.log_tail)


def test_half_a_message(weir, fake_es, prefix):
    """What a sender is in the middle of is taken to its end and acknowledged, then comes the FIN."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    with Connection(w.port) as c, Connection(w.port) as idle:
        (one, whole), (two, half) = message(0), message(3)
        c.send(whole + half[:len(half) // 2])
        assert c.ack() == one
        w.process.signal(signal.SIGTERM)
        assert idle.sock.recv(1) == b"", "the end has come to who is idle"
        c.send(half[len(half) // 2:])
        assert c.ack() == two
        assert c.sock.recv(1) == b""
    assert ended(w) == 0
    w.start()
    wait_until(lambda: fake_es.stored_events() == 6, 20, w.log_tail)


def test_flushed_before_the_end(weir, fake_es, prefix):
    """Tries that fail included."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix, buffer=FLUSH.format("20s"))
    send_events(w.port, "app", [{"sender": "s", "seq": i} for i in range(500)])
    assert fake_es.stored_events() == 0
    fake_es.fault(faults.status(503, times=2))
    w.process.signal(signal.SIGTERM)
    assert ended(w) == 0
    assert fake_es.stored_events() == 500


@pytest.mark.parametrize("hastened", [False, True])
def test_end_of_patience(weir, fake_es, prefix, hastened):
    """The server is away: at the deadline, or at a second signal, the rest stays on disk and the exit is a good one."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix, buffer=FLUSH.format("60s" if hastened else "1s"))
    fake_es.close_listener()
    send_events(w.port, "app", [{"sender": "s", "seq": i} for i in range(500)])
    began = time.monotonic()
    w.process.signal(signal.SIGTERM)
    if hastened:
        w.wait_log("flushing the buffers")
        w.process.signal(signal.SIGTERM)
    assert ended(w) == 0
    assert time.monotonic() - began < 10 * PATIENCE
    fake_es.open_listener()
    w.start()
    w.flush()
    wait_until(lambda: fake_es.stored_events() == 500, 20, w.log_tail)
    w.stop()


def test_a_request_under_way_is_let_go(weir, fake_es, prefix):
    """A server that does not answer does not hold up the end; what it has stored is known by its ids afterwards."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    fault = fake_es.fault(faults.hang("body", times=1))
    send_events(w.port, "app", [{"sender": "s", "seq": i} for i in range(500)])
    wait_until(lambda: fault.used == 1, 20, "a request hangs")
    began = time.monotonic()
    w.stop()
    assert time.monotonic() - began < 5 * PATIENCE
    w.start()
    wait_until(lambda: w.metrics().sum("weir_output_already_there_events_total") == 500, 20, w.log_tail)
    assert fake_es.duplicates() == {}
