#include "holder.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "die_at.h"
#include "held.h"
#include "holder_impl.h"
#include "ingest.h"

#include <errno.h>

#define ENTRY_MAX ((size_t)1 << 30)
#define KEY_MAX	  ((size_t)1 << 20)

struct holding {
	struct holder *h;
	struct ingest *in;
	const struct batch *batch;
	struct batch_iter it;
	uint32_t index, count; /* place of the event at hand; events in `out` */
	struct buf *out;
	struct span key; /* of the stream */
	struct held_stream *stream;
	struct held_message *message;
	const struct held_record *replayed; /* the event at hand is in the journal already */
	struct held_group *groups, **groups_end;
};

/* ---- making ------------------------------------------------------------------------------------------------------ */

static void count_all(struct holder *h, struct metrics *m)
{
	char *labels = metrics_labels("plugin_id", h->o.id, "type", h->o.type, NULL);
	h->n.events = metrics_gauge(m, "weir_held_events", labels, "Events that wait for others of their stream.");
	h->n.bytes = metrics_gauge(m, "weir_held_bytes", labels, "Bytes of events that wait for others.");
	h->n.streams = metrics_gauge(m, "weir_held_streams", labels, "Streams that have events which wait.");
	h->n.joined = metrics_counter(
		m, "weir_joined_events_total", labels, "Events that became part of the one before them.");
	h->n.dropped = metrics_counter(
		m, "weir_held_dropped_events_total", labels, "Events dropped by buffer_overflow_method.");
	h->n.timeout = metrics_counter(m, "weir_held_timeouts_total", labels,
		"Times that the events of a stream were given on because no others came in time.");
	h->n.early = metrics_counter(m, "weir_held_early_total", labels,
		"Times that the events of a stream were given on early: too many of them, or of all.");
	h->n.unheld = metrics_counter(m, "weir_held_refused_total", labels,
		"Times that events could not wait because the journal took nothing: they were given on early.");
	mem_free(labels);
}

struct holder *holder_new(const struct holder_options *o, const struct holder_ops *ops, void *self, struct metrics *m)
{
	struct holder *h = mem_zalloc(sizeof *h);
	h->o = *o;
	h->ops = ops;
	h->self = self;
	pthread_mutex_init(&h->lock, NULL);
	h->streams = map_new();
	h->messages = map_new();
	buf_init(&h->key, KEY_MAX);
	buf_init(&h->entries, ENTRY_MAX);
	count_all(h, m);
	return h;
}

const char *holder_id(const struct holder *h)
{
	return h->o.id;
}

void holder_set_journal(struct holder *h, struct held *journal)
{
	h->journal = journal;
}

bool holder_exchange(struct holder **a, struct holder **b)
{
	struct holder *x = *a, *y = *b;
	if (strcmp(x->o.id, y->o.id) != 0 || !conf_section_equal(x->o.section, y->o.section))
		return false;
	pthread_mutex_lock(&x->lock); /* writers tell what has left */
	pthread_mutex_lock(&y->lock);
	struct holder_options options = x->o;
	void *self = x->self;
	x->o = y->o;
	x->self = y->self;
	y->o = options;
	y->self = self;
	pthread_mutex_unlock(&y->lock);
	pthread_mutex_unlock(&x->lock);
	*a = y;
	*b = x;
	return true;
}

void holder_lock(struct holder *h)
{
	pthread_mutex_lock(&h->lock);
}

void holder_unlock(struct holder *h)
{
	pthread_mutex_unlock(&h->lock);
}

/* ---- what leaves ---------------------------------------------------------------------------------------------------- */

/* To where events of this message alone go: to `out`, in the order of the batch. */
static void leave_now(struct holding *t, struct held_group *g)
{
	size_t start = t->out->n;
	if (g->dropped) {
		counter_add(t->h->n.dropped, g->count);
	} else if (t->h->ops->join(t->h->self, g->first, g->count, t->out)) {
		t->count++;
		counter_add(t->h->n.joined, g->count - 1);
	} else {
		t->out->n = start;
		t->out->failed = false;
		ingest_no_memory(t->in, 0, g->count);
	}
	held_group_free(t->h, g);
}

