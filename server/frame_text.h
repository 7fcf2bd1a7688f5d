/* frame_text.h: a frame's events as lines of JSON for a person or a script; nothing in them reaches a terminal as a command. */
#ifndef WEIR_FRAME_TEXT_H
#define WEIR_FRAME_TEXT_H

#include "base/buf.h"
#include "buffer/buffer.h"

/*
 * Appends one line an event: {"chunk":,"tag":,"time":,"record":}; for a dead letter also where it should have gone and why, and "raw" instead
 * of time and record where it is no event. `chunk` may be NULL.
 */
void frame_text_put(struct buf *out, const char *chunk, const struct frame_view *v);

/* A wall clock's time as 2026-08-01T12:00:00Z. */
#define FRAME_TEXT_TIME 24
void frame_text_time(char out[FRAME_TEXT_TIME], int64_t ns);

/* Text from a peer or a server as part of a line of text: control characters are escaped, and it is cut at `most` bytes. */
void frame_text_plain(struct buf *out, struct span text, size_t most);

#endif
