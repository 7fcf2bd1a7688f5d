#include "server_status.h"

#include "base/log.h"
#include "base/mem.h"
#include "buffer_metrics.h"
#include "dead_letter.h"
#include "fluent_names.h"
#include "flow.h"
#include "plugin_info.h"
#include "status_json.h"
#include "status_page.h"
#include "status_samples.h"
#include "status_tail.h"

#include <stdio.h>
#include <string.h>

#define SYNC_BOUNDS 11 /* of buffer_stats.sync_buckets: 0.25 ms * 4^i */

struct server_status {
	struct status_parts parts;
	struct status_samples *samples;
	struct status_tails *tails;
	bool has_monitor; /* the configuration has a source that sets fluentd's metrics, with labels of its own */
};

static void collect_syncs(struct metrics *m, const char *labels, const struct buffer_stats *b)
{
	double bounds[SYNC_BOUNDS] = {0.00025};
	_Static_assert(sizeof b->sync_buckets / sizeof *b->sync_buckets == SYNC_BOUNDS + 1,
		"one for each bound, and the rest");
	for (size_t i = 1; i < SYNC_BOUNDS; i++)
		bounds[i] = bounds[i - 1] * 4;
	struct histogram *h = metrics_histogram(m, "weir_buffer_sync_seconds", labels,
		"Time that a group commit took to be written and synced.", bounds, SYNC_BOUNDS);
	histogram_set(h, b->sync_buckets, (double)b->sync_ns_sum / 1e9);
}

static void collect_gauges(struct metrics *m, const char *labels, const struct flow_status *f)
{
	const struct buffer_stats *b = &f->buffer;
	struct {
		const char *name, *help;
		int64_t value;
	} gauges[] = {
		{"weir_buffer_stage_chunks", "Chunks that are being filled.", (int64_t)b->stage_chunks},
		{"weir_buffer_stage_bytes", "Bytes of chunks that are being filled.", (int64_t)b->stage_bytes},
		{"weir_buffer_stage_events", "Events in chunks that are being filled.", (int64_t)b->stage_records},
		{"weir_buffer_queue_chunks", "Chunks that wait to be sent, or are being sent.",
			(int64_t)b->queue_chunks},
		{"weir_buffer_queue_bytes", "Bytes of chunks that wait to be sent, or are being sent.",
			(int64_t)b->queue_bytes},
		{"weir_buffer_queue_events", "Events in chunks that wait to be sent, or are being sent.",
			(int64_t)b->queue_records},
		{"weir_buffer_pending_bytes", "Bytes in memory that are not durable yet.", (int64_t)b->pending_bytes},
		{"weir_buffer_oldest_chunk_timestamp_seconds", "When the oldest chunk was begun; 0 = there is none.",
			b->oldest_ns / 1000000000},
		{"weir_buffer_full", "1: total_limit_size is reached, senders wait.", b->full},
		{"weir_buffer_disk_full", "1: the disk is full, senders wait.", b->disk_full},
		{"weir_buffer_refusing", "1: syncs fail again and again, nothing is taken.", b->refusing},
		{"weir_output_down", "1: the destination does not work.", f->down},
		{"weir_output_holding", "1: somebody must mend something at the destination.", f->holding},
	};
	for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++)
		gauge_set(metrics_gauge(m, gauges[i].name, labels, gauges[i].help), gauges[i].value);
}

static void collect_counters(struct metrics *m, const char *labels, const struct buffer_stats *b)
{
	struct {
		const char *name, *help;
		uint64_t value;
	} counters[] = {
		{"weir_buffer_durable_events_total", "Events that became durable.", b->durable_records},
		{"weir_buffer_failed_events_total", "Events that could not be made durable and were not acknowledged.",
			b->failed_records},
		{"weir_buffer_syncs_total", "Group commits.", b->syncs},
		{"weir_buffer_write_errors_total", "Writes that failed.", b->write_errors},
		{"weir_buffer_sync_errors_total", "Syncs that failed.", b->sync_errors},
		{"weir_buffer_damaged_frames_total", "Frames that were found damaged.", b->damaged_frames},
		{"weir_buffer_dropped_events_total", "Events dropped by overflow_action drop_oldest_chunk.",
			b->dropped_records},
	};
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		atomic_store(&metrics_counter(m, counters[i].name, labels, counters[i].help)->v, counters[i].value);
}

/* Numbers that the buffers keep for themselves are read when somebody asks. */
static void collect_flow(struct metrics *m, const struct output *o)
{
	struct flow_status f;
	flow_status(o->flow, &f);
	char *labels = metrics_labels("plugin_id", o->id, "type", o->plugin->name, NULL);
	collect_gauges(m, labels, &f);
	collect_counters(m, labels, &f.buffer);
	collect_syncs(m, labels, &f.buffer);
	buffer_metrics_books(m, o->id, o->plugin->name, &f.buffer);
	mem_free(labels);
}

static void collect_log(struct metrics *m)
{
	for (int level = LOG_WARN; level <= LOG_FATAL; level++) {
		char *labels = metrics_labels("level", log_level_name((enum log_level)level), NULL);
		struct counter *c = metrics_counter(
			m, "weir_log_lines_total", labels, "Lines of weir's own log, from warnings up.");
		atomic_store(&c->v, log_lines((enum log_level)level));
		mem_free(labels);
	}
	struct counter *held = metrics_counter(m, "weir_log_held_back_lines_total", NULL,
		"Lines that were not written because there had just been one like them.");
	atomic_store(&held->v, log_lines_held());
}

