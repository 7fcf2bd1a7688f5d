/*
 * The order of the steps, each of which may be the last:
 *
 *   sync the file, forget its pages   what is read now is on the disk: pages whose sync failed in an earlier life look
 *                                     clean and are not there
 *   read                              every frame and hole
 *   copy the holes to backup/         durably; if that fails the file is not touched
 *   cut the torn end                  at a block's start: no block that holds a frame is written
 *   seal                              from now on no start reads it again
 */
#include "buffer/lost_tail.h"

#include "base/mem.h"
#include "buffer/chunk_walk.h"
#include "buffer/crash_point.h"
#include "buffer/damage.h"
#include "buffer/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct tail {
	struct buffer *b;
	struct chunk *c;
	struct chunk_file file; /* its numbers, for the seal; fd is open */
	bool is_writable;
	uint64_t size;
	struct chunk_walk walk;
	uint64_t good_end; /* of the last valid frame */
	struct damage_hole *hole;
	size_t hole_count, hole_cap;
};

static void note_hole(struct tail *t, const struct chunk_walk_item *item)
{
	if (t->hole_count == t->hole_cap) {
		t->hole_cap = t->hole_cap ? 2 * t->hole_cap : 16;
		t->hole = mem_realloc(t->hole, t->hole_cap * sizeof *t->hole);
	}
	t->hole[t->hole_count++] = (struct damage_hole){.from = item->at, .to = item->to, .lost = item->lost};
}

static void note_frame(struct tail *t, const struct chunk_walk_item *item)
{
	struct chunk_file *f = &t->file;
	t->good_end = item->to;
	if (item->head.type == CHUNK_MARK)
		return;
	if (!f->frames++)
		f->first_ns = item->head.received_ns;
	f->last_ns = item->head.received_ns;
	f->records += item->head.count;
	if (t->b->hooks.on_recovered && item->head.type == FRAME_DATA)
		t->b->hooks.on_recovered(t->b->hooks.arg, t->b, item->head.key);
}

/* The file was finished once: what lies behind its seal is not weir's, and the holes in it have been told. */
static void note_seal(struct tail *t, const struct chunk_walk_item *item)
{
	struct chunk_seal seal;
	t->good_end = item->at;
	if (!chunk_format_get_seal(item->payload - FRAME_HEAD_LEN, &seal, &t->file.salt, item->at))
		return;
	for (uint32_t i = 0; i < seal.hole_count; i++)
		chunk_add_hole(t->c, seal.hole[i].from, seal.hole[i].to);
}

/* 0, an errno value, or ECANCELED. */
static int read_through(struct tail *t)
{
	struct chunk_walk_item item;
	for (;;) {
		if (atomic_load_explicit(&t->b->stopping, memory_order_relaxed))
			return ECANCELED;
		switch (chunk_walk_next(&t->walk, &item)) {
		case CHUNK_WALK_FRAME:
			if (item.head.type == CHUNK_SEAL) {
				note_seal(t, &item);
				return 0;
			}
			note_frame(t, &item);
			break;
		case CHUNK_WALK_HOLE:
			note_hole(t, &item);
			break;
		case CHUNK_WALK_END:
			return 0;
		case CHUNK_WALK_FAILED:
			return item.code;
		}
	}
}

/* Now that all frames are known, so is what had been durable. */
static bool report_holes(struct tail *t, struct lost_tail_sum *sum)
{
	bool all_kept = true;
	for (size_t i = 0; i < t->hole_count; i++) {
		struct damage_hole *h = &t->hole[i];
		h->is_damage = h->from < t->walk.known;
		*(h->is_damage ? &sum->damaged_frames : &sum->torn_bytes) += h->is_damage ? h->lost : h->to - h->from;
		if (!damage_report(t->b, t->c, t->file.fd, h))
			all_kept = false;
	}
	if (t->walk.known > t->size) /* a frame proves only what lies before it: so all frames are gone */
		damage_report_missing(t->b, t->c);
	return all_kept;
}

