/*
 * forward_key.h: the identity of a message that its sender may repeat (frame.h: FRAME_KEY_LEN).
 *
 * Equal for a repetition, to this or to another weir: made from the tag, the sender's chunk id and the entries. Different for different events, which the
 * chunk id alone does not promise: Fluent Bit's is a hash of the content, so two hosts that send the same bytes send the same id. For
 * ids of its form the peer's name counts as well; and if the same one comes again on the same connection after it was given, it is no repetition (a sender
 * that has lost an ack has lost its connection), but a new message with the same content.
 */
#ifndef WEIR_FORWARD_KEY_H
#define WEIR_FORWARD_KEY_H

#include "base/span.h"
#include "buffer/frame.h"

#define FORWARD_KEY_REPEATS 8 /* keys that a connection remembers */

struct forward_key_input {
	struct span tag, chunk, entries;
	struct span peer; /* host name or address, without port */
	bool packed;	  /* Forward, PackedForward, CompressedPackedForward: not Message mode */
};

/* `repeats` (FORWARD_KEY_REPEATS, zeros at first) and *at are the connection's. */
void forward_key_make(const struct forward_key_input *in, uint64_t *repeats, unsigned *at, uint8_t key[FRAME_KEY_LEN]);

#endif
