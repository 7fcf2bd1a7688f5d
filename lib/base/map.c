/*
 * map.c: open addressing with linear probing. Removal closes the gap behind it instead of leaving a mark, so a map that
 * is filled and emptied for months stays as quick as a new one.
 */
#include "base/map.h"

#include "base/mem.h"
#include "base/siphash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define FIRST_SLOTS 16 /* a power of two */

struct slot {
	uint64_t hash;
	uint8_t *key; /* NULL: the slot is free */
	size_t key_len;
	void *value;
};

struct map {
	struct slot *slots;
	size_t mask;  /* number of slots - 1 */
	size_t count; /* <= 3/4 of the slots */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t process_key[2];

static void choose_key(void)
{
	uint8_t *p = (uint8_t *)process_key;
	for (size_t n = 0; n < sizeof process_key;) {
		ssize_t got = getrandom(p + n, sizeof process_key - n, 0);
		if (got > 0)
			n += (size_t)got;
		else if (errno != EINTR)
			abort(); /* a kernel without getrandom(2): older than 3.17 */
	}
}

struct map *map_new(void)
{
	pthread_once(&once, choose_key);
	struct map *m = mem_zalloc(sizeof *m);
	m->slots = mem_array(FIRST_SLOTS, sizeof *m->slots);
	m->mask = FIRST_SLOTS - 1;
	return m;
}

void map_free(struct map *m, void (*free_value)(void *value))
{
	if (!m)
		return;
	for (size_t i = 0; i <= m->mask; i++) {
		if (!m->slots[i].key)
			continue;
		if (free_value)
			free_value(m->slots[i].value);
		mem_free(m->slots[i].key);
	}
	mem_free(m->slots);
	mem_free(m);
}

/* The slot that holds the key, or the free one where it would go. */
static struct slot *look_up(const struct map *m, struct span key, uint64_t hash)
{
	for (size_t i = hash & m->mask;; i = (i + 1) & m->mask) {
		struct slot *s = &m->slots[i];
		if (!s->key || (s->hash == hash && span_eq(key, span_of(s->key, s->key_len))))
			return s;
	}
}

void *map_get(const struct map *m, struct span key)
{
	const struct slot *s = look_up(m, key, siphash(process_key, key));
	return s->key ? s->value : NULL;
}

static bool grow(struct map *m)
{
	size_t size;
	if (__builtin_mul_overflow((m->mask + 1) * 2, sizeof *m->slots, &size))
		return false;
	struct slot *slots = mem_try(size);
	if (!slots)
		return false;
	memset(slots, 0, size);
	struct slot *old = m->slots;
	size_t old_mask = m->mask;
	m->slots = slots;
	m->mask = old_mask * 2 + 1;
	for (size_t i = 0; i <= old_mask; i++) {
		if (!old[i].key)
			continue;
		size_t to = old[i].hash & m->mask;
		while (slots[to].key)
			to = (to + 1) & m->mask;
		slots[to] = old[i];
	}
	mem_free(old);
	return true;
}

void **map_put(struct map *m, struct span key)
{
	uint64_t hash = siphash(process_key, key);
	struct slot *s = look_up(m, key, hash);
	if (s->key)
		return &s->value;
	if ((m->count + 1) > (m->mask + 1) / 4 * 3) {
		if (!grow(m))
			return NULL;
		s = look_up(m, key, hash);
	}
	uint8_t *copy = mem_try(key.n);
	if (!copy)
		return NULL;
	if (key.n)
		memcpy(copy, key.p, key.n);
	*s = (struct slot){.hash = hash, .key = copy, .key_len = key.n};
	m->count++;
	return &s->value;
}

/* Moves those behind the free slot `gap` up that a search would no longer find past it. */
static void close_gap(struct map *m, size_t gap)
{
	for (size_t i = (gap + 1) & m->mask; m->slots[i].key; i = (i + 1) & m->mask) {
		size_t home = m->slots[i].hash & m->mask;
		if (((i - home) & m->mask) < ((i - gap) & m->mask))
			continue;
		m->slots[gap] = m->slots[i];
		m->slots[i].key = NULL;
		gap = i;
	}
}

void *map_remove(struct map *m, struct span key)
{
	struct slot *s = look_up(m, key, siphash(process_key, key));
	if (!s->key)
		return NULL;
	void *value = s->value;
	mem_free(s->key);
	s->key = NULL;
	m->count--;
	close_gap(m, (size_t)(s - m->slots));
	return value;
}

size_t map_count(const struct map *m)
{
	return m->count;
}

bool map_next(const struct map *m, struct map_iter *i)
{
	for (; i->at <= m->mask; i->at++) {
		const struct slot *s = &m->slots[i->at];
		if (!s->key)
			continue;
		i->key = span_of(s->key, s->key_len);
		i->value = s->value;
		i->at++;
		return true;
	}
	return false;
}
