#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "admin.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct event_base *base;
static struct admin *server;
static int calls;
static int64_t skipped_ns; /* by which the clock is ahead */

static int64_t skipping_clock(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec + skipped_ns;
}

/* ---- a client: a socket and what came from it ---- */

struct client {
	int fd;
	struct event *readable;
	struct buf in;
	bool closed;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	char chunk[65536];
	(void)what;
	ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
	if (n > 0) {
		buf_put(&c->in, chunk, (size_t)n);
	} else if (n == 0 || errno != EAGAIN) {
		c->closed = true;
		event_del(c->readable);
	}
}

static void connect_to(struct client *c, uint16_t port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	*c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_true(c->fd >= 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&sin, sizeof sin), 0);
	buf_init(&c->in, 8 << 20);
	c->readable = event_new(base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	event_add(c->readable, NULL);
}

static void hang_up(struct client *c)
{
	event_free(c->readable);
	close(c->fd);
	buf_free(&c->in);
}

static void send_bytes(struct client *c, const void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t sent = send(c->fd, (const char *)p + at, n - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			at += (size_t)sent;
		else if (errno == EAGAIN)
			event_base_loop(base, EVLOOP_ONCE);
		else
			return; /* the server has enough */
	}
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Runs the server until `text` is there for the n-th time (NULL: until it hangs up); not longer than some seconds. */
static void wait_for(struct client *c, const char *text, int n)
{
	struct timeval limit = {.tv_sec = 8};
	bool late = false;
	struct event *timer = evtimer_new(base, on_time, &late);
	evtimer_add(timer, &limit);
	for (;;) {
		int found = 0;
		for (const char *p = buf_cstr(&c->in); text && (p = strstr(p, text)); p++)
			found++;
		if (text ? found >= n : c->closed)
			break;
		if (late || (text && c->closed))
			fail_msg("waited for '%s' in vain; there is:\n%s", text ? text : "the end", buf_cstr(&c->in));
		event_base_loop(base, EVLOOP_ONCE);
	}
	event_free(timer);
}

/* One request on a connection of its own; the answer without its Date header, for the caller to mem_free. */
static char *ask(const char *request)
{
	struct client c;
	connect_to(&c, admin_port(server, 0));
	send_bytes(&c, request, strlen(request));
	wait_for(&c, NULL, 0);
	char *text = mem_strdup(buf_cstr(&c.in));
	hang_up(&c);
	char *date = strstr(text, "Date: ");
	if (date) {
		char *end = strstr(date, "\r\n") + 2;
		memmove(date, end, strlen(end) + 1);
	}
	return text;
}

static void check(const char *request, const char *want)
{
	char *got = ask(request);
	assert_string_equal(got, want);
	mem_free(got);
}

static void check_begins(const char *request, const char *want)
{
	char *got = ask(request);
	if (strncmp(got, want, strlen(want)) != 0)
		fail_msg("the answer is\n%s\nnot\n%s", got, want);
	mem_free(got);
}

/* ---- handlers ---- */

static void hello(struct admin_request *r, void *arg)
{
	calls++;
	admin_reply(r, 200, "text/plain; version=0.0.4", span_str(arg));
}

static void echo(struct admin_request *r, void *arg)
{
	struct buf b;
	(void)arg;
	buf_init(&b, 2 << 20);
	const char *a = admin_query(r, "a"), *other = admin_query(r, "@id");
	buf_printf(&b, "%s|%s|%s|", admin_method(r), a ? a : "nil", other ? other : "nil");
	admin_reply(r, 201, "text/plain", buf_span(&b));
	admin_reply(r, 500, "text/plain", SPAN_LIT("twice"));
	buf_free(&b);
}

static void silent(struct admin_request *r, void *arg)
{
	(void)r;
	(void)arg;
}

static void take_body(struct admin_request *r, void *arg)
{
	(void)arg;
	calls++;
	admin_reply(r, 200, "text/plain", SPAN_LIT("taken\n"));
}

static void much(struct admin_request *r, void *arg)
{
	char *text = mem_alloc(3 << 20);
	(void)arg;
	memset(text, 'm', 3 << 20);
	admin_reply(r, 200, "text/plain", span_of(text, 3 << 20));
	mem_free(text);
}

static int set_up(void **state)
{
	struct err err;
	(void)state;
	static char text[] = "hello\n";
	base = event_base_new();
	server = admin_new(base);
	clock_replace(NULL, skipping_clock);
	skipped_ns = 0;
	admin_route(server, "GET /hello", hello, text);
	admin_route(server, "GET /echo", echo, NULL);
	admin_route(server, "POST /echo", echo, NULL);
	admin_route(server, "* /any", echo, NULL);
	admin_route(server, "GET /silent", silent, NULL);
	admin_route(server, "POST /size", take_body, NULL);
	admin_route(server, "GET /much", much, NULL);
	return admin_listen(server, "127.0.0.1", 0, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	clock_replace(NULL, NULL);
	admin_free(server);
	event_base_free(base);
	return 0;
}

/* ---- tests ---- */

#define HEAD(status, type, len)                                                        \
	"HTTP/1.1 " status "\r\nContent-Type: " type "\r\nContent-Length: " len "\r\n" \
	"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
#define CLOSE " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void test_get(void **state)
{
	(void)state;
	check("GET /hello" CLOSE, HEAD("200 OK", "text/plain; version=0.0.4", "6") "hello\n");
}

static void test_head(void **state)
{
	(void)state;
	check("HEAD /hello" CLOSE, HEAD("200 OK", "text/plain; version=0.0.4", "6"));
	check_begins("HEAD /none" CLOSE, "HTTP/1.1 404 Not Found\r\n");
}

static void test_not_found(void **state)
{
	(void)state;
	check("GET /none" CLOSE, HEAD("404 Not Found", "text/plain", "10") "not found\n");
	static const char *const paths[] = {
		"/", "/hello/", "//hello", "/hello/../hello", "/Hello", "/hell%6f", "/etc/passwd", "/../../etc/passwd"};
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		char *request = mem_printf("GET %s" CLOSE, paths[i]);
		check_begins(request, "HTTP/1.1 404 Not Found\r\n");
		mem_free(request);
	}
}

static void test_wrong_method(void **state)
{
	(void)state;
	check("DELETE /hello" CLOSE,
		"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Type: text/plain\r\n"
		"Content-Length: 19\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
		"Connection: close\r\n\r\nmethod not allowed\n");
	check_begins("PUT /echo" CLOSE, "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD, POST\r\n");
	check_begins("OPTIONS /hello" CLOSE, "HTTP/1.1 405 ");
	check_begins("TRACE /hello" CLOSE, "HTTP/1.1 405 ");
	check_begins("DELETE /none" CLOSE, "HTTP/1.1 404 ");
}

static void test_query(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"/echo", "nil|nil|"},
		{"/echo?", "nil|nil|"},
		{"/echo?a=1", "1|nil|"},
		{"/echo?a=", "|nil|"},
		{"/echo?b=2&a=x%20y+z%2F&a=second", "x y z/|nil|"},
		{"/echo?@id=es_out&A=upper", "nil|es_out|"},
		{"/echo?a=1#fragment", "1|nil|"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *request = mem_printf("GET %s" CLOSE, cases[i][0]);
		char *want = mem_printf("\r\n\r\nGET|%s", cases[i][1]);
		char *got = ask(request);
		if (!strstr(got, want))
			fail_msg("%s: %s", cases[i][0], got);
		mem_free(got);
		mem_free(want);
		mem_free(request);
	}
}

