/*
 * A file is an array of blocks, so that it grows without being copied. `lock` covers names, descriptors and reference
 * counts; each file's own lock covers its bytes, so that a reader of one file does not wait for the writer of
 * another.
 */
#include "base/vfs_mem.h"

#include "base/map.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

enum { BLOCK = 64 * 1024 };

struct file {
	pthread_mutex_t lock;
	uint8_t **block; /* NULL = zeros */
	size_t blocks;	 /* places in `block` */
	size_t n;	 /* bytes of content */
	unsigned refs;	 /* the name and each descriptor; under mem_vfs.lock */
	bool is_dir;
	bool locked; /* under mem_vfs.lock */
};

struct open_file {
	struct file *file; /* NULL = free */
	bool has_lock;
};

struct mem_vfs {
	struct vfs table;
	pthread_mutex_t lock;
	struct map *names;
	struct open_file *fd;
	size_t fds;
};

static int fail(int code)
{
	errno = code;
	return -1;
}

/*
 * ---- one file's bytes; its lock is held
 * ----------------------------------------------------------------------------
 */

static void file_cut(struct file *f, size_t n)
{
	size_t keep = (n + BLOCK - 1) / BLOCK;
	for (size_t i = keep; i < f->blocks; i++) {
		mem_free(f->block[i]);
		f->block[i] = NULL;
	}
	if (n % BLOCK && keep - 1 < f->blocks && f->block[keep - 1])
		memset(f->block[keep - 1] + n % BLOCK, 0, BLOCK - n % BLOCK);
	f->n = n;
}

static bool file_room(struct file *f, size_t n)
{
	size_t want = n / BLOCK + 1;
	if (want <= f->blocks)
		return true;
	if (want < f->blocks * 2)
		want = f->blocks * 2;
	uint8_t **p = mem_try_realloc(f->block, want * sizeof *p);
	if (!p)
		return false;
	memset(p + f->blocks, 0, (want - f->blocks) * sizeof *p);
	f->block = p;
	f->blocks = want;
	return true;
}

/* Bytes written: fewer than n only without memory. */
static size_t file_write(struct file *f, size_t at, const uint8_t *p, size_t n)
{
	size_t done = 0;
	while (done < n && file_room(f, at + done)) {
		size_t k = (at + done) / BLOCK, in = (at + done) % BLOCK, part = BLOCK - in;
		if (part > n - done)
			part = n - done;
		if (!f->block[k]) {
			if (!(f->block[k] = mem_try(BLOCK)))
				break;
			memset(f->block[k], 0, in);
			memset(f->block[k] + in + part, 0, BLOCK - in - part);
		}
		memcpy(f->block[k] + in, p + done, part);
		done += part;
	}
	if (done && at + done > f->n)
		f->n = at + done;
	return done;
}

static size_t file_read(const struct file *f, size_t at, uint8_t *p, size_t n)
{
	size_t done = 0;
	while (done < n && at + done < f->n) {
		size_t k = (at + done) / BLOCK, in = (at + done) % BLOCK, part = BLOCK - in;
		if (part > n - done)
			part = n - done;
		if (part > f->n - at - done)
			part = f->n - at - done;
		if (k < f->blocks && f->block[k])
			memcpy(p + done, f->block[k] + in, part);
		else
			memset(p + done, 0, part);
		done += part;
	}
	return done;
}

/*
 * ---- names and descriptors; mem_vfs.lock is held
 * --------------------------------------------------------------------
 */

static struct file *file_new(bool is_dir)
{
	struct file *f = mem_zalloc(sizeof *f);
	pthread_mutex_init(&f->lock, NULL);
	f->refs = 1;
	f->is_dir = is_dir;
	return f;
}

static void file_release(struct file *f)
{
	if (--f->refs)
		return;
	file_cut(f, 0);
	mem_free(f->block);
	pthread_mutex_destroy(&f->lock);
	mem_free(f);
}

static int fd_new(struct mem_vfs *m, struct file *f)
{
	size_t i = 0;
	while (i < m->fds && m->fd[i].file)
		i++;
	if (i == m->fds) {
		m->fds = m->fds ? 2 * m->fds : 16;
		m->fd = mem_realloc(m->fd, m->fds * sizeof *m->fd);
		memset(m->fd + i, 0, (m->fds - i) * sizeof *m->fd);
	}
	m->fd[i] = (struct open_file){.file = f};
	f->refs++;
	return (int)i;
}

