"""The forward input as senders meet it: TLS, the handshake, heartbeats, its options, and what it does with those who behave badly."""
import gzip
import hashlib
import json
import os
import socket
import ssl
import struct
import subprocess
import time
import zlib

import msgpack
import pytest

from harness.forward import Connection, chunk_id, encode, event_time
from harness.ports import free_port
from harness.waiting import PATIENCE, wait_until
from harness.weir import SYSTEM

CONFIG = SYSTEM + """
<source>
  @type {{type}}
  @id in
  {{address}}
  {{options}}
</source>
<match **>
  @type file
  path {{out}}/all
  append true
  <format>
    @type json
  </format>
  <inject>
    tag_key tag
  </inject>
  <buffer>
    flush_mode immediate
  </buffer>
</match>
"""


@pytest.fixture
def run(weir, tmp_path):
    """run(options): a weir with these options of the input; found(w) is what came out of it."""

    def make(options="", type="forward", bind="127.0.0.1", address=None):
        port = free_port()
        w = weir(CONFIG, options=options, type=type, forward_port=port, out=tmp_path / "out",
                 address=address or f"bind {bind}\n  port {port}")
        w.out = tmp_path / "out"
        return w

    return make


def found(w, count):
    """The records that came out, once there are that many."""
    def read():
        records = []
        for name in os.listdir(w.out) if w.out.exists() else []:
            with open(w.out / name) as f:
                records += [json.loads(line) for line in f if line.endswith("\n")]
        return records if len(records) >= count else None
    return wait_until(read, 20, lambda: f"{count} records:\n{w.log_tail()}")


def message(record=None, tag="app.web", **option):
    return msgpack.packb([tag, event_time(1700000000), record or {"k": "v"}, option])


def acked(c, tag="app.web", record=None):
    chunk = chunk_id()
    c.send(message(record, tag, chunk=chunk))
    assert c.ack() == chunk


def closed(sock, timeout=10):
    """Whether the server closes in order: an end of file, no reset."""
    sock.settimeout(timeout)
    while sock.recv(4096):
        pass
    return True


def test_chunk_sizes(run):
    """Of a message over chunk_size_warn_limit it is told; one over chunk_size_limit ends its connection, and is not acknowledged."""
    w = run("chunk_size_warn_limit 1k\nchunk_size_limit 10k")
    with Connection(w.port) as c:
        acked(c, record={"n": 0})
        assert "chunk_size_warn_limit" not in w.log()
        acked(c, record={"n": 1, "text": "x" * 2000})
        w.wait_log("chunk_size_warn_limit")
        with pytest.raises((OSError, ConnectionError)):
            acked(c, record={"n": 2, "text": "x" * 20000})
    w.wait_log("chunk_size_limit")
    with Connection(w.port) as c:
        acked(c, record={"n": 3})
    assert [r["n"] for r in found(w, 3)] == [0, 1, 3]


# ---- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """ca.pem, server.pem with a passphrase on its key, client.pem; expired.pem had its time, other.pem is nobody's."""
    folder = tmp_path_factory.mktemp("pki")

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=folder)
    for ca in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    for name in ("server", "client"):
        with open(folder / f"{name}.ext", "w") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
                "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    openssl("x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "0", "-out", "expired.pem")
    os.link(folder / "client.key", folder / "expired.key")
    openssl("rsa", "-in", "server.key", "-aes256", "-passout", "pass:open sesame", "-out", "server.locked")
    return folder


def tls(pki, port, ca="ca", client=None, version=None):
    context = ssl.create_default_context(cafile=pki / f"{ca}.pem")
    if version:
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if client:
        context.load_cert_chain(pki / f"{client}.pem", pki / f"{client}.key")
    c = Connection(port)
    c.sock = context.wrap_socket(c.sock, server_hostname="localhost")
    return c


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls(run, pki, version):
    w = run(f"<transport tls>\n cert_path {pki}/server.pem\n private_key_path {pki}/server.locked\n"
            " private_key_passphrase open sesame\n</transport>")
    with tls(pki, w.port, version=version) as c:
        assert c.sock.version() == version.name.replace("_", ".").replace("TLSv1.", "TLSv1.")
        for i in range(3):
            acked(c, record={"i": i})
    assert [r["i"] for r in found(w, 3)] == [0, 1, 2]
    assert "open sesame" not in w.log()


def test_tls_minimum_version(run, pki):
    w = run(f"<transport tls>\n cert_path {pki}/server.pem\n private_key_path {pki}/server.key\n min_version TLSv1_3\n</transport>")
    with pytest.raises(OSError):
        tls(pki, w.port, version=ssl.TLSVersion.TLSv1_2)
    with tls(pki, w.port) as c:
        acked(c)
    w.wait_log("a TLS handshake failed")


