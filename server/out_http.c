/* out_http.c: <match> @type http: chunks as the bodies of HTTP requests. */
#include "out_http.h"

#include "aws_credentials.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "chunk_keys.h"
#include "chunk_rest.h"
#include "chunk_text.h"
#include "dead_letter.h"
#include "flow.h"
#include "pipeline.h"
#include "plugin.h"

#include <curl/curl.h>
#include <libdeflate.h>
#include <stdio.h>

#define BODY_MAX  ((size_t)256 << 20)
#define REPLY_MAX 4096u
/* The endpoint's name is looked up for each connection, and no connection is kept longer: the name may have moved. */
#define CONNECTION_LIFE_S 300

struct http {
	struct output *output;
	struct text_maker maker;
	struct chunk_template *url;
	struct chunk_template **headers; /* of headers_from_placeholders */
	struct counter *events, *failed;
	struct aws_credentials *aws; /* NULL: requests are not signed */
	struct sigv4_signer signer;
};

struct flusher {
	struct http *http;
	const struct http_conf *c;
	int stop_fd;
	CURL *easy;
	CURLM *multi;
	struct libdeflate_compressor *gzip;
	struct chunk_text text;
	struct buf packed, url, reply;
	char error[CURL_ERROR_SIZE];
};

/* ---- life ----------------------------------------------------------------------------------------------------------- */

static void destroy(void *self)
{
	struct http *h = self;
	if (!h)
		return;
	const struct http_conf *c = h->output->conf;
	for (size_t i = 0; h->headers && i < c->header_placeholders.n; i++)
		chunk_template_free(h->headers[i]);
	mem_free(h->headers);
	chunk_template_free(h->url);
	text_maker_free(&h->maker);
	aws_credentials_free(h->aws);
	mem_free(h);
}

/* <auth> method aws_sigv4 */
static void sign_requests(struct http *h, const struct http_conf *c)
{
	const struct auth_conf *a = c->auth.n ? c->auth.v[0] : NULL;
	if (!a || a->method != HTTP_AUTH_AWS || !a->aws_region || !a->aws_service)
		return;
	h->aws = aws_credentials_new(&(struct aws_options){.role_arn = a->aws_role_arn,
		.session_name = "fluentd",
		.sts_region = a->aws_region,
		.refresh_ns = INT64_MAX,
		.proxy = c->proxy,
		.plugin = h->output->id});
	h->signer = (struct sigv4_signer){
		.region = a->aws_region, .service = a->aws_service, .keys = aws_credentials_get, .arg = h->aws};
}

static void *create(struct output *o, struct builder *b)
{
	const struct http_conf *c = o->conf;
	struct http *h = mem_zalloc(sizeof *h);
	struct conf_report *r = builder_report(b);
	char *labels = metrics_labels("plugin_id", o->id, "type", o->plugin->name, NULL);
	const struct chunk_keys *keys = builder_split_flow(
		b, o, c->buffer.n ? c->buffer.v[0] : NULL, "tag", CONF_NIL_INT);
	h->output = o;
	sign_requests(h, c);
	h->url = chunk_template_new(
		keys, c->endpoint ? c->endpoint : "", "endpoint", false, conf_where(c, "endpoint"), r);
	h->headers = mem_zalloc((c->header_placeholders.n + 1) * sizeof(struct chunk_template *));
	for (size_t i = 0; i < c->header_placeholders.n; i++)
		h->headers[i] = chunk_template_new(keys,
			c->header_placeholders.v[i].value ? c->header_placeholders.v[i].value : "",
			"headers_from_placeholders", false, conf_where(c, "headers_from_placeholders"), r);
	text_maker_init(&h->maker, c->common.section, "json", builder_rules(b), r);
	if (c->json_array && h->maker.formatter && strcmp(formatter_type_name(h->maker.formatter), "json") != 0)
		conf_report_add(r, CONF_ERROR, conf_where(c, "json_array"),
			"json_array option could be used with json formatter only");
	h->events = metrics_counter(
		builder_metrics(b), "weir_output_written_events_total", labels, "Events that were written.");
	h->failed = metrics_counter(builder_metrics(b), "weir_output_unformatted_events_total", labels,
		"Events that the format has no text for; they are left out.");
	mem_free(labels);
	return h;
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	chunk_keys_append(flow_keys(o->flow), in, o, b);
}

