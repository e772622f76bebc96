/* pprof's profile.proto, encoded by hand and gzipped: every measure in one file, as sample types.
 *
 * Facts from google/pprof: proto/profile.proto for the field numbers; profile.go CheckValid for ids
 * (unique, from 1) and for as many values as sample types; internal/symbolizer/symbolizer.go
 * demangleSingleFunction strips `<...>` from names whose system_name equals the name, so "<module>"
 * would be blank: Python frames leave system_name empty. speedscope's importer keeps the low half
 * of ids only: ours are small.
 *
 * A location is a native frame with what was inlined into it, innermost line first; or a Python
 * frame.  Fields of the top message may stand in any order: samples go first, the tables they
 * filled after them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flame_tree.h"
#include "lib/error.h"
#include "lib/intern.h"
#include "lib/zip.h"
#include "out.h"

enum profile_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_TYPE = 14,
};

/* pprof's own words where it has one: -inuse_space and the like find them. */
static const struct type {
	enum lode_measure measure;
	const char *type, *unit;
} types[] = {
	{ LODE_MEASURE_SAMPLES, "samples", "count" },
	{ LODE_MEASURE_CPU, "cpu", "nanoseconds" },
	{ LODE_MEASURE_WALL, "wall", "nanoseconds" },
	{ LODE_MEASURE_ALLOCATIONS, "alloc_objects", "count" },
	{ LODE_MEASURE_ALLOCATED, "alloc_space", "bytes" },
	{ LODE_MEASURE_LIVE_BLOCKS, "inuse_objects", "count" },
	{ LODE_MEASURE_LIVE, "inuse_space", "bytes" },
	{ LODE_MEASURE_PEAK_BLOCKS, "peak_objects", "count" },
	{ LODE_MEASURE_PEAK, "peak_space", "bytes" },
	{ LODE_MEASURE_LEAKED_BLOCKS, "leaked_objects", "count" },
	{ LODE_MEASURE_LEAKED, "leaked_space", "bytes" },
	{ LODE_MEASURE_TEMPORARY, "temporary_objects", "count" },
};
#define TYPES (sizeof(types) / sizeof(*types))

struct bytes {
	unsigned char *data;
	size_t count, capacity;
};

struct encoder {
	const struct lode_profile *profile;
	const struct type *used[TYPES];
	size_t used_count;
	struct lode_intern_strings strings; /* id 0 is "" */
	struct lode_intern_strings modules; /* mapping id - 1 */
	struct lode_intern_pairs
		functions; /* (first frame's names, see function_of): function id - 1 */
	uint32_t *function_frames, *frame_function;
	struct lode_intern_pairs
		chains; /* (0 or the inlined-into chain's id + 1, frame): location id - 1 */
	uint32_t *chain_of_node;
	struct bytes message;
	struct lode_deflater *deflater;
	FILE *f;
};

/* ---- protobuf ------------------------------------------------------------------------------- */

static void put_byte(struct bytes *b, unsigned char v)
{
	if (b->count == b->capacity) {
		b->capacity = b->capacity * 2 + 256;
		b->data = lode_realloc(b->data, b->capacity);
	}
	b->data[b->count++] = v;
}

static void put_varint(struct bytes *b, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		put_byte(b, (unsigned char)(v | 128));
	put_byte(b, (unsigned char)v);
}

static void put_number(struct bytes *b, uint32_t field, uint64_t v)
{
	if (!v)
		return;
	put_varint(b, field << 3);
	put_varint(b, v);
}

static void put_block(struct bytes *b, uint32_t field, const void *data, size_t count)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, count);
	for (size_t i = 0; i < count; i++)
		put_byte(b, ((const unsigned char *)data)[i]);
}

static void put_message(struct bytes *b, uint32_t field, const struct bytes *message)
{
	put_block(b, field, message->data, message->count);
}

/* ---- gzip ----------------------------------------------------------------------------------- */

static void put_packed(void *to, const void *data, size_t bytes)
{
	fwrite(data, 1, bytes, ((struct encoder *)to)->f);
}

