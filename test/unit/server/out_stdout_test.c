/* What the stdout output prints, for a batch as it comes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../format/format_util.h"
#include "batch.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/msgpack_put.h"

extern const struct plugin out_stdout;

static struct conf_report *report;

const struct conf_rules *builder_rules(struct builder *b)
{
	static const struct conf_rules rules;
	(void)b;
	return &rules;
}

struct conf_report *builder_report(struct builder *b)
{
	(void)b;
	return report;
}

/* All that is printed on standard output while the batch is emitted. */
static char *printed(struct output *o, const struct batch *b)
{
	FILE *f = tmpfile();
	char text[4096];
	assert_non_null(f);
	fflush(stdout);
	int old = dup(STDOUT_FILENO);
	assert_true(old >= 0 && dup2(fileno(f), STDOUT_FILENO) >= 0);
	out_stdout.output->emit(o, NULL, b);
	assert_true(dup2(old, STDOUT_FILENO) >= 0);
	close(old);
	rewind(f);
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	return mem_strndup(text, n);
}

static const struct {
	const char *conf, *want;
} cases[] = {
	{"", "2026-08-07 12:00:00.500000000 +0000 t.a: {\"m\":\"x\"}\n"
	     "2026-11-23 02:13:20.000000007 +0000 t.a: {\"m\":\"y\"}\n"},
	{"<format>\n@type single_value\nmessage_key m\n</format>", "x\ny\n"},
	{"<format>\n@type single_value\nmessage_key m\nadd_newline false\n</format>", "x\ny\n"},
	{"<format>\n@type single_value\nmessage_key m\nnewline crlf\n</format>", "x\ny\n"},
	{"<format>\n@type json\n</format>\n<inject>\ntag_key tag\ntime_key at\ntime_type unixtime\n</inject>",
		"{\"m\":\"x\",\"tag\":\"t.a\",\"at\":1786104000}\n{\"m\":\"y\",\"tag\":\"t.a\",\"at\":1795400000}\n"},
	{"format ltsv\ninclude_tag_key true", "m:x\ttag:t.a\nm:y\ttag:t.a\n"},
	{"output_type hash", "2026-08-07 12:00:00.500000000 +0000 t.a: {\"m\"=>\"x\"}\n"
			     "2026-11-23 02:13:20.000000007 +0000 t.a: {\"m\"=>\"y\"}\n"},
};

static void prints(void **state)
{
	static const struct conf_rules rules;
	struct buf entries;
	(void)state;
	buf_init(&entries, 1 << 16);
	buf_put_byte(&entries, 0x92);
	mp_put_event_time(&entries, (struct event_time){1786104000, 500000000});
	record_of("{\"m\":\"x\"}", &entries);
	buf_put(&entries, "\x92\x00", 2); /* the time of receipt */
	record_of("{\"m\":\"y\"}", &entries);
	struct batch b = {.tag = SPAN_LIT("t.a"), .entries = buf_span(&entries), .count = 2};
	b.received_ns = INT64_C(1795400000000000007);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct section_of_text s;
		char *text = mem_printf("<match **>\n@type stdout\n%s\n</match>\n", cases[i].conf);
		read_section(&s, text);
		report = &s.report;
		struct counter delivered = {0};
		struct output o = {.plugin = &out_stdout, .n.delivered = &delivered};
		o.conf = conf_make(out_stdout.schema, s.section, &rules, report);
		o.self = out_stdout.output->create(&o, NULL);
		if (!o.self || report->errors)
			fail_msg("%s: %s", text, report->v[0].text);
		char *got = printed(&o, &b);
		assert_string_equal(got, cases[i].want);
		mem_free(got);
		out_stdout.output->destroy(o.self);
		conf_free(out_stdout.schema, o.conf);
		free_section(&s);
		mem_free(text);
	}
	buf_free(&entries);
}

static void refuses(void **state)
{
	static const struct conf_rules rules;
	static const char *const wrong[] = {"<format>\n@type nonsense\n</format>",
		"<inject>\ntime_type minutes\n</inject>", "<format>\n@type csv\n</format>"};
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct section_of_text s;
		char *text = mem_printf("<match **>\n@type stdout\n%s\n</match>\n", wrong[i]);
		read_section(&s, text);
		report = &s.report;
		struct counter delivered = {0};
		struct output o = {.plugin = &out_stdout, .n.delivered = &delivered};
		o.conf = conf_make(out_stdout.schema, s.section, &rules, report);
		if (!report->errors)
			assert_null(out_stdout.output->create(&o, NULL));
		assert_true(report->errors > 0);
		conf_free(out_stdout.schema, o.conf);
		free_section(&s);
		mem_free(text);
	}
}

static int in_utc(void **state)
{
	(void)state;
	return setenv("TZ", "UTC", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(prints), cmocka_unit_test(refuses)};
	return cmocka_run_group_tests(tests, in_utc, NULL);
}
