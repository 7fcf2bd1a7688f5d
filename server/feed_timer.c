#include "feed_timer.h"

#include "base/clock.h"
#include "worker.h"

#include <event2/event.h>
#include <stdatomic.h>

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct feed_timer *t = arg;
	(void)fd;
	(void)events;
	if (feed_is_blocked(&t->feed))
		return;
	t->on_tick(t, feed_open(&t->feed));
	if (!feed_close(&t->feed))
		atomic_store(&t->blocked, true);
}

static void on_room(struct feed *f)
{
	struct feed_timer *t = (struct feed_timer *)f;
	atomic_store(&t->blocked, false);
}

static void begin(struct worker *w, void *arg)
{
	struct feed_timer *t = arg;
	struct timeval interval = {.tv_sec = t->interval_ns / NS_PER_S, .tv_usec = t->interval_ns % NS_PER_S / 1000};
	feed_init(&t->feed, t->source, w, on_room);
	t->timer = event_new(worker_base(w), -1, EV_PERSIST, on_timer, t);
	if (t->timer)
		event_add(t->timer, &interval);
}

bool feed_timer_start(struct feed_timer *t, struct worker *w, struct err *err)
{
	t->worker = w;
	worker_call(w, begin, t);
	return t->timer || err_set(err, "the timer cannot be added to a worker's event loop");
}

static void halt(struct worker *w, void *arg)
{
	struct feed_timer *t = arg;
	(void)w;
	if (t->timer)
		event_free(t->timer);
	t->timer = NULL;
}

void feed_timer_stop(struct feed_timer *t)
{
	if (t->worker)
		worker_call(t->worker, halt, t);
}

bool feed_timer_is_busy(const struct feed_timer *t)
{
	return atomic_load(&t->blocked);
}

static void give_up(struct worker *w, void *arg)
{
	struct feed_timer *t = arg;
	(void)w;
	feed_drop(&t->feed);
}

void feed_timer_end(struct feed_timer *t)
{
	if (t->worker)
		worker_call(t->worker, give_up, t);
	t->worker = NULL;
}
