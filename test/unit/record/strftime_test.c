#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/time_format.h"

#include "record/time_text.h"

#include <stdio.h>

/* What Time#strftime of Ruby 3.1 answers. */
static const struct row {
	const char *format;
	int64_t sec;
	uint32_t nsec;
	int32_t offset;
	const char *zone;
	const char *want;
} rows[] = {
	{"%Y", 1786061103, 123456789, 32400, NULL, "2026"},
	{"%C", 1786061103, 123456789, 32400, NULL, "20"},
	{"%y", 1786061103, 123456789, 32400, NULL, "26"},
	{"%m", 1786061103, 123456789, 32400, NULL, "08"},
	{"%B", 1786061103, 123456789, 32400, NULL, "August"},
	{"%b", 1786061103, 123456789, 32400, NULL, "Aug"},
	{"%h", 1786061103, 123456789, 32400, NULL, "Aug"},
	{"%d", 1786061103, 123456789, 32400, NULL, "07"},
	{"%e", 1786061103, 123456789, 32400, NULL, " 7"},
	{"%j", 1786061103, 123456789, 32400, NULL, "219"},
	{"%H", 1786061103, 123456789, 32400, NULL, "09"},
	{"%k", 1786061103, 123456789, 32400, NULL, " 9"},
	{"%I", 1786061103, 123456789, 32400, NULL, "09"},
	{"%l", 1786061103, 123456789, 32400, NULL, " 9"},
	{"%M", 1786061103, 123456789, 32400, NULL, "05"},
	{"%S", 1786061103, 123456789, 32400, NULL, "03"},
	{"%L", 1786061103, 123456789, 32400, NULL, "123"},
	{"%N", 1786061103, 123456789, 32400, NULL, "123456789"},
	{"%z", 1786061103, 123456789, 32400, NULL, "+0900"},
	{"%:z", 1786061103, 123456789, 32400, NULL, "+09:00"},
	{"%::z", 1786061103, 123456789, 32400, NULL, "+09:00:00"},
	{"%:::z", 1786061103, 123456789, 32400, NULL, "+09"},
	{"%Z", 1786061103, 123456789, 32400, NULL, ""},
	{"%A", 1786061103, 123456789, 32400, NULL, "Friday"},
	{"%a", 1786061103, 123456789, 32400, NULL, "Fri"},
	{"%u", 1786061103, 123456789, 32400, NULL, "5"},
	{"%w", 1786061103, 123456789, 32400, NULL, "5"},
	{"%G", 1786061103, 123456789, 32400, NULL, "2026"},
	{"%g", 1786061103, 123456789, 32400, NULL, "26"},
	{"%V", 1786061103, 123456789, 32400, NULL, "32"},
	{"%U", 1786061103, 123456789, 32400, NULL, "31"},
	{"%W", 1786061103, 123456789, 32400, NULL, "31"},
	{"%p", 1786061103, 123456789, 32400, NULL, "AM"},
	{"%P", 1786061103, 123456789, 32400, NULL, "am"},
	{"%s", 1786061103, 123456789, 32400, NULL, "1786061103"},
	{"%n", 1786061103, 123456789, 32400, NULL, "\n"},
	{"%t", 1786061103, 123456789, 32400, NULL, "\t"},
	{"%%", 1786061103, 123456789, 32400, NULL, "%"},
	{"%F", 1786061103, 123456789, 32400, NULL, "2026-08-07"},
	{"%T", 1786061103, 123456789, 32400, NULL, "09:05:03"},
	{"%D", 1786061103, 123456789, 32400, NULL, "08/07/26"},
	{"%R", 1786061103, 123456789, 32400, NULL, "09:05"},
	{"%r", 1786061103, 123456789, 32400, NULL, "09:05:03 AM"},
	{"%c", 1786061103, 123456789, 32400, NULL, "Fri Aug  7 09:05:03 2026"},
	{"%x", 1786061103, 123456789, 32400, NULL, "08/07/26"},
	{"%X", 1786061103, 123456789, 32400, NULL, "09:05:03"},
	{"%v", 1786061103, 123456789, 32400, NULL, " 7-AUG-2026"},
	{"%Y", -62202211200, 0, 0, "UTC", "-0002"},
	{"%C", -62202211200, 0, 0, "UTC", "-1"},
	{"%y", -62202211200, 0, 0, "UTC", "98"},
	{"%G", -62202211200, 0, 0, "UTC", "-0002"},
	{"%g", -62202211200, 0, 0, "UTC", "98"},
	{"%F", -62202211200, 0, 0, "UTC", "-0002-11-22"},
	{"%v", -62202211200, 0, 0, "UTC", "22-NOV--002"},
	{"%5Y", -62202211200, 0, 0, "UTC", "-0002"},
	{"%-Y", -62202211200, 0, 0, "UTC", "-2"},
	{"%_6Y", -62202211200, 0, 0, "UTC", "    -2"},
	{"%s", -62202211200, 0, 0, "UTC", "-62202211200"},
	{"%j", -62202211200, 0, 0, "UTC", "326"},
	{"%z", 1786104003, 5000000, 0, "UTC", "+0000"},
	{"%:z", 1786104003, 5000000, 0, "UTC", "+00:00"},
	{"%-z", 1786104003, 5000000, 0, "UTC", "-0000"},
	{"%-:z", 1786104003, 5000000, 0, "UTC", "-00:00"},
	{"%Z", 1786104003, 5000000, 0, "UTC", "UTC"},
	{"%#Z", 1786104003, 5000000, 0, "UTC", "utc"},
	{"%5Z", 1786104003, 5000000, 0, "UTC", "  UTC"},
	{"%-5Z", 1786104003, 5000000, 0, "UTC", "UTC"},
	{"%I:%M%p", 1786104003, 5000000, 0, "UTC", "12:00PM"},
	{"%l", 1786104003, 5000000, 0, "UTC", "12"},
	{"%k", 1786104003, 5000000, 0, "UTC", "12"},
	{"%V", 1786104003, 5000000, 0, "UTC", "32"},
	{"%U", 1786104003, 5000000, 0, "UTC", "31"},
	{"%z", 951782399, 999999999, -12600, NULL, "-0330"},
	{"%:z", 951782399, 999999999, -12600, NULL, "-03:30"},
	{"%::z", 951782399, 999999999, -12600, NULL, "-03:30:00"},
	{"%:::z", 951782399, 999999999, -12600, NULL, "-03:30"},
	{"%10z", 951782399, 999999999, -12600, NULL, "-000000330"},
	{"%_10z", 951782399, 999999999, -12600, NULL, "      -330"},
	{"%_z", 951782399, 999999999, -12600, NULL, " -330"},
	{"%-z", 951782399, 999999999, -12600, NULL, "-0330"},
	{"%_:z", 951782399, 999999999, -12600, NULL, " -3:30"},
	{"%L", 951782399, 999999999, -12600, NULL, "999"},
	{"%N", 951782399, 999999999, -12600, NULL, "999999999"},
	{"%3N", 951782399, 999999999, -12600, NULL, "999"},
	{"%6N", 951782399, 999999999, -12600, NULL, "999999"},
	{"%12N", 951782399, 999999999, -12600, NULL, "999999999000"},
	{"%H", 951782399, 999999999, -12600, NULL, "20"},
	{"%z", -1, 0, -1800, NULL, "-0030"},
	{"%_z", -1, 0, -1800, NULL, " -030"},
	{"%:::z", -1, 0, -1800, NULL, "-00:30"},
	{"%_:z", -1, 0, -1800, NULL, " -0:30"},
	{"%F", -1, 0, -1800, NULL, "1969-12-31"},
	{"%T", -1, 0, -1800, NULL, "23:29:59"},
	{"%s", -1, 0, -1800, NULL, "-1"},
	{"%P", -1, 0, -1800, NULL, "pm"},
	{"%z", 4102444800, 1, 49530, NULL, "+1345"},
	{"%::z", 4102444800, 1, 49530, NULL, "+13:45:30"},
	{"%:::z", 4102444800, 1, 49530, NULL, "+13:45:30"},
	{"%_12::z", 4102444800, 1, 49530, NULL, "   +13:45:30"},
	{"%F", 4102444800, 1, 49530, NULL, "2100-01-01"},
	{"%G-W%V-%u", 1767225600, 0, 0, "UTC", "2026-W01-4"},
	{"%G-W%V-%u", 1735603200, 0, 0, "UTC", "2025-W01-2"},
	{"%G-W%V-%u", 1768694400, 0, 0, "UTC", "2026-W03-7"},
	{"%U", 1767225600, 0, 0, "UTC", "00"},
	{"%U", 1735603200, 0, 0, "UTC", "52"},
	{"%U", 1768694400, 0, 0, "UTC", "03"},
	{"%W", 1767225600, 0, 0, "UTC", "00"},
	{"%W", 1735603200, 0, 0, "UTC", "53"},
	{"%W", 1768694400, 0, 0, "UTC", "02"},
	{"%j", 1767225600, 0, 0, "UTC", "001"},
	{"%j", 1735603200, 0, 0, "UTC", "366"},
	{"%j", 1768694400, 0, 0, "UTC", "018"},
	{"%-j", 1767225600, 0, 0, "UTC", "1"},
	{"%-j", 1735603200, 0, 0, "UTC", "366"},
	{"%-j", 1768694400, 0, 0, "UTC", "18"},
	{"%^a", 1767225600, 0, 0, "UTC", "THU"},
	{"%^a", 1735603200, 0, 0, "UTC", "TUE"},
	{"%^a", 1768694400, 0, 0, "UTC", "SUN"},
	{"%Y-%m-%dT%H:%M:%S.%3N%:z", 1786061103, 123456789, 32400, NULL, "2026-08-07T09:05:03.123+09:00"},
	{"%Y.%m.%d", 1786061103, 123456789, 32400, NULL, "2026.08.07"},
	{"logs-%Y.%m.%d-%H", 1786061103, 123456789, 32400, NULL, "logs-2026.08.07-09"},
	{"%-m/%-d/%-y", 1786061103, 123456789, 32400, NULL, "8/7/26"},
	{"%^A %#B %^b %#a", 1786061103, 123456789, 32400, NULL, "FRIDAY AUGUST AUG FRI"},
	{"%10A|%-10A|%010A|%_10A", 1786061103, 123456789, 32400, NULL, "    Friday|Friday|0000Friday|    Friday"},
	{"%^10A", 1786061103, 123456789, 32400, NULL, "    FRIDAY"},
	{"%05d %_5d %-d %0e %-e", 1786061103, 123456789, 32400, NULL, "00007     7 7 07 7"},
	{"%#p %^P %#P %5p", 1786061103, 123456789, 32400, NULL, "am AM AM    AM"},
	{"%30c|%030c|%-30c|%^c", 1786061103, 123456789, 32400, NULL,
		"      Fri Aug  7 09:05:03 2026|000000Fri Aug  7 09:05:03 2026|      Fri Aug  7 09:05:03 2026|FRI AUG  "
		"7 09:05:03 2026"},
	{"%1d %0d %00005d", 1786061103, 123456789, 32400, NULL, "7 07 00007"},
	{"%15s %_15s", 1786061103, 123456789, 32400, NULL, "000001786061103      1786061103"},
	{"%5%|%05%|%-5%", 1786061103, 123456789, 32400, NULL, "    %|0000%|%"},
	{"%5n|", 1786061103, 123456789, 32400, NULL, "    \n|"},
	{"%Ey %OH %EH %Oz %E %O", 1786061103, 123456789, 32400, NULL, "26 09 %EH %Oz %E %O"},
	{"%! %i %5! %-! %::::z %:x", 1786061103, 123456789, 32400, NULL, "%! %i %5! %-! %::::z %:x"},
	{"%10-d %5^a %3_d", 1786061103, 123456789, 32400, NULL, "%10-d %5^a %3_d"},
	{"%_3N %-3N %-N %0N", 1786061103, 123456789, 32400, NULL, "123 123 123456789 123456789"},
	{"%^#a %#^a %_-d %-_d %-0d", 1786061103, 123456789, 32400, NULL, "FRI FRI 7 7 7"},
	{"%2Y %12F %_12T", 1786061103, 123456789, 32400, NULL, "2026   2026-08-07     09:05:03"},
	{"é%Y", 1786061103, 123456789, 32400, NULL, "é2026"},
	{"plain", 1786061103, 123456789, 32400, NULL, "plain"},
	{"", 1786061103, 123456789, 32400, NULL, ""},
};

