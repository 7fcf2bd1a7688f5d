/*
 * bytes_util.h: for tests: bytes from hex in a block of exactly their size, so that AddressSanitizer sees each byte
 * read too many.
 */
#ifndef WEIR_TEST_RECORD_BYTES_UTIL_H
#define WEIR_TEST_RECORD_BYTES_UTIL_H

#include "base/mem.h"
#include "base/span.h"

#include <assert.h>

static inline struct span exact_copy(const void *p, size_t n)
{
	uint8_t *q = mem_alloc(n);
	if (n)
		memcpy(q, p, n);
	return span_of(q, n);
}

static inline void exact_free(struct span s)
{
	mem_free((void *)(uintptr_t)s.p);
}

static inline int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Blanks between the digits are skipped. For exact_free. */
static inline struct span exact_hex(const char *hex)
{
	uint8_t *p = mem_alloc(strlen(hex) / 2 + 1);
	size_t n = 0;
	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		assert(hex_digit(hex[0]) >= 0 && hex_digit(hex[1]) >= 0);
		p[n++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
		hex++;
	}
	struct span s = exact_copy(p, n);
	mem_free(p);
	return s;
}

/* A small generator with a seed, so that a failure can be repeated. */
struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state;
}

/* 0 ... n - 1 */
static inline unsigned random_below(struct random *r, unsigned n)
{
	return (unsigned)((random_next(r) >> 20) % n);
}

#endif
