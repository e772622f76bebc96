/* Gathers a recording's definitions.  Contract in info.h; called by load.c and cmd_info.c. */
#include "info.h"

#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "lib/error.h"

#define PAIRS_KEPT 4096u /* a stream writes two, a recorder some a second: enough for a line */

struct pair {
	uint32_t process;
	struct lode_clock_pair pair;
};

struct lode_info_private {
	struct pair *pairs;
	size_t pair_count;
	struct lode_clock_pair *recorder_pairs;
	size_t recorder_pair_count;
	struct { /* of the recorder: matched with processes by pid at the end */
		int64_t pid;
		int status;
		uint64_t ticks;
	} * exits;
	size_t exit_count;
	struct lode_clock recorder_clock;
};

/* Makes room for one more element of a growing array whose capacity is the next power of two. */
#define APPEND(array, count)                                                                       \
	((((count) & ((count)-1)) == 0                                                             \
		  ? (void)((array) = lode_realloc((array),                                         \
						  ((count) ? 2 * (count) : 1) * sizeof(*(array)))) \
		  : (void)0),                                                                      \
	 &(array)[(count)++])

static uint64_t key_of(uint32_t high, uint64_t low)
{
	return (uint64_t)high << 32 | (low & UINT32_MAX);
}

uint32_t lode_info_process(struct lode_info *info, uint32_t stream, int64_t pid)
{
	uint32_t *at =
		lode_map_put(&info->process_of_stream, stream, (uint32_t)info->process_count);
	if (*at == info->process_count) {
		struct lode_info_process *p = APPEND(info->processes, info->process_count);
		*p = (struct lode_info_process){.stream = stream,
						.pid = pid,
						.version = "",
						.options = "",
						.executable = "",
						.directory = "",
						.command = "",
						.python_build = "",
						.exit_status = -1};
	}
	return *at;
}

uint32_t lode_info_thread(struct lode_info *info, uint32_t process, int64_t tid)
{
	uint32_t *at = lode_map_put(&info->thread_of_key, key_of(process, (uint64_t)tid),
				    (uint32_t)info->thread_count);
	if (*at == info->thread_count) {
		struct lode_info_thread *t = APPEND(info->threads, info->thread_count);
		*t = (struct lode_info_thread){.process = process, .tid = tid, .name = ""};
	}
	return *at;
}

const struct lode_info_code *lode_info_code(const struct lode_info *info, uint32_t stream,
					    uint64_t id)
{
	uint32_t at = id > UINT32_MAX ? LODE_MAP_NONE
				      : lode_map_get(&info->code_of_key, key_of(stream, id));
	return at == LODE_MAP_NONE ? NULL : &info->codes[at];
}

const struct lode_info_module *lode_info_module_at(const struct lode_info *info, uint32_t process,
						   uint64_t pc, uint32_t epoch)
{
	const struct lode_info_process *p = &info->processes[process];
	const struct lode_info_module *best = NULL, *later = NULL;
	for (size_t i = p->first_module; i < p->first_module + p->module_count; i++) {
		const struct lode_info_module *m = &info->modules[i];
		if (m->start > pc)
			break;
		if (pc >= m->end)
			continue;
		if (m->epoch <= epoch && (!best || m->epoch >= best->epoch))
			best = m;
		if (m->epoch > epoch && (!later || m->epoch < later->epoch))
			later = m;
	}
	return best ? best
		    : later; /* a stack may be interned just before its module is announced */
}

/* ---- records ------------------------------------------------------------------------------ */

/* Times are kept in ticks, in the fields for ns, until every clock is known: convert_times does
 * them all. */

static const char *take_text(struct lode_info *info, struct lode_fields *f)
{
	size_t n;
	const void *p = lode_field_bytes(f, &n);
	return lode_arena_intern(&info->arena, p, n);
}

