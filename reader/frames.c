/* Stacks to tree nodes.  Contract in frames.h; called by load.c.
 *
 * A recording's node becomes none (filtered), one, or several frames (inlined calls); the result is
 * remembered by (value, aux), and a node's place in the tree for the stacks that share it. */
#include "frames.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "pycode.h"
#include "symbols.h"

#define INLINED_MAX 64u
#define NONE UINT32_MAX

struct known {		       /* the frames of one (value, aux) */
	uint32_t aux, next;    /* next: another aux of the same value, or NONE */
	uint32_t first, count; /* in lists; outermost first */
};

struct place { /* of a node of the recording in the tree */
	uint32_t group, node;
};

struct frames {
	struct lode_tree *tree;
	const struct lode_info *info;
	const struct lode_replay_result *result;
	struct lode_symbols *symbols;
	const struct lode_frames_options *options;
	struct lode_symbol_module **modules; /* by info's index; NULL: not asked for yet */
	/* of the process at hand */
	uint32_t process;
	struct lode_map known_of_value;
	struct known *known;
	size_t known_count, known_capacity;
	uint32_t *lists;
	size_t list_count, list_capacity;
	struct place *places;
	uint32_t group;
	uint32_t *path;
	size_t path_capacity;
};

static const char *intern(struct frames *x, const char *s)
{
	return s ? lode_arena_intern(x->tree->arena, s, strlen(s)) : NULL;
}

static void list(struct frames *x, const struct lode_frame *f)
{
	if ((x->options->only_native && f->kind == LODE_FRAME_PYTHON) ||
	    (x->options->only_python &&
	     (f->kind == LODE_FRAME_NATIVE || f->kind == LODE_FRAME_INLINED)))
		return;
	if (x->list_count == x->list_capacity) {
		x->list_capacity = x->list_capacity ? 2 * x->list_capacity : 1024;
		x->lists = lode_realloc(x->lists, x->list_capacity * sizeof(*x->lists));
	}
	x->lists[x->list_count++] = lode_tree_frame(x->tree, f);
}

static void list_special(struct frames *x, const char *name)
{
	struct lode_frame f = {.name = intern(x, name), .kind = LODE_FRAME_SPECIAL};
	list(x, &f);
}

static const char *special_name(uint64_t value)
{
	switch ((enum lode_special)value) {
	case LODE_SPECIAL_TRUNCATED:
		return "<truncated>";
	case LODE_SPECIAL_PYTHON_DROPPED:
		return "<python dropped>";
	case LODE_SPECIAL_GC:
		return "<GC>";
	case LODE_SPECIAL_UNSAMPLED:
		return "<after a thread's last sample>";
	case LODE_SPECIAL_RECORDING:
		return "<recording>";
	case LODE_SPECIAL_UNKNOWN:
		break;
	}
	return "<unknown>";
}

static void list_address(struct frames *x, uint64_t address, const struct lode_info_module *m)
{
	char name[32];
	snprintf(name, sizeof(name), "0x%" PRIx64, address);
	struct lode_frame f = {.name = intern(x, name),
			       .module = m ? intern(x, m->path) : NULL,
			       .kind = LODE_FRAME_NATIVE};
	list(x, &f);
}

static struct lode_symbol_module *symbols_of(struct frames *x, const struct lode_info_module *m)
{
	struct lode_symbol_module **s = &x->modules[m - x->info->modules];
	if (!*s)
		*s = lode_symbols_module(x->symbols, m->path, m->build_id, m->build_id_bytes);
	return *s;
}

/* A name of a module whose file could not be used may still be there: the cache has it. */
static void say_problem(const struct frames *x, const struct lode_symbol_module *s,
			const struct lode_symbol *leaf)
{
	const char *problem = lode_symbol_module_problem(s);
	if (problem && x->options->say_problem && !strncmp(leaf->name, "0x", 2))
		x->options->say_problem(x->options->to, problem);
}

