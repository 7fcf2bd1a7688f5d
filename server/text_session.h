/*
 * text_session.h: a connection whose bytes are texts, one after the other (tcp, syslog over TCP and TLS): each ends with a delimiter, or begins with its length
 * (RFC 6587, 3.4.1). Nobody waits for an answer; when a buffer is full the connection is read no further.
 */
#ifndef WEIR_TEXT_SESSION_H
#define WEIR_TEXT_SESSION_H

#include "stream_server.h"
#include "text_source.h"

/* What all sessions of a source share. */
struct text_sessions {
	struct text_source *source;
	struct stream_server *server;
	bool octet_count;
	struct span delimiter; /* without octet_count */
	struct log_limit log_framing, log_eof;
};

/* The hooks of stream_server.h for them; `arg` is the struct text_sessions. */
extern const struct stream_hooks text_session_hooks;

#endif
