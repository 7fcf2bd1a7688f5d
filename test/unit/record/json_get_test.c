#include "record/json_get.h"

#include "expected_json.h"
#include "record/msgpack_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { DEPTH = 64, OUT_MAX = 64 << 20 };

struct good_case {
	const char *json, *hex;
};

static const struct good_case good_cases[] = {
	{"null", "c0"},
	{"true", "c3"},
	{"false", "c2"},
	{" \t\r\n 1", "01"},
	{"0", "00"},
	{"-0", "00"},
	{"127", "7f"},
	{"128", "cc80"},
	{"255", "ccff"},
	{"256", "cd0100"},
	{"65536", "ce00010000"},
	{"4294967296", "cf0000000100000000"},
	{"9223372036854775807", "cf7fffffffffffffff"},
	{"9223372036854775808", "cf8000000000000000"},
	{"18446744073709551615", "cfffffffffffffffff"},
	{"18446744073709551616", "b43138343436373434303733373039353531363136"},
	{"99999999999999999999", "b43939393939393939393939393939393939393939"},
	{"100000000000000000000", "b5313030303030303030303030303030303030303030"},
	{"-1", "ff"},
	{"-32", "e0"},
	{"-33", "d0df"},
	{"-128", "d080"},
	{"-129", "d1ff7f"},
	{"-32769", "d2ffff7fff"},
	{"-2147483649", "d3ffffffff7fffffff"},
	{"-9223372036854775808", "d38000000000000000"},
	{"-9223372036854775809", "b42d39323233333732303336383534373735383039"},
	{"-18446744073709551615", "b52d3138343436373434303733373039353531363135"},
	{"1.0", "cb3ff0000000000000"},
	{"-0.0", "cb8000000000000000"},
	{"1e0", "cb3ff0000000000000"},
	{"0.1", "cb3fb999999999999a"},
	{"1E+2", "cb4059000000000000"},
	{"25e-1", "cb4004000000000000"},
	{"0.0e5", "cb0000000000000000"},
	{"123456789012345678901234567890.5", "cb45f8ee90ff6c373e"},
	{"9007199254740993.0", "cb4340000000000000"},
	{"2.2250738585072011e-308", "cb000fffffffffffff"},
	{"5e-324", "cb0000000000000001"},
	{"1e-400", "cb0000000000000000"},
	{"1.7976931348623157e308", "cb7fefffffffffffff"},
	{"1e400", "a5316534 3030"},
	{"-1e400", "a62d316534 3030"},
	{"1e99999999999999999999", "b6 31653939393939393939393939393939393939393939"},
	{"0.30000000000000000000000000000000000000001", "cb3fd3333333333333"},
	{"\"\"", "a0"},
	{"\"a\"", "a161"},
	{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "a8225c2f080c0a0d09"},
	{"\"\\u0000\"", "a100"},
	{"\"\\u0041\\u00e9\\u20AC\"", "a641c3a9e282ac"},
	{"\"\\ud83d\\ude00\"", "a4f09f9880"},
	{"\"\\uD800\\uDC00\\udbff\\udfff\"", "a8f0908080f48fbfbf"},
	{"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "a9c3a9e282acf09f9880"},
	{"\"\x7f\"", "a17f"},
	{"\"\\n aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "bf0a20 6161616161616161616161616161616161616161616161616161616161"},
	{"\"1234567890123456789012345678901\"", "bf31323334353637383930313233343536373839303132333435363738393031"},
	{"\"12345678901234567890123456789012\"",
		"d9203132333435363738393031323334353637383930313233343536373839303132"},
	{"[]", "90"},
	{"[ ]", "90"},
	{"{}", "80"},
	{"{ \n}", "80"},
	{"[1,2 , 3]", "93010203"},
	{"[[],[[]],{}]", "9390919080"},
	{"{\"a\":1}", "81a16101"},
	{" { \"a\" : [ { \"b\" : null } ] , \"c\" : \"d\" } ", "82a1619181a162c0a163a164"},
	{"{\"a\":1,\"a\":2}", "82a16101a16102"},
	{"{\"\":{}}", "81a080"},
	{"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]", "9f0102030405060708090a0b0c0d0e0f"},
	{"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", "dc00100102030405060708090a0b0c0d0e0f10"},
	{"[1,[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16],\"x\"]", "9301dc00100102030405060708090a0b0c0d0e0f10a178"},
};

static enum json_result run(struct span in, unsigned max_depth, struct buf *out, const uint8_t **p)
{
	const char *why = NULL;
	*p = in.p;
	enum json_result r = json_get(p, in.p + in.n, max_depth, out, &why);
	if (r == JSON_OK)
		assert_null(why);
	else
		assert_non_null(why);
	return r;
}

static bool is_number(struct span s)
{
	return s.n && (s.p[s.n - 1] >= '0' && s.p[s.n - 1] <= '9');
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good_cases / sizeof *good_cases; i++) {
		const struct good_case *c = &good_cases[i];
		struct span in = exact_copy(c->json, strlen(c->json)), want = exact_hex(c->hex);
		struct buf out;
		const uint8_t *p;
		buf_init(&out, OUT_MAX);
		buf_put(&out, "before", 6);
		assert_int_equal(run(in, DEPTH, &out, &p), JSON_OK);
		if (!span_eq(span_of(out.p + 6, out.n - 6), want))
			fail_msg("%s", c->json);
		assert_int_equal(mp_length(out.p + 6, out.p + out.n), out.n - 6);
		while (p < in.p + in.n)
			assert_int_equal(*p++, ' ');
		exact_free(in);
		exact_free(want);
		buf_free(&out);
	}
}

/* Cut anywhere, a value is short; but for numbers, which may end anywhere. */
static void test_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good_cases / sizeof *good_cases; i++) {
		const char *json = good_cases[i].json;
		size_t whole = strlen(json);
		while (json[whole - 1] == ' ')
			whole--;
		for (size_t n = 0; n < whole; n++) {
			struct span in = exact_copy(json, n);
			struct buf out;
			const uint8_t *p;
			buf_init(&out, OUT_MAX);
			enum json_result r = run(in, DEPTH, &out, &p);
			if (r != JSON_SHORT && !(r == JSON_OK && is_number(in)))
				fail_msg("%.*s: %d", (int)n, json, r);
			if (r == JSON_SHORT) {
				assert_ptr_equal(p, in.p);
				assert_int_equal(out.n, 0);
			}
			exact_free(in);
			buf_free(&out);
		}
	}
}

