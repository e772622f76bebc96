/* The table of code objects: address -> id.
 *
 * Lock-free open addressing.  A slot's key is set once, by compare-and-swap, and stays; its value changes:
 *   0                          no id (not seen yet, or dead: the address may become another object)
 *   id | facts | WRITING       somebody writes its record
 *   id | facts                 not written yet (there was no room): the next to see it tries again
 *   id | facts | WRITTEN       done
 * Growing builds a table beside the old one, links it from the old one first, copies, then publishes.  A death clears the
 * entry in the table in force and in every table linked from it, and the copier looks again after each copy, so
 * a dead object's id cannot survive in either.  An object that is added to the old table meanwhile gets a second id
 * later, which costs one more record.  Old tables are kept: somebody may be reading. */
#include "python/code.h"

#include "event.h"
#include "os.h"
#include "python/guard.h"
#include "python/interp.h"
#include "python/utf8.h"
#include "python/walk.h"

#define WRITTEN (UINT64_C(1) << 63)
#define WRITING (UINT64_C(1) << 62)
/* Bits 0..31 id, 32..55 code units, 56..61 units before the first RESUME; the last two saturate. */
#define UNITS_MAX 0xffffffu
#define PROLOGUE_MAX 0x3fu

struct entry {
	uintptr_t code;
	uint64_t value;
};

struct table {
	struct table *next; /* what replaces it; set once */
	struct entry *entries;
	uint32_t capacity; /* a power of two */
	uint32_t used;     /* keys */
};

#ifndef LODE_CODE_FIRST_CAPACITY /* tests make it small */
#define LODE_CODE_FIRST_CAPACITY 4096u
#endif
static struct entry first_entries[LODE_CODE_FIRST_CAPACITY];
static struct table first_table = {.entries = first_entries, .capacity = LODE_CODE_FIRST_CAPACITY};
static struct table *table_in_force = &first_table;
static uint32_t last_id, generation;
static bool is_growing;
static void (*code_dealloc)(void *);

static struct table *table_now(void)
{
	return __atomic_load_n(&table_in_force, __ATOMIC_ACQUIRE);
}

