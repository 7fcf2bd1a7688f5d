/*
 * metrics.h: counters, gauges and histograms, and their text for Prometheus (text exposition format 0.0.4).
 *
 * A metric is registered once (start-up, or the first event of its kind) and lives as long as its registry. Adding is one relaxed atomic
 * operation (two for a histogram, on cells of the thread's own), done per chunk or request, never per record. Any thread.
 */
#ifndef WEIR_METRICS_METRICS_H
#define WEIR_METRICS_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>
#include <stdint.h>

struct metrics; /* a registry */

struct counter {
	_Atomic uint64_t v;
};
struct gauge {
	_Atomic int64_t v;
};
/* A counter or gauge of real numbers. */
struct real {
	_Atomic double v;
};
struct histogram;

static inline void counter_add(struct counter *c, uint64_t n)
{
	atomic_fetch_add_explicit(&c->v, n, memory_order_relaxed);
}
static inline uint64_t counter_get(const struct counter *c)
{
	return atomic_load_explicit(&c->v, memory_order_relaxed);
}
static inline void gauge_set(struct gauge *g, int64_t v)
{
	atomic_store_explicit(&g->v, v, memory_order_relaxed);
}
static inline void gauge_add(struct gauge *g, int64_t n)
{
	atomic_fetch_add_explicit(&g->v, n, memory_order_relaxed);
}
static inline int64_t gauge_get(const struct gauge *g)
{
	return atomic_load_explicit(&g->v, memory_order_relaxed);
}

static inline void real_set(struct real *r, double v)
{
	atomic_store_explicit(&r->v, v, memory_order_relaxed);
}
static inline double real_get(const struct real *r)
{
	return atomic_load_explicit(&r->v, memory_order_relaxed);
}
void real_add(struct real *r, double v);

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/*
 * The metric of that name and labels, made if it is new. `labels` is NULL or what stands between the braces, made by metrics_labels
 * ('plugin_id="es",type="elasticsearch"'). `help` is a sentence; the first one given for a name is kept. Names are
 * [a-zA-Z_:][a-zA-Z0-9_:]* and end with their unit (_total, _bytes, _seconds). That a name is of one kind only, is asserted.
 */
struct counter *metrics_counter(struct metrics *m, const char *name, const char *labels, const char *help);
struct gauge *metrics_gauge(struct metrics *m, const char *name, const char *labels, const char *help);
/* Bounds in seconds, ascending, copied; those given first for a name and labels are kept. */
struct histogram *metrics_histogram(
	struct metrics *m, const char *name, const char *labels, const char *help, const double *bounds, size_t count);
/* `times` observations of that many seconds each. */
void histogram_observe(struct histogram *h, double seconds, uint64_t times);
/* For one that somebody else keeps: `buckets` are count + 1 numbers of observations, each above the bound before, and up to its own. */
void histogram_set(struct histogram *h, const uint64_t *buckets, double sum);

/* Real numbers, for metrics that a configuration names. A summary has a sum and a count, no quantiles. */
enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_SUMMARY, METRIC_HISTOGRAM };
struct real *metrics_real(
	struct metrics *m, enum metric_type type, const char *name, const char *labels, const char *help);
struct histogram *metrics_summary(struct metrics *m, const char *name, const char *labels, const char *help);
/* Whether real metrics of that type can have this name: it is well formed, and no metric of another kind has it. */
bool metrics_name_fits(struct metrics *m, enum metric_type type, const char *name);
/* [a-zA-Z_][a-zA-Z0-9_]* */
bool metrics_label_fits(const char *key);

/* Label text from key, value, ..., NULL; values escaped and made UTF-8. For the caller to mem_free. */
char *metrics_labels(const char *key, ...) __attribute__((sentinel));
/* Appends one more: key="value", after a comma if there is something before it. */
void metrics_put_label(struct buf *b, const char *key, struct span value);

/*
 * Called before each rendering, in the thread that renders, to set gauges that are read rather than kept. `fn` may register metrics but must
 * not call these two. Once metrics_off_collect has returned, it is not called any more.
 */
void metrics_on_collect(struct metrics *m, void (*fn)(void *arg), void *arg);
void metrics_off_collect(struct metrics *m, void (*fn)(void *arg), void *arg);

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
/* Appends all metrics as text, sorted by name, then by labels. */
void metrics_text(struct metrics *m, struct buf *out);

#endif
