"""The Python work that is measured: fib, churn, bytearrays, empty.  Prints the CPU time that it used itself."""
import sys
import time


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def churn(n):
    table = {}
    for i in range(n):
        table[i % 5000] = [str(i), (i, i + 1.5), {"k": i}]
    return len(table)


def bytearrays(n, depth=11):
    if depth:
        return bytearrays(n, depth - 1)
    for i in range(n):
        bytearray(600 + i % 1000)


what, scale = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
if what == "fib":
    fib(35 if scale >= 1 else 30)
elif what == "churn":
    churn(int(5000000 * scale))
elif what == "bytearrays":
    bytearrays(int(8000000 * scale))
sys.stderr.write("cpu %f\n" % time.process_time())
