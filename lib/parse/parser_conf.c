#include "parse/parser_conf.h"

#include "parse/parser.h"
#include "parse/time_reader.h"

#include <stddef.h>

#define AT(field) .offset = offsetof(struct parser_conf, field)

static const struct conf_choice time_types[] = {
	{"string", TIME_TYPE_STRING},
	{"unixtime", TIME_TYPE_UNIXTIME},
	{"float", TIME_TYPE_FLOAT},
	{"mixed", TIME_TYPE_MIXED},
	{NULL, 0},
};

/* ---- what all types have ---- */

#define TIME_ZONES                                                                                                  \
	{.name = "localtime",                                                                                       \
		.type = CONF_BOOL,                                                                                  \
		AT(localtime),                                                                                      \
		.value = "true",                                                                                    \
		.help = "Times without a zone are in the machine's zone; false: in UTC."},                          \
		{.name = "utc",                                                                                     \
			.type = CONF_BOOL,                                                                          \
			AT(utc),                                                                                    \
			.value = "false",                                                                           \
			.help = "Times without a zone are in UTC."},                                                \
		{.name = "timezone",                                                                                \
			.type = CONF_STRING,                                                                        \
			AT(timezone),                                                                               \
			.help = "The zone of times without one: `+09:00`, `Asia/Tokyo`. Needs `time_format`."},     \
	{                                                                                                           \
		.name = "timeout", .type = CONF_IGNORED, .support = CONF_NOT_USED,                                  \
		.instead = "every search has a limit of steps (about a tenth of a second); a text that exceeds it " \
			   "does not match"                                                                         \
	}

#define TIME_PARAMS(KEY, TYPE, FORMAT, KEEP)                                                                           \
	{.name = "time_key",                                                                                           \
		.type = CONF_STRING,                                                                                   \
		AT(time_key),                                                                                          \
		.value = (KEY),                                                                                        \
		.help = "The field that holds the event's time; it is taken out of the record."},                      \
		{.name = "time_type",                                                                                  \
			.type = CONF_ENUM,                                                                             \
			AT(time_type),                                                                                 \
			.value = (TYPE),                                                                               \
			.choices = time_types,                                                                         \
			.help = "How the time is written: by `time_format`, as seconds since 1970, as seconds with a " \
				"fraction, or (mixed) as one of `time_format_fallbacks`."},                            \
		{.name = "time_format",                                                                                \
			.type = CONF_STRING,                                                                           \
			AT(time_format),                                                                               \
			.value = (FORMAT),                                                                             \
			.help = "The form of the time in Ruby's strptime directives, or `%iso8601`. Not set: ISO "     \
				"8601, RFC "                                                                           \
				"2822, `Aug  7 12:00:00` and other usual forms are found out."},                       \
		{.name = "time_format_fallbacks",                                                                      \
			.type = CONF_ARRAY,                                                                            \
			AT(time_format_fallbacks),                                                                     \
			.help = "With `time_type mixed`: forms to try after `time_format`; also `unixtime` and "       \
				"`float`."},                                                                           \
		{.name = "keep_time_key",                                                                              \
			.type = CONF_BOOL,                                                                             \
			AT(keep_time_key),                                                                             \
			.value = (KEEP),                                                                               \
			.help = "The time's field stays in the record."},                                              \
		{.name = "estimate_current_event",                                                                     \
			.type = CONF_BOOL,                                                                             \
			AT(estimate_current_event),                                                                    \
			.value = "true",                                                                               \
			.help = "A record without a time gets the present one; false: it keeps the event's."},         \
		TIME_ZONES

#define VALUE_PARAMS                                                                                             \
	{.name = "types",                                                                                        \
		.type = CONF_HASH,                                                                               \
		AT(types),                                                                                       \
		.help = "What fields become: `a:integer,b:float,c:bool,d:time:%Y-%m-%d,e:array:;,f:string`, or " \
			"JSON."},                                                                                \
		{.name = "null_value_pattern",                                                                   \
			.type = CONF_REGEXP,                                                                     \
			AT(null_value_pattern),                                                                  \
			.help = "A text that matches becomes null."},                                            \
	{                                                                                                        \
		.name = "null_empty_string", .type = CONF_BOOL, AT(null_empty_string), .value = "false",         \
		.help = "An empty text becomes null."                                                            \
	}

