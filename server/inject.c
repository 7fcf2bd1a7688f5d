#include "inject.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "record/event.h"
#include "record/msgpack_scan.h"

struct inject {
	uint32_t count;
	struct buf pairs; /* msgpack */
};

static void put_str(struct buf *b, const char *s)
{
	size_t n = strlen(s);
	if (n < 32) {
		buf_put_byte(b, (uint8_t)(0xa0 | n));
	} else {
		uint8_t head[5] = {0xdb};
		be32_put(head + 1, (uint32_t)n);
		buf_put(b, head, sizeof head);
	}
	buf_put(b, s, n);
}

struct inject *inject_new(const char *key1, const char *value1, const char *key2, const char *value2)
{
	struct inject *i = mem_zalloc(sizeof *i);
	buf_init(&i->pairs, 1 << 20);
	if (key1) {
		put_str(&i->pairs, key1);
		put_str(&i->pairs, value1 ? value1 : "");
		i->count++;
	}
	if (key2) {
		put_str(&i->pairs, key2);
		put_str(&i->pairs, value2 ? value2 : "");
		i->count++;
	}
	return i;
}

void inject_free(struct inject *i)
{
	if (!i)
		return;
	buf_free(&i->pairs);
	mem_free(i);
}

bool inject_apply(const struct inject *i, struct span entries, struct buf *out)
{
	const uint8_t *p = entries.p, *end = p + entries.n;
	while (p < end) {
		struct event e;
		size_t used;
		struct mp_token map;
		if (event_read(p, end, MP_DEPTH_LIMIT, &e, &used) != EVENT_OK)
			return false;
		const uint8_t *body = e.record.p;
		if (mp_read(&body, end, &map) != MP_OK)
			return false;
		uint8_t head[5] = {0xdf};
		be32_put(head + 1, map.count + i->count);
		if (!buf_reserve(out, used + sizeof head + i->pairs.n))
			return false;
		buf_put(out, p, (size_t)(e.record.p - p));
		buf_put(out, head, sizeof head);
		buf_put(out, body, (size_t)(e.record.p + e.record.n - body));
		buf_put_span(out, buf_span(&i->pairs));
		p += used;
	}
	return true;
}
