/* The loaded objects: reads the loader's list, keeps what was ever seen, publishes the set in force.
 *
 * One thread at a time refreshes (a try-lock; nobody waits for it) and alone touches the list of known modules.  Readers
 * see only immutable things: the set, its modules, their tables.  What is replaced goes to limbo until every reader that
 * may have seen it has left: readers count themselves in shards; a shard seen at zero once after the replacement holds no
 * such reader any more.
 *
 * A fork may leave a refresh unfinished in the child (its thread is gone): each list is changed by one store, so that at
 * worst memory is lost. */
#include "modules.h"

#include "ehframe.h"
#include "event.h"
#include "mem.h"
#include "notice.h"
#include "os.h"
#include "unwind_table.h"

#include <link.h>
#include <sys/auxv.h>

static void write_module(const struct lode_module *m)
{
	lode_event_module(m->id, m->epoch, m->bias, m->start, m->end,
			  (struct lode_event_bytes){m->build_id, m->build_id_bytes}, m->path);
}

#define SHARDS 64 /* one bit each in lode_limbo.waiting_for */
#define GONE_KEPT 64 /* gone modules whose tables wait for the object's return */
#define PATH_BYTES 4096
#define IDENTITY_BYTES 4096
#define FORK_WAIT_NS UINT64_C(1000000000)

struct set {
	struct lode_limbo limbo;
	struct lode_module_set public;
};

struct known {
	struct lode_limbo limbo;
	struct lode_module module; /* what readers see; written before the set with it is published */
	struct lode_unwind_table *table;
	struct known *next;
	uint64_t identity;    /* hash over what tells two objects at the same place apart */
	uint64_t loaded_at;   /* order of appearance, renewed when it comes back */
	uint64_t seen_at;     /* the last refresh that met it */
	bool is_live;         /* in the set in force */
	char path[];
};

/* What the loader says about one object. */
struct object {
	const struct dl_phdr_info *info;
	struct lode_ehframe_input frames;
	uintptr_t start, end, text_start, text_end;
	uint64_t identity;
	uint8_t build_id[32];
	uint8_t build_id_bytes;
};

struct refresh {
	struct object object;
	bool is_first_call, has_changed, has_failed;
	uint64_t adds, subs;
	char path[PATH_BYTES];
};

static const struct lode_module_set no_modules;
static const struct lode_module_set *current = &no_modules; /* atomic */
static uint32_t current_epoch;                               /* atomic */
static bool is_wanted;                                       /* atomic */
static uint32_t refresher;                                   /* atomic: the try-lock, by FREE, BUSY or a forking thread's id */
enum { FREE = 0, BUSY = -1 };

static struct reader_shard {
	uint32_t readers; /* atomic */
} __attribute__((aligned(64))) shards[SHARDS];

/* The refreshing thread's. */
static struct known *known_modules;
static struct lode_limbo *limbo_first;
static uint64_t refresh_count, load_count;
static uint64_t last_adds, last_subs;
static bool has_read_once;
static uint32_t last_id, last_generation;
/* The hull of all that was forgotten: what is loaded there counts as a replacement. */
static uintptr_t forgotten_start = UINTPTR_MAX, forgotten_end;

/* ---- readers ---- */

/* By thread, not by stack: leave must find the shard of enter, on whatever stack the thread runs. */
static struct reader_shard *reader_shard(void)
{
	uintptr_t thread;

#ifdef __x86_64__
	__asm__("mov %%fs:0, %0" : "=r"(thread)); /* the thread pointer (ELF TLS ABI, variant II) */
#else
	thread = (uintptr_t)__builtin_thread_pointer();
#endif
	return &shards[(thread * UINT64_C(0x9e3779b97f4a7c15)) >> 58];
}
_Static_assert(SHARDS == 1 << (64 - 58), "the hash gives a shard");

void lode_modules_enter(void)
{
	__atomic_fetch_add(&reader_shard()->readers, 1, __ATOMIC_SEQ_CST);
}

void lode_modules_leave(void)
{
	__atomic_fetch_sub(&reader_shard()->readers, 1, __ATOMIC_RELEASE);
}

const struct lode_module_set *lode_modules_current(void)
{
	return __atomic_load_n(&current, __ATOMIC_SEQ_CST);
}

