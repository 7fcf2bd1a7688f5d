/* vm_hash.c: Hash; what it shares with others is in vm_enum.c. */
#include "expr/vm_enum.h"

static bool want_hash(struct expr_vm *x, const struct value *v)
{
	return v->type == VALUE_MAP || vm_raise_conversion(x, v, "Hash");
}

/* The value of a key, fetched; *there false: none. */
static bool look(struct expr_vm *x, const struct value *self, const struct value *key, struct value *v, bool *there)
{
	struct value_pair *pair = value_map_find(&x->arena, self->map, key);
	*there = pair != NULL;
	return pair ? vm_fetch(x, &pair->value, v) : vm_set_nil(v);
}

static bool copy_of(struct expr_vm *x, const struct value *self, struct value *out)
{
	struct value_map *copy = value_map_copy(&x->arena, self->map);
	if (!copy)
		return vm_no_room(x);
	struct value v = {.type = VALUE_MAP, .map = copy};
	return vm_step(x, copy->n) && vm_set(out, &v);
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

VM_METHOD(get)
{
	bool there;
	return look(x, self, &args[0], out, &there);
}

VM_METHOD(fetch)
{
	struct span s;
	struct value v;
	bool there;
	if (!look(x, self, &args[0], &v, &there))
		return false;
	if (there)
		return vm_set(out, &v);
	if (b)
		return vm_block_one(x, b, &args[0], out);
	if (n > 1)
		return vm_set(out, &args[1]);
	if (!vm_inspect(x, &args[0], &s))
		return false;
	return vm_raise(x, MODULE_KEY_ERROR, "key not found: %.*s", (int)(s.n < 200 ? s.n : 200), (const char *)s.p);
}

VM_METHOD(dig)
{
	struct value v;
	bool there;
	if (!look(x, self, &args[0], &v, &there))
		return false;
	if (n == 1 || v.type == VALUE_NIL)
		return vm_set(out, &v);
	if (v.type == VALUE_MAP)
		return dig(x, &v, args + 1, n - 1, NULL, out);
	if (v.type == VALUE_ARRAY)
		return vm_call(x, M_DIG, &v, args + 1, n - 1, NULL, out);
	return vm_raise(x, MODULE_TYPE_ERROR, "%s does not have #dig method", expr_module_name(expr_module_of(&v)));
}

VM_METHOD(has_key)
{
	return vm_set_bool(out, value_map_find(&x->arena, self->map, &args[0]) != NULL);
}

static bool find_value(
	struct expr_vm *x, const struct value *self, const struct value *wanted, struct value *key, bool *found)
{
	struct vm_iter it;
	*found = false;
	if (!vm_enum_start(x, self, &it))
		return false;
	while (!*found && vm_enum_next(x, &it))
		if (!vm_equal(x, &it.item[1], wanted, found))
			return false;
	*key = it.item[0];
	return *found || it.done;
}

/* The key of a value, nil if there is none. */
VM_METHOD(key_of)
{
	struct value key;
	bool found;
	return find_value(x, self, &args[0], &key, &found) && (found ? vm_set(out, &key) : vm_set_nil(out));
}

VM_METHOD(has_value)
{
	struct value key;
	bool found;
	return find_value(x, self, &args[0], &key, &found) && vm_set_bool(out, found);
}

/* Keys (0) or values (1). */
static bool column(struct expr_vm *x, const struct value *self, unsigned which, struct value *out)
{
	struct vm_iter it;
	struct value list;
	if (!vm_new_array(x, &list) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it))
		if (!vm_push(x, &list, &it.item[which]))
			return false;
	return it.done && vm_set(out, &list);
}

VM_METHOD(keys)
{
	return column(x, self, 0, out);
}

VM_METHOD(values)
{
	return column(x, self, 1, out);
}

VM_METHOD(values_at)
{
	struct value list, v;
	bool there;
	if (!vm_new_array(x, &list))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!look(x, self, &args[i], &v, &there) || !vm_push(x, &list, &v))
			return false;
	return vm_set(out, &list);
}

VM_METHOD(length)
{
	if (!value_map_unique(&x->arena, self->map))
		return vm_no_room(x);
	return vm_set_int(out, self->map->live);
}

VM_METHOD(empty)
{
	return vm_set_bool(out, self->map->live == 0);
}

VM_METHOD(dup)
{
	return copy_of(x, self, out);
}

/* Each key (0) or value (1) to the block. */
static bool each_of(
	struct expr_vm *x, const struct value *self, const struct expr_block *b, unsigned which, struct value *out)
{
	struct vm_iter it;
	const struct value copy = *self;
	struct value ignored;
	if (!vm_enum_need_block(x, b) || !vm_enum_start(x, &copy, &it))
		return false;
	while (vm_enum_next(x, &it))
		if (!vm_block_one(x, b, &it.item[which], &ignored))
			return false;
	return it.done && vm_set(out, &copy);
}

