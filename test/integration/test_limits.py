"""What one sender may do: connections, events and bytes a second, tags. Whoever is over a limit waits or is refused; the others notice nothing."""
import http.client
import json
import socket
import threading
import time

from harness.forward import Connection, chunk_id, encode, event_time
from harness.ports import free_port
from harness.waiting import wait_until
from harness.weir import SYSTEM
from test_inputs_forward import SECURITY, acked, closed, found, message, pki, run, shake, tls  # noqa: F401 (pki and run are fixtures)

OTHER = "127.0.0.2"


def open_limits(text):
    """A <security> without a handshake."""
    return f"<security>\n{text}\n</security>"


def refused(c, tag):
    """The end of the connection is the answer to a message that waits for an ack."""
    c.send(message(tag=tag, chunk="none"))
    return closed(c.sock)


def send(port, source, chunks, per_chunk, **options):
    """Seconds that it takes to have them acknowledged."""
    began = time.monotonic()
    with Connection(port, source=source, **options) as c:
        for i in range(chunks):
            entries = [(event_time(1700000000, j), {"from": source, "i": i * per_chunk + j}) for j in range(per_chunk)]
            chunk = chunk_id()
            c.send(encode("packed", "app.web", entries, chunk))
            assert c.ack() == chunk
    return time.monotonic() - began


# ---- connections -------------------------------------------------------------------------------------------------------


def test_connections(run):  # noqa: F811
    w = run(open_limits(f"max_connections_per_client 2\n<client>\n host {OTHER}\n max_connections_per_client 1\n</client>"))
    with Connection(w.port) as a, Connection(w.port, source=OTHER) as b:
        with Connection(w.port) as c:
            for x in (a, b, c):
                acked(x)
            assert closed(Connection(w.port).sock)
            assert closed(Connection(w.port, source=OTHER).sock)
        w.wait_log("its client has max_connections_per_client already")

        def again():
            try:
                with Connection(w.port) as d:
                    acked(d)
                return True
            except OSError:
                return False
        wait_until(again, 10, "a connection that has ended makes room")
        for x in (a, b):
            acked(x)
    assert w.metrics().sum("weir_forward_connections_refused_total") >= 2


# ---- rates ---------------------------------------------------------------------------------------------------------------


def test_events_per_second(run):  # noqa: F811
    """Two connections of one address share its limit; another address has its own."""
    w = run(open_limits(f"max_events_per_second 1000\n<client>\n network {OTHER}/32\n max_events_per_second 1000000\n</client>"))
    took = {}
    threads = [threading.Thread(target=lambda n=n: took.update({n: send(w.port, "127.0.0.1", 10, 150)})) for n in range(2)]
    for t in threads:
        t.start()
    send(w.port, OTHER, 10, 150)
    assert any(t.is_alive() for t in threads), "the other one waits for nobody"
    for t in threads:
        t.join()
    assert w.metrics().sum("weir_forward_connections_rate_waits_total") > 0
    assert max(took.values()) > 1.5, "3,000 events at 1,000 a second, the first second's at once"
    records = found(w, 4500)
    assert len(records) == 4500 and {r["from"] for r in records} == {"127.0.0.1", OTHER}


def test_bytes_per_second(run):  # noqa: F811
    """To wait is no silence of the sender's: message_timeout does not count. A second connection pays what the first has spent."""
    w = run("message_timeout 1s\n" + open_limits("max_bytes_per_second 100k"))
    data = encode("packed", "app.web", [(event_time(1700000000), {"k": "v" * 400000})], "large")
    began = time.monotonic()
    with Connection(w.port) as c:
        c.send(data)
        assert c.ack() == "large"
    with Connection(w.port) as c:
        acked(c)
        acked(c)
    assert time.monotonic() - began > 2.5
    assert len(found(w, 3)) == 3


# ---- tags ----------------------------------------------------------------------------------------------------------------


def test_tags_by_network(run):  # noqa: F811
    w = run(open_limits("allowed_tags shared.* both.*\n<client>\n network 127.0.0.1/32\n allowed_tags team-a.** both.{x,y}\n</client>"))
    with Connection(w.port) as c:
        acked(c, "team-a.x.y", {"i": 0})
        acked(c, "both.x", {"i": 1})
        c.send(message({"i": -1}, tag="team-b.x"))  # nobody waits for its ack: the connection goes on
        acked(c, "team-a", {"i": 2})
        c.send(message({"i": 3}, tag="team-a.z", chunk="good"))
        c.send(message({"i": -1}, tag="both.z", chunk="bad"))
        c.send(message({"i": 4}, tag="team-a.z", chunk="later"))
        assert c.ack() == "good"
        assert closed(c.sock)
    with Connection(w.port, source=OTHER) as c:
        acked(c, "shared.x", {"i": 5})
        assert refused(c, "team-a.x")
    assert sorted(r["i"] for r in found(w, 5)) == [0, 1, 2, 3, 5]
    m = w.metrics()
    assert m.sum("weir_forward_refused_tags_total") == 3 and m.sum("weir_source_refused_events_total") == 3
    assert w.log().count("its sender may not use its tag") == 1, "told once in a while"
    assert 'tag="team-b.x"' in w.log()


