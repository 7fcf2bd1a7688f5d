/* vm_enum.c: what arrays, hashes and ranges have in common (Enumerable): stepping, and what makes arrays. */
#include "expr/vm_enum.h"

/* ---- stepping ----------------------------------------------------------------------------------------------------- */

static bool start_range(struct expr_vm *x, const struct expr_range *r, struct vm_iter *it)
{
	if (r->first.type != VALUE_INT || (r->last.type != VALUE_INT && r->last.type != VALUE_NIL))
		return vm_raise(
			x, MODULE_TYPE_ERROR, "can't iterate from %s", expr_module_name(expr_module_of(&r->first)));
	int64_t last = r->last.type == VALUE_NIL ? INT64_MAX : r->last.i;
	it->next = r->first.i;
	it->left = last < it->next ? 0 : (uint64_t)last - (uint64_t)it->next + !r->exclusive;
	return true;
}

bool vm_enum_start(struct expr_vm *x, const struct value *of, struct vm_iter *it)
{
	*it = (struct vm_iter){.of = of, .n = of->type == VALUE_MAP ? 2 : 1};
	if (of->type == VALUE_RANGE)
		return start_range(x, of->other, it);
	if (of->type == VALUE_ARRAY) {
		it->end = of->array->n;
		return true;
	}
	if (!value_map_unique(&x->arena, of->map))
		return vm_no_room(x);
	it->end = of->map->n;
	return true;
}

bool vm_enum_next(struct expr_vm *x, struct vm_iter *it)
{
	if (!vm_step(x, 1))
		return false;
	if (it->of->type == VALUE_RANGE) {
		it->done = it->left == 0;
		it->item[0] = value_int(it->next);
		it->next += it->left > 1;
		it->left -= !it->done;
		return !it->done;
	}
	if (it->of->type == VALUE_ARRAY) {
		struct value_array *array = it->of->array;
		it->done = it->at >= it->end || it->at >= array->n;
		return !it->done && vm_fetch(x, &array->v[it->at++], &it->item[0]);
	}
	struct value_map *m = it->of->map;
	while (it->at < it->end && m->v[it->at].key.type == VALUE_NONE)
		it->at++;
	it->done = it->at >= it->end;
	if (it->done)
		return false;
	it->item[0] = m->v[it->at].key;
	return vm_fetch(x, &m->v[it->at++].value, &it->item[1]);
}

bool vm_enum_item(struct expr_vm *x, const struct vm_iter *it, struct value *v)
{
	return it->n == 2 ? vm_pair(x, &it->item[0], &it->item[1], v) : vm_set(v, &it->item[0]);
}

bool vm_enum_block(struct expr_vm *x, const struct vm_iter *it, const struct expr_block *b, struct value *out)
{
	if (it->n == 2)
		return vm_block_pair(x, b, &it->item[0], &it->item[1], out);
	return vm_block_one(x, b, &it->item[0], out);
}

bool vm_enum_to_array(struct expr_vm *x, const struct value *of, struct value *out)
{
	struct vm_iter it;
	struct value list, v;
	if (!vm_new_array(x, &list) || !vm_enum_start(x, of, &it))
		return false;
	while (vm_enum_next(x, &it))
		if (!vm_enum_item(x, &it, &v) || !vm_push(x, &list, &v))
			return false;
	return it.done && vm_set(out, &list);
}

bool vm_enum_check_key(struct expr_vm *x, const struct value *key)
{
	if (key->type == VALUE_ARRAY || key->type == VALUE_MAP)
		return vm_raise(x, MODULE_TYPE_ERROR, "weir has no arrays and hashes as keys of hashes");
	return true;
}

bool vm_enum_need_block(struct expr_vm *x, const struct expr_block *b)
{
	return b || vm_raise(x, MODULE_ARGUMENT_ERROR, "a block is needed here: weir has no enumerators");
}

bool vm_enum_in_place(struct expr_vm *x, unsigned method, const struct value *self, const struct value *args,
	unsigned n, const struct expr_block *b, bool nil_if_same, struct value *out)
{
	struct value made;
	bool same;
	if (!vm_call(x, method, self, args, n, b, &made))
		return false;
	if (self->type == VALUE_MAP) {
		same = made.map->live == self->map->live;
		*self->map = *made.map;
	} else {
		same = made.array->n == self->array->n;
		*self->array = *made.array;
	}
	return nil_if_same && same ? vm_set_nil(out) : vm_set(out, self);
}

