#include "elastic/bulk_client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "elastic/bulk_hosts.h"

#include <curl/curl.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#define RETRY_AFTER_MAX (300 * NS_PER_S)
#define PROBE_TIMEOUT	(10 * NS_PER_S)
/* Smaller bodies are not worth the time. */
#define COMPRESS_MIN 1024
/*
 * A connection that was idle for longer may have been closed by something on the way: a new one costs less than a
 * failure.
 */
#define CONNECTION_IDLE_S 118
/* One in use is given up after this time all the same: a name that has moved to another address is noticed also if the old one still answers. */
#define CONNECTION_LIFE_S 300
/*
 * curl copies what it sends through this. Measured with bodies of 5 MiB: larger ones cost more, because they do not
 * stay in the cache, smaller ones because of the system calls.
 */
#define UPLOAD_BUFFER  (256L << 10)
#define RECEIVE_BUFFER (256L << 10)

struct bulk_client {
	struct bulk_hosts *hosts;
	int stop_fd; /* -1: none */
	CURL *easy;
	CURLM *multi; /* keeps the connections */
	bool *tried;  /* of each host, by the present request */
	struct buf reply;
	bool cut;
	int64_t retry_after_ns;
	struct libdeflate_compressor *compressor; /* NULL: off */
	struct buf compressed;
	char error[CURL_ERROR_SIZE];
};

/* ---- callbacks --------------------------------------------------------------------------------------- */

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
	struct bulk_client *c = arg;
	if (buf_put(&c->reply, p, size * count))
		return size * count;
	c->cut = true;
	return 0;
}

/* RFC 9110, section 10.2.3: seconds, or a date. */
static int64_t parse_retry_after(const char *value)
{
	char *end;
	long long seconds = strtoll(value, &end, 10);
	if (end == value) {
		const time_t then = curl_getdate(value, NULL);
		if (then < 0)
			return -1;
		seconds = then - clock_wall_ns() / NS_PER_S;
	}
	if (seconds < 0)
		return 0;
	return seconds > RETRY_AFTER_MAX / NS_PER_S ? RETRY_AFTER_MAX : seconds * NS_PER_S;
}

static size_t on_header(char *p, size_t size, size_t count, void *arg)
{
	static const char name[] = "retry-after:";
	struct bulk_client *c = arg;
	const size_t n = size * count, skip = sizeof name - 1;
	char value[64];
	if (n > skip && n - skip < sizeof value && strncasecmp(p, name, skip) == 0) {
		memcpy(value, p + skip, n - skip);
		value[n - skip] = 0;
		c->retry_after_ns = parse_retry_after(value + strspn(value, " \t"));
	}
	return n;
}

/* ---- life -------------------------------------------------------------------------------------------- */

static bool set_tls(CURL *e, const struct bulk_client_options *o)
{
	const long min = o->ssl_min_version ? o->ssl_min_version : CURL_SSLVERSION_TLSv1_2;
	return curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, o->ssl_verify ? 1L : 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, o->ssl_verify ? 2L : 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSLVERSION, min | o->ssl_max_version) == CURLE_OK &&
	       (!o->ca_file || curl_easy_setopt(e, CURLOPT_CAINFO, o->ca_file) == CURLE_OK) &&
	       (!o->client_cert || curl_easy_setopt(e, CURLOPT_SSLCERT, o->client_cert) == CURLE_OK) &&
	       (!o->client_key || curl_easy_setopt(e, CURLOPT_SSLKEY, o->client_key) == CURLE_OK) &&
	       (!o->client_key_pass || curl_easy_setopt(e, CURLOPT_KEYPASSWD, o->client_key_pass) == CURLE_OK) &&
	       (!o->ciphers || curl_easy_setopt(e, CURLOPT_SSL_CIPHER_LIST, o->ciphers) == CURLE_OK);
}

static long milliseconds(int64_t ns)
{
	return (long)((ns + NS_PER_MS - 1) / NS_PER_MS);
}

