#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/json_put.h"

#include "json_reference.h"
#include "random_msgpack.h"

#include "record/json_writer.h"

#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

/* The build of the machine for CPUs without vectors, which no x86-64 library contains. */
json_run_fn json_put_simd_run_portable;
#define WEIR_PORTABLE
#include "../../../lib/record/json_put_simd.c"

static const struct {
	const char *name;
	json_run_fn *run;
} builds[] = {
	{"portable", json_put_simd_run_portable},
	{"plain", json_put_simd_run},
#if defined(__x86_64__)
	{"avx2", json_put_simd_run_avx2},
#endif
};
#define BUILDS (sizeof builds / sizeof *builds)

static bool usable(size_t build)
{
#if defined(__x86_64__)
	if (builds[build].run == json_put_simd_run_avx2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
#endif
	return build < BUILDS;
}

struct result {
	enum json_writer_status status;
	size_t used;
	struct buf text;
};

static struct result put_with(size_t build, struct span in, bool rename, unsigned max_depth)
{
	struct json_writer w;
	struct result r = {0};
	const uint8_t *p = in.p;
	buf_init(&r.text, (size_t)1 << 30);
	json_writer_init(&w, &r.text, JSON_LIMIT_MAX, max_depth);
	w.rename = rename;
	r.status = builds[build].run(&w, &p, in.p + in.n);
	r.used = (size_t)(p - in.p);
	json_writer_free(&w);
	return r;
}

static void assert_text(struct result *r, const char *want, size_t n, const char *what)
{
	if (r->status != JSON_WRITER_DONE || r->text.n != n || memcmp(r->text.p, want, n) != 0)
		fail_msg("%s: status %d\n got  %.*s\n want %.*s", what, r->status,
			(int)(r->text.n > 2000 ? 2000 : r->text.n), r->text.n ? (char *)r->text.p : "",
			(int)(n > 2000 ? 2000 : n), want);
}

/* ---- tables ---- */

struct row {
	const char *hex, *json;
};

static void run_rows(const struct row *rows, size_t n, bool rename)
{
	for (size_t i = 0; i < n; i++) {
		struct span in = exact_hex(rows[i].hex);
		for (size_t b = 0; b < BUILDS && usable(b); b++) {
			struct result r = put_with(b, in, rename, 64);
			assert_text(&r, rows[i].json, strlen(rows[i].json), rows[i].hex);
			assert_int_equal(r.used, in.n);
			buf_free(&r.text);
		}
		exact_free(in);
	}
}
#define RUN_ROWS(rows, rename) run_rows(rows, sizeof(rows) / sizeof *(rows), rename)

static void test_scalars(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"c0", "null"},
		{"c2", "false"},
		{"c3", "true"},
		{"00", "0"},
		{"7f", "127"},
		{"ff", "-1"},
		{"e0", "-32"},
		{"cc ff", "255"},
		{"cd ffff", "65535"},
		{"ce ffffffff", "4294967295"},
		{"cf 7fffffffffffffff", "9223372036854775807"},
		{"cf 8000000000000000", "\"9223372036854775808\""},
		{"cf ffffffffffffffff", "\"18446744073709551615\""},
		{"d0 80", "-128"},
		{"d0 05", "5"},
		{"d1 00c8", "200"},
		{"d1 8000", "-32768"},
		{"d2 5dd3c6ac", "1574160044"},
		{"d2 80000000", "-2147483648"},
		{"d3 8000000000000000", "-9223372036854775808"},
		{"d3 7fffffffffffffff", "9223372036854775807"},
		{"cb 3ff0000000000000", "1.0"},
		{"cb 8000000000000000", "-0.0"},
		{"cb 3fb999999999999a", "0.1"},
		{"cb 7ff8000000000000", "null"},
		{"cb 7ff0000000000000", "null"},
		{"cb fff0000000000000", "null"},
		{"ca 3dcccccd", "0.1"},
		{"ca 3f800000", "1.0"},
		{"ca 7fc00000", "null"},
		{"ca ff800000", "null"},
		{"90", "[]"},
		{"80", "{}"},
		{"dc 0000", "[]"},
		{"df 00000000", "{}"},
		{"93 01 92 02 90 80", "[1,[2,[]],{}]"},
		{"81 a161 81 a162 91 c0", "{\"a\":{\"b\":[null]}}"},
	};
	RUN_ROWS(rows, false);
}

