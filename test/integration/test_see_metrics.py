"""monitor_agent, and fluentd's prometheus plugins: inputs, monitors, filter and output."""
import gzip
import json
import re
import subprocess
import urllib.request

import pytest

from harness import http
from harness.events import check, events, to_stdout, wait_events
from harness.forward import send_events
from harness.ports import free_port
from harness.waiting import wait_until
from harness.weir import SYSTEM, Metrics, Weir

FORWARD = """
<source>
  @type forward
  @id in
  bind 127.0.0.1
  port {{forward_port}}
</source>
"""

AWAY = """
<match app.**>
  @type forward
  @id away
  <server>
    host 127.0.0.1
    port {{dead_port}}
  </server>
  <security>
    self_hostname x
    shared_key s3cret
  </security>
  <buffer>
    flush_interval 0.1
    retry_wait 0.2
    retry_max_interval 0.5
  </buffer>
</match>
<match **>
  @type null
  @id end
</match>
"""


def test_monitor_agent(weir):
    """fluentd's fields and queries; @id, @type, tag; LTSV; an unknown path."""
    port = free_port()
    w = weir(SYSTEM + FORWARD + AWAY + f"""
<source>
  @type monitor_agent
  @id mon
  bind 127.0.0.1
  port {port}
  include_config true
  include_retry true
</source>
""", dead_port=free_port())
    send_events(w.port, "app.x", [{"seq": i} for i in range(10)])
    url = f"http://127.0.0.1:{port}"

    def plugins(query=""):
        return http.request("GET", f"{url}/api/plugins.json{query}").json["plugins"]

    wait_until(lambda: plugins("?@id=away")[0]["retry_count"] >= 1, 20, lambda: json.dumps(plugins()))
    assert {p["plugin_id"]: p["plugin_category"] for p in plugins()} == {"in": "input", "mon": "input", "away": "output", "end": "output"}
    away, = plugins("?tag=app.x")
    assert list(away) == [
        "plugin_id", "plugin_category", "type", "config", "output_plugin", "buffer_queue_length", "buffer_timekeys",
        "buffer_total_queued_size", "retry_count", "emit_records", "emit_size", "emit_count", "write_count", "write_secondary_count",
        "rollback_count", "slow_flush_count", "flush_time_count", "drop_oldest_chunk_count", "buffer_stage_length",
        "buffer_stage_byte_size", "buffer_queue_byte_size", "buffer_available_buffer_space_ratios", "retry"]
    assert away["emit_records"] == 10 and away["emit_count"] == 1 and away["output_plugin"] is True and away["buffer_timekeys"] == []
    assert away["rollback_count"] == away["write_count"] >= 1 and away["buffer_available_buffer_space_ratios"] == 100.0
    assert away["retry"]["steps"] >= 1 and re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}$", away["retry"]["next_time"])
    source, = plugins("?@type=forward&id=in")
    assert list(source) == ["plugin_id", "plugin_category", "type", "config", "output_plugin", "retry_count", "emit_records", "emit_size"]
    assert source["emit_records"] == 10 and source["retry_count"] is None and source["config"]["port"] == str(w.port)
    assert plugins("?@id=nobody") == [] and [p["plugin_id"] for p in plugins("?type=null")] == ["end"]
    text = http.request("GET", f"{url}/api/plugins").text
    assert "plugin_id:end\tplugin_category:output\ttype:null\t" in text and "retry_count:\t" in text and text.count("\n") == 4
    config = http.request("GET", f"{url}/api/config.json").json
    assert config["pid"] == w.pid and config["config_path"] == w.config_path and config["log_path"] is None
    assert http.request("GET", f"{url}/api/config").text.startswith(f"pid:{w.pid}\tppid:")
    r = http.request("GET", f"{url}/nothing")
    assert r.status == 404 and r.json == {"message": "Not found"}
    assert "s3cret" not in http.request("GET", f"{url}/api/plugins.json").text
    # The admin endpoint has it too, whether or not there is a monitor_agent; configurations it never tells.
    away, = http.request("GET", f"{w.admin}/api/plugins.json?@id=away").json["plugins"]
    assert away["emit_records"] == 10 and away["retry"]["steps"] >= 1 and "config" not in away


def test_monitor_agent_events(weir):
    """With a tag, the same as events."""
    w = weir(to_stdout(FORWARD + f"""
<source>
  @type monitor_agent
  @id mon
  bind 127.0.0.1
  port {free_port()}
  tag debug.monitor
  emit_interval 0.3
</source>
"""))
    wait_until(lambda: len(events(w, "debug.monitor")) >= 3, 20, w.log_tail)
    first = events(w, "debug.monitor")[0]
    assert first["plugin_id"] == "in" and first["output_plugin"] is False and "config" not in first