/* What is the same for all requests. */
static bool set_up(struct bulk_client *c, const struct bulk_client_options *o)
{
	CURL *e = c->easy;
	return curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, "weir/" WEIR_VERSION) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROXY, o->proxy ? o->proxy : "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_NOPROXY, "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_S) == CURLE_OK &&
	       /* Each new connection asks anew: there are few, and the answer before may be why one is needed. */
	       curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, c) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HEADERDATA, c) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK && set_tls(e, o);
}

struct bulk_client *bulk_client_new(struct bulk_hosts *h, int stop_fd, struct err *err)
{
	struct bulk_client *c = mem_zalloc(sizeof *c);
	c->hosts = h;
	c->stop_fd = stop_fd;
	c->tried = mem_array(h->n, sizeof *c->tried);
	buf_init(&c->reply, h->o.reply_limit);
	buf_init(&c->compressed, SIZE_MAX / 2);
	c->easy = curl_easy_init();
	c->multi = curl_multi_init();
	if (h->o.compression_level)
		c->compressor = libdeflate_alloc_compressor((int)h->o.compression_level);
	if (c->easy && c->multi && (c->compressor || !h->o.compression_level) && set_up(c, &h->o))
		return c;
	err_set(err, "the HTTP client cannot be set up: curl lacks memory, or does not know one of the TLS options");
	bulk_client_free(c);
	return NULL;
}

void bulk_client_free(struct bulk_client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->easy);
	curl_multi_cleanup(c->multi);
	if (c->compressor)
		libdeflate_free_compressor(c->compressor);
	mem_free(c->tried);
	buf_free(&c->reply);
	buf_free(&c->compressed);
	mem_free(c);
}

/* ---- a request ----------------------------------------------------------------------------------------- */

struct request {
	const char *method, *path, *content_type;
	struct span body;
	bool gzip;
	int64_t timeout_ns;
	const struct sigv4_keys *keys; /* to sign it with; NULL = it is not signed */
};

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
	char *line = mem_printf("%s%s%s", name, value ? ": " : "", value ? value : "");
	struct curl_slist *more = curl_slist_append(*list, line);
	mem_free_secret(line, strlen(line));
	if (more)
		*list = more;
	return more;
}

static bool make_headers(
	const struct bulk_client *c, const struct request *q, const struct sigv4_signed *sign, struct curl_slist **list)
{
	const struct bulk_client_options *o = &c->hosts->o;
	/* Some proxies refuse Expect, others wait for a second. */
	if (!add_header(list, "Expect:", NULL))
		return false;
	/* Without a body there is no type, and curl must not invent one. */
	if (!(q->body.n ? add_header(list, "Content-Type", q->content_type) : add_header(list, "Content-Type:", NULL)))
		return false;
	if (q->gzip && !add_header(list, "Content-Encoding", "gzip"))
		return false;
	if (o->authorization && !add_header(list, "Authorization", o->authorization))
		return false;
	for (size_t i = 0; i < SIGV4_HEADERS && sign->headers[i]; i++)
		if (!add_header(list, sign->headers[i], NULL))
			return false;
	for (size_t i = 0; o->headers[i]; i++)
		if (!add_header(list, o->headers[i], NULL))
			return false;
	return true;
}

static bool set_method(CURL *e, const struct request *q)
{
	const bool head = strcmp(q->method, "HEAD") == 0, get = strcmp(q->method, "GET") == 0;
	const char *custom = head || get || strcmp(q->method, "POST") == 0 ? NULL : q->method;
	if (curl_easy_setopt(e, CURLOPT_HTTPGET, 1L) != CURLE_OK ||
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, custom) != CURLE_OK)
		return false;
	if (head)
		return curl_easy_setopt(e, CURLOPT_NOBODY, 1L) == CURLE_OK;
	if (get || (custom && !q->body.n))
		return true;
	/* The body is not copied: it lives as long as the request. */
	return curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_POSTFIELDS, q->body.n ? (const char *)q->body.p : "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n) == CURLE_OK;
}

static bool set_request(struct bulk_client *c, const struct bulk_target *t, const struct request *q, const char *url,
	struct curl_slist *headers)
{
	CURL *e = c->easy;
	const int64_t connect = c->hosts->o.connect_timeout_ns;
	return set_method(e, q) && curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERNAME, t->user) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PASSWORD, t->password) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, milliseconds(q->timeout_ns)) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
		       milliseconds(connect < q->timeout_ns ? connect : q->timeout_ns)) == CURLE_OK;
}

