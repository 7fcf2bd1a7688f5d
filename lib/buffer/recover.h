/*
 * recover.h: what start-up does with the folder.
 *
 *   1. recover_folder, before anything else: every name is looked at, of each chunk file one block at either end.
 *      Nothing is changed before all files have been seen, so a file of a newer version leaves the folder untouched.
 *        NAME.chunk with a seal     queued
 *        NAME.chunk without         queued later, by step 2
 *        NAME.chunk without a head  moved to backup/
 *        NAME.chunk, unreadable or not a regular file: left alone, told
 *        NAME.new, NAME.progress without its chunk, NAME.progress.new: removed (nothing in them was acknowledged)
 *        anything else              left alone, told once
 *   2. recover_start's thread: each chunk without a seal is read once, its torn end is cut, it is sealed and queued.
 */
#ifndef WEIR_BUFFER_RECOVER_H
#define WEIR_BUFFER_RECOVER_H

#include "buffer/buffer_impl.h"

bool recover_folder(struct buffer *b, struct err *err);

/* Starts the thread if there is anything for it to do. 0 or an errno value. */
int recover_start(struct buffer *b);

/* Ends it, finished or not. */
void recover_join(struct buffer *b);

#endif
