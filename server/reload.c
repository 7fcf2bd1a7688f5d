/*
 * reload.c: a new configuration takes the place of the running one (SIGHUP, SIGUSR2, the RPC endpoint, a changed certificate or secret).
 *
 *     read and check all of it ─ open the buffers that are new ─ park the workers: swap ─ end sources that are gone ─ start those that are new
 *
 * Sources that both have in the same words go on with their sockets and connections. Buffers that both have (by their path) are handed on with what is in
 * them; flush threads of before finish the chunk that they are at. What plugins hold back that have changed goes on, the old way. A configuration with a mistake changes nothing.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dead_service.h"
#include "flow.h"
#include "held.h"
#include "peer.h"
#include "server_impl.h"
#include "server_status.h"
#include "sources.h"

#include <pthread.h>
#include <signal.h>

#define PULSE_MS 20

/* ---- what cannot be taken over --------------------------------------------------------------------------------------- */

/* Says why not. */
static bool can_take_over(struct server *s, const struct loaded *fresh)
{
	struct err err;
	if (!confine_allows(s->confinement, fresh, &err)) {
		log_error(NULL,
			"the new configuration cannot be reloaded: the old one goes on; restart weir, once with "
			"<system> confine false if that happens often",
			LOG_S("error", err.text));
		return false;
	}
	return true;
}

static void tell_of_system(const struct loaded *old, const struct loaded *fresh)
{
	struct buf names;
	buf_init(&names, 4096);
	system_put_restarts(old->system, fresh->system, &names);
	if (names.n)
		log_warn(NULL,
			"these of <system> have changed, and count from the next start; all else does from now on",
			LOG_B("changed", buf_span(&names)));
	buf_free(&names);
}

/* ---- buffers --------------------------------------------------------------------------------------------------------- */

static struct flow *find_flow(const struct pipeline *p, const struct flow *like)
{
	struct output *const *v;
	size_t n = pipeline_outputs(p, &v);
	for (size_t i = 0; i < n; i++)
		if (v[i]->flow && flow_buffer(v[i]->flow) && !flow_is_disowned(v[i]->flow) &&
			flow_same_buffer(v[i]->flow, like))
			return v[i]->flow;
	return NULL;
}

/* The running flow, of this configuration or of one before, that has the buffer of this new one. */
static struct flow *owner_of(struct server *s, const struct flow *like)
{
	struct flow *f = find_flow(s->conf.pipeline, like);
	for (struct generation *g = s->retired; !f && g; g = g->next)
		f = find_flow(g->conf.pipeline, like);
	return f;
}

static bool open_flow(struct server *s, struct flow *f, struct err *err)
{
	return owner_of(s, f) ? flow_prepare(f, s->hub, s->conf.metrics, err) : server_open_flow(s, f, err);
}

static void each_new_flow(const struct loaded *fresh, void (*fn)(struct server *s, struct flow *f), struct server *s)
{
	struct output *const *v;
	size_t n = pipeline_outputs(fresh->pipeline, &v);
	for (size_t i = 0; i < n; i++)
		if (v[i]->flow)
			fn(s, v[i]->flow);
}

static bool open_flows(struct server *s, const struct loaded *fresh, struct err *err)
{
	struct output *const *v;
	size_t n = pipeline_outputs(fresh->pipeline, &v);
	for (size_t i = 0; i < n; i++)
		if (v[i]->flow && !open_flow(s, v[i]->flow, err))
			return false;
	return true;
}

static void close_flow(struct server *s, struct flow *f)
{
	(void)s;
	if (flow_buffer(f))
		flow_join(f);
}

static void inherit_flow(struct server *s, struct flow *f)
{
	if (flow_buffer(f))
		return;
	flow_inherit(f, owner_of(s, f));
	flow_configure(f);
}

static void start_flow(struct server *s, struct flow *f)
{
	struct err err;
	(void)s;
	if (!flow_start(f, &err))
		log_error(NULL, "after the reload fewer flush threads work than the configuration asks for",
			LOG_S("error", err.text));
}

/*
 * A buffer that nothing leads to any more is still delivered from, until weir ends or a configuration has it again: also one that had been left over by a
 * configuration before the `latest`.
 */
static void retire_flows(const struct pipeline *old, bool latest)
{
	struct output *const *v;
	size_t n = pipeline_outputs(old, &v);
	for (size_t i = 0; i < n; i++) {
		struct flow *f = v[i]->flow;
		if (!f || !flow_buffer(f))
			continue;
		if (flow_is_disowned(f))
			flow_retire(f);
		else if (latest)
			log_warn(v[i]->id,
				"the new configuration does not have this output: what is in its buffer is still "
				"delivered as before",
				LOG_S("path", flow_path(f)));
	}
}

