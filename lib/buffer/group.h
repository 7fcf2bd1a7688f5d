/*
 * group.h: group commit: what waits is written with one pwritev and one fdatasync a file, then reported. The
 * writer's.
 */
#ifndef WEIR_BUFFER_GROUP_H
#define WEIR_BUFFER_GROUP_H

#include "buffer/buffer_impl.h"

/* Takes what waits, as far as a group may be long, if none is in work. Under the lock. */
void group_gather(struct buffer *b);

/*
 * Writes the group and reports what became durable. What could not be written stays in the group and b->stalled says
 * why; the writer comes again at stalled_until_ns. With `last_try` it fails instead.
 */
void group_write(struct buffer *b, bool last_try);

#endif
