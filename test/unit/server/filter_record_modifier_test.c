/* The record_modifier filter alone. Expected results are those of fluent-plugin-record-modifier 2.2. */
#include "filter_util.h"

extern const struct plugin filter_record_modifier;

#define R(lines)	     "<record>\n" lines "\n</record>\n"
#define REPLACE(key, re, by) "<replace>\nkey " key "\nexpression " re "\nreplace " by "\n</replace>\n"
#define AT		     "1000.500000000 "

static const struct filter_case cases[] = {
	{"", "{\"a\":1}", AT "{\"a\":1}\n"},
	{R("b two"), "{\"a\":1}", AT "{\"a\":1,\"b\":\"two\"}\n"},
	{R("a\\tb tab\\t"), "{}", AT "{\"a\\\\tb\":\"tab\\\\t\"}\n"},
	{R("t ${tag}"), "{}", AT "{\"t\":\"app.web.log\"}\n"},
	{R("t x-${tag}-y"), "{}", AT "{\"t\":\"x-app.web.log-y\"}\n"},
	{R("t ${tag_parts[1]}"), "{}", AT "{\"t\":\"web\"}\n"},
	{R("t ${record['a'] + 1}"), "{\"a\":1}", AT "{\"a\":1,\"t\":2}\n"},
	{R("t ${record['a']['b']}"), "{\"a\":{\"b\":[1]}}", AT "{\"a\":{\"b\":[1]},\"t\":[1]}\n"},
	{R("t ${record['a']}!"), "{\"a\":1}", AT "{\"a\":1,\"t\":\"1!\"}\n"},
	{R("t #{1 + 1}"), "{}", AT "{\"t\":\"#{1 + 1}\"}\n"},
	{R("${tag} x"), "{}", AT "{\"${tag}\":\"x\"}\n"},
	/* JSON is text */
	{R("t {\"a\":1}"), "{}", AT "{\"t\":\"{\\\"a\\\":1}\"}\n"},
	/* the time is fluentd's EventTime */
	{R("t ${time}"), "{}", AT "{\"t\":\"1970-01-01T00:16:40.500000000Z\"}\n"},
	{R("t ${Time.at(time).utc.strftime('%FT%TZ')}"), "{}", AT "{\"t\":\"1970-01-01T00:16:40Z\"}\n"},
	{R("t ${time.to_i * 1000}"), "{}", AT "{\"t\":1000000}\n"},
	/* one after the other */
	{R("a ${record['b']}\nb ${record['a']}"), "{\"a\":1,\"b\":2}", AT "{\"a\":2,\"b\":2}\n"},
	{R("_x ${record['new'] = record.delete('old'); nil}") "remove_keys _x", "{\"old\":1}", AT "{\"new\":1}\n"},
	{R("m ${record['s'].upcase!}"), "{\"s\":\"x\"}", AT "{\"s\":\"X\",\"m\":\"X\"}\n"},
	/* remove_keys, whitelist_keys */
	{"remove_keys a", "{\"a\":1,\"b\":2}", AT "{\"b\":2}\n"},
	{"remove_keys a, b ,c", "{\"a\":1,\"b\":2,\"d\":3}", AT "{\"d\":3}\n"},
	{"remove_keys $.a.b", "{\"a\":{\"b\":1}}", AT "{\"a\":{}}\n"},
	{"whitelist_keys a, c", "{\"a\":1,\"b\":2,\"c\":3}", AT "{\"a\":1,\"c\":3}\n"},
	{"whitelist_keys a\n" R("t x"), "{\"a\":1,\"b\":2}", AT "{\"a\":1,\"t\":\"x\"}\n"},
	{"whitelist_keys nope", "{\"a\":1}", AT "{}\n"},
	{"char_encoding utf-8", "{\"a\":\"Grüße\"}", AT "{\"a\":\"Grüße\"}\n"},
	/* v0.12: fields beside the parameters; they come before those of <record>, which win */
	{"b two", "{\"a\":1}", AT "{\"a\":1,\"b\":\"two\"}\n"},
	{"host h\nt ${record['a'] + 1}\nremove_keys a", "{\"a\":1}", AT "{\"host\":\"h\",\"t\":2}\n"},
	{"t ${tag}\nt ${tag_parts[0]}", "{}", AT "{\"t\":\"app\"}\n"},
	{"u ${record['a']}\nt flat\n" R("t ${record['u']}\nv x"), "{\"a\":1}",
		AT "{\"a\":1,\"u\":1,\"t\":1,\"v\":\"x\"}\n"},
	{"whitelist_keys a\nt x", "{\"a\":1,\"b\":2}", AT "{\"a\":1,\"t\":\"x\"}\n"},
	{"tag ${tag}\nid 5", "{}", AT "{\"tag\":\"app.web.log\"}\n"},
	/* <replace> */
	{REPLACE("a", "/\\d+/", "N"), "{\"a\":\"x12y3\"}", AT "{\"a\":\"xNyN\"}\n"},
	{REPLACE("a", "/(\\w)@(\\w)/", "\\2@\\1"), "{\"a\":\"x@y\"}", AT "{\"a\":\"y@x\"}\n"},
	{REPLACE("a", "/(?<u>\\w+)@/", "\\k<u>:"), "{\"a\":\"joe@x\"}", AT "{\"a\":\"joe:x\"}\n"},
	{REPLACE("a", "/X/i", "''"), "{\"a\":\"axb\"}", AT "{\"a\":\"ab\"}\n"},
	{REPLACE("a", "/x/", "y") REPLACE("a", "/y/", "z"), "{\"a\":\"xy\"}", AT "{\"a\":\"zz\"}\n"},
	{REPLACE("a", "/x/", "y"), "{\"b\":\"x\"}", AT "{\"b\":\"x\"}\n"},
	{REPLACE("a", "/x/", "y"), "{\"a\":null}", AT "{\"a\":null}\n"},
	{REPLACE("t", "/o/", "0") R("t foo"), "{}", AT "{\"t\":\"f00\"}\n"},
	{"whitelist_keys b\n" REPLACE("a", "/x/", "y"), "{\"a\":\"x\",\"b\":1}", AT "{\"b\":1}\n"},
	/* failures */
	{REPLACE("a", "/x/", "y"), "{\"a\":5}", "!expression_error"},
	{R("t ${record['a']['b']}"), "{}", "!expression_error"},
	{R("t ${record['a'].map { |x| x }}"), "{\"a\":\"x\"}", "!expression_error"},
};

