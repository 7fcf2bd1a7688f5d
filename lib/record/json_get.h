/*
 * json_get.h: JSON text to msgpack, in one pass. RFC 8259: UTF-8 is checked (ill-formed input fails), \u escapes with
 * their surrogate pairs; a lone surrogate fails. Integers of 64 bits keep all digits; other numbers become float64;
 * numbers that neither holds become strings. Repeated keys are kept: whoever reads the map takes the last. Any
 * thread.
 */
#ifndef WEIR_RECORD_JSON_GET_H
#define WEIR_RECORD_JSON_GET_H

#include "base/buf.h"

enum json_result {
	JSON_OK,
	JSON_SHORT,    /* the text ends inside the value */
	JSON_BAD,      /* no JSON; or out->failed: it has no room */
	JSON_TOO_DEEP, /* more than max_depth containers (256 at most) in one another */
};

/*
 * Reads one JSON value at *p (white space before it is skipped), appends it to `out` as msgpack and moves *p behind
 * it. A number may end where the text does. On anything but JSON_OK, *p and out->n are as before. *why (may be NULL)
 * says what is wrong.
 */
enum json_result json_get(const uint8_t **p, const uint8_t *end, unsigned max_depth, struct buf *out, const char **why);

/*
 * The same, and takes what fluentd's parser (Oj) takes besides: in strings control characters but 0, and \ before any character, which means that character
 * (nginx writes \x22); NaN, Infinity and -Infinity, which many write for such numbers, as float64.
 */
enum json_result json_get_lenient(
	const uint8_t **p, const uint8_t *end, unsigned max_depth, struct buf *out, const char **why);

/* Finds the end of an object or array that comes in pieces, without parsing it: feed it each piece once. */
struct json_framer {
	uint32_t depth;
	bool in_string, escaped, started;
};
/*
 * `f` is zero-initialised, and again for each next value. Bytes of `p` up to and with the closing bracket, 0 if it is
 * not in there. Bytes before the first bracket must be white space, else *bad.
 */
size_t json_framer_feed(struct json_framer *f, const uint8_t *p, size_t n, bool *bad);

#endif
