/*
 * tag_match.h: fluentd's match patterns, compiled: several separated by white space, `*` (one part, also inside a part), `**` (zero or
 * more parts), `{a,b}` (nestable, may hold dots and stars), `/regexp/` (must match the whole tag), `\` escapes. An empty pattern is `**`.
 * Read-only after compilation; any thread.
 */
#ifndef WEIR_RECORD_TAG_MATCH_H
#define WEIR_RECORD_TAG_MATCH_H

#include "base/err.h"
#include "base/span.h"

struct tag_match;

struct tag_match *tag_match_compile(const char *pattern, struct err *err);
void tag_match_free(struct tag_match *m);
bool tag_match(const struct tag_match *m, struct span tag);

#endif
