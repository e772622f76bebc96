/* Deflate, gzip and CRC-32; zip.c is the one file of the reader that knows zlib.  A deflater or inflater is kept and
 * used again: its state is large (256 KiB, 40 KiB) and costs more to make than a small block costs to pack. */
#ifndef LODE_ZIP_H
#define LODE_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lode_zip_format {
	LODE_ZIP_RAW, /* RFC 1951, no header */
	LODE_ZIP_GZIP, /* RFC 1952, no name, no time: the same bytes for the same content */
};

struct lode_deflater;
struct lode_inflater; /* of LODE_ZIP_RAW */

/* Level: 1 fast to 9 small.  NULL: no memory; no message. */
struct lode_deflater *lode_deflater_new(enum lode_zip_format format, int level);
void lode_deflater_free(struct lode_deflater *d); /* NULL will do */

/* All of it at once, as a stream of its own.  The packed length; 0: it is not below `room` bytes. */
size_t lode_deflate_whole(struct lode_deflater *d, const void *raw, size_t raw_bytes, void *out, size_t room);

/* Piece by piece.  What is packed goes to the sink, now or with a later piece; after the last one (which may be empty)
 * the next begins a new stream. */
typedef void lode_zip_sink(void *to, const void *data, size_t bytes);
void lode_deflate_piece(struct lode_deflater *d, const void *raw, size_t raw_bytes, bool is_last, lode_zip_sink *sink,
			void *to);

struct lode_inflater *lode_inflater_new(void); /* NULL: no memory */
void lode_inflater_free(struct lode_inflater *i); /* NULL will do */

/* A whole stream.  False unless it is sound and exactly raw_bytes long; never writes beyond them.  Both lengths are below
 * 4 GiB. */
bool lode_inflate_whole(struct lode_inflater *i, const void *packed, size_t packed_bytes, void *raw, size_t raw_bytes);

/* As zlib, gzip and .gnu_debuglink have it.  `crc`: of what stands before, 0 at the start. */
uint32_t lode_crc32(uint32_t crc, const void *data, size_t bytes);

#endif
