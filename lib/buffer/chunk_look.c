#include "buffer/chunk_look.h"

#include "base/mem.h"
#include "buffer/file_io.h"

#include <errno.h>
#include <fcntl.h>

static enum chunk_head_is head_from_start(struct chunk_look *l, size_t most)
{
	size_t n = l->size < most ? (size_t)l->size : most;
	l->bytes = mem_realloc(l->bytes, most);
	l->code = file_io_read(l->b->vfs, l->fd, l->bytes, n, 0, false, NULL);
	return l->code ? CHUNK_HEAD_BAD : chunk_format_get_head(l->bytes, n, &l->head);
}

static bool read_last_block(struct chunk_look *l, uint8_t block[CHUNK_BLOCK])
{
	return l->size >= UINT64_C(2) * CHUNK_BLOCK && l->size % CHUNK_BLOCK == 0 &&
	       file_io_read(l->b->vfs, l->fd, block, CHUNK_BLOCK, l->size - CHUNK_BLOCK, false, NULL) == 0;
}

static enum chunk_look_is read_head(struct chunk_look *l)
{
	enum chunk_head_is is = head_from_start(l, CHUNK_BLOCK);
	if (is == CHUNK_HEAD_BAD && !l->code && l->size > CHUNK_BLOCK)
		is = head_from_start(l, CHUNK_HEAD_BLOCK_MAX);
	if (is == CHUNK_HEAD_BAD && read_last_block(l, l->bytes) && chunk_format_get_seal_head(l->bytes, &l->head))
		is = CHUNK_HEAD_GOOD;
	if (is == CHUNK_HEAD_BAD)
		return l->code ? CHUNK_LOOK_UNREADABLE : CHUNK_LOOK_NO_HEAD;
	return is == CHUNK_HEAD_NEWER ? CHUNK_LOOK_NEWER : CHUNK_LOOK_GOOD;
}

static void read_seal(struct chunk_look *l)
{
	struct chunk *c = l->chunk;
	uint8_t block[CHUNK_BLOCK];
	struct chunk_seal seal;
	struct chunk_salt salt = chunk_format_salt(c->id);
	if (!read_last_block(l, block) || !chunk_format_get_seal(block, &seal, &salt, l->size - CHUNK_BLOCK))
		return;
	c->is_sealed = true;
	c->end = l->size - CHUNK_BLOCK;
	c->known = seal.synced;
	c->records = seal.records;
	for (uint32_t i = 0; i < seal.hole_count; i++)
		chunk_add_hole(c, seal.hole[i].from, seal.hole[i].to);
	c->more_holes = seal.more_holes;
}

static enum chunk_look_is look_at_open_file(struct chunk_look *l)
{
	enum chunk_look_is v = read_head(l);
	if (v == CHUNK_LOOK_GOOD) {
		l->chunk = chunk_new(l->name, &l->head);
		memcpy(l->owner, l->head.name.p, l->head.name.n);
		l->owner[l->head.name.n] = 0;
		l->chunk->size = l->chunk->end = l->size;
		/* A file has this name only after its first group was synced. */
		l->chunk->known = l->chunk->head_length + 1;
		read_seal(l);
	}
	mem_free(l->bytes);
	return v;
}

enum chunk_look_is chunk_look_at(struct chunk_look *l)
{
	char *path = buffer_path(l->b, l->name, ".chunk");
	l->fd = file_io_open(l->b->vfs, path, O_RDONLY, 0, &l->size);
	l->code = l->fd < 0 ? errno : 0;
	mem_free(path);
	if (l->fd < 0) /* a link, a socket; a folder, a FIFO, a device */
		return l->code == ELOOP || l->code == ENXIO || l->code == EINVAL ? CHUNK_LOOK_STRANGER
										 : CHUNK_LOOK_UNREADABLE;
	enum chunk_look_is v = look_at_open_file(l);
	(void)l->b->vfs->close(l->b->vfs->ctx, l->fd);
	return v;
}
