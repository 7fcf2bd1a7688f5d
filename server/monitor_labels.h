/* monitor_labels.h: the <labels> section of fluentd's prometheus plugins, where it stands outside of <metric>: fixed values, ${hostname}, ${worker_id}. */
#ifndef WEIR_MONITOR_LABELS_H
#define WEIR_MONITOR_LABELS_H

#include "conf/conf_schema.h"

extern const struct conf_schema monitor_labels_schema;

/* Label text of the (at most one) section in the list, for the caller to mem_free; "" if there is none. */
char *monitor_labels(const struct conf_list *sections, struct conf_report *report);

#endif
