#include "expr/expr.h"

#include "base/mem.h"
#include "expr/compile.h"

static const char *const variables[VAR_LOCAL] = {
	"record", "tag", "time", "tag_parts", "tag_prefix", "tag_suffix", "hostname"};

void compile_start(struct compiler *p, struct expr_set *s, struct span text, struct expr_error *e)
{
	*p = (struct compiler){.set = s, .text = text, .error = e};
	for (int i = 0; i < VAR_LOCAL; i++) {
		p->locals[i] = span_str(variables[i]);
		p->local_slots[i] = (uint16_t)i;
	}
	p->local_count = p->slots = VAR_LOCAL;
	*e = (struct expr_error){.at = 0};
}

const struct expr *compile_finish(struct compiler *p, struct span shown, struct expr_node *root)
{
	struct expr_set *s = p->set;
	if (root && p->at < p->text.n)
		root = compile_fail(
			p, p->at, "'%c' is not possible here", p->at < shown.n ? shown.p[p->at] : *p->text.p);
	struct expr *e = root ? compile_alloc(p, sizeof *e) : NULL;
	if (!e)
		return NULL;
	e->root = root;
	e->locals = p->slots;
	e->uses = p->uses;
	s->uses |= p->uses;
	return e;
}

const struct expr *expr_compile(struct expr_set *s, struct span code, struct expr_error *e)
{
	struct compiler p;
	compile_start(&p, s, code, e);
	return compile_finish(&p, code, compile_statements(&p));
}

static size_t count_codes(struct span text)
{
	size_t n = 0;
	for (size_t i = 0; i + 1 < text.n; i++)
		n += text.p[i] == '$' && text.p[i + 1] == '{';
	return n;
}

const struct expr *expr_compile_template(
	struct expr_set *s, struct span text, char quote, bool typed, struct expr_error *e)
{
	struct compiler p;
	if (typed && count_codes(text) == 1 && text.p[0] == '$' && text.p[1] == '{' && text.p[text.n - 1] == '}') {
		const struct expr *made = expr_compile(s, span_of(text.p + 2, text.n - 3), e);
		if (!made)
			e->at += 2;
		return made;
	}
	uint8_t close = quote == '[' ? ']' : (uint8_t)quote, *code = mem_alloc(text.n + 1);
	if (text.n)
		memcpy(code, text.p, text.n);
	code[text.n] = close;
	for (size_t i = 0; i + 1 < text.n; i++)
		if (code[i] == '$' && code[i + 1] == '{')
			code[i] = '#';
	compile_start(&p, s, span_of(code, text.n + 1), e);
	const struct expr *made = compile_finish(&p, text, compile_text(&p, quote == '[' ? '[' : 0, close));
	mem_free(code);
	return made;
}

struct expr_set *expr_set_new(enum expr_time time, const char *hostname)
{
	struct expr_set *s = mem_zalloc(sizeof *s);
	s->time = time;
	s->hostname = mem_strdup(hostname);
	arena_init(&s->arena, (size_t)16 << 20);
	return s;
}

void expr_set_free(struct expr_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->regexp_count; i++)
		expr_regexp_free(s->regexps[i]);
	for (size_t i = 0; i < s->format_count; i++)
		time_format_free(s->formats[i]);
	mem_free(s->regexps);
	mem_free(s->formats);
	mem_free(s->hostname);
	arena_free(&s->arena);
	mem_free(s);
}

bool expr_set_mutates(const struct expr_set *s)
{
	return s->mutates;
}

bool expr_set_walks(const struct expr_set *s)
{
	return s->walks;
}

bool expr_is_constant(const struct expr *e, struct value *v)
{
	*v = e->root->value;
	return e->root->kind == NODE_VALUE;
}
