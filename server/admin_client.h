/* admin_client.h: questions to the admin endpoint of a weir that runs, for tools. One thread's. */
#ifndef WEIR_ADMIN_CLIENT_H
#define WEIR_ADMIN_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

struct admin_client;

/* `address`: "host:port" or a URL; NULL: $WEIR_ADMIN, or the endpoint's default place on this host. NULL: err. */
struct admin_client *admin_client_new(const char *address, struct err *err);
void admin_client_free(struct admin_client *c); /* NULL is allowed */

/* Appends the answer to GET `path` to `out`. False: err (no answer in 10 s, or a status other than 200). */
bool admin_client_get(struct admin_client *c, const char *path, struct buf *out, struct err *err);

/* The answer as it comes, without an end: each piece is given to on_bytes, which returns false to end it (then true is returned). False: err. */
bool admin_client_stream(struct admin_client *c, const char *path, bool (*on_bytes)(void *arg, struct span piece),
	void *arg, struct err *err);

/* Appends `text` percent-encoded, for a query. */
void admin_client_put_query(struct buf *out, const char *text);

#endif