def test_prometheus_inputs(weir):
    port, packed = free_port(), free_port()
    w = weir(SYSTEM + FORWARD + AWAY + f"""
<source>
  @type prometheus
  port {port}
  metrics_path /m
</source>
<source>
  @type prometheus
  bind 0.0.0.0
  port {packed}
  content_encoding gzip
</source>
<source>
  @type prometheus_monitor
  <labels>
    host ${{hostname}}
    place "a \\"b\\" ${{worker_id}}"
  </labels>
</source>
<source>
  @type prometheus_output_monitor
  gauge_all false
  <labels>
    host ${{hostname}}
  </labels>
</source>
<source>
  @type prometheus_tail_monitor
</source>
""", dead_port=free_port())
    send_events(w.port, "app.x", [{"seq": i} for i in range(10)])
    wait_until(lambda: Metrics.parse(http.request("GET", f"http://127.0.0.1:{port}/m").text).sum("fluentd_output_status_retry_count") >= 1,
               20, w.log_tail)
    answer = urllib.request.urlopen(f"http://127.0.0.1:{packed}/aggregated_metrics", timeout=20)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4") and answer.headers["Content-Encoding"] == "gzip"
    text = gzip.decompress(answer.read()).decode()
    m = Metrics.parse(text)
    assert m.sum("fluentd_output_status_emit_records", plugin_id="away", type="forward") == 10
    assert m.sum("fluentd_output_status_buffer_total_bytes", plugin_id="away") > 0
    assert m.sum("fluentd_status_retry_count", plugin_id="away", plugin_category="output") >= 1
    assert "# TYPE fluentd_output_status_emit_records counter" in text and "# TYPE fluentd_output_status_retry_count gauge" in text
    assert re.search(r'fluentd_status_buffer_queue_length\{host="[^"]+",place="a \\"b\\" 0",plugin_id="away"', text)
    assert re.search(r'fluentd_output_status_write_count\{host="[^"]+",plugin_id="away",type="forward"\}', text)
    assert m.sum("weir_source_events_total", plugin_id="in") == 10
    # No set without the labels beside them: sums in dashboards would count twice.
    assert not [k for k in m if k.startswith("fluentd_output_status_write_count{plugin_id")]
    assert http.request("GET", f"http://127.0.0.1:{port}/metrics").status == 404


@pytest.mark.slow
def test_tls(weir, tmp_path):
    """prometheus and monitor_agent have it, too."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=x", "-keyout",
                    tmp_path / "k", "-out", tmp_path / "c"], check=True, capture_output=True)
    port, agent_port = free_port(), free_port()
    tls = f"<transport tls>\n cert_path {tmp_path}/c\n private_key_path {tmp_path}/k\n</transport>"
    w = weir(SYSTEM + FORWARD.replace("</source>", tls + "\n</source>") + AWAY +
             f"<source>\n @type prometheus\n @id prom\n port {port}\n {tls}\n</source>\n"
             f"<source>\n @type monitor_agent\n @id mon\n bind 127.0.0.1\n port {agent_port}\n {tls}\n</source>", dead_port=free_port())
    m = Metrics.parse(http.request("GET", f"https://127.0.0.1:{port}/metrics").text)
    for plugin_id in ("in", "prom", "mon"):
        assert 29 < m.sum("weir_certificate_days_left", plugin_id=plugin_id) <= 30
    assert w.metrics().sum("weir_build_info") == 1
    assert http.request("GET", f"https://127.0.0.1:{agent_port}/api/plugins.json").json["plugins"]
    with pytest.raises(OSError):
        http.request("GET", f"http://127.0.0.1:{agent_port}/api/plugins.json")


FILTER = """
<filter app.**>
  @type prometheus
  @id f
  max_label_sets 5
  <labels>
    host ${hostname}
    tag ${tag}
  </labels>
  <metric>
    name app_events_total
    type counter
    desc Events by level.
    <labels>
      level $.level
      part ${tag_parts[1]}/${tag_parts[-1]}/${tag_parts[9]}/${tag_prefix[0]}/${tag_suffix[1]}
    </labels>
  </metric>
  <metric>
    name app_bytes_total
    type counter
    key $.http.bytes
    desc Bytes.
  </metric>
  <metric>
    name app_last
    type gauge
    key took
    desc The last.
    initialized true
    <labels>
      user ${user}
    </labels>
    <initlabels>
      user nobody
      tag none
    </initlabels>
  </metric>
  <metric>
    name app_seconds
    type histogram
    key took
    buckets 0.1, 1,5
    desc Time.
  </metric>
  <metric>
    name app_size
    type summary
    key size
    desc Size.
  </metric>
