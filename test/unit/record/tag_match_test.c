#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/tag_match.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

/* The tags that fluentd 1.19.3 was asked about; "-" stands for the empty tag. */
static const char *const tags[] = {"a", "a.b", "a.b.c", "a.b.c.d", "b", "b.c", "x", "a.x.c", "-", "a.", ".a", "a..b",
	"ab", "aXb", "b.a", "a.c", "a.b.c.d.e", "c", "b.x"};

/* Pattern, and those of the tags that it matched there. */
static const struct row {
	const char *pattern, *matching;
} rows[] = {
	{"a", "a"},
	{"*", "a b x - ab aXb c"},
	{"**", "a a.b a.b.c a.b.c.d b b.c x a.x.c - a. .a a..b ab aXb b.a a.c a.b.c.d.e c b.x"},
	{"a.*", "a.b a. a.c"},
	{"a.**", "a a.b a.b.c a.b.c.d a.x.c a. a..b a.c a.b.c.d.e"},
	{"**.c", "a.b.c b.c a.x.c a.c c"},
	{"*.b", "a.b"},
	{"a.*.c", "a.b.c a.x.c"},
	{"a.**.c", "a.b.c a.x.c a.c"},
	{"{a,b}", "a b"},
	{"{a,b}.*", "a.b b.c a. b.a a.c b.x"},
	{"a.{b,x}.c", "a.b.c a.x.c"},
	{"{a,b.c}", "a b.c"},
	{"{a,b}.**", "a a.b a.b.c a.b.c.d b b.c a.x.c a. a..b b.a a.c a.b.c.d.e b.x"},
	{"a*", "a ab aXb"},
	{"a.b*", "a.b"},
	{"*b", "b ab aXb"},
	{"{a,b", "a b"},
	{"a b", "a b"},
	{"a.** b.*", "a a.b a.b.c a.b.c.d b.c a.x.c a. a..b b.a a.c a.b.c.d.e b.x"},
	{"**.**", "a a.b a.b.c a.b.c.d b b.c x a.x.c - a. .a a..b ab aXb b.a a.c a.b.c.d.e c b.x"},
	{"a.***", "a a.b a.b.c a.b.c.d a.x.c a. a..b a.c a.b.c.d.e"},
	{"/a\\.b/", "a.b"},
	{"/^a\\.b$/", "a.b"},
	{"a.{*,x.c}", "a.b a.x.c a. a.c"},
	{"{a.b,x}.**", "a.b a.b.c a.b.c.d x a.b.c.d.e"},
	{"**b", "a.b b a..b ab aXb"},
	{"**.b", "a.b b a..b"},
	{"a.**b", "a.b a..b"},
	{"a?b", ""},
	{"[ab]", ""},
	{"{a{b,X},x}", "x ab"},
	{"a.#{x}", ""},
	{"!a", ""},
};

