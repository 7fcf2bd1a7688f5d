#include "filter_walk.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

#define NSEC	     1000000000
#define SCRATCH_KEEP ((size_t)1 << 20) /* bytes of a scratch buffer that is kept */

void filter_walk_begin(
	struct filter_walk *w, struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	*w = (struct filter_walk){
		.filter = f, .in = in, .batch = b, .out = out, .p = b->entries.p, .end = b->entries.p + b->entries.n};
}

/*
 * [EventTime, record] and [integer, record], as nearly all senders write it: the record's beginning, NULL for any other shape. Where the record ends is
 * known once it has been opened, so nothing is walked twice.
 */
static const uint8_t *usual_head(struct filter_walk *w)
{
	const uint8_t *p = w->p;
	if (w->end - p < 14 || p[0] != 0x92)
		return NULL;
	if (p[1] == 0xd7 && p[2] == 0) {
		uint32_t nsec = be32_get(p + 7);
		w->time = (struct event_time){be32_get(p + 3), nsec};
		w->is_now = false;
		return w->time.sec && nsec < NSEC && w->time.sec < UINT32_C(0xfffffffe) ? p + 11 : NULL;
	}
	if (p[1] == 0xce) {
		w->time = (struct event_time){be32_get(p + 2), 0};
		w->is_now = false;
		return w->time.sec ? p + 6 : NULL;
	}
	return NULL;
}

/* Any other shape; false: the batch ends here. */
static bool read_entry(struct filter_walk *w)
{
	size_t used;
	struct event e;
	if (w->p >= w->end || event_read(w->p, w->end, MP_DEPTH_LIMIT, &e, &used) != EVENT_OK)
		return false;
	w->entry = span_of(w->p, used);
	w->record = e.record;
	w->metadata = e.metadata;
	w->is_now = e.kind == EVENT_TIME_NOW;
	w->time = e.time;
	if (w->is_now)
		w->time = (struct event_time){
			.sec = w->batch->received_ns / NSEC, .nsec = (uint32_t)(w->batch->received_ns % NSEC)};
	return true;
}

static void use_record(struct filter_walk *w, const uint8_t *record, size_t n)
{
	w->entry = span_of(w->p, (size_t)(record - w->p) + n);
	w->record = span_of(record, n);
	w->metadata = (struct span){0};
}

bool filter_walk_next(struct filter_walk *w)
{
	const uint8_t *record = usual_head(w);
	size_t n = record ? mp_skip(record, w->end, MP_DEPTH_LIMIT - 1) : 0;
	if (n)
		use_record(w, record, n);
	else if (!read_entry(w))
		return false;
	w->p += w->entry.n;
	return true;
}

/* Finds the entry at p and opens its record; false in *opened: there is no room for it. False: the batch ends here. */
static bool open_entry(struct filter_walk *w, struct record *r, bool *opened)
{
	size_t used;
	const uint8_t *record = usual_head(w);
	*opened = record && record_open(r, w->arena, record, w->end, MP_DEPTH_LIMIT - 1, &used);
	if (*opened) {
		use_record(w, record, used);
		return true;
	}
	if (!read_entry(w))
		return false;
	*opened = record_open(r, w->arena, w->record.p, w->record.p + w->record.n, MP_DEPTH_LIMIT, &used);
	return true;
}

bool filter_walk_open(struct filter_walk *w, struct arena *a, struct record *r)
{
	bool opened;
	if (!w->arena)
		w->mark = arena_save(a);
	w->arena = a;
	for (;;) {
		arena_restore(a, w->mark);
		if (w->p >= w->end || !open_entry(w, r, &opened))
			return false;
		w->p += w->entry.n;
		if (opened)
			return true;
		filter_walk_fail(w, "filter_limit", "the record is too large to be taken apart");
	}
}