/* Runs the prepared transfer. *stopped: stop_fd ended it. */
static CURLcode transfer(struct bulk_client *c, bool *stopped)
{
	struct curl_waitfd stop = {.fd = c->stop_fd, .events = CURL_WAIT_POLLIN};
	CURLMcode status = curl_multi_add_handle(c->multi, c->easy);
	CURLcode result = CURLE_FAILED_INIT;
	int running = 1, left;
	while (status == CURLM_OK) {
		status = curl_multi_perform(c->multi, &running);
		if (status != CURLM_OK || !running)
			break;
		status = curl_multi_poll(c->multi, &stop, c->stop_fd >= 0, 60000, NULL);
		if (stop.revents) {
			*stopped = true;
			/* Else curl would wait for a resolver that waits for a dead name server. */
			curl_easy_setopt(c->easy, CURLOPT_QUICK_EXIT, 1L);
			break;
		}
	}
	const CURLMsg *m;
	while (!running && (m = curl_multi_info_read(c->multi, &left)))
		if (m->msg == CURLMSG_DONE)
			result = m->data.result;
	curl_multi_remove_handle(c->multi, c->easy);
	return result;
}

/* What the person who reads it at night can act on: the host, curl's words, the system's words, a hint. */
static void describe(struct bulk_client *c, const struct bulk_target *t, CURLcode result, struct err *err)
{
	long os = 0;
	const char *text = *c->error ? c->error : curl_easy_strerror(result);
	const char *hint = "";
	if (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE)
		hint = ": check ca_file, and the name that the host is called by against its certificate";
	else if (result == CURLE_OPERATION_TIMEDOUT)
		hint = ": the cluster may be overloaded, or request_timeout too short";
	curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &os);
	if (os && result == CURLE_COULDNT_CONNECT)
		err_sys(err, (int)os, "%s: %s%s", t->origin, text, hint);
	else
		err_set(err, "%s: %s%s", t->origin, text, hint);
}

/* The URL, and with keys what signs the request. */
static bool make_url(const struct bulk_client *c, const struct bulk_target *t, const struct request *q,
	struct sigv4_signed *sign, struct err *err)
{
	*sign = (struct sigv4_signed){.url = mem_printf("%s%s", t->url, q->path)};
	if (!q->keys)
		return true;
	char *url = sign->url;
	const struct sigv4_request plain = {.method = q->method,
		.url = url,
		.content_type = q->body.n ? q->content_type : NULL,
		.body = q->body,
		.time_s = clock_wall_ns() / NS_PER_S};
	bool ok = sigv4_sign(c->hosts->o.signer, q->keys, &plain, sign, err);
	mem_free(url);
	return ok;
}

enum attempt { ATTEMPT_REPLY, ATTEMPT_FAILED, ATTEMPT_STOPPED };

/* The request to one host. */
static enum attempt attempt(struct bulk_client *c, const struct bulk_target *t, const struct request *q,
	struct bulk_response *r, struct err *err)
{
	struct curl_slist *headers = NULL;
	struct sigv4_signed sign;
	bool stopped = false;
	long status = 0;
	curl_off_t sent_after = 0;
	CURLcode result = CURLE_OUT_OF_MEMORY;
	buf_clear(&c->reply);
	c->cut = false;
	c->retry_after_ns = -1;
	*c->error = 0;
	r->host = t->origin;
	if (!make_url(c, t, q, &sign, err))
		return ATTEMPT_FAILED;
	if (make_headers(c, q, &sign, &headers) && set_request(c, t, q, sign.url, headers))
		result = transfer(c, &stopped);
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_after);
	r->timed_out |= result == CURLE_OPERATION_TIMEDOUT && sent_after > 0;
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	sigv4_signed_free(&sign);
	if (stopped) {
		err_set(err, "%s: the request was ended because weir stops", t->origin);
		return ATTEMPT_STOPPED;
	}
	/*
	 * A refusal counts even if the connection breaks behind it: servers that answer 413 do not read what is still
	 * coming.
	 */
	if (result != CURLE_OK && !(c->cut && status) && status < 400) {
		describe(c, t, result, err);
		return ATTEMPT_FAILED;
	}
	r->status = status;
	r->body = buf_span(&c->reply);
	r->cut = c->cut;
	r->retry_after_ns = c->retry_after_ns;
	return ATTEMPT_REPLY;
}

