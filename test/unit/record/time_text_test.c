#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/time_text.h"

#include "bytes_util.h"

#include <stdio.h>
#include <time.h>

static void check_civil(int64_t sec)
{
	struct civil c;
	struct tm tm;
	const time_t t = (time_t)sec;
	civil_from_seconds(sec, &c);
	assert_non_null(gmtime_r(&t, &tm));
	assert_int_equal(c.year, tm.tm_year + 1900ll);
	assert_int_equal(c.month, tm.tm_mon + 1);
	assert_int_equal(c.day, tm.tm_mday);
	assert_int_equal(c.hour, tm.tm_hour);
	assert_int_equal(c.minute, tm.tm_min);
	assert_int_equal(c.second, tm.tm_sec);
	assert_int_equal(c.yday, tm.tm_yday + 1);
	assert_int_equal(c.wday, tm.tm_wday);
	assert_int_equal(civil_to_seconds(c.year, c.month, c.day, c.hour, c.minute, c.second), sec);
}

static void test_civil(void **state)
{
	(void)state;
	struct random r = {1};
	static const int64_t edges[] = {0, -1, 1, 86399, 86400, -86400, -86401, 951782399, 951782400, 951868799,
		951868800, 4107542399, 4107542400, 253402300799, 253402300800, -62167219200, -62167219201, -62135596800,
		INT32_MAX, INT32_MIN, UINT32_MAX, 67767976233532799, -67768040609740800};
	for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
		check_civil(edges[i]);
	for (int i = 0; i < 200000; i++) {
		const int64_t sec = (int64_t)(random_next(&r) >> (9 + random_below(&r, 40))) - (1 << 20);
		check_civil(sec);
		check_civil(-sec);
		check_civil(sec / 86400 * 86400 - random_below(&r, 2));
	}
}

static void assert_text(struct time_text *cache, struct event_time t, unsigned digits, const char *want)
{
	char text[TIME_TEXT_MAX + 1] = {0};
	const size_t n = time_text_put(cache, t, digits, text);
	text[n] = 0;
	assert_string_equal(text, want);
}

static void test_text(void **state)
{
	(void)state;
	struct time_text cache = {0};
	const struct event_time t = {1700000000, 123456789};
	static const char *const want[] = {"2023-11-14T22:13:20Z", "2023-11-14T22:13:20.1Z", "2023-11-14T22:13:20.12Z",
		"2023-11-14T22:13:20.123Z", "2023-11-14T22:13:20.1234Z", "2023-11-14T22:13:20.12345Z",
		"2023-11-14T22:13:20.123456Z", "2023-11-14T22:13:20.1234567Z", "2023-11-14T22:13:20.12345678Z",
		"2023-11-14T22:13:20.123456789Z"};
	for (unsigned digits = 0; digits < 10; digits++)
		assert_text(&cache, t, digits, want[digits]);
	assert_text(&cache, t, 12, want[9]);
	assert_text(&cache, (struct event_time){1700000000, 0}, 9, "2023-11-14T22:13:20.000000000Z");
	assert_text(&cache, (struct event_time){0, 999999999}, 9, "1970-01-01T00:00:00.999999999Z");
	assert_text(&cache, (struct event_time){-1, 5}, 9, "1969-12-31T23:59:59.000000005Z");
	assert_text(&cache, (struct event_time){-62167219200, 0}, 0, "0000-01-01T00:00:00Z");
	assert_text(&cache, (struct event_time){-62167219201, 0}, 0, "0000-01-01T00:00:00Z");
	assert_text(&cache, (struct event_time){253402300799, 0}, 0, "9999-12-31T23:59:59Z");
	assert_text(&cache, (struct event_time){253402300800, 0}, 0, "9999-12-31T23:59:59Z");
	assert_text(&cache, (struct event_time){INT64_MIN, 0}, 0, "0000-01-01T00:00:00Z");
	assert_text(&cache, (struct event_time){INT64_MAX, 0}, 0, "9999-12-31T23:59:59Z");
	/* An empty cache must not be taken for the second 0. */
	struct time_text fresh = {0};
	assert_text(&fresh, (struct event_time){0, 0}, 0, "1970-01-01T00:00:00Z");
}

static void test_random_text(void **state)
{
	(void)state;
	struct random r = {2};
	struct time_text cache = {0};
	struct event_time t = {0, 0};
	for (int i = 0; i < 50000; i++) {
		char date[64], want[96];
		struct tm tm;
		if (random_below(&r, 3) == 0)
			t.sec = (int64_t)(random_next(&r) % 250000000000) - 60000000000;
		t.nsec = (uint32_t)(random_next(&r) % 1000000000);
		const time_t sec = (time_t)t.sec;
		gmtime_r(&sec, &tm);
		snprintf(date, sizeof date, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
			tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		snprintf(want, sizeof want, "%s.%09uZ", date, t.nsec);
		assert_text(&cache, t, 9, want);
	}
}

static void test_ext(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		int type;
		struct event_time want;
		bool good;
	} rows[] = {
		{"6553f100 075bcd15", 0, {1700000000, 123456789}, true},
		{"00000000 00000000", 0, {0, 0}, true},
		{"ffffffff ffffffff", 0, {4294967299, 294967295}, true},
		{"6553f100", 0, {0, 0}, false},
		{"6553f100", -1, {1700000000, 0}, true},
		{"00000014 6553f100", -1, {1700000000, 5}, true},
		{"ffffffff ffffffff", -1, {17179869184, 73741823}, true},
		{"3b9ac9ff ffffffffffffffff", -1, {-1, 999999999}, true},
		{"3b9aca00 7fffffffffffffff", -1, {INT64_MAX, 0}, true},
		{"ffffffffffffffff 00000001", 5, {-1, 1}, true},
		{"ffffffffffffffff", 5, {0, 0}, false},
		{"6553f100 075bcd15", 1, {0, 0}, false},
		{"", -1, {0, 0}, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct span body = exact_hex(rows[i].hex);
		struct event_time t = {0, 0};
		assert_int_equal(time_text_from_ext(rows[i].type, body, &t), rows[i].good);
		if (rows[i].good) {
			assert_int_equal(t.sec, rows[i].want.sec);
			assert_int_equal(t.nsec, rows[i].want.nsec);
		}
		exact_free(body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_civil),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_random_text),
		cmocka_unit_test(test_ext),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
