/* Embedded code: Ruby's results for what is supported, and a refusal at its place for everything else. */
#include "conf/conf_expr.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const struct conf_expr_env test_env = {.worker_id = 2, .no_files = false};

struct expr_case {
	const char *code;
	const char *want; /* the text; "nil" and ":default" for what use_nil and use_default set, with `status` */
	enum conf_expr_status status;
};

static int run(const struct expr_case *c)
{
	struct conf_expr_result r;
	struct buf out;
	buf_init(&out, SIZE_MAX);
	conf_expr_eval(&test_env, span_str(c->code), &out, &r);
	bool failed = r.status == CONF_EXPR_ERROR;
	int differs = r.status != c->status || strcmp(failed ? "" : buf_cstr(&out), c->want) != 0;
	if (differs)
		print_error("%s\n  gave %d '%s' %s\n  instead of %d '%s'\n", c->code, r.status, buf_cstr(&out),
			failed ? r.error : "", c->status, c->want);
	buf_free(&out);
	return differs;
}

static const struct expr_case cases[] = {
	/* literals */
	{"", "", 0},
	{"nil", "", 0},
	{"true", "true", 0},
	{"false", "false", 0},
	{"1", "1", 0},
	{"1_000", "1000", 0},
	{"0", "0", 0},
	{"-5", "-5", 0},
	{"1.5", "1.5", 0},
	{"2.0", "2.0", 0},
	{"100.0", "100.0", 0},
	{"0.1 + 0.2", "0.30000000000000004", 0},
	{"1000000.0 * 10000000000.0 * 10000", "1.0e+20", 0},
	{"0.00001", "1.0e-05", 0},
	{"'a'", "a", 0},
	{"'a\\'b\\\\c\\n'", "a'b\\c\\n", 0},
	{"\"a\\n\\t\\\"\\e\"", "a\n\t\"\033", 0},
	{"\"a#{1 + 1}b\"", "a2b", 0},
	{"\"a#{\"b#{'c'}\"}d\"", "abcd", 0},
	{"\"#{nil}\"", "", 0},
	{"'#{x}'", "#{x}", 0},
	{"[1, 'a', nil]", "[1, \"a\", nil]", 0},
	{"[]", "[]", 0},
	/* the environment */
	{"ENV['WEIR_TEST_X']", "envval", 0},
	{"ENV[\"WEIR_TEST_X\"]", "envval", 0},
	{"ENV[ 'WEIR_TEST' + '_X' ]", "envval", 0},
	{"ENV['WEIR_TEST_NOPE']", "", 0},
	{"ENV.fetch('WEIR_TEST_X')", "envval", 0},
	{"ENV.fetch('WEIR_TEST_X', 'd')", "envval", 0},
	{"ENV.fetch('WEIR_TEST_NOPE', 'd')", "d", 0},
	{"ENV.fetch('WEIR_TEST_NOPE', nil)", "", 0},
	{"ENV.fetch(\"WEIR_TEST_NOPE\") { 'd' }", "d", 0},
	{"ENV.fetch(\"WEIR_TEST_NOPE\") {ENV['WEIR_TEST_X']}", "envval", 0},
	{"ENV.fetch('WEIR_TEST_X') { raise 'no' }", "envval", 0},
	{"ENV.key?('WEIR_TEST_X')", "true", 0},
	{"ENV.has_key?('WEIR_TEST_NOPE')", "false", 0},
	{"ENV['SERVERENGINE_WORKER_ID']", "2", 0},
	{"worker_id", "2", 0},
	{"worker_id.to_i + 1", "3", 0},
	/* operators */
	{"ENV['WEIR_TEST_NOPE'] || 'd'", "d", 0},
	{"ENV['WEIR_TEST_X'] || 'd'", "envval", 0},
	{"ENV['WEIR_TEST_NOPE'] || ENV['WEIR_TEST_X'] || 'd'", "envval", 0},
	{"ENV['WEIR_TEST_EMPTY'] || 'd'", "", 0},
	{"ENV['WEIR_TEST_X'] && 'y'", "y", 0},
	{"ENV['WEIR_TEST_NOPE'] && 'y'", "", 0},
	{"nil || false", "false", 0},
	{"!nil", "true", 0},
	{"!!'a'", "true", 0},
	{"!true || true", "true", 0},
	{"1 == 1", "true", 0},
	{"1 == 1.0", "true", 0},
	{"1 == '1'", "false", 0},
	{"'a' == \"a\"", "true", 0},
	{"nil == false", "false", 0},
	{"nil != 1", "true", 0},
	{"1 < 2", "true", 0},
	{"2 <= 1.5", "false", 0},
	{"'b' > 'a'", "true", 0},
	{"'ab' >= 'abc'", "false", 0},
	{"1 + 2 * 3", "7", 0},
	{"(1 + 2) * 3", "9", 0},
	{"10 - 2 - 3", "5", 0},
	{"7 / 2", "3", 0},
	{"-7 / 2", "-4", 0},
	{"-7 % 3", "2", 0},
	{"7 / 2.0", "3.5", 0},
	{"-7.5 % 2", "0.5", 0},
	{"'a' + 'b'", "ab", 0},
	{"1 + 1 == 2 && 'yes' || 'no'", "yes", 0},
	{"ENV['WEIR_TEST_X'] ? 'a' : 'b'", "a", 0},
	{"ENV['WEIR_TEST_NOPE'] ? 'a' : 'b'", "b", 0},
	{"nil ? 1 : false ? 2 : 3", "3", 0},
	{"true ? nil ? 1 : 2 : 3", "2", 0},
	{"ENV['WEIR_TEST_X'] == 'envval' ? 'a' : raise('no')", "a", 0},
	{"ENV['WEIR_TEST_X'].nil? || ENV['WEIR_TEST_X'].empty? ? 'none' : ENV['WEIR_TEST_X']", "envval", 0},
	{"ENV['WEIR_TEST_EMPTY'].to_s.empty? ? 'd' : ENV['WEIR_TEST_EMPTY']", "d", 0},
	/* use_nil and use_default */
	{"use_nil", "", CONF_EXPR_NIL},
	{"use_default", "", CONF_EXPR_DEFAULT},
	{"ENV['WEIR_TEST_NOPE'] || use_nil", "", CONF_EXPR_NIL},
	{"ENV['WEIR_TEST_NOPE'] || use_default", "", CONF_EXPR_DEFAULT},
	{"ENV['WEIR_TEST_X'] || use_default", "envval", 0},
	{"raise SetNil", "", CONF_EXPR_NIL},
	{"raise SetDefault", "", CONF_EXPR_DEFAULT},
	{"\"a#{use_nil}\"", "", CONF_EXPR_NIL},
	/* statements */
	{"require 'socket'; 'x'", "x", 0},
	{"require 'socket'\n'x'", "x", 0},
	{"require('socket'); 1; 2", "2", 0},
	{"1;", "1", 0},
	{" ;; 1", "1", 0},
	/* methods */
	{"' a\n'.strip", "a", 0},
	{"' a '.lstrip + '|'", "a |", 0},
	{"' a '.rstrip + '|'", " a|", 0},
	{"\"a\\r\\n\".chomp", "a", 0},
	{"\"a\\n\\n\".chomp", "a\n", 0},
	{"'a.rb'.chomp('.rb')", "a", 0},
	{"'aBc'.downcase", "abc", 0},
	{"'aBc'.upcase", "ABC", 0},
	{"'aBC'.capitalize", "Abc", 0},
	{"'\xc3\xa9t\xc3\xa9'.upcase", "\xc3\xa9T\xc3\xa9", 0},
	{"'10k'.to_i", "10", 0},
	{"' 12 '.to_i + 1", "13", 0},
	{"'-1_0'.to_i", "-10", 0},
	{"'x'.to_i", "0", 0},
	{"'1.5e3x'.to_f", "1500.0", 0},
	{"'.'.to_f", "0.0", 0},
	{"1.9.to_i", "1", 0},
	{"3.to_f", "3.0", 0},
	{"nil.to_s + 'a'", "a", 0},
	{"nil.to_i", "0", 0},
	{"1.to_s + '1'", "11", 0},
	{"''.empty?", "true", 0},
	{"[1].empty?", "false", 0},
	{"nil.nil?", "true", 0},
	{"'x'.nil?", "false", 0},
	{"'\xc3\xa9t\xc3\xa9'.length", "3", 0},
	{"[1,2].size", "2", 0},
	{"'a,b,,'.split(',').size", "2", 0},
	{"'a,b,,'.split(',', -1).size", "4", 0},
	{"'a,b,c'.split(',', 2)[1]", "b,c", 0},
	{"' a  b '.split.join('-')", "a-b", 0},
	{"' a  b '.split(' ').join('-')", "a-b", 0},
	{"'a.b.c'.split('.')[0]", "a", 0},
	{"'a.b.c'.split('.')[-1]", "c", 0},
	{"'a.b.c'.split('.').first", "a", 0},
	{"'a.b.c'.split('.').last", "c", 0},
	{"'a.b.c'.split('.').first(2).join('.')", "a.b", 0},
	{"'a.b.c'.split('.').last(2).join('.')", "b.c", 0},
	{"'a-b-c-d'.split('-')[0..-3].join('-')", "a-b", 0},
	{"'a-b-c-d'.split('-')[0...-1].join('-')", "a-b-c", 0},
	{"'a-b-c-d'.split('-')[1,2].join('-')", "b-c", 0},
	{"'a-b-c-d'.split('-')[2..].join('-')", "c-d", 0},
	{"'a'.split('.')[3]", "", 0},
	{"''.split(',')[0]", "", 0},
	{"'a/b'.split(/\\//).join('+')", "a+b", 0},
	{"'abcdef'[0..2]", "abc", 0},
	{"'abcdef'[1]", "b", 0},
	{"'abcdef'[-2..-1]", "ef", 0},
	{"'abcdef'[1,3]", "bcd", 0},
	{"'abcdef'['cd']", "cd", 0},
	{"'abc'[5]", "", 0},
	{"'\xc3\xa9t\xc3\xa9'[0,2]", "\xc3\xa9t", 0},
	{"'a.b.c'.gsub('.', '-')", "a-b-c", 0},
	{"'a.b.c'.sub('.', '-')", "a-b.c", 0},
	{"'a.b.c'.gsub(/\\./, '_')", "a_b_c", 0},
	{"'aaa'.gsub('aa', 'b')", "ba", 0},
	{"'hello'.tr('el', 'ip')", "hippo", 0},
	{"'hello'.tr('a-y', 'b-z')", "ifmmp", 0},
	{"'a-b'.tr('-', '_')", "a_b", 0},
	{"'hello'.delete('l')", "heo", 0},
	{"'abc'.start_with?('ab')", "true", 0},
	{"'abc'.start_with?('x', 'a')", "true", 0},
	{"'abc'.end_with?('b')", "false", 0},
	{"'abc'.include?('bc')", "true", 0},
	{"['a', 'b'].include?('b')", "true", 0},
	{"['a', 'b'].join(',')", "a,b", 0},
	{"['a', 1, 2.5].join", "a12.5", 0},
	{"'abc'.delete_prefix('a')", "bc", 0},
	{"'abc'.delete_suffix('bc')", "a", 0},
	{"'a\"b'.to_json", "\"a\\\"b\"", 0},
	{"nil.to_json", "null", 0},
	{"nil&.strip", "", 0},
	{"'  a '&.strip", "a", 0},
	{"'a'.upcase.downcase.upcase", "A", 0},
	/* refused */
	{"`hostname`", "", CONF_EXPR_ERROR},
	{"system('x')", "", CONF_EXPR_ERROR},
	{"eval('1')", "", CONF_EXPR_ERROR},
	{"%x(ls)", "", CONF_EXPR_ERROR},
	{"Time.now", "", CONF_EXPR_ERROR},
	{"IO.popen('x')", "", CONF_EXPR_ERROR},
	{"File.open('/x', 'w')", "", CONF_EXPR_ERROR},
	{"File.delete('/x')", "", CONF_EXPR_ERROR},
	{"Socket.ip_address_list", "", CONF_EXPR_ERROR},
	{"ENV.to_h", "", CONF_EXPR_ERROR},
	{"ENV['X'] = 'y'", "", CONF_EXPR_ERROR},
	{"ENV['X'] ||= 'y'", "", CONF_EXPR_ERROR},
	{"x = 1", "", CONF_EXPR_ERROR},
	{"'a' if true", "", CONF_EXPR_ERROR},
	{"'a' rescue 'b'", "", CONF_EXPR_ERROR},
	{"'a' 'b'", "", CONF_EXPR_ERROR},
	{"'a' << 'b'", "", CONF_EXPR_ERROR},
	{"'a' =~ /a/", "", CONF_EXPR_ERROR},
	{"'a'.match(/a/)", "", CONF_EXPR_ERROR},
	{"'a'.gsub(/[a-z]/, 'x')", "", CONF_EXPR_ERROR},
	{"'a'.gsub('a', '\\1')", "", CONF_EXPR_ERROR},
	{"'a'.send('system', 'x')", "", CONF_EXPR_ERROR},
	{"'a'.tr('^a', 'b')", "", CONF_EXPR_ERROR},
	{"[1].map { |x| x }", "", CONF_EXPR_ERROR},
	{":sym", "", CONF_EXPR_ERROR},
	{"1 +", "", CONF_EXPR_ERROR},
	{"(1", "", CONF_EXPR_ERROR},
	{"1)", "", CONF_EXPR_ERROR},
	{"'a", "", CONF_EXPR_ERROR},
	{"\"\\u00e9\"", "", CONF_EXPR_ERROR},
	{"0x10", "", CONF_EXPR_ERROR},
	{"010", "", CONF_EXPR_ERROR},
	{"true ? 1", "", CONF_EXPR_ERROR},
	{"1 / 0", "", CONF_EXPR_ERROR},
	{"9223372036854775807 + 1", "", CONF_EXPR_ERROR},
	{"9223372036854775808", "", CONF_EXPR_ERROR},
	{"'a' + 1", "", CONF_EXPR_ERROR},
	{"'a' * 3", "", CONF_EXPR_ERROR},
	{"nil + 'a'", "", CONF_EXPR_ERROR},
	{"nil[0]", "", CONF_EXPR_ERROR},
	{"1.strip", "", CONF_EXPR_ERROR},
	{"'a'.strip('b')", "", CONF_EXPR_ERROR},
	{"'a'.sub('b')", "", CONF_EXPR_ERROR},
	{"'a'.sub('b', 1)", "", CONF_EXPR_ERROR},
	/* a branch that is not taken is read all the same */
	{"true || `x`", "", CONF_EXPR_ERROR},
	{"true ? 'a' : system('x')", "", CONF_EXPR_ERROR},
};

