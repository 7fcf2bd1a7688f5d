#include "txn.h"

#include "repeats.h"

static void deliver_txn(struct mail *m)
{
	struct txn *t = (struct txn *)m;
	t->done(t);
}

void txn_begin(struct txn *t, struct worker *w, void (*done)(struct txn *t))
{
	t->mail = (struct mail){.deliver = deliver_txn};
	t->worker = w;
	atomic_init(&t->pending, 1);
	atomic_init(&t->error, 0);
	t->done = done;
	t->epilogue = NULL;
	t->repeats = NULL;
	t->next_waiting = NULL;
}

void txn_hold(struct txn *t)
{
	atomic_fetch_add_explicit(&t->pending, 1, memory_order_relaxed);
}

static void run_epilogues(struct txn *t)
{
	struct epilogue *e = t->epilogue, *next;
	t->epilogue = NULL;
	atomic_store(&t->pending, 1); /* this thread's, while they run */
	for (bool first = true; e; e = next, first = false) {
		next = e->next;
		e->run(e, t, first, !next);
	}
}

bool txn_drop(struct txn *t)
{
	while (atomic_fetch_sub(&t->pending, 1) == 1) {
		if (!t->epilogue) {
			if (t->repeats)
				repeats_end(t->repeats, t->key, txn_error(t));
			return true;
		}
		run_epilogues(t);
	}
	return false;
}

void txn_drop_anywhere(struct txn *t)
{
	if (!txn_drop(t))
		return;
	if (t->worker)
		worker_post(t->worker, &t->mail);
	else
		t->done(t);
}

void txn_release(struct txn *t)
{
	if (txn_drop(t))
		t->done(t);
}

void txn_fail(struct txn *t, int error)
{
	int none = 0;
	atomic_compare_exchange_strong(&t->error, &none, error);
}

void txn_then(struct txn *t, struct epilogue *e)
{
	struct epilogue **last = &t->epilogue;
	while (*last)
		last = &(*last)->next;
	e->next = NULL;
	*last = e;
}
