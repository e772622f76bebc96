/* The cache's file: a head, the pieces of code, a directory of units, and the blocks of the indexes, in the byte order of
 * the machine; a CRC over what stands before the blocks and one for each block, checked when it is used.  Files are
 * written beside and renamed; when all are more than CACHE_MAX together, the ones unused for longest go. */
#include "symcache.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/zip.h"
#include "symindex.h"

enum { FILE_MAX = 256 << 20, CACHE_MAX = 1 << 30, BUILD_ID_MAX = 64 };

static const char magic[8] = "lodesym1";

struct head {
	char magic[8];
	uint32_t crc; /* of the rest of the head, the pieces and the directory */
	uint32_t build_id_bytes;
	uint8_t build_id[BUILD_ID_MAX];
	uint32_t order; /* 1, in the writer's byte order */
	uint32_t n_units;
	uint64_t n_pieces;
};

struct entry {
	uint64_t offset, bytes; /* of the block, from the file's start; 0 bytes: none */
	uint32_t crc, zero;
};

_Static_assert(sizeof(struct head) == 96 && sizeof(struct entry) == 24, "the file's layout, without padding");

static size_t pieces_bytes(uint64_t n)
{
	return n * 8 + (n + (n & 1)) * 4; /* starts; units, to a multiple of 8 */
}

static size_t before_blocks(uint64_t n_pieces, uint64_t n_units)
{
	return sizeof(struct head) + pieces_bytes(n_pieces) + n_units * sizeof(struct entry);
}

/* ---- paths --------------------------------------------------------------------------------------- */
static int cache_directory(char *path, size_t room)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	const int n = base && base[0] == '/' ? snprintf(path, room, "%s/lode/sym", base)
		      : home && home[0] == '/' ? snprintf(path, room, "%s/.cache/lode/sym", home)
					       : -1;

	return n > 0 && (size_t)n < room - 2 * BUILD_ID_MAX - 32 ? 0 : -1;
}

static int cache_path(char *path, size_t room, const uint8_t *id, size_t bytes)
{
	size_t n;

	if (bytes < 4 || bytes > BUILD_ID_MAX || cache_directory(path, room))
		return -1;
	n = strlen(path);
	path[n++] = '/';
	for (size_t i = 0; i < bytes; i++, n += 2)
		snprintf(path + n, 3, "%02x", id[i]);
	return 0;
}

static void make_directories(const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", file);
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		mkdir(path, 0700);
		*p = '/';
	}
}

/* ---- reading ------------------------------------------------------------------------------------- */
static uint8_t *read_file(const char *path, size_t *bytes)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t *file = NULL;
	struct stat st;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size >= (off_t)sizeof(struct head) && st.st_size <= FILE_MAX) {
		*bytes = (size_t)st.st_size;
		file = lode_alloc(*bytes);
		if (read(fd, file, *bytes) != (ssize_t)*bytes) {
			free(file);
			file = NULL;
		} else {
			utimensat(AT_FDCWD, path, NULL, 0); /* used today */
		}
	}
	close(fd);
	return file;
}

static uint32_t crc_of(const void *p, size_t bytes)
{
	return lode_crc32(0, p, bytes);
}

static uint32_t crc_of_front(const uint8_t *file, size_t front)
{
	const size_t from = offsetof(struct head, build_id_bytes);

	return crc_of(file + from, front - from);
}

static int is_sound(const uint8_t *file, size_t bytes, const void *build_id, size_t build_id_bytes)
{
	const struct head *h = (const void *)file;

	return !memcmp(h->magic, magic, sizeof(magic)) && h->order == 1 && h->build_id_bytes == build_id_bytes &&
	       !memcmp(h->build_id, build_id, build_id_bytes) && h->n_pieces <= FILE_MAX && h->n_units <= FILE_MAX &&
	       before_blocks(h->n_pieces, h->n_units) <= bytes &&
	       crc_of_front(file, before_blocks(h->n_pieces, h->n_units)) == h->crc;
}

