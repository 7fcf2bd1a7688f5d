"""What the checks of deploy/ share: where things are, and how to run a validator."""
import os
import subprocess
import sys

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
DEPLOY = os.path.join(ROOT, "deploy")
sys.path[:0] = [os.path.dirname(__file__), os.path.join(ROOT, "test/integration"), os.path.join(ROOT, "test")]


def run(*argv, status=0, **options):
    """Its output, if it exits with that status; else the test fails with it."""
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=250, **options)
    assert done.returncode == status, f"{' '.join(map(str, argv))}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def deploy(*parts):
    return os.path.join(DEPLOY, *parts)


def schema(name):
    return os.path.join(os.environ["DEPLOY_TOOLS"], "schemas", name)


@pytest.fixture
def weir_binary():
    return os.environ["WEIR_BIN"]
