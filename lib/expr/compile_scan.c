/* compile_scan.c: characters, words and nodes for the parser. */
#include "expr/compile.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

void *compile_fail(struct compiler *p, size_t at, const char *fmt, ...)
{
	if (p->failed)
		return NULL;
	p->failed = true;
	p->error->at = at;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(p->error->text, sizeof p->error->text, fmt, ap);
	va_end(ap);
	return NULL;
}

void compile_skip(struct compiler *p, bool lines)
{
	for (;;) {
		uint8_t c = compile_peek(p, 0);
		if (p->at < p->text.n && (compile_is_blank(c) || (lines && c == '\n'))) {
			p->at++;
		} else if (c == '\\' && compile_peek(p, 1) == '\n') {
			p->at += 2;
		} else if (c == '#') {
			while (p->at < p->text.n && p->text.p[p->at] != '\n')
				p->at++;
		} else {
			return;
		}
	}
}

bool compile_at(const struct compiler *p, const char *text)
{
	size_t n = strlen(text);
	return p->text.n - p->at >= n && memcmp(p->text.p + p->at, text, n) == 0;
}

bool compile_take(struct compiler *p, const char *text)
{
	if (!compile_at(p, text))
		return false;
	p->at += strlen(text);
	return true;
}

struct span compile_word(const struct compiler *p)
{
	size_t n = 0;
	if (p->at < p->text.n && compile_is_name_start(compile_peek(p, 0)))
		while (p->at + n < p->text.n && compile_is_name(compile_peek(p, n)))
			n++;
	return span_of(p->text.p + p->at, n);
}

bool compile_at_word(const struct compiler *p, const char *word)
{
	struct span w = compile_word(p);
	/* `if:` is a key, `end?` a method. */
	uint8_t next = compile_peek(p, w.n);
	return span_is(w, word) && (next != ':' || compile_peek(p, w.n + 1) == ':') &&
	       !(next == '?' && compile_is_name(compile_peek(p, w.n + 1)));
}

bool compile_take_word(struct compiler *p, const char *word)
{
	if (!compile_at_word(p, word))
		return false;
	p->at += strlen(word);
	return true;
}

bool compile_is_keyword(struct span word)
{
	static const char *const keywords[] = {"if", "unless", "while", "until", "rescue", "and", "or", "not", "then",
		"do", "end", "else", "elsif", "when", "in", "case", "begin", "ensure", "nil", "true", "false", "self",
		"def", "class", "module", "return", "next", "break", "yield", "for", "redo", "retry", "super", "alias",
		"undef", "defined?", "__FILE__", "__LINE__", "BEGIN", "END"};
	for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
		if (span_is(word, keywords[i]))
			return true;
	return false;
}

bool compile_expect(struct compiler *p, const char *text, const char *what)
{
	compile_skip(p, true);
	if (compile_take(p, text))
		return true;
	if (p->at >= p->text.n)
		compile_fail(p, p->at, "the end comes where '%s' must be: %s", text, what);
	else
		compile_fail(p, p->at, "'%s' is missing: %s", text, what);
	return false;
}

void *compile_alloc(struct compiler *p, size_t n)
{
	void *mem = arena_alloc(&p->set->arena, n);
	if (!mem)
		return compile_fail(p, p->at, "the expressions of this filter are too long");
	memset(mem, 0, n);
	return mem;
}

struct span compile_copy(struct compiler *p, struct span s)
{
	uint8_t *copy = compile_alloc(p, s.n + 1);
	if (!copy)
		return (struct span){0};
	if (s.n)
		memcpy(copy, s.p, s.n);
	return span_of(copy, s.n);
}

struct expr_node *compile_node(struct compiler *p, enum expr_kind kind, size_t at)
{
	struct expr_node *n = compile_alloc(p, sizeof *n);
	if (!n)
		return NULL;
	n->kind = (uint8_t)kind;
	n->at = (uint32_t)at;
	n->height = 1;
	return n;
}

struct expr_node *compile_value(struct compiler *p, size_t at, struct value v)
{
	struct expr_node *n = compile_node(p, NODE_VALUE, at);
	if (n)
		n->value = v;
	return n;
}

static void raise_height(struct expr_node *n, const struct expr_node *child)
{
	if (child && child->height >= n->height)
		n->height = (uint16_t)(child->height + 1);
}

static struct expr_node *check_height(struct compiler *p, struct expr_node *n)
{
	return n->height <= EXPR_HEIGHT_MAX ? n : compile_fail(p, n->at, "the expression is nested too deep");
}

struct expr_node *compile_with(
	struct compiler *p, struct expr_node *n, struct expr_node *a, struct expr_node *b, struct expr_node *c)
{
	if (!n)
		return NULL;
	n->a = a;
	n->b = b;
	n->c = c;
	raise_height(n, a);
	raise_height(n, b);
	raise_height(n, c);
	if (n->block)
		raise_height(n, n->block->body);
	return check_height(p, n);
}

struct expr_node *compile_with_args(
	struct compiler *p, struct expr_node *n, struct expr_node *const *args, size_t count)
{
	if (!n)
		return NULL;
	if (count > UINT16_MAX)
		return compile_fail(p, n->at, "too many parts");
	n->args = compile_alloc(p, count * sizeof *args);
	if (!n->args)
		return NULL;
	if (count)
		memcpy(n->args, args, count * sizeof *args);
	n->count = (uint16_t)count;
	for (size_t i = 0; i < count; i++)
		raise_height(n, args[i]);
	return check_height(p, n);
}

struct expr_node *compile_call(struct compiler *p, size_t at, struct expr_node *recv, unsigned method,
	struct expr_node *const *args, size_t count)
{
	struct expr_node *n = compile_with_args(p, compile_node(p, NODE_CALL, at), args, count);
	if (!n)
		return NULL;
	n->method = (uint16_t)method;
	if (expr_method_mutates(method))
		p->set->mutates = true;
	return compile_with(p, n, recv, NULL, NULL);
}

int compile_local(const struct compiler *p, struct span name)
{
	for (unsigned i = p->local_count; i-- > 0;)
		if (span_eq(p->locals[i], name))
			return p->local_slots[i];
	return -1;
}

int compile_new_local(struct compiler *p, size_t at, struct span name)
{
	if (p->slots >= EXPR_VARS_MAX || p->local_count >= EXPR_VARS_MAX) {
		compile_fail(p, at, "more than %d variables", EXPR_VARS_MAX);
		return -1;
	}
	p->locals[p->local_count] = compile_copy(p, name);
	p->local_slots[p->local_count++] = p->slots;
	return p->slots++;
}
