"""Real client libraries send 10,000 events each; every document is read back from the real OpenSearch and compared with what was
sent, types included. What the events are: test/clients/events.py."""
import datetime
import os
import subprocess
import sys

import pytest

from harness.search import ROOT
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH

CLIENTS = os.path.join(ROOT, "test/clients")
sys.path.insert(0, CLIENTS)

import events  # noqa: E402

COUNT = 10000


class Client:
    """`subsecond`: the client sends nanoseconds; `safe_*`: what its language cannot say (events.py)."""

    def __init__(self, program, *options, subsecond=True, safe_ints=False, safe_floats=False):
        self.program, self.options, self.subsecond = program, options, subsecond
        self.numbers = {"safe_ints": safe_ints, "safe_floats": safe_floats}

    def command(self):
        if self.program == "python":
            return [sys.executable, os.path.join(CLIENTS, "python/send.py")]
        folder = subprocess.run([os.path.join(CLIENTS, "build"), self.program], check=True, text=True,
                                stdout=subprocess.PIPE).stdout.strip()
        return {"go": [os.path.join(folder, "send")],
                "node": ["node", os.path.join(folder, "send.js")],
                "java": ["java", "-Xmx256m", "-cp", f"{folder}:{folder}/lib/*", "Send"]}[self.program]


JS = {"safe_ints": True, "safe_floats": True}
CASES = {
    "python": Client("python", subsecond=False),
    "python-nanosecond": Client("python", "nanosecond"),
    "go": Client("go", subsecond=False),
    "go-subsecond": Client("go", "subsecond"),
    "go-ack": Client("go", "ack", subsecond=False),
    "go-ack-subsecond": Client("go", "ack", "subsecond"),
    "go-json": Client("go", "json", subsecond=False, safe_floats=True),
    "go-json-ack": Client("go", "json", "ack", subsecond=False, safe_floats=True),
    "node-message": Client("node", "Message", "ack", **JS),
    "node-forward": Client("node", "Forward", "ack", **JS),
    "node-packed": Client("node", "PackedForward", "ack", **JS),
    "node-packed-without-ack": Client("node", "PackedForward", **JS),
    "node-compressed": Client("node", "CompressedPackedForward", "ack", **JS),
    "java": Client("java"),
    "java-ack": Client("java", "ack"),
}


def timestamp(seconds, nanoseconds):
    day = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{day:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}"


def same(got, want):
    """Equal in value and type: 1 is not 1.0, nor true."""
    if type(got) is not type(want):
        return False
    if isinstance(want, dict):
        return got.keys() == want.keys() and all(same(got[k], v) for k, v in want.items())
    if isinstance(want, list):
        return len(got) == len(want) and all(map(same, got, want))
    return got == want


def check_document(got, want, when, tolerance_ns):
    """The document is the record and @timestamp, and nothing else."""
    got = dict(got)
    stamp = got.pop("@timestamp").removesuffix("Z").removesuffix("+00:00")
    assert stamp[:20] == when[:20], f"{stamp} is not {when}"
    assert abs(int(stamp[20:].ljust(9, "0")) - int(when[20:])) <= tolerance_ns, f"{stamp} is not {when}"
    assert same(got, want), {k: (got.get(k), want.get(k)) for k in got.keys() | want.keys()
                             if not same(got.get(k), want.get(k))}


# The builds with sanitizers, which are slower, meet one case of each language.
FEW = ("python-nanosecond", "go-ack-subsecond", "node-compressed", "java-ack")


@pytest.mark.parametrize("name", [c if c in FEW else pytest.param(c, marks=pytest.mark.slow) for c in CASES])
def test_client(weir, opensearch, prefix, name):
    client, seed, tag = CASES[name], 1000 + list(CASES).index(name), f"client.{name}"
    # Nothing is mapped, so that no value can be refused: what is compared is the document as it was sent.
    opensearch.put_template(prefix, f"{prefix}-*", {"dynamic": False})
    w = weir(ELASTICSEARCH, es_url=opensearch.url, prefix=prefix)
    ran = subprocess.run([*client.command(), "127.0.0.1", str(w.port), tag, str(COUNT), str(seed), *client.options],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240)
    assert ran.returncode == 0, ran.stdout[-3000:]
    pattern = f"{prefix}-2026.01.01"
    wait_until(lambda: opensearch.count(pattern) >= COUNT, 60,
               lambda: f"{COUNT} documents, there are {opensearch.count(pattern)}:\n{w.log_tail()}", 0.3)
    w.stop()
    seen = set()
    for hit in opensearch.documents(pattern):
        seq = hit["_source"]["seq"]
        assert seq not in seen, f"event {seq} is there twice"
        seen.add(seq)
        # Python's EventTime is made from a float, which holds a present time to about 200 ns.
        check_document(hit["_source"], events.record(tag, seed, seq, **client.numbers),
                       timestamp(*events.time_of(seed, seq, client.subsecond)), 500 if client.program == "python" else 0)
    assert seen == set(range(COUNT))
    opensearch.delete(pattern)
