/*
 * vm.h: the evaluator's state, and what methods are written with. For lib/expr only.
 *
 * Values that are passed about are never undecoded msgpack: arrays and maps were taken apart (vm_fetch), so that each has one identity. In sets that change strings in
 * their place, strings that something holds are boxed (vm_keep); in all others they are plain.
 *
 * Functions that return bool return false if they raised (or left a block by next or break): the caller does the same at once.
 */
#ifndef WEIR_EXPR_VM_H
#define WEIR_EXPR_VM_H

#include "expr/expr_module.h"
#include "record/zone.h"

enum vm_jump { JUMP_NONE, JUMP_RAISE, JUMP_NEXT, JUMP_BREAK };

struct expr_raised {
	enum expr_module class;
	char text[480];
};

struct expr_match {
	struct span text; /* that was searched */
	const struct expr_regexp *regexp;
	uint32_t count; /* of groups, the whole match with them */
	struct {
		size_t from, to; /* SIZE_MAX: the group took no part */
	} group[];
};

struct expr_vm {
	const struct expr_set *set;
	struct arena arena;
	struct buf work; /* for conversions that call nothing else */
	struct value base[VAR_LOCAL];
	struct value vars[EXPR_VARS_MAX];
	uint64_t steps; /* left for this record */
	unsigned searches;
	int64_t search_since_ns;
	enum vm_jump jump;
	struct value jump_value;
	struct expr_raised raised;
	const struct expr_match *match; /* $~ */
	OnigRegion *region;
	uint64_t random[2];
};

/* ---- raising ---- */

