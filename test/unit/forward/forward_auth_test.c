/*
 * The handshake: test/vectors/handshake.json to the byte, and what must not get in. Run from the top of the source
 * tree.
 */
#include "forward/forward_auth.h"

#include "../record/bytes_util.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/un.h>
#include <cmocka.h>

static const uint8_t nonce[FORWARD_NONCE_LEN] = "0123456789abcdef";
static const uint8_t auth[FORWARD_NONCE_LEN] = "fedcba9876543210";

static struct sockaddr_storage address(const char *text)
{
	struct forward_client c;
	assert_true(forward_client_parse(text, &c));
	return c.net;
}

/* What a client sends. NULL: the right thing. */
struct client {
	const char *address, *hostname, *salt, *key, *username, *password;
};

static void put_text(struct buf *b, struct span s)
{
	buf_put(b, (uint8_t[]){0xd9, (uint8_t)s.n}, 2);
	buf_put_span(b, s);
}

static void sha512_hex(struct span all, char hex[129])
{
	uint8_t hash[SHA512_DIGEST_LENGTH];
	SHA512(all.p, all.n, hash);
	for (size_t i = 0; i < sizeof hash; i++)
		sprintf(hex + 2 * i, "%02x", hash[i]);
}

static void put_ping(struct buf *out, const struct client *c)
{
	struct buf b;
	char hex[129];
	buf_init(&b, 65536);
	buf_put(out, "\x96\xa4PING", 6);
	put_text(out, span_str(c->hostname));
	put_text(out, span_str(c->salt));
	buf_put_str(&b, c->salt);
	buf_put_str(&b, c->hostname);
	buf_put(&b, nonce, sizeof nonce);
	buf_put_str(&b, c->key);
	sha512_hex(buf_span(&b), hex);
	put_text(out, span_str(hex));
	put_text(out, span_str(c->username));
	buf_clear(&b);
	buf_put(&b, auth, sizeof auth);
	buf_put_str(&b, c->username);
	buf_put_str(&b, c->password ? c->password : "");
	sha512_hex(buf_span(&b), hex);
	put_text(out, span_str(c->password ? hex : ""));
	buf_free(&b);
}

static const char *judge(
	const struct forward_security *s, const char *peer, struct span ping, struct forward_ping *result)
{
	struct buf out;
	struct span exact = exact_copy(ping.p, ping.n);
	struct sockaddr_storage sa = address(peer);
	buf_init(&out, 4096);
	forward_judge_ping(
		s, nonce, auth, forward_find_client(s, (struct sockaddr *)&sa, NULL, NULL), exact, &out, result);
	exact_free(exact);
	assert_false(out.failed);
	assert_memory_equal(out.p, result->refusal ? "\x95\xa4PONG\xc2" : "\x95\xa4PONG\xc3", 7);
	if (result->refusal) {
		size_t n = strlen(result->refusal);
		assert_in_range(n, 1, 31);
		assert_int_equal(out.n, 7 + 1 + n + 2);
		assert_string_equal(result->client_hostname, "");
		assert_string_equal(result->username, "");
	}
	buf_free(&out);
	return result->refusal;
}

static const char *judge_client(const struct forward_security *s, const struct client *c)
{
	struct forward_ping result;
	struct buf b;
	buf_init(&b, 65536);
	put_ping(&b, c);
	const char *refusal = judge(s, c->address, buf_span(&b), &result);
	if (!refusal) {
		assert_string_equal(result.client_hostname, c->hostname);
		assert_string_equal(result.username, s->user_auth ? c->username : "");
	}
	buf_free(&b);
	return refusal;
}

