/*
 * msgpack_class.h: how the size of a msgpack token follows from its first byte, as a table and one inline function.
 * For the walkers of raw msgpack only (msgpack_scan.c, event.c, forward_frame.c); everybody else uses
 * msgpack_scan.h.
 */
#ifndef WEIR_RECORD_MSGPACK_CLASS_H
#define WEIR_RECORD_MSGPACK_CLASS_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * 1 ... 32                       a leaf of so many bytes in all
 * MP_CLASS_SIZED | [EXT] | w     a leaf whose length stands in the next w bytes; EXT: a type byte comes before the body
 * MP_CLASS_NEST | [MAP] | count  a short array or map
 * MP_CLASS_NEST | [MAP] | MP_CLASS_WIDE | w  an array or map whose count stands in the next w bytes
 * 0                              0xc1, which is no msgpack
 */
#define MP_CLASS_LEAF_MAX 32
#define MP_CLASS_SIZED	  0x40
#define MP_CLASS_EXT	  0x08
#define MP_CLASS_NEST	  0x80
#define MP_CLASS_WIDE	  0x20
#define MP_CLASS_MAP	  0x10
extern const uint8_t mp_class[256];

static inline uint64_t mp_be(const uint8_t *p, unsigned width)
{
	return width == 1 ? p[0] : width == 2 ? be16_get(p) : be32_get(p);
}

/*
 * The size of the token at p as its header announces it, header and body; its children come behind it and are
 * counted in *kids. n >= 1 bytes are there; a result above n says that the token is cut (the header too, maybe:
 * then the size of the header alone). 0: no msgpack.
 */
static inline uint64_t mp_token_size(const uint8_t *p, size_t n, uint64_t *kids)
{
	unsigned c = mp_class[*p];
	*kids = 0;
	if (c - 1 < MP_CLASS_LEAF_MAX)
		return c;
	if (c == 0)
		return 0;
	unsigned width = c & 7;
	if (c & MP_CLASS_NEST) {
		uint64_t count = c & 15;
		bool wide = c & MP_CLASS_WIDE;
		if (wide && n <= width)
			return width + 1;
		if (wide)
			count = mp_be(p + 1, width);
		*kids = c & MP_CLASS_MAP ? 2 * count : count;
		return wide ? width + 1 : 1;
	}
	if (n <= width)
		return width + 1;
	return 1 + width + (c & MP_CLASS_EXT ? 1 : 0) + mp_be(p + 1, width);
}

#endif
