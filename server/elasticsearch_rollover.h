/*
 * elasticsearch_rollover.h: enable_ilm and rollover_index: an alias that events are written through, the first of the indices behind it, and the template that the
 * server makes the next ones from. For the one name that the configuration has they are set up before the first event; where only the events tell the names, for each
 * name before its first event.
 */
#ifndef WEIR_ELASTICSEARCH_ROLLOVER_H
#define WEIR_ELASTICSEARCH_ROLLOVER_H

#include "elasticsearch_conf.h"

#include <jansson.h>

/* Whether only the events tell the names. */
bool rollover_varies(const struct elasticsearch_conf *c);
/* Checks what goes with enable_ilm and rollover_index. */
void rollover_check(const struct elasticsearch_conf *c, struct conf_report *r);

/* Makes a template that of the indices behind the alias `name`, with their policy. */
void rollover_attach(const struct elasticsearch_conf *c, const char *name, json_t *template);
/* Adds the first index, and with it the alias. */
void rollover_add_alias(const struct elasticsearch_conf *c, const char *name, struct elastic_setup *s);

/* What is to be set up for each name. Read-only; any thread. */
struct rollover;
/* The template is taken over; NULL: the indices have one already. */
struct rollover *rollover_new(const struct elasticsearch_conf *c, json_t *take_template);
void rollover_free(struct rollover *r); /* NULL is allowed */
/* For the caller to elastic_setup_free. */
struct elastic_setup *rollover_setup(const struct rollover *r, struct span name);

#endif
