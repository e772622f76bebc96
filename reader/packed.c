/* The writer of packed files; see packed.h. */
#include "packed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/zip.h"
#include "ticks.h"

#define CODEC_LEVEL 1 /* the program waits for nobody, but the other core is its own too */

struct lode_packed_codec {
	struct lode_deflater *deflater;
	uint8_t *out;
	size_t room;
};

/* ---- files -------------------------------------------------------------------------------- */

/* Descriptors 0 to 2 may be closed in a careful parent; a message must never land in a recording. */
static int above_standard_streams(int fd)
{
	if (fd < 0 || fd > 2)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int error = errno;
	close(fd);
	errno = error;
	return high;
}

int lode_create_file(const char *path, bool force)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = above_standard_streams(open(path, flags, 0600));
	if (fd >= 0 || errno != EEXIST)
		return fd;

	struct stat st;
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		errno = ENOTSUP;
		return -1;
	}
	if (!force) {
		errno = EEXIST;
		return -1;
	}
	if (unlink(path) != 0 && errno != ENOENT)
		return -1;
	return above_standard_streams(open(path, flags, 0600));
}

static int write_all(int fd, const void *data, size_t n, uint64_t offset)
{
	const uint8_t *p = data;
	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -ENOSPC;
		p += done;
		n -= (size_t)done;
		offset += (uint64_t)done;
	}
	return 0;
}

/* ---- codec -------------------------------------------------------------------------------- */

static struct lode_packed_codec *codec_new(void)
{
	struct lode_packed_codec *c = lode_alloc_zeroed(1, sizeof *c);
	c->deflater = lode_deflater_new(LODE_ZIP_RAW, CODEC_LEVEL);
	return c;
}

static void codec_free(struct lode_packed_codec *c)
{
	if (!c)
		return;
	lode_deflater_free(c->deflater);
	free(c->out);
	free(c);
}

/* Returns the compressed length, in c->out; 0 where compression gains nothing or there is no memory for it. */
static uint32_t codec_deflate(struct lode_packed_codec *c, const void *raw, uint32_t raw_bytes)
{
	if (!c->deflater || raw_bytes < 64)
		return 0;
	if (c->room < raw_bytes) {
		c->out = lode_realloc(c->out, raw_bytes);
		c->room = raw_bytes;
	}
	return (uint32_t)lode_deflate_whole(c->deflater, raw, raw_bytes, c->out, raw_bytes);
}

/* ---- the packed file ---------------------------------------------------------------------- */

static enum lode_packed_status create_failed(const char *path)
{
	switch (errno) {
	case EEXIST:
		lode_error("'%s' exists: give another name with -o, or -f to overwrite it", path);
		return LODE_PACKED_EXISTS;
	case ENOTSUP:
		lode_error("'%s' exists and is not a regular file: give another name with -o", path);
		return LODE_PACKED_FAILED;
	default:
		lode_error("cannot create '%s': %s; give another name with -o", path, strerror(errno));
		return LODE_PACKED_FAILED;
	}
}

enum lode_packed_status lode_packed_create(struct lode_packed *f, const char *path, bool force)
{
	*f = (struct lode_packed){ .fd = lode_create_file(path, force) };
	if (f->fd < 0)
		return create_failed(path);

	struct lode_file_header h = {
		.version = LODE_FORMAT_VERSION,
		.kind = LODE_FILE_PACKED,
		.header_bytes = sizeof h,
		.created_unix_ns = lode_realtime_ns(),
	};
	memcpy(h.magic, LODE_MAGIC, sizeof h.magic);
	int r = write_all(f->fd, &h, sizeof h, 0);
	if (r < 0) {
		lode_error("cannot write '%s': %s", path, strerror(-r));
		unlink(path);
		close(f->fd);
		f->fd = -1;
		return LODE_PACKED_FAILED;
	}
	f->path = lode_copy_string(path);
	f->bytes = sizeof h;
	f->codec = codec_new();
	return LODE_PACKED_OK;
}

static void add_to_index(struct lode_packed *f, const struct lode_block_header *h)
{
	if (f->index_count == f->index_room) {
		f->index_room = f->index_room ? 2 * f->index_room : 64;
		f->index = lode_realloc(f->index, f->index_room * sizeof *f->index);
	}
	f->index[f->index_count++] = (struct lode_index_entry){
		.offset = f->bytes,
		.first_time = h->first_time,
		.last_time = h->last_time,
		.stream = h->stream,
		.payload = h->payload,
		.flags = (uint16_t)h->flags,
	};
}

int lode_packed_append(struct lode_packed *f, const struct lode_block_header *meta, const void *raw,
		       uint32_t raw_bytes)
{
	struct lode_block_header h = *meta;
	uint32_t deflated = codec_deflate(f->codec, raw, raw_bytes);
	const void *data = deflated ? f->codec->out : raw;

	h.magic = LODE_BLOCK_MAGIC;
	h.codec = deflated ? LODE_CODEC_DEFLATE : LODE_CODEC_STORED;
	h.raw_bytes = raw_bytes;
	h.stored_bytes = deflated ? deflated : raw_bytes;
	h.crc32 = lode_crc32(0, data, h.stored_bytes);
	h.header_crc32 = 0;
	h.header_crc32 = lode_crc32(0, &h, sizeof h);

	int r = write_all(f->fd, &h, sizeof h, f->bytes);
	if (r == 0)
		r = write_all(f->fd, data, h.stored_bytes, f->bytes + sizeof h);
	if (r < 0) {
		if (ftruncate(f->fd, (off_t)f->bytes) != 0)
			return r; /* a cut-off tail: readers expect it */
		return r;
	}
	if (h.payload != LODE_PAYLOAD_INDEX)
		add_to_index(f, &h);
	f->bytes += sizeof h + h.stored_bytes;
	f->raw_bytes += raw_bytes;
	return 0;
}

void lode_packed_set_created(struct lode_packed *f, uint64_t unix_ns)
{
	(void)write_all(f->fd, &unix_ns, sizeof unix_ns, offsetof(struct lode_file_header, created_unix_ns));
}

int lode_packed_close(struct lode_packed *f)
{
	struct lode_trailer t = { .index_offset = f->bytes };
	struct lode_block_header h = { .payload = LODE_PAYLOAD_INDEX };
	size_t bytes = f->index_count * sizeof *f->index;
	int r = 0;

	memcpy(t.magic, LODE_TRAILER_MAGIC, sizeof t.magic);
	if (bytes < UINT32_MAX) { /* an index that long is rebuilt by who reads */
		r = lode_packed_append(f, &h, f->index, (uint32_t)bytes);
		if (r == 0)
			r = write_all(f->fd, &t, sizeof t, f->bytes);
		if (r == 0)
			f->bytes += sizeof t;
	}
	if (close(f->fd) != 0 && r == 0)
		r = -errno;
	f->fd = -1;
	return r;
}

void lode_packed_release(struct lode_packed *f)
{
	if (f->fd >= 0)
		close(f->fd);
	codec_free(f->codec);
	free(f->index);
	free(f->path);
	*f = (struct lode_packed){ .fd = -1 };
}