static void no_room(struct filter_walk *w, size_t start)
{
	w->out->n = start;
	w->out->failed = false; /* what is in it is whole */
	filter_walk_fail(w, "filter_limit", "with this event the message would be larger than 1 GiB");
}

void filter_walk_keep(struct filter_walk *w)
{
	size_t start = w->out->n;
	if (buf_put_span(w->out, w->entry))
		w->count++;
	else
		no_room(w, start);
}

/* The end of an event whose beginning was written from `start` on: its record is there (or `written` is false), `behind` follows it. */
static void finish(struct filter_walk *w, size_t start, bool written, struct span behind)
{
	if (written && buf_put_span(w->out, behind)) {
		w->count++;
	} else if (w->out->failed) {
		no_room(w, start);
	} else {
		w->out->n = start;
		filter_walk_fail(w, "filter_value", "a value is of a kind that no record can hold, or nested too deep");
	}
}

/* The entry up to its record, and what is behind that: an entry may have more than two elements. */
static void put_head(struct filter_walk *w)
{
	buf_put(w->out, w->entry.p, (size_t)(w->record.p - w->entry.p));
}

static struct span tail(const struct filter_walk *w)
{
	const uint8_t *behind = w->record.p + w->record.n;
	return span_of(behind, (size_t)(w->entry.p + w->entry.n - behind));
}

void filter_walk_put(struct filter_walk *w, const struct record *r)
{
	size_t start = w->out->n;
	put_head(w);
	finish(w, start, !w->out->failed && record_put(r, w->out), tail(w));
}

void filter_walk_put_raw(struct filter_walk *w, struct span record)
{
	size_t start = w->out->n;
	put_head(w);
	finish(w, start, buf_put_span(w->out, record), tail(w));
}

void filter_walk_put_at(struct filter_walk *w, const struct record *r, struct event_time t)
{
	size_t start = w->out->n;
	buf_put_byte(w->out, 0x92);
	if (w->metadata.n)
		buf_put_byte(w->out, 0x92);
	mp_put_event_time(w->out, t);
	buf_put_span(w->out, w->metadata);
	finish(w, start, !w->out->failed && record_put(r, w->out), (struct span){0});
}

void filter_walk_fail(struct filter_walk *w, const char *reason, const char *text)
{
	ingest_error(w->in, w->filter->id, w->batch, w->entry, reason, text);
}

/* ---- rooms -------------------------------------------------------------------------------------------------------- */

void filter_pool_init(struct filter_pool *p)
{
	pthread_mutex_init(&p->lock, NULL);
	p->idle = NULL;
}

void filter_pool_destroy(struct filter_pool *p, void (*free_room)(struct filter_room *room))
{
	while (p->idle) {
		struct filter_room *room = p->idle;
		p->idle = room->next;
		free_room(room);
	}
	pthread_mutex_destroy(&p->lock);
}

struct filter_room *filter_pool_take(struct filter_pool *p)
{
	pthread_mutex_lock(&p->lock);
	struct filter_room *room = p->idle;
	if (room)
		p->idle = room->next;
	pthread_mutex_unlock(&p->lock);
	return room;
}

void filter_pool_give(struct filter_pool *p, struct filter_room *room)
{
	pthread_mutex_lock(&p->lock);
	room->next = p->idle;
	p->idle = room;
	pthread_mutex_unlock(&p->lock);
}

struct filter_scratch *filter_scratch_take(struct filter_pool *p)
{
	struct filter_scratch *s = (struct filter_scratch *)filter_pool_take(p);
	if (!s) {
		s = mem_zalloc(sizeof *s);
		buf_init(&s->buf, FILTER_RECORD_MAX);
	}
	if (s->buf.cap > SCRATCH_KEEP)
		buf_free(&s->buf);
	buf_clear(&s->buf);
	return s;
}

void filter_scratch_free(struct filter_room *room)
{
	struct filter_scratch *s = (struct filter_scratch *)room;
	buf_free(&s->buf);
	mem_free(s);
}
