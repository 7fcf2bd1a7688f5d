#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/regexp.h"

static void test_table(void **state)
{
	(void)state;
	static const struct {
		const char *source;
		unsigned flags;
		struct span text;
		enum regexp_result want;
	} cases[] = {
		{"b", 0, SPAN_LIT("abc"), REGEXP_YES},
		{"B", 0, SPAN_LIT("abc"), REGEXP_NO},
		{"B", REGEXP_IGNORE_CASE, SPAN_LIT("abc"), REGEXP_YES},
		{"\xc3\x89", REGEXP_IGNORE_CASE, SPAN_LIT("\xc3\xa9"), REGEXP_YES},
		{"a b # x", 0, SPAN_LIT("ab"), REGEXP_NO},
		{"a b # x", REGEXP_EXTENDED, SPAN_LIT("ab"), REGEXP_YES},
		{"a.b", 0, SPAN_LIT("a\nb"), REGEXP_NO},
		{"a.b", REGEXP_MULTI_LINE, SPAN_LIT("a\nb"), REGEXP_YES},
		{"^b$", 0, SPAN_LIT("a\nb\nc"), REGEXP_YES},
		{"\\Ab\\z", 0, SPAN_LIT("a\nb\nc"), REGEXP_NO},
		{"", 0, SPAN_LIT(""), REGEXP_YES},
		{"a", 0, SPAN_LIT(""), REGEXP_NO},
		{"^.$", 0, SPAN_LIT("\xe2\x82\xac"), REGEXP_YES},
		{"a", 0, SPAN_LIT("a\xff"), REGEXP_NO},
		{"a\\0b", 0, SPAN_LIT("a\0b"), REGEXP_YES},
		{"(?<y>\\d{4})-\\g<y>", 0, SPAN_LIT("2026-2027"), REGEXP_YES},
		{"\\h{3}\\p{Alpha}[[:space:]]", 0, SPAN_LIT("0afz\t"), REGEXP_YES},
		{"\\w|\\d|\\s", 0, SPAN_LIT("\xc3\xa9\xd9\xa1\xc2\xa0"),
			REGEXP_NO}, /* a letter, a digit, a blank, as Unicode has it */
		/* but words end where Unicode's do: "timeout" and a Korean particle; named classes are Unicode's */
		{"\\btimeout\\b", 0, SPAN_LIT("timeout\xea\xb0\x80"), REGEXP_NO},
		{"timeout\\B", 0, SPAN_LIT("timeout\xea\xb0\x80"), REGEXP_YES},
		{"\\btimeout\\b", 0, SPAN_LIT("\xea\xb0\x80 timeout."), REGEXP_YES},
		{"^[[:digit:]]\\p{Word}[[:space:]]$", 0, SPAN_LIT("\xd9\xa1\xc3\xa9\xc2\xa0"), REGEXP_YES},
		{"^[\\w.-]+[^\\s\\d][\\W]\\S\\D[\\w&&[^b]]\\\\w$", 0,
			SPAN_LIT("a-b.x;!\xc3\xa9"
				 "a\\w"),
			REGEXP_YES},
		{"^[[:punct:]]+$", 0, SPAN_LIT("!$+<=>^`|~.\\-_"), REGEXP_YES},
		{"[[:^punct:]]", 0, SPAN_LIT("!$+<=>^`|~.\\-_"), REGEXP_NO},
		{"^[^[:punct:]a]$", 0, SPAN_LIT("="), REGEXP_NO},
		{"^[^]a]x[]b][:punct:]$", 0, SPAN_LIT("cx]n"), REGEXP_YES},
		{"^[:punct:]$", 0, SPAN_LIT("="), REGEXP_NO},
		{"^[a[^b]\\]][:punct:]$", 0, SPAN_LIT("]:"), REGEXP_YES},
		{"\\w \\s", REGEXP_EXTENDED, SPAN_LIT("a "), REGEXP_YES},
		{"(?<=a)b(?!c)", 0, SPAN_LIT("abc abd"), REGEXP_YES},
		{"(a|aa)+$", 0, SPAN_LIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaax"),
			REGEXP_LIMIT},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err;
		struct regexp *r = regexp_compile(span_str(cases[i].source), cases[i].flags, &err);
		if (!r)
			fail_msg("/%s/: %s", cases[i].source, err.text);
		enum regexp_result got = regexp_search(r, cases[i].text);
		if (got != cases[i].want)
			fail_msg("case %zu, /%s/: %d", i, cases[i].source, (int)got);
		regexp_free(r);
	}
	regexp_free(NULL);
}

static void test_bytes(void **state)
{
	struct err err;
	struct regexp *r = regexp_compile(SPAN_LIT("^a..b$"), 0, &err);
	(void)state;
	assert_int_equal(regexp_search(r, SPAN_LIT("a\xb0\xa1"
						   "b")),
		REGEXP_NO);
	assert_int_equal(regexp_search_bytes(r, SPAN_LIT("a\xb0\xa1"
							 "b")),
		REGEXP_YES);
	assert_int_equal(regexp_search_bytes(r, SPAN_LIT("axyb")), REGEXP_YES);
	assert_int_equal(regexp_search_bytes(r, SPAN_LIT("a\xff")), REGEXP_NO);
	regexp_free(r);
}

static void test_no_expression(void **state)
{
	(void)state;
	static const char *const bad[][2] = {
		{"(", "end pattern with unmatched parenthesis: /(/"},
		{"[a", "premature end of char-class: /[a/"},
		{"*", "target of repeat operator is not specified: /*/"},
		{"\\k<x>", "undefined name <x> reference: /\\k<x>/"},
		{"\xff", "the regular expression is not UTF-8"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err;
		assert_null(regexp_compile(span_str(bad[i][0]), 0, &err));
		if (!strstr(err.text, bad[i][1]))
			fail_msg("/%s/: %s", bad[i][0], err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_no_expression),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
