/* Times that are read at sight are those that the general way reads. (What the general way reads is in vectors_test.c and record/strptime_test.c.) */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "parse/ruby_number.h"
#include "parse/time_fast.h"
#include "parse/time_reader.h"
#include "record/msgpack_put.h"
#include "record/time_format.h"
#include "record/time_guess.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 40000

static const struct event_time now = {1795400000, 5};
static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static const struct {
	const char *format, *text;
} forms[] = {
	{"%d/%b/%Y:%H:%M:%S %z", "28/Feb/2013:12:00:00 +0900"},
	{"%Y-%m-%dT%H:%M:%S.%L%z", "2020-10-10T00:10:00.333333333Z"},
	{"%Y-%m-%dT%H:%M:%S.%N%z", "2020-10-10T00:10:00.5-07:30"},
	{"%Y-%m-%dT%H:%M:%S%z", "2020-10-31T00:10:00+09:00"},
	{"%b %d %H:%M:%S", "Feb 28 12:00:00"},
	{"%b %d %H:%M:%S", "Dec  5 12:00:00"},
	{"%b %d %H:%M:%S.%N", "Feb 28 12:00:00.123"},
	{"%Y-%m-%d %H:%M:%S", "2026-08-07 12:34:56"},
	{"%Y-%m-%d %H:%M:%S,%L", "2026-08-07 12:34:56,789"},
	{"%Y%m%d%H%M%S", "20260807123456"},
	{"%iso8601", "2020-10-10T00:10:00.333Z"},
	{"%iso8601", "2020-10-10T00:10:00+09:00"},
	{"%iso8601", "2020-10-10T00:10:00"},
	{NULL, "2026-08-07T12:34:56.789Z"},
	{NULL, "2026-08-07 12:34:56"},
	{NULL, "2026-08-07 12:34:56.123+09:00"},
	{NULL, "2026-02-30T12:34:56-01:00"},
};

static void mutate(char *text, size_t n)
{
	static const char bytes[] = "0123456789 :-+./TZ,JanFebDec";
	for (uint64_t changes = next_random() % 3; changes; changes--)
		text[next_random() % n] = bytes[next_random() % (sizeof bytes - 1)];
}

static void at_sight_as_in_general(void **state)
{
	unsigned read = 0, of_them = 0;
	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct time_fast fast;
		struct time_format *format = forms[i].format ? time_format_new(forms[i].format) : NULL;
		time_fast_compile(&fast, forms[i].format);
		assert_true(fast.n > 0);
		for (int k = 0; k < ROUNDS; k++) {
			char text[64];
			struct time_fast_parsed got;
			struct time_parsed want = {0};
			snprintf(text, sizeof text, "%s", forms[i].text);
			size_t n = strlen(text);
			if (k)
				mutate(text, n);
			bool ok = time_fast_read(&fast, span_of(text, n), now.sec, &got);
			assert_true(ok || k); /* the form itself is read */
			if (!ok)
				continue;
			read++;
			of_them += k == 0;
			bool slow = format ? time_format_parse(format, span_of(text, n), now, 0, &want)
					   : time_guess(span_of(text, n), now, zone_utc(), &want.time);
			if (!slow || want.time.sec != got.time.sec || want.time.nsec != got.time.nsec)
				fail_msg("%s by %s: %lld.%u, in general %d %lld.%u", text,
					forms[i].format ? forms[i].format : "nothing", (long long)got.time.sec,
					got.time.nsec, slow, (long long)want.time.sec, want.time.nsec);
			if (format)
				assert_int_equal(want.has_zone, got.has_zone);
		}
		time_format_free(format);
	}
	assert_int_equal(of_them, sizeof forms / sizeof *forms);
	assert_true(read > 100000);
}

static void not_at_sight(void **state)
{
	static const char *const formats[] = {"%Y", "%s", "%H:%M:%S", "%y-%m-%d %H:%M:%S", "%Y-%m-%d %I:%M:%S %p",
		"%Y-%m-%d %H:%M:%S %Z", "%Y-%m-%m %d %H:%M:%S", "%b/%m %d %H:%M:%S", "%Y-%m-%d %H:%M:%S%f", "%",
		"%Y-%m-%d %H:%M:%S.%3N", "a very long format with a lot of text before %Y-%m-%d %H:%M:%S"};
	(void)state;
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		struct time_fast fast;
		time_fast_compile(&fast, formats[i]);
		assert_int_equal(fast.n, 0);
	}
}