static int are_pieces_sound(const struct lode_unit_table *t)
{
	for (size_t i = 0; i < t->n_pieces; i++)
		if ((i && t->start[i] <= t->start[i - 1]) ||
		    (t->unit[i] != LODE_SYMINDEX_NONE && t->unit[i] >= t->n_units))
			return 0;
	return 1;
}

int lode_symcache_read(const void *build_id, size_t build_id_bytes, struct lode_unit_table *t)
{
	char path[PATH_MAX];
	const struct head *h;
	const uint8_t *pieces;

	if (cache_path(path, sizeof(path), build_id, build_id_bytes) || !(t->file = read_file(path, &t->file_bytes)))
		return -1;
	if (is_sound(t->file, t->file_bytes, build_id, build_id_bytes)) {
		h = (const void *)t->file;
		pieces = t->file + sizeof(*h);
		t->n_pieces = h->n_pieces;
		t->n_units = h->n_units;
		t->start = lode_alloc(t->n_pieces * sizeof(*t->start));
		t->unit = lode_alloc(t->n_pieces * sizeof(*t->unit));
		memcpy(t->start, pieces, t->n_pieces * sizeof(*t->start));
		memcpy(t->unit, pieces + t->n_pieces * sizeof(*t->start), t->n_pieces * sizeof(*t->unit));
		t->indexes = lode_alloc_zeroed(t->n_units, sizeof(struct lode_symindex *));
		if (are_pieces_sound(t))
			return 0;
	}
	lode_unit_table_release(t);
	return -1;
}

static const struct entry *entry_of(const struct lode_unit_table *t, uint32_t unit)
{
	const struct head *h = (const void *)t->file;

	if (!h || unit >= h->n_units)
		return NULL;
	return (const struct entry *)(t->file + sizeof(*h) + pieces_bytes(h->n_pieces)) + unit;
}

/* The unit's block in the file if its CRC is right, else NULL. */
static const uint8_t *block_of(const struct lode_unit_table *t, uint32_t unit, size_t *bytes)
{
	const struct entry *e = entry_of(t, unit);

	if (!e || !e->bytes || e->offset > t->file_bytes || e->bytes > t->file_bytes - e->offset ||
	    crc_of(t->file + e->offset, e->bytes) != e->crc)
		return NULL;
	*bytes = e->bytes;
	return t->file + e->offset;
}

struct lode_symindex *lode_symcache_index(const struct lode_unit_table *t, uint32_t unit)
{
	size_t bytes;
	const uint8_t *block = block_of(t, unit, &bytes);
	void *copy;

	if (!block)
		return NULL;
	copy = lode_alloc(bytes);
	memcpy(copy, block, bytes);
	return lode_symindex_check(copy, bytes);
}

/* ---- writing ------------------------------------------------------------------------------------- */
struct old_file {
	char name[NAME_MAX + 1];
	off_t bytes;
	time_t used;
};

static int by_use(const void *a, const void *b)
{
	const struct old_file *x = a, *y = b;

	return x->used < y->used ? -1 : x->used > y->used;
}

/* Removes the files unused for longest until the rest is small enough. */
static void drop_old_files(void)
{
	char directory[PATH_MAX];
	DIR *d = cache_directory(directory, sizeof(directory)) ? NULL : opendir(directory);
	struct old_file *v = NULL;
	off_t total = 0;
	size_t n = 0;
	struct stat st;

	for (struct dirent *e; d && (e = readdir(d));) {
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		if (!(n & (n - 1)))
			v = lode_realloc(v, (n ? n * 2 : 1) * sizeof(*v));
		snprintf(v[n].name, sizeof(v[n].name), "%s", e->d_name);
		v[n].bytes = st.st_size;
		v[n++].used = st.st_mtime;
		total += st.st_size;
	}
	if (total > CACHE_MAX)
		qsort(v, n, sizeof(*v), by_use);
	for (size_t i = 0; i < n && total > CACHE_MAX; total -= v[i++].bytes)
		unlinkat(dirfd(d), v[i].name, 0);
	if (d)
		closedir(d);
	free(v);
}