static void list_native(struct frames *x, uint64_t pc, bool is_return, uint32_t epoch)
{
	struct lode_symbol found[INLINED_MAX];
	pc -= is_return && pc;
	const struct lode_info_module *m = lode_info_module_at(x->info, x->process, pc, epoch);
	struct lode_symbol_module *s = m && x->symbols ? symbols_of(x, m) : NULL;
	if (!s) {
		list_address(x, m ? pc - m->bias : pc, m);
		return;
	}
	size_t n = lode_symbols_resolve(s, pc - m->bias, found, INLINED_MAX);
	say_problem(x, s, found);
	for (size_t i = n < INLINED_MAX ? n : INLINED_MAX; i-- > 0;) {
		struct lode_frame f = {
			.name = intern(x, found[i].name),
			.file = intern(x, found[i].file),
			.module = intern(x, m->path),
			.line = x->options->no_lines ? 0 : found[i].line,
			.first_line = found[i].first_line,
			.kind = found[i].is_inlined ? LODE_FRAME_INLINED : LODE_FRAME_NATIVE,
		};
		list(x, &f);
	}
}

static void list_python(struct frames *x, uint64_t id, uint32_t offset)
{
	const struct lode_info_code *c =
		lode_info_code(x->info, x->info->processes[x->process].stream, id);
	if (!c) {
		struct lode_frame f = {.name = intern(x, "<unknown code>"),
				       .kind = LODE_FRAME_PYTHON};
		list(x, &f);
		return;
	}
	struct lode_frame f = {
		.name = intern(x, c->name),
		.file = intern(x, c->file),
		.first_line = c->first_line,
		.kind = LODE_FRAME_PYTHON,
	};
	if (!x->options->no_lines)
		f.line = lode_pycode_line(c->version, c->first_line, c->lines, c->line_bytes,
					  offset == UINT32_MAX ? -1 : (int64_t)offset);
	list(x, &f);
}

static void list_node(struct frames *x, const struct lode_node *node)
{
	uint64_t value = node->value & LODE_NODE_VALUE_MASK;
	switch ((enum lode_node_kind)(node->value >> LODE_NODE_KIND_SHIFT)) {
	case LODE_NODE_RETURN:
		if (node->value)
			list_native(x, value, true, node->aux);
		else
			list_special(x, "<unknown>"); /* a node that never was written */
		break;
	case LODE_NODE_PYTHON:
		list_python(x, value, node->aux);
		break;
	case LODE_NODE_SPECIAL:
		list_special(x, special_name(value));
		break;
	case LODE_NODE_EXACT:
		list_native(x, value, false, node->aux);
		break;
	}
}

static const struct known *know(struct frames *x, const struct lode_node *node)
{
	uint32_t at = lode_map_get(&x->known_of_value, node->value), head = at;
	for (; at != NONE; at = x->known[at].next)
		if (x->known[at].aux == node->aux)
			return &x->known[at];
	if (x->known_count == x->known_capacity) {
		x->known_capacity = x->known_capacity ? 2 * x->known_capacity : 1024;
		x->known = lode_realloc(x->known, x->known_capacity * sizeof(*x->known));
	}
	struct known k = {.aux = node->aux, .next = head, .first = (uint32_t)x->list_count};
	list_node(x, node);
	k.count = (uint32_t)x->list_count - k.first;
	*lode_map_put(&x->known_of_value, node->value, 0) = (uint32_t)x->known_count;
	x->known[x->known_count] = k;
	return &x->known[x->known_count++];
}

/* What the C library and the loader put below every program's and thread's first function. */
static bool is_entry(const struct lode_frame *f)
{
	static const char *const names[] = {
		"_start",	   "__libc_start_main", "__libc_start_main_impl",
		"__libc_start_call_main", "clone",	"__clone",
		"clone3",	   "__clone3",		"start_thread",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(f->name, names[i]))
			return f->kind == LODE_FRAME_NATIVE;
	return false;
}

/* Entry frames at the root are left out: they are in every stack and say nothing.  Where a stack has
 * no others they stay (`keeps_entry`). */
static uint32_t descend(struct frames *x, uint32_t at, uint32_t id, uint32_t root, bool keeps_entry)
{
	const struct known *k = know(x, &x->result->nodes[x->process].nodes[id]);
	uint32_t first = k->first, count = k->count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t frame = x->lists[first + i];
		if (keeps_entry || at != root || !is_entry(&x->tree->frames[frame]))
			at = lode_tree_child(x->tree, at, frame);
	}
	if (!keeps_entry)
		x->places[id] = (struct place){x->group, at};
	return at;
}

/* For a stack of which --python or --native dropped every frame: native threads under --python. */
static uint32_t of_the_other_kind(struct frames *x, uint32_t root)
{
	struct lode_frame f = {.kind = LODE_FRAME_SPECIAL};
	if (!x->options->only_python && !x->options->only_native)
		return root;
	f.name = intern(x, x->options->only_python ? "<no Python frame>" : "<no native frame>");
	return lode_tree_child(x->tree, root, lode_tree_frame(x->tree, &f));
}

