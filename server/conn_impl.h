/* conn_impl.h: what the files of a connection share: conn.c (life, events, bytes out), conn_read.c (bytes in), conn_io.c (the socket, through TLS or not). */
#ifndef WEIR_CONN_IMPL_H
#define WEIR_CONN_IMPL_H

#include "conn.h"

enum conn_state { CONN_HANDSHAKE, CONN_OPEN, CONN_CLOSING, CONN_GONE };

/* Who has paused it. */
enum conn_pause { PAUSE_SESSION = 1, PAUSE_MEMORY = 2, PAUSE_RATE = 4, PAUSE_ALL = 7 };

struct conn_group {
	struct worker *worker;
	const struct conn_ops *ops;
	struct conn_limits limits;
	const char *id;
	struct conn *first;
	struct worker_tick *tick;
};

struct conn {
	struct conn *next, **prev; /* of the group */
	struct conn_group *group;  /* while it is not GONE */
	const struct conn_ops *ops;
	struct worker *worker;
	void *session;
	int fd;
	SSL *ssl;
	enum conn_state state;
	unsigned holds;
	unsigned pauses; /* enum conn_pause, or'ed: it is read while there is none */
	bool eof, listen, patient, fin_sent, read_wants_write;
	struct event *readable, *writable, *again;
	uint8_t *in;
	size_t in_n, in_cap, in_want;
	struct buf out;
	size_t out_at; /* bytes of `out` that are sent */
	int64_t stuck_ns, last_read_ns, deadline_ns, age_end_ns, rate_waited_ns;
	struct peer peer;
	struct sender *sender;
	struct client *client;		    /* NULL = nobody counts */
	const struct client_limits *limits; /* NULL = none */
};

enum io { IO_OK, IO_BLOCKED, IO_EOF, IO_FAILED };

/* At most n bytes; *got or *put says how many with IO_OK. TLS that has to write first has c->writable added. */
enum io conn_io_read(struct conn *c, uint8_t *p, size_t n, size_t *got);
enum io conn_io_write(struct conn *c, const uint8_t *p, size_t n, size_t *put);
/* FIN, with TLS's own before it. */
void conn_io_end(struct conn *c);
/* The next step of a TLS handshake; IO_OK: it is through. A failure is logged. */
enum io conn_io_handshake(struct conn *c);

/* Reads what is there, as far as it is this connection's turn, and gives it to the session. */
void conn_read_turn(struct conn *c);
void conn_pause_by(struct conn *c, unsigned who);
void conn_resume_by(struct conn *c, unsigned who);
/* Reading was to wait for memory, or because its client was too fast: tries again. */
void conn_on_again(evutil_socket_t fd, short events, void *arg);
void conn_drop_read_buffer(struct conn *c);

/* The end of the socket. The memory stays until the last conn_release. */
void conn_gone(struct conn *c);

#endif
