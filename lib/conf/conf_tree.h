/*
 * conf_tree.h: a configuration file as sections and parameters, as fluentd's v1 syntax has them (v0.12 names are the schema's matter). A file whose name
 * ends in .yaml or .yml is read as fluentd's YAML form, into the same tree.
 *
 * Everything of a tree (strings too) lives in the tree and goes with conf_tree_free. Start-up and reload only; one thread.
 */
#ifndef WEIR_CONF_CONF_TREE_H
#define WEIR_CONF_CONF_TREE_H

#include "conf/conf_report.h"

#include <sys/stat.h>

enum conf_value_kind {
	CONF_VALUE_BARE,    /* k v, or k alone: "" */
	CONF_VALUE_SINGLE,  /* 'v' */
	CONF_VALUE_DOUBLE,  /* "v", after escapes and #{} */
	CONF_VALUE_JSON,    /* [..] or {..}: comments taken out, #{} put in: valid JSON text */
	CONF_VALUE_NIL,	    /* "#{use_nil}" */
	CONF_VALUE_DEFAULT, /* "#{use_default}": as if the line were not there */
};

struct conf_pair {
	const char *name;
	const char *written; /* what stands in the file, where it stands for another name; else NULL */
	const char *value;   /* "" where there is none */
	size_t value_len;    /* may hold 0 bytes ("\0") */
	enum conf_value_kind kind;
	bool from_code; /* #{} took something from the environment or a file */
	bool made_up;	/* it stands for a default, and in no file */
	bool broken;	/* a mistake in the value was reported: do not judge it again */
	struct conf_pos name_pos, value_pos;
	struct conf_pair *next;
};

struct conf_section {
	const char *name; /* "source", "match", ...; "ROOT" for the file itself */
	const char *arg;  /* the pattern or label; "" if there is none */
	struct conf_pos pos, arg_pos;
	struct conf_section *parent;
	struct conf_pair *pairs;       /* in file order; of repeated names the last counts */
	struct conf_section *sections; /* in file order */
	struct conf_section *next;
};

struct conf_tree;

/* A file that #{} read or asked for (File.read, File.exist?), as it was then. */
struct conf_file {
	struct conf_file *next;
	const char *path;
	struct stat st; /* all 0: it was not there */
};

struct conf_source {
	const char *path;	 /* the main file; NULL with inline_text only */
	const char *inline_text; /* -i: read after the file; \n in it are line ends, as in fluentd; NULL = none */
	const char *include_dir; /* its *.conf, *.yaml, *.yml come last; <system> config_include_dir goes before it */
	bool yaml;		 /* the main file is YAML, whatever its name */
	int worker_id;		 /* for #{worker_id} */
};

/*
 * Reads, includes, evaluates. Always returns a tree (of what could be read); mistakes are in the report with file, line and column, as many as can be found in
 * one run. Never contacts anybody; @include of http(s) is an error that says so.
 */
struct conf_tree *conf_tree_read(const struct conf_source *source, struct conf_report *report);
void conf_tree_free(struct conf_tree *t);
const struct conf_section *conf_tree_root(const struct conf_tree *t);
/* The latest one first; NULL = none. */
const struct conf_file *conf_tree_files(const struct conf_tree *t);
/* Whether all mistakes that were found are in values of parameters; else what else would be said of the tree follows from those. */
bool conf_tree_is_whole(const struct conf_tree *t);

/* The last pair of that name, NULL if there is none (or it is CONF_VALUE_DEFAULT). */
const struct conf_pair *conf_section_get(const struct conf_section *s, const char *name);

/* Whether two sections say the same: names, arguments, values and sections within, in the same order; places do not count. */
bool conf_section_equal(const struct conf_section *a, const struct conf_section *b);

#endif
