/* Files: what is read, in which order, relative to what, and what is told where. Each test has a folder of its own. */
#include "conf/conf_tree.h"

#include "tree_text.h"
#include "base/mem.h"

#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct files {
	char dir[32];
	char home[PATH_MAX];
};

static int setup(void **state)
{
	struct files *f = mem_zalloc(sizeof *f);
	strcpy(f->dir, "/tmp/weir-conf-XXXXXX");
	*state = f;
	return getcwd(f->home, sizeof f->home) && mkdtemp(f->dir) && chdir(f->dir) == 0 ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct files *f = *state;
	int r = chdir(f->home) | nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	mem_free(f);
	return r;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* Reads the source and compares tree and report; positions in main.conf come without the file's name. */
static void check(const struct conf_source *source, const char *want_tree, const char *want_report)
{
	struct conf_report report;
	struct buf tree, findings;
	buf_init(&tree, SIZE_MAX);
	buf_init(&findings, SIZE_MAX);
	conf_report_init(&report);
	struct conf_tree *t = conf_tree_read(source, &report);
	tree_text(&tree, conf_tree_root(t));
	report_text(&findings, &report, "main.conf");
	assert_string_equal(buf_cstr(&tree), want_tree);
	assert_string_equal(buf_cstr(&findings), want_report);
	conf_tree_free(t);
	conf_report_free(&report);
	buf_free(&tree);
	buf_free(&findings);
}

static void check_main(const char *text, const char *want_tree, const char *want_report)
{
	put("main.conf", text);
	check(&(struct conf_source){.path = "main.conf"}, want_tree, want_report);
}

static void test_plain(void **state)
{
	(void)state;
	put("a.inc", "k a\nj x");
	check_main("@include a.inc\n", "{k=\"a\", j=\"x\"}", "");
	check_main("@include a.inc # c\n", "{k=\"a\", j=\"x\"}", "");
	check_main("@include \"a.inc\"\n", "{k=\"a\", j=\"x\"}", "");
	check_main("@include 'a.inc'\n", "{k=\"a\", j=\"x\"}", "");
	check_main("@include \"#{'a'}.inc\"\n", "{k=\"a\", j=\"x\"}", "");
	check_main("include a.inc\n", "{k=\"a\", j=\"x\"}",
		"1:1 warning: 'include' is deprecated. Use '@include' instead");
	check_main("k 0\n@include a.inc\n", "{k=\"a\", j=\"x\"}", "");
	check_main("@include a.inc\nk 0\n", "{j=\"x\", k=\"0\"}", "");
	check_main("<s>\n @include a.inc\n l 1\n</s>\n", "{} <s \"\">{k=\"a\", j=\"x\", l=\"1\"}", "");
	check_main("<s>\n@include a.inc\n</s>\n@include a.inc\n", "{k=\"a\", j=\"x\"} <s \"\">{k=\"a\", j=\"x\"}", "");
}

static void test_relative(void **state)
{
	const struct files *f = *state;
	char text[300];
	assert_int_equal(mkdir("d", 0755) | mkdir("d/e", 0755), 0);
	put("d/a.conf", "a 1\n@include e/b.conf\n@include ../c.conf\n");
	put("d/e/b.conf", "<b>\n@include ../../c.conf\n</b>\n");
	put("c.conf", "c 1\n");
	put("with space.conf", "s 1\n");
	check_main("@include d/a.conf\n", "{a=\"1\", c=\"1\"} <b \"\">{c=\"1\"}", "");
	check_main("@include with space.conf\n", "{s=\"1\"}", "");
	snprintf(text, sizeof text, "@include %s/c.conf\n@include file://%s/with%%20space.conf\n", f->dir, f->dir);
	check_main(text, "{c=\"1\", s=\"1\"}", "");
	snprintf(text, sizeof text, "%s/d/a.conf", f->dir);
	check(&(struct conf_source){.path = text}, "{a=\"1\", c=\"1\"} <b \"\">{c=\"1\"}", "");
}

static void test_globs(void **state)
{
	(void)state;
	assert_int_equal(mkdir("d", 0755) | mkdir("d/x", 0755) | mkdir("d/x/y", 0755) | mkdir("d/.hidden", 0755), 0);
	put("d/b.conf", "b 1\nlast b\n");
	put("d/a.conf", "a 1\nlast a\n");
	put("d/c.txt", "c 1\n");
	put("d/.h.conf", "h 1\n");
	put("d/x/d.conf", "d 1\nlast d\n");
	put("d/x/y/e.conf", "e 1\nlast e\n");
	put("d/.hidden/f.conf", "f 1\n");
	check_main("@include d/*.conf\n", "{a=\"1\", b=\"1\", last=\"b\"}", "");
	check_main("@include d/{b,a}.conf\n", "{a=\"1\", b=\"1\", last=\"b\"}", "");
	check_main("@include d/[ab].conf\n", "{a=\"1\", b=\"1\", last=\"b\"}", "");
	check_main("@include d/?.txt\n", "{c=\"1\"}", "");
	check_main("@include d/**/*.conf\n", "{a=\"1\", b=\"1\", d=\"1\", e=\"1\", last=\"e\"}", "");
	check_main("@include **/e.conf\n", "{e=\"1\", last=\"e\"}", "");
	check_main("@include d/x/**/*.conf\n", "{d=\"1\", e=\"1\", last=\"e\"}", "");
	check_main("@include d/none*.conf\n", "{}", "");
	check_main("@include none/*.conf\n", "{}", "");
	check_main("@include d/x*\n", "{}",
		"1:10 error: include error ./d/x - Is a directory (./d/x/*.conf would be its files)");
}

/* The folder of the including file is no pattern. */
static void test_glob_in_strange_folder(void **state)
{
	(void)state;
	assert_int_equal(mkdir("a[b]{c,d}*", 0755), 0);
	put("a[b]{c,d}*/main.conf", "@include *.inc\n");
	put("a[b]{c,d}*/x.inc", "x 1\n");
	check(&(struct conf_source){.path = "a[b]{c,d}*/main.conf"}, "{x=\"1\"}", "");
}

static void test_missing(void **state)
{
	(void)state;
	check_main("@include nothere.conf\nk 1\n", "{k=\"1\"}",
		"1:10 warning: there is no file 'nothere.conf': nothing is included");
	check_main("@include /nonexistent/x.conf\n", "{}",
		"1:10 warning: there is no file '/nonexistent/x.conf': nothing is included");
	check_main("@include a.inc, b.inc\n", "{}",
		"1:10 warning: there is no file 'a.inc, b.inc': nothing is included (an @include takes one path or "
		"pattern)");
	check_main("@include .\n", "{}", "1:10 error: include error . - Is a directory (./*.conf would be its files)");
	check_main("@include http://example.com/x.conf\nk 1\n", "{k=\"1\"}",
		"1:10 error: weir does not fetch its configuration: please download 'http://example.com/x.conf' and "
		"@include the file");
	check_main("@include ftp://example.com/x.conf\n", "{}",
		"1:10 error: weir does not fetch its configuration: please download 'ftp://example.com/x.conf' and "
		"@include the file");
	check(&(struct conf_source){.path = "none.conf"}, "{}",
		"none.conf:0:0 error: cannot read 'none.conf': No such file or directory");
	check(&(struct conf_source){.path = "."}, "{}",
		".:0:0 error: include error . - Is a directory (./*.conf would be its files)");
}

static void test_cycles(void **state)
{
	(void)state;
	char name[40], text[60];
	put("a.conf", "a 1\n@include b.conf\n");
	put("b.conf", "b 1\n@include a.conf\n");
	check(&(struct conf_source){.path = "a.conf"}, "{a=\"1\", b=\"1\"}",
		"b.conf:2:10 error: 'a.conf' includes itself");
	check_main("@include main.conf\n", "{}", "1:10 error: 'main.conf' includes itself");
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "n%d.conf", i);
		snprintf(text, sizeof text, "k %d\n@include n%d.conf\n", i, i + 1);
		put(name, text);
	}
	check(&(struct conf_source){.path = "n0.conf"}, "{k=\"31\"}",
		"n31.conf:2:10 error: @include is nested too deeply");
}

