/* conf_expr_extent.c: where embedded code ends. */
#include "conf/conf_expr.h"

#define EXTENT_MAX 64 /* strings and braces within each other */

/* Whether a / behind p begins a regular expression: where no value can have ended. */
static bool begins_regexp(const uint8_t *start, const uint8_t *p)
{
	while (p > start && (p[-1] == ' ' || p[-1] == '\t'))
		p--;
	return p == start || strchr("(,=~!|&?:{;", p[-1]);
}

size_t conf_expr_extent(struct span text)
{
	/* What is open: a brace or a string's quote. */
	uint8_t open[EXTENT_MAX];
	size_t n = 0;
	const uint8_t *p = text.p, *end = text.p + text.n;
	open[n++] = '{';
	for (; p < end; p++) {
		uint8_t in = open[n - 1], c = *p;
		uint8_t opens = 0;
		if (in != '{' && c == '\\') {
			p++;
		} else if (in != '{') {
			if (c == in)
				n--;
			else if (c == '#' && (in == '"' || in == '`') && p + 1 < end && p[1] == '{')
				opens = *++p;
		} else if (c == '}') {
			if (--n == 0)
				return (size_t)(p - text.p);
		} else if (c == '{' || c == '"' || c == '\'' || c == '`' || (c == '/' && begins_regexp(text.p, p))) {
			opens = c;
		}
		if (opens && n == EXTENT_MAX)
			return SIZE_MAX;
		if (opens)
			open[n++] = opens;
	}
	return SIZE_MAX;
}
