/* Parameters of parsers: given, default, wrong; old names; what fluentd does otherwise or not at all. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "parse_util.h"

#include "base/clock.h"
#include "parse/parser_conf.h"

/* ---- results ---- */

static void check(const char *section, const char *text, const char *want)
{
	struct made_parser m;
	make_parser(&m, section, NULL);
	if (!m.parser)
		fail_msg("%s: %s", section, m.report.n ? m.report.v[0].text : "no parser");
	char *got = parse_all(m.parser, span_str(text));
	assert_string_equal(got, want);
	mem_free(got);
	free_parser(&m);
}

/* Bytes of a file or a socket are mended and parsed, where a record's text raises. */
static void bytes(void **state)
{
	static const char *const types[] = {"regexp\nexpression /^(?<a>.*)$/", "ltsv", "csv\nkeys a",
		"multiline\nformat_firstline /^a/\nformat1 /^(?<a>.*)$/",
		"multi_format\n<pattern>\nformat json\n</pattern>\n<pattern>\nformat /^(?<a>.*)$/\n</pattern>"};
	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		struct made_parser m;
		struct parser_room room;
		struct buf out;
		char *section = mem_printf("<parse>\n@type %s\n</parse>\n", types[i]);
		const struct span text = strstr(types[i], "ltsv") ? SPAN_LIT("a:a\xb0\xa1") : SPAN_LIT("a\xb0\xa1");
		make_parser(&m, section, NULL);
		assert_non_null(m.parser);
		parser_room_init(&room, 1 << 20);
		buf_init(&out, 1 << 20);
		parser_parse_bytes(m.parser, text, PARSE_NOW, &room, put_parsed, &out);
		assert_string_equal(buf_cstr(&out), "[\"1795400000.000000005\",{\"a\":\"a\xef\xbf\xbd\xef\xbf\xbd\"}]");
		if (parser_has_firstline(m.parser))
			assert_true(parser_is_firstline(m.parser, text, &room));
		buf_free(&out);
		parser_room_free(&room);
		free_parser(&m);
		mem_free(section);
	}
}

static void flat_parameters(void **state)
{
	(void)state;
	check("<filter>\nformat json\nkey_name x\ntime_key t\n</filter>\n", "{\"a\":1,\"t\":5}",
		"[\"5.000000000\",{\"a\":1}]");
	check("<filter>\nformat /^(?<a>\\d+) (?<time>.*)$/\ntypes a:integer\ntime_format %Y-%m-%d\n</filter>\n",
		"12 2026-08-07", "[\"1786060800.000000000\",{\"a\":12}]");
	check("<filter>\nformat /^(?<a>x)$/i\n</filter>\n", "X", "[\"1795400000.000000005\",{\"a\":\"X\"}]");
	check("<filter>\nformat csv\nkeys a,b\ntypes a-integer/b-float\ntypes_delimiter /\ntypes_label_delimiter -\n"
	      "</filter>\n",
		"1,2", "[\"1795400000.000000005\",{\"a\":1,\"b\":2.0}]");
	check("<source>\nformat multiline\nformat1 /(?<a>a)/\nformat2 /(?<b>b)/\n</source>\n", "ab",
		"[\"1795400000.000000005\",{\"a\":\"a\",\"b\":\"b\"}]");
	/* A <parse> section comes first. */
	check("<filter>\nformat json\n<parse>\n@type none\n</parse>\n</filter>\n", "x",
		"[\"1795400000.000000005\",{\"message\":\"x\"}]");
	check("<parse>\ntype none\nmessage_key m\n</parse>\n", "x", "[\"1795400000.000000005\",{\"m\":\"x\"}]");
}

