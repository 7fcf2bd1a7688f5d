/*
 * conf_expr.c: reads the code and evaluates it on the way. Branches that are not taken are read with `live` off, so that a mistake
 * in them is told too. The recursion is bounded by DEPTH_MAX.
 */
#include "conf/conf_expr.h"

#include "conf/conf_expr_value.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#define DEPTH_MAX 64

#define NOT_RUBY                                                                                                \
	"weir does not run Ruby here; it knows ENV['X'], ENV.fetch, ||, &&, ?:, + - * /, hostname, worker_id, " \
	"Socket.gethostname, File.read, use_nil, use_default, and methods such as .strip, .to_i, .split, .gsub"

static struct expr_value parse_ternary(struct expr *x);

void expr_fail(struct expr *x, const uint8_t *at, const char *fmt, ...)
{
	if (x->state != EXPR_GOING)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(x->result->error, sizeof x->result->error, fmt, ap);
	va_end(ap);
	x->result->error_at = (size_t)(at - x->start);
	x->state = EXPR_FAILED;
}

/* ---- reading ---- */

static void skip_space(struct expr *x)
{
	while (x->p < x->end && (*x->p == ' ' || *x->p == '\t' || *x->p == '\r' || *x->p == '\n'))
		x->p++;
}

static bool next_is(struct expr *x, const char *s)
{
	skip_space(x);
	size_t n = strlen(s);
	return (size_t)(x->end - x->p) >= n && memcmp(x->p, s, n) == 0;
}

static bool accept(struct expr *x, const char *s)
{
	if (!next_is(x, s))
		return false;
	x->p += strlen(s);
	return true;
}

/* The word or sign at `at`, for a message. */
static struct span word_at(const struct expr *x, const uint8_t *at)
{
	const uint8_t *p = at;
	while (p < x->end && p - at < 40 && (isalnum(*p) || *p == '_' || *p == ':' || *p == '.' || *p >= 0x80))
		p++;
	if (p == at && p < x->end)
		p++;
	while (p > at && (p[-1] == '.' || p[-1] == ':'))
		p--;
	return span_of(at, (size_t)(p - at));
}

static void fail_unknown(struct expr *x, const uint8_t *at)
{
	if (at >= x->end) {
		expr_fail(x, at, "a value is expected at the end");
		return;
	}
	struct span w = word_at(x, at);
	expr_fail(x, at, "'%.*s' is not supported: " NOT_RUBY, (int)w.n, (const char *)w.p);
}

bool expr_expect(struct expr *x, const char *s)
{
	if (!expr_going(x))
		return false;
	if (accept(x, s))
		return true;
	if (x->p >= x->end)
		expr_fail(x, x->p, "'%s' is expected at the end", s);
	else
		fail_unknown(x, x->p);
	return false;
}

static bool enter(struct expr *x)
{
	if (x->depth >= DEPTH_MAX) {
		expr_fail(x, x->p, "the expression is nested too deeply");
		return false;
	}
	x->depth++;
	return true;
}

/* ---- calls ---- */

/* Arguments up to and with the closing parenthesis or bracket. */
static size_t parse_args(struct expr *x, struct expr_value *args, const char *closer)
{
	size_t n = 0;
	if (accept(x, closer))
		return 0;
	do {
		if (n == EXPR_ARGS_MAX) {
			expr_fail(x, x->p, "too many arguments");
			return 0;
		}
		skip_space(x);
		args[n++] = x->p < x->end && *x->p == '/' ? expr_regexp(x) : parse_ternary(x);
	} while (expr_going(x) && accept(x, ","));
	expr_expect(x, closer);
	return n;
}

/* The one argument of ENV[..], File.read(..): in parentheses, or behind the name. */
static struct expr_value parse_one(struct expr *x)
{
	struct expr_value v;
	if (!accept(x, "("))
		return parse_ternary(x);
	v = parse_ternary(x);
	expr_expect(x, ")");
	return v;
}

static struct span parse_name(struct expr *x)
{
	const uint8_t *at = x->p;
	while (x->p < x->end && (isalnum(*x->p) || *x->p == '_'))
		x->p++;
	if (x->p > at && x->p < x->end && (*x->p == '?' || *x->p == '!') && !(x->p + 1 < x->end && x->p[1] == '='))
		x->p++;
	return span_of(at, (size_t)(x->p - at));
}

