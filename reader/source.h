/* A recording's file(s) as a list of blocks: packed, or a log as the agent left it, or a packed
 * file whose recorder died together with the log beside it (FILE.log).  Layout: lode/format.h.
 *
 * Nothing is trusted: headers are walked (an index would only save that walk, and may lie), every
 * length is checked against the file, contents against their crc32.  What is damaged is skipped,
 * said once, and remembered.  Files are read with pread, not mapped: one that is cut or changed
 * meanwhile gives an error, not SIGBUS, and a log's bytes do not change under the decoder. */
#ifndef LODE_SOURCE_H
#define LODE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lode/format.h"

/* A block of a packed file or one use of a segment of a log. */
struct lode_block {
	uint64_t offset; /* of the payload in its file */
	uint64_t sequence, first_time, last_time;
	uint32_t stream, pid, flags;
	uint32_t raw_bytes, stored_bytes;
	uint32_t node_base;
	uint32_t crc32;
	uint8_t payload;	 /* enum lode_payload */
	uint8_t codec;		 /* enum lode_codec */
	bool is_in_log, is_open; /* open: its last_time is not known yet */
};

struct lode_source; /* owns its files and the list */

/* Bytes that can be read, as zeros, after any payload: the decoder relies on it. */
#define LODE_SOURCE_PADDING 64u
#define LODE_BLOCK_RAW_MAX (64u * 1024u * 1024u)

struct lode_payload_buffer { /* all zero is empty; reuse it, then release */
	uint8_t *data;
	size_t bytes, capacity;
};

/* 0, or -1 after a message. */
int lode_source_open(const char *path, struct lode_source **out);
void lode_source_close(struct lode_source *s);

const char *lode_source_path(const struct lode_source *s);
const struct lode_block *lode_source_blocks(const struct lode_source *s, size_t *count);

/* The payload of a block, inflated, padded.  -1: damaged (said once, lode_source_is_damaged), or
 * gone from a log that is being consumed. */
int lode_source_read(struct lode_source *s, const struct lode_block *b,
		     struct lode_payload_buffer *buffer);
void lode_payload_release(struct lode_payload_buffer *buffer);

/* Says what is wrong, the first time; from then on the source is damaged. */
void lode_source_damage(struct lode_source *s, const char *what);
bool lode_source_is_damaged(const struct lode_source *s);

uint64_t lode_source_bytes(const struct lode_source *s); /* of the file(s) */
uint64_t lode_source_created_unix_ns(const struct lode_source *s);
bool lode_source_is_log(const struct lode_source *s);
/* The counters in a log's header; zeros when there is no log. */
void lode_source_lost(const struct lode_source *s, uint64_t *events, uint64_t *samples,
		      uint64_t *python_dropped, uint32_t *first_errno);

#endif
