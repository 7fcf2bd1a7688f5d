#include "feed.h"

static void on_wake(struct parked_waiter *w)
{
	struct feed *f = (struct feed *)((char *)w - offsetof(struct feed, waiter));
	struct ingest *in = feed_open(f);
	bool all = ingest_unpark(in, &f->parked);
	ingest_close(in);
	if (all)
		f->on_room(f);
	else
		ingest_wait(in, &f->waiter);
}

void feed_init(struct feed *f, struct source *source, struct worker *w, void (*on_room)(struct feed *f))
{
	*f = (struct feed){.source = source, .worker = w, .waiter.wake = on_wake, .on_room = on_room};
}

struct ingest *feed_open(struct feed *f)
{
	struct ingest *in = worker_ingest(f->worker);
	ingest_open(in, f->source, &f->parked);
	return in;
}

bool feed_close(struct feed *f)
{
	struct ingest *in = worker_ingest(f->worker);
	ingest_close(in);
	if (!f->parked.first)
		return true;
	ingest_wait(in, &f->waiter);
	return false;
}

void feed_drop(struct feed *f)
{
	if (!f->worker)
		return;
	ingest_unwait(&f->waiter);
	if (!f->parked.first)
		return;
	struct ingest *in = feed_open(f);
	ingest_drop_parked(in, &f->parked);
	ingest_close(in);
}