/* For the parsers that do not convert values, in fluentd neither. */
#define NO_VALUE(NAME)                                                                       \
	{                                                                                    \
		.name = (NAME), .type = CONF_IGNORED, .support = CONF_NOT_USED,              \
		.instead = "this type of parser does not convert values, in fluentd neither" \
	}
#define NO_VALUE_PARAMS NO_VALUE("types"), NO_VALUE("null_value_pattern"), NO_VALUE("null_empty_string")

#define END                  \
	{                    \
		.name = NULL \
	}

#define SCHEMA(NAME, TITLE, HELP)                           \
	const struct conf_schema parser_##NAME##_schema = { \
		.name = "parse",                            \
		.title = (TITLE),                           \
		.size = sizeof(struct parser_conf),         \
		.params = NAME##_params,                    \
		.help = (HELP),                             \
	}

/* ---- json, msgpack, none ---- */

static const struct conf_param json_params[] = {
	TIME_PARAMS("time", "float", NULL, "false"),
	VALUE_PARAMS,
	{.name = "json_parser",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "weir has one JSON parser of its own"},
	{.name = "stream_buffer_size",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "weir has one JSON parser of its own"},
	END,
};
SCHEMA(json, "json parser", "A JSON object, or an array of them.");

static const struct conf_param msgpack_params[] = {
	TIME_PARAMS(NULL, "string", NULL, "false"),
	VALUE_PARAMS,
	END,
};
SCHEMA(msgpack, "msgpack parser", "msgpack maps, one after the other or in arrays.");

static const struct conf_param none_params[] = {
	TIME_PARAMS(NULL, "string", NULL, "false"),
	NO_VALUE_PARAMS,
	{.name = "message_key",
		.type = CONF_STRING,
		AT(message_key),
		.value = "message",
		.help = "The field that the text becomes."},
	END,
};
SCHEMA(none, "none parser", "The text as one field.");

/* ---- regexp and what is made of it ---- */

#define EXPRESSION(VALUE, REQUIRED)                                                                                  \
	{.name = "expression",                                                                                       \
		.type = CONF_REGEXP,                                                                                 \
		AT(expression),                                                                                      \
		.value = (VALUE),                                                                                    \
		.required = (REQUIRED),                                                                              \
		.help = "The expression; each named group becomes a field."},                                        \
		{.name = "ignorecase",                                                                               \
			.type = CONF_BOOL,                                                                           \
			AT(ignorecase),                                                                              \
			.value = "false",                                                                            \
			.support = CONF_DEPRECATED,                                                                  \
			.instead = "write /pattern/i",                                                               \
			.help = "The case of letters does not count."},                                              \
	{                                                                                                            \
		.name = "multiline", .type = CONF_BOOL, AT(multiline), .value = "false", .support = CONF_DEPRECATED, \
		.instead = "write /pattern/m", .help = "`.` is a line feed too."                                     \
	}

static const struct conf_param regexp_params[] = {
	TIME_PARAMS("time", "string", NULL, "false"),
	VALUE_PARAMS,
	EXPRESSION(NULL, true),
	END,
};
SCHEMA(regexp, "regexp parser", "What the named groups of an expression take.");

#define ACCESS_TIME "%d/%b/%Y:%H:%M:%S %z"

static const struct conf_param nginx_params[] = {
	TIME_PARAMS("time", "string", ACCESS_TIME, "false"),
	VALUE_PARAMS,
	EXPRESSION("/^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \\[(?<time>[^\\]]*)\\] "
		   "\"(?<method>\\S+)(?: +(?<path>[^\\\"]*?)(?: +\\S*)?)?\" (?<code>[^ ]*) (?<size>[^ ]*)"
		   "(?: \"(?<referer>[^\\\"]*)\" "
		   "\"(?<agent>[^\\\"]*)\"(?:\\s+\\\"?(?<http_x_forwarded_for>[^\\\"]*)\\\"?)?)?$/",
		false),
	END,
};
SCHEMA(nginx, "nginx parser", "nginx's default access log.");

static const struct conf_param apache_params[] = {
	TIME_PARAMS("time", "string", ACCESS_TIME, "false"),
	VALUE_PARAMS,
	EXPRESSION("/^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \\[(?<time>[^\\]]*)\\] "
		   "\"(?<method>\\S+)(?: +(?<path>[^ ]*) +\\S*)?\" (?<code>[^ ]*) (?<size>[^ ]*)"
		   "(?: \"(?<referer>[^\\\"]*)\" \"(?<agent>[^\\\"]*)\")?$/",
		false),
	END,
};
SCHEMA(apache, "apache parser", "Apache's access log, all fields as texts.");

