/* Writes packed files: a header, blocks, and when it is closed in order an index and a trailer.
 *
 * A block is either whole on disk or not there: a write that fails is taken back, and the file stays readable. */
#ifndef LODE_PACKED_H
#define LODE_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lode/format.h"

struct lode_packed {
	char *path; /* owned; as messages show it */
	int fd;     /* -1: not open */
	uint64_t bytes;     /* written so far, all of them whole */
	uint64_t raw_bytes; /* of the payloads before compression */
	struct lode_index_entry *index;
	size_t index_count, index_room;
	struct lode_packed_codec *codec;
};

/* What lode_packed_create did not do. */
enum lode_packed_status {
	LODE_PACKED_OK = 0,
	LODE_PACKED_EXISTS = -1, /* message printed: say -f */
	LODE_PACKED_FAILED = -2, /* message printed */
};

/* Creates `path` (mode 0600, never through a symbolic link) and writes the header.  An existing regular file is
 * replaced only with `force`. */
enum lode_packed_status lode_packed_create(struct lode_packed *f, const char *path, bool force);

/* Appends a block.  Of `h` the caller fills payload, flags, stream, sequence, first_time, last_time, node_base and pid.
 * Returns 0 or -errno; the file is then as it was before. */
int lode_packed_append(struct lode_packed *f, const struct lode_block_header *h, const void *raw, uint32_t raw_bytes);

/* Says when the recording began, where that is not when the file was made. */
void lode_packed_set_created(struct lode_packed *f, uint64_t unix_ns);

/* Writes index and trailer and closes.  Returns 0 or -errno. */
int lode_packed_close(struct lode_packed *f);

/* Closes as it stands (if open) and releases memory. */
void lode_packed_release(struct lode_packed *f);

/* Opens a new file for writing by the rules above; returns a descriptor above 2, or -1 with errno.  EEXIST: it exists
 * and `force` is not set; ENOTSUP: it exists and is no regular file. */
int lode_create_file(const char *path, bool force);

#endif
