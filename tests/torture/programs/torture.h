/* For programs that check themselves: `ok` and status 0, or a line that says what happened and status 1. */
#ifndef TORTURE_H
#define TORTURE_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

__attribute__((noreturn, format(printf, 1, 2))) static inline void fail(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof(text) - 1, format, args);
	va_end(args);
	text[n++] = '\n';
	if (write(1, text, n) != n)
		_exit(2);
	_exit(1);
}

#define must(condition) \
	do { \
		if (!(condition)) \
			fail("line %d: %s (%s)", __LINE__, #condition, strerror(errno)); \
	} while (0)

static inline int done(void)
{
	puts("ok");
	fflush(stdout);
	return 0;
}

static inline double clock_seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static volatile uint64_t torture_sink;

/* Burns about a millisecond without a call: what runs on a stack that is too small for one. */
static inline __attribute__((always_inline)) void burn(uint64_t rounds)
{
	uint64_t x = torture_sink;
	for (uint64_t i = 0; i < rounds; i++)
		x = x * 6364136223846793005u + i;
	torture_sink = x;
}
#define BURN_1MS 1000000u

__attribute__((noinline, unused)) static void burn_cpu_seconds(double seconds)
{
	double until = clock_seconds(CLOCK_THREAD_CPUTIME_ID) + seconds;
	while (clock_seconds(CLOCK_THREAD_CPUTIME_ID) < until)
		burn(50000);
}

static inline void *hide(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

static inline pthread_t start(void *(*function)(void *), void *argument)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, function, argument);
	if (error)
		fail("pthread_create: %s", strerror(error));
	return thread;
}

#endif
