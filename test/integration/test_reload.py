"""A new configuration while weir runs: nothing is lost, no connection that stays valid is closed, a bad configuration changes nothing."""
import http.client
import os
import pathlib
import re
import shutil
import socket
import ssl

import pytest

from fake_es import FakeES
from harness.forward import Connection, send_events
from harness.ports import free_port
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH, SYSTEM
from test_inputs_forward import acked, pki, tls  # noqa: F401 (pki is a fixture)
from test_kill9 import NOTHING, Traffic, difference

RELOADED = "reloaded: the new configuration is in force"


def reload(w, config=None):
    """SIGHUP, and waits until it is done."""
    if config is not None:
        w.configure(config)
    before = w.log().count(RELOADED)
    w.reload()
    wait_until(lambda: w.log().count(RELOADED) > before, 30, w.log_tail)


@pytest.mark.parametrize("times", [pytest.param(100, marks=pytest.mark.slow), 10])
def test_under_load(weir, fake_es, prefix, times):
    """Outputs, filters and limits change again and again under acknowledged traffic; no connection notices."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    other = ELASTICSEARCH.replace("<match **>", "<filter app.**>\n @type record_transformer\n <record>\n more x\n </record>\n</filter>\n<match **>").replace(
        "flush_thread_count 2", "flush_thread_count 3\n    chunk_limit_size 256k\n    total_limit_size 100m")
    with Traffic(w.port, rate=3000) as traffic:
        for i in range(times):
            before = traffic.acked()
            reload(w, ELASTICSEARCH if i % 2 else other)
            wait_until(lambda: traffic.acked() > before + 20, 30, w.log_tail)
        total = traffic.finish()
    wait_until(lambda: fake_es.stored_events() >= total, 60, w.log_tail)
    w.stop()
    assert difference(traffic, fake_es.documents(f"{prefix}-*").values()) == NOTHING
    assert sum(s.broken for s in traffic.senders) == 0, "a connection was closed"


def test_bad_configuration(weir, fake_es, prefix):
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    w.allow("cannot be used", "Unknown output plugin")
    with Connection(w.port) as c:
        acked(c)
        w.configure(ELASTICSEARCH + "<match x>\n @type nothing\n</match>\n")
        w.reload()
        w.wait_log("the new configuration cannot be used: the old one goes on")
        acked(c)
    assert re.search(r"Unknown output plugin 'nothing'.*weir\.conf:\d+", w.log())
    wait_until(lambda: len(fake_es.documents()) == 2, 20, w.log_tail)


def test_system(weir, fake_es, prefix):
    """The log and the memory for messages change at once; what does not is told by name, once."""
    def config(system):
        return ELASTICSEARCH.replace("<system>", "<system>\n" + system)
    w = weir(config("workers 2"), es_url=fake_es.url, prefix=prefix)
    reload(w, config("workers 2\nlog_level debug\ninput_memory_limit 64m"))
    assert "these of <system>" not in w.log()
    own = pathlib.Path(w.root, "own.log")
    w.configure(config(f"workers 3\nrpc_endpoint 127.0.0.1:{free_port()}\n<log>\nformat json\npath {own}\n</log>"))
    w.reload()
    wait_until(lambda: own.exists() and RELOADED in own.read_text(), 20, w.log_tail)
    assert re.search(r'these of <system> have changed, and count from the next start.*changed="workers, rpc_endpoint"', w.log())
    assert own.read_text().startswith('{"time":')
    w.configure(config("workers 2\nlog_level warn"))
    before = own.read_text().count("reloading")
    w.reload()
    wait_until(lambda: own.read_text().count("reloading") == before + 1, 20, own.read_text)
    with Connection(w.port) as c:
        acked(c)


def test_sources_come_and_go(weir, fake_es, prefix):
    """A source with new words takes over its port without a refused connection; one that is gone closes its port."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    second = free_port()
    with Connection(w.port) as kept:
        acked(kept)
        reload(w, ELASTICSEARCH + f"<source>\n @type forward\n bind 127.0.0.1\n port {second}\n</source>\n")
        acked(kept)
        send_events(second, "app.x", [{"n": 1}])
        reload(w, ELASTICSEARCH)
        acked(kept)
        with pytest.raises(OSError):
            Connection(second)
    with Traffic(w.port, rate=2000) as traffic:
        for tag in ("a", "b", "c"):
            before = traffic.acked()
            reload(w, ELASTICSEARCH.replace("@id in", f"@id in\n  source_address_key from_{tag}"))
            wait_until(lambda: traffic.acked() > before + 50, 30, w.log_tail)
        total = traffic.finish()
    wait_until(lambda: fake_es.stored_events() >= total, 60, w.log_tail)
    w.stop()
    assert difference(traffic, [d for d in fake_es.documents(f"{prefix}-*").values() if "sender" in d]) == NOTHING


