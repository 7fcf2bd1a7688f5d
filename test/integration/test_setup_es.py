"""weir setup-es, the index templates of deploy/templates, and the dashboard of deploy/kibana: each visualisation's aggregation, run against a real
server, returns what was sent."""
import collections
import http.server
import json
import os
import re
import shutil
import statistics
import subprocess
import threading
import time

import pytest

from harness import forward
from harness.weir import ELASTICSEARCH, ROOT, Weir
from harness.waiting import wait_until

DEPLOY = os.path.join(ROOT, "deploy")
FAMILIES = ["app", "access", "error", "istio", "other", "dead-letters"]


def setup_es(w, *arguments, status=0):
    done = subprocess.run([w.binary, "setup-es", "-c", w.config_path, *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **w.env})
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize("flavour", ["elasticsearch", "opensearch"])
def test_puts_each_file_once(tmp_path, fake_es, flavour):
    w = Weir(tmp_path, ELASTICSEARCH, es_url=fake_es.url, prefix="x")
    folder = os.path.join(DEPLOY, "templates", flavour)
    files = sorted(os.path.relpath(os.path.join(d, f), folder)[:-5] for d, _, names in os.walk(folder) for f in names)
    out, _ = setup_es(w, folder)
    assert [re.sub(r"^es: /(.*) is set up$", r"\1", line) for line in out.splitlines()[:-1]] == files
    assert out.splitlines()[-1] == f"{len(files)} set up, 0 there already, 0 failed"
    out, _ = setup_es(w, folder + "/")
    assert out.splitlines()[-1] == f"0 set up, {len(files)} there already, 0 failed"
    out, _ = setup_es(w, "--overwrite", folder)
    assert out.splitlines()[-1] == f"{len(files)} set up, 0 there already, 0 failed"


def test_says_what_is_wrong(tmp_path, fake_es):
    w = Weir(tmp_path / "a", ELASTICSEARCH, es_url=fake_es.url, prefix="x")
    folder = tmp_path / "templates"
    (folder / "_index_template").mkdir(parents=True)
    assert "there is no .json file below" in setup_es(w, folder, status=1)[1]
    (folder / "_index_template/a.json").write_text('{"a": 1,\n}')
    out, err = setup_es(w, folder, status=1)
    assert f"{folder}/_index_template/a.json:2: " in err and out == "0 set up, 0 there already, 1 failed\n"
    assert "no Elasticsearch or OpenSearch output called nobody" in setup_es(w, "--to", "nobody", folder, status=1)[1]
    (folder / "_index_template/a.json").write_text("{}")
    away = Weir(tmp_path / "b", ELASTICSEARCH, es_url="http://127.0.0.1:1", prefix="x")
    assert "127.0.0.1:1" in setup_es(away, folder, status=1)[1]


def test_overwrites_what_has_a_version(tmp_path):
    """OpenSearch's policies are changed only for who says which version is meant."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(f"{self.command} {self.path}")
            body = b'{"_id":"a","_seq_no":7,"_primary_term":2,"policy":{}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        do_GET = do_PUT = answer

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        w = Weir(tmp_path, ELASTICSEARCH, es_url=f"http://127.0.0.1:{server.server_port}", prefix="x")
        (tmp_path / "t/_plugins/_ism/policies").mkdir(parents=True)
        (tmp_path / "t/_plugins/_ism/policies/a.json").write_text("{}")
        setup_es(w, "--overwrite", tmp_path / "t")
        server.shutdown()
    assert asked == ["GET /_plugins/_ism/policies/a", "PUT /_plugins/_ism/policies/a?if_seq_no=7&if_primary_term=2"]


def test_default_folder_is_beside_the_program(tmp_path, fake_es):
    w = Weir(tmp_path / "w", ELASTICSEARCH, es_url=fake_es.url, prefix="x")
    (tmp_path / "bin").mkdir()
    shutil.copy(w.binary, tmp_path / "bin/weir")
    shutil.copytree(os.path.join(DEPLOY, "templates"), tmp_path / "share/weir/templates")
    w.binary = str(tmp_path / "bin/weir")
    assert "/_ilm/policy/weir-logs is set up" in setup_es(w)[0]


# ---- the dashboard ------------------------------------------------------------------------------------------------------------------------

def kubernetes_config(server, prefix, folder):
    """The configuration that Kubernetes' manifests give weir, with ports and names of this test."""
    source = os.path.join(DEPLOY, "kubernetes/common")
    folder.mkdir()
    for name, text in (("username", "x"), ("password", "y")):
        (folder / name).write_text(text)
    for name in ("elasticsearch.conf", "buffer.conf"):
        with open(os.path.join(source, name)) as f:
            text = f.read().replace("/run/secrets/elasticsearch", str(folder)).replace("flush_interval 1s", "flush_interval 0.2")
        (folder / name).write_text(text.replace("flush_at_shutdown true", ""))
    with open(os.path.join(source, "weir.conf")) as f:
        text = f.read()
    for old, new in (("/var/lib/weir", "{{root}}"), ("bind 0.0.0.0", "bind 127.0.0.1"), ("port 24280", "port {{admin_port}}"),
                     ("port 24224", "port {{forward_port}}"), ("logstash_prefix ", f"logstash_prefix {prefix}-"),
                     ("@include ", f"@include {folder}/"), ("format json", "format text")):
        assert old in text
        text = text.replace(old, new)
    return text, {"ES_SCHEME": "http", "ES_HOST": "127.0.0.1", "ES_PORT": str(server.port)}


