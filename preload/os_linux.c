/* Raw Linux system calls.  Contracts in os.h.  Numbers and layouts: the kernel's uapi headers, x86-64. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#define HIGH_FD 512 /* nobody aims dup2 at numbers up here */

static inline long call6(long n, long a, long b, long c, long d, long e, long f)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#define call(n, a, b, c, d) call6((n), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static bool is_error(long r)
{
	return r < 0 && r >= -4095;
}

void *lode_os_map(size_t bytes)
{
	long r = call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return is_error(r) ? NULL : (void *)r;
}

void lode_os_unmap(void *p, size_t bytes)
{
	call(SYS_munmap, p, bytes, 0, 0);
}

void *lode_os_map_file(int fd, uint64_t offset, size_t bytes)
{
	long r = call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (long)offset);
	return is_error(r) ? NULL : (void *)r;
}

void *lode_os_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	long r = call6(SYS_mmap, (long)at, (long)bytes, protection, flags, fd, offset);
	return is_error(r) ? MAP_FAILED : (void *)r;
}

int lode_os_munmap(void *p, size_t bytes)
{
	return (int)call(SYS_munmap, p, bytes, 0, 0);
}

int lode_os_madvise(void *p, size_t bytes, int advice)
{
	return (int)call(SYS_madvise, p, bytes, advice, 0);
}

int lode_os_mprotect(void *p, size_t bytes, int protection)
{
	return (int)call(SYS_mprotect, p, bytes, protection, 0);
}

void lode_os_thread_name(char name[16])
{
	name[0] = 0;
	call(SYS_prctl, PR_GET_NAME, name, 0, 0);
}

int lode_os_wipe_on_fork(void *p, size_t bytes)
{
	return (int)call(SYS_madvise, p, bytes, MADV_WIPEONFORK, 0);
}

int lode_os_open(const char *path, int flags, unsigned mode)
{
	int fd = (int)call(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0 || fd >= HIGH_FD)
		return fd;
	int high = (int)call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HIGH_FD, 0);
	if (high < 0)
		return fd; /* RLIMIT_NOFILE is small: the low one has to do for the moment */
	call(SYS_close, fd, 0, 0, 0);
	return high;
}

int lode_os_close(int fd)
{
	return (int)call(SYS_close, fd, 0, 0, 0);
}

ssize_t lode_os_read(int fd, void *buf, size_t n)
{
	return call(SYS_read, fd, buf, n, 0);
}

/* For file systems without fallocate (NFSv3, some FUSE). */
static int write_zeros(int fd, uint64_t offset, uint64_t bytes)
{
	static const char zeros[4096];
	for (uint64_t done = 0; done < bytes;) {
		uint64_t n = bytes - done < sizeof zeros ? bytes - done : sizeof zeros;
		long r = call(SYS_pwrite64, fd, zeros, n, offset + done);
		if (r < 0 && r != -EINTR)
			return (int)r;
		done += r > 0 ? (uint64_t)r : 0;
	}
	return 0;
}

int lode_os_allocate(int fd, uint64_t offset, uint64_t bytes)
{
	struct rlimit limit;
	if (call(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &limit) == 0 && offset + bytes > limit.rlim_cur)
		return -EFBIG; /* the kernel would send SIGXFSZ to the program */
	long r;
	do
		r = call(SYS_fallocate, fd, 0, offset, bytes);
	while (r == -EINTR);
	return r == -EOPNOTSUPP ? write_zeros(fd, offset, bytes) : (int)r;
}

int lode_os_fstat_identity(int fd, uint64_t *device, uint64_t *inode, uint64_t *bytes)
{
	struct stat s;
	long r = call(SYS_fstat, fd, &s, 0, 0);
	if (r == 0) {
		*device = s.st_dev;
		*inode = s.st_ino;
		*bytes = (uint64_t)s.st_size;
	}
	return (int)r;
}

ssize_t lode_os_readlink(const char *path, char *buf, size_t n)
{
	return call(SYS_readlink, path, buf, n, 0);
}

ssize_t lode_os_getcwd(char *buf, size_t n)
{
	return call(SYS_getcwd, buf, n, 0, 0);
}

int lode_os_pid(void)
{
	return (int)call(SYS_getpid, 0, 0, 0, 0);
}

int lode_os_parent_pid(void)
{
	return (int)call(SYS_getppid, 0, 0, 0, 0);
}

int lode_os_tid(void)
{
	return (int)call(SYS_gettid, 0, 0, 0, 0);
}

