/*
 * The taking side: flush threads.
 */
#include "buffer/backup.h"
#include "buffer/buffer_impl.h"
#include "buffer/crash_point.h"
#include "buffer/ledger.h"
#include "buffer/progress.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* In real time, whatever clock a test has put in. */
static int64_t real_mono_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* A stage chunk that this thread could have at once; the writer seals it. Under the lock. */
static void ask_for_stage(struct buffer *b)
{
	if (b->o.flush_mode == BUFFER_FLUSH_IMMEDIATE && b->queue.sum[CHUNK_STAGED].chunks && b->writer_waits)
		pthread_cond_signal(&b->work);
}

/*
 * Waits for a change, at most until `deadline` (real time) or until a retry is due. Under the lock. False at the
 * deadline.
 */
static bool wait_for_chunk(struct buffer *b, int64_t deadline)
{
	int64_t now = real_mono_ns(), due = queue_next_due(&b->queue);
	int64_t until = deadline;
	if (now >= deadline)
		return false;
	if (due != INT64_MAX && due - clock_mono_ns() < until - now)
		until = now + (due - clock_mono_ns());
	b->takers++;
	ask_for_stage(b);
	buffer_wait(b, &b->ready, until == INT64_MAX ? INT64_MAX : until - now);
	b->takers--;
	return true;
}

struct chunk *buffer_take(struct buffer *b, int64_t timeout_ns)
{
	int64_t now = real_mono_ns();
	int64_t deadline = timeout_ns < 0 || timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
	struct chunk *c = NULL;
	pthread_mutex_lock(&b->lock);
	while (!b->output_ended) {
		queue_wake(&b->queue, clock_mono_ns(), false);
		c = queue_first_ready(&b->queue);
		if (c) {
			queue_set_state(&b->queue, c, CHUNK_TAKEN);
			break;
		}
		if (!wait_for_chunk(b, deadline))
			break;
	}
	/* This thread may have been the one that watched for the next retry, or woke several: another takes over. */
	if (b->takers && (b->queue.ready.n || b->queue.delayed.n))
		pthread_cond_signal(&b->ready);
	pthread_mutex_unlock(&b->lock);
	return c;
}

int buffer_remove_files(struct buffer *b, const struct chunk *c)
{
	char *path = buffer_path(b, c->name, ".chunk");
	int code = b->vfs->unlink(b->vfs->ctx, path) && errno != ENOENT ? errno : 0;
	mem_free(path);
	if (code)
		return code;
	crash_point(CRASH_CHUNK_UNLINKED);
	if (c->has_progress) { /* second: without it the chunk would be delivered from its beginning if it came back */
		path = buffer_path(b, c->name, ".progress");
		(void)b->vfs->unlink(b->vfs->ctx, path); /* else start-up removes it */
		mem_free(path);
		crash_point(CRASH_PROGRESS_UNLINKED);
	}
	if (c->has_blame) {
		path = buffer_path(b, c->name, ".blame");
		(void)b->vfs->unlink(b->vfs->ctx, path);
		mem_free(path);
	}
	pthread_mutex_lock(&b->lock);
	if (!b->unlinked) {
		b->unlinked = true;
		b->unlinked_ns = clock_mono_ns();
		if (b->writer_waits)
			pthread_cond_signal(&b->work);
	}
	pthread_mutex_unlock(&b->lock);
	return 0;
}

/* The file of a damaged chunk whose damage could not be copied is itself the copy. */
static int put_away(struct buffer *b, const struct chunk *c)
{
	if (!c->keep_file)
		return buffer_remove_files(b, c);
	int code = backup_move(b, c->name, ".chunk");
	return code ? code : buffer_remove_files(b, c);
}

bool buffer_commit(struct buffer *b, struct chunk *c, struct err *err)
{
	ledger_commit(b, c, LEDGER_DELIVERED);
	int code = put_away(b, c);
	if (code) {
		log_error(b->name,
			"the file of a chunk that was delivered cannot be removed: it will be delivered again after "
			"the next start unless it is deleted by hand before",
			LOG_S("path", b->path), LOG_S("chunk", c->name), LOG_S("error", strerror(code)));
		err_sys(err, code, "cannot remove %s/%s.chunk", b->path, c->name);
	}
	pthread_mutex_lock(&b->lock);
	queue_remove(&b->queue, c);
	ledger_count(b, c);
	buffer_use(b, 0, c->size);
	bool space = buffer_space_is_back(b);
	pthread_mutex_unlock(&b->lock);
	chunk_free(c);
	if (space)
		b->hooks.on_space(b->hooks.arg);
	return code == 0;
}