static uint32_t place_of(struct frames *x, uint32_t root, uint32_t id)
{
	const struct lode_nodes *nodes = &x->result->nodes[x->process];
	uint32_t leaf = id;
	size_t n = 0;
	if (!id || id >= nodes->count) {
		struct lode_frame f = {.name = intern(x, "<unknown>"), .kind = LODE_FRAME_SPECIAL};
		return lode_tree_child(x->tree, root, lode_tree_frame(x->tree, &f));
	}
	for (; id && x->places[id].group != x->group; id = nodes->nodes[id].parent) {
		if (n == x->path_capacity) {
			x->path_capacity = n ? 2 * n : 256;
			x->path = lode_realloc(x->path, x->path_capacity * sizeof(*x->path));
		}
		x->path[n++] = id;
	}
	uint32_t at = id ? x->places[id].node : root;
	while (n--)
		at = descend(x, at, x->path[n], root, false);
	at = at == root ? descend(x, at, leaf, root, true) : at;
	return at == root ? of_the_other_kind(x, root) : at;
}

static uint32_t process_root(struct frames *x, uint32_t process)
{
	const struct lode_info_process *p = &x->info->processes[process];
	if (!x->options->split_processes)
		return 0;
	const char *name = *p->command ? p->command : *p->executable ? p->executable : "process";
	struct lode_frame f = {.kind = LODE_FRAME_THREAD};
	size_t size = strlen(name) + 40;
	char *text = lode_alloc(size);
	snprintf(text, size, "%s (pid %" PRId64 ")", name, p->pid);
	f.name = intern(x, text);
	free(text);
	return lode_tree_root(x->tree, 0, lode_tree_frame(x->tree, &f),
			      x->options->process_index[process], NONE);
}

static uint32_t thread_root(struct frames *x, uint32_t parent, uint32_t process, uint32_t thread)
{
	if (!x->options->split_threads || thread >= x->info->thread_count)
		return parent;
	const struct lode_info_thread *t = &x->info->threads[thread];
	struct lode_frame f = {.kind = LODE_FRAME_THREAD};
	size_t size = strlen(t->name) + 64;
	char *text = lode_alloc(size);
	snprintf(text, size, "%s (thread %" PRId64 ")", *t->name ? t->name : "unnamed", t->tid);
	f.name = intern(x, text);
	free(text);
	return lode_tree_root(x->tree, parent, lode_tree_frame(x->tree, &f),
			      x->options->process_index[process], x->options->thread_index[thread]);
}

static void begin_process(struct frames *x, uint32_t process)
{
	lode_map_release(&x->known_of_value);
	x->known_count = x->list_count = 0;
	x->process = process;
	free(x->places);
	x->places = lode_alloc_zeroed(x->result->nodes[process].count, sizeof(*x->places));
	x->group = 0;
}

static int by_process_and_thread(const void *a, const void *b)
{
	const struct lode_stack *x = *(const struct lode_stack *const *)a,
				*y = *(const struct lode_stack *const *)b;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

void lode_frames_add(struct lode_tree *t, const struct lode_info *info,
		     const struct lode_replay_result *r, struct lode_symbols *symbols,
		     const struct lode_frames_options *o)
{
	struct frames x = {.tree = t, .info = info, .result = r, .symbols = symbols, .options = o};
	const struct lode_stack **stacks = lode_alloc((r->stack_count + 1) * sizeof(*stacks));
	x.modules = lode_alloc_zeroed(info->module_count, sizeof(*x.modules));
	for (size_t i = 0; i < r->stack_count; i++)
		stacks[i] = &r->stacks[i];
	qsort(stacks, r->stack_count, sizeof(*stacks), by_process_and_thread);
	uint32_t root = 0;
	for (size_t i = 0; i < r->stack_count; i++) {
		const struct lode_stack *s = stacks[i];
		bool is_new = !i || s->process != stacks[i - 1]->process;
		if (is_new)
			begin_process(&x, s->process);
		if (is_new || s->thread != stacks[i - 1]->thread) {
			x.group++;
			root = thread_root(&x, process_root(&x, s->process), s->process, s->thread);
		}
		lode_tree_add(t, place_of(&x, root, s->node), s);
	}
	free(stacks);
	free(x.modules);
	free(x.known);
	free(x.lists);
	free(x.places);
	free(x.path);
	lode_map_release(&x.known_of_value);
}
