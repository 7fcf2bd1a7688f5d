/*
 * capture.h: regular expressions as fluentd's parsers use them: what the named groups took. Ruby's syntax and engine family with the limits of
 * base/regexp.h; \d \s \w are ASCII as in Ruby.
 *
 * Compiled once, read-only afterwards; any thread, each with a room of its own.
 */
#ifndef WEIR_PARSE_CAPTURE_H
#define WEIR_PARSE_CAPTURE_H

#include "base/err.h"
#include "base/regexp.h"
#include "base/span.h"

struct capture;

/* `flags` are regexp.h's. NULL and why, if it is no regular expression. */
struct capture *capture_compile(struct span source, unsigned flags, struct err *err);
void capture_free(struct capture *c); /* NULL is allowed */

/* The names of the groups, in the order of their first groups. */
size_t capture_count(const struct capture *c);
struct span capture_name(const struct capture *c, size_t i);

/* Where a search puts the places of groups; grows to the largest expression it is used for. Zero-initialised; one thread's. */
struct capture_room {
	void *region;
};
void capture_room_free(struct capture_room *room);

/*
 * Looks for the expression in `text`, which must be UTF-8, from offset `from` on. With REGEXP_YES *start and *end (may be NULL) are the
 * match's place.
 */
enum regexp_result capture_search(
	const struct capture *c, struct span text, size_t from, struct capture_room *room, size_t *start, size_t *end);

/* After REGEXP_YES: what group i took; p NULL if it took no part in the match. Of groups with one name, the last one that took part. */
struct span capture_get(const struct capture *c, const struct capture_room *room, struct span text, size_t i);

#endif