static size_t on_reply(char *p, size_t size, size_t count, void *arg)
{
	struct flusher *t = arg;
	size_t room = REPLY_MAX - t->reply.n, n = size * count;
	buf_put(&t->reply, p, n < room ? n : room);
	return n;
}

static void flush_close(void *thread)
{
	struct flusher *t = thread;
	if (!t)
		return;
	curl_easy_cleanup(t->easy);
	curl_multi_cleanup(t->multi);
	if (t->gzip)
		libdeflate_free_compressor(t->gzip);
	chunk_text_free(&t->text);
	buf_free(&t->packed);
	buf_free(&t->url);
	buf_free(&t->reply);
	mem_free(t);
}

static bool set_up(struct flusher *t)
{
	const struct http_conf *c = t->c;
	const struct auth_conf *a = c->auth.n ? c->auth.v[0] : NULL;
	CURL *e = t->easy;
	long verify = c->verify_mode;
	return curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, "weir/" WEIR_VERSION) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROXY, c->proxy ? c->proxy : "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_NOPROXY, "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FORBID_REUSE, c->reuse ? 0L : 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_S) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_reply) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(c->open_timeout_ns / 1000000)) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(c->read_timeout_ns / 1000000)) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, verify) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2 * verify) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSLVERSION,
		       c->tls13 ? (long)CURL_SSLVERSION_TLSv1_3 : (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       (!c->tls_ca || curl_easy_setopt(e, CURLOPT_CAINFO, c->tls_ca) == CURLE_OK) &&
	       (!c->tls_cert || curl_easy_setopt(e, CURLOPT_SSLCERT, c->tls_cert) == CURLE_OK) &&
	       (!c->tls_key || curl_easy_setopt(e, CURLOPT_SSLKEY, c->tls_key) == CURLE_OK) &&
	       (!c->tls_key_pass || curl_easy_setopt(e, CURLOPT_KEYPASSWD, c->tls_key_pass) == CURLE_OK) &&
	       (!c->tls_ciphers || curl_easy_setopt(e, CURLOPT_SSL_CIPHER_LIST, c->tls_ciphers) == CURLE_OK) &&
	       (!a || a->method != HTTP_AUTH_BASIC ||
		       (curl_easy_setopt(e, CURLOPT_USERNAME, a->username) == CURLE_OK &&
			       curl_easy_setopt(e, CURLOPT_PASSWORD, a->password) == CURLE_OK));
}

static void *flush_open(struct output *o, int stop_fd, struct err *err)
{
	struct flusher *t = mem_zalloc(sizeof *t);
	t->http = o->self;
	t->c = o->conf;
	t->stop_fd = stop_fd;
	t->easy = curl_easy_init();
	t->multi = curl_multi_init();
	chunk_text_init(&t->text, &t->http->maker);
	buf_init(&t->packed, BODY_MAX);
	buf_init(&t->url, 64 << 10);
	buf_init(&t->reply, REPLY_MAX);
	if (t->c->compress)
		t->gzip = libdeflate_alloc_compressor(6);
	if (t->easy && t->multi && (t->gzip || !t->c->compress) && set_up(t))
		return t;
	err_set(err, "the HTTP client cannot be set up: curl lacks memory, or does not know one of the TLS options");
	flush_close(t);
	return NULL;
}

/* ---- a request ------------------------------------------------------------------------------------------------------ */

static const char *content_type_of(const struct flusher *t)
{
	const char *type = formatter_type_name(t->http->maker.formatter);
	if (t->c->content_type)
		return t->c->content_type;
	if (strcmp(type, "json") == 0)
		return t->c->json_array ? "application/json" : "application/x-ndjson";
	return strcmp(type, "csv") == 0	      ? "text/csv"
	       : strcmp(type, "tsv") == 0     ? "text/tab-separated-values"
	       : strcmp(type, "ltsv") == 0    ? "text/plain; charset=utf-8"
	       : strcmp(type, "msgpack") == 0 ? "application/x-msgpack"
					      : "text/plain";
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
	char *line = mem_printf("%s: %s", name, value);
	line[strcspn(line, "\r\n")] = 0; /* events do not make headers */
	struct curl_slist *more = curl_slist_append(*list, line);
	mem_free_secret(line, strlen(line));
	*list = more ? more : *list;
	return more;
}

