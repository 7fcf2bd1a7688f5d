"""Inputs of texts: tcp, udp, syslog, and sample: with plain sockets, TLS sockets, logger(1) and Python's own syslog client."""
import logging
import logging.handlers
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from harness.events import check, dead_letters, events, to_stdout, wait_events
from harness.ports import free_port
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH, SYSTEM


@pytest.fixture
def run(weir):
    """run(source, **values): a weir with that source on {{port}}."""
    def make(source, **values):
        return weir(to_stdout(f"<source>\n bind 127.0.0.1\n port {{{{port}}}}\n @id in\n{source}\n</source>"),
                    port=free_port(), **values)
    return make


def send_tcp(port, *parts, tls=None):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        if tls:
            s = tls.wrap_socket(s)
        for p in parts:
            s.sendall(p)
        s.shutdown(socket.SHUT_WR) if not tls else s.unwrap()


def send_udp(port, *datagrams):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for d in datagrams:
            s.sendto(d, ("127.0.0.1", port))


def insecure():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


# ---- tcp --------------------------------------------------------------------------------------------------------------


def test_tcp(run):
    w = run("@type tcp\n tag t.x\n source_address_key from\n <parse>\n @type json\n time_key at\n time_type unixtime\n </parse>")
    send_tcp(w.values["port"], b'{"a":1,"at":1700000000}\n{"b":', b'"two"}\n{"c":[3]}')
    a, b, c = wait_events(w, 3)
    assert a == {"a": 1, "from": "127.0.0.1"} and a.time == "2023-11-14 22:13:20.000000000 +0000"
    assert b == {"b": "two", "from": "127.0.0.1"} and b.tag == "t.x"
    assert c == {"c": [3], "from": "127.0.0.1"}, "the last text needs no delimiter"


@pytest.mark.parametrize("delimiter, sent, want", [
    ('delimiter "\\n"', b"a\nb\n", ["a", "b"]),
    ("", b"a\nb\n", ["a", "b"]),
    ('delimiter "\\0"', b"a\0b\nc\0", ["a", "b\nc"]),
    ('delimiter "||"', b"a||b|c||", ["a", "b|c"]),
])
def test_tcp_delimiter(run, delimiter, sent, want):
    w = run("@type tcp\n tag t\n " + delimiter + "\n <parse>\n @type none\n </parse>")
    with socket.create_connection(("127.0.0.1", w.values["port"])) as s:
        for i in range(len(sent)):
            s.sendall(sent[i:i + 1])
        assert [e["message"] for e in wait_events(w, len(want))] == want


def test_tcp_limit(run):
    """What is too long is dropped and counted; what follows is taken."""
    w = run("@type tcp\n tag t\n message_length_limit 10\n <parse>\n @type none\n </parse>")
    send_tcp(w.values["port"], b"0123456789\n0123456789a\nb\n" + b"x" * 100000, b"y" * 100, b"\nc\n")
    assert [e["message"] for e in wait_events(w, 3)] == ["0123456789", "b", "c"]
    assert w.metrics().sum("weir_source_oversized_texts_total", plugin_id="in") == 2
    assert "The received data is larger than 'message_length_limit', dropped" in w.log()


def test_tcp_unmatched(run):
    w = run("@type tcp\n tag t\n <parse>\n @type json\n </parse>")
    send_tcp(w.values["port"], b'{"a":1}\nno json\n{"b":2}\n')
    assert wait_events(w, 2) == [{"a": 1}, {"b": 2}]
    wait_until(lambda: dead_letters(w) == {"pattern_not_matched": 1}, 10, "a dead letter")
    m = w.metrics()
    assert m.sum("weir_source_events_total", plugin_id="in") == 3
    assert m.sum("weir_source_skipped_events_total", plugin_id="in") == 1


@pytest.mark.parametrize("client, served", [
    ("host 127.0.0.1", True), ("network 127.0.0.0/8", True), ("host localhost", True), ("network 10.0.0.0/8", False),
    ("network ::1/128", False), ("network 127.0.0.2/31", False), ("network 127.0.0.0/31", True)])
def test_tcp_clients(run, client, served):
    w = run(f"@type tcp\n tag t\n <security>\n <client>\n {client}\n </client>\n </security>\n <parse>\n @type none\n </parse>")
    with socket.create_connection(("127.0.0.1", w.values["port"])) as s:
        if served:
            s.sendall(b"a\n")
            wait_events(w, 1)
        else:
            assert s.recv(1) == b""
            assert "anonymous client denied" in w.log()


