#!/usr/bin/env python3
"""A scriptable Elasticsearch for tests: takes _bulk strictly, remembers every document, and fails on demand.

    with FakeES() as es:                                   # listens on 127.0.0.1:es.port
        es.fault(fake_faults.status(503, seconds=2))       # whole requests fail for two seconds
        es.fault(fake_faults.reject_items(0.1, times=3))   # a tenth of the items of three requests gets a 429
        ...
        es.documents("logs-2026.08.07")        # id -> document
        es.event_counts[("sender-1", 17)]      # how often the event {"sender": "sender-1", "seq": 17} was stored
        es.violations                          # what a real cluster would have refused because the client is wrong

By itself: fake_es.py [--port N] [--tls CERT KEY] [--user NAME:PASSWORD]; then a test steers it over HTTP:

    POST   /_fake/fault     {"kind": "status", "code": 503, "seconds": 2}     any function that is in FAULTS
    DELETE /_fake/fault     no faults any more
    GET    /_fake/state     counters, violations, duplicates
    POST   /_fake/listener  {"seconds": 5}      closes the listening socket and all connections for that long

What it checks is what Elasticsearch 8.19 checks: an action line that is not right fails the whole request, a document that
cannot be parsed (no JSON, a key twice, an empty field name, nested over 20 deep) fails its item with 400.
Standard library only. One thread a connection. About 50,000 documents of 300 bytes a second on one core.
"""
import argparse
import base64
import collections
import gzip
import itertools
import json
import re
import socket
import ssl
import sys
import threading
import time
from urllib.parse import parse_qs, unquote, urlsplit

from fake_faults import FAULTS, Refused, Response

MAX_DEPTH = 20
MAX_ID_BYTES = 512
OPERATIONS = ("create", "index", "update", "delete")
ACTION_KEYS = {"_index", "_id", "pipeline", "routing", "require_alias", "require_data_stream", "retry_on_conflict",
               "dynamic_templates", "version", "version_type", "if_seq_no", "if_primary_term"}
# Places where a client puts things once and asks for them again.
KEPT = ("_template", "_index_template", "_component_template", "_ilm/policy", "_plugins/_ism/policies",
        "_ingest/pipeline", "_data_stream", "_alias")


class Request:
    """One HTTP request as it came. `items` is set for a _bulk that could be read."""

    def __init__(self, method, target, headers, body):
        parts = urlsplit(target)
        self.method, self.path, self.headers = method, unquote(parts.path), headers
        self.query = {k: v[-1] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        self.target, self.wire = target, body
        self.wire_bytes = len(body)
        self.body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.is_bulk = self.path.endswith("/_bulk")
        self.items = []
        self.time = time.monotonic()
        self.status = None


class Item:
    """One operation of a _bulk: its place, action line and document; `outcome` is (status, type, reason)."""

    __slots__ = ("op", "index", "id", "document", "raw", "error", "meta")

    def __init__(self, op, index, id_, meta):
        self.op, self.index, self.id, self.meta = op, index, id_, meta
        self.document = self.raw = self.error = None


# ---- reading a _bulk ------------------------------------------------------------------------------------------------

class DuplicateKey(ValueError):
    pass


def _no_duplicates(pairs):
    d = dict(pairs)
    if len(d) != len(pairs):
        seen = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateKey(f"Duplicate field '{key}'")
            seen.add(key)
    return d


def _no_constant(text):
    raise ValueError(f"Non-standard token '{text}'")


_decoder = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant)


def strict_json(raw):
    """The object in these bytes, or ValueError."""
    value = _decoder.decode(raw.decode("utf-8"))
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _check_fields(value, depth=1):
    """Field names and nesting as a mapping takes them."""
    if depth > MAX_DEPTH:
        raise ValueError(f"Limit of mapping depth [{MAX_DEPTH}] has been exceeded")
    if isinstance(value, list):
        for v in value:
            if isinstance(v, (dict, list)):
                _check_fields(v, depth)
        return
    for key, v in value.items():
        if not key.strip() or "" in key.split("."):
            raise ValueError(f"field name [{key}] cannot be empty, blank or with an empty part")
        if isinstance(v, (dict, list)):
            _check_fields(v, depth + 1)


_bad_index = re.compile(r'[\\/*?"<>| ,#:]|[A-Z]|^[-_+]|^\.{1,2}$')


def check_index_name(name):
    if not name or _bad_index.search(name) or len(name.encode()) > 255:
        raise Refused(400, "invalid_index_name_exception", f"Invalid index name [{name}]")


