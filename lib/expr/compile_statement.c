/* compile_statement.c: statements, and the words that hold some: if, case, begin. */
#include "expr/compile.h"

/* a, b = ... begins here. */
static bool at_many(struct compiler *p)
{
	size_t at = p->at;
	unsigned names = 0;
	bool more = true;
	while (more) {
		compile_skip(p, false);
		compile_take(p, "*");
		struct span word = compile_word(p);
		if (!word.n || compile_is_keyword(word))
			break;
		p->at += word.n;
		names++;
		compile_skip(p, false);
		more = compile_take(p, ",");
	}
	bool yes = names > 1 && !more && compile_peek(p, 0) == '=' && compile_peek(p, 1) != '=' &&
		   compile_peek(p, 1) != '~';
	p->at = at;
	return yes;
}

static struct expr_node *take_many(struct compiler *p)
{
	struct expr_node *n = compile_node(p, NODE_SET_MANY, p->at), *values[EXPR_ARGS_MAX];
	size_t count = 0;
	if (!n || !(n->targets = compile_alloc(p, EXPR_ARGS_MAX * sizeof *n->targets)))
		return NULL;
	do {
		compile_skip(p, false);
		if (n->target_count == EXPR_ARGS_MAX)
			return compile_fail(p, p->at, "too many variables");
		struct expr_target *t = &n->targets[n->target_count++];
		t->splat = compile_take(p, "*");
		struct span word = compile_word(p);
		int slot = compile_local(p, word);
		if (slot < 0 && (slot = compile_new_local(p, p->at, word)) < 0)
			return NULL;
		t->slot = (uint16_t)slot;
		p->at += word.n;
		compile_skip(p, false);
	} while (compile_take(p, ","));
	p->at++;
	do {
		compile_skip(p, true);
		if (count == EXPR_ARGS_MAX || !(values[count++] = compile_right_side(p)))
			return compile_fail(p, p->at, "too many values");
		compile_skip(p, false);
	} while (compile_take(p, ","));
	struct expr_node *list = values[0];
	if (count > 1)
		list = compile_with_args(p, compile_node(p, NODE_ARRAY, n->at), values, count);
	return list ? compile_with(p, n, list, NULL, NULL) : NULL;
}

static struct expr_node *take_not(struct compiler *p)
{
	compile_skip(p, true);
	size_t at = p->at;
	if (!compile_take_word(p, "not"))
		return at_many(p) ? take_many(p) : compile_expression(p);
	if (++p->depth > COMPILE_DEPTH_MAX)
		return compile_fail(p, at, "nested too deep");
	struct expr_node *n = take_not(p);
	p->depth--;
	return n ? compile_with(p, compile_node(p, NODE_NOT, at), n, NULL, NULL) : NULL;
}

/* With `and` and `or`, which bind alike. */
static struct expr_node *take_words(struct compiler *p)
{
	struct expr_node *n = take_not(p);
	while (n) {
		size_t before = p->at;
		compile_skip(p, false);
		size_t at = p->at;
		bool and = compile_take_word(p, "and");
		if (!and&&!compile_take_word(p, "or")) {
			p->at = before;
			break;
		}
		struct expr_node *right = take_not(p);
		n = right ? compile_with(p, compile_node(p, and? NODE_AND : NODE_OR, at), n, right, NULL) : NULL;
	}
	return n;
}

struct expr_node *compile_statement(struct compiler *p)
{
	struct expr_node *n = take_words(p);
	while (n) {
		size_t before = p->at;
		compile_skip(p, false);
		size_t at = p->at;
		bool unless = compile_at_word(p, "unless");
		if (compile_take_word(p, unless ? "unless" : "if")) {
			struct expr_node *cond = take_words(p);
			if (cond && unless)
				cond = compile_with(p, compile_node(p, NODE_NOT, at), cond, NULL, NULL);
			n = cond ? compile_with(p, compile_node(p, NODE_IF, at), cond, n, NULL) : NULL;
		} else if (compile_take_word(p, "rescue")) {
			n = compile_rescued(p, at, n, take_words(p));
		} else if (compile_at_word(p, "while") || compile_at_word(p, "until")) {
			return compile_fail(p, at, "weir has no loops without a collection: use each, map, times");
		} else {
			p->at = before;
			break;
		}
	}
	return n;
}

