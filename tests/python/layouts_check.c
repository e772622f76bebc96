/* Compiled once for each installed CPython, against its own headers: is every offset of preload/python/layouts.c what
 * the compiler says?  Run by run.sh. */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <stdio.h>

#include <frameobject.h>
#include <internal/pycore_code.h>
#if PY_VERSION_HEX >= 0x03090000
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#endif
#include <internal/pycore_pystate.h>
#if PY_VERSION_HEX >= 0x030b0000
#include <internal/pycore_frame.h>
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_interpframe_structs.h>
#endif

#include "python/layouts.h"

static const struct lode_python_layout *row;
static const struct lode_python_debug *debug;
static int passed, failed;

static void same(const char *what, size_t have, size_t want)
{
	if (have == want) {
		passed++;
		return;
	}
	failed++;
	printf("FAILED %s: %s is %zu in the row, %zu in the headers\n", PY_VERSION, what, have, want);
}

#define AT(member, type, field) same(#member, row->member, offsetof(type, field))
#define DEBUG(member, field) same("debug " #member, debug->member, offsetof(struct _Py_DebugOffsets, field))

static void types(void)
{
	same("tp_basicsize", 32, offsetof(PyTypeObject, tp_basicsize));
	same("tp_dealloc", 48, offsetof(PyTypeObject, tp_dealloc));
	same("tp_members", 240, offsetof(PyTypeObject, tp_members));
	same("ob_type", 8, offsetof(PyObject, ob_type));
	same("ob_size", 16, offsetof(PyVarObject, ob_size));
	AT(bytes_size, PyVarObject, ob_size);
	AT(bytes_value, PyBytesObject, ob_sval);
	AT(unicode_length, PyASCIIObject, length);
	AT(unicode_state, PyASCIIObject, state);
	same("unicode_ascii_bytes", row->unicode_ascii_bytes, sizeof(PyASCIIObject));
	same("unicode_compact_bytes", row->unicode_compact_bytes, sizeof(PyCompactUnicodeObject));
}

static void threads(void)
{
	AT(thread_interp, PyThreadState, interp);
	AT(thread_id, PyThreadState, thread_id);
#if PY_VERSION_HEX < 0x030b0000
	AT(thread_frame, PyThreadState, frame);
#elif PY_VERSION_HEX < 0x030d0000
	AT(thread_frame, PyThreadState, cframe);
	AT(thread_root_cframe, PyThreadState, root_cframe);
	AT(thread_chunk, PyThreadState, datastack_chunk);
	AT(cframe_frame, _PyCFrame, current_frame);
	AT(cframe_previous, _PyCFrame, previous);
	same("cframe_bytes", row->cframe_bytes, sizeof(_PyCFrame));
#else
	AT(thread_frame, PyThreadState, current_frame);
	AT(thread_chunk, PyThreadState, datastack_chunk);
#endif
#if PY_VERSION_HEX >= 0x030f0000
	AT(thread_base_frame, PyThreadState, base_frame);
#endif
#if PY_VERSION_HEX >= 0x030b0000
	same("chunk.previous", 0, offsetof(_PyStackChunk, previous));
	same("chunk.size", 8, offsetof(_PyStackChunk, size));
	same("chunk.data", 24, offsetof(_PyStackChunk, data));
#endif
#if PY_VERSION_HEX >= 0x030e0000
	AT(thread_gil, PyThreadState, holds_gil);
#elif PY_VERSION_HEX >= 0x030c0000
	AT(thread_gil, PyThreadState, _status);
	union {
		PyThreadState state;
		uint32_t words[sizeof(PyThreadState) / 4];
	} u = {0};

#if PY_VERSION_HEX >= 0x030d0000
	u.state._status.holds_gil = 1;
#else
	u.state._status.active = 1;
#endif
	same("thread_gil_mask", row->thread_gil_mask, u.words[row->thread_gil / 4]);
#endif
}

static void frames(void)
{
#if PY_VERSION_HEX < 0x030b0000
	AT(frame_code, PyFrameObject, f_code);
	AT(frame_back, PyFrameObject, f_back);
	AT(frame_instr, PyFrameObject, f_lasti);
#else
	AT(frame_back, struct _PyInterpreterFrame, previous);
	AT(frame_owner, struct _PyInterpreterFrame, owner);
	same("frame_bytes holds the frame's head", row->frame_bytes >= row->frame_owner + 1u, 1);
#if PY_VERSION_HEX >= 0x030d0000
	AT(frame_code, struct _PyInterpreterFrame, f_executable);
	AT(frame_instr, struct _PyInterpreterFrame, instr_ptr);
#else
	AT(frame_code, struct _PyInterpreterFrame, f_code);
	AT(frame_instr, struct _PyInterpreterFrame, prev_instr);
#endif
#if PY_VERSION_HEX < 0x030c0000
	AT(frame_is_entry, struct _PyInterpreterFrame, is_entry);
#elif PY_VERSION_HEX < 0x030e0000
	same("owner_shim", row->owner_shim, FRAME_OWNED_BY_CSTACK);
#else
	same("owner_shim", row->owner_shim, FRAME_OWNED_BY_INTERPRETER);
#endif
	same("FRAME_OWNED_BY_THREAD", 0, FRAME_OWNED_BY_THREAD);
	same("FRAME_OWNED_BY_GENERATOR", 1, FRAME_OWNED_BY_GENERATOR);
#endif
}

