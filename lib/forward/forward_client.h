/*
 * forward_client.h: the bytes that a sender of the forward protocol writes and reads: HELO, PING, PONG (the forward
 * protocol's specification, v1, "Authentication"), PackedForward messages, acks. No I/O, no clock; any thread.
 */
#ifndef WEIR_FORWARD_FORWARD_CLIENT_H
#define WEIR_FORWARD_FORWARD_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

#define FORWARD_SALT_LEN 32 /* characters */

struct forward_credentials {
	const char *self_hostname;
	const char *shared_key;		 /* may be empty */
	const char *username, *password; /* "" = none; sent if the server asks */
};

struct forward_helo {
	struct span nonce, auth; /* in the message */
	bool keepalive;
};
/* Reads a whole HELO. False: err. */
bool forward_read_helo(struct span message, struct forward_helo *h, struct err *err);

/* Appends the PING. `salt` is FORWARD_SALT_LEN fresh random hex characters. */
bool forward_put_ping(
	struct buf *out, const struct forward_credentials *c, const struct forward_helo *h, const char *salt);

/* Judges a whole PONG: whether the server admits us and proves that it knows the key. `nonce` is the HELO's. */
bool forward_check_pong(
	struct span message, const struct forward_credentials *c, struct span nonce, const char *salt, struct err *err);

struct forward_packed {
	struct span tag, entries; /* entries: compressed if `compressed` says so */
	uint32_t count;
	struct span chunk;	/* the id; n = 0: no ack is asked for */
	const char *compressed; /* "gzip", "zstd"; NULL = not */
};
/* Appends a PackedForward message. */
bool forward_put_packed(struct buf *out, const struct forward_packed *m);

/* The id in a whole ack, n = 0 if it is none. */
struct span forward_read_ack(struct span message);

#endif
