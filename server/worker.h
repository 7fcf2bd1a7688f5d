/*
 * worker.h: the threads that read from senders. Each has its own event_base; what belongs to a worker is touched by its
 * thread only, and other threads reach it by mail. A worker never waits: not for a disk, a lock held over a system call, DNS or
 * Elasticsearch.
 */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include "base/err.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <stdint.h>

struct worker;

/* Something for a worker to do; embedded in what it is about. */
struct mail {
	struct mail *next;
	void (*deliver)(struct mail *m); /* in the worker's thread; may free the mail */
};

struct ingest_hub;

/* Makes and starts worker number `index` (from 0). NULL and err on failure. */
struct worker *worker_start(unsigned index, struct ingest_hub *hub, struct err *err);

/* Puts the mail into the worker's box: first in, first out for each sender. Any thread; never waits. */
void worker_post(struct worker *w, struct mail *m);

/* The same for a list of mails (linked by next, in order) at the cost of one. */
void worker_post_list(struct worker *w, struct mail *first, struct mail *last);

/*
 * In the worker's thread: has `m` delivered once all mail that is there has been: what many letters have prepared is done once (acks that go out in
 * one write).
 */
void worker_defer(struct worker *w, struct mail *m);

/* Has fn(w, arg) called in the worker's thread and waits until it has returned. Start-up and shutdown, from the main thread. */
void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg);

/* Has fn(arg) called, in this thread, while no worker does anything. A reload, from the main thread. */
void workers_parked(struct worker **v, unsigned n, void (*fn)(void *arg), void *arg);

/* Ends the loop after the mail that is there, joins the thread, frees it. Not from the worker itself. NULL is allowed. */
void worker_stop(struct worker *w);

/* ---- for what runs in the worker's thread ------------------------------------------------------------------- */

struct event_base *worker_base(struct worker *w);
unsigned worker_index(const struct worker *w);

/* Memory that the code of one event may use until it returns; WORKER_SCRATCH bytes. */
#define WORKER_SCRATCH (256u << 10)
uint8_t *worker_scratch(struct worker *w);

/* What `ingest` keeps for each worker (see ingest.h). */
struct ingest;
struct ingest *worker_ingest(struct worker *w);

/* Connections that this worker serves: the listener gives a new one to the worker with the fewest. Any thread may read it. */
_Atomic unsigned *worker_load(struct worker *w);

/* Calls tick(arg) about once a second. Freed with the worker, or by worker_untick. */
struct worker_tick;
struct worker_tick *worker_tick(struct worker *w, void (*tick)(void *arg), void *arg);
void worker_untick(struct worker_tick *t);

#endif
