/* Burns CPU time in functions whose shares it measures itself; prints {"spent": {function: seconds}, "process": seconds}.
 * Arguments: "shares SECONDS" or "threads N MILLISECONDS" (N short threads, one after the other, two at a time). */
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#include "truth.h"

static double spent[4];

static double thread_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static volatile uint64_t sink;

/* The same work in each function, so that only the time differs. */
#define BURN(until)                                                 \
	while (thread_seconds() < (until))                          \
		for (uint64_t i = 0, x = sink; i < 20000; i++)      \
			sink = x = x * 6364136223846793005u + i;

CASE burns_six(double seconds)
{
	double began = thread_seconds();
	BURN(began + seconds)
	spent[0] += thread_seconds() - began;
}

CASE burns_three(double seconds)
{
	double began = thread_seconds();
	BURN(began + seconds)
	spent[1] += thread_seconds() - began;
}

CASE burns_one(double seconds)
{
	double began = thread_seconds();
	BURN(began + seconds)
	spent[2] += thread_seconds() - began;
}

CASE calls_six_and_three(double seconds)
{
	burns_six(seconds * 0.6);
	burns_three(seconds * 0.3);
}

static double short_seconds;

CASE burns_in_a_short_thread(void)
{
	BURN(short_seconds)
}

static void *short_thread(void *unused)
{
	(void)unused;
	burns_in_a_short_thread();
	return NULL;
}

int main(int argc, char **argv)
{
	must(argc >= 3, "two arguments");
	if (!strcmp(argv[1], "shares")) {
		double seconds = atof(argv[2]);
		calls_six_and_three(seconds);
		burns_one(seconds * 0.1);
	} else {
		int n = atoi(argv[2]);
		short_seconds = atof(argv[3]) * 1e-3;
		for (int i = 0; i < n; i += 2) {
			pthread_t a, b;
			must(pthread_create(&a, NULL, short_thread, NULL) == 0, "a thread");
			must(pthread_create(&b, NULL, short_thread, NULL) == 0, "a thread");
			pthread_join(a, NULL);
			pthread_join(b, NULL);
		}
	}
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	printf("{\"spent\": {\"burns_six\": %f, \"burns_three\": %f, \"burns_one\": %f}, \"process\": %f}\n", spent[0], spent[1],
	       spent[2], r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6);
	return 0;
}