static void several_formats(void **state)
{
	static const char section[] = "<parse>\n@type multi_format\nformat_key which\n"
				      "<pattern>\nformat json\ntime_key t\nformat_name j\n</pattern>\n"
				      "<pattern>\nformat /^(?<n>\\d+)$/\ntypes n:integer\n</pattern>\n"
				      "<pattern>\n@type none\nestimate_current_event false\n</pattern>\n"
				      "<pattern>\n@type none\nmessage_key m\n</pattern>\n</parse>\n";
	(void)state;
	check(section, "{\"a\":1,\"t\":7}", "[\"7.000000000\",{\"a\":1,\"which\":\"j\"}]");
	check(section, "12", "[\"1795400000.000000005\",{\"n\":12,\"which\":\"/^(?<n>\\\\d+)$/#1\"}]");
	/* A pattern that tells no time does not fit, as in the plugin. */
	check(section, "x", "[\"1795400000.000000005\",{\"m\":\"x\",\"which\":\"none#3\"}]");
	check("<parse>\n@type multi_format\n<pattern>\nformat json\n</pattern>\n</parse>\n", "x", "[\"NOMATCH\"]");
}

/* Where weir departs from fluentd on purpose. */
static void better_than_fluentd(void **state)
{
	(void)state;
	/* Numbers beyond 64 bits keep their digits. */
	check("<parse>\n@type regexp\nexpression /(?<v>.*)/\ntypes v:integer\n</parse>\n", "99999999999999999999",
		"[\"1795400000.000000005\",{\"v\":\"99999999999999999999\"}]");
	/* An expression that matches nothing would be matched for ever. */
	check("<parse>\n@type multiline\nformat1 /(?<a>x*)/\n</parse>\n", "yyy",
		"[\"1795400000.000000005\",{\"a\":\"\"}]");
	/* The x behind the slash means something. */
	check("<parse>\n@type regexp\nexpression /(?<v>a b)/x\n</parse>\n", "ab",
		"[\"1795400000.000000005\",{\"v\":\"ab\"}]");
	/* What Oj takes, fluentd takes: a tabulator that nobody escaped, what nginx writes for a quote, what Python writes for no number. */
	check("<parse>\n@type json\n</parse>\n", "{\"a\":\"x\ty\",\"b\":\"\\x22\"}",
		"[\"1795400000.000000005\",{\"a\":\"x\\ty\",\"b\":\"x22\"}]");
	check("<parse>\n@type json\n</parse>\n", "{\"a\":NaN,\"b\":1}",
		"[\"1795400000.000000005\",{\"a\":null,\"b\":1}]");
	/* JSON with bytes that are no UTF-8 is read. */
	check("<parse>\n@type json\n</parse>\n", "{\"a\":\"x\xffy\"}",
		"[\"1795400000.000000005\",{\"a\":\"x\xef\xbf\xbdy\"}]");
}

/* The time's field is taken out wherever it stands, and however often: the last one counts. */
static void time_fields(void **state)
{
	static const char section[] = "<parse>\n@type json\n</parse>\n";
	(void)state;
	check(section, "{\"time\":1,\"a\":2}", "[\"1.000000000\",{\"a\":2}]");
	check(section, "{\"a\":2,\"time\":1}", "[\"1.000000000\",{\"a\":2}]");
	check(section, "{\"a\":{\"time\":5},\"time\":1,\"b\":3}", "[\"1.000000000\",{\"a\":{\"time\":5},\"b\":3}]");
	check(section, "{\"time\":1,\"a\":2,\"time\":3}", "[\"3.000000000\",{\"a\":2}]");
	check(section, "{\"time\":1}", "[\"1.000000000\",{}]");
	check("<parse>\n@type json\ntypes a:string\n</parse>\n", "{\"time\":1,\"a\":2,\"time\":3}",
		"[\"3.000000000\",{\"a\":\"2\"}]");
}

static void not_utf8(void **state)
{
	static const char *const types[] = {"regexp\nexpression /(?<a>.*)/", "nginx", "apache", "apache2",
		"apache_error", "syslog", "cri", "ltsv", "kv", "csv\nkeys a", "tsv\nkeys a",
		"multiline\nformat1 /(?<a>.*)/"};
	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		char *section = mem_printf("<parse>\n@type %s\n</parse>\n", types[i]);
		check(section, "a\xff", "[\"UTF8\"]");
		mem_free(section);
	}
	struct buf out;
	buf_init(&out, 100);
	assert_true(parser_scrub(&out, SPAN_LIT("a\xff\xe3\x81z\xc3\xa4\x80"), "?"));
	assert_string_equal(buf_cstr(&out), "a??z\xc3\xa4?");
	buf_free(&out);
}

