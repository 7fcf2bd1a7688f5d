#include "flow.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vfs_mem.h"
#include "dead_letter.h"
#include "chunk_rest.h"
#include "die_at.h"
#include "gate.h"
#include "ingest.h"
#include "retry.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOG_EVERY_NS (10 * NS_PER_S) /* of what may happen to each of many chunks */
#define SLOW_NS	     (20 * NS_PER_S) /* a chunk that takes longer counts as slow, as by fluentd's slow_flush_log_threshold */

struct flow {
	struct output *output;
	char *path;
	struct buffer_options options;
	unsigned thread_count;
	bool flush_at_shutdown;
	int64_t shutdown_timeout_ns;
	struct retry_waits waits;
	struct retry_limits limits;
	struct output *secondary; /* NULL = none */
	const struct chunk_keys *keys;
	bool in_memory;
	const struct vfs *memory; /* what an in-memory buffer lies on */
	struct buffer *buffer;
	bool disowned; /* the buffer is another flow's now: not closed here */
	struct dead_letters *dead;
	pthread_t *threads;
	unsigned started;
	_Atomic unsigned running;
	atomic_bool stopping;
	int stop_fd;
	struct gate *gate; /* all flush threads pass it before they take a chunk */
	_Atomic uint64_t writes, slow_writes, write_ns;
	struct log_limit log_commit, log_secondary, log_neither, log_given_up, log_open;
	struct {
		struct counter *chunks_done, *retries, *blocked, *down, *to_secondary, *given_up;
	} n;
};

/* ---- set-up ----------------------------------------------------------------------------------------------------- */

static enum buffer_flush_mode mode_of(const struct buffer_conf *c, bool by_time)
{
	if (c->flush_mode == FLUSH_CONF_DEFAULT && by_time)
		return BUFFER_FLUSH_LAZY;
	switch (c->flush_mode) {
	case FLUSH_CONF_IMMEDIATE:
		return BUFFER_FLUSH_IMMEDIATE;
	case FLUSH_CONF_LAZY:
		return BUFFER_FLUSH_LAZY;
	default:
		return BUFFER_FLUSH_INTERVAL;
	}
}

static enum buffer_overflow overflow_of(const struct buffer_conf *c)
{
	switch (c->overflow_action) {
	case OVERFLOW_CONF_THROW:
		return BUFFER_THROW;
	case OVERFLOW_CONF_DROP_OLDEST:
		return BUFFER_DROP_OLDEST;
	default:
		return BUFFER_BLOCK;
	}
}

struct flow *flow_new(struct output *o, const struct buffer_conf *c, bool by_time, char *take_path)
{
	struct flow *f = mem_zalloc(sizeof *f);
	uint64_t limit = (uint64_t)((double)c->chunk_limit_size * c->chunk_full_threshold);
	f->output = o;
	f->path = take_path;
	f->options = (struct buffer_options){
		.name = o->id,
		.path = f->path,
		.chunk_limit_size = limit < 4096 ? 4096 : limit,
		.chunk_limit_records = c->chunk_limit_records == CONF_NIL_INT ? 0 : (uint32_t)c->chunk_limit_records,
		.total_limit_size = c->queue_limit_length == CONF_NIL_INT
					    ? (uint64_t)c->total_limit_size
					    : (uint64_t)c->chunk_limit_size * (uint64_t)c->queue_limit_length,
		.min_free_bytes = buffer_conf_in_memory(c) ? 0 : (uint64_t)c->min_free_size,
		.pending_limit = 16 << 20,
		.flush_mode = mode_of(c, by_time),
		.flush_interval_ns = c->flush_interval_ns,
		.overflow = overflow_of(c),
	};
	f->thread_count = (unsigned)c->flush_thread_count;
	f->flush_at_shutdown = c->flush_at_shutdown;
	f->shutdown_timeout_ns = c->shutdown_timeout_ns;
	f->waits = (struct retry_waits){
		.periodic = c->retry_type == RETRY_CONF_PERIODIC,
		.randomize = c->retry_randomize,
		.first_ns = c->retry_wait_ns,
		.max_ns = c->retry_max_interval_ns,
		.base = c->retry_base,
	};
	f->gate = gate_new(o->id, &f->waits);
	f->limits = (struct retry_limits){
		.forever = c->retry_forever,
		.timeout_ns = c->retry_timeout_ns,
		.max_times = c->retry_max_times == CONF_NIL_INT ? -1 : c->retry_max_times,
		.secondary_threshold = c->retry_secondary_threshold,
	};
	f->stop_fd = -1;
	f->in_memory = buffer_conf_in_memory(c);
	return f;
}

