#include "status_json.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "dead_letter.h"
#include "dead_samples.h"
#include "flow.h"
#include "json_out.h"
#include "record/event.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"
#include "senders.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#define SENDERS_SHOWN  20u
#define EVENT_TEXT_MAX 4096u

/* ---- values ------------------------------------------------------------------------------------------------------- */

/* Text that may be anything: made UTF-8, which jansson wants. */
static json_t *text_of(struct span s)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < s.n;) {
		size_t len = utf8_len(s.p + i, s.n - i);
		if (len)
			buf_put(&b, s.p + i, len);
		else
			buf_put_str(&b, UTF8_REPLACEMENT);
		i += len ? len : utf8_bad_len(s.p + i, s.n - i);
	}
	json_t *text = json_stringn_nocheck(b.n ? (const char *)b.p : "", b.n);
	buf_free(&b);
	return text;
}

static json_t *text_or_null(const char *s)
{
	return s && *s ? text_of(span_str(s)) : json_null();
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* Rates and ages: three digits say enough, and keep the text short. */
static json_t *rounded(double d)
{
	return json_real((double)(int64_t)(d * 1000 + 0.5) / 1000);
}

/* Seconds between a time of the wall clock and now; null for 0 = none. */
static json_t *age(int64_t then_ns, int64_t now_ns)
{
	if (!then_ns)
		return json_null();
	return rounded(then_ns < now_ns ? (double)(now_ns - then_ns) / 1e9 : 0);
}

static json_t *described(void (*describe)(struct buf *out, const void *of), const void *of)
{
	struct buf b;
	buf_init(&b, 1 << 16);
	describe(&b, of);
	json_t *text = text_of(buf_span(&b));
	buf_free(&b);
	return text;
}

/* ---- the process -------------------------------------------------------------------------------------------------- */

bool status_not_ready(const struct status_parts *p, char *text, size_t size)
{
	struct output *const *v;
	size_t n = pipeline_outputs(p->pipeline, &v);
	if (!*p->ready) {
		snprintf(text, size, "starting or ending");
		return true;
	}
	for (size_t i = 0; i < n; i++) {
		struct flow_status f;
		if (!v[i]->flow)
			continue;
		flow_status(v[i]->flow, &f);
		const char *why = f.buffer.refusing    ? "syncs fail"
				  : f.buffer.disk_full ? "its disk is full"
				  : f.buffer.full      ? "it is full"
						       : NULL;
		if (why) {
			snprintf(text, size, "the buffer of %s takes nothing: %s", v[i]->id, why);
			return true;
		}
	}
	return false;
}

/* Bytes of memory in use; 0 if the system does not tell. */
static uint64_t resident_bytes(void)
{
	unsigned long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	int n = f ? fscanf(f, "%lu %lu", &size, &resident) : 0;
	if (f)
		fclose(f);
	return n == 2 ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static json_t *process_json(const struct status_parts *p, int64_t now_ns)
{
	char host[256] = "", why[512] = "";
	gethostname(host, sizeof host - 1);
	bool ready = !status_not_ready(p, why, sizeof why);
	return json_pack("{s:s, s:i, s:o, s:o, s:o, s:i, s:b, s:o, s:o}", "version", WEIR_VERSION, "pid", (int)getpid(),
		"host", text_of(span_str(host)), "config", text_or_null(p->config), "uptime_s",
		age(p->started_ns, now_ns), "workers", (int)p->workers, "ready", ready, "not_ready",
		ready ? json_null() : text_or_null(why), "memory_bytes", number(resident_bytes()));
}

static json_t *totals_json(const struct status_totals *t, int64_t now_ns)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "received_events",
		number(t->received_events), "received_bytes", number(t->received_bytes), "messages",
		number(t->messages), "stored_events", number(t->stored_events), "delivered_events",
		number(t->delivered_events), "dead_events", number(t->dead_events), "dropped_events",
		number(t->dropped_events), "unmatched_events", number(t->unmatched_events), "refused_events",
		number(t->refused_events), "filtered_events", number(t->filtered_events), "pending_events",
		number(t->pending_events), "pending_bytes", number(t->pending_bytes), "oldest_s",
		age(t->oldest_ns, now_ns));
}

/* ---- sources, filters, outputs ------------------------------------------------------------------------------------ */

static void describe_source(struct buf *out, const void *of)
{
	const struct source *s = of;
	if (s->plugin->input->describe)
		s->plugin->input->describe(s, out);
}

