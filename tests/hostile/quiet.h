/* In place of lib/error.c and symbols.c, for programs that load thousands of damaged recordings: no
 * messages, no symbols. */
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "symbols.h"

int lode_error(const char *format, ...)
{
	(void)format;
	return -1;
}

void lode_warn(const char *format, ...)
{
	(void)format;
}

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

void *lode_alloc(unsigned long bytes)
{
	return need(malloc(bytes ? bytes : 1));
}

void *lode_realloc(void *p, unsigned long bytes)
{
	return need(realloc(p, bytes ? bytes : 1));
}

void *lode_alloc_zeroed(unsigned long n, unsigned long bytes)
{
	return need(calloc(n ? n : 1, bytes ? bytes : 1));
}

char *lode_copy_string(const char *s)
{
	return need(strdup(s));
}

struct lode_symbols *lode_symbols_new(const struct lode_symbols_options *o)
{
	(void)o;
	return NULL;
}

void lode_symbols_free(struct lode_symbols *s)
{
	(void)s;
}

struct lode_symbol_module *lode_symbols_module(struct lode_symbols *s, const char *path,
					       const void *build_id, size_t build_id_bytes)
{
	(void)s, (void)path, (void)build_id, (void)build_id_bytes;
	return NULL;
}

const char *lode_symbol_module_problem(const struct lode_symbol_module *m)
{
	(void)m;
	return NULL;
}

size_t lode_symbols_resolve(struct lode_symbol_module *m, uint64_t address, struct lode_symbol *out,
			    size_t max)
{
	(void)m, (void)address;
	if (max)
		*out = (struct lode_symbol){.name = "?"};
	return 1;
}
