#include "server.h"

#include "admin.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/vfs.h"
#include "conn.h"
#include "dead_letter.h"
#include "dead_service.h"
#include "flow.h"
#include "held.h"
#include "ingest.h"
#include "loaded.h"
#include "pipeline.h"
#include "rpc.h"
#include "dead_samples.h"
#include "senders.h"
#include "server_status.h"
#include "taps.h"
#include "unmatched.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define DRAIN_INPUT_NS (8 * NS_PER_S) /* sources end by themselves before that */

enum phase { PHASE_RUN, PHASE_DRAIN_INPUT, PHASE_DRAIN_OUTPUT, PHASE_END };

struct server {
	const struct cmdline *cmd;
	struct loaded conf;
	struct event_base *base;
	struct event *signals[6];
	struct event *pulse; /* while draining */
	struct admin *admin;
	struct rpc *rpc;
	struct unmatched *unmatched;
	struct watch watch;
	struct server_status *status;
	struct ingest_hub *hub;
	struct dead_letters *dead;
	struct held *held; /* NULL: nothing in the configuration holds events */
	struct dead_service *dead_service;
	struct worker *workers[INGEST_MAX_WORKERS];
	unsigned worker_count;
	struct worker *file_worker;
	size_t flows_open, sources_started;
	enum phase phase;
	int64_t phase_until_ns;
	bool ready;
};

struct event_base *server_base(struct server *s)
{
	return s->base;
}

struct worker **server_workers(struct server *s)
{
	return s->workers;
}

unsigned server_worker_count(const struct server *s)
{
	return s->worker_count;
}

struct pipeline *server_pipeline(struct server *s)
{
	return s->conf.pipeline;
}

const char *server_config_path(const struct server *s)
{
	return s->cmd->config;
}

struct worker *server_file_worker(struct server *s)
{
	return s->file_worker;
}

struct dead_letters *server_dead_letters(struct server *s)
{
	return s->dead;
}

struct metrics *server_metrics(struct server *s)
{
	return s->conf.metrics;
}

/* ---- configuration --------------------------------------------------------------------------------------------------- */

static void set_log_level(const struct cmdline *cmd, const struct system_conf *system)
{
	int level = system ? system->log_level : LOG_INFO;
	if (cmd->verbosity)
		level = LOG_INFO - cmd->verbosity;
	if (level < LOG_TRACE)
		level = LOG_TRACE;
	if (level > LOG_ERROR)
		level = LOG_ERROR;
	atomic_store(&log_threshold, level);
}

/* Each finding as a log line, so that it is found where logs are kept. */
static void log_report(const struct conf_report *report)
{
	for (size_t i = 0; i < report->n; i++) {
		const struct conf_finding *f = &report->v[i];
		char place[512];
		snprintf(place, sizeof place, "%s:%u:%u", f->pos.file ? f->pos.file : "command line", f->pos.line,
			f->pos.column);
		log_at(f->severity == CONF_ERROR      ? LOG_ERROR
			: f->severity == CONF_WARNING ? LOG_WARN
						      : LOG_INFO,
			NULL, f->text, LOG_S("at", place));
	}
}

int server_check(const struct cmdline *cmd)
{
	struct server s = {.cmd = cmd};
	struct conf_report report;
	struct buf out;
	conf_report_init(&report);
	buf_init(&out, 16 << 20);
	set_log_level(cmd, NULL);
	loaded_read(&s.conf, cmd, &report);
	loaded_print(&report, stderr);
	size_t errors = report.errors;
	if (!errors) {
		if (cmd->show) {
			conf_show(&system_conf_schema, s.conf.system, &out, 0);
			buf_put_byte(&out, '\n');
			pipeline_show(s.conf.pipeline, &out);
		} else {
			buf_printf(&out, "%s would load:\n", cmd->config ? cmd->config : "the command line");
			pipeline_describe(s.conf.pipeline, &out);
		}
		fputs(buf_cstr(&out), stdout);
	}
	if (cmd->dry_run && !errors)
		log_info(NULL, "finished dry run mode");
	fprintf(stderr, "weir: %zu error%s, %zu warning%s, %zu note%s\n", errors, errors == 1 ? "" : "s",
		report.warnings, report.warnings == 1 ? "" : "s", report.notes, report.notes == 1 ? "" : "s");
	buf_free(&out);
	conf_report_free(&report);
	loaded_free(&s.conf);
	return errors ? 1 : 0;
}

