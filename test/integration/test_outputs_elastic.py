"""Data streams, index templates and v0.12's placeholders on the real servers."""
import base64
import contextlib
import http.server
import json
import re
import ssl
import subprocess
import threading
import urllib.parse

import pytest

from fake_es import FakeES
from harness.forward import send_events
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH, Weir

from test_inputs_forward import pki  # noqa: F401
from test_books import wait_ledger

LOGSTASH = "logstash_format true\n  logstash_prefix {{prefix}}\n"


def arrives(server, w, index, n):
    wait_until(lambda: server.count(index) >= n, 60,
               lambda: f"{n} documents, there are {server.count(index)}:\n{w.log_tail()}", 0.3)
    assert server.count(index) == n


@pytest.mark.slow
@pytest.mark.parametrize("name", ["logs-{0}-fixed", "logs-{0}-${{tag}}"])
def test_data_stream(weir, opensearch, prefix, name):
    """Stream and template are made before the first event, and found by the next start."""
    stream = name.format(prefix)
    config = ELASTICSEARCH.replace("@type elasticsearch", "@type opensearch_data_stream").replace(
        LOGSTASH, f"data_stream_name {stream}\n data_stream_template_name {prefix}-tpl\n")
    w = weir(config, es_url=opensearch.url, prefix=prefix)
    send_events(w.port, "web", [{"seq": i} for i in range(300)])
    real = stream.replace("${tag}", "web")
    arrives(opensearch, w, real, 300)
    assert opensearch.ok("GET", f"/_data_stream/{real}")["data_streams"][0]["template"] == f"{prefix}-tpl"
    document = next(opensearch.documents(real))["_source"]
    assert "@timestamp" in document
    w.restart()
    send_events(w.port, "web", [{"seq": i} for i in range(300, 400)])
    arrives(opensearch, w, real, 400)
    assert w.log().count("set up on the server") == (1 if "${tag}" in stream else 2)


@pytest.mark.slow
def test_data_stream_with_ids(weir, opensearch, prefix):
    """The record's own ids: what comes again is there already."""
    config = ELASTICSEARCH.replace("@type elasticsearch", "@type opensearch_data_stream").replace(
        LOGSTASH, f"data_stream_name {prefix}-ids\n data_stream_template_name {prefix}-tpl\n id_key id\n")
    w = weir(config, es_url=opensearch.url, prefix=prefix)
    for _ in range(2):
        send_events(w.port, "web", [{"id": f"i{i}"} for i in range(30)])
        arrives(opensearch, w, f"{prefix}-ids", 30)
    wait_ledger(w, stored=60, delivered=30, already_there=30)


@pytest.mark.slow
@pytest.mark.parametrize("legacy", [True, False])
def test_template(weir, server, prefix, tmp_path, legacy):
    """A template with replaced text is there before the index is; one that is there already stays."""
    inner = {"settings": {"number_of_shards": "<<shards>>"}, "mappings": {"properties": {"seq": {"type": "keyword"}}}}
    body = {"index_patterns": [f"{prefix}-*"], **(inner if legacy else {"template": inner, "priority": 7})}
    (tmp_path / "t.json").write_text(json.dumps(body))
    output = f"""
      template_name {prefix}
      template_file {tmp_path}/t.json
      customize_template {{"<<shards>>": "2"}}
      use_legacy_template {str(legacy).lower()}"""
    for n in (1, 2):
        w = weir(ELASTICSEARCH, es_url=server.url, prefix=prefix, output=output)
        send_events(w.port, "app", [{"seq": i} for i in range(50)])
        arrives(server, w, f"{prefix}-*", 50 * n)
        w.stop()
    index = next(iter(server.ok("GET", f"/{prefix}-*").values()))
    assert index["mappings"]["properties"]["seq"]["type"] == "keyword"
    assert index["settings"]["index"]["number_of_shards"] == "2"


