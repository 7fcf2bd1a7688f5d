/* out_stdout.c: <match> @type stdout: a line for each event on standard output, as fluentd prints it. For looking, not for keeping. */
#include "batch.h"
#include "buffer_conf.h"
#include "event_printer.h"
#include "format/formatter.h"
#include "format/inject_values.h"
#include "pipeline.h"
#include "plugin.h"

#include <stddef.h>

struct out_stdout_conf {
	struct conf_common common;
	struct conf_list format, inject, buffer;
};

static const struct conf_param params[] = {
	{.name = "use_logger",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "events go to standard output, weir's own log does not"},
	FORMATTER_FLAT_PARAMS,
	INJECT_FLAT_PARAMS,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &formatter_section_schema, .offset = offsetof(struct out_stdout_conf, format), .type = "stdout"},
	{.schema = &inject_values_schema, .offset = offsetof(struct out_stdout_conf, inject)},
	{.schema = &buffer_unused_schema, .offset = offsetof(struct out_stdout_conf, buffer)},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "match",
	.title = "stdout output",
	.size = sizeof(struct out_stdout_conf),
	.params = params,
	.subs = subs,
	.help = "Prints each event on standard output: time, tag, record as JSON, or as `<format>` says.",
};

static void destroy(void *self)
{
	event_printer_free(self);
}

static void *create(struct output *o, struct builder *b)
{
	const struct out_stdout_conf *c = o->conf;
	return event_printer_make(c->common.section, builder_rules(b), builder_report(b));
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	(void)in;
	counter_add(o->n.delivered, b->count);
	event_printer_print(o->self, b);
}

static const struct output_ops ops = {.create = create, .destroy = destroy, .emit = emit};

const struct plugin out_stdout = {
	.kind = PLUGIN_OUTPUT,
	.name = "stdout",
	.help = "Prints events.",
	.schema = &schema,
	.output = &ops,
};
