#include "forward/forward_auth.h"

#include "base/bytes.h"
#include "forward/forward_text.h"
#include "record/msgpack_class.h"
#include "record/msgpack_scan.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

#define SHA512_LEN 64
#define HEX_LEN	   ((size_t)2 * SHA512_LEN)

/* Told to the client, and to the log. */
#define INVALID_PING	  "invalid ping message"
#define DENIED		  "denied"
#define KEY_MISMATCH	  "shared_key mismatch"
#define PASSWORD_MISMATCH "username/password mismatch"
#define NO_DIGEST	  "no digest" /* OpenSSL failed */
_Static_assert(sizeof PASSWORD_MISMATCH <= 32, "Fluent Bit copies a reason into char[32]");

/* ["PING", client hostname, salt, digest of the shared key, user name, digest of the password] */
enum ping_field {
	PING_WORD,
	PING_HOSTNAME,
	PING_SALT,
	PING_KEY_DIGEST,
	PING_USERNAME,
	PING_PASSWORD_DIGEST,
	PING_FIELDS
};

/* ---- digests -------------------------------------------------------------------------------------- */

/* SHA-512 of the parts one behind the other, in lower-case hex. */
static bool digest(const struct span *parts, size_t count, char hex[HEX_LEN])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hash[SHA512_LEN];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1;
	for (size_t i = 0; i < count && ok; i++)
		ok = EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) == 1;
	ok = ok && EVP_DigestFinal_ex(ctx, hash, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	for (size_t i = 0; i < SHA512_LEN && ok; i++) {
		hex[2 * i] = digits[hash[i] >> 4];
		hex[2 * i + 1] = digits[hash[i] & 15];
	}
	return ok;
}

