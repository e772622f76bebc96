/* link: preload/segment.c preload/os_linux.c tests/unit/agent_mocks.c -Wl,--wrap=lode_os_map,--wrap=lode_os_map_file,--wrap=lode_os_open,--wrap=lode_os_allocate,--wrap=lode_os_fstat_identity,--wrap=lode_os_monotonic_ns */
/* The log: who may open it, how segments are claimed and come back, what a full disk does. */
#include "agent_mocks.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segment.h"
#include "state.h"

#define RECORDS LODE_PAYLOAD_RECORDS
#define NODES LODE_PAYLOAD_NODES

static const char *path;

static void open_log(uint32_t recorder)
{
	path = agent_path("log");
	assert_int_equal(lode_log_open(path), 0);
	lode_log->recorder_pid = recorder;
}

static struct lode_segment_header *claim(enum lode_payload payload)
{
	struct lode_segment_header *s = lode_segment_claim(payload);
	assert_non_null(s);
	return s;
}

static void recorder_takes(struct lode_segment_header *s)
{
	assert_int_equal(s->state, LODE_SEGMENT_FULL);
	s->state = LODE_SEGMENT_FREE;
}

static void write_file(const char *name, const void *bytes, size_t n)
{
	FILE *f = fopen(name, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void a_new_log_has_our_header_and_is_its_owners_alone(void **state)
{
	(void)state;
	struct stat s;
	umask(0);
	open_log(0);
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 07777, 0600);
	assert_int_equal(s.st_size, LODE_LOG_HEADER_BYTES);
	const struct lode_file_header *h = &agent_log(path)->file;
	assert_memory_equal(h->magic, LODE_MAGIC, 8);
	assert_int_equal(h->version, LODE_FORMAT_VERSION);
	assert_int_equal(h->kind, LODE_FILE_LOG);
	assert_int_equal(h->header_bytes, LODE_LOG_HEADER_BYTES);
	assert_int_equal(h->segment_bytes, LODE_SEGMENT_BYTES);
	assert_true(h->created_unix_ns > 0);
	assert_string_equal(lode_log_path(), path);
}

static void open_and_claim(void)
{
	open_log(0);
	claim(RECORDS);
}

static void an_existing_log_is_joined(void **state)
{
	(void)state;
	agent_in_child(open_and_claim);
	path = agent_path("log");
	uint64_t created = agent_log(path)->file.created_unix_ns;
	assert_int_equal(lode_log_open(path), 0);
	assert_int_equal(lode_log->file.created_unix_ns, created);
	assert_int_equal(lode_log->next_segment, 1);
	claim(RECORDS)->reserved[0] = 7;
	assert_int_equal(agent_segment(path, 1)->reserved[0], 7);
	assert_int_equal(agent_segment(path, 0)->reserved[0], 0);
}

static void a_foreign_file_is_refused_and_left_as_it_is(void **state)
{
	(void)state;
	char text[8192], after[8192];
	memset(text, 'x', sizeof text);
	path = agent_path("log");
	for (size_t n = 0; n <= sizeof text; n += 2048) {
		write_file(path, text, n);
		assert_true(lode_log_open(path) < 0);
		assert_null(lode_log);
		assert_null(lode_segment_claim(RECORDS));
		FILE *f = fopen(path, "r");
		assert_int_equal(fread(after, 1, sizeof after, f), n);
		fclose(f);
		assert_memory_equal(after, text, n);
	}
}

static void a_log_of_another_version_or_shape_is_refused(void **state)
{
	(void)state;
	static char page[LODE_LOG_HEADER_BYTES];
	agent_in_child(open_and_claim);
	path = agent_path("log");
	struct lode_file_header good = agent_log(path)->file;
	size_t fields[] = {offsetof(struct lode_file_header, magic), offsetof(struct lode_file_header, version),
			   offsetof(struct lode_file_header, kind), offsetof(struct lode_file_header, header_bytes),
			   offsetof(struct lode_file_header, segment_bytes)};
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		memcpy(page, &good, sizeof good);
		page[fields[i]] ^= 4;
		write_file(path, page, sizeof page);
		assert_int_equal(lode_log_open(path), -EINVAL);
	}
	memcpy(page, &good, sizeof good);
	write_file(path, page, sizeof page);
	assert_int_equal(lode_log_open(path), 0);
}

static void a_symbolic_link_is_not_followed(void **state)
{
	(void)state;
	agent_in_child(open_and_claim);
	assert_int_equal(symlink(agent_path("log"), agent_path("to-a-log")), 0);
	assert_int_equal(symlink(agent_path("nothing"), agent_path("to-nothing")), 0);
	assert_int_equal(lode_log_open(agent_path("to-a-log")), -ELOOP);
	assert_int_equal(lode_log_open(agent_path("to-nothing")), -ELOOP);
	assert_int_equal(access(agent_path("nothing"), F_OK), -1);
}