const struct lode_module *lode_module_set_find(const struct lode_module_set *set, uintptr_t pc)
{
	uint32_t low = 0, high = set->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (set->starts[middle] <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low && pc < set->modules[low - 1]->end ? set->modules[low - 1] : NULL;
}

const struct lode_module *lode_modules_find(uintptr_t pc)
{
	return lode_module_set_find(lode_modules_current(), pc);
}

void lode_modules_each(bool (*visit)(const struct lode_module *m, void *data), void *data)
{
	const struct lode_module_set *set;

	lode_modules_enter();
	set = lode_modules_current();
	for (uint32_t i = 0; i < set->count; i++) {
		if (visit(set->modules[i], data))
			break;
	}
	lode_modules_leave();
}

uint32_t lode_modules_epoch(void)
{
	return __atomic_load_n(&current_epoch, __ATOMIC_ACQUIRE);
}

void lode_modules_want_refresh(void)
{
	__atomic_store_n(&is_wanted, true, __ATOMIC_RELEASE);
}

bool lode_modules_refresh_wanted(void)
{
	return __atomic_load_n(&is_wanted, __ATOMIC_ACQUIRE);
}

/* ---- limbo ---- */

static void limbo_add(struct lode_limbo *l)
{
	l->waiting_for = ~UINT64_C(0);
	l->next = limbo_first;
	limbo_first = l;
}

static uint64_t busy_shards(void)
{
	uint64_t busy = 0;

	for (unsigned i = 0; i < SHARDS; i++) {
		if (__atomic_load_n(&shards[i].readers, __ATOMIC_SEQ_CST))
			busy |= UINT64_C(1) << i;
	}
	return busy;
}

static void limbo_free_unread(void)
{
	uint64_t busy = limbo_first ? busy_shards() : 0;
	struct lode_limbo **link = &limbo_first;

	while (*link) {
		struct lode_limbo *l = *link;

		l->waiting_for &= busy;
		if (l->waiting_for) {
			link = &l->next;
			continue;
		}
		*link = l->next;
		lode_mem_free(l);
	}
}

/* ---- one object ---- */

static uint64_t hash_words(uint64_t hash, const void *p, size_t bytes)
{
	const uint64_t *words = p;

	for (size_t i = 0; i < bytes / sizeof(*words); i++) {
		hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	return hash;
}

static uint64_t hash_string(uint64_t hash, const char *s)
{
	for (; *s; s++)
		hash = (hash ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
	return hash;
}

static void object_read_load(struct object *o, const ElfW(Phdr) *ph)
{
	uintptr_t start = o->info->dlpi_addr + ph->p_vaddr;
	uintptr_t end = start + ph->p_memsz;

	if (end <= start)
		return;
	if (start < o->start)
		o->start = start;
	if (end > o->end)
		o->end = end;
	if (ph->p_flags & PF_X) {
		if (start < o->text_start)
			o->text_start = start;
		if (end > o->text_end)
			o->text_end = end;
	}
	if ((ph->p_flags & PF_R) && o->frames.segment_count < LODE_EHFRAME_SEGMENTS)
		o->frames.segments[o->frames.segment_count++] = (struct lode_ehframe_segment){ start, end };
}

static bool is_readable(const struct object *o, uintptr_t start, size_t bytes)
{
	for (uint32_t i = 0; i < o->frames.segment_count; i++) {
		const struct lode_ehframe_segment *s = &o->frames.segments[i];

		if (start >= s->start && start <= s->end && bytes <= s->end - start)
			return true;
	}
	return false;
}

/* Finds the build-id among an object's notes: 4-byte words size of name, size of contents, type; both padded to 4. */
static void object_read_notes(struct object *o, const ElfW(Phdr) *ph)
{
	const uint8_t *p = (const uint8_t *)(o->info->dlpi_addr + ph->p_vaddr);
	size_t left = ph->p_memsz;

	if (o->build_id_bytes || ((uintptr_t)p & 3) || !is_readable(o, (uintptr_t)p, left))
		return;
	while (left >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const void *)p;
		uint64_t name = ((uint64_t)n->n_namesz + 3) & ~UINT64_C(3);
		uint64_t contents = ((uint64_t)n->n_descsz + 3) & ~UINT64_C(3);
		const uint8_t *name_at = p + sizeof(*n);

		if (sizeof(*n) + name + contents > left)
			return;
		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && name_at[0] == 'G' && name_at[1] == 'N' &&
		    name_at[2] == 'U' && n->n_descsz <= sizeof(o->build_id)) {
			for (uint32_t i = 0; i < n->n_descsz; i++)
				o->build_id[i] = name_at[name + i];
			o->build_id_bytes = (uint8_t)n->n_descsz;
			return;
		}
		p += sizeof(*n) + name + contents;
		left -= sizeof(*n) + name + contents;
	}
}

/* The name as the loader has it: a relative one stays the same when the program changes its directory.  Without a
 * build-id the first functions of .eh_frame's index stand in for it: they move whenever one's size changes. */
static uint64_t object_identity(const struct object *o, size_t header_bytes)
{
	uint64_t hash = hash_string(UINT64_C(0xcbf29ce484222325), o->info->dlpi_name ? o->info->dlpi_name : "");
	uintptr_t header = (o->frames.header + 7) & ~(uintptr_t)7;

	hash = hash_words(hash, o->info->dlpi_phdr, o->info->dlpi_phnum * sizeof(*o->info->dlpi_phdr));
	hash = hash_words(hash, o->build_id, sizeof(o->build_id));
	if (!o->build_id_bytes && header_bytes > 8 && is_readable(o, o->frames.header, header_bytes))
		hash = hash_words(hash, (const void *)header, header_bytes - 8 < IDENTITY_BYTES ? header_bytes - 8
												: IDENTITY_BYTES);
	return hash;
}

/* False: nothing mapped.  The loads come first: notes are read only inside them. */
static bool object_read(struct object *o, const struct dl_phdr_info *info)
{
	size_t header_bytes = 0;

	*o = (struct object){ .info = info, .start = UINTPTR_MAX, .text_start = UINTPTR_MAX };
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			object_read_load(o, &info->dlpi_phdr[i]);
	}
	if (o->start >= o->end)
		return false;
	if (o->text_start > o->text_end)
		o->text_start = o->text_end = o->start;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_NOTE)
			object_read_notes(o, ph);
		if (ph->p_type == PT_GNU_EH_FRAME) {
			o->frames.header = info->dlpi_addr + ph->p_vaddr;
			header_bytes = ph->p_memsz;
		}
	}
	o->frames.start = o->start;
	o->frames.end = o->end;
	o->identity = object_identity(o, header_bytes);
	return true;
}

