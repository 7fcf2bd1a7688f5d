#include "event_metrics.h"

#include "base/map.h"
#include "base/mem.h"
#include "event_labels.h"
#include "record/event.h"
#include "record/msgpack_scan.h"
#include "record/record_path.h"
#include "worker.h"

#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#define LABELS_MAX (8u << 10) /* bytes of a label set */

struct metric_conf {
	struct conf_common common;
	char *name, *desc, *key, *buckets;
	int type;
	bool initialized;
	struct conf_list labels, initlabels;
};

/* ---- tables ------------------------------------------------------------------------------------------------------- */

#define METRIC_AT(field) .offset = offsetof(struct metric_conf, field)

static const struct conf_choice types[] = {{"counter", METRIC_COUNTER}, {"gauge", METRIC_GAUGE},
	{"summary", METRIC_SUMMARY}, {"histogram", METRIC_HISTOGRAM}, {NULL, 0}};

static const struct conf_param metric_params[] = {
	{.name = "name", .type = CONF_STRING, METRIC_AT(name), .required = true, .help = "Its name."},
	{.name = "type",
		.type = CONF_ENUM,
		METRIC_AT(type),
		.required = true,
		.choices = types,
		.help = "counter, gauge, summary (sum and count) or histogram."},
	{.name = "desc", .type = CONF_STRING, METRIC_AT(desc), .required = true, .help = "What it is, for people."},
	{.name = "key",
		.type = CONF_STRING,
		METRIC_AT(key),
		.help = "The field (record accessor) whose number is added, set or observed. A counter without one "
			"counts "
			"events. Events without the field are left out."},
	{.name = "buckets",
		.type = CONF_STRING,
		METRIC_AT(buckets),
		.value = "0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10",
		.help = "A histogram's upper bounds."},
	{.name = "initialized",
		.type = CONF_BOOL,
		METRIC_AT(initialized),
		.value = "false",
		.help = "It is there, and 0, before the first event."},
	{.name = "retention",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "label sets are bounded by max_label_sets"},
	{.name = NULL},
};

static const struct conf_sub metric_subs[] = {
	{.schema = &event_labels_schema, METRIC_AT(labels)},
	{.schema = &event_initlabels_schema, METRIC_AT(initlabels), .multi = true},
	{.schema = NULL},
};

static const struct conf_schema metric_schema = {
	.name = "metric",
	.title = "metric",
	.size = sizeof(struct metric_conf),
	.params = metric_params,
	.subs = metric_subs,
	.help = "A metric that is made of events.",
};

#define AT(field) .offset = offsetof(struct event_metrics_conf, field)

const struct conf_param event_metrics_params[] = {
	{.name = "max_label_sets",
		.type = CONF_INT,
		AT(max_label_sets),
		.value = "1000",
		.min = 1,
		.max = 100000,
		.help = "Label sets of each metric; events that would make another one are counted in "
			"weir_event_metric_overflow_events_total. weir's own."},
	{.name = NULL},
};

const struct conf_sub event_metrics_subs[] = {
	{.schema = &metric_schema, AT(metrics), .multi = true},
	{.schema = &event_labels_schema, AT(labels)},
	{.schema = NULL},
};

/* ---- metrics ------------------------------------------------------------------------------------------------------ */

/* What a worker has looked up. Maps of label text to a struct real or histogram, which are the registry's. */
struct seen {
	struct map *sets;
	bool all; /* it has all that there will ever be */
};

struct event_metric {
	const struct metric_conf *conf;
	struct event_labels *labels;
	struct record_path *key; /* NULL: events are counted */
	double *bounds;
	size_t bound_count;
	struct map *sets; /* under the lock */
	atomic_bool full;
	struct counter *overflow, *failed;
	struct seen seen[INGEST_MAX_WORKERS];
};

struct event_metrics {
	struct metrics *registry;
	size_t max_sets;
	pthread_mutex_t lock;
	struct event_metric **v;
	size_t n;
};

static bool parse_buckets(struct event_metric *m, const char *text)
{
	for (const char *p = text; *p;) {
		char *end;
		double bound = strtod(p, &end);
		if (end == p || !isfinite(bound) || (m->bound_count && bound <= m->bounds[m->bound_count - 1]))
			return false;
		m->bounds = mem_realloc(m->bounds, (m->bound_count + 1) * sizeof *m->bounds);
		m->bounds[m->bound_count++] = bound;
		end += strspn(end, " \t");
		if (*end && *end != ',')
			return false;
		p = end + (*end == ',');
		p += strspn(p, " \t");
	}
	return m->bound_count > 0;
}