class Empty(http.server.BaseHTTPRequestHandler):
    """A server on which nothing is there yet, and everything can be put."""
    asked = []

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.command, self.path.split("?")[0], body))
        answer = b'{"errors":false,"items":[{"create":{"status":201}}]}' if "_bulk" in self.path else b"{}"
        self.send_response(404 if self.command == "GET" else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_POST = do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_what_an_elasticsearch_data_stream_puts(weir, prefix):
    config = ELASTICSEARCH.replace("@type elasticsearch", "@type elasticsearch_data_stream").replace(
        LOGSTASH, "data_stream_name logs-app-default\n")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as empty:
        threading.Thread(target=empty.serve_forever, daemon=True).start()
        w = weir(config, es_url=f"http://127.0.0.1:{empty.server_port}", prefix=prefix)
        send_events(w.port, "app", [{"seq": 1}])
        wait_until(lambda: any("_bulk" in path for _, path, _ in Empty.asked), 20, w.log_tail)
        w.stop()
        empty.shutdown()
    assert [a[:2] for a in Empty.asked] == [
        ("GET", "/_ilm/policy/logs-app-default_policy"), ("PUT", "/_ilm/policy/logs-app-default_policy"),
        ("GET", "/_index_template/logs-app-default_template"), ("PUT", "/_index_template/logs-app-default_template"),
        ("GET", "/_data_stream/logs-app-default"), ("PUT", "/_data_stream/logs-app-default"), ("POST", "/logs-app-default/_bulk")]
    assert json.loads(Empty.asked[1][2])["policy"]["phases"]["hot"]["actions"]["rollover"] == {"max_size": "50gb", "max_age": "30d"}
    assert json.loads(Empty.asked[3][2]) == {"index_patterns": ["logs-app-default*"], "data_stream": {},
                                             "template": {"settings": {"index.lifecycle.name": "logs-app-default_policy"}}}
    action, document = Empty.asked[6][2].splitlines()
    assert list(json.loads(action)) == ["create"] and "@timestamp" in json.loads(document)


@contextlib.contextmanager
def empty_server():
    Empty.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as empty:
        threading.Thread(target=empty.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{empty.server_port}"
        empty.shutdown()


def put_by(weir, config, output):
    """path -> the body that was put there, or what was posted; [a line of JSON each]."""
    with empty_server() as url:
        w = weir(config, es_url=url, prefix="p", output=output)
        send_events(w.port, "app", [{"seq": 1}])
        wait_until(lambda: any("_bulk" in path for _, path, _ in Empty.asked), 20, w.log_tail)
        w.stop()
    return {path: [json.loads(line) for line in body.splitlines()] for method, path, body in Empty.asked if method != "GET"}


def test_names_of_a_rollover(weir, tmp_path):
    """deflector_alias, application_name, index_separator and index_date_pattern make the first index's name; the template is put as it is."""
    (tmp_path / "t.json").write_text('{"index_patterns": ["logs_shop_*"]}')
    got = put_by(weir, ELASTICSEARCH.replace(LOGSTASH, "index_name logs\n"), f"""
      template_name t
      template_file {tmp_path}/t.json
      rollover_index true
      deflector_alias shop
      application_name web
      index_separator _
      index_date_pattern now/w{{xxxx.ww}}""")
    assert got["/_template/t"] == [{"index_patterns": ["logs_shop_*"]}]
    (index,) = [path for path in got if path not in ("/_template/t", "/logs/_bulk")]
    assert urllib.parse.unquote(index) == "/<logs_web_{now/w{xxxx.ww}}_000001>"
    assert got[index] == [{"aliases": {"shop": {"is_write_index": True}}}]


def test_policies(weir):
    """ilm_policies go in place of ilm_policy, and the one that is attached is ilm_policy_id."""
    one, two = {"policy": {"phases": {"hot": {"actions": {}}}}}, {"policy": {"phases": {"delete": {"min_age": "1d", "actions": {"delete": {}}}}}}
    got = put_by(weir, ELASTICSEARCH.replace(LOGSTASH, "index_name logs\n"), f"""
      enable_ilm true
      ilm_policy_id two
      ilm_policies {json.dumps({"one": one, "two": two})}""")
    assert got["/_ilm/policy/one"] == [one] and got["/_ilm/policy/two"] == [two]
    assert got["/_template/logs_template"][0]["settings"]["index.lifecycle.name"] == "two"


def test_parameters_of_a_data_stream(weir):
    policy = {"policy": {"phases": {"hot": {"actions": {"rollover": {"max_age": "1d"}}}}}}
    got = put_by(weir, ELASTICSEARCH.replace("@type elasticsearch", "@type elasticsearch_data_stream").replace(LOGSTASH, "data_stream_name logs-app\n"), f"""
      data_stream_template_name mine
      data_stream_ilm_name keep
      data_stream_ilm_policy {json.dumps(policy)}
      data_stream_template_use_index_patterns_wildcard false""")
    assert got["/_ilm/policy/keep"] == [policy]
    assert got["/_index_template/mine"] == [{"index_patterns": ["logs-app"], "data_stream": {}, "template": {"settings": {"index.lifecycle.name": "keep"}}}]


class There(Empty):
    """A server that has everything that is asked for."""

    def send_response(self, status, *_):
        super().send_response(200)


@pytest.mark.parametrize("output,put", [
    ("", []),
    ("template_overwrite true", ["/_template/logs"]),
    ("ilm_policy_overwrite true", ["/_ilm/policy/logstash-policy"]),
])
def test_what_is_overwritten(weir, tmp_path, output, put):
    (tmp_path / "t.json").write_text('{"index_patterns": ["logs-*"]}')
    There.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), There) as there:
        threading.Thread(target=there.serve_forever, daemon=True).start()
        w = weir(ELASTICSEARCH.replace(LOGSTASH, "index_name logs\n"), es_url=f"http://127.0.0.1:{there.server_port}", prefix="p",
                 output=f"enable_ilm true\n template_name logs\n template_file {tmp_path}/t.json\n{output}")
        send_events(w.port, "app", [{"seq": 1}])
        wait_until(lambda: any("_bulk" in path for _, path, _ in There.asked), 20, w.log_tail)
        w.stop()
        there.shutdown()
    assert [path for method, path, _ in There.asked if method == "PUT"] == put