static void test_body_and_any_method(void **state)
{
	(void)state;
	check("POST /echo HTTP/1.1\r\nContent-Length: 5\r\nConnection: close\r\n\r\na\nbcd",
		HEAD("201 Created", "text/plain", "13") "POST|nil|nil|");
	check_begins("PUT /any" CLOSE, "HTTP/1.1 201 ");
	check_begins("DELETE /any" CLOSE, "HTTP/1.1 201 ");
}

static void test_chunked_body(void **state)
{
	(void)state;
	char *got = ask("POST /size HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
			"5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n");
	assert_non_null(strstr(got, "\r\n\r\ntaken"));
	mem_free(got);
}

static void test_handler_that_forgets(void **state)
{
	(void)state;
	check("GET /silent" CLOSE, HEAD("500 Internal Server Error", "text/plain", "10") "no answer\n");
}

static void test_fallback_route(void **state)
{
	(void)state;
	admin_route(server, "* *", echo, NULL);
	check_begins("GET /none" CLOSE, "HTTP/1.1 201 ");
	check_begins("DELETE /hello" CLOSE, "HTTP/1.1 201 ");
	check_begins("GET /hello" CLOSE, "HTTP/1.1 200 ");
}

static void test_pipelined(void **state)
{
	(void)state;
	struct client c;
	static const char one[] = "GET /hello HTTP/1.1\r\n\r\n";
	char all[sizeof one * 50] = "";
	for (int i = 0; i < 50; i++)
		strcat(all, one);
	connect_to(&c, admin_port(server, 0));
	calls = 0;
	send_bytes(&c, all, strlen(all));
	wait_for(&c, "\r\n\r\nhello\n", 50);
	assert_int_equal(calls, 50);
	assert_false(c.closed);
	send_bytes(&c, one, strlen(one)); /* kept alive */
	wait_for(&c, "\r\n\r\nhello\n", 51);
	hang_up(&c);
}