static void test_cases(void **state)
{
	(void)state;
	int differ = 0;
	setenv("WEIR_TEST_X", "envval", 1);
	setenv("WEIR_TEST_EMPTY", "", 1);
	unsetenv("WEIR_TEST_NOPE");
	unsetenv("SERVERENGINE_WORKER_ID");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		differ += run(&cases[i]);
	assert_int_equal(differ, 0);
}

#define NOT_RUBY                                                                                                \
	"weir does not run Ruby here; it knows ENV['X'], ENV.fetch, ||, &&, ?:, + - * /, hostname, worker_id, " \
	"Socket.gethostname, File.read, use_nil, use_default, and methods such as .strip, .to_i, .split, .gsub"

static const struct {
	const char *code, *error;
	size_t at;
} errors[] = {
	{"`hostname`", "'`' is not supported: " NOT_RUBY, 0},
	{"'a' + system('x')", "'system' is not supported: " NOT_RUBY, 6},
	{"Time.now.to_i", "'Time.now.to_i' is not supported: " NOT_RUBY, 0},
	{"'a'.unpack('x')", "'.unpack' is not supported: " NOT_RUBY, 4},
	{"1 +", "a value is expected at the end", 3},
	{"(1", "')' is expected at the end", 2},
	{"'a' + 'b", "the string that begins here is not closed", 6},
	{"ENV.fetch('WEIR_TEST_NOPE')", "key not found: \"WEIR_TEST_NOPE\" (the environment variable is not set)", 0},
	{"raise 'boom'", "boom", 0},
	{"raise ArgumentError, 'boom'", "boom", 0},
	{"ENV['WEIR_TEST_NOPE'].strip", "undefined method 'strip' for nil (is the environment variable set?)", 22},
	{"'a' + ENV['WEIR_TEST_NOPE']", "'+' is not possible with a String and nil (is the environment variable set?)",
		4},
	{"1 <= 'a'", "'<=' is not possible with an Integer and a String", 2},
	{"'a'.gsub(/a+/, 'x')", "regular expressions are not supported here: use a string", 9},
	{"ENV[1]", "ENV[] needs the name of a variable, as a string", 0},
	{"File.read('/nonexistent/x')", "cannot read '/nonexistent/x': No such file or directory", 0},
};

