/*
 * chunk_file.h: the writing side of one chunk file: NAME.new with its first group, NAME.chunk from then on, sealed at
 * the end. One thread. Functions that return int give 0 or an errno value; none of them logs, retries or decides.
 */
#ifndef WEIR_BUFFER_CHUNK_FILE_H
#define WEIR_BUFFER_CHUNK_FILE_H

#include "base/vfs.h"
#include "buffer/chunk_format.h"

#define CHUNK_FILE_NAME_LEN 25 /* 16 hex digits, a hyphen, 8 hex digits */

/* Makes a name: the time, then eight hex digits of `random`. */
void chunk_file_name(char out[CHUNK_FILE_NAME_LEN + 1], int64_t created_ns, uint32_t random);

/* True if `file` is such a name with `suffix` behind it; the name is then put into `name`. */
bool chunk_file_name_is(const char *file, const char *suffix, char name[CHUNK_FILE_NAME_LEN + 1]);

struct chunk_file {
	const struct vfs *vfs;
	const char *folder; /* the buffer's */
	int fd;
	bool is_new; /* its name ends in .new: nothing in it was acknowledged */
	char name[CHUNK_FILE_NAME_LEN + 1];
	struct chunk_head head; /* its spans are the owner's and live longer */
	struct chunk_salt salt;
	uint64_t step;	   /* bytes that are reserved on the disk at a time, ahead of what is written; 0 = none */
	uint64_t reserved; /* up to here */
	uint64_t end;	   /* of what is written and not rolled back: the next group goes here */
	uint64_t durable;  /* up to here it is synced */
	uint64_t proven;   /* the highest `synced` in the file */
	uint32_t frames;   /* data and dead-letter frames in it, what is not yet durable included */
	uint32_t number;   /* of the next frame */
	uint64_t records;
	int64_t first_ns, last_ns;
};

/* Makes NAME.new, empty. f->head is filled by the caller but for its length. */
int chunk_file_create(struct chunk_file *f, mode_t mode);

/*
 * Writes a group: the frames of a list linked by stage_next, none of them empty of sense; the head block first in a
 * new file. After an error the file may hold a part of it beyond f->end: chunk_file_roll_back.
 */
int chunk_file_append(struct chunk_file *f, struct frame *group);

/* After a failed append: the file ends at f->end again. If that fails too it must not be written any more. */
int chunk_file_roll_back(struct chunk_file *f);

/* Makes all that was appended durable. After an error the file must not be written or synced any more. */
int chunk_file_sync(struct chunk_file *f);

/* NAME.new becomes NAME.chunk. chunk_file_sync_name makes that durable. */
int chunk_file_rename(struct chunk_file *f);
int chunk_file_sync_name(struct chunk_file *f);

/* Writes a mark. Nothing is synced. On an error it is rolled back as well as can be. */
int chunk_file_mark(struct chunk_file *f);

/*
 * Writes the seal at f->end, which has the place of `holes` in it if that is not NULL. Nothing is synced. The size is
 * then f->end + CHUNK_BLOCK.
 */
int chunk_file_seal(struct chunk_file *f, const struct chunk_seal *holes);

/* What is in it stays. */
void chunk_file_close(struct chunk_file *f);

/* Closes and removes a file in which nothing was acknowledged. */
void chunk_file_abandon(struct chunk_file *f);

#endif
