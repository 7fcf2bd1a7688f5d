/*
 * sigv4.h: requests signed for AWS (Signature Version 4), by hand: libcurl 7.88 signs headers that it does not send, leaves queries as they come and out the body's
 * hash that some services ask for. Any thread.
 */
#ifndef WEIR_HTTP_SIGV4_H
#define WEIR_HTTP_SIGV4_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct sigv4_keys {
	char *access_key, *secret_key;
	char *session_token; /* NULL = none */
};

void sigv4_keys_free(struct sigv4_keys *k);
void sigv4_keys_copy(struct sigv4_keys *to, const struct sigv4_keys *from);

/* Who signs, and for what. */
struct sigv4_signer {
	const char *region, *service;
	/* The keys as of now, for the caller to free. False: err. May wait. */
	bool (*keys)(void *arg, struct sigv4_keys *out, struct err *err);
	void *arg;
};

struct sigv4_request {
	const char *method, *url; /* with scheme, host and, if it is not the scheme's own, port */
	const char *content_type; /* as it will be sent; NULL = none */
	struct span body;	  /* as it will be sent */
	int64_t time_s;		  /* since 1970 */
};

#define SIGV4_HEADERS 5

struct sigv4_signed {
	char *url;		      /* to be sent instead: its query is written in one way only */
	char *headers[SIGV4_HEADERS]; /* "name: value", NULL-terminated */
};

bool sigv4_sign(const struct sigv4_signer *s, const struct sigv4_keys *keys, const struct sigv4_request *q,
	struct sigv4_signed *out, struct err *err);
void sigv4_signed_free(struct sigv4_signed *s);

/* The text percent-encoded, as values in queries and forms are. */
void sigv4_put_encoded(struct buf *out, struct span text);

#endif
