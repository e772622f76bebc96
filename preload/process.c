/* Streams, fork, exec and exit.  Contract in process.h. */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "capture.h"
#include "event.h"
#include "lane.h"
#include "life.h"
#include "modules.h"
#include "notice.h"
#include "os.h"
#include "python/alloc.h"
#include "python/code.h"
#include "python/interp.h"
#include "prof.h"
#include "sampler.h"
#include "segment.h"
#include "signals.h"
#include "stacks.h"
#include "thread.h"

uint32_t lode_stream;
int lode_pid;
bool lode_is_filtered;

/* What pthread_atfork comes down to in glibc.  Weak, as everything that musl lacks must be: its loader refuses to start a
 * program whose preloaded library has an unknown symbol (entry.c turns us off there). */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso)
	__attribute__((weak));
extern void *__dso_handle __attribute__((visibility("hidden")));

static char executable[4096], directory[4096], options[256];
static struct lode_event_bytes command_line;
static bool has_ended;

static void say_options(void)
{
	static const char *const memory[] = {"off", "full", "malloc", "sample"}, *const native[] = {"off", "full", "leaf"};
	lode_format(options, sizeof options, "rate=%u,memory=%s,sample=%u,native=%s,children=%u", lode_config.rate,
		    memory[lode_config.memory], lode_config.sample, native[lode_config.native], lode_config.children);
}

static void say_process(uint32_t begin, uint32_t parent_stream)
{
	ssize_t n = lode_os_readlink("/proc/self/exe", executable, sizeof executable - 1);
	executable[n > 0 ? n : 0] = 0;
	if (lode_os_getcwd(directory, sizeof directory) < 0)
		directory[0] = 0;
	say_options();
	struct lode_event_process e = {
		.pid = lode_pid, .parent_pid = lode_os_parent_pid(), .parent_stream = parent_stream, .begin = begin,
		.realtime_ns = lode_os_realtime_ns(), .options = options, .executable = executable,
		.directory = directory, .command_line = command_line,
	};
	lode_event_process(&e);
}

void lode_process_begin(uint32_t begin, uint32_t parent_stream)
{
	has_ended = false;
	say_process(begin, parent_stream);
	if (begin == LODE_BEGIN_FORK)
		lode_modules_fork_child(); /* no look at the loader's list: another thread may have held its lock */
	else
		lode_modules_refresh();
	if (begin == LODE_BEGIN_FORK && lode_interp_is_known())
		lode_event_python(lode_interp.hexversion, "inherited");
	lode_interp_look();
	if (begin != LODE_BEGIN_FORK) /* inherited */
		lode_python_alloc_check();
	if ((uintptr_t)lode_self > 1)
		lode_sampler_skip(lode_self);
	lode_gate->hooks_memory = lode_config.memory != LODE_MEMORY_OFF;
	lode_gate->is_on = 1;
}

/* ---- fork ----------------------------------------------------------------------------------- */

/* Other libraries' handlers run on either side of ours, and may wait for a thread that waits for us: nothing of ours that
 * a hook waits for is held across a fork.  The child makes every lock new; what they protect is changed by single stores
 * (thread.c, segment.c, stacks.c), so that a fork in the midst costs memory at worst.  Only the refresh of the module list
 * is waited for, which nobody else waits for: it alone uses the private allocator, and the loader's lock.
 *
 * Several threads may fork at once, and a handler of the program may fork inside a hook: the state is the thread's. */
static _Thread_local struct {
	uint64_t mask;
	uint32_t stream;
	uint32_t busy;  /* the fork was made by a signal handler, inside a hook */
	bool was_on;
	bool is_prepared;
} before_fork __attribute__((tls_model("initial-exec")));

static void fork_prepare(void)
{
	uint64_t all = ~UINT64_C(0);
	struct lode_thread *t = lode_self;
	before_fork.is_prepared = !lode_is_filtered;
	if (lode_is_filtered)
		return;
	lode_os_sigmask(SIG_BLOCK, &all, &before_fork.mask);
	before_fork.was_on = lode_gate->is_on;
	before_fork.stream = lode_stream;
	before_fork.busy = (uintptr_t)t > 1 ? t->busy : 0;
	if ((uintptr_t)t > 1)
		t->busy++;
	lode_modules_fork_prepare();
}

