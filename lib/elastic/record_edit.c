#include "elastic/record_edit.h"

#include "base/bytes.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"

/* ---- removal ----------------------------------------------------------------------------------------- */

static bool is_key(struct span key, const struct record_step *step)
{
	struct mp_token t;
	const uint8_t *p = key.p;
	return !step->is_index && mp_read(&p, key.p + key.n, &t) == MP_OK && (t.type == MP_STR || t.type == MP_BIN) &&
	       span_eq(t.body, step->key);
}

static void put_head(struct buf *out, bool map, uint32_t count)
{
	uint8_t head[5] = {map ? 0xdf : 0xdd};
	be32_put(head + 1, count);
	buf_put(out, head, sizeof head);
}

/* Copies the object at *p without what the `n` steps lead to. The depth is the path's, not the record's. */
static bool copy_without(
	const uint8_t **p, const uint8_t *end, const struct record_step *step, size_t n, struct buf *out);

/* Whether the i-th element or pair of a container is on the path. */
static bool on_path(const struct mp_token *t, const struct record_step *step, uint32_t i, struct span key)
{
	if (t->type == MP_MAP)
		return is_key(key, step);
	return step->is_index && (step->index < 0 ? step->index + t->count : step->index) == i;
}

static bool copy_elements(const uint8_t **p, const uint8_t *end, const struct mp_token *t,
	const struct record_step *step, size_t n, struct buf *out)
{
	const size_t head = out->n;
	uint32_t kept = t->count;
	put_head(out, t->type == MP_MAP, 0);
	for (uint32_t i = 0; i < t->count; i++) {
		struct span key = {0};
		if (t->type == MP_MAP) {
			key = span_of(*p, mp_length(*p, end));
			*p += key.n;
		}
		const bool hit = on_path(t, step, i, key);
		if (hit && n == 1) {
			kept--;
			*p += mp_length(*p, end);
			continue;
		}
		buf_put_span(out, key);
		if (hit && !copy_without(p, end, step + 1, n - 1, out))
			return false;
		if (!hit) {
			const size_t len = mp_length(*p, end);
			buf_put(out, *p, len);
			*p += len;
		}
	}
	if (!out->failed)
		be32_put(out->p + head + 1, kept);
	return !out->failed;
}

static bool copy_without(
	const uint8_t **p, const uint8_t *end, const struct record_step *step, size_t n, struct buf *out)
{
	struct mp_token t;
	const uint8_t *q = *p;
	if (mp_read(&q, end, &t) != MP_OK)
		return false;
	if (t.type == (step->is_index ? MP_ARRAY : MP_MAP)) {
		*p = q;
		return copy_elements(p, end, &t, step, n, out);
	}
	const size_t len = mp_length(*p, end);
	buf_put(out, *p, len);
	*p += len;
	return !out->failed;
}

bool record_edit_remove(struct span record, const struct record_path *path, struct buf *out)
{
	const struct record_step *step;
	const size_t n = record_path_steps(path, &step);
	const uint8_t *p = record.p;
	return copy_without(&p, record.p + record.n, step, n, out);
}

/* ---- flattening -------------------------------------------------------------------------------------- */

/* Appends a key as the text that Ruby's to_s would make of it: strings as they are, nil as nothing. */
static bool put_key_text(struct span key, struct buf *name)
{
	struct mp_token t;
	const uint8_t *p = key.p;
	if (mp_read(&p, key.p + key.n, &t) != MP_OK)
		return false;
	if (t.type == MP_NIL)
		return true;
	if (t.type == MP_STR || t.type == MP_BIN)
		return buf_put_span(name, t.body);
	p = key.p;
	return json_put(name, &p, key.p + key.n, MP_DEPTH_LIMIT);
}

struct flattening {
	struct buf *out;
	struct buf name; /* of the present place, from the top */
	struct span separator;
	bool arrays;	/* are flattened too */
	uint32_t count; /* of pairs written */
	unsigned depth;
	/* The maps and arrays around the present place. */
	struct {
		uint32_t left; /* pairs or elements to come */
		uint32_t next; /* the number of the next element */
		bool is_array;
		size_t name_len;
	} level[MP_DEPTH_LIMIT];
};

static bool put_pair(struct flattening *f, struct span value)
{
	uint8_t head[5] = {0xdb};
	be32_put(head + 1, (uint32_t)f->name.n);
	f->count++;
	buf_put(f->out, head, sizeof head);
	buf_put_span(f->out, buf_span(&f->name));
	return buf_put_span(f->out, value);
}

/* Appends the name of the pair or element at *p to that of what it is in; *p is moved to the value. */
static bool put_name(struct flattening *f, const uint8_t **p, const uint8_t *end)
{
	f->name.n = f->level[f->depth - 1].name_len;
	if (f->depth > 1)
		buf_put_span(&f->name, f->separator);
	if (f->level[f->depth - 1].is_array)
		return buf_printf(&f->name, "%u", f->level[f->depth - 1].next++);
	const struct span key = span_of(*p, mp_length(*p, end));
	*p += key.n;
	return key.n && put_key_text(key, &f->name);
}

/* The pair or element at *p: written, or a container that is gone into. */
static bool flatten_one(struct flattening *f, const uint8_t **p, const uint8_t *end)
{
	struct mp_token t;
	if (!put_name(f, p, end))
		return false;
	const uint8_t *q = *p;
	if (mp_read(&q, end, &t) != MP_OK)
		return false;
	if (t.type == MP_MAP || (t.type == MP_ARRAY && f->arrays)) {
		if (f->depth == MP_DEPTH_LIMIT)
			return false;
		f->level[f->depth].left = t.count;
		f->level[f->depth].next = 0;
		f->level[f->depth].is_array = t.type == MP_ARRAY;
		f->level[f->depth++].name_len = f->name.n;
		*p = q;
		return true;
	}
	const struct span value = span_of(*p, mp_length(*p, end));
	*p += value.n;
	return put_pair(f, value);
}

static bool flatten_map(struct flattening *f, const uint8_t *p, const uint8_t *end)
{
	struct mp_token t;
	if (mp_read(&p, end, &t) != MP_OK || t.type != MP_MAP)
		return false;
	f->level[0].left = t.count;
	f->level[0].is_array = false;
	f->level[0].name_len = 0;
	f->depth = 1;
	while (f->depth) {
		if (f->level[f->depth - 1].left == 0) {
			f->depth--;
			continue;
		}
		f->level[f->depth - 1].left--;
		if (!flatten_one(f, &p, end))
			return false;
	}
	return true;
}

bool record_edit_flatten(struct span record, struct span separator, bool arrays, struct buf *out)
{
	struct flattening f;
	f.out = out;
	f.separator = separator;
	f.arrays = arrays;
	f.count = 0;
	const size_t head = out->n;
	/* Every pair takes its whole name along, so both are bounded by what `out` may hold. */
	buf_init(&f.name, out->max < UINT32_MAX ? out->max : UINT32_MAX);
	put_head(out, true, 0);
	const bool good = flatten_map(&f, record.p, record.p + record.n) && !out->failed;
	if (good)
		be32_put(out->p + head + 1, f.count);
	buf_free(&f.name);
	return good;
}
