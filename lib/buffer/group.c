/*
 * group.c: from waiting frames to durable ones.
 *
 *     gather --> link by stage --> for each stage: append, sync [, rename, sync folder] --> publish --> report
 *                                       |  write fails: roll back, stall, all is tried again after a second
 *                                       |  sync fails: the file is retired, the frames go to a new one at once;
 *                                       '  for the third time in ten minutes: refuse
 */
#include "buffer/group.h"

#include "base/clock.h"
#include "buffer/crash_point.h"
#include "buffer/ledger.h"
#include "buffer/stage.h"

#include <errno.h>
#include <string.h>

#define GROUP_BYTES	(UINT64_C(8) * 1024 * 1024)
#define STALL_NS	NS_PER_S
#define SYNC_WINDOW_NS	(600 * NS_PER_S)
#define SLOW_SYNC_NS	NS_PER_S
#define LOG_INTERVAL_NS (60 * NS_PER_S)

void group_gather(struct buffer *b)
{
	struct writer *w = &b->writer;
	if (w->group || !b->incoming)
		return;
	w->group = b->incoming;
	if (b->incoming_bytes <= GROUP_BYTES) {
		b->incoming = NULL;
		b->incoming_end = &b->incoming;
		b->incoming_bytes = 0;
		return;
	}
	uint64_t bytes = 0;
	struct frame **end = &w->group;
	for (; *end && bytes < GROUP_BYTES; end = &(*end)->next)
		bytes += frame_disk_size(*end);
	b->incoming = *end;
	*end = NULL;
	if (!b->incoming)
		b->incoming_end = &b->incoming;
	b->incoming_bytes -= bytes;
}

/* ---- reporting --------------------------------------------------------------------------------------------------- */

/* Reports the frames at the head of the group that are decided: so each producer gets its frames in order. */
static void report(struct buffer *b)
{
	struct writer *w = &b->writer;
	struct frame *list = w->group, **end = &w->group;
	uint64_t bytes = 0, good = 0, bad = 0;
	for (; *end && (*end)->error != EINPROGRESS; end = &(*end)->next) {
		bytes += frame_disk_size(*end);
		*((*end)->error ? &bad : &good) += (*end)->count;
	}
	if (end == &w->group)
		return;
	w->group = *end;
	*end = NULL;
	pthread_mutex_lock(&b->lock);
	for (struct frame *f = list; f; f = f->next)
		if (f->stage && !--f->stage->waiting)
			stage_tidy(b, f->stage);
	b->count.durable_records += good;
	b->count.failed_records += bad;
	atomic_fetch_sub_explicit(&b->pending_bytes, bytes, memory_order_relaxed);
	bool space = buffer_space_is_back(b);
	pthread_mutex_unlock(&b->lock);
	b->hooks.on_durable(b->hooks.arg, list);
	if (space)
		b->hooks.on_space(b->hooks.arg);
	crash_point(CRASH_GROUP_REPORTED);
}

