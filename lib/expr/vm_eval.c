/* vm_eval.c: walks the tree. Its depth, and so the stack, is bounded by the tree's height, since there are no procedures: a block is only called from below its own call. */
#include "expr/vm.h"

#define INLINE_ARGS 6

/* ---- nodes -------------------------------------------------------------------------------------------------------- */

struct args {
	struct value inlined[INLINE_ARGS];
	struct value *v;
	unsigned n;
};

static bool has_splat(const struct expr_node *n)
{
	for (unsigned i = 0; i < n->count; i++)
		if (n->args[i]->kind == NODE_SPLAT)
			return true;
	return false;
}

/* *x: an array's elements, a hash's pairs, nothing for nil, else the value itself. */
static bool eval_splat(struct expr_vm *x, const struct expr_node *n, struct value *list)
{
	struct value v;
	if (!vm_eval(x, n->a, &v))
		return false;
	if (v.type == VALUE_NIL)
		return true;
	if (v.type == VALUE_MAP || v.type == VALUE_RANGE)
		if (!vm_call(x, M_TO_A, &v, NULL, 0, NULL, &v))
			return false;
	if (v.type != VALUE_ARRAY)
		return vm_push(x, list, &v);
	if (!vm_load_elements(x, v.array))
		return false;
	for (uint32_t i = 0; i < v.array->n; i++)
		if (!vm_push(x, list, &v.array->v[i]))
			return false;
	return true;
}

/* The elements of an array, or arguments with *x among them. */
static bool eval_list(struct expr_vm *x, const struct expr_node *n, struct value *list)
{
	if (!vm_new_array(x, list))
		return false;
	for (unsigned i = 0; i < n->count; i++) {
		struct value v;
		if (n->args[i]->kind == NODE_SPLAT) {
			if (!eval_splat(x, n->args[i], list))
				return false;
			continue;
		}
		if (!vm_eval(x, n->args[i], &v) || !vm_push(x, list, &v))
			return false;
	}
	return true;
}

static bool eval_args(struct expr_vm *x, const struct expr_node *n, struct args *a)
{
	a->v = a->inlined;
	a->n = n->count;
	if (has_splat(n)) {
		struct value list;
		if (!eval_list(x, n, &list))
			return false;
		a->v = list.array->v;
		a->n = list.array->n;
		return true;
	}
	if (n->count > INLINE_ARGS && !(a->v = arena_array(&x->arena, n->count, sizeof *a->v)))
		return vm_no_room(x);
	for (unsigned i = 0; i < n->count; i++)
		if (!vm_eval(x, n->args[i], &a->v[i]))
			return false;
	return true;
}

/* `time.utc` changes the time itself, for the expressions that follow as well. */
static void keep_zone(struct expr_vm *x, const struct expr_node *n, const struct value *v)
{
	if (n->a->kind != NODE_VAR || v->type != VALUE_TIME ||
		(n->method != M_UTC && n->method != M_GMTIME && n->method != M_LOCALTIME))
		return;
	x->vars[n->a->slot] = *v;
	if (n->a->slot == VAR_TIME && v->variant != TIME_EVENT)
		x->base[VAR_TIME] = *v;
}

static bool eval_call(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	struct value self;
	struct args a;
	if (!vm_eval(x, n->a, &self))
		return false;
	if (n->flag && self.type == VALUE_NIL)
		return vm_set_nil(out);
	if (!eval_args(x, n, &a))
		return false;
	if (vm_call(x, n->method, &self, a.v, a.n, n->block, out)) {
		keep_zone(x, n, out);
		return true;
	}
	if (!n->block || x->jump != JUMP_BREAK)
		return false;
	x->jump = JUMP_NONE;
	*out = x->jump_value;
	return true;
}

static bool eval_function(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	struct args a;
	return eval_args(x, n, &a) && vm_step(x, 1) && vm_function(x, n, a.v, a.n, out);
}

static bool eval_text(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	struct span parts[64];
	size_t total = 0;
	for (unsigned i = 0; i < n->count; i++) {
		struct value v;
		if (!vm_eval(x, n->args[i], &v) || !vm_to_s(x, &v, &parts[i]))
			return false;
		total += parts[i].n;
	}
	uint8_t *p = vm_bytes(x, total);
	if (!p)
		return false;
	*out = value_str(span_of(p, total));
	for (unsigned i = 0; i < n->count; i++) {
		if (parts[i].n)
			memcpy(p, parts[i].p, parts[i].n);
		p += parts[i].n;
	}
	return true;
}

static bool eval_hash(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	struct value hash, key, v;
	if (!vm_new_hash(x, &hash))
		return false;
	for (unsigned i = 0; i + 1 < n->count; i += 2)
		if (!vm_eval(x, n->args[i], &key) || !vm_eval(x, n->args[i + 1], &v) || !vm_put(x, &hash, &key, &v))
			return false;
	*out = hash;
	return true;
}

