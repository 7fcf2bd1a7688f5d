"""The program under test as a test uses it."""
import os
import re
import signal

from . import http
from .ports import free_port
from .process import Process
from .waiting import wait_until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
_ERROR = re.compile(r"\[(error|fatal)\]|\"level\":\"(error|fatal)\"")
_SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|UndefinedBehaviorSanitizer")

SYSTEM = """
<system>
  root_dir {{root}}
  <admin>
    bind 127.0.0.1
    port {{admin_port}}
  </admin>
</system>
"""

# Times are short so that tests are: the shipped defaults are for clusters, not for a person who waits.
ELASTICSEARCH = SYSTEM + """
<source>
  @type forward
  @id in
  bind 127.0.0.1
  port {{forward_port}}
</source>
<match **>
  @type elasticsearch
  @id es
  hosts {{es_url}}
  logstash_format true
  logstash_prefix {{prefix}}
  {{output}}
  <buffer>
    @type file
    flush_interval 0.2
    flush_thread_count 2
    retry_wait 0.2
    retry_max_interval 2s
    retry_forever true
    {{buffer}}
  </buffer>
</match>
"""


class Metrics(dict):
    """'name{label="value"}' -> number, as /metrics gives them."""

    @classmethod
    def parse(cls, text):
        m = cls()
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                m[name] = float(value)
        return m

    def sum(self, name, **labels):
        """Over all label sets that have these labels."""
        total = 0.0
        for key, value in self.items():
            base, _, rest = key.partition("{")
            if base == name and all(f'{k}="{v}"' in rest for k, v in labels.items()):
                total += value
        return total


class Weir:
    def __init__(self, folder, config, **values):
        """`config` is a configuration in which {{name}} stands for one of `values`; root, forward_port and admin_port are
        given, any other that is not is empty."""
        self.folder = str(folder)
        self.values = {"root": os.path.join(self.folder, "root"), **values}
        for port in ("forward_port", "admin_port"):
            self.values.setdefault(port, free_port())
        self.config_path = os.path.join(self.folder, "weir.conf")
        self.log_path = os.path.join(self.folder, "weir.log")
        self.binary = os.environ.get("WEIR_BIN", os.path.join(ROOT, "build/weir"))
        self.allowed = []
        self.process = None
        self.launcher, self.arguments, self.env = [], [], {}
        self.configure(config)

    def configure(self, config):
        self.config = re.sub(r"\{\{(\w+)\}\}", lambda m: str(self.values.get(m[1], "")), config)
        os.makedirs(self.folder, exist_ok=True)
        with open(self.config_path, "w") as f:
            f.write(self.config)

    @property
    def port(self):
        return self.values["forward_port"]

    @property
    def admin(self):
        return f"http://127.0.0.1:{self.values['admin_port']}"

    @property
    def root(self):
        return self.values["root"]

    @property
    def pid(self):
        return self.process.pid

    # life

    def start(self, wait=True, timeout=30):
        open(self.log_path, "a").close()
        env = {"ASAN_OPTIONS": "exitcode=99", "TSAN_OPTIONS": "exitcode=99", "UBSAN_OPTIONS": "print_stacktrace=1",
               **os.environ, **self.env}
        self.process = Process([*self.launcher, self.binary, "-c", self.config_path, *self.arguments], self.log_path, env)
        if wait:
            self.wait_ready(timeout)
        return self

    def is_ready(self):
        try:
            return http.request("GET", self.admin + "/readyz", timeout=5).status == 200
        except OSError:
            return False

    def wait_ready(self, timeout=30):
        def ready():
            assert self.process.is_running(), f"weir ended at its start:\n{self.log_tail()}"
            return self.is_ready()
        wait_until(ready, timeout, lambda: f"weir is ready:\n{self.log_tail()}")

    def stop(self, timeout=30):
        """SIGTERM; it must end by itself, with status 0."""
        if not self.process:
            return
        process, self.process = self.process, None
        status = process.stop(timeout)
        assert status == 0, f"weir ended with status {status}:\n{self.log_tail()}"

    def kill9(self):
        self.process.kill()
        self.process = None

    def restart(self):
        self.stop()
        self.start()

    def reload(self):
        self.process.signal(signal.SIGHUP)

    def flush(self):
        """Sends what is buffered now."""
        self.process.signal(signal.SIGUSR1)

    # what it says

    def get(self, path):
        return http.request("GET", self.admin + path)

    def metrics(self):
        return Metrics.parse(self.get("/metrics").text)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def log_tail(self, lines=25):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_log(self, pattern, timeout=20):
        rx = re.compile(pattern)
        return wait_until(lambda: rx.search(self.log()), timeout, lambda: f"log line {pattern!r}:\n{self.log_tail()}")

    def allow(self, *patterns):
        """Error lines that this test brings about."""
        self.allowed += [re.compile(p) for p in patterns]

    def check_log(self):
        """No error line that the test does not expect, and nothing from a sanitizer."""
        bad = [line for line in self.log().splitlines() if _SANITIZER.search(line) or
               (_ERROR.search(line) and not any(p.search(line) for p in self.allowed))]
        assert not bad, "weir's log has:\n" + "\n".join(bad[:20])

    def rss(self):
        """Bytes of memory that are in use."""
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) * 1024

    def backlog_files(self, plugin_id="es"):
        """Chunk files that wait to be delivered."""
        found = []
        for folder, _, names in os.walk(self.root):
            if f"/{plugin_id}" in folder[len(self.root):]:
                found += [os.path.join(folder, n) for n in names if n.startswith(("b", "q", "c")) and "." in n]
        return found
