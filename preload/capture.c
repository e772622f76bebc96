/* Captures: replay, walk, merge, intern.  Contract in capture.h.
 *
 * Verified replay.  An entry remembers where a walk began (sp, return address, bp if the walk depended on it; the
 * thread state and innermost position for Python), the words it depended on in order, and its stack id.  If every word still
 * holds its value, the walk would end the same, so the id is right: each step of a walk is a function of the words before it
 * (unwind.h, python/walk.h).  What the words cannot show is covered by two generations: code unmapped and replaced
 * (lode_modules_epoch) and code objects that died (lode_code_generation). */
#include "capture.h"

#include <errno.h>
#include <stddef.h>

#include "modules.h"
#include "os.h"
#include "python/code.h"
#include "stacks.h"
#include "thread.h"

#define UNKNOWN_STACK_PAGES 16u
#define UNKNOWN_CODE_PERIOD 256u

struct replay {
	uintptr_t sp, pc, bp;
	uintptr_t python_state, python_frame, python_instruction;
	uint32_t stack;
	uint32_t epoch, code_generation;
	bool uses_bp;
	uint16_t native_slots, python_slots;
	struct lode_slot slots[];
};

/* ---- replay --------------------------------------------------------------------------------- */

/* One innermost position is reached by several ways (an allocation in a parser: for a key, a value, a list), so each
 * hash has a few entries, the youngest first. */
#define WAYS 8u

/* The first of its entries. */
static inline uint32_t replay_hash(uintptr_t sp, uintptr_t pc, uintptr_t frame, uintptr_t instruction)
{
	uint64_t h = (sp ^ pc << 20) * 0x9e3779b97f4a7c15u;
	h = (h ^ frame ^ instruction << 16) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h >> 40) % LODE_REPLAY_INDEX & ~(WAYS - 1);
}

static inline bool slots_hold(const struct lode_slot *s, uint32_t n)
{
	for (const struct lode_slot *end = s + n; s < end; s++)
		if (*(const volatile uintptr_t *)s->address != s->value)
			return false;
	return true;
}

static inline bool replay_holds(const struct replay *r, const struct replay *now)
{
	return r->sp == now->sp && r->pc == now->pc && (!r->uses_bp || r->bp == now->bp) &&
	       r->python_state == now->python_state && r->python_frame == now->python_frame &&
	       r->python_instruction == now->python_instruction && r->epoch == now->epoch &&
	       r->code_generation == now->code_generation &&
	       slots_hold(r->slots, (uint32_t)r->native_slots + r->python_slots);
}

static void replay_reset(struct lode_thread *t)
{
	t->replay_used = 0;
	for (unsigned i = 0; i < LODE_REPLAY_INDEX; i++)
		t->replay_index[i] = 0;
}

void lode_capture_reset(struct lode_thread *t)
{
	replay_reset(t);
	t->path_depth = 0;
	for (unsigned i = 0; i < LODE_PROBES; i++)
		t->probes[i].sp = 0; /* another stack may lie there */
}

static void replay_remember(struct lode_thread *t, uint32_t hash, const struct replay *now, uint32_t stack,
			    const struct lode_unwind *u, const struct lode_python_walk *w)
{
	size_t bytes = sizeof *now + (u->slot_count + w->slot_count) * sizeof(struct lode_slot);
	if (bytes > LODE_REPLAY_BYTES / 8)
		return;
	if (t->replay_used + bytes > LODE_REPLAY_BYTES)
		replay_reset(t);
	struct replay *r = (struct replay *)(t->replay + t->replay_used);
	*r = *now;
	r->stack = stack;
	r->uses_bp = u->flags & LODE_UNWIND_USES_BP;
	r->native_slots = (uint16_t)u->slot_count;
	r->python_slots = (uint16_t)w->slot_count;
	for (uint32_t i = 0; i < u->slot_count; i++)
		r->slots[i] = t->native_slots[i];
	for (uint32_t i = 0; i < w->slot_count; i++)
		r->slots[u->slot_count + i] = t->python_slots[i];
	for (uint32_t way = WAYS - 1; way > 0; way--)
		t->replay_index[hash + way] = t->replay_index[hash + way - 1];
	t->replay_index[hash] = t->replay_used + 1;
	t->replay_used += (uint32_t)((bytes + 15) & ~(size_t)15);
}

