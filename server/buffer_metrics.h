/* buffer_metrics.h: the books of a buffer as metrics: they are kept over restarts, so what goes in and what comes out can be compared at any time. */
#ifndef WEIR_BUFFER_METRICS_H
#define WEIR_BUFFER_METRICS_H

#include "buffer/buffer.h"
#include "metrics/metrics.h"

/* `id` and `type` of the output; for the collecting thread. */
void buffer_metrics_books(struct metrics *m, const char *id, const char *type, const struct buffer_stats *b);

/* The store of dead letters, which is no output's. */
void buffer_metrics_dead(struct metrics *m, const struct buffer_stats *b);

#endif
