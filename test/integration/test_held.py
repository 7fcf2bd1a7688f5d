"""Events that wait for others of their stream: concat and detect_exceptions, and what is left of them when weir is killed."""
import glob
import itertools
import os
import random
import threading
import time

import pytest

from harness.forward import Connection, chunk_id, encode, event_time
from harness.waiting import PATIENCE, wait_until
from harness.weir import SYSTEM
from test_reload import reload

T = 1700000000

CONCAT = SYSTEM + """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
</source>
<filter **>
  @type concat
  @id join
  key log
  stream_identity_key pod
  multiline_start_regexp /^start/
  flush_interval {{interval}}
  {{concat}}
</filter>
<match **>
  @type elasticsearch
  @id es
  hosts {{es_url}}
  logstash_format true
  logstash_prefix {{prefix}}
  <buffer>
    flush_interval 0.1
    retry_wait 0.1
  </buffer>
</match>
"""


DETECT_BEHIND = """<match raw.**>
  @type detect_exceptions
  @id detect
  remove_tag_prefix raw
  message log
  stream pod
  multiline_flush_interval 0
</match>
<match **>"""


class Lines:
    """A sender whose events are lines, a second each; every message is acknowledged before send returns."""

    def __init__(self, w, pod="a", tag="app.x"):
        self.w, self.pod, self.tag, self.n, self.last = w, pod, tag, 0, None

    def send(self, *texts):
        entries = []
        for text in texts:
            entries.append((event_time(T + self.n), {"log": text, "pod": self.pod}))
            self.n += 1
        chunk = chunk_id()
        self.last = chunk, encode("packed", self.tag, entries, chunk)
        self.again()

    def again(self):
        chunk, data = self.last
        with Connection(self.w.port) as c:
            c.send(data)
            assert c.ack() == chunk


def texts(es, prefix):
    return sorted(d["log"] for d in es.documents(f"{prefix}-*").values())


def wait_for(w, es, prefix, *want, timeout=10):
    wait_until(lambda: texts(es, prefix) == sorted(want), timeout,
               lambda: f"{sorted(want)}, there are {texts(es, prefix)}\n{w.log_tail()}")


def test_joined_over_messages(weir, fake_es, prefix):
    """Acks do not wait for the end of an event; what a message completes goes on with it."""
    w = weir(CONCAT, es_url=fake_es.url, prefix=prefix, interval="60s")
    a, b = Lines(w), Lines(w, "b")
    began = time.monotonic()
    a.send("lonely", "start 1", "more 1")
    b.send("start 2")
    a.send("even more 1")
    assert time.monotonic() - began < 5 * PATIENCE, "an ack waited"
    wait_for(w, fake_es, prefix, "lonely")
    assert w.metrics().sum("weir_held_events") == 4
    a.send("start 3", "more 3", "start 4")
    wait_for(w, fake_es, prefix, "lonely", "start 1\nmore 1\neven more 1", "start 3\nmore 3")
    m = w.metrics()
    assert m.sum("weir_joined_events_total") == 3
    assert m.sum("weir_held_events") == 2
    assert m.sum("weir_source_filtered_events_total") == 0
    assert m.sum("weir_source_events_total") == 8 == m.sum("weir_buffer_durable_events_total") + \
        m.sum("weir_joined_events_total") + m.sum("weir_held_events")
    w.stop()  # what waits is joined as it is
    w.start()
    wait_for(w, fake_es, prefix, "lonely", "start 1\nmore 1\neven more 1", "start 3\nmore 3", "start 2", "start 4")
    found = {d["log"]: d["@timestamp"] for d in fake_es.documents(f"{prefix}-*").values()}
    assert found["start 1\nmore 1\neven more 1"].startswith("2023-11-14T22:13:23")


