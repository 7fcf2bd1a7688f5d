#include "elasticsearch_flush.h"

#include "base/clock.h"
#include "base/mem.h"
#include "dead_letter.h"
#include "die_at.h"
#include "flow.h"
#include "record/msgpack_scan.h"

#include <stdio.h>

#define SMALL_FOR_NS (600 * NS_PER_S) /* how long requests stay small after a 413 */
#define SMALL_MIN    (64u << 10)
#define SUSPECTS     16 /* events refused by themselves before the configuration is suspected */

/* ---- dead letters --------------------------------------------------------------------------------------------------- */

static void bury(struct flusher *t, const struct frame_view *f, struct span entry, const struct dead_letter *why)
{
	struct buf info;
	buf_init(&info, DEAD_LETTER_INFO_MAX);
	dead_letter_info(&info, why);
	struct frame *d = frame_new(FRAME_DEAD, f->tag, buf_span(&info), entry.n);
	buf_free(&info);
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
void elasticsearch_on_reject(
	void *arg, const struct frame_view *f, uint32_t index, struct span entry, const char *reason)
{
	struct flusher *t = arg;
	t->dead_count++;
	bury(t, f, entry,
		&(struct dead_letter){.plugin = t->es->output->id,
			.reason = "not_indexable",
			.text = reason,
			.place = frame_first_place(f->info) + index});
}

/* Reads the item's frame again, from its first event on. */
static bool find_frame(struct flusher *t, const struct bulk_item *item)
{
	struct err err;
	struct found *at = &t->found;
	chunk_reader_seek(t->reader, item->frame_offset);
	if (chunk_reader_next(t->reader, &at->frame, &err) != CHUNK_FRAME || at->frame.offset != item->frame_offset) {
		at->frame.entries = (struct span){0};
		return false;
	}
	at->p = at->frame.entries.p;
	at->index = 0;
	return true;
}

/*
 * Finds the item's event again: requests do not keep where their events came from in memory. They are asked for in their order, so the frame is read once and
 * gone through once.
 */
static bool find_event(struct flusher *t, const struct bulk_item *item, struct span *entry)
{
	struct event e;
	size_t used;
	struct found *at = &t->found;
	bool there = at->frame.entries.p && at->frame.offset == item->frame_offset && at->index <= item->index;
	if (!there && !find_frame(t, item))
		return false;
	const uint8_t *end = at->frame.entries.p + at->frame.entries.n;
	for (;; at->p += used, at->index++) {
		if (event_read(at->p, end, MP_DEPTH_LIMIT, &e, &used) != EVENT_OK)
			return false;
		if (at->index == item->index) {
			*entry = span_of(at->p, used);
			return true;
		}
	}
}

static void bury_item(
	struct flusher *t, const struct bulk_item *item, unsigned status, const char *type, const char *text)
{
	struct span entry;
	t->dead_count++;
	if (find_event(t, item, &entry))
		bury(t, &t->found.frame, entry,
			&(struct dead_letter){.plugin = t->es->output->id,
				.reason = type && *type ? type : "rejected",
				.text = text,
				.status = status,
				.index = bulk_body_index(t->body),
				.place = frame_first_place(t->found.frame.info) + item->index});
}

/* Durable before the progress moves over them. */
static bool bury_all(struct flusher *t)
{
	struct err err;
	size_t made = 0;
	for (struct frame *d = t->dead; d; d = d->next)
		made++;
	if (made < t->dead_count) {
		flush_because(t->report, "no memory for %zu dead letters", t->dead_count);
		elasticsearch_forget(t);
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

void elasticsearch_forget(struct flusher *t)
{
	frame_free_list(t->dead);
	t->dead = NULL;
	t->dead_count = 0;
	t->tally = (struct tally){0};
}

bool elasticsearch_conclude(struct flusher *t)
{
	struct elasticsearch *es = t->es;
	size_t dead = t->dead_count;
	bool ok = bury_all(t);
	if (ok) {
		counter_add(es->n.indexed, t->tally.indexed);
		counter_add(es->n.duplicates, t->tally.duplicates);
		counter_add(es->output->n.delivered, t->tally.indexed + t->tally.duplicates);
		counter_add(es->n.failure_store, t->tally.failure_store);
		t->progress.outcome.delivered += t->tally.indexed;
		t->progress.outcome.already_there += t->tally.duplicates;
		t->progress.outcome.dead += dead;
	}
	t->tally = (struct tally){0};
	return ok;
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

/* An index that takes nothing: its rights, its blocks, closed or missing. */
static void hold_item(struct flusher *t, const struct bulk_item *item, const struct bulk_outcome *o)
{
	struct elasticsearch *es = t->es;
	uint64_t held;
	counter_add(es->n.held, 1);
	t->held_count++;
	once_more(t, item);
	if (log_allowed(&es->log_hold, 60 * NS_PER_S, &held))
		log_error(es->output->id,
			"an index takes no events: they stay in the buffer and are tried again every half minute until "
			"it does, the others go on; look at its blocks, its rights and whether it is there and open",
			LOG_U("status", o->status), LOG_S("reason", o->type), LOG_S("error", o->reason),
			LOG_U("held_back", held));
	flush_because(t->report, "%u %s: %s", o->status, o->type ? o->type : "", o->reason ? o->reason : "");
}

/* True if the server was too busy for some of them. */
static bool judge_items(struct flusher *t, struct bulk_body *body, size_t first, size_t last)
{
	const struct bulk_item *items = bulk_body_items(body);
	bool busy = false;
	for (size_t i = first; i < last; i++) {
		const struct bulk_outcome *o = bulk_reply_item(t->reply, i - first);
		switch (o->verdict) {
		case BULK_DONE:
			t->tally.indexed++;
			t->tally.failure_store += o->failure_store;
			break;
		case BULK_DUPLICATE:
			t->tally.duplicates++;
			break;
		case BULK_RETRY:
			counter_add(t->es->n.retried, 1);
			once_more(t, &items[i]);
			/* A full disk's block on an index (TOO_MANY_REQUESTS/12) says nothing of the server. */
			busy |= o->status == 429 && !(o->type && strcmp(o->type, "cluster_block_exception") == 0);
			break;
		case BULK_HOLD:
			hold_item(t, &items[i], o);
			break;
		case BULK_REJECT:
			bury_item(t, &items[i], o->status, o->type, o->reason);
			break;
		}
	}
	return busy;
}

static const char *hint_for(long status)
{
	switch (status) {
	case 401:
		return "the user, password or API key is wrong or has run out";
	case 403:
		return "the user has no right to write there";
	case 404:
	case 405:
		return "there is no _bulk at that place: look at `path` and at proxies in between";
	case 406:
	case 415:
		return "the server does not take the content type or gzip: set compression_level no_compression";
	default:
		return status < 400 ? "redirects are not followed: name the server itself in `hosts`"
				    : "look at the server's own log, and at proxies in between";
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

/* ---- refused as a whole ------------------------------------------------------------------------------------------------ */

static struct span part_of(struct flusher *t, struct bulk_body *body, size_t first, size_t last)
{
	if (first == 0 && last == bulk_body_count(body))
		return bulk_body_bytes(body);
	buf_clear(&t->slice);
	if (!bulk_body_slice(body, first, last, &t->slice))
		return (struct span){0};
	return buf_span(&t->slice);
}

static bool request(struct flusher *t, struct span bytes, struct bulk_response *r)
{
	struct elasticsearch *es = t->es;
	struct err err;
	counter_add(es->n.requests, 1);
	counter_add(es->n.request_bytes, bytes.n);
	if (bulk_client_request(
		    t->client, "POST", buf_cstr(&t->url), es->settings.client.content_type, bytes, r, &err)) {
		histogram_observe(es->latency, (double)r->took_ns / 1e9, 1);
		return true;
	}
	counter_add(es->n.failed_requests, 1);
	flush_because(t->report, "%s", err.text);
	return false;
}

/*
 * SUSPECTS events were refused by themselves and nothing was accepted: are all of them bad, or the configuration? Some of the rest, evenly spread, are asked
 * for; what is accepted of them is known when its turn comes.
 */
static bool all_are_refused(struct flusher *t, struct bulk_body *body, size_t from)
{
	size_t left = bulk_body_count(body) - from;
	for (size_t i = 0; i < SUSPECTS && i < left; i++) {
		struct bulk_response r;
		size_t at = from + left * i / SUSPECTS;
		struct span bytes = part_of(t, body, at, at + 1);
		if (!bytes.n || !request(t, bytes, &r) || r.status != 400)
			return false;
	}
	return left > 0;
}

static enum posted post(struct flusher *t, struct bulk_body *body, size_t first, size_t last);

static enum posted refused_alone(struct flusher *t, struct bulk_body *body, size_t at, long status, const char *text)
{
	bury_item(
		t, &bulk_body_items(body)[at], (unsigned)status, status == 413 ? "too_large" : "request_refused", text);
	if (status == 413 || ++t->refused_whole != SUSPECTS || t->accepted)
		return POSTED;
	if (!all_are_refused(t, body, at + 1))
		return POSTED;
	flush_because(t->report, "every event is refused by itself, so it is not the events: 400 %s", text);
	return POST_HOLD;
}

/* What is too large for the server today may be so for a while. */
static void be_small(struct elasticsearch *es, size_t bytes)
{
	atomic_store(&es->small_bytes, bytes / 2 < SMALL_MIN ? SMALL_MIN : bytes / 2);
	atomic_store(&es->small_until_ns, clock_mono_ns() + SMALL_FOR_NS);
}

/* 413, or a 400 that is about the request as a whole: halves, down to the one event that is to blame. */
static enum posted split(struct flusher *t, struct bulk_body *body, size_t first, size_t last, size_t bytes,
	const struct bulk_response *r)
{
	char text[400];
	uint64_t held;
	bulk_error_text(r->body, text, sizeof text);
	if (r->status == 400 && strstr(text, "type is missing") && t->es->settings.type_name && body == t->body)
		return POST_TYPED;
	if (log_allowed(&t->es->log_split, 60 * NS_PER_S, &held))
		log_warn(t->es->output->id,
			r->status == 413
				? "a request was too large for the server (or a proxy): it is sent in halves, and "
				  "requests stay smaller for ten minutes; lower bulk_message_request_threshold"
				: "a request was refused as a whole: it is sent in halves to find the event that is to "
				  "blame",
			LOG_I("status", r->status), LOG_S("error", text), LOG_U("events", last - first),
			LOG_U("held_back", held));
	if (last - first == 1)
		return refused_alone(t, body, first, r->status, text);
	if (r->status == 413)
		be_small(t->es, bytes);
	size_t middle = first + (last - first) / 2;
	enum posted p = post(t, body, first, middle);
	return p == POSTED ? post(t, body, middle, last) : p;
}

/* ---- a request ---------------------------------------------------------------------------------------------------------- */

static enum posted read_reply(struct flusher *t, struct bulk_body *body, size_t first, size_t last,
	const struct bulk_response *r, enum bulk_word *word)
{
	struct err err;
	bool create = t->es->settings.bulk.operation == BULK_CREATE || t->es->settings.bulk.data_stream;
	if (r->cut) {
		err_set(&err, "the reply is larger than 64 MiB");
	} else if (bulk_reply_judge(t->reply, r->body, last - first, create, &err)) {
		t->accepted = true;
		bool busy = judge_items(t, body, first, last);
		*word = busy ? BULK_WORD_BUSY : BULK_WORD_GOOD;
		t->busy |= busy;
		return POSTED;
	}
	counter_add(t->es->n.failed_requests, 1);
	flush_because(t->report, "%s answered 200 with a body that says nothing of the events: %s", r->host, err.text);
	return POST_DOWN;
}

/* Sends the items [first, last) of the body. */
static enum posted post(struct flusher *t, struct bulk_body *body, size_t first, size_t last)
{
	struct elasticsearch *es = t->es;
	struct bulk_response r;
	enum posted posted = POST_DOWN;
	struct span bytes = part_of(t, body, first, last);
	if (!bytes.n) {
		flush_because(t->report, "no memory for a part of a request");
		return POST_DOWN;
	}
	uint64_t entered = bulk_pace_enter(es->pace);
	bool answered = request(t, bytes, &r);
	die_point(DIE_BULK_ANSWERED);
	enum bulk_word word = r.timed_out || (answered && r.status == 429) ? BULK_WORD_BUSY : BULK_WORD_NONE;
	if (answered && r.status == 200)
		posted = read_reply(t, body, first, last, &r, &word);
	bulk_pace_leave(es->pace, entered, word);
	gauge_set(es->n.limit, bulk_pace_limit(es->pace));
	if (!answered)
		return r.stopped ? POST_STOPPED : POST_DOWN;
	switch (r.status) {
	case 200:
		return posted;
	case 400:
	case 413:
		return split(t, body, first, last, bytes.n, &r);
	case 408:
	case 429:
		return refused(t, &r, POST_DOWN);
	default:
		return refused(t, &r, r.status >= 500 ? POST_DOWN : POST_HOLD);
	}
}

enum posted elasticsearch_post(struct flusher *t, struct bulk_body *body)
{
	size_t count = bulk_body_count(body);
	t->again_count = t->held_count = 0;
	t->refused_whole = 0;
	t->accepted = t->busy = false;
	t->found.frame.entries = (struct span){0}; /* the reader has moved */
	buf_clear(&t->url);
	buf_put_byte(&t->url, '/');
	bulk_put_path_segment(&t->url, bulk_body_index(body));
	buf_put_str(&t->url, "/_bulk?filter_path=" BULK_FILTER_PATH);
	if (!count)
		return POSTED;
	enum posted p = post(t, body, 0, count);
	if (p == POSTED && count > 1 && t->refused_whole == count) {
		flush_because(t->report, "every event of a request is refused by itself with 400: that is not the "
					 "events but the configuration");
		p = POST_HOLD;
	}
	if (p != POSTED)
		elasticsearch_forget(t);
	return p;
}
