/*
 * event_metrics.h: metrics made of events: the <metric> sections of fluentd's prometheus filter and output. https://github.com/fluent/fluent-plugin-prometheus
 *
 * Label sets come from events, so from the net: each metric has at most max_label_sets of them; events that would make another one are counted in
 * weir_event_metric_overflow_events_total. A worker keeps what it has looked up, so an event costs no lock.
 */
#ifndef WEIR_EVENT_METRICS_H
#define WEIR_EVENT_METRICS_H

#include "ingest.h"
#include "pipeline.h"

struct event_metrics_conf {
	struct conf_common common;
	int64_t max_label_sets;
	struct conf_list metrics, labels;
};

/* The tables of both plugins. */
extern const struct conf_param event_metrics_params[];
extern const struct conf_sub event_metrics_subs[];

struct event_metrics;

/* NULL: findings were added. */
struct event_metrics *event_metrics_new(const struct event_metrics_conf *c, const char *plugin_id, struct builder *b);
void event_metrics_free(struct event_metrics *m); /* NULL is allowed */

/* Counts a batch in. Several workers at once. */
void event_metrics_take(struct event_metrics *m, struct ingest *in, const struct batch *b);

#endif
