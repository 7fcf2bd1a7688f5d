/* vm_object.c: what all values can do, and comparing them. */
#include "expr/vm.h"

#include <math.h>

#define EQUAL_DEPTH_MAX VALUE_DEPTH_MAX

/* ---- comparing ---------------------------------------------------------------------------------------------------- */

static bool equal_deep(struct expr_vm *x, struct value *a, struct value *b, unsigned depth, bool *equal);

static bool equal_arrays(struct expr_vm *x, struct value_array *a, struct value_array *b, unsigned depth, bool *equal)
{
	*equal = a->n == b->n;
	for (uint32_t i = 0; i < a->n && *equal; i++)
		if (!equal_deep(x, &a->v[i], &b->v[i], depth, equal))
			return false;
	return true;
}

static bool equal_maps(struct expr_vm *x, struct value_map *a, struct value_map *b, unsigned depth, bool *equal)
{
	if (!value_map_unique(&x->arena, a) || !value_map_unique(&x->arena, b))
		return vm_no_room(x);
	*equal = a->live == b->live;
	for (uint32_t i = 0; i < a->n && *equal; i++) {
		if (a->v[i].key.type == VALUE_NONE)
			continue;
		struct value_pair *pair = value_map_find(&x->arena, b, &a->v[i].key);
		*equal = pair != NULL;
		if (pair && !equal_deep(x, &a->v[i].value, &pair->value, depth, equal))
			return false;
	}
	return true;
}

static double as_double(const struct value *v)
{
	return v->type == VALUE_FLOAT ? v->d : v->type == VALUE_INT ? (double)v->i : (double)v->u;
}

static bool equal_deep(struct expr_vm *x, struct value *a, struct value *b, unsigned depth, bool *equal)
{
	if (!vm_step(x, 1))
		return false;
	if (!value_open(&x->arena, a) || !value_open(&x->arena, b))
		return vm_no_room(x);
	if (a->type == VALUE_ARRAY && b->type == VALUE_ARRAY) {
		if (!depth)
			return vm_raise(x, MODULE_ARGUMENT_ERROR, "nested too deep to compare");
		return equal_arrays(x, a->array, b->array, depth - 1, equal);
	}
	if (a->type == VALUE_MAP && b->type == VALUE_MAP) {
		if (!depth)
			return vm_raise(x, MODULE_ARGUMENT_ERROR, "nested too deep to compare");
		return equal_maps(x, a->map, b->map, depth - 1, equal);
	}
	if (a->type != b->type && vm_is_number(a) && vm_is_number(b))
		*equal = as_double(a) == as_double(b);
	else
		*equal = value_same(a, b);
	return true;
}

bool vm_equal(struct expr_vm *x, const struct value *a, const struct value *b, bool *equal)
{
	struct value left = *a, right = *b;
	if (left.type == VALUE_TIME && left.variant == TIME_EVENT)
		left = value_int(left.time.sec);
	return equal_deep(x, &left, &right, EQUAL_DEPTH_MAX, equal);
}

static int order_of(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;
	return order ? (order < 0 ? -1 : 1) : (a.n > b.n) - (a.n < b.n);
}

static int order_of_numbers(const struct value *a, const struct value *b, bool *comparable)
{
	if (a->type == VALUE_INT && b->type == VALUE_INT)
		return (a->i > b->i) - (a->i < b->i);
	if (a->type == VALUE_UINT && b->type == VALUE_UINT)
		return (a->u > b->u) - (a->u < b->u);
	double l = as_double(a), r = as_double(b);
	*comparable = !isnan(l) && !isnan(r);
	return (l > r) - (l < r);
}

static bool compare_arrays(
	struct expr_vm *x, struct value_array *a, struct value_array *b, int *order, bool *comparable)
{
	for (uint32_t i = 0; i < a->n && i < b->n; i++) {
		struct value l, r;
		if (!vm_step(x, 1) || !vm_fetch(x, &a->v[i], &l) || !vm_fetch(x, &b->v[i], &r))
			return false;
		/* One level is what sort_by { [a, b] } needs. */
		if (l.type == VALUE_ARRAY)
			return *comparable = false, true;
		if (!vm_compare(x, &l, &r, order, comparable))
			return false;
		if (!*comparable || *order)
			return true;
	}
	*order = (a->n > b->n) - (a->n < b->n);
	return true;
}

bool vm_compare(struct expr_vm *x, const struct value *a, const struct value *b, int *order, bool *comparable)
{
	bool equal;
	*comparable = true;
	*order = 0;
	if (vm_is_number(a) && vm_is_number(b)) {
		*order = order_of_numbers(a, b, comparable);
		return true;
	}
	if ((value_is_str(a) && value_is_str(b)) || (a->type == VALUE_SYM && b->type == VALUE_SYM)) {
		*order = order_of(value_text(a), value_text(b));
		return true;
	}
	if (a->type == VALUE_TIME && b->type == VALUE_TIME) {
		*order = (a->time.sec > b->time.sec) - (a->time.sec < b->time.sec);
		if (!*order)
			*order = (a->time.nsec > b->time.nsec) - (a->time.nsec < b->time.nsec);
		return true;
	}
	if (a->type == VALUE_ARRAY && b->type == VALUE_ARRAY)
		return compare_arrays(x, a->array, b->array, order, comparable);
	if (!vm_equal(x, a, b, &equal))
		return false;
	*comparable = equal;
	return true;
}

