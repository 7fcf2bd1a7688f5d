/* conf_expr_call.c: the methods of strings, numbers and arrays. Types and numbers of arguments are checked by the table at the end. */
#include "conf/conf_expr_value.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

struct call {
	struct expr *x;
	const uint8_t *at;
	struct expr_value self;
	const struct expr_value *args;
	size_t n;
	char op; /* from the table: which of a function's variants */
};

static struct expr_value call_to_s(const struct call *c)
{
	struct buf b;
	buf_init(&b, EXPR_MEMORY_MAX);
	expr_to_text(c->self, &b);
	return expr_take(c->x, &b);
}

static struct expr_value call_to_json(const struct call *c)
{
	struct buf b;
	buf_init(&b, EXPR_MEMORY_MAX);
	if (c->self.type == EXPR_STRING)
		expr_put_json(c->self.s, &b);
	else if (c->self.type == EXPR_NIL)
		buf_put_str(&b, "null");
	else
		expr_to_text(c->self, &b);
	return expr_take(c->x, &b);
}

/* The number at the beginning of a string, as Ruby's to_i and to_f read it: underscores skipped, 0 if there is none. */
static struct expr_value leading_number(struct span s, bool real)
{
	char text[64];
	size_t n = 0, i = 0;
	bool dot = false, exp = false;
	while (i < s.n && isspace(s.p[i]))
		i++;
	if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
		text[n++] = (char)s.p[i++];
	for (; i < s.n && n < sizeof text - 1; i++) {
		bool is_dot = real && !dot && s.p[i] == '.' && i + 1 < s.n && isdigit(s.p[i + 1]);
		dot |= is_dot;
		bool is_exp = real && !exp && tolower(s.p[i]) == 'e' && i + 1 < s.n &&
			      (isdigit(s.p[i + 1]) || (i + 2 < s.n && strchr("+-", s.p[i + 1]) && isdigit(s.p[i + 2])));
		bool is_sign = exp && strchr("+-", s.p[i]) && tolower(text[n - 1]) == 'e';
		exp |= is_exp;
		if (s.p[i] == '_' && n > 0 && isdigit((unsigned char)text[n - 1]))
			continue;
		if (!isdigit(s.p[i]) && !is_dot && !is_exp && !is_sign)
			break;
		text[n++] = (char)s.p[i];
	}
	text[n] = 0;
	return real ? expr_float(strtod(text, NULL)) : expr_int(strtoll(text, NULL, 10));
}

static struct expr_value call_to_number(const struct call *c)
{
	bool real = c->op == 'f';
	if (c->self.type == EXPR_STRING)
		return leading_number(c->self.s, real);
	if (c->self.type == EXPR_NIL)
		return real ? expr_float(0) : expr_int(0);
	if (real)
		return c->self.type == EXPR_FLOAT ? c->self : expr_float((double)c->self.i);
	if (c->self.type == EXPR_INT)
		return c->self;
	if (!(fabs(c->self.f) < 9e18)) {
		expr_fail(c->x, c->at, "the number is too large");
		return expr_nil();
	}
	return expr_int((int64_t)c->self.f);
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0;
}

