#include "vfs_sim.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SECTOR = 512, FDS = 256 };

struct sim_bytes {
	uint8_t *p;
	size_t n, cap;
};

struct sim_write {
	size_t at, n; /* n == SIZE_MAX: a truncation to `at` */
	uint8_t *p;
};

struct inode {
	struct inode *next;
	struct sim_bytes cache, disk;
	struct sim_write *log; /* what was done since the last sync */
	size_t log_n, log_cap;
	bool is_dir, locked, diverged /* a sync has failed: the cache shows what the disk does not have */;
	unsigned open;
};

struct name {
	char *path;
	struct inode *ino;
};

struct names {
	struct name *v;
	size_t n, cap;
};

struct name_op {
	enum name_op_is { ADD, MOVE, REMOVE } what;
	char *path, *to;
	struct inode *ino;
};

struct sim {
	struct vfs vfs;
	pthread_mutex_t lock;
	uint64_t rng;
	struct inode *inodes;
	struct names live, disk;
	struct name_op *ops;
	size_t op_n, op_cap;
	struct {
		struct inode *ino;
		bool lock;
	} fd[FDS];
	uint64_t calls, die_at, calls_of[16];
	bool dead;
	unsigned fail_ops;
	uint64_t fail_skip, fail_count;
	int fail_code;
	bool has_failed;
	unsigned short_percent, eintr_percent, slow_ms;
	int64_t capacity;
};

static void *sim_grow(void *p, size_t *cap, size_t want, size_t size)
{
	if (want <= *cap)
		return p;
	*cap = want * 2 + 16;
	p = realloc(p, *cap * size);
	if (!p)
		abort();
	return p;
}

static uint64_t rnd(struct sim *s, uint64_t below)
{
	uint64_t z = s->rng += 0x9e3779b97f4a7c15u; /* splitmix64 */
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return below ? z % below : z;
}

uint64_t sim_random(struct sim *s, uint64_t below)
{
	pthread_mutex_lock(&s->lock);
	uint64_t r = rnd(s, below);
	pthread_mutex_unlock(&s->lock);
	return r;
}

/*
 * ---- bytes --------------------------------------------------------------------------------------------------------
 */

static void bytes_resize(struct sim_bytes *b, size_t n)
{
	b->p = sim_grow(b->p, &b->cap, n, 1);
	if (n > b->n)
		memset(b->p + b->n, 0, n - b->n);
	b->n = n;
}

static void bytes_write(struct sim_bytes *b, size_t at, const uint8_t *p, size_t n)
{
	if (at + n > b->n)
		bytes_resize(b, at + n);
	if (n)
		memcpy(b->p + at, p, n);
}

static void bytes_copy(struct sim_bytes *to, const struct sim_bytes *from)
{
	to->n = 0;
	bytes_write(to, 0, from->p, from->n);
}

static void log_add(struct inode *i, size_t at, const uint8_t *p, size_t n)
{
	i->log = sim_grow(i->log, &i->log_cap, i->log_n + 1, sizeof *i->log);
	struct sim_write *w = &i->log[i->log_n++];
	*w = (struct sim_write){.at = at, .n = n};
	if (n != SIZE_MAX) {
		w->p = malloc(n + 1);
		memcpy(w->p, p, n);
	}
}

static void log_clear(struct inode *i)
{
	for (size_t k = 0; k < i->log_n; k++)
		free(i->log[k].p);
	i->log_n = 0;
}

static void log_apply_all(struct inode *i)
{
	for (size_t k = 0; k < i->log_n; k++)
		if (i->log[k].n == SIZE_MAX)
			bytes_resize(&i->disk, i->log[k].at);
		else
			bytes_write(&i->disk, i->log[k].at, i->log[k].p, i->log[k].n);
	log_clear(i);
}

/* What a power cut, or a sync that fails, leaves of the unsynced operations: any sectors of them. */
static void log_apply_some(struct sim *s, struct inode *i)
{
	static const unsigned percents[] = {0, 10, 50, 60, 90, 100};
	unsigned keep = percents[rnd(s, sizeof percents / sizeof percents[0])];
	size_t old = i->disk.n, now = i->cache.n;
	for (size_t k = 0; k < i->log_n; k++) {
		struct sim_write *w = &i->log[k];
		if (w->n == SIZE_MAX) {
			if (rnd(s, 100) < keep)
				bytes_resize(&i->disk, w->at);
			continue;
		}
		for (size_t at = w->at; at < w->at + w->n;) {
			size_t end = (at / SECTOR + 1) * SECTOR;
			if (end > w->at + w->n)
				end = w->at + w->n;
			if (rnd(s, 100) < keep)
				bytes_write(&i->disk, at, w->p + (at - w->at), end - at);
			at = end;
		}
	}
	size_t lo = old < now ? old : now, hi = old < now ? now : old, n;
	switch (rnd(s, 4)) {
	case 0:
		n = old;
		break;
	case 1:
		n = now;
		break;
	default:
		n = lo + (size_t)rnd(s, hi - lo + 1);
	}
	bytes_resize(&i->disk, n);
	log_clear(i);
}

