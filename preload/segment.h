/* The log: a file of segments, mapped shared.  What is committed survives SIGKILL, in the page cache.
 *
 * Invariants: a segment is allocated on disk before it is mapped (a full disk is an error code, never SIGBUS); no
 * descriptor stays open; a committed length is stored with release after its bytes; a sealed segment is not written
 * again until the recorder has set it FREE. */
#ifndef LODE_SEGMENT_H
#define LODE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lode/format.h"

struct lode_lane;

extern struct lode_log_header *lode_log; /* NULL: no log */

/* Joins the log at `path`, or makes it.  Returns 0 or -errno.  Context: constructor. */
int lode_log_open(const char *path);
const char *lode_log_path(void);

/* A segment for the process' use, OPEN, empty: one that the recorder has freed, else a new one.  NULL: none can be
 * had; then the reason is noted once and nothing is tried again.  Context: outside signals. */
struct lode_segment_header *lode_segment_claim(enum lode_payload payload);
void lode_segment_seal(struct lode_segment_header *s);

/* In a forked child: the parent's segments are forgotten. */
void lode_segment_fork_child(void);

/* After this the process claims nothing any more (a system call filter, an exit in progress). */
void lode_segment_stop(int reason);

static inline uint8_t *lode_segment_payload(struct lode_segment_header *s)
{
	return (uint8_t *)s + LODE_SEGMENT_HEADER_BYTES;
}

#endif
