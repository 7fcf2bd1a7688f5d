#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/base64.h"

struct pair {
	const char *bytes;
	size_t n;
	const char *std, *url;
};

static const struct pair pairs[] = {
	/* RFC 4648 section 10 */
	{"", 0, "", ""},
	{"f", 1, "Zg==", "Zg"},
	{"fo", 2, "Zm8=", "Zm8"},
	{"foo", 3, "Zm9v", "Zm9v"},
	{"foob", 4, "Zm9vYg==", "Zm9vYg"},
	{"fooba", 5, "Zm9vYmE=", "Zm9vYmE"},
	{"foobar", 6, "Zm9vYmFy", "Zm9vYmFy"},
	/* the digits in which the alphabets differ, zeros, high bytes */
	{"\xfb\xff\xfe", 3, "+//+", "-__-"},
	{"\0\0\0\0", 4, "AAAAAA==", "AAAAAA"},
	{"\xff\xff", 2, "//8=", "__8"},
	{"elastic:changeme", 16, "ZWxhc3RpYzpjaGFuZ2VtZQ==", "ZWxhc3RpYzpjaGFuZ2VtZQ"},
};

static void check_pair(enum base64_alphabet alphabet, struct span bytes, const char *text)
{
	struct buf b;
	buf_init(&b, 100);
	buf_put_str(&b, "x");
	assert_int_equal(base64_encoded_len(alphabet, bytes.n), strlen(text));
	assert_true(base64_put(&b, alphabet, bytes));
	assert_int_equal(b.n, 1 + strlen(text));
	assert_memory_equal(b.p + 1, text, strlen(text));
	b.n = 1;
	assert_true(base64_get(&b, alphabet, span_str(text)));
	assert_true(span_eq(span_of(b.p + 1, b.n - 1), bytes));
	buf_free(&b);
}

static void test_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct span bytes = span_of(pairs[i].bytes, pairs[i].n);
		check_pair(BASE64_STD, bytes, pairs[i].std);
		check_pair(BASE64_URL, bytes, pairs[i].url);
	}
}

static void test_refuses(void **state)
{
	(void)state;
	static const struct {
		enum base64_alphabet alphabet;
		const char *text;
	} bad[] = {
		{BASE64_STD, "Z"},
		{BASE64_STD, "Zg"},
		{BASE64_STD, "Zg="},
		{BASE64_STD, "Zg==="},
		{BASE64_STD, "="},
		{BASE64_STD, "===="},
		{BASE64_STD, "Z==="},
		{BASE64_STD, "Zg==Zg=="},
		{BASE64_STD, "Zg= ="},
		{BASE64_STD, "Zm9v\n"},
		{BASE64_STD, "Zm 9v123"},
		{BASE64_STD, "-__-"},
		{BASE64_STD, "Zh=="},
		{BASE64_STD, "Zm9="},
		{BASE64_STD, "Zm9\xc3"},
		{BASE64_URL, "+//+"},
		{BASE64_URL, "Zg=="},
		{BASE64_URL, "Z"},
		{BASE64_URL, "Zm9vZ"},
		{BASE64_URL, "Zh"},
		{BASE64_URL, "Zm9"},
		{BASE64_URL, "Zm8 "},
	};
	struct buf b;
	buf_init(&b, 100);
	buf_put_str(&b, "kept");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (base64_get(&b, bad[i].alphabet, span_str(bad[i].text)))
			fail_msg("'%s' was taken", bad[i].text);
		assert_int_equal(b.n, 4);
		assert_false(b.failed);
	}
	buf_free(&b);
}

static void test_every_length_comes_back(void **state)
{
	(void)state;
	uint8_t bytes[260];
	struct buf text, back;
	buf_init(&text, 1000);
	buf_init(&back, 1000);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 167 + 13);
	for (size_t n = 0; n <= sizeof bytes; n++) {
		for (int a = BASE64_STD; a <= BASE64_URL; a++) {
			buf_clear(&text);
			buf_clear(&back);
			assert_true(base64_put(&text, (enum base64_alphabet)a, span_of(bytes, n)));
			assert_true(base64_get(&back, (enum base64_alphabet)a, buf_span(&text)));
			assert_true(span_eq(buf_span(&back), span_of(bytes, n)));
		}
	}
	buf_free(&text);
	buf_free(&back);
}

static void test_ceiling(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 7);
	assert_false(base64_put(&b, BASE64_STD, SPAN_LIT("foob")));
	assert_true(b.failed);
	assert_int_equal(b.n, 0);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_every_length_comes_back),
		cmocka_unit_test(test_ceiling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
