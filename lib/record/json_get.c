#include "record/json_get.h"

#include "base/bytes.h"
#include "record/json_parser.h"

/*
 * How many elements a container has is not known before it ends, and msgpack puts the count in front: a container
 * begins with a header of one byte, which is widened, and what it holds so far moved, when the 16th and when the
 * 65,536th element comes.
 */

static inline void skip_space(struct json_parser *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t'))
		j->p++;
}

static enum json_result literal(struct json_parser *j, const char *word, uint8_t byte)
{
	for (; *word; word++, j->p++) {
		if (j->p == j->end)
			return json_parser_cut(j);
		if (*j->p != (uint8_t)*word)
			return json_parser_bad(j, "an unknown word");
	}
	buf_put_byte(j->out, byte);
	return json_parser_stored(j);
}

static enum json_result open_level(struct json_parser *j, bool map)
{
	if (j->depth == j->max_depth) {
		j->why = "nested too deep";
		return JSON_TOO_DEEP;
	}
	j->levels[j->depth++] = (struct json_level){.at = j->out->n, .map = map};
	j->p++;
	buf_put_byte(j->out, map ? 0x80 : 0x90);
	return json_parser_stored(j);
}

/* Makes the header of a container `more` bytes wider. */
static bool widen(struct json_parser *j, const struct json_level *l, size_t more)
{
	struct buf *out = j->out;
	if (!buf_reserve(out, more))
		return false;
	uint8_t *body = out->p + l->at + 1;
	memmove(body + more, body, out->n - l->at - 1);
	out->n += more;
	return true;
}

static bool count_element(struct json_parser *j, struct json_level *l)
{
	l->count++;
	return (l->count != 16 && l->count != 65536) || widen(j, l, 2);
}

static void close_level(struct json_parser *j)
{
	struct json_level *l = &j->levels[--j->depth];
	uint8_t *head = j->out->p + l->at;
	if (l->count < 16) {
		*head = (uint8_t)(*head | l->count);
	} else if (l->count < 65536) {
		*head = l->map ? 0xde : 0xdc;
		be16_put(head + 1, (uint16_t)l->count);
	} else {
		*head = l->map ? 0xdf : 0xdd;
		be32_put(head + 1, l->count);
	}
	j->p++;
}

static enum json_result key(struct json_parser *j)
{
	skip_space(j);
	if (j->p == j->end)
		return json_parser_cut(j);
	if (*j->p != '"')
		return json_parser_bad(j, "a key that is no string");
	j->p++;
	enum json_result r = json_string_get(j);
	if (r != JSON_OK)
		return r;
	skip_space(j);
	if (j->p == j->end)
		return json_parser_cut(j);
	if (*j->p != ':')
		return json_parser_bad(j, "no colon behind a key");
	j->p++;
	return JSON_OK;
}

/* The beginning of the next element of the innermost container: counted, and its key read. */
static enum json_result next_element(struct json_parser *j)
{
	struct json_level *l = &j->levels[j->depth - 1];
	if (!count_element(j, l))
		return json_parser_stored(j);
	return l->map ? key(j) : JSON_OK;
}

/* NaN, Infinity or -Infinity, which is no JSON. */
static enum json_result no_number(struct json_parser *j)
{
	bool minus = *j->p == '-';
	j->p += minus;
	buf_put_byte(j->out, 0xcb);
	buf_put(j->out, minus ? "\xff\xf0\0\0\0\0\0" : *j->p == 'N' ? "\x7f\xf8\0\0\0\0\0" : "\x7f\xf0\0\0\0\0\0", 7);
	return literal(j, *j->p == 'N' ? "NaN" : "Infinity", 0);
}

static bool begins_no_number(const struct json_parser *j)
{
	const uint8_t *p = j->p;
	return j->lenient && (*p == 'N' || *p == 'I' || (*p == '-' && j->end - p > 1 && p[1] == 'I'));
}

/* A value, or no more than the beginning of a container that has elements: then *open. */
static enum json_result value(struct json_parser *j, bool *open)
{
	*open = false;
	skip_space(j);
	if (j->p == j->end)
		return json_parser_cut(j);
	uint8_t c = *j->p;
	switch (c) {
	case '"':
		j->p++;
		return json_string_get(j);
	case '{':
	case '[': {
		enum json_result r = open_level(j, c == '{');
		if (r != JSON_OK)
			return r;
		skip_space(j);
		if (j->p == j->end)
			return json_parser_cut(j);
		if (*j->p == c + 2) { /* '{' + 2 is '}', '[' + 2 is ']' */
			close_level(j);
			return JSON_OK;
		}
		*open = true;
		return next_element(j);
	}
	case 't':
		return literal(j, "true", 0xc3);
	case 'f':
		return literal(j, "false", 0xc2);
	case 'n':
		return literal(j, "null", 0xc0);
	default:
		if (begins_no_number(j))
			return no_number(j);
		return c == '-' || (c >= '0' && c <= '9') ? json_number_get(j) : json_parser_bad(j, "no JSON value");
	}
}

/* What comes behind a value: the ends of containers, then a comma and the beginning of the next element. */
static enum json_result behind_value(struct json_parser *j)
{
	while (j->depth) {
		skip_space(j);
		if (j->p == j->end)
			return json_parser_cut(j);
		bool map = j->levels[j->depth - 1].map;
		if (*j->p == ',') {
			j->p++;
			return next_element(j);
		}
		if (*j->p != (map ? '}' : ']'))
			return json_parser_bad(j, map ? "no comma or } in an object" : "no comma or ] in an array");
		close_level(j);
	}
	return JSON_OK;
}

static enum json_result get(
	const uint8_t **p, const uint8_t *end, unsigned max_depth, bool lenient, struct buf *out, const char **why)
{
	struct json_parser j;
	j.p = *p;
	j.end = end;
	j.out = out;
	j.why = NULL;
	j.lenient = lenient;
	j.depth = 0;
	j.max_depth = max_depth < JSON_PARSER_DEPTH ? max_depth : JSON_PARSER_DEPTH;
	const size_t before = out->n;
	enum json_result r;
	do {
		bool open;
		r = value(&j, &open);
		if (r == JSON_OK && !open)
			r = behind_value(&j);
	} while (r == JSON_OK && j.depth);
	if (r == JSON_OK)
		*p = j.p;
	else
		out->n = before;
	if (why)
		*why = j.why;
	return r;
}

enum json_result json_get(const uint8_t **p, const uint8_t *end, unsigned max_depth, struct buf *out, const char **why)
{
	return get(p, end, max_depth, false, out, why);
}

enum json_result json_get_lenient(
	const uint8_t **p, const uint8_t *end, unsigned max_depth, struct buf *out, const char **why)
{
	return get(p, end, max_depth, true, out, why);
}
