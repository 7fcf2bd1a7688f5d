/*
 * metrics.c: the registry is one array sorted by name and labels, which is also the order of the text. Registration is
 * rare and goes under a lock; the numbers themselves are atomics that nobody locks for.
 */
#include "metrics/metrics.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CACHE_LINE 64u
#define SHARDS	   8u /* of a histogram: threads that observe do not share a cache line */

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM, KIND_SUMMARY, KIND_REAL_COUNTER, KIND_REAL_GAUGE };

static const char *const kind_names[] = {
	[KIND_COUNTER] = "counter",
	[KIND_GAUGE] = "gauge",
	[KIND_HISTOGRAM] = "histogram",
	[KIND_SUMMARY] = "summary",
	[KIND_REAL_COUNTER] = "counter",
	[KIND_REAL_GAUGE] = "gauge",
};

static const enum kind kind_of_type[] = {
	[METRIC_COUNTER] = KIND_REAL_COUNTER,
	[METRIC_GAUGE] = KIND_REAL_GAUGE,
	[METRIC_SUMMARY] = KIND_SUMMARY,
	[METRIC_HISTOGRAM] = KIND_HISTOGRAM,
};

/* What some threads have observed. */
struct shard {
	_Atomic double sum;
	_Atomic uint64_t bucket[]; /* count + 1: those above the bound before and up to this one; the last is +Inf's */
};

struct histogram {
	size_t count;	 /* of bounds */
	double *bounds;	 /* ascending */
	uint8_t *shards; /* SHARDS of them, so far apart that no two share a cache line */
	size_t stride;	 /* bytes from one to the next */
};

struct metric {
	char *name;
	char *labels; /* "" if there are none */
	char *help;
	enum kind kind;
	union {
		struct counter counter;
		struct gauge gauge;
		struct real real;
		struct histogram *histogram; /* also a summary's, without bounds */
	};
};

struct hook {
	void (*fn)(void *arg);
	void *arg;
};

struct metrics {
	pthread_mutex_t lock; /* of v */
	struct metric **v;
	size_t n;
	pthread_mutex_t hook_lock; /* of hooks; taken before `lock`, and held while hooks run */
	struct hook *hooks;
	size_t hook_count;
};

struct metrics *metrics_new(void)
{
	struct metrics *m = mem_zalloc(sizeof *m);
	pthread_mutex_init(&m->lock, NULL);
	pthread_mutex_init(&m->hook_lock, NULL);
	return m;
}

static struct shard *shard_of(const struct histogram *h, size_t i)
{
	return (struct shard *)(void *)(h->shards + i * h->stride);
}

static struct histogram *histogram_new(const double *bounds, size_t count)
{
	struct histogram *h = mem_zalloc(sizeof *h);
	size_t size = sizeof(struct shard) + (count + 1) * sizeof(uint64_t);
	h->count = count;
	h->bounds = mem_array(count, sizeof *bounds);
	h->stride = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE + CACHE_LINE;
	h->shards = mem_array(SHARDS, h->stride);
	for (size_t i = 0; i < count; i++) {
		assert(i == 0 || bounds[i] > bounds[i - 1]);
		h->bounds[i] = bounds[i];
	}
	return h;
}

static void histogram_free(struct histogram *h)
{
	mem_free(h->bounds);
	mem_free(h->shards);
	mem_free(h);
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		struct metric *x = m->v[i];
		if (x->kind == KIND_HISTOGRAM || x->kind == KIND_SUMMARY)
			histogram_free(x->histogram);
		mem_free(x->name);
		mem_free(x->labels);
		mem_free(x->help);
		mem_free(x);
	}
	mem_free(m->v);
	mem_free(m->hooks);
	pthread_mutex_destroy(&m->lock);
	pthread_mutex_destroy(&m->hook_lock);
	mem_free(m);
}

