/* value_map.c: the maps of value.h: pairs in their order, searched from the end, with a hash table once they are many. */
#include "record/value.h"

#include "base/siphash.h"
#include "record/msgpack_class.h"
#include "record/msgpack_scan.h"

#include <pthread.h>
#include <sys/random.h>

#define SMALL	     32 /* pairs that are compared one by one */
#define LOOKS_BEFORE 4	/* searches of a large map before it gets its table */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t hash_key[2];

static void make_hash_key(void)
{
	/* Without random bytes the table still works; only a clever sender could then make it slow, within the limits of a message. */
	if (getrandom(hash_key, sizeof hash_key, 0) != sizeof hash_key)
		hash_key[0] = (uint64_t)(uintptr_t)&once;
}

struct value_map *value_map_new(struct arena *a, uint32_t cap)
{
	struct value_map *m = arena_alloc(a, sizeof *m);
	if (!m)
		return NULL;
	*m = (struct value_map){.cap = cap, .unique = true};
	if (cap && !(m->v = arena_array(a, cap, sizeof *m->v)))
		return NULL;
	return m;
}

struct value_map *value_map_copy(struct arena *a, const struct value_map *m)
{
	struct value_map *copy = value_map_new(a, m->live);
	if (!copy || !copy->v)
		return copy;
	for (uint32_t i = 0; i < m->n; i++)
		if (m->v[i].key.type != VALUE_NONE)
			copy->v[copy->n++] = m->v[i];
	copy->live = copy->n;
	copy->unique = m->unique;
	return copy;
}

/* The length of the whole object at p, 0 if it is cut, bad or too deep. */
static inline size_t object_length(const uint8_t *p, const uint8_t *end, unsigned max_depth)
{
	uint64_t kids, n;
	if (p >= end)
		return 0;
	if ((*p & 0xe0) == 0xa0) {
		n = 1u + (*p & 0x1f);
	} else if (mp_class[*p] & MP_CLASS_NEST) {
		return max_depth ? mp_skip(p, end, max_depth) : 0;
	} else {
		n = mp_token_size(p, (size_t)(end - p), &kids);
	}
	return n <= (size_t)(end - p) ? (size_t)n : 0;
}

/* The key and value at *p. */
static inline bool read_pair(const uint8_t **p, const uint8_t *end, unsigned max_depth, struct value_pair *pair)
{
	size_t n = object_length(*p, end, max_depth);
	if (!n)
		return false;
	if ((**p & 0xe0) == 0xa0) { /* a short text, as nearly all keys are */
		pair->key = value_str(span_of(*p + 1, n - 1));
	} else {
		pair->key = value_raw(span_of(*p, n));
		value_load_raw(&pair->key);
	}
	*p += n;
	n = object_length(*p, end, max_depth);
	pair->value = value_raw(span_of(*p, n));
	*p += n;
	return n != 0;
}

struct value_map *value_map_read(
	struct arena *a, const uint8_t *p, const uint8_t *end, unsigned max_depth, size_t *used)
{
	const uint8_t *start = p;
	struct mp_token t;
	if (!max_depth || mp_read(&p, end, &t) != MP_OK || t.type != MP_MAP || t.count > (size_t)(end - p) / 2 ||
		t.count > UINT32_MAX / 8)
		return NULL;
	struct value_map *m = value_map_new(a, t.count + 4);
	if (!m)
		return NULL;
	for (; m->n < t.count; m->n++)
		if (!read_pair(&p, end, max_depth - 1, &m->v[m->n]))
			return NULL;
	m->live = m->n;
	m->unique = m->n <= 1;
	*used = (size_t)(p - start);
	return m;
}

bool value_same(const struct value *a, const struct value *b)
{
	if (value_is_str(a) && value_is_str(b))
		return span_eq(value_text(a), value_text(b));
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case VALUE_NIL:
		return true;
	case VALUE_BOOL:
		return a->b == b->b;
	case VALUE_INT:
		return a->i == b->i;
	case VALUE_UINT:
		return a->u == b->u;
	case VALUE_FLOAT:
		return a->d == b->d;
	case VALUE_SYM:
	case VALUE_RAW_EXT:
	case VALUE_RAW_ARRAY:
	case VALUE_RAW_MAP:
		return span_eq(a->s, b->s);
	case VALUE_TIME:
		return a->time.sec == b->time.sec && a->time.nsec == b->time.nsec;
	default:
		return a->other == b->other;
	}
}

/* ---- the table ---------------------------------------------------------------------------------------------------- */

static uint32_t hash_of(const struct value *key)
{
	uint64_t h;
	if (value_is_str(key))
		h = siphash(hash_key, value_text(key));
	else if (key->type == VALUE_SYM || (key->type >= VALUE_RAW_ARRAY && key->type <= VALUE_RAW_EXT))
		h = siphash(hash_key, key->s);
	else
		h = siphash(hash_key, span_of(&key->u, sizeof key->u));
	return (uint32_t)(h ^ h >> 32);
}

/* Where the key stands in the table, or the free slot where it would. */
static uint32_t *slot_of(const struct value_map *m, const struct value *key)
{
	uint32_t mask = m->index_cap - 1;
	for (uint32_t i = hash_of(key) & mask;; i = (i + 1) & mask) {
		uint32_t place = m->index[i];
		if (!place)
			return &m->index[i];
		const struct value *other = &m->v[place - 1].key;
		if (other->type != VALUE_NONE && value_same(other, key))
			return &m->index[i];
	}
}

