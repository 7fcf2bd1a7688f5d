/*
 * The hot part of json_writer.h: one pass over the msgpack of a value, in blocks of the machine's vector size.
 *
 * Compiled twice: for any CPU of the architecture (SSE2 on x86-64, eight bytes in an integer elsewhere) and, with
 * WEIR_AVX2, for CPUs that have AVX2 and BMI. json_writer.c chooses at start.
 */
#include "record/json_writer.h"

#include "base/bytes.h"
#include "base/utf8.h"
#include "record/json_blocks.h"
#include "record/json_key.h"
#include "record/json_number.h"
#include "record/json_put.h"

#if defined(WEIR_AVX2)
#define NAME(x) x##_avx2
#elif defined(WEIR_PORTABLE)
#define NAME(x) x##_portable
#else
#define NAME(x) x
#endif

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ---- strings ----------------------------------------------------------------------------------------- */

struct escape {
	char text[7];
	uint8_t len;
};

/* clang-format off */
#define U(c, d) {{'\\', 'u', '0', '0', c, d}, 6}
#define E(c)    {{'\\', c}, 2}
static const struct escape escapes[] = {
	U('0', '0'), U('0', '1'), U('0', '2'), U('0', '3'), U('0', '4'), U('0', '5'), U('0', '6'), U('0', '7'),
	E('b'), E('t'), E('n'), U('0', 'b'), E('f'), E('r'), U('0', 'e'), U('0', 'f'),
	U('1', '0'), U('1', '1'), U('1', '2'), U('1', '3'), U('1', '4'), U('1', '5'), U('1', '6'), U('1', '7'),
	U('1', '8'), U('1', '9'), U('1', 'a'), U('1', 'b'), U('1', 'c'), U('1', 'd'), U('1', 'e'), U('1', 'f'),
	['"'] = E('"'), ['\\'] = E('\\'),
};
/* clang-format on */
#undef U
#undef E

/*
 * The first `len` <= BLOCK bytes at s, of which those in `mask` must be escaped. Escapes may stand close (JSON in a
 * log line), so what follows each one is copied without looking again.
 */
hot_inline uint8_t *put_escaped_block(uint8_t *d, const uint8_t *s, size_t len, uint64_t mask)
{
	size_t done = 0;
	block_store(d, block_load(s));
	while (mask) {
		const size_t at = (size_t)__builtin_ctzll(mask);
		const struct escape *e = &escapes[s[at]];
		d += at - done;
		memcpy(d, e, sizeof *e);
		d += e->len;
		done = at + 1;
		block_store(d, block_load(s + done));
		mask &= mask - 1;
	}
	return d + (len - done);
}

/* n bytes that are known to be UTF-8. Room for 6 n + JSON_SLACK at d; READ_SLACK bytes readable behind s + n. */
static uint8_t *put_checked_text(uint8_t *d, const uint8_t *s, size_t n)
{
	while (n) {
		const size_t len = n < BLOCK ? n : BLOCK;
		d = put_escaped_block(d, s, len, mask_escaped(block_load(s)) & low_bits(len));
		s += len;
		n -= len;
	}
	return d;
}

/* Something in there must be escaped or is not ASCII. Room and slack as above. */
static __attribute__((noinline)) uint8_t *put_hard_text(uint8_t *d, const uint8_t *s, size_t n)
{
	while (n) {
		const size_t len = n < BLOCK ? n : BLOCK;
		const block_t b = block_load(s);
		if (mask_high(b) & low_bits(len))
			break;
		d = put_escaped_block(d, s, len, mask_escaped(b) & low_bits(len));
		s += len;
		n -= len;
	}
	/* All before was ASCII, so a character begins here. */
	if (n && !text_is_utf8(s, n)) {
		json_writer_repair(&d, s, n, s + n);
		return d;
	}
	return put_checked_text(d, s, n);
}

hot_inline uint8_t *put_text(uint8_t *d, const uint8_t *s, size_t n)
{
	size_t i = 0;
	for (; n - i > BLOCK; i += BLOCK) {
		const block_t b = block_load(s + i);
		block_store(d + i, b);
		if (unlikely(mask_special(b)))
			return put_hard_text(d + i, s + i, n - i);
	}
	const block_t b = block_load(s + i);
	block_store(d + i, b);
	if (unlikely(mask_special(b) & low_bits(n - i)))
		return put_hard_text(d + i, s + i, n - i);
	return d + n;
}