static const char *const bad_cases[] = {"nul1", "True", "NaN", "Infinity", "-Infinity", "-x", "+1", ".5", "01", "-01",
	"1.x", "1.e5", "1ex", "1e+x", "'a'", "\"\x01\"", "\"\n\"", "\"a\x1f\"", "\"\\x\"", "\"\\u12g4\"", "\"\\u-123\"",
	"\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ud800\\u0041\"", "\"\\ud800\\ud800\"", "\"\\udc00\"",
	"\"\xff\"", "\"\x80\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"",
	"\"a\\n\xff\"", "\"\xe2\x28\xa1\"", "[,]", "[1,]", "[1 2]", "[1}", "{]", "{,}", "{1:2}", "{\"a\"}", "{\"a\",1}",
	"{\"a\":1,}", "{\"a\":1 \"b\":2}", "{\"a\":1]", "{\"a\"::1}", "{\"a\" 1}", "]", "}", ",", ":", "\\", "/**/1",
	"\xef\xbb\xbf"
	"1",
	"[\"a\" : 1]", "[nulll]", "[1.2.3]", "[--1]", "[1e5.5]", "{\"\\ud800\":1}",
	"[\x0b"
	"1]",
	"{null:1}", "[1,,2]"};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad_cases / sizeof *bad_cases; i++) {
		struct span in = exact_copy(bad_cases[i], strlen(bad_cases[i]));
		struct buf out;
		const uint8_t *p;
		buf_init(&out, OUT_MAX);
		if (run(in, DEPTH, &out, &p) != JSON_BAD)
			fail_msg("%s", bad_cases[i]);
		assert_ptr_equal(p, in.p);
		assert_int_equal(out.n, 0);
		exact_free(in);
		buf_free(&out);
	}
}

/* What only json_get_lenient takes; NULL: what it does not take either. */
static const struct good_case lenient_cases[] = {
	{"\"a\tb\n\x01\x1f\"", "a6 6109620a011f"},
	{"\"\\n\t\"", "a20a09"},
	{"\"\\x22\"", "a3783232"},
	{"\"\\:\\'\\\xc3\xa9\\\t\"", "a5 3a27c3a909"},
	{"{\"\t\":\"\\a\"}", "81 a109 a161"},
	{"[NaN,Infinity,-Infinity,-1]", "94 cb7ff8000000000000 cb7ff0000000000000 cbfff0000000000000 ff"},
	{"\"\\\xff\"", NULL},
	{"\"\\ud800\"", NULL},
	{"\"\\u00\"", NULL},
	{"Nan", NULL},
	{"-Inf", NULL},
	{"-NaN", NULL},
	{"Infinit", NULL},
	{"{a:1}", NULL},
	{"[1,]", NULL},
};

