#include "server_status.h"

#include "base/mem.h"
#include "flow.h"

#include <stdio.h>

/* One for the process: the admin endpoint's handlers run in the main thread. */
static struct {
	struct metrics *metrics;
	struct pipeline *pipeline;
	const bool *ready;
} status;

/* Numbers that the buffers keep for themselves are read when somebody asks. */
static void collect_flow(const struct output *o)
{
	struct flow_status f;
	struct metrics *m = status.metrics;
	flow_status(o->flow, &f);
	const struct buffer_stats *b = &f.buffer;
	char *labels = metrics_labels("plugin_id", o->id, "type", o->plugin->name, NULL);
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
		{"weir_output_down", "1: the destination does not work.", f.down},
		{"weir_output_holding", "1: somebody must mend something at the destination.", f.holding},
	};
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
	for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++)
		gauge_set(metrics_gauge(m, gauges[i].name, labels, gauges[i].help), gauges[i].value);
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		atomic_store(&metrics_counter(m, counters[i].name, labels, counters[i].help)->v, counters[i].value);
	mem_free(labels);
}

static void collect(void *arg)
{
	struct output *const *v;
	size_t n = pipeline_outputs(status.pipeline, &v);
	(void)arg;
	for (size_t i = 0; i < n; i++)
		if (v[i]->flow)
			collect_flow(v[i]);
}

static void reply_text(struct admin_request *r, int code, const char *text)
{
	admin_reply(r, code, "text/plain; charset=utf-8", span_str(text));
}

static void on_metrics(struct admin_request *r, void *arg)
{
	struct buf out;
	(void)arg;
	buf_init(&out, 64 << 20);
	metrics_text(status.metrics, &out);
	admin_reply(r, out.failed ? 500 : 200, "text/plain; version=0.0.4; charset=utf-8", buf_span(&out));
	buf_free(&out);
}

static void on_health(struct admin_request *r, void *arg)
{
	(void)arg;
	reply_text(r, 200, "ok\n");
}

/* Ready means: able to store what comes. Outputs do not matter: that is what the buffers are for. */
static void on_ready(struct admin_request *r, void *arg)
{
	struct output *const *v;
	size_t n = pipeline_outputs(status.pipeline, &v);
	char text[512];
	(void)arg;
	if (!*status.ready) {
		reply_text(r, 503, "starting or ending\n");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct flow_status f;
		if (!v[i]->flow)
			continue;
		flow_status(v[i]->flow, &f);
		const char *why = f.buffer.refusing    ? "syncs fail"
				  : f.buffer.disk_full ? "its disk is full"
				  : f.buffer.full      ? "it is full"
						       : NULL;
		if (why) {
			snprintf(text, sizeof text, "the buffer of %s takes nothing: %s\n", v[i]->id, why);
			reply_text(r, 503, text);
			return;
		}
	}
	reply_text(r, 200, "ready\n");
}

void server_status_routes(struct admin *a, struct metrics *m, struct pipeline *p, const bool *ready)
{
	status.metrics = m;
	status.pipeline = p;
	status.ready = ready;
	metrics_on_collect(m, collect, NULL);
	admin_route(a, "GET /metrics", on_metrics, NULL);
	admin_route(a, "GET /healthz", on_health, NULL);
	admin_route(a, "GET /readyz", on_ready, NULL);
}
