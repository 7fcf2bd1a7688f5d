/* server_end.c: the end of the server, in steps (server.h), and what a reload shares with it. */
#include "admin.h"
#include "base/clock.h"
#include "dead_letter.h"
#include "dead_samples.h"
#include "dead_service.h"
#include "flow.h"
#include "held.h"
#include "peer.h"
#include "rpc.h"
#include "senders.h"
#include "server_impl.h"
#include "server_status.h"
#include "sources.h"
#include "taps.h"
#include "unmatched.h"

static void each_flow_of(const struct pipeline *p, void (*fn)(struct flow *f))
{
	struct output *const *v;
	size_t n = p ? pipeline_outputs(p, &v) : 0;
	for (size_t i = 0; i < n; i++)
		if (v[i]->flow && flow_buffer(v[i]->flow))
			fn(v[i]->flow);
}

static void each_flow(struct server *s, void (*fn)(struct flow *f))
{
	each_flow_of(s->conf.pipeline, fn);
	for (struct generation *g = s->retired; g; g = g->next)
		each_flow_of(g->conf.pipeline, fn);
}

static void each_pipeline(const struct server *s, void (*fn)(const struct pipeline *p))
{
	fn(s->conf.pipeline);
	for (const struct generation *g = s->retired; g; g = g->next)
		fn(g->conf.pipeline);
}

static bool sources_busy(const struct server *s)
{
	bool busy = sources_are_busy(s->conf.pipeline);
	for (const struct generation *g = s->retired; g && !busy; g = g->next)
		busy = sources_are_busy(g->conf.pipeline);
	return busy;
}

static void end_sources(const struct pipeline *p)
{
	(void)sources_end(p, true);
}

void server_begin_end(struct server *s)
{
	struct timeval pulse = {.tv_usec = 20000};
	s->phase = PHASE_LAST_IN;
	s->ready = false;
	s->phase_until_ns = clock_mono_ns() + LAST_IN_NS;
	drop_connection_requests();
	event_add(s->pulse, &pulse);
}

static void stop_input(struct server *s)
{
	s->phase = PHASE_DRAIN_INPUT;
	s->phase_until_ns = clock_mono_ns() + DRAIN_INPUT_NS;
	log_info(NULL, "shutting down: no new connections; what has been read is stored and acknowledged");
	each_pipeline(s, sources_stop);
}

/* A buffer that another flow has taken over has its end there. */
static void end_flow_input(struct flow *f)
{
	if (!flow_is_disowned(f))
		flow_end_input(f);
}

/* The latest deadline of the buffers that are to be empty; 0 = of none. */
static int64_t drain_deadline(struct server *s)
{
	int64_t latest = 0, deadline;
	struct output *const *v;
	size_t n = pipeline_outputs(s->conf.pipeline, &v);
	for (size_t i = 0; i < n; i++)
		if (v[i]->flow && flow_drain_wanted(v[i]->flow, &deadline) && deadline > latest)
			latest = deadline;
	return latest;
}

static void end_input(struct server *s)
{
	each_pipeline(s, end_sources);
	held_end(s->held, true);
	dead_service_stop(s->dead_service); /* what it replays goes into buffers */
	s->dead_service = NULL;
	each_flow(s, end_flow_input);
	s->phase = PHASE_DRAIN_OUTPUT;
	s->phase_until_ns = drain_deadline(s);
	if (s->phase_until_ns) {
		log_info(NULL, "flushing the buffers (flush_at_shutdown); a second signal leaves the rest on disk",
			LOG_I("seconds_at_most", (s->phase_until_ns - clock_mono_ns()) / NS_PER_S));
		each_flow(s, flow_flush);
	}
}

static bool drain_is_over(struct server *s)
{
	struct output *const *v;
	size_t n = pipeline_outputs(s->conf.pipeline, &v);
	if (clock_mono_ns() >= s->phase_until_ns)
		return true;
	for (size_t i = 0; i < n; i++) {
		int64_t deadline;
		if (v[i]->flow && flow_drain_wanted(v[i]->flow, &deadline) && !flow_is_empty(v[i]->flow))
			return false;
	}
	return true;
}

void server_on_pulse(evutil_socket_t fd, short events, void *arg)
{
	struct server *s = arg;
	(void)fd;
	(void)events;
	if (s->phase == PHASE_LAST_IN && clock_mono_ns() >= s->phase_until_ns)
		stop_input(s);
	if (s->phase == PHASE_DRAIN_INPUT && (!sources_busy(s) || clock_mono_ns() >= s->phase_until_ns))
		end_input(s);
	if (s->phase == PHASE_DRAIN_OUTPUT && drain_is_over(s)) {
		s->phase = PHASE_END;
		event_base_loopbreak(s->base);
	}
}

static void free_events(struct server *s)
{
	for (size_t i = 0; i < sizeof s->signals / sizeof *s->signals; i++)
		if (s->signals[i])
			event_free(s->signals[i]);
	if (s->pulse)
		event_free(s->pulse);
	file_watch_free(s->files);
	if (s->reload_pulse)
		event_free(s->reload_pulse);
	if (s->base)
		event_base_free(s->base);
}

/* Threads that still work on a buffer which is another flow's end before that one closes it. */
static void join_disowned(struct flow *f)
{
	if (flow_is_disowned(f))
		flow_join(f);
}

void server_stop(struct server *s)
{
	each_pipeline(s, sources_stop);
	each_pipeline(s, end_sources);
	held_end(s->held, false);
	admin_free(s->admin);
	rpc_stop(s->rpc);
	server_status_free(s->status);
	dead_service_stop(s->dead_service);
	each_flow(s, flow_stop);
	each_flow(s, join_disowned);
	each_flow(s, flow_join);
	held_close(s->held);
	dead_letters_close(s->dead);
	for (unsigned i = 0; i < s->worker_count; i++)
		worker_stop(s->workers[i]);
	worker_stop(s->file_worker);
	ingest_hub_free(s->hub);
	unmatched_free(s->unmatched);
	taps_free(s->watch.taps);
	dead_samples_free(s->watch.dead_samples);
	senders_free(s->watch.senders);
	free_events(s);
	confine_free(s->confinement);
}

void server_flush(struct server *s)
{
	each_flow(s, flow_flush);
}
