#include "senders.h"

#include "base/map.h"
#include "base/mem.h"
#include "rate.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct sender {
	struct senders *table;
	char *key; /* source, 0, address */
	size_t key_len;
	unsigned connections; /* under the lock */
	_Atomic uint64_t messages, events, bytes;
	struct rate event_rate, byte_rate; /* under the lock */
	int64_t last_ns;
};

struct senders {
	pthread_mutex_t lock;
	struct map *by_key;
	struct sender *others;
};

static struct sender *sender_new(struct senders *s, const char *source, const char *address)
{
	struct sender *x = mem_zalloc(sizeof *x);
	size_t n = strlen(source);
	x->table = s;
	x->key_len = n + 1 + strlen(address);
	x->key = mem_alloc(x->key_len + 1);
	memcpy(x->key, source, n + 1);
	memcpy(x->key + n + 1, address, x->key_len - n);
	return x;
}

static void sender_free(void *arg)
{
	struct sender *x = arg;
	mem_free(x->key);
	mem_free(x);
}

struct senders *senders_new(void)
{
	struct senders *s = mem_zalloc(sizeof *s);
	pthread_mutex_init(&s->lock, NULL);
	s->by_key = map_new();
	s->others = sender_new(s, "", "others");
	return s;
}

void senders_free(struct senders *s)
{
	if (!s)
		return;
	map_free(s->by_key, sender_free);
	sender_free(s->others);
	pthread_mutex_destroy(&s->lock);
	mem_free(s);
}

/* Takes out whoever is not connected and has sent the least. The lock is held. */
static bool make_room(struct senders *s)
{
	struct map_iter i = {0};
	struct sender *least = NULL;
	while (map_next(s->by_key, &i)) {
		struct sender *x = i.value;
		if (!x->connections && (!least || atomic_load(&x->bytes) < atomic_load(&least->bytes)))
			least = x;
	}
	if (!least)
		return false;
	map_remove(s->by_key, span_of(least->key, least->key_len));
	sender_free(least);
	return true;
}

/* The lock is held. */
static struct sender *find_or_add(struct senders *s, const char *source, const char *address)
{
	struct sender *x = sender_new(s, source, address);
	struct span key = span_of(x->key, x->key_len);
	struct sender *known = map_get(s->by_key, key);
	void **place = NULL;
	if (!known && (map_count(s->by_key) < SENDERS_MAX || make_room(s)))
		place = map_put(s->by_key, key);
	if (place)
		return *place = x;
	sender_free(x);
	return known ? known : s->others;
}

struct sender *sender_open(struct senders *s, const char *source_id, const char *address)
{
	if (!s)
		return NULL;
	pthread_mutex_lock(&s->lock);
	struct sender *x = find_or_add(s, source_id, address);
	x->connections++;
	pthread_mutex_unlock(&s->lock);
	return x;
}

void sender_close(struct sender *x)
{
	if (!x)
		return;
	pthread_mutex_t *lock = &x->table->lock;
	pthread_mutex_lock(lock);
	x->connections--;
	pthread_mutex_unlock(lock);
}

void sender_add_bytes(struct sender *x, uint64_t bytes)
{
	if (x)
		atomic_fetch_add_explicit(&x->bytes, bytes, memory_order_relaxed);
}

void sender_add_events(struct sender *x, uint64_t messages, uint64_t events)
{
	if (!x)
		return;
	atomic_fetch_add_explicit(&x->messages, messages, memory_order_relaxed);
	atomic_fetch_add_explicit(&x->events, events, memory_order_relaxed);
}

/* ---- for those who look ------------------------------------------------------------------------------------------- */

static void tick(struct sender *x, double seconds, int64_t now_ns)
{
	uint64_t bytes = atomic_load(&x->bytes);
	if (bytes != x->byte_rate.last)
		x->last_ns = now_ns;
	rate_tick(&x->byte_rate, bytes, seconds);
	rate_tick(&x->event_rate, atomic_load(&x->events), seconds);
}

void senders_tick(struct senders *s, double seconds, int64_t now_ns)
{
	struct map_iter i = {0};
	pthread_mutex_lock(&s->lock);
	while (map_next(s->by_key, &i))
		tick(i.value, seconds, now_ns);
	tick(s->others, seconds, now_ns);
	pthread_mutex_unlock(&s->lock);
}

static void describe(const struct sender *x, struct sender_info *info)
{
	*info = (struct sender_info){
		.connections = x->connections,
		.messages = atomic_load(&x->messages),
		.events = atomic_load(&x->events),
		.bytes = atomic_load(&x->bytes),
		.events_per_s = x->event_rate.per_s,
		.bytes_per_s = x->byte_rate.per_s,
		.last_ns = x->last_ns,
	};
	snprintf(info->source, sizeof info->source, "%s", x->key);
	snprintf(info->address, sizeof info->address, "%s", x->key + strlen(x->key) + 1);
}

static int by_bytes(const void *a, const void *b)
{
	const struct sender_info *x = a, *y = b;
	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : strcmp(x->address, y->address);
}

size_t senders_top(struct senders *s, struct sender_info *out, size_t n, size_t *known)
{
	struct map_iter i = {0};
	size_t count = 0;
	pthread_mutex_lock(&s->lock);
	struct sender_info *all = mem_array(map_count(s->by_key) + 1, sizeof *all);
	while (map_next(s->by_key, &i))
		describe(i.value, &all[count++]);
	if (s->others->connections || atomic_load(&s->others->bytes))
		describe(s->others, &all[count++]);
	pthread_mutex_unlock(&s->lock);
	qsort(all, count, sizeof *all, by_bytes);
	*known = count;
	if (n > count)
		n = count;
	memcpy(out, all, n * sizeof *all);
	mem_free(all);
	return n;
}
