#include "file_sink.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define OUT_SIZE      (256u << 10)
#define INDEX_MAX     1000000u
#define COMPONENT_MAX 255u

struct file_sink {
	char *path; /* as the configuration has it, for messages */
	int dir_fd, fd;
	char *name, *temporary; /* in the folder; temporary: NULL when appending */
	char mark[8];		/* "" when appending */
	char *written;
	size_t written_size;
	off_t start; /* where this chunk begins in the file */
	enum file_compress compress;
	z_stream gz;
	ZSTD_CCtx *zstd;
	uint8_t *out;
	size_t used;
};

/* ---- the folder --------------------------------------------------------------------------------------------------- */

/* A component that data made: never "." or "..", nor longer than file systems take. */
static void tame(char *name)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		for (char *p = name; *p; p++)
			*p = '_';
	if (strlen(name) > COMPONENT_MAX)
		name[COMPONENT_MAX] = 0;
}

static int sync_folder(int fd)
{
	return fsync(fd) < 0 && errno != EINVAL && errno != EBADF ? -1 : 0;
}

/* Opens the folder `name` in dir_fd, made if it is missing. */
static int step_into(int dir_fd, const char *name, bool follow, mode_t mode)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
	int fd = openat(dir_fd, name, flags);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdirat(dir_fd, name, mode) < 0 && errno != EEXIST)
		return -1;
	if (sync_folder(dir_fd) < 0)
		return -1;
	return openat(dir_fd, name, flags);
}

