/* Coroutines on stacks of their own, as small as asked for, a guard page below each.  Arguments: bytes, how (ucontext, hand).
 * A signal's frame lands on such a stack: what a handler adds to it is all that is left. */
#include <ucontext.h>

#include "torture.h"

enum { COROUTINES = 16, SWITCHES = 10 };
static ucontext_t main_context, contexts[COROUTINES];
static volatile int running;

static void body(void)
{
	int self = running;
	for (int i = 0; i < SWITCHES; i++) {
		burn(2 * BURN_1MS);
		swapcontext(&contexts[self], &main_context);
	}
}

static char *stack_of(size_t bytes)
{
	char *p = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(p != MAP_FAILED && mprotect(p, 4096, PROT_NONE) == 0);
	return p + 4096;
}

/* Runs function on another stack and comes back; no unwind information says how the stacks are joined. */
static void call_on(char *top, void (*function)(void))
{
	__asm__ volatile("mov %%rsp, %%rbx\n\tmov %0, %%rsp\n\tcall *%1\n\tmov %%rbx, %%rsp"
			 :
			 : "r"(top), "r"(function)
			 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

static void hand_body(void)
{
	burn(20 * BURN_1MS);
}

int main(int argc, char **argv)
{
	size_t bytes = argc > 1 ? atoi(argv[1]) : 8192;

	if (argc > 2 && !strcmp(argv[2], "hand")) {
		for (int i = 0; i < 20; i++)
			call_on((char *)((uintptr_t)(stack_of(bytes) + bytes) & ~(uintptr_t)15), hand_body);
		return done();
	}
	for (int i = 0; i < COROUTINES; i++) {
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_sp = stack_of(bytes);
		contexts[i].uc_stack.ss_size = bytes;
		contexts[i].uc_link = &main_context;
		makecontext(&contexts[i], body, 0);
	}
	for (int k = 0; k < SWITCHES; k++)
		for (int i = 0; i < COROUTINES; i++) {
			running = i;
			swapcontext(&main_context, &contexts[i]);
		}
	return done();
}
