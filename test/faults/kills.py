"""kill -9 at random times and at every named durable step; SIGTERM under load."""
import os
import re
import statistics
import time

import fake_faults as faults
from fake_es import FakeES
from harness.waiting import PATIENCE, wait_until
from harness.weir import ELASTICSEARCH, ROOT
from oracle import Traffic, compare, drain, ends_well, make_weir, no_files_left, refuse_planted

SMALL = "chunk_limit_size 64k"
A_LIFE = 25  # kills of one weir, before what it has is compared


def trouble(c, es):
    """Faults that go on by turns while weir is killed, so that it dies in retries as well."""
    make = (lambda: faults.reject_items(0.2, times=3, seed=c.dice.random()), lambda: faults.lose_reply(times=1),
            lambda: faults.status(503, times=1), lambda: faults.cut_reply(c.dice.randrange(60), times=1),
            lambda: faults.late(0.05, times=3))
    es.fault(c.dice.choice(make)())


def restart(w, times):
    begin = time.monotonic()
    w.start()
    times.append(time.monotonic() - begin)


def kill_at_random(c, w, es, traffic, kills, times):
    for _ in range(kills):
        before, more = traffic.acked(), c.dice.randrange(20, 1500)
        if c.dice.random() < 0.5:
            trouble(c, es)
        wait_until(lambda: traffic.acked() >= before + more, 60, lambda: f"acks come:\n{w.log_tail()}", 0.001)
        w.kill9()
        restart(w, times)


def kill_random(c):
    """kill -9 at random times, under load of all forms of messages, with a server that fails as well."""
    left, times = c.times(1000), []
    while left:
        kills = min(left, A_LIFE)
        left -= kills
        with FakeES() as es:
            refuse_planted(es)
            w = make_weir(c.place(), es.url, buffer=SMALL).start()
            with Traffic(w.port, count=4, seed=c.dice.randrange(10**6)) as traffic:
                kill_at_random(c, w, es, traffic, kills, times)
                drain(w, es, traffic)
            compare(c, es, traffic, kills, w)
            ends_well(w)
            no_files_left(w)
            assert not es.violations, es.violations[:5]
        c.progress(f"{left} kills left")
    times.sort()
    c.note(f"restart: median {statistics.median(times):.2f} s, p99 {times[int(len(times) * 0.99)]:.2f} s")


def points():
    """The names of all durable steps, from the headers that define them."""
    found = []
    for header in ("lib/buffer/crash_point.h", "server/die_at.h"):
        with open(os.path.join(ROOT, header)) as f:
            found += re.findall(r'^\s+X\(\w+, +"([a-z-]+)"\)', f.read(), re.M)
    assert len(found) > 20
    return found


# Steps of copying damage away: what they copy has no ack to lose, and the unit tests come by them. And those of events that wait for others: test_held.py.
NOT_HERE = {"backup-written", "backup-synced", "held-durable", "held-told", "tail-planned", "tail-stored", "tail-told"}


def pause(traffic, on):
    """Nothing new is sent, or it goes on."""
    for s in traffic.senders:
        s.rate = 1e-9 if on else None


def die_at(w, point, times, wait):
    """A life of weir that ends at that step, or after `wait` seconds. True if it came to it."""
    w.env["WEIR_DIE_AT"] = f"{point}:{times}"
    w.start(wait=False)
    try:
        w.process.popen.wait(wait)
        died = True
    except Exception:
        died = False
    w.kill9()
    del w.env["WEIR_DIE_AT"]
    return died


