#!/usr/bin/env python3
"""Every view of a profile that never changes, held against what it printed when somebody last looked: tests/golden/cases.

  run.py             one line a case
  run.py --update    writes expected/ anew: look at the difference before it is committed
"""
import glob
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("LODE_BUILD", os.path.join(ROOT, "build")))
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "dumb", "ASAN_OPTIONS": "detect_leaks=1"}


def build(directory):
    """The reader with fixed_profile.c in the place of load.c."""
    program = os.path.join(directory, "lode")
    objects = [o for o in glob.glob(BUILD + "/reader/**/*.o", recursive=True) if os.path.basename(o) != "load.o"]
    command = [os.environ.get("CC", "gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-I" + ROOT + "/include", "-I" + ROOT + "/reader",
               HERE + "/fixed_profile.c"] + objects + ["-o", program, "-ldw", "-lelf", "-liberty", "-lz", "-lm"]
    if os.environ.get("SAN"):
        command.append("-fsanitize=" + os.environ["SAN"])
    subprocess.run(command, check=True)
    return program


def cases():
    for line in open(HERE + "/cases"):
        if line.strip() and not line.startswith("#"):
            name, status, words = line.split(None, 2)
            yield name, int(status), words.split()


def output_of(program, words, directory):
    done = subprocess.run([program] + words, env=ENVIRONMENT, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode, done.stdout + (b"--- standard error\n" + done.stderr if done.stderr else b"")


def first_difference(was, now):
    for number, (a, b) in enumerate(zip(was.splitlines() + [b"(end)"], now.splitlines() + [b"(end)"]), 1):
        if a != b:
            return "line %d was %r, is %r" % (number, a[:100], b[:100])
    return "lengths differ"


def main():
    update = "--update" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="lode-golden-") as directory:
        program = build(directory)
        for name, status, words in cases():
            path = os.path.join(HERE, "expected", name)
            now, text = output_of(program, words, directory)
            if update:
                open(path, "wb").write(text)
            was = open(path, "rb").read() if os.path.exists(path) else b""
            if now != status:
                print("not ok %s: status %d, expected %d" % (name, now, status))
            elif text != was:
                print("not ok %s: %s" % (name, first_difference(was, text)))
            else:
                print("ok", name)


main()
