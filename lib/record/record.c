#include "record/record.h"

bool record_open(
	struct record *r, struct arena *a, const uint8_t *p, const uint8_t *end, unsigned max_depth, size_t *used)
{
	r->arena = a;
	r->map = value_map_read(a, p, end, max_depth, used);
	return r->map != NULL;
}

bool record_new(struct record *r, struct arena *a)
{
	r->arena = a;
	r->map = value_map_new(a, 16);
	return r->map != NULL;
}

bool record_get(const struct record *r, struct span key, struct value *v)
{
	struct value_pair *pair = value_map_find_str(r->arena, r->map, key);
	if (!pair)
		return false;
	value_load(&pair->value);
	*v = pair->value;
	return true;
}

bool record_set(struct record *r, struct span key, const struct value *v)
{
	const struct value k = value_str(key);
	struct value *place = value_map_put(r->arena, r->map, &k);
	if (!place)
		return false;
	*place = *v;
	return true;
}

enum found { FOUND, MISSING, NO_ROOM };

/* The place of an element or field in a container that is taken apart. */
static struct value *place_in(struct arena *a, const struct record_step *step, const struct value *in)
{
	if (!step->is_index) {
		struct value_pair *pair = in->type == VALUE_MAP ? value_map_find_str(a, in->map, step->key) : NULL;
		return pair ? &pair->value : NULL;
	}
	if (in->type != VALUE_ARRAY)
		return NULL;
	int64_t i = step->index < 0 ? step->index + in->array->n : step->index;
	return i >= 0 && i < in->array->n ? &in->array->v[i] : NULL;
}

/* Takes everything on the path apart but the last step; *holder is what the last step is in. */
static enum found open_path(struct record *r, const struct record_step *step, size_t n, struct value *holder)
{
	*holder = (struct value){.type = VALUE_MAP, .map = r->map};
	for (size_t i = 0; i + 1 < n; i++) {
		struct value *place = place_in(r->arena, &step[i], holder);
		if (!place)
			return MISSING;
		if (!value_open(r->arena, place))
			return NO_ROOM;
		*holder = *place;
	}
	return FOUND;
}

bool record_remove_path(struct record *r, const struct record_path *path)
{
	const struct record_step *step;
	struct value holder;
	size_t n = record_path_steps(path, &step);
	enum found found = n ? open_path(r, step, n, &holder) : MISSING;
	if (found != FOUND)
		return found == MISSING;
	const struct record_step *last = &step[n - 1];
	if (last->is_index) {
		struct value *place = place_in(r->arena, last, &holder);
		if (!place)
			return true;
		struct value_array *array = holder.array;
		memmove(place, place + 1, (size_t)(array->v + array->n - place - 1) * sizeof *place);
		array->n--;
	} else if (holder.type == VALUE_MAP) {
		const struct value key = value_str(last->key);
		value_map_remove(r->arena, holder.map, &key, NULL);
	}
	return true;
}

void record_iter(const struct record *r, struct value *self, struct value_iter *it)
{
	*self = (struct value){.type = VALUE_MAP, .map = r->map};
	value_iter_init(it, self);
}

bool record_put(const struct record *r, struct buf *out)
{
	const struct value v = {.type = VALUE_MAP, .map = r->map};
	return value_put(out, &v);
}
