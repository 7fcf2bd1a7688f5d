/* Expressions: the values that Ruby gives, the messages of what raises, what is refused and where, and the limits of what a record may cost. */
#include "expr/expr.h"
#include "expr_cases.h"

#include "base/clock.h"
#include "record/json_get.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* One evaluation: the set, the evaluator, the record, and the value as JSON. */
struct run {
	struct expr_set *set;
	struct expr_vm *vm;
	struct record record;
	struct buf msgpack, json;
	struct expr_error error;
	bool compiled, good;
	struct value value;
};

static void open_record(struct run *r, const char *json)
{
	const uint8_t *p = (const uint8_t *)json;
	size_t used;
	buf_init(&r->msgpack, 1 << 20);
	buf_init(&r->json, 1 << 24);
	assert_int_equal(json_get(&p, p + strlen(json), 100, &r->msgpack, NULL), JSON_OK);
	r->vm = expr_vm_new(r->set);
	assert_true(
		record_open(&r->record, expr_vm_arena(r->vm), r->msgpack.p, r->msgpack.p + r->msgpack.n, 100, &used));
	assert_true(expr_vm_set_tag(r->vm, SPAN_LIT(CASE_TAG)));
	expr_vm_set_record(r->vm, &r->record, (struct event_time){CASE_SEC, CASE_NSEC});
}

static const char *as_json(struct run *r, const struct value *v)
{
	struct buf out;
	buf_init(&out, 1 << 24);
	buf_clear(&r->json);
	if (value_put(&out, v)) {
		const uint8_t *p = out.p;
		assert_true(json_put(&r->json, &p, out.p + out.n, MP_DEPTH_LIMIT));
	} else {
		buf_put_str(&r->json, "(no msgpack)");
	}
	buf_free(&out);
	return buf_cstr(&r->json);
}

static void run_in(struct run *r, enum expr_time time, const char *json, const char *code)
{
	*r = (struct run){.set = expr_set_new(time, CASE_HOSTNAME)};
	const struct expr *e = expr_compile(r->set, span_str(code), &r->error);
	open_record(r, json);
	r->compiled = e != NULL;
	r->good = e && expr_eval(r->vm, e, &r->value);
}

static void run(struct run *r, const char *code)
{
	run_in(r, EXPR_TIME, case_record, code);
}

static void run_free(struct run *r)
{
	expr_vm_free(r->vm);
	expr_set_free(r->set);
	buf_free(&r->msgpack);
	buf_free(&r->json);
}

static int check_value(const struct expr_case *c)
{
	struct run r;
	run(&r, c->code);
	const char *got = r.good ? as_json(&r, &r.value) : r.compiled ? expr_vm_error(r.vm) : r.error.text;
	int bad = !r.good || strcmp(got, c->want) != 0;
	if (bad)
		print_error("%s\n  gave %s%s\n  instead of %s\n", c->code, r.good ? "" : "the error ", got, c->want);
	run_free(&r);
	return bad;
}

static void test_values(void **state)
{
	(void)state;
	int bad = 0;
	for (size_t i = 0; i < sizeof value_cases / sizeof *value_cases; i++)
		bad += check_value(&value_cases[i]);
	assert_int_equal(bad, 0);
}

static void test_errors(void **state)
{
	(void)state;
	int bad = 0;
	for (size_t i = 0; i < sizeof error_cases / sizeof *error_cases; i++) {
		struct run r;
		run(&r, error_cases[i].code);
		const char *got = !r.compiled ? r.error.text : r.good ? "no error" : expr_vm_error(r.vm);
		if (!r.compiled || r.good || strcmp(got, error_cases[i].want) != 0) {
			print_error("%s\n  gave %s\n  instead of %s\n", error_cases[i].code, got, error_cases[i].want);
			bad++;
		}
		run_free(&r);
	}
	assert_int_equal(bad, 0);
}

/* ---- what is refused ---------------------------------------------------------------------------------------------- */