def test_tcp_tls(run):
    w = run("@type tcp\n tag t\n <transport tls>\n insecure true\n </transport>\n <parse>\n @type none\n </parse>")
    send_tcp(w.values["port"], b"a\nb\n", b"c\n", tls=insecure())
    assert [e["message"] for e in wait_events(w, 3)] == ["a", "b", "c"]


def test_tcp_extract_and_label(run):
    w = run("@type tcp\n tag t\n source_hostname_key host\n <extract>\n tag_key tag\n </extract>\n <parse>\n @type json\n </parse>")
    send_tcp(w.values["port"], b'{"tag":"other.tag","a":1}\n{"a":2}\n')
    first, second = wait_events(w, 2)
    assert first.tag == "other.tag" and first["a"] == 1 and "tag" not in first and first["host"]
    assert second.tag == "t"


def test_tcp_max_connections(run):
    w = run("@type tcp\n tag t\n max_connections 1\n <parse>\n @type none\n </parse>")
    with socket.create_connection(("127.0.0.1", w.values["port"])) as first:
        first.sendall(b"a\n")
        wait_events(w, 1)
        with socket.create_connection(("127.0.0.1", w.values["port"])) as second:
            assert second.recv(1) == b""
    assert w.metrics().sum("weir_source_connections_refused_total") == 1


def test_tcp_v012(run):
    w = run("type tcp\n tag t\n format none\n source_host_key host")
    send_tcp(w.values["port"], b"a\n")
    assert wait_events(w, 1)[0]["message"] == "a"
    assert "v0.12" in w.log()


def test_tcp_full_buffer(weir, fake_es, prefix):
    """A full buffer: the connection is not read; when there is room everything arrives, in order and once."""
    config = ELASTICSEARCH.replace("@type forward", "@type tcp\n tag app\n <parse>\n @type json\n </parse>").replace(
        "{{forward_port}}", "{{port}}")
    w = weir(config, es_url=fake_es.url, prefix=prefix, port=free_port(),
             buffer="total_limit_size 64k\n chunk_limit_size 16k")
    import fake_faults
    down = fake_es.fault(fake_faults.status(503))
    n = 20000
    with socket.create_connection(("127.0.0.1", w.values["port"])) as s:
        s.setblocking(False)
        data = b"".join(b'{"sender":"s","seq":%d,"text":"%s"}\n' % (i, b"x" * 400) for i in range(n))
        at, stuck = 0, None
        while stuck is None or time.monotonic() - stuck < 1:
            try:
                at += s.send(data[at:at + 65536])
                stuck = None
            except BlockingIOError:
                stuck = stuck or time.monotonic()
                time.sleep(0.02)
        assert at < len(data), "the sender is held back"
        assert down.used
        fake_es.heal()
        s.setblocking(True)
        s.sendall(data[at:])
    wait_until(lambda: fake_es.stored_events() >= n, 60, lambda: f"{fake_es.stored_events()} of {n}\n{w.log_tail()}")
    assert set(fake_es.event_counts) == {("s", i) for i in range(n)}
    assert fake_es.duplicates() == {}


def test_tcp_stop_keeps_what_was_sent(weir, fake_es, prefix):
    config = ELASTICSEARCH.replace("@type forward", "@type tcp\n tag app\n <parse>\n @type json\n </parse>").replace(
        "{{forward_port}}", "{{port}}")
    w = weir(config, es_url=fake_es.url, prefix=prefix, port=free_port())
    n = 3000
    send_tcp(w.values["port"], b"".join(b'{"sender":"s","seq":%d}\n' % i for i in range(n)))
    wait_until(lambda: w.metrics().sum("weir_source_connections_accepted_total") == 1, 10, "the connection")
    w.restart()
    wait_until(lambda: fake_es.stored_events() >= n, 30, lambda: f"{fake_es.stored_events()} of {n}")
    assert fake_es.duplicates() == {}


# ---- udp --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, sent, want", [
    ("", [b"a\n", b"b\r\n", b"c"], ["a", "b", "c"]),
    ("remove_newline false", [b"a\n"], ["a\n"]),
    ("message_length_limit 3", [b"abc", b"abcd", b"e"], ["abc", "abc", "e"]),
    ("body_size_limit 3", [b"abcd"], ["abc"]),
    ("<transport udp>\n receive_buffer_size 1m\n </transport>", [b"a"], ["a"]),
])
def test_udp(run, options, sent, want):
    w = run(f"@type udp\n tag u.x\n {options}\n <parse>\n @type none\n </parse>")
    send_udp(w.values["port"], *sent)
    found = wait_events(w, len(want))
    assert [e["message"] for e in found] == want
    assert found[0].tag == "u.x"


