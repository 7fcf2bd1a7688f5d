/*
 * expr_plain.c: values of <record> without Ruby, as fluentd's record_transformer reads them while enable_ruby is false: placeholders that are looked up whole in a table
 * of texts, so that ${record["a"]} is one of them and ${ record['a'] } is not.
 */
#include "expr/compile.h"

#include "base/mem.h"

#define PARTS_MAX 64 /* what a text may have (vm_eval.c) */

struct plain {
	struct compiler c;
	struct expr_node *parts[PARTS_MAX];
	size_t n;
	expr_unknown_fn *unknown;
	void *arg;
};

/* ---- finding placeholders ---- */

/* The length of the __WORD__ at the beginning of s, 0 if there is none. */
static size_t word_length(struct span s)
{
	size_t n = 0;
	while (n < s.n && (s.p[n] == '_' || (s.p[n] >= 'A' && s.p[n] <= 'Z')))
		n++;
	if (n < 5 || s.p[0] != '_' || s.p[1] != '_')
		return 0;
	while (n >= 5 && (s.p[n - 1] != '_' || s.p[n - 2] != '_'))
		n--;
	return n >= 5 ? n : 0;
}

/* The length of the placeholder at the beginning of s, 0 if there is none. */
static size_t placeholder_length(struct span s)
{
	if (s.n > 3 && s.p[0] == '$' && s.p[1] == '{' && s.p[2] != '}') {
		const uint8_t *end = memchr(s.p + 2, '}', s.n - 2);
		return end ? (size_t)(end - s.p) + 1 : 0;
	}
	return word_length(s);
}

/* ---- what they mean ---- */

static bool starts(struct span s, const char *text)
{
	size_t n = strlen(text);
	return s.n >= n && memcmp(s.p, text, n) == 0;
}

static struct span without(struct span s, size_t front, size_t back)
{
	return span_of(s.p + front, s.n - front - back);
}

static struct expr_node *variable(struct compiler *c, size_t at, int slot)
{
	struct expr_node *n = compile_node(c, NODE_VAR, at);
	if (n)
		n->slot = (uint16_t)slot;
	c->uses |= 1u << slot;
	return n;
}

static struct expr_node *index_of(struct compiler *c, size_t at, int slot, struct value key)
{
	struct expr_node *recv = variable(c, at, slot), *arg = compile_value(c, at, key);
	return recv && arg ? compile_call(c, at, recv, M_INDEX, &arg, 1) : NULL;
}

/* tag_parts[N] and the like: N as Ruby prints it. NULL: it is not that. */
static struct expr_node *tag_part(struct compiler *c, size_t at, struct span code)
{
	static const struct {
		const char *name;
		int slot;
	} arrays[] = {{"tag_parts[", VAR_TAG_PARTS}, {"tag_prefix[", VAR_TAG_PREFIX}, {"tag_suffix[", VAR_TAG_SUFFIX}};
	for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
		if (!starts(code, arrays[i].name) || code.p[code.n - 1] != ']')
			continue;
		struct span digits = without(code, strlen(arrays[i].name), 1);
		bool negative = digits.n && *digits.p == '-';
		int64_t v = 0;
		if (negative)
			digits = without(digits, 1, 0);
		if (!digits.n || digits.n > 9 || (*digits.p == '0' && (digits.n > 1 || negative)))
			return NULL;
		for (size_t k = 0; k < digits.n; k++) {
			if (!compile_is_digit(digits.p[k]))
				return NULL;
			v = 10 * v + digits.p[k] - '0';
		}
		return index_of(c, at, arrays[i].slot, value_int(negative ? -v : v));
	}
	return NULL;
}