def test_killed_while_events_wait(weir, fake_es, prefix):
    """kill -9: what was acknowledged waits again; a message sent again does not come twice."""
    w = weir(CONCAT, es_url=fake_es.url, prefix=prefix, interval="60s")
    a, b = Lines(w), Lines(w, "b")
    a.send("start 1", "more 1")
    b.send("start 2", "more 2")
    w.kill9()
    w.start()
    assert w.metrics().sum("weir_held_events") == 4
    b.again()
    assert w.metrics().sum("weir_held_events") == 4
    a.send("even more 1")
    w.kill9()
    w.start()
    a.again()
    b.send("and more 2")
    a.send("start 3")
    b.send("start 4")
    want = ["start 1\nmore 1\neven more 1", "start 2\nmore 2\nand more 2"]
    wait_for(w, fake_es, prefix, *want)
    w.kill9()
    w.start()
    a.again()
    b.again()
    w.stop()
    w.start()
    wait_for(w, fake_es, prefix, *want, "start 3", "start 4")


class Groups(threading.Thread):
    """A careful client whose events are lines of groups, cut into messages anywhere; what has no ack is sent again."""

    def __init__(self, w, pod, seed, tag="app.x", trace=""):
        super().__init__(daemon=True)
        self.w, self.pod, self.random, self.tag, self.trace = w, pod, random.Random(seed), tag, trace
        self.ended = threading.Event()
        self.expected, self.acked, self.repeated, self.lines = [], 0, 0, self.make_lines()
        self.error = None

    def make_lines(self):
        for group in itertools.count():
            lines = [f"start {self.pod} {group}{self.trace}"] + [f"more {self.pod} {group} {i}" for i in range(self.random.randrange(5))]
            self.expected.append("\n".join(lines))
            yield from lines
            if self.ended.is_set():
                return

    def run(self):
        try:
            n = 0
            while True:
                some = list(itertools.islice(self.lines, self.random.randrange(1, 9)))
                if not some:
                    return
                entries = [(event_time(T + n + i), {"log": text, "pod": self.pod}) for i, text in enumerate(some)]
                n += len(some)
                chunk = chunk_id()
                self.deliver(chunk, encode("packed", self.tag, entries, chunk))
                self.acked += 1
        except BaseException as e:
            self.error = e
            raise

    def deliver(self, chunk, data):
        while True:
            try:
                with Connection(self.w.port) as c:
                    c.send(data)
                    assert c.ack() == chunk
                return
            except OSError:
                self.repeated += 1
                time.sleep(0.01)


def finish(w, es, prefix, senders):
    """No new groups; then each is found once, and whole."""
    for s in senders:
        s.ended.set()
        s.join(20)
        assert not s.is_alive() and not s.error
    w.stop()
    w.start()
    want = sorted(itertools.chain.from_iterable(s.expected for s in senders))
    wait_until(lambda: len(texts(es, prefix)) >= len(want), 20, w.log_tail)
    got = texts(es, prefix)
    assert {"missing": sorted(set(want) - set(got))[:5], "wrong": sorted(set(got) - set(want))[:5], "count": len(got)} == \
        {"missing": [], "wrong": [], "count": len(want)}


def test_killed_again_and_again(weir, fake_es, prefix):
    """At any moment."""
    w = weir(CONCAT, es_url=fake_es.url, prefix=prefix, interval="60s")
    senders = [Groups(w, f"pod{i}", i) for i in range(4)]
    dice = random.Random(3)
    for s in senders:
        s.start()
    for _ in range(10):
        want = sum(s.acked for s in senders) + dice.randrange(5, 150)
        wait_until(lambda: sum(s.acked for s in senders) >= want, 20, w.log_tail, 0.001)
        w.kill9()
        w.start()
    assert sum(s.repeated for s in senders)
    finish(w, fake_es, prefix, senders)


