/* From files to a profile: source -> info -> replay -> frames -> tree.  Contract in load.h. */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frames.h"
#include "info.h"
#include "lib/error.h"
#include "moment.h"
#include "owned.h"
#include "replay.h"
#include "source.h"
#include "symbols.h"
#include "tree.h"

#define NONE UINT32_MAX

struct loading {
	const struct lode_load_options *options;
	struct lode_profile *profile;
	struct lode_arena *strings;
	struct lode_tree tree;
	struct lode_symbols *symbols;
	regex_t focus, ignore;
	bool has_focus, has_ignore;
	bool has_memory, has_cpu; /* some process recorded it */
	bool has_process;         /* one that was asked for */
	size_t recording_count;   /* that take part */
	uint64_t peak_bytes;	  /* the highest of a recording: its time is the profile's */
};

struct recording { /* one file of several */
	char *path;
	const char *moment; /* after the @; NULL: none */
	struct lode_source *source;
	struct lode_info info;
	struct lode_replay_options replay;
	struct lode_replay_result result;
	bool *processes, *threads;		/* which take part */
	uint32_t *process_index, *thread_index; /* in the profile; NONE: not there */
};

static const char *keep(struct loading *l, const char *s)
{
	return lode_arena_intern(l->strings, s, strlen(s));
}

/* ---- choosing ----------------------------------------------------------------------------- */

static int compile(regex_t *re, bool *is_set, const char *text)
{
	char why[256];
	if (!text)
		return 0;
	int r = regcomp(re, text, REG_EXTENDED | REG_NOSUB);
	if (r) {
		regerror(r, re, why, sizeof(why));
		return lode_error("'%s' is not a regular expression: %s", text, why);
	}
	*is_set = true;
	return 0;
}

/* FILE@MOMENT, unless a file has that very name. */
static void split_moment(struct recording *rec, const char *file)
{
	rec->path = lode_copy_string(file);
	char *at = strrchr(rec->path, '@');
	if (at && at != rec->path && access(file, F_OK) && lode_moment_is(at + 1)) {
		*at = 0;
		rec->moment = at + 1;
	}
}

static bool is_chosen_process(const struct lode_load_options *o, const struct lode_info_process *p)
{
	for (size_t i = 0; i < o->pid_count; i++)
		if (o->pids[i] == p->pid)
			return true;
	return !o->pid_count;
}

static bool is_chosen_thread(const struct lode_load_options *o, const struct lode_info_thread *t)
{
	for (size_t i = 0; i < o->thread_count; i++) {
		char *end;
		long long id = strtoll(o->threads[i], &end, 10);
		if (!strcmp(o->threads[i], t->name) || (*o->threads[i] && !*end && id == t->tid))
			return true;
	}
	return !o->thread_count;
}

/* Which processes and threads take part; false: none of those that were asked for is here. */
static bool choose(struct loading *l, struct recording *rec)
{
	const struct lode_load_options *o = l->options;
	const struct lode_info *info = &rec->info;
	size_t processes = 0, threads = 0;
	rec->processes = lode_alloc_zeroed(info->process_count, sizeof(bool));
	rec->threads = lode_alloc_zeroed(info->thread_count, sizeof(bool));
	for (size_t i = 0; i < info->process_count; i++)
		processes += rec->processes[i] = is_chosen_process(o, &info->processes[i]);
	for (size_t i = 0; i < info->thread_count; i++)
		threads += rec->threads[i] = rec->processes[info->threads[i].process] &&
					     is_chosen_thread(o, &info->threads[i]);
	rec->replay.processes = o->pid_count ? rec->processes : NULL;
	rec->replay.threads = o->thread_count ? rec->threads : NULL;
	l->has_process |= processes;
	return (processes || !o->pid_count) && (threads || !o->thread_count);
}

static enum lode_load_status say_none(const struct loading *l)
{
	const struct lode_load_options *o = l->options;
	if (o->pid_count && !l->has_process)
		lode_error("no process %" PRId64 " in '%s': see lode info", o->pids[0],
			   o->files[0]);
	else
		lode_error("no thread '%s' in '%s': see lode info", o->threads[0], o->files[0]);
	return LODE_LOAD_NONE;
}

/* ---- the range ---------------------------------------------------------------------------- */

