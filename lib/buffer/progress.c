#include "buffer/progress.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "buffer/crash_point.h"
#include "buffer/file_io.h"

#include <errno.h>
#include <fcntl.h>

enum {
	FIXED = 88,
	OUTCOME_AT = 48,
	PLACE = 12,
	VERSION = 2,
	FILE_MODE = 0600,
};
#define SIZE_LIMIT (UINT64_C(64) * 1024 * 1024)

static const uint8_t magic[8] = {0x89, 'W', 'C', 'P', 'R', '\r', '\n', 0x1a};

static uint32_t checksum(const struct chunk *c, const uint8_t *p, size_t n)
{
	return crc32c(crc32c(0, c->id, CHUNK_ID_LEN), p + 12, n - 12);
}

/*
 * The file's bytes, for the caller to mem_free; NULL and *code (0 = not there or not good, else it could not be
 * read).
 */
static uint8_t *read_file(struct buffer *b, const struct chunk *c, size_t *n, int *code)
{
	uint64_t size = 0;
	char *path = buffer_path(b, c->name, ".progress");
	int fd = file_io_open(b->vfs, path, O_RDONLY, 0, &size);
	*code = fd < 0 && errno != ENOENT ? errno : 0;
	mem_free(path);
	if (fd < 0)
		return NULL;
	uint8_t *p = size >= FIXED && size <= SIZE_LIMIT ? mem_try(size) : NULL;
	if (p)
		*code = file_io_read(b->vfs, fd, p, size, 0, false, NULL);
	(void)b->vfs->close(b->vfs->ctx, fd);
	*n = (size_t)size;
	if (p && !*code && !memcmp(p, magic, sizeof magic) && le16_get(p + 12) == VERSION &&
		size == FIXED + (uint64_t)PLACE * le32_get(p + 20) && checksum(c, p, size) == le32_get(p + 8))
		return p;
	mem_free(p);
	return NULL;
}

static void get_outcome(const uint8_t *p, struct buffer_ledger *o)
{
	p += OUTCOME_AT;
	*o = (struct buffer_ledger){
		.delivered = le64_get(p),
		.already_there = le64_get(p + 8),
		.dead = le64_get(p + 16),
		.dropped = le64_get(p + 24),
		.lost = le64_get(p + 32),
	};
}

static void put_outcome(uint8_t *p, const struct buffer_ledger *o)
{
	p += OUTCOME_AT;
	le64_put(p, o->delivered);
	le64_put(p + 8, o->already_there);
	le64_put(p + 16, o->dead);
	le64_put(p + 24, o->dropped);
	le64_put(p + 32, o->lost);
}

static bool has_outcome(const struct buffer_ledger *o)
{
	return o->delivered || o->already_there || o->dead || o->dropped || o->lost;
}

void progress_read_attempts(struct buffer *b, struct chunk *c)
{
	size_t n;
	int code;
	uint8_t *p = read_file(b, c, &n, &code);
	c->has_progress = true; /* even if it is not good: it goes with the chunk */
	if (!p)
		return;
	c->attempts = le32_get(p + 16);
	c->first_failed_ns = (int64_t)le64_get(p + 24);
	get_outcome(p, &c->outcome);
	c->has_outcome = has_outcome(&c->outcome);
	mem_free(p);
}

void chunk_progress_load(struct buffer *b, struct chunk *c, struct chunk_progress *out)
{
	size_t n;
	int code;
	*out = (struct chunk_progress){.next_offset = 0};
	uint8_t *p = c->has_progress ? read_file(b, c, &n, &code) : NULL;
	if (!p)
		return;
	size_t count = le32_get(p + 20);
	struct chunk_pending *list = mem_try(count * sizeof *list);
	if (list) {
		for (size_t i = 0; i < count; i++)
			list[i] = (struct chunk_pending){
				.offset = le64_get(p + FIXED + PLACE * i),
				.index = le32_get(p + FIXED + PLACE * i + 8),
			};
		*out = (struct chunk_progress){
			.next_offset = le64_get(p + 32),
			.next_index = le32_get(p + 40),
			.pending = list,
			.pending_count = count,
		};
		get_outcome(p, &out->outcome);
	}
	mem_free(p);
}

