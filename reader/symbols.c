/* The resolver: modules, their symbols, their units, and the frames at an address.  Called for every distinct address of a
 * recording; after the first one of a unit a look-up is a few binary searches (about 100 ns with the inline chain).
 *
 * The frames are those of addr2line -i: names from the innermost function outwards, the line table's line for the first,
 * for the others the line of the call that was inlined into them.  Where no function of the debug data covers an address
 * (GCC's LTO leaves some out) the symbol table names it, and it may still have a line. */
#include "symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "dwarf_file.h"
#include "eh_frame.h"
#include "lib/error.h"
#include "symcache.h"
#include "symindex.h"

struct symbol {
	uint64_t address, size, section_end;
	uint32_t name; /* an offset into `names` */
	uint8_t is_function, is_local;
	const char *shown; /* demangled; NULL: not yet */
};

struct symbol_table {
	struct symbol *v;
	size_t n, capacity;
	char *names;
	size_t names_bytes, names_capacity;
	uint64_t *start; /* disjoint pieces of code and the symbol of each */
	uint32_t *id;
	size_t n_pieces;
};

struct hex_name {
	uint64_t address;
	const char *name; /* NULL: free slot */
};

struct lode_symbol_module {
	struct lode_symbols *owner;
	char *path;
	void *build_id;
	size_t build_id_bytes;
	char *problem;
	int is_open;
	struct lode_dwarf *dwarf;
	struct symbol_table symbols;
	int has_symbols; /* read, that is */
	struct lode_unit_table units;
	int has_units;
	int is_cached;   /* the units are those of the cache; the debug data are not open yet */
	int is_mistaken; /* the cache's, and the debug data have others */
	int is_new;      /* indexes were made that the cache lacks */
	struct lode_eh_frame functions;
	int has_functions;
	struct hex_name *hex; /* open addressing: the names of nameless addresses */
	size_t hex_mask, n_hex;
};

struct lode_symbols {
	char *sysroot;
	int no_lines, no_cache;
	struct lode_symbol_module **modules;
	size_t n_modules;
	char **owned; /* strings that were made */
	size_t n_owned;
};

/* ---- strings ------------------------------------------------------------------------------------- */
static const char *own(struct lode_symbols *s, char *string)
{
	if (!(s->n_owned & (s->n_owned - 1)))
		s->owned = lode_realloc(s->owned, (s->n_owned ? s->n_owned * 2 : 1) * sizeof(*s->owned));
	return s->owned[s->n_owned++] = string;
}

/* `raw`, which lives as long as the resolver, or what it means. */
/* glibc calls its functions by hidden aliases, __GI_NAME (include/libc-symbols.h): the same code. */
static const char *shown_name(struct lode_symbols *s, const char *raw)
{
	if (!strncmp(raw, "__GI_", 5) && raw[5])
		raw += 5;
	char *demangled = lode_demangle(raw);

	return demangled ? own(s, demangled) : raw;
}

static struct hex_name *hex_slot(const struct lode_symbol_module *m, uint64_t address)
{
	size_t i = address * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	while (m->hex[i & m->hex_mask].name && m->hex[i & m->hex_mask].address != address)
		i++;
	return &m->hex[i & m->hex_mask];
}

static void hex_grow(struct lode_symbol_module *m)
{
	struct hex_name *old = m->hex;
	const size_t n = old ? m->hex_mask + 1 : 0;

	m->hex_mask = n ? n * 2 - 1 : 63;
	m->hex = lode_alloc_zeroed(m->hex_mask + 1, sizeof(*m->hex));
	for (size_t i = 0; i < n; i++)
		if (old[i].name)
			*hex_slot(m, old[i].address) = old[i];
	free(old);
}

static const char *hex_name(struct lode_symbol_module *m, uint64_t address)
{
	struct hex_name *h;
	char text[24];

	if (m->n_hex * 2 >= m->hex_mask)
		hex_grow(m);
	h = hex_slot(m, address);
	if (!h->name) {
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)address);
		*h = (struct hex_name){ address, own(m->owner, lode_copy_string(text)) };
		m->n_hex++;
	}
	return h->name;
}

/* ---- the symbol table ---------------------------------------------------------------------------- */
static void add_symbol(void *arg, const struct lode_dwarf_symbol *s)
{
	struct symbol_table *t = arg;
	const size_t bytes = strlen(s->name) + 1;

	if (bytes > UINT16_MAX || t->names_bytes > INT32_MAX || t->n > INT32_MAX)
		return;
	if (t->n == t->capacity) {
		t->capacity = t->capacity ? t->capacity * 2 : 1024;
		t->v = lode_realloc(t->v, t->capacity * sizeof(*t->v));
	}
	if (t->names_capacity - t->names_bytes < bytes) {
		t->names_capacity = t->names_capacity * 2 + bytes + 4096;
		t->names = lode_realloc(t->names, t->names_capacity);
	}
	memcpy(t->names + t->names_bytes, s->name, bytes);
	t->v[t->n++] = (struct symbol){ .address = s->address,
					.size = s->size,
					.section_end = s->section_end,
					.name = (uint32_t)t->names_bytes,
					.is_function = s->is_function != 0,
					.is_local = s->is_local != 0 };
	t->names_bytes += bytes;
}

