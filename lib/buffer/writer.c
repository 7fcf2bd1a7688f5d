/*
 * The writer has no state but what lies in the buffer: it does all that is due, then sleeps until it is woken or
 * something is.
 */
#include "buffer/writer.h"

#include "base/clock.h"
#include "buffer/group.h"
#include "buffer/ledger.h"
#include "buffer/stage.h"

#include <errno.h>
#include <string.h>

#define QUIET_NS    NS_PER_S /* then a mark proves the last group */
#define TIDY_NS	    NS_PER_S /* then removed chunks are removed for good */
#define SPACE_NS    NS_PER_S /* between questions after free space */
#define ALARM_NS    (60 * NS_PER_S)
#define WALL_CAP_NS (60 * NS_PER_S) /* the wall clock may be set meanwhile, so look at it again */

/* What the writer was asked for, read under the lock at the start of a pass. */
struct asked {
	bool flush, squeeze, ended, tidy;
	unsigned seals; /* flush threads that wait for a stage chunk (immediate) */
	uint64_t settle;
};

static struct asked look_around(struct buffer *b, int64_t now)
{
	struct asked a = {
		.flush = b->flush_wanted,
		.squeeze = b->squeeze_wanted,
		.ended = b->input_ended,
		.tidy = b->unlinked && (now >= b->unlinked_ns + TIDY_NS || b->input_ended),
		.settle = b->settle_asked,
	};
	b->flush_wanted = b->squeeze_wanted = false;
	if (a.tidy)
		b->unlinked = false;
	if (now >= b->writer.stalled_until_ns || !b->stalled || b->input_ended)
		group_gather(b);
	return a;
}

/*
 * ---- what comes with time
 * -------------------------------------------------------------------------------------------
 */

/*
 * Asks for free space while something is written or is waiting for it: once a second, and whenever a part of what is to
 * be kept free may have been used up.
 */
static void ask_for_space(struct buffer *b, int64_t now)
{
	struct writer *w = &b->writer;
	bool was_low = b->space_low;
	uint64_t used = atomic_load_explicit(&b->used_bytes, memory_order_relaxed);
	bool soon = used > w->space_asked_bytes + b->o.min_free_bytes / 8;
	if (!b->o.min_free_bytes || (now < w->space_asked_ns + SPACE_NS && !soon) || (!w->group && !was_low))
		return;
	w->space_asked_ns = now;
	w->space_asked_bytes = used;
	int64_t left = b->vfs->free_bytes(b->vfs->ctx, b->path);
	bool low = left >= 0 && (uint64_t)left < b->o.min_free_bytes;
	if (low == was_low)
		return;
	pthread_mutex_lock(&b->lock);
	atomic_store(&b->space_low, low);
	bool space = buffer_space_is_back(b);
	pthread_mutex_unlock(&b->lock);
	if (low)
		log_error(b->name,
			"the disk of the buffer is nearly full: input waits, delivery goes on; free some space or "
			"make the volume larger",
			LOG_S("path", b->path), LOG_I("free_bytes", left), LOG_U("kept_free", b->o.min_free_bytes));
	else
		log_info(b->name, "the disk of the buffer has room again", LOG_S("path", b->path),
			LOG_I("free_bytes", left));
	if (space)
		b->hooks.on_space(b->hooks.arg);
}

static void sound_alarm(struct buffer *b, int64_t now)
{
	struct writer *w = &b->writer;
	int code = b->refusing;
	if (!code || now < w->alarm_ns)
		return;
	w->alarm_ns = now + ALARM_NS;
	log_error(b->name,
		"the disk of the buffer fails: syncs failed again and again, so nothing is taken in or acknowledged "
		"until weir is started again; what is in the buffer is being delivered; replace the disk or move the "
		"buffer, then restart",
		LOG_S("path", b->path), LOG_S("error", strerror(code)));
}

static bool is_due(const struct buffer *b, const struct stage *s, int64_t now)
{
	if (b->o.flush_mode == BUFFER_FLUSH_INTERVAL && now >= s->flush_ns)
		return true;
	return s->due_ns && clock_wall_ns() >= s->due_ns;
}

static bool wants_mark(const struct stage *s)
{
	return s->file.proven < s->file.durable;
}

static void tend_stages(struct buffer *b, struct asked *a, int64_t now)
{
	struct stage *next;
	for (struct stage *s = b->writer.open_first; s; s = next) {
		next = s->next_open;
		bool on_demand = a->seals > 0;
		if (a->ended || a->flush || a->squeeze || on_demand || is_due(b, s, now)) {
			a->seals -= on_demand;
			stage_seal(b, s);
		} else if (wants_mark(s) && now >= s->last_write_ns + QUIET_NS) {
			if (chunk_file_mark(&s->file))
				s->last_write_ns = now; /* no room for it: not again before the next second */
		}
	}
}