/* ---- vectors -------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));
	return s ? s : "";
}

static size_t read_users(json_t *users, struct forward_user *to)
{
	size_t n = 0;
	const char *name;
	json_t *password;
	json_object_foreach(users, name, password)
		to[n++] = (struct forward_user){.username = name, .password = json_string_value(password)};
	return n;
}

static void run_vector(const json_t *v)
{
	struct forward_user users[8];
	struct forward_security s = {.self_hostname = text_of(v, "server_hostname"),
		.shared_key = text_of(v, "shared_key"),
		.allow_anonymous_source = true,
		.users = users};
	s.user_count = read_users(json_object_get(v, "users"), users);
	s.user_auth = s.user_count > 0;
	struct span n = exact_hex(text_of(v, "nonce_hex")), a = exact_hex(text_of(v, "auth_hex"));
	struct span helo = exact_hex(text_of(v, "helo_hex")), ping = exact_hex(text_of(v, "ping_hex"));
	struct span pong = exact_hex(text_of(v, "pong_hex"));
	struct sockaddr_storage peer = address("127.0.0.1");
	struct forward_ping result;
	struct buf out;
	size_t length;
	print_message("%s\n", text_of(v, "name"));
	buf_init(&out, 4096);
	assert_true(forward_put_helo(&out, n.p, a.n ? a.p : NULL, true));
	assert_true(span_eq(buf_span(&out), helo));
	for (size_t cut = 0; cut < ping.n; cut++) {
		struct span part = exact_copy(ping.p, cut);
		assert_true(forward_ping_length(part.p, cut, 4096, &length));
		assert_int_equal(length, 0);
		exact_free(part);
	}
	assert_true(forward_ping_length(ping.p, ping.n, 4096, &length));
	assert_int_equal(length, ping.n);
	buf_clear(&out);
	forward_judge_ping(&s, n.p, a.n ? a.p : NULL, forward_find_client(&s, (struct sockaddr *)&peer, NULL, NULL),
		ping, &out, &result);
	assert_true(span_eq(buf_span(&out), pong));
	assert_int_equal(result.refusal == NULL, json_is_true(json_object_get(v, "ok")));
	buf_free(&out);
	exact_free(n);
	exact_free(a);
	exact_free(helo);
	exact_free(ping);
	exact_free(pong);
}

static void test_vectors(void **state)
{
	(void)state;
	json_t *vectors = json_load_file("test/vectors/handshake.json", 0, NULL), *v;
	size_t i;
	assert_non_null(vectors);
	json_array_foreach(vectors, i, v) run_vector(v);
	print_message("%zu vectors\n", i);
	assert_int_equal(i, 15);
	json_decref(vectors);
}

/* ---- who gets in ---------------------------------------------------------------------------------- */

static const struct forward_user users[] = {
	{"alice", "wonderland"}, {"bob", "builder"}, {"bob", "second"}, {"eve", ""}};
static const char *const only_bob[] = {"bob", NULL};
static const char *const nobody[] = {NULL};

#define KEY "shared_key mismatch"
#define PWD "username/password mismatch"

static const struct {
	struct client client;
	const char *refusal;
} cases[] = {
	{{"10.1.2.3", "h", "salt", "key", "alice", "wonderland"}, NULL},
	{{"10.1.2.3", "h", "salt", "key", "bob", "builder"}, NULL},
	{{"10.1.2.3", "h", "salt", "key", "bob", "second"}, NULL},
	{{"10.1.2.3", "", "", "key", "bob", "second"}, NULL},
	{{"10.1.2.3", "h", "salt", "key", "eve", ""}, NULL},
	{{"10.1.2.3", "h", "salt", "key", "alice", "builder"}, PWD}, /* another's password */
	{{"10.1.2.3", "h", "salt", "key", "alice", "wonder"}, PWD},
	{{"10.1.2.3", "h", "salt", "key", "carol", "wonderland"}, PWD},
	{{"10.1.2.3", "h", "salt", "key", "alic", "ewonderland"}, PWD}, /* the same bytes in the digest */
	{{"10.1.2.3", "h", "salt", "key", "", ""}, PWD},
	{{"10.1.2.3", "h", "salt", "key", "alice", NULL}, PWD}, /* no digest at all */
	{{"10.1.2.3", "h", "salt", "Key", "alice", "wonderland"}, KEY},
	{{"10.1.2.3", "h", "salt", "", "alice", "wonderland"}, KEY},
	/* 192.168.0.0/16 has a key and users of its own */
	{{"192.168.7.7", "h", "salt", "own", "bob", "builder"}, NULL},
	{{"::ffff:192.168.7.7", "h", "salt", "own", "bob", "builder"}, NULL},
	{{"192.168.7.7", "h", "salt", "key", "bob", "builder"}, KEY},
	{{"192.168.7.7", "h", "salt", "own", "alice", "wonderland"}, PWD},
	/* fd00::/8 has the server's key, and any user */
	{{"fd12::1", "h", "salt", "key", "alice", "wonderland"}, NULL},
	{{"fd12::1", "h", "salt", "own", "alice", "wonderland"}, KEY},
	/* nobody else may come, unless anonymous sources may */
	{{"192.169.0.1", "h", "salt", "key", "alice", "wonderland"}, "denied"},
	{{"fe00::1", "h", "salt", "key", "alice", "wonderland"}, "denied"},
};