def test_client_certificates(run, pki):
    """Without a certificate of the authority nobody gets in, and those who have one do not notice."""
    w = run(f"<transport tls>\n cert_path {pki}/server.pem\n private_key_path {pki}/server.key\n ca_path {pki}/ca.pem\n client_cert_auth true\n</transport>")
    with tls(pki, w.port, client="client") as good:
        acked(good, record={"i": 0})
        for client in (None, "other", "expired"):
            with pytest.raises((OSError, ConnectionError)):
                with tls(pki, w.port, client=client) as c:
                    acked(c, record={"i": -1})
        acked(good, record={"i": 1})
    assert [r["i"] for r in found(w, 2)] == [0, 1]


def test_no_tls_to_a_tls_port(run, pki):
    w = run(f"<transport tls>\n cert_path {pki}/server.pem\n private_key_path {pki}/server.key\n</transport>")
    with Connection(w.port) as c:
        c.send(message() * 100)
        with pytest.raises((OSError, ConnectionError)):
            c.ack()
    w.wait_log("a TLS handshake failed")


def test_begun_handshake(run, pki):
    """Half a ClientHello, and nothing more: that connection ends in time, the others go on."""
    w = run(f"handshake_timeout 1s\n<transport tls>\n cert_path {pki}/server.pem\n private_key_path {pki}/server.key\n</transport>")
    with Connection(w.port) as silent, Connection(w.port) as half:
        half.send(bytes.fromhex("16030100c8010000c40303"))
        with tls(pki, w.port) as good:
            acked(good)
            assert closed(half.sock) and closed(silent.sock)
            acked(good)


# ---- the handshake -----------------------------------------------------------------------------------------------------

SECURITY = "<security>\n self_hostname weir.test\n shared_key key of all\n {}\n</security>"


def sha512(*parts):
    return hashlib.sha512(b"".join(p if isinstance(p, bytes) else p.encode() for p in parts)).hexdigest()


def shake(c, key="key of all", name="sender.test", user=None, password=None):
    """The sender's side, as the protocol's specification has it. The server's PONG."""
    unpacker = msgpack.Unpacker(raw=True)

    def read():
        while True:
            for m in unpacker:
                return m
            data = c.sock.recv(4096)
            if not data:
                raise ConnectionError("closed")
            unpacker.feed(data)
    helo = read()
    assert helo[0] == b"HELO"
    option = helo[1]
    salt = b"salt of the sender"
    digest = sha512(salt, name, option[b"nonce"], key)
    auth = sha512(option[b"auth"], user, password) if user else ""
    c.send(msgpack.packb(["PING", name, salt, digest, user or "", auth]))
    pong = read()
    assert pong[0] == b"PONG"
    if pong[1]:
        assert pong[4].decode() == sha512(salt, "weir.test", option[b"nonce"], key), "the server knows the key too"
    return pong


def test_shared_key(run):
    w = run(SECURITY.format(""))
    with Connection(w.port) as c:
        assert shake(c)[1] is True
        acked(c, record={"i": 1})
    with Connection(w.port) as c:
        assert shake(c, key="another") [1:3] == [False, b"shared_key mismatch"]
        assert closed(c.sock)
    w.wait_log("shared_key")
    assert "key of all" not in w.log() and len(found(w, 1)) == 1


def test_events_before_the_handshake(run):
    w = run(SECURITY.format(""))
    with Connection(w.port) as c:
        c.send(message(chunk="x"))
        assert closed(c.sock)
    with Connection(w.port) as c:
        assert shake(c)[1]
        acked(c, record={"good": 1})
    assert [r.get("good") for r in found(w, 1)] == [1]


def test_users(run):
    w = run(SECURITY.format("user_auth true\n <user>\n username anna\n password first\n </user>\n <user>\n username ben\n password second\n </user>"))
    for user, password, welcome in (("anna", "first", True), ("ben", "second", True), ("anna", "second", False), ("carl", "first", False),
                                    (None, None, False)):
        with Connection(w.port) as c:
            assert shake(c, user=user, password=password)[1] is welcome, (user, password)
    for secret in ("first", "second"):
        assert secret not in w.log()


def test_clients_with_their_own_key(run):
    w = run(SECURITY.format("allow_anonymous_source false\n <client>\n network 127.0.0.0/8\n shared_key key of some\n </client>"))
    with Connection(w.port) as c:
        assert shake(c)[1] is False
    with Connection(w.port) as c:
        assert shake(c, key="key of some")[1] is True
        acked(c)


