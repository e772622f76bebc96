/* The program has an alternate signal stack and a SIGSEGV handler that it comes back from.  Arguments: bytes of the stack,
 * where CPU time is burned (outside or inside the handler). */
#include <setjmp.h>
#include <ucontext.h>

#include "torture.h"

static sigjmp_buf back;
static int burns_inside;
static char *ordinary;

static void handler(int number, siginfo_t *info, void *context)
{
	char here;
	(void)context;
	if (number != SIGSEGV || info->si_addr != (void *)8)
		_exit(7);
	if (labs(&here - ordinary) < 65536)
		_exit(6); /* on the ordinary stack, whose end may be what is being handled */
	if (burns_inside)
		burn(5 * BURN_1MS);
	siglongjmp(back, 1);
}

int main(int argc, char **argv)
{
	size_t bytes = argc > 1 ? atoi(argv[1]) : 8192;
	stack_t set = { 0 }, got;
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	burns_inside = argc > 2 && !strcmp(argv[2], "inside");
	char *p = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(p != MAP_FAILED && mprotect(p, 4096, PROT_NONE) == 0);
	ordinary = (char *)&set;
	set.ss_sp = p + 4096;
	set.ss_size = bytes;
	must(sigaltstack(&set, NULL) == 0);
	must(sigaltstack(NULL, &got) == 0 && got.ss_sp == set.ss_sp && got.ss_size == bytes && got.ss_flags == 0);
	must(sigaction(SIGSEGV, &action, NULL) == 0);
	for (int i = 0; i < 60; i++) {
		if (!burns_inside)
			burn(5 * BURN_1MS);
		if (!sigsetjmp(back, 1))
			*(volatile int *)hide((void *)8) = 1;
		free(hide(malloc(100)));
	}
	return done();
}