/* Arguments are separated by NUL: blanks here. */
static const char *take_command(struct lode_info *info, struct lode_fields *f)
{
	size_t n;
	const char *p = lode_field_bytes(f, &n);
	char *copy = lode_alloc(n + 1);
	for (size_t i = 0; i < n; i++)
		copy[i] = p[i] ? p[i] : ' ';
	while (n && copy[n - 1] == ' ')
		n--;
	const char *s = lode_arena_intern(&info->arena, copy, n);
	free(copy);
	return s;
}

/* The value of "name=value" in a list with commas; NULL: not there. */
static const char *option_value(const char *options, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = options; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (!strncmp(p, name, n) && p[n] == '=')
			return p + n + 1;
	}
	return NULL;
}

static void read_options(struct lode_info_process *p)
{
	const char *memory = option_value(p->options, "memory"),
		   *rate = option_value(p->options, "rate");
	const char *sample = option_value(p->options, "sample");
	p->has_memory_off = memory && !strncmp(memory, "off", 3);
	p->has_cpu_off = rate && !strtoul(rate, NULL, 10);
	p->has_sampled_memory = memory && !strncmp(memory, "sample", 6);
	p->sample_bytes = sample ? strtod(sample, NULL) : 524288;
	if (!(p->sample_bytes >= 1))
		p->has_sampled_memory = false;
}

static void take_process(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	struct lode_info_process p = info->processes[process];
	p.pid = (int64_t)lode_field_number(&f);
	p.parent_pid = (int64_t)lode_field_number(&f);
	p.parent_stream = (uint32_t)lode_field_number(&f);
	p.begin = (uint32_t)lode_field_number(&f);
	p.realtime_ns = lode_field_number(&f);
	p.pointer_bytes = (unsigned)lode_field_number(&f);
	p.version = take_text(info, &f);
	p.options = take_text(info, &f);
	p.executable = take_text(info, &f);
	p.command = take_command(info, &f);
	p.directory = take_text(info, &f);
	p.start_ticks = e->time;
	read_options(&p);
	info->processes[process] = p;
}

static void take_clock(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	struct lode_info_private *x = info->scratch;
	struct lode_clock_pair pair = {0};
	pair.ticks = lode_field_number(&f);
	pair.ns = lode_field_number(&f);
	if (f.is_short)
		return;
	if (process == UINT32_MAX) {
		size_t n = x->recorder_pair_count;
		if (n < PAIRS_KEPT)
			*APPEND(x->recorder_pairs, x->recorder_pair_count) = pair;
		else
			x->recorder_pairs[n - 1] = pair;
	} else {
		*APPEND(x->pairs, x->pair_count) = (struct pair){process, pair};
	}
}

static void take_module(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	struct lode_info_module m = {
		.process = process, .gone_ns = UINT64_MAX, .loaded_ns = e->time};
	m.id = (uint32_t)lode_field_number(&f);
	m.epoch = (uint32_t)lode_field_number(&f);
	m.bias = lode_field_number(&f);
	m.start = lode_field_number(&f);
	m.end = lode_field_number(&f);
	const void *id = lode_field_bytes(&f, &m.build_id_bytes);
	m.build_id = lode_arena_copy(&info->arena, id, m.build_id_bytes);
	m.path = take_text(info, &f);
	if (!f.is_short)
		*APPEND(info->modules, info->module_count) = m;
}

static void take_module_gone(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	uint32_t id = (uint32_t)lode_field_number(&f);
	for (size_t i = info->module_count; i-- > 0;) {
		struct lode_info_module *m = &info->modules[i];
		if (m->process == process && m->id == id && m->gone_ns == UINT64_MAX) {
			m->gone_ns = e->time;
			return;
		}
	}
}

static void take_code(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	uint64_t id = lode_field_number(&f);
	struct lode_info_code c = {0};
	c.first_line = (uint32_t)lode_field_number(&f);
	c.version = (uint32_t)lode_field_number(&f);
	c.file = take_text(info, &f);
	c.name = take_text(info, &f);
	const void *lines = lode_field_bytes(&f, &c.line_bytes);
	if (id > UINT32_MAX)
		return;
	uint32_t *at = lode_map_put(&info->code_of_key, key_of(info->processes[process].stream, id),
				    (uint32_t)info->code_count);
	if (*at != info->code_count)
		return; /* a code object is written once; threads that met may both have */
	c.lines = lode_arena_copy(&info->arena, lines, c.line_bytes);
	*APPEND(info->codes, info->code_count) = c;
}

