#include "elastic/json_scan.h"

#include "base/utf8.h"

static void skip_white(struct json_scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
		s->p++;
}

int json_scan_peek(struct json_scan *s)
{
	skip_white(s);
	return s->p < s->end ? *s->p : 0;
}

bool json_scan_at_end(struct json_scan *s)
{
	skip_white(s);
	return s->p == s->end;
}

bool json_scan_take(struct json_scan *s, char c)
{
	if (json_scan_peek(s) != c)
		return false;
	s->p++;
	return true;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of four hexadecimal digits at p; -1 if they are none. */
static int hex4(const uint8_t *p, const uint8_t *end)
{
	int v = 0;
	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		const int digit = hex_digit(p[i]);
		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

bool json_scan_string(struct json_scan *s, struct span *raw)
{
	if (!json_scan_take(s, '"'))
		return false;
	const uint8_t *const begin = s->p;
	for (; s->p < s->end; s->p++) {
		const uint8_t c = *s->p;
		if (c == '"') {
			*raw = span_of(begin, (size_t)(s->p - begin));
			s->p++;
			return true;
		}
		if (c < 0x20)
			return false;
		if (c != '\\')
			continue;
		s->p++;
		if (s->p == s->end || *s->p == 0 || !strchr("\"\\/bfnrtu", *s->p))
			return false;
		if (*s->p == 'u') {
			if (hex4(s->p + 1, s->end) < 0)
				return false;
			s->p += 4;
		}
	}
	return false;
}

static bool take_digits(struct json_scan *s)
{
	const uint8_t *begin = s->p;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > begin;
}

static bool is_next(const struct json_scan *s, char a, char b)
{
	return s->p < s->end && (*s->p == (uint8_t)a || *s->p == (uint8_t)b);
}

static bool take_number(struct json_scan *s)
{
	s->p += is_next(s, '-', '-');
	if (is_next(s, '0', '0'))
		s->p++;
	else if (!take_digits(s))
		return false;
	if (is_next(s, '.', '.')) {
		s->p++;
		if (!take_digits(s))
			return false;
	}
	if (is_next(s, 'e', 'E')) {
		s->p++;
		s->p += is_next(s, '+', '-');
		return take_digits(s);
	}
	return true;
}

static bool take_word(struct json_scan *s, const char *word)
{
	const size_t n = strlen(word);
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

/* A value that is no object or array; `c` is its first character. */
static bool take_scalar(struct json_scan *s, int c)
{
	struct span raw;
	switch (c) {
	case '"':
		return json_scan_string(s, &raw);
	case 't':
		return take_word(s, "true");
	case 'f':
		return take_word(s, "false");
	case 'n':
		return take_word(s, "null");
	default:
		return take_number(s);
	}
}

static bool take_key(struct json_scan *s, struct span *key)
{
	return json_scan_string(s, key) && json_scan_take(s, ':');
}

/* Behind a value inside `depth` containers: takes what closes, up to the next value. depth 0: all is closed. */
static bool next_value(struct json_scan *s, const bool *object, unsigned *depth)
{
	struct span key;
	while (*depth) {
		const bool in_object = object[*depth - 1];
		if (json_scan_take(s, ','))
			return !in_object || take_key(s, &key);
		if (!json_scan_take(s, in_object ? '}' : ']'))
			return false;
		(*depth)--;
	}
	return true;
}

bool json_scan_value(struct json_scan *s, struct span *raw)
{
	bool object[JSON_SCAN_DEPTH];
	unsigned depth = 0;
	struct span key;
	json_scan_peek(s);
	const uint8_t *const begin = s->p;
	do {
		const int c = json_scan_peek(s);
		if (c != '{' && c != '[') {
			if (!take_scalar(s, c) || !next_value(s, object, &depth))
				return false;
			continue;
		}
		s->p++;
		if (json_scan_take(s, c == '{' ? '}' : ']')) {
			if (!next_value(s, object, &depth))
				return false;
			continue;
		}
		if (depth == JSON_SCAN_DEPTH || (c == '{' && !take_key(s, &key)))
			return false;
		object[depth++] = c == '{';
	} while (depth);
	if (raw)
		*raw = span_of(begin, (size_t)(s->p - begin));
	return true;
}

bool json_scan_member(struct json_scan *s, bool *first, struct span *key, bool *done)
{
	*done = json_scan_take(s, '}');
	if (*done)
		return true;
	if (!*first && !json_scan_take(s, ','))
		return false;
	*first = false;
	return take_key(s, key);
}

bool json_scan_element(struct json_scan *s, bool *first, bool *done)
{
	*done = json_scan_take(s, ']');
	if (*done)
		return true;
	if (!*first && !json_scan_take(s, ','))
		return false;
	*first = false;
	return true;
}

/* ---- text -------------------------------------------------------------------------------------------- */

static size_t put_utf8(uint32_t c, uint8_t out[4])
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 63));
		out[2] = (uint8_t)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 63));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 63));
	out[3] = (uint8_t)(0x80 | (c & 63));
	return 4;
}

#define REPLACEMENT 0xfffd

/*
 * The character of the escape at p, which begins with the backslash; *len: of the escape. The text was checked by
 * json_scan_string.
 */
static uint32_t escape(const uint8_t *p, const uint8_t *end, size_t *len)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *named = strchr(from, p[1]);
	*len = 2;
	if (p[1] != 'u')
		return named ? (uint8_t)to[named - from] : p[1];
	*len = 6;
	const int high = hex4(p + 2, end);
	if (high == 0 || high < 0xd800 || high > 0xdfff)
		return high > 0 ? (uint32_t)high : REPLACEMENT;
	const bool pair = high < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u';
	const int low = pair ? hex4(p + 8, end) : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return REPLACEMENT;
	*len = 12;
	return 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

size_t json_scan_text(struct span raw, char *out, size_t size)
{
	size_t n = 0;
	if (raw.n == 0)
		return 0;
	const uint8_t *p = raw.p, *const end = raw.p + raw.n;
	while (p < end) {
		uint8_t c[4];
		size_t used, len = utf8_len(p, (size_t)(end - p));
		if (*p == '\\') {
			len = put_utf8(escape(p, end, &used), c);
		} else if (len) {
			memcpy(c, p, len);
			used = len;
		} else {
			len = put_utf8(REPLACEMENT, c);
			used = utf8_bad_len(p, (size_t)(end - p));
		}
		if (len > size - n)
			break;
		memcpy(out + n, c, len);
		n += len;
		p += used;
	}
	return n;
}
