/*
 * held.h: the journal of events that wait for others (holder.h): a buffer (ROOT/held) that nobody delivers from.
 *
 * Each frame says what has left and what waits now, so that a message takes the journal from one state to the next in one piece. Its info is
 *
 *     "p" @id        @id: of the plugin
 *     "c" key @id    and all else of the message of that key had been durable before: a repetition of it is known again
 *
 * its entries are in held_frame.h.
 *
 * What waits in a frame and has left in none waits: at start it is given to the holders again. A thread goes through full chunks: what still waits is written
 * anew, then the chunk goes.
 */
#ifndef WEIR_HELD_H
#define WEIR_HELD_H

#include "held_frame.h"
#include "holder.h"
#include "txn.h"

struct ingest_hub;
struct source;

/* Opens the journal in `path` for the holders (where their plugins have them; they must live as long, as `m`) and reads it. NULL: err. */
struct held *held_open(const char *path, struct holder **const *holders, size_t n, struct ingest_hub *hub,
	struct metrics *m, struct err *err);

/* No plugin holds events: tells if any wait in `path`. */
void held_warn(const char *path);

/* Gives the holders what waited, begins with time-outs in the worker's thread, and with tidying up. `source` is what late events come from. */
bool held_start(struct held *h, struct worker *w, struct source *source, struct err *err);

/*
 * A reload, while all workers are parked: these holders are there now, and late events come from `source` (NULL: there are no holders). What plugins hold that stay as they
 * are, goes on waiting. The holders of the others leave: what they hold is joined and given on, at once by held_flush_leaving. They and those before must live, with all
 * that they give to, until they are forgotten: as soon as held_has_left, while all workers are parked.
 */
void held_take_over(struct held *h, struct holder **const *holders, size_t n, struct source *source);
void held_flush_leaving(struct held *h);
bool held_has_left(const struct held *h);
void held_forget_left(struct held *h);
/* Whether there are any that have not been forgotten. */
bool held_is_leaving(const struct held *h);

/*
 * No more time-outs. With `release_all` everything that waits is joined and given on before; without, it waits for the next start. Sources have ended; buffers still take
 * frames. Again, or NULL: nothing.
 */
void held_end(struct held *h, bool release_all);

/* After all buffers that holders give to have ended. NULL is allowed. */
void held_close(struct held *h);

/* ---- for holder.c ------------------------------------------------------------------------------------------------ */

/* Whether the journal takes frames now. */
bool held_is_open(const struct held *h);

/* A number greater than all before, over restarts. */
uint64_t held_number(struct held *h);

/* Appends a frame, made with the functions below; `owner` (NULL: nobody) waits for it. False: no memory. Any thread. */
struct held_frame {
	const char *id; /* the holder's */
	struct span tag;
	const uint8_t *key;	 /* of the message of what waits; NULL: nothing does */
	const uint8_t *complete; /* key of a message of which all else is durable; NULL: of none */
	int64_t received_ns;
	uint32_t waiting;    /* number of events */
	struct buf *entries; /* held_frame.h */
};
bool held_append(struct held *h, const struct held_frame *f, struct txn *owner);

/*
 * Brackets around the frames of one message, of all holders that it went through: they are written in one piece, and none of another message between them. Within,
 * frames are appended with the message's txn as owner. Not under a holder's lock.
 */
void held_tell(struct held *h, struct txn *t);
void held_told(struct held *h);

#endif