static const struct conf_param apache_error_params[] = {
	TIME_PARAMS("time", "string", NULL, "false"),
	VALUE_PARAMS,
	EXPRESSION("/^\\[[^ ]* (?<time>[^\\]]*)\\] \\[(?<level>[^\\]]*)\\](?: \\[pid (?<pid>[^\\]]*)\\])?"
		   "( \\[client (?<client>[^\\]]*)\\])? (?<message>.*)$/",
		false),
	END,
};
SCHEMA(apache_error, "apache_error parser", "Apache's error log.");

static const struct conf_param apache2_params[] = {
	TIME_PARAMS(NULL, "string", NULL, "false"),
	NO_VALUE_PARAMS,
	END,
};
SCHEMA(apache2, "apache2 parser", "Apache's access log: code and size are numbers, `-` is null.");

#define FORMAT(N, I)                                                                                          \
	{                                                                                                     \
		.name = "format" #N, .type = CONF_STRING, AT(formats[I]), .help = "A part of the expression." \
	}

static const struct conf_param multiline_params[] = {
	TIME_PARAMS("time", "string", NULL, "false"),
	VALUE_PARAMS,
	{.name = "format_firstline",
		.type = CONF_STRING,
		AT(format_firstline),
		.help = "An expression between slashes that the first line of a text matches."},
	{.name = "unmatched_lines",
		.type = CONF_STRING,
		AT(unmatched_lines),
		.help = "If set, what does not match becomes a record with the field `unmatched_line`."},
	FORMAT(1, 0),
	FORMAT(2, 1),
	FORMAT(3, 2),
	FORMAT(4, 3),
	FORMAT(5, 4),
	FORMAT(6, 5),
	FORMAT(7, 6),
	FORMAT(8, 7),
	FORMAT(9, 8),
	FORMAT(10, 9),
	FORMAT(11, 10),
	FORMAT(12, 11),
	FORMAT(13, 12),
	FORMAT(14, 13),
	FORMAT(15, 14),
	FORMAT(16, 15),
	FORMAT(17, 16),
	FORMAT(18, 17),
	FORMAT(19, 18),
	FORMAT(20, 19),
	END,
};
SCHEMA(multiline, "multiline parser", "An expression in parts (format1 ... format20) over several lines.");

/* ---- separated values ---- */

static const struct conf_param ltsv_params[] = {
	TIME_PARAMS("time", "string", NULL, "false"),
	VALUE_PARAMS,
	{.name = "delimiter", .type = CONF_STRING, AT(delimiter), .value = "\t", .help = "Between fields."},
	{.name = "delimiter_pattern",
		.type = CONF_REGEXP,
		AT(delimiter_pattern),
		.help = "Between fields, as an expression; instead of `delimiter`."},
	{.name = "label_delimiter",
		.type = CONF_STRING,
		AT(label_delimiter),
		.value = ":",
		.help = "Between a field's name and its value."},
	END,
};
SCHEMA(ltsv, "ltsv parser", "Labelled tab-separated values.");

static const struct conf_choice csv_engines[] = {{"normal", ENGINE_NORMAL}, {"fast", ENGINE_FAST}, {NULL, 0}};

static const struct conf_param csv_params[] = {
	TIME_PARAMS(NULL, "string", NULL, "false"),
	VALUE_PARAMS,
	{.name = "keys", .type = CONF_ARRAY, AT(keys), .required = true, .help = "The names of the fields."},
	{.name = "delimiter", .type = CONF_STRING, AT(delimiter), .value = ",", .help = "Between fields."},
	{.name = "parser_engine",
		.type = CONF_ENUM,
		AT(engine),
		.value = "normal",
		.choices = csv_engines,
		.old = "parser_type",
		.help = "normal: RFC 4180, and an error for what is not. fast: fluentd's lenient way."},
	END,
};
SCHEMA(csv, "csv parser", "Comma-separated values.");

static const struct conf_param tsv_params[] = {
	TIME_PARAMS(NULL, "string", NULL, "false"),
	VALUE_PARAMS,
	{.name = "keys", .type = CONF_ARRAY, AT(keys), .required = true, .help = "The names of the fields."},
	{.name = "delimiter", .type = CONF_STRING, AT(delimiter), .value = "\t", .help = "Between fields."},
	END,
};
SCHEMA(tsv, "tsv parser", "Tab-separated values.");

