#include "buffer/blame.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "buffer/file_io.h"

#include <fcntl.h>
#include <unistd.h>

enum {
	ENTRY = 16,
	READ_MAX = 1024 * ENTRY, /* the latest ones */
	LIMIT = 3,
	FILE_MODE = 0600,
};

/* ---- start-up ---------------------------------------------------------------------------------------------------- */

static unsigned count_equal(const uint8_t *p, size_t n, const uint8_t *entry)
{
	unsigned count = 0;
	for (size_t i = 0; i < n; i += ENTRY)
		count += memcmp(p + i, entry, ENTRY) == 0;
	return count;
}

static void judge(const struct buffer *b, struct chunk *c, const uint8_t *p, size_t n)
{
	uint64_t salt = chunk_format_salt(c->id).place;
	for (size_t i = 0; i < n; i += ENTRY) {
		uint64_t at = le64_get(p + i);
		if (le64_get(p + i + 8) != (at ^ salt) || count_equal(p, i, p + i))
			continue;
		unsigned times = count_equal(p, n, p + i);
		log_warn(b->name,
			"weir has crashed at work on a message of this chunk; the third time it is set aside and the "
			"others go "
			"on; please report the crash",
			LOG_S("chunk", c->name), LOG_U("at", at), LOG_U("times", times));
		if (times < LIMIT)
			continue;
		c->poison = mem_realloc(c->poison, (c->poison_count + 1) * sizeof *c->poison);
		c->poison[c->poison_count++] = at;
	}
}

void blame_read(struct buffer *b, struct chunk *c)
{
	uint64_t size;
	char *path = buffer_path(b, c->name, ".blame");
	int fd = file_io_open(b->vfs, path, O_RDONLY, 0, &size);
	mem_free(path);
	c->has_blame = true; /* even if it is not good: it goes with the chunk */
	if (fd < 0)
		return;
	size -= size % ENTRY;
	size_t n = size < READ_MAX ? (size_t)size : READ_MAX;
	uint8_t *p = mem_alloc(READ_MAX);
	if (file_io_read(b->vfs, fd, p, n, size - n, false, NULL) == 0)
		judge(b, c, p, n);
	mem_free(p);
	(void)b->vfs->close(b->vfs->ctx, fd);
}

/* ---- a thread at work -------------------------------------------------------------------------------------------- */

static _Thread_local const struct blame *volatile at_work;

void blame_init(struct blame *l, const struct buffer *b, const struct chunk *c)
{
	/* A signal handler has the system calls, and no other file system. */
	bool is_noted = b->vfs == &vfs_posix && !b->look_only;
	*l = (struct blame){
		.path = is_noted ? buffer_path(b, c->name, ".blame") : NULL,
		.salt = chunk_format_salt(c->id).place,
	};
}

void blame_free(struct blame *l)
{
	blame_nobody();
	mem_free(l->path);
}

void blame_frame(struct blame *l, uint64_t at)
{
	l->at = at;
	at_work = l->path ? l : NULL;
}

void blame_nobody(void)
{
	at_work = NULL;
}

void buffer_on_crash(void)
{
	const struct blame *l = at_work;
	uint8_t entry[ENTRY];
	at_work = NULL;
	if (!l)
		return;
	le64_put(entry, l->at);
	le64_put(entry + 8, l->at ^ l->salt);
	int fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
	if (fd < 0)
		return;
	/* Not synced: the process ends, the machine goes on. If there is no room the next crash tries again. */
	ssize_t written = write(fd, entry, sizeof entry);
	(void)written;
	close(fd);
}
