/* A small preloaded agent around preload/python/: it takes stacks in malloc and in a signal handler and hands
 * them to Python test programs (through ctypes), which know what the stacks must be.
 *
 *   probe_walk     the stack of the caller            probe_caught  the stack of the last malloc of PROBE_SIZE bytes
 *   probe_name     a code object's recorded texts     probe_storm   signals at the process's threads for a while
 *   probe_counts   what went well and what did not
 *   probe_handler_mallocs  how often malloc was called below a signal handler: it must not
 * Every malloc also does what the agent's replay cache does, and then checks with a fresh walk that a replay that held
 * was right. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "notice.h"
#include "os.h"
#include "python/code.h"
#include "python/interp.h"
#include "python/walk.h"
#include "unwind.h"

#define EXPORT __attribute__((visibility("default")))
#define PROBE_SIZE 777777
#define DEPTH 2000
#define SLOTS (3 * DEPTH)

struct counts {
	uint64_t walks, frames, replay_hits, replay_misses, replay_wrong, unknown_code;
	uint64_t samples, sampled_frames, dropped, empty, impossible, with_gil, in_gc;
	uint64_t codes, code_deaths, refused, events, notices;
};
static struct counts counts;
#define COUNT(name, n) __atomic_fetch_add(&counts.name, n, __ATOMIC_RELAXED)

/* ---- what the agent would write ----------------------------------------------------------- */

#define CODES_MAX (1u << 18)
struct code_text {
	char file[80], name[60];
	uint32_t first_line, file_bytes, name_bytes, line_bytes, version;
	uint32_t rule;
};
static struct code_text *codes;
static uint32_t hexversion;
static char build[16], last_notice[200];
static bool refuse_events;

/* Functions of the storm's program, and who may call them. */
static const struct {
	const char *name, *callers;
} rules[] = {
	{"", ""},
	{"fib", " fib job_fib "},
	{"deep", " deep job_deep "},
	{"odd", " even job_parity "},
	{"even", " odd "},
	{"inner_generator", " outer_generator job_generator "}, /* the latter by closing the outer one */
	{"outer_generator", " job_generator "},
	{"thrower", " thrower job_exception "},
	{"key_function", " job_sort "},
	{"leaf_task", " middle_task "},
	{"middle_task", " task "},
	{"throw_away", " job_exec <module> "},
	{"Point.__init__", " job_objects "},
};

static bool may_call(uint32_t callee, uint32_t caller)
{
	char quoted[64];
	const char *name;

	if (!codes[callee].rule)
		return true;
	name = strrchr(codes[caller].name, '.');
	name = name && !strstr(codes[caller].name, "__init__") ? name + 1 : codes[caller].name;
	snprintf(quoted, sizeof(quoted), " %s ", name);
	return strstr(rules[codes[callee].rule].callers, quoted) != NULL;
}

static void copy_text(char *to, size_t n, struct lode_event_bytes from)
{
	size_t bytes = from.bytes < n - 1 ? from.bytes : n - 1;

	for (size_t i = 0; i < bytes; i++)
		to[i] = ((const char *)from.data)[i];
	to[bytes] = 0;
}

bool lode_event_code(uint32_t id, uint32_t first_line, uint32_t python_version, struct lode_event_bytes file,
		     struct lode_event_bytes name, struct lode_event_bytes line_table)
{
	if (refuse_events || id >= CODES_MAX) {
		COUNT(refused, 1);
		return false;
	}
	struct code_text *c = &codes[id];

	copy_text(c->file, sizeof(c->file), file);
	copy_text(c->name, sizeof(c->name), name);
	c->file_bytes = (uint32_t)file.bytes;
	c->name_bytes = (uint32_t)name.bytes;
	c->line_bytes = (uint32_t)line_table.bytes;
	c->first_line = first_line;
	c->version = python_version;
	for (uint32_t i = 1; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(c->name, rules[i].name) == 0)
			c->rule = i;
	COUNT(codes, 1);
	return true;
}

void lode_event_python(uint32_t version, const char *how)
{
	hexversion = version;
	snprintf(build, sizeof(build), "%s", how);
}

void lode_notice(enum lode_severity severity, const char *format, ...)
{
	va_list arguments;

	(void)severity;
	va_start(arguments, format);
	vsnprintf(last_notice, sizeof(last_notice), format, arguments);
	va_end(arguments);
	COUNT(notices, 1);
}

/* ---- threads ------------------------------------------------------------------------------ */

