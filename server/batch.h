/* batch.h: events of one tag on their way from a source to a buffer. */
#ifndef WEIR_BATCH_H
#define WEIR_BATCH_H

#include "base/span.h"
#include "buffer/frame.h"

struct batch {
	struct span tag;
	struct span entries; /* good entries, one after the other: record/event.h */
	uint32_t count;
	int64_t received_ns;	    /* wall clock; what an event's time 0 means */
	uint8_t key[FRAME_KEY_LEN]; /* identity: see frame.h */
};

#endif
