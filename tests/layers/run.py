#!/usr/bin/env python3
"""The architecture, checked: who includes whom, what liblode.so exports and imports, what the signal path may call."""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import AGENT, BUILD, LODE, ROOT, Skip, case, check, check_all, check_equal, main, need, run

HERE = os.path.dirname(os.path.abspath(__file__))


def sources(*roots, kinds=(".c", ".h", ".S")):
    found = []
    for root in roots:
        for where, _, names in os.walk(os.path.join(ROOT, root)):
            found += [os.path.relpath(os.path.join(where, n), ROOT) for n in names if n.endswith(kinds)]
    return sorted(found)


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def includes(path):
    """[(name, is_quoted)]"""
    return [(m.group(2), m.group(1) == '"') for m in re.finditer(r'^\s*#\s*include\s+(["<])([^">]+)[">]', text_of(path), re.M)]


def resolved(path, name):
    """A quoted include as a path of the tree."""
    side = path.split("/")[0]
    for base in (os.path.dirname(path), side, "include", "."):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(ROOT, candidate)):
            return candidate
    return None


def words_of(name):
    with open(os.path.join(HERE, name)) as f:
        return {w for line in f for w in line.split("#")[0].split()}


def output(*command):
    done = run(command)
    check_equal(done.returncode, 0, " ".join(command) + ": " + done.stderr.decode())
    return done.stdout.decode()


def undefined(path):
    return {line.split()[-1].split("@")[0] for line in output("nm", "-u", path).splitlines() if line.strip()}


def defined(path):
    return {line.split()[-1] for line in output("nm", "--defined-only", path).splitlines() if line.strip()}


@case
def preload_and_reader_include_nothing_of_each_other():
    def problems():
        for path in sources("preload", "reader", "include"):
            side = path.split("/")[0]
            for name, quoted in includes(path):
                home = (resolved(path, name) or "?" + name) if quoted else name
                if quoted and home.split("/")[0] not in (side, "include"):
                    yield "%s includes %s" % (path, name)
                if re.search(r"(^|/)(preload|reader)/", home) and home.split("/")[0] != side:
                    yield "%s includes %s" % (path, name)
    check_all(problems())


@case
def preload_and_reader_share_no_source():
    link = re.compile(r"\b(preload|reader)/\S+\.[cSo]\b")
    for side, other in (("preload", "reader"), ("reader", "preload")):
        used = {m.group(1) for m in link.finditer(text_of(side + "/build.mk"))}
        check(other not in used, "%s/build.mk builds something of %s" % (side, other))


THIRD_PARTY = re.compile(r"(libunwind|jemalloc|zlib|elfutils|libdw|libelf|gelf|dwarf\.h|demangle|debuginfod|Python\.h|libiberty)")


@case
def a_third_party_header_stands_in_one_file_of_a_side():
    users = {}
    for path in sources("preload", "reader"):
        for name, quoted in includes(path):
            if not quoted and THIRD_PARTY.search(name):
                users.setdefault((path.split("/")[0], name), []).append(path)
    check_all("<%s> in %s" % (name, ", ".join(paths)) for (_, name), paths in sorted(users.items()) if len(paths) > 1)


@case
def no_header_but_a_private_one_exposes_third_party_types():
    exposed = {}
    for path in sources("preload", "reader", "include", kinds=(".h",)):
        for name, quoted in includes(path):
            if not quoted and THIRD_PARTY.search(name):
                users = [p for p in sources("preload", "reader") if any(resolved(p, n) == path for n, q in includes(p) if q)]
                exposed[path] = len(users)
    check_all("%s, included by %d files, includes a third-party header" % e for e in exposed.items() if e[1] > 1)


def stem(path):
    return os.path.splitext(path)[0]


@case
def headers_go_one_way():
    """Between headers there is no circle."""
    edges = {}
    for path in sources("preload", "reader", "include", kinds=(".h",)):
        edges.setdefault(stem(path), set()).update(
            stem(home) for name, quoted in includes(path) if quoted
            for home in [resolved(path, name)] if home and stem(home) != stem(path))
    state, circles = {}, []

    def visit(node, way):
        if state.get(node) == "open":
            circles.append(" -> ".join(way[way.index(node):] + [node]))
            return
        if node in state:
            return
        state[node] = "open"
        for after in sorted(edges.get(node, ())):
            visit(after, way + [node])
        state[node] = "done"
    for node in sorted(edges):
        visit(node, [])
    check_all(circles)


@case
def the_lower_layers_do_not_know_the_upper_ones():
    upper = {"preload": ("hook_", "entry"), "reader": ("cmd_", "main")}

    def problems():
        for path in sources("preload", "reader", kinds=(".c", ".h")):
            side, own = path.split("/")[0], os.path.basename(path)
            for name, quoted in includes(path):
                home = resolved(path, name) if quoted else None
                if not home:
                    continue
                base = os.path.basename(home)
                if base.startswith(upper[side]) and not own.startswith(upper[side]) and base != "hook.h":
                    yield "%s includes %s" % (path, name)
                if path.startswith("reader/lib/") and home.startswith("reader/") and not home.startswith("reader/lib/"):
                    yield "%s includes %s" % (path, name)
                if base.startswith("out_") and side == "reader" and not own.startswith(("out", "cmd_", "page", "main")):
                    yield "%s includes %s" % (path, name)
    check_all(problems())


