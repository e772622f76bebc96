/* lode pack: logs and recordings -> one packed file.  Payloads are copied as they are; only where several recordings
 * meet are streams and sequences numbered anew, which a PROCESS record repeats for its parent. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "lane.h"
#include "lib/error.h"
#include "lode/varint.h"
#include "options.h"
#include "out_text.h"
#include "packed.h"
#include "records.h"
#include "source.h"

#define PACK 1u
#define CLOCK_TOLERANCE_NS 1e9 /* two recordings of one boot agree far better */

struct pack_options {
	const char *output;
	bool force, with_symbols, quiet;
};

#define FIELD(f) offsetof(struct pack_options, f)
static const struct lode_option rows[] = {
	{ "output", 'o', LODE_OPTION_TEXT, PACK, FIELD(output), "OUT", NULL, "write to OUT (default FILE.packed.lode)" },
	{ "force", 'f', LODE_OPTION_FLAG, PACK, FIELD(force), NULL, NULL, "overwrite OUT" },
	{ "quiet", 'q', LODE_OPTION_FLAG, PACK, FIELD(quiet), NULL, NULL, "say nothing" },
	{ "with-symbols", 0, LODE_OPTION_FLAG, PACK, FIELD(with_symbols), NULL, NULL,
	  "keep symbols in the file (not in this version)" },
	{ 0 },
};

struct clock_pair {
	double ticks, ns;
};

struct pack {
	struct lode_packed out;
	uint32_t stream_base;   /* added to the streams of the present input */
	uint64_t sequence_base;
	uint32_t stream_last;   /* highest number written */
	uint64_t sequence_last;
	uint64_t last_time;
	uint64_t events;
	uint64_t created_unix_ns; /* of the oldest input */
	struct clock_pair first, last; /* of the inputs so far */
	bool has_clock, is_damaged;
};

/* ---- clocks: recordings of different boots or machines have no common time ------------------ */

static bool clock_of_record(const struct lode_record_slice *s, struct clock_pair *c)
{
	uint64_t ticks, ns;
	const uint8_t *end = s->payload + s->payload_bytes;
	const uint8_t *p = lode_varint_get(s->payload, end, &ticks);
	if (!p || !lode_varint_get(p, end, &ns))
		return false;
	*c = (struct clock_pair){ (double)ticks, (double)ns };
	return true;
}

static bool is_same_clock(const struct pack *p, const struct clock_pair *c)
{
	double span = p->last.ticks - p->first.ticks;
	if (!p->has_clock || span <= 0)
		return true; /* one pair alone says nothing about the scale */
	double expected = p->first.ns + (c->ticks - p->first.ticks) * (p->last.ns - p->first.ns) / span;
	double difference = expected > c->ns ? expected - c->ns : c->ns - expected;
	/* the scale comes from a span that may be short: allow for its error over the distance */
	double distance = c->ticks > p->last.ticks ? c->ticks - p->last.ticks : p->first.ticks - c->ticks;
	return difference < CLOCK_TOLERANCE_NS + (distance > 0 ? 0.001 * distance : 0);
}

static void add_clock(struct pack *p, const struct clock_pair *c)
{
	if (!p->has_clock)
		p->first = p->last = *c;
	if (c->ticks < p->first.ticks)
		p->first = *c;
	if (c->ticks > p->last.ticks)
		p->last = *c;
	p->has_clock = true;
}

/* ---- a block ------------------------------------------------------------------------------- */

/* Copies a PROCESS record, its fourth field (the parent's stream) moved on: v time delta, v pid, v parent's pid,
 * v parent stream, the rest.  NULL: it has another shape. */
static uint8_t *renumber_process(const struct lode_record_slice *s, uint32_t base, uint8_t *out)
{
	uint8_t fields[LODE_VARINT_MAX];
	const uint8_t *p = s->payload, *end = p + s->payload_bytes;
	uint64_t v;
	for (int i = 0; i < 3 && p; i++)
		p = lode_varint_get(p, end, &v);
	const uint8_t *after = p ? lode_varint_get(p, end, &v) : NULL;
	if (!after)
		return NULL;
	size_t before = (size_t)(p - s->payload), rest = (size_t)(end - after);
	size_t n = (size_t)(lode_varint_put(fields, v ? v + base : 0) - fields);

	*out++ = LODE_TAG_LONG | LODE_RECORD_PROCESS;
	out = lode_varint_put(out, before + n + rest);
	memcpy(out, s->payload, before);
	memcpy(out + before, fields, n);
	memcpy(out + before + n, after, rest);
	return out + before + n + rest;
}

