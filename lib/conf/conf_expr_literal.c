/* conf_expr_literal.c: strings and numbers as Ruby writes them. */
#include "conf/conf_expr_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define TEXT_MAX ((size_t)1 << 20)

struct expr_value expr_single(struct expr *x)
{
	const uint8_t *open = x->p++;
	struct buf b;
	buf_init(&b, TEXT_MAX);
	for (; x->p < x->end && *x->p != '\''; x->p++) {
		if (*x->p == '\\' && x->p + 1 < x->end && (x->p[1] == '\'' || x->p[1] == '\\'))
			x->p++;
		buf_put_byte(&b, *x->p);
	}
	if (x->p == x->end)
		expr_fail(x, open, "the string that begins here is not closed");
	else
		x->p++;
	return expr_take(x, &b);
}

/* One backslash escape of a double-quoted Ruby string; x->p is behind the backslash. */
static void put_escape(struct expr *x, struct buf *b)
{
	static const char from[] = "ntr0seabfv", to[] = "\n\t\r\0 \033\a\b\f\v";
	uint8_t c = *x->p++;
	const char *known = memchr(from, c, sizeof from - 1);
	if (known)
		buf_put_byte(b, (uint8_t)to[known - from]);
	else if (c == 'u' || c == 'x' || c == 'c' || c == 'C' || c == 'M' || (c >= '1' && c <= '7'))
		expr_fail(x, x->p - 2, "the escape '\\%c' is not supported: write the character itself", c);
	else if (c != '\n')
		buf_put_byte(b, c);
}

struct expr_value expr_double(struct expr *x)
{
	const uint8_t *open = x->p++;
	struct buf b;
	buf_init(&b, TEXT_MAX);
	while (expr_going(x) && x->p < x->end && *x->p != '"') {
		if (*x->p == '\\' && x->p + 1 < x->end) {
			x->p++;
			put_escape(x, &b);
		} else if (*x->p == '#' && x->p + 1 < x->end && x->p[1] == '{') {
			x->p += 2;
			expr_to_text(expr_program(x, '}'), &b);
			expr_expect(x, "}");
		} else {
			buf_put_byte(&b, *x->p++);
		}
	}
	if (expr_going(x) && x->p == x->end)
		expr_fail(x, open, "the string that begins here is not closed");
	else if (expr_going(x))
		x->p++;
	return expr_take(x, &b);
}

struct expr_value expr_number(struct expr *x)
{
	char text[64];
	size_t n = 0;
	bool real = false;
	const uint8_t *at = x->p;
	for (; x->p < x->end; x->p++) {
		bool dot = *x->p == '.' && !real && x->p + 1 < x->end && isdigit(x->p[1]);
		real |= dot;
		if (*x->p == '_')
			continue;
		if (!isdigit(*x->p) && !dot)
			break;
		if (n == sizeof text - 1) {
			expr_fail(x, at, "the number is too long");
			return expr_nil();
		}
		text[n++] = (char)*x->p;
	}
	text[n] = 0;
	if ((x->p < x->end && isalpha(*x->p)) || (n > 1 && text[0] == '0' && !real)) {
		expr_fail(x, at, "this number is not supported: only decimal ones are");
		return expr_nil();
	}
	if (real)
		return expr_float(strtod(text, NULL));
	errno = 0;
	long long v = strtoll(text, NULL, 10);
	if (errno)
		expr_fail(x, at, "the number is too large");
	return expr_int(v);
}

struct expr_value expr_regexp(struct expr *x)
{
	const uint8_t *at = x->p++;
	struct buf b;
	buf_init(&b, TEXT_MAX);
	for (; x->p < x->end && *x->p != '/'; x->p++) {
		bool escaped = *x->p == '\\' && x->p + 1 < x->end && ispunct(x->p[1]);
		if (escaped)
			x->p++;
		if (!escaped && (strchr("\\^$.|?*+()[]{}", *x->p) || *x->p == '\n'))
			break;
		buf_put_byte(&b, *x->p);
	}
	if (x->p < x->end && *x->p == '/' && !(x->p + 1 < x->end && isalpha(x->p[1])) && b.n > 0)
		x->p++;
	else
		expr_fail(x, at, "regular expressions are not supported here: use a string");
	return expr_take(x, &b);
}