static void test_strings(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"a0", "\"\""},
		{"a161", "\"a\""},
		{"d90161", "\"a\""},
		{"da000161", "\"a\""},
		{"db0000000161", "\"a\""},
		{"a8 22 5c 2f 08 0c 0a 0d 09", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
		{"a5 00 01 1f 7f 0b", "\"\\u0000\\u0001\\u001f\x7f\\u000b\""},
		{"a6 e280a8 e280a9", "\"\xe2\x80\xa8\xe2\x80\xa9\""}, /* U+2028 and U+2029 may stand */
		{"a6 c3a9 f09f9880", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
		/* One U+FFFD for each maximal subpart (Unicode 15, section 3.9). */
		{"a1 ff", "\"\xef\xbf\xbd\""},
		{"a2 e282", "\"\xef\xbf\xbd\""},
		{"a3 eda080", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"a2 c0af", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
		{"a4 f4908080", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"a3 f09f98", "\"\xef\xbf\xbd\""},
		{"a4 f09f9841", "\"\xef\xbf\xbd"
				"A\""},
		{"a3 61 80 62", "\"a\xef\xbf\xbd"
				"b\""},
		{"a5 e28241 c3 22", "\"\xef\xbf\xbd"
				    "A\xef\xbf\xbd\\\"\""},
		{"a4 c3 28 e0 80", "\"\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\""},
		/* bin */
		{"c403 616263", "\"abc\""},
		{"c402 00 22", "\"\\u0000\\\"\""},
		{"c400", "\"\""},
		{"c402 00fe", "\"AP4=\""},
		{"c50003 ff0102", "\"/wEC\""},
		{"c600000001 80", "\"gA==\""},
	};
	RUN_ROWS(rows, false);
}

static void test_times_and_ext(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"d700 6553f100 075bcd15", "\"2023-11-14T22:13:20.123456789Z\""},
		{"c70800 6553f100 00000005", "\"2023-11-14T22:13:20.000000005Z\""},
		{"d700 00000000 00000000", "\"1970-01-01T00:00:00.000000000Z\""},
		{"d700 ffffffff 00000000", "\"2106-02-07T06:28:15.000000000Z\""},
		{"d700 6553f100 3b9aca00", "\"2023-11-14T22:13:21.000000000Z\""},
		{"d6ff 6553f100", "\"2023-11-14T22:13:20.000000000Z\""},
		{"d7ff 00000014 6553f100", "\"2023-11-14T22:13:20.000000005Z\""},
		{"c70cff 00000005 ffffffffffffffff", "\"1969-12-31T23:59:59.000000005Z\""},
		{"c70cff 00000000 7fffffffffffffff", "\"9999-12-31T23:59:59.000000000Z\""},
		{"c70cff 00000000 8000000000000000", "\"0000-01-01T00:00:00.000000000Z\""},
		{"c70c05 000000006553f100 075bcd15", "\"2023-11-14T22:13:20.123456789Z\""}, /* Istio Mixer's */
		{"d405 01", "{\"type\":5,\"data\":\"AQ==\"}"},
		{"d400 01", "{\"type\":0,\"data\":\"AQ==\"}"},
		{"c700 80", "{\"type\":-128,\"data\":\"\"}"},
		{"d801 000102030405060708090a0b0c0d0e0f", "{\"type\":1,\"data\":\"AAECAwQFBgcICQoLDA0ODw==\"}"},
	};
	RUN_ROWS(rows, false);
}

static void test_keys(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"81 01 a178", "{\"1\":\"x\"}"},
		{"81 c0 a179", "{\"null\":\"y\"}"},
		{"82 c2 01 c3 02", "{\"false\":1,\"true\":2}"},
		{"81 ff 00", "{\"-1\":0}"},
		{"81 cf ffffffffffffffff 00", "{\"18446744073709551615\":0}"},
		{"81 cb 3ff8000000000000 00", "{\"1.5\":0}"},
		{"81 d6ff 00000000 00", "{\"1970-01-01T00:00:00.000000000Z\":0}"},
		{"81 d401 ff 00", "{\"{\\\"type\\\":1,\\\"data\\\":\\\"/w==\\\"}\":0}"},
		{"81 c401 61 00", "{\"a\":0}"},
		{"81 c401 ff 00", "{\"/w==\":0}"},
		{"81 a0 00", "{\"\":0}"},
		{"81 a122 00", "{\"\\\"\":0}"},
		{"81 92 01 a161 00", "{\"[1,\\\"a\\\"]\":0}"},
		{"81 90 00", "{\"[]\":0}"},
		{"81 80 00", "{\"{}\":0}"},
		{"81 81 a161 91 c3 00", "{\"{\\\"a\\\":[true]}\":0}"},
		{"92 81 91 01 81 91 02 03 04", "[{\"[1]\":{\"[2]\":3}},4]"},
	};
	RUN_ROWS(rows, false);
}