static const struct refused {
	const char *code;
	size_t at;
	const char *text; /* its beginning */
} refused[] = {
	{"message", 0, "fields are read with record[\"message\"]"},
	{"ip_chain.split(',')[0]", 0, "undefined local variable or method 'ip_chain'"},
	{"record[\"a\"].foo", 12, "weir has no method 'foo'"},
	{"record[\"a\"] +", 13, "the expression ends where a value must be"},
	{"record[\"a\"", 6, "']' is missing"},
	{"record[\"a]", 8, "the text has no end"},
	{"(1 + 2", 6, "the end comes where ')' must be"},
	{"if true; 1", 0, "'if' has no end"},
	{"case 1 when 2 then 3", 0, "'case' has no end"},
	{"begin; 1", 0, "'begin' has no end"},
	{"[1, 2", 5, "',' or ']' must be here"},
	{"[1,", 3, "the expression ends where a value must be"},
	{"{1 => 2", 7, "',' or '}' must be here"},
	{"1 2", 1, "not understood from here on"},
	{"1)", 1, "')' is not possible here"},
	{"/a(/", 1, "not a regular expression: "},
	{"/a/q", 3, "no flag of a regular expression: q"},
	{"/#{tag}/", 1, "a regular expression is compiled once"},
	{"`ls`", 0, "expressions start no programs"},
	{"system('ls')", 0, "expressions start no programs"},
	{"File.open('/etc/passwd')", 5, "expressions touch no files"},
	{"File.read('/etc/passwd')", 5, "expressions touch no files"},
	{"open('/etc/hostname').read", 0, "expressions touch no files"},
	{"IO.popen('x')", 0, "weir does not know the constant IO"},
	{"Kernel.exit", 7, "weir has no Kernel.exit"},
	{"eval('1')", 0, "weir evaluates no text"},
	{"instance_eval('1')", 0, "weir evaluates no text"},
	{"@x", 0, "weir has no @variables"},
	{"\"#@x\"", 1, "weir has no @variables"},
	{"$stdout", 0, "weir has no global variables but"},
	{"-> { 1 }", 0, "weir has no lambda"},
	{"lambda { 1 }", 0, "weir has no lambda"},
	{"while true; end", 0, "weir has no loops without a collection"},
	{"loop { }", 0, "weir has no loops without a collection"},
	{"1 while true", 2, "weir has no loops without a collection"},
	{"def x; end", 0, "methods cannot be defined"},
	{"class X; end", 0, "classes cannot be defined"},
	{"return 1", 0, "there is nothing to return from"},
	{"puts 1", 0, "expressions print nothing"},
	{"sleep 1", 0, "a sleep would hold up all records"},
	{"next 1", 0, "next and break are for blocks"},
	{"1 = 2", 2, "only variables and record[...] can be set"},
	{"tag.x = 1", 4, "attributes cannot be set"},
	{"x.y", 0, "undefined local variable or method 'x'"},
	{"[1].each { |v| w }; v", 15, "undefined local variable or method 'w'"},
	{"[1].each { |v| v }; v", 20, "undefined local variable or method 'v'"},
	{"Foo::Bar.new", 0, "weir does not know the constant Foo::Bar"},
	{"Time.strptime(tag, tag)", 19, "the format of strptime must be a plain text"},
	{"Time.now(1)", 5, "wrong number of arguments for now"},
	{"99999999999999999999", 0, "the number is larger than 64 bits"},
	{"1abc", 0, "not a number"},
	{"\"\\xzz\"", 3, "\\x needs two digits"},
	{"\"\\u{110000}\"", 10, "no character has this number"},
	{"<<EOS", 0, "weir has no <<TEXT"},
	{"a.map(&blk)", 0, "undefined local variable or method 'a'"},
	{"tag.map(&blk)", 8, "behind & only :name is possible"},
	{"[1].map(&::il?)", 8, "behind & only :name is possible"},
	{"{**record}", 1, "'*' is not possible here"},
};

static void test_refused(void **state)
{
	(void)state;
	int bad = 0;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		const struct refused *c = &refused[i];
		struct expr_set *s = expr_set_new(EXPR_TIME, "h");
		struct expr_error e;
		const struct expr *made = expr_compile(s, span_str(c->code), &e);
		if (made || e.at != c->at || strncmp(e.text, c->text, strlen(c->text)) != 0) {
			print_error("%s\n  gave %zu '%s'\n  instead of %zu '%s'\n", c->code, made ? 0 : e.at,
				made ? "no error" : e.text, c->at, c->text);
			bad++;
		}
		expr_set_free(s);
	}
	assert_int_equal(bad, 0);
}

