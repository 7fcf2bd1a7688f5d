/* compile_operator.c: operators, from unary ones to assignments. */
#include "expr/compile.h"

/* ---- operators ---- */

enum { OP_NONE, OP_METHOD, OP_AND, OP_OR, OP_NOT_METHOD, OP_RANGE };

struct operator
{
	const char *text;
	uint8_t precedence; /* higher binds closer */
	uint8_t kind;
	uint16_t method;
};

/* Longer ones before those that they begin with. */
static const struct operator operators[] = {
	{"<=>", 4, OP_METHOD, M_CMP},
	{"===", 4, OP_METHOD, M_CASE_EQ},
	{"...", 1, OP_RANGE, 1},
	{"==", 4, OP_METHOD, M_EQ},
	{"=~", 4, OP_METHOD, M_MATCH_OP},
	{"!=", 4, OP_NOT_METHOD, M_EQ},
	{"!~", 4, OP_NOT_METHOD, M_MATCH_OP},
	{"&&", 3, OP_AND, 0},
	{"||", 2, OP_OR, 0},
	{"..", 1, OP_RANGE, 0},
	{"<<", 8, OP_METHOD, M_SHL},
	{">>", 8, OP_METHOD, M_SHR},
	{"<=", 5, OP_METHOD, M_LE},
	{">=", 5, OP_METHOD, M_GE},
	{"<", 5, OP_METHOD, M_LT},
	{">", 5, OP_METHOD, M_GT},
	{"|", 6, OP_METHOD, M_OR},
	{"^", 6, OP_METHOD, M_XOR},
	{"&", 7, OP_METHOD, M_AND},
	{"+", 9, OP_METHOD, M_PLUS},
	{"-", 9, OP_METHOD, M_MINUS},
	{"**", 12, OP_METHOD, M_POW},
	{"*", 10, OP_METHOD, M_MUL},
	{"/", 10, OP_METHOD, M_DIV},
	{"%", 10, OP_METHOD, M_MOD},
};

/* The operator that stands here (behind blanks); not one that ends in = and sets something. */
static const struct operator* operator_here(struct compiler *p)
{
	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
		const struct operator* o = & operators[i];
		if (!compile_at(p, o->text))
			continue;
		uint8_t next = compile_peek(p, strlen(o->text));
		if (o->precedence >= 6 && next == '=' && compile_peek(p, strlen(o->text) + 1) != '=')
			return NULL;
		if ((o->kind == OP_AND || o->kind == OP_OR) && next == '=')
			return NULL;
		if (o->method == M_AND && o->kind == OP_METHOD && next == '.')
			return NULL;
		return o;
	}
	return NULL;
}

static struct expr_node *take_binary(struct compiler *p, unsigned least);

/* -5 is a number, and -5.abs its method; but -5 ** 2 is -(5 ** 2). */
static struct expr_node *negative_number(struct compiler *p)
{
	struct expr_node *n;
	size_t at = p->at++;
	if (!compile_literal(p, &n))
		return NULL;
	size_t behind = p->at;
	compile_skip(p, false);
	bool power = compile_at(p, "**");
	p->at = power ? at : behind;
	if (power)
		return n;
	if (n->value.type == VALUE_INT)
		n->value.i = -n->value.i;
	else if (n->value.type == VALUE_FLOAT)
		n->value.d = -n->value.d;
	else if (n->value.u != (uint64_t)INT64_MAX + 1)
		return compile_fail(p, at, "the number is larger than 64 bits");
	else
		n->value = value_int(INT64_MIN);
	return compile_hang(p, n);
}

static struct expr_node *take_unary(struct compiler *p)
{
	compile_skip(p, true);
	size_t at = p->at;
	uint8_t c = compile_peek(p, 0), next = compile_peek(p, 1);
	if (c != '!' && c != '-' && c != '+' && c != '~')
		return compile_postfix(p);
	if ((c == '-' && next == '>') || c == '~')
		return compile_fail(p, at, c == '~' ? "weir does not know ~" : "weir has no lambda");
	if (++p->depth > COMPILE_DEPTH_MAX)
		return compile_fail(p, at, "nested too deep");
	struct expr_node *n = NULL;
	if (c == '-' && compile_is_digit(next)) {
		n = negative_number(p);
		if (!n || p->at > at) {
			p->depth--;
			return n;
		}
	}
	p->at++;
	n = c == '!' ? take_unary(p) : take_binary(p, 12);
	p->depth--;
	if (!n || c == '+')
		return n;
	if (c == '!')
		return compile_with(p, compile_node(p, NODE_NOT, at), n, NULL, NULL);
	return compile_call(p, at, n, M_NEG, NULL, 0);
}