def kill_points(c, only=None):
    """kill -9 at every named durable step, of the first life and of those after a kill."""
    rounds, reached = c.times(50), set()
    wanted = only or [p for p in points() if p not in NOT_HERE]
    for n in range(rounds):
        with FakeES() as es:
            refuse_planted(es)
            es.fault(faults.reject_items(0.1, seed=c.dice.random()))
            w = make_weir(c.place(), es.url, buffer=SMALL + "\nflush_interval 3s")  # else no file is quiet for the second before a mark
            runs = 0
            with Traffic(w.port, count=3, seed=c.dice.randrange(10**6)) as traffic:
                for point in c.dice.sample(wanted, len(wanted)):
                    # Start-up steps and those of a quiet second come but once a life.
                    rare = point.startswith(("recover", "mark", "ledger"))
                    is_mark = point.startswith("mark")
                    pause(traffic, is_mark)
                    if die_at(w, point, 1 if rare else c.dice.randrange(1, 6), 3 if is_mark else 1.5):
                        reached.add(point)
                    runs += 1
                pause(traffic, False)
                w.start()
                es.heal()
                refuse_planted(es)
                drain(w, es, traffic)
            compare(c, es, traffic, runs, w)
            ends_well(w)
            no_files_left(w)
        c.progress(f"round {n + 1} of {rounds}")
    missed = sorted(set(wanted) - reached)
    c.note(f"{len(reached)} of {len(wanted)} steps reached" + (f", not {', '.join(missed)}" if missed else ""))


def reset_by(traffic):
    return sum(s.resets for s in traffic.senders)


def sigterm(c):
    """SIGTERM under load: exit 0 in time, what was read is acknowledged, nothing lost, no reset; a second one hastens it."""
    rounds, slowest, resets = c.times(200), 0, None
    patient = rounds * 3 // 4
    with FakeES() as es:
        refuse_planted(es)
        w = make_weir(c.place(), es.url, buffer=SMALL).start()
        with Traffic(w.port, count=4, seed=c.dice.randrange(10**6)) as traffic:
            for n in range(rounds):
                before = traffic.acked()
                wait_until(lambda: traffic.acked() > before + c.dice.randrange(20, 500), 60, "acks come", 0.001)
                if n == patient:
                    resets = reset_by(traffic)  # from here on there may be some: who is cut off by a second signal
                begin = time.monotonic()
                if n >= patient:
                    w.process.signal(15)
                w.stop(10)
                slowest = max(slowest, time.monotonic() - begin)
                w.start()
            drain(w, es, traffic)
        assert not resets, f"{resets} resets"
        compare(c, es, traffic, rounds, w)
        ends_well(w)
    c.note(f"slowest end {slowest:.2f} s")
    assert slowest < 5 * PATIENCE


OTHER = ELASTICSEARCH.replace("flush_thread_count 2", "flush_thread_count 3\n    chunk_limit_size 256k\n    total_limit_size 100m")
RELOADED = "reloaded: the new configuration is in force"


def descriptors(w):
    return len(os.listdir(f"/proc/{w.pid}/fd"))


def reload(c):
    """SIGHUP under load: the configuration changes to and fro, no connection notices, memory and descriptors stay flat."""
    rounds, early = max(20, c.times(1000)), 0
    with FakeES() as es:
        refuse_planted(es)
        w = make_weir(c.place(), es.url).start()
        with Traffic(w.port, count=3, rate=500, seed=c.dice.randrange(10**6)) as traffic:
            wait_until(lambda: traffic.acked() > 100, 20, "acks come")
            at_first = descriptors(w)
            for n in range(rounds):
                before = traffic.acked()
                w.configure((OTHER, ELASTICSEARCH)[n % 2])
                done = w.log().count(RELOADED)
                w.reload()
                wait_until(lambda: w.log().count(RELOADED) > done and traffic.acked() > before, 60, w.log_tail, 0.01)
                if n == rounds // 5:
                    early = w.rss()
            late = w.rss()
            # The outputs of configurations before end what they are at.
            wait_until(lambda: descriptors(w) <= at_first + 4, 30, lambda: f"{at_first} descriptors, there are {descriptors(w)}")
            drain(w, es, traffic)
        assert not sum(s.broken for s in traffic.senders), "a connection was closed"
        compare(c, es, traffic, rounds, w)
        ends_well(w)
    c.note(f"after {rounds // 5} reloads {early >> 20} MiB, after all {late >> 20} MiB, descriptors as before")
    assert late < early * 1.1 + (8 << 20), (early, late)


SCENARIOS = {"kill-random": kill_random, "kill-points": kill_points, "sigterm": sigterm, "reload": reload}