def test_unknown_clients(run):
    w = run(SECURITY.format("allow_anonymous_source false\n <client>\n network 10.0.0.0/8\n </client>"))
    with Connection(w.port) as c:
        try:
            assert shake(c)[1] is False
        except ConnectionError:
            pass
    w.wait_log("127.0.0.1")


# ---- heartbeats, addresses ---------------------------------------------------------------------------------------------


def test_heartbeats(run):
    """Over UDP a datagram comes back; over TCP it is a connection that says nothing, of which nobody complains."""
    w = run()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        s.sendto(b"\0", ("127.0.0.1", w.port))
        assert s.recvfrom(100)[1] == ("127.0.0.1", w.port)
    before = w.log()
    for _ in range(10):
        socket.create_connection(("127.0.0.1", w.port)).close()
    wait_until(lambda: w.metrics().sum("weir_forward_heartbeats_total") >= 11, 10, lambda: w.get("/metrics").text)
    assert w.log() == before


def test_ipv6(run):
    port = free_port()
    w = run(address=f"bind ::\n  port {port}")
    for address in ("::1", "127.0.0.1"):
        with Connection(port) as c:
            c.sock.close()
            c.sock = socket.create_connection((address, port), 10)
            acked(c)
    found(w, 2)


def test_unix(run, tmp_path):
    w = run(type="unix", address=f"path {tmp_path}/in.sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(tmp_path / "in.sock"))
        s.sendall(message(chunk="eins"))
        assert msgpack.unpackb(s.recv(100)) == {"ack": "eins"}
    found(w, 1)


# ---- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option, field, want", [
    ("tag all.one", "tag", "all.one"), ("add_tag_prefix pre", "tag", "pre.app.web"), ("source_address_key from", "from", "127.0.0.1"),
    ("source_hostname_key from", "from", socket.getnameinfo(("127.0.0.1", 0), 0)[0])])
def test_options(run, option, field, want):
    w = run(option)
    with Connection(w.port) as c:
        for form in ("message", "forward", "packed", "gzip"):
            chunk = chunk_id()
            c.send(encode(form, "app.web", [(event_time(1700000000), {"form": form})], chunk))
            assert c.ack() == chunk
    assert {r["form"]: r[field] for r in found(w, 4)} == dict.fromkeys(("message", "forward", "packed", "gzip"), want)


def test_deny_keepalive(run):
    """The connection ends after the first message, and its ack is on it."""
    w = run("deny_keepalive true")
    with Connection(w.port) as c:
        acked(c)
        assert closed(c.sock)


def test_max_connections(run):
    w = run("max_connections 2")
    with Connection(w.port) as one, Connection(w.port) as two:
        acked(one)
        acked(two)
        with Connection(w.port) as three:
            with pytest.raises((OSError, ConnectionError)):
                acked(three)
        acked(one)
    w.wait_log("max_connections")
    wait_until(lambda: works(w), 10, "room for a new one")


def works(w):
    try:
        with Connection(w.port) as c:
            acked(c)
        return True
    except (OSError, ConnectionError):
        return False


# ---- bad senders -------------------------------------------------------------------------------------------------------


def test_begun_and_not_finished(run):
    """A sender that begins a message and says no more is sent away; one that is idle between messages is not."""
    w = run("message_timeout 1s")
    with Connection(w.port) as idle, Connection(w.port) as stuck:
        acked(idle)
        stuck.send(message()[:-3])
        assert closed(stuck.sock)
        acked(idle)
    w.wait_log(r"127\.0\.0\.1")


def test_slow_but_steady(run):
    """A message may take longer than message_timeout as long as some of it comes."""
    w = run("message_timeout 2s")
    with Connection(w.port) as c:
        data = encode("packed", "app.web", [(event_time(1700000000), {"k": "v" * 5000})], "slow")
        for i in range(7):
            c.send(data[i * 700:(i + 1) * 700])
            time.sleep(0.5)
        c.send(data[4900:])
        assert c.ack() == "slow"


