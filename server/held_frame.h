/*
 * held_frame.h: the entries of a frame of the journal (held.h), put together and taken apart.
 *
 *     4 bytes   n: how many have left
 *     n * 16    of each the key of its message, and its place there (4 bytes)
 *     rest      what waits, of the message that is the frame's key: place (4), number (8), length of the entry (4), entry
 */
#ifndef WEIR_HELD_FRAME_H
#define WEIR_HELD_FRAME_H

#include "base/buf.h"
#include "buffer/buffer.h"

struct held_event;

#define HELD_LEFT_HEAD 4
#define HELD_LEFT_LEN  (FRAME_KEY_LEN + 4)

/* held_begin, held_put_left ..., held_put_waiting ... */
void held_begin(struct buf *entries);
void held_put_left(struct buf *entries, const uint8_t key[FRAME_KEY_LEN], uint32_t index);
void held_put_waiting(struct buf *entries, const struct held_event *e);

/* The info of a frame: whose it is, and the key of the message that is complete (NULL: of none). */
void held_put_info(struct buf *info, const char *id, const uint8_t *complete);

/* A frame taken apart; it points into it. */
struct held_view {
	const uint8_t *complete; /* NULL or a key */
	struct span id;
	struct span left, waiting;
};

/* False: it is none. */
bool held_view(const struct frame_view *f, struct held_view *v);

/* The next of what waits; false at the end, or where bytes are missing. */
struct held_waits {
	uint32_t index;
	uint64_t number;
	struct span entry;
};
bool held_next_waiting(struct span *s, struct held_waits *w);

#endif
