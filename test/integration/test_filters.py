"""Filters on a running weir: events come over the forward protocol, and what is left of them is printed."""
import pytest

from harness.events import check, dead_letters, to_stdout, wait_events
from harness.forward import Connection, encode, send_events
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH

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


TRANSFORM = """
<filter **>
  @type grep
  <exclude>
    key message
    pattern /healthz/
  </exclude>
</filter>
<filter **>
  @type record_transformer
  @id tx
  enable_ruby true
  remove_keys secret,$.kubernetes.labels
  <record>
    service ${tag_parts[0]}.${tag_suffix[1]}
    pod ${record.dig("kubernetes", "pod_name") || "unknown"}
    severity ${record["status"] >= 500 ? "error" : "info"}
    ts ${time.utc.strftime('%Y-%m-%dT%H:%M:%SZ')}
    masked ${record["message"].gsub(/\\d{4}-\\d{4}/, '****')}
    meta {"tag":"${tag}","n":1}
  </record>
</filter>
"""


def test_record_transformer(weir):
    """Placeholders and Ruby; an event whose expression raises is a dead letter, and its neighbours go on."""
    w = filtered(weir, TRANSFORM)
    send(w, "app.web.log",
         {"message": "card 1234-5678", "status": 503, "secret": "x", "kubernetes": {"pod_name": "p-0", "labels": {"a": 1}}},
         {"message": "GET /healthz", "status": 200},
         {"message": "fine"},
         {"message": "fine", "status": 200})
    assert wait_events(w, 2) == [
        {"message": "card 1234-5678", "status": 503, "kubernetes": {"pod_name": "p-0"}, "service": "app.web.log", "pod": "p-0",
         "severity": "error", "ts": "2023-11-14T22:13:20Z", "masked": "card ****", "meta": {"tag": "app.web.log", "n": 1}},
        {"message": "fine", "status": 200, "service": "app.web.log", "pod": "unknown", "severity": "info",
         "ts": "2023-11-14T22:13:23Z", "masked": "fine", "meta": {"tag": "app.web.log", "n": 1}}]
    assert dead_letters(w) == {"expression_error": 1}


def test_errors_go_to_their_label(weir):
    """What raises goes to <label @ERROR> as it came."""
    w = weir(to_stdout(SOURCE + TRANSFORM).replace("<match **>", """
<label @ERROR>
  <match **>
    @type rewrite_tag_filter
    <rule>
      key message
      pattern /./
      tag failed.${tag}
      label @FAILED
    </rule>
  </match>
</label>
<label @FAILED>
  <match **>
    @type stdout
  </match>
</label>
<match **>"""))
    send(w, "app", {"message": "fine"}, {"message": "fine", "status": 1})
    found = wait_events(w, 2)
    assert {e.tag: e for e in found}["failed.app"] == {"message": "fine"}
    assert not dead_letters(w)


def test_expressions_are_refused_with_their_place(tmp_path):
    status, text = check(tmp_path, SOURCE + """
<filter **>
  @type record_transformer
  enable_ruby true
  <record>
    ok ${record["a"]}
    bad x-${record["a"].frobnicate(1)}
  </record>
</filter>""")
    assert status == 1
    assert "weir.conf:22:25: error: the expression cannot run here: weir has no method 'frobnicate'" in text, text
    assert 'x-${record["a"].frobnicate(1)}' in text


def test_a_repetition_stays_one(weir, fake_es, prefix):
    """A message that comes again, to another weir, makes no second document, though its events were parsed, changed and thinned out at another time."""
    config = ELASTICSEARCH.replace("<match", """
<filter **>
  @type parser
  key_name log
  reserve_data true
  <parse>
    @type json
  </parse>
</filter>
<filter **>
  @type grep
  <exclude>
    key level
    pattern /debug/
  </exclude>
</filter>
<filter **>
  @type record_transformer
  enable_ruby true
  <record>
    seen ${Time.now.to_f}
  </record>
</filter>
<match""")
    data = encode("packed", "app", [(T + i, {"seq": i, "log": '{"level":"%s"}' % ("debug" if i % 5 == 0 else "info")})
                                    for i in range(50)], "same")
    for name in ("indexed", "already_there"):
        w = weir(config, es_url=fake_es.url, prefix=prefix)
        with Connection(w.port) as c:
            c.send(data)
            assert c.ack() == "same"
        wait_until(lambda: w.metrics().sum(f"weir_output_{name}_events_total", plugin_id="es") == 40, 20,
                   lambda: f"{w.metrics()}\n{w.log_tail()}")
    assert len(fake_es.documents()) == 40


def test_record_modifier(weir):
    w = filtered(weir, """
<filter app.**>
  @type record_modifier
  whitelist_keys message, level
  <record>
    service ${tag_parts[1]}
    level ${record['level'].upcase}
    short ${record['message'][0, 3]}-${record['level']}
  </record>
  <replace>
    key message
    expression /password=\\S+/
    replace password=***
  </replace>
</filter>""")
    send(w, "app.web", {"message": "login password=hunter2 ok", "level": "info", "ip": "10.0.0.1"}, {"message": "x"})
    assert wait_events(w, 1) == [
        {"message": "login password=*** ok", "level": "INFO", "service": "web", "short": "log-INFO"}]
    assert dead_letters(w) == {"expression_error": 1}


def test_names_and_shapes(weir):
    """stdout prints on the way; dedot and flatten_hash change names; genid's id is the same when the message comes again elsewhere."""
    config = """
<filter app>
  @type stdout
  <inject>
    tag_key printed
  </inject>
</filter>
<filter app>
  @type dedot
  de_dot_nested true
</filter>
<filter app>
  @type flatten_hash
  separator /
</filter>
<filter app>
  @type elasticsearch_genid
</filter>"""
    ids = []
    for _ in range(2):
        w = filtered(weir, config)
        send(w, "app", {"k8s.io/app": {"a.b": [1, {"c.d": 2}]}}, {"n": 1}, {"n": 1})
        found = wait_events(w, 6)
        assert found[:3] == [{"k8s.io/app": {"a.b": [1, {"c.d": 2}]}, "printed": "app"}] + 2 * [{"n": 1, "printed": "app"}]
        ids.append([e.pop("_hash") for e in found[3:]])
        assert found[3:] == [{"k8s_io/app/a_b/0": 1, "k8s_io/app/a_b/1/c_d": 2}, {"n": 1}, {"n": 1}]
    assert ids[0] == ids[1] and len(set(ids[0])) == 3


def test_equal_events_that_fail_stay_two(weir, fake_es, prefix):
    """Events on their way to @ERROR have identities of their own, also where they are equal in all."""
    w = weir(ELASTICSEARCH.replace("<match **>", """
<filter **>
  @type record_transformer
  enable_ruby true
  <record>
    x ${record["a"]["b"]}
  </record>
</filter>
<match **>
  @type null
</match>
<label @ERROR>
<match **>""") + "</label>", es_url=fake_es.url, prefix=prefix)
    with Connection(w.port) as c:
        c.send(encode("packed", "app", [(T, {"n": 1}), (T, {"n": 1}), (T, {"n": 2})], "one"))
        assert c.ack() == "one"
    wait_until(lambda: len(fake_es.documents()) >= 2, 20, w.log_tail)
    wait_until(lambda: w.metrics().sum("weir_output_indexed_events_total", plugin_id="es")
               + w.metrics().sum("weir_output_already_there_events_total", plugin_id="es") == 3, 20, w.log_tail)
    assert sorted(d["n"] for d in fake_es.documents().values()) == [1, 1, 2]