/* Hands over what the message buffer holds and empties it. */
static void drain(struct encoder *e)
{
	if (e->message.count)
		lode_deflate_piece(e->deflater, e->message.data, e->message.count, false, put_packed, e);
	e->message.count = 0;
}

/* ---- functions and locations ---------------------------------------------------------------- */

static bool is_native(const struct lode_frame *f)
{
	return f->kind == LODE_FRAME_NATIVE || f->kind == LODE_FRAME_INLINED;
}

/* Functions by name, file and first line; a function's lines are the locations' matter. */
static void intern_functions(struct encoder *e)
{
	const struct lode_profile *p = e->profile;
	struct lode_intern_pairs names = { 0 };

	e->frame_function = lode_alloc((p->frame_count + 1) * sizeof(uint32_t));
	e->function_frames = lode_alloc((p->frame_count + 1) * sizeof(uint32_t));
	for (size_t i = 0; i < p->frame_count; i++) {
		const struct lode_frame *f = &p->frames[i];
		uint32_t name = lode_intern_pair(&names, lode_intern_string(&e->strings, f->name),
						 lode_intern_string(&e->strings, f->file));
		uint32_t id =
			lode_intern_pair(&e->functions, name, f->first_line << 1 | is_native(f));

		e->frame_function[i] = id;
		if (id + 1 == e->functions.count)
			e->function_frames[id] = (uint32_t)i;
	}
	lode_intern_pairs_release(&names);
}

/* An inlined frame continues the location of its parent, which it was inlined into. */
static bool continues_parent(const struct lode_profile *p, const struct lode_profile_node *n)
{
	return n->parent && p->frames[n->frame].kind == LODE_FRAME_INLINED &&
	       is_native(&p->frames[p->nodes[n->parent].frame]);
}

static void intern_chains(struct encoder *e)
{
	const struct lode_profile *p = e->profile;

	e->chain_of_node = lode_alloc((p->node_count + 1) * sizeof(uint32_t));
	e->chain_of_node[0] = 0;
	for (size_t i = 1; i < p->node_count; i++) {
		const struct lode_profile_node *n = &p->nodes[i];
		uint32_t outer = continues_parent(p, n) ? e->chain_of_node[n->parent] + 1 : 0;

		e->chain_of_node[i] = lode_intern_pair(&e->chains, outer, n->frame);
	}
}

/* ---- messages ------------------------------------------------------------------------------- */

static void put_value_type(struct encoder *e, uint32_t field, const struct type *t)
{
	struct bytes b = { 0 };

	put_number(&b, 1, lode_intern_string(&e->strings, t->type));
	put_number(&b, 2, lode_intern_string(&e->strings, t->unit));
	put_message(&e->message, field, &b);
	free(b.data);
}

/* Which thread and process, where the profile is split by them. */
static void put_labels(struct encoder *e, struct bytes *sample, const struct lode_profile_node *n)
{
	const struct lode_profile *p = e->profile;
	struct bytes b = { 0 };

	if (n->thread < p->thread_count) {
		put_number(&b, 1, lode_intern_string(&e->strings, "thread"));
		put_number(&b, 2, lode_intern_string(&e->strings, p->threads[n->thread].name));
		put_message(sample, 3, &b);
		b.count = 0;
		put_number(&b, 1, lode_intern_string(&e->strings, "thread_id"));
		put_number(&b, 3, (uint64_t)p->threads[n->thread].tid);
		put_message(sample, 3, &b);
		b.count = 0;
	}
	if (n->process < p->process_count) {
		put_number(&b, 1, lode_intern_string(&e->strings, "pid"));
		put_number(&b, 3, (uint64_t)p->processes[n->process].pid);
		put_message(sample, 3, &b);
	}
	free(b.data);
}

