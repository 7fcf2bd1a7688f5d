#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/utf8.h"

/*
 * The naive table: every scalar value is encoded as Unicode's table 3-6 says; what comes out is well-formed, and every
 * beginning of it is a beginning of something well-formed. Nothing else is.
 */
static uint8_t whole1[1 << 8], whole2[1 << 16], whole3[1 << 24];
static uint8_t begin1[1 << 8], begin2[1 << 16], begin3[1 << 24];

static size_t encode(uint32_t c, uint8_t out[4])
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)((0xf00U >> n) | c);
	return n;
}

static uint32_t index_of(const uint8_t *p, size_t n)
{
	uint32_t v = 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static int make_table(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		uint8_t p[4];
		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		size_t n = encode(c, p);
		begin1[p[0]] = 1;
		if (n > 1)
			begin2[index_of(p, 2)] = 1;
		if (n > 2)
			begin3[index_of(p, 3)] = 1;
		if (n == 1)
			whole1[p[0]] = 1;
		else if (n == 2)
			whole2[index_of(p, 2)] = 1;
		else if (n == 3)
			whole3[index_of(p, 3)] = 1;
	}
	return 0;
}

static size_t naive_len(const uint8_t *p, size_t n)
{
	if (whole1[p[0]])
		return 1;
	if (n >= 2 && whole2[index_of(p, 2)])
		return 2;
	if (n >= 3 && whole3[index_of(p, 3)])
		return 3;
	return n >= 4 && p[0] >= 0xf0 && begin3[index_of(p, 3)] && p[3] >= 0x80 && p[3] <= 0xbf ? 4 : 0;
}

static size_t naive_bad_len(const uint8_t *p, size_t n)
{
	size_t len = 1;
	if (n >= 2 && begin2[index_of(p, 2)])
		len = 2;
	if (n >= 3 && len == 2 && begin3[index_of(p, 3)])
		len = 3;
	return len;
}

static void check(const uint8_t *p, size_t n)
{
	size_t want = naive_len(p, n);
	size_t got = utf8_len(p, n);
	if (got != want)
		fail_msg("%02x %02x %02x %02x of %zu: length %zu", p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0,
			n > 3 ? p[3] : 0, n, got);
	if (want == 0 && utf8_bad_len(p, n) != naive_bad_len(p, n))
		fail_msg("%02x %02x %02x %02x of %zu: bad length %zu", p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0,
			n > 3 ? p[3] : 0, n, utf8_bad_len(p, n));
	bool valid = true;
	for (size_t i = 0; i < n && valid;) {
		size_t len = naive_len(p + i, n - i);
		valid = len > 0;
		i += len;
	}
	if (utf8_valid(span_of(p, n)) != valid)
		fail_msg("%02x %02x %02x %02x of %zu: must be %d", p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0,
			n > 3 ? p[3] : 0, n, valid);
}

static void test_all_short_sequences(void **state)
{
	(void)state;
	for (uint32_t v = 0; v < 1U << 24; v++) {
		uint8_t p[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
		check(p, 3);
		if ((v & 0xff) == 0)
			check(p, 2);
		if ((v & 0xffff) == 0)
			check(p, 1);
	}
}

static void test_four_bytes(void **state)
{
	(void)state;
	uint8_t p[4];
	for (uint32_t c = 0x10000; c <= 0x10ffff; c += 7) {
		encode(c, p);
		check(p, 4);
	}
	uint32_t r = 1;
	for (int i = 0; i < 2000000; i++) {
		r = r * 1664525 + 1013904223;
		p[0] = (uint8_t)(0xee + (r >> 28));
		p[1] = (uint8_t)(0x7c + (r >> 21) % 0x48);
		p[2] = (uint8_t)(0x7c + (r >> 14) % 0x48);
		p[3] = (uint8_t)(0x7c + (r >> 7) % 0x48);
		check(p, 4);
	}
}

/* The quick way over ASCII, eight bytes at a time, must not jump over anything. */
static void test_every_place_of_a_bad_byte(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 40; n++) {
		uint8_t p[40];
		memset(p, 'a', sizeof p);
		assert_true(utf8_valid(span_of(p, n)));
		for (size_t at = 0; at < n; at++) {
			p[at] = 0x80;
			assert_false(utf8_valid(span_of(p, n)));
			p[at] = 0xc3;
			assert_false(utf8_valid(span_of(p, n)));
			if (at + 1 < n) {
				p[at + 1] = 0xa9;
				assert_true(utf8_valid(span_of(p, n)));
				p[at + 1] = 'a';
			}
			p[at] = 'a';
		}
	}
	assert_true(utf8_valid(span_of(NULL, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_short_sequences),
		cmocka_unit_test(test_four_bytes),
		cmocka_unit_test(test_every_place_of_a_bad_byte),
	};
	return cmocka_run_group_tests(tests, make_table, NULL);
}
