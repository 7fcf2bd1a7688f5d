"""Many connections: what they cost."""
import resource
import socket

import pytest

from harness.forward import encode, event_time
from harness.weir import SYSTEM

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
