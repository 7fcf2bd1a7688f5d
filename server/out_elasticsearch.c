/*
 * out_elasticsearch.c: the Elasticsearch and OpenSearch outputs: queued chunks to _bulk requests, each event of a reply judged by itself.
 *
 * A chunk is worked off request by request. What of a request was rejected for now stays in the chunk's progress, so that only that is sent again, also
 * after a restart; what was rejected for good is a dead letter before the progress moves over it. Then the next request is made, or the chunk is put back.
 */
#include "base/mem.h"
#include "elasticsearch_endpoint.h"
#include "elasticsearch_flush.h"
#include "elasticsearch_rollover.h"
#include "flow.h"
#include "pipeline.h"

/* ---- life --------------------------------------------------------------------------------------------------------------------------- */

static void destroy(void *self)
{
	struct elasticsearch *es = self;
	if (!es)
		return;
	bulk_hosts_free(es->hosts);
	aws_credentials_free(es->aws);
	bulk_pace_free(es->pace);
	elastic_setup_free(es->setup);
	rollover_free(es->rollover);
	elasticsearch_settings_free(&es->settings);
	mem_free(es);
}

static void count(struct elasticsearch *es, struct metrics *m)
{
	static const double ages[] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 14400, 86400};
	static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};
	char *labels = metrics_labels("plugin_id", es->output->id, "type", es->output->plugin->name, NULL);
	es->n.indexed = metrics_counter(m, "weir_output_indexed_events_total", labels, "Events that were indexed.");
	es->n.duplicates = metrics_counter(m, "weir_output_already_there_events_total", labels,
		"Events whose document was there already: repetitions that did no harm.");
	es->n.failure_store = metrics_counter(m, "weir_output_failure_store_events_total", labels,
		"Of the indexed events, those that the server put into its failure store.");
	es->n.retried = metrics_counter(m, "weir_output_retried_events_total", labels,
		"Times that an event was rejected for now and is sent again.");
	es->n.held = metrics_counter(m, "weir_output_held_events_total", labels,
		"Times that an event met an index that takes none, and is sent again later.");
	es->n.requests = metrics_counter(m, "weir_output_requests_total", labels, "Bulk requests.");
	es->n.request_bytes = metrics_counter(
		m, "weir_output_request_bytes_total", labels, "Bytes of bulk request bodies before compression.");
	es->n.failed_requests = metrics_counter(
		m, "weir_output_failed_requests_total", labels, "Bulk requests without a usable reply.");
	es->n.limit = metrics_gauge(m, "weir_output_requests_limit", labels,
		"Requests that may be under way: fewer than flush_thread_count after 429s and time-outs.");
	es->latency = metrics_histogram(m, "weir_output_request_seconds", labels,
		"Time from a bulk request to its reply.", bounds, sizeof bounds / sizeof *bounds);
	es->age = metrics_histogram(m, "weir_output_event_age_seconds", labels,
		"Time from an event's receipt to the reply to the request that brought it, retries not counted.", ages,
		sizeof ages / sizeof *ages);
	mem_free(labels);
}

static void *create(struct output *o, struct builder *b)
{
	const struct elasticsearch_conf *c = o->conf;
	struct elasticsearch *es = mem_zalloc(sizeof *es);
	es->output = o;
	if (c->endpoint.n) {
		es->aws = endpoint_credentials(c->endpoint.v[0], c->proxy, o->id);
		es->signer = endpoint_signer(c->endpoint.v[0], es->aws);
	}
	bool good = elasticsearch_settings_make(&es->settings, c, builder_report(b));
	if (c->endpoint.n)
		es->settings.client.signer = &es->signer;
	if (good)
		es->hosts = bulk_hosts_new(&es->settings.client);
	es->setup = elasticsearch_setup_make(c, builder_report(b), &es->rollover);
	count(es, builder_metrics(b));
	builder_flow(b, o, c->buffer.n ? c->buffer.v[0] : NULL);
	es->pace = bulk_pace_new(flow_threads(o->flow));
	gauge_set(es->n.limit, bulk_pace_limit(es->pace));
	return es;
}

static void describe(const struct output *o, struct buf *out)
{
	const struct elasticsearch *es = o->self;
	for (size_t i = 0; i < es->settings.client.host_count; i++) {
		const struct bulk_host *h = &es->settings.hosts[i];
		buf_printf(out, "%s%s://%s:%u%s", i ? "," : "", h->scheme, h->host, h->port, h->path);
	}
	unsigned threads = flow_threads(o->flow);
	buf_printf(out, ", %u flush thread%s", threads, threads == 1 ? "" : "s");
}

static const struct output_ops ops = {
	.create = create,
	.destroy = destroy,
	.flush_open = elasticsearch_flush_open,
	.flush_close = elasticsearch_flush_close,
	.flush = elasticsearch_flush,
	.counts_delivered = true,
	.describe = describe,
};

const struct plugin out_elasticsearch = {
	.kind = PLUGIN_OUTPUT,
	.name = "elasticsearch",
	.alias = "aws-elasticsearch-service",
	.help = "Bulk indexing into Elasticsearch or OpenSearch.",
	.schema = &elasticsearch_conf_schema,
	.output = &ops,
};

const struct plugin out_opensearch = {
	.kind = PLUGIN_OUTPUT,
	.name = "opensearch",
	.help = "Bulk indexing into OpenSearch.",
	.schema = &opensearch_conf_schema,
	.output = &ops,
};

const struct plugin out_elasticsearch_data_stream = {
	.kind = PLUGIN_OUTPUT,
	.name = "elasticsearch_data_stream",
	.help = "Bulk indexing into an Elasticsearch data stream.",
	.schema = &elasticsearch_data_stream_conf_schema,
	.output = &ops,
};

const struct plugin out_opensearch_data_stream = {
	.kind = PLUGIN_OUTPUT,
	.name = "opensearch_data_stream",
	.help = "Bulk indexing into an OpenSearch data stream.",
	.schema = &opensearch_data_stream_conf_schema,
	.output = &ops,
};

const struct plugin out_elasticsearch_dynamic = {
	.kind = PLUGIN_OUTPUT,
	.name = "elasticsearch_dynamic",
	.help = "The elasticsearch output with v0.12's placeholders.",
	.schema = &elasticsearch_dynamic_conf_schema,
	.output = &ops,
};