static bool make_headers(
	struct flusher *t, const struct chunk_meta *meta, const char *id, bool gzip, struct curl_slist **list)
{
	const struct http_conf *c = t->c;
	bool ok = add_header(list, "Content-Type", content_type_of(t)) && add_header(list, "Expect", "");
	if (gzip)
		ok = ok && add_header(list, "Content-Encoding", "gzip");
	for (size_t i = 0; i < c->headers.n && ok; i++)
		ok = add_header(list, c->headers.v[i].key, c->headers.v[i].value ? c->headers.v[i].value : "");
	for (size_t i = 0; i < c->header_placeholders.n && ok; i++) {
		struct buf value;
		buf_init(&value, 64 << 10);
		chunk_template_put(t->http->headers[i], meta, id, false, &value);
		ok = add_header(list, c->header_placeholders.v[i].key, buf_cstr(&value));
		buf_free(&value);
	}
	return ok;
}

static CURLcode transfer(struct flusher *t, bool *stopped)
{
	struct curl_waitfd stop = {.fd = t->stop_fd, .events = CURL_WAIT_POLLIN};
	CURLMcode status = curl_multi_add_handle(t->multi, t->easy);
	CURLcode result = CURLE_FAILED_INIT;
	int running = 1, left;
	while (status == CURLM_OK) {
		status = curl_multi_perform(t->multi, &running);
		if (status != CURLM_OK || !running)
			break;
		status = curl_multi_poll(t->multi, &stop, t->stop_fd >= 0, 60000, NULL);
		if (stop.revents) {
			*stopped = true;
			break;
		}
	}
	const CURLMsg *m;
	while (!running && (m = curl_multi_info_read(t->multi, &left)))
		if (m->msg == CURLMSG_DONE)
			result = m->data.result;
	curl_multi_remove_handle(t->multi, t->easy);
	return result;
}

static struct span compress(struct flusher *t, struct span body, bool *gzip)
{
	size_t bound = t->gzip ? libdeflate_gzip_compress_bound(t->gzip, body.n) : 0;
	buf_clear(&t->packed);
	*gzip = t->gzip && buf_reserve(&t->packed, bound);
	if (!*gzip)
		return body;
	return span_of(t->packed.p, libdeflate_gzip_compress(t->gzip, body.p, body.n, t->packed.p, bound));
}

/* What signs the request; nothing where none is signed. */
static bool sign(struct flusher *t, struct span body, struct sigv4_signed *out, struct err *err)
{
	struct sigv4_keys keys = {0};
	*out = (struct sigv4_signed){0};
	if (!t->http->aws)
		return true;
	const struct sigv4_request q = {.method = t->c->method ? "PUT" : "POST",
		.url = buf_cstr(&t->url),
		.content_type = content_type_of(t),
		.body = body,
		.time_s = clock_wall_ns() / NS_PER_S};
	bool ok = aws_credentials_get(t->http->aws, &keys, err) && sigv4_sign(&t->http->signer, &keys, &q, out, err);
	sigv4_keys_free(&keys);
	return ok;
}

static bool add_signature(const struct sigv4_signed *s, struct curl_slist **list)
{
	for (size_t i = 0; i < SIGV4_HEADERS && s->headers[i]; i++) {
		struct curl_slist *more = curl_slist_append(*list, s->headers[i]);
		if (!more)
			return false;
		*list = more;
	}
	return true;
}

static bool set_request(struct flusher *t, const char *url, struct curl_slist *headers, struct span body)
{
	return curl_easy_setopt(t->easy, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, t->c->method ? "PUT" : NULL) == CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, body.n ? (const char *)body.p : "") == CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n) == CURLE_OK;
}

/* The status; 0: none (report says why), -1: stopped. */
static long post(
	struct flusher *t, struct span body, const struct chunk_meta *meta, const char *id, struct flush_report *report)
{
	struct curl_slist *headers = NULL;
	struct sigv4_signed signature;
	struct err err;
	CURLcode result = CURLE_OUT_OF_MEMORY;
	bool stopped = false, gzip;
	long status = 0;
	body = compress(t, body, &gzip);
	buf_clear(&t->url);
	buf_clear(&t->reply);
	*t->error = 0;
	chunk_template_put(t->http->url, meta, id, true, &t->url);
	if (!sign(t, body, &signature, &err)) {
		flush_because(report, "%s: %s", t->c->endpoint, err.text);
		return 0;
	}
	if (make_headers(t, meta, id, gzip, &headers) && add_signature(&signature, &headers) &&
		set_request(t, signature.url ? signature.url : buf_cstr(&t->url), headers, body))
		result = transfer(t, &stopped);
	if (result == CURLE_OK)
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	else
		flush_because(report, "%s: %s", t->c->endpoint, *t->error ? t->error : curl_easy_strerror(result));
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	sigv4_signed_free(&signature);
	return stopped ? -1 : status;
}

