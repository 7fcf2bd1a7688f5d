#include "repeats.h"

#include "base/bytes.h"
#include "base/map.h"
#include "base/mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <pthread.h>

#define WAYS 8u
#define SETS (REPEATS_MAX / WAYS)

_Static_assert((SETS & (SETS - 1)) == 0, "a set's number is some bits of the key");

/* A durable message; a place of a set is free while `age` is 0. */
struct known {
	uint8_t key[FRAME_KEY_LEN];
	uint32_t age;
};

/* A message under way. */
struct running {
	struct txn *waiting;
};

struct repeats {
	pthread_mutex_t lock;
	struct map *running;
	uint32_t clock;
	atomic_bool has_frames; /* else nobody need look */
	struct known known[SETS][WAYS];
};

struct repeats *repeats_new(void)
{
	struct repeats *r = mem_zalloc(sizeof *r);
	pthread_mutex_init(&r->lock, NULL);
	r->running = map_new();
	return r;
}

void repeats_free(struct repeats *r)
{
	if (!r)
		return;
	map_free(r->running, mem_free);
	pthread_mutex_destroy(&r->lock);
	mem_free(r);
}

static struct known *set_of(struct repeats *r, const uint8_t *key)
{
	return r->known[be32_get(key) & (SETS - 1)];
}

static bool is_known(struct repeats *r, const uint8_t *key)
{
	const struct known *k = set_of(r, key);
	for (unsigned i = 0; i < WAYS; i++)
		if (k[i].age && memcmp(k[i].key, key, FRAME_KEY_LEN) == 0)
			return true;
	return false;
}

/* In the place of the oldest of its set. */
static void remember(struct repeats *r, const uint8_t *key)
{
	struct known *k = set_of(r, key), *oldest = k;
	for (unsigned i = 1; i < WAYS; i++)
		if (k[i].age < oldest->age)
			oldest = &k[i];
	memcpy(oldest->key, key, FRAME_KEY_LEN);
	oldest->age = ++r->clock ? r->clock : ++r->clock;
}

static enum repeat begin(struct repeats *r, const uint8_t *key, struct txn *t)
{
	struct span name = span_of(key, FRAME_KEY_LEN);
	if (is_known(r, key))
		return REPEAT_DURABLE;
	struct running *first = map_get(r->running, name);
	if (first) {
		txn_hold(t);
		t->next_waiting = first->waiting;
		first->waiting = t;
		return REPEAT_WAITS;
	}
	void **place = map_put(r->running, name);
	if (place) { /* else there is no memory: this one is not remembered */
		*place = mem_zalloc(sizeof *first);
		t->repeats = r;
		memcpy(t->key, key, FRAME_KEY_LEN);
	}
	return REPEAT_NOT;
}

enum repeat repeats_begin(struct repeats *r, const uint8_t key[FRAME_KEY_LEN], struct txn *t)
{
	pthread_mutex_lock(&r->lock);
	enum repeat is = begin(r, key, t);
	pthread_mutex_unlock(&r->lock);
	return is;
}

void repeats_end(struct repeats *r, const uint8_t key[FRAME_KEY_LEN], int error)
{
	pthread_mutex_lock(&r->lock);
	struct running *m = map_remove(r->running, span_of(key, FRAME_KEY_LEN));
	if (!error)
		remember(r, key);
	pthread_mutex_unlock(&r->lock);
	struct txn *t = m ? m->waiting : NULL, *next;
	for (; t; t = next) {
		next = t->next_waiting;
		if (error)
			txn_fail(t, error);
		txn_drop_anywhere(t);
	}
	mem_free(m);
}

void repeats_add(struct repeats *r, const uint8_t key[FRAME_KEY_LEN])
{
	pthread_mutex_lock(&r->lock);
	if (!is_known(r, key))
		remember(r, key);
	pthread_mutex_unlock(&r->lock);
}

static void frame_key(const struct buffer *b, const uint8_t *key, uint8_t out[FRAME_KEY_LEN])
{
	uint8_t both[sizeof b + FRAME_KEY_LEN];
	XXH128_canonical_t hash;
	memcpy(both, &b, sizeof b);
	memcpy(both + sizeof b, key, FRAME_KEY_LEN);
	XXH128_canonicalFromHash(&hash, XXH3_128bits(both, sizeof both));
	memcpy(out, hash.digest, FRAME_KEY_LEN);
}

void repeats_add_frame(struct repeats *r, const struct buffer *b, const uint8_t key[FRAME_KEY_LEN])
{
	uint8_t name[FRAME_KEY_LEN];
	frame_key(b, key, name);
	repeats_add(r, name);
	atomic_store_explicit(&r->has_frames, true, memory_order_release);
}

bool repeats_has_frame(struct repeats *r, const struct buffer *b, const uint8_t key[FRAME_KEY_LEN])
{
	uint8_t name[FRAME_KEY_LEN];
	if (!atomic_load_explicit(&r->has_frames, memory_order_acquire))
		return false;
	frame_key(b, key, name);
	pthread_mutex_lock(&r->lock);
	bool is = is_known(r, name);
	pthread_mutex_unlock(&r->lock);
	return is;
}
