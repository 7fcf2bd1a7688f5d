#include "in_dead_letters.h"

#include "base/mem.h"
#include "dead_event.h"
#include "dead_letter.h"
#include "feed.h"
#include "server.h"

#include <pthread.h>
#include <stddef.h>

#define WAITING_MAX (8u << 20) /* bytes */

struct given {
	struct given *next;
	struct buf entries;
	uint32_t events;
};

struct dead_source {
	struct feed feed; /* first: on_room is handed it */
	struct source *source;
	struct worker *worker;
	struct dead_letters *dead;
	struct mail mail;
	pthread_mutex_t lock; /* of what follows */
	struct given *first, **last;
	size_t waiting; /* bytes */
	bool posted;	/* mail is on its way, or the feed is blocked */
};

/* Any thread: those that give events up. */
static void on_dead(void *arg, struct buf *take_entries, uint32_t events)
{
	struct dead_source *s = arg;
	size_t bytes = take_entries->n;
	pthread_mutex_lock(&s->lock);
	bool room = s->waiting + bytes <= WAITING_MAX, ring = room && !s->posted;
	if (room) {
		struct given *g = mem_zalloc(sizeof *g);
		g->entries = *take_entries;
		g->events = events;
		*s->last = g;
		s->last = &g->next;
		s->waiting += bytes;
		s->posted = true;
	}
	pthread_mutex_unlock(&s->lock);
	counter_add(s->source->n.events, events);
	if (!room) {
		counter_add(s->source->n.refused, events);
		buf_free(take_entries);
	}
	if (ring)
		worker_post(s->worker, &s->mail);
}

/* ---- the worker's thread --------------------------------------------------------------------------------------------- */

static struct given *take(struct dead_source *s)
{
	pthread_mutex_lock(&s->lock);
	struct given *g = s->first;
	if (g) {
		s->first = g->next;
		if (!s->first)
			s->last = &s->first;
		s->waiting -= g->entries.n;
	} else {
		s->posted = false;
	}
	pthread_mutex_unlock(&s->lock);
	return g;
}

static void free_given(struct given *g)
{
	buf_free(&g->entries);
	mem_free(g);
}

static void hand_on(struct dead_source *s)
{
	struct ingest *in = feed_open(&s->feed);
	for (struct given *g; !feed_is_blocked(&s->feed) && (g = take(s)); free_given(g)) {
		counter_add(s->source->n.bytes, g->entries.n);
		ingest_events(in, SPAN_LIT(DEAD_EVENT_TAG), (struct span){0}, buf_span(&g->entries), g->events);
	}
	/* Blocked: on_room goes on; `posted` stays set until then. */
	(void)!feed_close(&s->feed);
}

static void on_mail(struct mail *m)
{
	hand_on((struct dead_source *)((char *)m - offsetof(struct dead_source, mail)));
}

static void on_room(struct feed *f)
{
	hand_on((struct dead_source *)f);
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

static void *create(struct source *source, struct builder *b)
{
	struct dead_source *s = mem_zalloc(sizeof *s);
	(void)b;
	s->source = source;
	s->mail.deliver = on_mail;
	s->last = &s->first;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

static void destroy(void *self)
{
	struct dead_source *s = self;
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	mem_free(s);
}

static void begin(struct worker *w, void *arg)
{
	struct dead_source *s = arg;
	feed_init(&s->feed, s->source, w, on_room);
}

static bool start(struct source *source, struct server *server, struct err *err)
{
	struct dead_source *s = source->self;
	(void)err;
	s->worker = server_workers(server)[0];
	s->dead = server_dead_letters(server);
	worker_call(s->worker, begin, s);
	dead_letters_tap(s->dead, on_dead, s);
	return true;
}

static void stop(struct source *source)
{
	struct dead_source *s = source->self;
	if (s->worker)
		dead_letters_tap(s->dead, NULL, NULL);
}

static unsigned busy(const struct source *source)
{
	struct dead_source *s = source->self;
	pthread_mutex_lock(&s->lock);
	bool posted = s->posted;
	pthread_mutex_unlock(&s->lock);
	return posted;
}

/* Behind mail that is still in the worker's box. */
static void give_up(struct worker *w, void *arg)
{
	struct dead_source *s = arg;
	(void)w;
	for (struct given *g; (g = take(s)); free_given(g))
		counter_add(s->source->n.refused, g->events);
	feed_drop(&s->feed);
}

static void end(struct source *source)
{
	struct dead_source *s = source->self;
	if (s->worker)
		worker_call(s->worker, give_up, s);
	s->worker = NULL;
}

static void describe(const struct source *source, struct buf *out)
{
	(void)source;
	buf_put_str(out, "dead letters as events: " DEAD_EVENT_TAG);
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
	.title = "dead letters as events",
	.size = sizeof(struct conf_common),
};

const struct plugin in_dead_letters = {
	.kind = PLUGIN_INPUT,
	.name = "dead_letters",
	.help = "Dead letters as events, for <label @DEAD_LETTER>.",
	.schema = &schema,
	.input = &ops,
};