static void leave(struct holding *t, struct held_stream *s, bool drop)
{
	struct held_group *g = held_group_of(t->h, s);
	g->dropped = drop;
	if (!held_group_is_older(g)) {
		leave_now(t, g);
		return;
	}
	*t->groups_end = g;
	t->groups_end = &g->next;
}

/* ---- what a plugin does with an event -------------------------------------------------------------------------------- */

const struct event *holding_event(const struct holding *t)
{
	return &t->it.event;
}

unsigned holding_count(const struct holding *t)
{
	return t->stream ? t->stream->count : 0;
}

size_t holding_bytes(const struct holding *t)
{
	return t->stream ? t->stream->bytes : 0;
}

int64_t holding_state(const struct holding *t)
{
	return t->stream ? t->stream->state : 0;
}

void holding_set_state(struct holding *t, int64_t state)
{
	if (t->stream)
		t->stream->state = state;
}

void holding_flush(struct holding *t)
{
	if (t->stream)
		leave(t, t->stream, false);
	t->stream = NULL;
}

void holding_drop_held(struct holding *t)
{
	if (t->stream)
		leave(t, t->stream, true);
	t->stream = NULL;
}

/* Room for the event at hand: streams that were quiet for longest leave early. */
static void make_room(struct holding *t)
{
	struct holder *h = t->h;
	size_t bytes = t->it.entry.n;
	if (t->stream && (t->stream->bytes + bytes > HOLDER_STREAM_BYTES || t->stream->count == HOLDER_STREAM_EVENTS)) {
		counter_add(h->n.early, 1);
		holding_flush(t);
	}
	while (h->oldest && (h->bytes + bytes > HOLDER_BYTES || map_count(h->streams) >= HOLDER_STREAMS)) {
		struct held_stream *s = h->oldest == t->stream ? h->oldest->newer : h->oldest;
		if (!s || (t->stream && h->bytes + bytes <= HOLDER_BYTES))
			break;
		counter_add(h->n.early, 1);
		leave(t, s, false);
	}
}

/* The event at hand as one to hold; NULL without memory. */
static struct held_event *held_event_at_hand(struct holding *t)
{
	const struct held_record *r = t->replayed;
	struct held_message *m = held_message_get(t->h, t->batch->key, t->batch->received_ns);
	if (!m)
		return NULL;
	struct held_event *e = held_event_new(t->h);
	e->time = t->it.event.time;
	e->entry = t->it.entry;
	e->metadata = t->it.event.metadata;
	e->record = t->it.event.record;
	e->index = t->index;
	e->number = r ? r->number : held_number(t->h->journal);
	held_message_add(m, e);
	if (!r)
		return e;
	e->journaled = true;
	if (held_event_own(t->h, e))
		return e;
	held_event_free(t->h, e);
	return NULL;
}

void holding_keep(struct holding *t)
{
	make_room(t);
	bool is_new = !t->stream;
	struct held_stream *s = t->stream ? t->stream : held_stream_get(t->h, t->key);
	struct held_event *e = s ? held_event_at_hand(t) : NULL;
	if (e) {
		held_stream_touch(t->h, s);
		held_stream_add(t->h, s, e);
		t->stream = s;
	} else {
		ingest_no_memory(t->in, t->it.entry.n, 1);
		if (s && is_new)
			held_stream_free(t->h, s);
	}
}

void holding_pass(struct holding *t)
{
	if (t->replayed) { /* a record must say that it left */
		holding_flush(t);
		holding_keep(t);
		holding_flush(t);
	} else if (buf_put_span(t->out, t->it.entry)) {
		t->count++;
	} else {
		t->out->failed = false;
		ingest_no_memory(t->in, t->it.entry.n, 1);
	}
}

void holding_drop(struct holding *t)
{
	if (t->replayed) {
		holding_flush(t);
		holding_keep(t);
		holding_drop_held(t);
	} else {
		counter_add(t->h->n.dropped, 1);
	}
}

/* ---- what an earlier message left here, and leaves ------------------------------------------------------------------- */

