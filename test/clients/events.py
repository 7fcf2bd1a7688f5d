"""The events that every client program here sends, so that a test can say what each document must be.

The rule, the same in Python, Go, JavaScript and Java. All of it is arithmetic on unsigned 32-bit integers:

    h(k) = mix(seed * 0x9E3779B1 + seq * 0x85EBCA77 + k * 0xC2B2AE3D)
    mix(x): x ^= x >> 16; x *= 0x7FEB352D; x ^= x >> 15; x *= 0x846CA68B; x ^= x >> 16

An event of sequence number seq (0 ... COUNT-1), under the tag TAG, at BASE + seq seconds and, with a client that has more than seconds,
h(9) % 1000 * 1000000 nanoseconds:

    sender   TAG
    seq      seq
    level    LEVELS[h(1) % 4]
    message  h(2) % 6 words, WORDS[h(10)  % 12], WORDS[h(11) % 12], ..., with a space between
    count    INTS[h(3) % 16]; of the first 10 only for a client without 64-bit integers ("safe")
    ratio    h(4) % 1000000 / 1000 + 0.0005     (never a whole number)
    exact    FLOATS[h(5) % 6]; of the first 5 only for a client that writes 1.0 as 1 ("safe")
    ok       h(6) is even
    nothing  nil
    user     {"name": WORDS[h(7) % 12], "roles": [LEVELS[h(8) % 4], seq % 7, true, nil],
              "deep": {"a": {"b": [[], {"c": seq}, {}]}}}
    control  CONTROL
    long     LONG, 5000 times if h(12) % 50 is 0, else h(12) % 8 times

The command line of all: PROGRAM HOST PORT TAG COUNT SEED [option ...]; they end with status 0 when everything is sent (and, where the
option "ack" is given, acknowledged).
"""
BASE = 1767225600  # 2026-01-01T00:00:00Z
LEVELS = ["debug", "info", "warn", "error"]
WORDS = ["order", "결제", "완료", "🙂", "naïve", "日本語", "\"quoted\"", "back\\slash", "<tag>&amp;", "tab\there", "👩‍👩‍👧‍👦", "0"]
INTS = [0, 1, -1, 127, 128, -129, 65536, 2147483648, -2147483649, 9007199254740991,
        9007199254740993, 4611686018427387905, -4611686018427387905, 9223372036854775806, 9223372036854775807,
        -9223372036854775808]
FLOATS = [0.1, -2.5, 3.141592653589793, 1e300, 5e-324, 1.0]
CONTROL = "\x00\x01\x1f\t\r\n\"\\/\x7f\u2028\ufeff"
LONG = "가나다라"
M32 = 0xFFFFFFFF


def mix(x):
    x &= M32
    x ^= x >> 16
    x = x * 0x7FEB352D & M32
    x ^= x >> 15
    x = x * 0x846CA68B & M32
    return x ^ x >> 16


def record(tag, seed, seq, safe_ints=False, safe_floats=False):
    def h(k):
        return mix(seed * 0x9E3779B1 + seq * 0x85EBCA77 + k * 0xC2B2AE3D)

    return {
        "sender": tag,
        "seq": seq,
        "level": LEVELS[h(1) % 4],
        "message": " ".join(WORDS[h(10 + i) % 12] for i in range(h(2) % 6)),
        "count": INTS[h(3) % (10 if safe_ints else 16)],
        "ratio": h(4) % 1000000 / 1000 + 0.0005,
        "exact": FLOATS[h(5) % (5 if safe_floats else 6)],
        "ok": h(6) % 2 == 0,
        "nothing": None,
        "user": {"name": WORDS[h(7) % 12], "roles": [LEVELS[h(8) % 4], seq % 7, True, None],
                 "deep": {"a": {"b": [[], {"c": seq}, {}]}}},
        "control": CONTROL,
        "long": LONG * (5000 if h(12) % 50 == 0 else h(12) % 8),
    }


def time_of(seed, seq, subsecond=True):
    """(seconds, nanoseconds)"""
    return BASE + seq, mix(seed * 0x9E3779B1 + seq * 0x85EBCA77 + 9 * 0xC2B2AE3D) % 1000 * 1000000 if subsecond else 0
