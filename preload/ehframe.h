/* From .eh_frame, as it is mapped, to unwind rows.
 * The formats: DWARF 5 section 6.4; Linux Standard Base, "Exception Frames" (.eh_frame, .eh_frame_hdr, augmentations). */
#ifndef LODE_EHFRAME_H
#define LODE_EHFRAME_H

#include <stddef.h>
#include <stdint.h>

struct lode_unwind_table;

/* Readable memory: nothing outside the segments given is read. */
struct lode_ehframe_segment {
	uintptr_t start, end;
};

#define LODE_EHFRAME_SEGMENTS 16

struct lode_ehframe_input {
	uintptr_t start, end; /* the module: rows are offsets from start; code outside gets none */
	uintptr_t header;     /* .eh_frame_hdr (PT_GNU_EH_FRAME) */
	uint32_t segment_count;
	struct lode_ehframe_segment segments[LODE_EHFRAME_SEGMENTS]; /* mapped readable PT_LOADs */
};

/* Builds a module's table; NULL if there is nothing usable or no memory.  The caller frees it with lode_mem_free.
 * Malformed functions get rows that say so; they never spoil their neighbours'.
 * Context: any thread outside signals; the module must stay mapped during the call. */
struct lode_unwind_table *lode_ehframe_build(const struct lode_ehframe_input *in);

#endif
