/* Interned stacks: parent-linked nodes, each written once, straight into the log's NODES segments.
 *
 * Lock-free: a hash slot is claimed by compare-and-swap, a node's value is stored last with release.  Growing builds a
 * new table beside the old; a node that two threads add at the same time, or that is added to the old table meanwhile, may
 * get two ids, which costs a few bytes and nothing else.  Old tables are kept: somebody may be reading. */
#ifndef LODE_STACKS_H
#define LODE_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#define LODE_STACK_NONE 0u

/* Context: constructor. */
bool lode_stacks_init(void);

/* The id of the frame (value, aux; see struct lode_node) under `parent`; LODE_STACK_NONE when there is no room.
 * Context: any thread, any signal.  No lock, no allocation. */
uint32_t lode_stacks_node(uint32_t parent, uint64_t value, uint32_t aux);

/* True when room runs low; then a hook calls prepare, which claims segments and grows the table. */
bool lode_stacks_wants_room(void);
void lode_stacks_prepare(void);

/* The child numbers its own stacks. */
void lode_stacks_fork_child(void);

#endif
