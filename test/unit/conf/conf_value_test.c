/*
 * Typed values: the results that fluentd 1.19.3 was seen to give, except for the traps, which are taken as they were meant. A case's `why` is the
 * whole sentence: a warning where there is a value, an error where there is none.
 */
#include "conf/conf_value.h"

#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define S(seconds) ((int64_t)((seconds)*1000) * NS_PER_MS)

struct number_case {
	const char *text;
	bool ok;
	int64_t want;
	const char *why; /* NULL = none */
};

typedef bool number_reader(const char *text, bool strict, int64_t *v, const char **why);

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void run(const char *what, number_reader *reader, bool strict, const struct number_case *c, size_t n)
{
	int differ = 0;
	for (size_t i = 0; i < n; i++) {
		int64_t v = -99;
		const char *why;
		bool ok = reader(c[i].text, strict, &v, &why);
		bool same = ok == c[i].ok && (!ok || v == c[i].want) && same_text(why, c[i].why);
		if (!same)
			print_error("%s '%s' gave %d %lld\n  %s\ninstead of %d %lld\n  %s\n", what, c[i].text, ok,
				(long long)v, why ? why : "", c[i].ok, (long long)c[i].want, c[i].why ? c[i].why : "");
		differ += !same;
	}
	assert_int_equal(differ, 0);
}

#define RUN(reader, strict, cases) run(#cases, reader, strict, cases, sizeof(cases) / sizeof *(cases))

static const struct number_case ints[] = {
	{"10", true, 10, NULL},
	{"010", true, 10, NULL},
	{"0x10", true, 16, "'0x10' is taken as 16 (fluentd would take it as 0)"},
	{"0b11", true, 3, "'0b11' is taken as 3 (fluentd would take it as 0)"},
	{"1e3", true, 1000, "'1e3' is taken as 1000 (fluentd would take it as 1)"},
	{"abc", false, 0, "'abc' is not an integer (fluentd would take it as 0)"},
	{"", false, 0, "an integer is expected, but there is no value (fluentd would take it as 0)"},
	{"1.9", false, 0, "'1.9' is not an integer (fluentd would take it as 1)"},
	{"-3", true, -3, NULL},
	{"+3", true, 3, NULL},
	{"1_000", true, 1000, NULL},
	{"1__0", false, 0, "'1__0' is not an integer (fluentd would take it as 1)"},
	{"10k", false, 0, "'10k' is not an integer (fluentd would take it as 10)"},
	{" 7 ", true, 7, NULL},
	{"7 8", false, 0, "'7 8' is not an integer (fluentd would take it as 7)"},
	{"9223372036854775807", true, INT64_MAX, NULL},
	{"-9223372036854775808", true, INT64_MIN, NULL},
	{"9223372036854775808", false, 0,
		"'9223372036854775808' is not an integer (fluentd would take it as 9223372036854775808)"},
	{"= 24224", false, 0, "'= 24224' is not an integer (fluentd would take it as 0)"},
	{"-", false, 0, "'-' is not an integer (fluentd would take it as 0)"},
};

static const struct number_case strict_ints[] = {
	{"10", true, 10, NULL},
	{"010", true, 8, "'010' is taken as 8, since a leading 0 means octal with strict_config_value"},
	{"08", false, 0, "'08' is not an integer"},
	{"0x10", true, 16, NULL},
	{"1e3", false, 0, "'1e3' is not an integer"},
	{"abc", false, 0, "'abc' is not an integer"},
	{"", false, 0, "an integer is expected, but there is no value (fluentd would take it as 0)"},
	{"1.9", false, 0, "'1.9' is not an integer"},
	{"-3", true, -3, NULL},
	{"1_000", true, 1000, NULL},
	{"10k", false, 0, "'10k' is not an integer"},
	{" 7 ", true, 7, NULL},
};

