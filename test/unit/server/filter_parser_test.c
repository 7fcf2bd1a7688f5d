/* The parser filter alone: what goes on, and what it reports as failed. Expected results are fluentd 1.19.3's, but for the
 * time of a text that has none: the event's own, not the present. */
#include "filter_util.h"

extern const struct plugin filter_parser;

#define JSON_PARSE "\n<parse>\n@type json\n</parse>"
#define NUM_PARSE  "\n<parse>\n@type regexp\nexpression /^(?<n>\\d+)$/\ntypes n:integer\n</parse>"

static const struct filter_case cases[] = {
	/* reserve_data, reserve_time */
	{"key_name m" JSON_PARSE, "{\"m\":\"{\\\"a\\\":1}\",\"x\":2}", "1000.500000000 {\"a\":1}\n"},
	{"key_name m\nreserve_time true" JSON_PARSE, "{\"m\":\"{\\\"a\\\":1}\"}", "1000.500000000 {\"a\":1}\n"},
	{"key_name m" JSON_PARSE, "{\"m\":\"{\\\"a\\\":1,\\\"time\\\":7}\"}", "7.0 {\"a\":1}\n"},
	{"key_name m\nreserve_time yes" JSON_PARSE, "{\"m\":\"{\\\"a\\\":1,\\\"time\\\":7}\"}",
		"1000.500000000 {\"a\":1}\n"},
	{"key_name m\nreserve_data true" JSON_PARSE, "{\"m\":\"{\\\"a\\\":1}\",\"x\":2}",
		"1000.500000000 {\"m\":\"{\\\"a\\\":1}\",\"x\":2,\"a\":1}\n"},
	{"key_name m\nreserve_data true" JSON_PARSE, "{\"m\":\"{\\\"x\\\":1,\\\"m\\\":3}\",\"x\":2}",
		"1000.500000000 {\"x\":1,\"m\":3}\n"},
	{"key_name m"
	 "\n<parse>\n@type json\nestimate_current_event false\n</parse>",
		"{\"m\":\"{}\"}", "1000.500000000 {}\n"},
	/* remove_key_name_field */
	{"key_name m\nreserve_data true\nremove_key_name_field true" JSON_PARSE, "{\"m\":\"{\\\"a\\\":1}\",\"x\":2}",
		"1000.500000000 {\"x\":2,\"a\":1}\n"},
	{"key_name $.k.m\nreserve_data true\nremove_key_name_field true" JSON_PARSE,
		"{\"k\":{\"m\":\"{\\\"a\\\":1}\",\"z\":3},\"x\":2}",
		"1000.500000000 {\"k\":{\"z\":3},\"x\":2,\"a\":1}\n"},
	{"key_name m\nremove_key_name_field true" JSON_PARSE, "{\"m\":\"{\\\"a\\\":1}\",\"x\":2}",
		"1000.500000000 {\"a\":1}\n"},
	{"key_name m\nreserve_data true\nremove_key_name_field true" JSON_PARSE, "{\"m\":\"x\",\"x\":2}",
		"1000.500000000 {\"m\":\"x\",\"x\":2}\n!parse_no_match"},
	/* inject_key_prefix, hash_value_field */
	{"key_name m\ninject_key_prefix p." JSON_PARSE, "{\"m\":\"{\\\"a\\\":1,\\\"b\\\":{}}\"}",
		"1000.500000000 {\"p.a\":1,\"p.b\":{}}\n"},
	{"key_name m\nhash_value_field h" JSON_PARSE, "{\"m\":\"{\\\"a\\\":1}\"}",
		"1000.500000000 {\"h\":{\"a\":1}}\n"},
	{"key_name m\nhash_value_field m\nreserve_data true\ninject_key_prefix p." JSON_PARSE,
		"{\"m\":\"{\\\"a\\\":1}\",\"x\":2}", "1000.500000000 {\"x\":2,\"m\":{\"p.a\":1}}\n"},
	{"key_name m\nhash_value_field h\nreserve_data true" JSON_PARSE, "{\"m\":\"x\"}",
		"1000.500000000 {\"m\":\"x\",\"h\":{}}\n!parse_no_match"},
	{"key_name m\nhash_value_field h\nreserve_data true" JSON_PARSE, "{\"x\":1}",
		"1000.500000000 {\"x\":1,\"h\":{}}\n!parse_no_key"},
	/* failures */
	{"key_name m" NUM_PARSE, "{\"m\":\"x\"}", "!parse_no_match"},
	{"key_name m\nreserve_data true" NUM_PARSE, "{\"m\":\"x\"}", "1000.500000000 {\"m\":\"x\"}\n!parse_no_match"},
	{"key_name m" NUM_PARSE, "{\"x\":1}", "!parse_no_key"},
	{"key_name m" NUM_PARSE, "{\"m\":null}", "!parse_no_key"},
	{"key_name m\nreserve_data true" NUM_PARSE, "{\"m\":null}", "1000.500000000 {\"m\":null}\n!parse_no_key"},
	{"key_name m\nreserve_data true" NUM_PARSE, "{\"m\":12}", "!parse_error"},
	{"key_name m\nreserve_data true" NUM_PARSE, "{\"m\":{\"a\":1}}", "!parse_error"},
	{"key_name m\nreserve_data true\n<parse>\n@type json\ntime_type string\n</parse>",
		"{\"m\":\"{\\\"time\\\":\\\"x\\\"}\"}", "!parse_error"},
	{"key_name m\nemit_invalid_record_to_error false" NUM_PARSE, "{\"m\":\"x\"}", ""},
	{"key_name m\nemit_invalid_record_to_error false\nreserve_data true" NUM_PARSE, "{\"m\":\"x\"}",
		"1000.500000000 {\"m\":\"x\"}\n"},
	{"key_name m\nemit_invalid_record_to_error false" NUM_PARSE, "{\"x\":1}", ""},
	/* several records of one text; the field is taken out once */
	{"key_name m" JSON_PARSE, "{\"m\":\"[{\\\"a\\\":1},5,{\\\"a\\\":2}]\"}",
		"1000.500000000 {\"a\":1}\n1000.500000000 {\"a\":2}\n!parse_no_match"},
	{"key_name m\nreserve_data true\nremove_key_name_field true" JSON_PARSE,
		"{\"m\":\"[{\\\"a\\\":1},{\\\"a\\\":2}]\",\"x\":1}",
		"1000.500000000 {\"x\":1,\"a\":1}\n1000.500000000 {\"x\":1,\"a\":2}\n"},
	{"key_name m" JSON_PARSE, "{\"m\":\"[]\"}", ""},
	/* v0.12 */
	{"key_name m\nformat /^(?<n>\\d+) (?<time>.*)$/\ntime_format %Y-%m-%d\ntypes n:integer\nutc true",
		"{\"m\":\"12 2026-08-07\"}", "1786060800.0 {\"n\":12}\n"},
	{"key_name m\nformat ltsv\nreserve_data yes", "{\"m\":\"a:1\\tb:2\"}",
		"1000.500000000 {\"m\":\"a:1\\tb:2\",\"a\":\"1\",\"b\":\"2\"}\n"},
};

