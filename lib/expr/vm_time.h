/* vm_time.h: what the files of Time share. For lib/expr only. */
#ifndef WEIR_EXPR_VM_TIME_H
#define WEIR_EXPR_VM_TIME_H

#include "expr/vm.h"

#define VM_TIME_NSEC 1000000000

/* A number of seconds in nanoseconds: of a float exactly what it is, rounded down. */
bool vm_time_want_ns(struct expr_vm *x, const struct value *v, __int128 *ns);
bool vm_time_set_ns(struct expr_vm *x, __int128 ns, struct event_time *t);
/* "+09:00", "UTC", "Z" or seconds. */
bool vm_time_want_offset(struct expr_vm *x, const struct value *v, int32_t *offset, bool *utc);

#endif