/* DateTime#strftime has these besides; names of zones are the caller's. */
static const struct row beyond[] = {
	{"%Q", 1786104000, 123999999, 0, "UTC", "1786104000123"},
	{"%Q", -1, 500000000, 0, "UTC", "-500"},
	{"%20Q", 1, 0, 0, "UTC", "00000000000000001000"},
	{"%+", 1786104000, 0, 32400, "JST", "Fri Aug  7 21:00:00 JST 2026"},
	{"%Z|%#Z|%^Z|%5Z|%z", 0, 0, 7200, "Cest", "Cest|cest|CEST| Cest|+0200"},
	{"%Z %-z", 0, 0, 0, "GMT", "GMT +0000"},
	{"%1025d", 0, 0, 0, "UTC", "%1025d"},
	{"%99999999999999999999d", 0, 0, 0, "UTC", "%99999999999999999999d"},
	{"%", 0, 0, 0, "UTC", "%"},
	{"100%", 0, 0, 0, "UTC", "100%"},
	{"%-", 0, 0, 0, "UTC", "%-"},
	/* times that only a liar can mean */
	{"%Q", INT64_MAX, 999999999, 0, "UTC", "9223372036854775807"},
	{"%Q", INT64_MIN, 0, 0, "UTC", "-9223372036854775808"},
	{"%s", INT64_MIN, 0, -86399, NULL, "-9000000000000000000"},
	{"%G", INT64_MAX, 0, 86399, NULL, "285198648531"},
};

