#include "server.h"

#include "server_impl.h"

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
#include "sources.h"
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

void server_set_log_level(const struct cmdline *cmd, const struct system_conf *system)
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
void server_log_report(const struct conf_report *report)
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
	report.contacts_nobody = true;
	buf_init(&out, 16 << 20);
	server_set_log_level(cmd, NULL);
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

/* ---- signals ---------------------------------------------------------------------------------------------------------------- */

static void on_end_signal(evutil_socket_t number, short events, void *arg)
{
	struct server *s = arg;
	(void)events;
	if (s->phase == PHASE_RUN) {
		log_info(NULL, "Received graceful stop", LOG_S("signal", strsignal((int)number)));
		server_begin_end(s);
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
	server_flush(s);
}

static void on_reload_signal(evutil_socket_t number, short events, void *arg)
{
	(void)events;
	server_reload(arg, strsignal((int)number));
}

static bool add_signals(struct server *s)
{
	static const struct {
		int number;
		void (*fn)(evutil_socket_t, short, void *);
	} list[] = {{SIGTERM, on_end_signal}, {SIGINT, on_end_signal}, {SIGUSR1, on_flush_signal},
		{SIGHUP, on_reload_signal}, {SIGUSR2, on_reload_signal}};
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

static bool open_log(const struct server *s, struct err *err)
{
	const struct system_log_conf *c = s->conf.system->log.n ? s->conf.system->log.v[0] : NULL;
	const char *path = s->cmd->log_path ? s->cmd->log_path : c ? c->path : NULL;
	if (!log_open(path))
		return err_sys(err, errno, "the log file %s cannot be opened", path);
	log_set_format(c ? (enum log_format)c->format : LOG_TEXT);
	log_set_time_format(c ? c->time_format : NULL);
	set_rotation(s, c);
	return true;
}

bool server_apply_system(struct server *s, struct err *err)
{
	const struct system_conf *c = s->conf.system;
	server_set_log_level(s->cmd, c);
	pipeline_set_log_levels(s->conf.pipeline);
	if (system_umask(c) >= 0)
		umask((mode_t)system_umask(c));
	conn_set_memory_limit((size_t)c->input_memory_limit);
	return open_log(s, err);
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
	char *path = loaded_dead_path(&s->conf);
	s->dead = dead_letters_open(
		path, c ? (uint64_t)c->total_limit_size : 1u << 30, c && c->overflow, s->hub, s->conf.metrics, err);
	mem_free(path);
	if (s->dead)
		ingest_hub_set_dead(s->hub, s->dead);
	return s->dead != NULL;
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

bool server_open_flow(struct server *s, struct flow *f, struct err *err)
{
	char *parent = mem_strdup(flow_path(f));
	char *slash = strrchr(parent, '/');
	bool ok = true;
	if (slash && slash > parent && !flow_in_memory(f)) {
		*slash = 0;
		ok = make_folders(parent, err);
	}
	mem_free(parent);
	return ok && flow_open(f, s->hub, s->conf.metrics, err);
}

static bool open_flows(struct server *s, struct err *err)
{
	struct output *const *v;
	size_t n = pipeline_outputs(s->conf.pipeline, &v);
	for (size_t i = 0; i < n; i++)
		if (v[i]->flow && !server_open_flow(s, v[i]->flow, err))
			return false;
	for (size_t i = 0; i < n; i++)
		if (v[i]->flow && !flow_start(v[i]->flow, err))
			return false;
	return true;
}

bool server_open_held(struct server *s, const struct pipeline *p, struct err *err)
{
	struct holder **const *v;
	size_t n = pipeline_holders(p, &v);
	char *path = mem_printf("%s/held", system_state_dir(s->conf.system));
	if (n)
		s->held = held_open(path, v, n, s->hub, s->conf.metrics, err);
	else
		held_warn(path);
	mem_free(path);
	return !n || s->held;
}

/* What the plugins held when weir ended is theirs again before any source speaks. */
static bool start_held(struct server *s, struct err *err)
{
	const struct pipeline *p = s->conf.pipeline;
	return server_open_held(s, p, err) &&
	       (!s->held || held_start(s->held, s->workers[0], pipeline_held_source(p), err));
}

static bool start_sources(struct server *s, struct err *err)
{
	struct source *const *v;
	size_t n = s->conf.system->without_source ? 0 : pipeline_sources(s->conf.pipeline, &v);
	for (size_t i = 0; i < n; i++) {
		v[i]->started = true; /* of one that fails half-way, the rest is ended too */
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
void server_start_dead_service(struct server *s)
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
	s->pulse = s->base ? event_new(s->base, -1, EV_PERSIST, server_on_pulse, s) : NULL;
	if (!s->pulse || !add_signals(s))
		return err_set(err, "the main event loop cannot be made");
	s->unmatched = unmatched_new();
	s->watch = (struct watch){.senders = senders_new(), .dead_samples = dead_samples_new(), .taps = taps_new()};
	s->hub = ingest_hub_new(s->unmatched, &s->watch);
	if (!make_folders(system_state_dir(s->conf.system), err))
		return false;
	s->confinement = confine(&s->conf, s->cmd->log_path);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	bool ok = start_workers(s, err) && open_dead_letters(s, err) && open_flows(s, err) && start_held(s, err) &&
		  start_status(s, err) && start_sources(s, err);
	if (ok)
		server_start_dead_service(s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ok && start_admin(s, err) && server_watch_files(s, err);
}

int server_run(const struct cmdline *cmd)
{
	struct server s = {.cmd = cmd};
	struct conf_report report;
	struct err err;
	conf_report_init(&report);
	raise_limits();
	server_set_log_level(cmd, NULL);
	loaded_read(&s.conf, cmd, &report);
	bool good = !report.errors;
	if (good) {
		good = server_apply_system(&s, &err);
		if (!good)
			log_error(NULL, err.text);
	}
	if (!good || !isatty(STDERR_FILENO))
		server_log_report(&report);
	else
		loaded_print(&report, stderr);
	conf_report_free(&report);
	int status = 1;
	if (good && start(&s, &err)) {
		s.ready = true;
		log_info(NULL, "weir is now running");
		sources_warn_of_open(s.conf.pipeline);
		event_base_loop(s.base, EVLOOP_NO_EXIT_ON_EMPTY);
		status = 0;
	} else if (good) {
		log_error(NULL, "weir cannot start", LOG_S("error", err.text));
	} else {
		log_error(NULL, "the configuration cannot be used: nothing was started", LOG_S("config", cmd->config));
	}
	if (good)
		server_stop(&s);
	loaded_free(&s.conf);
	server_free_retired(&s);
	log_info(NULL, "weir has ended", LOG_I("status", status));
	return status;
}
