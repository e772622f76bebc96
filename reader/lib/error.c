/* Messages of the reader and memory that is there or ends the program.  Called from everywhere;
 * knows nothing of recordings.  One message is one write, so that lines of several processes do not
 * mix. */
#include "error.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"

/* Prints "lode: ", the message without control bytes (file names and names of the recording occur
 * in it), newline. */
static void say(const char *format, va_list arguments)
{
	char small[1024], *text = small, *large = NULL;
	va_list again;
	va_copy(again, arguments);
	int n = vsnprintf(small, sizeof(small), format, arguments);
	if (n >= (int)sizeof(small)) {
		large = malloc((size_t)n + 1);
		if (large) {
			vsnprintf(large, (size_t)n + 1, format, again);
			text = large;
		}
	}
	va_end(again);
	fputs("lode: ", stderr);
	lode_put_text(stderr, text);
	fputc('\n', stderr);
	fflush(stderr);
	free(large);
}

int lode_error(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
	return -1;
}

void lode_warn(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
}

static void *need(void *p, unsigned long bytes)
{
	if (p)
		return p;
	fprintf(stderr,
		"lode: out of memory (%lu bytes more): close other programs, or choose a part of "
		"the "
		"recording with --from, --to or --pid\n",
		bytes);
	exit(2);
}

void *lode_alloc(unsigned long bytes)
{
	return need(malloc(bytes ? bytes : 1), bytes);
}

void *lode_realloc(void *p, unsigned long bytes)
{
	return need(realloc(p, bytes ? bytes : 1), bytes);
}

void *lode_alloc_zeroed(unsigned long n, unsigned long bytes)
{
	return need(calloc(n ? n : 1, bytes ? bytes : 1), n * bytes);
}

char *lode_copy_string(const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(lode_alloc(n), s, n);
}
