/*
 * expr.h: the Ruby of fluentd's ${...}: the expressions that record_transformer (enable_ruby) and record_modifier evaluate for each record.
 *
 * weir runs no Ruby. An expression is compiled once, at start, into a tree that is evaluated for each record: literals, operators, conditions, local variables, blocks,
 * and the methods that such expressions use, with Ruby's results. What is not understood is refused at start. Nothing can do I/O, start anything, loop without end, or use more
 * than so many steps and so much memory: a record that asks for more fails alone.
 *
 * A set holds the expressions that one filter evaluates together; read-only after they are compiled. An evaluator is one thread's; each worker takes its own.
 */
#ifndef WEIR_EXPR_EXPR_H
#define WEIR_EXPR_EXPR_H

#include "record/record.h"

struct expr;
struct expr_set;
struct expr_vm;

/* What `time` is: record_transformer gives a Time, record_modifier fluentd's EventTime, which is more of a number. */
enum expr_time { EXPR_TIME, EXPR_EVENT_TIME };

struct expr_set *expr_set_new(enum expr_time time, const char *hostname);
void expr_set_free(struct expr_set *s); /* with its expressions; NULL is allowed */

struct expr_error {
	size_t at; /* offset in the text */
	char text[400];
};

/* Compiles Ruby code. NULL: it is not understood; `e` says where and what. The expression belongs to the set. */
const struct expr *expr_compile(struct expr_set *s, struct span code, struct expr_error *e);

/*
 * Compiles a value of <record> with ${...} in it as fluentd reads it: exactly one ${...} and nothing else is code whose value keeps its type (if `typed`), all else
 * is what comes between `quote` and its end in Ruby: %Q[...] (quote '[') or "..." (quote '"').
 */
const struct expr *expr_compile_template(
	struct expr_set *s, struct span text, char quote, bool typed, struct expr_error *e);

/*
 * Compiles a value of <record> as fluentd reads it without Ruby: ${tag}, ${time}, ${hostname}, ${tag_parts[n]} (and _prefix, _suffix) and ${record["key"]}, exactly so. For anything
 * else in ${} and for __WORDS__ fluentd has nothing (nil; in a text: nothing). So it is here, except for what plainly fetches a field (${record["a"]["b"]}): that is `understood`
 * and done. `unknown` is told of both.
 */
typedef void expr_unknown_fn(void *arg, size_t at, struct span placeholder, bool understood);
const struct expr *expr_compile_plain(
	struct expr_set *s, struct span text, bool typed, expr_unknown_fn *unknown, void *arg, struct expr_error *e);

/*
 * record[key].gsub(/regexp/, replacement), nil if the field is not there or nil. `flags` are base/regexp.h's; backslashes in the replacement mean what they mean to gsub.
 */
const struct expr *expr_compile_gsub(struct expr_set *s, struct span key, struct span regexp, unsigned flags,
	struct span replacement, struct expr_error *e);

/* Whether it is the same for all records: then *v is its value, which belongs to the set. */
bool expr_is_constant(const struct expr *e, struct value *v);

/* Whether an expression of the set does more with the record than look into it: then repeated keys in it matter (value_map_unique). */
bool expr_set_walks(const struct expr_set *s);

/* Whether an expression of the set changes arrays, maps or strings in their place. */
bool expr_set_mutates(const struct expr_set *s);

struct expr_vm *expr_vm_new(const struct expr_set *s);
void expr_vm_free(struct expr_vm *x); /* NULL is allowed */

/* All values of the evaluator live in it; the caller saves and restores it around each record. */
struct arena *expr_vm_arena(struct expr_vm *x);

/* The tag of the records that follow; it must stay. Values that belong to it are allocated now. False: no room in the arena. */
bool expr_vm_set_tag(struct expr_vm *x, struct span tag) __attribute__((warn_unused_result));

/*
 * Gives all that the record holds an identity, so that a copy of it (value_map_copy) and the record see what expressions change in it. Only needed if the set mutates. False: no
 * room in the arena.
 */
bool expr_vm_share(struct expr_vm *x, const struct record *r) __attribute__((warn_unused_result));

/* The record and time that the next evaluations see; steps are counted anew. */
void expr_vm_set_record(struct expr_vm *x, const struct record *r, struct event_time time);

/*
 * Evaluates. The value lives until the arena is restored, and may refer to the record. False: it raised; expr_vm_error says what.
 */
bool expr_eval(struct expr_vm *x, const struct expr *e, struct value *out) __attribute__((warn_unused_result));
/* For values that the caller makes in the arena: raises that there is no room. False. */
bool expr_vm_no_room(struct expr_vm *x);
/* Ruby's message, as "undefined method `[]' for nil:NilClass". */
const char *expr_vm_error(const struct expr_vm *x);

/* The value as Ruby's to_s makes text of it; false if it cannot. The text lives in the arena or the value. */
bool expr_vm_text(struct expr_vm *x, const struct value *v, struct span *text) __attribute__((warn_unused_result));

#endif
