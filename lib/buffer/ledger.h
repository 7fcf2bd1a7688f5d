/*
 * ledger.h: the books of a buffer, kept over restarts: LEDGER in its folder.
 *
 *     stored = delivered + already there + dead + dropped + lost + what is in the chunks now
 *
 * Slots of 128 bytes:
 *
 *      offset  bytes
 *           0      4   CRC-32C of bytes 4-127
 *           4      2   type: 1 base, 2 commit, 3 end
 *           6      2   version: 1
 *           8      8   stored
 *          16   5* 8   delivered, already there, dead, dropped, lost
 *          56     25   commit: the chunk's name
 *          81     47   zeros
 *
 * The first slot is the base: all that was before. A commit is written (not synced) before its chunk's file is removed, and says what has become of its
 * events. If that chunk is there again at the next start, after a crash between the two, its events are still to be delivered and the slot does not
 * count. So a kill loses no number; a power cut may lose those of the last second, in which case they are missing on both sides. The end is written when the buffer
 * is closed in order: what is not in the folder any more at the next start has been taken away meanwhile, and is lost.
 *
 * The writer makes a new file with a new base once in some thousand commits, and at each start. A failure is told and costs numbers, nothing else.
 */
#ifndef WEIR_BUFFER_LEDGER_H
#define WEIR_BUFFER_LEDGER_H

#include "buffer/buffer_impl.h"

/* For start-up, when the queue has what is in the folder: reads the books and begins a new file. */
void ledger_open(struct buffer *b);

/* What has become of the events of which the taker has said nothing. */
enum ledger_rest { LEDGER_DELIVERED, LEDGER_DROPPED, LEDGER_LOST };

/* Before a chunk's file is removed. It waits for no disk but while a new file is made. Not under the lock. */
void ledger_commit(struct buffer *b, struct chunk *c, enum ledger_rest rest);

/* It is gone: together with its removal from the queue, under the lock. */
void ledger_count(struct buffer *b, const struct chunk *c);

/* The writer's: makes durable what was written, and a new file if this one has become long. */
void ledger_tidy(struct buffer *b);

/* Writes the end, if the buffer was closed in order, and closes the file. */
void ledger_close(struct buffer *b, bool in_order);

#endif
