/* vm_call.c: methods by the class of their receiver, and blocks with their parameters. */
#include "expr/vm.h"

/* ---- calling ------------------------------------------------------------------------------------------------------ */

/* The tables of each class, in the order in which they are searched; what all objects can do comes last. */
#define TABLES_MAX 5
static const struct expr_method *const tables[VALUE_TYPES][TABLES_MAX] = {
	[VALUE_NIL] = {vm_nil_methods},
	[VALUE_INT] = {vm_int_methods},
	[VALUE_UINT] = {vm_int_methods},
	[VALUE_FLOAT] = {vm_float_methods},
	[VALUE_STR] = {vm_str_methods, vm_split_methods, vm_search_methods, vm_convert_methods},
	[VALUE_BOX] = {vm_str_methods, vm_split_methods, vm_search_methods, vm_convert_methods},
	[VALUE_SYM] = {vm_sym_methods},
	[VALUE_TIME] = {vm_time_methods},
	[VALUE_ARRAY] = {vm_array_methods, vm_enum_methods, vm_reduce_methods, vm_sort_methods},
	[VALUE_MAP] = {vm_hash_methods, vm_enum_methods, vm_reduce_methods, vm_sort_methods},
	[VALUE_RANGE] = {vm_range_methods, vm_enum_methods, vm_reduce_methods, vm_sort_methods},
	[VALUE_REGEXP] = {vm_regexp_methods},
	[VALUE_MATCH] = {vm_match_methods},
};

static bool no_method(struct expr_vm *x, unsigned method, const struct value *self)
{
	const char *name = expr_method_name(method);
	if (self->type == VALUE_NIL)
		return vm_raise(x, MODULE_NO_METHOD_ERROR, "undefined method `%s' for nil:NilClass", name);
	if (self->type == VALUE_BOOL)
		return vm_raise(x, MODULE_NO_METHOD_ERROR, "undefined method `%s' for %s", name,
			self->b ? "true:TrueClass" : "false:FalseClass");
	return vm_raise(x, MODULE_NO_METHOD_ERROR, "undefined method `%s' for an instance of %s", name,
		expr_module_name(expr_module_of(self)));
}

static const struct expr_method *find_method(unsigned method, const struct value *self)
{
	for (const struct expr_method *const *t = tables[self->type]; *t; t++)
		if ((*t)[method].fn)
			return &(*t)[method];
	const struct expr_method *m = &vm_object_methods[method];
	return m->fn ? m : NULL;
}

/*
 * fluentd's EventTime passes on what it does not know to its seconds; *self becomes them. What they do not know either (strftime) it can do here, where Ruby would
 * raise.
 */
static const struct expr_method *find_event_time_method(
	unsigned method, const struct value **self, struct value *seconds)
{
	if (vm_event_time_methods[method].fn)
		return &vm_event_time_methods[method];
	if (vm_int_methods[method].fn || !vm_time_methods[method].fn) {
		*seconds = value_int((*self)->time.sec);
		*self = seconds;
	}
	return find_method(method, *self);
}

bool vm_call(struct expr_vm *x, unsigned method, const struct value *self, const struct value *args, unsigned n,
	const struct expr_block *b, struct value *out)
{
	struct value seconds;
	bool is_event_time = self->type == VALUE_TIME && self->variant == TIME_EVENT;
	const struct expr_method *m = is_event_time ? find_event_time_method(method, &self, &seconds)
						    : find_method(method, self);
	if (!m)
		return no_method(x, method, self);
	if (n < m->min || (n > m->max && m->max != EXPR_ANY_ARGS))
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "wrong number of arguments (given %u, expected %u%s)", n,
			m->min, m->max > m->min ? " or more" : "");
	return vm_step(x, 1) && m->fn(x, self, args, n, b, out);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

static bool bind(
	struct expr_vm *x, const struct expr_target *targets, unsigned count, const struct value *args, unsigned n);

static bool bind_splat(struct expr_vm *x, const struct expr_target *t, const struct value *args, unsigned n)
{
	struct value rest;
	if (!vm_new_array(x, &rest))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!vm_push(x, &rest, &args[i]))
			return false;
	x->vars[t->slot] = rest;
	return true;
}

/* Decodes all of an array, so that its elements can be passed as arguments. */
bool vm_load_elements(struct expr_vm *x, struct value_array *array)
{
	struct value ignored;
	if (!vm_step(x, array->n))
		return false;
	for (uint32_t i = 0; i < array->n; i++)
		if (!vm_fetch(x, &array->v[i], &ignored))
			return false;
	return true;
}

bool vm_bind(struct expr_vm *x, const struct expr_target *t, const struct value *v)
{
	if (v->type != VALUE_ARRAY)
		return bind(x, t->list, t->count, v, 1);
	return vm_load_elements(x, v->array) && bind(x, t->list, t->count, v->array->v, v->array->n);
}

static bool bind(
	struct expr_vm *x, const struct expr_target *targets, unsigned count, const struct value *args, unsigned n)
{
	unsigned from = 0;
	for (unsigned i = 0; i < count; i++) {
		const struct expr_target *t = &targets[i];
		unsigned behind = count - i - 1;
		if (t->splat) {
			unsigned rest = n > from + behind ? n - from - behind : 0;
			if (!bind_splat(x, t, args + from, rest))
				return false;
			from += rest;
			continue;
		}
		struct value v = from < n ? args[from] : value_nil();
		from++;
		if (t->list ? !vm_bind(x, t, &v) : !vm_keep(x, &v))
			return false;
		if (!t->list)
			x->vars[t->slot] = v;
	}
	return true;
}

static bool run_block(
	struct expr_vm *x, const struct expr_block *b, const struct value *args, unsigned n, struct value *out)
{
	if (!vm_step(x, 1) || !bind(x, b->params, b->count, args, n))
		return false;
	if (vm_eval(x, b->body, out))
		return true;
	if (x->jump != JUMP_NEXT)
		return false;
	x->jump = JUMP_NONE;
	*out = x->jump_value;
	return true;
}

bool vm_block(struct expr_vm *x, const struct expr_block *b, const struct value *args, unsigned n, struct value *out)
{
	if (b->symbol >= 0)
		return vm_call(x, (unsigned)b->symbol, &args[0], args + 1, n - 1, NULL, out);
	/* One array for several parameters is taken apart. */
	if (n == 1 && args[0].type == VALUE_ARRAY && (b->count > 1 || b->trailing)) {
		struct value_array *array = args[0].array;
		return vm_load_elements(x, array) && run_block(x, b, array->v, array->n, out);
	}
	return run_block(x, b, args, n, out);
}

bool vm_block_one(struct expr_vm *x, const struct expr_block *b, const struct value *v, struct value *out)
{
	return vm_block(x, b, v, 1, out);
}

bool vm_block_pair(struct expr_vm *x, const struct expr_block *b, const struct value *key, const struct value *v,
	struct value *out)
{
	struct value pair[2] = {*key, *v};
	if (b->symbol < 0 && b->count != 1)
		return run_block(x, b, pair, 2, out);
	struct value array;
	return vm_pair(x, key, v, &array) && vm_block(x, b, &array, 1, out);
}
