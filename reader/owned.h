/* What a profile owns behind its public fields: for who makes one (load.c, the importers) and
 * lode_profile_free. */
#ifndef LODE_OWNED_H
#define LODE_OWNED_H

#include "lib/arena.h"

struct lode_profile_owned {
	struct lode_arena strings; /* every string of the profile */
};

#endif
