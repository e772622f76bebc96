/* A process' stacks to nodes of the tree: code addresses by symbols.h, Python code by pycode.h. */
#ifndef LODE_FRAMES_H
#define LODE_FRAMES_H

#include <stdbool.h>

#include "info.h"
#include "replay.h"
#include "tree.h"

struct lode_symbols;

struct lode_frames_options {
	bool only_native, only_python; /* drop the frames of the other kind */
	bool split_threads, split_processes;
	bool no_lines;
	const uint32_t *process_index; /* of info's processes and threads in the profile */
	const uint32_t *thread_index;
	/* Called for a module of which frames are shown without names, with the reason; now and then
	 * more than once.  May be NULL. */
	void (*say_problem)(void *to, const char *problem);
	void *to;
};

/* Adds every stack of the result to the tree.  symbols NULL: addresses only. */
void lode_frames_add(struct lode_tree *t, const struct lode_info *info,
		     const struct lode_replay_result *r, struct lode_symbols *symbols,
		     const struct lode_frames_options *o);

#endif
