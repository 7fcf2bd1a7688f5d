"""The forward output: weir to weir, and what a server of another kind sees."""
import contextlib
import json
import socket
import subprocess
import threading
import time

import msgpack
import pytest

from harness.dns import SRV, NameServer
from harness.forward import send_events
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH, SYSTEM
from harness.traffic import NOTHING, Traffic, difference

from test_inputs_forward import pki  # noqa: F401

SENDER = SYSTEM + """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
</source>
<match **>
  @type forward
  @id fwd
  {{output}}
  <buffer>
    flush_mode immediate
    flush_thread_count 2
    retry_wait 0.2
    retry_max_interval 1s
    {{buffer}}
  </buffer>
</match>
"""

SECURITY = """
  <security>
    self_hostname {name}
    shared_key a secret that both know
  </security>
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem",
                    "-out", folder / "cert.pem"], check=True, capture_output=True)
    return folder


class Receiver:
    """A forward server that keeps the messages it gets, and acknowledges those that `ack(message)` says."""

    def __init__(self, ack=lambda m: True, close_after=None, port=0):
        self.messages, self.ack, self.close_after = [], ack, close_after
        self.sock = socket.create_server(("127.0.0.1", port))
        self.port = self.sock.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        unpacker = msgpack.Unpacker(raw=True, max_buffer_size=1 << 28)
        n = 0
        with c:
            while True:
                try:
                    data = c.recv(1 << 16)
                except OSError:
                    return
                if not data:
                    return
                unpacker.feed(data)
                for m in unpacker:
                    if not self.ack(m):
                        return
                    self.messages.append(m)
                    if b"chunk" in m[2]:
                        c.sendall(msgpack.packb({b"ack": m[2][b"chunk"]}))
                    n += 1
                    if n == self.close_after:
                        return

    def events(self):
        out = []
        for tag, packed, _ in self.messages:
            u = msgpack.Unpacker(raw=False, strict_map_key=False)
            u.feed(packed)
            out += [(tag.decode(), r["seq"]) for _, r in u]
        return out

    def close(self):
        self.sock.close()


@pytest.fixture
def receiver():
    made = []

    def make(**options):
        made.append(Receiver(**options))
        return made[-1]

    yield make
    for r in made:
        r.close()


def server(port, more=""):
    return f"<server>\n host 127.0.0.1\n port {port}\n {more}\n</server>\n"


def test_tls_key_and_kills(weir, fake_es, prefix, certificate):
    """Sender and receiver are killed in turn: what the sender acknowledged is indexed once."""
    source = ELASTICSEARCH.replace("port {{forward_port}}", "port {{forward_port}}\n" + SECURITY.format(name="behind") + """
      <transport tls>
        cert_path {{tls}}/cert.pem
        private_key_path {{tls}}/key.pem
      </transport>""", 1)
    behind = weir(source, es_url=fake_es.url, prefix=prefix, tls=certificate)
    output = server(behind.port) + SECURITY.format(name="front") + f"""
      require_ack_response true
      ack_response_timeout 10
      keepalive true
      recover_wait 0.2
      transport tls
      tls_cert_path {certificate}/cert.pem
    """
    front = weir(SENDER, output=output)
    with Traffic(front.port, count=2, rate=3000) as traffic:
        for i in range(8):
            before = traffic.acked()
            wait_until(lambda: traffic.acked() >= before + 700, 60, lambda: front.log_tail(), 0.005)
            (front, behind)[i % 2].kill9()
            (front, behind)[i % 2].start()
        total = traffic.finish()
    wait_until(lambda: fake_es.stored_events() >= total, 60, lambda: f"{total}, {fake_es.stored_events()}\n{front.log_tail()}")
    front.stop()
    behind.stop()
    assert difference(traffic, fake_es.documents(f"{prefix}-*").values()) == NOTHING


@pytest.mark.parametrize("key", ["another secret", "a secret that both know"])
def test_wrong_key_or_name_is_held(weir, key):
    behind = weir(SENDER.replace("port {{forward_port}}", "port {{forward_port}}\n" + SECURITY.format(name="same"), 1)
                  .replace("@type forward\n  @id fwd", "@type null\n  @id fwd"))
    security = SECURITY.format(name="same" if key == "a secret that both know" else "other")
    front = weir(SENDER, output=server(behind.port) + security.replace("a secret that both know", key) + "require_ack_response true")
    send_events(front.port, "app", [{"seq": i} for i in range(3)])
    front.wait_log("authentication failed: shared_key mismatch" if key == "another secret" else "same hostname between input and output")
    assert key not in front.log()


@pytest.mark.parametrize("form", ["text", "gzip", "zstd"])
@pytest.mark.parametrize("ack", [True, False])
def test_what_a_server_sees(weir, receiver, form, ack):
    """Bytes of the messages: PackedForward, entries as they came, ids like fluentd's, sizes."""
    r = receiver()
    w = weir(SENDER, output=server(r.port) + f"compress {form}\nrequire_ack_response {str(ack).lower()}")
    send_events(w.port, "app.web", [{"seq": i, "text": "x" * 50} for i in range(1000)], chunk_size=100)
    wait_until(lambda: len(r.messages) == 10, 20, lambda: f"{len(r.messages)}\n{w.log_tail()}")
    for tag, packed, option in r.messages:
        assert tag == b"app.web" and option[b"size"] == 100
        assert (b"chunk" in option) == ack
        if ack:
            assert len(option[b"chunk"]) == 25 and option[b"chunk"].endswith(b"\n")
        assert option.get(b"compressed", b"text") == form.encode()
        assert packed[:2] == {"text": b"\x92\xd7", "gzip": b"\x1f\x8b", "zstd": b"\x28\xb5"}[form]
    if form == "text":
        assert sorted(r.events()) == [("app.web", i) for i in range(1000)]


