#include "resolver.h"

#include "base/clock.h"
#include "base/mem.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define REMEMBER_NS (60 * NS_PER_S)
#define SLOTS	    1024u

struct resolving {
	struct mail mail; /* first */
	struct resolving *next;
	struct worker *worker;
	void (*done)(void *arg, const char *name);
	void *arg;
	bool cancelled; /* the worker's */
	struct peer peer;
	char name[256];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct resolving *first, **last;
	bool running;
	/* the thread's own */
	struct known {
		char ip[48];
		char name[256];
		int64_t until_ns;
	} known[SLOTS];
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

static void deliver(struct mail *m)
{
	struct resolving *r = (struct resolving *)m;
	if (!r->cancelled)
		r->done(r->arg, r->name);
	mem_free(r);
}

static unsigned slot_of(const char *ip)
{
	unsigned h = 5381;
	for (; *ip; ip++)
		h = h * 33 + (unsigned char)*ip;
	return h % SLOTS;
}

static void look_up(struct resolving *r)
{
	struct known *k = &resolver.known[slot_of(r->peer.ip)];
	int64_t now = clock_mono_ns();
	if (now >= k->until_ns || strcmp(k->ip, r->peer.ip) != 0) {
		if (getnameinfo(&r->peer.sa, r->peer.len, k->name, sizeof k->name, NULL, 0, 0) != 0)
			snprintf(k->name, sizeof k->name, "%s", r->peer.ip);
		snprintf(k->ip, sizeof k->ip, "%s", r->peer.ip);
		k->until_ns = clock_mono_ns() + REMEMBER_NS;
	}
	memcpy(r->name, k->name, sizeof r->name);
}

static void *resolver_main(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "resolver");
	for (;;) {
		pthread_mutex_lock(&resolver.lock);
		while (!resolver.first)
			pthread_cond_wait(&resolver.work, &resolver.lock);
		struct resolving *r = resolver.first;
		resolver.first = r->next;
		if (!resolver.first)
			resolver.last = &resolver.first;
		pthread_mutex_unlock(&resolver.lock);
		look_up(r);
		worker_post(r->worker, &r->mail);
	}
	return NULL;
}

struct resolving *resolve_peer(
	struct worker *w, const struct peer *peer, void (*done)(void *arg, const char *name), void *arg)
{
	struct resolving *r = mem_zalloc(sizeof *r);
	*r = (struct resolving){.mail.deliver = deliver, .worker = w, .done = done, .arg = arg, .peer = *peer};
	pthread_mutex_lock(&resolver.lock);
	if (!resolver.running) {
		pthread_t thread;
		resolver.last = &resolver.first;
		resolver.running = pthread_create(&thread, NULL, resolver_main, NULL) == 0;
		if (resolver.running)
			pthread_detach(thread);
	}
	if (resolver.running) {
		*resolver.last = r;
		resolver.last = &r->next;
		pthread_cond_signal(&resolver.work);
	}
	bool running = resolver.running;
	pthread_mutex_unlock(&resolver.lock);
	if (!running) {
		snprintf(r->name, sizeof r->name, "%s", peer->ip);
		worker_post(w, &r->mail);
	}
	return r;
}

void resolve_cancel(struct resolving *r)
{
	r->cancelled = true;
}
