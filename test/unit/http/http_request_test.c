#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "http/http_request.h"

#include "base/mem.h"

#include <stdio.h>

/* ---- where a head ends ---- */

static void test_head_length(void **state)
{
	static const struct {
		const char *text;
		size_t length; /* 0 = more is needed */
	} cases[] = {
		{"", 0},
		{"GET / HTTP/1.1\r\n", 0},
		{"GET / HTTP/1.1\r\n\r", 0},
		{"GET / HTTP/1.1\r\n\r\n", 18},
		{"GET / HTTP/1.1\n\nx", 16},
		{"GET / HTTP/1.1\r\nA: b\r\n\r\nbody", 24},
		{"\r\n\r\nGET / HTTP/1.1\r\n\r\n", 22},
		{"\n\n\n", 0},
		{"GET / HTTP/1.1\n\r\n", 17},
		{"GET / HTTP/1.1\r\r\n\n", 18},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t n = strlen(cases[i].text), scanned = 0, got = 0;
		/* All at once, and byte by byte. */
		assert_int_equal(http_head_length((const uint8_t *)cases[i].text, n, &scanned), cases[i].length);
		scanned = 0;
		for (size_t k = 1; k <= n && !got; k++) {
			uint8_t *copy = mem_alloc(k);
			memcpy(copy, cases[i].text, k);
			got = http_head_length(copy, k, &scanned);
			mem_free(copy);
		}
		assert_int_equal(got, cases[i].length);
	}
}

/* ---- heads ---- */

#define MAX_LINE "GET / HTTP/1.1\r\n"

static void test_heads(void **state)
{
	static const struct {
		const char *head;
		unsigned status;
		const char *method, *path, *query;
		bool keep_alive, chunked, expect;
		uint64_t length;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n", 0, "GET", "/", "", true, false, false, 0},
		{"GET / HTTP/1.0\r\n\r\n", 0, "GET", "/", "", false, false, false, 0},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 0, "GET", "/", "", true, false, false, 0},
		{"GET / HTTP/1.1\r\nconnection: x, CLOSE\r\n\r\n", 0, "GET", "/", "", false, false, false, 0},
		{"POST /a/b?c=d&e#f HTTP/1.1\r\nContent-Length: 12\r\n\r\n", 0, "POST", "/a/b", "c=d&e", true, false,
			false, 12},
		{"POST http://h:1/a?b HTTP/1.1\r\n\r\n", 0, "POST", "/a", "b", true, false, false, 0},
		{"POST http://h HTTP/1.1\r\n\r\n", 0, "POST", "/", "", true, false, false, 0},
		{"POST http://h?x HTTP/1.1\r\n\r\n", 0, "POST", "/", "x", true, false, false, 0},
		{"POST ? HTTP/1.1\r\n\r\n", 0, "POST", "/", "", true, false, false, 0},
		{"OPTIONS * HTTP/1.1\r\n\r\n", 0, "OPTIONS", "*", "", true, false, false, 0},
		{"POST / HTTP/1.1\r\nTransfer-Encoding:\tCHUNKED \r\n\r\n", 0, "POST", "/", "", true, true, false, 0},
		{"POST / HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n", 0, "POST", "/", "", true, false, true, 0},
		{"POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", 0, "POST", "/", "", false, false, false, 0},
		{"\r\nGET / HTTP/1.1\n\n", 0, "GET", "/", "", true, false, false, 0},
		{"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 0, "POST", "/", "", true, false,
			false, 5},
		{"GET / HTTP/1.1\r\nEmpty:\r\n\r\n", 0, "GET", "/", "", true, false, false, 0},
		{"GET / HTTP/1.9\r\n\r\n", 0, "GET", "/", "", true, false, false, 0},
		{.head = "GET  / HTTP/1.1\r\n\r\n", .status = 400},
		{.head = " GET / HTTP/1.1\r\n\r\n", .status = 400},
		{.head = "GET / HTTP/1.1 \r\n\r\n", .status = 400},
		{.head = "GET /\x01 HTTP/1.1\r\n\r\n", .status = 400},
		{.head = "GET /\xc3\xa4 HTTP/1.1\r\n\r\n", .status = 400},
		{.head = "G(T / HTTP/1.1\r\n\r\n", .status = 400},
		{.head = "GET / HTTP/11\r\n\r\n", .status = 400},
		{.head = "GET / http/1.1\r\n\r\n", .status = 400},
		{.head = "GET / HTTP/2.0\r\n\r\n", .status = 505},
		{.head = "GET / HTTP/1.1\r\nA\r\n\r\n", .status = 400},
		{.head = "GET / HTTP/1.1\r\n: b\r\n\r\n", .status = 400},
		{.head = "GET / HTTP/1.1\r\nA : b\r\n\r\n", .status = 400},
		{.head = "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", .status = 400},
		{.head = "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", .status = 400},
		{.head = "GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", .status = 400},
		{.head = "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", .status = 400},
		{.head = "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", .status = 400},
		{.head = "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", .status = 400},
		{.head = "POST / HTTP/1.1\r\nContent-Length: 1234567890123456789\r\n\r\n", .status = 400},
		{.head = "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", .status = 400},
		{.head = "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", .status = 400},
		{.head = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .status = 400},
		{.head = "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", .status = 501},
		{.head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
			.status = 501},
		{.head = "POST / HTTP/1.1\r\nExpect: a pony\r\n\r\n", .status = 417},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_request r;
		const char *why;
		unsigned status = http_request_read(span_str(cases[i].head), &r, &why);
		if (status != cases[i].status)
			fail_msg("%s: %u, not %u", cases[i].head, status, cases[i].status);
		if (status) {
			assert_non_null(why);
			continue;
		}
		assert_true(span_is(r.method, cases[i].method));
		assert_true(span_is(r.path, cases[i].path));
		assert_true(span_is(r.query, cases[i].query));
		assert_int_equal(r.keep_alive, cases[i].keep_alive);
		assert_int_equal(r.chunked, cases[i].chunked);
		assert_int_equal(r.expect_continue, cases[i].expect);
		assert_int_equal(r.content_length, cases[i].length);
	}
}

