"""What every Python test needs: cases, checks, and recordings to look into.  Python 3.8+, standard library only.

A test file defines functions under @case and ends with `main()`.  A case that raises Failure has failed, Skip is a skip,
anything else that is raised is a failure as well.
"""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

TESTS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(TESTS)
BUILD = os.environ.get("LODE_BUILD") or os.path.join(ROOT, "build")
LODE = os.path.join(BUILD, "lode")
AGENT = os.path.join(BUILD, "liblode.so")
SECONDS = 300  # ends what hangs; no case passes or fails by its time

cases = []


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def case(function):
    cases.append((function.__name__.strip("_").replace("_", " "), function))
    return function


def add_case(name, function):
    cases.append((name, function))


def check(condition, why):
    if not condition:
        raise Failure(why)


def check_equal(got, expected, what=""):
    if got != expected:
        raise Failure("%s%r, expected %r" % (what + ": " if what else "", got, expected))


def check_all(problems):
    """One failure that lists every problem (a list of strings)."""
    problems = list(problems)
    if problems:
        raise Failure("%d: " % len(problems) + "; ".join(problems[:12]) + ("; ..." if len(problems) > 12 else ""))


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Skip("%s is not installed" % tool)


def target(name, kind="e2e"):
    path = os.path.join(BUILD, "tests", kind, name)
    check(os.path.exists(path), "%s was not built" % path)
    return path


_work = None


def workdir():
    """A directory of this run, removed at its end.  Not below the tree: names in it are the tests' own."""
    global _work
    if _work is None:
        _work = tempfile.mkdtemp(prefix="lode-test-")
    return _work


_count = 0


def fresh(suffix=".lode"):
    global _count
    _count += 1
    return os.path.join(workdir(), "%d%s" % (_count, suffix))


def run(command, seconds=SECONDS, **keywords):
    """subprocess.run with captured output in its own process group, which is ended as a whole when it hangs."""
    keywords.setdefault("stdin", subprocess.DEVNULL)
    keywords.setdefault("stdout", subprocess.PIPE)
    keywords.setdefault("stderr", subprocess.PIPE)
    data = keywords.pop("input", None)
    if data is not None:
        keywords["stdin"] = subprocess.PIPE
    process = subprocess.Popen(command, start_new_session=True, **keywords)
    try:
        out, err = process.communicate(data, timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Failure("still running after %d s: %s" % (seconds, " ".join(map(str, command))[:200]))
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def lode(*arguments, **keywords):
    return run([LODE] + [str(a) for a in arguments], **keywords)


def show(done):
    """How a command ended, for a failure's text."""
    err = (done.stderr or b"").decode("utf-8", "replace").strip()
    return "status %d%s" % (done.returncode, ": " + err[-300:] if err else "")


def frame_name(frame):
    """`function (file.c:line)` -> `function`."""
    return re.sub(r" \([^()]*\)( \[inlined\])?$", "", frame).strip()


class Rows:
    """The rows of one `lode top --json`."""

    def __init__(self, document):
        self.document = document
        self.all = document["total"]
        self.rows = document["rows"]

    def named(self, name):
        return [r for r in self.rows if frame_name(r["name"]) == name]

    def total(self, name):
        return sum(r["total"] for r in self.named(name))

    def self_of(self, name):
        return sum(r["self"] for r in self.named(name))

    def count(self, name):
        return sum(r["count"] for r in self.named(name))


class Recording:
    def __init__(self, path, done=None, status=0):
        self.path = path
        self.done = done
        self.status = status

    def rows(self, measure, *more, by="function"):
        done = lode("top", "--json", "--measure", measure, "--by", by, "-n", 1000000, *more, self.path)
        check(done.returncode == 0, "lode top --measure %s: %s" % (measure, show(done)))
        try:
            return Rows(json.loads(done.stdout))
        except (ValueError, KeyError, TypeError) as error:
            raise Failure("lode top --json --measure %s: %s: %r" % (measure, error, done.stdout[:200]))

    def folded(self, measure, *more):
        """[(list of frame names from the root, count)]"""
        done = lode("export", "--format", "folded", "--measure", measure, *more, self.path)
        check(done.returncode == 0, "lode export --format folded --measure %s: %s" % (measure, show(done)))
        stacks = []
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            frames, _, count = line.rpartition(" ")
            check(count.lstrip("-").isdigit() and frames, "not a folded stack: %r" % line[:200])
            stacks.append(([frame_name(f) for f in frames.split(";")], int(count)))
        return stacks

    def json(self, command, *more):
        done = lode(command, "--json", *more, self.path)
        check(done.returncode == 0, "lode %s --json: %s" % (command, show(done)))
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise Failure("lode %s --json: %s: %r" % (command, error, done.stdout[:200]))


def folded_total(stacks, name):
    return sum(count for frames, count in stacks if name in frames)


def record(command, *options, expect=0, path=None, **keywords):
    """Records a command; fails when its exit status is not the expected one (None: any)."""
    path = path or fresh()
    done = lode("record", "-q", "-o", path, *options, "--", *command, **keywords)
    check(expect is None or done.returncode == expect, "lode record %s: %s" % (" ".join(map(str, command))[:120], show(done)))
    check(os.path.exists(path), "no recording was left: " + show(done))
    return Recording(path, done, done.returncode)


def pythons(oldest=(3, 8)):
    """Every installed CPython from the oldest supported one on: [(version, path)]."""
    paths = glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3")) + ["/usr/bin/python3"]
    paths += glob.glob("/usr/local/bin/python3.[0-9]*[0-9t]") + glob.glob("/opt/python*/bin/python3")
    found = {}
    for path in paths:
        if not os.path.exists(path):
            continue
        done = run([path, "-c", "import sys; print(sys.implementation.name, sys.executable, *sys.version_info[:3])"])
        words = done.stdout.decode().split()
        if done.returncode == 0 and words and words[0] == "cpython":
            version = tuple(int(w) for w in words[-3:])
            if version[:2] >= oldest:
                found.setdefault(os.path.realpath(path), (version, path))
    return sorted(found.values())


def dotted(version):
    return ".".join(map(str, version))


def main():
    keyword = os.environ.get("LODE_TEST_KEYWORD") or (sys.argv[1] if len(sys.argv) > 1 else "")
    program = os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0]))) + "/" + os.path.basename(sys.argv[0])[:-3] + ": "
    failed = 0
    try:
        for name, function in cases:
            name = name.replace(":", ",")
            if keyword and not re.search(keyword, program + name):
                continue
            try:
                function()
                print("ok " + name, flush=True)
            except Skip as why:
                print("skip %s: %s" % (name, why), flush=True)
            except Failure as why:
                failed += 1
                print("not ok %s: %s" % (name, str(why).replace("\n", " | ")), flush=True)
            except Exception as error:  # a broken test is a failure, not the end of the others
                failed += 1
                traceback.print_exc(file=sys.stdout)
                print("not ok %s: %s: %s" % (name, type(error).__name__, str(error).replace("\n", " | ")), flush=True)
    finally:
        if _work and not os.environ.get("LODE_TEST_KEEP"):
            shutil.rmtree(_work, ignore_errors=True)
    if not cases or (keyword and not failed):
        return
    sys.exit(1 if failed else 0)
