#include "record/event.h"

#include "base/bytes.h"
#include "record/msgpack_class.h"
#include "record/msgpack_scan.h"

#include <math.h>

#define NSEC_PER_SEC 1000000000u

enum { EXT_EVENT_TIME = 0, EXT_TIMESTAMP = -1 };

/* Nanoseconds of a second or more are carried over: fluentd does the same. */
static enum event_time_kind set_time(struct event_time *t, int64_t sec, uint32_t nsec)
{
	if (__builtin_add_overflow(sec, (int64_t)(nsec / NSEC_PER_SEC), &sec))
		return EVENT_TIME_BAD;
	if (sec == 0)
		return EVENT_TIME_NOW;
	*t = (struct event_time){.sec = sec, .nsec = nsec % NSEC_PER_SEC};
	return EVENT_TIME;
}

/* Senders count in other units too (Node's logger with `milliseconds`): seconds reach 10^11 in the year 5138 only. */
static enum event_time_kind uint_time(struct event_time *t, uint64_t v)
{
	static const struct {
		uint64_t least, per_second;
	} units[] = {
		{UINT64_C(100000000000000000), NSEC_PER_SEC},
		{UINT64_C(100000000000000), 1000000},
		{UINT64_C(100000000000), 1000},
	};
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		uint64_t per = units[i].per_second;
		if (v >= units[i].least)
			return set_time(t, (int64_t)(v / per), (uint32_t)(v % per * (NSEC_PER_SEC / per)));
	}
	return set_time(t, (int64_t)v, 0);
}

static enum event_time_kind float_time(struct event_time *t, double v)
{
	if (!isfinite(v) || fabs(v) >= 0x1p63)
		return EVENT_TIME_BAD;
	if (v == 0)
		return EVENT_TIME_NOW;
	double whole = floor(v);
	uint32_t nsec = (uint32_t)((v - whole) * NSEC_PER_SEC);
	int64_t sec = (int64_t)whole + nsec / NSEC_PER_SEC;
	*t = (struct event_time){.sec = sec, .nsec = nsec % NSEC_PER_SEC};
	return EVENT_TIME;
}

/* Fluent Bit's group start and end: seconds -1 and -2, nanoseconds 0 (flb_log_event.h). */
static inline bool is_marker(const uint8_t *body)
{
	return be32_get(body) >= UINT32_C(0xfffffffe) && be32_get(body + 4) == 0;
}

static enum event_time_kind ext_time(struct event_time *t, int type, struct span body)
{
	const uint8_t *p = body.p;
	if (type == EXT_EVENT_TIME && body.n == 8)
		return is_marker(p) ? EVENT_MARKER : set_time(t, be32_get(p), be32_get(p + 4));
	if (type != EXT_TIMESTAMP)
		return EVENT_TIME_BAD;
	switch (body.n) {
	case 4:
		return set_time(t, be32_get(p), 0);
	case 8: /* nanoseconds in the upper 30 bits, seconds in the lower 34 */
		return set_time(t, (int64_t)(be64_get(p) & UINT64_C(0x3ffffffff)), (uint32_t)(be64_get(p) >> 34));
	case 12:
		return set_time(t, (int64_t)be64_get(p + 4), be32_get(p));
	default:
		return EVENT_TIME_BAD;
	}
}

static enum event_time_kind token_time(struct event_time *t, const struct mp_token *token)
{
	switch (token->type) {
	case MP_NIL:
		return EVENT_TIME_NOW;
	case MP_UINT:
		return uint_time(t, token->u);
	case MP_INT:
		*t = (struct event_time){.sec = token->i};
		return EVENT_TIME;
	case MP_FLOAT32:
	case MP_FLOAT64:
		return float_time(t, token->d);
	case MP_EXT:
		return ext_time(t, token->ext_type, token->body);
	default:
		return EVENT_TIME_BAD;
	}
}

enum event_time_kind event_time_read(const uint8_t *p, const uint8_t *end, struct event_time *t, size_t *used)
{
	struct mp_token token;
	const uint8_t *q = p;
	*t = (struct event_time){0};
	*used = 0;
	if (mp_read(&q, end, &token) != MP_OK)
		return EVENT_TIME_BAD;
	bool nest = token.type == MP_ARRAY || token.type == MP_MAP;
	*used = nest ? mp_length(p, end) : (size_t)(q - p);
	return token_time(t, &token);
}