/* ---- paths ---- */

static size_t string_bytes(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static void path_of_executable(char *path)
{
	ssize_t n = lode_os_readlink("/proc/self/exe", path, PATH_BYTES - 1);

	path[n > 0 ? n : 0] = '\0';
}

/* The loader keeps dlopen's relative name as it was given. */
static void path_of_relative(char *path, const char *name)
{
	ssize_t n = lode_os_getcwd(path, PATH_BYTES);
	size_t at = n > 0 && path[0] == '/' ? string_bytes(path) : 0;
	size_t bytes = string_bytes(name) + 1;

	if (name[0] == '.' && name[1] == '/') {
		name += 2;
		bytes -= 2;
	}
	if (at + 1 + bytes > PATH_BYTES)
		at = 0;
	if (at && path[at - 1] != '/')
		path[at++] = '/';
	for (size_t i = 0; i < bytes && at + i < PATH_BYTES - 1; i++)
		path[at + i] = name[i];
	path[at + bytes < PATH_BYTES ? at + bytes - 1 : PATH_BYTES - 1] = '\0';
}

static const char *object_path(struct refresh *r, const struct object *o)
{
	const char *name = o->info->dlpi_name ? o->info->dlpi_name : "";
	uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);

	if (vdso >= o->start && vdso < o->end)
		return "[vdso]";
	if (name[0] == '/')
		return name;
	if (name[0])
		path_of_relative(r->path, name);
	else
		path_of_executable(r->path);
	return r->path;
}

/* ---- known modules ---- */

static bool is_same_object(const struct known *k, const struct object *o)
{
	return k->identity == o->identity && k->module.end - k->module.start == o->end - o->start;
}

static bool is_overlapping(const struct known *k, const struct object *o)
{
	return k->module.start < o->end && o->start < k->module.end;
}

/* The table of the same object at another place; rows are relative to its start. */
static struct lode_unwind_table *table_of_twin(const struct object *o)
{
	for (struct known *k = known_modules; k; k = k->next) {
		if (k->table && is_same_object(k, o))
			return k->table;
	}
	return NULL;
}

static struct known *known_new(struct refresh *r, const struct object *o)
{
	const char *path = object_path(r, o);
	size_t path_bytes = string_bytes(path) + 1;
	struct known *k = lode_mem_alloc_zeroed(sizeof(*k) + path_bytes);

