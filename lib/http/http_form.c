#include "http/http_form.h"

#include "http/http_request.h"

#define BOUNDARY_MAX 200u /* bytes; RFC 2046 allows 70 */

/* ---- urlencoded --------------------------------------------------------------------------------------------------------- */

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct span s, struct buf *out)
{
	buf_clear(out);
	if (!buf_reserve(out, s.n))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (s.n - i < 3 || hex(s.p[i + 1]) < 0 || hex(s.p[i + 2]) < 0)
				return false;
			c = (uint8_t)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]));
			i += 2;
		}
		out->p[out->n++] = c;
	}
	return true;
}

enum http_field http_form_next(struct span *form, struct buf *name, struct buf *value)
{
	struct span pair;
	do {
		if (!form->n)
			return HTTP_FIELD_END;
		const uint8_t *amp = memchr(form->p, '&', form->n);
		pair = span_of(form->p, amp ? (size_t)(amp - form->p) : form->n);
		size_t used = pair.n + (amp != NULL);
		*form = span_of(form->p + used, form->n - used);
	} while (!pair.n);
	const uint8_t *equals = memchr(pair.p, '=', pair.n);
	size_t n = equals ? (size_t)(equals - pair.p) : pair.n;
	struct span rest = equals ? span_of(equals + 1, pair.n - n - 1) : (struct span){0};
	return decode(span_of(pair.p, n), name) && decode(rest, value) ? HTTP_FIELD : HTTP_FIELD_BAD;
}

/* ---- multipart ------------------------------------------------------------------------------------------------------------ */

/* The value of a parameter of a header: `; name=value` or `; name="value"`. p NULL: it is not there. */
static struct span parameter(struct span header, const char *name)
{
	size_t len = strlen(name);
	const uint8_t *p = header.p, *end = p + header.n;
	bool quoted = false;
	for (; p < end; p++) {
		if (*p == '"')
			quoted = !quoted;
		if (*p != ';' || quoted)
			continue;
		const uint8_t *q = p + 1;
		while (q < end && (*q == ' ' || *q == '\t'))
			q++;
		if ((size_t)(end - q) <= len || q[len] != '=' || !http_same_word(span_of(q, len), span_str(name)))
			continue;
		q += len + 1;
		bool in_quotes = q < end && *q == '"';
		q += in_quotes;
		const uint8_t *stop = q;
		while (stop < end && (in_quotes ? *stop != '"' : *stop != ';' && *stop != ' '))
			stop++;
		return span_of(q, (size_t)(stop - q));
	}
	return (struct span){0};
}

struct span http_multipart_boundary(struct span content_type)
{
	static const char type[] = "multipart/form-data";
	size_t n = sizeof type - 1;
	if (content_type.n <= n || !http_same_word(span_of(content_type.p, n), SPAN_LIT("multipart/form-data")))
		return (struct span){0};
	struct span b = parameter(content_type, "boundary");
	return b.n <= BOUNDARY_MAX ? b : (struct span){0};
}

/* Where the next "--boundary" at the beginning of a line is, NULL if there is none. */
static const uint8_t *find_delimiter(struct span body, struct span boundary, bool first)
{
	uint8_t line[BOUNDARY_MAX + 3] = "\n--";
	memcpy(line + 3, boundary.p, boundary.n);
	if (first && body.n >= boundary.n + 2 && memcmp(body.p, line + 1, boundary.n + 2) == 0)
		return body.p;
	const uint8_t *at = memmem(body.p, body.n, line, boundary.n + 3);
	return at ? at + 1 : NULL;
}

/* The part's headers up to the empty line; the name that Content-Disposition gives it. False: there is no end of them. */
static bool take_headers(struct span *rest, struct span *name)
{
	for (;;) {
		const uint8_t *feed = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
		if (!feed)
			return false;
		size_t n = (size_t)(feed - rest->p);
		struct span line = span_of(rest->p, n && feed[-1] == '\r' ? n - 1 : n);
		*rest = span_of(feed + 1, rest->n - n - 1);
		if (!line.n)
			return true;
		if (line.n > 20 && http_same_word(span_of(line.p, 20), SPAN_LIT("content-disposition:")))
			*name = parameter(line, "name");
	}
}

enum http_field http_multipart_next(struct span *body, struct span boundary, struct span *name, struct span *content)
{
	const uint8_t *end = body->p + body->n;
	const uint8_t *at = body->n ? find_delimiter(*body, boundary, true) : NULL;
	if (!at)
		return HTTP_FIELD_BAD;
	at += boundary.n + 2;
	if (end - at >= 2 && at[0] == '-' && at[1] == '-')
		return HTTP_FIELD_END;
	struct span rest = span_of(at, (size_t)(end - at));
	const uint8_t *feed = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
	if (!feed)
		return HTTP_FIELD_BAD;
	rest = span_of(feed + 1, (size_t)(end - feed - 1));
	*name = (struct span){0};
	if (!take_headers(&rest, name))
		return HTTP_FIELD_BAD;
	const uint8_t *next = find_delimiter(rest, boundary, true);
	if (!next)
		return HTTP_FIELD_BAD;
	size_t n = (size_t)(next - rest.p);
	n -= n > 0; /* the line feed before the delimiter is the delimiter's */
	n -= n && rest.p[n - 1] == '\r';
	*content = span_of(rest.p, n);
	*body = span_of(next, (size_t)(end - next));
	return HTTP_FIELD;
}
