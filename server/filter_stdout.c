/* filter_stdout.c: <filter> @type stdout: prints each event on its way. For looking, not for keeping. */
#include "batch.h"
#include "event_printer.h"
#include "format/formatter.h"
#include "format/inject_values.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"

#include <stddef.h>

struct filter_stdout_conf {
	struct conf_common common;
	struct conf_list format, inject;
};

static const struct conf_param params[] = {
	FORMATTER_FLAT_PARAMS,
	INJECT_FLAT_PARAMS,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &formatter_section_schema, .offset = offsetof(struct filter_stdout_conf, format), .type = "stdout"},
	{.schema = &inject_values_schema, .offset = offsetof(struct filter_stdout_conf, inject)},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "filter",
	.title = "stdout filter",
	.size = sizeof(struct filter_stdout_conf),
	.params = params,
	.subs = subs,
	.help = "Prints each event on standard output: time, tag, record as JSON, or as `<format>` says. The events go "
		"on "
		"as they are.",
};

static void destroy(void *self)
{
	event_printer_free(self);
}

static void *create(struct filter *f, struct builder *b)
{
	const struct filter_stdout_conf *c = f->conf;
	return event_printer_make(c->common.section, builder_rules(b), builder_report(b));
}

static uint32_t apply(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	event_printer_print(f->self, b);
	if (buf_put_span(out, b->entries))
		return b->count;
	ingest_no_memory(in, b->entries.n, b->count);
	return 0;
}

static const struct filter_ops ops = {.create = create, .destroy = destroy, .apply = apply};

const struct plugin filter_stdout = {
	.kind = PLUGIN_FILTER,
	.name = "stdout",
	.help = "Prints events on their way.",
	.schema = &schema,
	.filter = &ops,
};