static void take_thread(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	int64_t tid = (int64_t)lode_field_number(&f);
	const char *name = take_text(info, &f);
	uint32_t thread = lode_info_thread(info, process, tid); /* may move the array */
	info->threads[thread].name = name;
}

static void take_thread_exit(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	int64_t tid = (int64_t)lode_field_number(&f);
	uint32_t thread = lode_info_thread(info, process, tid); /* may move the array */
	struct lode_info_thread *t = &info->threads[thread];
	t->cpu_ns = lode_field_number(&f);
	t->has_exited = true;
}

static void take_notice(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	uint32_t severity = (uint32_t)lode_field_number(&f);
	const char *text = take_text(info, &f);
	*APPEND(info->notices, info->notice_count) =
		(struct lode_info_notice){process, severity, e->time, text};
}

static void take_mark(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	const char *name = take_text(info, &f);
	*APPEND(info->marks, info->mark_count) = (struct lode_info_mark){process, 0, e->time, name};
}

static void take_rss(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	struct lode_info_rss r = {
		.process = process, .time_ns = e->time, .pid = (int64_t)lode_field_number(&f)};
	r.bytes = lode_field_number(&f);
	if (!f.is_short)
		*APPEND(info->rss, info->rss_count) = r;
}

static void take_exit(struct lode_info *info, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	struct lode_info_private *x = info->scratch;
	int64_t pid = (int64_t)lode_field_number(&f);
	int status = (int)lode_field_number(&f);
	if (f.is_short)
		return;
	size_t n = x->exit_count;
	(void)APPEND(x->exits, x->exit_count);
	x->exits[n].pid = pid;
	x->exits[n].status = status;
	x->exits[n].ticks = e->time;
}

static void take_lost(struct lode_info *info, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	info->lost_events += lode_field_number(&f);
	info->lost_samples += lode_field_number(&f);
	uint64_t first_errno = lode_field_number(&f);
	info->python_dropped += lode_field_number(&f);
	if (!info->first_errno)
		info->first_errno = (uint32_t)first_errno;
}

static void take_python(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	info->processes[process].python_version = (uint32_t)lode_field_number(&f);
	info->processes[process].python_build = take_text(info, &f);
}

/* What only a program's stream can say. */
static void take_program_record(struct lode_info *info, uint32_t process,
				const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	switch ((enum lode_record)e->detail) {
	case LODE_RECORD_LANE:
		lode_info_thread(info, process, (int64_t)lode_field_number(&f));
		break;
	case LODE_RECORD_PROCESS:
		take_process(info, process, e);
		break;
	case LODE_RECORD_MODULE:
		take_module(info, process, e);
		break;
	case LODE_RECORD_MODULE_GONE:
		take_module_gone(info, process, e);
		break;
	case LODE_RECORD_CODE:
		take_code(info, process, e);
		break;
	case LODE_RECORD_THREAD:
		take_thread(info, process, e);
		break;
	case LODE_RECORD_THREAD_EXIT:
		take_thread_exit(info, process, e);
		break;
	case LODE_RECORD_PYTHON:
		take_python(info, process, e);
		break;
	case LODE_RECORD_EXEC:
		info->processes[process].became = take_text(info, &f);
		break;
	case LODE_RECORD_CLOCK: /* anybody's: below */
	case LODE_RECORD_NOTICE:
	case LODE_RECORD_MARK:
	case LODE_RECORD_RSS:
	case LODE_RECORD_EXIT:
	case LODE_RECORD_LOST:
	case LODE_RECORD_MAP: /* events: replay's */
	case LODE_RECORD_UNMAP:
	case LODE_RECORD_FORK: /* the child says so itself */
		break;
	}
}

