/* A lane's bytes to events.  The one place that knows the records' encoding (lode/format.h); never
 * reads outside the payload and its padding, whatever the bytes. */
#ifndef LODE_DECODE_H
#define LODE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lode/format.h"

enum lode_event_kind {
	LODE_EVENT_ALLOC,
	LODE_EVENT_FREE,
	LODE_EVENT_SAMPLE,
	LODE_EVENT_RECORD, /* a long record */
};

struct lode_event {
	uint64_t time; /* ticks */
	union {
		uint64_t address;    /* ALLOC, FREE */
		uint64_t weight_ns;  /* SAMPLE */
		const uint8_t *data; /* RECORD: its fields after the time delta; valid as long as
					the payload */
	};
	uint64_t size;	/* ALLOC: bytes; RECORD: bytes at data */
	uint32_t stack; /* ALLOC, SAMPLE */
	uint16_t kind;
	uint16_t detail; /* ALLOC: enum lode_how; SAMPLE: flags; RECORD: enum lode_record */
};

struct lode_site {
	uint64_t size;
	uint32_t stack;
	uint32_t how;
};

struct lode_lane {
	const uint8_t *p, *end;
	uint64_t time, address;
	bool is_damaged; /* the rest of the payload could not be read */
	uint64_t addresses[LODE_SLOTS];
	struct lode_site sites[LODE_SLOTS];
};

/* `data` must be followed by LODE_SOURCE_PADDING readable bytes, and outlive the lane. */
void lode_lane_init(struct lode_lane *l, const uint8_t *data, size_t bytes);

/* Up to `max` events in order; fewer only at the lane's end.  Long records whose id is unknown are
 * skipped. A LANE record is given as an event too; it has reset the lane's state. */
size_t lode_lane_decode(struct lode_lane *l, struct lode_event *events, size_t max);

/* Reads the fields of a long record; after the first that does not fit, everything is 0 and
 * is_short is set. */
struct lode_fields {
	const uint8_t *p, *end;
	bool is_short;
};

struct lode_fields lode_event_fields(const struct lode_event *e);
uint64_t lode_field_number(struct lode_fields *f);
const void *lode_field_bytes(struct lode_fields *f, size_t *bytes); /* never NULL */

const char *lode_record_name(unsigned id); /* "MODULE"; NULL: unknown */
const char *lode_how_name(unsigned how);   /* "malloc"; NULL: unknown */

#endif
