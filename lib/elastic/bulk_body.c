#include "elastic/bulk_body.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "elastic/bulk_body_impl.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"

/* Items say where they are with 32 bits. */
#define BODY_MAX ((size_t)1 << 30)
/* Whoever is told of rejected events keeps them until the request is over, with their reasons: after so many bytes it has to be. */
#define REJECTED_MAX  ((size_t)8 << 20)
#define REJECTED_COST 512

/* ---- life -------------------------------------------------------------------------------------------- */

/* For what is small (a tag has 64 KiB at most): such memory is not asked for but taken. */
static void make_room(struct buf *b, size_t n)
{
	if (b->cap >= n)
		return;
	b->p = mem_realloc(b->p, n);
	b->cap = n;
}

/* The name of the field if the path is one at the top of the record. */
static bool top_level(const struct record_path *path, struct span *key)
{
	const struct record_step *step;
	if (record_path_steps(path, &step) != 1 || step->is_index)
		return false;
	*key = step->key;
	return true;
}

static size_t count_paths(const struct record_path *const *paths)
{
	size_t n = 0;
	while (paths && paths[n])
		n++;
	return n;
}

static struct json_special *add_special(struct bulk_body *b, struct span key, bool drop)
{
	struct json_special *s = &b->writer.special[b->writer.special_count++];
	json_writer_add_special(&b->writer, s, key, drop, &b->special_text);
	return s;
}

/* Fields that are removed: at the top of the record while it is written, deeper ones before. */
static void add_removals(struct bulk_body *b)
{
	const struct bulk_options *o = &b->o;
	struct span key;
	size_t prunes = 0;
	for (size_t i = 0; o->remove_keys && o->remove_keys[i]; i++) {
		if (!top_level(o->remove_keys[i], &key)) {
			b->prune[prunes++] = o->remove_keys[i];
			continue;
		}
		if (o->tag_key && span_is(key, o->tag_key))
			b->add_tag = false;
		struct json_special *special = add_special(b, key, true);
		if (span_is(key, BULK_TIMESTAMP)) {
			b->add_timestamp = false;
			b->drop_timestamp = true;
			b->timestamp = special;
		}
	}
	b->needs_record |= prunes > 0;
}

static size_t special_text_len(const struct bulk_options *o)
{
	size_t n = strlen(BULK_TIMESTAMP) + (o->tag_key ? strlen(o->tag_key) : 0);
	struct span key;
	for (size_t i = 0; o->remove_keys && o->remove_keys[i]; i++)
		n += top_level(o->remove_keys[i], &key) ? key.n : 0;
	n += o->target_index && top_level(o->target_index, &key) ? key.n : 0;
	return 6 * n + (count_paths(o->remove_keys) + 3) * 16;
}

/*
 * The fields that the writer must tell of or leave out. The first of equal ones counts, so what is removed comes
 * first.
 */
static void init_specials(struct bulk_body *b)
{
	const struct bulk_options *o = &b->o;
	const size_t removals = count_paths(o->remove_keys);
	struct span key;
	b->writer.special = mem_array(removals + 3, sizeof *b->writer.special);
	b->prune = mem_array(removals + 1, sizeof *b->prune);
	/* The texts must not move once their places are known. */
	const size_t text = special_text_len(o);
	buf_init(&b->special_text, text);
	b->special_text.p = mem_alloc(text);
	b->special_text.cap = text;
	b->add_tag = o->tag_key != NULL;
	b->add_timestamp = (o->timestamp || o->data_stream) && !(o->tag_key && strcmp(o->tag_key, BULK_TIMESTAMP) == 0);
	add_removals(b);
	if (b->add_tag)
		add_special(b, span_str(o->tag_key), true);
	if (o->target_index && top_level(o->target_index, &key))
		b->target = add_special(b, key, false);
	if (!b->timestamp)
		b->timestamp = add_special(b, SPAN_LIT(BULK_TIMESTAMP), false);
}