static void as_fluentd(void **state)
{
	(void)state;
	check_filter_cases(&filter_parser, SPAN_LIT("t"), cases, sizeof cases / sizeof *cases);
}

static void bad_utf8(void **state)
{
	static const struct {
		const char *conf, *want;
	} bad[] = {
		{"key_name m\n<parse>\n@type regexp\nexpression /(?<a>.*)/\n</parse>", "!parse_error"},
		{"key_name m\nreserve_data true\n<parse>\n@type ltsv\n</parse>", "!parse_error"},
		{"key_name m\nreplace_invalid_sequence true\n<parse>\n@type regexp\nexpression /(?<a>.*)/\n</parse>",
			"1000.500000000 {\"a\":\"x?y\"}\n"},
		{"key_name m\nreplace_invalid_sequence true\n<parse>\n@type regexp\nexpression /(?<a>z)/\n</parse>",
			"!parse_no_match"},
	};
	struct buf entry;
	(void)state;
	buf_init(&entry, 1 << 16);
	buf_put_byte(&entry, 0x92);
	mp_put_event_time(&entry, (struct event_time){1000, 500000000});
	buf_put(&entry, "\x81\xa1m\xa3x\xffy", 7);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct made_filter m;
		make_filter(&m, &filter_parser, bad[i].conf);
		char *got = filter_apply(&m, buf_span(&entry), 1);
		assert_string_equal(got, bad[i].want);
		mem_free(got);
		free_filter(&m);
	}
	buf_free(&entry);
}

