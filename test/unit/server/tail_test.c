/* The pure parts of the tail input: texts out of bytes, the pos_file, patterns of paths. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tail_glob.h"
#include "tail_pos.h"
#include "tail_split.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/tail_test.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void assert_file(const char *path, const char *want)
{
	char text[4096];
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = 0;
	fclose(f);
	assert_string_equal(text, want);
}

/* ---- splitting ---- */

static struct parser *multiline(const char *firstline, const char *format1)
{
	struct conf_rules rules = {0};
	struct conf_report report;
	struct conf_pair first = {.name = "format_firstline", .value = firstline},
			 format = {.name = "format1", .value = format1, .next = firstline ? &first : NULL},
			 type = {.name = "@type", .value = "multiline", .next = &format};
	struct conf_section parse = {.name = "parse", .arg = "", .pairs = &type};
	first.value_len = firstline ? strlen(firstline) : 0;
	format.value_len = strlen(format1);
	type.value_len = strlen(type.value);
	conf_report_init(&report);
	struct parser *p = parser_make(&parse, NULL, &rules, &report);
	assert_int_equal(report.errors, 0);
	conf_report_free(&report);
	assert_non_null(p);
	return p;
}

static void test_split(void **state)
{
	static const struct {
		const char *firstline, *format1; /* NULL: lines */
		const char *text;
		bool last;
		const char *want; /* the texts, each with a | behind it */
	} cases[] = {
		{NULL, NULL, "", false, ""},
		{NULL, NULL, "a", false, ""},
		{NULL, NULL, "a", true, "a|"},
		{NULL, NULL, "a\n", false, "a|"},
		{NULL, NULL, "a\r\nb\rc\n\n\r\nd", false, "a|b\rc|||"},
		{NULL, NULL, "a\nb", true, "a|b|"},
		{"/^S/", "/^S(?<m>.*)/", "S1\n", false, ""},
		{"/^S/", "/^S(?<m>.*)/", "S1\n", true, "S1|"},
		{"/^S/", "/^S(?<m>.*)/", "S1\n 2\n 3\nS", false, ""},
		{"/^S/", "/^S(?<m>.*)/", "S1\n 2\n 3\nS4\nS5\n", false, "S1\n 2\n 3|S4|"},
		{"/^S/", "/^S(?<m>.*)/", "S1\n 2\n 3\nS4\nS5\n", true, "S1\n 2\n 3|S4|S5|"},
		{"/^S/", "/^S(?<m>.*)/", "x\ny\nS1\n", false, "x|y|"},
		{"/^S/", "/^S(?<m>.*)/", "S1\n23456789012345678\n90\nS2\n", false, "S1\n23456789012345678|90|"},
		{NULL, "/^a(?<m>\\d)\\nb$/", "a1\nb\na2\nb\na3\n", false, "a1\nb|a2\nb|"},
		{NULL, "/^a(?<m>\\d)\\nb$/", "a1\nc\nd\n", false, ""},
		{NULL, "/^a(?<m>\\d)\\nb$/", "xxxxxxxxxx\nyyyyyyyyyy\nz\n", false, "xxxxxxxxxx|"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct parser_room room;
		struct parser *parser = cases[i].format1 ? multiline(cases[i].firstline, cases[i].format1) : NULL;
		struct tail_split s = {.parser = parser, .room = &room, .text_max = 21};
		const uint8_t *p = (const uint8_t *)cases[i].text;
		size_t n = strlen(cases[i].text), at = 0, used;
		struct buf out;
		buf_init(&out, 4096);
		parser_room_init(&room, 4096);
		while (at < n && (used = tail_split_next(&s, p + at, n - at, cases[i].last)) > 0) {
			buf_put_span(&out, tail_chomp(span_of(p + at, used)));
			buf_put_byte(&out, '|');
			at += used;
		}
		assert_string_equal(buf_cstr(&out), cases[i].want);
		assert_int_equal(tail_split_many(&s, p, n, cases[i].last, UINT64_MAX), at);
		buf_free(&out);
		parser_room_free(&room);
		parser_free(parser);
	}
	struct tail_split lines = {.text_max = 10};
	assert_int_equal(tail_split_many(&lines, (const uint8_t *)"a\nb\nc\n", 6, false, 2), 4);
}

/* ---- pos_file ---- */

#define ROW(PATH, POS, INODE) PATH "\t" POS "\t" INODE
#define WEIR_COLUMNS	      "\t0000000000000007\t0000000000000008\t0000000000000000\t0000000000000009\n"
#define NO_COLUMNS	      "\t0000000000000000\t0000000000000000\t0000000000000000\t0000000000000000\n"

static void test_pos_load(void **state)
{
	static const struct {
		const char *file, *want; /* as it is written anew */
	} cases[] = {
		{"", ""},
		{ROW("/a", "0000000000000010", "000000000000000A") "\n",
			ROW("/a", "0000000000000010", "000000000000000a") NO_COLUMNS},
		{ROW("/a", "0000000000000010", "0000000a") "\n",
			ROW("/a", "0000000000000010", "000000000000000a") NO_COLUMNS},
		{ROW("/a", "0000000000000010", "000000000000000a"),
			ROW("/a", "0000000000000010", "000000000000000a") NO_COLUMNS},
		{ROW("/a", "0000000000000010", "000000000000000a") WEIR_COLUMNS,
			ROW("/a", "0000000000000010", "000000000000000a") WEIR_COLUMNS},
		/* Some of the columns only: they are not ours. */
		{ROW("/a", "0000000000000010", "000000000000000a") "\t7\t8\n",
			ROW("/a", "0000000000000010", "000000000000000a") NO_COLUMNS},
		/* Nobody watches it. */
		{ROW("/a", "ffffffffffffffff", "000000000000000a") "\n", ""},
		/* No lines. */
		{"\n\t1\t2\nx\n/a\t1\n/a\t\t1\n/a\tg\t1\n/a 1 2\n/a\t-1\t2\n/a\t0x1\t2\n/a\t11111111111111111\t2\n",
			""},
		/* The last of two counts; another inode is another file. */
		{ROW("/a", "0000000000000001", "000000000000000a") "\n" ROW(
			 "/a", "0000000000000002", "000000000000000a") "\n",
			ROW("/a", "0000000000000002", "000000000000000a") NO_COLUMNS},
		{ROW("/a b", "0000000000000001", "000000000000000a") "\n" ROW(
			 "/a b", "0000000000000002", "000000000000000b") "\n",
			ROW("/a b", "0000000000000001", "000000000000000a")
				NO_COLUMNS ROW("/a b", "0000000000000002", "000000000000000b") NO_COLUMNS},
		{ROW("/a", "0000000000000001", "000000000000000a") "\n" ROW(
			 "/a", "ffffffffffffffff", "000000000000000a") "\n",
			""},
	};
	struct err err;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		put_file("pos", cases[i].file);
		struct tail_pos *p = tail_pos_open("pos", "t", &err);
		assert_non_null(p);
		assert_file("pos", cases[i].want);
		tail_pos_close(p);
	}
}

