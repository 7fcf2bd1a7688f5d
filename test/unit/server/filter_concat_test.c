/* The concat filter alone: which lines become one event, over messages too, and what is made of them. */
#include "held_util.h"

extern const struct plugin filter_concat;

#define START "key m\nmultiline_start_regexp /^s/\n"

static const struct {
	const char *conf, *script, *want;
	size_t held;
} cases[] = {
	/* n_lines */
	{"key m\nn_lines 2", "{\"m\":\"a\",\"x\":1}\n{\"m\":\"b\",\"x\":2,\"y\":3}\n{\"m\":\"c\"}\n",
		"2 {\"m\":\"a\\nb\",\"x\":1,\"y\":3}\n", 1},
	{"key m\nn_lines 1", "{\"m\":\"a\"}\n{\"m\":\"b\"}\n", "1 {\"m\":\"a\"}\n2 {\"m\":\"b\"}\n", 0},
	{"key m\nn_lines 3\nseparator \"\"", "{\"m\":\"a\"}\n--\n{\"m\":\"b\"}\n--\n{\"m\":\"c\"}\n{\"m\":\"d\"}\n",
		"+ 3 {\"m\":\"abc\"}\n", 1},
	{"key m\nn_lines 2\nuse_first_timestamp true", "{\"m\":\"a\"}\n--\n{\"m\":\"b\"}\n", "+ 1 {\"m\":\"a\\nb\"}\n",
		0},
	/* a key that came twice: the last one counts, and its text is joined once, however large the parts are */
	{"key m\nn_lines 2", "{\"m\":\"a\",\"x\":1,\"m\":\"b\",\"m\":\"c\"}\n{\"m\":\"d\"}\n",
		"2 {\"m\":\"c\\nd\",\"x\":1}\n", 0},
	/* streams; events without the field; texts that are none */
	{"key m\nn_lines 2\nstream_identity_key s",
		"{\"m\":\"a\",\"s\":1}\n{\"m\":\"b\",\"s\":2}\n{\"m\":\"c\",\"s\":2}\n{\"m\":\"d\",\"s\":1}\n",
		"3 {\"m\":\"b\\nc\",\"s\":2}\n4 {\"m\":\"a\\nd\",\"s\":1}\n", 0},
	{"key m\nn_lines 2", "{\"m\":\"a\"}\n{\"x\":1}\n{\"m\":null}\n{\"m\":7}\n{\"m\":\"b\"}\n",
		"2 {\"x\":1}\n3 {\"m\":null}\n4 {\"m\":7}\n5 {\"m\":\"a\\nb\"}\n", 0},
	/* start */
	{START, "{\"m\":\"x\"}\n{\"m\":\"s1\"}\n{\"m\":\"a\"}\n--\n{\"m\":\"b\"}\n{\"m\":\"s2\"}\n{\"m\":\"s3\"}\n",
		"1 {\"m\":\"x\"}\n+ 4 {\"m\":\"s1\\na\\nb\"}\n5 {\"m\":\"s2\"}\n", 1},
	/* start and end */
	{START "multiline_end_regexp /e$/",
		"{\"m\":\"s1\"}\n{\"m\":\"e\"}\n{\"m\":\"x\"}\n{\"m\":\"se\"}\n{\"m\":\"s2\"}\n{\"m\":\"se\"}\n{\"m\":"
		"\"e\"}\n",
		"2 {\"m\":\"s1\\ne\"}\n3 {\"m\":\"x\"}\n4 {\"m\":\"se\"}\n5 {\"m\":\"s2\"}\n6 {\"m\":\"se\"}\n7 "
		"{\"m\":\"e\"}\n",
		0},
	/* end */
	{"key m\nmultiline_end_regexp /e$/", "{\"m\":\"a\"}\n{\"m\":\"b\"}\n--\n{\"m\":\"e\"}\n{\"m\":\"c\"}\n",
		"+ 3 {\"m\":\"a\\nb\\ne\"}\n", 1},
	/* continuous lines */
	{START "continuous_line_regexp /^ /",
		"{\"m\":\"s1\"}\n{\"m\":\" a\"}\n{\"m\":\"x\"}\n{\"m\":\" b\"}\n{\"m\":\"s2\"}\n--\n{\"m\":\"y\"}\n",
		"2 {\"m\":\"s1\\n a\"}\n3 {\"m\":\"x\"}\n4 {\"m\":\" b\"}\n+ 5 {\"m\":\"s2\"}\n6 {\"m\":\"y\"}\n", 0},
	{"key m\nmultiline_start_regexp /^S/i", "{\"m\":\"s1\"}\n{\"m\":\"a\"}\n{\"m\":\"S2\"}\n",
		"2 {\"m\":\"s1\\na\"}\n", 1},
	/* partial_key */
	{"key m\npartial_key p\npartial_value true\nseparator \"\"",
		"{\"m\":\"a\",\"p\":\"true\"}\n{\"m\":\"b\",\"p\":\"false\"}\n{\"m\":\"c\"}\n{\"m\":\"d\",\"p\":"
		"\"false\"}\n",
		"2 {\"m\":\"ab\"}\n3 {\"m\":\"c\"}\n4 {\"m\":\"d\"}\n", 0},
	{"key m\npartial_key p\npartial_value true\nkeep_partial_key true",
		"{\"m\":\"a\",\"p\":\"true\"}\n{\"m\":\"b\",\"p\":\"false\"}\n",
		"2 {\"m\":\"a\\nb\",\"p\":\"false\"}\n", 0},
	{"key m\npartial_key p\npartial_value t\nbuffer_limit_size 1\nbuffer_overflow_method new",
		"{\"m\":\"a\",\"p\":\"t\"}\n{\"m\":\"b\",\"p\":\"t\"}\n{\"m\":\"c\",\"p\":\"f\"}\n",
		"1 {\"m\":\"a\"}\n2 {\"m\":\"b\"}\n3 {\"m\":\"c\"}\n", 0},
	{"key m\npartial_key p\npartial_value t\nbuffer_limit_size 1\nbuffer_overflow_method truncate",
		"{\"m\":\"a\",\"p\":\"t\"}\n--\n{\"m\":\"b\",\"p\":\"t\"}\n{\"m\":\"c\",\"p\":\"f\"}\n",
		"+ 1 {\"m\":\"a\"}\n3 {\"m\":\"c\"}\n", 0},
	{"key m\npartial_key p\npartial_value t\nbuffer_limit_size 1\nbuffer_overflow_method drop",
		"{\"m\":\"a\",\"p\":\"t\"}\n--\n{\"m\":\"b\",\"p\":\"t\"}\n{\"m\":\"c\",\"p\":\"f\"}\n",
		"3 {\"m\":\"c\"}\n", 0},
	{"key m\npartial_key p\npartial_value t\nbuffer_limit_size 1",
		"{\"m\":\"a\",\"p\":\"t\"}\n{\"m\":\"b\",\"p\":\"t\"}\n{\"m\":\"c\",\"p\":\"f\"}\n",
		"3 {\"m\":\"a\\nb\\nc\"}\n", 0},
	/* Docker's marks: by their order, not by that of arrival; two lines at once */
	{"key m\nuse_partial_metadata true\nseparator \"\"",
		"{\"m\":\"b\",\"partial_message\":\"true\",\"partial_id\":\"1\",\"partial_ordinal\":\"2\",\"partial_"
		"last\":\"false\"}\n"
		"{\"m\":\"a\",\"partial_message\":\"true\",\"partial_id\":\"1\",\"partial_ordinal\":\"1\",\"partial_"
		"last\":\"false\"}\n"
		"{\"m\":\"x\",\"partial_message\":\"true\",\"partial_id\":\"2\",\"partial_ordinal\":\"1\",\"partial_"
		"last\":\"false\"}\n"
		"{\"m\":\"c\",\"partial_message\":\"true\",\"partial_id\":\"1\",\"partial_ordinal\":\"10\",\"partial_"
		"last\":\"true\",\"s\":1}\n"
		"{\"m\":\"n\"}\n",
		"4 {\"m\":\"abc\",\"s\":1}\n5 {\"m\":\"n\"}\n", 1},
	{"key m\nuse_partial_metadata true\nkeep_partial_metadata true\npartial_metadata_format "
	 "docker-journald-lowercase",
		"{\"m\":\"a\",\"container_partial_id\":\"1\",\"container_partial_last\":\"true\"}\n{\"m\":\"n\","
		"\"partial_message\":"
		"\"true\"}\n",
		"1 {\"m\":\"a\",\"container_partial_id\":\"1\",\"container_partial_last\":\"true\"}\n2 "
		"{\"m\":\"n\",\"partial_message\":\"true\"}\n",
		0},
	{"key m\nuse_partial_metadata true\npartial_metadata_format docker-journald",
		"{\"m\":\"a\",\"CONTAINER_PARTIAL_ID\":\"1\",\"CONTAINER_PARTIAL_LAST\":\"false\"}\n--\n"
		"{\"m\":\"b\",\"CONTAINER_PARTIAL_ID\":\"1\",\"CONTAINER_PARTIAL_LAST\":\"true\"}\n",
		"+ 2 {\"m\":\"a\\nb\"}\n", 0},
	/* CRI's tag */
	{"key m\nuse_partial_cri_logtag true\npartial_cri_logtag_key t\nseparator \"\"",
		"{\"m\":\"a\",\"t\":\"P\",\"stream\":\"stdout\"}\n{\"m\":\"b\",\"t\":\"P:x\",\"stream\":\"stdout\"}\n"
		"{\"m\":\"c\",\"t\":\"F:y\",\"stream\":\"stdout\"}\n{\"m\":\"d\",\"t\":\"F\"}\n{\"m\":\"e\"}\n",
		"3 {\"m\":\"abc\"}\n4 {\"m\":\"d\"}\n5 {\"m\":\"e\"}\n", 0},
	{"key m\nuse_partial_cri_logtag true\npartial_cri_logtag_key t\nkeep_partial_key true\npartial_cri_stream_key "
	 "s",
		"{\"m\":\"a\",\"t\":\"P\",\"s\":1}\n--\n{\"m\":\"b\",\"t\":\"F\",\"s\":1}\n",
		"+ 2 {\"m\":\"a\\nb\",\"t\":\"F\"}\n", 0},
	/* time */
	{START, "{\"m\":\"s1\"}\n~\n{\"m\":\"a\"}\n", "+ 1 {\"m\":\"s1\"}\n2 {\"m\":\"a\"}\n", 0},
	{START "timeout_label @X", "{\"m\":\"s1\"}\n{\"m\":\"a\"}\n~\n", "late 2 {\"m\":\"s1\\na\"}\n", 0},
};

