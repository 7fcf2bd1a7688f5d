#include "record/json_parser.h"

#include "base/bytes.h"
#include "base/utf8.h"

static size_t str_head_size(size_t n)
{
	return n < 32 ? 1 : n < 256 ? 2 : n < 65536 ? 3 : 5;
}

static void write_str_head(uint8_t *p, size_t n)
{
	switch (str_head_size(n)) {
	case 1:
		p[0] = (uint8_t)(0xa0 | n);
		return;
	case 2:
		p[0] = 0xd9;
		p[1] = (uint8_t)n;
		return;
	case 3:
		p[0] = 0xda;
		be16_put(p + 1, (uint16_t)n);
		return;
	default:
		p[0] = 0xdb;
		be32_put(p + 1, (uint32_t)n);
	}
}

enum json_result json_string_put(struct json_parser *j, const uint8_t *p, size_t n)
{
	struct buf *out = j->out;
	size_t head = str_head_size(n);
	if (n > UINT32_MAX || !buf_reserve(out, head + n))
		return json_parser_bad(j, "too large");
	write_str_head(out->p + out->n, n);
	memcpy(out->p + out->n + head, p, n);
	out->n += head + n;
	return JSON_OK;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of \uXXXX; j->p is moved behind them. */
static enum json_result hex4(struct json_parser *j, uint32_t *v)
{
	*v = 0;
	for (int i = 0; i < 4; i++) {
		if (j->p == j->end)
			return json_parser_cut(j);
		int digit = hex_value(*j->p);
		if (digit < 0)
			return json_parser_bad(j, "\\u without four hexadecimal digits");
		*v = *v << 4 | (uint32_t)digit;
		j->p++;
	}
	return JSON_OK;
}

static enum json_result low_surrogate(struct json_parser *j, uint32_t *code)
{
	uint32_t low;
	static const uint8_t want[] = {'\\', 'u'};
	for (size_t i = 0; i < sizeof want; i++, j->p++) {
		if (j->p == j->end)
			return json_parser_cut(j);
		if (*j->p != want[i])
			return json_parser_bad(j, "a lone surrogate");
	}
	enum json_result r = hex4(j, &low);
	if (r != JSON_OK)
		return r;
	if (low < 0xdc00 || low > 0xdfff)
		return json_parser_bad(j, "a lone surrogate");
	*code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
	return JSON_OK;
}

static uint8_t *write_utf8(uint8_t *to, uint32_t code)
{
	if (code < 0x80) {
		*to++ = (uint8_t)code;
	} else if (code < 0x800) {
		*to++ = (uint8_t)(0xc0 | code >> 6);
		*to++ = (uint8_t)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		*to++ = (uint8_t)(0xe0 | code >> 12);
		*to++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		*to++ = (uint8_t)(0x80 | (code & 0x3f));
	} else {
		*to++ = (uint8_t)(0xf0 | code >> 18);
		*to++ = (uint8_t)(0x80 | (code >> 12 & 0x3f));
		*to++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		*to++ = (uint8_t)(0x80 | (code & 0x3f));
	}
	return to;
}

/* Behind the backslash. No escape is shorter than what it stands for. */
static enum json_result unescape(struct json_parser *j, uint8_t **to)
{
	static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	if (j->p == j->end)
		return json_parser_cut(j);
	uint8_t c = *j->p++;
	if (c != 'u') {
		const char *name = c ? strchr(names, c) : NULL;
		if (!name && j->lenient) {
			j->p--; /* the character itself, as any other */
			return JSON_OK;
		}
		if (!name)
			return json_parser_bad(j, "an unknown escape");
		*(*to)++ = (uint8_t)meant[name - names];
		return JSON_OK;
	}
	uint32_t code;
	enum json_result r = hex4(j, &code);
	if (r == JSON_OK && code >= 0xdc00 && code <= 0xdfff)
		return json_parser_bad(j, "a lone surrogate");
	if (r == JSON_OK && code >= 0xd800 && code <= 0xdbff)
		r = low_surrogate(j, &code);
	if (r == JSON_OK)
		*to = write_utf8(*to, code);
	return r;
}

static bool takes_control(const struct json_parser *j)
{
	return j->lenient && *j->p;
}

/* One or more sequences of two or more bytes. */
static enum json_result take_utf8(struct json_parser *j)
{
	do {
		size_t left = (size_t)(j->end - j->p), len = utf8_len(j->p, left);
		if (len == 0 && utf8_bad_len(j->p, left) == left && *j->p >= 0xc2 && *j->p <= 0xf4)
			return json_parser_cut(j);
		if (len == 0)
			return json_parser_bad(j, "ill-formed UTF-8");
		j->p += len;
	} while (j->p < j->end && *j->p >= 0x80);
	return JSON_OK;
}

/* Where the string that goes on at p ends (its quote), escapes not judged; NULL if it is not there. */
static const uint8_t *string_end(const uint8_t *p, const uint8_t *end)
{
	for (;;) {
		p = json_plain_end(p, end);
		if (p == end)
			return NULL;
		if (*p == '"')
			return p;
		if (*p == '\\' && ++p == end)
			return NULL;
		p++;
	}
}

/* Copies the string's bytes from `from` to its end, escapes resolved, to out; j->p is left behind the quote. */
static enum json_result copy_unescaped(struct json_parser *j, const uint8_t *from, uint8_t **to)
{
	for (j->p = from;;) {
		const uint8_t *plain = j->p;
		enum json_result r = JSON_OK;
		j->p = json_plain_end(plain, j->end);
		if (j->p < j->end && *j->p >= 0x80)
			r = take_utf8(j);
		memcpy(*to, plain, (size_t)(j->p - plain));
		*to += j->p - plain;
		if (r != JSON_OK)
			return r;
		if (j->p == j->end)
			return json_parser_cut(j);
		if (*j->p == '"') {
			j->p++;
			return JSON_OK;
		}
		if (*j->p < ' ') {
			if (!takes_control(j))
				return json_parser_bad(j, "a control character in a string");
			*(*to)++ = *j->p++;
		} else if (*j->p == '\\') {
			j->p++;
			r = unescape(j, to);
			if (r != JSON_OK)
				return r;
		}
	}
}

/*
 * A string with escapes in it, which begins at `from`: written behind a header as large as the raw length needs,
 * then moved if it was too large.
 */
static enum json_result escaped_string(struct json_parser *j, const uint8_t *from)
{
	const uint8_t *end = string_end(j->p, j->end);
	size_t most = (size_t)((end ? end : j->end) - from), room = str_head_size(most);
	struct buf *out = j->out;
	if (most > UINT32_MAX || !buf_reserve(out, room + most))
		return json_parser_bad(j, "too large");
	uint8_t *head = out->p + out->n, *to = head + room;
	enum json_result r = copy_unescaped(j, from, &to);
	if (r != JSON_OK)
		return r;
	size_t n = (size_t)(to - head) - room, used = str_head_size(n);
	if (used < room)
		memmove(head + used, head + room, n);
	write_str_head(head, n);
	out->n += used + n;
	return JSON_OK;
}

/* Behind the opening quote. */
enum json_result json_string_get(struct json_parser *j)
{
	const uint8_t *from = j->p;
	for (;;) {
		j->p = json_plain_end(j->p, j->end);
		if (j->p == j->end)
			return json_parser_cut(j);
		if (*j->p == '"')
			return json_string_put(j, from, (size_t)(j->p++ - from));
		if (*j->p == '\\')
			return escaped_string(j, from);
		if (*j->p < ' ') {
			if (!takes_control(j))
				return json_parser_bad(j, "a control character in a string");
			j->p++;
			continue;
		}
		enum json_result r = take_utf8(j);
		if (r != JSON_OK)
			return r;
	}
}