void flow_set_secondary(struct flow *f, struct output *secondary)
{
	f->secondary = secondary;
}

void flow_use_folder(struct flow *f, const char *path)
{
	mem_free(f->path);
	f->path = mem_strdup(path);
	f->options.path = f->path;
	f->in_memory = false;
}

void flow_set_keys(struct flow *f, const struct chunk_keys *keys)
{
	f->keys = keys;
}

const struct chunk_keys *flow_keys(const struct flow *f)
{
	return f->keys;
}

bool flow_in_memory(const struct flow *f)
{
	return f->in_memory;
}

bool flow_prepare(struct flow *f, struct ingest_hub *hub, struct metrics *m, struct err *err)
{
	char *labels = metrics_labels("plugin_id", f->output->id, "type", f->output->plugin->name, NULL);
	f->n.chunks_done = metrics_counter(m, "weir_output_chunks_total", labels, "Chunks that were delivered whole.");
	f->n.retries = metrics_counter(m, "weir_output_chunk_retries_total", labels,
		"Times that a chunk was put back because some of its events were rejected for now.");
	f->n.blocked = metrics_counter(m, "weir_output_blocked_chunks_total", labels,
		"Times that a chunk was put back because an index took no events: blocked, closed, missing, no right.");
	f->n.down = metrics_counter(m, "weir_output_failures_total", labels,
		"Times that the destination could not be reached or refused everything.");
	f->n.to_secondary = metrics_counter(m, "weir_output_secondary_chunks_total", labels,
		"Chunks that <secondary> took because the output could not deliver them.");
	f->n.given_up = metrics_counter(m, "weir_output_given_up_chunks_total", labels,
		"Chunks that became dead letters because their retries were used up.");
	mem_free(labels);
	f->dead = ingest_hub_dead(hub);
	f->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return f->stop_fd >= 0 || err_sys(err, errno, "no descriptor for the flush threads");
}

bool flow_open(struct flow *f, struct ingest_hub *hub, struct metrics *m, struct err *err)
{
	struct buffer_hooks hooks = {
		.on_durable = ingest_on_durable,
		.on_space = ingest_on_space,
		.on_recovered = ingest_on_recovered,
		.arg = hub,
	};
	if (!flow_prepare(f, hub, m, err))
		return false;
	if (f->in_memory) {
		f->memory = vfs_mem_new();
		log_warn(f->output->id, "the buffer is in memory (@type memory): an acknowledgement means \"in "
					"memory\", and a crash or a power cut "
					"loses what is in it; @type file keeps it");
	}
	f->buffer = buffer_open(&f->options, &hooks, f->in_memory ? f->memory : &vfs_posix, err);
	return f->buffer ? true : err_wrap(err, "the buffer of %s cannot be opened", f->output->id);
}

/* ---- a reload ------------------------------------------------------------------------------------------------------ */

bool flow_same_buffer(const struct flow *a, const struct flow *b)
{
	return a->in_memory == b->in_memory && strcmp(a->path, b->path) == 0;
}

void flow_inherit(struct flow *f, struct flow *from)
{
	f->buffer = from->buffer;
	f->memory = from->memory;
	from->memory = NULL;
	from->disowned = true;
}

void flow_configure(struct flow *f)
{
	buffer_configure(f->buffer, &f->options);
}

void flow_retire(struct flow *f)
{
	atomic_store(&f->stopping, true);
	gate_stop(f->gate);
}

bool flow_has_ended(const struct flow *f)
{
	return atomic_load(&f->running) == 0;
}

bool flow_is_disowned(const struct flow *f)
{
	return f->disowned;
}

