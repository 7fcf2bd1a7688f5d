"""What can go wrong between weir and Elasticsearch, for fake_es.py: each function makes a fault.

All take times=N (bulk requests that it touches), seconds=S (from now on) and when=function(request); without them it lasts
until it is taken away.
"""
import json
import random
import threading
import time


class Refused(Exception):
    """An error as Elasticsearch words it: HTTP status, type, reason."""

    def __init__(self, status, type_, reason):
        super().__init__(reason)
        self.status, self.type, self.reason = status, type_, reason

    def body(self):
        cause = {"type": self.type, "reason": self.reason}
        return {"error": {"root_cause": [cause], **cause}, "status": self.status}


class Response:
    def __init__(self, status, body, headers=()):
        self.status, self.body, self.headers = status, body, dict(headers)

    def encode(self):
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        reason = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 413: "Payload Too Large",
                  429: "Too Many Requests", 503: "Service Unavailable"}.get(self.status, "Status")
        headers = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json", **self.headers,
                   "Content-Length": str(len(body))}
        head = f"HTTP/1.1 {self.status} {reason}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        return head.encode(), body


class Fault:
    """What goes wrong. It touches `times` bulk requests, or those that come within `seconds` (from its start), or all until
    it is taken away. `when` narrows it to requests for which it is true. Subclasses override the step that they spoil."""

    def __init__(self, times=None, seconds=None, when=None):
        self.times, self.when, self.used = times, when, 0
        self.until = None if seconds is None else time.monotonic() + seconds
        self.lock = threading.Lock()

    def applies(self, request):
        """Decides once a request, and counts it."""
        if not request.is_bulk or (self.when and not self.when(request)):
            return False
        with self.lock:
            if self.is_over():
                return False
            self.used += 1
            return True

    def is_over(self):
        return (self.times is not None and self.used >= self.times) or \
            (self.until is not None and time.monotonic() >= self.until)

    def on_connect(self):
        """True: never read from this connection."""
        return False

    def on_request(self, _request):
        """A Response that is given without looking at the items."""
        return None

    def on_item(self, _item):
        """(status, type, reason) for an item, in place of storing it."""
        return None

    def on_response(self, response):
        """The Response to send in place of this one; the items are stored by now."""
        return response

    def deliver(self, _connection, _head, _body):
        """Sends the reply in its own way. True: done (the connection is closed)."""
        return False


class _Status(Fault):
    def __init__(self, code, body, headers, **k):
        super().__init__(**k)
        self.response = Response(code, body, headers)

    def on_request(self, _request):
        return self.response


def status(code, body=None, headers=(), retry_after=None, **k):
    """Whole requests answered with this status; nothing is stored."""
    headers = dict(headers)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    names = {401: "security_exception", 403: "security_exception", 429: "es_rejected_execution_exception"}
    if body is None:
        body = Refused(code, names.get(code, "some_exception"), f"the fake answers {code}").body()
    elif isinstance(body, str):
        body = body.encode()
    return _Status(code, body, headers, **k)


def html(code=200, **k):
    """A proxy's page."""
    page = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
    return status(code, page, {"Content-Type": "text/html"}, **k)


class _Items(Fault):
    def __init__(self, test, code, type_, reason, **k):
        super().__init__(**k)
        self.test, self.error = test, (code, type_, reason)

    def on_item(self, item):
        return self.error if self.test(item) else None


def reject_items(share=0.1, code=429, type="es_rejected_execution_exception",
                 reason="rejected execution of primary operation", seed=1, **k):
    """Each item fails with probability `share`."""
    dice = random.Random(seed)
    return _Items(lambda item: dice.random() < share, code, type, reason, **k)


def items_if(test, code, type, reason, **k):
    """Items for which test(item) is true fail."""
    return _Items(test, code, type, reason, **k)


def item_every(field, every, at, code=400, type="document_parsing_exception", reason="[1:1] failed to parse: planted", **k):
    """Items whose whole number in `field` leaves the rest `at` when it is divided by `every` fail."""
    def planted(item):
        n = (item.document or {}).get(field)
        return isinstance(n, int) and n % every == at
    return _Items(planted, code, type, reason, **k)


def item_error(field, value, code=400, type="document_parsing_exception",
               reason="[1:1] failed to parse field [x] of type [long]", **k):
    """Items whose document has `field` equal to `value` fail."""
    return _Items(lambda item: bool(item.document) and item.document.get(field) == value, code, type, reason, **k)