/* ---- the end, in steps -------------------------------------------------------------------------------------------------- */

static void each_output(struct server *s, void (*fn)(struct flow *f))
{
	struct output *const *v;
	size_t n = pipeline_outputs(s->conf.pipeline, &v);
	for (size_t i = 0; i < n && i < s->flows_open; i++)
		if (v[i]->flow)
			fn(v[i]->flow);
}

static bool sources_busy(struct server *s)
{
	struct source *const *v;
	size_t n = pipeline_sources(s->conf.pipeline, &v);
	for (size_t i = 0; i < n && i < s->sources_started; i++)
		if (v[i]->plugin->input->busy(v[i]))
			return true;
	return false;
}

static void begin_drain(struct server *s)
{
	struct source *const *v;
	struct timeval pulse = {.tv_usec = 20000};
	size_t n = pipeline_sources(s->conf.pipeline, &v);
	s->phase = PHASE_DRAIN_INPUT;
	s->ready = false;
	s->phase_until_ns = clock_mono_ns() + DRAIN_INPUT_NS;
	log_info(NULL, "shutting down: no new connections; what has been read is stored and acknowledged");
	for (size_t i = 0; i < n && i < s->sources_started; i++)
		v[i]->plugin->input->stop(v[i]);
	event_add(s->pulse, &pulse);
}

static void end_input(struct server *s)
{
	struct source *const *v;
	struct output *const *o;
	size_t n = pipeline_sources(s->conf.pipeline, &v);
	for (size_t i = 0; i < n && i < s->sources_started; i++)
		v[i]->plugin->input->end(v[i]);
	s->sources_started = 0;
	held_end(s->held, true);
	dead_service_stop(s->dead_service); /* what it replays goes into buffers */
	s->dead_service = NULL;
	each_output(s, flow_end_input);
	s->phase = PHASE_DRAIN_OUTPUT;
	s->phase_until_ns = 0;
	n = pipeline_outputs(s->conf.pipeline, &o);
	for (size_t i = 0; i < n && i < s->flows_open; i++) {
		int64_t deadline;
		if (o[i]->flow && flow_drain_wanted(o[i]->flow, &deadline) && deadline > s->phase_until_ns)
			s->phase_until_ns = deadline;
	}
	if (s->phase_until_ns) {
		log_info(NULL, "flushing the buffers (flush_at_shutdown); a second signal leaves the rest on disk",
			LOG_I("seconds_at_most", (s->phase_until_ns - clock_mono_ns()) / NS_PER_S));
		each_output(s, flow_flush);
	}
}

static bool drain_is_over(struct server *s)
{
	struct output *const *v;
	size_t n = pipeline_outputs(s->conf.pipeline, &v);
	if (clock_mono_ns() >= s->phase_until_ns)
		return true;
	for (size_t i = 0; i < n && i < s->flows_open; i++) {
		int64_t deadline;
		if (v[i]->flow && flow_drain_wanted(v[i]->flow, &deadline) && !flow_is_empty(v[i]->flow))
			return false;
	}
	return true;
}

static void on_pulse(evutil_socket_t fd, short events, void *arg)
{
	struct server *s = arg;
	(void)fd;
	(void)events;
	if (s->phase == PHASE_DRAIN_INPUT && (!sources_busy(s) || clock_mono_ns() >= s->phase_until_ns))
		end_input(s);
	if (s->phase == PHASE_DRAIN_OUTPUT && drain_is_over(s)) {
		s->phase = PHASE_END;
		event_base_loopbreak(s->base);
	}
}

/* ---- signals ---------------------------------------------------------------------------------------------------------------- */

