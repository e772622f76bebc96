/* Loaded objects and their unwind tables.
 *
 * The set in force is published as one immutable sorted array.  Tables are built from .eh_frame when an object is first
 * seen, cached by identity (path, base, build-id), and never unmapped under a reader: dlclose cannot pull them away.
 * Readers announce themselves (lode_modules_enter) so that replaced arrays can be freed. */
#ifndef LODE_MODULES_H
#define LODE_MODULES_H

#include <stdbool.h>
#include <stdint.h>

struct lode_unwind_table; /* unwind_table.c */

struct lode_module {
	uintptr_t start, end;   /* mapped range (lowest to highest PT_LOAD) */
	uintptr_t text_start, text_end; /* executable PT_LOADs' hull */
	uintptr_t bias;         /* load bias: run-time address - ELF address */
	uint32_t id;            /* unique in the process, from 1 */
	uint32_t epoch;
	const struct lode_unwind_table *table; /* NULL: no unwind information */
	const char *path;       /* absolute; "[vdso]"; the executable's real path */
	uint8_t build_id[32];
	uint8_t build_id_bytes;
};

/* Reads the loader's list and publishes what changed: builds tables, writes MODULE / MODULE_GONE records
 * (event.h), bumps the epoch when a new object covers addresses of another that is gone.
 * Never waits: returns at once if another thread refreshes.  Cheap (one callback) when nothing changed.
 * Context: any thread outside the signal handler, no lock held. */
void lode_modules_refresh(void);

/* Asks for a refresh at the next convenient moment (a signal handler saw an unknown address; a dlopen whose end
 * cannot be seen has begun).  Context: any thread, any signal. */
void lode_modules_want_refresh(void);
bool lode_modules_refresh_wanted(void);

/* Changes whenever cached stacks may have become wrong.  Context: any. */
uint32_t lode_modules_epoch(void);

/* The module that covers pc, or NULL.  Valid between enter and leave, which may nest.
 * Context: any thread, any signal. */
void lode_modules_enter(void);
void lode_modules_leave(void);
const struct lode_module *lode_modules_find(uintptr_t pc);

/* The set in force itself, for a walk that asks many times; `generation` changes when a module goes, so that what was
 * found under one generation holds as long as it lasts.  Never NULL.  Valid between enter and leave. */
struct lode_module_set {
	uint32_t generation;
	uint32_t count;
	const uintptr_t *starts; /* rising */
	const struct lode_module *const *modules;
};
const struct lode_module_set *lode_modules_current(void);
const struct lode_module *lode_module_set_find(const struct lode_module_set *set, uintptr_t pc);

/* fork: `prepare` waits for a refresh under way (at most a second), since the child could never get the loader's lock
 * that it holds; `parent` lets refreshes go on; `child` does too, and writes every module again for the new stream.
 * Context: the forking thread, no lock held. */
void lode_modules_fork_prepare(void);
void lode_modules_fork_parent(void);
void lode_modules_fork_child(void);
/* The child is not recorded: only locks and counters are made new. */
void lode_modules_fork_release(void);

/* Calls `visit` for each module in force until it returns true.  Context: outside signals. */
void lode_modules_each(bool (*visit)(const struct lode_module *m, void *data), void *data);

#endif
