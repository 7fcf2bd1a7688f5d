/* vm_sort.c: sorting, and the first and last in order. */
#include "expr/vm_enum.h"

struct sorter {
	struct value *v, *keys, *spare, *spare_keys;
	const struct expr_block *b;
};

/* Whether a comes behind b. */
static bool is_behind(
	struct expr_vm *x, const struct sorter *s, const struct value *a, const struct value *b, bool *behind)
{
	int order;
	bool comparable;
	struct value pair[2] = {*a, *b}, result;
	if (!vm_step(x, 1))
		return false;
	if (s->b) {
		if (!vm_block(x, s->b, pair, 2, &result))
			return false;
		if (!vm_is_number(&result))
			return vm_raise(x, MODULE_ARGUMENT_ERROR, "comparison of %s with %s failed",
				expr_module_name(expr_module_of(a)), expr_module_name(expr_module_of(b)));
		*behind = result.type == VALUE_FLOAT ? result.d > 0 : result.type == VALUE_UINT || result.i > 0;
		return true;
	}
	if (!vm_compare(x, a, b, &order, &comparable))
		return false;
	if (!comparable)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "comparison of %s with %s failed",
			expr_module_name(expr_module_of(a)), expr_module_name(expr_module_of(b)));
	*behind = order > 0;
	return true;
}

/* Merges the sorted [from, middle) and [middle, to) by way of the spare room. */
static bool merge_runs(struct expr_vm *x, const struct sorter *s, size_t from, size_t middle, size_t to)
{
	size_t l = from, r = middle;
	const struct value *keys = s->keys ? s->keys : s->v;
	for (size_t i = from; i < to; i++) {
		bool right = l >= middle;
		if (l < middle && r < to && !is_behind(x, s, &keys[l], &keys[r], &right))
			return false;
		size_t take = right ? r++ : l++;
		s->spare[i] = s->v[take];
		if (s->keys)
			s->spare_keys[i] = s->keys[take];
	}
	memcpy(s->v + from, s->spare + from, (to - from) * sizeof *s->v);
	if (s->keys)
		memcpy(s->keys + from, s->spare_keys + from, (to - from) * sizeof *s->v);
	return true;
}

bool vm_enum_sort(struct expr_vm *x, struct value *v, struct value *keys, size_t n, const struct expr_block *b)
{
	struct sorter s = {.v = v, .keys = keys, .b = b};
	s.spare = arena_array(&x->arena, n, sizeof *v);
	s.spare_keys = keys ? arena_array(&x->arena, n, sizeof *v) : NULL;
	if (!s.spare || (keys && !s.spare_keys))
		return vm_no_room(x);
	for (size_t width = 1; width < n; width *= 2) {
		for (size_t from = 0; from + width < n; from += 2 * width) {
			size_t to = from + 2 * width < n ? from + 2 * width : n;
			if (!merge_runs(x, &s, from, from + width, to))
				return false;
		}
	}
	return true;
}

VM_METHOD(sort)
{
	struct value list;
	return vm_enum_to_array(x, self, &list) && vm_enum_sort(x, list.array->v, NULL, list.array->n, b) &&
	       vm_set(out, &list);
}

/* What the block makes of each element, in an array. */
static bool keys_of(struct expr_vm *x, const struct value *list, const struct expr_block *b, struct value *keys)
{
	if (!vm_enum_need_block(x, b) || !vm_new_array(x, keys))
		return false;
	for (uint32_t i = 0; i < list->array->n; i++) {
		struct value v;
		if (!vm_block_one(x, b, &list->array->v[i], &v) || !vm_push(x, keys, &v))
			return false;
	}
	return true;
}

VM_METHOD(sort_by)
{
	struct value list, keys;
	return vm_enum_to_array(x, self, &list) && keys_of(x, &list, b, &keys) &&
	       vm_enum_sort(x, list.array->v, keys.array->v, list.array->n, NULL) && vm_set(out, &list);
}

/* The first or last in order. */
static bool extreme(
	struct expr_vm *x, const struct value *self, const struct expr_block *b, bool by, bool max, struct value *out)
{
	struct value list, keys;
	const struct sorter s = {.b = by ? NULL : b};
	uint32_t best = 0;
	if (!vm_enum_to_array(x, self, &list))
		return false;
	keys = list;
	if (by && !keys_of(x, &list, b, &keys))
		return false;
	if (list.array->n == 0)
		return vm_set_nil(out);
	for (uint32_t i = 1; i < list.array->n; i++) {
		const struct value *old = &keys.array->v[best], *new = &keys.array->v[i];
		bool behind;
		if (!is_behind(x, &s, max ? new : old, max ? old : new, &behind))
			return false;
		if (behind)
			best = i;
	}
	return vm_set(out, &list.array->v[best]);
}

VM_METHOD(min)
{
	return extreme(x, self, b, false, false, out);
}

VM_METHOD(max)
{
	return extreme(x, self, b, false, true, out);
}

VM_METHOD(min_by)
{
	return extreme(x, self, b, true, false, out);
}

VM_METHOD(max_by)
{
	return extreme(x, self, b, true, true, out);
}

const struct expr_method vm_sort_methods[M_COUNT_OF_METHODS] = {
	[M_SORT] = {sort, 0, 0},
	[M_SORT_BY] = {sort_by, 0, 0},
	[M_MIN] = {min, 0, 0},
	[M_MAX] = {max, 0, 0},
	[M_MIN_BY] = {min_by, 0, 0},
	[M_MAX_BY] = {max_by, 0, 0},
};