static struct expr_value parse_env_fetch(struct expr *x, const uint8_t *at)
{
	struct expr_value args[EXPR_ARGS_MAX];
	if (!expr_expect(x, "("))
		return expr_nil();
	size_t n = parse_args(x, args, ")");
	if (expr_going(x) && (n < 1 || n > 2))
		expr_fail(x, at, "ENV.fetch takes the name of a variable and perhaps a default");
	struct expr_value v = expr_env(x, at, n ? args[0] : expr_nil());
	bool missing = x->live && expr_going(x) && v.type == EXPR_NIL, live = x->live;
	if (accept(x, "{")) {
		x->live = missing;
		struct expr_value block = expr_program(x, '}');
		x->live = live;
		expr_expect(x, "}");
		return missing ? block : v;
	}
	if (missing && n == 1)
		expr_fail(x, at, "key not found: \"%.*s\" (the environment variable is not set)", (int)args[0].s.n,
			(const char *)args[0].s.p);
	return missing && n == 2 ? args[1] : v;
}

static struct expr_value parse_env(struct expr *x, const uint8_t *at)
{
	struct expr_value args[EXPR_ARGS_MAX];
	if (accept(x, "[")) {
		size_t n = parse_args(x, args, "]");
		return expr_env(x, at, n == 1 ? args[0] : expr_nil());
	}
	if (accept(x, ".")) {
		struct span name = parse_name(x);
		if (span_is(name, "fetch"))
			return parse_env_fetch(x, at);
		if ((span_is(name, "key?") || span_is(name, "has_key?") || span_is(name, "include?")) &&
			expr_expect(x, "(")) {
			size_t n = parse_args(x, args, ")");
			struct expr_value v = expr_env(x, at, n == 1 ? args[0] : expr_nil());
			return expr_bool(v.type != EXPR_NIL);
		}
	}
	fail_unknown(x, at);
	return expr_nil();
}

/* What is done with an open file: .read, .readline, or the same in a block, { |f| f.read } or do |f| f.readline end. */
static struct span parse_reader(struct expr *x)
{
	const char *closer = accept(x, "{") ? "}" : accept(x, "do") ? "end" : NULL;
	if (closer) {
		expr_expect(x, "|");
		skip_space(x);
		struct span f = parse_name(x);
		expr_expect(x, "|");
		skip_space(x);
		if (expr_going(x) && !span_eq(f, parse_name(x)))
			fail_unknown(x, x->p);
	}
	if (!expr_expect(x, "."))
		return span_str("");
	struct span name = parse_name(x);
	if (closer)
		expr_expect(x, closer);
	return name;
}

/* File.open('path') and what is read from it. */
static struct expr_value parse_open(struct expr *x, const uint8_t *at)
{
	struct expr_value args[EXPR_ARGS_MAX];
	size_t n = expr_expect(x, "(") ? parse_args(x, args, ")") : 0;
	struct span reader = parse_reader(x);
	bool line = span_is(reader, "readline") || span_is(reader, "gets");
	bool reads = n == 1 || (n == 2 && (!x->live || (args[1].type == EXPR_STRING && span_is(args[1].s, "r"))));
	if (!expr_going(x))
		return expr_nil();
	if (!reads || !(line || span_is(reader, "read"))) {
		fail_unknown(x, at);
		return expr_nil();
	}
	struct expr_value text = expr_read_file(x, at, args[0]);
	const uint8_t *end = line && text.type == EXPR_STRING && text.s.n ? memchr(text.s.p, '\n', text.s.n) : NULL;
	return end ? expr_span(span_of(text.s.p, (size_t)(end + 1 - text.s.p))) : text;
}

static struct expr_value parse_file(struct expr *x, const uint8_t *at)
{
	if (accept(x, ".")) {
		struct span name = parse_name(x);
		if (span_is(name, "read"))
			return expr_read_file(x, at, parse_one(x));
		if (span_is(name, "exist?") || span_is(name, "exists?") || span_is(name, "file?"))
			return expr_file_exists(x, at, parse_one(x));
		if (span_is(name, "open"))
			return parse_open(x, at);
	}
	fail_unknown(x, at);
	return expr_nil();
}

static struct expr_value parse_raise(struct expr *x, const uint8_t *at)
{
	bool paren = accept(x, "(");
	bool set_nil = accept(x, "SetNil") || accept(x, "Fluent::SetNil");
	bool set_default = !set_nil && (accept(x, "SetDefault") || accept(x, "Fluent::SetDefault"));
	struct expr_value text = expr_nil();
	skip_space(x);
	if (!set_nil && !set_default && x->p < x->end && isupper(*x->p)) {
		parse_name(x);
		expr_expect(x, ",");
	}
	if (!set_nil && !set_default && expr_going(x))
		text = parse_ternary(x);
	if (paren)
		expr_expect(x, ")");
	if (!x->live || !expr_going(x))
		return expr_nil();
	if (set_nil || set_default)
		x->state = set_nil ? EXPR_SETS_NIL : EXPR_SETS_DEFAULT;
	else if (text.type == EXPR_STRING)
		expr_fail(x, at, "%.*s", text.s.n < 300 ? (int)text.s.n : 300, (const char *)text.s.p);
	else
		expr_fail(x, at, "raise");
	return expr_nil();
}