static void zones_and_types(void **state)
{
	static const struct {
		struct time_reader_conf conf;
		const char *text, *want; /* NULL: no time */
	} cases[] = {
		{{.format = "%Y-%m-%d %H:%M:%S", .localtime = true}, "2026-08-07 12:00:00", "1786104000.000000000"},
		{{.format = "%Y-%m-%d %H:%M:%S", .localtime = true, .timezone = "Asia/Tokyo"}, "2026-08-07 12:00:00",
			"1786071600.000000000"},
		{{.format = "%Y-%m-%d %H:%M:%S", .localtime = true, .timezone = "-01:30"}, "2026-08-07 12:00:00",
			"1786109400.000000000"},
		{{.format = "%Y-%m-%d %H:%M:%S", .localtime = true, .timezone = "America/New_York"},
			"2026-11-01 01:30:00", "1793514600.000000000"},
		{{.format = "%b %d %H:%M:%S", .localtime = true, .timezone = "Asia/Tokyo"}, "Jan  2 00:00:00",
			"1767279600.000000000"},
		{{.format = "%Y-%m-%dT%H:%M:%S%z", .localtime = true, .timezone = "Asia/Tokyo"}, "2026-08-07T12:00:00Z",
			"1786104000.000000000"},
		{{.type = TIME_TYPE_UNIXTIME}, "1786104000.9", "1786104000.000000000"},
		{{.type = TIME_TYPE_FLOAT}, "1786104000.9", "1786104000.900000000"},
		{{.type = TIME_TYPE_FLOAT}, "1786104000.1234567891", "1786104000.123456789"},
		{{.type = TIME_TYPE_FLOAT}, "99999999999999999999", NULL},
		{{.format = "%Y-%m-%d", .localtime = true}, "x", NULL},
		{{.localtime = true}, "nonsense", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err;
		struct event_time t;
		char got[64] = "";
		struct time_reader *r = time_reader_new(&cases[i].conf, &err);
		if (!r)
			fail_msg("%s", err.text);
		bool ok = time_reader_text(r, span_str(cases[i].text), now, &t);
		assert_int_equal(ok, cases[i].want != NULL);
		if (ok) {
			snprintf(got, sizeof got, "%lld.%09u", (long long)t.sec, t.nsec);
			assert_string_equal(got, cases[i].want);
		}
		time_reader_free(r);
	}
}

/* Numbers as they come in JSON: their shortest text tells the fraction. */
static void numbers(void **state)
{
	static const struct {
		double d;
		int64_t sec;
		uint32_t nsec;
		bool ok;
	} cases[] = {{1500000000.123, 1500000000, 123000000, true}, {1500000000.1234567, 1500000000, 123456700, true},
		{0.5, 0, 500000000, true}, {0, 0, 0, true}, {1e-5, 0, 10000, true}, {-1.5, -1, 500000000, true},
		{123456789012.25, 123456789012, 250000000, true}, {1e30, 0, 0, false}, {1e-9, 0, 0, false}};
	struct err err;
	struct buf b;
	struct time_reader *r = time_reader_new(&(struct time_reader_conf){.type = TIME_TYPE_FLOAT}, &err);
	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct event_time t = {0};
		buf_clear(&b);
		mp_put_double(&b, cases[i].d);
		assert_int_equal(time_reader_value(r, buf_span(&b), now, &t), cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_int_equal(t.sec, cases[i].sec);
		assert_int_equal(t.nsec, cases[i].nsec);
	}
	time_reader_free(r);
	buf_free(&b);
}

static void ruby_numbers(void **state)
{
	static const struct {
		const char *text;
		int64_t i;
		double f;
		bool is_number;
	} cases[] = {{"12", 12, 12, true}, {" -12x", -12, -12, false}, {"1_000.5", 1000, 1000.5, true},
		{"_1", 0, 0, false}, {"1__2", 1, 1, false}, {"", 0, 0, false}, {"+", 0, 0, false}, {".5", 0, 0.5, true},
		{"5.", 5, 5, false}, {"1e3", 1, 1000, true}, {"1e", 1, 1, false}, {"-0.5e-2x", 0, -0.005, false},
		{" 5 ", 5, 5, true}, {"1e999", 1, HUGE_VAL, true}, {"0x1A", 0, 0, false}, {"nan", 0, 0, false}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ruby_int v = ruby_to_i(span_str(cases[i].text));
		assert_false(v.too_large);
		assert_int_equal(v.negative ? -(int64_t)v.magnitude : (int64_t)v.magnitude, cases[i].i);
		assert_true(ruby_to_f(span_str(cases[i].text)) == cases[i].f);
		assert_int_equal(ruby_is_number(span_str(cases[i].text)), cases[i].is_number);
	}
	assert_true(ruby_to_i(SPAN_LIT("18446744073709551616")).too_large);
	assert_false(ruby_to_i(SPAN_LIT("18446744073709551615")).too_large);
	assert_true(ruby_to_i(SPAN_LIT("-9223372036854775809")).too_large);
	assert_false(ruby_to_i(SPAN_LIT("-9223372036854775808")).too_large);
}

static int in_utc(void **state)
{
	(void)state;
	return setenv("TZ", "UTC", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_sight_as_in_general),
		cmocka_unit_test(not_at_sight),
		cmocka_unit_test(zones_and_types),
		cmocka_unit_test(numbers),
		cmocka_unit_test(ruby_numbers),
	};
	return cmocka_run_group_tests(tests, in_utc, NULL);
}
