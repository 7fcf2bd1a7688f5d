/* compile_literal.c: what is written out: texts, symbols, numbers, regular expressions, lists of words. */
#include "expr/compile.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

#define TEXT_MAX ((size_t)1 << 20)

static uint8_t closing(uint8_t open)
{
	return open == '(' ? ')' : open == '[' ? ']' : open == '{' ? '}' : open == '<' ? '>' : open;
}

/* ---- escapes ---- */

static int hex_digit(uint8_t c)
{
	if (compile_is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to `max` digits of a base that is a power of two. */
static uint32_t take_digits(struct compiler *p, unsigned bits, unsigned max, unsigned *taken)
{
	uint32_t v = 0;
	for (*taken = 0; *taken < max; (*taken)++) {
		int d = hex_digit(compile_peek(p, 0));
		if (d < 0 || d >> bits)
			break;
		v = v << bits | (uint32_t)d;
		p->at++;
	}
	return v;
}

static void put_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_put_byte(out, (uint8_t)c);
	} else if (c < 0x800) {
		buf_put_byte(out, (uint8_t)(0xc0 | c >> 6));
		buf_put_byte(out, (uint8_t)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_put_byte(out, (uint8_t)(0xe0 | c >> 12));
		buf_put_byte(out, (uint8_t)(0x80 | (c >> 6 & 63)));
		buf_put_byte(out, (uint8_t)(0x80 | (c & 63)));
	} else {
		buf_put_byte(out, (uint8_t)(0xf0 | c >> 18));
		buf_put_byte(out, (uint8_t)(0x80 | (c >> 12 & 63)));
		buf_put_byte(out, (uint8_t)(0x80 | (c >> 6 & 63)));
		buf_put_byte(out, (uint8_t)(0x80 | (c & 63)));
	}
}

/* \u0041, \u{41 42}; `u` has been taken. */
static bool take_unicode(struct compiler *p, struct buf *out)
{
	unsigned taken;
	bool list = compile_take(p, "{");
	do {
		compile_skip(p, false);
		uint32_t c = take_digits(p, 4, list ? 6 : 4, &taken);
		if (!taken || (!list && taken < 4) || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
			compile_fail(p, p->at, "no character has this number");
			return false;
		}
		put_utf8(out, c);
		compile_skip(p, false);
	} while (list && p->at < p->text.n && !compile_take(p, "}"));
	return true;
}

/* What stands behind a backslash in double quotes. */
static bool take_escape(struct compiler *p, struct buf *out)
{
	static const char from[] = "ntrebafvs0", to[] = "\n\t\r\033\b\a\f\v ";
	uint8_t c = compile_peek(p, 0);
	unsigned taken;
	if (c == 'x') {
		p->at++;
		uint32_t v = take_digits(p, 4, 2, &taken);
		if (taken)
			buf_put_byte(out, (uint8_t)v);
		else
			compile_fail(p, p->at, "\\x needs two digits");
		return taken > 0;
	}
	if (c >= '0' && c <= '7') {
		uint32_t v = take_digits(p, 3, 3, &taken);
		buf_put_byte(out, (uint8_t)v);
		return true;
	}
	p->at++;
	if (c == 'u')
		return take_unicode(p, out);
	if (c == '\n')
		return true;
	if (c == 'C' || c == 'M' || c == 'c') {
		compile_fail(p, p->at - 1, "weir does not know \\%c in a text", c);
		return false;
	}
	const char *known = c ? strchr(from, c) : NULL;
	buf_put_byte(out, known ? (uint8_t)to[known - from] : c);
	return true;
}

/* ---- texts ---- */

struct parts {
	struct expr_node *v[64];
	size_t n;
	size_t at;
};

static bool add_part(struct compiler *p, struct parts *parts, struct expr_node *n)
{
	if (!n)
		return false;
	if (parts->n == sizeof parts->v / sizeof *parts->v) {
		compile_fail(p, n->at, "more than %zu parts in one text", parts->n);
		return false;
	}
	parts->v[parts->n++] = n;
	return true;
}

/* What was collected so far, as a part. */
static bool add_text(struct compiler *p, struct parts *parts, struct buf *text)
{
	if (!text->n)
		return true;
	struct value v = value_str(compile_copy(p, buf_span(text)));
	buf_clear(text);
	return !p->failed && add_part(p, parts, compile_value(p, parts->at, v));
}

/* #{...} or #$1: the # has been seen. */
static bool add_code(struct compiler *p, struct parts *parts)
{
	size_t at = p->at++;
	if (compile_peek(p, 0) == '$')
		return add_part(p, parts, compile_dollar(p));
	p->at++;
	bool no_symbol = p->no_symbol, no_do = p->no_do;
	p->no_symbol = p->no_do = false;
	struct expr_node *n = compile_statements(p);
	p->no_symbol = no_symbol;
	p->no_do = no_do;
	if (!n || !compile_expect(p, "}", "it ends what #{ (or ${) begins"))
		return false;
	n->at = (uint32_t)at;
	return add_part(p, parts, n);
}

static bool is_code(const struct compiler *p)
{
	uint8_t next = compile_peek(p, 1), third = compile_peek(p, 2);
	if (compile_peek(p, 0) != '#')
		return false;
	return next == '{' || (next == '$' && (compile_is_digit(third) || third == '~' || third == '&'));
}

/* One byte, escape or #{} of a text. */
static bool take_piece(struct compiler *p, struct parts *parts, struct buf *text)
{
	if (is_code(p))
		return add_text(p, parts, text) && add_code(p, parts);
	if (compile_peek(p, 0) == '#' && compile_peek(p, 1) == '@') {
		compile_fail(p, p->at, "weir has no @variables");
		return false;
	}
	if (compile_peek(p, 0) == '\\' && p->at + 1 < p->text.n) {
		p->at++;
		return take_escape(p, text);
	}
	return buf_put_byte(text, p->text.p[p->at++]) || compile_fail(p, p->at, "the text is too long");
}

static struct expr_node *text_of(struct compiler *p, const struct parts *parts)
{
	if (parts->n == 0)
		return compile_value(p, parts->at, value_str(SPAN_LIT("")));
	if (parts->n == 1 && parts->v[0]->kind == NODE_VALUE && parts->v[0]->value.type == VALUE_STR)
		return parts->v[0];
	return compile_with_args(p, compile_node(p, NODE_TEXT, parts->at), parts->v, parts->n);
}

struct expr_node *compile_text(struct compiler *p, uint8_t open, uint8_t close)
{
	struct parts parts = {.n = 0, .at = p->at};
	struct buf text;
	unsigned nested = 0;
	bool good = true, ended = false;
	buf_init(&text, TEXT_MAX);
	while (good && p->at < p->text.n) {
		uint8_t c = compile_peek(p, 0);
		if (c == close && nested == 0) {
			p->at++;
			ended = true;
			break;
		}
		if (open && c == open)
			nested++;
		else if (c == close)
			nested--;
		good = take_piece(p, &parts, &text);
	}
	if (good && !ended)
		good = compile_fail(p, parts.at, "the text has no end: '%c' is missing", close) != NULL;
	good = good && add_text(p, &parts, &text);
	buf_free(&text);
	return good ? text_of(p, &parts) : NULL;
}

/* '...' and %q[...]: only \\ and the end can be escaped. */
static struct expr_node *take_plain(struct compiler *p, uint8_t open, uint8_t close)
{
	struct buf text;
	size_t start = p->at;
	unsigned nested = 0;
	buf_init(&text, TEXT_MAX);
	for (; p->at < p->text.n; p->at++) {
		uint8_t c = compile_peek(p, 0), next = compile_peek(p, 1);
		if (c == '\\' && (next == '\\' || next == close || (open != close && next == open)))
			c = p->text.p[++p->at];
		else if (c == close && nested-- == 0)
			break;
		else if (open != close && c == open)
			nested++;
		buf_put_byte(&text, c);
	}
	struct value v = value_str(compile_copy(p, buf_span(&text)));
	buf_free(&text);
	if (p->at >= p->text.n)
		return compile_fail(p, start, "the text has no end: %c is missing", close);
	p->at++;
	return compile_value(p, start, v);
}

/* %w[a b] and %i[a b] */
static struct expr_node *take_words(struct compiler *p, uint8_t close, bool symbols)
{
	struct expr_node *words[256];
	size_t n = 0, start = p->at;
	for (;;) {
		while (p->at < p->text.n && (compile_is_blank(compile_peek(p, 0)) || compile_peek(p, 0) == '\n'))
			p->at++;
		if (p->at >= p->text.n)
			return compile_fail(p, start, "the list of words has no end: '%c' is missing", close);
		size_t from = p->at;
		if (compile_peek(p, 0) == close)
			break;
		while (p->at < p->text.n && !compile_is_blank(compile_peek(p, 0)) && compile_peek(p, 0) != '\n' &&
			compile_peek(p, 0) != close)
			p->at++;
		struct value v = value_str(compile_copy(p, span_of(p->text.p + from, p->at - from)));
		if (symbols)
			v.type = VALUE_SYM;
		if (n == sizeof words / sizeof *words)
			return compile_fail(p, from, "more than %zu words", n);
		if (!(words[n++] = compile_value(p, from, v)))
			return NULL;
	}
	p->at++;
	return compile_with_args(p, compile_node(p, NODE_ARRAY, start), words, n);
}

/* ---- regular expressions ---- */

static bool take_flags(struct compiler *p, unsigned *flags)
{
	for (; compile_is_name(compile_peek(p, 0)); p->at++) {
		uint8_t c = compile_peek(p, 0);
		if (c == 'i')
			*flags |= REGEXP_IGNORE_CASE;
		else if (c == 'x')
			*flags |= REGEXP_EXTENDED;
		else if (c == 'm')
			*flags |= REGEXP_MULTI_LINE;
		else if (c != 'o' && c != 'u' && c != 'n')
			return compile_fail(p, p->at, "no flag of a regular expression: %c", c);
	}
	return true;
}

struct expr_node *compile_regexp(struct compiler *p, size_t at, struct span source, unsigned flags)
{
	struct err err;
	struct expr_regexp *r = expr_regexp_compile(source, flags, &err);
	if (!r)
		return compile_fail(p, at, "%s", err.text);
	struct expr_set *s = p->set;
	s->regexps = mem_realloc(s->regexps, (s->regexp_count + 1) * sizeof(struct expr_regexp *));
	s->regexps[s->regexp_count++] = r;
	return compile_value(p, at, (struct value){.type = VALUE_REGEXP, .other = r});
}

static struct expr_node *take_regexp(struct compiler *p, uint8_t open, uint8_t close)
{
	struct buf source;
	size_t start = p->at;
	unsigned nested = 0, flags = 0;
	buf_init(&source, TEXT_MAX);
	for (; p->at < p->text.n; p->at++) {
		uint8_t c = compile_peek(p, 0);
		if (is_code(p)) {
			buf_free(&source);
			return compile_fail(p, p->at, "a regular expression is compiled once: it cannot hold #{}");
		}
		if (c == '\\' && p->at + 1 < p->text.n) {
			/* \/ is a slash; everything else is the engine's. */
			if (compile_peek(p, 1) != close || close != '/')
				buf_put_byte(&source, c);
			c = p->text.p[++p->at];
		} else if (c == close && nested-- == 0) {
			break;
		} else if (open != close && c == open) {
			nested++;
		}
		buf_put_byte(&source, c);
	}
	struct expr_node *n = NULL;
	if (p->at >= p->text.n)
		compile_fail(p, start, "the regular expression has no end: %c is missing", close);
	else if (p->at++, take_flags(p, &flags))
		n = compile_regexp(p, start, buf_span(&source), flags);
	buf_free(&source);
	return n;
}

/* ---- numbers ---- */

static size_t digits_end(const struct compiler *p, size_t i)
{
	while (compile_is_digit(compile_peek(p, i)) ||
		(compile_peek(p, i) == '_' && compile_is_digit(compile_peek(p, i + 1))))
		i++;
	return i;
}

static struct expr_node *take_based(struct compiler *p, unsigned bits)
{
	size_t at = p->at;
	uint64_t v = 0;
	unsigned n = 0;
	for (p->at += 2; n < 64; p->at++) {
		int d = hex_digit(compile_peek(p, 0));
		if (compile_peek(p, 0) == '_')
			continue;
		if (d < 0 || d >> bits)
			break;
		n += bits;
		v = v << bits | (uint64_t)d;
	}
	return n && n <= 64 ? compile_value(p, at, value_uint(v)) : compile_fail(p, at, "not a number weir can hold");
}

static struct expr_node *take_number(struct compiler *p)
{
	char text[80];
	size_t at = p->at, end = digits_end(p, 0), n = 0;
	bool is_float = false;
	uint8_t second = compile_peek(p, 1) | 0x20;
	if (compile_peek(p, 0) == '0' && (second == 'x' || second == 'b' || second == 'o'))
		return take_based(p, second == 'x' ? 4 : second == 'b' ? 1 : 3);
	if (compile_peek(p, end) == '.' && compile_is_digit(compile_peek(p, end + 1))) {
		is_float = true;
		end = digits_end(p, end + 1);
	}
	if ((compile_peek(p, end) | 0x20) == 'e') {
		size_t sign = compile_peek(p, end + 1) == '-' || compile_peek(p, end + 1) == '+';
		if (compile_is_digit(compile_peek(p, end + 1 + sign))) {
			is_float = true;
			end = digits_end(p, end + 1 + sign);
		}
	}
	if (compile_is_name(compile_peek(p, end)))
		return compile_fail(p, at, "not a number");
	for (size_t i = 0; i < end && n < sizeof text - 1; i++)
		if (compile_peek(p, i) != '_')
			text[n++] = (char)compile_peek(p, i);
	text[n] = 0;
	p->at += end;
	if (is_float)
		return compile_value(p, at, value_float(strtod(text, NULL)));
	errno = 0;
	uint64_t u = strtoull(text, NULL, text[0] == '0' ? 8 : 10);
	if (errno)
		return compile_fail(p, at, "the number is larger than 64 bits");
	return compile_value(p, at, value_uint(u));
}

/* ---- symbols ---- */

/* The name behind the colon: a word, maybe with ? or !, or an operator. */
static struct span symbol_name(struct compiler *p)
{
	static const char *const operators[] = {"[]=", "[]", "<=>", "===", "==", "=~", "!=", "**", "<<", ">>",
		"<=", ">=", "+", "-", "*", "/", "%", "<", ">", "&", "|", "^", "!"};
	struct span word = compile_word(p);
	uint8_t c = compile_peek(p, word.n);
	if (word.n) {
		word.n += (c == '?' || c == '!') && compile_peek(p, word.n + 1) != '=';
		return word;
	}
	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
		if (compile_at(p, operators[i]))
			return span_of(word.p, strlen(operators[i]));
	return word;
}

static struct expr_node *take_symbol(struct compiler *p)
{
	size_t at = p->at++;
	struct expr_node *n;
	if (compile_take(p, "\"")) {
		n = compile_text(p, 0, '"');
		if (n && n->kind != NODE_VALUE)
			return compile_fail(p, at, "weir has no symbols with #{}");
	} else {
		struct span name = symbol_name(p);
		p->at += name.n;
		if (!name.n)
			return compile_fail(p, at, "a name is missing behind ':'");
		n = compile_value(p, at, value_str(compile_copy(p, name)));
	}
	if (n)
		n->value.type = VALUE_SYM;
	return n;
}

/* ---- which of them ---- */

bool compile_at_percent(const struct compiler *p)
{
	uint8_t c = compile_peek(p, 1), d = c;
	if (compile_peek(p, 0) != '%')
		return false;
	if (c && strchr("wWiIqQr", c))
		d = compile_peek(p, 2);
	else if (!c || !strchr("([{<|!", c))
		return false;
	return d > ' ' && d < 0x7f && !compile_is_name(d) && (d != '=' || c != d);
}

static struct expr_node *take_percent(struct compiler *p)
{
	uint8_t kind = compile_peek(p, 1), open = compile_peek(p, 2);
	if (!strchr("wWiIqQr", kind)) {
		open = kind;
		kind = 'Q';
		p->at += 2;
	} else {
		p->at += 3;
	}
	uint8_t close = closing(open);
	switch (kind) {
	case 'q':
		return take_plain(p, open, close);
	case 'r':
		return take_regexp(p, open, close);
	case 'w':
	case 'W':
		return take_words(p, close, false);
	case 'i':
	case 'I':
		return take_words(p, close, true);
	default:
		return compile_text(p, open == close ? 0 : open, close);
	}
}

bool compile_at_text_key(const struct compiler *p)
{
	uint8_t quote = compile_peek(p, 0);
	if (quote != '"' && quote != '\'')
		return false;
	for (size_t i = 1; p->at + i < p->text.n; i++) {
		if (compile_peek(p, i) == '\\')
			i++;
		else if (compile_peek(p, i) == quote)
			return compile_peek(p, i + 1) == ':' && compile_peek(p, i + 2) != ':';
	}
	return false;
}

/* "a" "b" is one text. */
static struct expr_node *join_adjacent(struct compiler *p, struct expr_node *n)
{
	struct parts parts = {.v = {n}, .n = 1, .at = n->at};
	for (;;) {
		size_t at = p->at;
		compile_skip(p, false);
		uint8_t quote = compile_peek(p, 0);
		if (p->at == at || (quote != '"' && quote != '\'')) {
			p->at = at;
			break;
		}
		p->at++;
		n = quote == '"' ? compile_text(p, 0, '"') : take_plain(p, '\'', '\'');
		if (!add_part(p, &parts, n))
			return NULL;
	}
	return text_of(p, &parts);
}

bool compile_literal(struct compiler *p, struct expr_node **n)
{
	uint8_t c = compile_peek(p, 0);
	*n = NULL;
	if (c == '"' || c == '\'') {
		p->at++;
		*n = c == '"' ? compile_text(p, 0, '"') : take_plain(p, '\'', '\'');
		if (*n)
			*n = join_adjacent(p, *n);
	} else if (c == '/') {
		p->at++;
		*n = take_regexp(p, '/', '/');
	} else if (compile_is_digit(c)) {
		*n = take_number(p);
	} else if (c == ':' && compile_peek(p, 1) != ':') {
		*n = take_symbol(p);
	} else if (compile_at_percent(p)) {
		*n = take_percent(p);
	} else {
		return true;
	}
	return *n != NULL;
}
