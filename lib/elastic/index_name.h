/*
 * index_name.h: names with placeholders (index_name, logstash_prefix, pipeline, ...), compiled once, resolved per
 * record.
 *
 *   ${tag}  ${tag[N]} ${tag[-N]} ${tag_parts[N]}   the tag or a part of it (out of range: empty, as in fluentd)
 *   ${key}  ${$.a.b}  ${$['a']['b'][0]}            a field of the record (missing: empty); 1 KiB of it
 *   %Y %m %d %H ... (strftime)                     the event's own time, never the clock's, so that a retry
 *                                                  gets the same name; nothing finer than seconds
 *
 * A compiled template is read-only: any thread.
 */
#ifndef WEIR_ELASTIC_INDEX_NAME_H
#define WEIR_ELASTIC_INDEX_NAME_H

#include "base/buf.h"
#include "base/err.h"
#include "record/event.h"

struct name_template;

/*
 * `times`: whether %-directives are times (else they are literal text). NULL and err if a placeholder cannot be
 * understood.
 */
struct name_template *name_template_compile(const char *text, bool times, struct err *err);
void name_template_free(struct name_template *t);

/* What of an event the name depends on: so that a caller knows how long one may be kept. */
bool name_template_uses_tag(const struct name_template *t);
bool name_template_uses_record(const struct name_template *t);
/* Whether it begins with a dot that stands in the configuration: an index that its writer wants to be hidden. */
bool name_template_is_hidden(const struct name_template *t);
/*
 * Length of the time interval in which the name stays the same, in seconds: 0 = does not depend on time; 1, 60, 3600,
 * 86400.
 */
int64_t name_template_period(const struct name_template *t);

/* Appends the name for an event. `utc_offset_s` is added to the time before it is formatted. */
bool name_template_put(const struct name_template *t, struct span tag, struct event_time time, int64_t utc_offset_s,
	struct span record, struct buf *out);

/*
 * Makes the n bytes at p a legal index name in place: lower case; bytes that Elasticsearch refuses (\ / * ? " < > |
 * space , # : and below 0x20) become '_', a leading - _ + or . goes, invalid UTF-8 becomes '_'. `hidden`: one leading dot
 * stays; without it no sender can name a hidden or system index. Returns the new length, <= 255 and cut at a character's
 * end; 0 if nothing is left.
 */
size_t index_name_clean(uint8_t *p, size_t n, bool hidden);

#endif
