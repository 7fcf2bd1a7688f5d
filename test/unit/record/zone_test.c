#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/zone.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "record/time_text.h"

#include <stdlib.h>

/* ---- rules ---- */

static void offsets_by_rule(void **state)
{
	static const struct {
		const char *rule;
		int64_t year;
		unsigned month, day, hour; /* UTC */
		int32_t offset;
		const char *name;
	} cases[] = {
		{"UTC0", 2026, 1, 1, 0, 0, "UTC"},
		{"JST-9", 2026, 7, 1, 0, 32400, "JST"},
		{"<+0530>-5:30", 2026, 7, 1, 0, 19800, "+0530"},
		{"<-03>3", 2026, 7, 1, 0, -10800, "-03"},
		{"EST5EDT,M3.2.0,M11.1.0", 2026, 3, 8, 6, -18000, "EST"},
		{"EST5EDT,M3.2.0,M11.1.0", 2026, 3, 8, 7, -14400, "EDT"},
		{"EST5EDT,M3.2.0,M11.1.0", 2026, 11, 1, 5, -14400, "EDT"},
		{"EST5EDT,M3.2.0,M11.1.0", 2026, 11, 1, 6, -18000, "EST"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", 2026, 3, 29, 0, 3600, "CET"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", 2026, 3, 29, 1, 7200, "CEST"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", 2026, 10, 25, 1, 3600, "CET"},
		/* south of the equator: over the turn of the year */
		{"AEST-10AEDT,M10.1.0,M4.1.0/3", 2026, 1, 1, 0, 39600, "AEDT"},
		{"AEST-10AEDT,M10.1.0,M4.1.0/3", 2026, 7, 1, 0, 36000, "AEST"},
		{"AEST-10AEDT,M10.1.0,M4.1.0/3", 2026, 12, 31, 23, 39600, "AEDT"},
		{"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 2026, 1, 1, 0, 39600, "+11"},
		/* days of the year: J60 is March 1st, also in leap years; 59 is February 29th in those */
		{"AAA0BBB,J60/0,J300/0", 2028, 2, 29, 12, 0, "AAA"},
		{"AAA0BBB,J60/0,J300/0", 2028, 3, 1, 0, 3600, "BBB"},
		{"AAA0BBB,59/0,300/0", 2028, 2, 29, 0, 3600, "BBB"},
		{"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2026, 7, 1, 0, -3600, "-01"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *name = NULL;
		struct zone *z = zone_from_rule(span_str(cases[i].rule));
		assert_non_null(z);
		int64_t t = civil_to_seconds(cases[i].year, cases[i].month, cases[i].day, cases[i].hour, 0, 0);
		assert_int_equal(zone_offset(z, t, &name), cases[i].offset);
		assert_string_equal(name, cases[i].name);
		zone_free(z);
	}
}

static void no_rules(void **state)
{
	static const char *const rules[] = {"", "A0", "AB0", "ABC", "<ABC0", "ABC0DEF", "ABC0DEF,M3.2.0",
		"ABC0DEF,M13.2.0,M1.1.0", "ABC0DEF,M3.6.0,M1.1.0", "ABC0DEF,M3.2.7,M1.1.0", "ABC0DEF,J0,J1",
		"ABC0DEF,366,1", "ABC168", "ABC0:60", "ABC0DEF,J1,J2x", "ABCDEFGHIJKLMNOPQ0", "ABC0DEF,J1/,J2",
		"ABC99999999999999999999"};
	(void)state;
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		assert_null(zone_from_rule(span_str(rules[i])));
}

static void local_to_utc(void **state)
{
	static const struct {
		unsigned month, day, hour, minute;
		int32_t offset; /* that is taken */
	} cases[] = {{1, 1, 0, 0, -18000}, {7, 1, 0, 0, -14400}, {3, 8, 1, 59, -18000}, {3, 8, 2, 30, -18000},
		{3, 8, 3, 0, -14400}, {11, 1, 0, 59, -14400}, {11, 1, 1, 0, -18000}, {11, 1, 1, 59, -18000},
		{11, 1, 2, 0, -18000}};
	struct zone *z = zone_from_rule(SPAN_LIT("EST5EDT,M3.2.0,M11.1.0"));
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t local = civil_to_seconds(2026, cases[i].month, cases[i].day, cases[i].hour, cases[i].minute, 0);
		assert_int_equal(zone_to_utc(z, local), local - cases[i].offset);
	}
	zone_free(z);
}

/* ---- files ---- */

static void put_header(struct buf *b, uint8_t version, uint32_t times, uint32_t types, uint32_t chars)
{
	uint8_t h[44] = {'T', 'Z', 'i', 'f', version};
	be32_put(h + 32, times);
	be32_put(h + 36, types);
	be32_put(h + 40, chars);
	buf_put(b, h, sizeof h);
}

/* Two changes, in 2000 and 2001, between +1 h "AAA" and +2 h "BBB"; version 2 with an empty first part. */
static void put_file(struct buf *b, const char *footer)
{
	uint8_t v[8];
	put_header(b, '2', 0, 0, 0);
	put_header(b, '2', 2, 2, 8);
	be64_put(v, 946684800);
	buf_put(b, v, 8);
	be64_put(v, 978307200);
	buf_put(b, v, 8);
	buf_put(b, "\1\0", 2);
	buf_put(b, "\0\0\x0e\x10\0\0\0\0\x1c\x20\1\4", 12);
	buf_put(b, "AAA\0BBB\0", 8);
	buf_put_str(b, footer);
}

static void reads_files(void **state)
{
	struct buf b;
	const char *name;
	(void)state;
	buf_init(&b, 1 << 16);
	put_file(&b, "\nEST5EDT,M3.2.0,M11.1.0\n");
	struct zone *z = zone_from_tzif(buf_span(&b));
	assert_non_null(z);
	assert_int_equal(zone_offset(z, 0, &name), 3600);
	assert_string_equal(name, "AAA");
	assert_int_equal(zone_offset(z, 946684799, NULL), 3600);
	assert_int_equal(zone_offset(z, 946684800, &name), 7200);
	assert_string_equal(name, "BBB");
	assert_int_equal(zone_offset(z, 978307199, NULL), 7200);
	/* The rule takes over from the last change on. */
	assert_int_equal(zone_offset(z, 978307200, &name), -18000);
	assert_string_equal(name, "EST");
	assert_int_equal(zone_offset(z, INT64_C(4118256000), NULL), -14400);
	zone_free(z);
	buf_clear(&b);
	put_file(&b, "\n\n");
	z = zone_from_tzif(buf_span(&b));
	assert_int_equal(zone_offset(z, INT64_C(4118256000), NULL), 3600);
	zone_free(z);
	buf_free(&b);
}

static void cut_files_are_none(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 16);
	put_file(&b, "\nJST-9\n");
	for (size_t n = 0; n < b.n; n++) {
		/* at its true size, so that a sanitizer sees what is read behind it */
		uint8_t *copy = malloc(n ? n : 1);
		memcpy(copy, b.p, n);
		assert_null(zone_from_tzif(span_of(copy, n)));
		free(copy);
	}
	/* Any one byte changed: a zone or none, but nothing worse. */
	for (size_t i = 0; i < b.n; i++)
		for (unsigned v = 0; v < 256; v += 51) {
			uint8_t was = b.p[i];
			b.p[i] = (uint8_t)v;
			struct zone *z = zone_from_tzif(buf_span(&b));
			if (z)
				zone_to_utc(z, 1000000000);
			zone_free(z);
			b.p[i] = was;
		}
	buf_free(&b);
}

/* ---- names ---- */

static void finds_zones(void **state)
{
	static const struct {
		const char *name;
		int64_t at;
		int32_t offset;
	} cases[] = {{"+09:00", 0, 32400}, {"-0330", 0, -12600}, {"+09", 0, 32400}, {"+00:00", 0, 0},
		{"Asia/Tokyo", 1786104000, 32400}, {"America/New_York", 1786104000, -14400},
		{"America/Argentina/Buenos_Aires", 1786104000, -10800}, {"Europe/Berlin", 2213956800, 3600}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err;
		const struct zone *z = zone_find(cases[i].name, &err);
		if (!z)
			fail_msg("%s", err.text);
		assert_int_equal(zone_offset(z, cases[i].at, NULL), cases[i].offset);
		assert_ptr_equal(z, zone_find(cases[i].name, &err)); /* read once */
	}
}

static void refuses_names(void **state)
{
	static const char *const names[] = {"", "JST", "EST", "Asia", "Asia/", "/Asia/Tokyo", "Asia//Tokyo",
		"../etc/passwd", "Asia/../../../etc/passwd", "Asia/./Tokyo", "Asia/Nowhere", "+9", "+9:00", "+09:0",
		"+0900x", "+24:00", "++9", "Asia/Tokyo\n", "Etc/x y", "Asia/Tokyo/"};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct err err = {.text = ""};
		if (zone_find(names[i], &err))
			fail_msg("'%s' was found", names[i]);
		assert_non_null(strstr(err.text, "Unsupported timezone"));
	}
}

static void utc_and_local(void **state)
{
	const char *name;
	(void)state;
	assert_int_equal(zone_offset(zone_utc(), 5, &name), 0);
	assert_string_equal(name, "UTC");
	setenv("TZ", "XYZ-5:45", 1);
	assert_int_equal(zone_offset(zone_local(), 5, &name), 20700);
	assert_string_equal(name, "XYZ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets_by_rule),
		cmocka_unit_test(no_rules),
		cmocka_unit_test(local_to_utc),
		cmocka_unit_test(reads_files),
		cmocka_unit_test(cut_files_are_none),
		cmocka_unit_test(finds_zones),
		cmocka_unit_test(refuses_names),
		cmocka_unit_test(utc_and_local),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