/* ---- templates ---------------------------------------------------------------------------------------------------- */

static const struct template_case {
	const char *text;
	char quote;
	bool typed;
	const char *want; /* JSON; or "!12 text" for what is refused */
} templates[] = {
	{"${record[\"code\"]}", '[', true, "404"},
	{"${record[\"code\"]}", '[', false, "\"404\""},
	{"x-${record[\"code\"]}", '[', true, "\"x-404\""},
	{"${tag}.${record[\"level\"]}", '[', true, "\"app.web.log.WARN\""},
	{"plain text", '[', true, "\"plain text\""},
	{"tab\\there", '[', true, "\"tab\\there\""},
	{"a [b] c", '[', true, "\"a [b] c\""},
	{"#{1 + 1}", '[', true, "\"2\""},
	{"${record[\"tags\"].compact}", '[', true, "[\"b\",\"a\",\"b\"]"},
	{"${record.map { |k, v| k }.first}", '[', true, "\"log\""},
	{"${\"${tag}\"}", '[', true, "\"app.web.log\""},
	{"$${tag}", '[', true, "\"$app.web.log\""},
	{"", '[', true, "\"\""},
	{"${}", '[', true, "null"},
	{"${nil}", '[', false, "\"\""},
	{"${record[\"nope\"]}-x", '[', true, "\"-x\""},
	{"say \"${tag}\"", '[', true, "\"say \\\"app.web.log\\\"\""},
	{"${tag}-${record['level']}", '"', true, "\"app.web.log-WARN\""},
	{"${record[\"level\"]}!", '"', true, "\"WARN!\""},
	{"say \"${tag}\"", '"', true, "!5 '$' is not possible here"},
	{"${nope}", '[', true, "!2 undefined local variable or method 'nope'"},
	{"abc ${nope} d", '[', true, "!6 undefined local variable or method 'nope'"},
	{"a ] b ${tag}", '[', true, "!3 ' ' is not possible here"},
	{"${tag", '[', true, "!5 '}' is missing"},
};

static void test_templates(void **state)
{
	(void)state;
	int bad = 0;
	for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
		const struct template_case *c = &templates[i];
		struct run r = {.set = expr_set_new(EXPR_TIME, CASE_HOSTNAME)};
		char refusal[500];
		const struct expr *e = expr_compile_template(r.set, span_str(c->text), c->quote, c->typed, &r.error);
		open_record(&r, case_record);
		const char *got = refusal;
		if (!e)
			snprintf(refusal, sizeof refusal, "!%zu %.*s", r.error.at,
				(int)(c->want[0] == '!' ? strlen(strchr(c->want, ' ') + 1) : 400), r.error.text);
		else
			got = expr_eval(r.vm, e, &r.value) ? as_json(&r, &r.value) : expr_vm_error(r.vm);
		if (strcmp(got, c->want) != 0) {
			print_error("%s\n  gave %s\n  instead of %s\n", c->text, got, c->want);
			bad++;
		}
		run_free(&r);
	}
	assert_int_equal(bad, 0);
}

/* ---- identity: what one expression changes, others and the record see ---------------------------------------------------- */