/* ---- claiming ------------------------------------------------------------------------------- */

static void a_claimed_segment_is_open_and_says_whose_it_is(void **state)
{
	(void)state;
	open_log(0);
	lode_stream = 3;
	claim(RECORDS);
	claim(NODES);
	for (uint32_t i = 0; i < 2; i++) {
		const struct lode_segment_header *s = agent_segment(path, i);
		assert_int_equal(s->magic, LODE_SEGMENT_MAGIC);
		assert_int_equal(s->state, LODE_SEGMENT_OPEN);
		assert_int_equal(s->payload, i ? NODES : RECORDS);
		assert_int_equal(s->stream, 3);
		assert_int_equal(s->pid, lode_pid);
		assert_int_equal(s->sequence, i + 1);
		assert_int_equal(s->committed, 0);
	}
}

static void no_descriptor_stays_open(void **state)
{
	(void)state;
	unsigned before = agent_open_descriptors();
	open_log(0);
	claim(RECORDS);
	assert_int_equal(agent_open_descriptors(), before);
}

static void a_full_disk_ends_claims_and_the_first_reason_is_kept(void **state)
{
	(void)state;
	open_log(0);
	claim(RECORDS);
	agent_calls = 0;
	agent_fail_at = 3; /* open, identity, allocate */
	assert_null(lode_segment_claim(RECORDS));
	assert_int_equal(agent_log(path)->first_errno, ENOSPC);
	agent_calls = agent_fail_at = 0;
	assert_null(lode_segment_claim(RECORDS));
	assert_int_equal(agent_calls, 0);
	lode_segment_stop(EPERM);
	assert_int_equal(agent_log(path)->first_errno, ENOSPC);
}

static void a_limit_on_file_sizes_is_an_error_and_no_signal(void **state)
{
	(void)state;
	struct rlimit limit = {LODE_LOG_HEADER_BYTES + LODE_SEGMENT_BYTES + 1, RLIM_INFINITY};
	open_log(0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	claim(RECORDS);
	assert_null(lode_segment_claim(RECORDS));
	assert_int_equal(lode_log->first_errno, EFBIG);
}

static void a_file_that_took_the_logs_place_is_never_written(void **state)
{
	(void)state;
	struct stat s;
	open_log(0);
	assert_int_equal(rename(path, agent_path("moved")), 0);
	write_file(path, "mine", 4);
	assert_null(lode_segment_claim(RECORDS));
	assert_int_equal(lode_log->first_errno, ESTALE);
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_size, 4);
}

static void a_lack_of_descriptors_passes(void **state)
{
	(void)state;
	open_log(0);
	agent_calls = 0;
	agent_fail_at = 1;
	assert_null(lode_segment_claim(RECORDS));
	assert_null(lode_segment_claim(RECORDS)); /* not at once */
	assert_int_equal(agent_calls, 1);
	agent_clock += 1000000000;
	claim(RECORDS);
	assert_int_equal(lode_log->first_errno, EMFILE);
}

static void a_stop_without_a_reason_notes_none(void **state)
{
	(void)state;
	open_log(0);
	lode_segment_stop(0);
	assert_null(lode_segment_claim(RECORDS));
	assert_int_equal(lode_log->first_errno, 0);
}

/* ---- reuse ---------------------------------------------------------------------------------- */

static void freed_segments_are_reused_in_order_under_a_new_sequence(void **state)
{
	(void)state;
	open_log(1);
	struct lode_segment_header *a = claim(RECORDS), *b = claim(RECORDS);
	a->first_time = a->last_time = a->flags = a->committed = 9;
	lode_segment_seal(a);
	lode_segment_seal(b);
	recorder_takes(b);
	struct lode_segment_header *c = claim(RECORDS); /* a is not free yet, b not the oldest */
	assert_true(c != a && c != b);
	recorder_takes(a);
	assert_ptr_equal(claim(RECORDS), a);
	assert_ptr_equal(claim(RECORDS), b);
	assert_int_equal(c->sequence, 3);
	assert_int_equal(a->sequence, 4);
	assert_int_equal(b->sequence, 5);
	assert_int_equal(a->state, LODE_SEGMENT_OPEN);
	assert_int_equal(a->first_time | a->last_time | a->flags | a->committed, 0);
	assert_int_equal(lode_log->next_segment, 3);
}

static void without_a_recorder_nothing_is_reused(void **state)
{
	(void)state;
	open_log(0);
	struct lode_segment_header *a = claim(RECORDS);
	lode_segment_seal(a);
	recorder_takes(a);
	assert_ptr_not_equal(claim(RECORDS), a);
}

