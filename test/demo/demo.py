"""The demo: a real OpenSearch, weir with config/weir.conf, real senders, and what became of it. See the script `demo`."""
import collections
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
CLIENTS = os.path.join(ROOT, "test/clients")
sys.path.insert(0, os.path.join(ROOT, "test/integration"))

from harness import http  # noqa: E402
from harness.ports import free_port  # noqa: E402
from harness.process import Process  # noqa: E402
from harness.search import SCRIPT, Search  # noqa: E402
from harness.waiting import wait_until  # noqa: E402
from harness.weir import Metrics  # noqa: E402

ONCE = os.environ.get("DEMO_ONCE") == "1"
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def bold(text):
    return paint("1", text)


def dim(text):
    return paint("2", text)


def step(text):
    print(paint("1;36", "▸ ") + bold(text), flush=True)


def note(text):
    print("  " + text, flush=True)


class Traffic:
    """A sender: its tag, the output of config/weir.conf that its events go to, and the index they should be found in."""

    def __init__(self, what, tag, output, index, count, command):
        self.what, self.tag, self.output, self.index, self.count = what, tag, output, index, count
        self.command = command


def clients():
    folders = subprocess.run([os.path.join(CLIENTS, "build"), "node", "java", "go-mixer"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.split()
    node, java, mixer = folders
    return [
        Traffic("application, JSON (fluent-logger for Python)", "app.shop", "es_app", "app-*", 5000,
                [sys.executable, os.path.join(CLIENTS, "python/app_log.py")]),
        Traffic("WAS access log (@fluent-org/logger for Node)", "was.access.tomcat", "es_access", "access-*", 8000,
                ["node", os.path.join(node, "access_log.js")]),
        Traffic("Java stack traces (Fluency)", "was.error.tomcat", "es_error", "error-*", 300,
                ["java", "-Xmx128m", "-cp", f"{java}:{java}/lib/*", "StackTraces"]),
        Traffic("Istio Mixer newlog (fluent-logger for Go 1.3.0)", "newlog.logentry.istio-system", "es_istio", "istio-*",
                10000, [os.path.join(mixer, "send")]),
    ]


class Demo:
    def __init__(self):
        kept = os.environ.get("DEMO_DIR")
        self.folder = os.path.abspath(kept) if kept else tempfile.mkdtemp(prefix="weir-demo-")
        self.keep = bool(kept)
        os.makedirs(self.folder, exist_ok=True)
        self.search = self.weir = self.server = None
        self.forward_port, self.admin_port = free_port(), free_port()
        self.root = os.path.join(self.folder, "weir")

    # the parts

    def start_search(self):
        step("OpenSearch: a real server")
        # The first time this downloads, and says how far it is.
        subprocess.run([SCRIPT, "--setup", "opensearch2"], check=True)
        port = free_port()
        self.server = Search(port)
        log = os.path.join(self.folder, "opensearch.log")
        self.search = Process([SCRIPT, "opensearch2", port, os.path.join(self.folder, "opensearch")], log)
        began = time.monotonic()
        self.wait(self.server.is_ready, 120, self.search, log)
        version = self.server.ok("GET", "/")["version"]["number"]
        note(f"version {version} at {self.server.url}  {dim(f'ready after {time.monotonic() - began:.1f} s')}")
        # One node: replicas would have no place to go. Keywords for what is counted below.
        self.server.put_template("weir-demo", "*-20*", {"properties": {"tag": {"type": "keyword"}, "sender": {"type": "keyword"}}})

    def start_weir(self):
        step("weir: config/weir.conf")
        log = os.path.join(self.folder, "weir.log")
        env = {**os.environ, "ES_HOST": "127.0.0.1", "ES_PORT": str(self.server.port), "WEIR_ROOT": self.root,
               "WEIR_FORWARD_BIND": "127.0.0.1", "WEIR_FORWARD_PORT": str(self.forward_port),
               "WEIR_ADMIN_PORT": str(self.admin_port)}
        binary = os.environ.get("WEIR_BIN", os.path.join(ROOT, "build/weir"))
        began = time.monotonic()
        self.weir = Process([binary, "-c", os.path.join(ROOT, "config/weir.conf")], log, env)
        self.wait(self.weir_is_ready, 30, self.weir, log)
        note(f"forward protocol at 127.0.0.1:{self.forward_port}, admin at {self.admin}  "
             f"{dim(f'ready after {time.monotonic() - began:.2f} s')}")
        # What weir had to say of its configuration: who has changed it should not have to look for it.
        with open(log, errors="replace") as f:
            for line in f:
                if "[warn]" in line or "[error]" in line:
                    note(paint("33", line.rstrip()))

    @property
    def admin(self):
        return f"http://127.0.0.1:{self.admin_port}"

    def weir_is_ready(self):
        try:
            return http.request("GET", self.admin + "/readyz", timeout=5).status == 200
        except OSError:
            return False

    def wait(self, condition, timeout, process, log):
        began = time.monotonic()

        def ready():
            if not process.is_running():
                with open(log, errors="replace") as f:
                    sys.exit(f"{process.argv[0]} ended at its start:\n" + "".join(f.readlines()[-20:]))
            if COLOUR:
                print(f"\r  {dim(f'starting, {time.monotonic() - began:.0f} s')}", end="", flush=True)
            return condition()
        wait_until(ready, timeout, lambda: f"ready; its log is {log}", 0.05)
        if COLOUR:
            print("\r\033[K", end="")

    # the traffic

    def send(self, traffic):
        step("Traffic: four real clients at once")
        failed = []

        def run(t, seed):
            began = time.monotonic()
            done = subprocess.run([*t.command, "127.0.0.1", str(self.forward_port), t.tag, str(t.count), str(seed)],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                failed.append(f"{t.what}: {done.stdout[-2000:]}")
            else:
                note(f"{t.count:6,} events  {t.tag:30} {dim(t.what)}  {dim(f'{time.monotonic() - began:.1f} s')}")

        threads = [threading.Thread(target=run, args=(t, i + 1)) for i, t in enumerate(traffic)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if failed:
            sys.exit("a client failed: " + "\n".join(failed))

    def found(self, t):
        return self.server.count(t.index, {"term": {"tag": t.tag}})

    def show_counts(self, traffic):
        step("What became of it")
        deadline = time.monotonic() + 60
        while any(self.found(t) < t.count for t in traffic) and time.monotonic() < deadline:
            time.sleep(0.2)
        metrics = Metrics.parse(http.request("GET", self.admin + "/metrics").text)
        print(bold(f"  {'tag':32}{'sent':>8}{'weir: in':>10}{'indexed':>9}{'OpenSearch':>12}"))
        for t in traffic:
            taken = int(metrics.sum("weir_output_emitted_events_total", plugin_id=t.output))
            indexed = int(metrics.sum("weir_output_indexed_events_total", plugin_id=t.output))
            there = self.found(t)
            good = taken == indexed == there == t.count
            print(f"  {t.tag:32}{t.count:8,}{taken:10,}{indexed:9,}{there:12,}  "
                  + (paint("32", "✓") if good else paint("31", "✗")), flush=True)

    def show_documents(self):
        step("A few of them, found by a search")
        searches = [
            ("errors of the application", "app-*", {"match": {"level": "error"}}, ["message", "order.amount", "user_id"]),
            ("slow requests that failed", "access-*", {"bool": {"filter": [{"range": {"took_ms": {"gt": 900}}},
                                                                       {"term": {"status": 500}}]}}, ["line", "took_ms"]),
            ("stack traces with 결제", "error-*", {"match": {"message": "결제"}}, ["message", "stack_trace"]),
            ("Istio: 503 for a payment", "istio-*", {"bool": {"filter": [{"term": {"responseCode": 503}},
                                                                         {"match": {"destination": "payment"}}]}},
             ["source", "destination", "responseCode", "latency"]),
        ]
        for what, index, query, fields in searches:
            page = self.server.ok("POST", f"/{index}/_search", {"size": 1, "query": query, "track_total_hits": True})
            note(f"{what}: {page['hits']['total']['value']:,} in {index}, {page['took']} ms")
            for hit in page["hits"]["hits"]:
                source = hit["_source"]
                print(textwrap.indent(dim(f"{source['@timestamp']}  {source['tag']}"), "    "))
                for f in fields:
                    value = source
                    for part in f.split("."):
                        value = value[part]
                    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                    lines = text.replace("\t", "  ").splitlines()[:4]
                    print(f"    {f}: " + ("\n" + " " * (6 + len(f))).join(line[:100] for line in lines))

    def check(self, traffic):
        """Every event that was sent is there exactly once. Returns what is wrong, as text."""
        wrong = []
        for t in traffic:
            seen = collections.Counter(h["_source"]["seq"] for h in
                                       self.server.documents(t.index, {"term": {"tag": t.tag}}))
            missing = t.count - len(seen)
            twice = sum(1 for n in seen.values() if n > 1)
            if missing or twice:
                wrong.append(f"{t.tag}: {missing} of {t.count} missing, {twice} more than once")
        return wrong

    def show_where(self):
        step("Where things are")
        note(f"buffers         {self.root}/{{es_app,es_access,es_error,es_istio,es_other}}/buffer  {dim('(empty now: all is delivered)')}")
        note(f"logs            {self.folder}/weir.log, opensearch.log")
        note(f"metrics         curl {self.admin}/metrics")
        note(f"send one        printf '[\"app.hello\",0,{{\"message\":\"안녕\"}}]' >/dev/tcp/127.0.0.1/{self.forward_port}    {dim('(in bash)')}")
        note(f"find it         curl '{self.server.url}/app-*/_search?q=tag:app.hello&pretty'")

    def stop(self):
        for p in (self.weir, self.search):
            if p:
                try:
                    p.stop(20)
                except AssertionError as e:
                    print(f"  {e}", file=sys.stderr)
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def main():
    demo = Demo()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    status = 0
    try:
        traffic = clients()
        demo.start_search()
        demo.start_weir()
        demo.send(traffic)
        demo.show_counts(traffic)
        demo.show_documents()
        wrong = demo.check(traffic)
        if wrong:
            status = 1
            step(paint("31", "Not every document is there exactly once"))
            for line in wrong:
                note(line)
        else:
            step(paint("32", "Every event that was sent is there exactly once"))
        demo.show_where()
        if not ONCE:
            step("Running. Ctrl-C stops everything" + ("" if demo.keep else " and removes it"))
            while demo.weir.is_running() and demo.search.is_running():
                time.sleep(0.5)
            print("  one of the servers has ended; see the logs", file=sys.stderr)
            demo.keep, status = True, 1
    except KeyboardInterrupt:
        print()
        step("Stopping")
    finally:
        demo.stop()
    sys.exit(status)


if __name__ == "__main__":
    main()
