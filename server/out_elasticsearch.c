/*
 * out_elasticsearch.c: a queued chunk to _bulk requests, each event of a reply judged by itself.
 *
 * A chunk is worked off request by request. What of a request was rejected for now stays in the chunk's progress, so that only that is sent again, also
 * after a restart; what was rejected for good is a dead letter before the progress moves over it. Then the next request is made, or the chunk is put back.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dead_letter.h"
#include "elastic/bulk_reply.h"
#include "elasticsearch_conf.h"
#include "flow.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/msgpack_scan.h"

#include <stdio.h>

#define HOLD_RETRY_NS (30 * NS_PER_S)

struct elasticsearch {
	struct output *output;
	struct elasticsearch_settings settings;
	struct bulk_hosts *hosts;
	struct elastic_setup *setup;
	_Atomic bool send_type; /* the server has said that it wants a mapping type: a version before 7 */
	struct {
		struct counter *indexed, *duplicates, *rejected, *retried, *held, *requests, *request_bytes,
			*failed_requests;
	} n;
	struct histogram *latency;
	struct log_limit log_reject, log_hold, log_split;
};

/* A flush thread's own. */
struct flusher {
	struct elasticsearch *es;
	struct bulk_client *client;
	struct bulk_body *body;	 /* without mapping types */
	struct bulk_body *typed; /* with them */
	struct bulk_options typed_options;
	struct bulk_reply *reply;
	struct buf url, slice;
	/* the chunk at hand */
	struct chunk *chunk;
	struct chunk_reader *reader;
	struct chunk_progress progress;
	uint64_t next_offset; /* where the request at hand ends */
	uint32_t next_index;
	size_t pending_used;	     /* entries of progress.pending that are in it */
	struct chunk_pending *again; /* items of it that were rejected for now */
	size_t again_count, again_cap;
	struct frame *dead; /* its dead letters */
	size_t dead_count, refused_whole;
	bool held, unsaved;
	struct flush_report *report;
};

/* ---- dead letters --------------------------------------------------------------------------------------------------- */

static void bury(struct flusher *t, const struct frame_view *f, struct span entry, const struct dead_letter *why)
{
	struct elasticsearch *es = t->es;
	struct buf info;
	uint64_t held;
	buf_init(&info, DEAD_LETTER_INFO_MAX);
	dead_letter_info(&info, why);
	struct frame *d = frame_new(FRAME_DEAD, f->tag, buf_span(&info), entry.n);
	buf_free(&info);
	if (log_allowed(&es->log_reject, 10 * NS_PER_S, &held))
		log_warn(es->output->id,
			"an event was rejected for good: it is kept as a dead letter, the others go on",
			LOG_U("status", why->status), LOG_S("reason", why->reason), LOG_S("error", why->text),
			LOG_B("tag", f->tag), LOG_U("held_back", held));
	if (!d)
		return; /* counted as missing by bury_all */
	if (entry.n)
		memcpy(frame_entries(d), entry.p, entry.n);
	d->entries_len = entry.n;
	d->count = 1;
	d->received_ns = f->received_ns;
	memcpy(d->key, f->key, FRAME_KEY_LEN);
	d->next = t->dead;
	t->dead = d;
}

/* The transcoder's word on an event that cannot become a document. */
static void on_reject(void *arg, const struct frame_view *f, uint32_t index, struct span entry, const char *reason)
{
	struct flusher *t = arg;
	(void)index;
	t->dead_count++;
	bury(t, f, entry,
		&(struct dead_letter){.plugin = t->es->output->id, .reason = "not_indexable", .text = reason});
}

/* Finds item i's event again: requests do not keep where their events came from in memory. */
static bool find_event(struct flusher *t, const struct bulk_item *item, struct frame_view *f, struct span *entry)
{
	struct err err;
	struct event e;
	size_t used;
	chunk_reader_seek(t->reader, item->frame_offset);
	if (chunk_reader_next(t->reader, f, &err) != CHUNK_FRAME || f->offset != item->frame_offset)
		return false;
	const uint8_t *p = f->entries.p, *end = p + f->entries.n;
	for (uint32_t i = 0;; i++) {
		if (event_read(p, end, MP_DEPTH_LIMIT, &e, &used) != EVENT_OK)
			return false;
		if (i == item->index) {
			*entry = span_of(p, used);
			return true;
		}
		p += used;
	}
}

