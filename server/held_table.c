#include "holder_impl.h"

#include "base/clock.h"
#include "base/mem.h"

/* ---- events and messages ----------------------------------------------------------------------------------------- */

struct held_event *held_event_new(struct holder *h)
{
	struct held_event *e = h->spare;
	if (e)
		h->spare = e->next;
	else
		e = mem_alloc(sizeof *e);
	*e = (struct held_event){.prev = NULL};
	return e;
}

bool held_event_own(struct holder *h, struct held_event *e)
{
	const uint8_t *old = e->entry.p;
	uint8_t *p = mem_try(e->entry.n);
	if (!p)
		return false;
	memcpy(p, old, e->entry.n);
	e->own = p;
	gauge_add(h->n.events, 1);
	e->entry.p = p;
	e->record.p = p + (e->record.p - old);
	if (e->metadata.n)
		e->metadata.p = p + (e->metadata.p - old);
	return true;
}

struct held_message *held_message_get(struct holder *h, const uint8_t *key, int64_t received_ns)
{
	struct span name = span_of(key, FRAME_KEY_LEN);
	struct held_message *m = map_get(h->messages, name);
	if (m)
		return m;
	void **place = map_put(h->messages, name);
	if (!place)
		return NULL;
	*place = m = mem_zalloc(sizeof *m);
	memcpy(m->key, key, FRAME_KEY_LEN);
	m->received_ns = received_ns;
	return m;
}

void held_message_add(struct held_message *m, struct held_event *e)
{
	e->message = m;
	e->same_prev = m->last;
	if (m->last)
		m->last->same_next = e;
	else
		m->first = e;
	m->last = e;
}

void held_event_free(struct holder *h, struct held_event *e)
{
	struct held_message *m = e->message;
	if (e->same_prev)
		e->same_prev->same_next = e->same_next;
	else
		m->first = e->same_next;
	if (e->same_next)
		e->same_next->same_prev = e->same_prev;
	else
		m->last = e->same_prev;
	if (!m->first) {
		map_remove(h->messages, span_of(m->key, FRAME_KEY_LEN));
		mem_free(m);
	}
	if (e->own)
		gauge_add(h->n.events, -1);
	mem_free(e->own);
	e->next = h->spare;
	h->spare = e;
}

bool holder_has(const struct holder *h, const uint8_t key[FRAME_KEY_LEN], uint32_t index)
{
	const struct held_message *m = map_get(h->messages, span_of(key, FRAME_KEY_LEN));
	for (const struct held_event *e = m ? m->first : NULL; e; e = e->same_next)
		if (e->index == index && e->journaled)
			return true;
	return false;
}

bool holder_is_empty(struct holder *h)
{
	pthread_mutex_lock(&h->lock);
	bool is = !map_count(h->messages);
	pthread_mutex_unlock(&h->lock);
	return is;
}

/* ---- streams ------------------------------------------------------------------------------------------------------- */

static void stream_unlink(struct holder *h, struct held_stream *s)
{
	*(s->older ? &s->older->newer : &h->oldest) = s->newer;
	*(s->newer ? &s->newer->older : &h->newest) = s->older;
}

static void stream_link(struct holder *h, struct held_stream *s)
{
	s->older = h->newest;
	s->newer = NULL;
	*(h->newest ? &h->newest->newer : &h->oldest) = s;
	h->newest = s;
	s->touched_ns = clock_mono_ns();
}

void held_stream_touch(struct holder *h, struct held_stream *s)
{
	stream_unlink(h, s);
	stream_link(h, s);
}

/* Bytes of a stream without its events: identities are what senders make them. */
static size_t own_bytes(const struct held_stream *s)
{
	return sizeof *s + 2 * s->key_len;
}

struct held_stream *held_stream_get(struct holder *h, struct span key)
{
	struct held_stream *s = map_get(h->streams, key);
	if (s)
		return s;
	void **place = map_put(h->streams, key);
	if (!place)
		return NULL;
	*place = s = mem_zalloc(sizeof *s + key.n);
	s->key_len = key.n;
	memcpy(s->key, key.p, key.n);
	stream_link(h, s);
	s->began_ns = s->touched_ns;
	s->bytes = own_bytes(s);
	h->bytes += s->bytes;
	gauge_add(h->n.streams, 1);
	return s;
}

void held_stream_free(struct holder *h, struct held_stream *s)
{
	map_remove(h->streams, span_of(s->key, s->key_len));
	stream_unlink(h, s);
	h->bytes -= s->bytes;
	gauge_add(h->n.streams, -1);
	gauge_set(h->n.bytes, (int64_t)h->bytes);
	mem_free(s);
}

void held_stream_add(struct holder *h, struct held_stream *s, struct held_event *e)
{
	size_t bytes = e->entry.n + sizeof *e;
	e->stream = s;
	e->prev = s->last;
	e->next = NULL;
	*(s->last ? &s->last->next : &s->first) = e;
	s->last = e;
	s->count++;
	s->bytes += bytes;
	h->bytes += bytes;
	gauge_set(h->n.bytes, (int64_t)h->bytes);
}

void held_stream_remove(struct holder *h, struct held_event *e)
{
	struct held_stream *s = e->stream;
	size_t bytes = e->entry.n + sizeof *e;
	*(e->prev ? &e->prev->next : &s->first) = e->next;
	*(e->next ? &e->next->prev : &s->last) = e->prev;
	s->count--;
	s->bytes -= bytes;
	h->bytes -= bytes;
	if (!s->count)
		held_stream_free(h, s);
	else if (h->ops->state_of)
		s->state = h->ops->state_of(h->self, s->first);
}

/* ---- groups -------------------------------------------------------------------------------------------------------- */

struct held_group *held_group_of(struct holder *h, struct held_stream *s)
{
	struct held_group *g = mem_zalloc(sizeof *g + s->key_len);
	g->first = s->first;
	g->count = s->count;
	g->key_len = s->key_len;
	memcpy(g->key, s->key, s->key_len);
	for (struct held_event *e = g->first; e; e = e->next)
		e->stream = NULL;
	held_stream_free(h, s);
	return g;
}

void held_group_free(struct holder *h, struct held_group *g)
{
	for (struct held_event *e = g->first, *next; e; e = next) {
		next = e->next;
		held_event_free(h, e);
	}
	mem_free(g);
}

bool held_group_is_older(const struct held_group *g)
{
	for (const struct held_event *e = g->first; e; e = e->next)
		if (e->own)
			return true;
	return false;
}

static void add_all(struct holder *h, struct held_stream *s, struct held_event *first)
{
	for (struct held_event *e = first, *next; e; e = next) {
		next = e->next;
		held_stream_add(h, s, e);
	}
}

void held_stream_put_back(struct holder *h, struct held_stream *s, struct held_group *g)
{
	struct held_event *rest = s->first;
	h->bytes -= s->bytes - own_bytes(s);
	s->first = s->last = NULL;
	s->bytes = own_bytes(s);
	s->count = 0;
	add_all(h, s, g->first);
	add_all(h, s, rest);
	g->first = NULL;
	if (h->ops->state_of)
		s->state = h->ops->state_of(h->self, s->first);
}
