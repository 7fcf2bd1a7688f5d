/* vm_split.c: parts of a String: scan, split, [] and what is like them. */
#include "expr/vm_search.h"

VM_METHOD(scan)
{
	struct vm_pattern p;
	struct span s;
	struct value list, v, ignored;
	const struct expr_match *m, *last = NULL;
	if (!vm_search_pattern(x, &args[0], &p) || !vm_search_subject(x, self, &p, &s) || !vm_new_array(x, &list))
		return false;
	for (size_t from = 0; from <= s.n;) {
		if (!vm_search_find(x, &p, s, from, &m))
			return false;
		if (!m)
			break;
		last = m;
		if (m->count > 1 ? !vm_search_groups(x, m, 1, &v) : !vm_group_value(m, 0, &v))
			return false;
		if (b ? !vm_block_one(x, b, &v, &ignored) : !vm_push(x, &list, &v))
			return false;
		from = m->group[0].to;
		if (m->group[0].from == m->group[0].to) {
			if (from == s.n)
				break;
			from = vm_search_next(s, from);
		}
	}
	x->match = last;
	return vm_set(out, b ? self : &list);
}

/* ---- split -------------------------------------------------------------------------------------------------------- */

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0;
}

static bool push_part(struct expr_vm *x, struct value *list, struct span s, size_t from, size_t to)
{
	struct value v = value_str(span_of(s.p + from, to - from));
	return vm_push(x, list, &v);
}

/* At blanks, those at the beginning do not count. */
static bool split_blanks(struct expr_vm *x, struct span s, int64_t limit, struct value *list)
{
	size_t i = 0;
	for (;;) {
		while (i < s.n && is_space(s.p[i]))
			i++;
		if (i >= s.n)
			return limit == 0 || !s.n || !is_space(s.p[s.n - 1]) || push_part(x, list, s, s.n, s.n);
		if (limit > 0 && list->array->n + 1 >= (uint64_t)limit)
			return push_part(x, list, s, i, s.n);
		size_t from = i;
		while (i < s.n && !is_space(s.p[i]))
			i++;
		if (!push_part(x, list, s, from, i))
			return false;
	}
}

static bool push_groups(struct expr_vm *x, const struct expr_match *m, struct value *list)
{
	for (uint32_t i = 1; i < m->count; i++) {
		struct value v;
		vm_group_value(m, i, &v);
		if (v.type != VALUE_NIL && !vm_push(x, list, &v))
			return false;
	}
	return true;
}

/* Between all characters: an empty pattern. */
static bool split_chars(struct expr_vm *x, struct span s, int64_t limit, struct value *list)
{
	size_t done = 0;
	while (done < s.n && (limit <= 0 || list->array->n + 1 < (uint64_t)limit)) {
		size_t next = vm_search_next(s, done);
		if (!push_part(x, list, s, done, next))
			return false;
		done = next;
	}
	return push_part(x, list, s, done, s.n);
}

/*
 * At each match. An empty match counts only behind a character, so the search goes on by one, and if the match there is empty too, that one character is a part: the order of
 * Ruby's own loop.
 */
static bool split_pattern(
	struct expr_vm *x, const struct vm_pattern *p, struct span s, int64_t limit, struct value *list)
{
	size_t done = 0, from = 0;
	bool stepped = false;
	for (int64_t parts = 1; limit <= 0 || parts < limit;) {
		const struct expr_match *m;
		if (from > s.n)
			break;
		if (!vm_search_find(x, p, s, from, &m))
			return false;
		if (!m)
			break;
		size_t start = m->group[0].from, end = m->group[0].to;
		if (start == from && start == end && !stepped) {
			from = from < s.n ? vm_search_next(s, from) : s.n + 1;
			stepped = true;
			continue;
		}
		bool empty = start == from && start == end;
		if (!push_part(x, list, s, done, empty ? vm_search_next(s, done) : start) || !push_groups(x, m, list))
			return false;
		done = from = empty ? from : end;
		stepped = false;
		parts++;
	}
	return (done == s.n && limit == 0) || push_part(x, list, s, done, s.n);
}

static void drop_empty_end(struct value_array *array)
{
	while (array->n && value_text(&array->v[array->n - 1]).n == 0)
		array->n--;
}

VM_METHOD(split)
{
	struct vm_pattern p = {.text = SPAN_LIT(" ")};
	struct span s;
	struct value list;
	const struct expr_match *before = x->match;
	int64_t limit = 0;
	if (n && args[0].type != VALUE_NIL && !vm_search_pattern(x, &args[0], &p))
		return false;
	if ((n > 1 && !vm_want_int(x, &args[1], &limit)) || !vm_search_subject(x, self, &p, &s) ||
		!vm_new_array(x, &list))
		return false;
	if (s.n) {
		bool good = p.regexp		   ? split_pattern(x, &p, s, limit, &list)
			    : span_is(p.text, " ") ? split_blanks(x, s, limit, &list)
			    : p.text.n		   ? split_pattern(x, &p, s, limit, &list)
						   : split_chars(x, s, limit, &list);
		if (!good)
			return false;
	}
	if (limit == 0)
		drop_empty_end(list.array);
	x->match = before;
	return vm_set(out, &list);
}

