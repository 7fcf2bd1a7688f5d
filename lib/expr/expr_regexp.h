/*
 * expr_regexp.h: regular expressions with everything that an expression asks of a match: numbered and named groups. Ruby's syntax, the limits of base/regexp.h; \d \s \w
 * are ASCII as in Ruby.
 *
 * Compiled once, read-only afterwards; any thread, each with a region of its own.
 */
#ifndef WEIR_EXPR_EXPR_REGEXP_H
#define WEIR_EXPR_EXPR_REGEXP_H

#include "base/err.h"
#include "base/regexp.h"

#include <oniguruma.h>

struct expr_group {
	struct span name;
	int number; /* of the last group with that name */
};

struct expr_regexp {
	regex_t *onig;
	char *source;
	unsigned flags; /* regexp.h's */
	struct expr_group *groups;
	size_t group_count;
};

/* NULL and why, if it is no regular expression. */
struct expr_regexp *expr_regexp_compile(struct span source, unsigned flags, struct err *err);
void expr_regexp_free(struct expr_regexp *r); /* NULL is allowed */

/* Looks in `text`, which must be UTF-8, from offset `from` on; with REGEXP_YES the places are in `region`. */
enum regexp_result expr_regexp_search(const struct expr_regexp *r, struct span text, size_t from, OnigRegion *region);

/* The number of the group with that name; 0 if there is none. */
int expr_regexp_group(const struct expr_regexp *r, struct span name);

#endif