/* More pairs, with what the code of fluentd 1.19 answers. Tags may hold anything. */
static const struct pair {
	const char *pattern, *tag;
	bool match;
} pairs[] = {
	/* a dot at the end of a pattern is none; before a brace, a comma or an escape it is one */
	{"a.", "a", true},
	{"a.", "a.", false},
	{"a..", "a.", true},
	{"a..", "a", false},
	{".", "", true},
	{".", ".", false},
	{".a", ".a", true},
	{"{a.,b}", "a.", true},
	{"{a.,b}", "a", false},
	{"{b,a.}", "a.", true},
	{"a.\\.b", "a..b", true},
	{"a.{**,b}", "a", false},
	{"a.{**,b}", "a.", true},
	{"a.{**,b}", "a.x.y", true},
	/* ** */
	{"**", "a\nb", true},
	{"** a", "\xff", true},
	{"**a", "\na", false},
	{"a**", "a", true},
	{"a**", "abc.d", true},
	{"a**c", "abc", true},
	{"a**c", "ac", true},
	{"a**c", "a.b.d", false},
	{"x**.c", "xc", false},
	{"x**.c", "x.c", true},
	{"x**.c", "xy.z.c", true},
	{"**.", "", true},
	{"**.", "a.", true},
	{"**.", "a", false},
	{"**..b", ".b", true},
	{"**..b", "a..b", true},
	{"**..b", "a.b", false},
	{"a.**.", "a.b.", true},
	{"a.**.", "a.", true},
	{"a.**.", "a", false},
	{"a.**.b.**.c", "a.b.c", true},
	{"a.**.b.**.c", "a.x.b.y.z.c", true},
	{"a.**.b.**.c", "a.b", false},
	{"a.**.b.**.c", "a.c", false},
	{"a.**.*", "a.b", true},
	{"a.**.*", "a", false},
	{"**.*.c", "b.c", true},
	{"**.*.c", "c", false},
	{"****", "a.b", true},
	{"a***b", "axb", true},
	{"a***b", "a.x.b", true},
	{"a.**b.c", "a.xb.c", true},
	{"a.**b.c", "a.b.c", true},
	{"a.**b.c", "axb.c", false},
	{"**.b.**", "b", true},
	{"**.b.**", "a.b", true},
	{"**.b.**", "a.b.c.d", true},
	{"**.b.**", "ab.c", false},
	{"**.b.**", "a.bc", false},
	{"**log", "app.log", true},
	{"**.log", "app.log", true},
	{"**.log", "log", true},
	{"**.log", "applog", false},
	/* * */
	{"*", "a\nb", true},
	{"*", ".", false},
	{"*.*", ".", true},
	{"*.*", "a", false},
	{"a*b", "ab", true},
	{"a*b", "a.b", false},
	{"a*b*c", "axbxc", true},
	{"a*b*c", "acb", false},
	{"*a*", "bab", true},
	{"app.*.log", "app..log", true},
	{"app.*.log", "app.x.y.log", false},
	{"kubernetes.var.log.containers.*_kube-system_*.log", "kubernetes.var.log.containers.dns_kube-system_c-1.log",
		true},
	{"kubernetes.var.log.containers.*_kube-system_*.log", "kubernetes.var.log.containers.dns_default_c-1.log",
		false},
	/* braces */
	{"{}", "", true},
	{"{}", "{}", false},
	{"a{}", "a", true},
	{"a{,b}", "a", true},
	{"a{,b}", "ab", true},
	{"a{,b}", "a,b", false},
	{"{a,b}{c,d}", "bc", true},
	{"{a,b}{c,d}", "ab", false},
	{"{{a,b},{c,{d,e}}}", "e", true},
	{"{{a,b},{c,{d,e}}}", "d", true},
	{"{{a,b},{c,{d,e}}}", "a", true},
	{"{{a,b},{c,{d,e}}}", "f", false},
	{"{a{b,X},x}", "aX", true},
	{"{a{b,X},x}", "a", false},
	{"{a.*,**.z}", "a.b", true},
	{"{a.*,**.z}", "q.r.z", true},
	{"{a.*,**.z}", "z", true},
	{"{a.*,**.z}", "q.r", false},
	{"a{**.c,d}", "ac", false},
	{"a{**.c,d}", "a.c", true},
	{"{**.c,d}", "c", true},
	{"{a.**,b}", "a", true},
	{"{a.**,b}", "a.x", true},
	{"{a.**,b}", "ab", false},
	{"{a.**,b}.z", "a.z", true},
	{"{/a/}", "/a/", true},
	{"{a,b}}", "a}", true},
	{"}", "}", true},
	{"a,b", "a,b", true},
	{"app.{web,api}.{access,error}", "app.api.error", true},
	{"app.{web,api}.{access,error}", "app.api.debug", false},
	/* a brace that is not closed */
	{"{a,b", "a", true},
	{"{a,b", "{a,b", false},
	{"x{a,bc", "xbc", true},
	{"x{", "x", true},
	{"{a,b_1", "b_1", true},
	{"{\\a,b", "a", true},
	/* escapes */
	{"\\*", "*", true},
	{"\\*", "a", false},
	{"\\**", "*x", true},
	{"\\*\\*", "**", true},
	{"\\*\\*", "ab", false},
	{"\\a", "a", true},
	{"a\\", "a", true},
	{"\\\\", "\\", true},
	{"\\{a,b\\}", "{a,b}", true},
	{"\\{a,b\\}", "a", false},
	{"{a\\,b,c}", "a,b", true},
	{"{a\\,b,c}", "a", false},
	{"{a\\},b}", "a}", true},
	{"\\/a/", "/a/", true},
	{"a\\.b", "a.b", true},
	{"a\\.b", "axb", false},
	{"**.\\", "x.", true},
	/* nothing else has a meaning */
	{"a?", "a?", true},
	{"a?", "ab", false},
	{"[ab]", "[ab]", true},
	{"(a|b)+", "(a|b)+", true},
	{"a-b_c", "a-b_c", true},
	{"^a$", "^a$", true},
	{"a#b", "a#b", true},
	{"A", "a", false},
	{"\xc3\xa9*", "\xc3\xa9x", true},
	{"*\xc3\xa9", "\xc3\xa9", true},
	{"\xc3\xa9", "\xc3\xa8", false},
	/* a last line feed is not part of the tag, as for any \Z */
	{"a", "a\n", true},
	{"a", "a\n\n", false},
	{"a", "\na", false},
	{"*", "a\n\n", true},
	{"a.**", "a\n", false},
	{"a.**", "a.b\n", true},
	{"a.**", "a.b\nc", false},
	/* regular expressions */
	{"/a\\.b/", "a.b", true},
	{"/a\\.b/", "a.b.c", false},
	{"/a\\.b/", "x.a.b", false},
	{"/^a\\.b$/", "a.b", true},
	{"/a.*/", "a.b.c", true},
	{"/(?i)APP\\..*/", "app.x", true},
	{"/a/i/", "a", false},
	{"/(a|b)/", "b", true},
	{"/(a|b)/", "ab", false},
	{"/a|b/", "axx", true},
	{"/a|b/", "xxb", true},
	{"/a|b/", "xa", false},
	{"/(?!a\\.).*/", "b.c", true},
	{"/(?!a\\.).*/", "a.c", false},
	{"/(?<x>[a-z]+)\\.\\k<x>/", "ab.ab", true},
	{"/(?<x>[a-z]+)\\.\\k<x>/", "ab.ac", false},
	{"/\\h+/", "1f", true},
	{"/\\h+/", "xyz", false},
	{"/a/", "a\n", true},
	{"/.*/", "\xff", false},
	{"/", "", true},
	{"//", "", true},
	{"//", "a", false},
	/* several, and none */
	{"a b", "b", true},
	{"a\tb\n c", "c", true},
	{" a ", "a", true},
	{" a ", "", false},
	{"x.* y.** **.z", "q.z", true},
	{"x.* y.** **.z", "q.y", false},
	{"x /a+/ y", "aaa", true},
	{"x /a+/ y", "y", true},
	{"", "", true},
	{"", "any.thing", true},
	{"  ", "any.thing", true},
};

