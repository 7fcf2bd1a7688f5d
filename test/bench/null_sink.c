/*
 * null_sink.c: stands where Elasticsearch would in a benchmark: takes _bulk requests, counts their documents (two lines each), keeps
 * nothing, and answers as a cluster does that created them all and was asked with weir's filter_path.
 *
 *   POST .../_bulk        counted; the answer has one item for each document
 *   GET /                 Elasticsearch 8's greeting
 *   GET /_count           {"documents":..,"requests":..,"bytes":..,"last_ns":..}; last_ns is CLOCK_MONOTONIC of the last document
 *   anything else         200 and {"acknowledged":true}
 *
 * One thread, so that a CPU stays for the server that is measured. Prints "listening PORT" when it is ready.
 */
#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEAD_MAX  16384
#define ITEMS_MAX 200000 /* documents of one request */
#define ITEM	  "{\"create\":{\"status\":201}},"
#define ITEM_LEN  (sizeof ITEM - 1)
#define GREETING                                                                                                 \
	"{\"name\":\"null\",\"cluster_name\":\"null\",\"cluster_uuid\":\"bm8gc3VjaCBjbHVzdGVyIQ\",\"version\":{" \
	"\"number\":\"8.19.0\",\"build_flavor\":\"default\"},\"tagline\":\"You Know, for Search\"}"

struct request {
	bool bulk, count, root;
	uint64_t left;	/* bytes of the body that have not come */
	uint64_t lines; /* newlines in the body so far */
};

struct connection {
	int fd;
	bool in_body;
	char head[HEAD_MAX]; /* of the request that is being read */
	size_t head_len;
	struct request request;
	char reply_head[512];
	struct iovec reply[3]; /* what is left to send */
	unsigned reply_at, reply_count;
	int64_t due_ns; /* when the reply may go; 0 = there is none */
	struct connection *next_due;
};

static struct {
	unsigned port;
	int64_t latency_ns;
} opt;

static struct {
	uint64_t documents, requests, bytes;
	int64_t last_ns;
} seen;

static char *items; /* ITEMS_MAX times ITEM */
static struct connection *first_due, **last_due = &first_due;
static char body[1 << 20];
static int ep;

static void fail(const char *what)
{
	fprintf(stderr, "null_sink: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t count_lines(const char *p, size_t n)
{
	const char *end = p + n;
	uint64_t lines = 0;

	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		lines++;
		p++;
	}
	return lines;
}

/* ---- replies ---- */

static void reply_part(struct connection *c, const void *p, size_t n)
{
	c->reply[c->reply_count++] = (struct iovec){.iov_base = (void *)(uintptr_t)p, .iov_len = n};
}

static void reply_headers(struct connection *c, const char *status, size_t length, const char *start)
{
	int n = snprintf(c->reply_head, sizeof c->reply_head,
		"HTTP/1.1 %s\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		status, length + strlen(start), start);

	reply_part(c, c->reply_head, (size_t)n);
}

static void reply_text(struct connection *c, const char *status, const char *text)
{
	reply_headers(c, status, 0, text);
}

static void reply_bulk(struct connection *c, uint64_t documents)
{
	static const char end[] = "]}";
	size_t length = documents ? documents * ITEM_LEN - 1 : 0; /* no comma after the last */

	reply_headers(c, "200 OK", length + sizeof end - 1, "{\"took\":1,\"errors\":false,\"items\":[");
	reply_part(c, items, length);
	reply_part(c, end, sizeof end - 1);
}

static void reply_count(struct connection *c)
{
	char text[256];

	snprintf(text, sizeof text,
		"{\"documents\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"last_ns\":%" PRId64 "}",
		seen.documents, seen.requests, seen.bytes, seen.last_ns);
	reply_text(c, "200 OK", text);
}

/* The request has come whole: decides on the answer. */
static void answer(struct connection *c)
{
	const struct request *r = &c->request;

	c->reply_at = c->reply_count = 0;
	c->due_ns = clock_mono_ns();
	if (r->bulk && (r->lines % 2 || r->lines / 2 > ITEMS_MAX)) {
		reply_text(c, "400 Bad Request", "{\"error\":\"not action and document by turns, or too many\"}");
	} else if (r->bulk) {
		seen.documents += r->lines / 2;
		seen.requests++;
		seen.last_ns = c->due_ns;
		c->due_ns += opt.latency_ns;
		reply_bulk(c, r->lines / 2);
	} else if (r->count) {
		reply_count(c);
	} else {
		reply_text(c, "200 OK", r->root ? GREETING : "{\"acknowledged\":true}");
	}
	/* The latency is the same for all bulk requests; the others wait behind them, which harms nobody. */
	c->next_due = NULL;
	*last_due = c;
	last_due = &c->next_due;
}

/* ---- requests ---- */

static const char *header(const char *head, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = strstr(head, "\r\n"); p; p = strstr(p + 2, "\r\n"))
		if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':')
			return p + 3 + n + strspn(p + 3 + n, " ");
	return NULL;
}

/* Reads method, path and length from a whole head. False: this sink does not do that. */
static bool head_parse(struct connection *c)
{
	const char *path = strchr(c->head, ' '), *length = header(c->head, "content-length");
	size_t n;

	if (!path || header(c->head, "transfer-encoding") || header(c->head, "content-encoding"))
		return false;
	path++;
	n = strcspn(path, " ?");
	c->request = (struct request){
		.bulk = n >= 6 && strncmp(path + n - 6, "/_bulk", 6) == 0,
		.count = n == 7 && strncmp(path, "/_count", 7) == 0,
		.root = n == 1,
		.left = length ? strtoull(length, NULL, 10) : 0,
	};
	return true;
}

