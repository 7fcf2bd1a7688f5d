#include "buffer/recover.h"

#include "base/mem.h"
#include "buffer/backup.h"
#include "buffer/blame.h"
#include "buffer/chunk_look.h"
#include "buffer/file_io.h"
#include "buffer/folder_list.h"
#include "buffer/lost_tail.h"
#include "buffer/progress.h"

#include <errno.h>
#include <fcntl.h>

/* ---- the folder -------------------------------------------------------------------------------------------------- */

static void tell_strangers(const struct buffer *b, const struct folder_list *f)
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
static void remove_leftover(struct buffer *b, struct folder_list *f, const char *name, const char *suffix)
{
	uint64_t size;
	char *path = buffer_path(b, name, suffix);
	int fd = file_io_open(b->vfs, path, O_RDONLY, 0, &size);
	if (fd >= 0) {
		(void)b->vfs->close(b->vfs->ctx, fd);
		(void)b->vfs->unlink(b->vfs->ctx, path); /* else the next start sees it again */
	} else {
		folder_list_add_stranger(f, path + strlen(b->path) + 1);
	}
	mem_free(path);
}

static void remove_leftovers(struct buffer *b, struct folder_list *f)
{
	for (size_t i = 0; i < f->created.n; i++)
		remove_leftover(b, f, f->created.v[i], ".new");
	for (size_t i = 0; i < f->progress_new.n; i++)
		remove_leftover(b, f, f->progress_new.v[i], ".progress.new");
	for (size_t i = 0; i < f->progress.n; i++)
		if (!folder_list_has(&f->chunk, f->progress.v[i]))
			remove_leftover(b, f, f->progress.v[i], ".progress");
	for (size_t i = 0; i < f->blame.n; i++)
		if (!folder_list_has(&f->chunk, f->blame.v[i]))
			remove_leftover(b, f, f->blame.v[i], ".blame");
}

static void put_aside(struct buffer *b, const struct chunk_look *l)
{
	int code = backup_move(b, l->name, ".chunk");
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

static void add_chunk(struct buffer *b, const struct folder_list *f, struct chunk *c)
{
	if (folder_list_has(&f->progress, c->name))
		progress_read_attempts(b, c);
	if (folder_list_has(&f->blame, c->name))
		blame_read(b, c);
	pthread_mutex_lock(&b->lock);
	queue_add(&b->queue, c, c->is_sealed && !b->mend ? CHUNK_READY : CHUNK_LOST_TAIL);
	buffer_use(b, c->size, 0);
	pthread_mutex_unlock(&b->lock);
}

/* All has been seen and nothing forbids to go on. */
static void act(struct buffer *b, struct folder_list *f, struct chunk_look *looks, const enum chunk_look_is *verdicts)
{
	for (size_t i = 0; i < f->chunk.n; i++) {
		switch (verdicts[i]) {
		case CHUNK_LOOK_GOOD:
			add_chunk(b, f, looks[i].chunk);
			looks[i].chunk = NULL;
			break;
		case CHUNK_LOOK_NO_HEAD:
			put_aside(b, &looks[i]);
			break;
		case CHUNK_LOOK_UNREADABLE:
			log_error(b->name,
				"a chunk file cannot be read: it is left alone and not delivered before the next start",
				LOG_S("path", b->path), LOG_S("chunk", looks[i].name),
				LOG_S("error", strerror(looks[i].code)));
			break;
		case CHUNK_LOOK_STRANGER:
		case CHUNK_LOOK_NEWER:
			folder_list_add_stranger(f, looks[i].name);
			break;
		}
	}
	remove_leftovers(b, f);
	tell_strangers(b, f);
}

static bool look_and_act(struct buffer *b, struct folder_list *f, struct err *err)
{
	bool ok = true;
	struct chunk_look *looks = mem_array(f->chunk.n, sizeof *looks);
	enum chunk_look_is *verdicts = mem_array(f->chunk.n, sizeof *verdicts);
	for (size_t i = 0; i < f->chunk.n && ok; i++) {
		looks[i] = (struct chunk_look){.b = b, .name = f->chunk.v[i]};
		verdicts[i] = chunk_look_at(&looks[i]);
		if (verdicts[i] == CHUNK_LOOK_NEWER)
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
	struct folder_list f;
	int code = folder_list_read(&f, b->vfs, b->path);
	bool ok = code ? err_sys(err, code, "cannot list the buffer folder %s", b->path) : look_and_act(b, &f, err);
	folder_list_free(&f);
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
