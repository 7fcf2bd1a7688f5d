/* The record_transformer filter alone. Expected results are fluentd 1.19's. */
#include "filter_util.h"

#include <unistd.h>

extern const struct plugin filter_record_transformer;

#define TAG	 SPAN_LIT("app.web.log")
#define R(lines) "<record>\n" lines "\n</record>"
#define RUBY	 "enable_ruby true\n"
#define AT	 "1000.500000000 "

static const struct filter_case cases[] = {
	/* constants, placeholders */
	{"", "{\"a\":1}", AT "{\"a\":1}\n"},
	{R("b two"), "{\"a\":1}", AT "{\"a\":1,\"b\":\"two\"}\n"},
	{R("a two"), "{\"a\":1,\"z\":2}", AT "{\"a\":\"two\",\"z\":2}\n"},
	{R("b"), "{\"a\":1}", AT "{\"a\":1,\"b\":\"\"}\n"},
	{R("t ${tag}"), "{}", AT "{\"t\":\"app.web.log\"}\n"},
	{R("t x-${tag}-y"), "{}", AT "{\"t\":\"x-app.web.log-y\"}\n"},
	{R("t ${tag_parts[0]}/${tag_parts[-1]}"), "{}", AT "{\"t\":\"app/log\"}\n"},
	{R("t ${tag_parts[9]}"), "{}", AT "{\"t\":null}\n"},
	{R("t <${tag_parts[9]}>"), "{}", AT "{\"t\":\"<>\"}\n"},
	{R("t ${tag_prefix[1]}"), "{}", AT "{\"t\":\"app.web\"}\n"},
	{R("t ${tag_prefix[-2]}"), "{}", AT "{\"t\":\"app.web\"}\n"},
	{R("t ${tag_suffix[1]}"), "{}", AT "{\"t\":\"web.log\"}\n"},
	{R("t ${tag_suffix[-1]}"), "{}", AT "{\"t\":\"log\"}\n"},
	{R("t ${time}"), "{}", AT "{\"t\":\"1970-01-01 00:16:40 +0000\"}\n"},
	{R("t ${record[\"a\"]}"), "{\"a\":7}", AT "{\"a\":7,\"t\":7}\n"},
	{R("t ${record[\"a\"]}"), "{\"a\":{\"b\":[1]}}", AT "{\"a\":{\"b\":[1]},\"t\":{\"b\":[1]}}\n"},
	{R("t ${record[\"a b.c\"]}"), "{\"a b.c\":7}", AT "{\"a b.c\":7,\"t\":7}\n"},
	{R("t ${record[\"nope\"]}"), "{}", AT "{\"t\":null}\n"},
	{R("t v=${record[\"a\"]}"), "{\"a\":{\"b\":1}}", AT "{\"a\":{\"b\":1},\"t\":\"v={\\\"b\\\"=>1}\"}\n"},
	{R("t v=${record[\"a\"]}"), "{\"a\":[\"x\",null]}", AT "{\"a\":[\"x\",null],\"t\":\"v=[\\\"x\\\", nil]\"}\n"},
	{R("t ${record[\"a\"]}${record[\"b\"]}"), "{\"a\":1.5,\"b\":true}",
		AT "{\"a\":1.5,\"b\":true,\"t\":\"1.5true\"}\n"},
	{R("t $${tag}"), "{}", AT "{\"t\":\"$app.web.log\"}\n"},
	{R("t ${}"), "{}", AT "{\"t\":\"${}\"}\n"},
	{R("t ${tag"), "{}", AT "{\"t\":\"${tag\"}\n"},
	{R("t ${ tag }"), "{}", AT "{\"t\":\"app.web.log\"}\n"},
	{R("t a__TAG__b"), "{}", AT "{\"t\":\"ab\"}\n"},
	{R("t __tag__"), "{}", AT "{\"t\":\"__tag__\"}\n"},
	{R("t ____"), "{}", AT "{\"t\":\"____\"}\n"},
	{R("t __A____B__C"), "{}", AT "{\"t\":\"C\"}\n"},
	/* all see the record as it was */
	{R("a ${record[\"b\"]}\nb ${record[\"a\"]}"), "{\"a\":1,\"b\":2}", AT "{\"a\":2,\"b\":1}\n"},
	/* of repeated keys the last counts */
	{R("t ${record[\"a\"]}"), "{\"a\":1,\"a\":2}", AT "{\"a\":2,\"t\":2}\n"},
	{R("t one\nt two"), "{}", AT "{\"t\":\"two\"}\n"},
	{R("t one") "\n" R("t two"), "{}", AT "{\"t\":\"two\"}\n"},
	{R("s one") "\n" R("t two"), "{}", AT "{\"s\":\"one\",\"t\":\"two\"}\n"},
	/* keys */
	{R("k_${tag_parts[0]} v"), "{}", AT "{\"k_app\":\"v\"}\n"},
	{R("${record[\"a\"]} v"), "{\"a\":5}", AT "{\"a\":5,\"5\":\"v\"}\n"},
	{R("@timestamp ${tag}"), "{}", AT "{\"@timestamp\":\"app.web.log\"}\n"},
	/* JSON */
	{R("j {\"a\":\"${tag}\",\"n\":1,\"l\":[\"${record[\\\"x\\\"]}\",null,true,1.5]}"), "{\"x\":[1]}",
		AT "{\"x\":[1],\"j\":{\"a\":\"app.web.log\",\"n\":1,\"l\":[[1],null,true,1.5]}}\n"},
	{R("j {\"${tag_parts[0]}\":\"x-${tag_parts[1]}\"}"), "{}", AT "{\"j\":{\"app\":\"x-web\"}}\n"},
	{R("j [1,2]"), "{}", AT "{\"j\":[1,2]}\n"},
	{R("j '{not json'"), "{}", AT "{\"j\":\"{not json\"}\n"},
	{R("j '[1] x'"), "{}", AT "{\"j\":\"[1] x\"}\n"},
	{R("j \"#{use_nil}\""), "{}", AT "{\"j\":null}\n"},
	{R("j \"#{use_default}\""), "{}", AT "{}\n"},
	/* what was meant */
	{R("t ${record[\"a\"][\"b\"]}"), "{\"a\":{\"b\":3}}", AT "{\"a\":{\"b\":3},\"t\":3}\n"},
	{R("t ${record['a']}"), "{\"a\":3}", AT "{\"a\":3,\"t\":3}\n"},
	{R("t ${record.dig(\"a\", 0)}"), "{\"a\":[3]}", AT "{\"a\":[3],\"t\":3}\n"},
	{R("t ${record[\"a\"].to_s}"), "{\"a\":3}", AT "{\"a\":3,\"t\":null}\n"},
	{R("t ${1 + 1}"), "{}", AT "{\"t\":null}\n"},
	/* auto_typecast */
	{"auto_typecast false\n" R("t ${record[\"a\"]}"), "{\"a\":7}", AT "{\"a\":7,\"t\":\"7\"}\n"},
	{"auto_typecast false\n" R("t ${record[\"nope\"]}"), "{\"a\":7}", AT "{\"a\":7,\"t\":\"\"}\n"},
	{"auto_typecast false\n" RUBY R("t ${record[\"a\"] + 1}"), "{\"a\":7}", AT "{\"a\":7,\"t\":\"8\"}\n"},
	/* renew_record, keep_keys, remove_keys */
	{"renew_record true\n" R("t ${tag}"), "{\"a\":1}", AT "{\"t\":\"app.web.log\"}\n"},
	{"renew_record true\nkeep_keys a,c\n" R("t x"), "{\"a\":1,\"b\":2}", AT "{\"a\":1,\"t\":\"x\"}\n"},
	{"renew_record true\nkeep_keys [\"a\", \"b c\"]\n" R("a x"), "{\"a\":1,\"b c\":2}",
		AT "{\"a\":\"x\",\"b c\":2}\n"},
	{"renew_record true\nkeep_keys a", "{\"a\":null,\"b\":2}", AT "{\"a\":null}\n"},
	{"renew_record true", "{\"a\":1}", AT "{}\n"},
	{"remove_keys a", "{\"a\":1,\"b\":2}", AT "{\"b\":2}\n"},
	{"remove_keys a, b", "{\"a\":1,\"b\":2,\"c\":3}", AT "{\"c\":3}\n"},
	{"remove_keys $.a.b,$.l[0],nope,$.x.y", "{\"a\":{\"b\":1,\"c\":2},\"l\":[1,2]}",
		AT "{\"a\":{\"c\":2},\"l\":[2]}\n"},
	{"remove_keys $['a.b']['c']", "{\"a.b\":{\"c\":1}}", AT "{\"a.b\":{}}\n"},
	{"remove_keys a", "{\"a\":1,\"b\":2,\"a\":3}", AT "{\"b\":2}\n"},
	{"remove_keys t\n" R("t x\nu y"), "{}", AT "{\"u\":\"y\"}\n"},
	/* renew_time_key */
	{"renew_time_key t\n" R("t 1700000000"), "{}", "1700000000.0 {\"t\":\"1700000000\"}\n"},
	{"renew_time_key t", "{\"t\":1700000000.5}", "1700000000.500000000 {\"t\":1700000000.5}\n"},
	{"renew_time_key t", "{\"t\":1700000000}", "1700000000.0 {\"t\":1700000000}\n"},
	{"renew_time_key t", "{\"t\":\"1700000000.25 s\"}", "1700000000.250000000 {\"t\":\"1700000000.25 s\"}\n"},
	{"renew_time_key t\nremove_keys t", "{\"t\":1700000000}", "1700000000.0 {}\n"},
	{"renew_time_key t", "{\"u\":1}", AT "{\"u\":1}\n"},
	{"renew_time_key t", "{\"t\":[1]}", "!renew_time_error"},
	{"renew_time_key t", "{\"t\":true}", "!renew_time_error"},
	{"renew_time_key t\n" RUBY R("t ${time.to_i - 60}"), "{}", "940.0 {\"t\":940}\n"},
	/* Ruby */
	{RUBY R("t ${record[\"a\"][\"b\"]}"), "{\"a\":{\"b\":3}}", AT "{\"a\":{\"b\":3},\"t\":3}\n"},
	{RUBY R("t ${record.dig(\"a\", \"b\")}"), "{\"a\":{\"b\":3}}", AT "{\"a\":{\"b\":3},\"t\":3}\n"},
	{RUBY R("t ${record['a'] || 'unknown'}"), "{}", AT "{\"t\":\"unknown\"}\n"},
	{RUBY R("t ${record['s'] >= 500 ? 'error' : 'ok'}"), "{\"s\":503}", AT "{\"s\":503,\"t\":\"error\"}\n"},
	{RUBY R("t ${time.strftime('%Y-%m-%dT%H:%M:%S.%L%z')}"), "{}", AT "{\"t\":\"1970-01-01T00:16:40.500+0000\"}\n"},
	{RUBY R("t ${Time.at(time).utc.iso8601(3)}"), "{}", AT "{\"t\":\"1970-01-01T00:16:40.500Z\"}\n"},
	{RUBY R("t ${record['m'].gsub(/\\d{4}-\\d{4}/, '****')}"), "{\"m\":\"card 1234-5678.\"}",
		AT "{\"m\":\"card 1234-5678.\",\"t\":\"card ****.\"}\n"},
	{RUBY R("t ${tag_parts[-2].upcase}-${tag.split('.').length}"), "{}", AT "{\"t\":\"WEB-3\"}\n"},
	{RUBY R("t a\\tb"), "{}", AT "{\"t\":\"a\\tb\"}\n"},
	{RUBY R("k_${tag_parts[0].upcase} ${1 + 1}"), "{}", AT "{\"k_APP\":2}\n"},
	{RUBY R("j {\"a\":\"${1 + 1}\",\"b\":[\"x${tag_parts[0]}\"]}"), "{}",
		AT "{\"j\":{\"a\":2,\"b\":[\"xapp\"]}}\n"},
	{RUBY R("t ${record.to_json}"), "{\"a\":1,\"a\":2}", AT "{\"a\":2,\"t\":\"{\\\"a\\\":2}\"}\n"},
	{RUBY R("t ${record.keys.join(',')}"), "{\"a\":1,\"b\":2}", AT "{\"a\":1,\"b\":2,\"t\":\"a,b\"}\n"},
	{RUBY R("t ${record['n'].to_sym}"), "{\"n\":\"x\"}", AT "{\"n\":\"x\",\"t\":\"x\"}\n"},
	{RUBY R("t ${nil}"), "{}", AT "{\"t\":null}\n"},
	/* what an expression sets in the record itself is lost, what it changes in a value is not */
	{RUBY R("t ${record['new'] = 1; 2}"), "{\"a\":1}", AT "{\"a\":1,\"t\":2}\n"},
	{RUBY R("t ${record['m']['new'] = 1; 2}"), "{\"m\":{}}", AT "{\"m\":{\"new\":1},\"t\":2}\n"},
	{RUBY R("t ${record['s'].upcase!; 2}"), "{\"s\":\"x\"}", AT "{\"s\":\"X\",\"t\":2}\n"},
	{RUBY R("t ${record['l'].map! { |x| x * 2 }; nil}"), "{\"l\":[1,2]}", AT "{\"l\":[2,4],\"t\":null}\n"},
	{RUBY R("t ${record.delete('a')}\nu ${record['a']}"), "{\"a\":1}", AT "{\"a\":1,\"t\":1,\"u\":null}\n"},
	/* what raises makes its event an error */
	{RUBY R("t ${record['a']['b']}"), "{}", "!expression_error"},
	{RUBY R("t ${record['a'] + 1}"), "{\"a\":\"x\"}", "!expression_error"},
	{RUBY R("t ${raise 'no'}"), "{}", "!expression_error"},
	{RUBY R("t ${(1..).to_a}"), "{}", "!expression_error"},
	{RUBY R("t ${/x/}"), "{}", "!filter_value"},
	{RUBY R("t ${record['a']['b'] rescue 'none'}"), "{}", AT "{\"t\":\"none\"}\n"},
};

