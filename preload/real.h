/* The next definitions behind our hooks, resolved once in the constructor, or at the first call before it.
 * While the loader resolves them it may allocate: such calls are served from a small static arena, whose blocks are
 * recognised by address for ever. */
#ifndef LODE_REAL_H
#define LODE_REAL_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/types.h>

typedef void (*lode_signal_handler)(int);

/* X(member, symbol, return type, parameters) */
/* Two lists: what every C library has, and what is looked for without the loader's help (real.c). */
#define LODE_REAL_REQUIRED(X) \
	X(malloc, "malloc", void *, (size_t)) \
	X(free, "free", void, (void *)) \
	X(calloc, "calloc", void *, (size_t, size_t)) \
	X(realloc, "realloc", void *, (void *, size_t)) \
	X(reallocarray, "reallocarray", void *, (void *, size_t, size_t)) \
	X(posix_memalign, "posix_memalign", int, (void **, size_t, size_t)) \
	X(aligned_alloc, "aligned_alloc", void *, (size_t, size_t)) \
	X(memalign, "memalign", void *, (size_t, size_t)) \
	X(valloc, "valloc", void *, (size_t)) \
	X(pvalloc, "pvalloc", void *, (size_t)) \
	X(malloc_usable_size, "malloc_usable_size", size_t, (void *)) \
	X(mmap, "mmap", void *, (void *, size_t, int, int, int, off_t)) \
	X(munmap, "munmap", int, (void *, size_t)) \
	X(mremap, "mremap", void *, (void *, size_t, size_t, int, void *)) \
	X(brk, "brk", int, (void *)) \
	X(sbrk, "sbrk", void *, (intptr_t)) \
	X(pthread_create, "pthread_create", int, (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)) \
	X(dlopen, "dlopen", void *, (const char *, int)) \
	X(dlclose, "dlclose", int, (void *)) \
	X(execve, "execve", int, (const char *, char *const[], char *const[])) \
	X(execvpe, "execvpe", int, (const char *, char *const[], char *const[])) \
	X(fexecve, "fexecve", int, (int, char *const[], char *const[])) \
	X(exit_now, "_exit", void, (int)) \
	X(sigaction, "sigaction", int, (int, const struct sigaction *, struct sigaction *)) \
	X(signal, "signal", lode_signal_handler, (int, lode_signal_handler)) \
	X(pthread_sigmask, "pthread_sigmask", int, (int, const sigset_t *, sigset_t *)) \
	X(sigtimedwait, "sigtimedwait", int, (const sigset_t *, siginfo_t *, const struct timespec *)) \
	X(signalfd, "signalfd", int, (int, const sigset_t *, int)) \
	X(sigaltstack, "sigaltstack", int, (const stack_t *, stack_t *)) \
	X(sigset, "sigset", lode_signal_handler, (int, lode_signal_handler)) \
	X(sigignore, "sigignore", int, (int)) \
	X(siginterrupt, "siginterrupt", int, (int, int)) \
	X(sigsuspend, "sigsuspend", int, (const sigset_t *)) \
	X(ppoll, "ppoll", int, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *)) \
	X(pselect, "pselect", int, (int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *)) \
	X(epoll_pwait, "epoll_pwait", int, (int, struct epoll_event *, int, int, const sigset_t *)) \
	X(sigpending, "sigpending", int, (sigset_t *)) \
	X(prctl, "prctl", int, (int, unsigned long, unsigned long, unsigned long, unsigned long)) \
	X(syscall, "syscall", long, (long, long, long, long, long, long, long))

#define LODE_REAL_OPTIONAL(X) \
	X(cfree, "cfree", void, (void *)) \
	X(free_sized, "free_sized", void, (void *, size_t)) \
	X(free_aligned_sized, "free_aligned_sized", void, (void *, size_t, size_t)) \
	X(mallocx, "mallocx", void *, (size_t, int)) \
	X(rallocx, "rallocx", void *, (void *, size_t, int)) \
	X(xallocx, "xallocx", size_t, (void *, size_t, size_t, int)) \
	X(dallocx, "dallocx", void, (void *, int)) \
	X(sdallocx, "sdallocx", void, (void *, size_t, int))

#define LODE_REAL_LIST(X) LODE_REAL_REQUIRED(X) LODE_REAL_OPTIONAL(X)

struct lode_real {
#define X(member, symbol, type, parameters) type(*member) parameters;
	LODE_REAL_LIST(X)
#undef X
};
extern struct lode_real lode_real;

/* Context: constructor, or the first hook before it. */
void lode_real_resolve(void);
extern void *lode_real_dlopen __attribute__((visibility("hidden"))); /* for hook_dlopen.S */

bool lode_real_is_boot_block(const void *p);

/* The library whose operator new allocates without passing through malloc (it brings both), NULL: none.  What such a
 * library serves by new and delete is not seen.  Context: constructor. */
const char *lode_real_unseen_new(void);

#endif