static void check(const struct event_metrics *s, struct event_metric *m, struct conf_report *r)
{
	const struct metric_conf *c = m->conf;
	struct err err;
	if (strncmp(c->name, "weir_", 5) == 0 || strncmp(c->name, "fluentd_tail_", 13) == 0)
		conf_report_add(r, CONF_ERROR, conf_where(c, "name"),
			"'%s' is weir's own: names that begin with weir_ or fluentd_tail_ are not free", c->name);
	else if (!metrics_name_fits(s->registry, (enum metric_type)c->type, c->name))
		conf_report_add(r, CONF_ERROR, conf_where(c, "name"),
			"'%s' cannot be this metric's name: it is letters, digits, _ and :, and belongs to one type "
			"only",
			c->name);
	if (!c->key && c->type != METRIC_COUNTER)
		conf_report_add(r, CONF_ERROR, c->common.pos, "%s metric requires 'key' option", types[c->type].name);
	if (c->key && !(m->key = record_path_compile(c->key, &err)))
		conf_report_add(r, CONF_ERROR, conf_where(c, "key"), "'key' cannot be used: %s", err.text);
	if (c->type == METRIC_HISTOGRAM && !parse_buckets(m, c->buckets))
		conf_report_add(r, CONF_ERROR, conf_where(c, "buckets"),
			"'buckets' are numbers that grow, with commas between them: 0.1, 1, 10");
}

/* A series of the registry. */
static void *series(const struct event_metrics *s, const struct event_metric *m, const char *labels)
{
	const struct metric_conf *c = m->conf;
	switch ((enum metric_type)c->type) {
	case METRIC_HISTOGRAM:
		return metrics_histogram(s->registry, c->name, labels, c->desc, m->bounds, m->bound_count);
	case METRIC_SUMMARY:
		return metrics_summary(s->registry, c->name, labels, c->desc);
	case METRIC_COUNTER:
	case METRIC_GAUGE:
		break;
	}
	return metrics_real(s->registry, (enum metric_type)c->type, c->name, labels, c->desc);
}

/* The series of a label set, made if there is room for it; NULL if there is none. The lock is held. */
static void *find_or_make(struct event_metrics *s, struct event_metric *m, struct span labels)
{
	void *known = map_get(m->sets, labels);
	if (known || map_count(m->sets) >= s->max_sets)
		return known;
	void **place = map_put(m->sets, labels);
	if (!place)
		return NULL;
	char *text = mem_strndup(labels.n ? (const char *)labels.p : "", labels.n);
	*place = series(s, m, text);
	mem_free(text);
	atomic_store(&m->full, map_count(m->sets) >= s->max_sets);
	return *place;
}

static void initialize(struct event_metrics *s, struct event_metric *m, struct conf_report *r)
{
	const struct metric_conf *c = m->conf;
	size_t n = c->initlabels.n ? c->initlabels.n : 1;
	for (size_t i = 0; c->initialized && i < n; i++) {
		struct buf labels;
		buf_init(&labels, LABELS_MAX);
		if (event_labels_put_initial(m->labels, c->initlabels.n ? c->initlabels.v[i] : &c->common, &labels, r))
			find_or_make(s, m, buf_span(&labels));
		buf_free(&labels);
	}
}

/* The table has told what is missing. */
static bool is_complete(const struct metric_conf *c)
{
	return c->name && c->desc && c->type != CONF_NIL_ENUM;
}

static void add_metric(struct event_metrics *s, const struct event_metrics_conf *c, const struct metric_conf *mc,
	const char *plugin_id, struct conf_report *r)
{
	struct event_metric *m = mem_zalloc(sizeof *m);
	size_t errors = r->errors;
	m->conf = mc;
	m->labels = event_labels_make(&c->labels, &mc->labels, r);
	m->sets = map_new();
	s->v = mem_realloc(s->v, (s->n + 1) * sizeof(struct event_metric *));
	s->v[s->n++] = m;
	check(s, m, r);
	if (r->errors > errors)
		return;
	char *labels = metrics_labels("plugin_id", plugin_id, "metric", mc->name, NULL);
	m->overflow = metrics_counter(s->registry, "weir_event_metric_overflow_events_total", labels,
		"Events that were not counted in a metric because it has max_label_sets label sets already.");
	m->failed = metrics_counter(s->registry, "weir_event_metric_failed_events_total", labels,
		"Events that were not counted in a metric because their field is no number that it takes.");
	mem_free(labels);
	initialize(s, m, r);
}

struct event_metrics *event_metrics_new(const struct event_metrics_conf *c, const char *plugin_id, struct builder *b)
{
	struct conf_report *r = builder_report(b);
	struct event_metrics *s = mem_zalloc(sizeof *s);
	size_t errors = r->errors;
	s->registry = builder_metrics(b);
	s->max_sets = (size_t)c->max_label_sets;
	pthread_mutex_init(&s->lock, NULL);
	for (size_t i = 0; i < c->metrics.n; i++)
		if (is_complete(c->metrics.v[i]))
			add_metric(s, c, c->metrics.v[i], plugin_id, r);
	if (r->errors == errors)
		return s;
	event_metrics_free(s);
	return NULL;
}

