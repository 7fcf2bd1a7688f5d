"""Hosts whose addresses change while weir runs."""
import itertools
import os
import sys

import pytest

sys.path.append(os.path.join(os.path.dirname(__file__), "../faults"))

from fake_es import FakeES  # noqa: E402
from harness.forward import send_events  # noqa: E402
from harness.waiting import wait_until  # noqa: E402
from harness.weir import ELASTICSEARCH, Weir  # noqa: E402
from system import Shim  # noqa: E402

# What is put between weir and the system does not go together with sanitizers.
pytestmark = pytest.mark.skipif(os.environ.get("WEIR_VARIANT", "release") != "release", reason="for the release build")


@pytest.fixture
def moving(tmp_path):
    """A weir, its shim, and two servers with one port; the host moves.test has the address of the first."""
    with FakeES() as one, FakeES(one.port, address="127.0.0.2") as two:
        shim = Shim(str(tmp_path), str(tmp_path))
        shim.address = 1
        w = Weir(tmp_path / "weir", ELASTICSEARCH, es_url=f"http://moves.test:{one.port}", prefix="t", buffer="flush_thread_count 1")
        w.launcher = shim.launcher
        w.start()
        yield shim, w, one, two
        w.stop()
        w.allow("failed to flush the buffer")
        w.check_log()


def send(w, server, first):
    """Ten events, which must come to that server."""
    before = server.stored_events()
    send_events(w.port, "app", [{"sender": "s", "seq": first + i} for i in range(10)])
    wait_until(lambda: server.stored_events() == before + 10, 20, lambda: f"ten more events:\n{w.log_tail()}")


def test_address_changes(moving):
    """The old address answers no more: the new one is asked as soon as the name has it."""
    shim, w, one, two = moving
    send(w, one, 0)
    shim.address = 2
    one.close_listener()
    send(w, two, 10)


def test_old_address_still_answers(moving):
    """A connection in use is given up after some time, so that weir does not stay with an address that the name has no more."""
    shim, w, one, two = moving
    shim.connection_life_s = 1  # five minutes
    w.restart()
    send(w, one, 0)
    shim.address = 2
    numbers = itertools.count(10)

    def arrives():
        send_events(w.port, "app", [{"sender": "s", "seq": next(numbers)}])
        return two.stored_events() > 0
    wait_until(arrives, 30, lambda: f"an event at the new address:\n{w.log_tail()}", 0.1)
    sent = next(numbers)
    wait_until(lambda: one.stored_events() + two.stored_events() == sent, 20, "all events")