@pytest.mark.parametrize("tag,trace", [("app.x", ""), ("raw.x", " Exception: x")], ids=["concat", "concat and detect_exceptions"])
def test_killed_at_each_step(weir, fake_es, prefix, tag, trace):
    """At each durable step: between what was joined, what the journal is told, and the ack. Also where what was joined waits once more."""
    w = weir(CONCAT.replace("<match **>", DETECT_BEHIND), start=False, es_url=fake_es.url, prefix=prefix, interval="60s")
    senders = [Groups(w, f"pod{i}", i, tag, trace) for i in range(3)]
    dice = random.Random(5)
    for s in senders:
        s.start()
    for step in ("held-durable", "held-told", "ack-owed", "group-written", "group-synced", "group-reported") * 2:
        w.env["WEIR_DIE_AT"] = f"{step}:{dice.randrange(1, 60)}"
        w.start(wait=False)
        wait_until(lambda: not w.process.is_running(), 10, lambda: f"it comes to {step}:\n{w.log_tail()}", 0.005)
        w.kill9()
    del w.env["WEIR_DIE_AT"]
    w.start()
    finish(w, fake_es, prefix, senders)


DETECT = SYSTEM + """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
</source>
<match raw.**>
  @type detect_exceptions
  @id detect
  remove_tag_prefix raw
  message log
  stream pod
  languages java, python
  multiline_flush_interval {{interval}}
</match>
<match **>
  @type elasticsearch
  @id es
  hosts {{es_url}}
  index_name {{prefix}}
  include_tag_key true
  <buffer>
    flush_interval 0.1
  </buffer>
</match>
"""


def test_stack_traces(weir, fake_es, prefix):
    """Traces are joined over messages, kill -9 or not; other lines go on at once; time completes what nothing else does."""
    w = weir(DETECT, es_url=fake_es.url, prefix=prefix, interval="0")
    a = Lines(w, tag="raw.app")

    def found():
        return sorted((d["log"], d["tag"]) for d in fake_es.documents(prefix).values())

    def wait_found(*want):
        want = sorted((text, "app") for text in want)
        wait_until(lambda: found() == want, 10, lambda: f"{want}, there are {found()}\n{w.log_tail()}")

    a.send("x\n", "E: Exception: y\n", "\tat a.B.c(B.java:1)\n")
    wait_found("x\n")
    w.kill9()
    w.start()
    a.send("\tat a.B.d(B.java:2)\n", "z\n")
    trace = "E: Exception: y\n\tat a.B.c(B.java:1)\n\tat a.B.d(B.java:2)\n"
    wait_found("x\n", trace, "z\n")
    a.send("Traceback (most recent call last):\n", "  File \"a.py\"\n", "    f()\n", "ValueError: v\n")
    python = "Traceback (most recent call last):\n  File \"a.py\"\n    f()\nValueError: v\n"
    wait_found("x\n", trace, "z\n", python)
    a.send("Error: late\n")
    w.stop()
    w.configure(w.config.replace("multiline_flush_interval 0", "multiline_flush_interval 0.2"))
    w.start()
    wait_found("x\n", trace, "z\n", python, "Error: late\n")
    a.send("Error: later\n", "\tat x\n")
    wait_found("x\n", trace, "z\n", python, "Error: late\n", "Error: later\n\tat x\n")
    assert w.metrics().sum("weir_held_timeouts_total") == 1


LABELS = SYSTEM + """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
</source>
<filter **>
  @type concat
  key log
  n_lines 3
  flush_interval 0.2
  {{concat}}
</filter>
{{labels}}
<match **>
  @type file
  path {{root}}/joined
  <format>
    @type single_value
    message_key log
  </format>
  <buffer []>
    flush_mode immediate
  </buffer>
</match>
"""

LABEL = """
<label {name}>
  <match **>
    @type file
    path {{{{root}}}}/late
    <format>
      @type single_value
      message_key log
    </format>
    <buffer []>
      flush_mode immediate
    </buffer>
  </match>
</label>
"""


@pytest.mark.parametrize("concat,labels,place", [
    ("timeout_label @LATE", LABEL.format(name="@LATE"), "late"), ("", LABEL.format(name="@ERROR"), "late"), ("", "", "joined")])