bool vm_case_equal(struct expr_vm *x, const struct value *pattern, const struct value *v, bool *equal)
{
	struct value result;
	switch (pattern->type) {
	case VALUE_MODULE:
		*equal = expr_module_is_a(expr_module_of(v), pattern->i);
		return true;
	case VALUE_REGEXP:
		*equal = false;
		if (!value_is_str(v) && v->type != VALUE_SYM)
			return true;
		if (!vm_call(x, M_MATCH_OP, pattern, v, 1, NULL, &result))
			return false;
		*equal = result.type != VALUE_NIL;
		return true;
	case VALUE_RANGE:
		if (!vm_call(x, M_COVER, pattern, v, 1, NULL, &result))
			return false;
		*equal = vm_is_true(&result);
		return true;
	default:
		return vm_equal(x, pattern, v, equal);
	}
}

/* ---- methods ------------------------------------------------------------------------------------------------------ */

VM_METHOD(eq)
{
	bool equal;
	return vm_equal(x, self, &args[0], &equal) && vm_set_bool(out, equal);
}

VM_METHOD(ne)
{
	bool equal;
	return vm_equal(x, self, &args[0], &equal) && vm_set_bool(out, !equal);
}

VM_METHOD(case_eq)
{
	bool equal;
	return vm_case_equal(x, self, &args[0], &equal) && vm_set_bool(out, equal);
}

VM_METHOD(cmp)
{
	bool comparable;
	int order;
	if (!vm_compare(x, self, &args[0], &order, &comparable))
		return false;
	return comparable ? vm_set_int(out, order) : vm_set_nil(out);
}

VM_METHOD(match_op)
{
	return vm_set_nil(out);
}

VM_METHOD(eql)
{
	return vm_set_bool(out, value_same(self, &args[0]));
}

VM_METHOD(nil_p)
{
	return vm_set_bool(out, self->type == VALUE_NIL);
}

VM_METHOD(is_a)
{
	if (args[0].type != VALUE_MODULE)
		return vm_raise(x, MODULE_TYPE_ERROR, "class or module required");
	return vm_set_bool(out, expr_module_is_a(expr_module_of(self), args[0].i));
}

VM_METHOD(instance_of)
{
	if (args[0].type != VALUE_MODULE)
		return vm_raise(x, MODULE_TYPE_ERROR, "class or module required");
	return vm_set_bool(out, expr_module_of(self) == args[0].i);
}

VM_METHOD(class_of)
{
	enum expr_module m =
		self->type == VALUE_ERROR ? ((const struct expr_raised *)self->other)->class : expr_module_of(self);
	*out = (struct value){.type = VALUE_MODULE, .i = m};
	return true;
}

VM_METHOD(to_s)
{
	struct span s;
	return vm_to_s(x, self, &s) && vm_set_str(out, s);
}

VM_METHOD(inspect)
{
	struct span s;
	return vm_inspect(x, self, &s) && vm_set_str(out, s);
}

VM_METHOD(to_json)
{
	return vm_to_json(x, self, out);
}

VM_METHOD(itself)
{
	return vm_set(out, self);
}

VM_METHOD(frozen)
{
	return vm_set_bool(out, false);
}

VM_METHOD(tap)
{
	struct value copy = *self, ignored;
	if (!b)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "tap needs a block");
	if (!vm_keep(x, &copy) || !vm_block_one(x, b, &copy, &ignored))
		return false;
	return vm_set(out, &copy);
}

VM_METHOD(then)
{
	if (!b)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "then needs a block");
	return vm_block_one(x, b, self, out);
}

/* Comparisons of things that have an order: strings, times. */
static bool ordered(struct expr_vm *x, const struct value *self, const struct value *other, int *order)
{
	bool comparable;
	struct span text;
	if (!vm_compare(x, self, other, order, &comparable))
		return false;
	bool has_order = value_is_str(self) || self->type == VALUE_TIME || vm_is_number(self);
	if (!has_order)
		return vm_raise(x, MODULE_NO_METHOD_ERROR, "undefined method `<' for %s%s",
			self->type == VALUE_NIL ? "nil:" : "an instance of ", expr_module_name(expr_module_of(self)));
	if (comparable)
		return true;
	if (!vm_inspect(x, other, &text))
		return false;
	return vm_raise(x, MODULE_ARGUMENT_ERROR, "comparison of %s with %.*s failed",
		expr_module_name(expr_module_of(self)), (int)(text.n < 100 ? text.n : 100), (const char *)text.p);
}

