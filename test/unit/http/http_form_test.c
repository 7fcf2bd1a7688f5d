#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "http/http_form.h"

#include "http/http_deflate.h"

#include <zlib.h>

/* Fields as "name=value;" one after the other, and "!" if it ends badly. */
static const char *urlencoded(struct span form, struct buf *out)
{
	struct buf name, value;
	enum http_field f;
	buf_init(&name, 100);
	buf_init(&value, 100);
	buf_clear(out);
	while ((f = http_form_next(&form, &name, &value)) == HTTP_FIELD) {
		buf_put_span(out, buf_span(&name));
		buf_put_byte(out, '=');
		buf_put_span(out, buf_span(&value));
		buf_put_byte(out, ';');
	}
	if (f == HTTP_FIELD_BAD)
		buf_put_byte(out, '!');
	buf_free(&name);
	buf_free(&value);
	return buf_cstr(out);
}

static void test_urlencoded(void **state)
{
	static const struct {
		const char *form, *fields;
	} cases[] = {
		{"", ""},
		{"a=b", "a=b;"},
		{"a=b&c=d", "a=b;c=d;"},
		{"&&a=b&&", "a=b;"},
		{"a", "a=;"},
		{"=b", "=b;"},
		{"a=b=c", "a=b=c;"},
		{"a+b=c+d%2B%20", "a b=c d+ ;"},
		{"json=%7B%22a%22%3A1%7D", "json={\"a\":1};"},
		{"%61=%6a%6A", "a=jj;"},
		{"a=%", "!"},
		{"a=%2", "!"},
		{"a=1&b=%zz&c=2", "a=1;!"},
	};
	struct buf out;
	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(urlencoded(span_str(cases[i].form), &out), cases[i].fields);
	buf_free(&out);
}

static void test_long_name(void **state)
{
	struct span form = SPAN_LIT("abcdef=1");
	struct buf name, value;
	(void)state;
	buf_init(&name, 3);
	buf_init(&value, 100);
	assert_int_equal(http_form_next(&form, &name, &value), HTTP_FIELD_BAD);
	buf_free(&name);
	buf_free(&value);
}

static void test_boundary(void **state)
{
	static const struct {
		const char *type, *boundary;
	} cases[] = {
		{"multipart/form-data; boundary=abc", "abc"},
		{"Multipart/Form-Data;charset=x; Boundary=\"a b;c\"", "a b;c"},
		{"multipart/form-data; boundary=abc; x=y", "abc"},
		{"multipart/form-data", ""},
		{"multipart/form-data; boundary=", ""},
		{"multipart/mixed; boundary=abc", ""},
		{"application/json", ""},
		{"", ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_true(span_is(http_multipart_boundary(span_str(cases[i].type)), cases[i].boundary));
}

static const char *multipart(struct span body, struct buf *out)
{
	struct span name, content;
	enum http_field f;
	buf_clear(out);
	while ((f = http_multipart_next(&body, SPAN_LIT("b"), &name, &content)) == HTTP_FIELD) {
		buf_put_span(out, name);
		buf_put_byte(out, '=');
		buf_put_span(out, content);
		buf_put_byte(out, ';');
	}
	if (f == HTTP_FIELD_BAD)
		buf_put_byte(out, '!');
	return buf_cstr(out);
}

#define PART(NAME) "--b\r\nContent-Disposition: form-data; name=\"" NAME "\"\r\n\r\n"

static void test_multipart(void **state)
{
	static const struct {
		const char *body, *fields;
	} cases[] = {
		{"--b--", ""},
		{PART("a") "1\r\n--b--\r\n", "a=1;"},
		{PART("a") "1\r\n2\r\n" PART("c") "\r\n--b--", "a=1\r\n2;c=;"},
		{"preamble\r\n" PART("a") "1\r\n--b--", "a=1;"},
		{"--b\ncontent-disposition: form-data; name=a; filename=\"x\"\nContent-Type: text/plain\n\n1\n--b--",
			"a=1;"},
		{"--b\r\nX: y\r\n\r\n1\r\n--b--", "=1;"},
		{PART("a") "x --b y\r\n--b--", "a=x --b y;"},
		{PART("a") "--b--", "a=;"},
		{"", "!"},
		{"nothing", "!"},
		{PART("a") "1", "!"},
		{"--b\r\nContent-Disposition: form-data", "!"},
		{"--b", "!"},
	};
	struct buf out;
	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(multipart(span_str(cases[i].body), &out), cases[i].fields);
	buf_free(&out);
}

/* ---- deflate ---- */

static struct span compress_with(struct span in, int window, uint8_t *out, size_t size)
{
	z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)in.p,
		.avail_in = (uInt)in.n,
		.next_out = out,
		.avail_out = (uInt)size};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return span_of(out, size - z.avail_out);
}

static void test_deflate(void **state)
{
	static uint8_t text[300000], packed[400000];
	struct buf out;
	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * i >> 7);
	for (int window = -15; window <= 15; window += 30) {
		struct span in = compress_with(span_of(text, sizeof text), window, packed, sizeof packed);
		buf_init(&out, 1u << 20);
		buf_put_str(&out, "before");
		assert_int_equal(http_inflate(in, &out), HTTP_INFLATE_OK);
		assert_int_equal(out.n, 6 + sizeof text);
		assert_memory_equal(out.p + 6, text, sizeof text);
		/* Cut anywhere, or with something behind it, it is no good, and nothing of it is kept. */
		buf_clear(&out);
		assert_int_equal(http_inflate(span_of(in.p, in.n - 1), &out), HTTP_INFLATE_BAD);
		assert_int_equal(http_inflate(span_of(in.p, in.n / 2), &out), HTTP_INFLATE_BAD);
		assert_int_equal(http_inflate(span_of(in.p, in.n + 1), &out), HTTP_INFLATE_BAD);
		assert_int_equal(out.n, 0);
		buf_free(&out);
		buf_init(&out, 100000);
		assert_int_equal(http_inflate(in, &out), HTTP_INFLATE_TOO_LARGE);
		assert_int_equal(out.n, 0);
		buf_free(&out);
	}
	buf_init(&out, 1000);
	assert_int_equal(http_inflate((struct span){0}, &out), HTTP_INFLATE_BAD);
	assert_int_equal(http_inflate(SPAN_LIT("nonsense"), &out), HTTP_INFLATE_BAD);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urlencoded),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_boundary),
		cmocka_unit_test(test_multipart),
		cmocka_unit_test(test_deflate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
