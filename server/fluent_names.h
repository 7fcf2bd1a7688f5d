/*
 * fluent_names.h: weir's numbers under the names that fluentd's prometheus plugin gives them, so that dashboards and alerts made for fluentd go on
 * working. https://github.com/fluent/fluent-plugin-prometheus
 */
#ifndef WEIR_FLUENT_NAMES_H
#define WEIR_FLUENT_NAMES_H

#include "pipeline.h"

/* Sets fluentd_status_* of all plugins (prometheus_monitor). `labels` (metrics_labels' text) are put before each plugin's own. */
void fluent_names_status(struct metrics *m, const struct pipeline *p, const char *labels);

/* Sets fluentd_output_status_* of all outputs (prometheus_output_monitor); all_gauges: also what only grows is a gauge. */
void fluent_names_outputs(struct metrics *m, const struct pipeline *p, const char *labels, bool all_gauges);

#endif
