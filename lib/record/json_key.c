#include "record/json_key.h"

#include "base/mem.h"

#include <stdlib.h>

/* ---- keys that are no plain strings ------------------------------------------------------------------ */

uint8_t *json_key_quote(struct json_writer *w, uint8_t *d, uint32_t from)
{
	d = json_key_close_cuts(w, d, from);
	const size_t n = (size_t)(d - w->doc) - from;
	uint8_t *copy = mem_try(n);
	if (!copy) {
		w->status = JSON_WRITER_NO_ROOM;
		return NULL;
	}
	memcpy(copy, w->doc + from, n);
	d = json_writer_scalar(w, w->doc + from, &(struct mp_token){.type = MP_STR, .body = span_of(copy, n)});
	mem_free(copy);
	return d && w->rename ? json_key_rename(w->doc + from, d) : d;
}

uint8_t *json_key_write(struct json_writer *w, uint8_t *d, const uint8_t **p, const uint8_t *end)
{
	const uint32_t start = (uint32_t)(d - w->doc);
	struct mp_token t;
	if (mp_read(p, end, &t) != MP_OK) {
		w->status = JSON_WRITER_MALFORMED;
		return NULL;
	}
	d = json_writer_scalar(w, d, &t);
	if (!d)
		return NULL;
	/* Numbers, words and the object of an unknown ext: their JSON text is the key. */
	if (w->doc[start] != '"')
		return json_key_quote(w, d, start);
	return w->rename ? json_key_rename(w->doc + start, d) : d;
}

/* ---- names that Elasticsearch refuses ------------------------------------------------------------------ */

/*
 * Length of the blank at p in JSON text (Character.isWhitespace of Java: not U+00A0, U+2007, U+202F), 0 if there is
 * none.
 */
static size_t blank_len(const uint8_t *p, size_t n)
{
	if (p[0] == ' ')
		return 1;
	if (p[0] == '\\' && n >= 2 && memchr("tnfr", p[1], 4))
		return 2;
	if (n >= 6 && memcmp(p, "\\u00", 4) == 0)
		return memcmp(p + 4, "0b", 2) == 0 || (p[4] == '1' && p[5] >= 'c' && p[5] <= 'f') ? 6 : 0;
	if (n < 3)
		return 0;
	if (memcmp(p, "\xe1\x9a\x80", 3) == 0 || memcmp(p, "\xe2\x81\x9f", 3) == 0 || memcmp(p, "\xe3\x80\x80", 3) == 0)
		return 3;
	const bool general = p[0] == 0xe2 && p[1] == 0x80;
	return general && ((p[2] >= 0x80 && p[2] <= 0x8a && p[2] != 0x87) || p[2] == 0xa8 || p[2] == 0xa9) ? 3 : 0;
}

uint8_t *json_key_rename(uint8_t *start, uint8_t *d)
{
	uint8_t *const text = start + 1;
	const uint8_t *p = text, *const stop = d - 1;
	uint8_t *out = text;
	if (p == stop) {
		memcpy(out, "_empty\"", 7);
		return out + 7;
	}
	for (;;) {
		uint8_t *const part = out;
		size_t blanks = 0;
		bool blank = true;
		while (p < stop && *p != '.') {
			size_t len = blank_len(p, (size_t)(stop - p));
			if (!len) {
				blank = false;
				len = 1;
			}
			memmove(out, p, len);
			out += len;
			p += len;
			blanks++;
		}
		if (blank) {
			memset(part, '_', blanks);
			out = part + blanks;
			if (part > text)
				part[-1] = '_';
		}
		if (p == stop)
			break;
		*out++ = blank ? '_' : '.';
		p++;
	}
	*out++ = '"';
	return out;
}

/* ---- repeated keys ------------------------------------------------------------------------------------- */

