#include "status_samples.h"

#include "base/clock.h"
#include "base/mem.h"
#include "dead_letter.h"
#include "flow.h"
#include "senders.h"

#include <event2/event.h>

struct output_rates {
	struct rate emitted, delivered;
};

struct status_samples {
	struct pipeline *pipeline;
	const struct watch *watch;
	struct dead_letters *dead;
	struct event *timer;
	int64_t last_ns; /* monotonic: the last tick */
	unsigned ticks;
	struct rate *sources;
	struct output_rates *outputs;
	/* the last hour */
	struct history_sample ring[HISTORY_STEPS];
	size_t used, next;
	struct status_totals before; /* at the last sample */
	int64_t before_ns;
};

/* ---- sums --------------------------------------------------------------------------------------------------------- */

static void add_source(const struct source *s, struct status_totals *t)
{
	t->received_events += counter_get(s->n.events);
	t->received_bytes += counter_get(s->n.bytes);
	t->messages += counter_get(s->n.messages);
	t->unmatched_events += counter_get(s->n.unmatched);
	t->refused_events += counter_get(s->n.refused);
	t->filtered_events += counter_get(s->n.filtered);
}

static void add_output(const struct output *o, struct status_totals *t)
{
	struct flow_status f;
	t->delivered_events += counter_get(o->n.delivered);
	if (!o->flow)
		return;
	flow_status(o->flow, &f);
	t->stored_events += f.buffer.durable_records;
	t->dropped_events += f.buffer.dropped_records;
	t->pending_events += f.buffer.stage_records + f.buffer.queue_records;
	t->pending_bytes += f.buffer.stage_bytes + f.buffer.queue_bytes;
	if (f.buffer.oldest_ns && (!t->oldest_ns || f.buffer.oldest_ns < t->oldest_ns))
		t->oldest_ns = f.buffer.oldest_ns;
}

void status_totals(const struct status_samples *s, struct status_totals *t)
{
	struct source *const *sources;
	struct output *const *outputs;
	size_t n = pipeline_sources(s->pipeline, &sources);
	*t = (struct status_totals){.dead_events = dead_letters_total(s->dead)};
	for (size_t i = 0; i < n; i++)
		add_source(sources[i], t);
	n = pipeline_outputs(s->pipeline, &outputs);
	for (size_t i = 0; i < n; i++)
		add_output(outputs[i], t);
}

/* ---- the last hour ------------------------------------------------------------------------------------------------ */

static double per_second(uint64_t now, uint64_t before, double seconds)
{
	return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static uint64_t lost(const struct status_totals *t)
{
	return t->dropped_events + t->unmatched_events + t->refused_events;
}

static void add_sample(struct status_samples *s, int64_t now_ns)
{
	struct status_totals t;
	double seconds = (double)(now_ns - s->before_ns) / 1e9;
	int64_t wall = clock_wall_ns();
	status_totals(s, &t);
	s->ring[s->next] = (struct history_sample){
		.at_s = wall / NS_PER_S,
		.received_per_s = per_second(t.received_events, s->before.received_events, seconds),
		.delivered_per_s = per_second(t.delivered_events, s->before.delivered_events, seconds),
		.dead_per_s = per_second(t.dead_events, s->before.dead_events, seconds),
		.lost_per_s = per_second(lost(&t), lost(&s->before), seconds),
		.pending_events = t.pending_events,
		.pending_bytes = t.pending_bytes,
		.oldest_s = t.oldest_ns && wall > t.oldest_ns ? (double)(wall - t.oldest_ns) / 1e9 : 0,
	};
	s->next = (s->next + 1) % HISTORY_STEPS;
	if (s->used < HISTORY_STEPS)
		s->used++;
	s->before = t;
	s->before_ns = now_ns;
}

static void tick_rates(struct status_samples *s, double seconds)
{
	struct source *const *sources;
	struct output *const *outputs;
	size_t n = pipeline_sources(s->pipeline, &sources);
	for (size_t i = 0; i < n; i++)
		rate_tick(&s->sources[i], counter_get(sources[i]->n.events), seconds);
	n = pipeline_outputs(s->pipeline, &outputs);
	for (size_t i = 0; i < n; i++) {
		rate_tick(&s->outputs[i].emitted, counter_get(outputs[i]->n.emitted_events), seconds);
		rate_tick(&s->outputs[i].delivered, counter_get(outputs[i]->n.delivered), seconds);
	}
	senders_tick(s->watch->senders, seconds, clock_wall_ns());
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct status_samples *s = arg;
	int64_t now = clock_mono_ns();
	(void)fd;
	(void)events;
	tick_rates(s, (double)(now - s->last_ns) / 1e9);
	s->last_ns = now;
	if (s->ticks++ % HISTORY_STEP_S == 0)
		add_sample(s, now);
}

/* Rates begin anew: a plugin's place in the list may be another one. */
void status_samples_set_pipeline(struct status_samples *s, struct pipeline *p)
{
	struct source *const *sources;
	struct output *const *outputs;
	mem_free(s->sources);
	mem_free(s->outputs);
	s->pipeline = p;
	s->sources = mem_array(pipeline_sources(p, &sources), sizeof *s->sources);
	s->outputs = mem_array(pipeline_outputs(p, &outputs), sizeof *s->outputs);
}

struct status_samples *status_samples_new(
	struct event_base *base, struct pipeline *p, const struct watch *watch, struct dead_letters *dead)
{
	struct status_samples *s = mem_zalloc(sizeof *s);
	struct timeval second = {.tv_sec = 1};
	status_samples_set_pipeline(s, p);
	s->watch = watch;
	s->dead = dead;
	s->last_ns = s->before_ns = clock_mono_ns();
	s->timer = event_new(base, -1, EV_PERSIST, on_timer, s);
	if (s->timer && event_add(s->timer, &second) == 0)
		return s;
	status_samples_free(s);
	return NULL;
}

void status_samples_free(struct status_samples *s)
{
	if (!s)
		return;
	if (s->timer)
		event_free(s->timer);
	mem_free(s->sources);
	mem_free(s->outputs);
	mem_free(s);
}

double status_source_rate(const struct status_samples *s, size_t i)
{
	return s->sources[i].per_s;
}

double status_emitted_rate(const struct status_samples *s, size_t i)
{
	return s->outputs[i].emitted.per_s;
}

double status_delivered_rate(const struct status_samples *s, size_t i)
{
	return s->outputs[i].delivered.per_s;
}

const struct history_sample *status_history(const struct status_samples *s, size_t i)
{
	if (i >= s->used)
		return NULL;
	return &s->ring[(s->next + HISTORY_STEPS - s->used + i) % HISTORY_STEPS];
}