VM_METHOD(each_key)
{
	return each_of(x, self, b, 0, out);
}

VM_METHOD(each_value)
{
	return each_of(x, self, b, 1, out);
}

/* ---- choosing ----------------------------------------------------------------------------------------------------- */

/* A new hash of the pairs for which the block is `wanted`. */
static bool choose(
	struct expr_vm *x, const struct value *self, const struct expr_block *b, bool wanted, struct value *out)
{
	struct vm_iter it;
	struct value hash, v;
	if (!vm_enum_need_block(x, b) || !vm_new_hash(x, &hash) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		if (!vm_block_pair(x, b, &it.item[0], &it.item[1], &v))
			return false;
		if (vm_is_true(&v) == wanted && !vm_put(x, &hash, &it.item[0], &it.item[1]))
			return false;
	}
	return it.done && vm_set(out, &hash);
}

VM_METHOD(select)
{
	return choose(x, self, b, true, out);
}

VM_METHOD(reject)
{
	return choose(x, self, b, false, out);
}

VM_METHOD(compact)
{
	struct vm_iter it;
	struct value hash;
	if (!vm_new_hash(x, &hash) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it))
		if (it.item[1].type != VALUE_NIL && !vm_put(x, &hash, &it.item[0], &it.item[1]))
			return false;
	return it.done && vm_set(out, &hash);
}

VM_METHOD(slice)
{
	struct value hash, v;
	bool there;
	if (!vm_new_hash(x, &hash))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!look(x, self, &args[i], &v, &there) || (there && !vm_put(x, &hash, &args[i], &v)))
			return false;
	return vm_set(out, &hash);
}

VM_METHOD(except)
{
	struct value hash;
	if (!copy_of(x, self, &hash))
		return false;
	for (unsigned i = 0; i < n; i++)
		value_map_remove(&x->arena, hash.map, &args[i], NULL);
	return vm_set(out, &hash);
}

/* ---- making others ------------------------------------------------------------------------------------------------ */

static bool merge_one(struct expr_vm *x, struct value *into, const struct value *from, const struct expr_block *b)
{
	struct vm_iter it;
	bool there;
	if (!want_hash(x, from) || !vm_enum_start(x, from, &it))
		return false;
	while (vm_enum_next(x, &it)) {
		struct value args[3] = {it.item[0], value_nil(), it.item[1]}, v = it.item[1];
		if (b && !look(x, into, &it.item[0], &args[1], &there))
			return false;
		if (b && there && !vm_block(x, b, args, 3, &v))
			return false;
		if (!vm_put(x, into, &it.item[0], &v))
			return false;
	}
	return it.done;
}

VM_METHOD(merge)
{
	struct value hash;
	if (!copy_of(x, self, &hash))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!merge_one(x, &hash, &args[i], b))
			return false;
	return vm_set(out, &hash);
}

VM_METHOD(merge_x)
{
	struct value hash = *self;
	for (unsigned i = 0; i < n; i++)
		if (!merge_one(x, &hash, &args[i], b))
			return false;
	return vm_set(out, &hash);
}

/* The new key: from the block, or from a hash of old to new ones. */
static bool new_key(struct expr_vm *x, const struct value *args, unsigned n, const struct expr_block *b,
	const struct value *key, struct value *made)
{
	bool there = false;
	if (n && (!want_hash(x, &args[0]) || !look(x, &args[0], key, made, &there)))
		return false;
	if (there)
		return vm_enum_check_key(x, made);
	if (!b)
		return n ? vm_set(made, key) : vm_enum_need_block(x, b);
	return vm_block_one(x, b, key, made) && vm_enum_check_key(x, made);
}

VM_METHOD(transform_keys)
{
	struct vm_iter it;
	struct value hash, key;
	if (!vm_new_hash(x, &hash) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it))
		if (!new_key(x, args, n, b, &it.item[0], &key) || !vm_put(x, &hash, &key, &it.item[1]))
			return false;
	return it.done && vm_set(out, &hash);
}

VM_METHOD(transform_values)
{
	struct vm_iter it;
	struct value hash, v;
	if (!vm_enum_need_block(x, b) || !vm_new_hash(x, &hash) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it))
		if (!vm_block_one(x, b, &it.item[1], &v) || !vm_put(x, &hash, &it.item[0], &v))
			return false;
	return it.done && vm_set(out, &hash);
}

VM_METHOD(invert)
{
	struct vm_iter it;
	struct value hash;
	if (!vm_new_hash(x, &hash) || !vm_enum_start(x, self, &it))
		return false;
	while (vm_enum_next(x, &it))
		if (!vm_enum_check_key(x, &it.item[1]) || !vm_put(x, &hash, &it.item[1], &it.item[0]))
			return false;
	return it.done && vm_set(out, &hash);
}

