#include "elastic/bulk_pace.h"

#include "base/mem.h"

#include <pthread.h>

#define GOOD_FOR_MORE 30 /* good answers in a row for one request more */

struct bulk_pace {
	pthread_mutex_t lock;
	pthread_cond_t room;
	unsigned most, limit, under_way, good;
	uint64_t halvings;
};

struct bulk_pace *bulk_pace_new(unsigned most)
{
	struct bulk_pace *p = mem_zalloc(sizeof *p);
	p->most = p->limit = most;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->room, NULL);
	return p;
}

void bulk_pace_free(struct bulk_pace *p)
{
	if (!p)
		return;
	pthread_cond_destroy(&p->room);
	pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

uint64_t bulk_pace_enter(struct bulk_pace *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->under_way >= p->limit)
		pthread_cond_wait(&p->room, &p->lock);
	p->under_way++;
	const uint64_t entered = p->halvings;
	pthread_mutex_unlock(&p->lock);
	return entered;
}

void bulk_pace_leave(struct bulk_pace *p, uint64_t entered, enum bulk_word word)
{
	pthread_mutex_lock(&p->lock);
	p->under_way--;
	if (word == BULK_WORD_GOOD && p->limit < p->most && ++p->good >= GOOD_FOR_MORE) {
		p->limit++;
		p->good = 0;
	}
	if (word == BULK_WORD_BUSY) {
		p->good = 0;
		if (entered == p->halvings && p->limit > 1) {
			p->limit /= 2;
			p->halvings++;
		}
	}
	pthread_cond_broadcast(&p->room);
	pthread_mutex_unlock(&p->lock);
}

unsigned bulk_pace_limit(struct bulk_pace *p)
{
	pthread_mutex_lock(&p->lock);
	const unsigned limit = p->limit;
	pthread_mutex_unlock(&p->lock);
	return limit;
}
