/* Synthetic recordings.  Contract in synth.h.  Written from the format's description, not shared
 * with the agent. */
#include "synth.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lode/varint.h"

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void reserve(struct synth_lane *l, size_t more)
{
	if (l->count + more <= l->capacity)
		return;
	l->capacity = 2 * (l->count + more);
	l->bytes = realloc(l->bytes, l->capacity);
	need(l->bytes);
}

static void put_number(struct synth_lane *l, uint64_t v)
{
	reserve(l, LODE_VARINT_MAX);
	l->count = (size_t)(lode_varint_put(l->bytes + l->count, v) - l->bytes);
}

static void put_byte(struct synth_lane *l, uint8_t v)
{
	reserve(l, 1);
	l->bytes[l->count++] = v;
}

static void put_time(struct synth_lane *l, uint64_t time)
{
	need(time >= l->time);
	put_number(l, time - l->time);
	l->time = time;
}

static void put_address(struct synth_lane *l, uint64_t address)
{
	put_number(l, lode_zigzag((int64_t)(lode_rotr4(address) - lode_rotr4(l->address))));
	l->address = address;
	l->addresses[LODE_ADDRESS_SLOT(address)] = address;
}

void synth_begin(struct synth_lane *l, uint32_t stream, uint32_t pid, int64_t tid, uint64_t time)
{
	uint8_t *bytes = l->bytes;
	size_t capacity = l->capacity;
	*l = (struct synth_lane){.bytes = bytes,
				 .capacity = capacity,
				 .stream = stream,
				 .pid = pid,
				 .first_time = time,
				 .has_no_slots = l->has_no_slots};
	uint64_t numbers[] = {(uint64_t)tid, time};
	synth_record(l, LODE_RECORD_LANE, 0, 2, numbers, 0, NULL);
	l->flags = 0;
	l->time = time;
}

void synth_alloc(struct synth_lane *l, uint64_t time, uint32_t stack, uint64_t size,
		 uint64_t address)
{
	const uint32_t how = LODE_HOW_MALLOC;
	uint32_t slot = LODE_SITE_SLOT(stack, size, how);
	if (!l->has_no_slots && l->sites[slot].stack == stack && l->sites[slot].size == size &&
	    l->sites[slot].how == how) {
		put_byte(l, (uint8_t)(LODE_TAG_ALLOC_SITE | slot));
		put_time(l, time);
	} else {
		put_byte(l, LODE_TAG_ALLOC);
		put_time(l, time);
		put_number(l, how);
		put_number(l, stack);
		put_number(l, size);
		l->sites[slot].stack = stack;
		l->sites[slot].size = size;
		l->sites[slot].how = how;
	}
	put_address(l, address);
}

void synth_free(struct synth_lane *l, uint64_t time, uint64_t address)
{
	uint32_t slot = LODE_ADDRESS_SLOT(address);
	if (!l->has_no_slots && l->addresses[slot] == address) {
		put_byte(l, (uint8_t)(LODE_TAG_FREE_SLOT | slot));
		put_time(l, time);
		l->address = address;
		return;
	}
	put_byte(l, LODE_TAG_FREE);
	put_time(l, time);
	put_address(l, address);
}

void synth_sample(struct synth_lane *l, uint64_t time, uint32_t flags, uint64_t weight_ns,
		  uint32_t stack)
{
	put_byte(l, LODE_TAG_SAMPLE);
	put_time(l, time);
	put_number(l, flags);
	put_number(l, weight_ns);
	put_number(l, stack);
}

void synth_record(struct synth_lane *l, enum lode_record id, uint64_t time, size_t number_count,
		  const uint64_t *numbers, size_t string_count, const char *const *strings)
{
	struct synth_lane fields = {.time = l->time};
	if (time)
		put_time(&fields, time);
	l->time = fields.time;
	for (size_t i = 0; i < number_count; i++)
		put_number(&fields, numbers[i]);
	for (size_t i = 0; i < string_count; i++) {
		size_t n = strlen(strings[i]);
		put_number(&fields, n);
		reserve(&fields, n);
		memcpy(fields.bytes + fields.count, strings[i], n);
		fields.count += n;
	}
	put_byte(l, (uint8_t)(LODE_TAG_LONG | id));
	put_number(l, fields.count);
	reserve(l, fields.count);
	if (fields.count)
		memcpy(l->bytes + l->count, fields.bytes, fields.count);
	l->count += fields.count;
	l->flags |= LODE_HAS_DEFINITIONS;
	free(fields.bytes);
}

