/* A profile: one or more recordings (or a part of them), aggregated and symbolised.  What every view and exporter reads.
 *
 * Frames are interned; nodes form one tree in topological order (a parent's index is smaller than its children's), node 0
 * is the root and has no frame.  Every measure is a self value of its node: what happened in exactly this stack.
 * Owner: lode_profile_free releases it all. Strings live as long as the profile. */
#ifndef LODE_PROFILE_H
#define LODE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(id, word, unit, text): the measures' one list; words as in the options, JSON and pprof sample types */
#define LODE_MEASURES(X)                                                          \
	X(CPU, "cpu", "ns", "CPU time")                                           \
	X(SAMPLES, "samples", "count", "CPU samples")                             \
	X(ALLOCATED, "allocated", "bytes", "bytes allocated in all")              \
	X(ALLOCATIONS, "allocations", "count", "allocations")                     \
	X(PEAK, "peak", "bytes", "bytes live at the peak")                        \
	X(PEAK_BLOCKS, "peak_blocks", "count", "blocks live at the peak")         \
	X(LIVE, "live", "bytes", "bytes live at the chosen moment")               \
	X(LIVE_BLOCKS, "live_blocks", "count", "blocks live at the chosen moment") \
	X(LEAKED, "leaked", "bytes", "bytes allocated in the range and live at its end") \
	X(LEAKED_BLOCKS, "leaked_blocks", "count", "blocks allocated in the range and live at its end") \
	X(TEMPORARY, "temporary", "count", "allocations freed by the thread's next event") \
	X(WALL, "wall", "ns", "CPU time and waiting")

enum lode_measure {
#define X(id, word, unit, text) LODE_MEASURE_##id,
	LODE_MEASURES(X)
#undef X
	LODE_MEASURE_COUNT
};

extern const char *const lode_measure_words[LODE_MEASURE_COUNT];
extern const char *const lode_measure_units[LODE_MEASURE_COUNT]; /* "ns", "bytes", "count" */
extern const char *const lode_measure_texts[LODE_MEASURE_COUNT];
/* The measure that counts the same things: ALLOCATED -> ALLOCATIONS, LIVE -> LIVE_BLOCKS, CPU -> SAMPLES, itself. */
enum lode_measure lode_measure_counter(enum lode_measure m);

enum lode_frame_kind {
	LODE_FRAME_NATIVE,
	LODE_FRAME_INLINED,
	LODE_FRAME_PYTHON,
	LODE_FRAME_SPECIAL, /* <GC>, <truncated> ... */
	LODE_FRAME_THREAD,  /* a thread or process as root frame, on request */
};
extern const char *const lode_frame_kind_words[]; /* "native", "inlined", "python", "special", "thread" */

struct lode_frame {
	const char *name;   /* function, never NULL; raw bytes of the recording: escape on output */
	const char *file;   /* full path, or NULL */
	const char *module; /* native: path of the object, or NULL */
	uint32_t line;      /* line executing in this frame; 0: unknown */
	uint32_t first_line; /* line of the function's definition; 0: unknown */
	uint8_t kind;       /* enum lode_frame_kind */
};

struct lode_profile_node {
	uint32_t parent;
	uint32_t frame;
	uint32_t process; /* index into processes, when split by process or thread; else ~0 */
	uint32_t thread;  /* index into threads, likewise */
};

struct lode_profile_process {
	uint32_t stream;
	int64_t pid, parent_pid;
	const char *command; /* arguments joined by blanks */
	const char *executable;
	uint64_t start_ns, end_ns; /* since the recording's start */
	int exit_status;           /* wait status; -1: unknown */
	uint64_t cpu_ns, peak_bytes;
};

struct lode_profile_thread {
	uint32_t process; /* index */
	int64_t tid;
	const char *name; /* never NULL */
	uint64_t cpu_ns;
};

struct lode_profile_notice {
	uint32_t process;  /* index, ~0: the recorder */
	uint32_t severity; /* 1: something is missing from the report */
	const char *text;
};

struct lode_profile_point { /* one step of the timeline */
	uint64_t time_ns;
	uint64_t live_bytes, rss_bytes, cpu_ns; /* cpu_ns: used since the step before */
};

#define LODE_PROFILE_DEPTH_MAX 4096 /* of the tree: views may recurse; deeper stacks end in <truncated> */
#define LODE_PROFILE_TENTHS 10
#define LODE_PROFILE_HOWS 32
#define LODE_PROFILE_SIZES 65

/* What the views of totals print; of the chosen range and processes.  Counted as recorded: not scaled up where memory
 * was sampled. */
struct lode_profile_stats {
	uint64_t allocations, frees;
	uint64_t unmatched_frees;  /* of addresses that were not live */
	uint64_t inherited_frees;  /* the same in forked processes: their parent's blocks */
	uint64_t replaced_blocks;  /* allocated where a block was still live: its free was not seen */
	uint64_t maps, unmaps;
	uint64_t mapped_count, mapped_bytes; /* of the maps, those that are allocations: not files, reservations, arenas */
	uint64_t samples, late_samples, residues;
	uint64_t how_count[LODE_PROFILE_HOWS], how_bytes[LODE_PROFILE_HOWS]; /* by enum lode_how */
	uint64_t size_count[LODE_PROFILE_SIZES]; /* allocations of 0, 1, 2-3, 4-7, 8-15, ... bytes */
	/* address space apart from the heap: most at any time, and at the heap's peak */
	uint64_t reserved_bytes, file_bytes, arena_bytes;
	uint64_t reserved_at_peak, file_at_peak, arena_at_peak;
	uint64_t rss_peak_bytes;
	uint64_t stacks;               /* distinct, with at least one event */
	uint64_t recording_bytes, raw_bytes, blocks; /* the file(s); records before compression; blocks */
	double read_seconds;           /* replaying them */
};

struct lode_profile {
	const char *title; /* file name(s) */
	uint64_t start_unix_ns, duration_ns, from_ns, to_ns, at_ns, peak_time_ns;
	struct lode_frame *frames;
	size_t frame_count;
	struct lode_profile_node *nodes;
	size_t node_count;
	int64_t *self[LODE_MEASURE_COUNT]; /* node_count values each; NULL: not recorded */
	int64_t total[LODE_MEASURE_COUNT];
	struct lode_profile_process *processes;
	size_t process_count;
	struct lode_profile_thread *threads;
	size_t thread_count;
	struct lode_profile_notice *notices;
	size_t notice_count;
	struct lode_profile_point *points;
	size_t point_count;
	uint64_t events, lost_events, lost_samples, python_dropped;
	bool is_truncated; /* the file ended early or was damaged: what could be read is here */
	bool is_clock_guessed; /* no two clock pairs: durations are estimates */
	struct lode_profile_stats stats;
	/* Of the leaked blocks, by node; 0 where there are none. */
	uint64_t *oldest_ns, *youngest_ns; /* births */
	uint64_t *survivors; /* node * LODE_PROFILE_TENTHS + i: blocks by the tenth of the range they were allocated in */
	uint64_t *growth;    /* likewise: live bytes at the end of each tenth of the range */
	struct lode_profile_owned *owned; /* strings and what they hang on */
};

void lode_profile_free(struct lode_profile *p);

#endif