/* ---- to arrays ---------------------------------------------------------------------------------------------------- */

VM_METHOD(to_a)
{
	return vm_enum_to_array(x, self, out);
}

enum collect { COLLECT_ALL, COLLECT_FLAT, COLLECT_TRUE };

static bool push_flat(struct expr_vm *x, struct value *list, const struct value *v)
{
	if (v->type != VALUE_ARRAY)
		return vm_push(x, list, v);
	for (uint32_t i = 0; i < v->array->n; i++)
		if (!vm_push(x, list, &v->array->v[i]))
			return false;
	return true;
}

static bool collect(
	struct expr_vm *x, const struct value *self, const struct expr_block *b, enum collect how, struct value *out)
{
	struct vm_iter it;
	struct value list, v;
	if (!b)
		return vm_enum_to_array(x, self, out);
	if (!vm_new_array(x, &list) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		if (!vm_enum_block(x, &it, b, &v))
			return false;
		if (how == COLLECT_TRUE && !vm_is_true(&v))
			continue;
		if (how == COLLECT_FLAT ? !push_flat(x, &list, &v) : !vm_push(x, &list, &v))
			return false;
	}
	return it.done && vm_set(out, &list);
}

VM_METHOD(map)
{
	return collect(x, self, b, COLLECT_ALL, out);
}

VM_METHOD(flat_map)
{
	return collect(x, self, b, COLLECT_FLAT, out);
}

VM_METHOD(filter_map)
{
	return collect(x, self, b, COLLECT_TRUE, out);
}

/* Elements for which the block is `wanted`; while: only up to the first for which it is not. */
static bool choose(
	struct expr_vm *x, const struct value *self, const struct expr_block *b, bool wanted, struct value *out)
{
	struct vm_iter it;
	struct value list, v;
	if (!vm_enum_need_block(x, b) || !vm_new_array(x, &list) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		if (!vm_enum_block(x, &it, b, &v))
			return false;
		if (vm_is_true(&v) == wanted && (!vm_enum_item(x, &it, &v) || !vm_push(x, &list, &v)))
			return false;
	}
	return it.done && vm_set(out, &list);
}

VM_METHOD(select)
{
	return choose(x, self, b, true, out);
}

VM_METHOD(reject)
{
	return choose(x, self, b, false, out);
}

VM_METHOD(partition)
{
	struct value yes, no;
	return choose(x, self, b, true, &yes) && choose(x, self, b, false, &no) && vm_pair(x, &yes, &no, out);
}

static bool take_or_drop(
	struct expr_vm *x, const struct value *self, const struct expr_block *b, bool take, struct value *out)
{
	struct vm_iter it;
	struct value list, v;
	bool dropping = true;
	if (!vm_enum_need_block(x, b) || !vm_new_array(x, &list) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		if (dropping && !vm_enum_block(x, &it, b, &v))
			return false;
		dropping = dropping && vm_is_true(&v);
		if (take && !dropping)
			return vm_set(out, &list);
		if (take == dropping && (!vm_enum_item(x, &it, &v) || !vm_push(x, &list, &v)))
			return false;
	}
	return it.done && vm_set(out, &list);
}

VM_METHOD(take_while)
{
	return take_or_drop(x, self, b, true, out);
}

VM_METHOD(drop_while)
{
	return take_or_drop(x, self, b, false, out);
}

static bool first_ones(struct expr_vm *x, const struct value *self, int64_t count, struct value *out)
{
	struct vm_iter it;
	struct value list, v;
	if (count < 0)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "attempt to take negative size");
	if (!vm_new_array(x, &list) || !vm_enum_start(x, self, &it))
		return false;
	for (; count && vm_enum_next(x, &it); count--)
		if (!vm_enum_item(x, &it, &v) || !vm_push(x, &list, &v))
			return false;
	return (!count || it.done) && vm_set(out, &list);
}

