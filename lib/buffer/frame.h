/*
 * frame.h: what lies in a chunk file: the events of one message (or of a run of single-event messages) under one tag.
 *
 * A frame is one block of memory: this head, then the payload exactly as it goes to disk (tag, info, entries). It has
 * one owner at a time: the producer, then the buffer, then the on_durable hook, which frees it.
 */
#ifndef WEIR_BUFFER_FRAME_H
#define WEIR_BUFFER_FRAME_H

#include "base/bytes.h"
#include "base/span.h"

struct stage;

/*
 * Identity of a frame, the greater part of its events' document ids. Frames with equal keys hold the same events: a
 * sender's repetition of a chunk gets the key that the first copy got; every other frame gets one that was never used
 * before.
 */
#define FRAME_KEY_LEN 12

/* Bytes in front of the payload on disk: chunk_format.h. */
#define FRAME_HEAD_LEN 64

enum frame_type {
	FRAME_DATA = 1, /* tag, entries; info is empty, or FRAME_PLACE_LEN bytes: see frame_first_place */
	FRAME_DEAD = 2, /* tag, info (a msgpack map: why, where to, status), the one entry or the raw message */
};

struct frame {
	struct frame *next; /* link of whoever owns it */
	void *owner;	    /* the producer's; the buffer does not look at it */
	int error;	    /* for on_durable: 0, or the errno that kept it from becoming durable */
	enum frame_type type;
	uint32_t count;	     /* events in it */
	int64_t received_ns; /* wall clock */
	uint8_t key[FRAME_KEY_LEN];
	uint32_t tag_len;
	uint32_t info_len;
	size_t entries_len; /* bytes used so far */
	size_t entries_cap; /* bytes there is room for */

	/* The buffer's, from buffer_append on. */
	struct stage *stage;
	struct frame *stage_next; /* the next frame of the group that goes to the same stage */
	int64_t due_ns;
	uint32_t payload_crc;
	uint8_t head[FRAME_HEAD_LEN]; /* head and payload go to disk in one piece */

	uint8_t payload[];
};

/*
 * A frame with its tag and info copied in and room for `entries_cap` bytes of entries. NULL without memory or if a
 * length is over the format's limits (tag 65,535 bytes, info 1 MiB, payload 2^31).
 */
struct frame *frame_new(enum frame_type type, struct span tag, struct span info, size_t entries_cap);
void frame_free(struct frame *f); /* NULL is allowed */
void frame_free_list(struct frame *f);

static inline struct span frame_tag(const struct frame *f)
{
	return (struct span){f->payload, f->tag_len};
}

static inline struct span frame_info(const struct frame *f)
{
	return (struct span){f->payload + f->tag_len, f->info_len};
}

/* Where entries are written: entries_len bytes are there, entries_cap is the room. */
static inline uint8_t *frame_entries(struct frame *f)
{
	return f->payload + f->tag_len + f->info_len;
}

static inline size_t frame_payload_len(const struct frame *f)
{
	return (size_t)f->tag_len + f->info_len + f->entries_len;
}

/*
 * The place of a data frame's first event: 0, or what its info says (little-endian) where the frame holds events that were
 * given up once and come again under the key of the frame that they were in, so that their ids are what they were.
 */
#define FRAME_PLACE_LEN 4
static inline uint32_t frame_first_place(struct span info)
{
	return info.n == FRAME_PLACE_LEN ? le32_get(info.p) : 0;
}

/* Bytes that the frame will take on disk, padding of its group not counted. */
size_t frame_disk_size(const struct frame *f);

#endif
