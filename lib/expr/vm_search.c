/* vm_search.c: what looks for texts and regular expressions in a String; and MatchData and Regexp. */
#include "expr/vm_search.h"

#include "base/clock.h"
#include "base/utf8.h"

/*
 * A single search has a limit of steps, but a text may be searched many times: after so long the record fails. The clock is asked only where there are
 * several searches.
 */
#define SEARCH_TIME_MAX_NS (500 * NS_PER_MS)
#define SEARCHES_A_LOOK	   4

/* ---- one search --------------------------------------------------------------------------------------------------- */

static bool check_time(struct expr_vm *x)
{
	if (++x->searches % SEARCHES_A_LOOK)
		return true;
	int64_t now = clock_mono_ns();
	if (x->searches == SEARCHES_A_LOOK)
		x->search_since_ns = now;
	if (now - x->search_since_ns <= SEARCH_TIME_MAX_NS)
		return true;
	return vm_raise(x, MODULE_LIMIT_ERROR, "the regular expressions take too long for this record");
}

static struct expr_match *new_match(struct expr_vm *x, struct span text, const struct expr_regexp *r, uint32_t count)
{
	struct expr_match *m = arena_alloc(&x->arena, sizeof *m + count * sizeof m->group[0]);
	if (!m) {
		vm_no_room(x);
		return NULL;
	}
	m->text = text;
	m->regexp = r;
	m->count = count;
	return m;
}

static bool keep_region(struct expr_vm *x, const struct expr_regexp *r, struct span text)
{
	uint32_t count = (uint32_t)x->region->num_regs;
	struct expr_match *m = new_match(x, text, r, count);
	if (!m)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		bool there = x->region->beg[i] >= 0;
		m->group[i].from = there ? (size_t)x->region->beg[i] : SIZE_MAX;
		m->group[i].to = there ? (size_t)x->region->end[i] : SIZE_MAX;
	}
	x->match = m;
	return true;
}

bool vm_search(struct expr_vm *x, const struct expr_regexp *r, struct span text, size_t from, bool *found)
{
	*found = false;
	x->match = NULL;
	if (!x->region && !(x->region = onig_region_new()))
		return vm_no_room(x);
	if (!check_time(x) || !vm_step(x, 4))
		return false;
	switch (regexp_engine_search(r->onig, text, from, x->region)) {
	case REGEXP_NO:
		return true;
	case REGEXP_YES:
		*found = true;
		return keep_region(x, r, text);
	default:
		return vm_raise(
			x, MODULE_LIMIT_ERROR, "the regular expression /%.200s/ takes too many steps", r->source);
	}
}

struct span vm_group(const struct expr_match *m, int64_t i, bool *there)
{
	const int64_t lowest = i < 0 ? 1 : 0; /* from the end up to the first group, not to the whole */
	if (i < 0)
		i += m->count;
	*there = i >= lowest && i < m->count && m->group[i].from != SIZE_MAX;
	if (!*there)
		return (struct span){0};
	return span_of(m->text.p + m->group[i].from, m->group[i].to - m->group[i].from);
}

bool vm_group_value(const struct expr_match *m, int64_t i, struct value *out)
{
	bool there;
	struct span s = vm_group(m, i, &there);
	return there ? vm_set_str(out, s) : vm_set_nil(out);
}

/* ---- patterns ----------------------------------------------------------------------------------------------------- */

bool vm_search_pattern(struct expr_vm *x, const struct value *v, struct vm_pattern *p)
{
	*p = (struct vm_pattern){0};
	if (v->type == VALUE_REGEXP) {
		p->regexp = v->other;
		return true;
	}
	if (value_is_str(v)) {
		p->text = value_text(v);
		return true;
	}
	return vm_raise(x, MODULE_TYPE_ERROR, "wrong argument type %s (expected Regexp)",
		v->type == VALUE_NIL ? "nil" : expr_module_name(expr_module_of(v)));
}

/* A pattern that must be a regular expression: a text that only stands for itself may be one too. */
static bool regexp_of(struct expr_vm *x, const struct value *v, struct vm_pattern *p)
{
	if (!vm_search_pattern(x, v, p))
		return false;
	for (size_t i = 0; !p->regexp && i < p->text.n; i++)
		if (strchr("\\^$.|?*+()[]{}", p->text.p[i]))
			return vm_raise(
				x, MODULE_REGEXP_ERROR, "regular expressions are compiled at start: write /.../");
	return true;
}

