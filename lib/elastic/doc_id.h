/*
 * doc_id.h: the document id that makes a second delivery harmless.
 *
 *     6 bytes  milliseconds of the event's time, big-endian: time first, so that Elasticsearch's look-ups
 *              skip old segments
 *    12 bytes  the frame's key (frame.h)
 *     3 bytes  the event's place in the frame; what it has above 2^24 changes the key's first byte
 *    = 21 bytes, as 28 characters of Base64url (RFC 4648, section 5)
 */
#ifndef WEIR_ELASTIC_DOC_ID_H
#define WEIR_ELASTIC_DOC_ID_H

#include "buffer/frame.h"

#define DOC_ID_LEN 28

/* The part of all ids of a frame that does not change with the event. */
struct doc_id_frame {
	char key[16];	 /* Base64url of the frame's key */
	uint8_t head[3]; /* the key's first bytes: the first four characters */
	uint32_t first;	 /* place of its first event: frame_first_place */
};
void doc_id_begin(struct doc_id_frame *f, const uint8_t key[FRAME_KEY_LEN], uint32_t first);

/* Writes DOC_ID_LEN characters, no 0 byte. `ms` < 0 counts as 0, above 2^48 as 2^48 - 1. */
void doc_id_put(const struct doc_id_frame *f, int64_t ms, uint32_t index, char *out);

#endif
