/*
 * err.h: why something failed, in words for the person who reads the log.
 *
 * A function that can fail for more than one reason takes a `struct err *` as its last argument (never NULL), returns
 * false or NULL on failure and fills it. Whoever takes the decision logs it, once.
 */
#ifndef WEIR_BASE_ERR_H
#define WEIR_BASE_ERR_H

#include <stdbool.h>
#include <stdarg.h>

struct err {
	int code;	/* an errno value where one caused it, else 0 */
	char text[496]; /* one sentence without a final stop; always terminated */
};

/* Sets the text (and code 0). Returns false, so that a failure can be told and returned in one line. */
bool err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same with `code` kept and ": " and its strerror text appended. */
bool err_sys(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text that is there; the code stays. Returns false. */
bool err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