static struct tag_match *compile(const char *pattern)
{
	struct err err;
	struct tag_match *m = tag_match_compile(pattern, &err);
	if (!m)
		fail_msg("'%s' was refused: %s", pattern, err.text);
	return m;
}

static bool listed(const char *list, const char *tag)
{
	size_t n = strlen(tag);
	for (const char *p = list; *p;) {
		size_t len = strcspn(p, " ");
		if (len == n && memcmp(p, tag, n) == 0)
			return true;
		p += len + (p[len] == ' ');
	}
	return false;
}

static void test_fluentd_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tag_match *m = compile(rows[i].pattern);
		for (size_t t = 0; t < sizeof tags / sizeof *tags; t++) {
			bool want = listed(rows[i].matching, tags[t]);
			struct span tag = tags[t][0] == '-' ? span_of("", 0) : span_str(tags[t]);
			if (tag_match(m, tag) != want)
				fail_msg("'%s' and '%s': must be %d", rows[i].pattern, tags[t], want);
		}
		tag_match_free(m);
	}
}

static void test_pairs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct tag_match *m = compile(pairs[i].pattern);
		if (tag_match(m, span_str(pairs[i].tag)) != pairs[i].match)
			fail_msg("'%s' and '%s': must be %d", pairs[i].pattern, pairs[i].tag, pairs[i].match);
		tag_match_free(m);
	}
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *why;
	} bad[] = {
		{"/a", "match pattern '/a': it begins with '/' but does not end with it"},
		{"/a b/", "match pattern '/a': it begins with '/'"},
		{"x /(/", "match pattern '/(/': not a regular expression: end pattern with unmatched parenthesis: "
			  "/\\A(\\Z/"},
		{"/[/", "match pattern '/[/': not a regular expression: premature end of char-class"},
		{"/*/", "target of repeat operator is invalid"},
		{"/\xff/", "not UTF-8"},
		{"{a.b,c", "match pattern '{a.b,c': a '{' is not closed"},
		{"{a*,c", "a '{' is not closed"},
		{"{a**,c", "a '{' is not closed"},
		{"{a-b,c", "a '{' is not closed"},
		{"{a,{b,c", "a '{' is not closed"},
		{"{a,{b,c}", "a '{' is not closed"},
		{"{a\\.,c", "a '{' is not closed"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err;
		assert_null(tag_match_compile(bad[i].pattern, &err));
		if (!strstr(err.text, bad[i].why))
			fail_msg("'%s': %s", bad[i].pattern, err.text);
	}
	tag_match_free(NULL);
}

