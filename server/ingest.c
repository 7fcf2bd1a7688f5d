#include "ingest.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conn.h"
#include "dead_letter.h"
#include "flow.h"
#include "plugin.h"
#include "repeats.h"
#include "router.h"
#include "taps.h"
#include "unmatched.h"
#include "watch.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#define RUN_MAX	    (256u << 10) /* bytes of a run of single events that become one frame */
#define STAGES_MAX  64u		 /* buffers that one turn appends to at the cost of one lock each */
#define RELABEL_MAX 16u		 /* routers that one event goes through: beyond it the configuration is a loop */

struct parked_frame {
	struct parked_frame *next;
	struct buffer *buffer;
	struct frame *frame;
	int64_t due_ns;
	size_t stage_len;
	uint8_t stage[];
};

/* What one turn has for one buffer. */
struct staged {
	struct buffer *buffer;
	struct frame *first, *last;
	size_t bytes;
};

struct ingest {
	struct worker *worker;
	struct ingest_hub *hub;
	struct taps *taps;	       /* NULL = nobody ever looks */
	const _Atomic unsigned *looks; /* how many do now */
	struct route_cache *routes;
	uint8_t key_seed[7];
	uint64_t key_counter;
	/* the turn */
	struct source *source;
	struct parked *parked;
	int64_t now_ns;
	struct txn *txn; /* of the message that is being handled */
	unsigned depth;	 /* routers it went through */
	bool in_error;	 /* in <label @ERROR> */
	uint32_t failed; /* events of the batch at hand that failed in the filter at hand, or that it keeps */
	bool lenient;	 /* a refusal is no failure of the message */
	uint64_t refusals;
	struct staged staged[STAGES_MAX];
	unsigned staged_count;
	/* the run of single events */
	struct buf run, run_tag;
	uint32_t run_count;
	/* what filters write to, in turn */
	struct buf filtered[RELABEL_MAX][2];
	struct parked_waiter *waiting;
	struct worker_tick *tick;
};

/* ---- full buffers --------------------------------------------------------------------------------------------- */

void ingest_wake(struct ingest *in)
{
	struct parked_waiter *list = in->waiting;
	in->waiting = NULL;
	if (list)
		list->prev = &list;
	while (list) {
		struct parked_waiter *w = list;
		ingest_unwait(w);
		w->wake(w);
	}
}

void ingest_wait(struct ingest *in, struct parked_waiter *w)
{
	if (w->prev)
		return;
	w->next = in->waiting;
	w->prev = &in->waiting;
	if (w->next)
		w->next->prev = &w->next;
	in->waiting = w;
}

void ingest_unwait(struct parked_waiter *w)
{
	if (!w->prev)
		return;
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->prev = NULL;
	w->next = NULL;
}

static void park(struct ingest *in, struct buffer *buffer, struct frame *f, struct span stage, int64_t due_ns)
{
	struct parked_frame *p = mem_alloc(sizeof *p + stage.n);
	*p = (struct parked_frame){.buffer = buffer, .frame = f, .due_ns = due_ns, .stage_len = stage.n};
	if (stage.n)
		memcpy(p->stage, stage.p, stage.n);
	if (in->parked->last)
		in->parked->last->next = p;
	else
		in->parked->first = p;
	in->parked->last = p;
	in->parked->bytes += frame_disk_size(f);
	conn_count_waiting(frame_disk_size(f), 0);
}

/* A frame that nobody will store: its sender gets no ack, so that it repeats the message elsewhere or later. */
static void refuse(struct ingest *in, struct frame *f, int error)
{
	counter_add(in->source->n.refused, f->count);
	struct txn *t = f->owner;
	if (t) {
		txn_fail(t, error);
		txn_release(t);
	}
	frame_free(f);
}

