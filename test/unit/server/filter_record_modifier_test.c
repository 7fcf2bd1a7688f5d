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

static void says_what_is_wrong(void **state)
{
	static const struct filter_wrong wrong[] = {
		{"remove_keys a\nwhitelist_keys b", "4:16 error: remove_keys and whitelist_keys are exclusive"},
		{"remove_keys $.", "3:13 error: remove_keys: '$.' is no record accessor"},
		{"char_encoding euc-jp:utf-8", "3:15 error: weir converts no encodings (euc-jp:utf-8)"},
		{"char_encoding sjis", "3:15 error: weir converts no encodings (sjis)"},
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
		cmocka_unit_test(says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, in_utc, NULL);
}