static void bury_item(
	struct flusher *t, const struct bulk_item *item, unsigned status, const char *type, const char *text)
{
	struct frame_view f;
	struct span entry;
	t->dead_count++;
	if (find_event(t, item, &f, &entry))
		bury(t, &f, entry,
			&(struct dead_letter){.plugin = t->es->output->id,
				.reason = type && *type ? type : "rejected",
				.text = text,
				.status = status,
				.index = bulk_body_index(t->body)});
}

/* Durable before the progress moves over them. */
static bool bury_all(struct flusher *t)
{
	struct err err;
	size_t made = 0;
	for (struct frame *d = t->dead; d; d = d->next)
		made++;
	if (made < t->dead_count) {
		frame_free_list(t->dead);
		t->dead = NULL;
		flush_because(t->report, "no memory for %zu dead letters", t->dead_count);
		return false;
	}
	struct frame *list = t->dead;
	t->dead = NULL;
	t->dead_count = 0;
	if (!list || dead_letters_bury(flow_dead_letters(t->es->output->flow), list, &err))
		return true;
	flush_because(t->report, "%s", err.text);
	return false;
}

/* ---- a request ---------------------------------------------------------------------------------------------------------- */

static void once_more(struct flusher *t, const struct bulk_item *item)
{
	if (t->again_count == t->again_cap) {
		t->again_cap = t->again_cap ? t->again_cap * 2 : 64;
		t->again = mem_realloc(t->again, t->again_cap * sizeof *t->again);
	}
	t->again[t->again_count++] = (struct chunk_pending){.offset = item->frame_offset, .index = item->index};
}

static void judge_items(struct flusher *t, struct bulk_body *body, size_t first, size_t last)
{
	struct elasticsearch *es = t->es;
	const struct bulk_item *items = bulk_body_items(body);
	uint64_t done = 0, duplicates = 0, held;
	for (size_t i = first; i < last; i++) {
		const struct bulk_outcome *o = bulk_reply_item(t->reply, i - first);
		switch (o->verdict) {
		case BULK_DONE:
			done++;
			break;
		case BULK_DUPLICATE:
			duplicates++;
			break;
		case BULK_RETRY:
			counter_add(es->n.retried, 1);
			once_more(t, &items[i]);
			break;
		case BULK_HOLD:
			counter_add(es->n.held, 1);
			t->held = true;
			once_more(t, &items[i]);
			if (log_allowed(&es->log_hold, 60 * NS_PER_S, &held))
				log_error(es->output->id,
					"an index takes no events: they stay in the buffer and are tried again every "
					"half minute until it does; look at "
					"its blocks, its rights and whether it is open",
					LOG_U("status", o->status), LOG_S("reason", o->type), LOG_S("error", o->reason),
					LOG_U("held_back", held));
			flush_because(
				t->report, "%u %s: %s", o->status, o->type ? o->type : "", o->reason ? o->reason : "");
			break;
		case BULK_REJECT:
			bury_item(t, &items[i], o->status, o->type, o->reason);
			break;
		}
	}
	counter_add(es->n.indexed, done);
	counter_add(es->n.duplicates, duplicates);
}

enum posted { POSTED, POST_DOWN, POST_HOLD, POST_STOPPED, POST_TYPED };

static const char *hint_for(long status)
{
	switch (status) {
	case 401:
		return "the user, password or API key is wrong or has run out";
	case 403:
		return "the user has no right to write there";
	case 404:
		return "there is no _bulk at that place: look at `path` and at proxies in between";
	case 406:
	case 415:
		return "the server does not take the content type or gzip: set compression_level no_compression";
	default:
		return "look at the server's own log, and at proxies in between";
	}
}

static enum posted refused(struct flusher *t, const struct bulk_response *r, enum posted how)
{
	char text[400];
	counter_add(t->es->n.failed_requests, 1);
	bulk_error_text(r->body, text, sizeof text);
	t->report->retry_after_ns = r->retry_after_ns;
	if (how == POST_HOLD)
		flush_because(t->report, "%s answered %ld %s: %s", r->host, r->status, text, hint_for(r->status));
	else
		flush_because(t->report, "%s answered %ld %s", r->host, r->status, text);
	return how;
}