static void test_repeated_keys(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"82 a161 01 a161 02", "{\"a\":2}"},
		{"83 a161 01 a162 02 a161 03", "{\"b\":2,\"a\":3}"},
		{"83 a161 01 a161 02 a161 03", "{\"a\":3}"},
		{"84 a161 01 a162 02 a162 03 a161 04", "{\"b\":3,\"a\":4}"},
		{"82 01 a161 a131 a162", "{\"1\":\"b\"}"},	/* equal once they are text */
		{"82 a1ff 01 a1fe 02", "{\"\xef\xbf\xbd\":2}"}, /* equal once they are repaired */
		{"82 a4 6e756c6c 01 c0 02", "{\"null\":2}"},
		{"82 c401 61 01 a161 02", "{\"a\":2}"},
		{"82 90 01 a2 5b5d 02", "{\"[]\":2}"},
		{"81 a178 82 a161 01 a161 02", "{\"x\":{\"a\":2}}"},
		{"82 a178 82 a161 01 a161 02 a161 03", "{\"x\":{\"a\":2},\"a\":3}"},
		/* Repetitions inside what is itself overwritten. */
		{"82 a178 82 a161 01 a161 02 a178 82 a161 03 a161 04", "{\"x\":{\"a\":4}}"},
		{"82 a161 81 a161 01 a162 81 a161 02",
			"{\"a\":{\"a\":1},\"b\":{\"a\":2}}"}, /* not repeated: other maps */
		{"81 82 a161 01 a161 02 00", "{\"{\\\"a\\\":2}\":0}"},
		{"83 a161 01 82 a162 01 a162 02 07 a161 03", "{\"{\\\"b\\\":2}\":7,\"a\":3}"},
	};
	RUN_ROWS(rows, false);
}

static void test_renamed_keys(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"81 a0 00", "{\"_empty\":0}"},
		{"81 a120 00", "{\"_\":0}"},
		{"81 a32009 0a 00", "{\"___\":0}"},
		{"81 a12e 00", "{\"_\":0}"},
		{"81 a22e2e 00", "{\"__\":0}"},
		{"81 a22e61 00", "{\"_a\":0}"},
		{"81 a2612e 00", "{\"a_\":0}"},
		{"81 a4612e2e62 00", "{\"a__b\":0}"},
		{"81 a5612e2e2e62 00", "{\"a___b\":0}"},
		{"81 a5612e202e62 00", "{\"a___b\":0}"},
		{"81 a4612e 6220 00", "{\"a.b \":0}"},
		{"81 a5612e 62 2e63 00", "{\"a.b.c\":0}"},
		{"81 a6612e622e2e63 00", "{\"a.b__c\":0}"},
		{"81 a3206120 00", "{\" a \":0}"},
		{"81 a32e2061 00", "{\"_ a\":0}"},
		{"81 a3e38080 00", "{\"_\":0}"},
		{"81 a3e28087 00", "{\"\xe2\x80\x87\":0}"}, /* a figure space is not white space to Java */
		{"81 a11c 00", "{\"_\":0}"},
		{"81 a10b 00", "{\"_\":0}"},
		{"81 a108 00", "{\"\\b\":0}"},
		{"81 a35c6e2e 00", "{\"\\\\n_\":0}"},
		{"82 a0 01 a6 5f656d707479 02", "{\"_empty\":2}"}, /* equal once renamed */
		{"82 a2612e 01 a2615f 02", "{\"a_\":2}"},
		{"81 a178 81 a0 81 a12e 01", "{\"x\":{\"_empty\":{\"_\":1}}}"},
		{"81 91 a3 2e202e 00", "{\"[\\\"___\\\"]\":0}"},
	};
	RUN_ROWS(rows, true);
}

/* ---- what is refused ---- */

