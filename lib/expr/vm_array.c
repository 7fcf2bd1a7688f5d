/* vm_array.c: Array; what it shares with others is in vm_enum.c. */
#include "expr/vm_enum.h"

static bool want_array(struct expr_vm *x, const struct value *v, struct value_array **array)
{
	*array = v->array;
	return v->type == VALUE_ARRAY || vm_raise_conversion(x, v, "Array");
}

static bool fetch_at(struct expr_vm *x, struct value_array *array, int64_t i, struct value *out)
{
	if (i < 0)
		i += array->n;
	return i >= 0 && i < array->n ? vm_fetch(x, &array->v[i], out) : vm_set_nil(out);
}

/* A new array of elements from .. from + count. */
static bool sub_array(
	struct expr_vm *x, const struct value_array *array, int64_t from, int64_t count, struct value *out)
{
	struct value list;
	if (from < 0)
		from += array->n;
	if (from < 0 || from > array->n || count < 0)
		return vm_set_nil(out);
	if (!vm_new_array(x, &list))
		return false;
	for (int64_t i = from; i < array->n && i - from < count; i++)
		if (!vm_push(x, &list, &array->v[i]))
			return false;
	return vm_set(out, &list);
}

VM_METHOD(part)
{
	int64_t from, count;
	bool inside;
	if (args[0].type == VALUE_RANGE) {
		if (!vm_range_of(x, args[0].other, self->array->n, &from, &count, &inside))
			return false;
		return inside ? sub_array(x, self->array, from, count, out) : vm_set_nil(out);
	}
	if (!vm_want_int(x, &args[0], &from))
		return false;
	if (n == 1)
		return fetch_at(x, self->array, from, out);
	return vm_want_int(x, &args[1], &count) && sub_array(x, self->array, from, count, out);
}

VM_METHOD(set_at)
{
	struct value_array *array = self->array;
	int64_t i;
	if (n != 2)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "weir sets one element of an array at a time");
	if (!vm_want_int(x, &args[0], &i))
		return false;
	if (i < 0 && (i += array->n) < 0)
		return vm_raise(x, MODULE_INDEX_ERROR, "index %lld too small for array", (long long)i - array->n);
	if (i >= UINT32_MAX / 4 || !vm_step(x, i >= array->n ? (uint64_t)i - array->n : 0))
		return vm_no_room(x);
	if (i >= array->n && !value_array_extend(&x->arena, array, (uint32_t)i + 1))
		return vm_no_room(x);
	array->v[i] = args[1];
	return vm_set(out, &args[1]);
}

VM_METHOD(fetch)
{
	int64_t i;
	if (!vm_want_int(x, &args[0], &i))
		return false;
	int64_t at = i < 0 ? i + self->array->n : i;
	if (at >= 0 && at < self->array->n)
		return vm_fetch(x, &self->array->v[at], out);
	if (b)
		return vm_block_one(x, b, &args[0], out);
	if (n > 1)
		return vm_set(out, &args[1]);
	return vm_raise(x, MODULE_INDEX_ERROR, "index %lld outside of array bounds: %lld...%lld", (long long)i,
		-(long long)self->array->n, (long long)self->array->n);
}

VM_METHOD(dig)
{
	struct value v;
	if (!part(x, self, args, 1, NULL, &v))
		return false;
	return n == 1 || v.type == VALUE_NIL ? vm_set(out, &v) : vm_call(x, M_DIG, &v, args + 1, n - 1, NULL, out);
}

VM_METHOD(values_at)
{
	struct value list, v;
	if (!vm_new_array(x, &list))
		return false;
	for (unsigned i = 0; i < n; i++) {
		int64_t at;
		if (!vm_want_int(x, &args[i], &at) || !fetch_at(x, self->array, at, &v) || !vm_push(x, &list, &v))
			return false;
	}
	return vm_set(out, &list);
}

VM_METHOD(length)
{
	return vm_set_int(out, self->array->n);
}

VM_METHOD(empty)
{
	return vm_set_bool(out, self->array->n == 0);
}

VM_METHOD(last)
{
	int64_t count;
	if (!n)
		return fetch_at(x, self->array, -1, out);
	if (!vm_want_int(x, &args[0], &count))
		return false;
	if (count < 0)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "negative array size");
	int64_t from = count < self->array->n ? self->array->n - count : 0;
	return sub_array(x, self->array, from, count, out);
}

/* ---- joining ------------------------------------------------------------------------------------------------------ */

struct joiner {
	struct vm_text text;
	struct span by;
};