	if (!k) {
		r->has_failed = true;
		return NULL;
	}
	for (size_t i = 0; i < path_bytes; i++)
		k->path[i] = path[i];
	k->table = table_of_twin(o);
	if (!k->table && o->frames.header)
		k->table = lode_ehframe_build(&o->frames);
	if (k->table)
		k->table->users++;
	k->identity = o->identity;
	k->module = (struct lode_module){
		.start = o->start, .end = o->end, .text_start = o->text_start, .text_end = o->text_end,
		.bias = o->info->dlpi_addr, .id = ++last_id, .table = k->table, .path = k->path,
		.build_id_bytes = o->build_id_bytes,
	};
	for (size_t i = 0; i < sizeof(k->module.build_id); i++)
		k->module.build_id[i] = o->build_id[i];
	k->next = known_modules;
	known_modules = k;
	return k;
}

/* The module in force at this place if it is the same object still. */
static struct known *known_find_live(const struct object *o)
{
	const struct lode_module *m = lode_module_set_find(current, o->start);
	struct known *k = m ? (struct known *)((char *)m - offsetof(struct known, module)) : NULL;

	return k && m->start == o->start && is_same_object(k, o) ? k : NULL;
}

/* The module that was the last to lie where the object lies now, live or not (if live, the loader has replaced it since
 * the last refresh). */
static struct known *known_find_last_there(const struct object *o)
{
	struct known *last = NULL;

	for (struct known *k = known_modules; k; k = k->next) {
		if (is_overlapping(k, o) && (!last || k->loaded_at > last->loaded_at))
			last = k;
	}
	return last;
}

static bool is_where_forgotten(const struct object *o)
{
	return forgotten_start < o->end && o->start < forgotten_end;
}

/* An object that was not there at the last refresh: its own old module if nothing else lay there since, else a new one,
 * in a new epoch if something else did. */
static struct known *known_load(struct refresh *r, const struct object *o)
{
	struct known *last = known_find_last_there(o);
	struct known *k = last && !last->is_live && last->module.start == o->start && is_same_object(last, o) ? last : NULL;

	if (!k) {
		k = known_new(r, o);
		if (!k)
			return NULL;
		if (last || is_where_forgotten(o))
			__atomic_fetch_add(&current_epoch, 1, __ATOMIC_SEQ_CST);
		k->module.epoch = current_epoch;
	}
	k->loaded_at = ++load_count;
	return k;
}

/* ---- refresh ---- */

/* The loader's call-back: its lock keeps the object mapped.  1 stops. */
static int visit_object(struct dl_phdr_info *info, size_t bytes, void *data)
{
	struct refresh *r = data;
	struct object *o = &r->object;
	struct known *k;

	if (r->is_first_call) {
		r->is_first_call = false;
		r->adds = bytes >= sizeof(*info) ? info->dlpi_adds : last_adds + 1;
		r->subs = bytes >= sizeof(*info) ? info->dlpi_subs : last_subs;
		if (has_read_once && r->adds == last_adds && r->subs == last_subs)
			return 1;
		r->has_changed = true;
	}
	if (!object_read(o, info))
		return 0;
	k = known_find_live(o);
	if (!k)
		k = known_load(r, o);
	if (k)
		k->seen_at = refresh_count;
	return 0;
}

static void sort_by_start(const struct lode_module **modules, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		const struct lode_module *m = modules[i];
		uint32_t at = i;

		for (; at > 0 && modules[at - 1]->start > m->start; at--)
			modules[at] = modules[at - 1];
		modules[at] = m;
	}
}

/* The modules met by this refresh, in one allocation. */
static struct set *set_new(void)
{
	uint32_t count = 0;
	struct set *set;
	const struct lode_module **modules;
	uintptr_t *starts;

	for (struct known *k = known_modules; k; k = k->next)
		count += k->seen_at == refresh_count;
	set = lode_mem_alloc(sizeof(*set) + count * (sizeof(*modules) + sizeof(*starts)));
	if (!set)
		return NULL;
	modules = (const struct lode_module **)(set + 1);
	starts = (uintptr_t *)(modules + count);
	count = 0;
	for (struct known *k = known_modules; k; k = k->next) {
		if (k->seen_at == refresh_count)
			modules[count++] = &k->module;
	}
	sort_by_start(modules, count);
	for (uint32_t i = 0; i < count; i++)
		starts[i] = modules[i]->start;
	set->public = (struct lode_module_set){ .count = count, .starts = starts, .modules = modules };
	return set;
}

