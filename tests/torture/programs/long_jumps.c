/* Leaves deep stacks by longjmp between allocations: what is remembered about a stack must not outlive it. */
#include <setjmp.h>

#include "torture.h"

static jmp_buf back;

__attribute__((noinline)) static int deep(int depth, int leave)
{
	volatile char room[64];
	room[depth & 63] = depth;
	free(hide(malloc(depth + 1)));
	if (depth == leave)
		longjmp(back, 1);
	return deep(depth + 1, leave) + room[(depth + 1) & 63];
}

__attribute__((noinline)) static int other_way(int depth, int leave)
{
	volatile char room[200];
	room[depth & 127] = depth;
	free(hide(malloc(depth + 1)));
	if (depth == leave)
		longjmp(back, 2);
	return (depth & 1 ? deep(depth + 1, leave) : other_way(depth + 1, leave)) + room[0];
}

static void *jumps(void *unused)
{
	(void)unused;
	static __thread int i;
	for (i = 0; i < 20000; i++)
		if (!setjmp(back))
			(i & 1 ? deep : other_way)(0, i % 60);
	return NULL;
}

int main(void)
{
	jumps(NULL);
	pthread_join(start(jumps, NULL), NULL);
	return done();
}
