/* geo_database.h: what is known of IP addresses: a MaxMind DB file. Any thread. */
#ifndef WEIR_GEO_DATABASE_H
#define WEIR_GEO_DATABASE_H

#include "base/buf.h"
#include "base/err.h"

struct geo_database;
/* The file is mapped: whoever replaces it makes another one of its name. NULL: err. */
struct geo_database *geo_database_open(const char *path, struct err *err);
void geo_database_free(struct geo_database *d); /* NULL is allowed */

/* What is known of one address. */
struct geo_entry {
	const struct geo_database *database; /* NULL = nothing */
	uint32_t offset;
};

/* Nothing of a text that is no address, too. */
struct geo_entry geo_look_up(const struct geo_database *d, struct span address);

/* Appends what stands at the path ("city", "names", "en", NULL; an array's elements are "0", "1" ...) as msgpack. False: nothing does. */
bool geo_put(const struct geo_entry *e, const char *const *path, struct buf *out);

#endif
