/*
 * parser.h: text to records, as fluentd's parser plugins do it: what stands in <parse>.
 *
 * A parser is compiled from its section, read-only afterwards, and used by any number of threads, each with a room of its own. Nothing here does I/O (a named time zone
 * is read while the parser is made). No text makes a parser slow: expressions have a limit of steps, everything else is one pass.
 */
#ifndef WEIR_PARSE_PARSER_H
#define WEIR_PARSE_PARSER_H

#include "base/buf.h"
#include "conf/conf_schema.h"
#include "parse/parser_room.h"
#include "record/event.h"

struct parser;

/*
 * The parser that a section of a plugin asks for: its <parse> section, or the section itself if that is a <parse> or <pattern>, or else the flat parameters of v0.12 in
 * it (`format json`, `time_format` ...; `format /re/` is an expression). default_type is for a section that says nothing at all; NULL: that is an error. NULL: findings were
 * added. The tree must live as long as the parser.
 */
struct parser *parser_make(const struct conf_section *section, const char *default_type, const struct conf_rules *rules,
	struct conf_report *report);
void parser_free(struct parser *p); /* NULL is allowed */

/* For tables of plugins: a <parse> section (any keys: parser_make reads them). The field is a struct conf_list that nobody needs to look at. */
extern const struct conf_schema parser_section_schema;

/* The flat parameters of v0.12 for a plugin's own table; parser_make reads them. Put into a table of conf_params. */
#define PARSER_FLAT(NAME)                                                                                 \
	{                                                                                                 \
		.name = (NAME), .type = CONF_IGNORED, .support = CONF_DEPRECATED,                         \
		.instead = "v0.12 wrote the parser's parameters here; they belong into a <parse> section" \
	}
/* For inputs with a delimiter of their own. */
#define PARSER_FLAT_PARAMS_BUT_DELIMITER                                                                           \
	PARSER_FLAT("format"), PARSER_FLAT("types"), PARSER_FLAT("types_delimiter"),                               \
		PARSER_FLAT("types_label_delimiter"), PARSER_FLAT("keys"), PARSER_FLAT("time_key"),                \
		PARSER_FLAT("time_format"), PARSER_FLAT("localtime"), PARSER_FLAT("utc"),                          \
		PARSER_FLAT("keep_time_key"), PARSER_FLAT("null_empty_string"), PARSER_FLAT("null_value_pattern"), \
		PARSER_FLAT("json_parser"), PARSER_FLAT("label_delimiter"), PARSER_FLAT("message_key"),            \
		PARSER_FLAT("with_priority"), PARSER_FLAT("message_format"), PARSER_FLAT("rfc5424_time_format")
#define PARSER_FLAT_PARAMS PARSER_FLAT_PARAMS_BUT_DELIMITER, PARSER_FLAT("delimiter"), PARSER_FLAT("format_firstline")

enum parse_result {
	PARSE_OK,
	PARSE_NO_MATCH, /* the text is not of that form (fluentd: "pattern not matched") */
	PARSE_BAD_UTF8, /* it holds bytes that are no UTF-8, where fluentd's parser raises for them */
	PARSE_ERROR,	/* of that form, but a time cannot be read and the like (fluentd: an exception) */
};

struct parsed {
	enum parse_result result;
	bool has_time; /* PARSE_OK: false = the event keeps its own time */
	struct event_time time;
	struct span record; /* PARSE_OK: a msgpack map; of equal keys the last counts. Valid until `take` returns */
	const char *why;    /* not PARSE_OK: a fixed sentence */
};

/* Gets each record of a text in turn; `take` may not use the room. */
typedef void parser_take(void *arg, const struct parsed *p);

/*
 * Parses `text`; calls `take` once in most cases, several times for a JSON array, a msgpack stream and `multiline`. `now` (wall clock) is the time of records that have none
 * (estimate_current_event) and completes times without a year.
 */
void parser_parse(const struct parser *p, struct span text, struct event_time now, struct parser_room *room,
	parser_take *take, void *arg);

/*
 * The same for bytes as files and sockets give them: what is no UTF-8 becomes U+FFFD first, which the document would have in its place anyway. To fluentd they are bytes
 * as well, and it parses them; texts of records are UTF-8 to it, and raise.
 */
void parser_parse_bytes(const struct parser *p, struct span text, struct event_time now, struct parser_room *room,
	parser_take *take, void *arg);

/* format_firstline of `multiline`: whether there is one, and whether a line begins a new text. */
bool parser_has_firstline(const struct parser *p);
bool parser_is_firstline(const struct parser *p, struct span line, struct parser_room *room);

/* The @type that it was made for; the table of a type, NULL if there is none; the i-th type's name, NULL after the last. */
const char *parser_type_name(const struct parser *p);
const struct conf_schema *parser_type_schema(const char *type);
const char *parser_type_at(size_t i);

/* The parser as text, the inside of a <parse>: its type, its parameters, where each comes from. */
void parser_show(const struct parser *p, struct buf *out, unsigned indent);

/* Appends `text` with each maximal ill-formed part replaced (Ruby's String#scrub). */
bool parser_scrub(struct buf *out, struct span text, const char *replacement);

#endif
