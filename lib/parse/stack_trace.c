#include "parse/stack_trace.h"

#include "base/mem.h"
#include "base/regexp.h"

#include <stdlib.h>
#include <strings.h>

enum state {
	OUTSIDE,
	JAVA_NAMED,  /* what was thrown is known */
	JAVA_NESTED, /* it is named in the next line */
	JAVA_FRAMES,
	PYTHON_FRAMES,
	PYTHON_CODE,
	PHP_NAMED,
	PHP_FRAMES,
	GO_PANIC,
	GO_SIGNAL,
	GO_ROUTINE, /* its line comes next */
	GO_FUNCTION,
	GO_PLACE,
	RUBY_NAMED,
	RUBY_FRAMES,
	DART_UNHANDLED,
	DART_FRAMES,
	DART_MORE_1, /* lines of the message */
	DART_MORE_2,
	DART_MORE_3,
	DART_MORE_4,
	STATES
};

_Static_assert(STATES <= TRACE_STATES, "a state is a bit of a rule's");

#define IN(state)  (UINT32_C(1) << (state))
#define EMPTY_LINE "\\A[\\r\\n]*\\z"

struct rule {
	unsigned language;
	uint32_t from;
	enum state to;
	const char *pattern; /* Ruby's; `^` is the beginning of any line */
};

#define DART_MESSAGE (IN(DART_MORE_1) | IN(DART_MORE_2) | IN(DART_MORE_3) | IN(DART_MORE_4))

/* Of the rules of a state the first that fits counts. */
static const struct rule rules[] = {
	{TRACE_JAVA, IN(OUTSIDE) | IN(JAVA_NESTED), JAVA_NAMED,
		"(?:Exception|Error|Throwable|V8 errors stack trace)(?:[:\\r\\n]|\\z)"},
	{TRACE_JAVA, IN(JAVA_NAMED), JAVA_NESTED, "^[\\t ]*nested exception is:"},
	{TRACE_JAVA, IN(JAVA_NAMED), JAVA_NAMED, EMPTY_LINE},
	{TRACE_JAVA, IN(JAVA_NAMED) | IN(JAVA_FRAMES), JAVA_FRAMES, "^[\\t ]+(?:eval )?at "},
	{TRACE_JAVA, IN(JAVA_NAMED) | IN(JAVA_FRAMES), JAVA_FRAMES,
		"^[\\t ]*--- End of (?:inner exception stack trace|stack trace from previous location)"},
	{TRACE_JAVA, IN(JAVA_NAMED) | IN(JAVA_FRAMES), JAVA_NAMED, "^[\\t ]*(?:Caused by|Suppressed):"},
	{TRACE_JAVA, IN(JAVA_NAMED) | IN(JAVA_FRAMES), JAVA_FRAMES,
		"^[\\t ]*\\.\\.\\. \\d+ (?:more|common frames omitted)"},

	{TRACE_PYTHON, IN(OUTSIDE), PYTHON_FRAMES, "^Traceback \\(most recent call last\\):\\s*$"},
	{TRACE_PYTHON, IN(PYTHON_FRAMES), PYTHON_CODE, "^[\\t ]+File "},
	{TRACE_PYTHON, IN(PYTHON_CODE), PYTHON_FRAMES, "[^\\t ]"},
	{TRACE_PYTHON, IN(PYTHON_FRAMES), PYTHON_FRAMES, "^[\\t ]+(?:[~^]+[\\r\\n]*\\z|\\[Previous line repeated )"},
	{TRACE_PYTHON, IN(PYTHON_FRAMES), OUTSIDE, "^[^\\s.():]+(?:\\.[^\\s.():]+)*(?::|[\\r\\n]*\\z)"},

	{TRACE_PHP, IN(OUTSIDE), PHP_NAMED, "PHP (?:Notice|Parse error|Fatal error|Warning):"},
	{TRACE_PHP, IN(OUTSIDE), PHP_NAMED, "exception '[^']+' with message '"},
	{TRACE_PHP, IN(PHP_NAMED), PHP_FRAMES, "^Stack trace:"},
	{TRACE_PHP, IN(PHP_FRAMES), PHP_FRAMES, "^#\\d"},
	{TRACE_PHP, IN(PHP_FRAMES), OUTSIDE, "^\\s+thrown in "},

	{TRACE_GO, IN(OUTSIDE) | IN(GO_PANIC), GO_PANIC, "\\bpanic: "},
	{TRACE_GO, IN(OUTSIDE), GO_PANIC, "^fatal error: "},
	{TRACE_GO, IN(OUTSIDE), GO_ROUTINE, "http: panic serving"},
	{TRACE_GO, IN(GO_PANIC), GO_SIGNAL, "^\\[signal "},
	{TRACE_GO, IN(GO_PANIC) | IN(GO_SIGNAL) | IN(GO_FUNCTION), GO_ROUTINE, EMPTY_LINE},
	{TRACE_GO, IN(GO_ROUTINE), GO_FUNCTION, "^goroutine \\d+ \\[[^\\]]+\\]:"},
	{TRACE_GO, IN(GO_FUNCTION), GO_PLACE, "^(?:[^\\s.:]+\\.)*[^\\s.():]+\\(|^created by "},
	{TRACE_GO, IN(GO_PLACE), GO_FUNCTION, "^\\s"},

	{TRACE_RUBY, IN(OUTSIDE), RUBY_NAMED, "Error \\(.*\\):\\s*$"},
	{TRACE_RUBY, IN(OUTSIDE), RUBY_NAMED, "^\\S+\\.rb:\\d+:in [`'].+\\([A-Z][\\w:]*\\)\\s*$"},
	{TRACE_RUBY, IN(RUBY_NAMED), RUBY_FRAMES, "\\A  [\\r\\n]*\\z"},
	{TRACE_RUBY, IN(RUBY_NAMED) | IN(RUBY_FRAMES), RUBY_FRAMES, "^[\\t ]+.*?\\.rb:\\d+:in [`']"},

	{TRACE_DART, IN(OUTSIDE), DART_UNHANDLED, "^Unhandled exception:"},
	{TRACE_DART, IN(DART_UNHANDLED), DART_FRAMES,
		"^(?:Instance of|Exception|Bad state|IntegerDivisionByZeroException|Invalid "
		"argument|RangeError|Assertion "
		"failed|"
		"Cannot instantiate|Reading static variable|UnimplementedError|Unsupported operation|Concurrent "
		"modification|"
		"Out of Memory|Stack Overflow)"},
	{TRACE_DART, IN(DART_UNHANDLED), DART_MORE_1, "^(?:'.+?':|FormatException|NoSuchMethodError:)"},
	{TRACE_DART, IN(DART_FRAMES) | DART_MESSAGE, DART_FRAMES, "^#\\d+\\s+.+?\\(.+?\\)"},
	{TRACE_DART, IN(DART_FRAMES), DART_FRAMES, "^<asynchronous suspension>"},
	{TRACE_DART, IN(DART_MORE_1), DART_MORE_2, ""},
	{TRACE_DART, IN(DART_MORE_2), DART_MORE_3, ""},
	{TRACE_DART, IN(DART_MORE_3), DART_MORE_4, ""},
	{TRACE_DART, IN(DART_MORE_4), DART_FRAMES, EMPTY_LINE},
};

