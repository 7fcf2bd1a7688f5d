#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "elastic/doc_time.h"

#include "../record/bytes_util.h"
#include "record/json_get.h"

static const struct event_time event = {1700000000, 0};

static bool read_hex(const char *hex, struct event_time *t)
{
	struct span s = exact_hex(hex);
	*t = (struct event_time){-7, 7};
	const bool good = doc_time_read(s, NULL, event, t);
	exact_free(s);
	return good;
}

static bool read_string(const char *text, const struct time_format *format, struct event_time *t)
{
	uint8_t head[2] = {0xd9, (uint8_t)strlen(text)};
	struct buf b;
	buf_init(&b, 4096);
	buf_put(&b, head, 2);
	buf_put_str(&b, text);
	struct span s = exact_copy(b.p, b.n);
	*t = (struct event_time){-7, 7};
	const bool good = doc_time_read(s, format, event, t);
	exact_free(s);
	buf_free(&b);
	return good;
}

static void test_iso8601(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		struct event_time want;
	} rows[] = {
		{"2001-02-03T04:05:06.789Z", {981173106, 789000000}},
		{"2001-02-03T04:05:06Z", {981173106, 0}},
		{"2001-02-03t04:05:06z", {981173106, 0}},
		{"2001-02-03T04:05:06.123456789Z", {981173106, 123456789}},
		{"2001-02-03T04:05:06,5Z", {981173106, 500000000}},
		{"2001-02-03T04:05:06.1234567899999Z", {981173106, 123456789}},
		{"2001-02-03T04:05:06", {981173106, 0}},
		{"2001-02-03 04:05:06", {981173106, 0}},
		{"2001-02-03 04:05:06 UTC", {981173106, 0}},
		{"2001-02-03 04:05:06 GMT", {981173106, 0}},
		{"2001-02-03 04:05:06 +0900", {981140706, 0}},
		{"2001-02-03T04:05:06+09:00", {981140706, 0}},
		{"2001-02-03T04:05:06+09", {981140706, 0}},
		{"2001-02-03T04:05:06.25-03:30", {981185706, 250000000}},
		{"2001-02-03T23:30:00-05:00", {981261000, 0}},
		{"2001-02-03T04:05Z", {981173100, 0}},
		{"2001-02-03T04:05", {981173100, 0}},
		{"2001-02-03", {981158400, 0}},
		{"20010203", {981158400, 0}},
		{"20010203T040506Z", {981173106, 0}},
		{"20010203T040506.5+0900", {981140706, 500000000}},
		{"20010203040506", {981173106, 0}},
		{"1969-12-31T23:59:59.5Z", {-1, 500000000}},
		{"0000-01-01", {-62167219200, 0}},
		{"9999-12-31T23:59:59Z", {253402300799, 0}},
		{"2016-12-31T23:59:60Z", {1483228800, 0}}, /* a leap second is the next one's first moment */
		{"2001-02-03T24:00:00Z", {981244800, 0}},
		{"2000-02-29", {951782400, 0}},
		{"2024-02-29T00:00:00Z", {1709164800, 0}},
		/* epoch numbers in strings */
		{"981173106", {981173106, 0}},
		{"1700000000", {1700000000, 0}},
		{"1700000000123", {1700000000, 123000000}},
		{"1700000000123456", {1700000000, 123456000}},
		{"1700000000123456789", {1700000000, 123456789}},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct event_time t;
		if (!read_string(rows[i].text, NULL, &t) || t.sec != rows[i].want.sec || t.nsec != rows[i].want.nsec)
			fail_msg("%s: %lld.%09u", rows[i].text, (long long)t.sec, t.nsec);
	}
}