/* The string as UTF-8, where a regular expression is to look at it. */
bool vm_search_subject(struct expr_vm *x, const struct value *self, const struct vm_pattern *p, struct span *s)
{
	*s = value_text(self);
	return !p->regexp || utf8_valid(*s) || vm_scrub(x, *s, UTF8_REPLACEMENT, s);
}

/* The first place from offset `from` on; NULL in *m: there is none. $~ is set. */
bool vm_search_find(
	struct expr_vm *x, const struct vm_pattern *p, struct span s, size_t from, const struct expr_match **m)
{
	bool found;
	*m = NULL;
	if (p->regexp) {
		if (!vm_search(x, p->regexp, s, from, &found))
			return false;
		*m = x->match;
		return true;
	}
	x->match = NULL;
	if (!vm_step(x, 1 + (s.n - from) / 64))
		return false;
	const uint8_t *at = p->text.n == 0 ? s.p + from
			    : s.n > from   ? memmem(s.p + from, s.n - from, p->text.p, p->text.n)
					   : NULL;
	if (!at)
		return true;
	struct expr_match *made = new_match(x, s, NULL, 1);
	if (!made)
		return false;
	made->group[0].from = (size_t)(at - s.p);
	made->group[0].to = made->group[0].from + p->text.n;
	x->match = *m = made;
	return true;
}

size_t vm_search_next(struct span s, size_t at)
{
	return at + vm_char_offset(span_of(s.p + at, s.n - at), 1);
}

/* The number of a group by its number or name. */
bool vm_search_group_number(struct expr_vm *x, const struct expr_match *m, const struct value *v, int64_t *number)
{
	if (!value_is_str(v) && v->type != VALUE_SYM)
		return vm_want_int(x, v, number);
	struct span name = value_text(v);
	*number = m->regexp ? expr_regexp_group(m->regexp, name) : 0;
	return *number || vm_raise(x, MODULE_INDEX_ERROR, "undefined group name reference: %.*s", (int)name.n,
				  (const char *)name.p);
}

/* ---- sub and gsub ------------------------------------------------------------------------------------------------- */

/* \1, \0, \&, \k<name>, \\ in a replacement. */
static bool put_escape(struct expr_vm *x, struct vm_text *t, struct span by, size_t *i, const struct expr_match *m)
{
	bool there;
	uint8_t c = by.p[*i + 1];
	if (c >= '0' && c <= '9') {
		*i += 2;
		/* Texts have no groups, and a negative number would count from the end. */
		return vm_text_put(x, t, vm_group(m, c - '0', &there));
	}
	if (c == '&' || c == '\\') {
		*i += 2;
		return c == '&' ? vm_text_put(x, t, vm_group(m, 0, &there)) : vm_text_byte(x, t, c);
	}
	if (c == '`' || c == '\'') {
		struct span before = span_of(m->text.p, m->group[0].from);
		struct span behind = span_of(m->text.p + m->group[0].to, m->text.n - m->group[0].to);
		*i += 2;
		return vm_text_put(x, t, c == '`' ? before : behind);
	}
	const uint8_t *end = c == 'k' && *i + 3 < by.n && by.p[*i + 2] == '<'
				     ? memchr(by.p + *i + 3, '>', by.n - *i - 3)
				     : NULL;
	if (end && m->regexp) {
		struct span name = span_of(by.p + *i + 3, (size_t)(end - by.p) - *i - 3);
		int number = expr_regexp_group(m->regexp, name);
		if (!number)
			return vm_raise(x, MODULE_INDEX_ERROR, "undefined group name reference: %.*s", (int)name.n,
				(const char *)name.p);
		*i = (size_t)(end - by.p) + 1;
		return vm_text_put(x, t, vm_group(m, number, &there));
	}
	*i += 1;
	return vm_text_byte(x, t, '\\');
}

static bool put_replacement(struct expr_vm *x, struct vm_text *t, struct span by, const struct expr_match *m)
{
	size_t from = 0;
	for (;;) {
		const uint8_t *slash = by.n > from ? memchr(by.p + from, '\\', by.n - from) : NULL;
		size_t i = slash ? (size_t)(slash - by.p) : by.n;
		if (!vm_text_put(x, t, span_of(by.p + from, i - from)))
			return false;
		if (!slash)
			return true;
		if (i + 1 == by.n)
			return vm_text_byte(x, t, '\\');
		if (!put_escape(x, t, by, &i, m))
			return false;
		from = i;
	}
}

