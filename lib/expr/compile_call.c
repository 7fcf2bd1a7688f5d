/* compile_call.c: what is hung on a value: methods with their arguments and blocks, indexes; and functions. */
#include "expr/compile.h"

#include "base/mem.h"

#include <stdlib.h>

/* ---- arguments ---- */

struct arg_list {
	struct expr_node **v;
	size_t n;
	struct expr_node *pairs[2 * EXPR_ARGS_MAX]; /* key: value, key => value: one hash at the end */
	size_t pair_count;
	size_t pairs_at;
};

bool compile_key(struct compiler *p, struct expr_node **key)
{
	size_t at = p->at;
	struct span word = compile_word(p);
	*key = NULL;
	if (compile_at_text_key(p)) {
		uint8_t quote = compile_peek(p, 0);
		p->at++;
		*key = compile_text(p, 0, quote);
		if (!*key)
			return false;
		if ((*key)->kind != NODE_VALUE) {
			compile_fail(p, at, "a key with #{} must be written with =>");
			return false;
		}
		p->at++;
	} else if (word.n && compile_peek(p, word.n) == ':' && compile_peek(p, word.n + 1) != ':') {
		*key = compile_value(p, at, value_str(compile_copy(p, word)));
		p->at += word.n + 1;
	} else {
		return true;
	}
	if (*key)
		(*key)->value.type = VALUE_SYM;
	return *key != NULL;
}

static bool add_pair(struct compiler *p, struct arg_list *list, struct expr_node *key)
{
	if (list->pair_count + 2 > sizeof list->pairs / sizeof *list->pairs) {
		compile_fail(p, p->at, "more than %d keys", EXPR_ARGS_MAX);
		return false;
	}
	compile_skip(p, true);
	struct expr_node *value = compile_expression(p);
	if (!value)
		return false;
	if (!list->pair_count)
		list->pairs_at = key->at;
	list->pairs[list->pair_count++] = key;
	list->pairs[list->pair_count++] = value;
	return true;
}

static bool add_arg(struct compiler *p, struct arg_list *list)
{
	struct expr_node *key, *n;
	size_t at = p->at;
	if (!compile_key(p, &key))
		return false;
	if (key)
		return add_pair(p, list, key);
	if (compile_at(p, "**")) {
		compile_fail(p, at, "weir does not know ** here: use merge");
		return false;
	}
	bool splat = compile_take(p, "*");
	n = compile_expression(p);
	if (!n)
		return false;
	compile_skip(p, false);
	if (!splat && compile_take(p, "=>"))
		return add_pair(p, list, n);
	if (list->n == EXPR_ARGS_MAX - 1) {
		compile_fail(p, at, "more than %d arguments", EXPR_ARGS_MAX - 1);
		return false;
	}
	list->v[list->n++] = splat ? compile_with(p, compile_node(p, NODE_SPLAT, at), n, NULL, NULL) : n;
	return list->v[list->n - 1] != NULL;
}

/* &:name; *symbol is the method. */
static bool take_block_symbol(struct compiler *p, int *symbol)
{
	size_t at = p->at;
	struct expr_node *n = NULL;
	p->at++;
	if (compile_peek(p, 0) != ':' || !compile_literal(p, &n) || !n) {
		compile_fail(p, at, "behind & only :name is possible");
		return false;
	}
	*symbol = expr_method_find(n->value.s);
	if (*symbol < 0)
		compile_fail(p, at, "weir has no method '%.*s'", (int)n->value.s.n, (const char *)n->value.s.p);
	return *symbol >= 0;
}

static bool finish_args(struct compiler *p, struct arg_list *list, size_t *count)
{
	if (list->pair_count) {
		struct expr_node *n = compile_node(p, NODE_HASH, list->pairs_at);
		n = compile_with_args(p, n, list->pairs, list->pair_count);
		if (!n)
			return false;
		list->v[list->n++] = n;
	}
	*count = list->n;
	return true;
}

