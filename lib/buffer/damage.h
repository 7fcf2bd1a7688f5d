/*
 * damage.h: what becomes of the holes that are met in a chunk: kept, counted, told. For whoever owns the chunk at the
 * time.
 */
#ifndef WEIR_BUFFER_DAMAGE_H
#define WEIR_BUFFER_DAMAGE_H

#include "buffer/buffer_impl.h"

struct damage_hole {
	uint64_t from, to;
	uint32_t lost;	/* frames that were in it, as far as can be told */
	bool is_damage; /* it had been durable; otherwise it is the torn end of a group */
	bool is_poison; /* nothing is wrong with it but that weir crashes at it */
};

/*
 * Nothing happens if the chunk knows the hole already. False if it could not be copied; if it is damage the chunk's
 * file is then kept when the chunk is committed (keep_file).
 */
bool damage_report(struct buffer *b, struct chunk *c, int fd, const struct damage_hole *hole);

/* A chunk file without any frame, though one had been durable. */
void damage_report_missing(struct buffer *b, const struct chunk *c);

#endif
