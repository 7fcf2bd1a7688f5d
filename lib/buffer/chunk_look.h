/* chunk_look.h: what a chunk file is, from one block at either end. Changes nothing. */
#ifndef WEIR_BUFFER_CHUNK_LOOK_H
#define WEIR_BUFFER_CHUNK_LOOK_H

#include "buffer/buffer_impl.h"

enum chunk_look_is {
	CHUNK_LOOK_GOOD,
	CHUNK_LOOK_NO_HEAD,
	CHUNK_LOOK_UNREADABLE,
	CHUNK_LOOK_STRANGER, /* not a regular file */
	CHUNK_LOOK_NEWER,    /* of a later version of the format */
};

struct chunk_look {
	struct buffer *b; /* set by the caller, as is `name` */
	const char *name;
	int fd;
	uint64_t size;
	uint8_t *bytes; /* what the head was read from */
	struct chunk_head head;
	char owner[CHUNK_NAME_MAX + 1]; /* of a good one: the name of the buffer that wrote it */
	struct chunk *chunk;		/* of a good one; the caller's */
	int code;			/* why it is unreadable */
};

enum chunk_look_is chunk_look_at(struct chunk_look *l);

#endif