def templates_for(server, prefix, folder):
    """A copy of the templates whose names and patterns are this test's, without what the server at hand has not: ILM and ISM are not in the
    parts of the servers that the tests have."""
    flavour = "opensearch" if "distribution" in server.ok("GET", "/")["version"] else "elasticsearch"
    source = os.path.join(DEPLOY, "templates", flavour, "_index_template")
    (folder / "_index_template").mkdir(parents=True)
    for name in os.listdir(source):
        with open(os.path.join(source, name)) as f:
            template = json.load(f)
        template["index_patterns"] = [f"{prefix}-{p}" for p in template["index_patterns"]]
        template["template"]["settings"]["index"].pop("lifecycle.name", None)
        template["template"]["settings"]["index"]["refresh_interval"] = "200ms"
        (folder / "_index_template" / f"{prefix}-{name}").write_text(json.dumps(template))
    return folder


def demo_data():
    """By tag, what its senders sent."""
    data = collections.defaultdict(list)
    for i in range(40):
        data["app.shop"].append({"level": ("info", "info", "warn", "error")[i % 4], "message": f"order {i}", "n": {"i": i}})
        data["was.access.tomcat"].append({"line": f"GET /{i}", "status": (200, 200, 404, 500)[i % 4], "took_ms": i * 1.5})
        data["istio.access.shop"].append({"method": "GET", "path": f"/{i}", "response_code": (200, 200, 200, 503)[i % 4],
                                          "duration": i * 10, "destination": ("cart", "payment")[i % 2], "source": "shop"})
    for i in range(12):
        data["was.error.tomcat"].append({"level": ("SEVERE", "WARNING")[i % 2], "logger": f"org.example.{'AB'[i % 3 == 0]}",
                                         "message": "java.lang.IllegalStateException: 결제\n\tat org.example.A.pay(A.java:12)"})
        data["newlog.logentry.istio-system"].append({"severity": "info", "response_code": 500, "duration": 900, "destination": "cart"})
    data["other.thing"].append({"message": "hello"})
    return data


# A text where the index has an object: rejected for good.
UNFIT = [{"level": "info", "message": f"unfit {i}", "n": "text"} for i in range(12)]


def saved_objects():
    with open(os.path.join(DEPLOY, "kibana/weir.ndjson")) as f:
        return {(o["type"], o["id"]): o for o in map(json.loads, f)}


def aggregation(vis_state):
    """What Kibana sends for a visualisation of that state: buckets within buckets, metrics in the innermost."""
    metrics, buckets = {}, []
    for a in vis_state["aggs"]:
        p = a["params"]
        if a["type"] in ("avg", "max", "sum"):
            metrics[a["id"]] = {a["type"]: {"field": p["field"]}}
        elif a["type"] == "percentiles":
            metrics[a["id"]] = {"percentiles": {"field": p["field"], "percents": p["percents"], "keyed": True}}
        elif a["type"] == "date_histogram":
            buckets.append((a["id"], {"date_histogram": {"field": p["field"], "fixed_interval": "30s", "min_doc_count": p["min_doc_count"]}}))
        elif a["type"] == "terms":
            assert p["orderBy"] in [m["id"] for m in vis_state["aggs"] if m["schema"] == "metric"]
            buckets.append((a["id"], {"terms": {"field": p["field"], "size": p["size"], "order": {p["orderBy"] if p["orderBy"] in metrics else "_count": p["order"]}}}))
        else:
            assert a["type"] == "count"
    inner = metrics
    for name, bucket in reversed(buckets):
        # Buckets that a metric orders have it as well.
        inner = {name: {**bucket, "aggs": {**metrics, **inner}} if inner else bucket}
    return inner


def rows(vis_state, reply):
    """The reply's innermost buckets by the terms that lead to them: counts, summed over time, and the metrics of the last."""
    counts, metrics = collections.Counter(), {}
    buckets = [a for a in vis_state["aggs"] if a["type"] in ("terms", "date_histogram")]

    def walk(node, depth, path):
        if depth == len(buckets):
            counts[path] += node["doc_count"]
            metrics[path] = node
            return
        a = buckets[depth]
        for b in node[a["id"]]["buckets"]:
            walk(b, depth + 1, path + (b["key"],) if a["type"] == "terms" else path)
    walk(reply["aggregations"], 0, ())
    return counts, metrics