static void as_fluentd(void **state)
{
	(void)state;
	check_filter_cases(&filter_record_transformer, TAG, cases, sizeof cases / sizeof *cases);
}

static void hostname(void **state)
{
	struct made_filter m;
	struct buf entry;
	char host[256], want[900];
	(void)state;
	assert_int_equal(gethostname(host, sizeof host), 0);
	buf_init(&entry, 1 << 16);
	put_entry(&entry, "{}");
	make_filter(&m, &filter_record_transformer,
		RUBY R("a ${hostname}\nb ${Socket.gethostname}\nc \"#{Socket.gethostname}\""));
	char *got = filter_apply(&m, buf_span(&entry), 1);
	snprintf(want, sizeof want, AT "{\"a\":\"%s\",\"b\":\"%s\",\"c\":\"%s\"}\n", host, host, host);
	assert_string_equal(got, want);
	mem_free(got);
	free_filter(&m);
	buf_free(&entry);
}

/* Other forms of entries, several tags with one evaluator, an error among good events. */
static void batches(void **state)
{
	static const char bytes[] = "\x92\x92\x05\x81\xa1k\x01\x81\xa1n\x01" /* metadata */
				    "\x92\x00\x81\xa1n\x02"		     /* no time */
				    "\x92\x05\x81\xa1n\xa1x"		     /* raises */
				    "\x92\xce\x00\x00\x00\x07\x81\xa1n\x03"
				    "\x93\x05\x81\xa1n\x04\xc0"; /* three elements */
	struct made_filter m;
	(void)state;
	make_filter(&m, &filter_record_transformer,
		RUBY "renew_record true\n" R("n ${record['n'] + 1}\nt ${tag_parts[0]}"));
	for (int i = 0; i < 3; i++) {
		char *got = filter_apply_tag(
			&m, i % 2 ? SPAN_LIT("a.b") : SPAN_LIT("c"), span_of(bytes, sizeof bytes - 1), 5);
		assert_string_equal(
			got, i % 2 ? "5.0 {\"k\":1}{\"n\":2,\"t\":\"a\"}\nnow {\"n\":3,\"t\":\"a\"}\n"
				     "7.0 {\"n\":4,\"t\":\"a\"}\n5.0 {\"n\":5,\"t\":\"a\"}\n!expression_error"
				   : "5.0 {\"k\":1}{\"n\":2,\"t\":\"c\"}\nnow {\"n\":3,\"t\":\"c\"}\n"
				     "7.0 {\"n\":4,\"t\":\"c\"}\n5.0 {\"n\":5,\"t\":\"c\"}\n!expression_error");
		assert_string_equal(filter_last_texts,
			"failed to expand `${record['n'] + 1}`: no implicit conversion of Integer into String");
		mem_free(got);
	}
	free_filter(&m);
}

