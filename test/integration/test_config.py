"""What a configuration's directives do on a running weir."""
import json
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

from harness import http
from harness.forward import Connection, encode
from harness.ports import free_port
from harness.waiting import wait_until
from harness.weir import ROOT, SYSTEM

T = 1700000000
FORWARD = """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
</source>
"""
# Writes what it gets at once, a line an event, to a file.
FILE = """
  @type file
  path {{out}}/%s
  append true
  <format>
    @type json
  </format>
  <inject>
    tag_key tag
  </inject>
  <buffer []>
    flush_mode immediate
  </buffer>
"""


def lines(folder, name):
    path = os.path.join(folder, name + ".log")
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return [json.loads(line) for line in f]


def send(port, tag, *records):
    with Connection(port) as c:
        c.send(encode("forward", tag, [(T, r) for r in records], "one"))
        assert c.ack() == "one"


def test_workers(weir, tmp_path):
    """What a source of one worker sends meets what is outside of <worker>, then that worker's own rules and labels, and no other one's."""
    config = SYSTEM.replace("<system>", "<system>\n  workers 2") + """
<match common.**>""" + FILE % "common" + "</match>"
    for n in (0, 1):
        config += f"""
<worker {n}>
  <source>
    @type tcp
    bind 127.0.0.1
    port {{{{port{n}}}}}
    tag web
    @label @IN
    <parse>
      @type none
    </parse>
  </source>
  <source>
    @type tcp
    bind 127.0.0.1
    port {{{{top{n}}}}}
    tag web
    <parse>
      @type none
    </parse>
  </source>
  <label @IN>
    <match **>{FILE % f"label{n}"}</match>
  </label>
  <match **>{FILE % f"top{n}"}</match>
</worker>
"""
    ports = {name: free_port() for name in ("port0", "port1", "top0", "top1")}
    w = weir(config, out=tmp_path / "out", **ports)
    for name, port in ports.items():
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(f"{name}\n".encode())
    for n in (0, 1):
        for name in (f"label{n}", f"top{n}"):
            sent = name.replace("label", "port")
            wait_until(lambda: lines(tmp_path / "out", name) == [{"message": sent, "tag": "web"}], 20, w.log_tail)


def test_own_log_in_its_label(weir, tmp_path):
    """@FLUENT_LOG gets what weir logs; a line about handing lines on does not become one again."""
    w = weir(SYSTEM + FORWARD + """
<match app>
  @type null
</match>
<label @FLUENT_LOG>
  <match fluent.{info,warn}>""" + FILE % "own" + """</match>
</label>""", out=tmp_path / "out")
    wait_until(lambda: any(e["message"] == "weir is now running" for e in lines(tmp_path / "out", "own")), 20, w.log_tail)
    send(w.port, "nobody's", {"n": 1})
    wait_until(lambda: any("no patterns matched" in e["message"] and e["tag"] == "fluent.warn"
                           for e in lines(tmp_path / "out", "own")), 20, w.log_tail)
    w.flush()
    wait_until(lambda: any("flushing" in e["message"] for e in lines(tmp_path / "out", "own")), 20, w.log_tail)
    assert len(lines(tmp_path / "out", "own")) < 20
    m = w.metrics()
    assert m.sum("weir_source_events_total", plugin_id="fluent_log") >= 3
    assert m.sum("weir_source_refused_events_total", plugin_id="fluent_log") == 0


def test_own_log_is_asked_for_by_name(weir, tmp_path):
    """`**` alone does not get it; a pattern that names it does."""
    w = weir(SYSTEM + FORWARD + """
<match fluent.warn>""" + FILE % "warn" + """</match>
<match app other**>""" + FILE % "rest" + "</match>", out=tmp_path / "out")
    send(w.port, "app", {"n": 1})
    send(w.port, "nobody", {"n": 1})
    wait_until(lambda: [e["tag"] for e in lines(tmp_path / "out", "warn")] == ["fluent.warn"], 20, w.log_tail)
    wait_until(lambda: lines(tmp_path / "out", "rest") == [{"n": 1, "tag": "app"}], 20, w.log_tail)
    w.stop()
    w.configure(SYSTEM + FORWARD + "<match **>" + (FILE % "all").replace("{{out}}", str(tmp_path / "out")) + "</match>")
    w.start()
    send(w.port, "app", {"n": 2})
    wait_until(lambda: lines(tmp_path / "out", "all") == [{"n": 2, "tag": "app"}], 20, w.log_tail)
    assert 'plugin_id="fluent_log"' not in w.get("/metrics").text


def test_without_source(weir, tmp_path):
    """What is buffered is delivered; nobody can connect."""
    w = weir(SYSTEM + FORWARD + "<match **>" + (FILE % "all").replace("flush_mode immediate", "flush_interval {{every}}") + "</match>",
             out=tmp_path / "out", every="1h")
    send(w.port, "app", {"n": 1})
    w.stop()
    w.values["every"] = "0.1s"
    w.configure(SYSTEM + FORWARD + "<match **>" + (FILE % "all").replace("flush_mode immediate", "flush_interval 0.1") + "</match>")
    w.arguments = ["--without-source"]
    w.start()
    w.flush()
    wait_until(lambda: lines(tmp_path / "out", "all") == [{"n": 1, "tag": "app"}], 20, w.log_tail)
    try:
        Connection(w.port).close()
        raise AssertionError("somebody listens")
    except ConnectionRefusedError:
        pass


