/*
 * forward_link.h: one connection to a forward server: connect, TLS, handshake, write, read. Straight-line code for a flush thread: each call waits, at most
 * for its time, and ends early when stop_fd becomes readable. One thread's.
 */
#ifndef WEIR_FORWARD_LINK_H
#define WEIR_FORWARD_LINK_H

#include "base/buf.h"
#include "base/err.h"
#include "forward/forward_client.h"

#include <openssl/ssl.h>

struct forward_link_options {
	const char *host;
	unsigned port;
	const char *path; /* of a unix socket instead; NULL = TCP */
	bool any_address; /* dns_round_robin: begin with any of the name's addresses */
	SSL_CTX *tls;	  /* NULL = plain */
	bool verify_hostname;
	const struct forward_credentials *credentials; /* NULL: no handshake */
	int64_t connect_timeout_ns, hard_timeout_ns;   /* hard: TLS and handshake */
	int stop_fd;				       /* -1 = none */
};

struct forward_link;

/* NULL: err; *stopped: because of stop_fd. The name is looked up each time (which nothing can interrupt). */
struct forward_link *forward_link_open(const struct forward_link_options *o, bool *stopped, struct err *err);
void forward_link_close(struct forward_link *l); /* NULL is allowed */

/* Whether the server takes several messages on a connection. */
bool forward_link_keepalive(const struct forward_link *l);
/* False if the server has closed it while nobody used it. */
bool forward_link_is_good(struct forward_link *l);

enum link_result { LINK_OK, LINK_FAILED, LINK_STOPPED };
enum link_result forward_link_write(struct forward_link *l, struct span bytes, int64_t timeout_ns, struct err *err);
/* The next whole msgpack object; good until the next call. */
enum link_result forward_link_read(struct forward_link *l, struct span *object, int64_t timeout_ns, struct err *err);

#endif
