#include "buffer/blame.h"
#include "buffer/buffer_impl.h"
#include "buffer/chunk_walk.h"
#include "buffer/damage.h"
#include "buffer/file_io.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>

/* A bad sector may be a bad cable: only after so many tries is what cannot be read given up as damage. */
enum { READ_TRIES = 3 };

struct chunk_reader {
	struct buffer *b;
	struct chunk *c;
	struct chunk_walk walk;
	struct blame blame;
};

struct chunk_reader *chunk_reader_open(struct buffer *b, struct chunk *c, struct err *err)
{
	uint64_t size;
	char *path = buffer_path(b, c->name, ".chunk");
	int fd = file_io_open(b->vfs, path, O_RDONLY, 0, &size);
	if (fd < 0) {
		c->is_missing = errno == ENOENT;
		err_sys(err, errno, "cannot open %s", path);
	}
	mem_free(path);
	if (fd < 0)
		return NULL;
	struct chunk_reader *r = mem_zalloc(sizeof *r);
	r->b = b;
	r->c = c;
	chunk_walk_start(&r->walk, b->vfs, fd, c->id, c->head_length, c->end);
	r->walk.known = c->known;
	r->walk.zero_bad = c->attempts >= READ_TRIES;
	blame_init(&r->blame, b, c);
	return r;
}

void chunk_reader_close(struct chunk_reader *r)
{
	if (!r)
		return;
	(void)r->b->vfs->close(r->b->vfs->ctx, r->walk.fd);
	chunk_walk_stop(&r->walk);
	blame_free(&r->blame);
	mem_free(r);
}

static void fill_view(struct frame_view *v, const struct chunk_walk_item *item)
{
	const struct frame_head *h = &item->head;
	v->offset = item->at;
	v->type = (enum frame_type)h->type;
	v->count = h->count;
	v->received_ns = h->received_ns;
	v->key = (const uint8_t *)item->payload - FRAME_HEAD_LEN + 44;
	v->tag = span_of(item->payload, h->tag_len);
	v->info = span_of(item->payload + h->tag_len, h->info_len);
	size_t before = (size_t)h->tag_len + h->info_len;
	v->entries = span_of(item->payload + before, h->length - before);
}

static void set_aside(struct chunk_reader *r, const struct chunk_walk_item *item)
{
	struct damage_hole hole = {.from = item->at, .to = item->to, .lost = 1, .is_damage = true, .is_poison = true};
	(void)damage_report(r->b, r->c, r->walk.fd, &hole);
}

static void on_hole(struct chunk_reader *r, const struct chunk_walk_item *item)
{
	struct damage_hole hole = {
		.from = item->at,
		.to = item->to,
		.lost = item->lost,
		.is_damage = item->at < r->walk.known,
	};
	(void)damage_report(r->b, r->c, r->walk.fd, &hole);
}

enum chunk_read chunk_reader_next(struct chunk_reader *r, struct frame_view *v, struct err *err)
{
	struct chunk_walk_item item;
	blame_nobody();
	for (;;) {
		switch (chunk_walk_next(&r->walk, &item)) {
		case CHUNK_WALK_FRAME:
			if (item.head.type == CHUNK_SEAL)
				return CHUNK_END;
			if (item.head.type == CHUNK_MARK)
				break;
			if (blame_is_over(r->c, item.at)) {
				set_aside(r, &item);
				break;
			}
			fill_view(v, &item);
			blame_frame(&r->blame, item.at);
			return CHUNK_FRAME;
		case CHUNK_WALK_HOLE:
			on_hole(r, &item);
			break;
		case CHUNK_WALK_END:
			return CHUNK_END;
		case CHUNK_WALK_FAILED:
			err_sys(err, item.code, "cannot read chunk %s at %llu", r->c->name,
				(unsigned long long)r->walk.at);
			return CHUNK_FAILED;
		}
	}
}

void chunk_reader_seek(struct chunk_reader *r, uint64_t offset)
{
	chunk_walk_seek(&r->walk, offset > r->c->head_length ? offset : r->c->head_length);
}

void chunk_reader_pause(struct chunk_reader *r)
{
	(void)r;
	blame_nobody();
}
