/*
 * chunk_walk.h: one way through the frames and holes of a chunk file, by the rule of chunk_format.h. For the readers
 * and for start-up. One thread.
 */
#ifndef WEIR_BUFFER_CHUNK_WALK_H
#define WEIR_BUFFER_CHUNK_WALK_H

#include "base/vfs.h"
#include "buffer/chunk_format.h"

struct chunk_walk {
	/* Set by chunk_walk_start; the caller may change at, end, known and zero_bad before any step. */
	const struct vfs *vfs;
	int fd;
	struct chunk_salt salt;
	uint64_t at;	/* the next frame is looked for here */
	uint64_t end;	/* nothing is read from here on */
	uint64_t known; /* what begins below this had been durable: every hole there is damage */
	bool zero_bad;	/* blocks that cannot be read count as damage instead of failing the walk */
	bool saw_bad;	/* there was such a block */

	int64_t last;	    /* number of the last valid frame, -1 = none yet */
	bool last_is_known; /* false after a seek */

	uint8_t *buf; /* holds the file's bytes from buf_at to buf_at + buf_n */
	size_t buf_cap, buf_n;
	uint64_t buf_at;
};

enum chunk_walk_is {
	CHUNK_WALK_FRAME,
	CHUNK_WALK_HOLE,
	CHUNK_WALK_END,
	CHUNK_WALK_FAILED, /* item.code holds the errno */
};

struct chunk_walk_item {
	uint64_t at, to; /* the frame with its zeros, or the hole */
	struct frame_head head;
	const uint8_t *payload; /* good until the next step */
	uint32_t lost;		/* frames that were in the hole, as far as can be told; at least 1 */
	int code;
};

void chunk_walk_start(struct chunk_walk *w, const struct vfs *vfs, int fd, const uint8_t id[CHUNK_ID_LEN],
	uint64_t from, uint64_t end);
void chunk_walk_stop(struct chunk_walk *w);

/* Goes on at `at`, whatever its number. */
void chunk_walk_seek(struct chunk_walk *w, uint64_t at);

/*
 * The next frame or hole. Marks and seals are frames here. Zeros up to the end are no hole where nothing is known to
 * have been durable.
 */
enum chunk_walk_is chunk_walk_next(struct chunk_walk *w, struct chunk_walk_item *item);

#endif
