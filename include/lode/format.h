/* The recording format: what liblode.so writes and lode reads.  FORMAT.md says the same in words.
 *
 * Glossary (the field's words; used with these meanings everywhere):
 *   event       something that happened in the program at a time: an allocation, a free, a sample
 *   record      one event or definition as bytes in a payload
 *   sample      where a thread was when its CPU timer fired, with the CPU time since its last sample
 *   stack       a chain of frames, leaf first; named by the id of its leaf's node
 *   frame       one function activation: a native code address, or a Python code object and offset
 *   node        one frame below a given parent node; a stack is a node and its ancestors
 *   module      a loaded ELF object            stream   one process (image) of the recording
 *   lane        the records of one segment: one writer at a time, times never decrease
 *   live        allocated and not freed        peak     the moment with most live bytes
 *   leak        live at the end                temporary  freed soon after it was allocated
 *   mark        a named moment                 tick     the unit of time in a recording (see CLOCK)
 *
 * All integers are little-endian.  This header is shared by both sides and includes nothing of either. */
#ifndef LODE_FORMAT_H
#define LODE_FORMAT_H

#include <stdint.h>

#define LODE_MAGIC "LODE\r\n\x1a\n" /* 8 bytes; a text-mode copy or a cut is seen at once */
#define LODE_FORMAT_VERSION 1u

enum lode_file_kind {
	LODE_FILE_PACKED = 1, /* header, then blocks: what `lode record` and `lode pack` leave */
	LODE_FILE_LOG = 2,    /* header page, then segments: what the agent writes, readable as it is */
};

/* Bytes 0..63 of either kind of file. */
struct lode_file_header {
	char magic[8];
	uint32_t version;
	uint32_t kind;          /* enum lode_file_kind */
	uint32_t header_bytes;  /* where the first block or segment starts */
	uint32_t segment_bytes; /* LOG: size of every segment; PACKED: 0 */
	uint64_t created_unix_ns;
	uint8_t reserved[32];
};
_Static_assert(sizeof(struct lode_file_header) == 64, "layout");

/* ---- log ---------------------------------------------------------------------------------- */

#define LODE_LOG_HEADER_BYTES 4096u
#define LODE_SEGMENT_BYTES (256u * 1024u)

/* The first page of a log, mapped MAP_SHARED by every process of the tree and by the recorder.
 * Every field after `file` is changed with atomic operations only. */
struct lode_log_header {
	struct lode_file_header file;
	uint32_t next_segment;    /* segments claimed so far; segment i starts at header_bytes + i * segment_bytes */
	uint32_t next_stream;     /* last stream id handed out; 0 is the recorder's own stream */
	uint64_t next_sequence;   /* last sequence number handed out */
	uint32_t recorder_pid;    /* who consumes; 0: nobody (plain LD_PRELOAD) */
	uint32_t control;         /* enum lode_control */
	uint64_t lost_events;     /* could not be written: no segment could be had */
	uint64_t lost_samples;
	uint32_t first_errno;     /* why the first segment could not be had; 0: never happened */
	uint32_t reserved0;
	uint64_t python_dropped;  /* Python parts of stacks that were dropped on doubt */
};

enum lode_control { LODE_CONTROL_RUN = 0, LODE_CONTROL_PAUSE = 1, LODE_CONTROL_STOP = 2 };

enum lode_segment_state {
	LODE_SEGMENT_NONE = 0, /* allocated on disk, not in use yet */
	LODE_SEGMENT_OPEN = 1, /* a thread appends to it */
	LODE_SEGMENT_FULL = 2, /* sealed: its content is final, the recorder may take it */
	LODE_SEGMENT_FREE = 3, /* taken by the recorder: the owning process may use it anew */
};

/* Kinds of payload, of a segment and of a block alike. */
enum lode_payload {
	LODE_PAYLOAD_RECORDS = 1, /* a lane: records, below */
	LODE_PAYLOAD_NODES = 2,   /* struct lode_node, ids node_base, node_base + 1, ... */
	LODE_PAYLOAD_INDEX = 3,   /* packed files: struct lode_index_entry, one a block; can be rebuilt */
};

