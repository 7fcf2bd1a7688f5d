#include "dead_letter.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dead_event.h"
#include "dead_samples.h"
#include "durable.h"
#include "ingest.h"
#include "record/msgpack_scan.h"
#include "watch.h"

#include <msgpack.h>
#include <errno.h>
#include <pthread.h>

#define TELL_NS	 (10 * NS_PER_S) /* between samples in the log */
#define TAP_MAX	 (16u << 20)	 /* bytes of one list as events */
#define TEXT_MAX 1024u		 /* bytes of Elasticsearch's sentence that are kept */

struct dead_letters {
	struct buffer *buffer;
	struct metrics *metrics;
	struct dead_samples *samples; /* NULL = nobody looks */
	struct log_limit log;
	pthread_mutex_t tap_lock;
	dead_letters_tapper *tapper; /* NULL = none */
	void *tap_arg;
	_Atomic uint64_t total; /* events */
};

static int pack_write(void *data, const char *p, size_t n)
{
	return buf_put(data, p, n) ? 0 : -1;
}

static void pack_text(msgpack_packer *pk, const char *key, struct span text)
{
	size_t n = text.n > TEXT_MAX ? TEXT_MAX : text.n;
	msgpack_pack_str_with_body(pk, key, strlen(key));
	msgpack_pack_str_with_body(pk, n ? (const void *)text.p : "", n);
}

void dead_letter_info(struct buf *out, const struct dead_letter *why)
{
	msgpack_packer pk;
	msgpack_packer_init(&pk, out, pack_write);
	msgpack_pack_map(&pk, 7);
	pack_text(&pk, "plugin", span_str(why->plugin));
	pack_text(&pk, "reason", span_str(why->reason));
	pack_text(&pk, "text", span_str(why->text));
	msgpack_pack_str_with_body(&pk, "status", 6);
	msgpack_pack_unsigned_int(&pk, why->status);
	pack_text(&pk, "index", why->index);
	msgpack_pack_str_with_body(&pk, "place", 5);
	msgpack_pack_unsigned_int(&pk, why->place);
	msgpack_pack_str_with_body(&pk, "time", 4);
	msgpack_pack_int64(&pk, clock_wall_ns());
}

static bool read_value(struct span info, const char *key, struct mp_token *t)
{
	struct span value = mp_map_get(info, span_str(key));
	const uint8_t *p = value.p;
	return value.n && mp_read(&p, value.p + value.n, t) == MP_OK;
}

static struct span read_text(struct span info, const char *key)
{
	struct mp_token t;
	return read_value(info, key, &t) && t.type == MP_STR ? t.body : (struct span){0};
}

static uint64_t read_number(struct span info, const char *key)
{
	struct mp_token t;
	return read_value(info, key, &t) && t.type == MP_UINT ? t.u : 0;
}

void dead_letter_read(struct span info, struct dead_letter_view *v)
{
	*v = (struct dead_letter_view){
		.plugin = read_text(info, "plugin"),
		.reason = read_text(info, "reason"),
		.text = read_text(info, "text"),
		.index = read_text(info, "index"),
		.status = (unsigned)read_number(info, "status"),
		.place = (uint32_t)read_number(info, "place"),
		.time_ns = (int64_t)read_number(info, "time"),
	};
	if (!v->plugin.n)
		v->plugin = SPAN_LIT("unknown");
	if (!v->reason.n)
		v->reason = SPAN_LIT("unknown");
}

struct dead_letters *dead_letters_open(const char *path, uint64_t limit_bytes, bool drop_oldest, struct ingest_hub *hub,
	struct metrics *m, struct err *err)
{
	struct buffer_options o = {
		.name = "dead letters",
		.path = path,
		.chunk_limit_size = 8 << 20,
		.total_limit_size = limit_bytes,
		.pending_limit = 8 << 20,
		.flush_mode = BUFFER_FLUSH_LAZY,
		.overflow = drop_oldest ? BUFFER_DROP_OLDEST : BUFFER_BLOCK,
	};
	struct buffer_hooks hooks = {.on_durable = ingest_on_durable, .on_space = ingest_on_space, .arg = hub};
	struct buffer *b = buffer_open(&o, &hooks, &vfs_posix, err);
	if (!b) {
		err_wrap(err, "the store of dead letters cannot be opened");
		return NULL;
	}
	struct dead_letters *d = mem_zalloc(sizeof *d);
	d->buffer = b;
	d->metrics = m;
	pthread_mutex_init(&d->tap_lock, NULL);
	d->samples = ingest_hub_watch(hub) ? ingest_hub_watch(hub)->dead_samples : NULL;
	return d;
}

void dead_letters_close(struct dead_letters *d)
{
	if (!d)
		return;
	buffer_close(d->buffer);
	pthread_mutex_destroy(&d->tap_lock);
	mem_free(d);
}

struct buffer *dead_letters_buffer(struct dead_letters *d)
{
	return d->buffer;
}

uint64_t dead_letters_total(const struct dead_letters *d)
{
	return atomic_load(&d->total);
}

