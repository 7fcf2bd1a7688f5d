/*
 * in_own_log.c: lines of the log become events. A line that is written because of such an event must not become one for ever: what the worker logs while it hands
 * them on is left out, and there are never more than so many a second. Lines that find no room are counted as refused; the log itself has them all.
 */
#include "in_own_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "entry.h"
#include "feed.h"
#include "server.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

#define WAITING_MAX 2000u /* lines */
#define SECOND_MAX  200u  /* lines a second */
#define TEXT_MAX    4096u /* bytes of one value */

struct line {
	struct line *next;
	enum log_level level;
	struct buf entry;
};

struct own_log {
	struct feed feed; /* first: on_room is handed it */
	struct source *source;
	struct worker *worker;
	struct mail mail;
	pthread_mutex_t lock; /* of what follows; taken with the logger's lock held */
	struct line *first, **last;
	unsigned waiting, this_second;
	int64_t second;
	bool posted; /* mail is on its way, or the feed is blocked */
};

/* Set while the worker hands lines on: what it logs then is about them. */
static _Thread_local bool handing_on;

/* ---- a line ---------------------------------------------------------------------------------------------------------- */

static bool put_text(struct buf *b, struct span s)
{
	if (s.n > TEXT_MAX)
		for (s.n = TEXT_MAX; s.n && (s.p[s.n] & 0xc0) == 0x80;)
			s.n--;
	return mp_put_str(b, s);
}

static bool put_fact(struct buf *b, const struct log_kv *kv)
{
	mp_put_str(b, span_str(kv->key));
	switch (kv->type) {
	case LOG_KV_STR:
		return kv->s ? put_text(b, span_str(kv->s)) : mp_put_nil(b);
	case LOG_KV_SPAN:
		return put_text(b, kv->span);
	case LOG_KV_INT:
		return mp_put_int(b, kv->i);
	case LOG_KV_UINT:
		return mp_put_uint(b, kv->u);
	case LOG_KV_REAL:
		return mp_put_double(b, kv->d);
	}
	return false;
}

static bool put_entry(struct buf *b, const char *plugin, const char *message, const struct log_kv *facts)
{
	uint32_t n = plugin ? 2 : 1;
	for (const struct log_kv *kv = facts; kv->key; kv++)
		n++;
	mp_put_array_head(b, 2);
	mp_put_event_time(b, entry_time(clock_wall_ns()));
	mp_put_map_head(b, n);
	for (const struct log_kv *kv = facts; kv->key; kv++)
		put_fact(b, kv);
	if (plugin) {
		mp_put_str(b, SPAN_LIT("plugin_id"));
		put_text(b, span_str(plugin));
	}
	mp_put_str(b, SPAN_LIT("message"));
	return put_text(b, span_str(message));
}

/* ---- the logging thread ------------------------------------------------------------------------------------------------ */

/* Whether there is room for one more; with the lock. */
static bool has_room(struct own_log *s)
{
	int64_t second = clock_mono_ns() / NS_PER_S;
	if (second != s->second) {
		s->second = second;
		s->this_second = 0;
	}
	return s->waiting < WAITING_MAX && s->this_second++ < SECOND_MAX;
}

static void on_line(
	void *arg, enum log_level level, const char *plugin, const char *message, const struct log_kv *facts)
{
	struct own_log *s = arg;
	const struct own_log_conf *c = s->source->conf;
	if (handing_on || !(c->levels & 1U << level))
		return;
	pthread_mutex_lock(&s->lock);
	bool room = has_room(s), ring = room && !s->posted;
	if (room) {
		struct line *l = mem_zalloc(sizeof *l);
		l->level = level;
		buf_init(&l->entry, 1 << 20);
		put_entry(&l->entry, plugin, message, facts);
		*s->last = l;
		s->last = &l->next;
		s->waiting++;
		s->posted = true;
	}
	pthread_mutex_unlock(&s->lock);
	counter_add(s->source->n.events, 1);
	if (!room)
		counter_add(s->source->n.refused, 1);
	if (ring)
		worker_post(s->worker, &s->mail);
}

