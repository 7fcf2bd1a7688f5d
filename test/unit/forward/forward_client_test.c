#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "forward/forward_client.h"

#include "forward/forward_auth.h"
#include "record/msgpack_put.h"

#include <netinet/in.h>
#include <stdio.h>

#define SALT "0123456789abcdef0123456789abcdef"

static const struct sockaddr_in peer = {.sin_family = AF_INET};

/* A whole handshake with forward_auth.h's side: the reason of a refusal, "" if both sides agree, else what the client says. */
static void shake(
	const struct forward_security *server, const struct forward_credentials *client, char *said, size_t size)
{
	uint8_t nonce[FORWARD_NONCE_LEN] = "nonce-nonce-nonc", auth[FORWARD_NONCE_LEN] = "auth-auth-auth-a";
	struct buf helo, ping, pong;
	struct forward_helo h;
	struct forward_ping p;
	struct err err = {.text = ""};
	buf_init(&helo, 4096);
	buf_init(&ping, 4096);
	buf_init(&pong, 4096);
	const uint8_t *given = server->user_auth ? auth : NULL;
	assert_true(forward_put_helo(&helo, nonce, given, true));
	assert_true(forward_read_helo(buf_span(&helo), &h, &err));
	assert_true(h.keepalive);
	assert_true(forward_put_ping(&ping, client, &h, SALT));
	forward_judge_ping(server, nonce, given,
		forward_find_client(server, (const struct sockaddr *)&peer, NULL, NULL), buf_span(&ping), &pong, &p);
	bool ok = forward_check_pong(buf_span(&pong), client, h.nonce, SALT, &err);
	assert_true(ok == (err.text[0] == 0));
	snprintf(said, size, "%s", err.text);
	buf_free(&helo);
	buf_free(&ping);
	buf_free(&pong);
}

static void test_handshake(void **state)
{
	static const struct forward_user users[] = {{"ann", "secret"}};
	static const struct {
		const char *key, *user, *password, *name;
		bool user_auth;
		const char *want;
	} cases[] = {
		{"key", "", "", "client", false, ""},
		{"", "", "", "client", false, "authentication failed: shared_key mismatch"},
		{"Key", "", "", "client", false, "authentication failed: shared_key mismatch"},
		{"key", "ann", "secret", "client", true, ""},
		{"key", "ann", "Secret", "client", true, "authentication failed: username/password mismatch"},
		{"key", "bob", "secret", "client", true, "authentication failed: username/password mismatch"},
		{"key", "", "", "server", false, "same hostname"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct forward_security server = {
			.self_hostname = "server",
			.shared_key = "key",
			.user_auth = cases[i].user_auth,
			.allow_anonymous_source = true,
			.users = users,
			.user_count = 1,
		};
		struct forward_credentials client = {.self_hostname = cases[i].name,
			.shared_key = cases[i].key,
			.username = cases[i].user,
			.password = cases[i].password};
		char said[512];
		shake(&server, &client, said, sizeof said);
		assert_memory_equal(said, cases[i].want, strlen(cases[i].want) + (cases[i].want[0] == 0));
	}
}

static void test_bad_answers(void **state)
{
	static const struct span bad[] = {SPAN_LIT("\xc0"), SPAN_LIT("\x90"), SPAN_LIT("\x92\xa4HELO"),
		SPAN_LIT("\x95\xa4PONG\xc3\xa0\xa1x"), SPAN_LIT("\x95\xa4PONG\xc3\xa0\xa1x\xa0"),
		SPAN_LIT("\x95\xa4PONG\x01\xa0\xa1x\xa0"), SPAN_LIT("")};
	const struct forward_credentials c = {
		.self_hostname = "client", .shared_key = "key", .username = "", .password = ""};
	struct forward_helo h;
	struct err err;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(forward_check_pong(bad[i], &c, SPAN_LIT("nonce"), SALT, &err));
		if (i != 2)
			assert_false(forward_read_helo(bad[i], &h, &err));
		assert_int_equal(forward_read_ack(bad[i]).n, 0);
	}
}

static void test_packed(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, 4096);
	assert_true(forward_put_packed(&out, &(struct forward_packed){.tag = SPAN_LIT("t"),
						     .entries = SPAN_LIT("\x92\x01\x80"),
						     .count = 1,
						     .chunk = SPAN_LIT("id"),
						     .compressed = "gzip"}));
	static const char want[] = "\x93\xa1t\xdb\x00\x00\x00\x03\x92\x01\x80\x83\xa4size\x01\xa5"
				   "chunk\xa2id\xaa"
				   "compressed\xa4gzip";
	assert_int_equal(out.n, sizeof want - 1);
	assert_memory_equal(out.p, want, out.n);
	assert_true(span_is(forward_read_ack(SPAN_LIT("\x81\xa3"
						      "ack\xa2id")),
		"id"));
	assert_true(span_is(forward_read_ack(SPAN_LIT("\x81\xa3"
						      "ack\xc4\x02id")),
		"id"));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_packed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
