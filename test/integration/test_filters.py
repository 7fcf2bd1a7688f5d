"""Filters on a running weir: events come over the forward protocol, and what is left of them is printed."""
import pytest

from harness.events import to_stdout, wait_events
from harness.forward import Connection, encode, send_events

SOURCE = """
<source>
  @type forward
  @id in
  bind 127.0.0.1
  port {{forward_port}}
</source>
"""
T = 1700000000  # 2023-11-14T22:13:20Z


def filtered(weir, filters, **values):
    """A weir that prints what the filters leave."""
    return weir(to_stdout(SOURCE + filters), **values)


def send(w, tag, *records, form="forward"):
    with Connection(w.port) as c:
        c.send(encode(form, tag, [(T + i, r) for i, r in enumerate(records)], "one"))
        assert c.ack() == "one"


@pytest.mark.parametrize("form", ("packed", "gzip"))
def test_grep(weir, form):
    """Only what matches goes on, whatever form the message has; what a filter took out is counted."""
    w = filtered(weir, """
<filter app.**>
  @type grep
  @id errors
  <regexp>
    key level
    pattern /^(warn|error)$/i
  </regexp>
  <exclude>
    key $.kubernetes.namespace
    pattern /^kube-/
  </exclude>
</filter>""")
    levels = ("debug", "INFO", "Warn", "ERROR")
    records = [{"seq": i, "level": levels[i % 4], "kubernetes": {"namespace": "kube-system" if i % 3 == 0 else "shop"}}
               for i in range(200)]
    send(w, "app.x", *records, form=form)
    want = [r for r in records if r["seq"] % 4 >= 2 and r["seq"] % 3]
    assert wait_events(w, len(want)) == want
    assert w.metrics().sum("weir_source_filtered_events_total", plugin_id="in") == 200 - len(want)
    send_events(w.port, "other", records[:3])
    assert len(wait_events(w, 3, "other")) == 3
