/*
 * json_put.h: msgpack to JSON, for documents: always valid, whatever came.
 *
 *   str with ill-formed UTF-8 is repaired (U+FFFD); bin is a string if it is UTF-8, else Base64
 *   integers keep all digits; above 2^63-1 they become strings (a `long` refuses them)
 *   floats: the shortest text that reads back the same, 1.0 stays 1.0; NaN and infinities become null
 *   ext 0 (EventTime), -1 (msgpack timestamp), 5 of 12 bytes (Go msgp time) become RFC 3339 text; others become
 *   {"type":n,"data":"Base64"}
 *   keys that are no strings become their JSON text; of keys that are equal afterwards the last wins; an array or map
 *   as a key inside an array or map that is a key is refused
 */
#ifndef WEIR_RECORD_JSON_PUT_H
#define WEIR_RECORD_JSON_PUT_H

#include "base/buf.h"

/*
 * Appends the msgpack object at *p as JSON and moves *p behind it. False: cut, bad, deeper than max_depth, or `out`
 * failed; out->n is restored then.
 */
bool json_put(struct buf *out, const uint8_t **p, const uint8_t *end, unsigned max_depth);

/* Appends a JSON string with its quotes. */
bool json_put_string(struct buf *out, struct span s);

/*
 * A number: the shortest decimal that reads back as d, with ".0" where it has no fraction; "null" if it is not
 * finite. Writes at most JSON_NUMBER_MAX bytes.
 */
#define JSON_NUMBER_MAX 32
size_t json_format_double(double d, char *out);

#endif
