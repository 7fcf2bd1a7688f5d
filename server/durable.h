/* durable.h: for threads that may wait: frames into a buffer, and on until they are on disk. */
#ifndef WEIR_DURABLE_H
#define WEIR_DURABLE_H

#include "buffer/buffer.h"

/*
 * Appends the list, which it takes, and waits until all of it is durable. The buffer's hooks must be ingest's. False: err, whose
 * code is EAGAIN if the buffer is full or refuses; nothing is known to be durable then. ETIMEDOUT: a disk that takes nothing any more must not
 * keep the caller, and with it weir's end, for ever; what was appended may become durable yet.
 */
bool durable_append(struct buffer *b, struct frame *list, struct span stage, int64_t due_ns, struct err *err);

/* For how long it waits, 30 s. Tests only: a shorter time. */
extern int64_t durable_limit_ns;

#endif
