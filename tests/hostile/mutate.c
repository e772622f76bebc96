/* link: reader/load.c reader/frames.c reader/tree.c reader/pycode.c reader/label.c reader/profile.c reader/moment.c reader/replay.c reader/replay_range.c reader/live.c reader/mappings.c reader/info.c reader/clock.c reader/decode.c reader/source.c reader/lib/escape.c reader/lib/zip.c reader/lib/arena.c reader/lib/map.c reader/lib/progress.c -lz -lm */
/* Loads a recording that has been cut, flipped and rewritten in many ways; what comes out must be a
 * profile or a message, never a crash: test_hostile.py builds this with the sanitizers.
 *
 * usage: mutate RECORDING WORKFILE     prints how many of each outcome there were */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/error.h"
#include "load.h"
#include "lode/format.h"
#include "quiet.h"

static const char *work_path;
static unsigned outcomes[4]; /* OK, DAMAGED, FAILED, USAGE */

/* The tree must hold what profile.h promises. */
static void check(const struct lode_profile *p)
{
	for (size_t i = 1; i < p->node_count; i++)
		if (p->nodes[i].parent >= i || p->nodes[i].frame >= p->frame_count)
			abort();
	for (size_t i = 0; i < p->frame_count; i++)
		if (!p->frames[i].name)
			abort();
	for (unsigned m = 0; m < LODE_MEASURE_COUNT; m++) {
		uint64_t sum = 0;
		for (size_t i = 0; p->self[m] && i < p->node_count; i++)
			sum += (uint64_t)p->self[m][i];
		if (p->self[m] && sum != (uint64_t)p->total[m])
			abort();
	}
}

static void load(const uint8_t *data, size_t bytes)
{
	static unsigned round;
	FILE *f = fopen(work_path, "wb");
	if (!f || (bytes && fwrite(data, bytes, 1, f) != 1) || fclose(f))
		abort();
	struct lode_load_options o = {.files = &work_path,
				      .file_count = 1,
				      .quiet = true,
				      .no_symbols = true,
				      .want_timeline = round % 2,
				      .split_threads = round % 3 == 0,
				      .split_processes = round % 5 == 0,
				      .at = round % 7 == 0 ? "peak" : NULL,
				      .from = round % 11 == 0 ? "10%" : NULL};
	struct lode_profile *p;
	round++;
	enum lode_load_status status = lode_load(&o, &p);
	if ((status == LODE_LOAD_OK || status == LODE_LOAD_DAMAGED) != !!p)
		abort();
	if (p)
		check(p);
	lode_profile_free(p);
	outcomes[status >= 0 ? (int)status : 1 - (int)status]++;
}

static uint64_t random_next(void)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* The same recording with every block stored, so that contents can be changed under a checksum that
 * is right. */
static uint8_t *unpack(const uint8_t *data, size_t bytes, size_t *out_bytes)
{
	uint8_t *out = malloc(bytes + (256u << 20));
	size_t at = sizeof(struct lode_file_header), n = at;
	memcpy(out, data, at);
	while (at + sizeof(struct lode_block_header) <= bytes && n < 128u << 20) {
		struct lode_block_header h;
		memcpy(&h, data + at, sizeof(h));
		at += sizeof(h);
		if (h.magic != LODE_BLOCK_MAGIC || h.stored_bytes > bytes - at ||
		    h.raw_bytes > 1u << 20)
			break;
		z_stream z = {.next_in = (Bytef *)(uintptr_t)(data + at),
			      .avail_in = h.stored_bytes,
			      .next_out = out + n + sizeof(h),
			      .avail_out = h.raw_bytes};
		if (h.codec == LODE_CODEC_DEFLATE && inflateInit2(&z, -15) == Z_OK) {
			inflate(&z, Z_FINISH);
			inflateEnd(&z);
		} else {
			memcpy(out + n + sizeof(h), data + at, h.stored_bytes);
		}
		at += h.stored_bytes;
		h.codec = LODE_CODEC_STORED;
		h.stored_bytes = h.raw_bytes;
		memcpy(out + n, &h, sizeof(h));
		n += sizeof(h) + h.raw_bytes;
	}
	*out_bytes = n;
	return out;
}

/* Makes every checksum right again. */
static void seal(uint8_t *data, size_t bytes)
{
	size_t at = sizeof(struct lode_file_header);
	while (at + sizeof(struct lode_block_header) <= bytes) {
		struct lode_block_header h;
		memcpy(&h, data + at, sizeof(h));
		if (h.magic != LODE_BLOCK_MAGIC || h.stored_bytes > bytes - at - sizeof(h))
			return;
		h.crc32 = (uint32_t)crc32(0, data + at + sizeof(h), h.stored_bytes);
		h.header_crc32 = 0;
		h.header_crc32 = (uint32_t)crc32(0, (const Bytef *)&h, sizeof(h));
		memcpy(data + at, &h, sizeof(h));
		at += sizeof(h) + h.stored_bytes;
	}
}

static void cut(const uint8_t *data, size_t bytes)
{
	size_t step = bytes / 400 > 1000   ? bytes / 400
		      : bytes / 1000 > 100 ? 1000
					   : bytes / 100 + 1;
	for (size_t n = 0; n < bytes; n += step)
		load(data, n);
}

static void flip(uint8_t *data, size_t bytes, unsigned rounds, bool is_sealed)
{
	uint8_t *copy = malloc(bytes);
	for (unsigned i = 0; i < rounds; i++) {
		memcpy(copy, data, bytes);
		for (unsigned k = 0; k <= i % 8; k++) {
			uint64_t r = random_next();
			size_t at = sizeof(struct lode_file_header) +
				    (size_t)(r >> 8) % (bytes - sizeof(struct lode_file_header));
			if (i % 16 == 15)
				at %= 4096;
			copy[at] = i % 3   ? copy[at] ^ (uint8_t)(1u << (r & 7))
				   : i % 2 ? 0xff
					   : (uint8_t)r;
		}
		if (is_sealed)
			seal(copy, bytes);
		load(copy, bytes);
	}
	free(copy);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	work_path = argv[2];
	FILE *f = fopen(argv[1], "rb");
	if (!f)
		return 2;
	static uint8_t data[32u << 20];
	size_t bytes = fread(data, 1, sizeof(data), f), unpacked_bytes;
	fclose(f);
	struct lode_file_header header;
	memcpy(&header, data, sizeof(header));
	load(data, bytes);
	if (outcomes[0] != 1)
		return fprintf(stderr, "the recording itself cannot be read\n"), 1;
	cut(data, bytes);
	flip(data, bytes, 300, false);
	if (header.kind == LODE_FILE_PACKED) {
		uint8_t *unpacked = unpack(data, bytes, &unpacked_bytes);
		flip(unpacked, unpacked_bytes, 300, true);
		free(unpacked);
	}
	printf("%u whole, %u damaged, %u failed, %u usage\n", outcomes[0], outcomes[1], outcomes[2],
	       outcomes[3]);
	return 0;
}