static void test_byte_by_byte(void **state)
{
	(void)state;
	struct client c;
	static const char text[] = "GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: 1234567890\r\n\r\n";
	connect_to(&c, admin_port(server, 0));
	for (size_t i = 0; text[i]; i++) {
		send_bytes(&c, text + i, 1);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	wait_for(&c, "\r\n\r\nhello\n", 1);
	hang_up(&c);
}

/* A refusal, or no answer at all: the server may hang up before it has read everything. */
static void check_refused(struct buf *request)
{
	char *got = ask(buf_cstr(request));
	if (*got && strncmp(got, "HTTP/1.1 4", 10) != 0)
		fail_msg("the answer is\n%s", got);
	mem_free(got);
	buf_clear(request);
}

/* evhttp looks at the size once for each read of up to 16 KiB. */
static void test_oversized_headers(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 100000);
	calls = 0;
	buf_printf(&b, "GET /hello HTTP/1.1\r\nX: %040000d\r\n\r\n", 1);
	check_refused(&b);
	buf_put_str(&b, "GET /hello HTTP/1.1\r\n");
	for (int i = 0; i < 2000; i++)
		buf_printf(&b, "X-%d: yyyyyyyyy\r\n", i);
	buf_put_str(&b, "\r\n");
	check_refused(&b);
	buf_printf(&b, "GET /hello?%040000d HTTP/1.1\r\n\r\n", 1);
	check_refused(&b);
	assert_int_equal(calls, 0);
	buf_printf(&b, "GET /hello HTTP/1.1\r\nConnection: close\r\nX: %015000d\r\n\r\n", 1);
	check_begins(buf_cstr(&b), "HTTP/1.1 200 ");
	buf_free(&b);
}

static void test_body_limit(void **state)
{
	(void)state;
	char *request = mem_alloc((1 << 20) + 200);
	int n = sprintf(request, "POST /size HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", 1 << 20);
	memset(request + n, 'b', 1 << 20);
	request[n + (1 << 20)] = 0;
	char *got = ask(request);
	assert_non_null(strstr(got, "\r\n\r\ntaken"));
	mem_free(got);
	mem_free(request);
	check_begins("POST /size HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", "HTTP/1.1 413 ");
	check_begins("POST /size HTTP/1.1\r\nContent-Length: 99999999999999999\r\n\r\n", "HTTP/1.1 413 ");
}

