/* forward_encode.h: what a forward server answers. */
#ifndef WEIR_FORWARD_FORWARD_ENCODE_H
#define WEIR_FORWARD_FORWARD_ENCODE_H

#include "base/buf.h"

/*
 * Appends the ack for a message: {"ack": chunk} as msgpack with the very bytes of forward_msg.chunk, or as compact
 * JSON for a message that came in JSON mode. False (and nothing appended) if `out` failed.
 */
bool forward_put_ack(struct buf *out, struct span chunk, bool json);

#endif
