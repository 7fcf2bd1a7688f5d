#include "base/err.h"

#include <stdio.h>
#include <string.h>

static void append(char *text, size_t size, const char *more)
{
	size_t n = strlen(text);
	if (n + 1 < size)
		snprintf(text + n, size - n, "%s", more);
}

bool err_set(struct err *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	e->code = 0;
	return false;
}

bool err_sys(struct err *e, int code, const char *fmt, ...)
{
	char reason[128];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	e->code = code;
	append(e->text, sizeof e->text, ": ");
	append(e->text, sizeof e->text, strerror_r(code, reason, sizeof reason));
	return false;
}

bool err_wrap(struct err *e, const char *fmt, ...)
{
	char inner[sizeof e->text];
	va_list ap;
	memcpy(inner, e->text, sizeof inner);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	append(e->text, sizeof e->text, ": ");
	append(e->text, sizeof e->text, inner);
	return false;
}