static int write_new(struct buffer *b, const char *path, const uint8_t *p, size_t n)
{
	const struct vfs *v = b->vfs;
	uint64_t size;
	int fd = file_io_open(
		v, path, O_WRONLY | O_CREAT | O_TRUNC, b->o.file_mode ? b->o.file_mode : FILE_MODE, &size);
	if (fd < 0)
		return errno;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	int code = file_io_write(v, fd, &iov, 1, 0);
	if (!code) {
		crash_point(CRASH_PROGRESS_WRITTEN);
		code = file_io_sync(v, fd);
	}
	if (v->close(v->ctx, fd) && !code)
		code = errno;
	return code;
}

static int replace(struct buffer *b, struct chunk *c, const uint8_t *p, size_t n)
{
	const struct vfs *v = b->vfs;
	char *tmp = buffer_path(b, c->name, ".progress.new"), *path = buffer_path(b, c->name, ".progress");
	int code = write_new(b, tmp, p, n);
	if (!code) {
		crash_point(CRASH_PROGRESS_SYNCED);
		code = v->rename(v->ctx, tmp, path) ? errno : 0;
	}
	if (code) {
		(void)v->unlink(v->ctx, tmp);
	} else {
		c->has_progress = true;
		crash_point(CRASH_PROGRESS_RENAMED);
	}
	mem_free(tmp);
	mem_free(path);
	return code;
}

/* Puts the chunk's state into the image of a file, and its checksum. */
static void stamp(const struct chunk *c, uint8_t *p, size_t n)
{
	memcpy(p, magic, sizeof magic);
	le16_put(p + 12, VERSION);
	le32_put(p + 16, c->attempts);
	le64_put(p + 24, (uint64_t)c->first_failed_ns);
	le32_put(p + 8, checksum(c, p, n));
}

int progress_save_attempts(struct buffer *b, struct chunk *c)
{
	size_t n = FIXED;
	int code = 0;
	uint8_t *p = c->has_progress ? read_file(b, c, &n, &code) : NULL;
	if (code)
		return code; /* what it says about the events is worth more */
	if (!p) {
		n = FIXED;
		p = mem_zalloc(n);
	}
	stamp(c, p, n);
	code = replace(b, c, p, n);
	mem_free(p);
	return code;
}

bool chunk_progress_save(struct buffer *b, struct chunk *c, const struct chunk_progress *in, bool sync, struct err *err)
{
	if (in->pending_count > (SIZE_LIMIT - FIXED) / PLACE)
		return err_set(
			err, "too many pending events (%zu) for the progress of chunk %s", in->pending_count, c->name);
	size_t n = FIXED + PLACE * in->pending_count;
	uint8_t *p = mem_try(n);
	if (!p)
		return err_sys(err, ENOMEM, "cannot save the progress of chunk %s", c->name);
	memset(p, 0, FIXED);
	le32_put(p + 20, (uint32_t)in->pending_count);
	le64_put(p + 32, in->next_offset);
	le32_put(p + 40, in->next_index);
	put_outcome(p, &in->outcome);
	for (size_t i = 0; i < in->pending_count; i++) {
		le64_put(p + FIXED + PLACE * i, in->pending[i].offset);
		le32_put(p + FIXED + PLACE * i + 8, in->pending[i].index);
	}
	stamp(c, p, n);
	int code = replace(b, c, p, n);
	mem_free(p);
	if (!code && sync && b->vfs->sync_dir(b->vfs->ctx, b->path))
		code = errno;
	return code ? err_sys(err, code, "cannot save the progress of chunk %s", c->name) : true;
}