static const struct {
	const char *first, *second, *want, *record;
} changes[] = {
	{"record['a'] = 1", "record['a']", "1", "{\"s\":\"x\",\"m\":{\"k\":[1]},\"a\":1}"},
	{"record['m']['n'] = 2; nil", "record['m']", "{\"k\":[1],\"n\":2}", "{\"s\":\"x\",\"m\":{\"k\":[1],\"n\":2}}"},
	{"record['m']['k'] << 5", "record.dig('m', 'k', 1)", "5", "{\"s\":\"x\",\"m\":{\"k\":[1,5]}}"},
	{"record['s'].upcase!", "record['s']", "\"X\"", "{\"s\":\"X\",\"m\":{\"k\":[1]}}"},
	{"t = record['s']; t << 'y'", "record['s']", "\"xy\"", "{\"s\":\"xy\",\"m\":{\"k\":[1]}}"},
	{"t = record['s'] + ''; t << 'y'", "record['s']", "\"x\"", "{\"s\":\"x\",\"m\":{\"k\":[1]}}"},
	{"t = record['s'].dup; t << 'y'", "record['s']", "\"x\"", "{\"s\":\"x\",\"m\":{\"k\":[1]}}"},
	{"record['t'] = record['s']; record['t'] << '!'", "record['s']", "\"x!\"",
		"{\"s\":\"x!\",\"m\":{\"k\":[1]},\"t\":\"x!\"}"},
	{"m = record['m']; record['m2'] = m; m['z'] = 0", "record['m2']['z']", "0",
		"{\"s\":\"x\",\"m\":{\"k\":[1],\"z\":0},\"m2\":{\"k\":[1],\"z\":0}}"},
	{"record.delete('s')", "record.key?('s')", "false", "{\"m\":{\"k\":[1]}}"},
	{"record['m'].delete('k')", "record['m']", "{}", "{\"s\":\"x\",\"m\":{}}"},
	{"record['m'].each { |k, v| v << 9 }", "record['m']['k']", "[1,9]", "{\"s\":\"x\",\"m\":{\"k\":[1,9]}}"},
	{"record['m'].transform_keys! { |k| k + '_' }; nil", "record['m'].keys", "[\"k_\"]",
		"{\"s\":\"x\",\"m\":{\"k_\":[1]}}"},
	{"x = 5", "defined = 1; defined", "1", "{\"s\":\"x\",\"m\":{\"k\":[1]}}"},
	{"record = {}; record['q'] = 1", "record['s']", "\"x\"", "{\"s\":\"x\",\"m\":{\"k\":[1]}}"},
	{"[record['s']].first << 'z'", "record['s']", "\"xz\"", "{\"s\":\"xz\",\"m\":{\"k\":[1]}}"},
	{"record['m']['k'][0] += 1", "record['m']['k'].first", "2", "{\"s\":\"x\",\"m\":{\"k\":[2]}}"},
	{"record['s'][0] = 'Q'", "record['s']", "\"Q\"", "{\"s\":\"Q\",\"m\":{\"k\":[1]}}"},
	{"record['s'].slice!(0); nil", "record['s']", "\"\"", "{\"s\":\"\",\"m\":{\"k\":[1]}}"},
	{"record['s'].replace('new')", "record['s']", "\"new\"", "{\"s\":\"new\",\"m\":{\"k\":[1]}}"},
	{"record['m'].clear", "record['m'].length", "0", "{\"s\":\"x\",\"m\":{}}"},
	{"a = []; a << a; nil", "1", "1", "{\"s\":\"x\",\"m\":{\"k\":[1]}}"},
};

static void test_changes(void **state)
{
	(void)state;
	int bad = 0;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct run r = {.set = expr_set_new(EXPR_TIME, CASE_HOSTNAME)};
		const struct expr *first = expr_compile(r.set, span_str(changes[i].first), &r.error);
		const struct expr *second = expr_compile(r.set, span_str(changes[i].second), &r.error);
		struct value ignored;
		open_record(&r, "{\"s\":\"x\",\"m\":{\"k\":[1]}}");
		assert_non_null(first);
		assert_non_null(second);
		if (!expr_eval(r.vm, first, &ignored) || !expr_eval(r.vm, second, &r.value)) {
			print_error("%s; %s\n  failed: %s\n", changes[i].first, changes[i].second, expr_vm_error(r.vm));
			bad++;
		} else {
			const struct value record = {.type = VALUE_MAP, .map = r.record.map};
			char *value = strdup(as_json(&r, &r.value));
			if (strcmp(value, changes[i].want) != 0 ||
				strcmp(as_json(&r, &record), changes[i].record) != 0) {
				print_error("%s; %s\n  gave %s with %s\n  instead of %s with %s\n", changes[i].first,
					changes[i].second, value, as_json(&r, &record), changes[i].want,
					changes[i].record);
				bad++;
			}
			free(value);
		}
		run_free(&r);
	}
	assert_int_equal(bad, 0);
}

