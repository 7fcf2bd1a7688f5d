/* client_list.h: the <security> section of an input whose peers are told apart by their addresses alone (http, syslog, tcp): who is let in, and how much each may do. */
#ifndef WEIR_CLIENT_LIST_H
#define WEIR_CLIENT_LIST_H

#include "clients.h"
#include "forward/forward_auth.h"
#include "listen_params.h"
#include "peer.h"

struct client_list;

/* For tables: <security> with its <client> sections. The field is a struct conf_list. */
extern const struct conf_schema client_list_schema;

/* Made from the struct of such a section. Names are looked up now, as in fluentd. NULL: findings were added. */
struct client_list *client_list_new(const void *security, struct conf_report *report);
void client_list_free(struct client_list *l); /* NULL is allowed */

/* Whether the <security> sections in this list (at most one) let every address in. */
bool client_list_lets_all(const struct conf_list *security);

/*
 * The addresses of a <client> with that `host` or `network` (the other is NULL). A name is looked up once, at start, as in fluentd; `weir check` asks nobody and
 * takes it for right. False: a finding about `section`'s parameter was added.
 */
bool client_look_up(
	const char *host, const char *network, const void *section, struct forward_client *out, struct conf_report *r);

/* What this peer may do; NULL: it is not let in. Any thread. */
const struct client_limits *client_list_find(const struct client_list *l, const struct peer *p);

/* From LISTEN_LIMITS; what is not given is as in `otherwise`. */
struct client_limits client_limits_of(const struct listen_limits_conf *c, const struct client_limits *otherwise);

#endif