static struct forward_client clients[4];

static struct forward_security security(void)
{
	assert_true(forward_client_parse("10.1.2.3", &clients[0]));
	assert_true(forward_client_parse("192.168.0.0/16", &clients[1]));
	clients[1].shared_key = "own";
	clients[1].users = only_bob;
	assert_true(forward_client_parse("fd00::/8", &clients[2]));
	clients[2].users = nobody;
	assert_true(forward_client_parse("192.168.7.0/24", &clients[3])); /* never: an earlier one has it */
	clients[3].shared_key = "never";
	return (struct forward_security){.self_hostname = "server",
		.shared_key = "key",
		.user_auth = true,
		.users = users,
		.user_count = sizeof users / sizeof *users,
		.clients = clients,
		.client_count = sizeof clients / sizeof *clients};
}

static void test_who_gets_in(void **state)
{
	(void)state;
	struct forward_security s = security();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *refusal = judge_client(&s, &cases[i].client);
		if (!refusal != !cases[i].refusal || (refusal && strcmp(refusal, cases[i].refusal)))
			fail_msg("case %zu: %s", i, refusal ? refusal : "admitted");
	}
	struct client stranger = {"203.0.113.1", "h", "salt", "key", "alice", "wonderland"};
	assert_string_equal(judge_client(&s, &stranger), "denied");
	s.allow_anonymous_source = true;
	assert_null(judge_client(&s, &stranger));
	s.user_count = 0;
	assert_string_equal(judge_client(&s, &stranger), PWD);
	s.user_auth = false;
	assert_null(judge_client(&s, &stranger));
	s.shared_key = ""; /* Fluent Bit's Empty_Shared_Key */
	assert_string_equal(judge_client(&s, &stranger), KEY);
	stranger.key = "";
	assert_null(judge_client(&s, &stranger));
}

static void test_unix_socket_is_anonymous(void **state)
{
	(void)state;
	struct forward_security s = security();
	struct client c = {"10.1.2.3", "h", "salt", "key", "alice", "wonderland"};
	struct sockaddr_un peer = {.sun_family = AF_UNIX};
	struct forward_ping result;
	struct buf ping, out;
	buf_init(&ping, 4096);
	buf_init(&out, 4096);
	put_ping(&ping, &c);
	forward_judge_ping(&s, nonce, auth, forward_find_client(&s, (struct sockaddr *)&peer, NULL, NULL),
		buf_span(&ping), &out, &result);
	assert_string_equal(result.refusal, "denied");
	s.allow_anonymous_source = true;
	forward_judge_ping(&s, nonce, auth, forward_find_client(&s, (struct sockaddr *)&peer, NULL, NULL),
		buf_span(&ping), &out, &result);
	assert_null(result.refusal);
	buf_free(&ping);
	buf_free(&out);
}

/* Not one bit of a PING may change, and not one byte may be missing or be added. */
static void test_every_bit_counts(void **state)
{
	(void)state;
	struct forward_security s = security();
	struct client c = {"10.1.2.3", "client.example", "0123456789abcdef", "key", "alice", "wonderland"};
	struct forward_ping result;
	struct buf b;
	buf_init(&b, 4096);
	put_ping(&b, &c);
	assert_null(judge(&s, c.address, buf_span(&b), &result));
	for (size_t bit = 0; bit < 8 * b.n; bit++) {
		b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_non_null(judge(&s, c.address, buf_span(&b), &result));
		b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < b.n; n++)
		assert_string_equal(judge(&s, c.address, span_of(b.p, n), &result), "invalid ping message");
	for (unsigned extra = 0; extra < 256; extra++) {
		buf_put_byte(&b, (uint8_t)extra);
		assert_string_equal(judge(&s, c.address, buf_span(&b), &result), "invalid ping message");
		b.n--;
	}
	buf_free(&b);
}

