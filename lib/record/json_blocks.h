/*
 * json_blocks.h: bytes in blocks of the machine's vector size: what in a block has to be looked at, and whether text is UTF-8. For json_put_simd.c only, which is compiled
 * once for each kind of machine.
 */
#ifndef WEIR_RECORD_JSON_BLOCKS_H
#define WEIR_RECORD_JSON_BLOCKS_H

#include "base/bytes.h"
#include "base/utf8.h"
#include "record/json_writer.h"

#define hot_inline static inline __attribute__((always_inline))

/* ---- blocks ------------------------------------------------------------------------------------------ */

/*
 * A block is BLOCK bytes; a mask has a bit for each of them, the first byte's being the lowest. What a str needs to
 * be looked at for: " and \ and 0x00-0x1f (RFC 8259, section 7: those must be escaped), and bytes from 0x80, which
 * must be UTF-8.
 */
#if defined(WEIR_AVX2)
#include <immintrin.h>
#define BLOCK 32
typedef __m256i block_t;

hot_inline block_t block_load(const uint8_t *p)
{
	return _mm256_loadu_si256((const __m256i_u *)p);
}

hot_inline void block_store(uint8_t *p, block_t b)
{
	_mm256_storeu_si256((__m256i_u *)p, b);
}

hot_inline block_t escaped_bytes(block_t b)
{
	block_t quote = _mm256_cmpeq_epi8(b, block_load(json_writer_bytes[JSON_QUOTES]));
	block_t slash = _mm256_cmpeq_epi8(b, block_load(json_writer_bytes[JSON_SLASHES]));
	block_t control = _mm256_cmpeq_epi8(_mm256_min_epu8(b, block_load(json_writer_bytes[JSON_CONTROLS])), b);
	return _mm256_or_si256(_mm256_or_si256(quote, slash), control);
}

hot_inline uint64_t mask_escaped(block_t b)
{
	return (uint32_t)_mm256_movemask_epi8(escaped_bytes(b));
}

hot_inline uint64_t mask_high(block_t b)
{
	return (uint32_t)_mm256_movemask_epi8(b);
}

hot_inline uint64_t mask_special(block_t b)
{
	return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(escaped_bytes(b), b));
}

hot_inline uint64_t mask_equal(block_t b, enum json_bytes which)
{
	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, block_load(json_writer_bytes[which])));
}

hot_inline uint64_t mask_dot_or_blank(block_t b)
{
	block_t dot = _mm256_cmpeq_epi8(b, block_load(json_writer_bytes[JSON_DOTS]));
	block_t blank = _mm256_cmpeq_epi8(b, block_load(json_writer_bytes[JSON_BLANKS]));
	return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(dot, blank));
}

#elif defined(__SSE2__) && !defined(WEIR_PORTABLE)
#include <emmintrin.h>
#define BLOCK 16
typedef __m128i block_t;

hot_inline block_t block_load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i_u *)p);
}

hot_inline void block_store(uint8_t *p, block_t b)
{
	_mm_storeu_si128((__m128i_u *)p, b);
}

hot_inline block_t escaped_bytes(block_t b)
{
	block_t quote = _mm_cmpeq_epi8(b, block_load(json_writer_bytes[JSON_QUOTES]));
	block_t slash = _mm_cmpeq_epi8(b, block_load(json_writer_bytes[JSON_SLASHES]));
	block_t control = _mm_cmpeq_epi8(_mm_min_epu8(b, block_load(json_writer_bytes[JSON_CONTROLS])), b);
	return _mm_or_si128(_mm_or_si128(quote, slash), control);
}

hot_inline uint64_t mask_escaped(block_t b)
{
	return (uint32_t)_mm_movemask_epi8(escaped_bytes(b));
}

hot_inline uint64_t mask_high(block_t b)
{
	return (uint32_t)_mm_movemask_epi8(b);
}

hot_inline uint64_t mask_special(block_t b)
{
	return (uint32_t)_mm_movemask_epi8(_mm_or_si128(escaped_bytes(b), b));
}

