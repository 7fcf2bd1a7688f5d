"""What the two real servers make of what weir sends."""
import datetime

from harness.forward import Connection, chunk_id, encode, event_time, send_events
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH, SYSTEM

START = int(datetime.datetime(2026, 8, 7, 12, tzinfo=datetime.timezone.utc).timestamp())


def sources(server, pattern):
    return {h["_source"]["seq"]: h["_source"] for h in server.documents(pattern)}


def wait_count(server, w, pattern, n):
    wait_until(lambda: server.count(pattern) >= n, 60,
               lambda: f"{n} documents, there are {server.count(pattern)}:\n{w.log_tail()}", 0.2)
    assert server.count(pattern) == n


def test_create(weir, server, prefix):
    """Documents of all types arrive as they were sent, in the index of their day."""
    records = [{"seq": i, "text": "한글 🙂 \"q\" \\ \t\n\x00\x1f", "int": -2**63 + i, "float": i + 0.5, "yes": True, "no": None,
                "deep": {"a": [1, {"b": [[]]}, {}]}} for i in range(3000)]
    # Without mappings of its own the server would refuse an array of a number and an object.
    server.put_template(prefix, f"{prefix}-*", {"dynamic": False})
    w = weir(ELASTICSEARCH, es_url=server.url, prefix=prefix)
    for i, form in enumerate(("packed", "forward", "gzip")):
        send_events(w.port, "app", records[i * 1000:i * 1000 + 1000], form, seconds=START)
    wait_count(server, w, f"{prefix}-2026.08.07", 3000)
    found = sources(server, f"{prefix}-*")
    for r in records:
        got = dict(found[r["seq"]])
        got.pop("@timestamp")
        assert got == r


def test_same_chunk_again(weir, server, prefix):
    """A chunk whose ack was lost is sent once more: the server answers 409, weir takes it for done."""
    w = weir(ELASTICSEARCH, es_url=server.url, prefix=prefix)
    entries = [(event_time(START, i), {"seq": i}) for i in range(500)]
    data = encode("packed", "app", entries, chunk_id())
    for _ in range(3):
        with Connection(w.port) as c:
            c.send(data)
            c.ack()
        wait_count(server, w, f"{prefix}-*", 500)
    send_events(w.port, "app", [{"seq": 500}])
    wait_count(server, w, f"{prefix}-*", 501)
    w.stop()


def test_mapping_conflict(weir, server, prefix):
    """A document that the mapping refuses is dead-lettered with the server's reason; its neighbours are not held up."""
    server.put_template(prefix, f"{prefix}-*", {"properties": {"code": {"type": "long"}}})
    w = weir(ELASTICSEARCH, es_url=server.url, prefix=prefix)
    bad = {17, 400, 999}
    send_events(w.port, "app", [{"seq": i, "code": "not a number" if i in bad else i} for i in range(1000)], seconds=START)
    wait_count(server, w, f"{prefix}-*", 1000 - len(bad))
    assert set(sources(server, f"{prefix}-*")) == set(range(1000)) - bad
    wait_until(lambda: w.metrics().sum("weir_dead_letter_events_total") == len(bad), 20,
               lambda: f"{len(bad)} dead letters are counted:\n{w.get('/metrics').text}")
    reason = "mapper_parsing_exception" if "opensearch" in server.ok("GET", "/")["version"].get("distribution", "") \
        else "document_parsing_exception"
    assert any(reason in key for key in w.metrics() if key.startswith("weir_dead_letter_events_total"))


def test_nanoseconds(weir, server, prefix):
    """The sender's nanoseconds reach a date_nanos field and order the events."""
    server.put_template(prefix, f"{prefix}-*", {"properties": {"@timestamp": {"type": "date_nanos"}}})
    w = weir(ELASTICSEARCH, es_url=server.url, prefix=prefix)
    with Connection(w.port) as c:
        chunk = chunk_id()
        c.send(encode("packed", "app", [(event_time(START, 123456789 - i), {"seq": i}) for i in range(100)], chunk))
        assert c.ack() == chunk
    wait_count(server, w, f"{prefix}-*", 100)
    page = server.ok("POST", f"/{prefix}-*/_search", {"size": 100, "sort": [{"@timestamp": "asc"}],
                                                       "docvalue_fields": [{"field": "@timestamp",
                                                                             "format": "strict_date_optional_time_nanos"}]})
    hits = page["hits"]["hits"]
    assert [h["_source"]["seq"] for h in hits] == list(range(99, -1, -1))
    assert hits[-1]["fields"]["@timestamp"] == ["2026-08-07T12:00:00.123456789Z"]


def test_awkward_fields(weir, server, prefix):
    """What both servers refuse, and weir therefore mends: a field twice, an empty name, NaN, integers above int64, broken UTF-8."""
    w = weir(ELASTICSEARCH, es_url=server.url, prefix=prefix)
    raw = (b"\x92\xce" + START.to_bytes(4, "big") + b"\x88" + b"\xa3seq\x00" + b"\xa1a\x01\xa1a\x02" + b"\xa0\xa5empty" +
           b"\xa3nan\xcb\x7f\xf8\0\0\0\0\0\0" + b"\xa3big\xcf\xff\xff\xff\xff\xff\xff\xff\xff" + b"\xa3bad\xa3\xff\xe2\x82" + b"\x01\xa3one")
    with Connection(w.port) as c:
        c.send(b"\x92\xa3app\xc4" + bytes([len(raw)]) + raw)
        wait_count(server, w, f"{prefix}-*", 1)
    got = sources(server, f"{prefix}-*")[0]
    assert got["a"] == 2
    assert got["nan"] is None
    assert got["big"] == "18446744073709551615"
    assert got["bad"] == "\ufffd\ufffd"
    assert got["1"] == "one"
    assert "empty" in got.values()


def test_data_stream(weir, server, prefix):
    """Weir makes the template and the stream. The type is OpenSearch's for both servers: Elasticsearch's installs a lifecycle policy
    as well, and the build for integration tests cannot keep one."""
    w = weir(SYSTEM + """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
</source>
<match **>
  @type opensearch_data_stream
  @id es
  hosts {{es_url}}
  data_stream_name {{prefix}}
  <buffer>
    flush_interval 0.2
  </buffer>
</match>
""", es_url=server.url, prefix=prefix)
    send_events(w.port, "app", [{"seq": i} for i in range(200)], seconds=START)
    wait_count(server, w, prefix, 200)
    streams = server.ok("GET", f"/_data_stream/{prefix}")["data_streams"]
    assert [s["name"] for s in streams] == [prefix]