static void on_end_signal(evutil_socket_t number, short events, void *arg)
{
	struct server *s = arg;
	(void)events;
	if (s->phase == PHASE_RUN) {
		log_info(NULL, "Received graceful stop", LOG_S("signal", strsignal((int)number)));
		begin_drain(s);
	} else {
		log_warn(NULL, "a second signal: leaving at once; what is not delivered stays on disk");
		s->phase = PHASE_END;
		event_base_loopbreak(s->base);
	}
}

static void on_flush_signal(evutil_socket_t number, short events, void *arg)
{
	struct server *s = arg;
	(void)number;
	(void)events;
	if (!log_reopen())
		log_error(NULL, "the log file cannot be opened anew: the old one goes on",
			LOG_S("error", strerror(errno)));
	log_info(NULL, "force flushing buffered events");
	each_output(s, flow_flush);
}

static bool add_signals(struct server *s)
{
	static const struct {
		int number;
		void (*fn)(evutil_socket_t, short, void *);
	} list[] = {{SIGTERM, on_end_signal}, {SIGINT, on_end_signal}, {SIGUSR1, on_flush_signal}};
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		s->signals[i] = evsignal_new(s->base, list[i].number, list[i].fn, s);
		if (!s->signals[i] || event_add(s->signals[i], NULL) < 0)
			return false;
	}
	return true;
}

/* ---- the start ---------------------------------------------------------------------------------------------------------------- */

/* As many descriptors as the hard limit allows: each sender is one. */
static void raise_limits(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* Message buffers come and go by the hundred kilobytes: giving them back to the system each time costs page faults. */
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
	mallopt(M_ARENA_MAX, 4);
}

static void set_rotation(const struct server *s, const struct system_log_conf *c)
{
	struct system_log_conf own = {.rotate_size = CONF_NIL_INT};
	if (c)
		own = *c;
	if (s->cmd->rotate_age)
		own.rotate_age = s->cmd->rotate_age;
	if (s->cmd->rotate_size)
		own.rotate_size = s->cmd->rotate_size;
	struct log_rotation rotation = system_log_rotation(&own);
	log_set_rotation(&rotation);
}

static bool open_log(struct server *s, struct err *err)
{
	const struct system_log_conf *c = s->conf.system->log.n ? s->conf.system->log.v[0] : NULL;
	const char *path = s->cmd->log_path ? s->cmd->log_path : c ? c->path : NULL;
	if (path && !log_open(path))
		return err_sys(err, errno, "the log file %s cannot be opened", path);
	if (c) {
		log_set_format((enum log_format)c->format);
		log_set_time_format(c->time_format);
	}
	set_rotation(s, c);
	return true;
}

/* Makes a folder and those above it. */
static bool make_folders(const char *path, struct err *err)
{
	char *p = mem_strdup(path);
	bool ok = true;
	for (char *slash = strchr(p + 1, '/'); slash && ok; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		ok = vfs_posix.mkdir(vfs_posix.ctx, p, 0755) == 0 || errno == EEXIST;
		*slash = '/';
	}
	if (ok)
		ok = vfs_posix.mkdir(vfs_posix.ctx, p, 0750) == 0 || errno == EEXIST;
	mem_free(p);
	return ok ? true
		  : err_sys(err, errno, "the folder %s cannot be made; set <system> root_dir, or $WEIR_STATE_DIR",
			    path);
}

static bool open_dead_letters(struct server *s, struct err *err)
{
	const struct system_dead_conf *c = s->conf.system->dead_letters.n ? s->conf.system->dead_letters.v[0] : NULL;
	const char *root = system_state_dir(s->conf.system);
	char *path = loaded_dead_path(&s->conf);
	bool ok = make_folders(root, err);
	if (ok) {
		s->dead = dead_letters_open(path, c ? (uint64_t)c->total_limit_size : 1u << 30, c && c->overflow,
			s->hub, s->conf.metrics, err);
		ok = s->dead != NULL;
		if (ok)
			ingest_hub_set_dead(s->hub, s->dead);
	}
	mem_free(path);
	return ok;
}

static unsigned wanted_workers(const struct server *s)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long n = s->conf.system->workers != CONF_NIL_INT ? (long)s->conf.system->workers : cpus;
	unsigned most = INGEST_MAX_WORKERS - 1; /* and the one for files */
	return n < 1 ? 1 : n > most ? most : (unsigned)n;
}