/* ---- merging -------------------------------------------------------------------------------- */

/* The frames of one stack in the making, leaf first. */
struct merge {
	struct lode_thread *t;
	uint32_t count;
	uint32_t python_at; /* next Python frame */
	const struct lode_python_walk *python;
	bool validate;
	bool is_full;
	uint64_t special; /* enum lode_special that stands above the Python frames; 0: none */
};

static void add(struct merge *m, enum lode_node_kind kind, uint64_t value, uint32_t aux)
{
	if (m->count == LODE_STACK_DEPTH) {
		m->is_full = true;
		return;
	}
	struct lode_frame_key *k = &m->t->keys[m->count++];
	k->value = (uint64_t)kind << LODE_NODE_KIND_SHIFT | (value & LODE_NODE_VALUE_MASK);
	k->aux = aux;
}

static void add_native(struct merge *m, uintptr_t pc, bool is_exact)
{
	if (lode_is_own_code(is_exact ? pc : pc - 1))
		return;
	add(m, is_exact ? LODE_NODE_EXACT : LODE_NODE_RETURN, pc, lode_modules_epoch());
}

/* The Python frames of one evaluation loop, up to its entry frame. */
static void add_python_segment(struct merge *m)
{
	bool is_last = false;
	while (!is_last && m->python_at < m->python->depth) {
		const struct lode_python_frame *f = &m->python->frames[m->python_at++];
		uint32_t id = lode_code_id(f->code, m->validate);
		if (id)
			add(m, LODE_NODE_PYTHON, id, (uint32_t)f->lasti);
		else
			add(m, LODE_NODE_SPECIAL, LODE_SPECIAL_PYTHON_DROPPED, 0);
		is_last = f->is_entry;
	}
}

/* The C address that belongs to the next segment; 0 when the version has none or nothing is left. */
static uintptr_t next_anchor(const struct merge *m)
{
	for (uint32_t i = m->python_at; i < m->python->depth; i++)
		if (m->python->frames[i].is_entry)
			return m->python->frames[i].anchor;
	return 0;
}

/* Native frame i is an evaluation loop spanning [low, high) of the stack: replaces it by its Python frames.  Segments
 * whose loop was not recognised on the way come out before it. */
static void add_eval(struct merge *m, uintptr_t low, uintptr_t high)
{
	for (uintptr_t anchor; (anchor = next_anchor(m)) && anchor < low;)
		add_python_segment(m);
	uintptr_t anchor = next_anchor(m);
	if (!anchor || anchor < high)
		add_python_segment(m);
}

/* Once, between the innermost Python frame and the native frames that it called. */
static void add_special(struct merge *m)
{
	if (m->special)
		add(m, LODE_NODE_SPECIAL, m->special, 0);
	m->special = 0;
}

static void merge_frames(struct merge *m, const struct lode_unwind *u)
{
	const struct lode_native_frame *f = u->frames;
	bool native_on = lode_config.native != LODE_NATIVE_OFF;
	for (uint32_t i = 0; i < u->depth; i++) {
		bool is_exact = i == 0 && u->pc_is_exact;
		if (m->python->depth && lode_python_is_eval(is_exact ? f[i].pc : f[i].pc - 1)) {
			add_special(m);
			add_eval(m, i ? f[i - 1].cfa : u->sp, f[i].cfa);
			if (lode_config.native == LODE_NATIVE_LEAF)
				break;
		} else if (native_on) {
			add_native(m, f[i].pc, is_exact);
		}
	}
	add_special(m);
	while (m->python_at < m->python->depth)
		add_python_segment(m);
}

/* A walk along the thread's last path: as long as the frames are the same, so are the nodes. */
struct path {
	struct lode_thread *t;
	uint32_t depth, stack;
	bool is_same;
};

static bool path_step(struct path *p, struct lode_frame_key key)
{
	struct lode_thread *t = p->t;
	struct lode_frame_key *last = &t->path_keys[p->depth];
	if (p->is_same && p->depth < t->path_depth && last->value == key.value && last->aux == key.aux) {
		p->stack = t->path_ids[p->depth++];
		return true;
	}
	uint32_t id = lode_stacks_node(p->stack, key.value, key.aux);
	p->is_same = false;
	t->path_depth = p->depth; /* what follows there is no longer below this */
	if (!id)
		return false;
	*last = key;
	t->path_ids[p->depth] = p->stack = id;
	t->path_depth = ++p->depth;
	return true;
}