/* Leaf first; frames inlined into one another are one location. */
static void put_stack(struct encoder *e, struct bytes *ids, uint32_t node)
{
	const struct lode_profile *p = e->profile;

	ids->count = 0;
	while (node) {
		put_varint(ids, (uint64_t)e->chain_of_node[node] + 1);
		while (continues_parent(p, &p->nodes[node]))
			node = p->nodes[node].parent;
		node = p->nodes[node].parent;
	}
}

/* Node 0 has no frame: what has no stack is a sample without locations, so that totals stay whole.
 */
static void put_samples(struct encoder *e)
{
	const struct lode_profile *p = e->profile;
	struct bytes sample = { 0 }, packed = { 0 };

	for (size_t i = 0; i < p->node_count; i++) {
		bool is_empty = true;

		packed.count = sample.count = 0;
		for (size_t t = 0; t < e->used_count; t++)
			is_empty &= !p->self[e->used[t]->measure][i];
		if (is_empty)
			continue;
		put_stack(e, &packed, (uint32_t)i);
		put_message(&sample, 1, &packed);
		packed.count = 0;
		for (size_t t = 0; t < e->used_count; t++)
			put_varint(&packed, (uint64_t)p->self[e->used[t]->measure][i]);
		put_message(&sample, 2, &packed);
		put_labels(e, &sample, &p->nodes[i]);
		put_message(&e->message, PROFILE_SAMPLE, &sample);
		drain(e);
	}
	free(sample.data);
	free(packed.data);
}

static void put_lines(struct encoder *e, struct bytes *location, uint32_t chain)
{
	struct bytes line = { 0 };

	for (uint32_t next = chain + 1; next; next = e->chains.pairs[next - 1].a) {
		uint32_t frame = e->chains.pairs[next - 1].b;

		line.count = 0;
		put_number(&line, 1, (uint64_t)e->frame_function[frame] + 1);
		put_number(&line, 2,
			   e->profile->frames[frame].line ? e->profile->frames[frame].line
							  : e->profile->frames[frame].first_line);
		put_message(location, 4, &line);
	}
	free(line.data);
}

static void put_locations(struct encoder *e)
{
	struct bytes location = { 0 };

	for (size_t i = 0; i < e->chains.count; i++) {
		const struct lode_frame *f = &e->profile->frames[e->chains.pairs[i].b];

		location.count = 0;
		put_number(&location, 1, i + 1);
		if (is_native(f) && f->module)
			put_number(&location, 2,
				   (uint64_t)lode_intern_string(&e->modules, f->module) + 1);
		put_lines(e, &location, (uint32_t)i);
		put_message(&e->message, PROFILE_LOCATION, &location);
		drain(e);
	}
	free(location.data);
}

static void put_functions(struct encoder *e)
{
	struct bytes function = { 0 };

	for (size_t i = 0; i < e->functions.count; i++) {
		const struct lode_frame *f = &e->profile->frames[e->function_frames[i]];
		uint32_t name = lode_intern_string(&e->strings, *f->name ? f->name : "(no name)");

		function.count = 0;
		put_number(&function, 1, i + 1);
		put_number(&function, 2, name);
		put_number(&function, 4, lode_intern_string(&e->strings, f->file));
		put_number(&function, 5, f->first_line);
		put_message(&e->message, PROFILE_FUNCTION, &function);
		drain(e);
	}
	free(function.data);
}

/* Symbols are here already: the flags keep pprof from looking for the files. */
static void put_mappings(struct encoder *e)
{
	struct bytes mapping = { 0 };

	for (size_t i = 0; i < e->modules.count; i++) {
		mapping.count = 0;
		put_number(&mapping, 1, i + 1);
		put_number(&mapping, 5, lode_intern_string(&e->strings, e->modules.strings[i]));
		for (uint32_t has = 7; has <= 10; has++)
			put_number(&mapping, has, 1);
		put_message(&e->message, PROFILE_MAPPING, &mapping);
	}
	free(mapping.data);
	drain(e);
}