struct buffer *flow_buffer(const struct flow *f)
{
	return f->buffer;
}

struct dead_letters *flow_dead_letters(const struct flow *f)
{
	return f->dead;
}

const char *flow_path(const struct flow *f)
{
	return f->path;
}

unsigned flow_threads(const struct flow *f)
{
	return f->thread_count;
}

void flow_flush(struct flow *f)
{
	buffer_flush_all(f->buffer);
	gate_hurry(f->gate);
}

/* ---- flush threads --------------------------------------------------------------------------------------------------- */

void flush_because(struct flush_report *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(r->reason, sizeof r->reason, fmt, ap);
	va_end(ap);
}

static void commit(struct flow *f, struct chunk *c)
{
	struct err err;
	uint64_t held;
	if (!buffer_commit(f->buffer, c, &err) && log_allowed(&f->log_commit, LOG_EVERY_NS, &held))
		log_error(f->output->id,
			"a delivered chunk cannot be removed: it will be delivered again at the next start (its "
			"documents "
			"are known then); look at the folder's rights and disk",
			LOG_S("error", err.text), LOG_U("held_back", held));
}

static void shut(
	struct flow *f, const struct chunk_info *info, const struct flush_report *report, enum flush_result result)
{
	counter_add(f->n.down, 1);
	gate_shut(f->gate, result, report, info->id);
}

static void finish(struct flow *f, struct chunk *c, enum flush_result result, const struct flush_report *report)
{
	struct chunk_info info;
	chunk_info(c, &info);
	switch (result) {
	case FLUSH_DONE:
		gate_open(f->gate);
		counter_add(f->n.chunks_done, 1);
		die_point(DIE_CHUNK_DELIVERED);
		commit(f, c);
		return;
	case FLUSH_UNRECOVERABLE: /* and nobody could take it: later */
	case FLUSH_RETRY:
		gate_open(f->gate);
		counter_add(f->n.retries, 1);
		int64_t wait = retry_wait(&f->waits, info.attempts + 1);
		if (report->retry_after_ns > wait)
			wait = report->retry_after_ns;
		log_debug(f->output->id, "some events of a chunk were rejected for now; they alone are sent again",
			LOG_S("chunk", info.id), LOG_S("error", report->reason),
			LOG_D("next_retry_s", (double)wait / 1e9));
		buffer_retry(f->buffer, c, wait);
		return;
	case FLUSH_BLOCKED:
		/* Chunks behind it have their turn; if all are blocked, one after the other tries ever more seldom. */
		if (report->progressed)
			gate_open(f->gate);
		else
			shut(f, &info, report, result);
		counter_add(f->n.blocked, 1);
		buffer_hold(f->buffer, c, retry_hold(&f->waits));
		return;
	case FLUSH_DOWN:
	case FLUSH_HOLD:
		shut(f, &info, report, result);
		buffer_release(f->buffer, c);
		return;
	case FLUSH_STOPPED:
		buffer_release(f->buffer, c);
		return;
	}
}

/* A flush thread's means of delivery: the output's, and its secondary's once that is needed. */
struct flush_thread {
	void *own, *secondary; /* NULL = not opened yet */
};

/* How long and how often this chunk, or the destination as a whole, has failed. */
static enum retry_verdict judge(struct flow *f, const struct chunk_info *info, enum flush_result result)
{
	struct gate_state gate;
	if (result == FLUSH_UNRECOVERABLE)
		return f->secondary ? RETRY_SECONDARY : RETRY_GIVE_UP;
	if (result == FLUSH_RETRY || result == FLUSH_BLOCKED) {
		uint64_t failures = (uint64_t)info->attempts + (result == FLUSH_RETRY);
		return retry_judge(&f->limits, f->secondary != NULL, failures, info->failing_ns);
	}
	if (!f->secondary || (result != FLUSH_DOWN && result != FLUSH_HOLD))
		return RETRY_AGAIN; /* an outage uses nothing up */
	gate_state(f->gate, &gate);
	return retry_judge(&f->limits, true, (uint64_t)gate.failures + 1, gate.down_for_ns);
}