/*
 * ---- names --------------------------------------------------------------------------------------------------------
 */

static struct name *names_find(struct names *ns, const char *path)
{
	for (size_t i = 0; i < ns->n; i++)
		if (!strcmp(ns->v[i].path, path))
			return &ns->v[i];
	return NULL;
}

static void names_set(struct names *ns, const char *path, struct inode *ino)
{
	struct name *n = names_find(ns, path);
	if (!n) {
		ns->v = sim_grow(ns->v, &ns->cap, ns->n + 1, sizeof *ns->v);
		n = &ns->v[ns->n++];
		n->path = strdup(path);
	}
	n->ino = ino;
}

static void names_unset(struct names *ns, const char *path, const struct inode *ino)
{
	struct name *n = names_find(ns, path);
	if (!n || (ino && n->ino != ino))
		return;
	free(n->path);
	*n = ns->v[--ns->n];
}

static void names_copy(struct names *to, const struct names *from)
{
	while (to->n)
		free(to->v[--to->n].path);
	for (size_t i = 0; i < from->n; i++)
		names_set(to, from->v[i].path, from->v[i].ino);
}

static bool is_in(const char *path, const char *dir)
{
	size_t n = strcmp(dir, "/") ? strlen(dir) : 0;
	return !strncmp(path, dir, n) && path[n] == '/' && !strchr(path + n + 1, '/');
}

static void op_add(struct sim *s, enum name_op_is what, const char *path, const char *to, struct inode *ino)
{
	s->ops = sim_grow(s->ops, &s->op_cap, s->op_n + 1, sizeof *s->ops);
	s->ops[s->op_n++] = (struct name_op){
		.what = what, .path = strdup(path), .to = to ? strdup(to) : NULL, .ino = ino};
}

static void op_apply(struct sim *s, const struct name_op *op)
{
	if (op->what == REMOVE || op->what == MOVE)
		names_unset(&s->disk, op->path, op->ino);
	if (op->what != REMOVE)
		names_set(&s->disk, op->what == MOVE ? op->to : op->path, op->ino);
}

static void op_free(struct name_op *op)
{
	free(op->path);
	free(op->to);
}

static void sync_names(struct sim *s, const char *dir)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->op_n; i++) {
		struct name_op *op = &s->ops[i];
		if (is_in(op->path, dir) || (op->to && is_in(op->to, dir))) {
			op_apply(s, op);
			op_free(op);
		} else {
			s->ops[kept++] = *op;
		}
	}
	s->op_n = kept;
}

/*
 * ---- faults; the lock is held
 * ---------------------------------------------------------------------------------------
 */

static int sim_error(int code)
{
	errno = code;
	return -1;
}

/* Counts a call; nonzero: it fails with that. */
static int sim_enter(struct sim *s, unsigned op)
{
	s->calls++;
	s->calls_of[__builtin_ctz(op)]++;
	if (s->die_at && s->calls >= s->die_at)
		s->dead = true;
	if (s->dead)
		return EIO;
	if (s->fail_ops & op) {
		if (s->fail_skip) {
			s->fail_skip--;
		} else if (s->fail_count) {
			s->fail_count--;
			s->has_failed = true;
			return s->fail_code;
		}
	}
	if ((op & (SIM_PREAD | SIM_PWRITEV | SIM_FDATASYNC | SIM_FSYNC)) && s->eintr_percent &&
		rnd(s, 100) < s->eintr_percent)
		return EINTR;
	return 0;
}

#define ENTER(op)                               \
	struct sim *s = ctx;                    \
	pthread_mutex_lock(&s->lock);           \
	int code = sim_enter(s, op);            \
	if (code && !(SIM_SYNCS & (op))) {      \
		pthread_mutex_unlock(&s->lock); \
		return sim_error(code);         \
	}

#define LEAVE(rc, err)                          \
	do {                                    \
		pthread_mutex_unlock(&s->lock); \
		errno = (err);                  \
		return (rc);                    \
	} while (0)

