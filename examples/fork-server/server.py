"""A parent that forks workers before they serve, as web servers do.  Worker 2 has the expensive customers."""
import os
import zlib


def answer(request, effort):
    return zlib.crc32(zlib.compress(request * effort, 9))


def worker(number):
    effort = 40 if number == 2 else 5
    for i in range(6000):
        answer(b"request %d of worker %d; " % (i, number), effort * 20)


def main():
    children = []
    for number in range(3):
        pid = os.fork()
        if pid == 0:
            worker(number)
            os._exit(0)
        children.append(pid)
    failed = sum(os.waitpid(pid, 0)[1] != 0 for pid in children)
    print("3 workers, %d failed" % failed)


if __name__ == "__main__":
    main()
