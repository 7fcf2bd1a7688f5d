#include "entry.h"

#include "base/clock.h"
#include "record/msgpack_scan.h"

#define ADDED_MAX (1u << 20) /* bytes of added fields */

void added_init(struct added *a)
{
	*a = (struct added){0};
	buf_init(&a->pairs, ADDED_MAX);
}

void added_free(struct added *a)
{
	buf_free(&a->pairs);
}

void added_clear(struct added *a)
{
	buf_clear(&a->pairs);
	a->count = 0;
}

void added_put(struct added *a, const char *key, const char *value)
{
	size_t before = a->pairs.n;
	if (!key || !value)
		return;
	if (mp_put_str(&a->pairs, span_str(key)) && mp_put_str(&a->pairs, span_str(value))) {
		a->count++;
	} else {
		a->pairs.n = before; /* half a pair must not stay */
		a->pairs.failed = false;
	}
}

struct event_time entry_time(int64_t wall_ns)
{
	return (struct event_time){.sec = wall_ns / NS_PER_S, .nsec = (uint32_t)(wall_ns % NS_PER_S)};
}

static bool is_str(const struct mp_token *t, struct span text)
{
	return (t->type == MP_STR || t->type == MP_BIN) && span_eq(t->body, text);
}

/* The pairs but for those of one key; *count is lowered by what is left out. */
static bool put_pairs_without(struct buf *out, struct span pairs, struct span without, uint32_t *count)
{
	const uint8_t *p = pairs.p, *end = pairs.p + pairs.n;
	for (uint32_t i = *count; i; i--) {
		const uint8_t *pair = p, *q = p;
		struct mp_token key;
		if (mp_read(&q, end, &key) != MP_OK)
			return false;
		size_t key_len = mp_length(p, end);
		size_t value_len = key_len ? mp_length(p + key_len, end) : 0;
		if (!value_len)
			return false;
		p += key_len + value_len;
		if (is_str(&key, without))
			(*count)--;
		else if (!buf_put(out, pair, key_len + value_len))
			return false;
	}
	return true;
}

bool entry_put(struct buf *out, struct event_time t, struct span record, const struct added *a, struct span without)
{
	const uint8_t *p = record.p, *end = record.p + record.n;
	size_t before = out->n;
	struct mp_token map;
	if (mp_read(&p, end, &map) != MP_OK || map.type != MP_MAP)
		return false;
	struct span pairs = span_of(p, (size_t)(end - p));
	uint32_t count = map.count;
	bool ok = mp_put_array_head(out, 2) && mp_put_event_time(out, t);
	size_t head = out->n;
	if (ok && without.n) {
		ok = mp_put_map_room(out) && put_pairs_without(out, pairs, without, &count);
		mp_set_map_head(out, head, count + (a ? a->count : 0));
	} else if (ok) {
		ok = mp_put_map_head(out, count + (a ? a->count : 0)) && buf_put_span(out, pairs);
	}
	if (ok && a)
		ok = buf_put_span(out, buf_span(&a->pairs));
	if (!ok) {
		out->n = before;
		out->failed = false;
	}
	return ok;
}