enum lode_payload_flags {
	LODE_HAS_DEFINITIONS = 1, /* holds records other than allocations, frees and samples */
};

/* Starts every segment; payload follows at LODE_SEGMENT_HEADER_BYTES. */
struct lode_segment_header {
	uint32_t magic;       /* LODE_SEGMENT_MAGIC */
	uint32_t state;       /* enum lode_segment_state, atomic */
	uint32_t payload;     /* enum lode_payload */
	uint32_t flags;       /* enum lode_payload_flags */
	uint32_t stream;      /* the process it belongs to */
	uint32_t pid;
	uint64_t sequence;    /* unique for each use of a segment: tells a reused one from its past */
	uint64_t first_time;  /* ticks; RECORDS: time of the first record */
	uint64_t last_time;   /* ticks; final when FULL */
	uint32_t committed;   /* payload bytes that are valid; stored with release after the bytes.
	                         NODES: an upper bound, entries with value 0 are not there yet */
	uint32_t node_base;   /* NODES: id of the first entry */
	uint8_t reserved[72];
};
#define LODE_SEGMENT_MAGIC 0x4745534cu /* "LSEG" */
#define LODE_SEGMENT_HEADER_BYTES 128u
#define LODE_SEGMENT_PAYLOAD_BYTES (LODE_SEGMENT_BYTES - LODE_SEGMENT_HEADER_BYTES)
_Static_assert(sizeof(struct lode_segment_header) == LODE_SEGMENT_HEADER_BYTES, "layout");

/* ---- packed file -------------------------------------------------------------------------- */

enum lode_codec { LODE_CODEC_STORED = 0, LODE_CODEC_DEFLATE = 1 /* raw deflate (zlib, windowBits -15) */ };

/* Starts every block; `stored_bytes` bytes follow.  One block is one use of one segment. */
struct lode_block_header {
	uint32_t magic;        /* LODE_BLOCK_MAGIC: a reader that lost its way looks for the next one */
	uint16_t payload;      /* enum lode_payload */
	uint16_t codec;        /* enum lode_codec */
	uint32_t flags;        /* enum lode_payload_flags */
	uint32_t stream;
	uint64_t sequence;     /* the segment's; 0: it never was one (the recorder's own stream) */
	uint64_t first_time;
	uint64_t last_time;
	uint32_t raw_bytes;
	uint32_t stored_bytes;
	uint32_t node_base;
	uint32_t pid;
	uint32_t crc32;        /* of the stored bytes (zlib's crc32) */
	uint32_t header_crc32; /* of this struct with this field 0 */
};
#define LODE_BLOCK_MAGIC 0x4b4c424cu /* "LBLK" */
_Static_assert(sizeof(struct lode_block_header) == 64, "layout");

struct lode_index_entry {
	uint64_t offset; /* of the block's header in the file */
	uint64_t first_time;
	uint64_t last_time;
	uint32_t stream;
	uint16_t payload;
	uint16_t flags;
};
_Static_assert(sizeof(struct lode_index_entry) == 32, "layout");

/* The last 16 bytes of a file that was closed in order; absent after a crash, which is normal. */
struct lode_trailer {
	uint64_t index_offset; /* of the INDEX block's header */
	char magic[8];         /* LODE_TRAILER_MAGIC */
};
#define LODE_TRAILER_MAGIC "LODE-END"

/* ---- nodes -------------------------------------------------------------------------------- */

/* One frame under a parent.  Ids start at 1; parent 0: none.  A stream numbers its own nodes. */
struct lode_node {
	uint64_t value;  /* kind in bits 63..62, below; 0: not written yet.  Stored last, with release. */
	uint32_t parent; /* always smaller than the node's own id, or 0 */
	uint32_t aux;    /* native: module epoch; Python: offset of the instruction in bytes, ~0: none */
};
_Static_assert(sizeof(struct lode_node) == 16, "layout");
#define LODE_NODES_PER_SEGMENT (LODE_SEGMENT_PAYLOAD_BYTES / 16u)

