/* Interning of stacks.  Contract in stacks.h. */
#include "stacks.h"

#include <stddef.h>

#include "lode/format.h"
#include "os.h"
#include "segment.h"
#include "state.h"

#define FIRST_CAPACITY (1u << 13)
#define SEGMENTS_MAX 8192u /* 134 million nodes */
#define PROBES_MAX 64u

struct table {
	uint32_t mask;
	uint32_t used; /* approximate */
	uint64_t slots[]; /* 0: empty; else tag << 32 | node id */
};

static struct table *table;
static struct lode_segment_header **segments; /* node i: segments[(i - 1) / LODE_NODES_PER_SEGMENT] */
static uint32_t segment_count;                /* ready for use */
static uint32_t next_node;                    /* ids handed out */
static uint32_t is_preparing;

static struct table *table_new(uint32_t capacity)
{
	struct table *t = lode_os_map(sizeof *t + (size_t)capacity * sizeof t->slots[0]);
	if (t)
		t->mask = capacity - 1;
	return t;
}

static uint64_t hash(uint32_t parent, uint64_t value, uint32_t aux)
{
	uint64_t h = (value ^ (uint64_t)aux << 40) * 0x9e3779b97f4a7c15u;
	h ^= h >> 29;
	h = (h + parent) * 0xbf58476d1ce4e5b9u;
	return h ^ h >> 32;
}

static struct lode_node *node_at(uint32_t id)
{
	uint32_t i = id - 1;
	struct lode_segment_header *s = __atomic_load_n(&segments[i / LODE_NODES_PER_SEGMENT], __ATOMIC_ACQUIRE);
	return (struct lode_node *)lode_segment_payload(s) + i % LODE_NODES_PER_SEGMENT;
}

static uint32_t node_new(uint32_t parent, uint64_t value, uint32_t aux)
{
	uint32_t last = __atomic_load_n(&next_node, __ATOMIC_RELAXED);
	do {
		if (last / LODE_NODES_PER_SEGMENT >= __atomic_load_n(&segment_count, __ATOMIC_ACQUIRE))
			return LODE_STACK_NONE;
	} while (!__atomic_compare_exchange_n(&next_node, &last, last + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	uint32_t id = last + 1, s = last / LODE_NODES_PER_SEGMENT;
	struct lode_node *n = node_at(id);
	n->parent = parent;
	n->aux = aux;
	__atomic_store_n(&n->value, value, __ATOMIC_RELEASE);
	/* an upper bound for the reader: which entries are there is told by their values */
	uint32_t end = ((id - 1) % LODE_NODES_PER_SEGMENT + 1) * (uint32_t)sizeof *n;
	uint32_t before = __atomic_load_n(&segments[s]->committed, __ATOMIC_RELAXED);
	while (before < end && !__atomic_compare_exchange_n(&segments[s]->committed, &before, end, true,
							    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return id;
}

static bool is_node(uint32_t id, uint32_t parent, uint64_t value, uint32_t aux)
{
	const struct lode_node *n = node_at(id);
	return __atomic_load_n(&n->value, __ATOMIC_ACQUIRE) == value && n->parent == parent && n->aux == aux;
}

uint32_t lode_stacks_node(uint32_t parent, uint64_t value, uint32_t aux)
{
	struct table *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
	if (unlikely(!t))
		return LODE_STACK_NONE;
	uint64_t h = hash(parent, value, aux);
	uint32_t tag = (uint32_t)(h >> 32) | 1, made = LODE_STACK_NONE;
	for (uint32_t probe = 0, i = (uint32_t)h; probe < PROBES_MAX; probe++, i++) {
		uint64_t *slot = &t->slots[i & t->mask];
		uint64_t word = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
		if (word == 0) {
			if (!made && !(made = node_new(parent, value, aux)))
				return LODE_STACK_NONE;
			if (__atomic_compare_exchange_n(slot, &word, (uint64_t)tag << 32 | made, false, __ATOMIC_RELEASE,
							__ATOMIC_ACQUIRE)) {
				__atomic_fetch_add(&t->used, 1, __ATOMIC_RELAXED);
				return made;
			}
		}
		if (word >> 32 == tag && is_node((uint32_t)word, parent, value, aux))
			return (uint32_t)word;
	}
	/* a crowded corner: the node is written, not found again */
	return made ? made : node_new(parent, value, aux);
}

bool lode_stacks_wants_room(void)
{
	uint32_t room = segment_count * LODE_NODES_PER_SEGMENT - next_node;
	return room < LODE_NODES_PER_SEGMENT / 2 || (table && table->used > table->mask / 2);
}

static void add_segment(void)
{
	if (segment_count >= SEGMENTS_MAX)
		return;
	struct lode_segment_header *s = lode_segment_claim(LODE_PAYLOAD_NODES);
	if (!s)
		return;
	s->node_base = segment_count * LODE_NODES_PER_SEGMENT + 1;
	__atomic_store_n(&segments[segment_count], s, __ATOMIC_RELEASE);
	__atomic_store_n(&segment_count, segment_count + 1, __ATOMIC_RELEASE);
}

static void grow(void)
{
	struct table *before = table, *after = table_new((before->mask + 1) * 4);
	if (!after)
		return;
	for (uint32_t i = 0; i <= before->mask; i++) {
		uint64_t word = __atomic_load_n(&before->slots[i], __ATOMIC_ACQUIRE);
		if (!word)
			continue;
		const struct lode_node *n = node_at((uint32_t)word);
		uint32_t at = (uint32_t)hash(n->parent, n->value, n->aux);
		while (after->slots[at & after->mask])
			at++;
		after->slots[at & after->mask] = word;
		after->used++;
	}
	__atomic_store_n(&table, after, __ATOMIC_RELEASE);
}

void lode_stacks_prepare(void)
{
	if (__atomic_exchange_n(&is_preparing, 1, __ATOMIC_ACQUIRE))
		return;
	if (segments && segment_count * LODE_NODES_PER_SEGMENT - next_node < LODE_NODES_PER_SEGMENT / 2)
		add_segment();
	if (table && table->used > table->mask / 2)
		grow();
	__atomic_store_n(&is_preparing, 0, __ATOMIC_RELEASE);
}

bool lode_stacks_init(void)
{
	segments = lode_os_map(SEGMENTS_MAX * sizeof(struct lode_segment_header *));
	table = table_new(FIRST_CAPACITY);
	if (segments && table)
		add_segment();
	return segment_count > 0;
}

void lode_stacks_fork_child(void)
{
	/* the parent's tables are the child's private copies: the old ones are given back */
	struct table *before = table;
	if (before)
		lode_os_unmap(before, sizeof *before + ((size_t)before->mask + 1) * sizeof before->slots[0]);
	lode_os_unmap(segments, SEGMENTS_MAX * sizeof(struct lode_segment_header *));
	table = NULL;
	segments = NULL;
	segment_count = next_node = is_preparing = 0;
	lode_stacks_init();
}
