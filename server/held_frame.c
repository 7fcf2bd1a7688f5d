#include "held_frame.h"

#include "base/bytes.h"
#include "holder.h"

#define WAITS_HEAD (4 + 8 + 4)
#define COMPLETE   'c'
#define PART	   'p'

void held_begin(struct buf *entries)
{
	uint8_t none[HELD_LEFT_HEAD] = {0};
	buf_clear(entries);
	buf_put(entries, none, sizeof none);
}

void held_put_left(struct buf *entries, const uint8_t key[FRAME_KEY_LEN], uint32_t index)
{
	uint8_t left[HELD_LEFT_LEN];
	memcpy(left, key, FRAME_KEY_LEN);
	be32_put(left + FRAME_KEY_LEN, index);
	if (buf_put(entries, left, sizeof left))
		be32_put(entries->p, be32_get(entries->p) + 1);
}

void held_put_waiting(struct buf *entries, const struct held_event *e)
{
	uint8_t head[WAITS_HEAD];
	be32_put(head, e->index);
	be64_put(head + 4, e->number);
	be32_put(head + 12, (uint32_t)e->entry.n);
	buf_put(entries, head, sizeof head);
	buf_put_span(entries, e->entry);
}

void held_put_info(struct buf *info, const char *id, const uint8_t *complete)
{
	buf_put_byte(info, complete ? COMPLETE : PART);
	if (complete)
		buf_put(info, complete, FRAME_KEY_LEN);
	buf_put_str(info, id);
}

bool held_view(const struct frame_view *f, struct held_view *v)
{
	size_t head = 1 + (f->info.n && *f->info.p == COMPLETE ? FRAME_KEY_LEN : 0);
	if (f->info.n < head || f->entries.n < HELD_LEFT_HEAD)
		return false;
	uint64_t left = (uint64_t)be32_get(f->entries.p) * HELD_LEFT_LEN;
	if (left > f->entries.n - HELD_LEFT_HEAD)
		return false;
	v->complete = head > 1 ? f->info.p + 1 : NULL;
	v->id = span_of(f->info.p + head, f->info.n - head);
	v->left = span_of(f->entries.p + HELD_LEFT_HEAD, (size_t)left);
	v->waiting = span_of(v->left.p + left, f->entries.n - HELD_LEFT_HEAD - (size_t)left);
	return true;
}

bool held_next_waiting(struct span *s, struct held_waits *w)
{
	if (s->n < WAITS_HEAD)
		return false;
	size_t n = be32_get(s->p + 12);
	if (n > s->n - WAITS_HEAD)
		return false;
	*w = (struct held_waits){be32_get(s->p), be64_get(s->p + 4), span_of(s->p + WAITS_HEAD, n)};
	*s = span_of(s->p + WAITS_HEAD + n, s->n - WAITS_HEAD - n);
	return true;
}