static enum posted post(struct flusher *t, struct bulk_body *body, size_t first, size_t last);

/* 413, or a 400 that is about the request as a whole: halves, down to the one event that is to blame. */
static enum posted split(
	struct flusher *t, struct bulk_body *body, size_t first, size_t last, const struct bulk_response *r)
{
	char text[400];
	uint64_t held;
	bulk_error_text(r->body, text, sizeof text);
	if (r->status == 400 && strstr(text, "type is missing") && t->es->settings.type_name && body == t->body)
		return POST_TYPED;
	if (log_allowed(&t->es->log_split, 60 * NS_PER_S, &held))
		log_warn(t->es->output->id,
			r->status == 413
				? "a request was too large for the server (or a proxy): it is sent in halves; lower "
				  "bulk_message_request_threshold"
				: "a request was refused as a whole: it is sent in halves to find the event that is to "
				  "blame",
			LOG_I("status", r->status), LOG_S("error", text), LOG_U("events", last - first),
			LOG_U("held_back", held));
	if (last - first == 1) {
		if (r->status == 400)
			t->refused_whole++;
		bury_item(t, &bulk_body_items(body)[first], (unsigned)r->status,
			r->status == 413 ? "too_large" : "request_refused", text);
		return POSTED;
	}
	size_t middle = first + (last - first) / 2;
	enum posted p = post(t, body, first, middle);
	return p == POSTED ? post(t, body, middle, last) : p;
}

static enum posted answered(
	struct flusher *t, struct bulk_body *body, size_t first, size_t last, const struct bulk_response *r)
{
	struct err err;
	switch (r->status) {
	case 200:
		if (r->cut) {
			err_set(&err, "the reply is larger than 64 MiB");
		} else if (bulk_reply_judge(t->reply, r->body, last - first,
				   t->es->settings.bulk.operation == BULK_CREATE, &err)) {
			judge_items(t, body, first, last);
			return POSTED;
		}
		counter_add(t->es->n.failed_requests, 1);
		flush_because(t->report, "%s answered 200 with a body that says nothing of the events: %s", r->host,
			err.text);
		return POST_DOWN;
	case 400:
	case 413:
		return split(t, body, first, last, r);
	case 408:
	case 429:
		return refused(t, r, POST_DOWN);
	default:
		return refused(t, r, r->status >= 500 ? POST_DOWN : POST_HOLD);
	}
}

/* Sends the items [first, last) of the body. */
static enum posted post(struct flusher *t, struct bulk_body *body, size_t first, size_t last)
{
	struct elasticsearch *es = t->es;
	struct bulk_response r;
	struct err err;
	struct span bytes = bulk_body_bytes(body);
	if (first || last < bulk_body_count(body)) {
		buf_clear(&t->slice);
		if (!bulk_body_slice(body, first, last, &t->slice)) {
			flush_because(t->report, "no memory for a part of a request");
			return POST_DOWN;
		}
		bytes = buf_span(&t->slice);
	}
	counter_add(es->n.requests, 1);
	counter_add(es->n.request_bytes, bytes.n);
	if (!bulk_client_request(
		    t->client, "POST", buf_cstr(&t->url), es->settings.client.content_type, bytes, &r, &err)) {
		counter_add(es->n.failed_requests, 1);
		flush_because(t->report, "%s", err.text);
		return r.stopped ? POST_STOPPED : POST_DOWN;
	}
	histogram_observe(es->latency, (double)r.took_ns / 1e9, 1);
	return answered(t, body, first, last, &r);
}

static enum posted post_body(struct flusher *t, struct bulk_body *body)
{
	size_t count = bulk_body_count(body);
	t->again_count = 0;
	t->refused_whole = 0;
	buf_clear(&t->url);
	buf_put_byte(&t->url, '/');
	bulk_put_path_segment(&t->url, bulk_body_index(body));
	buf_put_str(&t->url, "/_bulk?filter_path=" BULK_FILTER_PATH);
	if (!count)
		return POSTED;
	enum posted p = post(t, body, 0, count);
	if (p == POSTED && count > 1 && t->refused_whole == count) {
		/* Every single one of them: that is no bad event, that is the configuration. */
		frame_free_list(t->dead);
		t->dead = NULL;
		t->dead_count = 0;
		return POST_HOLD;
	}
	return p;
}

