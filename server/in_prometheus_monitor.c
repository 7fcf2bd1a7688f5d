/*
 * in_prometheus_monitor.c: <source> @type prometheus_monitor, prometheus_output_monitor, prometheus_tail_monitor: which of fluentd's metrics the
 * registry has, and with which labels. They are set when somebody asks for the metrics.
 */
#include "base/mem.h"
#include "fluent_names.h"
#include "monitor_labels.h"
#include "plugin.h"
#include "server.h"

struct monitor_conf {
	struct conf_common common;
	bool gauge_all;
	struct conf_list labels;
};

#define AT(field) .offset = offsetof(struct monitor_conf, field)

#define INTERVAL                                                                                                 \
	{                                                                                                        \
		.name = "interval", .type = CONF_IGNORED, .support = CONF_NOT_USED,                              \
		.instead = "the numbers are read when somebody asks for them, so they are never older than that" \
	}

static const struct conf_param params[] = {INTERVAL, {.name = NULL}};

static const struct conf_param output_params[] = {
	INTERVAL,
	{.name = "gauge_all",
		.type = CONF_BOOL,
		AT(gauge_all),
		.value = "true",
		.help = "Numbers that only grow are gauges as well, as fluentd's always were; false: they are "
			"counters."},
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &monitor_labels_schema, AT(labels)},
	{.schema = NULL},
};

struct monitor {
	const struct monitor_conf *conf;
	struct metrics *metrics;
	struct server *server;
	void (*collect)(void *self);
	char *labels;
};

static void collect_status(void *self)
{
	const struct monitor *s = self;
	fluent_names_status(s->metrics, server_pipeline(s->server), s->labels);
}

static void collect_outputs(void *self)
{
	const struct monitor *s = self;
	fluent_names_outputs(s->metrics, server_pipeline(s->server), s->labels, s->conf->gauge_all);
}

/* in_tail sets its own numbers (of each file) in the registry. */
static void collect_nothing(void *self)
{
	(void)self;
}

static void destroy(void *self)
{
	struct monitor *s = self;
	if (!s)
		return;
	mem_free(s->labels);
	mem_free(s);
}

static void *create(struct source *source, struct builder *b, void (*collect)(void *self))
{
	struct monitor *s = mem_zalloc(sizeof *s);
	s->conf = source->conf;
	s->collect = collect;
	s->labels = monitor_labels(&s->conf->labels, builder_report(b));
	return s;
}

static void *create_status(struct source *source, struct builder *b)
{
	return create(source, b, collect_status);
}

static void *create_outputs(struct source *source, struct builder *b)
{
	return create(source, b, collect_outputs);
}

static void *create_tail(struct source *source, struct builder *b)
{
	return create(source, b, collect_nothing);
}

static bool start(struct source *source, struct server *server, struct err *err)
{
	struct monitor *s = source->self;
	(void)err;
	s->metrics = server_metrics(server);
	s->server = server;
	metrics_on_collect(s->metrics, s->collect, s);
	return true;
}

static void end(struct source *source)
{
	struct monitor *s = source->self;
	if (s->metrics)
		metrics_off_collect(s->metrics, s->collect, s);
	s->metrics = NULL;
}

#define SCHEMA(what, table, text)                                                                               \
	{                                                                                                       \
		.name = "source", .title = what " input", .size = sizeof(struct monitor_conf), .params = table, \
		.subs = subs, .help = text                                                                      \
	}

static const struct conf_schema status_schema = SCHEMA("prometheus_monitor", params,
	"fluentd's metrics `fluentd_status_*` of each output, in what `prometheus` inputs and the admin endpoint "
	"give.");
static const struct conf_schema outputs_schema = SCHEMA("prometheus_output_monitor", output_params,
	"fluentd's metrics `fluentd_output_status_*` of each output, in what `prometheus` inputs and the admin "
	"endpoint "
	"give. Without this source the admin endpoint has them as well, without `<labels>`.");
static const struct conf_schema tail_schema = SCHEMA(
	"prometheus_tail_monitor", params, "Accepted: `tail` inputs always count for themselves.");

#define OPS(create_fn)                                                                                 \
	{                                                                                              \
		.create = create_fn, .destroy = destroy, .start = start, .end = end, .no_events = true \
	}

static const struct input_ops status_ops = OPS(create_status);
static const struct input_ops outputs_ops = OPS(create_outputs);
static const struct input_ops tail_ops = OPS(create_tail);

const struct plugin in_prometheus_monitor = {
	.kind = PLUGIN_INPUT,
	.name = "prometheus_monitor",
	.help = "fluentd's metrics of all plugins.",
	.schema = &status_schema,
	.input = &status_ops,
};

const struct plugin in_prometheus_output_monitor = {
	.kind = PLUGIN_INPUT,
	.name = "prometheus_output_monitor",
	.help = "fluentd's metrics of outputs and their buffers.",
	.schema = &outputs_schema,
	.input = &outputs_ops,
};

const struct plugin in_prometheus_tail_monitor = {
	.kind = PLUGIN_INPUT,
	.name = "prometheus_tail_monitor",
	.help = "fluentd's metrics of followed files.",
	.schema = &tail_schema,
	.input = &tail_ops,
};
