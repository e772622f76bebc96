/* Contract in agent_mocks.h. */
#include "agent_mocks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "os.h"
#include "state.h"
#include "thread.h"

#define CLEAN 42 /* exit status of a child in which nothing was left to fail */

struct lode_config lode_config;
uint32_t lode_stream = 1;
int lode_pid = 4711;
bool lode_clock_is_tsc, lode_clock_is_shared;
_Thread_local struct lode_thread *lode_self;

uint64_t agent_clock = 1000;
unsigned agent_calls, agent_fail_at;
bool agent_fail_on;

static char directory[] = "/tmp/lode-unit-XXXXXX";

/* ---- system calls --------------------------------------------------------------------------- */

static bool fails(void)
{
	unsigned n = __atomic_add_fetch(&agent_calls, 1, __ATOMIC_RELAXED);
	return agent_fail_at && (n == agent_fail_at || (agent_fail_on && n > agent_fail_at));
}

void *__real_lode_os_map(size_t bytes);
void *__real_lode_os_map_file(int fd, uint64_t offset, size_t bytes);
int __real_lode_os_open(const char *path, int flags, unsigned mode);
int __real_lode_os_allocate(int fd, uint64_t offset, uint64_t bytes);
int __real_lode_os_fstat_identity(int fd, uint64_t *device, uint64_t *inode, uint64_t *bytes);

void *__wrap_lode_os_map(size_t bytes)
{
	return fails() ? NULL : __real_lode_os_map(bytes);
}

void *__wrap_lode_os_map_file(int fd, uint64_t offset, size_t bytes)
{
	return fails() ? NULL : __real_lode_os_map_file(fd, offset, bytes);
}

int __wrap_lode_os_open(const char *path, int flags, unsigned mode)
{
	return fails() ? -EMFILE : __real_lode_os_open(path, flags, mode);
}

int __wrap_lode_os_allocate(int fd, uint64_t offset, uint64_t bytes)
{
	return fails() ? -ENOSPC : __real_lode_os_allocate(fd, offset, bytes);
}

int __wrap_lode_os_fstat_identity(int fd, uint64_t *device, uint64_t *inode, uint64_t *bytes)
{
	return fails() ? -EIO : __real_lode_os_fstat_identity(fd, device, inode, bytes);
}

uint64_t __wrap_lode_os_monotonic_ns(void)
{
	return agent_clock;
}

/* ---- processes ------------------------------------------------------------------------------ */

static int wait_for(pid_t child)
{
	int status = -1;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void empty_directory(void)
{
	DIR *d = opendir(directory);
	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] != '.')
			unlink(agent_path(e->d_name));
	if (d)
		closedir(d);
}

int agent_run(const struct CMUnitTest *tests, size_t count)
{
	int failed = 0;
	if (!mkdtemp(directory))
		return 1;
	for (size_t i = 0; i < count; i++) {
		fflush(NULL);
		pid_t child = fork();
		if (child == 0) {
			int bad = _cmocka_run_group_tests(tests[i].name, &tests[i], 1, NULL, NULL);
			fflush(NULL);
			_exit(bad != 0);
		}
		int status = wait_for(child);
		if (!WIFEXITED(status))
			printf("not ok %s: ended by signal %d\n", tests[i].name, WTERMSIG(status));
		failed += status != 0;
		empty_directory();
	}
	rmdir(directory);
	return failed;
}

void agent_in_child(void (*f)(void))
{
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		f();
		fflush(NULL);
		_exit(0);
	}
	assert_int_equal(wait_for(child), 0);
}

void agent_fail_each(void (*f)(void), unsigned least)
{
	for (unsigned n = 1;; n++) {
		fflush(NULL);
		pid_t child = fork();
		if (child == 0) {
			agent_calls = 0;
			agent_fail_at = n;
			f();
			fflush(NULL);
			_exit(agent_calls < n ? CLEAN : 0);
		}
		int status = wait_for(child);
		empty_directory();
		if (WIFEXITED(status) && WEXITSTATUS(status) == CLEAN) {
			assert_true(n > least);
			return;
		}
		if (status)
			fail_msg("call %u failing: wait status 0x%x", n, (unsigned)status);
	}
}

/* ---- files ---------------------------------------------------------------------------------- */

const char *agent_path(const char *name)
{
	static char paths[4][300];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", directory, name);
	return path;
}

static void *view(const char *path, uint64_t offset, size_t bytes)
{
	struct stat s;
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &s), 0);
	void *p = NULL;
	if ((uint64_t)s.st_size >= offset + bytes)
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	close(fd);
	assert_true(p != MAP_FAILED);
	return p;
}

const struct lode_log_header *agent_log(const char *path)
{
	return view(path, 0, LODE_LOG_HEADER_BYTES);
}

struct lode_segment_header *agent_segment(const char *path, uint32_t i)
{
	return view(path, LODE_LOG_HEADER_BYTES + (uint64_t)i * LODE_SEGMENT_BYTES, LODE_SEGMENT_BYTES);
}

unsigned agent_open_descriptors(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

uint64_t agent_random(void)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}
