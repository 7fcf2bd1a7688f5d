"""Whole configurations, each modelled on one use in public, with traffic in and the documents or files that come out (test/config/whole)."""
import glob
import json
import os
import re
import shutil
import socket
import subprocess

import pytest

from harness import http
from harness.forward import Connection, chunk_id, encode, event_time
from harness.ports import free_port
from harness.waiting import wait_until
from harness.weir import ROOT

FOLDER = os.path.join(ROOT, "test/config/whole")
CASES = sorted(glob.glob(f"{FOLDER}/*.conf") + glob.glob(f"{FOLDER}/*.yaml"))
ADMIN = "<system>\n  <admin>\n    bind 127.0.0.1\n    port {}\n  </admin>"


def with_admin(text, port, yaml):
    """The configuration with an admin endpoint, by which the tests see that weir is ready."""
    if yaml:
        return text.replace("system:", f"system:\n  admin:\n    bind: 127.0.0.1\n    port: {port}", 1)
    return text.replace("<system>", ADMIN.format(port), 1) if "<system>" in text else f"{ADMIN.format(port)}\n</system>\n{text}"


def send(case, w, ports):
    """What the case's senders say: over the forward protocol, HTTP, syslog."""
    if "send" in case:
        with Connection(w.port) as c:
            for tag, when, record in case["send"]:
                chunk = chunk_id()
                c.send(encode("message", tag, [(event_time(when), record)], chunk))
                assert c.ack() == chunk
    for path, body in case.get("http", []):
        kind = "application/json" if body[0] in "[{" else "application/x-www-form-urlencoded"
        answer = http.request("POST", f"http://127.0.0.1:{ports['HTTP_PORT']}{path}", body.encode(), headers={"Content-Type": kind})
        assert answer.status == 200, answer.text
    for line in case.get("syslog", []):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(line.encode(), ("127.0.0.1", ports["SYSLOG_PORT"]))


def canonical(records):
    return sorted(json.dumps(r, sort_keys=True, ensure_ascii=False) for r in records)


def files(folder):
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(top, name)) as f:
                found[os.path.relpath(os.path.join(top, name), folder)] = f.read().splitlines()
    return found


def shown(w, path):
    """What `weir check --show` prints, and the lines of it without comments in an order of their own."""
    done = subprocess.run([w.binary, "check", "--show", path], env={**os.environ, **w.env}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = (re.sub(r" *#.*", "", line).strip() for line in done.stdout.splitlines())
    return done.stdout, sorted(line for line in lines if line)


def check_shown(w):
    """The configuration in force is shown as one that means the same."""
    text, once = shown(w, w.config_path)
    again = os.path.join(w.folder, "shown.conf")
    with open(again, "w") as f:
        f.write(text)
    assert shown(w, again)[1] == once


@pytest.mark.parametrize("path", CASES, ids=[os.path.basename(p).rpartition(".")[0] for p in CASES])
def test_whole(weir, fake_es, tmp_path, path):
    with open(path.rpartition(".")[0] + ".json") as f:
        case = json.load(f)
    out = tmp_path / "out"
    w = weir("", start=False)
    ports = {"PORT": w.port, "HTTP_PORT": free_port(), "SYSLOG_PORT": free_port(), "ES_PORT": fake_es.port}
    shutil.copytree(os.path.join(FOLDER, "parts"), os.path.join(w.folder, "parts"))
    w.config_path = os.path.join(w.folder, os.path.basename(path))
    with open(path) as given, open(w.config_path, "w") as f:
        f.write(with_admin(given.read(), w.values["admin_port"], path.endswith(".yaml")))
    w.env = {**{k: str(v) for k, v in ports.items()}, "ES_HOST": "127.0.0.1", "OUT": str(out), "STATE": str(tmp_path / "state"),
             "WEIR_STATE_DIR": str(tmp_path / "state")}
    check_shown(w)
    w.start()
    send(case, w, ports)
    want = {name: canonical(docs) for name, docs in case.get("indices", {}).items()}

    def indices():
        return {name: canonical(fake_es.documents(name).values()) for name in fake_es.indices}

    def there():
        return all(len(indices().get(n, [])) >= len(d) for n, d in want.items()) and \
            all(len(files(out).get(n, [])) >= len(lines) for n, lines in case.get("files", {}).items())
    w.flush()
    wait_until(there, 20, lambda: f"{indices()} {files(out)}\n{w.log_tail()}")
    w.stop()
    assert indices() == want
    assert files(out) == case.get("files", {})