def test_port_is_taken(weir, fake_es, prefix):
    """A source that cannot be started is told, everything else works, and it comes as soon as it can."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    w.allow("the source cannot be started")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        sources = f"<source>\n @type prometheus\n bind 127.0.0.1\n port {port}\n</source>\n"
        sources += f"<source>\n @type monitor_agent\n bind 127.0.0.1\n port {port}\n</source>\n"
        reload(w, ELASTICSEARCH + sources)
        wait_until(lambda: w.log().count("the source cannot be started") == 2, 10, w.log_tail)
        with Connection(w.port) as c:
            acked(c)
    wait_until(lambda: re.search(rf"listening port.*port={port}", w.log()), 10, w.log_tail)
    reload(w, ELASTICSEARCH)
    w.stop()


@pytest.mark.parametrize("kind", ["http", "udp"])
def test_port_of_another_source(weir, fake_es, prefix, kind):
    """A new source at the address of one that goes on does not get a part of what is sent to that one."""
    at = f"\n bind 127.0.0.1\n port {'{{forward_port}}' if kind == 'http' else free_port()}\n"
    first = ELASTICSEARCH if kind == "http" else ELASTICSEARCH + f"<source>\n @type udp\n tag u\n @id in_udp\n{at}<parse>\n @type none\n</parse>\n</source>\n"
    second = "@type http" if kind == "http" else "@type syslog\n tag s"
    w = weir(first, es_url=fake_es.url, prefix=prefix)
    w.allow("the source cannot be started")
    reload(w, first + f"<source>\n {second}\n @id second\n{at}</source>\n")
    assert re.search(r"\[second\] the source cannot be started.*Address already in use", w.log()), w.log_tail()
    for _ in range(10):
        with Connection(w.port) as c:
            acked(c)
    reload(w, first)
    w.stop()


def test_output_is_gone(weir, fake_es, prefix):
    """What is in the buffer of an output that the new configuration lacks is delivered all the same."""
    fake_es.close_listener()
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    w.allow("failed to flush")
    send_events(w.port, "a", [{"n": i} for i in range(10)])
    reload(w, SYSTEM + "<source>\n @type forward\n @id in\n bind 127.0.0.1\n port {{forward_port}}\n</source>\n<match **>\n @type null\n</match>\n")
    w.wait_log("what is in its buffer is still delivered as before")
    send_events(w.port, "a", [{"n": "null"}])
    fake_es.open_listener()
    wait_until(lambda: len(fake_es.documents()) == 10, 30, w.log_tail)


def test_output_comes_back(weir, fake_es, prefix):
    """An output that was gone for a while and goes elsewhere now: what it sent to before gets nothing any more."""
    with FakeES() as other:
        w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
        reload(w, SYSTEM + "<source>\n @type forward\n @id in\n bind 127.0.0.1\n port {{forward_port}}\n</source>\n<match **>\n @type null\n</match>\n")
        reload(w, ELASTICSEARCH.replace("{{es_url}}", other.url))
        for i in range(20):
            send_events(w.port, "a", [{"n": i}])
            wait_until(lambda: len(fake_es.documents()) + len(other.documents()) == i + 1, 20, w.log_tail)
        assert (len(fake_es.documents()), len(other.documents())) == (0, 20)
        assert not other.violations
        w.stop()


def test_certificate(weir, fake_es, prefix, pki, tmp_path):  # noqa: F811
    """A new certificate is served to new connections; those that are there go on."""
    for name in ("server.pem", "server.key"):
        (tmp_path / name).write_bytes((pki / name).read_bytes())
    w = weir(ELASTICSEARCH.replace("@id in", "@id in\n  <transport tls>\n    cert_path {{certs}}/server.pem\n    private_key_path {{certs}}/server.key\n  </transport>"),
             es_url=fake_es.url, prefix=prefix, certs=tmp_path)
    with tls(pki, w.port) as old:
        acked(old)
        first = old.sock.getpeercert()["serialNumber"]
        for name in ("pem", "key"):
            (tmp_path / f"server.{name}").write_bytes((pki / f"client.{name}").read_bytes())
        wait_until(lambda: RELOADED in w.log(), 30, lambda: f"the change is noticed:\n{w.log_tail()}")
        acked(old)
        with tls(pki, w.port) as new:
            acked(new)
            assert new.sock.getpeercert()["serialNumber"] != first


TLS = "<transport tls>\n cert_path {{certs}}/tls.crt\n private_key_path {{certs}}/tls.key\n</transport>"
ALL_TLS = ELASTICSEARCH.replace("@id in", "@id in\n" + TLS) + "".join(
    f"<source>\n @type {name}\n bind 127.0.0.1\n port {{{{{port}}}}}\n {rest}\n {TLS}\n</source>\n" for name, port, rest in [
        ("http", "http", "keepalive_timeout 60s"), ("tcp", "tcp", "tag line\n <parse>\n @type none\n </parse>"),
        ("syslog", "syslog", "tag log"), ("prometheus", "prometheus", "")])
HOLDS = "<filter never>\n @type concat\n key x\n n_lines 2\n</filter>\n"
LISTENERS = ["forward_port", "http", "tcp", "syslog", "prometheus"]


class Secret:
    """A folder as Kubernetes mounts a secret: all of its files change when the link ..data turns."""

    def __init__(self, folder, files):
        self.folder, self.turns = folder, 0
        folder.mkdir()
        self.put(files)
        for name in files:
            (folder / name).symlink_to(f"..data/{name}")

    def put(self, files):
        """{name: bytes}"""
        self.turns += 1
        new = self.folder / f"..turn{self.turns}"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        (self.folder / "..data_tmp").symlink_to(new.name)
        os.rename(self.folder / "..data_tmp", self.folder / "..data")
        shutil.rmtree(self.folder / f"..turn{self.turns - 1}", ignore_errors=True)


def pair(pki, name):  # noqa: F811
    """A certificate and its key, as the files of a secret."""
    return {"tls.crt": (pki / f"{name}.pem").read_bytes(), "tls.key": (pki / f"{name}.key").read_bytes()}


def test_password(weir, fake_es, prefix, tmp_path):
    """A password that the configuration reads from a secret's file is read again when the secret changes."""
    secret = Secret(tmp_path / "secret", {"password": b"one\n"})
    fake_es.user = "weir:one"
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix,
             output=f"user weir\npassword \"#{{File.read('{secret.folder}/password').chomp}}\"")
    with Connection(w.port) as c:
        acked(c)
        wait_until(lambda: len(fake_es.documents()) == 1, 20, w.log_tail)
        fake_es.user = "weir:two"
        secret.put({"password": b"two\n"})
        wait_until(lambda: RELOADED in w.log(), 30, lambda: f"the change is noticed:\n{w.log_tail()}")
        acked(c)
        wait_until(lambda: len(fake_es.documents()) == 2, 20, w.log_tail)
    assert "two" not in w.log()


