/*
 * batch_split.h: a batch taken apart by what each event is to become: another tag and router, another chunk. Parts keep the order of their
 * first events, and their events the batch's. One turn's; one thread's.
 */
#ifndef WEIR_BATCH_SPLIT_H
#define WEIR_BATCH_SPLIT_H

#include "base/buf.h"
#include "base/map.h"
#include "batch.h"
#include "record/event.h"

struct batch_part {
	const void *target; /* the caller's: a router; NULL where there is none */
	struct buf name;    /* tag, or stage key */
	struct buf entries;
	uint32_t count;
};

struct batch_split {
	struct batch_part *parts;
	size_t n, cap, last;
	struct map *found; /* name and target to part; NULL while there are few */
	struct buf key;
};

void batch_split_init(struct batch_split *s);
void batch_split_free(struct batch_split *s);

/* Puts an event (its whole entry) into the part of that target and name. False: no memory, and it is in none. */
bool batch_split_add(struct batch_split *s, const void *target, struct span name, struct span entry);

/* The part as a batch: `what` (the plugin's @id) and the part's place make its identity from the whole's. With `retag` the name is its tag. */
struct batch batch_split_part(const struct batch *whole, const struct batch_part *p, const char *what, bool retag);

/* Steps through the events of a batch. `time` is set also where the event means the time of receipt. */
struct batch_iter {
	const uint8_t *p, *end;
	int64_t received_ns;
	struct span entry;
	struct event event;
};
void batch_iter_init(struct batch_iter *it, const struct batch *b);
bool batch_iter_next(struct batch_iter *it);

#endif
