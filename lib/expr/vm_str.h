/* vm_str.h: what the files of String share. For lib/expr only. */
#ifndef WEIR_EXPR_VM_STR_H
#define WEIR_EXPR_VM_STR_H

#include "expr/vm.h"

/* `name!`: what `name` made is put into the string itself; nil if nothing changed. */
bool vm_str_put_back(const struct value *self, const struct value *made, struct value *out);
/* The same, but the string is what comes out in any case. */
bool vm_str_become(const struct value *self, const struct value *made, struct value *out);

#define VM_IN_PLACE(name, of)                                                               \
	VM_METHOD(name)                                                                     \
	{                                                                                   \
		struct value made;                                                          \
		return of(x, self, args, n, b, &made) && vm_str_put_back(self, &made, out); \
	}

/* Without white space (and 0 bytes) at the beginning. */
struct span vm_str_strip_left(struct span s);

#endif