/* ---- the worker's thread --------------------------------------------------------------------------------------------------- */

static struct line *take_line(struct own_log *s)
{
	pthread_mutex_lock(&s->lock);
	struct line *l = s->first;
	if (l) {
		s->first = l->next;
		if (!s->first)
			s->last = &s->first;
		s->waiting--;
	} else {
		s->posted = false;
	}
	pthread_mutex_unlock(&s->lock);
	return l;
}

static void free_line(struct line *l)
{
	buf_free(&l->entry);
	mem_free(l);
}

static void hand_on(struct own_log *s)
{
	struct ingest *in = feed_open(&s->feed);
	handing_on = true;
	for (struct line *l; !feed_is_blocked(&s->feed) && (l = take_line(s)); free_line(l)) {
		char tag[32];
		snprintf(tag, sizeof tag, "fluent.%s", log_level_name(l->level));
		counter_add(s->source->n.bytes, l->entry.n);
		if (l->entry.failed)
			counter_add(s->source->n.refused, 1);
		else
			ingest_events(in, span_str(tag), (struct span){0}, buf_span(&l->entry), 1);
	}
	/* Blocked: on_room goes on; `posted` stays set until then. */
	(void)!feed_close(&s->feed);
	handing_on = false;
}

static void on_mail(struct mail *m)
{
	hand_on((struct own_log *)((char *)m - offsetof(struct own_log, mail)));
}

static void on_room(struct feed *f)
{
	hand_on((struct own_log *)f);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------- */

static void *create(struct source *source, struct builder *b)
{
	struct own_log *s = mem_zalloc(sizeof *s);
	(void)b;
	s->source = source;
	s->mail.deliver = on_mail;
	s->last = &s->first;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

static void destroy(void *self)
{
	struct own_log *s = self;
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	mem_free(s);
}

static void begin(struct worker *w, void *arg)
{
	struct own_log *s = arg;
	feed_init(&s->feed, s->source, w, on_room);
}

static bool start(struct source *source, struct server *server, struct err *err)
{
	struct own_log *s = source->self;
	(void)err;
	s->worker = server_workers(server)[0];
	worker_call(s->worker, begin, s);
	log_tap(on_line, s);
	return true;
}

static void stop(struct source *source)
{
	struct own_log *s = source->self;
	if (s->worker)
		log_tap(NULL, NULL);
}

static unsigned busy(const struct source *source)
{
	struct own_log *s = source->self;
	pthread_mutex_lock(&s->lock);
	bool posted = s->posted;
	pthread_mutex_unlock(&s->lock);
	return posted;
}

/* Behind mail that is still in the worker's box. */
static void give_up(struct worker *w, void *arg)
{
	struct own_log *s = arg;
	(void)w;
	for (struct line *l; (l = take_line(s)); free_line(l))
		counter_add(s->source->n.refused, 1);
	feed_drop(&s->feed);
}

static void end(struct source *source)
{
	struct own_log *s = source->self;
	if (s->worker)
		worker_call(s->worker, give_up, s);
	s->worker = NULL;
}

static void describe(const struct source *source, struct buf *out)
{
	const struct own_log_conf *c = source->conf;
	buf_put_str(out, "weir's own log:");
	for (int level = LOG_TRACE; level <= LOG_FATAL; level++)
		if (c->levels & 1U << level)
			buf_printf(out, " fluent.%s", log_level_name((enum log_level)level));
}

static const struct input_ops ops = {
	.create = create,
	.destroy = destroy,
	.start = start,
	.stop = stop,
	.busy = busy,
	.end = end,
	.describe = describe,
};

static const struct conf_schema schema = {
	.name = "source",
	.title = "weir's own log",
	.size = sizeof(struct own_log_conf),
};

const struct plugin in_own_log = {
	.kind = PLUGIN_INPUT,
	.name = "fluent_log",
	.help = "weir's own log, for <label @FLUENT_LOG>.",
	.schema = &schema,
	.input = &ops,
};
