/* vm_reduce.c: many values to one: any?, find, inject, sum, to_h. */
#include "expr/vm_enum.h"

#include <math.h>

/* How many elements are what the argument, the block, or nothing at all asks for; stops at `enough`. */
static bool count_where(struct expr_vm *x, const struct value *self, const struct value *args, unsigned n,
	const struct expr_block *b, bool wanted, uint64_t enough, uint64_t *count)
{
	struct vm_iter it;
	struct value v;
	bool yes;
	*count = 0;
	if (!vm_enum_start(x, self, &it))
		return false;
	while (*count < enough && vm_enum_next(x, &it)) {
		if (n) {
			if (!vm_enum_item(x, &it, &v) || !vm_case_equal(x, &args[0], &v, &yes))
				return false;
		} else if (b) {
			if (!vm_enum_block(x, &it, b, &v))
				return false;
			yes = vm_is_true(&v);
		} else {
			yes = it.n == 2 || vm_is_true(&it.item[0]);
		}
		*count += yes == wanted;
	}
	return *count >= enough || it.done;
}

VM_METHOD(any)
{
	uint64_t count;
	return count_where(x, self, args, n, b, true, 1, &count) && vm_set_bool(out, count > 0);
}

VM_METHOD(all)
{
	uint64_t count;
	return count_where(x, self, args, n, b, false, 1, &count) && vm_set_bool(out, count == 0);
}

VM_METHOD(none)
{
	uint64_t count;
	return count_where(x, self, args, n, b, true, 1, &count) && vm_set_bool(out, count == 0);
}

VM_METHOD(one)
{
	uint64_t count;
	return count_where(x, self, args, n, b, true, 2, &count) && vm_set_bool(out, count == 1);
}

VM_METHOD(count)
{
	struct vm_iter it;
	struct value v;
	uint64_t count = 0;
	bool equal;
	if (n == 0 && b)
		return count_where(x, self, args, 0, b, true, UINT64_MAX, &count) && vm_set_int(out, (int64_t)count);
	if (!vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		equal = true;
		if (n && (!vm_enum_item(x, &it, &v) || !vm_equal(x, &v, &args[0], &equal)))
			return false;
		count += equal;
	}
	return it.done && vm_set_int(out, (int64_t)count);
}

VM_METHOD(find)
{
	struct vm_iter it;
	struct value v;
	if (!vm_enum_need_block(x, b) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		if (!vm_enum_block(x, &it, b, &v))
			return false;
		if (vm_is_true(&v))
			return vm_enum_item(x, &it, out);
	}
	return it.done && vm_set_nil(out);
}

VM_METHOD(find_index)
{
	struct vm_iter it;
	struct value v;
	bool yes;
	if ((!n && !vm_enum_need_block(x, b)) || !vm_enum_start(x, self, &it))
		return false;
	for (int64_t i = 0; vm_enum_next(x, &it); i++) {
		if (n) {
			if (!vm_enum_item(x, &it, &v) || !vm_equal(x, &v, &args[0], &yes))
				return false;
		} else {
			if (!vm_enum_block(x, &it, b, &v))
				return false;
			yes = vm_is_true(&v);
		}
		if (yes)
			return vm_set_int(out, i);
	}
	return it.done && vm_set_nil(out);
}

VM_METHOD(include)
{
	struct value at;
	return find_index(x, self, args, 1, NULL, &at) && vm_set_bool(out, at.type != VALUE_NIL);
}

/* inject(:+), inject(0, :+), inject { |a, x| ... }, inject(0) { ... } */
VM_METHOD(inject)
{
	struct vm_iter it;
	struct value pair[2] = {value_nil(), value_nil()};
	bool have = false;
	int symbol = -1;
	if (n && !b) {
		struct span name = args[n - 1].type == VALUE_SYM || value_is_str(&args[n - 1])
					   ? value_text(&args[n - 1])
					   : (struct span){0};
		symbol = expr_method_find(name);
		if (symbol < 0)
			return vm_raise(x, MODULE_ARGUMENT_ERROR, "inject needs a block or the name of a method");
		n--;
	} else if (!vm_enum_need_block(x, b)) {
		return false;
	}
	if (n) {
		pair[0] = args[0];
		have = true;
	}
	if (!vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		if (!vm_enum_item(x, &it, &pair[1]))
			return false;
		if (!have)
			pair[0] = pair[1];
		else if (symbol >= 0 ? !vm_call(x, (unsigned)symbol, &pair[0], &pair[1], 1, NULL, &pair[0])
				     : !vm_block(x, b, pair, 2, &pair[0]))
			return false;
		have = true;
	}
	return it.done && vm_set(out, &pair[0]);
}