static void as_fluentd(void **state)
{
	(void)state;
	check_filter_cases(&filter_record_modifier, SPAN_LIT("app.web.log"), cases, sizeof cases / sizeof *cases);
}

/* {name: [{"k": text}, 1], "n": nil} */
static void put_nested(struct buf *b, const char *name, const char *text)
{
	buf_put_byte(b, 0x92);
	mp_put_event_time(b, (struct event_time){1, 0});
	mp_put_map_head(b, 2);
	mp_put_str(b, span_str(name));
	buf_put_byte(b, 0x92);
	mp_put_map_head(b, 1);
	mp_put_str(b, span_str("k"));
	mp_put_str(b, span_str(text));
	mp_put_uint(b, 1);
	mp_put_str(b, span_str("n"));
	mp_put_nil(b);
}

/* Texts in other encodings, as bytes: what JSON cannot hold. Names are left alone. */
static void converts(void **state)
{
	static const struct {
		const char *encoding, *text, *want;
	} rows[] = {
		{"ISO-8859-1:UTF-8", "Gr\xfc\xdf", "Gr\xc3\xbc\xc3\x9f"},
		{"windows-1252:utf-8", "\x80 5", "\xe2\x82\xac 5"},
		{"euc-jp:utf-8", "\xc6\xfc\xcb\xdc", "\xe6\x97\xa5\xe6\x9c\xac"},
		{"Windows-31J:utf-8", "\x93\xfa\x96{", "\xe6\x97\xa5\xe6\x9c\xac"},
		{"euc-jp:utf-8",
			"a\xff"
			"b",
			"a\xef\xbf\xbd"
			"b"},
		{"us-ascii:utf-8", "Gr\xfc", "Gr\xfc"},
		{"utf-8", "Gr\xfc", "Gr\xfc"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct made_filter m;
		struct buf in, out, want;
		char *conf = mem_printf("char_encoding %s\nremove_keys gone", rows[i].encoding);
		make_filter(&m, &filter_record_modifier, conf);
		assert_non_null(m.f.self);
		buf_init(&in, 4096);
		buf_init(&out, 4096);
		buf_init(&want, 4096);
		put_nested(&in, rows[i].text, rows[i].text);
		put_nested(&want, rows[i].text, rows[i].want);
		struct batch b = {.tag = SPAN_LIT("t"), .entries = buf_span(&in), .count = 1};
		for (int again = 0; again < 2; again++) {
			buf_clear(&out);
			assert_int_equal(m.f.plugin->filter->apply(&m.f, NULL, &b, &out), 1);
			assert_int_equal(out.n, want.n);
			assert_memory_equal(out.p, want.p, want.n);
		}
		buf_free(&in);
		buf_free(&out);
		buf_free(&want);
		mem_free(conf);
		free_filter(&m);
	}
}

static void says_what_is_wrong(void **state)
{
	static const struct filter_wrong wrong[] = {
		{"remove_keys a\nwhitelist_keys b", "4:16 error: remove_keys and whitelist_keys are exclusive"},
		{"remove_keys $.", "3:13 error: remove_keys: '$.' is no record accessor"},
		{"char_encoding utf-8:euc-jp",
			"3:15 error: char_encoding: the encoding euc-jp is not possible: Elasticsearch takes UTF-8"},
		{"char_encoding sjis", "3:15 error: char_encoding: Elasticsearch takes UTF-8 only: write 'sjis:utf-8'"},
		{"char_encoding nosuch:utf-8", "3:15 error: char_encoding: unknown encoding name - nosuch"},
		{"prepare_value require 'x'", "3:1 error: "},
		{"whitelist_key a", "3:1 warning: "},
		{R("a ${message}"),
			"4:5 error: the expression cannot run here: fields are read with record[\"message\"]"},
		{R("a say \"${tag}\""), "4:"},
		{REPLACE("a", "/[/", "x"), "5:12 error: "},
		{"<replace>\nexpression /x/\nreplace y\n</replace>", "3:1 error: 'key' parameter is required"},
		{"<replace>\nkey x\nreplace y\n</replace>", "3:1 error: 'expression' parameter is required"},
		{"<replace>\nkey x\nexpression /y/\n</replace>", "3:1 error: 'replace' parameter is required"},
	};
	(void)state;
	check_filter_wrong(&filter_record_modifier, wrong, sizeof wrong / sizeof *wrong);
}

static int in_utc(void **state)
{
	(void)state;
	return setenv("TZ", "UTC", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_fluentd),
		cmocka_unit_test(converts),
		cmocka_unit_test(says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, in_utc, NULL);
}
