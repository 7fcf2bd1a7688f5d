"""Waiting for something to become true: the tests have no other sleeps."""
import os
import time

# How patient tests are: more for a slow machine, less where a failure is what is looked for.
PATIENCE = float(os.environ.get("WEIR_TEST_PATIENCE", "1"))


def wait_until(condition, timeout, why, interval=0.02):
    """Returns the first true value of condition(). `why` says what was waited for; a function of it may add facts."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {why() if callable(why) else why}")
        time.sleep(interval)