static void code(void)
{
	AT(code_file, PyCodeObject, co_filename);
	AT(code_name, PyCodeObject, co_name);
	AT(code_first_line, PyCodeObject, co_firstlineno);
#if PY_VERSION_HEX < 0x030a0000
	AT(code_lines, PyCodeObject, co_lnotab);
#else
	AT(code_lines, PyCodeObject, co_linetable);
#endif
#if PY_VERSION_HEX >= 0x030b0000
	AT(code_qualname, PyCodeObject, co_qualname);
	AT(code_instructions, PyCodeObject, co_code_adaptive);
	AT(code_first_traceable, PyCodeObject, _co_firsttraceable);
	same("code_basicsize", row->code_basicsize, offsetof(PyCodeObject, co_code_adaptive));
#else
	same("code_basicsize", row->code_basicsize, sizeof(PyCodeObject));
#endif
}

static void runtime(void)
{
#if PY_VERSION_HEX < 0x03090000
	AT(runtime_finalizing, _PyRuntimeState, finalizing);
#elif PY_VERSION_HEX < 0x030e0000
	AT(runtime_finalizing, _PyRuntimeState, _finalizing);
#endif
#if PY_VERSION_HEX < 0x030e0000
	AT(runtime_interpreters, _PyRuntimeState, interpreters.head);
	AT(interp_next, PyInterpreterState, next);
#endif
#if PY_VERSION_HEX < 0x030c0000
	AT(runtime_current, _PyRuntimeState, gilstate.tstate_current);
	AT(runtime_key, _PyRuntimeState, gilstate.autoTSSkey);
#elif PY_VERSION_HEX < 0x030e0000
	AT(runtime_key, _PyRuntimeState, autoTSSkey);
#endif
#if PY_VERSION_HEX < 0x03090000
	AT(runtime_collecting, _PyRuntimeState, gc.collecting);
#elif PY_VERSION_HEX < 0x030e0000
	AT(interp_collecting, PyInterpreterState, gc.collecting);
	same("interp_collecting is a word's start", row->interp_collecting % 8, 0);
#endif
}

static void debug_offsets(void)
{
#if PY_VERSION_HEX >= 0x030d0000
	same("debug version", LODE_PYTHON_DEBUG_VERSION, offsetof(struct _Py_DebugOffsets, version));
	same("debug free_threaded", LODE_PYTHON_DEBUG_FREE_THREADED,
	     offsetof(struct _Py_DebugOffsets, free_threaded));
	DEBUG(runtime_finalizing, runtime_state.finalizing);
	DEBUG(runtime_interpreters, runtime_state.interpreters_head);
	DEBUG(interp_next, interpreter_state.next);
	DEBUG(interp_gc, interpreter_state.gc);
	DEBUG(gc_collecting, gc.collecting);
	same("debug gc.size", debug->gc_collecting - 8, offsetof(struct _Py_DebugOffsets, gc.size));
	same("gc.collecting is a word's start", offsetof(PyInterpreterState, gc.collecting) % 8, 0);
	DEBUG(thread_interp, thread_state.interp);
	DEBUG(thread_frame, thread_state.current_frame);
	DEBUG(thread_id, thread_state.thread_id);
	DEBUG(thread_chunk, thread_state.datastack_chunk);
#if PY_VERSION_HEX >= 0x030f0000
	DEBUG(thread_base_frame, thread_state.base_frame);
	DEBUG(thread_gil, thread_state.holds_gil);
#endif
	DEBUG(frame_back, interpreter_frame.previous);
	DEBUG(frame_code, interpreter_frame.executable);
	DEBUG(frame_instr, interpreter_frame.instr_ptr);
	DEBUG(frame_owner, interpreter_frame.owner);
	DEBUG(code_file, code_object.filename);
	DEBUG(code_name, code_object.name);
	DEBUG(code_qualname, code_object.qualname);
	DEBUG(code_lines, code_object.linetable);
	DEBUG(code_first_line, code_object.firstlineno);
	DEBUG(code_instructions, code_object.co_code_adaptive);
	DEBUG(unicode_state, unicode_object.state);
	DEBUG(unicode_length, unicode_object.length);
	DEBUG(unicode_ascii_bytes, unicode_object.asciiobject_size);
#endif
}

int main(void)
{
	row = lode_python_layout(PY_MINOR_VERSION);
	debug = lode_python_debug(PY_MINOR_VERSION);
	if (!row || (PY_VERSION_HEX >= 0x030d0000 && !debug)) {
		printf("FAILED no row for %s\n0 passed, 1 failed\n", PY_VERSION);
		return 1;
	}
	types();
	threads();
	frames();
	code();
	runtime();
	debug_offsets();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
