#include "buffer/chunk_format.h"

#include "base/bytes.h"
#include "base/crc32c.h"

static const uint8_t magic[8] = {0x89, 'W', 'C', 'H', 'K', '\r', '\n', 0x1a};

struct chunk_salt chunk_format_salt(const uint8_t id[CHUNK_ID_LEN])
{
	return (struct chunk_salt){
		.place = le64_get(id),
		.head_crc = crc32c(0, id, CHUNK_ID_LEN),
		.payload_crc = le32_get(id + 12),
	};
}

/* ---- head ------------------------------------------------------------------------------------------------------- */

size_t chunk_format_head_size(struct span name, struct span stage)
{
	return CHUNK_HEAD_FIXED + name.n + stage.n;
}

uint32_t chunk_format_head_length(struct span name, struct span stage)
{
	return (uint32_t)chunk_format_block_up(2 * chunk_format_head_size(name, stage));
}

static void put_copy(uint8_t *p, const struct chunk_head *h)
{
	size_t n = chunk_format_head_size(h->name, h->stage);
	memset(p, 0, CHUNK_HEAD_FIXED);
	memcpy(p, magic, sizeof magic);
	le16_put(p + 12, CHUNK_VERSION);
	le16_put(p + 14, (uint16_t)h->name.n);
	le32_put(p + 16, (uint32_t)h->stage.n);
	le32_put(p + 20, h->length);
	le64_put(p + 24, (uint64_t)h->created_ns);
	memcpy(p + 32, h->id, CHUNK_ID_LEN);
	if (h->name.n)
		memcpy(p + CHUNK_HEAD_FIXED, h->name.p, h->name.n);
	if (h->stage.n)
		memcpy(p + CHUNK_HEAD_FIXED + h->name.n, h->stage.p, h->stage.n);
	le32_put(p + 8, crc32c(0, p + 12, n - 12));
}

void chunk_format_put_head(uint8_t *block, const struct chunk_head *h)
{
	memset(block, 0, h->length);
	put_copy(block, h);
	put_copy(block + h->length / 2, h);
}

static enum chunk_head_is get_copy(const uint8_t *p, size_t n, struct chunk_head *h)
{
	if (n < CHUNK_HEAD_FIXED || memcmp(p, magic, sizeof magic) != 0)
		return CHUNK_HEAD_BAD;
	size_t name = le16_get(p + 14), stage = le32_get(p + 16);
	if (stage > n || CHUNK_HEAD_FIXED + name + stage > n)
		return CHUNK_HEAD_BAD;
	if (crc32c(0, p + 12, CHUNK_HEAD_FIXED - 12 + name + stage) != le32_get(p + 8))
		return CHUNK_HEAD_BAD;
	if (le16_get(p + 12) != CHUNK_VERSION)
		return le16_get(p + 12) > CHUNK_VERSION ? CHUNK_HEAD_NEWER : CHUNK_HEAD_BAD;
	h->length = le32_get(p + 20);
	h->created_ns = (int64_t)le64_get(p + 24);
	memcpy(h->id, p + 32, CHUNK_ID_LEN);
	h->name = span_of(p + CHUNK_HEAD_FIXED, name);
	h->stage = span_of(p + CHUNK_HEAD_FIXED + name, stage);
	bool sane = name <= CHUNK_NAME_MAX && stage <= CHUNK_STAGE_MAX &&
		    h->length == chunk_format_head_length(h->name, h->stage);
	return sane ? CHUNK_HEAD_GOOD : CHUNK_HEAD_BAD;
}

enum chunk_head_is chunk_format_get_head(const uint8_t *p, size_t n, struct chunk_head *h)
{
	enum chunk_head_is is = get_copy(p, n, h);
	/* Where copy B lies is in copy A, if anywhere: so try each place where it may be. */
	for (size_t at = CHUNK_BLOCK / 2; is == CHUNK_HEAD_BAD && at < n && at < CHUNK_HEAD_BLOCK_MAX;
		at += CHUNK_BLOCK / 2) {
		is = get_copy(p + at, n - at, h);
		if (is == CHUNK_HEAD_GOOD && h->length != 2 * at)
			is = CHUNK_HEAD_BAD;
	}
	return is;
}

/* ---- frame ------------------------------------------------------------------------------------------------------ */

void chunk_format_put_frame(
	uint8_t out[FRAME_HEAD_LEN], const struct frame_head *h, const struct chunk_salt *salt, uint64_t at)
{
	le32_put(out + 4, h->length);
	le32_put(out + 8, h->payload_crc ^ salt->payload_crc);
	le32_put(out + 12, h->number);
	le64_put(out + 16, h->synced);
	le64_put(out + 24, (uint64_t)h->received_ns);
	le32_put(out + 32, h->count);
	le32_put(out + 36, h->info_len);
	le16_put(out + 40, h->tag_len);
	out[42] = h->type;
	out[43] = h->last;
	memcpy(out + 44, h->key, FRAME_KEY_LEN);
	le64_put(out + 56, at ^ salt->place);
	le32_put(out, crc32c(salt->head_crc, out + 4, FRAME_HEAD_LEN - 4));
}

