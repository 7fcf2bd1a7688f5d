/*
 * tag_match.c: patterns as fluentd's GlobMatchPattern understands them, which is: it turns them into a regular expression,
 * text by text. The quirks of that are the behaviour that configurations are written against, so they are kept:
 *
 *   `.` is a pending dot. At the end of the pattern it means nothing (`a.` is `a`); before `**` it means "here ends a
 *   part" (a dot or the end follows, which is why `a.**` matches `a`); before anything else it is a dot.
 *   `**.` is "anything and a dot", or nothing at the beginning of the tag; any other `**` is "anything".
 *   "Anything" has no line feed in it; `*` is anything without a dot; the end of the tag may be before a last line feed.
 *   `/re/` is \A and re and \Z put together, so of `/a|b/` each side holds one anchor only.
 *
 * A pattern becomes a small program without loops over groups: each instruction leads to later ones, or, for a star, to
 * itself after it took a byte. So all positions in the program are followed at once, in one ascending pass for each
 * byte of the tag, and no pattern can be slow: time is at most length of tag times length of pattern.
 */
#include "record/tag_match.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/regexp.h"

#define CODE_MAX  16384 /* instructions of one pattern; it bounds the bit sets on the stack */
#define SET_WORDS (CODE_MAX / 64)

enum op {
	OP_BYTE,      /* takes the byte c */
	OP_ANY,	      /* takes any number of bytes but line feeds */
	OP_PART,      /* takes any number of bytes but dots */
	OP_SPLIT,     /* the next instruction, or the one at `to` */
	OP_JUMP,      /* the one at `to` */
	OP_AT_START,  /* goes on at the beginning of the tag only */
	OP_PART_ENDS, /* goes on where a dot follows or the tag ends */
	OP_END,	      /* the tag matches if it ends here */
};

struct insn {
	uint8_t op;
	uint8_t c;
	uint16_t to;
};

struct pattern {
	enum { PATTERN_ALL, PATTERN_GLOB, PATTERN_REGEXP } kind;
	struct insn *code;
	unsigned len; /* instructions; the last one is OP_END */
	struct regexp *regexp;
};

struct tag_match {
	struct pattern *v;
	size_t n;
};

/* An open brace. Jumps to behind the closing one are chained through their `to` until that is known. */
struct brace {
	unsigned split; /* the OP_SPLIT before the alternative that is being read */
	unsigned jumps; /* the newest of the chain, 0 = none (a jump is never the first instruction) */
	bool plain;	/* nothing but letters, digits and _ in it so far */
};

struct compiler {
	struct insn *code;
	unsigned len, cap;
	struct brace *braces;
	size_t depth, depth_cap;
	bool dot; /* one is pending */
	struct err *err;
};

static bool emit(struct compiler *c, enum op op, uint8_t byte)
{
	if (c->len == CODE_MAX)
		return err_set(c->err, "it is longer than %d characters", CODE_MAX);
	if (c->len == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 32;
		c->code = mem_realloc(c->code, c->cap * sizeof *c->code);
	}
	c->code[c->len++] = (struct insn){.op = (uint8_t)op, .c = byte};
	return true;
}

static bool emit_dot(struct compiler *c)
{
	if (!c->dot)
		return true;
	c->dot = false;
	return emit(c, OP_BYTE, '.');
}

/* `**`, with the dot behind it if there is one: (.*\.|\A) */
static bool emit_any_parts(struct compiler *c, bool and_dot)
{
	if (c->dot && !emit(c, OP_PART_ENDS, 0))
		return false;
	c->dot = false;
	if (!and_dot)
		return emit(c, OP_ANY, 0);
	unsigned split = c->len;
	if (!emit(c, OP_SPLIT, 0) || !emit(c, OP_ANY, 0) || !emit(c, OP_BYTE, '.') || !emit(c, OP_JUMP, 0) ||
		!emit(c, OP_AT_START, 0))
		return false;
	c->code[split].to = (uint16_t)(split + 4);
	c->code[split + 3].to = (uint16_t)c->len;
	return true;
}

static bool open_brace(struct compiler *c)
{
	if (c->depth == c->depth_cap) {
		c->depth_cap = c->depth_cap ? c->depth_cap * 2 : 4;
		c->braces = mem_realloc(c->braces, c->depth_cap * sizeof *c->braces);
	}
	c->braces[c->depth++] = (struct brace){.split = c->len, .plain = true};
	return emit(c, OP_SPLIT, 0);
}

