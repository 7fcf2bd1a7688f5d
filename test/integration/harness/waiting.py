"""Waiting for something to become true: the tests have no other sleeps."""
import time


def wait_until(condition, timeout, why, interval=0.02):
    """Returns the first true value of condition(). `why` says what was waited for; a function of it may add facts."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {why() if callable(why) else why}")
        time.sleep(interval)
