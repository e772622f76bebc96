/* Native symbols and lines, by module and address, with inlined frames.  elfutils parses (dwarf.c, the one file that
 * includes libdw); the look-ups are ours: a symbol table and per-unit interval indexes, built lazily.
 * Not thread-safe: one resolver a thread.  Strings live as long as the resolver. */
#ifndef LODE_SYMBOLS_H
#define LODE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct lode_symbols;        /* a resolver: holds modules by (path, build-id) */
struct lode_symbol_module;

struct lode_symbol {
	const char *name;    /* demangled; never NULL: "0x1234" when nothing is known */
	const char *file;    /* or NULL */
	uint32_t line;       /* 0: unknown */
	uint32_t first_line; /* of the function; 0: unknown */
	int is_inlined;      /* inlined into the next one */
};

struct lode_symbols_options {
	const char *sysroot; /* prefix for paths, or NULL */
	int no_lines;        /* symbol table only: fast */
	int no_cache;        /* do not use the cache on disk */
};

struct lode_symbols *lode_symbols_new(const struct lode_symbols_options *o);
void lode_symbols_free(struct lode_symbols *s);

/* The module, opened on first use of an address.  A file whose build-id differs from the given one is not used: then
 * lode_symbol_module_problem says so. */
struct lode_symbol_module *lode_symbols_module(struct lode_symbols *s, const char *path, const void *build_id,
					       size_t build_id_bytes);
const char *lode_symbol_module_problem(const struct lode_symbol_module *m); /* NULL: none */

/* Frames at ELF address `address` (run-time address - bias, and - 1 already for a return address), innermost first.
 * Returns how many there are (at least 1); writes at most `max` of them. */
size_t lode_symbols_resolve(struct lode_symbol_module *m, uint64_t address, struct lode_symbol *out, size_t max);

#endif