VM_METHOD(take)
{
	int64_t count;
	return vm_want_int(x, &args[0], &count) && first_ones(x, self, count, out);
}

VM_METHOD(first)
{
	struct value list;
	if (n)
		return take(x, self, args, n, b, out);
	if (!first_ones(x, self, 1, &list))
		return false;
	return list.array->n ? vm_set(out, &list.array->v[0]) : vm_set_nil(out);
}

VM_METHOD(drop)
{
	struct value list;
	int64_t count;
	if (!vm_want_int(x, &args[0], &count) || !vm_enum_to_array(x, self, &list))
		return false;
	if (count < 0)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "attempt to drop negative size");
	uint32_t gone = count < list.array->n ? (uint32_t)count : list.array->n;
	list.array->v += gone;
	list.array->n -= gone;
	list.array->cap -= gone;
	return vm_set(out, &list);
}

/* Slices of `count` elements; step: how far the next one begins behind. */
static bool slices(struct expr_vm *x, const struct value *self, const struct value *args, const struct expr_block *b,
	bool whole, struct value *out)
{
	struct value all, list, part, ignored;
	int64_t count;
	if (!vm_want_int(x, &args[0], &count) || !vm_enum_to_array(x, self, &all) || !vm_new_array(x, &list))
		return false;
	if (count <= 0)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "invalid slice size");
	for (uint32_t i = 0; i < all.array->n;
		i += whole ? (uint32_t)(count < UINT32_MAX / 2 ? count : UINT32_MAX / 2) : 1) {
		if (!whole && all.array->n - i < count)
			break;
		if (!vm_new_array(x, &part))
			return false;
		for (uint32_t k = i; k < all.array->n && k - i < count; k++)
			if (!vm_push(x, &part, &all.array->v[k]))
				return false;
		if (b ? !vm_block_one(x, b, &part, &ignored) : !vm_push(x, &list, &part))
			return false;
	}
	return vm_set(out, b ? self : &list);
}

VM_METHOD(each_slice)
{
	return slices(x, self, args, b, true, out);
}

VM_METHOD(each_cons)
{
	return slices(x, self, args, b, false, out);
}

VM_METHOD(zip)
{
	struct value left, right, list, pair;
	if (args[0].type != VALUE_ARRAY)
		return vm_raise_conversion(x, &args[0], "Array");
	if (!vm_enum_to_array(x, self, &left) || !vm_enum_to_array(x, &args[0], &right) || !vm_new_array(x, &list))
		return false;
	const struct value nil = value_nil();
	for (uint32_t i = 0; i < left.array->n; i++)
		if (!vm_pair(x, &left.array->v[i], i < right.array->n ? &right.array->v[i] : &nil, &pair) ||
			!vm_push(x, &list, &pair))
			return false;
	return vm_set(out, &list);
}

/* Whether `key` is in the first n of the list, where keys cannot be looked up. */
static bool seen_before(struct expr_vm *x, const struct value *keys, const struct value *key, bool *seen)
{
	*seen = false;
	for (uint32_t i = 0; i < keys->array->n && !*seen; i++)
		if (!vm_equal(x, &keys->array->v[i], key, seen))
			return false;
	return true;
}

VM_METHOD(uniq)
{
	struct vm_iter it;
	struct value list, keys, set, v, key;
	bool seen;
	if (!vm_new_array(x, &list) || !vm_new_array(x, &keys) || !vm_new_hash(x, &set) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		if (!vm_enum_item(x, &it, &v))
			return false;
		key = v;
		if (b && !vm_enum_block(x, &it, b, &key))
			return false;
		if (key.type == VALUE_ARRAY || key.type == VALUE_MAP) {
			if (!seen_before(x, &keys, &key, &seen) || (!seen && !vm_push(x, &keys, &key)))
				return false;
		} else {
			seen = value_map_find(&x->arena, set.map, &key) != NULL;
			if (!seen && !vm_put(x, &set, &key, &key))
				return false;
		}
		if (!seen && !vm_push(x, &list, &v))
			return false;
	}
	return it.done && vm_set(out, &list);
}

/* ---- each --------------------------------------------------------------------------------------------------------- */