#define LODE_NODE_KIND_SHIFT 62
#define LODE_NODE_VALUE_MASK ((UINT64_C(1) << LODE_NODE_KIND_SHIFT) - 1)
enum lode_node_kind {
	LODE_NODE_RETURN = 0,  /* return address in native code: look up value - 1 */
	LODE_NODE_PYTHON = 1,  /* value: code id (CODE record of the stream) */
	LODE_NODE_SPECIAL = 2, /* value: enum lode_special */
	LODE_NODE_EXACT = 3,   /* exact address in native code: a sampled leaf, a thread's start routine */
};

enum lode_special {
	LODE_SPECIAL_TRUNCATED = 1,      /* stack deeper than the cap: the frames rootwards are missing */
	LODE_SPECIAL_PYTHON_DROPPED = 2, /* Python part could not be trusted (counted) */
	LODE_SPECIAL_GC = 3,             /* the interpreter's collector runs */
	LODE_SPECIAL_UNSAMPLED = 4,      /* CPU time after a thread's last sample, accounted at its exit */
	LODE_SPECIAL_UNKNOWN = 5,        /* native code without unwind information */
	LODE_SPECIAL_RECORDING = 6,      /* the agent's own work in a hook of the frame above */
};

/* ---- records ------------------------------------------------------------------------------ */
/*
 * First byte of a record, the tag:
 *   00iiiiii  a long record: id i (below), varint length, that many payload bytes.  Unknown ids are skipped.
 *   01ssssss  allocation whose (stack, size, how) stands in slot s of the lane's site table:
 *             varint time delta, address
 *   10ssssss  free of the address in slot s of the lane's address table: varint time delta
 *   11000000  allocation: varint time delta, varint how, varint stack, varint size, address; fills its site slot
 *   11000001  free: varint time delta, address
 *   11000010  sample: varint time delta, varint flags, varint weight in ns, varint stack
 *   11......  anything else: the rest of the lane cannot be read
 *
 * Lane state, all 0 at the start of a payload and after each LANE record: last time, last address, 64 site slots,
 * 64 address slots.
 *   time     = last time + delta, becomes the last time (ticks)
 *   address  = zigzag varint of rotr64(address, 4) - rotr64(last address, 4), becomes the last address
 *   an allocation (both forms) and a free (both forms) store their address in address slot LODE_ADDRESS_SLOT(address)
 *   an allocation 11000000 stores (stack, size, how) in site slot LODE_SITE_SLOT(stack, size, how)
 * A realloc is a free (stamped before the real call) and an allocation with how = REALLOC (stamped after).
 */
#define LODE_TAG_LONG 0x00u
#define LODE_TAG_ALLOC_SITE 0x40u
#define LODE_TAG_FREE_SLOT 0x80u
#define LODE_TAG_ALLOC 0xc0u
#define LODE_TAG_FREE 0xc1u
#define LODE_TAG_SAMPLE 0xc2u

#define LODE_SLOTS 64u
#define LODE_ADDRESS_SLOT(address) ((uint32_t)((uint32_t)((address) >> 4) * 0x9e3779b1u) >> 26)
#define LODE_SITE_SLOT(stack, size, how) \
	((((uint32_t)(stack) * 0x9e3779b1u) ^ ((uint32_t)(size) * 0x85ebca6bu) ^ ((uint32_t)(how) * 0xc2b2ae35u)) >> 26)

/* How memory was acquired.  X(id, name, text) */
#define LODE_HOWS(X)                                  \
	X(1, MALLOC, "malloc")                        \
	X(2, CALLOC, "calloc")                        \
	X(3, REALLOC, "realloc")                      \
	X(4, REALLOCARRAY, "reallocarray")            \
	X(5, POSIX_MEMALIGN, "posix_memalign")        \
	X(6, ALIGNED_ALLOC, "aligned_alloc")          \
	X(7, MEMALIGN, "memalign")                    \
	X(8, VALLOC, "valloc")                        \
	X(9, PVALLOC, "pvalloc")                      \
	X(10, NEW, "operator new")                    \
	X(11, NEW_ARRAY, "operator new[]")            \
	X(12, MALLOCX, "mallocx")                     \
	X(13, RALLOCX, "rallocx")                     \
	X(14, PYMEM, "PyMem")                         \
	X(15, PYOBJECT, "PyObject")                   \
	X(16, PYMEM_REALLOC, "PyMem realloc")         \
	X(17, PYOBJECT_REALLOC, "PyObject realloc")
