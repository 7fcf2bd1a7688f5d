/* held_tidy.c: the thread that goes through full chunks of the journal: what still waits is written anew, then the chunk goes. */
#include "held_impl.h"

#include "base/clock.h"

#include <semaphore.h>
#include <unistd.h>

#define KEEP_NS	   (10 * 60 * NS_PER_S) /* a full chunk is left alone for so long, */
#define KEEP_BYTES (8u << 20)		/* or until the journal has so many bytes */
#define AGAIN_NS   (10 * NS_PER_S)	/* until a chunk that could not be tidied up is tried again */

struct copying {
	struct txn txn; /* first */
	sem_t durable;
};

static void on_copied(struct txn *t)
{
	sem_post(&((struct copying *)t)->durable);
}

/* Of all holders with that @id. */
static void lock_holders(struct held *h, struct span id, void (*fn)(struct holder *holder))
{
	struct holder *holder;
	for (size_t i = 0; (holder = held_next_of(h, id, &i));)
		fn(holder);
}

static bool is_held(const struct held *h, struct span id, const uint8_t *key, uint32_t index)
{
	struct holder *holder;
	for (size_t i = 0; (holder = held_next_of(h, id, &i));)
		if (holder_has(holder, key, index))
			return true;
	return false;
}

/* Under the locks of the holders, so that no record that something of it has left comes before. */
static bool copy_waiting(struct held *h, const struct frame_view *v, const struct held_view *view, struct txn *t)
{
	struct span rest = view->waiting;
	struct held_waits w;
	struct buf entries;
	struct held_frame f = {.id = holder_id(held_holder(h, view->id)), .tag = v->tag, .key = v->key};
	bool ok = true;
	f.received_ns = v->received_ns;
	f.entries = &entries;
	buf_init(&entries, HELD_LEFT_HEAD + rest.n);
	held_begin(&entries);
	for (const uint8_t *p = rest.p; held_next_waiting(&rest, &w); p = rest.p) {
		if (!is_held(h, view->id, v->key, w.index))
			continue;
		buf_put(&entries, p, (size_t)(rest.p - p));
		f.waiting++;
	}
	pthread_mutex_lock(&h->tidy_lock);
	if (f.waiting)
		ok = !h->ended && held_append(h, &f, t);
	pthread_mutex_unlock(&h->tidy_lock);
	buf_free(&entries);
	return ok;
}

/* Writes anew what still waits of a frame. */
static bool copy_frame(struct held *h, const struct frame_view *v, struct txn *t)
{
	struct held_view view;
	bool ok = true;
	if (!held_view(v, &view) || !view.waiting.n)
		return true;
	pthread_mutex_lock(&h->holders_lock);
	if (held_holder(h, view.id)) {
		lock_holders(h, view.id, holder_lock);
		ok = copy_waiting(h, v, &view, t);
		lock_holders(h, view.id, holder_unlock);
	}
	pthread_mutex_unlock(&h->holders_lock);
	return ok;
}

static bool copy_chunk(struct held *h, struct chunk *c, struct txn *t, struct err *err)
{
	struct chunk_reader *r = chunk_reader_open(h->buffer, c, err);
	enum chunk_read is = CHUNK_FAILED;
	struct frame_view v;
	bool ok = true;
	if (!r)
		return false;
	while (ok && (is = chunk_reader_next(r, &v, err)) == CHUNK_FRAME)
		ok = copy_frame(h, &v, t);
	chunk_reader_close(r);
	return ok && is == CHUNK_END;
}

static bool has_ended(struct held *h)
{
	pthread_mutex_lock(&h->tidy_lock);
	bool ended = h->ended;
	pthread_mutex_unlock(&h->tidy_lock);
	return ended;
}

static void tidy(struct held *h, struct chunk *c)
{
	struct copying copying;
	struct err err = {0};
	sem_init(&copying.durable, 0, 0);
	txn_begin(&copying.txn, NULL, on_copied);
	bool copied = copy_chunk(h, c, &copying.txn, &err);
	txn_release(&copying.txn);
	while (sem_wait(&copying.durable) < 0)
		;
	sem_destroy(&copying.durable);
	if (!copied || txn_error(&copying.txn))
		buffer_retry(h->buffer, c, AGAIN_NS);
	else
		(void)buffer_commit(h->buffer, c, &err); /* it has logged why not */
}

/* A chunk also says which messages are complete; those may come again for a while. */
static bool is_due(struct held *h, const struct chunk *c)
{
	struct chunk_info info;
	struct buffer_stats stats;
	chunk_info(c, &info);
	buffer_stats(h->buffer, &stats);
	return !has_ended(h) &&
	       (stats.stage_bytes + stats.queue_bytes > KEEP_BYTES || clock_wall_ns() - info.created_ns > KEEP_NS);
}

void *held_tidy_main(void *arg)
{
	struct held *h = arg;
	pthread_setname_np(pthread_self(), "held");
	while (!has_ended(h)) {
		struct chunk *c = atomic_load(&h->replayed) ? buffer_take(h->buffer, 200 * NS_PER_MS) : NULL;
		if (c && is_due(h, c)) {
			tidy(h, c);
			continue;
		}
		if (c)
			buffer_release(h->buffer, c);
		usleep(100000);
	}
	return NULL;
}
