/*
 * conf_reader.h: inside of conf_tree: how the readers of the two syntaxes (conf_parse, conf_yaml) and of @include (conf_include)
 * put one tree together. Start-up and reload only; one thread.
 */
#ifndef WEIR_CONF_CONF_READER_H
#define WEIR_CONF_CONF_READER_H

#include "conf/conf_arena.h"
#include "conf/conf_lex.h"

#include <sys/types.h>

#define CONF_NESTING_MAX 64		    /* sections within sections */
#define CONF_OPEN_MAX	 32		    /* files that include each other */
#define CONF_FILES_MAX	 ((size_t)4096)	    /* read for one tree */
#define CONF_BYTES_MAX	 ((size_t)64 << 20) /* of all files together */
#define CONF_VALUE_MAX	 ((size_t)16 << 20) /* of one value */

struct conf_file_id {
	dev_t dev;
	ino_t ino;
};

struct conf_reader {
	struct conf_arena *arena;
	struct conf_report *report;
	struct conf_expr_env env; /* env.no_files: nothing is included either */
	struct conf_file_id open[CONF_OPEN_MAX];
	size_t open_n;
	struct conf_file_id *seen; /* all files read; mem_free */
	size_t seen_n, bytes;
	bool main_is_yaml; /* whatever its name */
	size_t in_values;  /* errors that leave all but a parameter's value readable */
};

/* A section that is being read, with the ends of its lists. */
struct conf_cursor {
	struct conf_section *section;
	struct conf_pair **pair_end;
	struct conf_section **section_end;
	unsigned depth; /* 0 = the root */
};

void conf_cursor_init(struct conf_cursor *c, struct conf_section *section);

/* Appends a section to c's and makes `child` its cursor; false (reported) if it is nested too deeply. Strings are copied. */
bool conf_cursor_open(struct conf_reader *r, struct conf_cursor *c, struct span name, struct span arg,
	struct conf_pos pos, struct conf_pos arg_pos, struct conf_cursor *child);

/* Appends a parameter, strings copied; the caller fills in the rest of the pair. */
struct conf_pair *conf_cursor_add(struct conf_reader *r, struct conf_cursor *c, struct span name, struct span value);

/* Notes the errors about code in the value of a pair that was added. Where that says what the section is, nothing of it can be judged. */
void conf_reader_refused(struct conf_reader *r, const struct conf_pair *pair, const struct conf_lex_value *value);

/* Reads fluentd's v1 syntax into c. `file` lives as long as the tree. */
void conf_parse(struct conf_reader *r, struct conf_cursor *c, const char *file, struct span text);

/* The same of a YAML document; a list of directives is allowed for what !include brings. */
void conf_yaml(struct conf_reader *r, struct conf_cursor *c, const char *file, struct span text);

/*
 * A whole file into c, YAML or v1 by its name. `from` is where it is included (line 0 = it is the main file). A missing one is a warning where
 * it is included, an error otherwise.
 */
void conf_include_file(struct conf_reader *r, struct conf_cursor *c, const char *path, struct conf_pos from);

/* @include's argument: a path or a pattern, relative to the including file. */
void conf_include(struct conf_reader *r, struct conf_cursor *c, struct span what, struct conf_pos from);

/* All *.conf, *.yaml and *.yml of a folder that were not read yet, by name. A missing folder is none. */
void conf_include_dir(struct conf_reader *r, struct conf_cursor *c, const char *dir);

/* A tree of the text alone, as if it were a file of that name (".yaml" in it: YAML); with no_files nothing is read from the disk. For tests and fuzzing. */
struct conf_tree *conf_tree_read_text(
	const char *name, struct span text, const struct conf_expr_env *env, struct conf_report *report);

#endif