static void test_malformed(void **state)
{
	(void)state;
	static const char *const rows[] = {"", "c1", "91", "81", "81 a161", "a2 61", "d9", "d905 61", "da 00",
		"db 000000ff 61", "cd 00", "ce 000000", "cf 00", "cb 00", "d3 00", "c4", "c405 00", "c7 01", "d4",
		"d700 00", "dc", "dc 0001", "dd ffffffff 00", "df ffffffff 00 00", "91 c1", "81 c1 00", "81 a161 c1",
		"82 a161 00", "81 91 00", "dd 7fffffff 00"};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct span in = exact_hex(rows[i]);
		for (size_t b = 0; b < BUILDS && usable(b); b++) {
			struct result r = put_with(b, in, false, 64);
			if (r.status != JSON_WRITER_MALFORMED || r.text.n || r.used)
				fail_msg("%s: %d", rows[i], r.status);
			buf_free(&r.text);
		}
		exact_free(in);
	}
}

static void test_depth(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		unsigned depth; /* the least that is enough */
	} rows[] = {{"01", 0}, {"90", 1}, {"80", 1}, {"91 90", 2}, {"81 a161 91 01", 2}, {"81 91 01 02", 2},
		{"81 01 9101", 2}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct span in = exact_hex(rows[i].hex);
		for (size_t b = 0; b < BUILDS && usable(b); b++) {
			struct result r = put_with(b, in, false, rows[i].depth);
			assert_int_equal(r.status, JSON_WRITER_DONE);
			buf_free(&r.text);
			if (rows[i].depth) {
				r = put_with(b, in, false, rows[i].depth - 1);
				assert_int_equal(r.status, JSON_WRITER_TOO_DEEP);
				assert_int_equal(r.text.n, 0);
				buf_free(&r.text);
			}
		}
		exact_free(in);
	}
	/* Container keys inside container keys would double the escapes with each level. */
	struct span in = exact_hex("81 81 90 00 00");
	struct result r = put_with(0, in, false, 64);
	assert_int_equal(r.status, JSON_WRITER_TOO_DEEP);
	buf_free(&r.text);
	exact_free(in);
	uint8_t deep[2 * MP_DEPTH_LIMIT + 1];
	memset(deep, 0x91, sizeof deep);
	for (unsigned n = MP_DEPTH_LIMIT - 1; n <= MP_DEPTH_LIMIT + 1; n++) {
		deep[n] = 0xc0;
		r = put_with(1, span_of(deep, n + 1), false, 1000);
		assert_int_equal(r.status, n <= MP_DEPTH_LIMIT ? JSON_WRITER_DONE : JSON_WRITER_TOO_DEEP);
		if (n <= MP_DEPTH_LIMIT)
			assert_int_equal(r.text.n, 2 * n + 4);
		buf_free(&r.text);
		deep[n] = 0x91;
	}
}

/* ---- lengths, places, edges of memory ---- */

/* A page that may be used followed by one that may not; or the other way round. */
struct guarded {
	uint8_t *map;
	size_t page;
};

