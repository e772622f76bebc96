"""Memory figures of programs whose truth is known: compared exactly, function by function."""
import json
import os

from harness import (Failure, add_case, case, check, check_all, check_equal, dotted, folded_total, fresh, main, need,
                     pythons, record, run, target, AGENT, Recording)

HERE = os.path.dirname(os.path.abspath(__file__))


def truth_of(recording):
    return json.loads(recording.done.stdout)


_recorded = {}


def recorded(name, *options):
    """The recording of a target, made once."""
    if (name, options) not in _recorded:
        _recorded[name, options] = record([target(name)], *options)
    return _recorded[name, options]


def compare(recording, measure, key, counts=None):
    """Every function's total against its truth; where a function has no row the total is 0."""
    rows = recording.rows(measure)
    for t in truth_of(recording):
        if counts and not t["exact_count"]:
            continue
        if key in ("bytes", "count") and not t["exact_count"] and not t["bytes"]:
            continue  # how much and how often mremap and the like allocate is a matter of definition
        got = rows.count(t["name"]) if counts else rows.total(t["name"])
        if got != t[counts or key]:
            yield "%s: %d instead of %d" % (t["name"], got, t[counts or key])


def compare_folded(recording, measure, key):
    stacks = recording.folded(measure)
    for t in truth_of(recording):
        if key in ("bytes", "count") and not t["exact_count"] and not t["bytes"]:
            continue
        got = folded_total(stacks, t["name"])
        if got != t[key]:
            yield "%s: %d instead of %d" % (t["name"], got, t[key])


for _name, _what in (("alloc_truth", "C"), ("new_truth", "C++ operators"), ("map_truth", "mappings")):
    for _measure, _key in (("allocated", "bytes"), ("leaked", "leaked"), ("peak", "peak")):
        add_case("%s, %s bytes of every function are exact" % (_what, _measure),
                 lambda n=_name, m=_measure, k=_key: check_all(compare(recorded(n), m, k)))
        add_case("%s, %s bytes in folded stacks are exact" % (_what, _measure),
                 lambda n=_name, m=_measure, k=_key: check_all(compare_folded(recorded(n), m, k)))
for _name, _what in (("alloc_truth", "C"), ("new_truth", "C++ operators")):
    add_case("%s, numbers of allocations are exact" % _what,
             lambda n=_name: check_all(compare(recorded(n), "allocations", "count")))
    add_case("%s, numbers of leaked blocks are exact" % _what,
             lambda n=_name: check_all(compare(recorded(n), "leaked", "blocks", counts="blocks")))
    for _options in (("--memory", "malloc"), ("--native", "full", "--rate", "1000"), ("--rate", "0")):
        add_case("%s, allocated bytes are exact with %s" % (_what, " ".join(_options)),
                 lambda n=_name, o=_options: check_all(compare(recorded(n, *o), "allocated", "bytes")))


@case
def the_total_is_the_sum_of_its_functions_own_bytes():
    for measure in ("allocated", "leaked", "peak"):
        rows = recorded("alloc_truth").rows(measure)
        check_equal(sum(r["self"] for r in rows.rows), rows.all, measure)


@case
def the_peak_of_the_process_is_at_the_peak():
    truth = truth_of(recorded("alloc_truth"))
    low = sum(t["peak"] for t in truth)
    got = recorded("alloc_truth").rows("peak").all
    # above the functions of the program: threads' own blocks (calloc in pthread_create) and libc's start
    check(low <= got <= low + 65536, "peak %d, the functions alone hold %d" % (got, low))


@case
def memory_off_records_no_allocation():
    rows = record([target("alloc_truth")], "--memory", "off").rows("allocated")
    check_equal(rows.all, 0)


@case
def sampled_memory_is_an_estimate_of_the_truth():
    recording = record([target("realloc_race"), "4", "100000"], "--memory", "sample=65536")
    exact = record([target("realloc_race"), "4", "100000"]).rows("allocated")
    rows = recording.rows("allocated")
    for name in ("reallocates", "mallocs"):
        # Poisson: relative sigma sqrt(mean / bytes); 4 x 100,000 blocks of 1 KB each way: 0.0127; six of them
        check(abs(rows.total(name) - exact.total(name)) < 0.08 * exact.total(name),
              "%s: %d, exactly %d" % (name, rows.total(name), exact.total(name)))
        # frees are matched: what is still live in the estimate is nothing
        check_equal(recording.rows("leaked").total(name), 0, name + " leaked")


