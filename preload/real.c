/* Resolving the next definitions; the bootstrap arena.  Contract in real.h. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>

#include "python/image.h"
#include "state.h"

#define BOOT_BYTES (64u * 1024u)
#define BOOT_ALIGN 16u

static uint8_t boot_arena[BOOT_BYTES] __attribute__((aligned(16)));
static uint32_t boot_used;
static volatile bool is_done, is_resolving; /* dlsym is declared leaf, and still comes back to our malloc */

bool lode_real_is_boot_block(const void *p)
{
	return (const uint8_t *)p >= boot_arena && (const uint8_t *)p < boot_arena + BOOT_BYTES;
}

/* Blocks are preceded by their size and never reused: a handful of them, before the program's first line. */
static void *boot_alloc(size_t bytes)
{
	size_t whole = (bytes + 2 * BOOT_ALIGN - 1) & ~(size_t)(BOOT_ALIGN - 1);
	if (bytes > BOOT_BYTES || boot_used + whole > BOOT_BYTES) {
		errno = ENOMEM;
		return NULL;
	}
	uint32_t at = __atomic_fetch_add(&boot_used, (uint32_t)whole, __ATOMIC_RELAXED);
	*(size_t *)(boot_arena + at) = bytes;
	return boot_arena + at + BOOT_ALIGN;
}

static size_t boot_block_bytes(const void *p)
{
	return *(const size_t *)((const uint8_t *)p - BOOT_ALIGN);
}

static void *boot_malloc(size_t n)
{
	lode_real_resolve();
	return is_resolving ? boot_alloc(n) : lode_real.malloc(n);
}

static void *boot_calloc(size_t n, size_t m)
{
	size_t bytes;
	lode_real_resolve();
	if (!is_resolving)
		return lode_real.calloc(n, m);
	return __builtin_mul_overflow(n, m, &bytes) ? NULL : boot_alloc(bytes); /* the arena is zero */
}

/* Also the way out for a boot block that the program grows later. */
static void *boot_realloc(void *p, size_t n)
{
	void *q = boot_malloc(n);
	size_t keep = p ? boot_block_bytes(p) : 0;
	for (size_t i = 0; q && i < keep && i < n; i++)
		((uint8_t *)q)[i] = ((uint8_t *)p)[i];
	return q;
}

static void boot_free(void *p)
{
	lode_real_resolve();
	if (p && !lode_real_is_boot_block(p) && !is_resolving)
		lode_real.free(p);
}

struct lode_real lode_real = {
	.malloc = boot_malloc,
	.calloc = boot_calloc,
	.realloc = boot_realloc,
	.free = boot_free,
};

static void *free_fn, *realloc_fn;

/* In place of the real ones once the arena was used: two comparisons more. */
static void free_or_boot(void *p)
{
	if (!lode_real_is_boot_block(p))
		((void (*)(void *))free_fn)(p);
}

static void *realloc_or_boot(void *p, size_t n)
{
	return lode_real_is_boot_block(p) ? boot_realloc(p, n) : ((void *(*)(void *, size_t))realloc_fn)(p, n);
}

/* Called without libc's error text in the way: a failing dlsym allocates one. */
static void resolve_allocator(void)
{
	struct lode_real found = lode_real;
	found.malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	found.calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
	found.realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	found.free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	free_fn = (void *)found.free;
	realloc_fn = (void *)found.realloc;
	if (boot_used) {
		found.free = free_or_boot;
		found.realloc = realloc_or_boot;
	}
	lode_real = found;
}

/* The next definition of a name that may be missing.  Not by dlsym: where it fails it allocates its message, perhaps inside
 * the very allocator whose initialisation asked us. */
struct next {
	const char *name;
	uintptr_t address;
	bool is_past_us;
};

static int visit_next(struct dl_phdr_info *info, size_t bytes, void *data)
{
	struct next *n = data;
	struct lode_image image;
	(void)bytes;
	lode_image_init(&image, info);
	if (n->is_past_us)
		n->address = lode_image_symbol(&image, n->name, NULL);
	n->is_past_us |= lode_is_own_code(image.text_start);
	return n->address != 0;
}

static void *next_if_any(const char *name)
{
	struct next n = {.name = name};
	dl_iterate_phdr(visit_next, &n);
	return (void *)n.address;
}

#define RESOLVE(member, symbol, type, parameters) \
	if (!lode_real.member)                    \
		lode_real.member = (type(*) parameters)dlsym(RTLD_NEXT, symbol);

static void resolve_rest(void)
{
	LODE_REAL_REQUIRED(RESOLVE)
#define X(member, symbol, type, parameters) lode_real.member = (type(*) parameters)next_if_any(symbol);
	LODE_REAL_OPTIONAL(X)
#undef X
}

LODE_COLD static void resolve(void)
{
	is_resolving = true;
	resolve_allocator();
	is_resolving = false;
	is_done = true;
	resolve_rest();
}

void lode_real_resolve(void)
{
	if (unlikely(!is_done && !is_resolving))
		resolve();
}

const char *lode_real_unseen_new(void)
{
	Dl_info of_malloc, of_new;
	void *operator_new = dlsym(RTLD_NEXT, "_Znwm");
	dlerror();
	if (!operator_new || !dladdr(operator_new, &of_new) || !dladdr((void *)lode_real.malloc, &of_malloc))
		return NULL;
	return of_new.dli_fbase == of_malloc.dli_fbase ? of_new.dli_fname : NULL;
}
