/*
 * event_labels.h: <labels> whose values come from events, as in fluentd's prometheus filter: fixed text, `$.a.b` and `$['a']` (the whole value), and within text
 * ${tag} ${tag_parts[N]} ${tag_prefix[N]} ${tag_suffix[N]} ${hostname} ${worker_id} ${field}. Read-only once made; any thread.
 */
#ifndef WEIR_EVENT_LABELS_H
#define WEIR_EVENT_LABELS_H

#include "base/buf.h"
#include "conf/conf_schema.h"

struct event_labels;

extern const struct conf_schema event_labels_schema;	 /* <labels> */
extern const struct conf_schema event_initlabels_schema; /* <initlabels> */

/*
 * Of the sections (lists of at most one; those of `inner` go before equal ones of `outer`; may be NULL). Findings go to the report. Never NULL.
 */
struct event_labels *event_labels_make(
	const struct conf_list *outer, const struct conf_list *inner, struct conf_report *report);
void event_labels_free(struct event_labels *l); /* NULL is allowed */

/* Whether the labels of all events of one tag are equal. */
bool event_labels_are_of_tag(const struct event_labels *l);

/* Appends label text (metrics_labels') for an event. A field that is not there is empty. False: `out` failed. */
bool event_labels_put(const struct event_labels *l, struct span tag, struct span record, struct buf *out);

/* The same with the values that an <initlabels> section gives for those that are not fixed. False: a finding was added. */
bool event_labels_put_initial(
	const struct event_labels *l, const struct conf_common *initial, struct buf *out, struct conf_report *report);

#endif
