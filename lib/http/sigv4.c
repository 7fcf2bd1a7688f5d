#include "http/sigv4.h"

#include "base/mem.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <time.h>

#define HASH	  32
#define TEXT_MAX  ((size_t)1 << 20)
#define PARTS_MAX 256 /* of a query */

static char *copy(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

static void free_secret(char *s)
{
	if (s)
		mem_free_secret(s, strlen(s));
}

void sigv4_keys_free(struct sigv4_keys *k)
{
	free_secret(k->access_key);
	free_secret(k->secret_key);
	free_secret(k->session_token);
	*k = (struct sigv4_keys){0};
}

void sigv4_keys_copy(struct sigv4_keys *to, const struct sigv4_keys *from)
{
	*to = (struct sigv4_keys){
		copy(from->access_key), copy(from->secret_key), from->session_token ? copy(from->session_token) : NULL};
}

/* ---- texts ------------------------------------------------------------------------------------------------------------ */

static bool is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

static void put_encoded(struct buf *out, uint8_t c)
{
	static const char hex[] = "0123456789ABCDEF";
	if (is_plain(c))
		buf_put_byte(out, c);
	else
		buf_put(out, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
}

void sigv4_put_encoded(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		put_encoded(out, text.p[i]);
}

static int hex_digit(uint8_t c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Decoded and encoded again: one way to write it. */
static void put_normal(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (c == '%' && i + 2 < text.n && hex_digit(text.p[i + 1]) >= 0 && hex_digit(text.p[i + 2]) >= 0) {
			c = (uint8_t)(hex_digit(text.p[i + 1]) * 16 + hex_digit(text.p[i + 2]));
			i += 2;
		}
		put_encoded(out, c);
	}
}

static void put_hex(struct buf *out, const uint8_t hash[HASH])
{
	for (size_t i = 0; i < HASH; i++)
		buf_printf(out, "%02x", hash[i]);
}

/* ---- a request, written in one way ------------------------------------------------------------------------------------ */

struct part {
	char *name, *value;
};

static int by_name(const void *a, const void *b)
{
	const struct part *x = a, *y = b;
	const int order = strcmp(x->name, y->name);
	return order ? order : strcmp(x->value, y->value);
}

static char *normal(struct span text)
{
	struct buf b;
	buf_init(&b, TEXT_MAX);
	put_normal(&b, text);
	char *made = buf_take(&b);
	buf_free(&b);
	return made ? made : mem_strdup("");
}

static void put_query(struct buf *out, struct span query)
{
	struct part parts[PARTS_MAX];
	const uint8_t *p = query.p, *end = p + query.n;
	size_t n = 0;
	for (; p < end && n < PARTS_MAX; n++) {
		const uint8_t *to = memchr(p, '&', (size_t)(end - p));
		to = to ? to : end;
		const uint8_t *equals = memchr(p, '=', (size_t)(to - p));
		const uint8_t *name_end = equals ? equals : to;
		parts[n].name = normal(span_of(p, (size_t)(name_end - p)));
		parts[n].value = normal(equals ? span_of(equals + 1, (size_t)(to - equals - 1)) : span_str(""));
		p = to + (to < end);
	}
	if (n)
		qsort(parts, n, sizeof *parts, by_name);
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%s%s=%s", i ? "&" : "", parts[i].name, parts[i].value);
		mem_free(parts[i].name);
		mem_free(parts[i].value);
	}
}

/* As services other than S3 have it: without empty parts and dots, what is encoded is encoded once more. */
static void put_path(struct buf *out, struct span path)
{
	const uint8_t *p = path.p, *end = p + path.n;
	const bool folder = path.n && end[-1] == '/';
	const size_t start = out->n;
	while (p < end) {
		const uint8_t *to = memchr(p, '/', (size_t)(end - p));
		to = to ? to : end;
		const struct span part = span_of(p, (size_t)(to - p));
		p = to + (to < end);
		if (!part.n || span_is(part, "."))
			continue;
		if (span_is(part, "..")) {
			while (out->n > start && out->p[--out->n] != '/')
				continue;
			continue;
		}
		buf_put_byte(out, '/');
		sigv4_put_encoded(out, part);
	}
	if (out->n == start || folder)
		buf_put_byte(out, '/');
}

struct url {
	struct span origin; /* with scheme */
	struct span host;   /* as the Host header has it */
	struct span path, query;
};

static bool split_url(const char *text, struct url *u)
{
	const char *host = strstr(text, "://");
	if (!host)
		return false;
	host += 3;
	const size_t n = strcspn(host, "/?#");
	const char *path = host + n;
	const size_t path_n = strcspn(path, "?#");
	const char *query = path[path_n] == '?' ? path + path_n + 1 : "";
	const char *at = memchr(host, '@', n);
	u->origin = span_of(text, (size_t)(path - text));
	u->host = at ? span_of(at + 1, (size_t)(path - at - 1)) : span_of(host, n);
	u->path = span_of(path, path_n);
	u->query = span_of(query, strcspn(query, "#"));
	/* The scheme's own port is not in the Host header. */
	const char *own = strncmp(text, "https:", 6) == 0 ? ":443" : ":80";
	const size_t own_n = strlen(own);
	if (u->host.n > own_n && memcmp(u->host.p + u->host.n - own_n, own, own_n) == 0)
		u->host.n -= own_n;
	return u->host.n > 0;
}

/* ---- signing ---------------------------------------------------------------------------------------------------------- */

struct signing {
	const struct sigv4_signer *s;
	const struct sigv4_keys *keys;
	const struct sigv4_request *q;
	struct url url;
	char date[20];	    /* 20150830T123600Z */
	struct buf query;   /* written in one way */
	struct buf headers; /* signed ones, a line each */
	struct buf names;   /* of these, with ; in between */
	struct buf text;
	char body_hash[2 * HASH + 1];
};

static bool hash_of(struct span text, uint8_t hash[HASH])
{
	return EVP_Digest(text.n ? text.p : (const uint8_t *)"", text.n, hash, NULL, EVP_sha256(), NULL) == 1;
}

static bool hmac(const uint8_t *key, size_t n, struct span text, uint8_t out[HASH])
{
	return HMAC(EVP_sha256(), key, (int)n, text.p, text.n, out, NULL) != NULL;
}

static void put_header(struct signing *g, const char *name, struct span value)
{
	buf_printf(&g->headers, "%s:", name);
	buf_put_span(&g->headers, value);
	buf_put_byte(&g->headers, '\n');
	buf_printf(&g->names, "%s%s", g->names.n ? ";" : "", name);
}

/* In the order of their names. */
static bool collect(struct signing *g)
{
	uint8_t hash[HASH];
	struct buf hex;
	if (!hash_of(g->q->body, hash))
		return false;
	buf_init(&hex, sizeof g->body_hash);
	put_hex(&hex, hash);
	memcpy(g->body_hash, hex.p, hex.n);
	buf_free(&hex);
	put_query(&g->query, g->url.query);
	if (g->q->content_type)
		put_header(g, "content-type", span_str(g->q->content_type));
	put_header(g, "host", g->url.host);
	put_header(g, "x-amz-content-sha256", span_str(g->body_hash));
	put_header(g, "x-amz-date", span_str(g->date));
	if (g->keys->session_token)
		put_header(g, "x-amz-security-token", span_str(g->keys->session_token));
	return true;
}

/* g->text: the request that is signed. */
static void put_request(struct signing *g)
{
	buf_printf(&g->text, "%s\n", g->q->method);
	put_path(&g->text, g->url.path);
	buf_put_byte(&g->text, '\n');
	buf_put_span(&g->text, buf_span(&g->query));
	buf_put_byte(&g->text, '\n');
	buf_put_span(&g->text, buf_span(&g->headers));
	buf_put_byte(&g->text, '\n');
	buf_put_span(&g->text, buf_span(&g->names));
	buf_printf(&g->text, "\n%s", g->body_hash);
}

/* "20150830/us-east-1/es/aws4_request" */
static void put_scope(struct signing *g, struct buf *out)
{
	buf_printf(out, "%.8s/%s/%s/aws4_request", g->date, g->s->region, g->s->service);
}

static bool derive_key(const struct signing *g, uint8_t key[HASH])
{
	char *first = mem_printf("AWS4%s", g->keys->secret_key);
	const bool ok = hmac((const uint8_t *)first, strlen(first), span_of(g->date, 8), key) &&
			hmac(key, HASH, span_str(g->s->region), key) && hmac(key, HASH, span_str(g->s->service), key) &&
			hmac(key, HASH, span_str("aws4_request"), key);
	free_secret(first);
	return ok;
}

/* g->text: the Authorization header. */
static bool authorize(struct signing *g)
{
	uint8_t hash[HASH], key[HASH], signature[HASH];
	put_request(g);
	if (g->text.failed || !hash_of(buf_span(&g->text), hash))
		return false;
	buf_clear(&g->text);
	buf_printf(&g->text, "AWS4-HMAC-SHA256\n%s\n", g->date);
	put_scope(g, &g->text);
	buf_put_byte(&g->text, '\n');
	put_hex(&g->text, hash);
	if (g->text.failed || !derive_key(g, key) || !hmac(key, HASH, buf_span(&g->text), signature))
		return false;
	buf_clear(&g->text);
	buf_printf(&g->text, "Authorization: AWS4-HMAC-SHA256 Credential=%s/", g->keys->access_key);
	put_scope(g, &g->text);
	buf_put_str(&g->text, ", SignedHeaders=");
	buf_put_span(&g->text, buf_span(&g->names));
	buf_put_str(&g->text, ", Signature=");
	put_hex(&g->text, signature);
	return !g->text.failed && !g->names.failed && !g->headers.failed && !g->query.failed;
}

static void give_out(struct signing *g, struct sigv4_signed *out)
{
	size_t n = 0;
	out->url = mem_printf("%.*s%.*s%s%s", (int)g->url.origin.n, (const char *)g->url.origin.p, (int)g->url.path.n,
		(const char *)g->url.path.p, g->query.n ? "?" : "", g->query.n ? buf_cstr(&g->query) : "");
	out->headers[n++] = buf_take(&g->text);
	out->headers[n++] = mem_printf("X-Amz-Date: %s", g->date);
	out->headers[n++] = mem_printf("X-Amz-Content-Sha256: %s", g->body_hash);
	if (g->keys->session_token)
		out->headers[n++] = mem_printf("X-Amz-Security-Token: %s", g->keys->session_token);
}

bool sigv4_sign(const struct sigv4_signer *s, const struct sigv4_keys *keys, const struct sigv4_request *q,
	struct sigv4_signed *out, struct err *err)
{
	struct signing g = {.s = s, .keys = keys, .q = q};
	struct tm tm;
	const time_t now = (time_t)q->time_s;
	*out = (struct sigv4_signed){0};
	if (!split_url(q->url, &g.url))
		return err_set(err, "%s is no URL that can be signed", q->url);
	gmtime_r(&now, &tm);
	strftime(g.date, sizeof g.date, "%Y%m%dT%H%M%SZ", &tm);
	buf_init(&g.query, TEXT_MAX);
	buf_init(&g.headers, TEXT_MAX);
	buf_init(&g.names, TEXT_MAX);
	buf_init(&g.text, TEXT_MAX);
	const bool ok = collect(&g) && authorize(&g);
	if (ok)
		give_out(&g, out);
	buf_free(&g.query);
	buf_free(&g.headers);
	buf_free(&g.names);
	buf_free(&g.text);
	return ok || err_set(err, "the request cannot be signed");
}

void sigv4_signed_free(struct sigv4_signed *s)
{
	mem_free(s->url);
	for (size_t i = 0; i < SIGV4_HEADERS; i++)
		free_secret(s->headers[i]);
	*s = (struct sigv4_signed){0};
}