static void fork_parent(void)
{
	if (!before_fork.is_prepared)
		return;
	uint64_t mask = before_fork.mask;
	lode_modules_fork_parent();
	if ((uintptr_t)lode_self > 1)
		lode_self->busy--;
	lode_os_sigmask(SIG_SETMASK, &mask, NULL);
}

/* Locks and lists of the parent mean nothing here. */
static void forget_parent(void)
{
	lode_pid = lode_os_pid();
	lode_segment_fork_child();
	lode_thread_fork_child();
}

static void follow_child(void)
{
	lode_stream = __atomic_add_fetch(&lode_log->next_stream, 1, __ATOMIC_RELAXED);
	forget_parent();
	lode_stacks_fork_child();
	lode_code_fork_child();
	struct lode_thread *t = lode_self;
	if ((uintptr_t)t > 1) {
		t->busy = 2;
		lode_life_fork_child(t);
	} else { /* a thread that was never seen, or whose end was */
		lode_self = NULL;
		lode_gate->is_on = 1;
		if (!(t = lode_thread_enter_slow()))
			return;
	}
	lode_process_begin(LODE_BEGIN_FORK, before_fork.stream);
	t->busy = 0;
}

/* The child runs as if we were not there. */
static void leave_child(void)
{
	struct lode_thread *t = lode_self;
	if (before_fork.busy && (uintptr_t)t > 1)
		lode_lane_detach(t); /* the interrupted hook goes on writing */
	else
		forget_parent();
	lode_stream = 0;
	lode_segment_stop(0);
	lode_modules_fork_release();
	lode_prof_end();
	if ((uintptr_t)t > 1)
		t->busy = before_fork.busy;
}

static void fork_child(void)
{
	if (!before_fork.is_prepared) {
		lode_prof_end();
		return;
	}
	uint64_t mask = before_fork.mask;
	int saved = errno;
	if (before_fork.was_on && lode_config.children && !before_fork.busy)
		follow_child();
	else
		leave_child();
	errno = saved;
	lode_os_sigmask(SIG_SETMASK, &mask, NULL);
}

void lode_process_init(int argc, char **argv)
{
	size_t bytes = 0;
	for (int i = 0; i < argc && argv[i]; i++) {
		const char *end = argv[i];
		while (*end)
			end++;
		/* the kernel lays the arguments out one after the other; a changed vector is taken as far as it is so */
		if (i && argv[i] != argv[0] + bytes)
			break;
		bytes = (size_t)(end + 1 - argv[0]);
	}
	if (bytes > 32768)
		bytes = 32768;
	command_line = (struct lode_event_bytes){argc ? argv[0] : "", bytes};
	__register_atfork(fork_prepare, fork_parent, fork_child, __dso_handle);
}

/* ---- exec and exit -------------------------------------------------------------------------- */

static bool is_own_process(void)
{
	return !lode_is_filtered && (uintptr_t)lode_self > 1 && lode_gate->is_on && lode_os_pid() == lode_pid;
}

/* The program may pass a bad pointer, which is the kernel's to refuse. */
static const char *copy_path(const char *path, char *copy, size_t n)
{
	size_t i = 0;
	for (; i + 1 < n && lode_os_read_memory(path + i, copy + i, 1) && copy[i]; i++)
		;
	copy[i] = 0;
	return copy;
}

void lode_process_before_exec(const char *path)
{
	if (!is_own_process())
		return;
	struct lode_thread *t = lode_self;
	t->busy++;
	char copy[256];
	lode_event_exec(copy_path(path, copy, sizeof copy));
	lode_sampler_account_residue(t);
	lode_signals_before_exec(t);
}

void lode_process_after_failed_exec(void)
{
	if (!is_own_process())
		return;
	lode_signals_after_failed_exec(lode_self);
	lode_self->busy--;
}

void lode_process_before_filter(void)
{
	lode_notice(LODE_NOTICE_MISSING, "the program set a system call filter: nothing is recorded from here on");
	lode_sampler_account_residue(lode_self);
	lode_life_stop_timers();
	lode_prof_end();
	lode_segment_stop(0);
	lode_is_filtered = true;
	lode_gate->is_on = lode_gate->hooks_memory = 0; /* strict mode takes even the time stamp counter away */
}

void lode_process_end(void)
{
	if (has_ended || !is_own_process())
		return;
	struct lode_thread *t = lode_self;
	int saved = errno;
	has_ended = true;
	t->busy++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	lode_life_account_exit(t);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->busy--;
	errno = saved;
}