/* Removals that no sync of the folder covers would come back after a power cut, and be delivered twice. */
static void tidy(struct buffer *b)
{
	ledger_tidy(b);
	if (b->vfs->sync_dir(b->vfs->ctx, b->path))
		log_warn(b->name,
			"the buffer's folder could not be synced: after a power cut chunks that were delivered may "
			"be delivered again",
			LOG_S("path", b->path), LOG_S("error", strerror(errno)));
}

/* ---- sleep ------------------------------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When something is due without anybody asking, monotonic. Under the lock. */
static int64_t next_due(const struct buffer *b, int64_t now)
{
	const struct writer *w = &b->writer;
	int64_t due = INT64_MAX;
	if (w->group || (b->incoming && b->stalled))
		due = earlier(due, w->stalled_until_ns);
	if (b->unlinked)
		due = earlier(due, b->unlinked_ns + TIDY_NS);
	if (b->space_low)
		due = earlier(due, w->space_asked_ns + SPACE_NS);
	if (b->refusing)
		due = earlier(due, w->alarm_ns);
	for (const struct stage *s = w->open_first; s; s = s->next_open) {
		if (b->o.flush_mode == BUFFER_FLUSH_INTERVAL)
			due = earlier(due, s->flush_ns);
		if (s->due_ns)
			due = earlier(due, now + earlier(s->due_ns - clock_wall_ns(), WALL_CAP_NS));
		if (wants_mark(s))
			due = earlier(due, s->last_write_ns + QUIET_NS);
	}
	return due;
}

static unsigned seals_wanted(const struct buffer *b)
{
	if (b->o.flush_mode != BUFFER_FLUSH_IMMEDIATE || b->takers <= b->queue.ready.n)
		return 0;
	return b->takers - (unsigned)b->queue.ready.n;
}

static bool is_wanted(const struct buffer *b, int64_t now)
{
	if (b->incoming && !b->writer.group && (!b->stalled || now >= b->writer.stalled_until_ns))
		return true;
	return b->flush_wanted || b->squeeze_wanted || b->input_ended || (seals_wanted(b) && b->writer.open_first);
}

/* Sleeps until there is something to do, unless there is. Under the lock. */
static void rest(struct buffer *b, const struct asked *a)
{
	int64_t now = clock_mono_ns(), due = next_due(b, now);
	if (is_wanted(b, now) || due <= now)
		return;
	if (a->settle != b->settle_asked)
		return;
	b->settle_done = a->settle;
	pthread_cond_broadcast(&b->idle);
	b->writer_waits = true;
	buffer_wait(b, &b->work, due == INT64_MAX ? INT64_MAX : due - now);
	b->writer_waits = false;
}

static bool is_done(const struct buffer *b, const struct asked *a)
{
	return a->ended && !b->incoming && !b->writer.group;
}

static void *writer_main(void *arg)
{
	struct buffer *b = arg;
	struct asked a;
	for (;;) {
		int64_t now = clock_mono_ns();
		pthread_mutex_lock(&b->lock);
		a = look_around(b, now);
		pthread_mutex_unlock(&b->lock);
		ask_for_space(b, now);
		if (b->writer.group && (a.ended || !b->stalled || now >= b->writer.stalled_until_ns))
			group_write(b, a.ended);
		pthread_mutex_lock(&b->lock);
		a.seals = seals_wanted(b);
		pthread_mutex_unlock(&b->lock);
		tend_stages(b, &a, clock_mono_ns());
		if (a.tidy)
			tidy(b);
		sound_alarm(b, now);
		pthread_mutex_lock(&b->lock);
		bool done = is_done(b, &a);
		if (!done)
			rest(b, &a);
		pthread_mutex_unlock(&b->lock);
		if (done)
			break;
	}
	pthread_mutex_lock(&b->lock);
	b->settle_done = b->settle_asked;
	b->writer_runs = false;
	pthread_cond_broadcast(&b->idle);
	pthread_cond_broadcast(&b->ready);
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

int writer_start(struct buffer *b)
{
	b->writer_runs = true;
	int code = pthread_create(&b->writer.thread, NULL, writer_main, b);
	if (code)
		b->writer_runs = false;
	else
		pthread_setname_np(b->writer.thread, "weir-writer");
	return code;
}

void writer_join(struct buffer *b)
{
	pthread_join(b->writer.thread, NULL);
}