/* Groups on their way. Once what was made of them is durable, the journal is told of it, and of what their message leaves to wait. */
struct departure {
	struct epilogue epilogue; /* first */
	struct holder *h;
	struct held_group *groups;
	bool has_message;
	uint8_t key[FRAME_KEY_LEN]; /* of the message that made them leave */
	int64_t received_ns;
	size_t tag_len;
	uint8_t tag[];
};

struct own_txn {
	struct txn txn; /* first */
};

static void on_own_txn(struct txn *t)
{
	mem_free(t);
}

/* What waits of the message and is not in the journal yet. */
static uint32_t put_waiting(const struct held_message *m, struct buf *entries)
{
	uint32_t count = 0;
	for (const struct held_event *e = m ? m->first : NULL; e; e = e->same_next) {
		if (e->journaled || !e->own)
			continue;
		held_put_waiting(entries, e);
		count++;
	}
	return count;
}

static void set_journaled(struct held_message *m)
{
	for (struct held_event *e = m ? m->first : NULL; e; e = e->same_next)
		e->journaled |= e->own != NULL;
}

/* With `gone` what has left is told as well. False: there is no memory for it. */
static bool tell_journal(struct departure *d, struct txn *t, bool gone, bool last)
{
	struct held_message *m = d->has_message ? map_get(d->h->messages, span_of(d->key, FRAME_KEY_LEN)) : NULL;
	struct buf entries;
	buf_init(&entries, ENTRY_MAX);
	held_begin(&entries);
	for (struct held_group *g = gone ? d->groups : NULL; g; g = g->next)
		for (const struct held_event *e = g->first; e; e = e->next)
			if (e->journaled)
				held_put_left(&entries, e->message->key, e->index);
	struct held_frame f = {
		.id = d->h->o.id,
		.tag = span_of(d->tag, d->tag_len),
		.key = d->key,
		.complete = gone && last && t->repeats ? t->key : NULL,
		.received_ns = d->received_ns,
		.waiting = put_waiting(m, &entries),
		.entries = &entries,
	};
	bool ok = (!gone && !f.waiting) || held_append(d->h->journal, &f, gone ? t : NULL);
	if (ok)
		set_journaled(m);
	buf_free(&entries);
	return ok;
}

static void put_back(struct holder *h, struct held_group *g)
{
	struct held_stream *s = held_stream_get(h, span_of(g->key, g->key_len));
	if (s)
		held_stream_put_back(h, s, g);
	held_group_free(h, g); /* without memory they wait in the journal for the next start */
}

static void on_durable(struct epilogue *e, struct txn *t, bool first, bool last)
{
	struct departure *d = (struct departure *)e;
	struct held *journal = d->h->journal; /* an empty holder may be gone as soon as it is unlocked */
	struct held_group *next;
	die_point(DIE_HELD_DURABLE);
	if (first)
		held_tell(journal, t);
	pthread_mutex_lock(&d->h->lock);
	bool gone = !txn_error(t) && tell_journal(d, t, true, last);
	if (!gone) {
		txn_fail(t, ENOMEM);
		(void)tell_journal(
			d, t, false, last); /* what waits of the message does so until its sender sends it again */
	}
	for (struct held_group *g = d->groups; g; g = next) {
		next = g->next;
		if (gone)
			held_group_free(d->h, g);
		else
			put_back(d->h, g);
	}
	pthread_mutex_unlock(&d->h->lock);
	if (last)
		held_told(journal);
	die_point(DIE_HELD_TOLD);
	mem_free(d);
}

/* One event made of the group, to where the plugin sends it. */
static void give_on(struct holder *h, struct ingest *in, const struct held_group *g, bool late)
{
	const struct held_event *first = g->first;
	struct batch one = {.tag = span_of(g->key + 2, be16_get(g->key)), .count = 1};
	struct batch message = {.tag = one.tag};
	struct buf entry;
	buf_init(&entry, ENTRY_MAX);
	if (g->dropped) {
		counter_add(h->n.dropped, g->count);
	} else if (h->ops->join(h->self, first, g->count, &entry)) {
		char *what = mem_printf("%s|%u", h->o.id, first->index);
		memcpy(message.key, first->message->key, FRAME_KEY_LEN);
		batch_part_key(&message, span_str(what), one.key);
		mem_free(what);
		one.entries = buf_span(&entry);
		one.received_ns = first->message->received_ns;
		counter_add(h->n.joined, g->count - 1);
		h->ops->emit(h->self, in, &one, late);
	} else {
		ingest_no_memory(in, 0, g->count);
	}
	buf_free(&entry);
}

