"""The fake Elasticsearch answers as the real ones do where weir's tests lean on it: statuses and error types, item by item."""
import pytest

from fake_es import FakeES
from harness import http

ASK = "/_bulk?filter_path=took,errors,items.*.status,items.*.error,items.*.failure_store"


def lines(*texts):
    return "".join(t + "\n" for t in texts).encode()


BODIES = {
    "create": lines('{"create":{"_id":"1"}}', '{"a":1}', '{"create":{"_id":"2"}}', '{"a":2}'),
    "again": lines('{"create":{"_id":"1"}}', '{"a":1}', '{"create":{"_id":"3"}}', '{"a":2}'),
    "index": lines('{"index":{"_id":"1"}}', '{"a":1}', '{"index":{}}', '{"a":1}'),
    "update": lines('{"update":{"_id":"9"}}', '{"doc":{"a":1}}', '{"update":{"_id":"8"}}', '{"doc":{"a":1},"doc_as_upsert":true}'),
    "key twice": lines('{"create":{"_id":"d1"}}', '{"a":1,"a":2}', '{"create":{"_id":"d2"}}', '{"b":1}'),
    "empty key": lines('{"create":{"_id":"e1"}}', '{"":1}'),
    "blank key": lines('{"create":{"_id":"e2"}}', '{"  ":1}'),
    "dots": lines('{"create":{"_id":"e3"}}', '{"a..b":1}'),
    "broken document": lines('{"create":{"_id":"b1"}}', '{"a":', '{"create":{"_id":"b2"}}', '{"c":1}'),
    "not a number": lines('{"create":{"_id":"n1"}}', '{"a":NaN}'),
    "control character": lines('{"create":{"_id":"n2"}}', '{"a":"\x01"}'),
    "invalid UTF-8": b'{"create":{"_id":"n3"}}\n{"a":"\xff"}\n',
    "no newline": lines('{"create":{"_id":"x"}}', '{"a":1}')[:-1],
    "broken action": lines('{"create":[', '{"a":1}'),
    "no action": lines('hello', '{"a":1}'),
    "unknown action": lines('{"make":{"_id":"x"}}', '{"a":1}'),
    "mapping type": lines('{"create":{"_id":"x","_type":"_doc"}}', '{"a":1}'),
    "long id": lines('{"create":{"_id":"%s"}}' % ("x" * 513), '{"a":1}'),
    "upper-case index": lines('{"create":{"_id":"x","_index":"Bad"}}', '{"a":1}'),
    "index with a space": lines('{"create":{"_id":"x","_index":"a b"}}', '{"a":1}'),
    "deep": lines('{"create":{"_id":"deep"}}', '{"a":' * 25 + "1" + "}" * 25),
}
# Names that differ and that nobody looks at: weir goes by status first.
ALIASES = {"mapper_parsing_exception": "document_parsing_exception", "x_content_parse_exception": "illegal_argument_exception"}


def shape(answer):
    """Status, and for each item its status and type of error."""
    body = answer.json
    if answer.status != 200:
        return answer.status, ALIASES.get(body["error"]["type"], body["error"]["type"])
    out = []
    for item in body["items"]:
        (op, result), = item.items()
        type_ = result.get("error", {}).get("type")
        out.append((op, result["status"], ALIASES.get(type_, type_)))
    return 200, body["errors"], out


def test_answers(elasticsearch, prefix):
    elasticsearch.put_template(prefix, f"{prefix}*", {"properties": {"a": {"type": "keyword"}}})
    different = {}
    with FakeES() as fake:
        for name, body in BODIES.items():
            real, ours = (shape(http.request("POST", f"{url}/{prefix}{ASK}", body)) for url in (elasticsearch.url, fake.url))
            if real != ours:
                different[name] = {"real": real, "fake": ours}
    assert different == {}


@pytest.mark.parametrize("paths", ["errors,items.*.status", "items.*.error.type", "took,errors,items.*.status,items.*.error",
                                   "items.create.status", "**.status", "items.*.nothing"])
def test_filter_path(elasticsearch, prefix, paths):
    body = BODIES["create"] + BODIES["again"] + BODIES["key twice"]
    with FakeES() as fake:
        real, ours = (http.request("POST", f"{url}/{prefix}-{len(paths)}/_bulk?filter_path={paths}", body).json
                      for url in (elasticsearch.url, fake.url))

    def structure(value):
        if isinstance(value, dict):
            return {k: structure(v) for k, v in value.items() if k not in ("took", "reason", "caused_by", "type", "index_uuid",
                                                                          "shard", "index")}
        return [structure(v) for v in value] if isinstance(value, list) else value
    assert structure(ours) == structure(real)
