/* Hooks of the signal functions: SIGPROF is answered from signals.c, everything else goes through. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <time.h>

#include "os.h"
#include "real.h"
#include "prof.h"
#include "signals_state.h"
#include "state.h"
#include "thread.h"

#define MINSIGSTKSZ_OF_KERNEL 2048 /* smaller ones it refuses */
#define OUR_HANDLER_BYTES 256      /* until it goes on on its own stack */

/* Not in a child of vfork: what it does to its signals before exec is none of its parent's business. */
static bool is_virtual(void)
{
	return lode_prof_is_on() && !lode_is_filtered && lode_os_pid() == lode_pid;
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

/* The older names come down to the same two functions. */
LODE_EXPORT lode_signal_handler sigset(int sig, lode_signal_handler handler)
{
	lode_real_resolve();
	if (sig != SIGPROF || !is_virtual())
		return lode_real.sigset(sig, handler);
	sigset_t prof, before;
	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	struct lode_os_sigaction old;
	lode_signals_get(&old);
	if (handler != SIG_HOLD)
		set_simple(handler, 0);
	sigprocmask(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &prof, &before);
	return sigismember(&before, SIGPROF) == 1 ? SIG_HOLD : (lode_signal_handler)(void *)old.handler;
}

LODE_EXPORT int sigignore(int sig)
{
	lode_real_resolve();
	if (sig != SIGPROF || !is_virtual())
		return lode_real.sigignore(sig);
	set_simple(SIG_IGN, 0);
	return 0;
}

LODE_EXPORT int siginterrupt(int sig, int interrupts)
{
	lode_real_resolve();
	if (sig != SIGPROF || !is_virtual())
		return lode_real.siginterrupt(sig, interrupts);
	struct lode_os_sigaction a;
	lode_signals_get(&a);
	a.flags = interrupts ? a.flags & ~(unsigned long)SA_RESTART : a.flags | SA_RESTART;
	lode_signals_set(&a);
	return 0;
}

static int hold(int sig, int how)
{
	sigset_t one;
	sigemptyset(&one);
	if (sigaddset(&one, sig) < 0)
		return -1;
	return sigprocmask(how, &one, NULL);
}

LODE_EXPORT int sighold(int sig)
{
	return hold(sig, SIG_BLOCK);
}

LODE_EXPORT int sigrelse(int sig)
{
	return hold(sig, SIG_UNBLOCK);
}

/* An alternate stack that is too small for the kernel's own frame (MINSIGSTKSZ is 2048, AVX-512 registers alone are
 * more) never mattered to a program whose signal does not come.  Ours does: then a larger one takes its place, and the
 * program is told of its own. */
LODE_EXPORT int sigaltstack(const stack_t *now, stack_t *before)
{
	lode_real_resolve();
	struct lode_thread *t = lode_self;
	stack_t old, larger;
	size_t least = getauxval(AT_MINSIGSTKSZ) + OUR_HANDLER_BYTES;
	if ((uintptr_t)t <= 1 || !is_virtual())
		return lode_real.sigaltstack(now, before);
	if (now && !(now->ss_flags & SS_DISABLE) && now->ss_size >= MINSIGSTKSZ_OF_KERNEL && now->ss_size < least) {
		larger = (stack_t){.ss_sp = t->alternate, .ss_size = sizeof t->alternate, .ss_flags = now->ss_flags};
		int r = lode_real.sigaltstack(&larger, &old);
		if (r == 0 && before)
			*before = t->has_alternate ? t->program_alternate : old;
		if (r == 0) {
			t->program_alternate = *now;
			t->has_alternate = true;
		}
		return r;
	}
	int r = lode_real.sigaltstack(now, &old);
	if (r == 0 && before) {
		*before = old;
		if (t->has_alternate) {
			*before = t->program_alternate;
			before->ss_flags = old.ss_flags;
		}
	}
	if (r == 0 && now)
		t->has_alternate = false;
	return r;
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

/* ---- waiting under another mask -------------------------------------------------------------- */

/* For the call the thread believes what `mask` says.  One of its own that waits is put into the kernel first, blocked, so
 * that it arrives inside the call. */
static bool wait_under(const sigset_t *mask, sigset_t *changed)
{
	bool was = lode_signals_blocked();
	*changed = *mask;
	sigdelset(changed, SIGPROF);
	lode_signals_believe_inside(sigismember(mask, SIGPROF) == 1);
	return was;
}

static int waited(bool was, int r)
{
	int saved = errno;
	lode_signals_believe(was);
	errno = saved;
	return r;
}

LODE_EXPORT int sigsuspend(const sigset_t *mask)
{
	lode_real_resolve();
	if (!is_virtual())
		return lode_real.sigsuspend(mask);
	sigset_t changed;
	bool was = wait_under(mask, &changed);
	return waited(was, lode_real.sigsuspend(&changed));
}

LODE_EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	lode_real_resolve();
	if (!mask || !is_virtual())
		return lode_real.ppoll(fds, n, timeout, mask);
	sigset_t changed;
	bool was = wait_under(mask, &changed);
	return waited(was, lode_real.ppoll(fds, n, timeout, &changed));
}

LODE_EXPORT int pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout, const sigset_t *mask)
{
	lode_real_resolve();
	if (!mask || !is_virtual())
		return lode_real.pselect(n, r, w, e, timeout, mask);
	sigset_t changed;
	bool was = wait_under(mask, &changed);
	return waited(was, lode_real.pselect(n, r, w, e, timeout, &changed));
}

LODE_EXPORT int epoll_pwait(int fd, struct epoll_event *events, int n, int timeout, const sigset_t *mask)
{
	lode_real_resolve();
	if (!mask || !is_virtual())
		return lode_real.epoll_pwait(fd, events, n, timeout, mask);
	sigset_t changed;
	bool was = wait_under(mask, &changed);
	return waited(was, lode_real.epoll_pwait(fd, events, n, timeout, &changed));
}
