"""Everything that goes wrong between weir and Elasticsearch, mixed, for long and at speed."""
import contextlib
import json
import os
import subprocess
import sys
import time

from harness import http
from harness.ports import free_port
from harness.process import Process
from harness.waiting import wait_until
from harness.weir import ROOT
from oracle import make_weir

RATE = 20000
PLANTED_EVERY = 10007

FAULTS = [
    {"kind": "reject_items", "share": 0.1, "times": 5},
    {"kind": "reject_items", "share": 0.5, "code": 503, "type": "unavailable_shards_exception", "times": 2},
    {"kind": "lose_reply", "times": 2},
    {"kind": "cut_reply", "at": 100, "times": 2},
    {"kind": "cut_reply", "at": -1, "times": 2},
    {"kind": "fewer_items", "times": 1},
    {"kind": "errors_without_items", "times": 1},
    {"kind": "not_json", "times": 2},
    {"kind": "html", "times": 2},
    {"kind": "html", "code": 502, "times": 2},
    {"kind": "status", "code": 503, "seconds": 1},
    {"kind": "status", "code": 429, "retry_after": 1, "times": 2},
    {"kind": "status", "code": 401, "times": 1},
    {"kind": "hang", "where": "headers", "times": 1},
    {"kind": "hang", "where": "body", "times": 1},
    {"kind": "late", "delay": 1, "times": 3},
    {"kind": "too_large", "limit": 200000, "times": 4},
]