static void firstline(void **state)
{
	struct made_parser m;
	struct parser_room room;
	(void)state;
	make_parser(&m, "<parse>\n@type multiline\nformat_firstline /^\\d{4}/\nformat1 /(?<a>.*)/\n</parse>\n", NULL);
	assert_non_null(m.parser);
	parser_room_init(&room, 1 << 20);
	assert_true(parser_has_firstline(m.parser));
	assert_true(parser_is_firstline(m.parser, SPAN_LIT("2026 x"), &room));
	assert_false(parser_is_firstline(m.parser, SPAN_LIT("  at x"), &room));
	free_parser(&m);
	make_parser(&m, "<parse>\n@type none\n</parse>\n", NULL);
	assert_false(parser_has_firstline(m.parser));
	assert_false(parser_is_firstline(m.parser, SPAN_LIT("2026 x"), &room));
	free_parser(&m);
	parser_room_free(&room);
}

/* Patterns that an engine without a limit works on for years. */
static void hostile_patterns_end(void **state)
{
	static const char *const expressions[] = {"^(?<a>(x+x+)+)y$", "^(?<a>(a|aa)+)$", "(?<a>(.*a){20})$"};
	char text[2000];
	(void)state;
	for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
		memset(text, i == 0 ? 'x' : 'a', sizeof text);
		text[sizeof text - 1] = '!';
		char *section = mem_printf("<parse>\n@type regexp\nexpression /%s/\n</parse>\n", expressions[i]);
		struct made_parser m;
		make_parser(&m, section, NULL);
		assert_non_null(m.parser);
		int64_t start = clock_mono_ns();
		char *got = parse_all(m.parser, span_of(text, sizeof text));
		int64_t took = clock_mono_ns() - start;
		assert_string_equal(got, "[\"NOMATCH\"]");
		assert_true(took < 20 * NS_PER_S); /* with sanitizers on a busy machine */
		mem_free(got);
		free_parser(&m);
		mem_free(section);
	}
}

static void parses_deep_json_or_refuses(void **state)
{
	char text[1000];
	(void)state;
	for (size_t depth = 100; depth <= 400; depth += 100) {
		int n = snprintf(text, sizeof text, "{\"a\":");
		memset(text + n, '[', depth);
		memset(text + n + depth, ']', depth);
		snprintf(text + n + 2 * depth, 2, "}");
		struct made_parser m;
		make_parser(&m, "<parse>\n@type json\n</parse>\n", NULL);
		char *got = parse_all(m.parser, span_str(text));
		assert_int_equal(strcmp(got, "[\"NOMATCH\"]") == 0, depth > 128);
		mem_free(got);
		free_parser(&m);
	}
}

static void many_fields(void **state)
{
	struct buf text;
	struct made_parser m;
	(void)state;
	buf_init(&text, 1 << 20);
	for (int i = 0; i < 5000; i++)
		buf_printf(&text, "k%d:%d\t", i, i);
	make_parser(&m, "<parse>\n@type ltsv\ntypes k4999:integer\n</parse>\n", NULL);
	char *got = parse_all(m.parser, buf_span(&text));
	assert_non_null(strstr(got, "\"k0\":\"0\""));
	assert_non_null(strstr(got, "\"k4999\":4999}"));
	mem_free(got);
	free_parser(&m);
	buf_free(&text);
}

/* ---- findings ---- */

