#include "elasticsearch_flush.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "die_at.h"
#include "elasticsearch_rollover.h"
#include "flow.h"

/* ---- filling a request ------------------------------------------------------------------------------------------------------ */

enum filled { FILLED, FILL_END, FILL_FAILED };

#define SAME_TIME_NS (5 * NS_PER_MS)

/* Notes when events came that the request now has. */
static void note_arrival(struct flusher *t, int64_t received_ns, size_t count)
{
	struct arrival *last = t->arrival_count ? &t->arrivals[t->arrival_count - 1] : NULL;
	if (!count)
		return;
	if (last && received_ns >= last->received_ns && received_ns - last->received_ns < SAME_TIME_NS) {
		last->count += (uint32_t)count;
		return;
	}
	if (t->arrival_count == t->arrival_cap) {
		t->arrival_cap = t->arrival_cap ? t->arrival_cap * 2 : 64;
		t->arrivals = mem_realloc(t->arrivals, t->arrival_cap * sizeof *t->arrivals);
	}
	t->arrivals[t->arrival_count++] = (struct arrival){.received_ns = received_ns, .count = (uint32_t)count};
}

/* The request was answered item by item: how old its events were by then. */
static void observe_ages(const struct flusher *t)
{
	int64_t now = clock_wall_ns();
	for (size_t i = 0; i < t->arrival_count; i++) {
		int64_t age = now - t->arrivals[i].received_ns;
		histogram_observe(t->es->age, age > 0 ? (double)age / 1e9 : 0, t->arrivals[i].count);
	}
}

/* What was rejected for now goes first. */
static enum filled fill_pending(struct flusher *t, struct bulk_body *body)
{
	const struct chunk_progress *p = &t->progress;
	struct frame_view f;
	struct err err;
	uint32_t next;
	for (t->pending_used = t->pending_held; t->pending_used < p->pending_count;) {
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
	t->arrival_count = 0;
	if (clock_mono_ns() < atomic_load(&t->es->small_until_ns))
		bulk_body_keep_under(body, atomic_load(&t->es->small_bytes));
	t->next_offset = t->progress.next_offset;
	t->next_index = t->progress.next_index;
	if (t->progress.pending_count > t->pending_held)
		return fill_pending(t, body);
	t->pending_used = t->pending_held;
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
		die_point(DIE_FRAME_READ);
		uint32_t first = f.offset == t->next_offset ? t->next_index : 0, next;
		size_t before = bulk_body_count(body);
		enum bulk_add added = bulk_body_add(body, &f, first, UINT32_MAX, &next);
		note_arrival(t, f.received_ns, bulk_body_count(body) - before);
		t->next_offset = f.offset;
		t->next_index = next;
		if (added == BULK_FULL)
			return FILLED;
	}
}

/* The request is over: what is held already, what is left of it, and of what was pending before it, is pending now. */
static void advance(struct flusher *t)
{
	struct chunk_progress *p = &t->progress;
	size_t left = p->pending_count - t->pending_used, kept = t->pending_held;
	struct chunk_pending *now = mem_array(kept + t->again_count + left, sizeof *now);
	if (kept)
		memcpy(now, p->pending, kept * sizeof *now);
	if (t->again_count)
		memcpy(now + kept, t->again, t->again_count * sizeof *now);
	if (left)
		memcpy(now + kept + t->again_count, p->pending + t->pending_used, left * sizeof *now);
	mem_free(p->pending);
	p->pending = now;
	p->pending_count = kept + t->again_count + left;
	p->next_offset = t->next_offset;
	p->next_index = t->next_index;
}

/* ---- index names that only the events tell ------------------------------------------------------------------------------- */

#define NAMES_MAX 10000 /* that a thread remembers; what was forgotten is looked for once more */

static void forget_names(struct flusher *t)
{
	map_free(t->met, NULL);
	t->met = map_new();
	buf_clear(&t->fresh);
}

static void on_index(void *arg, struct span name)
{
	struct flusher *t = arg;
	void **place = map_get(t->met, name) ? NULL : map_put(t->met, name);
	if (!place)
		return;
	*place = t;
	buf_put(&t->fresh, name.p, name.n);
	buf_put_byte(&t->fresh, 0);
}

/* Sets up what the names of the request at hand need. */
static enum setup_result set_up_names(struct flusher *t, struct err *err)
{
	enum setup_result result = SETUP_DONE;
	if (!t->met)
		return result;
	for (size_t at = 0; at < t->fresh.n && result == SETUP_DONE;) {
		struct span name = span_str((const char *)t->fresh.p + at);
		struct elastic_setup *s = rollover_setup(t->es->rollover, name);
		result = elastic_setup_run(s, t->client, t->es->output->id, err);
		elastic_setup_free(s);
		at += name.n + 1;
	}
	if (result != SETUP_DONE || map_count(t->met) > NAMES_MAX)
		forget_names(t);
	buf_clear(&t->fresh);
	return result;
}

/* ---- a chunk ---------------------------------------------------------------------------------------------------------------------- */

static void save(struct flusher *t, bool sync)
{
	struct err err;
	t->unsaved = false;
	if (chunk_progress_save(flow_buffer(t->es->output->flow), t->chunk, &t->progress, sync, &err))
		return;
	uint64_t held;
	if (log_allowed(&t->es->log_progress, 60 * NS_PER_S, &held))
		log_warn(t->es->output->id,
			"the progress of a chunk cannot be saved: after a crash some events would be sent again (their "
			"documents are known then)",
			LOG_S("error", err.text), LOG_U("held_back", held));
}