/* What takes the place of a match: a text, a hash's value, or what the block makes of it. */
static bool put_for_match(struct expr_vm *x, struct vm_text *t, const struct value *by, const struct expr_block *b,
	const struct expr_match *m)
{
	bool there;
	struct span s;
	struct value v = value_str(vm_group(m, 0, &there));
	if (by && by->type == VALUE_MAP) {
		struct value_pair *pair = value_map_find(&x->arena, by->map, &v);
		v = value_nil();
		if (pair && !vm_fetch(x, &pair->value, &v))
			return false;
	} else if (by) {
		return vm_want_str(x, by, &s) && put_replacement(x, t, s, m);
	} else {
		x->match = m;
		if (!vm_block_one(x, b, &v, &v))
			return false;
	}
	return vm_to_s(x, &v, &s) && vm_text_put(x, t, s);
}

static bool substitute(struct expr_vm *x, const struct value *self, const struct value *args, unsigned n,
	const struct expr_block *b, bool all, struct value *out)
{
	struct vm_pattern p;
	struct span s;
	struct vm_text t = {0};
	const struct expr_match *m, *last = NULL;
	size_t done = 0, from = 0;
	if (n < 2 && !b)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "a replacement is missing");
	if (!vm_search_pattern(x, &args[0], &p) || !vm_search_subject(x, self, &p, &s))
		return false;
	while (from <= s.n) {
		if (!vm_search_find(x, &p, s, from, &m))
			return false;
		if (!m)
			break;
		last = m;
		if (!vm_text_put(x, &t, span_of(s.p + done, m->group[0].from - done)) ||
			!put_for_match(x, &t, n > 1 ? &args[1] : NULL, b, m))
			return false;
		done = from = m->group[0].to;
		if (m->group[0].from == m->group[0].to) {
			if (from == s.n)
				break;
			from = vm_search_next(s, from);
		}
		if (!all)
			break;
	}
	x->match = last;
	if (!last)
		return vm_set_str(out, s);
	return vm_text_put(x, &t, span_of(s.p + done, s.n - done)) && vm_text_end(&t, out);
}

VM_METHOD(gsub)
{
	return substitute(x, self, args, n, b, true, out);
}

VM_METHOD(sub)
{
	return substitute(x, self, args, n, b, false, out);
}

/* The same in place: nil if there was no match. */
static bool substitute_here(struct expr_vm *x, const struct value *self, const struct value *args, unsigned n,
	const struct expr_block *b, bool all, struct value *out)
{
	struct value made;
	if (!substitute(x, self, args, n, b, all, &made))
		return false;
	if (!x->match)
		return vm_set_nil(out);
	if (self->type != VALUE_BOX)
		return vm_set(out, &made);
	self->box->s = made.s;
	return vm_set(out, self);
}

VM_METHOD(gsub_x)
{
	return substitute_here(x, self, args, n, b, true, out);
}

VM_METHOD(sub_x)
{
	return substitute_here(x, self, args, n, b, false, out);
}

/* ---- match, scan, index ------------------------------------------------------------------------------------------- */

/* The offset of a character position, negative from the end; false: outside. */
static bool offset_of(struct expr_vm *x, struct span s, const struct value *position, size_t *offset, bool *inside)
{
	int64_t at, length = (int64_t)vm_chars(s);
	*offset = 0;
	if (!vm_want_int(x, position, &at))
		return false;
	if (at < 0)
		at += length;
	*inside = at >= 0 && at <= length;
	if (*inside)
		*offset = vm_char_offset(s, (size_t)at);
	return true;
}

static bool match_in(struct expr_vm *x, const struct vm_pattern *p, struct span s, const struct value *position,
	const struct expr_match **m)
{
	size_t from = 0;
	bool inside = true;
	*m = NULL;
	if (position && !offset_of(x, s, position, &from, &inside))
		return false;
	return !inside || vm_search_find(x, p, s, from, m);
}