static void joined(void **state)
{
	int bad = 0;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct held_run r;
		held_begin_run(&r, &filter_concat, cases[i].conf);
		assert_non_null(r.m.f.self);
		held_script(&r, cases[i].script);
		const char *got = buf_cstr(&r.out);
		if (strcmp(got, cases[i].want) != 0 || held_count("concat") != cases[i].held) {
			print_error("%s\n%s\n  got  (%zu wait)\n%s  want (%zu wait)\n%s", cases[i].conf,
				cases[i].script, held_count("concat"), got, cases[i].held, cases[i].want);
			bad++;
		}
		held_end_run(&r);
	}
	assert_int_equal(bad, 0);
}

/* To <label @ERROR> if there is one. */
static void late_errors(void **state)
{
	struct held_run r;
	struct buf errors, texts;
	(void)state;
	buf_init(&errors, 1000);
	buf_init(&texts, 1000);
	held_begin_run(&r, &filter_concat, START);
	filter_errors = &errors;
	filter_texts = &texts;
	held_script(&r, "{\"m\":\"s1\"}\n");
	held_error_label = true;
	filter_errors = &errors;
	filter_texts = &texts;
	holder_tick(held_holder, NULL, true);
	assert_string_equal(buf_cstr(&errors), "concat_timeout");
	assert_int_equal(held_count("concat"), 0);
	held_end_run(&r);
	buf_free(&errors);
	buf_free(&texts);
}