static void test_errors(void **state)
{
	(void)state;
	unsetenv("WEIR_TEST_NOPE");
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		struct conf_expr_result r;
		struct buf out;
		buf_init(&out, SIZE_MAX);
		conf_expr_eval(&test_env, span_str(errors[i].code), &out, &r);
		assert_int_equal(r.status, CONF_EXPR_ERROR);
		assert_string_equal(r.error, errors[i].error);
		assert_int_equal(r.error_at, errors[i].at);
		assert_int_equal(out.n, 0);
		buf_free(&out);
	}
}

static void test_extent(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t n;
	} v[] = {
		{"1}", 1},
		{"}", 0},
		{"'}'}\"", 3},
		{"\"}\"}", 3},
		{"\"#{'}'}\"} x", 8},
		{"ENV.fetch('X') { 'd' }}", 22},
		{"\"\\\"}\"}", 5},
		{"gsub(/}/, '')}", 13},
		{"gsub(/\"/, '')}\"", 13},
		{"1 / 2 }", 6},
		{"`}`}", 3},
		{"'\\'}'}", 5},
		{"1", SIZE_MAX},
		{"'}", SIZE_MAX},
		{"{}", SIZE_MAX},
		{"", SIZE_MAX},
	};
	for (size_t i = 0; i < sizeof v / sizeof *v; i++)
		assert_int_equal(conf_expr_extent(span_str(v[i].text)), v[i].n);
}