/* ---- filling a request ------------------------------------------------------------------------------------------------------ */

enum filled { FILLED, FILL_END, FILL_FAILED };

/* What was rejected for now goes first. */
static enum filled fill_pending(struct flusher *t, struct bulk_body *body)
{
	const struct chunk_progress *p = &t->progress;
	struct frame_view f;
	struct err err;
	uint32_t next;
	for (t->pending_used = 0; t->pending_used < p->pending_count;) {
		const struct chunk_pending *item = &p->pending[t->pending_used];
		chunk_reader_seek(t->reader, item->offset);
		enum chunk_read read = chunk_reader_next(t->reader, &f, &err);
		if (read == CHUNK_FAILED) {
			flush_because(t->report, "%s", err.text);
			return FILL_FAILED;
		}
		bool there = read == CHUNK_FRAME && f.offset == item->offset;
		do {
			if (there && bulk_body_add(body, &f, item->index, item->index + 1, &next) == BULK_FULL)
				return FILLED;
			t->pending_used++; /* a frame that is damaged by now was counted and told by the reader */
			item++;
		} while (t->pending_used < p->pending_count && item->offset == f.offset && there);
	}
	return FILLED;
}

static enum filled fill(struct flusher *t, struct bulk_body *body)
{
	struct frame_view f;
	struct err err;
	bulk_body_clear(body);
	t->next_offset = t->progress.next_offset;
	t->next_index = t->progress.next_index;
	if (t->progress.pending_count)
		return fill_pending(t, body);
	t->pending_used = 0;
	chunk_reader_seek(t->reader, t->next_offset);
	for (;;) {
		enum chunk_read read = chunk_reader_next(t->reader, &f, &err);
		if (read == CHUNK_FAILED) {
			flush_because(t->report, "%s", err.text);
			return FILL_FAILED;
		}
		if (read == CHUNK_END)
			return bulk_body_count(body) || t->dead_count || t->next_offset != t->progress.next_offset
				       ? FILLED
				       : FILL_END;
		uint32_t first = f.offset == t->next_offset ? t->next_index : 0, next;
		enum bulk_add added = bulk_body_add(body, &f, first, UINT32_MAX, &next);
		t->next_offset = f.offset;
		t->next_index = next;
		if (added == BULK_FULL)
			return FILLED;
	}
}

/* The request is over: what is left of it, and of what was pending before it, is pending now. */
static void advance(struct flusher *t)
{
	struct chunk_progress *p = &t->progress;
	size_t left = p->pending_count - t->pending_used;
	struct chunk_pending *now = mem_array(t->again_count + left, sizeof *now);
	if (t->again_count)
		memcpy(now, t->again, t->again_count * sizeof *now);
	if (left)
		memcpy(now + t->again_count, p->pending + t->pending_used, left * sizeof *now);
	mem_free(p->pending);
	p->pending = now;
	p->pending_count = t->again_count + left;
	p->next_offset = t->next_offset;
	p->next_index = t->next_index;
}

/* ---- a chunk ---------------------------------------------------------------------------------------------------------------------- */

static void save(struct flusher *t, bool sync)
{
	struct err err;
	t->unsaved = false;
	if (chunk_progress_save(flow_buffer(t->es->output->flow), t->chunk, &t->progress, sync, &err))
		return;
	static struct log_limit limit;
	uint64_t held;
	if (log_allowed(&limit, 60 * NS_PER_S, &held))
		log_warn(t->es->output->id,
			"the progress of a chunk cannot be saved: after a crash some events would be sent again (their "
			"documents are known then)",
			LOG_S("error", err.text), LOG_U("held_back", held));
}

