#!/usr/bin/env python3
"""The exchange formats of a Python and of a C recording, held against each other and against their own tools."""
import os
import sys

from harness import LODE, Skip, add_case, check_all, fresh, main, record, target

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import formats

HERE = os.path.dirname(os.path.abspath(__file__))
directories = {}  # of a program's exports, and its recording


def exports_of(program):
    if program not in directories:
        command = [sys.executable, HERE + "/program.py"] if program == "Python" else [target("cpu_truth"), "shares", "0.5"]
        recording, directory = record(command), fresh("")
        os.mkdir(directory)
        formats.export(LODE, recording.path, directory)
        directories[program] = directory, recording.path
    return directories[program]


def every_number_is_the_same(program):
    directory, recording = exports_of(program)
    header, totals = formats.compare(directory)
    formats.check(totals.get("allocated") and totals.get("cpu"), "nothing to compare: %s" % totals)
    formats.compare_json(LODE, recording, totals)


def asked(missing, judge):
    def run(program):
        if missing():
            raise Skip(missing())
        judge(exports_of(program)[0])
    return run


def failing(function, program):
    def run():
        del formats.failures[:]
        function(program)
        check_all(formats.failures)
    return run


for program in ("Python", "C"):
    add_case("every format of a %s program says the same numbers" % program, failing(every_number_is_the_same, program))
    add_case("go tool pprof reads a %s program" % program,
             failing(asked(formats.missing_for_pprof, formats.judge_pprof), program))
    add_case("the page of a %s program keeps its promises in a browser" % program,
             failing(asked(formats.missing_for_page, formats.judge_page), program))
main()
