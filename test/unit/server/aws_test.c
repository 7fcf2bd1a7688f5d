/* The answers and files that AWS credentials come in. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "aws_fetch.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *shown(bool ok, struct aws_found *f, const struct err *err, char text[520])
{
	if (!ok)
		snprintf(text, 520, "%s", err->text);
	else
		snprintf(text, 520, "%s|%s|%s|%lld", f->keys.access_key, f->keys.secret_key,
			f->keys.session_token ? f->keys.session_token : "-",
			f->end_ns == INT64_MAX ? -1 : (long long)(f->end_ns / NS_PER_S));
	sigv4_keys_free(&f->keys);
	return text;
}

static void test_json(void **state)
{
	static const char *const cases[][2] = {
		{"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":\"2026-01-02T03:04:"
		 "05Z\"}",
			"A|S|T|1767323045"},
		{"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Expiration\":\"2026-01-02T03:04:05.678Z\"}",
			"A|S|-|1767323045"},
		{"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}", "A|S|-|-1"},
		{"{\"AccessKeyId\":\"A\"}", "the answer has no credentials"},
		{"{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"\"}", "the answer has no credentials"},
		{"[]", "the answer has no credentials"},
		{"<x>", "the answer is no JSON: '[' or '{' expected near '<'"},
	};
	char text[520];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct aws_found f = {0};
		struct err err;
		bool ok = aws_read_json(span_str(cases[i][0]), &f, &err);
		assert_string_equal(shown(ok, &f, &err, text), cases[i][1]);
	}
}

static void test_xml(void **state)
{
	static const char *const cases[][2] = {
		{"<R><Credentials>\n<SessionToken>T=</SessionToken><SecretAccessKey>S/+</SecretAccessKey>"
		 "<Expiration>2026-01-02T03:04:05Z</Expiration><AccessKeyId>A</AccessKeyId></Credentials></R>",
			"A|S/+|T=|1767323045"},
		{"<E><Error><Code>AccessDenied</Code><Message>you may not</Message></Error></E>", "you may not"},
		{"<AccessKeyId>A", "the answer has no credentials"},
		{"", "the answer has no credentials"},
	};
	char text[520];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct aws_found f = {0};
		struct err err;
		bool ok = aws_read_xml(span_str(cases[i][0]), &f, &err);
		assert_string_equal(shown(ok, &f, &err, text), cases[i][1]);
	}
}

static void test_profiles(void **state)
{
	static const char file[] =
		"# mine\naws_access_key_id = nobody\n[default]\naws_access_key_id = A \r\n"
		"aws_secret_access_key=S\n[default2]\naws_access_key_id=B\n"
		"aws_secret_access_key = S = 2\naws_session_token\t=\tT\n[half]\naws_access_key_id=C";
	static const char *const cases[][2] = {{"default", "A|S|-|-1"}, {"default2", "B|S = 2|T|-1"},
		{"half", "the profile half has no credentials"}, {"none", "the profile none has no credentials"},
		{"", "the profile  has no credentials"}};
	char text[520];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct aws_found f = {0};
		struct err err;
		bool ok = aws_read_profile(span_str(file), cases[i][0], &f, &err);
		assert_string_equal(shown(ok, &f, &err, text), cases[i][1]);
	}
}

static void test_container(void **state)
{
	static const char *const names[] = {
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"};
	static const char *const cases[][4] = {
		{"/v2/credentials/x", NULL, NULL, "http://169.254.170.2/v2/credentials/x"},
		{"v2", "/env", NULL, "http://169.254.170.2/v2"},
		{NULL, "/env", "http://127.0.0.1/full", "http://169.254.170.2/env"},
		{"", NULL, "http://169.254.170.23/v1/credentials", "http://169.254.170.23/v1/credentials"},
		{NULL, "", "", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (size_t k = 0; k < 2; k++)
			if (cases[i][k + 1])
				setenv(names[k], cases[i][k + 1], 1);
			else
				unsetenv(names[k]);
		char *url = aws_container_url(cases[i][0]);
		if (cases[i][3])
			assert_string_equal(url, cases[i][3]);
		else
			assert_null(url);
		mem_free(url);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_xml),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_container),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