/* ---- the swap -------------------------------------------------------------------------------------------------------- */

struct swap {
	struct server *s;
	struct loaded *fresh;
	bool held_is_new; /* no plugin held events before this one */
};

static void forget_routes(struct server *s)
{
	for (unsigned i = 0; i < s->worker_count; i++)
		ingest_forget_routes(worker_ingest(s->workers[i]));
	ingest_forget_routes(worker_ingest(s->file_worker));
}

static void swap_held(struct server *s, const struct pipeline *fresh)
{
	struct holder **const *v;
	size_t n = pipeline_holders(fresh, &v);
	held_take_over(s->held, v, n, pipeline_held_source(fresh));
}

/* While no worker does anything. */
static void swap(void *arg)
{
	struct swap *x = arg;
	struct server *s = x->s;
	if (s->held && !x->held_is_new)
		swap_held(s, x->fresh->pipeline);
	each_new_flow(x->fresh, inherit_flow, s);
	pipeline_take_over(x->fresh->pipeline, s->conf.pipeline);
	for (struct generation *g = s->retired; g; g = g->next)
		pipeline_take_over(x->fresh->pipeline, g->conf.pipeline);
	sources_renew(x->fresh->pipeline);
	forget_routes(s);
}

static void park_all(struct server *s, void (*fn)(void *arg), void *arg)
{
	struct worker *all[INGEST_MAX_WORKERS + 1];
	for (unsigned i = 0; i < s->worker_count; i++)
		all[i] = s->workers[i];
	all[s->worker_count] = s->file_worker;
	workers_parked(all, s->worker_count + 1, fn, arg);
}

/* What plugins of before hold that have changed goes on as it is; what waits in the journal since an earlier life is theirs who hold events now. */
static void go_on_holding(struct server *s, bool is_new)
{
	struct err err;
	if (s->held && !is_new)
		held_flush_leaving(s->held);
	else if (s->held && !held_start(s->held, s->workers[0], pipeline_held_source(s->conf.pipeline), &err))
		log_error(NULL, "the journal of events that wait for others is not tidied up before the next start",
			LOG_S("error", err.text));
}

static void swap_in(struct server *s, struct loaded *fresh, bool held_is_new)
{
	struct swap x = {s, fresh, held_is_new};
	struct err err;
	struct generation *g = mem_zalloc(sizeof *g);
	/* Before the files are read again: what changes from now on is seen at the next look. */
	file_watch_set(s->files, fresh->tree);
	dead_service_stop(s->dead_service); /* it appends to buffers from a thread of its own */
	park_all(s, swap, &x);
	g->conf = s->conf;
	g->next = s->retired;
	s->retired = g;
	s->conf = *fresh;
	s->conf.lent = g->conf.lent; /* the metrics go on with the latest one */
	g->conf.lent = true;
	go_on_holding(s, held_is_new);
	server_status_set_pipeline(s->status, s->conf.pipeline);
	server_start_dead_service(s);
	log_set_plugin_levels(NULL, 0);
	if (!server_apply_system(s, &err))
		log_error(NULL, "after the reload the log goes on where it was", LOG_S("error", err.text));
	for (const struct generation *old = g; old; old = old->next)
		retire_flows(old->conf.pipeline, old == g);
	each_new_flow(&s->conf, start_flow, s);
}

/* ---- sources that begin ---------------------------------------------------------------------------------- */

/* One that cannot be started is tried again with each pulse of a second. */
static bool start_sources(struct server *s, bool tell)
{
	struct source *const *v;
	struct err err;
	bool all = true;
	size_t n = s->conf.system->without_source ? 0 : pipeline_sources(s->conf.pipeline, &v);
	for (size_t i = 0; i < n; i++) {
		if (v[i]->started)
			continue;
		v[i]->started = v[i]->plugin->input->start(v[i], s, &err);
		if (v[i]->started)
			continue;
		all = false;
		source_stop(v[i]);
		if (tell)
			log_error(v[i]->id,
				"the source cannot be started: the rest of the new configuration works; weir tries "
				"again each second",
				LOG_S("error", err.text));
	}
	return all;
}

/* ---- what is left of configurations before ------------------------------------------------------------------------------ */

static bool flows_have_ended(const struct pipeline *p)
{
	struct output *const *v;
	bool all = true;
	size_t n = pipeline_outputs(p, &v);
	for (size_t i = 0; i < n; i++) {
		struct flow *f = v[i]->flow;
		if (!f || !flow_buffer(f))
			continue;
		if (flow_is_disowned(f) && flow_has_ended(f))
			flow_join(f);
		else
			all = false;
	}
	return all;
}