static uint32_t first_index(const struct table *t, uintptr_t code)
{
	return (uint32_t)((uint64_t)(code >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (t->capacity - 1);
}

static struct entry *find(struct table *t, uintptr_t code)
{
	for (uint32_t i = first_index(t, code);; i = (i + 1) & (t->capacity - 1)) {
		uintptr_t key = __atomic_load_n(&t->entries[i].code, __ATOMIC_ACQUIRE);

		if (key == code)
			return &t->entries[i];
		if (!key)
			return NULL;
	}
}

/* The last eighth stays empty, so that every search ends; each thread may overshoot by one. */
static struct entry *find_or_add(struct table *t, uintptr_t code)
{
	for (uint32_t i = first_index(t, code);; i = (i + 1) & (t->capacity - 1)) {
		uintptr_t key = __atomic_load_n(&t->entries[i].code, __ATOMIC_ACQUIRE);

		if (key == code)
			return &t->entries[i];
		if (key)
			continue;
		if (__atomic_load_n(&t->used, __ATOMIC_RELAXED) >= t->capacity - t->capacity / 8)
			return NULL;
		if (__atomic_compare_exchange_n(&t->entries[i].code, &key, code, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE)) {
			__atomic_fetch_add(&t->used, 1, __ATOMIC_RELAXED);
			return &t->entries[i];
		}
		if (key == code)
			return &t->entries[i];
	}
}

/* ---- reading the object ------------------------------------------------------------------- */

/* The first `bytes` of an object: itself, or with `validate` a copy made where a bad address does no harm. */
static uintptr_t head_of(uintptr_t object, uint32_t bytes, bool validate, void *copy)
{
	if (!validate)
		return object;
	return lode_guard_read(object, copy, (bytes + 7) & ~7u) ? (uintptr_t)copy : 0;
}

static bool read_text(uintptr_t object, bool validate, struct lode_utf8_source *source)
{
	const struct lode_python_layout *layout = &lode_interp.layout;
	uint64_t copy[6];
	uintptr_t head = head_of(object, layout->unicode_state + 4, validate, copy);

	*source = (struct lode_utf8_source){.kind = 1, .is_ascii = true};
	if (!head || lode_word(head, 8) != lode_interp.unicode_type)
		return false;
	/* PyASCIIObject.state: interned 2 bits, kind 3, compact 1, ascii 1. */
	uint32_t state = lode_word32(head, layout->unicode_state);

	if (!(state & 0x20))
		return false;
	source->is_ascii = state & 0x40;
	source->kind = state >> 2 & 7;
	source->length = lode_word(head, layout->unicode_length);
	source->data = (const void *)(object + (source->is_ascii ? layout->unicode_ascii_bytes :
								   layout->unicode_compact_bytes));
	return true;
}

/* Longer line tables are left out: the function's frames have its first line then. */
#define LINES_MAX 32768u

static struct lode_event_bytes read_lines(uintptr_t object, bool validate)
{
	const struct lode_python_layout *layout = &lode_interp.layout;
	uint64_t copy[3];
	uintptr_t head = head_of(object, sizeof(copy), validate, copy);
	size_t bytes;

	if (!head || lode_word(head, 8) != lode_interp.bytes_type)
		return (struct lode_event_bytes){NULL, 0};
	bytes = lode_word(head, layout->bytes_size);
	if (bytes > LINES_MAX)
		return (struct lode_event_bytes){NULL, 0};
	return (struct lode_event_bytes){(const void *)(object + layout->bytes_value), bytes};
}

static uint64_t read_facts(uintptr_t head)
{
	const struct lode_python_layout *layout = &lode_interp.layout;
	uint64_t units = UNITS_MAX, prologue = 0;

	if (layout->code_instructions) {
		units = lode_word(head, 16); /* ob_size */
		prologue = lode_word32(head, layout->code_first_traceable);
	}
	units = units < UNITS_MAX ? units : UNITS_MAX;
	prologue = prologue < PROLOGUE_MAX ? prologue : PROLOGUE_MAX;
	return units << 32 | prologue << 56;
}

/* Up to the last field of any version's code object that is read. */
struct head {
	uint64_t words[26];
};

/* The code object's head, checked; 0: it is none. */
static uintptr_t code_head(uintptr_t code, bool validate, struct head *copy)
{
	const struct lode_python_layout *layout = &lode_interp.layout;
	uint32_t bytes = layout->code_basicsize < sizeof(*copy) ? layout->code_basicsize : sizeof(*copy);
	uintptr_t head = code ? head_of(code, bytes, validate, copy) : 0;

	return head && lode_word(head, 8) == lode_interp.code_type ? head : 0;
}

static bool write_record(uint32_t id, uintptr_t head, bool validate)
{
	const struct lode_python_layout *layout = &lode_interp.layout;
	uint16_t name_at = layout->code_qualname ? layout->code_qualname : layout->code_name;
	struct lode_utf8_source file, name;
	struct lode_utf8 texts;
	bool ok;

	read_text(lode_word(head, layout->code_file), validate, &file);
	read_text(lode_word(head, name_at), validate, &name);
	if (!lode_utf8_begin(&texts, &file, &name))
		return false;
	ok = lode_event_code(id, lode_word32(head, layout->code_first_line), lode_interp.hexversion >> 16, texts.first,
			     texts.second, read_lines(lode_word(head, layout->code_lines), validate));
	lode_utf8_end(&texts);
	return ok;
}

/* ---- ids ---------------------------------------------------------------------------------- */

/* Whoever moves the value to WRITING writes.  A stack that names an unwritten code must be met again: the generation
 * moves, so that no cache answers in its place. */
static void write_once(struct entry *e, uint64_t value, uintptr_t head, bool validate)
{
	uint64_t claimed = value | WRITING;

	if (!__atomic_compare_exchange_n(&e->value, &value, claimed, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	bool ok = write_record((uint32_t)claimed, head, validate);
	uint64_t done = (claimed & ~WRITING) | (ok ? WRITTEN : 0);

	__atomic_compare_exchange_n(&e->value, &claimed, done, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	if (!ok)
		__atomic_fetch_add(&generation, 1, __ATOMIC_RELEASE);
}

/* While the table grows: what was added after the copier had passed would be missing, and its death not noticed. */
static void add_to_next(const struct table *t, uintptr_t code, const struct entry *e)
{
	while ((t = __atomic_load_n(&t->next, __ATOMIC_SEQ_CST))) {
		struct entry *other = find_or_add((struct table *)t, code);
		uint64_t none = 0, value = __atomic_load_n(&e->value, __ATOMIC_SEQ_CST) & ~WRITING;

		if (other)
			__atomic_compare_exchange_n(&other->value, &none, value, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_RELAXED);
	}
}

__attribute__((noinline, cold)) static uint32_t first_sight(uintptr_t code, bool validate)
{
	struct head copy;
	uintptr_t head = code_head(code, validate, &copy);
	struct table *t = table_now();
	struct entry *e = head ? find_or_add(t, code) : NULL;

	if (!e)
		return 0;
	uint64_t value = __atomic_load_n(&e->value, __ATOMIC_ACQUIRE);

	if (!value) {
		uint64_t fresh = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED) | read_facts(head);

		if (__atomic_compare_exchange_n(&e->value, &value, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			value = fresh;
	}
	if (!(value & (WRITTEN | WRITING)))
		write_once(e, value, head, validate);
	add_to_next(t, code, e);
	return (uint32_t)value;
}

uint32_t lode_code_id(uintptr_t code, bool validate)
{
	const struct entry *e = find(table_now(), code);
	uint64_t value = e ? __atomic_load_n(&e->value, __ATOMIC_ACQUIRE) : 0;

	if (value & WRITTEN)
		return (uint32_t)value;
	return first_sight(code, validate);
}

bool lode_code_facts(uintptr_t code, struct lode_code_facts *facts)
{
	const struct entry *e = find(table_now(), code);
	uint64_t value = e ? __atomic_load_n(&e->value, __ATOMIC_ACQUIRE) : 0;

	if (!value)
		return false;
	facts->bytes = (value >> 32 & UNITS_MAX) == UNITS_MAX ? INT32_MAX : 2 * (uint32_t)(value >> 32 & UNITS_MAX);
	facts->prologue_bytes = 2 * (uint32_t)(value >> 56 & PROLOGUE_MAX);
	return true;
}

uint32_t lode_code_generation(void)
{
	return __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
}

/* ---- deaths ------------------------------------------------------------------------------- */

/* An object that was named but never written is still whole here: the last chance. */
static void bury(uintptr_t code)
{
	bool was_known = false;

	for (struct table *t = table_now(); t; t = __atomic_load_n(&t->next, __ATOMIC_SEQ_CST)) {
		struct entry *e = find(t, code);
		uint64_t value = e ? __atomic_load_n(&e->value, __ATOMIC_ACQUIRE) : 0;

		if (!value)
			continue;
		if (!was_known && !(value & (WRITTEN | WRITING)))
			write_once(e, value, code, false);
		__atomic_exchange_n(&e->value, 0, __ATOMIC_SEQ_CST);
		was_known = true;
	}
	if (was_known)
		__atomic_fetch_add(&generation, 1, __ATOMIC_RELEASE);
}

static void watched_dealloc(void *code)
{
	bury((uintptr_t)code);
	code_dealloc(code);
}

#define TYPE_DEALLOC 48 /* PyTypeObject.tp_dealloc, all versions */

void lode_code_watch(void)
{
	void (**place)(void *) = (void (**)(void *))(lode_interp.code_type + TYPE_DEALLOC);

	code_dealloc = __atomic_load_n(place, __ATOMIC_RELAXED);
	__atomic_store_n(place, watched_dealloc, __ATOMIC_RELEASE);
}

/* ---- room --------------------------------------------------------------------------------- */

static void copy_entry(struct table *to, struct entry *from)
{
	uint64_t value = __atomic_load_n(&from->value, __ATOMIC_SEQ_CST);
	struct entry *e;

	if (!value || (value & WRITING) || !(e = find_or_add(to, from->code)))
		return;
	__atomic_store_n(&e->value, value, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&from->value, __ATOMIC_SEQ_CST) != value)
		__atomic_store_n(&e->value, 0, __ATOMIC_SEQ_CST);
}

/* Dead entries are left behind: where most keys are dead the new table need not be larger. */
static uint32_t capacity_needed(const struct table *t)
{
	uint32_t live = 0;

	for (uint32_t i = 0; i < t->capacity; i++)
		live += __atomic_load_n(&t->entries[i].value, __ATOMIC_RELAXED) != 0;
	return live > t->capacity / 4 ? 2 * t->capacity : t->capacity;
}

static void grow(struct table *old)
{
	uint32_t capacity = capacity_needed(old);
	struct table *t = lode_os_map(sizeof(*t) + capacity * sizeof(struct entry));

	if (!t)
		return;
	t->entries = (struct entry *)(t + 1);
	t->capacity = capacity;
	__atomic_store_n(&old->next, t, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < old->capacity; i++)
		if (__atomic_load_n(&old->entries[i].code, __ATOMIC_ACQUIRE))
			copy_entry(t, &old->entries[i]);
	__atomic_store_n(&table_in_force, t, __ATOMIC_RELEASE);
}

static bool is_half_full(const struct table *t)
{
	return __atomic_load_n(&t->used, __ATOMIC_RELAXED) > t->capacity / 2;
}

bool lode_code_wants_room(void)
{
	return is_half_full(table_now()) || !lode_python_is_ready();
}

void lode_code_prepare(void)
{
	struct table *t = table_now();

	lode_python_make_ready();
	if (!is_half_full(t) || __atomic_exchange_n(&is_growing, true, __ATOMIC_ACQUIRE))
		return;
	if (t == table_now())
		grow(t);
	__atomic_store_n(&is_growing, false, __ATOMIC_RELEASE);
}

void lode_code_fork_child(void)
{
	struct table *t = table_now();

	for (uint32_t i = 0; i < t->capacity; i++)
		t->entries[i] = (struct entry){0};
	t->used = 0;
	t->next = NULL; /* another thread may have been growing */
	is_growing = false;
	last_id = 0;
	lode_utf8_fork_child();
	__atomic_fetch_add(&generation, 1, __ATOMIC_RELEASE);
}
