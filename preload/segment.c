/* The log's segments: claiming, sealing, reuse.  Contract in segment.h. */
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>

#include "os.h"
#include "state.h"

#define SEALED_MAX 65536u /* sealed segments waiting for the recorder; more are simply not reused */
#define PATH_MAX_BYTES 4096
#define JOIN_TRIES 200
#define RETRY_NS 10000000u

struct lode_log_header *lode_log;

static char log_path[PATH_MAX_BYTES];
static uint64_t log_device, log_inode;
static uint32_t is_locked;
static bool is_stopped;

/* Sealed segments of this process in order: the recorder frees the oldest first. */
static struct lode_segment_header **sealed;
static uint32_t sealed_first, sealed_last;

/* Signals wait meanwhile: a handler of the program that allocates, forks or ends must not find its own thread's lock. */
static uint64_t lock(void)
{
	uint64_t all = ~UINT64_C(0), before = 0;
	lode_os_sigmask(SIG_BLOCK, &all, &before);
	for (unsigned i = 0; __atomic_exchange_n(&is_locked, 1, __ATOMIC_ACQUIRE); i++)
		lode_os_wait(i);
	return before;
}

static void unlock(uint64_t mask)
{
	__atomic_store_n(&is_locked, 0, __ATOMIC_RELEASE);
	lode_os_sigmask(SIG_SETMASK, &mask, NULL);
}

const char *lode_log_path(void)
{
	return log_path;
}

static void fill_header(struct lode_log_header *h)
{
	static const char magic[8] = LODE_MAGIC;
	for (unsigned i = 0; i < sizeof magic; i++)
		h->file.magic[i] = magic[i];
	h->file.version = LODE_FORMAT_VERSION;
	h->file.header_bytes = LODE_LOG_HEADER_BYTES;
	h->file.segment_bytes = LODE_SEGMENT_BYTES;
	h->file.created_unix_ns = lode_os_realtime_ns();
	__atomic_store_n(&h->file.kind, LODE_FILE_LOG, __ATOMIC_RELEASE);
}

static bool is_log(const struct lode_log_header *h)
{
	static const char magic[8] = LODE_MAGIC;
	for (unsigned i = 0; i < sizeof magic; i++)
		if (h->file.magic[i] != magic[i])
			return false;
	return h->file.version == LODE_FORMAT_VERSION && h->file.kind == LODE_FILE_LOG &&
	       h->file.segment_bytes == LODE_SEGMENT_BYTES && h->file.header_bytes == LODE_LOG_HEADER_BYTES;
}

/* Maps the header page of the open file.  A new file is filled; an old one must be a log of our version. */
static int map_header(int fd, bool is_new)
{
	uint64_t bytes;
	int r = lode_os_fstat_identity(fd, &log_device, &log_inode, &bytes);
	if (r < 0)
		return r;
	if (is_new)
		r = lode_os_allocate(fd, 0, LODE_LOG_HEADER_BYTES);
	else if (bytes < LODE_LOG_HEADER_BYTES)
		r = bytes ? -EINVAL : -EAGAIN;
	if (r < 0)
		return r;
	struct lode_log_header *h = lode_os_map_file(fd, 0, LODE_LOG_HEADER_BYTES);
	if (!h)
		return -ENOMEM;
	if (is_new)
		fill_header(h);
	else if (!is_log(h)) {
		bool is_unfilled = __atomic_load_n(&h->file.kind, __ATOMIC_ACQUIRE) == 0;
		lode_os_unmap(h, LODE_LOG_HEADER_BYTES);
		return is_unfilled ? -EAGAIN : -EINVAL;
	}
	lode_log = h;
	return 0;
}