static struct expr_value call_strip(const struct call *c)
{
	struct span s = c->self.s;
	while (c->op != 'r' && s.n && is_blank(*s.p) && *s.p != 0)
		s = span_of(s.p + 1, s.n - 1);
	while (c->op != 'l' && s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return expr_span(s);
}

static bool ends_with(struct span s, struct span part)
{
	return s.n >= part.n && (part.n == 0 || memcmp(s.p + s.n - part.n, part.p, part.n) == 0);
}

static bool starts_with(struct span s, struct span part)
{
	return s.n >= part.n && (part.n == 0 || memcmp(s.p, part.p, part.n) == 0);
}

static struct expr_value call_chomp(const struct call *c)
{
	struct span s = c->self.s;
	if (c->n)
		s.n -= ends_with(s, c->args[0].s) ? c->args[0].s.n : 0;
	else if (ends_with(s, span_str("\r\n")))
		s.n -= 2;
	else if (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	return expr_span(s);
}

static struct expr_value call_delete_part(const struct call *c)
{
	struct span s = c->self.s, part = c->args[0].s;
	if (c->op == 'p' && starts_with(s, part))
		return expr_span(span_of(s.p + part.n, s.n - part.n));
	if (c->op == 's' && ends_with(s, part))
		s.n -= part.n;
	return expr_span(s);
}

static struct expr_value call_case(const struct call *c)
{
	struct expr_value v = expr_string(c->x, c->self.s.p, c->self.s.n);
	if (v.type != EXPR_STRING)
		return v;
	uint8_t *p = conf_arena_zalloc(&c->x->arena, v.s.n + 1);
	for (size_t i = 0; i < v.s.n; i++) {
		int ch = v.s.p[i];
		bool up = c->op == 'u' || (c->op == 'c' && i == 0);
		p[i] = (uint8_t)(ch >= 0x80 ? ch : up ? toupper(ch) : tolower(ch));
	}
	return expr_span(span_of(p, v.s.n));
}

static struct expr_value call_size(const struct call *c)
{
	return expr_int((int64_t)expr_size(c->self));
}

static struct expr_value call_empty(const struct call *c)
{
	return expr_bool(expr_size(c->self) == 0);
}

static struct expr_value call_nil(const struct call *c)
{
	return expr_bool(c->self.type == EXPR_NIL);
}

static struct expr_value call_include(const struct call *c)
{
	if (c->self.type == EXPR_STRING) {
		struct span part = c->args[0].type == EXPR_STRING ? c->args[0].s : span_str("");
		return expr_bool(part.n == 0 || memmem(c->self.s.p, c->self.s.n, part.p, part.n));
	}
	for (size_t i = 0; i < c->self.a.n; i++)
		if (expr_equal(c->self.a.v[i], c->args[0]))
			return expr_bool(true);
	return expr_bool(false);
}

static struct expr_value call_starts_or_ends(const struct call *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->op == 's' ? starts_with(c->self.s, c->args[i].s) : ends_with(c->self.s, c->args[i].s))
			return expr_bool(true);
	return expr_bool(false);
}

static struct expr_value call_first_last(const struct call *c)
{
	size_t n = c->self.a.n;
	if (c->n == 0)
		return n == 0 ? expr_nil() : c->self.a.v[c->op == 'f' ? 0 : n - 1];
	if (c->args[0].type != EXPR_INT || c->args[0].i < 0) {
		expr_fail(c->x, c->at, "a number is expected");
		return expr_nil();
	}
	size_t want = (uint64_t)c->args[0].i < n ? (size_t)c->args[0].i : n;
	return expr_slice(c->x, c->self, c->op == 'f' ? 0 : n - want, want);
}

/* The next piece of s up to `sep`; "" = white space, of which several count as one. Advances s; false at the end. */
static bool next_piece(struct span *s, struct span sep, bool last, struct span *piece)
{
	if (!s->p)
		return false;
	const uint8_t *hit = NULL;
	if (sep.n == 0) {
		while (s->n && is_blank(*s->p))
			*s = span_of(s->p + 1, s->n - 1);
		for (size_t i = 0; i < s->n && !hit; i++)
			hit = is_blank(s->p[i]) ? s->p + i : NULL;
	} else if (s->n) {
		hit = memmem(s->p, s->n, sep.p, sep.n);
	}
	if (last || !hit) {
		*piece = *s;
		*s = span_of(NULL, 0);
		return true;
	}
	size_t skip = sep.n ? sep.n : 1;
	*piece = span_of(s->p, (size_t)(hit - s->p));
	*s = span_of(hit + skip, s->n - piece->n - skip);
	return true;
}

static struct expr_value call_split(const struct call *c)
{
	struct span sep = c->n ? c->args[0].s : span_str(""), rest = c->self.s, piece;
	int64_t limit = c->n == 2 && c->args[1].type == EXPR_INT ? c->args[1].i : 0;
	size_t n = 0;
	if (span_is(sep, " "))
		sep.n = 0;
	else if (c->n && sep.n == 0)
		expr_fail(c->x, c->at, "split needs a separator that is not empty");
	if (c->self.s.n == 0)
		return expr_array(c->x, 0);
	for (struct span s = rest; next_piece(&s, sep, limit > 0 && n + 1 >= (size_t)limit, &piece);)
		n++;
	struct expr_value v = expr_array(c->x, n);
	for (size_t i = 0; i < v.a.n && next_piece(&rest, sep, limit > 0 && i + 1 >= (size_t)limit, &piece); i++)
		v.a.v[i] = expr_span(piece);
	/* Without a limit, empty pieces at the end do not count. */
	while (limit == 0 && v.a.n && v.a.v[v.a.n - 1].s.n == 0)
		v.a.n--;
	return v;
}

static struct expr_value call_join(const struct call *c)
{
	struct buf b;
	buf_init(&b, EXPR_MEMORY_MAX);
	for (size_t i = 0; i < c->self.a.n; i++) {
		if (i && c->n)
			buf_put_span(&b, c->args[0].s);
		expr_to_text(c->self.a.v[i], &b);
	}
	return expr_take(c->x, &b);
}

static struct expr_value call_sub(const struct call *c)
{
	struct span s = c->self.s, from = c->args[0].s, to = c->args[1].s;
	if (from.n == 0 || (to.n && memchr(to.p, '\\', to.n))) {
		expr_fail(c->x, c->at,
			from.n ? "a backslash in a replacement is not supported" : "an empty pattern is not supported");
		return expr_nil();
	}
	struct buf b;
	buf_init(&b, EXPR_MEMORY_MAX);
	const uint8_t *hit = s.n ? memmem(s.p, s.n, from.p, from.n) : NULL;
	while (hit) {
		buf_put(&b, s.p, (size_t)(hit - s.p));
		buf_put_span(&b, to);
		s = span_of(hit + from.n, s.n - (size_t)(hit - s.p) - from.n);
		hit = c->op == 'g' && s.n ? memmem(s.p, s.n, from.p, from.n) : NULL;
	}
	buf_put_span(&b, s);
	return expr_take(c->x, &b);
}

/* Expands a-z in the sets of tr and delete to single characters; false if it is something else than ASCII. */
static bool tr_set(struct span s, uint8_t *set, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t from = s.p[i], to = from;
		if (i + 2 < s.n && s.p[i + 1] == '-') {
			to = s.p[i + 2];
			i += 2;
		}
		if (from >= 0x80 || to >= 0x80 || to < from || from == '\\' || (s.n > 1 && s.p[0] == '^'))
			return false;
		for (unsigned c = from; c <= to && *n < 256; c++)
			set[(*n)++] = (uint8_t)c;
	}
	return true;
}

