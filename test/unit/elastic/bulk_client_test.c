#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "elastic/bulk_client.h"

#include "base/clock.h"
#include "http_script.h"

#include <curl/curl.h>
#include <libdeflate.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

static const struct http_step always_ok[] = {{.reply = OK_REPLY}};

/* ---- a client of some scripts ---- */

struct setup {
	struct bulk_host host[4];
	struct bulk_client_options o;
};

static void setup_init(struct setup *s, struct http_script *scripts, size_t n)
{
	*s = (struct setup){.o = {.host_count = n,
				    .content_type = "application/x-ndjson",
				    .request_timeout_ns = 20 * NS_PER_S,
				    .connect_timeout_ns = 10 * NS_PER_S,
				    .ssl_verify = true,
				    .reply_limit = 1 << 20,
				    .resurrect_after_ns = 4 * NS_PER_S}};
	for (size_t i = 0; i < n; i++)
		s->host[i] = (struct bulk_host){.scheme = scripts[i].tls ? "https" : "http",
			.host = scripts[i].family == AF_INET6 ? "::1" : "127.0.0.1",
			.port = scripts[i].port,
			.path = ""};
	s->o.hosts = s->host;
}

struct client {
	struct bulk_hosts *hosts;
	struct bulk_client *c;
	struct bulk_response r;
	struct err err;
};

static void client_init(struct client *c, struct setup *s, int stop_fd)
{
	memset(c, 0, sizeof *c);
	c->hosts = bulk_hosts_new(&s->o);
	c->c = bulk_client_new(c->hosts, stop_fd, &c->err);
	if (!c->c)
		fail_msg("%s", c->err.text);
	/* What was given may go. */
	memset(s->host, 0, sizeof s->host);
}

static void client_free(struct client *c)
{
	bulk_client_free(c->c);
	bulk_hosts_free(c->hosts);
}

static bool post(struct client *c, const char *path, const char *body)
{
	return bulk_client_request(c->c, "POST", path, NULL, span_str(body), &c->r, &c->err);
}

static void assert_reply(struct client *c, bool good, long status, const char *body)
{
	if (!good)
		fail_msg("%s", c->err.text);
	assert_int_equal(c->r.status, status);
	assert_true(span_is(c->r.body, body));
	assert_false(c->r.stopped);
}

/* ---- one host ---- */

static void test_request(void **state)
{
	(void)state;
	struct http_script s;
	struct setup o;
	struct client c;
	char line[64];
	http_start(&s, always_ok, 1);
	setup_init(&o, &s, 1);
	o.host[0].path = "/es";
	client_init(&c, &o, -1);
	assert_reply(&c, post(&c, "/logs-%Y/_bulk?a=b", "{\"create\":{}}\n{}\n"), 200, "{}");
	assert_true(http_asked(&s, "POST /es/logs-%Y/_bulk?a=b HTTP/1.1\r\n"));
	assert_true(http_asked(&s, "Content-Type: application/x-ndjson"));
	assert_true(http_asked(&s, "Content-Length: 17"));
	assert_true(http_asked(&s, "User-Agent: weir/" WEIR_VERSION));
	assert_true(http_asked(&s, "Accept-Encoding: gzip"));
	snprintf(line, sizeof line, "Host: 127.0.0.1:%u", s.port);
	assert_true(http_asked(&s, line));
	assert_null(strcasestr(buf_cstr(&s.head), "expect"));
	assert_null(strcasestr(buf_cstr(&s.head), "authorization"));
	assert_null(strcasestr(buf_cstr(&s.head), "transfer-encoding"));
	assert_string_equal(buf_cstr(&s.body), "{\"create\":{}}\n{}\n");
	snprintf(line, sizeof line, "http://127.0.0.1:%u", s.port);
	assert_string_equal(c.r.host, line);
	assert_int_equal(c.r.retry_after_ns, -1);
	assert_false(c.r.cut);
	assert_true(c.r.took_ns > 0);
	client_free(&c);
	http_stop(&s);
}

