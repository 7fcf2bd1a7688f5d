#include "worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ingest.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct worker {
	unsigned index;
	struct event_base *base;
	struct event *wakeup;
	int wakeup_fd;
	_Atomic(struct mail *) box; /* newest first */
	struct mail *deferred;	    /* newest first */
	bool in_mail;
	_Atomic unsigned load;
	pthread_t thread;
	struct ingest *ingest;
	struct worker_tick *ticks;
	struct event *ticker;
	uint8_t scratch[WORKER_SCRATCH];
};

struct worker_tick {
	struct worker *worker;
	struct worker_tick *next;
	void (*fn)(void *arg);
	void *arg;
};

struct event_base *worker_base(struct worker *w)
{
	return w->base;
}

unsigned worker_index(const struct worker *w)
{
	return w->index;
}

uint8_t *worker_scratch(struct worker *w)
{
	return w->scratch;
}

struct ingest *worker_ingest(struct worker *w)
{
	return w->ingest;
}

_Atomic unsigned *worker_load(struct worker *w)
{
	return &w->load;
}

/* ---- mail --------------------------------------------------------------------------------------------------- */

static void ring(struct worker *w)
{
	uint64_t one = 1;
	while (write(w->wakeup_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void worker_post_list(struct worker *w, struct mail *first, struct mail *last)
{
	/* The box is a stack: put the list in upside down, so that turning the whole stack over gives the right order. */
	struct mail *upside = NULL, *next;
	for (struct mail *m = first;; m = next) {
		next = m->next;
		bool end = m == last;
		m->next = upside;
		upside = m;
		if (end)
			break;
	}
	struct mail *old = atomic_load_explicit(&w->box, memory_order_relaxed);
	do
		first->next = old;
	while (!atomic_compare_exchange_weak_explicit(
		&w->box, &old, upside, memory_order_release, memory_order_relaxed));
	/* Only the first letter rings: the worker empties the box after it has reset the bell. */
	if (!old)
		ring(w);
}

void worker_post(struct worker *w, struct mail *m)
{
	worker_post_list(w, m, m);
}

static struct mail *turned_over(struct mail *m)
{
	struct mail *list = NULL, *next;
	for (; m; m = next) {
		next = m->next;
		m->next = list;
		list = m;
	}
	return list;
}

static void deliver_all(struct mail *list)
{
	for (struct mail *next; list; list = next) {
		next = list->next;
		list->deliver(list);
	}
}

void worker_defer(struct worker *w, struct mail *m)
{
	if (!w->deferred && !w->in_mail)
		ring(w);
	m->next = w->deferred;
	w->deferred = m;
}

static void on_mail(evutil_socket_t fd, short events, void *arg)
{
	struct worker *w = arg;
	uint64_t n;
	(void)events;
	(void)!read(fd, &n, sizeof n);
	w->in_mail = true;
	deliver_all(turned_over(atomic_exchange_explicit(&w->box, NULL, memory_order_acquire)));
	w->in_mail = false;
	struct mail *deferred = w->deferred;
	w->deferred = NULL;
	deliver_all(turned_over(deferred));
}

/* ---- ticks -------------------------------------------------------------------------------------------------- */

static void on_tick(evutil_socket_t fd, short events, void *arg)
{
	struct worker *w = arg;
	(void)fd;
	(void)events;
	for (struct worker_tick *t = w->ticks, *next; t; t = next) {
		next = t->next;
		t->fn(t->arg);
	}
}

struct worker_tick *worker_tick(struct worker *w, void (*tick)(void *arg), void *arg)
{
	struct worker_tick *t = mem_alloc(sizeof *t);
	*t = (struct worker_tick){.worker = w, .next = w->ticks, .fn = tick, .arg = arg};
	w->ticks = t;
	return t;
}

void worker_untick(struct worker_tick *t)
{
	struct worker_tick **p = &t->worker->ticks;
	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	mem_free(t);
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	char name[16];
	snprintf(name, sizeof name, "worker %u", w->index);
	pthread_setname_np(pthread_self(), name);
	event_base_loop(w->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

static void worker_free(struct worker *w)
{
	while (w->ticks)
		worker_untick(w->ticks);
	ingest_free(w->ingest);
	if (w->ticker)
		event_free(w->ticker);
	if (w->wakeup)
		event_free(w->wakeup);
	if (w->wakeup_fd >= 0)
		close(w->wakeup_fd);
	if (w->base)
		event_base_free(w->base);
	mem_free(w);
}

static bool set_up(struct worker *w, struct ingest_hub *hub, struct err *err)
{
	struct event_config *config = event_config_new();
	if (config) {
		/* Nobody but this thread touches the base, so its locks are left out. */
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
		w->base = event_base_new_with_config(config);
		event_config_free(config);
	}
	w->wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!w->base || w->wakeup_fd < 0)
		return err_sys(err, errno, "a worker's event loop cannot be made");
	w->wakeup = event_new(w->base, w->wakeup_fd, EV_READ | EV_PERSIST, on_mail, w);
	w->ticker = event_new(w->base, -1, EV_PERSIST, on_tick, w);
	struct timeval second = {.tv_sec = 1};
	if (!w->wakeup || !w->ticker || event_add(w->wakeup, NULL) < 0 || event_add(w->ticker, &second) < 0)
		return err_set(err, "a worker's events cannot be added");
	w->ingest = ingest_new(w, hub);
	int rc = pthread_create(&w->thread, NULL, worker_main, w);
	if (rc)
		return err_sys(err, rc, "a worker thread cannot be started");
	return true;
}

struct worker *worker_start(unsigned index, struct ingest_hub *hub, struct err *err)
{
	struct worker *w = mem_zalloc(sizeof *w);
	w->index = index;
	w->wakeup_fd = -1;
	if (!set_up(w, hub, err)) {
		worker_free(w);
		return NULL;
	}
	return w;
}

struct call_mail {
	struct mail mail;
	struct worker *worker;
	void (*fn)(struct worker *w, void *arg);
	void *arg;
	sem_t done;
};

static void deliver_call(struct mail *m)
{
	struct call_mail *c = (struct call_mail *)m;
	c->fn(c->worker, c->arg);
	sem_post(&c->done);
}

void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg)
{
	struct call_mail c = {.mail.deliver = deliver_call, .worker = w, .fn = fn, .arg = arg};
	sem_init(&c.done, 0, 0);
	worker_post(w, &c.mail);
	while (sem_wait(&c.done) < 0)
		;
	sem_destroy(&c.done);
}

struct parking {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	unsigned parked;
	bool go;
};

struct park_mail {
	struct mail mail;
	struct parking *parking;
};

static void deliver_park(struct mail *m)
{
	struct parking *p = ((struct park_mail *)m)->parking;
	pthread_mutex_lock(&p->lock);
	p->parked++;
	pthread_cond_broadcast(&p->cond);
	while (!p->go)
		pthread_cond_wait(&p->cond, &p->lock);
	p->parked--;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

void workers_parked(struct worker **v, unsigned n, void (*fn)(void *arg), void *arg)
{
	struct parking p = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	struct park_mail *mail = mem_array(n, sizeof *mail);
	for (unsigned i = 0; i < n; i++) {
		mail[i] = (struct park_mail){.mail.deliver = deliver_park, .parking = &p};
		worker_post(v[i], &mail[i].mail);
	}
	pthread_mutex_lock(&p.lock);
	while (p.parked < n)
		pthread_cond_wait(&p.cond, &p.lock);
	fn(arg);
	p.go = true;
	pthread_cond_broadcast(&p.cond);
	while (p.parked)
		pthread_cond_wait(&p.cond, &p.lock);
	pthread_mutex_unlock(&p.lock);
	mem_free(mail);
}

struct stop_mail {
	struct mail mail;
	struct event_base *base;
};

static void deliver_stop(struct mail *m)
{
	struct stop_mail *s = (struct stop_mail *)m;
	event_base_loopexit(s->base, NULL);
}

void worker_stop(struct worker *w)
{
	if (!w)
		return;
	struct stop_mail s = {.mail.deliver = deliver_stop, .base = w->base};
	worker_post(w, &s.mail);
	pthread_join(w->thread, NULL);
	worker_free(w);
}