@pytest.mark.slow
@pytest.mark.parametrize("holds", [False, True])
def test_certificates_rotate_under_load(weir, fake_es, prefix, pki, tmp_path, holds):  # noqa: F811
    """Every listener serves the new certificate to new connections; those that are there go on, and nothing is lost."""
    secret = Secret(tmp_path / "secret", pair(pki, "server"))
    ports = {name: free_port() for name in LISTENERS}
    w = weir(ALL_TLS + (HOLDS if holds else ""), es_url=fake_es.url, prefix=prefix, certs=secret.folder, **ports)
    context = ssl.create_default_context(cafile=pki / "ca.pem")

    def subject(name):
        with tls(pki, ports[name]) as c:
            return dict(x[0] for x in c.sock.getpeercert()["subject"])["commonName"]

    def post(seq):
        web.request("POST", "/web", b'{"n":%d}' % seq, {"Content-Type": "application/json"})
        answer = web.getresponse()
        answer.read()
        assert answer.status == 200
    assert [subject(name) for name in LISTENERS] == ["server"] * len(LISTENERS)
    web = http.client.HTTPSConnection("localhost", ports["http"], timeout=30, context=context)
    with Traffic(w.port, rate=300, connect=lambda port: tls(pki, port)) as traffic, tls(pki, ports["tcp"]) as lines:
        for turn, name in enumerate(["client", "server"]):
            post(turn)
            lines.send(b"line %d\n" % turn)
            before = traffic.acked()
            wait_until(lambda: traffic.acked() > before + 100, 30, w.log_tail)
            secret.put(pair(pki, name))
            wait_until(lambda: {subject(n) for n in LISTENERS} == {name}, 30, lambda: f"the new certificate everywhere:\n{w.log_tail()}", 0.3)
            before = traffic.acked()
            wait_until(lambda: traffic.acked() > before + 100, 30, w.log_tail)
        post(2)
        lines.send(b"line 2\n")
        total = traffic.finish()
    assert sum(s.broken for s in traffic.senders) == 0, "a connection was closed"
    wait_until(lambda: len(fake_es.documents()) >= total + 6, 60, w.log_tail)
    w.stop()
    documents = list(fake_es.documents(f"{prefix}-*").values())
    assert difference(traffic, [d for d in documents if "sender" in d]) == NOTHING
    assert sorted(str(d.get("n", d.get("message"))) for d in documents if "sender" not in d) == ["0", "1", "2", "line 0", "line 1", "line 2"]
