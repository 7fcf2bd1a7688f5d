#include "record/msgpack_scan.h"

#include "record/msgpack_class.h"

#define LEAF_1X16(n) n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n
#define RISING_8(n)  (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7
#define RISING_16(n) RISING_8(n), RISING_8((n) + 8)

/* clang-format off */
const uint8_t mp_class[256] = {
	LEAF_1X16(1), LEAF_1X16(1), LEAF_1X16(1), LEAF_1X16(1), /* 00-7f: integers */
	LEAF_1X16(1), LEAF_1X16(1), LEAF_1X16(1), LEAF_1X16(1),
	RISING_16(MP_CLASS_NEST | MP_CLASS_MAP),                /* 80-8f: fixmap */
	RISING_16(MP_CLASS_NEST),                               /* 90-9f: fixarray */
	RISING_16(1), RISING_16(17),                            /* a0-bf: fixstr */
	1, 0, 1, 1,                                             /* c0-c3: nil, none, false, true */
	MP_CLASS_SIZED | 1, MP_CLASS_SIZED | 2, MP_CLASS_SIZED | 4,                /* c4-c6: bin */
	MP_CLASS_SIZED | MP_CLASS_EXT | 1, MP_CLASS_SIZED | MP_CLASS_EXT | 2,      /* c7-c9: ext */
	MP_CLASS_SIZED | MP_CLASS_EXT | 4,
	5, 9,                                                   /* ca-cb: float */
	2, 3, 5, 9, 2, 3, 5, 9,                                 /* cc-d3: uint, int */
	3, 4, 6, 10, 18,                                        /* d4-d8: fixext */
	MP_CLASS_SIZED | 1, MP_CLASS_SIZED | 2, MP_CLASS_SIZED | 4,                /* d9-db: str */
	MP_CLASS_NEST | MP_CLASS_WIDE | 2, MP_CLASS_NEST | MP_CLASS_WIDE | 4,      /* dc-dd: array */
	MP_CLASS_NEST | MP_CLASS_MAP | MP_CLASS_WIDE | 2,                          /* de-df: map */
	MP_CLASS_NEST | MP_CLASS_MAP | MP_CLASS_WIDE | 4,
	LEAF_1X16(1), LEAF_1X16(1),                             /* e0-ff: negative integers */
};
/* clang-format on */

static void set_int(struct mp_token *t, int64_t v)
{
	if (v >= 0) {
		t->type = MP_UINT;
		t->u = (uint64_t)v;
	} else {
		t->type = MP_INT;
		t->i = v;
	}
}

static void set_uint(struct mp_token *t, uint64_t v)
{
	t->type = MP_UINT;
	t->u = v;
}

static void set_float32(struct mp_token *t, const uint8_t *p)
{
	uint32_t bits = be32_get(p);
	float f;
	memcpy(&f, &bits, sizeof f);
	t->type = MP_FLOAT32;
	t->d = (double)f;
}

static void set_float64(struct mp_token *t, const uint8_t *p)
{
	uint64_t bits = be64_get(p);
	t->type = MP_FLOAT64;
	memcpy(&t->d, &bits, sizeof t->d);
}

/* The scalars of a fixed size, c0 to d3. */
static void read_scalar(const uint8_t *p, struct mp_token *t)
{
	switch (p[0]) {
	case 0xc0:
		t->type = MP_NIL;
		return;
	case 0xc2:
	case 0xc3:
		t->type = MP_BOOL;
		t->b = p[0] & 1;
		return;
	case 0xca:
		set_float32(t, p + 1);
		return;
	case 0xcb:
		set_float64(t, p + 1);
		return;
	case 0xcc:
		set_uint(t, p[1]);
		return;
	case 0xcd:
		set_uint(t, be16_get(p + 1));
		return;
	case 0xce:
		set_uint(t, be32_get(p + 1));
		return;
	case 0xcf:
		set_uint(t, be64_get(p + 1));
		return;
	case 0xd0:
		set_int(t, (int8_t)p[1]);
		return;
	case 0xd1:
		set_int(t, (int16_t)be16_get(p + 1));
		return;
	case 0xd2:
		set_int(t, (int32_t)be32_get(p + 1));
		return;
	default: /* 0xd3 */
		set_int(t, (int64_t)be64_get(p + 1));
	}
}

/*
 * str, bin and ext whose length is in the first byte (fixstr, fixext) or behind it; `size` is that of the whole
 * token.
 */
