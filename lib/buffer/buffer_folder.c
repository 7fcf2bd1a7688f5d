#include "buffer/buffer_folder.h"

#include "base/mem.h"
#include "buffer/buffer_impl.h"
#include "buffer/chunk_look.h"
#include "buffer/file_io.h"
#include "buffer/folder_list.h"
#include "buffer/lost_tail.h"
#include "buffer/progress.h"
#include "buffer/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

struct buffer_folder {
	struct buffer *b;
	struct folder_list list;
	struct folder_file *file;
	struct folder_rest rest;
};

static void no_frames(void *arg, struct frame *list)
{
	(void)arg;
	(void)list;
}

static void no_space(void *arg)
{
	(void)arg;
}

static struct buffer *new_buffer(const char *name, const char *path, const struct vfs *vfs)
{
	const struct buffer_options o = {.name = name, .path = path};
	const struct buffer_hooks hooks = {.on_durable = no_frames, .on_space = no_space};
	return buffer_new(&o, &hooks, vfs);
}

/* The lock is asked for and given back at once. */
static void find_holder(struct buffer *b, struct folder_rest *rest)
{
	const struct vfs *v = b->vfs;
	uint64_t size;
	char *path = buffer_path(b, "LOCK", "");
	b->lock_fd = file_io_open(v, path, O_RDONLY, 0, &size);
	mem_free(path);
	if (b->lock_fd < 0)
		return;
	if (v->lock(v->ctx, b->lock_fd)) {
		buffer_read_holder(b, rest->holder, sizeof rest->holder);
		if (!rest->holder[0])
			snprintf(rest->holder, sizeof rest->holder, "another one");
	}
	(void)v->close(v->ctx, b->lock_fd);
	b->lock_fd = -1;
}

static void look_at_file(struct buffer_folder *f, size_t i)
{
	static const enum folder_file_is kinds[] = {
		[CHUNK_LOOK_GOOD] = FOLDER_UNFINISHED,
		[CHUNK_LOOK_NO_HEAD] = FOLDER_NO_HEAD,
		[CHUNK_LOOK_UNREADABLE] = FOLDER_UNREADABLE,
		[CHUNK_LOOK_STRANGER] = FOLDER_STRANGER,
		[CHUNK_LOOK_NEWER] = FOLDER_NEWER,
	};
	struct chunk_look l = {.b = f->b, .name = f->list.chunk.v[i]};
	struct folder_file *file = &f->file[i];
	enum chunk_look_is is = chunk_look_at(&l);
	*file = (struct folder_file){
		.is = kinds[is], .code = l.code, .name = l.name, .bytes = l.size, .chunk = l.chunk};
	if (!l.chunk)
		return;
	_Static_assert(sizeof file->owner > CHUNK_NAME_MAX, "a name fits");
	for (size_t n = 0; l.owner[n]; n++) /* it goes to a terminal */
		file->owner[n] = l.owner[n] < ' ' || l.owner[n] > '~' ? '?' : l.owner[n];
	file->holes = l.chunk->hole_count;
	if (l.chunk->is_sealed)
		file->is = FOLDER_SEALED;
	if (folder_list_has(&f->list.progress, l.name))
		progress_read_attempts(f->b, l.chunk);
	queue_add(&f->b->queue, l.chunk, CHUNK_TAKEN);
}

struct buffer_folder *buffer_folder_open(const char *path, const struct vfs *vfs, struct err *err)
{
	struct buffer_folder *f = mem_zalloc(sizeof *f);
	f->b = new_buffer("", path, vfs);
	f->b->look_only = true;
	int code = folder_list_read(&f->list, vfs, f->b->path);
	if (code) {
		err_sys(err, code, "cannot list the folder %s", path);
		buffer_folder_close(f);
		return NULL;
	}
	if (f->list.strangers && !f->list.ours && !f->list.fluentd) {
		err_set(err,
			"%s is no buffer's folder: nothing in it is weir's (it is called as <buffer> path says, or "
			"ID/buffer below root_dir)",
			path);
		buffer_folder_close(f);
		return NULL;
	}
	find_holder(f->b, &f->rest);
	f->file = mem_array(f->list.chunk.n, sizeof *f->file);
	for (size_t i = 0; i < f->list.chunk.n; i++)
		look_at_file(f, i);
	f->rest.leftovers = f->list.created.n + f->list.progress_new.n;
	f->rest.strangers = f->list.strangers;
	f->rest.fluentd = f->list.fluentd;
	memcpy(f->rest.stranger, f->list.stranger, sizeof f->rest.stranger);
	return f;
}

