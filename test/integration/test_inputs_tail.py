"""The tail input: files that grow, are rotated and truncated, and a weir that is killed meanwhile."""
import os
import random
import re
import time

import pytest

from harness.events import check, dead_letters, events, to_stdout, wait_events
from harness.waiting import wait_until
from harness.weir import SYSTEM

NONE = "<parse>\n @type none\n </parse>"


@pytest.fixture
def logs(tmp_path):
    """A folder for files to read."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def run(weir, logs):
    """run(parameters): a weir with a tail source of logs/app.log (unless `path` is given), from the head."""
    def make(more="", parse=NONE, path="app.log", head="true", pos="pos", **values):
        pos = f"pos_file {logs.parent}/{pos}\n" if pos else ""
        paths = ",".join(str(logs / p) for p in path.split(","))
        return weir(to_stdout(f"<source>\n @type tail\n @id in\n tag t\n path {paths}\n {pos} read_from_head {head}\n"
                              f" {more}\n {parse}\n</source>"), **values)
    return make


def append(path, text):
    with open(path, "a") as f:
        f.write(text)


def read(path):
    with open(path) as f:
        return f.read()


def messages(found):
    return [e["message"] for e in found]


def positions(logs, name="pos"):
    """Of the pos_file: path -> (position, inode), as fluentd reads its lines."""
    found = {}
    for line in (logs.parent / name).read_text().splitlines():
        m = re.match(r"^([^\t]+)\t([0-9a-fA-F]+)\t([0-9a-fA-F]+)", line)
        assert m, line
        if m[2] != "f" * 16:
            found[m[1]] = int(m[2], 16), int(m[3], 16)
    return found


def wait_position(logs, path, size=None):
    """The position is at the end of the file."""
    wait_until(lambda: positions(logs).get(str(path)) == (size or os.path.getsize(path), os.stat(path).st_ino), 10,
               lambda: f"the position of {path}: {positions(logs)}")


# ---- reading ------------------------------------------------------------------------------------------------------------


def test_lines(run, logs):
    append(logs / "app.log", "a\nb\r\n\npart")
    w = run("path_key path\n tag x.*.y")
    a, b, empty = wait_events(w, 3)
    assert messages([a, b, empty]) == ["a", "b", ""]
    assert a.tag == "x." + str(logs / "app.log")[1:].replace("/", ".") + ".y" and a["path"] == str(logs / "app.log")
    append(logs / "app.log", "ial\nlast")
    assert messages(wait_events(w, 4)[3:]) == ["partial"]
    wait_position(logs, logs / "app.log", 4 + 1 + 1 + 8 + 1 - 1)
    assert w.metrics().sum("weir_tail_files", plugin_id="in") == 1
    assert w.metrics().sum("fluentd_tail_file_position", plugin_id="in", path=logs / "app.log") == 14
    assert w.metrics().sum("fluentd_tail_file_inode", path=logs / "app.log") == os.stat(logs / "app.log").st_ino
    assert w.metrics().sum("weir_source_events_total", plugin_id="in") == 4


def test_from_the_end(run, logs):
    """What is there is not read; what comes is, in this file and in new ones."""
    append(logs / "a.log", "old\n")
    w = run(path="*.log", head="false")
    w.wait_log("following tail of a file")
    append(logs / "a.log", "new\n")
    append(logs / "b.log", "also new\n")
    assert sorted(messages(wait_events(w, 2))) == ["also new", "new"]


def test_which_files(run, logs):
    for name in ("a.log", "b.log", "c.txt", "d.log.gz", "sub/e.log", "sub/deep/f.log", ".hidden.log"):
        (logs / name).parent.mkdir(parents=True, exist_ok=True)
        append(logs / name, name + "\n")
    today = time.strftime("%Y%m%d")
    append(logs / f"day-{today}.x", "day\n")
    (logs / "folder.log").mkdir()
    os.mkfifo(logs / "fifo.log")
    w = run(f'exclude_path ["{logs}/b.*", "{logs}/sub/deep/*"]', path="*.log,**/e.log,**/f.log,day-%Y%m%d.x,missing.log")
    assert sorted(messages(wait_events(w, 3))) == ["a.log", "day", "sub/e.log"]
    append(logs / "missing.log", "here now\n")
    assert messages(wait_events(w, 4)[3:]) == ["here now"]


def test_recently_modified(run, logs):
    append(logs / "old.log", "old\n")
    append(logs / "new.log", "new\n")
    os.utime(logs / "old.log", (1, 1))
    w = run("limit_recently_modified 1h", path="*.log")
    assert messages(wait_events(w, 1)) == ["new"]
    append(logs / "old.log", "again\n")
    append(logs / "new2.log", "new2\n")
    assert sorted(messages(wait_events(w, 4))) == ["again", "new", "new2", "old"]


@pytest.mark.parametrize("options", ["enable_watch_timer false", "enable_stat_watcher false\n refresh_interval 1s"])
def test_how_changes_are_seen(run, logs, options):
    append(logs / "app.log", "a\n")
    w = run(options, path="*.log")
    wait_events(w, 1)
    append(logs / "app.log", "b\n")
    wait_events(w, 2)
    append(logs / "other.log", "c\n")
    assert messages(wait_events(w, 3)) == ["a", "b", "c"]


def test_unreadable(run, logs):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    append(logs / "a.log", "a\n")
    os.chmod(logs / "a.log", 0)
    w = run(path="*.log")
    w.wait_log("a file is unreadable")


def test_long_lines(run, logs):
    append(logs / "app.log", "12345678\n123456789\nb\n" + "x" * 2000000 + "\nc\n")
    w = run("max_line_size 9")
    assert messages(wait_events(w, 3)) == ["12345678", "b", "c"]
    wait_position(logs, logs / "app.log")
    assert w.metrics().sum("weir_source_oversized_texts_total", plugin_id="in") == 2
    assert "received line length is longer" in w.log()


def test_large_line(run, logs):
    """Far above what is read at a time."""
    append(logs / "app.log", "x" * 3000000 + "\ny\n")
    w = run()
    long, short = wait_events(w, 2)
    assert len(long["message"]) == 3000000 and short["message"] == "y"


def test_many_files_and_lines(run, logs):
    for i in range(100):
        append(logs / f"{i}.log", "".join(f"{i} {j}\n" for j in range(300)))
    w = run("read_lines_limit 70", path="*.log")
    found = wait_events(w, 30000)
    assert {e["message"] for e in found} == {f"{i} {j}" for i in range(100) for j in range(300)}


@pytest.mark.slow
def test_throttle(run, logs):
    append(logs / "app.log", ("x" * 1023 + "\n") * 150)
    w = run("read_bytes_limit_per_second 64k\n read_lines_limit 10")
    begin = time.monotonic()
    wait_events(w, 150)
    assert time.monotonic() - begin > 1


# ---- parsing ------------------------------------------------------------------------------------------------------------


def test_unmatched(run, logs):
    append(logs / "app.log", '{"a":1}\nnone\n{"b":2,"path":"own"}\n')
    w = run("path_key path", parse="<parse>\n @type json\n </parse>")
    assert wait_events(w, 2) == [{"a": 1, "path": str(logs / "app.log")}, {"b": 2, "path": "own"}]
    wait_until(lambda: dead_letters(w) == {"pattern_not_matched": 1}, 10, "a dead letter")


def test_emit_unmatched_lines(run, logs):
    append(logs / "app.log", '{"a":1}\nnone\n')
    w = run("emit_unmatched_lines true", parse="format json")
    assert wait_events(w, 2) == [{"a": 1}, {"unmatched_line": "none"}]
    assert "v0.12" in w.log()


MULTILINE = "<parse>\n @type multiline\n format_firstline /^\\d/\n format1 /^(?<n>\\d+) (?<message>.*)/\n </parse>"


def test_multiline(run, logs):
    append(logs / "app.log", "before\n1 one\n  more\n2 two\n3 th")
    w = run("multiline_flush_interval 1s", parse=MULTILINE)
    one = wait_events(w, 1)
    assert one == [{"n": "1", "message": "one\n  more"}]
    wait_until(lambda: dead_letters(w) == {"pattern_not_matched": 1}, 10, "the line before the first")
    two = wait_events(w, 2)[1]
    assert two == {"n": "2", "message": "two"}, "after the interval, without the line that has no end"
    append(logs / "app.log", "ree\n")
    assert wait_events(w, 3)[2] == {"n": "3", "message": "three"}


def test_multiline_waits(run, logs):
    """Without an interval a text ends with the next first line; over a restart it is read again from its beginning."""
    append(logs / "app.log", "1 one\n")
    w = run(parse=MULTILINE)
    append(logs / "app.log", "  more\n")
    w.restart()
    append(logs / "app.log", "  still\n2 two\n")
    assert wait_events(w, 1) == [{"n": "1", "message": "one\n  more\n  still"}]


def test_multiline_without_firstline(run, logs):
    parse = "format multiline\n format1 /^a (?<a>\\d)\\n/\n format2 /b (?<b>\\d)$/"
    append(logs / "app.log", "a 1\nb 2\na 3\nb 4\na 5\n")
    w = run(parse=parse)
    assert wait_events(w, 2) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


@pytest.mark.parametrize("encoding, text", [
    ("EUC-JP", "日本語"), ("Windows-31J", "表示 テスト"), ("iso-8859-1", "Größe"), ("windows-1252", "10 €"), ("GB18030", "中文")])
def test_encodings(run, logs, encoding, text):
    (logs / "app.log").write_bytes(text.encode("cp932" if encoding == "Windows-31J" else encoding) + b"\n\n")
    w = run(f"encoding utf-8\n from_encoding {encoding}")
    assert messages(wait_events(w, 2)) == [text, ""]


def test_bytes_of_no_encoding(run, logs):
    (logs / "app.log").write_bytes(b"a\xffb\xe6\n")
    w = run("encoding utf-8\n from_encoding euc-jp")
    assert messages(wait_events(w, 1)) == ["a\ufffdb\ufffd"]


@pytest.mark.parametrize("parse", [
    "<parse>\n @type regexp\n expression /^(?<n>\\d+) (?<message>.*)$/\n </parse>",
    "<parse>\n @type multi_format\n <pattern>\n format json\n </pattern>\n"
    " <pattern>\n format /^(?<n>\\d+) (?<message>.*)$/\n </pattern>\n </parse>",
    MULTILINE])
def test_bytes_that_are_no_utf8_are_parsed(run, logs, parse):
    """Files are bytes to fluentd, and so its parsers take them."""
    (logs / "app.log").write_bytes("1 가\n2 나\n3 x\n4 y\n".encode("euc-kr"))
    w = run("multiline_flush_interval 1s", parse=parse)
    got = wait_events(w, 3 if parse == MULTILINE else 4)
    assert [e["n"] for e in got[:3]] == ["1", "2", "3"]
    assert set(got[0]["message"]) == {"\ufffd"} and got[2]["message"] == "x"


def test_concat_of_bytes_that_are_no_utf8(weir, logs):
    """The line that begins an event is known by its beginning, whatever bytes follow."""
    (logs / "app.log").write_bytes("1 가\n a\n2 나\n b\n".encode("euc-kr"))
    w = weir(to_stdout(f"<source>\n @type tail\n @id in\n tag t\n path {logs}/app.log\n pos_file {logs}/pos\n read_from_head true\n"
                       " <parse>\n @type none\n </parse>\n</source>\n<filter t>\n @type concat\n key message\n"
                       " multiline_start_regexp /^\\d /\n flush_interval 1s\n</filter>"))
    assert [m[-2:] for m in messages(wait_events(w, 2))] == [" a", " b"]


# ---- rotation -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["app.log", pytest.param("app.log*", marks=pytest.mark.slow)])
def test_rotation(run, logs, path):
    """By rename: nothing is lost or read twice, whether the pattern means the old file too or not."""
    log = logs / "app.log"
    append(log, "a\n")
    w = run("rotate_wait 1s\n refresh_interval 1s", path=path)
    wait_events(w, 1)
    with open(log, "a") as old:
        for i in range(2):
            if os.path.exists(logs / "app.log.1"):
                os.rename(logs / "app.log.1", logs / "app.log.2")
            os.rename(log, logs / "app.log.1")
            if not i:
                old.write("late\n")
                old.flush()
            append(log, f"new {i}\n")
            wait_until(lambda: f"new {i}" in messages(events(w)), 10, "the new file's line")
    os.remove(logs / "app.log.2")
    append(log, "end\n")
    wait_until(lambda: "end" in messages(events(w)), 10, "the end")
    want = 2 if path == "app.log*" else 1
    wait_until(lambda: w.metrics().sum("weir_tail_files") == want, 10, "old files are let go of")
    assert sorted(messages(events(w))) == ["a", "end", "late", "new 0", "new 1"]
    names = {str(log), str(logs / "app.log.1")} if path == "app.log*" else {str(log)}
    assert set(positions(logs)) == names
    w.restart()
    append(log, "after\n")
    wait_until(lambda: "after" in messages(events(w)), 10, "a line after the restart")
    assert len(events(w)) == 6


def test_rotated_file_without_line_end(run, logs):
    append(logs / "app.log", "a\nb")
    w = run("rotate_wait 0s")
    wait_events(w, 1)
    os.rename(logs / "app.log", logs / "app.log.1")
    assert messages(wait_events(w, 2)) == ["a", "b"]


def test_truncation(run, logs):
    """copytruncate: the same file, from its head; equal lines at equal places are new events."""
    append(logs / "app.log", "a\nb\nc\n")
    w = run()
    wait_events(w, 3)
    wait_position(logs, logs / "app.log")
    os.truncate(logs / "app.log", 0)
    append(logs / "app.log", "a\n")
    assert messages(wait_events(w, 4)) == ["a", "b", "c", "a"]
    assert w.metrics().sum("weir_tail_truncations_total") == 1


def test_rotated_while_weir_was_down(run, logs):
    append(logs / "app.log", "a\n")
    w = run(head="false")
    append(logs / "app.log", "b\n")
    wait_events(w, 1)
    w.stop()
    append(logs / "app.log", "c\nd")
    os.rename(logs / "app.log", logs / "app.log.1")
    append(logs / "app.log", "e\n")
    w.start()
    found = wait_events(w, 4)
    assert sorted(messages(found)) == ["b", "c", "d", "e"] and {e.tag for e in found} == {"t"}
    assert "rotated while weir was down" in w.log()
    wait_until(lambda: set(positions(logs)) == {str(logs / "app.log")}, 10, "the old file's position is dropped")


def test_follow_inodes(run, logs):
    """A file of fluentd's pos_file under quite another name."""
    append(logs / "z.log", "old\nnew\n")
    (logs.parent / "pos").write_text(f"{logs}/a.log\t{4:016x}\t{os.stat(logs / 'z.log').st_ino:016x}\n")
    w = run("follow_inodes true", path="*.log", head="false")
    assert messages(wait_events(w, 1)) == ["new"]
    wait_until(lambda: set(positions(logs)) == {str(logs / "z.log")}, 10, "the entry has the new name")