static const struct number_case sizes[] = {
	{"10", true, 10, NULL},
	{"10k", true, 10240, NULL},
	{"10K", true, 10240, NULL},
	{"10m", true, 10485760, NULL},
	{"10M", true, 10485760, NULL},
	{"1g", true, 1073741824, NULL},
	{"1G", true, 1073741824, NULL},
	{"1t", true, 1099511627776, NULL},
	{"1T", true, 1099511627776, NULL},
	{"10kb", true, 10240, NULL},
	{"10MB", true, 10485760, NULL},
	{"1GiB", true, 1073741824, NULL},
	{"1.5m", true, 1572864, "'1.5m' is taken as 1572864 bytes (fluentd would take it as 5242880)"},
	{"8.5m", true, 8912896, "'8.5m' is taken as 8912896 bytes (fluentd would take it as 5242880)"},
	{"0.5g", true, 536870912, "'0.5g' is taken as 536870912 bytes (fluentd would take it as 5368709120)"},
	{"10 m", true, 10485760, "'10 m' is taken as 10485760 bytes (fluentd would take it as 10)"},
	{"abc", false, 0, "'abc' is not a size such as 512k, 8m or 1g (fluentd would take it as 0)"},
	{"", false, 0, "a size is expected, but there is no value (fluentd would take it as 0)"},
	{"-1", true, -1, NULL},
	{"-1k", false, 0,
		"'-1k' is negative, and is not a size such as 512k, 8m or 1g (fluentd would take it as 1024)"},
	{"10b", true, 10, NULL},
	{"10p", false, 0,
		"'10p' has no unit that is known, and is not a size such as 512k, 8m or 1g (fluentd would take it as "
		"10)"},
	{"1e3", true, 1000, "'1e3' is taken as 1000 bytes (fluentd would take it as 1)"},
	{"1_000k", true, 1024000, "'1_000k' is taken as 1024000 bytes (fluentd would take it as 0)"},
	{"1.5", false, 0, "'1.5' is not a size such as 512k, 8m or 1g (fluentd would take it as 1)"},
	{"1g512m", false, 0, "'1g512m' is not a size such as 512k, 8m or 1g (fluentd would take it as 536870912)"},
	{"9000000t", false, 0, "'9000000t' is too large"},
	{"64g", true, INT64_C(68719476736), NULL},
};

static const struct number_case strict_sizes[] = {
	{"10", true, 10, NULL},
	{"10k", true, 10240, NULL},
	{"10kb", true, 10240, NULL},
	{"1.5m", true, 1572864, "'1.5m' is taken as 1572864 bytes (fluentd would take it as 5242880)"},
	{"10 m", false, 0, "'10 m' is not a size such as 512k, 8m or 1g"},
	{"abc", false, 0, "'abc' is not a size such as 512k, 8m or 1g"},
	{"", false, 0, "a size is expected, but there is no value (fluentd would take it as 0)"},
	{"10b", false, 0, "'10b' is not a size such as 512k, 8m or 1g"},
	{"10p", false, 0, "'10p' is not a size such as 512k, 8m or 1g"},
	{"1e3", false, 0, "'1e3' is not a size such as 512k, 8m or 1g"},
};

