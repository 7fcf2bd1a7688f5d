"""A program that never outlives the tests, however they end."""
import os
import signal
import subprocess

from .waiting import PATIENCE

# The program runs in the place of this shell, in a session of its own. The reader beside it sees the end of its input when the
# test process has gone, and then kills the whole group.
_WRAPPER = 'exec 3<&0; { cat <&3 >/dev/null; kill -s KILL -- -$$; } & exec "$@" </dev/null 3<&-'


class Process:
    def __init__(self, argv, log, env=None, cwd=None):
        """Output and errors are appended to the file `log`."""
        self.argv, self.log = [str(a) for a in argv], log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(["sh", "-c", _WRAPPER, "sh", *self.argv], stdin=subprocess.PIPE, stdout=out,
                                          stderr=out, env=env, cwd=cwd, start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    def is_running(self):
        return self.popen.poll() is None

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self, timeout=30):
        """SIGTERM and the exit status; SIGKILL and an error if it does not end in time."""
        if self.is_running():
            self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.argv[0]} did not end within {timeout} s of SIGTERM") from None
        finally:
            self.kill()

    def kill(self):
        """SIGKILL to all that it started."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()
        self.popen.stdin.close()
