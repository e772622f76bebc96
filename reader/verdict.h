/* Is it a leak?  Judged from when the blocks of one stack that are still live were allocated, and
 * how its live bytes went over the recording. */
#ifndef LODE_VERDICT_H
#define LODE_VERDICT_H

#include "profile.h"

enum lode_verdict_kind {
	LODE_VERDICT_UNKNOWN, /* the recording does not say */
	LODE_VERDICT_GROWING,
	LODE_VERDICT_STARTUP, /* allocated early, never again */
	LODE_VERDICT_RECENT,  /* allocated just before the end: may be in use */
	LODE_VERDICT_STEADY,  /* stopped growing: a cache that is full */
	LODE_VERDICT_UNCLEAR,
};
extern const char *const lode_verdict_words[];

#define LODE_REASON_MAX 128
struct lode_verdict {
	enum lode_verdict_kind kind;
	char reason[LODE_REASON_MAX];
	unsigned rises, falls,
		births; /* tenths in which live bytes rose, fell; from which blocks survive */
};

struct lode_verdict lode_verdict(const struct lode_profile *p, uint32_t node);

#endif