struct range {
	struct lode_moment from, to, at;
	bool has_at;
};

static int find_range(const struct lode_load_options *o, struct recording *rec, struct range *range)
{
	const char *from = o->from, *to = o->to, *at = o->at;
	if (rec->moment)
		to = at = rec->moment; /* the recording as if it had ended there */
	*range = (struct range){.to.key = UINT64_MAX, .at.key = UINT64_MAX, .has_at = at};
	if ((from && lode_moment_find(from, &rec->info, &range->from)) ||
	    (to && lode_moment_find(to, &rec->info, &range->to)) ||
	    (at && lode_moment_find(at, &rec->info, &range->at)))
		return -1;
	return 0;
}

/* A range that begins or ends at the peak needs to know first when that is: one more pass. */
static uint64_t peak_key(struct recording *rec, const struct range *range)
{
	struct lode_replay_options o = rec->replay;
	struct lode_replay_result found;
	o.from = range->from.kind == LODE_MOMENT_PEAK ? 0 : range->from.key;
	o.to = range->to.kind == LODE_MOMENT_PEAK ? UINT64_MAX : range->to.key;
	o.at = o.to;
	o.want_timeline = false;
	lode_replay(&rec->info, rec->source, &o, &found);
	uint64_t key = found.peak_key;
	lode_replay_release(&found);
	return key;
}

static int set_range(struct loading *l, struct recording *rec)
{
	struct range range;
	struct lode_replay_options *o = &rec->replay;
	o->split_threads = l->options->split_threads;
	o->want_timeline = l->options->want_timeline;
	o->has_progress = !l->options->quiet;
	if (find_range(l->options, rec, &range))
		return -1;
	bool is_from_peak = range.from.kind == LODE_MOMENT_PEAK,
	     is_to_peak = range.to.kind == LODE_MOMENT_PEAK;
	uint64_t peak = is_from_peak || is_to_peak ? peak_key(rec, &range) : 0;
	o->from = is_from_peak ? peak : range.from.key;
	o->to = is_to_peak ? peak : range.to.key;
	o->is_at_peak = range.has_at && range.at.kind == LODE_MOMENT_PEAK;
	o->at = range.has_at ? range.at.key : o->to;
	if (o->to < o->from)
		return lode_error(
			"the range of '%s' ends before it begins: exchange --from and --to",
			rec->path);
	return 0;
}

/* ---- into the profile --------------------------------------------------------------------- */

#define EXTEND(array, count, more) \
	((array) = lode_realloc((array), ((count) + (more) + 1) * sizeof(*(array))))

static void add_processes(struct loading *l, struct recording *rec)
{
	struct lode_profile *p = l->profile;
	const struct lode_info *info = &rec->info;
	rec->process_index = lode_alloc_zeroed(info->process_count, sizeof(uint32_t));
	EXTEND(p->processes, p->process_count, info->process_count);
	for (size_t i = 0; i < info->process_count; i++) {
		const struct lode_info_process *from = &info->processes[i];
		rec->process_index[i] = NONE;
		if (!rec->processes[i])
			continue;
		rec->process_index[i] = (uint32_t)p->process_count;
		p->processes[p->process_count++] = (struct lode_profile_process){
			.stream = from->stream,
			.pid = from->pid,
			.parent_pid = from->parent_pid,
			.command = keep(l, from->command),
			.executable = keep(l, from->executable),
			.start_ns = from->start_ns,
			.end_ns = from->end_ns,
			.exit_status = from->exit_status,
			.cpu_ns = rec->result.processes[i].cpu_ns,
			.peak_bytes = rec->result.processes[i].peak_bytes,
		};
		l->has_memory |= !from->has_memory_off;
		l->has_cpu |= !from->has_cpu_off;
	}
}

static void add_threads(struct loading *l, struct recording *rec)
{
	struct lode_profile *p = l->profile;
	const struct lode_info *info = &rec->info;
	rec->thread_index = lode_alloc_zeroed(info->thread_count, sizeof(uint32_t));
	EXTEND(p->threads, p->thread_count, info->thread_count);
	for (size_t i = 0; i < info->thread_count; i++) {
		const struct lode_info_thread *from = &info->threads[i];
		rec->thread_index[i] = NONE;
		if (rec->process_index[from->process] == NONE)
			continue;
		rec->thread_index[i] = (uint32_t)p->thread_count;
		p->threads[p->thread_count++] = (struct lode_profile_thread){
			.process = rec->process_index[from->process],
			.tid = from->tid,
			.name = keep(l, from->name),
			.cpu_ns = i < rec->result.thread_count ? rec->result.thread_cpu_ns[i] : 0,
		};
	}
}

