/*
 * conf_schema.h: the table of a plugin's parameters, and what is made from it: the checked struct that the plugin reads, did-you-mean,
 * `weir check --show`, `weir help`, the reference in config/.
 *
 * The table is the master list: name, type, default, whether it is a secret, old names, what it does; also what fluentd knows and weir
 * does not honour, with what to do instead. A plugin's code never looks at a conf_section.
 */
#ifndef WEIR_CONF_CONF_SCHEMA_H
#define WEIR_CONF_CONF_SCHEMA_H

#include "conf/conf_tree.h"

enum conf_type {      /* field in the struct; nil (no value, no default) is told by ... */
	CONF_STRING,  /* char *                NULL */
	CONF_INT,     /* int64_t               CONF_NIL_INT */
	CONF_FLOAT,   /* double                NaN */
	CONF_BOOL,    /* bool                  (false) */
	CONF_SIZE,    /* int64_t bytes         CONF_NIL_INT */
	CONF_TIME,    /* int64_t nanoseconds   CONF_NIL_INT */
	CONF_ENUM,    /* int, from choices     CONF_NIL_ENUM */
	CONF_ARRAY,   /* struct conf_array     v == NULL */
	CONF_HASH,    /* struct conf_hash      v == NULL */
	CONF_REGEXP,  /* struct conf_regexp    source == NULL */
	CONF_BYTES,   /* struct conf_bytes     p == NULL; a string that may hold 0 bytes */
	CONF_IGNORED, /* no field: for CONF_NOT_USED and CONF_NOT_POSSIBLE */
};

#define CONF_NIL_INT  INT64_MIN
#define CONF_NIL_ENUM (-1)

struct conf_array {
	char **v; /* NULL-terminated */
	size_t n;
};

struct conf_hash_item {
	char *key;
	char *value; /* strings as they are, other JSON values as JSON text; NULL for null */
	bool json;   /* value is JSON text of something that is no string */
};

struct conf_hash {
	struct conf_hash_item *v;
	size_t n;
};

struct conf_regexp {
	char *source; /* between the slashes */
	bool ignore_case, extended, multi_line;
};

struct conf_bytes {
	char *p;
	size_t n;
};

struct conf_choice {
	const char *name;
	int value;
};

enum conf_support {
	CONF_HONOURED, /* (0) */
	CONF_NOT_USED, /* fluentd has it, here it has no effect and nothing that matters changes: a note; `instead` says why */
	CONF_NOT_POSSIBLE, /* fluentd has it, and without it data or security would differ: an error; `instead` says what to do */
	CONF_REMOVED,	 /* obsolete in fluentd too: an error; `instead` */
	CONF_DEPRECATED, /* honoured, with a warning; `instead` */
	CONF_MOVED,	 /* the same, but whoever reads it from the section warns; CONF_IGNORED here */
};

/* What a CONF_STRING names that is weir's to make and to write. */
enum conf_writes { CONF_WRITES_NOTHING, CONF_WRITES_FILE, CONF_WRITES_FOLDER };

struct conf_param {
	const char *name;
	enum conf_type type;
	size_t offset; /* of the field in the section's struct; two of one type may share one (an old and a new name) */
	const char *value; /* the default, as it would be written; NULL = nil */
	bool required;
	bool secret;   /* masked wherever a configuration is printed */
	bool positive; /* numbers: 0 and below are an error */
	enum conf_writes writes;
	enum conf_support support;
	const char *instead;
	const char *old; /* old names, separated by spaces, accepted as this one (v0.12: "buffer_path") */
	bool numbered;	 /* CONF_MOVED: `name` stands for name1, name2 ... in any number */
	const struct conf_choice *choices; /* CONF_ENUM: ends with a NULL name */
	int64_t min, max;		   /* CONF_INT, CONF_SIZE (bytes), CONF_TIME (ns); both 0 = any */
	const char *help;		   /* what it does, a sentence or two, for the reference */
};

/* A sub-section. Its structs are made one by one; the parent's field is a struct conf_list of pointers to them. */
struct conf_schema;
struct conf_sub {
	const struct conf_schema *schema;
	size_t offset;	  /* of a struct conf_list in the parent's struct */
	bool required;	  /* at least one */
	bool multi;	  /* more than one may be there */
	const char *type; /* of a <parse> or <format>: its @type where nothing says one; NULL: there is none */
};

struct conf_list {
	void **v; /* structs of the sub-section's schema, in file order */
	size_t n;
};

/* What every struct that is filled from a section begins with. */
struct conf_common {
	char *type;	     /* @type; NULL where there is none */
	char *id;	     /* @id; NULL if not given */
	char *label;	     /* @label */
	char *log_level;     /* @log_level */
	char *arg;	     /* the section's argument, "" if none */
	struct conf_pos pos; /* of the section, for messages */
	const struct conf_section
		*section;		  /* where it came from; for places of values; NULL = nowhere (all defaults) */
	const struct conf_schema *schema; /* that it was made by */
};

