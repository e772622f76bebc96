/* A thread on its own mapping of the smallest size with a guard page below: pthread_attr_setstack, and clone without
 * a thread library's help would be next.  Argument: bytes. */
#include "torture.h"

static void *burns(void *unused)
{
	(void)unused;
	for (int i = 0; i < 60; i++)
		burn(BURN_1MS);
	return NULL;
}

int main(int argc, char **argv)
{
	size_t bytes = argc > 1 ? atoi(argv[1]) : 16384;
	pthread_attr_t attributes;
	pthread_t thread;

	for (int i = 0; i < 8; i++) {
		char *stack = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
		must(stack != MAP_FAILED && mprotect(stack, 4096, PROT_NONE) == 0);
		pthread_attr_init(&attributes);
		must((errno = pthread_attr_setstack(&attributes, stack + 4096, bytes)) == 0);
		must((errno = pthread_create(&thread, &attributes, burns, NULL)) == 0);
		pthread_join(thread, NULL);
		munmap(stack, bytes + 4096);
	}
	return done();
}
