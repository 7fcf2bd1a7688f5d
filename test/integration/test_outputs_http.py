"""The http output against a small server."""
import contextlib
import gzip
import http.server
import json
import ssl
import threading

import pytest

from harness.forward import send_events
from harness.waiting import wait_until

from test_books import ledger, wait_ledger
from test_inputs_forward import pki  # noqa: F401
from test_outputs_files import SOURCE, send

CONFIG = SOURCE + """
<match **>
  @type http
  endpoint http://127.0.0.1:{{http_port}}/in/${tag}
  {{output}}
  <buffer tag>
    flush_mode immediate
    retry_wait 0.1
    retry_max_interval 0.2s
  </buffer>
</match>
"""


@contextlib.contextmanager
def serving(tls=None):
    """A server that answers the statuses of a list, then 200, and keeps what it got."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((self.command, self.path, dict(self.headers), body))
            self.send_response(server.statuses.pop(0) if server.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_POST

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.got, server.statuses = [], []
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def web():
    with serving() as server:
        yield server


@pytest.mark.parametrize("output,method,kind,body", [
    ("", "POST", "application/x-ndjson", b'{"a":1}\n{"a":2}\n'),
    ("json_array true\nhttp_method put", "PUT", "application/json", b'[{"a":1},{"a":2}]'),
    ("compress gzip\ncontent_type text/x\n<format>\n@type ltsv\n</format>", "POST", "text/x", b"a:1\na:2\n"),
])
def test_requests(weir, web, output, method, kind, body):
    w = weir(CONFIG, http_port=web.server_port, output=output + """
      headers {"X-One": "1"}
      headers_from_placeholders {"X-Tag": "${tag}"}
      <auth>
        method basic
        username u
        password p
      </auth>""")
    send(w, "a/b.c", {"a": 1}, {"a": 2})
    wait_until(lambda: web.got, 20, w.log_tail)
    got_method, path, headers, got_body = web.got[0]
    assert (got_method, path, headers["Content-Type"]) == (method, "/in/a%2Fb.c", kind)
    assert (headers["X-One"], headers["X-Tag"], headers["Authorization"]) == ("1", "a/b.c", "Basic dTpw")
    assert (gzip.decompress(got_body) if "gzip" in output else got_body) == body


def test_statuses(weir, web):
    """503 and what may pass are tried again; a refusal makes dead letters, and the next chunk goes on."""
    web.statuses = [503, 500, 429, 200, 400]
    w = weir(CONFIG, http_port=web.server_port)
    w.allow("Hit limit for retries")
    send(w, "a", {"n": 1})
    wait_until(lambda: len(web.got) == 4, 20, w.log_tail)
    send(w, "a", {"n": 2})
    wait_until(lambda: w.metrics().sum("weir_dead_letter_events_total") == 1, 20, w.log_tail)
    send(w, "a", {"n": 3})
    wait_until(lambda: len(web.got) == 6, 20, w.log_tail)
    assert [json.loads(body)["n"] for _, _, _, body in web.got] == [1, 1, 1, 1, 2, 3]


def test_dropped_undelivered(weir, web):
    """A chunk that was tried in vain and then dropped was dropped: the books do not call it delivered."""
    web.statuses = [503] * 10000
    w = weir(CONFIG.replace("flush_mode immediate", "flush_mode immediate\n chunk_limit_size 16k\n total_limit_size 64k\n overflow_action drop_oldest_chunk"),
             http_port=web.server_port, output="@id http")
    w.allow("its oldest chunk was thrown away undelivered")
    for n in range(20):
        send_events(w.port, "a", [{"n": n, "text": "x" * 12000}])
        wait_until(lambda: len(web.got) > n, 20, w.log_tail)
    books = ledger(w, "http")
    assert books["stored"] == 20 and books["dropped"] > 10 and "delivered" not in books
    del web.statuses[:]
    wait_ledger(w, "http", stored=20, dropped=books["dropped"], delivered=books["there"])
    assert len({body for _, _, _, body in web.got[-int(books["there"]):]}) == books["there"]


@pytest.mark.parametrize("output,statuses,sent", [
    ("retryable_response_codes 409,503", [409, 503, 200], [1, 1, 1, 2]),
    ("error_response_as_unrecoverable true", [503, 500], [1, 1, 2]),
    ("error_response_as_unrecoverable false", [400, 401, 200], [1, 1, 1, 2]),
])
def test_statuses_that_are_chosen(weir, web, output, statuses, sent):
    """retryable_response_codes are tried again; what else is refused is for good, or not, as error_response_as_unrecoverable says."""
    web.statuses = list(statuses)
    w = weir(CONFIG, http_port=web.server_port, output=output)
    w.allow("Hit limit for retries")
    send(w, "a", {"n": 1})
    wait_until(lambda: len(web.got) == len(sent) - 1, 20, w.log_tail)
    send(w, "a", {"n": 2})
    wait_until(lambda: len(web.got) == len(sent), 20, w.log_tail)
    assert [json.loads(body)["n"] for _, _, _, body in web.got] == sent
    assert w.metrics().sum("weir_dead_letter_events_total") == (statuses[-1] != 200)


@pytest.mark.parametrize("reuse,connections", [("false", 3), ("true", 1)])
def test_connections(weir, web, reuse, connections):
    """reuse_connections keeps them open from one chunk to the next; allowed_hosts has the endpoint's."""
    ports = set()
    web.RequestHandlerClass.protocol_version = "HTTP/1.1"
    verify = web.verify_request
    web.verify_request = lambda request, address: ports.add(address) or verify(request, address)
    w = weir(CONFIG, http_port=web.server_port, output=f"reuse_connections {reuse}\nallowed_hosts example.com,127.0.0.1\nread_timeout 5s\nopen_timeout 5s")
    for n in range(3):
        send(w, "a", {"n": n})
        wait_until(lambda: len(web.got) == n + 1, 20, w.log_tail)
    assert len(ports) == connections


@pytest.mark.parametrize("output,arrives", [
    ("", False),
    ("tls_ca_cert_path {pki}/other.pem", False),
    ("tls_ca_cert_path {pki}/ca.pem", False),  # the server wants to see a certificate
    ("tls_ca_cert_path {pki}/ca.pem\ntls_client_cert_path {pki}/server.pem\ntls_private_key_path {pki}/server.locked\ntls_private_key_passphrase open sesame", True),
    ("tls_verify_mode none\ntls_client_cert_path {pki}/client.pem\ntls_private_key_path {pki}/client.key", True),
    ("tls_verify_mode none\ntls_client_cert_path {pki}/client.pem\ntls_private_key_path {pki}/client.key\ntls_version TLSv1_3", False),
    ("tls_verify_mode none\ntls_client_cert_path {pki}/client.pem\ntls_private_key_path {pki}/client.key\n"
     "tls_ciphers ECDHE-RSA-AES128-GCM-SHA256", False),
])
def test_tls(weir, pki, output, arrives):  # noqa: F811
    """The server speaks TLS 1.2 with one cipher, and wants a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    context.load_verify_locations(pki / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")
    with serving(context) as server:
        w = weir(CONFIG.replace("http://", "https://"), http_port=server.server_port, output=output.replace("{pki}", str(pki)))
        send(w, "a", {"n": 1})
        if arrives:
            wait_until(lambda: server.got, 20, w.log_tail)
        else:
            w.wait_log("SSL|TLS|certificate")
            assert not server.got
        assert "open sesame" not in w.log()
