/* lode_load for the golden tests: instead of reading a file it hands out a profile that never changes, by the file's name.
 *   plain   CPU and memory of two processes      after  the same program, where walk allocates more
 *   cpu     no memory       memory  no CPU       empty  nothing happened       damaged  like plain, cut off */
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "load.h"

static const struct lode_frame frames[] = {
	{"<module>", "/srv/app.py", NULL, 40, 1, LODE_FRAME_PYTHON},
	{"Main.run", "/srv/app.py", NULL, 12, 10, LODE_FRAME_PYTHON},
	{"walk", "/srv/app.py", NULL, 5, 4, LODE_FRAME_PYTHON},
	{"walk", "/srv/app.py", NULL, 6, 4, LODE_FRAME_PYTHON},
	{"decode", "/usr/lib/python3.11/json/decoder.py", NULL, 337, 330, LODE_FRAME_PYTHON},
	{"list_resize", "/build/Objects/listobject.c", "/usr/lib/libpython3.11.so.1.0", 70, 40, LODE_FRAME_NATIVE},
	{"std::vector<int, std::allocator<int> >::push_back(int const&)", NULL, "/usr/lib/libx.so.1", 0, 0, LODE_FRAME_INLINED},
	{"\033[31mred;\n\"quoted\", <b>&amp; 12", "/tmp/\xff<b>.c", "/usr/bin/evil", 9, 3, LODE_FRAME_NATIVE},
	{"<GC>", NULL, NULL, 0, 0, LODE_FRAME_SPECIAL},
};
static const struct lode_profile_node nodes[] = {
	{0, 0, 0, 0}, {0, 0, 0, 0}, {1, 1, 0, 0}, {2, 2, 0, 0}, {3, 3, 0, 0}, {4, 3, 0, 1},
	{2, 4, 0, 0}, {6, 5, 0, 0}, {5, 5, 0, 1}, {2, 7, 0, 0}, {9, 6, 0, 0}, {6, 8, 0, 0}, {0, 7, 1, 2},
};
enum { FRAMES = sizeof(frames) / sizeof(*frames), NODES = sizeof(nodes) / sizeof(*nodes) };

static const int64_t values[LODE_MEASURE_WALL][NODES] = {
	[LODE_MEASURE_CPU] = {0, 0, 10000000, 0, 20000000, 250000000, 70000000, 30000000, 0, 5000000, 400000, 12345678, 999},
	[LODE_MEASURE_SAMPLES] = {0, 0, 1, 0, 2, 25, 7, 3, 0, 1, 1, 1, 0},
	[LODE_MEASURE_ALLOCATED] = {0, 0, 0, 0, 0, 0, 4096, 1048576, 734003200, 0, 123, 0, 17},
	[LODE_MEASURE_ALLOCATIONS] = {0, 0, 0, 0, 0, 0, 4, 1024, 7000, 0, 1, 0, 1},
	[LODE_MEASURE_PEAK] = {0, 0, 0, 0, 0, 0, 4096, 524288, 73400320, 0, 0, 0, 0},
	[LODE_MEASURE_PEAK_BLOCKS] = {0, 0, 0, 0, 0, 0, 4, 512, 700, 0, 0, 0, 0},
	[LODE_MEASURE_LIVE] = {0, 0, 0, 0, 0, 0, 4096, 0, 1048576, 0, 0, 0, 17},
	[LODE_MEASURE_LIVE_BLOCKS] = {0, 0, 0, 0, 0, 0, 4, 0, 10, 0, 0, 0, 1},
	[LODE_MEASURE_LEAKED] = {0, 0, 0, 0, 0, 0, 4096, 0, 1048576, 0, 0, 0, 17},
	[LODE_MEASURE_LEAKED_BLOCKS] = {0, 0, 0, 0, 0, 0, 4, 0, 10, 0, 0, 0, 1},
	[LODE_MEASURE_TEMPORARY] = {0, 0, 0, 0, 0, 0, 0, 512, 0, 0, 0, 0, 0},
};

static void *copy(const void *from, size_t bytes)
{
	return memcpy(lode_alloc(bytes + 1), from, bytes);
}

static void set_measures(struct lode_profile *p, const char *kind)
{
	for (int m = 0; m < LODE_MEASURE_WALL; m++) {
		bool is_time = m == LODE_MEASURE_CPU || m == LODE_MEASURE_SAMPLES;
		if ((!strcmp(kind, "cpu") && !is_time) || (!strcmp(kind, "memory") && is_time))
			continue;
		p->self[m] = copy(values[m], sizeof(values[m]));
		if (!strcmp(kind, "after") && !is_time) {
			p->self[m][8] *= 2;
			p->self[m][7] = 0;
		}
		for (int i = 0; i < NODES; i++)
			p->total[m] += p->self[m][i];
	}
}