hot_inline uint64_t mask_dot_or_blank(block_t b)
{
	block_t dot = _mm_cmpeq_epi8(b, block_load(json_writer_bytes[JSON_DOTS]));
	block_t blank = _mm_cmpeq_epi8(b, block_load(json_writer_bytes[JSON_BLANKS]));
	return (uint32_t)_mm_movemask_epi8(_mm_or_si128(dot, blank));
}

#else
#define BLOCK	      8
typedef uint64_t block_t;
#define EVERY_BYTE(x) ((uint64_t)(x)*UINT64_C(0x0101010101010101))

hot_inline block_t block_load(const uint8_t *p)
{
	return le64_get(p);
}

hot_inline void block_store(uint8_t *p, block_t b)
{
	le64_put(p, b);
}

/* 0x80 in each byte of b that is 0, exactly (the shorter well-known formula errs above the first one). */
hot_inline uint64_t zero_bytes(uint64_t b)
{
	return ~(((b & EVERY_BYTE(0x7f)) + EVERY_BYTE(0x7f)) | b | EVERY_BYTE(0x7f));
}

/* The flags 0x80 of eight bytes to eight bits. */
hot_inline uint64_t gather(uint64_t flags)
{
	return (flags >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

hot_inline uint64_t escaped_bytes(block_t b)
{
	return zero_bytes(b ^ EVERY_BYTE('"')) | zero_bytes(b ^ EVERY_BYTE('\\')) | zero_bytes(b & EVERY_BYTE(0xe0));
}

hot_inline uint64_t mask_escaped(block_t b)
{
	return gather(escaped_bytes(b));
}

hot_inline uint64_t mask_high(block_t b)
{
	return gather(b & EVERY_BYTE(0x80));
}

hot_inline uint64_t mask_special(block_t b)
{
	return gather(escaped_bytes(b) | (b & EVERY_BYTE(0x80)));
}

hot_inline uint64_t mask_dot_or_blank(block_t b)
{
	return gather(zero_bytes(b ^ EVERY_BYTE('.')) | zero_bytes(b ^ EVERY_BYTE(' ')));
}
#endif

/* Bytes that must be readable behind a string that is copied in blocks. */
#define READ_SLACK (2 * BLOCK)

/* The lowest n bits, n <= BLOCK. */
hot_inline uint64_t low_bits(size_t n)
{
	return (UINT64_C(1) << n) - 1;
}

/* ---- UTF-8 ------------------------------------------------------------------------------------------- */

#if defined(WEIR_AVX2)
/*
 * J. Keiser and D. Lemire, "Validating UTF-8 in less than one instruction per byte" (2021): every error of two bytes
 * in a row shows in the high half of the first, its low half, and the high half of the second; three look-ups give
 * the errors that each of them allows, and what all three allow is there. Third and fourth bytes are checked by where
 * they must be.
 */
enum {
	TOO_SHORT = 1 << 0,   /* a lead byte, then no continuation */
	TOO_LONG = 1 << 1,    /* ASCII, then a continuation */
	OVERLONG_3 = 1 << 2,  /* e0 80-9f */
	TOO_LARGE = 1 << 3,   /* f4 90-bf, f5-ff */
	SURROGATE = 1 << 4,   /* ed a0-bf */
	OVERLONG_2 = 1 << 5,  /* c0, c1 */
	TOO_LARGE_2 = 1 << 6, /* f5-ff 80-8f */
	OVERLONG_4 = 1 << 6,  /* f0 80-8f */
	TWO_CONTS = 1 << 7,   /* two continuations: right only as third and fourth bytes */
	CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS,
};

hot_inline block_t table16(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint8_t e, uint8_t f, uint8_t g, uint8_t h,
	uint8_t i, uint8_t j, uint8_t k, uint8_t l, uint8_t m, uint8_t n, uint8_t o, uint8_t p)
{
#define S(x) (char)(x)
	return _mm256_setr_epi8(S(a), S(b), S(c), S(d), S(e), S(f), S(g), S(h), S(i), S(j), S(k), S(l), S(m), S(n),
		S(o), S(p), S(a), S(b), S(c), S(d), S(e), S(f), S(g), S(h), S(i), S(j), S(k), S(l), S(m), S(n), S(o),
		S(p));
#undef S
}

/* `b` moved up by n bytes, with the last bytes of the block before it shifted in. */
#define BEFORE(b, previous, n) _mm256_alignr_epi8(b, _mm256_permute2x128_si256(previous, b, 0x21), 16 - (n))

hot_inline block_t utf8_errors(block_t b, block_t previous)
{
	const block_t nibble = _mm256_set1_epi8(0x0f);
	const block_t one = BEFORE(b, previous, 1), two = BEFORE(b, previous, 2), three = BEFORE(b, previous, 3);
	const block_t first_high = table16(TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
		TOO_LONG, TWO_CONTS, TWO_CONTS, TWO_CONTS, TWO_CONTS, TOO_SHORT | OVERLONG_2, TOO_SHORT,
		TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | TOO_LARGE_2 | OVERLONG_4);
	const block_t first_low = table16(CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4, CARRY | OVERLONG_2, CARRY,
		CARRY, CARRY | TOO_LARGE, CARRY | TOO_LARGE | TOO_LARGE_2, CARRY | TOO_LARGE | TOO_LARGE_2,
		CARRY | TOO_LARGE | TOO_LARGE_2, CARRY | TOO_LARGE | TOO_LARGE_2, CARRY | TOO_LARGE | TOO_LARGE_2,
		CARRY | TOO_LARGE | TOO_LARGE_2, CARRY | TOO_LARGE | TOO_LARGE_2, CARRY | TOO_LARGE | TOO_LARGE_2,
		CARRY | TOO_LARGE | TOO_LARGE_2 | SURROGATE, CARRY | TOO_LARGE | TOO_LARGE_2,
		CARRY | TOO_LARGE | TOO_LARGE_2);
	const block_t second_high = table16(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
		TOO_SHORT, TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE_2 | OVERLONG_4,
		TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE,
		TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,
		TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT);
	block_t pairs = _mm256_shuffle_epi8(first_high, _mm256_and_si256(_mm256_srli_epi16(one, 4), nibble));
	pairs = _mm256_and_si256(pairs, _mm256_shuffle_epi8(first_low, _mm256_and_si256(one, nibble)));
	pairs = _mm256_and_si256(
		pairs, _mm256_shuffle_epi8(second_high, _mm256_and_si256(_mm256_srli_epi16(b, 4), nibble)));
	/* 0x80 where a third (lead >= e0 two before) or fourth byte (lead >= f0 three before) must be. */
	const block_t third = _mm256_subs_epu8(two, _mm256_set1_epi8((char)(0xe0 - 0x80)));
	const block_t fourth = _mm256_subs_epu8(three, _mm256_set1_epi8((char)(0xf0 - 0x80)));
	const block_t must = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
	return _mm256_xor_si256(must, pairs);
}

/* READ_SLACK bytes must be readable behind s + n. */
static bool text_is_utf8(const uint8_t *s, size_t n)
{
	block_t previous = _mm256_setzero_si256(), errors = previous;
	for (; n >= BLOCK; s += BLOCK, n -= BLOCK) {
		block_t b = block_load(s);
		errors = _mm256_or_si256(errors, utf8_errors(b, previous));
		previous = b;
	}
	/* The rest with zeros behind it: a sequence that is cut there is too short. */
	static const uint8_t window[2 * BLOCK] = {[0 ... BLOCK - 1] = 0xff};
	block_t rest = _mm256_and_si256(block_load(s), block_load(window + BLOCK - n));
	errors = _mm256_or_si256(errors, utf8_errors(rest, previous));
	return _mm256_testz_si256(errors, errors);
}
#else
static bool text_is_utf8(const uint8_t *s, size_t n)
{
	return utf8_valid(span_of(s, n));
}
#endif

#endif