bool compile_args(struct compiler *p, const char *close, struct expr_node **args, size_t *count, int *symbol)
{
	struct arg_list list = {.v = args};
	bool no_symbol = p->no_symbol, no_do = p->no_do;
	size_t at = p->at;
	p->no_symbol = p->no_do = false;
	for (;;) {
		compile_skip(p, true);
		if (compile_take(p, close))
			break;
		if (symbol && compile_peek(p, 0) == '&' ? !take_block_symbol(p, symbol) : !add_arg(p, &list))
			return false;
		compile_skip(p, true);
		if (compile_take(p, ","))
			continue;
		if (compile_take(p, close))
			break;
		if (p->at >= p->text.n)
			compile_fail(p, at - 1, "'%s' is missing", close);
		else
			compile_fail(p, p->at, "',' or '%s' must be here", close);
		return false;
	}
	p->no_symbol = no_symbol;
	p->no_do = no_do;
	return finish_args(p, &list, count);
}

/* Arguments without parentheses. */
static bool command_args(struct compiler *p, struct expr_node **args, size_t *count, int *symbol)
{
	struct arg_list list = {.v = args};
	bool no_do = p->no_do;
	p->no_do = true;
	do {
		compile_skip(p, true);
		if (compile_peek(p, 0) == '&' ? !take_block_symbol(p, symbol) : !add_arg(p, &list))
			return false;
		compile_skip(p, false);
	} while (compile_take(p, ","));
	p->no_do = no_do;
	return finish_args(p, &list, count);
}

/* Whether blanks and then an argument follow a method's name. Ruby has the same doubts, and mostly the same answers. */
static bool begins_command_arg(struct compiler *p)
{
	size_t at = p->at;
	if (!compile_is_blank(compile_peek(p, 0)))
		return false;
	compile_skip(p, false);
	uint8_t c = compile_peek(p, 0), next = compile_peek(p, 1);
	struct span word = compile_word(p);
	bool yes;
	if (word.n)
		yes = !compile_is_keyword(word) || span_is(word, "nil") || span_is(word, "true") ||
		      span_is(word, "false") || (compile_peek(p, word.n) == ':' && compile_peek(p, word.n + 1) != ':');
	else if (c == '/')
		yes = !compile_is_blank(next) && next != '=';
	else if (c == ':')
		yes = !p->no_symbol && (compile_is_name_start(next) || next == '"');
	else if (c == '&')
		yes = next == ':';
	else
		yes = c == '"' || c == '\'' || c == '(' || c == '$' || compile_is_digit(c) || compile_at_percent(p);
	p->at = at;
	return yes;
}

/* ---- blocks ---- */

static bool take_targets(struct compiler *p, char end, struct expr_target **list, uint16_t *count, bool *trailing);

static bool take_target(struct compiler *p, struct expr_target *t)
{
	compile_skip(p, true);
	size_t at = p->at;
	if (compile_take(p, "(")) {
		bool trailing;
		return take_targets(p, ')', &t->list, &t->count, &trailing);
	}
	t->splat = compile_take(p, "*");
	struct span word = compile_word(p);
	if (!word.n || compile_is_keyword(word)) {
		compile_fail(p, at, "a parameter of a block is missing here");
		return false;
	}
	p->at += word.n;
	int slot = compile_new_local(p, at, word);
	t->slot = (uint16_t)slot;
	return slot >= 0;
}

static bool take_targets(struct compiler *p, char end, struct expr_target **list, uint16_t *count, bool *trailing)
{
	struct expr_target targets[16] = {{0}};
	uint16_t n = 0;
	*trailing = false;
	if (++p->depth > COMPILE_DEPTH_MAX) {
		compile_fail(p, p->at, "nested too deep");
		return false;
	}
	for (;;) {
		compile_skip(p, true);
		if (compile_peek(p, 0) == (uint8_t)end)
			break;
		if (n == 16 || !take_target(p, &targets[n++]))
			return compile_fail(p, p->at, "more than 16 parameters");
		compile_skip(p, true);
		if (compile_peek(p, 0) == ';') { /* |a; local| */
			p->at++;
			struct expr_target local = {0};
			if (!take_target(p, &local))
				return false;
			compile_skip(p, true);
		}
		*trailing = compile_take(p, ",");
		if (!*trailing && compile_peek(p, 0) != (uint8_t)end)
			return compile_fail(p, p->at, "',' or '%c' must be here", end);
	}
	p->depth--;
	p->at++;
	*list = compile_alloc(p, (n + 1u) * sizeof *targets);
	if (!*list)
		return false;
	memcpy(*list, targets, n * sizeof *targets);
	*count = n;
	return true;
}

