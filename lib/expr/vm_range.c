/* vm_range.c: Range. */
#include "expr/vm_enum.h"

VM_METHOD(range_first)
{
	const struct expr_range *r = self->other;
	return n ? vm_enum_methods[M_TAKE].fn(x, self, args, n, b, out) : vm_set(out, &r->first);
}

VM_METHOD(range_last)
{
	const struct expr_range *r = self->other;
	return vm_set(out, &r->last);
}

VM_METHOD(range_exclusive)
{
	return vm_set_bool(out, ((const struct expr_range *)self->other)->exclusive);
}

VM_METHOD(range_cover)
{
	const struct expr_range *r = self->other;
	bool comparable;
	int order;
	if (r->first.type != VALUE_NIL) {
		if (!vm_compare(x, &r->first, &args[0], &order, &comparable))
			return false;
		if (!comparable || order > 0)
			return vm_set_bool(out, false);
	}
	if (r->last.type == VALUE_NIL)
		return vm_set_bool(out, true);
	if (!vm_compare(x, &args[0], &r->last, &order, &comparable))
		return false;
	return vm_set_bool(out, comparable && (r->exclusive ? order < 0 : order <= 0));
}

VM_METHOD(range_size)
{
	struct vm_iter it;
	if (!vm_enum_start(x, self, &it))
		return false;
	return vm_set_int(out, it.left > INT64_MAX ? INT64_MAX : (int64_t)it.left);
}

VM_METHOD(range_step)
{
	struct value list, each, ignored;
	int64_t by;
	if (!vm_want_int(x, &args[0], &by) || !vm_enum_to_array(x, self, &list) || !vm_new_array(x, &each))
		return false;
	if (by <= 0)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "step can't be negative or 0");
	for (int64_t i = 0; i < list.array->n; i += by < list.array->n ? by : list.array->n) {
		const struct value *v = &list.array->v[i];
		if (b ? !vm_block_one(x, b, v, &ignored) : !vm_push(x, &each, v))
			return false;
	}
	return vm_set(out, b ? self : &each);
}

const struct expr_method vm_range_methods[M_COUNT_OF_METHODS] = {
	[M_FIRST] = {range_first, 0, 1},
	[M_BEGIN] = {range_first, 0, 0},
	[M_MIN] = {range_first, 0, 0},
	[M_LAST] = {range_last, 0, 0},
	[M_END] = {range_last, 0, 0},
	[M_EXCLUDE_END] = {range_exclusive, 0, 0},
	[M_COVER] = {range_cover, 1, 1},
	[M_INCLUDE] = {range_cover, 1, 1},
	[M_MEMBER] = {range_cover, 1, 1},
	[M_CASE_EQ] = {range_cover, 1, 1},
	[M_SIZE] = {range_size, 0, 0},
	[M_STEP] = {range_step, 1, 1},
};