static void set_origins(struct lode_profile *p)
{
	static const struct lode_profile_process processes[] = {
		{1, 100, 1, "python3 app.py --fast", "/usr/bin/python3.11", 0, 12900000000, 0, 397000000, 73928704},
		{2, 101, 100, "evil \033]0;title\007", "/usr/bin/evil", 1000000000, 2900000000, 11, 999, 17},
	};
	static const struct lode_profile_thread threads[] = {
		{0, 100, "MainThread", 147000000}, {0, 102, "worker", 250000000}, {1, 101, "evil", 999},
	};
	static const struct lode_profile_notice notices[] = {
		{0, 1, "libfoo.so has an allocator of its own: its memory is not seen"}, {UINT32_MAX, 0, "recorded with rate=100"},
	};
	p->processes = copy(processes, sizeof(processes));
	p->process_count = 2;
	p->threads = copy(threads, sizeof(threads));
	p->thread_count = 3;
	p->notices = copy(notices, sizeof(notices));
	p->notice_count = 2;
}

static void set_ages(struct lode_profile *p)
{
	static const uint64_t oldest[NODES] = {[6] = 100000000, [8] = 1000000000, [12] = 2500000000};
	static const uint64_t youngest[NODES] = {[6] = 200000000, [8] = 12800000000, [12] = 2500000000};
	uint64_t survivors[NODES][LODE_PROFILE_TENTHS] = {[6] = {4}, [12] = {0, 1}};
	uint64_t growth[NODES][LODE_PROFILE_TENTHS] = {0};
	for (uint64_t i = 0; i < LODE_PROFILE_TENTHS; i++) {
		survivors[8][i] = 1;
		growth[8][i] = 104857 * (i + 1);
		growth[6][i] = 4096;
		growth[12][i] = i ? 17 : 0;
	}
	p->oldest_ns = copy(oldest, sizeof(oldest));
	p->youngest_ns = copy(youngest, sizeof(youngest));
	p->survivors = copy(survivors, sizeof(survivors));
	p->growth = copy(growth, sizeof(growth));
}

static void set_stats(struct lode_profile *p)
{
	struct lode_profile_stats *s = &p->stats;
	s->allocations = 8030;
	s->frees = 8015;
	s->samples = 41;
	s->stacks = 11;
	s->how_count[1] = 1030;
	s->how_bytes[1] = 1052812;
	s->how_count[15] = 7000;
	s->how_bytes[15] = 734003200;
	s->size_count[0] = 1;
	s->size_count[7] = 1029;
	s->size_count[17] = 7000;
	s->rss_peak_bytes = 90177536;
	s->recording_bytes = 34567;
	s->raw_bytes = 65432;
	s->blocks = 4;
	s->read_seconds = 0.0125;
}

static void set_points(struct lode_profile *p)
{
	enum { POINTS = 64 };
	p->points = lode_alloc_zeroed(POINTS, sizeof(*p->points));
	p->point_count = POINTS;
	for (uint64_t i = 0; i < POINTS; i++)
		p->points[i] = (struct lode_profile_point){
			.time_ns = i * 200000000, .live_bytes = 1000000 * (i < 32 ? i : 64 - i), .rss_bytes = 1000000 * i + 5000000,
			.cpu_ns = i % 8 * 1000000,
		};
}

/* The directory does not matter, nor does @MOMENT. */
enum lode_load_status lode_load(const struct lode_load_options *o, struct lode_profile **out)
{
	const char *kind = strrchr(o->files[0], '/') ? strrchr(o->files[0], '/') + 1 : o->files[0];
	struct lode_profile *p = lode_alloc_zeroed(1, sizeof(*p));
	*out = p;
	p->title = kind;
	p->nodes = copy(nodes, sizeof(nodes));
	p->node_count = 1;
	p->duration_ns = p->to_ns = p->at_ns = 12900000000;
	if (!strcmp(kind, "empty"))
		return LODE_LOAD_OK;
	p->frames = copy(frames, sizeof(frames));
	p->frame_count = FRAMES;
	p->node_count = NODES;
	p->start_unix_ns = 1790000000000000000;
	p->peak_time_ns = 6400000000;
	p->events = 16086;
	set_measures(p, kind);
	set_origins(p);
	set_ages(p);
	set_stats(p);
	if (o->want_timeline)
		set_points(p);
	if (strcmp(kind, "damaged"))
		return LODE_LOAD_OK;
	p->is_truncated = true;
	p->lost_events = 5;
	p->python_dropped = 2;
	lode_warn("'damaged' ends early");
	return LODE_LOAD_DAMAGED;
}