def test_skip_refresh_on_startup(run, logs):
    append(logs / "app.log", "a\n")
    w = run("skip_refresh_on_startup true\n refresh_interval 1s")
    assert "following tail" not in w.log()
    wait_events(w, 1)


def test_without_pos_file(run, logs):
    append(logs / "app.log", "a\n")
    w = run(pos=None)
    wait_events(w, 1)
    w.restart()
    assert messages(wait_events(w, 2)) == ["a", "a"]


def test_symbolic_link(run, logs):
    """As kubelet makes them: the link is moved on to the next file."""
    append(logs / "0.txt", "a\n")
    os.symlink("0.txt", logs / "app.log")
    w = run("path_key path\n refresh_interval 1s", path="*.log")
    wait_events(w, 1)
    append(logs / "1.txt", "b\n")
    os.symlink("1.txt", logs / "new")
    os.rename(logs / "new", logs / "app.log")
    assert messages(wait_events(w, 2)) == ["a", "b"]
    assert all(e["path"] == str(logs / "app.log") for e in events(w))


# ---- pos_file -------------------------------------------------------------------------------------------------------------


def test_takes_over_from_fluentd(run, logs):
    """Positions that fluentd has written, v0.12's form too, are where reading begins; what fluentd would read is there."""
    for name in ("a.log", "b.log", "gone.log"):
        append(logs / name, "old\nnew\n")
    inode = {n: os.stat(logs / n).st_ino for n in ("a.log", "b.log", "gone.log")}
    (logs.parent / "pos").write_text(
        f"{logs}/a.log\t{4:016x}\t{inode['a.log']:016x}\n{logs}/b.log\t{4:016x}\t{inode['b.log']:08x}\nrubbish\n"
        f"{logs}/gone.log\tffffffffffffffff\t{inode['gone.log']:016x}\n{logs}/never.log\t{9:016x}\t{77:016x}\n")
    w = run(path="a.log,b.log", head="false")
    assert messages(wait_events(w, 2)) == ["new", "new"]
    for name in ("a.log", "b.log"):
        wait_position(logs, logs / name)
    assert set(positions(logs)) == {f"{logs}/a.log", f"{logs}/b.log"}
    assert "a line of the pos_file is none" in w.log()


