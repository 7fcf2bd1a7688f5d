/* vm_enum.h: stepping through arrays, hashes and ranges with a block. For lib/expr only. */
#ifndef WEIR_EXPR_ENUM_H
#define WEIR_EXPR_ENUM_H

#include "expr/vm.h"

struct vm_iter {
	const struct value *of;
	uint32_t at, end; /* what is added on the way does not count */
	int64_t next;	  /* of a range */
	uint64_t left;
	unsigned n;	      /* of item: 2 for a hash */
	struct value item[2]; /* the element, or key and value */
	bool done;
};

bool vm_enum_start(struct expr_vm *x, const struct value *of, struct vm_iter *it);
/* The next item. False: there is none, it->done is set; or an error. After the loop, `return it.done && ...` is right for both. */
bool vm_enum_next(struct expr_vm *x, struct vm_iter *it);
/* The present item as one value: a hash's is [key, value]. */
bool vm_enum_item(struct expr_vm *x, const struct vm_iter *it, struct value *v);
/* The block with the present item. */
bool vm_enum_block(struct expr_vm *x, const struct vm_iter *it, const struct expr_block *b, struct value *out);

/* Everything in a new array. */
bool vm_enum_to_array(struct expr_vm *x, const struct value *of, struct value *out);
/* Sorts the values in place by <=>, or by a block of two. `keys` (NULL: v itself) go along. */
bool vm_enum_sort(struct expr_vm *x, struct value *v, struct value *keys, size_t n, const struct expr_block *b);
/* Whether it can be a key here: arrays and hashes cannot. */
bool vm_enum_check_key(struct expr_vm *x, const struct value *key);
bool vm_enum_need_block(struct expr_vm *x, const struct expr_block *b);

/* A method with a ! of arrays and hashes is the one without, whose result takes self's place; nil if it has the same length and `nil_if_same`. */
bool vm_enum_in_place(struct expr_vm *x, unsigned method, const struct value *self, const struct value *args,
	unsigned n, const struct expr_block *b, bool nil_if_same, struct value *out);
#define VM_IN_PLACE(name, of, nil_if_same)                                          \
	VM_METHOD(name)                                                             \
	{                                                                           \
		return vm_enum_in_place(x, of, self, args, n, b, nil_if_same, out); \
	}

#endif
