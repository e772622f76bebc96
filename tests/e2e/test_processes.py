"""Trees of processes in one recording, and every way to end."""
import os
import signal

from harness import Skip, add_case, case, check, check_equal, fresh, main, need, pythons, record, run, target, AGENT, Recording, lode, show


def tree(how, n):
    recording = record([target("children"), how, str(n)])
    rows = recording.rows("allocated")
    check_equal(rows.total("child_allocates"), n * 10000, "bytes of all children")
    check_equal(rows.total("parent_allocates"), 30000, "bytes of the parent")
    return recording


for _how in ("fork", "exec", "spawn", "vfork", "system"):
    add_case("children by %s are in the recording" % _how, lambda h=_how: tree(h, 4))


@case
def a_hundred_short_children_are_in_one_file():
    recording = tree("exec", 100)
    processes = recording.json("info")
    check(count_processes(recording) >= 101, "%d processes" % count_processes(recording))
    check(isinstance(processes, dict), "lode info --json is an object")


def process_rows(recording, measure="allocated"):
    return recording.rows(measure, by="process").rows


def count_processes(recording):
    return len(process_rows(recording))


@case
def a_forked_hundred_is_in_one_file():
    recording = tree("fork", 100)
    check(count_processes(recording) >= 101, "%d processes" % count_processes(recording))


@case
def pid_selects_one_process():
    recording = tree("fork", 3)
    whole = recording.rows("allocated")
    import json
    import re
    info = json.dumps(recording.json("info"))
    pids = sorted({int(p) for p in re.findall(r'"pid": ?(\d+)', info)})
    check(len(pids) >= 4, "pids in lode info --json: %r" % pids)
    per_pid = [recording.rows("allocated", "--pid", pid) for pid in pids]
    check_equal(sum(r.total("child_allocates") for r in per_pid), 30000, "children, pid by pid")
    check_equal(sorted(r.total("child_allocates") for r in per_pid)[-3:], [10000] * 3, "children")
    check_equal(sum(r.total("parent_allocates") for r in per_pid), 30000, "parent, pid by pid")
    check_equal(sum(r.all for r in per_pid), whole.all, "all, pid by pid")


@case
def no_children_leaves_the_children_out():
    rows = record([target("children"), "exec", "3"], "--no-children").rows("allocated")
    check_equal(rows.total("parent_allocates"), 30000, "parent")
    check_equal(rows.total("child_allocates"), 0, "children")


PY_CHILDREN = r'''
import multiprocessing, subprocess, sys, os
def in_the_worker(n):
    return len(bytearray(n))
def run_it(how):
    if how == "subprocess":
        code = "def in_the_worker(n):\n    return len(bytearray(n))\nfor _ in range(10): in_the_worker(50000)"
        for _ in range(2):
            subprocess.run([sys.executable, "-c", code], check=True)
    else:
        with multiprocessing.get_context(how).Pool(2) as pool:
            assert pool.map(in_the_worker, [50000] * 20) == [50000] * 20
            pool.close()
            pool.join()
if __name__ == "__main__":
    run_it(sys.argv[1])
'''


def python_children(python, how):
    script = fresh(".py")
    with open(script, "w") as f:
        f.write(PY_CHILDREN)
    rows = record([python, script, how]).rows("allocated")
    low, got = 20 * 50001, rows.total("in_the_worker")
    check(low <= got <= low + 20 * 200 + 16384, "%d bytes in the workers, at least %d are known" % (got, low))


for _version, _python in pythons():
    for _how in ("subprocess", "fork", "spawn", "forkserver"):
        if _how == "subprocess" or _python.startswith("/usr/bin") or _version[:2] in ((3, 8), (3, 13)):
            add_case("Python %d.%d.%d (%s) children by %s are in the recording" % (
                *_version, "Debian" if _python.startswith("/usr/bin") else "built", _how),
                lambda p=_python, h=_how: python_children(p, h))

ENDS = {"return": 0, "exit": 3, "_exit": 4, "quick_exit": 5, "exit_group": 6, "abort": -signal.SIGABRT, "segv": -signal.SIGSEGV,
        "term": -signal.SIGTERM, "kill": -signal.SIGKILL, "execve": 0, "execve_empty": 0, "last_thread": 0}


def ends(how, status):
    for again in range(3):
        recording = record([target("ends"), how], "--rate", "1000", expect=status)
        rows = recording.rows("allocations")
        check_equal(rows.total("allocates_777"), 777, "allocations before the end")
        check_equal(recording.rows("leaked").count("allocates_777"), 777, "blocks live at the end")


for _how, _status in ENDS.items():
    add_case("nothing is lost when the program ends by %s" % _how, lambda h=_how, s=_status: ends(h, s))


@case
def nothing_is_lost_without_the_recorder():
    for how, status in ENDS.items():
        path = fresh()
        done = run([target("ends"), how], env=dict(os.environ, LD_PRELOAD=AGENT, LODE_OUTPUT=path))
        check_equal(done.returncode, status, how)
        check_equal(Recording(path).rows("allocations").total("allocates_777"), 777, how)


@case
def report_reads_a_recording_without_the_recorder():
    path = fresh()
    run([target("ends"), "kill"], env=dict(os.environ, LD_PRELOAD=AGENT, LODE_OUTPUT=path))
    done = lode("report", path)
    check(done.returncode == 0 and b"allocates_777" in done.stdout, show(done) + ": " + done.stdout.decode("utf-8", "replace")[-300:])


main()