static uint32_t intern(const struct merge *m, bool is_truncated, bool *is_whole)
{
	struct path p = {.t = m->t, .stack = LODE_STACK_NONE, .is_same = true};
	uint64_t special = (uint64_t)LODE_NODE_SPECIAL << LODE_NODE_KIND_SHIFT;
	if ((is_truncated || m->is_full) &&
	    !path_step(&p, (struct lode_frame_key){.value = special | LODE_SPECIAL_TRUNCATED}))
		return *is_whole = false, p.stack;
	for (uint32_t i = m->count; i-- > 0;)
		if (!path_step(&p, m->t->keys[i])) {
			*is_whole = false;
			break;
		}
	return p.stack;
}

/* ---- walking -------------------------------------------------------------------------------- */

static void stack_bounds(const struct lode_thread *t, struct lode_unwind *u)
{
	if (u->sp >= t->stack_low && u->sp < t->stack_high) {
		u->stack_low = t->stack_low;
		u->stack_high = t->stack_high;
	} else { /* a coroutine's or an alternate stack */
		u->stack_low = u->sp;
		u->stack_high = lode_os_readable_end(u->sp, UNKNOWN_STACK_PAGES);
	}
}

static uint32_t walk(struct lode_thread *t, struct lode_unwind *u, struct lode_python_walk *w)
{
	stack_bounds(t, u);
	u->frames = t->native;
	u->capacity = LODE_NATIVE_DEPTH;
	w->stack_low = u->stack_low;
	w->stack_high = u->stack_high;
	w->frames = t->python;
	w->capacity = LODE_PYTHON_DEPTH;
	lode_modules_enter();
	/* where native frames are off, the loops are still needed when there is no Python to walk */
	lode_unwind(u);
	if (!w->in_signal && (u->flags & LODE_UNWIND_UNSUPPORTED)) {
		int saved = errno;
		lode_unwind_slow(u);
		errno = saved;
	}
	if (w->state)
		lode_python_walk(w);
	struct merge m = {.t = t, .python = w, .validate = w->in_signal};
	if (w->flags & LODE_PYTHON_GC)
		m.special = LODE_SPECIAL_GC;
	else if (w->flags & LODE_PYTHON_DROPPED)
		m.special = LODE_SPECIAL_PYTHON_DROPPED;
	merge_frames(&m, u);
	lode_modules_leave();
	/* code that no module covers: generated, or a library that came by a way we do not see */
	if ((u->flags & LODE_UNWIND_NO_TABLE) && t->unknown_code++ % UNKNOWN_CODE_PERIOD == 0)
		lode_modules_want_refresh();
	bool is_truncated = (u->flags & LODE_UNWIND_TRUNCATED) || (w->flags & LODE_PYTHON_TRUNCATED);
	bool is_whole = true;
	uint32_t stack = intern(&m, is_truncated, &is_whole);
	if (!is_whole)
		u->flags |= LODE_UNWIND_NOT_REPLAYABLE;
	return stack;
}

static inline struct lode_probe *probe_at(struct lode_thread *t, const struct replay *now)
{
	return &t->probes[(now->sp >> 4 ^ now->pc) % LODE_PROBES];
}

/* What the stack holds where the last walk from here found return addresses.  Only a hint for the look-up: whatever the
 * words are, the replay verifies.  They lie above sp on the thread's own stack, so they can be read. */
static inline uintptr_t probe_words(struct lode_thread *t, const struct replay *now)
{
	const struct lode_probe *p = probe_at(t, now);
	uintptr_t h = 0;
	if (p->sp != now->sp || p->pc != now->pc)
		return 0;
	for (uint32_t i = 0; i < p->count; i++)
		h = (h << 5 | h >> 59) ^ *(const volatile uintptr_t *)(now->sp + p->offset[i]);
	return h * 0x9e3779b97f4a7c15u;
}