static enum attempt probe(struct bulk_client *c, const struct bulk_target *t, const struct sigv4_keys *keys,
	struct bulk_response *r, struct err *err)
{
	const int64_t timeout = c->hosts->o.request_timeout_ns;
	const struct request q = {.method = "HEAD",
		.path = "/",
		.timeout_ns = timeout < PROBE_TIMEOUT ? timeout : PROBE_TIMEOUT,
		.keys = keys};
	return attempt(c, t, &q, r, err);
}

/* One host after the other until one answers. */
static enum attempt attempt_all(
	struct bulk_client *c, const struct request *q, struct bulk_response *r, struct err *err)
{
	enum attempt result = ATTEMPT_FAILED;
	memset(c->tried, 0, c->hosts->n * sizeof *c->tried);
	while (result == ATTEMPT_FAILED) {
		size_t i;
		const enum bulk_pick pick = bulk_hosts_pick(c->hosts, c->tried, &i);
		if (pick == BULK_PICK_NONE)
			break;
		const struct bulk_target *t = &c->hosts->target[i];
		c->tried[i] = true;
		result = pick == BULK_PICK_PROBE ? probe(c, t, q->keys, r, err) : ATTEMPT_REPLY;
		if (result == ATTEMPT_REPLY)
			result = attempt(c, t, q, r, err);
		if (result == ATTEMPT_REPLY)
			bulk_hosts_answered(c->hosts, i);
		else if (result == ATTEMPT_FAILED)
			bulk_hosts_failed(c->hosts, i);
		else
			bulk_hosts_undecided(c->hosts, i);
	}
	return result;
}

/* The body as gzip; as it is where there is no memory for that. */
static bool compress(struct bulk_client *c, struct span *body)
{
	if (!c->compressor || body->n < COMPRESS_MIN)
		return false;
	const size_t bound = libdeflate_gzip_compress_bound(c->compressor, body->n);
	buf_clear(&c->compressed);
	if (!buf_reserve(&c->compressed, bound))
		return false;
	const size_t n = libdeflate_gzip_compress(c->compressor, body->p, body->n, c->compressed.p, bound);
	if (n == 0)
		return false;
	*body = span_of(c->compressed.p, n);
	return true;
}

bool bulk_client_request(struct bulk_client *c, const char *method, const char *path, const char *content_type,
	struct span body, struct bulk_response *r, struct err *err)
{
	const int64_t begin = clock_mono_ns();
	struct request q = {.method = method,
		.path = path,
		.content_type = content_type ? content_type : c->hosts->o.content_type,
		.body = body,
		.timeout_ns = c->hosts->o.request_timeout_ns};
	const struct sigv4_signer *signer = c->hosts->o.signer;
	struct sigv4_keys keys = {0};
	*r = (struct bulk_response){.retry_after_ns = -1, .host = ""};
	if (signer && !signer->keys(signer->arg, &keys, err))
		return false;
	q.keys = signer ? &keys : NULL;
	q.gzip = compress(c, &q.body);
	const enum attempt result = attempt_all(c, &q, r, err);
	sigv4_keys_free(&keys);
	r->stopped = result == ATTEMPT_STOPPED;
	r->took_ns = clock_mono_ns() - begin;
	if (result == ATTEMPT_FAILED && c->hosts->n > 1)
		err_wrap(err, "none of the %zu hosts can be reached; the last one said", c->hosts->n);
	return result == ATTEMPT_REPLY;
}

bool bulk_put_path_segment(struct buf *out, struct span name)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < name.n; i++) {
		const uint8_t c = name.p[i];
		const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
				   (c && strchr("-._~", c));
		if (plain)
			buf_put_byte(out, c);
		else
			buf_put(out, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
	return !out->failed;
}
