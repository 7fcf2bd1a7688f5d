#include "taps.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "record/event.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"
#include "record/tag_match.h"
#include "record/time_text.h"

#include <pthread.h>

#define ROOM	  (256u << 10) /* bytes of events that wait in a tap */
#define BATCH_MAX (64u << 10)  /* of one batch, so that the lock is not held for long */

struct tap {
	struct taps *taps;
	struct tap *next;
	struct tag_match *pattern; /* NULL: all */
	char *output;		   /* NULL: as they come */
	struct buf room;	   /* lengths of tag and entry (4 bytes each), tag, entry, ... */
	uint64_t dropped;
};

struct taps {
	pthread_mutex_t lock;
	_Atomic unsigned open;
	_Atomic uint64_t missed; /* events that came while somebody had the lock */
	struct tap *first;
};

struct taps *taps_new(void)
{
	struct taps *t = mem_zalloc(sizeof *t);
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void taps_free(struct taps *t)
{
	if (!t)
		return;
	while (t->first)
		tap_close(t->first);
	pthread_mutex_destroy(&t->lock);
	mem_free(t);
}

_Atomic unsigned *taps_open_count(struct taps *t)
{
	return &t->open;
}

/* ---- showing ------------------------------------------------------------------------------------------------------ */

static bool wants(const struct tap *p, const char *output, struct span tag)
{
	if (p->output ? !output || strcmp(p->output, output) != 0 : output != NULL)
		return false;
	return !p->pattern || tag_match(p->pattern, tag);
}

static bool put_entry(struct buf *room, struct span tag, const uint8_t *entry, size_t n)
{
	uint8_t head[8];
	if (room->n + sizeof head + tag.n + n > ROOM)
		return false;
	be32_put(head, (uint32_t)tag.n);
	be32_put(head + 4, (uint32_t)n);
	return buf_put(room, head, sizeof head) && buf_put_span(room, tag) && buf_put(room, entry, n);
}

static void show(struct tap *p, struct span tag, struct span entries, uint32_t count)
{
	const uint8_t *at = entries.p, *end = at + entries.n;
	struct event e;
	size_t used, taken = 0;
	while (at < end && taken < BATCH_MAX) {
		enum event_result r = event_read(at, end, MP_DEPTH_LIMIT, &e, &used);
		if (r == EVENT_OK && !put_entry(&p->room, tag, at, used))
			break;
		if (r == EVENT_TORN)
			break;
		if (r == EVENT_OK && count)
			count--;
		at += used;
		taken += used;
	}
	p->dropped += count;
}

void taps_show(struct taps *t, const char *output, struct span tag, struct span entries, uint32_t count)
{
	if (pthread_mutex_trylock(&t->lock) != 0) {
		atomic_fetch_add(&t->missed, count);
		return;
	}
	for (struct tap *p = t->first; p; p = p->next)
		if (wants(p, output, tag))
			show(p, tag, entries, count);
	pthread_mutex_unlock(&t->lock);
}

/* ---- looking ------------------------------------------------------------------------------------------------------ */

struct tap *tap_open(struct taps *t, const char *pattern, const char *output, struct err *err)
{
	struct tag_match *m = *pattern ? tag_match_compile(pattern, err) : NULL;
	if (*pattern && !m)
		return NULL;
	struct tap *p = mem_zalloc(sizeof *p);
	p->taps = t;
	p->pattern = m;
	p->output = output ? mem_strdup(output) : NULL;
	buf_init(&p->room, ROOM);
	pthread_mutex_lock(&t->lock);
	bool room = atomic_load(&t->open) < TAPS_MAX;
	if (room) {
		p->next = t->first;
		t->first = p;
		atomic_fetch_add(&t->open, 1);
	}
	pthread_mutex_unlock(&t->lock);
	if (room)
		return p;
	p->taps = NULL;
	tap_close(p);
	err_set(err, "%u others look already: that is all there is room for", TAPS_MAX);
	return NULL;
}

static void take_out(struct tap *p)
{
	struct taps *t = p->taps;
	pthread_mutex_lock(&t->lock);
	struct tap **at = &t->first;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	atomic_fetch_sub(&t->open, 1);
	pthread_mutex_unlock(&t->lock);
}

void tap_close(struct tap *p)
{
	if (!p)
		return;
	if (p->taps)
		take_out(p);
	tag_match_free(p->pattern);
	mem_free(p->output);
	buf_free(&p->room);
	mem_free(p);
}

static void put_line(struct buf *out, struct span tag, const uint8_t *entry, size_t n)
{
	struct event e;
	size_t used, before = out->n;
	struct time_text cache = {0};
	char time[TIME_TEXT_MAX];
	if (event_read(entry, entry + n, MP_DEPTH_LIMIT, &e, &used) != EVENT_OK)
		return;
	const uint8_t *record = e.record.p;
	buf_put_str(out, "{\"tag\":");
	json_put_string(out, tag);
	buf_put_str(out, ",\"time\":");
	if (e.kind == EVENT_TIME)
		buf_printf(out, "\"%.*s\"", (int)time_text_put(&cache, e.time, 9, time), time);
	else
		buf_put_str(out, "null"); /* the time of its receipt is meant */
	buf_put_str(out, ",\"record\":");
	if (json_put(out, &record, record + e.record.n, MP_DEPTH_LIMIT))
		buf_put_str(out, "}\n");
	else
		out->n = before;
}

uint64_t tap_take(struct tap *p, struct buf *out)
{
	struct taps *t = p->taps;
	struct buf taken;
	buf_init(&taken, ROOM);
	pthread_mutex_lock(&t->lock);
	struct buf swap = p->room;
	p->room = taken;
	taken = swap;
	uint64_t dropped = p->dropped + atomic_exchange(&t->missed, 0);
	p->dropped = 0;
	pthread_mutex_unlock(&t->lock);
	for (size_t at = 0; at < taken.n;) {
		size_t tag_len = be32_get(taken.p + at), n = be32_get(taken.p + at + 4);
		const uint8_t *tag = taken.p + at + 8;
		put_line(out, span_of(tag, tag_len), tag + tag_len, n);
		at += 8 + tag_len + n;
	}
	buf_free(&taken);
	return dropped;
}