def test_file_that_fluentd_has_not_opened(run, logs):
    """It stands in fluentd's file with zeros: read from its end, like one that is not there."""
    append(logs / "app.log", "old\n")
    (logs.parent / "pos").write_text(f"{logs}/app.log\t{0:016x}\t{0:016x}\n")
    w = run(head="false")
    w.wait_log("following tail of a file")
    append(logs / "app.log", "new\n")
    assert messages(wait_events(w, 1)) == ["new"]


def test_goes_back_to_fluentd(run, logs):
    """fluentd rewrites its file with three columns, and changes positions in place."""
    append(logs / "app.log", "a\nb\n")
    w = run()
    wait_events(w, 2)
    wait_position(logs, logs / "app.log")
    w.stop()
    line = (logs.parent / "pos").read_text()
    assert len(line.split("\t")) == 7
    (logs.parent / "pos").write_text("\t".join(line.split("\t")[:1] + [f"{2:016x}"] + line.split("\t")[2:3]) + "\n")
    w.start()
    assert messages(wait_events(w, 3)) == ["a", "b", "b"]


def test_inode_used_again(run, logs):
    """A file that weir does not know, under the number of one that it has read."""
    append(logs / "app.log", "a\nb\n")
    w = run(path="*.log")
    wait_events(w, 2)
    wait_position(logs, logs / "app.log")
    w.stop()
    os.remove(logs / "app.log")
    append(logs / "other.log", "c\nd\ne\n")
    if os.stat(logs / "other.log").st_ino == positions(logs)[str(logs / "app.log")][1]:
        w.start()
        assert messages(wait_events(w, 5)[2:]) == ["c", "d", "e"]


