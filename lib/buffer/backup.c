#include "buffer/backup.h"

#include "base/mem.h"
#include "buffer/crash_point.h"
#include "buffer/file_io.h"

#include <errno.h>
#include <fcntl.h>

enum {
	STEP = 256 * 1024,
	MOVE_TRIES = 100,
	DIR_MODE = 0700,
	FILE_MODE = 0600,
};

static int make_folder(const struct buffer *b)
{
	const struct vfs *v = b->vfs;
	if (v->mkdir(v->ctx, b->backup_path, b->o.dir_mode ? b->o.dir_mode : DIR_MODE))
		return errno == EEXIST ? 0 : errno;
	return v->sync_dir(v->ctx, b->path) ? errno : 0;
}

/* The end of what is not zero in a range: `from` if all is. */
static int trim(const struct vfs *vfs, int fd, uint8_t *buf, uint64_t from, uint64_t *to)
{
	bool bad;
	while (*to > from) {
		size_t n = *to - from < STEP ? (size_t)(*to - from) : STEP;
		int code = file_io_read(vfs, fd, buf, n, *to - n, true, &bad);
		if (code)
			return code;
		for (size_t i = n; i > 0; i--, (*to)--)
			if (buf[i - 1])
				return 0;
	}
	return 0;
}

static int copy(const struct vfs *vfs, int in, int out, uint8_t *buf, uint64_t from, uint64_t to)
{
	bool bad;
	for (uint64_t at = from; at < to;) {
		size_t n = to - at < STEP ? (size_t)(to - at) : STEP;
		int code = file_io_read(vfs, in, buf, n, at, true, &bad);
		struct iovec v = {.iov_base = buf, .iov_len = n};
		if (!code)
			code = file_io_write(vfs, out, &v, 1, at - from);
		if (code)
			return code;
		at += n;
	}
	crash_point(CRASH_BACKUP_WRITTEN);
	return file_io_sync(vfs, out);
}

static int copy_to_backup(const struct buffer *b, const char *path, int fd, uint8_t *buf, uint64_t from, uint64_t to)
{
	const struct vfs *v = b->vfs;
	int code = make_folder(b);
	if (code)
		return code;
	uint64_t size;
	/* The same piece of the same chunk has the same name: written anew if a crash left half of it. */
	int out = file_io_open(
		v, path, O_WRONLY | O_CREAT | O_TRUNC, b->o.file_mode ? b->o.file_mode : FILE_MODE, &size);
	if (out < 0)
		return errno;
	code = copy(v, fd, out, buf, from, to);
	if (v->close(v->ctx, out) && !code)
		code = errno;
	if (code)
		(void)v->unlink(v->ctx, path); /* half a piece is worth less than the room */
	else if (v->sync_dir(v->ctx, b->backup_path))
		code = errno;
	if (!code)
		crash_point(CRASH_BACKUP_SYNCED);
	return code;
}

int backup_range(const struct buffer *b, const char *name, int fd, uint64_t from, uint64_t to)
{
	uint8_t *buf = mem_alloc(STEP);
	int code = trim(b->vfs, fd, buf, from, &to);
	if (!code && to > from) {
		char *path = mem_printf(
			"%s/%s.%llx-%llx", b->backup_path, name, (unsigned long long)from, (unsigned long long)to);
		code = copy_to_backup(b, path, fd, buf, from, to);
		mem_free(path);
	}
	mem_free(buf);
	return code;
}

static bool exists(const struct vfs *v, const char *path)
{
	int fd = v->open(v->ctx, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return errno != ENOENT;
	(void)v->close(v->ctx, fd);
	return true;
}

int backup_move(const struct buffer *b, const char *name, const char *suffix)
{
	const struct vfs *v = b->vfs;
	int code = make_folder(b);
	if (code)
		return code;
	char *from = buffer_path(b, name, suffix);
	char *to = mem_printf("%s/%s%s", b->backup_path, name, suffix);
	for (int i = 1; exists(v, to) && i < MOVE_TRIES; i++) {
		mem_free(to);
		to = mem_printf("%s/%s%s.%d", b->backup_path, name, suffix, i);
	}
	if (exists(v, to))
		code = EEXIST;
	else if (v->rename(v->ctx, from, to) || v->sync_dir(v->ctx, b->backup_path) || v->sync_dir(v->ctx, b->path))
		code = errno;
	mem_free(from);
	mem_free(to);
	return code;
}
