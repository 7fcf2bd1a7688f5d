"""A backlog that grows for hours costs nothing but disk: the start is as quick with it, and memory is as small."""
import glob
import os
import time

from fake_es import FakeES
from harness.forward import send_events
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH, Weir

CHUNKS = 400  # of 25 MiB: 10 GB
MIB = 1 << 20
PLAIN = os.environ.get("WEIR_VARIANT", "release") == "release"  # sanitizers are slow, and keep freed memory
HOLD = "chunk_limit_size 26m\nretry_max_interval 30s\nretry_wait 30s\nretry_randomize false"


def fill(folder, prefix, n):
    """A folder with one chunk of 25 MiB, and n - 1 more names of it: as files to weir, without their room on the disk."""
    with FakeES() as es:
        es.close_listener()
        # One flush thread, so that it is the same each time how many requests have been made when memory is measured.
        config = ELASTICSEARCH.replace("flush_interval 0.2", "flush_interval 60").replace("thread_count 2", "thread_count 1")
        w = Weir(folder, config, es_url=es.url, prefix=prefix, buffer=HOLD).start()
        while True:
            send_events(w.port, "app", [{"sender": "s", "seq": i, "text": "x" * 9000} for i in range(250)], chunk_size=250)
            if w.metrics().sum("weir_buffer_queue_bytes", plugin_id="es") > 20 * MIB:
                break
        w.stop()
    paths = glob.glob(os.path.join(w.root, "es/buffer/*.chunk"))
    big = max(paths, key=os.path.getsize)
    for p in paths:
        if p != big:
            os.unlink(p)
    stem, random = os.path.basename(big).split("-")
    for i in range(1, n):
        os.link(big, os.path.join(os.path.dirname(big), f"{int(stem, 16) + i:016x}-{random}"))
    os.unlink(os.path.join(os.path.dirname(big), "LEDGER"))
    return w


def start(w):
    """Seconds until weir takes events, and its memory once it has looked at its chunks and tried to send one."""
    begin = time.monotonic()
    w.start()
    took = time.monotonic() - begin
    send_events(w.port, "app", [{"sender": "t", "seq": 1}])
    wait_until(lambda: w.metrics().sum("weir_output_failures_total", plugin_id="es") > 0, 20, lambda: w.log_tail())
    rss = w.rss()
    fds = len(os.listdir(f"/proc/{w.pid}/fd"))
    chunks = w.metrics().sum("weir_buffer_queue_chunks", plugin_id="es")
    size = w.metrics().sum("weir_buffer_queue_bytes", plugin_id="es")
    w.stop()
    return took, rss, fds, chunks, size


def test_ten_gigabytes(tmp_path, prefix):
    few = fill(tmp_path / "few", prefix, 2)
    many = fill(tmp_path / "many", prefix, CHUNKS)
    _, rss_few, fds_few, chunks_few, _ = start(few)
    took, rss, fds, chunks, size = start(many)
    assert chunks_few >= 2 and chunks >= CHUNKS and size > 10 * 1000 ** 3 * 0.97
    print(f"{chunks:.0f} chunks, {size / 1e9:.1f} GB: listens after {took:.2f} s, {rss / MIB:.1f} MiB ({rss_few / MIB:.1f} with two chunks)")
    assert took < (2 if PLAIN else 10), f"{took:.2f} s until it listens"
    assert rss < rss_few * 1.1 or not PLAIN, f"{rss / MIB:.1f} MiB, {rss_few / MIB:.1f} with two chunks"
    assert fds <= fds_few + 2


def test_two_cannot_share(weir, tmp_path, prefix):
    """A second weir on the same folder is refused, and the first is not disturbed."""
    with FakeES() as es:
        first = weir(ELASTICSEARCH, es_url=es.url, prefix=prefix)
        second = weir(ELASTICSEARCH, es_url=es.url, prefix=prefix, root=first.root, start=False)
        second.start(wait=False)
        wait_until(lambda: not second.process.is_running(), 10, lambda: second.log_tail())
        second.wait_log(f"is in use by process {first.pid}, output .*two buffers cannot share a folder")
        second.process = None
        second.allow("weir cannot start")
        send_events(first.port, "app", [{"sender": "s", "seq": i} for i in range(100)])
        wait_until(lambda: es.stored_events() == 100, 20, lambda: first.log_tail())
