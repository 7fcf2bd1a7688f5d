/*
 * record.h: one record while a filter changes it. Its top-level fields are views over the msgpack that came; what is set is laid over them, in an arena;
 * at the end it is written as a msgpack map, what nobody touched byte for byte.
 *
 *     struct arena a;                       one for a batch, or longer
 *     for each event:
 *             mark = arena_save(&a);
 *             record_open(&r, &a, p, end, MP_DEPTH_LIMIT, &used) ... record_set(&r, ...) ... record_put(&r, out)
 *             arena_restore(&a, mark);
 *
 * Of repeated keys the last counts. One thread's.
 */
#ifndef WEIR_RECORD_RECORD_H
#define WEIR_RECORD_RECORD_H

#include "record/record_path.h"
#include "record/value.h"

struct record {
	struct arena *arena;
	struct value_map *map;
};

/*
 * Reads the msgpack map at p; *used is its length in bytes. The bytes must stay as long as the record is used. False: cut, no map, deeper
 * than max_depth, or no room in the arena.
 */
bool record_open(struct record *r, struct arena *a, const uint8_t *p, const uint8_t *end, unsigned max_depth,
	size_t *used) __attribute__((warn_unused_result));
/* An empty one. */
bool record_new(struct record *r, struct arena *a) __attribute__((warn_unused_result));

/* The value of a top-level field; false if there is none. */
bool record_get(const struct record *r, struct span key, struct value *v);

/* Below, false means that there is no room in the arena. Keys and texts are not copied: they must live as long as the record. */
bool record_set(struct record *r, struct span key, const struct value *v) __attribute__((warn_unused_result));
/* Takes a field out, if it is there. */
bool record_remove_path(struct record *r, const struct record_path *path) __attribute__((warn_unused_result));

/* Steps through the fields: value_iter_pair(). Call value_map_unique() on r->map before, if repeated keys matter. */
void record_iter(const struct record *r, struct value *self, struct value_iter *it);

/* Appends the record as a msgpack map. False: `out` failed, or a value cannot be written. */
bool record_put(const struct record *r, struct buf *out) __attribute__((warn_unused_result));

#endif
