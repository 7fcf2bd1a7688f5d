/*
 * map.h: a hash map from byte strings to pointers. The hash is keyed with random bytes of this process, so that nobody
 * who chooses keys (tags, host names) can make them collide.
 *
 * Keys are copied in; values belong to the caller. The map grows with what is put in: the caller bounds that
 * (map_count). One thread's, or under the caller's lock.
 */
#ifndef WEIR_BASE_MAP_H
#define WEIR_BASE_MAP_H

#include "base/span.h"

struct map;

struct map *map_new(void);

/* Frees the map and its keys; each value is given to free_value before, if that is not NULL. `m` may be NULL. */
void map_free(struct map *m, void (*free_value)(void *value));

/* The value of `key`; NULL if there is none. */
void *map_get(const struct map *m, struct span key);

/*
 * The place of the key's value, made (and NULL) if the key is new: *map_put(m, key) = value. The place is good until
 * the next map_put or map_remove. NULL only if there is no memory: the map is then unchanged.
 */
void **map_put(struct map *m, struct span key) __attribute__((warn_unused_result));

/* Takes the key out and returns its value, NULL if it was not there. */
void *map_remove(struct map *m, struct span key);

size_t map_count(const struct map *m);

/* Zero-initialised, then filled by each map_next: key and value are the current pair. */
struct map_iter {
	size_t at;
	struct span key; /* in the map */
	void *value;
};

/* The next pair, in no order that means anything; false after the last. The map must not change meanwhile. */
bool map_next(const struct map *m, struct map_iter *i);

#endif