def test_tags_by_user(run):  # noqa: F811
    w = run(SECURITY.format("user_auth true\n<user>\n username ann\n password a\n allowed_tags ann.**\n</user>\n"
                            "<user>\n username root\n password r\n</user>\nallowed_tags *.x"))
    for user, password, good, bad in [("ann", "a", ["ann.x"], ["bob.x", "ann.y"]), ("root", "r", ["ann.x", "bob.x"], ["bob.y"])]:
        for tag in bad:
            with Connection(w.port) as c:
                shake(c, user=user, password=password)
                for g in good:
                    acked(c, g, {"by": user, "tag": g})
                assert refused(c, tag)
    w.wait_log("sender=\"sender.test/ann\"")


def test_tags_by_certificate(run, pki):  # noqa: F811
    w = run(f"<transport tls>\n cert_path {pki}/server.pem\n private_key_path {pki}/server.key\n ca_path {pki}/ca.pem\n client_cert_auth true\n</transport>\n" +
            open_limits("allow_anonymous_source false\n<client>\n certificate_name somebody\n</client>\n<client>\n certificate_name CLI*\n allowed_tags team-a.**\n</client>\n"
                        "<client>\n certificate_name nobody\n</client>"))
    with tls(pki, w.port, client="client") as c:
        acked(c, "team-a.x")
        assert refused(c, "team-b.x")
    with tls(pki, w.port, client="server") as c:
        assert closed(c.sock)
    w.wait_log("a sender was refused.*denied")
    assert len(found(w, 1)) == 1


# ---- other inputs ----------------------------------------------------------------------------------------------------------

OTHERS = SYSTEM + "".join(f"""
<source>
  @type {name}
  @id {name}
  bind 127.0.0.1
  port {{{{{name}}}}}
  {rest}
  <security>
    max_events_per_second 200
    <client>
      host 127.0.0.1
      max_connections_per_client 1
    </client>
  </security>
</source>""" for name, rest in [("tcp", "tag tcp\n <parse>\n @type none\n </parse>"), ("http", ""),
                               ("syslog", "tag syslog\n <transport tcp>\n </transport>")]) + """
<match **>
  @type null
  @id out
</match>
"""


def test_other_inputs(weir):
    """Their clients are told apart by address: 600 events at 200 a second, one connection for each, nobody else."""
    ports = {name: free_port() for name in ("tcp", "http", "syslog")}
    w = weir(OTHERS, **ports)

    def taken():
        m = w.metrics()
        return [m.sum("weir_source_events_total", plugin_id=name) for name in ports]
    began = time.monotonic()
    socks = {name: socket.create_connection(("127.0.0.1", port), 20) for name, port in ports.items()}
    socks["tcp"].sendall(b"a line\n" * 300)
    socks["syslog"].sendall(b"<6>Sep 10 00:00:00 localhost logger: hello\n" * 300)
    web = http.client.HTTPConnection("127.0.0.1", ports["http"], timeout=20)
    web.sock = socks["http"]
    for _ in range(2):
        web.request("POST", "/web", json.dumps([{"k": "v"}] * 300), {"Content-Type": "application/json"})
        answer = web.getresponse()
        answer.read()
        assert answer.status == 200
    for name in ("tcp", "syslog"):
        socks[name].sendall(b"<6>Sep 10 00:00:00 localhost logger: hello\n" * 300)
    for port in ports.values():
        assert closed(socket.create_connection(("127.0.0.1", port), 20))
        assert closed(socket.create_connection(("127.0.0.1", port), 20, (OTHER, 0)))
    wait_until(lambda: taken() == [600] * 3, 30, lambda: str(taken()))
    web.request("GET", "/")
    assert web.getresponse().read() is not None
    assert time.monotonic() - began > 1.8, "600 events, the first 200 at once, and the next one waits for the rest"
    w.wait_log("anonymous client denied")
    for s in socks.values():
        s.close()