static bool join_into(struct expr_vm *x, struct value_array *array, unsigned depth, struct joiner *j)
{
	if (!depth)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "recursive array join");
	for (uint32_t i = 0; i < array->n; i++) {
		struct value v;
		struct span s;
		if (!vm_step(x, 1) || !vm_fetch(x, &array->v[i], &v) || (i && !vm_text_put(x, &j->text, j->by)))
			return false;
		if (v.type == VALUE_ARRAY) {
			if (!join_into(x, v.array, depth - 1, j))
				return false;
			continue;
		}
		if (!vm_to_s(x, &v, &s) || !vm_text_put(x, &j->text, s))
			return false;
	}
	return true;
}

VM_METHOD(join)
{
	struct joiner j = {0};
	if (n && args[0].type != VALUE_NIL && !vm_want_str(x, &args[0], &j.by))
		return false;
	return join_into(x, self->array, VALUE_DEPTH_MAX, &j) && vm_text_end(&j.text, out);
}

VM_METHOD(plus)
{
	struct value list;
	struct value_array *other;
	if (!want_array(x, &args[0], &other) || !sub_array(x, self->array, 0, self->array->n, &list))
		return false;
	for (uint32_t i = 0; i < other->n; i++)
		if (!vm_push(x, &list, &other->v[i]))
			return false;
	return vm_set(out, &list);
}

VM_METHOD(multiply)
{
	struct value list;
	int64_t count;
	if (value_is_str(&args[0]))
		return join(x, self, args, 1, NULL, out);
	if (!vm_want_int(x, &args[0], &count) || !vm_new_array(x, &list))
		return false;
	for (; count > 0; count--)
		for (uint32_t i = 0; i < self->array->n; i++)
			if (!vm_push(x, &list, &self->array->v[i]))
				return false;
	return vm_set(out, &list);
}

static bool holds(struct expr_vm *x, const struct value_array *array, const struct value *v, bool *yes)
{
	*yes = false;
	for (uint32_t i = 0; i < array->n && !*yes; i++)
		if (!vm_equal(x, &array->v[i], v, yes))
			return false;
	return true;
}

/* Elements that are (or are not) in the other array. */
static bool compare_sets(
	struct expr_vm *x, const struct value *self, const struct value *args, bool in, struct value *out)
{
	struct value list, v;
	struct value_array *other;
	bool yes;
	if (!want_array(x, &args[0], &other) || !vm_new_array(x, &list))
		return false;
	for (uint32_t i = 0; i < self->array->n; i++) {
		if (!vm_fetch(x, &self->array->v[i], &v) || !holds(x, other, &v, &yes))
			return false;
		if (yes == in && !vm_push(x, &list, &v))
			return false;
	}
	return vm_set(out, &list);
}

VM_METHOD(minus)
{
	return compare_sets(x, self, args, false, out);
}

VM_METHOD(intersect)
{
	struct value list;
	return compare_sets(x, self, args, true, &list) && vm_call(x, M_UNIQ, &list, NULL, 0, NULL, out);
}

VM_METHOD(unite)
{
	struct value list;
	return plus(x, self, args, 1, NULL, &list) && vm_call(x, M_UNIQ, &list, NULL, 0, NULL, out);
}

/* ---- others ------------------------------------------------------------------------------------------------------- */

VM_METHOD(compact)
{
	struct value list, v;
	if (!vm_new_array(x, &list))
		return false;
	for (uint32_t i = 0; i < self->array->n; i++)
		if (!vm_fetch(x, &self->array->v[i], &v) || (v.type != VALUE_NIL && !vm_push(x, &list, &v)))
			return false;
	return vm_set(out, &list);
}

static bool flatten_into(
	struct expr_vm *x, struct value_array *array, int64_t levels, unsigned depth, struct value *list)
{
	if (!depth)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "tried to flatten recursive array");
	for (uint32_t i = 0; i < array->n; i++) {
		struct value v;
		if (!vm_fetch(x, &array->v[i], &v))
			return false;
		if (v.type == VALUE_ARRAY && levels != 0 ? !flatten_into(x, v.array, levels - 1, depth - 1, list)
							 : !vm_push(x, list, &v))
			return false;
	}
	return true;
}

VM_METHOD(flatten)
{
	struct value list;
	int64_t levels = -1;
	if ((n && args[0].type != VALUE_NIL && !vm_want_int(x, &args[0], &levels)) || !vm_new_array(x, &list))
		return false;
	return flatten_into(x, self->array, levels, VALUE_DEPTH_MAX, &list) && vm_set(out, &list);
}

VM_METHOD(reverse)
{
	struct value list;
	if (!vm_new_array(x, &list))
		return false;
	for (uint32_t i = self->array->n; i-- > 0;)
		if (!vm_push(x, &list, &self->array->v[i]))
			return false;
	return vm_set(out, &list);
}

VM_METHOD(dup)
{
	return sub_array(x, self->array, 0, self->array->n, out);
}

VM_METHOD(itself)
{
	return vm_set(out, self);
}