@case
def every_header_compiles_alone():
    compiler = os.environ.get("CC", "gcc").split()

    def problems():
        for path in sources("preload", "reader", "include", kinds=(".h",)):
            side = path.split("/")[0]
            done = run(compiler + ["-std=gnu17", "-D_GNU_SOURCE", "-Iinclude", "-I" + (side if side != "include" else "include"),
                                   "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-fsyntax-only", "-x", "c", "-include", path, "/dev/null"], cwd=ROOT)
            if done.returncode:
                yield "%s: %s" % (path, done.stderr.decode().splitlines()[0])
    check_all(problems())


@case
def no_file_is_over_900_lines_or_left_unfinished():
    def problems():
        for path in sources("preload", "reader", "include"):
            text = text_of(path)
            if text.count("\n") > 900:
                yield "%s has %d lines" % (path, text.count("\n"))
            for m in re.finditer(r"\b(TODO|FIXME|XXX|HACK)\b", text):
                yield "%s: %s" % (path, m.group(0))
            if re.search(r"/(root|home|work)/", text):
                yield "%s: a path of somebody's machine" % path
    check_all(problems())


# ---- liblode.so ---------------------------------------------------------------------------------

@case
def exported_symbols_are_those_of_exports_map():
    text = re.sub(r"/\*.*?\*/", "", text_of("preload/exports.map"), flags=re.S)
    text = re.sub(r"#[^\n]*", "", text)
    listed = set(re.findall(r"([A-Za-z_]\w*)\s*;", text.split("global:")[1].split("local:")[0]))
    exported = {line.split()[-1].split("@")[0] for line in output("nm", "-D", "--defined-only", AGENT).splitlines()}
    check_equal(sorted(exported - listed), [], "exported, not listed")
    check_equal(sorted(listed - exported), [], "listed, not exported")


@case
def the_agent_needs_libc_alone():
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", output("readelf", "-dW", AGENT)))
    check(needed <= {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}, "NEEDED: %s" % sorted(needed))


@case
def the_agent_has_no_dynamic_thread_local_storage():
    relocations = output("readelf", "-rW", AGENT)
    check_all(sorted(set(re.findall(r"R_\w+_(?:DTPMOD\w*|TLSDESC\w*|DTPOFF\w*)", relocations))))
    check("__tls_get_addr" not in undefined(AGENT) | {s.split("@")[0] for s in re.findall(r"\S+", output("nm", "-D", AGENT))},
          "__tls_get_addr is imported")
    size = re.search(r"^\s*TLS\s+\S+\s+\S+\s+\S+\s+\S+\s+(0x[0-9a-f]+)", output("readelf", "-lW", AGENT), re.M)
    # a library that is loaded late has little static TLS; jemalloc's own 2.6 KiB is the bulk
    check(size and int(size.group(1), 16) <= 4096, "TLS segment of %s bytes" % (size and size.group(1)))


@case
def the_agent_is_bound_at_once_and_stays():
    flags = output("readelf", "-dW", AGENT)
    check("NODELETE" in flags and "NOW" in flags, "not linked with -z nodelete -z now")
    check("TEXTREL" not in flags, "has text relocations")
    check(not re.search(r"GNU_STACK.*RWE", output("readelf", "-lW", AGENT)), "wants an executable stack")


@case
def what_the_agent_imports_is_in_the_list():
    """A new import is a decision: it is seen by everybody who reads tests/layers/imports.allow."""
    allowed = words_of("imports.allow")
    check_equal(sorted({s.split("@")[0] for s in undefined_dynamic(AGENT)} - allowed), [], "not in imports.allow")


def undefined_dynamic(path):
    return {line.split()[-1] for line in output("nm", "-D", "--undefined-only", path).splitlines()}


@case
def the_signal_path_calls_what_its_list_allows():
    allowed, objects = words_of("signal-imports.allow"), sorted(words_of("signal-objects"))
    present = [os.path.join(BUILD, o) for o in objects if os.path.exists(os.path.join(BUILD, o))]
    check(present, "no object of the signal path was built")
    gone = [o for o in objects if os.path.join(BUILD, o) not in present]
    check_equal(gone, [], "in signal-objects but not built")
    inside = set().union(*(defined(o) for o in present))
    check_all("%s calls %s" % (os.path.relpath(o, BUILD), ", ".join(sorted(extra)))
              for o in present for extra in [undefined(o) - inside - allowed] if extra)


@case
def the_reader_calls_nothing_that_cannot_be_bounded():
    banned = {"strcpy", "strcat", "sprintf", "vsprintf", "gets", "system", "popen", "tmpnam", "mktemp"}
    check_equal(sorted({s.split("@")[0] for s in undefined_dynamic(LODE)} & banned), [])


main()