static void test_headers(void **state)
{
	struct http_request r;
	const char *why;
	struct span head = SPAN_LIT("GET / HTTP/1.1\r\nHost: a\r\nX-Y:  b c \t\r\nhost: z\r\nEmpty:\r\n\r\n");
	(void)state;
	assert_int_equal(http_request_read(head, &r, &why), 0);
	assert_int_equal(r.header_count, 4);
	assert_true(span_is(http_request_header(&r, "host"), "a"));
	assert_true(span_is(http_request_header(&r, "x-y"), "b c"));
	assert_non_null(http_request_header(&r, "empty").p);
	assert_int_equal(http_request_header(&r, "empty").n, 0);
	assert_null(http_request_header(&r, "other").p);
}

static void test_header_count(void **state)
{
	struct http_request r;
	const char *why;
	char head[4096];
	(void)state;
	for (unsigned n = HTTP_HEADERS_MAX; n <= HTTP_HEADERS_MAX + 1; n++) {
		size_t at = (size_t)snprintf(head, sizeof head, MAX_LINE);
		for (unsigned i = 0; i < n; i++)
			at += (size_t)snprintf(head + at, sizeof head - at, "A: %u\r\n", i);
		at += (size_t)snprintf(head + at, sizeof head - at, "\r\n");
		assert_int_equal(http_request_read(span_of(head, at), &r, &why), n > HTTP_HEADERS_MAX ? 431 : 0);
	}
}

/* ---- chunks ---- */

/* Reads all chunks, each byte coming alone, and returns what ended it. */
static enum http_chunk read_chunks(const char *text, size_t n, char *out, size_t *used)
{
	size_t at = 0, out_n = 0, want, have = 0;
	enum http_chunk c = HTTP_CHUNK_MORE;
	while (have <= n) {
		uint8_t *copy = mem_alloc(have - at + 1);
		memcpy(copy, text + at, have - at);
		const uint8_t *p = copy;
		struct span data;
		c = http_chunk_next(&p, copy + (have - at), &data, &want);
		if (c == HTTP_CHUNK_DATA) {
			memcpy(out + out_n, data.p, data.n);
			out_n += data.n;
		}
		at += (size_t)(p - copy);
		mem_free(copy);
		if (c == HTTP_CHUNK_END || c == HTTP_CHUNK_BAD)
			break;
		if (c == HTTP_CHUNK_MORE)
			have++;
	}
	out[out_n] = 0;
	*used = at;
	return c;
}

static void test_chunks(void **state)
{
	static const struct {
		const char *text, *data;
		enum http_chunk end;
	} cases[] = {
		{"0\r\n\r\n", "", HTTP_CHUNK_END},
		{"3\r\nabc\r\n0\r\n\r\n", "abc", HTTP_CHUNK_END},
		{"3\r\nabc\r\n1;x=\"y\"\r\nd\r\n0\r\n\r\n", "abcd", HTTP_CHUNK_END},
		{"3\nabc\r\n0\r\n\r\n", "", HTTP_CHUNK_BAD},
		{"3\r\nabc\n0\r\n\r\n", "", HTTP_CHUNK_BAD},
		{"A \r\n0123456789\r\n00\r\nTrailer: x\r\nOther: y\r\n\r\n", "0123456789", HTTP_CHUNK_END},
		{"3\r\nabcd\r\n", "", HTTP_CHUNK_BAD},
		{"3\r\nab\r\n\r\n", "", HTTP_CHUNK_BAD},
		{"\r\n", "", HTTP_CHUNK_BAD},
		{"x\r\n", "", HTTP_CHUNK_BAD},
		{"-1\r\n", "", HTTP_CHUNK_BAD},
		{"1 2\r\n", "", HTTP_CHUNK_BAD},
		{"1234567890abcdef\r\n", "", HTTP_CHUNK_BAD},
		{"3\r\nab", "", HTTP_CHUNK_MORE},
		{"3\r\nabc\r\n0\r\n", "abc", HTTP_CHUNK_MORE},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char out[64];
		size_t n = strlen(cases[i].text), used;
		enum http_chunk end = read_chunks(cases[i].text, n, out, &used);
		if (end != cases[i].end || strcmp(out, cases[i].data) != 0)
			fail_msg("%s: %d, \"%s\"", cases[i].text, (int)end, out);
		if (end == HTTP_CHUNK_END)
			assert_int_equal(used, n);
	}
}

static void test_chunk_wants(void **state)
{
	struct span data;
	size_t want;
	const char *text = "64\r\nabc";
	const uint8_t *p = (const uint8_t *)text;
	(void)state;
	assert_int_equal(http_chunk_next(&p, p + strlen(text), &data, &want), HTTP_CHUNK_MORE);
	assert_int_equal(want, 100 - 3 + 2);
	assert_ptr_equal(p, text);
}

static void test_long_lines(void **state)
{
	char text[20000];
	struct span data;
	size_t want;
	const uint8_t *p = (const uint8_t *)text;
	(void)state;
	memset(text, '0', sizeof text);
	assert_int_equal(http_chunk_next(&p, p + sizeof text, &data, &want), HTTP_CHUNK_BAD);
	memcpy(text, "0\r\n", 3);
	assert_int_equal(http_chunk_next(&p, p + sizeof text, &data, &want), HTTP_CHUNK_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_length),
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_header_count),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_chunk_wants),
		cmocka_unit_test(test_long_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
