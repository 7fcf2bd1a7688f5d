#include "base/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Not in every linux/magic.h. */
#define MAGIC_CIFS  0xff534d42u
#define MAGIC_SMB2  0xfe534d42u
#define MAGIC_9P    0x01021997u
#define MAGIC_CEPH  0x00c36400u
#define MAGIC_FUSE  0x65735546u
#define MAGIC_GPFS  0x47504653u
#define MAGIC_RAMFS 0x858458f6u

static int posix_open(void *ctx, const char *path, int flags, mode_t mode)
{
	(void)ctx;
	return open(path, flags, mode);
}

static int posix_close(void *ctx, int fd)
{
	(void)ctx;
	return close(fd);
}

static ssize_t posix_pread(void *ctx, int fd, void *p, size_t n, off_t at)
{
	(void)ctx;
	return pread(fd, p, n, at);
}

static ssize_t posix_pwritev(void *ctx, int fd, const struct iovec *v, int count, off_t at)
{
	(void)ctx;
	return pwritev(fd, v, count, at);
}

static int posix_fdatasync(void *ctx, int fd)
{
	(void)ctx;
	return fdatasync(fd);
}

static int posix_fsync(void *ctx, int fd)
{
	(void)ctx;
	return fsync(fd);
}

static int posix_sync_dir(void *ctx, const char *path)
{
	(void)ctx;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int rc = fsync(fd), code = errno;
	/* fsync(2): EINVAL = this kind of file cannot be synced. Some network file systems say it of every folder. */
	if (rc && code == EINVAL)
		rc = 0;
	close(fd);
	errno = code;
	return rc;
}

static void posix_drop_cache(void *ctx, int fd)
{
	(void)ctx;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int posix_reserve(void *ctx, int fd, off_t at, off_t n)
{
	(void)ctx;
	return fallocate(fd, FALLOC_FL_KEEP_SIZE, at, n);
}

static int posix_ftruncate(void *ctx, int fd, off_t n)
{
	(void)ctx;
	return ftruncate(fd, n);
}

static int posix_rename(void *ctx, const char *from, const char *to)
{
	(void)ctx;
	return rename(from, to);
}

static int posix_unlink(void *ctx, const char *path)
{
	(void)ctx;
	return unlink(path);
}

static int posix_mkdir(void *ctx, const char *path, mode_t mode)
{
	(void)ctx;
	return mkdir(path, mode);
}

static int64_t posix_size(void *ctx, int fd)
{
	(void)ctx;
	struct stat st;
	if (fstat(fd, &st))
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	return st.st_size;
}

static int posix_list(void *ctx, const char *path, void (*each)(void *arg, const char *name), void *arg)
{
	(void)ctx;
	DIR *d = opendir(path);
	if (!d)
		return -1;
	for (;;) {
		errno = 0;
		const struct dirent *e = readdir(d);
		if (!e)
			break;
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			each(arg, e->d_name);
	}
	int code = errno;
	closedir(d);
	errno = code;
	return code ? -1 : 0;
}

static int64_t posix_free_bytes(void *ctx, const char *path)
{
	(void)ctx;
	struct statvfs st;
	uint64_t n;
	if (statvfs(path, &st) || __builtin_mul_overflow((uint64_t)st.f_bavail, (uint64_t)st.f_frsize, &n))
		return -1;
	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static const char *posix_doubt(void *ctx, const char *path)
{
	(void)ctx;
	static const struct {
		uint32_t magic;
		const char *words;
	} known[] = {
		{TMPFS_MAGIC, "tmpfs: it lives in memory and is gone after a reboot"},
		{MAGIC_RAMFS, "ramfs: it lives in memory and is gone after a reboot"},
		{OVERLAYFS_SUPER_MAGIC, "an overlay (a container's own layer): it goes with the container"},
		{NFS_SUPER_MAGIC, "NFS: what a sync means is up to the server"},
		{MAGIC_CIFS, "CIFS: what a sync means is up to the server"},
		{MAGIC_SMB2, "SMB: what a sync means is up to the server"},
		{MAGIC_9P, "9p: what a sync means is up to the host"},
		{MAGIC_CEPH, "Ceph: what a sync means is up to the servers"},
		{MAGIC_GPFS, "GPFS: what a sync means is up to the servers"},
		{MAGIC_FUSE, "FUSE: what a sync means is up to a program"},
	};
	struct statfs st;
	if (statfs(path, &st))
		return NULL;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if ((uint32_t)st.f_type == known[i].magic)
			return known[i].words;
	return NULL;
}

static int posix_lock(void *ctx, int fd)
{
	(void)ctx;
	return flock(fd, LOCK_EX | LOCK_NB);
}

const struct vfs vfs_posix = {
	.open = posix_open,
	.close = posix_close,
	.pread = posix_pread,
	.pwritev = posix_pwritev,
	.fdatasync = posix_fdatasync,
	.fsync = posix_fsync,
	.sync_dir = posix_sync_dir,
	.drop_cache = posix_drop_cache,
	.ftruncate = posix_ftruncate,
	.reserve = posix_reserve,
	.rename = posix_rename,
	.unlink = posix_unlink,
	.mkdir = posix_mkdir,
	.size = posix_size,
	.list = posix_list,
	.free_bytes = posix_free_bytes,
	.doubt = posix_doubt,
	.lock = posix_lock,
};
