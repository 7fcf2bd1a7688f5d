#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../format/format_util.h"
#include "parse/extract_values.h"

static struct extract_values *make(const char *inner, struct section_of_text *s)
{
	static const struct conf_rules rules;
	char *text = mem_printf("<source>\n%s\n</source>\n", inner);
	read_section(s, text);
	mem_free(text);
	return extract_values_make(s->section, &rules, &s->report);
}

static const struct {
	const char *extract, *record, *want; /* tag time record; NULL: the time cannot be read */
} cases[] = {
	{"tag_key t", "{\"t\":\"a.b\",\"x\":1}", "a.b - {\"x\":1}"},
	{"tag_key t", "{\"t\":5}", "5 - {}"},
	{"tag_key t", "{\"x\":1}", "- - {\"x\":1}"},
	{"tag_key t\nkeep_tag_key true", "{\"t\":\"a\"}", "a - {\"t\":\"a\"}"},
	{"time_key t", "{\"t\":1500000000.25}", "- 1500000000.250000000 {}"},
	{"time_key t", "{\"t\":\"1500000000\",\"x\":1}", "- 1500000000.000000000 {\"x\":1}"},
	{"time_key t\ntime_type unixtime", "{\"t\":1500000000.25}", "- 1500000000.000000000 {}"},
	{"time_key t\ntime_type string", "{\"t\":\"2026-08-07T12:00:00Z\"}", "- 1786104000.000000000 {}"},
	{"time_key t\ntime_type string\ntime_format %Y-%m-%d\nutc true\nkeep_time_key true", "{\"t\":\"2026-08-07\"}",
		"- 1786060800.000000000 {\"t\":\"2026-08-07\"}"},
	{"time_key t\ntime_type string\ntime_format %Y-%m-%d\ntimezone +01:00", "{\"t\":\"2026-08-07\"}",
		"- 1786057200.000000000 {}"},
	{"tag_key a\ntime_key t", "{\"a\":\"x\",\"t\":1,\"b\":2}", "x 1.000000000 {\"b\":2}"},
	{"time_key t\ntime_type string", "{\"t\":\"nonsense\"}", NULL},
	{"time_key t", "{\"t\":null}", NULL},
};

static void takes_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct section_of_text s;
		struct buf record, room, got;
		struct extracted e;
		const char *why;
		char *text = mem_printf("<extract>\n%s\n</extract>", cases[i].extract);
		struct extract_values *x = make(text, &s);
		assert_non_null(x);
		buf_init(&record, 1 << 16);
		buf_init(&room, 1 << 16);
		buf_init(&got, 1 << 16);
		bool ok = extract_values_get(
			x, record_of(cases[i].record, &record), (struct event_time){0}, &room, &e, &why);
		assert_int_equal(ok, cases[i].want != NULL);
		if (ok) {
			if (e.has_tag)
				buf_put_span(&got, e.tag);
			else
				buf_put_byte(&got, '-');
			if (e.has_time)
				buf_printf(&got, " %lld.%09u ", (long long)e.time.sec, e.time.nsec);
			else
				buf_put_str(&got, " - ");
			const uint8_t *p = e.record.p;
			assert_true(json_put(&got, &p, p + e.record.n, 100));
			assert_string_equal(buf_cstr(&got), cases[i].want);
		} else {
			assert_string_equal(why, "invalid time format");
		}
		buf_free(&record);
		buf_free(&room);
		buf_free(&got);
		extract_values_free(x);
		free_section(&s);
		mem_free(text);
	}
}

static void wrong_or_nothing(void **state)
{
	static const struct {
		const char *inner, *text;
	} wrong[] = {
		{"", NULL},
		{"<extract>\n</extract>", NULL},
		{"<extract>\ntime_key t\ntime_type mixed\n</extract>", "valid options are float,unixtime,string"},
		{"<extract>\ntime_key t\ntime_type string\nutc true\n</extract>",
			"specifying timezone requires time format"},
		{"<extract>\ntime_key t\ntime_format %Y\ntime_type string\ntimezone X/Y\n</extract>",
			"Unsupported timezone"},
		{"<extract>\ntime_key t\nutc true\nlocaltime true\n</extract>", "both of utc and localtime"},
		{"<extract>\ntime_format %Y\n</extract>", "'time_format' specified without 'time_key'"},
		{"<extract>\ntagkey t\n</extract>", "did you mean 'tag_key'"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct section_of_text s;
		assert_null(make(wrong[i].inner, &s));
		assert_int_equal(s.report.n > 0, wrong[i].text != NULL);
		if (wrong[i].text)
			assert_non_null(strstr(s.report.v[0].text, wrong[i].text));
		free_section(&s);
	}
}

static int in_utc(void **state)
{
	(void)state;
	return setenv("TZ", "UTC", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(takes_values), cmocka_unit_test(wrong_or_nothing)};
	return cmocka_run_group_tests(tests, in_utc, NULL);
}
