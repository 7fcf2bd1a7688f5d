/* client_list.h: the <security> section of an input whose peers are let in by their addresses alone (tcp). */
#ifndef WEIR_CLIENT_LIST_H
#define WEIR_CLIENT_LIST_H

#include "conf/conf_schema.h"
#include "peer.h"

struct client_list;

/* For tables: <security> with its <client> sections. The field is a struct conf_list. */
extern const struct conf_schema client_list_schema;

/* Made from the struct of such a section. Names are looked up now, as in fluentd. NULL: findings were added. */
struct client_list *client_list_new(const void *security, struct conf_report *report);
void client_list_free(struct client_list *l); /* NULL is allowed */

/* Any thread. */
bool client_list_has(const struct client_list *l, const struct peer *p);

#endif