VM_METHOD(each)
{
	struct vm_iter it;
	struct value ignored;
	const struct value copy = *self;
	if (!b)
		return vm_set(out, self);
	if (!vm_enum_start(x, &copy, &it))
		return false;
	while (vm_enum_next(x, &it))
		if (!vm_enum_block(x, &it, b, &ignored))
			return false;
	return it.done && vm_set(out, &copy);
}

/* The block with the element and its number, from `first` on; `map` collects what it gives. */
static bool with_index(struct expr_vm *x, const struct value *self, const struct value *args, unsigned n,
	const struct expr_block *b, bool map_it, struct value *out)
{
	struct vm_iter it;
	const struct value copy = *self;
	struct value list, pair[2], v;
	int64_t first = 0;
	if ((n && !vm_want_int(x, &args[0], &first)) || !vm_new_array(x, &list) || !vm_enum_start(x, &copy, &it))
		return false;
	for (int64_t i = first; vm_enum_next(x, &it); i++) {
		pair[1] = value_int(i);
		if (!vm_enum_item(x, &it, &pair[0]))
			return false;
		if (b ? !vm_block(x, b, pair, 2, &v) : !vm_pair(x, &pair[0], &pair[1], &v))
			return false;
		if ((map_it || !b) && !vm_push(x, &list, &v))
			return false;
	}
	return it.done && vm_set(out, b && !map_it ? &copy : &list);
}

VM_METHOD(each_with_index)
{
	return with_index(x, self, args, n, b, false, out);
}

VM_METHOD(map_with_index)
{
	return with_index(x, self, args, n, b, true, out);
}

VM_METHOD(each_with_object)
{
	struct vm_iter it;
	struct value pair[2] = {value_nil(), args[0]}, ignored;
	if (!vm_enum_need_block(x, b) || !vm_keep(x, &pair[1]) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it))
		if (!vm_enum_item(x, &it, &pair[0]) || !vm_block(x, b, pair, 2, &ignored))
			return false;
	return it.done && vm_set(out, &pair[1]);
}

VM_METHOD(reverse_each)
{
	struct value list, ignored;
	if (!vm_enum_need_block(x, b) || !vm_enum_to_array(x, self, &list))
		return false;
	for (uint32_t i = list.array->n; i-- > 0;)
		if (!vm_block_one(x, b, &list.array->v[i], &ignored))
			return false;
	return vm_set(out, self);
}

const struct expr_method vm_enum_methods[M_COUNT_OF_METHODS] = {
	[M_TO_A] = {to_a, 0, 0},
	[M_ENTRIES] = {to_a, 0, 0},
	[M_MAP] = {map, 0, 0},
	[M_COLLECT] = {map, 0, 0},
	[M_FLAT_MAP] = {flat_map, 0, 0},
	[M_COLLECT_CONCAT] = {flat_map, 0, 0},
	[M_FILTER_MAP] = {filter_map, 0, 0},
	[M_SELECT] = {select, 0, 0},
	[M_FILTER] = {select, 0, 0},
	[M_FIND_ALL] = {select, 0, 0},
	[M_REJECT] = {reject, 0, 0},
	[M_PARTITION] = {partition, 0, 0},
	[M_TAKE_WHILE] = {take_while, 0, 0},
	[M_DROP_WHILE] = {drop_while, 0, 0},
	[M_FIRST] = {first, 0, 1},
	[M_TAKE] = {take, 1, 1},
	[M_DROP] = {drop, 1, 1},
	[M_EACH_SLICE] = {each_slice, 1, 1},
	[M_EACH_CONS] = {each_cons, 1, 1},
	[M_ZIP] = {zip, 1, 1},
	[M_UNIQ] = {uniq, 0, 0},
	[M_EACH] = {each, 0, 0},
	[M_EACH_PAIR] = {each, 0, 0},
	[M_EACH_WITH_INDEX] = {each_with_index, 0, 0},
	[M_WITH_INDEX] = {map_with_index, 0, 1},
	[M_MAP_WITH_INDEX] = {map_with_index, 0, 1},
	[M_EACH_WITH_OBJECT] = {each_with_object, 1, 1},
	[M_REVERSE_EACH] = {reverse_each, 0, 0},
};