def test_one_pos_file_each(run, logs, weir):
    source = f"<source>\n @type tail\n @id {{}}\n tag t\n path {logs}/{{}}\n pos_file {logs}/pos\n {NONE}\n</source>\n"
    status, text = check(logs, source.format("one", "a") + source.format("two", "b"))
    assert status == 1 and "Other 'in_tail' plugin already use same pos_file path: plugin_id = one, pos_file path" in text


@pytest.mark.slow
def test_compaction(run, logs):
    for name in ("a.log", "b.log"):
        append(logs / name, "x\n")
    w = run("pos_file_compaction_interval 1s\n rotate_wait 0s\n refresh_interval 1s", path="*.log")
    wait_events(w, 2)
    wait_position(logs, logs / "b.log")
    os.remove(logs / "a.log")
    wait_until(lambda: (logs.parent / "pos").read_text().count("\n") == 1, 10, "one line")
    append(logs / "b.log", "y\n")
    wait_events(w, 3)
    wait_position(logs, logs / "b.log")


# ---- crashes and full buffers ---------------------------------------------------------------------------------------------

TAIL_ES = SYSTEM + """
<source>
  @type tail
  @id in
  tag app
  path {{path}}
  pos_file {{root}}/pos
  read_from_head true
  rotate_wait 1s
  refresh_interval 1s
  {{source}}
  <parse>
    {{parse}}
  </parse>
</source>
{{filter}}
<match **>
  @type elasticsearch
  @id es
  hosts {{es_url}}
  logstash_format true
  logstash_prefix {{prefix}}
  <buffer>
    @type file
    flush_interval 0.1
    retry_wait 0.2
    retry_forever true
    {{buffer}}
  </buffer>
</match>
"""


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_kill9(weir, fake_es, prefix, logs, kills):
    """Killed again and again while a file grows, is rotated and truncated: each line is there once, though none has a time of its own."""
    log = logs / "app.log"
    written, dice = [], random.Random(kills)

    def write(n):
        written.extend(f"{len(written) + i}" for i in range(n))
        append(log, "".join(line + "\n" for line in written[-n:]))

    def stored():
        return len(fake_es.documents(f"{prefix}-*"))

    write(500)
    w = weir(TAIL_ES, es_url=fake_es.url, prefix=prefix, path=log, parse="@type none")
    for i in range(kills):
        more = stored() + dice.randrange(0, 3000)
        write(3000)
        wait_until(lambda: stored() >= more, 10, "documents come", 0.001)
        if i % 4 == 1:
            os.rename(log, logs / f"app.log.{i}")
            write(700)
        if i % 4 == 3:
            wait_until(lambda: stored() >= len(written), 10, "all is read before the file is truncated", 0.01)
            wait_until(lambda: f"\t{log.stat().st_size:016x}\t" in read(f"{w.root}/pos"), 10, "so it is written", 0.01)
            os.truncate(log, 0)
            write(10)
        w.kill9()
        if i % 4 == 2:
            write(20)
            os.rename(log, logs / f"app.log.{i}")
        w.start()
    wait_until(lambda: stored() >= len(written), 20, lambda: f"{len(written)} lines, {stored()} are stored:\n{w.log_tail()}")
    w.stop()
    documents = [d["message"] for d in fake_es.documents(f"{prefix}-*").values()]
    assert len(documents) == len(written) and set(documents) == set(written)