#define RULES (sizeof rules / sizeof *rules)

struct compiled {
	struct regexp *pattern;
	enum state to;
};

struct stack_trace {
	struct compiled all[RULES * 2]; /* of one state after the other; a rule of two states is there twice */
	unsigned first[STATES + 1];
};

unsigned trace_language(const char *name)
{
	static const struct {
		const char *name;
		unsigned language;
	} names[] = {
		{"all", TRACE_ALL},
		{"java", TRACE_JAVA},
		{"javascript", TRACE_JAVA},
		{"js", TRACE_JAVA},
		{"csharp", TRACE_JAVA},
		{"py", TRACE_PYTHON},
		{"python", TRACE_PYTHON},
		{"php", TRACE_PHP},
		{"go", TRACE_GO},
		{"rb", TRACE_RUBY},
		{"ruby", TRACE_RUBY},
		{"dart", TRACE_DART},
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcasecmp(names[i].name, name) == 0)
			return names[i].language;
	return 0;
}

struct stack_trace *stack_trace_new(unsigned languages)
{
	struct stack_trace *t = mem_zalloc(sizeof *t);
	struct err err;
	unsigned n = 0;
	for (unsigned state = 0; state < STATES; state++) {
		t->first[state] = n;
		for (size_t i = 0; i < RULES; i++) {
			if (!(rules[i].language & languages) || !(rules[i].from & IN(state)))
				continue;
			t->all[n].to = rules[i].to;
			t->all[n].pattern = regexp_compile(span_str(rules[i].pattern), 0, &err);
			if (!t->all[n++].pattern || n == sizeof t->all / sizeof *t->all)
				abort(); /* the table above is wrong */
		}
	}
	t->first[STATES] = n;
	return t;
}

void stack_trace_free(struct stack_trace *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->first[STATES]; i++)
		regexp_free(t->all[i].pattern);
	mem_free(t);
}

/* False: no rule of the state fits, and the trace is over. */
static bool move(const struct stack_trace *t, unsigned *state, struct span line)
{
	for (unsigned i = t->first[*state]; i < t->first[*state + 1]; i++) {
		if (regexp_search(t->all[i].pattern, line) == REGEXP_YES) {
			*state = t->all[i].to;
			return true;
		}
	}
	*state = OUTSIDE;
	return false;
}

enum trace_step stack_trace_step(const struct stack_trace *t, unsigned *state, struct span line)
{
	if (*state >= STATES)
		*state = OUTSIDE;
	if (*state != OUTSIDE && move(t, state, line))
		return *state == OUTSIDE ? TRACE_END : TRACE_INSIDE;
	return move(t, state, line) ? TRACE_START : TRACE_NONE;
}
