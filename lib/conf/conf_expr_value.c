#include "conf/conf_expr_value.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const type_names[] = {
	[EXPR_NIL] = "nil",
	[EXPR_BOOL] = "true or false",
	[EXPR_INT] = "an Integer",
	[EXPR_FLOAT] = "a Float",
	[EXPR_STRING] = "a String",
	[EXPR_ARRAY] = "an Array",
};

const char *expr_type_name(enum expr_type type)
{
	return type_names[type];
}

static bool has_room(struct expr *x, size_t n)
{
	if (n > EXPR_MEMORY_MAX || x->arena.bytes > EXPR_MEMORY_MAX - n)
		expr_fail(x, x->p < x->end ? x->p : x->end, "the result is too large");
	return x->state == EXPR_GOING;
}

struct expr_value expr_string(struct expr *x, const void *p, size_t n)
{
	if (!has_room(x, n))
		return expr_nil();
	return expr_span(span_of(conf_arena_copy(&x->arena, p, n), n));
}

struct expr_value expr_take(struct expr *x, struct buf *b)
{
	if (b->failed)
		has_room(x, SIZE_MAX);
	struct expr_value v = expr_string(x, b->p, b->n);
	buf_free(b);
	return v;
}

struct expr_value expr_array(struct expr *x, size_t n)
{
	struct expr_value v = {.type = EXPR_ARRAY};
	if (!has_room(x, n * sizeof *v.a.v))
		return v;
	v.a.v = conf_arena_zalloc(&x->arena, (n + 1) * sizeof *v.a.v);
	v.a.n = n;
	return v;
}

bool expr_truthy(struct expr_value v)
{
	return v.type != EXPR_NIL && !(v.type == EXPR_BOOL && !v.b);
}

static double as_float(struct expr_value v)
{
	return v.type == EXPR_INT ? (double)v.i : v.f;
}

static bool is_number(struct expr_value v)
{
	return v.type == EXPR_INT || v.type == EXPR_FLOAT;
}

/* Arrays are equal only if they are the same: nested ones cannot make this recurse. */
bool expr_equal(struct expr_value a, struct expr_value b)
{
	if (is_number(a) && is_number(b) && a.type != b.type)
		return as_float(a) >= as_float(b) && as_float(a) <= as_float(b);
	if (a.type != b.type)
		return false;
	switch (a.type) {
	case EXPR_NIL:
		return true;
	case EXPR_BOOL:
		return a.b == b.b;
	case EXPR_INT:
		return a.i == b.i;
	case EXPR_FLOAT:
		return a.f >= b.f && a.f <= b.f;
	case EXPR_STRING:
		return span_eq(a.s, b.s);
	case EXPR_ARRAY:
		return a.a.v == b.a.v && a.a.n == b.a.n;
	}
	return false;
}

/* Ruby's shortest form: 1.5, 2.0, 1.0e+20. */
static void put_float(double f, struct buf *out)
{
	char text[40];
	int digits = 1;
	if (!isfinite(f)) {
		buf_put_str(out, isnan(f) ? "NaN" : f > 0 ? "Infinity" : "-Infinity");
		return;
	}
	do
		snprintf(text, sizeof text, "%.*e", digits - 1, f);
	while (strtod(text, NULL) < f || strtod(text, NULL) > f ? digits++ < DBL_DECIMAL_DIG : false);
	const int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
	if (exponent >= -4 && exponent < 16)
		buf_printf(out, "%.*f", digits - 1 - exponent > 1 ? digits - 1 - exponent : 1, f);
	else
		buf_printf(out, "%.*e", digits > 1 ? digits - 1 : 1, f);
}

static void put_scalar(struct expr_value v, struct buf *out)
{
	if (v.type == EXPR_BOOL)
		buf_put_str(out, v.b ? "true" : "false");
	else if (v.type == EXPR_INT)
		buf_printf(out, "%" PRId64, v.i);
	else if (v.type == EXPR_FLOAT)
		put_float(v.f, out);
	else if (v.type == EXPR_STRING)
		buf_put_span(out, v.s);
}

void expr_put_json(struct span s, struct buf *out)
{
	buf_put_byte(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_printf(out, "\\%c", s.p[i]);
		else if (s.p[i] < 0x20)
			buf_printf(out, "\\u%04x", s.p[i]);
		else
			buf_put_byte(out, s.p[i]);
	}
	buf_put_byte(out, '"');
}

void expr_to_text(struct expr_value v, struct buf *out)
{
	if (v.type != EXPR_ARRAY) {
		put_scalar(v, out);
		return;
	}
	buf_put_byte(out, '[');
	for (size_t i = 0; i < v.a.n; i++) {
		if (i)
			buf_put_str(out, ", ");
		if (v.a.v[i].type == EXPR_STRING)
			expr_put_json(v.a.v[i].s, out);
		else if (v.a.v[i].type == EXPR_NIL)
			buf_put_str(out, "nil");
		else
			put_scalar(v.a.v[i], out);
	}
	buf_put_byte(out, ']');
}

/* ---- operators ---- */

static struct expr_value divide(struct expr *x, const uint8_t *at, char op, int64_t a, int64_t b)
{
	if (b == 0 || (a == INT64_MIN && b == -1)) {
		expr_fail(x, at, b == 0 ? "divided by 0" : "the number is too large");
		return expr_nil();
	}
	/* Ruby rounds towards minus infinity. */
	int64_t q = a / b, r = a % b;
	if (r != 0 && (r < 0) != (b < 0)) {
		q--;
		r += b;
	}
	return expr_int(op == '/' ? q : r);
}

