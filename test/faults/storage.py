"""Disks that fail: simulated ones under the real buffer code, and a real one that is full."""
import os
import re
import shutil
import subprocess
import time

from fake_es import FakeES
from harness.waiting import wait_until
from harness.weir import ROOT
from oracle import Traffic, compare, drain, make_weir, refuse_planted


KEPT_FREE = 3 << 20


def unit(name, **env):
    """Runs a unit test of the buffer; its output."""
    program = f"build/release/test/unit/buffer/{name}_test"
    subprocess.run(["make", "-C", ROOT, "--no-print-directory", "-s", program], check=True, stdout=subprocess.DEVNULL)
    r = subprocess.run([os.path.join(ROOT, program)], env={**os.environ, **{k: str(v) for k, v in env.items()}},
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert r.returncode == 0, r.stdout[-4000:]
    return r.stdout


def power_cuts(c):
    """100,000 power cuts of a simulated disk that drops, keeps and tears what was not synced."""
    left, seed = c.times(100000), c.dice.randrange(1, 10**9)
    while left:
        some = min(left, 5000)
        out = unit("power_cut", WEIR_POWER_CUTS=some, WEIR_POWER_SEED=seed)
        left, seed = left - some, seed + 10**6
        figures = {k: int(n) for n, k in re.findall(r"(\d+) (?:frames )?(acknowledged|acked|read)", out)}
        c.add(runs=some, acked=figures.get("acked", figures.get("acknowledged", 0)), indexed=figures.get("read", 0))
        c.progress(f"{left} power cuts left")


def syscalls(c):
    """ENOSPC, EIO, EINTR, short writes, and a sync that fails and then succeeds, at the n-th call for all n."""
    for name in ("fault", "crash_point", "damage", "folder"):
        out = unit(name)
        c.add(runs=len(re.findall(r"\[       OK", out)))
        c.progress(name)


def disk_full(c):
    """A file system that fills up while the server is away: senders wait, nothing is lost, and it goes on by itself."""
    rounds, longest = c.times(20), 0
    for n in range(rounds):
        place = c.place()
        root = os.path.join(place, "root")
        os.makedirs(root)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", root], stderr=subprocess.DEVNULL).returncode:
            c.note("skipped: no right to mount a small file system")
            return
        try:
            longest = max(longest, fill(c, place, root))
        finally:
            subprocess.run(["umount", root], check=True)
            shutil.rmtree(place)
        c.progress(f"round {n + 1} of {rounds}")
    c.note(f"acks again {longest:.1f} s after there was space")
    assert longest < 5


def fill(c, place, root):
    """One round; how long it took from free space to an ack, in seconds."""
    with FakeES() as es:
        refuse_planted(es)
        es.close_listener()
        w = make_weir(place, es.url, root=root, buffer=f"chunk_limit_size 256k\nmin_free_size {KEPT_FREE}").start()
        try:
            return fill_and_drain(c, es, w)
        finally:
            if w.process:
                w.kill9()


def free_bytes(path):
    s = os.statvfs(path)
    return s.f_bavail * s.f_frsize


def is_full(w):
    m = w.metrics()
    return m.sum("weir_buffer_disk_full", plugin_id="es") == 1


def fill_and_drain(c, es, w):
    with Traffic(w.port, count=3, seed=c.dice.randrange(10**6), max_chunk=400) as traffic:
        wait_until(lambda: is_full(w), 60, lambda: f"a full disk:\n{w.log_tail()}")
        if c.dice.random() < 0.5:
            w.kill9()
            w.start(wait=False)
        before = traffic.acked()
        es.open_listener()
        # Room that is there to stay: a file of dead letters needs some of it.
        wait_until(lambda: free_bytes(w.root) >= KEPT_FREE + (1 << 19) or traffic.acked() > before, 60,
                   lambda: f"delivery makes room:\n{w.log_tail()}", 0.005)
        begin = time.monotonic()
        wait_until(lambda: traffic.acked() > before, 60, lambda: f"acks go on:\n{w.log_tail()}", 0.005)
        took = time.monotonic() - begin
        drain(w, es, traffic)
    compare(c, es, traffic, 1, w)
    w.stop()
    return took


SCENARIOS = {"power-cuts": power_cuts, "syscalls": syscalls, "disk-full": disk_full}
