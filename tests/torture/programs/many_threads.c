/* Threads come and go by the thousand, some detached, some cancelled, some by pthread_exit, with destructors that allocate. */
#include "torture.h"

static pthread_key_t key;
static int ended;

static void destructor(void *value)
{
	free(value);
	free(hide(malloc(50)));
	__atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
}

static void *body(void *k)
{
	pthread_setspecific(key, malloc(100));
	for (int i = 0; i < 20; i++)
		free(hide(malloc(i * 10)));
	if ((intptr_t)k % 16 == 3)
		pthread_exit(NULL);
	if ((intptr_t)k % 16 == 5)
		for (;;)
			usleep(1000);
	burn(BURN_1MS / 4);
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 2000;
	pthread_key_create(&key, destructor);
	for (intptr_t i = 0; i < n; i++) {
		pthread_t thread = start(body, (void *)i);
		if (i % 16 == 5)
			pthread_cancel(thread);
		if (i % 16 == 7)
			pthread_detach(thread);
		else
			pthread_join(thread, NULL);
	}
	pthread_exit(NULL); /* the process ends with status 0 when the detached ones have ended */
}