static void add_notice(struct loading *l, uint32_t process, uint32_t severity, const char *text)
{
	struct lode_profile *p = l->profile;
	EXTEND(p->notices, p->notice_count, 1);
	p->notices[p->notice_count++] =
		(struct lode_profile_notice){process, severity, keep(l, text)};
}

static void add_notices(struct loading *l, struct recording *rec)
{
	const struct lode_info *info = &rec->info;
	for (size_t i = 0; i < info->notice_count; i++) {
		const struct lode_info_notice *n = &info->notices[i];
		uint32_t process = n->process == NONE ? NONE : rec->process_index[n->process];
		if (n->process == NONE || process != NONE)
			add_notice(l, process, n->severity, n->text);
	}
	if (info->first_errno && (info->lost_events || info->lost_samples))
		add_notice(l, NONE, 1,
			   lode_arena_print(l->strings,
					    "events were lost: the log could not grow (%s)",
					    strerror((int)info->first_errno)));
}

static void add_counts(uint64_t *to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += from[i];
}

static void add_stats(struct loading *l, const struct recording *rec)
{
	struct lode_profile_stats *to = &l->profile->stats;
	const struct lode_profile_stats *from = &rec->result.stats;
	double seconds = to->read_seconds + from->read_seconds;
	/* all but the last member are counts: as many 64-bit integers */
	_Static_assert(offsetof(struct lode_profile_stats, read_seconds) % sizeof(uint64_t) == 0,
		       "layout");
	add_counts((uint64_t *)to, (const uint64_t *)from,
		   offsetof(struct lode_profile_stats, read_seconds) / sizeof(uint64_t));
	to->read_seconds = seconds;
	to->recording_bytes += rec->info.file_bytes;
	to->raw_bytes += rec->info.raw_bytes;
	to->blocks += rec->info.block_count;
}

static void add_points(struct lode_profile *p, const struct lode_replay_result *r)
{
	if (!r->point_count)
		return;
	if (!p->points) {
		p->points = lode_alloc(r->point_count * sizeof(*p->points));
		memcpy(p->points, r->points, r->point_count * sizeof(*p->points));
		p->point_count = r->point_count;
		return;
	}
	for (size_t i = 0; i < r->point_count && i < p->point_count; i++) {
		p->points[i].live_bytes += r->points[i].live_bytes;
		p->points[i].rss_bytes += r->points[i].rss_bytes;
		p->points[i].cpu_ns += r->points[i].cpu_ns;
	}
}

static void add_header(struct loading *l, const struct recording *rec)
{
	struct lode_profile *p = l->profile;
	const struct lode_info *info = &rec->info;
	const struct lode_replay_result *r = &rec->result;
	const char *name = strrchr(rec->path, '/');
	name = name ? name + 1 : rec->path;
	p->title =
		p->title ? lode_arena_print(l->strings, "%s, %s", p->title, name) : keep(l, name);
	if (!p->start_unix_ns || info->start_unix_ns < p->start_unix_ns)
		p->start_unix_ns = info->start_unix_ns;
	if (info->duration_ns > p->duration_ns)
		p->duration_ns = info->duration_ns;
	if (r->to_ns > p->to_ns)
		p->to_ns = r->to_ns;
	p->from_ns = r->from_ns;
	p->at_ns = r->at_ns;
	if (r->peak_bytes >= l->peak_bytes) {
		l->peak_bytes = r->peak_bytes;
		p->peak_time_ns = r->peak_ns;
	}
	p->events += r->stats.allocations + r->stats.frees + r->stats.maps + r->stats.unmaps +
		     r->stats.samples;
	p->lost_events += info->lost_events;
	p->lost_samples += info->lost_samples;
	p->python_dropped += info->python_dropped;
	p->is_truncated |= lode_source_is_damaged(rec->source);
	p->is_clock_guessed |= info->is_clock_guessed;
	l->has_memory |= r->has_memory_events;
	l->has_cpu |= r->has_samples;
}

