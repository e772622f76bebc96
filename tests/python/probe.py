"""What the test programs here share: the probe's functions through ctypes, and a counter of checks."""
import ctypes
import sys

LIB = ctypes.PyDLL(None)
SIZE = 777777


class Answer(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint64), ("lasti", ctypes.c_int32), ("id", ctypes.c_uint32),
                ("anchor", ctypes.c_uint64), ("is_entry", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


class Text(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char * 80), ("name", ctypes.c_char * 60), ("first_line", ctypes.c_uint32),
                ("file_bytes", ctypes.c_uint32), ("name_bytes", ctypes.c_uint32), ("line_bytes", ctypes.c_uint32),
                ("version", ctypes.c_uint32), ("rule", ctypes.c_uint32)]


class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in (
        "walks frames replay_hits replay_misses replay_wrong unknown_code samples sampled_frames dropped empty "
        "impossible with_gil in_gc codes code_deaths refused events notices").split()]


LIB.probe_name.restype = ctypes.POINTER(Text)
LIB.probe_counts.restype = ctypes.POINTER(Counts)
LIB.probe_impossible.restype = ctypes.c_char_p
LIB.probe_notice.restype = ctypes.c_char_p
LIB.probe_python.restype = ctypes.c_uint32
LIB.probe_generation.restype = ctypes.c_uint32
LIB.probe_storm.argtypes = [ctypes.c_long]

PRESENT, DROPPED, TRUNCATED, GIL, GC = 1, 2, 4, 8, 16

passed = failed = 0


def check(is_right, what):
    global passed, failed
    if is_right:
        passed += 1
        return
    failed += 1
    print("FAILED %d.%d.%d: %s" % (sys.version_info[:3] + (what,)))


def walk():
    """The probe's stack of the caller, this function's own frame left out."""
    buffer = (Answer * 2000)()
    count = LIB.probe_walk(buffer)
    return [buffer[i] for i in range(1, count)]


def caught():
    """The stack of the last malloc of SIZE bytes, with the native loops and entry frames in it."""
    loops, entries = ctypes.c_int(), ctypes.c_int()
    buffer = (Answer * 2000)()
    count = LIB.probe_caught(buffer, ctypes.byref(loops), ctypes.byref(entries))
    return [buffer[i] for i in range(count)], loops.value, entries.value


def truth(frame):
    """(code, lasti) of each frame, leaf first, from the interpreter's own frame objects."""
    chain = []
    while frame is not None:
        chain.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return chain


def text(answer):
    t = LIB.probe_name(answer.id).contents
    return t


def counts():
    return LIB.probe_counts().contents


def finish():
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)
