/* parser_room.h: what a thread needs while it parses, kept from text to text so that no record costs an allocation. */
#ifndef WEIR_PARSE_PARSER_ROOM_H
#define WEIR_PARSE_PARSER_ROOM_H

#include "base/buf.h"
#include "parse/capture.h"

struct field;

struct parser_room {
	struct buf record;  /* that is being made */
	struct buf source;  /* msgpack that it is made from */
	struct buf bytes;   /* a text that was no UTF-8, mended */
	struct buf scratch; /* texts on their way into it */
	struct field *fields;
	size_t fields_n, fields_cap;
	bool fields_full; /* a field was lost: no memory */
	struct capture_room captures;
	struct parser_room *inner; /* of a parser within this one */
};

/* No record becomes larger than `max` bytes. */
void parser_room_init(struct parser_room *r, size_t max);
void parser_room_free(struct parser_room *r);

#endif
