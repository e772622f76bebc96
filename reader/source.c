/* Files to blocks.  Contract in source.h; called by info.c (headers, definitions) and replay.c
 * (contents). */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/map.h"
#include "lib/zip.h"

#define SEARCH_BYTES (1u << 20)
#define SEGMENT_BYTES_MAX LODE_BLOCK_RAW_MAX

struct input {
	int fd; /* -1: none */
	uint64_t bytes;
	struct lode_file_header header;
};

struct lode_source {
	char *path;
	struct input packed, log; /* a log opened by its own name is `log` alone */
	struct lode_block *blocks;
	size_t block_count, block_capacity;
	struct lode_map sequences; /* in the packed file */
	struct lode_log_header log_header;
	bool is_damaged, is_closed;
	struct lode_inflater *inflater; /* made for the first block that needs it */
	uint8_t *stored;
	size_t stored_capacity;
};

void lode_source_damage(struct lode_source *s, const char *what)
{
	if (!s->is_damaged)
		lode_warn("'%s' is damaged or was cut off (%s): what can be read is shown", s->path,
			  what);
	s->is_damaged = true;
}

/* Reads all of it, or fails. */
static bool read_at(const struct input *in, uint64_t offset, void *data, size_t bytes)
{
	if (offset > in->bytes || bytes > in->bytes - offset)
		return false;
	for (size_t done = 0; done < bytes;) {
		ssize_t n =
			pread(in->fd, (char *)data + done, bytes - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static struct lode_block *add_block(struct lode_source *s)
{
	if (s->block_count == s->block_capacity) {
		s->block_capacity = s->block_capacity ? 2 * s->block_capacity : 64;
		s->blocks = lode_realloc(s->blocks, s->block_capacity * sizeof(*s->blocks));
	}
	struct lode_block *b = &s->blocks[s->block_count++];
	*b = (struct lode_block){0};
	return b;
}

/* ---- packed ------------------------------------------------------------------------------- */

static bool is_header_valid(const struct lode_block_header *h)
{
	struct lode_block_header copy = *h;
	copy.header_crc32 = 0;
	return h->magic == LODE_BLOCK_MAGIC &&
	       h->header_crc32 == lode_crc32(0, &copy, sizeof(copy)) &&
	       h->raw_bytes <= LODE_BLOCK_RAW_MAX;
}

/* The next place at or after `offset` that looks like a block's header; the file's end if there is
 * none. */
static uint64_t find_header(const struct input *in, uint64_t offset)
{
	static const uint32_t magic = LODE_BLOCK_MAGIC;
	uint64_t found = in->bytes;
	uint8_t *chunk = lode_alloc(SEARCH_BYTES);
	while (found == in->bytes && offset < in->bytes &&
	       in->bytes - offset >= sizeof(struct lode_block_header)) {
		size_t n = in->bytes - offset < SEARCH_BYTES ? (size_t)(in->bytes - offset)
							     : SEARCH_BYTES;
		if (!read_at(in, offset, chunk, n))
			break;
		const uint8_t *p = memmem(chunk, n, &magic, sizeof(magic));
		if (p)
			found = offset + (uint64_t)(p - chunk);
		offset += n - (n == SEARCH_BYTES ? sizeof(magic) - 1 : 0);
	}
	free(chunk);
	return found;
}

static void add_packed_block(struct lode_source *s, const struct lode_block_header *h,
			     uint64_t offset)
{
	struct lode_block *b = add_block(s);
	*b = (struct lode_block){
		.offset = offset,
		.sequence = h->sequence,
		.first_time = h->first_time,
		.last_time = h->last_time,
		.stream = h->stream,
		.pid = h->pid,
		.flags = h->flags,
		.raw_bytes = h->raw_bytes,
		.stored_bytes = h->stored_bytes,
		.node_base = h->node_base,
		.crc32 = h->crc32,
		.payload = h->payload > 255 ? 0 : (uint8_t)h->payload,
		.codec = h->codec > 255 ? 255 : (uint8_t)h->codec,
	};
	if (h->payload == LODE_PAYLOAD_RECORDS && h->sequence)
		lode_map_put(&s->sequences, h->sequence, 0);
}

static bool is_trailer(const struct input *in, uint64_t offset)
{
	struct lode_trailer t;
	return offset + sizeof(t) == in->bytes && read_at(in, offset, &t, sizeof(t)) &&
	       !memcmp(t.magic, LODE_TRAILER_MAGIC, sizeof(t.magic));
}

static void walk_packed(struct lode_source *s)
{
	const struct input *in = &s->packed;
	uint64_t offset = in->header.header_bytes;
	while (offset < in->bytes) {
		struct lode_block_header h;
		if (is_trailer(in, offset)) {
			s->is_closed = true;
			return;
		}
		bool has_header = read_at(in, offset, &h, sizeof(h));
		bool is_cut = !has_header || (is_header_valid(&h) &&
					      h.stored_bytes > in->bytes - offset - sizeof(h));
		/* the recorder died while it wrote: what it was writing still stands in the log */
		if (is_cut && s->log.fd >= 0)
			return;
		if (!has_header || !is_header_valid(&h)) {
			lode_source_damage(s, has_header ? "a block's header is not valid"
							 : "it ends within a block");
			offset = find_header(in, offset + 1);
			continue;
		}
		offset += sizeof(h);
		if (h.stored_bytes > in->bytes - offset) {
			lode_source_damage(s, "it ends within a block");
			return;
		}
		add_packed_block(s, &h, offset);
		offset += h.stored_bytes;
	}
}

/* ---- log ---------------------------------------------------------------------------------- */

static void add_segment(struct lode_source *s, const struct lode_segment_header *h, uint64_t offset,
			uint64_t room)
{
	uint64_t bytes = h->committed;
	if (bytes > s->log.header.segment_bytes - LODE_SEGMENT_HEADER_BYTES || bytes > room) {
		lode_source_damage(s, "a segment is longer than its place");
		bytes = room;
	}
	struct lode_block *b = add_block(s);
	*b = (struct lode_block){
		.offset = offset + LODE_SEGMENT_HEADER_BYTES,
		.sequence = h->sequence,
		.first_time = h->first_time,
		.last_time = h->last_time,
		.stream = h->stream,
		.pid = h->pid,
		.flags = h->flags,
		.raw_bytes = (uint32_t)bytes,
		.stored_bytes = (uint32_t)bytes,
		.node_base = h->node_base,
		.payload = h->payload > 255 ? 0 : (uint8_t)h->payload,
		.codec = LODE_CODEC_STORED,
		.is_in_log = true,
		.is_open = h->state == LODE_SEGMENT_OPEN,
	};
}

static void walk_log(struct lode_source *s)
{
	const struct input *in = &s->log;
	uint64_t size = in->header.segment_bytes, offset = in->header.header_bytes;
	for (uint64_t i = 0; i < s->log_header.next_segment; i++, offset += size) {
		struct lode_segment_header h;
		if (!read_at(in, offset, &h, sizeof(h))) {
			/* a claim that found the disk full counts too, and leaves errno in the
			 * header */
			if (!s->log_header.first_errno)
				lode_source_damage(s, "segments are missing at its end");
			return;
		}
		if (h.state == LODE_SEGMENT_NONE || h.state == LODE_SEGMENT_FREE)
			continue;
		if (h.magic != LODE_SEGMENT_MAGIC || h.state > LODE_SEGMENT_FREE) {
			lode_source_damage(s, "a segment's header is not valid");
			continue;
		}
		uint64_t room = in->bytes - offset - sizeof(h);
		if (h.committed)
			add_segment(s, &h, offset,
				    room < size - sizeof(h) ? room : size - sizeof(h));
	}
}

/* What the recorder had packed before it died is dropped here: one sequence number, one use of a
 * segment. */
static void drop_packed_twice(struct lode_source *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->block_count; i++) {
		struct lode_block *b = &s->blocks[i];
		if (b->is_in_log && b->payload == LODE_PAYLOAD_RECORDS &&
		    lode_map_get(&s->sequences, b->sequence) != LODE_MAP_NONE)
			continue;
		s->blocks[n++] = *b;
	}
	s->block_count = n;
}

/* ---- opening ------------------------------------------------------------------------------ */

static int check_header(const struct input *in, const char *path)
{
	const struct lode_file_header *h = &in->header;
	if (memcmp(h->magic, LODE_MAGIC, sizeof(h->magic)))
		return lode_error("not a lode recording: %s", path);
	if (h->version > LODE_FORMAT_VERSION || !h->version)
		return lode_error("'%s' is of format version %u, this lode reads up to version %u: "
				  "use a newer lode",
				  path, h->version, LODE_FORMAT_VERSION);
	bool is_log = h->kind == LODE_FILE_LOG;
	uint32_t least = is_log ? (uint32_t)sizeof(struct lode_log_header) : (uint32_t)sizeof(*h);
	if ((!is_log && h->kind != LODE_FILE_PACKED) || h->header_bytes < least ||
	    h->header_bytes > 1u << 20)
		return lode_error("'%s' has a damaged header: nothing can be read", path);
	if (is_log &&
	    (h->segment_bytes <= LODE_SEGMENT_HEADER_BYTES || h->segment_bytes > SEGMENT_BYTES_MAX))
		return lode_error("'%s' has a damaged header: nothing can be read", path);
	return 0;
}

static int open_input(struct input *in, const char *path)
{
	struct stat st;
	in->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0)
		return lode_error("cannot open '%s': %s", path, strerror(errno));
	if (fstat(in->fd, &st) < 0)
		return lode_error("cannot read '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return lode_error("not a lode recording: %s (not a file)", path);
	in->bytes = (uint64_t)st.st_size;
	if (!read_at(in, 0, &in->header, sizeof(in->header)))
		return lode_error("not a lode recording: %s (%llu bytes)", path,
				  (unsigned long long)in->bytes);
	return check_header(in, path);
}

static void close_input(struct input *in)
{
	if (in->fd >= 0)
		close(in->fd);
	in->fd = -1;
}

/* The log beside a packed file whose recorder died or still runs; anything else by that name is
 * left alone. */
static void open_sibling(struct lode_source *s)
{
	size_t n = strlen(s->path);
	char *path = lode_alloc(n + 5);
	memcpy(path, s->path, n);
	memcpy(path + n, ".log", 5);
	struct stat st;
	if (!stat(path, &st) && S_ISREG(st.st_mode)) {
		if (open_input(&s->log, path) || s->log.header.kind != LODE_FILE_LOG)
			close_input(&s->log);
	}
	free(path);
}

static int read_log_header(struct lode_source *s)
{
	if (!read_at(&s->log, 0, &s->log_header, sizeof(s->log_header)))
		return lode_error("'%s' ends within its header: nothing can be read", s->path);
	return 0;
}

static int walk(struct lode_source *s)
{
	if (s->packed.header.kind == LODE_FILE_LOG) {
		s->log = s->packed;
		s->packed.fd = -1;
	} else {
		open_sibling(s);
	}
	/* the log first: what the recorder takes meanwhile is then found twice, not never */
	if (s->log.fd >= 0) {
		if (read_log_header(s))
			return -1;
		walk_log(s);
	}
	if (s->packed.fd >= 0) {
		walk_packed(s);
		if (!s->is_closed && s->log.fd < 0)
			lode_source_damage(s, "it was not closed");
		drop_packed_twice(s);
	}
	return 0;
}

int lode_source_open(const char *path, struct lode_source **out)
{
	struct lode_source *s = lode_alloc_zeroed(1, sizeof(*s));
	s->path = lode_copy_string(path);
	s->packed.fd = s->log.fd = -1;
	if (open_input(&s->packed, path) || walk(s)) {
		lode_source_close(s);
		*out = NULL;
		return -1;
	}
	*out = s;
	return 0;
}

void lode_source_close(struct lode_source *s)
{
	if (!s)
		return;
	close_input(&s->packed);
	close_input(&s->log);
	lode_inflater_free(s->inflater);
	lode_map_release(&s->sequences);
	free(s->stored);
	free(s->blocks);
	free(s->path);
	free(s);
}

/* ---- contents ----------------------------------------------------------------------------- */

static void reserve(struct lode_payload_buffer *buffer, size_t bytes)
{
	if (buffer->capacity < bytes + LODE_SOURCE_PADDING) {
		free(buffer->data);
		buffer->capacity = bytes + LODE_SOURCE_PADDING;
		buffer->data = lode_alloc(buffer->capacity);
	}
	memset(buffer->data + bytes, 0, LODE_SOURCE_PADDING);
	buffer->bytes = bytes;
}

void lode_payload_release(struct lode_payload_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct lode_payload_buffer){0};
}

/* The segment may have been taken and used anew while it was read: then the bytes are another
 * use's. */
static int read_segment(struct lode_source *s, const struct lode_block *b,
			struct lode_payload_buffer *buffer)
{
	struct lode_segment_header h;
	reserve(buffer, b->raw_bytes);
	if (!read_at(&s->log, b->offset, buffer->data, b->raw_bytes)) {
		lode_source_damage(s, "a segment cannot be read");
		return -1;
	}
	if (!read_at(&s->log, b->offset - LODE_SEGMENT_HEADER_BYTES, &h, sizeof(h)) ||
	    h.sequence != b->sequence)
		return -1;
	return 0;
}

static bool inflate_block(struct lode_source *s, const struct lode_block *b,
			  struct lode_payload_buffer *buffer)
{
	if (!s->inflater)
		s->inflater = lode_inflater_new();
	return s->inflater && lode_inflate_whole(s->inflater, s->stored, b->stored_bytes,
						 buffer->data, b->raw_bytes);
}

static int read_block(struct lode_source *s, const struct lode_block *b,
		      struct lode_payload_buffer *buffer)
{
	if (!s->stored || s->stored_capacity < b->stored_bytes) {
		free(s->stored);
		s->stored_capacity = b->stored_bytes;
		s->stored = lode_alloc(s->stored_capacity);
	}
	if (!read_at(&s->packed, b->offset, s->stored, b->stored_bytes)) {
		lode_source_damage(s, "a block cannot be read");
		return -1;
	}
	if (lode_crc32(0, s->stored, b->stored_bytes) != b->crc32) {
		lode_source_damage(s, "a block's checksum is wrong");
		return -1;
	}
	reserve(buffer, b->raw_bytes);
	bool is_good = b->codec == LODE_CODEC_STORED
			       ? b->stored_bytes == b->raw_bytes
			       : b->codec == LODE_CODEC_DEFLATE && inflate_block(s, b, buffer);
	if (is_good && b->codec == LODE_CODEC_STORED)
		memcpy(buffer->data, s->stored, b->raw_bytes);
	if (is_good)
		return 0;
	lode_source_damage(s, "a block cannot be unpacked");
	return -1;
}

int lode_source_read(struct lode_source *s, const struct lode_block *b,
		     struct lode_payload_buffer *buffer)
{
	int r = b->is_in_log ? read_segment(s, b, buffer) : read_block(s, b, buffer);
	if (r)
		buffer->bytes = 0;
	return r;
}

/* ---- facts -------------------------------------------------------------------------------- */

const char *lode_source_path(const struct lode_source *s)
{
	return s->path;
}

const struct lode_block *lode_source_blocks(const struct lode_source *s, size_t *count)
{
	*count = s->block_count;
	return s->blocks;
}

bool lode_source_is_damaged(const struct lode_source *s)
{
	return s->is_damaged;
}

uint64_t lode_source_bytes(const struct lode_source *s)
{
	return (s->packed.fd >= 0 ? s->packed.bytes : 0) + (s->log.fd >= 0 ? s->log.bytes : 0);
}

uint64_t lode_source_created_unix_ns(const struct lode_source *s)
{
	return s->packed.header.created_unix_ns;
}

bool lode_source_is_log(const struct lode_source *s)
{
	return s->packed.fd < 0;
}

void lode_source_lost(const struct lode_source *s, uint64_t *events, uint64_t *samples,
		      uint64_t *python_dropped, uint32_t *first_errno)
{
	*events = s->log_header.lost_events;
	*samples = s->log_header.lost_samples;
	*python_dropped = s->log_header.python_dropped;
	*first_errno = s->log_header.first_errno;
}
