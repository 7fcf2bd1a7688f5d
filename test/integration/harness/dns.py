"""A name server for tests, over UDP and TCP: SRV and A records that may change."""
import socket
import socketserver
import struct
import threading

SRV, A = 33, 1


def _name(name):
    return b"".join(bytes([len(p)]) + p.encode() for p in name.rstrip(".").split(".") if p) + b"\0"


class NameServer:
    """`srv`: name to [(priority, weight, port, target)], `a`: name to address. `failing`: it says SERVFAIL; `truncate`: whole answers over TCP only."""

    def __init__(self):
        self.srv, self.a, self.failing, self.truncate = {}, {}, False, False
        self.asked, self.over_tcp = [], 0
        server = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                data, sock = self.request
                sock.sendto(server.answer(data, server.truncate), self.client_address)

        class Tcp(socketserver.StreamRequestHandler):
            def handle(self):
                while head := self.rfile.read(2):
                    server.over_tcp += 1
                    answer = server.answer(self.rfile.read(struct.unpack(">H", head)[0]), False)
                    self.wfile.write(struct.pack(">H", len(answer)) + answer)

        self.tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp)
        self.port = self.tcp.server_address[1]
        self.udp = socketserver.ThreadingUDPServer(("127.0.0.1", self.port), Udp)
        for s in (self.tcp, self.udp):
            s.daemon_threads = True
            threading.Thread(target=s.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, query, truncate):
        end = query.index(b"\0", 12)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, kind = ".".join(labels), struct.unpack(">H", query[end + 1:end + 3])[0]
        self.asked.append((name, kind))
        records = []
        if kind == SRV:
            records = [struct.pack(">HHH", *r[:3]) + _name(r[3]) for r in self.srv.get(name, [])]
        elif kind == A and name in self.a:
            records = [socket.inet_aton(self.a[name])]
        known = name in self.srv or name in self.a
        code = 2 if self.failing else 0 if known else 3
        if self.failing or truncate:
            records = []
        flags = 0x8180 | code | (0x0200 if truncate else 0)
        out = query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + query[12:end + 5]
        for r in records:
            out += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(r)) + r
        return out

    def close(self):
        for s in (self.tcp, self.udp):
            s.shutdown()
            s.server_close()
