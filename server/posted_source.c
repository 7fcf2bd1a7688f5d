#include "posted_source.h"

#include "base/mem.h"
#include "feed.h"
#include "pipeline.h"
#include "worker.h"

#include <pthread.h>
#include <stddef.h>

#define WAITING_MAX (8u << 20) /* bytes */

struct posted {
	struct posted *next;
	struct span tag;
	struct buf entries;
	uint32_t events;
};

struct posted_source {
	struct feed feed; /* first: on_room is handed it */
	struct source *source;
	struct worker *worker; /* NULL: not started, or ended */
	struct mail mail;
	pthread_mutex_t lock; /* of what follows */
	struct posted *first, **last;
	size_t waiting; /* bytes */
	bool busy;	/* mail is on its way, or the feed is blocked */
};

/* The source whose events this thread hands on. */
static _Thread_local const struct posted_source *here;

/* ---- the threads that post ------------------------------------------------------------------------------------------- */

static void free_posted(struct posted *e)
{
	buf_free(&e->entries);
	mem_free(e);
}

/* False: there is no room. *ring: the worker has to be told. */
static bool enqueue(struct posted_source *p, struct posted *e, bool *ring)
{
	pthread_mutex_lock(&p->lock);
	bool room = p->waiting + e->entries.n <= WAITING_MAX;
	*ring = room && !p->busy;
	if (room) {
		*p->last = e;
		p->last = &e->next;
		p->waiting += e->entries.n;
		p->busy = true;
	}
	pthread_mutex_unlock(&p->lock);
	return room;
}

void posted_source_post(struct posted_source *p, struct span tag, struct buf *take_entries, uint32_t events)
{
	struct posted *e = mem_alloc(sizeof *e);
	bool ring = false;
	*e = (struct posted){.tag = tag, .entries = *take_entries, .events = events};
	buf_init(take_entries, take_entries->max);
	counter_add(p->source->n.events, events);
	if (e->entries.failed || !enqueue(p, e, &ring)) {
		counter_add(p->source->n.refused, events);
		free_posted(e);
	}
	if (ring)
		worker_post(p->worker, &p->mail);
}

bool posted_source_is_busy(struct posted_source *p)
{
	pthread_mutex_lock(&p->lock);
	bool busy = p->busy;
	pthread_mutex_unlock(&p->lock);
	return busy;
}

bool posted_source_is_here(const struct posted_source *p)
{
	return here == p;
}

/* ---- the worker's thread --------------------------------------------------------------------------------------------- */

static struct posted *take(struct posted_source *p)
{
	pthread_mutex_lock(&p->lock);
	struct posted *e = p->first;
	if (e) {
		p->first = e->next;
		if (!p->first)
			p->last = &p->first;
		p->waiting -= e->entries.n;
	} else {
		p->busy = false;
	}
	pthread_mutex_unlock(&p->lock);
	return e;
}

static void hand_on(struct posted_source *p)
{
	struct ingest *in = feed_open(&p->feed);
	here = p;
	for (struct posted *e; !feed_is_blocked(&p->feed) && (e = take(p)); free_posted(e)) {
		counter_add(p->source->n.bytes, e->entries.n);
		ingest_events(in, e->tag, (struct span){0}, buf_span(&e->entries), e->events);
	}
	/* Blocked: on_room goes on; `busy` stays set until then. */
	(void)!feed_close(&p->feed);
	here = NULL;
}

static void on_mail(struct mail *m)
{
	hand_on((struct posted_source *)((char *)m - offsetof(struct posted_source, mail)));
}

static void on_room(struct feed *f)
{
	hand_on((struct posted_source *)f);
}

static void begin(struct worker *w, void *arg)
{
	struct posted_source *p = arg;
	feed_init(&p->feed, p->source, w, on_room);
}

/* Behind mail that is still in the worker's box. */
static void give_up(struct worker *w, void *arg)
{
	struct posted_source *p = arg;
	(void)w;
	for (struct posted *e; (e = take(p)); free_posted(e))
		counter_add(p->source->n.refused, e->events);
	feed_drop(&p->feed);
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

struct posted_source *posted_source_new(struct source *source)
{
	struct posted_source *p = mem_zalloc(sizeof *p);
	p->source = source;
	p->mail.deliver = on_mail;
	p->last = &p->first;
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void posted_source_free(struct posted_source *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

void posted_source_start(struct posted_source *p, struct worker *w)
{
	p->worker = w;
	worker_call(w, begin, p);
}

bool posted_source_is_started(const struct posted_source *p)
{
	return p->worker != NULL;
}

void posted_source_end(struct posted_source *p)
{
	if (p->worker)
		worker_call(p->worker, give_up, p);
	p->worker = NULL;
}
