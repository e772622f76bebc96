/* Hooks of the signal functions: SIGPROF is answered from signals.c, everything else goes through. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <time.h>

#include "os.h"
#include "real.h"
#include "prof.h"
#include "signals_state.h"
#include "state.h"

static bool is_virtual(void)
{
	return lode_gate && lode_gate->is_on && lode_prof_is_on();
}

/* ---- dispositions --------------------------------------------------------------------------- */

static void to_kernel(const struct sigaction *from, struct lode_os_sigaction *to)
{
	to->handler = (void (*)(int, void *, void *))(void *)from->sa_sigaction;
	to->flags = (unsigned long)from->sa_flags;
	to->restorer = NULL;
	to->mask = from->sa_mask.__val[0];
}

static void to_program(const struct lode_os_sigaction *from, struct sigaction *to)
{
	*to = (struct sigaction){0};
	to->sa_sigaction = (void (*)(int, siginfo_t *, void *))(void *)from->handler;
	to->sa_flags = (int)(from->flags & ~0x04000000ul); /* SA_RESTORER is the C library's */
	to->sa_mask.__val[0] = from->mask;
}

LODE_EXPORT int sigaction(int sig, const struct sigaction *now, struct sigaction *before)
{
	lode_real_resolve();
	if (sig != SIGPROF || !is_virtual())
		return lode_real.sigaction(sig, now, before);
	struct lode_os_sigaction old, new;
	lode_signals_get(&old);
	if (now) {
		to_kernel(now, &new);
		lode_signals_set(&new);
	}
	if (before)
		to_program(&old, before);
	return 0;
}

static lode_signal_handler set_simple(lode_signal_handler handler, unsigned long flags)
{
	struct lode_os_sigaction old, new = {.handler = (void (*)(int, void *, void *))(void *)handler, .flags = flags};
	lode_signals_get(&old);
	lode_signals_set(&new);
	return (lode_signal_handler)(void *)old.handler;
}

LODE_EXPORT lode_signal_handler signal(int sig, lode_signal_handler handler)
{
	lode_real_resolve();
	if (sig != SIGPROF || !is_virtual())
		return lode_real.signal(sig, handler);
	return set_simple(handler, SA_RESTART);
}

lode_signal_handler bsd_signal(int sig, lode_signal_handler handler);
LODE_EXPORT lode_signal_handler bsd_signal(int sig, lode_signal_handler handler)
{
	return signal(sig, handler);
}

lode_signal_handler ssignal(int sig, lode_signal_handler handler);
LODE_EXPORT lode_signal_handler ssignal(int sig, lode_signal_handler handler)
{
	return signal(sig, handler);
}

/* System V semantics: once, and not masked (glibc's sysv_signal). */
static lode_signal_handler system_v(int sig, lode_signal_handler handler)
{
	if (sig == SIGPROF && is_virtual())
		return set_simple(handler, SA_RESETHAND | SA_NODEFER);
	struct sigaction now = {.sa_flags = (int)(SA_RESETHAND | SA_NODEFER)}, before;
	now.sa_handler = handler;
	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	lode_real_resolve();
	return lode_real.sigaction(sig, &now, &before) < 0 ? SIG_ERR : before.sa_handler;
}

lode_signal_handler sysv_signal(int sig, lode_signal_handler handler);
LODE_EXPORT lode_signal_handler sysv_signal(int sig, lode_signal_handler handler)
{
	return system_v(sig, handler);
}

lode_signal_handler __sysv_signal(int sig, lode_signal_handler handler);
LODE_EXPORT lode_signal_handler __sysv_signal(int sig, lode_signal_handler handler)
{
	return system_v(sig, handler);
}

/* ---- masks ---------------------------------------------------------------------------------- */

