/* struct lode_thread: everything the agent keeps for one thread, in one mapping; the one TLS object points to it.
 *
 * Life: made by the creator (pthread_create wrapper) or at a foreign thread's first hook; returned to a pool, with its open
 * segment, by a pthread key's destructor in its last round.  What the C library frees after that goes to one shared
 * struct under a spin lock (`orphans`), which no signal takes: a retired thread has no timer. */
#ifndef LODE_THREAD_H
#define LODE_THREAD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lode/format.h"
#include "python/walk.h"
#include "state.h"
#include "unwind.h"

#define LODE_NATIVE_DEPTH 1024u
#define LODE_PYTHON_DEPTH 1024u
#define LODE_STACK_DEPTH (LODE_NATIVE_DEPTH + LODE_PYTHON_DEPTH)
#define LODE_NATIVE_SLOTS 2048u
#define LODE_PYTHON_SLOTS 3072u
#define LODE_REPLAY_INDEX 2048u
#define LODE_PROBES 64u
#define LODE_PROBE_WORDS 32u
#define LODE_REPLAY_BYTES (512u * 1024u)
#define LODE_ALTERNATE_STACK_BYTES (32u * 1024u)
#define LODE_HANDLER_STACK_BYTES (24u * 1024u)

/* The encoder of the thread's records: see "Lane state" in format.h.  Written by the thread alone. */
struct lode_lane {
	uint8_t *at;    /* where the next record goes; NULL: no segment */
	uint8_t *limit; /* at <= limit: an event record fits */
	struct lode_segment_header *segment;
	struct lode_segment_header *spare; /* claimed ahead, for the signal handler */
	uint64_t last_time;
	uint64_t last_address; /* rotated */
	uint64_t addresses[LODE_SLOTS];
	struct {
		uint64_t size;
		uint32_t stack;
		uint32_t how;
	} sites[LODE_SLOTS];
};

enum lode_attention {
	LODE_ATTENTION_SAMPLE = 1,  /* a sample hit while busy */
	LODE_ATTENTION_PREPARE = 2, /* segments, nodes or code room want claiming ahead */
};

struct lode_frame_key { /* a frame as a node has it */
	uint64_t value;
	uint32_t aux;
};

/* Where the return addresses of the walks from one place lie: their values tell its many callers' paths apart. */
struct lode_probe {
	uintptr_t sp, pc;
	uint32_t count;
	uint32_t offset[LODE_PROBE_WORDS]; /* from sp, in bytes; all below the stack's upper end */
};

struct lode_thread {
	uint32_t busy;      /* inside the agent: the handler defers, hooks pass through.  1: a hook; others: no hook, or
	                       one that leaves the slow way */
	uint32_t attention; /* enum lode_attention; what to do when busy ends.  Set by the handler too */
	struct lode_lane lane;
	int tid;
	int timer;            /* kernel timer id; -1: none */
	uint64_t cpu_ns;      /* the thread's CPU clock at its last sample */
	uint64_t cpu_start_ns;
	uintptr_t hook_frame;  /* of the hook that made busy 1 */
	uintptr_t deferred_pc; /* where the deferred sample hit */
	uintptr_t stack_low, stack_high; /* 0, 0: unknown */
	uintptr_t start_routine;
	int64_t bytes_left; /* allocated bytes until a hook has something to do (sample.h): always, never, or a distance */
	uint64_t random;
	uint32_t unknown_code; /* walks that ended there */
	bool is_main;
	uint64_t start_room[6]; /* pthread_create's hand-over (hook_process.c) */
	bool blocks_prof;     /* the program believes that it blocks SIGPROF here (signals.c) */
	bool has_pending_prof;
	bool has_alternate;        /* ours stands in for the program's, which is too small */
	stack_t program_alternate;
	uint8_t pending_prof[128]; /* siginfo_t of the program's own SIGPROF that waits */
	struct lode_thread *next;     /* all threads of the process, under the list's lock */
	struct lode_thread *next_free;

	/* scratch of a capture; used by one capture at a time (busy, or in the handler) */
	struct lode_native_frame native[LODE_NATIVE_DEPTH];
	struct lode_python_frame python[LODE_PYTHON_DEPTH];
	struct lode_frame_key keys[LODE_STACK_DEPTH];
	/* the last stack interned, root first: the next one mostly begins the same (capture.c) */
	uint32_t path_depth;
	uint32_t path_ids[LODE_STACK_DEPTH + 1];
	struct lode_frame_key path_keys[LODE_STACK_DEPTH + 1];
	struct lode_slot native_slots[LODE_NATIVE_SLOTS];
	struct lode_slot python_slots[LODE_PYTHON_SLOTS];
	/* verified replay (capture.c) */
	uint32_t replay_used;
	uint32_t replay_index[LODE_REPLAY_INDEX];
	struct lode_probe probes[LODE_PROBES];
	uint8_t replay[LODE_REPLAY_BYTES] __attribute__((aligned(16)));
	uint8_t alternate[LODE_ALTERNATE_STACK_BYTES] __attribute__((aligned(64)));
	uint8_t handler_stack[LODE_HANDLER_STACK_BYTES] __attribute__((aligned(64)));
};

extern _Thread_local struct lode_thread *lode_self __attribute__((tls_model("initial-exec")));
#define LODE_THREAD_RETIRED ((struct lode_thread *)1)

/* Context: constructor. */
bool lode_thread_init(void);

/* A struct for a thread about to start, from the pool (with an open segment, maybe); NULL when memory is out.
 * Context: outside signals. */
struct lode_thread *lode_thread_new(void);
void lode_thread_free(struct lode_thread *t);

/* The struct of those that have none any more, locked (signals blocked) until left; NULL: the caller has it already. */
struct lode_thread *lode_thread_take_orphans(void);
void lode_thread_leave_orphans(void);
bool lode_thread_is_orphans(const struct lode_thread *t);

/* Context: a busy thread. */
void lode_thread_each(void (*visit)(struct lode_thread *t));

/* The child keeps only the calling thread; segments stay the parent's. */
void lode_thread_fork_child(void);

/* life.c: the first hook of a thread that nobody announced; or a retired one's late call: then the shared struct,
 * locked.  NULL: pass through. */
struct lode_thread *lode_thread_enter_slow(void);
void lode_thread_leave_slow(struct lode_thread *t, void *frame);

/* True when the hook that is marked busy cannot return: a handler of the program jumped out of it (siglongjmp), since code
 * runs above its frame on the same stack. */
static inline bool lode_thread_was_abandoned(const struct lode_thread *t, uintptr_t frame)
{
	return t->busy == 1 && frame > t->hook_frame && t->hook_frame >= t->stack_low && frame < t->stack_high;
}

/* Enters the agent: NULL when the hook must pass through (off, or already inside).
 * Cost: two loads and a store. */
static inline struct lode_thread *lode_thread_enter(void)
{
	struct lode_thread *t = lode_self;
	if (unlikely((uintptr_t)t <= 1 || !lode_gate->is_on))
		return lode_thread_enter_slow();
	uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
	if (unlikely(t->busy) && !lode_thread_was_abandoned(t, frame))
		return NULL;
	t->busy = 1;
	t->hook_frame = frame;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return t;
}

/* `frame`: the hook's own frame address, for a deferred sample. */
static inline void lode_thread_leave(struct lode_thread *t, void *frame)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (unlikely(t->attention | (t->busy - 1))) {
		lode_thread_leave_slow(t, frame);
		return;
	}
	t->busy = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (unlikely(t->attention))
		lode_thread_leave_slow(t, frame);
}

#endif
