/* Variable-length integers: 7 bits a byte, low group first, high bit = more follow; at most 10 bytes.
 * Context: any thread, any signal. */
#ifndef LODE_VARINT_H
#define LODE_VARINT_H

#include <stdbool.h>
#include <stdint.h>

#define LODE_VARINT_MAX 10

static inline uint8_t *lode_varint_put(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/* Reads one varint from [p, end); returns the byte after it, or NULL where it is cut off or longer than 64 bits. */
static inline const uint8_t *lode_varint_get(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
	uint64_t r = 0;
	for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
		uint8_t b = *p++;
		if (shift == 63 && b > 1)
			return (const uint8_t *)0;
		r |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) {
			*v = r;
			return p;
		}
	}
	return (const uint8_t *)0;
}

static inline uint64_t lode_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t lode_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static inline uint64_t lode_rotr4(uint64_t v)
{
	return v >> 4 | v << 60;
}

static inline uint64_t lode_rotl4(uint64_t v)
{
	return v << 4 | v >> 60;
}

#endif