/* [a-zA-Z_:][a-zA-Z0-9_:]*: anything else would make the whole text unreadable. */
static bool name_is_good(const char *name)
{
	for (const char *p = name; *p; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_' || *p == ':';
		if (!letter && !(*p >= '0' && *p <= '9' && p > name))
			return false;
	}
	return *name != 0;
}

/* Where the metric is, or where it would have to be put. */
static size_t find(const struct metrics *m, const char *name, const char *labels, bool *found)
{
	size_t lo = 0, hi = m->n;
	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strcmp(name, m->v[mid]->name);
		if (order == 0)
			order = strcmp(labels, m->v[mid]->labels);
		if (order == 0) {
			*found = true;
			return mid;
		}
		if (order < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* What a neighbour of the same name has for a help; NULL if there is no neighbour. One name has one kind. */
static const char *help_of_family(const struct metrics *m, size_t at, const char *name, enum kind kind)
{
	for (size_t i = at ? at - 1 : 0; i <= at && i < m->n; i++) {
		if (strcmp(m->v[i]->name, name) != 0)
			continue;
		assert(m->v[i]->kind == kind);
		return m->v[i]->help;
	}
	return NULL;
}

/* The lock is held. */
static struct metric *add(
	struct metrics *m, enum kind kind, const char *name, const char *labels, const char *help, bool *is_new)
{
	bool found;
	labels = labels ? labels : "";
	assert(name_is_good(name));
	size_t at = find(m, name, labels, &found);
	*is_new = !found;
	if (found) {
		assert(m->v[at]->kind == kind);
		return m->v[at];
	}
	const char *first_help = help_of_family(m, at, name, kind);
	struct metric *x = mem_zalloc(sizeof *x);
	x->kind = kind;
	x->name = mem_strdup(name);
	x->labels = mem_strdup(labels);
	x->help = mem_strdup(first_help ? first_help : help);
	m->v = mem_realloc(m->v, (m->n + 1) * sizeof(struct metric *));
	memmove(m->v + at + 1, m->v + at, (m->n - at) * sizeof(struct metric *));
	m->v[at] = x;
	m->n++;
	return x;
}

struct counter *metrics_counter(struct metrics *m, const char *name, const char *labels, const char *help)
{
	bool is_new;
	pthread_mutex_lock(&m->lock);
	struct metric *x = add(m, KIND_COUNTER, name, labels, help, &is_new);
	pthread_mutex_unlock(&m->lock);
	return &x->counter;
}

struct gauge *metrics_gauge(struct metrics *m, const char *name, const char *labels, const char *help)
{
	bool is_new;
	pthread_mutex_lock(&m->lock);
	struct metric *x = add(m, KIND_GAUGE, name, labels, help, &is_new);
	pthread_mutex_unlock(&m->lock);
	return &x->gauge;
}

struct histogram *metrics_histogram(
	struct metrics *m, const char *name, const char *labels, const char *help, const double *bounds, size_t count)
{
	bool is_new;
	pthread_mutex_lock(&m->lock);
	struct metric *x = add(m, KIND_HISTOGRAM, name, labels, help, &is_new);
	if (is_new)
		x->histogram = histogram_new(bounds, count);
	pthread_mutex_unlock(&m->lock);
	return x->histogram;
}

struct histogram *metrics_summary(struct metrics *m, const char *name, const char *labels, const char *help)
{
	bool is_new;
	pthread_mutex_lock(&m->lock);
	struct metric *x = add(m, KIND_SUMMARY, name, labels, help, &is_new);
	if (is_new)
		x->histogram = histogram_new(NULL, 0);
	pthread_mutex_unlock(&m->lock);
	return x->histogram;
}

struct real *metrics_real(
	struct metrics *m, enum metric_type type, const char *name, const char *labels, const char *help)
{
	bool is_new;
	pthread_mutex_lock(&m->lock);
	struct metric *x = add(m, kind_of_type[type], name, labels, help, &is_new);
	pthread_mutex_unlock(&m->lock);
	return &x->real;
}

/* One of that name, NULL if there is none. The lock is held. */
static const struct metric *any_of(const struct metrics *m, const char *name)
{
	bool found;
	size_t at = find(m, name, "", &found); /* no labels sort before all others */
	return at < m->n && strcmp(m->v[at]->name, name) == 0 ? m->v[at] : NULL;
}

bool metrics_name_fits(struct metrics *m, enum metric_type type, const char *name)
{
	if (!name_is_good(name))
		return false;
	pthread_mutex_lock(&m->lock);
	const struct metric *x = any_of(m, name);
	bool fits = !x || x->kind == kind_of_type[type];
	pthread_mutex_unlock(&m->lock);
	return fits;
}

bool metrics_label_fits(const char *key)
{
	return name_is_good(key) && !strchr(key, ':');
}

/* Which cells the calling thread adds to. */
static unsigned my_shard(void)
{
	static _Atomic unsigned threads;
	static _Thread_local unsigned mine; /* 0: not chosen yet */
	if (!mine)
		mine = 1 + atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % SHARDS;
	return mine - 1;
}

static void add_real(_Atomic double *to, double v)
{
	double old = atomic_load_explicit(to, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(to, &old, old + v, memory_order_relaxed, memory_order_relaxed))
		;
}

void real_add(struct real *r, double v)
{
	add_real(&r->v, v);
}

void histogram_observe(struct histogram *h, double seconds, uint64_t times)
{
	struct shard *mine = shard_of(h, my_shard());
	size_t i = 0;
	while (i < h->count && seconds > h->bounds[i])
		i++;
	atomic_fetch_add_explicit(&mine->bucket[i], times, memory_order_relaxed);
	add_real(&mine->sum, seconds * (double)times);
}

void histogram_set(struct histogram *h, const uint64_t *buckets, double sum)
{
	for (size_t i = 0; i <= h->count; i++)
		atomic_store_explicit(&shard_of(h, 0)->bucket[i], buckets[i], memory_order_relaxed);
	atomic_store_explicit(&shard_of(h, 0)->sum, sum, memory_order_relaxed);
}

static uint64_t bucket_of(const struct histogram *h, size_t i)
{
	uint64_t n = 0;
	for (size_t k = 0; k < SHARDS; k++)
		n += atomic_load_explicit(&shard_of(h, k)->bucket[i], memory_order_relaxed);
	return n;
}

static double sum_of(const struct histogram *h)
{
	double sum = 0;
	for (size_t k = 0; k < SHARDS; k++)
		sum += atomic_load_explicit(&shard_of(h, k)->sum, memory_order_relaxed);
	return sum;
}

/* A label's value may come from a peer: the format wants UTF-8 and three characters escaped. */
static void put_label_value(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.n;) {
		size_t len = utf8_len(s.p + i, s.n - i);
		if (len == 0) {
			buf_put_str(b, UTF8_REPLACEMENT);
			i += utf8_bad_len(s.p + i, s.n - i);
			continue;
		}
		if (s.p[i] == '\n')
			buf_put_str(b, "\\n");
		else if (s.p[i] == '"' || s.p[i] == '\\')
			buf_printf(b, "\\%c", s.p[i]);
		else
			buf_put(b, s.p + i, len);
		i += len;
	}
}

void metrics_put_label(struct buf *b, const char *key, struct span value)
{
	buf_printf(b, "%s%s=\"", b->n ? "," : "", key);
	put_label_value(b, value);
	buf_put_byte(b, '"');
}

char *metrics_labels(const char *key, ...)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	va_list ap;
	va_start(ap, key);
	for (const char *k = key; k; k = va_arg(ap, const char *))
		metrics_put_label(&b, k, span_str(va_arg(ap, const char *)));
	va_end(ap);
	char *text = buf_take(&b);
	buf_free(&b);
	return text ? text : mem_strdup("");
}