static uint64_t clock_ns(int clock)
{
	struct timespec t = {0};
	call(SYS_clock_gettime, clock, &t, 0, 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t lode_os_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t lode_os_realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint64_t lode_os_thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t lode_os_process_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

bool lode_os_read_memory(const void *from, void *to, size_t n)
{
	struct iovec local = {to, n}, remote = {(void *)(uintptr_t)from, n};
	return call6(SYS_process_vm_readv, lode_os_pid(), (long)&local, 1, (long)&remote, 1, 0) == (long)n;
}

uintptr_t lode_os_readable_end(uintptr_t from, unsigned pages)
{
	enum { MAX = 16 };
	char sink[MAX];
	struct iovec local = {sink, MAX}, remote[MAX];
	uintptr_t page = from & ~(uintptr_t)4095;
	if (pages > MAX)
		pages = MAX;
	for (unsigned i = 0; i < pages; i++)
		remote[i] = (struct iovec){(void *)(page + i * 4096u), 1};
	long r = call6(SYS_process_vm_readv, lode_os_pid(), (long)&local, 1, (long)remote, pages, 0);
	return r <= 0 ? from : page + (uintptr_t)r * 4096u;
}

/* Finds the mapping that holds `sp` in /proc/self/maps, read in small pieces. */
struct maps_line {
	uintptr_t low, high;
	int field; /* 0: low, 1: high, 2: the rest of the line */
};

static bool maps_byte(struct maps_line *l, char c, uintptr_t sp)
{
	unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
	if (c == '\n') {
		*l = (struct maps_line){0};
	} else if (l->field == 0 && digit < 16) {
		l->low = l->low << 4 | digit;
	} else if (l->field == 0) {
		l->field = 1;
	} else if (l->field == 1 && digit < 16) {
		l->high = l->high << 4 | digit;
	} else if (l->field == 1) {
		l->field = 2;
		return l->low <= sp && sp < l->high;
	}
	return false;
}

bool lode_os_main_stack(uintptr_t *low, uintptr_t *high)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	int fd = lode_os_open("/proc/self/maps", O_RDONLY, 0);
	if (fd < 0)
		return false;
	struct maps_line line = {0};
	bool found = false;
	char buf[1024];
	for (ssize_t n; !found && (n = lode_os_read(fd, buf, sizeof buf)) > 0;)
		for (ssize_t i = 0; i < n && !found; i++)
			found = maps_byte(&line, buf[i], sp);
	lode_os_close(fd);
	if (!found)
		return false;
	struct rlimit limit = {0};
	call(SYS_prlimit64, 0, RLIMIT_STACK, 0, &limit);
	uintptr_t room = limit.rlim_cur > (1u << 30) ? (1u << 30) : (uintptr_t)limit.rlim_cur;
	*high = line.high;
	*low = line.low < line.high - room ? line.low : line.high - room;
	return true;
}

int lode_os_timer_create(int tid, const void *cookie, int *timer)
{
	struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
	e.sigev_value.sival_ptr = (void *)(uintptr_t)cookie;
	e._sigev_un._tid = tid;
	return (int)call(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &e, timer, 0);
}

int lode_os_timer_set(int timer, uint64_t first_ns, uint64_t period_ns)
{
	struct itimerspec t = {
		.it_value = {(time_t)(first_ns / 1000000000u), (long)(first_ns % 1000000000u)},
		.it_interval = {(time_t)(period_ns / 1000000000u), (long)(period_ns % 1000000000u)},
	};
	return (int)call(SYS_timer_settime, timer, 0, &t, 0);
}

int lode_os_timer_delete(int timer)
{
	return (int)call(SYS_timer_delete, timer, 0, 0, 0);
}

int lode_os_sigaction(int sig, const struct lode_os_sigaction *now, struct lode_os_sigaction *before)
{
	return (int)call(SYS_rt_sigaction, sig, now, before, sizeof(uint64_t));
}

int lode_os_sigmask(int how, const uint64_t *set, uint64_t *before)
{
	return (int)call(SYS_rt_sigprocmask, how, set, before, sizeof(uint64_t));
}

int lode_os_sigqueue_self(int sig, const void *info)
{
	return lode_os_sigqueue(lode_os_tid(), sig, info);
}

int lode_os_sigqueue(int tid, int sig, const void *info)
{
	return (int)call(SYS_rt_tgsigqueueinfo, lode_os_pid(), tid, sig, info);
}

int lode_os_sigqueue_as_queued(int tid, int sig, const void *info)
{
	/* to another thread the kernel takes only what a queueing program could have made (do_rt_tgsigqueueinfo) */
	siginfo_t queued = *(const siginfo_t *)info;
	if (queued.si_code >= 0 || queued.si_code == SI_TKILL)
		queued.si_code = SI_QUEUE;
	return tid ? lode_os_sigqueue(tid, sig, &queued)
		   : (int)call(SYS_rt_sigqueueinfo, lode_os_pid(), sig, &queued, 0);
}

/* "sigmask:\t" and 16 hexadecimal digits in /proc/self/fdinfo/FD (proc(5)). */
int lode_os_descriptor_mask(int fd, uint64_t *mask)
{
	char path[40] = "/proc/self/fdinfo/", digits[12], text[256];
	unsigned n = 18, k = 0;
	for (unsigned v = (unsigned)fd; k == 0 || v; v /= 10)
		digits[k++] = (char)('0' + v % 10);
	while (k)
		path[n++] = digits[--k];
	path[n] = 0;
	int file = lode_os_open(path, O_RDONLY, 0);
	if (file < 0)
		return file;
	ssize_t got = lode_os_read(file, text, sizeof text);
	lode_os_close(file);
	static const char key[] = "sigmask:\t";
	for (ssize_t i = 0; i + 26 <= got; i++) {
		unsigned j = 0;
		while (j < sizeof key - 1 && text[i + j] == key[j])
			j++;
		if (j < sizeof key - 1)
			continue;
		*mask = 0;
		for (unsigned d = 0; d < 16; d++) {
			char c = text[i + j + d];
			*mask = *mask << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
		}
		return 0;
	}
	return -ENOENT;
}

int lode_os_signalfd(int fd, uint64_t mask)
{
	return (int)call(SYS_signalfd4, fd, &mask, sizeof mask, 0);
}

void lode_os_yield(void)
{
	call(SYS_sched_yield, 0, 0, 0, 0);
}

void lode_os_sleep_ns(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
	call(SYS_nanosleep, &t, 0, 0, 0);
}

void lode_os_wait(unsigned tries)
{
	if (tries < 100)
		lode_os_yield();
	else
		lode_os_sleep_ns(50000);
}

bool lode_os_is_own_file(int fd)
{
	struct stat s;
	if (call(SYS_fstat, fd, &s, 0, 0) < 0)
		return false;
	return S_ISREG(s.st_mode) && !(s.st_mode & 022) &&
	       (s.st_uid == 0 || s.st_uid == (uid_t)call(SYS_geteuid, 0, 0, 0, 0));
}
