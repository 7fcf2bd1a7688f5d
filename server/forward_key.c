#include "forward_key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

static bool is_base64(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
	       c == '=';
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Fluent Bit's ids: 24 characters of Base64 (since July 2026) or 32 hex digits. fluentd's have a newline at the end, others another length. */
static bool looks_like_content_hash(struct span id)
{
	if (id.n != 24 && id.n != 32)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!(id.n == 24 ? is_base64(id.p[i]) : is_hex(id.p[i])))
			return false;
	return true;
}

struct digest_input {
	XXH128_hash_t entries;
	XXH128_hash_t tag, chunk, peer;
	uint64_t occurrence;
};

static void digest(const struct digest_input *in, uint8_t key[FRAME_KEY_LEN])
{
	XXH128_canonical_t out;
	XXH128_canonicalFromHash(&out, XXH3_128bits(in, sizeof *in));
	memcpy(key, out.digest, FRAME_KEY_LEN);
}

void forward_key_make(const struct forward_key_input *in, uint64_t *repeats, unsigned *at, uint8_t key[FRAME_KEY_LEN])
{
	struct digest_input d;
	memset(&d, 0, sizeof d);
	d.entries = XXH3_128bits(in->entries.p, in->entries.n);
	d.tag = XXH3_128bits(in->tag.p, in->tag.n);
	d.chunk = XXH3_128bits(in->chunk.p, in->chunk.n);
	bool by_content = in->packed && looks_like_content_hash(in->chunk);
	if (by_content)
		d.peer = XXH3_128bits(in->peer.p, in->peer.n);
	digest(&d, key);
	if (!by_content)
		return;
	uint64_t first;
	memcpy(&first, key, sizeof first);
	for (unsigned i = 0; i < FORWARD_KEY_REPEATS; i++)
		d.occurrence += repeats[i] == first;
	repeats[(*at)++ % FORWARD_KEY_REPEATS] = first;
	if (d.occurrence)
		digest(&d, key);
}
