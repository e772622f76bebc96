"""What the program and its user see is what they see without lode: streams, status, signals, limits."""
import glob
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

from harness import (AGENT, LODE, Failure, Recording, Skip, add_case, case, check, check_all, check_equal, fresh, lode, main, need,
                     record, run, show, target, workdir)


def status_of(*command, **keywords):
    return lode("record", "-q", "-o", fresh(), "--", *command, **keywords).returncode


@case
def exit_statuses_pass_through():
    for status in (0, 1, 2, 3, 7, 77, 124, 125, 126, 127, 128, 255):
        check_equal(status_of("sh", "-c", "exit %d" % status), status)
    check_equal(status_of("true"), 0, "true")
    check_equal(status_of("false"), 1, "false")


@case
def a_death_by_signal_is_ours_too():
    for name in ("SEGV", "ABRT", "TERM", "KILL", "HUP", "PIPE", "USR1", "INT", "QUIT", "FPE"):
        check_equal(status_of("sh", "-c", "kill -%s $$" % name), -getattr(signal, "SIG" + name), name)


@case
def standard_streams_are_untouched():
    data = os.urandom(3000000)
    path = fresh()
    done = lode("record", "-q", "-o", path, "--", "sh", "-c", "tee /dev/stderr", input=data)
    check(done.returncode == 0 and done.stdout == data and done.stderr == data, "%d bytes in, %d and %d out" % (
        len(data), len(done.stdout), len(done.stderr)))


@case
def without_quiet_only_standard_error_is_written_to():
    done = lode("record", "-o", fresh(), "--", "sh", "-c", "echo out; exit 5")
    check_equal((done.returncode, done.stdout), (5, b"out\n"))
    check(b"lode " in done.stderr, "the end of a recording says what comes next: %r" % done.stderr)


@case
def environment_and_arguments_are_the_same():
    code = ("import os, sys; print(sys.argv[1:], {k: v for k, v in os.environ.items() "
            "if not k.startswith('LODE') and k != 'LD_PRELOAD'}, os.getcwd(), os.getpgid(0) == os.getpgrp(), os.nice(0))")
    words = ["a b", "", "--", "-o", "x", "*", "\\n", "ü"]
    plain = run(["/usr/bin/python3", "-c", code] + words)
    under = lode("record", "-q", "-o", fresh(), "--", "/usr/bin/python3", "-c", code, *words)
    check_equal(under.stdout, plain.stdout)


@case
def descriptors_limits_mask_and_dispositions_are_the_same():
    # What a program can see of its own state; a pipe on descriptor 9 must get through.
    code = ("import os, signal, resource; "
            "print(sorted(int(f) for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + f))); "
            "print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))); "
            "print([(n, resource.getrlimit(getattr(resource, n))) for n in sorted(dir(resource)) if n.startswith('RLIMIT')]); "
            "print([l for l in open('/proc/self/status') if l.startswith(('SigBlk', 'SigIgn', 'ShdPnd', 'SigPnd'))]); "
            "print(os.umask(0o22), len(os.listdir('/proc/self/task')))")
    import signal as s
    s.signal(s.SIGUSR2, s.SIG_IGN)
    plain = run(["/usr/bin/python3", "-c", code])
    under = lode("record", "-q", "-o", fresh(), "--", "/usr/bin/python3", "-c", code)
    s.signal(s.SIGUSR2, s.SIG_DFL)
    check_equal(under.stdout.decode(), plain.stdout.decode())


@case
def the_program_sees_its_own_signal_dispositions():
    code = ("import signal; print([(n, str(signal.getsignal(n))) for n in sorted(signal.valid_signals()) "
            "if n not in (signal.SIGINT,)])")
    plain = run(["/usr/bin/python3", "-c", code])
    under = lode("record", "-q", "-o", fresh(), "--", "/usr/bin/python3", "-c", code)
    check_equal(under.stdout.decode(), plain.stdout.decode())