static const struct {
	const char *section, *text; /* part of a finding; NULL: there must be none */
} findings[] = {
	{"<parse>\n@type json\n</parse>\n", NULL},
	{"<parse>\n</parse>\n", "Missing '@type' parameter in <parse>"},
	{"<filter>\nx y\n</filter>\n", "<parse> section is required in <filter>"},
	{"<parse>\n@type jsn\n</parse>\n", "did you mean 'json'"},
	{"<parse>\n@type something\n</parse>\n", "Unknown parser plugin 'something'"},
	{"<parse>\n@type grok\n</parse>\n", "write the pattern as an expression"},
	{"<parse>\n@type json\ntime_keyy x\n</parse>\n", "did you mean 'time_key'"},
	{"<parse>\n@type json\njson_parser oj\n</parse>\n", "'json_parser' has no effect"},
	{"<parse>\n@type json\ntimeout 5s\n</parse>\n", "limit of steps"},
	{"<parse>\n@type json\ntime_type nonsense\n</parse>\n", "valid options are string,unixtime,float,mixed"},
	{"<parse>\n@type json\ntime_type mixed\n</parse>\n", "time_format and time_format_fallbacks is empty"},
	{"<parse>\n@type json\ntime_format_fallbacks unixtime\n</parse>\n", "has no effect without 'time_type mixed'"},
	{"<parse>\n@type json\nutc true\nlocaltime true\n</parse>\n", "both of utc and localtime are specified"},
	{"<parse>\n@type none\nutc true\n</parse>\n", "specifying timezone requires time format"},
	{"<parse>\n@type json\ntime_format %Y\ntimezone Nowhere/Nothing\n</parse>\n", "Unsupported timezone"},
	{"<parse>\n@type json\ntime_format %Y\ntimezone ../../etc/passwd\n</parse>\n", "Unsupported timezone"},
	{"<parse>\n@type json\ntypes a:number\n</parse>\n", "unknown value conversion for key:'a', type:'number'"},
	{"<parse>\n@type json\nnull_value_pattern /(/\n</parse>\n", "not a regular expression"},
	{"<parse>\n@type syslog\ntypes a:integer\n</parse>\n", "does not convert values"},
	{"<parse>\n@type apache2\nnull_empty_string true\n</parse>\n", "does not convert values"},
	{"<parse>\n@type regexp\n</parse>\n", "'expression' parameter is required"},
	{"<parse>\n@type regexp\nexpression /x/\n</parse>\n", "No named captures"},
	{"<parse>\n@type regexp\nexpression /(?<a/\n</parse>\n", "not a regular expression"},
	{"<parse>\n@type regexp\nexpression /(?<a>x)/\nignorecase true\n</parse>\n", "write /pattern/i"},
	{"<parse>\n@type nginx\nexpression /(?<a>x)/\n</parse>\n", NULL},
	{"<parse>\n@type csv\n</parse>\n", "'keys' parameter is required"},
	{"<parse>\n@type csv\nkeys a\ndelimiter \"\\\"\"\n</parse>\n", "a delimiter is no quote"},
	{"<parse>\n@type csv\nkeys a\nparser_type fast\n</parse>\n", NULL},
	{"<parse>\n@type csv\nkeys a\nparser_engine quick\n</parse>\n", "valid options are normal,fast"},
	{"<parse>\n@type tsv\n</parse>\n", "'keys' parameter is required"},
	{"<parse>\n@type ltsv\ndelimiter_pattern /[/\n</parse>\n", "delimiter_pattern"},
	{"<parse>\n@type kv\nkv_delimiter /[/\n</parse>\n", "kv_delimiter"},
	{"<parse>\n@type key_value\n</parse>\n", NULL},
	{"<parse>\n@type syslog\nmessage_format rfc9\n</parse>\n", "valid options are rfc3164,rfc5424,auto"},
	{"<parse>\n@type multiline\n</parse>\n", "No named captures"},
	{"<parse>\n@type multiline\nformat1 x\n</parse>\n", "format should be Regexp, need //, in format1"},
	{"<parse>\n@type multiline\nformat1 /(/\n</parse>\n", "Invalid regexp in format1"},
	{"<parse>\n@type multiline\nformat2 /(?<a>x)/\n</parse>\n", "format1 is missing"},
	{"<parse>\n@type multiline\nformat1 /(?<a>x)/\nformat_firstline x\n</parse>\n", "in format_firstline"},
	{"<parse>\n@type multiline\nformat1 /(?<a>x)/\nformat21 /x/\n</parse>\n", "format21"},
	{"<parse>\n@type multi_format\n</parse>\n", "<pattern> sections are required"},
	{"<parse>\n@type multi_format\n<pattern>\nformat jsn\n</pattern>\n</parse>\n", "did you mean 'json'"},
	{"<parse>\n@type multi_format\n<pattern>\nformat json\ntim_key x\n</pattern>\n</parse>\n",
		"did you mean 'time_key'"},
	{"<parse>\n@type cri\n<parse>\n@type nonsense\n</parse>\n</parse>\n", "Unknown parser plugin 'nonsense'"},
	{"<parse>\n@type cri\n<parse>\n@type json\n</parse>\n</parse>\n", NULL},
};