static struct expr_value int_arithmetic(struct expr *x, const uint8_t *at, char op, int64_t a, int64_t b)
{
	int64_t v;
	bool over = false;
	switch (op) {
	case '+':
		over = __builtin_add_overflow(a, b, &v);
		break;
	case '-':
		over = __builtin_sub_overflow(a, b, &v);
		break;
	case '*':
		over = __builtin_mul_overflow(a, b, &v);
		break;
	default:
		return divide(x, at, op, a, b);
	}
	if (over)
		expr_fail(x, at, "the number is too large");
	return over ? expr_nil() : expr_int(v);
}

static struct expr_value float_arithmetic(char op, double a, double b)
{
	double r;
	switch (op) {
	case '+':
		return expr_float(a + b);
	case '-':
		return expr_float(a - b);
	case '*':
		return expr_float(a * b);
	case '/':
		return expr_float(a / b);
	default:
		r = fmod(a, b);
		return expr_float(r != 0 && (r < 0) != (b < 0) ? r + b : r);
	}
}

static bool ordered(char op, int cmp)
{
	return op == '<' ? cmp < 0 : op == '>' ? cmp > 0 : op == 'L' ? cmp <= 0 : cmp >= 0;
}

static int compare_strings(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static struct expr_value concat(struct expr *x, struct span a, struct span b)
{
	struct buf sum;
	buf_init(&sum, EXPR_MEMORY_MAX);
	buf_put_span(&sum, a);
	buf_put_span(&sum, b);
	return expr_take(x, &sum);
}

struct expr_value expr_arithmetic(struct expr *x, const uint8_t *at, char op, struct expr_value a, struct expr_value b)
{
	bool compares = strchr("<>LG", op) != NULL;
	if (a.type == EXPR_STRING && b.type == EXPR_STRING && compares)
		return expr_bool(ordered(op, compare_strings(a.s, b.s)));
	if (a.type == EXPR_STRING && b.type == EXPR_STRING && op == '+')
		return concat(x, a.s, b.s);
	if (is_number(a) && is_number(b) && compares) {
		int cmp = a.type == EXPR_INT && b.type == EXPR_INT
				  ? (a.i > b.i) - (a.i < b.i)
				  : (as_float(a) > as_float(b)) - (as_float(a) < as_float(b));
		return expr_bool(ordered(op, cmp));
	}
	if (a.type == EXPR_INT && b.type == EXPR_INT)
		return int_arithmetic(x, at, op, a.i, b.i);
	if (is_number(a) && is_number(b))
		return float_arithmetic(op, as_float(a), as_float(b));
	const char *text = op == 'L' ? "<=" : op == 'G' ? ">=" : (char[]){op, 0};
	expr_fail(x, at, "'%s' is not possible with %s and %s%s", text, type_names[a.type], type_names[b.type],
		a.type == EXPR_NIL || b.type == EXPR_NIL ? " (is the environment variable set?)" : "");
	return expr_nil();
}

/* ---- indexes ---- */

static size_t chars_in(struct span s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += (s.p[i] & 0xc0) != 0x80;
	return n;
}

size_t expr_size(struct expr_value v)
{
	return v.type == EXPR_STRING ? chars_in(v.s) : v.a.n;
}

/* The byte at which character `n` begins; the length if there are fewer. */
static size_t char_offset(struct span s, size_t n)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] & 0xc0) != 0x80 && n-- == 0)
			return i;
	return s.n;
}

/* Turns an index into a beginning and a count within `size`; false if Ruby would give nil. */
static bool resolve(const struct expr_index *index, size_t size, size_t *begin, size_t *count)
{
	int64_t n = (int64_t)size, from = index->from.i, to = index->has_to ? index->to.i : 1;
	if (from < -n || from > n || (!index->has_to && from == n))
		return false;
	from += from < 0 ? n : 0;
	if (index->range) {
		if (to < -n)
			return false;
		to += to < 0 ? n : 0;
		to = to >= n ? n : to + !index->exclusive;
		to = to > from ? to - from : 0;
	}
	if (to < 0)
		return false;
	*begin = (size_t)from;
	*count = (size_t)(to > n - from ? n - from : to);
	return true;
}

struct expr_value expr_slice(struct expr *x, struct expr_value v, size_t begin, size_t count)
{
	struct expr_value part = expr_array(x, count);
	for (size_t i = 0; i < part.a.n; i++)
		part.a.v[i] = v.a.v[begin + i];
	return part;
}

static struct expr_value slice_string(struct span s, size_t begin, size_t count)
{
	size_t from = char_offset(s, begin), to = char_offset(s, begin + count);
	return expr_span(span_of(s.p + from, to - from));
}

struct expr_value expr_at(struct expr *x, const uint8_t *at, struct expr_value v, const struct expr_index *index)
{
	size_t begin, count;
	if (v.type == EXPR_STRING && index->from.type == EXPR_STRING && !index->has_to) {
		struct span part = index->from.s;
		bool in = part.n == 0 || memmem(v.s.p, v.s.n, part.p, part.n);
		return in ? index->from : expr_nil();
	}
	if ((v.type != EXPR_STRING && v.type != EXPR_ARRAY) || index->from.type != EXPR_INT ||
		(index->has_to && index->to.type != EXPR_INT)) {
		expr_fail(x, at, "[] is not possible with %s and %s%s", type_names[v.type],
			type_names[index->from.type], v.type == EXPR_NIL ? " (is the environment variable set?)" : "");
		return expr_nil();
	}
	if (!resolve(index, expr_size(v), &begin, &count))
		return expr_nil();
	if (v.type == EXPR_STRING)
		return slice_string(v.s, begin, count);
	return index->has_to ? expr_slice(x, v, begin, count) : v.a.v[begin];
}