/* A record that comes as deep as may be, one level deeper: nobody could read it again, so it is an error. */
static void depth(void **state)
{
	enum { LEVELS = MP_DEPTH_LIMIT - 2 };
	struct made_filter m;
	struct buf entry;
	(void)state;
	buf_init(&entry, 1 << 16);
	buf_put(&entry,
		"\x92\x05\x81\xa1"
		"a",
		5);
	for (int i = 0; i < LEVELS; i++)
		buf_put_byte(&entry, 0x91);
	buf_put_byte(&entry, 0xc0);
	make_filter(&m, &filter_record_transformer, R("b {\"c\":\"${record[\\\"a\\\"]}\"}"));
	char *got = filter_apply(&m, buf_span(&entry), 1);
	assert_string_equal(got, "!filter_value");
	mem_free(got);
	free_filter(&m);
	make_filter(&m, &filter_record_transformer, R("b ${record[\"a\"]}"));
	got = filter_apply(&m, buf_span(&entry), 1);
	assert_null(strchr(got, '!'));
	mem_free(got);
	free_filter(&m);
	buf_free(&entry);
}

/* Several workers use one filter at once, under different tags. */

static struct made_filter shared;
static struct buf shared_entries;

static bool round_of_worker(int i)
{
	char *got = filter_apply_tag(&shared, i % 2 ? SPAN_LIT("a.b") : SPAN_LIT("c"), buf_span(&shared_entries), 2);
	const char *want = i % 2 ? AT "{\"m\":\"x1\",\"t\":\"a\",\"u\":\"x*\"}\n!expression_error"
				 : AT "{\"m\":\"x1\",\"t\":\"c\",\"u\":\"x*\"}\n!expression_error";
	bool ok = strcmp(got, want) == 0;
	mem_free(got);
	return ok;
}

