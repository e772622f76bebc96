/* link: reader/load.c reader/frames.c reader/tree.c reader/pycode.c reader/label.c reader/profile.c reader/moment.c reader/replay.c reader/replay_range.c reader/live.c reader/mappings.c reader/info.c reader/clock.c reader/decode.c reader/source.c reader/lib/escape.c reader/lib/zip.c reader/lib/arena.c reader/lib/map.c reader/lib/progress.c -lz -lm */
/* libFuzzer at the way from bytes to a profile.  The input's first byte chooses: a whole file, or
 * payloads that are put into blocks with right checksums (otherwise no mutation would get past
 * them): payload: kind and stream (a byte), length (2 bytes), bytes */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "load.h"
#include "lode/format.h"
#include "tests/hostile/quiet.h"

static void put(int fd, const void *data, size_t bytes)
{
	if (bytes && write(fd, data, bytes) != (ssize_t)bytes)
		abort();
}

static void put_payloads(int fd, const uint8_t *p, size_t n)
{
	struct lode_file_header header = {.magic = LODE_MAGIC,
					  .version = LODE_FORMAT_VERSION,
					  .kind = LODE_FILE_PACKED,
					  .header_bytes = sizeof(header)};
	put(fd, &header, sizeof(header));
	for (uint64_t sequence = 1; n > 3; sequence++) {
		uint32_t bytes = p[1] | (uint32_t)p[2] << 8;
		bytes = bytes > n - 3 ? (uint32_t)(n - 3) : bytes;
		struct lode_block_header h = {.magic = LODE_BLOCK_MAGIC,
					      .payload = 1 + p[0] % 2,
					      .stream = p[0] >> 1 & 3,
					      .flags = LODE_HAS_DEFINITIONS,
					      .sequence = sequence,
					      .pid = 100,
					      .first_time = p[0] >> 4,
					      .raw_bytes = bytes,
					      .stored_bytes = bytes,
					      .node_base = 1,
					      .last_time = p[0]};
		p += 3;
		n -= 3;
		h.crc32 = (uint32_t)crc32(0, p, bytes);
		h.header_crc32 = (uint32_t)crc32(0, (const Bytef *)&h, sizeof(h));
		put(fd, &h, sizeof(h));
		put(fd, p, bytes);
		p += bytes;
		n -= bytes;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char path[64];
	if (!bytes)
		return 0;
	int fd = memfd_create("fuzz", 0);
	if (fd < 0)
		abort();
	if (data[0] & 1)
		put(fd, data + 1, bytes - 1);
	else
		put_payloads(fd, data + 1, bytes - 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	const char *files[] = {path};
	struct lode_load_options o = {.files = files,
				      .file_count = 1,
				      .quiet = true,
				      .no_symbols = true,
				      .want_timeline = data[0] & 2,
				      .split_threads = data[0] & 4,
				      .at = data[0] & 8 ? "peak" : NULL,
				      .to = data[0] & 16 ? "50%" : NULL};
	struct lode_profile *p;
	lode_load(&o, &p);
	lode_profile_free(p);
	close(fd);
	return 0;
}
