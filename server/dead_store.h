/*
 * dead_store.h: what is done with the dead letters in their store: looked at, given back to their destination, thrown away.
 *
 * What is done with is noted in the progress of its chunk, frame by frame, and the chunk goes when nothing is left in it. A frame goes back under
 * the key and to the place that it had, so that a document that is there after all does not come twice; and only once it is durable there is it
 * noted as done here.
 */
#ifndef WEIR_DEAD_STORE_H
#define WEIR_DEAD_STORE_H

#include "buffer/buffer.h"
#include "dead_letter.h"

struct chunk_keys;
struct tag_match;

/* Which ones. NULL and 0: whatever it is. */
struct dead_filter {
	int64_t since_ns, until_ns; /* of their giving up, wall clock; until_ns is not in it any more */
	const char *reason, *destination;
	struct tag_match *tag;
};
bool dead_filter_takes(const struct dead_filter *f, const struct frame_view *v, const struct dead_letter_view *why);

/* The dead letters of a chunk that are not done with. One thread. */
struct dead_reader;
struct dead_reader *dead_reader_open(struct buffer *b, struct chunk *c, struct err *err);
enum chunk_read dead_reader_next(
	struct dead_reader *r, struct frame_view *v, struct dead_letter_view *why, struct err *err);
void dead_reader_close(struct dead_reader *r); /* NULL is allowed */

/* Where a dead letter goes back to. */
struct dead_target {
	struct buffer *buffer;
	const struct chunk_keys *keys; /* NULL: the output does not split chunks */
};

struct dead_work {
	struct buffer *store;
	const struct dead_filter *filter;
	bool drop; /* throw away instead of giving back */
	/* False: there is no such destination, or it keeps nothing: what is for it stays. */
	bool (*target)(void *arg, struct span destination, struct dead_target *t);
	void *arg;
};

struct dead_outcome {
	uint64_t done;	  /* events given back, or thrown away */
	uint64_t kept;	  /* that the filter does not take */
	uint64_t strange; /* that it takes, but that are no events or whose destination is not there: kept */
};

/* False: err; *out says how far it came. For a thread that may wait. */
bool dead_store_work(const struct dead_work *w, struct dead_outcome *out, struct err *err);

#endif
