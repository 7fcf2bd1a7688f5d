/*
 * holder.h: events that wait for others of their stream, to become one event with them: what the concat filter and detect_exceptions have in common.
 *
 *     apply ─ holder_take ─ for each event: ops.take ─ holding_keep | holding_flush | holding_pass | ...
 *                  │ what waits at the end of a message goes to the journal (held.h) under the message's txn: the ack waits for no other event
 *                  └ what an earlier message left here, and leaves: ops.join, ops.emit; only when that is durable the journal is told, in one frame, what
 *                    has left and what waits instead; and after that the ack of the message that did it goes out
 *
 * So neither kill -9 nor a failed buffer loses an event that waits, and a message that is sent again because it was not acknowledged finds the state that it
 * found the first time. A joined event has an identity made from its first one's.
 *
 * Bounded: HOLDER_STREAM_BYTES and HOLDER_STREAM_EVENTS a stream, HOLDER_BYTES and HOLDER_STREAMS in all; beyond them the stream (the one that was quiet for
 * longest) is joined early. Several workers call at once; a lock a message.
 */
#ifndef WEIR_HOLDER_H
#define WEIR_HOLDER_H

#include "batch_split.h"
#include "plugin.h"

#define HOLDER_STREAM_BYTES  ((size_t)16 << 20)
#define HOLDER_STREAM_EVENTS 16384u
#define HOLDER_BYTES	     ((size_t)64 << 20)
#define HOLDER_STREAMS	     10000u

struct held;
struct held_message;
struct held_stream;
struct holder;
struct holding;

struct held_event {
	struct held_event *prev, *next; /* in order of arrival */
	struct event_time time;
	struct span entry, metadata, record; /* as in event.h */

	/* The holder's. */
	struct held_event *same_prev, *same_next;
	struct held_message *message;
	struct held_stream *stream;
	uint64_t number; /* order of arrival, over restarts */
	uint32_t index;	 /* place in its message */
	uint8_t *own;	 /* its entry's bytes once its message has been gone through; NULL: they are the batch's */
	bool journaled;
};

struct holder_ops {
	/* Appends what tells the event's stream from others of its tag. False: the event is none of the plugin's business and goes on. */
	bool (*identify)(void *self, const struct event *e, struct buf *id);
	/* Decides on one event, by calling the holding_ functions. */
	void (*take)(void *self, struct holding *t);
	/* holding_state after these events, where some that came behind them are gone. NULL: there is no state. */
	int64_t (*state_of)(void *self, const struct held_event *first);
	/* Appends the entry made of the events that leave together, from `first` on. False: no memory. */
	bool (*join)(void *self, const struct held_event *first, unsigned count, struct buf *out);
	/* Gives on what holder_take could not put to its output: one event. late: nothing completed it but time, or weir's end. */
	void (*emit)(void *self, struct ingest *in, const struct batch *b, bool late);
};

struct holder_options {
	const char *id; /* the plugin's @id: it finds its events again by it after a restart */
	const char *type;
	int64_t timeout_ns;		    /* 0 = none */
	bool from_first;		    /* the time-out counts from the stream's first event, not from its last */
	const struct conf_section *section; /* that the plugin was made from */
};

struct holder *holder_new(const struct holder_options *o, const struct holder_ops *ops, void *self, struct metrics *m);
void holder_free(struct holder *h); /* NULL is allowed */
const char *holder_id(const struct holder *h);

/* Appends what goes on at once to `out` and returns how many events that are. The worker's thread. */
uint32_t holder_take(struct holder *h, struct ingest *in, const struct batch *b, struct buf *out);

/* ---- for ops.take ---------------------------------------------------------------------------------------------- */

/* The event at hand, and how many its stream holds. */
const struct event *holding_event(const struct holding *t);
unsigned holding_count(const struct holding *t);
/* Bytes of the entries that the stream holds. */
size_t holding_bytes(const struct holding *t);
/* A number of the plugin's that lasts as long as the stream holds something; 0 if it holds nothing. */
int64_t holding_state(const struct holding *t);
void holding_set_state(struct holding *t, int64_t state);

/* The event goes on as it is. */
void holding_pass(struct holding *t);
/* It waits, as the stream's last one. */
void holding_keep(struct holding *t);
/* What the stream holds is joined and goes on. */
void holding_flush(struct holding *t);
/* The event at hand (holding_drop), what the stream holds: gone, by an option that says so; counted. */
void holding_drop(struct holding *t);
void holding_drop_held(struct holding *t);

/* ---- for held.c -------------------------------------------------------------------------------------------------- */

void holder_set_journal(struct holder *h, struct held *journal);

/*
 * A reload, while all workers are parked: if both plugins were made from the same words, each gets the other's holder, and with it what waits there; *a and *b are where
 * they have them. False: nothing was done.
 */
bool holder_exchange(struct holder **a, struct holder **b);

/* An event that is in the journal since before the start; those of one message and stream in their order. The worker's thread. */
struct held_record {
	struct span tag, entry;
	uint8_t key[FRAME_KEY_LEN];
	uint64_t number;
	uint32_t index;
	int64_t received_ns;
};
void holder_replay(struct holder *h, struct ingest *in, const struct held_record *r);

/* Joins what is due (all: everything), and gives it on. The worker's thread. */
void holder_tick(struct holder *h, struct ingest *in, bool all);

/* Whether nothing waits, and nothing is on its way. */
bool holder_is_empty(struct holder *h);

/* While it is locked nothing comes and nothing leaves. */
void holder_lock(struct holder *h);
void holder_unlock(struct holder *h);
/* Under the lock: whether this one is in the journal, and no frame says yet that it has left. */
bool holder_has(const struct holder *h, const uint8_t key[FRAME_KEY_LEN], uint32_t index);

#endif
