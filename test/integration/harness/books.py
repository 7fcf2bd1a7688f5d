"""The books: every event that came in is in exactly one column of /metrics."""
from .waiting import wait_until

SOURCE = "in"
OUTPUT = "es"


class Books:
    """What one source with one output behind it has received, and what became of it, in this life of weir."""

    def __init__(self, w, source=SOURCE, output=OUTPUT):
        m = w.metrics()

        def of_source(name):
            return int(m.sum(f"weir_source_{name}_events_total", plugin_id=source))

        def of_output(name, kind="output", end="events_total"):
            return int(m.sum(f"weir_{kind}_{name}_{end}", plugin_id=output))

        self.received = int(m.sum("weir_source_events_total", plugin_id=source))
        self.refused = of_source("refused")
        self.elsewhere = of_source("unmatched") + of_source("filtered") + of_source("error") + of_source("repeated")
        self.dead_at_input = int(m.sum("weir_dead_letter_events_total", plugin_id=source))
        self.stored = of_output("durable", "buffer")
        self.indexed, self.already_there = of_output("indexed"), of_output("already_there")
        self.dead = int(m.sum("weir_dead_letter_events_total", plugin_id=output))
        self.dropped = of_output("dropped", "buffer")
        self.pending = of_output("stage", "buffer", "events") + of_output("queue", "buffer", "events")

    def balance(self):
        """received = stored + refused + elsewhere; stored = indexed + already there + dead + dropped + pending."""
        return (self.received == self.stored + self.refused + self.elsewhere + self.dead_at_input and
                self.stored == self.indexed + self.already_there + self.dead + self.dropped + self.pending)

    def __repr__(self):
        return ", ".join(f"{k} {v}" for k, v in vars(self).items())


def balanced(w, timeout=20, **plugins):
    """Waits until the books of a weir that is at rest balance with nothing pending; gives them."""
    seen = []

    def at_rest():
        seen[:] = [Books(w, **plugins)]
        return seen[0] if seen[0].pending == 0 and seen[0].balance() else None
    return wait_until(at_rest, timeout, lambda: f"the books balance: {seen}\n{w.log_tail()}")