static void test_pos_changes(void **state)
{
	struct err err;
	struct tail_entry *const *v;
	struct tail_place at = {.pos = 1, .inode = 2, .generation = 7, .born_ns = 8, .time_ns = 9};
	(void)state;
	unlink("pos");
	struct tail_pos *p = tail_pos_open("new/folder/pos", "t", &err);
	assert_non_null(p);
	assert_null(tail_pos_add(p, "/a\tb", &at));
	assert_null(tail_pos_add(p, "/a\nb", &at));
	struct tail_entry *a = tail_pos_add(p, "/a", &at), *b = tail_pos_add(p, "/b", &at);
	a->at.pos = 3;
	tail_pos_put(p, a);
	b->at.pos = UINT64_C(0x123456789abcdef0);
	tail_pos_put(p, b);
	tail_pos_sync(p);
	assert_file("new/folder/pos", ROW("/a", "0000000000000003", "0000000000000002") WEIR_COLUMNS ROW(
					      "/b", "123456789abcdef0", "0000000000000002") WEIR_COLUMNS);
	assert_null(tail_pos_open("new/folder/pos", "t", &err));
	assert_non_null(strstr(err.text, "in use"));
	tail_pos_drop(p, a);
	assert_int_equal(tail_pos_entries(p, &v), 1);
	assert_file("new/folder/pos", ROW("/a", "ffffffffffffffff", "0000000000000002") WEIR_COLUMNS ROW(
					      "/b", "123456789abcdef0", "0000000000000002") WEIR_COLUMNS);
	tail_pos_compact(p);
	b->at.pos = 4;
	tail_pos_put(p, b);
	tail_pos_add(p, "/c", &at);
	assert_file("new/folder/pos", ROW("/b", "0000000000000004", "0000000000000002") WEIR_COLUMNS ROW(
					      "/c", "0000000000000001", "0000000000000002") WEIR_COLUMNS);
	tail_pos_close(p);
}

static void test_pos_stays_small(void **state)
{
	struct err err;
	struct stat st;
	(void)state;
	struct tail_pos *p = tail_pos_open("small", "t", &err);
	assert_non_null(p);
	tail_pos_add(
		p, "/kept", &(struct tail_place){.pos = 1, .inode = 2, .generation = 7, .born_ns = 8, .time_ns = 9});
	for (unsigned i = 0; i < 5000; i++)
		tail_pos_drop(p, tail_pos_add(p, "/a", &(struct tail_place){0}));
	assert_int_equal(stat("small", &st), 0);
	assert_in_range(st.st_size, 1, 1100 * 110);
	tail_pos_compact(p);
	assert_file("small", ROW("/kept", "0000000000000001", "0000000000000002") WEIR_COLUMNS);
	tail_pos_close(p);
}

