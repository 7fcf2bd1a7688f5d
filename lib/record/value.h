/*
 * value.h: values of records while they are changed: msgpack that nobody has looked at yet, scalars, and arrays and maps that were taken
 * apart because something in them changes.
 *
 * A value is a small struct that is copied about. What it points to is the record's own bytes, constants, or an arena; nothing is freed by itself. Arrays
 * and maps that were taken apart, and boxed strings, have an identity: whoever holds the value sees the changes, as in Ruby.
 */
#ifndef WEIR_RECORD_VALUE_H
#define WEIR_RECORD_VALUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "record/event.h"

enum value_type {
	VALUE_NIL,
	VALUE_BOOL,
	VALUE_INT,
	VALUE_UINT, /* above 2^63-1 only: each number has one form */
	VALUE_FLOAT,
	VALUE_STR,
	VALUE_BOX, /* a string that can be changed in its place */
	VALUE_SYM, /* a string for whoever writes it */
	VALUE_TIME,
	VALUE_ARRAY,
	VALUE_MAP,
	VALUE_RAW,	 /* msgpack of any kind that nobody has looked at; never what value_load leaves */
	VALUE_RAW_ARRAY, /* msgpack */
	VALUE_RAW_MAP,
	VALUE_RAW_EXT,
	VALUE_NONE,  /* no value at all: a pair that was removed */
	VALUE_OTHER, /* from here on: types of those who build on this; they cannot be written to msgpack */
};

struct value_array;
struct value_map;
struct value_box;

struct value {
	uint8_t type;
	bool bin;	 /* VALUE_STR: msgpack bin, not str */
	bool utc;	 /* VALUE_TIME: in UTC by name, not by offset */
	uint8_t variant; /* for types from VALUE_OTHER on, and VALUE_TIME: theirs */
	int32_t offset;	 /* VALUE_TIME: seconds east of UTC */
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double d;
		struct span s; /* VALUE_STR, VALUE_SYM: the text; VALUE_RAW...: the msgpack object */
		struct event_time time;
		struct value_array *array;
		struct value_map *map;
		struct value_box *box;
		const void *other;
	};
};

struct value_array {
	struct value *v;
	uint32_t n, cap;
};

struct value_pair {
	struct value key; /* VALUE_NONE: the pair was removed */
	struct value value;
};

/* In the order of insertion. Keys may be repeated until value_map_unique: the last one counts. */
struct value_map {
	struct value_pair *v;
	uint32_t n, cap; /* pairs, removed ones as well */
	uint32_t live;	 /* without those */
	uint32_t looked; /* how often a key was looked for */
	uint32_t *index; /* hash table of places + 1; NULL while the map is small */
	uint32_t index_cap;
	bool unique;
};

struct value_box {
	struct span s;
	bool bin;
};

#define VALUE_DEPTH_MAX 100 /* containers in one another that were built, not received */

static inline struct value value_nil(void)
{
	return (struct value){.type = VALUE_NIL};
}

static inline struct value value_bool(bool b)
{
	return (struct value){.type = VALUE_BOOL, .b = b};
}

static inline struct value value_int(int64_t i)
{
	return (struct value){.type = VALUE_INT, .i = i};
}

static inline struct value value_uint(uint64_t u)
{
	return u > INT64_MAX ? (struct value){.type = VALUE_UINT, .u = u} : value_int((int64_t)u);
}

static inline struct value value_float(double d)
{
	return (struct value){.type = VALUE_FLOAT, .d = d};
}

/* The bytes are not copied. */
static inline struct value value_str(struct span s)
{
	return (struct value){.type = VALUE_STR, .s = s};
}

/* The bytes of a msgpack object, not copied. */
static inline struct value value_raw(struct span s)
{
	return (struct value){.type = VALUE_RAW, .s = s};
}