def test_udp_peer(run):
    w = run("@type udp\n tag u\n source_address_key ip\n source_hostname_key host\n <parse>\n @type none\n </parse>")
    send_udp(w.values["port"], *[b"%d" % i for i in range(50)])
    found = wait_events(w, 50)
    assert [e["message"] for e in found] == [str(i) for i in range(50)], "in order, though the name was looked up"
    assert all(e["ip"] == "127.0.0.1" and e["host"] for e in found)


# ---- syslog -----------------------------------------------------------------------------------------------------------


def syslog(options="", parse=""):
    return f"@type syslog\n tag sys\n {options}\n {parse}"


RFC3164 = b"<29>Nov  1 10:20:30 host1 cron[12]: hello world"
RFC5424 = b'<165>1 2023-10-11T22:14:15.003Z mymachine app 8710 ID47 [x@1 a="b"] a message'


def test_syslog_udp(run):
    w = run(syslog("priority_key sev\n facility_key fac\n source_address_key ip"))
    send_udp(w.values["port"], RFC3164 + b"\n")
    e, = wait_events(w, 1)
    assert e.tag == "sys.daemon.notice"
    assert e == {"host": "host1", "ident": "cron", "pid": "12", "message": "hello world", "sev": "notice", "fac": "daemon",
                 "ip": "127.0.0.1"}


@pytest.mark.parametrize("options, sent", [
    ("<transport tcp>\n </transport>", RFC3164 + b"\n" + RFC3164 + b"\n"),
    ("protocol_type tcp", RFC3164 + b"\n" + RFC3164 + b"\n"),
    ("<transport tcp>\n </transport>\n delimiter \"\\0\"", RFC3164 + b"\0" + RFC3164 + b"\0"),
    ("<transport tcp>\n </transport>\n frame_type octet_count", b"%d %s%d %s" % (len(RFC3164), RFC3164, len(RFC3164), RFC3164)),
    ("<transport tcp>\n </transport>\n frame_type octet_count", b"%d %s\n%d %s\n" % (len(RFC3164), RFC3164, len(RFC3164), RFC3164)),
])
def test_syslog_tcp_frames(run, options, sent):
    w = run(syslog(options))
    with socket.create_connection(("127.0.0.1", w.values["port"])) as s:
        for i in range(0, len(sent), 7):
            s.sendall(sent[i:i + 7])
    assert [e["message"] for e in wait_events(w, 2)] == ["hello world"] * 2


def test_syslog_octet_count_lost(run):
    """Bytes that begin with no length end the connection, what was before them is taken."""
    w = run(syslog("<transport tcp>\n </transport>\n frame_type octet_count"))
    with socket.create_connection(("127.0.0.1", w.values["port"]), 10) as s:
        s.sendall(b"%d %s" % (len(RFC3164), RFC3164) + RFC3164)
        assert s.recv(1) == b""
    wait_events(w, 1)
    assert "does not begin its texts with their lengths" in w.log()


def test_syslog_tls(run):
    w = run(syslog("<transport tls>\n insecure true\n </transport>", "<parse>\n message_format auto\n </parse>"))
    send_tcp(w.values["port"], RFC3164 + b"\n" + RFC5424 + b"\n", tls=insecure())
    old, new = wait_events(w, 2)
    assert new.tag == "sys.local4.notice" and new.time == "2023-10-11 22:14:15.003000000 +0000"
    assert new == {"host": "mymachine", "ident": "app", "pid": "8710", "msgid": "ID47", "extradata": '[x@1 a="b"]',
                   "message": "a message"}
    assert old["ident"] == "cron"


def test_syslog_tls_octet_count(run):
    w = run(syslog("<transport tls>\n insecure true\n </transport>\n frame_type octet_count"))
    send_tcp(w.values["port"], b"%d %s" % (len(RFC3164), RFC3164), b"%d %s" % (len(RFC3164), RFC3164), tls=insecure())
    assert [e["message"] for e in wait_events(w, 2)] == ["hello world"] * 2


def test_syslog_other_parser(run):
    """With a parser that knows no priority, it is taken off before."""
    w = run(syslog("severity_key sev", "<parse>\n @type json\n </parse>"))
    send_udp(w.values["port"], b'<14>{"a":1,"pri":"mine"}')
    e, = wait_events(w, 1)
    assert e.tag == "sys.user.info" and e == {"a": 1, "pri": "mine", "sev": "info"}


