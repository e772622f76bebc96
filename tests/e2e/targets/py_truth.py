"""Functions that make known numbers of bytearrays; prints the truth as JSON: name, count, size, kept."""
import json
import os
import sys
import threading

kept = []


def makes_and_drops(count, size):
    for _ in range(count):
        bytearray(size)


def makes_and_keeps(count, size):
    mine = [bytearray(size) for _ in range(count)]
    kept.append(mine)


def drops_small():
    makes_and_drops(500, 600)


def drops_large():
    makes_and_drops(40, 200000)


def keeps_some():
    makes_and_keeps(300, 5000)


def in_a_generator():
    def generator():
        for _ in range(100):
            yield bytearray(3000)
    for _ in generator():
        pass


def in_a_thread():
    thread = threading.Thread(target=body_of_the_thread)
    thread.start()
    thread.join()


def body_of_the_thread():
    makes_and_drops(250, 4000)


class Maker:
    def method_that_makes(self):
        makes_and_drops(120, 7000)


def recursion(depth):
    if depth:
        return recursion(depth - 1)
    return makes_and_drops(90, 9000)


def the_whole_program():
    drops_small()
    drops_large()
    keeps_some()
    in_a_generator()
    in_a_thread()
    Maker().method_that_makes()
    recursion(30)


the_whole_program()
truth = [["drops_small", 500, 600, 0], ["drops_large", 40, 200000, 0], ["keeps_some", 300, 5000, 300],
         ["in_a_generator", 100, 3000, 0], ["body_of_the_thread", 250, 4000, 0],
         ["Maker.method_that_makes", 120, 7000, 0], ["recursion", 90, 9000, 0],
         ["the_whole_program", 500 + 40 + 300 + 100 + 120 + 90, None, 300]]
print(json.dumps({"version": list(sys.version_info[:3]), "rows": truth}), flush=True)
os._exit(0)  # what is kept is live at the end
