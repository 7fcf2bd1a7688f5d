/*
 * compile.h: text to trees: compile_scan.c (blanks, words), compile_literal.c (what is written out), compile_primary.c (names, brackets), compile_call.c (methods,
 * arguments, blocks), compile_operator.c, compile_statement.c. For lib/expr only.
 *
 * Ruby cannot be cut into tokens without knowing what may come next, so there is no lexer: each part reads characters. Recursive descent with a limit on depth.
 * A function that returns NULL or false has reported why with compile_fail.
 */
#ifndef WEIR_EXPR_COMPILE_H
#define WEIR_EXPR_COMPILE_H

#include "expr/expr_module.h"

#define COMPILE_DEPTH_MAX 250

struct compiler {
	struct expr_set *set;
	struct span text;
	size_t at;
	struct expr_error *error;
	bool failed;
	unsigned depth;
	bool no_symbol; /* between ? and : */
	bool no_do;	/* among arguments without parentheses */
	unsigned blocks;
	struct span locals[EXPR_VARS_MAX]; /* names that can be seen, in the order of their slots */
	uint16_t local_slots[EXPR_VARS_MAX];
	uint16_t local_count;
	uint16_t slots; /* used in all */
	uint32_t uses;
};

/* ---- expr.c ---- */

void compile_start(struct compiler *p, struct expr_set *s, struct span text, struct expr_error *e);
/* The expression, if all of the text was understood. `shown`: the text as the user wrote it. */
const struct expr *compile_finish(struct compiler *p, struct span shown, struct expr_node *root);

/* ---- compile_scan.c ---- */

/* Remembers the first mistake; returns NULL. */
void *compile_fail(struct compiler *p, size_t at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The byte `ahead` of the present one, 0 behind the end. */
static inline uint8_t compile_peek(const struct compiler *p, size_t ahead)
{
	return p->at + ahead < p->text.n ? p->text.p[p->at + ahead] : 0;
}

static inline bool compile_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline bool compile_is_name_start(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static inline bool compile_is_name(uint8_t c)
{
	return compile_is_name_start(c) || compile_is_digit(c);
}

static inline bool compile_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* Over blanks and comments; `lines`: over line ends too. */
void compile_skip(struct compiler *p, bool lines);
/* Whether `text` stands here. */
bool compile_at(const struct compiler *p, const char *text);
/* Takes `text` if it stands here. */
bool compile_take(struct compiler *p, const char *text);
/* The name that begins here (without ? and !); empty if none does. */
struct span compile_word(const struct compiler *p);
/* Whether the word here is exactly this one; takes it. */
bool compile_at_word(const struct compiler *p, const char *word);
bool compile_take_word(struct compiler *p, const char *word);
bool compile_is_keyword(struct span word);
/* Over blanks, then `text` must stand here. */
bool compile_expect(struct compiler *p, const char *text, const char *what);

struct expr_node *compile_node(struct compiler *p, enum expr_kind kind, size_t at);
struct expr_node *compile_value(struct compiler *p, size_t at, struct value v);
/* Sets a node's children and height, which has a limit. */
struct expr_node *compile_with(
	struct compiler *p, struct expr_node *n, struct expr_node *a, struct expr_node *b, struct expr_node *c);
struct expr_node *compile_with_args(
	struct compiler *p, struct expr_node *n, struct expr_node *const *args, size_t count);
struct expr_node *compile_call(struct compiler *p, size_t at, struct expr_node *recv, unsigned method,
	struct expr_node *const *args, size_t count);
void *compile_alloc(struct compiler *p, size_t n);
struct span compile_copy(struct compiler *p, struct span s);

/* The slot of a local variable, -1 if there is none; a new one. */
int compile_local(const struct compiler *p, struct span name);
int compile_new_local(struct compiler *p, size_t at, struct span name);

/* ---- compile_literal.c ---- */

/* "...", '...', %w[...], /.../, :name and so on: *n is NULL if none of them begins here. False: failed. */
bool compile_literal(struct compiler *p, struct expr_node **n);
/* Inside of a text with escapes and #{}, up to `close` (which is taken); `open` nests unless it is 0. */
struct expr_node *compile_text(struct compiler *p, uint8_t open, uint8_t close);
/* A regular expression of the set. */
struct expr_node *compile_regexp(struct compiler *p, size_t at, struct span source, unsigned flags);
/* Whether %w[ or the like begins here. */
bool compile_at_percent(const struct compiler *p);
/* Whether "text": begins here: a symbol for a key. */
bool compile_at_text_key(const struct compiler *p);

/* ---- compile_primary.c ---- */

/* A name, literal or bracket, without what hangs on it. */
struct expr_node *compile_primary(struct compiler *p);
/* $1, $~ and the like. */
struct expr_node *compile_dollar(struct compiler *p);

/* ---- compile_call.c ---- */

/* A primary with everything that hangs on it: methods, indexes. */
struct expr_node *compile_postfix(struct compiler *p);
/* The same for a primary that has been read. */
struct expr_node *compile_hang(struct compiler *p, struct expr_node *n);
/* Arguments up to `close`. `symbol` (NULL: not possible) gets the method of &:name, -1 if there is none. */
bool compile_args(struct compiler *p, const char *close, struct expr_node **args, size_t *count, int *symbol);
/* name: or "text":, taken with its colon; *key NULL: there is none. */
bool compile_key(struct compiler *p, struct expr_node **key);
/* Arguments and block of a function whose name has been taken. */
struct expr_node *compile_function(struct compiler *p, size_t at, const struct expr_module_function *f);
/* require 'json' does nothing here. */
struct expr_node *compile_require(struct compiler *p, size_t at);

/* ---- compile_operator.c ---- */

/* An expression without `and`, `or`, and what stands behind it (`if`, `rescue`). */
struct expr_node *compile_expression(struct compiler *p);
/* The right side of an assignment: `a = b rescue c` is a = (b rescue c). */
struct expr_node *compile_right_side(struct compiler *p);
/* a rescue b */
struct expr_node *compile_rescued(struct compiler *p, size_t at, struct expr_node *n, struct expr_node *other);

/* ---- compile_statement.c ---- */

/* Statements up to a word or bracket that ends them; nil if there are none. */
struct expr_node *compile_statements(struct compiler *p);
struct expr_node *compile_statement(struct compiler *p);
/* if, unless, case, begin: the word has been taken. */
struct expr_node *compile_if(struct compiler *p, size_t at, bool unless);
struct expr_node *compile_case(struct compiler *p, size_t at);
struct expr_node *compile_begin(struct compiler *p, size_t at);

#endif