static bool next_alternative(struct compiler *c)
{
	struct brace *b = &c->braces[c->depth - 1];
	unsigned jump = c->len;
	if (!emit(c, OP_JUMP, 0))
		return false;
	c->code[jump].to = (uint16_t)b->jumps;
	b->jumps = jump;
	c->code[b->split].to = (uint16_t)c->len;
	b->split = c->len;
	return emit(c, OP_SPLIT, 0);
}

static void close_brace(struct compiler *c)
{
	struct brace *b = &c->braces[--c->depth];
	c->code[b->split] = (struct insn){.op = OP_JUMP, .to = (uint16_t)(b->split + 1)}; /* the last has no other */
	for (unsigned at = b->jumps; at;) {
		unsigned next = c->code[at].to;
		c->code[at].to = (uint16_t)c->len;
		at = next;
	}
}

static bool is_word(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_';
}

/* One character that is neither escaped nor part of `**`; a dot that waited is written by then. */
static bool read_one(struct compiler *c, char ch)
{
	if (ch == '}' && c->depth) {
		close_brace(c);
		return true;
	}
	if (ch == ',' && c->depth)
		return next_alternative(c);
	for (size_t i = 0; i < c->depth && !is_word(ch); i++)
		c->braces[i].plain = false;
	if (ch == '.') {
		c->dot = true;
		return true;
	}
	if (ch == '*')
		return emit(c, OP_PART, 0);
	if (ch == '{')
		return open_brace(c);
	return emit(c, OP_BYTE, (uint8_t)ch);
}

/*
 * A brace that is never closed. Plain words in it work as if it were; fluentd takes anything else in it as letters of a
 * regular expression's source, which nobody can have meant.
 */
static bool close_open_brace(struct compiler *c)
{
	if (c->depth > 1 || !c->braces[0].plain)
		return err_set(c->err, "a '{' is not closed");
	close_brace(c);
	return true;
}

static bool read_glob(struct compiler *c, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char ch = (char)s.p[i];
		if (ch == '*' && i + 1 < s.n && s.p[i + 1] == '*') {
			bool and_dot = i + 2 < s.n && s.p[i + 2] == '.';
			for (size_t b = 0; b < c->depth; b++)
				c->braces[b].plain = false;
			if (!emit_any_parts(c, and_dot))
				return false;
			i += and_dot ? 2 : 1;
			continue;
		}
		if (!emit_dot(c))
			return false;
		if (ch == '\\') {
			if (++i < s.n && !emit(c, OP_BYTE, s.p[i]))
				return false;
			if (i < s.n && !is_word((char)s.p[i]) && c->depth)
				c->braces[0].plain = false;
		} else if (!read_one(c, ch)) {
			return false;
		}
	}
	return (!c->depth || close_open_brace(c)) && emit(c, OP_END, 0);
}

static bool compile_glob(struct pattern *p, struct span s, struct err *err)
{
	struct compiler c = {.err = err};
	p->kind = PATTERN_GLOB;
	bool ok = read_glob(&c, s);
	mem_free(c.braces);
	p->code = c.code;
	p->len = c.len;
	return ok;
}