static bool is_in_use(struct server *s, const struct generation *g)
{
	bool used = pipeline_has_source_of(s->conf.pipeline, g->conf.pipeline);
	for (const struct generation *x = s->retired; x && !used; x = x->next)
		used = x != g && pipeline_has_source_of(x->conf.pipeline, g->conf.pipeline);
	return used;
}

static void forget_left(void *arg)
{
	struct server *s = arg;
	held_forget_left(s->held);
	forget_routes(s); /* what left went the old ways */
}

static void free_unused(struct server *s)
{
	if (s->held && held_is_leaving(s->held)) {
		if (!held_has_left(s->held))
			return;
		park_all(s, forget_left, s);
	}
	for (struct generation **at = &s->retired; *at;) {
		struct generation *g = *at;
		if (!flows_have_ended(g->conf.pipeline) || !sources_have_ended(g->conf.pipeline) || is_in_use(s, g)) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		loaded_free(&g->conf);
		mem_free(g);
	}
}

void server_free_retired(struct server *s)
{
	while (s->retired) {
		struct generation *g = s->retired;
		s->retired = g->next;
		loaded_free(&g->conf);
		mem_free(g);
	}
}

/* ---- in steps ---------------------------------------------------------------------------------------------------------- */

static void with_signals_blocked(struct server *s, struct loaded *fresh, bool held_is_new)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	swap_in(s, fresh, held_is_new);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void next_pulse(struct server *s, int64_t ms)
{
	struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	event_add(s->reload_pulse, &t);
}

static void on_pulse(evutil_socket_t fd, short events, void *arg)
{
	struct server *s = arg;
	(void)fd;
	(void)events;
	if (s->phase != PHASE_RUN)
		return;
	if (s->reloading) {
		if (!sources_end(s->retired->conf.pipeline, clock_mono_ns() >= s->reload_until_ns)) {
			next_pulse(s, PULSE_MS);
			return;
		}
		s->reloading = false;
		start_sources(s, true);
		hold_sockets(false);
		log_info(NULL, "reloaded: the new configuration is in force");
		sources_warn_of_open(s->conf.pipeline);
		if (s->reload_again) {
			s->reload_again = false;
			server_reload(s, "asked for again");
			return;
		}
	}
	bool all = start_sources(s, false);
	free_unused(s);
	if (s->retired || !all)
		next_pulse(s, 1000);
}

static void take_over(struct server *s, struct loaded *fresh, bool held_is_new)
{
	tell_of_system(&s->conf, fresh);
	hold_sockets(true);
	with_signals_blocked(s, fresh, held_is_new);
	sources_stop(s->retired->conf.pipeline);
	s->reloading = true;
	s->reload_until_ns = clock_mono_ns() + DRAIN_INPUT_NS;
	on_pulse(-1, 0, s);
}

static void on_file(void *arg)
{
	server_reload(arg, "a certificate, a key or a file that the configuration reads has changed");
}

bool server_watch_files(struct server *s, struct err *err)
{
	s->files = file_watch_new(s->base, on_file, s);
	if (!s->files)
		return err_set(err, "no memory to watch certificates and secrets");
	file_watch_set(s->files, s->conf.tree);
	return true;
}

void server_reload(struct server *s, const char *why)
{
	struct loaded fresh;
	struct conf_report report;
	struct err err;
	bool held_is_new = !s->held;
	if (s->phase != PHASE_RUN)
		return;
	if (s->reloading) {
		s->reload_again = true;
		return;
	}
	if (!s->reload_pulse && !(s->reload_pulse = event_new(s->base, -1, 0, on_pulse, s))) {
		log_error(NULL, "no memory for a reload: the old configuration goes on");
		return;
	}
	log_info(NULL, "reloading the configuration", LOG_S("why", why), LOG_S("config", s->cmd->config));
	conf_report_init(&report);
	loaded_read_again(&fresh, s->cmd, s->conf.metrics, &report);
	server_log_report(&report);
	bool good = !report.errors;
	conf_report_free(&report);
	if (!good) {
		log_error(NULL, "the new configuration cannot be used: the old one goes on, nothing has changed");
		loaded_free(&fresh);
	} else if (!can_take_over(s, &fresh)) {
		loaded_free(&fresh);
	} else if (!open_flows(s, &fresh, &err) || (held_is_new && !server_open_held(s, fresh.pipeline, &err))) {
		log_error(NULL, "the new configuration cannot be used: the old one goes on", LOG_S("error", err.text));
		each_new_flow(&fresh, close_flow, s);
		loaded_free(&fresh);
	} else {
		take_over(s, &fresh, held_is_new);
	}
}
