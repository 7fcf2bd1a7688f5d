#include "buffer/recover.h"

#include "base/mem.h"
#include "buffer/file_io.h"
#include "buffer/backup.h"
#include "buffer/lost_tail.h"
#include "buffer/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* ---- names ------------------------------------------------------------------------------------------------------- */

struct names {
	char (*v)[CHUNK_FILE_NAME_LEN + 1];
	size_t n, cap;
};

struct folder {
	struct names chunk, created, progress, progress_new;
	uint64_t strangers, fluentd;
	char stranger[64]; /* the first of them */
};

static void names_add(struct names *ns, const char *name)
{
	if (ns->n == ns->cap) {
		ns->cap = ns->cap ? 2 * ns->cap : 64;
		ns->v = mem_realloc(ns->v, ns->cap * sizeof *ns->v);
	}
	memcpy(ns->v[ns->n++], name, sizeof *ns->v);
}

static int compare_names(const void *a, const void *b)
{
	return memcmp(a, b, CHUNK_FILE_NAME_LEN);
}

static void names_sort(struct names *ns)
{
	if (ns->n)
		qsort(ns->v, ns->n, sizeof *ns->v, compare_names);
}

static bool names_have(const struct names *ns, const char *name)
{
	return ns->n && bsearch(name, ns->v, ns->n, sizeof *ns->v, compare_names);
}

/*
 * buffer.b5f0....log, buffer.q5f0....log, .meta beside it; fsb.KEY.b5f0....buf: fluentd's file and file_single
 * buffers.
 */
static bool is_of_fluentd(const char *file)
{
	for (const char *p = strchr(file, '.'); p; p = strchr(p + 1, '.')) {
		size_t hex = p[1] == 'b' || p[1] == 'q' ? strspn(p + 2, "0123456789abcdef") : 0;
		if (hex >= 16 && (!strncmp(p + 2 + hex, ".log", 4) || !strncmp(p + 2 + hex, ".buf", 4)))
			return true;
	}
	return false;
}

static void stranger(struct folder *f, const char *file)
{
	if (!f->strangers++) {
		size_t n = strlen(file) < sizeof f->stranger ? strlen(file) : sizeof f->stranger - 1;
		memcpy(f->stranger, file, n);
		f->stranger[n] = 0;
	}
}

static void on_name(void *arg, const char *file)
{
	struct folder *f = arg;
	char name[CHUNK_FILE_NAME_LEN + 1];
	if (chunk_file_name_is(file, ".chunk", name))
		names_add(&f->chunk, name);
	else if (chunk_file_name_is(file, ".new", name))
		names_add(&f->created, name);
	else if (chunk_file_name_is(file, ".progress", name))
		names_add(&f->progress, name);
	else if (chunk_file_name_is(file, ".progress.new", name))
		names_add(&f->progress_new, name);
	else if (is_of_fluentd(file))
		f->fluentd++;
	else if (strcmp(file, "LOCK") != 0 && strcmp(file, "backup") != 0)
		stranger(f, file);
}

static void folder_free(struct folder *f)
{
	mem_free(f->chunk.v);
	mem_free(f->created.v);
	mem_free(f->progress.v);
	mem_free(f->progress_new.v);
}

/* ---- one chunk file ---------------------------------------------------------------------------------------------- */

enum verdict { CHUNK_GOOD, CHUNK_NO_HEAD, CHUNK_UNREADABLE, CHUNK_STRANGER, CHUNK_NEWER };

struct look {
	struct buffer *b;
	const char *name;
	int fd;
	uint64_t size;
	uint8_t *bytes; /* what the head was read from */
	struct chunk_head head;
	struct chunk *chunk; /* of a good one */
	int code;	     /* why it is unreadable */
};

static enum chunk_head_is head_from_start(struct look *l, size_t most)
{
	size_t n = l->size < most ? (size_t)l->size : most;
	l->bytes = mem_realloc(l->bytes, most);
	l->code = file_io_read(l->b->vfs, l->fd, l->bytes, n, 0, false, NULL);
	return l->code ? CHUNK_HEAD_BAD : chunk_format_get_head(l->bytes, n, &l->head);
}

static bool read_last_block(struct look *l, uint8_t block[CHUNK_BLOCK])
{
	return l->size >= UINT64_C(2) * CHUNK_BLOCK && l->size % CHUNK_BLOCK == 0 &&
	       file_io_read(l->b->vfs, l->fd, block, CHUNK_BLOCK, l->size - CHUNK_BLOCK, false, NULL) == 0;
}

