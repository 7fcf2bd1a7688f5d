/*
 * conf_lex.h: the smallest parts of fluentd's v1 syntax: a cursor over the text of one file that knows its place, white space, comments,
 * quoted and bare strings, JSON, embedded code. What is wrong goes to the report at its place, and the cursor is left where reading on
 * makes sense.
 */
#ifndef WEIR_CONF_CONF_LEX_H
#define WEIR_CONF_CONF_LEX_H

#include "conf/conf_expr.h"
#include "conf/conf_tree.h"

struct conf_lex {
	const uint8_t *p, *end;
	const char *file;
	unsigned line, column;
	struct conf_report *report;
	const struct conf_expr_env *env;
	bool fixed; /* all of the text has one place: it does not stand in the file as it is */
};

struct conf_lex_value {
	enum conf_value_kind kind;
	struct conf_pos pos;
	bool from_code; /* embedded code took something from the environment or a file */
	bool broken;	/* reported; the cursor is at the beginning of a line (or at the end) */
	size_t refused; /* errors about embedded code that has its end: what stands around it is what was meant */
};

struct conf_pos conf_lex_pos(const struct conf_lex *l);
/* The byte at the cursor, -1 at the end; and the one that is `ahead` of it. */
int conf_lex_peek(const struct conf_lex *l, size_t ahead);
/* Moves by n bytes, which must be there. */
void conf_lex_skip(struct conf_lex *l, size_t n);

void conf_lex_blanks(struct conf_lex *l);  /* spaces and tabs */
void conf_lex_spacing(struct conf_lex *l); /* and line ends and comments */
bool conf_lex_at_line_end(const struct conf_lex *l);
/* Takes blanks, a comment and the line's end (or the file's); false, and nothing is taken, if something else is there. */
bool conf_lex_line_end(struct conf_lex *l);
/* To the beginning of the next line. */
void conf_lex_next_line(struct conf_lex *l);

/* A name of a section: [a-zA-Z0-9_]*. */
struct span conf_lex_name(struct conf_lex *l);
/* A bare word up to white space. */
struct span conf_lex_word(struct conf_lex *l);
/* A bare string up to the line's end, without trailing blanks and comment (a # counts behind a blank, not at the beginning). */
struct span conf_lex_bare(struct conf_lex *l);
/* A string in quotes of either kind, at whose opening quote the cursor is; its content goes to out. */
void conf_lex_quoted(struct conf_lex *l, struct buf *out, struct conf_lex_value *value);
/* Any value: JSON, quoted or bare. */
void conf_lex_value(struct conf_lex *l, struct buf *out, struct conf_lex_value *value);

/* Whether the text is UTF-8; reports it if it is not. */
bool conf_lex_check(const struct conf_lex *l, struct conf_pos pos, struct span text, bool from_code);

#endif