static void test_pos_refused(void **state)
{
	struct err err;
	(void)state;
	assert_int_equal(mkdir("is_folder", 0755), 0);
	assert_int_equal(mkfifo("fifo", 0644), 0);
	put_file("file", "");
	assert_null(tail_pos_open("is_folder", "t", &err));
	assert_null(tail_pos_open("fifo", "t", &err));
	assert_null(tail_pos_open("file/below", "t", &err));
	struct tail_pos *p = tail_pos_open(NULL, "t", &err);
	assert_non_null(p);
	assert_non_null(tail_pos_add(p, "/a", &(struct tail_place){0}));
	tail_pos_sync(p);
	tail_pos_compact(p);
	tail_pos_close(p);
}

/* ---- patterns ---- */

static int64_t noon(void)
{
	return INT64_C(1786104000) * NS_PER_S; /* 2026-08-07 12:00:00 UTC */
}

static void test_glob(void **state)
{
	static const struct {
		const char *paths[3], *excluded[3];
		int policy;
		const char *want; /* each with a blank behind it */
	} cases[] = {
		{{"a.log"}, {NULL}, GLOB_BACKWARD_COMPATIBLE, "a.log "},
		{{"none.log"}, {NULL}, GLOB_BACKWARD_COMPATIBLE, "none.log "},
		{{"*.log"}, {NULL}, GLOB_BACKWARD_COMPATIBLE, "a.log b.log "},
		{{"*.log", "a.log"}, {NULL}, GLOB_BACKWARD_COMPATIBLE, "a.log b.log "},
		{{"*.log"}, {"b.*"}, GLOB_BACKWARD_COMPATIBLE, "a.log "},
		{{"*.log"}, {"a.log", "b.log"}, GLOB_BACKWARD_COMPATIBLE, ""},
		{{"none*"}, {NULL}, GLOB_BACKWARD_COMPATIBLE, ""},
		{{"?.log"}, {NULL}, GLOB_BACKWARD_COMPATIBLE, "?.log "},
		{{"?.log"}, {NULL}, GLOB_EXTENDED, "a.log b.log "},
		{{"[b-z].log"}, {NULL}, GLOB_EXTENDED, "b.log "},
		{{"{a,b}.log"}, {NULL}, GLOB_EXTENDED, "{a,b}.log "},
		{{"{a,b}.log"}, {NULL}, GLOB_ALWAYS, "a.log b.log "},
		{{"**/*.log"}, {NULL}, GLOB_BACKWARD_COMPATIBLE, "a.log b.log d[1]/c.log d[1]/e/f.log "},
		{{"d*/**/*.log"}, {NULL}, GLOB_BACKWARD_COMPATIBLE, "d[1]/c.log d[1]/e/f.log "},
		{{"d*/**/f.log"}, {"**/e/*"}, GLOB_BACKWARD_COMPATIBLE, ""},
		{{"**/none*"}, {NULL}, GLOB_BACKWARD_COMPATIBLE, ""},
		{{"day-%Y%m%d.log"}, {NULL}, GLOB_BACKWARD_COMPATIBLE, "day-20260807.log "},
		{{"day-%Y%m*"}, {NULL}, GLOB_BACKWARD_COMPATIBLE, "day-20260807.txt "},
		{{"day-*"}, {"day-%Y%m%d.txt"}, GLOB_BACKWARD_COMPATIBLE, ""},
	};
	(void)state;
	assert_int_equal(mkdir("glob", 0755) | mkdir("glob/d[1]", 0755) | mkdir("glob/d[1]/e", 0755), 0);
	assert_int_equal(chdir("glob") | mkdir(".hidden", 0755) | symlink("d[1]", "link"), 0);
	static const char *const names[] = {
		"a.log", "b.log", "d[1]/c.log", "d[1]/e/f.log", ".hidden/h.log", "day-20260807.txt"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		put_file(names[i], "");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *paths[3], *excluded[3];
		memcpy(paths, cases[i].paths, sizeof paths);
		memcpy(excluded, cases[i].excluded, sizeof excluded);
		struct tail_glob g = {
			.paths = paths, .excluded = excluded, .policy = cases[i].policy, .zone = zone_utc()};
		struct buf out;
		buf_init(&out, 4096);
		char **found = tail_glob_expand(&g, noon());
		for (char **p = found; p && *p; p++)
			buf_printf(&out, "%s ", *p);
		assert_string_equal(buf_cstr(&out), cases[i].want);
		tail_glob_free(found);
		buf_free(&out);
	}
	assert_int_equal(chdir(".."), 0);
}

static void test_glob_folder(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {{"/a/b/*.log", "/a/b/"}, {"/a/b.log", "/a/"}, {"/a/x*/b.log", "/a/"}, {"*.log", "."}, {"/*", "/"},
		{"a/[b]", "a/"}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf out;
		buf_init(&out, 4096);
		tail_glob_folder(cases[i].path, &out);
		assert_string_equal(buf_cstr(&out), cases[i].want);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_pos_load),
		cmocka_unit_test(test_pos_changes),
		cmocka_unit_test(test_pos_stays_small),
		cmocka_unit_test(test_pos_refused),
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_glob_folder),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
