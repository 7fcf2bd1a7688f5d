#include "admin_client.h"

#include "base/mem.h"

#include <curl/curl.h>
#include <stdlib.h>

#define DEFAULT_URL "http://127.0.0.1:24280"
#define TEXT_MAX    512u /* bytes of an answer that is an error */

struct admin_client {
	CURL *curl;
	char *url;
	/* the request at hand */
	struct buf *out; /* or */
	bool (*on_bytes)(void *arg, struct span piece);
	void *arg;
	struct buf refusal; /* what came with another status than 200 */
	bool ended;	    /* by on_bytes */
	char error[CURL_ERROR_SIZE];
};

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct admin_client *c = arg;
	struct span piece = span_of(p, size * n);
	long status = 0;
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) {
		buf_put(&c->refusal, piece.p, piece.n < TEXT_MAX - c->refusal.n ? piece.n : TEXT_MAX - c->refusal.n);
		return piece.n;
	}
	if (c->out)
		return buf_put_span(c->out, piece) ? piece.n : 0;
	c->ended = !c->on_bytes(c->arg, piece);
	return c->ended ? 0 : piece.n;
}

struct admin_client *admin_client_new(const char *address, struct err *err)
{
	struct admin_client *c = mem_zalloc(sizeof *c);
	const char *env = getenv("WEIR_ADMIN");
	if (!address)
		address = env && *env ? env : DEFAULT_URL;
	size_t n = strlen(address);
	while (n && address[n - 1] == '/')
		n--;
	c->url = mem_printf("%s%.*s", strstr(address, "://") ? "" : "http://", (int)n, address);
	buf_init(&c->refusal, TEXT_MAX + 1);
	c->curl = curl_easy_init();
	if (!c->curl) {
		admin_client_free(c);
		err_set(err, "no memory for an HTTP client");
		return NULL;
	}
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, 5L);
	curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	return c;
}

void admin_client_free(struct admin_client *c)
{
	if (!c)
		return;
	if (c->curl)
		curl_easy_cleanup(c->curl);
	buf_free(&c->refusal);
	mem_free(c->url);
	mem_free(c);
}

static bool request(struct admin_client *c, const char *path, long seconds, struct err *err)
{
	long status = 0;
	char *url = mem_printf("%s%s", c->url, path);
	buf_clear(&c->refusal);
	c->ended = false;
	c->error[0] = 0;
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, seconds);
	CURLcode code = curl_easy_perform(c->curl);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	mem_free(url);
	if (c->ended)
		return true;
	if (code != CURLE_OK)
		return err_set(err,
			"no answer from %s: %s (is weir running, with <admin> in <system>? --admin HOST:PORT says "
			"where)",
			c->url, *c->error ? c->error : curl_easy_strerror(code));
	if (status != 200)
		return err_set(err, "%s%s answered %ld: %s", c->url, path, status, buf_cstr(&c->refusal));
	return true;
}

bool admin_client_get(struct admin_client *c, const char *path, struct buf *out, struct err *err)
{
	c->out = out;
	c->on_bytes = NULL;
	return request(c, path, 10, err);
}

bool admin_client_stream(struct admin_client *c, const char *path, bool (*on_bytes)(void *arg, struct span piece),
	void *arg, struct err *err)
{
	c->out = NULL;
	c->on_bytes = on_bytes;
	c->arg = arg;
	return request(c, path, 0, err);
}

void admin_client_put_query(struct buf *out, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	for (const char *p = text; *p; p++) {
		if (strchr(plain, *p))
			buf_put_byte(out, (uint8_t)*p);
		else
			buf_printf(out, "%%%02X", (unsigned char)*p);
	}
}
