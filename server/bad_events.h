/*
 * bad_events.h: events of one message that are no use, on their way to the dead letters once the message is known. Each is a dead letter of its own, but for those
 * behind the first thousand, of which equal reasons in a row go together: a few hundred kilobytes may unpack to millions of them.
 */
#ifndef WEIR_BAD_EVENTS_H
#define WEIR_BAD_EVENTS_H

#include "base/buf.h"

struct bad_events {
	struct buf all; /* struct bad_event, its bytes, ... */
	size_t last;	/* where the last one begins */
	uint32_t count;
};

struct bad_event {
	const char *reason; /* a fixed word */
	size_t len;
	uint32_t count;
};

void bad_events_init(struct bad_events *b);
void bad_events_free(struct bad_events *b);

/* False: no memory; it is counted, and not there. */
bool bad_events_add(struct bad_events *b, const char *reason, struct span bytes) __attribute__((warn_unused_result));

/* The next one, from *at = 0 on. False: there is none. */
bool bad_events_next(const struct bad_events *b, size_t *at, struct bad_event *e, struct span *bytes);

#endif
