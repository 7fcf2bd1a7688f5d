/*
 * http_script.h: for tests: an HTTP server in a thread, on a free port of the loopback, that answers as it is told
 * and remembers what it was asked. It serves one connection at a time.
 */
#ifndef WEIR_TEST_ELASTIC_HTTP_SCRIPT_H
#define WEIR_TEST_ELASTIC_HTTP_SCRIPT_H

#include "base/buf.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum http_after {
	HTTP_KEEP,  /* wait for the next request on this connection */
	HTTP_CLOSE, /* end it in order */
	HTTP_RESET, /* break it */
	HTTP_HANG,  /* say no more, until the client goes */
};

struct http_step {
	const char *reply; /* all of it, head and body; NULL: nothing */
	size_t n;	   /* 0: strlen */
	enum http_after after;
	bool head_only; /* answer as soon as the request's head is there, and do not read its body */
};

struct http_script {
	int family, fd, stop_fd, hang_fd;
	unsigned port;
	SSL_CTX *tls; /* NULL: plain HTTP; freed by http_stop */
	SSL *ssl;     /* of the present connection */
	pthread_t thread;
	const struct http_step *steps; /* the last one is repeated */
	size_t step_count;
	/* Under the lock. */
	pthread_mutex_t lock;
	unsigned connections, requests;
	struct buf head, body; /* of the last request */
};

static inline size_t http_content_length(const char *head)
{
	for (const char *line = head; line; line = strstr(line, "\r\n")) {
		line += strncmp(line, "\r\n", 2) == 0 ? 2 : 0;
		if (strncasecmp(line, "content-length:", 15) == 0)
			return strtoul(line + 15, NULL, 10);
	}
	return 0;
}

/* Waits until fd can be read. False: the script ends. */
static inline bool http_wait(struct http_script *s, int fd)
{
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = s->stop_fd, .events = POLLIN}};
	while (poll(p, 2, -1) < 0)
		assert(errno == EINTR);
	return !p[1].revents;
}

static inline bool http_read(struct http_script *s, int fd, struct buf *in)
{
	char bytes[65536];
	ssize_t n;
	if (!(s->ssl && SSL_pending(s->ssl)) && !http_wait(s, fd))
		return false;
	if (s->ssl)
		n = SSL_read(s->ssl, bytes, sizeof bytes);
	else
		n = recv(fd, bytes, sizeof bytes, 0);
	return n > 0 && buf_put(in, bytes, (size_t)n);
}

/* A request into s->head and s->body; false if the connection ended. */
static inline bool http_take_request(struct http_script *s, int fd, bool head_only)
{
	struct buf in;
	buf_init(&in, (size_t)1 << 30);
	char *end = NULL;
	bool good = true;
	while (good && !end) {
		good = http_read(s, fd, &in);
		end = good ? memmem(in.p, in.n, "\r\n\r\n", 4) : NULL;
	}
	size_t head = 0, body = 0;
	if (good) {
		head = (size_t)((uint8_t *)end - in.p) + 4;
		char *text = mem_strndup(in.p, head);
		body = head_only ? 0 : http_content_length(text);
		mem_free(text);
	}
	while (good && in.n < head + body)
		good = http_read(s, fd, &in);
	if (good) {
		pthread_mutex_lock(&s->lock);
		s->requests++;
		buf_clear(&s->head);
		buf_clear(&s->body);
		buf_put(&s->head, in.p, head);
		buf_put(&s->body, in.p + head, body);
		pthread_mutex_unlock(&s->lock);
	}
	buf_free(&in);
	return good;
}

static inline void http_send(struct http_script *s, int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = s->ssl ? SSL_write(s->ssl, p, (int)n) : send(fd, p, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		p += sent;
		n -= (size_t)sent;
	}
}