static void test_lenient(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lenient_cases / sizeof *lenient_cases; i++) {
		const struct good_case *c = &lenient_cases[i];
		struct span in = exact_copy(c->json, strlen(c->json)), want = exact_hex(c->hex ? c->hex : "");
		struct buf out;
		const uint8_t *p;
		buf_init(&out, OUT_MAX);
		assert_int_not_equal(run(in, DEPTH, &out, &p), JSON_OK);
		p = in.p;
		bool ok = json_get_lenient(&p, in.p + in.n, DEPTH, &out, NULL) == JSON_OK;
		if (ok != (c->hex != NULL) || !span_eq(buf_span(&out), want) || p != (ok ? in.p + in.n : in.p))
			fail_msg("%s", c->json);
		exact_free(in);
		exact_free(want);
		buf_free(&out);
	}
	struct span zero = exact_copy("\"a\0\"", 4);
	struct buf out;
	buf_init(&out, OUT_MAX);
	const uint8_t *p = zero.p;
	assert_int_equal(json_get_lenient(&p, zero.p + zero.n, DEPTH, &out, NULL), JSON_BAD);
	exact_free(zero);
	buf_free(&out);
}

static void test_depth(void **state)
{
	(void)state;
	static const unsigned limits[] = {0, 1, 2, 64, 256, 100000};
	char text[2 * 400 + 2];
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		unsigned limit = limits[i] < 256 ? limits[i] : 256;
		for (unsigned depth = 1; depth < limit + 3; depth++) {
			memset(text, '[', depth);
			memset(text + depth, ']', depth);
			struct span in = exact_copy(text, (size_t)2 * depth);
			struct buf out;
			const uint8_t *p;
			buf_init(&out, OUT_MAX);
			assert_int_equal(run(in, limits[i], &out, &p), depth <= limit ? JSON_OK : JSON_TOO_DEEP);
			assert_int_equal(out.n, depth <= limit ? depth : 0);
			exact_free(in);
			buf_free(&out);
		}
	}
}

/* A container's header grows at 16 and at 65,536 elements, wherever it lies. */
static void check_wide(uint32_t count, bool map)
{
	struct buf text, out;
	buf_init(&text, OUT_MAX);
	buf_init(&out, OUT_MAX);
	buf_put_str(&text, map ? "[{" : "[[");
	for (uint32_t i = 0; i < count; i++)
		buf_printf(&text, "%s%s%u", i ? "," : "", map ? "\"k\":" : "", i % 100);
	buf_put_str(&text, map ? "},\"end\"]" : "],\"end\"]");
	const uint8_t *p = text.p;
	assert_int_equal(json_get(&p, text.p + text.n, DEPTH, &out, NULL), JSON_OK);
	struct mp_token t;
	const uint8_t *q = out.p, *end = out.p + out.n;
	assert_int_equal(mp_length(q, end), out.n);
	assert_int_equal(mp_read(&q, end, &t), MP_OK);
	assert_int_equal(t.count, 2);
	const uint8_t *head = q;
	assert_int_equal(mp_read(&q, end, &t), MP_OK);
	assert_int_equal(t.type, map ? MP_MAP : MP_ARRAY);
	assert_int_equal(t.count, count);
	assert_int_equal(q - head, count < 16 ? 1 : count < 65536 ? 3 : 5);
	for (uint32_t i = 0; i < count; i++) {
		if (map)
			assert_true(mp_read(&q, end, &t) == MP_OK && span_is(t.body, "k"));
		assert_true(mp_read(&q, end, &t) == MP_OK && t.u == i % 100);
	}
	assert_true(mp_read(&q, end, &t) == MP_OK && span_is(t.body, "end") && q == end);
	buf_free(&text);
	buf_free(&out);
}

static void test_wide(void **state)
{
	(void)state;
	static const uint32_t counts[] = {1, 15, 16, 17, 300, 65535, 65536, 65537, 100000};
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		check_wide(counts[i], false);
		check_wide(counts[i], true);
	}
}