/* Opens the folder of the file and leaves its name in *name. What begins behind `fixed` comes from data. */
static int open_folder(char *path, size_t fixed, mode_t mode, char **name)
{
	int fd = open(*path == '/' ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *p = path;
	while (fd >= 0) {
		p += strspn(p, "/");
		char *slash = strchr(p, '/');
		bool from_data = (size_t)((slash ? slash : p + strlen(p)) - path) > fixed;
		if (!slash)
			break;
		*slash = 0;
		if (from_data)
			tame(p);
		int next = *p && strcmp(p, ".") != 0 ? step_into(fd, p, !from_data, mode) : dup(fd);
		int code = errno;
		close(fd);
		errno = code;
		fd = next;
		p = slash + 1;
	}
	if (fd >= 0)
		tame(p);
	*name = p;
	return fd;
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

/* The name with the stars of its mark replaced by number n; for the caller to mem_free. */
static char *numbered(const char *name, const char *mark, unsigned n)
{
	const char *at = *mark ? strstr(name, mark) : NULL;
	if (!at)
		return mem_strdup(name);
	return mem_printf("%.*s%u%s", (int)(at + 1 - name), name, n, at + strlen(mark));
}

static bool open_appending(struct file_sink *s, const char *name, const struct file_sink_options *o)
{
	struct stat st;
	s->name = mem_strdup(name);
	s->fd = openat(s->dir_fd, s->name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, o->file_mode);
	if (s->fd < 0)
		return false;
	/* Flush threads, and other processes, take turns. */
	if (flock(s->fd, LOCK_EX) < 0 || fstat(s->fd, &st) < 0)
		return false;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return false;
	}
	s->start = lseek(s->fd, 0, SEEK_END);
	return s->start >= 0;
}

static bool open_new(struct file_sink *s, const char *name, const struct file_sink_options *o)
{
	snprintf(s->mark, sizeof s->mark, "%s", o->mark ? o->mark : "");
	s->name = mem_strdup(name);
	s->temporary = mem_printf(".%s.tmp", o->chunk_id);
	s->fd = openat(s->dir_fd, s->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, o->file_mode);
	return s->fd >= 0;
}

static void tell_name(struct file_sink *s, const char *name)
{
	const char *slash = strrchr(s->path, '/');
	if (s->written)
		snprintf(s->written, s->written_size, "%.*s%s", slash ? (int)(slash + 1 - s->path) : 0, s->path, name);
}

/* Gives the whole file its name: the first number that is free. */
static bool name_it(struct file_sink *s)
{
	for (unsigned n = 0; n < INDEX_MAX; n++) {
		char *name = numbered(s->name, s->mark, n);
		int rc = linkat(s->dir_fd, s->temporary, s->dir_fd, name, 0), code = errno;
		if (rc == 0)
			tell_name(s, name);
		mem_free(name);
		if (rc == 0)
			return unlinkat(s->dir_fd, s->temporary, 0) == 0;
		errno = code;
		if (code != EEXIST || !*s->mark)
			return false;
	}
	return false;
}

static bool begin_compression(struct file_sink *s)
{
	if (s->compress == FILE_GZIP)
		return deflateInit2(&s->gz, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
	if (s->compress == FILE_ZSTD) {
		s->zstd = ZSTD_createCCtx();
		return s->zstd != NULL;
	}
	return true;
}

static void free_sink(struct file_sink *s)
{
	if (s->compress == FILE_GZIP)
		deflateEnd(&s->gz);
	ZSTD_freeCCtx(s->zstd);
	if (s->fd >= 0)
		close(s->fd);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	mem_free(s->path);
	mem_free(s->name);
	mem_free(s->temporary);
	mem_free(s->out);
	mem_free(s);
}

struct file_sink *file_sink_open(const struct file_sink_options *o, struct err *err)
{
	struct file_sink *s = mem_zalloc(sizeof *s);
	char *path = mem_strdup(o->path), *name;
	s->fd = -1;
	s->compress = o->compress;
	s->out = mem_alloc(OUT_SIZE);
	s->dir_fd = open_folder(path, o->fixed, o->dir_mode, &name);
	s->path = mem_strdup(o->path);
	s->written = o->written;
	s->written_size = o->written_size;
	bool ok = s->dir_fd >= 0 && (o->append ? open_appending(s, name, o) : open_new(s, name, o));
	if (!ok)
		err_sys(err, errno, "cannot open a file for %s", o->path);
	else if (!begin_compression(s))
		ok = err_set(err, "no memory to compress %s", o->path);
	mem_free(path);
	if (ok)
		return s;
	file_sink_abandon(s);
	return NULL;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static bool write_all(struct file_sink *s, const uint8_t *p, size_t n, struct err *err)
{
	while (n) {
		ssize_t k = write(s->fd, p, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_sys(err, errno, "cannot write %s", s->path);
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static bool put_gzip(struct file_sink *s, struct span text, bool end, struct err *err)
{
	int rc = Z_OK;
	s->gz.next_in = (uint8_t *)(uintptr_t)text.p;
	size_t left = text.n;
	do {
		uInt take = left > 1u << 30 ? 1u << 30 : (uInt)left;
		s->gz.avail_in = take;
		do {
			s->gz.next_out = s->out;
			s->gz.avail_out = OUT_SIZE;
			rc = deflate(&s->gz, end && take == left ? Z_FINISH : Z_NO_FLUSH);
			if (rc == Z_STREAM_ERROR)
				return err_set(err, "zlib cannot compress %s", s->path);
			if (!write_all(s, s->out, OUT_SIZE - s->gz.avail_out, err))
				return false;
		} while (s->gz.avail_out == 0);
		left -= take;
	} while (left);
	return true;
}

static bool put_zstd(struct file_sink *s, struct span text, bool end, struct err *err)
{
	ZSTD_inBuffer in = {.src = text.p, .size = text.n};
	size_t left;
	do {
		ZSTD_outBuffer out = {.dst = s->out, .size = OUT_SIZE};
		left = ZSTD_compressStream2(s->zstd, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return err_set(err, "zstd cannot compress %s: %s", s->path, ZSTD_getErrorName(left));
		if (!write_all(s, s->out, out.pos, err))
			return false;
	} while (end ? left != 0 : in.pos < in.size);
	return true;
}

bool file_sink_put(struct file_sink *s, struct span text, struct err *err)
{
	switch (s->compress) {
	case FILE_GZIP:
		return put_gzip(s, text, false, err);
	case FILE_ZSTD:
		return put_zstd(s, text, false, err);
	default:
		break;
	}
	if (s->used + text.n > OUT_SIZE) {
		size_t used = s->used;
		s->used = 0;
		if (!write_all(s, s->out, used, err))
			return false;
	}
	if (text.n > OUT_SIZE)
		return write_all(s, text.p, text.n, err);
	memcpy(s->out + s->used, text.p, text.n);
	s->used += text.n;
	return true;
}

bool file_sink_finish(struct file_sink *s, struct err *err)
{
	bool ok = s->compress == FILE_GZIP   ? put_gzip(s, (struct span){0}, true, err)
		  : s->compress == FILE_ZSTD ? put_zstd(s, (struct span){0}, true, err)
					     : write_all(s, s->out, s->used, err);
	if (ok && fdatasync(s->fd) < 0)
		ok = err_sys(err, errno, "cannot sync %s", s->path);
	if (ok && s->temporary && !name_it(s))
		ok = err_sys(err, errno, "cannot give the file %s its name", s->path);
	if (ok && !s->temporary)
		tell_name(s, s->name);
	if (ok && sync_folder(s->dir_fd) < 0)
		ok = err_sys(err, errno, "cannot sync the folder of %s", s->path);
	if (!ok) {
		file_sink_abandon(s);
		return false;
	}
	int fd = s->fd;
	s->fd = -1;
	if (close(fd) < 0)
		ok = err_sys(err, errno, "cannot close %s", s->path);
	free_sink(s);
	return ok;
}

void file_sink_abandon(struct file_sink *s)
{
	if (!s)
		return;
	if (s->fd < 0)
		;
	else if (s->temporary)
		unlinkat(s->dir_fd, s->temporary, 0);
	else if (ftruncate(s->fd, s->start) < 0)
		(void)lseek(s->fd, s->start, SEEK_SET); /* what is there twice then is the price of a disk in error */
	free_sink(s);
}
