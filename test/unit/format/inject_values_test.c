#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "format/inject_values.h"
#include "format_util.h"

#include <unistd.h>

static struct inject_values *make(const char *text, struct section_of_text *s)
{
	static const struct conf_rules rules;
	read_section(s, text);
	return inject_values_make(s->section, 3, &rules, &s->report);
}

static char *inject(const struct inject_values *i, const char *record_text)
{
	struct buf record, made, out;
	buf_init(&record, 1 << 16);
	buf_init(&made, 1 << 16);
	buf_init(&out, 1 << 16);
	assert_true(inject_values_put(i, SPAN_LIT("t.a"), (struct event_time){1786104000, 123456789},
		record_of(record_text, &record), &made));
	const uint8_t *p = made.p;
	assert_true(json_put(&out, &p, made.p + made.n, 100));
	assert_ptr_equal(p, made.p + made.n);
	buf_free(&record);
	buf_free(&made);
	return buf_take(&out);
}

static const struct {
	const char *section, *record, *want;
} cases[] = {
	{"<inject>\nhostname_key h\nhostname web1\nworker_id_key w\ntag_key tag\ntime_key t\n</inject>", "{\"a\":1}",
		"{\"a\":1,\"h\":\"web1\",\"w\":3,\"tag\":\"t.a\",\"t\":1786104000.123456}"},
	{"<inject>\ntag_key a\n</inject>", "{\"a\":1,\"b\":2}", "{\"a\":\"t.a\",\"b\":2}"},
	{"<inject>\ntag_key a\n</inject>", "{}", "{\"a\":\"t.a\"}"},
	{"<inject>\ntime_key t\ntime_type unixtime\n</inject>", "{}", "{\"t\":1786104000}"},
	{"<inject>\ntime_key t\ntime_type unixtime_millis\n</inject>", "{}", "{\"t\":1786104000123}"},
	{"<inject>\ntime_key t\ntime_type unixtime_micros\n</inject>", "{}", "{\"t\":1786104000123456}"},
	{"<inject>\ntime_key t\ntime_type unixtime_nanos\n</inject>", "{}", "{\"t\":1786104000123456789}"},
	{"<inject>\ntime_key t\ntime_type string\n</inject>", "{}", "{\"t\":\"2026-08-07T12:00:00+00:00\"}"},
	{"<inject>\ntime_key t\ntime_type string\nutc true\n</inject>", "{}", "{\"t\":\"2026-08-07T12:00:00Z\"}"},
	{"<inject>\ntime_key t\ntime_type string\nlocaltime false\n</inject>", "{}",
		"{\"t\":\"2026-08-07T12:00:00Z\"}"},
	{"<inject>\ntime_key t\ntime_type string\ntime_format %H.%L\ntimezone +09:00\n</inject>", "{}",
		"{\"t\":\"21.123\"}"},
	{"<inject>\ntag_key x\ntime_key x\ntime_type unixtime\n</inject>", "{}", "{\"x\":1786104000}"},
	/* v0.12 */
	{"include_tag_key true", "{}", "{\"tag\":\"t.a\"}"},
	{"include_tag_key true\ntag_key my", "{}", "{\"my\":\"t.a\"}"},
	{"include_time_key true\nutc true", "{}", "{\"time\":\"2026-08-07T12:00:00Z\"}"},
	{"include_time_key true\ntime_format %Y", "{}", "{\"time\":\"2026\"}"},
	{"include_time_key true\ntime_as_epoch true", "{}", "{\"time\":1786104000}"},
};

static void puts_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct section_of_text s;
		char *text = mem_printf("<match>\n%s\n</match>\n", cases[i].section);
		struct inject_values *v = make(text, &s);
		assert_non_null(v);
		assert_int_equal(s.report.n, 0);
		char *got = inject(v, cases[i].record);
		assert_string_equal(got, cases[i].want);
		mem_free(got);
		inject_values_free(v);
		free_section(&s);
		mem_free(text);
	}
}

static void the_machines_name(void **state)
{
	char name[256] = "", want[300];
	struct section_of_text s;
	(void)state;
	assert_int_equal(gethostname(name, sizeof name - 1), 0);
	struct inject_values *v = make("<match>\n<inject>\nhostname_key h\n</inject>\n</match>\n", &s);
	char *got = inject(v, "{}");
	snprintf(want, sizeof want, "{\"h\":\"%s\"}", name);
	assert_string_equal(got, want);
	mem_free(got);
	inject_values_free(v);
	free_section(&s);
}

static void nothing_to_put(void **state)
{
	static const char *const texts[] = {"<match>\n</match>\n", "<match>\n<inject>\n</inject>\n</match>\n",
		"<match>\ninclude_tag_key false\n</match>\n"};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct section_of_text s;
		assert_null(make(texts[i], &s));
		assert_int_equal(s.report.n, 0);
		free_section(&s);
	}
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *inject, *text;
	} wrong[] = {
		{"time_key t\ntime_type minutes", "valid options are float,unixtime"},
		{"time_key t\ntimezone Nowhere/X", "Unsupported timezone"},
		{"time_key t\nutc true\nlocaltime true", "both of utc and localtime are specified"},
		{"tag_key t\ntime_format %Y", "'time_format' specified without 'time_key'"},
		{"tag_keys t", "did you mean 'tag_key'"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct section_of_text s;
		char *text = mem_printf("<match>\n<inject>\n%s\n</inject>\n</match>\n", wrong[i].inject);
		struct inject_values *v = make(text, &s);
		assert_true(s.report.n > 0);
		assert_non_null(strstr(s.report.v[0].text, wrong[i].text));
		if (s.report.errors)
			assert_null(v);
		inject_values_free(v);
		free_section(&s);
		mem_free(text);
	}
}

static void bad_records(void **state)
{
	struct section_of_text s;
	struct buf out;
	(void)state;
	struct inject_values *v = make("<match>\n<inject>\ntag_key t\n</inject>\n</match>\n", &s);
	buf_init(&out, 1000);
	assert_false(inject_values_put(v, SPAN_LIT("x"), (struct event_time){0}, SPAN_LIT("\x91\x01"), &out));
	assert_false(inject_values_put(v, SPAN_LIT("x"), (struct event_time){0}, SPAN_LIT("\x82\x01\x02"), &out));
	assert_false(inject_values_put(v, SPAN_LIT("x"), (struct event_time){0}, SPAN_LIT(""), &out));
	buf_free(&out);
	buf_init(&out, 6);
	assert_false(inject_values_put(v, SPAN_LIT("xxx"), (struct event_time){0}, SPAN_LIT("\x80"), &out));
	buf_free(&out);
	inject_values_free(v);
	free_section(&s);
}

static int in_utc(void **state)
{
	(void)state;
	return setenv("TZ", "UTC", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puts_values),
		cmocka_unit_test(the_machines_name),
		cmocka_unit_test(nothing_to_put),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(bad_records),
	};
	return cmocka_run_group_tests(tests, in_utc, NULL);
}