/* Regular expressions on the left of =~ set variables. */
static bool named_groups(struct compiler *p, struct expr_node *match)
{
	const struct expr_node *left = match->a;
	if (left->kind != NODE_VALUE || left->value.type != VALUE_REGEXP)
		return true;
	const struct expr_regexp *r = left->value.other;
	if (!r->group_count)
		return true;
	match->kind = NODE_NAMED;
	match->regexp = r;
	match->targets = compile_alloc(p, r->group_count * sizeof *match->targets);
	if (!match->targets)
		return false;
	for (size_t i = 0; i < r->group_count; i++) {
		int slot = compile_local(p, r->groups[i].name);
		if (slot < 0)
			slot = compile_new_local(p, match->at, r->groups[i].name);
		if (slot < 0)
			return false;
		match->targets[i].slot = (uint16_t)slot;
	}
	match->target_count = (uint16_t)r->group_count;
	return true;
}

static struct expr_node *join(
	struct compiler *p, size_t at, const struct operator* o, struct expr_node *left, struct expr_node *right)
{
	struct expr_node *n;
	switch (o->kind) {
	case OP_AND:
		return compile_with(p, compile_node(p, NODE_AND, at), left, right, NULL);
	case OP_OR:
		return compile_with(p, compile_node(p, NODE_OR, at), left, right, NULL);
	case OP_RANGE:
		n = compile_with(p, compile_node(p, NODE_RANGE, at), left, right, NULL);
		if (n)
			n->flag = o->method;
		return n;
	default:
		break;
	}
	n = compile_call(p, at, left, o->method, &right, 1);
	if (n && o->method == M_MATCH_OP && !named_groups(p, n))
		return NULL;
	if (n && o->kind == OP_NOT_METHOD)
		n = compile_with(p, compile_node(p, NODE_NOT, at), n, NULL, NULL);
	return n;
}

/* Whether a range has no second end: 1.. before a bracket. */
static bool range_ends(struct compiler *p)
{
	compile_skip(p, false);
	uint8_t c = compile_peek(p, 0);
	return p->at >= p->text.n || c == ']' || c == ')' || c == ';' || c == '}' || c == '\n' ||
	       compile_at_word(p, "then");
}

static struct expr_node *take_binary(struct compiler *p, unsigned least)
{
	struct expr_node *left;
	compile_skip(p, true);
	if (least <= 1 && compile_at(p, ".."))
		left = compile_value(p, p->at, value_nil());
	else
		left = take_unary(p);
	if (++p->depth > COMPILE_DEPTH_MAX)
		return compile_fail(p, p->at, "nested too deep");
	while (left) {
		size_t before = p->at;
		compile_skip(p, false);
		size_t at = p->at;
		const struct operator* o = operator_here(p);
		if (!o || o->precedence < least) {
			p->at = before;
			break;
		}
		p->at += strlen(o->text);
		struct expr_node *right;
		if (o->kind == OP_RANGE && range_ends(p))
			right = compile_value(p, at, value_nil());
		else if (o->method == M_POW && o->kind == OP_METHOD)
			right = take_binary(p, 11); /* from the right; the exponent may have a sign */
		else
			right = take_binary(p, o->precedence + 1u);
		left = right ? join(p, at, o, left, right) : NULL;
	}
	p->depth--;
	return left;
}

static struct expr_node *take_ternary(struct compiler *p)
{
	struct expr_node *n = take_binary(p, 1);
	if (!n)
		return NULL;
	size_t before = p->at;
	compile_skip(p, false);
	size_t at = p->at;
	if (!compile_take(p, "?")) {
		p->at = before;
		return n;
	}
	bool no_symbol = p->no_symbol;
	p->no_symbol = true;
	compile_skip(p, true);
	struct expr_node *yes = compile_expression(p);
	p->no_symbol = no_symbol;
	if (!yes || !compile_expect(p, ":", "cond ? value : value"))
		return NULL;
	compile_skip(p, true);
	struct expr_node *no = compile_expression(p);
	return no ? compile_with(p, compile_node(p, NODE_IF, at), n, yes, no) : NULL;
}