static struct expr_value call_tr(const struct call *c)
{
	uint8_t from[256], to[256];
	size_t nf, nt = 0;
	if (!tr_set(c->args[0].s, from, &nf) || (c->n == 2 && !tr_set(c->args[1].s, to, &nt))) {
		expr_fail(c->x, c->at, "these characters are not supported here: plain ASCII ones and a-z are");
		return expr_nil();
	}
	struct buf b;
	buf_init(&b, EXPR_MEMORY_MAX);
	for (size_t i = 0; i < c->self.s.n; i++) {
		uint8_t ch = c->self.s.p[i];
		const uint8_t *hit = memchr(from, ch, nf);
		size_t k = hit ? (size_t)(hit - from) : 0;
		if (!hit)
			buf_put_byte(&b, ch);
		else if (nt)
			buf_put_byte(&b, to[k < nt ? k : nt - 1]);
	}
	return expr_take(c->x, &b);
}

#define T(type) (1U << EXPR_##type)
#define ANY	(T(NIL) | T(BOOL) | T(INT) | T(FLOAT) | T(STRING) | T(ARRAY))
#define SCALAR	(ANY & ~T(ARRAY))

static const struct method {
	const char *name;
	unsigned self; /* types it can be called on */
	uint8_t min, max;
	bool any_args; /* else the first arguments are strings (the second one of split is a number) */
	char op;
	struct expr_value (*call)(const struct call *c);
} methods[] = {
	{"to_s", ANY, 0, 0, true, 0, call_to_s},
	{"to_json", SCALAR, 0, 0, true, 0, call_to_json},
	{"to_i", T(NIL) | T(INT) | T(FLOAT) | T(STRING), 0, 0, true, 'i', call_to_number},
	{"to_f", T(NIL) | T(INT) | T(FLOAT) | T(STRING), 0, 0, true, 'f', call_to_number},
	{"strip", T(STRING), 0, 0, true, 0, call_strip},
	{"lstrip", T(STRING), 0, 0, true, 'l', call_strip},
	{"rstrip", T(STRING), 0, 0, true, 'r', call_strip},
	{"chomp", T(STRING), 0, 1, false, 0, call_chomp},
	{"delete_prefix", T(STRING), 1, 1, false, 'p', call_delete_part},
	{"delete_suffix", T(STRING), 1, 1, false, 's', call_delete_part},
	{"downcase", T(STRING), 0, 0, true, 'd', call_case},
	{"upcase", T(STRING), 0, 0, true, 'u', call_case},
	{"capitalize", T(STRING), 0, 0, true, 'c', call_case},
	{"length", T(STRING) | T(ARRAY), 0, 0, true, 0, call_size},
	{"size", T(STRING) | T(ARRAY), 0, 0, true, 0, call_size},
	{"empty?", T(STRING) | T(ARRAY), 0, 0, true, 0, call_empty},
	{"nil?", ANY, 0, 0, true, 0, call_nil},
	{"include?", T(STRING) | T(ARRAY), 1, 1, true, 0, call_include},
	{"start_with?", T(STRING), 1, EXPR_ARGS_MAX, false, 's', call_starts_or_ends},
	{"end_with?", T(STRING), 1, EXPR_ARGS_MAX, false, 'e', call_starts_or_ends},
	{"first", T(ARRAY), 0, 1, true, 'f', call_first_last},
	{"last", T(ARRAY), 0, 1, true, 'l', call_first_last},
	{"split", T(STRING), 0, 2, false, 0, call_split},
	{"join", T(ARRAY), 0, 1, false, 0, call_join},
	{"gsub", T(STRING), 2, 2, false, 'g', call_sub},
	{"sub", T(STRING), 2, 2, false, 's', call_sub},
	{"tr", T(STRING), 2, 2, false, 't', call_tr},
	{"delete", T(STRING), 1, 1, false, 'd', call_tr},
};

