/*
 * json_scan.h: a walk over JSON text that is whole in memory: for replies, of which little is looked at and which may
 * be large. No tree, no recursion, no allocation.
 *
 * Every function skips white space first, moves s->p behind what it took, and returns false (s->p somewhere) if that
 * is not there. RFC 8259 but for two things: a string's UTF-8 is not checked, and nesting beyond JSON_SCAN_DEPTH
 * fails.
 */
#ifndef WEIR_ELASTIC_JSON_SCAN_H
#define WEIR_ELASTIC_JSON_SCAN_H

#include "base/span.h"

#define JSON_SCAN_DEPTH 256

struct json_scan {
	const uint8_t *p, *end;
};

static inline struct json_scan json_scan_of(struct span text)
{
	static const uint8_t nothing[1];
	const uint8_t *p = text.n ? text.p : nothing;
	return (struct json_scan){p, p + text.n};
}

/* The next character that is not white space, not taken; 0 at the end. */
int json_scan_peek(struct json_scan *s);

bool json_scan_take(struct json_scan *s, char c);

/* A string: *raw is what stands between its quotes, escapes and all. */
bool json_scan_string(struct json_scan *s, struct span *raw);

/* Any value; *raw (may be NULL) is its text. */
bool json_scan_value(struct json_scan *s, struct span *raw);

/*
 * For a loop over an object's members: `*first` is true before the first. Takes the comma, the key and the colon;
 * *done at the closing brace, which is taken too. The opening brace was taken by the caller.
 */
bool json_scan_member(struct json_scan *s, bool *first, struct span *key, bool *done);

/* The same for the elements of an array, without keys. */
bool json_scan_element(struct json_scan *s, bool *first, bool *done);

/* Nothing but white space is left. */
bool json_scan_at_end(struct json_scan *s);

/*
 * Writes the text of a raw string as UTF-8, at most `size` bytes, cut at a character's end; ill-formed UTF-8, lone
 * surrogates and U+0000 become U+FFFD. Returns the length.
 */
size_t json_scan_text(struct span raw, char *out, size_t size);

#endif