/* Bytes of the UTF-8 character that starts here (RFC 3629); 0: it is none. */
static size_t utf8_length(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t n = u[0] < 0x80	 ? 1
		   : u[0] < 0xc2 ? 0
		   : u[0] < 0xe0 ? 2
		   : u[0] < 0xf0 ? 3
		   : u[0] < 0xf5 ? 4
				 : 0;

	for (size_t i = 1; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
	    (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
		return 0;
	return n;
}

/* A protobuf string is UTF-8, and readers other than Go's refuse what is not. */
static void put_string(struct encoder *e, const char *s)
{
	struct bytes text = { 0 };

	while (*s) {
		size_t n = utf8_length(s);

		for (size_t i = 0; i < (n ? n : 3); i++)
			put_byte(&text, (unsigned char)(n ? s[i] : "\357\277\275"[i]));
		s += n ? n : 1;
	}
	put_message(&e->message, PROFILE_STRING, &text);
	free(text.data);
	drain(e);
}

static void put_strings(struct encoder *e)
{
	for (size_t i = 0; i < e->strings.count; i++)
		put_string(e, e->strings.strings[i]);
}

static void choose_types(struct encoder *e)
{
	for (size_t i = 0; i < TYPES; i++)
		if (lode_flame_has(e->profile, types[i].measure))
			e->used[e->used_count++] = &types[i];
}

static void put_header(struct encoder *e, enum lode_measure chosen)
{
	const struct lode_profile *p = e->profile;

	for (size_t i = 0; i < e->used_count; i++)
		put_value_type(e, PROFILE_SAMPLE_TYPE, e->used[i]);
	if (!e->used_count) /* CheckValid wants one */
		put_value_type(e, PROFILE_SAMPLE_TYPE, &types[0]);
	for (size_t i = 0; i < e->used_count; i++)
		if (e->used[i]->measure == chosen)
			put_number(&e->message, PROFILE_DEFAULT_TYPE,
				   lode_intern_string(&e->strings, e->used[i]->type));
	put_number(&e->message, PROFILE_TIME_NANOS, p->start_unix_ns);
	put_number(&e->message, PROFILE_DURATION_NANOS, p->duration_ns);
	if (lode_flame_has(p, LODE_MEASURE_CPU) && lode_flame_has(p, LODE_MEASURE_SAMPLES)) {
		put_value_type(e, PROFILE_PERIOD_TYPE, &types[1]);
		put_number(&e->message, PROFILE_PERIOD,
			   (uint64_t)(p->total[LODE_MEASURE_CPU] / p->total[LODE_MEASURE_SAMPLES]));
	}
	if (p->is_truncated)
		put_number(&e->message, PROFILE_COMMENT,
			   lode_intern_string(&e->strings,
					      "the recording ended early or was damaged"));
	drain(e);
}

int lode_out_pprof(const struct lode_profile *p, const struct lode_out_options *o, FILE *f)
{
	const struct lode_profile_process *program = lode_flame_main_process(p);
	struct encoder e = { .profile = p, .f = f };

	e.deflater = lode_deflater_new(LODE_ZIP_GZIP, 6);
	if (!e.deflater)
		return lode_error("cannot compress the pprof file: no memory");
	lode_intern_string(&e.strings, "");
	if (program && program->executable) /* pprof calls the first mapping the program */
		lode_intern_string(&e.modules, program->executable);
	choose_types(&e);
	intern_functions(&e);
	intern_chains(&e);
	put_header(&e, o->measure);
	put_samples(&e);
	put_locations(&e);
	put_functions(&e);
	put_mappings(&e);
	put_strings(&e);
	lode_deflate_piece(e.deflater, NULL, 0, true, put_packed, &e);
	lode_deflater_free(e.deflater);
	lode_intern_strings_release(&e.strings);
	lode_intern_strings_release(&e.modules);
	lode_intern_pairs_release(&e.functions);
	lode_intern_pairs_release(&e.chains);
	free(e.function_frames);
	free(e.frame_function);
	free(e.chain_of_node);
	free(e.message.data);
	return ferror(f) ? lode_error("cannot write the pprof file: the disk may be full") : 0;
}
