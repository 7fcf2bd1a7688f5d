/*
 * json_get against jansson: what one of them takes the other must take, with the same meaning; json_framer against
 * both.
 */
#include "base/mem.h"
#include "record/json_get.h"

#include "../unit/record/expected_json.h"

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

enum { DEPTH = 30 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the document ends by the framer, fed in pieces; 0 if it does not end. */
static size_t framed(const uint8_t *p, size_t n, size_t piece)
{
	struct json_framer f = {0};
	bool bad = false;
	for (size_t at = 0; at < n; at += piece) {
		size_t end = json_framer_feed(&f, p + at, piece < n - at ? piece : n - at, &bad);
		if (end)
			return at + end;
		if (bad)
			return 0;
	}
	return 0;
}

/*
 * jansson refuses numbers that it cannot hold, and keys with \u0000; it goes deeper than we do; and it takes a 0
 * byte behind a token for nothing at all.
 */
static void compare(const struct buf *out, enum json_result got, const char *text, size_t size)
{
	json_error_t e;
	if (memchr(text, 0, size)) {
		REQUIRE(got != JSON_OK);
		return;
	}
	json_t *theirs = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
	if (!theirs) {
		enum json_error_code code = json_error_code(&e);
		REQUIRE(got != JSON_OK || code == json_error_numeric_overflow || code == json_error_null_byte_in_key);
		return;
	}
	REQUIRE(got == JSON_OK || got == JSON_TOO_DEEP);
	if (got == JSON_OK) {
		json_t *ours = json_of_msgpack(buf_span(out));
		REQUIRE(ours && json_same(ours, theirs));
		json_decref(ours);
	}
	json_decref(theirs);
}

/* What is JSON means the same to json_get_lenient. */
static void compare_lenient(const struct buf *strict, enum json_result got, struct span in)
{
	struct buf out;
	const uint8_t *p = in.p;
	buf_init(&out, 1 << 22);
	enum json_result r = json_get_lenient(&p, in.p + in.n, DEPTH, &out, NULL);
	REQUIRE(got != JSON_OK || (r == JSON_OK && span_eq(buf_span(&out), buf_span(strict))));
	REQUIRE(r != JSON_OK || mp_skip(out.p, out.p + out.n, DEPTH) == out.n);
	REQUIRE(r == JSON_OK || out.n == 0);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = exact_copy(data, size);
	struct buf out;
	const char *why;
	const uint8_t *p = in.p;
	buf_init(&out, 1 << 22);
	enum json_result got = json_get(&p, in.p + size, DEPTH, &out, &why);
	REQUIRE((got == JSON_OK) == (why == NULL));
	REQUIRE(got == JSON_OK || (p == in.p && out.n == 0 && !out.failed));
	if (got == JSON_OK) {
		REQUIRE(mp_length(out.p, out.p + out.n) == out.n && mp_skip(out.p, out.p + out.n, DEPTH) == out.n);
		if (p[-1] == ']' || p[-1] == '}')
			for (size_t piece = 1; piece < 9; piece++)
				REQUIRE(framed(in.p, size, piece) == (size_t)(p - in.p));
		while (p < in.p + size && strchr(" \t\r\n", *p) && *p)
			p++;
		if (p == in.p + size)
			compare(&out, got, (const char *)in.p, size);
	} else {
		compare(&out, got, (const char *)in.p, size);
	}
	compare_lenient(&out, got, in);
	buf_free(&out);
	exact_free(in);
	return 0;
}