static bool deliver_to_secondary(
	struct flow *f, struct flush_thread *t, struct chunk *c, const struct chunk_info *info, const char *why)
{
	const struct output_ops *ops = f->secondary->plugin->output;
	struct flush_report report = {.retry_after_ns = -1};
	struct err err;
	uint64_t held;
	if (!t->secondary && !(t->secondary = ops->flush_open(f->secondary, f->stop_fd, &err)))
		flush_because(&report, "%s", err.text);
	else if (ops->flush(t->secondary, c, &report) == FLUSH_DONE) {
		counter_add(f->n.to_secondary, 1);
		if (log_allowed(&f->log_secondary, LOG_EVERY_NS, &held))
			log_warn(f->output->id,
				"a chunk could not be delivered for too long: <secondary> has it (retry succeeded by "
				"secondary)",
				LOG_S("chunk", info->id), LOG_S("secondary", f->secondary->id), LOG_S("error", why),
				LOG_U("held_back", held));
		return true;
	}
	if (log_allowed(&f->log_neither, LOG_EVERY_NS, &held))
		log_error(f->output->id, "<secondary> could not take a chunk either: it stays in the buffer",
			LOG_S("chunk", info->id), LOG_S("secondary", f->secondary->id), LOG_S("error", report.reason),
			LOG_U("held_back", held));
	return false;
}

static bool give_up(struct flow *f, struct chunk *c, const struct chunk_info *info, struct flush_report *report)
{
	struct err err;
	uint64_t events, held;
	if (!chunk_rest_bury(f->buffer, c, f->dead, f->output->id, report->reason, &events, &err)) {
		flush_because(report, "%s", err.text);
		return false;
	}
	counter_add(f->n.given_up, 1);
	if (log_allowed(&f->log_given_up, LOG_EVERY_NS, &held))
		log_error(f->output->id,
			"Hit limit for retries: what is left of a chunk is dead letters now (`weir deadletter` lists "
			"and replays them); retry_timeout, retry_max_times and retry_forever say how long a chunk is "
			"tried",
			LOG_S("chunk", info->id), LOG_U("retry_times", info->attempts), LOG_U("records", events),
			LOG_S("error", report->reason), LOG_U("held_back", held));
	return true;
}

static enum flush_result timed_flush(
	struct flow *f, struct flush_thread *t, struct chunk *c, struct flush_report *report)
{
	int64_t begin = clock_mono_ns();
	enum flush_result result = f->output->plugin->output->flush(t->own, c, report);
	int64_t took = clock_mono_ns() - begin;
	atomic_fetch_add(&f->writes, 1);
	atomic_fetch_add(&f->write_ns, (uint64_t)took);
	if (took > SLOW_NS)
		atomic_fetch_add(&f->slow_writes, 1);
	return result;
}

static void flush_chunk(struct flow *f, struct flush_thread *t, struct chunk *c)
{
	struct flush_report report = {.retry_after_ns = -1};
	struct chunk_info info;
	enum flush_result result = timed_flush(f, t, c, &report);
	chunk_info(c, &info);
	if (result == FLUSH_DONE && !f->output->plugin->output->counts_delivered)
		counter_add(f->output->n.delivered, info.records);
	enum retry_verdict verdict = result == FLUSH_DONE ? RETRY_AGAIN : judge(f, &info, result);
	bool elsewhere = verdict == RETRY_SECONDARY && deliver_to_secondary(f, t, c, &info, report.reason);
	if (elsewhere && (result == FLUSH_DOWN || result == FLUSH_HOLD)) {
		shut(f, &info, &report, result);
		commit(f, c);
		return;
	}
	if (verdict == RETRY_GIVE_UP && !give_up(f, c, &info, &report))
		result = FLUSH_BLOCKED; /* the chunk waits, not those behind it */
	else if (verdict == RETRY_GIVE_UP || elsewhere)
		result = FLUSH_DONE;
	finish(f, c, result, &report);
}