def test_integer_times(weir, receiver):
    r = receiver()
    w = weir(SENDER, output=server(r.port) + "time_as_integer true")
    send_events(w.port, "app", [{"seq": 1}], seconds=1700000000)
    wait_until(lambda: r.messages, 20, w.log_tail)
    assert msgpack.unpackb(r.messages[0][1]) == [1700000000, {"seq": 1}]


def test_lost_acks_have_the_same_id(weir, receiver):
    """A message whose ack does not come is sent again: the same bytes, the same id."""
    seen = []

    def ack(m):
        seen.append(m)
        return len(seen) > 3

    r = receiver(ack=ack)
    w = weir(SENDER, output=server(r.port) + "require_ack_response true\nrecover_wait 0.1")
    send_events(w.port, "app", [{"seq": i} for i in range(5)])
    wait_until(lambda: r.messages, 20, w.log_tail)
    assert len({repr(m) for m in seen}) == 1 and len(seen) == 4


def test_weights_and_standby(weir, receiver):
    a, b, spare = receiver(), receiver(), receiver()
    w = weir(SENDER, buffer="chunk_limit_records 1", output=server(a.port, "weight 30") + server(b.port, "weight 10") +
             server(spare.port, "standby true") + "require_ack_response true\nrecover_wait 60")
    for i in range(80):
        send_events(w.port, "app", [{"seq": i}])
    wait_until(lambda: len(a.messages) + len(b.messages) == 80, 20, w.log_tail)
    assert not spare.messages and 50 <= len(a.messages) <= 70
    a.close()
    for i in range(80, 160):
        send_events(w.port, "app", [{"seq": i}])
    everyone = lambda: a.events() + b.events() + spare.events()
    wait_until(lambda: len(everyone()) >= 160, 20, lambda: f"{len(everyone())}\n{w.log_tail()}")
    assert sorted(set(s for _, s in everyone())) == list(range(160)) and spare.messages


@pytest.fixture
def black_hole():
    """A port where connections neither succeed nor fail: its queue of connections is full. open() makes it a server."""
    class BlackHole:
        def __init__(self):
            self.sock = socket.socket()
            self.sock.bind(("127.0.0.1", 0))
            self.sock.listen(0)
            self.port = self.sock.getsockname()[1]
            self.filling = [socket.socket() for _ in range(4)]
            for c in self.filling:
                c.setblocking(False)
                c.connect_ex(("127.0.0.1", self.port))

        def close(self):
            for c in self.filling:
                c.close()
            self.sock.close()

    b = BlackHole()
    yield b
    b.close()