/* ---- assignments ---- */

static const struct {
	const char *text;
	uint8_t op;
	uint16_t method;
} assignments[] = {
	{"||=", NODE_OR, 0},
	{"&&=", NODE_AND, 0},
	{"**=", NODE_CALL, M_POW},
	{"<<=", NODE_CALL, M_SHL},
	{"+=", NODE_CALL, M_PLUS},
	{"-=", NODE_CALL, M_MINUS},
	{"*=", NODE_CALL, M_MUL},
	{"/=", NODE_CALL, M_DIV},
	{"%=", NODE_CALL, M_MOD},
	{"|=", NODE_CALL, M_OR},
	{"&=", NODE_CALL, M_AND},
};

static bool can_be_set(const struct expr_node *n)
{
	return n->kind == NODE_VAR || (n->kind == NODE_CALL && n->method == M_INDEX && !n->flag);
}

struct expr_node *compile_rescued(struct compiler *p, size_t at, struct expr_node *n, struct expr_node *other)
{
	struct expr_node *r = compile_node(p, NODE_RESCUE, at);
	if (!other || !r || !(r->rescues = compile_alloc(p, sizeof *r->rescues)))
		return NULL;
	r->rescues[0] = (struct expr_rescue){.slot = -1, .body = other};
	r->rescue_count = 1;
	/* For its height only: b is `ensure`. */
	r = compile_with(p, r, n, other, NULL);
	if (r)
		r->b = NULL;
	return r;
}

struct expr_node *compile_right_side(struct compiler *p)
{
	compile_skip(p, true);
	struct expr_node *n = compile_expression(p);
	if (!n)
		return NULL;
	size_t at = p->at;
	compile_skip(p, false);
	if (!compile_at_word(p, "rescue")) {
		p->at = at;
		return n;
	}
	at = p->at;
	p->at += 6;
	return compile_rescued(p, at, n, compile_expression(p));
}

static struct expr_node *set(struct compiler *p, size_t at, struct expr_node *to)
{
	struct expr_node *value = compile_right_side(p);
	if (!value)
		return NULL;
	if (to->kind == NODE_VAR) {
		struct expr_node *n = compile_with(p, compile_node(p, NODE_SET, at), value, NULL, NULL);
		if (n)
			n->slot = to->slot;
		return n;
	}
	p->set->mutates = true;
	struct expr_node *n = compile_with_args(p, compile_node(p, NODE_INDEX_SET, at), to->args, to->count);
	return n ? compile_with(p, n, to->a, value, NULL) : NULL;
}

static struct expr_node *maybe_set(struct compiler *p, struct expr_node *to)
{
	size_t before = p->at;
	compile_skip(p, false);
	size_t at = p->at;
	uint8_t next = compile_peek(p, 1);
	if (compile_peek(p, 0) == '=' && next != '=' && next != '~' && next != '>') {
		p->at++;
		if (!can_be_set(to))
			return compile_fail(p, at, "only variables and record[...] can be set");
		return set(p, at, to);
	}
	for (size_t i = 0; i < sizeof assignments / sizeof *assignments; i++) {
		if (!compile_take(p, assignments[i].text))
			continue;
		if (!can_be_set(to))
			return compile_fail(p, at, "only variables and record[...] can be set");
		struct expr_node *value = compile_right_side(p), *n = compile_node(p, NODE_OP_SET, at);
		if (!value || !n)
			return NULL;
		n->op = assignments[i].op;
		n->method = assignments[i].method;
		p->set->mutates = p->set->mutates || to->kind != NODE_VAR || n->method == M_SHL;
		return compile_with(p, n, to, value, NULL);
	}
	p->at = before;
	return to;
}

struct expr_node *compile_expression(struct compiler *p)
{
	if (++p->depth > COMPILE_DEPTH_MAX)
		return compile_fail(p, p->at, "nested too deep");
	struct expr_node *n = take_ternary(p);
	if (n)
		n = maybe_set(p, n);
	p->depth--;
	return n;
}
