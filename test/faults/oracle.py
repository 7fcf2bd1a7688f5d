"""Whether every acknowledged event is where it must be."""
import os

import fake_faults as faults
from harness.traffic import Traffic
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH, Weir

# One of these many events is one that no server takes.
PLANTED_EVERY = 211


def is_planted(event):
    return event[1] % PLANTED_EVERY == 7


def refuse_planted(es):
    return es.fault(faults.items_if(lambda item: bool(item.document) and item.document.get("seq", 0) % PLANTED_EVERY == 7, 400,
                                    "document_parsing_exception", "[1:1] failed to parse field [seq]: planted"))


def make_weir(folder, url, config=ELASTICSEARCH, **values):
    return Weir(folder, config, es_url=url, prefix="t", **values)


def ends_well(w):
    """Stops a weir that has nothing left to do; its log must be free of what no fault explains."""
    w.stop()
    w.allow("failed to flush the buffer", "an index takes no events", "Hit limit for retries")
    w.check_log()


def is_drained(w):
    m = w.metrics()
    return m.sum("weir_buffer_stage_events", plugin_id="es") + m.sum("weir_buffer_queue_events", plugin_id="es") == 0


def books_balance(w, acked):
    """What the buffer has stored since its folder was made is all accounted for, over kills as well."""
    m = w.metrics()
    books = {k: m.sum("weir_buffer_events_total", plugin_id="es", outcome=k)
             for k in ("stored", "delivered", "already_there", "dead", "dropped", "lost")}
    assert m.sum("weir_buffer_events", plugin_id="es") == 0
    assert books["stored"] == sum(books.values()) - books["stored"] and books["lost"] == 0, books
    assert books["stored"] >= acked, (books, acked)


def compare(c, es, traffic, runs, w=None):
    """Adds to a campaign what a drained server has of the traffic; with a weir, its books have to say the same."""
    if w:
        books_balance(w, sum(s.sent for s in traffic.senders))
    return compare_events(c, es, traffic.events(), traffic.events(), runs)


def compare_events(c, es, acked, sent, runs):
    """The same for sets of (sender, seq). What was sent and not acknowledged may be there or not."""
    there = dict(es.event_counts)
    doubled = sum(n - 1 for n in there.values()) + len(set(there) - sent)
    lost = {e for e in acked - set(there) if not is_planted(e)}
    dead = sum(1 for e in acked if is_planted(e))
    wrong = sum(1 for e in there if is_planted(e))
    assert not wrong, "the server has taken a planted event"
    c.add(runs=runs, acked=len(acked), indexed=len(there), dead=dead, lost=len(lost), doubled=doubled)
    if lost:
        c.note(f"lost: {sorted(lost)[:10]}")
    return len(acked), len(there)


def drain(w, es, traffic, timeout=120):
    """No new events; waits until all that were sent are acknowledged and delivered."""
    traffic.finish(timeout)
    want = sum(1 for e in traffic.events() if not is_planted(e))
    wait_until(lambda: es.stored_events() >= want, timeout,
               lambda: f"{want} events stored, there are {es.stored_events()}:\n{w.log_tail()}")
    wait_until(lambda: is_drained(w), timeout, lambda: f"an empty buffer:\n{w.log_tail()}")


def no_files_left(w):
    left = [os.path.join(top, n) for top, _, names in os.walk(os.path.join(w.root, "es")) for n in names
            if n.endswith((".chunk", ".progress", ".new"))]
    assert not left, f"files of delivered chunks: {left[:5]}"


__all__ = ["Traffic", "books_balance", "compare", "compare_events", "drain", "ends_well", "is_drained", "is_planted", "make_weir", "no_files_left", "refuse_planted"]
