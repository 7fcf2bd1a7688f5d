"""Real search servers: starting them (test/search/search-server) and asking them."""
import os
import socket
import socketserver
import tempfile
import threading

from . import http
from .ports import free_port
from .process import Process
from .waiting import wait_until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
SCRIPT = os.path.join(ROOT, "test/search/search-server")


class Search:
    """What a test asks a server. Nothing here is weir's, so that weir is not judged by itself."""

    def __init__(self, port, scheme="http", user=None):
        self.port, self.user = port, user
        self.url = f"{scheme}://127.0.0.1:{port}"

    def request(self, method, path, body=None, headers=()):
        return http.request(method, self.url + path, body, self.user, headers)

    def ok(self, method, path, body=None):
        """The JSON of a successful request."""
        r = self.request(method, path, body)
        assert r.status < 300, f"{method} {path}: {r.status} {r.body[:500]!r}"
        return r.json

    def is_ready(self):
        try:
            return self.request("GET", "/_cluster/health").status == 200
        except OSError:
            return False

    def put_template(self, name, pattern, mappings, settings=None, data_stream=False):
        """An index template; without replicas, so that a single node is green."""
        body = {"index_patterns": [pattern], "priority": 500,
                "template": {"settings": {"number_of_replicas": 0, "number_of_shards": 1, **(settings or {})},
                             "mappings": mappings}}
        if data_stream:
            body["data_stream"] = {}
        self.ok("PUT", f"/_index_template/{name}", body)

    def count(self, pattern, query=None):
        """Documents that a search finds now (0 if there is no such index)."""
        self.request("POST", f"/{pattern}/_refresh")
        r = self.request("POST", f"/{pattern}/_count", {"query": query or {"match_all": {}}})
        return r.json["count"] if r.status == 200 else 0

    def documents(self, pattern, query=None):
        """All hits of a query, as {"_index", "_id", "_source"}, by scrolling."""
        self.ok("POST", f"/{pattern}/_refresh")
        page = self.ok("POST", f"/{pattern}/_search?scroll=2m",
                       {"size": 5000, "query": query or {"match_all": {}}, "sort": ["_doc"]})
        while page["hits"]["hits"]:
            yield from page["hits"]["hits"]
            page = self.ok("POST", "/_search/scroll", {"scroll": "2m", "scroll_id": page["_scroll_id"]})

    def delete(self, pattern):
        for name in self.request("GET", f"/{pattern}/_settings").json if pattern else ():
            self.request("DELETE", f"/{name}")


class SearchServer(Search):
    """A server of the test's own, which it may stop and start; what is stored stays."""

    def __init__(self, name, folder, settings=(), user=None, tls=None):
        secure = name == "opensearch2-secure"
        super().__init__(free_port(), "https" if tls or secure else "http", user or ("admin:admin" if secure else None))
        self.name, self.settings, self.folder = name, list(settings), folder
        self.log = os.path.join(folder, "search.log")
        self.env = {**os.environ, "SEARCH_USER": user or "", "SEARCH_TLS": tls or ""}
        self.process = None

    def start(self, wait=True):
        self.process = Process([SCRIPT, self.name, self.port, os.path.join(self.folder, "data"), *self.settings],
                               self.log, self.env)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            assert self.process.is_running(), f"{self.name} ended; see {self.log}:\n{self.log_tail()}"
            return self.is_ready()
        # The first start may download.
        wait_until(ready, 600, lambda: f"{self.name} answers; {self.log}:\n{self.log_tail()}", 0.1)

    def stop(self):
        if self.process:
            self.process.stop(60)
        self.process = None

    def kill(self):
        if self.process:
            self.process.kill()
        self.process = None

    def log_tail(self):
        with open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-15:])


class SharedServers:
    """One server of each kind for a whole run: test processes ask for it by name over a socket, and get its port."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-search-")
        self.path = os.path.join(self.folder.name, "ask")
        self.servers, self.lock = {}, threading.Lock()
        outer = self

        class Ask(socketserver.StreamRequestHandler):
            def handle(self):
                name = self.rfile.readline().decode().strip()
                try:
                    self.wfile.write(f"{outer.port_of(name)}\n".encode())
                except Exception as e:
                    self.wfile.write(f"0 {e}\n".encode())

        self.listener = socketserver.ThreadingUnixStreamServer(self.path, Ask)
        self.listener.daemon_threads = True
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def port_of(self, name):
        with self.lock:
            if name not in self.servers:
                folder = os.path.join(self.folder.name, name)
                os.makedirs(folder)
                self.servers[name] = SearchServer(name, folder).start()
            return self.servers[name].port

    def stop(self):
        self.listener.shutdown()
        for server in self.servers.values():
            server.kill()
        self.folder.cleanup()


def shared(name, path):
    """A Search for the shared server of that name; started if this is the first to ask."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(f"{name}\n".encode())
        port, _, error = s.makefile().read().partition(" ")
    assert int(port), error
    return Search(int(port))