/* A file that is included twice is read twice; what it breaks is told with its own name. */
static void test_errors_in_files(void **state)
{
	(void)state;
	put("bad.inc", "<a>\n k \"x\n</a>\n");
	put("open.inc", "<a>\n");
	put("ok.inc", "k 1\n");
	check_main("@include bad.inc\n@include ok.inc\n@include ok.inc\n", "{k=\"1\"} <a \"\">{k=broken}",
		"bad.inc:2:4 error: unexpected end of file in a double quoted string, which begins here");
	check_main("@include open.inc\nj 1\n</a>\n", "{j=\"1\"} <a \"\">{}",
		"open.inc:1:1 error: expected end tag '</a>' but got end of file\n"
		"3:1 error: unmatched end tag '</a>': no section is open");
	put("type.inc", "@typ x\n");
	check_main("<source>\n@include type.inc\n</source>\n", "{} <source \"\">{}",
		"type.inc:1:1 error: '@' is the system reserved prefix. Don't use '@' prefix parameter in the "
		"configuration: @typ (did you mean '@type'?)");
}

static void test_inline(void **state)
{
	(void)state;
	put("main.conf", "k 1\n");
	put("a.inc", "a 1\n");
	check(&(struct conf_source){.path = "main.conf", .inline_text = "j 2\\n<s>\\nx \"y\" z\\n</s>\n@include a.inc"},
		"{k=\"1\", j=\"2\", a=\"1\"} <s \"\">{x=\"y\"}", "3:7 error: expected end of line");
	check(&(struct conf_source){.inline_text = "j 2"}, "{j=\"2\"}", "");
	check(&(struct conf_source){0}, "{}", "");
	struct conf_report report;
	conf_report_init(&report);
	struct conf_tree *t = conf_tree_read(&(struct conf_source){.inline_text = "j 2"}, &report);
	assert_null(conf_tree_root(t)->pairs->name_pos.file);
	conf_tree_free(t);
}

