/* Deflate, gzip and CRC-32 by zlib. */
#include "zip.h"

#include <stdlib.h>
#include <zlib.h>

#include "error.h"

#define RAW_WINDOW (-15) /* negative: no header (zlib.h, deflateInit2) */
#define GZIP_WINDOW (15 + 16)
#define MEMORY_LEVEL 8
#define PIECE_MAX (1u << 30) /* of what zlib's unsigned counters take at once */

struct lode_deflater {
	z_stream z;
};

struct lode_inflater {
	z_stream z;
};

struct lode_deflater *lode_deflater_new(enum lode_zip_format format, int level)
{
	struct lode_deflater *d = lode_alloc_zeroed(1, sizeof(*d));
	if (deflateInit2(&d->z, level, Z_DEFLATED, format == LODE_ZIP_GZIP ? GZIP_WINDOW : RAW_WINDOW, MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) == Z_OK)
		return d;
	free(d);
	return NULL;
}

void lode_deflater_free(struct lode_deflater *d)
{
	if (!d)
		return;
	deflateEnd(&d->z);
	free(d);
}

size_t lode_deflate_whole(struct lode_deflater *d, const void *raw, size_t raw_bytes, void *out, size_t room)
{
	if (!room || raw_bytes > PIECE_MAX || room > PIECE_MAX)
		return 0;
	deflateReset(&d->z);
	d->z.next_in = (Bytef *)(uintptr_t)raw; /* zlib only reads it */
	d->z.avail_in = (uInt)raw_bytes;
	d->z.next_out = out;
	d->z.avail_out = (uInt)room - 1;
	size_t packed = deflate(&d->z, Z_FINISH) == Z_STREAM_END ? d->z.total_out : 0;
	deflateReset(&d->z);
	return packed;
}

static void squeeze(z_stream *z, int flush, lode_zip_sink *sink, void *to)
{
	unsigned char out[65536];
	do {
		z->next_out = out;
		z->avail_out = sizeof(out);
		deflate(z, flush);
		if (z->avail_out < sizeof(out))
			sink(to, out, sizeof(out) - z->avail_out);
	} while (!z->avail_out);
}

void lode_deflate_piece(struct lode_deflater *d, const void *raw, size_t raw_bytes, bool is_last, lode_zip_sink *sink,
			void *to)
{
	const unsigned char *p = raw;
	do {
		size_t n = raw_bytes < PIECE_MAX ? raw_bytes : PIECE_MAX;
		d->z.next_in = (Bytef *)(uintptr_t)p;
		d->z.avail_in = (uInt)n;
		raw_bytes -= n;
		p = n ? p + n : p;
		squeeze(&d->z, is_last && !raw_bytes ? Z_FINISH : Z_NO_FLUSH, sink, to);
	} while (raw_bytes);
	if (is_last)
		deflateReset(&d->z);
}

struct lode_inflater *lode_inflater_new(void)
{
	struct lode_inflater *i = lode_alloc_zeroed(1, sizeof(*i));
	if (inflateInit2(&i->z, RAW_WINDOW) == Z_OK)
		return i;
	free(i);
	return NULL;
}

void lode_inflater_free(struct lode_inflater *i)
{
	if (!i)
		return;
	inflateEnd(&i->z);
	free(i);
}

bool lode_inflate_whole(struct lode_inflater *i, const void *packed, size_t packed_bytes, void *raw, size_t raw_bytes)
{
	if (packed_bytes > UINT32_MAX || raw_bytes > UINT32_MAX || inflateReset(&i->z) != Z_OK)
		return false;
	i->z.next_in = (Bytef *)(uintptr_t)packed;
	i->z.avail_in = (uInt)packed_bytes;
	i->z.next_out = raw;
	i->z.avail_out = (uInt)raw_bytes;
	return inflate(&i->z, Z_FINISH) == Z_STREAM_END && !i->z.avail_out;
}

uint32_t lode_crc32(uint32_t crc, const void *data, size_t bytes)
{
	return bytes ? (uint32_t)crc32_z(crc, data, bytes) : crc;
}