def test_killed_at_each_step(weir, fake_es, prefix, logs):
    """At each step of a portion's way; the file has grown, or was rotated, when weir comes again."""
    log = logs / "app.log"
    w = weir(TAIL_ES, start=False, es_url=fake_es.url, prefix=prefix, path=log, parse="@type none", source="read_lines_limit 10")
    written, dice = [], random.Random(9)

    def write(n):
        written.extend(f"{len(written) + i}" for i in range(n))
        append(log, "".join(line + "\n" for line in written[-n:]))

    write(100)
    for i, step in enumerate(("tail-stored", "tail-planned", "group-synced", "tail-told", "group-written", "group-reported") * 2):
        w.env["WEIR_DIE_AT"] = f"{step}:{dice.randrange(1, 9)}"
        w.start(wait=False)
        wait_until(lambda: not w.process.is_running(), 10, lambda: f"it comes to {step}:\n{w.log_tail()}", 0.005)
        w.kill9()
        if i % 4 == 3:
            os.rename(log, logs / f"app.log.{i}")
        write(dice.randrange(80, 120))
    del w.env["WEIR_DIE_AT"]
    w.start()
    wait_until(lambda: len(fake_es.documents(f"{prefix}-*")) >= len(written), 10, lambda: f"all lines:\n{w.log_tail()}")
    w.stop()
    documents = [d["message"] for d in fake_es.documents(f"{prefix}-*").values()]
    assert len(documents) == len(written) and set(documents) == set(written)


