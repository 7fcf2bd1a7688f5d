/* ingest_hub.c: what all workers' ingests share, and what buffers tell them. */
#include "ingest.h"

#include "base/mem.h"
#include "repeats.h"

#define MAX_WORKERS INGEST_MAX_WORKERS

struct space_mail {
	struct mail mail;
	struct worker *worker;
	atomic_bool posted;
};

struct ingest_hub {
	struct dead_letters *dead;
	struct unmatched *unmatched;
	struct repeats *repeats;
	const struct watch *watch; /* NULL = nobody looks */
	struct worker *workers[MAX_WORKERS];
	unsigned worker_count;
	struct space_mail space[MAX_WORKERS];
};

/* ---- what is durable ---------------------------------------------------------------------------------------- */

/*
 * Writer threads: every frame of the list is durable, or has failed. Mail is collected for each worker, so that a group commit rings
 * each bell once. Dead letters and data have the same hook.
 */
void ingest_on_durable(void *arg, struct frame *list)
{
	struct ingest_hub *hub = arg;
	struct mail *first[MAX_WORKERS] = {0}, *last[MAX_WORKERS];
	for (struct frame *f = list; f; f = f->next) {
		struct txn *t = f->owner;
		if (!t)
			continue;
		if (f->error)
			txn_fail(t, f->error);
		if (!txn_drop(t))
			continue;
		if (!t->worker) {
			t->done(t);
			continue;
		}
		unsigned w = worker_index(t->worker);
		t->mail.next = NULL;
		if (first[w])
			last[w]->next = &t->mail;
		else
			first[w] = &t->mail;
		last[w] = &t->mail;
	}
	for (unsigned w = 0; w < hub->worker_count; w++)
		if (first[w])
			worker_post_list(hub->workers[w], first[w], last[w]);
	frame_free_list(list);
}

/* ---- full buffers, and what they had ------------------------------------------------------------------------------- */

static void deliver_space(struct mail *m)
{
	struct space_mail *s = (struct space_mail *)m;
	atomic_store(&s->posted, false);
	ingest_wake(worker_ingest(s->worker));
}

void ingest_on_space(void *arg)
{
	struct ingest_hub *hub = arg;
	for (unsigned i = 0; i < hub->worker_count; i++)
		if (!atomic_exchange(&hub->space[i].posted, true))
			worker_post(hub->workers[i], &hub->space[i].mail);
}

void ingest_on_recovered(void *arg, const struct buffer *b, const uint8_t key[FRAME_KEY_LEN])
{
	const struct ingest_hub *hub = arg;
	repeats_add_frame(hub->repeats, b, key);
}

struct ingest_hub *ingest_hub_new(struct unmatched *unmatched, const struct watch *watch)
{
	struct ingest_hub *hub = mem_zalloc(sizeof *hub);
	hub->unmatched = unmatched;
	hub->repeats = repeats_new();
	hub->watch = watch;
	return hub;
}

const struct watch *ingest_hub_watch(const struct ingest_hub *hub)
{
	return hub->watch;
}

void ingest_hub_set_dead(struct ingest_hub *hub, struct dead_letters *dead)
{
	hub->dead = dead;
}

struct dead_letters *ingest_hub_dead(const struct ingest_hub *hub)
{
	return hub->dead;
}

struct unmatched *ingest_hub_unmatched(const struct ingest_hub *hub)
{
	return hub->unmatched;
}

struct repeats *ingest_hub_repeats(const struct ingest_hub *hub)
{
	return hub->repeats;
}

void ingest_hub_free(struct ingest_hub *hub)
{
	if (hub)
		repeats_free(hub->repeats);
	mem_free(hub);
}

void ingest_hub_add(struct ingest_hub *hub, struct worker *w)
{
	struct space_mail *s = &hub->space[hub->worker_count];
	s->mail.deliver = deliver_space;
	s->worker = w;
	hub->workers[hub->worker_count++] = w;
}