/*
 * A request's items are judged: on with the next one (true), or not. What one index does not take, whatever the reason, must not keep others behind it waiting; but
 * a server that is busy, or takes nothing, is given time. What was known to be refused and still is says nothing of the rest.
 */
static bool go_on(struct flusher *t, size_t sent)
{
	bool all_held = t->held_count == t->again_count, was_pending = t->pending_used > t->pending_held;
	advance(t);
	t->report->progressed |= t->again_count < sent;
	if (!t->again_count) {
		t->unsaved = true;
		return true;
	}
	save(t, true);
	if (!all_held)
		flush_because(
			t->report, "%zu of %zu events were rejected for now", t->again_count - t->held_count, sent);
	if (!all_held && (t->busy || (t->again_count == sent && !was_pending)))
		return false;
	t->pending_held += t->again_count;
	t->for_now |= !all_held;
	return true;
}

static enum flush_result ended(enum posted posted)
{
	return posted == POST_STOPPED ? FLUSH_STOPPED : posted == POST_HOLD ? FLUSH_HOLD : FLUSH_DOWN;
}

/* What is not SETUP_DONE, as the result of a flush. */
static enum flush_result not_set_up(struct flusher *t, enum setup_result result, const struct err *err)
{
	elasticsearch_forget(t);
	if (result == SETUP_STOPPED)
		return FLUSH_STOPPED;
	flush_because(t->report, "%s", err->text);
	return result == SETUP_DOWN ? FLUSH_DOWN : FLUSH_HOLD;
}

static enum flush_result flush_requests(struct flusher *t)
{
	struct err err;
	for (;;) {
		struct bulk_body *body = atomic_load(&t->es->send_type) ? t->typed : t->body;
		enum filled filled = fill(t, body);
		if (filled == FILL_END)
			return t->for_now ? FLUSH_RETRY : t->pending_held ? FLUSH_BLOCKED : FLUSH_DONE;
		if (filled == FILL_FAILED) {
			elasticsearch_forget(t);
			return FLUSH_RETRY;
		}
		chunk_reader_pause(t->reader);
		enum setup_result set_up = set_up_names(t, &err);
		if (set_up != SETUP_DONE)
			return not_set_up(t, set_up, &err);
		if (t->unsaved)
			save(t, false); /* not synced: losing it repeats events whose ids are known */
		enum posted posted = elasticsearch_post(t, body);
		if (posted == POST_TYPED) {
			atomic_store(&t->es->send_type, true);
			log_info(t->es->output->id,
				"the server wants a mapping type (a version before 7): type_name is sent from now on");
			continue;
		}
		if (posted != POSTED)
			return ended(posted);
		if (!elasticsearch_conclude(t))
			return FLUSH_BLOCKED; /* chunks without dead letters go on, and make room */
		die_point(DIE_BULK_CONCLUDED);
		observe_ages(t);
		if (!go_on(t, bulk_body_count(body)))
			return FLUSH_RETRY;
	}
}

enum flush_result elasticsearch_flush(void *thread, struct chunk *c, struct flush_report *report)
{
	struct flusher *t = thread;
	struct buffer *b = flow_buffer(t->es->output->flow);
	struct err err;
	t->report = report;
	enum setup_result set_up = elastic_setup_run(t->es->setup, t->client, t->es->output->id, &err);
	if (set_up != SETUP_DONE)
		return not_set_up(t, set_up, &err);
	t->chunk = c;
	t->unsaved = false;
	t->pending_held = 0;
	t->for_now = false;
	t->reader = chunk_reader_open(b, c, &err);
	if (!t->reader) {
		flush_because(report, "%s", err.text);
		return FLUSH_RETRY;
	}
	chunk_progress_load(b, c, &t->progress);
	enum flush_result result = flush_requests(t);
	if (result != FLUSH_DONE && t->unsaved)
		save(t, false);
	chunk_account(c, &t->progress.outcome);
	mem_free(t->progress.pending);
	t->progress = (struct chunk_progress){0};
	chunk_reader_close(t->reader);
	t->reader = NULL;
	return result;
}
/* ---- a flush thread -------------------------------------------------------------------------------------------------- */

void elasticsearch_flush_close(void *thread)
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
	buf_free(&t->fresh);
	map_free(t->met, NULL);
	mem_free(t->again);
	mem_free(t->arrivals);
	mem_free(t);
}

void *elasticsearch_flush_open(struct output *o, int stop_fd, struct err *err)
{
	struct elasticsearch *es = o->self;
	struct flusher *t = mem_zalloc(sizeof *t);
	t->es = es;
	t->client = bulk_client_new(es->hosts, stop_fd, err);
	if (!t->client) {
		elasticsearch_flush_close(t);
		return NULL;
	}
	t->body = bulk_body_new(&es->settings.bulk);
	t->typed_options = es->settings.bulk;
	t->typed_options.type_name = es->settings.type_name;
	t->typed = bulk_body_new(&t->typed_options);
	t->reply = bulk_reply_new();
	bulk_body_on_reject(t->body, elasticsearch_on_reject, t);
	bulk_body_on_reject(t->typed, elasticsearch_on_reject, t);
	buf_init(&t->url, 8192);
	buf_init(&t->slice, 1u << 30);
	buf_init(&t->fresh, 64u << 20);
	if (es->rollover) {
		t->met = map_new();
		bulk_body_on_index(t->body, on_index, t);
		bulk_body_on_index(t->typed, on_index, t);
	}
	return t;
}