VM_METHOD(match)
{
	struct vm_pattern p;
	struct span s;
	const struct expr_match *m;
	if (!regexp_of(x, &args[0], &p) || !vm_search_subject(x, self, &p, &s) ||
		!match_in(x, &p, s, n > 1 ? &args[1] : NULL, &m))
		return false;
	if (!m)
		return vm_set_nil(out);
	struct value v = {.type = VALUE_MATCH, .other = m};
	return b ? vm_block_one(x, b, &v, out) : vm_set(out, &v);
}

VM_METHOD(match_p)
{
	struct vm_pattern p;
	struct span s;
	const struct expr_match *m, *before = x->match;
	if (!regexp_of(x, &args[0], &p) || !vm_search_subject(x, self, &p, &s) ||
		!match_in(x, &p, s, n > 1 ? &args[1] : NULL, &m))
		return false;
	x->match = before; /* match? sets no $~ */
	return vm_set_bool(out, m != NULL);
}

static bool position_of(const struct expr_match *m, struct value *out)
{
	return m ? vm_set_int(out, (int64_t)vm_chars(span_of(m->text.p, m->group[0].from))) : vm_set_nil(out);
}

VM_METHOD(match_op)
{
	struct vm_pattern p;
	struct span s;
	const struct expr_match *m;
	if (args[0].type == VALUE_NIL)
		return vm_set_nil(out);
	if (args[0].type != VALUE_REGEXP)
		return vm_raise(
			x, MODULE_TYPE_ERROR, "type mismatch: %s given", expr_module_name(expr_module_of(&args[0])));
	return vm_search_pattern(x, &args[0], &p) && vm_search_subject(x, self, &p, &s) &&
	       vm_search_find(x, &p, s, 0, &m) && position_of(m, out);
}

VM_METHOD(index_m)
{
	struct vm_pattern p;
	struct span s;
	const struct expr_match *m;
	return vm_search_pattern(x, &args[0], &p) && vm_search_subject(x, self, &p, &s) &&
	       match_in(x, &p, s, n > 1 ? &args[1] : NULL, &m) && position_of(m, out);
}

VM_METHOD(last_index)
{
	struct span s = value_text(self), part;
	if (args[0].type == VALUE_REGEXP)
		return vm_raise(x, MODULE_TYPE_ERROR, "weir's rindex takes only texts");
	if (!vm_want_str(x, &args[0], &part))
		return false;
	for (size_t i = s.n < part.n ? SIZE_MAX : s.n - part.n; i != SIZE_MAX; i--)
		if (part.n == 0 || memcmp(s.p + i, part.p, part.n) == 0)
			return vm_step(x, (s.n - i) / 16) && vm_set_int(out, (int64_t)vm_chars(span_of(s.p, i)));
	return vm_set_nil(out);
}

VM_METHOD(start_with)
{
	for (unsigned i = 0; i < n; i++) {
		struct vm_pattern p;
		struct span s;
		const struct expr_match *m = NULL;
		if (!vm_search_pattern(x, &args[i], &p) || !vm_search_subject(x, self, &p, &s))
			return false;
		bool yes = !p.regexp && s.n >= p.text.n && span_eq(span_of(s.p, p.text.n), p.text);
		if (p.regexp) {
			if (!vm_search_find(x, &p, s, 0, &m))
				return false;
			yes = m && m->group[0].from == 0;
		}
		if (yes)
			return vm_set_bool(out, true);
	}
	return vm_set_bool(out, false);
}

/* The groups of a match, as scan and captures give them. */
bool vm_search_groups(struct expr_vm *x, const struct expr_match *m, uint32_t from, struct value *out)
{
	struct value list, v;
	if (!vm_new_array(x, &list))
		return false;
	for (uint32_t i = from; i < m->count; i++) {
		vm_group_value(m, i, &v);
		if (!vm_push(x, &list, &v))
			return false;
	}
	return vm_set(out, &list);
}

const struct expr_method vm_search_methods[M_COUNT_OF_METHODS] = {
	[M_GSUB] = {gsub, 1, 2},
	[M_SUB] = {sub, 1, 2},
	[M_GSUB_X] = {gsub_x, 1, 2},
	[M_SUB_X] = {sub_x, 1, 2},
	[M_MATCH] = {match, 1, 2},
	[M_MATCH_P] = {match_p, 1, 2},
	[M_MATCH_OP] = {match_op, 1, 1},
	[M_INDEX_M] = {index_m, 1, 2},
	[M_RINDEX] = {last_index, 1, 1},
	[M_START_WITH] = {start_with, 0, EXPR_ANY_ARGS},
};