static bool compile_regexp(struct pattern *p, struct span s, struct err *err)
{
	p->kind = PATTERN_REGEXP;
	if (s.p[s.n - 1] != '/')
		return err_set(err,
			"it begins with '/' but does not end with it (white space ends a pattern: write \\s for it)");
	struct span inner = s.n > 1 ? span_of(s.p + 1, s.n - 2) : span_of(s.p, 0);
	char *source = mem_printf("\\A%.*s\\Z", (int)inner.n, (const char *)inner.p);
	p->regexp = regexp_compile(span_str(source), 0, err);
	mem_free(source);
	return p->regexp != NULL;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next pattern of the list, from *p on; n = 0 at the end. */
static struct span next_word(const char **p)
{
	while (is_blank((uint8_t) * *p))
		++*p;
	const char *start = *p;
	while (**p && !is_blank((uint8_t) * *p))
		++*p;
	return span_of(start, (size_t)(*p - start));
}

static bool compile_one(struct pattern *p, struct span s, struct err *err)
{
	if (span_is(s, "**")) {
		p->kind = PATTERN_ALL;
		return true;
	}
	bool ok = s.p[0] == '/' ? compile_regexp(p, s, err) : compile_glob(p, s, err);
	if (!ok)
		err_wrap(err, "match pattern '%.*s'", (int)(s.n > 200 ? 200 : s.n), (const char *)s.p);
	return ok;
}

struct tag_match *tag_match_compile(const char *pattern, struct err *err)
{
	struct tag_match *m = mem_zalloc(sizeof *m);
	const char *p = pattern;
	for (;;) {
		struct span s = next_word(&p);
		if (!s.n && m->n)
			return m;
		m->v = mem_realloc(m->v, (m->n + 1) * sizeof *m->v);
		m->v[m->n] = (struct pattern){0};
		if (!compile_one(&m->v[m->n++], s.n ? s : SPAN_LIT("**"), err)) {
			tag_match_free(m);
			return NULL;
		}
	}
}

void tag_match_free(struct tag_match *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		mem_free(m->v[i].code);
		regexp_free(m->v[i].regexp);
	}
	mem_free(m->v);
	mem_free(m);
}

static inline void set_add(uint64_t *set, size_t i)
{
	set[i / 64] |= UINT64_C(1) << (i % 64);
}

/* At byte `at` of the tag, in the instruction `pc`: adds where it leads. True if the tag matches. */
static inline bool step(const struct insn *code, size_t pc, struct span tag, size_t at, uint64_t *now, uint64_t *next)
{
	const struct insn *i = &code[pc];
	switch ((enum op)i->op) {
	case OP_BYTE:
		if (at < tag.n && tag.p[at] == i->c)
			set_add(next, pc + 1);
		break;
	case OP_ANY:
	case OP_PART:
		set_add(now, pc + 1);
		if (at < tag.n && tag.p[at] != (i->op == OP_ANY ? '\n' : '.'))
			set_add(next, pc);
		break;
	case OP_SPLIT:
		set_add(now, pc + 1);
		set_add(now, i->to);
		break;
	case OP_JUMP:
		set_add(now, i->to);
		break;
	case OP_AT_START:
		if (at == 0)
			set_add(now, pc + 1);
		break;
	case OP_PART_ENDS:
		if (at == tag.n || tag.p[at] == '.')
			set_add(now, pc + 1);
		break;
	case OP_END:
		return at == tag.n || (at + 1 == tag.n && tag.p[at] == '\n');
	}
	return false;
}

static bool match_glob(const struct pattern *p, struct span tag)
{
	uint64_t sets[2][SET_WORDS];
	size_t words = (p->len + 63U) / 64; /* an instruction leads at most to the last one, OP_END */
	memset(sets[0], 0, words * sizeof **sets);
	set_add(sets[0], 0);
	for (size_t at = 0; at <= tag.n; at++) {
		uint64_t *now = sets[at & 1], *next = sets[~at & 1], any = 0;
		memset(next, 0, words * sizeof *next);
		for (size_t w = 0; w < words; w++) {
			any |= now[w];
			/* A step may add later ones to this word: look again until none is left above. */
			for (uint64_t done = 0; now[w] & ~done;) {
				unsigned bit = (unsigned)__builtin_ctzll(now[w] & ~done);
				done |= UINT64_C(1) << bit;
				if (step(p->code, w * 64 + bit, tag, at, now, next))
					return true;
			}
		}
		if (!any)
			return false;
	}
	return false;
}

static bool match_regexp(const struct pattern *p, struct span tag)
{
	static struct log_limit limit;
	uint64_t held;
	enum regexp_result r = regexp_search(p->regexp, tag);
	if (r == REGEXP_LIMIT && log_allowed(&limit, 60 * NS_PER_S, &held))
		log_warn(NULL,
			"a regular expression in a match pattern takes too many steps, the tag does not match it",
			LOG_B("tag", tag), LOG_U("held_back", held));
	return r == REGEXP_YES;
}

bool tag_match(const struct tag_match *m, struct span tag)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct pattern *p = &m->v[i];
		if (p->kind == PATTERN_ALL || (p->kind == PATTERN_GLOB && match_glob(p, tag)) ||
			(p->kind == PATTERN_REGEXP && match_regexp(p, tag)))
			return true;
	}
	return false;
}