def index_error(index, code=403, type="cluster_block_exception",
                reason="index [x] blocked by: [FORBIDDEN/8/index write (api)];", **k):
    """Items for this index fail: a name, or a function of a name."""
    return _Items(lambda item: index(item.index) if callable(index) else item.index == index, code, type, reason, **k)


class _WholeIf(Fault):
    def __init__(self, field, value, code, **k):
        super().__init__(**k)
        self.field, self.value, self.code = field, value, code

    def on_request(self, request):
        if any(i.document and i.document.get(self.field) == self.value for i in request.items):
            return Response(self.code, Refused(self.code, "illegal_argument_exception", "planted").body())
        return None


def whole_request_if(field, value, code=400, **k):
    """The whole request fails if one of its documents has `field` equal to `value`."""
    return _WholeIf(field, value, code, **k)


def too_large(limit, **k):
    """413, with an empty body as Elasticsearch has it, for requests of more bytes."""
    return _Status(413, b"", {}, when=lambda r: r.wire_bytes > limit, **k)


class _Reply(Fault):
    def __init__(self, change, **k):
        super().__init__(**k)
        self.change = change

    def on_response(self, response):
        # Another fault may have refused the request, or spoilt the reply, already.
        try:
            return self.change(response) if response.status == 200 else response
        except ValueError:
            return response


def fewer_items(drop=1, **k):
    """The reply lacks items; errors is true so that they must be looked at."""
    return _Reply(lambda r: Response(200, {**_plain(r), "errors": True, "items": _plain(r)["items"][drop:]}), **k)


def failure_store(count, **k):
    """Stored, the first `count` items of the reply in the failure store of their data stream."""
    def change(response):
        items = _plain(response)["items"]
        for item in items[:count]:
            next(iter(item.values()))["failure_store"] = "used"
        return Response(200, {**_plain(response), "items": items})
    return _Reply(change, **k)


def errors_without_items(**k):
    return _Reply(lambda r: Response(200, {"took": 1, "errors": True}), **k)


def not_json(text="{\"took\":1,\"errors\":fal", **k):
    return _Reply(lambda r: Response(200, text.encode()), **k)


def huge_reply(size=100 << 20, **k):
    """Well-formed so far as it goes, and far too long."""
    return _Reply(lambda r: Response(200, b'{"took":1,"errors":true,"items":[' + b" " * size + b"]}"), **k)


def _plain(response):
    return json.loads(response.body) if isinstance(response.body, bytes) else response.body


class _Delivery(Fault):
    def __init__(self, how, **k):
        super().__init__(**k)
        self.how = how

    def deliver(self, connection, head, body):
        self.how(connection, head, body)
        return True


def lose_reply(**k):
    """Stored, but the connection is closed before a byte of the reply."""
    return _Delivery(lambda connection, head, body: None, **k)


def cut_reply(at, **k):
    """Stored; the connection is closed after `at` bytes of the reply's body (below 0: counted from its end)."""
    return _Delivery(lambda connection, head, body: connection.send(head + body[:at]), **k)


def slow_reply(bytes_per_second=1, **k):
    """Stored; the reply trickles."""
    def trickle(connection, head, body):
        for byte in head + body:
            connection.send(bytes([byte]))
            if connection.fake.stopping.wait(1 / bytes_per_second):
                return
    return _Delivery(trickle, **k)


class _HangAtConnect(Fault):
    def on_connect(self):
        with self.lock:
            if self.is_over():
                return False
            self.used += 1
            return True

    def applies(self, _request):
        return False


def hang(where, **k):
    """Silence for ever: "connect" (never reads; `times` counts connections), "headers" or "body" (stored; half of the headers
    or of the body is sent)."""
    if where == "connect":
        return _HangAtConnect(**k)

    def stall(connection, head, body):
        connection.send(head[:len(head) // 2] if where == "headers" else head + body[:len(body) // 2])
        connection.fake.stopping.wait()
    return _Delivery(stall, **k)


class _Late(Fault):
    def __init__(self, delay, **k):
        super().__init__(**k)
        self.delay = delay

    def on_response(self, response):
        time.sleep(self.delay)
        return response


def late(delay, **k):
    """Stored; the reply comes after `delay` seconds."""
    return _Late(delay, **k)


FAULTS = {f.__name__: f for f in (status, html, reject_items, item_error, item_every, index_error, whole_request_if, too_large,
                                  fewer_items, failure_store, errors_without_items, not_json, huge_reply, lose_reply, cut_reply,
                                  slow_reply, hang, late)}
