/* The measures' words, and a profile's end.  Contract in profile.h. */
#include "profile.h"

#include <stdlib.h>

#include "owned.h"

const char *const lode_measure_words[LODE_MEASURE_COUNT] = {
#define X(id, word, unit, text) [LODE_MEASURE_##id] = word,
	LODE_MEASURES(X)
#undef X
};

const char *const lode_measure_units[LODE_MEASURE_COUNT] = {
#define X(id, word, unit, text) [LODE_MEASURE_##id] = unit,
	LODE_MEASURES(X)
#undef X
};

const char *const lode_measure_texts[LODE_MEASURE_COUNT] = {
#define X(id, word, unit, text) [LODE_MEASURE_##id] = text,
	LODE_MEASURES(X)
#undef X
};

const char *const lode_frame_kind_words[] = {
	[LODE_FRAME_NATIVE] = "native", [LODE_FRAME_INLINED] = "inlined",
	[LODE_FRAME_PYTHON] = "python", [LODE_FRAME_SPECIAL] = "special",
	[LODE_FRAME_THREAD] = "thread",
};

enum lode_measure lode_measure_counter(enum lode_measure m)
{
	switch (m) {
	case LODE_MEASURE_CPU:
	case LODE_MEASURE_WALL:
		return LODE_MEASURE_SAMPLES;
	case LODE_MEASURE_ALLOCATED:
		return LODE_MEASURE_ALLOCATIONS;
	case LODE_MEASURE_PEAK:
		return LODE_MEASURE_PEAK_BLOCKS;
	case LODE_MEASURE_LIVE:
		return LODE_MEASURE_LIVE_BLOCKS;
	case LODE_MEASURE_LEAKED:
		return LODE_MEASURE_LEAKED_BLOCKS;
	case LODE_MEASURE_SAMPLES:
	case LODE_MEASURE_ALLOCATIONS:
	case LODE_MEASURE_PEAK_BLOCKS:
	case LODE_MEASURE_LIVE_BLOCKS:
	case LODE_MEASURE_LEAKED_BLOCKS:
	case LODE_MEASURE_TEMPORARY:
	case LODE_MEASURE_COUNT:
		break;
	}
	return m;
}

void lode_profile_free(struct lode_profile *p)
{
	if (!p)
		return;
	for (unsigned m = 0; m < LODE_MEASURE_COUNT; m++)
		free(p->self[m]);
	free(p->frames);
	free(p->nodes);
	free(p->processes);
	free(p->threads);
	free(p->notices);
	free(p->points);
	free(p->oldest_ns);
	free(p->youngest_ns);
	free(p->survivors);
	free(p->growth);
	if (p->owned) {
		lode_arena_release(&p->owned->strings);
		free(p->owned);
	}
	free(p);
}
