#include "http/http_request.h"

#define CHUNK_LINE_MAX 1024u /* bytes of a chunk's first line */
#define TRAILER_MAX    8192u
#define CHUNK_DIGITS   15u /* of a chunk's size: no overflow */
#define LENGTH_DIGITS  18u /* of Content-Length */

/* ---- characters (RFC 9110, 5.6.2 and 5.5) ---------------------------------------------------------------------------- */

static bool is_token(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_field_char(uint8_t c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool http_same_word(struct span a, struct span b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

static struct span trim(struct span s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* A line without its end, CR LF or LF alone (section 2.2). False: there is no line end. */
static bool take_line(struct span *rest, struct span *line)
{
	const uint8_t *feed = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	if (!feed)
		return false;
	size_t n = (size_t)(feed - rest->p);
	*line = span_of(rest->p, n && feed[-1] == '\r' ? n - 1 : n);
	*rest = span_of(feed + 1, rest->n - n - 1);
	return true;
}

/* ---- the head -------------------------------------------------------------------------------------------------------------- */

size_t http_head_length(const uint8_t *p, size_t n, size_t *scanned)
{
	size_t begin = 0;
	while (begin < n && (p[begin] == '\r' || p[begin] == '\n'))
		begin++;
	size_t at = *scanned > begin ? *scanned : begin;
	while (at < n) {
		const uint8_t *feed = memchr(p + at, '\n', n - at);
		if (!feed)
			break;
		size_t next = (size_t)(feed - p) + 1;
		if (next < n && p[next] == '\n')
			return next + 1;
		if (next + 1 < n && p[next] == '\r' && p[next + 1] == '\n')
			return next + 2;
		at = next;
	}
	/* The line end that was found last may be half of the end. */
	*scanned = n > 2 ? n - 2 : 0;
	return 0;
}

static bool take_word(struct span *line, struct span *word)
{
	const uint8_t *space = line->n ? memchr(line->p, ' ', line->n) : NULL;
	if (!space || space == line->p)
		return false;
	*word = span_of(line->p, (size_t)(space - line->p));
	*line = span_of(space + 1, line->n - word->n - 1);
	return true;
}

static bool read_target(struct http_request *r, struct span target)
{
	for (size_t i = 0; i < target.n; i++)
		if (target.p[i] <= ' ' || target.p[i] >= 0x7f)
			return false;
	/* The absolute form (section 3.2.2), as proxies get it. */
	const uint8_t *scheme = target.p[0] == '/' ? NULL : memmem(target.p, target.n, "://", 3);
	if (scheme) {
		size_t skip = (size_t)(scheme - target.p) + 3;
		target = span_of(target.p + skip, target.n - skip);
		while (target.n && *target.p != '/' && *target.p != '?') {
			target.p++;
			target.n--;
		}
	}
	const uint8_t *mark = target.n ? memchr(target.p, '?', target.n) : NULL;
	r->path = span_of(target.p, mark ? (size_t)(mark - target.p) : target.n);
	if (!r->path.n)
		r->path = SPAN_LIT("/");
	if (mark)
		r->query = span_of(mark + 1, target.n - (size_t)(mark - target.p) - 1);
	const uint8_t *fragment = r->query.n ? memchr(r->query.p, '#', r->query.n) : NULL;
	if (fragment)
		r->query.n = (size_t)(fragment - r->query.p);
	return true;
}

static unsigned read_request_line(struct http_request *r, struct span line, const char **why)
{
	struct span target;
	*why = "the request line is not METHOD TARGET HTTP/1.1";
	if (!take_word(&line, &r->method) || !take_word(&line, &target))
		return 400;
	for (size_t i = 0; i < r->method.n; i++)
		if (!is_token(r->method.p[i]))
			return 400;
	if (line.n != 8 || memcmp(line.p, "HTTP/", 5) != 0 || line.p[6] != '.' || line.p[5] < '0' || line.p[5] > '9' ||
		line.p[7] < '0' || line.p[7] > '9')
		return 400;
	if (line.p[5] != '1') {
		*why = "only HTTP/1.0 and HTTP/1.1 are spoken";
		return 505;
	}
	r->minor = line.p[7] == '0' ? 0 : 1;
	*why = "the target of the request is no path";
	return read_target(r, target) ? 0 : 400;
}

static bool read_header(struct http_request *r, struct span line)
{
	const uint8_t *colon = memchr(line.p, ':', line.n);
	if (!colon || colon == line.p)
		return false;
	struct http_header h = {.name = span_of(line.p, (size_t)(colon - line.p))};
	h.value = trim(span_of(colon + 1, line.n - h.name.n - 1));
	for (size_t i = 0; i < h.name.n; i++)
		if (!is_token(h.name.p[i]))
			return false;
	for (size_t i = 0; i < h.value.n; i++)
		if (!is_field_char(h.value.p[i]))
			return false;
	r->headers[r->header_count++] = h;
	return true;
}

struct span http_request_header(const struct http_request *r, const char *name)
{
	for (unsigned i = 0; i < r->header_count; i++)
		if (http_same_word(r->headers[i].name, span_str(name)))
			return r->headers[i].value;
	return (struct span){0};
}

/* ---- what the headers say about the connection and the body ---------------------------------------------------------------------- */

static bool read_length(struct span text, uint64_t *length)
{
	*length = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		*length = *length * 10 + (uint64_t)(text.p[i] - '0');
	}
	return text.n && text.n <= LENGTH_DIGITS;
}

/* Whether the comma list holds the word. */
static bool list_has(struct span list, const char *word)
{
	while (list.n) {
		const uint8_t *comma = memchr(list.p, ',', list.n);
		size_t n = comma ? (size_t)(comma - list.p) : list.n;
		if (http_same_word(trim(span_of(list.p, n)), span_str(word)))
			return true;
		n += comma != NULL;
		list = span_of(list.p + n, list.n - n);
	}
	return false;
}

/* Section 6.3. */
static unsigned read_framing(struct http_request *r, const char **why)
{
	bool has_length = false;
	for (unsigned i = 0; i < r->header_count; i++) {
		const struct http_header *h = &r->headers[i];
		uint64_t length;
		if (http_same_word(h->name, SPAN_LIT("content-length"))) {
			*why = "Content-Length is no number, or there are several";
			if (!read_length(h->value, &length) || (has_length && length != r->content_length))
				return 400;
			r->content_length = length;
			has_length = true;
		} else if (http_same_word(h->name, SPAN_LIT("transfer-encoding"))) {
			*why = "no Transfer-Encoding but chunked is known";
			if (r->chunked || !http_same_word(h->value, SPAN_LIT("chunked")))
				return 501;
			r->chunked = true;
		}
	}
	*why = "Content-Length and Transfer-Encoding contradict one another";
	if (r->chunked && has_length)
		return 400;
	*why = "Transfer-Encoding came with HTTP/1.0";
	return r->chunked && !r->minor ? 400 : 0;
}

static unsigned read_connection(struct http_request *r, const char **why)
{
	r->keep_alive = r->minor > 0;
	for (unsigned i = 0; i < r->header_count; i++) {
		const struct http_header *h = &r->headers[i];
		if (http_same_word(h->name, SPAN_LIT("connection"))) {
			if (list_has(h->value, "close"))
				r->keep_alive = false;
			else if (list_has(h->value, "keep-alive"))
				r->keep_alive = true;
		} else if (http_same_word(h->name, SPAN_LIT("expect"))) {
			*why = "no expectation but 100-continue is known";
			if (!http_same_word(h->value, SPAN_LIT("100-continue")))
				return 417;
			r->expect_continue = r->minor > 0;
		}
	}
	return 0;
}

unsigned http_request_read(struct span head, struct http_request *r, const char **why)
{
	struct span line = {0};
	unsigned status;
	*r = (struct http_request){0};
	*why = NULL;
	do {
		if (!take_line(&head, &line)) {
			*why = "the head is cut";
			return 400;
		}
	} while (!line.n);
	status = read_request_line(r, line, why);
	if (status)
		return status;
	while (take_line(&head, &line) && line.n) {
		if (r->header_count == HTTP_HEADERS_MAX) {
			*why = "there are too many headers";
			return 431;
		}
		if (!read_header(r, line)) {
			*why = "a line of the head is no header";
			return 400;
		}
	}
	status = read_framing(r, why);
	return status ? status : read_connection(r, why);
}

/* ---- chunks ------------------------------------------------------------------------------------------------------------------------ */

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The size at the beginning of the line; what follows it must be an extension. */
static bool read_chunk_size(struct span line, size_t *size)
{
	size_t digits = 0;
	*size = 0;
	while (digits < line.n && hex_value(line.p[digits]) >= 0) {
		if (digits == CHUNK_DIGITS)
			return false;
		*size = *size << 4 | (size_t)hex_value(line.p[digits++]);
	}
	struct span rest = trim(span_of(line.p + digits, line.n - digits));
	return digits && (!rest.n || rest.p[0] == ';');
}

static enum http_chunk skip_trailer(const uint8_t **p, struct span rest)
{
	struct span line;
	size_t before = rest.n;
	while (take_line(&rest, &line)) {
		if (!line.n) {
			*p = rest.p;
			return HTTP_CHUNK_END;
		}
		if (before - rest.n > TRAILER_MAX)
			return HTTP_CHUNK_BAD;
	}
	return before > TRAILER_MAX ? HTTP_CHUNK_BAD : HTTP_CHUNK_MORE;
}

enum http_chunk http_chunk_next(const uint8_t **p, const uint8_t *end, struct span *data, size_t *want)
{
	struct span rest = span_of(*p, (size_t)(end - *p)), line;
	size_t size;
	*want = 1;
	if (!take_line(&rest, &line))
		return (size_t)(end - *p) > CHUNK_LINE_MAX ? HTTP_CHUNK_BAD : HTTP_CHUNK_MORE;
	bool cr_lf = line.p + line.n + 2 == rest.p;
	if (!cr_lf || line.n > CHUNK_LINE_MAX || !read_chunk_size(line, &size))
		return HTTP_CHUNK_BAD;
	if (!size)
		return skip_trailer(p, rest);
	if (rest.n < size + 2) {
		*want = size + 2 - rest.n;
		return HTTP_CHUNK_MORE;
	}
	if (rest.p[size] != '\r' || rest.p[size + 1] != '\n')
		return HTTP_CHUNK_BAD;
	*data = span_of(rest.p, size);
	*p = rest.p + size + 2;
	return HTTP_CHUNK_DATA;
}