VM_METHOD(lt)
{
	int order;
	return ordered(x, self, &args[0], &order) && vm_set_bool(out, order < 0);
}

VM_METHOD(le)
{
	int order;
	return ordered(x, self, &args[0], &order) && vm_set_bool(out, order <= 0);
}

VM_METHOD(gt)
{
	int order;
	return ordered(x, self, &args[0], &order) && vm_set_bool(out, order > 0);
}

VM_METHOD(ge)
{
	int order;
	return ordered(x, self, &args[0], &order) && vm_set_bool(out, order >= 0);
}

VM_METHOD(between)
{
	int low, high;
	return ordered(x, self, &args[0], &low) && ordered(x, self, &args[1], &high) &&
	       vm_set_bool(out, low >= 0 && high <= 0);
}

VM_METHOD(clamp)
{
	int low, high;
	if (!ordered(x, self, &args[0], &low) || !ordered(x, self, &args[1], &high))
		return false;
	return vm_set(out, low < 0 ? &args[0] : high > 0 ? &args[1] : self);
}

VM_METHOD(name_of)
{
	struct span s;
	if (self->type != VALUE_MODULE)
		return vm_raise(x, MODULE_NO_METHOD_ERROR, "undefined method `name'");
	return vm_to_s(x, self, &s) && vm_set_str(out, s);
}

VM_METHOD(message)
{
	struct span s;
	if (self->type != VALUE_ERROR)
		return vm_raise(x, MODULE_NO_METHOD_ERROR, "undefined method `message' for an instance of %s",
			expr_module_name(expr_module_of(self)));
	return vm_to_s(x, self, &s) && vm_copy_str(x, s, out);
}

const struct expr_method vm_object_methods[M_COUNT_OF_METHODS] = {
	[M_EQ] = {eq, 1, 1},
	[M_NE] = {ne, 1, 1},
	[M_CASE_EQ] = {case_eq, 1, 1},
	[M_CMP] = {cmp, 1, 1},
	[M_MATCH_OP] = {match_op, 1, 1},
	[M_EQL] = {eql, 1, 1},
	[M_EQUAL] = {eql, 1, 1},
	[M_NIL_P] = {nil_p, 0, 0},
	[M_IS_A] = {is_a, 1, 1},
	[M_KIND_OF] = {is_a, 1, 1},
	[M_INSTANCE_OF] = {instance_of, 1, 1},
	[M_CLASS] = {class_of, 0, 0},
	[M_TO_S] = {to_s, 0, 0},
	[M_INSPECT] = {inspect, 0, 0},
	[M_TO_JSON] = {to_json, 0, 1},
	[M_ITSELF] = {itself, 0, 0},
	[M_FREEZE] = {itself, 0, 0},
	[M_DUP] = {itself, 0, 0},
	[M_CLONE] = {itself, 0, 0},
	[M_FROZEN] = {frozen, 0, 0},
	[M_TAP] = {tap, 0, 0},
	[M_THEN] = {then, 0, 0},
	[M_YIELD_SELF] = {then, 0, 0},
	[M_LT] = {lt, 1, 1},
	[M_LE] = {le, 1, 1},
	[M_GT] = {gt, 1, 1},
	[M_GE] = {ge, 1, 1},
	[M_BETWEEN] = {between, 2, 2},
	[M_CLAMP] = {clamp, 2, 2},
	[M_NAME] = {name_of, 0, 0},
	[M_MESSAGE] = {message, 0, 0},
};

/* ---- nil ---- */

VM_METHOD(nil_to_a)
{
	return vm_new_array(x, out);
}

VM_METHOD(nil_to_h)
{
	return vm_new_hash(x, out);
}

VM_METHOD(nil_to_i)
{
	return vm_set_int(out, 0);
}

VM_METHOD(nil_to_f)
{
	*out = value_float(0);
	return true;
}

VM_METHOD(nil_and)
{
	return vm_set_bool(out, false);
}

VM_METHOD(nil_or)
{
	return vm_set_bool(out, vm_is_true(&args[0]));
}

const struct expr_method vm_nil_methods[M_COUNT_OF_METHODS] = {
	[M_TO_A] = {nil_to_a, 0, 0},
	[M_TO_H] = {nil_to_h, 0, 0},
	[M_TO_I] = {nil_to_i, 0, 0},
	[M_TO_F] = {nil_to_f, 0, 0},
	[M_AND] = {nil_and, 1, 1},
	[M_OR] = {nil_or, 1, 1},
};

/* ---- symbols ---- */

VM_METHOD(sym_to_sym)
{
	return vm_set(out, self);
}

VM_METHOD(sym_length)
{
	return vm_set_int(out, (int64_t)vm_chars(self->s));
}

const struct expr_method vm_sym_methods[M_COUNT_OF_METHODS] = {
	[M_TO_SYM] = {sym_to_sym, 0, 0},
	[M_LENGTH] = {sym_length, 0, 0},
	[M_SIZE] = {sym_length, 0, 0},
};
