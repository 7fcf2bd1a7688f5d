/* compile_primary.c: names, constants, brackets, words that begin something. */
#include "expr/compile.h"

/* ---- refusals ---- */

static void *refuse_word(struct compiler *p, size_t at, struct span word)
{
	static const struct {
		const char *word, *why;
	} known[] = {
		{"while", "weir has no loops without a collection: use each, map, times"},
		{"until", "weir has no loops without a collection: use each, map, times"},
		{"for", "weir has no for: use each"},
		{"loop", "weir has no loops without a collection: use each, map, times"},
		{"def", "methods cannot be defined"},
		{"class", "classes cannot be defined"},
		{"module", "modules cannot be defined"},
		{"lambda", "weir has no lambda"},
		{"proc", "weir has no proc"},
		{"return", "there is nothing to return from: the value of the last statement counts"},
		{"yield", "there is nothing to yield to"},
		{"self", "weir has no self"},
		{"puts", "expressions print nothing: use the stdout filter"},
		{"print", "expressions print nothing: use the stdout filter"},
		{"p", "expressions print nothing: use the stdout filter"},
		{"pp", "expressions print nothing: use the stdout filter"},
		{"log", "expressions cannot log"},
		{"sleep", "a sleep would hold up all records"},
		{"system", "expressions start no programs"},
		{"exec", "expressions start no programs"},
		{"open", "expressions touch no files"},
		{"eval", "weir evaluates no text"},
		{"instance_eval", "weir evaluates no text"},
		{"__send__", "fields are read with record[...]"},
		{"message", "fields are read with record[\"message\"]"},
		{"key", "fields are read with record[...]"},
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (span_is(word, known[i].word))
			return compile_fail(p, at, "%s", known[i].why);
	return compile_fail(p, at, "undefined local variable or method '%.*s' (a field is read with record[\"%.*s\"])",
		(int)word.n, (const char *)word.p, (int)word.n, (const char *)word.p);
}

/* ---- names ---- */

static struct expr_node *take_constant(struct compiler *p, size_t at)
{
	struct span name = span_of(p->text.p + p->at, 0);
	struct value v;
	for (;;) {
		struct span word = compile_word(p);
		p->at += word.n;
		name.n = (size_t)(p->text.p + p->at - name.p);
		if (!compile_at(p, "::") || compile_peek(p, 2) < 'A' || compile_peek(p, 2) > 'Z')
			break;
		p->at += 2;
	}
	if (compile_peek(p, 0) == '(') {
		const struct expr_module_function *f = expr_function_find(name);
		if (f)
			return compile_function(p, at, f);
	}
	if (expr_module_constant(name, &v))
		return compile_value(p, at, v);
	int module = expr_module_find(name);
	if (module < 0)
		return compile_fail(p, at, "weir does not know the constant %.*s", (int)name.n, (const char *)name.p);
	return compile_value(p, at, (struct value){.type = VALUE_MODULE, .i = module});
}

/* Whether `=` or `||=` and the like follow the name at `at`: then it is a new variable. */
static bool assignment_follows(struct compiler *p)
{
	static const char *const operators[] = {"||=", "&&=", "+=", "-=", "*=", "/=", "<<=", "**=", "%=", "|=", "&="};
	size_t at = p->at;
	compile_skip(p, false);
	bool yes = compile_peek(p, 0) == '=' && compile_peek(p, 1) != '=' && compile_peek(p, 1) != '~' &&
		   compile_peek(p, 1) != '>';
	for (size_t i = 0; i < sizeof operators / sizeof *operators && !yes; i++)
		yes = compile_at(p, operators[i]);
	p->at = at;
	return yes;
}

/* Whether what follows only looks into the record. */
static bool look_follows(const struct compiler *p)
{
	static const char *const looks[] = {"[", ".dig(", ".fetch(", ".key?(", ".has_key?(", ".include?("};
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
		if (compile_at(p, looks[i]))
			return true;
	return false;
}

static struct expr_node *variable(struct compiler *p, size_t at, int slot)
{
	struct expr_node *n = compile_node(p, NODE_VAR, at);
	if (!n)
		return NULL;
	n->slot = (uint16_t)slot;
	if (slot < VAR_LOCAL)
		p->uses |= 1u << slot;
	p->set->walks = p->set->walks || (slot == VAR_RECORD && !look_follows(p));
	return n;
}

static struct expr_node *take_jump(struct compiler *p, size_t at, enum expr_kind kind)
{
	struct expr_node *value = NULL;
	if (!p->blocks)
		return compile_fail(p, at, "next and break are for blocks");
	compile_skip(p, false);
	struct span word = compile_word(p);
	uint8_t c = compile_peek(p, 0);
	bool ends = p->at >= p->text.n || c == ';' || c == '}' || c == '\n' || c == ')' ||
		    (word.n && (span_is(word, "if") || span_is(word, "unless") || span_is(word, "end")));
	if (!ends && !(value = compile_expression(p)))
		return NULL;
	return compile_with(p, compile_node(p, kind, at), value, NULL, NULL);
}

static struct expr_node *take_keyword(struct compiler *p, size_t at, struct span word)
{
	p->at += word.n;
	if (span_is(word, "nil"))
		return compile_value(p, at, value_nil());
	if (span_is(word, "true") || span_is(word, "false"))
		return compile_value(p, at, value_bool(word.p[0] == 't'));
	if (span_is(word, "if") || span_is(word, "unless"))
		return compile_if(p, at, word.p[0] == 'u');
	if (span_is(word, "case"))
		return compile_case(p, at);
	if (span_is(word, "begin"))
		return compile_begin(p, at);
	if (span_is(word, "next"))
		return take_jump(p, at, NODE_NEXT);
	if (span_is(word, "break"))
		return take_jump(p, at, NODE_BREAK);
	if (span_is(word, "not")) {
		struct expr_node *n = compile_expression(p);
		return n ? compile_with(p, compile_node(p, NODE_NOT, at), n, NULL, NULL) : NULL;
	}
	static const char *const words[] = {
		"while", "until", "for", "def", "class", "module", "return", "yield", "self"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (span_is(word, words[i]))
			return refuse_word(p, at, word);
	return compile_fail(p, at, "'%.*s' is not possible here", (int)word.n, (const char *)word.p);
}

static struct expr_node *take_name(struct compiler *p)
{
	size_t at = p->at;
	struct span word = compile_word(p);
	if (word.p[0] >= 'A' && word.p[0] <= 'Z')
		return take_constant(p, at);
	if (compile_is_keyword(word))
		return take_keyword(p, at, word);
	int slot = compile_local(p, word);
	if (slot >= 0) {
		p->at += word.n;
		return variable(p, at, slot);
	}
	p->at += word.n;
	if (span_is(word, "require"))
		return compile_require(p, at);
	const struct expr_module_function *f = expr_function_find(word);
	if (f && !assignment_follows(p))
		return compile_function(p, at, f);
	if (!assignment_follows(p))
		return refuse_word(p, at, word);
	slot = compile_new_local(p, at, word);
	return slot < 0 ? NULL : variable(p, at, slot);
}

struct expr_node *compile_dollar(struct compiler *p)
{
	size_t at = p->at++;
	uint8_t c = compile_peek(p, 0);
	struct expr_node *n = compile_node(p, NODE_GROUP, at);
	if (!n)
		return NULL;
	p->at++;
	if (c == '&')
		n->number = 0;
	else if (c == '~')
		n->number = -1;
	else if (c == '`')
		n->number = -2;
	else if (c == '\'')
		n->number = -3;
	else if (c >= '1' && c <= '9')
		n->number = c - '0';
	else
		return compile_fail(p, at, "weir has no global variables but $1 to $9, $~, $&");
	if (n->number > 0 && compile_is_digit(compile_peek(p, 0))) {
		n->number = n->number * 10 + compile_peek(p, 0) - '0';
		p->at++;
	}
	return n;
}

/* ---- brackets ---- */

static struct expr_node *take_parentheses(struct compiler *p)
{
	bool no_symbol = p->no_symbol, no_do = p->no_do;
	p->at++;
	p->no_symbol = p->no_do = false;
	struct expr_node *n = compile_statements(p);
	if (!n || !compile_expect(p, ")", "it ends what '(' begins"))
		return NULL;
	p->no_symbol = no_symbol;
	p->no_do = no_do;
	/* (a) = 1 is no assignment, and a range in parentheses is a value. */
	return n;
}

static struct expr_node *take_array(struct compiler *p)
{
	struct expr_node *items[256];
	size_t n = 0, at = p->at++;
	bool no_symbol = p->no_symbol, no_do = p->no_do;
	p->no_symbol = p->no_do = false;
	for (;;) {
		compile_skip(p, true);
		if (compile_take(p, "]"))
			break;
		size_t item_at = p->at;
		bool splat = compile_take(p, "*");
		struct expr_node *item = compile_expression(p);
		if (item && splat)
			item = compile_with(p, compile_node(p, NODE_SPLAT, item_at), item, NULL, NULL);
		if (!item)
			return NULL;
		if (n == sizeof items / sizeof *items)
			return compile_fail(p, item_at, "more than %zu elements", n);
		items[n++] = item;
		compile_skip(p, true);
		if (!compile_take(p, ",") && compile_peek(p, 0) != ']')
			return compile_fail(p, p->at, "',' or ']' must be here");
	}
	p->no_symbol = no_symbol;
	p->no_do = no_do;
	return compile_with_args(p, compile_node(p, NODE_ARRAY, at), items, n);
}

static struct expr_node *take_hash(struct compiler *p)
{
	struct expr_node *items[256];
	size_t n = 0, at = p->at++;
	bool no_symbol = p->no_symbol, no_do = p->no_do;
	p->no_symbol = p->no_do = false;
	for (;;) {
		struct expr_node *key;
		compile_skip(p, true);
		if (compile_take(p, "}"))
			break;
		if (n + 2 > sizeof items / sizeof *items)
			return compile_fail(p, p->at, "more than %zu pairs", n / 2);
		if (!compile_key(p, &key))
			return NULL;
		if (!key && (!(key = compile_expression(p)) ||
				    !compile_expect(p, "=>", "a hash has pairs of key => value")))
			return NULL;
		compile_skip(p, true);
		items[n++] = key;
		if (!(items[n++] = compile_expression(p)))
			return NULL;
		compile_skip(p, true);
		if (!compile_take(p, ",") && compile_peek(p, 0) != '}')
			return compile_fail(p, p->at, "',' or '}' must be here");
	}
	p->no_symbol = no_symbol;
	p->no_do = no_do;
	return compile_with_args(p, compile_node(p, NODE_HASH, at), items, n);
}

struct expr_node *compile_primary(struct compiler *p)
{
	struct expr_node *n;
	compile_skip(p, true);
	uint8_t c = compile_peek(p, 0);
	if (p->at >= p->text.n)
		return compile_fail(p, p->at, "the expression ends where a value must be");
	if (compile_is_name_start(c))
		return take_name(p);
	if (!compile_literal(p, &n))
		return NULL;
	if (n)
		return n;
	switch (c) {
	case '(':
		return take_parentheses(p);
	case '[':
		return take_array(p);
	case '{':
		return take_hash(p);
	case '$':
		return compile_dollar(p);
	case '@':
		return compile_fail(p, p->at, "weir has no @variables");
	case '`':
		return compile_fail(p, p->at, "expressions start no programs");
	default:
		break;
	}
	if (compile_take(p, "::"))
		return take_constant(p, p->at);
	if (compile_at(p, "->"))
		return compile_fail(p, p->at, "weir has no lambda");
	if (compile_at(p, "<<"))
		return compile_fail(p, p->at, "weir has no <<TEXT: use \"...\"");
	return compile_fail(p, p->at, "'%c' is not possible here", c);
}
