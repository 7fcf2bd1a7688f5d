/*
 * expr_regexp.h: regular expressions with everything that an expression asks of a match: numbered and named groups. Ruby's syntax, the limits of base/regexp.h; \d \s \w
 * are ASCII as in Ruby.
 *
 * Compiled once, read-only afterwards; any thread, each with a region of its own.
 */
#ifndef WEIR_EXPR_EXPR_REGEXP_H
#define WEIR_EXPR_EXPR_REGEXP_H

#include "base/regexp_engine.h"

struct expr_regexp {
	regex_t *onig;
	char *source;
	unsigned flags; /* regexp.h's */
	struct regexp_name *groups;
	size_t group_count;
};

/* NULL and why, if it is no regular expression. */
struct expr_regexp *expr_regexp_compile(struct span source, unsigned flags, struct err *err);
void expr_regexp_free(struct expr_regexp *r); /* NULL is allowed */

/* The number of the i-th name's group: the last one, if several have it. */
static inline int expr_regexp_number(const struct expr_regexp *r, size_t i)
{
	return r->groups[i].numbers[r->groups[i].count - 1];
}

/* The number of the group with that name; 0 if there is none. */
int expr_regexp_group(const struct expr_regexp *r, struct span name);

#endif