/* `time.utc` changes the time, for what follows as well. */
static void test_utc_stays(void **state)
{
	(void)state;
	struct run r = {.set = expr_set_new(EXPR_TIME, CASE_HOSTNAME)};
	const struct expr *first = expr_compile(r.set, SPAN_LIT("time.utc.iso8601"), &r.error);
	const struct expr *second = expr_compile(r.set, SPAN_LIT("time.to_s"), &r.error);
	open_record(&r, "{}");
	assert_true(expr_eval(r.vm, second, &r.value));
	assert_string_equal(as_json(&r, &r.value), "\"2023-11-14 22:13:20 +0000\"");
	assert_true(expr_eval(r.vm, first, &r.value));
	assert_true(expr_eval(r.vm, second, &r.value));
	assert_string_equal(as_json(&r, &r.value), "\"2023-11-14 22:13:20 UTC\"");
	run_free(&r);
}

/* ---- record_modifier's time --------------------------------------------------------------------------------------- */

static void test_event_time(void **state)
{
	(void)state;
	static const struct expr_case cases[] = {
		{"time", "\"2023-11-14T22:13:20.123456789Z\""},
		{"time.to_s", "\"1700000000\""},
		{"\"#{time}\"", "\"1700000000\""},
		{"time.to_i", "1700000000"},
		{"time.to_f", "1700000000.1234567"},
		{"time.nsec", "123456789"},
		{"time + 1", "1700000001"},
		{"time * 1000", "1700000000000"},
		{"time == 1700000000", "true"},
		{"time > 5", "true"},
		{"Time.at(time).utc.iso8601(3)", "\"2023-11-14T22:13:20.123Z\""},
		{"time.to_time.utc.to_s", "\"2023-11-14 22:13:20 UTC\""},
		{"time.strftime('%Y')", "\"2023\""},
		{"(Time.at(time) + 60).to_i", "1700000060"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct run r;
		run_in(&r, EXPR_EVENT_TIME, "{}", cases[i].code);
		if (!r.good)
			fail_msg("%s: %s", cases[i].code, expr_vm_error(r.vm));
		if (strcmp(as_json(&r, &r.value), cases[i].want) != 0)
			fail_msg("%s gave %s instead of %s", cases[i].code, as_json(&r, &r.value), cases[i].want);
		run_free(&r);
	}
}

/* ---- limits ------------------------------------------------------------------------------------------------------- */

static void test_limits(void **state)
{
	(void)state;
	static const struct expr_case cases[] = {
		{"'x' * 1_000_000_000", "the record needs more than 64 MiB of memory"},
		{"a = []; 100_000_000.times { |i| a << i }", "the record needs more than 2000000 steps"},
		{"(1..).each { |i| i }", "the record needs more than 2000000 steps"},
		{"(1..).to_a", "the record needs more than"},
		{"s = 'x'; 40.times { s = s + s }; 1", "the record needs more than"},
		{"a = [1]; 40.times { a = a + a }; 1", "the record needs more than"},
		{"a = []; a << a; a.flatten", "tried to flatten recursive array"},
		{"a = []; a << a; a.join", "recursive array join"},
		{"a = []; a << a; a.to_s", "Array holds something that cannot be shown, or is nested too deep"},
		{"a = []; a << a; a.to_json", "Array holds something that cannot be shown, or is nested too deep"},
		{"a = []; a << a; b = []; b << b; a == b", "nested too deep to compare"},
		{"('a' * 30 + '!') =~ /^(a|a)*\\z(?!b)(a+)+$|^(a+)+$/ ", "the regular expression"},
		{"begin; 'x' * 1_000_000_000; rescue; 1; end", "the record needs more than 64 MiB of memory"},
		{"begin; (1..).each { |i| i }; rescue => e; 1; end", "the record needs more than 2000000 steps"},
		{"9223372036854775807 + 9223372036854775807 + 9223372036854775807", "the result has more than 64 bits"},
		{"2 ** 64", "the result has more than 64 bits"},
		{"10 ** 1_000_000_000", "the result has more than 64 bits"},
		{"1 << 100", "the result has more than 64 bits"},
		{"[1, 2].group_by { |v| [v] }", "weir has no arrays and hashes as keys of hashes"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct run r;
		int64_t since = clock_mono_ns();
		run(&r, cases[i].code);
		if (r.good || !r.compiled)
			fail_msg("%s: no error but %s", cases[i].code,
				r.compiled ? as_json(&r, &r.value) : r.error.text);
		if (strncmp(expr_vm_error(r.vm), cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("%s: %s", cases[i].code, expr_vm_error(r.vm));
		assert_true(clock_mono_ns() - since < 20 * NS_PER_S);
		run_free(&r);
	}
}

static void test_deep_code(void **state)
{
	(void)state;
	enum { DEPTH = 100000 };
	static const char *const pieces[] = {
		"(", "[", "!", "-", "{1=>", "if true;", "1+(", "\"#{", "x=", "tag[", "nil ? 1 : "};
	struct buf code;
	buf_init(&code, 1 << 24);
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct expr_set *s = expr_set_new(EXPR_TIME, "h");
		struct expr_error e;
		buf_clear(&code);
		for (unsigned k = 0; k < DEPTH; k++)
			buf_put_str(&code, pieces[i]);
		assert_null(expr_compile(s, buf_span(&code), &e));
		assert_string_not_equal(e.text, "");
		expr_set_free(s);
	}
	buf_clear(&code);
	buf_put_str(&code, "tag");
	for (unsigned k = 0; k < DEPTH; k++)
		buf_put_str(&code, ".to_s");
	struct expr_set *s = expr_set_new(EXPR_TIME, "h");
	struct expr_error e;
	assert_null(expr_compile(s, buf_span(&code), &e));
	assert_string_equal(e.text, "the expression is nested too deep");
	expr_set_free(s);
	buf_free(&code);
}

/* Invalid UTF-8 in a record neither raises nor crashes: what a regular expression sees is repaired. */
static void test_bad_utf8(void **state)
{
	(void)state;
	static const uint8_t record[] = {0x81, 0xa1, 's', 0xa5, 'a', 0xff, 'b', 0xc3, 'c'};
	static const struct expr_case cases[] = {
		{"record['s'].gsub(/b/, 'x')", "\"a\xef\xbf\xbdx\xef\xbf\xbd"
					       "c\""},
		{"record['s'] =~ /c/", "4"},
		{"record['s'].length", "5"},
		{"record['s'].scrub('?')", "\"a?b?c\""},
		{"record['s'].valid_encoding?", "false"},
		{"record['s'].encode('UTF-8', invalid: :replace, replace: '')", "\"abc\""},
		{"record['s'].split('b').length", "2"},
		{"record['s'].reverse.length", "5"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct run r = {.set = expr_set_new(EXPR_TIME, "h")};
		const struct expr *e = expr_compile(r.set, span_str(cases[i].code), &r.error);
		size_t used;
		assert_non_null(e);
		open_record(&r, "{}");
		assert_true(record_open(&r.record, expr_vm_arena(r.vm), record, record + sizeof record, 10, &used));
		expr_vm_set_record(r.vm, &r.record, (struct event_time){0, 0});
		if (!expr_eval(r.vm, e, &r.value))
			fail_msg("%s: %s", cases[i].code, expr_vm_error(r.vm));
		assert_string_equal(as_json(&r, &r.value), cases[i].want);
		run_free(&r);
	}
}

/* Thousands of evaluations between a save and a restore hold no more memory than one. */
static void test_memory_is_given_back(void **state)
{
	(void)state;
	struct run r = {.set = expr_set_new(EXPR_TIME, "h")};
	const struct expr *e = expr_compile(
		r.set, SPAN_LIT("record['list'].map { |x| x['t'] * 100 }.join(',').gsub(/x/, 'yy')"), &r.error);
	assert_non_null(e);
	open_record(&r, case_record);
	size_t held = 0;
	for (unsigned i = 0; i < 3000; i++) {
		struct arena_mark mark = arena_save(expr_vm_arena(r.vm));
		expr_vm_set_record(r.vm, &r.record, (struct event_time){1, 0});
		assert_true(expr_eval(r.vm, e, &r.value));
		arena_restore(expr_vm_arena(r.vm), mark);
		if (i == 0)
			held = expr_vm_arena(r.vm)->held;
	}
	assert_int_equal(expr_vm_arena(r.vm)->held, held);
	run_free(&r);
}

static int set_up(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	setenv("WEIR_EXPR_TEST", "envval", 1);
	unsetenv("WEIR_EXPR_UNSET");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_utc_stays),
		cmocka_unit_test(test_event_time),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_deep_code),
		cmocka_unit_test(test_bad_utf8),
		cmocka_unit_test(test_memory_is_given_back),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
