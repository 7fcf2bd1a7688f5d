/*
 * stack_trace.h: which lines of a log are one stack trace. A line at a time: a state machine for each language, all at once.
 *
 *     java      "...Exception: ...", "\tat ...", "Caused by: ...", "\t... 8 more"; JavaScript's "Error: ...", "    at ..."; C#'s
 *               "   at ...", "--- End of inner exception stack trace ---"
 *     python    "Traceback (most recent call last):", "  File ...", the code, "    ~~^~~", "ValueError: ..."
 *     php       "PHP Fatal error: ...", "Stack trace:", "#0 ...", "  thrown in ..."
 *     go        "panic: ...", "[signal ...", "goroutine 1 [running]:", "main.f(...)", "\t/x.go:9 +0x1"
 *     ruby      "Error (...):", "x.rb:1:in `f': ... (RuntimeError)", "\tfrom x.rb:9:in `g'"
 *     dart      "Unhandled exception:", what it was, "#0      f (...)"
 */
#ifndef WEIR_PARSE_STACK_TRACE_H
#define WEIR_PARSE_STACK_TRACE_H

#include "base/span.h"

enum {
	TRACE_JAVA = 1,
	TRACE_PYTHON = 2,
	TRACE_PHP = 4,
	TRACE_GO = 8,
	TRACE_RUBY = 16,
	TRACE_DART = 32,
	TRACE_ALL = 63
};

/* The language of that name (one of the above, TRACE_ALL for "all"); 0: there is none. Case does not matter. */
unsigned trace_language(const char *name);

/* Read-only once made; any thread. */
struct stack_trace;
struct stack_trace *stack_trace_new(unsigned languages);
void stack_trace_free(struct stack_trace *t); /* NULL is allowed */

enum trace_step {
	TRACE_NONE,   /* the line is of no trace */
	TRACE_START,  /* it begins one (and ends one that it is not part of) */
	TRACE_INSIDE, /* it goes on with it */
	TRACE_END,    /* it goes on with it, and is its last */
};

/* `state` is the stream's, 0 at first and outside of traces; it is below TRACE_STATES. */
#define TRACE_STATES 32
enum trace_step stack_trace_step(const struct stack_trace *t, unsigned *state, struct span line);

#endif
