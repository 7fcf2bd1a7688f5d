#include "record/ruby_text.h"

#include "base/utf8.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"
#include "record/time_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Shortest digits, as Float#to_s: from 10^15 on and below 10^-4 with an exponent of two digits at least. */
static void put_float(struct buf *out, double d)
{
	char text[JSON_NUMBER_MAX], digits[JSON_NUMBER_MAX];
	if (isnan(d) || isinf(d)) {
		buf_put_str(out, isnan(d) ? "NaN" : d < 0 ? "-Infinity" : "Infinity");
		return;
	}
	double size = fabs(d);
	if (size != 0 && (size < 1e-4 || size >= 1e15)) {
		/* The fewest digits that read back. */
		int precision = 0;
		do
			snprintf(digits, sizeof digits, "%.*e", precision, d);
		while (strtod(digits, NULL) != d && ++precision < 17);
		const char *e = strchr(digits, 'e');
		buf_put(out, digits, (size_t)(e - digits));
		if (!precision)
			buf_put_str(out, ".0");
		buf_put_str(out, e);
		return;
	}
	snprintf(text, sizeof text, "%.15g", d);
	for (int precision = 15; strtod(text, NULL) != d && precision <= 17; precision++)
		snprintf(text, sizeof text, "%.*g", precision, d);
	/* Small numbers with many digits would get an exponent from %g only below 10^-4. */
	buf_put_str(out, text);
	if (!strchr(text, '.') && !strchr(text, 'e'))
		buf_put_str(out, ".0");
}

/* String#inspect: what is no printable character is escaped; `#` before {, $ and @ too. */
static void put_quoted(struct buf *out, struct span s)
{
	static const char letters[] = "abtnvfr"; /* 7 ... 13 */
	buf_put_byte(out, '"');
	for (size_t i = 0; i < s.n;) {
		uint8_t c = s.p[i];
		size_t n = utf8_len(s.p + i, s.n - i);
		if (c == '"' || c == '\\') {
			buf_put_byte(out, '\\');
			buf_put_byte(out, c);
		} else if (c == '#' && i + 1 < s.n && (s.p[i + 1] == '{' || s.p[i + 1] == '$' || s.p[i + 1] == '@')) {
			buf_put_str(out, "\\#");
		} else if (c >= 7 && c <= 13) {
			buf_put_byte(out, '\\');
			buf_put_byte(out, (uint8_t)letters[c - 7]);
		} else if (c == 27) {
			buf_put_str(out, "\\e");
		} else if (n == 0) {
			buf_printf(out, "\\x%02X", c);
			n = 1;
		} else if (c < 0x20 || c == 0x7f) {
			buf_printf(out, "\\u%04X", c);
		} else {
			buf_put(out, s.p + i, n);
		}
		i += n;
	}
	buf_put_byte(out, '"');
}

static void put_scalar(struct buf *out, const struct mp_token *t, bool inspect)
{
	struct event_time time;
	switch (t->type) {
	case MP_NIL:
		buf_put_str(out, inspect ? "nil" : "");
		break;
	case MP_BOOL:
		buf_put_str(out, t->b ? "true" : "false");
		break;
	case MP_UINT:
		buf_printf(out, "%" PRIu64, t->u);
		break;
	case MP_INT:
		buf_printf(out, "%" PRId64, t->i);
		break;
	case MP_FLOAT32:
	case MP_FLOAT64:
		put_float(out, t->d);
		break;
	case MP_STR:
	case MP_BIN:
		if (inspect)
			put_quoted(out, t->body);
		else
			buf_put_span(out, t->body);
		break;
	default: /* MP_EXT: a time prints its seconds (EventTime#to_s) */
		if (time_text_from_ext(t->ext_type, t->body, &time))
			buf_printf(out, "%" PRId64, time.sec);
		else
			put_quoted(out, t->body);
	}
}

struct level {
	uint32_t left; /* elements, or keys and values */
	bool map;
};

/* Behind an element: what separates it from the next one, or the brackets that end with it. */
static void put_between(struct buf *out, struct level *levels, unsigned *depth)
{
	while (*depth) {
		struct level *l = &levels[*depth - 1];
		if (--l->left) {
			buf_put_str(out, l->map && l->left % 2 ? "=>" : ", ");
			return;
		}
		buf_put_byte(out, l->map ? '}' : ']');
		(*depth)--;
	}
}

static bool put(struct buf *out, struct span value, bool inspect)
{
	struct level levels[MP_DEPTH_LIMIT];
	unsigned depth = 0;
	const uint8_t *p = value.p, *end = p + value.n;
	do {
		struct mp_token t;
		if (mp_read(&p, end, &t) != MP_OK)
			return false;
		bool map = t.type == MP_MAP;
		if (!map && t.type != MP_ARRAY) {
			put_scalar(out, &t, inspect || depth);
			put_between(out, levels, &depth);
		} else if (t.count == 0) {
			buf_put_str(out, map ? "{}" : "[]");
			put_between(out, levels, &depth);
		} else {
			if (depth == MP_DEPTH_LIMIT || t.count > UINT32_MAX / 2)
				return false;
			levels[depth++] = (struct level){map ? 2 * t.count : t.count, map};
			buf_put_byte(out, map ? '{' : '[');
		}
	} while (depth && !out->failed);
	return !out->failed;
}

bool ruby_to_s(struct buf *out, struct span value)
{
	return put(out, value, false);
}

bool ruby_inspect(struct buf *out, struct span value)
{
	return put(out, value, true);
}
