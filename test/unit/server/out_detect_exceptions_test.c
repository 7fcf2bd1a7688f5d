/* detect_exceptions alone: what it makes of a log's lines, and of its options. */
#include "held_util.h"

extern const struct plugin out_detect_exceptions;

#define PREFIX "remove_tag_prefix p\n"
#define E      "{\"message\":\"E: Exception: x\",\"n\":1}\n"
#define AT(n)  "{\"message\":\" at " n "\",\"n\":2}\n"

static const struct {
	const char *conf, *script, *want;
	size_t held;
} cases[] = {
	{PREFIX, "{\"message\":\"a\"}\n" E AT("1") "{\"message\":\"b\"}\n",
		"1 {\"message\":\"a\"}\n2 {\"message\":\"E: Exception: x at 1\",\"n\":1}\n4 {\"message\":\"b\"}\n", 0},
	{PREFIX, E "--\n" AT("1") "--\n" AT("2"), "", 3},
	{PREFIX, E "--\n" AT("1") "--\n{\"message\":\"b\"}\n" E,
		"1 {\"message\":\"E: Exception: x at 1\",\"n\":1}\n3 {\"message\":\"b\"}\n", 1},
	{PREFIX, E AT("1") "~\n" AT("2"),
		"1 {\"message\":\"E: Exception: x at 1\",\"n\":1}\n3 {\"message\":\" at 2\",\"n\":2}\n", 0},
	{PREFIX, E E "{\"message\":\"b\"}\n",
		"1 {\"message\":\"E: Exception: x\",\"n\":1}\n2 {\"message\":\"E: Exception: x\",\"n\":1}\n3 "
		"{\"message\":\"b\"}\n",
		0},
	/* the field */
	{PREFIX, "{\"log\":\"Exception: x\"}\n{\"log\":\" at 1\"}\n{\"x\":1}\n",
		"1 {\"log\":\"Exception: x at 1\"}\n3 {\"x\":1}\n", 0},
	{PREFIX "message m", "{\"m\":\"Exception: x\",\"message\":\"a\"}\n{\"m\":\" at 1\"}\n{\"m\":5}\n",
		"1 {\"m\":\"Exception: x at 1\",\"message\":\"a\"}\n3 {\"m\":5}\n", 0},
	/* streams */
	{PREFIX "stream s",
		"{\"message\":\"Exception: x\",\"s\":1}\n{\"message\":\"b\",\"s\":2}\n{\"message\":\" at 1\",\"s\":1}\n"
		"{\"message\":\"c\",\"s\":1}\n",
		"2 {\"message\":\"b\",\"s\":2}\n1 {\"message\":\"Exception: x at 1\",\"s\":1}\n4 "
		"{\"message\":\"c\",\"s\":1}\n",
		0},
	/* languages */
	{PREFIX "languages go, python", E AT("1"),
		"1 {\"message\":\"E: Exception: x\",\"n\":1}\n2 {\"message\":\" at 1\",\"n\":2}\n", 0},
	/* limits: what is behind is no part of a trace any more */
	{PREFIX "max_lines 2", E AT("1") AT("2"),
		"1 {\"message\":\"E: Exception: x at 1\",\"n\":1}\n3 {\"message\":\" at 2\",\"n\":2}\n", 0},
	{PREFIX "max_bytes 20", E AT("1") AT("2"),
		"1 {\"message\":\"E: Exception: x at 1\",\"n\":1}\n3 {\"message\":\" at 2\",\"n\":2}\n", 0},
	{PREFIX "max_bytes 20", E "--\n" AT("1") "--\n" AT("2"),
		"1 {\"message\":\"E: Exception: x at 1\",\"n\":1}\n3 {\"message\":\" at 2\",\"n\":2}\n", 0},
	{PREFIX "force_line_breaks true", E AT("1") "{\"message\":\" at 2\\n\"}\n{\"message\":\"b\"}\n",
		"1 {\"message\":\"E: Exception: x\\n at 1 at 2\\n\",\"n\":1}\n4 {\"message\":\"b\"}\n", 0},
};

static void traces(void **state)
{
	int bad = 0;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct held_run r;
		held_begin_run(&r, &out_detect_exceptions, cases[i].conf);
		assert_int_equal(r.m.s.report.errors, 0);
		held_script(&r, cases[i].script);
		const char *got = buf_cstr(&r.out);
		size_t held = held_count("detect_exceptions");
		if (strcmp(got, cases[i].want) != 0 || held != cases[i].held) {
			print_error("%s\n%s\n  got  (%zu wait)\n%s  want (%zu wait)\n%s", cases[i].conf,
				cases[i].script, held, got, cases[i].held, cases[i].want);
			bad++;
		}
		held_end_run(&r);
	}
	assert_int_equal(bad, 0);
}

/* A message that comes again takes the trace back to where it was: its lines end at the limit as they did. */
static void again(void **state)
{
	struct held_run r;
	(void)state;
	held_begin_run(&r, &out_detect_exceptions, PREFIX "max_bytes 25");
	held_script(&r, E);
	for (int i = 0; i < 5; i++) {
		held_add(&r, "{\"message\":\" at 1\"}", 19);
		held_give(&r, 77);
		held_clear(&r);
	}
	assert_string_equal(buf_cstr(&r.out), "");
	assert_int_equal(held_count("detect_exceptions"), 2);
	held_end_run(&r);
}

static void wrong_language(void **state)
{
	struct held_run r;
	(void)state;
	held_begin_run(&r, &out_detect_exceptions, PREFIX "languages java, cobol");
	assert_int_equal(r.m.s.report.errors, 1);
	assert_string_equal(r.m.s.report.v[0].text, "Unknown language: cobol");
	held_end_run(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traces), cmocka_unit_test(again), cmocka_unit_test(wrong_language)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
