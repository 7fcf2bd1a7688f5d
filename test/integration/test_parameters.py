"""Each parameter that fluentd's documentation lists for what an aggregator uses: given, left out, and with a wrong value.

The tables are test/config/parameters/*.table, written from what fluentd and its plugins document, not from weir's own tables: one that weir loses, a default that changes, a wrong
value that is taken or is told of elsewhere than where it stands, fails here. A table has parts:

    == title            `== title, one` : all rows go into one section, because there can be only one (<system>)
    <source>            the section that the rows stand in, at `...`; {n} is different each time, {dir} is a folder with cert.pem, key.pem, template.json, servers.json, city.mmdb
      @type forward     a line for the row's own parameter, or for one that the row gives as well, gives way to it
      ...
    </source>
    name | default | given | wrong | why the default is another one than fluentd's (what is at the end may be left out)

    `... !! text` is told at the section's beginning where nothing is given.

    name      `old -> new`, `old -> section/new`: an old name, and where its value is shown
    default   the value; `-` it has none; `required` (`required: text`, if that is told in other words); `=` it is an old name (`= old`: told of as deprecated), or stands in the section;
              `note: text`, `warning: text`, `error: text`: it is accepted without effect, deprecated, or refused, and told of in these words
    given     a value; `a => b`: it is shown as b; `a ; x 1 ; y 2`: with further parameters; `a !! warning: text`: it is told of
    wrong     a type (str secret bool int float size time array hash regexp), of which a value is taken that is none, and/or `value >> text` with a part of what is said of it:
              at the value, `^ text` at the name, `@x text` at the value of x, `@^x text` at the name of x, `+n text` n columns into the value, `< text` where the section begins; `warning: text` if it is no error; several values with // between,
              several findings of one with &&
"""
import glob
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from harness import mmdb
from harness.weir import ROOT

TABLES = os.path.join(ROOT, "test/config/parameters")
# Values that are none of a type.
WRONG = {
    "str": [('"a\\0b"', "{name}: a 0 byte is not possible here")],
    "secret": [('"a\\0b"', "{name}: this is not a possible value")],
    "bool": [("perhaps", "{name}: 'perhaps' is neither true nor false")],
    "int": [("many", "{name}: 'many' is not an integer")],
    "float": [("much", "{name}: 'much' is not a number")],
    "size": [("10p", "{name}: '10p' has no unit that is known")],
    "time": [("soon", "{name}: 'soon' is not a time")],
    "array": [("'[\"a\"'", "{name}: ")],
    "hash": [("'{\"a\"'", "{name}: ")],
    "regexp": [("/(/", "not a regular expression")],
}
NO_DEFAULT = ("note:", "warning:", "error:", "=", "required")
PER_FILE = 250  # sections in one file


@dataclass
class Row:
    name: str
    shown_name: str
    shown_path: tuple  # sections below the one that the row stands in
    default: str
    given: str
    wrong: str
    where: str


@dataclass
class Part:
    title: str
    one: bool
    lines: list = field(default_factory=list)
    rows: list = field(default_factory=list)
    told: str = ""

    def path(self):
        """The names of the sections that the rows stand in."""
        stack = []
        for line in self.lines:
            line = line.strip()
            if line == "...":
                return tuple(stack)
            if line.startswith("</"):
                stack.pop()
            elif line.startswith("<"):
                stack.append(re.match(r"<(\w+)", line)[1])
        raise AssertionError(f"{self.title}: no ...")


def read_table(path):
    parts = []
    with open(path) as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            where = f"{os.path.basename(path)}:{number}"
            if line.startswith("== "):
                title, _, one = line[3:].partition(", ")
                parts.append(Part(f"{title} ({where})", one == "one"))
            elif not line.strip() or line.startswith("# "):
                continue
            elif not parts[-1].rows and (" | " not in line or line.startswith((" ", "<"))):
                line, _, told = line.partition(" !! ")
                parts[-1].told = told or parts[-1].told
                parts[-1].lines.append(line)
            else:
                cells = [c.strip() for c in re.split(r"(?<=\s)\|(?:\s|$)", line)]
                assert 3 <= len(cells) <= 5, f"{where}: {line}"
                cells += [""] * (4 - len(cells))
                name, _, new = cells[0].partition(" -> ")
                *sections, last = (new or name).split("/")
                parts[-1].rows.append(Row(name, last, tuple(sections), *cells[1:4], where))
    return parts


# ---- sections ----