static bool frame_makes_sense(const struct frame_head *h, uint8_t flags, uint64_t at)
{
	if (flags > 1 || h->synced > at || h->length > CHUNK_PAYLOAD_MAX)
		return false;
	switch (h->type) {
	case FRAME_DATA:
	case FRAME_DEAD:
		return (uint64_t)h->tag_len + h->info_len <= h->length;
	case CHUNK_MARK:
		return h->length == 0;
	case CHUNK_SEAL:
		return h->length == CHUNK_SEAL_PAYLOAD;
	default:
		return false;
	}
}

bool chunk_format_get_frame(
	const uint8_t in[FRAME_HEAD_LEN], struct frame_head *h, const struct chunk_salt *salt, uint64_t at)
{
	if ((le64_get(in + 56) ^ salt->place) != at)
		return false;
	if (crc32c(salt->head_crc, in + 4, FRAME_HEAD_LEN - 4) != le32_get(in))
		return false;
	h->length = le32_get(in + 4);
	h->payload_crc = le32_get(in + 8) ^ salt->payload_crc;
	h->number = le32_get(in + 12);
	h->synced = le64_get(in + 16);
	h->received_ns = (int64_t)le64_get(in + 24);
	h->count = le32_get(in + 32);
	h->info_len = le32_get(in + 36);
	h->tag_len = le16_get(in + 40);
	h->type = in[42];
	h->last = in[43];
	memcpy(h->key, in + 44, FRAME_KEY_LEN);
	return frame_makes_sense(h, in[43], at);
}

/* ---- seal ------------------------------------------------------------------------------------------------------- */

void chunk_format_put_seal(uint8_t block[CHUNK_BLOCK], const struct chunk_seal *s, const struct chunk_head *head,
	uint32_t number, uint64_t at)
{
	uint8_t *p = block + FRAME_HEAD_LEN;
	size_t copy = chunk_format_head_size(head->name, head->stage);
	if (CHUNK_SEAL_HEAD_AT + copy > CHUNK_SEAL_PAYLOAD)
		copy = 0;
	memset(block, 0, CHUNK_BLOCK);
	le64_put(p, s->records);
	le32_put(p + 8, s->frames);
	le32_put(p + 12, s->hole_count);
	le64_put(p + 16, (uint64_t)s->first_ns);
	le64_put(p + 24, (uint64_t)s->last_ns);
	le32_put(p + 32, s->more_holes);
	le32_put(p + 36, (uint32_t)copy);
	for (size_t i = 0; i < s->hole_count; i++) {
		le64_put(p + 64 + 16 * i, s->hole[i].from);
		le64_put(p + 72 + 16 * i, s->hole[i].to);
	}
	if (copy)
		put_copy(p + CHUNK_SEAL_HEAD_AT, head);
	struct chunk_salt salt = chunk_format_salt(head->id);
	struct frame_head h = {
		.length = CHUNK_SEAL_PAYLOAD,
		.payload_crc = crc32c(0, p, CHUNK_SEAL_PAYLOAD),
		.number = number,
		.synced = s->synced,
		.type = CHUNK_SEAL,
		.last = true,
	};
	chunk_format_put_frame(block, &h, &salt, at);
}

bool chunk_format_get_seal(
	const uint8_t block[CHUNK_BLOCK], struct chunk_seal *s, const struct chunk_salt *salt, uint64_t at)
{
	const uint8_t *p = block + FRAME_HEAD_LEN;
	struct frame_head h;
	if (!chunk_format_get_frame(block, &h, salt, at) || h.type != CHUNK_SEAL ||
		crc32c(0, p, CHUNK_SEAL_PAYLOAD) != h.payload_crc)
		return false;
	s->synced = h.synced;
	s->records = le64_get(p);
	s->frames = le32_get(p + 8);
	s->hole_count = le32_get(p + 12);
	s->first_ns = (int64_t)le64_get(p + 16);
	s->last_ns = (int64_t)le64_get(p + 24);
	s->more_holes = le32_get(p + 32) != 0;
	if (s->hole_count > CHUNK_SEAL_HOLES)
		return false;
	for (size_t i = 0; i < s->hole_count; i++)
		s->hole[i] = (struct chunk_hole){le64_get(p + 64 + 16 * i), le64_get(p + 72 + 16 * i)};
	return true;
}

bool chunk_format_get_seal_head(const uint8_t block[CHUNK_BLOCK], struct chunk_head *h)
{
	const uint8_t *p = block + FRAME_HEAD_LEN;
	uint32_t copy = le32_get(p + 36);
	return copy <= CHUNK_SEAL_PAYLOAD - CHUNK_SEAL_HEAD_AT &&
	       get_copy(p + CHUNK_SEAL_HEAD_AT, copy, h) == CHUNK_HEAD_GOOD;
}
