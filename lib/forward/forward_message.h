/* forward_message.h: one whole msgpack message to a forward_msg: its form, options and events. */
#ifndef WEIR_FORWARD_FORWARD_MESSAGE_H
#define WEIR_FORWARD_FORWARD_MESSAGE_H

#include "base/buf.h"
#include "forward/forward_decode.h"
#include "forward/forward_frame.h"

/* What messages are read with, and the memory for what cannot be a view of the input. */
struct forward_reader {
	const struct forward_limits *limits;
	void (*on_bad)(void *arg, struct span entry, const char *reason);
	void *arg;
	struct buf entries; /* built, cleaned or decompressed */
	struct buf tag;	    /* repaired */
};

/*
 * `m` is a whole message as `frame` has it. Fills *msg but for json and raw; views into m and r's memory, which
 * must be empty. FORWARD_EVENTS, FORWARD_DROPPED, or FORWARD_CLOSE without memory.
 */
enum forward_step forward_message_read(
	struct forward_reader *r, struct span m, const struct forward_frame *frame, struct forward_msg *msg);

#endif