/* Records of the recorder's own stream have process UINT32_MAX. */
static void take_record(struct lode_info *info, uint32_t process, const struct lode_event *e)
{
	if (e->detail == LODE_RECORD_CLOCK)
		take_clock(info, process, e);
	else if (e->detail == LODE_RECORD_NOTICE)
		take_notice(info, process, e);
	else if (e->detail == LODE_RECORD_MARK)
		take_mark(info, process, e);
	else if (e->detail == LODE_RECORD_RSS)
		take_rss(info, process, e);
	else if (e->detail == LODE_RECORD_EXIT)
		take_exit(info, e);
	else if (e->detail == LODE_RECORD_LOST)
		take_lost(info, e);
	else if (process != UINT32_MAX)
		take_program_record(info, process, e);
}

/* ---- blocks ------------------------------------------------------------------------------- */

static void scan_block(struct lode_info *info, struct lode_source *s, const struct lode_block *b,
		       uint32_t process, struct lode_payload_buffer *buffer)
{
	struct lode_event events[64];
	struct lode_lane lane;
	size_t n;
	if (lode_source_read(s, b, buffer))
		return;
	lode_lane_init(&lane, buffer->data, buffer->bytes);
	do {
		n = lode_lane_decode(&lane, events, sizeof(events) / sizeof(events[0]));
		for (size_t i = 0; i < n; i++)
			if (events[i].kind == LODE_EVENT_RECORD)
				take_record(info, process, &events[i]);
	} while (n == sizeof(events) / sizeof(events[0]));
	if (lane.is_damaged)
		lode_source_damage(s, "a record cannot be understood");
	if (process != UINT32_MAX && lane.time > info->processes[process].end_ticks)
		info->processes[process].end_ticks = lane.time;
}

/* Makes the processes, from the blocks' headers alone. */
static void scan_headers(struct lode_info *info, const struct lode_block *blocks, size_t n)
{
	info->block_count = n;
	for (size_t i = 0; i < n; i++) {
		const struct lode_block *b = &blocks[i];
		if (b->payload != LODE_PAYLOAD_RECORDS)
			continue;
		info->raw_bytes += b->raw_bytes;
		if (!b->stream)
			continue;
		uint32_t process =
			lode_info_process(info, b->stream, b->pid); /* may move the array */
		struct lode_info_process *p = &info->processes[process];
		if (b->first_time && (!p->start_ticks || b->first_time < p->start_ticks))
			p->start_ticks = b->first_time;
		if (b->last_time > p->end_ticks)
			p->end_ticks = b->last_time;
	}
}

/* A process' last block is read whatever its flags: every block starts with a clock pair, and two
 * that lie far apart give the scale. */
static void scan(struct lode_info *info, struct lode_source *s)
{
	struct lode_payload_buffer buffer = {0};
	size_t n;
	const struct lode_block *blocks = lode_source_blocks(s, &n);
	scan_headers(info, blocks, n);
	for (size_t i = 0; i < n; i++) {
		const struct lode_block *b = &blocks[i];
		if (b->payload != LODE_PAYLOAD_RECORDS)
			continue;
		uint32_t process =
			b->stream ? lode_info_process(info, b->stream, b->pid) : UINT32_MAX;
		bool is_last = b->stream && b->last_time == info->processes[process].end_ticks;
		if (!b->stream || b->is_open || is_last || (b->flags & LODE_HAS_DEFINITIONS))
			scan_block(info, s, b, process, &buffer);
	}
	lode_payload_release(&buffer);
}

/* ---- after the last record: clocks, times, order -------------------------------------------- */

static struct lode_clock own_clock(const struct lode_info_private *x, uint32_t process,
				   bool *is_guess)
{
	struct lode_clock_pair *mine = lode_alloc((x->pair_count + 1) * sizeof(*mine));
	size_t n = 0;
	for (size_t i = 0; i < x->pair_count; i++)
		if (x->pairs[i].process == process)
			mine[n++] = x->pairs[i].pair;
	struct lode_clock c = lode_clock_fit(mine, n, is_guess);
	free(mine);
	return c;
}