static inline bool is_map(uint8_t first)
{
	return (mp_class[first] & (MP_CLASS_NEST | MP_CLASS_MAP)) == (MP_CLASS_NEST | MP_CLASS_MAP);
}

/* Fluent Bit's [time, metadata], `count` elements at q. */
static enum event_time_kind read_header(const uint8_t *q, const uint8_t *end, uint32_t count, struct event *e)
{
	size_t used;
	if (count == 0)
		return EVENT_TIME_BAD;
	enum event_time_kind kind = event_time_read(q, end, &e->time, &used);
	q += used;
	if (count > 1 && is_map(*q))
		e->metadata = span_of(q, mp_length(q, end));
	return kind;
}

/* The first element of a whole entry; *p is moved behind it. */
static enum event_time_kind read_time(const uint8_t **p, const uint8_t *end, struct event *e)
{
	struct mp_token token;
	const uint8_t *q = *p;
	if (mp_read(&q, end, &token) != MP_OK)
		return EVENT_TIME_BAD;
	if (token.type != MP_ARRAY && token.type != MP_MAP) {
		*p = q;
		return token_time(&e->time, &token);
	}
	*p += mp_length(*p, end);
	return token.type == MP_ARRAY ? read_header(q, *p, token.count, e) : EVENT_TIME_BAD;
}

/* What is wrong with a whole entry, or its parts if nothing is. */
static enum event_result read_parts(const uint8_t *p, const uint8_t *end, struct event *e)
{
	struct mp_token token;
	if (mp_read(&p, end, &token) != MP_OK)
		return EVENT_TORN;
	if (token.type == MP_NIL)
		return EVENT_NIL;
	if (token.type != MP_ARRAY || token.count < 2)
		return EVENT_BAD_ENTRY;
	uint32_t count = token.count;
	e->kind = read_time(&p, end, e);
	if (e->kind == EVENT_MARKER)
		return EVENT_SKIP;
	if (e->kind == EVENT_TIME_BAD)
		return EVENT_BAD_TIME;
	e->record = span_of(p, count == 2 ? (size_t)(end - p) : mp_length(p, end));
	return is_map(*p) ? EVENT_OK : EVENT_BAD_RECORD;
}

enum event_result event_read(const uint8_t *p, const uint8_t *end, unsigned max_depth, struct event *e, size_t *used)
{
	*e = (struct event){.kind = EVENT_TIME_BAD};
	size_t n = mp_skip(p, end, max_depth);
	bool deep = n == 0;
	if (deep)
		n = mp_length(p, end);
	*used = n;
	if (n == 0)
		return EVENT_TORN;
	return deep ? EVENT_TOO_DEEP : read_parts(p, p + n, e);
}

/* ---- the fast walk -------------------------------------------------------------------------------- */

/*
 * Records of one chunk mostly have the same keys in the same order. Where a key begins with the byte that the key
 * in its place had in the record before, its size is known without waiting for the load: that halves the chain of
 * loads from token to token, which is what bounds this walk. Only leaves whose size the first byte alone tells are
 * remembered, so a match is always right.
 */
#define WALK_PLACES 64

struct walk {
	const uint8_t *p;
	uint64_t n;
	unsigned max_depth;
	uint64_t objects;	    /* in what has been walked, each entry's own array not counted */
	uint8_t first[WALK_PLACES]; /* of the key in each place */
	uint8_t size[WALK_PLACES];
};

#define WALK_FAILED UINT64_MAX

/*
 * Walks `left` objects at `at`, which lie inside `depth` containers: where they end. Offsets are added before they
 * are compared with the end, so they are no pointers.
 */
