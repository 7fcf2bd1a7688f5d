/* in_debug_agent.c: <source> @type debug_agent: fluentd's door for Ruby's debugger. Configurations have it; there is no Ruby here, so that it is accepted and does nothing. */
#include "pipeline.h"
#include "plugin.h"

#define NO_RUBY(NAME)                                                                                 \
	{                                                                                             \
		.name = (NAME), .type = CONF_IGNORED, .support = CONF_NOT_USED,                       \
		.instead = "there is no Ruby to debug here: <system><admin> shows what weir is doing" \
	}

static const struct conf_param params[] = {
	NO_RUBY("bind"),
	NO_RUBY("port"),
	NO_RUBY("unix_path"),
	NO_RUBY("object"),
	{.name = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct conf_common *c = conf;
	conf_report_add(r, CONF_NOTE, c->pos,
		"debug_agent does nothing: there is no Ruby to debug here; <system><admin> shows what weir is doing");
}

static const struct conf_schema schema = {
	.name = "source",
	.title = "debug_agent input",
	.size = sizeof(struct conf_common),
	.params = params,
	.check = check,
	.help = "Accepted, and does nothing.",
};

static void *create(struct source *s, struct builder *b)
{
	(void)b;
	return s->conf;
}

static void destroy(void *self)
{
	(void)self;
}

static bool start(struct source *s, struct server *server, struct err *err)
{
	(void)s;
	(void)server;
	(void)err;
	return true;
}

static void describe(const struct source *s, struct buf *out)
{
	(void)s;
	buf_put_str(out, "does nothing");
}

static const struct input_ops ops = {
	.create = create,
	.destroy = destroy,
	.start = start,
	.describe = describe,
};

const struct plugin in_debug_agent = {
	.kind = PLUGIN_INPUT,
	.name = "debug_agent",
	.help = "Accepted, and does nothing.",
	.schema = &schema,
	.input = &ops,
};
