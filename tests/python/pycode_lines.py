"""Compares lode_pycode_line with the interpreter that runs this: every code unit of a dozen big standard modules.

usage: pythonX.Y pycode_lines.py pycode.so        (cc -shared -fPIC -Ireader reader/pycode.c -o pycode.so)
Prints one line; exits 1 on a difference, 0 otherwise.
"""
import ctypes
import importlib.util
import sys
import types

MODULES = """argparse ast asyncio.base_events codecs collections ctypes dataclasses datetime decimal _pydecimal difflib
doctest email.message enum fractions inspect logging optparse os pathlib pdb pickle pickletools pydoc random re socket
ssl statistics subprocess tarfile tempfile threading traceback turtle typing unittest.mock xml.dom.minidom zipfile""".split()


def codes(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from codes(const)


def main():
    line = ctypes.CDLL(sys.argv[1]).lode_pycode_line
    line.restype = ctypes.c_uint32
    line.argtypes = [ctypes.c_uint32, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int64]
    oracle = ctypes.pythonapi.PyCode_Addr2Line
    oracle.restype = ctypes.c_int
    oracle.argtypes = [ctypes.py_object, ctypes.c_int]
    version = sys.version_info[0] << 8 | sys.version_info[1]
    units = wrong = tables = 0
    for name in MODULES:
        try:
            spec = importlib.util.find_spec(name)
        except ImportError:
            spec = None
        if spec is None or not (spec.origin or "").endswith(".py"):
            continue
        with open(spec.origin, "rb") as source:
            module = compile(source.read(), spec.origin, "exec")
        for code in codes(module):
            table = code.co_linetable if version >= 0x30A else code.co_lnotab
            tables += 1
            for lasti in range(-1, len(code.co_code)):
                if lasti >= 0 and lasti & 1:
                    continue
                units += 1
                expected = oracle(code, lasti)
                if expected <= 0:
                    expected = code.co_firstlineno
                got = line(version, code.co_firstlineno, table, len(table), lasti)
                if got != expected:
                    wrong += 1
                    if wrong <= 5:
                        print("%s %s+%d: %d, not %d" % (spec.origin, code.co_name, lasti, got, expected))
    print("%d.%d: %d code units of %d code objects, %d wrong" % (sys.version_info[:2] + (units, tables, wrong)))
    return 1 if wrong or not units else 0


sys.exit(main())
