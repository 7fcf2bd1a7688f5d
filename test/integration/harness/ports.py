"""Free TCP ports that stay ours.

A port that is found free by binding to port 0 lies where the kernel takes ports for outgoing connections, so it may be gone when
the server binds to it (again, after a restart). These lie below that range, and a lock file keeps other test processes off.
"""
import fcntl
import os
import random
import socket
import tempfile

LOW, HIGH = 15000, 31000
_held = {}


def free_port(ports=range(LOW, HIGH)):
    folder = os.path.join(tempfile.gettempdir(), f"weir-test-ports-{os.getuid()}")
    os.makedirs(folder, exist_ok=True)
    for port in random.sample(ports, min(len(ports), 500)):
        if port in _held:
            continue
        lock = os.open(os.path.join(folder, str(port)), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        _held[port] = lock
        return port
    raise RuntimeError("no free port")


def give_back(port):
    os.close(_held.pop(port))