bool json_key_make_room(struct json_writer *w, uint64_t count)
{
	/* A pair is five bytes at least ("":0,), so what has more of them than this ends above the limit. */
	if (count > w->limit / 5) {
		w->status = JSON_WRITER_TOO_LONG;
		return false;
	}
	const size_t kept = w->key_count, cap = 2 * (kept + (size_t)count);
	uint32_t *hash = mem_try(cap * sizeof *hash), *start = mem_try(cap * sizeof *start);
	if (!hash || !start) {
		mem_free(hash);
		mem_free(start);
		w->status = JSON_WRITER_NO_ROOM;
		return false;
	}
	memcpy(hash, w->key_hash, kept * sizeof *hash);
	memcpy(start, w->key_start, kept * sizeof *start);
	json_key_free(w);
	w->key_hash = hash;
	w->key_start = start;
	w->key_cap = cap;
	return true;
}

void json_key_free(struct json_writer *w)
{
	if (w->key_hash != w->hash_inline)
		mem_free(w->key_hash);
	if (w->key_start != w->start_inline)
		mem_free(w->key_start);
	w->key_hash = w->hash_inline;
	w->key_start = w->start_inline;
	w->key_cap = JSON_KEYS_INLINE;
}

/* The i-th pair of those that are open now is not to be written; the next one begins where it ends. */
static bool cut_pair(struct json_writer *w, size_t i, uint32_t end)
{
	if (w->cut_count == w->cut_cap) {
		const size_t cap = w->cut_cap ? 2 * w->cut_cap : 16;
		struct json_cut *cut = mem_try_realloc(w->cut, cap * sizeof *cut);
		if (!cut) {
			w->status = JSON_WRITER_NO_ROOM;
			return false;
		}
		w->cut = cut;
		w->cut_cap = cap;
	}
	w->cut[w->cut_count++] = (struct json_cut){w->key_start[i], end};
	return true;
}

static struct json_special *find_special(const struct json_writer *w, const uint8_t *key, size_t n, uint64_t hash)
{
	if (w->depth != 1)
		return NULL;
	for (size_t i = 0; i < w->special_count; i++) {
		struct json_special *s = &w->special[i];
		if (s->hash == hash && span_eq(s->text, span_of(key, n)))
			return s;
	}
	return NULL;
}

enum json_key_fate json_key_known(
	struct json_writer *w, uint32_t start, const uint8_t *d, uint64_t hash, const uint8_t *value)
{
	const struct json_level *lv = &w->level[w->depth - 1];
	const uint8_t *key = w->doc + start;
	const size_t n = (size_t)(d - key);
	struct json_special *s = find_special(w, key, n, hash);
	if (s) {
		s->value = value;
		if (s->drop)
			return JSON_KEY_DROP;
	}
	if (lv->is_large)
		return JSON_KEY_KEEP;
	/* From the newest: older ones of the same text are cut already. Both texts end with their only plain quote. */
	for (size_t i = w->key_count; i-- > lv->first_key;) {
		const uint32_t at = w->key_start[i];
		if (w->key_hash[i] != (uint32_t)hash || at + n > start || memcmp(w->doc + at, key, n) != 0)
			continue;
		return cut_pair(w, i, i + 1 < w->key_count ? w->key_start[i + 1] : start) ? JSON_KEY_KEEP
											  : JSON_KEY_FAILED;
	}
	return JSON_KEY_KEEP;
}

