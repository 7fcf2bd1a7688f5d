/*
 * admin.h: the HTTP server for people and machines that look after weir: metrics, health, status, control. On libevent's evhttp, in the
 * thread that runs its event base (the main thread), like every function here.
 *
 * It answers what is routed and nothing else: no files, no folders. What a client may cost is bounded: headers 16 KiB, body 1 MiB, 64
 * connections (one more, and the one that has been silent longest is closed), 10 s without a byte, 30 s for a whole request (a stream may last).
 */
#ifndef WEIR_ADMIN_H
#define WEIR_ADMIN_H

#include "base/err.h"
#include "base/span.h"

#include <openssl/ssl.h>

struct event_base;

struct admin;
struct admin_request;

/* Answers the request by exactly one admin_reply before it returns (else the client gets a 500); never blocks. */
typedef void admin_handler(struct admin_request *r, void *arg);

/* `base` must outlive it. */
struct admin *admin_new(struct event_base *base);

/* Closes listeners and connections. `a` may be NULL; never from within a handler. */
void admin_free(struct admin *a);

/*
 * One more listener, with SO_REUSEADDR, on the first address that `bind` stands for: an address ("0.0.0.0", "::", "[::1]"), a host name, or
 * NULL, "" or "*" for all. Port 0: the system chooses, admin_port tells which. "::" also takes IPv4 where the system lets it.
 */
bool admin_listen(struct admin *a, const char *bind, uint16_t port, struct err *err);

/* TLS for all connections from now on; NULL: plain. The context is not taken, and must live as long. */
void admin_use_tls(struct admin *a, SSL_CTX *tls);

/* The port of the i-th listener, in the order of the calls; 0 if there is no such listener. */
uint16_t admin_port(const struct admin *a, size_t i);

/*
 * `what` is a method and a path, both exact: "GET /metrics". A HEAD is answered by the handler of GET. "* /path" takes every method and "* *"
 * what no other route takes (without it that is a 404, or a 405 where only the method is wrong). `what` is copied.
 */
void admin_route(struct admin *a, const char *what, admin_handler *handler, void *arg);

/* ---- for handlers: about the request; all strings live as long as the handler runs ---- */

const char *admin_method(const struct admin_request *r); /* "GET"; "HEAD" for a HEAD */

/* The first query parameter of that name, percent-decoded; NULL if there is none. */
const char *admin_query(struct admin_request *r, const char *name);

/* One more header of the answer; before it. */
void admin_add_header(struct admin_request *r, const char *name, const char *value);

/* Sends the answer (of a HEAD only its headers). `body` is copied. */
void admin_reply(struct admin_request *r, int status, const char *content_type, struct span body);

/*
 * An answer in pieces, instead of admin_reply. It ends with admin_stream_end, or when the client goes away or does not read: then on_gone(arg) is called,
 * and the stream is no more.
 */
struct admin_stream;
struct admin_stream *admin_reply_stream(
	struct admin_request *r, const char *content_type, void (*on_gone)(void *arg), void *arg);
/* False: the client has not read what was sent before (1 MiB of it), and does not get this piece. Does not call on_gone. */
bool admin_stream_send(struct admin_stream *s, struct span piece);
void admin_stream_end(struct admin_stream *s);

#endif