static struct worker *start_worker(struct server *s, unsigned index, struct err *err)
{
	struct worker *w = worker_start(index, s->hub, err);
	if (w)
		ingest_hub_add(s->hub, w);
	return w;
}

static bool start_workers(struct server *s, struct err *err)
{
	unsigned n = wanted_workers(s);
	for (; s->worker_count < n; s->worker_count++) {
		struct worker *w = start_worker(s, s->worker_count, err);
		if (!w)
			return false;
		s->workers[s->worker_count] = w;
	}
	s->file_worker = start_worker(s, n, err);
	return s->file_worker != NULL;
}

static bool open_flows(struct server *s, struct err *err)
{
	struct output *const *v;
	size_t n = pipeline_outputs(s->conf.pipeline, &v);
	for (size_t i = 0; i < n; i++) {
		if (v[i]->flow) {
			const char *path = flow_path(v[i]->flow);
			char *parent = mem_strdup(path);
			char *slash = strrchr(parent, '/');
			if (slash && slash > parent && !flow_in_memory(v[i]->flow)) {
				*slash = 0;
				if (!make_folders(parent, err)) {
					mem_free(parent);
					return false;
				}
			}
			mem_free(parent);
			s->flows_open = i + 1;
			if (!flow_open(v[i]->flow, s->hub, s->conf.metrics, err))
				return false;
		}
	}
	s->flows_open = n;
	for (size_t i = 0; i < n; i++)
		if (v[i]->flow && !flow_start(v[i]->flow, err))
			return false;
	return true;
}

/* What the plugins held when weir ended is theirs again before any source speaks. */
static bool start_held(struct server *s, struct err *err)
{
	struct holder *const *v;
	size_t n = pipeline_holders(s->conf.pipeline, &v);
	char *path = mem_printf("%s/held", system_state_dir(s->conf.system));
	if (!n) {
		held_warn(path);
		mem_free(path);
		return true;
	}
	s->held = held_open(path, v, n, s->hub, s->conf.metrics, err);
	mem_free(path);
	return s->held && held_start(s->held, s->workers[0], pipeline_held_source(s->conf.pipeline), err);
}

static bool start_sources(struct server *s, struct err *err)
{
	struct source *const *v;
	size_t n = s->conf.system->without_source ? 0 : pipeline_sources(s->conf.pipeline, &v);
	for (size_t i = 0; i < n; i++) {
		s->sources_started = i + 1;
		if (!v[i]->plugin->input->start(v[i], s, err))
			return err_wrap(err, "the source %s cannot be started", v[i]->id);
	}
	return true;
}

static bool start_status(struct server *s, struct err *err)
{
	struct status_parts parts = {
		.base = s->base,
		.metrics = s->conf.metrics,
		.pipeline = s->conf.pipeline,
		.watch = &s->watch,
		.dead = s->dead,
		.config = s->cmd->config,
		.workers = s->worker_count,
		.started_ns = clock_wall_ns(),
		.ready = &s->ready,
	};
	s->status = server_status_new(&parts);
	return s->status || err_set(err, "no memory for the status");
}

/* Tools that cannot open the store while this process has it ask here. Without it all else works. */
static void start_dead_service(struct server *s)
{
	struct err err;
	char *path = loaded_dead_path(&s->conf);
	s->dead_service = dead_service_start(path, s->dead, s->conf.pipeline, &err);
	if (!s->dead_service)
		log_warn(NULL, "`weir deadletter replay` and `drop` will not work before weir has ended",
			LOG_S("error", err.text));
	mem_free(path);
}

static bool start_admin(struct server *s, struct err *err)
{
	const struct system_admin_conf *c = s->conf.system->admin.n ? s->conf.system->admin.v[0] : NULL;
	const char *rpc = s->conf.system->rpc_endpoint;
	if (rpc && !(s->rpc = rpc_start(s->base, rpc, &s->conf, err)))
		return err_wrap(err, "rpc_endpoint %s", rpc);
	if (!c)
		return true;
	s->admin = admin_new(s->base);
	if (!s->admin || !admin_listen(s->admin, c->bind, (uint16_t)c->port, err))
		return false;
	server_status_routes(s->status, s->admin);
	log_info(NULL, "admin endpoint", LOG_S("bind", c->bind), LOG_U("port", admin_port(s->admin, 0)));
	return true;
}

