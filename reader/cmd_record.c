/* lode record: runs a program under the agent and leaves one packed file.
 *
 * Order of things: everything that can fail is tried before the program starts; from then on a failure of the recording
 * costs data and a message, never the program's result. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "collect.h"
#include "command_line.h"
#include "launch.h"
#include "lib/error.h"
#include "load.h"
#include "lode/options.h"
#include "out_text.h"
#include "packed.h"
#include "proc.h"
#include "target.h"
#include "ticks.h"

enum record_status { /* as env(1) and timeout(1) say it */
	STATUS_OWN_FAILURE = 125,
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
};

#define PAUSE_SHORT_MS 2
#define PAUSE_LONG_MS 16
#define STRAGGLERS_NS UINT64_C(2000000000) /* how long the rest of the tree may outlive the program */
#define NEWCOMERS_NS UINT64_C(200000000)   /* how long one may take to show itself */
#define SETTLE_MS 30                       /* agents see a stop with their next event */
#define LOAD_SECONDS_MAX 30
#define LOAD_RAW_MAX (UINT64_C(256) << 20) /* the summary replays recordings up to this: about two seconds */

struct recording {
	struct lode_record_options options;
	struct lode_target target;
	struct lode_launch launch;
	struct lode_packed file;
	struct lode_collect collect;
	char agent[4096];
	char words[256];
	char path[4096];      /* as the user would type it */
	uint64_t started_ns, duration_ns;
	bool is_closed;
};

/* ---- before the start --------------------------------------------------------------------- */

/* The agent lies beside the executable (build/) or in ../lib/lode (installed). */
static bool find_agent(char *out, size_t n)
{
	char self[2048];
	const char *given = getenv("LODE_LIBDIR");
	if (given && *given) {
		snprintf(out, n, "%s/liblode.so", given);
		return access(out, R_OK) == 0;
	}
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
	if (length <= 0)
		return false;
	self[length] = 0;
	*strrchr(self, '/') = 0;
	snprintf(out, n, "%s/liblode.so", self);
	if (access(out, R_OK) == 0)
		return true;
	*(strrchr(self, '/') ? strrchr(self, '/') : self) = 0;
	snprintf(out, n, "%s/lib/lode/liblode.so", self);
	return access(out, R_OK) == 0;
}

static int check_agent(struct recording *r)
{
	char *absolute;
	if (!find_agent(r->agent, sizeof r->agent)) {
		lode_error("the agent liblode.so is not beside lode; build it with 'make', or set LODE_LIBDIR");
		return STATUS_OWN_FAILURE;
	}
	absolute = realpath(r->agent, NULL);
	if (absolute)
		snprintf(r->agent, sizeof r->agent, "%s", absolute);
	free(absolute);
	if (strpbrk(r->agent, " :")) { /* LD_PRELOAD's separators; ld.so(8) knows no quoting */
		lode_error("'%s' cannot be preloaded: its path holds a blank or a colon; put lode elsewhere", r->agent);
		return STATUS_OWN_FAILURE;
	}
	return -1;
}

static int check_target(struct recording *r)
{
	const char *command = r->options.command[0];
	struct lode_target *t = &r->target;

	lode_target_inspect(command, t);
	switch (t->verdict) {
	case LODE_TARGET_OK:
		return -1;
	case LODE_TARGET_NOT_FOUND:
		lode_error("cannot run '%s': %s", t->path, t->reason);
		return STATUS_NOT_FOUND;
	case LODE_TARGET_NOT_EXECUTABLE:
		lode_error("cannot run '%s': %s", t->path, t->reason);
		return STATUS_NOT_EXECUTABLE;
	case LODE_TARGET_REFUSED:
		break;
	}
	if (r->options.force_run)
		return -1;
	lode_error("cannot profile '%s': %s (--force-run runs it unprofiled)", t->path, t->reason);
	return STATUS_OWN_FAILURE;
}

static bool runs_with_agent(const struct recording *r)
{
	return r->target.verdict == LODE_TARGET_OK;
}

/* ---- names -------------------------------------------------------------------------------- */

static bool expand_pattern(const struct lode_record_options *o, pid_t pid, char *out, size_t n)
{
	const char *pattern = o->output ? o->output : "%n.%p.lode";
	size_t used = 0;
	for (const char *p = pattern; *p; p++) {
		int wrote;
		if (p[0] == '%' && p[1] == 'p')
			wrote = snprintf(out + used, n - used, "%d", (int)pid), p++;
		else if (p[0] == '%' && p[1] == 'n')
			wrote = snprintf(out + used, n - used, "%s", o->name), p++;
		else
			wrote = snprintf(out + used, n - used, "%c", *p), p += p[0] == '%' && p[1] == '%';
		used += (size_t)wrote;
		if (used >= n)
			return false;
	}
	return used > 0;
}

