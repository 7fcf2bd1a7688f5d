/* vm_format.c: format("%05d", x) and "..." % x. */
#include "expr/vm.h"

#include <math.h>
#include <stdio.h>

struct directive {
	bool minus, plus, blank, zero, hash;
	int64_t width, precision; /* precision -1: none */
	uint8_t kind;
};

struct formatter {
	struct expr_vm *x;
	const struct value *args;
	unsigned n, next;
	struct vm_text out;
};

#define WIDTH_MAX 10000

static bool next_arg(struct formatter *f, struct value *v)
{
	if (f->next >= f->n)
		return vm_raise(f->x, MODULE_ARGUMENT_ERROR, "too few arguments");
	*v = f->args[f->next++];
	return true;
}

/* Digits, or * for the next argument. */
static bool take_number(struct formatter *f, struct span s, size_t *i, int64_t *number)
{
	struct value v;
	*number = 0;
	if (*i < s.n && s.p[*i] == '*') {
		(*i)++;
		return next_arg(f, &v) && vm_want_int(f->x, &v, number);
	}
	for (; *i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9' && *number <= WIDTH_MAX; (*i)++)
		*number = *number * 10 + s.p[*i] - '0';
	return true;
}

/* %<name>d and %{name}: an argument of the hash. */
static bool named_arg(struct formatter *f, struct span s, size_t *i, struct value *v)
{
	uint8_t close = s.p[*i] == '<' ? '>' : '}';
	const uint8_t *end = memchr(s.p + *i, close, s.n - *i);
	if (!end || f->n != 2 || f->args[1].type != VALUE_MAP)
		return vm_raise(f->x, MODULE_ARGUMENT_ERROR, "one hash required");
	struct value key = {.type = VALUE_SYM, .s = span_of(s.p + *i + 1, (size_t)(end - s.p) - *i - 1)};
	struct value_pair *pair = value_map_find(&f->x->arena, f->args[1].map, &key);
	*i = (size_t)(end - s.p) + 1;
	if (!pair)
		return vm_raise(f->x, MODULE_KEY_ERROR, "key<%.*s> not found", (int)key.s.n, (const char *)key.s.p);
	return vm_fetch(f->x, &pair->value, v);
}

static bool take_flags(struct directive *d, uint8_t c)
{
	switch (c) {
	case '-':
		return d->minus = true;
	case '+':
		return d->plus = true;
	case ' ':
		return d->blank = true;
	case '0':
		return d->zero = true;
	case '#':
		return d->hash = true;
	default:
		return false;
	}
}

/* The text in the field's width; `digits_at`: where zeros go. */
static bool put_padded(struct formatter *f, const struct directive *d, struct span s, bool zeros, size_t digits_at)
{
	int64_t missing = d->width - (int64_t)vm_chars(s);
	if (missing > 0 && !d->minus) {
		if (zeros && !vm_text_put(f->x, &f->out, span_of(s.p, digits_at)))
			return false;
		for (; missing > 0; missing--)
			if (!vm_text_byte(f->x, &f->out, zeros ? '0' : ' '))
				return false;
		return vm_text_put(f->x, &f->out, zeros ? span_of(s.p + digits_at, s.n - digits_at) : s);
	}
	if (!vm_text_put(f->x, &f->out, s))
		return false;
	for (; missing > 0; missing--)
		if (!vm_text_byte(f->x, &f->out, ' '))
			return false;
	return true;
}

static bool put_int(struct formatter *f, const struct directive *d, struct value *v)
{
	char text[160];
	const struct expr_node call = {.method = FUNCTION_INTEGER};
	if (v->type == VALUE_FLOAT)
		*v = value_float(trunc(v->d));
	if (!vm_is_int(v) && !vm_function(f->x, &call, v, 1, v))
		return false;
	if (v->type == VALUE_FLOAT && !vm_call(f->x, M_TO_I, v, NULL, 0, NULL, v))
		return false;
	bool negative = v->type == VALUE_INT && v->i < 0;
	uint64_t u = negative ? 0 - v->u : v->u;
	unsigned base = d->kind == 'x' || d->kind == 'X'   ? 16
			: d->kind == 'o'		   ? 8
			: d->kind == 'b' || d->kind == 'B' ? 2
							   : 10;
	const char *digits = d->kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char *p = text + sizeof text;
	int64_t least = d->precision > 64 ? 64 : d->precision;
	do
		*--p = digits[u % base];
	while (u /= base);
	while (text + sizeof text - p < least)
		*--p = '0';
	size_t number = (size_t)(text + sizeof text - p);
	if (d->hash && base != 10) {
		if (base != 8)
			*--p = (char)(base == 2 ? 'b' : d->kind);
		*--p = '0';
	}
	if (negative || d->plus || d->blank)
		*--p = negative ? '-' : d->plus ? '+' : ' ';
	struct span s = span_of(p, (size_t)(text + sizeof text - p));
	return put_padded(f, d, s, d->zero && d->precision < 0, s.n - number);
}

static bool put_float(struct formatter *f, const struct directive *d, struct value *v)
{
	char text[512], how[16];
	const struct expr_node call = {.method = FUNCTION_FLOAT};
	if (v->type != VALUE_FLOAT && !vm_function(f->x, &call, v, 1, v))
		return false;
	snprintf(how, sizeof how, "%%%s%s.*%c", d->plus ? "+" : d->blank ? " " : "", d->hash ? "#" : "", d->kind);
	int precision = d->precision < 0 ? 6 : d->precision > 100 ? 100 : (int)d->precision;
	int n;
	if (isnan(v->d) || isinf(v->d)) {
		n = snprintf(text, sizeof text, "%s%s",
			v->d < 0  ? "-"
			: d->plus ? "+"
				  : "",
			isnan(v->d) ? "NaN" : "Inf");
	} else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		n = snprintf(text, sizeof text, how, precision, v->d);
#pragma GCC diagnostic pop
	}
	struct span s = span_of(text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
	size_t sign = s.n && (*s.p == '-' || *s.p == '+' || *s.p == ' ');
	return put_padded(f, d, s, d->zero && isfinite(v->d), sign);
}

static bool put_text(struct formatter *f, const struct directive *d, const struct value *v)
{
	struct span s;
	if (d->kind == 'p' ? !vm_inspect(f->x, v, &s) : !vm_to_s(f->x, v, &s))
		return false;
	if (d->precision >= 0)
		s.n = vm_char_offset(s, (size_t)d->precision);
	return put_padded(f, d, s, false, 0);
}

static bool put_directive(struct formatter *f, const struct directive *d, struct value *v)
{
	switch (d->kind) {
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
	case 'o':
	case 'b':
	case 'B':
		return put_int(f, d, v);
	case 'f':
	case 'e':
	case 'E':
	case 'g':
	case 'G':
		return put_float(f, d, v);
	case 's':
	case 'p':
		return put_text(f, d, v);
	case 'c':
		if (vm_is_int(v) && !vm_call(f->x, M_CHR, v, NULL, 0, NULL, v))
			return false;
		return put_text(f, d, v);
	default:
		return vm_raise(f->x, MODULE_ARGUMENT_ERROR, "malformed format string - %%%c", d->kind);
	}
}

/* What begins with the % before *i. */
static bool take_directive(struct formatter *f, struct span s, size_t *i)
{
	struct directive d = {.precision = -1};
	struct value v;
	bool have = false;
	for (;; (*i)++) {
		if (*i >= s.n)
			return vm_raise(f->x, MODULE_ARGUMENT_ERROR,
				"incomplete format specifier; use %%%% (double %%) instead");
		if (s.p[*i] == '<' || s.p[*i] == '{') {
			bool whole = s.p[*i] == '{';
			if (!named_arg(f, s, i, &v))
				return false;
			d.kind = 's';
			if (whole)
				return put_text(f, &d, &v);
			have = true;
			(*i)--;
		} else if (!take_flags(&d, s.p[*i])) {
			break;
		}
	}
	if (!take_number(f, s, i, &d.width))
		return false;
	if (d.width < 0) {
		d.minus = true;
		d.width = -d.width;
	}
	if (*i < s.n && s.p[*i] == '.') {
		(*i)++;
		if (!take_number(f, s, i, &d.precision))
			return false;
	}
	if (*i >= s.n || d.width > WIDTH_MAX || d.precision > WIDTH_MAX)
		return vm_raise(f->x, MODULE_ARGUMENT_ERROR, "malformed format string");
	d.kind = s.p[(*i)++];
	if (d.kind == '%')
		return vm_text_byte(f->x, &f->out, '%');
	return (have || next_arg(f, &v)) && put_directive(f, &d, &v);
}

bool vm_format(struct expr_vm *x, const struct value *args, unsigned n, struct value *out)
{
	struct formatter f = {.x = x, .args = args, .n = n, .next = 1};
	struct span s;
	if (!vm_want_str(x, &args[0], &s))
		return false;
	for (size_t i = 0; i < s.n;) {
		const uint8_t *percent = memchr(s.p + i, '%', s.n - i);
		size_t end = percent ? (size_t)(percent - s.p) : s.n;
		if (!vm_text_put(x, &f.out, span_of(s.p + i, end - i)))
			return false;
		i = end + 1;
		if (percent && !take_directive(&f, s, &i))
			return false;
	}
	return vm_text_end(&f.out, out);
}