@pytest.mark.parametrize("key", ["to.index", "$.to.index"])
def test_parameters_of_documents(weir, fake_es, prefix, key):
    """target_index_key, remove_keys; an event without id_key is a dead letter where emit_error_for_missing_id says so."""
    w = weir(ELASTICSEARCH.replace(LOGSTASH, "index_name {{prefix}}-else\n"), es_url=fake_es.url, prefix=prefix, output=f"""
      target_index_key {key}
      id_key id
      emit_error_for_missing_id true
      remove_keys gone""")
    send_events(w.port, "app", [{"seq": 0, "id": "a", "to": {"index": f"{prefix}-one", "b": 1}, "gone": 1}, {"seq": 1, "id": "b"}, {"seq": 2}])
    wait_until(lambda: fake_es.stored_events() == 2, 20, w.log_tail)
    assert fake_es.documents(f"{prefix}-one") == {"a": {"seq": 0, "id": "a", "to": {"b": 1}}}
    assert fake_es.documents(f"{prefix}-else") == {"b": {"seq": 1, "id": "b"}}
    wait_until(lambda: w.metrics().sum("weir_dead_letter_events_total") == 1, 20, w.log_tail)


MUTUAL = "ca_file {pki}/ca.pem\n client_cert {pki}/server.pem\n client_key {pki}/server.locked\n client_key_pass open sesame\n"


@pytest.mark.parametrize("output,arrives", [
    ("ca_file {pki}/other.pem\n client_cert {pki}/client.pem\n client_key {pki}/client.key", False),
    ("ca_file {pki}/ca.pem", False),  # the server wants to see a certificate
    (MUTUAL, True),
    (MUTUAL + "ssl_version TLSv1_2", True),
    (MUTUAL + "ssl_min_version TLSv1_3\n ssl_max_version TLSv1_3", False),
    ("ssl_verify false\n client_cert {pki}/client.pem\n client_key {pki}/client.key", True),
])
def test_tls(weir, prefix, pki, output, arrives):  # noqa: F811
    """The server speaks TLS 1.2, and wants a certificate."""
    with FakeES(tls=(pki / "server.pem", pki / "server.key")) as es:
        es.tls.load_verify_locations(pki / "ca.pem")
        es.tls.verify_mode = ssl.CERT_REQUIRED
        es.tls.maximum_version = ssl.TLSVersion.TLSv1_2
        w = weir(ELASTICSEARCH, es_url=f"https://localhost:{es.port}", prefix=prefix, output=output.replace("{pki}", str(pki)))
        send_events(w.port, "app", [{"seq": 1}])
        if arrives:
            wait_until(lambda: es.stored_events() == 1, 20, w.log_tail)
        else:
            w.wait_log("SSL|TLS|certificate")
            assert es.stored_events() == 0
        assert "open sesame" not in w.log()
        w.stop()


def test_cloud(weir, prefix, pki):  # noqa: F811
    """cloud_id says where, cloud_auth who."""
    with FakeES(tls=(pki / "server.pem", pki / "server.key"), user="elastic:a:b") as es:
        place = base64.b64encode(f"localhost:{es.port}$es$kibana".encode()).decode()
        w = weir(ELASTICSEARCH.replace("hosts {{es_url}}", f"cloud_id mine:{place}\n cloud_auth elastic:a:b\n ssl_verify false"), prefix=prefix)
        send_events(w.port, "app", [{"seq": 1}])
        wait_until(lambda: es.stored_events() == 1, 20, w.log_tail)
        assert "a:b" not in w.log()
        w.stop()