@pytest.mark.slow
def test_kill9_with_concat(weir, fake_es, prefix, logs):
    """Texts that a filter makes of several lines, some of which wait in it while weir is killed."""
    w = weir(TAIL_ES, es_url=fake_es.url, prefix=prefix, path=logs / "app.log", parse="@type none", source="read_lines_limit 7",
             filter="<filter **>\n @type concat\n key message\n multiline_start_regexp /^S/\n flush_interval 60s\n</filter>")
    want, dice = [], random.Random(1)

    def stored():
        return len(fake_es.documents(f"{prefix}-*"))

    for i in range(12):
        more = stored() + dice.randrange(0, 80)
        for j in range(100):
            text = "".join(f"{'S' if not k else ' '}{i} {j} {k}\n" for k in range(dice.randrange(1, 5)))
            want.append(text[:-1])
            append(logs / "app.log", text)
        wait_until(lambda: stored() >= more, 10, lambda: f"texts come:\n{w.log_tail()}", 0.001)
        w.kill9()
        w.start()
    append(logs / "app.log", "S end\n")
    wait_until(lambda: stored() >= len(want), 20, lambda: f"{len(want)} texts, {stored()} are stored:\n{w.log_tail()}")
    w.kill9()
    documents = [d["message"] for d in fake_es.documents(f"{prefix}-*").values()]
    assert sorted(documents) == sorted(want)


