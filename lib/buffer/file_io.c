#include "buffer/file_io.h"

#include "buffer/chunk_format.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int file_io_open(const struct vfs *vfs, const char *path, int flags, mode_t mode, uint64_t *size)
{
	int fd = vfs->open(vfs->ctx, path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
	if (fd < 0)
		return -1;
	int64_t n = vfs->size(vfs->ctx, fd);
	if (n < 0) {
		int code = errno;
		vfs->close(vfs->ctx, fd);
		errno = code;
		return -1;
	}
	*size = (uint64_t)n;
	return fd;
}

static int read_part(const struct vfs *vfs, int fd, uint8_t *p, size_t n, uint64_t at)
{
	while (n) {
		ssize_t k = vfs->pread(vfs->ctx, fd, p, n, (off_t)at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return errno;
		if (k == 0)
			break;
		p += k;
		n -= (size_t)k;
		at += (uint64_t)k;
	}
	memset(p, 0, n);
	return 0;
}

int file_io_read(const struct vfs *vfs, int fd, void *p, size_t n, uint64_t at, bool zero_bad, bool *bad)
{
	int code = read_part(vfs, fd, p, n, at);
	if (code != EIO || !zero_bad)
		return code;
	for (uint8_t *q = p; n;) {
		size_t part = CHUNK_BLOCK - (size_t)(at % CHUNK_BLOCK);
		if (part > n)
			part = n;
		code = read_part(vfs, fd, q, part, at);
		if (code == EIO) {
			memset(q, 0, part);
			*bad = true;
		} else if (code) {
			return code;
		}
		q += part;
		n -= part;
		at += part;
	}
	return 0;
}

int file_io_write(const struct vfs *vfs, int fd, struct iovec *v, int count, uint64_t at)
{
	while (count > 0) {
		ssize_t k = vfs->pwritev(vfs->ctx, fd, v, count, (off_t)at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return errno;
		at += (uint64_t)k;
		size_t left = (size_t)k;
		for (; count > 0 && left >= v->iov_len; v++, count--)
			left -= v->iov_len;
		if (count > 0) {
			if (k == 0)
				return EIO; /* no progress and no reason */
			v->iov_base = (uint8_t *)v->iov_base + left;
			v->iov_len -= left;
		}
	}
	return 0;
}

/* A sync that a signal has broken off has reported nothing and forgotten nothing: it may be asked again. */
int file_io_sync(const struct vfs *vfs, int fd)
{
	int rc;
	do
		rc = vfs->fdatasync(vfs->ctx, fd);
	while (rc && errno == EINTR);
	return rc ? errno : 0;
}