/* ---- those who look -------------------------------------------------------------------------------------------------- */

void dead_letters_tap(struct dead_letters *d, dead_letters_tapper *tapper, void *arg)
{
	pthread_mutex_lock(&d->tap_lock);
	d->tapper = tapper;
	d->tap_arg = arg;
	pthread_mutex_unlock(&d->tap_lock);
}

static bool has_tap(struct dead_letters *d)
{
	pthread_mutex_lock(&d->tap_lock);
	bool has = d->tapper != NULL;
	pthread_mutex_unlock(&d->tap_lock);
	return has;
}

/* Frames as events; their number. Empty if nobody wants them. */
static uint32_t make_events(struct dead_letters *d, const struct frame *list, struct buf *entries)
{
	uint32_t n = 0;
	buf_init(entries, TAP_MAX);
	if (has_tap(d))
		for (const struct frame *f = list; f; f = f->next)
			n += dead_event_put(entries, f);
	return n;
}

static void give_events(struct dead_letters *d, struct buf *take_entries, uint32_t n)
{
	pthread_mutex_lock(&d->tap_lock);
	bool take = n && !take_entries->failed && d->tapper;
	if (take)
		d->tapper(d->tap_arg, take_entries, n);
	pthread_mutex_unlock(&d->tap_lock);
	if (!take)
		buf_free(take_entries);
}

static void tell(struct dead_letters *d, const struct frame *f, const struct counter *c)
{
	struct dead_letter_view why;
	uint64_t held;
	bool allowed = log_allowed(&d->log, TELL_NS, &held);
	if (!allowed && counter_get(c))
		return; /* it is not the first of its kind */
	dead_letter_read(frame_info(f), &why);
	char *plugin = mem_strndup(why.plugin.p, why.plugin.n);
	log_warn(plugin,
		"an event was rejected for good: it is kept as a dead letter, the others go on; `weir deadletter` "
		"lists "
		"and replays them",
		LOG_U("status", why.status), LOG_B("reason", why.reason), LOG_B("field", dead_event_field(why.text)),
		LOG_B("error", why.text), LOG_B("tag", frame_tag(f)), LOG_B("index", why.index),
		LOG_U("held_back", allowed ? held : 0));
	mem_free(plugin);
}

static struct counter *counter_of(struct dead_letters *d, const struct frame *f)
{
	struct dead_letter_view v;
	dead_letter_read(frame_info(f), &v);
	char *plugin = mem_strndup(v.plugin.p, v.plugin.n), *reason = mem_strndup(v.reason.p, v.reason.n);
	char *labels = metrics_labels("plugin_id", plugin, "reason", reason, NULL);
	struct counter *c = metrics_counter(d->metrics, "weir_dead_letter_events_total", labels,
		"Events that were given up and kept as dead letters, by reason.");
	mem_free(labels);
	mem_free(plugin);
	mem_free(reason);
	return c;
}

void dead_letters_note(struct dead_letters *d, const struct frame *f)
{
	struct counter *c = counter_of(d, f);
	struct buf entries;
	dead_samples_add(d->samples, f);
	tell(d, f, c);
	counter_add(c, f->count);
	atomic_fetch_add(&d->total, f->count);
	uint32_t n = make_events(d, f, &entries);
	give_events(d, &entries, n);
}

/* ---- burial ---------------------------------------------------------------------------------------------------------- */

/* The counters of a list's frames, found before the list is given away, added to once it is durable. */
struct tally {
	struct counter *counter;
	uint64_t events;
};

static struct tally *count_up(struct dead_letters *d, const struct frame *list, size_t *n)
{
	size_t frames = 0;
	for (const struct frame *f = list; f; f = f->next)
		frames++;
	struct tally *tally = mem_array(frames, sizeof *tally);
	*n = 0;
	for (const struct frame *f = list; f; f = f->next) {
		struct counter *c = counter_of(d, f);
		size_t i = 0;
		while (i < *n && tally[i].counter != c)
			i++;
		if (i == *n) {
			tell(d, f, c);
			tally[(*n)++] = (struct tally){.counter = c};
		}
		tally[i].events += f->count;
	}
	return tally;
}

bool dead_letters_bury(struct dead_letters *d, struct frame *list, struct err *err)
{
	size_t tallies;
	struct tally *tally = count_up(d, list, &tallies);
	struct buf events;
	for (const struct frame *f = list; f; f = f->next)
		dead_samples_add(d->samples, f);
	uint32_t n = make_events(d, list, &events);
	bool ok = durable_append(d->buffer, list, (struct span){0}, 0, err);
	for (size_t i = 0; i < tallies && ok; i++) {
		counter_add(tally[i].counter, tally[i].events);
		atomic_fetch_add(&d->total, tally[i].events);
	}
	mem_free(tally);
	give_events(d, &events, ok ? n : 0);
	if (!ok && err->code == EAGAIN)
		return err_set(err, "the store of dead letters is full or its disk fails: look at what is in it with "
				    "`weir deadletter ls`, then replay or drop it");
	return ok ? true : err_wrap(err, "dead letters cannot be stored");
}
