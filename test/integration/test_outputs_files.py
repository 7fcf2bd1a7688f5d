"""The file outputs, <secondary>, and routing outputs, on a running weir."""
import gzip
import os
import re
import socket

import msgpack
import pytest

from harness.forward import Connection, encode, send_events
from harness.waiting import wait_until
from harness.weir import SYSTEM, Weir

SOURCE = SYSTEM + """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
</source>
"""
T = 1700000000  # 2023-11-14T22:13:20Z


def files(folder):
    """path -> bytes, of what is below it; without what is still being written under a hidden name."""
    found = {}
    for top, _, names in os.walk(folder):
        for n in names:
            path = os.path.join(top, n)
            if not (n.startswith(".") and n.endswith(".tmp")) and not os.path.islink(path):
                with open(path, "rb") as f:
                    found[os.path.relpath(path, folder)] = f.read()
    return found


def send(w, tag, *records, step=1):
    with Connection(w.port) as c:
        c.send(encode("forward", tag, [(T + i * step, r) for i, r in enumerate(records)], "one"))
        assert c.ack() == "one"


def test_slices_tags_and_link(weir, tmp_path):
    """One file a day and tag; a new number for each chunk; the link shows the last one."""
    w = weir(SOURCE + """
<match **>
  @type file
  path {{out}}/${tag[0]}.%Y%m%d
  symlink_path {{out}}/last
  symlink_path_use_relative true
  <buffer time,tag>
    timekey 1d
    timekey_wait 0
  </buffer>
</match>""", out=tmp_path / "out")
    send(w, "app.web", {"n": 0}, {"n": 1}, {"n": 2}, step=43200)
    wait_until(lambda: len(files(tmp_path / "out")) == 2, 20, w.log_tail)
    assert files(tmp_path / "out") == {
        "app.20231114_0.log": b'2023-11-14T22:13:20+00:00\tapp.web\t{"n":0}\n',
        "app.20231115_0.log": b'2023-11-15T10:13:20+00:00\tapp.web\t{"n":1}\n2023-11-15T22:13:20+00:00\tapp.web\t{"n":2}\n'}
    send(w, "app.db", {"n": 3})
    wait_until(lambda: len(files(tmp_path / "out")) == 3, 20, w.log_tail)
    wait_until(lambda: os.readlink(tmp_path / "out/last") == "app.20231114_1.log", 20, w.log_tail)


def test_a_chunk_that_cannot_be_read(weir, tmp_path):
    """It waits by itself, also when it can be neither tried again nor given up: the others are written."""
    w = weir(SOURCE + """
<match **>
  @type file
  @id file
  path {{out}}/${tag}
  append true
  <buffer tag>
    flush_mode interval
    flush_interval 1h
    retry_wait 0.1s
    retry_max_interval 2s
    retry_max_times 3
  </buffer>
</match>""", out=tmp_path / "out")
    send(w, "bad", {"n": 0})
    folder = os.path.join(w.root, "file/buffer")
    chunk, = (os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".chunk"))
    os.rename(chunk, tmp_path / "chunk")
    os.mkdir(chunk)
    send(w, "good", {"n": 1})
    w.flush()
    wait_until(lambda: "good.log" in files(tmp_path / "out"), 10, w.log_tail)
    w.allow("failed to flush")
    w.wait_log("failed to flush")
    send(w, "better", {"n": 2})
    w.flush()
    wait_until(lambda: "better.log" in files(tmp_path / "out"), 10, w.log_tail)
    os.rmdir(chunk)
    os.rename(tmp_path / "chunk", chunk)
    wait_until(lambda: "bad.log" in files(tmp_path / "out"), 10, w.log_tail)