/*
 * Makes the table over all pairs. Of repeated keys it holds the last, or, with `merge`, the first, which gets the value of the last while the others go.
 */
static bool make_index(struct arena *a, struct value_map *m, bool merge)
{
	uint32_t cap = 64;
	pthread_once(&once, make_hash_key);
	while (cap < m->n * 2 + 2)
		cap *= 2;
	m->index = arena_array(a, cap, sizeof *m->index);
	if (!m->index)
		return false;
	memset(m->index, 0, cap * sizeof *m->index);
	m->index_cap = cap;
	for (uint32_t i = 0; i < m->n; i++) {
		if (m->v[i].key.type == VALUE_NONE)
			continue;
		uint32_t *slot = slot_of(m, &m->v[i].key);
		if (*slot && merge) {
			m->v[*slot - 1].value = m->v[i].value;
			m->v[i].key.type = VALUE_NONE;
			m->live--;
		} else {
			*slot = i + 1;
		}
	}
	return true;
}

/* Puts pair `i`, the last one, into the table if there is one. */
static bool index_add(struct arena *a, struct value_map *m, uint32_t i)
{
	if (!m->index)
		return true;
	if (m->n * 2 > m->index_cap)
		return make_index(a, m, false);
	*slot_of(m, &m->v[i].key) = i + 1;
	return true;
}

static struct value_pair *find_indexed(const struct value_map *m, const struct value *key)
{
	uint32_t place = *slot_of(m, key);
	return place ? &m->v[place - 1] : NULL;
}

/* Whether the table is to be used, made if it is time for it. Without room for it the search is slow, not wrong. */
static inline bool use_index(struct arena *a, struct value_map *m)
{
	if (m->n <= SMALL)
		return false;
	return m->index || (++m->looked > LOOKS_BEFORE && make_index(a, m, false));
}

/* ---- pairs -------------------------------------------------------------------------------------------------------- */

struct value_pair *value_map_find_str(struct arena *a, struct value_map *m, struct span key)
{
	if (use_index(a, m)) {
		struct value v = value_str(key);
		return find_indexed(m, &v);
	}
	for (uint32_t i = m->n; i-- > 0;) {
		const struct value *k = &m->v[i].key;
		if (k->type == VALUE_STR ? span_eq(k->s, key) : k->type == VALUE_BOX && span_eq(k->box->s, key))
			return &m->v[i];
	}
	return NULL;
}

struct value_pair *value_map_find(struct arena *a, struct value_map *m, const struct value *key)
{
	if (value_is_str(key))
		return value_map_find_str(a, m, value_text(key));
	if (use_index(a, m))
		return find_indexed(m, key);
	for (uint32_t i = m->n; i-- > 0;)
		if (value_same(&m->v[i].key, key))
			return &m->v[i];
	return NULL;
}

static bool grow(struct arena *a, struct value_map *m)
{
	if (m->n < m->cap)
		return true;
	if (m->cap > UINT32_MAX / 8)
		return false;
	uint32_t cap = m->cap < 4 ? 8 : m->cap * 2;
	struct value_pair *v = arena_array(a, cap, sizeof *v);
	if (!v)
		return false;
	if (m->n)
		memcpy(v, m->v, m->n * sizeof *v);
	m->v = v;
	m->cap = cap;
	return true;
}

struct value *value_map_put(struct arena *a, struct value_map *m, const struct value *key)
{
	struct value_pair *pair = value_map_find(a, m, key);
	const struct value copy = *key; /* it may be a key of this map, which moves */
	if (pair)
		return &pair->value;
	if (!grow(a, m))
		return NULL;
	pair = &m->v[m->n];
	pair->key = copy;
	/* A key is its text at this time, whatever becomes of the string afterwards. */
	if (copy.type == VALUE_BOX) {
		pair->key = value_str(copy.box->s);
		pair->key.bin = copy.box->bin;
	}
	pair->value = value_nil();
	m->n++;
	if (!index_add(a, m, m->n - 1)) {
		m->n--;
		return NULL;
	}
	m->live++;
	return &pair->value;
}

bool value_map_remove(struct arena *a, struct value_map *m, const struct value *key, struct value *old)
{
	struct value_pair *pair = value_map_find(a, m, key);
	if (!pair)
		return false;
	if (old) {
		*old = pair->value;
		value_load(old);
	}
	const struct value copy = *key; /* it may be the key of a pair that goes */
	if (m->unique) {
		pair->key.type = VALUE_NONE;
		m->live--;
		return true;
	}
	for (uint32_t i = m->n; i-- > 0;) {
		if (m->v[i].key.type != VALUE_NONE && value_same(&m->v[i].key, &copy)) {
			m->v[i].key.type = VALUE_NONE;
			m->live--;
		}
	}
	return true;
}

/* The same without a table: few pairs, or no room for one. */
static void merge_pairs(struct value_map *m)
{
	for (uint32_t i = 1; i < m->n; i++) {
		struct value_pair *pair = &m->v[i];
		for (uint32_t j = 0; j < i && pair->key.type != VALUE_NONE; j++) {
			if (m->v[j].key.type == VALUE_NONE || !value_same(&m->v[j].key, &pair->key))
				continue;
			m->v[j].value = pair->value;
			pair->key.type = VALUE_NONE;
			m->live--;
		}
	}
}

bool value_map_unique(struct arena *a, struct value_map *m)
{
	if (m->unique)
		return true;
	if (m->n <= SMALL)
		merge_pairs(m);
	else if (!make_index(a, m, true))
		return false;
	m->unique = true;
	return true;
}
