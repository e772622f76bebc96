"""Python's own objects: every allocation is an event of its own, whoever stands between the interpreter and the memory.

The truth of a function is what tracemalloc counts for its lines in a run of its own, without lode."""
import json
import os

from harness import add_case, check, check_all, check_equal, dotted, main, pythons, record, run

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "targets", "py_objects.py")

# Objects of these types may come from a free list, which holds what was allocated earlier and elsewhere.  tracemalloc gives
# such a block to its new line if it has seen it, lode to the line that allocated it.  The lists hold at most 100 floats, 80
# lists, 80 dicts and 80 keys (CPython, Include/internal/pycore_floatobject.h, pycore_list.h, pycore_dict.h).
FREE_LISTS = {"keeps_floats": 100, "keeps_lists": 80, "keeps_dicts": 160}


def environment(**more):
    return dict(os.environ, PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1", **more)


_truths = {}


def truth_of(python):
    if python not in _truths:
        done = run([python, PROGRAM, "truth"], env=environment())
        check_equal(done.returncode, 0, done.stderr.decode())
        _truths[python] = json.loads(done.stdout)
    return _truths[python]


def recorded(python, what, *options, **more):
    return record([python] + list(options) + [PROGRAM, what], env=environment(**more))


def live_problems(recording, truth, more):
    leaked = recording.rows("leaked")
    for name, expected in truth.items():
        blocks, size = leaked.count(name), leaked.total(name)
        # to 3.10 the frames of the function and of its comprehension are objects, kept with the code for the next call
        slack = FREE_LISTS.get(name, 0) + 2 + more
        if abs(blocks - expected["blocks"]) > slack:
            yield "%s keeps %d blocks instead of %d" % (name, blocks, expected["blocks"])
        if abs(size - expected["bytes"]) > slack * 512:
            yield "%s keeps %d bytes instead of %d" % (name, size, expected["bytes"])


def allocation_problems(recording):
    counts = recording.rows("allocations")
    for name, low, more in (("keeps_slotted", 10000, 200), ("makes_temporaries", 40000, 20), ("keeps_large", 300, 60)):
        got = counts.total(name)
        # beside the objects: the growing list's array, the iterator, the frame
        if not low <= got <= low + more:
            yield "%s made %d allocations, not within %d and %d" % (name, got, low, low + more)


def compare(python, what, *options, own=0, **more):
    recording = recorded(python, what, *options, **more)
    check_all(live_problems(recording, truth_of(python), own))
    check_all(allocation_problems(recording))


def nothing_stays(python):
    recording = recorded(python, "ends")
    leaked = recording.rows("leaked")
    check_all("%s still holds %d blocks" % (name, leaked.count(name)) for name in truth_of(python) if leaked.count(name) > 1)
    check_all(allocation_problems(recording))


def arenas(python):
    recording = recorded(python, "plain")
    figures = recording.json("stats")["counted"]
    small = sum(t["bytes"] for name, t in truth_of(python).items() if name not in ("keeps_large", "grows_a_list"))
    check(figures["arena_bytes"] > small, "arenas of %d bytes hold objects of %d" % (figures["arena_bytes"], small))
    check(figures["arena_bytes"] < small + (8 << 20), "arenas of %d bytes for objects of %d" % (figures["arena_bytes"], small))
    live = recording.rows("leaked").all
    check(live < figures["arena_bytes"] + (8 << 20), "%d bytes live: arenas are counted as memory" % live)
    hows = {row["name"]: row["count"] for row in recording.json("stats")["allocators"]}
    check_all("no %s was recorded" % how for how in ("PyMem", "PyObject", "PyMem realloc") if not hows.get(how))


def objects_are_off(python, mode):
    recording = record([python, PROGRAM, "plain"], "--memory", mode, env=environment())
    hows = {row["name"] for row in recording.json("stats")["allocators"]}
    check_equal([how for how in hows if how.startswith("Py")], [])


def cases():
    for version, python in pythons():
        name = "Python %s (%s), objects" % (dotted(version), "Debian" if python.startswith("/usr/bin") else "built")

        def add(text, function, *arguments, python=python, name=name, **more):
            add_case("%s %s" % (name, text), lambda: function(python, *arguments, **more))
        add("of every function are tracemalloc's", compare, "plain")
        add("of a thread among others", compare, "thread")
        add("of a forked child", compare, "fork")
        add("of another interpreter", compare, "subinterpreter")
        add("while tracemalloc runs", compare, "traced")
        add("after tracemalloc was stopped", compare, "stopped")
        # own: a call stack that tracemalloc meets when an object comes from a free list is malloc'ed beside the object
        add("with -X tracemalloc", compare, "plain", "-X", "tracemalloc=3", own=3)
        add("with -X dev", compare, "plain", "-X", "dev")
        add("with -X dev after tracemalloc was stopped", compare, "stopped", "-X", "dev")
        for allocator in ("malloc", "debug", "pymalloc_debug", "malloc_debug"):
            add("with PYTHONMALLOC=" + allocator, compare, "plain", PYTHONMALLOC=allocator)
        add("are gone after the interpreter ended", nothing_stays)
        add("are memory, their arenas are not", arenas)
        for mode in ("malloc", "sample", "off"):
            add("are left alone with --memory " + mode, objects_are_off, mode)



cases()
main()
