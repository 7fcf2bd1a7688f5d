#include "batch_split.h"

#include "base/clock.h"
#include "base/mem.h"
#include "ingest.h"
#include "record/msgpack_scan.h"

#define ENTRIES_MAX ((size_t)1 << 30)
#define NAME_LIMIT  65535u
#define FEW	    8u /* parts that are looked through one by one */

void batch_split_init(struct batch_split *s)
{
	*s = (struct batch_split){0};
	buf_init(&s->key, NAME_LIMIT + 64);
}

void batch_split_free(struct batch_split *s)
{
	for (size_t i = 0; i < s->n; i++) {
		buf_free(&s->parts[i].name);
		buf_free(&s->parts[i].entries);
	}
	mem_free(s->parts);
	map_free(s->found, NULL);
	buf_free(&s->key);
}

static bool is_it(const struct batch_part *p, const void *target, struct span name)
{
	return p->target == target && span_eq(buf_span(&p->name), name);
}

static struct span key_of(struct batch_split *s, const void *target, struct span name)
{
	buf_clear(&s->key);
	buf_put(&s->key, &target, sizeof target);
	buf_put_span(&s->key, name);
	return buf_span(&s->key);
}

static bool remember(struct batch_split *s, size_t i)
{
	const struct batch_part *p = &s->parts[i];
	void **place = map_put(s->found, key_of(s, p->target, buf_span(&p->name)));
	if (place)
		*place = (void *)(uintptr_t)(i + 1);
	return place;
}

static struct batch_part *add_part(struct batch_split *s, const void *target, struct span name)
{
	if (!s->parts || s->n == s->cap)
		s->parts = mem_realloc(s->parts, (s->cap = 2 * s->cap + 4) * sizeof *s->parts);
	struct batch_part *p = &s->parts[s->n];
	*p = (struct batch_part){.target = target};
	buf_init(&p->name, NAME_LIMIT);
	buf_init(&p->entries, ENTRIES_MAX);
	buf_put_span(&p->name, name);
	s->last = s->n++;
	if (s->n == FEW) {
		s->found = map_new();
		for (size_t i = 0; i < s->n; i++)
			if (!remember(s, i))
				return NULL;
	} else if (s->found && !remember(s, s->last)) {
		return NULL;
	}
	return p->name.failed ? NULL : p;
}

static struct batch_part *find_part(struct batch_split *s, const void *target, struct span name)
{
	if (s->n && is_it(&s->parts[s->last], target, name))
		return &s->parts[s->last];
	if (s->found) {
		size_t i = (size_t)(uintptr_t)map_get(s->found, key_of(s, target, name));
		return i ? &s->parts[s->last = i - 1] : NULL;
	}
	for (size_t i = 0; i < s->n; i++)
		if (is_it(&s->parts[i], target, name))
			return &s->parts[s->last = i];
	return NULL;
}

bool batch_split_add(struct batch_split *s, const void *target, struct span name, struct span entry)
{
	if (name.n > NAME_LIMIT)
		name.n = NAME_LIMIT;
	struct batch_part *p = find_part(s, target, name);
	if (!p)
		p = add_part(s, target, name);
	if (!p || !buf_reserve(&p->entries, entry.n)) {
		if (p)
			p->entries.failed = false; /* what is in it is whole */
		return false;
	}
	buf_put_span(&p->entries, entry);
	p->count++;
	return true;
}

struct batch batch_split_part(const struct batch *whole, const struct batch_part *p, const char *what, bool retag)
{
	struct batch b = {
		.tag = retag ? buf_span(&p->name) : whole->tag,
		.entries = buf_span(&p->entries),
		.count = p->count,
		.received_ns = whole->received_ns,
	};
	struct batch named = *whole;
	batch_part_key(whole, span_str(what), named.key);
	batch_part_key(&named, buf_span(&p->name), b.key);
	return b;
}

void batch_iter_init(struct batch_iter *it, const struct batch *b)
{
	*it = (struct batch_iter){.p = b->entries.p, .end = b->entries.p + b->entries.n, .received_ns = b->received_ns};
}

bool batch_iter_next(struct batch_iter *it)
{
	size_t used;
	if (it->p >= it->end || event_read(it->p, it->end, MP_DEPTH_LIMIT, &it->event, &used) != EVENT_OK)
		return false;
	if (it->event.kind == EVENT_TIME_NOW)
		it->event.time = (struct event_time){
			.sec = it->received_ns / NS_PER_S, .nsec = (uint32_t)(it->received_ns % NS_PER_S)};
	it->entry = span_of(it->p, used);
	it->p += used;
	return true;
}