static struct inode *of_fd(struct sim *s, int fd)
{
	if (fd < 0 || fd >= FDS || !s->fd[fd].ino)
		abort(); /* a descriptor used after its close, or never opened: a bug in what is tested */
	return s->fd[fd].ino;
}

static int64_t used(struct sim *s)
{
	int64_t n = 0;
	for (size_t i = 0; i < s->live.n; i++)
		n += (int64_t)((s->live.v[i].ino->cache.n + 4095) / 4096 * 4096);
	return n;
}

/*
 * ---- the calls
 * ------------------------------------------------------------------------------------------------------
 */

static struct inode *inode_new(struct sim *s, bool is_dir)
{
	struct inode *i = calloc(1, sizeof *i);
	i->is_dir = is_dir;
	i->next = s->inodes;
	s->inodes = i;
	return i;
}

static int sim_open(void *ctx, const char *path, int flags, mode_t mode)
{
	(void)mode;
	ENTER(SIM_OPEN)
	struct name *n = names_find(&s->live, path);
	if (n && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		LEAVE(-1, EEXIST);
	if (n && n->ino->is_dir && (flags & O_ACCMODE) != O_RDONLY)
		LEAVE(-1, EISDIR);
	if (!n && !(flags & O_CREAT))
		LEAVE(-1, ENOENT);
	if (!n) {
		names_set(&s->live, path, inode_new(s, false));
		n = names_find(&s->live, path);
		op_add(s, ADD, path, NULL, n->ino);
	} else if (flags & O_TRUNC) {
		log_add(n->ino, 0, NULL, SIZE_MAX);
		bytes_resize(&n->ino->cache, 0);
	}
	int fd = 0;
	while (fd < FDS && s->fd[fd].ino)
		fd++;
	if (fd == FDS)
		LEAVE(-1, EMFILE);
	s->fd[fd].ino = n->ino;
	s->fd[fd].lock = false;
	n->ino->open++;
	LEAVE(fd, 0);
}

/* As on Linux, the descriptor is gone even if it fails. */
static int sim_close(void *ctx, int fd)
{
	struct sim *s = ctx;
	pthread_mutex_lock(&s->lock);
	int code = sim_enter(s, SIM_CLOSE);
	struct inode *i = of_fd(s, fd);
	if (s->fd[fd].lock)
		i->locked = false;
	i->open--;
	s->fd[fd].ino = NULL;
	LEAVE(code ? -1 : 0, code);
}

static ssize_t sim_pread(void *ctx, int fd, void *p, size_t n, off_t at)
{
	ENTER(SIM_PREAD)
	const struct inode *i = of_fd(s, fd);
	if (i->is_dir)
		LEAVE(-1, EISDIR);
	size_t from = (size_t)at, k = from >= i->cache.n ? 0 : i->cache.n - from;
	if (k > n)
		k = n;
	if (k > 1 && s->short_percent && rnd(s, 100) < s->short_percent)
		k = 1 + (size_t)rnd(s, k - 1);
	if (k)
		memcpy(p, i->cache.p + from, k);
	LEAVE((ssize_t)k, 0);
}

static ssize_t sim_pwritev(void *ctx, int fd, const struct iovec *v, int count, off_t at)
{
	ENTER(SIM_PWRITEV)
	struct inode *i = of_fd(s, fd);
	size_t want = 0, done = 0;
	if (count > 1024)
		LEAVE(-1, EINVAL);
	for (int k = 0; k < count; k++)
		want += v[k].iov_len;
	if (want > 1 && s->short_percent && rnd(s, 100) < s->short_percent)
		want = 1 + (size_t)rnd(s, want - 1);
	if (s->capacity >= 0) {
		size_t room = (size_t)(s->capacity > used(s) ? s->capacity - used(s) : 0);
		size_t end = (i->cache.n + 4095) / 4096 * 4096 + room / 4096 * 4096; /* the file may grow to here */
		if ((size_t)at >= end)
			LEAVE(-1, ENOSPC);
		if ((size_t)at + want > end)
			want = end - (size_t)at;
	}
	for (int k = 0; k < count && done < want; k++) {
		size_t part = v[k].iov_len < want - done ? v[k].iov_len : want - done;
		bytes_write(&i->cache, (size_t)at + done, v[k].iov_base, part);
		log_add(i, (size_t)at + done, v[k].iov_base, part);
		done += part;
	}
	LEAVE((ssize_t)done, 0);
}

static int sync_inode(struct sim *s, int fd, int code)
{
	struct inode *i = of_fd(s, fd);
	if (!code) {
		log_apply_all(i);
		return 0;
	}
	if (!s->dead && code != EINTR) {
		log_apply_some(s, i);
		i->diverged = true;
	}
	return -1;
}

static void sim_dawdle(struct sim *s)
{
	struct timespec ts = {.tv_sec = s->slow_ms / 1000, .tv_nsec = (long)(s->slow_ms % 1000) * 1000000};
	if (s->slow_ms)
		nanosleep(&ts, NULL);
}

static int sim_fdatasync(void *ctx, int fd)
{
	sim_dawdle(ctx);
	ENTER(SIM_FDATASYNC)
	int rc = sync_inode(s, fd, code);
	LEAVE(rc, code);
}

static int sim_fsync(void *ctx, int fd)
{
	sim_dawdle(ctx);
	ENTER(SIM_FSYNC)
	int rc = sync_inode(s, fd, code);
	LEAVE(rc, code);
}

static int sim_sync_dir(void *ctx, const char *path)
{
	ENTER(SIM_SYNC_DIR)
	if (code)
		LEAVE(-1, code);
	const struct name *n = names_find(&s->live, path);
	if (!n || !n->ino->is_dir)
		LEAVE(-1, n ? ENOTDIR : ENOENT);
	sync_names(s, path);
	LEAVE(0, 0);
}

static void sim_drop_cache(void *ctx, int fd)
{
	struct sim *s = ctx;
	pthread_mutex_lock(&s->lock);
	struct inode *i = of_fd(s, fd);
	if (!s->dead && i->diverged && !i->log_n) {
		bytes_copy(&i->cache, &i->disk);
		i->diverged = false;
	}
	pthread_mutex_unlock(&s->lock);
}

/* What is reserved is neither seen nor counted. */
static int sim_reserve(void *ctx, int fd, off_t at, off_t n)
{
	(void)at;
	(void)n;
	ENTER(SIM_RESERVE)
	(void)of_fd(s, fd);
	LEAVE(0, 0);
}

static int sim_ftruncate(void *ctx, int fd, off_t n)
{
	ENTER(SIM_FTRUNCATE)
	struct inode *i = of_fd(s, fd);
	log_add(i, (size_t)n, NULL, SIZE_MAX);
	bytes_resize(&i->cache, (size_t)n);
	LEAVE(0, 0);
}

static int sim_rename(void *ctx, const char *from, const char *to)
{
	ENTER(SIM_RENAME)
	struct name *n = names_find(&s->live, from);
	if (!n)
		LEAVE(-1, ENOENT);
	struct inode *ino = n->ino;
	names_unset(&s->live, from, NULL);
	names_set(&s->live, to, ino);
	op_add(s, MOVE, from, to, ino);
	LEAVE(0, 0);
}

static int sim_unlink(void *ctx, const char *path)
{
	ENTER(SIM_UNLINK)
	struct name *n = names_find(&s->live, path);
	if (!n)
		LEAVE(-1, ENOENT);
	if (n->ino->is_dir)
		LEAVE(-1, EISDIR);
	op_add(s, REMOVE, path, NULL, n->ino);
	names_unset(&s->live, path, NULL);
	LEAVE(0, 0);
}

static int sim_mkdir(void *ctx, const char *path, mode_t mode)
{
	(void)mode;
	ENTER(SIM_MKDIR)
	if (names_find(&s->live, path))
		LEAVE(-1, EEXIST);
	names_set(&s->live, path, inode_new(s, true));
	op_add(s, ADD, path, NULL, names_find(&s->live, path)->ino);
	LEAVE(0, 0);
}

static int64_t sim_size(void *ctx, int fd)
{
	ENTER(SIM_SIZE)
	const struct inode *i = of_fd(s, fd);
	LEAVE(i->is_dir ? -1 : (int64_t)i->cache.n, EINVAL);
}

static int sim_list(void *ctx, const char *path, void (*each)(void *arg, const char *name), void *arg)
{
	ENTER(SIM_LIST)
	const struct name *dir = names_find(&s->live, path);
	if (!dir || !dir->ino->is_dir)
		LEAVE(-1, dir ? ENOTDIR : ENOENT);
	for (size_t i = 0; i < s->live.n; i++)
		if (is_in(s->live.v[i].path, path))
			each(arg, s->live.v[i].path + strlen(path) + 1);
	LEAVE(0, 0);
}

static int64_t sim_free_bytes(void *ctx, const char *path)
{
	(void)path;
	struct sim *s = ctx;
	pthread_mutex_lock(&s->lock);
	int64_t n = s->capacity < 0 ? -1 : s->capacity > used(s) ? s->capacity - used(s) : 0;
	LEAVE(n, 0);
}

static const char *sim_doubt(void *ctx, const char *path)
{
	(void)ctx;
	(void)path;
	return NULL;
}

static int sim_lock(void *ctx, int fd)
{
	ENTER(SIM_LOCK)
	struct inode *i = of_fd(s, fd);
	if (i->locked && !s->fd[fd].lock)
		LEAVE(-1, EWOULDBLOCK);
	i->locked = s->fd[fd].lock = true;
	LEAVE(0, 0);
}

/*
 * ---- lives
 * ----------------------------------------------------------------------------------------------------------
 */

struct sim *sim_new(uint64_t seed)
{
	struct sim *s = calloc(1, sizeof *s);
	pthread_mutex_init(&s->lock, NULL);
	s->rng = seed * 0x2545f4914f6cdd1du + 1;
	s->capacity = -1;
	s->vfs = (struct vfs){
		.ctx = s,
		.open = sim_open,
		.close = sim_close,
		.pread = sim_pread,
		.pwritev = sim_pwritev,
		.fdatasync = sim_fdatasync,
		.fsync = sim_fsync,
		.sync_dir = sim_sync_dir,
		.drop_cache = sim_drop_cache,
		.ftruncate = sim_ftruncate,
		.reserve = sim_reserve,
		.rename = sim_rename,
		.unlink = sim_unlink,
		.mkdir = sim_mkdir,
		.size = sim_size,
		.list = sim_list,
		.free_bytes = sim_free_bytes,
		.doubt = sim_doubt,
		.lock = sim_lock,
	};
	names_set(&s->live, "/", inode_new(s, true));
	names_copy(&s->disk, &s->live);
	return s;
}

static void inode_free(struct inode *i)
{
	log_clear(i);
	free(i->log);
	free(i->cache.p);
	free(i->disk.p);
	free(i);
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	struct names none = {0};
	names_copy(&s->live, &none);
	names_copy(&s->disk, &none);
	free(s->live.v);
	free(s->disk.v);
	for (size_t i = 0; i < s->op_n; i++)
		op_free(&s->ops[i]);
	free(s->ops);
	while (s->inodes) {
		struct inode *i = s->inodes;
		s->inodes = i->next;
		inode_free(i);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const struct vfs *sim_vfs(struct sim *s)
{
	return &s->vfs;
}

static void new_life(struct sim *s)
{
	for (int fd = 0; fd < FDS; fd++)
		if (s->fd[fd].ino) {
			s->fd[fd].ino->open--;
			s->fd[fd].ino->locked = false;
			s->fd[fd].ino = NULL;
		}
	s->dead = s->has_failed = false;
	s->die_at = s->fail_ops = 0;
	s->fail_count = 0;
}

static bool has_name(const struct names *ns, const struct inode *ino)
{
	for (size_t i = 0; i < ns->n; i++)
		if (ns->v[i].ino == ino)
			return true;
	return false;
}

/* A folder whose own name did not reach the disk takes all below it with it. */
static void drop_orphans(struct names *ns)
{
	for (size_t i = 0; i < ns->n;) {
		const char *slash = strrchr(ns->v[i].path, '/');
		if (!slash || slash == ns->v[i].path) {
			i++;
			continue;
		}
		char *parent = strndup(ns->v[i].path, (size_t)(slash - ns->v[i].path));
		if (names_find(ns, parent)) {
			i++;
		} else {
			names_unset(ns, ns->v[i].path, NULL);
			i = 0;
		}
		free(parent);
	}
}

void sim_power_cut(struct sim *s)
{
	new_life(s);
	/* A journal keeps a prefix; without one, any of them. */
	bool prefix = rnd(s, 2);
	size_t until = (size_t)rnd(s, s->op_n + 1);
	for (size_t i = 0; i < s->op_n; i++) {
		if (prefix ? i < until : rnd(s, 2))
			op_apply(s, &s->ops[i]);
		op_free(&s->ops[i]);
	}
	s->op_n = 0;
	drop_orphans(&s->disk);
	names_copy(&s->live, &s->disk);
	for (struct inode **p = &s->inodes; *p;) {
		struct inode *i = *p;
		if (!has_name(&s->live, i)) {
			*p = i->next;
			inode_free(i);
			continue;
		}
		log_apply_some(s, i);
		bytes_copy(&i->cache, &i->disk);
		i->diverged = false;
		p = &i->next;
	}
}

void sim_kill(struct sim *s, bool evict)
{
	new_life(s);
	for (struct inode *i = s->inodes; i && evict; i = i->next)
		if (i->diverged && !i->log_n) {
			bytes_copy(&i->cache, &i->disk);
			i->diverged = false;
		}
}

void sim_die_at(struct sim *s, uint64_t n)
{
	pthread_mutex_lock(&s->lock);
	s->die_at = n ? s->calls + n : 0;
	pthread_mutex_unlock(&s->lock);
}

void sim_die(struct sim *s)
{
	pthread_mutex_lock(&s->lock);
	s->dead = true;
	pthread_mutex_unlock(&s->lock);
}

bool sim_is_dead(struct sim *s)
{
	pthread_mutex_lock(&s->lock);
	bool dead = s->dead;
	pthread_mutex_unlock(&s->lock);
	return dead;
}

void sim_fail(struct sim *s, unsigned ops, uint64_t skip, uint64_t count, int code)
{
	pthread_mutex_lock(&s->lock);
	s->fail_ops = ops;
	s->fail_skip = skip;
	s->fail_count = count;
	s->fail_code = code;
	s->has_failed = false;
	pthread_mutex_unlock(&s->lock);
}

bool sim_has_failed(struct sim *s)
{
	pthread_mutex_lock(&s->lock);
	bool has = s->has_failed;
	pthread_mutex_unlock(&s->lock);
	return has;
}

void sim_chances(struct sim *s, unsigned short_writes_percent, unsigned eintr_percent)
{
	pthread_mutex_lock(&s->lock);
	s->short_percent = short_writes_percent;
	s->eintr_percent = eintr_percent;
	pthread_mutex_unlock(&s->lock);
}

void sim_capacity(struct sim *s, int64_t bytes)
{
	pthread_mutex_lock(&s->lock);
	s->capacity = bytes;
	pthread_mutex_unlock(&s->lock);
}

int64_t sim_used(struct sim *s)
{
	pthread_mutex_lock(&s->lock);
	int64_t n = used(s);
	pthread_mutex_unlock(&s->lock);
	return n;
}

void sim_slow_sync(struct sim *s, unsigned ms)
{
	s->slow_ms = ms;
}

uint64_t sim_calls(struct sim *s, unsigned ops)
{
	pthread_mutex_lock(&s->lock);
	uint64_t n = 0;
	for (int i = 0; i < 16; i++)
		n += ops & (1u << i) ? s->calls_of[i] : 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

bool sim_is_durable(struct sim *s, const char *path, uint64_t at, const void *p, size_t n)
{
	pthread_mutex_lock(&s->lock);
	const struct name *name = names_find(&s->disk, path);
	bool is = name && at + n <= name->ino->disk.n && (n == 0 || !memcmp(name->ino->disk.p + at, p, n));
	pthread_mutex_unlock(&s->lock);
	return is;
}

void sim_put(struct sim *s, const char *path, const void *p, size_t n)
{
	pthread_mutex_lock(&s->lock);
	struct name *name = names_find(&s->live, path);
	struct inode *i = name ? name->ino : inode_new(s, false);
	names_set(&s->live, path, i);
	names_set(&s->disk, path, i);
	log_clear(i);
	i->cache.n = i->disk.n = 0;
	bytes_write(&i->cache, 0, p, n);
	bytes_write(&i->disk, 0, p, n);
	pthread_mutex_unlock(&s->lock);
}

uint8_t *sim_get(struct sim *s, const char *path, size_t *n)
{
	pthread_mutex_lock(&s->lock);
	const struct name *name = names_find(&s->live, path);
	uint8_t *p = NULL;
	*n = 0;
	if (name && !name->ino->is_dir) {
		*n = name->ino->cache.n;
		p = malloc(*n + 1);
		if (*n)
			memcpy(p, name->ino->cache.p, *n);
	}
	pthread_mutex_unlock(&s->lock);
	return p;
}

size_t sim_names(struct sim *s, const char *dir, void (*each)(void *arg, const char *path), void *arg)
{
	size_t n = 0;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->live.n; i++)
		if (is_in(s->live.v[i].path, dir)) {
			n++;
			if (each)
				each(arg, s->live.v[i].path);
		}
	pthread_mutex_unlock(&s->lock);
	return n;
}
