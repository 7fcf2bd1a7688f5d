/* conf_expr_value.h: inside of conf_expr: the values of an expression and what can be called on them. */
#ifndef WEIR_CONF_CONF_EXPR_VALUE_H
#define WEIR_CONF_CONF_EXPR_VALUE_H

#include "conf/conf_arena.h"
#include "conf/conf_expr.h"

/* Of one evaluation, in bytes; nothing that a configuration means comes near it. */
#define EXPR_MEMORY_MAX ((size_t)4 << 20)

enum expr_type { EXPR_NIL, EXPR_BOOL, EXPR_INT, EXPR_FLOAT, EXPR_STRING, EXPR_ARRAY };

struct expr_value {
	enum expr_type type;
	union {
		bool b;
		int64_t i;
		double f;
		struct span s;
		struct {
			struct expr_value *v;
			size_t n;
		} a;
	};
};

enum expr_state { EXPR_GOING, EXPR_SETS_NIL, EXPR_SETS_DEFAULT, EXPR_FAILED };

/* One evaluation. Strings and arrays live in the arena until its end. */
struct expr {
	const struct conf_expr_env *env;
	struct conf_arena arena;
	struct conf_expr_result *result;
	const uint8_t *start, *p, *end;
	unsigned depth;
	bool live; /* false in a branch that is not taken: parsed, not evaluated */
	enum expr_state state;
};

/* Ends the evaluation with a sentence about the place `at`; the first one counts. */
void expr_fail(struct expr *x, const uint8_t *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Takes the text, behind blanks; fails if something else is there. */
bool expr_expect(struct expr *x, const char *text);

/* Statements, parted by ; or line ends, up to (not with) the closer or the end; the value is the last one's. */
struct expr_value expr_program(struct expr *x, int closer);

/* Literals, at whose first character x->p is. /plain text/, an argument, stands for that text; regular expressions are refused. */
struct expr_value expr_single(struct expr *x);
struct expr_value expr_double(struct expr *x);
struct expr_value expr_number(struct expr *x);
struct expr_value expr_regexp(struct expr *x);

static inline bool expr_going(const struct expr *x)
{
	return x->state == EXPR_GOING;
}

static inline struct expr_value expr_nil(void)
{
	return (struct expr_value){.type = EXPR_NIL};
}

static inline struct expr_value expr_bool(bool b)
{
	return (struct expr_value){.type = EXPR_BOOL, .b = b};
}

static inline struct expr_value expr_int(int64_t i)
{
	return (struct expr_value){.type = EXPR_INT, .i = i};
}

static inline struct expr_value expr_float(double f)
{
	return (struct expr_value){.type = EXPR_FLOAT, .f = f};
}

/* A string of bytes that live long enough (the code, or the arena). */
static inline struct expr_value expr_span(struct span s)
{
	return (struct expr_value){.type = EXPR_STRING, .s = s};
}

/* A string copied into the arena; fails over the limit of an evaluation's memory. */
struct expr_value expr_string(struct expr *x, const void *p, size_t n);

/* Takes the buffer's content into the arena and frees the buffer. */
struct expr_value expr_take(struct expr *x, struct buf *b);

/* An array of n values in the arena, to be filled. */
struct expr_value expr_array(struct expr *x, size_t n);

/* "a String", for messages. */
const char *expr_type_name(enum expr_type type);

/* Of a String the number of characters, of an Array that of items. */
size_t expr_size(struct expr_value v);

/* `count` items of an array, from `begin` on, which are there. */
struct expr_value expr_slice(struct expr *x, struct expr_value v, size_t begin, size_t count);

bool expr_truthy(struct expr_value v);
bool expr_equal(struct expr_value a, struct expr_value b);

/* What Ruby's to_s makes of it. */
void expr_to_text(struct expr_value v, struct buf *out);

/* a op b for + - * / % and < > L (<=) G (>=); `at` is the operator's place. */
struct expr_value expr_arithmetic(struct expr *x, const uint8_t *at, char op, struct expr_value a, struct expr_value b);

/* v[from] (to = NULL), v[from, to], or v[from..to] (range; exclusive: from...to). */
struct expr_index {
	struct expr_value from, to;
	bool has_to, range, exclusive;
};
struct expr_value expr_at(struct expr *x, const uint8_t *at, struct expr_value v, const struct expr_index *index);

/* ENV['name'], File.read(path), File.exist?(path), Socket.gethostname; nil (and nothing is looked at) where x is not live. */
struct expr_value expr_env(struct expr *x, const uint8_t *at, struct expr_value name);
struct expr_value expr_read_file(struct expr *x, const uint8_t *at, struct expr_value path);
struct expr_value expr_file_exists(struct expr *x, const uint8_t *at, struct expr_value path);
struct expr_value expr_hostname(struct expr *x);

/* Puts the string as JSON, in quotes. */
void expr_put_json(struct span s, struct buf *out);

/* self.name(args): `name` as written. A method that is not known fails; so does one that self does not have. */
#define EXPR_ARGS_MAX 8
struct expr_value expr_call(struct expr *x, const uint8_t *at, struct expr_value self, struct span name,
	const struct expr_value *args, size_t n);

/* Whether there is a method of that name for any type; for code that is parsed and not evaluated. */
bool expr_knows(struct span name);

#endif