struct cached {
	uintptr_t state, frame, instruction;
	uint32_t generation, depth, slot_count;
	uint32_t hash;
	struct lode_slot slots[SLOTS];
};

#define CACHED 16
struct per_thread {
	struct lode_python_frame frames[DEPTH], sampled[DEPTH];
	struct lode_slot slots[SLOTS];
	struct cached cached[CACHED];
	uintptr_t stack_low, stack_high;
	int busy, tid;
	bool in_handler;
};

#define THREADS_MAX 256
static struct per_thread *all[THREADS_MAX];
static unsigned all_count;
static __thread struct per_thread *own __attribute__((tls_model("initial-exec")));
static __thread bool is_being_made __attribute__((tls_model("initial-exec")));

static struct per_thread *self(void)
{
	pthread_attr_t attributes;
	void *low;
	size_t bytes;

	if (own || is_being_made)
		return own;
	is_being_made = true;
	struct per_thread *t = lode_os_map(sizeof(*t));

	pthread_getattr_np(pthread_self(), &attributes);
	pthread_attr_getstack(&attributes, &low, &bytes);
	pthread_attr_destroy(&attributes);
	t->stack_low = (uintptr_t)low;
	t->stack_high = (uintptr_t)low + bytes;
	t->tid = (int)syscall(SYS_gettid);
	unsigned at = __atomic_fetch_add(&all_count, 1, __ATOMIC_RELAXED);

	if (at < THREADS_MAX)
		__atomic_store_n(&all[at], t, __ATOMIC_RELEASE);
	own = t;
	is_being_made = false;
	return t;
}

static pthread_key_t exit_key;
static void forget(void *p)
{
	struct per_thread *t = p;

	t->busy = 1;
	for (unsigned i = 0; i < THREADS_MAX; i++)
		if (all[i] == t)
			__atomic_store_n(&all[i], NULL, __ATOMIC_RELEASE);
}

/* ---- walks in hooks ----------------------------------------------------------------------- */

static void walk(struct per_thread *t, struct lode_python_walk *w)
{
	*w = (struct lode_python_walk){
		.stack_low = t->stack_low, .stack_high = t->stack_high, .frames = t->frames, .capacity = DEPTH,
		.slots = t->slots, .slot_capacity = SLOTS,
	};
	lode_python_walk(w);
	COUNT(walks, 1);
	COUNT(frames, w->depth);
}

static uint32_t hash_of(const struct lode_python_walk *w)
{
	uint32_t hash = w->flags & LODE_PYTHON_GC;

	for (uint32_t i = 0; i < w->depth; i++)
		hash = hash * 31 + lode_code_id(w->frames[i].code, false) * 7 + (uint32_t)w->frames[i].lasti +
		       (uint32_t)w->frames[i].anchor + w->frames[i].is_entry;
	return hash;
}

static bool holds(const struct cached *c)
{
	for (uint32_t i = 0; i < c->slot_count; i++)
		if (*c->slots[i].address != c->slots[i].value)
			return false;
	return true;
}

static void replay(struct per_thread *t)
{
	struct lode_python_walk w;

	lode_code_prepare();
	uintptr_t state = lode_python_state(), frame = 0, instruction = 0;

	if (!state || !lode_python_top(state, &frame, &instruction))
		return;
	struct cached *c = &t->cached[(frame / 8 + instruction / 2) % CACHED];
	bool is_hit = c->state == state && c->frame == frame && c->instruction == instruction &&
		      c->generation == lode_code_generation() && holds(c);

	walk(t, &w);
	uint32_t hash = hash_of(&w);

	for (uint32_t i = 0; i < w.depth; i++)
		if (!lode_code_id(w.frames[i].code, false))
			COUNT(unknown_code, 1);
	if (is_hit) {
		COUNT(replay_hits, 1);
		if (c->hash != hash || c->depth != w.depth)
			COUNT(replay_wrong, 1);
		return;
	}
	COUNT(replay_misses, 1);
	if (w.flags & (LODE_PYTHON_NOT_REPLAYABLE | LODE_PYTHON_DROPPED)) {
		c->state = 0;
		return;
	}
	c->state = state;
	c->frame = frame;
	c->instruction = instruction;
	c->generation = lode_code_generation();
	c->depth = w.depth;
	c->slot_count = w.slot_count;
	c->hash = hash;
	memcpy(c->slots, w.slots, w.slot_count * sizeof(w.slots[0]));
}