int lode_log_open(const char *path)
{
	size_t n = 0;
	while (path[n] && n < sizeof log_path - 1)
		log_path[n] = path[n], n++;
	log_path[n] = 0;
	int r = -EAGAIN;
	/* who comes while another process of the tree makes the file waits for its header */
	for (int i = 0; i < JOIN_TRIES && r == -EAGAIN; i++) {
		bool is_new = true;
		int fd = lode_os_open(log_path, O_RDWR | O_CREAT | O_EXCL, 0600);
		if (fd == -EEXIST) {
			is_new = false;
			fd = lode_os_open(log_path, O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
		}
		if (fd < 0)
			return fd;
		r = is_new || lode_os_is_own_file(fd) ? map_header(fd, is_new) : -EPERM;
		lode_os_close(fd);
		if (r == -EAGAIN)
			lode_os_sleep_ns(1000000);
	}
	if (r == 0)
		sealed = lode_os_map(SEALED_MAX * sizeof *sealed);
	return r;
}

void lode_segment_stop(int reason)
{
	is_stopped = true;
	uint32_t zero = 0;
	if (lode_log && reason)
		__atomic_compare_exchange_n(&lode_log->first_errno, &zero, (uint32_t)reason, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
}

static struct lode_segment_header *reuse(void)
{
	if (!sealed || sealed_first == sealed_last)
		return NULL;
	struct lode_segment_header **slot = &sealed[sealed_first % SEALED_MAX];
	struct lode_segment_header *s = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
	if (!s || __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) != LODE_SEGMENT_FREE)
		return NULL;
	*slot = NULL;
	sealed_first++;
	return s;
}

/* Opened for the moment, by path.  Another thread could close or replace the descriptor meanwhile: the file's
 * identity is checked before anything is mapped, so that no other file is ever written. */
static struct lode_segment_header *extend(int *error)
{
	int fd = lode_os_open(log_path, O_RDWR, 0);
	if (fd < 0) {
		*error = -fd;
		return NULL;
	}
	struct lode_segment_header *s = NULL;
	uint64_t device, inode, bytes;
	int r = lode_os_fstat_identity(fd, &device, &inode, &bytes);
	if (r == 0 && (device != log_device || inode != log_inode))
		r = -ESTALE;
	if (r == 0) {
		uint32_t i = __atomic_fetch_add(&lode_log->next_segment, 1, __ATOMIC_RELAXED);
		uint64_t offset = LODE_LOG_HEADER_BYTES + (uint64_t)i * LODE_SEGMENT_BYTES;
		r = lode_os_allocate(fd, offset, LODE_SEGMENT_BYTES);
		if (r == 0 && !(s = lode_os_map_file(fd, offset, LODE_SEGMENT_BYTES)))
			r = -ENOMEM;
		if (s)
			lode_os_madvise(s, LODE_SEGMENT_BYTES, MADV_DONTFORK); /* a child has its own */
	}
	lode_os_close(fd);
	*error = -r;
	return s;
}

static void open_segment(struct lode_segment_header *s, enum lode_payload payload)
{
	s->payload = payload;
	s->flags = 0;
	s->stream = lode_stream;
	s->pid = (uint32_t)lode_pid;
	s->first_time = s->last_time = 0;
	s->node_base = 0;
	s->magic = LODE_SEGMENT_MAGIC;
	__atomic_store_n(&s->committed, 0, __ATOMIC_RELAXED);
	s->sequence = __atomic_add_fetch(&lode_log->next_sequence, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&s->state, LODE_SEGMENT_OPEN, __ATOMIC_RELEASE);
}

static uint64_t retry_ns;

/* A lack that passes (descriptors, memory) is tried again a little later; anything else ends the recording. */
static void fail(int error)
{
	uint32_t zero = 0;
	if (error != EMFILE && error != ENFILE && error != ENOMEM && error != EAGAIN) {
		lode_segment_stop(error);
		return;
	}
	__atomic_compare_exchange_n(&lode_log->first_errno, &zero, (uint32_t)error, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
	__atomic_store_n(&retry_ns, lode_os_monotonic_ns() + RETRY_NS, __ATOMIC_RELAXED);
}

struct lode_segment_header *lode_segment_claim(enum lode_payload payload)
{
	uint64_t retry = __atomic_load_n(&retry_ns, __ATOMIC_RELAXED);
	if (!lode_log || is_stopped || (retry && lode_os_monotonic_ns() < retry))
		return NULL;
	uint64_t mask = lock();
	int error = 0;
	/* a node segment is never handed back: it must not take one that circulates */
	struct lode_segment_header *s = payload == LODE_PAYLOAD_RECORDS ? reuse() : NULL;
	if (!s)
		s = extend(&error);
	unlock(mask);
	if (!s) {
		fail(error);
		return NULL;
	}
	open_segment(s, payload);
	return s;
}

void lode_segment_seal(struct lode_segment_header *s)
{
	__atomic_store_n(&s->state, LODE_SEGMENT_FULL, __ATOMIC_RELEASE);
	if (!lode_log->recorder_pid || s->payload != LODE_PAYLOAD_RECORDS || !sealed)
		return;
	/* one slot each, claimed by a fetch-add: a signal handler may seal too */
	uint32_t i = __atomic_load_n(&sealed_last, __ATOMIC_RELAXED);
	if (i - sealed_first >= SEALED_MAX - 64)
		return;
	i = __atomic_fetch_add(&sealed_last, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&sealed[i % SEALED_MAX], s, __ATOMIC_RELEASE);
}

void lode_segment_fork_child(void)
{
	is_locked = 0;
	sealed_first = sealed_last = 0;
	if (sealed)
		lode_os_unmap(sealed, SEALED_MAX * sizeof *sealed);
	sealed = lode_os_map(SEALED_MAX * sizeof *sealed);
}
