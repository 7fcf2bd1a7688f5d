/*
 * held.h: the journal of events that wait for others (holder.h): a buffer (ROOT/held) that nobody delivers from.
 *
 *     frame of a message's waiting events:    info "h" @id, entries (place, number, entry) ...
 *     frame of events that left:              info "r" @id, entries (message's key, place) ...; its key is that of the message that made them leave
 *
 * What is in the former and in none of the latter waits: at start it is given to the holders again. A thread goes through full chunks: what still waits is
 * written anew, then the chunk goes.
 */
#ifndef WEIR_HELD_H
#define WEIR_HELD_H

#include "holder.h"
#include "txn.h"

struct ingest_hub;
struct source;

/* Opens the journal in `path` for the holders (which must live as long) and reads it. NULL: err. */
struct held *held_open(
	const char *path, struct holder *const *holders, size_t n, struct ingest_hub *hub, struct err *err);

/* Gives the holders what waited, begins with time-outs in the worker's thread, and with tidying up. `source` is what late events come from. */
bool held_start(struct held *h, struct worker *w, struct source *source, struct err *err);

/* Ends input: joins and gives on everything that waits, then no more time-outs. Sources have ended; buffers still take frames. Again, or NULL: nothing. */
void held_end(struct held *h);

/* After all buffers that holders give to have ended. NULL is allowed. */
void held_close(struct held *h);

/* ---- for holder.c ------------------------------------------------------------------------------------------------ */

/* Whether the journal takes frames now. */
bool held_is_open(const struct held *h);

/* A number greater than all before, over restarts. */
uint64_t held_number(struct held *h);

/* Appends what waits of a message, or what has left; `owner` (NULL: nobody) waits for it. False: no memory. Any thread. */
enum held_kind { HELD_WAITS = 'h', HELD_LEFT = 'r' };
struct held_frame {
	enum held_kind kind;
	const char *id; /* the holder's */
	struct span tag;
	const uint8_t *key;
	int64_t received_ns;
	uint32_t count;
	struct span entries;
};
bool held_append(struct held *h, const struct held_frame *f, struct txn *owner);

void held_put_waiting(struct buf *out, const struct held_event *e);
void held_put_left(struct buf *out, const uint8_t key[FRAME_KEY_LEN], uint32_t index);

#endif
