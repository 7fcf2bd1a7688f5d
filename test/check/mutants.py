#!/usr/bin/env python3
"""Do the tests see mistakes? Each mutant breaks one promise of weir, and a named test has to fail on it: `make mutants`.

    test/check/mutants.py [WORDS...]     only mutants whose name has one of the words

Works on a copy of the tree in build/mutants, and takes some minutes. Prints what caught each. Ends with 1 if a mutant survives, or if its text is not in the
sources any more (then it is to be written anew, not to be thrown away).
"""
import os
import shutil
import subprocess
import sys

import buffer_mutants
import delivery_mutants
import held_mutants

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
COPY = os.path.join(ROOT, "build/mutants")
os.environ.setdefault("WEIR_CACHE", os.path.join(ROOT, "build/cache"))
PYTHON = subprocess.run([os.path.join(ROOT, "test/python-env")], stdout=subprocess.PIPE, text=True, check=True).stdout.strip() + "/bin/python"
PARTS = ["Makefile", "deploy/install-deps", "lib", "server", "test"]


def all_mutants():
    """(name, path, changes, tests) of each."""
    buffer_tests = [f"unit:buffer/{t}" for t in buffer_mutants.TESTS]
    for name, file, changes in buffer_mutants.MUTANTS:
        yield name, f"lib/buffer/{file}", changes, buffer_tests
    yield from delivery_mutants.MUTANTS
    yield from held_mutants.MUTANTS


def unit_program(test):
    return f"build/release/test/unit/{test.removeprefix('unit:')}_test"


def build(tests):
    """Builds what the tests need; False if a mutant does not compile."""
    wanted = sorted({unit_program(t) if t.startswith("unit:") else "build/release/weir" for t in tests})
    done = subprocess.run(["make", "-s", f"-j{os.cpu_count() or 1}", "VARIANT=release", "CFLAGS_EXTRA=-Wno-error", *wanted], cwd=COPY,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout[-2000:])
    return done.returncode == 0


def fails(test):
    if test.startswith("unit:"):
        argv, env = [unit_program(test)], os.environ
    else:
        # The harness waits less long for what does not come: a mutant's failure is what is looked for.
        argv = [PYTHON, "-m", "pytest", "-q", "-x", os.path.join("test/integration", test)]
        env = {**os.environ, "WEIR_BIN": os.path.join(COPY, "build/release/weir"), "WEIR_TEST_PATIENCE": "0.4"}
    try:
        return subprocess.run(argv, cwd=COPY, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def apply(changes, text):
    for old, new in changes:
        if old not in text:
            return None
        text = text.replace(old, new, 1)
    return text


def judge(path, changes, tests):
    """What became of a mutant, in words; the copy is as before afterwards."""
    with open(path) as f:
        original = f.read()
    mutant = apply(changes, original)
    if mutant is None:
        return "IS NOT THERE"
    try:
        with open(path, "w") as f:
            f.write(mutant)
        if not build(tests):
            return "DOES NOT COMPILE"
        caught = next((t for t in tests if fails(t)), None)
        return f"caught by {caught}" if caught else "SURVIVED"
    finally:
        with open(path, "w") as f:
            f.write(original)


def copy_tree():
    shutil.rmtree(COPY, ignore_errors=True)
    files = subprocess.run(["git", "ls-files", *PARTS], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")
    for name in filter(None, files):
        os.makedirs(os.path.dirname(os.path.join(COPY, name)), exist_ok=True)
        shutil.copy(os.path.join(ROOT, name), os.path.join(COPY, name))


def main():
    chosen = [m for m in all_mutants() if len(sys.argv) < 2 or any(word in m[0] for word in sys.argv[1:])]
    copy_tree()
    tests = sorted({t for m in chosen for t in m[3]})
    if not build(tests):
        sys.exit("the tree does not build without any mutant")
    bad = [t for t in tests if fails(t)]
    if bad:
        sys.exit(f"these tests fail without any mutant: {', '.join(bad)}")
    survived = 0
    for name, path, changes, tests in chosen:
        became = judge(os.path.join(COPY, path), changes, tests)
        survived += not became.startswith("caught")
        print(f"{name:60} {became}", flush=True)
    print(f"{len(chosen)} mutants, {len(chosen) - survived} caught")
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