/* A message that comes again because its first copy was not acknowledged begins where that one began. */
static void again(void **state)
{
	struct held_run r;
	(void)state;
	held_begin_run(&r, &filter_concat, START);
	held_script(&r, "{\"m\":\"s1\"}\n--\n{\"m\":\"a\"}\n");
	for (int i = 0; i < 3; i++) {
		held_add(&r, "{\"m\":\"b\"}", 9);
		held_give(&r, 77);
		held_clear(&r);
		assert_int_equal(held_count("concat"), 3);
	}
	held_script(&r, "{\"m\":\"s2\"}\n");
	assert_string_equal(buf_cstr(&r.out), "+ 5 {\"m\":\"s1\\na\\nb\"}\n");
	assert_int_equal(held_count("concat"), 1);
	held_end_run(&r);
}

static void on_done(struct txn *t)
{
	(void)t;
}

/* What left comes back if what was made of it did not become durable; the journal still has it, and what the message left to wait. */
static void failed(void **state)
{
	struct held_run r;
	struct txn t;
	(void)state;
	held_begin_run(&r, &filter_concat, START);
	held_script(&r, "{\"m\":\"s1\"}\n{\"m\":\"a\"}\n");
	for (int i = 0; i < 2; i++) {
		txn_begin(&t, NULL, on_done);
		held_txn = &t;
		held_add(&r, "{\"m\":\"b\"}", 9);
		held_add(&r, "{\"m\":\"s2\"}", 10);
		held_give(&r, 78);
		held_clear(&r);
		held_txn = NULL;
		assert_int_equal(map_count(held_journal), 2); /* nothing has become durable yet */
		if (!i)
			txn_fail(&t, 5);
		txn_release(&t);
		assert_int_equal(held_count("concat"), i ? 1 : 3);
	}
	assert_string_equal(buf_cstr(&r.out), "+ 3 {\"m\":\"s1\\na\\nb\"}\n+ 5 {\"m\":\"s1\\na\\nb\"}\n");
	held_script(&r, "{\"m\":\"s3\"}\n");
	assert_non_null(strstr(buf_cstr(&r.out), "+ 6 {\"m\":\"s2\"}\n"));
	held_end_run(&r);
}

