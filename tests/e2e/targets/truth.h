/* A program that knows its truth: each function that allocates says what it did, and main prints it as JSON.
 * Nothing here allocates after the first case: standard output is written through a static buffer. */
#ifndef TRUTH_H
#define TRUTH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct truth {
	const char *name;
	uint64_t bytes;  /* allocated */
	uint64_t count;  /* allocations */
	uint64_t leaked; /* bytes live at the end */
	uint64_t blocks; /* blocks live at the end */
	uint64_t peak;   /* bytes live at the program's peak, which is in peak_of_the_program() */
	int exact_count; /* mappings: how many events an operation is, is not part of the truth */
};

static struct truth truths[128];
static int truth_count;

#define KEPT(bytes_, count_) ((struct truth){ __func__, bytes_, count_, bytes_, count_, bytes_, 1 })
#define FREED(bytes_, count_) ((struct truth){ __func__, bytes_, count_, 0, 0, 0, 1 })

static inline void truth_add(struct truth t)
{
	truths[truth_count++] = t;
}

static inline void truth_print(void)
{
	static char text[65536];
	int n = 0;

	n += snprintf(text + n, sizeof(text) - n, "[");
	for (int i = 0; i < truth_count; i++) {
		const struct truth *t = &truths[i];
		n += snprintf(text + n, sizeof(text) - n,
			      "%s\n{\"name\": \"%s\", \"bytes\": %llu, \"count\": %llu, \"leaked\": %llu, \"blocks\": %llu, "
			      "\"peak\": %llu, \"exact_count\": %d}",
			      i ? "," : "", t->name, (unsigned long long)t->bytes, (unsigned long long)t->count,
			      (unsigned long long)t->leaked, (unsigned long long)t->blocks, (unsigned long long)t->peak,
			      t->exact_count);
	}
	n += snprintf(text + n, sizeof(text) - n, "]\n");
	if (write(1, text, n) != n)
		_exit(9);
}

/* Keeps the compiler from seeing where a pointer went. */
static inline void *hide(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

#define CASE __attribute__((noinline, noclone)) void

static inline void must(int condition, const char *what)
{
	if (!condition) {
		dprintf(2, "%s did not happen\n", what);
		_exit(8);
	}
}

#endif