/* The processes of one machine tick alike, and then all pairs lie on one line; recordings that were
 * packed together do not.  The recorder's pairs help a process that was killed before it wrote its
 * second. */
static void fit_clocks(struct lode_info *info)
{
	struct lode_info_private *x = info->scratch;
	size_t n = x->pair_count + x->recorder_pair_count;
	struct lode_clock_pair *all = lode_alloc((n + 1) * sizeof(*all));
	for (size_t i = 0; i < x->pair_count; i++)
		all[i] = x->pairs[i].pair;
	if (x->recorder_pair_count)
		memcpy(all + x->pair_count, x->recorder_pairs,
		       x->recorder_pair_count * sizeof(*all));
	info->clock = lode_clock_fit(all, n, &info->is_clock_guessed);
	info->has_common_clock = lode_clock_agrees(&info->clock, all, n);
	x->recorder_clock = info->clock;
	free(all);
	if (!info->has_common_clock) {
		bool is_guess;
		x->recorder_clock =
			lode_clock_fit(x->recorder_pairs, x->recorder_pair_count, &is_guess);
	}
	for (size_t i = 0; i < info->process_count; i++)
		info->processes[i].clock =
			info->has_common_clock ? info->clock
					       : own_clock(x, (uint32_t)i, &info->is_clock_guessed);
}

static uint64_t time_of(const struct lode_info *info, uint32_t process, uint64_t ticks)
{
	const struct lode_clock *c = process == UINT32_MAX ? &info->scratch->recorder_clock
							   : &info->processes[process].clock;
	uint64_t ns = lode_clock_ns(c, ticks);
	return ns > info->origin_ns ? ns - info->origin_ns : 0;
}

/* The recorder names a pid; after an exec several streams have it, and the last of them ended. */
static void match_exits(struct lode_info *info)
{
	const struct lode_info_private *x = info->scratch;
	for (size_t i = 0; i < x->exit_count; i++) {
		struct lode_info_process *best = NULL;
		uint64_t ns = time_of(info, UINT32_MAX, x->exits[i].ticks);
		for (size_t k = 0; k < info->process_count; k++) {
			struct lode_info_process *p = &info->processes[k];
			if (p->pid == x->exits[i].pid && p->start_ns <= ns &&
			    (!best || p->start_ns >= best->start_ns))
				best = p;
		}
		if (!best)
			continue;
		best->exit_status = x->exits[i].status;
		best->is_gone = true;
		if (ns > best->end_ns)
			best->end_ns = ns;
	}
}

/* A process whose end nobody waited for: its main thread took leave, or an exec made a later stream
 * of its pid. */
static void find_gone(struct lode_info *info)
{
	struct lode_map last = {0};
	for (size_t i = 0; i < info->process_count; i++) {
		uint32_t *at = lode_map_put(&last, (uint64_t)info->processes[i].pid, (uint32_t)i);
		if (info->processes[i].start_ns >= info->processes[*at].start_ns)
			*at = (uint32_t)i;
	}
	for (size_t i = 0; i < info->process_count; i++) {
		struct lode_info_process *p = &info->processes[i];
		uint32_t thread =
			lode_map_get(&info->thread_of_key, key_of((uint32_t)i, (uint64_t)p->pid));
		p->is_gone |= thread != LODE_MAP_NONE && info->threads[thread].has_exited;
		p->is_gone |= lode_map_get(&last, (uint64_t)p->pid) != i;
	}
	lode_map_release(&last);
}

static void convert_process_times(struct lode_info *info)
{
	info->origin_ns = UINT64_MAX;
	for (size_t i = 0; i < info->process_count; i++) {
		struct lode_info_process *p = &info->processes[i];
		uint64_t ns = lode_clock_ns(&p->clock, p->start_ticks);
		if (ns < info->origin_ns) {
			info->origin_ns = ns;
			info->start_unix_ns = p->realtime_ns ? p->realtime_ns : info->start_unix_ns;
		}
	}
	for (size_t i = 0; i < info->process_count; i++) {
		struct lode_info_process *p = &info->processes[i];
		p->start_ns = time_of(info, (uint32_t)i, p->start_ticks);
		p->end_ns = time_of(info, (uint32_t)i, p->end_ticks);
	}
	match_exits(info);
	find_gone(info);
	for (size_t i = 0; i < info->process_count; i++)
		if (info->processes[i].end_ns > info->duration_ns)
			info->duration_ns = info->processes[i].end_ns;
}

