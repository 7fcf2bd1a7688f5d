/* vm_search.h: looking for texts and regular expressions, for the files that do. For lib/expr only. */
#ifndef WEIR_EXPR_VM_SEARCH_H
#define WEIR_EXPR_VM_SEARCH_H

#include "expr/vm.h"

struct vm_pattern {
	const struct expr_regexp *regexp; /* or */
	struct span text;
};

bool vm_search_pattern(struct expr_vm *x, const struct value *v, struct vm_pattern *p);
/* The string as UTF-8, where a regular expression is to look at it. */
bool vm_search_subject(struct expr_vm *x, const struct value *self, const struct vm_pattern *p, struct span *s);
/* The first place from offset `from` on; NULL in *m: there is none. $~ is set. */
bool vm_search_find(
	struct expr_vm *x, const struct vm_pattern *p, struct span s, size_t from, const struct expr_match **m);
/* Behind the character at that offset. */
size_t vm_search_next(struct span s, size_t at);
/* The groups of a match from that one on, in an array. */
bool vm_search_groups(struct expr_vm *x, const struct expr_match *m, uint32_t from, struct value *out);
/* The number of a group by its number or name. */
bool vm_search_group_number(struct expr_vm *x, const struct expr_match *m, const struct value *v, int64_t *number);

#endif
