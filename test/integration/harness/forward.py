"""A sender of the forward protocol that keeps account of its acks, as a careful client does.

A chunk is sent again, the same bytes with the same id, until its ack has come: what the server may have stored before it died is then
stored a second time, unless it does its job.
"""
import base64
import gzip
import os
import random
import socket
import struct
import time

import msgpack

from .waiting import PATIENCE

FORMS = ("packed", "forward", "message", "gzip", "packed_str")


def event_time(seconds, nanoseconds=0):
    return msgpack.ExtType(0, struct.pack(">II", seconds, nanoseconds))


def chunk_id():
    return base64.b64encode(os.urandom(16)).decode()


def encode(form, tag, entries, chunk=None):
    """The bytes of a message. `entries` is a list of (time, record); "message" takes exactly one."""
    option = {"chunk": chunk} if chunk is not None else {}
    if form == "message":
        (when, record), = entries
        return msgpack.packb([tag, when, record, option])
    option["size"] = len(entries)
    if form == "forward":
        return msgpack.packb([tag, [list(e) for e in entries], option])
    packed = b"".join(msgpack.packb(list(e)) for e in entries)
    if form == "gzip":
        # Two members, as fluentd's buffer makes them: it appends one for each append.
        half = len(packed) // 2
        option["compressed"] = "gzip"
        packed = gzip.compress(packed[:half], 1) + gzip.compress(packed[half:], 1)
    if form == "packed_str":
        # fluentd writes the entries as str32.
        head = b"\x93" + msgpack.packb(tag) + b"\xdb" + struct.pack(">I", len(packed))
        return head + packed + msgpack.packb(option)
    return msgpack.packb([tag, packed, option])


class Connection:
    """A socket to the server, and the acks that have come on it."""

    def __init__(self, port, timeout=30, source="127.0.0.1"):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout * PATIENCE, (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unpacker = msgpack.Unpacker(raw=False)

    def send(self, data):
        self.sock.sendall(data)

    def ack(self):
        """The id in the next ack; ConnectionError if the server closed."""
        while True:
            for answer in self.unpacker:
                assert list(answer) == ["ack"], f"not an ack: {answer}"
                return answer["ack"]
            data = self.sock.recv(4096)
            if not data:
                raise ConnectionError("the server closed the connection")
            self.unpacker.feed(data)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def send_events(port, tag, records, form="packed", chunk_size=500, seconds=None, ack=True):
    """Sends records (dicts) in chunks, each acknowledged before the next if `ack`. Times count up by a millisecond."""
    start = seconds or int(time.time())
    with Connection(port) as c:
        size = 1 if form == "message" else chunk_size
        for i in range(0, len(records), size):
            entries = [(event_time(start + (i + j) // 1000, (i + j) % 1000 * 1000000), r)
                       for j, r in enumerate(records[i:i + size])]
            chunk = chunk_id() if ack else None
            c.send(encode(form, tag, entries, chunk))
            if ack:
                assert c.ack() == chunk


class Sender:
    """One steady client: run() in a thread of its own until stop is set, then until all it began is acknowledged.

    Events are {"sender": name, "seq": 0, 1, ..., "text": ...}, in chunks of changing size and form. After run() `sent` is their
    number, and every one of them is acknowledged."""

    def __init__(self, port, name, tag="app.steady", rate=None, window=4, seed=1, max_chunk=40, connect=Connection):
        self.port, self.name, self.tag, self.rate, self.window = port, name, tag, rate, window
        self.random, self.max_chunk, self.connect = random.Random(seed), max_chunk, connect
        self.sent = self.acked = self.resent_chunks = self.broken = self.resets = 0
        self.waiting = []  # (id, bytes, events), the oldest first
        self.error = None

    def event(self, seq):
        return {"sender": self.name, "seq": seq, "text": f"로그 {seq} " + "x" * (seq % 50), "n": {"half": seq / 2, "odd": seq % 2 == 1}}

    def next_chunk(self):
        form = self.random.choice(FORMS)
        count = 1 if form == "message" else self.random.randrange(1, self.max_chunk)
        now = time.time_ns()
        entries = [(event_time(now // 10**9, now % 10**9), self.event(self.sent + i)) for i in range(count)]
        self.sent += count
        chunk = chunk_id()
        return chunk, encode(form, self.tag, entries, chunk), count

    def run(self, stop):
        try:
            began = time.monotonic()
            while not stop.is_set() or self.waiting:
                try:
                    with self.connect(self.port) as c:
                        self.talk(c, stop, began)
                except (OSError, ConnectionError) as e:
                    self.broken += 1
                    self.resets += isinstance(e, (ConnectionResetError, BrokenPipeError))
                    time.sleep(0.02)
        except BaseException as e:
            self.error = e
            raise

    def talk(self, c, stop, began):
        for _, data, _ in self.waiting:
            c.send(data)
            self.resent_chunks += 1
        while not stop.is_set() or self.waiting:
            if not stop.is_set() and len(self.waiting) < self.window:
                ahead = self.sent / self.rate - (time.monotonic() - began) if self.rate else 0
                if ahead <= 0:
                    self.waiting.append(self.next_chunk())
                    c.send(self.waiting[-1][1])
                    continue
                if not self.waiting:
                    stop.wait(min(ahead, 0.05))
                    continue
            got = c.ack()
            chunk, _, count = self.waiting.pop(0)
            assert got == chunk, "acks come in the order of the chunks"
            self.acked += count
