#include "held.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "feed.h"
#include "ingest.h"
#include "repeats.h"

#include <glob.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#define LEFT_HEAD  4
#define LEFT_LEN   (FRAME_KEY_LEN + 4)
#define WAITS_HEAD (4 + 8 + 4)
#define INFO_MAX   1024
#define KEEP_NS	   (10 * 60 * NS_PER_S) /* a full chunk is left alone for so long, */
#define KEEP_BYTES (8u << 20)		/* or until the journal has so many bytes */
#define COMPLETE   'c'
#define PART	   'p'
#define AGAIN_NS   (10 * NS_PER_S) /* until a chunk that could not be tidied up is tried again */

struct held {
	struct buffer *buffer;
	struct ingest_hub *hub;
	struct metrics *metrics;
	struct holder *const *holders;
	size_t holder_count;
	_Atomic uint64_t number;
	/* what a message tells: in one thread at a time */
	pthread_mutex_t tell_lock;
	_Atomic(struct txn *) telling; /* its txn; NULL = none */
	struct frame *told, **told_end;
	struct map *found; /* what waited at start: @id, key, place to struct found */
	/* in the worker's thread */
	struct worker *worker;
	struct worker_tick *tick;
	struct feed feed;
	/* replay: all that was given to holders at start */
	struct txn replay;
	atomic_bool replayed;
	/* tidying up */
	pthread_t thread;
	bool thread_runs;
	pthread_mutex_t tidy_lock; /* over each append of the thread; of `ended` */
	bool ended;
};

/* An event that waited when weir ended. */
struct found {
	struct held_record record;
	struct holder *holder; /* NULL: nobody has that @id any more */
	uint8_t bytes[];       /* entry, tag */
};

/* ---- frames --------------------------------------------------------------------------------------------------------- */

void held_begin(struct buf *entries)
{
	uint8_t none[LEFT_HEAD] = {0};
	buf_clear(entries);
	buf_put(entries, none, sizeof none);
}

void held_put_left(struct buf *entries, const uint8_t key[FRAME_KEY_LEN], uint32_t index)
{
	uint8_t left[LEFT_LEN];
	memcpy(left, key, FRAME_KEY_LEN);
	be32_put(left + FRAME_KEY_LEN, index);
	if (buf_put(entries, left, sizeof left))
		be32_put(entries->p, be32_get(entries->p) + 1);
}

void held_put_waiting(struct buf *entries, const struct held_event *e)
{
	uint8_t head[WAITS_HEAD];
	be32_put(head, e->index);
	be64_put(head + 4, e->number);
	be32_put(head + 12, (uint32_t)e->entry.n);
	buf_put(entries, head, sizeof head);
	buf_put_span(entries, e->entry);
}

bool held_append(struct held *h, const struct held_frame *f, struct txn *owner)
{
	struct buf info;
	buf_init(&info, INFO_MAX);
	buf_put_byte(&info, f->complete ? COMPLETE : PART);
	if (f->complete)
		buf_put(&info, f->complete, FRAME_KEY_LEN);
	buf_put_str(&info, f->id);
	bool good = !info.failed && !f->entries->failed;
	struct frame *frame = good ? frame_new(FRAME_DATA, f->tag, buf_span(&info), f->entries->n) : NULL;
	buf_free(&info);
	if (!frame)
		return false;
	memcpy(frame_entries(frame), f->entries->p, f->entries->n);
	if (f->key)
		memcpy(frame->key, f->key, FRAME_KEY_LEN);
	frame->entries_len = f->entries->n;
	frame->count = f->waiting;
	frame->received_ns = f->received_ns;
	frame->owner = owner;
	if (owner)
		txn_hold(owner);
	if (owner && owner == atomic_load(&h->telling)) {
		*h->told_end = frame;
		h->told_end = &frame->next;
	} else {
		buffer_append(h->buffer, frame, (struct span){0}, 0);
	}
	return true;
}

void held_tell(struct held *h, struct txn *t)
{
	pthread_mutex_lock(&h->tell_lock);
	h->told = NULL;
	h->told_end = &h->told;
	atomic_store(&h->telling, t);
}

void held_told(struct held *h)
{
	atomic_store(&h->telling, NULL);
	buffer_append(h->buffer, h->told, (struct span){0}, 0);
	pthread_mutex_unlock(&h->tell_lock);
}

bool held_is_open(const struct held *h)
{
	return buffer_admit(h->buffer, 0) == BUFFER_OK;
}

uint64_t held_number(struct held *h)
{
	return atomic_fetch_add_explicit(&h->number, 1, memory_order_relaxed);
}

/* A frame taken apart. */
struct held_view {
	const uint8_t *complete; /* NULL or a key */
	struct span id;
	struct span left, waiting;
};

