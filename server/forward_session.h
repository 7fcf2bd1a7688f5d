/*
 * forward_session.h: one forward-protocol connection: handshake, messages to ingest, acks in order. The state of a session:
 *
 *     WAIT_PING ──PING is good──> OPEN ──framing lost, FIN, deny_keepalive, drain──> ENDING (acks that are owed go out first)
 *         └─────── refused, no PING in time ───────────────────────────────────────────────┘
 */
#ifndef WEIR_FORWARD_SESSION_H
#define WEIR_FORWARD_SESSION_H

#include "base/log.h"
#include "forward/forward_decode.h"
#include "forward_rules.h"
#include "ingest.h"
#include "plugin.h"
#include "stream_server.h"

/* What all sessions of a source share; read-only once they run, but for the counters. */
struct forward_shared {
	struct source *source;
	struct stream_server *server;
	struct forward_limits limits;
	const struct forward_rules *rules; /* NULL = no <security> */
	char *tag;			   /* replaces every tag; NULL = none */
	char *tag_prefix;		   /* with its dot; NULL = none */
	char *address_key, *hostname_key;  /* added to each record; NULL = none */
	bool resolve;			   /* look up the peer's name before anything is read */
	bool deny_keepalive;
	size_t warn_size; /* bytes of a message that are worth a warning; 0 = none */
	int64_t message_timeout_ns, handshake_timeout_ns;
	struct {
		struct counter *refused_tags, *heartbeats, *acks, *acks_thrown_away;
		struct histogram *ack_seconds;
		struct counter *closed_protocol, *closed_timeout, *closed_auth, *closed_failed, *closed_age;
	} n;
	struct log_limit log_protocol, log_timeout, log_auth, log_size, log_failed, log_skip, log_tag;
};

/* stream_server.h's; `arg` is the struct forward_shared. */
extern const struct stream_hooks forward_session_hooks;

#endif