static void nodes_neither_take_nor_become_a_reused_segment(void **state)
{
	(void)state;
	open_log(1);
	struct lode_segment_header *a = claim(RECORDS), *b = claim(NODES);
	lode_segment_seal(b);
	lode_segment_seal(a);
	recorder_takes(a);
	recorder_takes(b);
	struct lode_segment_header *c = claim(NODES);
	assert_true(c != a && c != b);
	assert_ptr_equal(claim(RECORDS), a);
	assert_ptr_not_equal(claim(RECORDS), b);
}

static struct lode_segment_header *parents;

static void fork_child_claims(void)
{
	lode_segment_fork_child();
	claim(RECORDS);
	assert_int_equal(lode_log->next_segment, 2); /* not the parent's, but a new one */
}

static void a_forked_child_forgets_its_parents_segments(void **state)
{
	(void)state;
	open_log(1);
	parents = claim(RECORDS);
	lode_segment_seal(parents);
	recorder_takes(parents);
	agent_in_child(fork_child_claims);
	assert_ptr_equal(claim(RECORDS), parents);
}

/* Claims, marks as its own, seals; whoever finds another's mark has a segment that somebody still writes. */
static void *claim_and_seal(void *clashes)
{
	for (unsigned i = 0; i < 2000; i++) {
		struct lode_segment_header *s = lode_segment_claim(RECORDS);
		if (!s || __atomic_exchange_n(&s->reserved[0], 1, __ATOMIC_ACQ_REL))
			__atomic_fetch_add((unsigned *)clashes, 1, __ATOMIC_RELAXED);
		if (!s)
			break;
		__atomic_store_n(&s->reserved[0], 0, __ATOMIC_RELEASE);
		lode_segment_seal(s);
		__atomic_store_n(&s->state, LODE_SEGMENT_FREE, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void a_segment_is_never_claimed_by_two_threads_at_a_time(void **state)
{
	(void)state;
	pthread_t threads[4];
	unsigned clashes = 0;
	open_log(1);
	for (unsigned i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, claim_and_seal, &clashes);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(clashes, 0);
	assert_int_equal(lode_log->next_sequence, 8000);
	assert_true(lode_log->next_segment < 4000); /* the rest was reused */
}

/* ---- failures ------------------------------------------------------------------------------- */

static void use_everything(void)
{
	unsigned descriptors = agent_open_descriptors();
	bool is_stopped = lode_log_open(agent_path("log")) < 0;
	assert_int_equal(is_stopped, lode_log == NULL);
	for (unsigned i = 0; i < 4; i++) {
		if (i == 2)
			lode_segment_fork_child();
		struct lode_segment_header *s = lode_segment_claim(i % 2 ? NODES : RECORDS);
		assert_false(s && is_stopped);
		is_stopped = !s;
		if (lode_log)
			assert_int_equal(lode_log->first_errno != 0, is_stopped);
		if (s) {
			lode_log->recorder_pid = 1;
			assert_int_equal(s->state, LODE_SEGMENT_OPEN);
			memset(lode_segment_payload(s), 0xff, LODE_SEGMENT_PAYLOAD_BYTES);
			lode_segment_seal(s);
			s->state = LODE_SEGMENT_FREE;
		}
	}
	assert_int_equal(agent_open_descriptors(), descriptors);
}

static void each_call_may_fail(void **state)
{
	(void)state;
	agent_fail_each(use_everything, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_log_has_our_header_and_is_its_owners_alone),
		cmocka_unit_test(an_existing_log_is_joined),
		cmocka_unit_test(a_foreign_file_is_refused_and_left_as_it_is),
		cmocka_unit_test(a_log_of_another_version_or_shape_is_refused),
		cmocka_unit_test(a_symbolic_link_is_not_followed),
		cmocka_unit_test(a_claimed_segment_is_open_and_says_whose_it_is),
		cmocka_unit_test(no_descriptor_stays_open),
		cmocka_unit_test(a_full_disk_ends_claims_and_the_first_reason_is_kept),
		cmocka_unit_test(a_limit_on_file_sizes_is_an_error_and_no_signal),
		cmocka_unit_test(a_file_that_took_the_logs_place_is_never_written),
		cmocka_unit_test(a_lack_of_descriptors_passes),
		cmocka_unit_test(a_stop_without_a_reason_notes_none),
		cmocka_unit_test(freed_segments_are_reused_in_order_under_a_new_sequence),
		cmocka_unit_test(without_a_recorder_nothing_is_reused),
		cmocka_unit_test(nodes_neither_take_nor_become_a_reused_segment),
		cmocka_unit_test(a_forked_child_forgets_its_parents_segments),
		cmocka_unit_test(a_segment_is_never_claimed_by_two_threads_at_a_time),
		cmocka_unit_test(each_call_may_fail),
	};
	return AGENT_RUN(tests);
}