/* By address; of several at one the best name first: functions, then global ones, then `read` before `__read`. */
static int better_symbol(const void *a, const void *b, void *names)
{
	const struct symbol *x = a, *y = b;
	const char *p = (char *)names + x->name, *q = (char *)names + y->name;
	const size_t p_lead = strspn(p, "_"), q_lead = strspn(q, "_");

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->is_function != y->is_function)
		return x->is_function ? -1 : 1;
	if (x->is_local != y->is_local)
		return x->is_local ? 1 : -1;
	if (p_lead != q_lead)
		return p_lead < q_lead ? -1 : 1;
	if (strlen(p) != strlen(q))
		return strlen(p) < strlen(q) ? -1 : 1;
	return strcmp(p, q);
}

/* One symbol an address, with the greatest size of all there; labels inside of functions dropped. */
static void drop_lesser(struct symbol_table *t)
{
	uint64_t covered = 0;
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct symbol *s = &t->v[i];

		if (n && t->v[n - 1].address == s->address) {
			if (s->is_function && s->size > t->v[n - 1].size)
				t->v[n - 1].size = s->size;
		} else if (s->is_function || s->address >= covered) {
			t->v[n++] = *s;
		}
		if (s->is_function && s->address + s->size > covered)
			covered = s->address + s->size;
	}
	t->n = n;
}

static void load_symbols(struct lode_symbol_module *m)
{
	struct symbol_table *t = &m->symbols;
	struct lode_interval *v;

	m->has_symbols = 1;
	if (!m->dwarf)
		return;
	lode_dwarf_symbols(m->dwarf, add_symbol, t);
	if (!t->n)
		return;
	qsort_r(t->v, t->n, sizeof(*t->v), better_symbol, t->names);
	drop_lesser(t);
	v = lode_alloc(t->n * sizeof(*v));
	for (size_t i = 0; i < t->n; i++) {
		const struct symbol *s = &t->v[i];
		uint64_t end = s->address + s->size;

		if (!s->size) /* hand-written code: up to the next one */
			end = i + 1 < t->n && s[1].address < s->section_end ? s[1].address : s->section_end;
		v[i] = (struct lode_interval){ .lo = s->address, .hi = end, .id = (uint32_t)i };
	}
	t->start = lode_alloc((2 * t->n + 1) * sizeof(*t->start));
	t->id = lode_alloc((2 * t->n + 1) * sizeof(*t->id));
	t->n_pieces = lode_intervals_flatten(v, t->n, t->start, t->id);
	free(v);
}

static struct symbol *symbol_at(struct lode_symbol_module *m, uint64_t address)
{
	struct symbol_table *t = &m->symbols;
	size_t i;

	if (!m->has_symbols)
		load_symbols(m);
	i = lode_intervals_find(t->start, t->n_pieces, address);
	return i == t->n_pieces || t->id[i] == LODE_SYMINDEX_NONE ? NULL : &t->v[t->id[i]];
}

static const char *symbol_name(struct lode_symbol_module *m, uint64_t address)
{
	struct symbol *s = symbol_at(m, address);

	if (s && !s->shown)
		s->shown = shown_name(m->owner, m->symbols.names + s->name);
	return s ? s->shown : NULL;
}

/* ---- units --------------------------------------------------------------------------------------- */
struct unit_ranges {
	struct lode_interval *v;
	size_t n;
};

static void add_unit_range(void *arg, uint32_t unit, uint64_t lo, uint64_t hi)
{
	struct unit_ranges *r = arg;

	if (r->n > INT32_MAX)
		return;
	if (!(r->n & (r->n - 1)))
		r->v = lode_realloc(r->v, (r->n ? r->n * 2 : 1) * sizeof(*r->v));
	r->v[r->n++] = (struct lode_interval){ .lo = lo, .hi = hi, .id = unit };
}

static void read_units(struct lode_symbol_module *m, struct lode_unit_table *t)
{
	struct unit_ranges r = { 0 };

	t->n_units = lode_dwarf_units(m->dwarf, add_unit_range, &r);
	t->indexes = lode_alloc_zeroed(t->n_units, sizeof(struct lode_symindex *));
	t->start = lode_alloc((2 * r.n + 1) * sizeof(*t->start));
	t->unit = lode_alloc((2 * r.n + 1) * sizeof(*t->unit));
	if (r.n)
		t->n_pieces = lode_intervals_flatten(r.v, r.n, t->start, t->unit);
	free(r.v);
}