static struct file *fd_file(struct mem_vfs *m, int fd)
{
	return fd >= 0 && (size_t)fd < m->fds ? m->fd[fd].file : NULL;
}

static int open_locked(struct mem_vfs *m, const char *path, int flags)
{
	struct file *f = map_get(m->names, span_str(path));
	if (f && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return fail(EEXIST);
	if (f && f->is_dir && (flags & O_ACCMODE) != O_RDONLY)
		return fail(EISDIR);
	if (!f) {
		if (!(flags & O_CREAT))
			return fail(ENOENT);
		void **place = map_put(m->names, span_str(path));
		if (!place)
			return fail(ENOMEM);
		*place = f = file_new(false);
	} else if (flags & O_TRUNC) {
		pthread_mutex_lock(&f->lock);
		file_cut(f, 0);
		pthread_mutex_unlock(&f->lock);
	}
	return fd_new(m, f);
}

static int mem_open(void *ctx, const char *path, int flags, mode_t mode)
{
	(void)mode;
	struct mem_vfs *m = ctx;
	pthread_mutex_lock(&m->lock);
	int fd = open_locked(m, path, flags);
	pthread_mutex_unlock(&m->lock);
	return fd;
}

static int mem_close(void *ctx, int fd)
{
	struct mem_vfs *m = ctx;
	pthread_mutex_lock(&m->lock);
	struct file *f = fd_file(m, fd);
	if (f) {
		if (m->fd[fd].has_lock)
			f->locked = false;
		m->fd[fd].file = NULL;
		file_release(f);
	}
	pthread_mutex_unlock(&m->lock);
	return f ? 0 : fail(EBADF);
}

/* An open descriptor holds its file, so the file outlives the call. */
static struct file *held_file(struct mem_vfs *m, int fd)
{
	pthread_mutex_lock(&m->lock);
	struct file *f = fd_file(m, fd);
	pthread_mutex_unlock(&m->lock);
	if (!f)
		errno = EBADF;
	else if (f->is_dir)
		errno = EISDIR;
	return f && !f->is_dir ? f : NULL;
}

static ssize_t mem_pread(void *ctx, int fd, void *p, size_t n, off_t at)
{
	struct file *f = held_file(ctx, fd);
	if (!f)
		return -1;
	if (at < 0)
		return fail(EINVAL);
	pthread_mutex_lock(&f->lock);
	size_t done = file_read(f, (size_t)at, p, n);
	pthread_mutex_unlock(&f->lock);
	return (ssize_t)done;
}

static ssize_t mem_pwritev(void *ctx, int fd, const struct iovec *v, int count, off_t at)
{
	struct file *f = held_file(ctx, fd);
	if (!f)
		return -1;
	if (at < 0)
		return fail(EINVAL);
	size_t done = 0;
	pthread_mutex_lock(&f->lock);
	for (int i = 0; i < count; i++) {
		size_t k = file_write(f, (size_t)at + done, v[i].iov_base, v[i].iov_len);
		done += k;
		if (k < v[i].iov_len) {
			pthread_mutex_unlock(&f->lock);
			return done ? (ssize_t)done : fail(ENOMEM);
		}
	}
	pthread_mutex_unlock(&f->lock);
	return (ssize_t)done;
}

static int mem_sync(void *ctx, int fd)
{
	return held_file(ctx, fd) ? 0 : -1;
}

static int mem_sync_dir(void *ctx, const char *path)
{
	(void)ctx;
	(void)path;
	return 0;
}

static void mem_drop_cache(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
}

/* There is nothing to gain in memory. */
static int mem_reserve(void *ctx, int fd, off_t at, off_t n)
{
	(void)at;
	(void)n;
	return held_file(ctx, fd) ? 0 : -1;
}

static int mem_ftruncate(void *ctx, int fd, off_t n)
{
	struct file *f = held_file(ctx, fd);
	if (!f)
		return -1;
	if (n < 0)
		return fail(EINVAL);
	pthread_mutex_lock(&f->lock);
	if ((size_t)n < f->n)
		file_cut(f, (size_t)n);
	else
		f->n = (size_t)n;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static int mem_rename(void *ctx, const char *from, const char *to)
{
	struct mem_vfs *m = ctx;
	pthread_mutex_lock(&m->lock);
	int rc = 0;
	void **place = map_get(m->names, span_str(from)) ? map_put(m->names, span_str(to)) : NULL;
	if (!place) {
		rc = fail(map_get(m->names, span_str(from)) ? ENOMEM : ENOENT);
	} else if (strcmp(from, to) != 0) {
		struct file *old = *place;
		*place = map_get(m->names, span_str(from));
		map_remove(m->names, span_str(from));
		if (old)
			file_release(old);
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static int mem_unlink(void *ctx, const char *path)
{
	struct mem_vfs *m = ctx;
	pthread_mutex_lock(&m->lock);
	struct file *f = map_get(m->names, span_str(path));
	int rc = !f ? fail(ENOENT) : f->is_dir ? fail(EISDIR) : 0;
	if (!rc) {
		map_remove(m->names, span_str(path));
		file_release(f);
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static int mem_mkdir(void *ctx, const char *path, mode_t mode)
{
	(void)mode;
	struct mem_vfs *m = ctx;
	pthread_mutex_lock(&m->lock);
	int rc = 0;
	if (map_get(m->names, span_str(path))) {
		rc = fail(EEXIST);
	} else {
		void **place = map_put(m->names, span_str(path));
		if (place)
			*place = file_new(true);
		else
			rc = fail(ENOMEM);
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static int64_t mem_size(void *ctx, int fd)
{
	struct file *f = held_file(ctx, fd);
	if (!f)
		return fail(EINVAL);
	pthread_mutex_lock(&f->lock);
	size_t n = f->n;
	pthread_mutex_unlock(&f->lock);
	return (int64_t)n;
}

/* The names first, the calls after: `each` may come back for other operations. */
static int mem_list(void *ctx, const char *path, void (*each)(void *arg, const char *name), void *arg)
{
	struct mem_vfs *m = ctx;
	size_t len = strlen(path), count = 0;
	pthread_mutex_lock(&m->lock);
	const struct file *dir = map_get(m->names, span_str(path));
	if (!dir || !dir->is_dir) {
		pthread_mutex_unlock(&m->lock);
		return fail(dir ? ENOTDIR : ENOENT);
	}
	char **name = mem_array(map_count(m->names), sizeof *name);
	for (struct map_iter i = {0}; map_next(m->names, &i);)
		if (i.key.n > len + 1 && !memcmp(i.key.p, path, len) && i.key.p[len] == '/' &&
			!memchr(i.key.p + len + 1, '/', i.key.n - len - 1))
			name[count++] = mem_strndup(i.key.p + len + 1, i.key.n - len - 1);
	pthread_mutex_unlock(&m->lock);
	for (size_t i = 0; i < count; i++) {
		each(arg, name[i]);
		mem_free(name[i]);
	}
	mem_free(name);
	return 0;
}

static int64_t mem_free_bytes(void *ctx, const char *path)
{
	(void)ctx;
	(void)path;
	return -1;
}

/* Whoever configures a memory buffer knows that it is one. */
static const char *mem_doubt(void *ctx, const char *path)
{
	(void)ctx;
	(void)path;
	return NULL;
}

static int mem_lock(void *ctx, int fd)
{
	struct mem_vfs *m = ctx;
	pthread_mutex_lock(&m->lock);
	struct file *f = fd_file(m, fd);
	int rc = !f ? fail(EBADF) : f->locked && !m->fd[fd].has_lock ? fail(EWOULDBLOCK) : 0;
	if (!rc)
		f->locked = m->fd[fd].has_lock = true;
	pthread_mutex_unlock(&m->lock);
	return rc;
}

const struct vfs *vfs_mem_new(void)
{
	struct mem_vfs *m = mem_zalloc(sizeof *m);
	pthread_mutex_init(&m->lock, NULL);
	m->names = map_new();
	m->table = (struct vfs){
		.ctx = m,
		.open = mem_open,
		.close = mem_close,
		.pread = mem_pread,
		.pwritev = mem_pwritev,
		.fdatasync = mem_sync,
		.fsync = mem_sync,
		.sync_dir = mem_sync_dir,
		.drop_cache = mem_drop_cache,
		.ftruncate = mem_ftruncate,
		.reserve = mem_reserve,
		.rename = mem_rename,
		.unlink = mem_unlink,
		.mkdir = mem_mkdir,
		.size = mem_size,
		.list = mem_list,
		.free_bytes = mem_free_bytes,
		.doubt = mem_doubt,
		.lock = mem_lock,
	};
	return &m->table;
}

static void free_name(void *value)
{
	file_release(value);
}

void vfs_mem_free(const struct vfs *v)
{
	if (!v)
		return;
	struct mem_vfs *m = v->ctx;
	map_free(m->names, free_name);
	mem_free(m->fd);
	pthread_mutex_destroy(&m->lock);
	mem_free(m);
}