@pytest.mark.parametrize("compress,end", [("text", ""), ("gzip", ".gz")])
def test_append(weir, tmp_path, compress, end):
    w = weir(SOURCE + """
<match **>
  @type file
  path {{out}}/all
  append true
  compress {{compress}}
  <format>
    @type json
  </format>
  <inject>
    tag_key tag
  </inject>
  <buffer []>
    flush_mode immediate
  </buffer>
</match>""", out=tmp_path / "out", compress=compress)
    want = b""
    for n in range(3):
        send(w, "a", {"n": n})
        want += b'{"n":%d,"tag":"a"}\n' % n
        read = lambda: next(iter(files(tmp_path / "out").values()), b"")
        wait_until(lambda: (gzip.decompress(read()) if end and read() else read()) == want, 20, lambda: f"{read()}\n{w.log_tail()}")
    assert list(files(tmp_path / "out")) == ["all.log" + end]


def test_data_stays_in_its_folder(weir, tmp_path):
    """No tag or field makes a path that leaves its place, not even over a link."""
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "out" / "link")
    w = weir(SOURCE + """
<match **>
  @type file
  path {{out}}/${tag}/${$.k}
  <buffer tag,$.k>
    flush_mode immediate
  </buffer>
</match>""", out=tmp_path / "out")
    w.allow("failed to flush")
    for tag, k in (("..", ".."), ("../../x", "/etc/passwd"), ("a/b", "x\n\0y"), ("link", "x")):
        send(w, tag, {"k": k})
    wait_until(lambda: len(files(tmp_path / "out")) == 3, 20, lambda: f"{files(tmp_path / 'out')}\n{w.log_tail()}")
    assert sorted(files(tmp_path / "out")) == ["..%2F..%2Fx/%2Fetc%2Fpasswd_0.log", "__/.._0.log", "a%2Fb/x%0A%00y_0.log"]
    w.wait_log("failed to flush the buffer.*(Not a directory|Too many levels)")
    assert not files(tmp_path / "elsewhere")


def test_secondary(weir, tmp_path):
    """What cannot be delivered goes to <secondary> after retry_max_times, with nothing lost and nothing twice."""
    w = weir(SOURCE + """
<match **>
  @type forward
  <server>
    host 127.0.0.1
    port 1
  </server>
  <buffer>
    flush_mode immediate
    retry_wait 0.05
    retry_randomize false
    retry_max_times 2
  </buffer>
  <secondary>
    @type secondary_file
    directory {{out}}
    basename dump.${chunk_id}
  </secondary>
</match>""", out=tmp_path / "out")
    send_events(w.port, "a", [{"seq": i} for i in range(100)])
    wait_until(lambda: files(tmp_path / "out"), 20, w.log_tail)
    w.wait_log("retry succeeded by secondary")
    (name, data), = files(tmp_path / "out").items()
    assert re.fullmatch(r"dump\.[0-9a-f-]+\.0", name)
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(data)
    assert [r["seq"] for _, r in unpacker] == list(range(100))
    wait_until(lambda: not w.backlog_files("forward"), 10, w.log_tail)
    assert w.metrics().sum("weir_output_secondary_chunks_total") == 1


def test_memory_buffer(weir, tmp_path):
    w = weir(SOURCE + """
<match **>
  @type file
  path {{out}}/all
  <buffer []>
    @type memory
  </buffer>
</match>""", out=tmp_path / "out")
    send(w, "a", {"n": 1})
    w.wait_log("the buffer is in memory")
    assert not files(tmp_path / "out")
    w.stop()  # flush_at_shutdown is true for memory
    assert list(files(tmp_path / "out").values()) == [b'2023-11-14T22:13:20+00:00\ta\t{"n":1}\n']


@pytest.mark.parametrize("flat,name", [
    ("", "all.2023111507_0.log"),
    ("localtime", "all.2023111507_0.log"),
    ("utc", "all.2023111422_0.log"),
    ("timezone -05:00", "all.2023111417_0.log"),
])
def test_v012_slices(weir, tmp_path, flat, name):
    """What v0.12 wrote into the output itself: slices by the name's format, in the zone that is asked for. (Asia/Tokyo is nine hours ahead.)"""
    w = Weir(tmp_path, SOURCE + """
<match **>
  type file
  path {{out}}/all
  buffer_type memory
  buffer_queue_full_action exception
  time_slice_format %Y%m%d%H
  time_slice_wait 0
  try_flush_interval 1
  queued_chunk_flush_interval 1
  retry_limit 3
  output_tag false
  {{flat}}
</match>""", out=tmp_path / "out", flat=flat)
    w.env["TZ"] = "Asia/Tokyo"
    w.start()
    try:
        send(w, "a", {"n": 1})
        wait_until(lambda: files(tmp_path / "out"), 20, w.log_tail)
        assert list(files(tmp_path / "out")) == [name]
    finally:
        w.stop()