static void convert_times(struct lode_info *info)
{
	convert_process_times(info);
	for (size_t i = 0; i < info->module_count; i++) {
		struct lode_info_module *m = &info->modules[i];
		m->loaded_ns = time_of(info, m->process, m->loaded_ns);
		if (m->gone_ns != UINT64_MAX)
			m->gone_ns = time_of(info, m->process, m->gone_ns);
	}
	for (size_t i = 0; i < info->notice_count; i++)
		info->notices[i].time_ns =
			time_of(info, info->notices[i].process, info->notices[i].time_ns);
	for (size_t i = 0; i < info->mark_count; i++)
		info->marks[i].time_ns =
			time_of(info, info->marks[i].process, info->marks[i].ticks);
	for (size_t i = 0; i < info->rss_count; i++)
		info->rss[i].time_ns = time_of(info, info->rss[i].process, info->rss[i].time_ns);
}

static int by_process_and_start(const void *a, const void *b)
{
	const struct lode_info_module *x = a, *y = b;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->epoch < y->epoch ? -1 : x->epoch > y->epoch;
}

static int by_mark_time(const void *a, const void *b)
{
	const struct lode_info_mark *x = a, *y = b;
	return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

static int by_rss_time(const void *a, const void *b)
{
	const struct lode_info_rss *x = a, *y = b;
	return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

static void sort(struct lode_info *info)
{
	if (info->module_count)
		qsort(info->modules, info->module_count, sizeof(*info->modules),
		      by_process_and_start);
	if (info->mark_count)
		qsort(info->marks, info->mark_count, sizeof(*info->marks), by_mark_time);
	if (info->rss_count)
		qsort(info->rss, info->rss_count, sizeof(*info->rss), by_rss_time);
	for (size_t i = 0; i < info->module_count; i++) {
		struct lode_info_process *p = &info->processes[info->modules[i].process];
		if (!p->module_count++)
			p->first_module = i;
	}
}

void lode_info_read(struct lode_info *info, struct lode_source *s)
{
	uint64_t events, samples, dropped;
	uint32_t first_errno;
	*info = (struct lode_info){0};
	info->path =
		lode_arena_intern(&info->arena, lode_source_path(s), strlen(lode_source_path(s)));
	info->scratch = lode_alloc_zeroed(1, sizeof(*info->scratch));
	info->is_log = lode_source_is_log(s);
	info->file_bytes = lode_source_bytes(s);
	info->start_unix_ns = lode_source_created_unix_ns(s);
	lode_source_lost(s, &events, &samples, &dropped, &first_errno);
	scan(info, s);
	/* a recorder that closed the file has copied the log's counters into its LOST record */
	info->lost_events = events > info->lost_events ? events : info->lost_events;
	info->lost_samples = samples > info->lost_samples ? samples : info->lost_samples;
	info->python_dropped = dropped > info->python_dropped ? dropped : info->python_dropped;
	info->first_errno = info->first_errno ? info->first_errno : first_errno;
	fit_clocks(info);
	convert_times(info);
	sort(info);
	free(info->scratch->pairs);
	free(info->scratch->recorder_pairs);
	free(info->scratch->exits);
	free(info->scratch);
	info->scratch = NULL;
}

void lode_info_release(struct lode_info *info)
{
	free(info->processes);
	free(info->threads);
	free(info->modules);
	free(info->codes);
	free(info->notices);
	free(info->marks);
	free(info->rss);
	lode_map_release(&info->process_of_stream);
	lode_map_release(&info->thread_of_key);
	lode_map_release(&info->code_of_key);
	lode_arena_release(&info->arena);
	*info = (struct lode_info){0};
}