static struct expr_value parse_setter(struct expr *x, enum expr_state state)
{
	if (x->live && expr_going(x))
		x->state = state;
	return expr_nil();
}

static struct expr_value parse_word(struct expr *x)
{
	const uint8_t *at = x->p;
	struct span w = parse_name(x);
	if (span_is(w, "nil"))
		return expr_nil();
	if (span_is(w, "true") || span_is(w, "false"))
		return expr_bool(span_is(w, "true"));
	if (span_is(w, "ENV"))
		return parse_env(x, at);
	if (span_is(w, "File") || span_is(w, "IO"))
		return parse_file(x, at);
	if (span_is(w, "hostname") ||
		(span_is(w, "Socket") && (accept(x, ".gethostname") || accept(x, "::gethostname"))))
		return expr_hostname(x);
	if (span_is(w, "worker_id")) {
		char id[16];
		return expr_string(x, id, (size_t)snprintf(id, sizeof id, "%d", x->env->worker_id));
	}
	if (span_is(w, "use_nil"))
		return parse_setter(x, EXPR_SETS_NIL);
	if (span_is(w, "use_default"))
		return parse_setter(x, EXPR_SETS_DEFAULT);
	if (span_is(w, "raise") || span_is(w, "fail"))
		return parse_raise(x, at);
	if (span_is(w, "require")) {
		parse_one(x);
		return expr_bool(true);
	}
	fail_unknown(x, at);
	return expr_nil();
}

static struct expr_value parse_list(struct expr *x)
{
	struct expr_value items[EXPR_ARGS_MAX];
	x->p++;
	size_t n = parse_args(x, items, "]");
	struct expr_value v = expr_array(x, n);
	for (size_t i = 0; i < v.a.n; i++)
		v.a.v[i] = items[i];
	return v;
}

static struct expr_value parse_primary(struct expr *x)
{
	skip_space(x);
	int c = x->p < x->end ? *x->p : 0;
	if (c == '"')
		return expr_double(x);
	if (c == '\'')
		return expr_single(x);
	if (isdigit(c))
		return expr_number(x);
	if (isalpha(c) || c == '_')
		return parse_word(x);
	if (c == '[')
		return parse_list(x);
	if (c == '(') {
		x->p++;
		struct expr_value v = expr_program(x, ')');
		expr_expect(x, ")");
		return v;
	}
	fail_unknown(x, x->p);
	return expr_nil();
}

/* ---- operators ---- */

static struct expr_value parse_index(struct expr *x, struct expr_value v)
{
	const uint8_t *at = x->p++;
	struct expr_index index = {.from = parse_ternary(x)};
	if (expr_going(x) && accept(x, ",")) {
		index.has_to = true;
	} else if (expr_going(x) && accept(x, "..")) {
		index.has_to = index.range = true;
		index.exclusive = accept(x, ".");
	}
	if (index.has_to)
		index.to = index.range && next_is(x, "]") ? expr_int(-1) : parse_ternary(x);
	if (expr_expect(x, "]") && x->live)
		return expr_at(x, at, v, &index);
	return expr_nil();
}

static struct expr_value parse_method(struct expr *x, struct expr_value v, bool safe)
{
	struct expr_value args[EXPR_ARGS_MAX];
	size_t n = 0;
	const uint8_t *at = x->p;
	struct span name = parse_name(x);
	if (!expr_knows(name)) {
		expr_fail(x, at, "'.%.*s' is not supported: " NOT_RUBY, (int)name.n, (const char *)name.p);
		return expr_nil();
	}
	if (x->p < x->end && *x->p == '(') {
		x->p++;
		n = parse_args(x, args, ")");
	}
	if (!x->live || !expr_going(x) || (safe && v.type == EXPR_NIL))
		return expr_nil();
	return expr_call(x, at, v, name, args, n);
}

static struct expr_value parse_postfix(struct expr *x)
{
	struct expr_value v = parse_primary(x);
	while (expr_going(x)) {
		const uint8_t *at = x->p;
		if (x->p < x->end && *x->p == '[') {
			v = parse_index(x, v);
		} else if (!next_is(x, "..") && (accept(x, ".") || accept(x, "&."))) {
			v = parse_method(x, v, x->p[-2] == '&');
		} else {
			x->p = at;
			break;
		}
	}
	return v;
}

