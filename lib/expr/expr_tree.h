/* expr_tree.h: what an expression is compiled to. For lib/expr only. */
#ifndef WEIR_EXPR_EXPR_TREE_H
#define WEIR_EXPR_EXPR_TREE_H

#include "expr/expr.h"
#include "expr/expr_method.h"
#include "expr/expr_regexp.h"
#include "record/time_format.h"

/* Types of values beyond those of value.h. */
enum {
	VALUE_RANGE = VALUE_OTHER, /* other: struct expr_range */
	VALUE_REGEXP,		   /* other: struct expr_regexp */
	VALUE_MATCH,		   /* other: struct expr_match */
	VALUE_MODULE,		   /* i: enum expr_module */
	VALUE_ERROR,		   /* other: struct expr_raised */
	VALUE_TYPES,
};

/* Variants of VALUE_TIME. */
enum { TIME_PLAIN, TIME_DATETIME, TIME_EVENT };

struct expr_range {
	struct value first, last; /* nil: without end */
	bool exclusive;
};

/* Variables; those of the filter come first. */
enum { VAR_RECORD, VAR_TAG, VAR_TIME, VAR_TAG_PARTS, VAR_TAG_PREFIX, VAR_TAG_SUFFIX, VAR_HOSTNAME, VAR_LOCAL };
#define EXPR_VARS_MAX	64
#define EXPR_ARGS_MAX	32
#define EXPR_HEIGHT_MAX 150 /* of a tree: what bounds the evaluator's stack */

enum expr_kind {
	NODE_VALUE,	/* value */
	NODE_TEXT,	/* args: its parts, put together as text */
	NODE_ARRAY,	/* args */
	NODE_HASH,	/* args: key, value, ... */
	NODE_RANGE,	/* a .. b; flag: exclusive */
	NODE_VAR,	/* slot */
	NODE_SET,	/* slot = a */
	NODE_SET_MANY,	/* targets = a */
	NODE_CALL,	/* a.method(args) block; flag: &. */
	NODE_INDEX_SET, /* a[args] = b */
	NODE_OP_SET,	/* a op= b; a is NODE_VAR or an index; method, or NODE_AND / NODE_OR in `op` */
	NODE_FUNCTION,	/* function(args) */
	NODE_AND,
	NODE_OR,
	NODE_NOT,
	NODE_IF,     /* a ? b : c; b and c may be NULL */
	NODE_CASE,   /* a (NULL: none); args: condition, body, ...; b: else */
	NODE_DO,     /* args, one after the other */
	NODE_RESCUE, /* a, rescue clauses, b: ensure */
	NODE_NEXT,   /* a, in a block */
	NODE_BREAK,
	NODE_GROUP, /* $1: number; 0 = $&, -1 = $~, -2 = $`, -3 = $' */
	NODE_NAMED, /* /(?<x>)/ =~ a: sets the slots of the names */
	NODE_SPLAT, /* *a, among arguments */
};

enum expr_function {
	FUNCTION_RAND,
	FUNCTION_RAISE,
	FUNCTION_FORMAT,
	FUNCTION_INTEGER,
	FUNCTION_FLOAT,
	FUNCTION_STRING,
	FUNCTION_ARRAY,
	FUNCTION_HASH, /* Hash[...] */
	/* of modules */
	FUNCTION_TIME_NOW,
	FUNCTION_TIME_AT,
	FUNCTION_TIME_PARSE,
	FUNCTION_TIME_ISO8601,
	FUNCTION_TIME_STRPTIME, /* format: the compiled second argument */
	FUNCTION_TIME_UTC,	/* Time.utc(y, m, ...) */
	FUNCTION_TIME_LOCAL,
	FUNCTION_DATETIME_NOW,
	FUNCTION_DATETIME_PARSE,
	FUNCTION_DATETIME_STRPTIME,
	FUNCTION_JSON_PARSE,
	FUNCTION_JSON_GENERATE,
	FUNCTION_ENV,
	FUNCTION_ENV_FETCH,
	FUNCTION_ENV_KEY,
	FUNCTION_UUID,
	FUNCTION_RANDOM_HEX,
	FUNCTION_CGI_ESCAPE,
	FUNCTION_CGI_UNESCAPE,
	FUNCTION_URI_COMPONENT,
	FUNCTION_URI_DECODE,
	FUNCTION_BASE64,
	FUNCTION_BASE64_STRICT,
	FUNCTION_BASE64_URL,
	FUNCTION_BASE64_DECODE,
	FUNCTION_BASE64_URL_DECODE,
	FUNCTION_DIGEST_HEX, /* number: enum expr_digest */
	FUNCTION_DIGEST_BASE64,
	FUNCTION_FILE_BASENAME,
	FUNCTION_FILE_DIRNAME,
	FUNCTION_FILE_EXTNAME,
	FUNCTION_FILE_JOIN,
	FUNCTION_REGEXP_ESCAPE,
	FUNCTION_NEW_STRING,
	FUNCTION_NEW_ARRAY,
	FUNCTION_NEW_HASH,
	FUNCTIONS
};

enum expr_digest { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };

struct expr_node;

/* |a, (b, c), *d| or the left side of a, b = ... */
struct expr_target {
	uint16_t slot;
	bool splat;
	struct expr_target *list; /* in parentheses */
	uint16_t count;
};

struct expr_block {
	struct expr_target *params;
	uint16_t count;
	bool trailing; /* |a,|: only the first of several */
	int symbol;    /* &:method, -1 = none */
	struct expr_node *body;
};

struct expr_rescue {
	int64_t *classes; /* enum expr_module */
	uint16_t count;	  /* 0: StandardError */
	int slot;	  /* => e; -1 = none */
	struct expr_node *body;
};

struct expr_node {
	uint8_t kind;
	bool flag;
	uint16_t slot;
	uint16_t method;
	uint16_t height;
	uint16_t count; /* of args */
	uint16_t target_count;
	int32_t number;
	uint32_t at; /* offset in the text */
	struct value value;
	struct expr_node *a, *b, *c;
	struct expr_node **args;
	struct expr_target *targets;
	struct expr_block *block;
	struct expr_rescue *rescues;
	uint16_t rescue_count;
	uint8_t op;
	const struct expr_regexp *regexp;
	const struct time_format *format;
};

struct expr {
	struct expr_node *root;
	uint16_t locals; /* slots used */
	uint32_t uses;	 /* bits of the filter's variables */
};

struct expr_set {
	enum expr_time time;
	char *hostname;
	struct arena arena; /* trees and constants */
	struct expr_regexp **regexps;
	size_t regexp_count;
	struct time_format **formats;
	size_t format_count;
	bool mutates;
	bool walks; /* the record is more than looked into */
	uint32_t uses;
};

#endif
