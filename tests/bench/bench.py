#!/usr/bin/env python3
"""Ratios of CPU time, side by side: plain, lode, and what else is installed.

usage: bench.py [--runs N] [--scale X] [-k REGEX] [--json FILE]
The runs of the tools are interleaved; figures are medians.  "program" is the CPU time that the program used, agent included,
"all" counts the recorder too.  memray: python3 -m venv DIR && DIR/bin/pip install memray, then LODE_BENCH_VENV=DIR make bench.
heaptrack: apt-get install heaptrack.
"""
import argparse
import glob
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("LODE_BUILD") or os.path.join(HERE, "..", "..", "build")
LODE = os.path.join(BUILD, "lode")
VENV = os.environ.get("LODE_BENCH_VENV", "")
PYTHON = os.path.join(VENV, "bin", "python") if VENV else "/usr/bin/python3"
WORK = os.path.join(HERE, "work.py")
EMPTY = "import sys; sys.stderr.writelines(l for l in open('/proc/self/status') if l.startswith('VmHWM'))"
PAIRS = os.path.join(BUILD, "tests", "bench", "malloc_pairs")


def lode(*options):
    return lambda out, command: [LODE, "record", "-q", "-f", "-o", out, *options, "--"] + command


def memray(*options):
    return lambda out, command: [command[0], "-m", "memray", "run", "-q", "-f", "-o", out, *options] + command[1:]


def heaptrack(out, command):
    return ["heaptrack", "-o", out] + command


def plain(out, command):
    return command


def tools_for(kind):
    tools = {"plain": plain, "lode": lode()}
    if kind == "python":
        tools["lode malloc"] = lode("--memory", "malloc")
    tools["lode cpu 100"] = lode("--memory", "off")
    tools["lode cpu 1000"] = lode("--memory", "off", "--rate", "1000")
    tools["lode sample"] = lode("--memory", "sample", "--rate", "0")
    if kind == "python" and VENV and os.path.exists(os.path.join(VENV, "bin", "memray")):
        tools["memray"] = memray()
        tools["memray native"] = memray("--native")
        tools["memray all"] = memray("--trace-python-allocators")
    if kind == "c" and shutil.which("heaptrack"):
        tools["heaptrack"] = heaptrack
    return tools


def measured(command, cwd):
    """CPU seconds of the program, of all processes, wall seconds, peak of resident KiB where the program says it."""
    with tempfile.TemporaryFile() as err:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        wall = time.monotonic() - began
        err.seek(0)
        text = err.read().decode("utf-8", "replace")
    if status:
        raise RuntimeError("%s: wait status %d: %s" % (" ".join(command), status, text[-300:]))
    own = re.findall(r"^cpu ([\d.]+)$", text, re.M)
    resident = re.findall(r"^VmHWM:\s+(\d+) kB$", text, re.M)  # ru_maxrss would count who started it
    return (float(own[-1]) if own else 0.0, usage.ru_utime + usage.ru_stime, wall, float(resident[-1]) if resident else 0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("-k", default="", help="only work whose name matches")
    parser.add_argument("--json", help="write the figures here as well")
    options = parser.parse_args()
    scale = str(options.scale)
    work = [
        ("fib", "python", [PYTHON, WORK, "fib", scale]),
        ("object churn", "python", [PYTHON, WORK, "churn", scale]),
        ("bytearrays, 12 frames", "python", [PYTHON, WORK, "bytearrays", scale]),
        ("C malloc, 30 frames, 1 thread", "c", [PAIRS, str(int(2e7 * options.scale)), "1"]),
        ("C malloc, 30 frames, 4 threads", "c", [PAIRS, str(int(2e7 * options.scale)), "4"]),
        ("C malloc, 64 stacks of 30 frames", "c", [PAIRS, str(int(2e7 * options.scale)), "1", "64"]),
        ("empty script", "python", [PYTHON, "-c", EMPTY]),
    ]
    results = {}
    directory = tempfile.mkdtemp(prefix="lode-bench-")
    try:
        for name, kind, command in work:
            if not re.search(options.k, name):
                continue
            tools, figures = tools_for(kind), {}
            for turn in range(options.runs):
                for tool, wrap in list(tools.items()):
                    for old in glob.glob(os.path.join(directory, "*")):
                        os.unlink(old)
                    out = os.path.join(directory, "x.lode")
                    try:
                        figures.setdefault(tool, []).append(measured(wrap(out, command), directory))
                    except RuntimeError as error:
                        print("%s, %s: %s" % (name, tool, error), file=sys.stderr)
                        del tools[tool]
                        continue
                    if tool == "lode" and turn == options.runs - 1 and os.path.exists(out):
                        results.setdefault("files", {})[name] = recording_figures(out)
            print("\n%s (%d runs)" % (name, options.runs))
            table = {t: [statistics.median(column) for column in zip(*rows)] for t, rows in figures.items() if rows}
            base = table.get("plain")
            for tool, (own, everything, wall, resident) in table.items():
                if name == "empty script":
                    print("  %-16s wall %+7.1f ms   resident %+7.1f MB" % (
                        tool, (wall - base[2]) * 1e3, (resident - base[3]) / 1024))
                else:
                    print("  %-16s program %6.3f s  %5.2fx   all %6.3f s  %5.2fx" % (
                        tool, own, own / base[0], everything, everything / base[1]))
            if name in results.get("files", {}):
                print("  " + results["files"][name]["text"])
            results[name] = table
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if options.json:
        with open(options.json, "w") as f:
            json.dump(results, f, indent=1)


def number_named(document, *names):
    """The first number under one of the names, wherever it stands."""
    if isinstance(document, dict):
        for name in names:
            if isinstance(document.get(name), (int, float)):
                return document[name]
        document = list(document.values())
    if isinstance(document, list):
        for value in document:
            found = number_named(value, *names)
            if found is not None:
                return found
    return None


def recording_figures(path):
    """Bytes an event, raw and compressed, and the reader's events a second."""
    done = subprocess.run([LODE, "stats", "--json", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        stats = json.loads(done.stdout)
    except ValueError:
        stats = {}
    events = number_named(stats, "events") or 0
    raw = number_named(stats, "raw_bytes") or 0
    size = os.path.getsize(path)
    _, cpu, _, _ = measured([LODE, "top", "--measure", "peak", path], os.path.dirname(path))
    text = "recording: %d events, %d bytes" % (events, size)
    if events:
        text += ", bytes an event raw %.2f, compressed %.2f, reader %.1f M events/s of CPU time" % (
            raw / events, size / events, events / cpu / 1e6)
    return {"events": events, "raw_bytes": raw, "file_bytes": size, "reader_cpu": cpu, "text": text}


main()