static inline uint32_t hash_of(struct lode_thread *t, const struct replay *now)
{
	/* under Python the innermost position tells the paths apart */
	uintptr_t words = now->python_frame ? 0 : probe_words(t, now);
	return replay_hash(now->sp, now->pc, now->python_frame, now->python_instruction ^ words);
}

static void probe_learn(struct lode_thread *t, const struct replay *now, const struct lode_unwind *u)
{
	struct lode_probe *p = probe_at(t, now);
	if ((p->sp == now->sp && p->pc == now->pc) || now->sp < t->stack_low || now->sp >= t->stack_high)
		return;
	p->sp = now->sp;
	p->pc = now->pc;
	p->count = 0;
	for (uint32_t i = 0; i < u->slot_count && p->count < LODE_PROBE_WORDS; i++) {
		uintptr_t address = (uintptr_t)t->native_slots[i].address;
		if (address >= now->sp && address - now->sp < UINT32_MAX && address + sizeof address <= t->stack_high)
			p->offset[p->count++] = (uint32_t)(address - now->sp);
	}
}

static LODE_COLD uint32_t capture_slow(struct lode_thread *t, const struct replay *now)
{
	/* with Python on the stack: its allocators want a look (python/alloc.h) */
	if (now->python_state || lode_modules_refresh_wanted() || lode_stacks_wants_room())
		t->attention |= LODE_ATTENTION_PREPARE;
	struct lode_unwind u = {.pc = now->pc, .sp = now->sp, .bp = now->bp, .slots = t->native_slots,
				.slot_capacity = LODE_NATIVE_SLOTS};
	struct lode_python_walk w = {.state = now->python_state, .slots = t->python_slots,
				     .slot_capacity = LODE_PYTHON_SLOTS};
	uint32_t stack = walk(t, &u, &w);
	bool is_replayable = !(u.flags & (LODE_UNWIND_NOT_REPLAYABLE | LODE_UNWIND_UNSUPPORTED)) &&
			     !(w.flags & (LODE_PYTHON_NOT_REPLAYABLE | LODE_PYTHON_DROPPED | LODE_PYTHON_GC));
	if (is_replayable && stack) {
		probe_learn(t, now, &u);
		replay_remember(t, hash_of(t, now), now, stack, &u, &w);
	}
	return stack;
}

uint32_t lode_capture_hook(struct lode_thread *t, const void *frame)
{
	const uintptr_t *words = frame;
	struct replay now = {.bp = words[0], .pc = words[1], .sp = (uintptr_t)(words + 2)};
	now.python_state = lode_python_state();
	if (now.python_state)
		lode_python_top(now.python_state, &now.python_frame, &now.python_instruction);
	now.epoch = lode_modules_epoch();
	now.code_generation = lode_code_generation();
	uint32_t hash = hash_of(t, &now);
	for (uint32_t way = 0; way < WAYS; way++) {
		uint32_t at = t->replay_index[hash + way];
		if (!at)
			break;
		const struct replay *r = (const struct replay *)(t->replay + at - 1);
		if (likely(replay_holds(r, &now)))
			return r->stack;
	}
	return capture_slow(t, &now);
}

uint32_t lode_capture_signal(struct lode_thread *t, struct lode_capture_context *c)
{
	struct lode_unwind u = {.pc = c->pc, .sp = c->sp, .bp = c->bp, .pc_is_exact = true};
	struct lode_python_walk w = {.in_signal = true, .state = lode_python_state()};
	uint32_t stack = walk(t, &u, &w);
	if (w.flags & LODE_PYTHON_GIL)
		c->sample_flags |= LODE_SAMPLE_GIL;
	return stack;
}

uint32_t lode_capture_special(uintptr_t routine, uint32_t special)
{
	uint32_t stack = LODE_STACK_NONE;
	if (routine)
		stack = lode_capture_leaf(stack, routine);
	return lode_capture_under(stack, special);
}

uint32_t lode_capture_under(uint32_t stack, uint32_t special)
{
	return lode_stacks_node(stack, (uint64_t)LODE_NODE_SPECIAL << LODE_NODE_KIND_SHIFT | special, 0);
}

uint32_t lode_capture_leaf(uint32_t stack, uintptr_t pc)
{
	return lode_stacks_node(stack, (uint64_t)LODE_NODE_EXACT << LODE_NODE_KIND_SHIFT | pc, lode_modules_epoch());
}
