/* Unit indexes on disk, by build-id, below ${XDG_CACHE_HOME:-~/.cache}/lode/sym: a second report need not open the debug
 * data.  Everything here fails silently: without a cache the same answers take longer.  What is read is checked as if
 * somebody else had written it. */
#ifndef LODE_SYMCACHE_H
#define LODE_SYMCACHE_H

#include <stddef.h>
#include <stdint.h>

struct lode_symindex;

/* The units of a module: which code is whose, and the indexes made so far.  Init: zeroes. */
struct lode_unit_table {
	uint64_t *start; /* disjoint pieces of code, as lode_intervals_flatten makes them */
	uint32_t *unit;
	size_t n_pieces, n_units;
	struct lode_symindex **indexes; /* by unit; NULL: not there yet */
	uint8_t *file; /* of the cache, whole; NULL: none */
	size_t file_bytes;
};

/* Fills an empty table but for its indexes; 0 if there is a sound file for the build-id. */
int lode_symcache_read(const void *build_id, size_t build_id_bytes, struct lode_unit_table *t);
/* The unit's index from the file; NULL if it has none.  The caller's. */
struct lode_symindex *lode_symcache_index(const struct lode_unit_table *t, uint32_t unit);
/* Replaces the file by the table's indexes and those of the old file. */
void lode_symcache_write(const void *build_id, size_t build_id_bytes, const struct lode_unit_table *t);
void lode_symcache_remove(const void *build_id, size_t build_id_bytes);

/* Frees the indexes too. */
void lode_unit_table_release(struct lode_unit_table *t);

#endif