def interrupted(number):
    """The terminal sends the signal to the whole foreground group, so to lode as well."""
    path = fresh()
    code = ("import signal, sys, time\n"
            "def handler(n, f): print('got', int(n), flush=True); sys.exit(42)\n"
            "signal.signal(%d, handler)\nprint('ready', flush=True)\nwhile True: time.sleep(0.05)" % number)
    process = subprocess.Popen([LODE, "record", "-q", "-o", path, "--", "/usr/bin/python3", "-c", code],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        check_equal(process.stdout.readline(), b"ready\n")
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        raise Failure("still running after the signal")
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    check_equal((process.returncode, out), (42, b"got %d\n" % number), err.decode())
    check(Recording(path).rows("allocated").all > 0, "the recording holds allocations")


@case
def ctrl_c_goes_to_the_program():
    interrupted(signal.SIGINT)


@case
def ctrl_backslash_goes_to_the_program():
    interrupted(signal.SIGQUIT)


@case
def a_signal_to_lode_alone_reaches_the_program():
    path = fresh()
    process = subprocess.Popen([LODE, "record", "-q", "-o", path, "--", "sh", "-c",
                                "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        check_equal(process.stdout.readline(), b"ready\n")
        os.kill(process.pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        raise Failure("still running after the signal")
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    check_equal((process.returncode, out), (9, b"got\n"))


@case
def a_job_that_stops_and_continues_is_recorded_on():
    recording = record(["sh", "-c", "(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 6"], expect=6)
    check(recording.rows("allocated").all > 0, "the recording holds allocations")


# ---- refusals -----------------------------------------------------------------------------------

def refused(command, status, *words, also=()):
    path = fresh()
    done = lode("record", "-q", "-o", path, "--", *command)
    check_equal(done.returncode, status, done.stderr.decode("utf-8", "replace"))
    text = done.stderr.decode("utf-8", "replace").lower()
    check(any(w in text for w in words), "says none of %r: %r" % (words, text))
    check_equal(done.stdout, b"", "the program ran: ")
    return done


def compiled(name, compiler, *options):
    need(compiler)
    source, path = fresh(".c"), os.path.join(workdir(), name)
    with open(source, "w") as f:
        f.write('#include <stdio.h>\nint main(void) { puts("ran"); return 0; }\n')
    done = run([compiler, *options, source, "-o", path])
    if done.returncode:
        raise Skip("%s %s does not work here" % (compiler, " ".join(options)))
    return path


@case
def a_static_program_is_refused():
    path = compiled("static", "gcc", "-static")
    refused([path], 125, "static")
    done = lode("record", "-q", "-o", fresh(), "--force-run", "--", path)
    check_equal((done.returncode, done.stdout), (0, b"ran\n"), "with --force-run")


@case
def a_musl_program_is_refused():
    path = compiled("musl", "musl-gcc")
    refused([path], 125, "musl")
    # forced, it must run: an agent of another libc would keep it from starting
    done = lode("record", "-q", "-o", fresh(), "--force-run", "--", path)
    check_equal((done.returncode, done.stdout), (0, b"ran\n"), "with --force-run")


@case
def a_setuid_program_is_refused():
    path = os.path.join(workdir(), "setuid")
    shutil.copy("/bin/true", path)
    os.chmod(path, 0o4755)
    if os.getuid() == 0:
        os.chown(path, 65534, 65534)
        os.chmod(path, 0o4755)
    refused([path], 125, "setuid", "set-user")


@case
def a_missing_command_is_127():
    refused(["/nonexistent/command"], 127, "not found", "no such file")
    refused(["no-such-command-anywhere"], 127, "not found", "no such file")


@case
def a_command_that_cannot_be_executed_is_126():
    path = fresh(".txt")
    open(path, "w").write("just text")
    os.chmod(path, 0o644)
    refused([path], 126, "permission", "execut")
    refused([workdir()], 126, "directory", "permission")


@case
def a_script_is_judged_by_its_interpreter():
    path = fresh(".sh")
    open(path, "w").write("#!/bin/sh\nexit 11\n")
    os.chmod(path, 0o755)
    check_equal(status_of(path), 11)
    static = compiled("static", "gcc", "-static")
    open(path, "w").write("#!%s\n" % static)
    refused([path], 125, "static")


@case
def a_script_without_an_interpreter_runs_as_in_a_shell():
    path = fresh(".sh")
    open(path, "w").write("exit 12\n")
    os.chmod(path, 0o755)
    check(status_of(path) in (12, 126), "neither run by the shell (as execvp does) nor refused")


@case
def static_and_musl_children_run_as_without_us():
    static = compiled("static", "gcc", "-static")
    done = lode("record", "-q", "-o", fresh(), "--", "sh", "-c", '"$0"; "$0"', static)
    check_equal((done.returncode, done.stdout), (0, b"ran\nran\n"))
    try:
        musl = compiled("musl", "musl-gcc")
    except Skip:
        return
    done = lode("record", "-q", "-o", fresh(), "--", "sh", "-c", '"$0"', musl)
    check_equal((done.returncode, done.stdout, done.stderr), (0, b"ran\n", b""), "musl")


# ---- usage and files ----------------------------------------------------------------------------

@case
def unknown_words_are_usage_errors():
    for words in (["frobnicate"], ["top", "--frobnicate"], ["record", "--frobnicate", "--", "true"], ["record"], [],
                  ["record", "-r", "many", "--", "true"], ["record", "-M", "elephant", "--", "true"],
                  ["top"], ["top", "--measure", "beauty", "x.lode"], ["top", "-n", "x", "x.lode"], ["export", "--format", "tea", "x.lode"],
                  ["record", "-q", "-o"]):
        done = lode(*words)
        check_equal(done.returncode, 2, "lode " + " ".join(words))
        check(done.stderr.strip(), "lode %s says nothing" % " ".join(words))


@case
def help_is_on_standard_output():
    for words in (["--help"], ["help"], ["record", "--help"], ["top", "--help"]):
        done = lode(*words)
        check(done.returncode == 0 and b"lode" in done.stdout, "lode %s: %s" % (" ".join(words), show(done)))
    check(lode("--version").returncode == 0, "lode --version")


COMMANDS = ("report", "top", "tree", "leaks", "info", "stats", "timeline")


@case
def a_missing_or_foreign_file_is_unreadable():
    foreign, empty = fresh(), fresh()
    open(foreign, "w").write("this is no recording\n" * 100)
    open(empty, "w").close()
    for command in COMMANDS:
        for path in ("/nonexistent/x.lode", foreign, empty, "/"):
            done = lode(command, path)
            check_equal(done.returncode, 3, "lode %s %s (%s)" % (command, path, show(done)))
            check(done.stderr.strip(), "lode %s %s says nothing" % (command, path))
            check(b"\n" not in done.stderr.strip() or len(done.stderr) < 1000, "lode %s %s says too much" % (command, path))


@case
def what_can_be_recovered_of_a_cut_file_is_shown():
    recording = record([target("alloc_truth")])
    whole = open(recording.path, "rb").read()
    cut = fresh()
    open(cut, "wb").write(whole[:len(whole) * 2 // 3])
    done = lode("top", "--measure", "allocated", cut)
    check(done.returncode in (0, 3) and done.stderr, show(done))
    broken = bytearray(whole)
    for i in range(len(broken) // 2, len(broken) // 2 + 64):
        broken[i] ^= 0x5a
    open(cut, "wb").write(bytes(broken))
    done = lode("top", "--measure", "allocated", cut)
    check(done.returncode in (0, 3) and done.stderr, "64 damaged bytes: " + show(done))


@case
def a_closed_pipe_is_silent():
    path = record([target("alloc_truth")]).path
    for command in ("tree --json", "export --format folded", "top -n 0", "report"):
        done = run(["sh", "-c", '"$0" $1 "$2" | head -n 1 >/dev/null', LODE, command, path])
        check_equal(done.stderr, b"", "lode " + command)


@case
def common_options_are_taken_by_every_view():
    path = record([target("alloc_truth")]).path
    for command in ("report", "top", "tree", "leaks"):
        for option in (["-n", "3"] if command != "tree" else [], ["--measure", "allocated"] if command != "report" else [], ["--json"], ["--from", "0%", "--to", "50%"], ["--focus", "malloc"],
                       ["--ignore", "malloc"], ["--native"], ["--color", "never"]):
            done = lode(command, *option, path)
            check(done.returncode == 0, "lode %s %s: %s" % (command, " ".join(option), show(done)))


@case
def an_existing_output_is_kept_unless_forced():
    path = fresh()
    open(path, "w").write("precious")
    done = lode("record", "-q", "-o", path, "--", "echo", "ran")
    check(done.returncode == 125 or done.returncode == 2, show(done))
    check_equal(done.stdout, b"", "refused before the start: ")
    check_equal(open(path).read(), "precious")
    done = lode("record", "-q", "-f", "-o", path, "--", "echo", "ran")
    check_equal((done.returncode, done.stdout), (0, b"ran\n"))
    check(Recording(path).rows("allocated").all > 0, "overwritten by the recording")


@case
def an_output_that_cannot_be_written_is_said_before_the_start():
    done = lode("record", "-q", "-o", "/nonexistent/directory/x.lode", "--", "echo", "ran")
    check_equal((done.returncode, done.stdout), (125, b""), show(done))
    check(b"/nonexistent/directory" in done.stderr, "names the file: %r" % done.stderr)


@case
def a_recording_is_private():
    old = os.umask(0)
    try:
        path = record(["true"]).path
    finally:
        os.umask(old)
    check_equal(oct(stat.S_IMODE(os.stat(path).st_mode)), "0o600")


@case
def a_symbolic_link_is_not_written_through():
    victim, link = fresh(".txt"), fresh()
    open(victim, "w").write("precious")
    os.symlink(victim, link)
    lode("record", "-q", "-o", link, "--", "true")
    run(["true"], env=dict(os.environ, LD_PRELOAD=AGENT, LODE_OUTPUT=link))
    check_equal(open(victim).read(), "precious")


@case
def the_default_name_is_in_the_current_directory():
    where = tempfile.mkdtemp(dir=workdir())
    done = lode("record", "-q", "--", "/bin/true", cwd=where)
    check_equal(done.returncode, 0, show(done))
    names = os.listdir(where)
    check(len(names) == 1 and names[0].startswith("true.") and names[0].endswith(".lode"), "%r" % names)
    done = lode("record", "-q", "-o", "%n-%p.lode", "--", "/bin/true", cwd=where)
    names = [n for n in os.listdir(where) if n.startswith("true-")]
    check(done.returncode == 0 and len(names) == 1 and names[0][5:-5].isdigit(), "%r %s" % (os.listdir(where), show(done)))


# ---- limits -------------------------------------------------------------------------------------

def same_under_limit(prepare, command, **keywords):
    """The outcome under a limit with and without us; the limit is set inside, so that lode itself has none."""
    plain = run(["sh", "-c", prepare + '; exec "$@"', "sh"] + command, **keywords)
    under = lode("record", "-q", "-r", "1000", "-o", fresh(), "--", "sh", "-c", prepare + '; exec "$@"', "sh", *command, **keywords)
    check_equal((under.returncode, under.stdout, under.stderr), (plain.returncode, plain.stdout, plain.stderr), prepare)


@case
def limits_of_the_program_change_nothing():
    truth = target("alloc_truth")
    for prepare in ("ulimit -f 0", "ulimit -f 8", "ulimit -f 1024", "ulimit -n 8", "ulimit -n 4", "ulimit -i 0", "ulimit -c 0",
                    "ulimit -s 256", "ulimit -v 400000", "ulimit -l 0"):
        same_under_limit(prepare, [truth])


@case
def limits_around_the_recorder_are_harmless():
    for prepare in ("ulimit -f 8", "ulimit -f 1024", "ulimit -n 12"):
        done = run(["sh", "-c", prepare + '; exec "$@"', "sh", LODE, "record", "-q", "-o", fresh(), "--", target("alloc_truth")])
        check(done.returncode in (0, 125) and (done.returncode == 125 or done.stdout.startswith(b"[")), prepare + ": " + show(done))


def on_small_disk(use):
    """Runs `use(directory)` on a tmpfs of 1 MiB."""
    if os.getuid() != 0:
        raise Skip("mounting needs root")
    where = tempfile.mkdtemp(dir=workdir())
    done = run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", where])
    if done.returncode:
        raise Skip("cannot mount a tmpfs: " + done.stderr.decode().strip())
    try:
        use(where)
    finally:
        run(["umount", "-l", where])


@case
def a_full_disk_is_harmless():
    def use(where):
        command = [target("realloc_race"), "4", "200000"]
        done = lode("record", "-q", "-o", where + "/x.lode", "--", *command)
        check_equal(done.returncode, 0, show(done))
        rows = lode("report", where + "/x.lode")
        check(rows.returncode in (0, 3), "report: " + show(rows))
        text = (rows.stdout + rows.stderr).decode("utf-8", "replace").lower()
        check("lost" in text or "space" in text, "the report says that events are missing: " + text[-300:])
    on_small_disk(use)


@case
def a_full_disk_is_harmless_without_the_recorder():
    def use(where):
        done = run([target("realloc_race"), "4", "100000"], env=dict(os.environ, LD_PRELOAD=AGENT, LODE_OUTPUT=where + "/x.lode"))
        check_equal((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        check(lode("info", where + "/x.lode").returncode in (0, 3), "info")
    on_small_disk(use)


@case
def an_output_that_vanishes_is_harmless():
    path = fresh()
    done = lode("record", "-q", "-o", path, "--", "sh", "-c", 'rm -f "$1"*; "$0"', target("alloc_truth"), path)
    check_equal(done.returncode, 0, show(done))
    check(done.stdout.startswith(b"["), "the program's output is there")


@case
def a_recorder_that_is_killed_does_not_stop_the_program():
    path, result = fresh(), fresh(".txt")
    process = subprocess.Popen([LODE, "record", "-q", "-o", path, "--", "sh", "-c",
                                'echo ready; sleep 1; "$0" 4 100000 && echo done > "$1"', target("realloc_race"), result],
                               stdout=subprocess.PIPE, start_new_session=True)
    try:
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for _ in range(600):
            if os.path.exists(result):
                break
            time.sleep(0.1)
        check(os.path.exists(result), "the program went on")
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.stdout.close()


def jemalloc():
    found = glob.glob("/usr/lib/*/libjemalloc.so.2")
    if not found:
        raise Skip("libjemalloc2 is not installed")
    return found[0]


@case
def a_program_on_its_own_jemalloc_is_recorded():
    library = jemalloc()
    for order in ((AGENT, library), (library, AGENT)):
        path = fresh()
        done = run([target("realloc_race"), "4", "5000"], seconds=60,
                   env=dict(os.environ, LD_PRELOAD=":".join(order), LODE_OUTPUT=path))
        check_equal((done.returncode, done.stderr), (0, b""), "LD_PRELOAD=" + ":".join(order))
    # the agent goes first, what the user preloads stays
    recording = record([target("realloc_race"), "4", "5000"], seconds=60, env=dict(os.environ, LD_PRELOAD=library))
    check_equal(recording.rows("allocations").total("mallocs"), 20000)
    check_equal(recording.rows("leaked").total("mallocs"), 0)


@case
def a_program_linked_with_jemalloc_is_recorded():
    need("redis-cli")
    plain = run(["redis-cli", "--version"])
    done = lode("record", "-q", "-o", fresh(), "--", "redis-cli", "--version", seconds=60)
    check_equal((done.returncode, done.stdout, done.stderr), (0, plain.stdout, plain.stderr))


@case
def sorting_800000_lines_gives_every_line():
    import random
    need("sort")
    path = fresh(".txt")
    numbers = random.Random(1)
    with open(path, "w") as f:
        f.writelines("%d\n" % numbers.randrange(1 << 40) for _ in range(800000))
    plain = run(["sort", "-n", path])
    under = lode("record", "-q", "-r", "1000", "-o", fresh(), "--", "sort", "-n", path)
    check_equal((under.returncode, under.stderr, len(under.stdout)), (0, b"", len(plain.stdout)))
    check(under.stdout == plain.stdout, "sorted differently")
    piped = lode("record", "-q", "-r", "1000", "-o", fresh(), "--", "sh", "-c", 'cat "$0" | sort -n | cksum', path)
    check_equal((piped.returncode, piped.stdout), (0, run(["cksum"], input=plain.stdout).stdout))


@case
def python_scripts_modules_and_code_are_commands():
    script = fresh(".py")
    open(script, "w").write("import sys\nprint(sys.argv[1:])\n")
    done = lode("record", "-q", "-o", fresh(), script, "a", "-b")
    check_equal((done.returncode, done.stdout), (0, b"['a', '-b']\n"), show(done))
    done = lode("record", "-q", "-o", fresh(), "-c", "print(6 * 7)")
    check_equal((done.returncode, done.stdout), (0, b"42\n"), show(done))
    done = lode("record", "-q", "-o", fresh(), "-m", "this")
    check(done.returncode == 0 and b"Zen" in done.stdout, show(done))


main()