VM_METHOD(each_index)
{
	const struct value copy = *self;
	if (!vm_enum_need_block(x, b))
		return false;
	for (uint32_t i = 0; i < copy.array->n; i++) {
		struct value v = value_int(i), ignored;
		if (!vm_block_one(x, b, &v, &ignored))
			return false;
	}
	return vm_set(out, &copy);
}

/* ---- changing in place -------------------------------------------------------------------------------------------- */

VM_METHOD(push)
{
	struct value list = *self;
	for (unsigned i = 0; i < n; i++)
		if (!vm_push(x, &list, &args[i]))
			return false;
	return vm_set(out, &list);
}

static void remove_at(struct value_array *array, uint32_t i)
{
	memmove(&array->v[i], &array->v[i + 1], (array->n - i - 1) * sizeof *array->v);
	array->n--;
}

VM_METHOD(pop)
{
	struct value_array *array = self->array;
	if (!array->n)
		return vm_set_nil(out);
	return vm_fetch(x, &array->v[--array->n], out);
}

VM_METHOD(shift)
{
	struct value_array *array = self->array;
	if (!array->n)
		return vm_set_nil(out);
	if (!vm_fetch(x, &array->v[0], out))
		return false;
	array->v++;
	array->n--;
	array->cap--;
	return true;
}

/* Puts elements before place `at`. */
static bool insert_at(struct expr_vm *x, const struct value *self, uint32_t at, const struct value *v, unsigned n)
{
	struct value_array *array = self->array;
	uint32_t old = array->n;
	if (!vm_step(x, old) || !value_array_extend(&x->arena, array, old + n))
		return x->jump == JUMP_RAISE ? false : vm_no_room(x);
	memmove(&array->v[at + n], &array->v[at], (old - at) * sizeof *array->v);
	for (unsigned i = 0; i < n; i++) {
		array->v[at + i] = v[i];
		if (!vm_keep(x, &array->v[at + i]))
			return false;
	}
	return true;
}

VM_METHOD(unshift)
{
	return insert_at(x, self, 0, args, n) && vm_set(out, self);
}

VM_METHOD(insert)
{
	int64_t at;
	if (!vm_want_int(x, &args[0], &at))
		return false;
	if (at < 0)
		at += self->array->n + 1;
	if (at < 0 || at > self->array->n)
		return vm_raise(x, MODULE_INDEX_ERROR, "index %lld outside of the array", (long long)at);
	return insert_at(x, self, (uint32_t)at, args + 1, n - 1) && vm_set(out, self);
}

VM_METHOD(delete)
{
	struct value_array *array = self->array;
	struct value found = value_nil();
	uint32_t kept = 0, count = array->n;
	for (uint32_t i = 0; i < count; i++) {
		bool equal;
		if (!vm_equal(x, &array->v[i], &args[0], &equal))
			return false;
		if (equal)
			found = args[0];
		else
			array->v[kept++] = array->v[i];
	}
	array->n = kept;
	return vm_set(out, &found);
}

VM_METHOD(delete_at)
{
	struct value v;
	int64_t i;
	if (!vm_want_int(x, &args[0], &i))
		return false;
	if (i < 0)
		i += self->array->n;
	if (i < 0 || i >= self->array->n)
		return vm_set_nil(out);
	if (!vm_fetch(x, &self->array->v[i], &v))
		return false;
	remove_at(self->array, (uint32_t)i);
	return vm_set(out, &v);
}

VM_METHOD(concat)
{
	struct value list = *self;
	for (unsigned k = 0; k < n; k++) {
		struct value_array *other;
		if (!want_array(x, &args[k], &other))
			return false;
		for (uint32_t i = 0, count = other->n; i < count; i++)
			if (!vm_push(x, &list, &other->v[i]))
				return false;
	}
	return vm_set(out, &list);
}

VM_METHOD(clear)
{
	self->array->n = 0;
	return vm_set(out, self);
}

VM_METHOD(replace)
{
	struct value copy;
	struct value_array *other;
	if (!want_array(x, &args[0], &other) || !sub_array(x, other, 0, other->n, &copy))
		return false;
	*self->array = *copy.array;
	return vm_set(out, self);
}

VM_IN_PLACE(map_x, M_MAP, false)
VM_IN_PLACE(select_x, M_SELECT, true)
VM_IN_PLACE(keep_if, M_SELECT, false)
VM_IN_PLACE(reject_x, M_REJECT, true)
VM_IN_PLACE(delete_if, M_REJECT, false)
VM_IN_PLACE(compact_x, M_COMPACT, true)
VM_IN_PLACE(uniq_x, M_UNIQ, true)
VM_IN_PLACE(flatten_any, M_FLATTEN, false)
VM_IN_PLACE(sort_x, M_SORT, false)
VM_IN_PLACE(sort_by_x, M_SORT_BY, false)
VM_IN_PLACE(reverse_x, M_REVERSE, false)

