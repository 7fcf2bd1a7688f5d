"""System calls that misbehave under the whole program: clocks that jump, syncs that fail or take long, memory that runs out."""
import json
import mmap
import os
import socket
import struct
import subprocess
import time

import msgpack
from fake_es import FakeES
from delivery import load_gen
from harness.forward import encode, event_time
from harness.waiting import wait_until
from oracle import Traffic, books_balance, compare, compare_events, drain, is_drained, make_weir, refuse_planted

HERE = os.path.dirname(os.path.abspath(__file__))
KNOBS = ("wall_offset_s", "sync_delay_us", "sync_fail_in", "alloc_fail_in", "address", "connection_life_s", "syncs", "allocs")


class Shim:
    """Wraps a weir; its knobs are attributes that may be set while weir runs."""

    def __init__(self, build_folder, folder):
        library = os.path.join(build_folder, "shim.so")
        if not os.path.exists(library):
            subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "shim.c"), "-ldl"], check=True)
        path = os.path.join(folder, "knobs")
        with open(path, "wb") as f:
            f.write(bytes(8 * len(KNOBS)))
        with open(path, "r+b") as f:
            self.__dict__["memory"] = mmap.mmap(f.fileno(), 8 * len(KNOBS))
        # For weir alone, not for the shell that starts it.
        self.__dict__["launcher"] = ["env", f"LD_PRELOAD={library}", f"WEIR_SHIM={path}"]

    def __getattr__(self, name):
        return struct.unpack_from("q", self.memory, 8 * KNOBS.index(name))[0]

    def __setattr__(self, name, value):
        struct.pack_into("q", self.memory, 8 * KNOBS.index(name), value)


def shimmed(c, es, **values):
    """A weir under a shim, not started yet."""
    folder = c.place()
    shim, w = Shim(c.folder, folder), make_weir(folder, es.url, **values)
    w.launcher = shim.launcher
    return shim, w


def clock(c):
    """The wall clock jumps by an hour, to 1970, 2038 and 2106 and back: no stall, no storm, nothing lost."""
    now = int(time.time())
    jumps = (3600, -3600, 60 - now, 2**31 - now, 2**32 + 5 - now, 90 * 86400, 0)
    rounds = c.times(40)
    with FakeES() as es:
        refuse_planted(es)
        shim, w = shimmed(c, es, buffer="retry_forever false\nretry_timeout 1h")
        w.start()
        with Traffic(w.port, count=3, rate=2000, seed=c.dice.randrange(10**6)) as traffic:
            for n in range(rounds):
                shim.wall_offset_s = c.dice.choice(jumps) if n else jumps[2]
                before, stored, requests = traffic.acked(), es.stored_events(), len(es.bulk_requests())
                wait_until(lambda: traffic.acked() > before + 500, 20, lambda: f"acks go on:\n{w.log_tail()}")
                wait_until(lambda: es.stored_events() > stored + 300, 20, lambda: f"delivery goes on:\n{w.log_tail()}")
                assert len(es.bulk_requests()) - requests < 200, "a storm of requests"
                if n % 5 == 4:
                    w.kill9()
                    w.start()
            drain(w, es, traffic)
        compare(c, es, traffic, rounds, w)
        w.stop()


def sync_fails(c):
    """A sync fails with EIO and then seems to succeed: no ack of what it was for, senders repeat it, nothing is lost."""
    rounds = c.times(40)
    for n in range(rounds):
        with FakeES() as es:
            refuse_planted(es)
            shim, w = shimmed(c, es, buffer="chunk_limit_size 256k")
            w.start()
            with Traffic(w.port, count=3, seed=c.dice.randrange(10**6)) as traffic:
                for _ in range(2):  # the third within ten minutes ends the taking in
                    shim.sync_fail_in = c.dice.randrange(1, 40)
                    wait_until(lambda: shim.sync_fail_in == 0, 30, "a sync that fails", 0.002)
                    before = traffic.acked()
                    wait_until(lambda: traffic.acked() > before + 100, 30, lambda: f"acks go on:\n{w.log_tail()}")
                if n % 2:
                    w.kill9()
                    w.start()
                drain(w, es, traffic)
            compare(c, es, traffic, 2, w)
            w.stop()
        c.progress(f"round {n + 1} of {rounds}")