/* Takes the same time wherever two texts of one length differ. */
static bool same_text(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

/* ---- addresses ------------------------------------------------------------------------------------ */

/* An address in network order; IPv4 as itself, also where it came mapped into IPv6. */
struct address {
	uint8_t bytes[16];
	unsigned bits; /* 32 or 128 */
};

static bool address_of(const struct sockaddr *sa, struct address *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	*a = (struct address){0};
	if (sa->sa_family == AF_INET) {
		memcpy(a->bytes, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		a->bits = 32;
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(a->bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	a->bits = 128;
	if (memcmp(a->bytes, mapped, sizeof mapped) == 0) {
		memmove(a->bytes, a->bytes + 12, 4);
		a->bits = 32;
	}
	return true;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

static bool is_client(const struct forward_client *c, const struct address *peer)
{
	struct address net;
	unsigned prefix = c->prefix;
	if (!address_of((const struct sockaddr *)&c->net, &net) || net.bits != peer->bits)
		return false;
	if (c->net.ss_family == AF_INET6 && net.bits == 32) /* "::ffff:10.0.0.0/104" */
		prefix = prefix < 96 ? 0 : prefix - 96;
	return same_prefix(net.bytes, peer->bytes, prefix);
}

/* As in fluentd, the order of the configuration decides. */
const struct forward_client *forward_find_client(const struct forward_security *s, const struct sockaddr *peer,
	bool (*has_name)(const void *arg, const char *pattern), const void *arg)
{
	struct address a;
	bool has_address = address_of(peer, &a);
	for (size_t i = 0; i < s->client_count; i++) {
		const struct forward_client *c = &s->clients[i];
		if (c->certificate_name ? has_name && has_name(arg, c->certificate_name)
					: has_address && is_client(c, &a))
			return c;
	}
	return NULL;
}

bool forward_client_parse(const char *text, struct forward_client *c)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	unsigned most;
	if (n >= sizeof address)
		return false;
	memcpy(address, text, n);
	address[n] = 0;
	memset(&c->net, 0, sizeof c->net);
	if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
		memcpy(&c->net, &in, sizeof in);
		most = 32;
	} else if (inet_pton(AF_INET6, address, &in6.sin6_addr) == 1) {
		memcpy(&c->net, &in6, sizeof in6);
		most = 128;
	} else {
		return false;
	}
	c->prefix = most;
	if (!slash)
		return true;
	unsigned prefix = 0;
	const char *p = slash + 1;
	for (; *p >= '0' && *p <= '9' && prefix <= most; p++)
		prefix = prefix * 10 + (unsigned)(*p - '0');
	c->prefix = prefix;
	return p != slash + 1 && *p == 0 && prefix <= most;
}

/* ---- what we send --------------------------------------------------------------------------------- */

static void put_str(struct buf *out, const char *s)
{
	size_t n = strlen(s);
	uint8_t head[5];
	if (n < 32) {
		buf_put_byte(out, (uint8_t)(0xa0 | n));
	} else if (n < 256) {
		buf_put(out, (uint8_t[]){0xd9, (uint8_t)n}, 2);
	} else {
		head[0] = 0xdb;
		be32_put(head + 1, (uint32_t)n);
		buf_put(out, head, sizeof head);
	}
	buf_put(out, s, n);
}

/* bin8: Node's logger authenticates users only if `auth` comes as bin. */
static void put_bin(struct buf *out, const uint8_t *p, uint8_t n)
{
	buf_put(out, (uint8_t[]){0xc4, n}, 2);
	buf_put(out, p, n);
}

bool forward_put_helo(struct buf *out, const uint8_t nonce[FORWARD_NONCE_LEN], const uint8_t *auth, bool keepalive)
{
	buf_put_byte(out, 0x92);
	put_str(out, "HELO");
	buf_put_byte(out, 0x83);
	put_str(out, "nonce");
	put_bin(out, nonce, FORWARD_NONCE_LEN);
	put_str(out, "auth");
	put_bin(out, auth, auth ? FORWARD_NONCE_LEN : 0);
	put_str(out, "keepalive");
	return buf_put_byte(out, keepalive ? 0xc3 : 0xc2);
}

static void put_pong(struct buf *out, const char *refusal, const char *hostname, const char hex[HEX_LEN])
{
	buf_put_byte(out, 0x95);
	put_str(out, "PONG");
	buf_put_byte(out, refusal ? 0xc2 : 0xc3);
	put_str(out, refusal ? refusal : "");
	put_str(out, refusal ? "" : hostname);
	if (refusal) {
		put_str(out, "");
	} else {
		buf_put(out, (uint8_t[]){0xd9, (uint8_t)HEX_LEN}, 2);
		buf_put(out, hex, HEX_LEN);
	}
}

/* ---- the judgement -------------------------------------------------------------------------------- */

/* An array of six str or bin, the first of them PING, and nothing behind it. */
static bool read_ping(struct span ping, struct span field[PING_FIELDS])
{
	const uint8_t *p = ping.p, *end = ping.p + ping.n;
	struct mp_token t;
	if (mp_read(&p, end, &t) != MP_OK || t.type != MP_ARRAY || t.count != PING_FIELDS)
		return false;
	for (size_t i = 0; i < PING_FIELDS; i++) {
		if (mp_read(&p, end, &t) != MP_OK || (t.type != MP_STR && t.type != MP_BIN))
			return false;
		field[i] = t.body;
	}
	return p == end && span_is(field[PING_WORD], "PING");
}

static bool may_be_user(const struct forward_client *client, const char *name)
{
	if (!client || !client->users || !client->users[0])
		return true;
	for (const char *const *u = client->users; *u; u++)
		if (strcmp(*u, name) == 0)
			return true;
	return false;
}

/*
 * Every user's digest is computed and compared, whoever is named: the time tells nothing about which users there
 * are. Several users of one name are several passwords.
 */
static const char *judge_user(const struct forward_security *s, const struct forward_client *client,
	const uint8_t *auth, const struct span field[PING_FIELDS], const struct forward_user **user)
{
	*user = NULL;
	for (size_t i = 0; i < s->user_count; i++) {
		const struct forward_user *u = &s->users[i];
		char hex[HEX_LEN];
		const struct span parts[] = {
			span_of(auth, auth ? FORWARD_NONCE_LEN : 0), field[PING_USERNAME], span_str(u->password)};
		if (!digest(parts, 3, hex))
			return NO_DIGEST;
		bool right = same_text(field[PING_PASSWORD_DIGEST], span_of(hex, HEX_LEN));
		bool named = same_text(field[PING_USERNAME], span_str(u->username));
		if (right & named & may_be_user(client, u->username) & !*user)
			*user = u;
	}
	return *user ? NULL : PASSWORD_MISMATCH;
}

/* NULL if the client is admitted; `hex` is the digest for the PONG then. */
static const char *judge(const struct forward_security *s, const uint8_t *nonce, const uint8_t *auth,
	const struct forward_client *client, const struct span field[PING_FIELDS], char hex[HEX_LEN],
	const struct forward_user **user)
{
	if (!client && !s->allow_anonymous_source)
		return DENIED;
	struct span key = span_str(client && client->shared_key ? client->shared_key : s->shared_key);
	struct span parts[] = {field[PING_SALT], field[PING_HOSTNAME], span_of(nonce, FORWARD_NONCE_LEN), key};
	if (!digest(parts, 4, hex))
		return NO_DIGEST;
	if (!same_text(field[PING_KEY_DIGEST], span_of(hex, HEX_LEN)))
		return KEY_MISMATCH;
	const char *refusal = s->user_auth ? judge_user(s, client, auth, field, user) : NULL;
	parts[1] = span_str(s->self_hostname);
	return refusal ? refusal : digest(parts, 4, hex) ? NULL : NO_DIGEST;
}

/* For the log: UTF-8, cut where a character ends, without 0 bytes. */
static void set_name(char *to, size_t size, struct span name)
{
	struct buf b;
	size_t n = 0;
	buf_init(&b, 3 * name.n);
	if (forward_text_repair(&b, name)) {
		n = b.n < size ? b.n : size - 1;
		while (n < b.n && n && (b.p[n] & 0xc0) == 0x80)
			n--;
	}
	for (size_t i = 0; i < n; i++)
		to[i] = b.p[i] ? (char)b.p[i] : '?';
	to[n] = 0;
	buf_free(&b);
}

void forward_judge_ping(const struct forward_security *s, const uint8_t nonce[FORWARD_NONCE_LEN], const uint8_t *auth,
	const struct forward_client *client, struct span ping, struct buf *out, struct forward_ping *result)
{
	struct span field[PING_FIELDS] = {{0}};
	char hex[HEX_LEN] = "";
	*result = (struct forward_ping){.refusal = INVALID_PING};
	if (read_ping(ping, field))
		result->refusal = judge(s, nonce, auth, client, field, hex, &result->user);
	put_pong(out, result->refusal, s->self_hostname, hex);
	if (result->refusal)
		return;
	set_name(result->client_hostname, sizeof result->client_hostname, field[PING_HOSTNAME]);
	if (s->user_auth)
		set_name(result->username, sizeof result->username, field[PING_USERNAME]);
}

bool forward_ping_length(const uint8_t *p, size_t n, size_t max, size_t *length)
{
	size_t at = 0;
	*length = 0;
	for (uint64_t left = 1; left; left--) {
		uint64_t kids;
		if (left > max - at)
			return false;
		if (at == n)
			return true;
		uint64_t size = mp_token_size(p + at, n - at, &kids);
		if (size == 0 || size > max - at)
			return false;
		if (size > n - at)
			return true;
		at += (size_t)size;
		left += kids;
	}
	*length = at;
	return true;
}
