"""Three threads burn CPU time 6:3:1 in different ways, a fourth sleeps.  Each measures itself; prints {function: seconds}.
Argument: CPU seconds of all together."""
import hashlib
import json
import sys
import threading
import time
import zlib

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
DATA = bytes(range(256)) * 400
spent = {}


def python_loop(n=20000):
    x = 0
    for i in range(n):
        x += i * i % 7
    return x


def burns_in_python(share):
    while time.thread_time() < share * SECONDS:
        python_loop()
    spent["burns_in_python"] = time.thread_time()


def burns_in_zlib(share):
    while time.thread_time() < share * SECONDS:
        zlib.compress(DATA, 6)
    spent["burns_in_zlib"] = time.thread_time()


def burns_in_hashlib(share):
    while time.thread_time() < share * SECONDS:
        hashlib.sha256(DATA).digest()
    spent["burns_in_hashlib"] = time.thread_time()


def only_sleeps(share):
    time.sleep(SECONDS / 2)
    spent["only_sleeps"] = time.thread_time()


threads = [threading.Thread(target=f, args=(s,)) for f, s in (
    (burns_in_python, 0.6), (burns_in_zlib, 0.3), (burns_in_hashlib, 0.1), (only_sleeps, 0))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"spent": spent, "process": time.process_time()}))