bool ingest_unpark(struct ingest *in, struct parked *parked)
{
	while (parked->first) {
		struct parked_frame *p = parked->first;
		struct frame *f = p->frame;
		size_t bytes = frame_disk_size(f);
		enum buffer_admit admit = buffer_admit(p->buffer, bytes);
		if (admit == BUFFER_WAIT)
			return false;
		parked->bytes -= bytes;
		conn_count_waiting(0, bytes);
		parked->first = p->next;
		if (!parked->first)
			parked->last = NULL;
		if (admit == BUFFER_OK)
			buffer_append(p->buffer, f, span_of(p->stage, p->stage_len), p->due_ns);
		else
			refuse(in, f, ENOSPC);
		mem_free(p);
	}
	return true;
}

void ingest_drop_parked(struct ingest *in, struct parked *parked)
{
	conn_count_waiting(0, parked->bytes);
	while (parked->first) {
		struct parked_frame *p = parked->first;
		parked->first = p->next;
		refuse(in, p->frame, ECANCELED);
		mem_free(p);
	}
	*parked = (struct parked){0};
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

void ingest_new_key(struct ingest *in, uint8_t key[FRAME_KEY_LEN])
{
	uint8_t counter[8];
	be64_put(counter, in->key_counter++);
	memcpy(key, in->key_seed, sizeof in->key_seed);
	memcpy(key + sizeof in->key_seed, counter + 3, 5);
}

static void hand_over(struct staged *s)
{
	buffer_append(s->buffer, s->first, (struct span){0}, 0);
	*s = (struct staged){.buffer = s->buffer};
}

static void stage_frame(struct ingest *in, struct buffer *buffer, struct frame *f)
{
	struct staged *s = in->staged, *end = s + in->staged_count;
	while (s < end && s->buffer != buffer)
		s++;
	if (s == end) {
		if (in->staged_count == STAGES_MAX) {
			buffer_append(buffer, f, (struct span){0}, 0);
			return;
		}
		in->staged_count++;
		*s = (struct staged){.buffer = buffer};
	}
	if (s->last)
		s->last->next = f;
	else
		s->first = f;
	s->last = f;
	s->bytes += frame_disk_size(f);
	if (s->bytes >= RUN_MAX)
		hand_over(s);
}

/* Gives a frame to its buffer, or parks it behind those that wait already: a peer's order is kept. */
static void give(struct ingest *in, struct buffer *buffer, struct frame *f, struct span stage, int64_t due_ns)
{
	f->owner = in->txn;
	if (in->txn)
		txn_hold(in->txn);
	enum buffer_admit admit = in->parked->first ? BUFFER_WAIT : buffer_admit(buffer, frame_disk_size(f));
	if (admit == BUFFER_WAIT) {
		park(in, buffer, f, stage, due_ns);
	} else if (admit == BUFFER_REFUSED) {
		static struct log_limit limit;
		uint64_t held;
		in->refusals++;
		if (in->lenient && in->txn) {
			f->owner = NULL;
			atomic_fetch_sub_explicit(&in->txn->pending, 1, memory_order_relaxed);
		}
		if (log_allowed(&limit, 10 * NS_PER_S, &held))
			log_error(in->source->id,
				"a buffer takes nothing more: messages for it are not acknowledged, so that their "
				"senders "
				"keep them; the messages of the buffer before this one say why",
				LOG_B("tag", frame_tag(f)), LOG_U("held_back", held));
		refuse(in, f, ENOSPC);
	} else if (stage.n || due_ns) {
		buffer_append(buffer, f, stage, due_ns);
	} else {
		stage_frame(in, buffer, f);
	}
}

void ingest_no_memory(struct ingest *in, size_t bytes, uint32_t count)
{
	static struct log_limit limit;
	uint64_t held;
	counter_add(in->source->n.refused, count);
	if (in->txn)
		txn_fail(in->txn, ENOMEM);
	if (log_allowed(&limit, 10 * NS_PER_S, &held))
		log_error(in->source->id,
			"no memory for a message: it is not acknowledged, so that its sender keeps it",
			LOG_U("bytes", bytes), LOG_U("held_back", held));
}

static struct frame *new_frame(
	struct ingest *in, enum frame_type type, struct span tag, struct span info, struct span entries, uint32_t count)
{
	struct frame *f = frame_new(type, tag, info, entries.n);
	if (!f) {
		ingest_no_memory(in, entries.n, count);
		return NULL;
	}
	memcpy(frame_entries(f), entries.p, entries.n);
	f->entries_len = entries.n;
	f->count = count;
	f->received_ns = in->now_ns;
	return f;
}

void ingest_append(struct ingest *in, struct output *o, const struct batch *b, struct span stage, int64_t due_ns)
{
	if (in->txn && repeats_has_frame(ingest_hub_repeats(in->hub), flow_buffer(o->flow), b->key)) {
		counter_add(in->source->n.repeated_events, b->count);
		return;
	}
	struct frame *f = new_frame(in, FRAME_DATA, b->tag, (struct span){0}, b->entries, b->count);
	if (!f)
		return;
	f->received_ns = b->received_ns;
	memcpy(f->key, b->key, FRAME_KEY_LEN);
	give(in, flow_buffer(o->flow), f, stage, due_ns);
}

static void dead(struct ingest *in, struct span tag, struct span raw, uint32_t count, const struct dead_letter *why)
{
	struct buf info;
	buf_init(&info, DEAD_LETTER_INFO_MAX);
	dead_letter_info(&info, why);
	struct frame *f = new_frame(in, FRAME_DEAD, tag, buf_span(&info), raw, count);
	if (f) {
		ingest_new_key(in, f->key);
		dead_letters_note(ingest_hub_dead(in->hub), f);
		give(in, dead_letters_buffer(ingest_hub_dead(in->hub)), f, (struct span){0}, 0);
	}
	buf_free(&info);
}

void ingest_dead(
	struct ingest *in, struct span tag, struct span raw, uint32_t count, const char *reason, struct txn *txn)
{
	struct txn *outer = in->txn;
	in->txn = txn;
	dead(in, tag, raw, count, &(struct dead_letter){.plugin = in->source->id, .reason = reason});
	in->txn = outer;
}

void batch_part_key(const struct batch *b, struct span what, uint8_t key[FRAME_KEY_LEN])
{
	XXH128_canonical_t out;
	XXH128_hash_t in[2] = {XXH3_128bits(b->key, FRAME_KEY_LEN), XXH3_128bits(what.p, what.n)};
	XXH128_canonicalFromHash(&out, XXH3_128bits(in, sizeof in));
	memcpy(key, out.digest, FRAME_KEY_LEN);
}

bool ingest_has_error_label(const struct ingest *in)
{
	return in->source->error_router != NULL;
}

void ingest_error(struct ingest *in, const char *plugin_id, const struct batch *b, struct span entry,
	const char *reason, const char *text)
{
	const struct router *r = in->source->error_router;
	counter_add(in->source->n.errors, 1);
	in->failed++;
	if (!r || in->in_error) {
		dead(in, b->tag, entry, 1, &(struct dead_letter){.plugin = plugin_id, .reason = reason, .text = text});
		return;
	}
	struct batch one = {.tag = b->tag, .entries = entry, .count = 1, .received_ns = b->received_ns};
	struct batch part = *b;
	uint8_t place[4];
	/* Equal events of one batch that fail are still several. */
	be32_put(place, in->failed);
	batch_part_key(&part, span_str(plugin_id), part.key);
	batch_part_key(&part, span_of(place, sizeof place), part.key);
	batch_part_key(&part, entry, one.key);
	in->in_error = true; /* what fails on the way of errors must not come back to it */
	ingest_route(in, r, &one);
	in->in_error = false;
}

/* ---- routes ------------------------------------------------------------------------------------------------------- */

static inline void show(const struct ingest *in, const char *output, const struct batch *b)
{
	if (atomic_load_explicit(in->looks, memory_order_relaxed))
		taps_show(in->taps, output, b->tag, b->entries, b->count);
}

void ingest_emit(struct ingest *in, struct output *o, const struct batch *b)
{
	show(in, o->id, b);
	counter_add(o->n.emitted_events, b->count);
	counter_add(o->n.emitted_batches, 1);
	if (o->plugin->output->emit)
		o->plugin->output->emit(o, in, b);
	else
		ingest_append(in, o, b, (struct span){0}, 0);
}

bool ingest_try_emit(struct ingest *in, struct output *o, const struct batch *b, bool ignore)
{
	uint64_t refusals = in->refusals;
	bool outer = in->lenient;
	in->lenient = outer || ignore;
	ingest_emit(in, o, b);
	in->lenient = outer;
	return in->refusals == refusals;
}

/* Events that went through too many routers become dead letters. */
static bool in_circle(struct ingest *in, const struct router *r, const struct batch *b)
{
	static struct log_limit limit;
	uint64_t held;
	if (in->depth < RELABEL_MAX)
		return false;
	if (log_allowed(&limit, 10 * NS_PER_S, &held))
		log_error(in->source->id,
			"events went through 16 labels without an end: the configuration sends them in a circle; they "
			"are dead letters now",
			LOG_B("tag", b->tag), LOG_S("label", router_label(r)), LOG_U("held_back", held));
	dead(in, b->tag, b->entries, b->count, &(struct dead_letter){.plugin = in->source->id, .reason = "label_loop"});
	return true;
}

/* The filters of a route from the one of that number on, then its output. */
static void go_through(struct ingest *in, const struct route *route, unsigned from, const struct batch *b)
{
	struct batch now = *b;
	uint32_t failed = in->failed;
	in->depth++;
	for (unsigned i = from; i < route->filter_count && now.count; i++) {
		struct filter *f = route->filters[i];
		struct buf *out = &in->filtered[in->depth - 1][i & 1];
		buf_clear(out);
		counter_add(f->n.in, now.count);
		in->failed = 0;
		uint32_t count = f->plugin->filter->apply(f, in, &now, out);
		counter_add(f->n.out, count);
		if (count + in->failed < now.count)
			counter_add(in->source->n.filtered, now.count - count - in->failed);
		now.entries = buf_span(out);
		now.count = count;
	}
	if (now.count && route->output) {
		ingest_emit(in, route->output, &now);
	} else if (now.count) {
		counter_add(in->source->n.unmatched, now.count);
		unmatched_warn(ingest_hub_unmatched(in->hub), now.tag, now.count);
	}
	in->depth--;
	in->failed = failed;
}

void ingest_route(struct ingest *in, const struct router *r, const struct batch *b)
{
	if (in->depth == 0)
		show(in, NULL, b);
	if (!in_circle(in, r, b))
		go_through(in, router_find(r, in->routes, b->tag), 0, b);
}

void ingest_route_behind(struct ingest *in, const struct router *r, const struct filter *f, const struct batch *b)
{
	const struct route *route = router_find(r, in->routes, b->tag);
	unsigned from = 0;
	while (from < route->filter_count && route->filters[from] != f)
		from++;
	if (!in_circle(in, r, b))
		go_through(in, route, from + 1, b);
}

void ingest_kept(struct ingest *in, uint32_t count)
{
	in->failed += count;
}

struct txn *ingest_txn(const struct ingest *in)
{
	return in->txn;
}

void ingest_set_txn(struct ingest *in, struct txn *t)
{
	in->txn = t;
}

bool ingest_is_repeated(struct ingest *in, const uint8_t key[FRAME_KEY_LEN], uint32_t count, struct txn *txn)
{
	if (repeats_begin(ingest_hub_repeats(in->hub), key, txn) == REPEAT_NOT)
		return false;
	counter_add(in->source->n.repeated_messages, 1);
	counter_add(in->source->n.repeated_events, count);
	return true;
}

void ingest_message(struct ingest *in, const struct batch *b, struct txn *txn)
{
	in->txn = txn;
	ingest_route(in, in->source->router, b);
	in->txn = NULL;
}

static void end_run(struct ingest *in)
{
	if (!in->run_count)
		return;
	struct batch b = {
		.tag = buf_span(&in->run_tag),
		.entries = buf_span(&in->run),
		.count = in->run_count,
		.received_ns = in->now_ns,
	};
	ingest_new_key(in, b.key);
	in->run_count = 0;
	ingest_route(in, in->source->router, &b);
	buf_clear(&in->run);
}

void ingest_events(struct ingest *in, struct span tag, struct span head, struct span entries, uint32_t count)
{
	if (in->run_count && (!span_eq(tag, buf_span(&in->run_tag)) || in->run.n + entries.n > RUN_MAX))
		end_run(in);
	if (!in->run_count) {
		buf_clear(&in->run_tag);
		buf_clear(&in->run);
		buf_put_span(&in->run_tag, tag);
	}
	if (!buf_reserve(&in->run, head.n + entries.n)) {
		in->run.failed = false; /* what is in it is whole */
		end_run(in);
		ingest_no_memory(in, entries.n, count);
		return;
	}
	buf_put_span(&in->run, head);
	buf_put_span(&in->run, entries);
	in->run_count += count;
}

void ingest_forget_routes(struct ingest *in)
{
	route_cache_forget(in->routes);
}

/* ---- a turn ------------------------------------------------------------------------------------------------------- */

void ingest_open(struct ingest *in, struct source *source, struct parked *parked)
{
	in->source = source;
	in->parked = parked;
	in->now_ns = clock_wall_ns();
	route_cache_trim(in->routes);
}

void ingest_close(struct ingest *in)
{
	end_run(in);
	for (unsigned i = 0; i < in->staged_count; i++)
		if (in->staged[i].first)
			hand_over(&in->staged[i]);
	in->staged_count = 0;
	if (in->run.cap > RUN_MAX * 4)
		buf_free(&in->run);
	for (unsigned d = 0; d < RELABEL_MAX; d++)
		for (unsigned i = 0; i < 2; i++)
			if (in->filtered[d][i].cap > RUN_MAX * 4)
				buf_free(&in->filtered[d][i]);
}

const struct watch *ingest_watch(const struct ingest *in)
{
	return ingest_hub_watch(in->hub);
}

struct worker *ingest_worker(const struct ingest *in)
{
	return in->worker;
}

int64_t ingest_now(const struct ingest *in)
{
	return in->now_ns;
}

/* A buffer's word that there is room may have been for somebody else, who has used it up: ask again each second. */
static void on_tick(void *arg)
{
	ingest_wake(arg);
}

struct ingest *ingest_new(struct worker *w, struct ingest_hub *hub)
{
	struct ingest *in = mem_zalloc(sizeof *in);
	in->worker = w;
	static const _Atomic unsigned nobody;
	in->hub = hub;
	const struct watch *watch = ingest_hub_watch(hub);
	in->taps = watch ? watch->taps : NULL;
	in->looks = in->taps ? taps_open_count(in->taps) : &nobody;
	in->routes = route_cache_new();
	buf_init(&in->run, 1u << 30);
	buf_init(&in->run_tag, 1u << 20);
	for (unsigned d = 0; d < RELABEL_MAX; d++)
		for (unsigned i = 0; i < 2; i++)
			buf_init(&in->filtered[d][i], 1u << 30);
	if (getrandom(in->key_seed, sizeof in->key_seed, 0) != sizeof in->key_seed) {
		/* Without random numbers no two keys can be promised to differ. */
		log_error(NULL, "the system gives no random numbers: leaving");
		_exit(EX_OSERR);
	}
	in->tick = worker_tick(w, on_tick, in);
	return in;
}

void ingest_free(struct ingest *in)
{
	if (!in)
		return;
	route_cache_free(in->routes);
	buf_free(&in->run);
	buf_free(&in->run_tag);
	for (unsigned d = 0; d < RELABEL_MAX; d++)
		for (unsigned i = 0; i < 2; i++)
			buf_free(&in->filtered[d][i]);
	mem_free(in);
}