/* Copies a lane with its PROCESS records renumbered; returns the new length.  A record grows by at most 14 bytes. */
static size_t renumber_lane(struct pack *p, const struct lode_payload_buffer *in, uint8_t *out)
{
	struct lode_records r;
	struct lode_record_slice s;
	uint8_t *to = out;
	lode_records_init(&r, in->data, in->bytes);
	while (lode_records_next(&r, &s)) {
		uint8_t *done = NULL;
		size_t n = (size_t)(r.next - s.start);
		if (s.tag == LODE_TAG_LONG && s.id == LODE_RECORD_PROCESS)
			done = renumber_process(&s, p->stream_base, to);
		if (!done) {
			memcpy(to, s.start, n);
			done = to + n;
		}
		to = done;
	}
	size_t rest = (size_t)(r.end - r.next);
	memcpy(to, r.next, rest);
	return (size_t)(to - out) + rest;
}

/* Looks a lane through: events, clocks, PROCESS records.  -1: another clock. */
static int look_through(struct pack *p, const struct lode_payload_buffer *in, size_t *processes)
{
	struct lode_records r;
	struct lode_record_slice s;
	struct lode_records_tally sum = { 0 };
	struct clock_pair c;

	lode_records_count(in->data, in->bytes, &sum);
	p->events += sum.events;
	if (sum.last_time > p->last_time)
		p->last_time = sum.last_time;
	lode_records_init(&r, in->data, in->bytes);
	while (lode_records_next(&r, &s)) {
		if (s.tag != LODE_TAG_LONG)
			continue;
		*processes += s.id == LODE_RECORD_PROCESS;
		if (s.id != LODE_RECORD_CLOCK || !clock_of_record(&s, &c))
			continue;
		if (p->stream_base && !is_same_clock(p, &c))
			return -1;
		add_clock(p, &c);
	}
	return 0;
}

static int write_block(struct pack *p, const struct lode_block *b, const void *payload, size_t bytes)
{
	struct lode_block_header h = {
		.payload = b->payload,
		.flags = b->flags,
		.stream = b->stream ? b->stream + p->stream_base : 0,
		.sequence = b->sequence ? b->sequence + p->sequence_base : 0,
		.first_time = b->first_time,
		.last_time = b->is_open ? p->last_time : b->last_time,
		.node_base = b->node_base,
		.pid = b->pid,
	};
	if (h.stream > p->stream_last)
		p->stream_last = h.stream;
	if (h.sequence > p->sequence_last)
		p->sequence_last = h.sequence;
	int r = lode_packed_append(&p->out, &h, payload, (uint32_t)bytes);
	return r < 0 ? lode_error("cannot write '%s': %s", p->out.path, strerror(-r)) : 0;
}

static int pack_block(struct pack *p, struct lode_source *s, const struct lode_block *b,
		      struct lode_payload_buffer *payload)
{
	size_t processes = 0;
	if (b->payload == LODE_PAYLOAD_INDEX || lode_source_read(s, b, payload) < 0)
		return 0;
	if (b->payload != LODE_PAYLOAD_RECORDS)
		return write_block(p, b, payload->data, payload->bytes);
	if (look_through(p, payload, &processes) < 0)
		return lode_error("'%s' was recorded on another machine or after a restart: its times have nothing to do with the "
				  "others'; name the files together in a view instead",
				  lode_source_path(s));
	if (!p->stream_base || !processes)
		return write_block(p, b, payload->data, payload->bytes);

	uint8_t *renumbered = lode_alloc(payload->bytes + processes * 16);
	int r = write_block(p, b, renumbered, renumber_lane(p, payload, renumbered));
	free(renumbered);
	return r;
}

/* ---- an input ------------------------------------------------------------------------------ */

/* A log's header counts what was lost; in a packed file a record says it. */
static int pack_losses(struct pack *p, const struct lode_source *s)
{
	struct lode_lane_losses lost;
	struct lode_lane_writer *own = lode_alloc(sizeof *own);

	lode_source_lost(s, &lost.events, &lost.samples, &lost.python_dropped, &lost.first_errno);
	lode_lane_begin_at(own, 0, p->last_time);
	lode_lane_lost(own, &lost);
	struct lode_block b = {
		.payload = LODE_PAYLOAD_RECORDS,
		.flags = LODE_HAS_DEFINITIONS,
		.first_time = p->last_time,
		.last_time = p->last_time,
	};
	int r = lost.events || lost.samples || lost.python_dropped ? write_block(p, &b, own->bytes, own->used) : 0;
	free(own);
	return r;
}

