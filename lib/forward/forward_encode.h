/* forward_encode.h: what a forward server answers. */
#ifndef WEIR_FORWARD_FORWARD_ENCODE_H
#define WEIR_FORWARD_FORWARD_ENCODE_H

#include "base/buf.h"

/* Appends the ack for a message: {"ack": chunk}, `chunk` being the raw msgpack object that came (its very bytes), or JSON. */
bool forward_put_ack(struct buf *out, struct span chunk, bool json);

#endif
