/* Cuts the payload of a lane into records without understanding more than their lengths and times.  For those who copy
 * or count; what the events mean is decode's business.  Any bytes are safe. */
#ifndef LODE_RECORDS_H
#define LODE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lode_records {
	const uint8_t *next, *end;
	uint64_t time;      /* of the record last returned, in ticks */
	uint64_t timed_record_mask; /* long records that carry a time delta, by id */
};

struct lode_record_slice {
	const uint8_t *start;   /* of the record: its tag */
	const uint8_t *payload; /* long records: their fields */
	size_t payload_bytes;
	uint8_t tag;            /* LODE_TAG_*, slot bits cleared */
	uint8_t id;             /* long records: enum lode_record */
};

void lode_records_init(struct lode_records *r, const void *payload, size_t bytes);

/* The next record; false at the end, or where the rest cannot be read (r->next < r->end then). */
bool lode_records_next(struct lode_records *r, struct lode_record_slice *out);

/* Numbers of a whole payload. */
struct lode_records_tally {
	uint64_t events;  /* allocations, frees, mappings, samples */
	uint64_t samples; /* CPU samples (a residue at a thread's end is none) */
	uint64_t last_time;
};
void lode_records_count(const void *payload, size_t bytes, struct lode_records_tally *sum);

#endif