static void says_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof findings / sizeof *findings; i++) {
		struct made_parser m;
		bool found = false;
		make_parser(&m, findings[i].section, NULL);
		for (size_t k = 0; findings[i].text && k < m.report.n; k++)
			found = found || strstr(m.report.v[k].text, findings[i].text);
		if (findings[i].text ? !found : m.report.n > 0)
			fail_msg("%s: %s", findings[i].section, m.report.n ? m.report.v[0].text : "nothing was found");
		assert_int_equal(m.parser == NULL, m.report.errors > 0);
		free_parser(&m);
	}
}

/* Each default of each table, as documented. */
static void defaults(void **state)
{
	static const struct {
		const char *type, *param, *value;
	} want[] = {{"json", "time_key", "time"}, {"json", "time_type", "float"}, {"regexp", "time_key", "time"},
		{"csv", "time_key", NULL}, {"csv", "delimiter", ","}, {"tsv", "delimiter", "\t"},
		{"ltsv", "label_delimiter", ":"}, {"ltsv", "time_key", "time"}, {"none", "message_key", "message"},
		{"nginx", "time_format", "%d/%b/%Y:%H:%M:%S %z"}, {"syslog", "time_format", "%b %d %H:%M:%S"},
		{"syslog", "rfc5424_time_format", "%Y-%m-%dT%H:%M:%S.%L%z"}, {"syslog", "with_priority", "false"},
		{"syslog", "support_colonless_ident", "true"}, {"cri", "time_format", "%Y-%m-%dT%H:%M:%S.%L%z"},
		{"cri", "keep_time_key", "true"}, {"cri", "merge_cri_fields", "true"}, {"kv", "kv_delimiter", "/\\s+/"},
		{"kv", "kv_char", "="}, {"json", "estimate_current_event", "true"}, {"json", "keep_time_key", "false"},
		{"json", "localtime", "true"}, {"json", "utc", "false"}, {"json", "null_empty_string", "false"}};
	size_t types = 0;
	(void)state;
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		const struct conf_param *p = parser_type_schema(want[i].type)->params;
		while (p->name && strcmp(p->name, want[i].param) != 0)
			p++;
		assert_non_null(p->name);
		if (want[i].value)
			assert_string_equal(p->value, want[i].value);
		else
			assert_null(p->value);
	}
	for (; parser_type_at(types); types++) {
		static const struct conf_rules rules;
		struct conf_report report;
		char name[40];
		snprintf(name, sizeof name, "%.*s", (int)strcspn(parser_type_at(types), " "), parser_type_at(types));
		const struct conf_schema *s = parser_type_schema(name);
		conf_report_init(&report);
		conf_free(s, conf_make(s, NULL, &rules, &report)); /* aborts if a default is no value */
		for (const struct conf_param *p = s->params; p->name; p++)
			assert_true(p->help || p->instead);
		conf_report_free(&report);
	}
	assert_int_equal(types, 16);
}

static int in_utc(void **state)
{
	(void)state;
	return setenv("TZ", "UTC", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes),
		cmocka_unit_test(flat_parameters),
		cmocka_unit_test(several_formats),
		cmocka_unit_test(better_than_fluentd),
		cmocka_unit_test(time_fields),
		cmocka_unit_test(not_utf8),
		cmocka_unit_test(firstline),
		cmocka_unit_test(hostile_patterns_end),
		cmocka_unit_test(parses_deep_json_or_refuses),
		cmocka_unit_test(many_fields),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(defaults),
	};
	return cmocka_run_group_tests(tests, in_utc, NULL);
}
