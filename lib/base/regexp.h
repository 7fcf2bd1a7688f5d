/*
 * regexp.h: regular expressions with Ruby's syntax and engine family (Oniguruma), so that patterns written for fluentd
 * run unchanged. Text is UTF-8; `^` and `$` are the ends of lines, \d \s \w are ASCII, as in Ruby.
 *
 * Every search has a limit of steps and of memory, so that no pattern hangs on any text. Compiled once, read-only
 * afterwards; any thread.
 */
#ifndef WEIR_BASE_REGEXP_H
#define WEIR_BASE_REGEXP_H

#include "base/err.h"
#include "base/span.h"

struct regexp;

#define REGEXP_IGNORE_CASE 1U /* i */
#define REGEXP_EXTENDED	   2U /* x: white space and comments in the pattern mean nothing */
#define REGEXP_MULTI_LINE  4U /* m: `.` is a line feed too */

/* `source` is what stands between the slashes. NULL and why, if it is no regular expression. */
struct regexp *regexp_compile(struct span source, unsigned flags, struct err *err);

/* `r` may be NULL. */
void regexp_free(struct regexp *r);

enum regexp_result {
	REGEXP_NO,
	REGEXP_YES,
	REGEXP_LIMIT, /* the search was given up: too many steps */
};

/* Looks for the expression anywhere in `text`. Text that is no UTF-8 never matches. */
enum regexp_result regexp_search(const struct regexp *r, struct span text);
/* The same, but bytes that are no UTF-8 are U+FFFD to it. */
enum regexp_result regexp_search_bytes(const struct regexp *r, struct span text);

/* Where a search puts the places of groups. Zero-initialised; one thread's; regexp_room_free at the end. */
struct regexp_room {
	void *region;
};
void regexp_room_free(struct regexp_room *room);

/*
 * The same, with what groups took: after REGEXP_YES groups[0] is the match, groups[n] group n (p NULL: it took no part, or there is none), for
 * n < count. Numbers are those of Ruby: where there are named groups, plain ones have none.
 */
enum regexp_result regexp_groups(
	const struct regexp *r, struct span text, struct regexp_room *room, struct span *groups, size_t count);

#endif