static const struct number_case times[] = {
	{"10", true, S(10), NULL},
	{"10s", true, S(10), NULL},
	{"10S", true, S(10), NULL},
	{"1m", true, S(60), NULL},
	{"1h", true, S(3600), NULL},
	{"1d", true, S(86400), NULL},
	{"0.5", true, S(0.5), NULL},
	{".5", true, S(0.5), NULL},
	{"1e3", true, S(1000), NULL},
	{"1.5h", true, S(5400), "'1.5h' is taken as 5400 s (fluentd would take it as 18000 s)"},
	{"0.5s", true, S(0.5), "'0.5s' is taken as 0.5 s (fluentd would take it as 5 s)"},
	{"10ms", true, S(0.01), "'10ms' is taken as 0.01 s (fluentd would take it as 600 s)"},
	{"500ms", true, S(0.5), "'500ms' is taken as 0.5 s (fluentd would take it as 30000 s)"},
	{"100us", true, 100000, "'100us' is taken as 0.0001 s (fluentd would take it as 100 s)"},
	{"100\xc2\xb5s", true, 100000, "'100\xc2\xb5s' is taken as 0.0001 s (fluentd would take it as 100 s)"},
	{"2w", true, S(1209600), "'2w' is taken as 1209600 s (fluentd would take it as 2 s)"},
	{"abc", false, 0, "'abc' is not a time such as 5s, 10m or 1h (fluentd would take it as 0 s)"},
	{"", false, 0, "a time is expected, but there is no value (fluentd would take it as 0)"},
	{"-1", true, S(-1), NULL},
	{"-1s", false, 0, "'-1s' is negative, and is not a time such as 5s, 10m or 1h (fluentd would take it as 1 s)"},
	{"1m30s", true, S(90), "'1m30s' is taken as 90 s (fluentd would take it as 30 s)"},
	{"1d12h", true, S(129600), "'1d12h' is taken as 129600 s (fluentd would take it as 43200 s)"},
	{"1h 30m", true, S(5400), "'1h 30m' is taken as 5400 s (fluentd would take it as 1800 s)"},
	{"10 s", true, S(10), NULL},
	{"10 m", true, S(600), "'10 m' is taken as 600 s (fluentd would take it as 10 s)"},
	{"1H", true, S(3600), "'1H' is taken as 3600 s (fluentd would take it as 1 s)"},
	{"5min", true, S(300), NULL},
	{"5sec", true, S(5), NULL},
	{"2hours", true, S(7200), NULL},
	{"3 days", true, S(259200), "'3 days' is taken as 259200 s (fluentd would take it as 3 s)"},
	{"5x", false, 0,
		"'5x' has no unit that is known, and is not a time such as 5s, 10m or 1h (fluentd would take it as 5 "
		"s)"},
	{"1m30", false, 0, "'1m30' is not a time such as 5s, 10m or 1h (fluentd would take it as 60 s)"},
	{"5 6", false, 0, "'5 6' is not a time such as 5s, 10m or 1h (fluentd would take it as 5 s)"},
	{"72h", true, S(259200), NULL},
	{"99999999d", true, CONF_TIME_MAX, NULL},
	{"-99999999999", true, -CONF_TIME_MAX, NULL},
	{"0.000000001", true, 1, NULL},
	{"0.1", true, S(0.1), NULL},
};

static const struct number_case strict_times[] = {
	{"10", true, S(10), NULL},
	{"10s", true, S(10), NULL},
	{"0.5", true, S(0.5), NULL},
	{"1.5h", true, S(5400), "'1.5h' is taken as 5400 s (fluentd would take it as 18000 s)"},
	{"10S", false, 0, "'10S' is not a time such as 5s, 10m or 1h"},
	{"2w", false, 0, "'2w' is not a time such as 5s, 10m or 1h"},
	{"abc", false, 0, "'abc' is not a time such as 5s, 10m or 1h"},
	{"", false, 0, "a time is expected, but there is no value (fluentd would take it as 0)"},
	{"10 s", false, 0, "'10 s' is not a time such as 5s, 10m or 1h"},
	{"-1", true, S(-1), NULL},
};

static bool read_bool(const char *text, bool strict, int64_t *v, const char **why)
{
	bool b;
	bool ok = conf_value_bool(text, strict, &b, why);
	*v = b;
	return ok;
}

static const struct number_case bools[] = {
	{"true", true, 1, NULL},
	{"yes", true, 1, NULL},
	{"", true, 1, NULL},
	{"# comment", true, 1, NULL},
	{"false", true, 0, NULL},
	{"no", true, 0, NULL},
	{"on", true, 1, "'on' is taken as true (fluentd knows true, yes, false and no only)"},
	{"1", true, 1, "'1' is taken as true (fluentd knows true, yes, false and no only)"},
	{"TRUE", true, 1, "'TRUE' is taken as true (fluentd knows true, yes, false and no only)"},
	{"Yes", true, 1, "'Yes' is taken as true (fluentd knows true, yes, false and no only)"},
	{"off", true, 0, "'off' is taken as false (fluentd knows true, yes, false and no only)"},
	{"0", true, 0, "'0' is taken as false (fluentd knows true, yes, false and no only)"},
	{"False", true, 0, "'False' is taken as false (fluentd knows true, yes, false and no only)"},
	{"foo", false, 0, "'foo' is neither true nor false"},
	{"maybe", false, 0, "'maybe' is neither true nor false"},
	{"truex", false, 0, "'truex' is neither true nor false"},
};

