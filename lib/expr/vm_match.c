/* vm_match.c: Regexp and MatchData. */
#include "expr/vm_search.h"

/* ---- Regexp ------------------------------------------------------------------------------------------------------- */

/* With the text on the other side; nil matches nothing. */
static bool turned(struct expr_vm *x, unsigned method, const struct value *self, const struct value *args, unsigned n,
	const struct expr_block *b, struct value *out, bool *done)
{
	struct value list[2] = {*self, n > 1 ? args[1] : value_nil()}, text = args[0];
	*done = text.type == VALUE_NIL;
	if (*done) {
		x->match = NULL;
		return true;
	}
	if (text.type == VALUE_SYM)
		text.type = VALUE_STR;
	/* `text.match("x")` was compiled to a regular expression before it was known that `text` is one too. */
	if (text.type == VALUE_REGEXP)
		text = value_str(span_str(((const struct expr_regexp *)text.other)->source));
	if (!value_is_str(&text))
		return vm_raise_conversion(x, &text, "String");
	return vm_call(x, method, &text, list, n, b, out);
}

VM_METHOD(re_match)
{
	bool nil;
	return turned(x, M_MATCH, self, args, n, b, out, &nil) && (!nil || vm_set_nil(out));
}

VM_METHOD(re_match_p)
{
	bool nil;
	return turned(x, M_MATCH_P, self, args, n, b, out, &nil) && (!nil || vm_set_bool(out, false));
}

VM_METHOD(re_match_op)
{
	bool nil;
	return turned(x, M_MATCH_OP, self, args, n, b, out, &nil) && (!nil || vm_set_nil(out));
}

VM_METHOD(re_source)
{
	return vm_set_str(out, span_str(((const struct expr_regexp *)self->other)->source));
}

static bool names_of(struct expr_vm *x, const struct expr_regexp *r, struct value *out)
{
	struct value list;
	if (!vm_new_array(x, &list))
		return false;
	for (size_t i = 0; r && i < r->group_count; i++) {
		struct value v = value_str(r->groups[i].name);
		if (!vm_push(x, &list, &v))
			return false;
	}
	return vm_set(out, &list);
}

VM_METHOD(re_names)
{
	return names_of(x, self->other, out);
}

const struct expr_method vm_regexp_methods[M_COUNT_OF_METHODS] = {
	[M_MATCH] = {re_match, 1, 2},
	[M_MATCH_P] = {re_match_p, 1, 2},
	[M_MATCH_OP] = {re_match_op, 1, 1},
	[M_SOURCE] = {re_source, 0, 0},
	[M_NAMES] = {re_names, 0, 0},
};

/* ---- MatchData ---------------------------------------------------------------------------------------------------- */

VM_METHOD(md_index)
{
	int64_t number;
	if (!vm_search_group_number(x, self->other, &args[0], &number))
		return false;
	return vm_group_value(self->other, number, out);
}

VM_METHOD(md_to_a)
{
	return vm_search_groups(x, self->other, 0, out);
}

VM_METHOD(md_captures)
{
	return vm_search_groups(x, self->other, 1, out);
}

VM_METHOD(md_named)
{
	const struct expr_match *m = self->other;
	struct value hash, v;
	if (!vm_new_hash(x, &hash))
		return false;
	for (size_t i = 0; m->regexp && i < m->regexp->group_count; i++) {
		const struct value key = value_str(m->regexp->groups[i].name);
		vm_group_value(m, expr_regexp_number(m->regexp, i), &v);
		if (!vm_put(x, &hash, &key, &v))
			return false;
	}
	return vm_set(out, &hash);
}

VM_METHOD(md_names)
{
	return names_of(x, ((const struct expr_match *)self->other)->regexp, out);
}

VM_METHOD(md_pre)
{
	const struct expr_match *m = self->other;
	return vm_set_str(out, span_of(m->text.p, m->group[0].from));
}

VM_METHOD(md_post)
{
	const struct expr_match *m = self->other;
	return vm_set_str(out, span_of(m->text.p + m->group[0].to, m->text.n - m->group[0].to));
}

static bool edge(struct expr_vm *x, const struct value *self, const struct value *args, bool end, struct value *out)
{
	const struct expr_match *m = self->other;
	int64_t i;
	if (!vm_search_group_number(x, m, &args[0], &i))
		return false;
	if (i < 0 || i >= m->count || m->group[i].from == SIZE_MAX)
		return vm_set_nil(out);
	return vm_set_int(out, (int64_t)vm_chars(span_of(m->text.p, end ? m->group[i].to : m->group[i].from)));
}

VM_METHOD(md_begin)
{
	return edge(x, self, args, false, out);
}

VM_METHOD(md_end)
{
	return edge(x, self, args, true, out);
}

VM_METHOD(md_values_at)
{
	struct value list, v;
	int64_t i;
	if (!vm_new_array(x, &list))
		return false;
	for (unsigned k = 0; k < n; k++) {
		if (!vm_search_group_number(x, self->other, &args[k], &i))
			return false;
		vm_group_value(self->other, i, &v);
		if (!vm_push(x, &list, &v))
			return false;
	}
	return vm_set(out, &list);
}

const struct expr_method vm_match_methods[M_COUNT_OF_METHODS] = {
	[M_INDEX] = {md_index, 1, 1},
	[M_TO_A] = {md_to_a, 0, 0},
	[M_CAPTURES] = {md_captures, 0, 0},
	[M_NAMED_CAPTURES] = {md_named, 0, 0},
	[M_NAMES] = {md_names, 0, 0},
	[M_PRE_MATCH] = {md_pre, 0, 0},
	[M_POST_MATCH] = {md_post, 0, 0},
	[M_BEGIN] = {md_begin, 1, 1},
	[M_END] = {md_end, 1, 1},
	[M_VALUES_AT] = {md_values_at, 0, EXPR_ANY_ARGS},
};