struct answer {
	uint64_t code;
	int32_t lasti;
	uint32_t id;
	uint64_t anchor;
	uint32_t is_entry, flags;
};
static struct answer caught[DEPTH];
static int caught_count;
static int eval_frames, entries;

static void answer(struct per_thread *t, struct answer *out, int *count)
{
	struct lode_python_walk w;

	walk(t, &w);
	for (uint32_t i = 0; i < w.depth; i++)
		out[i] = (struct answer){
			.code = w.frames[i].code, .lasti = w.frames[i].lasti,
			.id = lode_code_id(w.frames[i].code, false), .anchor = w.frames[i].anchor,
			.is_entry = w.frames[i].is_entry, .flags = w.flags,
		};
	*count = (int)w.depth;
}

/* Native frames inside the evaluation loop, found by the unwinder of libgcc: as many as entry frames. */
static void count_entries(void)
{
	void *native[4000];
	int n = backtrace(native, 4000);

	eval_frames = entries = 0;
	for (int i = 0; i < n; i++)
		eval_frames += lode_python_is_eval((uintptr_t)native[i] - 1);
	for (int i = 0; i < caught_count; i++)
		entries += caught[i].is_entry;
}

/* ---- hooks -------------------------------------------------------------------------------- */

static void *(*real_malloc)(size_t);
static bool is_on;
static uint64_t handler_mallocs;

EXPORT void *malloc(size_t bytes)
{
	if (!real_malloc)
		real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	if (own && own->in_handler)
		__atomic_fetch_add(&handler_mallocs, 1, __ATOMIC_RELAXED);
	void *p = real_malloc(bytes);
	struct per_thread *t = is_on && lode_interp_is_known() ? self() : NULL;

	if (!t || t->busy)
		return p;
	t->busy = 1;
	if (bytes >= PROBE_SIZE && bytes < PROBE_SIZE + 100) {
		answer(t, caught, &caught_count);
		count_entries();
	} else {
		replay(t);
	}
	t->busy = 0;
	return p;
}

EXPORT void *dlopen(const char *path, int flags)
{
	static void *(*real)(const char *, int);
	struct per_thread *t = self();

	if (!real)
		real = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
	void *p = real(path, flags);

	if (t && !t->busy) {
		t->busy = 1;
		lode_interp_look();
		t->busy = 0;
	}
	return p;
}

/* ---- signals ------------------------------------------------------------------------------ */

static char impossible_text[400];

static void check_edges(struct lode_python_walk *w)
{
	for (uint32_t i = 0; i + 1 < w->depth; i++) {
		uint32_t callee = lode_code_id(w->frames[i].code, true);
		uint32_t caller = lode_code_id(w->frames[i + 1].code, true);

		if (!callee || !caller) {
			COUNT(unknown_code, 1);
			return;
		}
		if (may_call(callee, caller))
			continue;
		COUNT(impossible, 1);
		snprintf(impossible_text, sizeof(impossible_text), "%s called by %s at depth %u of %u",
			 codes[callee].name, codes[caller].name, i, w->depth);
		return;
	}
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	int before = errno;
	struct per_thread *t = own;

	(void)sig, (void)info, (void)context;
	if (!t || t->busy)
		return;
	t->busy = 1;
	struct lode_python_walk w = {
		.in_signal = true, .stack_low = t->stack_low, .stack_high = t->stack_high,
		.frames = t->sampled, .capacity = DEPTH,
	};

	t->in_handler = true;
	lode_python_walk(&w);
	t->in_handler = false;
	COUNT(samples, 1);
	COUNT(sampled_frames, w.depth);
	if (w.flags & LODE_PYTHON_GIL)
		COUNT(with_gil, 1);
	if (w.flags & LODE_PYTHON_GC)
		COUNT(in_gc, 1);
	if (w.flags & LODE_PYTHON_DROPPED)
		COUNT(dropped, 1);
	else if (!w.depth)
		COUNT(empty, 1);
	check_edges(&w);
	t->busy = 0;
	errno = before;
}

static volatile bool is_storming;
static long storm_pause_ns;

