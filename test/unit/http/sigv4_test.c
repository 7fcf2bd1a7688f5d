/* Requests signed for AWS. The signatures are those that botocore 1.44 makes of the same requests. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"
#include "http/sigv4.h"

#define NOW	   1440938160 /* 2015-08-30 12:36:00 UTC */
#define BULK	   "{\"create\":{}}\n{\"a\":1}\n"
#define NDJSON	   "application/x-ndjson"
#define ALL	   "content-type;host;x-amz-content-sha256;x-amz-date"
#define BYTES(lit) span_of(lit, sizeof lit - 1)

static struct sigv4_keys keys_with(const char *token)
{
	const struct sigv4_keys k = {.access_key = mem_strdup("AKIDEXAMPLE"),
		.secret_key = mem_strdup("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
		.session_token = token ? mem_strdup(token) : NULL};
	return k;
}

static void test_signatures(void **state)
{
	const struct {
		struct sigv4_request q;
		const char *region, *service, *token;
		const char *url, *names, *signature;
	} cases[] = {
		{{"GET", "http://example.com/", NULL, BYTES(""), NOW}, "us-east-1", "es", NULL, "http://example.com/",
			"host;x-amz-content-sha256;x-amz-date",
			"93d8bcd3bf79b7ec1811e182d02a7dd2489d77bab215599409094e1233a5121a"},
		/* the scheme's own port is not in the Host header, and without a path it is "/" */
		{{"GET", "http://user:secret@example.com:80", NULL, BYTES(""), NOW}, "us-east-1", "es", NULL,
			"http://user:secret@example.com:80", "host;x-amz-content-sha256;x-amz-date",
			"93d8bcd3bf79b7ec1811e182d02a7dd2489d77bab215599409094e1233a5121a"},
		/* a query is sorted and encoded, also in what is sent */
		{{"POST", "https://search.example.com/_bulk?filter_path=a,b&b=1", NDJSON, BYTES(BULK), NOW},
			"eu-west-1", "es", NULL, "https://search.example.com/_bulk?b=1&filter_path=a%2Cb", ALL,
			"c2d209372940a3bf884efdb750e9ae021fd1bb3dc8dfd3dc24309a3d0c925352"},
		{{"POST", "https://search.example.com//x/.././_bulk?b=1&filter_path=a%2cb#top", NDJSON, BYTES(BULK),
			 NOW},
			"eu-west-1", "es", NULL, "https://search.example.com//x/.././_bulk?b=1&filter_path=a%2Cb", ALL,
			"c2d209372940a3bf884efdb750e9ae021fd1bb3dc8dfd3dc24309a3d0c925352"},
		/* what is encoded in a path is encoded once more; bytes of any kind; a session's token */
		{{"POST", "https://search.example.com:9200/a%2Fb/_bulk", NDJSON, BYTES("\x1f\x8b\x00\xff"), NOW},
			"eu-west-1", "aoss", "TOKEN/+=", "https://search.example.com:9200/a%2Fb/_bulk",
			ALL ";x-amz-security-token",
			"c80f2ff2458f7af043204661544b2da7451825cc4a3d87367c2c15989c703c2e"},
		{{"PUT", "http://127.0.0.1:8080/x/_doc/%C3%BC%20y?b=2&a=1", "application/json", BYTES("{}"), NOW},
			"eu-central-1", "execute-api", NULL, "http://127.0.0.1:8080/x/_doc/%C3%BC%20y?a=1&b=2", ALL,
			"c5710b15089ade404dac999457fd8ac6a3d16d841788f29dc06480e3a9827e55"},
		{{"POST", "https://sts.us-east-1.amazonaws.com/", "application/x-www-form-urlencoded; charset=utf-8",
			 BYTES("Action=AssumeRole&Version=2011-06-15"), NOW},
			"us-east-1", "sts", "T", "https://sts.us-east-1.amazonaws.com/", ALL ";x-amz-security-token",
			"f4e0cddf8a90769cf4857aec252ae06b6165e3f0480516ae7f3522f313bfd1fc"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct sigv4_signer s = {.region = cases[i].region, .service = cases[i].service};
		struct sigv4_keys keys = keys_with(cases[i].token);
		struct sigv4_signed out;
		struct err err;
		assert_true(sigv4_sign(&s, &keys, &cases[i].q, &out, &err));
		char *want = mem_printf(
			"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/%s/%s/aws4_request, "
			"SignedHeaders=%s, Signature=%s",
			cases[i].region, cases[i].service, cases[i].names, cases[i].signature);
		assert_string_equal(out.headers[0], want);
		assert_string_equal(out.headers[1], "X-Amz-Date: 20150830T123600Z");
		assert_string_equal(out.url, cases[i].url);
		assert_int_equal(cases[i].token != NULL, out.headers[3] != NULL);
		mem_free(want);
		sigv4_signed_free(&out);
		sigv4_keys_free(&keys);
	}
}

static void test_no_url(void **state)
{
	const struct sigv4_signer s = {.region = "r", .service = "s"};
	const struct sigv4_request q = {.method = "GET", .url = "example.com/x"};
	struct sigv4_keys keys = keys_with(NULL);
	struct sigv4_signed out;
	struct err err;
	(void)state;
	assert_false(sigv4_sign(&s, &keys, &q, &out, &err));
	sigv4_keys_free(&keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_signatures), cmocka_unit_test(test_no_url)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