/* Strings around every change of header size, plain and with an escape at either end. */
static void test_string_lengths(void **state)
{
	(void)state;
	static const size_t lengths[] = {0, 1, 15, 16, 17, 30, 31, 32, 33, 36, 37, 254, 255, 256, 257, 261, 65530,
		65535, 65536, 65540, 65541, 200000};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		for (unsigned escapes = 0; escapes < 3; escapes++) {
			struct buf text, out, want;
			buf_init(&text, OUT_MAX);
			buf_init(&out, OUT_MAX);
			buf_init(&want, OUT_MAX);
			buf_put_str(&text, escapes ? "\"\\u0061" : "\"");
			for (size_t n = 0; n < lengths[i]; n++)
				buf_put_byte(&text, (uint8_t)('a' + n % 26));
			buf_put_str(&text, escapes == 2 ? "\\n\"" : "\"");
			if (escapes)
				buf_put_byte(&want, 'a');
			for (size_t n = 0; n < lengths[i]; n++)
				buf_put_byte(&want, (uint8_t)('a' + n % 26));
			if (escapes == 2)
				buf_put_byte(&want, '\n');
			const uint8_t *p = text.p;
			assert_int_equal(json_get(&p, text.p + text.n, DEPTH, &out, NULL), JSON_OK);
			assert_ptr_equal(p, text.p + text.n);
			struct mp_token t;
			p = out.p;
			assert_int_equal(mp_read(&p, out.p + out.n, &t), MP_OK);
			assert_ptr_equal(p, out.p + out.n);
			assert_true(span_eq(t.body, buf_span(&want)));
			size_t n = want.n;
			assert_int_equal(out.n - n, n < 32 ? 1 : n < 256 ? 2 : n < 65536 ? 3 : 5);
			buf_free(&text);
			buf_free(&out);
			buf_free(&want);
		}
	}
}

static void test_no_room(void **state)
{
	(void)state;
	static const char text[] = "{\"a\":[1,2.5,\"text\\n\",null,true,\"plain\",1000000,-5000000000]}";
	struct buf out;
	size_t whole;
	const uint8_t *p = (const uint8_t *)text;
	buf_init(&out, OUT_MAX);
	assert_int_equal(json_get(&p, p + strlen(text), DEPTH, &out, NULL), JSON_OK);
	whole = out.n;
	buf_free(&out);
	for (size_t max = 0; max < whole; max++) {
		p = (const uint8_t *)text;
		buf_init(&out, max);
		const char *why = NULL;
		assert_int_equal(json_get(&p, p + strlen(text), DEPTH, &out, &why), JSON_BAD);
		assert_string_equal(why, "too large");
		assert_true(out.failed);
		assert_int_equal(out.n, 0);
		assert_ptr_equal(p, text);
		buf_free(&out);
	}
}

static void put_space(struct buf *b, struct random *r)
{
	while (random_below(r, 6) == 0)
		buf_put_byte(b, (uint8_t) " \t\r\n"[random_below(r, 4)]);
}

static void put_json_string(struct buf *b, struct random *r, bool key)
{
	static const char *const pieces[] = {"a", "\\n", "\\\"", "\\\\", "\\u00e9", "\\ud83d\\ude00", "\xc3\xa9",
		"\xe2\x82\xac", "\xf0\x9f\x98\x80", " ", "plain text of some length, longer than a vector", "\x7f", "/",
		"\\/", "\\u0000"};
	buf_put_byte(b, '"');
	unsigned all = sizeof pieces / sizeof *pieces - key; /* jansson has no NUL in keys */
	for (unsigned n = random_below(r, 8); n; n--)
		buf_put_str(b, pieces[random_below(r, all)]);
	buf_put_byte(b, '"');
}

static void put_json_number(struct buf *b, struct random *r)
{
	int64_t v = (int64_t)random_next(r) >> random_below(r, 63);
	switch (random_below(r, 5)) {
	case 0:
		buf_printf(b, "%.17g", (double)v / 1024);
		return;
	case 1:
		buf_printf(b, "%lld.%u", (long long)v, random_below(r, 100000));
		return;
	case 2:
		buf_printf(b, "%lld%c%d", (long long)v % 1000, random_below(r, 2) ? 'e' : 'E',
			(int)random_below(r, 500) - 250);
		return;
	case 3:
		buf_printf(b, "%llu%llu.%llu", (unsigned long long)random_next(r), (unsigned long long)random_next(r),
			(unsigned long long)random_next(r));
		return;
	default:
		buf_printf(b, "%lld", (long long)v);
	}
}