static json_t *source_json(const struct source *s, double rate)
{
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
		text_of(span_str(s->id)), "type", s->plugin->name, "about", described(describe_source, s),
		"events_per_s", rounded(rate), "events", number(counter_get(s->n.events)), "messages",
		number(counter_get(s->n.messages)), "bytes", number(counter_get(s->n.bytes)), "bad_events",
		number(counter_get(s->n.skipped)), "bad_messages", number(counter_get(s->n.dropped)), "unmatched",
		number(counter_get(s->n.unmatched)), "refused", number(counter_get(s->n.refused)), "filtered",
		number(counter_get(s->n.filtered)), "errors", number(counter_get(s->n.errors)));
}

static json_t *filter_json(const struct filter *f)
{
	return json_pack("{s:o, s:s, s:o, s:o}", "id", text_of(span_str(f->id)), "type", f->plugin->name, "in",
		number(counter_get(f->n.in)), "out", number(counter_get(f->n.out)));
}

static void describe_output(struct buf *out, const void *of)
{
	const struct output *o = of;
	if (o->plugin->output->describe)
		o->plugin->output->describe(o, out);
}

static json_t *buffer_json(const struct flow_status *f, int64_t now_ns)
{
	const struct buffer_stats *b = &f->buffer;
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:o, s:o, s:o, s:o}",
		"stage_chunks", number(b->stage_chunks), "stage_bytes", number(b->stage_bytes), "stage_events",
		number(b->stage_records), "queue_chunks", number(b->queue_chunks), "queue_bytes",
		number(b->queue_bytes), "queue_events", number(b->queue_records), "limit_bytes",
		number(f->total_limit_size), "oldest_s", age(b->oldest_ns, now_ns), "full", b->full, "disk_full",
		b->disk_full, "refusing", b->refusing, "recovering", b->recovering, "dropped_events",
		number(b->dropped_records), "failed_events", number(b->failed_records), "damaged_frames",
		number(b->damaged_frames), "syncs", number(b->syncs));
}

static json_t *retry_json(const struct flow_status *f, int64_t now_ns)
{
	double wait = f->next_try_ns > now_ns ? (double)(f->next_try_ns - now_ns) / 1e9 : 0;
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "failures", (int)f->failures, "reason",
		text_or_null(f->reason), "since_s", age(f->since_ns, now_ns), "next_try_s",
		f->down ? rounded(wait) : json_null(), "chunk_retries", number(f->chunk_retries), "outages",
		number(f->outages), "to_secondary", number(f->to_secondary), "given_up", number(f->given_up));
}

/* The worst of what there is to say, in one word. */
static const char *state_of(const struct flow_status *f)
{
	const struct buffer_stats *b = &f->buffer;
	return b->refusing    ? "refusing"
	       : b->disk_full ? "disk full"
	       : b->full      ? "full"
	       : f->holding   ? "holding"
	       : f->down      ? "down"
			      : "ok";
}

static json_t *output_json(const struct output *o, const struct status_samples *samples, size_t i, int64_t now_ns)
{
	json_t *j = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:s}", "id", text_of(span_str(o->id)), "type",
		o->plugin->name, "about", described(describe_output, o), "emitted",
		number(counter_get(o->n.emitted_events)), "emitted_per_s", rounded(status_emitted_rate(samples, i)),
		"delivered", number(counter_get(o->n.delivered)), "delivered_per_s",
		rounded(status_delivered_rate(samples, i)), "state", "ok");
	if (o->flow) {
		struct flow_status f;
		flow_status(o->flow, &f);
		json_object_set_new(j, "state", json_string(state_of(&f)));
		json_object_set_new(j, "buffer", buffer_json(&f, now_ns));
		json_object_set_new(j, "retry", retry_json(&f, now_ns));
	}
	return j;
}

static void put_plugins(json_t *j, const struct status_parts *p, const struct status_samples *samples, int64_t now_ns)
{
	struct source *const *sources;
	struct filter *const *filters;
	struct output *const *outputs;
	json_t *list = json_array();
	size_t n = pipeline_sources(p->pipeline, &sources);
	for (size_t i = 0; i < n; i++)
		if (!sources[i]->plugin->input->no_events)
			json_array_append_new(list, source_json(sources[i], status_source_rate(samples, i)));
	json_object_set_new(j, "sources", list);
	list = json_array();
	n = pipeline_filters(p->pipeline, &filters);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, filter_json(filters[i]));
	json_object_set_new(j, "filters", list);
	list = json_array();
	n = pipeline_outputs(p->pipeline, &outputs);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, output_json(outputs[i], samples, i, now_ns));
	json_object_set_new(j, "outputs", list);
}

/* ---- senders and dead letters ------------------------------------------------------------------------------------- */

