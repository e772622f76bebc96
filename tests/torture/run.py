#!/usr/bin/env python3
"""Runs the lines of `cases` plain and under lode: the outcome must be the same.  Then what needs more than one line."""
import os
import random
import re
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import (AGENT, BUILD, LODE, Failure, Recording, Skip, add_case, case, check, check_equal, fresh, lode, main, run, show,
                     target)

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(BUILD, "tests", "torture")
FULL = os.environ.get("TORTURE") == "full"
WORDS = {"seconds": "60" if FULL else "10", "rounds": "10" if FULL else "1", "dir": PROGRAMS}


def outcome(done):
    return done.returncode, done.stdout.decode("utf-8", "replace")


def same(program, arguments, rounds):
    path = os.path.join(PROGRAMS, program)
    check(os.path.exists(path), path + " was not built")
    command = [path] + arguments
    # the plain run says what a correct program does here; a machine on which it fails cannot judge us
    plain = outcome(run(command, seconds=900))
    if plain[0] != 0:
        raise Skip("fails here without lode: status %d %s" % (plain[0], plain[1].strip()[-120:]))
    for _ in range(rounds):
        recording = fresh()
        done = lode("record", "-q", "-r", "1000", "-o", recording, "--", *command, seconds=900)
        if outcome(done) != plain:
            raise Failure("plain: %r, under lode: %r %s" % (plain, outcome(done), done.stderr.decode("utf-8", "replace")[-200:]))
        top = lode("top", recording)
        check(top.returncode == 0, "the recording: " + show(top))
        os.unlink(recording)


for _line in open(os.path.join(HERE, "cases")):
    if _line.strip() and not _line.startswith("#"):
        _name, _, _command = _line.strip().rpartition(": ")
        for _word, _value in WORDS.items():
            _command = _command.replace("{%s}" % _word, _value)
        _words = _command.split()
        _rounds = int(_words.pop()[1:]) if re.match(r"x\d+$", _words[-1]) else 1
        add_case(_name, lambda p=_words[0], a=_words[1:], r=_rounds: same(p, a, r))


@case
def exceptions_cost_what_they_cost():
    """Prints the ratio, judges nothing by time: that the unwinder is not ours is checked by the program itself."""
    command = [os.path.join(PROGRAMS, "exceptions"), os.path.join(PROGRAMS, "exceptions_plugin.so"), "50000"]

    def cpu(done):
        check_equal(done.returncode, 0, show(done))
        return float(re.search(rb"cpu ([\d.]+)", done.stderr).group(1))
    plain = min(cpu(run(command)) for _ in range(3))
    under = min(cpu(lode("record", "-q", "-o", fresh(), "--", *command)) for _ in range(3))
    print("exceptions of a loaded library: %.3f s plain, %.3f s recorded, ratio %.2f" % (plain, under, under / plain))


# ---- SIGKILL ------------------------------------------------------------------------------------

def killed(seed):
    """Kills the allocator at a random moment; what its counters in a shared file say must be in the recording."""
    moments = random.Random(seed)
    how = ("program", "program", "agent", "all")[seed % 4]
    path, counters = fresh(), fresh(".counters")
    command = [os.path.join(PROGRAMS, "killed"), counters]
    if how == "agent":
        process = subprocess.Popen(command, env=dict(os.environ, LD_PRELOAD=AGENT, LODE_OUTPUT=path), start_new_session=True)
    else:
        process = subprocess.Popen([LODE, "record", "-q", "-r", "1000", "-o", path, "--"] + command, start_new_session=True,
                                   stderr=subprocess.DEVNULL)
    try:
        for _ in range(3000):  # until it allocates
            if os.path.exists(counters) and any(read_counters(counters)):
                break
            time.sleep(0.01)
        else:
            raise Failure("the program does not start")
        time.sleep(moments.uniform(0, 0.3))
        if how == "program":
            os.kill(child_of(process.pid), signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    check_equal(process.returncode, -signal.SIGKILL, how)
    paths = [p for p in (path, path + ".log") if os.path.exists(p)]
    check(paths, "no recording was left (%s)" % how)
    rows = Recording(paths[0]).rows("allocations")  # what the recorder had not yet taken is read from the log beside it
    for k, counted in enumerate(read_counters(counters)):
        got = rows.total("worker_%d" % k)
        # the counter follows the call: at most the one in flight is missing, at most the one just made is more
        check(counted - 1 <= got <= counted + 1, "%s, seed %d: thread %d made %d allocations, %d are in the recording" % (
            how, seed, k, counted, got))
    for p in paths + [counters]:
        os.unlink(p)


def read_counters(path):
    data = open(path, "rb").read(4096)
    return [struct.unpack_from("<Q", data, k * 64)[0] for k in range(4)] if len(data) == 4096 else [0]


def child_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return int(f.read().split()[0])


@case
def nothing_is_lost_when_the_program_is_killed():
    for seed in range(100 if FULL else 20):
        killed(seed)


main()
