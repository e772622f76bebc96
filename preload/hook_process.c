/* Hooks of threads, exec, exit and the loader. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "life.h"
#include "modules.h"
#include "os.h"
#include "process.h"
#include "python/interp.h"
#include "real.h"
#include "signals.h"
#include "signals_state.h"
#include "thread.h"

extern char **environ;

#define LATE_LOOKS 256u

/* ---- threads -------------------------------------------------------------------------------- */

struct start {
	void *(*routine)(void *);
	void *argument;
	struct lode_thread *thread;
	size_t stack_bytes;
	bool creator_blocks;
};

static size_t stack_bytes_of(const pthread_attr_t *attributes)
{
	static size_t usual;
	size_t n = 0;
	if (attributes && pthread_attr_getstacksize(attributes, &n) == 0 && n)
		return n;
	if (!usual) {
		pthread_attr_t a;
		pthread_attr_init(&a);
		pthread_attr_getstacksize(&a, &usual);
		pthread_attr_destroy(&a);
	}
	return usual;
}

/* The first frame of every thread of the program. */
static void *run(void *argument)
{
	struct start s = *(struct start *)argument;
	if (lode_self)
		lode_thread_free(s.thread); /* somebody was quicker: a hook before the first line */
	else {
		/* glibc keeps a thread's descriptor at the upper end of its stack */
		uintptr_t high = (uintptr_t)pthread_self();
		lode_life_begin(s.thread, high - s.stack_bytes, high, (uintptr_t)s.routine);
	}
	if ((uintptr_t)lode_self > 1)
		lode_signals_begin_thread(lode_self, s.creator_blocks);
	return s.routine(s.argument);
}

LODE_EXPORT int pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument)
{
	lode_real_resolve();
	struct lode_thread *t = lode_thread_enter();
	if (!t)
		return lode_real.pthread_create(id, attributes, routine, argument);
	int r;
	lode_clock_is_shared = true;
	struct lode_thread *child = lode_thread_new();
	if (child) {
		struct start *s = (struct start *)child->start_room;
		_Static_assert(sizeof *s <= sizeof child->start_room, "room");
		*s = (struct start){routine, argument, child, stack_bytes_of(attributes), lode_signals_blocked()};
		r = lode_real.pthread_create(id, attributes, run, s);
		if (r)
			lode_thread_free(child);
	} else {
		r = lode_real.pthread_create(id, attributes, routine, argument);
	}
	lode_thread_leave(t, __builtin_frame_address(0));
	return r;
}

/* ---- exec ----------------------------------------------------------------------------------- */

static int exec_failed(int r)
{
	int saved = errno;
	lode_process_after_failed_exec();
	errno = saved;
	return r;
}

LODE_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	lode_real_resolve();
	lode_process_before_exec(path);
	return exec_failed(lode_real.execve(path, argv, envp));
}

LODE_EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

LODE_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	lode_real_resolve();
	lode_process_before_exec(file);
	return exec_failed(lode_real.execvpe(file, argv, envp));
}

LODE_EXPORT int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

LODE_EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	lode_real_resolve();
	lode_process_before_exec("(descriptor)");
	return exec_failed(lode_real.fexecve(fd, argv, envp));
}

/* The list forms gather their arguments on the stack, as the C library does; POSIX bounds them by ARG_MAX, we by this. */
#define LIST_MAX 1024

static int gather(const char *first, va_list rest, const char **argv)
{
	int n = 0;
	argv[n++] = first;
	while (first && n < LIST_MAX && (argv[n++] = va_arg(rest, const char *)))
		;
	if (argv[n - 1] == NULL)
		return 0;
	errno = E2BIG;
	return -1;
}

LODE_EXPORT int execl(const char *path, const char *first, ...)
{
	const char *argv[LIST_MAX];
	va_list rest;
	va_start(rest, first);
	int r = gather(first, rest, argv);
	va_end(rest);
	return r < 0 ? r : execve(path, (char *const *)argv, environ);
}

