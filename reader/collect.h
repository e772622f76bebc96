/* The recorder's side of the log: makes it, turns its segments into blocks of a packed file while the program runs, and
 * hands the segments back.
 *
 * A segment is handed back only when its block is on disk.  When the packed file cannot grow any more nothing is taken
 * from then on: the log keeps the rest, and the two files together are the recording.
 * The log is read with pread, not mapped: whatever the program does to the file, the recorder gets an error code. */
#ifndef LODE_COLLECT_H
#define LODE_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lane.h"
#include "lode/format.h"
#include "packed.h"

struct lode_collect_segment {
	uint32_t index;  /* in the log */
	uint32_t stream; /* 0: not known yet */
};

struct lode_collect_stream { /* one process image */
	uint32_t stream, pid;
	bool is_over;    /* its process is gone or has become another image */
	uint64_t rss_bytes; /* last one recorded */
};

struct lode_collect {
	struct lode_packed *out;
	char *log_path; /* owned */
	int log_fd;
	uint32_t seen;               /* segments looked at so far */
	struct lode_collect_segment *watched;
	size_t watched_count, watched_room;
	struct lode_collect_stream *live;
	size_t live_count, live_room;
	uint8_t *segment; /* header and payload of the one being taken */
	struct lode_lane_writer *own;
	uint64_t started_ns, next_look_ns, rss_peak_bytes;
	uint64_t events, samples;
	uint64_t streams; /* processes seen */
	uint64_t lost_events, lost_samples; /* as the log says, after lode_collect_finish */
	bool is_closing;  /* what is taken now stays in place: its owner may live */
	bool is_broken;   /* the packed file cannot grow: error says why */
	int error;
};

/* Creates the log (mode 0600, beside `out`) and prepares to collect into `out`, which stays the caller's.
 * Returns LODE_PACKED_*, a message printed where it is not OK. */
enum lode_packed_status lode_collect_init(struct lode_collect *c, struct lode_packed *out, const char *log_path,
					  bool force);

/* One pass: takes what is full, looks after processes that are gone, notes resident memory.  Returns how many segments
 * were taken. */
size_t lode_collect_pass(struct lode_collect *c);

/* Processes of the recording that are still there, after a pass. */
size_t lode_collect_live(const struct lode_collect *c);

/* Tells the agents to record no more. */
void lode_collect_stop(struct lode_collect *c);

/* Takes what is left, whoever lives; then the recorder's last words.  The caller closes `out`. */
void lode_collect_finish(struct lode_collect *c);

void lode_collect_notice(struct lode_collect *c, unsigned severity, const char *text);
void lode_collect_exit(struct lode_collect *c, uint32_t pid, uint32_t wait_status);

/* Removes the log, unless the packed file lacks what is in it. */
void lode_collect_release(struct lode_collect *c);

#endif
