/* The system calls and the files in memory: one behaviour. */
#include "base/vfs.h"
#include "base/vfs_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct place {
	const struct vfs *v;
	const struct vfs *mem;
	char root[40];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	const char *kind = *state;
	if (!strcmp(kind, "mem")) {
		p->v = p->mem = vfs_mem_new();
		strcpy(p->root, "/root");
		if (p->v->mkdir(p->v->ctx, p->root, 0700))
			return -1;
	} else {
		p->v = &vfs_posix;
		strcpy(p->root, "/tmp/weir-vfs-XXXXXX");
		if (!mkdtemp(p->root))
			return -1;
	}
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	char command[100];
	if (p->mem) {
		vfs_mem_free(p->mem);
	} else {
		snprintf(command, sizeof command, "rm -rf %s", p->root);
		if (system(command))
			return -1;
	}
	free(p);
	return 0;
}

static const char *in(const struct place *p, const char *name)
{
	static char path[4][200];
	static int k;
	k = (k + 1) % 4;
	snprintf(path[k], sizeof path[k], "%s/%s", p->root, name);
	return path[k];
}

static int open_new(const struct place *p, const char *name)
{
	int fd = p->v->open(p->v->ctx, in(p, name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void put(const struct place *p, int fd, const void *data, size_t n, off_t at)
{
	struct iovec v[2] = {{(void *)(uintptr_t)data, n / 2}, {(char *)(uintptr_t)data + n / 2, n - n / 2}};
	assert_int_equal(p->v->pwritev(p->v->ctx, fd, v, 2, at), n);
}

static void what_is_written_is_read(void **state)
{
	const struct place *p = *state;
	enum { N = 300000 };
	char *a = malloc(N), *b = malloc(N);
	int fd = open_new(p, "f");
	for (int i = 0; i < N; i++)
		a[i] = (char)(i * 31 + i / 256);
	assert_int_equal(p->v->size(p->v->ctx, fd), 0);
	assert_int_equal(p->v->pread(p->v->ctx, fd, b, 10, 0), 0);
	put(p, fd, a, N, 0);
	assert_int_equal(p->v->size(p->v->ctx, fd), N);
	assert_int_equal(p->v->pread(p->v->ctx, fd, b, N, 0), N);
	assert_memory_equal(a, b, N);
	for (int i = 0; i < 200; i++) {
		size_t at = (size_t)(random() % N), n = (size_t)(random() % 70000), got = at + n > N ? N - at : n;
		assert_int_equal(p->v->pread(p->v->ctx, fd, b, n, (off_t)at), got);
		assert_memory_equal(a + at, b, got);
		if (at + n <= N) {
			for (size_t k = 0; k < n; k++)
				a[at + k] = (char)random();
			put(p, fd, a + at, n, (off_t)at);
		}
	}
	assert_int_equal(p->v->fdatasync(p->v->ctx, fd), 0);
	assert_int_equal(p->v->fsync(p->v->ctx, fd), 0);
	assert_int_equal(p->v->sync_dir(p->v->ctx, p->root), 0);
	p->v->drop_cache(p->v->ctx, fd);
	assert_int_equal(p->v->pread(p->v->ctx, fd, b, N, 0), N);
	assert_memory_equal(a, b, N);
	assert_int_equal(p->v->close(p->v->ctx, fd), 0);
	free(a);
	free(b);
}

static void what_is_reserved_is_not_seen(void **state)
{
	const struct place *p = *state;
	char b[16];
	int fd = open_new(p, "f");
	put(p, fd, "abc", 3, 0);
	if (p->v->reserve(p->v->ctx, fd, 3, 1 << 20)) /* a file system without it */
		assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(p->v->size(p->v->ctx, fd), 3);
	assert_int_equal(p->v->pread(p->v->ctx, fd, b, sizeof b, 0), 3);
	put(p, fd, "z", 1, 10);
	assert_int_equal(p->v->pread(p->v->ctx, fd, b, sizeof b, 0), 11);
	assert_memory_equal(b, "abc\0\0\0\0\0\0\0z", 11);
	assert_int_equal(p->v->ftruncate(p->v->ctx, fd, 11), 0);
	assert_int_equal(p->v->size(p->v->ctx, fd), 11);
	p->v->close(p->v->ctx, fd);
}

static void what_is_cut_reads_as_zeros_when_it_grows_again(void **state)
{
	const struct place *p = *state;
	static const off_t cuts[] = {0, 1, 100, 4096, 65535, 65536, 65537, 131072, 200000};
	char a[1000], *b = malloc(300000);
	memset(a, 'x', sizeof a);
	int fd = open_new(p, "f");
	for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
		for (off_t at = 0; at < 250000; at += (off_t)sizeof a)
			put(p, fd, a, sizeof a, at);
		assert_int_equal(p->v->ftruncate(p->v->ctx, fd, cuts[i]), 0);
		assert_int_equal(p->v->size(p->v->ctx, fd), cuts[i]);
		put(p, fd, "end", 3, 280000);
		assert_int_equal(p->v->pread(p->v->ctx, fd, b, 300000, 0), 280003);
		for (off_t at = 0; at < 280000; at++)
			if (b[at] != (at < cuts[i] ? 'x' : 0))
				fail_msg("cut at %ld: byte %ld is %d", (long)cuts[i], (long)at, b[at]);
		assert_memory_equal(b + 280000, "end", 3);
		assert_int_equal(p->v->ftruncate(p->v->ctx, fd, 290000), 0);
		assert_int_equal(p->v->size(p->v->ctx, fd), 290000);
	}
	p->v->close(p->v->ctx, fd);
	free(b);
}

struct names {
	unsigned count;
	char seen[10][40];
};

static void on_name(void *arg, const char *name)
{
	struct names *n = arg;
	assert_true(n->count < 10);
	snprintf(n->seen[n->count++], sizeof n->seen[0], "%s", name);
}

static bool lists(const struct place *p, const char *dir, const char *name)
{
	struct names n = {0};
	assert_int_equal(p->v->list(p->v->ctx, dir, on_name, &n), 0);
	for (unsigned i = 0; i < n.count; i++)
		if (!strcmp(n.seen[i], name))
			return true;
	return false;
}

static void names(void **state)
{
	const struct place *p = *state;
	struct names n = {0};
	char b[10];
	assert_int_equal(p->v->list(p->v->ctx, p->root, on_name, &n), 0);
	assert_int_equal(n.count, 0);
	int fd = open_new(p, "a");
	put(p, fd, "aaaa", 4, 0);
	p->v->close(p->v->ctx, fd);
	fd = open_new(p, "b");
	put(p, fd, "bb", 2, 0);
	assert_int_equal(p->v->mkdir(p->v->ctx, in(p, "dir"), 0700), 0);
	assert_int_equal(p->v->mkdir(p->v->ctx, in(p, "dir"), 0700), -1);
	assert_int_equal(errno, EEXIST);
	p->v->close(p->v->ctx, open_new(p, "dir/deep"));
	assert_true(lists(p, p->root, "a") && lists(p, p->root, "b") && lists(p, p->root, "dir"));
	assert_false(lists(p, p->root, "deep") || lists(p, p->root, "dir/deep") || lists(p, p->root, "."));
	assert_true(lists(p, in(p, "dir"), "deep"));
	/* b is replaced while it is open; what was opened stays readable */
	assert_int_equal(p->v->rename(p->v->ctx, in(p, "a"), in(p, "b")), 0);
	assert_false(lists(p, p->root, "a"));
	assert_int_equal(p->v->pread(p->v->ctx, fd, b, 10, 0), 2);
	int other = p->v->open(p->v->ctx, in(p, "b"), O_RDONLY, 0);
	assert_int_equal(p->v->pread(p->v->ctx, other, b, 10, 0), 4);
	assert_int_equal(p->v->unlink(p->v->ctx, in(p, "b")), 0);
	assert_int_equal(p->v->pread(p->v->ctx, other, b, 10, 0), 4);
	assert_int_equal(p->v->unlink(p->v->ctx, in(p, "b")), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(p->v->rename(p->v->ctx, in(p, "b"), in(p, "c")), -1);
	assert_int_equal(errno, ENOENT);
	p->v->close(p->v->ctx, fd);
	p->v->close(p->v->ctx, other);
	assert_int_equal(p->v->unlink(p->v->ctx, in(p, "dir/deep")), 0);
	assert_int_equal(p->v->rename(p->v->ctx, in(p, "dir"), in(p, "dir")), 0);
	assert_true(lists(p, p->root, "dir"));
}

static void errors(void **state)
{
	const struct place *p = *state;
	const struct vfs *v = p->v;
	char b[10];
	assert_int_equal(v->open(v->ctx, in(p, "none"), O_RDONLY, 0), -1);
	assert_int_equal(errno, ENOENT);
	int fd = open_new(p, "f");
	assert_int_equal(v->open(v->ctx, in(p, "f"), O_RDWR | O_CREAT | O_EXCL, 0600), -1);
	assert_int_equal(errno, EEXIST);
	put(p, fd, "12345", 5, 0);
	int again = v->open(v->ctx, in(p, "f"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(v->size(v->ctx, fd), 0);
	v->close(v->ctx, again);
	v->close(v->ctx, fd);
	assert_int_equal(v->close(v->ctx, 9999), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(v->pread(v->ctx, 9999, b, 1, 0), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(v->list(v->ctx, in(p, "none"), on_name, NULL), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(v->mkdir(v->ctx, in(p, "dir"), 0700), 0);
	assert_int_equal(v->open(v->ctx, in(p, "dir"), O_RDWR, 0), -1);
	assert_int_equal(errno, EISDIR);
	fd = v->open(v->ctx, in(p, "dir"), O_RDONLY | O_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(v->size(v->ctx, fd), -1);
	assert_int_equal(errno, EINVAL);
	v->close(v->ctx, fd);
	assert_true(v->free_bytes(v->ctx, p->root) >= -1);
	(void)v->doubt(v->ctx, p->root);
}

static void one_lock_at_a_time(void **state)
{
	const struct place *p = *state;
	const struct vfs *v = p->v;
	int a = open_new(p, "LOCK"), b = open_new(p, "LOCK");
	assert_int_equal(v->lock(v->ctx, a), 0);
	assert_int_equal(v->lock(v->ctx, a), 0);
	assert_int_equal(v->lock(v->ctx, b), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	v->close(v->ctx, a);
	assert_int_equal(v->lock(v->ctx, b), 0);
	v->close(v->ctx, b);
}

/* A FIFO neither makes the opener wait nor passes for a file. */
static void a_fifo_is_no_file(void **state)
{
	const struct place *p = *state;
	if (p->mem)
		return;
	assert_int_equal(mkfifo(in(p, "fifo"), 0600), 0);
	int fd = p->v->open(p->v->ctx, in(p, "fifo"), O_RDONLY | O_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(p->v->size(p->v->ctx, fd), -1);
	assert_int_equal(errno, EINVAL);
	p->v->close(p->v->ctx, fd);
	assert_int_equal(p->v->sync_dir(p->v->ctx, in(p, "fifo")), -1);
}

struct writer {
	const struct place *p;
	int fd, number;
};

static void *write_many(void *arg)
{
	struct writer *w = arg;
	for (int i = 0; i < 200; i++) {
		char block[1000];
		memset(block, w->number, sizeof block);
		put(w->p, w->fd, block, sizeof block, (i * 4 + w->number) * 1000);
	}
	return NULL;
}

static void threads_share_a_file(void **state)
{
	const struct place *p = *state;
	pthread_t t[4];
	struct writer w[4];
	int fd = open_new(p, "f");
	for (int i = 0; i < 4; i++) {
		w[i] = (struct writer){p, fd, i};
		assert_int_equal(pthread_create(&t[i], NULL, write_many, &w[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(p->v->size(p->v->ctx, fd), 800000);
	for (int i = 0; i < 800; i++) {
		char c;
		assert_int_equal(p->v->pread(p->v->ctx, fd, &c, 1, i * 1000 + 500), 1);
		assert_int_equal(c, i % 4);
	}
	p->v->close(p->v->ctx, fd);
}

int main(void)
{
#define BOTH(f)                                                               \
	{#f " (posix)", f, setup, teardown, (void *)(uintptr_t) "posix"},     \
	{                                                                     \
#f " (memory)", f, setup, teardown, (void *)(uintptr_t) "mem" \
	}
	const struct CMUnitTest tests[] = {
		BOTH(what_is_written_is_read),
		BOTH(what_is_reserved_is_not_seen),
		BOTH(what_is_cut_reads_as_zeros_when_it_grows_again),
		BOTH(names),
		BOTH(errors),
		BOTH(one_lock_at_a_time),
		BOTH(a_fifo_is_no_file),
		BOTH(threads_share_a_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
