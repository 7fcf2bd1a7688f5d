/*
 * record_fields.h: the <record> sections of record_transformer and record_modifier: fields whose values are made for each record. Compiled at start; what cannot run is a finding
 * with its place. Read-only afterwards; any thread, each with an evaluator of its own.
 */
#ifndef WEIR_RECORD_FIELDS_H
#define WEIR_RECORD_FIELDS_H

#include "conf/conf_schema.h"
#include "expr/expr.h"
#include "filter_walk.h"

enum record_dialect {
	RECORD_PLAIN,	 /* record_transformer: placeholders */
	RECORD_RUBY,	 /* record_transformer with enable_ruby */
	RECORD_MODIFIER, /* record_modifier: Ruby, no JSON, no code in keys */
};

/* A <record> section: any keys. */
extern const struct conf_schema record_section_schema;

struct record_fields;

/*
 * `conf`: of the plugin; where its schema allows more keys, these are fields that come before those of the sections, as v0.12 had them. `typed`: a value that is
 * one placeholder and nothing else keeps its type. Findings are added; with errors among them it must not be used. The tree must live as long.
 */
struct record_fields *record_fields_make(const struct conf_common *conf, const struct conf_list *sections,
	enum record_dialect dialect, bool typed, struct conf_report *report);
void record_fields_free(struct record_fields *f); /* NULL is allowed */

/* The expressions of them all, for evaluators. */
struct expr_set *record_fields_set(const struct record_fields *f);
size_t record_fields_count(const struct record_fields *f);

/*
 * The i-th field for the record that the evaluator has. They live in the evaluator's arena, in the record, or as long as the fields. False: it raised, and expr_vm_error says what.
 */
bool record_fields_get(const struct record_fields *f, size_t i, struct expr_vm *x, struct span *key, struct value *v)
	__attribute__((warn_unused_result));

/* The i-th field's value as it was written, for messages. */
const char *record_fields_text(const struct record_fields *f, size_t i);
/* The i-th field's key as it was written. */
const char *record_fields_key(const struct record_fields *f, size_t i);

/* The evaluator of one call of a filter. */
struct record_room {
	struct filter_room room;
	struct expr_vm *vm;
};
struct record_room *record_room_take(struct filter_pool *p, const struct record_fields *f);
void record_room_free(struct filter_room *room); /* for filter_pool_destroy */

/* Gives each repeated key of the record its last value, and everything in it an identity, if the expressions need that. False: no room in the arena. */
bool record_fields_prepare(const struct record_fields *f, struct expr_vm *x, const struct record *r)
	__attribute__((warn_unused_result));

/* The event fails: an expression (as it was written) raised; or there is no room. */
void record_fields_raised(struct filter_walk *w, const struct expr_vm *x, const char *written);
void record_fields_no_room(struct filter_walk *w);

#endif
