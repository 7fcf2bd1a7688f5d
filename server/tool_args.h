/* tool_args.h: the options of a tool: --name value, --name=value, -n value, --flag. */
#ifndef WEIR_TOOL_ARGS_H
#define WEIR_TOOL_ARGS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct tool_option {
	const char *name;   /* with its hyphens; the list ends with NULL */
	const char **value; /* where its value goes, or */
	bool *flag;	    /* what it sets */
};

/* Takes the options out of argv, which keeps the rest; returns how many those are. -1: err. */
int tool_args_take(int argc, char **argv, const struct tool_option *options, struct err *err);

/*
 * A moment in ns of the wall clock: "30m", "2h", "7d" (so long before now_ns), or a date and time, local if it has no zone. False:
 * it is neither.
 */
bool tool_args_moment(const char *text, int64_t now_ns, int64_t *ns);

#endif
