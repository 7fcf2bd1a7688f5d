/* dead_event.h: a dead letter as an event, for <label @DEAD_LETTER>: an index of its own, so that Kibana shows what was given up and why. */
#ifndef WEIR_DEAD_EVENT_H
#define WEIR_DEAD_EVENT_H

#include "base/buf.h"
#include "buffer/frame.h"

#define DEAD_EVENT_TAG "weir.dead_letter"

/*
 * Appends [now, {"destination":,"reason":,"text":,"field":,"status":,"index":,"tag":,"events":,"event":}]. `event` is the event's JSON as text, cut, so that it fits into
 * any mapping; `field` the one that Elasticsearch named. Returns false, and appends nothing, for a dead letter that was such an event.
 */
bool dead_event_put(struct buf *out, const struct frame *f);

/* The field in Elasticsearch's sentence ("failed to parse field [a.b] of type [long]"); n = 0: it names none. */
struct span dead_event_field(struct span text);

#endif