def test_server_that_does_not_answer_holds_nothing_up(weir, receiver, black_hole):
    """After its first failure no event waits for it: whether it is back is found out beside the delivery."""
    a = receiver()
    w = weir(SENDER, buffer="flush_thread_count 1", output=server(a.port) + server(black_hole.port) + """
      require_ack_response true
      connect_timeout 3
      recover_wait 0.5
    """)
    waits, seq, end = [], 0, time.monotonic() + 8
    while time.monotonic() < end:
        begin = time.monotonic()
        send_events(w.port, "app", [{"seq": seq}])
        wait_until(lambda: ("app", seq) in a.events(), 20, w.log_tail, 0.01)
        waits.append(time.monotonic() - begin)
        seq += 1
    slow = [round(t, 1) for t in waits if t > 1]
    assert len(slow) == 1, f"{len(waits)} events, slow ones: {slow}"
    # It comes back.
    port = black_hole.port
    black_hole.close()
    b = receiver(port=port)
    wait_until(lambda: (send_events(w.port, "app", [{"seq": 10 ** 6}]), b.messages)[1], 20, w.log_tail)
    w.wait_log("a server works again")


HEARTBEATS = """
      require_ack_response true
      heartbeat_type {kind}
      heartbeat_interval 0.1
      hard_timeout 1
      recover_wait 0.2
"""