static const struct number_case strict_bools[] = {
	{"true", true, 1, NULL},
	{"", true, 1, NULL},
	{"no", true, 0, NULL},
	{"on", false, 0, "'on' is neither true nor false"},
	{"1", false, 0, "'1' is neither true nor false"},
	{"TRUE", false, 0, "'TRUE' is neither true nor false"},
};

static void test_numbers(void **state)
{
	(void)state;
	RUN(conf_value_int, false, ints);
	RUN(conf_value_int, true, strict_ints);
	RUN(conf_value_size, false, sizes);
	RUN(conf_value_size, true, strict_sizes);
	RUN(conf_value_time, false, times);
	RUN(conf_value_time, true, strict_times);
	RUN(read_bool, false, bools);
	RUN(read_bool, true, strict_bools);
}

static void test_floats(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool strict, ok;
		double want;
		const char *why;
	} v[] = {
		{"1.5", false, true, 1.5, NULL},
		{"1.5", true, true, 1.5, NULL},
		{"1e3", false, true, 1000, NULL},
		{"-0.5", true, true, -0.5, NULL},
		{"10", false, true, 10, NULL},
		{"1_000.5", false, true, 1000.5, NULL},
		{"0.95", false, true, 0.95, NULL},
		{"1e-2", false, true, 0.01, NULL},
		{"abc", false, false, 0, "'abc' is not a number (fluentd would take it as 0)"},
		{"abc", true, false, 0, "'abc' is not a number"},
		{"", false, false, 0, "a number is expected, but there is no value"},
		{"", true, false, 0, "a number is expected, but there is no value"},
		{"1.5x", false, false, 0, "'1.5x' is not a number (fluentd would take it as 1.5)"},
		{"nan", false, false, 0, "'nan' is not a number (fluentd would take it as 0)"},
		{"1e9999", false, false, 0, "'1e9999' is not a number (fluentd would take it as inf)"},
	};
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		double f;
		const char *why;
		assert_int_equal(conf_value_float(v[i].text, v[i].strict, &f, &why), v[i].ok);
		if (v[i].ok)
			assert_true(fabs(f - v[i].want) < 1e-12);
		if (v[i].why)
			assert_string_equal(why, v[i].why);
		else
			assert_null(why);
	}
}

static void test_public(void **state)
{
	(void)state;
	int64_t v;
	const char *trap;
	assert_true(conf_parse_size("8m", &v, &trap));
	assert_int_equal(v, 8388608);
	assert_null(trap);
	assert_true(conf_parse_time("500ms", &v, &trap));
	assert_int_equal(v, 500000000);
	assert_non_null(trap);
}

/* ---- lists: the result as text, items in brackets ---- */

struct list_case {
	const char *text;
	const char *want; /* NULL = refused */
	const char *why;
};

static int check_list(const char *what, const struct list_case *c, bool ok, const char *got, const char *why)
{
	bool same = ok == (c->want != NULL) && (!ok || strcmp(got, c->want) == 0) && same_text(why, c->why);
	if (!same)
		print_error("%s '%s' gave %d %s\n  %s\ninstead of %s\n  %s\n", what, c->text, ok, got, why ? why : "",
			c->want ? c->want : "an error", c->why ? c->why : "");
	return !same;
}

static void test_arrays(void **state)
{
	(void)state;
	static const struct list_case v[] = {
		{"a,b , c", "[a][b][c]", NULL},
		{"[\"a\",\"b\"]", "[a][b]", NULL},
		{"[1,2]", "[1][2]", NULL},
		{"[true, 1.5, {\"a\": [1]}, \"\"]", "[true][1.5][{\"a\":[1]}][]", NULL},
		{"a", "[a]", NULL},
		{"", "", NULL},
		{"[]", "", NULL},
		{"a,b,", "[a][b]", NULL},
		{",a,,b", "[][a][][b]", NULL},
		{" a b , c ", "[a b][c]", NULL},
		{"[a,b]", NULL, "'[a,b]' is not valid JSON: invalid token near 'a'"},
		{"[\"a\"", NULL, "'[\"a\"' is not valid JSON: ']' expected near end of file"},
		{"[null]", NULL, "null is not possible in this array"},
		{"{\"a\":1}", "[{\"a\":1}]", NULL},
		{"{\"a\":1,\"b\":2}", "[{\"a\":1,\"b\":2}]",
			"the hash is taken as the one item of the array (fluentd would cut it at its commas)"},
	};
	int differ = 0;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct conf_array a = {0};
		struct buf got;
		const char *why;
		buf_init(&got, SIZE_MAX);
		bool ok = conf_value_array(v[i].text, &a, &why);
		for (size_t k = 0; k < a.n; k++)
			buf_printf(&got, "[%s]", a.v[k]);
		if (ok)
			assert_null(a.v[a.n]);
		differ += check_list("array", &v[i], ok, buf_cstr(&got), why);
		conf_value_free_array(&a);
		buf_free(&got);
	}
	assert_int_equal(differ, 0);
}