static enum flush_result flush_requests(struct flusher *t)
{
	for (;;) {
		struct bulk_body *body = atomic_load(&t->es->send_type) ? t->typed : t->body;
		t->held = false;
		enum filled filled = fill(t, body);
		if (filled == FILL_END)
			return FLUSH_DONE;
		if (filled == FILL_FAILED)
			return FLUSH_RETRY;
		if (t->unsaved)
			save(t, false); /* not synced: losing it repeats events whose ids are known */
		enum posted posted = post_body(t, body);
		if (posted == POST_TYPED) {
			atomic_store(&t->es->send_type, true);
			log_info(t->es->output->id,
				"the server wants a mapping type (a version before 7): type_name is sent from now on");
			frame_free_list(t->dead);
			t->dead = NULL;
			t->dead_count = 0;
			continue;
		}
		if (posted == POSTED && !bury_all(t))
			return FLUSH_HOLD;
		if (posted != POSTED) {
			frame_free_list(t->dead);
			t->dead = NULL;
			t->dead_count = 0;
			return posted == POST_STOPPED ? FLUSH_STOPPED : posted == POST_HOLD ? FLUSH_HOLD : FLUSH_DOWN;
		}
		size_t sent = bulk_body_count(body);
		advance(t);
		if (t->again_count) {
			save(t, true);
			if (t->held && t->again_count == sent)
				return FLUSH_HOLD;
			if (t->held && t->report->retry_after_ns < HOLD_RETRY_NS)
				t->report->retry_after_ns = HOLD_RETRY_NS;
			else if (!t->held)
				flush_because(
					t->report, "%zu of %zu events were rejected for now", t->again_count, sent);
			return FLUSH_RETRY;
		}
		t->unsaved = true;
	}
}

static enum flush_result flush(void *thread, struct chunk *c, struct flush_report *report)
{
	struct flusher *t = thread;
	struct buffer *b = flow_buffer(t->es->output->flow);
	struct err err;
	switch (elastic_setup_run(t->es->setup, t->client, t->es->output->id, &err)) {
	case SETUP_DONE:
		break;
	case SETUP_STOPPED:
		return FLUSH_STOPPED;
	case SETUP_DOWN:
		flush_because(report, "%s", err.text);
		return FLUSH_DOWN;
	case SETUP_REFUSED:
		flush_because(report, "%s", err.text);
		return FLUSH_HOLD;
	}
	t->chunk = c;
	t->report = report;
	t->unsaved = false;
	t->reader = chunk_reader_open(b, c, &err);
	if (!t->reader) {
		flush_because(report, "%s", err.text);
		return FLUSH_RETRY;
	}
	chunk_progress_load(b, c, &t->progress);
	enum flush_result result = flush_requests(t);
	mem_free(t->progress.pending);
	t->progress = (struct chunk_progress){0};
	chunk_reader_close(t->reader);
	t->reader = NULL;
	return result;
}

/* ---- life --------------------------------------------------------------------------------------------------------------------------- */

static void flush_close(void *thread)
{
	struct flusher *t = thread;
	if (!t)
		return;
	bulk_client_free(t->client);
	bulk_body_free(t->body);
	bulk_body_free(t->typed);
	bulk_reply_free(t->reply);
	buf_free(&t->url);
	buf_free(&t->slice);
	mem_free(t->again);
	mem_free(t);
}

static void *flush_open(struct output *o, int stop_fd, struct err *err)
{
	struct elasticsearch *es = o->self;
	struct flusher *t = mem_zalloc(sizeof *t);
	t->es = es;
	t->client = bulk_client_new(es->hosts, stop_fd, err);
	if (!t->client) {
		flush_close(t);
		return NULL;
	}
	t->body = bulk_body_new(&es->settings.bulk);
	t->typed_options = es->settings.bulk;
	t->typed_options.type_name = es->settings.type_name;
	t->typed = bulk_body_new(&t->typed_options);
	t->reply = bulk_reply_new();
	bulk_body_on_reject(t->body, on_reject, t);
	bulk_body_on_reject(t->typed, on_reject, t);
	buf_init(&t->url, 8192);
	buf_init(&t->slice, 1u << 30);
	return t;
}

static void destroy(void *self)
{
	struct elasticsearch *es = self;
	if (!es)
		return;
	bulk_hosts_free(es->hosts);
	elastic_setup_free(es->setup);
	elasticsearch_settings_free(&es->settings);
	mem_free(es);
}

