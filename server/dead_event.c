#include "dead_event.h"

#include "base/clock.h"
#include "dead_letter.h"
#include "entry.h"
#include "record/event.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"

enum { EVENT_TEXT_MAX = 16384 };

struct span dead_event_field(struct span text)
{
	static const char word[] = "field [";
	const uint8_t *p = text.n ? memmem(text.p, text.n, word, sizeof word - 1) : NULL;
	if (!p)
		return (struct span){0};
	p += sizeof word - 1;
	const uint8_t *end = memchr(p, ']', (size_t)(text.p + text.n - p));
	return end ? span_of(p, (size_t)(end - p)) : (struct span){0};
}

static void put(struct buf *out, const char *key, struct span value)
{
	mp_put_str(out, span_str(key));
	mp_put_str(out, value);
}

static void put_number(struct buf *out, const char *key, uint64_t value)
{
	mp_put_str(out, span_str(key));
	mp_put_uint(out, value);
}

static struct span cut(struct span text, size_t most)
{
	if (text.n > most)
		for (text.n = most; text.n && (text.p[text.n] & 0xc0) == 0x80;)
			text.n--;
	return text;
}

/* The first event as JSON, or the bytes that are none. */
static void put_text(struct buf *out, struct span entries)
{
	struct event e;
	struct buf json;
	size_t used;
	bool is_event = event_read(entries.p, entries.p + entries.n, MP_DEPTH_LIMIT, &e, &used) == EVENT_OK;
	const uint8_t *p = is_event ? e.record.p : NULL;
	buf_init(&json, 64 << 20);
	if (is_event && json_put(&json, &p, p + e.record.n, MP_DEPTH_LIMIT))
		put(out, "event", cut(buf_span(&json), EVENT_TEXT_MAX));
	else
		put(out, "event", cut(entries, EVENT_TEXT_MAX));
	buf_free(&json);
}

bool dead_event_put(struct buf *out, const struct frame *f)
{
	struct dead_letter_view why;
	struct span entries = {.p = f->payload + f->tag_len + f->info_len, .n = f->entries_len};
	if (span_is(frame_tag(f), DEAD_EVENT_TAG))
		return false;
	dead_letter_read(frame_info(f), &why);
	mp_put_array_head(out, 2);
	mp_put_event_time(out, entry_time(clock_wall_ns()));
	mp_put_map_head(out, 9);
	put(out, "destination", why.plugin);
	put(out, "reason", why.reason);
	put(out, "text", why.text);
	put(out, "field", dead_event_field(why.text));
	put_number(out, "status", why.status);
	put(out, "index", why.index);
	put(out, "tag", frame_tag(f));
	put_number(out, "events", f->count);
	put_text(out, entries);
	return !out->failed;
}