static int change_mask(int how, const sigset_t *set, sigset_t *before)
{
	bool was = lode_signals_blocked();
	bool names_it = set && sigismember(set, SIGPROF) == 1;
	sigset_t changed;
	if (names_it && how != SIG_UNBLOCK) {
		changed = *set;
		sigdelset(&changed, SIGPROF);
		set = &changed;
	}
	int r = lode_real.pthread_sigmask(how, set, before);
	if (r)
		return r;
	if (before) {
		sigdelset(before, SIGPROF);
		if (was)
			sigaddset(before, SIGPROF);
	}
	if (set && how == SIG_SETMASK)
		lode_signals_believe(names_it);
	else if (names_it)
		lode_signals_believe(how == SIG_BLOCK);
	return 0;
}

LODE_EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
	lode_real_resolve();
	return is_virtual() ? change_mask(how, set, before) : lode_real.pthread_sigmask(how, set, before);
}

LODE_EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *before)
{
	int r = pthread_sigmask(how, set, before);
	if (!r)
		return 0;
	errno = r;
	return -1;
}

/* ---- waiting -------------------------------------------------------------------------------- */

static void now_plus(const struct timespec *wait, struct timespec *end)
{
	clock_gettime(CLOCK_MONOTONIC, end);
	end->tv_sec += wait->tv_sec;
	end->tv_nsec += wait->tv_nsec;
	if (end->tv_nsec >= 1000000000) {
		end->tv_sec++;
		end->tv_nsec -= 1000000000;
	}
}

static void left_until(const struct timespec *end, struct timespec *left)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	left->tv_sec = end->tv_sec - now.tv_sec;
	left->tv_nsec = end->tv_nsec - now.tv_nsec;
	if (left->tv_nsec < 0) {
		left->tv_sec--;
		left->tv_nsec += 1000000000;
	}
	if (left->tv_sec < 0)
		left->tv_sec = left->tv_nsec = 0;
}

/* One of our own timer's signals may be waiting in the kernel: the program must not get it. */
static int wait_for(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	siginfo_t own;
	struct timespec end, left;
	unsigned at;
	if (timeout)
		now_plus(timeout, &end);
	lode_signals_wait_begin(&at);
	int r;
	for (;;) {
		r = lode_real.sigtimedwait(set, info ? info : &own, timeout);
		if (r != SIGPROF || !lode_prof_is_ours(info ? info : &own))
			break;
		if (timeout) {
			left_until(&end, &left);
			timeout = &left;
		}
	}
	int saved = errno;
	lode_signals_wait_end(at);
	errno = saved;
	return r;
}

LODE_EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	lode_real_resolve();
	if (!is_virtual() || sigismember(set, SIGPROF) != 1)
		return lode_real.sigtimedwait(set, info, timeout);
	return wait_for(set, info, timeout);
}

LODE_EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	return sigtimedwait(set, info, NULL);
}

LODE_EXPORT int sigwait(const sigset_t *set, int *sig)
{
	siginfo_t info;
	int r, saved = errno;
	do
		r = sigtimedwait(set, &info, NULL);
	while (r < 0 && errno == EINTR);
	int error = errno;
	errno = saved;
	if (r < 0)
		return error;
	*sig = r;
	return 0;
}

/* A descriptor cannot tell our signals from the program's, so it is made without SIGPROF, which hardly anybody sends:
 * the first one that does come ends the sampling (signals.c) and is read from it as it should be. */
LODE_EXPORT int signalfd(int fd, const sigset_t *set, int flags)
{
	lode_real_resolve();
	if (!is_virtual() || sigismember(set, SIGPROF) != 1)
		return lode_real.signalfd(fd, set, flags);
	sigset_t changed = *set;
	sigdelset(&changed, SIGPROF);
	int r = lode_real.signalfd(fd, &changed, flags);
	if (r >= 0)
		lode_signals_note_descriptor(r);
	return r;
}

LODE_EXPORT int sigpending(sigset_t *set)
{
	lode_real_resolve();
	int r = lode_real.sigpending(set);
	if (r == 0 && is_virtual()) {
		sigdelset(set, SIGPROF);
		if (lode_signals_is_pending())
			sigaddset(set, SIGPROF);
	}
	return r;
}
