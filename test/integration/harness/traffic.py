"""Several steady senders, and what is missing of theirs in the end."""
import threading

from .forward import Sender
from .waiting import PATIENCE


class Traffic:
    """Some senders in threads."""

    def __init__(self, port, count=3, seed=0, sender=Sender, **options):
        self.stop_event = threading.Event()
        self.senders = [sender(port, f"s{i}", tag=f"app.s{i}", seed=seed + i, **options) for i in range(count)]
        self.threads = [threading.Thread(target=s.run, args=(self.stop_event,), daemon=True) for s in self.senders]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop_event.set()

    def acked(self):
        for s in self.senders:
            if s.error:
                raise s.error
        return sum(s.acked for s in self.senders)

    def finish(self, timeout=60):
        """No new events; waits until all that were sent are acknowledged."""
        self.stop_event.set()
        for t in self.threads:
            t.join(timeout * PATIENCE)
        assert not any(t.is_alive() for t in self.threads), "chunks stay without an ack"
        return self.acked()

    def events(self):
        return {(s.name, seq) for s in self.senders for seq in range(s.sent)}

    def expected(self, identity):
        name, seq = identity
        return next(s for s in self.senders if s.name == name).event(seq)


def difference(traffic, documents):
    """What is missing, doubled or changed among the documents found."""
    seen, wrong = {}, []
    for d in documents:
        identity = (d["sender"], d["seq"])
        seen[identity] = seen.get(identity, 0) + 1
        want = traffic.expected(identity)
        if {k: v for k, v in d.items() if k in want} != want:
            wrong.append(d)
    want = traffic.events()
    return {"missing": sorted(want - set(seen))[:10], "unknown": sorted(set(seen) - want)[:10],
            "twice": {e: n for e, n in seen.items() if n > 1}, "wrong": wrong[:3]}


NOTHING = {"missing": [], "unknown": [], "twice": {}, "wrong": []}
