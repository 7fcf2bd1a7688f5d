#include "elastic/doc_id.h"

#include "base/base64.h"

#define MS_MAX ((INT64_C(1) << 48) - 1)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

_Static_assert(FRAME_KEY_LEN == 12, "time, key and place are multiples of three bytes, so each is whole characters");

void doc_id_begin(struct doc_id_frame *f, const uint8_t key[FRAME_KEY_LEN], uint32_t first)
{
	f->first = first;
	memcpy(f->head, key, sizeof f->head);
	base64_encode(BASE64_URL, span_of(key, FRAME_KEY_LEN), f->key);
}

/* 24 bits as four characters. */
static void put_24(char *out, uint32_t v)
{
	out[0] = alphabet[v >> 18 & 63];
	out[1] = alphabet[v >> 12 & 63];
	out[2] = alphabet[v >> 6 & 63];
	out[3] = alphabet[v & 63];
}

void doc_id_put(const struct doc_id_frame *f, int64_t ms, uint32_t index, char *out)
{
	ms = ms < 0 ? 0 : ms > MS_MAX ? MS_MAX : ms;
	put_24(out, (uint32_t)(ms >> 24));
	put_24(out + 4, (uint32_t)ms);
	memcpy(out + 8, f->key, sizeof f->key);
	const uint32_t place = f->first + index;
	put_24(out + 24, place);
	if (place >> 24) /* tens of millions of tiny events in one message */
		put_24(out + 8, (f->head[0] ^ place >> 24) << 16 | (uint32_t)f->head[1] << 8 | f->head[2]);
}
