/*
 * blame.h: a frame at which weir crashes again and again is set aside, so that one poisoned event cannot keep all others from being delivered.
 *
 * A thread that reads a chunk says which frame it is at work on. If it crashes there, buffer_on_crash adds 16 bytes to NAME.blame beside the chunk file: the
 * frame's offset, and the offset xor the first eight bytes of the chunk's id, by which they are known as weir's. At the third time for the same frame it is a hole
 * for every reader, kept in backup/ as damage is. The file goes with the chunk. Only a thread's own crash counts: a kill -9, a power cut or a crash
 * elsewhere blames no frame.
 */
#ifndef WEIR_BUFFER_BLAME_H
#define WEIR_BUFFER_BLAME_H

#include "buffer/buffer_impl.h"

struct blame {
	char *path; /* NULL: a crash is not noted */
	uint64_t salt;
	uint64_t at;
};

/* Start-up: which frames of the chunk, which has such a file, are to be set aside. */
void blame_read(struct buffer *b, struct chunk *c);

/* Is the frame at that offset to be set aside? */
static inline bool blame_is_over(const struct chunk *c, uint64_t at)
{
	for (uint32_t i = 0; i < c->poison_count; i++)
		if (c->poison[i] == at)
			return true;
	return false;
}

void blame_init(struct blame *l, const struct buffer *b, const struct chunk *c);
void blame_free(struct blame *l); /* by the thread that was at work with it */

/* This thread is at work on the frame at that offset, until blame_nobody or another frame. */
void blame_frame(struct blame *l, uint64_t at);
void blame_nobody(void);

#endif