static json_t *senders_json(const struct watch *watch, int64_t now_ns)
{
	struct sender_info v[SENDERS_SHOWN];
	json_t *top = json_array();
	size_t known, n = senders_top(watch->senders, v, SENDERS_SHOWN, &known);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			top, json_pack("{s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "address",
				     text_of(span_str(v[i].address)), "source", text_of(span_str(v[i].source)),
				     "connections", (int)v[i].connections, "messages", number(v[i].messages), "events",
				     number(v[i].events), "bytes", number(v[i].bytes), "events_per_s",
				     rounded(v[i].events_per_s), "bytes_per_s", rounded(v[i].bytes_per_s), "last_s",
				     age(v[i].last_ns, now_ns)));
	return json_pack("{s:o, s:o}", "known", number(known), "top", top);
}

/* The event as JSON text where it is one, and whole; else its bytes, as far as they are text. */
static json_t *event_text(const struct dead_sample *d)
{
	struct event e;
	size_t used;
	struct buf b;
	buf_init(&b, 1 << 20);
	const uint8_t *end = d->event + d->event_kept;
	bool whole = d->event_kept == d->event_len && event_read(d->event, end, MP_DEPTH_LIMIT, &e, &used) == EVENT_OK;
	const uint8_t *record = whole ? e.record.p : NULL;
	if (!whole || !json_put(&b, &record, record + e.record.n, MP_DEPTH_LIMIT)) {
		buf_clear(&b);
		buf_put(&b, d->event, d->event_kept);
	}
	bool cut = b.n > EVENT_TEXT_MAX || d->event_kept < d->event_len;
	struct span shown = {b.p, b.n > EVENT_TEXT_MAX ? EVENT_TEXT_MAX : b.n};
	json_t *j = json_pack("{s:o, s:b, s:o}", "text", text_of(shown), "cut", cut, "bytes", number(d->event_len));
	buf_free(&b);
	return j;
}

static json_t *dead_json(const struct status_parts *p, int64_t now_ns)
{
	struct dead_sample *v = mem_array(DEAD_SAMPLES_MAX, sizeof *v);
	struct buffer_stats b;
	json_t *samples = json_array();
	size_t n = dead_samples_get(p->watch->dead_samples, v);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(samples,
			json_pack("{s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o}", "plugin",
				text_of(span_str(v[i].plugin)), "reason", text_of(span_str(v[i].reason)), "text",
				text_or_null(v[i].text), "tag", text_of(span_str(v[i].tag)), "index",
				text_or_null(v[i].index), "status", (int)v[i].status, "events", number(v[i].seen),
				"age_s", age(v[i].at_ns, now_ns), "event", event_text(&v[i])));
	mem_free(v);
	buffer_stats(dead_letters_buffer(p->dead), &b);
	return json_pack("{s:o, s:o, s:o, s:o}", "events", number(dead_letters_total(p->dead)), "stored_events",
		number(b.stage_records + b.queue_records), "stored_bytes", number(b.stage_bytes + b.queue_bytes),
		"samples", samples);
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

static void put_json(json_t *j, struct buf *out)
{
	json_out(j, out);
	json_decref(j);
}

void status_json(const struct status_parts *p, const struct status_samples *samples, struct buf *out)
{
	struct status_totals t;
	int64_t now = clock_wall_ns();
	status_totals(samples, &t);
	json_t *j = json_pack("{s:o, s:o, s:o}", "now", rounded((double)now / 1e9), "weir", process_json(p, now),
		"totals", totals_json(&t, now));
	put_plugins(j, p, samples, now);
	json_object_set_new(j, "senders", senders_json(p->watch, now));
	json_object_set_new(j, "dead_letters", dead_json(p, now));
	put_json(j, out);
}

void status_history_json(const struct status_samples *samples, struct buf *out)
{
	const struct history_sample *h;
	json_t *list = json_array();
	for (size_t i = 0; (h = status_history(samples, i)); i++)
		json_array_append_new(
			list, json_pack("[I, o, o, o, o, o, o, o]", (json_int_t)h->at_s, rounded(h->received_per_s),
				      rounded(h->delivered_per_s), rounded(h->dead_per_s), rounded(h->lost_per_s),
				      number(h->pending_events), number(h->pending_bytes), rounded(h->oldest_s)));
	put_json(json_pack("{s:i, s:i, s:[s,s,s,s,s,s,s,s], s:o}", "step_s", HISTORY_STEP_S, "steps", HISTORY_STEPS,
			 "columns", "at_s", "received_per_s", "delivered_per_s", "dead_per_s", "lost_per_s",
			 "pending_events", "pending_bytes", "oldest_s", "samples", list),
		out);
}
