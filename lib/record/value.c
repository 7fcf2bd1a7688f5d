#include "record/value.h"

#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

void value_load_raw(struct value *v)
{
	const struct span s = v->s;
	const uint8_t *p = s.p;
	struct mp_token t;
	/* A short string is what mostly comes. */
	if (s.n && (s.p[0] & 0xe0) == 0xa0) {
		*v = value_str(span_of(s.p + 1, s.n - 1));
		return;
	}
	if (mp_read(&p, s.p + s.n, &t) != MP_OK) {
		*v = value_nil();
		return;
	}
	switch (t.type) {
	case MP_NIL:
		*v = value_nil();
		return;
	case MP_BOOL:
		*v = value_bool(t.b);
		return;
	case MP_UINT:
		*v = value_uint(t.u);
		return;
	case MP_INT:
		*v = value_int(t.i);
		return;
	case MP_FLOAT32:
	case MP_FLOAT64:
		*v = value_float(t.d);
		return;
	case MP_STR:
	case MP_BIN:
		*v = value_str(t.body);
		v->bin = t.type == MP_BIN;
		return;
	case MP_EXT:
		v->type = VALUE_RAW_EXT;
		return;
	case MP_ARRAY:
		v->type = VALUE_RAW_ARRAY;
		return;
	case MP_MAP:
		v->type = VALUE_RAW_MAP;
		return;
	}
}

/* ---- arrays ------------------------------------------------------------------------------------------------------- */

struct value_array *value_array_new(struct arena *a, uint32_t cap)
{
	struct value_array *array = arena_alloc(a, sizeof *array);
	if (!array)
		return NULL;
	*array = (struct value_array){.cap = cap};
	if (cap && !(array->v = arena_array(a, cap, sizeof *array->v)))
		return NULL;
	return array;
}

static bool array_grow(struct arena *a, struct value_array *array, uint32_t need)
{
	if (need <= array->cap)
		return true;
	if (need > UINT32_MAX / 4)
		return false;
	uint32_t cap = array->cap < 4 ? 8 : array->cap * 2;
	if (cap < need)
		cap = need;
	struct value *v = arena_array(a, cap, sizeof *v);
	if (!v)
		return false;
	if (array->n)
		memcpy(v, array->v, array->n * sizeof *v);
	array->v = v;
	array->cap = cap;
	return true;
}

bool value_array_push(struct arena *a, struct value_array *array, const struct value *v)
{
	const struct value copy = *v; /* it may be an element of this array, which moves */
	if (!array_grow(a, array, array->n + 1))
		return false;
	array->v[array->n++] = copy;
	return true;
}

bool value_array_extend(struct arena *a, struct value_array *array, uint32_t n)
{
	if (!array_grow(a, array, n))
		return false;
	while (array->n < n)
		array->v[array->n++] = value_nil();
	return true;
}

/* The head of a msgpack array or map at p; *p is moved behind it. */
static uint32_t read_head(const uint8_t **p, const uint8_t *end)
{
	struct mp_token t;
	return mp_read(p, end, &t) == MP_OK ? t.count : 0;
}

static bool open_array(struct arena *a, struct value *v)
{
	const uint8_t *p = v->s.p, *end = p + v->s.n;
	uint32_t count = read_head(&p, end);
	struct value_array *array = value_array_new(a, count);
	if (!array)
		return false;
	for (; array->n < count; array->n++) {
		size_t n = mp_length(p, end);
		array->v[array->n] = value_raw(span_of(p, n));
		p += n;
	}
	*v = (struct value){.type = VALUE_ARRAY, .array = array};
	return true;
}

/* ---- both --------------------------------------------------------------------------------------------------------- */

bool value_open(struct arena *a, struct value *v)
{
	value_load(v);
	if (v->type == VALUE_RAW_ARRAY)
		return open_array(a, v);
	if (v->type != VALUE_RAW_MAP)
		return true;
	size_t used;
	struct value_map *map = value_map_read(a, v->s.p, v->s.p + v->s.n, MP_DEPTH_LIMIT, &used);
	if (!map)
		return false;
	*v = (struct value){.type = VALUE_MAP, .map = map};
	return true;
}

uint32_t value_count(const struct value *v)
{
	const uint8_t *p = v->s.p;
	switch (v->type) {
	case VALUE_ARRAY:
		return v->array->n;
	case VALUE_MAP:
		return v->map->live;
	case VALUE_RAW_ARRAY:
	case VALUE_RAW_MAP:
		return read_head(&p, p + v->s.n);
	default:
		return 0;
	}
}

bool value_at(const struct value *array, int64_t index, struct value *out)
{
	int64_t count = value_count(array);
	if (index < 0)
		index += count;
	if (index < 0 || index >= count)
		return false;
	if (array->type == VALUE_ARRAY) {
		*out = array->array->v[index];
	} else {
		const uint8_t *p = array->s.p, *end = p + array->s.n;
		read_head(&p, end);
		for (; index; index--)
			p += mp_length(p, end);
		*out = value_raw(span_of(p, mp_length(p, end)));
	}
	value_load(out);
	return true;
}

static bool raw_get(const struct value *map, const struct value *key, struct value *out)
{
	struct value_iter it;
	struct value k, v;
	bool found = false;
	if (value_is_str(key)) {
		struct span raw = mp_map_get(map->s, value_text(key));
		*out = raw.n ? value_raw(raw) : value_nil();
		value_load(out);
		return raw.n != 0;
	}
	value_iter_init(&it, map);
	while (value_iter_pair(&it, &k, &v)) {
		if (value_same(&k, key)) {
			*out = v;
			found = true;
		}
	}
	return found;
}

