#include "dead_store.h"

#include "base/clock.h"
#include "base/mem.h"
#include "chunk_keys.h"
#include "chunk_text.h"
#include "durable.h"
#include "record/tag_match.h"

#define LIST_BYTES (4u << 20) /* of frames that are given back at a time */
#define TAKE_NS	   (300 * NS_PER_MS)

/* ---- which ones ------------------------------------------------------------------------------------------------------ */

bool dead_filter_takes(const struct dead_filter *f, const struct frame_view *v, const struct dead_letter_view *why)
{
	return (!f->since_ns || why->time_ns >= f->since_ns) && (!f->until_ns || why->time_ns < f->until_ns) &&
	       (!f->reason || span_is(why->reason, f->reason)) &&
	       (!f->destination || span_is(why->plugin, f->destination)) && (!f->tag || tag_match(f->tag, v->tag));
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

struct dead_reader {
	struct chunk_reader *reader;
	struct chunk_progress progress;
	size_t at; /* in progress.pending */
	bool behind_pending;
};

struct dead_reader *dead_reader_open(struct buffer *b, struct chunk *c, struct err *err)
{
	struct chunk_reader *reader = chunk_reader_open(b, c, err);
	if (!reader)
		return NULL;
	struct dead_reader *r = mem_zalloc(sizeof *r);
	r->reader = reader;
	chunk_progress_load(b, c, &r->progress);
	return r;
}

void dead_reader_close(struct dead_reader *r)
{
	if (!r)
		return;
	chunk_reader_close(r->reader);
	mem_free(r->progress.pending);
	mem_free(r);
}

enum chunk_read dead_reader_next(
	struct dead_reader *r, struct frame_view *v, struct dead_letter_view *why, struct err *err)
{
	while (r->at < r->progress.pending_count) {
		uint64_t offset = r->progress.pending[r->at++].offset;
		chunk_reader_seek(r->reader, offset);
		enum chunk_read read = chunk_reader_next(r->reader, v, err);
		if (read == CHUNK_FRAME && v->offset == offset)
			dead_letter_read(v->info, why);
		else if (read != CHUNK_FAILED)
			continue; /* damaged by now: counted and told by the reader */
		return read;
	}
	if (!r->behind_pending)
		chunk_reader_seek(r->reader, r->progress.next_offset);
	r->behind_pending = true;
	enum chunk_read read = chunk_reader_next(r->reader, v, err);
	if (read == CHUNK_FRAME)
		dead_letter_read(v->info, why);
	return read;
}

/* ---- working a chunk off --------------------------------------------------------------------------------------------- */

struct turn {
	const struct dead_work *w;
	struct dead_outcome *out;
	struct chunk_pending *left;
	size_t left_count, left_cap;
	uint64_t done;		      /* events of this chunk */
	struct buffer_ledger outcome; /* of it, what was done before included */
	/* what goes back next: frames for one stage of one buffer */
	struct buffer *to;
	struct frame *first, **end;
	size_t bytes;
	struct buf stage, new_stage;
	int64_t due_ns;
	/* where the frame at hand lies; and where the first one of the list does, with what was done and left before it. All up to there is durable. */
	uint64_t at, list_at;
	bool behind_pending, list_is_sure; /* else the list began among those that are pending already */
	size_t list_left;
	uint64_t list_done;
};

static void keep(struct turn *t, const struct frame_view *v)
{
	if (t->left_count == t->left_cap) {
		t->left_cap = t->left_cap ? 2 * t->left_cap : 64;
		t->left = mem_realloc(t->left, t->left_cap * sizeof *t->left);
	}
	t->left[t->left_count++] = (struct chunk_pending){.offset = v->offset};
}

static bool give(struct turn *t, struct err *err)
{
	struct frame *list = t->first;
	t->first = NULL;
	t->end = &t->first;
	t->bytes = 0;
	return !list || durable_append(t->to, list, buf_span(&t->stage), t->due_ns, err);
}

/* The events as they were before, or NULL if they are none. *e: the first of them. */
static struct frame *revive(const struct frame_view *v, const struct dead_letter_view *why, struct event *e)
{
	uint8_t place[FRAME_PLACE_LEN];
	const uint8_t *p = v->entries.p;
	uint32_t events = 0;
	struct event next;
	for (; chunk_text_next(v, &p, &next); events++)
		if (!events)
			*e = next;
	if (!events || events != v->count)
		return NULL;
	le32_put(place, why->place);
	struct frame *f = frame_new(FRAME_DATA, v->tag, span_of(place, why->place ? FRAME_PLACE_LEN : 0), v->entries.n);
	if (!f)
		return NULL;
	memcpy(frame_entries(f), v->entries.p, v->entries.n);
	f->entries_len = v->entries.n;
	f->count = v->count;
	f->received_ns = v->received_ns;
	memcpy(f->key, v->key, FRAME_KEY_LEN);
	return f;
}

static bool put(struct turn *t, const struct dead_target *to, struct frame *f, const struct event *e, struct err *err)
{
	int64_t due_ns = 0;
	buf_clear(&t->new_stage);
	if (to->keys)
		due_ns = chunk_keys_stage(to->keys, frame_tag(f), e->time, e->record, &t->new_stage);
	bool same = t->to == to->buffer && span_eq(buf_span(&t->stage), buf_span(&t->new_stage));
	if ((!same || t->bytes >= LIST_BYTES) && !give(t, err)) {
		frame_free(f);
		return false;
	}
	buf_clear(&t->stage);
	buf_put_span(&t->stage, buf_span(&t->new_stage));
	t->to = to->buffer;
	t->due_ns = due_ns;
	if (!t->first) {
		t->list_is_sure = t->behind_pending;
		t->list_at = t->at;
		t->list_left = t->left_count;
		t->list_done = t->done;
	}
	*t->end = f;
	t->end = &f->next;
	t->bytes += frame_disk_size(f);
	return true;
}

static bool treat(struct turn *t, const struct frame_view *v, const struct dead_letter_view *why, struct err *err)
{
	const struct dead_work *w = t->w;
	struct dead_target to;
	struct event e;
	if (!dead_filter_takes(w->filter, v, why)) {
		t->out->kept += v->count;
		keep(t, v);
		return true;
	}
	if (w->drop) {
		t->done += v->count;
		return true;
	}
	struct frame *f = w->target(w->arg, why->plugin, &to) ? revive(v, why, &e) : NULL;
	if (!f) {
		t->out->strange += v->count;
		keep(t, v);
		return true;
	}
	if (!put(t, &to, f, &e, err))
		return false;
	t->done += v->count;
	return true;
}

static bool treat_all(struct turn *t, struct chunk *c, struct err *err)
{
	struct dead_reader *r = dead_reader_open(t->w->store, c, err);
	struct dead_letter_view why;
	struct frame_view v;
	enum chunk_read read = CHUNK_FAILED;
	bool ok = r != NULL;
	if (ok)
		t->outcome = r->progress.outcome;
	while (ok && (read = dead_reader_next(r, &v, &why, err)) == CHUNK_FRAME) {
		t->at = v.offset;
		t->behind_pending = r->behind_pending;
		ok = treat(t, &v, &why, err);
	}
	*(t->w->drop ? &t->outcome.dropped : &t->outcome.delivered) += t->done;
	dead_reader_close(r);
	if (ok && read == CHUNK_END)
		return give(t, err);
	frame_free_list(t->first);
	return false;
}

/* A list could not be given back: those before it were. */
static void note_part(struct turn *t, struct chunk *c)
{
	struct err ignored; /* the worst of it is that they are given back once more */
	struct chunk_progress p = {
		.next_offset = t->list_at, .pending = t->left, .pending_count = t->list_left, .outcome = t->outcome};
	p.outcome.delivered -= t->done - t->list_done;
	if (t->list_is_sure && t->list_done && chunk_progress_save(t->w->store, c, &p, true, &ignored))
		t->out->done += t->list_done;
}

/* Ends the chunk's turn: it goes, or what is left in it is noted. */
static bool settle(struct turn *t, struct chunk *c, bool ok, struct err *err)
{
	struct buffer *store = t->w->store;
	if (ok && !t->left_count) {
		t->out->done += t->done;
		chunk_account(c, &t->outcome);
		return buffer_commit(store, c, err);
	}
	if (ok && t->done) {
		struct chunk_info info;
		chunk_info(c, &info);
		struct chunk_progress p = {.next_offset = info.bytes,
			.pending = t->left,
			.pending_count = t->left_count,
			.outcome = t->outcome};
		ok = chunk_progress_save(store, c, &p, true, err);
		if (ok)
			t->out->done += t->done;
	} else if (!ok && !t->w->drop) {
		note_part(t, c);
	}
	buffer_release(store, c);
	return ok;
}

static bool work_chunk(const struct dead_work *w, struct chunk *c, struct dead_outcome *out, struct err *err)
{
	struct turn t = {.w = w, .out = out};
	t.end = &t.first;
	buf_init(&t.stage, 1 << 17);
	buf_init(&t.new_stage, 1 << 17);
	bool ok = settle(&t, c, treat_all(&t, c, err), err);
	buf_free(&t.stage);
	buf_free(&t.new_stage);
	mem_free(t.left);
	return ok;
}

bool dead_store_work(const struct dead_work *w, struct dead_outcome *out, struct err *err)
{
	struct chunk **all = NULL, *c;
	struct buffer_stats stats = {.recovering = true};
	size_t n = 0;
	bool ok = true;
	*out = (struct dead_outcome){.done = 0};
	/* All are taken before any is given back, or the first would be taken for ever. */
	buffer_flush_all(w->store);
	while (stats.recovering) { /* what a crash left open is queued when it has been looked through */
		buffer_stats(w->store, &stats);
		while ((c = buffer_take(w->store, TAKE_NS))) {
			all = mem_realloc(all, (n + 1) * sizeof(struct chunk *));
			all[n++] = c;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (ok)
			ok = work_chunk(w, all[i], out, err);
		else
			buffer_release(w->store, all[i]);
	}
	mem_free(all);
	return ok;
}
