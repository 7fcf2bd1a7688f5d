/*
 * conf_report.h: everything that one run found in a configuration, told together.
 *
 *     weir.conf:12:3: error: 'prot' is not a parameter of <source> of type forward: did you mean 'port'?
 *        12 |   prot 24224
 *           |   ^
 */
#ifndef WEIR_CONF_CONF_REPORT_H
#define WEIR_CONF_CONF_REPORT_H

#include "base/buf.h"

struct conf_pos {
	const char *file; /* as the user named it; lives as long as the tree; NULL = the command line */
	unsigned line;	  /* from 1 */
	unsigned column;  /* from 1, in characters */
};

enum conf_severity {
	CONF_NOTE,    /* known, without effect here, and harmless: says what weir does instead */
	CONF_WARNING, /* an unknown parameter, a deprecated name, a trap avoided */
	CONF_ERROR,   /* weir will not start with it */
};

struct conf_finding {
	enum conf_severity severity;
	struct conf_pos pos;
	char *text; /* one line */
};

struct conf_report {
	struct conf_finding *v;
	size_t n, cap;
	size_t errors, warnings, notes;
	bool contacts_nobody; /* the configuration is only looked at: what a name server would have to say is not asked */
};

void conf_report_init(struct conf_report *r);
void conf_report_free(struct conf_report *r);

/* Adds a finding; equal ones (same place and text) once. */
void conf_report_add(struct conf_report *r, enum conf_severity severity, struct conf_pos pos, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Sorted by file and line, with the source line and a caret where the file can be read. */
void conf_report_print(const struct conf_report *r, struct buf *out, bool colour);

/*
 * Whether a parameter of that name, misspelt or not, may hold what must not get into a log or a bug report. For names that no table knows; tables
 * say which of theirs are secret.
 */
bool conf_looks_secret(struct span name);

/* The nearest of the NULL-terminated `names` to `name`, if it is near enough to be meant; NULL otherwise. */
const char *conf_nearest(const char *name, const char *const *names);

#endif