void synth_map(struct synth_lane *l, uint64_t time, uint32_t category, uint64_t address,
	       uint64_t bytes, uint32_t stack)
{
	uint64_t numbers[] = {category, address, bytes, stack};
	synth_record(l, LODE_RECORD_MAP, time, 4, numbers, 0, NULL);
}

void synth_unmap(struct synth_lane *l, uint64_t time, uint64_t address, uint64_t bytes)
{
	uint64_t numbers[] = {address, bytes};
	synth_record(l, LODE_RECORD_UNMAP, time, 2, numbers, 0, NULL);
}

void synth_process(struct synth_lane *l, uint64_t time, uint32_t parent_stream,
		   enum lode_begin begin, const char *options)
{
	uint64_t numbers[] = {l->pid, 1, parent_stream, begin, UINT64_C(1700000000000000000), 8};
	const char *strings[] = {"0.1.0", options, "/usr/bin/synth", "synth", "/tmp"};
	synth_record(l, LODE_RECORD_PROCESS, time, 6, numbers, 5, strings);
}

void synth_clock(struct synth_lane *l, uint64_t ticks, uint64_t ns)
{
	uint64_t numbers[] = {ticks, ns};
	synth_record(l, LODE_RECORD_CLOCK, 0, 2, numbers, 0, NULL);
}

void synth_mark(struct synth_lane *l, uint64_t time, const char *name)
{
	synth_record(l, LODE_RECORD_MARK, time, 0, NULL, 1, &name);
}

void synth_codes(struct synth_lane *l, uint32_t n)
{
	for (uint32_t i = 1; i <= n; i++) {
		char name[32];
		snprintf(name, sizeof(name), "f%u", i);
		uint64_t numbers[] = {i, 10 * i, 0x030b};
		const char *strings[] = {"/src/f.py", name, ""};
		synth_record(l, LODE_RECORD_CODE, 0, 3, numbers, 3, strings);
	}
}

/* ---- files -------------------------------------------------------------------------------- */

static void put(struct synth_file *f, const void *data, size_t bytes)
{
	need(!bytes || fwrite(data, bytes, 1, f->file) == 1);
}

void synth_open(struct synth_file *f, const char *path, enum lode_file_kind kind)
{
	struct lode_log_header h = {0};
	*f = (struct synth_file){.file = fopen(path, "wb"), .kind = kind};
	need(f->file);
	memcpy(h.file.magic, LODE_MAGIC, 8);
	h.file.version = LODE_FORMAT_VERSION;
	h.file.kind = kind;
	h.file.header_bytes = kind == LODE_FILE_LOG ? LODE_LOG_HEADER_BYTES : sizeof(h.file);
	h.file.segment_bytes = kind == LODE_FILE_LOG ? LODE_SEGMENT_BYTES : 0;
	h.file.created_unix_ns = UINT64_C(1700000000000000000);
	put(f, &h, kind == LODE_FILE_LOG ? sizeof(h) : sizeof(h.file));
	if (kind == LODE_FILE_LOG)
		fseek(f->file, LODE_LOG_HEADER_BYTES, SEEK_SET);
}