/* ---- a chunk -------------------------------------------------------------------------------------------------------- */

static bool make_body(struct flusher *t, struct chunk_rest *rest, uint64_t *events, uint64_t *failed, struct err *err)
{
	struct buf *out = &t->text.out;
	struct frame_view v;
	struct event e;
	uint32_t first;
	enum chunk_read read;
	buf_clear(out);
	if (t->c->json_array)
		buf_put_byte(out, '[');
	while ((read = chunk_rest_next(rest, &v, &first, err)) == CHUNK_FRAME) {
		for (const uint8_t *p = v.entries.p; chunk_text_next(&v, &p, &e);) {
			if (!chunk_text_event(&t->text, v.tag, e.time, e.record)) {
				++*failed;
				continue;
			}
			++*events;
			if (t->c->json_array && out->p[out->n - 1] == '\n')
				out->n--;
			if (t->c->json_array)
				buf_put_byte(out, ',');
		}
	}
	if (t->c->json_array && *events)
		out->n--;
	if (t->c->json_array)
		buf_put_byte(out, ']');
	if (out->failed)
		return err_set(err, "no memory for the body of a request, or it is over 1 GiB: lower chunk_limit_size");
	return read == CHUNK_END;
}

static bool is_retryable(const struct flusher *t, long status)
{
	char text[24];
	snprintf(text, sizeof text, "%ld", status);
	for (size_t i = 0; i < t->c->retryable.n; i++)
		if (strcmp(t->c->retryable.v[i], text) == 0)
			return true;
	if (!t->c->error_unrecoverable)
		return true;
	/* Only where somebody wrote it down is a server's bad moment the end of a chunk. */
	return !conf_is_given(&http_out_schema, t->c, "error_response_as_unrecoverable") &&
	       (status == 408 || status == 429 || status >= 500);
}

static enum flush_result send_rest(
	struct flusher *t, struct chunk *c, struct chunk_rest *rest, struct flush_report *report)
{
	struct chunk_info info;
	struct chunk_meta meta;
	struct err err;
	uint64_t events = 0, failed = 0;
	chunk_info(c, &info);
	chunk_meta_read(info.stage, &meta);
	if (!make_body(t, rest, &events, &failed, &err)) {
		flush_because(report, "%s", err.text);
		return FLUSH_RETRY;
	}
	long status = events ? post(t, buf_span(&t->text.out), &meta, info.id, report) : 200;
	if (status < 0)
		return FLUSH_STOPPED;
	if (status == 0)
		return FLUSH_DOWN;
	if (status >= 200 && status < 300) {
		chunk_rest_mark(rest);
		counter_add(t->http->events, events);
		counter_add(t->http->failed, failed);
		return FLUSH_DONE;
	}
	buf_put_byte(&t->reply, 0);
	flush_because(report, "%s answered %ld %.*s", t->c->endpoint, status, t->reply.n ? (int)t->reply.n : 0,
		t->reply.n ? (const char *)t->reply.p : "");
	return is_retryable(t, status) ? FLUSH_DOWN : FLUSH_UNRECOVERABLE;
}

static enum flush_result flush(void *thread, struct chunk *c, struct flush_report *report)
{
	struct flusher *t = thread;
	struct err err;
	struct chunk_rest *rest = chunk_rest_open(flow_buffer(t->http->output->flow), c, &err);
	if (!rest) {
		flush_because(report, "%s", err.text);
		return FLUSH_RETRY;
	}
	enum flush_result result = send_rest(t, c, rest, report);
	chunk_rest_close(rest);
	return result;
}

static void describe(const struct output *o, struct buf *out)
{
	buf_put_str(out, ((const struct http_conf *)o->conf)->endpoint);
}

static const struct output_ops ops = {
	.create = create,
	.destroy = destroy,
	.emit = emit,
	.flush_open = flush_open,
	.flush_close = flush_close,
	.flush = flush,
	.describe = describe,
};

const struct plugin out_http = {
	.kind = PLUGIN_OUTPUT,
	.name = "http",
	.help = "Sends events as HTTP requests.",
	.schema = &http_out_schema,
	.output = &ops,
};
