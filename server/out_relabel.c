/* out_relabel.c: <match> @type relabel: events go on in another <label>. */
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"

static const struct conf_schema schema = {
	.name = "match",
	.title = "relabel output",
	.size = sizeof(struct conf_common),
	.help = "Sends events to the `<label>` that `@label` names.",
};

static void *create(struct output *o, struct builder *b)
{
	const struct conf_common *c = o->conf;
	if (!c->label) {
		conf_report_add(builder_report(b), CONF_ERROR, c->pos, "relabel needs @label");
		return NULL;
	}
	/* A router lives as long as the pipeline: there is nothing else to keep. */
	return (void *)(uintptr_t)builder_label(b, c->label, conf_where(c, "@label"));
}

static void destroy(void *self)
{
	(void)self;
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	ingest_route(in, o->self, b);
}

static const struct output_ops ops = {.create = create, .destroy = destroy, .emit = emit};

const struct plugin out_relabel = {
	.kind = PLUGIN_OUTPUT,
	.name = "relabel",
	.help = "Sends events to a <label>.",
	.schema = &schema,
	.output = &ops,
};