/* The log's absolute path: the program may change its directory.  NULL: there is none. */
static char *log_path(const char *path)
{
	char *out = NULL, *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
	if (path[0] == '/' || cwd)
		if (asprintf(&out, "%s%s%s.log", cwd ? cwd : "", cwd ? "/" : "", path) < 0)
			out = NULL;
	free(cwd);
	if (out && strlen(out) >= sizeof((struct recording *)0)->path) {
		free(out);
		return NULL;
	}
	return out;
}

/* Makes both files.  Returns -1 to go on, else the exit status. */
static int create_files(struct recording *r, char **log)
{
	static const int status[] = {
		[-LODE_PACKED_EXISTS] = LODE_STATUS_USAGE,
		[-LODE_PACKED_FAILED] = STATUS_OWN_FAILURE,
	};
	if (!expand_pattern(&r->options, r->launch.pid, r->path, sizeof r->path - sizeof ".log") ||
	    !(*log = log_path(r->path))) {
		lode_error("record: the output's name is empty, too long, or its directory is gone");
		return STATUS_OWN_FAILURE;
	}
	enum lode_packed_status s = lode_packed_create(&r->file, r->path, r->options.force);
	if (s != LODE_PACKED_OK)
		return status[-s];
	s = lode_collect_init(&r->collect, &r->file, *log, r->options.force);
	if (s == LODE_PACKED_OK)
		return -1;
	unlink(r->path);
	return status[-s];
}

/* ---- while it runs ------------------------------------------------------------------------ */

static void note(struct recording *r, unsigned severity, const char *text)
{
	lode_collect_notice(&r->collect, severity, text);
	if (severity)
		lode_warn("%s", text);
}

static void note_what_is_missing(struct recording *r)
{
	char text[512];
	if (!runs_with_agent(r)) {
		snprintf(text, sizeof text, "nothing was recorded of '%.100s': %s", r->target.path, r->target.reason);
		note(r, 1, text);
	} else if (r->collect.streams == 0) {
		note(r, 1, "no agent attached: the program did not load liblode.so, so nothing was recorded");
	}
	if (r->target.warning[0])
		note(r, 1, r->target.warning);
}

/* Closes the file; the program may still be there.  What the log lacks to be the recording is in the file and the
 * other way round, so the log goes only when the file is whole. */
static void close_recording(struct recording *r)
{
	struct lode_collect *c = &r->collect;

	note_what_is_missing(r);
	lode_collect_finish(c);
	r->duration_ns = lode_monotonic_ns() - r->started_ns;
	int error = c->is_broken ? 0 : lode_packed_close(&r->file);
	if (error < 0) {
		c->is_broken = true;
		lode_warn("cannot finish '%s': %s; it is readable together with '%s'", r->path, strerror(-error),
			  c->log_path);
	}
	r->is_closed = true;
}

/* Waits once; collects.  True when the program is over. */
static bool step(struct recording *r, unsigned *pause_ms)
{
	bool is_over = lode_launch_wait(&r->launch, *pause_ms);
	if (!r->is_closed) {
		size_t taken = lode_collect_pass(&r->collect);
		*pause_ms = taken ? 0 : *pause_ms < PAUSE_SHORT_MS ? PAUSE_SHORT_MS : 2 * *pause_ms;
	}
	if (r->is_closed || *pause_ms > PAUSE_LONG_MS)
		*pause_ms = r->is_closed ? 1000 : PAUSE_LONG_MS;
	return is_over;
}

static void settle(struct recording *r)
{
	lode_collect_stop(&r->collect);
	lode_launch_wait(&r->launch, SETTLE_MS);
}

static void follow_program(struct recording *r)
{
	uint64_t end = r->options.duration_ns > 0 ? r->started_ns + (uint64_t)r->options.duration_ns : UINT64_MAX;
	unsigned pause_ms = PAUSE_SHORT_MS;

	while (!step(r, &pause_ms)) {
		if (r->is_closed || lode_monotonic_ns() < end)
			continue;
		settle(r);
		close_recording(r);
	}
}

/* Processes that were forked but have written nothing yet know the log by their environment. */
static bool has_newcomers(const struct recording *r, uint64_t waited_ns)
{
	char variable[4200];
	if (waited_ns > NEWCOMERS_NS || !runs_with_agent(r) || r->options.no_children)
		return false;
	snprintf(variable, sizeof variable, "%s=%s", LODE_ENV_OUTPUT, r->collect.log_path);
	return lode_proc_any_with_variable(variable);
}

/* The program is over; others of its tree may not be: they get a moment to end. */
static void follow_stragglers(struct recording *r)
{
	uint64_t begin = lode_monotonic_ns(), waited = 0;
	char text[200];
	size_t n;

	lode_collect_pass(&r->collect);
	while ((n = lode_collect_live(&r->collect)) > 0 || has_newcomers(r, waited)) {
		waited = lode_monotonic_ns() - begin;
		if (waited > STRAGGLERS_NS)
			break;
		usleep(PAUSE_SHORT_MS * 1000);
		lode_collect_pass(&r->collect);
	}
	if (n == 0)
		return;
	snprintf(text, sizeof text, "%zu process%s outlived the program by %d s: recorded up to here", n,
		 n == 1 ? "" : "es", (int)(STRAGGLERS_NS / 1000000000));
	note(r, 1, text);
	settle(r);
}

