/* held_impl.h: what the files of the journal know of each other. */
#ifndef WEIR_HELD_IMPL_H
#define WEIR_HELD_IMPL_H

#include "base/map.h"
#include "feed.h"
#include "held.h"

#include <pthread.h>

struct holders {
	struct holder **v;
	size_t n;
};

struct held {
	struct buffer *buffer;
	struct ingest_hub *hub;
	struct metrics *metrics;
	struct holders ours;	       /* of the configuration in force */
	struct holder **const *places; /* where their plugins have ours */
	struct holders leaving;	       /* of those before it, as long as they hold something */
	pthread_mutex_t
		holders_lock; /* of both, for the thread that tidies up; else they change while all workers are parked */
	_Atomic uint64_t number;
	/* what a message tells: in one thread at a time */
	pthread_mutex_t tell_lock;
	_Atomic(struct txn *) telling; /* its txn; NULL = none */
	struct frame *told, **told_end;
	struct map *found; /* what waited at start: @id, key, place to struct found */
	/* in the worker's thread */
	struct worker *worker;
	struct worker_tick *tick;
	struct feed feed;
	/* replay: all that was given to holders at start */
	struct txn replay;
	atomic_bool replayed;
	/* tidying up */
	pthread_t thread;
	bool thread_runs;
	pthread_mutex_t tidy_lock; /* over each append of the thread; of `ended` */
	bool ended;
};

/* The i-th of all holders. NULL: there are fewer. */
struct holder *held_nth(const struct held *h, size_t i);
/* The next one of that @id, from *i on: after a reload there may be several. NULL: there is none. */
struct holder *held_next_of(const struct held *h, struct span id, size_t *i);
struct holder *held_holder(const struct held *h, struct span id);

/* A thread, until `ended`. arg: the journal. */
void *held_tidy_main(void *arg);

#endif
