#include "clients.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

#define AT_ONCE_NS  NS_PER_S
#define DEBT_MAX_NS (3600 * NS_PER_S) /* no message makes a client wait for longer */
#define SWEEP_FROM  1024u

struct client {
	struct clients *table;
	char *address;
	unsigned connections;			   /* under the lock */
	_Atomic int64_t bytes_until, events_until; /* monotonic */
};

struct clients {
	pthread_mutex_t lock;
	struct map *by_address;
	size_t sweep_at; /* so many accounts are worth a look for those that nobody needs any more */
};

static void client_free(void *arg)
{
	struct client *c = arg;
	mem_free(c->address);
	mem_free(c);
}

struct clients *clients_new(void)
{
	struct clients *s = mem_zalloc(sizeof *s);
	pthread_mutex_init(&s->lock, NULL);
	s->by_address = map_new();
	s->sweep_at = SWEEP_FROM;
	return s;
}

void clients_free(struct clients *s)
{
	if (!s)
		return;
	map_free(s->by_address, client_free);
	pthread_mutex_destroy(&s->lock);
	mem_free(s);
}

/* The lock is held, in these. */

static void sweep(struct clients *s)
{
	struct client **gone = mem_array(map_count(s->by_address), sizeof *gone);
	int64_t now = clock_mono_ns();
	struct map_iter i = {0};
	size_t n = 0;
	while (map_next(s->by_address, &i)) {
		struct client *c = i.value;
		if (!c->connections && !client_wait(c, now))
			gone[n++] = c;
	}
	for (size_t k = 0; k < n; k++) {
		map_remove(s->by_address, span_str(gone[k]->address));
		client_free(gone[k]);
	}
	mem_free(gone);
	s->sweep_at = 2 * map_count(s->by_address) > SWEEP_FROM ? 2 * map_count(s->by_address) : SWEEP_FROM;
}

static struct client *find_or_add(struct clients *s, const char *address)
{
	struct client *c = map_get(s->by_address, span_str(address));
	if (c)
		return c;
	if (map_count(s->by_address) >= s->sweep_at)
		sweep(s);
	void **place = map_put(s->by_address, span_str(address));
	if (!place)
		return NULL;
	c = mem_zalloc(sizeof *c);
	c->table = s;
	c->address = mem_strdup(address);
	return *place = c;
}

struct client *clients_enter(struct clients *s, const char *address, unsigned most)
{
	pthread_mutex_lock(&s->lock);
	struct client *c = find_or_add(s, address);
	if (c && most && c->connections >= most)
		c = NULL;
	if (c)
		c->connections++;
	pthread_mutex_unlock(&s->lock);
	return c;
}

struct client *clients_find(struct clients *s, const char *address)
{
	pthread_mutex_lock(&s->lock);
	struct client *c = map_get(s->by_address, span_str(address));
	pthread_mutex_unlock(&s->lock);
	return c;
}

void client_leave(struct client *c)
{
	if (!c)
		return;
	struct clients *s = c->table;
	pthread_mutex_lock(&s->lock);
	if (--c->connections == 0 && !client_wait(c, clock_mono_ns())) {
		map_remove(s->by_address, span_str(c->address));
		client_free(c);
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---- rates ---------------------------------------------------------------------------------------------------------- */

static void use(_Atomic int64_t *until, uint64_t n, uint64_t per_s, int64_t now_ns)
{
	double cost = per_s ? (double)n * (double)NS_PER_S / (double)per_s : 0;
	int64_t before = atomic_load_explicit(until, memory_order_relaxed), after;
	if (!per_s || !n)
		return;
	if (cost > (double)DEBT_MAX_NS)
		cost = (double)DEBT_MAX_NS;
	do {
		after = before < now_ns - AT_ONCE_NS ? now_ns - AT_ONCE_NS : before;
		after += (int64_t)cost;
		if (after > now_ns + DEBT_MAX_NS)
			after = now_ns + DEBT_MAX_NS;
	} while (!atomic_compare_exchange_weak_explicit(
		until, &before, after, memory_order_relaxed, memory_order_relaxed));
}

void client_sent_bytes(struct client *c, uint64_t n, uint64_t per_s, int64_t now_ns)
{
	use(&c->bytes_until, n, per_s, now_ns);
}

void client_sent_events(struct client *c, uint64_t n, uint64_t per_s, int64_t now_ns)
{
	use(&c->events_until, n, per_s, now_ns);
}

int64_t client_wait(const struct client *c, int64_t now_ns)
{
	int64_t bytes = atomic_load_explicit(&c->bytes_until, memory_order_relaxed);
	int64_t events = atomic_load_explicit(&c->events_until, memory_order_relaxed);
	int64_t until = bytes > events ? bytes : events;
	return until > now_ns ? until - now_ns : 0;
}
