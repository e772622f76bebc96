/* Streams, fork, exec and exit.  Contract in process.h. */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "capture.h"
#include "event.h"
#include "life.h"
#include "mem.h"
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
static uint64_t mask_before_fork;
static uint32_t stream_before_fork;
static bool was_on;
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
	lode_gate->hooks_memory = lode_config.memory != LODE_MEMORY_OFF;
	lode_gate->is_on = 1;
}

/* ---- fork ----------------------------------------------------------------------------------- */

/* Registered first, so prepare runs last and the others run first: other libraries' handlers are seen as usual. */
static void fork_prepare(void)
{
	uint64_t all = ~UINT64_C(0);
	lode_os_sigmask(SIG_BLOCK, &all, &mask_before_fork);
	was_on = lode_gate->is_on;
	stream_before_fork = lode_stream;
	if ((uintptr_t)lode_self > 1)
		lode_self->busy++;
	lode_thread_lock_all();
	lode_segment_lock();
	lode_modules_fork_prepare();
	lode_mem_fork_prepare();
}

static void fork_parent(void)
{
	lode_mem_fork_parent();
	lode_modules_fork_parent();
	lode_segment_unlock();
	lode_thread_unlock_all();
	if ((uintptr_t)lode_self > 1)
		lode_self->busy--;
	uint64_t mask = mask_before_fork;
	lode_os_sigmask(SIG_SETMASK, &mask, NULL);
}

static void begin_child(void)
{
	lode_pid = lode_os_pid();
	lode_stream = __atomic_add_fetch(&lode_log->next_stream, 1, __ATOMIC_RELAXED);
	lode_segment_fork_child();
	lode_thread_fork_child();
	lode_stacks_fork_child();
	lode_code_fork_child();
	struct lode_thread *t = lode_self;
	if ((uintptr_t)t > 1) {
		t->busy = 1;
		lode_life_fork_child(t);
	}
	lode_process_begin(LODE_BEGIN_FORK, stream_before_fork);
}

static void fork_child(void)
{
	lode_mem_fork_child();
	uint64_t mask = mask_before_fork;
	if (was_on && lode_config.children) {
		int saved = errno;
		begin_child();
		errno = saved;
	} else {
		lode_prof_end();
	}
	if ((uintptr_t)lode_self > 1)
		lode_self->busy = 0;
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

void lode_process_before_exec(const char *path)
{
	if (!is_own_process())
		return;
	struct lode_thread *t = lode_self;
	t->busy++;
	lode_event_exec(path);
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
