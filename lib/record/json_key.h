/*
 * json_key.h: the keys of the maps that json_writer.h writes: what becomes of keys that are no strings, which of
 * equal ones stay, and which are no field names for Elasticsearch. For json_put_simd.c and json_writer.c only.
 *
 * Pointers to write at are as in json_writer.h: NULL and w->status on failure.
 */
#ifndef WEIR_RECORD_JSON_KEY_H
#define WEIR_RECORD_JSON_KEY_H

#include "record/json_writer.h"

/* A key of any kind but array and map, with its quotes, and *p behind it. */
uint8_t *json_key_write(struct json_writer *w, uint8_t *d, const uint8_t **p, const uint8_t *end);

/* What was written from offset `from` to d, an array or a map, becomes a string: the key that it stands for. */
uint8_t *json_key_quote(struct json_writer *w, uint8_t *d, uint32_t from);

/*
 * Changes the text from `start` to d, a key with its quotes, into a field name that Elasticsearch takes, and
 * returns its new end. Elasticsearch refuses a whole document for a name that is empty or, split at its dots, has a
 * part that is empty or blank (DocumentParser, DotExpandingXContentParser). "" becomes "_empty"; the blanks of a
 * blank part and the dots beside an empty or blank part become "_": ".a" "_a", "a." "a_", "a..b" "a__b", " " "_", "a.
 * .b" "a___b".
 */
uint8_t *json_key_rename(uint8_t *start, uint8_t *d);

/* Makes room for `count` more keys; false and w->status on failure. */
bool json_key_make_room(struct json_writer *w, uint64_t count);
void json_key_free(struct json_writer *w);

enum json_key_fate { JSON_KEY_KEEP, JSON_KEY_DROP, JSON_KEY_FAILED };
/*
 * The filter has seen the like of the key whose text with its quotes lies from offset `start` to d: it is special, a
 * repetition, or this is chance. `value` is where its value begins.
 */
enum json_key_fate json_key_known(
	struct json_writer *w, uint32_t start, const uint8_t *d, uint64_t hash, const uint8_t *value);

/* Finds the repeated keys of a large map that has ended. */
bool json_key_sort(struct json_writer *w, const struct json_level *lv);

/* Takes the cuts at or behind offset `from` out of the text, which ends at d; returns its new end. */
uint8_t *json_key_close_cuts(struct json_writer *w, uint8_t *d, uint32_t from);

static inline bool json_key_is_container(uint8_t first)
{
	return (first >= 0x80 && first <= 0x9f) || (first >= 0xdc && first <= 0xdf);
}

/* Eight bytes must be readable at s, whatever n. */
static inline uint64_t json_key_hash(const uint8_t *s, size_t n)
{
	uint64_t head, tail;
	memcpy(&head, s, 8);
	memcpy(&tail, s + (n > 8 ? n - 8 : 0), 8);
	const uint64_t mask = n >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * n) - 1;
	uint64_t h = ((head & mask) ^ n) * UINT64_C(0x9e3779b97f4a7c15);
	h = ((h ^ h >> 32) + (tail & mask)) * UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

/* Bit and word of a hash in a filter of 8 x 64 bits. */
static inline unsigned json_key_seen_word(uint64_t hash)
{
	return (unsigned)(hash >> 61);
}

static inline uint64_t json_key_seen_bit(uint64_t hash)
{
	return UINT64_C(1) << (hash >> 55 & 63);
}

#endif
