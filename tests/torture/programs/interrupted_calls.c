/* Blocking calls come back when they should, not when somebody's signal arrives: none with EINTR, none early, while other
 * threads burn CPU time.  The names of the calls are printed in the order in which they are made. */
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <linux/futex.h>

#include "torture.h"

#define MS 150
static const struct timespec span = { 0, MS * 1000000 };
static volatile int stop;

static void *burns(void *unused)
{
	(void)unused;
	while (!stop)
		burn(BURN_1MS);
	return NULL;
}

static struct timespec deadline(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	t.tv_nsec += MS * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static void *writes_later(void *fd)
{
	nanosleep(&span, NULL);
	must(write((int)(intptr_t)fd, "x", 1) == 1);
	return NULL;
}

#define CHECK(call, expected, error) \
	do { \
		burn(5 * BURN_1MS); \
		double began = clock_seconds(CLOCK_MONOTONIC); \
		errno = 0; \
		long result = (call); \
		int problem = errno; \
		double took = clock_seconds(CLOCK_MONOTONIC) - began; \
		if (result != (expected) || ((error) && problem != (error))) \
			fail("%s gave %ld, %s", #call, result, strerror(problem)); \
		if (took < MS / 1000.0 * 0.98) \
			fail("%s came back after %.0f ms of %d", #call, took * 1000, MS); \
	} while (0)

static void *all_calls(void *unused)
{
	(void)unused;
	int pipes[2], pair[2], status, queue;
	struct timeval tv = { 0, MS * 1000 };
	struct timespec t;
	char byte;
	sem_t semaphore;
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
	sigset_t set;
	uint32_t word = 0;
	pthread_t helper;

	must(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	struct pollfd p = { pipes[0], POLLIN, 0 };
	fd_set fds;
	CHECK(poll(&p, 1, MS), 0, 0);
	t = span;
	CHECK(ppoll(&p, 1, &t, NULL), 0, 0);
	FD_ZERO(&fds);
	FD_SET(pipes[0], &fds);
	CHECK(select(pipes[0] + 1, &fds, NULL, NULL, &tv), 0, 0);
	FD_SET(pipes[0], &fds);
	CHECK(pselect(pipes[0] + 1, &fds, NULL, NULL, &span, NULL), 0, 0);
	int epoll = epoll_create1(0);
	struct epoll_event event = { EPOLLIN, { 0 } };
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event) == 0);
	CHECK(epoll_wait(epoll, &event, 1, MS), 0, 0);
	CHECK(epoll_pwait(epoll, &event, 1, MS, NULL), 0, 0);
	CHECK(nanosleep(&span, NULL), 0, 0);
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL), 0, 0);
	CHECK((t = deadline(CLOCK_MONOTONIC), clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)), 0, 0);
	CHECK(usleep(MS * 1000), 0, 0);
	must(sem_init(&semaphore, 0, 0) == 0);
	CHECK((t = deadline(CLOCK_REALTIME), sem_timedwait(&semaphore, &t)), -1, ETIMEDOUT);
	pthread_mutex_lock(&mutex);
	CHECK((t = deadline(CLOCK_REALTIME), pthread_cond_timedwait(&condition, &mutex, &t)), ETIMEDOUT, 0);
	pthread_mutex_unlock(&mutex);
	must(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	tv.tv_usec = MS * 1000;
	must(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	CHECK(recv(pair[0], &byte, 1, 0), -1, EAGAIN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	CHECK(sigtimedwait(&set, NULL, &span), -1, EAGAIN);
	CHECK(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &span, NULL, 0), -1, ETIMEDOUT);
	if ((queue = semget(IPC_PRIVATE, 1, 0600)) >= 0) {
		struct sembuf operation = { 0, -1, 0 };
		CHECK(semtimedop(queue, &operation, 1, &span), -1, EAGAIN);
		semctl(queue, 0, IPC_RMID);
	}
	helper = start(writes_later, (void *)(intptr_t)pipes[1]);
	double began = clock_seconds(CLOCK_MONOTONIC);
	must(read(pipes[0], &byte, 1) == 1);
	must(clock_seconds(CLOCK_MONOTONIC) - began > MS / 1000.0 * 0.5);
	pthread_join(helper, NULL);
	pid_t pid = fork();
	if (pid == 0) {
		nanosleep(&span, NULL);
		_exit(5);
	}
	must(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5);
	return NULL;
}

/* A blocking write of much more than the pipe holds is not cut short. */
static void *reads_slowly(void *fd)
{
	static char buffer[65536];
	size_t n = 0;
	while (n < 4u << 20) {
		ssize_t r = read((int)(intptr_t)fd, buffer, sizeof(buffer));
		must(r > 0);
		n += r;
		burn(BURN_1MS);
	}
	return NULL;
}

int main(void)
{
	int pipes[2];
	pthread_t burners[2] = { start(burns, NULL), start(burns, NULL) };
	all_calls(NULL);
	pthread_join(start(all_calls, NULL), NULL);
	must(pipe(pipes) == 0);
	pthread_t reader = start(reads_slowly, (void *)(intptr_t)pipes[0]);
	char *data = calloc(4, 1 << 20);
	ssize_t written = write(pipes[1], data, 4 << 20);
	if (written != 4 << 20)
		fail("a write of 4 MiB wrote %zd", written);
	pthread_join(reader, NULL);
	stop = 1;
	pthread_join(burners[0], NULL);
	pthread_join(burners[1], NULL);
	return done();
}
