/*
 * feed_timer.h: a source that makes its events by the clock, in a worker's thread. While a buffer is full it makes none.
 *
 *     feed_timer_start ─ on_tick each interval ... ─ feed_timer_stop ─ while it is busy ... ─ feed_timer_end
 */
#ifndef WEIR_FEED_TIMER_H
#define WEIR_FEED_TIMER_H

#include "feed.h"

struct event;

/* Embedded in the plugin's own, zero-initialised. */
struct feed_timer {
	struct feed feed;      /* first: on_room is handed it */
	struct worker *worker; /* NULL: not started, or ended */
	struct event *timer;
	struct source *source;
	int64_t interval_ns;
	/* In the worker's thread: gives events to `in`, which is open. feed_is_blocked(&t->feed) says when a buffer has become full. */
	void (*on_tick)(struct feed_timer *t, struct ingest *in);
	_Atomic bool blocked;
};

/* All but the worker's own are called in the main thread. source, interval_ns and on_tick are set before. */
bool feed_timer_start(struct feed_timer *t, struct worker *w, struct err *err);
void feed_timer_stop(struct feed_timer *t); /* no more ticks; nothing happens if it was not started */
bool feed_timer_is_busy(const struct feed_timer *t);
void feed_timer_end(struct feed_timer *t); /* gives up what waits for room */

#endif