static void test_include_dir(void **state)
{
	(void)state;
	assert_int_equal(mkdir("conf.d", 0755) | mkdir("conf.d/sub.conf", 0755), 0);
	put("conf.d/b.conf", "b 1\nlast b\n");
	put("conf.d/a.conf", "a 1\nlast a\n");
	put("conf.d/x.conf", "x 1\nlast x\n");
	put("conf.d/.h.conf", "h 1\n");
	put("conf.d/c.bak", "c 1\n");
	put("main.conf", "k 1\n@include conf.d/x.conf\n");
	check(&(struct conf_source){.path = "main.conf", .inline_text = "last i", .include_dir = "conf.d"},
		"{k=\"1\", x=\"1\", a=\"1\", b=\"1\", last=\"b\"}", "");
	check(&(struct conf_source){.path = "main.conf", .include_dir = "none.d"}, "{k=\"1\", x=\"1\", last=\"x\"}",
		"");
	check(&(struct conf_source){.path = "main.conf", .include_dir = ""}, "{k=\"1\", x=\"1\", last=\"x\"}", "");
	check(&(struct conf_source){.path = "main.conf", .include_dir = "main.conf"}, "{k=\"1\", x=\"1\", last=\"x\"}",
		"0:0 error: cannot read the folder: Not a directory");
	/* <system> goes before what the caller says. */
	put("main.conf", "<system>\nconfig_include_dir \"\"\n</system>\n");
	check(&(struct conf_source){.path = "main.conf", .include_dir = "conf.d"},
		"{} <system \"\">{config_include_dir=\"\"}", "");
	put("main.conf", "<system>\nconfig_include_dir other.d\n</system>\n");
	assert_int_equal(mkdir("other.d", 0755), 0);
	put("other.d/y.yml", "config:\n  - source:\n      a: 1\n");
	check(&(struct conf_source){.path = "main.conf", .include_dir = "conf.d"},
		"{} <system \"\">{config_include_dir=\"other.d\"} </system> <source \"\">{a=\"1\"}", "");
}

static void test_yaml_under_any_name(void **state)
{
	(void)state;
	put("main.conf", "config:\n  - source:\n      a: 1\n");
	check(&(struct conf_source){.path = "main.conf", .yaml = true}, "{} <source \"\">{a=\"1\"}", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relative, setup, teardown),
		cmocka_unit_test_setup_teardown(test_globs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_glob_in_strange_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cycles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors_in_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_include_dir, setup, teardown),
		cmocka_unit_test_setup_teardown(test_yaml_under_any_name, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