static struct expr_block *take_block(struct compiler *p, const char *end)
{
	struct expr_block *b = compile_alloc(p, sizeof *b);
	uint16_t visible = p->local_count;
	bool no_symbol = p->no_symbol, no_do = p->no_do;
	if (!b)
		return NULL;
	b->symbol = -1;
	p->no_symbol = p->no_do = false;
	p->blocks++;
	compile_skip(p, true);
	if (compile_take(p, "|") && !take_targets(p, '|', &b->params, &b->count, &b->trailing))
		return NULL;
	b->body = compile_statements(p);
	if (!b->body)
		return NULL;
	compile_skip(p, true);
	if (end[0] == 'e' ? !compile_take_word(p, end) : !compile_take(p, end))
		return compile_fail(p, p->at, "'%s' is missing at the end of the block", end);
	p->blocks--;
	p->local_count = visible;
	p->no_symbol = no_symbol;
	p->no_do = no_do;
	return b;
}

/* { |x| ... } or do |x| ... end behind a call. */
static bool maybe_block(struct compiler *p, struct expr_block **b)
{
	size_t at = p->at;
	compile_skip(p, false);
	if (compile_take(p, "{"))
		*b = take_block(p, "}");
	else if (!p->no_do && compile_take_word(p, "do"))
		*b = take_block(p, "end");
	else
		p->at = at;
	return !p->failed;
}

/* ---- calls ---- */

/* each.with_index and map.with_index: weir has no enumerators, so the two methods become one. */
static void join_with_index(struct expr_node *call)
{
	const struct expr_node *recv = call->a;
	if (recv && recv->kind == NODE_CALL && !recv->block && recv->count == 0) {
		if (recv->method == M_MAP || recv->method == M_COLLECT || recv->method == M_EACH_WITH_INDEX) {
			call->method = M_MAP_WITH_INDEX;
			call->a = recv->a;
		} else if (recv->method == M_EACH) {
			call->method = M_EACH_WITH_INDEX;
			call->a = recv->a;
		}
	}
}

/* What is better known when an expression is compiled than for each record. */
static struct expr_node *finish_call(struct compiler *p, struct expr_node *call)
{
	if (call->method == M_WITH_INDEX)
		join_with_index(call);
	if ((call->method == M_MATCH || call->method == M_MATCH_P) && call->count &&
		call->args[0]->kind == NODE_VALUE && call->args[0]->value.type == VALUE_STR) {
		call->args[0] = compile_regexp(p, call->args[0]->at, call->args[0]->value.s, 0);
		if (!call->args[0])
			return NULL;
	}
	return compile_with(p, call, call->a, NULL, NULL);
}

/* Formats of times are compiled once. */
static struct expr_node *with_format(struct compiler *p, struct expr_node *n, const char *format)
{
	struct expr_set *s = p->set;
	s->formats = mem_realloc(s->formats, (s->format_count + 1) * sizeof(struct time_format *));
	n->format = s->formats[s->format_count++] = time_format_new(format);
	return n;
}

static struct expr_node *strptime_call(struct compiler *p, struct expr_node *n)
{
	const struct expr_node *format = n->args[1];
	if (format->kind != NODE_VALUE || format->value.type != VALUE_STR)
		return compile_fail(p, format->at, "the format of strptime must be a plain text");
	struct span text = compile_copy(p, format->value.s); /* with a 0 byte behind it */
	return text.p ? with_format(p, n, (const char *)text.p) : NULL;
}