/* Those that nothing durable knows of need no record; if the message fails its sender has them. */
static void forget_new(struct holder *h, struct held_group *g)
{
	struct held_event **place = &g->first;
	while (*place) {
		struct held_event *e = *place;
		if (e->own) {
			place = &e->next;
			continue;
		}
		*place = e->next;
		held_event_free(h, e);
	}
}

/* Takes the groups. `b` is the message that made them leave; NULL: there was none. */
static void depart(struct holder *h, struct ingest *in, struct held_group *groups, const struct batch *b, bool late)
{
	if (!groups)
		return;
	size_t tag_len = b ? b->tag.n : 0;
	struct departure *d = mem_zalloc(sizeof *d + tag_len);
	*d = (struct departure){.epilogue.run = on_durable, .h = h, .groups = groups, .tag_len = tag_len};
	if (b) {
		d->has_message = true;
		d->received_ns = b->received_ns;
		memcpy(d->key, b->key, FRAME_KEY_LEN);
		memcpy(d->tag, b->tag.p, tag_len);
	}
	struct own_txn *own = NULL;
	if (!ingest_txn(in)) {
		own = mem_alloc(sizeof *own);
		txn_begin(&own->txn, NULL, on_own_txn);
		ingest_set_txn(in, &own->txn);
	}
	for (const struct held_group *g = groups; g; g = g->next)
		give_on(h, in, g, late);
	pthread_mutex_lock(&h->lock);
	for (struct held_group *g = groups; g; g = g->next)
		forget_new(h, g);
	pthread_mutex_unlock(&h->lock);
	txn_then(ingest_txn(in), &d->epilogue);
	if (own) {
		ingest_set_txn(in, NULL);
		txn_release(&own->txn);
	}
}

/* ---- a batch ------------------------------------------------------------------------------------------------------- */

static void take_event(struct holding *t)
{
	struct holder *h = t->h;
	uint8_t tag_len[2];
	be16_put(tag_len, (uint16_t)t->batch->tag.n);
	buf_clear(&h->key);
	buf_put(&h->key, tag_len, sizeof tag_len);
	buf_put_span(&h->key, t->batch->tag);
	bool ours = h->ops->identify(h->self, &t->it.event, &h->key) && !h->key.failed;
	t->key = ours ? buf_span(&h->key) : span_of(h->key.p, sizeof tag_len + t->batch->tag.n);
	t->stream = ours || t->replayed ? map_get(h->streams, t->key) : NULL;
	if (ours)
		h->ops->take(h->self, t);
	else
		holding_pass(t);
}

/* What is held of an earlier copy of this message, which was not acknowledged, is forgotten: this one begins where that one began. */
static void forget_first_copy(struct holder *h, const struct batch *b)
{
	struct held_message *m = map_get(h->messages, span_of(b->key, FRAME_KEY_LEN));
	uint32_t count = 0;
	if (!m)
		return;
	held_begin(&h->entries);
	for (struct held_event *e = m->first, *next; e; e = next) {
		next = e->same_next;
		if (!e->stream)
			continue;
		if (e->journaled) {
			held_put_left(&h->entries, b->key, e->index);
			count++;
		}
		held_stream_remove(h, e);
		held_event_free(h, e);
	}
	struct held_frame f = {.id = h->o.id, .entries = &h->entries};
	if (count)
		(void)held_append(h->journal, &f, NULL); /* without it the second copy's frame counts */
}

/*
 * What waits of the message goes to the journal: at once, or if something of an earlier message leaves, when that is durable. So a message whose sender got no
 * ack has either not happened here, or as a whole. False: the journal takes nothing.
 */