static enum verdict read_head(struct look *l)
{
	enum chunk_head_is is = head_from_start(l, CHUNK_BLOCK);
	if (is == CHUNK_HEAD_BAD && !l->code && l->size > CHUNK_BLOCK)
		is = head_from_start(l, CHUNK_HEAD_BLOCK_MAX);
	if (is == CHUNK_HEAD_BAD && read_last_block(l, l->bytes) && chunk_format_get_seal_head(l->bytes, &l->head))
		is = CHUNK_HEAD_GOOD;
	if (is == CHUNK_HEAD_BAD)
		return l->code ? CHUNK_UNREADABLE : CHUNK_NO_HEAD;
	return is == CHUNK_HEAD_NEWER ? CHUNK_NEWER : CHUNK_GOOD;
}

static void read_seal(struct look *l)
{
	struct chunk *c = l->chunk;
	uint8_t block[CHUNK_BLOCK];
	struct chunk_seal seal;
	struct chunk_salt salt = chunk_format_salt(c->id);
	if (!read_last_block(l, block) || !chunk_format_get_seal(block, &seal, &salt, l->size - CHUNK_BLOCK))
		return;
	c->is_sealed = true;
	c->end = l->size - CHUNK_BLOCK;
	c->known = seal.synced;
	c->records = seal.records;
	for (uint32_t i = 0; i < seal.hole_count; i++)
		chunk_add_hole(c, seal.hole[i].from, seal.hole[i].to);
	c->more_holes = seal.more_holes;
}

static enum verdict look_at_open_file(struct look *l)
{
	enum verdict v = read_head(l);
	if (v == CHUNK_GOOD) {
		l->chunk = chunk_new(l->name, &l->head);
		l->chunk->size = l->chunk->end = l->size;
		/* A file has this name only after its first group was synced. */
		l->chunk->known = l->chunk->head_length + 1;
		read_seal(l);
	}
	mem_free(l->bytes);
	return v;
}

