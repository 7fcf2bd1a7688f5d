"""What a `<match> @type stdout` of weir has printed into its log."""
import json
import re
import subprocess

from .waiting import wait_until
from .weir import Weir

_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} [+-]\d{4}) (\S+): (\{.*\})$")

_STDOUT = """
<system>
  root_dir {{root}}
  <admin>
    bind 127.0.0.1
    port {{admin_port}}
  </admin>
</system>
%s
<match **>
  @type stdout
</match>
"""


def to_stdout(source):
    """A configuration with that text of sources, which prints everything."""
    return _STDOUT % source


class Event(dict):
    """A record, with its tag and time."""
    tag = time = None


def events(w, tag=None):
    """All that was printed so far, in order; of one tag if it is given."""
    found = []
    for line in w.log().splitlines():
        m = _LINE.match(line)
        if m and (tag is None or m[2] == tag):
            e = Event(json.loads(m[3]))
            e.time, e.tag = m[1], m[2]
            found.append(e)
    return found


def wait_events(w, n, tag=None, timeout=20):
    """Exactly n of them."""
    wait_until(lambda: len(events(w, tag)) >= n, timeout,
               lambda: f"{n} events, there are {len(events(w, tag))}:\n{w.log_tail(40)}")
    found = events(w, tag)
    assert len(found) == n, found
    return found


def dead_letters(w):
    """How many there are, by reason."""
    found = {}
    for name, value in w.metrics().items():
        m = re.match(r'weir_dead_letter_events_total\{.*reason="([^"]*)"', name)
        if m:
            found[m[1]] = found.get(m[1], 0) + int(value)
    return found


def check(folder, source):
    """What `weir check` says of a configuration with those sources: (exit status, text)."""
    w = Weir(folder, to_stdout(source))
    r = subprocess.run([w.binary, "check", w.config_path], capture_output=True, text=True, timeout=60)
    return r.returncode, r.stderr