@pytest.mark.parametrize("more,name", [("path_suffix .txt", "all_0.txt"), ("add_path_suffix false", "all_0")])
def test_suffix(weir, tmp_path, more, name):
    w = weir(SOURCE + """
<match **>
  @type file
  path {{out}}/all
  {{more}}
  <format>
    output_tag false
  </format>
  <buffer []>
    flush_mode immediate
  </buffer>
</match>""", out=tmp_path / "out", more=more)
    send(w, "a", {"n": 1})
    wait_until(lambda: files(tmp_path / "out"), 20, w.log_tail)
    assert files(tmp_path / "out") == {name: b'2023-11-14T22:13:20+00:00\t{"n":1}\n'}


def test_routes(weir, tmp_path):
    w = weir(SOURCE + """
<match app.**>
  @type rewrite_tag_filter
  remove_tag_prefix app
  capitalize_regex_backreference true
  <rule>
    key $.k.level
    pattern /^(\\w+)-(\\w+)$/
    tag new.${tag_parts[0]}.$2.$1
  </rule>
  <rule>
    key same
    pattern /./
    tag ${tag}
    label @OUT
  </rule>
  <rule>
    key loop
    pattern /./
    tag app.web
  </rule>
</match>
<match regexp.**>
  @type rewrite_tag_filter
  remove_tag_regexp /^regexp\\.(\\w)/
  hostname_command hostname -s
  <rule>
    key a
    pattern /./
    tag of.${tag}
  </rule>
  <rule>
    key host
    pattern /./
    tag host.${hostname}
  </rule>
</match>
<match r.**>
  @type route
  remove_tag_prefix r
  <route a>
    copy
    @label @OUT
    add_tag_prefix z
  </route>
  <route **>
    @label @OUT
  </route>
</match>
<match k>
  @type label_router
  default_route @OUT
  default_tag other
  <route>
    @label @OUT
    tag nginx
    <match>
      namespaces kube
      negate true
    </match>
    <match>
      labels app:nginx
    </match>
  </route>
  <route>
    @label @OUT
    tag container
    <match>
      container_names side,car
      hosts n1
    </match>
  </route>
</match>
<match **>
  @type relabel
  @label @OUT
</match>
<label @OUT>
  <match **>
    @type file
    path {{out}}/all
    append true
    <format>
      output_time false
    </format>
    <buffer []>
      flush_mode immediate
    </buffer>
  </match>
</label>""", out=tmp_path / "out")
    send(w, "app.web", {"k": {"level": "foo-bar"}}, {"same": "1"}, {"loop": 1}, {"none": 1})
    send(w, "r.a", {"r": 1})
    labels = {"labels": {"app": "nginx"}}
    send(w, "k", {"kubernetes": {**labels, "namespace_name": "d"}}, {"kubernetes": {**labels, "namespace_name": "kube"}})
    send(w, "k", {"kubernetes": {"container_name": "car", "host": "n1"}}, {"kubernetes": {"container_name": "car", "host": "n2"}})
    send(w, "regexp.web", {"a": 1}, {"host": 1})
    tags = lambda: sorted(line.split(b"\t")[0].decode() for line in files(tmp_path / "out").get("all.log", b"").splitlines())
    want = sorted(["new.web.Bar.Foo", "web", "z.a", "a", "nginx", "other", "container", "other", "of.eb", "host." + socket.gethostname().split(".")[0]])
    wait_until(lambda: tags() == want, 20, lambda: f"{tags()}\n{w.log_tail()}")
    m = w.metrics()
    assert m.sum("weir_output_dropped_events_total", reason="no_rule") == 1
    assert m.sum("weir_output_dropped_events_total", reason="same_tag") == 1