struct bulk_body *bulk_body_new(const struct bulk_options *o)
{
	struct bulk_body *b = mem_zalloc(sizeof *b);
	b->o = *o;
	if (b->o.body_limit > BODY_MAX)
		b->o.body_limit = BODY_MAX;
	if (b->o.record_limit > BODY_MAX)
		b->o.record_limit = BODY_MAX;
	b->limit = b->o.body_limit;
	/* One record more than the limit, with its action line and what the writer must be able to write unasked. */
	const size_t slack = 8 * (size_t)JSON_PIECE + ((size_t)1 << 20);
	buf_init(&b->body, b->o.body_limit + b->o.record_limit + slack);
	buf_init(&b->url_index, 256);
	make_room(&b->url_index, 256);
	buf_init(&b->tag, SIZE_MAX / 2);
	buf_init(&b->tag_text, SIZE_MAX / 2);
	for (size_t i = 0; i < 2; i++)
		buf_init(&b->edit[i], b->o.record_limit + 16);
	bulk_index_init(&b->index, &b->o);
	bulk_action_init(&b->action, &b->o);
	json_writer_init(&b->writer, &b->body, b->o.record_limit, MP_DEPTH_LIMIT);
	b->writer.open = b->writer.rename = true;
	init_specials(b);
	if (o->time_key_format)
		b->time_key_format = time_format_new(o->time_key_format);
	b->needs_record |= b->index.uses_record || o->target_index || o->id_key || o->routing_key || o->time_key ||
			   o->flatten_hashes || o->operation == BULK_UPDATE || o->operation == BULK_UPSERT ||
			   (o->pipeline && name_template_uses_record(o->pipeline));
	if (o->pipeline)
		b->pipeline_varies = name_template_uses_record(o->pipeline) || name_template_period(o->pipeline);
	b->head_stale = b->pipeline_stale = true;
	b->cap = 1024;
	b->items = mem_array(b->cap, sizeof *b->items);
	return b;
}

void bulk_body_free(struct bulk_body *b)
{
	if (!b)
		return;
	buf_free(&b->body);
	mem_free(b->items);
	bulk_index_free(&b->index);
	buf_free(&b->url_index);
	bulk_action_free(&b->action);
	mem_free(b->writer.special);
	json_writer_free(&b->writer);
	buf_free(&b->special_text);
	mem_free(b->prune);
	time_format_free(b->time_key_format);
	buf_free(&b->tag);
	buf_free(&b->tag_text);
	buf_free(&b->edit[0]);
	buf_free(&b->edit[1]);
	mem_free(b);
}

void bulk_body_clear(struct bulk_body *b)
{
	buf_clear(&b->body);
	b->limit = b->o.body_limit;
	b->count = 0;
	b->rejected = 0;
	b->head_stale = true;
}

void bulk_body_keep_under(struct bulk_body *b, size_t bytes)
{
	b->limit = bytes < b->o.body_limit ? bytes : b->o.body_limit;
}

void bulk_body_on_reject(struct bulk_body *b,
	void (*fn)(void *arg, const struct frame_view *f, uint32_t index, struct span entry, const char *reason),
	void *arg)
{
	b->reject = fn;
	b->reject_arg = arg;
}

void bulk_body_on_index(struct bulk_body *b, void (*fn)(void *arg, struct span name), void *arg)
{
	b->on_index = fn;
	b->index_arg = arg;
}

struct span bulk_body_index(const struct bulk_body *b)
{
	return b->count ? buf_span(&b->url_index) : (struct span){0};
}

struct span bulk_body_bytes(const struct bulk_body *b)
{
	return buf_span(&b->body);
}

size_t bulk_body_count(const struct bulk_body *b)
{
	return b->count;
}

const struct bulk_item *bulk_body_items(const struct bulk_body *b)
{
	return b->items;
}

bool bulk_body_slice(const struct bulk_body *b, size_t first, size_t last, struct buf *out)
{
	if (first >= last)
		return !out->failed;
	const struct bulk_item *from = &b->items[first], *to = &b->items[last - 1];
	return buf_put(out, b->body.p + from->start, to->start + to->length - from->start);
}

static bool more_items(struct bulk_body *b)
{
	const size_t cap = 2 * b->cap;
	struct bulk_item *items = mem_try_realloc(b->items, cap * sizeof *items);
	if (!items)
		return false;
	b->items = items;
	b->cap = cap;
	return true;
}

/* ---- a frame ------------------------------------------------------------------------------------------- */

static inline bool set_time(struct event_time *t, uint32_t sec, uint32_t nsec)
{
	t->sec = sec;
	t->nsec = nsec;
	/* 0 means the time of receipt, the two highest may be markers (event.h): not for the short way. */
	return sec - 1 < UINT32_MAX - 2 && nsec < 1000000000;
}

