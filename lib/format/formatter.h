/*
 * formatter.h: records to text, as fluentd's formatter plugins do it: what stands in <format>.
 *
 * A formatter is compiled from its section and read-only afterwards; any thread.
 */
#ifndef WEIR_FORMAT_FORMATTER_H
#define WEIR_FORMAT_FORMATTER_H

#include "base/buf.h"
#include "conf/conf_schema.h"
#include "record/event.h"

struct formatter;

/*
 * The formatter that a section of a plugin asks for: its <format> section, or the section itself if that is a <format>, or else the flat parameters of v0.12 in it (`format json`,
 * `output_time` ...), or default_type. NULL: findings were added. The tree must live as long as the formatter.
 */
struct formatter *formatter_make(const struct conf_section *section, const char *default_type,
	const struct conf_rules *rules, struct conf_report *report);
void formatter_free(struct formatter *f); /* NULL is allowed */

/* The formatter as text, the inside of a <format>: its type, its parameters, where each comes from. */
void formatter_show(const struct formatter *f, struct buf *out, unsigned indent);

/* For tables of plugins: a <format> section (any keys: formatter_make reads them). The field is a struct conf_list that nobody needs to look at. */
extern const struct conf_schema formatter_section_schema;

/* The flat parameters of v0.12 for a plugin's own table. Put into a table of conf_params. */
#define FORMATTER_FLAT(NAME)                                                                                  \
	{                                                                                                     \
		.name = (NAME), .type = CONF_IGNORED, .support = CONF_DEPRECATED,                             \
		.instead = "v0.12 wrote the formatter's parameters here; they belong into a <format> section" \
	}
#define FORMATTER_FLAT_PARAMS                                                                                          \
	FORMATTER_FLAT("format"), FORMATTER_FLAT("delimiter"), FORMATTER_FLAT("force_quotes"), FORMATTER_FLAT("keys"), \
		FORMATTER_FLAT("fields"), FORMATTER_FLAT("json_parser"), FORMATTER_FLAT("label_delimiter"),            \
		FORMATTER_FLAT("output_time"), FORMATTER_FLAT("output_tag"), FORMATTER_FLAT("message_key"),            \
		FORMATTER_FLAT("add_newline"), FORMATTER_FLAT("output_type")

/* Appends the event (its record is a msgpack map). False: `out` has failed, or the record is no map. */
bool formatter_put(const struct formatter *f, struct span tag, struct event_time time, struct span record,
	struct buf *out) __attribute__((warn_unused_result));

/* msgpack is bytes; all others end with a line end or are meant to be lines. */
bool formatter_is_binary(const struct formatter *f);

/* The @type that it was made for; the table of a type, NULL if there is none; the i-th type's name, NULL after the last. */
const char *formatter_type_name(const struct formatter *f);
const struct conf_schema *formatter_type_schema(const char *type);
const char *formatter_type_at(size_t i);

#endif