static int can_cache(const struct lode_symbol_module *m)
{
	return m->build_id_bytes && !m->owner->no_cache;
}

static void load_units(struct lode_symbol_module *m)
{
	m->has_units = 1;
	if (!m->dwarf)
		return;
	if (can_cache(m) && !lode_symcache_read(m->build_id, m->build_id_bytes, &m->units))
		m->is_cached = 1;
	else
		read_units(m, &m->units);
}

/* Opens the debug data for a unit that the cache lacks.  They may be others than those it was made of (the same program
 * after dwz); then the cache goes, and until the next time the units that are not in it have no functions. */
static void leave_cache(struct lode_symbol_module *m)
{
	const struct lode_unit_table *t = &m->units;
	struct lode_unit_table now = { 0 };

	read_units(m, &now);
	m->is_cached = 0;
	m->is_mistaken = now.n_units != t->n_units || now.n_pieces != t->n_pieces ||
			 memcmp(now.start, t->start, t->n_pieces * sizeof(*t->start)) ||
			 memcmp(now.unit, t->unit, t->n_pieces * sizeof(*t->unit));
	lode_unit_table_release(&now);
}

static struct lode_symindex *make_index(struct lode_symbol_module *m, uint32_t unit)
{
	struct lode_symindex *x = lode_symcache_index(&m->units, unit);
	struct lode_symindex_builder b = { 0 };

	if (x)
		return x;
	if (m->is_cached)
		leave_cache(m);
	if (!m->is_mistaken) {
		lode_dwarf_index(m->dwarf, unit, &b);
		m->is_new = 1;
	}
	x = lode_symindex_build(&b);
	lode_symindex_builder_release(&b);
	return x;
}

static struct lode_symindex *index_at(struct lode_symbol_module *m, uint64_t address)
{
	struct lode_unit_table *t = &m->units;
	size_t i;

	if (!m->has_units)
		load_units(m);
	i = lode_intervals_find(t->start, t->n_pieces, address);
	if (i == t->n_pieces || t->unit[i] >= t->n_units)
		return NULL;
	if (!t->indexes[t->unit[i]])
		t->indexes[t->unit[i]] = make_index(m, t->unit[i]);
	return t->indexes[t->unit[i]];
}

/* ---- modules ------------------------------------------------------------------------------------- */
static void open_module(struct lode_symbol_module *m)
{
	m->is_open = 1;
	if (!strcmp(m->path, "[vdso]"))
		m->dwarf = lode_dwarf_open_vdso(m->build_id, m->build_id_bytes);
	else if (m->path[0] && m->path[0] != '[')
		m->dwarf = lode_dwarf_open(m->path, m->owner->sysroot, m->build_id, m->build_id_bytes, &m->problem);
}

struct lode_symbols *lode_symbols_new(const struct lode_symbols_options *o)
{
	struct lode_symbols *s = lode_alloc_zeroed(1, sizeof(*s));

	s->sysroot = o && o->sysroot && o->sysroot[0] ? lode_copy_string(o->sysroot) : NULL;
	s->no_lines = o && o->no_lines;
	s->no_cache = o && o->no_cache;
	return s;
}

static void module_free(struct lode_symbol_module *m)
{
	if (m->is_mistaken)
		lode_symcache_remove(m->build_id, m->build_id_bytes);
	else if (m->is_new && can_cache(m))
		lode_symcache_write(m->build_id, m->build_id_bytes, &m->units);
	lode_unit_table_release(&m->units);
	free(m->symbols.v);
	free(m->symbols.names);
	free(m->symbols.start);
	free(m->symbols.id);
	free(m->hex);
	lode_dwarf_close(m->dwarf);
	free(m->problem);
	free(m->build_id);
	free(m->path);
	free(m);
}

void lode_symbols_free(struct lode_symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_modules; i++)
		module_free(s->modules[i]);
	for (size_t i = 0; i < s->n_owned; i++)
		free(s->owned[i]);
	free(s->modules);
	free(s->owned);
	free(s->sysroot);
	free(s);
}

