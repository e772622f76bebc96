/* Where CPython keeps what the walk reads: one row per minor version, offsets in bytes on a 64-bit machine.
 *
 * The rows were taken from the headers of each version and are compared with them by tests/python/layouts_check.c; the
 * running interpreter is compared with its row before anything is read (interp.c).  A struct keeps its layout within
 * a minor version (CPython, Doc/howto/remote_debugging.rst).  Free-threaded builds have other layouts: refused. */
#ifndef LODE_PYTHON_LAYOUTS_H
#define LODE_PYTHON_LAYOUTS_H

#include <stddef.h>
#include <stdint.h>

/* How a thread state leads to its frames. */
enum lode_python_chain {
	LODE_CHAIN_OBJECTS, /* to 3.10: frame objects on the heap, one evaluation loop each */
	LODE_CHAIN_CFRAMES, /* 3.11, 3.12: through a _PyCFrame on the C stack, one for each evaluation loop */
	LODE_CHAIN_DIRECT,  /* from 3.13 */
};

struct lode_python_layout {
	uint16_t minor;
	uint16_t chain; /* enum lode_python_chain */

	/* PyThreadState.  frame: first frame, or the cframe. */
	uint16_t thread_interp, thread_frame, thread_id, thread_root_cframe, thread_chunk;
	uint16_t thread_base_frame; /* from 3.15: the frame, no code, that every chain ends in; 0: none */
	uint16_t thread_gil;   /* a 32-bit word that tells by thread_gil_mask whether the thread holds the GIL; */
	uint16_t thread_gil_mask; /* 0: compare with the runtime's current thread state */

	uint16_t cframe_frame, cframe_previous, cframe_bytes;

	/* A frame.  instr: f_lasti, prev_instr or instr_ptr. */
	uint16_t frame_code, frame_back, frame_instr, frame_owner, frame_is_entry, frame_bytes;
	uint16_t lasti_unit;     /* frame objects: bytes in one step of f_lasti; 0: instr is an address */
	uint16_t owner_shim;     /* owners from here on mark a boundary to C, they are no frames; 0: no such */
	uint16_t frame_code_tag; /* bits of the code pointer that are not address */

	/* PyCodeObject.  lines: co_lnotab or co_linetable; instructions: co_code_adaptive, 0: not inline. */
	uint16_t code_file, code_name, code_qualname, code_first_line, code_lines, code_instructions;
	uint16_t code_first_traceable, code_basicsize;

	uint16_t unicode_length, unicode_state, unicode_ascii_bytes, unicode_compact_bytes;
	uint16_t bytes_size, bytes_value;

	/* _PyRuntime and interpreter state.  0: not in use, or not known. */
	uint32_t runtime_interpreters, runtime_finalizing, runtime_current, runtime_key;
	uint32_t runtime_collecting; /* gc.collecting, to 3.8 in the runtime */
	uint32_t interp_next, interp_collecting;
};

/* The row of 3.`minor`, or NULL: unknown. */
const struct lode_python_layout *lode_python_layout(unsigned minor);

/* Positions (bytes) of the fields of _Py_DebugOffsets, which starts _PyRuntime from 3.13 on; each is a uint64_t.
 * They are what the running interpreter says of itself.  Source: Include/internal/pycore_runtime.h,
 * pycore_debug_offsets.h. */
struct lode_python_debug {
	uint16_t minor;
	uint16_t runtime_finalizing, runtime_interpreters;
	uint16_t interp_next, interp_gc, gc_collecting;
	uint16_t thread_interp, thread_frame, thread_id, thread_chunk;
	uint16_t thread_base_frame, thread_gil; /* 0: not told */
	uint16_t frame_back, frame_code, frame_instr, frame_owner;
	uint16_t code_file, code_name, code_qualname, code_lines, code_first_line, code_instructions;
	uint16_t unicode_state, unicode_length, unicode_ascii_bytes;
};

#define LODE_PYTHON_DEBUG_COOKIE "xdebugpy" /* bytes 0..7 */
#define LODE_PYTHON_DEBUG_VERSION 8         /* PY_VERSION_HEX */
#define LODE_PYTHON_DEBUG_FREE_THREADED 16

/* NULL where 3.`minor` has none. */
const struct lode_python_debug *lode_python_debug(unsigned minor);

#endif
