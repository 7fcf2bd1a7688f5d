#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static _Atomic long fail_in; /* 0: never */

void mem_fail_at(long n)
{
	atomic_store(&fail_in, n);
}

static int must_fail(void)
{
	if (atomic_load_explicit(&fail_in, memory_order_relaxed) == 0)
		return 0;
	return atomic_fetch_sub(&fail_in, 1) == 1;
}

static _Noreturn void out_of_memory(size_t n)
{
	/* No logger here: it might need memory. */
	char text[160];
	int len = snprintf(text, sizeof text,
		"weir: out of memory (%zu bytes wanted): leaving; what was acknowledged is in the buffer files and is "
		"read again at the next start\n",
		n);
	if (len > 0)
		(void)!write(STDERR_FILENO, text, (size_t)len);
	_exit(EX_OSERR);
}

void *mem_try(size_t n)
{
	return must_fail() ? NULL : malloc(n ? n : 1);
}

void *mem_try_realloc(void *p, size_t n)
{
	return must_fail() ? NULL : realloc(p, n ? n : 1);
}

void *mem_alloc(size_t n)
{
	void *p = mem_try(n);
	if (!p)
		out_of_memory(n);
	return p;
}

void *mem_zalloc(size_t n)
{
	void *p = must_fail() ? NULL : calloc(1, n ? n : 1);
	if (!p)
		out_of_memory(n);
	return p;
}

void *mem_array(size_t count, size_t size)
{
	void *p = must_fail() ? NULL : calloc(count ? count : 1, size ? size : 1);
	if (!p)
		out_of_memory(size && count > SIZE_MAX / size ? SIZE_MAX : count * size);
	return p;
}

void *mem_realloc(void *p, size_t n)
{
	void *q = mem_try_realloc(p, n);
	if (!q)
		out_of_memory(n);
	return q;
}

char *mem_strndup(const void *s, size_t n)
{
	char *p = mem_alloc(n + 1);
	if (n)
		memcpy(p, s, n);
	p[n] = 0;
	return p;
}

char *mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

char *mem_printf(const char *fmt, ...)
{
	char *p = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = must_fail() ? -1 : vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory(0);
	return p;
}

void mem_free(void *p)
{
	free(p);
}

void mem_free_secret(void *p, size_t n)
{
	if (p)
		explicit_bzero(p, n);
	free(p);
}