static void test_types_of_fields(void **state)
{
	(void)state;
	static const char *const pings[] = {"96 a450494e47 a0 a0 a0 a0 c0", "96 a450494e47 01 a0 a0 a0 a0",
		"96 a450494e47 a0 90 a0 a0 a0", "96 a450494e47 a0 a0 80 a0 a0", "97 a450494e47 a0 a0 a0 a0 a0 a0",
		"95 a450494e47 a0 a0 a0 a0", "96 a450494e48 a0 a0 a0 a0 a0", "96 c3 a0 a0 a0 a0 a0", "c0", "90",
		"96 a470696e67 a0 a0 a0 a0 a0"};
	struct forward_security s = security();
	struct forward_ping result;
	for (size_t i = 0; i < sizeof pings / sizeof *pings; i++) {
		struct span in = exact_hex(pings[i]);
		assert_string_equal(judge(&s, "10.1.2.3", in, &result), "invalid ping message");
		exact_free(in);
	}
}

static void test_names_for_the_log(void **state)
{
	(void)state;
	struct forward_security s = {.self_hostname = "server", .shared_key = "key", .allow_anonymous_source = true};
	struct forward_ping result;
	struct client c = {"10.1.2.3",
		"a\xff"
		"b",
		"salt", "key", "", ""};
	struct buf b;
	char name[256] = "x";
	buf_init(&b, 65536);
	put_ping(&b, &c);
	assert_null(judge(&s, c.address, buf_span(&b), &result));
	assert_string_equal(result.client_hostname, "a\xef\xbf\xbd"
						    "b");
	for (size_t n = 1; n < 253; n += 2)
		memcpy(name + n, "\xc3\xa9", 3);
	assert_int_equal(strlen(name), 253);
	c.hostname = name;
	buf_clear(&b);
	put_ping(&b, &c);
	assert_null(judge(&s, c.address, buf_span(&b), &result));
	assert_string_equal(result.client_hostname, name);
	strcpy(name + 253, "\xe2"); /* repaired it has 256 bytes: one too many, and no half of a character stays */
	buf_clear(&b);
	put_ping(&b, &c);
	assert_null(judge(&s, c.address, buf_span(&b), &result));
	assert_int_equal(strlen(result.client_hostname), 253);
	buf_free(&b);
}

static void test_no_room_for_pong(void **state)
{
	(void)state;
	struct forward_security s = {.self_hostname = "server", .shared_key = "key", .allow_anonymous_source = true};
	struct client c = {"10.1.2.3", "h", "salt", "key", "", ""};
	struct sockaddr_storage peer = address("10.1.2.3");
	struct forward_ping result;
	struct buf ping, out;
	buf_init(&ping, 4096);
	buf_init(&out, 100);
	put_ping(&ping, &c);
	forward_judge_ping(&s, nonce, auth, forward_find_client(&s, (struct sockaddr *)&peer, NULL, NULL),
		buf_span(&ping), &out, &result);
	assert_true(out.failed);
	buf_free(&out);
	buf_init(&out, 10);
	assert_false(forward_put_helo(&out, nonce, NULL, true));
	buf_free(&ping);
	buf_free(&out);
}

/* ---- lengths and addresses ------------------------------------------------------------------------ */

static const struct {
	const char *hex;
	bool ok;
	size_t length;
} lengths[] = {
	{"", true, 0},
	{"c0", true, 1},
	{"47455420", true, 1}, /* "GET " is the integer 71: whole, and refused by the judge */
	{"c1", false, 0},
	{"92c0c1", false, 0},
	{"96", true, 0},
	{"dc0ffd", true, 0},
	{"dc0ffe", false, 0},
	{"ddffffffff", false, 0},
	{"96dbffffffff", false, 0},
	{"96da1000", false, 0},
	{"dfffffffff", false, 0},
	{"9f9f9f9f9f9f9f9f", true, 0},
	{"9201c0c0", true, 3},
};

static void test_ping_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct span in = exact_hex(lengths[i].hex);
		size_t length = 77;
		if (forward_ping_length(in.p, in.n, 4096, &length) != lengths[i].ok || length != lengths[i].length)
			fail_msg("%s: %zu", lengths[i].hex, length);
		exact_free(in);
	}
	uint8_t exact[4096] = {0xda, 0x0f, 0xfd};
	size_t length;
	assert_true(forward_ping_length(exact, sizeof exact, sizeof exact, &length));
	assert_int_equal(length, sizeof exact);
	assert_false(forward_ping_length(exact, sizeof exact, sizeof exact - 1, &length));
}

