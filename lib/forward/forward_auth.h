/*
 * forward_auth.h: the HELO/PING/PONG handshake of <security>, both sides' bytes. No I/O, no clock; any thread.
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

/* A <client>: an address or network, or the name in a certificate, with, maybe, a key and a list of users of its own. */
struct forward_client {
	/* Of its peers' certificates: a pattern; NULL: the address counts. */
	const char *certificate_name;
	/* Family and address. */
	struct sockaddr_storage net;
	/* Bits of it that count. */
	unsigned prefix;
	/* NULL: the server's. */
	const char *shared_key;
	/* Names; NULL-terminated; NULL or empty: all. */
	const char *const *users;
};

struct forward_security {
	const char *self_hostname;
	/* May be empty: Empty_Shared_Key of Fluent Bit. */
	const char *shared_key;
	bool user_auth;
	bool allow_anonymous_source;
	const struct forward_user *users;
	size_t user_count;
	/* The first that the peer belongs to counts. */
	const struct forward_client *clients;
	size_t client_count;
};

/*
 * Appends HELO. `auth` (FORWARD_NONCE_LEN bytes) may be NULL: an empty bin, no user authentication. False if `out`
 * failed.
 */
bool forward_put_helo(struct buf *out, const uint8_t nonce[FORWARD_NONCE_LEN], const uint8_t *auth, bool keepalive);

/*
 * The first <client> that the peer belongs to; NULL: none. `peer` is its address: an IPv4 address mapped into IPv6 counts as IPv4, and one that is no IP address belongs
 * to no network. has_name(arg, pattern) says whether the peer's certificate has such a name; NULL: it has no certificate.
 */
const struct forward_client *forward_find_client(const struct forward_security *s, const struct sockaddr *peer,
	bool (*has_name)(const void *arg, const char *pattern), const void *arg);

struct forward_ping {
	/* NULL: admitted; else the PONG's reason, also for the log. */
	const char *refusal;
	/* As the client said, repaired and cut; "" if refused. */
	char client_hostname[256];
	/* Likewise; "" without user authentication. */
	char username[256];
	/* Who that is; NULL without user authentication. */
	const struct forward_user *user;
};

/*
 * Judges one whole msgpack object that a client sent after HELO, and appends the PONG to `out` (whose `failed` is
 * to be looked at: a client must not be admitted without its PONG). Never logs or copies the digests. `nonce` and
 * `auth` are those of the HELO; `client` is forward_find_client's.
 */
void forward_judge_ping(const struct forward_security *s, const uint8_t nonce[FORWARD_NONCE_LEN], const uint8_t *auth,
	const struct forward_client *client, struct span ping, struct buf *out, struct forward_ping *result);

/*
 * Length of the PING at p if it is whole, 0 if more is needed; false if it can never become one (not msgpack, over
 * `max` bytes).
 */
bool forward_ping_length(const uint8_t *p, size_t n, size_t max, size_t *length);

/* Parses "10.0.0.0/8", "fd00::/8" or an address into net and prefix. False if it is none. */
bool forward_client_parse(const char *text, struct forward_client *c);

#endif
