#include "durable.h"

#include "base/clock.h"
#include "base/mem.h"
#include "ingest.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

int64_t durable_limit_ns = 30 * NS_PER_S;

/* Belongs to the waiting thread and to the frames: the last of them frees it. */
struct waiting {
	struct txn txn; /* first: the writer hands it back */
	pthread_mutex_t lock;
	pthread_cond_t cond; /* CLOCK_MONOTONIC */
	bool over;
	_Atomic unsigned owners;
};

static struct waiting *waiting_new(void)
{
	struct waiting *w = mem_zalloc(sizeof *w);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->cond, &attr);
	pthread_condattr_destroy(&attr);
	atomic_init(&w->owners, 2);
	return w;
}

static void let_go(struct waiting *w)
{
	if (atomic_fetch_sub(&w->owners, 1) != 1)
		return;
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->cond);
	mem_free(w);
}

static void on_durable(struct txn *t)
{
	struct waiting *w = (struct waiting *)t;
	pthread_mutex_lock(&w->lock);
	w->over = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
	let_go(w);
}

/* 0 or an errno value. */
static int wait_for(struct waiting *w)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + durable_limit_ns;
	until.tv_sec += (time_t)(ns / NS_PER_S);
	until.tv_nsec = (long)(ns % NS_PER_S);
	int code = 0;
	pthread_mutex_lock(&w->lock);
	while (!w->over && code != ETIMEDOUT)
		code = pthread_cond_timedwait(&w->cond, &w->lock, &until);
	if (w->over)
		code = atomic_load(&w->txn.error);
	pthread_mutex_unlock(&w->lock);
	return code;
}

bool durable_append(struct buffer *b, struct frame *list, struct span stage, int64_t due_ns, struct err *err)
{
	size_t bytes = 0;
	for (const struct frame *f = list; f; f = f->next)
		bytes += frame_disk_size(f);
	if (buffer_admit(b, bytes) != BUFFER_OK) {
		frame_free_list(list);
		err_set(err, "the buffer is full, or its disk fails");
		err->code = EAGAIN;
		return false;
	}
	struct waiting *w = waiting_new();
	txn_begin(&w->txn, NULL, on_durable);
	for (struct frame *f = list; f; f = f->next) {
		f->owner = &w->txn;
		atomic_fetch_add(&w->txn.pending, 1);
	}
	buffer_append(b, list, stage, due_ns);
	txn_release(&w->txn);
	int code = wait_for(w);
	let_go(w);
	return code ? err_sys(err, code, "nothing can be stored") : true;
}