def race(arenas):
    env = dict(os.environ, MALLOC_ARENA_MAX=str(arenas))
    recording = record([target("realloc_race"), "8", "50000"], env=env)
    leaked = recording.rows("leaked")
    for name in ("reallocates", "mallocs"):
        check_equal((leaked.total(name), leaked.count(name)), (0, 0), name + " (bytes, blocks)")
    counts = recording.rows("allocations")
    check_equal(counts.total("reallocates"), 400000, "reallocations")
    check_equal(counts.total("mallocs"), 400000, "mallocs")


@case
def reallocations_racing_in_one_arena_leak_nothing():
    race(1)


@case
def reallocations_racing_in_many_arenas_leak_nothing():
    race(8)


@case
def the_agent_alone_records_the_same():
    path = fresh()
    done = run([target("alloc_truth")], env=dict(os.environ, LD_PRELOAD=AGENT, LODE_OUTPUT=path))
    check_equal(done.returncode, 0)
    check_all(compare(Recording(path, done), "allocated", "bytes"))
    check_all(compare(Recording(path, done), "leaked", "leaked"))


# ---- Python -------------------------------------------------------------------------------------

def python_truth(python, *options):
    return record([python, os.path.join(HERE, "targets", "py_truth.py")], *options)


def python_problems(recording, overhead):
    rows = json.loads(recording.done.stdout)["rows"]
    allocated, leaked, counts = (recording.rows(m) for m in ("allocated", "leaked", "allocations"))
    sizes = {name: count * (size + 1) for name, count, size, _ in rows if size}
    for name, count, size, alive in rows:
        if not allocated.named(name):
            name = name.split(".")[-1]  # before 3.11 code objects do not know their qualified name
        # A bytearray of N holds N + 1 bytes (the terminating NUL).  Around it each round of the loop may make: the object
        # itself (56), an int (32), a slot in a growing list (8, over-allocated and copied: 4 x 8), a frame or generator
        # once.  `overhead` a round and 16 KiB for the call itself (threads: bootstrap, locks; import of nothing).
        low = count * (size + 1) if size else sum(sizes[n] for n in sizes if n != "body_of_the_thread")
        high = low + count * overhead + 16384
        got = allocated.total(name)
        if not low <= got <= high:
            yield "%s allocated %d, not within %d and %d" % (name, got, low, high)
        if not counts.total(name) >= count:
            yield "%s made %d allocations, at least %d are known" % (name, counts.total(name), count)
        low = 300 * 5001 if name == "the_whole_program" else alive * ((size or 0) + 1)
        high = low + alive * overhead + 16384
        got = leaked.total(name)
        if not low <= got <= high:
            yield "%s leaked %d, not within %d and %d" % (name, got, low, high)


def python_cases():
    for version, python in pythons():
        name = "Python %s (%s)" % (dotted(version), "Debian" if python.startswith("/usr/bin") else "built")
        add_case(name + ", bytes of every function", lambda p=python: check_all(python_problems(python_truth(p), 128)))
        add_case(name + ", bytes of every function with --memory malloc",
                 lambda p=python: check_all(python_problems(python_truth(p, "--memory", "malloc"), 64)))
        add_case(name + ", a function's file and line are its own", lambda p=python: python_lines(p))


def python_lines(python):
    rows = python_truth(python).rows("allocated")
    for function, text in (("drops_small", "def drops_small"), ("Maker.method_that_makes", "def method_that_makes")):
        found = rows.named(function) or rows.named(function.split(".")[-1])
        check(found, "no row for " + function)
        row = found[0]
        check_equal(os.path.basename(row["file"]), "py_truth.py", function)
        check_equal(row["kind"], "python", function)
        source = open(os.path.join(HERE, "targets", "py_truth.py")).read().splitlines()
        line = next(i for i, s in enumerate(source, 1) if text in s)
        check(line <= row["line"] <= line + 3, "%s at line %d, is at %d" % (function, row["line"], line))


python_cases()
main()
