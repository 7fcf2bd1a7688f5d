"""What weir runs out of, or is taken away from it: descriptors, room for dead letters, its folders. It says so, loses nothing, and goes on."""
import os
import re
import shutil
import socket
import subprocess

import fake_faults as faults
from harness.forward import Connection, chunk_id, encode, event_time, send_events
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH


def one(seq):
    """A message with one event, and the id that its ack has."""
    chunk = chunk_id()
    return encode("packed", "app", [(event_time(1700000000), {"sender": "s", "seq": seq})], chunk), chunk


def acked(c, seq):
    data, chunk = one(seq)
    c.send(data)
    assert c.ack() == chunk


def stored(es, w, n):
    wait_until(lambda: w.flush() or es.stored_events() == n, 30, lambda: f"{n} events, there are {es.stored_events()}:\n{w.log_tail()}", 0.2)


def test_no_descriptor_left(weir, fake_es, prefix):
    """Those who are connected are served, the others wait for a place."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix, start=False)
    w.launcher = ["prlimit", "--nofile=64:64"]
    w.allow("no new connection can be taken")
    w.start()
    with Connection(w.port) as first:
        acked(first, 0)
        crowd = [socket.create_connection(("127.0.0.1", w.port), 5) for _ in range(80)]
        w.wait_log("no new connection can be taken")
        for seq in range(1, 4):
            acked(first, seq)
        for s in crowd:
            s.close()
        with Connection(w.port) as last:
            acked(last, 4)
    stored(fake_es, w, 5)


def test_nonsense_while_a_buffer_is_full(weir, fake_es, prefix):
    """What came whole before it is stored once there is room, whether its sender waits for an ack or not, and though the connection ends."""
    fake_es.close_listener()
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix, buffer="chunk_limit_size 16k\ntotal_limit_size 64k")

    def large(seq, chunk):
        return encode("packed", "app", [(event_time(1700000000), {"sender": "s", "seq": seq, "x": "x" * 9000})], chunk)
    with Connection(w.port) as filler:
        for seq in range(10):
            filler.send(large(seq, chunk_id()))
        wait_until(lambda: w.metrics().sum("weir_source_messages_total", plugin_id="in") > w.metrics().sum("weir_buffer_durable_events_total", plugin_id="es"), 20, w.log_tail)
        for i, chunk in enumerate((None, chunk_id())):
            with Connection(w.port) as c:
                c.send(large(10 + i, chunk) + b"\xc1")
                wait_until(lambda: w.metrics().sum("weir_source_bytes_total", plugin_id="in") > 9000 * (1 + i), 20, w.log_tail)
        w.wait_log("what it sent cannot be understood")
        fake_es.open_listener()
        stored(fake_es, w, 12)
    assert w.metrics().sum("weir_source_refused_events_total") == 0


def test_no_room_for_dead_letters(weir, fake_es, prefix):
    """What would be a dead letter is held with an alarm until there is room; chunks without one go on."""
    config = ELASTICSEARCH.replace("<admin>", "<dead_letters>\n total_limit_size 1m\n </dead_letters>\n <admin>")
    fake_es.fault(faults.items_if(lambda item: bool(item.document) and "bad" in item.document, 400, "document_parsing_exception", "no"))
    w = weir(config, es_url=fake_es.url, prefix=prefix)
    w.allow("the store of dead letters is full")

    def dead():
        return w.metrics().sum("weir_dead_letter_events_total", plugin_id="es")

    def is_full():
        return w.metrics().sum("weir_dead_letters_full") == 1
    bad = 0
    while not is_full():
        send_events(w.port, "app", [{"sender": "s", "seq": bad, "bad": "x" * 300000}])
        bad += 1
        wait_until(lambda: dead() == bad or is_full(), 20, w.log_tail)
    assert 1 < bad < 5 and dead() == bad - 1
    w.wait_log("the store of dead letters is full")
    send_events(w.port, "app", [{"sender": "s", "seq": bad}])
    stored(fake_es, w, 1)
    subprocess.run([w.binary, "deadletter", "drop", "-c", w.config_path, "--all"], check=True, timeout=30, stdout=subprocess.DEVNULL)
    wait_until(lambda: w.flush() or dead() == bad, 20, w.log_tail, 0.2)
    wait_until(lambda: w.metrics().sum("weir_buffer_queue_events", plugin_id="es") == 0, 20, w.log_tail)
    assert w.metrics().sum("weir_buffer_events_total", plugin_id="es", outcome="dead") == bad


def test_no_room_for_a_replay(weir, fake_es, prefix):
    """What fitted into the destination's buffer is told and noted, and is not given back a second time."""
    n = 7000
    fake_es.fault(faults.reject_items(share=1, code=400, type="mapper_parsing_exception", reason="no"))
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix, buffer="total_limit_size 6m\nchunk_limit_size 1m")
    w.allow("failed to flush")
    send_events(w.port, "app", [{"sender": "s", "seq": seq, "x": "x" * 1000} for seq in range(n)])

    def left(plugin_id):
        return w.metrics().sum("weir_buffer_events", plugin_id=plugin_id)

    def replay():
        out = subprocess.run([w.binary, "deadletter", "replay", "-c", w.config_path], timeout=30, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return int(re.match(r"(\d+) events were given back", out.stdout + out.stderr)[1])
    wait_until(lambda: left("dead_letters") == n, 30, w.log_tail)
    fake_es.heal()
    fake_es.close_listener()
    first, second = replay(), replay()
    assert 0 < first < n and second == 0
    fake_es.open_listener()
    wait_until(lambda: left("es") == 0, 30, w.log_tail)
    assert replay() == n - first
    stored(fake_es, w, n)
    assert w.metrics().sum("weir_buffer_events_total", plugin_id="es", outcome="already_there") == 0
    assert left("dead_letters") == 0


def test_progress_cannot_be_written(weir, fake_es, prefix):
    """How far a chunk has come is not kept: told, delivery goes on, and repetitions after a kill meet their first copies."""
    fake_es.close_listener()
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    send_events(w.port, "app", [{"sender": "s", "seq": seq} for seq in range(100)])
    folder = os.path.join(w.root, "es/buffer")
    wait_until(lambda: w.metrics().sum("weir_buffer_queue_chunks", plugin_id="es") == 1, 20, w.log_tail)
    chunk, = (name for name in os.listdir(folder) if name.endswith(".chunk"))
    os.mkdir(os.path.join(folder, chunk.replace(".chunk", ".progress.new")))
    fake_es.fault(faults.items_if(lambda item: item.document["seq"] % 10 == 0, 429, "circuit_breaking_exception", "busy"))
    fake_es.open_listener()
    w.wait_log("cannot be saved|could not be saved")
    wait_until(lambda: fake_es.stored_events() == 90, 20, w.log_tail)
    w.kill9()
    fake_es.heal()
    w.start()
    stored(fake_es, w, 100)
    assert fake_es.duplicates() == {}


def test_folder_is_taken_away(weir, fake_es, prefix):
    """Nothing is acknowledged that cannot be stored; when the folder is back all goes on."""
    w = weir(ELASTICSEARCH, es_url=fake_es.url, prefix=prefix)
    w.allow("the buffer cannot be written")
    folder = os.path.join(w.root, "es/buffer")
    with Connection(w.port) as c:
        acked(c, 0)
        stored(fake_es, w, 1)
        wait_until(lambda: w.metrics().sum("weir_buffer_events", plugin_id="es") == 0, 20, w.log_tail)
        shutil.rmtree(folder)
        data, chunk = one(1)
        c.send(data)
        w.wait_log("the buffer cannot be written")
        os.mkdir(folder, 0o700)
        assert c.ack() == chunk
    stored(fake_es, w, 2)