/* Sends `first`, then `more` again and again; the server must hang up, and not call any handler. */
static void check_endless(const char *first, const char *more, size_t n)
{
	struct client c;
	calls = 0;
	connect_to(&c, admin_port(server, 0));
	send_bytes(&c, first, strlen(first));
	for (int i = 0; i < 5000 && !c.closed; i++) {
		send_bytes(&c, more, n);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	assert_true(c.closed);
	assert_null(strstr(buf_cstr(&c.in), "taken"));
	assert_int_equal(calls, 0);
	hang_up(&c);
}

static void test_endless_requests(void **state)
{
	(void)state;
	char chunk[0x1000 + 8] = "1000\r\n", line[64] = "X: y\r\n";
	memset(chunk + 6, 'c', 0x1000);
	memcpy(chunk + 6 + 0x1000, "\r\n", 2);
	check_endless("POST /size HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, sizeof chunk);
	check_endless("GET /hello", chunk + 6, 0x1000);
	check_endless("GET /hello HTTP/1.1\r\n", line, 6);
	check_endless("GET /hello HTTP/1.1\r\nX: ", chunk + 6, 0x1000);
}

static void test_malformed(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"\r\n\r\n",
		"GARBAGE\r\n\r\n",
		"GET\r\n\r\n",
		"GET /hello\r\n\r\n",
		"GET /hello HTTP/9.x\r\n\r\n",
		"GET http://[::/hello HTTP/1.1\r\n\r\n",
		"BREW /hello HTTP/1.1\r\n\r\n",
		"GET /hello HTTP/1.1\r\nno colon\r\n\r\n",
		"POST /size HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST /size HTTP/1.1\r\nContent-Length: x\r\n\r\n",
		"POST /size HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	};
	calls = 0;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct client c;
		connect_to(&c, admin_port(server, 0));
		send_bytes(&c, bad[i], strlen(bad[i]));
		shutdown(c.fd, SHUT_WR);
		wait_for(&c, NULL, 0);
		if (strstr(buf_cstr(&c.in), " 200 ") || strstr(buf_cstr(&c.in), "taken"))
			fail_msg("case %zu was answered: %s", i, buf_cstr(&c.in));
		hang_up(&c);
	}
	assert_int_equal(calls, 0);
	check_begins("GET /hello" CLOSE, "HTTP/1.1 200 ");
}

static void test_large_answer(void **state)
{
	(void)state;
	struct client c;
	connect_to(&c, admin_port(server, 0));
	static const char text[] = "GET /much" CLOSE;
	send_bytes(&c, text, strlen(text));
	wait_for(&c, NULL, 0);
	const char *body = strstr(buf_cstr(&c.in), "\r\n\r\n");
	assert_non_null(body);
	assert_int_equal(strspn(body + 4, "m"), 3 << 20);
	hang_up(&c);
}

static void test_client_that_leaves(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct client c;
		connect_to(&c, admin_port(server, 0));
		static const char text[] = "GET /much HTTP/1.1\r\n\r\nGET /much HTTP/1.1\r\n\r\n";
		send_bytes(&c, text, strlen(text));
		for (int turn = 0; turn < i; turn++)
			event_base_loop(base, EVLOOP_NONBLOCK);
		hang_up(&c);
	}
	check_begins("GET /hello" CLOSE, "HTTP/1.1 200 ");
}

/* One that sends a byte now and then is dropped all the same; one that has just asked is not. */
static void test_slow_client_is_dropped(void **state)
{
	(void)state;
	struct client slow, good;
	connect_to(&slow, admin_port(server, 0));
	connect_to(&good, admin_port(server, 0));
	send_bytes(&slow, "GET /hel", 8);
	send_bytes(&good, "GET /hello HTTP/1.1\r\n\r\n", 23);
	wait_for(&good, "hello\n", 1);
	skipped_ns += 20 * NS_PER_S;
	send_bytes(&slow, "lo HTTP", 7);
	send_bytes(&good, "GET /hello HTTP/1.1\r\n\r\n", 23);
	wait_for(&good, "hello\n", 2);
	skipped_ns += 11 * NS_PER_S;
	wait_for(&slow, NULL, 0);
	assert_int_equal(slow.in.n, 0);
	send_bytes(&good, "GET /hello HTTP/1.1\r\n\r\n", 23);
	wait_for(&good, "hello\n", 3);
	skipped_ns += 31 * NS_PER_S;
	wait_for(&good, NULL, 0);
	hang_up(&slow);
	hang_up(&good);
}