static void say_problem(void *to, const char *problem)
{
	struct loading *l = to;
	const char *text =
		lode_arena_print(l->strings, "functions are shown without names: %s", problem);
	for (size_t i = 0; i < l->profile->notice_count; i++)
		if (!strcmp(l->profile->notices[i].text, text))
			return;
	add_notice(l, NONE, 1, text);
}

static void add_frames(struct loading *l, struct recording *rec)
{
	const struct lode_load_options *o = l->options;
	struct lode_frames_options frames = {
		.only_native = o->only_native,
		.only_python = o->only_python,
		.split_threads = o->split_threads,
		.split_processes = o->split_processes,
		.no_lines = o->no_lines,
		.process_index = rec->process_index,
		.thread_index = rec->thread_index,
		.say_problem = say_problem,
		.to = l,
	};
	lode_frames_add(&l->tree, &rec->info, &rec->result, l->symbols, &frames);
}

static enum lode_load_status add_recording(struct loading *l, const char *file)
{
	struct recording rec = {0};
	enum lode_load_status status = LODE_LOAD_FAILED;
	split_moment(&rec, file);
	if (!lode_source_open(rec.path, &rec.source)) {
		lode_info_read(&rec.info, rec.source);
		bool is_chosen = choose(l, &rec);
		status = !is_chosen ? LODE_LOAD_NONE
			 : set_range(l, &rec) ? LODE_LOAD_USAGE
					      : LODE_LOAD_OK;
	}
	if (status == LODE_LOAD_OK) {
		l->recording_count++;
		lode_replay(&rec.info, rec.source, &rec.replay, &rec.result);
		add_header(l, &rec);
		add_processes(l, &rec);
		add_threads(l, &rec);
		add_notices(l, &rec);
		add_stats(l, &rec);
		add_points(l->profile, &rec.result);
		add_frames(l, &rec);
	}
	lode_replay_release(&rec.result);
	lode_info_release(&rec.info);
	lode_source_close(rec.source);
	free(rec.processes);
	free(rec.threads);
	free(rec.process_index);
	free(rec.thread_index);
	free(rec.path);
	return status;
}

static enum lode_load_status load(struct loading *l)
{
	const struct lode_load_options *o = l->options;
	struct lode_symbols_options symbols = {.sysroot = o->sysroot};
	if (compile(&l->focus, &l->has_focus, o->focus) ||
	    compile(&l->ignore, &l->has_ignore, o->ignore))
		return LODE_LOAD_USAGE;
	lode_tree_init(&l->tree, l->strings, l->has_focus ? &l->focus : NULL,
		       l->has_ignore ? &l->ignore : NULL);
	if (!o->no_symbols)
		l->symbols = lode_symbols_new(&symbols);
	for (size_t i = 0; i < o->file_count; i++) {
		enum lode_load_status status = add_recording(l, o->files[i]);
		if (status != LODE_LOAD_OK && status != LODE_LOAD_NONE)
			return status;
	}
	if (!l->recording_count)
		return say_none(l);
	lode_tree_finish(&l->tree, l->profile, l->has_memory, l->has_cpu);
	return l->profile->is_truncated ? LODE_LOAD_DAMAGED : LODE_LOAD_OK;
}

enum lode_load_status lode_load(const struct lode_load_options *o, struct lode_profile **out)
{
	struct loading l = {.options = o};
	*out = NULL;
	if (!o->file_count) {
		lode_error("no recording given: lode record makes one");
		return LODE_LOAD_USAGE;
	}
	l.profile = lode_alloc_zeroed(1, sizeof(*l.profile));
	l.profile->owned = lode_alloc_zeroed(1, sizeof(*l.profile->owned));
	l.strings = &l.profile->owned->strings;
	enum lode_load_status status = load(&l);
	lode_tree_release(&l.tree);
	if (l.symbols)
		lode_symbols_free(l.symbols);
	if (l.has_focus)
		regfree(&l.focus);
	if (l.has_ignore)
		regfree(&l.ignore);
	if (status == LODE_LOAD_OK || status == LODE_LOAD_DAMAGED)
		*out = l.profile;
	else
		lode_profile_free(l.profile);
	return status;
}