/* What can be known at start is computed at start: the environment does not change. */
static struct expr_node *fold_function(struct compiler *p, struct expr_node *n)
{
	char name[256];
	if (n->method != FUNCTION_ENV || n->args[0]->kind != NODE_VALUE || n->args[0]->value.type != VALUE_STR ||
		n->args[0]->value.s.n >= sizeof name)
		return n;
	struct span key = n->args[0]->value.s;
	memcpy(name, key.p, key.n);
	name[key.n] = 0;
	const char *value = getenv(name);
	return compile_value(p, n->at, value ? value_str(compile_copy(p, span_str(value))) : value_nil());
}

static struct expr_node *function_call(struct compiler *p, size_t at, const struct expr_module_function *f,
	struct expr_node *const *args, size_t count, struct expr_block *block)
{
	if (count < f->min || count > f->max)
		return compile_fail(p, at, "wrong number of arguments for %s (given %zu, expected %u%s)", f->name,
			count, f->min, f->max > f->min ? " or more" : "");
	struct expr_node *n = compile_with_args(p, compile_node(p, NODE_FUNCTION, at), args, count);
	if (!n)
		return NULL;
	n->method = (uint16_t)f->function;
	n->number = f->number;
	n->block = block;
	if (f->function == FUNCTION_TIME_STRPTIME || f->function == FUNCTION_DATETIME_STRPTIME)
		return strptime_call(p, n);
	if (f->function == FUNCTION_TIME_ISO8601)
		return with_format(p, n, "%iso8601");
	n = fold_function(p, n);
	return n ? compile_with(p, n, n->a, NULL, NULL) : NULL;
}

/* The name of a method behind a dot. */
static struct span method_name(struct compiler *p)
{
	struct span word = compile_word(p);
	uint8_t c = compile_peek(p, word.n), next = compile_peek(p, word.n + 1);
	if (word.n && (c == '?' || c == '!') && (next != '=' || compile_peek(p, word.n + 2) == '=')) {
		/* x.y ?a : b has a blank; x.y? is a name. */
		word.n++;
	}
	p->at += word.n;
	return word;
}

struct call {
	size_t at;
	struct expr_node *args[EXPR_ARGS_MAX];
	size_t count;
	int symbol;
	struct expr_block *block;
};

/* (args) or args, and a block. */
static bool take_call(struct compiler *p, struct call *c)
{
	c->count = 0;
	c->symbol = -1;
	c->block = NULL;
	if (compile_take(p, "(")) {
		if (!compile_args(p, ")", c->args, &c->count, &c->symbol))
			return false;
	} else if (begins_command_arg(p) && !command_args(p, c->args, &c->count, &c->symbol)) {
		return false;
	}
	if (c->symbol >= 0) {
		c->block = compile_alloc(p, sizeof *c->block);
		if (!c->block)
			return false;
		c->block->symbol = c->symbol;
		if (expr_method_mutates((unsigned)c->symbol))
			p->set->mutates = true;
		return true;
	}
	return maybe_block(p, &c->block);
}

static struct expr_node *module_call(struct compiler *p, struct call *c, int64_t module, struct span name)
{
	if (module == MODULE_SOCKET && span_is(name, "gethostname")) {
		p->uses |= 1u << VAR_HOSTNAME;
		struct expr_node *n = compile_node(p, NODE_VAR, c->at);
		if (n)
			n->slot = VAR_HOSTNAME;
		return n;
	}
	const struct expr_module_function *f = expr_module_function_find(module, name);
	if (f)
		return function_call(p, c->at, f, c->args, c->count, c->block);
	if (module == MODULE_FILE)
		return compile_fail(p, c->at, "expressions touch no files: weir has no File.%.*s", (int)name.n,
			(const char *)name.p);
	return compile_fail(
		p, c->at, "weir has no %s.%.*s", expr_module_name(module), (int)name.n, (const char *)name.p);
}

/* Time::now, Digest::MD5.hexdigest and the like, but not String.name. */
static bool is_module_function(const struct expr_node *recv, struct span name)
{
	static const char *const of_classes[] = {"name", "to_s", "==", "===", "inspect", "nil?", "is_a?"};
	if (recv->kind != NODE_VALUE || recv->value.type != VALUE_MODULE)
		return false;
	for (size_t i = 0; i < sizeof of_classes / sizeof *of_classes; i++)
		if (span_is(name, of_classes[i]))
			return false;
	return true;
}