def parse_action(line, number, default_index):
    """An Item without its document; Refused for the whole request."""
    where = f"Malformed action/metadata line [{number}]"
    try:
        action = strict_json(line)
    except ValueError as e:
        raise Refused(400, "illegal_argument_exception", f"{where}: {e}") from None
    if len(action) != 1 or next(iter(action)) not in OPERATIONS:
        raise Refused(400, "illegal_argument_exception", f"{where}, expected one of {OPERATIONS}")
    op, meta = next(iter(action.items()))
    if not isinstance(meta, dict) or set(meta) - ACTION_KEYS:
        raise Refused(400, "illegal_argument_exception", f"{where}: unknown parameter in {meta}")
    id_, index = meta.get("_id"), meta.get("_index", default_index)
    if not isinstance(index, str) or not (id_ is None or isinstance(id_, (str, int))):
        raise Refused(400, "illegal_argument_exception", f"{where}: no index, or an id that is no string")
    id_ = None if id_ is None else str(id_)
    if id_ is not None and not 0 < len(id_.encode()) <= MAX_ID_BYTES:
        raise Refused(400, "action_request_validation_exception", f"id [{id_[:20]}...] is empty or too long")
    return Item(op, index, id_, meta)


def parse_bulk(body, default_index):
    """The items of a body; Refused if the request as a whole is wrong."""
    if not body.endswith(b"\n"):
        raise Refused(400, "illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]")
    items, lines = [], iter(enumerate(body[:-1].split(b"\n"), 1))
    for number, line in lines:
        item = parse_action(line, number, default_index)
        items.append(item)
        if item.op == "delete":
            continue
        _, item.raw = next(lines, (0, None))
        if item.raw is None:
            raise Refused(400, "illegal_argument_exception", f"action line [{number}] has no document")
        try:
            item.document = strict_json(item.raw)
            _check_fields(item.document)
        except (ValueError, RecursionError) as e:
            item.error = (400, "document_parsing_exception", str(e))
    return items


def filter_path(value, paths):
    """Elasticsearch's filter_path: keeps what one of the patterns reaches; what becomes empty goes."""
    # "**" stands for any number of fields, none included.
    paths = paths + [p[1:] for p in paths if p and p[0] == "**"]
    kept = [p for p in paths if p]
    if any(p == [] for p in paths) or not isinstance(value, (dict, list)):
        return value if any(p == [] for p in paths) else None
    if isinstance(value, list):
        out = [filter_path(v, kept) for v in value]
        return [v for v in out if v is not None] or None
    out = {}
    for key, v in value.items():
        below = [p[1:] for p in kept if p[0] in (key, "*")] + [p for p in kept if p[0] == "**"]
        got = filter_path(v, below) if below else None
        if got is not None:
            out[key] = got
    return out or None


# ---- the server -----------------------------------------------------------------------------------------------------

class Connection(threading.Thread):
    def __init__(self, fake, sock):
        super().__init__(daemon=True)
        self.fake, self.sock, self.buffer = fake, sock, b""

    def send(self, data):
        self.sock.sendall(data)

    def run(self):
        try:
            if self.fake.tls:
                self.sock = self.fake.tls.wrap_socket(self.sock, server_side=True)
            if any(f.on_connect() for f in self.fake.faults):
                self.fake.stopping.wait()
                return
            while (request := self.read_request()) is not None:
                if not self.fake.handle(request, self):
                    return
        except (OSError, ssl.SSLError, ConnectionError):
            pass
        finally:
            self.fake.forget(self)
            self.sock.close()

    def more(self):
        data = self.sock.recv(1 << 18)
        if not data:
            raise ConnectionError
        return data

    def read_request(self):
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            self.buffer += self.more()
        lines = self.buffer[:end].decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        left = int(headers.get("content-length", 0)) - (len(self.buffer) - end - 4)
        if "transfer-encoding" in headers:
            self.fake.violation("a chunked request: some proxies and hosted clusters refuse them")
            return None
        if "100-continue" in headers.get("expect", ""):
            self.fake.violation("Expect: 100-continue")
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        parts = [self.buffer[end + 4:]]
        while left > 0:
            parts.append(self.more())
            left -= len(parts[-1])
        self.buffer = b""
        return Request(method, target, headers, b"".join(parts))