void metrics_on_collect(struct metrics *m, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&m->hook_lock);
	m->hooks = mem_realloc(m->hooks, (m->hook_count + 1) * sizeof *m->hooks);
	m->hooks[m->hook_count++] = (struct hook){fn, arg};
	pthread_mutex_unlock(&m->hook_lock);
}

void metrics_off_collect(struct metrics *m, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&m->hook_lock);
	for (size_t i = 0; i < m->hook_count; i++) {
		if (m->hooks[i].fn != fn || m->hooks[i].arg != arg)
			continue;
		m->hook_count--;
		memmove(m->hooks + i, m->hooks + i + 1, (m->hook_count - i) * sizeof *m->hooks);
		break;
	}
	pthread_mutex_unlock(&m->hook_lock);
}

/* A short decimal that reads back the same: %g cuts the zeros that 15 digits leave. */
static void put_real(struct buf *b, double d)
{
	char text[40] = "";
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	buf_put_str(b, text);
}

static void put_family_head(struct buf *b, const struct metric *x)
{
	buf_printf(b, "# HELP %s ", x->name);
	for (const char *p = x->help; *p; p++) {
		if (*p == '\n')
			buf_put_str(b, "\\n");
		else if (*p == '\\')
			buf_put_str(b, "\\\\");
		else
			buf_put_byte(b, (uint8_t)*p);
	}
	buf_printf(b, "\n# TYPE %s %s\n", x->name, kind_names[x->kind]);
}

