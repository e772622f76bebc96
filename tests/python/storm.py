"""Signals at every thread while they do what is hard to walk: generators, throw-away code, exceptions, deep calls,
asyncio, callbacks from C.  No crash, and no stack that cannot be: the probe knows who calls whom."""
import asyncio
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import probe
from probe import check

SECONDS = float(os.environ.get("PROBE_SECONDS", "10"))
PAUSE_NS = int(os.environ.get("PROBE_PAUSE_NS", "60000"))
stop = False


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def job_fib():
    fib(12)


def deep(n):
    return deep(n - 1) if n else 0


def job_deep():
    deep(400)


def odd(n):
    return even(n - 1) if n else False


def even(n):
    return odd(n - 1) if n else True


def job_parity():
    odd(120)


def inner_generator(n):
    for i in range(n):
        yield i


def outer_generator(n):
    yield from inner_generator(n)
    for i in inner_generator(n):
        yield i


def job_generator():
    for _ in outer_generator(50):
        pass
    for _ in range(30):
        next(outer_generator(1))


def thrower(n):
    if n == 0:
        raise ValueError
    try:
        thrower(n - 1)
    finally:
        n += 1


def job_exception():
    try:
        thrower(20)
    except ValueError:
        pass


def key_function(x):
    return -x


def job_sort():
    for _ in range(20):
        sorted(range(20), key=key_function)


def job_exec():
    scope = {}
    exec("def throw_away(n):\n return [i for i in range(n)]\nthrow_away(3)\n", scope)
    scope["throw_away"](5)


class Point:
    def __init__(self, x):
        self.x = x


def job_objects():
    for i in range(50):
        Point(i)


async def leaf_task():
    await asyncio.sleep(0)
    return [i async for i in asynchronous()]


async def asynchronous():
    for i in range(5):
        yield i


async def middle_task():
    return await leaf_task()


async def task():
    for _ in range(20):
        await middle_task()


async def tasks():
    await asyncio.gather(*(task() for _ in range(5)))


def job_asyncio():
    asyncio.run(tasks())


def job_frames():
    frame = sys._getframe()
    while frame:
        frame = frame.f_back


def job_wait():
    time.sleep(0.0002)


def work(jobs):
    while not stop:
        for job in jobs:
            job()


CALLS = [job_fib, job_deep, job_parity, job_frames, job_exception]
MIXED = [job_generator, job_sort, job_exec, job_objects, job_exception, job_wait]


def main():
    global stop
    threads = [threading.Thread(target=work, args=(jobs,)) for jobs in
               (CALLS, MIXED, [job_asyncio], CALLS + MIXED + [job_asyncio])]
    probe.LIB.probe_storm(PAUSE_NS)
    for t in threads:
        t.start()
    end = time.time() + SECONDS
    while time.time() < end:
        short = threading.Thread(target=job_fib)
        short.start()
        short.join()
        time.sleep(0.005)
    stop = True
    for t in threads:
        t.join()
    probe.LIB.probe_storm(0)
    report()


def report():
    c = probe.counts()
    check(c.samples > 1000, "%d samples" % c.samples)
    check(c.impossible == 0, "%d impossible stacks, the last: %s" % (c.impossible, probe.LIB.probe_impossible()))
    check(c.dropped <= c.samples / 500, "%d of %d samples dropped" % (c.dropped, c.samples))
    check(c.replay_wrong == 0, "%d replays were wrong" % c.replay_wrong)
    print("%d.%d.%d: %d samples, %.1f frames each, %d dropped (%.4f %%), %d empty, %d with the GIL, %d collecting, "
          "%d unknown code; %d hook walks, %d replays held" % (
              sys.version_info[:3] + (c.samples, c.sampled_frames / max(c.samples, 1), c.dropped,
                                      100.0 * c.dropped / max(c.samples, 1), c.empty, c.with_gil, c.in_gc,
                                      c.unknown_code, c.walks, c.replay_hits)))


main()
probe.finish()
