/* The grep filter alone. Expected results are fluentd's. */
#include "filter_util.h"

extern const struct plugin filter_grep;

#define RE(key, pattern) "<regexp>\nkey " key "\npattern " pattern "\n</regexp>\n"
#define EX(key, pattern) "<exclude>\nkey " key "\npattern " pattern "\n</exclude>\n"

#define KEPT(record) "1000.500000000 " record "\n"

/* Records that stay as they are, or go. */
static const struct {
	const char *conf, *record;
	bool kept;
} cases[] = {
	{"", "{\"a\":1}", true},
	{RE("m", "/ERR/"), "{\"m\":\"an ERROR\"}", true},
	{RE("m", "/ERR/"), "{\"m\":\"an error\"}", false},
	{RE("m", "/ERR/i"), "{\"m\":\"an error\"}", true},
	{RE("m", "/^b$/"), "{\"m\":\"a\\nb\\nc\"}", true},
	{RE("m", "/a.b/"), "{\"m\":\"a\\nb\"}", false},
	{RE("m", "/a.b/m"), "{\"m\":\"a\\nb\"}", true},
	{RE("m", "/a b c? /x"), "{\"m\":\"xaby\"}", true},
	{RE("m", "ERR"), "{\"m\":\"an ERROR\"}", true},
	{RE("m", "/x/"), "{\"y\":\"x\"}", false},
	{RE("m", "/^$/"), "{\"y\":\"x\"}", true},
	{RE("m", "/^$/"), "{\"m\":null}", true},
	{RE("m", "/^true$/"), "{\"m\":true}", true},
	{RE("m", "/^12$/"), "{\"m\":12}", true},
	{RE("m", "/^-5$/"), "{\"m\":-5}", true},
	{RE("m", "/^1\\.5$/"), "{\"m\":1.5}", true},
	{RE("m", "/^5\\d\\d$/"), "{\"m\":503}", true},
	{RE("m", "/\"a\"=>\\[1, nil\\]/"), "{\"m\":{\"a\":[1,null]}}", true},
	{RE("m", "/^\\p{Hangul}+$/"), "{\"m\":\"로그\"}", true},
	{RE("m", "/^\\w+$/"), "{\"m\":\"Grüße\"}", false},
	/* of repeated keys the last counts */
	{RE("m", "/new/"), "{\"m\":\"old\",\"m\":\"new\"}", true},
	/* record accessors */
	{RE("$.a.b", "/x/"), "{\"a\":{\"b\":\"x\"}}", true},
	{RE("$.a.b", "/x/"), "{\"a\":{\"c\":\"x\"}}", false},
	{RE("$.a.b", "/x/"), "{\"a.b\":\"x\"}", false},
	{RE("a.b", "/x/"), "{\"a.b\":\"x\"}", true},
	{RE("$['a.b']['c']", "/x/"), "{\"a.b\":{\"c\":\"x\"}}", true},
	{RE("$.a[1]", "/x/"), "{\"a\":[1,\"x\"]}", true},
	{RE("$.a[-1]", "/x/"), "{\"a\":[1,\"x\"]}", true},
	{RE("$.a[7]", "/^$/"), "{\"a\":[1,\"x\"]}", true},
	{RE("$.a[0]", "/^$/"), "{\"a\":{\"0\":1}}", true},
	{RE("$.a.b.c", "/^$/"), "{\"a\":{\"b\":null}}", true},
	/* where Ruby's dig raises, fluentd keeps the event */
	{RE("$.a.b", "/x/"), "{\"a\":\"text\"}", true},
	{RE("$.a.b", "/x/"), "{\"a\":5}", true},
	{RE("$.a.b", "/x/"), "{\"a\":[1]}", true},
	{EX("$.a.b", "/./"), "{\"a\":\"text\"}", true},
	/* several */
	{RE("a", "/1/") RE("b", "/2/"), "{\"a\":1,\"b\":2}", true},
	{RE("a", "/1/") RE("b", "/2/"), "{\"a\":1,\"b\":3}", false},
	{EX("a", "/1/"), "{\"a\":1}", false},
	{EX("a", "/1/"), "{\"a\":2}", true},
	{EX("a", "/1/"), "{}", true},
	{EX("a", "/1/") EX("b", "/2/"), "{\"a\":0,\"b\":2}", false},
	{EX("a", "/1/") EX("b", "/2/"), "{\"a\":0,\"b\":0}", true},
	{RE("a", "/1/") EX("a", "/2/"), "{\"a\":12}", false},
	{RE("a", "/1/") EX("a", "/2/"), "{\"a\":1}", true},
	/* groups */
	{"<and>\n" RE("a", "/1/") RE("b", "/2/") "</and>", "{\"a\":1,\"b\":2}", true},
	{"<and>\n" RE("a", "/1/") RE("b", "/2/") "</and>", "{\"a\":1,\"b\":0}", false},
	{"<and>\n" EX("a", "/1/") EX("b", "/2/") "</and>", "{\"a\":1,\"b\":2}", false},
	{"<and>\n" EX("a", "/1/") EX("b", "/2/") "</and>", "{\"a\":1,\"b\":0}", true},
	{"<or>\n" RE("a", "/1/") RE("b", "/2/") "</or>", "{\"a\":0,\"b\":2}", true},
	{"<or>\n" RE("a", "/1/") RE("b", "/2/") "</or>", "{\"a\":0,\"b\":0}", false},
	{"<or>\n" EX("a", "/1/") EX("b", "/2/") "</or>", "{\"a\":0,\"b\":2}", false},
	{"<or>\n" EX("a", "/1/") EX("b", "/2/") "</or>", "{\"a\":0,\"b\":0}", true},
	{"<and>\n" RE("a", "/1/") "</and>\n<or>\n" RE("b", "/2/") RE("c", "/3/") "</or>\n" EX("d", "/4/"),
		"{\"a\":1,\"c\":3,\"d\":5}", true},
	{"<and>\n" RE("a", "/1/") "</and>\n<or>\n" RE("b", "/2/") RE("c", "/3/") "</or>\n" EX("d", "/4/"),
		"{\"a\":1,\"c\":3,\"d\":4}", false},
	{"<and>\n" RE("a", "/1/") "</and>\n<and>\n" RE("b", "/2/") "</and>", "{\"a\":1,\"b\":0}", false},
	/* v0.12 */
	{"regexp1 m ERR", "{\"m\":\"an ERROR\"}", true},
	{"regexp1 m ERR", "{\"m\":\"fine\"}", false},
	{"regexp1 m a b", "{\"m\":\"a b\"}", true},
	{"regexp1 m  b", "{\"m\":\"ab\"}", false},
	{"exclude1 m DEBUG\nregexp20 n ^\\d+$", "{\"m\":\"x\",\"n\":\"12\"}", true},
	{"exclude1 m DEBUG\nregexp20 n ^\\d+$", "{\"m\":\"DEBUG\",\"n\":\"12\"}", false},
	{"regexp1 $.a.b ^x$", "{\"a\":{\"b\":\"x\"}}", true},
};