static void count(struct elasticsearch *es, struct metrics *m)
{
	static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};
	char *labels = metrics_labels("plugin_id", es->output->id, "type", es->output->plugin->name, NULL);
	es->n.indexed = metrics_counter(m, "weir_output_indexed_events_total", labels, "Events that were indexed.");
	es->n.duplicates = metrics_counter(m, "weir_output_already_there_events_total", labels,
		"Events whose document was there already: repetitions that did no harm.");
	es->n.retried = metrics_counter(m, "weir_output_retried_events_total", labels,
		"Times that an event was rejected for now and is sent again.");
	es->n.held = metrics_counter(m, "weir_output_held_events_total", labels,
		"Times that an event met an index that takes none, and is sent again later.");
	es->n.requests = metrics_counter(m, "weir_output_requests_total", labels, "Bulk requests.");
	es->n.request_bytes = metrics_counter(
		m, "weir_output_request_bytes_total", labels, "Bytes of bulk request bodies before compression.");
	es->n.failed_requests = metrics_counter(
		m, "weir_output_failed_requests_total", labels, "Bulk requests without a usable reply.");
	es->latency = metrics_histogram(m, "weir_output_request_seconds", labels,
		"Time from a bulk request to its reply.", bounds, sizeof bounds / sizeof *bounds);
	mem_free(labels);
}

static void *create(struct output *o, struct builder *b)
{
	const struct elasticsearch_conf *c = o->conf;
	struct elasticsearch *es = mem_zalloc(sizeof *es);
	es->output = o;
	if (elasticsearch_settings_make(&es->settings, c, builder_report(b)))
		es->hosts = bulk_hosts_new(&es->settings.client);
	es->setup = elasticsearch_setup_make(c, builder_report(b));
	count(es, builder_metrics(b));
	builder_flow(b, o, c->buffer.n ? c->buffer.v[0] : NULL);
	return es;
}

static void describe(const struct output *o, struct buf *out)
{
	const struct elasticsearch *es = o->self;
	for (size_t i = 0; i < es->settings.client.host_count; i++) {
		const struct bulk_host *h = &es->settings.hosts[i];
		buf_printf(out, "%s%s://%s:%u%s", i ? "," : "", h->scheme, h->host, h->port, h->path);
	}
	unsigned threads = flow_threads(o->flow);
	buf_printf(out, ", %u flush thread%s", threads, threads == 1 ? "" : "s");
}

static const struct output_ops ops = {
	.create = create,
	.destroy = destroy,
	.flush_open = flush_open,
	.flush_close = flush_close,
	.flush = flush,
	.describe = describe,
};

const struct plugin out_elasticsearch = {
	.kind = PLUGIN_OUTPUT,
	.name = "elasticsearch",
	.help = "Bulk indexing into Elasticsearch or OpenSearch.",
	.schema = &elasticsearch_conf_schema,
	.output = &ops,
};

const struct plugin out_opensearch = {
	.kind = PLUGIN_OUTPUT,
	.name = "opensearch",
	.help = "Bulk indexing into OpenSearch.",
	.schema = &opensearch_conf_schema,
	.output = &ops,
};

const struct plugin out_elasticsearch_data_stream = {
	.kind = PLUGIN_OUTPUT,
	.name = "elasticsearch_data_stream",
	.help = "Bulk indexing into an Elasticsearch data stream.",
	.schema = &elasticsearch_data_stream_conf_schema,
	.output = &ops,
};

const struct plugin out_opensearch_data_stream = {
	.kind = PLUGIN_OUTPUT,
	.name = "opensearch_data_stream",
	.help = "Bulk indexing into an OpenSearch data stream.",
	.schema = &opensearch_data_stream_conf_schema,
	.output = &ops,
};

const struct plugin out_elasticsearch_dynamic = {
	.kind = PLUGIN_OUTPUT,
	.name = "elasticsearch_dynamic",
	.help = "The elasticsearch output with v0.12's placeholders.",
	.schema = &elasticsearch_dynamic_conf_schema,
	.output = &ops,
};