QUERIES = {
    "": lambda e: True,
    "_exists_:level": lambda e: "level" in e,
    "_exists_:response_code": lambda e: "response_code" in e,
    "tag:was.error.*": lambda e: e["tag"].startswith("was.error."),
    "tag:was.access.*": lambda e: e["tag"].startswith("was.access."),
}


def check_visualisation(server, prefix, objects, vis, events):
    state = json.loads(vis["attributes"]["visState"])
    source = json.loads(vis["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    view, = [r for r in vis["references"] if r["name"] == source["indexRefName"]]
    view = objects["index-pattern", view["id"]]["attributes"]
    text = source["query"]["query"]
    query = [{"query_string": {"query": text}}] if text else []
    query.append({"range": {view["timeFieldName"]: {"gte": "now-1h", "lte": "now+1h"}}})
    pattern = ",".join(f"{prefix}-{p}" for p in view["title"].split(","))
    reply = server.ok("POST", f"/{pattern}/_search", {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": query}},
                                                     "aggs": aggregation(state)})
    dead = "dead-letters" in view["title"]
    wanted = [e for e in events if ("reason" in e) == dead and QUERIES[text](e)]
    assert wanted and reply["hits"]["total"]["value"] == len(wanted), vis["id"]
    fields = [a["params"]["field"] for a in state["aggs"] if a["type"] == "terms"]
    groups = collections.defaultdict(list)
    for e in wanted:
        if all(f in e for f in fields):
            groups[tuple(e[f] for f in fields)].append(e)
    counts, metrics = rows(state, reply)
    assert counts == {key: len(v) for key, v in groups.items()}, vis["id"]
    for a in state["aggs"]:
        for key, group in groups.items():
            if a["type"] in ("avg", "max"):
                f = {"avg": statistics.fmean, "max": max}[a["type"]]
                assert metrics[key][a["id"]]["value"] == pytest.approx(f([e[a["params"]["field"]] for e in group]))
    if dead:
        assert sum(e["events"] for e in wanted) == len(UNFIT)
    if any(a["type"] == "percentiles" for a in state["aggs"]):
        values = reply["aggregations"]["2"]["buckets"][0]["1"]["values"]
        assert 0 <= values["50.0"] <= values["95.0"] <= values["99.0"] <= 900


def dead_letters(server, prefix):
    if not server.count(f"{prefix}-dead-letters-*"):
        return []
    return [d["_source"] for d in server.documents(f"{prefix}-dead-letters-*")]


def test_dashboard(server, weir, tmp_path, prefix):
    text, env = kubernetes_config(server, prefix, tmp_path / "config")
    w = weir(text, start=False)
    w.env = env
    out, _ = setup_es(w, "--to", "es_app", templates_for(server, prefix, tmp_path / "templates"))
    assert "3 set up" in out
    w.start()
    data = demo_data()
    for tag, records in data.items():
        forward.send_events(w.port, tag, records, chunk_size=20)
    events = [{"tag": tag, **r} for tag, records in data.items() for r in records]
    wait_until(lambda: server.count(f"{prefix}-*") == len(events), 30, lambda: f"{len(events)} events, {server.count(f'{prefix}-*')}")
    forward.send_events(w.port, "app.shop", UNFIT)
    wait_until(lambda: sum(d["events"] for d in dead_letters(server, prefix)) == len(UNFIT), 30, lambda: "12 dead letters")
    dead = dead_letters(server, prefix)
    assert {(d["destination"], d["tag"], d["status"]) for d in dead} == {("es_app", "app.shop", 400)}
    events += dead
    mapping = server.ok("GET", f"/{prefix}-app-*/_mapping")
    properties = next(iter(mapping.values()))["mappings"]["properties"]
    assert properties["tag"]["type"] == "keyword" and properties["message"]["type"] == "text" and properties["duration"]["type"] == "float"
    objects = saved_objects()
    for (kind, _), o in objects.items():
        if kind == "visualization":
            check_visualisation(server, prefix, objects, o, events)


def test_dashboard_holds_together():
    objects = saved_objects()
    for o in objects.values():
        for r in o["references"]:
            assert (r["type"], r["id"]) in objects
    board = objects["dashboard", "weir"]
    panels = json.loads(board["attributes"]["panelsJSON"])
    assert sorted(p["panelRefName"] for p in panels) == sorted(r["name"] for r in board["references"])
    assert {r["id"] for r in board["references"]} == {i for k, i in objects if k == "visualization"}
    for o in objects.values():
        if o["type"] == "visualization":
            json.loads(o["attributes"]["visState"])
    titles = " ".join(o["attributes"]["title"] for o in objects.values() if o["type"] == "index-pattern")
    assert all(f"{f}-*" in titles for f in FAMILIES)
