/* parser_impl.h: what the types of parsers share. For lib/parse only. */
#ifndef WEIR_PARSE_PARSER_IMPL_H
#define WEIR_PARSE_PARSER_IMPL_H

#include "parse/parser.h"
#include "parse/parser_conf.h"
#include "parse/time_reader.h"

#define PARSE_DEPTH 128 /* containers in one another that a text may have */

struct converters;

/* While a parser is made. */
struct parser_maker {
	const struct conf_rules *rules;
	struct conf_report *report;
	const struct conf_section *section;
};

/* One text on its way through a parser. */
struct parse_run {
	const struct parser *p;
	struct span text;
	struct event_time now;
	struct parser_room *room;
	parser_take *take;
	void *arg;
};

struct parser_type {
	const char *names; /* separated by spaces; the first one is fluentd's own */
	const struct conf_schema *schema;
	bool checks_utf8; /* fluentd raises for text that is no UTF-8 */
	/* Makes p->self; false: findings were added. NULL: there is none. */
	bool (*create)(struct parser *p, const struct parser_maker *m);
	void (*destroy)(void *self);
	void (*parse)(const struct parse_run *r);
	bool (*is_firstline)(const struct parser *p, struct span line, struct parser_room *room); /* or NULL */
};

struct parser {
	const struct parser_type *type;
	const char *type_name;
	const struct conf_pair *type_pair; /* what says it; NULL: a default */
	struct parser_conf *conf;
	struct conf_pair *own_pairs;	  /* of a section that was made from flat parameters */
	struct conf_section *own_section; /* NULL = the tree's is used */
	char *own_types;		  /* a value in it */
	struct time_reader *time;
	struct span time_key; /* n = 0: none */
	bool time_key_set;
	struct converters *converters; /* NULL: values stay as they are */
	void *self;
};

extern const struct parser_type parser_json, parser_msgpack, parser_none, parser_regexp, parser_nginx, parser_apache,
	parser_apache2, parser_apache_error, parser_multiline, parser_ltsv, parser_csv, parser_tsv, parser_kv,
	parser_syslog, parser_cri, parser_multi_format;

/* A time reader with the parser's zone parameters, or a finding at that parameter. */
struct time_reader *parser_time_reader(const struct parser *p, enum time_type type, const char *format,
	const char *timezone, const struct parser_maker *m, const char *param);

/* ---- results ---- */

void parse_no_match(const struct parse_run *r);
void parse_error(const struct parse_run *r, enum parse_result result, const char *why);

/* ---- fields of a record that is being made ---- */

struct field {
	struct span key;
	struct span text; /* p NULL: null */
	uint64_t number;
	bool is_number;
};

/* Forgets the fields. */
static inline void fields_start(struct parser_room *room)
{
	room->fields_n = 0;
	room->fields_full = false;
}

bool fields_grow(struct parser_room *room);

/* The next field, zeroed; `fields_full` is set and a spare one given if there is no memory. */
static inline void fields_add(struct parser_room *room, struct span key, struct span text)
{
	if (room->fields_n == room->fields_cap && !fields_grow(room))
		return;
	room->fields[room->fields_n++] = (struct field){.key = key, .text = text};
}

static inline void fields_add_number(struct parser_room *room, struct span key, uint64_t number)
{
	if (room->fields_n == room->fields_cap && !fields_grow(room))
		return;
	room->fields[room->fields_n++] = (struct field){.key = key, .number = number, .is_number = true};
}

/* The fields as a record: its time is found by time_key, values are converted. Calls take. */
void fields_finish(const struct parse_run *r);
/* The fields as they are, with that time (NULL: none). Calls take. */
void fields_finish_as_is(const struct parse_run *r, const struct event_time *time);

/* As fields_finish, for a msgpack map, which must not lie in the room's record. */
void map_finish(const struct parse_run *r, struct span map);

/* ---- text ---- */

/* Ruby's String#split: the pieces of `text` between delimiters, at most `limit` (0: all; then empty ones at the end are left out). */
struct split {
	struct span rest, delimiter;
	const struct capture *pattern; /* instead of delimiter */
	struct parser_room *room;
	size_t left;	  /* pieces that may still come; SIZE_MAX = all */
	size_t empty;	  /* empty pieces that were held back */
	struct span held; /* the piece behind them */
	bool done, has_held;
};
void split_start(struct split *s, struct span text, struct span delimiter, size_t limit);
void split_start_pattern(struct split *s, struct span text, const struct capture *pattern, struct parser_room *room);
bool split_next(struct split *s, struct span *piece);

#endif
