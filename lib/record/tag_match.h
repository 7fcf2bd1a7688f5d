/*
 * tag_match.h: fluentd's match patterns, compiled: several separated by white space, `*` (one part, also an empty one and also inside a
 * part), `**` (zero or more parts), `{a,b}` (nestable, may hold dots and stars), `/regexp/` (must match the whole tag), `\` escapes. An
 * empty pattern is `**`. The corner cases are fluentd 1.19's; tag_match.c lists them.
 *
 * Read-only after compilation; any thread. No pattern is slow on any tag: at worst length of tag times length of pattern.
 */
#ifndef WEIR_RECORD_TAG_MATCH_H
#define WEIR_RECORD_TAG_MATCH_H

#include "base/err.h"
#include "base/span.h"

struct tag_match;

/*
 * NULL, with the pattern and what is wrong with it in `err`, for what is no regular expression between slashes, for more than 16,383
 * characters, and for a brace without its end that holds more than plain words (fluentd would silently never match those).
 */
struct tag_match *tag_match_compile(const char *pattern, struct err *err);

/* `m` may be NULL. */
void tag_match_free(struct tag_match *m);

/* True if any of the patterns matches the whole tag. */
bool tag_match(const struct tag_match *m, struct span tag);

#endif
