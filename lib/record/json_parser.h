/*
 * json_parser.h: what the parts of json_get share: the parser's state and the search for what is not plain in a
 * string.
 */
#ifndef WEIR_RECORD_JSON_PARSER_H
#define WEIR_RECORD_JSON_PARSER_H

#include "record/json_get.h"

#define JSON_PARSER_DEPTH 256

struct json_level {
	size_t at;	/* of the container's header in `out` */
	uint32_t count; /* elements, or pairs, so far */
	bool map;
};

struct json_parser {
	const uint8_t *p, *end;
	struct buf *out;
	const char *why;
	unsigned depth, max_depth;
	bool lenient;
	struct json_level levels[JSON_PARSER_DEPTH];
};

static inline enum json_result json_parser_bad(struct json_parser *j, const char *why)
{
	j->why = why;
	return JSON_BAD;
}

static inline enum json_result json_parser_cut(struct json_parser *j)
{
	j->why = "the text ends too early";
	return JSON_SHORT;
}

/* After a put: whether it had room. */
static inline enum json_result json_parser_stored(struct json_parser *j)
{
	return j->out->failed ? json_parser_bad(j, "too large") : JSON_OK;
}

/*
 * These read what begins at j->p, append it to j->out and leave j->p behind it. The string's opening quote has been
 * read.
 */
enum json_result json_string_get(struct json_parser *j);
enum json_result json_number_get(struct json_parser *j);

/* Appends a msgpack str. */
enum json_result json_string_put(struct json_parser *j, const uint8_t *p, size_t n);

typedef uint8_t json_vec __attribute__((vector_size(16)));
typedef int8_t json_signed_vec __attribute__((vector_size(16)));

/*
 * The first byte that is not plain in a string: a quote, a backslash, a control character or a part of UTF-8's longer
 * sequences.
 */
static inline const uint8_t *json_plain_end(const uint8_t *p, const uint8_t *end)
{
	while (end - p >= (ptrdiff_t)sizeof(json_vec)) {
		json_vec v;
		uint64_t halves[2];
		memcpy(&v, p, sizeof v);
		/* As signed bytes, those from 0x80 on are below the blank too. */
		json_vec stop = (json_vec)((v == '"') | (v == '\\') | ((json_signed_vec)v < ' '));
		memcpy(halves, &stop, sizeof halves);
		if (halves[0])
			return p + __builtin_ctzll(halves[0]) / 8;
		if (halves[1])
			return p + 8 + __builtin_ctzll(halves[1]) / 8;
		p += sizeof v;
	}
	while (p < end && *p >= ' ' && *p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

#endif