def test_where_time_completes(weir, concat, labels, place):
    """To timeout_label, else to <label @ERROR>, else on its way."""
    config = LABELS.replace("{{concat}}", concat).replace("{{labels}}", labels.replace("{{{{", "{{").replace("}}}}", "}}"))
    w = weir(config)
    a = Lines(w)
    a.send("1", "2")
    a.send("3", "4")

    def read(name):
        found = []
        for path in glob.glob(f"{w.root}/{name}*.log"):
            with open(path) as f:
                found.append(f.read())
        return sorted(found)
    want = ["1\n2\n3\n", "4\n"]
    wait_until(lambda: sorted(read("joined") + read("late")) == want, 10,
               lambda: f"{read('joined')} {read('late')}\n{w.log_tail()}")
    assert read(place)[-1] == "4\n"


def test_plugin_is_gone(weir, fake_es, prefix):
    """Events that waited for a plugin that the configuration has no more are dead letters."""
    w = weir(CONCAT, es_url=fake_es.url, prefix=prefix, interval="60s")
    Lines(w).send("start 1", "more 1")
    w.kill9()
    w.configure(w.config.replace("@id join", "@id other"))
    w.start()
    wait_until(lambda: w.metrics().sum("weir_dead_letter_events_total", reason="held_by_nobody") == 2, 10, w.log_tail)
    w.restart()
    assert w.metrics().sum("weir_dead_letter_events_total", reason="held_by_nobody") == 0


def test_no_plugin_is_there(weir, fake_es, prefix):
    """Nor any other that holds events: they stay, and weir says so, until they were delivered."""
    w = weir(CONCAT, es_url=fake_es.url, prefix=prefix, interval="60s")
    Lines(w).send("start 1", "more 1")
    w.kill9()
    with_filter = w.config
    w.configure(with_filter.replace("<filter **>", "<filter nothing>").replace("@type concat", "@type grep")
                .replace("key log", "<regexp>\nkey log\npattern /x/\n</regexp>").replace("stream_identity_key pod", "")
                .replace("multiline_start_regexp /^start/", "").replace("flush_interval 60s", ""))
    w.start()
    w.wait_log("the configuration has no such plugin")
    w.stop()
    w.configure(with_filter)
    w.start()
    w.stop()
    assert not glob.glob(w.root + "/held/*.chunk")
    w.start()
    wait_for(w, fake_es, prefix, "start 1\nmore 1")


def test_journal_is_tidied(weir, fake_es, prefix):
    """Full chunks of the journal go when nothing of them waits any more; what waits is written anew and outlives them."""
    w = weir(CONCAT, es_url=fake_es.url, prefix=prefix, interval="60s")
    patient, busy = Lines(w, "patient"), Lines(w, "busy")
    patient.send("start p", "more p")
    big = "x" * 200000
    for i in range(80):
        busy.send(f"start {i} {big}")
    held = w.root + "/held"
    wait_until(lambda: sum(os.path.getsize(p) for p in glob.glob(held + "/*.chunk")) < 14 << 20, 10, w.log_tail)
    assert 0 < w.metrics().sum("weir_held_journal_bytes") < 14 << 20
    w.kill9()
    w.start()
    patient.send("end p", "start q")
    busy.send("start end")
    w.stop()
    w.start()
    wait_until(lambda: "start p\nmore p\nend p" in texts(fake_es, prefix), 10, w.log_tail)
    wait_until(lambda: len(texts(fake_es, prefix)) == 83, 10, lambda: f"{len(texts(fake_es, prefix))}\n{w.log_tail()}")


WITHOUT = CONCAT[:CONCAT.index("<filter")] + CONCAT[CONCAT.index("<match"):]


