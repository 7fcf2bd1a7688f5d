/*
 * json_number.h: numbers to JSON text. Inside lib/record only; others use json_put.h.
 *
 * The inline ones write up to 24 bytes at d, whatever the number, and return the end of its text.
 */
#ifndef WEIR_RECORD_JSON_NUMBER_H
#define WEIR_RECORD_JSON_NUMBER_H

#include "base/bytes.h"

#include <stddef.h>

/*
 * v < 10^8 as eight ASCII digits, the first one in the lowest byte: two numbers of four digits, four of two, eight of
 * one.
 */
static inline uint64_t json_eight_digits(uint32_t v)
{
	uint64_t x = (uint64_t)(v / 10000) | (uint64_t)(v % 10000) << 32;
	uint64_t tens = (x * 10486 >> 20) & UINT64_C(0x0000007f0000007f);
	x = tens | (x - tens * 100) << 16;
	tens = (x * 103 >> 10) & UINT64_C(0x000f000f000f000f);
	x = tens | (x - tens * 10) << 8;
	return x | UINT64_C(0x3030303030303030);
}

static inline uint8_t *json_put_digits(uint8_t *d, uint32_t v)
{
	if (v < 10) {
		*d = (uint8_t)('0' + v);
		return d + 1;
	}
	uint64_t text = json_eight_digits(v);
	/* The lowest set bit above the '0's tells the first digit that is none. */
	unsigned zeros = (unsigned)__builtin_ctzll(text & UINT64_C(0x0f0f0f0f0f0f0f0f)) / 8;
	le64_put(d, text >> zeros * 8);
	return d + 8 - zeros;
}

static inline uint8_t *json_put_u64(uint8_t *d, uint64_t v)
{
	const uint64_t unit = 100000000;
	if (v < unit)
		return json_put_digits(d, (uint32_t)v);
	uint64_t high = v / unit;
	if (high < unit) {
		d = json_put_digits(d, (uint32_t)high);
	} else {
		d = json_put_digits(d, (uint32_t)(high / unit));
		le64_put(d, json_eight_digits((uint32_t)(high % unit)));
		d += 8;
	}
	le64_put(d, json_eight_digits((uint32_t)(v % unit)));
	return d + 8;
}

static inline uint8_t *json_put_i64(uint8_t *d, int64_t v)
{
	if (v >= 0)
		return json_put_u64(d, (uint64_t)v);
	*d = '-';
	return json_put_u64(d + 1, -(uint64_t)v);
}

/* As json_format_double, for a float: the shortest text that reads back as that float. */
size_t json_format_float(float f, char *out);

#endif
