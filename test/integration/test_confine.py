"""What weir denies itself at its start, and --user."""
import os
import pwd
import shutil
import subprocess
import tempfile

import pytest

from harness.forward import Connection, send_events
from harness.ports import free_port
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH, SYSTEM
from test_inputs_forward import acked
from test_reload import reload

FILE = SYSTEM + """
<source>
  @type forward
  @id in
  bind 127.0.0.1
  port {{forward_port}}
</source>
<match **>
  @type file
  @id file
  path {{out}}/${tag}/all
  append true
  <buffer tag>
    flush_interval 0.1
  </buffer>
</match>
"""

LOW = range(600, 1024)  # only root may listen there


def threads(w, field):
    """What /proc says of each thread of weir's."""
    found = set()
    for thread in os.listdir(f"/proc/{w.pid}/task"):
        with open(f"/proc/{w.pid}/task/{thread}/status") as f:
            found |= {line.split()[1] for line in f if line.startswith(field + ":")}
    return found


def written(folder, tag="a"):
    path = folder / tag / "all.log"
    return path.read_text() if path.exists() else ""


def files_are_confined(w):
    return "files are written only below" in w.log()


def test_confined(weir, tmp_path):
    """Each thread is; the folder of the output can be removed and comes again; a reload that would write elsewhere is refused in words."""
    out, other = tmp_path / "logs" / "out", tmp_path / "other"
    out.parent.mkdir()
    w = weir(FILE, out=out)
    if b"__asan_init" in open(w.binary, "rb").read():
        pytest.skip("AddressSanitizer needs what is denied")
    w.wait_log(r"confined: no programs, \d+ system calls denied")
    assert threads(w, "NoNewPrivs") == {"1"} and threads(w, "Seccomp") == {"2"}
    send_events(w.port, "a", [{"n": 1}])
    wait_until(lambda: '"n":1' in written(out), 20, w.log_tail)
    subprocess.run(["rm", "-rf", out], check=True)
    send_events(w.port, "a", [{"n": 2}])
    wait_until(lambda: '"n":2' in written(out), 20, w.log_tail)
    if not files_are_confined(w):
        pytest.skip("this kernel has no landlock")
    w.allow("cannot be reloaded")
    w.values["out"] = other
    w.configure(FILE)
    with Connection(w.port) as c:
        w.reload()
        w.wait_log(f"the old one goes on; restart weir, once.*it writes to {other}")
        acked(c, "a")
    w.values["out"] = out.parent / "second"
    reload(w, FILE)
    send_events(w.port, "a", [{"n": 3}])
    wait_until(lambda: '"n":3' in written(out.parent / "second"), 20, w.log_tail)
    assert not other.exists()


def test_not_confined(weir, tmp_path):
    """`confine false` leaves no_new_privs."""
    w = weir(FILE.replace("<system>", "<system>\n  confine false"), out=tmp_path / "out")
    assert threads(w, "NoNewPrivs") == {"1"} and threads(w, "Seccomp") == {"0"}
    assert "confined:" not in w.log()
    w.values["out"] = tmp_path / "other"
    reload(w, FILE.replace("<system>", "<system>\n  confine false"))
    send_events(w.port, "a", [{"n": 1}])
    wait_until(lambda: '"n":1' in written(tmp_path / "other"), 20, w.log_tail)


@pytest.fixture
def open_folder():
    """A folder that every user finds, which pytest's are not."""
    folder = tempfile.mkdtemp(prefix="weir-user-")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_user(weir, open_folder, fake_es, prefix):
    """Started as root: another user from the beginning, also in what a reload opens; ports below 1024 stay possible."""
    nobody = pwd.getpwnam("nobody")
    root = f"{open_folder}/state"
    os.mkdir(root)
    os.chown(root, nobody.pw_uid, nobody.pw_gid)
    w = weir(ELASTICSEARCH, start=False, es_url=fake_es.url, prefix=prefix, root=root, forward_port=free_port(LOW))
    w.config_path = f"{open_folder}/weir.conf"
    w.configure(ELASTICSEARCH)
    w.arguments = ["--user", "nobody", "--group", str(nobody.pw_gid)]
    w.start()
    for field, number in (("Uid", nobody.pw_uid), ("Gid", nobody.pw_gid)):
        assert threads(w, field) == {str(number)}
    assert threads(w, "CapEff") <= {f"{0:016x}", f"{1 << 10:016x}"}
    send_events(w.port, "a", [{"n": 1}])
    wait_until(lambda: len(fake_es.documents()) == 1, 20, w.log_tail)
    w.values["forward_port"] = free_port(LOW)
    reload(w, ELASTICSEARCH)
    send_events(w.port, "a", [{"n": 2}])
    wait_until(lambda: len(fake_es.documents()) == 2, 20, w.log_tail)
    assert {os.stat(f"{root}/{name}").st_uid for name in os.listdir(root)} == {nobody.pw_uid}


def source(type_, id_, rest=""):
    return f"<source>\n @type {type_}\n @id {id_}\n port 0\n {rest}\n</source>\n"


LINE = "tag x\n <parse>\n @type none\n </parse>\n"
LIMITS = "<security>\n max_events_per_second 10\n </security>"
CLIENT = "<security>\n <client>\n network 127.0.0.0/8\n </client>\n {}\n </security>"
KEY = "<security>\n self_hostname a\n shared_key 0123456789abcdef\n </security>"


def test_open_sources(weir):
    """One warning names the sources that take events from whoever comes, and none else."""
    asked = [source("forward", "asks1", KEY), source("forward", "asks2", "bind 127.0.0.1"), source("tcp", "asks3", LINE + CLIENT.format("")),
             source("forward", "asks4", CLIENT.format("self_hostname a\nshared_key \"\"\nallow_anonymous_source false")),
             source("prometheus", "asks5"), source("unix", "asks6", "path {{root}}/sock").replace("port 0", "")]
    w = weir(SYSTEM + "".join(asked) + source("forward", "open1") + source("forward", "open2", "bind ::\n" + LIMITS) + source("http", "open3") +
             source("udp", "open4", LINE) + source("syslog", "open5", "tag x") + source("tcp", "open6", LINE + LIMITS) + "<match **>\n @type null\n</match>\n")
    line = w.wait_log("whoever reaches these sources may send.*").group()
    for i in range(1, 7):
        assert f"open{i} " in line
    assert "asks" not in line and "open1 0.0.0.0:" in line
    w.configure(SYSTEM + "".join(asked) + "<match **>\n @type null\n</match>\n")
    before = w.log().count("whoever reaches")
    reload(w)
    assert w.log().count("whoever reaches") == before