void vm_set_raised(struct expr_vm *x, enum expr_module class, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vm_set_no_room(struct expr_vm *x);
void vm_set_out_of_steps(struct expr_vm *x);
void vm_set_no_conversion(struct expr_vm *x, const struct value *v, const char *into);

/* They are false, for `return`. */
#define vm_raise(...) (vm_set_raised(__VA_ARGS__), false)

static inline bool vm_no_room(struct expr_vm *x)
{
	vm_set_no_room(x);
	return false;
}

static inline bool vm_out_of_steps(struct expr_vm *x)
{
	vm_set_out_of_steps(x);
	return false;
}

/* "no implicit conversion of nil into String" */
static inline bool vm_raise_conversion(struct expr_vm *x, const struct value *v, const char *into)
{
	vm_set_no_conversion(x, v, into);
	return false;
}

static inline bool vm_step(struct expr_vm *x, uint64_t n)
{
	if (x->steps < n)
		return vm_out_of_steps(x);
	x->steps -= n;
	return true;
}

/* ---- values ---- */

static inline bool vm_is_true(const struct value *v)
{
	return v->type != VALUE_NIL && !(v->type == VALUE_BOOL && !v->b);
}

static inline bool vm_is_int(const struct value *v)
{
	return v->type == VALUE_INT || v->type == VALUE_UINT;
}

static inline bool vm_is_number(const struct value *v)
{
	return vm_is_int(v) || v->type == VALUE_FLOAT;
}

static inline bool vm_set_nil(struct value *out)
{
	*out = value_nil();
	return true;
}

static inline bool vm_set_bool(struct value *out, bool b)
{
	*out = value_bool(b);
	return true;
}

static inline bool vm_set_int(struct value *out, int64_t i)
{
	*out = value_int(i);
	return true;
}

static inline bool vm_set_str(struct value *out, struct span s)
{
	*out = value_str(s);
	return true;
}

static inline bool vm_set(struct value *out, const struct value *v)
{
	*out = *v;
	return true;
}

/* Reads the place of a value in an array or map: decoded, taken apart, boxed. */
bool vm_fetch(struct expr_vm *x, struct value *place, struct value *out);
/* To be called before a value is put where others may find it again. */
bool vm_keep(struct expr_vm *x, struct value *v);

/* A new, empty array or hash. */
bool vm_new_array(struct expr_vm *x, struct value *out);
bool vm_new_hash(struct expr_vm *x, struct value *out);
bool vm_push(struct expr_vm *x, struct value *array, const struct value *v);
bool vm_put(struct expr_vm *x, struct value *hash, const struct value *key, const struct value *v);
/* [a, b] */
bool vm_pair(struct expr_vm *x, const struct value *a, const struct value *b, struct value *out);
/* A copy of the text. */
bool vm_copy_str(struct expr_vm *x, struct span s, struct value *out);
/* n bytes of the arena for a text that is being made. */
uint8_t *vm_bytes(struct expr_vm *x, size_t n);

/* ---- conversions (vm_text.c) ---- */

/* Object#to_s and #inspect. */
bool vm_to_s(struct expr_vm *x, const struct value *v, struct span *s);
bool vm_inspect(struct expr_vm *x, const struct value *v, struct span *s);
bool vm_to_json(struct expr_vm *x, const struct value *v, struct value *out);
bool vm_parse_json(struct expr_vm *x, struct span text, struct value *out);
/* What must be a text or a whole number: TypeError otherwise. */
bool vm_want_str(struct expr_vm *x, const struct value *v, struct span *s);
bool vm_want_int(struct expr_vm *x, const struct value *v, int64_t *i);
bool vm_want_number(struct expr_vm *x, const struct value *v, double *d);
/* The text with U+FFFD for what is no UTF-8. */
bool vm_scrub(struct expr_vm *x, struct span s, const char *by, struct span *out);
/* format(): args[0] is the format. */
bool vm_format(struct expr_vm *x, const struct value *args, unsigned n, struct value *out);

/* A text that grows in the arena. */
struct vm_text {
	uint8_t *p;
	size_t n, cap;
};
bool vm_text_put(struct expr_vm *x, struct vm_text *t, struct span s);
bool vm_text_byte(struct expr_vm *x, struct vm_text *t, uint8_t c);
bool vm_text_end(struct vm_text *t, struct value *out);

/* ---- comparing (vm_object.c) ---- */

/* == ; false if it raised. */
bool vm_equal(struct expr_vm *x, const struct value *a, const struct value *b, bool *equal);
/* <=> ; *comparable false: nil. */
bool vm_compare(struct expr_vm *x, const struct value *a, const struct value *b, int *order, bool *comparable);
/* === */
bool vm_case_equal(struct expr_vm *x, const struct value *pattern, const struct value *v, bool *equal);

/* ---- evaluating (vm_eval.c) ---- */

bool vm_eval(struct expr_vm *x, const struct expr_node *n, struct value *out);

/* ---- calling (vm_call.c) ---- */

bool vm_call(struct expr_vm *x, unsigned method, const struct value *self, const struct value *args, unsigned n,
	const struct expr_block *b, struct value *out);
/* A block with n separate arguments. */
bool vm_block(struct expr_vm *x, const struct expr_block *b, const struct value *args, unsigned n, struct value *out);
/* With one; with the pair of a hash. */
bool vm_block_one(struct expr_vm *x, const struct expr_block *b, const struct value *v, struct value *out);
bool vm_block_pair(struct expr_vm *x, const struct expr_block *b, const struct value *key, const struct value *v,
	struct value *out);
/* Sets the variables of a target with a list: a, (b, *c) = v. */
bool vm_bind(struct expr_vm *x, const struct expr_target *t, const struct value *v);
/* Fetches all of an array, so that its elements can be passed as arguments. */
bool vm_load_elements(struct expr_vm *x, struct value_array *array);

/* ---- functions (vm_function.c) ---- */

bool vm_function(
	struct expr_vm *x, const struct expr_node *n, const struct value *args, unsigned count, struct value *out);

/* File.basename and its like (vm_file_name.c). */
bool vm_file_function(
	struct expr_vm *x, const struct expr_node *n, const struct value *args, unsigned count, struct value *out);

/* ---- regular expressions (vm_search.c) ---- */

/* Searches; *found, and then $~ is set, else it is nil. `text` must be UTF-8. */
bool vm_search(struct expr_vm *x, const struct expr_regexp *r, struct span text, size_t from, bool *found);
struct span vm_group(const struct expr_match *m, int64_t i, bool *there);
bool vm_group_value(const struct expr_match *m, int64_t i, struct value *out);

/* ---- characters (vm_chars.c) ---- */

/* How many characters there are; the offset of one (n.n if there are fewer). */
size_t vm_chars(struct span s);
size_t vm_char_offset(struct span s, size_t index);
/* s[from, count] in characters, with Ruby's rules for what is outside. False: nil. */
bool vm_substr(struct span s, int64_t from, int64_t count, struct span *out);
/* The start and count that a range means in something of `length`; false: nil. */
bool vm_range_of(
	struct expr_vm *x, const struct expr_range *r, int64_t length, int64_t *from, int64_t *count, bool *inside);

/* ---- times (vm_time.c) ---- */

bool vm_time(struct value *out, struct event_time t, int32_t offset, bool utc);
bool vm_time_local(struct value *out, struct event_time t);
bool vm_time_text(struct expr_vm *x, const struct value *v, struct span *s);
bool vm_time_function(
	struct expr_vm *x, const struct expr_node *n, const struct value *args, unsigned count, struct value *out);

/* ---- tables, one a class ---- */

/* The head of a method. */
#define VM_UNUSED __attribute__((unused))
#define VM_METHOD(name)                                                                                         \
	static bool name(struct expr_vm *x VM_UNUSED, const struct value *self VM_UNUSED,                       \
		const struct value *args VM_UNUSED, unsigned n VM_UNUSED, const struct expr_block *b VM_UNUSED, \
		struct value *out)

extern const struct expr_method vm_object_methods[], vm_nil_methods[], vm_sym_methods[], vm_int_methods[],
	vm_float_methods[], vm_str_methods[], vm_convert_methods[], vm_search_methods[], vm_split_methods[],
	vm_array_methods[], vm_hash_methods[], vm_range_methods[], vm_enum_methods[], vm_sort_methods[],
	vm_reduce_methods[], vm_match_methods[], vm_regexp_methods[], vm_time_methods[], vm_event_time_methods[];

#endif
