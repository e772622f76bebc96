"""Known call chains: what the probe walks must be what the interpreter's frame objects say, frame by frame."""
import asyncio
import functools
import gc
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import probe
from probe import check

NEW = sys.version_info >= (3, 11)


def compare(what):
    """Called by the chains below: takes both stacks here.  The leaf's own instruction differs between the calls."""
    frame = sys._getframe()
    got = probe.walk()
    expected = probe.truth(frame)
    check(len(got) == len(expected), "%s: %d frames, not %d" % (what, len(got), len(expected)))
    check([g.code for g in got] == [id(code) for code, _ in expected], what + ": code objects")
    check([g.lasti for g in got[1:]] == [lasti for _, lasti in expected[1:]],
          "%s: instructions %s %s" % (what, [g.lasti for g in got], [lasti for _, lasti in expected]))
    names = [probe.text(g).name.decode() for g in got]
    qualified = [getattr(code, "co_qualname", code.co_name)[:59] for code, _ in expected]
    check(names == qualified, "%s: names %s %s" % (what, names, qualified))
    lines = [probe.text(g).first_line for g in got]
    check(lines == [code.co_firstlineno for code, _ in expected], what + ": first lines")
    tables = [len(code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab) for code, _ in expected]
    check([probe.text(g).line_bytes for g in got] == tables, what + ": line tables")
    check(all(g.flags & probe.PRESENT and g.flags & probe.GIL and not g.flags & probe.DROPPED for g in got),
          what + ": flags")
    check_entries(what, got)
    check_in_hook(what, [id(code) for code, _ in expected])


def check_entries(what, got):
    check(got[-1].is_entry == 1, what + ": the outermost frame is an entry")
    anchors = [g.anchor for g in got if g.is_entry]
    if not NEW:
        check(all(g.is_entry for g in got) and not any(anchors), what + ": every frame is an entry")
        return
    check(all(anchors) and anchors == sorted(anchors) and len(set(anchors)) == len(anchors),
          what + ": anchors go up the stack")
    check(not any(g.anchor for g in got if not g.is_entry), what + ": only entries have an anchor")


def check_in_hook(what, expected):
    block = bytearray(probe.SIZE)
    got, loops, entries = probe.caught()
    check([g.code for g in got[1:]] == expected, what + ": the same in malloc")
    check(loops == entries, "%s: %d evaluation loops, %d entry frames" % (what, loops, entries))
    del block


def recursion(n):
    if n:
        return recursion(n - 1)
    return compare("recursion")


def generator():
    compare("generator")
    yield 1
    compare("generator, resumed")
    yield 2


def delegating():
    yield from generator()


def in_except():
    try:
        try:
            {}["missing"]
        except KeyError:
            compare("in except")
            raise
        finally:
            compare("in finally")
    except KeyError:
        pass


class Meta(type):
    def __call__(cls, *args):
        return super().__call__(*args)


class Thing(metaclass=Meta):
    def __init__(self, what):
        compare(what)

    @property
    def value(self):
        return compare("property")

    def __lt__(self, other):
        compare("comparison from sort")
        return False

    def __del__(self):
        compare("destructor")


class Late(Thing):
    """Its destructor runs while a frame is being cleared."""

    def __init__(self):
        pass


def clearing():
    late = Late()
    return late is None


class Plain:
    def __init__(self, what):
        compare(what)


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper


@decorated
@functools.lru_cache(None)
def through_c(n):
    return compare("wrapper and lru_cache") if n == 0 else max([n], key=lambda _: through_c(n - 1))


async def leaf():
    compare("coroutine")
    await asyncio.sleep(0)
    compare("coroutine, resumed")
    async for _ in agen():
        pass


async def agen():
    compare("async generator")
    yield 1


async def main():
    await asyncio.gather(leaf(), asyncio.wait_for(leaf(), 10))


def chains():
    """Without the collector, which would run destructors, and so chains within chains, at any time."""
    gc.disable()
    compare("plain")
    recursion(0)
    recursion(150)
    for _ in delegating():
        pass
    list(generator())
    sum(1 for _ in delegating())
    in_except()
    Thing("__init__ through a metaclass")
    for _ in range(60):  # specialised by now
        Plain("__init__ of a class")
    sorted([Thing("__init__"), Thing("__init__")])
    Thing("__init__").value
    clearing()
    through_c(3)
    list(map(functools.partial(lambda a, b: compare("partial"), 1), [2]))
    exec("compare('exec')", {"compare": compare})
    eval("compare('eval')")
    class Body:
        compare("class body")
    asyncio.run(main())
    [compare("list comprehension") for _ in range(2)]
    (lambda: compare("lambda with a cell") or chains)()
    gc.enable()