static const struct {
	const char *net, *peer;
	bool match;
} nets[] = {
	{"10.0.0.0/8", "10.255.255.255", true},
	{"10.0.0.0/8", "11.0.0.0", false},
	{"10.1.2.3/8", "10.9.9.9", true},
	{"10.1.2.3", "10.1.2.3", true},
	{"10.1.2.3", "10.1.2.2", false},
	{"10.1.2.3/32", "10.1.2.3", true},
	{"10.1.2.2/31", "10.1.2.3", true},
	{"10.1.2.2/31", "10.1.2.4", false},
	{"172.16.0.0/12", "172.31.255.255", true},
	{"172.16.0.0/12", "172.32.0.0", false},
	{"0.0.0.0/0", "203.0.113.9", true},
	{"0.0.0.0/0", "::1", false},
	{"0.0.0.0/0", "::ffff:203.0.113.9", true},
	{"10.0.0.0/8", "::ffff:10.1.1.1", true},
	{"::ffff:10.0.0.0/104", "10.1.1.1", true},
	{"::ffff:10.0.0.0/104", "11.1.1.1", false},
	{"::1", "::1", true},
	{"::1", "::2", false},
	{"fd00::/8", "fdff::1", true},
	{"fd00::/8", "fe00::1", false},
	{"2001:db8::/33", "2001:db8:7fff::1", true},
	{"2001:db8::/33", "2001:db8:8000::1", false},
	{"::/0", "2001:db8::1", true},
	{"::/0", "10.0.0.1", false},
};

static void test_networks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
		struct forward_client c = {0};
		struct forward_security s = {
			.self_hostname = "server", .shared_key = "key", .clients = &c, .client_count = 1};
		struct client client = {nets[i].peer, "h", "salt", "key", "", ""};
		assert_true(forward_client_parse(nets[i].net, &c));
		const char *refusal = judge_client(&s, &client);
		if ((refusal == NULL) != nets[i].match)
			fail_msg("%s %s", nets[i].net, nets[i].peer);
	}
	static const char *const none[] = {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
		"10.0.0/8", "10.0.0.0/99999999999999999999", "fd00::/129", "host.example", "fe80::1%eth0",
		"10.0.0.0 /8", " 10.0.0.0", "10.0.0.0/ 8", "1234:1234:1234:1234:1234:1234:1234:1234:1234:1234/8"};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		struct forward_client c;
		if (forward_client_parse(none[i], &c))
			fail_msg("'%s'", none[i]);
	}
}

static bool has_name(const void *arg, const char *pattern)
{
	return strcmp(arg, pattern) == 0;
}

/* The first <client> counts, by its network or by a name in the certificate. */
static void test_find_client(void **state)
{
	struct forward_client list[4] = {{.certificate_name = "ann"}, {0}, {.certificate_name = "bob"}, {0}};
	const struct forward_security s = {.clients = list, .client_count = 4};
	static const struct {
		const char *peer, *name;
		int found; /* -1: none */
	} peers[] = {
		{"10.1.2.3", NULL, 1},
		{"10.1.2.3", "ann", 0},
		{"10.1.2.3", "bob", 1},
		{"192.168.0.1", "bob", 2},
		{"192.168.0.1", "carl", -1},
		{"192.168.0.1", NULL, -1},
		{"::ffff:10.1.2.3", NULL, 1},
		{"fd00::1", NULL, 3},
	};
	const struct sockaddr_un path = {.sun_family = AF_UNIX};
	(void)state;
	assert_true(forward_client_parse("10.0.0.0/8", &list[1]));
	assert_true(forward_client_parse("fd00::/8", &list[3]));
	for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
		struct sockaddr_storage sa = address(peers[i].peer);
		const struct forward_client *c = forward_find_client(
			&s, (struct sockaddr *)&sa, peers[i].name ? has_name : NULL, peers[i].name);
		assert_int_equal(c ? c - list : -1, peers[i].found);
	}
	assert_null(forward_find_client(&s, (const struct sockaddr *)&path, NULL, NULL));
	assert_ptr_equal(forward_find_client(&s, (const struct sockaddr *)&path, has_name, "ann"), &list[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_client),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_who_gets_in),
		cmocka_unit_test(test_unix_socket_is_anonymous),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_types_of_fields),
		cmocka_unit_test(test_names_for_the_log),
		cmocka_unit_test(test_no_room_for_pong),
		cmocka_unit_test(test_ping_length),
		cmocka_unit_test(test_networks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