VM_METHOD(partition)
{
	struct vm_pattern p;
	struct span s;
	struct value list;
	const struct expr_match *m;
	if (!vm_search_pattern(x, &args[0], &p) || !vm_search_subject(x, self, &p, &s) ||
		!vm_search_find(x, &p, s, 0, &m) || !vm_new_array(x, &list))
		return false;
	size_t from = m ? m->group[0].from : s.n, to = m ? m->group[0].to : s.n;
	return push_part(x, &list, s, 0, from) && push_part(x, &list, s, from, to) && push_part(x, &list, s, to, s.n) &&
	       vm_set(out, &list);
}

VM_METHOD(rpartition)
{
	struct span s = value_text(self), part;
	struct value list;
	size_t from = 0, to = 0;
	if (!vm_want_str(x, &args[0], &part) || !vm_new_array(x, &list) || !vm_step(x, s.n / 16))
		return false;
	for (size_t i = s.n < part.n ? SIZE_MAX : s.n - part.n; i != SIZE_MAX; i--) {
		if (part.n == 0 || memcmp(s.p + i, part.p, part.n) == 0) {
			from = i;
			to = i + part.n;
			break;
		}
	}
	return push_part(x, &list, s, 0, from) && push_part(x, &list, s, from, to) && push_part(x, &list, s, to, s.n) &&
	       vm_set(out, &list);
}

/* ---- [] ----------------------------------------------------------------------------------------------------------- */

/* The part of the string that the arguments of [] mean; *there false: nil. */
static bool part_of(
	struct expr_vm *x, struct span s, const struct value *args, unsigned n, struct span *part, bool *there)
{
	struct vm_pattern p;
	const struct expr_match *m;
	int64_t from, count = 1, group = 0;
	*there = false;
	if (args[0].type == VALUE_RANGE) {
		if (!vm_range_of(x, args[0].other, (int64_t)vm_chars(s), &from, &count, there))
			return false;
		*there = *there && vm_substr(s, from, count, part);
		return true;
	}
	if (args[0].type == VALUE_REGEXP || value_is_str(&args[0])) {
		if (!vm_search_pattern(x, &args[0], &p) || !vm_search_find(x, &p, s, 0, &m))
			return false;
		if (!m)
			return true;
		if (n > 1 && !vm_search_group_number(x, m, &args[1], &group))
			return false;
		*part = vm_group(m, group, there);
		return true;
	}
	if (!vm_want_int(x, &args[0], &from) || (n > 1 && !vm_want_int(x, &args[1], &count)))
		return false;
	*there = vm_substr(s, from, count, part) && (n > 1 || part->n);
	return true;
}

VM_METHOD(part)
{
	const struct vm_pattern p = {.regexp = args[0].type == VALUE_REGEXP ? args[0].other : NULL};
	struct span s, found;
	bool there;
	if (!vm_search_subject(x, self, &p, &s) || !part_of(x, s, args, n, &found, &there))
		return false;
	return there ? vm_set_str(out, found) : vm_set_nil(out);
}

/* Puts `by` in the place of `part`, which is in s. */
static bool splice(struct expr_vm *x, const struct value *self, struct span s, struct span part, struct span by)
{
	struct vm_text t = {0};
	struct value made;
	size_t from = (size_t)(part.p - s.p);
	if (!vm_text_put(x, &t, span_of(s.p, from)) || !vm_text_put(x, &t, by) ||
		!vm_text_put(x, &t, span_of(part.p + part.n, s.n - from - part.n)))
		return false;
	vm_text_end(&t, &made);
	if (self->type == VALUE_BOX)
		self->box->s = made.s;
	return true;
}

VM_METHOD(slice_x)
{
	struct span s = value_text(self), part;
	bool there;
	if (!part_of(x, s, args, n, &part, &there))
		return false;
	if (!there)
		return vm_set_nil(out);
	return splice(x, self, s, part, (struct span){0}) && vm_set_str(out, part);
}

VM_METHOD(index_set)
{
	struct span s = value_text(self), part, by;
	bool there;
	if (!vm_want_str(x, &args[n - 1], &by) || !part_of(x, s, args, n - 1, &part, &there))
		return false;
	if (!there)
		return vm_raise(x, MODULE_INDEX_ERROR, "index out of string");
	return splice(x, self, s, part, by) && vm_set(out, &args[n - 1]);
}

const struct expr_method vm_split_methods[M_COUNT_OF_METHODS] = {
	[M_SCAN] = {scan, 1, 1},
	[M_SPLIT] = {split, 0, 2},
	[M_PARTITION] = {partition, 1, 1},
	[M_RPARTITION] = {rpartition, 1, 1},
	[M_INDEX] = {part, 1, 2},
	[M_SLICE] = {part, 1, 2},
	[M_SLICE_X] = {slice_x, 1, 2},
	[M_INDEX_SET] = {index_set, 2, 3},
};