static bool view_frame(const struct frame_view *f, struct held_view *v)
{
	size_t head = 1 + (f->info.n && *f->info.p == COMPLETE ? FRAME_KEY_LEN : 0);
	if (f->info.n < head || f->entries.n < LEFT_HEAD)
		return false;
	uint64_t left = (uint64_t)be32_get(f->entries.p) * LEFT_LEN;
	if (left > f->entries.n - LEFT_HEAD)
		return false;
	v->complete = head > 1 ? f->info.p + 1 : NULL;
	v->id = span_of(f->info.p + head, f->info.n - head);
	v->left = span_of(f->entries.p + LEFT_HEAD, (size_t)left);
	v->waiting = span_of(v->left.p + left, f->entries.n - LEFT_HEAD - (size_t)left);
	return true;
}

struct waits {
	uint32_t index;
	uint64_t number;
	struct span entry;
};

static bool next_waiting(struct span *s, struct waits *w)
{
	if (s->n < WAITS_HEAD)
		return false;
	size_t n = be32_get(s->p + 12);
	if (n > s->n - WAITS_HEAD)
		return false;
	*w = (struct waits){be32_get(s->p), be64_get(s->p + 4), span_of(s->p + WAITS_HEAD, n)};
	*s = span_of(s->p + WAITS_HEAD + n, s->n - WAITS_HEAD - n);
	return true;
}

static struct holder *holder_of(const struct held *h, struct span id)
{
	for (size_t i = 0; i < h->holder_count; i++)
		if (span_eq(id, span_str(holder_id(h->holders[i]))))
			return h->holders[i];
	return NULL;
}

/* ---- what waited ------------------------------------------------------------------------------------------------------ */

static struct span name_of(struct buf *name, struct span id, const uint8_t *key, uint32_t index)
{
	uint8_t place[4];
	be32_put(place, index);
	buf_clear(name);
	buf_put_span(name, id);
	buf_put(name, key, FRAME_KEY_LEN);
	buf_put(name, place, sizeof place);
	return buf_span(name);
}

static bool add_found(
	struct held *h, struct holder *holder, struct span name, const struct frame_view *v, const struct waits *w)
{
	struct found *f = mem_try(sizeof *f + w->entry.n + v->tag.n);
	void **place = f ? map_put(h->found, name) : NULL;
	if (!place) {
		mem_free(f);
		return false;
	}
	*f = (struct found){.holder = holder};
	memcpy(f->bytes, w->entry.p, w->entry.n);
	if (v->tag.n)
		memcpy(f->bytes + w->entry.n, v->tag.p, v->tag.n);
	f->record = (struct held_record){.number = w->number, .index = w->index, .received_ns = v->received_ns};
	f->record.entry = span_of(f->bytes, w->entry.n);
	f->record.tag = span_of(f->bytes + w->entry.n, v->tag.n);
	memcpy(f->record.key, v->key, FRAME_KEY_LEN);
	mem_free(*place);
	*place = f;
	if (w->number >= atomic_load(&h->number))
		atomic_store(&h->number, w->number + 1);
	return true;
}

static bool load_frame(struct held *h, const struct frame_view *f, struct buf *name)
{
	struct held_view v;
	struct waits w;
	if (!view_frame(f, &v))
		return true;
	for (struct span s = v.left; s.n; s = span_of(s.p + LEFT_LEN, s.n - LEFT_LEN))
		mem_free(map_remove(h->found, name_of(name, v.id, s.p, be32_get(s.p + FRAME_KEY_LEN))));
	while (next_waiting(&v.waiting, &w))
		if (!add_found(h, holder_of(h, v.id), name_of(name, v.id, f->key, w.index), f, &w))
			return false;
	if (v.complete)
		repeats_add(ingest_hub_repeats(h->hub), v.complete);
	return true;
}

static bool load_chunk(struct held *h, struct chunk *c, struct err *err)
{
	struct chunk_reader *r = chunk_reader_open(h->buffer, c, err);
	struct frame_view v;
	struct buf name;
	enum chunk_read is = CHUNK_FAILED;
	bool room = true;
	if (!r)
		return false;
	buf_init(&name, INFO_MAX + LEFT_LEN);
	while (room && (is = chunk_reader_next(r, &v, err)) == CHUNK_FRAME)
		room = load_frame(h, &v, &name);
	buf_free(&name);
	chunk_reader_close(r);
	return room ? is == CHUNK_END : err_set(err, "no memory for the events that wait in it");
}

