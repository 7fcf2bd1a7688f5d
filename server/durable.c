#include "durable.h"

#include "ingest.h"

#include <errno.h>
#include <pthread.h>

struct waiting {
	struct txn txn; /* first: the writer hands it back */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool over;
};

static void on_durable(struct txn *t)
{
	struct waiting *w = (struct waiting *)t;
	pthread_mutex_lock(&w->lock);
	w->over = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

bool durable_append(struct buffer *b, struct frame *list, struct span stage, int64_t due_ns, struct err *err)
{
	struct waiting w = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	size_t bytes = 0;
	txn_begin(&w.txn, NULL, on_durable);
	for (struct frame *f = list; f; f = f->next) {
		f->owner = &w.txn;
		atomic_fetch_add(&w.txn.pending, 1);
		bytes += frame_disk_size(f);
	}
	if (buffer_admit(b, bytes) != BUFFER_OK) {
		frame_free_list(list);
		err_set(err, "the buffer is full, or its disk fails");
		err->code = EAGAIN;
		return false;
	}
	buffer_append(b, list, stage, due_ns);
	txn_release(&w.txn);
	pthread_mutex_lock(&w.lock);
	while (!w.over)
		pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_mutex_destroy(&w.lock);
	pthread_cond_destroy(&w.cond);
	int error = atomic_load(&w.txn.error);
	return error ? err_sys(err, error, "nothing can be stored") : true;
}
