/* inject.h: adds the same few fields to every record of a chunk (source_address_key, source_hostname_key). */
#ifndef WEIR_INJECT_H
#define WEIR_INJECT_H

#include "base/buf.h"

struct inject;

/* Up to two text fields; a NULL key leaves that one out. A field that is there already is repeated at the end of the record: the last one counts. */
struct inject *inject_new(const char *key1, const char *value1, const char *key2, const char *value2);
void inject_free(struct inject *i); /* NULL is allowed */

/* Appends the entries (good ones, event.h) with the fields to `out`. False: no memory, or they are not good. Any thread. */
bool inject_apply(const struct inject *i, struct span entries, struct buf *out);

#endif
