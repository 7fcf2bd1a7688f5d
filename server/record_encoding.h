/* record_encoding.h: the texts of a record, which came in another encoding, as UTF-8: record_modifier's char_encoding. */
#ifndef WEIR_RECORD_ENCODING_H
#define WEIR_RECORD_ENCODING_H

#include "filter_walk.h"
#include "text_encoding.h"

/* "FROM:TO" and "FROM" as fluentd has them. False: err, a sentence. *from NULL: the texts are taken as they are. For the caller to mem_free. */
bool record_encoding_parse(const char *text, char **from, struct err *err);

/* What one call of a filter converts with. */
struct record_encoding;
struct record_encoding *record_encoding_take(struct filter_pool *p, const char *from);
void record_encoding_give(struct filter_pool *p, struct record_encoding *e);
void record_encoding_free(struct filter_room *room); /* for filter_pool_destroy */

/* The record as msgpack, values' texts (names are left alone) converted; good until the next call. n = 0: it is too large. */
struct span record_encoding_convert(struct record_encoding *e, const struct record *r);

#endif
