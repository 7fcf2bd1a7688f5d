"""Small HTTP requests with JSON."""
import base64
import http.client
import json
import ssl
from urllib.parse import urlsplit


class Answer:
    def __init__(self, status, body):
        self.status, self.body = status, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


def request(method, url, body=None, user=None, headers=(), timeout=60):
    """An Answer whatever the status; OSError if there is none. A dict goes as JSON, bytes as NDJSON."""
    parts = urlsplit(url)
    headers = dict(headers)
    if isinstance(body, dict):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    elif body is not None:
        headers.setdefault("Content-Type", "application/x-ndjson")
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    if parts.scheme == "https":
        insecure = ssl.create_default_context()
        insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=insecure)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body, headers)
        r = connection.getresponse()
        return Answer(r.status, r.read())
    except http.client.HTTPException as e:
        raise OSError(str(e)) from e
    finally:
        connection.close()