static bool cut_and_seal(struct tail *t)
{
	struct chunk_file *f = &t->file;
	uint64_t end = chunk_format_block_up(t->good_end);
	if (end > t->good_end) /* the rest of a group that broke off inside a block stays where it is */
		chunk_add_hole(t->c, t->good_end, end);
	f->end = end;
	/*
	 * The seal may be torn in its turn: it must not call durable what has not been, or the holes would look like
	 * damage.
	 */
	f->durable = t->walk.known < end ? t->walk.known : end;
	f->number = (uint32_t)(t->walk.last + 1);
	if (chunk_file_roll_back(f))
		return false;
	crash_point(CRASH_RECOVER_CUT);
	struct chunk_seal seal = {.hole_count = t->c->hole_count, .more_holes = t->c->more_holes};
	if (seal.hole_count)
		memcpy(seal.hole, t->c->hole, seal.hole_count * sizeof seal.hole[0]);
	if (chunk_file_seal(f, &seal))
		return false;
	crash_point(CRASH_RECOVER_SEALED);
	return true;
}

static void enqueue(struct tail *t, uint64_t size, uint64_t end, uint64_t known, bool is_sealed)
{
	struct buffer *b = t->b;
	struct chunk *c = t->c;
	pthread_mutex_lock(&b->lock);
	b->ledger.total.stored += t->file.records - c->records;
	buffer_use(b, size, c->size);
	queue_grow(&b->queue, c, size, end, t->file.records);
	c->known = known;
	c->is_sealed = is_sealed;
	queue_set_state(&b->queue, c, CHUNK_READY);
	pthread_cond_signal(&b->ready);
	pthread_mutex_unlock(&b->lock);
}

static bool open_file(struct tail *t)
{
	const struct vfs *v = t->b->vfs;
	char *path = buffer_path(t->b, t->c->name, ".chunk");
	t->file.fd = file_io_open(v, path, O_RDWR, 0, &t->size);
	t->is_writable = t->file.fd >= 0;
	if (!t->is_writable)
		t->file.fd = file_io_open(v, path, O_RDONLY, 0, &t->size);
	mem_free(path);
	return t->file.fd >= 0;
}

/* The file cannot be read: nothing of it is touched; whoever takes it sees what can be seen then. */
static void leave_as_it_is(struct tail *t, int code)
{
	log_error(t->b->name,
		"a chunk that was left unfinished could not be read: it is queued as it is and its file is not "
		"touched; check the disk",
		LOG_S("path", t->b->path), LOG_S("chunk", t->c->name), LOG_S("error", strerror(code)));
	enqueue(t, t->c->size, t->c->end, t->c->known, false);
}

static void look_through(struct tail *t, struct lost_tail_sum *sum)
{
	const struct vfs *v = t->b->vfs;
	struct chunk *c = t->c;
	/* If this sync fails, what it lost was never acknowledged, and the pages that it lost are forgotten below. */
	if (file_io_sync(v, t->file.fd) == 0)
		crash_point(CRASH_RECOVER_SYNCED);
	v->drop_cache(v->ctx, t->file.fd);
	t->good_end = c->head_length;
	chunk_walk_start(&t->walk, v, t->file.fd, c->id, c->head_length, t->size);
	t->walk.known = c->known;
	int code = read_through(t);
	if (code) {
		if (code != ECANCELED)
			leave_as_it_is(t, code);
		return;
	}
	bool kept = report_holes(t, sum);
	sum->chunks++;
	sum->records += t->file.records;
	if (c->is_sealed && !t->hole_count) { /* nothing to mend */
		enqueue(t, c->size, c->end, c->known, true);
		return;
	}
	uint64_t end = chunk_format_block_up(t->good_end);
	bool sealed = kept && t->is_writable && cut_and_seal(t);
	uint64_t size = sealed ? end + CHUNK_BLOCK : t->size;
	enqueue(t, size, sealed || end < t->size ? end : t->size, t->walk.known, sealed);
}

void lost_tail_look_through(struct buffer *b, struct chunk *c, struct lost_tail_sum *sum)
{
	struct tail t = {
		.b = b,
		.c = c,
		.file = {.vfs = b->vfs, .folder = b->path},
	};
	if (!open_file(&t)) {
		leave_as_it_is(&t, errno);
		return;
	}
	memcpy(t.file.name, c->name, sizeof t.file.name);
	memcpy(t.file.head.id, c->id, CHUNK_ID_LEN);
	t.file.head.created_ns = c->created_ns;
	t.file.head.length = c->head_length;
	t.file.head.name = span_str(b->name);
	t.file.head.stage = span_of(c->stage, c->stage_len);
	t.file.salt = chunk_format_salt(c->id);
	look_through(&t, sum);
	chunk_walk_stop(&t.walk);
	(void)b->vfs->close(b->vfs->ctx, t.file.fd);
	mem_free(t.hole);
}
