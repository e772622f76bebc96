/* Overflows its stack and recovers on an alternate one, again and again: a signal at the very end of the stack has no
 * room left. */
#include <setjmp.h>

#include "torture.h"

static sigjmp_buf back;

static void handler(int number)
{
	siglongjmp(back, number);
}

__attribute__((noinline)) static int recurses(int n)
{
	volatile char frame[512];
	frame[n & 511] = n;
	burn(3000);
	return recurses(n + 1) + frame[(n + 1) & 511];
}

static void *overflows(void *unused)
{
	(void)unused;
	size_t bytes = 65536;
	stack_t set = { .ss_sp = malloc(bytes), .ss_size = bytes };
	must(sigaltstack(&set, NULL) == 0);
	for (int i = 0; i < 20; i++)
		if (!sigsetjmp(back, 1))
			recurses(0);
	set.ss_flags = SS_DISABLE;
	must(sigaltstack(&set, NULL) == 0);
	return NULL;
}

int main(void)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
	pthread_attr_t attributes;
	pthread_t thread;

	must(sigaction(SIGSEGV, &action, NULL) == 0);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 * 1024);
	must(pthread_create(&thread, &attributes, overflows, NULL) == 0);
	pthread_join(thread, NULL);
	overflows(NULL);
	return done();
}