enum lode_how {
#define X(id, name, text) LODE_HOW_##name = id,
	LODE_HOWS(X)
#undef X
};

enum lode_sample_flags {
	LODE_SAMPLE_RESIDUE = 1, /* not a sample: CPU time after the thread's last one */
	LODE_SAMPLE_GIL = 2,     /* the thread held the interpreter's lock */
	LODE_SAMPLE_LATE = 4,    /* hit inside the agent or an allocator hook, taken at the hook's end */
};

/* Long records.  X(id, name, timed): a timed record's payload starts with a varint time delta that advances the
 * lane's time.  Payload fields in order; v: varint, s: varint length and that many bytes.
 *   LANE          v thread id, v absolute time; resets the lane's state.  First record of every payload.
 *   PROCESS       v pid, v parent's pid, v parent stream (0: none or not followed), v how it began (enum lode_begin),
 *                 v realtime ns, v pointer bytes, s agent version, s options, s executable, s command line
 *                 (arguments separated by NUL), s working directory
 *   CLOCK         v ticks, v CLOCK_MONOTONIC ns: two such pairs give the scale
 *   MODULE        v module id, v epoch, v load bias, v first address, v end address, s build-id, s path
 *   MODULE_GONE   v module id
 *   CODE          v code id, v first line, v Python version (0x030b: 3.11), s file, s qualified name, s line table
 *   THREAD        v thread id, s name
 *   THREAD_EXIT   v thread id, v CPU ns of its life
 *   NOTICE        v severity (0 information, 1 something is missing from the report), s text
 *   MARK          s name
 *   MAP           v category (enum lode_map_category), v address, v bytes, v stack
 *   UNMAP         v address, v bytes
 *   PYTHON        v version (0x030b07f0: as in sys.hexversion), s build: "shared", "static", ...
 *   RSS           v pid, v resident bytes
 *   EXIT          v pid, v wait status (as waitpid gives it)
 *   LOST          v lost events, v lost samples, v errno of the first failure, v Python parts of stacks that were
 *                 dropped (may be absent): written by who closes the file
 *   FORK          v child's pid
 *   EXEC          s path
 */
#define LODE_RECORDS(X)                 \
	X(1, LANE, 0)                   \
	X(2, PROCESS, 1)                \
	X(3, CLOCK, 0)                  \
	X(4, MODULE, 1)                 \
	X(5, MODULE_GONE, 1)            \
	X(6, CODE, 0)                   \
	X(7, THREAD, 1)                 \
	X(8, THREAD_EXIT, 1)            \
	X(9, NOTICE, 1)                 \
	X(10, MARK, 1)                  \
	X(11, MAP, 1)                   \
	X(12, UNMAP, 1)                 \
	X(13, PYTHON, 1)                \
	X(14, RSS, 1)                   \
	X(15, EXIT, 1)                  \
	X(16, LOST, 0)                  \
	X(17, FORK, 1)                  \
	X(18, EXEC, 1)
enum lode_record {
#define X(id, name, timed) LODE_RECORD_##name = id,
	LODE_RECORDS(X)
#undef X
};

enum lode_begin { LODE_BEGIN_START = 0, LODE_BEGIN_FORK = 1, LODE_BEGIN_EXEC = 2 };

/* A mapping's category.  Only ANONYMOUS counts as memory by default. */
enum lode_map_category {
	LODE_MAP_ANONYMOUS = 0, /* private or shared anonymous, readable or writable */
	LODE_MAP_RESERVED = 1,  /* PROT_NONE or MAP_NORESERVE: address space, not memory */
	LODE_MAP_FILE = 2,      /* backed by a file: page cache */
	LODE_MAP_BREAK = 3,     /* brk/sbrk called by the program itself */
	LODE_MAP_ARENA = 4,     /* an interpreter's arena: held, the objects inside are counted */
	LODE_MAP_REMAPPED = 5,  /* mremap: keeps the category of the lane's UNMAP just before */
};

#endif