LODE_EXPORT int execlp(const char *file, const char *first, ...)
{
	const char *argv[LIST_MAX];
	va_list rest;
	va_start(rest, first);
	int r = gather(first, rest, argv);
	va_end(rest);
	return r < 0 ? r : execvpe(file, (char *const *)argv, environ);
}

LODE_EXPORT int execle(const char *path, const char *first, ...)
{
	const char *argv[LIST_MAX];
	va_list rest;
	va_start(rest, first);
	int r = gather(first, rest, argv);
	char *const *envp = r < 0 ? NULL : va_arg(rest, char *const *);
	va_end(rest);
	return r < 0 ? r : execve(path, (char *const *)argv, envp);
}

/* ---- exit ----------------------------------------------------------------------------------- */

LODE_EXPORT void _exit(int status)
{
	lode_real_resolve();
	lode_process_end();
	lode_real.exit_now(status);
	__builtin_unreachable();
}

LODE_EXPORT void _Exit(int status)
{
	_exit(status);
}

/* ---- system call filters -------------------------------------------------------------------- */

/* From here on our own calls may be fatal: the program's wish comes first. */
static void filter_comes(void)
{
	struct lode_thread *t = lode_thread_enter();
	if (!t)
		return;
	lode_process_before_filter();
	lode_thread_leave(t, __builtin_frame_address(0));
}

LODE_EXPORT int prctl(int option, ...)
{
	va_list rest;
	va_start(rest, option);
	unsigned long a[4];
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(rest, unsigned long);
	va_end(rest);
	lode_real_resolve();
	if (option == PR_SET_SECCOMP || (option == PR_SET_TSC && a[0] == PR_TSC_SIGSEGV))
		filter_comes();
	return lode_real.prctl(option, a[0], a[1], a[2], a[3]);
}

LODE_EXPORT long syscall(long number, ...)
{
	va_list rest;
	va_start(rest, number);
	long a[6];
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(rest, long);
	va_end(rest);
	lode_real_resolve();
	bool is_set = a[0] == SECCOMP_SET_MODE_STRICT ? a[1] == 0 : a[0] == SECCOMP_SET_MODE_FILTER && a[2];
	if (number == SYS_seccomp && is_set)
		filter_comes();
	return lode_real.syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- the loader ----------------------------------------------------------------------------- */

static void modules_changed(void)
{
	struct lode_thread *t = lode_thread_enter();
	if (!t)
		return;
	int saved = errno;
	lode_modules_refresh();
	lode_interp_look();
	lode_thread_leave(t, __builtin_frame_address(0));
	errno = saved;
}

/* dlopen looks at its caller: for the RUNPATH where a name without slash is searched, for $ORIGIN.  Such calls jump on
 * with the caller's return address untouched (hook_dlopen.S) and the refresh is taken up later; all others are
 * called from here, which changes nothing for them. */
bool lode_dlopen_needs_caller(const char *name);
bool lode_dlopen_needs_caller(const char *name)
{
	lode_real_resolve();
	lode_real_dlopen = (void *)lode_real.dlopen; /* another library's constructor may come before ours */
	bool has_slash = false, has_token = false;
	for (const char *c = name; c && *c; c++) {
		has_slash |= *c == '/';
		has_token |= *c == '$';
	}
	bool needs = name && (!has_slash || has_token);
	if (needs) {
		__atomic_store_n(&lode_life_late_looks, LATE_LOOKS, __ATOMIC_RELAXED);
		lode_modules_want_refresh();
	}
	return needs;
}

void *lode_dlopen_plain(const char *name, int mode);
void *lode_dlopen_plain(const char *name, int mode)
{
	void *handle = lode_real.dlopen(name, mode);
	modules_changed();
	return handle;
}

LODE_EXPORT int dlclose(void *handle)
{
	lode_real_resolve();
	int r = lode_real.dlclose(handle);
	modules_changed();
	return r;
}