static void decide(struct frame *list, int error)
{
	for (; list; list = list->stage_next)
		list->error = error;
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

/* Nothing can be written now: input waits, delivery goes on, the group is tried again in a second. */
static void stall(struct buffer *b, int code)
{
	struct writer *w = &b->writer;
	uint64_t held;
	w->stalled_until_ns = clock_mono_ns() + STALL_NS;
	pthread_mutex_lock(&b->lock);
	b->count.write_errors++;
	atomic_store(&b->stalled, code);
	pthread_mutex_unlock(&b->lock);
	if (!log_allowed(&w->stall_log, LOG_INTERVAL_NS, &held))
		return;
	if (code == ENOSPC || code == EDQUOT)
		log_error(b->name,
			"the disk of the buffer is full: nothing is acknowledged until there is room again, delivery "
			"goes on, weir tries again each second; free some space or make the volume larger",
			LOG_S("path", b->path), LOG_S("error", strerror(code)), LOG_U("held_back", held));
	else
		log_error(b->name,
			"the buffer cannot be written: nothing is acknowledged meanwhile, delivery goes on, weir "
			"tries again each second; look at the folder, its rights and its disk",
			LOG_S("path", b->path), LOG_S("error", strerror(code)), LOG_U("held_back", held));
}

static void end_stall(struct buffer *b)
{
	if (!atomic_load_explicit(&b->stalled, memory_order_relaxed))
		return;
	pthread_mutex_lock(&b->lock);
	atomic_store(&b->stalled, 0);
	pthread_mutex_unlock(&b->lock);
	log_info(b->name, "the buffer can be written again", LOG_S("path", b->path));
}

/* True if this failure is one too many. */
static bool too_many_sync_failures(struct writer *w)
{
	int64_t now = clock_mono_ns();
	unsigned at = w->sync_failures++ % WRITER_SYNC_FAILURES;
	w->sync_failed_ns[at] = now;
	int64_t oldest = w->sync_failed_ns[(at + 1) % WRITER_SYNC_FAILURES];
	return w->sync_failures >= WRITER_SYNC_FAILURES && now - oldest < SYNC_WINDOW_NS;
}

/*
 * A sync has failed: what the page cache shows of the file need not be on the disk, and a second sync would say that
 * all is well (fsync(2), since Linux 4.13 an error is told once). So the file is given up and its frames, which are
 * still here, go to another. A full disk may show up in a sync too; that is no sign of a bad disk.
 */
static void sync_failed(struct buffer *b, const char *name, int code)
{
	struct writer *w = &b->writer;
	uint64_t held;
	pthread_mutex_lock(&b->lock);
	b->count.sync_errors++;
	pthread_mutex_unlock(&b->lock);
	if (code == ENOSPC || code == EDQUOT) {
		stall(b, code);
		return;
	}
	if (log_allowed(&w->sync_log, NS_PER_S, &held))
		log_error(b->name,
			"a chunk file could not be synced: it is given up, what was acknowledged of it is delivered, "
			"the rest is written to a new file; look at the disk",
			LOG_S("path", b->path), LOG_S("chunk", name), LOG_S("error", strerror(code)),
			LOG_U("held_back", held));
	if (!too_many_sync_failures(w))
		return;
	pthread_mutex_lock(&b->lock);
	atomic_store(&b->refusing, code);
	atomic_store(&b->stalled, 0);
	pthread_mutex_unlock(&b->lock);
	w->alarm_ns = 0;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static bool fits(const struct buffer *b, uint64_t size, uint64_t records, const struct frame *f)
{
	return chunk_format_block_up(size + frame_disk_size(f)) + CHUNK_BLOCK /* the seal */ <= b->o.chunk_limit_size &&
	       (!b->o.chunk_limit_records || records + f->count <= b->o.chunk_limit_records);
}

/* The last frame of the stage's work that goes into the file as it is now: at least the first. */
static struct frame *last_that_fits(const struct buffer *b, const struct stage *s)
{
	const struct chunk_file *f = &s->file;
	struct frame *last = s->work;
	uint64_t size = (f->end ? f->end : f->head.length) + frame_disk_size(last);
	uint64_t records = f->records + last->count;
	while (last->stage_next && fits(b, size, records, last->stage_next)) {
		last = last->stage_next;
		size += frame_disk_size(last);
		records += last->count;
	}
	return last;
}

/* As full as makes sense: fluentd's chunk_full_threshold. */
static bool is_full(const struct buffer *b, const struct chunk_file *f)
{
	return f->end >= b->o.chunk_limit_size - b->o.chunk_limit_size / 20 ||
	       (b->o.chunk_limit_records && f->records >= b->o.chunk_limit_records);
}

static void count_sync(struct buffer *b, int64_t ns)
{
	size_t bucket = 0, last = sizeof b->count.sync_buckets / sizeof b->count.sync_buckets[0] - 1;
	for (int64_t limit = NS_PER_MS / 4; ns > limit && bucket < last; limit *= 4)
		bucket++;
	pthread_mutex_lock(&b->lock);
	b->count.syncs++;
	b->count.sync_ns_sum += (uint64_t)ns;
	b->count.sync_buckets[bucket]++;
	pthread_mutex_unlock(&b->lock);
	uint64_t held;
	if (ns > SLOW_SYNC_NS && log_allowed(&b->writer.slow_log, LOG_INTERVAL_NS, &held))
		log_warn(b->name, "the disk took more than a second to sync: senders wait that long for their acks",
			LOG_S("path", b->path), LOG_D("seconds", (double)ns / (double)NS_PER_S),
			LOG_U("held_back", held));
}

static int sync_file(struct buffer *b, struct chunk_file *f)
{
	int64_t start = clock_mono_ns();
	int code = chunk_file_sync(f);
	count_sync(b, clock_mono_ns() - start);
	return code;
}

/* Some of what was appended may be in the file. Nothing of it was synced. */
static void write_failed(struct buffer *b, struct stage *s, int code)
{
	if (s->file.is_new)
		stage_abandon(b, s);
	else if (chunk_file_roll_back(&s->file))
		stage_retire(b, s);
	stall(b, code);
}

/* Appends the frames and makes them durable. True if they are; otherwise the failure has been dealt with. */
static bool commit_frames(struct buffer *b, struct stage *s, struct frame *frames)
{
	struct chunk_file *f = &s->file;
	bool was_new = f->is_new;
	int code = chunk_file_append(f, frames);
	if (code) {
		write_failed(b, s, code);
		return false;
	}
	bool is_sync = true;
	code = sync_file(b, f);
	if (!code && was_new) {
		code = chunk_file_rename(f);
		is_sync = code == 0;
		if (!code)
			code = chunk_file_sync_name(f);
	}
	if (!code)
		return true;
	char name[CHUNK_FILE_NAME_LEN + 1];
	memcpy(name, f->name, sizeof name);
	if (was_new)
		stage_abandon(b, s);
	else
		stage_retire(b, s);
	if (is_sync)
		sync_failed(b, name, code);
	else
		stall(b, code);
	return false;
}

static void note_due(struct stage *s, const struct frame *list)
{
	for (; list; list = list->stage_next)
		if (list->due_ns && (!s->due_ns || list->due_ns < s->due_ns))
			s->due_ns = list->due_ns;
}

/* One file's share of a stage's work. False if nothing can be written now. */
static bool write_share(struct buffer *b, struct stage *s)
{
	int refusing = atomic_load_explicit(&b->refusing, memory_order_relaxed);
	if (refusing) {
		decide(s->work, refusing);
		s->work = NULL;
		return true;
	}
	if (s->is_open && !fits(b, s->file.end, s->file.records, s->work))
		stage_seal(b, s);
	int code = s->is_open ? 0 : stage_open_file(b, s);
	if (code) {
		stall(b, code);
		return false;
	}
	struct frame *last = last_that_fits(b, s), *rest = last->stage_next;
	last->stage_next = NULL;
	bool done = commit_frames(b, s, s->work);
	if (done) {
		note_due(s, s->work);
		decide(s->work, 0);
		stage_publish(b, s);
		s->work = rest;
		end_stall(b);
		if (is_full(b, &s->file))
			stage_seal(b, s);
		return true;
	}
	last->stage_next = rest;
	return atomic_load_explicit(&b->stalled, memory_order_relaxed) == 0;
}

/* Deals the group's undecided frames out to their stages. */
static void link_stages(struct writer *w)
{
	struct stage **end = &w->touched;
	for (struct frame *f = w->group; f; f = f->next) {
		struct stage *s = f->stage;
		if (f->error != EINPROGRESS)
			continue;
		if (!s->is_touched) {
			s->is_touched = true;
			s->next_touched = NULL;
			s->work_end = &s->work;
			*end = s;
			end = &s->next_touched;
		}
		f->stage_next = NULL;
		*s->work_end = f;
		s->work_end = &f->stage_next;
	}
}

static void unlink_stage(struct buffer *b, struct stage *s)
{
	s->work = NULL;
	pthread_mutex_lock(&b->lock);
	s->is_touched = false;
	stage_tidy(b, s);
	pthread_mutex_unlock(&b->lock);
}

/* overflow_action drop_oldest_chunk: the input goes on at the price of the oldest chunk that nobody has taken. */
static void make_room(struct buffer *b)
{
	uint64_t held;
	for (;;) {
		pthread_mutex_lock(&b->lock);
		struct chunk *c = NULL;
		if (b->used_bytes + b->pending_bytes > b->o.total_limit_size)
			c = queue_first_droppable(&b->queue);
		if (c)
			queue_set_state(&b->queue, c, CHUNK_TAKEN);
		pthread_mutex_unlock(&b->lock);
		if (!c)
			return;
		ledger_commit(b, c, LEDGER_DROPPED);
		int code = buffer_remove_files(b, c);
		pthread_mutex_lock(&b->lock);
		queue_remove(&b->queue, c);
		ledger_count(b, c);
		buffer_use(b, 0, c->size);
		b->count.dropped_chunks++;
		b->count.dropped_records += c->outcome.dropped;
		pthread_mutex_unlock(&b->lock);
		if (log_allowed(&b->full_log, NS_PER_S, &held))
			log_error(b->name,
				"the buffer is full: its oldest chunk was thrown away undelivered, as "
				"overflow_action drop_oldest_chunk says; raise total_limit_size or look at why "
				"delivery is slow",
				LOG_S("chunk", c->name), LOG_U("records", c->outcome.dropped), LOG_U("bytes", c->size),
				LOG_S("error", code ? strerror(code) : NULL), LOG_U("held_back", held));
		chunk_free(c);
	}
}

void group_write(struct buffer *b, bool last_try)
{
	struct writer *w = &b->writer;
	if (b->o.overflow == BUFFER_DROP_OLDEST)
		make_room(b);
	link_stages(w);
	bool go_on = true;
	while (w->touched) {
		struct stage *s = w->touched;
		w->touched = s->next_touched;
		while (s->work && go_on) {
			go_on = write_share(b, s);
			report(b);
		}
		if (last_try)
			decide(s->work, atomic_load(&b->stalled));
		unlink_stage(b, s);
	}
	report(b);
}
