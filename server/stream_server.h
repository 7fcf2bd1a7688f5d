/*
 * stream_server.h: what the inputs with connections (forward, http, syslog, tcp, unix) have in common: the listener, TLS, connections spread over the workers and
 * counted, the orderly end. What the bytes mean is the sessions' matter.
 */
#ifndef WEIR_STREAM_SERVER_H
#define WEIR_STREAM_SERVER_H

#include "clients.h"
#include "conn.h"
#include "metrics/metrics.h"
#include "transport_conf.h"

struct server;
struct stream_server;

struct stream_hooks {
	const struct conn_ops *ops; /* on_free ends with stream_server_left */
	/* In the main or a worker's thread: what the clients at this address may do. NULL: as `security` says. */
	const struct client_limits *(*limits)(void *arg, const struct peer *peer);
	/* In the worker's thread: a session for a new connection. */
	void *(*session_new)(void *arg, struct worker *w);
	/* It has its connection now (NULL could not be set up: on_free was called instead): ends with conn_begin. */
	void (*session_begin)(void *session, struct conn *c);
	/* Shutdown: nothing new is begun; ends when nothing is owed, at the deadline (monotonic) in any case. */
	void (*session_drain)(void *session, int64_t deadline_ns);
	/* Shutdown is at its deadline: ends at once. */
	void (*session_abort)(void *session);
	void *arg;
};

/* What the counters of connections are called. */
struct stream_names {
	const char *accepted, *refused, *rate_waits;
};

/* The forward input's own, and those of all others. */
extern const struct stream_names stream_names_forward, stream_names_source;

struct stream_conf {
	const char *id; /* the source's */
	const struct stream_names *names;
	const char *bind;
	const char *path; /* a unix socket instead; NULL = TCP */
	uint16_t port;
	int backlog; /* <= 0: the default */
	unsigned max_connections;
	const struct transport_conf *transport; /* NULL = plain TCP */
	const void *security;			/* client_list.h's section; NULL = everybody is let in */
	struct conn_limits limits;		/* `transport` says linger_s and receive_buffer */
};

/* Opens nothing yet. What `c` points to must outlive it. What is wrong with the files of TLS or with clients' names is added to `report`. */
struct stream_server *stream_server_new(
	const struct stream_conf *c, const struct stream_hooks *hooks, struct metrics *m, struct conf_report *report);
void stream_server_free(struct stream_server *s); /* NULL is allowed */

bool stream_server_start(struct stream_server *s, struct server *server, struct err *err);
void stream_server_stop(struct stream_server *s);
/* Connections that there are. */
unsigned stream_server_busy(const struct stream_server *s);
void stream_server_end(struct stream_server *s);
/* For input_ops.renew. */
bool stream_server_renew(struct stream_server *s, struct err *err);

/* For on_free: one connection fewer. */
void stream_server_left(struct stream_server *s);
/* That it listens on; the configured one before it was started; 0 for a unix socket. */
uint16_t stream_server_port(const struct stream_server *s);

#endif
