#include "forward/forward_client.h"

#include "base/utf8.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define HEX_LEN 128 /* of a SHA-512 */

/* SHA-512 of the parts one behind the other, as lower-case hex. */
static bool digest(char hex[HEX_LEN], const struct span *parts, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char out[64];
	unsigned n = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1;
	for (size_t i = 0; i < count && ok; i++)
		ok = EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) == 1;
	ok = ok && EVP_DigestFinal_ex(ctx, out, &n) == 1 && n == sizeof out;
	EVP_MD_CTX_free(ctx);
	for (size_t i = 0; i < sizeof out && ok; i++) {
		hex[2 * i] = digits[out[i] >> 4];
		hex[2 * i + 1] = digits[out[i] & 15];
	}
	return ok;
}

/* The next text (str or bin). */
static bool read_text(const uint8_t **p, const uint8_t *end, struct span *text)
{
	struct mp_token t;
	if (mp_read(p, end, &t) != MP_OK || (t.type != MP_STR && t.type != MP_BIN))
		return false;
	*text = t.body;
	return true;
}

static bool begins_with(const uint8_t **p, const uint8_t *end, uint32_t count, const char *name)
{
	struct mp_token t;
	struct span text;
	return mp_read(p, end, &t) == MP_OK && t.type == MP_ARRAY && t.count >= count && read_text(p, end, &text) &&
	       span_is(text, name);
}

static struct span text_in(struct span map, const char *key)
{
	struct span value = mp_map_get(map, span_str(key)), text = {0};
	const uint8_t *p = value.p;
	return value.n && read_text(&p, p + value.n, &text) ? text : (struct span){0};
}

bool forward_read_helo(struct span message, struct forward_helo *h, struct err *err)
{
	const uint8_t *p = message.p, *end = p + message.n;
	struct mp_token t;
	*h = (struct forward_helo){.keepalive = true};
	if (!begins_with(&p, end, 2, "HELO"))
		return err_set(err, "received invalid helo message");
	struct span options = span_of(p, (size_t)(end - p));
	h->nonce = text_in(options, "nonce");
	h->auth = text_in(options, "auth");
	struct span keepalive = mp_map_get(options, SPAN_LIT("keepalive"));
	p = keepalive.p;
	if (keepalive.n && mp_read(&p, p + keepalive.n, &t) == MP_OK && t.type == MP_BOOL)
		h->keepalive = t.b;
	return true;
}

bool forward_put_ping(
	struct buf *out, const struct forward_credentials *c, const struct forward_helo *h, const char *salt)
{
	char key[HEX_LEN], password[HEX_LEN];
	struct span key_parts[] = {
		span_of(salt, FORWARD_SALT_LEN), span_str(c->self_hostname), h->nonce, span_str(c->shared_key)};
	struct span password_parts[] = {h->auth, span_str(c->username), span_str(c->password)};
	if (!digest(key, key_parts, 4) || !digest(password, password_parts, 3))
		return false;
	mp_put_array_head(out, 6);
	mp_put_str(out, SPAN_LIT("PING"));
	mp_put_str(out, span_str(c->self_hostname));
	mp_put_str(out, span_of(salt, FORWARD_SALT_LEN));
	mp_put_str(out, span_of(key, HEX_LEN));
	mp_put_str(out, h->auth.n ? span_str(c->username) : (struct span){0});
	mp_put_str(out, h->auth.n ? span_of(password, HEX_LEN) : (struct span){0});
	return !out->failed;
}

static void printable(char *out, size_t size, struct span text)
{
	size_t n = 0;
	for (; n < text.n && n + 1 < size; n++)
		out[n] = (char)(text.p[n] >= ' ' && text.p[n] < 0x7f ? text.p[n] : '?');
	out[n] = 0;
}

bool forward_check_pong(
	struct span message, const struct forward_credentials *c, struct span nonce, const char *salt, struct err *err)
{
	const uint8_t *p = message.p, *end = p + message.n;
	struct mp_token ok;
	struct span reason, hostname, proof;
	char text[200], want[HEX_LEN];
	if (!begins_with(&p, end, 5, "PONG") || mp_read(&p, end, &ok) != MP_OK || ok.type != MP_BOOL ||
		!read_text(&p, end, &reason) || !read_text(&p, end, &hostname) || !read_text(&p, end, &proof))
		return err_set(err, "invalid format for PONG message");
	if (!ok.b) {
		printable(text, sizeof text, reason);
		return err_set(err, "authentication failed: %s", text);
	}
	if (span_is(hostname, c->self_hostname))
		return err_set(err, "same hostname between input and output: invalid configuration: give self_hostname "
				    "another value on one of the two sides");
	struct span parts[] = {span_of(salt, FORWARD_SALT_LEN), hostname, nonce, span_str(c->shared_key)};
	if (!digest(want, parts, 4) || proof.n != HEX_LEN || CRYPTO_memcmp(want, proof.p, HEX_LEN) != 0)
		return err_set(err, "shared key mismatch: the server does not know our key");
	return true;
}

bool forward_put_packed(struct buf *out, const struct forward_packed *m)
{
	if (m->entries.n > UINT32_MAX)
		return false;
	mp_put_array_head(out, 3);
	mp_put_str(out, m->tag);
	mp_put_head(out, 0xdb, m->entries.n, 4); /* str32, as fluentd sends it: servers of all ages take it */
	buf_put_span(out, m->entries);
	mp_put_map_head(out, 1u + (m->chunk.n != 0) + (m->compressed != NULL));
	mp_put_str(out, SPAN_LIT("size"));
	mp_put_uint(out, m->count);
	if (m->chunk.n) {
		mp_put_str(out, SPAN_LIT("chunk"));
		mp_put_str(out, m->chunk);
	}
	if (m->compressed) {
		mp_put_str(out, SPAN_LIT("compressed"));
		mp_put_str(out, span_str(m->compressed));
	}
	return !out->failed;
}

struct span forward_read_ack(struct span message)
{
	return text_in(message, "ack");
}
