/*
 * geo_template.h: a value of the geoip filter's <record>: a text with placeholders ${city.names.en["host"]}. A placeholder alone keeps its type; a text that is JSON with
 * placeholders in it becomes what that says; else they are put into the text. Read-only once made; any thread.
 */
#ifndef WEIR_GEO_TEMPLATE_H
#define WEIR_GEO_TEMPLATE_H

#include "conf/conf_schema.h"
#include "geo_database.h"

/* What a placeholder names. */
struct geo_place {
	char *text;   /* as it stands there */
	char **path;  /* ends with NULL */
	size_t key;   /* which of the fields with addresses */
	bool or_zero; /* a latitude or longitude that is not known is 0.0 */
};

struct geo_places {
	struct geo_place *v;
	size_t n;
};

void geo_places_free(struct geo_places *p);
/* Appends what is at that place, nil included. False: nothing is known of the address. */
bool geo_place_put(const struct geo_place *p, const struct geo_entry *entries, struct buf *out);

struct geo_template;
/* `keys`: the fields with addresses, which placeholders name; `compat`: names of the geoip2_compat library. New places are added. NULL: findings. */
struct geo_template *geo_template_new(const struct conf_pair *pair, const struct conf_array *keys, bool compat,
	struct geo_places *places, struct conf_report *r);
void geo_template_free(struct geo_template *t); /* NULL is allowed */

/* Appends the value as msgpack. `entries`: of each key; `room` is for its use. False: a buffer failed. */
bool geo_template_put(const struct geo_template *t, const struct geo_places *places, const struct geo_entry *entries,
	struct buf *room, struct buf *out);

#endif