void event_metrics_free(struct event_metrics *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		struct event_metric *m = s->v[i];
		for (size_t w = 0; w < INGEST_MAX_WORKERS; w++)
			map_free(m->seen[w].sets, NULL);
		map_free(m->sets, NULL);
		event_labels_free(m->labels);
		record_path_free(m->key);
		mem_free(m->bounds);
		mem_free(m);
	}
	mem_free(s->v);
	pthread_mutex_destroy(&s->lock);
	mem_free(s);
}

/* ---- events ------------------------------------------------------------------------------------------------------- */

static void remember(struct seen *seen, struct span labels, void *found)
{
	void **place = map_put(seen->sets, labels);
	if (place)
		*place = found;
}

/* Not seen by this worker before. When no more sets can come, all that there are become this worker's, and nothing is looked up any more. */
static void *look_up(struct event_metrics *s, struct event_metric *m, struct seen *seen, struct span labels)
{
	if (seen->all)
		return NULL;
	pthread_mutex_lock(&s->lock);
	void *found = find_or_make(s, m, labels);
	if (found)
		remember(seen, labels, found);
	if (atomic_load(&m->full)) {
		struct map_iter i = {0};
		while (map_next(m->sets, &i))
			remember(seen, i.key, i.value);
		seen->all = true;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

static void *series_of(
	struct event_metrics *s, struct event_metric *m, unsigned worker, struct span tag, struct span record)
{
	struct seen *seen = &m->seen[worker];
	uint8_t room[LABELS_MAX];
	struct buf labels = {.p = room, .cap = sizeof room, .max = sizeof room}; /* never grows */
	if (!seen->sets)
		seen->sets = map_new();
	if (!event_labels_put(m->labels, tag, record, &labels))
		return NULL; /* longer than anybody would look at */
	void *found = map_get(seen->sets, buf_span(&labels));
	return found ? found : look_up(s, m, seen, buf_span(&labels));
}

/* The number in a field; text that is a number is one as well. */
static bool number_of(struct span value, double *out)
{
	struct mp_token t;
	const uint8_t *p = value.p;
	char text[64], *end;
	if (mp_read(&p, value.p + value.n, &t) != MP_OK)
		return false;
	switch (t.type) {
	case MP_UINT:
		*out = (double)t.u;
		return true;
	case MP_INT:
		*out = (double)t.i;
		return true;
	case MP_FLOAT32:
	case MP_FLOAT64:
		*out = t.d;
		return isfinite(t.d);
	case MP_STR:
		if (!t.body.n || t.body.n >= sizeof text)
			return false;
		memcpy(text, t.body.p, t.body.n);
		text[t.body.n] = 0;
		*out = strtod(text, &end);
		return !*end && isfinite(*out);
	default:
		return false;
	}
}

static void add(const struct event_metric *m, void *to, double v, uint64_t times)
{
	switch ((enum metric_type)m->conf->type) {
	case METRIC_COUNTER:
		real_add(to, v * (double)times);
		return;
	case METRIC_GAUGE:
		real_set(to, v);
		return;
	case METRIC_SUMMARY:
	case METRIC_HISTOGRAM:
		histogram_observe(to, v, times);
		return;
	}
}

static void take_event(
	struct event_metrics *s, struct event_metric *m, unsigned worker, struct span tag, struct span record)
{
	double v = 1;
	if (m->key) {
		struct span field = record_path_get(m->key, record);
		if (!field.n || *field.p == 0xc0)
			return; /* not there, or nil */
		if (!number_of(field, &v) || (m->conf->type == METRIC_COUNTER && v < 0)) {
			counter_add(m->failed, 1);
			return;
		}
	}
	void *to = series_of(s, m, worker, tag, record);
	if (to)
		add(m, to, v, 1);
	else
		counter_add(m->overflow, 1);
}

static void take_each(struct event_metrics *s, struct event_metric *m, unsigned worker, const struct batch *b)
{
	const uint8_t *p = b->entries.p, *end = p + b->entries.n;
	struct event e;
	size_t used;
	for (; p < end; p += used) {
		enum event_result r = event_read(p, end, MP_DEPTH_LIMIT, &e, &used);
		if (r == EVENT_TORN)
			return;
		if (r == EVENT_OK)
			take_event(s, m, worker, b->tag, e.record);
	}
}

void event_metrics_take(struct event_metrics *s, struct ingest *in, const struct batch *b)
{
	unsigned worker = worker_index(ingest_worker(in));
	for (size_t i = 0; i < s->n; i++) {
		struct event_metric *m = s->v[i];
		if (m->key || !event_labels_are_of_tag(m->labels)) {
			take_each(s, m, worker, b);
			continue;
		}
		void *to = series_of(s, m, worker, b->tag, (struct span){0});
		if (to)
			add(m, to, 1, b->count);
		else
			counter_add(m->overflow, b->count);
	}
}
