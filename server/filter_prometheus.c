/* filter_prometheus.c: <filter> and <match> @type prometheus: metrics made of events (event_metrics.h). */
#include "event_metrics.h"

static const struct conf_schema filter_schema = {
	.name = "filter",
	.title = "prometheus filter",
	.size = sizeof(struct event_metrics_conf),
	.params = event_metrics_params,
	.subs = event_metrics_subs,
	.help = "Makes metrics of events, which go on as they are. `prometheus` inputs and the admin endpoint give "
		"them.",
};

static const struct conf_schema match_schema = {
	.name = "match",
	.title = "prometheus output",
	.size = sizeof(struct event_metrics_conf),
	.params = event_metrics_params,
	.subs = event_metrics_subs,
	.help = "Makes metrics of events, which end here; in a `<store>` of `copy`, others have them as well.",
};

static void *create_filter(struct filter *f, struct builder *b)
{
	return event_metrics_new(f->conf, f->id, b);
}

static void destroy(void *self)
{
	event_metrics_free(self);
}

static uint32_t apply(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	event_metrics_take(f->self, in, b);
	if (buf_put_span(out, b->entries))
		return b->count;
	ingest_no_memory(in, b->entries.n, b->count);
	return 0;
}

static void *create_output(struct output *o, struct builder *b)
{
	return event_metrics_new(o->conf, o->id, b);
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	event_metrics_take(o->self, in, b);
	counter_add(o->n.delivered, b->count);
}

static const struct filter_ops filter_ops = {.create = create_filter, .destroy = destroy, .apply = apply};
static const struct output_ops output_ops = {.create = create_output, .destroy = destroy, .emit = emit};

const struct plugin filter_prometheus = {
	.kind = PLUGIN_FILTER,
	.name = "prometheus",
	.help = "Metrics made of events.",
	.schema = &filter_schema,
	.filter = &filter_ops,
};

const struct plugin out_prometheus = {
	.kind = PLUGIN_OUTPUT,
	.name = "prometheus",
	.help = "Metrics made of events, which end here.",
	.schema = &match_schema,
	.output = &output_ops,
};