@dataclass
class Piece:
    """A section in a file that weir checks, and what is expected of it."""
    part: Part
    row: Row  # None: only the defaults are looked at
    lines: list
    findings: list = field(default_factory=list)  # (severity, line, column, text); line from 0
    shown: str = None  # of the row's parameter
    shown_line: int = None
    rows: list = field(default_factory=list)  # the pieces whose rows stand in it, too
    first: int = 0  # its first line in the file
    file: str = ""


def section(part, lines_of_rows, drop=()):
    """The part's section with lines at `...`: its lines, and for each given line (its number, the columns of its name and of its value)."""
    names = {line.split()[0] for line in lines_of_rows} | set(drop)
    at = next(i for i, line in enumerate(part.lines) if line.strip() == "...")
    indent = len(part.lines[at]) - len(part.lines[at].lstrip())

    def is_here(i):
        """Whether a line stands in the innermost section around `...`."""
        between = part.lines[min(i, at):max(i, at)]
        return part.lines[i].startswith(" " * indent) and part.lines[i][indent] not in " <" and all(line.startswith(" " * indent) for line in between)

    lines, places = [], []
    for i, line in enumerate(part.lines):
        if i == at:
            for given in lines_of_rows:
                places.append((len(lines), indent + 1, indent + len(given.split()[0]) + 2))
                lines.append(" " * indent + given)
        elif not is_here(i) or line.split()[0] not in names:
            lines.append(line)
            if line.startswith("  @type") and "  @id {id}" not in part.lines:
                lines.append("  @id {id}")
    return lines, places


def expected(text, name, lines, places):
    """(severity, line, column, text) of what is said of the last given line."""
    line, name_column, value_column = places[-1]
    column = value_column
    begin = re.match(r"(\^|<|\+(\d+)|@(\^?)(\S+)) ", text)
    if begin:
        text = text[begin.end():]
        if begin[1] == "^":
            column = name_column
        elif begin[2]:
            column += int(begin[2])
        elif begin[1] == "<":
            line = max(i for i, given in enumerate(lines[:line]) if re.match(r"\s*<\w", given) and len(given) - len(given.lstrip()) < name_column - 1)
            column = len(lines[line]) - len(lines[line].lstrip()) + 1
        else:
            line = next(i for i, given in enumerate(lines) if given.split()[:1] == [begin[4]])
            column = lines[line].index(begin[4]) + 1 + (0 if begin[3] else len(begin[4]) + 1)
    severity = re.match(r"(error|warning|note): ", text)
    return severity[1] if severity else "error", line, column, text[severity.end() if severity else 0:].replace("{name}", name)


def split_given(cell, name):
    """A cell `value ; name value`: the lines, the parameter's own at the end."""
    value, *more = re.split(r"\s+;\s+", cell)
    return [*more, f"{name} {value}".strip()]


def always_told(row):
    """What is said of a parameter whatever its value is."""
    if row.default.startswith(("note:", "warning:")):
        return ["^ " + text if i == 0 else text for i, text in enumerate(row.default.split(" && "))]
    return ["^ warning: '{name}' parameter is deprecated"] if row.default == "= old" else []


def right_pieces(part):
    pieces = []
    for row in part.rows:
        refused = row.default.startswith("error:")
        if refused or not row.given or row.given == "-":
            continue
        given, _, told = re.split(r"()\s!!\s", row.given) if " !! " in row.given else (row.given, "", "")
        given, _, shown = (s.strip() for s in given.partition(" => "))
        lines_given = split_given(given, row.name)
        lines, places = section(part, lines_given)
        piece = Piece(part, row, lines)
        told = ([told] if told else []) + always_told(row)
        if not row.default.startswith(("note:", "warning:")):
            piece.shown = shown or lines_given[-1].partition(" ")[2]
            piece.shown_line = places[-1][0]
        piece.findings = [expected(t, row.name, lines, places) for text in told for t in text.split(" && ")]
        pieces.append(piece)
    if any(not row.default.startswith(NO_DEFAULT) for row in part.rows):
        lines, _ = section(part, [])
        told = re.match(r"(\w+): (.*)", part.told)
        pieces.append(Piece(part, None, lines, [(told[1], 0, 1, told[2])] if told else []))
    return pieces


