/*
 * filter_walk.h: how a filter goes through a batch: each event in turn, which is then kept, changed, dropped or reported as failed. Nothing gets lost on the way: what finds
 * no room is reported as failed.
 *
 *     struct filter_walk w;
 *     filter_walk_begin(&w, f, in, batch, out);
 *     while (filter_walk_open(&w, arena, &record)) {
 *             ... filter_walk_keep(&w), or filter_walk_put(&w, &record), or filter_walk_fail(&w, ...), or nothing: dropped
 *     }
 *     return w.count;
 *
 * A filter that only looks uses filter_walk_next instead, and reads w.record as msgpack.
 */
#ifndef WEIR_FILTER_WALK_H
#define WEIR_FILTER_WALK_H

#include "batch.h"
#include "ingest.h"
#include "plugin.h"
#include "record/record.h"

#include <pthread.h>

struct filter_walk {
	struct filter *filter;
	struct ingest *in;
	const struct batch *batch;
	struct buf *out;
	uint32_t count; /* events that go on */

	/* The present event. */
	struct span entry;    /* all of it */
	struct span record;   /* its record, within the entry */
	struct span metadata; /* Fluent Bit's, n = 0 if there is none */
	struct event_time time;
	bool is_now; /* it has no time of its own: `time` is that of receipt */

	const uint8_t *p, *end; /* what is left */
	struct arena *arena;	/* of the opened record; NULL if there is none */
	struct arena_mark mark;
};

void filter_walk_begin(
	struct filter_walk *w, struct filter *f, struct ingest *in, const struct batch *b, struct buf *out);
/* The next event; false behind the last. */
bool filter_walk_next(struct filter_walk *w);
/* The same with its record opened in the arena, which goes back to where it was before each event, and behind the last. */
bool filter_walk_open(struct filter_walk *w, struct arena *a, struct record *r);

/* The event goes on as it came. */
void filter_walk_keep(struct filter_walk *w);
/* It goes on with this record. A record that cannot be written is a failure. */
void filter_walk_put(struct filter_walk *w, const struct record *r);
void filter_walk_put_raw(struct filter_walk *w, struct span record); /* as msgpack */
/* And with this time. */
void filter_walk_put_at(struct filter_walk *w, const struct record *r, struct event_time t);
/* It failed: `reason` is a fixed word, `text` a sentence. */
void filter_walk_fail(struct filter_walk *w, const char *reason, const char *text);

/* ---- what one call of apply works with, kept for the next one; several workers call at once ---- */

struct filter_room {
	struct filter_room *next;
};

struct filter_pool {
	pthread_mutex_t lock;
	struct filter_room *idle;
};

void filter_pool_init(struct filter_pool *p);
/* Frees what is idle: nothing may be out. */
void filter_pool_destroy(struct filter_pool *p, void (*free_room)(struct filter_room *room));
/* NULL: there is none; the caller makes one. */
struct filter_room *filter_pool_take(struct filter_pool *p);
void filter_pool_give(struct filter_pool *p, struct filter_room *room);

/* What one call of a filter writes records into before they go on. */
struct filter_scratch {
	struct filter_room room;
	struct buf buf;
};
/* One with an empty buffer of at most FILTER_RECORD_MAX bytes; filter_pool_give gives it back. */
struct filter_scratch *filter_scratch_take(struct filter_pool *p);
void filter_scratch_free(struct filter_room *room); /* for filter_pool_destroy */

/* What a record may become in a filter (bytes): no small message makes a very large one. */
#define FILTER_RECORD_MAX ((size_t)64 << 20)

#endif
