#include "buffer/chunk_file.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "buffer/crash_point.h"
#include "buffer/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { VECTORS = 1024 }; /* IOV_MAX of Linux */

static const uint8_t zeros[CHUNK_BLOCK];

void chunk_file_name(char out[CHUNK_FILE_NAME_LEN + 1], int64_t created_ns, uint32_t random)
{
	snprintf(out, CHUNK_FILE_NAME_LEN + 1, "%016llx-%08x", (unsigned long long)created_ns, random);
}

bool chunk_file_name_is(const char *file, const char *suffix, char name[CHUNK_FILE_NAME_LEN + 1])
{
	if (strlen(file) != CHUNK_FILE_NAME_LEN + strlen(suffix) || strcmp(file + CHUNK_FILE_NAME_LEN, suffix) != 0)
		return false;
	for (size_t i = 0; i < CHUNK_FILE_NAME_LEN; i++)
		if (i == 16 ? file[i] != '-' : !strchr("0123456789abcdef", file[i]))
			return false;
	memcpy(name, file, CHUNK_FILE_NAME_LEN);
	name[CHUNK_FILE_NAME_LEN] = 0;
	return true;
}

static char *path_of(const struct chunk_file *f, const char *suffix)
{
	return mem_printf("%s/%s%s", f->folder, f->name, suffix);
}

int chunk_file_create(struct chunk_file *f, mode_t mode)
{
	f->head.length = chunk_format_head_length(f->head.name, f->head.stage);
	f->salt = chunk_format_salt(f->head.id);
	f->is_new = true;
	char *path = path_of(f, ".new");
	f->fd = f->vfs->open(f->vfs->ctx, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	int code = f->fd < 0 ? errno : 0;
	mem_free(path);
	if (!code)
		crash_point(CRASH_NEW_CREATED);
	return code;
}

/* Vectors on their way into a file: full ones are written, so that any number of frames can be put. */
struct pieces {
	const struct chunk_file *f;
	struct iovec v[VECTORS];
	int count;
	uint64_t at;  /* where the first of them goes */
	uint64_t end; /* where the next one will go */
};

static int pieces_write(struct pieces *p)
{
	int code = file_io_write(p->f->vfs, p->f->fd, p->v, p->count, p->at);
	p->count = 0;
	p->at = p->end;
	return code;
}

static int pieces_put(struct pieces *p, const void *data, size_t n)
{
	int code = p->count == VECTORS ? pieces_write(p) : 0;
	/* pwritev only reads from it. */
	p->v[p->count++] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = n};
	p->end += n;
	return code;
}

static int pieces_put_frame(struct pieces *p, struct frame *fr, uint32_t number)
{
	const struct chunk_file *f = p->f;
	struct frame_head h = {
		.length = (uint32_t)frame_payload_len(fr),
		.payload_crc = fr->payload_crc,
		.number = number,
		.count = fr->count,
		.info_len = fr->info_len,
		.synced = f->durable,
		.received_ns = fr->received_ns,
		.tag_len = (uint16_t)fr->tag_len,
		.type = (uint8_t)fr->type,
		.last = fr->stage_next == NULL,
	};
	memcpy(h.key, fr->key, FRAME_KEY_LEN);
	chunk_format_put_frame(fr->head, &h, &f->salt, p->end);
	return pieces_put(p, fr->head, frame_disk_size(fr)); /* the zeros too: frame_new left room for them */
}

static void count_frame(struct chunk_file *f, const struct frame *fr)
{
	if (!f->frames++)
		f->first_ns = fr->received_ns;
	f->last_ns = fr->received_ns;
	f->records += fr->count;
}

/*
 * Blocks that are there already make each sync cheaper: it has no allocation to commit. From the second group on, so that a chunk of one group pays nothing. If it
 * fails (a full disk, a file system without it) the writes say what is to be said.
 */
static void reserve(struct chunk_file *f, uint64_t bytes)
{
	if (!f->step || f->is_new || f->end + bytes <= f->reserved)
		return;
	uint64_t to = f->end + bytes + f->step;
	if (f->vfs->reserve(f->vfs->ctx, f->fd, (off_t)f->end, (off_t)(to - f->end)))
		f->step = 0;
	else
		f->reserved = to;
}

static uint64_t disk_size(const struct frame *group)
{
	uint64_t bytes = CHUNK_BLOCK;
	for (; group; group = group->stage_next)
		bytes += frame_disk_size(group);
	return bytes;
}