def wrong_pieces(part):
    pieces = []

    def add(row, lines_given, text):
        lines, places = section(part, lines_given)
        texts = text.split(" && ") + ([] if row.default.startswith("error:") else always_told(row))
        pieces.append(Piece(part, row, lines, [expected(t, row.name, lines, places) for t in texts]))

    for row in part.rows:
        if row.default.startswith("error:"):
            add(row, split_given(row.given or "x", row.name), "^ " + row.default)
        if row.default.startswith("required"):
            lines, _ = section(part, [], drop=[row.name])
            text = row.default.partition(": ")[2] or f"'{row.name}' parameter is required"
            pieces.append(Piece(part, row, lines, [("error", None, None, text)]))
        for wrong in re.split(r"\s+//\s+", row.wrong) if row.wrong else []:
            cases = WRONG[wrong] if wrong in WRONG else [tuple(re.split(r"\s*>>\s+", wrong))]
            for value, text in cases:
                add(row, split_given(value, row.name), text)
    return pieces


def join_pieces(part, pieces):
    """All rows of a part in one section."""
    one = Piece(part, None, section(part, [])[0])
    at = next(i for i, line in enumerate(part.lines) if line.strip() == "...")
    lines = []
    for piece in pieces:
        given = [line for line in piece.lines if line not in part.lines]
        shift = at + len(lines) - piece.lines.index(given[0])
        one.findings += [(severity, line + shift, column, text) for severity, line, column, text in piece.findings]
        if piece.shown is not None:
            piece.shown_line += shift
            one.rows.append(piece)
        lines += given
    one.lines = part.lines[:at] + lines + part.lines[at + 1:]
    return one


# ---- what weir says ----


def check(path, folder):
    binary = os.path.abspath(os.environ.get("WEIR_BIN", os.path.join(ROOT, "build/weir")))
    env = {"PATH": os.environ["PATH"], "WEIR_STATE_DIR": "/nonexistent", "ASAN_OPTIONS": "detect_leaks=1"}
    done = subprocess.run([binary, "check", "--show", os.path.basename(path)], cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    findings = []
    for line in done.stderr.splitlines():
        m = re.match(r"([^:\s]+):(\d+):(\d+): (error|warning|note): (.*)", line)
        if m:
            findings.append((m[1], int(m[2]), int(m[3]), m[4], m[5]))
    errors = any(f[3] == "error" for f in findings)
    assert done.returncode == (1 if errors else 0), done.stderr[-2000:]
    return findings, done.stdout


def read_shown(text):
    """{id: {(section, ..., name): (value, where from)}}"""
    plugins, stack, values = {}, [], {}
    for line in text.splitlines():
        line = line.strip()
        if not stack and re.fullmatch(r"# \S+", line):
            values = plugins.setdefault(line[2:], {})
        elif line.startswith("</"):
            stack.pop()
        elif line.startswith("<"):
            if not stack and line == "<system>":
                values = plugins.setdefault("system", {})
            stack.append(re.match(r"<(\w+)", line)[1])
        elif line:
            m = re.fullmatch(r"# (\S+) is not set\s+# (.*)", line)
            if m:
                values.setdefault((*stack, m[1]), ("-", m[2]))
            else:
                m = re.fullmatch(r"(\S+)(?: (.*?))?\s*# (\S+)", line)
                assert m, line
                values.setdefault((*stack, m[1]), (m[2] or "", m[3]))
    return plugins


def run(pieces, name, folder):
    """Checks the pieces, PER_FILE in a file; [(piece, its findings, what is shown of it; None: nothing is, because of errors)]."""
    files = []
    for piece in pieces:
        if piece.part.one or not files or files[-1][0].part.one or len(files[-1]) >= PER_FILE:
            files.append([])
        files[-1].append(piece)

    def fill(text, piece_id, n):
        return text.replace("{id}", piece_id).replace("{n}", n).replace("{dir}", str(folder))

    def one_file(number):
        lines = []
        for i, piece in enumerate(files[number]):
            piece.file = f"{name}-{number}.conf"
            piece.findings = [(*f[:3], f[3].replace("{dir}", str(folder))) for f in piece.findings]
            piece.first = len(lines) + 1
            piece.id = "system" if piece.part.one else f"{name}-{number}-{i}"
            lines += [fill(line, piece.id, f"{number}_{i}") for line in piece.lines]
            for p in (piece, *piece.rows):
                p.file = piece.file
                p.shown = p.shown and fill(p.shown, piece.id, f"{number}_{i}")
        path = os.path.join(folder, f"{name}-{number}.conf")
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        findings, shown = check(path, folder)
        plugins = read_shown(shown)
        for piece in files[number]:
            mine = [f for f in findings if piece.first <= f[1] < piece.first + len(piece.lines) and f[0] == piece.file]
            yield piece, [(f[3], f[1] - piece.first, f[2], f[4]) for f in mine], plugins.get(piece.id, {}) if shown else None
        assert all(f[0] == os.path.basename(path) for f in findings), findings

    with ThreadPoolExecutor(2) as pool:
        return [result for results in pool.map(lambda n: list(one_file(n)), range(len(files))) for result in results]


# ---- the tests ----


def findings_differ(want, got):
    if len(want) != len(got):
        return True
    for w, g in zip(sorted(want, key=lambda f: (f[1] or 0, f[2] or 0)), got):
        if w[0] != g[0] or w[3] not in g[3] or (w[1] is not None and w[1:3] != g[1:3]):
            return True
    return False


def tell(piece, findings, what):
    def lines(of):
        return "".join(f"\n      {'?' if line is None else piece.first + line}:{column}: {severity}: {text}" for severity, line, column, text in of)
    where = f"{piece.row.where} {piece.row.name}" if piece.row else piece.part.title
    return f"{where}: {what} ({piece.file}:{piece.first})\n    said:{lines(findings)}\n    instead of:{lines(piece.findings)}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parameters")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost", "-keyout", "key.pem",
                    "-out", "cert.pem"], check=True, capture_output=True, cwd=folder)
    (folder / "template.json").write_text('{"index_patterns": ["x"]}')
    mmdb.write(folder / "city.mmdb", {"192.0.2.0/24": {"city": {"names": {"en": "x"}}}})
    (folder / "servers.json").write_text('[{"host": "a", "port": 24224}]')
    return folder


