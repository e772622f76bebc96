"""Subinterpreters, greenlets, and a process that ends while its daemon threads run and signals arrive."""
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import probe
from probe import check

IN_SUB = """
def in_sub():
    return bytearray(777777)
def caller():
    return in_sub()
caller()
"""


def subinterpreter():
    try:
        if sys.version_info >= (3, 13):
            import _interpreters as interpreters
            run = interpreters.run_string
            sub = interpreters.create("legacy")
        else:
            import _xxsubinterpreters as interpreters
            run = interpreters.run_string
            sub = interpreters.create(isolated=False) if sys.version_info >= (3, 9) else interpreters.create()
    except ImportError:
        return
    for _ in range(3):
        run(sub, IN_SUB)
        got, loops, entries = probe.caught()
        names = [probe.text(g).name.decode() for g in got[:3]]
        check(names == ["in_sub", "caller", "<module>"], "a subinterpreter's frames: %s" % names)
    interpreters.destroy(sub)
    check(probe.text(probe.walk()[0]).name == b"subinterpreter", "and the main one's after it")


def greenlets():
    try:
        import greenlet
    except ImportError:
        print("greenlet is not installed: not tested")
        return
    names = lambda: [probe.text(g).name.decode().rpartition(".")[2] for g in probe.walk()]

    def nested(n):
        return nested(n - 1) if n else back()

    def back():
        seen.append(names())
        main.switch()
        seen.append(names())
        bytearray(probe.SIZE)
        return 1

    seen = []
    main = greenlet.getcurrent()
    first, second = greenlet.greenlet(nested), greenlet.greenlet(nested)
    first.switch(3)
    second.switch(40)
    check("greenlets" in names(), "the main greenlet's own frames")
    second.switch()
    first.switch()
    inner = ["<lambda>", "back"]
    check(seen[0][:6] == inner + ["nested"] * 4, "a greenlet's frames %s" % seen[0])
    check(seen[1][:43] == inner + ["nested"] * 41, "another's")
    check(seen[2][:43] == inner + ["nested"] * 41 and seen[3][:6] == inner + ["nested"] * 4, "resumed")

    def spin(n):
        for i in range(n):
            main.switch()
    probe.LIB.probe_storm(60000)
    for _ in range(200):
        group = [greenlet.greenlet(spin) for _ in range(10)]
        for g in group:
            g.switch(20)
        for _ in range(20):
            for g in group:
                g.switch()
    probe.LIB.probe_storm(0)
    c = probe.counts()
    print("%d.%d.%d: greenlets: %d samples, %d dropped" % (sys.version_info[:3] + (c.samples, c.dropped)))


def at_exit():
    """The process ends under fire; its exit status is the check, run.sh makes it."""
    def forever():
        while True:
            for i in range(100):
                [str(i)] * 10

    for _ in range(3):
        threading.Thread(target=forever, daemon=True).start()
    probe.LIB.probe_storm(60000)


if sys.argv[1:] == ["exit"]:
    at_exit()
else:
    subinterpreter()
    greenlets()
    c = probe.counts()
    check(c.replay_wrong == 0, "%d replays were wrong" % c.replay_wrong)
    probe.finish()