static void test_methods(void **state)
{
	(void)state;
	struct http_script s;
	struct setup o;
	struct client c;
	static const struct http_step steps[] = {
		{.reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"}, {.reply = OK_REPLY}};
	http_start(&s, steps, 2);
	setup_init(&o, &s, 1);
	client_init(&c, &o, -1);
	const struct span none = {0};
	assert_reply(&c, bulk_client_request(c.c, "HEAD", "/", NULL, none, &c.r, &c.err), 200, "");
	assert_true(http_asked(&s, "HEAD / HTTP/1.1\r\n"));
	assert_reply(&c,
		bulk_client_request(c.c, "PUT", "/_x", "application/json", SPAN_LIT("{\"a\":1}"), &c.r, &c.err), 200,
		"{}");
	assert_true(http_asked(&s, "PUT /_x HTTP/1.1\r\n"));
	assert_true(http_asked(&s, "Content-Type: application/json"));
	assert_string_equal(buf_cstr(&s.body), "{\"a\":1}");
	assert_reply(&c, bulk_client_request(c.c, "GET", "/", NULL, none, &c.r, &c.err), 200, "{}");
	assert_true(http_asked(&s, "GET / HTTP/1.1\r\n"));
	assert_null(strcasestr(buf_cstr(&s.head), "content-"));
	assert_reply(&c, bulk_client_request(c.c, "POST", "/_flush", NULL, none, &c.r, &c.err), 200, "{}");
	assert_true(http_asked(&s, "POST /_flush HTTP/1.1\r\n"));
	assert_true(http_asked(&s, "Content-Length: 0"));
	assert_null(strcasestr(buf_cstr(&s.head), "content-type"));
	assert_reply(&c, bulk_client_request(c.c, "DELETE", "/x", NULL, none, &c.r, &c.err), 200, "{}");
	assert_true(http_asked(&s, "DELETE /x HTTP/1.1\r\n"));
	assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
	assert_int_equal(http_connections(&s), 1);
	client_free(&c);
	http_stop(&s);
}

static void test_keep_alive(void **state)
{
	(void)state;
	struct http_script s;
	struct setup o;
	struct client c;
	static const struct http_step steps[] = {{.reply = OK_REPLY}, {.reply = OK_REPLY},
		{.reply = OK_REPLY, .after = HTTP_CLOSE}, {.reply = OK_REPLY}};
	http_start(&s, steps, 4);
	setup_init(&o, &s, 1);
	client_init(&c, &o, -1);
	for (unsigned i = 0; i < 6; i++) {
		assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
		assert_int_equal(http_connections(&s), i < 3 ? 1 : 2);
	}
	assert_int_equal(http_requests(&s), 6);
	client_free(&c);
	http_stop(&s);
}

static void test_authentication(void **state)
{
	(void)state;
	struct http_script s[2];
	struct setup o;
	struct client c;
	static const char *const headers[] = {"X-Scope-OrgID: team-1", "X-N: 2", NULL};
	http_start(&s[0], always_ok, 1);
	http_start(&s[1], always_ok, 1);
	setup_init(&o, s, 2);
	o.o.user = "elastic";
	o.o.password = "pa:ss/w@rd";
	o.o.headers = headers;
	o.host[1].user = "joe";
	o.host[1].password = "p@ss";
	client_init(&c, &o, -1);
	assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
	assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
	assert_true(http_asked(&s[0], "Authorization: Basic ZWxhc3RpYzpwYTpzcy93QHJk"));
	assert_true(http_asked(&s[0], "X-Scope-OrgID: team-1"));
	assert_true(http_asked(&s[0], "X-N: 2"));
	assert_true(http_asked(&s[1], "Authorization: Basic am9lOnBAc3M="));
	client_free(&c);
	setup_init(&o, s, 1);
	o.o.authorization = "ApiKey aWQ6a2V5";
	client_init(&c, &o, -1);
	assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
	assert_true(http_asked(&s[0], "Authorization: ApiKey aWQ6a2V5"));
	client_free(&c);
	http_stop(&s[0]);
	http_stop(&s[1]);
}

/* A bad status is a reply; the host lives. */
static void test_statuses(void **state)
{
	(void)state;
	struct http_script s;
	struct setup o;
	struct client c;
	static const struct http_step steps[] = {
		{.reply = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 3\r\n\r\nabc"},
		{.reply = "HTTP/1.1 503 Unavailable\r\nretry-after:  900000 \r\nContent-Length: 0\r\n\r\n"},
		{.reply = "HTTP/1.1 503 Unavailable\r\nRetry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: "
			  "0\r\n\r\n"},
		{.reply = "HTTP/1.1 503 Unavailable\r\nRetry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\nContent-Length: "
			  "0\r\n\r\n"},
		{.reply = "HTTP/1.1 503 Unavailable\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n"},
		{.reply = "HTTP/1.1 503 Unavailable\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n"},
		{.reply = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"},
		{.reply = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: "
			  "0\r\n\r\n"},
		{.reply = OK_REPLY},
	};
	static const struct {
		long status;
		int64_t retry_s;
	} want[] = {{429, 7}, {503, 300}, {503, 0}, {503, 300}, {503, -1}, {503, 0}, {302, -1}, {401, -1}, {200, -1}};
	http_start(&s, steps, 9);
	setup_init(&o, &s, 1);
	client_init(&c, &o, -1);
	for (size_t i = 0; i < 9; i++) {
		if (!post(&c, "/_bulk", "x"))
			fail_msg("%s", c.err.text);
		assert_int_equal(c.r.status, want[i].status);
		assert_int_equal(c.r.retry_after_ns, want[i].retry_s < 0 ? -1 : want[i].retry_s * NS_PER_S);
		assert_int_equal(bulk_hosts_alive(c.hosts), 1);
	}
	assert_int_equal(http_connections(&s), 1);
	client_free(&c);
	http_stop(&s);
}

/* A server that refuses a body does not read it. */
static void test_refused_in_mid_body(void **state)
{
	(void)state;
	struct http_script s;
	struct setup o;
	struct client c;
	static const struct http_step steps[] = {
		{.reply = "HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
			.after = HTTP_CLOSE,
			.head_only = true},
		{.reply = OK_REPLY},
	};
	const size_t n = 32 << 20;
	char *body = mem_alloc(n);
	memset(body, 'x', n);
	http_start(&s, steps, 2);
	setup_init(&o, &s, 1);
	client_init(&c, &o, -1);
	if (!bulk_client_request(c.c, "POST", "/_bulk", NULL, span_of(body, n), &c.r, &c.err))
		fail_msg("%s", c.err.text);
	assert_int_equal(c.r.status, 413);
	assert_int_equal(bulk_hosts_alive(c.hosts), 1);
	if (!bulk_client_request(c.c, "POST", "/_bulk", NULL, span_of(body, n), &c.r, &c.err))
		fail_msg("%s", c.err.text);
	assert_int_equal(c.r.status, 200);
	assert_int_equal(s.body.n, n);
	assert_memory_equal(s.body.p, body, n);
	client_free(&c);
	http_stop(&s);
	mem_free(body);
}

static void test_broken_replies(void **state)
{
	(void)state;
	static const struct {
		struct http_step step;
		long status; /* 0: no reply */
	} rows[] = {
		{{.after = HTTP_CLOSE}, 0},
		{{.after = HTTP_RESET}, 0},
		{{.reply = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"errors\":false", .after = HTTP_CLOSE}, 0},
		{{.reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", .after = HTTP_CLOSE}, 0},
		{{.reply = "HTTP/1.1 200 OK\r\nContent-Le", .after = HTTP_CLOSE},
			200}, /* curl takes it; there is no body */
		{{.reply = "SSH-2.0-OpenSSH_9.2\r\n", .after = HTTP_CLOSE}, 0},
		{{.reply = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
			 .after = HTTP_CLOSE},
			0},
		{{.reply = "HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n{\"err", .after = HTTP_CLOSE}, 500},
		{{.reply = "HTTP/1.1 429 Slow\r\nContent-Length: 100\r\n\r\n", .after = HTTP_RESET}, 429},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct http_script s;
		struct setup o;
		struct client c;
		http_start(&s, &rows[i].step, 1);
		setup_init(&o, &s, 1);
		o.o.user = "u";
		o.o.password = "secret";
		client_init(&c, &o, -1);
		const bool good = post(&c, "/_bulk", "x");
		if (good != (rows[i].status != 0))
			fail_msg("%zu: %d", i, good);
		assert_int_equal(c.r.status, rows[i].status);
		assert_int_equal(bulk_hosts_alive(c.hosts), good);
		if (!good) {
			assert_non_null(strstr(c.err.text, c.r.host));
			assert_true(strlen(c.err.text) > strlen(c.r.host) + 10);
			assert_null(strstr(c.err.text, "secret"));
		}
		client_free(&c);
		http_stop(&s);
	}
}

static void test_reply_limit(void **state)
{
	(void)state;
	struct http_script s;
	struct setup o;
	struct client c;
	struct buf exact, more, bomb;
	buf_init(&exact, 1 << 20);
	buf_init(&more, 1 << 20);
	buf_init(&bomb, 1 << 20);
	buf_printf(&exact, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n%05000d", 1);
	buf_printf(&more, "HTTP/1.1 200 OK\r\nContent-Length: 5001\r\n\r\n%05001d", 1);
	/* A gigabyte of zeros in few bytes is bounded by what comes out. */
	char *zeros = mem_zalloc(1 << 24), *packed = mem_alloc(1 << 20);
	struct libdeflate_compressor *z = libdeflate_alloc_compressor(6);
	const size_t n = libdeflate_gzip_compress(z, zeros, 1 << 24, packed, 1 << 20);
	libdeflate_free_compressor(z);
	buf_printf(&bomb, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", n);
	buf_put(&bomb, packed, n);
	const struct http_step steps[] = {{.reply = (char *)exact.p, .n = exact.n},
		{.reply = (char *)more.p, .n = more.n}, {.reply = (char *)bomb.p, .n = bomb.n}, {.reply = OK_REPLY}};
	http_start(&s, steps, 4);
	setup_init(&o, &s, 1);
	o.o.reply_limit = 5000;
	client_init(&c, &o, -1);
	assert_true(post(&c, "/_bulk", "x"));
	assert_false(c.r.cut);
	assert_int_equal(c.r.body.n, 5000);
	for (int i = 0; i < 2; i++) {
		assert_true(post(&c, "/_bulk", "x"));
		assert_int_equal(c.r.status, 200);
		assert_true(c.r.cut);
		assert_true(c.r.body.n <= 5000);
	}
	assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
	assert_false(c.r.cut);
	assert_int_equal(bulk_hosts_alive(c.hosts), 1);
	client_free(&c);
	http_stop(&s);
	mem_free(zeros);
	mem_free(packed);
	buf_free(&exact);
	buf_free(&more);
	buf_free(&bomb);
}

static void test_compression(void **state)
{
	(void)state;
	struct http_script s;
	struct setup o;
	struct client c;
	http_start(&s, always_ok, 1);
	setup_init(&o, &s, 1);
	o.o.compression_level = 3;
	client_init(&c, &o, -1);
	struct buf body;
	buf_init(&body, 1 << 24);
	for (int i = 0; i < 20000; i++)
		buf_printf(&body, "{\"create\":{\"_id\":\"%d\"}}\n{\"n\":%d}\n", i, i * 7919);
	assert_reply(&c, bulk_client_request(c.c, "POST", "/_bulk", NULL, buf_span(&body), &c.r, &c.err), 200, "{}");
	assert_true(http_asked(&s, "Content-Encoding: gzip"));
	assert_true(s.body.n < body.n / 3);
	char *plain = mem_alloc(body.n);
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	size_t n;
	assert_int_equal(libdeflate_gzip_decompress(d, s.body.p, s.body.n, plain, body.n, &n), LIBDEFLATE_SUCCESS);
	assert_int_equal(n, body.n);
	assert_memory_equal(plain, body.p, n);
	libdeflate_free_decompressor(d);
	mem_free(plain);
	assert_reply(&c, post(&c, "/_bulk", "small"), 200, "{}");
	assert_false(http_asked(&s, "Content-Encoding: gzip"));
	assert_string_equal(buf_cstr(&s.body), "small");
	/* Where there is no memory for it, the body goes as it is. */
	buf_put_str(&body, "more than before, so that the buffer must grow");
	for (int i = 0; i < 200000; i++)
		buf_printf(&body, "%x", (unsigned)i * 2654435761u);
	mem_fail_at(1);
	const bool good = bulk_client_request(c.c, "POST", "/_bulk", NULL, buf_span(&body), &c.r, &c.err);
	mem_fail_at(0);
	assert_reply(&c, good, 200, "{}");
	assert_false(http_asked(&s, "Content-Encoding: gzip"));
	assert_int_equal(s.body.n, body.n);
	buf_free(&body);
	client_free(&c);
	http_stop(&s);
}

/* ---- the end ---- */

static void *stop_when_it_hangs(void *arg)
{
	const int *fd = arg; /* the script's, the client's */
	uint64_t v = 1;
	(void)!read(fd[0], &v, sizeof v);
	(void)!write(fd[1], &v, sizeof v);
	return NULL;
}

static void test_stop(void **state)
{
	(void)state;
	static const struct http_step rows[] = {{.after = HTTP_HANG}, {.after = HTTP_HANG, .head_only = true},
		{.reply = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", .after = HTTP_HANG}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct http_script s;
		struct setup o;
		struct client c;
		pthread_t stopper;
		http_start(&s, &rows[i], 1);
		setup_init(&o, &s, 1);
		int fds[2] = {s.hang_fd, eventfd(0, EFD_CLOEXEC)};
		client_init(&c, &o, fds[1]);
		assert_int_equal(pthread_create(&stopper, NULL, stop_when_it_hangs, fds), 0);
		assert_false(post(&c, "/_bulk", "x"));
		assert_true(c.r.stopped);
		assert_int_equal(c.r.status, 0);
		assert_int_equal(bulk_hosts_alive(c.hosts), 1); /* the host could not help it */
		pthread_join(stopper, NULL);
		/* It stays readable, so nothing is sent any more. */
		assert_false(post(&c, "/_bulk", "x"));
		assert_true(c.r.stopped);
		client_free(&c);
		close(fds[1]);
		http_stop(&s);
	}
}

static void test_timeout(void **state)
{
	(void)state;
	struct http_script s;
	struct setup o;
	struct client c;
	static const struct http_step hang[] = {{.after = HTTP_HANG}};
	http_start(&s, hang, 1);
	setup_init(&o, &s, 1);
	o.o.request_timeout_ns = 50 * NS_PER_MS;
	client_init(&c, &o, -1);
	assert_false(post(&c, "/_bulk", "x"));
	assert_false(c.r.stopped);
	assert_int_equal(bulk_hosts_alive(c.hosts), 0);
	assert_non_null(strstr(c.err.text, "request_timeout"));
	client_free(&c);
	http_stop(&s);
}

/* ---- several hosts ---- */

static _Atomic int64_t fake_ns;

static int64_t fake_clock(void)
{
	return atomic_load(&fake_ns);
}

/* A port where nobody listens. */
static unsigned closed_port(void)
{
	struct http_script s;
	http_start(&s, always_ok, 1);
	unsigned port = s.port;
	http_stop(&s);
	return port;
}

static void test_round_robin(void **state)
{
	(void)state;
	struct http_script s[3];
	struct setup o;
	struct client c, d;
	for (int i = 0; i < 3; i++)
		http_start(&s[i], always_ok, 1);
	setup_init(&o, s, 3);
	client_init(&c, &o, -1);
	for (unsigned i = 1; i <= 9; i++) {
		assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(http_requests(&s[k]), (i + 2 - k) / 3);
	}
	/*
	 * Another client of the same hosts goes on in turn: the scripts serve one connection at a time, so the first
	 * must leave.
	 */
	bulk_client_free(c.c);
	d = c;
	d.c = bulk_client_new(c.hosts, -1, &d.err);
	assert_reply(&d, post(&d, "/_bulk", "x"), 200, "{}");
	assert_int_equal(http_requests(&s[0]), 4);
	client_free(&d);
	for (int i = 0; i < 3; i++)
		http_stop(&s[i]);
}

static void test_fail_over(void **state)
{
	(void)state;
	struct http_script s[2];
	struct setup o;
	struct client c;
	clock_replace(NULL, fake_clock);
	atomic_store(&fake_ns, 1000 * NS_PER_S);
	static const struct http_step breaks_first[] = {{.after = HTTP_RESET}, {.reply = OK_REPLY}};
	http_start(&s[0], breaks_first, 2);
	http_start(&s[1], always_ok, 1);
	setup_init(&o, s, 2);
	client_init(&c, &o, -1);
	/* The first breaks the connection: the same request goes to the second. */
	assert_reply(&c, post(&c, "/_bulk", "one"), 200, "{}");
	assert_string_equal(buf_cstr(&s[1].body), "one");
	assert_int_equal(http_requests(&s[0]), 1);
	assert_int_equal(http_requests(&s[1]), 1);
	assert_int_equal(bulk_hosts_alive(c.hosts), 1);
	/* It rests for a second. */
	atomic_fetch_add(&fake_ns, NS_PER_S - 1);
	assert_reply(&c, post(&c, "/_bulk", "two"), 200, "{}");
	assert_int_equal(http_requests(&s[0]), 1);
	/* Then it is asked whether it lives, and gets the next batch. */
	atomic_fetch_add(&fake_ns, 1);
	assert_reply(&c, post(&c, "/_bulk", "three"), 200, "{}");
	assert_int_equal(http_requests(&s[0]), 3);
	assert_string_equal(buf_cstr(&s[0].body), "three");
	assert_int_equal(http_requests(&s[1]), 2);
	assert_int_equal(bulk_hosts_alive(c.hosts), 2);
	assert_reply(&c, post(&c, "/_bulk", "four"), 200, "{}");
	assert_string_equal(buf_cstr(&s[1].body), "four");
	client_free(&c);
	clock_replace(NULL, NULL);
	http_stop(&s[0]);
	http_stop(&s[1]);
}

/* 1, 2, 4 seconds of rest, and no longer than resurrect_after. */
static void test_growing_rest(void **state)
{
	(void)state;
	struct http_script s[2];
	struct setup o;
	struct client c;
	static const struct http_step breaks[] = {{.after = HTTP_CLOSE}};
	clock_replace(NULL, fake_clock);
	atomic_store(&fake_ns, 1000 * NS_PER_S);
	http_start(&s[0], breaks, 1);
	http_start(&s[1], always_ok, 1);
	setup_init(&o, s, 2);
	client_init(&c, &o, -1);
	static const int64_t rests[] = {1, 2, 4, 4, 4};
	assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
	unsigned asked = http_requests(&s[0]);
	for (size_t i = 0; i < 5; i++) {
		atomic_fetch_add(&fake_ns, rests[i] * NS_PER_S - 1);
		assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
		assert_int_equal(http_requests(&s[0]), asked);
		atomic_fetch_add(&fake_ns, 1);
		assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
		assert_true(http_requests(&s[0]) >
			    asked); /* curl itself repeats once what a closed connection may have lost */
		assert_true(http_asked(&s[0], "HEAD / HTTP/1.1\r\n"));
		asked = http_requests(&s[0]);
	}
	client_free(&c);
	clock_replace(NULL, NULL);
	http_stop(&s[0]);
	http_stop(&s[1]);
}

static void test_all_dead(void **state)
{
	(void)state;
	struct http_script s[2];
	struct setup o;
	struct client c;
	clock_replace(NULL, fake_clock);
	atomic_store(&fake_ns, 1000 * NS_PER_S);
	http_start(&s[0], always_ok, 1);
	http_start(&s[1], always_ok, 1);
	setup_init(&o, s, 2);
	o.host[0].port = closed_port();
	o.host[1].port = closed_port();
	client_init(&c, &o, -1);
	for (int i = 0; i < 3; i++) {
		assert_false(post(&c, "/_bulk", "x"));
		assert_int_equal(c.r.status, 0);
		assert_int_equal(bulk_hosts_alive(c.hosts), 0);
		assert_int_equal(c.err.code, ECONNREFUSED);
		assert_non_null(strstr(c.err.text, "none of the 2 hosts"));
		assert_non_null(strstr(c.err.text, "http://127.0.0.1:"));
		assert_non_null(strstr(c.err.text, "Connection refused"));
	}
	client_free(&c);
	/* Dead hosts are asked all the same when there is no other. */
	setup_init(&o, s, 2);
	static const struct http_step once[] = {{.after = HTTP_RESET}, {.after = HTTP_RESET}, {.reply = OK_REPLY}};
	struct http_script t;
	http_start(&t, once, 3);
	o.host[0].port = t.port;
	o.host[1].port = closed_port();
	client_init(&c, &o, -1);
	assert_false(post(&c, "/_bulk", "x"));
	assert_false(post(&c, "/_bulk", "x"));
	assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
	assert_int_equal(bulk_hosts_alive(c.hosts), 1);
	client_free(&c);
	clock_replace(NULL, NULL);
	http_stop(&t);
	http_stop(&s[0]);
	http_stop(&s[1]);
}

/* ---- ways ---- */

static void test_ipv6(void **state)
{
	(void)state;
	struct http_script s;
	struct setup o;
	struct client c;
	char origin[64];
	if (!http_start_family(&s, AF_INET6, NULL, always_ok, 1))
		return; /* this machine has none */
	setup_init(&o, &s, 1);
	client_init(&c, &o, -1);
	assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
	snprintf(origin, sizeof origin, "http://[::1]:%u", s.port);
	assert_string_equal(c.r.host, origin);
	client_free(&c);
	http_stop(&s);
}

static void test_proxy(void **state)
{
	(void)state;
	struct http_script s;
	struct setup o;
	struct client c;
	char proxy[64];
	/* What the environment says is not asked. */
	setenv("http_proxy", "http://127.0.0.1:9", 1);
	setenv("no_proxy", "*", 1);
	http_start(&s, always_ok, 1);
	setup_init(&o, &s, 1);
	client_init(&c, &o, -1);
	assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
	assert_true(http_asked(&s, "POST /_bulk HTTP/1.1\r\n"));
	client_free(&c);
	setup_init(&o, &s, 1);
	snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", s.port);
	o.o.proxy = proxy;
	o.host[0].host = "es.example";
	o.host[0].port = 9200;
	client_init(&c, &o, -1);
	assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
	assert_true(http_asked(&s, "POST http://es.example:9200/_bulk HTTP/1.1\r\n"));
	client_free(&c);
	http_stop(&s);
	unsetenv("http_proxy");
	unsetenv("no_proxy");
}

/* ---- TLS ---- */

struct certificate {
	EVP_PKEY *key;
	X509 *x509;
	char folder[32], cert_path[64], key_path[64];
};

static void write_pem(struct certificate *c)
{
	strcpy(c->folder, "/tmp/weir-test-XXXXXX");
	assert_non_null(mkdtemp(c->folder));
	snprintf(c->cert_path, sizeof c->cert_path, "%s/cert", c->folder);
	snprintf(c->key_path, sizeof c->key_path, "%s/key", c->folder);
	FILE *f = fopen(c->cert_path, "w");
	assert_true(f && PEM_write_X509(f, c->x509) && fclose(f) == 0);
	f = fopen(c->key_path, "w");
	assert_true(f && PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL) && fclose(f) == 0);
}

/* Signed by itself, for 127.0.0.1. */
static void certificate_new(struct certificate *c)
{
	c->key = EVP_EC_gen("P-256");
	c->x509 = X509_new();
	X509 *x = c->x509;
	assert_true(c->key && x);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, c->key);
	X509_NAME *name = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"weir test", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
	assert_true(ext && X509_add_ext(x, ext, -1));
	X509_EXTENSION_free(ext);
	assert_true(X509_sign(x, c->key, EVP_sha256()));
	write_pem(c);
}

static void certificate_free(struct certificate *c)
{
	unlink(c->cert_path);
	unlink(c->key_path);
	rmdir(c->folder);
	X509_free(c->x509);
	EVP_PKEY_free(c->key);
}

static SSL_CTX *tls_server(const struct certificate *c, int version, bool ask_for_certificate)
{
	SSL_CTX *t = SSL_CTX_new(TLS_server_method());
	assert_non_null(t);
	assert_int_equal(SSL_CTX_use_certificate(t, c->x509), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(t, c->key), 1);
	SSL_CTX_set_max_proto_version(t, version);
	SSL_CTX_set_security_level(t, version < TLS1_2_VERSION ? 0 : 1);
	if (ask_for_certificate) {
		assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(t), c->x509), 1);
		SSL_CTX_set_verify(t, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	return t;
}

static void test_tls(void **state)
{
	(void)state;
	struct certificate cert;
	static const struct {
		bool ca, verify, mutual;
		int server_max; /* the newest version that the server has */
		long min, max;
		const char *error; /* NULL: it works */
	} rows[] = {
		{true, true, false, TLS1_3_VERSION, 0, 0, NULL},
		{true, true, false, TLS1_2_VERSION, 0, 0, NULL},
		{true, true, false, TLS1_3_VERSION, CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_2, NULL},
		{false, true, false, TLS1_3_VERSION, 0, 0, "ca_file"},
		{false, false, false, TLS1_3_VERSION, 0, 0, NULL},
		{true, true, false, TLS1_1_VERSION, 0, 0, "http"},
		{true, true, false, TLS1_2_VERSION, CURL_SSLVERSION_TLSv1_3, 0, "http"},
		{true, true, true, TLS1_3_VERSION, 0, 0, NULL},
	};
	certificate_new(&cert);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct http_script s;
		struct setup o;
		struct client c;
		assert_true(http_start_family(
			&s, AF_INET, tls_server(&cert, rows[i].server_max, rows[i].mutual), always_ok, 1));
		setup_init(&o, &s, 1);
		o.o.ca_file = rows[i].ca ? cert.cert_path : NULL;
		o.o.ssl_verify = rows[i].verify;
		o.o.ssl_min_version = rows[i].min;
		o.o.ssl_max_version = rows[i].max;
		if (rows[i].mutual) {
			o.o.client_cert = cert.cert_path;
			o.o.client_key = cert.key_path;
		}
		client_init(&c, &o, -1);
		const bool good = post(&c, "/_bulk", "x");
		if (good != (rows[i].error == NULL))
			fail_msg("%zu: %s", i, c.err.text);
		if (good)
			assert_reply(&c, post(&c, "/_bulk", "x"), 200, "{}");
		else
			assert_non_null(strstr(c.err.text, rows[i].error));
		assert_int_equal(http_connections(&s), 1);
		client_free(&c);
		http_stop(&s);
	}
	/* Another name than the certificate's; and a file that is not there. */
	struct http_script s;
	struct setup o;
	struct client c;
	assert_true(http_start_family(&s, AF_INET, tls_server(&cert, TLS1_3_VERSION, false), always_ok, 1));
	setup_init(&o, &s, 1);
	o.host[0].host = "localhost";
	o.o.ca_file = cert.cert_path;
	client_init(&c, &o, -1);
	assert_false(post(&c, "/_bulk", "x"));
	assert_non_null(strstr(c.err.text, "https://localhost:"));
	client_free(&c);
	setup_init(&o, &s, 1);
	o.o.ca_file = "/nowhere/ca.pem";
	client_init(&c, &o, -1);
	assert_false(post(&c, "/_bulk", "x"));
	assert_non_null(strstr(c.err.text, "/nowhere/ca.pem"));
	client_free(&c);
	http_stop(&s);
	certificate_free(&cert);
}

/* ---- threads ---- */

struct worker {
	struct bulk_hosts *hosts;
	pthread_t thread;
	unsigned good;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct err err;
	struct bulk_response r;
	struct bulk_client *c = bulk_client_new(w->hosts, -1, &err);
	for (int i = 0; i < 20; i++)
		w->good += bulk_client_request(c, "POST", "/_bulk", NULL, SPAN_LIT("x"), &r, &err) && r.status == 200;
	bulk_client_free(c);
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	struct http_script s[2];
	struct setup o;
	struct worker w[4];
	static const struct http_step closes[] = {{.reply = OK_REPLY, .after = HTTP_CLOSE}};
	http_start(&s[0], closes, 1);
	http_start(&s[1], closes, 1);
	setup_init(&o, s, 2);
	struct bulk_hosts *hosts = bulk_hosts_new(&o.o);
	for (int i = 0; i < 4; i++) {
		w[i] = (struct worker){.hosts = hosts};
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].good, 20);
	}
	assert_int_equal(http_requests(&s[0]) + http_requests(&s[1]), 80);
	bulk_hosts_free(hosts);
	http_stop(&s[0]);
	http_stop(&s[1]);
}

static void test_path_segment(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1024);
	assert_true(bulk_put_path_segment(&b, SPAN_LIT("logs-app_1.2~x")));
	assert_true(bulk_put_path_segment(&b, SPAN_LIT("/ ?#%\xc3\xa9\0")));
	assert_string_equal(buf_cstr(&b), "logs-app_1.2~x%2F%20%3F%23%25%C3%A9%00");
	buf_free(&b);
	buf_init(&b, 2);
	assert_false(bulk_put_path_segment(&b, SPAN_LIT("/")));
	buf_free(&b);
	bulk_client_free(NULL);
	bulk_hosts_free(NULL);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* as in the program: OpenSSL writes without MSG_NOSIGNAL */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_authentication),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_refused_in_mid_body),
		cmocka_unit_test(test_broken_replies),
		cmocka_unit_test(test_reply_limit),
		cmocka_unit_test(test_compression),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_fail_over),
		cmocka_unit_test(test_growing_rest),
		cmocka_unit_test(test_all_dead),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_path_segment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