</filter>
<match app.**>
  @type copy
  <store>
    @type prometheus
    @id p
    <metric>
      name fluentd_output_status_num_records_total
      type counter
      desc The total number of outgoing records
      <labels>
        tag ${tag}
      </labels>
    </metric>
  </store>
  <store>
    @type stdout
  </store>
</match>
"""


def test_filter_and_output(weir):
    """Counter, gauge, histogram, summary; labels from tags and records, hostile ones too; a bound on label sets; events go on as they are."""
    w = weir(SYSTEM + FORWARD + FILTER)
    records = [{"level": "info", "took": 0.05, "size": 10, "http": {"bytes": 100}, "user": 'a"\n\\b'},
               {"level": "info", "took": 3, "size": "20", "http": {"bytes": 1}},
               {"level": None, "took": 30.5, "size": -5.5},
               {"level": {"deep": 1}, "took": "long", "size": None, "http": "none"},
               {"http": {"bytes": -1}}]
    send_events(w.port, "app.web.x", records)
    wait_events(w, 5, "app.web.x")
    m = w.metrics()
    part = "web/x//app/web.x"
    assert m.sum("app_events_total", level="info", part=part, tag="app.web.x") == 2
    assert m.sum("app_events_total", level="", part=part) == 2
    assert m.sum("app_events_total") == 5
    assert m.sum("app_bytes_total") == 101
    assert m.sum("app_last", user="nobody", tag="none") == 0 and m.sum("app_last", user='a\\"\\n\\\\b') == 0.05
    assert [m.sum("app_seconds_bucket", le=le) for le in ("0.1", "1", "5", "+Inf")] == [1, 1, 2, 3]
    assert m.sum("app_seconds_sum") == 33.55 and m.sum("app_size_sum") == 24.5 and m.sum("app_size_count") == 3
    failed = {metric: m.sum("weir_event_metric_failed_events_total", plugin_id="f", metric=metric)
              for metric in ("app_seconds", "app_last", "app_bytes_total", "app_size")}
    assert failed == {"app_seconds": 1, "app_last": 1, "app_bytes_total": 1, "app_size": 0}
    assert m.sum("fluentd_output_status_num_records_total", tag="app.web.x") == 5
    # A label set for each event: five, then no more, and the others are counted.
    send_events(w.port, "app.many", [{"level": f"l{i}"} for i in range(100)])
    wait_events(w, 100, "app.many")
    m = w.metrics()
    assert len([k for k in m if k.startswith("app_events_total{")]) == 5
    assert m.sum("weir_event_metric_overflow_events_total", plugin_id="f", metric="app_events_total") == 98
    assert m.sum("app_events_total") == 7
    send_events(w.port, "app.many", [{"level": "l0"}] * 10)
    wait_events(w, 110, "app.many")
    assert w.metrics().sum("app_events_total", level="l0") == 11


WRONG = [
    ("name a b\ntype counter\ndesc x", "cannot be this metric's name"),
    ("name weir_x\ntype counter\ndesc x", "is weir's own"),
    ("name x\ntype gauge\ndesc x", "gauge metric requires 'key' option"),
    ("name x\ntype timer\ndesc x", "type"),
    ("name x\ntype counter", "desc"),
    ("name x\ntype histogram\ndesc x\nkey k\nbuckets 2, 1", "numbers that grow"),
    ("name x\ntype counter\ndesc x\nkey $.", "'key' cannot be used"),
    ("name x\ntype counter\ndesc x\n<labels>\n a-b c\n</labels>", "cannot be a label's name"),
    ("name x\ntype counter\ndesc x\ninitialized true\n<labels>\n a $.b\n</labels>", "wants a value in <initlabels>"),
]


def test_wrong_metrics(tmp_path):
    # What tables say comes before what the plugin says.
    for table in (True, False):
        wrong = [(m, message) for m, message in WRONG if (message in ("type", "desc")) == table]
        config = FORWARD + "<filter **>\n @type prometheus\n" + "".join(f"<metric>\n{m}\n</metric>\n" for m, _ in wrong) + "</filter>"
        code, text = check(tmp_path, config)
        assert code == 1 and text.count(": error: ") == len(wrong), text
        for _, message in wrong:
            assert message in text, text
    code, text = check(tmp_path, FORWARD + "<source>\n @type prometheus_monitor\n <labels>\n a ${tag}\n </labels>\n</source>\n"
                       "<source>\n @type prometheus\n <ssl>\n enable true\n </ssl>\n</source>")
    assert code == 1 and "nothing of records" in text and "write <transport tls>" in text
