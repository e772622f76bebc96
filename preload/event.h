/* THE FUNNEL: everything that is recorded passes here.
 *
 * The ordering invariants, stated once:
 *  - A release (free, the old block of a realloc, munmap) is stamped before the real call and an acquisition after
 *    it, so that for one address every free comes before the next allocation, whatever the threads.
 *  - An acquisition's stamp waits for the loads before it (rdtscp); a release's needs no fence, since its value is
 *    taken before the real call's first store can be seen.
 *  - realloc is both: release before, acquire after, and nothing is recorded where it fails.
 *  - Times within a lane never decrease; the reader merges lanes by time, releases first among equals.
 *  - Memory is counted once, at the outermost allocator: hooks inside a hook (busy) are passed through.
 *
 * Every function: errno kept; no libc allocation; no effect while recording is off. */
#ifndef LODE_EVENT_H
#define LODE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lode_thread;

/* Time stamps: lode_ticks_release() before the real call, clock.h. */

/* Context of the following: the hooks, thread marked busy, not in a signal. */
void lode_event_alloc(struct lode_thread *t, uint32_t how, const void *p, size_t bytes, uint32_t stack);
/* The same at a time of the caller's: where another lock orders the address' users (python/alloc.c). */
void lode_event_alloc_at(struct lode_thread *t, uint32_t how, const void *p, size_t bytes, uint32_t stack,
			 uint64_t time);
void lode_event_free(struct lode_thread *t, const void *p, uint64_t time);
void lode_event_map(struct lode_thread *t, uint32_t category, uintptr_t address, size_t bytes, uint32_t stack);
void lode_event_unmap(struct lode_thread *t, uintptr_t address, size_t bytes, uint64_t time);

/* An event that cannot be recorded: counted. */
void lode_event_lost(void);

/* Context: the signal handler, or a hook for a deferred one. */
void lode_event_sample(struct lode_thread *t, uint32_t flags, uint64_t weight_ns, uint32_t stack);

/* Definitions.  Context: any thread; the signal handler too (code only). */
struct lode_event_bytes {
	const void *data;
	size_t bytes;
};
void lode_event_module(uint32_t id, uint32_t epoch, uintptr_t bias, uintptr_t start, uintptr_t end,
		       struct lode_event_bytes build_id, const char *path);
void lode_event_module_gone(uint32_t id);
/* False when it could not be written (does not fit what the thread has claimed): try again later. */
bool lode_event_code(uint32_t id, uint32_t first_line, uint32_t python_version, struct lode_event_bytes file,
		     struct lode_event_bytes name, struct lode_event_bytes line_table);
void lode_event_python(uint32_t hexversion, const char *build);
void lode_event_notice(uint32_t severity, const char *text, size_t bytes);
void lode_event_mark(const char *name);
void lode_event_thread(int tid, const char *name);
void lode_event_thread_exit(int tid, uint64_t cpu_ns);
void lode_event_fork(int child);
void lode_event_exec(const char *path);

struct lode_event_process {
	int pid, parent_pid;
	uint32_t parent_stream, begin; /* enum lode_begin */
	uint64_t realtime_ns;
	const char *options, *executable, *directory;
	struct lode_event_bytes command_line; /* arguments, NUL after each */
};
void lode_event_process(const struct lode_event_process *e);

#endif