def load(port, first, count, *options):
    """Events of load_gen, all acknowledged: (None, first), (None, first + 1) ... for the server. What it tells of them."""
    r = subprocess.run([load_gen(), "--port", str(port), "--chunk", "100", "--first", str(first), "--records", str(count), *options],
                       stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(r.stdout)
    assert told["acked"] == count, told
    return told


def slow_disk(c):
    """Syncs of 1, 50, 500 and 5,000 ms: one group covers all that wait, so events a second stay, and the loops never block."""
    each, rates, first = 100000 * max(2, c.times(10)), {}, 0
    with FakeES(keep_documents=False) as es:
        refuse_planted(es)
        es.close_listener()
        shim, w = shimmed(c, es)
        w.start()
        for delay, count in ((1, each), (50, each), (500, each), (5000, each // 20)):
            shim.sync_delay_us = delay * 1000
            told = load(w.port, first, count, "--connections", "4", "--window", "64", "--rate", "100000")
            first += count
            begin = time.monotonic()
            assert w.get("/healthz").status == 200
            answered = time.monotonic() - begin
            rates[delay] = told["acked"] / told["elapsed"]
            c.note(f"{delay} ms: {rates[delay] / 1000:.0f}k events/s, acks within {told['ack_ms_max']:.0f} ms")
            assert answered < 0.5, "the admin endpoint waits for the disk"
            assert told["ack_ms_max"] < 2 * delay + 1000, "an ack waits for more than the sync that goes on and its own"
        assert rates[50] >= rates[1] / 2, rates
        shim.sync_delay_us = 0
        es.open_listener()
        wait_until(lambda: is_drained(w), 60 + first / 5000, lambda: f"an empty buffer:\n{w.log_tail()}", 0.5)
        books_balance(w, first)
        events = {(None, n) for n in range(first)}
        compare_events(c, es, events, events, len(rates))
        w.stop()


def no_memory(c):
    """The n-th allocation fails, at the start or under load: an orderly end or a refusal, never a crash, and nothing is lost."""
    runs, ends, hits = c.times(300), {}, 0
    with FakeES() as es:
        refuse_planted(es)
        shim, w = shimmed(c, es, buffer="chunk_limit_size 64k")
        w.start()
        with Traffic(w.port, count=3, seed=c.dice.randrange(10**6)) as traffic:
            for _ in range(runs):
                w.kill9()
                shim.alloc_fail_in = int(1.2 ** c.dice.randrange(10, 48))  # from the first ones to thousands
                w.start(wait=False)
                try:
                    status = w.process.popen.wait(0.5)
                except subprocess.TimeoutExpired:
                    status = "lives"
                ends[status] = ends.get(status, 0) + 1
                hits += shim.alloc_fail_in == 0
                assert status in ("lives", 0, 1, 71), f"status {status} after allocation failure:\n{w.log_tail()}"
            w.kill9()
            shim.alloc_fail_in = 0
            w.start()
            drain(w, es, traffic)
        compare(c, es, traffic, runs, w)
        w.stop()
    c.note(f"{hits} allocations failed; ends: " + ", ".join(f"{k} {n}" for k, n in sorted(ends.items(), key=str)))


class Deaf:
    """A sender that sends until the socket takes no more, and reads no ack before it is asked to."""

    def __init__(self, port, name, chunks):
        self.name, self.begun = name, 0
        self.sock = socket.create_connection(("127.0.0.1", port), 5)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.sock.settimeout(0.2)
        try:
            while self.begun < chunks:
                self.begun += 1
                self.sock.sendall(one_event(name, self.begun - 1))
        except OSError:
            pass

    def events(self):
        return {(self.name, n) for n in range(self.begun)}

    def acked(self):
        """Reads until nothing more comes."""
        acks = msgpack.Unpacker()
        count = 0
        try:
            while data := self.sock.recv(1 << 16):
                acks.feed(data)
                count += sum(1 for _ in acks)
        except OSError:
            pass
        return {(self.name, n) for n in range(count)}


def one_event(sender, seq):
    return encode("packed", "slow", [(event_time(int(time.time())), {"sender": sender, "seq": seq})], f"{sender}-{seq}-" + "x" * 200)


def dribble(crowd, messages):
    """The rest of some messages of which the first half is sent, byte by byte in turn."""
    for n in range(len(messages[0]) // 2, max(map(len, messages))):
        for s, message in zip(crowd, messages):
            s.sendall(message[n:n + 1])
    for s in crowd:
        s.settimeout(30)
        assert s.recv(1000), "an ack for a message that came byte by byte"


def slow_senders(c):
    """1,000 senders that dribble or say half a message, some that never read acks: the others do not notice, memory stays."""
    each = 10000 * max(1, c.times(5))
    quick = ("--connections", "2", "--window", "8", "--rate", "10000")
    with FakeES() as es:
        refuse_planted(es)
        es.close_listener()
        w = make_weir(c.place(), es.url).start()
        alone, before = load(w.port, 0, each, *quick)["ack_ms_p99"], w.rss()
        halves = [one_event(f"half-{i:04}", 0) for i in range(c.times(1000))]
        crowd = [socket.create_connection(("127.0.0.1", w.port), 5) for _ in halves]
        for s, message in zip(crowd, halves):
            s.sendall(message[:len(halves[0]) // 2])
        deaf = [Deaf(w.port, f"deaf-{i}", 3000) for i in range(max(2, c.times(20)))]
        with_crowd = load(w.port, each, each, *quick)["ack_ms_p99"]
        dribble(crowd[:10], halves)
        grown = (w.rss() - before) >> 20
        c.note(f"ack p99 alone {alone:.1f} ms, among {len(crowd + deaf)} slow ones {with_crowd:.1f} ms; memory {grown:+} MiB")
        assert with_crowd < 2 * alone + 100, (alone, with_crowd)
        assert grown < 64
        acked = {(None, n) for n in range(2 * each)} | {(f"half-{i:04}", 0) for i in range(min(10, len(crowd)))}
        acked = acked.union(*(d.acked() for d in deaf))
        for s in crowd + [d.sock for d in deaf]:
            s.close()
        es.open_listener()
        w.flush()
        wait_until(lambda: is_drained(w), 120, lambda: f"an empty buffer:\n{w.log_tail()}")
        books_balance(w, len(acked))
        compare_events(c, es, acked, acked.union(*(d.events() for d in deaf)), len(crowd + deaf))
        w.stop()


SCENARIOS = {"clock": clock, "sync-fails": sync_fails, "slow-disk": slow_disk, "no-memory": no_memory,
             "slow-senders": slow_senders}