def test_reload_while_events_wait(weir, fake_es, prefix):
    """What waits at a reload waits on if its plugin has not changed, and goes on else; a configuration without such plugins, and one with them again, take over from each other; a crash behind it repeats nothing."""
    w = weir(CONCAT, es_url=fake_es.url, prefix=prefix, interval="60s")
    a, b = Lines(w), Lines(w, "b")
    a.send("start 1", "more 1")
    b.send("start 2")
    for text in ("1b", "1c"):
        reload(w, CONCAT.replace("<match", f"<match no.{text}>\n @type null\n</match>\n<match"))
        a.again()  # as if its ack had been lost
        a.send(f"more {text}")
    b.again()
    assert w.metrics().sum("weir_held_events") == 5
    w.kill9()
    w.start()
    reload(w)
    assert w.metrics().sum("weir_held_events") == 5
    reload(w, CONCAT.replace("/^start/", "/^(start|begin)/"))
    want = ["start 1\nmore 1\nmore 1b\nmore 1c", "start 2"]
    wait_for(w, fake_es, prefix, *want)
    a.send("start 3", "more 3")
    reload(w, WITHOUT)
    a.send("start 4")
    want += ["start 3\nmore 3", "start 4"]
    wait_for(w, fake_es, prefix, *want)
    reload(w, CONCAT)
    a.send("start 5", "more 5")
    assert w.metrics().sum("weir_held_events") == 2
    a.again()  # as if its ack had been lost
    reload(w, CONCAT.replace("/^start/", "/^(start|begin)/").replace("<match **>", DETECT_BEHIND))
    want += ["start 5\nmore 5"]
    wait_for(w, fake_es, prefix, *want)
    b.send("start 6")
    b.tag = "raw.x"
    b.send("start 7")
    wait_until(lambda: w.metrics().sum("weir_held_events") == 2, 10, w.log_tail)
    w.kill9()
    w.start()
    assert w.metrics().sum("weir_held_events") == 2
    w.stop()
    w.start()
    wait_for(w, fake_es, prefix, *want, "start 6", "start 7")


def test_first_held_after_reload(weir, fake_es, prefix):
    """Plugins that hold events come with a reload, and find what an earlier life left in their journal."""
    w = weir(CONCAT, es_url=fake_es.url, prefix=prefix, interval="60s")
    Lines(w).send("start 1", "more 1")
    w.kill9()
    w.configure(WITHOUT)
    w.start()
    reload(w, CONCAT)
    wait_until(lambda: w.metrics().sum("weir_held_events") == 2, 10, w.log_tail)
    Lines(w).send("more 2", "start 3")
    wait_for(w, fake_es, prefix, "start 1\nmore 1\nmore 2")


@pytest.mark.parametrize("times", [pytest.param(60, marks=pytest.mark.slow), 6])
def test_reload_under_load(weir, fake_es, prefix, times):
    """Each line comes once, whatever a reload finds waiting."""
    w = weir(CONCAT, es_url=fake_es.url, prefix=prefix, interval="5s")
    configs = [CONCAT, CONCAT.replace("/^start/", "/^(start|begin)/"), WITHOUT, CONCAT.replace("<match **>", DETECT_BEHIND)]
    done, sent, errors = threading.Event(), [], []

    def run(name):
        lines, n = Lines(w, name, "raw.x" if name == "c" else "app.x"), 0
        try:
            while not done.is_set():
                texts = [f"{'start' if (n + i) % 5 == 0 else 'more'} {name}{n + i}" for i in range(1 + n % 7)]
                n += len(texts)
                lines.send(*texts)
                sent.extend(texts)
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in "abc"]
    for t in threads:
        t.start()
    for i in range(times):
        before = len(sent)
        reload(w, configs[(i + 1) % len(configs)])
        wait_until(lambda: errors or len(sent) > before + 50, 30, w.log_tail)
    done.set()
    for t in threads:
        t.join(30)
    assert not errors, errors
    w.stop()
    w.start()

    def arrived():
        return sorted(line for text in texts(fake_es, prefix) for line in text.split("\n"))
    wait_until(lambda: len(arrived()) >= len(sent), 60, w.log_tail)
    assert arrived() == sorted(sent)