/* Looks at msgpack: VALUE_RAW becomes what it is; arrays and maps are not taken apart. */
void value_load_raw(struct value *v);
static inline void value_load(struct value *v)
{
	if (v->type == VALUE_RAW)
		value_load_raw(v);
}

static inline bool value_is_str(const struct value *v)
{
	return v->type == VALUE_STR || v->type == VALUE_BOX;
}

/* The text of a string or symbol. */
static inline struct span value_text(const struct value *v)
{
	return v->type == VALUE_BOX ? v->box->s : v->s;
}

static inline bool value_is_array(const struct value *v)
{
	return v->type == VALUE_ARRAY || v->type == VALUE_RAW_ARRAY;
}

static inline bool value_is_map(const struct value *v)
{
	return v->type == VALUE_MAP || v->type == VALUE_RAW_MAP;
}

/*
 * Below, false or NULL mean that the arena is full, unless something else is said.
 */

/* Takes an array or map apart in its place: VALUE_RAW_ARRAY becomes VALUE_ARRAY. Other values stay as they are. */
bool value_open(struct arena *a, struct value *v) __attribute__((warn_unused_result));

struct value_array *value_array_new(struct arena *a, uint32_t cap);
bool value_array_push(struct arena *a, struct value_array *array, const struct value *v)
	__attribute__((warn_unused_result));
/* Makes the array at least n long, with nil. */
bool value_array_extend(struct arena *a, struct value_array *array, uint32_t n) __attribute__((warn_unused_result));

struct value_map *value_map_new(struct arena *a, uint32_t cap);
/* A map with the same pairs (containers in them are shared). */
struct value_map *value_map_copy(struct arena *a, const struct value_map *m);
/*
 * The pairs of the msgpack map at p; *used is its length in bytes. NULL also if it is cut, no map, or nested deeper than max_depth.
 */
struct value_map *value_map_read(
	struct arena *a, const uint8_t *p, const uint8_t *end, unsigned max_depth, size_t *used);

/* The pair of the key, the last one of repeated ones; NULL if there is none. */
struct value_pair *value_map_find(struct arena *a, struct value_map *m, const struct value *key);
struct value_pair *value_map_find_str(struct arena *a, struct value_map *m, struct span key);
/* The place of the key's value, made (and nil) if the key is new. The key is taken as it is. */
struct value *value_map_put(struct arena *a, struct value_map *m, const struct value *key);
/* Takes all pairs of that key out; `old` (may be NULL) gets the value. False if there was none. */
bool value_map_remove(struct arena *a, struct value_map *m, const struct value *key, struct value *old);
/* Leaves one pair of each key: in the place of the first, with the value of the last. */
bool value_map_unique(struct arena *a, struct value_map *m) __attribute__((warn_unused_result));

/* How many elements or pairs (repeated ones counted) an array or map has. */
uint32_t value_count(const struct value *v);

/*
 * Reads element `index` (from 0, negative counts from the end) of an array, or the value of a key of a map, without taking it apart. False: there is none.
 */
bool value_at(const struct value *array, int64_t index, struct value *out);
bool value_get(struct arena *a, const struct value *map, const struct value *key, struct value *out);

/* Steps through an array or map, taken apart or not. */
struct value_iter {
	const struct value *of;
	uint32_t at, left;
	const uint8_t *p, *end;
};
void value_iter_init(struct value_iter *it, const struct value *of);
/* The next element, or key and value. */
bool value_iter_element(struct value_iter *it, struct value *v);
bool value_iter_pair(struct value_iter *it, struct value *key, struct value *v);

/* Whether two values are the same key: strings by their bytes, numbers of one type by value (1 is not 1.0). */
bool value_same(const struct value *a, const struct value *b);

/*
 * Appends the value as msgpack; times as EventTime, or msgpack's timestamp where that cannot hold them. False: `out` failed, or there is something that
 * msgpack does not have, or it is nested too deep.
 */
bool value_put(struct buf *out, const struct value *v) __attribute__((warn_unused_result));

#endif