/* As Ruby's sum does it, floats are added with a correction (Kahan and Babuska). */
struct sum {
	double total, rest;
};

static void add_float(struct sum *s, double d)
{
	double t = s->total + d;
	if (fabs(s->total) >= fabs(d))
		s->rest += (s->total - t) + d;
	else
		s->rest += (d - t) + s->total;
	s->total = t;
}

VM_METHOD(sum)
{
	struct vm_iter it;
	struct value total = n ? args[0] : value_int(0), v;
	struct sum floats = {0};
	bool is_float = total.type == VALUE_FLOAT;
	if (is_float)
		floats.total = total.d;
	if (!vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		if (b ? !vm_enum_block(x, &it, b, &v) : !vm_enum_item(x, &it, &v))
			return false;
		if (!is_float && v.type == VALUE_FLOAT && vm_is_number(&total)) {
			is_float = true;
			vm_want_number(x, &total, &floats.total);
		}
		if (is_float) {
			double d;
			if (!vm_want_number(x, &v, &d))
				return false;
			add_float(&floats, d);
		} else if (!vm_call(x, M_PLUS, &total, &v, 1, NULL, &total)) {
			return false;
		}
	}
	if (is_float)
		total = value_float(floats.total + floats.rest);
	return it.done && vm_set(out, &total);
}

VM_METHOD(group_by)
{
	struct vm_iter it;
	struct value hash, key, v;
	if (!vm_enum_need_block(x, b) || !vm_new_hash(x, &hash) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		if (!vm_enum_block(x, &it, b, &key) || !vm_enum_check_key(x, &key) || !vm_enum_item(x, &it, &v))
			return false;
		struct value *place = value_map_put(&x->arena, hash.map, &key);
		if (!place)
			return vm_no_room(x);
		if ((place->type == VALUE_NIL && !vm_new_array(x, place)) || !vm_push(x, place, &v))
			return false;
	}
	return it.done && vm_set(out, &hash);
}

VM_METHOD(tally)
{
	struct vm_iter it;
	struct value hash, v;
	if (!vm_new_hash(x, &hash) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		if (!vm_enum_item(x, &it, &v) || !vm_enum_check_key(x, &v))
			return false;
		struct value *place = value_map_put(&x->arena, hash.map, &v);
		if (!place)
			return vm_no_room(x);
		*place = value_int(place->type == VALUE_INT ? place->i + 1 : 1);
	}
	return it.done && vm_set(out, &hash);
}

/* Pairs to a hash. */
VM_METHOD(to_h)
{
	struct vm_iter it;
	struct value hash, v, key, value;
	if (!vm_new_hash(x, &hash) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		if (b ? !vm_enum_block(x, &it, b, &v) : !vm_enum_item(x, &it, &v))
			return false;
		if (v.type != VALUE_ARRAY || v.array->n != 2)
			return vm_raise(x, MODULE_TYPE_ERROR, "wrong element type %s (expected array of two)",
				expr_module_name(expr_module_of(&v)));
		if (!vm_fetch(x, &v.array->v[0], &key) || !vm_fetch(x, &v.array->v[1], &value) ||
			!vm_enum_check_key(x, &key) || !vm_put(x, &hash, &key, &value))
			return false;
	}
	return it.done && vm_set(out, &hash);
}

const struct expr_method vm_reduce_methods[M_COUNT_OF_METHODS] = {
	[M_ANY] = {any, 0, 1},
	[M_ALL] = {all, 0, 1},
	[M_NONE] = {none, 0, 1},
	[M_ONE] = {one, 0, 1},
	[M_COUNT] = {count, 0, 1},
	[M_FIND] = {find, 0, 0},
	[M_DETECT] = {find, 0, 0},
	[M_FIND_INDEX] = {find_index, 0, 1},
	[M_INDEX_M] = {find_index, 0, 1},
	[M_INCLUDE] = {include, 1, 1},
	[M_MEMBER] = {include, 1, 1},
	[M_INJECT] = {inject, 0, 2},
	[M_REDUCE] = {inject, 0, 2},
	[M_SUM] = {sum, 0, 1},
	[M_GROUP_BY] = {group_by, 0, 0},
	[M_TALLY] = {tally, 0, 0},
	[M_TO_H] = {to_h, 0, 0},
};
