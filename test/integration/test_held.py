"""Events that wait for others of their stream: concat and detect_exceptions, and what is left of them when weir is killed."""
import json
import time

import pytest

from harness.forward import Connection, chunk_id, encode, event_time
from harness.waiting import wait_until
from harness.weir import SYSTEM

T = 1700000000

CONCAT = SYSTEM + """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
</source>
<filter **>
  @type concat
  @id join
  key log
  stream_identity_key pod
  multiline_start_regexp /^start/
  flush_interval {{interval}}
  {{concat}}
</filter>
<match **>
  @type elasticsearch
  @id es
  hosts {{es_url}}
  logstash_format true
  logstash_prefix {{prefix}}
  <buffer>
    flush_interval 0.1
    retry_wait 0.1
  </buffer>
</match>
"""


class Lines:
    """A sender whose events are lines, a second each; every message is acknowledged before send returns."""

    def __init__(self, w, pod="a", tag="app.x"):
        self.w, self.pod, self.tag, self.n, self.last = w, pod, tag, 0, None

    def send(self, *texts):
        entries = []
        for text in texts:
            entries.append((event_time(T + self.n), {"log": text, "pod": self.pod}))
            self.n += 1
        chunk = chunk_id()
        self.last = chunk, encode("packed", self.tag, entries, chunk)
        self.again()

    def again(self):
        chunk, data = self.last
        with Connection(self.w.port) as c:
            c.send(data)
            assert c.ack() == chunk


def texts(es, prefix):
    return sorted(d["log"] for d in es.documents(f"{prefix}-*").values())


def wait_for(w, es, prefix, *want, timeout=10):
    wait_until(lambda: texts(es, prefix) == sorted(want), timeout,
               lambda: f"{sorted(want)}, there are {texts(es, prefix)}\n{w.log_tail()}")


def test_joined_over_messages(weir, fake_es, prefix):
    """Acks do not wait for the end of an event; what a message completes goes on with it."""
    w = weir(CONCAT, es_url=fake_es.url, prefix=prefix, interval="60s")
    a, b = Lines(w), Lines(w, "b")
    began = time.monotonic()
    a.send("lonely", "start 1", "more 1")
    b.send("start 2")
    a.send("even more 1")
    assert time.monotonic() - began < 5, "an ack waited"
    wait_for(w, fake_es, prefix, "lonely")
    assert w.metrics().sum("weir_held_events") == 4
    a.send("start 3", "more 3", "start 4")
    wait_for(w, fake_es, prefix, "lonely", "start 1\nmore 1\neven more 1", "start 3\nmore 3")
    m = w.metrics()
    assert m.sum("weir_joined_events_total") == 3
    assert m.sum("weir_held_events") == 2
    assert m.sum("weir_source_filtered_events_total") == 0
    w.stop()  # what waits is joined as it is
    w.start()
    wait_for(w, fake_es, prefix, "lonely", "start 1\nmore 1\neven more 1", "start 3\nmore 3", "start 2", "start 4")
    found = {d["log"]: d["@timestamp"] for d in fake_es.documents(f"{prefix}-*").values()}
    assert found["start 1\nmore 1\neven more 1"].startswith("2023-11-14T22:13:23")


def test_killed_while_events_wait(weir, fake_es, prefix):
    """kill -9: what was acknowledged waits again; a message sent again does not come twice."""
    w = weir(CONCAT, es_url=fake_es.url, prefix=prefix, interval="60s")
    a, b = Lines(w), Lines(w, "b")
    a.send("start 1", "more 1")
    b.send("start 2", "more 2")
    w.kill9()
    w.start()
    assert w.metrics().sum("weir_held_events") == 4
    b.again()
    assert w.metrics().sum("weir_held_events") == 4
    a.send("even more 1")
    w.kill9()
    w.start()
    a.again()
    b.send("and more 2")
    a.send("start 3")
    b.send("start 4")
    want = ["start 1\nmore 1\neven more 1", "start 2\nmore 2\nand more 2"]
    wait_for(w, fake_es, prefix, *want)
    w.kill9()
    w.start()
    a.again()
    b.again()
    w.stop()
    w.start()
    wait_for(w, fake_es, prefix, *want, "start 3", "start 4")
