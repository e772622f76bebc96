"""Objects of known number and size, alive until the process ends.  Prints what tracemalloc saw where it is asked for the
truth; its figures are of this file's lines, summed over each function.

    py_objects.py truth     tracemalloc from the first function on: the truth, printed
    py_objects.py plain     nothing of that
    py_objects.py traced    tracemalloc runs meanwhile, nothing is printed
    py_objects.py stopped   tracemalloc was started and stopped before
    py_objects.py thread    the functions run in a thread, beside three that allocate too
    py_objects.py fork      ... in a forked child
    py_objects.py subinterpreter      ... in another interpreter
    py_objects.py ends      ends in order: the interpreter takes everything down
"""
import itertools
import json
import os
import sys
import threading

KEPT = []


class Slotted:
    __slots__ = ("a", "b")


def keeps_slotted(n):
    KEPT.append([Slotted() for _ in itertools.repeat(None, n)])


def keeps_bytes(n):
    KEPT.append([b"x" * 40 for _ in itertools.repeat(None, n)] + [bytes(k) for k in itertools.repeat(50, n)])


def keeps_sets(n):
    KEPT.append([set() for _ in itertools.repeat(None, n)])


def keeps_large(n):
    KEPT.append([bytes(k) for k in itertools.repeat(3000, n)])


def keeps_floats(n):
    KEPT.append([x * 1.5 for x in itertools.repeat(3.0, n)])


def keeps_lists(n):
    KEPT.append([[x] for x in itertools.repeat(None, n)])


def keeps_dicts(n):
    KEPT.append([{"key": x} for x in itertools.repeat(None, n)])


def grows_a_list(n):
    grown = []
    for x in itertools.repeat(None, n):
        grown.append(x)
    KEPT.append(grown)


def makes_temporaries(n):
    for _ in itertools.repeat(None, n):
        object()


FUNCTIONS = [(keeps_slotted, 10000), (keeps_bytes, 5000), (keeps_sets, 4000), (keeps_large, 300), (keeps_floats, 20000),
             (keeps_lists, 5000), (keeps_dicts, 5000), (grows_a_list, 30000), (makes_temporaries, 40000)]


def run_all():
    for function, n in FUNCTIONS:
        function(n)


def truth():
    import tracemalloc
    tracemalloc.start()
    run_all()
    traces = tracemalloc.take_snapshot().traces
    tracemalloc.stop()
    begins = sorted((f.__code__.co_firstlineno, f.__name__) for f, _ in FUNCTIONS + [(run_all, 0)])
    figures = {name: {"blocks": 0, "bytes": 0} for _, name in begins}
    for trace in traces:
        frame = trace.traceback[0]
        if frame.filename == __file__ and frame.lineno >= begins[0][0]:
            name = [name for line, name in begins if line <= frame.lineno][-1]
            figures[name]["blocks"] += 1
            figures[name]["bytes"] += trace.size
    json.dump({name: figures[name] for function, _ in FUNCTIONS for name in [function.__name__]}, sys.stdout)


def churn(stop):
    while not stop.is_set():
        [object() for _ in itertools.repeat(None, 1000)]


def in_a_thread():
    stop = threading.Event()
    others = [threading.Thread(target=churn, args=(stop,)) for _ in range(3)]
    for t in others:
        t.start()
    t = threading.Thread(target=run_all)
    t.start()
    t.join()
    stop.set()
    for t in others:
        t.join()


def in_a_child():
    child = os.fork()
    if child == 0:
        run_all()
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit("the child failed")


def in_another_interpreter():
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        import _interpreters as interpreters
    # run_all ends the process there: an interpreter that goes would take its objects along
    code = "import sys; sys.argv = [%r, 'plain']; exec(compile(open(%r).read(), %r, 'exec'))" % (__file__, __file__, __file__)
    interpreters.run_string(interpreters.create(), code)


def main(what):
    if what == "truth":
        truth()
    elif what == "thread":
        in_a_thread()
    elif what == "fork":
        in_a_child()
    elif what == "subinterpreter":
        in_another_interpreter()
    else:
        if what in ("traced", "stopped"):
            import tracemalloc
            tracemalloc.start()
        if what == "stopped":
            [object() for _ in range(1000)]
            tracemalloc.stop()
        run_all()
    sys.stdout.flush()
    if what != "ends":
        os._exit(0)


main(sys.argv[1])
