/* vm_text.c: values to text and JSON and back, and texts that grow. */
#include "expr/vm.h"

#include "base/utf8.h"
#include "record/json_get.h"
#include "record/json_put.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"
#include "record/ruby_text.h"

#include <inttypes.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 100

/* ---- texts that grow ---------------------------------------------------------------------------------------------- */

bool vm_text_put(struct expr_vm *x, struct vm_text *t, struct span s)
{
	if (s.n > t->cap - t->n) {
		size_t cap = t->cap < 128 ? 256 : t->cap * 2;
		if (cap < t->n + s.n)
			cap = t->n + s.n;
		if (!t->cap || !arena_resize_last(&x->arena, t->p, t->cap, cap)) {
			uint8_t *p = vm_bytes(x, cap);
			if (!p)
				return false;
			if (t->p && t->n)
				memcpy(p, t->p, t->n);
			t->p = p;
		}
		t->cap = cap;
	}
	if (t->p && s.n)
		memcpy(t->p + t->n, s.p, s.n);
	t->n += s.n;
	return vm_step(x, s.n / 64);
}

bool vm_text_byte(struct expr_vm *x, struct vm_text *t, uint8_t c)
{
	return vm_text_put(x, t, span_of(&c, 1));
}

bool vm_text_end(struct vm_text *t, struct value *out)
{
	return vm_set_str(out, span_of(t->p, t->n));
}

/* ---- to text ------------------------------------------------------------------------------------------------------ */

/* What is in x->work, as a text of its own. */
static bool take_work(struct expr_vm *x, struct span *s)
{
	struct value v;
	if (x->work.failed)
		return vm_no_room(x);
	if (!vm_copy_str(x, buf_span(&x->work), &v))
		return false;
	*s = v.s;
	return true;
}

