#include "buffer/chunk_walk.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "buffer/file_io.h"

#include <errno.h>

enum { STEP = 1024 * 1024 }; /* bytes read at a time */

void chunk_walk_start(struct chunk_walk *w, const struct vfs *vfs, int fd, const uint8_t id[CHUNK_ID_LEN],
	uint64_t from, uint64_t end)
{
	*w = (struct chunk_walk){
		.vfs = vfs,
		.fd = fd,
		.salt = chunk_format_salt(id),
		.at = from,
		.end = end,
		.last = -1,
		.last_is_known = true,
	};
}

void chunk_walk_stop(struct chunk_walk *w)
{
	mem_free(w->buf);
	w->buf = NULL;
}

void chunk_walk_seek(struct chunk_walk *w, uint64_t at)
{
	w->at = (at + 7) & ~UINT64_C(7);
	w->last = -1;
	w->last_is_known = false;
}

/* Makes the buffer hold the n bytes at `at`, which are before the end. 0 or an errno value. */
static int hold(struct chunk_walk *w, uint64_t at, size_t n)
{
	if (at >= w->buf_at && at + n <= w->buf_at + w->buf_n)
		return 0;
	size_t want = w->end - at < STEP ? (size_t)(w->end - at) : STEP;
	if (want < n)
		want = n;
	if (want > w->buf_cap) {
		/*
		 * Room for a whole step even in a short file: the buffer is seldom grown, and a frame of a peer's
		 * size may not fit.
		 */
		size_t cap = want < STEP && w->end > STEP ? STEP : want;
		uint8_t *p = mem_try_realloc(w->buf, cap);
		if (!p)
			return ENOMEM;
		w->buf = p;
		w->buf_cap = cap;
	}
	size_t kept = 0;
	if (at >= w->buf_at && at < w->buf_at + w->buf_n) {
		kept = (size_t)(w->buf_at + w->buf_n - at);
		memmove(w->buf, w->buf + (at - w->buf_at), kept);
	}
	w->buf_at = at;
	w->buf_n = kept;
	int code = file_io_read(w->vfs, w->fd, w->buf + kept, want - kept, at + kept, w->zero_bad, &w->saw_bad);
	if (!code)
		w->buf_n = want;
	return code;
}

static const uint8_t *held(const struct chunk_walk *w, uint64_t at)
{
	return w->buf + (at - w->buf_at);
}

struct look {
	bool valid;
	bool has_head; /* a good head, whatever its payload */
	struct frame_head head;
	int code; /* nonzero: could not be read */
};

/* Is there a valid frame at `at`? */
static void look(struct chunk_walk *w, uint64_t at, struct look *l)
{
	*l = (struct look){.valid = false};
	if (w->end - at < FRAME_HEAD_LEN || (l->code = hold(w, at, FRAME_HEAD_LEN)))
		return;
	if (!chunk_format_get_frame(held(w, at), &l->head, &w->salt, at) || l->head.number <= w->last)
		return;
	l->has_head = true;
	if (l->head.synced > w->known)
		w->known = l->head.synced;
	if (l->head.length > w->end - at - FRAME_HEAD_LEN || (l->code = hold(w, at, FRAME_HEAD_LEN + l->head.length)))
		return;
	l->valid = crc32c(0, held(w, at) + FRAME_HEAD_LEN, l->head.length) == l->head.payload_crc;
}

static void take_frame(struct chunk_walk *w, const struct look *l, struct chunk_walk_item *item)
{
	item->at = w->at;
	item->to = chunk_format_next(w->at, &l->head);
	item->head = l->head;
	item->payload = held(w, w->at) + FRAME_HEAD_LEN;
	w->last = l->head.number;
	w->last_is_known = true;
	w->at = item->to;
}

/* Puts *at on the next place, from where it is, whose `place` is right: there may be a frame. False at the end. */
static bool next_place(struct chunk_walk *w, uint64_t *at, int *code)
{
	for (; *at < w->end && w->end - *at >= FRAME_HEAD_LEN; *at += 8) {
		if ((*code = hold(w, *at, FRAME_HEAD_LEN)))
			return false;
		const uint8_t *p = held(w, *at) + FRAME_HEAD_LEN - 8;
		if ((le64_get(p) ^ w->salt.place) == *at)
			return true;
	}
	return false;
}

static int only_zeros(struct chunk_walk *w, uint64_t at, bool *only)
{
	*only = true;
	while (at < w->end && *only) {
		size_t n = w->end - at < CHUNK_BLOCK ? (size_t)(w->end - at) : CHUNK_BLOCK;
		int code = hold(w, at, n);
		if (code)
			return code;
		for (size_t i = 0; i < n; i++)
			*only = *only && held(w, at)[i] == 0;
		at += n;
	}
	return 0;
}

static enum chunk_walk_is fail(struct chunk_walk_item *item, int code)
{
	item->code = code;
	return CHUNK_WALK_FAILED;
}

/* Nothing valid at w->at, where `first` was seen: finds where the hole ends. */
static enum chunk_walk_is step_over(struct chunk_walk *w, const struct look *first, struct chunk_walk_item *item)
{
	struct look l = *first;
	int64_t highest = l.has_head ? l.head.number : w->last; /* of the frames that were seen to be in the hole */
	uint64_t at = w->at;
	int code = 0;
	l.valid = false;
	while (!l.valid && !code) {
		at += 8;
		if (!next_place(w, &at, &code)) {
			at = w->end;
			break;
		}
		look(w, at, &l);
		code = l.code;
		if (l.has_head && l.head.number > highest)
			highest = l.head.number;
	}
	if (code)
		return fail(item, code);
	if (!l.valid && w->at >= w->known) {
		bool zeros;
		if ((code = only_zeros(w, w->at, &zeros)))
			return fail(item, code);
		if (zeros)
			return CHUNK_WALK_END;
	}
	int64_t lost = l.valid ? highest - w->last - 1 : highest - w->last;
	item->lost = w->last_is_known && lost > 1 && lost <= UINT32_MAX ? (uint32_t)lost : 1;
	item->at = w->at;
	item->to = at;
	w->at = at;
	return CHUNK_WALK_HOLE;
}

enum chunk_walk_is chunk_walk_next(struct chunk_walk *w, struct chunk_walk_item *item)
{
	struct look l;
	*item = (struct chunk_walk_item){.at = w->at};
	if (w->at >= w->end)
		return CHUNK_WALK_END;
	look(w, w->at, &l);
	if (l.code)
		return fail(item, l.code);
	if (!l.valid)
		return step_over(w, &l, item);
	take_frame(w, &l, item);
	return CHUNK_WALK_FRAME;
}