class FakeES:
    def __init__(self, port=0, tls=None, user=None, version="8.19.0", keep_documents=True, address="127.0.0.1"):
        """tls: (certificate file, key file); user: "name:password" that requests must carry; keep_documents: off for runs so
        long that only counts can be kept."""
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        self.user, self.version, self.keep_documents = user, version, keep_documents
        self.authorize = None  # a function of a request; false: 403
        self.port, self.address = port, address
        self.auto_create = True
        self.faults = []
        self.indices = collections.defaultdict(dict)
        self.kept = {}
        self.event_counts = collections.Counter()
        self.counts = collections.Counter()
        self.violations = []
        self.requests = collections.deque(maxlen=100000)
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.connections = set()
        self.listener = None
        self.auto_ids = itertools.count()

    # life

    def start(self):
        self.open_listener()
        return self

    def stop(self):
        self.stopping.set()
        self.close_listener()

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def open_listener(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.address, self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self.listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close_listener(self):
        """From now on connections are refused, and those that were open are reset."""
        listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self.lock:
            open_now = list(self.connections)
        for c in open_now:
            try:
                c.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            c = Connection(self, sock)
            with self.lock:
                self.connections.add(c)
                self.counts["connections"] += 1
            c.start()

    def forget(self, connection):
        with self.lock:
            self.connections.discard(connection)

    # for tests

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.address}:{self.port}"

    def fault(self, fault):
        self.faults.append(fault)
        return fault

    def heal(self):
        self.faults.clear()

    def violation(self, text):
        with self.lock:
            if len(self.violations) < 1000:
                self.violations.append(text)

    def documents(self, pattern="*"):
        """id -> document of all indices that match ("logs-*")."""
        rx = re.compile(re.escape(pattern).replace(r"\*", ".*") + r"\Z")
        with self.lock:
            return {i: d for name, docs in self.indices.items() if rx.match(name) for i, d in docs.items()}

    def duplicates(self):
        """Events (sender, seq) that are stored under more than one id."""
        with self.lock:
            return {e: n for e, n in self.event_counts.items() if n > 1}

    def stored_events(self):
        with self.lock:
            return len(self.event_counts)

    def bulk_requests(self):
        return [r for r in list(self.requests) if r.is_bulk]

    def state(self):
        with self.lock:
            return {"counts": dict(self.counts), "violations": self.violations[:20],
                    "events": len(self.event_counts), "documents": {k: len(v) for k, v in self.indices.items()},
                    "duplicates": self.counts["doubled"]}

    # requests

    def handle(self, request, connection):
        """Answers one request. False: the connection must be closed."""
        if request.path.startswith("/_fake/"):
            connection.send(b"".join(self.steer(request).encode()))
            return True
        bad = self.read_items(request) if request.is_bulk else None
        faults = [f for f in list(self.faults) if f.applies(request)]
        response = bad or next((r for r in (f.on_request(request) for f in faults) if r), None)
        if not response:
            response = self.answer(request, faults)
        for f in faults:
            response = f.on_response(response)
        request.status = response.status
        with self.lock:
            self.counts["requests"] += 1
            self.counts[f"status {response.status}"] += 1
            self.requests.append(request)
        request.body = request.wire = None
        if not self.keep_documents:
            request.items = []
        head, body = response.encode()
        if request.method == "HEAD":
            body = b""
        for f in faults:
            if f.deliver(connection, head, body):
                return False
        connection.send(head + body)
        return request.headers.get("connection", "").lower() != "close"

    def read_items(self, request):
        """Parses a _bulk; a Response if it is wrong as a whole."""
        parts = [p for p in request.path.split("/") if p]
        try:
            request.items = parse_bulk(request.body, parts[-2] if len(parts) > 1 else None)
        except (Refused, UnicodeDecodeError) as e:
            self.violation(f"_bulk: {e}")
            refused = e if isinstance(e, Refused) else Refused(400, "illegal_argument_exception", str(e))
            return Response(refused.status, refused.body())
        for item in request.items:
            if item.error:
                self.violation(f"document {item.raw[:200]!r}: {item.error[2]}")
        return None

    def answer(self, request, faults):
        if self.user and request.headers.get("authorization") != \
                "Basic " + base64.b64encode(self.user.encode()).decode():
            return Response(401, Refused(401, "security_exception", "unable to authenticate").body())
        if self.authorize and not self.authorize(request):
            return Response(403, {"message": "The request signature we calculated does not match the signature you provided."})
        try:
            if request.is_bulk:
                return self.bulk(request, faults)
            return self.other(request)
        except Refused as e:
            return Response(e.status, e.body())

    def bulk(self, request, faults):
        results, failed = [], False
        with self.lock:
            self.counts["bulk_requests"] += 1
            self.counts["bulk_bytes"] += len(request.body)
            self.counts["items"] += len(request.items)
            for item in request.items:
                error = item.error or next((e for e in (f.on_item(item) for f in faults) if e), None)
                code, type_, reason = error or self.store(item)
                self.counts[f"item {code}"] += 1
                result = {"_index": item.index, "_id": item.id, "status": code}
                if type_:
                    failed = True
                    result["error"] = {"type": type_, "reason": reason}
                else:
                    result.update(_version=1, result="created", _seq_no=1, _primary_term=1)
                results.append({item.op: result})
        if "filter_path" not in request.query:
            return Response(200, {"errors": failed, "took": 1, "items": results})
        paths = [p.split(".") for p in request.query["filter_path"].split(",")]
        if not failed and ["items", "*", "status"] in paths:
            items = b",".join([b'{"%s":{"status":%d}}' % (op.encode(), r["status"]) for d in results for op, r in d.items()])
            return Response(200, b'{"errors":false,"took":1,"items":[' + items + b"]}")
        return Response(200, filter_path({"errors": failed, "took": 1, "items": results}, paths) or {})

    def store(self, item):
        """Under the lock. (status, type, reason)"""
        try:
            check_index_name(item.index)
        except Refused as e:
            self.violations.append(str(e))
            return e.status, e.type, e.reason
        if not self.auto_create and item.index not in self.indices:
            return 404, "index_not_found_exception", f"no such index [{item.index}]"
        docs = self.indices[item.index]
        if item.id is None:
            item.id = f"auto-{next(self.auto_ids)}"
        known = item.id in docs
        if item.op == "create" and known:
            return (409, "version_conflict_engine_exception",
                    f"[{item.id}]: version conflict, document already exists (current version [1])")
        if item.op == "delete":
            return (200, None, None) if docs.pop(item.id, None) is not None else (404, None, None)
        if item.op == "update":
            return self.update(item, docs)
        docs[item.id] = item.document if self.keep_documents else None
        if not known and "seq" in item.document:
            event = item.document.get("sender"), item.document["seq"]
            self.event_counts[event] += 1
            self.counts["doubled"] += self.event_counts[event] == 2
        return (200 if known else 201), None, None

    def update(self, item, docs):
        change, old = item.document.get("doc", {}), docs.get(item.id)
        if old is None and item.document.get("doc_as_upsert"):
            old = {}
        elif old is None and "upsert" in item.document:
            old, change = item.document["upsert"], {}
        if old is None:
            return 404, "document_missing_exception", f"[{item.id}]: document missing"
        new = item.id not in docs
        docs[item.id] = {**old, **change}
        return (201 if new else 200), None, None

    def other(self, request):
        path = request.path.strip("/")
        if path == "":
            return Response(200, {"name": "fake", "cluster_name": "fake", "cluster_uuid": "ZmFrZSBjbHVzdGVyIHV1aQ",
                                  "version": {"number": self.version, "build_flavor": "default"},
                                  "tagline": "You Know, for Search"})
        if path == "_cluster/health":
            return Response(200, {"cluster_name": "fake", "status": "green"})
        if path == "_nodes/http":
            return Response(200, {"nodes": {"n": {"http": {"publish_address": f"127.0.0.1:{self.port}"}}}})
        if path.endswith("_refresh"):
            return Response(200, {"_shards": {"failed": 0}})
        if path.endswith("_count"):
            return Response(200, {"count": len(self.documents(path.rpartition("/")[0] or "*"))})
        for place in KEPT:
            if path.startswith(place + "/"):
                return self.keep(request, place, path)
        return self.index(request, path)

    def keep(self, request, place, path):
        if request.method in ("PUT", "POST"):
            self.kept[path] = json.loads(request.body or b"{}")
            return Response(200, {"acknowledged": True})
        if path not in self.kept:
            raise Refused(404, "resource_not_found_exception", f"[{path}] is missing")
        return Response(200, {path[len(place) + 1:]: self.kept[path]})

    def index(self, request, name):
        """Create, look for or delete an index."""
        check_index_name(name)
        with self.lock:
            known = name in self.indices
            if request.method == "PUT":
                if known:
                    raise Refused(400, "resource_already_exists_exception", f"index [{name}] already exists")
                self.indices[name] = {}
                return Response(200, {"acknowledged": True, "index": name})
            if not known:
                raise Refused(404, "index_not_found_exception", f"no such index [{name}]")
            if request.method == "DELETE":
                del self.indices[name]
            return Response(200, {name: {}} if request.method == "GET" else {"acknowledged": True})

    def steer(self, request):
        wish = json.loads(request.body or b"{}")
        if request.path == "/_fake/fault" and request.method == "POST":
            self.fault(FAULTS[wish.pop("kind")](**wish))
        elif request.path == "/_fake/fault" and request.method == "DELETE":
            self.heal()
        elif request.path == "/_fake/listener":
            # A moment later, so that this answer still goes out.
            threading.Timer(0.05, self.close_listener).start()
            threading.Timer(0.05 + wish["seconds"], self.open_listener).start()
        elif request.path != "/_fake/state":
            return Response(404, {"error": "no such control"})
        return Response(200, self.state())


def main():
    ap = argparse.ArgumentParser(description="a scriptable Elasticsearch for tests")
    ap.add_argument("--port", type=int, default=0)
    ap.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    ap.add_argument("--user", metavar="NAME:PASSWORD")
    ap.add_argument("--counts-only", action="store_true", help="keep no documents")
    a = ap.parse_args()
    with FakeES(a.port, a.tls, a.user, keep_documents=not a.counts_only) as es:
        print(f"listening {es.port}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.exit(0)


if __name__ == "__main__":
    main()