static bool short_text(struct expr_vm *x, struct span *s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool short_text(struct expr_vm *x, struct span *s, const char *fmt, ...)
{
	char text[64];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	uint8_t *p = arena_copy(&x->arena, text, (size_t)n);
	if (!p)
		return vm_no_room(x);
	*s = span_of(p, (size_t)n);
	return true;
}

static bool int_text(struct expr_vm *x, const struct value *v, struct span *s)
{
	char text[24], *p = text + sizeof text;
	bool negative = v->type == VALUE_INT && v->i < 0;
	uint64_t u = negative ? -(uint64_t)v->i : v->u;
	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (negative)
		*--p = '-';
	size_t n = (size_t)(text + sizeof text - p);
	uint8_t *copy = arena_copy(&x->arena, p, n);
	if (!copy)
		return vm_no_room(x);
	*s = span_of(copy, n);
	return true;
}

/* Through msgpack, which the makers of text read. */
static bool by_msgpack(
	struct expr_vm *x, const struct value *v, bool (*make)(struct buf *out, struct span value), struct span *s)
{
	buf_clear(&x->work);
	if (!value_put(&x->work, v))
		return vm_raise(x, MODULE_TYPE_ERROR, "%s holds something that cannot be shown, or is nested too deep",
			expr_module_name(expr_module_of(v)));
	size_t n = x->work.n;
	/* The text comes behind the msgpack in the same buffer, which may move: so the msgpack is taken out of it first. */
	uint8_t *msgpack = arena_copy(&x->arena, x->work.p, n);
	if (!msgpack)
		return vm_no_room(x);
	buf_clear(&x->work);
	if (!make(&x->work, span_of(msgpack, n)))
		return vm_no_room(x);
	return vm_step(x, n / 8) && take_work(x, s);
}

static bool float_text(struct expr_vm *x, double d, struct span *s)
{
	const struct value v = value_float(d);
	return by_msgpack(x, &v, ruby_to_s, s);
}

static bool regexp_text(struct expr_vm *x, const struct expr_regexp *r, struct span *s)
{
	struct vm_text t = {0};
	struct value v;
	char flags[16];
	snprintf(flags, sizeof flags, "(?%s%s%s%s%s%s%s:", r->flags & REGEXP_MULTI_LINE ? "m" : "",
		r->flags & REGEXP_IGNORE_CASE ? "i" : "", r->flags & REGEXP_EXTENDED ? "x" : "",
		(r->flags & 7) == 7 ? "" : "-", r->flags & REGEXP_MULTI_LINE ? "" : "m",
		r->flags & REGEXP_IGNORE_CASE ? "" : "i", r->flags & REGEXP_EXTENDED ? "" : "x");
	if (!vm_text_put(x, &t, span_str(flags)) || !vm_text_put(x, &t, span_str(r->source)) ||
		!vm_text_byte(x, &t, ')'))
		return false;
	vm_text_end(&t, &v);
	*s = v.s;
	return true;
}

static bool range_text(struct expr_vm *x, const struct expr_range *r, bool inspect, struct span *s)
{
	struct vm_text t = {0};
	struct value v;
	struct span first, last;
	bool (*text)(struct expr_vm *, const struct value *, struct span *) = inspect ? vm_inspect : vm_to_s;
	if (!text(x, &r->first, &first) || !text(x, &r->last, &last) || !vm_text_put(x, &t, first) ||
		!vm_text_put(x, &t, r->exclusive ? SPAN_LIT("...") : SPAN_LIT("..")) || !vm_text_put(x, &t, last))
		return false;
	vm_text_end(&t, &v);
	*s = v.s;
	return true;
}

bool vm_to_s(struct expr_vm *x, const struct value *v, struct span *s)
{
	*s = (struct span){0};
	switch (v->type) {
	case VALUE_NIL:
		return true;
	case VALUE_BOOL:
		*s = span_str(v->b ? "true" : "false");
		return true;
	case VALUE_INT:
	case VALUE_UINT:
		return int_text(x, v, s);
	case VALUE_FLOAT:
		return float_text(x, v->d, s);
	case VALUE_STR:
	case VALUE_BOX:
	case VALUE_SYM:
		*s = value_text(v);
		return true;
	case VALUE_TIME:
		return vm_time_text(x, v, s);
	case VALUE_RANGE:
		return range_text(x, v->other, false, s);
	case VALUE_REGEXP:
		return regexp_text(x, v->other, s);
	case VALUE_MATCH: {
		bool there;
		*s = vm_group(v->other, 0, &there);
		return true;
	}
	case VALUE_MODULE:
		*s = span_str(expr_module_name(v->i));
		return true;
	case VALUE_ERROR:
		*s = span_str(((const struct expr_raised *)v->other)->text);
		return true;
	default:
		return by_msgpack(x, v, ruby_to_s, s);
	}
}

bool vm_inspect(struct expr_vm *x, const struct value *v, struct span *s)
{
	struct span text;
	switch (v->type) {
	case VALUE_NIL:
		*s = SPAN_LIT("nil");
		return true;
	case VALUE_STR:
	case VALUE_BOX:
		return by_msgpack(x, v, ruby_inspect, s);
	case VALUE_SYM:
		return short_text(x, s, ":%.*s", (int)(v->s.n < 60 ? v->s.n : 60), (const char *)v->s.p);
	case VALUE_RANGE:
		return range_text(x, v->other, true, s);
	case VALUE_REGEXP:
		text = span_str(((const struct expr_regexp *)v->other)->source);
		return short_text(x, s, "/%.*s/", (int)(text.n < 60 ? text.n : 60), (const char *)text.p);
	default:
		return vm_to_s(x, v, s);
	}
}

/* ---- JSON --------------------------------------------------------------------------------------------------------- */

static bool put_json(struct buf *out, struct span msgpack)
{
	const uint8_t *p = msgpack.p;
	return json_put(out, &p, msgpack.p + msgpack.n, MP_DEPTH_LIMIT);
}

bool vm_to_json(struct expr_vm *x, const struct value *v, struct value *out)
{
	struct span s;
	struct value text;
	/* A time is its to_s in JSON, not what a record would hold. */
	if (v->type == VALUE_TIME && v->variant != TIME_EVENT) {
		if (!vm_time_text(x, v, &s))
			return false;
		text = value_str(s);
		v = &text;
	}
	if (!by_msgpack(x, v, put_json, &s))
		return false;
	return vm_set_str(out, s);
}

bool vm_parse_json(struct expr_vm *x, struct span text, struct value *out)
{
	const uint8_t *p = text.p ? text.p : (const uint8_t *)"", *end = p + text.n;
	const char *why = "";
	struct span msgpack;
	buf_clear(&x->work);
	enum json_result r = json_get(&p, end, JSON_DEPTH_MAX, &x->work, &why);
	if (r == JSON_OK) {
		while (p < end && (*p == ' ' || (*p >= '\t' && *p <= '\r')))
			p++;
		if (p < end)
			r = JSON_BAD;
	}
	if (x->work.failed)
		return vm_no_room(x);
	if (r != JSON_OK)
		return vm_raise(x, MODULE_PARSER_ERROR, "unexpected token at '%.*s'",
			(int)(text.n < 100 ? text.n : 100), (const char *)text.p);
	if (!take_work(x, &msgpack))
		return false;
	struct value v = value_raw(msgpack);
	return vm_fetch(x, &v, out);
}

/* ---- what must be something ---------------------------------------------------------------------------------------- */

bool vm_want_str(struct expr_vm *x, const struct value *v, struct span *s)
{
	*s = (struct span){0};
	if (!value_is_str(v))
		return vm_raise_conversion(x, v, "String");
	*s = value_text(v);
	return true;
}

bool vm_want_int(struct expr_vm *x, const struct value *v, int64_t *i)
{
	*i = 0;
	if (v->type == VALUE_INT) {
		*i = v->i;
		return true;
	}
	if (v->type == VALUE_FLOAT && v->d > -9e18 && v->d < 9e18) {
		*i = (int64_t)v->d;
		return true;
	}
	if (vm_is_number(v))
		return vm_raise(x, MODULE_RANGE_ERROR, "the number is too large");
	return vm_raise_conversion(x, v, "Integer");
}

bool vm_want_number(struct expr_vm *x, const struct value *v, double *d)
{
	*d = 0;
	if (!vm_is_number(v))
		return vm_raise_conversion(x, v, "Float");
	*d = v->type == VALUE_FLOAT ? v->d : v->type == VALUE_INT ? (double)v->i : (double)v->u;
	return true;
}

bool vm_scrub(struct expr_vm *x, struct span s, const char *by, struct span *out)
{
	struct vm_text t = {0};
	struct value v;
	size_t from = 0, i = 0;
	while (i < s.n) {
		size_t n = utf8_len(s.p + i, s.n - i);
		if (n) {
			i += n;
			continue;
		}
		if (!vm_text_put(x, &t, span_of(s.p + from, i - from)) || !vm_text_put(x, &t, span_str(by)))
			return false;
		i += utf8_bad_len(s.p + i, s.n - i);
		from = i;
	}
	if (from == 0) {
		*out = s;
		return true;
	}
	if (!vm_text_put(x, &t, span_of(s.p + from, s.n - from)))
		return false;
	vm_text_end(&t, &v);
	*out = v.s;
	return true;
}
