"""Writes small databases of addresses in the MaxMind DB format, version 2 (24-bit records, IPv6 tree)."""
import ipaddress
import struct
import time


class Uint16(int):
    pass


class Uint64(int):
    pass


def _control(kind, size):
    """The control byte, with the type's and the size's further bytes."""
    if size < 29:
        first, more = size, b""
    elif size < 285:
        first, more = 29, bytes([size - 29])
    else:
        first, more = 30, struct.pack(">H", size - 285)
    head = bytes([kind << 5 | first]) if kind < 8 else bytes([first, kind - 7])
    return head + more


def _encode(v):
    if isinstance(v, bool):
        return _control(14, int(v))
    if isinstance(v, str):
        return _control(2, len(v.encode())) + v.encode()
    if isinstance(v, float):
        return _control(3, 8) + struct.pack(">d", v)
    if isinstance(v, Uint16):
        return _control(5, 2) + struct.pack(">H", v)
    if isinstance(v, int) and v < 0:
        return _control(8, 4) + struct.pack(">i", v)
    if isinstance(v, Uint64):
        return _control(9, 8) + struct.pack(">Q", v)
    if isinstance(v, int):
        return _control(6, 4) + struct.pack(">I", v)
    if isinstance(v, dict):
        return _control(7, len(v)) + b"".join(_encode(k) + _encode(x) for k, x in v.items())
    if isinstance(v, list):
        return _control(11, len(v)) + b"".join(_encode(x) for x in v)
    raise TypeError(type(v))


def write(path, networks, kind="Test-City"):
    """`networks`: {"192.0.2.0/24": {...}, "2001:db8::/32": {...}}, none within another."""
    data, tree = b"", [[None, None]]
    for network, value in networks.items():
        net = ipaddress.ip_network(network)
        bits = f"{int(net.network_address):0{net.max_prefixlen}b}"[:net.prefixlen]
        if net.version == 4:
            bits = "0" * 96 + bits
        node = 0
        for b in bits[:-1]:
            if tree[node][int(b)] is None:
                tree.append([None, None])
                tree[node][int(b)] = len(tree) - 1
            node = tree[node][int(b)]
        tree[node][int(bits[-1])] = ("data", len(data))
        data += _encode(value)
    n = len(tree)

    def record(r):
        return n if r is None else n + 16 + r[1] if isinstance(r, tuple) else r

    nodes = b"".join(record(r).to_bytes(3, "big") for node in tree for r in node)
    about = {"binary_format_major_version": Uint16(2), "binary_format_minor_version": Uint16(0), "build_epoch": Uint64(time.time()),
             "database_type": kind, "description": {"en": "made for a test"}, "ip_version": Uint16(6), "languages": ["en"],
             "node_count": n, "record_size": Uint16(24)}
    with open(path, "wb") as f:
        f.write(nodes + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _encode(about))