static const struct conf_param kv_params[] = {
	TIME_PARAMS("time", "string", NULL, "false"),
	VALUE_PARAMS,
	{.name = "kv_delimiter",
		.type = CONF_STRING,
		AT(kv_delimiter),
		.value = "/\\s+/",
		.help = "Between pairs; an expression if it stands between slashes."},
	{.name = "kv_char", .type = CONF_STRING, AT(kv_char), .value = "=", .help = "Between key and value."},
	END,
};
SCHEMA(kv, "kv parser", "Pairs of key and value (fluent-plugin-kv-parser).");

/* ---- syslog, cri, multi_format ---- */

static const struct conf_choice syslog_formats[] = {
	{"rfc3164", SYSLOG_RFC3164},
	{"rfc5424", SYSLOG_RFC5424},
	{"auto", SYSLOG_AUTO},
	{NULL, 0},
};
static const struct conf_choice syslog_engines[] = {{"regexp", ENGINE_REGEXP}, {"string", ENGINE_STRING}, {NULL, 0}};

static const struct conf_param syslog_params[] = {
	TIME_PARAMS(NULL, "string", "%b %d %H:%M:%S", "false"),
	NO_VALUE_PARAMS,
	{.name = "message_format",
		.type = CONF_ENUM,
		AT(message_format),
		.value = "rfc3164",
		.choices = syslog_formats,
		.help = "The protocol; auto: told apart by the version behind the priority."},
	{.name = "with_priority",
		.type = CONF_BOOL,
		AT(with_priority),
		.value = "false",
		.help = "The text begins with <priority>, which becomes the field `pri`."},
	{.name = "rfc5424_time_format",
		.type = CONF_STRING,
		AT(rfc5424_time_format),
		.value = "%Y-%m-%dT%H:%M:%S.%L%z",
		.help = "The form of the time in RFC 5424; without a fraction it is taken too."},
	{.name = "parser_engine",
		.type = CONF_ENUM,
		AT(engine),
		.value = "regexp",
		.choices = syslog_engines,
		.old = "parser_type",
		.help = "Which of fluentd's two readings of untidy messages is taken. Both are equally fast here."},
	{.name = "support_colonless_ident",
		.type = CONF_BOOL,
		AT(support_colonless_ident),
		.value = "true",
		.help = "With `parser_engine string`: the first word is the ident also without a colon."},
	END,
};
SCHEMA(syslog, "syslog parser", "Syslog messages of RFC 3164 and RFC 5424.");

static const struct conf_sub cri_subs[] = {
	{.schema = &parser_section_schema, .offset = offsetof(struct parser_conf, parse)},
	{.schema = NULL},
};

static const struct conf_param cri_params[] = {
	TIME_PARAMS("time", "string", "%Y-%m-%dT%H:%M:%S.%L%z", "true"),
	NO_VALUE_PARAMS,
	{.name = "merge_cri_fields",
		.type = CONF_BOOL,
		AT(merge_cri_fields),
		.value = "true",
		.help = "With a <parse> of its own for the message: `stream` and `logtag` are added to its record."},
	END,
};

const struct conf_schema parser_cri_schema = {
	.name = "parse",
	.title = "cri parser",
	.size = sizeof(struct parser_conf),
	.params = cri_params,
	.subs = cri_subs,
	.help = "Lines of container runtimes (CRI): time, stream, logtag, message.",
};

static const struct conf_param multi_format_params[] = {
	TIME_PARAMS(NULL, "string", NULL, "false"),
	NO_VALUE_PARAMS,
	{.name = "format_key",
		.type = CONF_STRING,
		AT(format_key),
		.help = "A field that gets the name of the pattern that fitted (its `format_name`)."},
	END,
};

const struct conf_schema parser_multi_format_schema = {
	.name = "parse",
	.title = "multi_format parser",
	.size = sizeof(struct parser_conf),
	.params = multi_format_params,
	.free_sections = true,
	.help = "The first of the `<pattern>` sections that fits; each is a parser, with `format` for its type.",
};

const struct conf_schema parser_section_schema = {
	.name = "parse",
	.title = "parser",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.free_sections = true,
	.help = "How the text is read: `@type` and the parameters of that parser.",
};