static bool eval_range(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	struct expr_range *r = arena_alloc(&x->arena, sizeof *r);
	if (!r)
		return vm_no_room(x);
	r->exclusive = n->flag;
	if (!vm_eval(x, n->a, &r->first) || !vm_eval(x, n->b, &r->last))
		return false;
	*out = (struct value){.type = VALUE_RANGE, .other = r};
	return true;
}

static bool eval_set(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	if (!vm_eval(x, n->a, out) || !vm_keep(x, out))
		return false;
	x->vars[n->slot] = *out;
	return true;
}

static bool eval_set_many(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	if (!vm_eval(x, n->a, out))
		return false;
	const struct expr_target all = {.list = n->targets, .count = n->target_count};
	return vm_bind(x, &all, out);
}

static bool eval_index_set(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	struct value self, result, args[4];
	if (n->count > 2)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "wrong number of arguments");
	if (!vm_eval(x, n->a, &self))
		return false;
	for (unsigned i = 0; i < n->count; i++)
		if (!vm_eval(x, n->args[i], &args[i]))
			return false;
	if (!vm_eval(x, n->b, out) || !vm_keep(x, out))
		return false;
	args[n->count] = *out;
	return vm_call(x, M_INDEX_SET, &self, args, n->count + 1u, NULL, &result);
}

/* What op= makes of the old value; *skip: nothing is to be set. */
static bool eval_op(
	struct expr_vm *x, const struct expr_node *n, const struct value *old, struct value *out, bool *skip)
{
	struct value v;
	*skip = n->op == NODE_OR ? vm_is_true(old) : n->op == NODE_AND && !vm_is_true(old);
	if (*skip)
		return vm_set(out, old);
	if (!vm_eval(x, n->b, &v))
		return false;
	if (n->op != NODE_CALL)
		return vm_set(out, &v);
	return vm_call(x, n->method, old, &v, 1, NULL, out);
}

static bool eval_op_set(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	struct value self, old, result, args[4];
	const struct expr_node *to = n->a;
	bool skip;
	if (to->kind == NODE_VAR) {
		if (!eval_op(x, n, &x->vars[to->slot], out, &skip) || !vm_keep(x, out))
			return false;
		x->vars[to->slot] = *out;
		return true;
	}
	if (to->count > 2)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "wrong number of arguments");
	if (!vm_eval(x, to->a, &self))
		return false;
	for (unsigned i = 0; i < to->count; i++)
		if (!vm_eval(x, to->args[i], &args[i]))
			return false;
	if (!vm_call(x, M_INDEX, &self, args, to->count, NULL, &old) || !eval_op(x, n, &old, out, &skip))
		return false;
	if (skip)
		return true;
	if (!vm_keep(x, out))
		return false;
	args[to->count] = *out;
	return vm_call(x, M_INDEX_SET, &self, args, to->count + 1u, NULL, &result);
}

/* Whether a `when` takes the value. */
static bool eval_when(struct expr_vm *x, const struct expr_node *cond, const struct value *subject, bool *yes)
{
	struct value v;
	if (cond->kind == NODE_OR) {
		if (!eval_when(x, cond->a, subject, yes))
			return false;
		return *yes || eval_when(x, cond->b, subject, yes);
	}
	return vm_eval(x, cond->a, &v) && vm_step(x, 1) && vm_case_equal(x, &v, subject, yes);
}

static bool eval_case(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	struct value subject, v;
	if (n->a && !vm_eval(x, n->a, &subject))
		return false;
	for (unsigned i = 0; i + 1 < n->count; i += 2) {
		bool yes;
		if (n->a) {
			if (!eval_when(x, n->args[i], &subject, &yes))
				return false;
		} else {
			if (!vm_eval(x, n->args[i], &v))
				return false;
			yes = vm_is_true(&v);
		}
		if (yes)
			return vm_eval(x, n->args[i + 1], out);
	}
	return n->b ? vm_eval(x, n->b, out) : vm_set_nil(out);
}

/* The clause that takes what was raised, NULL if none does. */
static const struct expr_rescue *find_rescue(const struct expr_vm *x, const struct expr_node *n)
{
	if (x->jump != JUMP_RAISE)
		return NULL;
	for (unsigned i = 0; i < n->rescue_count; i++) {
		const struct expr_rescue *r = &n->rescues[i];
		if (r->count == 0 && expr_module_is_a(x->raised.class, MODULE_STANDARD_ERROR))
			return r;
		for (unsigned k = 0; k < r->count; k++)
			if (expr_module_is_a(x->raised.class, r->classes[k]))
				return r;
	}
	return NULL;
}

static bool run_rescue(struct expr_vm *x, const struct expr_rescue *r, struct value *out)
{
	x->jump = JUMP_NONE;
	if (r->slot >= 0) {
		struct expr_raised *copy = arena_copy(&x->arena, &x->raised, sizeof x->raised);
		if (!copy)
			return vm_no_room(x);
		x->vars[r->slot] = (struct value){.type = VALUE_ERROR, .other = copy};
	}
	return vm_eval(x, r->body, out);
}