static void *storm(void *unused)
{
	sigset_t every;

	(void)unused;
	sigfillset(&every);
	pthread_sigmask(SIG_BLOCK, &every, NULL);
	self()->busy = 1;
	while (is_storming) {
		for (unsigned i = 0; i < THREADS_MAX; i++) {
			struct per_thread *t = __atomic_load_n(&all[i], __ATOMIC_ACQUIRE);

			if (t && t != own)
				syscall(SYS_tgkill, getpid(), t->tid, SIGPROF);
		}
		struct timespec pause = {0, storm_pause_ns};

		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* ---- for Python --------------------------------------------------------------------------- */

EXPORT int probe_walk(struct answer *out)
{
	struct per_thread *t = self();
	int count;

	t->busy = 1;
	answer(t, out, &count);
	t->busy = 0;
	return count;
}

EXPORT int probe_caught(struct answer *out, int *native_loops, int *entry_frames)
{
	memcpy(out, caught, (size_t)caught_count * sizeof(*out));
	*native_loops = eval_frames;
	*entry_frames = entries;
	return caught_count;
}

EXPORT const struct code_text *probe_name(uint32_t id)
{
	return &codes[id];
}

EXPORT const struct counts *probe_counts(void)
{
	return &counts;
}

EXPORT uint64_t probe_handler_mallocs(void)
{
	return handler_mallocs;
}

EXPORT const char *probe_impossible(void)
{
	return impossible_text;
}

EXPORT const char *probe_notice(void)
{
	return last_notice;
}

EXPORT uint32_t probe_python(char *how)
{
	strcpy(how, build);
	return hexversion;
}

EXPORT uint32_t probe_generation(void)
{
	return lode_code_generation();
}

EXPORT void probe_refuse(int on)
{
	refuse_events = on;
}

EXPORT void probe_fork_child(void)
{
	lode_code_fork_child();
}

EXPORT int probe_eval(uint64_t *out)
{
	for (int i = 0; i < LODE_EVAL_PARTS; i++) {
		out[2 * i] = lode_interp.eval[i].start;
		out[2 * i + 1] = lode_interp.eval[i].end;
	}
	return LODE_EVAL_PARTS;
}

/* Nanoseconds of one walk of the caller's stack, of one replay check, of finding the state. */
EXPORT void probe_cost(double *walk_ns, double *slots_ns, double *state_ns, int *depth)
{
	struct per_thread *t = self();
	struct lode_python_walk w;
	struct timespec a, b;
	enum { ROUNDS = 20000 };

	t->busy = 1;
	for (int what = 0; what < 3; what++) {
		double *out = what == 0 ? walk_ns : what == 1 ? slots_ns : state_ns;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		for (int i = 0; i < ROUNDS; i++) {
			w = (struct lode_python_walk){.frames = t->frames, .capacity = DEPTH};
			if (what == 1) {
				w.slots = t->slots;
				w.slot_capacity = SLOTS;
			}
			if (what == 2)
				__asm__ volatile("" : : "r"(lode_python_state()) : "memory");
			else
				lode_python_walk(&w);
		}
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		*out = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / ROUNDS;
		if (what == 0)
			*depth = (int)w.depth;
	}
	t->busy = 0;
}

static pthread_t storm_thread;
EXPORT void probe_storm(long pause_ns)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

	if (pause_ns) {
		sigaction(SIGPROF, &action, NULL);
		storm_pause_ns = pause_ns;
		is_storming = true;
		pthread_create(&storm_thread, NULL, storm, NULL);
		return;
	}
	is_storming = false;
	pthread_join(storm_thread, NULL);
}

EXPORT void probe_on(int on)
{
	is_on = on;
}

static void *with_exit(void *(*routine)(void *), void *argument)
{
	struct per_thread *t = self();

	pthread_setspecific(exit_key, t);
	t->busy = 1;
	lode_code_prepare();
	t->busy = 0;
	void *result = routine(argument);

	forget(t);
	return result;
}

struct start {
	void *(*routine)(void *);
	void *argument;
};

static void *started(void *p)
{
	struct start start = *(struct start *)p;

	free(p);
	return with_exit(start.routine, start.argument);
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	struct start *start = malloc(sizeof(*start));

	if (!real)
		real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
			RTLD_NEXT, "pthread_create");
	*start = (struct start){routine, argument};
	return real(thread, attributes, started, start);
}

__attribute__((constructor)) static void begin(void)
{
	void *warm[2];

	backtrace(warm, 2); /* loads libgcc_s now */
	pthread_key_create(&exit_key, forget);
	codes = lode_os_map(CODES_MAX * sizeof(*codes));
	self()->busy = 1;
	lode_interp_look();
	own->busy = 0;
	is_on = getenv("PROBE_ON") != NULL;
}
