/*
 * syscall_filter.h: system calls that weir never makes are denied to this process from now on (seccomp), so that whoever takes it over cannot make them
 * either: starting programs, tracing others, mounting, loading modules, eBPF, keys of the kernel, clocks, io_uring ... A denied call fails with EPERM, and the kernel's audit
 * log (type=1326) has its number; nothing is killed.
 */
#ifndef WEIR_SYSCALL_FILTER_H
#define WEIR_SYSCALL_FILTER_H

#include "base/err.h"

#include <stddef.h>

/* For this thread and all that it starts, for ever; after privileges_lock. False: nothing is denied, and err says why. */
bool syscall_filter_install(struct err *err);

/* How many calls are on the list. */
size_t syscall_filter_count(void);

#endif