void buffer_folder_close(struct buffer_folder *f)
{
	if (!f)
		return;
	folder_list_free(&f->list);
	mem_free(f->file);
	buffer_free(f->b); /* and the chunks, which are in its queue */
	mem_free(f);
}

size_t buffer_folder_count(const struct buffer_folder *f)
{
	return f->list.chunk.n;
}

const struct folder_file *buffer_folder_file(const struct buffer_folder *f, size_t i)
{
	return &f->file[i];
}

const struct folder_rest *buffer_folder_rest(const struct buffer_folder *f)
{
	return &f->rest;
}

struct buffer *buffer_folder_buffer(const struct buffer_folder *f)
{
	return f->b;
}

bool buffer_folder_check(struct buffer_folder *f, size_t i, struct folder_check *found, struct err *err)
{
	const struct buffer_stats *count = &f->b->count, before = *count;
	struct frame_view v;
	enum chunk_read read;
	*found = (struct folder_check){.frames = 0};
	struct chunk_reader *r = chunk_reader_open(f->b, f->file[i].chunk, err);
	if (!r)
		return false;
	while ((read = chunk_reader_next(r, &v, err)) == CHUNK_FRAME) {
		found->frames++;
		found->records += v.count;
	}
	chunk_reader_close(r);
	found->damaged_frames = count->damaged_frames - before.damaged_frames;
	found->damaged_bytes = count->damaged_bytes - before.damaged_bytes;
	found->torn_bytes = count->torn_bytes - before.torn_bytes;
	return read == CHUNK_END;
}

static void look_through_all(struct buffer *b, struct lost_tail_sum *sum)
{
	for (struct chunk *c = b->queue.oldest; c; c = c->next)
		if (c->state == CHUNK_LOST_TAIL)
			lost_tail_look_through(b, c, sum);
}

/* Whoever wrote the first chunk: its name goes into the seals. NULL: err; the folder is not there. For the caller to mem_free. */
static char *owner_of(const char *path, const struct vfs *vfs, struct err *err)
{
	struct buffer_folder *f = buffer_folder_open(path, vfs, err);
	if (!f)
		return NULL;
	const char *owner = "";
	for (size_t i = 0; i < f->list.chunk.n && !*owner; i++)
		owner = f->file[i].owner;
	char *copy = mem_strdup(owner);
	buffer_folder_close(f);
	return copy;
}

bool buffer_folder_repair(const char *path, const struct vfs *vfs, struct folder_check *found, struct err *err)
{
	struct lost_tail_sum sum = {.chunks = 0};
	*found = (struct folder_check){.frames = 0};
	char *owner = owner_of(path, vfs, err);
	if (!owner)
		return false;
	struct buffer *b = new_buffer(owner, path, vfs);
	mem_free(owner);
	b->mend = true;
	bool ok = buffer_take_lock(b, err) && recover_folder(b, err);
	if (ok) {
		look_through_all(b, &sum);
		*found = (struct folder_check){
			.records = sum.records,
			.damaged_frames = b->count.damaged_frames,
			.damaged_bytes = b->count.damaged_bytes,
			.torn_bytes = b->count.torn_bytes,
		};
		if (vfs->sync_dir(vfs->ctx, b->path))
			ok = err_sys(err, errno, "cannot sync the folder %s", path);
	}
	buffer_free(b);
	return ok;
}
