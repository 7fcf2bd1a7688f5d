#include "fluent_names.h"

#include "base/clock.h"
#include "base/mem.h"
#include "flow.h"

#include <string.h>

/* A name that a filter of the configuration has taken for something else is left to it. */
static void set(
	struct metrics *m, enum metric_type type, const char *name, const char *labels, const char *help, double value)
{
	if (metrics_name_fits(m, type, name))
		real_set(metrics_real(m, type, name, labels, help), value);
}

static char *labels_of(const char *labels, const char *id, const char *category, const char *type)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_put_str(&b, labels);
	metrics_put_label(&b, "plugin_id", span_str(id));
	if (category)
		metrics_put_label(&b, "plugin_category", span_str(category));
	metrics_put_label(&b, "type", span_str(type));
	char *text = buf_take(&b);
	return text ? text : mem_strdup("");
}

/* ---- prometheus_monitor ------------------------------------------------------------------------------------------- */

static void set_output_status(struct metrics *m, const struct output *o, const char *labels)
{
	struct flow_status f;
	char *own = labels_of(labels, o->id, "output", o->plugin->name);
	if (o->flow) {
		flow_status(o->flow, &f);
		set(m, METRIC_GAUGE, "fluentd_status_buffer_queue_length", own, "Current buffer queue length.",
			(double)f.buffer.queue_chunks);
		set(m, METRIC_GAUGE, "fluentd_status_buffer_total_bytes", own, "Current total size of queued buffers.",
			(double)(f.buffer.stage_bytes + f.buffer.queue_bytes));
	}
	set(m, METRIC_GAUGE, "fluentd_status_retry_count", own, "Current retry counts.", o->flow ? f.failures : 0);
	mem_free(own);
}

void fluent_names_status(struct metrics *m, const struct pipeline *p, const char *labels)
{
	struct output *const *v;
	size_t n = pipeline_outputs(p, &v);
	for (size_t i = 0; i < n; i++)
		set_output_status(m, v[i], labels);
}

/* ---- prometheus_output_monitor ------------------------------------------------------------------------------------ */

struct named {
	const char *name, *help;
	double value;
};

static void set_buffer(struct metrics *m, const char *labels, const struct flow_status *f)
{
	const struct buffer_stats *b = &f->buffer;
	double used = (double)(b->stage_bytes + b->queue_bytes), limit = (double)f->total_limit_size;
	double free_percent = limit > 0 ? 100 * (1 - used / limit) : 0;
	const struct named v[] = {
		{"fluentd_output_status_buffer_total_bytes", "Current total size of stage and queue buffers.", used},
		{"fluentd_output_status_buffer_stage_length", "Current length of stage buffers.",
			(double)b->stage_chunks},
		{"fluentd_output_status_buffer_stage_byte_size", "Current total size of stage buffers.",
			(double)b->stage_bytes},
		{"fluentd_output_status_buffer_queue_length", "Current length of queue buffers.",
			(double)b->queue_chunks},
		{"fluentd_output_status_buffer_queue_byte_size", "Current total size of queue buffers.",
			(double)b->queue_bytes},
		{"fluentd_output_status_buffer_available_space_ratio", "Ratio of available space in buffer.",
			(double)(int64_t)((free_percent > 0 ? free_percent : 0) * 10 + 0.5) / 10},
		{"fluentd_output_status_rollback_count", "Current rollback counts.",
			(double)(f->chunk_retries + f->outages)},
		{"fluentd_output_status_retry_wait", "Current retry wait",
			f->down ? (double)(f->next_try_ns - f->since_ns) / 1e9 : 0},
	};
	for (size_t i = 0; i < sizeof v / sizeof *v; i++)
		set(m, METRIC_GAUGE, v[i].name, labels, v[i].help, v[i].value);
}

static void set_output(struct metrics *m, const struct output *o, const char *labels, enum metric_type growing)
{
	struct flow_status f = {0};
	char *own = labels_of(labels, o->id, NULL, o->plugin->name);
	if (o->flow) {
		flow_status(o->flow, &f);
		set_buffer(m, own, &f);
	}
	const struct named v[] = {
		{"fluentd_output_status_retry_count", "Current retry counts.", (double)f.failures},
		{"fluentd_output_status_num_errors", "Current number of errors.",
			(double)(f.outages + f.chunk_retries)},
		{"fluentd_output_status_emit_count", "Current emit counts.", (double)counter_get(o->n.emitted_batches)},
		{"fluentd_output_status_emit_records", "Current emit records.",
			(double)counter_get(o->n.emitted_events)},
		{"fluentd_output_status_write_count", "Current write counts.", (double)f.writes},
		{"fluentd_output_status_flush_time_count", "Total flush time.", (double)f.write_ms},
		{"fluentd_output_status_slow_flush_count", "Current slow flush counts.", (double)f.slow_writes},
	};
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		/* In fluentd the number of retries is of those in a row, and goes back to 0: as a counter that is no use. */
		enum metric_type type = i == 0 ? METRIC_GAUGE : growing;
		set(m, type, v[i].name, own, v[i].help, v[i].value);
	}
	mem_free(own);
}

void fluent_names_outputs(struct metrics *m, const struct pipeline *p, const char *labels, bool all_gauges)
{
	struct output *const *v;
	size_t n = pipeline_outputs(p, &v);
	for (size_t i = 0; i < n; i++)
		set_output(m, v[i], labels, all_gauges ? METRIC_GAUGE : METRIC_COUNTER);
}
