/*
 * backup.h: what is kept for a person to look at: damaged pieces and torn ends in backup/NAME.FROM-TO (offsets in
 * hex), whole files that cannot be read in backup/NAME.chunk. Any thread.
 */
#ifndef WEIR_BUFFER_BACKUP_H
#define WEIR_BUFFER_BACKUP_H

#include "buffer/buffer_impl.h"

/* Copies the bytes up to the last that is not zero, durably; nothing if all are zero. 0 or an errno value. */
int backup_range(const struct buffer *b, const char *name, int fd, uint64_t from, uint64_t to);

/* Moves a file there whole. 0 or an errno value. */
int backup_move(const struct buffer *b, const char *name, const char *suffix);

#endif
