"""Thousands of events a second while one fault follows the other: each acknowledged event is stored exactly once, acks stay quick, memory
stays flat. SOAK_SECONDS (30) and SOAK_RATE (10000) make it longer and harder."""
import json
import os
import random
import subprocess
import sys

import pytest

from harness import http
from harness.search import ROOT
from harness.ports import free_port
from harness.process import Process
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
SECONDS = int(os.environ.get("SOAK_SECONDS", "30"))
RATE = int(os.environ.get("SOAK_RATE", "10000"))

FAULTS = [
    {"kind": "reject_items", "share": 0.1, "times": 5},
    {"kind": "reject_items", "share": 0.5, "code": 503, "type": "unavailable_shards_exception", "times": 2},
    {"kind": "lose_reply", "times": 2},
    {"kind": "cut_reply", "at": 100, "times": 2},
    {"kind": "fewer_items", "times": 1},
    {"kind": "html", "code": 502, "times": 2},
    {"kind": "status", "code": 503, "seconds": 1},
    {"kind": "status", "code": 429, "retry_after": 1, "times": 2},
    {"kind": "hang", "where": "body", "times": 1},
    {"kind": "late", "delay": 1, "times": 3},
    {"kind": "too_large", "limit": 200000, "times": 4},
]


@pytest.fixture
def load_gen():
    program = "build/release/test/bench/load_gen"
    subprocess.run(["make", "-C", ROOT, "--no-print-directory", program], check=True, stdout=subprocess.DEVNULL)
    return os.path.join(ROOT, program)


def test_soak(weir, load_gen, prefix, tmp_path):
    port, total = free_port(), SECONDS * RATE
    es = Process([sys.executable, os.path.join(ROOT, "test/fake_es.py"), "--port", port, "--counts-only"], str(tmp_path / "es.log"))
    url = f"http://127.0.0.1:{port}"

    def state():
        return http.request("GET", f"{url}/_fake/state").json

    def answers():
        try:
            return http.request("GET", url).status == 200
        except OSError:
            return False
    try:
        wait_until(answers, 20, "the fake server answers")
        w = weir(ELASTICSEARCH, es_url=url, prefix=prefix, output="request_timeout 3s")
        # One connection: its seq counts all events, so that each has an identity.
        sender = subprocess.Popen([load_gen, "--port", str(w.port), "--connections", "1", "--chunk", "100", "--window", "32",
                                   "--rate", str(RATE), "--records", str(total)], stdout=subprocess.PIPE, text=True)
        dice, peak = random.Random(3), 0

        def trouble():
            nonlocal peak
            peak = max(peak, w.rss())
            if dice.random() < 0.7:
                http.request("POST", f"{url}/_fake/fault", dice.choice(FAULTS))
            elif dice.random() < 0.2:
                http.request("POST", f"{url}/_fake/listener", {"seconds": 1.5})
                wait_until(lambda: not answers(), 10, "the fake server is gone")
                wait_until(answers, 10, "the fake server is back", 0.1)
            return sender.poll() is not None
        wait_until(trouble, SECONDS * 3 + 60, lambda: f"all is sent:\n{w.log_tail()}", 0.5)
        report = json.loads(sender.stdout.read())
        assert sender.returncode == 0 and report["acked"] == total
        http.request("DELETE", f"{url}/_fake/fault")
        wait_until(lambda: state()["events"] >= total, 60 + SECONDS, lambda: f"{total} are stored: {state()}\n{w.log_tail()}", 0.2)
        end = state()
        assert (end["events"], end["duplicates"], end["violations"]) == (total, 0, [])
        assert w.metrics().sum("weir_dead_letter_events_total") == 0
        print(f"acks: p99 {report['ack_ms_p99']} ms, at most {report['ack_ms_max']} ms; memory {peak >> 20} MiB; {end['counts']}")
        assert report["ack_ms_max"] < 5000
        if os.environ.get("WEIR_VARIANT", "release") == "release":
            assert peak < 128 << 20
    finally:
        es.kill()