static struct guarded guarded_new(void)
{
	struct guarded g = {.page = (size_t)sysconf(_SC_PAGESIZE)};
	g.map = mmap(NULL, 3 * g.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(g.map != MAP_FAILED);
	assert_int_equal(mprotect(g.map + g.page, g.page, PROT_READ | PROT_WRITE), 0);
	return g;
}

static void check_against_reference(struct span in, bool rename, const char *what)
{
	struct buf want;
	buf_init(&want, (size_t)1 << 30);
	enum ref_result kind = ref_json(in, rename, &want);
	for (size_t b = 0; b < BUILDS && usable(b) && kind != REF_UNKNOWN; b++) {
		struct result r = put_with(b, in, rename, 256);
		if (kind == REF_REFUSED)
			assert_int_equal(r.status, JSON_WRITER_TOO_DEEP);
		else
			assert_text(&r, (char *)want.p, want.n, what);
		buf_free(&r.text);
	}
	buf_free(&want);
}

/*
 * Every length of a str, with each kind of byte at each place, as value and as key, at the very end and the very
 * beginning of a page.
 */
static void test_every_length_and_place(void **state)
{
	(void)state;
	static const char *const odd[] = {"", "\"", "\\", "\x1f", "\n", ".", " ", "\xc3\xa9", "\xe2\x82\xac",
		"\xf0\x9f\x98\x80", "\xff", "\xe2\x82", "\xc3", "\xed\xa0\x80"};
	struct guarded g = guarded_new();
	for (size_t n = 0; n <= 200; n += n < 70 || (n + 3) % 32 < 6 ? 1 : 5) {
		for (size_t k = 0; k < sizeof odd / sizeof *odd; k++) {
			const size_t len = strlen(odd[k]);
			if (len > n)
				continue;
			for (size_t at = 0; at + len <= n; at++) {
				/*
				 * All places in short ones; in long ones those beside the edges of blocks, and the
				 * last.
				 */
				if (n > 34 && (at + 2) % 16 > 2 && at + len != n)
					continue;
				const size_t size = 1 + (n < 32 ? 1u : 2u) + n + 1; /* {str: 0} */
				for (int last = 0; last < 2; last++) {
					uint8_t *p = g.map + g.page + (last ? g.page - size : 0), *q = p;
					*q++ = 0x81;
					if (n >= 32)
						*q++ = 0xd9;
					*q++ = (uint8_t)(n < 32 ? 0xa0 | n : n);
					for (size_t i = 0; i < n; i++)
						q[i] = (uint8_t)('a' + i % 26);
					memcpy(q + at, odd[k], len);
					q[n] = 0;
					check_against_reference(span_of(p, size), true, "key");
					check_against_reference(span_of(p + 1, size - 2), false, "value");
				}
			}
		}
	}
	munmap(g.map, 3 * g.page);
}

/* Four bytes of every kind that the rules of UTF-8 tell apart, at each place in a block and over its edge. */
static void test_utf8_combinations(void **state)
{
	(void)state;
	static const uint8_t kinds[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
		0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
	const size_t k = sizeof kinds;
	struct buf in;
	buf_init(&in, 1 << 24);
	for (size_t i = 0; i < k * k; i++) {
		buf_clear(&in);
		buf_put_byte(&in, 0xdc);
		put_be(&in, k * k, 2);
		for (size_t j = 0; j < k * k; j++) {
			const size_t before = (i + j) % 37, after = j % 3;
			buf_put(&in, (uint8_t[]){0xd9, (uint8_t)(before + 4 + after)}, 2);
			for (size_t a = 0; a < before; a++)
				buf_put_byte(&in, 'a');
			buf_put(&in, (uint8_t[]){kinds[i / k], kinds[i % k], kinds[j / k], kinds[j % k]}, 4);
			buf_put(&in, "zz", after);
		}
		check_against_reference(buf_span(&in), false, "combinations");
	}
	buf_free(&in);
}

/* The text is longer than what a buffer of that ceiling holds, or not. */
static void test_ceiling(void **state)
{
	(void)state;
	uint8_t in[64 + 600];
	in[0] = 0xda;
	be16_put(in + 1, 600);
	memset(in + 3, 1, 600);
	const size_t need = 600 * 6 + 2;
	for (size_t max = need - 3; max <= need + 3; max++) {
		struct buf out;
		buf_init(&out, max + 5);
		assert_true(buf_put_str(&out, "12345"));
		const uint8_t *p = in;
		bool fits = max >= need;
		assert_int_equal(json_put(&out, &p, in + 603, 64), fits);
		assert_int_equal(out.n, fits ? need + 5 : 5);
		assert_int_equal(out.failed, !fits);
		assert_int_equal(p - in, fits ? 603 : 0);
		assert_memory_equal(out.p, "12345", 5);
		/* Once failed it stays so. */
		assert_int_equal(json_put(&out, &p, in + 603, 64), false);
		buf_free(&out);
	}
}

static void test_limit(void **state)
{
	(void)state;
	struct buf in, out;
	buf_init(&in, 1 << 20);
	buf_put(&in, "\xdc\x03\xe8", 3);
	for (int i = 0; i < 1000; i++)
		buf_put(&in, "\xa3xyz", 4);
	const size_t need = 1000 * 6 + 1;
	for (size_t b = 0; b < BUILDS && usable(b); b++) {
		for (size_t limit = need - 2; limit <= need + 1; limit++) {
			struct json_writer w;
			buf_init(&out, 1 << 20);
			json_writer_init(&w, &out, limit, 4);
			const uint8_t *p = in.p;
			assert_int_equal(builds[b].run(&w, &p, in.p + in.n),
				limit < need ? JSON_WRITER_TOO_LONG : JSON_WRITER_DONE);
			assert_int_equal(out.n, limit < need ? 0 : need);
			json_writer_free(&w);
			buf_free(&out);
		}
	}
	buf_free(&in);
}

static void test_no_memory(void **state)
{
	(void)state;
	struct buf in;
	buf_init(&in, 1 << 20);
	buf_put(&in, "\xde\x00\xc8", 3); /* 200 pairs: keys on the heap, a sort, cuts */
	for (int i = 0; i < 200; i++)
		buf_put(&in, (uint8_t[]){0xa2, 'k', (uint8_t)('0' + i % 40), 0x07}, 4);
	for (long nth = 1; nth < 12; nth++) {
		struct buf out;
		buf_init(&out, 1 << 20);
		const uint8_t *p = in.p;
		mem_fail_at(nth);
		bool good = json_put(&out, &p, in.p + in.n, 4);
		mem_fail_at(0);
		/* A failed attempt may be repaired by another one; never is there half a text. */
		assert_int_equal(out.n, good ? 40 * 7 + 1 : 0);
		assert_int_equal(p - in.p, good ? in.n : 0);
		buf_free(&out);
	}
	buf_free(&in);
}

/* ---- random records ---- */

static void test_random(void **state)
{
	(void)state;
	struct random r = {42};
	for (int i = 0; i < 2000; i++) {
		struct buf b;
		buf_init(&b, (size_t)1 << 26);
		put_random_value(&b, &r, 6);
		struct span in = exact_copy(b.p, b.n);
		check_against_reference(in, i % 2, "random");
		exact_free(in);
		buf_free(&b);
	}
}

/* Few different keys, so that they repeat on every level. */
static void put_colliding(struct buf *b, struct random *r, unsigned depth)
{
	const unsigned n = random_below(r, random_below(r, 10) ? 6 : 150);
	buf_put_byte(b, 0xde);
	put_be(b, n, 2);
	for (unsigned i = 0; i < n; i++) {
		switch (random_below(r, 6)) {
		case 0:
			buf_put_byte(b, (uint8_t)random_below(r, 4));
			break;
		case 1:
			buf_put(b, (uint8_t[]){0xa1, (uint8_t)(0xfc + random_below(r, 4))}, 2);
			break;
		case 2:
			if (depth) {
				put_colliding(b, r, 0);
				break;
			}
			__attribute__((fallthrough));
		case 3:
			buf_put(b, (uint8_t[]){0xa2, '.', (uint8_t)('0' + random_below(r, 3))}, 3);
			break;
		default:
			buf_put(b, (uint8_t[]){0xa1, (uint8_t)('0' + random_below(r, n > 6 ? 70 : 4))}, 2);
		}
		if (depth && random_below(r, 3) == 0)
			put_colliding(b, r, depth - 1);
		else
			buf_put_byte(b, (uint8_t)random_below(r, 128));
	}
}

static void test_random_repetitions(void **state)
{
	(void)state;
	struct random r = {4711};
	for (int i = 0; i < 600; i++) {
		struct buf b;
		buf_init(&b, (size_t)1 << 26);
		put_colliding(&b, &r, 3);
		check_against_reference(buf_span(&b), i % 2, "repetitions");
		buf_free(&b);
	}
}

/* Filling a document of 10^5 keys must take a moment, whatever the keys: each one twice, or all of one hash. */
static void test_very_large_maps(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		const uint32_t n = 100000;
		struct buf in;
		buf_init(&in, (size_t)1 << 26);
		buf_put_byte(&in, 0xdf);
		put_be(&in, n, 4);
		for (uint32_t i = 0; i < n; i++) {
			char key[32];
			/*
			 * Beyond the first and last eight bytes the hash does not look, so in kind 2 it is the same
			 * for all.
			 */
			int len = kind == 0   ? snprintf(key, sizeof key, "%u", i % (n / 2))
				  : kind == 1 ? snprintf(key, sizeof key, "key%u", i)
					      : snprintf(key, sizeof key, "aaaaaaaa%06uzzzzzzzz", i % (n / 2));
			buf_put_byte(&in, (uint8_t)(0xa0 | len));
			buf_put(&in, key, (size_t)len);
			buf_put_byte(&in, (uint8_t)(i >= n / 2));
		}
		for (size_t b = 0; b < BUILDS && usable(b); b++) {
			struct result r = put_with(b, buf_span(&in), true, 4);
			assert_int_equal(r.status, JSON_WRITER_DONE);
			assert_true(buf_put_byte(&r.text, 0));
			json_t *j = json_loads((char *)r.text.p, JSON_REJECT_DUPLICATES, NULL);
			assert_non_null(j);
			assert_int_equal(json_object_size(j), kind == 1 ? n : n / 2);
			const char *k;
			json_t *v;
			if (kind != 1)
				json_object_foreach(j, k, v) assert_int_equal(json_integer_value(v), 1);
			json_decref(j);
			buf_free(&r.text);
		}
		buf_free(&in);
	}
}

/* Long strings are written in pieces; what is repaired must not depend on where a piece ends. */
static void test_long_strings(void **state)
{
	(void)state;
	static const char *const units[] = {"plain text ", "\xe2\x82\xac", "\xf0\x9f\x98\x80\"", "\xff\xe2\x82z\n"};
	for (size_t k = 0; k < 4; k++)
		for (size_t n = 3 * JSON_PIECE - 5; n <= 3 * JSON_PIECE + 5; n++) {
			struct buf in;
			buf_init(&in, 1 << 20);
			buf_put(&in, "\xda", 1);
			put_be(&in, n, 2);
			for (size_t i = 0; i < n; i++)
				buf_put_byte(&in, (uint8_t)units[k][i % strlen(units[k])]);
			struct span exact = exact_copy(in.p, in.n);
			check_against_reference(exact, false, "long");
			exact_free(exact);
			buf_put(&in, "0123456789012345678901234567890123456789012345678901234567890123456789", 70);
			struct result a = put_with(1, span_of(in.p, in.n - 70), false, 4),
				      b = put_with(1, buf_span(&in), false, 4);
			assert_text(&b, (char *)a.text.p, a.text.n, "slack");
			buf_free(&a.text);
			buf_free(&b.text);
			buf_free(&in);
		}
}

static void test_put_string(void **state)
{
	(void)state;
	struct random r = {1};
	for (int i = 0; i < 2000; i++) {
		struct buf b, want, got;
		buf_init(&b, 1 << 20);
		buf_init(&want, 1 << 20);
		put_random_bytes(&b, &r, random_below(&r, 600));
		for (size_t k = 0; k < b.n && i % 3 == 0; k++)
			b.p[k] = (uint8_t)(random_below(&r, 2) ? 0xe2 + random_below(&r, 20)
							       : 0x80 + random_below(&r, 64));
		ref_string(&want, (char *)b.p, b.n);
		buf_init(&got, want.n - (unsigned)i % 2);
		struct span in = exact_copy(b.p, b.n);
		assert_int_equal(json_put_string(&got, in), i % 2 == 0);
		assert_int_equal(got.n, i % 2 ? 0 : want.n);
		if (i % 2 == 0)
			assert_memory_equal(got.p, want.p, want.n);
		exact_free(in);
		buf_free(&b);
		buf_free(&want);
		buf_free(&got);
	}
}

/* Several objects one after the other into one buffer, which moves as it grows. */
static void test_appends(void **state)
{
	(void)state;
	struct random r = {5};
	struct buf in, out, want;
	buf_init(&in, (size_t)1 << 28);
	buf_init(&out, (size_t)1 << 28);
	buf_init(&want, (size_t)1 << 28);
	for (int i = 0; i < 300; i++) {
		size_t at = in.n, text_at = want.n;
		put_random_map(&in, &r, 4);
		if (ref_json(span_of(in.p + at, in.n - at), false, &want) != REF_TEXT) {
			in.n = at;
			want.n = text_at;
		}
	}
	const uint8_t *p = in.p, *end = in.p + in.n;
	while (p < end)
		assert_true(json_put(&out, &p, end, 64));
	assert_int_equal(out.n, want.n);
	assert_memory_equal(out.p, want.p, want.n);
	buf_free(&in);
	buf_free(&out);
	buf_free(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_times_and_ext),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_repeated_keys),
		cmocka_unit_test(test_renamed_keys),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_every_length_and_place),
		cmocka_unit_test(test_utf8_combinations),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_random_repetitions),
		cmocka_unit_test(test_very_large_maps),
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_put_string),
		cmocka_unit_test(test_appends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
