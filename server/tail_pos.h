/*
 * tail_pos.h: where reading of files stands, in fluentd's pos_file: a line for each file,
 *
 *     path TAB position TAB inode [TAB generation TAB birth TAB end TAB time] LF
 *
 * numbers as 16 hex digits. The position is behind the last byte whose events are durable. fluentd reads the first three columns and ignores (and, at its start, drops)
 * the others, so that a host moves there and back. What they are for:
 *
 *     generation   a random number for what the file holds, from its first byte to a truncation: document ids are made from it, so that
 *                  lines that are read twice make no second document
 *     birth        of the file, where the file system knows it: an inode is used again for other files
 *     end, time    bytes from the position to `end` have been given on, at that time, and may or may not be stored: after a crash they are given on once more, in the same
 *                  portion. 0 = nothing is on its way
 *
 * One thread's. Writes go to the system at once, and to the disk with tail_pos_sync: that may wait.
 */
#ifndef WEIR_TAIL_POS_H
#define WEIR_TAIL_POS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tail_place {
	uint64_t pos, inode;
	uint64_t generation; /* 0 = unknown: fluentd's line */
	int64_t born_ns;     /* 0 = unknown */
	uint64_t end;
	int64_t time_ns;
};

struct tail_entry {
	char *path;
	struct tail_place at;
	bool used;   /* the caller's: a file is being followed for it */
	off_t where; /* in the file: tail_pos.c's */
};

struct tail_pos;

/* `path` NULL: positions are kept in memory only. Folders above it are made. `id` is for the log. NULL: err. */
struct tail_pos *tail_pos_open(const char *path, const char *id, struct err *err);
void tail_pos_close(struct tail_pos *p); /* NULL is allowed */

/* All entries, in the order of the file. Good until the next add, drop or compact. */
size_t tail_pos_entries(const struct tail_pos *p, struct tail_entry *const **v);

/* A new entry at the end; it belongs to `p`. NULL: the path cannot be written into such a file (it holds a tab or a line feed). */
struct tail_entry *tail_pos_add(struct tail_pos *p, const char *path, const struct tail_place *at);
/* Writes e->at. A failure is logged and counted on: the next put tries again. */
void tail_pos_put(struct tail_pos *p, struct tail_entry *e);
/* The entry is no more. Now and then the file is written anew without such lines. */
void tail_pos_drop(struct tail_pos *p, struct tail_entry *e);

void tail_pos_sync(struct tail_pos *p);
/* Writes the file anew without dropped lines. */
void tail_pos_compact(struct tail_pos *p);

#endif
