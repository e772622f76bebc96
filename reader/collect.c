/* Segments -> blocks; see collect.h. */
#include "collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "proc.h"
#include "records.h"
#include "ticks.h"

#define LOOK_FIRST_NS 20000000u /* between two looks at the processes */
#define LOOK_SHARE 1000         /* it grows to this part of the recording's length: a bounded number of points */

/* ---- the log ------------------------------------------------------------------------------ */

static int make_log(struct lode_collect *c, const char *path, bool force)
{
	c->log_fd = lode_create_file(path, force);
	if (c->log_fd < 0)
		return -errno;
	struct lode_log_header h = {
		.file = {
			.version = LODE_FORMAT_VERSION,
			.kind = LODE_FILE_LOG,
			.header_bytes = LODE_LOG_HEADER_BYTES,
			.segment_bytes = LODE_SEGMENT_BYTES,
			.created_unix_ns = lode_realtime_ns(),
		},
		.recorder_pid = (uint32_t)getpid(),
	};
	memcpy(h.file.magic, LODE_MAGIC, sizeof h.file.magic);
	int r = posix_fallocate(c->log_fd, 0, LODE_LOG_HEADER_BYTES);
	if (r == 0 && pwrite(c->log_fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
		r = errno ? errno : EIO;
	return -r;
}

/* The header as it is now; all zero when the program has spoiled the file. */
static struct lode_log_header read_log_header(const struct lode_collect *c)
{
	struct lode_log_header h;
	if (pread(c->log_fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
		return (struct lode_log_header){ 0 };
	return h;
}

enum lode_packed_status lode_collect_init(struct lode_collect *c, struct lode_packed *out, const char *log_path,
					  bool force)
{
	*c = (struct lode_collect){ .out = out, .log_fd = -1, .started_ns = lode_monotonic_ns() };
	int r = make_log(c, log_path, force);
	if (r == -EEXIST) {
		lode_error("'%s' exists: it may hold the end of a recording that was cut off; "
			   "pack it with 'lode pack', or give -f to overwrite it",
			   log_path);
		return LODE_PACKED_EXISTS;
	}
	if (r < 0) {
		lode_error("cannot create '%s': %s; give another name with -o", log_path, strerror(-r));
		if (c->log_fd >= 0)
			unlink(log_path);
		return LODE_PACKED_FAILED;
	}
	c->log_path = lode_copy_string(log_path);
	c->segment = lode_alloc(LODE_SEGMENT_BYTES);
	c->own = lode_alloc(sizeof *c->own);
	lode_lane_begin(c->own, (uint32_t)getpid());
	return LODE_PACKED_OK;
}

static off_t segment_offset(uint32_t index)
{
	return (off_t)(LODE_LOG_HEADER_BYTES + (uint64_t)index * LODE_SEGMENT_BYTES);
}

/* False where there is no segment (yet): not allocated, or not filled in. */
static bool read_header(const struct lode_collect *c, uint32_t index, struct lode_segment_header *h)
{
	return pread(c->log_fd, h, sizeof *h, segment_offset(index)) == (ssize_t)sizeof *h &&
	       h->magic == LODE_SEGMENT_MAGIC;
}

/* The one byte of the state that changes, so the store is whole. */
static void hand_back(const struct lode_collect *c, uint32_t index)
{
	const uint8_t state = LODE_SEGMENT_FREE;
	off_t at = segment_offset(index) + (off_t)offsetof(struct lode_segment_header, state);
	if (pwrite(c->log_fd, &state, 1, at) != 1)
		return; /* it is not reused then, no more */
}

/* Gives the disk back: nobody uses this segment again.  The page with the header stays. */
static void give_up(const struct lode_collect *c, uint32_t index)
{
	if (c->is_closing)
		return;
	hand_back(c, index);
	if (fallocate(c->log_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, segment_offset(index) + 4096,
		      LODE_SEGMENT_BYTES - 4096) != 0)
		return; /* a file system without holes: the disk is free when the log is removed */
}

/* ---- segments -> blocks ------------------------------------------------------------------- */

static void break_off(struct lode_collect *c, int error)
{
	if (c->is_broken)
		return;
	c->is_broken = true;
	c->error = error;
	lode_warn("cannot write '%s': %s; the program goes on, and the rest of the recording stays in '%s'",
		  c->out->path, strerror(error), c->log_path);
}

static bool append(struct lode_collect *c, const struct lode_block_header *h, const void *raw, uint32_t bytes)
{
	int r = c->is_broken ? -c->error : lode_packed_append(c->out, h, raw, bytes);
	if (r < 0)
		break_off(c, -r);
	return r == 0;
}

/* The recorder's own records so far become a block. */
static void append_own(struct lode_collect *c)
{
	struct lode_block_header h = { /* sequence 0: it never was a segment */
		.payload = LODE_PAYLOAD_RECORDS,
		.flags = LODE_HAS_DEFINITIONS,
		.first_time = c->own->first_time,
		.last_time = c->own->last_time,
		.pid = c->own->pid,
	};
	append(c, &h, c->own->bytes, (uint32_t)c->own->used);
	lode_lane_begin(c->own, c->own->pid);
}

/* Writes the segment's content as a block; false when that failed.  An empty one is taken without a block. */
static bool take(struct lode_collect *c, uint32_t index)
{
	struct lode_segment_header s;
	uint8_t *payload = c->segment;
	/* once more, now that its state is known: the fields behind it are final, or at least as new */
	if (!read_header(c, index, &s))
		return true;
	uint32_t n = s.committed < LODE_SEGMENT_PAYLOAD_BYTES ? s.committed : LODE_SEGMENT_PAYLOAD_BYTES;
	if (s.payload == LODE_PAYLOAD_NODES)
		n -= n % sizeof(struct lode_node);
	ssize_t got = n ? pread(c->log_fd, payload, n, segment_offset(index) + LODE_SEGMENT_HEADER_BYTES) : 0;
	if (got <= 0)
		return true;
	n = (uint32_t)got;

	struct lode_block_header h = {
		.payload = (uint16_t)s.payload,
		.flags = s.flags,
		.stream = s.stream,
		.sequence = s.sequence,
		.first_time = s.first_time,
		.last_time = s.last_time,
		.node_base = s.node_base,
		.pid = s.pid,
	};
	struct lode_records_tally sum = { 0 };
	if (s.payload == LODE_PAYLOAD_RECORDS) {
		lode_records_count(payload, n, &sum);
		if (s.state != LODE_SEGMENT_FULL)
			h.last_time = sum.last_time;
	}
	if (!append(c, &h, payload, n))
		return false;
	c->events += sum.events;
	c->samples += sum.samples;
	return true;
}

static bool is_payload(const struct lode_segment_header *s)
{
	return s->payload == LODE_PAYLOAD_RECORDS || s->payload == LODE_PAYLOAD_NODES;
}

/* ---- streams ------------------------------------------------------------------------------ */

static void meet_stream(struct lode_collect *c, const struct lode_segment_header *s)
{
	for (size_t i = c->live_count; i-- > 0;) {
		if (c->live[i].stream == s->stream)
			return;
		/* the same process in a newer image: exec, or its number was given anew */
		if (c->live[i].pid == s->pid && c->live[i].stream < s->stream)
			c->live[i].is_over = true;
	}
	if (c->live_count == c->live_room) {
		c->live_room = c->live_room ? 2 * c->live_room : 16;
		c->live = lode_realloc(c->live, c->live_room * sizeof *c->live);
	}
	c->live[c->live_count++] = (struct lode_collect_stream){ .stream = s->stream, .pid = s->pid };
	c->streams++;
}

static void meet_segments(struct lode_collect *c)
{
	uint32_t n = read_log_header(c).next_segment;
	struct stat st;
	/* the count is the program's to spoil: no more than the file holds */
	if (n == c->seen || fstat(c->log_fd, &st) != 0)
		return;
	uint64_t room = st.st_size > LODE_LOG_HEADER_BYTES ? (uint64_t)st.st_size - LODE_LOG_HEADER_BYTES : 0;
	if (n > room / LODE_SEGMENT_BYTES)
		n = (uint32_t)(room / LODE_SEGMENT_BYTES);
	for (; c->seen < n; c->seen++) {
		if (c->watched_count == c->watched_room) {
			c->watched_room = c->watched_room ? 2 * c->watched_room : 256;
			c->watched = lode_realloc(c->watched, c->watched_room * sizeof *c->watched);
		}
		c->watched[c->watched_count++] = (struct lode_collect_segment){ .index = c->seen };
	}
}

/* Takes everything of streams that are over and forgets their segments. */
static void bury_streams(struct lode_collect *c)
{
	size_t kept = 0;
	for (size_t i = 0; i < c->watched_count; i++) {
		struct lode_collect_segment w = c->watched[i];
		struct lode_segment_header s;
		bool is_over = false;
		for (size_t k = 0; k < c->live_count && w.stream; k++)
			is_over |= c->live[k].stream == w.stream && c->live[k].is_over;
		if (is_over && read_header(c, w.index, &s) && !c->is_broken) {
			bool has_data = s.state == LODE_SEGMENT_OPEN || s.state == LODE_SEGMENT_FULL;
			if (!has_data || !is_payload(&s) || take(c, w.index)) {
				give_up(c, w.index);
				continue;
			}
		}
		c->watched[kept++] = w;
	}
	c->watched_count = kept;
	if (c->is_broken)
		return;
	size_t live = 0;
	for (size_t i = 0; i < c->live_count; i++)
		if (!c->live[i].is_over)
			c->live[live++] = c->live[i];
	c->live_count = live;
}

static bool find_streams_that_are_over(struct lode_collect *c)
{
	bool any = false;
	for (size_t i = 0; i < c->live_count; i++) {
		if (!c->live[i].is_over && lode_proc_is_gone(c->live[i].pid))
			c->live[i].is_over = true;
		any |= c->live[i].is_over;
	}
	return any;
}

static void note_rss(struct lode_collect *c)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < c->live_count; i++) {
		struct lode_collect_stream *s = &c->live[i];
		uint64_t bytes = s->is_over ? 0 : lode_proc_rss(s->pid);
		sum += bytes;
		if (bytes == 0 || bytes == s->rss_bytes)
			continue;
		s->rss_bytes = bytes;
		lode_lane_rss(c->own, s->pid, bytes);
		if (lode_lane_is_full(c->own))
			append_own(c);
	}
	if (sum > c->rss_peak_bytes)
		c->rss_peak_bytes = sum;
}

/* ---- a pass ------------------------------------------------------------------------------- */

static size_t take_full(struct lode_collect *c)
{
	size_t taken = 0;
	for (size_t i = 0; i < c->watched_count; i++) {
		struct lode_collect_segment *w = &c->watched[i];
		struct lode_segment_header s;
		if (!read_header(c, w->index, &s) || s.state == LODE_SEGMENT_NONE)
			continue;
		if (!w->stream) {
			w->stream = s.stream;
			meet_stream(c, &s);
		}
		if (s.state != LODE_SEGMENT_FULL || s.payload != LODE_PAYLOAD_RECORDS || c->is_broken)
			continue;
		if (take(c, w->index)) {
			hand_back(c, w->index);
			taken++;
		}
	}
	return taken;
}

static void look_at_processes(struct lode_collect *c, uint64_t now)
{
	uint64_t share = (now - c->started_ns) / LOOK_SHARE;
	c->next_look_ns = now + (share > LOOK_FIRST_NS ? share : LOOK_FIRST_NS);
	if (find_streams_that_are_over(c)) {
		/* what they claimed last is there now that they are gone */
		meet_segments(c);
		take_full(c);
		bury_streams(c);
	}
	note_rss(c);
}

size_t lode_collect_pass(struct lode_collect *c)
{
	meet_segments(c);
	size_t taken = take_full(c);
	uint64_t now = lode_monotonic_ns();
	if (now >= c->next_look_ns)
		look_at_processes(c, now);
	return taken;
}

size_t lode_collect_live(const struct lode_collect *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->live_count; i++)
		n += !lode_proc_is_gone(c->live[i].pid);
	return n;
}

void lode_collect_stop(struct lode_collect *c)
{
	const uint32_t control = LODE_CONTROL_STOP;
	if (pwrite(c->log_fd, &control, sizeof control, offsetof(struct lode_log_header, control)) < 0)
		lode_warn("cannot write '%s': %s; the program's agents go on recording", c->log_path, strerror(errno));
}

void lode_collect_notice(struct lode_collect *c, unsigned severity, const char *text)
{
	lode_lane_notice(c->own, severity, text);
	if (lode_lane_is_full(c->own))
		append_own(c);
}

void lode_collect_exit(struct lode_collect *c, uint32_t pid, uint32_t wait_status)
{
	lode_lane_exit(c->own, pid, wait_status);
}

void lode_collect_finish(struct lode_collect *c)
{
	lode_collect_pass(c);
	find_streams_that_are_over(c);
	meet_segments(c);
	take_full(c);
	c->is_closing = true;
	for (size_t i = 0; i < c->live_count; i++)
		c->live[i].is_over = true;
	bury_streams(c);

	struct lode_log_header h = read_log_header(c);
	c->lost_events = h.lost_events;
	c->lost_samples = h.lost_samples;
	lode_lane_lost(c->own, &(struct lode_lane_losses){ h.lost_events, h.lost_samples, h.first_errno, h.python_dropped });
	lode_lane_clock(c->own);
	append_own(c);
}

void lode_collect_release(struct lode_collect *c)
{
	if (c->log_path && !c->is_broken)
		unlink(c->log_path);
	if (c->log_fd >= 0)
		close(c->log_fd);
	free(c->log_path);
	free(c->watched);
	free(c->live);
	free(c->segment);
	free(c->own);
	*c = (struct lode_collect){ .log_fd = -1 };
}
