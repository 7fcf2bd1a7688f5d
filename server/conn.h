/*
 * conn.h: one TCP, TLS or unix stream connection of a worker: its bytes in and out, its deadline, its orderly end. What the bytes mean is the
 * session's matter (conn_ops).
 *
 *     HANDSHAKE ──TLS is through──> OPEN ──conn_finish, conn_part──> CLOSING (FIN is sent, what still comes is given to the session or thrown away) ──> gone
 *         └──────── error, deadline, conn_abort ──────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * Everything here runs in the worker's thread. Callbacks may end the connection; it stays in memory until the callback has returned and
 * the last conn_release.
 */
#ifndef WEIR_CONN_H
#define WEIR_CONN_H

#include "base/buf.h"
#include "metrics/metrics.h"
#include "peer.h"
#include "worker.h"

#include <openssl/ssl.h>

struct conn;

struct conn_ops {
	/* The connection can be used (TLS is through). */
	void (*on_ready)(struct conn *c);
	/*
	 * n unconsumed bytes lie at p. Returns how many of them it consumed; those left are given again with what follows, once there are *want more
	 * (1 if it leaves that alone). Not called while paused.
	 */
	size_t (*on_bytes)(struct conn *c, const uint8_t *p, size_t n, size_t *want);
	/* The peer has sent FIN; bytes left unconsumed were `left`. Ends with conn_finish, now or later. */
	void (*on_eof)(struct conn *c, size_t left);
	/* The socket has taken everything after it had been stuck. NULL is allowed. */
	void (*on_drained)(struct conn *c);
	/* The deadline is over. Ends the connection, as a rule. */
	void (*on_deadline)(struct conn *c);
	/* The last call: the session is to be freed. */
	void (*on_free)(struct conn *c);
};

/* What is common to the connections of one source on one worker. */
struct conn_group;
struct conn_limits {
	size_t out_max;		    /* bytes of answers that a peer may leave unread before it is read no further */
	int64_t linger_ns;	    /* how long CLOSING waits for the peer's FIN */
	int linger_s;		    /* SO_LINGER; 0 = none */
	bool keepalive;		    /* TCP keepalive probes */
	int receive_buffer;	    /* SO_RCVBUF; 0 = the system's */
	struct counter *rate_waits; /* how often one was read no further because its client was too fast */
	int64_t max_age_ns; /* about when a connection is to be ended so that its peer connects anew; 0 = never */
};
struct conn_group *conn_group_new(
	struct worker *w, const struct conn_ops *ops, const struct conn_limits *limits, const char *id);
/* Only when it is empty. */
void conn_group_free(struct conn_group *g);
/* Calls fn for each connection; it may end them. */
void conn_group_each(struct conn_group *g, void (*fn)(struct conn *c, void *arg), void *arg);

/*
 * Takes the descriptor. `tls` NULL = plain; the context is not taken. NULL if it could not be set up:
 * the descriptor is closed, on_free was called.
 */
struct conn *conn_new(struct conn_group *g, int fd, const struct peer *peer, SSL_CTX *tls, void *session);

/* Starts it: on_ready comes now (plain) or after the TLS handshake. The connection may be gone afterwards. */
void conn_begin(struct conn *c);

void *conn_session(struct conn *c);
const struct peer *conn_peer(const struct conn *c);
struct worker *conn_worker(struct conn *c);
/* Whether the peer's certificate has such a name (a DNS name, URI or mail address, or the CN); `*` in the pattern stands for anything. After on_ready. */
bool conn_has_cert_name(const struct conn *c, const char *pattern);

/* Whose it is (taken: it leaves with the connection) and how fast that one may send: it is read no further while it was faster. The limits must outlive it. */
struct client;
struct client_limits;
void conn_set_client(struct conn *c, struct client *client, const struct client_limits *limits);
/* Other limits, or none (NULL): it is at its end. */
void conn_set_limits(struct conn *c, const struct client_limits *limits);
/* So many of it have come: for senders.h, and for its limits. Bytes are counted already. */
void conn_sent_events(struct conn *c, uint64_t messages, uint64_t events);

/* Stops and goes on reading. While paused no callback but on_deadline comes. Going on gives bytes that are there already again. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

/* What is appended to it goes out with conn_flush. */
struct buf *conn_out(struct conn *c);
void conn_flush(struct conn *c);
/* Bytes that the socket has not taken yet, and since when (monotonic ns) it has taken nothing; 0 = none. */
size_t conn_unsent(const struct conn *c);
int64_t conn_stuck_since(const struct conn *c);

/* on_deadline is called when the monotonic clock passes `at_ns` (to about a second); 0 = no deadline. */
void conn_deadline(struct conn *c, int64_t at_ns);

/*
 * The orderly end: sends what is in conn_out, then FIN; reads on until the peer's FIN or linger_ns, so that no unread byte turns the end
 * into a reset. Bytes that come meanwhile go to on_bytes if `listen`, else nowhere.
 */
void conn_finish(struct conn *c, bool listen);
/*
 * The orderly end of a connection that has only become old: its peer is to notice the FIN and connect anew. There is no linger_ns: whatever it sends until then goes to
 * on_bytes, so that nothing is lost of a peer that looks late or never. conn_finish afterwards sets the limit of time after all.
 */
void conn_part(struct conn *c);
/* The end at once. */
void conn_abort(struct conn *c);
/* When max_age_ns is over (monotonic; a quarter more or less at random, so that not all end together); 0 = never. */
int64_t conn_age_end(const struct conn *c);
/* Whether conn_finish, conn_part or conn_abort was called, or the peer has gone. */
bool conn_is_ending(const struct conn *c);

/* Keeps the memory (not the socket) until released: for what other threads will report back on. */
void conn_hold(struct conn *c);
void conn_release(struct conn *c);

/* Whether bytes of the peer are here, or in the socket, that the session has not consumed. */
bool conn_has_input(const struct conn *c);

/* For how many ns it was read no further because its client was too fast: that is no time of the peer's. */
int64_t conn_rate_waited(const struct conn *c);

/* Monotonic time of the last byte that came. */
int64_t conn_last_read(const struct conn *c);

/* Memory of all connections' read buffers above 64 KiB each: when it is used up, the largest buffers wait. Set at start. */
void conn_set_memory_limit(size_t bytes);
/* What was read and waits for room in a full buffer counts as well. Any thread. */
void conn_count_waiting(size_t more, size_t less);

#endif