static void read_bytes(const uint8_t *p, size_t size, struct mp_token *t)
{
	unsigned class = mp_class[p[0]];
	size_t head = class & MP_CLASS_SIZED ? 1 + (class & 7) : 1;
	if ((p[0] >= 0xc7 && p[0] <= 0xc9) || (p[0] >= 0xd4 && p[0] <= 0xd8)) {
		t->type = MP_EXT;
		t->ext_type = (int8_t)p[head];
		head++;
	} else {
		t->type = p[0] >= 0xc4 && p[0] <= 0xc6 ? MP_BIN : MP_STR;
	}
	t->body = span_of(p + head, size - head);
}

enum mp_result mp_read(const uint8_t **pp, const uint8_t *end, struct mp_token *t)
{
	const uint8_t *p = *pp;
	if (p >= end)
		return MP_SHORT;
	uint64_t kids;
	uint64_t size = mp_token_size(p, (size_t)(end - p), &kids);
	if (size == 0)
		return MP_BAD;
	if (size > (size_t)(end - p))
		return MP_SHORT;
	uint8_t c = p[0];
	t->body = (struct span){0};
	if (c <= 0x7f || c >= 0xe0) {
		set_int(t, (int8_t)c);
	} else if (mp_class[c] & MP_CLASS_NEST) {
		bool map = mp_class[c] & MP_CLASS_MAP;
		t->type = map ? MP_MAP : MP_ARRAY;
		t->count = (uint32_t)(map ? kids / 2 : kids);
	} else if (c >= 0xc0 && c <= 0xd3 && !(mp_class[c] & MP_CLASS_SIZED)) {
		read_scalar(p, t);
	} else {
		read_bytes(p, (size_t)size, t);
	}
	*pp = p + size;
	return MP_OK;
}

size_t mp_length(const uint8_t *p, const uint8_t *end)
{
	size_t n = (size_t)(end - p), at = 0;
	uint64_t left = 1;
	while (left) {
		/*
		 * Each object that is still to come takes a byte at least. This also keeps `left` far from
		 * overflowing.
		 */
		if (left > n - at)
			return 0;
		uint64_t kids, size = mp_token_size(p + at, n - at, &kids);
		if (size == 0 || size > n - at)
			return 0;
		at += (size_t)size;
		left += kids - 1;
	}
	return at;
}

size_t mp_skip(const uint8_t *p, const uint8_t *end, unsigned max_depth)
{
	const uint64_t n = (uint64_t)(end - p);
	uint64_t outer[MP_DEPTH_LIMIT]; /* objects that are left in each container around the present one */
	uint64_t at = 0, left = 1;
	unsigned depth = 0;
	if (max_depth > MP_DEPTH_LIMIT)
		max_depth = MP_DEPTH_LIMIT;
	for (;;) {
		for (; left; left--) {
			if (at >= n)
				return 0;
			uint8_t c = p[at];
			if ((c & 0xe0) == 0xa0) { /* fixstr, without the table: one load less */
				at += 1u + (c & 0x1f);
				continue;
			}
			uint64_t kids, size = mp_token_size(p + at, (size_t)(n - at), &kids);
			if (size == 0)
				return 0;
			at += size;
			if (!(mp_class[c] & MP_CLASS_NEST))
				continue;
			if (depth == max_depth || at > n || kids > n - at)
				return 0;
			outer[depth++] = left - 1;
			left = kids + 1;
		}
		if (depth == 0)
			return at > n ? 0 : (size_t)at;
		left = outer[--depth];
	}
}

struct span mp_map_get(struct span map, struct span key)
{
	struct span found = {0};
	if (map.n == 0)
		return found;
	const uint8_t *p = map.p, *end = p + map.n;
	struct mp_token t;
	if (mp_read(&p, end, &t) != MP_OK || t.type != MP_MAP)
		return found;
	for (uint32_t left = t.count; left; left--) {
		const uint8_t *k = p;
		size_t n = mp_length(p, end);
		if (n == 0 || mp_read(&k, end, &t) != MP_OK)
			return (struct span){0};
		p += n;
		n = mp_length(p, end);
		if (n == 0)
			return (struct span){0};
		if ((t.type == MP_STR || t.type == MP_BIN) && span_eq(t.body, key))
			found = span_of(p, n);
		p += n;
	}
	return found;
}
