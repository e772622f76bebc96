"""Recordings read by lode and by the decoder that was written from FORMAT.md: the same totals, to the byte."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import decoder
from harness import AGENT, LODE, Recording, case, check, check_equal, fresh, lode, main, record, target

SCRIPT = "d = {i: [str(i)] * (i % 7) for i in range(20000)}; del d; x = [bytearray(i) for i in range(500)]"


def compare(path):
    ours = decoder.totals(path)
    done = lode("top", "--json", "-n", 1, path)
    check(done.returncode == 0, done.stderr.decode("utf-8", "replace"))
    theirs = Recording(path).json("top", "-n", 1)
    measures = theirs["measures"]
    for name in ("allocated", "allocations", "peak", "leaked", "leaked_blocks", "cpu", "samples"):
        check_equal(measures.get(name) or 0, ours[name], name)
    check_equal(theirs["processes"], ours["processes"], "processes")
    check_equal(theirs["lost_events"], ours["lost_events"], "lost_events")
    return ours


@case
def a_c_program():
    totals = compare(record([target("alloc_truth")]).path)
    check(totals["allocations"] > 0, "nothing was recorded")


@case
def mappings():
    compare(record([target("map_truth")]).path)


@case
def threads_that_exchange_blocks():
    compare(record([target("realloc_race")]).path)


@case
def a_process_tree():
    totals = compare(record([target("children"), "fork", "3"], expect=None).path)
    check(totals["processes"] > 1, "no child was recorded")


@case
def a_python_program():
    totals = compare(record([sys.executable, "-c", SCRIPT]).path)
    check(totals["codes"] > 0 and totals["nodes"] > 0, "no Python code was recorded")


@case
def a_log_without_a_recorder():
    path = fresh(".log")
    env = dict(os.environ, LD_PRELOAD=AGENT, LODE_OUTPUT=path)
    subprocess.run([target("alloc_truth")], env=env, stdout=subprocess.DEVNULL, check=True)
    compare(path)


@case
def a_recorder_that_was_killed():
    path = fresh()
    program = "import time\nx = [bytearray(1000) for _ in range(20000)]\nprint(1, flush=True)\ntime.sleep(60)"
    p = subprocess.Popen([LODE, "record", "-q", "-o", path, "--", sys.executable, "-c", program], stdout=subprocess.PIPE,
                         start_new_session=True)
    try:
        p.stdout.readline()
        time.sleep(0.2)
        p.kill()
        p.wait()
        compare(path)
    finally:
        os.killpg(p.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