def test_full_buffer(weir, fake_es, prefix, logs):
    """A full buffer: the file is not read; when there is room everything arrives, in order and once."""
    fake_es.close_listener()
    w = weir(TAIL_ES, es_url=fake_es.url, prefix=prefix, path=logs / "app.log", parse="@type none",
             buffer="total_limit_size 1m\n chunk_limit_size 256k\n retry_max_interval 1s")
    append(logs / "app.log", "".join(f"{i} {'x' * 200}\n" for i in range(20000)))
    wait_until(lambda: w.metrics().sum("weir_source_events_total") > 1000, 10, "some lines are read")
    assert w.metrics().sum("weir_source_events_total") < 15000
    w.stop()
    w.start(wait=False)
    fake_es.open_listener()
    wait_until(lambda: len(fake_es.documents(f"{prefix}-*")) >= 20000, 10, lambda: f"all lines:\n{w.log_tail()}")
    w.stop()
    documents = sorted(int(d["message"].split()[0]) for d in fake_es.documents(f"{prefix}-*").values())
    assert documents == list(range(20000))


# ---- configuration ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, message", [
    ("tag t\n path /x\n pos_file /p", "<parse> section is required"),
    ("path /x\n pos_file /p\n " + NONE, "'tag' parameter is required"),
    ("tag t\n pos_file /p\n " + NONE, "'path' parameter is required"),
    ("tag t\n path /x\n pos_file /p\n follow_inodes maybe\n " + NONE, "follow_inodes"),
    ("tag t\n path /x\n follow_inodes true\n " + NONE, "Can't follow inodes without pos_file configuration parameter"),
    ("tag t\n path /x\n pos_file /p\n enable_watch_timer false\n enable_stat_watcher false\n " + NONE,
     "either of enable_watch_timer or enable_stat_watcher must be true"),
    ("tag t\n path /x\n pos_file /p\n from_encoding utf-8\n " + NONE,
     "'from_encoding' parameter must be specified with 'encoding' parameter"),
    ("tag t\n path /x\n pos_file /p\n encoding utf-16le\n " + NONE, "the encoding utf-16le is not possible"),
    ("tag t\n path /x\n pos_file /p\n encoding utf-8\n from_encoding utf-16le\n " + NONE, "a line feed is no single byte"),
    ("tag t\n path /x\n pos_file /p\n encoding utf-8\n from_encoding klingon\n " + NONE, "unknown encoding name - klingon"),
    ("tag t\n path /x\n pos_file /p\n path_delimiter *\n " + NONE, "are reserved words"),
    ("tag t\n path /x\n pos_file /p\n glob_policy always\n " + NONE, "cannot use glob_policy as always"),
    ("tag t\n path /{x,y}*\n pos_file /p\n glob_policy extended\n " + NONE, "cannot include curly braces"),
    ("tag t\n path /x\n pos_file /p\n glob_policy some\n " + NONE, "valid options are"),
    ("tag t\n path /x\n pos_file /p\n path_timezone Mars/North\n " + NONE, "Mars/North"),
    ("tag t\n path /x\n pos_file /p\n read_bytes_limit_per_second 1m\n enable_watch_timer false\n " + NONE,
     "Need to enable watch timer when using log throttling feature"),
    ("tag t\n path /x\n pos_file /p\n <group>\n pattern /x/\n </group>\n " + NONE, "<group> is not possible"),
    ("tag t\n path /x\n pos_file /p\n refresh_interval 0\n " + NONE, "refresh_interval"),
    ("tag t\n path /x\n pos_file /p\n max_line_size -1\n " + NONE, "max_line_size"),
])
def test_wrong_configurations(tmp_path, text, message):
    status, said = check(tmp_path, f"<source>\n @type tail\n {text}\n</source>")
    assert status == 1 and message in said, said


@pytest.mark.parametrize("text, message", [
    ("path /x\n " + NONE, "highly recommended"),
    ("path /x\n pos_file /p\n open_on_every_update true\n " + NONE, "open_on_every_update"),
    ("path /x\n pos_file /p\n read_bytes_limit_per_second 100\n " + NONE, "Should specify greater equal than 65536"),
    ("path /x\n pos_file /p\n encoding ascii-8bit\n from_encoding utf-8\n rotate_wait 0\n " + NONE, "0 errors"),
    ("path /a/*/[b]?.log\n glob_policy extended\n path_delimiter |\n pos_file /p\n path_timezone Asia/Tokyo\n "
     "skip_refresh_on_startup true\n ignore_repeated_permission_error true\n " + NONE, "0 errors"),
])
def test_accepted_configurations(tmp_path, text, message):
    status, said = check(tmp_path, f"<source>\n @type tail\n tag t\n {text}\n</source>")
    assert status == 0 and message in said, said