bool value_get(struct arena *a, const struct value *map, const struct value *key, struct value *out)
{
	if (map->type == VALUE_RAW_MAP)
		return raw_get(map, key, out);
	struct value_pair *pair = value_map_find(a, map->map, key);
	if (!pair)
		return false;
	value_load(&pair->value);
	*out = pair->value;
	return true;
}

void value_iter_init(struct value_iter *it, const struct value *of)
{
	*it = (struct value_iter){.of = of};
	if (of->type == VALUE_RAW_ARRAY || of->type == VALUE_RAW_MAP) {
		it->p = of->s.p;
		it->end = it->p + of->s.n;
		it->left = read_head(&it->p, it->end);
	}
}

static struct value next_raw(struct value_iter *it)
{
	size_t n = mp_length(it->p, it->end);
	struct value v = value_raw(span_of(it->p, n));
	it->p += n;
	value_load(&v);
	return v;
}

bool value_iter_element(struct value_iter *it, struct value *v)
{
	if (it->of->type == VALUE_ARRAY) {
		struct value_array *array = it->of->array;
		if (it->at >= array->n)
			return false;
		value_load(&array->v[it->at]);
		*v = array->v[it->at++];
		return true;
	}
	if (!it->left)
		return false;
	it->left--;
	*v = next_raw(it);
	return true;
}

bool value_iter_pair(struct value_iter *it, struct value *key, struct value *v)
{
	if (it->of->type == VALUE_MAP) {
		struct value_map *m = it->of->map;
		while (it->at < m->n && m->v[it->at].key.type == VALUE_NONE)
			it->at++;
		if (it->at >= m->n)
			return false;
		struct value_pair *pair = &m->v[it->at++];
		value_load(&pair->key);
		value_load(&pair->value);
		*key = pair->key;
		*v = pair->value;
		return true;
	}
	if (!it->left)
		return false;
	it->left--;
	*key = next_raw(it);
	*v = next_raw(it);
	return true;
}

/* ---- to msgpack --------------------------------------------------------------------------------------------------- */

static bool put_str(struct buf *out, struct span s, bool bin)
{
	if (s.n > UINT32_MAX)
		return false;
	if (!bin)
		return mp_put_str(out, s);
	return mp_put_head(out, 0xc6, s.n, 4) && buf_put_span(out, s);
}

static bool put_deep(struct buf *out, const struct value *v, unsigned depth);

static bool put_array(struct buf *out, const struct value_array *array, unsigned depth)
{
	if (!mp_put_array_head(out, array->n))
		return false;
	for (uint32_t i = 0; i < array->n; i++)
		if (!put_deep(out, &array->v[i], depth))
			return false;
	return true;
}

/* The pair in one copy if it has a short text for a key and a value of the outermost map that nobody has looked at, as most have. False: it does not. */
static inline bool put_usual_pair(struct buf *out, const struct value_pair *pair, unsigned depth)
{
	const struct span key = pair->key.s, v = pair->value.s;
	if (pair->key.type != VALUE_STR || pair->key.bin || !key.n || key.n >= 32 || pair->value.type != VALUE_RAW ||
		depth != VALUE_DEPTH_MAX - 1 || !buf_reserve(out, 1 + key.n + v.n))
		return false;
	uint8_t *p = out->p + out->n;
	*p = (uint8_t)(0xa0 | key.n);
	memcpy(p + 1, key.p, key.n);
	memcpy(p + 1 + key.n, v.p, v.n);
	out->n += 1 + key.n + v.n;
	return true;
}

static bool put_map(struct buf *out, const struct value_map *m, unsigned depth)
{
	if (!mp_put_map_head(out, m->live))
		return false;
	for (uint32_t i = 0; i < m->n; i++) {
		const struct value_pair *pair = &m->v[i];
		if (pair->key.type == VALUE_NONE || put_usual_pair(out, pair, depth))
			continue;
		if (!put_deep(out, &pair->key, depth) || !put_deep(out, &pair->value, depth))
			return false;
	}
	return true;
}

/* msgpack in its place, unless it lies so deep among what was built that nobody could read the record again. */
static bool put_raw(struct buf *out, struct span s, unsigned depth)
{
	const unsigned around = VALUE_DEPTH_MAX - depth;
	if (around > 1 && !mp_skip(s.p, s.p + s.n, MP_DEPTH_LIMIT - 1 - around))
		return false;
	return buf_put_span(out, s);
}

static bool put_deep(struct buf *out, const struct value *v, unsigned depth)
{
	switch (v->type) {
	case VALUE_NIL:
		return mp_put_nil(out);
	case VALUE_BOOL:
		return mp_put_bool(out, v->b);
	case VALUE_INT:
		return mp_put_int(out, v->i);
	case VALUE_UINT:
		return mp_put_uint(out, v->u);
	case VALUE_FLOAT:
		return mp_put_double(out, v->d);
	case VALUE_STR:
	case VALUE_SYM:
		return put_str(out, v->s, v->bin);
	case VALUE_BOX:
		return put_str(out, v->box->s, v->box->bin);
	case VALUE_TIME:
		return mp_put_event_time(out, v->time);
	case VALUE_RAW:
	case VALUE_RAW_ARRAY:
	case VALUE_RAW_MAP:
	case VALUE_RAW_EXT:
		return put_raw(out, v->s, depth);
	case VALUE_ARRAY:
		return depth && put_array(out, v->array, depth - 1);
	case VALUE_MAP:
		return depth && put_map(out, v->map, depth - 1);
	default:
		return false;
	}
}

bool value_put(struct buf *out, const struct value *v)
{
	return put_deep(out, v, VALUE_DEPTH_MAX);
}