class ServerOfItsOwn:
    """The fake server as a process, so that it does not share a core with the campaign."""

    def __init__(self, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = Process([sys.executable, os.path.join(ROOT, "test/fake_es.py"), "--port", self.port, "--counts-only"],
                               os.path.join(folder, "es.log"))
        wait_until(self.answers, 20, "the fake server answers")

    def answers(self):
        try:
            return http.request("GET", self.url).status == 200
        except OSError:
            return False

    def state(self):
        return http.request("GET", f"{self.url}/_fake/state", timeout=120).json

    def fault(self, wish):
        http.request("POST", f"{self.url}/_fake/fault", wish)

    def heal(self):
        http.request("DELETE", f"{self.url}/_fake/fault")

    def away(self, seconds):
        with contextlib.suppress(OSError):  # it may go before it has answered
            http.request("POST", f"{self.url}/_fake/listener", {"seconds": seconds})
        wait_until(lambda: not self.answers(), 10, "the fake server is gone", 0.005)
        wait_until(self.answers, 20, "the fake server is back", 0.1)


def load_gen():
    program = "build/release/test/bench/load_gen"
    subprocess.run(["make", "-C", ROOT, "--no-print-directory", "-s", program], check=True, stdout=subprocess.DEVNULL)
    return os.path.join(ROOT, program)


def books_balance(w, total, planted):
    m = w.metrics()
    done = m.sum("weir_output_indexed_events_total") + m.sum("weir_output_already_there_events_total")
    assert done == total - planted, f"{done} events are counted as done"
    assert m.sum("weir_dead_letter_events_total", plugin_id="es") == planted


def mixed(c):
    """Every fault of the server, mixed, under 20,000 events a second: each stored once, memory under 256 MiB."""
    seconds, peak, faults = c.times(600), 0, 0
    total, folder = seconds * RATE, c.place()
    planted = len(range(7, total, PLANTED_EVERY))
    es = ServerOfItsOwn(folder)
    try:
        es.fault({"kind": "item_every", "field": "seq", "every": PLANTED_EVERY, "at": 7})
        w = make_weir(folder, es.url, output="request_timeout 3s").start()
        sender = subprocess.Popen([load_gen(), "--port", str(w.port), "--connections", "1", "--chunk", "100", "--window", "32",
                                   "--rate", str(RATE), "--records", str(total)], stdout=subprocess.PIPE, text=True)
        began = said = time.monotonic()

        def trouble():
            nonlocal peak, faults, said
            peak = max(peak, w.rss())
            if c.dice.random() < 0.7:
                es.fault(c.dice.choice(FAULTS))
                faults += 1
            elif c.dice.random() < 0.2:
                es.away(1.5)
                faults += 1
            if time.monotonic() - said > 30:
                said = time.monotonic()
                c.progress(f"{said - began:.0f} s of {seconds}, {faults} faults, {peak >> 20} MiB")
            return sender.poll() is not None
        wait_until(trouble, seconds * 3 + 60, lambda: f"all is sent:\n{w.log_tail()}", 0.5)
        told = json.loads(sender.stdout.read())
        assert sender.returncode == 0 and told["acked"] == total, told
        es.heal()
        es.fault({"kind": "item_every", "field": "seq", "every": PLANTED_EVERY, "at": 7})
        wait_until(lambda: es.state()["events"] >= total - planted, 120 + seconds, lambda: f"{total} events: {es.state()}\n{w.log_tail()}", 0.5)
        wait_until(lambda: w.metrics().sum("weir_buffer_queue_events", plugin_id="es") == 0, 60, "an empty buffer")
        end = es.state()
        c.add(runs=faults, acked=total, indexed=end["events"], dead=planted, lost=total - planted - end["events"],
              doubled=end["duplicates"])
        c.note(f"{peak >> 20} MiB at most, acks at most {told['ack_ms_max']} ms, p99 {told['ack_ms_p99']} ms")
        assert end["violations"] == [], end["violations"]
        books_balance(w, total, planted)
        assert peak < 256 << 20, f"{peak >> 20} MiB"
        w.allow("failed to flush the buffer")
        w.stop()
        w.check_log()
    finally:
        es.process.kill()


def outage(c):
    """The server is away for half an hour under 5,000 events a second: memory stays flat, the backlog drains faster than it grew."""
    rate, seconds, folder = 5000, max(20, c.times(1800)), c.place()
    total, highest = rate * seconds, 0
    es = ServerOfItsOwn(folder)
    try:
        w = make_weir(folder, es.url, buffer="flush_thread_count 4").start()
        with contextlib.suppress(OSError):
            http.request("POST", f"{es.url}/_fake/listener", {"seconds": seconds + 5})
        sender = subprocess.Popen([load_gen(), "--port", str(w.port), "--connections", "2", "--chunk", "100", "--window", "32",
                                   "--rate", str(rate), "--records", str(total)], stdout=subprocess.PIPE, text=True)
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > seconds / 4, seconds, "a quarter is over", 0.5)
        early = w.rss()

        def all_sent():
            nonlocal highest
            highest = max(highest, w.rss())
            return sender.poll() is not None
        wait_until(all_sent, seconds * 2 + 60, lambda: f"all is sent:\n{w.log_tail()}", 0.5)
        assert sender.returncode == 0 and json.loads(sender.stdout.read())["acked"] == total
        sent = time.monotonic() - began
        wait_until(es.answers, seconds + 60, "the server is back", 0.1)
        back = time.monotonic()
        wait_until(lambda: w.metrics().sum("weir_buffer_events", plugin_id="es") == 0, 60 + seconds, lambda: f"an empty buffer:\n{w.log_tail()}", 0.1)
        drained = time.monotonic() - back
        end = es.state()
        c.add(runs=1, acked=total, indexed=end["events"], lost=total - end["events"], doubled=end["duplicates"])
        c.note(f"{seconds} s away: {early >> 20} MiB after a quarter, {highest >> 20} MiB at most; {total / sent:.0f} events/s came, {total / drained:.0f} went")
        assert highest < early * 1.1 + (4 << 20), (early, highest)
        books_balance(w, total, 0)
        w.allow("failed to flush the buffer")
        w.stop()
        w.check_log()
    finally:
        es.process.kill()


SCENARIOS = {"outage": outage, "mixed": mixed}