static void put_json(struct buf *b, struct random *r, unsigned depth)
{
	unsigned kind = random_below(r, depth ? 8 : 6), n = random_below(r, 20);
	put_space(b, r);
	switch (kind) {
	case 0:
		buf_put_str(b, (const char *const[]){"null", "true", "false"}[random_below(r, 3)]);
		break;
	case 1:
	case 2:
		put_json_number(b, r);
		break;
	case 6:
	case 7:
		buf_put_byte(b, kind == 6 ? '[' : '{');
		put_space(b, r);
		for (unsigned i = 0; i < n; i++) {
			buf_put_str(b, i ? "," : "");
			put_space(b, r);
			if (kind == 7) {
				put_json_string(b, r, true);
				put_space(b, r);
				buf_put_byte(b, ':');
			}
			put_json(b, r, depth - 1);
		}
		buf_put_byte(b, kind == 6 ? ']' : '}');
		break;
	default:
		put_json_string(b, r, false);
	}
	put_space(b, r);
}

/* Documents that one reader must refuse, the other may too, but not the other way round. */
static bool only_ours(const json_error_t *e)
{
	enum json_error_code code = json_error_code(e);
	return code == json_error_numeric_overflow || code == json_error_null_byte_in_key;
}

static void test_against_jansson(void **state)
{
	(void)state;
	struct random r = {0x1234567890abcdef};
	struct buf text, out;
	unsigned accepted = 0, refused = 0;
	buf_init(&text, OUT_MAX);
	buf_init(&out, OUT_MAX);
	for (int round = 0; round < 4000; round++) {
		buf_clear(&text);
		buf_clear(&out);
		put_json(&text, &r, random_below(&r, 4));
		for (unsigned flips = random_below(&r, 2) ? random_below(&r, 3) : 0; flips; flips--)
			text.p[random_below(&r, (unsigned)text.n)] =
				(uint8_t) "[]{},:\"\\0e-.x\x80 "[random_below(&r, 15)];
		struct span in = exact_copy(text.p, text.n);
		const uint8_t *p = in.p;
		json_error_t e;
		json_t *theirs = json_loadb((const char *)in.p, in.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
		enum json_result got = json_get(&p, in.p + in.n, DEPTH, &out, NULL);
		while (got == JSON_OK && p < in.p + in.n && strchr(" \t\r\n", *p))
			p++;
		bool ours = got == JSON_OK && p == in.p + in.n;
		if (theirs ? !ours : ours && !only_ours(&e))
			fail_msg("round %d: %d, jansson: %s: %.*s", round, ours, theirs ? "good" : e.text, (int)in.n,
				in.p);
		if (theirs) {
			json_t *tree = json_of_msgpack(buf_span(&out));
			assert_non_null(tree);
			if (!json_same(tree, theirs))
				fail_msg("round %d: %.*s", round, (int)in.n, in.p);
			json_decref(tree);
		}
		theirs ? accepted++ : refused++;
		json_decref(theirs);
		exact_free(in);
	}
	assert_true(accepted > 1000 && refused > 300);
	buf_free(&text);
	buf_free(&out);
}

struct frame_case {
	const char *text;
	size_t end; /* 0: not whole */
	bool bad;
};

static const struct frame_case frame_cases[] = {
	{"[]", 2, false},
	{" \n\t\r{\"a\":1}[", 11, false},
	{"[\"]\"]x", 5, false},
	{"[\"\\\"]\"]", 7, false},
	{"[\"\\\\\"]]", 6, false},
	{"{\"a\":{\"b\":[1,2,{\"c\":\"}}}]]]\"}]}}", 32, false},
	{"[1,2", 0, false},
	{"[\"abc", 0, false},
	{"[\"abc\\", 0, false},
	{"   ", 0, false},
	{"x[]", 0, true},
	{"  1", 0, true},
	{"]", 0, true},
};

static void test_framer(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof frame_cases / sizeof *frame_cases; i++) {
		const struct frame_case *c = &frame_cases[i];
		size_t n = strlen(c->text);
		for (size_t piece = 1; piece <= n; piece++) {
			struct json_framer f = {0};
			size_t end = 0;
			bool is_bad = false;
			for (size_t at = 0; at < n && !end && !is_bad; at += piece) {
				struct span in = exact_copy(c->text + at, piece < n - at ? piece : n - at);
				size_t got = json_framer_feed(&f, in.p, in.n, &is_bad);
				end = got ? at + got : 0;
				exact_free(in);
			}
			assert_int_equal(end, c->end);
			assert_int_equal(is_bad, c->bad);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_lenient),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_string_lengths),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_against_jansson),
		cmocka_unit_test(test_framer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
