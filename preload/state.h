/* What the whole agent knows: its configuration, whether it records, its identity in the log.
 * Owner: entry.c and process.c write it (constructor, fork child); everybody reads.  Context: any thread, any signal. */
#ifndef LODE_STATE_H
#define LODE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lode/options.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define LODE_EXPORT __attribute__((visibility("default")))
#define LODE_COLD __attribute__((cold, noinline))

struct lode_config {
	uint32_t rate;
	uint32_t memory; /* enum lode_memory */
	uint32_t sample; /* mean bytes between samples */
	uint32_t native; /* enum lode_native */
	uint32_t children;
};
extern struct lode_config lode_config;

/* Lives in a page that the kernel wipes at fork, however the fork was made: a child that nobody announced reads 0 and
 * every hook passes straight through, instead of writing into its parent's segments. */
struct lode_gate {
	uint32_t is_on;
	uint32_t hooks_memory; /* is_on and memory events are wanted */
};
extern struct lode_gate *lode_gate;

extern uint32_t lode_stream;
extern int lode_pid;
extern bool lode_is_filtered; /* a system call filter is in force: recording has ended */

/* True when pc lies in this library: such frames are not the program's. */
bool lode_is_own_code(uintptr_t pc);

#endif