static int compare_u64(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* The key text that begins with the quote at p, with both quotes. */
static struct span key_text(const uint8_t *p)
{
	const uint8_t *q = p + 1;
	while (*q != '"')
		q += *q == '\\' ? 2 : 1;
	return span_of(p, (size_t)(q + 1 - p));
}

/* By text, equal ones by their place. The entries are hash << 32 | index. */
static int compare_text(const void *a, const void *b, void *arg)
{
	const struct json_writer *w = arg;
	const uint32_t i = (uint32_t) * (const uint64_t *)a, j = (uint32_t) * (const uint64_t *)b;
	const struct span x = key_text(w->doc + w->key_start[i]), y = key_text(w->doc + w->key_start[j]);
	if (x.n != y.n)
		return x.n < y.n ? -1 : 1;
	const int order = memcmp(x.p, y.p, x.n);
	return order ? order : (i > j) - (i < j);
}

/* Keys of one hash: of those with one text, all but the last are cut. */
static bool cut_equal(struct json_writer *w, uint64_t *entry, size_t n)
{
	qsort_r(entry, n, sizeof *entry, compare_text, w);
	for (size_t i = 0; i + 1 < n; i++) {
		const uint32_t a = (uint32_t)entry[i], b = (uint32_t)entry[i + 1];
		/* b comes later in the map if the texts are equal, so a has a next pair. */
		if (span_eq(key_text(w->doc + w->key_start[a]), key_text(w->doc + w->key_start[b])) &&
			!cut_pair(w, a, w->key_start[a + 1]))
			return false;
	}
	return true;
}

/*
 * Whether two of n hashes may be equal: each sets two bits of a filter that has 64 bits for each of them. Nearly
 * always the answer is no, and the sort is spared. `filter` has 2^log_words words, all 0.
 */
static bool may_repeat(const uint32_t *hash, size_t n, uint64_t *filter, unsigned log_words)
{
	uint64_t again = 0;
	for (size_t i = 0; i < n; i++) {
		const uint64_t a = hash[i] * UINT64_C(0x9e3779b97f4a7c15) >> (58 - log_words);
		const uint64_t b = hash[i] * UINT64_C(0xd6e8feb86659fd93) >> (58 - log_words);
		again |= filter[a / 64] >> a % 64 & filter[b / 64] >> b % 64;
		filter[a / 64] |= UINT64_C(1) << a % 64;
		filter[b / 64] |= UINT64_C(1) << b % 64;
	}
	return again & 1;
}

/* `entry` has room for n. */
static bool sort_keys(struct json_writer *w, size_t first, uint64_t *entry, size_t n)
{
	for (size_t i = 0; i < n; i++)
		entry[i] = (uint64_t)w->key_hash[first + i] << 32 | (first + i);
	qsort(entry, n, sizeof *entry, compare_u64);
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && entry[j] >> 32 == entry[i] >> 32; j++)
			;
		if (j > i + 1 && !cut_equal(w, entry + i, j - i))
			return false;
	}
	return true;
}

bool json_key_sort(struct json_writer *w, const struct json_level *lv)
{
	const size_t first = lv->first_key, n = w->key_count - first;
	if (n < 2)
		return true;
	const unsigned log_words = 64 - (unsigned)__builtin_clzll(n - 1);
	const size_t bytes = sizeof(uint64_t) << log_words;
	uint64_t *entry = mem_try(bytes);
	if (!entry) {
		w->status = JSON_WRITER_NO_ROOM;
		return false;
	}
	memset(entry, 0, bytes);
	const bool good = !may_repeat(w->key_hash + first, n, entry, log_words) || sort_keys(w, first, entry, n);
	mem_free(entry);
	return good;
}

/* The outer one first where one cut lies inside another. */
static int compare_cuts(const void *a, const void *b)
{
	const struct json_cut *x = a, *y = b;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return (x->to < y->to) - (x->to > y->to);
}

uint8_t *json_key_close_cuts(struct json_writer *w, uint8_t *d, uint32_t from)
{
	size_t first = w->cut_count;
	while (first > 0 && w->cut[first - 1].from >= from)
		first--;
	const size_t n = w->cut_count - first;
	if (n == 0)
		return d;
	const struct json_cut *cut = w->cut + first;
	qsort(w->cut + first, n, sizeof *cut, compare_cuts);
	const uint32_t end = (uint32_t)(d - w->doc);
	uint8_t *to = w->doc + cut[0].from;
	uint32_t done = cut[0].to;
	for (size_t i = 1; i <= n; i++) {
		const uint32_t next = i < n ? cut[i].from : end;
		if (next < done)
			continue; /* inside the one before */
		memmove(to, w->doc + done, next - done);
		to += next - done;
		if (i < n)
			done = cut[i].to;
	}
	w->cut_count = first;
	return to;
}
