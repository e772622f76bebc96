"""Recordings that were cut, flipped and rewritten: a profile or a message, never a crash.  And what the commands then say."""
import os
import re
import subprocess
import sys

from harness import AGENT, ROOT, case, check, check_equal, fresh, lode, main, record, run, show, target, workdir

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = "d = {i: [str(i)] * (i % 7) for i in range(300)}; x = [bytearray(i) for i in range(50)]"
_mutate = None


def mutate():
    """The program that loads mutations, with the sanitizers."""
    global _mutate
    if _mutate is None:
        source = os.path.join(HERE, "mutate.c")
        with open(source) as f:
            words = re.search(r"/\* *link: *(.*[^ ]) *\*/", f.readline()).group(1).split()
        _mutate = os.path.join(workdir(), "mutate")
        done = run([os.environ.get("CC") or "gcc", "-std=gnu17", "-O1", "-g", "-D_GNU_SOURCE", "-Iinclude", "-Ireader", "-I" + HERE,
                    "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", source, *words, "-o", _mutate],
                   cwd=ROOT, seconds=600)
        check(done.returncode == 0, show(done))
    return _mutate


def survive(path):
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1")
    done = run([mutate(), path, fresh()], env=env, seconds=1200)
    check(done.returncode == 0, show(done))
    print(os.path.basename(path), done.stdout.decode().strip())


@case
def a_recording_of_a_c_program():
    survive(record([target("alloc_truth")]).path)


@case
def a_recording_of_mappings():
    survive(record([target("map_truth")]).path)


@case
def a_recording_of_python():
    survive(record([sys.executable, "-S", "-c", SCRIPT]).path)


@case
def a_log():
    path = fresh(".log")
    env = dict(os.environ, LD_PRELOAD=AGENT, LODE_OUTPUT=path)
    subprocess.run([target("alloc_truth")], env=env, stdout=subprocess.DEVNULL, check=True)
    survive(path)


@case
def a_cut_recording_is_shown_with_status_3():
    path = record([target("alloc_truth")]).path
    whole = os.path.getsize(path)
    os.truncate(path, whole - 20)
    done = lode("top", path)
    check_equal(done.returncode, 3, "status")
    check(b"damaged or was cut off" in done.stderr, done.stderr)
    check(done.stdout, "nothing was shown")


@case
def a_foreign_file_is_named_as_one():
    done = lode("top", os.path.join(ROOT, "README.md") if os.path.exists(os.path.join(ROOT, "README.md")) else __file__)
    check_equal(done.returncode, 3, "status")
    check(b"not a lode recording" in done.stderr, done.stderr)


@case
def a_newer_format_names_both_versions():
    path = record([target("alloc_truth")]).path
    with open(path, "r+b") as f:
        f.seek(8)
        f.write(b"\x09")
    done = lode("top", path)
    check_equal(done.returncode, 3, "status")
    check(b"version 9" in done.stderr and b"version 1" in done.stderr, done.stderr)


if __name__ == "__main__":
    main()
