/*
 * inject_values.h: <inject>: host name, worker, tag and time into the records of an output, as fluentd's plugin helper does it.
 *
 * Read-only after it was made; any thread.
 */
#ifndef WEIR_FORMAT_INJECT_VALUES_H
#define WEIR_FORMAT_INJECT_VALUES_H

#include "base/buf.h"
#include "conf/conf_schema.h"
#include "record/event.h"

struct inject_values;

/*
 * What the <inject> section of a plugin asks for, or else the flat parameters of v0.12 (include_tag_key, include_time_key ...). NULL without findings: nothing. The tree must live as
 * long.
 */
struct inject_values *inject_values_make(const struct conf_section *section, unsigned worker_id,
	const struct conf_rules *rules, struct conf_report *report);
/* What was asked for as text, the inside of an <inject>. */
void inject_values_show(const struct inject_values *i, struct buf *out, unsigned indent);
void inject_values_free(struct inject_values *i); /* NULL is allowed */

/* Appends the record (a msgpack map) with the values in it; a field that is there already gets the new value. False: `out` has failed, or it is no map. */
bool inject_values_put(const struct inject_values *i, struct span tag, struct event_time time, struct span record,
	struct buf *out) __attribute__((warn_unused_result));

/* For tables of plugins, as a conf_sub; the plugin need not look at its struct. */
extern const struct conf_schema inject_values_schema;

#define INJECT_FLAT(NAME)                                                             \
	{                                                                             \
		.name = (NAME), .type = CONF_IGNORED, .support = CONF_DEPRECATED,     \
		.instead = "v0.12 wrote it here; it belongs into an <inject> section" \
	}
/* The flat parameters of v0.12 for a plugin's own table. Put into a table of conf_params. */
#define INJECT_FLAT_PARAMS                                                                                            \
	INJECT_FLAT("include_time_key"), INJECT_FLAT("include_tag_key"), INJECT_FLAT("time_as_epoch"),                \
		INJECT_FLAT("time_key"), INJECT_FLAT("time_format"), INJECT_FLAT("timezone"), INJECT_FLAT("tag_key"), \
		INJECT_FLAT("localtime"), INJECT_FLAT("utc")

#endif
