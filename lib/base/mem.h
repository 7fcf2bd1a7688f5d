/*
 * mem.h: the allocation front.
 *
 * Two kinds. Small things whose size no peer chooses come from the mem_x functions: when the system is out of memory
 * they say so on standard error and end the process with EX_OSERR (71). Nothing that was acknowledged is lost by that,
 * because it is on disk, and the supervisor starts weir again. Things whose size a peer or a file chooses come from
 * mem_try, which may return NULL: the caller sheds that load.
 *
 * Any thread may call; tests make the n-th call fail with mem_fail_at.
 */
#ifndef WEIR_BASE_MEM_H
#define WEIR_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *mem_zalloc(size_t n) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *mem_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1, 2)));
void *mem_realloc(void *p, size_t n) __attribute__((returns_nonnull, alloc_size(2)));
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));
char *mem_strndup(const void *s, size_t n) __attribute__((malloc, returns_nonnull));
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

void *mem_try(size_t n) __attribute__((alloc_size(1)));
void *mem_try_realloc(void *p, size_t n) __attribute__((alloc_size(2)));

/* Frees what any of the above returned; NULL is allowed. */
void mem_free(void *p);

/* Overwrites n bytes so that no compiler leaves it out, then frees. For secrets. */
void mem_free_secret(void *p, size_t n);

/* Tests only: the n-th allocation from now fails (0 = none). mem_x functions then end the process. */
void mem_fail_at(long n);

#endif