static void many_workers(void **state)
{
	(void)state;
	make_filter(
		&shared, &filter_record_transformer, RUBY R("t ${tag_parts[0]}\nu ${record['m'].gsub(/\\d/, '*')}"));
	buf_init(&shared_entries, 1 << 16);
	put_entry(&shared_entries, "{\"m\":\"x1\"}");
	put_entry(&shared_entries, "{}");
	assert_true(filter_holds_in_threads(round_of_worker));
	buf_free(&shared_entries);
	free_filter(&shared);
}

static void says_what_is_wrong(void **state)
{
	static const struct filter_wrong wrong[] = {
		{"keep_keys a", "3:11 error: `renew_record` must be true to use `keep_keys`"},
		{"remove_keys a,$.", "3:13 error: remove_keys: '$.' is no record accessor"},
		{"enable_ruby perhaps", "3:13 "},
		{"auto_typecast perhaps", "3:15 "},
		{"renew_record perhaps", "3:14 "},
		{"remove_key a", "3:1 warning: "},
		{RUBY R("a ${message}"),
			"5:5 error: the expression cannot run here: fields are read with record[\"message\"]"},
		{RUBY R("a x ${record['a'].foo} y"), "5:19 error: the expression cannot run here: weir has no method "
						     "'foo': `x ${record['a'].foo} y`"},
		{RUBY R("a \"${record['a'].foo}\""), "5:18 error: "},
		{RUBY R("a ${`ls`}"), "5:5 error: the expression cannot run here: expressions start no programs"},
		{RUBY R("a ${File.read('/etc/passwd')}"),
			"5:10 error: the expression cannot run here: expressions touch no files"},
		{RUBY R("a ${1 +}"), "5:"},
		{RUBY R("k${nope} v"), "5:4 error: "},
		{RUBY R("j {\"a\":\"${nope}\"}"),
			"5:11 error: the expression cannot run here: undefined local variable or method 'nope'"},
		{RUBY R("a Grüße ${nope}"), "5:11 error: "},
		{R("a x ${nope}"), "4:5 warning: unknown placeholder '${nope}': nothing comes in its place"},
		{R("a x __NOPE__"), "4:5 warning: unknown placeholder '__NOPE__'"},
		{R("a ${record[\"a\"][\"b\"]}"),
			"4:3 warning: '${record[\"a\"][\"b\"]}' is nothing to fluentd without"},
		{R("a '{x'"), "4:3 warning: the value of 'a' begins as JSON but is none"},
	};
	(void)state;
	check_filter_wrong(&filter_record_transformer, wrong, sizeof wrong / sizeof *wrong);
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
		cmocka_unit_test(hostname),
		cmocka_unit_test(batches),
		cmocka_unit_test(depth),
		cmocka_unit_test(many_workers),
		cmocka_unit_test(says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, in_utc, NULL);
}
