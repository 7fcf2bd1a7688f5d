/*
 * tail_split.h: the bytes of a followed file as texts: lines, or with a multiline parser several lines together. Any thread.
 */
#ifndef WEIR_TAIL_SPLIT_H
#define WEIR_TAIL_SPLIT_H

#include "parse/parser.h"

struct tail_split {
	const struct parser *parser; /* a multiline one; NULL: each line is a text */
	struct parser_room *room;
	struct event_time now;
	size_t text_max; /* bytes of a text of several lines: a longer one is cut at a line end */
};

/*
 * Length of the text at p, its line end included; 0 if its end has not come yet. With `last` nothing follows: all that is there is whole. A text of a parser with
 * format_firstline ends before the next first line; of one without where the parser knows it, or after 1,000 lines.
 */
size_t tail_split_next(const struct tail_split *s, const uint8_t *p, size_t n, bool last);

/* Bytes of whole texts, `lines` of them at the most; 0 if there is none. */
size_t tail_split_many(const struct tail_split *s, const uint8_t *p, size_t n, bool last, uint64_t lines);

/* A text without its line end (LF, CR LF or CR). */
struct span tail_chomp(struct span text);

#endif
