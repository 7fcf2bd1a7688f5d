/* server_tls.h: the TLS side of a source that listens: its context, made from <transport tls> and made again when its files have changed, and the days that its certificate has left. */
#ifndef WEIR_SERVER_TLS_H
#define WEIR_SERVER_TLS_H

#include "admin.h"
#include "metrics/metrics.h"
#include "transport_conf.h"

struct server_tls;

/* What `t` points to must outlive it, and so must `m`. NULL: plain TCP, or a finding was added. */
struct server_tls *server_tls_new(
	const char *plugin_id, const struct transport_conf *t, struct metrics *m, struct conf_report *report);
void server_tls_free(struct server_tls *s); /* NULL is allowed; connections hold their own references */

/* For new connections; NULL = plain. Changed by server_tls_renew only. */
SSL_CTX *server_tls_context(const struct server_tls *s);

/* Reads the files again. Nobody may use the context meanwhile. False: the old ones stay in force. */
bool server_tls_renew(struct server_tls *s, struct err *err);
/* The same for a source that is an HTTP server; `a` NULL: it does not listen. */
bool server_tls_renew_admin(struct server_tls *s, struct admin *a, struct err *err);

#endif
