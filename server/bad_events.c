#include "bad_events.h"

#include <string.h>

#define ALL_MAX	     ((size_t)1 << 30)
#define ALONE	     1000u
#define TOGETHER_MAX (256u << 10) /* bytes */

void bad_events_init(struct bad_events *b)
{
	*b = (struct bad_events){.count = 0};
	buf_init(&b->all, ALL_MAX);
}

void bad_events_free(struct bad_events *b)
{
	buf_free(&b->all);
}

/* To the one before. */
static bool join(struct bad_events *b, const char *reason, struct span bytes)
{
	struct bad_event last;
	if (b->count < ALONE || !b->all.n)
		return false;
	memcpy(&last, b->all.p + b->last, sizeof last);
	if (last.reason != reason || last.len + bytes.n > TOGETHER_MAX || !buf_put_span(&b->all, bytes))
		return false;
	last.len += bytes.n;
	last.count++;
	memcpy(b->all.p + b->last, &last, sizeof last);
	return true;
}

bool bad_events_add(struct bad_events *b, const char *reason, struct span bytes)
{
	const struct bad_event e = {.reason = reason, .len = bytes.n, .count = 1};
	bool kept = join(b, reason, bytes);
	if (!kept && buf_reserve(&b->all, sizeof e + bytes.n)) {
		b->last = b->all.n;
		kept = buf_put(&b->all, &e, sizeof e) && buf_put_span(&b->all, bytes);
	}
	b->all.failed = false; /* what is in it is whole */
	b->count++;
	return kept;
}

bool bad_events_next(const struct bad_events *b, size_t *at, struct bad_event *e, struct span *bytes)
{
	if (*at >= b->all.n)
		return false;
	memcpy(e, b->all.p + *at, sizeof *e);
	*bytes = span_of(b->all.p + *at + sizeof *e, e->len);
	*at += sizeof *e + e->len;
	return true;
}
