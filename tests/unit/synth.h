/* Writes recordings whose contents are known, as FORMAT.md says: for the tests of the reader alone.
 * Fails by abort. */
#ifndef LODE_SYNTH_H
#define LODE_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lode/format.h"

struct synth_lane { /* one payload being made */
	uint8_t *bytes;
	size_t count, capacity;
	uint32_t stream, pid, flags;
	uint64_t first_time, time, address;
	uint64_t addresses[LODE_SLOTS];
	struct {
		uint64_t size;
		uint32_t stack, how;
	} sites[LODE_SLOTS];
	bool has_no_slots; /* write only the long forms */
};

struct synth_file {
	FILE *file;
	enum lode_file_kind kind;
	uint64_t sequence;
	uint32_t segment_count;
	bool is_stored; /* packed: do not deflate */
	struct lode_index_entry *index;
	size_t index_count;
};

void synth_open(struct synth_file *f, const char *path, enum lode_file_kind kind);
/* Index and trailer, or the log's counters.  in_order false: as after a crash. */
void synth_close(struct synth_file *f, bool in_order);

void synth_begin(struct synth_lane *l, uint32_t stream, uint32_t pid, int64_t tid, uint64_t time);
void synth_alloc(struct synth_lane *l, uint64_t time, uint32_t stack, uint64_t size,
		 uint64_t address);
void synth_free(struct synth_lane *l, uint64_t time, uint64_t address);
void synth_sample(struct synth_lane *l, uint64_t time, uint32_t flags, uint64_t weight_ns,
		  uint32_t stack);
void synth_map(struct synth_lane *l, uint64_t time, uint32_t category, uint64_t address,
	       uint64_t bytes, uint32_t stack);
void synth_unmap(struct synth_lane *l, uint64_t time, uint64_t address, uint64_t bytes);
/* `numbers`, then `strings`; time 0: an untimed record. */
void synth_record(struct synth_lane *l, enum lode_record id, uint64_t time, size_t number_count,
		  const uint64_t *numbers, size_t string_count, const char *const *strings);
void synth_process(struct synth_lane *l, uint64_t time, uint32_t parent_stream,
		   enum lode_begin begin, const char *options);
void synth_clock(struct synth_lane *l, uint64_t ticks, uint64_t ns);
void synth_mark(struct synth_lane *l, uint64_t time, const char *name);

/* Writes the lane as a block or segment and empties it. */
void synth_end(struct synth_file *f, struct synth_lane *l);
/* `n` Python nodes of `stream` from id 1: node i has parent i - 1 when `is_chain`, else none;
 * value: code id i. */
void synth_nodes(struct synth_file *f, uint32_t stream, uint32_t n, bool is_chain);
/* A CODE record for each of them: function "f<i>" in "/src/f.py", first line 10 * i. */
void synth_codes(struct synth_lane *l, uint32_t n);

#endif