def named(name, file):
    scope = {}
    exec(compile("def f():\n return probe.walk()\n", file, "exec"), {"probe": probe}, scope)
    code = scope["f"].__code__.replace(co_name=name, **({"co_qualname": name} if NEW else {}))
    function = type(scope["f"])(code, {"probe": probe})
    return function()[0], code


def strings():
    for name, file in (("f", "ascii.py"), ("größe", "latin-é.py"), ("ωmega", "ελ.py"), ("\U0001d4ca", "\U0001f40d.py"),
                       ("surrogate", "bad\udcff.py"), ("x" * 3000, "y" * 3000 + "é")):
        got, code = named(name, file)
        text = probe.text(got)
        for have, length, want in ((text.name, text.name_bytes, name), (text.file, text.file_bytes, file)):
            expected = want.encode("utf-8", "surrogatepass")
            is_cut = len(expected) > 1024
            check(length == len(expected) or (is_cut and 1020 < length <= 1024),
                  "%d bytes of %r" % (length, want[:9]))
            check(have == expected[:len(have)] and (is_cut or len(have) == min(len(expected), len(have))),
                  "text of %r" % want[:9])
        del code


def deaths():
    before = probe.LIB.probe_generation()
    first, code = named("mortal", "m.py")
    first_id = first.id
    for _ in range(300):
        again, code = named("mortal%d" % _, "m.py")
        check(probe.text(again).name.decode() == "mortal%d" % _, "a reused address has its new name")
    check(probe.LIB.probe_generation() > before + 200, "deaths move the generation")
    probe.LIB.probe_refuse(1)
    before = probe.LIB.probe_generation()
    late, code = named("late", "late.py")
    check(late.id and not probe.text(late).name, "an id without a record where it cannot be written")
    check(probe.LIB.probe_generation() > before, "which moves the generation")
    probe.LIB.probe_refuse(0)
    scope = {"code": code}
    again = type(deaths)(code, {"probe": probe})()[0]
    check(again.id == late.id and probe.text(again).name == b"late", "written when met again")
    probe.LIB.probe_refuse(1)
    dying, code = named("dying", "dying.py")
    probe.LIB.probe_refuse(0)
    check(not probe.text(dying).name, "not written")
    del code, scope
    gc.collect()
    check(probe.text(dying).name == b"dying", "written at its death at the latest")


def growth():
    """More code objects alive than the first table holds."""
    kept = []
    for i in range(6000):
        got, code = named("g%d" % i, "growth.py")
        kept.append((got.id, code))
    check(len(set(identity for identity, _ in kept)) == 6000, "ids are unique while the table grows")
    for identity, code in kept[::500]:
        got = type(deaths)(code, {"probe": probe})()[0]
        check(got.id == identity, "and stay")


def in_collector():
    class Cycle:
        def __del__(self):
            compare_flag(self)
    def compare_flag(_):
        seen.append(probe.walk()[0].flags & probe.GC)
    seen = []
    gc.collect()
    cycle = Cycle()
    cycle.me = cycle
    del cycle
    gc.collect()
    check(seen == [probe.GC], "the collector is seen")
    check(not probe.walk()[0].flags & probe.GC, "and its end")


def fork():
    pid = os.fork()
    if pid == 0:
        probe.LIB.probe_fork_child()
        before = probe.counts().codes
        got = probe.walk()
        is_right = probe.counts().codes - before == len(set(g.code for g in got)) + 1 and \
            probe.text(got[0]).name.decode() == "fork"
        os._exit(0 if is_right else 1)
    check(os.waitpid(pid, 0)[1] == 0, "a child numbers and writes its code objects anew")


def without_lock():
    import ctypes
    library = ctypes.CDLL(None)  # releases the GIL
    buffer = (probe.Answer * 100)()
    library.probe_walk(buffer)
    check(buffer[0].flags & probe.PRESENT and not buffer[0].flags & probe.GIL, "no GIL in a call that released it")


def version():
    import ctypes
    how = ctypes.create_string_buffer(16)
    check(probe.LIB.probe_python(how) == sys.hexversion, "the version")
    check(how.value in (b"static", b"shared"), "the build")
    check(not probe.LIB.probe_notice(), "no notice: %s" % probe.LIB.probe_notice())


version()
chains()
thread = threading.Thread(target=chains)
thread.start()
thread.join()
strings()
deaths()
in_collector()
without_lock()
fork()
growth()
c = probe.counts()
check(c.replay_wrong == 0, "%d replays were wrong" % c.replay_wrong)
check(c.replay_hits > 50, "%d replays held" % c.replay_hits)
check(c.unknown_code == 0, "%d frames without code id" % c.unknown_code)
probe.finish()