static void banner(struct server *s)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	pipeline_describe(s->conf.pipeline, &out);
	log_info(NULL, "starting weir", LOG_S("version", WEIR_VERSION), LOG_I("pid", getpid()),
		LOG_S("config", s->cmd->config), LOG_U("workers", wanted_workers(s)));
	for (char *line = buf_take(&out), *p = line, *end; line; p = end + 1) {
		end = p ? strchr(p, '\n') : NULL;
		if (!end) {
			mem_free(line);
			break;
		}
		*end = 0;
		log_info(NULL, p);
	}
}

static bool start(struct server *s, struct err *err)
{
	sigset_t all, old;
	banner(s);
	evthread_use_pthreads();
	signal(SIGPIPE, SIG_IGN);
	s->base = event_base_new();
	s->pulse = s->base ? event_new(s->base, -1, EV_PERSIST, on_pulse, s) : NULL;
	if (!s->pulse || !add_signals(s))
		return err_set(err, "the main event loop cannot be made");
	conn_set_memory_limit((size_t)s->conf.system->input_memory_limit);
	s->unmatched = unmatched_new();
	s->watch = (struct watch){.senders = senders_new(), .dead_samples = dead_samples_new(), .taps = taps_new()};
	s->hub = ingest_hub_new(s->unmatched, &s->watch);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	bool ok = start_workers(s, err) && open_dead_letters(s, err) && open_flows(s, err) && start_held(s, err) &&
		  start_status(s, err) && start_sources(s, err);
	if (ok)
		start_dead_service(s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ok && start_admin(s, err);
}

static void stop(struct server *s)
{
	struct source *const *v;
	size_t n = s->conf.pipeline ? pipeline_sources(s->conf.pipeline, &v) : 0;
	for (size_t i = 0; i < n && i < s->sources_started; i++) {
		v[i]->plugin->input->stop(v[i]);
		v[i]->plugin->input->end(v[i]);
	}
	held_end(s->held, false);
	admin_free(s->admin);
	rpc_stop(s->rpc);
	server_status_free(s->status);
	dead_service_stop(s->dead_service);
	each_output(s, flow_stop);
	each_output(s, flow_join);
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
	for (size_t i = 0; i < sizeof s->signals / sizeof *s->signals; i++)
		if (s->signals[i])
			event_free(s->signals[i]);
	if (s->pulse)
		event_free(s->pulse);
	if (s->base)
		event_base_free(s->base);
}

int server_run(const struct cmdline *cmd)
{
	struct server s = {.cmd = cmd};
	struct conf_report report;
	struct err err;
	conf_report_init(&report);
	raise_limits();
	set_log_level(cmd, NULL);
	loaded_read(&s.conf, cmd, &report);
	bool good = !report.errors;
	if (good) {
		set_log_level(cmd, s.conf.system);
		pipeline_set_log_levels(s.conf.pipeline);
		if (system_umask(s.conf.system) >= 0)
			umask((mode_t)system_umask(s.conf.system));
		if (!open_log(&s, &err)) {
			log_error(NULL, err.text);
			good = false;
		}
	}
	if (!good || !isatty(STDERR_FILENO))
		log_report(&report);
	else
		loaded_print(&report, stderr);
	conf_report_free(&report);
	int status = 1;
	if (good && start(&s, &err)) {
		s.ready = true;
		log_info(NULL, "weir is now running");
		event_base_loop(s.base, EVLOOP_NO_EXIT_ON_EMPTY);
		status = 0;
	} else if (good) {
		log_error(NULL, "weir cannot start", LOG_S("error", err.text));
	} else {
		log_error(NULL, "the configuration cannot be used: nothing was started", LOG_S("config", cmd->config));
	}
	if (good)
		stop(&s);
	loaded_free(&s.conf);
	log_info(NULL, "weir has ended", LOG_I("status", status));
	return status;
}
