/*
 * forward_auth.h: the HELO/PING/PONG handshake of <security>, both sides' bytes. No I/O, no clock.
 * Digests are SHA-512 in lower-case hex, compared in constant time. Reasons are at most 31 bytes, because Fluent Bit
 * up to June 2026 copies them into char[32] (CVE-2026-61674).
 */
#ifndef WEIR_FORWARD_FORWARD_AUTH_H
#define WEIR_FORWARD_FORWARD_AUTH_H

#include "base/buf.h"

#include <sys/socket.h>

#define FORWARD_NONCE_LEN 16

struct forward_user {
	const char *username;
	const char *password;
};

/* A <client>: an address or network with, maybe, a key and a list of users of its own. */
struct forward_client {
	struct sockaddr_storage net; /* family, address */
	unsigned prefix;             /* bits of it that count */
	const char *shared_key;      /* NULL: the server's */
	const char *const *users;    /* names; NULL-terminated; NULL or empty: all */
};

struct forward_security {
	const char *self_hostname;
	const char *shared_key; /* may be empty: Empty_Shared_Key of Fluent Bit */
	bool user_auth;
	bool allow_anonymous_source;
	const struct forward_user *users;
	size_t user_count;
	const struct forward_client *clients;
	size_t client_count;
};

/* Appends HELO. `auth` may be NULL (an empty bin: no user authentication). */
bool forward_put_helo(struct buf *out, const uint8_t nonce[FORWARD_NONCE_LEN], const uint8_t *auth, bool keepalive);

struct forward_ping {
	const char *refusal;         /* NULL: admitted; else the PONG reason, also for the log */
	char client_hostname[256];   /* as the client said, repaired and cut; "" if refused */
	char username[256];          /* likewise; "" without user authentication */
};

/*
 * Judges one whole msgpack object that a client sent after HELO, and appends the PONG to `out`. Never logs or copies the digests.
 * `peer` is the client's address.
 */
void forward_judge_ping(const struct forward_security *s, const uint8_t nonce[FORWARD_NONCE_LEN], const uint8_t *auth,
	const struct sockaddr *peer, struct span ping, struct buf *out, struct forward_ping *result);

/* Length of the PING at p if it is whole, 0 if more is needed; false if it can never become one (not msgpack, over `max` bytes). */
bool forward_ping_length(const uint8_t *p, size_t n, size_t max, size_t *length);

/* Parses "10.0.0.0/8", "fd00::/8" or an address into net and prefix. False if it is none. */
bool forward_client_parse(const char *text, struct forward_client *c);

#endif