static inline uint64_t walk_objects(struct walk *w, uint64_t at, uint64_t left, const unsigned depth)
{
	uint64_t outer[MP_DEPTH_LIMIT]; /* what is left of each container around the present one */
	unsigned nested = 0, place = 0;
	for (;;) {
		for (; left; left--) {
			if (at >= w->n)
				return WALK_FAILED;
			const uint8_t *p = w->p + at;
			if (left % 2 == 0) { /* a key, if this is a map */
				place = (place + 1) % WALK_PLACES;
				uint8_t leaf = mp_class[*p];
				if (*p == w->first[place]) {
					at += w->size[place];
					left--;
					if (at >= w->n)
						return WALK_FAILED;
					p = w->p + at;
				} else if (leaf - 1u < MP_CLASS_LEAF_MAX) {
					w->first[place] = *p;
					w->size[place] = leaf;
				}
			}
			if ((*p & 0xe0) == 0xa0) { /* fixstr, without the table: one load less */
				at += 1u + (*p & 0x1f);
				continue;
			}
			uint64_t kids, size = mp_token_size(p, w->n - at, &kids);
			if (size == 0)
				return WALK_FAILED;
			at += size;
			if (!(mp_class[*p] & MP_CLASS_NEST))
				continue;
			if (depth + nested >= w->max_depth || at > w->n || kids > w->n - at)
				return WALK_FAILED;
			outer[nested++] = left - 1;
			left = kids + 1;
			w->objects += kids;
		}
		if (nested == 0)
			return at > w->n ? WALK_FAILED : at;
		left = outer[--nested];
	}
}

/* The offset of the record in an entry of one of the usual shapes with a good time; 0: it takes event_read to tell. */
static inline uint64_t record_offset(const uint8_t *p, uint64_t n)
{
	if (n < 14 || p[0] != 0x92)
		return 0;
	if (p[1] == 0xd7)
		return p[2] == EXT_EVENT_TIME && !is_marker(p + 3) ? 11 : 0;
	if (p[1] >= 0xcc && p[1] <= 0xd3)
		return 1u + mp_class[p[1]];
	if (p[1] == 0x92 && p[2] == 0xd7) /* Fluent Bit's header with no metadata */
		return p[3] == EXT_EVENT_TIME && !is_marker(p + 4) && p[12] == 0x80 ? 13 : 0;
	return 0;
}

/* Where the entry at `at` ends if it is good, of one of the usual shapes, and whole. */
static inline uint64_t walk_usual(struct walk *w, uint64_t at)
{
	const uint8_t *p = w->p + at;
	uint64_t record = record_offset(p, w->n - at);
	if (record == 0 || (p[record] & 0xf0) != 0x80)
		return WALK_FAILED;
	uint64_t kids = UINT64_C(2) * (p[record] & 0x0f);
	/* The time and the record; a header's time and metadata. */
	w->objects += (p[1] == 0x92 ? 4 : 2) + kids;
	return walk_objects(w, at + record + 1, kids, 2);
}

static uint64_t walk_unusual(const struct walk *w, uint64_t at)
{
	struct event e;
	size_t used;
	if (event_read(w->p + at, w->p + w->n, w->max_depth, &e, &used) != EVENT_OK)
		return WALK_FAILED;
	return at + used;
}

static void walk_init(struct walk *w, struct span entries, unsigned max_depth)
{
	w->p = entries.p;
	w->n = entries.n;
	w->max_depth = max_depth < MP_DEPTH_LIMIT ? max_depth : MP_DEPTH_LIMIT;
	w->objects = 0;
	memset(w->first, 0, sizeof w->first); /* an integer, of one byte */
	memset(w->size, 1, sizeof w->size);
}

bool event_scan(struct span entries, unsigned max_depth, uint32_t *count)
{
	struct walk w;
	walk_init(&w, entries, max_depth);
	*count = 0;
	if (max_depth < 2)
		return entries.n == 0;
	for (uint64_t at = 0; at < w.n; (*count)++) {
		uint64_t end = walk_usual(&w, at);
		if (end == WALK_FAILED)
			end = walk_unusual(&w, at);
		if (end == WALK_FAILED)
			return false;
		at = end;
	}
	return true;
}

uint32_t event_scan_usual(struct span entries, unsigned max_depth, uint32_t most, size_t *used, uint64_t *objects)
{
	struct walk w;
	uint32_t count = 0;
	uint64_t at = 0;
	walk_init(&w, entries, max_depth);
	*objects = 0;
	for (; max_depth >= 2 && count < most; count++) {
		uint64_t end = walk_usual(&w, at);
		if (end == WALK_FAILED)
			break;
		at = end;
		*objects = w.objects;
	}
	*used = (size_t)at;
	return count;
}
