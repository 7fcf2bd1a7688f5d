"""A headless Chromium (Debian's), driven by its DevTools protocol over a pipe: https://chromedevtools.github.io/devtools-protocol/"""
import base64
import json
import os
import select
import signal
import subprocess
import time

from .waiting import wait_until


class Browser:
    def __init__(self, folder):
        to_read, to_write = os.pipe(), os.pipe()
        self.log = open(os.path.join(folder, "chromium.log"), "wb")
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_read[0]} 4>&{to_write[1]}', "sh", "chromium", "--headless=new", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--remote-debugging-pipe",
             f"--user-data-dir={folder}/profile", "about:blank"],
            pass_fds=(to_read[0], to_write[1]), stdout=self.log, stderr=self.log, start_new_session=True)
        os.close(to_read[0])
        os.close(to_write[1])
        self.write_fd, self.read_fd = to_read[1], to_write[0]
        self.buffer, self.last_id, self.events, self.session = b"", 0, [], None
        pages = wait_until(lambda: [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"], 30,
                           "a page in Chromium")
        self.session = self.call("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def read_message(self, timeout):
        deadline = time.monotonic() + timeout
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read_fd], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.read_fd, 1 << 20) if ready else b""
            assert data, "Chromium does not answer" if not ready else "Chromium has ended"
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, **params):
        self.last_id += 1
        request = {"id": self.last_id, "method": method, "params": params}
        if self.session and not method.startswith("Target."):
            request["sessionId"] = self.session
        os.write(self.write_fd, json.dumps(request).encode() + b"\0")
        while True:
            message = self.read_message(60)
            if message.get("id") == self.last_id:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            if "method" in message:
                self.events.append(message)

    def evaluate(self, expression):
        """The value of an expression in the page."""
        r = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in r, r["exceptionDetails"]
        return r["result"].get("value")

    def loads(self):
        self.call("Target.getTargets")
        return sum(e["method"] == "Page.loadEventFired" for e in self.events)

    def open(self, url, width=1280, height=1000, dark=False, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        loads = self.loads()
        self.call("Page.navigate", url=url)
        wait_until(lambda: self.loads() > loads, 30, f"{url} is loaded")

    def wait(self, expression, timeout=20):
        return wait_until(lambda: self.evaluate(expression), timeout,
                          lambda: f"in the page: {expression}; it says:\n{self.evaluate('document.body.innerText')}", 0.05)

    def screenshot(self, path):
        """Of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))

    def complaints(self):
        """Exceptions and error lines of the console, among them what the content security policy has kept from happening."""
        self.evaluate("0")
        found = [e["params"]["exceptionDetails"] for e in self.events if e["method"] == "Runtime.exceptionThrown"]
        found += [e["params"]["entry"] for e in self.events if e["method"] == "Log.entryAdded" and e["params"]["entry"]["level"] == "error"]
        found += [e["params"] for e in self.events if e["method"] == "Runtime.consoleAPICalled" and e["params"]["type"] == "error"]
        return found

    def requests(self):
        """URLs that the page has asked for."""
        self.evaluate("0")
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for fd in (self.read_fd, self.write_fd):
            os.close(fd)
        self.log.close()