static void test_no_times(void **state)
{
	(void)state;
	static const char *const rows[] = {"", "junk", "2001", "2001-02", "2001-2-3", "2001-00-03", "2001-13-01",
		"2001-02-29", "1900-02-29", "2001-04-31", "2001-02-00", "2001-02-32", "2001-02-03T", "2001-02-03T04",
		"2001-02-03T04:", "2001-02-03T04:60", "2001-02-03T24:01", "2001-02-03T25:00", "2001-02-03T04:05:61",
		"2001-02-03T04:05:06.", "2001-02-03T04:05:06.Z", "2001-02-03T04:05:06ZZ", "2001-02-03T04:05:06 CET",
		"2001-02-03T04:05:06+9", "2001-02-03T04:05:06+24:00", "2001-02-03T04:05:06+09:60",
		"2001-02-03T04:05:06+09:00x", "2001-02-03x", "2001-0203", "200102-03", "12345678901234567890",
		"99999999999999999999", "Sat, 03 Feb 2001 04:05:06 +0900", " 2001-02-03", "2001-02-03T04:05:06 Z ",
		"1234567x9"};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct event_time t;
		if (read_string(rows[i], NULL, &t))
			fail_msg("'%s': %lld", rows[i], (long long)t.sec);
	}
}

static void test_other_types(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		bool good;
		struct event_time want;
	} rows[] = {
		{"ce 3a7b8332", true, {981173042, 0}}, {"00", true, {0, 0}}, {"ff", true, {-1, 0}},
		{"cf 0000018bcfe5687b", true, {1700000000, 123000000}}, {"cf 00060a24181e4000", true, {1700000000, 0}},
		{"cf 17979cfe362a0000", true, {1700000000, 0}}, {"d3 fffffe74301a9785", true, {-1700000001, 877000000}},
		{"cf ffffffffffffffff", false, {0, 0}}, {"cb 41cd3e0d99200000", true, {981211954, 250000000}},
		{"cb 3ff8000000000000", true, {1, 500000000}}, {"cb bff8000000000000", true, {-2, 500000000}},
		{"cb 7ff8000000000000", false, {0, 0}}, {"cb 7ff0000000000000", false, {0, 0}},
		{"cb 7fefffffffffffff", false, {0, 0}}, {"d700 6553f100 075bcd15", true, {1700000000, 123456789}},
		{"d6ff 6553f100", true, {1700000000, 0}}, {"c70c05 000000006553f100 00000001", true, {1700000000, 1}},
		{"d401 00", false, {0, 0}}, {"c0", false, {0, 0}}, {"c3", false, {0, 0}}, {"91 00", false, {0, 0}},
		{"80", false, {0, 0}}, {"ce 3a7b", false, {0, 0}}, {"", false, {0, 0}},
		{"c408 3230303130323033", true, {981158400, 0}}, /* bin */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct event_time t;
		const bool good = read_hex(rows[i].hex, &t);
		if (good != rows[i].good || (good && (t.sec != rows[i].want.sec || t.nsec != rows[i].want.nsec)))
			fail_msg("%s: %d %lld.%09u", rows[i].hex, good, (long long)t.sec, t.nsec);
	}
}

static void test_format(void **state)
{
	(void)state;
	struct event_time t;
	struct time_format *f = time_format_new("%Y-%m-%d %H:%M:%S");
	assert_true(read_string("2001-02-03 04:05:06", f, &t));
	assert_int_equal(t.sec, 981173106);
	assert_false(read_string("bad", f, &t));
	time_format_free(f);
	f = time_format_new("%s");
	struct span number = exact_hex("ce 3a7b8332");
	assert_true(doc_time_read(number, f, event, &t));
	assert_int_equal(t.sec, 981173042);
	exact_free(number);
	time_format_free(f);
}

/* No text makes a read beyond its end. */
static void test_cut(void **state)
{
	(void)state;
	static const char text[] = "2001-02-03T04:05:06.789+09:00";
	for (size_t n = 0; n < sizeof text; n++) {
		char part[sizeof text];
		struct event_time t;
		memcpy(part, text, n);
		part[n] = 0;
		const bool want = n == 10 || n == 16 || n == 19 || (n >= 21 && n <= 23) || n == 26 || n == 29;
		if (read_string(part, NULL, &t) != want)
			fail_msg("%s", part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iso8601),
		cmocka_unit_test(test_no_times),
		cmocka_unit_test(test_other_types),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