/* As put_checked_text, where nothing may be read behind s + n. */
static uint8_t *put_last_text(uint8_t *d, const uint8_t *s, size_t n)
{
	uint8_t copy[256 + READ_SLACK] = {0};
	while (n) {
		const size_t len = n < 256 ? n : 256;
		memcpy(copy, s, len);
		d = put_checked_text(d, copy, len);
		s += len;
		n -= len;
	}
	return d;
}

/* A str that is long, or so near the end of the input that a block would reach over it. */
static __attribute__((noinline)) uint8_t *put_string_slowly(
	struct json_writer *w, uint8_t *d, const uint8_t *s, size_t n, const uint8_t *end)
{
	const uint8_t *stop = s + n;
	const bool last = end - stop < READ_SLACK;
	const bool good = last ? utf8_valid(span_of(s, n)) : text_is_utf8(s, n);
	*d++ = '"';
	while (s < stop) {
		size_t len = (size_t)(stop - s) < JSON_PIECE ? (size_t)(stop - s) : JSON_PIECE;
		d = json_writer_room(w, d, 6 * len);
		if (!d)
			return NULL;
		if (!good)
			len = json_writer_repair(&d, s, len, stop);
		else
			d = last ? put_last_text(d, s, len) : put_checked_text(d, s, len);
		s += len;
	}
	*d++ = '"';
	return d;
}

/* A str with its quotes; s + n <= end. */
hot_inline uint8_t *put_string(struct json_writer *w, uint8_t *d, const uint8_t *s, size_t n, const uint8_t *end)
{
	if (unlikely((size_t)(end - s) < n + READ_SLACK || n > JSON_PIECE || w->lim - d < (ptrdiff_t)(6 * n)))
		return put_string_slowly(w, d, s, n, end);
	*d = '"';
	d = put_text(d + 1, s, n);
	*d = '"';
	return d + 1;
}

/* ---- keys -------------------------------------------------------------------------------------------- */

#if BLOCK >= 32 /* the longest fixstr */
/*
 * Of a key of 1 to BLOCK bytes that are printable ASCII: whether Elasticsearch may refuse it as a field name, judged
 * generously from where its dots and blanks are (json_writer.c has the rule).
 */
hot_inline bool name_may_be_odd(block_t b, size_t n)
{
	if (likely(!(mask_dot_or_blank(b) & low_bits(n))))
		return false;
	const uint64_t dot = mask_equal(b, JSON_DOTS) & low_bits(n), blank = mask_equal(b, JSON_BLANKS) & low_bits(n);
	const uint64_t edges = 1 | UINT64_C(1) << (n - 1);
	return ((dot | blank) & edges) || (dot & dot << 1) || (dot && blank);
}
#endif

/*
 * The common kind of key: a fixstr without anything to escape, repair or rename. Writes it with quotes and colon, and
 * leaves its hash in *hash; NULL if it is of another kind (nothing is written then that counts).
 */
hot_inline uint8_t *put_plain_key(
	const struct json_writer *w, uint8_t *d, const uint8_t *p, const uint8_t *end, uint64_t *hash)
{
	const size_t n = *p & 0x1f;
	const uint8_t *s = p + 1;
	if (unlikely((*p & 0xe0) != 0xa0 || (size_t)(end - s) < n + READ_SLACK || n == 0))
		return NULL;
	*d = '"';
#if BLOCK >= 32
	const block_t b = block_load(s);
	block_store(d + 1, b);
	if (unlikely(mask_special(b) & low_bits(n)) || (w->rename && unlikely(name_may_be_odd(b, n))))
		return NULL;
#else
	for (size_t i = 0; i < n; i += BLOCK) {
		const size_t len = n - i < BLOCK ? n - i : BLOCK;
		const block_t b = block_load(s + i);
		block_store(d + 1 + i, b);
		if (unlikely(mask_special(b) & low_bits(len)))
			return NULL;
		if (w->rename && unlikely(mask_dot_or_blank(b) & low_bits(len)))
			return NULL;
	}
#endif
	*hash = json_key_hash(s, n);
	memcpy(d + 1 + n, "\":", 2);
	return d + n + 3;
}

/* ---- the run ----------------------------------------------------------------------------------------- */

hot_inline bool has(const uint8_t *p, const uint8_t *end, size_t n)
{
	return (size_t)(end - p) >= n;
}

