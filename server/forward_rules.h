/* forward_rules.h: who may send what to a forward input: its <security> section in the form that sessions use. Read-only once it is made; any thread. */
#ifndef WEIR_FORWARD_RULES_H
#define WEIR_FORWARD_RULES_H

#include "clients.h"
#include "forward/forward_auth.h"
#include "forward_conf.h"

struct forward_rules;

/* Names of hosts are looked up now, as in fluentd. What `c` points to must outlive it. Findings are added to the report. */
struct forward_rules *forward_rules_new(const struct forward_security_conf *c, struct conf_report *report);
void forward_rules_free(struct forward_rules *r); /* NULL is allowed */

/* For forward_auth.h. */
const struct forward_security *forward_rules_security(const struct forward_rules *r);
/* Whether senders must shake hands; else forward_security's key means nothing. */
bool forward_rules_want_key(const struct forward_rules *r);

/* Whether whoever comes is served; rules NULL: there are none. */
bool forward_rules_serve_all(const struct forward_rules *r);

/* `client` is forward_find_client's; NULL: none. */
const struct client_limits *forward_rules_limits(const struct forward_rules *r, const struct forward_client *client);
/* Whether that client and that user (NULL: nobody asked) may send under that tag. */
bool forward_rules_allow(const struct forward_rules *r, const struct forward_client *client,
	const struct forward_user *user, struct span tag);

#endif