/* Somebody has removed its file. Nothing can be delivered of it, and nothing else may wait for it. */
static void strike_out(struct buffer *b, struct chunk *c)
{
	uint64_t held;
	ledger_commit(b, c, LEDGER_LOST);
	(void)buffer_remove_files(b, c); /* its progress */
	if (log_allowed(&b->missing_log, NS_PER_S, &held))
		log_error(b->name,
			"the file of a chunk is not there any more: what was in it and not delivered yet is lost; "
			"nobody "
			"but weir may remove files from its buffer",
			LOG_S("path", b->path), LOG_S("chunk", c->name), LOG_U("records", c->outcome.lost),
			LOG_U("held_back", held));
	pthread_mutex_lock(&b->lock);
	queue_remove(&b->queue, c);
	ledger_count(b, c);
	buffer_use(b, 0, c->size);
	b->count.missing_chunks++;
	bool space = buffer_space_is_back(b);
	pthread_mutex_unlock(&b->lock);
	chunk_free(c);
	if (space)
		b->hooks.on_space(b->hooks.arg);
}

static void put_back(struct buffer *b, struct chunk *c, enum chunk_state state)
{
	if (c->is_missing) {
		strike_out(b, c);
		return;
	}
	pthread_mutex_lock(&b->lock);
	queue_set_state(&b->queue, c, state);
	pthread_cond_signal(&b->ready);
	pthread_mutex_unlock(&b->lock);
}

void buffer_retry(struct buffer *b, struct chunk *c, int64_t delay_ns)
{
	if (c->attempts < UINT32_MAX)
		c->attempts++;
	buffer_hold(b, c, delay_ns);
}

void buffer_hold(struct buffer *b, struct chunk *c, int64_t delay_ns)
{
	if (!c->first_failed_ns) {
		c->first_failed_ns = clock_wall_ns();
		c->failed_mono_ns = clock_mono_ns();
	}
	int code = c->is_missing ? 0 : progress_save_attempts(b, c);
	uint64_t held;
	if (code && log_allowed(&b->progress_log, 60 * NS_PER_S, &held))
		log_warn(b->name,
			"the number of retries of a chunk could not be saved: after a restart it is counted from "
			"what was saved last",
			LOG_S("path", b->path), LOG_S("chunk", c->name), LOG_S("error", strerror(code)),
			LOG_U("held_back", held));
	int64_t now = clock_mono_ns();
	c->due_ns = delay_ns > INT64_MAX - now ? INT64_MAX - 1 : now + delay_ns;
	put_back(b, c, delay_ns > 0 ? CHUNK_DELAYED : CHUNK_READY);
}

void buffer_release(struct buffer *b, struct chunk *c)
{
	put_back(b, c, CHUNK_READY);
}

/* A step of the wall clock must not use up the time that a chunk may be tried. */
static int64_t failing_for(const struct chunk *c)
{
	if (!c->first_failed_ns)
		return 0;
	int64_t ns = c->failed_mono_ns ? clock_mono_ns() - c->failed_mono_ns : clock_wall_ns() - c->first_failed_ns;
	return ns > 0 ? ns : 0;
}

void chunk_account(struct chunk *c, const struct buffer_ledger *outcome)
{
	c->outcome = *outcome;
	c->has_outcome = true;
}

void chunk_info(const struct chunk *c, struct chunk_info *info)
{
	_Static_assert(sizeof info->id > CHUNK_FILE_NAME_LEN, "a name fits");
	*info = (struct chunk_info){
		.bytes = c->size,
		.records = c->records,
		.created_ns = c->created_ns,
		.attempts = c->attempts,
		.first_failed_ns = c->first_failed_ns,
		.failing_ns = failing_for(c),
		.stage = span_of(c->stage, c->stage_len),
	};
	memcpy(info->id, c->name, CHUNK_FILE_NAME_LEN);
}
