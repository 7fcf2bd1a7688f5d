/*
 * conf_value.h: the text of a parameter as a number, a time, a list ... with fluentd's results, except where fluentd silently takes a text for
 * something that nobody meant: then as it was meant.
 *
 * All of these return whether there is a value, and set *why: to NULL, or to a sentence. With a value the sentence is a warning that names both
 * readings; without one it tells what is wrong. It lives until the next call in the same thread. `strict` is <system> strict_config_value.
 */
#ifndef WEIR_CONF_CONF_VALUE_H
#define WEIR_CONF_CONF_VALUE_H

#include "conf/conf_schema.h"

bool conf_value_int(const char *text, bool strict, int64_t *v, const char **why);
bool conf_value_float(const char *text, bool strict, double *v, const char **why);
bool conf_value_bool(const char *text, bool strict, bool *v, const char **why);
bool conf_value_size(const char *text, bool strict, int64_t *bytes, const char **why);
/* Nanoseconds; more than CONF_TIME_MAX is taken as that ("for ever"). */
#define CONF_TIME_MAX INT64_C(3155760000000000000) /* 100 years */
bool conf_value_time(const char *text, bool strict, int64_t *ns, const char **why);

/* These allocate what they return; see conf_value_free_*. */
bool conf_value_array(const char *text, struct conf_array *v, const char **why);
bool conf_value_hash(const char *text, struct conf_hash *v, const char **why);
bool conf_value_regexp(const char *text, struct conf_regexp *v, const char **why);

void conf_value_free_array(struct conf_array *v);
void conf_value_free_hash(struct conf_hash *v);
void conf_value_free_regexp(struct conf_regexp *v);

#endif
