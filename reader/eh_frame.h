/* Where functions start, from the unwind tables that even a stripped file has: the addresses of a function that has no
 * name are one row then. */
#ifndef LODE_EH_FRAME_H
#define LODE_EH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lode_eh_frame { /* two sections; the bytes are the caller's */
	const uint8_t *header, *frames; /* .eh_frame_hdr, .eh_frame; NULL: not there */
	size_t header_bytes, frame_bytes;
	uint64_t header_address, frame_address; /* in the file */
};

/* Sets *start to the first address of the function that covers `address`; false if no table says so. */
bool lode_eh_frame_function(const struct lode_eh_frame *e, uint64_t address, uint64_t *start);

#endif
