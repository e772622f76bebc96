/* The rows.  To add a version: a row here, a row of debug positions, and a run of tests/python/run.sh. */
#include "python/layouts.h"

#define TO_3_10                                                                                      \
	.chain = LODE_CHAIN_OBJECTS, .thread_interp = 16, .thread_frame = 24, .thread_id = 176,      \
	.frame_code = 32, .frame_back = 24, .unicode_length = 16, .unicode_state = 32,               \
	.unicode_ascii_bytes = 48, .unicode_compact_bytes = 72, .bytes_size = 16, .bytes_value = 32, \
	.code_file = 104, .code_name = 112, .code_first_line = 40, .code_lines = 120,                \
	.runtime_interpreters = 32, .runtime_finalizing = 16, .interp_next = 0

#define FROM_3_11                                                                                    \
	.thread_interp = 16, .frame_instr = 56, .code_file = 112, .code_name = 120,                  \
	.code_qualname = 128, .code_lines = 136, .unicode_length = 16, .unicode_state = 32,          \
	.bytes_size = 16, .bytes_value = 32

/* _PyRuntime and the interpreter state change within these versions (interpreters.head is at 800 in 3.14.0, at 808 in
 * 3.14.10): their debug offsets say what is 0 here. */
#define FROM_3_14                                                                                    \
	FROM_3_11, .chain = LODE_CHAIN_DIRECT, .thread_frame = 72,                                   \
	.thread_gil = 36, .thread_gil_mask = UINT16_MAX /* int holds_gil */,                         \
	.frame_code = 0, .frame_back = 8, .frame_owner = 74, .frame_bytes = 80, .owner_shim = 3,     \
	.frame_code_tag = 3 /* a _PyStackRef: pycore_stackref.h */,                                  \
	.code_first_line = 68, .code_instructions = 208, .code_first_traceable = 192,                \
	.code_basicsize = 208, .unicode_ascii_bytes = 40, .unicode_compact_bytes = 56

static const struct lode_python_layout layouts[] = {
	{
		TO_3_10,
		.minor = 8,
		.frame_instr = 104, .frame_bytes = 112, .lasti_unit = 1,
		.code_basicsize = 176,
		.runtime_current = 1368, .runtime_key = 1392, .runtime_collecting = 544,
	},
	{
		TO_3_10,
		.minor = 9,
		.frame_instr = 104, .frame_bytes = 112, .lasti_unit = 1,
		.code_basicsize = 176,
		.runtime_current = 568, .runtime_key = 584, .interp_collecting = 816,
	},
	{
		TO_3_10,
		.minor = 10,
		.frame_instr = 96, .frame_bytes = 112, .lasti_unit = 2,
		.code_basicsize = 176,
		.runtime_current = 568, .runtime_key = 584, .interp_collecting = 816,
	},
	{
		FROM_3_11,
		.minor = 11, .chain = LODE_CHAIN_CFRAMES,
		.thread_frame = 56, .thread_id = 152, .thread_root_cframe = 336, .thread_chunk = 296,
		.cframe_frame = 8, .cframe_previous = 16, .cframe_bytes = 24,
		.frame_code = 32, .frame_back = 48, .frame_owner = 69, .frame_is_entry = 68, .frame_bytes = 72,
		.code_first_line = 72, .code_instructions = 184, .code_first_traceable = 168,
		.code_basicsize = 184,
		.unicode_ascii_bytes = 48, .unicode_compact_bytes = 72,
		.runtime_interpreters = 40, .runtime_finalizing = 24, .runtime_current = 576, .runtime_key = 592,
		.interp_next = 0, .interp_collecting = 848,
	},
	{
		FROM_3_11,
		.minor = 12, .chain = LODE_CHAIN_CFRAMES,
		.thread_frame = 56, .thread_id = 136, .thread_root_cframe = 272, .thread_chunk = 232,
		.thread_gil = 24, .thread_gil_mask = 1 << 4 /* _status.active */,
		.cframe_frame = 0, .cframe_previous = 8, .cframe_bytes = 16,
		.frame_code = 0, .frame_back = 8, .frame_owner = 70, .frame_bytes = 72, .owner_shim = 3,
		.code_first_line = 68, .code_instructions = 192, .code_first_traceable = 176,
		.code_basicsize = 192,
		.unicode_ascii_bytes = 40, .unicode_compact_bytes = 56,
		.runtime_interpreters = 40, .runtime_finalizing = 24, .runtime_key = 1544,
		.interp_next = 0, .interp_collecting = 312,
	},
	{
		FROM_3_11,
		.minor = 13, .chain = LODE_CHAIN_DIRECT,
		.thread_frame = 72, .thread_id = 152, .thread_chunk = 232,
		.thread_gil = 32, .thread_gil_mask = 1 << 5 /* _status.holds_gil */,
		.frame_code = 0, .frame_back = 8, .frame_owner = 70, .frame_bytes = 72, .owner_shim = 3,
		.code_first_line = 68, .code_instructions = 200, .code_first_traceable = 184,
		.code_basicsize = 200,
		.unicode_ascii_bytes = 40, .unicode_compact_bytes = 56,
		.runtime_interpreters = 632, .runtime_finalizing = 608, .runtime_key = 2160,
		.interp_next = 7264, .interp_collecting = 7600,
	},
	{
		FROM_3_14,
		.minor = 14,
		.thread_id = 152, .thread_chunk = 232,
		.runtime_key = 2336, /* of 3.14.10, moved before; what is read there is verified (walk.c) */
	},
	{
		FROM_3_14,
		.minor = 15,
		.thread_id = 176, .thread_chunk = 256, .thread_base_frame = 80,
	},
};

