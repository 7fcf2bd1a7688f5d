/*
 * vfs.h: the few file operations that durable data goes through, as a table, so that tests put in a disk that forgets
 * unsynced writes, tears them, fills up, or fails the n-th call. Each behaves as the system call of its name: -1 and
 * errno on failure. Nothing else in lib/buffer touches files. Any thread.
 */
#ifndef WEIR_BASE_VFS_H
#define WEIR_BASE_VFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct vfs {
	void *ctx;
	int (*open)(void *ctx, const char *path, int flags, mode_t mode);
	int (*close)(void *ctx, int fd);
	ssize_t (*pread)(void *ctx, int fd, void *p, size_t n, off_t at);
	ssize_t (*pwritev)(void *ctx, int fd, const struct iovec *v, int count, off_t at);
	int (*fdatasync)(void *ctx, int fd);
	int (*fsync)(void *ctx, int fd);
	int (*sync_dir)(void *ctx, const char *path); /* open, fsync, close of a folder */
	/*
	 * Asks for the file's clean pages to be forgotten, so that the next read shows what the disk has. No more
	 * than a wish.
	 */
	void (*drop_cache)(void *ctx, int fd);
	int (*ftruncate)(void *ctx, int fd, off_t n);
	/*
	 * Room on the disk for n bytes at `at`, which may lie behind the file's end; the file does not grow and reads
	 * as before. Setting the file's size, also to what it is, gives back what lies behind it.
	 */
	int (*reserve)(void *ctx, int fd, off_t at, off_t n);
	int (*rename)(void *ctx, const char *from, const char *to);
	int (*unlink)(void *ctx, const char *path);
	int (*mkdir)(void *ctx, const char *path, mode_t mode);
	int64_t (*size)(void *ctx, int fd); /* of a regular file; -1 and EINVAL for anything else */
	/* Calls each(arg, name) for every name in the folder but "." and "..". */
	int (*list)(void *ctx, const char *path, void (*each)(void *arg, const char *name), void *arg);
	/* Bytes an unprivileged user may still write on the file system of path; -1 if that is not known. */
	int64_t (*free_bytes)(void *ctx, const char *path);
	/*
	 * Why the file system of path is a doubtful place for durable data, in words for a warning; NULL if nothing
	 * is known.
	 */
	const char *(*doubt)(void *ctx, const char *path);
	/* An exclusive lock on an open file, held until it is closed; does not wait (EWOULDBLOCK). */
	int (*lock)(void *ctx, int fd);
};

/* The system calls. A file opened with O_NONBLOCK never waits, be it a FIFO. */
extern const struct vfs vfs_posix;

#endif
