/* out_null.c: <match> @type null: events end here, counted. */
#include "batch.h"
#include "buffer_conf.h"
#include "plugin.h"

#include <stddef.h>

struct null_conf {
	struct conf_common common;
	struct conf_list buffer;
};

static const struct conf_param params[] = {
	{.name = "never_flush", .type = CONF_IGNORED, .support = CONF_NOT_USED, .instead = "nothing is buffered"},
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &buffer_unused_schema, .offset = offsetof(struct null_conf, buffer)},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "match",
	.title = "null output",
	.size = sizeof(struct null_conf),
	.params = params,
	.subs = subs,
	.help = "Throws events away, and counts them.",
};

static void *create(struct output *o, struct builder *b)
{
	(void)b;
	return o;
}

static void destroy(void *self)
{
	(void)self;
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	(void)in;
	counter_add(o->n.delivered, b->count);
}

static const struct output_ops ops = {.create = create, .destroy = destroy, .emit = emit};

const struct plugin out_null = {
	.kind = PLUGIN_OUTPUT,
	.name = "null",
	.help = "Throws events away.",
	.schema = &schema,
	.output = &ops,
};