static void *flush_main(void *arg)
{
	struct flow *f = arg;
	const struct output_ops *ops = f->output->plugin->output;
	struct flush_thread t = {0};
	struct err err;
	uint64_t held;
	pthread_setname_np(pthread_self(), "flush");
	while (!atomic_load(&f->stopping)) {
		if (!t.own && !(t.own = ops->flush_open(f->output, f->stop_fd, &err))) {
			if (log_allowed(&f->log_open, LOG_EVERY_NS, &held))
				log_error(f->output->id, "a flush thread cannot work; it tries again in a while",
					LOG_S("error", err.text), LOG_U("held_back", held));
			usleep(500000);
			continue;
		}
		bool probe = gate_pass(f->gate);
		struct chunk *c = buffer_take(f->buffer, NS_PER_S);
		/* What comes after a reload is for the new configuration's threads. */
		if (c && !atomic_load(&f->stopping) && (probe || !gate_is_shut(f->gate))) {
			flush_chunk(f, &t, c);
			continue;
		}
		if (c)
			buffer_release(f->buffer, c);
		if (probe)
			gate_leave(f->gate);
	}
	if (t.own)
		ops->flush_close(t.own);
	if (t.secondary)
		f->secondary->plugin->output->flush_close(t.secondary);
	atomic_fetch_sub(&f->running, 1);
	return NULL;
}

bool flow_start(struct flow *f, struct err *err)
{
	f->threads = mem_array(f->thread_count, sizeof *f->threads);
	for (; f->started < f->thread_count; f->started++) {
		atomic_fetch_add(&f->running, 1);
		int rc = pthread_create(&f->threads[f->started], NULL, flush_main, f);
		if (rc)
			atomic_fetch_sub(&f->running, 1);
		if (rc)
			return err_sys(err, rc, "a flush thread of %s cannot be started", f->output->id);
	}
	return true;
}

/* ---- the end ----------------------------------------------------------------------------------------------------------- */

void flow_end_input(struct flow *f)
{
	buffer_end_input(f->buffer);
}

bool flow_drain_wanted(struct flow *f, int64_t *deadline_ns)
{
	*deadline_ns = clock_mono_ns() + f->shutdown_timeout_ns;
	return f->flush_at_shutdown;
}

bool flow_is_empty(struct flow *f)
{
	return buffer_is_empty(f->buffer);
}

void flow_stop(struct flow *f)
{
	uint64_t one = 1;
	atomic_store(&f->stopping, true);
	if (f->stop_fd >= 0)
		(void)!write(f->stop_fd, &one, sizeof one);
	if (f->buffer && !f->disowned)
		buffer_end_output(f->buffer);
	gate_stop(f->gate);
}

void flow_join(struct flow *f)
{
	for (unsigned i = 0; i < f->started; i++)
		pthread_join(f->threads[i], NULL);
	f->started = 0;
	if (!f->disowned)
		buffer_close(f->buffer);
	f->buffer = NULL;
}

void flow_free(struct flow *f)
{
	if (!f)
		return;
	if (f->stop_fd >= 0)
		close(f->stop_fd);
	gate_free(f->gate);
	vfs_mem_free(f->memory);
	mem_free(f->threads);
	mem_free(f->path);
	mem_free(f);
}

void flow_status(struct flow *f, struct flow_status *s)
{
	struct gate_state gate;
	buffer_stats(f->buffer, &s->buffer);
	gate_state(f->gate, &gate);
	s->down = gate.down;
	s->holding = gate.holding;
	s->failures = gate.failures;
	s->since_ns = gate.down ? clock_wall_ns() - gate.down_for_ns : 0;
	s->next_try_ns = gate.down ? clock_wall_ns() + gate.next_try_in_ns : 0;
	memcpy(s->reason, gate.reason, sizeof s->reason);
	s->total_limit_size = f->options.total_limit_size;
	s->chunks_done = counter_get(f->n.chunks_done);
	s->chunk_retries = counter_get(f->n.retries);
	s->outages = counter_get(f->n.down);
	s->to_secondary = counter_get(f->n.to_secondary);
	s->given_up = counter_get(f->n.given_up);
	s->writes = atomic_load(&f->writes);
	s->slow_writes = atomic_load(&f->slow_writes);
	s->write_ms = atomic_load(&f->write_ns) / NS_PER_MS;
}