/* Fluent Bit's header with metadata, a time of 0, text as bin, and several events in one batch. */
static void kinds_of_entries(void **state)
{
	struct made_filter m;
	struct buf entries;
	(void)state;
	buf_init(&entries, 1 << 16);
	buf_put(&entries, "\x92\x92\x05\x81\xa1k\x01\x81\xa1m\xa1", 11);
	buf_put_byte(&entries, '7');
	buf_put(&entries, "\x92\x00\x81\xa1m\xa1", 6);
	buf_put_byte(&entries, '8');
	buf_put(&entries, "\x92\x05\x81\xa1m\xc4\x01", 7);
	buf_put_byte(&entries, '9');
	make_filter(&m, &filter_parser, "key_name m\nreserve_time true\nreserve_data true" NUM_PARSE);
	char *got = filter_apply(&m, buf_span(&entries), 3);
	assert_string_equal(
		got, "5.0 {\"k\":1}{\"m\":\"7\",\"n\":7}\nnow {\"m\":\"8\",\"n\":8}\n5.0 {\"m\":\"9\",\"n\":9}\n");
	mem_free(got);
	free_filter(&m);
	/* without a time in the text, each keeps its own, and "now" stays that */
	make_filter(&m, &filter_parser, "key_name m" NUM_PARSE);
	got = filter_apply(&m, buf_span(&entries), 3);
	assert_string_equal(got, "5.0 {\"k\":1}{\"n\":7}\nnow {\"n\":8}\n5.0 {\"n\":9}\n");
	mem_free(got);
	free_filter(&m);
	buf_free(&entries);
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *conf, *text;
	} wrong[] = {
		{JSON_PARSE, "'key_name' parameter is required"},
		{"key_name m", "<parse> section is required"},
		{"key_name $.\n" JSON_PARSE, "key_name"},
		{"key_name m\nreserve_dat true" JSON_PARSE, "did you mean 'reserve_data'"},
		{"key_name m\nformat json", "belong into a <parse> section"},
		{"key_name m\nreserve_time maybe" JSON_PARSE, NULL},
		{"key_name m\n<parse>\n@type jsn\n</parse>", "did you mean 'json'"},
		{"key_name m\n<parse>\n@type json\n</parse>\n<parse>\n@type json\n</parse>", "cannot be written twice"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct made_filter m;
		bool found = wrong[i].text == NULL;
		make_filter(&m, &filter_parser, wrong[i].conf);
		for (size_t k = 0; !found && k < m.s.report.n; k++)
			found = strstr(m.s.report.v[k].text, wrong[i].text) != NULL;
		if (!found)
			fail_msg("%s: %s", wrong[i].conf, m.s.report.n ? m.s.report.v[0].text : "nothing was found");
		assert_int_equal(m.f.self == NULL, m.s.report.errors > 0);
		free_filter(&m);
	}
}

/* Several workers use one filter at once. */

static struct made_filter shared;
static struct buf shared_entries;

static bool round_of_worker(int i)
{
	char *got = filter_apply(&shared, buf_span(&shared_entries), 2);
	bool ok = strcmp(got,
			  "1000.500000000 {\"m\":\"12\",\"n\":12}\n1000.500000000 {\"m\":\"x\"}\n!parse_no_match") == 0;
	(void)i;
	mem_free(got);
	return ok;
}

static void many_workers(void **state)
{
	(void)state;
	make_filter(&shared, &filter_parser, "key_name m\nreserve_data true" NUM_PARSE);
	buf_init(&shared_entries, 1 << 16);
	put_entry(&shared_entries, "{\"m\":\"12\"}");
	put_entry(&shared_entries, "{\"m\":\"x\"}");
	assert_true(filter_holds_in_threads(round_of_worker));
	buf_free(&shared_entries);
	free_filter(&shared);
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
		cmocka_unit_test(bad_utf8),
		cmocka_unit_test(kinds_of_entries),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(many_workers),
	};
	return cmocka_run_group_tests(tests, in_utc, NULL);
}
