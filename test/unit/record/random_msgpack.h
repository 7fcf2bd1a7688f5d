/* random_msgpack.h: for tests: random msgpack in every form that the format has, the wasteful ones too. */
#ifndef WEIR_TEST_RECORD_RANDOM_MSGPACK_H
#define WEIR_TEST_RECORD_RANDOM_MSGPACK_H

#include "base/buf.h"
#include "base/bytes.h"
#include "bytes_util.h"

static inline void put_be(struct buf *b, uint64_t v, unsigned width)
{
	for (unsigned i = width; i-- > 0;)
		buf_put_byte(b, (uint8_t)(v >> (8 * i)));
}

/*
 * A header with a length: `fix` for the short form (below `fix_count`), then `wide` with 1, 2, 4 bytes from
 * `first_width` on.
 */
static inline void put_random_head(struct buf *b, struct random *r, uint32_t n, unsigned fix, unsigned fix_count,
	unsigned wide, unsigned first_width)
{
	if (n < fix_count && random_below(r, 3)) {
		buf_put_byte(b, (uint8_t)(fix | n));
		return;
	}
	for (unsigned width = first_width;; width *= 2, wide++) {
		bool fits = width == 4 || n < (1u << (8 * width));
		if (!fits || (width < 4 && random_below(r, 4) == 0))
			continue;
		buf_put_byte(b, (uint8_t)wide);
		put_be(b, n, width);
		return;
	}
}

static inline void put_random_bytes(struct buf *b, struct random *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		buf_put_byte(b, (uint8_t)(random_below(r, 8) ? 'a' + random_below(r, 26) : random_next(r) & 0xff));
}

static inline uint32_t random_length(struct random *r)
{
	switch (random_below(r, 20)) {
	case 0:
		return 0;
	case 1:
		return 200 + random_below(r, 100);
	case 2:
		return random_below(r, 50) ? 30 : 65500 + random_below(r, 100);
	default:
		return random_below(r, 33);
	}
}

static inline void put_random_str(struct buf *b, struct random *r)
{
	uint32_t n = random_length(r);
	if (random_below(r, 5) == 0)
		put_random_head(b, r, n, 0, 0, 0xc4, 1); /* bin */
	else
		put_random_head(b, r, n, 0xa0, 32, 0xd9, 1);
	put_random_bytes(b, r, n);
}

static inline void put_random_ext(struct buf *b, struct random *r)
{
	if (random_below(r, 2)) {
		unsigned power = random_below(r, 5);
		buf_put_byte(b, (uint8_t)(0xd4 + power));
		buf_put_byte(b, (uint8_t)random_next(r));
		put_random_bytes(b, r, 1u << power);
		return;
	}
	uint32_t n = random_length(r);
	put_random_head(b, r, n, 0, 0, 0xc7, 1);
	buf_put_byte(b, (uint8_t)random_next(r));
	put_random_bytes(b, r, n);
}

static inline void put_random_number(struct buf *b, struct random *r)
{
	static const uint8_t first[] = {0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3};
	static const uint8_t width[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8};
	unsigned i = random_below(r, sizeof first + 4);
	if (i >= sizeof first) {
		buf_put_byte(b, (uint8_t)(i % 2 ? random_below(r, 128) : 0xe0 + random_below(r, 32)));
		return;
	}
	buf_put_byte(b, first[i]);
	put_be(b, random_next(r) >> random_below(r, 64), width[i]);
}

static inline void put_random_value(struct buf *b, struct random *r, unsigned depth);

static inline void put_random_map(struct buf *b, struct random *r, unsigned depth)
{
	uint32_t n = random_below(r, 50) ? random_below(r, 8) : 14 + random_below(r, 40);
	put_random_head(b, r, n, 0x80, 16, 0xde, 2);
	for (uint32_t i = 0; i < n; i++) {
		if (random_below(r, 10))
			put_random_str(b, r);
		else
			put_random_value(b, r, depth - 1);
		put_random_value(b, r, depth - 1);
	}
}

static inline void put_random_array(struct buf *b, struct random *r, unsigned depth)
{
	uint32_t n = random_below(r, 50) ? random_below(r, 6) : 14 + random_below(r, 40);
	put_random_head(b, r, n, 0x90, 16, 0xdc, 2);
	for (uint32_t i = 0; i < n; i++)
		put_random_value(b, r, depth - 1);
}

/* Containers at most `depth` deep. */
static inline void put_random_value(struct buf *b, struct random *r, unsigned depth)
{
	switch (random_below(r, depth ? 10 : 8)) {
	case 0:
		buf_put_byte(b, (uint8_t[]){0xc0, 0xc2, 0xc3}[random_below(r, 3)]);
		return;
	case 1:
		put_random_ext(b, r);
		return;
	case 2:
	case 3:
		put_random_number(b, r);
		return;
	case 8:
		put_random_array(b, r, depth);
		return;
	case 9:
		put_random_map(b, r, depth);
		return;
	default:
		put_random_str(b, r);
	}
}

#endif
