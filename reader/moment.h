/* Moments of a recording as the options name them: 10s, 1500ms, 2m, 50%, peak, end, start,
 * mark:NAME. */
#ifndef LODE_MOMENT_H
#define LODE_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "info.h"

enum lode_moment_kind { LODE_MOMENT_KEY, LODE_MOMENT_PEAK };

struct lode_moment {
	enum lode_moment_kind kind;
	uint64_t key; /* the replay's time; events up to and including it lie before the moment */
};

/* True when the text has the form of a moment, whatever the recording holds. */
bool lode_moment_is(const char *text);

/* 0, or -1 after a message. */
int lode_moment_find(const char *text, const struct lode_info *info, struct lode_moment *out);

#endif
