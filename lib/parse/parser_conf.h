/* parser_conf.h: the parameters of all types of parsers; each type has a table of those that it knows. */
#ifndef WEIR_PARSE_PARSER_CONF_H
#define WEIR_PARSE_PARSER_CONF_H

#include "conf/conf_schema.h"

enum { ENGINE_NORMAL, ENGINE_FAST };   /* csv */
enum { ENGINE_REGEXP, ENGINE_STRING }; /* syslog */
enum { SYSLOG_RFC3164, SYSLOG_RFC5424, SYSLOG_AUTO };

#define PARSER_FORMATS_MAX 20

struct parser_conf {
	struct conf_common common;
	/* all */
	struct conf_hash types;
	char *time_key;
	int time_type;
	char *time_format;
	struct conf_array time_format_fallbacks;
	bool localtime, utc;
	char *timezone;
	bool keep_time_key, estimate_current_event;
	struct conf_regexp null_value_pattern;
	bool null_empty_string;
	/* regexp and what is made of it */
	struct conf_regexp expression;
	bool ignorecase, multiline;
	/* ltsv, csv, tsv, kv */
	char *delimiter, *label_delimiter;
	struct conf_regexp delimiter_pattern;
	struct conf_array keys;
	int engine;
	char *kv_delimiter, *kv_char;
	char *message_key; /* none */
	/* syslog */
	int message_format;
	char *rfc5424_time_format;
	bool with_priority, support_colonless_ident;
	/* multiline */
	char *format_firstline, *unmatched_lines;
	char *formats[PARSER_FORMATS_MAX];
	bool merge_cri_fields; /* cri */
	char *format_key;      /* multi_format */
	struct conf_list parse;
};

/* The tables, by the first name of a type. */
extern const struct conf_schema parser_json_schema, parser_regexp_schema, parser_ltsv_schema, parser_csv_schema,
	parser_tsv_schema, parser_none_schema, parser_nginx_schema, parser_apache_schema, parser_apache2_schema,
	parser_apache_error_schema, parser_syslog_schema, parser_multiline_schema, parser_cri_schema,
	parser_msgpack_schema, parser_multi_format_schema, parser_kv_schema;

#endif
