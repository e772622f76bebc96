"""Compares lode's frames with `addr2line -i -f` (and llvm-addr2line where it is installed) on random code addresses.

usage: addr2line_agrees.py build/tests/unit/symbols_test FILE [ADDRESSES]
Counts, for every address, the whole chain: name, file and line of each frame.
  equal     as addr2line says
  as llvm   as llvm-addr2line says, which contradicts addr2line (binutils 2.40 mixes up file numbers of DWARF 5 and loses
            inlined frames of clang's)
  padding   between functions: addr2line names the previous function, lode and LLVM name none
Exits 1 when more than 3 % are none of these.
"""
import os
import random
import re
import shutil
import subprocess
import sys


def run(command, addresses):
    text = "".join("%x\n" % a for a in addresses)
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def chains(text):
    result, lines = [], [line for line in text.split("\n") if line]
    at = 0
    while at < len(lines):
        if re.fullmatch("0x[0-9a-f]+", lines[at]) and (not result or result[-1]):
            result.append([])
            at += 1
        else:
            result[-1].append((lines[at], place(lines[at + 1].split(" ")[0])))
            at += 2
    return result


def place(text):
    name, _, line = text.rpartition(":")
    if line in ("?", "0") and (name in ("", "??") or "/" not in name):
        return "??"
    parts = os.path.normpath(name).lstrip("/").split("/")
    if len(parts) > 1 and parts[0] == parts[1]:  # glibc's relative compilation directory, given twice
        del parts[0]
    return "%s:%s" % ("/".join(parts), "0" if line == "?" else line)


def demangle(chain_list):
    names = sorted({name for chain in chain_list for name, _ in chain})
    plain = subprocess.run(["c++filt", "-p"], input="\n".join(names) + "\n", stdout=subprocess.PIPE, text=True).stdout
    table = dict(zip(names, (re.sub(r"\[[0-9a-f]{9,}\]", "", n) for n in plain.split("\n"))))
    return [[(table[name], where) for name, where in chain] for chain in chain_list]


def text_section(path):
    for line in subprocess.run(["readelf", "-SW", path], stdout=subprocess.PIPE, text=True).stdout.split("\n"):
        fields = line.replace("[ ", "[").split()
        if len(fields) > 5 and fields[1] == ".text":
            return int(fields[3], 16), int(fields[5], 16)
    sys.exit("%s has no .text" % path)


def main():
    program, path = sys.argv[1:3]
    start, size = text_section(path)
    random.seed(1)
    addresses = [start + random.randrange(size) for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 2000)]
    ours = chains(run([program, path], addresses))
    theirs = demangle(chains(run(["addr2line", "-a", "-i", "-f", "-e", path], addresses)))
    llvm = theirs
    if shutil.which("llvm-addr2line"):
        llvm = demangle(chains(run(["llvm-addr2line", "-a", "-i", "-f", "-e", path], addresses)))
    assert len(ours) == len(theirs) == len(llvm) == len(addresses)
    count = {"equal": 0, "as llvm": 0, "padding": 0, "other": 0}
    for address, a, b, c in zip(addresses, ours, theirs, llvm):
        if a == b:
            count["equal"] += 1
        elif a == c or ([n for n, _ in a] == [n for n, _ in b] and [w for _, w in a] == [w for _, w in c]):
            count["as llvm"] += 1
        elif a[0][0].startswith("0x") and (llvm is theirs or c[0][0] == "??"):
            count["padding"] += 1
        else:
            count["other"] += 1
            if count["other"] <= 3:
                print(hex(address), "\n  lode     ", a, "\n  addr2line", b)
    print("%s: %s" % (path, ", ".join("%d %s" % (n, what) for what, n in count.items())))
    return 1 if count["other"] * 100 > 3 * len(addresses) else 0


sys.exit(main())
