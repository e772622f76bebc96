/* System calls, made directly: no libc wrapper, no errno, no cancellation point, none of our own hooks.
 * Results are the kernel's: >= 0, or -errno.  Context: any thread, any signal, unless said otherwise. */
#ifndef LODE_OS_H
#define LODE_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Private anonymous memory, zeroed, not reserved against swap; NULL when the kernel refuses. */
void *lode_os_map(size_t bytes);
void lode_os_unmap(void *p, size_t bytes);

/* Maps `bytes` of the open file `fd` at `offset`, shared and writable; NULL when the kernel refuses. */
void *lode_os_map_file(int fd, uint64_t offset, size_t bytes);

/* Opens with O_CLOEXEC | O_NOFOLLOW and moves the descriptor out of the way (>= 512 where the limit allows). */
int lode_os_open(const char *path, int flags, unsigned mode);
int lode_os_close(int fd);
ssize_t lode_os_read(int fd, void *buf, size_t n);
/* Allocates the range on disk; fails rather than raising SIGXFSZ when RLIMIT_FSIZE is in the way. */
int lode_os_allocate(int fd, uint64_t offset, uint64_t bytes);
int lode_os_fstat_identity(int fd, uint64_t *device, uint64_t *inode, uint64_t *bytes);
ssize_t lode_os_readlink(const char *path, char *buf, size_t n);
ssize_t lode_os_getcwd(char *buf, size_t n);

int lode_os_pid(void);
int lode_os_parent_pid(void);
int lode_os_tid(void);

uint64_t lode_os_monotonic_ns(void);
uint64_t lode_os_realtime_ns(void);
/* CPU time of the calling thread, of the whole process. */
uint64_t lode_os_thread_cpu_ns(void);
uint64_t lode_os_process_cpu_ns(void);

/* Copies from this process without faulting: true when all of it could be read. */
bool lode_os_read_memory(const void *from, void *to, size_t n);

/* mmap and its kind as the kernel has them: for pass-through before the loader is done, and for the private allocator.
 * mmap returns MAP_FAILED on error. */
void *lode_os_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int lode_os_munmap(void *p, size_t bytes);
int lode_os_madvise(void *p, size_t bytes, int advice);
int lode_os_mprotect(void *p, size_t bytes, int protection);

/* The calling thread's name, 16 bytes. */
void lode_os_thread_name(char name[16]);

/* The end of the readable pages from `from` on, `pages` (at most 16) pages at most; one system call.  For stacks
 * whose bounds nobody told us (coroutines). */
uintptr_t lode_os_readable_end(uintptr_t from, unsigned pages);

/* Makes the kernel zero the pages in every child, however it is forked. */
int lode_os_wipe_on_fork(void *p, size_t bytes);

/* Reads the stack's bounds of the main thread, from /proc/self/maps and the stack pointer. */
bool lode_os_main_stack(uintptr_t *low, uintptr_t *high);

/* Per-thread CPU-time timer that sends SIGPROF to `tid` with `cookie`; returns the timer id or -errno. */
int lode_os_timer_create(int tid, const void *cookie, int *timer);
int lode_os_timer_set(int timer, uint64_t first_ns, uint64_t period_ns);
int lode_os_timer_delete(int timer);

/* The kernel's view of SIGPROF and of the masks, past the hooks. */
struct lode_os_sigaction {
	void (*handler)(int, void *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};
int lode_os_sigaction(int sig, const struct lode_os_sigaction *now, struct lode_os_sigaction *before);
int lode_os_sigmask(int how, const uint64_t *set, uint64_t *before);

/* Sends the calling thread a signal with the given siginfo_t. */
int lode_os_sigqueue_self(int sig, const void *info);
int lode_os_sigqueue(int tid, int sig, const void *info);
/* The same to another thread, or to the process (tid 0): arrives as SI_QUEUE where it was sent by kill. */
int lode_os_sigqueue_as_queued(int tid, int sig, const void *info);
/* The set that a signalfd reads, and changing it. */
int lode_os_descriptor_mask(int fd, uint64_t *mask);
int lode_os_signalfd(int fd, uint64_t mask);

void lode_os_yield(void);
void lode_os_sleep_ns(uint64_t ns);
/* Between two tries for a lock: the first ones yield, later ones sleep (the owner may have a lower priority). */
void lode_os_wait(unsigned tries);

/* A regular file that belongs to the effective user or root and that nobody else may write. */
bool lode_os_is_own_file(int fd);

#endif