static struct conf_expr_result eval(const struct conf_expr_env *env, const char *code, struct buf *out)
{
	struct conf_expr_result r;
	buf_clear(out);
	conf_expr_eval(env, span_str(code), out, &r);
	return r;
}

static void count_file(void *arg, const char *path, const struct stat *st)
{
	int *seen = arg;
	assert_true(*path == '/');
	seen[st ? st->st_size == 7 : 2]++;
}

/* Whoever wants to know is told of each file that the code looked into. */
static void test_told_of_files(void **state)
{
	(void)state;
	char name[] = "/tmp/weir-expr-XXXXXX", code[256];
	int fd = mkstemp(name), seen[3] = {0};
	const struct conf_expr_env env = {.on_file = count_file, .arg = seen};
	struct buf out;
	buf_init(&out, SIZE_MAX);
	assert_int_equal(write(fd, "secret\n", 7), 7);
	close(fd);
	snprintf(
		code, sizeof code, "File.read('%s') + File.open('%s').read + File.exist?('%s').to_s", name, name, name);
	eval(&env, code, &out);
	assert_string_equal(buf_cstr(&out), "secret\nsecret\ntrue");
	unlink(name);
	snprintf(code, sizeof code, "File.exist?('%s') ? File.read('%s') : 'none'", name, name);
	eval(&env, code, &out);
	eval(&env, "File.read('/nowhere')", &out);
	assert_int_equal(seen[0], 0);
	assert_int_equal(seen[1], 3);
	assert_int_equal(seen[2], 2);
	buf_free(&out);
}