/* Definitions go out before stacks can name them, ends after the last that could. */
static void publish(struct set *set)
{
	const struct lode_module_set *old = current;
	bool has_gone = false;

	for (struct known *k = known_modules; k; k = k->next) {
		if (k->seen_at == refresh_count && !k->is_live)
			write_module(&k->module);
		if (k->seen_at != refresh_count && k->is_live)
			has_gone = true;
	}
	last_generation += has_gone;
	set->public.generation = last_generation;
	__atomic_store_n(&current, &set->public, __ATOMIC_SEQ_CST);
	if (old != &no_modules)
		limbo_add((struct lode_limbo *)((char *)old - offsetof(struct set, public)));
	for (struct known *k = known_modules; k; k = k->next) {
		bool was_live = k->is_live;

		k->is_live = k->seen_at == refresh_count;
		if (was_live && !k->is_live)
			lode_event_module_gone(k->module.id);
	}
}

static void forget(struct known **link)
{
	struct known *k = *link;

	if (k->module.start < forgotten_start)
		forgotten_start = k->module.start;
	if (k->module.end > forgotten_end)
		forgotten_end = k->module.end;
	*link = k->next;
	if (k->table && !--k->table->users)
		limbo_add(&k->table->limbo);
	limbo_add(&k->limbo);
}

/* Keeps the youngest of the gone. */
static void forget_long_gone(void)
{
	uint32_t gone = 0;

	for (struct known *k = known_modules; k; k = k->next)
		gone += !k->is_live;
	for (; gone > GONE_KEPT; gone--) {
		struct known **oldest = NULL;

		for (struct known **link = &known_modules; *link; link = &(*link)->next) {
			if (!(*link)->is_live && (!oldest || (*link)->loaded_at < (*oldest)->loaded_at))
				oldest = link;
		}
		forget(oldest);
	}
}

static void refresh(struct refresh *r)
{
	struct set *set;

	refresh_count++;
	dl_iterate_phdr(visit_object, r);
	if (!r->has_changed)
		return;
	set = set_new();
	if (!set) {
		r->has_failed = true;
		return;
	}
	publish(set);
	forget_long_gone();
	if (!r->has_failed) {
		last_adds = r->adds;
		last_subs = r->subs;
		has_read_once = true;
	}
}

static bool refresh_try_lock(uint32_t as)
{
	uint32_t expected = FREE;

	return __atomic_compare_exchange_n(&refresher, &expected, as, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void refresh_unlock(void)
{
	__atomic_store_n(&refresher, FREE, __ATOMIC_RELEASE);
}

void lode_modules_refresh(void)
{
	struct refresh *r;
	bool has_failed;

	if (!refresh_try_lock((uint32_t)BUSY)) {
		lode_modules_want_refresh();
		return;
	}
	__atomic_store_n(&is_wanted, false, __ATOMIC_SEQ_CST);
	lode_unwind_slow_load();
	r = lode_mem_alloc(sizeof(*r)); /* 5 KiB: too much for a coroutine's stack */
	has_failed = !r;
	if (r) {
		r->is_first_call = true;
		r->has_changed = r->has_failed = false;
		refresh(r);
		has_failed = r->has_failed;
		lode_mem_free(r);
	}
	limbo_free_unread();
	refresh_unlock();
	if (has_failed)
		lode_notice(LODE_NOTICE_MISSING, "no memory for the list of loaded objects: native stacks may be cut");
}

/* ---- fork ---- */

void lode_modules_fork_prepare(void)
{
	uint64_t end = lode_os_monotonic_ns() + FORK_WAIT_NS;
	uint32_t self = (uint32_t)lode_os_tid();

	while (!refresh_try_lock(self) && lode_os_monotonic_ns() < end)
		lode_os_yield();
}

void lode_modules_fork_parent(void)
{
	if (__atomic_load_n(&refresher, __ATOMIC_RELAXED) == (uint32_t)lode_os_tid())
		refresh_unlock();
}

void lode_modules_fork_release(void)
{
	for (unsigned i = 0; i < SHARDS; i++)
		__atomic_store_n(&shards[i].readers, 0, __ATOMIC_RELAXED);
	lode_unwind_slow_fork_child();
	refresh_unlock();
}

void lode_modules_fork_child(void)
{
	const struct lode_module_set *set = current;

	lode_modules_fork_release();
	for (uint32_t i = 0; i < set->count; i++)
		write_module(set->modules[i]);
}
