#include "conf/conf_report.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static struct conf_pos at(const char *file, unsigned line, unsigned column)
{
	return (struct conf_pos){file, line, column};
}

static void test_add(void **state)
{
	(void)state;
	struct conf_report r;
	conf_report_init(&r);
	conf_report_add(&r, CONF_NOTE, at("f", 1, 2), "a %d", 5);
	conf_report_add(&r, CONF_NOTE, at("f", 1, 2), "a 5");
	conf_report_add(&r, CONF_WARNING, at("f", 1, 3), "a 5");
	conf_report_add(&r, CONF_ERROR, at(NULL, 1, 3), "a 5");
	conf_report_add(&r, CONF_ERROR, at("f", 1, 3), "a\nb\t\001\033[1m\xff\xc3\xa9");
	assert_int_equal(r.n, 4);
	assert_int_equal(r.notes, 1);
	assert_int_equal(r.warnings, 1);
	assert_int_equal(r.errors, 2);
	assert_string_equal(r.v[0].text, "a 5");
	assert_string_equal(r.v[3].text, "a\\nb\\t\\x01\\x1b[1m\xef\xbf\xbd\xc3\xa9");
	conf_report_free(&r);
	assert_int_equal(r.n, 0);
}

static void test_long_text(void **state)
{
	(void)state;
	struct conf_report r;
	struct buf text;
	buf_init(&text, SIZE_MAX);
	for (int i = 0; i < 600; i++)
		buf_put_str(&text, "\xc3\xa9");
	conf_report_init(&r);
	conf_report_add(&r, CONF_NOTE, at("f", 1, 2), "a%s", buf_cstr(&text));
	assert_int_equal(strlen(r.v[0].text), 999 + 3);
	assert_string_equal(r.v[0].text + 997, "\xc3\xa9...");
	conf_report_free(&r);
	buf_free(&text);
}

static void test_many(void **state)
{
	(void)state;
	struct conf_report r;
	struct buf out;
	buf_init(&out, SIZE_MAX);
	conf_report_init(&r);
	for (unsigned i = 0; i < 1500; i++)
		conf_report_add(&r, CONF_ERROR, at("f", i + 1, 1), "x");
	assert_int_equal(r.errors, 1500);
	assert_int_equal(r.n, 1000);
	conf_report_print(&r, &out, false);
	assert_non_null(strstr(buf_cstr(&out), "f:1000:1: error: x\n... and 500 more\n"));
	conf_report_free(&r);
	buf_free(&out);
}

static void test_print(void **state)
{
	(void)state;
	static const char source[] = "a 1\n\tb \"x\" y\n\xc3\xa9 [z]\r\nshared_key topsecret!\n\n\001\xff x\nlast";
	char name[] = "/tmp/weir-report-XXXXXX";
	struct conf_report r;
	struct buf out, want;
	buf_init(&out, SIZE_MAX);
	buf_init(&want, SIZE_MAX);
	int fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, source, sizeof source - 1), sizeof source - 1);
	close(fd);
	conf_report_init(&r);
	conf_report_add(&r, CONF_ERROR, at(NULL, 2, 1), "on the command line");
	conf_report_add(&r, CONF_ERROR, at(name, 7, 5), "behind the end");
	conf_report_add(&r, CONF_ERROR, at(name, 6, 3), "strange bytes");
	conf_report_add(&r, CONF_ERROR, at(name, 5, 1), "empty line");
	conf_report_add(&r, CONF_WARNING, at(name, 4, 12), "a secret");
	conf_report_add(&r, CONF_NOTE, at(name, 3, 4), "second");
	conf_report_add(&r, CONF_WARNING, at(name, 3, 3), "first");
	conf_report_add(&r, CONF_ERROR, at(name, 2, 8), "behind a tab");
	conf_report_add(&r, CONF_ERROR, at(name, 0, 0), "the file");
	conf_report_add(&r, CONF_ERROR, at("/nonexistent", 3, 1), "no such file");
	conf_report_print(&r, &out, false);
	buf_put_str(&want, "/nonexistent:3:1: error: no such file\n");
	buf_printf(&want, "%s: error: the file\n", name);
	buf_printf(&want, "%s:2:8: error: behind a tab\n    2 | \tb \"x\" y\n      | \t      ^\n", name);
	buf_printf(&want, "%s:3:3: warning: first\n    3 | \xc3\xa9 [z]\n      |   ^\n", name);
	buf_printf(&want, "%s:3:4: note: second\n    3 | \xc3\xa9 [z]\n      |    ^\n", name);
	buf_printf(&want, "%s:4:12: warning: a secret\n    4 | shared_key xxxxxx\n      |            ^\n", name);
	buf_printf(&want, "%s:5:1: error: empty line\n", name);
	buf_printf(&want, "%s:6:3: error: strange bytes\n    6 | ?? x\n      |   ^\n", name);
	buf_printf(&want, "%s:7:5: error: behind the end\n    7 | last\n      |     ^\n", name);
	buf_put_str(&want, "command line:2:1: error: on the command line\n");
	assert_string_equal(buf_cstr(&out), buf_cstr(&want));
	unlink(name);
	conf_report_free(&r);
	buf_free(&out);
	buf_free(&want);
}

static void test_colour(void **state)
{
	(void)state;
	struct conf_report r;
	struct buf out;
	buf_init(&out, SIZE_MAX);
	conf_report_init(&r);
	conf_report_print(&r, &out, true);
	assert_int_equal(out.n, 0);
	conf_report_add(&r, CONF_ERROR, at("/nonexistent", 3, 1), "x");
	conf_report_print(&r, &out, true);
	assert_string_equal(buf_cstr(&out), "\033[1m/nonexistent:3:1: \033[31merror:\033[0m x\n");
	conf_report_free(&r);
	buf_free(&out);
}

static void test_nearest(void **state)
{
	(void)state;
	static const char *const names[] = {"port", "bind", "flush_interval", "flush_mode", "buffer", "@label", "tag",
		"id", "chunk_limit_size", "chunk_limit_records", NULL};
	static const struct {
		const char *name, *want;
	} v[] = {
		{"prot", "port"},
		{"prt", "port"},
		{"ports", "port"},
		{"PORT", "port"},
		{"bnid", "bind"},
		{"label", "@label"},
		{"flush_intreval", "flush_interval"},
		{"flush-interval", "flush_interval"},
		{"flushinterval", "flush_interval"},
		{"flush_intervall", "flush_interval"},
		{"flush_modes", "flush_mode"},
		{"chunk_limit_siez", "chunk_limit_size"},
		{"chunk_limit_record", "chunk_limit_records"},
		{"bufer", "buffer"},
		{"tags", "tag"},
		{"host", NULL},
		{"po", NULL},
		{"xd", NULL},
		{"ID", "id"},
		{"path", NULL},
		{"flush_thread_count", NULL},
		{"", NULL},
		{"a_name_that_is_longer_than_any_name_of_a_parameter_in_any_table_of_any_plugin", NULL},
	};
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		const char *got = conf_nearest(v[i].name, names);
		if (v[i].want)
			assert_string_equal(got ? got : "(none)", v[i].want);
		else
			assert_null(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_nearest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