static const struct method *find_method(struct span name)
{
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (span_is(name, methods[i].name))
			return &methods[i];
	return NULL;
}

bool expr_knows(struct span name)
{
	return find_method(name) != NULL;
}

struct expr_value expr_call(struct expr *x, const uint8_t *at, struct expr_value self, struct span name,
	const struct expr_value *args, size_t n)
{
	const struct method *m = find_method(name);
	if (!m) {
		expr_fail(x, at, "undefined method '%.*s'", (int)name.n, (const char *)name.p);
		return expr_nil();
	}
	if (!(m->self & (1U << self.type))) {
		expr_fail(x, at, "undefined method '%s' for %s%s", m->name, expr_type_name(self.type),
			self.type == EXPR_NIL ? " (is the environment variable set?)" : "");
		return expr_nil();
	}
	if (n < m->min || n > m->max) {
		expr_fail(x, at, "wrong number of arguments for '%s'", m->name);
		return expr_nil();
	}
	for (size_t i = 0; i < n && !m->any_args; i++) {
		enum expr_type want = m->call == call_split && i == 1 ? EXPR_INT : EXPR_STRING;
		if (args[i].type != want) {
			expr_fail(x, at, "'%s' needs %s, not %s%s", m->name, expr_type_name(want),
				expr_type_name(args[i].type),
				args[i].type == EXPR_NIL ? " (is the environment variable set?)" : "");
			return expr_nil();
		}
	}
	struct call c = {.x = x, .at = at, .self = self, .args = args, .n = n, .op = m->op};
	/* cppcheck-suppress returnDanglingLifetime ; what is returned holds texts of the expression's arena, nothing of the call */
	return m->call(&c);
}
