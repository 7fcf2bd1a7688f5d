#include "tail_split.h"

#define LINES_MAX 1000u /* that are tried together without format_firstline */

/* A line with its end; 0: it has none. */
static size_t line_length(const uint8_t *p, size_t n)
{
	const uint8_t *feed = n ? memchr(p, '\n', n) : NULL;
	return feed ? (size_t)(feed - p) + 1 : 0;
}

struct span tail_chomp(struct span text)
{
	if (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n && text.p[text.n - 1] == '\r')
		text.n--;
	return text;
}

static bool begins_text(const struct tail_split *s, struct span line)
{
	return parser_is_firstline(s->parser, line, s->room);
}

/* Up to the next first line. A line before the first one is a text by itself, which the parser will not know. */
static size_t until_firstline(const struct tail_split *s, const uint8_t *p, size_t n)
{
	size_t at = line_length(p, n), more;
	if (!at || !begins_text(s, span_of(p, at)))
		return at;
	for (; (more = line_length(p + at, n - at)) > 0; at += more)
		if (at + more > s->text_max || begins_text(s, span_of(p + at, more)))
			return at;
	return 0;
}

static void note_match(void *arg, const struct parsed *p)
{
	*(bool *)arg |= p->result == PARSE_OK;
}

static size_t until_match(const struct tail_split *s, const uint8_t *p, size_t n)
{
	size_t at = 0, more;
	for (unsigned lines = 0; (more = line_length(p + at, n - at)) > 0; at += more) {
		bool match = false;
		if (lines++ == LINES_MAX || (at && at + more > s->text_max))
			return at;
		parser_parse_bytes(s->parser, tail_chomp(span_of(p, at + more)), s->now, s->room, note_match, &match);
		if (match)
			return at + more;
	}
	return 0;
}

size_t tail_split_next(const struct tail_split *s, const uint8_t *p, size_t n, bool last)
{
	size_t length = !s->parser			  ? line_length(p, n)
			: parser_has_firstline(s->parser) ? until_firstline(s, p, n)
							  : until_match(s, p, n);
	return !length && last ? n : length;
}

size_t tail_split_many(const struct tail_split *s, const uint8_t *p, size_t n, bool last, uint64_t lines)
{
	size_t at = 0, length;
	while (at < n && lines-- && (length = tail_split_next(s, p + at, n - at, last)) > 0)
		at += length;
	return at;
}
