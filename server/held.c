#include "held.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "held_impl.h"
#include "ingest.h"
#include "repeats.h"

#include <glob.h>
#include <pthread.h>
#include <stdlib.h>

#define INFO_MAX 1024

/* An event that waited when weir ended. */
struct found {
	struct held_record record;
	struct holder *holder; /* NULL: nobody has that @id any more */
	uint8_t bytes[];       /* entry, tag */
};

/* ---- frames --------------------------------------------------------------------------------------------------------- */

bool held_append(struct held *h, const struct held_frame *f, struct txn *owner)
{
	struct buf info;
	buf_init(&info, INFO_MAX);
	held_put_info(&info, f->id, f->complete);
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

/* ---- holders -------------------------------------------------------------------------------------------------------- */

static void add_holders(struct holders *to, struct holder **const *v, size_t n)
{
	to->v = mem_realloc(to->v, (to->n + n + 1) * sizeof(struct holder *));
	for (size_t i = 0; i < n; i++)
		to->v[to->n++] = *v[i];
}

static void set_ours(struct held *h, struct holder **const *holders, size_t n)
{
	h->ours.n = 0;
	add_holders(&h->ours, holders, n);
	h->places = holders;
}

static void each(const struct holders *list, void (*fn)(struct holder *holder, void *arg), void *arg)
{
	for (size_t i = 0; i < list->n; i++)
		fn(list->v[i], arg);
}

static void set_journal(struct holder *holder, void *arg)
{
	holder_set_journal(holder, arg);
}

struct holder *held_nth(const struct held *h, size_t i)
{
	if (i < h->ours.n)
		return h->ours.v[i];
	i -= h->ours.n;
	return i < h->leaving.n ? h->leaving.v[i] : NULL;
}

struct holder *held_next_of(const struct held *h, struct span id, size_t *i)
{
	struct holder *holder;
	while ((holder = held_nth(h, (*i)++)))
		if (span_eq(id, span_str(holder_id(holder))))
			return holder;
	return NULL;
}

struct holder *held_holder(const struct held *h, struct span id)
{
	size_t i = 0;
	return held_next_of(h, id, &i);
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
	struct held *h, struct holder *holder, struct span name, const struct frame_view *v, const struct held_waits *w)
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
	struct held_waits w;
	if (!held_view(f, &v))
		return true;
	for (struct span s = v.left; s.n; s = span_of(s.p + HELD_LEFT_LEN, s.n - HELD_LEFT_LEN))
		mem_free(map_remove(h->found, name_of(name, v.id, s.p, be32_get(s.p + FRAME_KEY_LEN))));
	while (held_next_waiting(&v.waiting, &w))
		if (!add_found(h, held_holder(h, v.id), name_of(name, v.id, f->key, w.index), f, &w))
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
	buf_init(&name, INFO_MAX + HELD_LEFT_LEN);
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

struct held *held_open(const char *path, struct holder **const *holders, size_t n, struct ingest_hub *hub,
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
	*h = (struct held){.buffer = b, .hub = hub, .metrics = m, .found = map_new()};
	set_ours(h, holders, n);
	atomic_store(&h->number, (uint64_t)clock_wall_ns());
	pthread_mutex_init(&h->tidy_lock, NULL);
	pthread_mutex_init(&h->holders_lock, NULL);
	pthread_mutex_init(&h->tell_lock, NULL);
	metrics_on_collect(m, collect, h);
	if (load_all(h, err)) {
		each(&h->ours, set_journal, h);
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
	if (feed_is_blocked(&h->feed) || !held_nth(h, 0))
		return;
	struct ingest *in = feed_open(&h->feed);
	for (size_t i = 0; i < h->leaving.n; i++)
		holder_tick(h->leaving.v[i], in, true);
	for (size_t i = 0; i < h->ours.n; i++)
		holder_tick(h->ours.v[i], in, false);
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
	if (feed_is_blocked(&h->feed) || !held_nth(h, 0))
		return;
	struct ingest *in = feed_open(&h->feed);
	struct holder *holder;
	for (size_t n = 0; held_nth(h, n); n++) /* what one gives on may wait in another */
		for (size_t i = 0; (holder = held_nth(h, i)); i++)
			holder_tick(holder, in, true);
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

/* ---- a reload ----------------------------------------------------------------------------------------------------------- */

/* One more; what one of before holds is its own, if they are the same. */
static void take_in(struct held *h, struct holder **place)
{
	holder_set_journal(*place, h);
	for (size_t i = 0; i < h->ours.n; i++)
		if (holder_exchange(place, h->places[i]))
			return;
}

void held_take_over(struct held *h, struct holder **const *holders, size_t n, struct source *source)
{
	pthread_mutex_lock(&h->holders_lock);
	for (size_t i = 0; i < n; i++)
		take_in(h, holders[i]);
	add_holders(&h->leaving, h->places, h->ours.n);
	set_ours(h, holders, n);
	pthread_mutex_unlock(&h->holders_lock);
	if (source)
		h->feed.source = source;
}

static void flush_leaving(struct worker *w, void *arg)
{
	(void)w;
	on_tick(arg);
}

void held_flush_leaving(struct held *h)
{
	worker_call(h->worker, flush_leaving, h);
}

bool held_is_leaving(const struct held *h)
{
	return h->leaving.n > 0;
}

bool held_has_left(const struct held *h)
{
	for (size_t i = 0; i < h->leaving.n; i++)
		if (!holder_is_empty(h->leaving.v[i]))
			return false;
	return true;
}

void held_forget_left(struct held *h)
{
	pthread_mutex_lock(&h->holders_lock);
	h->leaving.n = 0;
	pthread_mutex_unlock(&h->holders_lock);
}

/* ---- the beginning and the end ------------------------------------------------------------------------------------------ */

bool held_start(struct held *h, struct worker *w, struct source *source, struct err *err)
{
	feed_init(&h->feed, source, w, on_room);
	worker_call(w, begin, h);
	int rc = pthread_create(&h->thread, NULL, held_tidy_main, h);
	h->thread_runs = !rc;
	return rc ? err_sys(err, rc, "the thread of the journal of held events cannot be started") : true;
}

/* When nothing waits, nothing in the journal says anything: an empty folder tells so, whoever looks. */
static void empty(struct held *h)
{
	struct chunk *c;
	struct err err;
	for (size_t i = 0; held_nth(h, i); i++)
		if (!holder_is_empty(held_nth(h, i)))
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
	each(&h->ours, set_journal, NULL);
	each(&h->leaving, set_journal, NULL);
	mem_free(h->ours.v);
	mem_free(h->leaving.v);
	map_free(h->found, mem_free);
	pthread_mutex_destroy(&h->tidy_lock);
	pthread_mutex_destroy(&h->holders_lock);
	pthread_mutex_destroy(&h->tell_lock);
	mem_free(h);
}