def test_syslog_without_priority(run):
    w = run(syslog("", "<parse>\n @type syslog\n with_priority false\n </parse>"))
    send_udp(w.values["port"], RFC3164)
    e, = wait_events(w, 1)
    assert e.tag == "sys.daemon.notice" and e["message"] == "hello world" and "pri" not in e


@pytest.mark.parametrize("emit", [True, False])
def test_syslog_unmatched(run, emit):
    w = run(syslog(f"emit_unmatched_lines {emit}\n source_address_key ip".lower()))
    send_udp(w.values["port"], b"junk", RFC3164)
    if emit:
        bad, good = wait_events(w, 2)
        assert bad == {"unmatched_line": "junk", "ip": "127.0.0.1"} and bad.tag == "sys.unmatched"
    else:
        wait_events(w, 1)
        wait_until(lambda: dead_letters(w) == {"pattern_not_matched": 1}, 10, "a dead letter")


def test_syslog_python_client(run):
    w = run(syslog("", "<parse>\n @type syslog\n message_format rfc3164\n </parse>"))
    handler = logging.handlers.SysLogHandler(("127.0.0.1", w.values["port"]), logging.handlers.SysLogHandler.LOG_LOCAL3)
    handler.setFormatter(logging.Formatter("Nov  1 10:20:30 myhost app[7]: %(message)s"))
    handler.append_nul = False
    handler.emit(logging.LogRecord("x", logging.WARNING, "", 0, "disk %s", ("full",), None))
    handler.close()
    e, = wait_events(w, 1)
    assert e.tag == "sys.local3.warn" and e["message"] == "disk full" and e["host"] == "myhost"


@pytest.mark.skipif(not shutil.which("logger"), reason="there is no logger(1)")
@pytest.mark.parametrize("transport, arguments", [
    ("udp", ["--udp"]), ("tcp", ["--tcp", "--octet-count"]), ("tcp", ["--tcp"])])
def test_syslog_logger(run, transport, arguments):
    octets = "frame_type octet_count" if "--octet-count" in arguments else ""
    w = run(syslog(f"<transport {transport}>\n </transport>\n {octets}", "<parse>\n @type syslog\n message_format auto\n </parse>"))
    subprocess.run(["logger", "--server", "127.0.0.1", "--port", str(w.values["port"]), "--rfc5424", "-p", "mail.err", "-t",
                    "me", *arguments, "from logger"], check=True, timeout=20)
    e, = wait_events(w, 1)
    assert e.tag == "sys.mail.err" and e["message"] == "from logger" and e["ident"] == "me"


# ---- sample -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sample(weir):
    def make(options, type="sample"):
        return weir(to_stdout(f"<source>\n @type {type}\n @id in\n tag s\n {options}\n</source>"))
    return make


def test_sample_default(sample):
    w = sample("")
    wait_until(lambda: events(w), 10, "an event")
    assert events(w)[0] == {"message": "sample"}


def test_sample_all(sample):
    w = sample('dummy [{"a":1},{"b":{"c":2}}]\n size 3\n rate 20\n auto_increment_key n\n reuse_record true', "dummy")
    wait_until(lambda: len(events(w)) >= 60, 10, "60 events")
    found = events(w)
    assert [e["n"] for e in found] == list(range(len(found)))
    assert found[:3] == [{"a": 1, "n": 0}, {"b": {"c": 2}, "n": 1}, {"a": 1, "n": 2}]


# ---- parameters -------------------------------------------------------------------------------------------------------

