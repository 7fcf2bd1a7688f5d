/*
 * status_samples.h: what the status page shows over time: how fast each source and output is now, and the last hour. Sampled by a timer of the
 * main thread; everything here is that thread's.
 */
#ifndef WEIR_STATUS_SAMPLES_H
#define WEIR_STATUS_SAMPLES_H

#include "pipeline.h"
#include "rate.h"
#include "watch.h"

#include <stddef.h>

struct event_base;
struct dead_letters;

/* Sums over all sources and outputs since the start, and what waits now. */
struct status_totals {
	uint64_t received_events, received_bytes, messages;
	uint64_t stored_events, delivered_events, dead_events, dropped_events, unmatched_events, refused_events;
	uint64_t filtered_events;
	uint64_t pending_events, pending_bytes;
	int64_t oldest_ns; /* wall clock: the oldest chunk; 0 = none */
};

#define HISTORY_STEP_S 10
#define HISTORY_STEPS  360 /* an hour */

struct history_sample {
	int64_t at_s;							/* wall clock */
	double received_per_s, delivered_per_s, dead_per_s, lost_per_s; /* since the sample before */
	uint64_t pending_events, pending_bytes;
	double oldest_s; /* age of the oldest chunk */
};

struct status_samples;
/* `p`, `watch` and `dead` must live longer. NULL: no memory for the timer. */
struct status_samples *status_samples_new(
	struct event_base *base, struct pipeline *p, const struct watch *watch, struct dead_letters *dead);
/* After a reload. */
void status_samples_set_pipeline(struct status_samples *s, struct pipeline *p);
void status_samples_free(struct status_samples *s); /* NULL is allowed */

void status_totals(const struct status_samples *s, struct status_totals *t);

/* Of the i-th source (events received), and the i-th output (events given to it, events delivered), of the pipeline's. */
double status_source_rate(const struct status_samples *s, size_t i);
double status_emitted_rate(const struct status_samples *s, size_t i);
double status_delivered_rate(const struct status_samples *s, size_t i);

/* The i-th oldest sample; NULL if there is none. */
const struct history_sample *status_history(const struct status_samples *s, size_t i);

#endif