/* ---- afterwards --------------------------------------------------------------------------- */

static int64_t replay_peak(const char *path)
{
	const char *files[] = { path };
	struct lode_load_options o = { .files = files, .file_count = 1, .no_symbols = true, .quiet = true };
	struct lode_profile *p = NULL;
	if (lode_load(&o, &p) == LODE_LOAD_FAILED || !p || !p->self[LODE_MEASURE_PEAK])
		return -1;
	return p->total[LODE_MEASURE_PEAK];
}

/* Peak of live memory by replay, while that is quick; -1: not known.  In a process of its own: the program's status is
 * lode's to pass on, whatever the replay of its recording comes to. */
static int64_t peak_bytes(const struct recording *r)
{
	int64_t peak = -1;
	int ends[2];

	if (!strcmp(r->options.memory, "off") || r->file.raw_bytes > LOAD_RAW_MAX || r->collect.events == 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		setrlimit(RLIMIT_CPU, &(struct rlimit){ LOAD_SECONDS_MAX, LOAD_SECONDS_MAX });
		peak = replay_peak(r->path);
		_exit(write(ends[1], &peak, sizeof peak) != (ssize_t)sizeof peak);
	}
	close(ends[1]);
	if (read(ends[0], &peak, sizeof peak) != (ssize_t)sizeof peak)
		peak = -1;
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return peak;
}

static void print_summary(const struct recording *r)
{
	char size[LODE_UNIT_MAX], time[LODE_UNIT_MAX], events[LODE_UNIT_MAX], samples[LODE_UNIT_MAX],
		lost[LODE_UNIT_MAX], peak[LODE_UNIT_MAX], rss[LODE_UNIT_MAX];
	const struct lode_collect *c = &r->collect;
	int64_t live = peak_bytes(r);

	fprintf(stderr, "lode: %s: %s, %s, %s events, %s samples, %s lost", r->path,
		lode_format_bytes(size, (int64_t)r->file.bytes), lode_format_ns(time, (int64_t)r->duration_ns),
		lode_format_count(events, (int64_t)c->events), lode_format_count(samples, (int64_t)c->samples),
		lode_format_count(lost, (int64_t)(c->lost_events + c->lost_samples)));
	if (live >= 0)
		fprintf(stderr, ", peak %s", lode_format_bytes(peak, live));
	if (c->rss_peak_bytes)
		fprintf(stderr, "%s resident %s", live >= 0 ? "," : ", peak",
			lode_format_bytes(rss, (int64_t)c->rss_peak_bytes));
	fputc('\n', stderr);
	if (c->events)
		fprintf(stderr, "lode: next: lode report %s\n            lode flame %s\n            lode leaks %s\n", r->path,
			r->path, r->path);
}

static void print_broken(const struct recording *r)
{
	fprintf(stderr, "lode: '%s' and '%s' together hold the recording; with space: lode pack %s -o OUT\n", r->path,
		r->collect.log_path, r->path);
}

static int start(struct recording *r)
{
	char *log = NULL;
	const struct lode_launch_plan plan = {
		.argv = r->options.command,
		.agent = runs_with_agent(r) ? r->agent : NULL,
		.options = r->words,
	};
	if (lode_launch_fork(&r->launch, &plan) < 0)
		return STATUS_OWN_FAILURE;
	int status = create_files(r, &log);
	if (status >= 0) {
		lode_launch_cancel(&r->launch);
		free(log);
		return status;
	}
	r->started_ns = lode_monotonic_ns();
	int error = lode_launch_go(&r->launch, log);
	free(log);
	if (error == 0)
		return -1;
	lode_error("cannot run '%s': %s", r->options.command[0], strerror(error));
	unlink(r->path);
	return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

static int record(struct recording *r)
{
	int status = check_target(r);
	if (status < 0 && runs_with_agent(r))
		status = check_agent(r);
	if (status < 0)
		status = start(r);
	if (status >= 0)
		return status;

	follow_program(r);
	if (!r->is_closed) {
		lode_collect_exit(&r->collect, (uint32_t)r->launch.pid, (uint32_t)r->launch.status);
		follow_stragglers(r);
		close_recording(r);
	}
	if (r->collect.is_broken)
		print_broken(r);
	else if (!r->options.quiet)
		print_summary(r);
	return -1;
}

int lode_cmd_record(int argc, char **argv)
{
	struct recording *r = lode_alloc_zeroed(1, sizeof *r);
	r->file.fd = r->collect.log_fd = -1;

	int status = lode_record_options_parse(&r->options, argc, argv);
	bool ran = false;
	if (status < 0) {
		lode_record_options_words(&r->options, r->words, sizeof r->words);
		status = record(r);
		ran = status < 0;
	}
	struct lode_launch launch = r->launch;
	lode_collect_release(&r->collect);
	lode_packed_release(&r->file);
	lode_record_options_release(&r->options);
	free(r);
	return ran ? lode_launch_end(&launch) : status;
}
