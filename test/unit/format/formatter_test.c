/* What fluentd 1.19.3's formatters print (Ruby 3.1), in the machine's zone UTC unless it is said. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "format/formatter.h"
#include "format_util.h"

static const char record_text[] =
	"{\"a\":1,\"b\":\"x "
	"y\\t\\\"z\\\"\",\"c\":null,\"d\":{\"e\":[1,2.5,null,true,\"q\\n\"]},\"f\":1e20,\"g\":0.00001,"
	"\"message\":\"hello\",\"h\":\"\",\"i\":\"x,y\",\"j\":-3,\"k\":\"\xc3\xa9\\u0001\\u001b\\u007f#{x} "
	"#y\",\"l\":1.0,"
	"\"m\":123456789012345680.0,\"n\":0.1}";

#define JSON                                                                                                         \
	"{\"a\":1,\"b\":\"x "                                                                                        \
	"y\\t\\\"z\\\"\",\"c\":null,\"d\":{\"e\":[1,2.5,null,true,\"q\\n\"]},\"f\":1.0e20,\"g\":1.0e-5,\"message\":" \
	"\"hello\",\"h\":\"\",\"i\":\"x,y\",\"j\":-3,\"k\":\"\xc3\xa9\\u0001\\u001b\x7f#{x} #y\",\"l\":1.0,\"m\":"   \
	"1.2345678901234568e17,\"n\":0.1}"
#define HASH                                                                                                 \
	"{\"a\"=>1, \"b\"=>\"x y\\t\\\"z\\\"\", \"c\"=>nil, \"d\"=>{\"e\"=>[1, 2.5, nil, true, \"q\\n\"]}, " \
	"\"f\"=>1.0e+20, "                                                                                   \
	"\"g\"=>1.0e-05, \"message\"=>\"hello\", \"h\"=>\"\", \"i\"=>\"x,y\", \"j\"=>-3, "                   \
	"\"k\"=>\"\xc3\xa9\\u0001\\e\\u007F\\#{x} #y\", \"l\"=>1.0, \"m\"=>1.2345678901234568e+17, \"n\"=>0.1}"

static const struct {
	const char *section, *want;
} cases[] = {
	{"@type json", JSON "\n"},
	{"@type json\nadd_newline false", JSON},
	{"@type json\nnewline crlf", JSON "\r\n"},
	{"@type out_file", "2026-08-07T12:00:00+00:00\tt.a\t" JSON "\n"},
	{"@type out_file\ndelimiter SPACE", "2026-08-07T12:00:00+00:00 t.a " JSON "\n"},
	{"@type out_file\ndelimiter comma", "2026-08-07T12:00:00+00:00,t.a," JSON "\n"},
	{"@type out_file\ndelimiter ;", "2026-08-07T12:00:00+00:00\tt.a\t" JSON "\n"},
	{"@type out_file\noutput_time false", "t.a\t" JSON "\n"},
	{"@type out_file\noutput_tag false\nutc true", "2026-08-07T12:00:00Z\t" JSON "\n"},
	{"@type out_file\ntime_format %Y%m%d %H:%M:%S.%N %z\ntimezone Asia/Tokyo",
		"20260807 21:00:00.123456789 +0900\tt.a\t" JSON "\n"},
	{"@type out_file\ntimezone +00:00", "2026-08-07T12:00:00+00:00\tt.a\t" JSON "\n"},
	{"@type out_file\ntime_type unixtime", "1786104000\tt.a\t" JSON "\n"},
	{"@type out_file\ntime_type float", "1786104000.123456789\tt.a\t" JSON "\n"},
	{"@type out_file\nlocaltime false", "2026-08-07T12:00:00Z\tt.a\t" JSON "\n"},
	{"@type out_file\nnewline crlf\noutput_tag false\noutput_time false", JSON "\r\n"},
	{"@type single_value", "hello\n"},
	{"@type single_value\nmessage_key d", "{\"e\"=>[1, 2.5, nil, true, \"q\\n\"]}\n"},
	{"@type single_value\nmessage_key zz", "\n"},
	{"@type single_value\nadd_newline false", "hello"},
	{"@type single_value\nmessage_key f", "1.0e+20\n"},
	{"@type ltsv", "a:1\tb:x y \"z\"\tc:\td:{\"e\"=>[1, 2.5, nil, true, "
		       "\"q\\n\"]}\tf:1.0e+20\tg:1.0e-05\tmessage:hello\th:\ti:"
		       "x,y\tj:-3\tk:\xc3\xa9\x01\x1b\x7f#{x} #y\tl:1.0\tm:1.2345678901234568e+17\tn:0.1\n"},
	{"@type ltsv\ndelimiter |\nlabel_delimiter =\nreplacement _\nadd_newline false",
		"a=1|b=x y\t\"z\"|c=|d={\"e\"=>[1, 2.5, nil, true, \"q\\n\"]}|f=1.0e+20|g=1.0e-05|message=hello|h=|i="
		"x,y|j=-3|k=\xc3\xa9\x01\x1b\x7f#{x} #y|l=1.0|m=1.2345678901234568e+17|n=0.1"},
	{"@type csv\nfields a,b,c,h,i,d,zz,message", "\"1\",\"x y\t\"\"z\"\"\",\"\",\"\",\"x,y\",\"{\"\"e\"\"=>[1, "
						     "2.5, nil, true, \"\"q\\n\"\"]}\",\"\",\"hello\"\n"},
	{"@type csv\nfields a,b,c,h,i,d,zz,message\nforce_quotes false",
		"1,\"x y\t\"\"z\"\"\",,\"\",\"x,y\",\"{\"\"e\"\"=>[1, 2.5, nil, true, \"\"q\\n\"\"]}\",,hello\n"},
	{"@type csv\nfields a,$.d.e[1],c\ndelimiter TAB", "\"1\"\t\"2.5\"\t\"\"\n"},
	{"@type csv\nfields a,message\ndelimiter \\t\nadd_newline false", "\"1\"\t\"hello\""},
	{"@type csv\nfields a,b,i\ndelimiter |\nforce_quotes false", "1|\"x y\t\"\"z\"\"\"|x,y\n"},
	{"@type tsv\nkeys a,b,c,d,zz", "1\tx y\t\"z\"\t\t{\"e\"=>[1, 2.5, nil, true, \"q\\n\"]}\t\n"},
	{"@type tsv\nkeys a,b\ndelimiter |\nadd_newline false", "1|x y\t\"z\""},
	{"@type hash", HASH "\n"},
	{"@type hash\nadd_newline false", HASH},
	{"@type hash\nnewline crlf", HASH "\r\n"},
	{"@type stdout", "2026-08-07 12:00:00.123456789 +0000 t.a: " JSON "\n"},
	{"@type stdout\noutput_type hash", "2026-08-07 12:00:00.123456789 +0000 t.a: " HASH "\n"},
	{"@type stdout\noutput_type single_value\nmessage_key a", "2026-08-07 12:00:00.123456789 +0000 t.a: 1\n"},
	{"@type stdout\noutput_type csv\nfields a,j\ntime_format %Y", "2026 t.a: \"1\",\"-3\"\n"},
	{"type single_value", "hello\n"},
};

static char *format(const char *section_text, const char *default_type, struct section_of_text *s)
{
	static const struct conf_rules rules;
	struct buf record, out;
	read_section(s, section_text);
	struct formatter *f = formatter_make(s->section, default_type, &rules, &s->report);
	if (!f)
		return NULL;
	buf_init(&record, 1 << 20);
	buf_init(&out, 1 << 20);
	bool ok = formatter_put(
		f, SPAN_LIT("t.a"), (struct event_time){1786104000, 123456789}, record_of(record_text, &record), &out);
	formatter_free(f);
	buf_free(&record);
	assert_true(ok);
	return buf_take(&out);
}

static void as_fluentd(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct section_of_text s;
		char *section = mem_printf("<format>\n%s\n</format>\n", cases[i].section);
		char *got = format(section, NULL, &s);
		assert_non_null(got);
		if (s.report.errors)
			fail_msg("%s: %s", section, s.report.v[0].text);
		assert_string_equal(got, cases[i].want);
		mem_free(got);
		free_section(&s);
		mem_free(section);
	}
}

static void where_it_stands(void **state)
{
	static const struct {
		const char *section, *want;
	} places[] = {
		{"<match>\n</match>\n", "hello\n"},
		{"<match>\nformat tsv\nkeys a,j\n</match>\n", "1\t-3\n"},
		{"<match>\nformat tsv\nkeys a\n<format>\n@type csv\nfields j\n</format>\n</match>\n", "\"-3\"\n"},
		{"<match>\nmessage_key a\nbuffer_path x\n</match>\n", "1\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct section_of_text s;
		char *got = format(places[i].section, "single_value", &s);
		assert_non_null(got);
		assert_int_equal(s.report.n, 0);
		assert_string_equal(got, places[i].want);
		mem_free(got);
		free_section(&s);
	}
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *section, *text;
	} wrong[] = {
		{"@type jsn", "did you mean 'json'"},
		{"@type something", "Unknown formatter plugin 'something'"},
		{"@type csv", "'fields' parameter is required"},
		{"@type csv\nfields ,", "empty value is specified in fields parameter"},
		{"@type csv\nfields $.", "fields"},
		{"@type tsv", "'keys' parameter is required"},
		{"@type json\nnewline cr", "valid options are lf,crlf"},
		{"@type json\nadd_newlines true", "did you mean 'add_newline'"},
		{"@type out_file\ntimezone Nowhere/X", "Unsupported timezone"},
		{"@type out_file\nutc true\nlocaltime true", "both of utc and localtime are specified"},
		{"@type out_file\ntime_type minutes", "valid options are string,unixtime,float"},
		{"@type stdout\noutput_type stdout", "stdout cannot hold itself"},
		{"@type stdout\noutput_type jsn", "did you mean 'json'"},
		{"@type json\njson_parser yajl", "has no effect"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct section_of_text s;
		char *section = mem_printf("<format>\n%s\n</format>\n", wrong[i].section);
		char *got = format(section, NULL, &s);
		bool found = false;
		for (size_t k = 0; k < s.report.n; k++)
			found = found || strstr(s.report.v[k].text, wrong[i].text);
		if (!found)
			fail_msg("%s: %s", section, s.report.n ? s.report.v[0].text : "nothing was found");
		assert_int_equal(got == NULL, s.report.errors > 0);
		mem_free(got);
		free_section(&s);
		mem_free(section);
	}
}

static void binary_and_limits(void **state)
{
	static const struct conf_rules rules;
	struct section_of_text s;
	struct buf record, out;
	(void)state;
	read_section(&s, "<format>\n@type msgpack\n</format>\n");
	struct formatter *f = formatter_make(s.section, NULL, &rules, &s.report);
	assert_true(formatter_is_binary(f));
	assert_string_equal(formatter_type_name(f), "msgpack");
	buf_init(&record, 1 << 20);
	buf_init(&out, 3);
	struct span r = record_of("{\"a\":1}", &record);
	assert_false(formatter_put(f, SPAN_LIT("t"), (struct event_time){0}, r, &out));
	buf_free(&out);
	buf_init(&out, 100);
	assert_true(formatter_put(f, SPAN_LIT("t"), (struct event_time){0}, r, &out));
	assert_int_equal(out.n, r.n);
	assert_memory_equal(out.p, r.p, r.n);
	assert_false(formatter_put(f, SPAN_LIT("t"), (struct event_time){0}, SPAN_LIT("\x91\x01"), &out));
	buf_free(&out);
	buf_free(&record);
	formatter_free(f);
	free_section(&s);
}

static void every_table_is_whole(void **state)
{
	static const struct conf_rules rules;
	size_t i = 0;
	(void)state;
	for (; formatter_type_at(i); i++) {
		struct conf_report report;
		const struct conf_schema *s = formatter_type_schema(formatter_type_at(i));
		conf_report_init(&report);
		conf_free(s, conf_make(s, NULL, &rules, &report)); /* aborts if a default is no value */
		for (const struct conf_param *p = s->params; p->name; p++)
			assert_true(p->help || p->instead);
		conf_report_free(&report);
	}
	assert_int_equal(i, 9);
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
		cmocka_unit_test(where_it_stands),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(binary_and_limits),
		cmocka_unit_test(every_table_is_whole),
	};
	return cmocka_run_group_tests(tests, in_utc, NULL);
}