/* With a 65th, the one that has been silent longest gives way; and a crowd that asks nothing keeps nobody out. */
static void test_connection_limit(void **state)
{
	(void)state;
	static struct client c[164];
	struct client good;
	for (size_t i = 0; i < 64; i++) {
		connect_to(&c[i], admin_port(server, 0));
		send_bytes(&c[i], "GET /hello HTTP/1.1\r\n\r\n", 23);
		wait_for(&c[i], "hello\n", 1);
	}
	send_bytes(&c[0], "GET /hello HTTP/1.1\r\n\r\n", 23);
	wait_for(&c[0], "hello\n", 2);
	connect_to(&good, admin_port(server, 0));
	send_bytes(&good, "GET /hello HTTP/1.1\r\n\r\n", 23);
	wait_for(&good, "hello\n", 1);
	wait_for(&c[1], NULL, 0);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(c[i].closed, i == 1);
	for (size_t i = 64; i < 164; i++)
		connect_to(&c[i], admin_port(server, 0));
	struct client late;
	connect_to(&late, admin_port(server, 0));
	send_bytes(&late, "GET /hello HTTP/1.1\r\n\r\n", 23);
	wait_for(&late, "hello\n", 1);
	assert_true(c[2].closed && !c[163].closed);
	for (size_t i = 0; i < 164; i++)
		hang_up(&c[i]);
	hang_up(&good);
	hang_up(&late);
}

static void test_several_listeners(void **state)
{
	(void)state;
	struct err err;
	struct client c;
	assert_true(admin_listen(server, "", 0, &err));
	assert_true(admin_listen(server, NULL, 0, &err));
	assert_true(admin_listen(server, "localhost", 0, &err));
	for (size_t i = 0; i < 3; i++) {
		assert_true(admin_port(server, i) > 0);
		connect_to(&c, admin_port(server, i));
		send_bytes(&c, "GET /hello HTTP/1.1\r\n\r\n", 23);
		wait_for(&c, "hello\n", 1);
		hang_up(&c);
	}
	assert_int_equal(admin_port(server, 4), 0);
}

static void test_ipv6(void **state)
{
	(void)state;
	struct err err;
	if (!admin_listen(server, "[::1]", 0, &err)) {
		if (err.code != EAFNOSUPPORT && err.code != EADDRNOTAVAIL)
			fail_msg("%s", err.text);
		skip(); /* a machine without IPv6 */
	}
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(admin_port(server, 1)), .sin6_addr = in6addr_loopback};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin6, sizeof sin6), 0);
	struct client c = {.fd = fd};
	buf_init(&c.in, 1 << 20);
	c.readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, &c);
	event_add(c.readable, NULL);
	send_bytes(&c, "GET /echo HTTP/1.1\r\n\r\n", 22);
	wait_for(&c, "GET|nil|nil|", 1);
	hang_up(&c);
}

static void test_listen_fails(void **state)
{
	(void)state;
	struct err err;
	assert_false(admin_listen(server, "127.0.0.1", admin_port(server, 0), &err));
	assert_int_equal(err.code, EADDRINUSE);
	char *want = mem_printf("cannot listen on 127.0.0.1 port %u: no listening socket: Address already in use",
		admin_port(server, 0));
	assert_string_equal(err.text, want);
	mem_free(want);
	assert_false(admin_listen(server, "300.1.1.1", 0, &err));
	assert_non_null(strstr(err.text, "cannot listen on 300.1.1.1 port 0: "));
	assert_int_equal(admin_port(server, 1), 0);
}

static void test_free_with_open_connections(void **state)
{
	(void)state;
	struct client a, b;
	connect_to(&a, admin_port(server, 0));
	connect_to(&b, admin_port(server, 0));
	send_bytes(&a, "GET /hello HTTP/1.1\r\n\r\n", 23);
	send_bytes(&b, "GET /hel", 8);
	wait_for(&a, "hello\n", 1);
	admin_free(server);
	server = NULL;
	wait_for(&a, NULL, 0);
	wait_for(&b, NULL, 0);
	hang_up(&a);
	hang_up(&b);
	admin_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_get),
		TEST(test_head),
		TEST(test_not_found),
		TEST(test_wrong_method),
		TEST(test_query),
		TEST(test_body_and_any_method),
		TEST(test_chunked_body),
		TEST(test_handler_that_forgets),
		TEST(test_fallback_route),
		TEST(test_pipelined),
		TEST(test_byte_by_byte),
		TEST(test_oversized_headers),
		TEST(test_body_limit),
		TEST(test_endless_requests),
		TEST(test_malformed),
		TEST(test_large_answer),
		TEST(test_client_that_leaves),
		TEST(test_slow_client_is_dropped),
		TEST(test_connection_limit),
		TEST(test_several_listeners),
		TEST(test_ipv6),
		TEST(test_listen_fails),
		TEST(test_free_with_open_connections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
