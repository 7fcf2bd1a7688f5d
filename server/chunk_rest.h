/*
 * chunk_rest.h: what of a taken chunk is still to be delivered: all of it, or what its progress says, frame by frame. For outputs that work in the order
 * of the chunk, for <secondary>, and for what is given up. One flush thread's.
 */
#ifndef WEIR_CHUNK_REST_H
#define WEIR_CHUNK_REST_H

#include "buffer/buffer.h"

struct chunk_rest;
struct dead_letters;

/* NULL: err. The chunk stays the caller's. */
struct chunk_rest *chunk_rest_open(struct buffer *b, struct chunk *c, struct err *err);
/* The chunk's books (chunk_account) say what was marked. NULL is allowed. */
void chunk_rest_close(struct chunk_rest *r);

/*
 * The next frame, its entries and count cut down to the events that are still to be delivered. *first is the place of the first of them in the frame as it is
 * stored.
 */
enum chunk_read chunk_rest_next(struct chunk_rest *r, struct frame_view *v, uint32_t *first, struct err *err);

/* Everything that was returned so far is delivered; so before FLUSH_DONE all of it. chunk_rest_save writes that down: a later open begins behind it. */
void chunk_rest_mark(struct chunk_rest *r);
bool chunk_rest_save(struct chunk_rest *r, bool sync, struct err *err);

/* Makes dead letters of all that is left, durable when true is returned. *events: how many. */
bool chunk_rest_bury(struct buffer *b, struct chunk *c, struct dead_letters *d, const char *plugin, const char *text,
	uint64_t *events, struct err *err);

#endif