/* The head, pieces and directory of the file to be; blocks[] says where each unit's bytes are. */
static uint8_t *make_front(const void *build_id, size_t build_id_bytes, const struct lode_unit_table *t,
			   const uint8_t **blocks, size_t *front, uint64_t *total)
{
	struct head h = { .build_id_bytes = (uint32_t)build_id_bytes,
			  .order = 1,
			  .n_units = (uint32_t)t->n_units,
			  .n_pieces = t->n_pieces };
	uint8_t *file = lode_alloc_zeroed(1, *front = before_blocks(t->n_pieces, t->n_units));
	struct entry *e = (struct entry *)(file + sizeof(h) + pieces_bytes(t->n_pieces));

	*total = *front;
	for (uint32_t i = 0; i < t->n_units; i++) {
		size_t bytes = 0;

		if (t->indexes[i]) {
			blocks[i] = t->indexes[i]->block;
			bytes = t->indexes[i]->block_bytes;
		} else {
			blocks[i] = block_of(t, i, &bytes);
		}
		e[i] = (struct entry){ *total, bytes, blocks[i] ? crc_of(blocks[i], bytes) : 0, 0 };
		*total += (bytes + 7) & ~(size_t)7;
	}
	memcpy(h.magic, magic, sizeof(magic));
	memcpy(h.build_id, build_id, build_id_bytes);
	memcpy(file, &h, sizeof(h));
	memcpy(file + sizeof(h), t->start, t->n_pieces * sizeof(*t->start));
	memcpy(file + sizeof(h) + t->n_pieces * sizeof(*t->start), t->unit, t->n_pieces * sizeof(*t->unit));
	((struct head *)file)->crc = crc_of_front(file, *front);
	return file;
}

static int write_blocks(FILE *f, const struct lode_unit_table *t, const uint8_t *front, const uint8_t **blocks)
{
	const struct entry *e = (const void *)(front + sizeof(struct head) + pieces_bytes(t->n_pieces));
	static const char zeroes[8];

	for (size_t i = 0; i < t->n_units; i++)
		if (e[i].bytes && (fwrite(blocks[i], 1, e[i].bytes, f) != e[i].bytes ||
				   fwrite(zeroes, 1, -e[i].bytes & 7, f) != (-e[i].bytes & 7)))
			return -1;
	return 0;
}

void lode_symcache_write(const void *build_id, size_t build_id_bytes, const struct lode_unit_table *t)
{
	const uint8_t **blocks = lode_alloc_zeroed(t->n_units, sizeof(*blocks));
	char path[PATH_MAX], beside[PATH_MAX + 8];
	uint8_t *front = NULL;
	size_t front_bytes;
	uint64_t total;
	FILE *f = NULL;
	int fd;

	if (!t->n_units || cache_path(path, sizeof(path), build_id, build_id_bytes))
		goto out;
	front = make_front(build_id, build_id_bytes, t, blocks, &front_bytes, &total);
	if (total > FILE_MAX)
		goto out;
	make_directories(path);
	snprintf(beside, sizeof(beside), "%s.XXXXXX", path);
	fd = mkostemp(beside, O_CLOEXEC);
	f = fd < 0 ? NULL : fdopen(fd, "wb");
	if (!f)
		goto out;
	if (fwrite(front, 1, front_bytes, f) == front_bytes && !write_blocks(f, t, front, blocks) && !fflush(f) &&
	    !rename(beside, path))
		drop_old_files();
	else
		unlink(beside);
out:
	if (f)
		fclose(f);
	free(front);
	free(blocks);
}

void lode_symcache_remove(const void *build_id, size_t build_id_bytes)
{
	char path[PATH_MAX];

	if (!cache_path(path, sizeof(path), build_id, build_id_bytes))
		unlink(path);
}

void lode_unit_table_release(struct lode_unit_table *t)
{
	for (size_t i = 0; t->indexes && i < t->n_units; i++)
		lode_symindex_free(t->indexes[i]);
	free(t->indexes);
	free(t->start);
	free(t->unit);
	free(t->file);
	memset(t, 0, sizeof(*t));
}
