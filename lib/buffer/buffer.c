#include "buffer/buffer.h"

#include "buffer/buffer_impl.h"
#include "buffer/ledger.h"
#include "buffer/recover.h"
#include "buffer/stage.h"
#include "buffer/writer.h"

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "buffer/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	DIR_MODE = 0700,
	FILE_MODE = 0600,
};
#define LOG_INTERVAL_NS (60 * NS_PER_S)
#define INTERVAL_MAX_NS (INT64_MAX / 4) /* 73 years: a sum with the time does not overflow */

char *buffer_path(const struct buffer *b, const char *name, const char *suffix)
{
	return mem_printf("%s/%s%s", b->path, name, suffix);
}

/* In real time, whatever clock a test has put in. */
void buffer_wait(struct buffer *b, pthread_cond_t *cond, int64_t ns)
{
	struct timespec ts;
	if (ns == INT64_MAX) {
		pthread_cond_wait(cond, &b->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (time_t)(ns / NS_PER_S);
	ts.tv_nsec += (long)(ns % NS_PER_S);
	if (ts.tv_nsec >= NS_PER_S) {
		ts.tv_sec++;
		ts.tv_nsec -= NS_PER_S;
	}
	pthread_cond_timedwait(cond, &b->lock, &ts);
}

/* ---- room -------------------------------------------------------------------------------------------------------- */

void buffer_use(struct buffer *b, uint64_t more, uint64_t less)
{
	atomic_store_explicit(&b->used_bytes, b->used_bytes + more - less, memory_order_relaxed);
}

bool buffer_space_is_back(struct buffer *b)
{
	uint64_t pending = b->pending_bytes, all = b->used_bytes + pending, total = b->o.total_limit_size;
	/* With some to spare, so that nobody is woken for a single message. */
	bool room = !b->stalled && !b->space_low && pending <= b->o.pending_limit / 2 && all <= total - total / 16;
	if (room && (!all || all + b->full_for <= total))
		b->full = false;
	if (!b->space_wanted || (!room && !b->refusing))
		return false;
	b->space_wanted = false;
	return true;
}

enum room { ROOM, NO_ROOM_NOW, NO_ROOM_IN_TOTAL, NO_ROOM_EVER };

static enum room room_for(const struct buffer *b, size_t bytes)
{
	if (atomic_load_explicit(&b->refusing, memory_order_relaxed))
		return NO_ROOM_EVER;
	if (atomic_load_explicit(&b->stalled, memory_order_relaxed) ||
		atomic_load_explicit(&b->space_low, memory_order_relaxed))
		return NO_ROOM_NOW;
	uint64_t pending = atomic_load_explicit(&b->pending_bytes, memory_order_relaxed);
	uint64_t all = atomic_load_explicit(&b->used_bytes, memory_order_relaxed) + pending;
	/* What is greater than a limit goes in alone. */
	if (pending && pending + bytes > b->o.pending_limit)
		return NO_ROOM_NOW;
	return all && all + bytes > b->o.total_limit_size ? NO_ROOM_IN_TOTAL : ROOM;
}

/* Nothing is queued that could be delivered: what is staged has to go first. Under the lock. */
static void squeeze(struct buffer *b)
{
	const struct queue_sum *sum = b->queue.sum;
	if (!sum[CHUNK_STAGED].chunks || sum[CHUNK_READY].chunks || sum[CHUNK_TAKEN].chunks ||
		sum[CHUNK_DELAYED].chunks)
		return;
	b->squeeze_wanted = true;
	if (b->writer_waits)
		pthread_cond_signal(&b->work);
}

static enum buffer_admit overflow(struct buffer *b, size_t bytes)
{
	const struct queue_sum *sum = b->queue.sum;
	if (b->o.overflow == BUFFER_DROP_OLDEST && sum[CHUNK_READY].chunks + sum[CHUNK_DELAYED].chunks)
		return BUFFER_OK;
	b->full = true;
	b->full_for = bytes;
	squeeze(b);
	return b->o.overflow == BUFFER_THROW ? BUFFER_REFUSED : BUFFER_WAIT;
}

static void tell_full(struct buffer *b)
{
	uint64_t held;
	if (log_allowed(&b->full_log, LOG_INTERVAL_NS, &held))
		log_warn(b->name,
			"the buffer is full: its senders have to wait or are refused until chunks are delivered; "
			"look at why delivery is slow, or raise total_limit_size",
			LOG_S("path", b->path), LOG_U("total_limit_size", b->o.total_limit_size),
			LOG_U("used", b->used_bytes), LOG_U("held_back", held));
}

enum buffer_admit buffer_admit(struct buffer *b, size_t bytes)
{
	if (room_for(b, bytes) == ROOM)
		return BUFFER_OK;
	enum buffer_admit admit = BUFFER_OK;
	pthread_mutex_lock(&b->lock);
	enum room room = room_for(b, bytes);
	if (room == NO_ROOM_EVER)
		admit = BUFFER_REFUSED;
	else if (room == NO_ROOM_NOW)
		admit = BUFFER_WAIT;
	else if (room == NO_ROOM_IN_TOTAL)
		admit = overflow(b, bytes);
	if (admit == BUFFER_WAIT)
		b->space_wanted = true;
	pthread_mutex_unlock(&b->lock);
	if (room == NO_ROOM_IN_TOTAL && admit != BUFFER_OK)
		tell_full(b);
	return admit;
}

/* ---- input ------------------------------------------------------------------------------------------------------- */

static void finish_frame(struct frame *f, int64_t due_ns)
{
	size_t n = frame_payload_len(f);
	f->payload_crc = crc32c(0, f->payload, n);
	memset(f->payload + n, 0, frame_disk_size(f) - FRAME_HEAD_LEN - n);
	f->due_ns = due_ns;
	f->error = EINPROGRESS;
	f->stage_next = NULL;
}

void buffer_append(struct buffer *b, struct frame *list, struct span stage, int64_t due_ns)
{
	struct frame *last = NULL;
	uint64_t bytes = 0, records = 0, frames = 0;
	for (struct frame *f = list; f; last = f, f = f->next) {
		finish_frame(f, due_ns);
		bytes += frame_disk_size(f);
		records += f->count;
		frames++;
	}
	if (!last)
		return;
	pthread_mutex_lock(&b->lock);
	struct stage *s = stage_get(b, stage);
	if (s)
		s->waiting += frames;
	for (struct frame *f = list; f; f = f->next) {
		f->stage = s;
		if (!s)
			f->error = ENOMEM;
	}
	*b->incoming_end = list;
	b->incoming_end = &last->next;
	b->incoming_bytes += bytes;
	b->count.appended_records += records;
	atomic_fetch_add_explicit(&b->pending_bytes, bytes, memory_order_relaxed);
	bool wake = b->writer_waits;
	pthread_mutex_unlock(&b->lock);
	if (wake)
		pthread_cond_signal(&b->work);
}

void buffer_flush_all(struct buffer *b)
{
	pthread_mutex_lock(&b->lock);
	b->flush_wanted = true;
	queue_wake(&b->queue, 0, true);
	pthread_cond_broadcast(&b->ready);
	pthread_cond_signal(&b->work);
	pthread_mutex_unlock(&b->lock);
}

void buffer_settle(struct buffer *b)
{
	pthread_mutex_lock(&b->lock);
	uint64_t asked = ++b->settle_asked;
	pthread_cond_signal(&b->work);
	while (b->writer_runs && b->settle_done < asked)
		pthread_cond_wait(&b->idle, &b->lock);
	pthread_mutex_unlock(&b->lock);
}

static int64_t interval_of(const struct buffer_options *o)
{
	return o->flush_interval_ns > INTERVAL_MAX_NS ? INTERVAL_MAX_NS : o->flush_interval_ns;
}

void buffer_configure(struct buffer *b, const struct buffer_options *o)
{
	pthread_mutex_lock(&b->lock);
	/* The writer reads some of them without the lock, but never while it waits. */
	uint64_t asked = ++b->settle_asked;
	pthread_cond_signal(&b->work);
	while (b->writer_runs && b->settle_done < asked)
		pthread_cond_wait(&b->idle, &b->lock);
	b->o.chunk_limit_size = o->chunk_limit_size;
	b->o.chunk_limit_records = o->chunk_limit_records;
	b->o.total_limit_size = o->total_limit_size;
	b->o.min_free_bytes = o->min_free_bytes;
	b->o.pending_limit = o->pending_limit;
	b->o.flush_mode = o->flush_mode;
	b->o.flush_interval_ns = interval_of(o);
	b->o.overflow = o->overflow;
	pthread_cond_signal(&b->work);
	pthread_cond_broadcast(&b->ready);
	pthread_mutex_unlock(&b->lock);
}

/*
 * ---- what is there ------------------------------------------------------------------------------------------------
 */

static void add_sum(const struct queue_sum *sum, struct buffer_stats *s)
{
	s->queue_chunks += sum->chunks;
	s->queue_bytes += sum->bytes;
	s->queue_records += sum->records;
}

void buffer_stats(struct buffer *b, struct buffer_stats *s)
{
	pthread_mutex_lock(&b->lock);
	const struct queue_sum *sum = b->queue.sum;
	*s = b->count;
	s->stage_chunks = sum[CHUNK_STAGED].chunks;
	s->stage_bytes = sum[CHUNK_STAGED].bytes;
	s->stage_records = sum[CHUNK_STAGED].records;
	add_sum(&sum[CHUNK_LOST_TAIL], s);
	add_sum(&sum[CHUNK_READY], s);
	add_sum(&sum[CHUNK_DELAYED], s);
	add_sum(&sum[CHUNK_TAKEN], s);
	s->ledger = b->ledger.total;
	s->pending_bytes = b->pending_bytes;
	s->oldest_ns = b->queue.oldest ? b->queue.oldest->created_ns : 0;
	s->write_errno = b->stalled;
	s->full = b->full;
	s->disk_full = b->stalled == ENOSPC || b->stalled == EDQUOT || b->space_low;
	s->refusing = b->refusing != 0;
	s->recovering = b->recovery_runs;
	pthread_mutex_unlock(&b->lock);
}

bool buffer_is_empty(struct buffer *b)
{
	pthread_mutex_lock(&b->lock);
	bool empty = !b->queue.oldest && !b->pending_bytes;
	pthread_mutex_unlock(&b->lock);
	return empty;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

/*
 * Makes the folder `path`, whose last part begins at `last`, and syncs its name in the folder above: also if it was
 * there, because an earlier life may have died between the two. 0 or an errno value.
 */
static int make_folder(const struct buffer *b, char *path, char *last)
{
	const struct vfs *v = b->vfs;
	int code = v->mkdir(v->ctx, path, b->o.dir_mode ? b->o.dir_mode : DIR_MODE) ? errno : 0;
	if (code && code != EEXIST)
		return code;
	char before = last > path ? last[-1] : 0;
	if (last > path)
		last[-1] = 0;
	const char *above = last == path ? "." : last == path + 1 ? "/" : path;
	int synced = v->sync_dir(v->ctx, above) ? errno : 0;
	if (last > path)
		last[-1] = before;
	return code ? 0 : synced; /* one that weir did not make may lie in a folder that it cannot open */
}

static bool make_folders(const struct buffer *b, struct err *err)
{
	char *path = mem_strdup(b->path);
	int code = 0;
	for (char *p = path; *p && !code;) {
		p += strspn(p, "/");
		char *end = p + strcspn(p, "/"), kept = *end;
		*end = 0;
		code = make_folder(b, path, p);
		*end = kept;
		p = end;
	}
	mem_free(path);
	return code ? err_sys(err, code, "cannot make the buffer folder %s", b->path) : true;
}

void buffer_read_holder(const struct buffer *b, char *text, size_t size)
{
	if (file_io_read(b->vfs, b->lock_fd, text, size - 1, 0, false, NULL))
		text[0] = 0;
	text[size - 1] = 0;
	for (char *p = text; *p; p++)
		if (*p < ' ' || *p > '~') {
			*p = 0;
			break;
		}
}

bool buffer_take_lock(struct buffer *b, struct err *err)
{
	const struct vfs *v = b->vfs;
	char text[300];
	uint64_t size;
	char *path = buffer_path(b, "LOCK", "");
	b->lock_fd = file_io_open(v, path, O_RDWR | O_CREAT, b->o.file_mode ? b->o.file_mode : FILE_MODE, &size);
	int code = b->lock_fd < 0 ? errno : 0;
	mem_free(path);
	if (code)
		return err_sys(err, code, "cannot open %s/LOCK", b->path);
	if (v->lock(v->ctx, b->lock_fd)) {
		if (errno != EWOULDBLOCK)
			return err_sys(err, errno, "cannot lock %s/LOCK", b->path);
		buffer_read_holder(b, text, sizeof text);
		return err_set(err, "the buffer folder %s is in use by %s: two buffers cannot share a folder", b->path,
			text[0] ? text : "another one");
	}
	int n = snprintf(text, sizeof text, "process %ld, output %s\n", (long)getpid(), b->name);
	struct iovec iov = {.iov_base = text, .iov_len = n < (int)sizeof text ? (size_t)n : sizeof text - 1};
	/* Only there to be read by a person. */
	(void)v->ftruncate(v->ctx, b->lock_fd, 0);
	(void)file_io_write(v, b->lock_fd, &iov, 1, 0);
	return true;
}

struct buffer *buffer_new(const struct buffer_options *o, const struct buffer_hooks *hooks, const struct vfs *vfs)
{
	struct buffer *b = mem_zalloc(sizeof *b);
	pthread_condattr_t attr;
	size_t len = strlen(o->path);
	while (len > 1 && o->path[len - 1] == '/')
		len--;
	b->name = mem_strndup(o->name, strlen(o->name) < CHUNK_NAME_MAX ? strlen(o->name) : CHUNK_NAME_MAX);
	b->path = mem_strndup(o->path, len);
	b->backup_path = mem_printf("%s/backup", b->path);
	b->o = *o;
	b->o.flush_interval_ns = interval_of(o);
	b->hooks = *hooks;
	b->vfs = vfs;
	b->lock_fd = -1;
	b->ledger.fd = -1;
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->work, &attr);
	pthread_cond_init(&b->ready, &attr);
	pthread_cond_init(&b->idle, &attr);
	pthread_cond_init(&b->ledger.renewed, &attr);
	pthread_condattr_destroy(&attr);
	b->incoming_end = &b->incoming;
	b->stages = map_new();
	queue_init(&b->queue);
	return b;
}

void buffer_free(struct buffer *b)
{
	if (b->lock_fd >= 0)
		(void)b->vfs->close(b->vfs->ctx, b->lock_fd);
	map_free(b->stages, mem_free);
	queue_free(&b->queue);
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->work);
	pthread_cond_destroy(&b->ready);
	pthread_cond_destroy(&b->idle);
	pthread_cond_destroy(&b->ledger.renewed);
	mem_free(b->name);
	mem_free(b->path);
	mem_free(b->backup_path);
	mem_free(b);
}

static bool open_folder(struct buffer *b, struct err *err)
{
	const struct vfs *v = b->vfs;
	if (!make_folders(b, err) || !buffer_take_lock(b, err) || !recover_folder(b, err))
		return false;
	ledger_open(b);
	/* Names that an earlier life made and did not sync; and the removals just made. */
	if (v->sync_dir(v->ctx, b->path))
		return err_sys(err, errno, "cannot sync the buffer folder %s", b->path);
	const char *doubt = v->doubt(v->ctx, b->path);
	if (doubt)
		log_warn(b->name, "the buffer lies on a file system that may not keep what was acknowledged",
			LOG_S("path", b->path), LOG_S("file_system", doubt));
	int64_t left = v->free_bytes(v->ctx, b->path);
	b->space_low = left >= 0 && (uint64_t)left < b->o.min_free_bytes;
	b->writer.space_asked_ns = clock_mono_ns();
	return true;
}

static bool start_threads(struct buffer *b, struct err *err)
{
	int code = recover_start(b);
	if (!code && (code = writer_start(b)))
		recover_join(b);
	return code ? err_sys(err, code, "cannot start the threads of the buffer %s", b->path) : true;
}

struct buffer *buffer_open(
	const struct buffer_options *o, const struct buffer_hooks *hooks, const struct vfs *vfs, struct err *err)
{
	if (!o->chunk_limit_size || !o->total_limit_size || !o->pending_limit) {
		err_set(err, "chunk_limit_size, total_limit_size and the limit of pending bytes must not be 0");
		return NULL;
	}
	struct buffer *b = buffer_new(o, hooks, vfs);
	if (open_folder(b, err) && start_threads(b, err))
		return b;
	ledger_close(b, false);
	buffer_free(b);
	return NULL;
}

void buffer_end_input(struct buffer *b)
{
	pthread_mutex_lock(&b->lock);
	bool first = !b->input_ended;
	b->input_ended = true;
	pthread_cond_signal(&b->work);
	pthread_mutex_unlock(&b->lock);
	if (first)
		writer_join(b);
}

void buffer_end_output(struct buffer *b)
{
	pthread_mutex_lock(&b->lock);
	b->output_ended = true;
	pthread_cond_broadcast(&b->ready);
	pthread_mutex_unlock(&b->lock);
}

void buffer_close(struct buffer *b)
{
	if (!b)
		return;
	buffer_end_input(b);
	buffer_end_output(b);
	recover_join(b);
	ledger_close(b, true);
	if (b->unlinked) /* chunks committed since the writer ended */
		(void)b->vfs->sync_dir(b->vfs->ctx, b->path);
	buffer_free(b);
}