VM_METHOD(to_h)
{
	return b ? vm_reduce_methods[M_TO_H].fn(x, self, args, n, b, out) : vm_set(out, self);
}

/* ---- changing in place -------------------------------------------------------------------------------------------- */

VM_METHOD(set)
{
	struct value hash = *self;
	return vm_enum_check_key(x, &args[0]) && vm_put(x, &hash, &args[0], &args[1]) && vm_set(out, &args[1]);
}

VM_METHOD(delete)
{
	struct value v;
	bool there;
	if (!look(x, self, &args[0], &v, &there))
		return false;
	if (!there)
		return b ? vm_block_one(x, b, &args[0], out) : vm_set_nil(out);
	value_map_remove(&x->arena, self->map, &args[0], NULL);
	return vm_set(out, &v);
}

VM_METHOD(clear)
{
	*self->map = (struct value_map){.unique = true};
	return vm_set(out, self);
}

VM_METHOD(replace)
{
	struct value copy;
	if (!want_hash(x, &args[0]) || !copy_of(x, &args[0], &copy))
		return false;
	*self->map = *copy.map;
	return vm_set(out, self);
}

VM_IN_PLACE(select_x, M_SELECT, true)
VM_IN_PLACE(keep_if, M_SELECT, false)
VM_IN_PLACE(reject_x, M_REJECT, true)
VM_IN_PLACE(delete_if, M_REJECT, false)
VM_IN_PLACE(compact_x, M_COMPACT, true)
VM_IN_PLACE(transform_keys_x, M_TRANSFORM_KEYS, false)
VM_IN_PLACE(transform_values_x, M_TRANSFORM_VALUES, false)

const struct expr_method vm_hash_methods[M_COUNT_OF_METHODS] = {
	[M_INDEX] = {get, 1, 1},
	[M_INDEX_SET] = {set, 2, 2},
	[M_STORE] = {set, 2, 2},
	[M_FETCH] = {fetch, 1, 2},
	[M_DIG] = {dig, 1, EXPR_ANY_ARGS},
	[M_KEY_P] = {has_key, 1, 1},
	[M_HAS_KEY] = {has_key, 1, 1},
	[M_INCLUDE] = {has_key, 1, 1},
	[M_MEMBER] = {has_key, 1, 1},
	[M_VALUE_P] = {has_value, 1, 1},
	[M_HAS_VALUE] = {has_value, 1, 1},
	[M_KEY] = {key_of, 1, 1},
	[M_KEYS] = {keys, 0, 0},
	[M_VALUES] = {values, 0, 0},
	[M_VALUES_AT] = {values_at, 0, EXPR_ANY_ARGS},
	[M_LENGTH] = {length, 0, 0},
	[M_SIZE] = {length, 0, 0},
	[M_EMPTY] = {empty, 0, 0},
	[M_DUP] = {dup, 0, 0},
	[M_CLONE] = {dup, 0, 0},
	[M_TO_H] = {to_h, 0, 0},

	[M_EACH_KEY] = {each_key, 0, 0},
	[M_EACH_VALUE] = {each_value, 0, 0},
	[M_SELECT] = {select, 0, 0},
	[M_FILTER] = {select, 0, 0},
	[M_REJECT] = {reject, 0, 0},
	[M_COMPACT] = {compact, 0, 0},
	[M_SLICE] = {slice, 0, EXPR_ANY_ARGS},
	[M_EXCEPT] = {except, 0, EXPR_ANY_ARGS},
	[M_MERGE] = {merge, 0, EXPR_ANY_ARGS},
	[M_MERGE_X] = {merge_x, 0, EXPR_ANY_ARGS},
	[M_UPDATE] = {merge_x, 0, EXPR_ANY_ARGS},
	[M_TRANSFORM_KEYS] = {transform_keys, 0, 1},
	[M_TRANSFORM_VALUES] = {transform_values, 0, 0},
	[M_INVERT] = {invert, 0, 0},
	[M_DELETE] = {delete, 1, 1},
	[M_CLEAR] = {clear, 0, 0},
	[M_REPLACE] = {replace, 1, 1},
	[M_SELECT_X] = {select_x, 0, 0},
	[M_FILTER_X] = {select_x, 0, 0},
	[M_KEEP_IF] = {keep_if, 0, 0},
	[M_REJECT_X] = {reject_x, 0, 0},
	[M_DELETE_IF] = {delete_if, 0, 0},
	[M_COMPACT_X] = {compact_x, 0, 0},
	[M_TRANSFORM_KEYS_X] = {transform_keys_x, 0, 1},
	[M_TRANSFORM_VALUES_X] = {transform_values_x, 0, 0},
};