/* Opens a level of `count` elements or pairs, w->depth being below w->max_depth; NULL and w->status on failure. */
hot_inline struct json_level *push_level(struct json_writer *w, uint64_t count, bool is_map, size_t bytes_left)
{
	if (unlikely(count > bytes_left >> is_map)) {
		w->status = JSON_WRITER_MALFORMED;
		return NULL;
	}
	struct json_level *lv = &w->level[w->depth];
	lv->left = (uint32_t)count;
	lv->is_map = is_map;
	lv->is_key = false;
	if (is_map) {
		if (unlikely(count > w->key_cap - w->key_count) && !json_key_make_room(w, count))
			return NULL;
		lv->first_key = (uint32_t)w->key_count;
		lv->is_large = count > JSON_SMALL_MAP;
		if (w->depth == 0)
			memcpy(lv->seen, w->special_seen, sizeof lv->seen);
		else
			memset(lv->seen, 0, sizeof lv->seen);
	}
	w->depth++;
	return lv;
}

/* The key whose text with its quotes lies from offset `start` to d joins those of its map. */
hot_inline enum json_key_fate add_key(struct json_writer *w, struct json_level *lv, uint32_t start, const uint8_t *d,
	uint64_t hash, const uint8_t *value)
{
	uint64_t *word = &lv->seen[json_key_seen_word(hash)];
	const uint64_t bit = json_key_seen_bit(hash);
	if (unlikely(*word & bit)) {
		enum json_key_fate fate = json_key_known(w, start, d, hash, value);
		if (fate != JSON_KEY_KEEP)
			return fate;
	}
	if (likely(!lv->is_large))
		*word |= bit;
	w->key_hash[w->key_count] = (uint32_t)hash;
	w->key_start[w->key_count++] = start;
	return JSON_KEY_KEEP;
}

hot_inline uint64_t be_count(const uint8_t *p, unsigned width)
{
	return width == 1 ? p[0] : width == 2 ? be16_get(p) : be32_get(p);
}

hot_inline double be_double(const uint8_t *p)
{
	const uint64_t bits = be64_get(p);
	double v;
	memcpy(&v, &bits, sizeof v);
	return v;
}

#define FAIL(why)                  \
	do {                       \
		w->status = (why); \
		goto failed;       \
	} while (0)
#define NEED(n)                                      \
	do {                                         \
		if (unlikely(!has(p, end, (n))))     \
			FAIL(JSON_WRITER_MALFORMED); \
	} while (0)
/* For what returns NULL and has set w->status. */
#define CHECK(x)                     \
	do {                         \
		if (unlikely(!(x)))  \
			goto failed; \
	} while (0)

/*
 * One function, so that what is hot stays in registers: a value is written at `value`, what follows it is found at
 * `next` (an element, a key, or the end of a level), and the labels behind the switch are the kinds of values that
 * have a length.
 */
enum json_writer_status NAME(json_put_simd_run)(struct json_writer *w, const uint8_t **pp, const uint8_t *end)
{
	const uint8_t *p = *pp;
	struct json_level *lv;
	uint64_t n, hash;
	size_t head, width;
	uint32_t start = 0;
	bool is_map, as_key = false; /* as_key: the array or map at p stands where a key must be */
	uint8_t *d = json_writer_begin(w);
	CHECK(d);

value:
	NEED(1);
	switch (*p) {
	case 0x00 ... 0x7f:
		d = json_put_digits(d, *p++);
		break;
	case 0x80 ... 0x8f:
		n = *p & 0x0f;
		head = 1;
		goto map;
	case 0x90 ... 0x9f:
		n = *p & 0x0f;
		head = 1;
		goto array;
	case 0xa0 ... 0xbf:
		n = *p & 0x1f;
		head = 1;
		goto string;
	case 0xc0:
		memcpy(d, "null", 4);
		d += 4;
		p++;
		break;
	case 0xc2:
		memcpy(d, "false", 5);
		d += 5;
		p++;
		break;
	case 0xc3:
		memcpy(d, "true", 4);
		d += 4;
		p++;
		break;
	case 0xc4 ... 0xc6:
		width = (size_t)1 << (*p - 0xc4);
		head = 1 + width;
		NEED(head);
		n = be_count(p + 1, (unsigned)width);
		NEED(head + n);
		if (utf8_valid(span_of(p + head, n)))
			goto string;
		d = json_writer_rare(w, d, &p, end);
		CHECK(d);
		break;
	case 0xcb:
		NEED(9);
		d += json_format_double(be_double(p + 1), (char *)d);
		p += 9;
		break;
	case 0xcc:
		NEED(2);
		d = json_put_digits(d, p[1]);
		p += 2;
		break;
	case 0xcd:
		NEED(3);
		d = json_put_digits(d, be16_get(p + 1));
		p += 3;
		break;
	case 0xce:
		NEED(5);
		d = json_put_u64(d, be32_get(p + 1));
		p += 5;
		break;
	case 0xd0:
		NEED(2);
		d = json_put_i64(d, (int8_t)p[1]);
		p += 2;
		break;
	case 0xd1:
		NEED(3);
		d = json_put_i64(d, (int16_t)be16_get(p + 1));
		p += 3;
		break;
	case 0xd2:
		NEED(5);
		d = json_put_i64(d, (int32_t)be32_get(p + 1));
		p += 5;
		break;
	case 0xd3:
		NEED(9);
		d = json_put_i64(d, (int64_t)be64_get(p + 1));
		p += 9;
		break;
	case 0xd9 ... 0xdb:
		width = (size_t)1 << (*p - 0xd9);
		head = 1 + width;
		NEED(head);
		n = be_count(p + 1, (unsigned)width);
		goto string;
	case 0xdc ... 0xdd:
		width = (size_t)2 << (*p - 0xdc);
		head = 1 + width;
		NEED(head);
		n = be_count(p + 1, (unsigned)width);
		goto array;
	case 0xde ... 0xdf:
		width = (size_t)2 << (*p - 0xde);
		head = 1 + width;
		NEED(head);
		n = be_count(p + 1, (unsigned)width);
		goto map;
	case 0xe0 ... 0xff:
		d = json_put_i64(d, (int8_t)*p++);
		break;
	default:
		d = json_writer_rare(w, d, &p, end);
		CHECK(d);
	}

after_value:
	*d++ = ',';
next:
	if (unlikely(w->depth == 0))
		goto done;
	lv = &w->level[w->depth - 1];
	if (lv->left == 0)
		goto close;
	lv->left--;
	if (unlikely(d > w->lim)) {
		d = json_writer_room(w, d, 0);
		CHECK(d);
	}
	if (!lv->is_map)
		goto value;