static struct expr_value parse_unary(struct expr *x)
{
	struct expr_value v;
	skip_space(x);
	const uint8_t *at = x->p;
	if (!enter(x))
		return expr_nil();
	if (!next_is(x, "!=") && accept(x, "!")) {
		v = expr_bool(!expr_truthy(parse_unary(x)));
	} else if (accept(x, "-")) {
		v = parse_unary(x);
		if (x->live && expr_going(x))
			v = expr_arithmetic(x, at, '-', expr_int(0), v);
	} else {
		v = parse_postfix(x);
	}
	x->depth--;
	return v;
}

static const struct infix {
	const char *text;
	char op;
	unsigned level;
} operators[] = {
	/* Longer ones first; those of level 0 are Ruby's, and refused. */
	{"||=", 0, 0},
	{"||", '|', 1},
	{"&&=", 0, 0},
	{"&&", '&', 2},
	{"===", 0, 0},
	{"==", '=', 3},
	{"=~", 0, 0},
	{"!=", '!', 3},
	{"<<", 0, 0},
	{"<=>", 0, 0},
	{"<=", 'L', 4},
	{">=", 'G', 4},
	{"<", '<', 4},
	{">", '>', 4},
	{"+", '+', 5},
	{"-", '-', 5},
	{"**", 0, 0},
	{"*", '*', 6},
	{"/", '/', 6},
	{"%", '%', 6},
};

static const struct infix *peek_operator(struct expr *x)
{
	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
		if (next_is(x, operators[i].text))
			return operators[i].level ? &operators[i] : NULL;
	return NULL;
}

static struct expr_value parse_binary(struct expr *x, unsigned level);

/* a || b, a && b: b is evaluated if a does not decide. */
static struct expr_value parse_lazy(struct expr *x, const struct infix *op, struct expr_value a)
{
	bool live = x->live, decided = expr_truthy(a) == (op->op == '|');
	x->live = live && !decided;
	struct expr_value b = parse_binary(x, op->level + 1);
	x->live = live;
	return decided ? a : b;
}

static struct expr_value parse_binary(struct expr *x, unsigned level)
{
	struct expr_value a = parse_unary(x);
	while (expr_going(x)) {
		const uint8_t *before = x->p;
		const struct infix *op = peek_operator(x);
		const uint8_t *at = x->p;
		if (!op || op->level < level) {
			x->p = before;
			break;
		}
		x->p += strlen(op->text);
		if (op->level <= 2) {
			a = parse_lazy(x, op, a);
			continue;
		}
		struct expr_value b = parse_binary(x, op->level + 1);
		if (!x->live || !expr_going(x))
			continue;
		if (op->level == 3)
			a = expr_bool(expr_equal(a, b) == (op->op == '='));
		else
			a = expr_arithmetic(x, at, op->op, a, b);
	}
	return a;
}

static struct expr_value parse_ternary(struct expr *x)
{
	if (!enter(x))
		return expr_nil();
	struct expr_value v = parse_binary(x, 1);
	const uint8_t *before = x->p;
	if (expr_going(x) && accept(x, "?")) {
		bool live = x->live, yes = expr_truthy(v);
		x->live = live && yes;
		struct expr_value a = parse_ternary(x);
		x->live = live && !yes;
		struct expr_value b = expr_expect(x, ":") ? parse_ternary(x) : expr_nil();
		x->live = live;
		v = yes ? a : b;
	} else {
		x->p = before;
	}
	x->depth--;
	return v;
}

struct expr_value expr_program(struct expr *x, int closer)
{
	struct expr_value v = expr_nil();
	if (!enter(x))
		return v;
	while (expr_going(x)) {
		while (next_is(x, ";"))
			x->p++;
		if (x->p >= x->end || *x->p == closer)
			break;
		v = parse_ternary(x);
		const uint8_t *after = x->p;
		skip_space(x);
		bool parted = x->p >= x->end || *x->p == closer || *x->p == ';' ||
			      memchr(after, '\n', (size_t)(x->p - after));
		if (expr_going(x) && !parted)
			fail_unknown(x, x->p);
	}
	x->depth--;
	return v;
}

void conf_expr_eval(const struct conf_expr_env *env, struct span code, struct buf *out, struct conf_expr_result *result)
{
	*result = (struct conf_expr_result){.status = CONF_EXPR_TEXT};
	struct expr x = {.env = env, .result = result, .live = true};
	x.start = x.p = code.p;
	x.end = code.p + code.n;
	struct expr_value v = expr_program(&x, -1);
	if (x.state == EXPR_GOING)
		expr_to_text(v, out);
	else
		result->status = x.state == EXPR_FAILED	    ? CONF_EXPR_ERROR
				 : x.state == EXPR_SETS_NIL ? CONF_EXPR_NIL
							    : CONF_EXPR_DEFAULT;
	conf_arena_free(&x.arena);
}
