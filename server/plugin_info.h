/* plugin_info.h: plugins as fluentd's monitor_agent tells of them. Any thread, but for plugin_info_reply. */
#ifndef WEIR_PLUGIN_INFO_H
#define WEIR_PLUGIN_INFO_H

#include "admin.h"
#include "pipeline.h"

#include <jansson.h>

struct plugin_info_options {
	bool config, retry;    /* with those fields */
	const char *id, *type; /* only those; NULL = all */
	const char *tag;       /* only the output that events of this tag get to; NULL = all */
};

/* A list of objects: sources, filters, outputs. The caller's. */
json_t *plugin_info(const struct pipeline *p, const struct plugin_info_options *o);

/* Appends objects as lines of LTSV (https://ltsv.org): lists joined by commas, null as nothing. */
void plugin_info_ltsv(const json_t *object, struct buf *out);

/* Answers a request for /api/plugins.json, or with `ltsv` for /api/plugins, about those that its query (`@id` or `id`, `@type` or `type`, `tag`) wants. Of `fields` config and retry count. */
void plugin_info_reply(
	struct admin_request *r, const struct pipeline *p, const struct plugin_info_options *fields, bool ltsv);

#endif