static void test_length_limit(void **state)
{
	(void)state;
	char *pattern = mem_alloc(20001);
	memset(pattern, 'a', 20000);
	pattern[20000] = 0;
	struct err err;
	assert_null(tag_match_compile(pattern, &err));
	assert_non_null(strstr(err.text, "it is longer than 16384 characters"));
	pattern[16383] = 0; /* and the end */
	struct tag_match *m = compile(pattern);
	assert_true(tag_match(m, span_str(pattern)));
	assert_false(tag_match(m, span_of(pattern, 16382)));
	tag_match_free(m);
	mem_free(pattern);
}

/* Alternatives enough for several words of the sets. */
static void test_many_alternatives(void **state)
{
	(void)state;
	char text[8192] = "app.{", tag[32];
	size_t n = strlen(text);
	for (int i = 0; i < 500; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%ssvc-%d", i ? "," : "", i);
	snprintf(text + n, sizeof text - n, "}.**");
	struct tag_match *m = compile(text);
	for (int i = 0; i < 510; i++) {
		snprintf(tag, sizeof tag, "app.svc-%d.x", i);
		assert_int_equal(tag_match(m, span_str(tag)), i < 500);
	}
	tag_match_free(m);
}

/* With backtracking this would take longer than anybody waits; the test's time limit is the judge. */
static void test_no_blow_up(void **state)
{
	(void)state;
	struct tag_match *m = compile(
		"**a**a**a**a**a**a**a**a**a**a**b *a*a*a*a*a*a*a*a*a*b {**a,**a**,a**}**{**a,**a**}b");
	char *tag = mem_alloc(20000);
	memset(tag, 'a', 20000);
	assert_false(tag_match(m, span_of(tag, 20000)));
	tag[19999] = 'b';
	assert_true(tag_match(m, span_of(tag, 20000)));
	mem_free(tag);
	tag_match_free(m);
}

static void count_line(
	void *arg, enum log_level level, const char *plugin, const char *message, const struct log_kv *kv)
{
	(void)plugin;
	(void)kv;
	if (level == LOG_WARN && strstr(message, "takes too many steps"))
		++*(int *)arg;
}

static void test_regexp_is_given_up(void **state)
{
	(void)state;
	int lines = 0;
	struct tag_match *m = compile("/(a|aa)+z/");
	char tag[65];
	memset(tag, 'a', 64);
	tag[64] = 0;
	log_tap(count_line, &lines);
	assert_false(tag_match(m, span_str(tag)));
	assert_false(tag_match(m, span_str(tag)));
	log_tap(NULL, NULL);
	assert_int_equal(lines, 1); /* said, but not for every event */
	tag_match_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fluentd_table),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_length_limit),
		cmocka_unit_test(test_many_alternatives),
		cmocka_unit_test(test_no_blow_up),
		cmocka_unit_test(test_regexp_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
