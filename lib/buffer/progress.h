/*
 * progress.h: NAME.progress beside a chunk file: how far its delivery has come, and its retries.
 *
 *      offset  bytes
 *           0      8   magic: 89 57 43 50 52 0d 0a 1a
 *           8      4   CRC-32C of (the chunk's id, bytes from 12 on)
 *          12      2   version: 2
 *          14      2   zeros
 *          16      4   attempts
 *          20      4   N: places pending
 *          24      8   first failed, wall clock, ns; 0 = never
 *          32      8   next: offset of a frame
 *          40      4         index of an event in it
 *          44      4   zeros
 *          48   5* 8   events done: delivered, already there, dead, dropped, lost
 *          88   12*N   pending: offset (8), index (4)
 *
 * It is written as a new file, synced and renamed over the old one, so there is always one whole state and never less
 * than the last one that was made durable. Two slots in one file would save the rename; but the list of pending
 * events has no useful bound, and a slot with a bound would have to forget some of it.
 */
#ifndef WEIR_BUFFER_PROGRESS_H
#define WEIR_BUFFER_PROGRESS_H

#include "buffer/buffer_impl.h"

/* Reads the chunk's attempts, first failure and events done, if it has such a file. For start-up. */
void progress_read_attempts(struct buffer *b, struct chunk *c);

/*
 * Writes the chunk's attempts and first failure, and what the file said before about its events. 0 or an errno value.
 */
int progress_save_attempts(struct buffer *b, struct chunk *c);

#endif
