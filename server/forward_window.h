/*
 * forward_window.h: the messages that a forward output sends before it waits for their acks. A frame is one message, or several if it is long, under ids that follow from
 * its key. One thread's.
 */
#ifndef WEIR_FORWARD_WINDOW_H
#define WEIR_FORWARD_WINDOW_H

#include "buffer/buffer.h"
#include "out_forward.h"

#define FORWARD_ID_LEN 25u /* Base64 of 16 bytes and a line feed, as fluentd's */

struct forward_message_out {
	size_t start, end; /* in `out` */
	uint32_t events;
	char id[FORWARD_ID_LEN + 1];
	bool acked;
};

struct forward_window {
	const struct forward_out_conf *conf;
	struct forward_message_out *v;
	size_t n, cap;
	struct buf out;		    /* the messages' bytes */
	struct buf entries, packed; /* for its own use */
	struct libdeflate_compressor *gzip;
};

/* False: no memory for gzip. To be freed in any case. */
bool forward_window_init(struct forward_window *w, const struct forward_out_conf *conf);
void forward_window_free(struct forward_window *w);
void forward_window_clear(struct forward_window *w);

/* The frame's events from the first-th on. False: no memory. */
bool forward_window_put(struct forward_window *w, const struct frame_view *v, uint32_t first);
bool forward_window_is_full(const struct forward_window *w);

size_t forward_window_unacked(const struct forward_window *w);
/* False: no message that waits for its ack has this id. */
bool forward_window_ack(struct forward_window *w, struct span id);

#endif