static void put_name(struct buf *b, const struct metric *x, const char *suffix)
{
	buf_printf(b, "%s%s", x->name, suffix);
	if (*x->labels)
		buf_printf(b, "{%s}", x->labels);
	buf_put_byte(b, ' ');
}

static void put_histogram(struct buf *b, const struct metric *x)
{
	const struct histogram *h = x->histogram;
	uint64_t sum = 0;
	for (size_t i = 0; i <= h->count; i++) {
		sum += bucket_of(h, i);
		if (x->kind == KIND_SUMMARY)
			continue;
		buf_printf(b, "%s_bucket{%s%sle=\"", x->name, x->labels, *x->labels ? "," : "");
		if (i < h->count)
			put_real(b, h->bounds[i]);
		else
			buf_put_str(b, "+Inf");
		buf_printf(b, "\"} %llu\n", (unsigned long long)sum);
	}
	put_name(b, x, "_sum");
	put_real(b, sum_of(h));
	buf_put_byte(b, '\n');
	put_name(b, x, "_count"); /* +Inf's number, even while others observe */
	buf_printf(b, "%llu\n", (unsigned long long)sum);
}

static void put_metric(struct buf *b, const struct metric *x)
{
	switch (x->kind) {
	case KIND_COUNTER:
		put_name(b, x, "");
		buf_printf(b, "%llu\n", (unsigned long long)counter_get(&x->counter));
		return;
	case KIND_GAUGE:
		put_name(b, x, "");
		buf_printf(b, "%lld\n", (long long)gauge_get(&x->gauge));
		return;
	case KIND_REAL_COUNTER:
	case KIND_REAL_GAUGE:
		put_name(b, x, "");
		put_real(b, real_get(&x->real));
		buf_put_byte(b, '\n');
		return;
	case KIND_SUMMARY:
	case KIND_HISTOGRAM:
		put_histogram(b, x);
		return;
	}
}

void metrics_text(struct metrics *m, struct buf *out)
{
	pthread_mutex_lock(&m->hook_lock);
	for (size_t i = 0; i < m->hook_count; i++)
		m->hooks[i].fn(m->hooks[i].arg);
	pthread_mutex_unlock(&m->hook_lock);

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->n; i++) {
		if (i == 0 || strcmp(m->v[i - 1]->name, m->v[i]->name) != 0)
			put_family_head(out, m->v[i]);
		put_metric(out, m->v[i]);
	}
	pthread_mutex_unlock(&m->lock);
}
