/* formatter_impl.h: what formatter.c and formatter_types.c share. */
#ifndef WEIR_FORMAT_FORMATTER_IMPL_H
#define WEIR_FORMAT_FORMATTER_IMPL_H

#include "format/formatter.h"
#include "format/time_writer.h"
#include "record/record_path.h"

enum { NEWLINE_LF, NEWLINE_CRLF };
enum { TIME_STRING, TIME_UNIXTIME, TIME_FLOAT };

struct formatter_conf {
	struct conf_common common;
	int newline;
	bool add_newline;
	char *delimiter, *label_delimiter, *replacement;
	char *message_key;
	struct conf_array keys;
	bool force_quotes;
	bool output_time, output_tag;
	int time_type;
	char *time_format, *timezone;
	bool localtime, utc;
	char *output_type;
};

struct formatter_type {
	const char *name;
	const struct conf_schema *schema;
	bool (*create)(struct formatter *f, const struct conf_rules *rules, struct conf_report *report); /* or NULL */
	void (*put)(const struct formatter *f, struct span tag, struct event_time time, struct span record,
		struct buf *out);
};

struct formatter {
	const struct formatter_type *type;
	const struct conf_pair *type_pair; /* what says it; NULL: a default */
	struct formatter_conf *conf;
	struct conf_pair *own_pairs; /* of a section that was made from flat parameters */
	struct conf_section *own_section;
	struct span line_end, delimiter;
	struct time_writer time;
	struct record_path **paths; /* csv: one for each field */
	struct formatter *inner;    /* stdout */
};

/* All types, ends with a NULL name. */
extern const struct formatter_type formatter_types[];
/* The type within stdout: its parameters stand in the same section. */
bool formatter_is_stdout(const struct formatter_type *t);

/* A formatter of that name. `all`: the section is its own, so that what nobody knows in it is reported. NULL: findings were added. */
struct formatter *formatter_make_type(const struct conf_section *s, const char *name, struct conf_pos pos, bool all,
	const struct conf_rules *rules, struct conf_report *report);

#endif
