/* conf_scope.h: inside of conf_schema: a section with its table and those around it, and what in it no table knows. */
#ifndef WEIR_CONF_CONF_SCOPE_H
#define WEIR_CONF_CONF_SCOPE_H

#include "conf/conf_schema.h"

struct conf_scope {
	const struct conf_schema *schema;
	const struct conf_section *section;
	const struct conf_scope *up; /* NULL = the outermost that is known */
};

/* The pair that gives a parameter: by its name, else by an old one. NULL if there is none. */
const struct conf_pair *conf_scope_pair(const struct conf_section *section, const struct conf_param *p);

/* Whether "type", "id" or "log_level" without @ is taken in such a section, as fluentd does. */
bool conf_scope_takes_old(const struct conf_schema *schema, const char *name);

/* "<source> of type forward", for messages; returns text. */
#define CONF_SCOPE_NAME 160
const char *conf_scope_name(const struct conf_scope *scope, char text[CONF_SCOPE_NAME]);

/* Reports the parameters and sections that the schema does not know, each with what was probably meant. */
void conf_scope_report_unknown(
	const struct conf_scope *scope, const struct conf_rules *rules, struct conf_report *report);

#endif