static void keeps_and_drops(void **state)
{
	(void)state;
	int bad = 0;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct made_filter m;
		struct buf entry;
		buf_init(&entry, 1 << 16);
		put_entry(&entry, cases[i].record);
		make_filter(&m, &filter_grep, cases[i].conf);
		char *got = m.f.self ? filter_apply(&m, buf_span(&entry), 1) : filter_findings(&m);
		if ((got[0] != 0) != cases[i].kept || !m.f.self || strchr(got, '!')) {
			print_error("%s\n%s\n  %s\n", cases[i].conf, cases[i].record, got);
			bad++;
		}
		mem_free(got);
		free_filter(&m);
		buf_free(&entry);
	}
	assert_int_equal(bad, 0);
}

/* All forms of entries, kept byte for byte; text that is no UTF-8 is looked at with ? for what is none; text as bin. */
static void kinds_of_entries(void **state)
{
	static const char bytes[] = "\x92\x92\x05\x81\xa1k\x01\x81\xa1m\xa1x"			 /* metadata */
				    "\x92\x00\x81\xa1m\xa1x"					 /* no time */
				    "\x92\x05\x81\xa1m\xc4\x01x"				 /* bin */
				    "\x92\xce\x00\x00\x00\x07\x81\xa1m\xa3x\xff"		 /* bad UTF-8 */
				    "y"								 /* */
				    "\x92\xd7\x00\x00\x00\x00\x07\x00\x00\x00\x01\x81\xa1m\xa1y" /* dropped */
				    "\x93\x05\x81\xa1m\xa1x\xc0";				 /* three elements */
	struct made_filter m;
	(void)state;
	make_filter(&m, &filter_grep, RE("m", "/x$|^x\\?y/"));
	char *got = filter_apply(&m, span_of(bytes, sizeof bytes - 1), 6);
	assert_string_equal(got, "5.0 {\"k\":1}{\"m\":\"x\"}\nnow {\"m\":\"x\"}\n5.0 {\"m\":\"x\"}\n"
				 "7.0 {\"m\":\"x\xef\xbf\xbdy\"}\n5.0 {\"m\":\"x\"}\n");
	mem_free(got);
	free_filter(&m);
}

/* A pattern that would take for ever is given up, and the event is an error, not lost. */
static void patterns_that_explode(void **state)
{
	struct made_filter m;
	struct buf entry;
	(void)state;
	buf_init(&entry, 1 << 16);
	put_entry(&entry, "{\"m\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"}");
	make_filter(&m, &filter_grep, RE("m", "/^(a|a)*\\1(a+)+$/"));
	char *got = filter_apply(&m, buf_span(&entry), 1);
	assert_string_equal(got, "!grep_limit");
	mem_free(got);
	free_filter(&m);
	buf_free(&entry);
}

static void says_what_is_wrong(void **state)
{
	static const struct filter_wrong wrong[] = {
		{"<regexp>\npattern /x/\n</regexp>", "3:1 error: 'key' parameter is required"},
		{"<exclude>\nkey m\n</exclude>", "3:1 error: 'pattern' parameter is required"},
		{RE("m", "/[/"), "5:9 error: "},
		{RE("$.", "/x/"), "4:5 error: "},
		{RE("m", "/x/") RE("m", "/y/"), "8:5 error: Duplicate key: m"},
		{"<and>\n" RE("m", "/x/") EX("m", "/y/") "</and>",
			"3:1 error: Do not specify both <regexp> and <exclude> in <and>"},
		{"<or>\n" RE("m", "/x/") RE("m", "/y/") "</or>", "9:5 error: Duplicate key in <or>: m"},
		{"regexp1 m", "3:9 error: regexp1 does not contain 2 parameters"},
		{"regexp1 m x\nregexp2 m y", "4:9 error: regexp2 contains a duplicated key, m"},
		{"regexp1 m x", "3:1 warning: "},
		{"regexp1 m [", "3:9 error: "},
		{"regexp21 m x", "3:1 warning: "},
		{"<regex>\nkey m\npattern /x/\n</regex>", "3:1 warning: "},
	};
	(void)state;
	check_filter_wrong(&filter_grep, wrong, sizeof wrong / sizeof *wrong);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_and_drops),
		cmocka_unit_test(kinds_of_entries),
		cmocka_unit_test(patterns_that_explode),
		cmocka_unit_test(says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
