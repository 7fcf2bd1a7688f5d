/*
 * buffer_folder.h: a buffer's folder seen from outside: for tools, and for what moved to another host.
 *
 * buffer_folder_open only looks: it locks, changes and starts nothing, so it may be used on the folder of a buffer that
 * runs (whose newest chunk then ends where it ends). buffer_folder_repair works on a folder that nobody has open.
 * One thread.
 */
#ifndef WEIR_BUFFER_BUFFER_FOLDER_H
#define WEIR_BUFFER_BUFFER_FOLDER_H

#include "buffer/buffer.h"

struct buffer_folder;

enum folder_file_is {
	FOLDER_SEALED,	   /* a finished chunk */
	FOLDER_UNFINISHED, /* a chunk without a seal: being written, or left by a crash */
	FOLDER_NO_HEAD,	   /* damaged so that nothing in it can be told apart */
	FOLDER_UNREADABLE, /* code says why */
	FOLDER_NEWER,	   /* written by a newer weir */
	FOLDER_STRANGER,   /* has a chunk's name and is no regular file */
};

struct folder_file {
	enum folder_file_is is;
	int code;	  /* errno of FOLDER_UNREADABLE */
	const char *name; /* without suffix */
	uint64_t bytes;
	struct chunk *chunk; /* of the first two kinds, else NULL: for chunk_info, chunk_reader_open, ... */
	char owner[208];     /* the name of the buffer that wrote it, printable */
	uint32_t holes;	     /* damage and torn ends that are known and kept in backup/ */
};

/* What else lies there. */
struct folder_rest {
	uint64_t leftovers; /* begun files in which nothing was acknowledged: the next start removes them */
	uint64_t strangers, fluentd;
	char stranger[64]; /* the first of them */
	char holder[300];  /* who has the folder in use; "" = nobody */
};

/* NULL: err. A folder that has files, and none of a buffer's, is refused: whoever has mistaken the name is not told that all is good. */
struct buffer_folder *buffer_folder_open(const char *path, const struct vfs *vfs, struct err *err);
void buffer_folder_close(struct buffer_folder *f); /* NULL is allowed */

/* The chunk files, the oldest first. */
size_t buffer_folder_count(const struct buffer_folder *f);
const struct folder_file *buffer_folder_file(const struct buffer_folder *f, size_t i);
const struct folder_rest *buffer_folder_rest(const struct buffer_folder *f);

/* For chunk_reader_open and chunk_progress_load of this folder's chunks; for nothing else. */
struct buffer *buffer_folder_buffer(const struct buffer_folder *f);

/* What reading a chunk from its beginning to its end finds. */
struct folder_check {
	uint64_t frames, records;
	uint64_t damaged_frames, damaged_bytes; /* that are not known yet */
	uint64_t torn_bytes;			/* at the end of an unfinished chunk: never acknowledged */
};
bool buffer_folder_check(struct buffer_folder *f, size_t i, struct folder_check *found, struct err *err);

/*
 * Does with every chunk what a start does with those that a crash left: damaged pieces go to backup/, torn ends are cut,
 * seals are made that name the holes; a file without a head goes to backup/ whole. What was damaged does not come back,
 * all other frames stay. The folder must not be in use. *found: what was met that was not known.
 */
bool buffer_folder_repair(const char *path, const struct vfs *vfs, struct folder_check *found, struct err *err);

#endif