/*
 * The usual entries, [EventTime or seconds, record] and Fluent Bit's [[EventTime, {}], record]: their time, and where
 * the record begins. NULL: event_read must look at it.
 */
static inline const uint8_t *read_usual(const uint8_t *p, const uint8_t *end, struct event_time *t)
{
	if (end - p < 16 || p[0] != 0x92)
		return NULL;
	const bool header = p[1] == 0x92;
	p += 1 + header;
	if (p[0] == 0xd7 && p[1] == 0) {
		if (!set_time(t, be32_get(p + 2), be32_get(p + 6)))
			return NULL;
		p += 10;
	} else if (p[0] == 0xce || (p[0] == 0xd2 && p[1] < 0x80)) {
		if (!set_time(t, be32_get(p + 1), 0))
			return NULL;
		p += 5;
	} else {
		return NULL;
	}
	if (header && *p++ != 0x80)
		return NULL;
	return p;
}

static inline bool is_map(uint8_t first)
{
	return (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf;
}

/* Tag text and id for the frame's records. */
static void begin_frame(struct bulk_body *b, const struct frame_view *f, struct doc_id_frame *id)
{
	doc_id_begin(id, f->key, frame_first_place(f->info));
	if (b->has_tag && span_eq(f->tag, buf_span(&b->tag)))
		return;
	bulk_index_new_tag(&b->index);
	b->has_tag = b->pipeline_stale = true;
	buf_clear(&b->tag);
	make_room(&b->tag, f->tag.n);
	buf_put_span(&b->tag, f->tag);
	if (!b->add_tag)
		return;
	buf_clear(&b->tag_text);
	make_room(&b->tag_text, 6 * (strlen(b->o.tag_key) + f->tag.n) + 8);
	json_put_string(&b->tag_text, span_str(b->o.tag_key));
	buf_put_byte(&b->tag_text, ':');
	json_put_string(&b->tag_text, f->tag);
	buf_put_byte(&b->tag_text, ',');
}

/* Where the event `first` begins, if it is known from the add before; else the frame's start and *index = 0. */
static size_t recall(const struct bulk_body *b, const struct frame_view *f, uint32_t first, uint32_t *index)
{
	const struct bulk_position *at = &b->position;
	const bool same = at->frame_offset == f->offset && at->entries_len == f->entries.n && at->index <= first &&
			  memcmp(at->key, f->key, FRAME_KEY_LEN) == 0;
	*index = same ? at->index : 0;
	return same ? at->at : 0;
}

static void remember(struct bulk_body *b, const struct frame_view *f, uint32_t index, size_t at)
{
	struct bulk_position *p = &b->position;
	p->frame_offset = f->offset;
	p->entries_len = f->entries.n;
	memcpy(p->key, f->key, FRAME_KEY_LEN);
	p->index = index;
	p->at = at;
}

static const char *event_reason(enum event_result r)
{
	switch (r) {
	case EVENT_BAD_TIME:
		return "the event's time is none";
	case EVENT_BAD_RECORD:
		return "the event's record is no map";
	case EVENT_TOO_DEEP:
		return "the record is nested too deep";
	case EVENT_TORN:
		return "the event is cut or no msgpack";
	default:
		return "the event is no array of time and record";
	}
}

static struct event_time time_of(const struct event *e, const struct frame_view *f)
{
	if (e->kind == EVENT_TIME)
		return e->time;
	const int64_t rest = f->received_ns % NS_PER_S, borrow = rest < 0;
	return (struct event_time){f->received_ns / NS_PER_S - borrow, (uint32_t)(rest + borrow * NS_PER_S)};
}

enum entry { ENTRY_ITEM, ENTRY_REJECTED, ENTRY_NO_EVENT };

/* One entry, by the general way. *used is 0 if it is torn, so that what follows cannot be found. */
static enum entry add_any_entry(
	struct bulk_body *b, struct bulk_source *s, const uint8_t *p, const uint8_t *end, size_t *used)
{
	struct event e;
	const uint8_t *after;
	const char *why = NULL;
	const enum event_result r = event_read(p, end, MP_DEPTH_LIMIT, &e, used);
	if (r == EVENT_NIL || r == EVENT_SKIP)
		return ENTRY_NO_EVENT;
	if (r == EVENT_OK) {
		s->time = s->stamp = time_of(&e, s->frame);
		s->record = e.record;
		s->p = e.record.p;
		s->end = end; /* not the record's: the writer is slow near the end of what it may read */
		if (b->needs_record)
			why = bulk_record_read(b, s);
		if (!why)
			why = bulk_item_put(b, s, &after);
	} else {
		why = event_reason(r);
	}
	if (!why)
		return ENTRY_ITEM;
	const struct span entry = span_of(p, *used ? *used : (size_t)(end - p));
	b->rejected += entry.n + REJECTED_COST;
	if (b->reject)
		b->reject(b->reject_arg, s->frame, s->index, entry, why);
	return ENTRY_REJECTED;
}

static enum entry add_entry(
	struct bulk_body *b, struct bulk_source *s, const uint8_t *p, const uint8_t *end, size_t *used)
{
	const uint8_t *after;
	s->no_stamp = s->forced_index = false;
	if (!b->needs_record) {
		s->p = read_usual(p, end, &s->time);
		s->stamp = s->time;
		s->end = end;
		if (s->p && is_map(*s->p) && !bulk_item_put(b, s, &after)) {
			*used = (size_t)(after - p);
			return ENTRY_ITEM;
		}
		/* If something is wrong with it, the general way tells what, and where it ends. */
	}
	return add_any_entry(b, s, p, end, used);
}

/* Events that the frame promised and that cannot be found. */
static void reject_rest(struct bulk_body *b, const struct frame_view *f, uint32_t index, uint32_t last)
{
	for (; b->reject && index < last; index++)
		b->reject(b->reject_arg, f, index, (struct span){0}, "the event is missing in its frame");
}

static bool is_full(const struct bulk_body *b)
{
	return b->rejected >= REJECTED_MAX ||
	       (b->count && (b->body.n >= b->limit || (b->o.max_items && b->count >= b->o.max_items)));
}

/* The lines from `start` on are an item. False: there is no room for it, and they are gone. */
static bool keep_item(struct bulk_body *b, const struct bulk_source *s, size_t start)
{
	if ((b->count && b->body.n > b->limit) || (b->count == b->cap && !more_items(b))) {
		b->body.n = start;
		return false;
	}
	if (b->count == 0) {
		buf_clear(&b->url_index);
		buf_put_span(&b->url_index, buf_span(&b->index.name)); /* at most 255 bytes */
	}
	if (b->on_index && (b->count == 0 || b->told_version != b->index.version)) {
		b->told_version = b->index.version;
		b->on_index(b->index_arg, buf_span(&b->index.name));
	}
	b->items[b->count++] = (struct bulk_item){.frame_offset = s->frame->offset,
		.index = s->index,
		.start = (uint32_t)start,
		.length = (uint32_t)(b->body.n - start)};
	return true;
}

/* Steps over an entry that is not asked for. */
static enum entry skip_entry(const uint8_t *p, const uint8_t *end, size_t *used)
{
	struct event e;
	const enum event_result r = event_read(p, end, MP_DEPTH_LIMIT, &e, used);
	return r == EVENT_NIL || r == EVENT_SKIP ? ENTRY_NO_EVENT : ENTRY_REJECTED;
}

enum bulk_add bulk_body_add(
	struct bulk_body *b, const struct frame_view *f, uint32_t first, uint32_t last, uint32_t *next)
{
	const uint8_t *const entries = f->entries.p, *const end = entries + f->entries.n;
	struct doc_id_frame id;
	struct bulk_source s = {.frame = f, .id_frame = &id};
	size_t used, at = recall(b, f, first, &s.index);
	if (last > f->count)
		last = f->count;
	bool full = false;
	begin_frame(b, f, &id);
	while (s.index < last && !full) {
		if (at == f->entries.n) {
			reject_rest(b, f, s.index < first ? first : s.index, last);
			s.index = last;
			break;
		}
		const size_t start = b->body.n;
		enum entry entry;
		if (s.index < first) {
			entry = skip_entry(entries + at, end, &used);
		} else if (is_full(b)) {
			full = true;
			break;
		} else {
			entry = add_entry(b, &s, entries + at, end, &used);
		}
		if (entry == ENTRY_ITEM && !keep_item(b, &s, start)) {
			full = true;
			break;
		}
		at = used ? at + used : f->entries.n;
		s.index += entry != ENTRY_NO_EVENT;
	}
	remember(b, f, s.index, at);
	*next = s.index;
	return full ? BULK_FULL : BULK_ADDED;
}
