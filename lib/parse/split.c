/* split.c: Ruby's String#split, as lazily as it can be: empty pieces are held back until one comes that is not empty. */
#include "parse/parser_impl.h"

#include "base/utf8.h"

void split_start(struct split *s, struct span text, struct span delimiter, size_t limit)
{
	*s = (struct split){
		.rest = text, .delimiter = delimiter, .left = limit ? limit : SIZE_MAX, .done = text.n == 0};
}

void split_start_pattern(struct split *s, struct span text, const struct capture *pattern, struct parser_room *room)
{
	*s = (struct split){.rest = text, .pattern = pattern, .room = room, .left = SIZE_MAX, .done = text.n == 0};
}

static struct span from(struct span s, size_t n)
{
	return span_of(s.p + n, s.n - n);
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0;
}

/* Where the next delimiter is; an empty one is between characters. */
static bool find(struct split *s, size_t *start, size_t *end)
{
	if (s->pattern) {
		if (capture_search(s->pattern, s->rest, 0, &s->room->captures, start, end) != REGEXP_YES)
			return false;
		if (*end > *start)
			return true;
		*start = *end = 0;
	} else if (s->delimiter.n) {
		const uint8_t *p = s->delimiter.n == 1 ? memchr(s->rest.p, s->delimiter.p[0], s->rest.n)
						       : memmem(s->rest.p, s->rest.n, s->delimiter.p, s->delimiter.n);
		*start = p ? (size_t)(p - s->rest.p) : 0;
		*end = *start + s->delimiter.n;
		return p != NULL;
	}
	size_t n = utf8_len(s->rest.p, s->rest.n);
	*start = *end = n ? n : 1;
	return *start < s->rest.n;
}

/* A blank as the delimiter: words between any blanks. */
static bool next_word(struct split *s, struct span *piece)
{
	while (s->rest.n && is_blank(*s->rest.p))
		s->rest = from(s->rest, 1);
	size_t n = 0;
	while (n < s->rest.n && !is_blank(s->rest.p[n]))
		n++;
	if (s->left == 1)
		n = s->rest.n;
	*piece = span_of(s->rest.p, n);
	s->rest = from(s->rest, n);
	if (s->left != SIZE_MAX)
		s->left--;
	return n > 0;
}

/* The next piece, empty ones and all; false at the end. */
static bool next_piece(struct split *s, struct span *piece)
{
	size_t start, end;
	if (s->done)
		return false;
	if (s->left == 1 || !s->rest.n || !find(s, &start, &end)) {
		*piece = s->rest;
		s->done = true;
		return true;
	}
	*piece = span_of(s->rest.p, start);
	s->rest = from(s->rest, end);
	if (s->left != SIZE_MAX)
		s->left--;
	return true;
}

bool split_next(struct split *s, struct span *piece)
{
	if (!s->pattern && s->delimiter.n == 1 && *s->delimiter.p == ' ')
		return next_word(s, piece);
	if (s->left != SIZE_MAX)
		return next_piece(s, piece);
	while (!s->has_held) {
		if (!next_piece(s, &s->held))
			return false;
		s->has_held = s->held.n > 0;
		s->empty += !s->has_held;
	}
	if (s->empty) {
		s->empty--;
		*piece = span_of("", 0);
		return true;
	}
	s->has_held = false;
	*piece = s->held;
	return true;
}
