/*
 * forward_session_impl.h: what the files of a forward session share: forward_session.c (what the connection tells, acks, the end), forward_handshake.c (HELO, PING, PONG),
 * forward_message.c (from a message to ingest).
 */
#ifndef WEIR_FORWARD_SESSION_IMPL_H
#define WEIR_FORWARD_SESSION_IMPL_H

#include "bad_events.h"
#include "base/clock.h"
#include "forward_key.h"
#include "forward_session.h"

#define SESSION_LOG_EVERY_NS (10 * NS_PER_S)

enum session_state { SESSION_WAIT_PING, SESSION_OPEN, SESSION_ENDING };

/* A message whose sender waits. */
struct ack {
	struct txn txn; /* first: on_txn is handed it */
	struct ack *next;
	struct session *session;
	int64_t since_ns; /* monotonic: its last byte had come */
	bool done, json;
	uint32_t chunk_len;
	uint8_t chunk[];
};

/* When max_connection_age is over, what the end waits for; each of it for PART_NS at the most. After the acks it comes always. */
enum session_age {
	AGE_YOUNG,
	AGE_PAUSE, /* the sender pauses */
	AGE_GAP,   /* nothing more of it is here: what it has sent is acknowledged, unless it was on its way */
	AGE_OVER,  /* the end of a message */
};

struct session {
	struct forward_shared *shared;
	struct conn *conn;
	enum session_state state;
	bool mute;	 /* ENDING: no further ack may go out */
	bool throw_acks; /* the peer does not read them */
	bool draining;
	enum session_age age;
	bool spoke; /* a byte has come */
	struct forward_decoder *decoder;
	struct ack *first, *last;
	struct parked parked;
	struct parked_waiter waiter;
	struct mail flush;
	bool flush_queued;
	int64_t handshake_until_ns, drain_until_ns;
	struct bad_events bad; /* of the message at hand */
	bool bad_failed;       /* there was no memory for one of them */
	uint64_t repeats[FORWARD_KEY_REPEATS];
	unsigned repeat_at;
	uint8_t nonce[FORWARD_NONCE_LEN], auth[FORWARD_NONCE_LEN];
	const struct forward_client *client; /* of <security>; NULL = none fits */
	const struct forward_user *user;     /* NULL = nobody asked */
	char *identity;			     /* the peer's name after a handshake; NULL: its address counts */
	struct inject *inject;		     /* source_address_key, source_hostname_key; NULL = none */
	struct resolving *resolving;
};

struct ingest *session_ingest(struct session *s);
/* No more messages; acks for those before go out first. What still comes is thrown away. */
void session_end(struct session *s);

/* The decoder's hook (forward_decode.h); `arg` is the session. */
void session_on_bad_event(void *arg, struct span entry, const char *reason);
/* To ingest with it, or, if `dropped`, to the dead letters. `a`: who waits for it; NULL = nobody. */
void session_take_message(struct session *s, const struct forward_msg *m, struct ack *a, bool dropped);

/* Whether the sender may not use the tag: then the message is counted and told, and not taken. */
bool session_refuses(struct session *s, const struct forward_msg *m);

/* Finds out whose the connection is, and begins the handshake, if there is one. */
void session_open(struct session *s);
/* Returns how many bytes of the PING that lies at p it has taken; 0 = it is not whole yet. */
size_t session_take_ping(struct session *s, const uint8_t *p, size_t n);

#endif
