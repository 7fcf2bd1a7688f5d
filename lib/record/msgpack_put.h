/*
 * msgpack_put.h: msgpack objects at the end of a buf, each in its shortest form. https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * All return false if the buffer has failed (buf.h).
 */
#ifndef WEIR_RECORD_MSGPACK_PUT_H
#define WEIR_RECORD_MSGPACK_PUT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "record/event.h"

static inline bool mp_put_nil(struct buf *b)
{
	return buf_put_byte(b, 0xc0);
}

static inline bool mp_put_bool(struct buf *b, bool v)
{
	return buf_put_byte(b, v ? 0xc3 : 0xc2);
}

/* A first byte, and behind it `width` bytes of a big-endian number. */
static inline bool mp_put_head(struct buf *b, uint8_t first, uint64_t v, unsigned width)
{
	if (!buf_reserve(b, 9))
		return false;
	b->p[b->n] = first;
	be64_put(b->p + b->n + 1, v << (64 - 8 * width));
	b->n += 1 + width;
	return true;
}

static inline bool mp_put_uint(struct buf *b, uint64_t v)
{
	if (v < 128)
		return buf_put_byte(b, (uint8_t)v);
	if (v <= UINT8_MAX)
		return mp_put_head(b, 0xcc, v, 1);
	if (v <= UINT16_MAX)
		return mp_put_head(b, 0xcd, v, 2);
	return v <= UINT32_MAX ? mp_put_head(b, 0xce, v, 4) : mp_put_head(b, 0xcf, v, 8);
}

static inline bool mp_put_int(struct buf *b, int64_t v)
{
	if (v >= 0)
		return mp_put_uint(b, (uint64_t)v);
	if (v >= -32)
		return buf_put_byte(b, (uint8_t)v);
	if (v >= INT8_MIN)
		return mp_put_head(b, 0xd0, (uint8_t)v, 1);
	if (v >= INT16_MIN)
		return mp_put_head(b, 0xd1, (uint16_t)v, 2);
	return v >= INT32_MIN ? mp_put_head(b, 0xd2, (uint32_t)v, 4) : mp_put_head(b, 0xd3, (uint64_t)v, 8);
}

static inline bool mp_put_double(struct buf *b, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	return mp_put_head(b, 0xcb, bits, 8);
}

static inline bool mp_put_str_head(struct buf *b, size_t n)
{
	if (n < 32)
		return buf_put_byte(b, (uint8_t)(0xa0 | n));
	if (n <= UINT8_MAX)
		return mp_put_head(b, 0xd9, n, 1);
	return n <= UINT16_MAX ? mp_put_head(b, 0xda, n, 2) : mp_put_head(b, 0xdb, n, 4);
}

static inline bool mp_put_str(struct buf *b, struct span s)
{
	return mp_put_str_head(b, s.n) && buf_put_span(b, s);
}

static inline bool mp_put_array_head(struct buf *b, uint32_t count)
{
	if (count < 16)
		return buf_put_byte(b, (uint8_t)(0x90 | count));
	return count <= UINT16_MAX ? mp_put_head(b, 0xdc, count, 2) : mp_put_head(b, 0xdd, count, 4);
}

static inline bool mp_put_map_head(struct buf *b, uint32_t count)
{
	if (count < 16)
		return buf_put_byte(b, (uint8_t)(0x80 | count));
	return count <= UINT16_MAX ? mp_put_head(b, 0xde, count, 2) : mp_put_head(b, 0xdf, count, 4);
}

/* For a map whose size is known only at its end: five bytes now, mp_set_map_head(b, where they begin, count) later. */
static inline bool mp_put_map_room(struct buf *b)
{
	return mp_put_head(b, 0xdf, 0, 4);
}

static inline void mp_set_map_head(struct buf *b, size_t at, uint32_t count)
{
	if (!b->failed)
		be32_put(b->p + at + 1, count);
}

/* EventTime of the forward protocol (ext 0); outside of its 1970 to 2106, msgpack's own timestamp of 96 bits, which event.h reads as well. */
static inline bool mp_put_event_time(struct buf *b, struct event_time t)
{
	uint8_t narrow[10] = {0xd7, 0}, wide[15] = {0xc7, 12, 0xff};
	if (t.sec >= 0 && t.sec <= UINT32_MAX) {
		be32_put(narrow + 2, (uint32_t)t.sec);
		be32_put(narrow + 6, t.nsec);
		return buf_put(b, narrow, sizeof narrow);
	}
	be32_put(wide + 3, t.nsec);
	be64_put(wide + 7, (uint64_t)t.sec);
	return buf_put(b, wide, sizeof wide);
}

#endif