static void test_hashes(void **state)
{
	(void)state;
	static const struct list_case v[] = {
		{"{\"a\":1}", "a=(1)", NULL},
		{"{\"a\":\"1\",\"b\":{\"c\":[2]},\"d\":null}", "a=1 b=({\"c\":[2]}) d=nil", NULL},
		{"a:1,b:2", "a=1 b=2", NULL},
		{"a:1", "a=1", NULL},
		{"", "", NULL},
		{"{}", "", NULL},
		{"a", "a=nil", NULL},
		{"a:b:c", "a=b:c", NULL},
		{"a:", "a=", NULL},
		{"a:1,a:2", "a=2", NULL},
		{"a: 1 , b:2", "a=1 b=2", "blanks behind a colon are left out (fluentd would keep them)"},
		{"{\"a\":", NULL, "'{\"a\":' is not valid JSON: unexpected token near end of file"},
		{"[1]", NULL, "a hash is expected, not an array"},
		{"a:1,,b:2", NULL, "a key is missing between two commas"},
	};
	int differ = 0;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct conf_hash h = {0};
		struct buf got;
		const char *why;
		buf_init(&got, SIZE_MAX);
		bool ok = conf_value_hash(v[i].text, &h, &why);
		for (size_t k = 0; k < h.n; k++) {
			const char *value = h.v[k].value;
			buf_printf(&got,
				!value	      ? "%s%s=nil"
				: h.v[k].json ? "%s%s=(%s)"
					      : "%s%s=%s",
				k ? " " : "", h.v[k].key, value ? value : "");
		}
		differ += check_list("hash", &v[i], ok, buf_cstr(&got), why);
		conf_value_free_hash(&h);
		buf_free(&got);
	}
	assert_int_equal(differ, 0);
}

static void test_regexps(void **state)
{
	(void)state;
	static const struct list_case v[] = {
		{"/a.b/i", "a.b i", NULL},
		{"/a/", "a ", NULL},
		{"/a/xm", "a mx",
			"the option x is honoured: blanks and comments in the expression do not count (fluentd would "
			"ignore the option)"},
		{"/a\\/b/", "a\\/b ", NULL},
		{"a", "a ", NULL},
		{"^a/b", "^a/b ", NULL},
		{"", " ", NULL},
		{"//", " ", NULL},
		{"/a", NULL,
			"invalid regexp: missing right slash (an expression that begins with / must end with one)"},
		{"/", NULL, "invalid regexp: missing right slash (an expression that begins with / must end with one)"},
		{"/var/log", NULL, "'l' is no option of a regular expression: /.../ may be followed by i, m and x"},
		{"/a/u", "a ", NULL},
	};
	int differ = 0;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct conf_regexp r;
		char got[80] = "";
		const char *why;
		bool ok = conf_value_regexp(v[i].text, &r, &why);
		if (ok)
			snprintf(got, sizeof got, "%s %s%s%s", r.source, r.ignore_case ? "i" : "",
				r.multi_line ? "m" : "", r.extended ? "x" : "");
		differ += check_list("regexp", &v[i], ok, got, why);
		conf_value_free_regexp(&r);
	}
	assert_int_equal(differ, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_floats),
		cmocka_unit_test(test_public),
		cmocka_unit_test(test_arrays),
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_regexps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