BAD = {
    "no array": b"\x81\xa1a\xa1b", "HTTP": b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n", "a length of 4 GiB": b"\x93\xa3a.b\xc6\xff\xff\xff\xff",
    "a reserved byte": b"\x93\xa3a.b\xc1", "an array of 2^32": b"\xdd\xff\xff\xff\xff", "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_bytes(run, bad):
    """They end that connection with one warning that names the peer; the others go on."""
    w = run("message_timeout 1s")
    with Connection(w.port) as good:
        acked(good, record={"i": 0})
        with Connection(w.port) as c:
            c.send(BAD[bad])
            assert closed(c.sock)
            peer = "{}:{}".format(*c.sock.getsockname())
        acked(good, record={"i": 1})
    assert [r["i"] for r in found(w, 2)] == [0, 1]
    lines = [line for line in w.log().splitlines() if peer in line]
    assert len(lines) == 1 and "[warn]" in lines[0], lines


def test_bomb(run):
    """A message that unpacks to more than the limit is a dead letter; the connection goes on."""
    w = run("decompression_size_limit 1m")
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = squeeze.compress(b"\0" * (50 << 20)) + squeeze.flush()
    with Connection(w.port) as c:
        c.send(msgpack.packb(["app.web", bomb, {"compressed": "gzip", "chunk": "bomb"}]))
        assert c.ack() == "bomb", "it is kept, as a dead letter"
        acked(c, record={"i": 1})
    assert [r["i"] for r in found(w, 1)] == [1]
    assert w.metrics().sum("weir_dead_letter_events_total") >= 1
    assert w.rss() < 400 << 20


def test_deep(run):
    record = b"\x81\xa1a" * 200 + b"\xc0"
    w = run()
    with Connection(w.port) as c:
        c.send(b"\x94\xa7app.web" + msgpack.packb(event_time(1700000000)) + record + msgpack.packb({"chunk": "deep"}))
        try:
            assert c.ack() == "deep"
        except ConnectionError:
            pass
    assert works(w)
    wait_until(lambda: w.metrics().sum("weir_dead_letter_events_total") >= 1, 10, lambda: w.log_tail())


@pytest.mark.parametrize("skip", ["true", "false"])
def test_invalid_events(run, skip):
    """One bad entry among good ones: it alone, or its message, is a dead letter."""
    w = run(f"skip_invalid_event {skip}")
    entries = [[event_time(1700000000), {"i": 0}], ["no time", "no record"], [event_time(1700000001), {"i": 2}]]
    with Connection(w.port) as c:
        c.send(msgpack.packb(["app.web", entries, {"chunk": "c"}]))
        assert c.ack() == "c"
        acked(c, record={"i": 3})
    want = [0, 2, 3] if skip == "true" else [3]
    assert [r["i"] for r in found(w, len(want))] == want
    assert w.metrics().sum("weir_dead_letter_events_total") == 1


def test_nothing_but_invalid_events(run):
    """A few kilobytes that unpack to a million bad entries cost neither minutes nor gigabytes; all are counted, and kept."""
    w = run()
    entries = b"\x92\x00\xc0" * 1000000
    with Connection(w.port) as c:
        began = time.monotonic()
        c.send(msgpack.packb(["app.web", gzip.compress(entries), {"compressed": "gzip", "chunk": "c"}]))
        assert c.ack() == "c"
        assert time.monotonic() - began < 3 * PATIENCE
    m = w.metrics()
    assert m.sum("weir_dead_letter_events_total") == m.sum("weir_source_skipped_events_total") == 1000000
    assert 3000000 < m.sum("weir_dead_letters_bytes") < 8 << 20


# ---- byte by byte ------------------------------------------------------------------------------------------------------


def test_slow_and_fast(run):
    """Many messages in one segment, and one in many."""
    w = run()
    one = msgpack.packb(["app.web", [[event_time(1700000000, i), {"i": i}] for i in range(3)], {"chunk": "slow"}])
    with Connection(w.port) as c:
        for byte in one:
            c.send(bytes([byte]))
        assert c.ack() == "slow"
        c.send(b"".join(message({"i": 3 + i}, chunk=str(i)) for i in range(200)))
        assert [c.ack() for _ in range(200)] == [str(i) for i in range(200)]
    assert [r["i"] for r in found(w, 203)] == list(range(203))


def test_reset_in_the_middle(run):
    """A sender that goes away with a reset costs nobody else anything, and what it had begun is not there."""
    w = run()
    with Connection(w.port) as good:
        for i in range(20):
            c = Connection(w.port)
            c.send(message({"lost": i})[:-1])
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
            acked(good, record={"i": i})
    assert [r["i"] for r in found(w, 20)] == list(range(20))


def test_no_tag(run):
    """A whole message without a tag is a dead letter; the connection goes on."""
    w = run()
    with Connection(w.port) as c:
        c.send(msgpack.packb([1, event_time(1700000000), {"i": 0}]))
        acked(c, record={"i": 1})
    assert [r["i"] for r in found(w, 1)] == [1]
    assert w.metrics().sum("weir_dead_letter_events_total") == 1
    w.wait_log(r"\[warn\].*127\.0\.0\.1")