int chunk_file_append(struct chunk_file *f, struct frame *group)
{
	reserve(f, disk_size(group));
	struct pieces p = {.f = f, .at = f->end, .end = f->end};
	struct chunk_file after = *f;
	uint8_t *head = NULL;
	int code = 0;
	if (f->end == 0) {
		head = mem_alloc(f->head.length);
		chunk_format_put_head(head, &f->head);
		pieces_put(&p, head, f->head.length);
	}
	for (struct frame *fr = group; fr && !code; fr = fr->stage_next) {
		code = pieces_put_frame(&p, fr, after.number++);
		count_frame(&after, fr);
	}
	if (!code && p.end % CHUNK_BLOCK)
		code = pieces_put(&p, zeros, (size_t)(chunk_format_block_up(p.end) - p.end));
	if (!code)
		code = pieces_write(&p);
	mem_free(head);
	if (code)
		return code;
	after.end = p.end;
	after.proven = f->durable;
	*f = after;
	crash_point(f->is_new ? CRASH_NEW_WRITTEN : CRASH_GROUP_WRITTEN);
	return 0;
}

int chunk_file_roll_back(struct chunk_file *f)
{
	int rc;
	f->reserved = 0;
	do
		rc = f->vfs->ftruncate(f->vfs->ctx, f->fd, (off_t)f->end);
	while (rc && errno == EINTR);
	return rc ? errno : 0;
}

int chunk_file_sync(struct chunk_file *f)
{
	int code = file_io_sync(f->vfs, f->fd);
	if (code)
		return code;
	f->durable = f->end;
	crash_point(f->is_new ? CRASH_NEW_SYNCED : CRASH_GROUP_SYNCED);
	return 0;
}

int chunk_file_rename(struct chunk_file *f)
{
	char *from = path_of(f, ".new"), *to = path_of(f, ".chunk");
	int code = f->vfs->rename(f->vfs->ctx, from, to) ? errno : 0;
	mem_free(from);
	mem_free(to);
	if (code)
		return code;
	f->is_new = false;
	crash_point(CRASH_NEW_RENAMED);
	return 0;
}

int chunk_file_sync_name(struct chunk_file *f)
{
	int rc;
	do
		rc = f->vfs->sync_dir(f->vfs->ctx, f->folder);
	while (rc && errno == EINTR);
	if (rc)
		return errno;
	crash_point(CRASH_NEW_NAME_SYNCED);
	return 0;
}

/* A block that is not synced, and not missed if it does not get there. */
static int write_block(struct chunk_file *f, uint8_t block[CHUNK_BLOCK])
{
	struct iovec v = {.iov_base = block, .iov_len = CHUNK_BLOCK};
	int code = file_io_write(f->vfs, f->fd, &v, 1, f->end);
	if (code)
		(void)chunk_file_roll_back(f);
	return code;
}

int chunk_file_mark(struct chunk_file *f)
{
	uint8_t block[CHUNK_BLOCK] = {0};
	struct frame_head h = {.number = f->number, .synced = f->durable, .type = CHUNK_MARK, .last = true};
	chunk_format_put_frame(block, &h, &f->salt, f->end);
	int code = write_block(f, block);
	if (code)
		return code;
	f->number++;
	f->end += CHUNK_BLOCK;
	f->proven = f->durable;
	crash_point(CRASH_MARK_WRITTEN);
	return 0;
}

int chunk_file_seal(struct chunk_file *f, const struct chunk_seal *holes)
{
	uint8_t block[CHUNK_BLOCK];
	struct chunk_seal s = {.records = 0};
	if (holes)
		s = *holes;
	s.synced = f->durable;
	s.records = f->records;
	s.frames = f->frames;
	s.first_ns = f->first_ns;
	s.last_ns = f->last_ns;
	chunk_format_put_seal(block, &s, &f->head, f->number, f->end);
	int code = write_block(f, block);
	if (code)
		return code;
	crash_point(CRASH_SEAL_WRITTEN);
	if (f->reserved > f->end + CHUNK_BLOCK) /* what is left of it; if that fails it goes with the file */
		(void)f->vfs->ftruncate(f->vfs->ctx, f->fd, (off_t)(f->end + CHUNK_BLOCK));
	return 0;
}

void chunk_file_close(struct chunk_file *f)
{
	if (f->fd < 0)
		return;
	/* All that counts is synced: an error says nothing new, and the descriptor is gone all the same (close(2)). */
	(void)f->vfs->close(f->vfs->ctx, f->fd);
	f->fd = -1;
}

void chunk_file_abandon(struct chunk_file *f)
{
	chunk_file_close(f);
	char *path = path_of(f, f->is_new ? ".new" : ".chunk");
	(void)f->vfs->unlink(
		f->vfs->ctx, path); /* else start-up finds it: as .new it is removed, as .chunk it repeats frames */
	mem_free(path);
}