/* What fluentd has in its table; NULL: nothing, or no room. */
static struct expr_node *known(struct compiler *c, size_t at, struct span code)
{
	if (span_is(code, "tag"))
		return variable(c, at, VAR_TAG);
	if (span_is(code, "hostname"))
		return variable(c, at, VAR_HOSTNAME);
	if (span_is(code, "time")) {
		struct expr_node *time = variable(c, at, VAR_TIME);
		return time ? compile_call(c, at, time, M_TO_S, NULL, 0) : NULL;
	}
	if (starts(code, "record[\"") && code.n >= 10 && code.p[code.n - 2] == '"' && code.p[code.n - 1] == ']') {
		struct span key = without(code, 8, 2);
		if (!memchr(key.p, '"', key.n))
			return index_of(c, at, VAR_RECORD, value_str(compile_copy(c, key)));
	}
	return tag_part(c, at, code);
}

/* Whether it does nothing but fetch something: record["a"]["b"], record.dig("a", 0). */
static bool is_fetch(const struct expr_node *n)
{
	for (; n->kind == NODE_CALL && (n->method == M_INDEX || n->method == M_DIG) && !n->block; n = n->a)
		for (unsigned i = 0; i < n->count; i++)
			if (n->args[i]->kind != NODE_VALUE)
				return false;
	return n->kind == NODE_VAR && n->slot != VAR_TIME;
}

/* What fluentd has not, but was meant for sure. */
static struct expr_node *meant(struct compiler *c, struct span code)
{
	struct compiler p;
	struct expr_error e;
	bool mutates = c->set->mutates;
	compile_start(&p, c->set, code, &e);
	struct expr_node *n = compile_statements(&p);
	if (!n || p.at < code.n || !is_fetch(n)) {
		c->set->mutates = mutates;
		return NULL;
	}
	c->uses |= p.uses;
	return n;
}

static struct expr_node *compile_placeholder(struct plain *p, size_t at, struct span text)
{
	struct expr_node *n = NULL;
	bool understood = false;
	if (*text.p == '$') {
		struct span code = without(text, 2, 1);
		n = known(&p->c, at, code);
		if (n || p->c.failed)
			return n;
		n = meant(&p->c, code);
		understood = n != NULL;
	}
	p->unknown(p->arg, at, text, understood);
	return n ? n : compile_value(&p->c, at, value_nil());
}

/* ---- values ---- */

static bool add(struct plain *p, struct expr_node *n)
{
	if (!n)
		return false;
	if (p->n == PARTS_MAX)
		return compile_fail(&p->c, n->at, "more than %d parts in one text", PARTS_MAX) != NULL;
	p->parts[p->n++] = n;
	return true;
}

static bool add_text(struct plain *p, size_t from, size_t to)
{
	if (from == to)
		return true;
	struct span text = compile_copy(&p->c, span_of(p->c.text.p + from, to - from));
	return !p->c.failed && add(p, compile_value(&p->c, from, value_str(text)));
}

static struct expr_node *compile_parts(struct plain *p, bool typed)
{
	const struct span text = p->c.text;
	size_t from = 0, at = 0;
	while (at < text.n) {
		const struct span rest = span_of(text.p + at, text.n - at);
		size_t n = placeholder_length(rest);
		if (!n) {
			at++;
			continue;
		}
		struct expr_node *part = NULL;
		if (add_text(p, from, at))
			part = compile_placeholder(p, at, span_of(rest.p, n));
		if (!add(p, part))
			return NULL;
		if (typed && n == text.n)
			return part;
		at += n;
		from = at;
	}
	if (!add_text(p, from, text.n))
		return NULL;
	if (p->n == 0)
		return compile_value(&p->c, 0, value_str(SPAN_LIT("")));
	if (p->n == 1 && from == 0)
		return p->parts[0];
	return compile_with_args(&p->c, compile_node(&p->c, NODE_TEXT, 0), p->parts, p->n);
}

const struct expr *expr_compile_plain(
	struct expr_set *s, struct span text, bool typed, expr_unknown_fn *unknown, void *arg, struct expr_error *e)
{
	struct plain p = {.unknown = unknown, .arg = arg};
	compile_start(&p.c, s, text, e);
	struct expr_node *root = compile_parts(&p, typed);
	p.c.at = text.n;
	return compile_finish(&p.c, text, root);
}
