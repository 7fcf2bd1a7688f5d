/* JSON mode: what comes in as [tag, time, record] in text, and is answered in text. */
#include "forward/forward_decode.h"
#include "forward/forward_encode.h"

#include "run_decoder.h"

static const struct {
	const char *text, *want;
} json_cases[] = {
	{"[\"t\",5,{}]", "t:1; "},
	{"[\"t\",5,{}] \r\n\t", "t:1; "},
	{"[\"t\",5,{}] [\"u\",[[5,{}],[6,{}]]]\n{}\n[\"v\",5,{}]", "t:1; u:2; drop:not_array; v:1; "},
	{"[\"t\",5,{}]x", "t:1; close:bad_json"},
	{"[\"t\",5,{}],[\"t\",5,{}]", "t:1; close:bad_json"},
	{"[\"t\",5,{}", "more"},
	{"[\"t]\",5,{\"a\":\"]\\\"]", "more"},
	{"[\"t\",5,{]}", "close:bad_json"},
	{"[}", "close:bad_json"},
	{"{]", "close:bad_json"},
	{"[\"t\" 5,{}]", "close:bad_json"},
	{"[\"t\",5,{\"a\":\"\\ud800\"}]", "close:bad_json"},
	{"[\"t\",5,{\"a\":\"\xff\"}]", "close:bad_json"},
	{"[]", "drop:bad_arity; "},
	{"[\"t\"]", "drop:bad_arity; "},
	{"[5,5,{}]", "drop:bad_tag; "},
	{"[\"t\",true,{}]", "drop:bad_time; "},
	{"[\"t\",5,[]]", "drop:bad_record; "},
	{"[\"t\",5,{},{\"chunk\":\"id\"}]", "t:1 ack id; "},
	{"[\"t\",5,[],{\"chunk\":\"id\"}]", "drop:bad_record ack id; "},
	{"[\"t\",[[5,{}],7,[6,{}],[null,null]],{\"chunk\":\"id\"}]",
		"(bad_entry 1) (bad_record 3) t:2 skipped 2 markers 0 ack id; "},
	{"[\"t\",\"\"]", "t:0; "},
	{"[\"t\",\"abc\",{\"compressed\":\"gzip\"}]", "drop:bad_compressed; "},
	{"[\"t\",\"\\u0092\",{}]", "(bad_entry 1) (bad_tail 1) t:0 skipped 2 markers 0; "},
	{"{\"a\":1}", "drop:not_array; "},
	{"{\"a\":}", "close:bad_json"},
};

static void test_json_mode(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof json_cases / sizeof *json_cases; i++) {
		print_message("%s\n", json_cases[i].text);
		check_span(&forward_default_limits, span_str(json_cases[i].text), json_cases[i].want);
	}
	/* The first byte of the connection decides, and no later one. */
	check_span(&forward_default_limits, SPAN_LIT(" [\"t\",5,{}]"), "close:not_array");
	check_span(&forward_default_limits, SPAN_LIT("[\"t\",5,{}]\x92\xa1t\x90"), "t:1; close:bad_json");
	struct forward_limits limits = forward_default_limits;
	limits.msgpack_only = true;
	check_span(&limits, SPAN_LIT("[\"t\",5,{}]"), "close:not_array");
	check_span(&limits, SPAN_LIT("{}"), "close:not_array");
	limits = forward_default_limits;
	limits.max_message = 1000;
	struct buf b;
	buf_init(&b, MIB);
	buf_put_str(&b, "[\"t\",5,{}]");
	for (int i = 0; i < 1000; i++)
		buf_put_byte(&b, ' ');
	check_span(&limits, buf_span(&b), "t:1; close:too_large");
	buf_free(&b);
}

static void check_json_depth(unsigned levels, const char *want)
{
	struct buf b;
	buf_init(&b, 64u * MIB);
	buf_put_str(&b, "[\"t\",5,");
	for (unsigned i = 0; i < levels; i++)
		buf_put_str(&b, "{\"a\":");
	buf_put_byte(&b, '1');
	for (unsigned i = 0; i < levels; i++)
		buf_put_byte(&b, '}');
	buf_put_str(&b, ",{\"chunk\":\"id\"}] [\"u\",[]]");
	check_span(&forward_default_limits, buf_span(&b), want);
	buf_free(&b);
}

static void test_json_depth(void **state)
{
	(void)state;
	check_json_depth(63, "t:1 ack id; u:0; ");
	check_json_depth(64, "drop:too_deep ack id; u:0; ");
	check_json_depth(255, "drop:too_deep ack id; u:0; ");
	check_json_depth(100000, "drop:too_deep; u:0; "); /* too deep to look for the id */
}

static void check_json_ack(const char *text, const char *want)
{
	struct forward_decoder *d = forward_decoder_new(&forward_default_limits, NULL, NULL);
	struct forward_msg msg;
	size_t used, wanted;
	struct buf out;
	buf_init(&out, 4096);
	struct span in = exact_copy(text, strlen(text));
	assert_int_equal(forward_decode(d, in.p, in.n, &used, &wanted, &msg), FORWARD_EVENTS);
	assert_true(msg.json);
	assert_int_equal(used, in.n);
	assert_true(forward_put_ack(&out, msg.chunk, msg.json));
	assert_true(span_is(buf_span(&out), want));
	buf_free(&out);
	buf_init(&out, strlen(want) - 1);
	assert_false(forward_put_ack(&out, msg.chunk, msg.json));
	assert_int_equal(out.n, 0);
	buf_free(&out);
	forward_decoder_free(d);
	exact_free(in);
}

static void test_json_ack(void **state)
{
	(void)state;
	check_json_ack("[\"t\",[],{\"chunk\":\"id\"}]", "{\"ack\":\"id\"}");
	check_json_ack("[\"t\",[],{\"chunk\":\"\"}]", "{\"ack\":\"\"}");
	check_json_ack("[\"t\",[],{\"chunk\":5}]", "{\"ack\":5}");
	check_json_ack("[\"t\",[],{\"chunk\":\"a\\\"\\n\\\\\\u00e9\\/\"}]", "{\"ack\":\"a\\\"\\n\\\\\xc3\xa9/\"}");
	check_json_ack("[\"t\",[],{\"chunk\":[1,{\"a\":null}]}]", "{\"ack\":[1,{\"a\":null}]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_mode),
		cmocka_unit_test(test_json_depth),
		cmocka_unit_test(test_json_ack),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
