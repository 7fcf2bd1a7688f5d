#include "forward_window.h"

#include "base/base64.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "forward/forward_client.h"
#include "record/event.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

#include <libdeflate.h>
#include <stdio.h>
#include <zstd.h>

#define WINDOW_BYTES	(1u << 20)
#define WINDOW_MESSAGES 256u
#define MESSAGE_BYTES	(8u << 20) /* of entries; a longer frame is cut between events */

bool forward_window_init(struct forward_window *w, const struct forward_out_conf *conf)
{
	*w = (struct forward_window){.conf = conf};
	buf_init(&w->out, (size_t)1 << 31);
	buf_init(&w->entries, (size_t)1 << 31);
	buf_init(&w->packed, (size_t)1 << 31);
	if (conf->compress == FORWARD_GZIP)
		w->gzip = libdeflate_alloc_compressor(6);
	return w->gzip || conf->compress != FORWARD_GZIP;
}

void forward_window_free(struct forward_window *w)
{
	buf_free(&w->out);
	buf_free(&w->entries);
	buf_free(&w->packed);
	if (w->gzip)
		libdeflate_free_compressor(w->gzip);
	mem_free(w->v);
}

void forward_window_clear(struct forward_window *w)
{
	buf_clear(&w->out);
	w->n = 0;
}

bool forward_window_is_full(const struct forward_window *w)
{
	return w->out.n >= WINDOW_BYTES || w->n >= WINDOW_MESSAGES;
}

size_t forward_window_unacked(const struct forward_window *w)
{
	size_t n = 0;
	for (size_t i = 0; i < w->n; i++)
		n += !w->v[i].acked;
	return n;
}

bool forward_window_ack(struct forward_window *w, struct span id)
{
	for (size_t i = 0; i < w->n; i++) {
		if (!w->v[i].acked && span_is(id, w->v[i].id)) {
			w->v[i].acked = true;
			return true;
		}
	}
	return false;
}

static struct forward_message_out *add_message(struct forward_window *w)
{
	if (w->n == w->cap)
		w->v = mem_realloc(w->v, (w->cap = 2 * w->cap + 16) * sizeof *w->v);
	w->v[w->n] = (struct forward_message_out){.start = w->out.n};
	return &w->v[w->n++];
}

static void make_id(char id[FORWARD_ID_LEN + 1], const uint8_t *key, uint32_t first)
{
	uint8_t bytes[FRAME_KEY_LEN + 4];
	struct buf text;
	buf_init(&text, 64);
	memcpy(bytes, key, FRAME_KEY_LEN);
	be32_put(bytes + FRAME_KEY_LEN, first);
	base64_put(&text, BASE64_STD, span_of(bytes, sizeof bytes));
	snprintf(id, FORWARD_ID_LEN + 1, "%s\n", buf_cstr(&text));
	buf_free(&text);
}

/* Whole seconds instead of times with a fraction. */
static bool with_integer_times(struct forward_window *w, struct span entries, int64_t received_ns)
{
	const uint8_t *p = entries.p, *end = p + entries.n;
	buf_clear(&w->entries);
	while (p < end) {
		struct event e;
		size_t used;
		enum event_result result = event_read(p, end, MP_DEPTH_LIMIT, &e, &used);
		if (!used)
			return false;
		p += used;
		if (result != EVENT_OK)
			continue;
		mp_put_array_head(&w->entries, 2);
		mp_put_int(&w->entries, e.kind == EVENT_TIME_NOW ? received_ns / NS_PER_S : e.time.sec);
		buf_put_span(&w->entries, e.record);
	}
	return !w->entries.failed;
}

static bool compress(struct forward_window *w, struct span *entries)
{
	buf_clear(&w->packed);
	if (w->conf->compress == FORWARD_GZIP) {
		size_t bound = libdeflate_gzip_compress_bound(w->gzip, entries->n);
		if (!buf_reserve(&w->packed, bound))
			return false;
		w->packed.n = libdeflate_gzip_compress(w->gzip, entries->p, entries->n, w->packed.p, bound);
	} else {
		size_t bound = ZSTD_compressBound(entries->n);
		if (!buf_reserve(&w->packed, bound))
			return false;
		size_t n = ZSTD_compress(w->packed.p, bound, entries->p, entries->n, ZSTD_CLEVEL_DEFAULT);
		w->packed.n = ZSTD_isError(n) ? 0 : n;
	}
	*entries = buf_span(&w->packed);
	return w->packed.n != 0;
}

static bool put_message(
	struct forward_window *w, const struct frame_view *v, struct span entries, uint32_t count, uint32_t first)
{
	struct forward_message_out *m = add_message(w);
	static const char *const names[] = {[FORWARD_TEXT] = NULL, [FORWARD_GZIP] = "gzip", [FORWARD_ZSTD] = "zstd"};
	struct forward_packed packed = {.tag = v->tag, .count = count, .compressed = names[w->conf->compress]};
	make_id(m->id, v->key, frame_first_place(v->info) + first);
	m->events = count;
	if (w->conf->require_ack)
		packed.chunk = span_of(m->id, FORWARD_ID_LEN);
	if (w->conf->time_as_integer) {
		if (!with_integer_times(w, entries, v->received_ns))
			return false;
		entries = buf_span(&w->entries);
	}
	if (packed.compressed && !compress(w, &entries))
		return false;
	packed.entries = entries;
	bool ok = forward_put_packed(&w->out, &packed);
	m->end = w->out.n;
	return ok;
}

bool forward_window_put(struct forward_window *w, const struct frame_view *v, uint32_t first)
{
	const uint8_t *p = v->entries.p, *end = p + v->entries.n, *from = p;
	uint32_t count = 0;
	if (v->entries.n <= MESSAGE_BYTES)
		return put_message(w, v, v->entries, v->count, first);
	while (p < end) {
		size_t used = mp_length(p, end);
		if (!used)
			break;
		if (count && (size_t)(p - from) + used > MESSAGE_BYTES) {
			if (!put_message(w, v, span_of(from, (size_t)(p - from)), count, first))
				return false;
			first += count;
			count = 0;
			from = p;
		}
		p += used;
		count++;
	}
	return !count || put_message(w, v, span_of(from, (size_t)(p - from)), count, first);
}
