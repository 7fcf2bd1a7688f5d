#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/json_number.h"

#include "record/json_put.h"
#include "bytes_util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void assert_double(double v, const char *want)
{
	char text[JSON_NUMBER_MAX + 1];
	size_t n = json_format_double(v, text);
	assert_true(n <= JSON_NUMBER_MAX);
	text[n] = 0;
	assert_string_equal(text, want);
}

static void test_table(void **state)
{
	(void)state;
	static const struct {
		double v;
		const char *text;
	} cases[] = {
		{0.0, "0.0"},
		{-0.0, "-0.0"},
		{1.0, "1.0"},
		{-1.0, "-1.0"},
		{10.0, "10.0"},
		{0.5, "0.5"},
		{0.1, "0.1"},
		{-0.3, "-0.3"},
		{123.456, "123.456"},
		{0.1 + 0.2, "0.30000000000000004"},
		{1e15, "1000000000000000.0"},
		{9007199254740991.0, "9007199254740991.0"},
		{9007199254740993.0, "9007199254740992.0"},
		{1e16, "1.0e16"},
		{1.5e16, "1.5e16"},
		{1e21, "1.0e21"},
		{1e22, "1.0e22"},
		{1e23, "1.0e23"},
		{0.0001, "0.0001"},
		{0.00012, "0.00012"},
		{0.00001, "1.0e-5"},
		{1.5e-7, "1.5e-7"},
		{1e300, "1.0e300"},
		{5e-324, "5.0e-324"},
		{2.2250738585072009e-308, "2.225073858507201e-308"},
		{2.2250738585072014e-308, "2.2250738585072014e-308"},
		{1.7976931348623157e308, "1.7976931348623157e308"},
		{1700000000.123456, "1700000000.123456"},
		{1700000000.1234567, "1700000000.1234567"},
		{999999999.999999, "999999999.999999"},
		{0x1p-1022, "2.2250738585072014e-308"},
		{0x1p1023, "8.98846567431158e307"},
		{INFINITY, "null"},
		{-INFINITY, "null"},
		{NAN, "null"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_double(cases[i].v, cases[i].text);
}

/* Digits that count: no zeros before the first or after the last other digit. */
static size_t significant(const char *text, char *digits)
{
	size_t n = 0;
	for (; *text && *text != 'e'; text++)
		if (*text >= '0' && *text <= '9' && (n || *text != '0'))
			digits[n++] = *text;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	digits[n] = 0;
	return n;
}

/* Reads back as v, and no text of fewer digits does. */
static void assert_shortest(double v, const char *text, bool single)
{
	char digits[40], shorter[40], closest[40];
	size_t n = significant(text, digits);
	if (single)
		assert_true(strtof(text, NULL) == (float)v);
	else
		assert_true(strtod(text, NULL) == v);
	assert_true(signbit(strtod(text, NULL)) == signbit(v));
	assert_true(n <= 17);
	for (int k = 1; k < (int)n; k++) {
		snprintf(shorter, sizeof shorter, "%.*e", k - 1, v);
		if (single ? strtof(shorter, NULL) == (float)v : strtod(shorter, NULL) == v)
			fail_msg("%s is shorter than %s", shorter, text);
	}
	/* Of those with as many digits it is the one nearest to v, where that one reads back as v. */
	snprintf(shorter, sizeof shorter, "%.*e", (int)n - 1, v);
	significant(shorter, closest);
	if (single ? strtof(shorter, NULL) == (float)v : strtod(shorter, NULL) == v)
		assert_string_equal(digits, closest);
}

static void check_double(double v)
{
	char text[JSON_NUMBER_MAX + 1];
	size_t n = json_format_double(v, text);
	assert_true(n <= 25);
	text[n] = 0;
	if (v != 0 && isfinite(v))
		assert_shortest(v, text, false);
	assert_non_null(strpbrk(text, ".n")); /* a fraction, or null */
}

static double double_of_bits(uint64_t bits)
{
	double v;
	memcpy(&v, &bits, sizeof v);
	return v;
}

static void test_random_doubles(void **state)
{
	(void)state;
	struct random r = {20260807};
	for (int i = 0; i < 60000; i++) {
		uint64_t bits = random_next(&r);
		check_double(double_of_bits(bits));
		check_double(
			(double)(int64_t)(random_next(&r) >> random_below(&r, 64)) / pow(10, random_below(&r, 12)));
	}
}

/* Each binade's first number, where the interval is lopsided, and its neighbours; each power of ten. */
static void test_edges(void **state)
{
	(void)state;
	for (uint64_t e = 0; e < 0x7ff; e++) {
		check_double(double_of_bits(e << 52));
		check_double(double_of_bits((e << 52) + 1));
		check_double(double_of_bits((e << 52 | ((UINT64_C(1) << 52) - 1))));
	}
	for (int e = -323; e <= 308; e++) {
		char text[16];
		snprintf(text, sizeof text, "1e%d", e);
		double v = strtod(text, NULL);
		check_double(v);
		check_double(nextafter(v, INFINITY));
		check_double(nextafter(v, 0));
	}
}

static void test_floats(void **state)
{
	(void)state;
	struct random r = {7};
	char text[JSON_NUMBER_MAX + 1];
	for (uint32_t i = 0; i < 80000; i++) {
		uint32_t bits = i < 512 ? i << 23 : (uint32_t)(random_next(&r) >> 16);
		float f;
		memcpy(&f, &bits, sizeof f);
		size_t n = json_format_float(f, text);
		text[n] = 0;
		if (!isfinite(f))
			assert_string_equal(text, "null");
		else if (f != 0)
			assert_shortest((double)f, text, true);
	}
	assert_int_equal(json_format_float(0.1f, text), 3);
	assert_memory_equal(text, "0.1", 3);
	assert_int_equal(json_format_float(-0.0f, text), 4);
	assert_memory_equal(text, "-0.0", 4);
}

static void assert_integer(int64_t v)
{
	uint8_t text[24] = {0};
	char want[32];
	*json_put_i64(text, v) = 0;
	snprintf(want, sizeof want, "%lld", (long long)v);
	assert_string_equal((char *)text, want);
	if (v < 0)
		return;
	memset(text, 0, sizeof text);
	*json_put_u64(text, (uint64_t)v + ((uint64_t)1 << 63)) = 0;
	snprintf(want, sizeof want, "%llu", (unsigned long long)v + (1ULL << 63));
	assert_string_equal((char *)text, want);
}

static void test_integers(void **state)
{
	(void)state;
	struct random r = {99};
	int64_t power = 1;
	for (int i = 0; i < 19; i++, power = i < 19 ? power * 10 : power)
		for (int64_t d = -1; d <= 1; d++) {
			assert_integer(power + d);
			assert_integer(-(power + d));
		}
	assert_integer(INT64_MIN);
	assert_integer(INT64_MAX);
	for (int i = 0; i < 100000; i++)
		assert_integer((int64_t)(random_next(&r) >> random_below(&r, 64)));
	for (int i = 0; i < 20000; i++)
		assert_integer(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_random_doubles),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_floats),
		cmocka_unit_test(test_integers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
