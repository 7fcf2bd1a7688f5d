/*
 * repeats.h: the messages that weir has, so that a sender's repetition of one (its ack was lost) is acknowledged and not stored again.
 *
 * A message is known by its frames' key (forward_key.h: 96 bits of tag, sender's chunk id and all bytes of its events): what has another content has
 * another key. Remembered are those whose frames are all durable, the latest REPEATS_MAX or so; and those under way: a repetition
 * of one of them waits for the first copy, and ends as it does. Shared by all workers, any thread.
 */
#ifndef WEIR_REPEATS_H
#define WEIR_REPEATS_H

#include "txn.h"

#define REPEATS_MAX (1u << 17) /* 2 MiB; memory is touched as they come */

struct buffer;
struct repeats;
struct repeats *repeats_new(void);
void repeats_free(struct repeats *r); /* NULL is allowed */

enum repeat {
	REPEAT_NOT,	/* new: repeats_end is called when the txn ends (txn_drop sees to that) */
	REPEAT_DURABLE, /* all of it is durable */
	REPEAT_WAITS,	/* the first copy is under way; the txn waits for it */
};
enum repeat repeats_begin(struct repeats *r, const uint8_t key[FRAME_KEY_LEN], struct txn *t);

/* The message is durable, or (error: an errno value) has failed: then it is forgotten, and those that waited for it fail. */
void repeats_end(struct repeats *r, const uint8_t key[FRAME_KEY_LEN], int error);

/* A message that was found durable at start-up. */
void repeats_add(struct repeats *r, const uint8_t key[FRAME_KEY_LEN]);

/*
 * The same of parts of messages: what a crash left in a buffer, where it is not known whether all of the message had become durable. A frame that the same buffer
 * has is not stored again.
 */
void repeats_add_frame(struct repeats *r, const struct buffer *b, const uint8_t key[FRAME_KEY_LEN]);
bool repeats_has_frame(struct repeats *r, const struct buffer *b, const uint8_t key[FRAME_KEY_LEN]);

#endif