/* weir's own log is left alone. */
static void own_log(void **state)
{
	struct held_run r;
	(void)state;
	held_begin_run(&r, &filter_concat, START);
	held_add(&r, "{\"m\":\"s1\"}", 10);
	char *got = filter_apply_tag(&r.m, SPAN_LIT("fluent.warn"), buf_span(&r.message), 1);
	assert_string_equal(got, "1.0 {\"m\":\"s1\"}\n");
	mem_free(got);
	assert_int_equal(held_count("concat"), 0);
	held_end_run(&r);
}

/* A journal that takes nothing: what cannot wait goes on at once. */
static void shut(void **state)
{
	struct held_run r;
	(void)state;
	held_begin_run(&r, &filter_concat, START);
	held_script(&r, "{\"m\":\"s1\"}\n");
	held_journal_shut = true;
	held_script(&r, "{\"m\":\"a\"}\n{\"m\":\"s2\"}\n{\"m\":\"b\"}\n");
	assert_string_equal(buf_cstr(&r.out), "+ 2 {\"m\":\"s1\\na\"}\n4 {\"m\":\"s2\\nb\"}\n");
	assert_int_equal(held_count("concat"), 0);
	held_end_run(&r);
}

/* Hostile: one stream without an end, and more streams than may be. */
static void bounded(void **state)
{
	struct held_run r;
	char text[64];
	(void)state;
	held_begin_run(&r, &filter_concat, START "stream_identity_key p");
	held_script(&r, "{\"m\":\"s\"}\n");
	for (unsigned i = 0; i < HOLDER_STREAM_EVENTS + 5; i++)
		held_add(&r, "{\"m\":\"x\"}", 9);
	held_give(&r, 80);
	held_clear(&r);
	assert_int_equal(held_count("concat"), 6); /* what comes after that waits for the end, as before */
	for (unsigned i = 0; i < HOLDER_STREAMS + 100; i++) {
		int n = snprintf(text, sizeof text, "{\"m\":\"s\",\"p\":%u}", i);
		held_add(&r, text, (size_t)n);
	}
	held_give(&r, 81);
	held_clear(&r);
	assert_int_equal(held_count("concat"), HOLDER_STREAMS);
	char *labels = metrics_labels("plugin_id", "p", "type", "concat", NULL);
	assert_int_equal(counter_get(metrics_counter(held_metrics, "weir_held_early_total", labels, "")), 102);
	mem_free(labels);
	held_end_run(&r);
}

static void wrong(void **state)
{
	static const struct filter_wrong wrongs[] = {
		{"n_lines 2", "1:1 error: 'key' parameter is required"},
		{"key m", "1:1 error: Either n_lines, multiline_start_regexp, multiline_end_regexp, partial_key, "},
		{"key m\nn_lines 2\npartial_key p\npartial_value x", "1:1 error: n_lines, "},
		{"key m\npartial_key p", "1:1 error: partial_value is required when partial_key is specified"},
		{"key m\nuse_partial_cri_logtag true",
			"1:1 error: partial_cri_logtag_key is required when use_partial_cri_logtag is true"},
		{"key m\nmultiline_start_regexp /(/", "4:24 error: multiline_start_regexp: "},
	};
	(void)state;
	held_metrics = metrics_new();
	check_filter_wrong(&filter_concat, wrongs, sizeof wrongs / sizeof *wrongs);
	metrics_free(held_metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joined),
		cmocka_unit_test(late_errors),
		cmocka_unit_test(again),
		cmocka_unit_test(failed),
		cmocka_unit_test(own_log),
		cmocka_unit_test(shut),
		cmocka_unit_test(bounded),
		cmocka_unit_test(wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
