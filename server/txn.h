/*
 * txn.h: what a source waits for before it acknowledges: all frames made from one message.
 *
 * Frames point to their txn and are counted in `pending`; the source has one count more while the message is taken apart. Whoever takes the last
 * one away (a writer's thread, or the worker) runs what is left to do, then `done` is called, once, in the worker's thread.
 */
#ifndef WEIR_TXN_H
#define WEIR_TXN_H

#include "buffer/frame.h"
#include "worker.h"

struct repeats;
struct txn;

/*
 * Something that comes after all frames of a message are durable and before its source is told. `run` may give the txn more frames (it waits for them
 * too); it owns `e` and is called once, in any thread, also if the txn has failed (txn_error). Those of a message are run one after the other in one thread; `first` and
 * `last` tell where in their row.
 */
struct epilogue {
	struct epilogue *next;
	void (*run)(struct epilogue *e, struct txn *t, bool first, bool last);
};

/* Embedded in the source's own record of the message. It must live until `done` was called. */
struct txn {
	struct mail mail;
	struct worker *worker;	  /* NULL: done is called in the thread that ends it */
	_Atomic unsigned pending; /* frames that are not durable yet, and one for the source while it is being built */
	_Atomic int error;	  /* errno of a frame that failed; 0 = all is durable */
	void (*done)(struct txn *t);
	struct epilogue *epilogue;
	struct repeats *repeats; /* who is told how it ended; NULL = nobody */
	struct txn *next_waiting;
	uint8_t key[FRAME_KEY_LEN]; /* of the message, where `repeats` is there */
};

/* Starts a txn with one reference for the caller, who ends it with txn_release once everything of the message has been given to ingest. */
void txn_begin(struct txn *t, struct worker *w, void (*done)(struct txn *t));
void txn_release(struct txn *t);

/* One frame more that it waits for. The caller holds a reference. */
void txn_hold(struct txn *t);
/* One less; true: that was the last one, and done is to be called, in the worker's thread. */
bool txn_drop(struct txn *t) __attribute__((warn_unused_result));
/* Drops it and sees to it that done is called where it must be. Any thread. */
void txn_drop_anywhere(struct txn *t);

/* It will not be acknowledged; the first error counts. */
void txn_fail(struct txn *t, int error);

static inline int txn_error(const struct txn *t)
{
	return atomic_load(&t->error);
}

/* While it is being built. */
void txn_then(struct txn *t, struct epilogue *e);

#endif
