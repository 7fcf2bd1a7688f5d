/* convert.h: what a parser makes of values: types, null_value_pattern, null_empty_string. For lib/parse only. */
#ifndef WEIR_PARSE_CONVERT_H
#define WEIR_PARSE_CONVERT_H

#include "parse/parser_impl.h"

/* NULL, without findings: nothing is converted. *ok false: findings were added. */
struct converters *converters_new(const struct parser *p, const struct parser_maker *m, bool *ok);
void converters_free(struct converters *c);

/* Appends the value of that key, which is this text. */
void convert_text(const struct converters *c, struct parser_room *room, struct span key, struct span text,
	struct event_time now, struct buf *out);
/* The same for a msgpack object. */
void convert_value(const struct converters *c, struct parser_room *room, struct span key, struct span value,
	struct event_time now, struct buf *out);

#endif