/* A bracket or word that ends a list of statements. */
static bool statements_end(const struct compiler *p)
{
	static const char *const words[] = {"end", "else", "elsif", "when", "rescue", "ensure"};
	uint8_t c = compile_peek(p, 0);
	if (p->at >= p->text.n || c == '}' || c == ')' || c == ']')
		return true;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (compile_at_word(p, words[i]))
			return true;
	return false;
}

/* Line ends and semicolons. */
static bool skip_ends(struct compiler *p)
{
	size_t at = p->at;
	do
		compile_skip(p, true);
	while (compile_take(p, ";"));
	return p->at > at;
}

struct expr_node *compile_statements(struct compiler *p)
{
	struct expr_node *list[128];
	size_t n = 0, start = p->at;
	if (++p->depth > COMPILE_DEPTH_MAX)
		return compile_fail(p, p->at, "nested too deep");
	skip_ends(p);
	while (!statements_end(p)) {
		if (n == sizeof list / sizeof *list)
			return compile_fail(p, p->at, "more than %zu statements", n);
		if (!(list[n++] = compile_statement(p)))
			return NULL;
		size_t at = p->at;
		compile_skip(p, false);
		bool separated = compile_peek(p, 0) == ';' || compile_peek(p, 0) == '\n';
		skip_ends(p);
		if (!separated && !statements_end(p))
			return compile_fail(p, at, "not understood from here on");
	}
	p->depth--;
	if (n == 0)
		return compile_value(p, start, value_nil());
	if (n == 1)
		return list[0];
	return compile_with_args(p, compile_node(p, NODE_DO, start), list, n);
}

/* ---- if, case, begin ---- */

static bool expect_end(struct compiler *p, size_t at, const char *of)
{
	skip_ends(p);
	if (compile_take_word(p, "end"))
		return true;
	if (p->at < p->text.n)
		compile_fail(p, p->at, "'end' is missing here: it ends '%s'", of);
	else
		compile_fail(p, at, "'%s' has no end", of);
	return false;
}

static void take_then(struct compiler *p)
{
	skip_ends(p);
	compile_take_word(p, "then");
}

struct expr_node *compile_if(struct compiler *p, size_t at, bool unless)
{
	struct expr_node *otherwise = NULL;
	bool no_symbol = p->no_symbol, no_do = p->no_do;
	if (++p->depth > COMPILE_DEPTH_MAX)
		return compile_fail(p, at, "nested too deep");
	p->no_symbol = p->no_do = false;
	struct expr_node *cond = compile_statement(p);
	if (!cond)
		return NULL;
	take_then(p);
	struct expr_node *body = compile_statements(p);
	if (!body)
		return NULL;
	size_t part = p->at;
	if (compile_take_word(p, "elsif")) {
		otherwise = compile_if(p, part, false);
		if (!otherwise)
			return NULL;
	} else {
		if (compile_take_word(p, "else") && !(otherwise = compile_statements(p)))
			return NULL;
		if (!expect_end(p, at, unless ? "unless" : "if"))
			return NULL;
	}
	p->no_symbol = no_symbol;
	p->no_do = no_do;
	p->depth--;
	if (unless)
		cond = compile_with(p, compile_node(p, NODE_NOT, at), cond, NULL, NULL);
	return cond ? compile_with(p, compile_node(p, NODE_IF, at), cond, body, otherwise) : NULL;
}

/* One `when`: its values become conditions of their own, joined by ||. */
static struct expr_node *take_when(struct compiler *p, bool subject)
{
	struct expr_node *cond = NULL;
	do {
		compile_skip(p, true);
		size_t at = p->at;
		struct expr_node *n = compile_expression(p);
		if (n && subject) {
			n = compile_call(p, at, n, M_CASE_EQ, NULL, 0);
			if (n)
				n->flag = false;
		}
		if (!n)
			return NULL;
		cond = cond ? compile_with(p, compile_node(p, NODE_OR, at), cond, n, NULL) : n;
		if (!cond)
			return NULL;
		compile_skip(p, false);
	} while (compile_take(p, ","));
	return cond;
}