static const struct lode_python_debug debugs[] = {
	{
		.minor = 13,
		.runtime_finalizing = 32, .runtime_interpreters = 40,
		.interp_next = 64, .interp_gc = 80, .gc_collecting = 576,
		.thread_interp = 176, .thread_frame = 184, .thread_id = 192, .thread_chunk = 208,
		.frame_back = 232, .frame_code = 240, .frame_instr = 248, .frame_owner = 264,
		.code_file = 280, .code_name = 288, .code_qualname = 296, .code_lines = 304,
		.code_first_line = 312, .code_instructions = 344,
		.unicode_state = 544, .unicode_length = 552, .unicode_ascii_bytes = 560,
	},
	{
		.minor = 14,
		.runtime_finalizing = 32, .runtime_interpreters = 40,
		.interp_next = 64, .interp_gc = 88, .gc_collecting = 656,
		.thread_interp = 200, .thread_frame = 208, .thread_id = 216, .thread_chunk = 232,
		.frame_back = 256, .frame_code = 264, .frame_instr = 272, .frame_owner = 288,
		.code_file = 320, .code_name = 328, .code_qualname = 336, .code_lines = 344,
		.code_first_line = 352, .code_instructions = 384,
		.unicode_state = 624, .unicode_length = 632, .unicode_ascii_bytes = 640,
	},
	{
		.minor = 15,
		.runtime_finalizing = 32, .runtime_interpreters = 40,
		.interp_next = 64, .interp_gc = 88, .gc_collecting = 760,
		.thread_interp = 200, .thread_frame = 208, .thread_base_frame = 216, .thread_id = 240,
		.thread_chunk = 256, .thread_gil = 272,
		.frame_back = 320, .frame_code = 328, .frame_instr = 336, .frame_owner = 352,
		.code_file = 384, .code_name = 392, .code_qualname = 400, .code_lines = 408,
		.code_first_line = 416, .code_instructions = 448,
		.unicode_state = 720, .unicode_length = 728, .unicode_ascii_bytes = 736,
	},
};

const struct lode_python_layout *lode_python_layout(unsigned minor)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].minor == minor)
			return &layouts[i];
	return NULL;
}

const struct lode_python_debug *lode_python_debug(unsigned minor)
{
	for (size_t i = 0; i < sizeof(debugs) / sizeof(debugs[0]); i++)
		if (debugs[i].minor == minor)
			return &debugs[i];
	return NULL;
}
