/*
 * http_session.h: HTTP/1.1 for inputs, on a connection of a worker: requests in, one after the other, an answer to each, now or later. What is in a request is the
 * handler's matter.
 *
 *     IDLE ──head and body are whole──> PENDING (handle was called; nothing more is read) ──http_session_reply──> IDLE, or the end
 *
 * A body lies in the connection's read buffer, which conn.h's memory limit counts, until it is whole.
 */
#ifndef WEIR_HTTP_SESSION_H
#define WEIR_HTTP_SESSION_H

#include "base/buf.h"
#include "base/log.h"
#include "http/http_request.h"
#include "stream_server.h"

struct http_session;

struct http_hooks {
	/* A request is whole. Its views are good until this returns. Ends with http_session_reply, in here or later in the worker's thread. */
	void (*handle)(struct http_session *s, const struct http_request *r, struct span body);
	/* Shutdown is at its deadline, or the time given to http_session_patience is over, while an answer is owed: it is to be given soon. */
	void (*hurry)(struct http_session *s);
	/* The session is gone: frees http_session_own. No answer is owed any more. */
	void (*gone)(struct http_session *s);
};

/* What the sessions of a source share. */
struct http_sessions {
	const char *id;
	const struct http_hooks *hooks;
	void *arg; /* the plugin's */
	struct stream_server *server;
	size_t body_max;
	int64_t idle_ns;	    /* a connection without a byte for so long is closed */
	bool log_bad;		    /* tell of requests that are no HTTP */
	struct counter *answers[6]; /* by the first digit of the status; [0] is not used */
	struct log_limit log_protocol;
};

void http_sessions_init(struct http_sessions *s, const char *id, struct metrics *m);

/* stream_server.h's; `arg` is the struct http_sessions. */
extern const struct stream_hooks http_session_hooks;

struct http_sessions *http_session_shared(const struct http_session *s);
struct worker *http_session_worker(const struct http_session *s);
const struct peer *http_session_peer(const struct http_session *s);
/* A place for something of the handler's, NULL at first. */
void **http_session_own(struct http_session *s);

struct http_answer {
	unsigned status;
	const char *type;    /* Content-Type; NULL = text/plain */
	const char *headers; /* further lines, each with CR LF; NULL = none */
	struct span body;
	bool close; /* the connection ends with it */
};
void http_session_reply(struct http_session *s, const struct http_answer *a);

/* The request that is being handled has so many events (conn_sent_events). */
void http_session_sent_events(struct http_session *s, uint64_t events);

/* While an answer is owed: `hurry` is called after so long (0: never). */
void http_session_patience(struct http_session *s, int64_t ns);

#endif
