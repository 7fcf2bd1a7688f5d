"""fluent-logger for Python: send.py HOST PORT TAG COUNT SEED [nanosecond]. The rule of the events: ../events.py"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import events  # noqa: E402
from fluent import sender  # noqa: E402


def main():
    host, port, tag, count, seed = sys.argv[1:6]
    nanosecond = "nanosecond" in sys.argv[6:]
    logger = sender.FluentSender(tag, host=host, port=int(port), nanosecond_precision=nanosecond, timeout=30)
    for seq in range(int(count)):
        seconds, nanoseconds = events.time_of(int(seed), seq)
        when = sender.EventTime(seconds + nanoseconds / 1e9) if nanosecond else seconds
        if not logger.emit_with_time(None, when, events.record(tag, int(seed), seq)):
            sys.exit(f"event {seq}: {logger.last_error}")
    logger.close()


if __name__ == "__main__":
    main()