static void test_host_and_files(void **state)
{
	(void)state;
	char name[] = "/tmp/weir-expr-XXXXXX", code[128], host[256];
	struct buf out;
	buf_init(&out, SIZE_MAX);
	int fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "secret\n", 7), 7);
	close(fd);
	snprintf(code, sizeof code, "File.read('%s').chomp + '!'", name);
	struct conf_expr_result r = eval(&test_env, code, &out);
	assert_int_equal(r.status, CONF_EXPR_TEXT);
	assert_true(r.outside);
	assert_string_equal(buf_cstr(&out), "secret!");
	snprintf(code, sizeof code, "File.open(\"%s\").read.strip", name);
	eval(&test_env, code, &out);
	assert_string_equal(buf_cstr(&out), "secret");
	snprintf(code, sizeof code, "File.open('%s') do |f| f.readline end.rstrip", name);
	eval(&test_env, code, &out);
	assert_string_equal(buf_cstr(&out), "secret");
	snprintf(code, sizeof code, "File.open('%s', 'r') { |file| file.read }", name);
	eval(&test_env, code, &out);
	assert_string_equal(buf_cstr(&out), "secret\n");
	snprintf(code, sizeof code, "File.open('%s') { |f| g.read }", name);
	assert_int_equal(eval(&test_env, code, &out).status, CONF_EXPR_ERROR);
	snprintf(code, sizeof code, "File.open('%s').write('x')", name);
	assert_int_equal(eval(&test_env, code, &out).status, CONF_EXPR_ERROR);
	snprintf(code, sizeof code, "File.exist?('%s') ? 'a' : 'b'", name);
	eval(&test_env, code, &out);
	assert_string_equal(buf_cstr(&out), "a");
	snprintf(code, sizeof code, "true || File.read('%s')", name);
	assert_false(eval(&test_env, code, &out).outside);
	snprintf(code, sizeof code, "File.read('%s')", name);
	r = eval(&(struct conf_expr_env){.no_files = true}, code, &out);
	assert_int_equal(r.status, CONF_EXPR_ERROR);
	assert_string_equal(r.error, "files are not read here");
	unlink(name);
	gethostname(host, sizeof host);
	assert_false(eval(&test_env, "hostname", &out).outside);
	assert_string_equal(buf_cstr(&out), host);
	eval(&test_env, "require 'socket'; Socket.gethostname", &out);
	assert_string_equal(buf_cstr(&out), host);
	assert_true(eval(&test_env, "ENV['WEIR_TEST_NOPE'] || 'd'", &out).outside);
	buf_free(&out);
}

/* Whatever the code is, the recursion and the memory have an end. */
static void test_limits(void **state)
{
	(void)state;
	static const char *const open[] = {"(", "!", "-", "[", "\"#{", "1 ? ", "ENV.fetch("};
	struct buf code, out;
	buf_init(&code, SIZE_MAX);
	buf_init(&out, SIZE_MAX);
	for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
		buf_clear(&code);
		for (int n = 0; n < 20000; n++)
			buf_put_str(&code, open[i]);
		struct conf_expr_result r = eval(&test_env, buf_cstr(&code), &out);
		assert_int_equal(r.status, CONF_EXPR_ERROR);
		assert_string_equal(r.error, "the expression is nested too deeply");
	}
	buf_clear(&code);
	buf_put_str(&code, "'a'");
	for (int i = 0; i < 30; i++)
		buf_put_str(&code, ".gsub('a', 'aa')");
	struct conf_expr_result r = eval(&test_env, buf_cstr(&code), &out);
	assert_int_equal(r.status, CONF_EXPR_ERROR);
	assert_string_equal(r.error, "the result is too large");
	buf_free(&code);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_extent),
		cmocka_unit_test(test_host_and_files),
		cmocka_unit_test(test_told_of_files),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
