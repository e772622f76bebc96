"""CPU figures against what the program measured of itself with its threads' own clocks."""
import json
import os

from harness import add_case, case, check, check_all, check_equal, dotted, main, pythons, record, target

HERE = os.path.dirname(os.path.abspath(__file__))
POINTS = 2.0  # percentage points


def shares(recording, points=POINTS, measure="cpu"):
    """Problems with the shares of the functions that the program measured."""
    spent = json.loads(recording.done.stdout)["spent"]
    spent = {name: s for name, s in spent.items() if s}
    whole = sum(spent.values())
    rows = recording.rows(measure)
    seen = {name: rows.total(name) for name in spent}
    total = sum(seen.values()) or 1
    for name in spent:
        got, truth = 100.0 * seen[name] / total, 100.0 * spent[name] / whole
        if abs(got - truth) > points:
            yield "%s has %.1f %%, measured itself %.1f %%" % (name, got, truth)


def weights(recording, percent=2.0):
    """The sum of all samples against the process's own CPU time."""
    process = json.loads(recording.done.stdout)["process"]
    got = recording.rows("cpu").all / 1e9
    if abs(got - process) > process * percent / 100:
        yield "samples add up to %.3f s, the process used %.3f s" % (got, process)


@case
def c_functions_have_their_known_shares():
    for rate in (100, 1000):
        recording = record([target("cpu_truth"), "shares", "2"], "--rate", rate, "--memory", "off")
        check_all(shares(recording))
        check_all(weights(recording))


@case
def a_caller_has_the_sum_of_what_it_calls():
    rows = record([target("cpu_truth"), "shares", "1"]).rows("cpu")
    caller, callees = rows.total("calls_six_and_three"), rows.total("burns_six") + rows.total("burns_three")
    check(callees <= caller <= callees * 1.02, "caller %d, callees %d" % (caller, callees))


@case
def short_threads_do_not_vanish():
    # 400 threads of 3 ms: below the period of 10 ms, most are never sampled; their time is accounted when they end
    for rate in (100, 1000):
        check_all(weights(record([target("cpu_truth"), "threads", "400", "3"], "--rate", rate, "--memory", "off")))


@case
def shares_hold_with_memory_recording_on():
    recording = record([target("cpu_truth"), "shares", "1.5"], "--memory", "full")
    check_all(shares(recording))
    check_all(weights(recording))


@case
def rate_0_samples_nothing():
    check_equal(record([target("cpu_truth"), "shares", "0.3"], "--rate", "0").rows("cpu").all, 0)


def python_shares(python):
    recording = record([python, os.path.join(HERE, "targets", "cpu_threads.py"), "2"])
    # A thread's time after its last sample (10 ms at most, of 200 to 1200) is its own but has no function: within POINTS.
    check_all(shares(recording))
    rows = recording.rows("cpu")
    check(rows.total("only_sleeps") <= 0.01 * rows.all, "the sleeping thread has %d of %d" % (rows.total("only_sleeps"), rows.all))
    check_all(weights(recording))
    inner, outer = rows.total("python_loop"), rows.total("burns_in_python")
    check(0.9 * outer <= inner <= outer, "python_loop %d of its caller's %d" % (inner, outer))


def python_native(python):
    """Native frames stand below the Python function that called them."""
    stacks = record([python, os.path.join(HERE, "targets", "cpu_threads.py"), "1"]).folded("cpu")
    for function, words in (("burns_in_zlib", ("deflate", "compress", "longest_match")), ("burns_in_hashlib", ("sha", "SHA", "EVP"))):
        mine = [(frames, n) for frames, n in stacks if function in frames]
        native = sum(n for frames, n in mine if any(w in f for f in frames[frames.index(function):] for w in words))
        check(mine and native >= 0.8 * sum(n for _, n in mine), "%s: %d of %d ns in the library's functions" % (
            function, native, sum(n for _, n in mine)))


for _version, _python in pythons():
    _name = "Python %s (%s), " % (dotted(_version), "Debian" if _python.startswith("/usr/bin") else "built")
    add_case(_name + "three threads burn 6 to 3 to 1", lambda p=_python: python_shares(p))
add_case("native frames stand below the Python function that called them", lambda: python_native("/usr/bin/python3"))

main()
