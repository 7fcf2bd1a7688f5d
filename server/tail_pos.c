#include "tail_pos.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vfs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX     (64u << 20)
#define FILE_MODE    0644 /* fluentd's: it may run as another user */
#define FOLDER_MODE  0755
#define COLUMNS	     6u /* behind the path */
#define LINE_TAIL    (COLUMNS * 17u + 1)
#define UNWATCHED    UINT64_MAX
#define DROPPED_MAX  1000u /* and as many as there are entries: then the file is written anew */
#define LOG_EVERY_NS (10 * NS_PER_S)

struct tail_pos {
	char *path; /* NULL = in memory only */
	const char *id;
	int fd;
	off_t size;
	struct tail_entry **v;
	size_t n, cap;
	size_t dropped; /* lines in the file that are no entries any more */
	struct log_limit log_write;
};

/* ---- lines ------------------------------------------------------------------------------------------------------------ */

static void put_columns(const struct tail_place *at, char out[LINE_TAIL + 1])
{
	uint64_t columns[COLUMNS] = {
		at->pos, at->inode, at->generation, (uint64_t)at->born_ns, at->end, (uint64_t)at->time_ns};
	for (size_t i = 0; i < COLUMNS; i++)
		snprintf(out + i * 17, 18, "\t%016llx", (unsigned long long)columns[i]);
	out[LINE_TAIL - 1] = '\n';
	out[LINE_TAIL] = 0;
}

/* A TAB and hex digits. */
static bool take_column(const char **p, uint64_t *v)
{
	const char *text = *p + 1;
	char *end;
	if (**p != '\t' || !isxdigit((unsigned char)text[0]) || text[1] == 'x' || text[1] == 'X')
		return false;
	errno = 0;
	*v = strtoull(text, &end, 16);
	*p = end;
	return errno == 0;
}

/* A line without its end. False: it is none. */
static bool read_line(const char *line, struct tail_place *at)
{
	const char *p = strchr(line, '\t');
	uint64_t born, time;
	*at = (struct tail_place){0};
	if (!p || p == line || !take_column(&p, &at->pos) || !take_column(&p, &at->inode))
		return false;
	if (take_column(&p, &at->generation) && take_column(&p, &born) && take_column(&p, &at->end) &&
		take_column(&p, &time) && !*p) {
		at->born_ns = (int64_t)born;
		at->time_ns = (int64_t)time;
	} else {
		at->generation = at->end = 0;
	}
	return true;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

static void complain(struct tail_pos *p, const char *what, int error)
{
	uint64_t held;
	if (log_allowed(&p->log_write, LOG_EVERY_NS, &held))
		log_error(p->id,
			"the pos_file cannot be written: reading goes on; after a crash lines may be read again from "
			"an "
			"older position",
			LOG_S("path", p->path), LOG_S("step", what), LOG_S("error", strerror(error)),
			LOG_U("held_back", held));
}

static void write_at(struct tail_pos *p, const void *data, size_t n, off_t at)
{
	ssize_t done = pwrite(p->fd, data, n, at);
	if (done != (ssize_t)n)
		complain(p, "write", done < 0 ? errno : ENOSPC);
}

/* Its line; `begin` is where `out` goes to in the file. */
static void put_entry(struct tail_entry *e, off_t begin, struct buf *out)
{
	char columns[LINE_TAIL + 1];
	put_columns(&e->at, columns);
	buf_put_str(out, e->path);
	e->where = begin + (off_t)out->n;
	buf_put_str(out, columns);
}

static bool write_all(int fd, const struct buf *all)
{
	return !all->n || pwrite(fd, all->p, all->n, 0) == (ssize_t)all->n;
}

/* All lines into a new file with the old one's owner, which takes its place. */
static bool replace(struct tail_pos *p, const struct buf *all)
{
	struct stat st;
	char *temporary = mem_printf("%s.new", p->path);
	char *folder = mem_strndup(p->path, (size_t)(strrchr(p->path, '/') - p->path) + 1);
	int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(p->fd, &st) == 0 &&
		  fchown(fd, st.st_uid, st.st_gid) == 0 && fchmod(fd, st.st_mode & 07777) == 0 && write_all(fd, all) &&
		  fdatasync(fd) == 0 && rename(temporary, p->path) == 0;
	if (ok) {
		close(p->fd);
		p->fd = fd;
		ok = vfs_posix.sync_dir(vfs_posix.ctx, folder) == 0;
	} else if (fd >= 0) {
		close(fd);
		unlink(temporary);
	}
	mem_free(folder);
	mem_free(temporary);
	return ok;
}

void tail_pos_compact(struct tail_pos *p)
{
	struct buf all;
	if (!p->path)
		return;
	buf_init(&all, SIZE_MAX / 2);
	for (size_t i = 0; i < p->n; i++)
		put_entry(p->v[i], 0, &all);
	/* A file that is mounted by itself, or is somebody else's, cannot be replaced: it is written over, as fluentd does. */
	bool ok = !all.failed && (replace(p, &all) || (write_all(p->fd, &all) && ftruncate(p->fd, (off_t)all.n) == 0));
	if (!ok)
		complain(p, "compact", errno);
	p->size = (off_t)all.n;
	p->dropped = 0;
	buf_free(&all);
}

/* ---- entries -------------------------------------------------------------------------------------------------------------- */

size_t tail_pos_entries(const struct tail_pos *p, struct tail_entry *const **v)
{
	*v = p->v;
	return p->n;
}

static struct tail_entry *new_entry(struct tail_pos *p, const char *path, const struct tail_place *at)
{
	struct tail_entry *e = mem_alloc(sizeof *e);
	*e = (struct tail_entry){.path = mem_strdup(path), .at = *at};
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 16;
		p->v = mem_realloc(p->v, p->cap * sizeof(struct tail_entry *));
	}
	p->v[p->n++] = e;
	return e;
}