static enum verdict look_at(struct look *l)
{
	char *path = buffer_path(l->b, l->name, ".chunk");
	l->fd = file_io_open(l->b->vfs, path, O_RDONLY, 0, &l->size);
	l->code = l->fd < 0 ? errno : 0;
	mem_free(path);
	if (l->fd < 0) /* a link, a socket; a folder, a FIFO, a device */
		return l->code == ELOOP || l->code == ENXIO || l->code == EINVAL ? CHUNK_STRANGER : CHUNK_UNREADABLE;
	enum verdict v = look_at_open_file(l);
	(void)l->b->vfs->close(l->b->vfs->ctx, l->fd);
	return v;
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

static void tell_strangers(const struct buffer *b, const struct folder *f)
{
	if (f->fluentd)
		log_warn(b->name,
			"the buffer's folder holds chunks of fluentd's file buffer, which weir does not read: they "
			"are left alone; let fluentd deliver them (stop its input and start it once more on this "
			"folder), then delete them",
			LOG_S("path", b->path), LOG_U("files", f->fluentd));
	if (f->strangers)
		log_warn(b->name, "the buffer's folder holds files that are not weir's: they are left alone",
			LOG_S("path", b->path), LOG_U("files", f->strangers), LOG_S("first", f->stranger));
}

/* A piece of a buffer that nothing depends on: only if it is a regular file, as weir makes them. */
static void remove_leftover(struct buffer *b, struct folder *f, const char *name, const char *suffix)
{
	uint64_t size;
	char *path = buffer_path(b, name, suffix);
	int fd = file_io_open(b->vfs, path, O_RDONLY, 0, &size);
	if (fd >= 0) {
		(void)b->vfs->close(b->vfs->ctx, fd);
		(void)b->vfs->unlink(b->vfs->ctx, path); /* else the next start sees it again */
	} else {
		stranger(f, path + strlen(b->path) + 1);
	}
	mem_free(path);
}

static void remove_leftovers(struct buffer *b, struct folder *f)
{
	for (size_t i = 0; i < f->created.n; i++)
		remove_leftover(b, f, f->created.v[i], ".new");
	for (size_t i = 0; i < f->progress_new.n; i++)
		remove_leftover(b, f, f->progress_new.v[i], ".progress.new");
	for (size_t i = 0; i < f->progress.n; i++)
		if (!names_have(&f->chunk, f->progress.v[i]))
			remove_leftover(b, f, f->progress.v[i], ".progress");
}

static void put_aside(struct buffer *b, const struct look *l)
{
	int code = backup_move(b, l->name);
	pthread_mutex_lock(&b->lock);
	b->count.damaged_frames++;
	b->count.damaged_bytes += l->size;
	pthread_mutex_unlock(&b->lock);
	log_error(b->name,
		"a chunk file has no readable head, so nothing in it can be delivered: it is kept in backup/; check "
		"the disk",
		LOG_S("path", b->path), LOG_S("chunk", l->name), LOG_U("bytes", l->size),
		LOG_S("error", code ? strerror(code) : NULL));
}

static void add_chunk(struct buffer *b, const struct folder *f, struct chunk *c)
{
	if (names_have(&f->progress, c->name))
		progress_read_attempts(b, c);
	pthread_mutex_lock(&b->lock);
	queue_add(&b->queue, c, c->is_sealed ? CHUNK_READY : CHUNK_LOST_TAIL);
	buffer_use(b, c->size, 0);
	pthread_mutex_unlock(&b->lock);
}

/* All has been seen and nothing forbids to go on. */
static void act(struct buffer *b, struct folder *f, struct look *looks, const enum verdict *verdicts)
{
	for (size_t i = 0; i < f->chunk.n; i++) {
		switch (verdicts[i]) {
		case CHUNK_GOOD:
			add_chunk(b, f, looks[i].chunk);
			looks[i].chunk = NULL;
			break;
		case CHUNK_NO_HEAD:
			put_aside(b, &looks[i]);
			break;
		case CHUNK_UNREADABLE:
			log_error(b->name,
				"a chunk file cannot be read: it is left alone and not delivered before the next start",
				LOG_S("path", b->path), LOG_S("chunk", looks[i].name),
				LOG_S("error", strerror(looks[i].code)));
			break;
		case CHUNK_STRANGER:
		case CHUNK_NEWER:
			stranger(f, looks[i].name);
			break;
		}
	}
	remove_leftovers(b, f);
	tell_strangers(b, f);
}

static bool look_and_act(struct buffer *b, struct folder *f, struct err *err)
{
	bool ok = true;
	struct look *looks = mem_array(f->chunk.n, sizeof *looks);
	enum verdict *verdicts = mem_array(f->chunk.n, sizeof *verdicts);
	for (size_t i = 0; i < f->chunk.n && ok; i++) {
		looks[i] = (struct look){.b = b, .name = f->chunk.v[i]};
		verdicts[i] = look_at(&looks[i]);
		if (verdicts[i] == CHUNK_NEWER)
			ok = err_set(err,
				"%s/%s.chunk was written by a newer weir: start that one again, or let it deliver "
				"the buffer first; nothing was changed",
				b->path, f->chunk.v[i]);
	}
	if (ok)
		act(b, f, looks, verdicts);
	for (size_t i = 0; i < f->chunk.n; i++)
		chunk_free(looks[i].chunk);
	mem_free(looks);
	mem_free(verdicts);
	return ok;
}

bool recover_folder(struct buffer *b, struct err *err)
{
	struct folder f = {.strangers = 0};
	if (b->vfs->list(b->vfs->ctx, b->path, on_name, &f)) {
		err_sys(err, errno, "cannot list the buffer folder %s", b->path);
		folder_free(&f);
		return false;
	}
	names_sort(&f.chunk);
	names_sort(&f.progress);
	bool ok = look_and_act(b, &f, err);
	folder_free(&f);
	return ok;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static struct chunk *next_lost_tail(struct buffer *b, const char *after)
{
	struct chunk *c = b->queue.oldest;
	while (c && (c->state != CHUNK_LOST_TAIL || memcmp(c->name, after, CHUNK_FILE_NAME_LEN) <= 0))
		c = c->next;
	return c;
}

static void *recovery_main(void *arg)
{
	struct buffer *b = arg;
	char after[CHUNK_FILE_NAME_LEN + 1] = "";
	struct lost_tail_sum sum = {.chunks = 0};
	for (;;) {
		pthread_mutex_lock(&b->lock);
		struct chunk *c = next_lost_tail(b, after);
		pthread_mutex_unlock(&b->lock);
		if (!c || b->stopping)
			break;
		memcpy(after, c->name, sizeof after);
		lost_tail_look_through(b, c, &sum);
	}
	log_info(b->name, "chunks that were left unfinished have been looked through and queued",
		LOG_U("chunks", sum.chunks), LOG_U("records", sum.records), LOG_U("torn_bytes", sum.torn_bytes),
		LOG_U("damaged_frames", sum.damaged_frames));
	pthread_mutex_lock(&b->lock);
	b->recovery_runs = false;
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

int recover_start(struct buffer *b)
{
	if (!b->queue.sum[CHUNK_LOST_TAIL].chunks)
		return 0;
	b->recovery_runs = b->recovery_started = true;
	int code = pthread_create(&b->recovery, NULL, recovery_main, b);
	if (code)
		b->recovery_runs = b->recovery_started = false;
	else
		pthread_setname_np(b->recovery, "weir-recovery");
	return code;
}

void recover_join(struct buffer *b)
{
	b->stopping = true;
	if (b->recovery_started)
		pthread_join(b->recovery, NULL);
}
