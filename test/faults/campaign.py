"""Fault campaigns against the whole program: `make faults`, or test/faults/run [SCENARIO ...] [--seed N] [--scale X].

Each scenario sends events with acks, lets something fail again and again, drains, and compares what was acknowledged with what the
search server has and with the dead letters. The report has a line for each:

    runs      how often something failed             acked    events whose ack came
    indexed   events that the server has             dead     dead letters (planted events that no server takes)
    lost      acknowledged, and neither indexed nor planted: must be 0
    doubled   events that are there twice, or that nobody sent: must be 0

--scale (or FAULTS_SCALE) makes all of them shorter or longer: 1 is the full campaign of some hours, 0.02 takes about five minutes.
--seed (or FAULTS_SEED) repeats the random choices of an earlier run; a scenario that fails prints the command that repeats it.
Ends with 1 if a scenario failed.
"""
import argparse
import os
import random
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../integration"), os.path.join(HERE, "..")]

COLUMNS = ("runs", "acked", "indexed", "dead", "lost", "doubled")


class Campaign:
    """What a scenario is given: its dice, how long it is to be, and where its result goes."""

    def __init__(self, name, seed, scale, folder, say):
        self.name, self.seed, self.scale, self.folder, self.say = name, seed, scale, folder, say
        self.dice = random.Random(f"{name} {seed}")
        self.result = dict.fromkeys(COLUMNS, 0)
        self.notes = []
        self.parts = 0

    def times(self, full):
        """How often something is done that the full campaign does `full` times."""
        return max(1, round(full * self.scale))

    def place(self):
        """A new folder, for one weir."""
        self.parts += 1
        path = os.path.join(self.folder, f"{self.name}-{self.parts}")
        os.makedirs(path)
        return path

    def add(self, **more):
        for k, v in more.items():
            self.result[k] += v
        if more.get("lost") or more.get("doubled"):
            self.notes.append(f"lost or doubled in part {self.parts}")

    def note(self, text):
        self.notes.append(text)

    def progress(self, text):
        self.say(f"{self.name}: {text}; " + ", ".join(f"{k} {self.result[k]}" for k in COLUMNS))


def scenarios():
    import delivery
    import kills
    import servers
    import storage
    import system
    return {**kills.SCENARIOS, **delivery.SCENARIOS, **storage.SCENARIOS, **system.SCENARIOS, **servers.SCENARIOS}


def report(done):
    width = max(len(c.name) for c, _, _ in done)
    print(f"\n{'scenario':{width}} " + " ".join(f"{k:>9}" for k in COLUMNS) + "   seconds")
    for c, seconds, error in done:
        figures = " ".join(f"{c.result[k]:9}" for k in COLUMNS)
        print(f"{c.name:{width}} {figures} {seconds:9.0f}   {'FAILED ' if error else ''}{'; '.join(c.notes)}")


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("scenario", nargs="*")
    ap.add_argument("--seed", type=int, default=int(os.environ.get("FAULTS_SEED", "0")) or random.randrange(1, 10**9))
    ap.add_argument("--scale", type=float, default=float(os.environ.get("FAULTS_SCALE", "1")))
    ap.add_argument("--keep", action="store_true", help="keep the folders of the scenarios")
    ap.add_argument("--list", action="store_true")
    a = ap.parse_args()
    known = scenarios()
    if a.list:
        for name, fn in known.items():
            print(f"{name:16} {fn.__doc__.splitlines()[0]}")
        return 0
    if set(a.scenario) - set(known):
        ap.error(f"no such scenario: {', '.join(set(a.scenario) - set(known))}; there are {', '.join(known)}")
    print(f"fault campaigns: seed {a.seed}, scale {a.scale}", flush=True)
    done, folder = [], tempfile.mkdtemp(prefix="weir-faults-")
    for name in a.scenario or known:
        c = Campaign(name, a.seed, a.scale, folder, lambda text: print("  " + text, flush=True))
        begin, error = time.monotonic(), None
        try:
            known[name](c)
            assert not c.result["lost"] and not c.result["doubled"], "events were lost or doubled"
        except Exception as e:
            error = e
            traceback.print_exc()
            print(f"  to repeat it: test/faults/run {name} --seed {a.seed} --scale {a.scale}; its folders are in {folder}", flush=True)
        done.append((c, time.monotonic() - begin, error))
        c.progress("failed" if error else "done")
    report(done)
    failed = any(error for _, _, error in done)
    if not failed and not a.keep:
        import shutil
        shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
