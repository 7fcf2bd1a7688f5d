"""A real OpenSearch and a real Elasticsearch that are in trouble: full queues, blocks, closed indices, conflicts, kill -9."""

from harness.forward import send_events
from harness.search import SearchServer
from harness.waiting import wait_until
from oracle import Traffic, make_weir

NAMES = ("opensearch2", "elasticsearch8")
MAPPING = {"properties": {"sender": {"type": "keyword"}, "seq": {"type": "long"}}}
BLOCK = "index.blocks.write"


def server_of(c, name, *settings):
    folder = c.place()
    server = SearchServer(name, folder, settings).start()
    server.put_template("t", "t-*", MAPPING)
    return folder, server


def compare(c, server, want, runs, dead=0):
    """`want`: identities that must be there once each."""
    seen = {}
    for h in server.documents("t-*"):
        identity = (h["_source"]["sender"], h["_source"]["seq"])
        seen[identity] = seen.get(identity, 0) + 1
    c.add(runs=runs, acked=len(want) + dead, indexed=len(seen), dead=dead, lost=len(want - set(seen)),
          doubled=sum(seen.values()) - len(seen) + len(set(seen) - want))


def drained(server, w, n):
    wait_until(lambda: server.count("t-*") >= n, 180, lambda: f"{n} documents, there are {server.count('t-*')}:\n{w.log_tail()}", 0.5)


def ends(w):
    w.allow("failed to flush the buffer", "an index takes no events")
    w.stop()
    w.check_log()


def with_both(fn):
    def run(c):
        for name in NAMES:
            fn(c, name)
            c.progress(name)
    run.__doc__ = fn.__doc__
    return run


@with_both
def killed(c, name):
    """kill -9 of the search server in the middle of traffic, again and again."""
    folder, server = server_of(c, name)
    try:
        w = make_weir(folder, server.url).start()
        kills = c.times(20)
        with Traffic(w.port, rate=100, seed=c.dice.randrange(10**6)) as traffic:
            for _ in range(kills):
                # In the middle of requests: not before the server takes them again.
                before, there = traffic.acked(), server.count("t-*")
                wait_until(lambda: server.count("t-*") > there, 120, lambda: f"documents come:\n{w.log_tail()}", 0.1)
                wait_until(lambda: traffic.acked() > before + c.dice.randrange(200, 1500), 60, "acks come")
                server.kill()
                before = traffic.acked()
                wait_until(lambda: traffic.acked() > before + 500, 60, "acks go on")
                server.start()
            total = traffic.finish()
        drained(server, w, total)
        compare(c, server, traffic.events(), kills)
        ends(w)
    finally:
        server.kill()


@with_both
def full_queue(c, name):
    """A write queue of one: most of what is sent side by side is answered with 429."""
    folder, server = server_of(c, name, "thread_pool.write.queue_size=1", "thread_pool.write.size=1")
    try:
        w = make_weir(folder, server.url, buffer="flush_thread_count 8\nchunk_limit_size 64k").start()
        n = c.times(200) * 500
        with Traffic(w.port, count=4, seed=c.dice.randrange(10**6)) as traffic:
            wait_until(lambda: traffic.acked() > n, 600, lambda: f"acks come:\n{w.log_tail()}", 0.1)
            total = traffic.finish()
        drained(server, w, total)
        m = w.metrics()
        c.note(f"{name}: {m.sum('weir_output_retried_events_total'):.0f} events were rejected for a while")
        compare(c, server, traffic.events(), 1)
        ends(w)
    finally:
        server.kill()


def block(server, on):
    server.ok("PUT", "/t-*/_settings", {BLOCK: on})


def close(server, on):
    indices = ",".join(server.ok("GET", "/t-*/_settings?expand_wildcards=all"))  # names: Elasticsearch closes no patterns
    server.ok("POST", f"/{indices}/" + ("_close" if on else "_open"))


@with_both
def blocked(c, name):
    """A write block, and a closed index: held with an alarm, and on it goes when it is lifted."""
    folder, server = server_of(c, name)
    try:
        w = make_weir(folder, server.url).start()
        with Traffic(w.port, rate=500, seed=c.dice.randrange(10**6)) as traffic:
            wait_until(lambda: server.count("t-*") > 100, 60, "documents come", 0.2)
            rounds = c.times(10)
            for n in range(rounds):
                change = (block, close)[n % 2]
                change(server, True)
                before = w.metrics().sum("weir_output_blocked_chunks_total")
                wait_until(lambda: w.metrics().sum("weir_output_blocked_chunks_total") > before, 60, lambda: f"held:\n{w.log_tail()}", 0.1)
                change(server, False)
                had = server.count("t-*")
                wait_until(lambda: w.flush() or server.count("t-*") > had, 60, lambda: f"it goes on:\n{w.log_tail()}", 0.5)
            total = traffic.finish()
        wait_until(lambda: w.flush() or server.count("t-*") >= total, 120, lambda: f"{total} documents:\n{w.log_tail()}", 1)
        assert w.metrics().sum("weir_dead_letter_events_total") == 0
        compare(c, server, traffic.events(), rounds)
        ends(w)
    finally:
        server.kill()


@with_both
def conflicts(c, name):
    """Mapping conflicts and the field limit: dead letters with the server's reason, the neighbours are indexed."""
    folder, server = server_of(c, name)
    try:
        w = make_weir(folder, server.url).start()
        n, bad = c.times(100) * 100, set()
        events = []
        for i in range(n):
            e = {"sender": "s", "seq": i, "text": "x"}
            if i % 97 == 13:
                e["seq"] = f"no number {i}"
                bad.add(i)
            elif i % 1009 == 500:
                e["many"] = {f"f{i}_{k}": 1 for k in range(1500)}
                bad.add(i)
            events.append(e)
        send_events(w.port, "app", events)
        drained(server, w, n - len(bad))
        wait_until(lambda: w.metrics().sum("weir_dead_letter_events_total", plugin_id="es") == len(bad), 60, lambda: w.get("/metrics").text)
        compare(c, server, {("s", i) for i in range(n) if i not in bad}, 1, len(bad))
        ends(w)
    finally:
        server.kill()


SCENARIOS = {"server-killed": killed, "server-queue": full_queue, "server-blocked": blocked, "server-conflicts": conflicts}

