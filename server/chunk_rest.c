#include "chunk_rest.h"

#include "base/mem.h"
#include "dead_letter.h"
#include "record/event.h"
#include "record/msgpack_scan.h"

#define BURY_BYTES (4u << 20) /* of dead letters that are made at a time */

struct chunk_rest {
	struct buffer *b;
	struct chunk *c;
	struct chunk_reader *reader;
	struct chunk_progress from; /* as it was loaded */
	size_t pending_at;
	bool behind_pending;
	struct frame_view frame; /* that pending events were cut from last, whole; entries.p NULL = none */
	const uint8_t *frame_p;	 /* where event number frame_index of it begins */
	uint32_t frame_index;
	uint64_t at_offset; /* of the frame that was returned last */
	uint32_t at_index;
	uint64_t returned; /* events */
	bool burying;	   /* they become dead letters */
	/* what chunk_rest_mark has noted */
	size_t marked_pending;
	uint64_t marked_returned;
	uint64_t marked_offset;
	uint32_t marked_index;
};

struct chunk_rest *chunk_rest_open(struct buffer *b, struct chunk *c, struct err *err)
{
	struct chunk_reader *reader = chunk_reader_open(b, c, err);
	if (!reader)
		return NULL;
	struct chunk_rest *r = mem_zalloc(sizeof *r);
	r->b = b;
	r->c = c;
	r->reader = reader;
	chunk_progress_load(b, c, &r->from);
	r->at_offset = r->marked_offset = r->from.next_offset;
	r->at_index = r->marked_index = r->from.next_index;
	return r;
}

static struct buffer_ledger outcome(const struct chunk_rest *r, uint64_t events)
{
	struct buffer_ledger o = r->from.outcome;
	*(r->burying ? &o.dead : &o.delivered) += events;
	return o;
}

void chunk_rest_close(struct chunk_rest *r)
{
	if (!r)
		return;
	struct buffer_ledger done = outcome(r, r->marked_returned);
	chunk_account(r->c, &done);
	chunk_reader_close(r->reader);
	mem_free(r->from.pending);
	mem_free(r);
}

/* Leaves the events [first, last) in the view. Event number *index, no later one than `first`, begins at *at; both move to `last`. */
static void cut_from(struct frame_view *v, uint32_t first, uint32_t last, const uint8_t **at, uint32_t *index)
{
	struct event e;
	size_t used;
	const uint8_t *p = *at, *end = v->entries.p + v->entries.n, *from = p;
	uint32_t i = *index;
	if (last > v->count)
		last = v->count;
	if (first >= last) {
		v->count = 0;
		v->entries.n = 0;
		return;
	}
	for (; p < end && i < last; i++) {
		if (i == first)
			from = p;
		enum event_result result = event_read(p, end, MP_DEPTH_LIMIT, &e, &used);
		if (result == EVENT_NIL || result == EVENT_SKIP)
			i--;
		if (!used)
			break;
		p += used;
	}
	v->entries = span_of(from, (size_t)(p - from));
	v->count = last - first;
	*at = p;
	*index = i;
}

/* Leaves the events from `first` on. */
static void cut(struct frame_view *v, uint32_t first)
{
	const uint8_t *p = v->entries.p;
	uint32_t index = 0;
	if (first)
		cut_from(v, first, UINT32_MAX, &p, &index);
}

/* Reads the frame at that offset, unless it is the one at hand and `index` is still to come in it. False: *read says why. */
static bool turn_to(struct chunk_rest *r, const struct chunk_pending *item, enum chunk_read *read, struct err *err)
{
	struct frame_view *f = &r->frame;
	if (f->entries.p && f->offset == item->offset && r->frame_index <= item->index)
		return true;
	chunk_reader_seek(r->reader, item->offset);
	*read = chunk_reader_next(r->reader, f, err);
	bool there = *read == CHUNK_FRAME && f->offset == item->offset;
	if (!there)
		f->entries = (struct span){0};
	r->frame_p = f->entries.p;
	r->frame_index = 0;
	return there;
}

/* One event that was rejected for now, or several in a row. */
static enum chunk_read next_pending(struct chunk_rest *r, struct frame_view *v, uint32_t *first, struct err *err)
{
	const struct chunk_pending *list = r->from.pending;
	while (r->pending_at < r->from.pending_count) {
		size_t i = r->pending_at, n = 1;
		enum chunk_read read;
		while (i + n < r->from.pending_count && list[i + n].offset == list[i].offset &&
			list[i + n].index == list[i].index + n)
			n++;
		bool there = turn_to(r, &list[i], &read, err);
		if (!there && read == CHUNK_FAILED)
			return read;
		r->pending_at += n;
		if (!there)
			continue; /* damaged by now: counted and told by the reader */
		*first = list[i].index;
		*v = r->frame;
		cut_from(v, *first, *first + (uint32_t)n, &r->frame_p, &r->frame_index);
		return CHUNK_FRAME;
	}
	return CHUNK_END;
}