static void free_entry(struct tail_pos *p, size_t i)
{
	mem_free(p->v[i]->path);
	mem_free(p->v[i]);
	memmove(p->v + i, p->v + i + 1, (--p->n - i) * sizeof(struct tail_entry *));
}

struct tail_entry *tail_pos_add(struct tail_pos *p, const char *path, const struct tail_place *at)
{
	struct buf line;
	if (strpbrk(path, "\t\n"))
		return NULL;
	struct tail_entry *e = new_entry(p, path, at);
	if (!p->path)
		return e;
	buf_init(&line, FILE_MAX);
	put_entry(e, p->size, &line);
	write_at(p, line.p, line.n, p->size);
	p->size += (off_t)line.n;
	buf_free(&line);
	return e;
}

void tail_pos_put(struct tail_pos *p, struct tail_entry *e)
{
	char columns[LINE_TAIL + 1];
	if (!p->path)
		return;
	put_columns(&e->at, columns);
	write_at(p, columns, LINE_TAIL, e->where);
}

void tail_pos_drop(struct tail_pos *p, struct tail_entry *e)
{
	size_t i = 0;
	while (p->v[i] != e)
		i++;
	e->at.pos = UNWATCHED;
	tail_pos_put(p, e);
	free_entry(p, i);
	if (++p->dropped > DROPPED_MAX + p->n)
		tail_pos_compact(p);
}

void tail_pos_sync(struct tail_pos *p)
{
	if (p->path && fdatasync(p->fd) < 0)
		complain(p, "sync", errno);
}

/* ---- opening -------------------------------------------------------------------------------------------------------------------- */

/* Of lines for the same file the last counts. A path may stand there with two inodes: one was rotated and is not read to its end. */
static void add_line(struct tail_pos *p, const char *line)
{
	struct tail_place at;
	if (!read_line(line, &at)) {
		log_warn(p->id, "a line of the pos_file is none and is dropped", LOG_S("path", p->path),
			LOG_S("line", line));
		return;
	}
	char *path = mem_strndup(line, (size_t)(strchr(line, '\t') - line));
	for (size_t i = p->n; i-- > 0;) {
		struct tail_entry *e = p->v[i];
		if (e->at.inode == at.inode && strcmp(e->path, path) == 0)
			free_entry(p, i);
	}
	if (at.pos != UNWATCHED)
		new_entry(p, path, &at);
	mem_free(path);
}

static bool load(struct tail_pos *p, struct err *err)
{
	struct stat st;
	if (fstat(p->fd, &st) < 0)
		return err_sys(err, errno, "the pos_file %s cannot be read", p->path);
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return err_set(err, "the pos_file %s is no file of at most 64 MiB", p->path);
	char *text = mem_alloc((size_t)st.st_size + 1);
	ssize_t n = pread(p->fd, text, (size_t)st.st_size, 0);
	if (n < 0) {
		mem_free(text);
		return err_sys(err, errno, "the pos_file %s cannot be read", p->path);
	}
	text[n] = 0;
	for (char *line = text, *end; line < text + n; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + n - line));
		if (!end)
			end = text + n;
		*end = 0;
		if (end > line)
			add_line(p, line);
	}
	mem_free(text);
	tail_pos_compact(p);
	return true;
}

static bool make_folders(const char *path, struct err *err)
{
	char *copy = mem_strdup(path);
	bool ok = true;
	for (char *slash = strchr(copy + 1, '/'); slash && ok; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		ok = mkdir(copy, FOLDER_MODE) == 0 || errno == EEXIST || errno == EROFS || errno == EACCES;
		*slash = '/';
	}
	if (!ok)
		err_sys(err, errno, "the folder of the pos_file %s cannot be made", path);
	mem_free(copy);
	return ok;
}

static bool open_file(struct tail_pos *p, struct err *err)
{
	if (!make_folders(p->path, err))
		return false;
	p->fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, FILE_MODE);
	if (p->fd < 0)
		return err_sys(err, errno, "the pos_file %s cannot be opened", p->path);
	if (flock(p->fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(err, errno,
			"the pos_file %s is in use by another tail source, or by another weir: each needs one of its "
			"own",
			p->path);
	return load(p, err);
}

struct tail_pos *tail_pos_open(const char *path, const char *id, struct err *err)
{
	struct tail_pos *p = mem_zalloc(sizeof *p);
	p->fd = -1;
	p->id = id;
	p->path = !path ? NULL : strchr(path, '/') ? mem_strdup(path) : mem_printf("./%s", path);
	if (!path || open_file(p, err))
		return p;
	tail_pos_close(p);
	return NULL;
}

void tail_pos_close(struct tail_pos *p)
{
	if (!p)
		return;
	while (p->n)
		free_entry(p, p->n - 1);
	if (p->fd >= 0)
		close(p->fd);
	mem_free(p->v);
	mem_free(p->path);
	mem_free(p);
}
