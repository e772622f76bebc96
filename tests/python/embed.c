/* A program that loads libpython late and RTLD_LOCAL, as some embedders do; its stacks must be seen all the same.  A
 * thread that is older than libpython gets signals: what is asked of libpython there must not make the loader allocate
 * the thread's part of libpython's thread-local storage.
 * argv: path of libpython, path of a second one to be ignored or "". */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct answer {
	unsigned long code;
	int lasti;
	unsigned id;
	unsigned long anchor;
	unsigned is_entry, flags;
};

static const char script[] = "def inner():\n return bytearray(777777)\n"
			     "def outer():\n return inner()\n"
			     "for _ in range(3): outer()\n";

static volatile int is_over;

static void *spin(void *unused)
{
	while (!is_over)
		;
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t old;

	static struct answer answers[2000];
	int loops, entries, passed = 0;

	if (argc < 2 || pthread_create(&old, NULL, spin, NULL) != 0)
		return 2;
	void *library = dlopen(argv[1], RTLD_LAZY | RTLD_LOCAL);
	void (*initialize)(int) = library ? (void (*)(int))dlsym(library, "Py_InitializeEx") : NULL;
	int (*run)(const char *, void *) = library ? (int (*)(const char *, void *))dlsym(library,
											  "PyRun_SimpleStringFlags") : NULL;
	int (*finalize)(void) = library ? (int (*)(void))dlsym(library, "Py_FinalizeEx") : NULL;
	int (*caught)(struct answer *, int *, int *) =
		(int (*)(struct answer *, int *, int *))dlsym(RTLD_DEFAULT, "probe_caught");
	void (*storm)(long) = (void (*)(long))dlsym(RTLD_DEFAULT, "probe_storm");
	unsigned long (*handler_mallocs)(void) = (unsigned long (*)(void))dlsym(RTLD_DEFAULT,
										"probe_handler_mallocs");

	if (!initialize || !run || !finalize || !caught || !storm || !handler_mallocs)
		return 2;
	storm(60000);
	for (int round = 0; round < 2; round++) { /* initialised anew: the keys are others */
		initialize(0);
		run(script, NULL);
		int count = caught(answers, &loops, &entries);

		passed += count == 3 && loops == entries && answers[0].flags & 8;
		passed += finalize() == 0;
		free(malloc(100));
	}
	storm(0);
	is_over = 1;
	pthread_join(old, NULL);
	passed += handler_mallocs() == 0;
	printf("%d passed, %d failed\n", passed, 5 - passed);
	return passed != 5;
}