static enum chunk_read next(struct chunk_rest *r, struct frame_view *v, uint32_t *first, struct err *err)
{
	if (!r->behind_pending) {
		enum chunk_read read = next_pending(r, v, first, err);
		if (read != CHUNK_END)
			return read;
		r->behind_pending = true;
		chunk_reader_seek(r->reader, r->from.next_offset);
	}
	for (;;) {
		enum chunk_read read = chunk_reader_next(r->reader, v, err);
		if (read != CHUNK_FRAME)
			return read;
		*first = v->offset == r->from.next_offset ? r->from.next_index : 0;
		r->at_offset = v->offset;
		r->at_index = v->count;
		cut(v, *first);
		if (v->count)
			return CHUNK_FRAME;
	}
}

enum chunk_read chunk_rest_next(struct chunk_rest *r, struct frame_view *v, uint32_t *first, struct err *err)
{
	enum chunk_read read = next(r, v, first, err);
	if (read == CHUNK_FRAME)
		r->returned += v->count;
	return read;
}

void chunk_rest_mark(struct chunk_rest *r)
{
	r->marked_returned = r->returned;
	r->marked_pending = r->pending_at;
	r->marked_offset = r->at_offset;
	r->marked_index = r->at_index;
}

bool chunk_rest_save(struct chunk_rest *r, bool sync, struct err *err)
{
	struct chunk_progress now = {
		.next_offset = r->marked_offset,
		.next_index = r->marked_index,
		.pending = r->from.pending + r->marked_pending,
		.pending_count = r->from.pending_count - r->marked_pending,
		.outcome = outcome(r, r->marked_returned),
	};
	return chunk_progress_save(r->b, r->c, &now, sync, err);
}

/* ---- dead letters --------------------------------------------------------------------------------------------------- */

static struct frame *dead_frame(const struct frame_view *v, uint32_t first, const struct dead_letter *why)
{
	struct dead_letter here = *why;
	struct buf info;
	here.place = frame_first_place(v->info) + first;
	buf_init(&info, DEAD_LETTER_INFO_MAX);
	dead_letter_info(&info, &here);
	struct frame *f = frame_new(FRAME_DEAD, v->tag, buf_span(&info), v->entries.n);
	buf_free(&info);
	if (!f)
		return NULL;
	memcpy(frame_entries(f), v->entries.p, v->entries.n);
	f->entries_len = v->entries.n;
	f->count = v->count;
	f->received_ns = v->received_ns;
	memcpy(f->key, v->key, FRAME_KEY_LEN);
	return f;
}

static bool bury_some(struct chunk_rest *r, struct dead_letters *d, struct frame **list, struct err *err)
{
	struct frame *all = *list;
	*list = NULL;
	if (!all)
		return true;
	if (!dead_letters_bury(d, all, err))
		return false;
	chunk_rest_mark(r);
	struct err ignored; /* the worst of it is a dead letter that is there twice */
	(void)chunk_rest_save(r, false, &ignored);
	return true;
}

static bool bury_all(
	struct chunk_rest *r, struct dead_letters *d, const struct dead_letter *why, uint64_t *events, struct err *err)
{
	struct frame *list = NULL;
	struct frame_view v;
	size_t bytes = 0;
	uint32_t first;
	enum chunk_read read;
	while ((read = chunk_rest_next(r, &v, &first, err)) == CHUNK_FRAME) {
		struct frame *f = dead_frame(&v, first, why);
		if (!f) {
			frame_free_list(list);
			return err_set(err, "no memory for dead letters");
		}
		f->next = list;
		list = f;
		bytes += v.entries.n;
		*events += v.count;
		if (bytes >= BURY_BYTES) {
			bytes = 0;
			if (!bury_some(r, d, &list, err))
				return false;
		}
	}
	if (read == CHUNK_FAILED) {
		frame_free_list(list);
		return false;
	}
	return bury_some(r, d, &list, err);
}

bool chunk_rest_bury(struct buffer *b, struct chunk *c, struct dead_letters *d, const char *plugin, const char *text,
	uint64_t *events, struct err *err)
{
	struct dead_letter why = {.plugin = plugin, .reason = "retries_used_up", .text = text};
	struct chunk_rest *r = chunk_rest_open(b, c, err);
	*events = 0;
	if (!r)
		return false;
	r->burying = true;
	bool ok = bury_all(r, d, &why, events, err);
	chunk_rest_close(r);
	return ok;
}