static bool load_all(struct held *h, struct err *err)
{
	struct chunk **taken = NULL, *c;
	struct buffer_stats stats = {.recovering = true};
	size_t n = 0;
	bool ok = true;
	while (ok && stats.recovering) { /* what a crash left open is queued when it has been looked through */
		buffer_stats(h->buffer, &stats);
		while (ok && (c = buffer_take(h->buffer, stats.recovering ? 20 * NS_PER_MS : 0))) {
			taken = mem_realloc(taken, (n + 1) * sizeof *taken);
			taken[n++] = c;
			ok = load_chunk(h, c, err);
		}
	}
	for (size_t i = 0; i < n; i++)
		buffer_release(h->buffer, taken[i]);
	mem_free(taken);
	return ok;
}

static void collect(void *arg)
{
	const struct held *h = arg;
	struct buffer_stats s;
	buffer_stats(h->buffer, &s);
	gauge_set(metrics_gauge(h->metrics, "weir_held_journal_bytes", NULL,
			  "Bytes of the journal of events that wait for others."),
		(int64_t)(s.stage_bytes + s.queue_bytes));
	gauge_set(metrics_gauge(h->metrics, "weir_held_journal_shut", NULL,
			  "1: the journal takes nothing (full, no disk space, failing syncs); events do not wait."),
		s.full || s.disk_full || s.refusing);
}

struct held *held_open(const char *path, struct holder *const *holders, size_t n, struct ingest_hub *hub,
	struct metrics *m, struct err *err)
{
	struct buffer_options o = {
		.name = "held events",
		.path = path,
		.chunk_limit_size = 4 << 20,
		.total_limit_size = 256 << 20,
		.pending_limit = 16 << 20,
		.flush_mode = BUFFER_FLUSH_LAZY,
		.overflow = BUFFER_BLOCK,
	};
	struct buffer_hooks hooks = {.on_durable = ingest_on_durable, .on_space = ingest_on_space, .arg = hub};
	struct buffer *b = buffer_open(&o, &hooks, &vfs_posix, err);
	if (!b) {
		err_wrap(err, "the journal of events that wait for others cannot be opened");
		return NULL;
	}
	struct held *h = mem_zalloc(sizeof *h);
	*h = (struct held){
		.buffer = b, .hub = hub, .metrics = m, .holders = holders, .holder_count = n, .found = map_new()};
	atomic_store(&h->number, (uint64_t)clock_wall_ns());
	pthread_mutex_init(&h->tidy_lock, NULL);
	pthread_mutex_init(&h->tell_lock, NULL);
	metrics_on_collect(m, collect, h);
	if (load_all(h, err)) {
		for (size_t i = 0; i < n; i++)
			holder_set_journal(holders[i], h);
		return h;
	}
	err_wrap(err, "the journal of events that wait for others cannot be read");
	held_close(h);
	return NULL;
}

/* ---- in the worker's thread --------------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	uint64_t x = (*(struct found *const *)a)->record.number, y = (*(struct found *const *)b)->record.number;
	return (x > y) - (x < y);
}

static struct found **in_order(const struct held *h, size_t *n)
{
	struct found **v = mem_array(map_count(h->found) + 1, sizeof(struct found *));
	struct map_iter i = {0};
	*n = 0;
	while (map_next(h->found, &i))
		v[(*n)++] = i.value;
	qsort(v, *n, sizeof(struct found *), by_number);
	return v;
}

static void on_replayed(struct txn *t)
{
	struct held *h = (struct held *)((char *)t - offsetof(struct held, replay));
	if (!txn_error(t))
		atomic_store(&h->replayed, true);
}

/* What full buffers did not take waits in the feed, and nothing more is given to them until there is room. */
static void close_feed(struct held *h)
{
	if (!feed_close(&h->feed))
		log_debug(NULL, "events that waited for others wait for room in a buffer");
}

static void replay(struct held *h)
{
	size_t n, orphans = 0;
	struct found **v = in_order(h, &n);
	struct ingest *in = feed_open(&h->feed);
	txn_begin(&h->replay, NULL, on_replayed);
	ingest_set_txn(in, &h->replay);
	for (size_t i = 0; i < n; i++) {
		const struct held_record *r = &v[i]->record;
		if (v[i]->holder) {
			holder_replay(v[i]->holder, in, r);
			continue;
		}
		ingest_dead(in, r->tag, r->entry, 1, "held_by_nobody", &h->replay);
		orphans++;
	}
	ingest_set_txn(in, NULL);
	close_feed(h);
	txn_release(&h->replay);
	if (n)
		log_info(
			NULL, "events that waited for others of their stream wait again", LOG_U("events", n - orphans));
	if (orphans)
		log_warn(NULL,
			"events waited for others in a plugin that the configuration does not have any more (its @id "
			"tells): they are dead letters now",
			LOG_U("events", orphans));
	mem_free(v);
	map_free(h->found, mem_free);
	h->found = NULL;
}

static void on_tick(void *arg)
{
	struct held *h = arg;
	if (feed_is_blocked(&h->feed))
		return;
	struct ingest *in = feed_open(&h->feed);
	for (size_t i = 0; i < h->holder_count; i++)
		holder_tick(h->holders[i], in, false);
	close_feed(h);
}

