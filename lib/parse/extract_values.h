/*
 * extract_values.h: <extract>: an input takes tag and time of an event from its record, as fluentd's plugin helper does it. Read-only after it was made; any thread.
 */
#ifndef WEIR_PARSE_EXTRACT_VALUES_H
#define WEIR_PARSE_EXTRACT_VALUES_H

#include "base/buf.h"
#include "conf/conf_schema.h"
#include "record/event.h"

struct extract_values;

/* What the <extract> section of a plugin asks for. NULL without findings: nothing. The tree must live as long. */
struct extract_values *extract_values_make(
	const struct conf_section *section, const struct conf_rules *rules, struct conf_report *report);
void extract_values_free(struct extract_values *e); /* NULL is allowed */

struct extracted {
	bool has_tag, has_time;
	struct span tag;
	struct event_time time;
	struct span record; /* without the fields, unless they are kept */
};

/*
 * Looks into the record (a msgpack map). What it makes lies in `room`, which is cleared before, or in the record itself. False and why: the time cannot be read (fluentd raises).
 */
bool extract_values_get(const struct extract_values *e, struct span record, struct event_time now, struct buf *room,
	struct extracted *out, const char **why) __attribute__((warn_unused_result));

/* For tables of plugins, as a conf_sub; the plugin need not look at its struct. */
extern const struct conf_schema extract_values_schema;

#endif