	/* A key. */
	NEED(1);
	start = (uint32_t)(d - w->doc);
	uint8_t *after = put_plain_key(w, d, p, end, &hash);
	if (likely(after)) {
		d = after;
		p += 1 + (*p & 0x1f);
	} else {
		as_key = json_key_is_container(*p);
		if (as_key) {
			if (w->in_key)
				FAIL(JSON_WRITER_TOO_DEEP);
			goto value;
		}
		d = json_key_write(w, d, &p, end);
		CHECK(d);
	hash_key:
		hash = json_key_hash(w->doc + start + 1, (size_t)(d - w->doc) - start - 2);
		*d++ = ':';
	}
	switch (add_key(w, lv, start, d - 1, hash, p)) {
	case JSON_KEY_KEEP:
		goto value;
	case JSON_KEY_DROP:
		d = w->doc + start;
		CHECK(json_writer_skip(w, &p, end));
		goto next;
	default:
		goto failed;
	}

string:
	NEED(head + n);
	d = put_string(w, d, p + head, n, end);
	CHECK(d);
	p += head + n;
	goto after_value;

array:
	is_map = false;
	goto open;
map:
	is_map = true;
open:
	NEED(head);
	p += head;
	if (unlikely(w->depth == w->max_depth))
		FAIL(JSON_WRITER_TOO_DEEP);
	if (unlikely(n == 0 && !(w->open && w->depth == 0))) {
		memcpy(d, is_map ? "{}" : "[]", 2);
		d += 2;
		if (unlikely(as_key))
			goto quote;
		goto after_value;
	}
	lv = push_level(w, n, is_map, (size_t)(end - p));
	CHECK(lv);
	*d++ = is_map ? '{' : '[';
	if (unlikely(as_key)) {
		lv->is_key = w->in_key = true;
		lv->key_start = start;
		as_key = false;
	}
	goto next;

close:
	if (w->depth == 1 && w->open)
		goto done;
	if (lv->is_map) {
		if (unlikely(lv->is_large))
			CHECK(json_key_sort(w, lv));
		w->key_count = lv->first_key;
	}
	d[-1] = lv->is_map ? '}' : ']'; /* in place of the last comma: an open level has had an element */
	w->depth--;
	if (likely(!lv->is_key))
		goto after_value;
	start = lv->key_start;
	w->in_key = false;
quote:
	as_key = false;
	d = json_key_quote(w, d, start);
	CHECK(d);
	lv = &w->level[w->depth - 1];
	goto hash_key;

done:
	d = json_writer_end(w, d);
	CHECK(d);
	w->out->n = (size_t)(d - w->out->p);
	*pp = p;
	return JSON_WRITER_DONE;
failed:
	return w->status;
}