static void collect(void *arg)
{
	struct server_status *s = arg;
	struct output *const *v;
	size_t n = pipeline_outputs(s->parts.pipeline, &v);
	for (size_t i = 0; i < n; i++)
		if (v[i]->flow)
			collect_flow(s->parts.metrics, v[i]);
	struct buffer_stats dead;
	buffer_stats(dead_letters_buffer(s->parts.dead), &dead);
	buffer_metrics_dead(s->parts.metrics, &dead);
	collect_log(s->parts.metrics);
	if (!s->has_monitor)
		fluent_names_outputs(s->parts.metrics, s->parts.pipeline, "", true);
}

/* ---- routes ------------------------------------------------------------------------------------------------------- */

static void reply_text(struct admin_request *r, int code, const char *text)
{
	admin_reply(r, code, "text/plain; charset=utf-8", span_str(text));
}

static void reply_buf(struct admin_request *r, const char *content_type, struct buf *out)
{
	admin_reply(r, out->failed ? 500 : 200, content_type, buf_span(out));
	buf_free(out);
}

static void on_metrics(struct admin_request *r, void *arg)
{
	struct server_status *s = arg;
	struct buf out;
	buf_init(&out, 64 << 20);
	metrics_text(s->parts.metrics, &out);
	reply_buf(r, METRICS_CONTENT_TYPE, &out);
}

static void on_status(struct admin_request *r, void *arg)
{
	struct server_status *s = arg;
	struct buf out;
	buf_init(&out, 64 << 20);
	status_json(&s->parts, s->samples, &out);
	reply_buf(r, "application/json", &out);
}

static void on_history(struct admin_request *r, void *arg)
{
	struct server_status *s = arg;
	struct buf out;
	buf_init(&out, 1 << 20);
	status_history_json(s->samples, &out);
	reply_buf(r, "application/json", &out);
}

static void on_plugins(struct admin_request *r, void *arg)
{
	const struct server_status *s = arg;
	plugin_info_reply(r, s->parts.pipeline, &(struct plugin_info_options){.retry = true}, false);
}

static bool has_output(const struct pipeline *p, const char *id)
{
	struct output *const *v;
	size_t n = pipeline_outputs(p, &v), i = 0;
	while (i < n && strcmp(v[i]->id, id) != 0)
		i++;
	return i < n;
}

static void on_tail(struct admin_request *r, void *arg)
{
	const struct server_status *s = arg;
	const char *output = admin_query(r, "output");
	if (output && !has_output(s->parts.pipeline, output))
		reply_text(r, 400, "there is no output with that @id: `weir status` lists them\n");
	else
		status_tail_reply(r, s->tails);
}

static void on_health(struct admin_request *r, void *arg)
{
	(void)arg;
	reply_text(r, 200, "ok\n");
}

static void on_ready(struct admin_request *r, void *arg)
{
	struct server_status *s = arg;
	char why[512], text[520];
	bool not_ready = status_not_ready(&s->parts, why, sizeof why);
	snprintf(text, sizeof text, "%s\n", not_ready ? why : "ready");
	reply_text(r, not_ready ? 503 : 200, text);
}

void server_status_routes(struct server_status *s, struct admin *a)
{
	admin_route(a, "GET /", status_page_reply, NULL);
	admin_route(a, "GET /metrics", on_metrics, s);
	admin_route(a, "GET /healthz", on_health, NULL);
	admin_route(a, "GET /readyz", on_ready, s);
	admin_route(a, "GET /api/status.json", on_status, s);
	admin_route(a, "GET /api/history.json", on_history, s);
	admin_route(a, "GET /api/plugins.json", on_plugins, s);
	admin_route(a, "GET /api/tail", on_tail, s);
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

static void describe_build(const struct status_parts *p)
{
	char *labels = metrics_labels("version", WEIR_VERSION, "compiler", __VERSION__, NULL);
	gauge_set(metrics_gauge(p->metrics, "weir_build_info", labels, "1; what was built is in the labels."), 1);
	mem_free(labels);
	gauge_set(metrics_gauge(
			  p->metrics, "weir_start_time_seconds", NULL, "When weir was started, in seconds since 1970."),
		p->started_ns / 1000000000);
}

static bool has_monitor(const struct pipeline *p)
{
	struct source *const *v;
	size_t n = pipeline_sources(p, &v);
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i]->plugin->name, "prometheus_output_monitor") == 0)
			return true;
	return false;
}

struct server_status *server_status_new(const struct status_parts *parts)
{
	struct server_status *s = mem_zalloc(sizeof *s);
	s->parts = *parts;
	s->samples = status_samples_new(parts->base, parts->pipeline, parts->watch, parts->dead);
	if (!s->samples) {
		mem_free(s);
		return NULL;
	}
	s->tails = status_tails_new(parts->base, parts->watch->taps, parts->metrics);
	s->has_monitor = has_monitor(parts->pipeline);
	describe_build(parts);
	metrics_on_collect(parts->metrics, collect, s);
	return s;
}

void server_status_set_pipeline(struct server_status *s, struct pipeline *p)
{
	s->parts.pipeline = p;
	s->has_monitor = has_monitor(p);
	status_samples_set_pipeline(s->samples, p);
}

void server_status_free(struct server_status *s)
{
	if (!s)
		return;
	metrics_off_collect(s->parts.metrics, collect, s);
	status_samples_free(s->samples);
	status_tails_free(s->tails);
	mem_free(s);
}