static void body_take(struct connection *c, const char *p, size_t n)
{
	if (c->request.bulk) {
		c->request.lines += count_lines(p, n);
		seen.bytes += n;
	}
	c->request.left -= n;
	if (c->request.left == 0) {
		c->in_body = false;
		answer(c);
	}
}

/* Looks for the end of the head among the bytes at hand. False: close. */
static bool head_take(struct connection *c)
{
	char *end;
	size_t used, rest;

	c->head[c->head_len] = 0;
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return c->head_len < HEAD_MAX - 1;
	end[2] = 0;
	used = (size_t)(end - c->head) + 4;
	rest = c->head_len - used;
	if (!head_parse(c) || rest > c->request.left)
		return false;
	c->head_len = 0;
	c->in_body = true;
	body_take(c, c->head + used, rest);
	return true;
}

static bool receive(struct connection *c)
{
	while (!c->due_ns) {
		ssize_t n;

		if (c->in_body) {
			size_t want = c->request.left < sizeof body ? (size_t)c->request.left : sizeof body;

			n = recv(c->fd, body, want, 0);
			if (n > 0)
				body_take(c, body, (size_t)n);
		} else {
			n = recv(c->fd, c->head + c->head_len, HEAD_MAX - 1 - c->head_len, 0);
			if (n > 0) {
				c->head_len += (size_t)n;
				if (!head_take(c))
					return false;
			}
		}
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
	}
	return true;
}

/* ---- the loop ---- */

static void connection_close(struct connection *c)
{
	close(c->fd);
	mem_free(c);
}

static void watch(struct connection *c, uint32_t events, int op)
{
	struct epoll_event e = {.events = events, .data.ptr = c};

	if (epoll_ctl(ep, op, c->fd, &e))
		fail("epoll_ctl");
}

/* Sends what is left of the reply. False: the connection is broken. */
static bool reply_send(struct connection *c)
{
	while (c->reply_at < c->reply_count) {
		struct msghdr m = {.msg_iov = c->reply + c->reply_at, .msg_iovlen = c->reply_count - c->reply_at};
		ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL);

		if (n < 0) {
			if (errno == EAGAIN)
				watch(c, EPOLLOUT, EPOLL_CTL_MOD);
			return errno == EAGAIN;
		}
		while (c->reply_at < c->reply_count && (size_t)n >= c->reply[c->reply_at].iov_len)
			n -= (ssize_t)c->reply[c->reply_at++].iov_len;
		if (c->reply_at < c->reply_count) {
			c->reply[c->reply_at].iov_base = (char *)c->reply[c->reply_at].iov_base + n;
			c->reply[c->reply_at].iov_len -= (size_t)n;
		}
	}
	c->due_ns = 0;
	watch(c, EPOLLIN, EPOLL_CTL_MOD);
	return true;
}

/* Sends the replies whose time has come; returns how long to wait for the next one, in milliseconds, -1 = for ever. */
static int replies_send(void)
{
	int64_t now = clock_mono_ns();

	while (first_due && first_due->due_ns <= now) {
		struct connection *c = first_due;

		first_due = c->next_due;
		if (!first_due)
			last_due = &first_due;
		if (!reply_send(c))
			connection_close(c);
	}
	return first_due ? (int)((first_due->due_ns - now) / NS_PER_MS) + 1 : -1;
}

static void accept_all(int listener)
{
	int fd, on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *c = mem_zalloc(sizeof *c);

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		c->fd = fd;
		watch(c, EPOLLIN, EPOLL_CTL_ADD);
	}
}

static void on_event(const struct epoll_event *e, int listener)
{
	struct connection *c = e->data.ptr;

	if (!c)
		accept_all(listener);
	else if (e->events & EPOLLOUT ? !reply_send(c) : !c->due_ns && !receive(c))
		connection_close(c);
}

static int listen_on(unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t n = sizeof a;
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event e = {.events = EPOLLIN};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
		bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 1024) ||
		getsockname(fd, (struct sockaddr *)&a, &n))
		fail("cannot listen");
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e))
		fail("epoll_ctl");
	printf("listening %u\n", ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", 1, NULL, 'p'}, {"latency", 1, NULL, 'l'}, {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'p') {
			opt.port = (unsigned)strtoul(optarg, NULL, 10);
		} else if (o == 'l') {
			opt.latency_ns = strtoll(optarg, NULL, 10) * NS_PER_MS;
		} else {
			fputs("usage: null_sink [--port 0] [--latency MILLISECONDS]\n", o == 'h' ? stdout : stderr);
			exit(o == 'h' ? 0 : 2);
		}
	}
}

int main(int argc, char **argv)
{
	int listener;

	parse(argc, argv);
	items = mem_alloc(ITEMS_MAX * ITEM_LEN);
	for (size_t i = 0; i < ITEMS_MAX; i++)
		memcpy(items + i * ITEM_LEN, ITEM, ITEM_LEN);
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		fail("epoll_create1");
	listener = listen_on(opt.port);
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(ep, events, 64, replies_send());

		for (int i = 0; i < n; i++)
			on_event(&events[i], listener);
	}
}