/* What follows a dot. */
static struct expr_node *take_method(struct compiler *p, struct expr_node *recv, bool safe)
{
	struct call c = {.at = p->at};
	compile_skip(p, true);
	struct span name = method_name(p);
	if (!name.n)
		return compile_fail(p, c.at, "the name of a method is missing behind the dot");
	compile_skip(p, false);
	if (compile_peek(p, 0) == '=' && !strchr("=~>", compile_peek(p, 1) ? compile_peek(p, 1) : ' '))
		return compile_fail(p, c.at, "attributes cannot be set: '.%.*s ='", (int)name.n, (const char *)name.p);
	p->at = (size_t)(name.p + name.n - p->text.p);
	bool function = is_module_function(recv, name);
	int method = expr_method_find(name);
	if (!function && method < 0)
		return compile_fail(p, c.at, "weir has no method '%.*s'", (int)name.n, (const char *)name.p);
	if (!take_call(p, &c))
		return NULL;
	if (function)
		return module_call(p, &c, recv->value.i, name);
	struct expr_node *n = compile_call(p, c.at, recv, (unsigned)method, c.args, c.count);
	if (!n)
		return NULL;
	n->flag = safe;
	n->block = c.block;
	return finish_call(p, n);
}

static struct expr_node *take_index(struct compiler *p, struct expr_node *recv)
{
	struct expr_node *args[EXPR_ARGS_MAX];
	size_t count, at = p->at++;
	if (!compile_args(p, "]", args, &count, NULL))
		return NULL;
	if (recv->kind == NODE_VALUE && recv->value.type == VALUE_MODULE) {
		const struct expr_module_function *f = expr_module_function_find(recv->value.i, SPAN_LIT("[]"));
		if (!f)
			return compile_fail(p, at, "weir has no %s[]", expr_module_name(recv->value.i));
		return function_call(p, at, f, args, count, NULL);
	}
	if (count == 0)
		return compile_fail(p, at, "the index is missing");
	return compile_call(p, at, recv, M_INDEX, args, count);
}

/* Whether the next thing, maybe on the next line, is a dot with a method. */
static bool dot_follows(struct compiler *p)
{
	size_t at = p->at;
	compile_skip(p, true);
	bool yes = (compile_peek(p, 0) == '.' && compile_peek(p, 1) != '.') || compile_at(p, "&.");
	if (!yes)
		p->at = at;
	return yes;
}

struct expr_node *compile_hang(struct compiler *p, struct expr_node *n)
{
	while (n) {
		if (dot_follows(p)) {
			bool safe = compile_take(p, "&");
			p->at++;
			n = take_method(p, n, safe);
			continue;
		}
		size_t at = p->at;
		compile_skip(p, false);
		/* `a [1]` is an index, but behind `,` or an operator there is no `a`. */
		if (compile_peek(p, 0) == '[') {
			n = take_index(p, n);
		} else if (compile_at(p, "::") && n->kind != NODE_VALUE) {
			p->at += 2;
			n = take_method(p, n, false);
		} else {
			p->at = at;
			break;
		}
	}
	return n;
}

struct expr_node *compile_postfix(struct compiler *p)
{
	if (++p->depth > COMPILE_DEPTH_MAX)
		return compile_fail(p, p->at, "nested too deep");
	struct expr_node *n = compile_hang(p, compile_primary(p));
	p->depth--;
	return n;
}

struct expr_node *compile_function(struct compiler *p, size_t at, const struct expr_module_function *f)
{
	struct call c = {.at = at};
	return take_call(p, &c) ? function_call(p, at, f, c.args, c.count, c.block) : NULL;
}

struct expr_node *compile_require(struct compiler *p, size_t at)
{
	struct call c = {.at = at};
	if (!take_call(p, &c))
		return NULL;
	if (c.count != 1 || c.args[0]->kind != NODE_VALUE || c.args[0]->value.type != VALUE_STR)
		return compile_fail(p, at, "require needs a name");
	return compile_value(p, at, value_bool(false));
}