struct lode_symbol_module *lode_symbols_module(struct lode_symbols *s, const char *path, const void *build_id,
					       size_t build_id_bytes)
{
	struct lode_symbol_module *m;

	for (size_t i = 0; i < s->n_modules; i++) {
		m = s->modules[i];
		if (m->build_id_bytes == build_id_bytes && !strcmp(m->path, path) &&
		    (!build_id_bytes || !memcmp(m->build_id, build_id, build_id_bytes)))
			return m;
	}
	m = lode_alloc_zeroed(1, sizeof(*m));
	m->owner = s;
	m->path = lode_copy_string(path);
	m->build_id_bytes = build_id_bytes;
	m->build_id = lode_alloc(build_id_bytes);
	if (build_id_bytes)
		memcpy(m->build_id, build_id, build_id_bytes);
	s->modules = lode_realloc(s->modules, (s->n_modules + 1) * sizeof(struct lode_symbol_module *));
	return s->modules[s->n_modules++] = m;
}

const char *lode_symbol_module_problem(const struct lode_symbol_module *m)
{
	return m->problem;
}

/* ---- frames -------------------------------------------------------------------------------------- */
static const char *node_name(struct lode_symbol_module *m, struct lode_symindex *x, uint32_t node)
{
	const uint32_t name = x->nodes[node].name;

	if (name == LODE_SYMINDEX_NONE)
		return NULL;
	if (!x->names)
		x->names = lode_alloc_zeroed(x->n_nodes, sizeof(*x->names));
	if (!x->names[node])
		x->names[node] = shown_name(m->owner, x->strings + name);
	return x->names[node];
}

/* A function that has no linkage name in the debug data (GCC's templates over local types) says only `f`; a symbol that
 * starts in the same function says `space::f`. */
static const char *qualified_name(struct lode_symbol_module *m, const struct lode_symindex *x, uint32_t node,
				  uint64_t address, const char *name)
{
	const struct symbol *s = symbol_at(m, address);
	uint32_t at = s ? lode_symindex_node_at(x, s->address) : LODE_SYMINDEX_NONE;

	while (at != LODE_SYMINDEX_NONE && at != node)
		at = x->nodes[at].parent;
	return at == node ? symbol_name(m, address) : name;
}

/* Of a stripped file's function every address is one name: that of its start. */
static uint64_t function_start(struct lode_symbol_module *m, uint64_t address)
{
	struct lode_eh_frame *e = &m->functions;
	uint64_t start;

	if (!m->has_functions && m->dwarf) {
		e->header = lode_dwarf_section(m->dwarf, ".eh_frame_hdr", &e->header_address, &e->header_bytes);
		e->frames = lode_dwarf_section(m->dwarf, ".eh_frame", &e->frame_address, &e->frame_bytes);
	}
	m->has_functions = 1;
	return lode_eh_frame_function(e, address, &start) ? start : address;
}

static const char *name_without_node(struct lode_symbol_module *m, uint64_t address)
{
	const char *name = symbol_name(m, address);

	if (name)
		return name;
	return strcmp(m->path, "[vdso]") ? hex_name(m, function_start(m, address)) : m->path;
}

static const char *string_at(const struct lode_symindex *x, uint32_t offset)
{
	return offset == LODE_SYMINDEX_NONE ? NULL : x->strings + offset;
}

/* The chain of a node, innermost first. */
static size_t resolve_node(struct lode_symbol_module *m, struct lode_symindex *x, uint32_t node, uint64_t address,
			   struct lode_symbol frame, struct lode_symbol *out, size_t max)
{
	size_t n = 0;

	for (; node != LODE_SYMINDEX_NONE; node = x->nodes[node].parent) {
		const struct lode_symindex_node *f = &x->nodes[node];

		if (n < max) {
			frame.name = node_name(m, x, node);
			if (!frame.name)
				frame.name = name_without_node(m, address);
			else if (f->flags & LODE_SYMINDEX_LOCAL_NAME && f->parent == LODE_SYMINDEX_NONE)
				frame.name = qualified_name(m, x, node, address, frame.name);
			frame.first_line = f->first_line;
			frame.is_inlined = f->parent != LODE_SYMINDEX_NONE;
			out[n] = frame;
		}
		n++;
		frame.file = string_at(x, f->call_file);
		frame.line = f->call_line;
	}
	return n;
}

size_t lode_symbols_resolve(struct lode_symbol_module *m, uint64_t address, struct lode_symbol *out, size_t max)
{
	struct lode_symbol frame = { 0 };
	struct lode_symindex *x;

	if (!m->is_open)
		open_module(m);
	x = m->owner->no_lines ? NULL : index_at(m, address);
	if (x) {
		const uint32_t node = lode_symindex_node_at(x, address);

		frame.file = string_at(x, lode_symindex_line_at(x, address, &frame.line));
		if (node != LODE_SYMINDEX_NONE)
			return resolve_node(m, x, node, address, frame, out, max);
	}
	if (max) {
		frame.name = name_without_node(m, address);
		out[0] = frame;
	}
	return 1;
}