/* nil if no element is an array: that their number stays is not enough. */
VM_METHOD(flatten_x)
{
	bool nested = false;
	for (uint32_t i = 0; i < self->array->n && !nested; i++) {
		struct value v;
		if (!vm_fetch(x, &self->array->v[i], &v))
			return false;
		nested = v.type == VALUE_ARRAY;
	}
	return flatten_any(x, self, args, n, b, out) && (nested || vm_set_nil(out));
}

VM_METHOD(slice_x)
{
	struct value v;
	int64_t from, count = 1;
	bool inside = true;
	if (!part(x, self, args, n, b, &v))
		return false;
	if (args[0].type == VALUE_RANGE) {
		if (!vm_range_of(x, args[0].other, self->array->n, &from, &count, &inside))
			return false;
	} else if (!vm_want_int(x, &args[0], &from) || (n > 1 && !vm_want_int(x, &args[1], &count))) {
		return false;
	}
	if (inside && from < 0)
		from += self->array->n;
	if (inside && from >= 0)
		for (; count > 0 && from < self->array->n; count--)
			remove_at(self->array, (uint32_t)from);
	return vm_set(out, &v);
}

const struct expr_method vm_array_methods[M_COUNT_OF_METHODS] = {
	[M_INDEX] = {part, 1, 2},
	[M_SLICE] = {part, 1, 2},
	[M_AT] = {part, 1, 1},
	[M_INDEX_SET] = {set_at, 2, 3},
	[M_FETCH] = {fetch, 1, 2},
	[M_DIG] = {dig, 1, EXPR_ANY_ARGS},
	[M_VALUES_AT] = {values_at, 0, EXPR_ANY_ARGS},
	[M_LENGTH] = {length, 0, 0},
	[M_SIZE] = {length, 0, 0},
	[M_EMPTY] = {empty, 0, 0},
	[M_LAST] = {last, 0, 1},
	[M_JOIN] = {join, 0, 1},
	[M_PLUS] = {plus, 1, 1},
	[M_MUL] = {multiply, 1, 1},
	[M_MINUS] = {minus, 1, 1},
	[M_DIFFERENCE] = {minus, 1, 1},
	[M_AND] = {intersect, 1, 1},
	[M_INTERSECTION] = {intersect, 1, 1},
	[M_OR] = {unite, 1, 1},
	[M_UNION] = {unite, 1, 1},
	[M_COMPACT] = {compact, 0, 0},
	[M_FLATTEN] = {flatten, 0, 1},
	[M_REVERSE] = {reverse, 0, 0},
	[M_DUP] = {dup, 0, 0},
	[M_CLONE] = {dup, 0, 0},
	[M_TO_A] = {itself, 0, 0},
	[M_ENTRIES] = {dup, 0, 0},
	[M_EACH_INDEX] = {each_index, 0, 0},
	[M_PUSH] = {push, 0, EXPR_ANY_ARGS},
	[M_APPEND] = {push, 0, EXPR_ANY_ARGS},
	[M_SHL] = {push, 1, 1},
	[M_POP] = {pop, 0, 0},
	[M_SHIFT] = {shift, 0, 0},
	[M_UNSHIFT] = {unshift, 0, EXPR_ANY_ARGS},
	[M_PREPEND] = {unshift, 0, EXPR_ANY_ARGS},
	[M_INSERT] = {insert, 1, EXPR_ANY_ARGS},
	[M_DELETE] = {delete, 1, 1},
	[M_DELETE_AT] = {delete_at, 1, 1},
	[M_CONCAT] = {concat, 0, EXPR_ANY_ARGS},
	[M_CLEAR] = {clear, 0, 0},
	[M_REPLACE] = {replace, 1, 1},
	[M_MAP_X] = {map_x, 0, 0},
	[M_COLLECT_X] = {map_x, 0, 0},
	[M_SELECT_X] = {select_x, 0, 0},
	[M_FILTER_X] = {select_x, 0, 0},
	[M_KEEP_IF] = {keep_if, 0, 0},
	[M_REJECT_X] = {reject_x, 0, 0},
	[M_DELETE_IF] = {delete_if, 0, 0},
	[M_COMPACT_X] = {compact_x, 0, 0},
	[M_UNIQ_X] = {uniq_x, 0, 0},
	[M_FLATTEN_X] = {flatten_x, 0, 1},
	[M_SORT_X] = {sort_x, 0, 0},
	[M_SORT_BY_X] = {sort_by_x, 0, 0},
	[M_REVERSE_X] = {reverse_x, 0, 0},
	[M_SLICE_X] = {slice_x, 1, 2},
};
