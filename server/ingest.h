/*
 * ingest.h: from decoded events to frames in buffers: identity, route, filters, append. One for each worker; everything here runs in
 * that worker's thread unless it says otherwise.
 *
 *     source: ingest_open ─ ingest_events / ingest_message / ingest_dead ... ─ ingest_close
 *                               │ router_find ─ filters ─ output
 *                               └ ingest_append (by a buffered output) ─ frame ─ buffer_append ─ on_durable ─ txn done (ack)
 */
#ifndef WEIR_INGEST_H
#define WEIR_INGEST_H

#include "batch.h"
#include "buffer/buffer.h"
#include "txn.h"

struct filter;
struct output;
struct source;

/* Frames that a full buffer did not take. Belongs to what has to wait with them (a connection), which stops reading while there are some. */
struct parked {
	struct parked_frame *first, *last;
	size_t bytes;
};

struct ingest *ingest_new(struct worker *w, struct ingest_hub *hub);
void ingest_free(struct ingest *in); /* NULL is allowed */

/* Brackets what is made from one turn of reading of one peer. `parked` gets the frames that full buffers did not take. */
void ingest_open(struct ingest *in, struct source *source, struct parked *parked);
void ingest_close(struct ingest *in);

/* What is kept for people who look; NULL = nothing. Any thread. */
struct watch;
const struct watch *ingest_watch(const struct ingest *in);

/* The worker that it belongs to. */
struct worker *ingest_worker(const struct ingest *in);

/* The wall clock at ingest_open: the time of receipt of all of the turn. */
int64_t ingest_now(const struct ingest *in);

/*
 * Events without a txn (nobody waits for an ack). Successive ones under the same tag become one frame. `head` is put before the entries: 0x92 for an
 * event whose array header is missing, or nothing.
 */
void ingest_events(struct ingest *in, struct span tag, struct span head, struct span entries, uint32_t count);

/* A message with an identity of its own (key) and somebody who waits (txn, may be NULL). */
void ingest_message(struct ingest *in, const struct batch *b, struct txn *txn);

/*
 * Whether weir has this message (of `count` events) already: then it is counted, there is nothing more to do with it, and the txn ends when the first copy is
 * durable, which may be at once. Else the message is remembered as one under way. Between ingest_open and ingest_close.
 */
bool ingest_is_repeated(struct ingest *in, const uint8_t key[FRAME_KEY_LEN], uint32_t count, struct txn *txn)
	__attribute__((warn_unused_result));

/* A key that no frame had before. */
void ingest_new_key(struct ingest *in, uint8_t key[FRAME_KEY_LEN]);

/* Something that cannot become events (of which there were `count`): to the dead letters, with a fixed word for the reason. `txn` may be NULL. */
void ingest_dead(
	struct ingest *in, struct span tag, struct span raw, uint32_t count, const char *reason, struct txn *txn);

/* Tries the parked frames again; true if none are left. */
bool ingest_unpark(struct ingest *in, struct parked *parked);
/* Gives them up (shutdown at its deadline): counted as refused, their txns fail. */
void ingest_drop_parked(struct ingest *in, struct parked *parked);

/* The holder of parked frames has `wake` called in the worker's thread when a buffer has room again, or after a second. */
struct parked_waiter {
	struct parked_waiter *next, **prev;
	void (*wake)(struct parked_waiter *w);
};
void ingest_wait(struct ingest *in, struct parked_waiter *w);
void ingest_unwait(struct parked_waiter *w); /* if it waits */
/* Wakes all of the worker's. */
void ingest_wake(struct ingest *in);

/* The routers are others now (a reload). While the worker is parked. */
void ingest_forget_routes(struct ingest *in);

/* ---- for outputs ---------------------------------------------------------------------------------------------- */

/* Makes a frame of the batch (under the txn of the message that is being handled) for the output's buffer. */
void ingest_append(struct ingest *in, struct output *o, const struct batch *b, struct span stage, int64_t due_ns);

/* Gives a batch to an output (copy's stores). */
void ingest_emit(struct ingest *in, struct output *o, const struct batch *b);
/* The same; true if no buffer refused any of it. With `ignore` a refusal does not keep the message from being acknowledged (it is counted). */
bool ingest_try_emit(struct ingest *in, struct output *o, const struct batch *b, bool ignore);

/*
 * For filters: an event that failed (a record that cannot be parsed, an expression that cannot be evaluated): to <label @ERROR> if there is one, else to the
 * dead letters, counted. `entry` is the event as in batch.h, `reason` a fixed word, `text` a sentence or NULL.
 */
void ingest_error(struct ingest *in, const char *plugin_id, const struct batch *b, struct span entry,
	const char *reason, const char *text);

/* Whether there is a <label @ERROR>. */
bool ingest_has_error_label(const struct ingest *in);

/* The identity of a part of a batch: the same for the same batch and `what`, so that a repetition of the batch gives repetitions of its parts. */
void batch_part_key(const struct batch *b, struct span what, uint8_t key[FRAME_KEY_LEN]);

/* Sends a batch through a router (relabel, rewrite_tag_filter, ...) under the message that is being handled. */
struct router;
void ingest_route(struct ingest *in, const struct router *r, const struct batch *b);

/* The same behind a filter of it, for what the filter gives on by itself (holder.h). */
void ingest_route_behind(struct ingest *in, const struct router *r, const struct filter *f, const struct batch *b);

/* For filters: so many events of the batch at hand neither go on nor were taken out: they wait, or are part of another one now. */
void ingest_kept(struct ingest *in, uint32_t count);

/* The txn of the message that is being handled; NULL if nobody waits for it. */
struct txn *ingest_txn(const struct ingest *in);
/* What follows belongs to another one, until it is put back. */
void ingest_set_txn(struct ingest *in, struct txn *t);

/* For outputs that take batches apart: `count` events of the message that is being handled found no memory; it is not acknowledged. */
void ingest_no_memory(struct ingest *in, size_t bytes, uint32_t count);

/* ---- what the workers share ----------------------------------------------------------------------------------- */

#define INGEST_MAX_WORKERS 256

struct dead_letters;
struct unmatched;
struct watch;
struct ingest_hub;
/* `watch` is the caller's, and lives longer; NULL: nobody looks. */
struct ingest_hub *ingest_hub_new(struct unmatched *unmatched, const struct watch *watch);
const struct watch *ingest_hub_watch(const struct ingest_hub *hub);
/* Before any source is started. The store's own buffer has the hub for its hooks, so the hub is there first. */
void ingest_hub_set_dead(struct ingest_hub *hub, struct dead_letters *dead);
struct repeats *ingest_hub_repeats(const struct ingest_hub *hub);
struct unmatched *ingest_hub_unmatched(const struct ingest_hub *hub);
struct dead_letters *ingest_hub_dead(const struct ingest_hub *hub);
void ingest_hub_free(struct ingest_hub *hub); /* NULL is allowed */
/* Start-up, before any buffer is open: at most INGEST_MAX_WORKERS. */
void ingest_hub_add(struct ingest_hub *hub, struct worker *w);

/* The hooks of every buffer (buffer.h), with the hub as their argument. on_durable: writer threads. */
void ingest_on_durable(void *hub, struct frame *list);
void ingest_on_space(void *hub);
void ingest_on_recovered(void *hub, const struct buffer *b, const uint8_t key[FRAME_KEY_LEN]);

#endif