static void check(const struct row *row)
{
	struct buf b;
	struct time_zone zone = {.offset = row->offset, .name = row->zone};
	buf_init(&b, 4096);
	assert_true(time_format_put(&b, row->format, (struct event_time){row->sec, row->nsec}, zone));
	if (strcmp(buf_cstr(&b), row->want) != 0)
		fail_msg("'%s' of %lld: '%s'", row->format, (long long)row->sec, buf_cstr(&b));
	buf_free(&b);
}

static void test_as_ruby(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		check(&rows[i]);
}

static void test_beyond_ruby(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
		check(&beyond[i]);
}

static void test_widest(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 2000);
	assert_true(time_format_put(&b, "%1024N", (struct event_time){0, 5}, TIME_ZONE_UTC));
	assert_int_equal(b.n, 1024);
	assert_memory_equal(b.p, "0000000050", 10);
	assert_false(time_format_put(&b, "%1024d", (struct event_time){0, 5}, TIME_ZONE_UTC));
	assert_true(b.failed);
	buf_free(&b);
}

/* What is written with these is read back as the same time, over some 300 years. */
static void test_there_and_back(void **state)
{
	(void)state;
	static const char *const formats[] = {
		"%Y-%m-%dT%H:%M:%S.%N%z", "%s.%N", "%c %::z %N", "%Y %j %k %M %S %L%z", "%d/%b/%y:%I:%M:%S %p %z"};
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		struct time_format *f = time_format_new(formats[i]);
		struct buf b;
		buf_init(&b, 200);
		for (int64_t sec = i == 4 ? 0 : -4000000000; sec < (i == 4 ? 3000000000 : 5000000000); sec += 7654321) {
			struct event_time t = {sec, i == 4 ? 0 : i == 3 ? 120000000 : 123456789};
			struct time_zone zone = {.offset = (int32_t)(sec % 1000 * 60)};
			struct time_parsed got;
			if (i == 1 && sec < 0)
				continue; /* there the fraction is counted from zero on */
			buf_clear(&b);
			assert_true(time_format_put(&b, formats[i], t, zone));
			if (!time_format_parse(f, buf_span(&b), t, 0, &got) || got.time.sec != sec ||
				got.time.nsec != t.nsec)
				fail_msg("'%s': '%s'", formats[i], buf_cstr(&b));
		}
		buf_free(&b);
		time_format_free(f);
	}
}

/* ISO weeks and days of the year, day by day, against counting. */
static void test_weeks_by_counting(void **state)
{
	(void)state;
	struct buf b;
	int week = 1, year = 2001, wday = 1; /* 2001-01-01 was the Monday of week 1 */
	buf_init(&b, 200);
	for (int64_t day = 11323; day < 11323 + 36525; day++) {
		char want[40];
		buf_clear(&b);
		time_format_put(&b, "%G %V %u", (struct event_time){day * 86400, 0}, TIME_ZONE_UTC);
		snprintf(want, sizeof want, "%d %02d %d", year, week, wday);
		assert_string_equal(buf_cstr(&b), want);
		if (++wday <= 7)
			continue;
		wday = 1;
		struct civil thursday;
		civil_from_seconds((day + 4) * 86400, &thursday);
		week = thursday.year == year ? week + 1 : 1;
		year = (int)thursday.year;
	}
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_ruby),
		cmocka_unit_test(test_beyond_ruby),
		cmocka_unit_test(test_widest),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_weeks_by_counting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