struct conf_schema {
	const char *name;		 /* of the section: "source", "buffer", "transport" */
	const char *title;		 /* for messages and the reference: "forward input" */
	size_t size;			 /* of the struct, which begins with a struct conf_common */
	const struct conf_param *params; /* ends with a NULL name; NULL = none */
	const struct conf_sub *subs;	 /* ends with a NULL schema; NULL = none */
	bool free_keys;			 /* any key is allowed and kept in the section (<record>, <labels>) */
	bool more_keys; /* keys that no parameter has are allowed too: the plugin reads them from the section, and tells of them */
	bool shown_by_other; /* what is in it is for conf_show_other to show */
	bool free_sections;  /* any sub-section is allowed: somebody else makes (and shows) it (<store>, <route>) */
	const char *help;
	/* Checks what no table can say; adds findings. May be NULL. */
	void (*check)(void *conf, struct conf_report *report);
};

struct conf_rules {
	bool strict;	   /* --strict and `weir check`: an unknown parameter is an error */
	bool strict_value; /* <system> strict_config_value: numbers that are none are errors */
};

/*
 * Makes the struct for a section; NULL instead of a section means that it is not there: all defaults. Always returns one (with defaults where values
 * were wrong); findings are added. A value that fluentd takes for something that nobody meant (`500ms`, `1.5h`, `on`) is taken as it was meant, with a
 * warning. The struct refers to the section: the tree must live as long. A default in the table that is no value of its type is a bug and aborts.
 */
void *conf_make(const struct conf_schema *schema, const struct conf_section *section, const struct conf_rules *rules,
	struct conf_report *report);
void conf_free(const struct conf_schema *schema, void *conf);

/* fn for each file and folder that `conf` and the sections within it say is to be written. */
void conf_each_written(const struct conf_schema *schema, const void *conf,
	void (*fn)(void *arg, enum conf_writes is, const char *path), void *arg);

/* Whether `name` is the parameter's, or an old one of its, or one of its numbered ones. */
bool conf_is_name_of(const struct conf_param *p, const char *name);

/* Whether a key is one of those that more_keys allows: neither a parameter nor one that all sections have. */
bool conf_is_more(const struct conf_schema *schema, const char *name);

/* Where a parameter's value stands (for messages about it); the section's place if it is a default. */
struct conf_pos conf_where(const void *conf, const char *param);
/* Whether the parameter (or one of its old names) was given in the file. */
bool conf_is_given(const struct conf_schema *schema, const void *conf, const char *param);
/* Whether it is to be said that the parameter, which has no value, is missing: of a wrong value something has been said already. */
bool conf_is_missing(const void *conf, const char *param);

/* For checks: a finding at the parameter if the file that it names cannot be read. `path` NULL or empty: none is named. */
void conf_check_file(
	const void *conf, const char *param, const char *path, enum conf_severity severity, struct conf_report *report);

/* The configuration in force as text with every default, each line with where it came from; secrets masked. */
void conf_show(const struct conf_schema *schema, const void *conf, struct buf *out, unsigned indent);
/*
 * The same without the section's tags. `other` (NULL = nobody) is called for what is in a sub-section with free_sections, which somebody else makes.
 */
struct conf_show_other {
	void (*show)(const struct conf_show_other *other, const struct conf_section *section, struct buf *out,
		unsigned indent);
};
/* `@type NAME` and where it stands, perhaps under another name; pair NULL: it is a default. */
void conf_show_type(const char *type, const struct conf_pair *pair, struct buf *out, unsigned indent);
/* The parameters of the table, and nothing else. */
void conf_show_params(const struct conf_schema *schema, const void *conf, struct buf *out, unsigned indent);
void conf_show_inside(const struct conf_schema *schema, const void *conf, struct buf *out, unsigned indent,
	const struct conf_show_other *other);
/*
 * The table as reference text (Markdown) and as help for a terminal. Of a sub-section that is `elsewhere` (a NULL-terminated list; NULL = none) only the name is given:
 * many plugins have it.
 */
void conf_reference(const struct conf_schema *schema, const struct conf_schema *const *elsewhere, struct buf *out,
	unsigned heading);
void conf_help(const struct conf_schema *schema, struct buf *out);

/*
 * ---- values, for whoever needs them outside a schema ----
 * False if the text is none. *trap is NULL or a sentence that is valid until the next call: without a value what is wrong, with one a warning, for fluentd would
 * read the text otherwise. Times above 100 years are taken as that.
 */
bool conf_parse_size(const char *text, int64_t *bytes, const char **trap);
bool conf_parse_time(const char *text, int64_t *ns, const char **trap);

#endif