static void on_room(struct feed *f)
{
	(void)f;
}

static void begin(struct worker *w, void *arg)
{
	struct held *h = arg;
	h->worker = w;
	replay(h);
	h->tick = worker_tick(w, on_tick, h);
}

static void end(struct worker *w, void *arg)
{
	struct held *h = arg;
	(void)w;
	worker_untick(h->tick);
	feed_drop(&h->feed); /* what a full buffer did not take stays in the journal */
}

static void release(struct worker *w, void *arg)
{
	struct held *h = arg;
	(void)w;
	if (feed_is_blocked(&h->feed))
		return;
	struct ingest *in = feed_open(&h->feed);
	for (size_t n = 0; n < h->holder_count; n++) /* what one gives on may wait in another */
		for (size_t i = 0; i < h->holder_count; i++)
			holder_tick(h->holders[i], in, true);
	close_feed(h);
}

void held_end(struct held *h, bool release_all)
{
	if (!h || !h->worker)
		return;
	if (release_all)
		worker_call(h->worker, release, h);
	worker_call(h->worker, end, h);
	h->worker = NULL;
}

/* ---- tidying up ----------------------------------------------------------------------------------------------------------- */

struct copying {
	struct txn txn; /* first */
	sem_t durable;
};

static void on_copied(struct txn *t)
{
	sem_post(&((struct copying *)t)->durable);
}

/* Writes anew what still waits of a frame. Under the holder's lock, so that no record that something of it has left comes before. */
static bool copy_frame(struct held *h, const struct frame_view *v, struct txn *t)
{
	struct held_view view;
	struct waits w;
	struct buf entries;
	struct holder *holder = view_frame(v, &view) ? holder_of(h, view.id) : NULL;
	struct held_frame f = {.tag = v->tag, .key = v->key, .received_ns = v->received_ns, .entries = &entries};
	bool ok = true;
	if (!holder || !view.waiting.n)
		return true;
	f.id = holder_id(holder);
	buf_init(&entries, LEFT_HEAD + view.waiting.n);
	held_begin(&entries);
	holder_lock(holder);
	for (const uint8_t *p = view.waiting.p; next_waiting(&view.waiting, &w); p = view.waiting.p) {
		if (!holder_has(holder, v->key, w.index))
			continue;
		buf_put(&entries, p, (size_t)(view.waiting.p - p));
		f.waiting++;
	}
	pthread_mutex_lock(&h->tidy_lock);
	if (f.waiting)
		ok = !h->ended && held_append(h, &f, t);
	pthread_mutex_unlock(&h->tidy_lock);
	holder_unlock(holder);
	buf_free(&entries);
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

static void *tidy_main(void *arg)
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

bool held_start(struct held *h, struct worker *w, struct source *source, struct err *err)
{
	feed_init(&h->feed, source, w, on_room);
	worker_call(w, begin, h);
	int rc = pthread_create(&h->thread, NULL, tidy_main, h);
	h->thread_runs = !rc;
	return rc ? err_sys(err, rc, "the thread of the journal of held events cannot be started") : true;
}

/* When nothing waits, nothing in the journal says anything: an empty folder tells so, whoever looks. */
static void empty(struct held *h)
{
	struct chunk *c;
	struct err err;
	for (size_t i = 0; i < h->holder_count; i++)
		if (!holder_is_empty(h->holders[i]))
			return;
	while (atomic_load(&h->replayed) && (c = buffer_take(h->buffer, 0)))
		(void)buffer_commit(h->buffer, c, &err); /* it has logged why not */
}

void held_warn(const char *path)
{
	char *pattern = mem_printf("%s/*.chunk", path);
	glob_t found;
	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
		log_warn(NULL,
			"events wait in the journal of plugins that join events, and the configuration has no such "
			"plugin: "
			"they stay there; start once with the plugin (of the same @id) to have them delivered",
			LOG_S("path", path));
		globfree(&found);
	}
	mem_free(pattern);
}

void held_close(struct held *h)
{
	if (!h)
		return;
	metrics_off_collect(h->metrics, collect, h);
	pthread_mutex_lock(&h->tidy_lock);
	h->ended = true;
	pthread_mutex_unlock(&h->tidy_lock);
	buffer_end_input(h->buffer);
	if (h->thread_runs)
		pthread_join(h->thread, NULL);
	empty(h);
	buffer_close(h->buffer);
	for (size_t i = 0; i < h->holder_count; i++)
		holder_set_journal(h->holders[i], NULL);
	map_free(h->found, mem_free);
	pthread_mutex_destroy(&h->tidy_lock);
	pthread_mutex_destroy(&h->tell_lock);
	mem_free(h);
}
