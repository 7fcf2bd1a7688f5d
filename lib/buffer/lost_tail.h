/* lost_tail.h: a chunk without a seal is read once: what is in it, where it ends. For start-up's thread. */
#ifndef WEIR_BUFFER_LOST_TAIL_H
#define WEIR_BUFFER_LOST_TAIL_H

#include "buffer/buffer_impl.h"

struct lost_tail_sum {
	uint64_t chunks, records, torn_bytes, damaged_frames;
};

/*
 * Looks through a chunk in state LOST_TAIL, repairs its file as far as it can be written, and queues it. It stays as
 * it is if b->stopping is set meanwhile.
 */
void lost_tail_look_through(struct buffer *b, struct chunk *c, struct lost_tail_sum *sum);

#endif
