/*
 * forward_frame.h: where a msgpack message ends. The walk is kept between calls, so that each byte of a message is
 * looked at once (in an entry that is cut, twice) however the message is cut. What a header announces is judged
 * when the header is there. The entries of Forward mode are judged in the same walk.
 */
#ifndef WEIR_FORWARD_FORWARD_FRAME_H
#define WEIR_FORWARD_FORWARD_FRAME_H

#include "base/span.h"

struct forward_frame_limits {
	size_t max_bytes;
	uint32_t max_objects;
	uint32_t max_depth; /* elements of forward_frame.outer */
};

/* No form of message has more than four elements; the fifth tells where the fourth ends. */
#define FORWARD_FRAME_ELEMENTS 5

struct forward_frame {
	/* Bytes walked. */
	size_t at;
	/* Objects announced so far. */
	uint32_t objects;
	/* Objects to come in the innermost container. */
	uint32_t left;
	/* Objects to come in what is nested too deep: there, only their sum is kept. */
	uint64_t beneath;
	/* Containers that are open; the message's own array is the first. */
	uint32_t depth;
	/* Of the message, begun so far; at most FORWARD_FRAME_ELEMENTS are counted. */
	uint32_t elements;
	/* Something is nested deeper than max_depth. */
	bool deep;
	/* Forward mode: entries that are good events, and where the one that is being walked begins. */
	uint32_t good;
	size_t entry;
	/* Where each of the message's elements begins. */
	size_t element[FORWARD_FRAME_ELEMENTS];
	/* Objects to come in each container around the innermost. */
	uint32_t outer[];
};

enum forward_frame_step {
	FORWARD_FRAME_MORE,
	FORWARD_FRAME_WHOLE, /* frame->at is the message's length */
	FORWARD_FRAME_NOT_MSGPACK,
	FORWARD_FRAME_TOO_LARGE,
	FORWARD_FRAME_TOO_MANY,
};

/* Bytes that a frame takes. */
size_t forward_frame_size(uint32_t max_depth);

void forward_frame_reset(struct forward_frame *f);

/*
 * Goes on over the n bytes at p, the first of which begins the message. MORE: *want bytes more at least. The object
 * is any msgpack object; that it is an array is the caller's to check.
 */
enum forward_frame_step forward_frame_walk(
	struct forward_frame *f, const struct forward_frame_limits *limits, const uint8_t *p, size_t n, size_t *want);

#endif