static bool eval_rescue(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	bool good = vm_eval(x, n->a, out);
	const struct expr_rescue *r = good ? NULL : find_rescue(x, n);
	if (r)
		good = run_rescue(x, r, out);
	if (!n->b)
		return good;
	/* `ensure` runs in any case; what left the body goes on behind it. */
	const enum vm_jump jump = x->jump;
	const struct value value = x->jump_value;
	const struct expr_raised raised = x->raised;
	struct value ignored;
	x->jump = JUMP_NONE;
	if (!vm_eval(x, n->b, &ignored))
		return false;
	x->jump = jump;
	x->jump_value = value;
	x->raised = raised;
	return good;
}

static void eval_jump(struct expr_vm *x, const struct expr_node *n)
{
	x->jump_value = value_nil();
	if (!n->a || vm_eval(x, n->a, &x->jump_value))
		x->jump = n->kind == NODE_NEXT ? JUMP_NEXT : JUMP_BREAK;
}

static bool eval_group(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	const struct expr_match *m = x->match;
	if (!m)
		return vm_set_nil(out);
	switch (n->number) {
	case -1:
		*out = (struct value){.type = VALUE_MATCH, .other = m};
		return true;
	case -2:
		return vm_set_str(out, span_of(m->text.p, m->group[0].from));
	case -3:
		return vm_set_str(out, span_of(m->text.p + m->group[0].to, m->text.n - m->group[0].to));
	default:
		return vm_group_value(m, n->number, out);
	}
}

/* /(?<name>...)/ =~ text */
static bool eval_named(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	struct value text, regexp;
	if (!vm_eval(x, n->a, &regexp) || !vm_eval(x, n->args[0], &text) ||
		!vm_call(x, M_MATCH_OP, &regexp, &text, 1, NULL, out))
		return false;
	for (unsigned i = 0; i < n->target_count; i++) {
		struct value v = value_nil();
		if (out->type != VALUE_NIL)
			vm_group_value(x->match, expr_regexp_number(n->regexp, i), &v);
		if (!vm_keep(x, &v))
			return false;
		x->vars[n->targets[i].slot] = v;
	}
	return true;
}

static bool eval_if(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	struct value cond;
	if (!vm_eval(x, n->a, &cond))
		return false;
	const struct expr_node *part = vm_is_true(&cond) ? n->b : n->c;
	return part ? vm_eval(x, part, out) : vm_set_nil(out);
}

static bool eval_do(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	*out = value_nil();
	for (unsigned i = 0; i < n->count; i++)
		if (!vm_eval(x, n->args[i], out))
			return false;
	return true;
}

static bool eval_var(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	return vm_fetch(x, &x->vars[n->slot], out);
}

bool vm_eval(struct expr_vm *x, const struct expr_node *n, struct value *out)
{
	if (!vm_step(x, 1))
		return false;
	switch ((enum expr_kind)n->kind) {
	case NODE_VALUE:
		*out = n->value;
		return true;
	case NODE_TEXT:
		return eval_text(x, n, out);
	case NODE_ARRAY:
		return eval_list(x, n, out);
	case NODE_HASH:
		return eval_hash(x, n, out);
	case NODE_RANGE:
		return eval_range(x, n, out);
	case NODE_VAR:
		return eval_var(x, n, out);
	case NODE_SET:
		return eval_set(x, n, out);
	case NODE_SET_MANY:
		return eval_set_many(x, n, out);
	case NODE_CALL:
		return eval_call(x, n, out);
	case NODE_INDEX_SET:
		return eval_index_set(x, n, out);
	case NODE_OP_SET:
		return eval_op_set(x, n, out);
	case NODE_FUNCTION:
		return eval_function(x, n, out);
	case NODE_AND:
		return vm_eval(x, n->a, out) && (vm_is_true(out) ? vm_eval(x, n->b, out) : true);
	case NODE_OR:
		return vm_eval(x, n->a, out) && (vm_is_true(out) ? true : vm_eval(x, n->b, out));
	case NODE_NOT:
		return vm_eval(x, n->a, out) && vm_set_bool(out, !vm_is_true(out));
	case NODE_IF:
		return eval_if(x, n, out);
	case NODE_CASE:
		return eval_case(x, n, out);
	case NODE_DO:
		return eval_do(x, n, out);
	case NODE_RESCUE:
		return eval_rescue(x, n, out);
	case NODE_NEXT:
	case NODE_BREAK:
		eval_jump(x, n);
		return false;
	case NODE_GROUP:
		return eval_group(x, n, out);
	case NODE_NAMED:
		return eval_named(x, n, out);
	case NODE_SPLAT:
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "* is not possible here");
	}
	return false;
}

bool expr_eval(struct expr_vm *x, const struct expr *e, struct value *out)
{
	memcpy(x->vars, x->base, sizeof x->base);
	for (unsigned i = VAR_LOCAL; i < e->locals; i++)
		x->vars[i] = value_nil();
	x->jump = JUMP_NONE;
	x->match = NULL;
	return vm_eval(x, e->root, out);
}