static bool journal(struct holding *t, struct held_message *m)
{
	struct holder *h = t->h;
	if (!held_is_open(h->journal))
		return false;
	for (struct held_event *e = m->first; e; e = e->same_next)
		if (!e->own && e->stream && !held_event_own(h, e))
			return false;
	if (t->groups)
		return true;
	held_begin(&h->entries);
	struct held_frame f = {
		.id = h->o.id,
		.tag = t->batch->tag,
		.key = t->batch->key,
		.received_ns = t->batch->received_ns,
		.waiting = put_waiting(m, &h->entries),
		.entries = &h->entries,
	};
	if (f.waiting && !held_append(h->journal, &f, ingest_txn(t->in)))
		return false;
	set_journaled(m);
	return true;
}

static struct held_stream *stream_of_any(const struct held_message *m)
{
	for (const struct held_event *e = m ? m->first : NULL; e; e = e->same_next)
		if (e->stream)
			return e->stream;
	return NULL;
}

/* The end of a message: nothing may wait that is only in memory. */
static void settle(struct holding *t)
{
	struct span key = span_of(t->batch->key, FRAME_KEY_LEN);
	struct held_message *m = map_get(t->h->messages, key);
	if (!m || journal(t, m))
		return;
	static struct log_limit limit;
	struct held_stream *s;
	uint64_t held;
	while ((s = stream_of_any(map_get(t->h->messages, key)))) {
		counter_add(t->h->n.unheld, 1);
		leave(t, s, false);
	}
	if (log_allowed(&limit, 10 * NS_PER_S, &held))
		log_warn(t->h->o.id,
			"events cannot wait for others of their stream: the journal (`held` in weir's folder) takes "
			"nothing, its disk is full or fails; they go on as they are",
			LOG_B("tag", t->batch->tag), LOG_U("held_back", held));
}

static struct holding holding_begin(struct holder *h, struct ingest *in, const struct batch *b, struct buf *out)
{
	struct holding t = {.h = h, .in = in, .batch = b, .out = out};
	batch_iter_init(&t.it, b);
	return t;
}

uint32_t holder_take(struct holder *h, struct ingest *in, const struct batch *b, struct buf *out)
{
	struct holding t = holding_begin(h, in, b, out);
	t.groups_end = &t.groups;
	pthread_mutex_lock(&h->lock);
	forget_first_copy(h, b);
	for (; batch_iter_next(&t.it); t.index++)
		take_event(&t);
	settle(&t);
	pthread_mutex_unlock(&h->lock);
	depart(h, in, t.groups, b, false);
	if (t.count < b->count)
		ingest_kept(in, b->count - t.count);
	return t.count;
}

void holder_replay(struct holder *h, struct ingest *in, const struct held_record *r)
{
	struct batch b = {.tag = r->tag, .entries = r->entry, .count = 1, .received_ns = r->received_ns};
	memcpy(b.key, r->key, FRAME_KEY_LEN);
	struct holding t = holding_begin(h, in, &b, NULL);
	t.groups_end = &t.groups;
	t.replayed = r;
	t.index = r->index;
	pthread_mutex_lock(&h->lock);
	if (batch_iter_next(&t.it))
		take_event(&t);
	pthread_mutex_unlock(&h->lock);
	depart(h, in, t.groups, NULL, false);
}

void holder_tick(struct holder *h, struct ingest *in, bool all)
{
	struct held_group *groups = NULL, **end = &groups;
	int64_t now = clock_mono_ns();
	pthread_mutex_lock(&h->lock);
	for (struct held_stream *s = h->oldest, *next; s; s = next) {
		next = s->newer;
		int64_t since = h->o.from_first ? s->began_ns : s->touched_ns;
		if (!all && (!h->o.timeout_ns || now - since < h->o.timeout_ns))
			continue;
		if (!all)
			counter_add(h->n.timeout, 1);
		*end = held_group_of(h, s);
		end = &(*end)->next;
	}
	pthread_mutex_unlock(&h->lock);
	depart(h, in, groups, NULL, true);
}

void holder_free(struct holder *h)
{
	if (!h)
		return;
	while (h->oldest)
		held_group_free(h, held_group_of(h, h->oldest));
	for (struct held_event *e = h->spare, *next; e; e = next) {
		next = e->next;
		mem_free(e);
	}
	map_free(h->streams, NULL);
	map_free(h->messages, NULL);
	buf_free(&h->key);
	buf_free(&h->entries);
	pthread_mutex_destroy(&h->lock);
	mem_free(h);
}