/* One request and its answer; false ends the connection. */
static inline bool http_serve(struct http_script *s, int fd, size_t *step)
{
	const struct http_step *t = &s->steps[*step];
	if (!http_take_request(s, fd, t->head_only))
		return false;
	*step += *step + 1 < s->step_count;
	if (t->reply)
		http_send(s, fd, t->reply, t->n ? t->n : strlen(t->reply));
	if (t->after == HTTP_KEEP)
		return true;
	if (t->after == HTTP_RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	if (t->after == HTTP_HANG) {
		struct buf rest;
		uint64_t one = 1;
		(void)!write(s->hang_fd, &one, sizeof one);
		buf_init(&rest, (size_t)1 << 30);
		while (http_read(s, fd, &rest))
			;
		buf_free(&rest);
	}
	if (t->after == HTTP_CLOSE && t->head_only) {
		/* Else what is still coming breaks the connection before the client has read the answer. */
		struct buf rest;
		shutdown(fd, SHUT_WR);
		buf_init(&rest, (size_t)1 << 30);
		while (http_read(s, fd, &rest))
			buf_clear(&rest);
		buf_free(&rest);
	}
	return false;
}

static inline bool http_accept_tls(struct http_script *s, int fd)
{
	s->ssl = SSL_new(s->tls);
	assert(s->ssl && SSL_set_fd(s->ssl, fd));
	return SSL_accept(s->ssl) == 1;
}

static inline void *http_main(void *arg)
{
	struct http_script *s = arg;
	size_t step = 0;
	while (http_wait(s, s->fd)) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		pthread_mutex_lock(&s->lock);
		s->connections++;
		pthread_mutex_unlock(&s->lock);
		if (!s->tls || http_accept_tls(s, fd))
			while (http_serve(s, fd, &step))
				;
		if (s->ssl)
			SSL_shutdown(s->ssl);
		SSL_free(s->ssl);
		s->ssl = NULL;
		close(fd);
	}
	return NULL;
}

/* False if the machine does not have that family. */
static inline bool http_start_family(
	struct http_script *s, int family, SSL_CTX *tls, const struct http_step *steps, size_t n)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr *address = family == AF_INET6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
	socklen_t len = family == AF_INET6 ? sizeof six : sizeof four;
	*s = (struct http_script){.family = family, .tls = tls, .steps = steps, .step_count = n};
	s->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return false;
	if (bind(s->fd, address, len) != 0 || listen(s->fd, 16) != 0 || getsockname(s->fd, address, &len) != 0) {
		close(s->fd);
		return false;
	}
	s->port = ntohs(family == AF_INET6 ? six.sin6_port : four.sin_port);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	s->hang_fd = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&s->lock, NULL);
	buf_init(&s->head, 1 << 20);
	buf_init(&s->body, (size_t)1 << 30);
	int failed = pthread_create(&s->thread, NULL, http_main, s);
	assert(!failed);
	return true;
}

static inline void http_start(struct http_script *s, const struct http_step *steps, size_t n)
{
	bool good = http_start_family(s, AF_INET, NULL, steps, n);
	assert(good);
}

static inline void http_stop(struct http_script *s)
{
	uint64_t one = 1;
	(void)!write(s->stop_fd, &one, sizeof one);
	pthread_join(s->thread, NULL);
	close(s->fd);
	close(s->stop_fd);
	close(s->hang_fd);
	SSL_CTX_free(s->tls);
	pthread_mutex_destroy(&s->lock);
	buf_free(&s->head);
	buf_free(&s->body);
}

static inline unsigned http_requests(struct http_script *s)
{
	pthread_mutex_lock(&s->lock);
	unsigned n = s->requests;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static inline unsigned http_connections(struct http_script *s)
{
	pthread_mutex_lock(&s->lock);
	unsigned n = s->connections;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* Whether the last request's head has the line (or begins with it). */
static inline bool http_asked(struct http_script *s, const char *line)
{
	pthread_mutex_lock(&s->lock);
	const char *head = buf_cstr(&s->head);
	bool found = strncmp(head, line, strlen(line)) == 0;
	for (const char *at = head; !found && (at = strstr(at, "\r\n")); at += 2)
		found = strncmp(at + 2, line, strlen(line)) == 0 && strncmp(at + 2 + strlen(line), "\r\n", 2) == 0;
	pthread_mutex_unlock(&s->lock);
	return found;
}

#endif