@pytest.fixture(scope="module")
def parts():
    return [part for path in sorted(glob.glob(os.path.join(TABLES, "*.table"))) for part in read_table(path)]


def default_of(row, part, shown):
    value = shown.get((*part.path(), *row.shown_path, row.shown_name))
    if value is None:
        return f"{row.where} {row.name}: it is not shown"
    if value != (row.default, "default"):
        return f"{row.where} {row.name}: the default is {value[0]} ({value[1]}), not {row.default}"
    return None


def given_of(piece, line, shown):
    row = piece.row
    value = shown.get((*piece.part.path(), *row.shown_path, row.shown_name))
    if value is None:
        return f"{row.where} {row.name}: it is not shown"
    if value != (piece.shown, f"{piece.file}:{line}"):
        return f"{row.where} {row.name}: it is shown as {value[0]} of {value[1]}, not {piece.shown} of {piece.file}:{line}"
    return None


def test_defaults_and_given(parts, folder):
    """Each parameter is taken without a word (or with the expected one) and shown with its place; left out, its default is shown."""
    pieces = []
    for part in parts:
        mine = right_pieces(part)
        if part.one:
            mine = [join_pieces(part, [p for p in mine if p.row]), *(p for p in mine if not p.row)]
        pieces += mine
    bad, seen = [], 0
    for piece, findings, shown in run(pieces, "given", folder):
        if findings_differ(piece.findings, findings):
            bad.append(tell(piece, findings, "findings"))
            continue
        if shown is None:  # nothing of a file with errors is shown: those of another piece are told
            continue
        bad += [given_of(p, piece.first + p.shown_line, shown) for p in (piece, *piece.rows) if p.shown is not None]
        if not piece.row and not piece.rows:
            for row in piece.part.rows:
                if not row.default.startswith(NO_DEFAULT):
                    bad.append(default_of(row, piece.part, shown))
                    seen += 1
    bad = [b for b in bad if b]
    print(sum(len(p.rows) for p in parts), "rows,", seen, "defaults,", len(pieces), "sections")
    assert not bad, f"{len(bad)}:\n" + "\n".join(bad)
    assert seen > 600


def test_wrong_values(parts, folder):
    """Each wrong value is told of once, at its place, and nothing else is said."""
    pieces = []
    for part in parts:
        mine = wrong_pieces(part)
        if part.one and mine:
            mine = [join_pieces(part, mine)]
        pieces += mine
    bad = []
    for piece, findings, _ in run(pieces, "wrong", folder):
        if findings_differ(piece.findings, findings):
            bad.append(tell(piece, findings, "a wrong value"))
    print(len(pieces), "sections")
    assert not bad, f"{len(bad)}:\n" + "\n".join(bad)