@pytest.mark.parametrize("kind", ["transport", "tcp", "udp"])
def test_heartbeats(weir, receiver, kind):
    """A server that answers none is left alone before any event had to wait for it, and gets its share when it answers again."""
    a, b = receiver(), receiver()
    answers, stop = {a.port, b.port}, threading.Event()

    def answer(port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", port))
            s.settimeout(0.05)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    data, peer = s.recvfrom(100)
                    if port in answers:
                        assert data == b"\0"
                        s.sendto(b"\0", peer)
    threads = [threading.Thread(target=answer, args=(r.port,)) for r in (a, b)]
    for t in threads:
        t.start()
    try:
        w = weir(SENDER, output=server(a.port) + server(b.port) + HEARTBEATS.format(kind=kind))
        if kind != "udp":
            wait_until(lambda: a.connections > 3 and b.connections > 3, 20, w.log_tail)
        answers.discard(b.port)
        if kind != "udp":
            b.close()
        w.wait_log("a server answers no heartbeats")
        for i in range(20):
            send_events(w.port, "app", [{"seq": i}])
        wait_until(lambda: len(a.events()) + len(b.events()) == 20, 20, w.log_tail)
        if kind != "udp":  # else b is there for events, and may be tried
            assert len(a.events()) == 20 and f'server="127.0.0.1:{a.port}"' not in w.log()
        answers.add(b.port)
        b = b if kind == "udp" else receiver(port=b.port)
        wait_until(lambda: (send_events(w.port, "app", [{"seq": 99}]), len(b.events()) > 3)[1], 20, w.log_tail)
        w.allow("a server answers no heartbeats", "a server failed")
    finally:
        stop.set()
        for t in threads:
            t.join()


def test_no_heartbeats_unasked(weir, receiver):
    a = receiver()
    w = weir(SENDER, output=server(a.port) + "require_ack_response true\nkeepalive true")
    send_events(w.port, "app", [{"seq": 1}])
    wait_until(lambda: a.messages, 20, w.log_tail)
    assert a.connections == 1


def test_server_that_closes_after_each_message(weir, receiver):
    r = receiver(close_after=1)
    w = weir(SENDER, output=server(r.port) + "require_ack_response true\nkeepalive true")
    send_events(w.port, "app", [{"seq": i} for i in range(200)], chunk_size=10)
    wait_until(lambda: len(set(r.events())) == 200, 30, lambda: f"{len(r.events())}\n{w.log_tail()}")


def discovery(kind, more):
    return f"<service_discovery>\n @type {kind}\n {more}\n</service_discovery>\nrequire_ack_response true\nrecover_wait 0.2\n"


def replace_file(path, text):
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_servers_of_a_file(weir, receiver, tmp_path, form):
    """Servers come and go with the file; a file that is wrong changes nothing."""
    def text(*receivers):
        services = [{"host": "127.0.0.1", "port": r.port, "name": f"server {r.port}"} for r in receivers]
        if form == "json":
            return json.dumps(services)
        return "".join(f"- host: {s['host']}\n  port: {s['port']}\n  name: {s['name']}\n" for s in services)

    a, b = receiver(), receiver()
    path = tmp_path / f"servers.{form}"
    path.write_text(text(a))
    w = weir(SENDER, output=discovery("file", f"path {path}"))
    w.allow("the servers cannot be told, those of before are kept")
    send_events(w.port, "app", [{"seq": 0}])
    wait_until(lambda: a.events() == [("app", 0)], 20, w.log_tail)
    replace_file(path, text(b))

    def reach(r, seq):
        send_events(w.port, "app", [{"seq": seq}])
        wait_until(lambda: ("app", seq) in a.events() + b.events(), 20, w.log_tail)
        return ("app", seq) in r.events()

    seq = iter(range(1, 10000))
    wait_until(lambda: reach(b, next(seq)), 20, w.log_tail)
    w.wait_log(f'a server has come server="server {b.port}"')
    w.wait_log(f'a server has gone server="server {a.port}"')
    assert all(reach(b, next(seq)) for _ in range(3))
    path.write_text("[{")
    wait_until(lambda: reach(b, next(seq)) and "cannot be told" in w.log(), 20, w.log_tail)
    assert all(reach(b, next(seq)) for _ in range(3))
    path.write_text(text(a, b))
    wait_until(lambda: reach(a, next(seq)), 20, w.log_tail)


def test_no_server_is_left(weir, receiver, tmp_path):
    """An empty list holds events back; nothing is lost."""
    r = receiver()
    path = tmp_path / "sd.yaml"
    path.write_text("[]")
    w = weir(SENDER, output=discovery("file", f"path {path}"))
    send_events(w.port, "app", [{"seq": i} for i in range(5)])
    w.wait_log("there are no servers")
    replace_file(path, f"- {{host: 127.0.0.1, port: {r.port}}}")
    wait_until(lambda: len(r.events()) == 5, 20, w.log_tail)


@pytest.fixture
def name_server():
    s = NameServer()
    yield s
    s.close()


NAME = "_fluentd._tcp.logs.example"


def srv(name_server, more=""):
    return discovery("srv", f"service fluentd\nhostname logs.example\ndns_server_host 127.0.0.1:{name_server.port}\n{more}")


@pytest.mark.parametrize("truncate", [False, True])
def test_servers_of_a_name_server(weir, receiver, name_server, truncate):
    """Weights are the records'; what the name server says later counts; one that cannot tell changes nothing."""
    a, b, c = receiver(), receiver(), receiver()
    name_server.truncate = truncate
    name_server.a = {"a.logs.example": "127.0.0.1", "b.logs.example": "127.0.0.1"}
    name_server.srv[NAME] = [(20, 10, b.port, "b.logs.example"), (10, 30, a.port, "a.logs.example")]
    w = weir(SENDER, buffer="chunk_limit_records 1", output=srv(name_server, "interval 1"))
    assert not name_server.asked, "asked at start"
    for i in range(80):
        send_events(w.port, "app", [{"seq": i}])
    wait_until(lambda: len(a.messages) + len(b.messages) == 80, 20, w.log_tail)
    assert 50 <= len(a.messages) <= 70
    assert name_server.asked[0] == (NAME, SRV) and bool(name_server.over_tcp) == truncate
    name_server.srv[NAME] = [(1, 0, c.port, "a.logs.example")]

    def reach(seq):
        send_events(w.port, "app", [{"seq": seq}])
        wait_until(lambda: ("app", seq) in a.events() + b.events() + c.events(), 20, w.log_tail)
        return ("app", seq) in c.events()

    seq = iter(range(1000, 10000))
    wait_until(lambda: reach(next(seq)), 20, w.log_tail)
    w.wait_log(f'a server has gone server="b.logs.example" host="127.0.0.1" port={b.port}')
    name_server.failing = True
    wait_until(lambda: reach(next(seq)) and "the servers cannot be told, those of before are kept" in w.log(), 20, w.log_tail)
    assert all(reach(next(seq)) for _ in range(3))


def test_servers_that_move(weir, receiver, name_server):
    """While no server works, the name server is asked long before the interval is over."""
    a, b = receiver(), receiver()
    name_server.srv[NAME] = [(1, 1, a.port, "localhost")]
    w = weir(SENDER, output=srv(name_server, "interval 3600\ndns_lookup false"))
    send_events(w.port, "app", [{"seq": 0}])
    wait_until(lambda: a.events() == [("app", 0)], 20, w.log_tail)
    a.close()
    name_server.srv[NAME] = [(1, 1, b.port, "localhost")]
    send_events(w.port, "app", [{"seq": 1}])
    wait_until(lambda: ("app", 1) in a.events() + b.events(), 30, w.log_tail)
    assert all(kind == SRV for _, kind in name_server.asked)


def test_name_that_nobody_knows(weir, receiver, name_server):
    r = receiver()
    w = weir(SENDER, output=srv(name_server, "interval 1"))
    send_events(w.port, "app", [{"seq": 0}])
    w.wait_log(f"error=\"{NAME}: there is no such name\"")
    name_server.a["r.example"] = "127.0.0.1"
    name_server.srv[NAME] = [(1, 1, r.port, "r.example")]
    wait_until(lambda: r.events() == [("app", 0)], 20, w.log_tail)


PRIVATE = "ca_cert_path {pki}/ca.pem\n ca_private_key_path {pki}/ca.key\n generate_cert_common_name {name}\n generate_private_key_length 2048\n" \
          " generate_cert_country JP\n generate_cert_state Tokyo\n generate_cert_locality Chiyoda\n generate_cert_expiration 1d\n"
FILES = "cert_path {pki}/server.pem\n private_key_path {pki}/server.key\n"


@pytest.mark.parametrize("transport,output,why", [
    # what the server's certificate has to be
    (FILES, "tls_cert_path {pki}/other.pem", "verify failed|unable to get local issuer"),
    (FILES, "tls_ca_cert_path {pki}/ca.pem", None),
    (FILES, "tls_insecure_mode true", None),
    ("insecure true\n", "tls_cert_path {pki}/ca.pem", "verify failed|self.signed"),
    ("insecure true\n", "tls_allow_self_signed_cert true\ntls_verify_hostname false", None),
    (PRIVATE.replace("{name}", "elsewhere.test"), "tls_cert_path {pki}/ca.pem", "verify failed|[Hh]ost ?name|IP address mismatch"),
    (PRIVATE.replace("{name}", "elsewhere.test"), "tls_cert_path {pki}/ca.pem\ntls_verify_hostname false", None),
    # what the sender shows
    (FILES + "ca_path {pki}/ca.pem\n client_cert_auth true\n", "tls_cert_path {pki}/ca.pem", "certificate required|handshake failure|closed|ended"),
    (FILES + "ca_path {pki}/ca.pem\n client_cert_auth true\n", "tls_cert_path {pki}/ca.pem\ntls_client_cert_path {pki}/server.pem\n"
     "tls_client_private_key_path {pki}/server.locked\ntls_client_private_key_passphrase open sesame", None),
    # versions and ciphers
    (FILES + "min_version TLSv1_2\n max_version TLSv1_2\n", "tls_cert_path {pki}/ca.pem\ntls_version TLSv1_3", "protocol version|alert"),
    (FILES + "min_version TLSv1_2\n max_version TLSv1_3\n", "tls_cert_path {pki}/ca.pem\ntls_version TLSv1_3", None),
    (FILES + "version TLSv1_2\n ciphers ECDHE-RSA-AES256-GCM-SHA384\n",
     "tls_cert_path {pki}/ca.pem\ntls_ciphers ECDHE-RSA-AES128-GCM-SHA256", "handshake failure|alert"),
    (FILES + "version TLSv1_2\n ciphers ECDHE-RSA-AES256-GCM-SHA384\n",
     "tls_cert_path {pki}/ca.pem\ntls_ciphers ECDHE-RSA-AES256-GCM-SHA384", None),
])
def test_tls_parameters(weir, pki, transport, output, why):  # noqa: F811
    """Each parameter of TLS, on both sides: what is not as it asks for is not delivered to, and waits."""
    behind = weir(SENDER.replace("port {{forward_port}}", "port {{forward_port}}\n<transport tls>\n" + transport.replace("{pki}", str(pki)) + "</transport>", 1)
                  .replace("@type forward\n  @id fwd", "@type null\n  @id fwd"))
    front = weir(SENDER, output=server(behind.port) + f"require_ack_response true\nrecover_wait 0.1\ntransport tls\n{output}".replace("{pki}", str(pki)))
    send_events(front.port, "app", [{"seq": i} for i in range(3)])
    if why:
        front.wait_log(why)
        assert behind.metrics().sum("weir_source_events_total", type="forward") == 0
    else:
        wait_until(lambda: behind.metrics().sum("weir_source_events_total", type="forward") == 3, 20, front.log_tail)
    assert "open sesame" not in front.log()
