/*
 * feed.h: how a source whose peers wait for no ack gives events on. When a buffer is full its frames wait here, and whoever feeds stops until there is room: what
 * it has not read stays in sockets and files.
 *
 *     feed_open ─ ingest_events ... ─ feed_close ──false──> stop reading ... on_room: go on
 */
#ifndef WEIR_FEED_H
#define WEIR_FEED_H

#include "ingest.h"

/* Embedded in what reads (a connection, a socket, a timer). The worker's thread only. */
struct feed {
	struct source *source;
	struct worker *worker;
	struct parked parked;
	struct parked_waiter waiter;
	void (*on_room)(struct feed *f);
};

void feed_init(struct feed *f, struct source *source, struct worker *w, void (*on_room)(struct feed *f));

struct ingest *feed_open(struct feed *f);
/* False: a buffer is full. Nothing may be given until on_room was called. */
bool feed_close(struct feed *f) __attribute__((warn_unused_result));

static inline bool feed_is_blocked(const struct feed *f)
{
	return f->parked.first != NULL;
}

/* Gives up what waits (shutdown at its deadline, a peer that is gone): counted as refused. on_room is not called any more. */
void feed_drop(struct feed *f);

#endif