def test_flat_documents(weir, fake_es, prefix):
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix, output="flatten_hashes true\n flatten_hashes_separator /\n time_precision 0")
    send_events(w.port, "app", [{"a": {"b": {"c": 1}, "d": [1]}}])
    wait_until(lambda: fake_es.documents(f"{prefix}-*"), 20, w.log_tail)
    (document,) = fake_es.documents(f"{prefix}-*").values()
    assert re.fullmatch(r"[-0-9]+T[0-9:]+(Z|\+00:00)", document.pop("@timestamp"))
    assert document == {"a/b/c": 1, "a/d": [1]}


class Refusing(http.server.BaseHTTPRequestHandler):
    """A server on which the user may not manage templates."""
    asked = []

    def do_GET(self):
        self.asked.append((self.command, self.path))
        body = b'{"error":{"type":"security_exception","reason":"no"},"status":403}' if self.command == "PUT" else b"{}"
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(403 if self.command == "PUT" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_setup_that_is_refused_holds(weir, prefix, tmp_path):
    (tmp_path / "t.json").write_text("{}")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as refusing:
        threading.Thread(target=refusing.serve_forever, daemon=True).start()
        w = weir(ELASTICSEARCH, es_url=f"http://127.0.0.1:{refusing.server_port}", prefix=prefix,
                 output=f"template_name a b\ntemplate_file {tmp_path}/t.json")
        w.allow("failed to flush the buffer")
        send_events(w.port, "app", [{"seq": 1}])
        w.wait_log("index template a b cannot be set up: .* 403 .*lacks the right")
        refusing.shutdown()
    assert Refusing.asked[:2] == [("GET", "/_template/a%20b"), ("PUT", "/_template/a%20b")]
    assert not any("bulk" in path for _, path in Refusing.asked)


def test_dynamic(weir, fake_es, prefix):
    config = ELASTICSEARCH.replace("@type elasticsearch", "@type elasticsearch_dynamic").replace(
        LOGSTASH, "index_name {{prefix}}-${record['k']['ns']}-${tag_parts[1]}-${time.strftime('%Y')}\n")
    w = weir(config, es_url=fake_es.url, prefix=prefix)
    send_events(w.port, "app.web", [{"k": {"ns": "Blue"}}], seconds=1700000000)
    wait_until(lambda: len(fake_es.documents(f"{prefix}-blue-web-2023")) == 1, 20, w.log_tail)


def test_an_alias_that_rolls_over(weir, prefix):
    """enable_ilm: the policy, a template that names it, the first index with its alias, and events through the alias."""
    Empty.asked.clear()
    config = ELASTICSEARCH.replace(LOGSTASH, "index_name app\n")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as empty:
        threading.Thread(target=empty.serve_forever, daemon=True).start()
        w = weir(config, es_url=f"http://127.0.0.1:{empty.server_port}", prefix=prefix,
                 output='enable_ilm true\nilm_policy_id pol\nilm_policy {"policy":{"phases":{"hot":{"actions":{}}}}}\nuse_legacy_template false')
        send_events(w.port, "app", [{"seq": 1}])
        wait_until(lambda: any("_bulk" in path for _, path, _ in Empty.asked), 20, w.log_tail)
        w.stop()
        empty.shutdown()
    assert [a[:2] for a in Empty.asked] == [
        ("GET", "/_ilm/policy/pol"), ("PUT", "/_ilm/policy/pol"), ("GET", "/_index_template/app_template"), ("PUT", "/_index_template/app_template"),
        ("GET", "/_alias/app"), ("PUT", "/%3Capp-default-%7Bnow%2Fd%7D-000001%3E"), ("POST", "/app/_bulk")]
    assert json.loads(Empty.asked[1][2]) == {"policy": {"phases": {"hot": {"actions": {}}}}}
    assert json.loads(Empty.asked[3][2]) == {"index_patterns": ["app-default-*"], "priority": 101, "template": {
        "settings": {"index.lifecycle.name": "pol", "index.lifecycle.rollover_alias": "app"}}}
    assert json.loads(Empty.asked[5][2]) == {"aliases": {"app": {"is_write_index": True}}}


def test_rollover_on_a_real_server(weir, server, prefix):
    """rollover_index: the server makes the index of the day, and events go through the alias into it, also after a roll-over."""
    w = weir(ELASTICSEARCH.replace(LOGSTASH, "index_name {{prefix}}\nrollover_index true\n"), es_url=server.url, prefix=prefix)
    send_events(w.port, "app", [{"seq": i} for i in range(100)])
    wait_until(lambda: server.count(prefix) == 100, 30, w.log_tail, 0.2)
    server.ok("POST", f"/{prefix}/_rollover")
    send_events(w.port, "app", [{"seq": i} for i in range(100, 200)])
    wait_until(lambda: server.count(prefix) == 200, 30, w.log_tail, 0.2)
    indices = server.ok("GET", f"/_alias/{prefix}")
    assert len(indices) == 2 and all(name.startswith(f"{prefix}-default-") for name in indices)


class OneIsThere(Empty):
    """An index that has the name of an alias to be is there already."""
    asked = []

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        if self.path != "/app-there-default-000001":
            return self.do_GET()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.command, self.path, b""))
        return self.answer(400, b'{"error":{"type":"invalid_alias_name_exception","reason":"an index exists with the same name as the alias"}}')

    def do_POST(self):
        lines = self.rfile.read(int(self.headers.get("Content-Length", 0))).splitlines()
        self.asked.append((self.command, self.path.split("?")[0], lines))
        items = [{"create": {"status": 201}}] * (len(lines) // 2)
        self.answer(200, json.dumps({"errors": False, "items": items}).encode())


def test_an_alias_for_each_name(weir, prefix, tmp_path):
    """enable_ilm where events tell the index: a template and an alias for each name, once, before its first event. A name that an index has is written to as it is."""
    OneIsThere.asked.clear()
    (tmp_path / "t.json").write_text('{"order": 3, "index_patterns": ["app-<<N>>-*"], "mappings": {"dynamic": false}, "settings": {"index": {'
                                     '"lifecycle": {"name": "p", "rollover_alias": "app-<<N>>", "parse_origination_date": false}}}}')
    config = ELASTICSEARCH.replace(LOGSTASH, "logstash_format true\nlogstash_prefix app\nlogstash_dateformat ${name}\n")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OneIsThere) as es:
        threading.Thread(target=es.serve_forever, daemon=True).start()
        w = weir(config, es_url=f"http://127.0.0.1:{es.server_port}", prefix=prefix,
                 output=f'enable_ilm true\ntemplate_name any\ntemplate_file {tmp_path}/t.json\n'
                 'customize_template {"<<N>>":"${name}"}\nbulk_events_limit 3')
        w.allow("not set up on the server; its events go on without it")
        send_events(w.port, "app", [{"name": n} for n in ("a", "b", "a", "a", "there")])
        wait_until(lambda: sum("_bulk" in path for _, path, _ in OneIsThere.asked) == 2, 20, w.log_tail)
        w.stop()
        es.shutdown()
    assert [a[:2] for a in OneIsThere.asked] == [
        ("GET", "/_ilm/policy/logstash-policy"), ("PUT", "/_ilm/policy/logstash-policy"),
        *[(method, path) for n in "ab" for method, path in [
            ("GET", f"/_template/app-{n}"), ("PUT", f"/_template/app-{n}"),
            ("GET", f"/_alias/app-{n}"), ("PUT", f"/app-{n}-default-000001")]],
        ("POST", "/app-a/_bulk"),
        ("GET", "/_template/app-there"), ("PUT", "/_template/app-there"), ("GET", "/_alias/app-there"), ("PUT", "/app-there-default-000001"),
        ("POST", "/app-a/_bulk")]
    assert json.loads(OneIsThere.asked[7][2]) == {
        "index_patterns": ["app-b-default-*"], "order": 5, "mappings": {"dynamic": False},
        "settings": {"index.lifecycle.name": "logstash-policy", "index.lifecycle.rollover_alias": "app-b",
                     "index": {"lifecycle": {"parse_origination_date": False}}}}
    assert json.loads(OneIsThere.asked[9][2]) == {"aliases": {"app-b": {"is_write_index": True}}}
    assert w.log().count("alias app-there") == 1


def test_aliases_of_each_name_on_a_real_server(weir, server, prefix):
    """rollover_index with placeholders: each name is an alias with an index behind it."""
    w = weir(ELASTICSEARCH.replace(LOGSTASH, "index_name {{prefix}}-${name}\nrollover_index true\n"), es_url=server.url, prefix=prefix)
    send_events(w.port, "app", [{"name": f"n{i % 5}"} for i in range(100)])
    wait_until(lambda: server.count(f"{prefix}-n*") == 100, 30, w.log_tail, 0.2)
    server.ok("POST", f"/{prefix}-n3/_rollover")
    assert len(server.ok("GET", f"/_alias/{prefix}-n3")) == 2 and len(server.ok("GET", f"/_alias/{prefix}-n1")) == 1