def test_permissions(weir, tmp_path):
    """file_permission and dir_permission are those of the files that outputs write."""
    w = weir(SYSTEM.replace("<system>", "<system>\n  file_permission 0604\n  dir_permission 0711\n  umask 0") + FORWARD +
             "<match **>" + FILE % "sub/all" + "</match>", out=tmp_path / "out")
    send(w.port, "app", {"n": 1})
    wait_until(lambda: lines(tmp_path / "out/sub", "all"), 20, w.log_tail)
    assert os.stat(tmp_path / "out/sub/all.log").st_mode & 0o777 == 0o604
    assert os.stat(tmp_path / "out/sub").st_mode & 0o777 == 0o711


def test_log_level_of_one_plugin(weir, tmp_path):
    w = weir(SYSTEM + FORWARD.replace("@type forward", "@type forward\n  @id loud\n  @log_level debug") + """
<match **>
  @type null
</match>""")
    with Connection(w.port) as c:
        c.send(encode("message", "app", [(T, {"n": 1})])[:-3])
    w.wait_log(r"\[debug\]: \[loud\] a sender went away")


def test_rpc(weir, tmp_path):
    """fluentd's commands over HTTP."""
    rpc_port = free_port()
    w = weir(SYSTEM.replace("<system>", "<system>\n  rpc_endpoint 127.0.0.1:{{rpc}}\n  enable_get_dump true") + FORWARD +
             "<match **>" + (FILE % "all").replace("flush_mode immediate", "flush_interval 1h") + "</match>",
             out=tmp_path / "out", rpc=rpc_port)
    rpc = lambda path: http.request("GET", f"http://127.0.0.1:{rpc_port}/api/{path}")
    send(w.port, "app", {"n": 1})
    assert json.loads(rpc("plugins.flushBuffers").text) == {"ok": True}
    wait_until(lambda: lines(tmp_path / "out", "all") == [{"n": 1, "tag": "app"}], 20, w.log_tail)
    dump = json.loads(rpc("config.getDump").text)
    assert dump["ok"] and f"rpc_endpoint 127.0.0.1:{rpc_port} " in dump["conf"]
    rpc("config.dump")
    w.wait_log("rpc_endpoint 127.0.0.1")
    assert json.loads(rpc("config.reload").text) == {"ok": True}
    w.wait_log("reloaded: the new configuration is in force")
    assert rpc("processes.zeroDowntimeRestart").status == 501
    assert json.loads(rpc("processes.interruptWorkers").text) == {"ok": True}
    wait_until(lambda: not w.process.is_running(), 20, w.log_tail)
    w.stop()


WRONG = os.path.join(ROOT, "test/config/wrong")


def check(name):
    """What `weir check` says of a file in wrong/, and its exit status."""
    binary = os.path.abspath(os.environ.get("WEIR_BIN", os.path.join(ROOT, "build/weir")))
    env = {"PATH": os.environ["PATH"], "WEIR_STATE_DIR": "/nonexistent", "ASAN_OPTIONS": "detect_leaks=1"}
    done = subprocess.run([binary, "check", name], cwd=WRONG, env=env, capture_output=True, text=True, timeout=60)
    return done.stderr, done.returncode


def test_wrong_configurations():
    """Each says exactly what stands in its .expect, all of it in one run, and the exit status tells errors from warnings."""
    names = sorted(n for n in os.listdir(WRONG) if n.endswith((".conf", ".yaml")))
    assert len(names) >= 60
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(check, names))
    bad = []
    for name, (text, status) in zip(names, results):
        with open(os.path.join(WRONG, os.path.splitext(name)[0] + ".expect")) as f:
            expect = f.read()
        if text != expect or status != (0 if "weir: 0 errors" in expect else 1):
            bad.append(f"== {name}, status {status}\n{text}-- instead of\n{expect}")
    assert not bad, "\n".join(bad)


COMMANDS = [
    (["help", "forwrad"], 1, "there is no plugin and no section 'forwrad': did you mean 'forward'?"),
    (["help", "s3"], 1, "weir has no output plugin 's3': archive from"),
    (["help", "zzz"], 1, "there is no plugin and no section 'zzz': `weir plugins` lists"),
    (["help", "null", "x"], 1, "no such verb or argument: x"),
    (["plugins", "--all"], 1, "weir: unknown option --all ("),
    (["-vz"], 1, "weir: unknown option -z ("),
    (["--config"], 1, "weir: a value is missing behind --config ("),
    (["status", "x"], 1, "weir: status takes no argument such as 'x'\nusage: weir status"),
    (["top", "--count", "1", "x"], 1, "weir: top takes no argument such as 'x'\nusage: weir top"),
    (["tail", "a", "b"], 1, "usage: weir tail"),
    (["cat", "a", "b"], 1, "usage: weir cat"),
    (["deadletter", "ls", "x"], 1, "unknown argument x"),
    (["setup-es", "a", "b"], 1, "usage: weir setup-es"),
]


def test_command_lines():
    """What is not understood is named, whatever the verb, and nothing is done."""
    binary = os.path.abspath(os.environ.get("WEIR_BIN", os.path.join(ROOT, "build/weir")))
    for arguments, status, text in COMMANDS:
        done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (status, "") and text in done.stderr, (arguments, done)


def test_check_contacts_nobody(tmp_path):
    """A name that only a name server can tell is asked for at start, not by `weir check`."""
    binary = os.path.abspath(os.environ.get("WEIR_BIN", os.path.join(ROOT, "build/weir")))
    config = tmp_path / "weir.conf"
    config.write_text("<source>\n@type forward\nport 1\n<security>\nself_hostname a\nshared_key b\n<client>\nhost no-such-host.invalid\n"
                      "</client>\n</security>\n</source>\n<match **>\n@type null\n</match>\n")
    checked = subprocess.run([binary, "check", config], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    run = subprocess.run([binary, "-c", config], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and "host 'no-such-host.invalid' cannot be resolved" in run.stderr + run.stdout
