/* One ELF file with its debug data, parsed by elfutils (dwarf.c is the one file that includes its headers): symbols,
 * compilation units, and the functions and lines of a unit.  It only extracts; symbols.c keeps what it needs.
 * Debug data are found as gdb finds them: in the file, by build-id under /usr/lib/debug/.build-id, by .gnu_debuglink; and
 * the part that dwz shared out by .gnu_debugaltlink.  All addresses are those of the ELF file. */
#ifndef LODE_DWARF_FILE_H
#define LODE_DWARF_FILE_H

#include <stddef.h>
#include <stdint.h>

struct lode_dwarf;
struct lode_symindex_builder;

/* Opens and maps the file; cheap.  With a build-id, only that very file; if it is not there, its separate debug file will
 * do.  NULL: *problem (free() it) says why.  `sysroot` (or NULL) is put before every path. */
struct lode_dwarf *lode_dwarf_open(const char *path, const char *sysroot, const void *build_id, size_t build_id_bytes,
				   char **problem);
/* The vdso of this process if it has that build-id (any, with none given); else NULL. */
struct lode_dwarf *lode_dwarf_open_vdso(const void *build_id, size_t build_id_bytes);
void lode_dwarf_close(struct lode_dwarf *d);

/* The bytes of a section of the file as they are there, until it is closed; NULL if it has none. */
const void *lode_dwarf_section(struct lode_dwarf *d, const char *name, uint64_t *address, size_t *bytes);

/* Symbols of code, unsorted; `name` is valid during the call. */
struct lode_dwarf_symbol {
	const char *name; /* without @VERSION; PLT entries as name@plt */
	uint64_t address, size, section_end;
	int is_function; /* else a bare label */
	int is_local;
};
typedef void lode_dwarf_symbol_fn(void *arg, const struct lode_dwarf_symbol *symbol);
void lode_dwarf_symbols(struct lode_dwarf *d, lode_dwarf_symbol_fn *fn, void *arg);

/* The code ranges of every unit, in any order; units are numbered from 0.  Opens the debug data, which may inflate them
 * (up to some 100 ms).  Returns the number of units, 0 without debug data. */
typedef void lode_dwarf_range_fn(void *arg, uint32_t unit, uint64_t lo, uint64_t hi);
size_t lode_dwarf_units(struct lode_dwarf *d, lode_dwarf_range_fn *fn, void *arg);

/* Functions, inlined calls and lines of one unit, after lode_dwarf_units. */
void lode_dwarf_index(struct lode_dwarf *d, uint32_t unit, struct lode_symindex_builder *b);

#endif
