"""What AWS does with a signed request, and its services that give credentials, for tests."""
import hashlib
import hmac
import http.server
import json
import re
import threading
import time
from urllib.parse import parse_qs, quote, unquote


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(secret, method, target, headers, signed, body_hash, date, scope):
    """As the documentation of Signature Version 4 has it, for services other than S3."""
    path, _, query = target.partition("?")
    pairs = sorted((quote(unquote(k), safe="-._~"), quote(unquote(v), safe="-._~"))
                   for k, _, v in (p.partition("=") for p in query.split("&") if p))
    request = "\n".join([method, "/".join(quote(p, safe="-._~") for p in path.split("/")),
                         "&".join(f"{k}={v}" for k, v in pairs),
                         *(f"{name}:{' '.join(headers[name].split())}" for name in signed), "", ";".join(signed), body_hash])
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return _hmac(key, text).hex()


class Keys:
    """Credentials that are good: access key -> (secret, session token or None). `mistakes`: what was wrong with requests."""

    def __init__(self, region, service, **keys):
        self.region, self.service, self.keys = region, service, keys
        self.used, self.mistakes = [], []

    def judge(self, method, target, headers, body):
        """None, or what is wrong."""
        m = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
                         headers.get("authorization", ""))
        if not m:
            return "no signature: " + headers.get("authorization", "")
        access, scope, signed, given = m[1], m[2], m[3].split(";"), m[4]
        if access not in self.keys:
            return f"unknown key {access}"
        self.used.append(access)
        secret, token = self.keys[access]
        date = headers["x-amz-date"]
        age = abs(time.time() - time.mktime(time.strptime(date + " UTC", "%Y%m%dT%H%M%SZ %Z")) + time.timezone)
        if headers.get("x-amz-security-token") != token:
            return "wrong token"
        if scope != f"{date[:8]}/{self.region}/{self.service}/aws4_request" or age > 300:
            return f"wrong scope or date: {scope} {date}"
        missing = [h for h in headers if h not in signed and (h.startswith("x-amz-") or h in ("host", "content-type"))]
        if missing or signed != sorted(signed) or any(h not in headers for h in signed):
            return f"wrong headers signed: {signed}, of {sorted(headers)}"
        body_hash = hashlib.sha256(body).hexdigest()
        if headers.get("x-amz-content-sha256") not in (None, body_hash):
            return "wrong hash of the body"
        if given != signature(secret, method, target, headers, signed, body_hash, date, scope):
            return f"wrong signature of {method} {target}"
        return None

    def allows(self, method, target, headers, body):
        mistake = self.judge(method, target, {k.lower(): v for k, v in headers.items()}, body)
        if mistake:
            self.mistakes.append(mistake)
        return not mistake


class Services:
    """The token service, the container's and the instance's: they give the keys that give() says, by what the test allows."""

    def __init__(self):
        self.asked, self.failing, self.end, self.sts_keys = [], False, 3600, None
        self.credentials = ("ASIATEMPORARY", "temporary secret", "a token/+=")
        services = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, kind, text = services.answer(self.command, self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, headers, body):
        form = {k: v[0] for k, v in parse_qs(body.decode()).items()}
        self.asked.append((method, path, dict(headers), form))
        if self.failing:
            return 500, "text/plain", b"not now"
        access, secret, token = self.credentials
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.end))
        if form:
            if form["Action"] == "AssumeRole" and not self.sts_keys.allows(method, path, headers, body):
                return 403, "text/xml", b"<ErrorResponse><Error><Code>X</Code><Message>not you</Message></Error></ErrorResponse>"
            return 200, "text/xml", (f"<{form['Action']}Response><{form['Action']}Result><Credentials><AccessKeyId>{access}</AccessKeyId>"
                                     f"<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>"
                                     f"<Expiration>{end}</Expiration></Credentials></{form['Action']}Result>"
                                     f"</{form['Action']}Response>").encode()
        if path == "/latest/api/token":
            return 200, "text/plain", b"instance-token"
        if path.startswith("/latest/") and headers["X-aws-ec2-metadata-token"] != "instance-token":
            return 401, "text/plain", b""
        if path.endswith("/security-credentials/"):
            return 200, "text/plain", b"a-role"
        return 200, "application/json", json.dumps({"Code": "Success", "AccessKeyId": access, "SecretAccessKey": secret,
                                                    "Token": token, "Expiration": end}).encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
