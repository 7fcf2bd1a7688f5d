"""The http input: curl, Python's http.client and plain sockets; every way that events come, probes, browsers, limits, full buffers."""
import gzip
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import zlib
from urllib.parse import quote, urlencode

import msgpack
import pytest

import fake_faults
from harness.events import check, dead_letters, events, to_stdout, wait_events
from harness.ports import free_port
from harness.waiting import PATIENCE, wait_until
from harness.weir import ELASTICSEARCH

GIF = (b"GIF89a\1\0\1\0\x80\xff\0\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;")
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def run(weir):
    def make(options="", **values):
        return weir(to_stdout(f"<source>\n @type http\n @id in\n bind 127.0.0.1\n port {{{{port}}}}\n {options}\n</source>"),
                    port=free_port(), **values)
    return make


def request(w, method="POST", path="/app.log", body=None, headers=()):
    c = http.client.HTTPConnection("127.0.0.1", w.values["port"], timeout=20)
    try:
        c.request(method, path, body, dict(headers))
        r = c.getresponse()
        r.text = r.read()
        return r
    finally:
        c.close()


def raw(w, data, read=True):
    """Everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", w.values["port"]), 20) as s:
        s.sendall(data)
        got = b""
        while read and (part := s.recv(65536)):
            got += part
        return got


# ---- events -------------------------------------------------------------------------------------------------------------

FORMS = [
    ("json", "application/json", b'{"a":1}', [{"a": 1}]),
    ("json array", "application/json; charset=utf-8", b'[{"a":1},{"b":"x"}]', [{"a": 1}, {"b": "x"}]),
    ("csp", "application/csp-report", b'{"csp-report":{"x":1}}', [{"csp-report": {"x": 1}}]),
    ("ndjson", "application/x-ndjson", b'{"a":1}\n\n{"a":2}\r\n{"a":3}', [{"a": 1}, {"a": 2}, {"a": 3}]),
    ("msgpack", "application/msgpack", msgpack.packb({"a": 1, "b": [1, "x"]}), [{"a": 1, "b": [1, "x"]}]),
    ("msgpack array", "application/msgpack", msgpack.packb([{"a": 1}, {"a": 2}]), [{"a": 1}, {"a": 2}]),
    ("form", "application/x-www-form-urlencoded", urlencode({"json": '{"a":"+ &ü"}'}).encode(), [{"a": "+ &ü"}]),
    ("form msgpack", "application/x-www-form-urlencoded", b"msgpack=" + quote(msgpack.packb({"a": 7})).encode(), [{"a": 7}]),
    ("form ndjson", "application/x-www-form-urlencoded", urlencode({"ndjson": '{"a":1}\n{"a":2}'}).encode(), [{"a": 1}, {"a": 2}]),
    ("multipart", "multipart/form-data; boundary=xyz",
     b'--xyz\r\nContent-Disposition: form-data; name="json"\r\n\r\n{"a":1}\r\n--xyz--\r\n', [{"a": 1}]),
    ("no utf-8", "application/json", b'{"a":"\xff"}', [{"a": "\ufffd"}]),
]


@pytest.mark.parametrize("type, body, want", [f[1:] for f in FORMS], ids=[f[0] for f in FORMS])
def test_forms(run, type, body, want):
    w = run()
    r = request(w, path="/app/log", body=body, headers={"Content-Type": type})
    assert (r.status, r.text) == (200, b"") and r.headers["Content-Type"] == "text/plain"
    found = wait_events(w, len(want))
    assert found == want and {e.tag for e in found} == {"app.log"}


@pytest.mark.parametrize("encoding, pack", [("gzip", gzip.compress), ("deflate", zlib.compress),
                                            ("deflate", lambda b: zlib.compress(b)[2:-4])])
def test_compressed(run, encoding, pack):
    w = run()
    r = request(w, body=pack(b'{"a":1}'), headers={**JSON, "Content-Encoding": encoding})
    assert r.status == 200
    assert wait_events(w, 1) == [{"a": 1}]


@pytest.mark.parametrize("path, body, time", [
    ("/t?time=1700000000.5", b'{"a":1}', "2023-11-14 22:13:20.500000000 +0000"),
    ("/t", b'{"a":1,"time":1700000000}', "2023-11-14 22:13:20.000000000 +0000"),
    ("/t", b'{"a":1,"time":1700000000.25}', "2023-11-14 22:13:20.250000000 +0000"),
    ("/t?time=1700000000", b'{"a":1}', "2023-11-14 22:13:20.000000000 +0000"),
])
def test_time(run, path, body, time):
    w = run()
    assert request(w, path=path, body=body, headers=JSON).status == 200
    e, = wait_events(w, 1)
    assert e.time == time and e == {"a": 1}


@pytest.mark.parametrize("parse, record, want", [
    ("time_key at\n time_format %Y/%m/%d %H:%M\n timezone +0000", {"at": "2024/01/02 03:04"}, ({}, "2024-01-02 03:04:00.000000000")),
    ("time_key at\n keep_time_key true", {"at": 1}, ({"at": 1}, "1970-01-01 00:00:01.000000000")),
    ("@type in_http\n time_type unixtime", {"time": "5"}, ({}, "1970-01-01 00:00:05.000000000")),
])
def test_time_parameters(run, parse, record, want):
    w = run(f"<parse>\n {parse}\n </parse>")
    assert request(w, body=json.dumps({"a": 1, **record}), headers=JSON).status == 200
    e, = wait_events(w, 1)
    assert e == {"a": 1, **want[0]} and e.time.startswith(want[1])


def test_parser(run):
    w = run("<parse>\n @type regexp\n expression /^(?<k>\\w+)=(?<v>\\d+)$/\n types v:integer\n </parse>")
    assert request(w, body=b"x=12").status == 200
    assert wait_events(w, 1) == [{"k": "x", "v": 12}]
    r = request(w, body=b"nothing")
    assert r.status == 400 and r.text.startswith(b"400 Bad Request\n")


def test_added_fields(run):
    w = run("add_http_headers true\n add_remote_addr true\n add_query_params true\n add_tag_prefix web")
    request(w, path="/x?user-id=7&q=a%20b", body=b'{"a":1}', headers={**JSON, "X-My-Thing": "yes"})
    e, = wait_events(w, 1)
    assert e.tag == "web.x"
    assert e["HTTP_X_MY_THING"] == "yes" and e["HTTP_CONTENT_TYPE"] == "application/json"
    assert e["QUERY_USER_ID"] == "7" and e["QUERY_Q"] == "a b" and e["REMOTE_ADDR"] == "127.0.0.1" and e["a"] == 1
    raw(w, b'POST /y HTTP/1.1\r\nX-Two: 1\r\nX-Forwarded-For: 9.8.7.6, 1.1.1.1\r\nx-two: 2\r\nContent-Type: application/json\r\n'
           b'Content-Length: 7\r\nConnection: close\r\n\r\n{"b":2}')
    e = wait_events(w, 2)[1]
    assert e["HTTP_X_TWO"] == ["1", "2"] and e["REMOTE_ADDR"] == "9.8.7.6"


@pytest.mark.parametrize("type, body, why", [
    ("application/json", b"{", "the JSON is cut"),
    ("application/json", b"nonsense", None),
    ("application/json", b'{"a":1} x', "behind the JSON"),
    ("application/json", b"5", "neither a record"),
    ("application/json", b"[5]", "no record"),
    ("application/json", b'{"time":"yesterday"}', "time"),
    ("application/json", b"", None),
    ("application/x-ndjson", b"{\n{", "(line 1)"),
    ("application/msgpack", b"\x81\xa1a", "msgpack"),
    ("application/msgpack", b"\xc1", "msgpack"),
    ("application/x-www-form-urlencoded", b"json=%zz", "urlencoded"),
    ("application/x-www-form-urlencoded", b"other=1", "parameter is required"),
    ("multipart/form-data; boundary=b", b"no", "multipart"),
    ("text/plain", b"hello", "parameter is required"),
])
def test_bad_body(run, type, body, why):
    """A 400 that says what is wrong; nothing is stored, and the connection goes on."""
    w = run()
    c = http.client.HTTPConnection("127.0.0.1", w.values["port"], timeout=20)
    c.request("POST", "/t", body, {"Content-Type": type})
    r = c.getresponse()
    text = r.read().decode()
    assert r.status == 400 and text.startswith("400 Bad Request\n") and (not why or why in text), text
    c.request("POST", "/t", b'{"good":1}', JSON)
    assert c.getresponse().status == 200
    c.close()
    assert wait_events(w, 1) == [{"good": 1}]
    assert "failed to process request" in w.log()


def test_many_bad_lines(run):
    """A million of them behind a good one are kept and counted, and take hardly more room than they came in."""
    w = run()
    r = request(w, body=b'{"a":1}\n' + b"[1]\n" * 1000000, headers={"Content-Type": "application/x-ndjson"})
    assert r.status == 200
    wait_events(w, 1)
    assert dead_letters(w) == {"not_map": 1000000}
    assert w.metrics().sum("weir_dead_letters_bytes") < 8 << 20


def test_bad_part(run):
    """Good events of a request are stored, bad ones are dead letters."""
    w = run()
    r = request(w, body=b'{"a":1}\nnonsense\n{"a":2}\n[1,{"a":3}]\n', headers={"Content-Type": "application/x-ndjson"})
    assert r.status == 200
    assert wait_events(w, 3) == [{"a": 1}, {"a": 2}, {"a": 3}]
    wait_until(lambda: dead_letters(w) == {"bad_json": 1, "not_map": 1}, 10, lambda: dead_letters(w))
    assert w.metrics().sum("weir_source_events_total", plugin_id="in") == 5


def test_no_dump_error_log(run):
    w = run("dump_error_log false")
    assert request(w, body=b"{", headers=JSON).status == 400
    assert "failed to process" not in w.log()


# ---- answers --------------------------------------------------------------------------------------------------------------


def test_204(run):
    w = run("use_204_response true")
    r = request(w, body=b'{"a":1}', headers=JSON)
    assert r.status == 204 and r.text == b""


def test_image(run):
    w = run("respond_with_empty_img true")
    r = request(w, body=b'{"a":1}', headers=JSON)
    assert (r.status, r.headers["Content-Type"], r.text) == (200, "image/gif; charset=utf-8", GIF)
    r = request(w, "GET", "/pixel?json=" + quote('{"b":2}'))
    assert (r.status, r.text) == (200, GIF)
    assert wait_events(w, 2)[1].tag == "pixel"


@pytest.mark.parametrize("method, path", [("GET", "/"), ("HEAD", "/"), ("GET", "/healthz?x=1"), ("HEAD", "/app")])
def test_probes(run, method, path):
    w = run()
    r = request(w, method, path)
    assert (r.status, r.text) == (200, b"")
    assert events(w) == []


def test_liveness_probe(run):
    w = run()
    assert request(w, "GET", "/fluentd.pod.healthcheck?json=%7B%22ping%22%3A+%22pong%22%7D").status == 200
    e, = wait_events(w, 1)
    assert e == {"ping": "pong"} and e.tag == "fluentd.pod.healthcheck"


@pytest.mark.parametrize("method, status", [("PUT", 200), ("PATCH", 200), ("DELETE", 405), ("TRACE", 405)])
def test_methods(run, method, status):
    assert request(run(), method, "/t", b'{"a":1}', JSON).status == status


CORS = [
    # origins, credentials, Origin, status, allowed
    ("[\"*\"]", False, "http://a.example", 200, "*"),
    ("[\"http://a.example\"]", False, "http://a.example", 200, "http://a.example"),
    ("[\"http://a.example\"]", True, "http://a.example", 200, "http://a.example"),
    ("[\"http://a.example\"]", False, "http://b.example", 403, None),
    ("[\"http://*.example\"]", False, "http://x.y.example", 200, "http://x.y.example"),
    ("[\"http://*.example\"]", False, "https://x.example", 403, None),
    ("[\"http://a.example\"]", False, None, 200, None),
]


@pytest.mark.parametrize("origins, credentials, origin, status, allowed", CORS)
def test_cors(run, origins, credentials, origin, status, allowed):
    w = run(f"cors_allow_origins {origins}\n cors_allow_credentials {str(credentials).lower()}")
    r = request(w, body=b'{"a":1}', headers={**JSON, **({"Origin": origin} if origin else {})})
    assert r.status == status and r.headers["Access-Control-Allow-Origin"] == allowed
    assert r.headers["Access-Control-Allow-Credentials"] == ("true" if credentials else None)
    assert len(wait_events(w, int(status == 200))) == int(status == 200)


@pytest.mark.parametrize("options, method, status", [
    ("cors_allow_origins [\"http://a.example\"]", "POST", 200), ("cors_allow_origins [\"*\"]", "POST", 200),
    ("cors_allow_origins [\"http://a.example\"]", "GET", 403), ("cors_allow_origins [\"http://b.example\"]", "POST", 403),
    ("", "POST", 403)])
def test_preflight(run, options, method, status):
    w = run(options)
    r = request(w, "OPTIONS", "/t", headers={"Origin": "http://a.example", "Access-Control-Request-Method": method,
                                              "Access-Control-Request-Headers": "content-type,x-a"})
    assert r.status == status
    if status == 200:
        assert r.headers["Access-Control-Allow-Methods"] == "POST"
        assert r.headers["Access-Control-Allow-Headers"] == "content-type,x-a"
        assert r.headers["Access-Control-Allow-Origin"] in ("*", "http://a.example")


# ---- the protocol ------------------------------------------------------------------------------------------------------------

POST = b"POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_chunks_are_no_way_around_the_limit(run):
    """A chunk of one byte may bring a kilobyte with it that is no body."""
    w = run("body_size_limit 64k")
    chunk = b"1;" + b"x" * 1000 + b"\r\n{\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", w.values["port"]), 20) as s:
        s.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        s.settimeout(1)
        got = b""
        while sent < 32 << 20 and not got:
            s.settimeout(20)
            s.sendall(chunk * 100)
            sent += 100 * len(chunk)
            s.settimeout(0.001)
            try:
                got = s.recv(65536)
            except TimeoutError:
                pass
    assert got.startswith(b"HTTP/1.1 413 "), (sent, got)
    assert sent < 4 << 20
    # Chunks that are only small are no reason.
    whole = b'{"a":"' + b"x" * 8000 + b'"}'
    assert raw(w, POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
               b"".join(b"1\r\n%c\r\n" % c for c in whole) + b"0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_chunked_bytewise(run):
    w = run()
    data = POST + b'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\n{"a\r\n4;ext=1\r\n":1}\r\n0\r\nX-Trailer: 1\r\n\r\n'
    with socket.create_connection(("127.0.0.1", w.values["port"]), 20) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            s.sendall(data[i:i + 1])
        assert s.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    assert wait_events(w, 1) == [{"a": 1}]


def test_pipelining(run):
    w = run()
    n = 50
    body = [b'{"n":%d}' % i for i in range(n)]
    data = b"".join(POST + b"Content-Length: %d\r\n%s\r\n" % (len(b), b"Connection: close\r\n" if b is body[-1] else b"") + b
                    for b in body)
    assert raw(w, data).count(b"HTTP/1.1 200 OK\r\n") == n
    assert [e["n"] for e in wait_events(w, n)] == list(range(n))


def test_expect_continue(run):
    w = run("body_size_limit 100")
    with socket.create_connection(("127.0.0.1", w.values["port"]), 20) as s:
        s.sendall(POST + b"Content-Length: 7\r\nExpect: 100-continue\r\n\r\n")
        assert s.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(b'{"a":1}')
        assert s.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    assert raw(w, POST + b"Content-Length: 101\r\nExpect: 100-continue\r\n\r\n").startswith(b"HTTP/1.1 413 ")
    assert raw(w, POST + b"Content-Length: 1\r\nExpect: magic\r\n\r\n").startswith(b"HTTP/1.1 417 ")


def test_http10(run):
    w = run()
    got = raw(w, b'POST /t HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}')
    assert got.startswith(b"HTTP/1.1 200 OK\r\n") and b"Connection: close\r\n" in got


BAD_HTTP = [
    (b"nonsense\r\n\r\n", 400), (b"GET /\r\n\r\n", 400), (b"GET / HTTP/2.0\r\n\r\n", 505), (b"GET / HTTP/1.1\r\nBad Header\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
    (POST + b"Content-Length: x\r\n\r\n", 400), (POST + b"Content-Length: -1\r\n\r\n", 400),
    (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (POST + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
    (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n", 400),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffff\r\n", 413),
    (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431), (b"GET /" + b"x" * 40000, 431),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
]


def test_bad_http(run):
    w = run()
    for data, status in BAD_HTTP:
        got = raw(w, data)
        assert got.startswith(b"HTTP/1.1 %d " % status), (data, got)
        assert b"Connection: close\r\n" in got
    assert request(w, body=b'{"a":1}', headers=JSON).status == 200
    assert "a request was refused" in w.log()


@pytest.mark.parametrize("send", [
    lambda w: request(w, body=b'{"a":"' + b"x" * 2000 + b'"}', headers=JSON).status,
    lambda w: int(raw(w, POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n" +
                      b"400\r\n" + b"x" * 1024 + b"\r\n").split()[1]),
    lambda w: request(w, body=gzip.compress(b'{"a":"' + b"x" * 5000 + b'"}'), headers={**JSON, "Content-Encoding": "gzip"}).status,
    lambda w: request(w, body=zlib.compress(b'{"a":"' + b"x" * 5000 + b'"}'), headers={**JSON, "Content-Encoding": "deflate"}).status])
def test_too_large(run, send):
    w = run("body_size_limit 1k\n decompression_size_limit 4k")
    assert send(w) == 413
    assert request(w, body=b'{"a":1}', headers=JSON).status == 200


@pytest.mark.parametrize("encoding, status", [("br", 415), ("gzip", 400), ("deflate", 400)])
def test_bad_encoding(run, encoding, status):
    w = run()
    assert request(w, body=b'{"a":1}', headers={**JSON, "Content-Encoding": encoding}).status == status


def test_keepalive_timeout(run):
    w = run("keepalive_timeout 1s")
    assert raw(w, b"") == b"", "an idle connection is closed without a word"
    assert raw(w, POST + b"Content-Length: 10\r\n\r\n{").startswith(b"HTTP/1.1 408 ")


def test_tls(run):
    w = run("<transport tls>\n insecure true\n </transport>")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    c = http.client.HTTPSConnection("127.0.0.1", w.values["port"], context=context, timeout=20)
    for i in range(3):
        c.request("POST", "/t", b'{"n":%d}' % i, JSON)
        r = c.getresponse()
        assert r.status == 200 and r.read() == b""
    c.close()
    assert [e["n"] for e in wait_events(w, 3)] == [0, 1, 2]


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl(1)")
def test_curl(run):
    w = run()
    url = f"http://127.0.0.1:{w.values['port']}"

    def curl(*arguments):
        r = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *arguments], capture_output=True, text=True,
                           timeout=30, check=True)
        return r.stdout
    assert curl("-X", "POST", "-d", 'json={"action":"login","user":2}', url + "/test.tag.here") == "200"
    assert curl("-H", "Content-Type: application/json", "-d", '{"a":1}', url + "/x") == "200"
    assert curl("-F", 'json={"part":1}', url + "/x") == "200"
    assert curl("-H", "Transfer-Encoding: chunked", "-H", "Content-Type: application/json", "-d", '{"b":2}', url + "/x") == "200"
    big = json.dumps([{"n": i, "text": "x" * 1000} for i in range(2000)])
    r = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Content-Type: application/json", "--data-binary",
                        "@-", url + "/big"], input=big, capture_output=True, text=True, timeout=30, check=True)
    assert r.stdout == "200", "curl asks for a 100 Continue"
    assert wait_events(w, 2004)[:4] == [{"action": "login", "user": 2}, {"a": 1}, {"part": 1}, {"b": 2}]


def test_max_connections(run):
    w = run("max_connections 2")
    with socket.create_connection(("127.0.0.1", w.values["port"])), socket.create_connection(("127.0.0.1", w.values["port"])):
        wait_until(lambda: w.metrics().sum("weir_source_connections_accepted_total") == 2, 10, "two connections")
        with socket.create_connection(("127.0.0.1", w.values["port"]), 10) as third:
            assert third.recv(1) == b""


# ---- durability ------------------------------------------------------------------------------------------------------------------


def durable(weir, fake_es, prefix, buffer=""):
    config = ELASTICSEARCH.replace("@type forward", "@type http").replace("{{forward_port}}", "{{port}}")
    return weir(config, es_url=fake_es.url, prefix=prefix, port=free_port(), buffer=buffer)


def test_full_buffer(weir, fake_es, prefix):
    """503 while the buffer is full, and nothing of those requests is stored; probes go on; afterwards each event that got a 200 is there once."""
    w = durable(weir, fake_es, prefix, "total_limit_size 64k\n chunk_limit_size 16k")
    fake_es.fault(fake_faults.status(503))
    acknowledged, refused = [], 0
    for seq in range(200):
        r = request(w, body=json.dumps({"sender": "s", "seq": seq, "text": "x" * 2000}), headers=JSON)
        if r.status == 200:
            acknowledged.append(seq)
        else:
            assert r.status == 503 and b"a buffer is full" in r.text and r.headers["Retry-After"] == "1"
            refused += 1
            break
    assert refused and acknowledged
    began = time.monotonic()
    assert request(w, "GET", "/").status == 200
    assert request(w, "GET", "/probe?json=%7B%22sender%22%3A%22p%22%2C%22seq%22%3A1%7D").status == 200
    assert time.monotonic() - began < 1 * PATIENCE
    fake_es.heal()
    wait_until(lambda: fake_es.stored_events() >= len(acknowledged), 30, lambda: fake_es.state())
    assert request(w, body=json.dumps({"sender": "s", "seq": 1000}), headers=JSON).status == 200
    wait_until(lambda: ("s", 1000) in fake_es.event_counts, 30, "it goes on")
    assert set(fake_es.event_counts) == {("s", i) for i in acknowledged} | {("s", 1000)}
    assert fake_es.duplicates() == {}


def test_room_comes(weir, fake_es, prefix):
    """A client that meets a full buffer waits for room a little before it is sent away."""
    w = durable(weir, fake_es, prefix, "total_limit_size 64k\n chunk_limit_size 16k")
    fault = fake_es.fault(fake_faults.status(503))
    statuses = []
    body = json.dumps([{"sender": "s", "seq": i, "text": "x" * 2000} for i in range(50)])
    assert request(w, body=body, headers=JSON).status == 200

    def late():
        statuses.append(request(w, body=json.dumps({"sender": "late", "seq": 1}), headers=JSON).status)
    t = threading.Thread(target=late)
    t.start()
    wait_until(lambda: fault.used >= 1, 10, "the fault")
    fake_es.heal()
    t.join()
    assert statuses == [200]
    wait_until(lambda: ("late", 1) in fake_es.event_counts, 30, "it is stored")


def test_200_means_on_disk(weir, fake_es, prefix):
    """What got a 200 is there after a kill -9."""
    w = durable(weir, fake_es, prefix)
    fake_es.fault(fake_faults.status(503))
    for seq in range(100):
        assert request(w, body=json.dumps({"sender": "s", "seq": seq}), headers=JSON).status == 200
    w.kill9()
    fake_es.heal()
    w.start()
    wait_until(lambda: fake_es.stored_events() >= 100, 30, lambda: fake_es.state())
    assert fake_es.duplicates() == {}


def test_stop_answers_what_is_under_way(weir, fake_es, prefix):
    """A request that has begun when weir is told to end gets its answer."""
    w = durable(weir, fake_es, prefix)
    with socket.create_connection(("127.0.0.1", w.values["port"]), 20) as s:
        body = b'{"sender":"s","seq":1}'
        s.sendall(b"POST /t HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
        wait_until(lambda: w.metrics().sum("weir_source_connections_accepted_total") == 1, 10, "the connection")
        time.sleep(0.2)  # nothing tells when the first bytes have been read
        w.process.signal(15)
        w.wait_log("shutting down")
        s.sendall(body[5:])
        got = s.recv(1000)
        assert got.startswith(b"HTTP/1.1 200 OK\r\n") and b"Connection: close" in got
    w.stop()
    w.start()
    wait_until(lambda: fake_es.stored_events() == 1, 20, "the event")


def test_memory_is_bounded(run):
    """Bodies that do not come to their end are not more than the configuration allows."""
    w = run("body_size_limit 32m")
    before = w.rss()
    sockets = [socket.create_connection(("127.0.0.1", w.values["port"]), 20) for _ in range(50)]
    for s in sockets:
        s.sendall(POST + b"Content-Length: 30000000\r\n\r\n" + b" " * 1000)
    wait_until(lambda: w.metrics().sum("weir_source_connections_accepted_total") == 50, 10, "all are here")
    assert w.rss() - before < 40 << 20, "memory is not taken for what is announced"
    for s in sockets:
        s.close()


# ---- parameters --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, want", [
    ("port 99999", "port"), ("port x", "port"), ("body_size_limit 0", "body_size_limit"), ("body_size_limit 2g", "body_size_limit"),
    ("decompression_size_limit 0", "decompression_size_limit"), ("keepalive_timeout 0", "keepalive_timeout"),
    ("keepalive_timeout soon", "keepalive_timeout"), ("backlog 0", "backlog"), ("max_connections 0", "max_connections"),
    ("add_tag_prefix \"\"", "must not be empty"), ("cors_allow_credentials true", "without specific origins"),
    ("cors_allow_credentials true\n cors_allow_origins [\"*\"]", "without specific origins"),
    ("<transport udp>\n </transport>", "valid options are tcp,tls"), ("<transport tls>\n </transport>", "no valid cert options"),
    ("<parse>\n @type nosuch\n </parse>", "nosuch"), ("<parse>\n time_type when\n </parse>", "time_type"),
    ("<parse>\n timezone Nowhere/Land\n </parse>", "Nowhere"),
])
def test_wrong_value(tmp_path, options, want):
    status, text = check(tmp_path, f"<source>\n @type http\n {options}\n</source>")
    assert status == 1 and want in text, text


def test_all_parameters(weir, tmp_path):
    source = """<source>
      @type http
      port 0
      bind ::1
      body_size_limit 1m
      decompression_size_limit 2m
      keepalive_timeout 5s
      backlog 10
      max_connections 10
      add_http_headers true
      add_remote_addr true
      add_query_params true
      cors_allow_origins ["http://a", "http://b"]
      cors_allow_credentials true
      respond_with_empty_img true
      use_204_response true
      dump_error_log false
      add_tag_prefix p
      <parse>
        @type in_http
        time_key t
        time_type string
        time_format %Y
        timezone +0900
        keep_time_key true
      </parse>
      <transport tls>
        insecure true
      </transport>
    </source>"""
    status, text = check(tmp_path, source)
    assert status == 0 and "0 warnings, 0 notes" in text, text
    weir(to_stdout(source))


@pytest.mark.parametrize("options, said", [("blocking_timeout 1", "nothing blocks"), ("format json", "v0.12"),
                                           ("format default", "v0.12")])
def test_old_parameters(tmp_path, options, said):
    status, text = check(tmp_path, f"<source>\n @type http\n {options}\n</source>")
    assert status == 0 and said in text, text