NONE = "<parse>\n @type none\n </parse>"
WRONG = [
    ("@type tcp\n" + NONE, "tag"),
    ("@type tcp\n tag t", "<parse> section is required"),
    ("@type tcp\n tag t\n port 70000\n" + NONE, "port"),
    ("@type tcp\n tag t\n delimiter \"\"\n" + NONE, "delimiter"),
    ("@type tcp\n tag t\n message_length_limit 0\n" + NONE, "message_length_limit"),
    ("@type tcp\n tag t\n max_connections 0\n" + NONE, "max_connections"),
    ("@type tcp\n tag t\n backlog x\n" + NONE, "backlog"),
    ("@type tcp\n tag \"\"\n" + NONE, "tag"),
    ("@type tcp\n tag t\n <transport udp>\n </transport>\n" + NONE, "valid options are tcp,tls"),
    ("@type tcp\n tag t\n <transport tls>\n </transport>\n" + NONE, "no valid cert options"),
    ("@type tcp\n tag t\n <security>\n </security>\n" + NONE, "client"),
    ("@type tcp\n tag t\n <security>\n <client>\n </client>\n </security>\n" + NONE, "Either of 'host' and 'network'"),
    ("@type tcp\n tag t\n <security>\n <client>\n host a\n network b\n </client>\n </security>\n" + NONE, "both of 'host' and 'network'"),
    ("@type tcp\n tag t\n <security>\n <client>\n network b\n </client>\n </security>\n" + NONE, "address format is invalid"),
    ("@type tcp\n tag t\n <parse>\n @type jsno\n </parse>", "did you mean 'json'"),
    ("@type udp\n" + NONE, "tag"),
    ("@type udp\n tag t", "<parse> section is required"),
    ("@type udp\n tag t\n message_length_limit 100k\n" + NONE, "message_length_limit"),
    ("@type udp\n tag t\n <transport tcp>\n </transport>\n" + NONE, "valid options are udp"),
    ("@type syslog", "tag"),
    ("@type syslog\n tag t\n frame_type other", "frame_type"),
    ("@type syslog\n tag t\n protocol_type tls", "protocol_type"),
    ("@type syslog\n tag t\n message_length_limit 0", "message_length_limit"),
    ("@type syslog\n tag t\n delimiter \"\"", "delimiter"),
    ("@type syslog\n tag t\n send_keepalive_packet true", "available for tcp/tls"),
    ("@type syslog\n tag t\n include_source_host true\n source_address_key a", "specify either"),
    ("@type syslog\n tag t\n source_hostname_key a\n resolve_hostname false", "must be true"),
    ("@type syslog\n tag t\n <transport sctp>\n </transport>", "valid options"),
    ("@type sample", "tag"),
    ("@type sample\n tag t\n size 0", "size"),
    ("@type sample\n tag t\n rate -1", "rate"),
    ("@type sample\n tag t\n sample 7", "sample"),
    ("@type sample\n tag t\n sample [1]", "not a hash"),
    ("@type sample\n tag t\n sample []", "empty"),
    ("@type sample\n tag t\n sample '{\"a\"'", "sample"),
]


@pytest.mark.parametrize("source, want", WRONG)
def test_wrong_value(tmp_path, source, want):
    status, text = check(tmp_path, f"<source>\n{source}\n</source>")
    assert status == 1 and want in text, text


RIGHT = [
    "@type tcp\n tag t\n bind ::1\n port 0\n delimiter x\n message_length_limit 1k\n source_hostname_key h\n source_address_key a\n"
    "send_keepalive_packet true\n max_connections 5\n backlog 7\n" + NONE,
    "@type udp\n tag t\n bind ::1\n port 0\n message_length_limit 64k\n remove_newline false\n source_hostname_key h\n"
    "source_address_key a\n" + NONE,
    "@type syslog\n tag t\n bind ::1\n port 0\n frame_type octet_count\n message_length_limit 4k\n severity_key s\n facility_key f\n"
    "source_hostname_key h\n source_address_key a\n resolve_hostname true\n emit_unmatched_lines true\n"
    "send_keepalive_packet true\n max_connections 3\n backlog 5\n <transport tcp>\n receive_buffer_size 1m\n linger_timeout 1\n </transport>",
    "@type sample\n tag t\n sample {\"a\":1}\n size 2\n rate 5\n auto_increment_key n",
]


@pytest.mark.parametrize("source", RIGHT)
def test_all_parameters(weir, tmp_path, source):
    """Given all of them, nothing is said about any, and it runs."""
    status, text = check(tmp_path, f"<source>\n{source}\n</source>")
    assert status == 0 and "0 warnings, 0 notes" in text, text
    weir(to_stdout(f"<source>\n{source}\n</source>"))


@pytest.mark.parametrize("source, said", [
    ("@type tcp\n tag t\n source_host_key h\n" + NONE, "source_hostname_key"),
    ("@type tcp\n tag t\n blocking_timeout 1\n" + NONE, "nothing blocks"),
    ("@type udp\n tag t\n receive_buffer_size 1m\n" + NONE, "transport section"),
    ("@type udp\n tag t\n body_size_limit 1k\n" + NONE, "message_length_limit"),
    ("@type syslog\n tag t\n protocol_type udp", "transport directive"),
    ("@type syslog\n tag t\n include_source_host true", "source_address_key"),
    ("@type sample\n tag t\n reuse_record true", "reuse_record"),
    ("@type debug_agent\n bind 127.0.0.1\n port 24230\n unix_path /x\n object Fluent::Engine", "debug_agent does nothing"),
])
def test_deprecated(tmp_path, source, said):
    status, text = check(tmp_path, f"<source>\n{source}\n</source>")
    assert status == 0 and said in text, text
