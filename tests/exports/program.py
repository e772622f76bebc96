"""What there is to export: CPU time, blocks that live and blocks that do not, a thread, names that need escaping."""
import threading

kept = []


def burn(n):
    return sum(i * i for i in range(n))


def work():
    for i in range(40):
        kept.append(bytearray(10000))
        burn(30000)
    [(lambda: bytes(1 << 16))() for _ in range(20)]


exec(compile("def made():\n    kept.append(bytearray(5000)); burn(100000)", "<b>\"a;b\"&.py", "exec"))
threads = [threading.Thread(target=t, name="x;<i>") for t in (work, made)]
for t in threads:
    t.start()
for t in threads:
    t.join()
work()