static void put_block(struct synth_file *f, struct lode_block_header *h, const void *data,
		      size_t bytes)
{
	uLong bound = compressBound(bytes) + 64;
	uint8_t *packed = malloc(bound);
	z_stream z = {.next_in = (Bytef *)(uintptr_t)data,
		      .avail_in = (uInt)bytes,
		      .next_out = packed,
		      .avail_out = (uInt)bound};
	h->magic = LODE_BLOCK_MAGIC;
	h->codec = f->is_stored ? LODE_CODEC_STORED : LODE_CODEC_DEFLATE;
	h->raw_bytes = h->stored_bytes = (uint32_t)bytes;
	if (!f->is_stored) {
		need(deflateInit2(&z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
		need(deflate(&z, Z_FINISH) == Z_STREAM_END);
		h->stored_bytes = (uint32_t)z.total_out;
		deflateEnd(&z);
	}
	const void *stored = f->is_stored ? data : packed;
	h->crc32 = (uint32_t)crc32(0, stored, h->stored_bytes);
	h->header_crc32 = 0;
	h->header_crc32 = (uint32_t)crc32(0, (const Bytef *)h, sizeof(*h));
	f->index = realloc(f->index, (f->index_count + 1) * sizeof(*f->index));
	f->index[f->index_count++] = (struct lode_index_entry){.offset = (uint64_t)ftell(f->file),
							       .first_time = h->first_time,
							       .last_time = h->last_time,
							       .stream = h->stream,
							       .payload = h->payload,
							       .flags = (uint16_t)h->flags};
	put(f, h, sizeof(*h));
	put(f, stored, h->stored_bytes);
	free(packed);
}

static void put_segment(struct synth_file *f, const struct lode_block_header *b, const void *data,
			size_t bytes)
{
	struct lode_segment_header h = {.magic = LODE_SEGMENT_MAGIC,
					.state = LODE_SEGMENT_OPEN,
					.payload = b->payload,
					.flags = b->flags,
					.stream = b->stream,
					.pid = b->pid,
					.sequence = b->sequence,
					.first_time = b->first_time,
					.last_time = b->last_time,
					.committed = (uint32_t)bytes,
					.node_base = b->node_base};
	need(bytes <= LODE_SEGMENT_PAYLOAD_BYTES);
	long at = (long)LODE_LOG_HEADER_BYTES + (long)f->segment_count++ * (long)LODE_SEGMENT_BYTES;
	fseek(f->file, at, SEEK_SET);
	put(f, &h, sizeof(h));
	put(f, data, bytes);
	fseek(f->file, at + (long)LODE_SEGMENT_BYTES - 1, SEEK_SET);
	put(f, "", 1);
}

static void put_payload(struct synth_file *f, struct lode_block_header *h, const void *data,
			size_t bytes)
{
	h->sequence = ++f->sequence;
	if (f->kind == LODE_FILE_LOG)
		put_segment(f, h, data, bytes);
	else
		put_block(f, h, data, bytes);
}

void synth_end(struct synth_file *f, struct synth_lane *l)
{
	struct lode_block_header h = {.payload = LODE_PAYLOAD_RECORDS,
				      .flags = l->flags,
				      .stream = l->stream,
				      .pid = l->pid,
				      .first_time = l->first_time,
				      .last_time = l->time};
	put_payload(f, &h, l->bytes, l->count);
	free(l->bytes);
	*l = (struct synth_lane){.has_no_slots = l->has_no_slots};
}

void synth_nodes(struct synth_file *f, uint32_t stream, uint32_t n, bool is_chain)
{
	struct lode_node *nodes = calloc(n, sizeof(*nodes));
	for (uint32_t i = 0; i < n; i++)
		nodes[i] = (struct lode_node){
			.value = (uint64_t)LODE_NODE_PYTHON << LODE_NODE_KIND_SHIFT | (i + 1),
			.parent = is_chain ? i : 0,
			.aux = UINT32_MAX};
	struct lode_block_header h = {
		.payload = LODE_PAYLOAD_NODES, .stream = stream, .node_base = 1};
	put_payload(f, &h, nodes, n * sizeof(*nodes));
	free(nodes);
}

void synth_close(struct synth_file *f, bool in_order)
{
	if (f->kind == LODE_FILE_LOG) {
		fseek(f->file, offsetof(struct lode_log_header, next_segment), SEEK_SET);
		put(f, &f->segment_count, sizeof(f->segment_count));
	} else if (in_order) {
		struct lode_trailer t = {.index_offset = (uint64_t)ftell(f->file)};
		struct lode_block_header h = {.payload = LODE_PAYLOAD_INDEX};
		memcpy(t.magic, LODE_TRAILER_MAGIC, 8);
		put_payload(f, &h, f->index, f->index_count * sizeof(*f->index));
		put(f, &t, sizeof(t));
	}
	free(f->index);
	need(!fclose(f->file));
}