struct expr_node *compile_case(struct compiler *p, size_t at)
{
	struct expr_node *list[128], *subject = NULL, *otherwise = NULL;
	size_t n = 0;
	bool no_symbol = p->no_symbol, no_do = p->no_do;
	p->no_symbol = p->no_do = false;
	skip_ends(p);
	if (!compile_at_word(p, "when") && !(subject = compile_statement(p)))
		return NULL;
	skip_ends(p);
	while (compile_take_word(p, "when")) {
		if (n + 2 > sizeof list / sizeof *list)
			return compile_fail(p, p->at, "more than %zu times 'when'", n / 2);
		if (!(list[n++] = take_when(p, subject != NULL)))
			return NULL;
		take_then(p);
		if (!(list[n++] = compile_statements(p)))
			return NULL;
	}
	if (n == 0)
		return compile_fail(p, p->at, "'when' is missing");
	if (compile_take_word(p, "else") && !(otherwise = compile_statements(p)))
		return NULL;
	if (!expect_end(p, at, "case"))
		return NULL;
	p->no_symbol = no_symbol;
	p->no_do = no_do;
	struct expr_node *node = compile_with_args(p, compile_node(p, NODE_CASE, at), list, n);
	return node ? compile_with(p, node, subject, otherwise, NULL) : NULL;
}

/* rescue A, B => e */
static bool take_rescue(struct compiler *p, struct expr_rescue *r)
{
	int64_t classes[16];
	r->slot = -1;
	compile_skip(p, false);
	while (compile_peek(p, 0) >= 'A' && compile_peek(p, 0) <= 'Z' && r->count < 16) {
		struct expr_node *n = compile_postfix(p);
		if (!n)
			return false;
		if (n->kind != NODE_VALUE || n->value.type != VALUE_MODULE)
			return compile_fail(p, n->at, "behind rescue stand classes of errors");
		classes[r->count++] = n->value.i;
		compile_skip(p, false);
		if (!compile_take(p, ","))
			break;
		compile_skip(p, true);
	}
	if (compile_take(p, "=>")) {
		compile_skip(p, false);
		struct span word = compile_word(p);
		r->slot = compile_local(p, word);
		if (r->slot < 0 && (!word.n || (r->slot = compile_new_local(p, p->at, word)) < 0))
			return compile_fail(p, p->at, "a name is missing behind =>");
		p->at += word.n;
	}
	r->classes = compile_alloc(p, (r->count + 1u) * sizeof *classes);
	if (!r->classes)
		return false;
	memcpy(r->classes, classes, r->count * sizeof *classes);
	take_then(p);
	r->body = compile_statements(p);
	return r->body != NULL;
}

struct expr_node *compile_begin(struct compiler *p, size_t at)
{
	struct expr_rescue rescues[8] = {{0}};
	struct expr_node *ensure = NULL, *n = compile_node(p, NODE_RESCUE, at);
	bool no_symbol = p->no_symbol, no_do = p->no_do;
	p->no_symbol = p->no_do = false;
	struct expr_node *body = compile_statements(p);
	if (!n || !body)
		return NULL;
	while (compile_take_word(p, "rescue")) {
		if (n->rescue_count == 8 || !take_rescue(p, &rescues[n->rescue_count++]))
			return compile_fail(p, p->at, "too many times 'rescue'");
	}
	if (compile_at_word(p, "else"))
		return compile_fail(p, p->at, "weir does not know else behind rescue");
	if (compile_take_word(p, "ensure") && !(ensure = compile_statements(p)))
		return NULL;
	if (!expect_end(p, at, "begin"))
		return NULL;
	p->no_symbol = no_symbol;
	p->no_do = no_do;
	n->rescues = compile_alloc(p, 8 * sizeof *rescues);
	if (!n->rescues)
		return NULL;
	memcpy(n->rescues, rescues, sizeof rescues);
	for (unsigned i = 0; i < n->rescue_count; i++)
		if (!compile_with(p, n, rescues[i].body, NULL, NULL))
			return NULL;
	return compile_with(p, n, body, ensure, NULL);
}