static int pack_input(struct pack *p, const char *path)
{
	struct lode_source *s;
	struct lode_payload_buffer payload = { 0 };
	size_t n;
	int r = 0;

	if (lode_source_open(path, &s) < 0)
		return -1;
	uint64_t created = lode_source_created_unix_ns(s);
	if (!p->created_unix_ns || created < p->created_unix_ns)
		p->created_unix_ns = created;
	const struct lode_block *blocks = lode_source_blocks(s, &n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = pack_block(p, s, &blocks[i], &payload);
	if (r == 0)
		r = pack_losses(p, s);
	p->is_damaged |= lode_source_is_damaged(s);
	p->stream_base = p->stream_last;
	p->sequence_base = p->sequence_last;
	lode_payload_release(&payload);
	lode_source_close(s);
	return r;
}

/* ---- the command --------------------------------------------------------------------------- */

static int help(void)
{
	puts("lode pack: compress a log, or merge recordings, into one file\n\nusage: lode pack [options] FILE...\n");
	lode_options_help(rows, PACK, stdout);
	puts("\nA recording whose recorder was killed is FILE and FILE.log: name FILE, both are read.");
	return LODE_STATUS_OK;
}

static char *default_output(const char *file)
{
	char *out = NULL;
	size_t n = strlen(file);
	if (n > 4 && !strcmp(file + n - 4, ".log"))
		n -= 4;
	if (n > 5 && !strncmp(file + n - 5, ".lode", 5))
		n -= 5;
	return asprintf(&out, "%.*s.packed.lode", (int)n, file) < 0 ? NULL : out;
}

static void say_result(const struct pack *p, const char *path)
{
	char size[LODE_UNIT_MAX], events[LODE_UNIT_MAX];
	fprintf(stderr, "lode: %s: %s, %s events\n", path, lode_format_bytes(size, (int64_t)p->out.bytes),
		lode_format_count(events, (int64_t)p->events));
}

/* Writes beside the goal, then puts the result in place: an input may be the goal. */
static int pack_into(struct pack *p, const struct pack_options *o, const struct lode_list *files, const char *path)
{
	char *part = NULL;
	int status = LODE_STATUS_INPUT;
	if (asprintf(&part, "%s.part", path) < 0 || lode_packed_create(&p->out, part, true) != LODE_PACKED_OK) {
		free(part);
		return LODE_STATUS_USAGE;
	}
	size_t i = 0;
	while (i < files->count && pack_input(p, files->items[i]) == 0)
		i++;
	lode_packed_set_created(&p->out, p->created_unix_ns);
	int r = i == files->count ? lode_packed_close(&p->out) : 0;
	if (i == files->count && r == 0 && rename(part, path) == 0) {
		status = p->is_damaged ? LODE_STATUS_INPUT : LODE_STATUS_OK;
		if (!o->quiet)
			say_result(p, path);
	} else {
		if (i == files->count)
			lode_error("cannot write '%s': %s", path, strerror(r < 0 ? -r : errno));
		unlink(part);
	}
	lode_packed_release(&p->out);
	free(part);
	return status;
}

static int check(const struct pack_options *o, const struct lode_list *files, const char *path)
{
	if (o->with_symbols)
		return lode_error("pack: --with-symbols is not in this version");
	if (files->count == 0)
		return lode_error("pack: which recording?  lode pack FILE... [-o OUT]");
	if (!o->force && access(path, F_OK) == 0)
		return lode_error("'%s' exists: give another name with -o, or -f to overwrite it", path);
	return 0;
}

int lode_cmd_pack(int argc, char **argv)
{
	struct pack_options o = { 0 };
	struct pack p = { .out = { .fd = -1 } };
	struct lode_list files = { 0 };
	char *name = NULL;
	int status = LODE_STATUS_USAGE;

	int r = lode_options_parse(rows, PACK, &o, argc, argv, &files);
	if (r > 0)
		status = help();
	if (r == 0) {
		name = o.output ? lode_copy_string(o.output) : files.count ? default_output(files.items[0]) : NULL;
		if (check(&o, &files, name) == 0)
			status = pack_into(&p, &o, &files, name);
	}
	free(name);
	free(files.items);
	return status;
}
