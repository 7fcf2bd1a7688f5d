#include "record/json_writer.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "record/json_key.h"
#include "record/json_number.h"
#include "record/json_put.h"

static json_run_fn *run = json_put_simd_run;

#if defined(__x86_64__)
__attribute__((constructor)) static void choose_run(void)
{
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
		run = json_put_simd_run_avx2;
}
#endif

const uint8_t json_writer_bytes[5][32] __attribute__((aligned(64))) = {
	[JSON_QUOTES] = {[0 ... 31] = '"'},
	[JSON_SLASHES] = {[0 ... 31] = '\\'},
	[JSON_CONTROLS] = {[0 ... 31] = 0x1f},
	[JSON_DOTS] = {[0 ... 31] = '.'},
	[JSON_BLANKS] = {[0 ... 31] = ' '},
};

/* ---- life ------------------------------------------------------------------------------------------ */

void json_writer_init(struct json_writer *w, struct buf *out, size_t limit, unsigned max_depth)
{
	w->out = out;
	w->limit = limit < JSON_LIMIT_MAX ? limit : JSON_LIMIT_MAX;
	w->max_depth = max_depth < MP_DEPTH_LIMIT ? max_depth : MP_DEPTH_LIMIT;
	w->open = w->rename = false;
	w->special = NULL;
	w->special_count = 0;
	memset(w->special_seen, 0, sizeof w->special_seen);
	w->clock = (struct time_text){0};
	w->key_hash = w->hash_inline;
	w->key_start = w->start_inline;
	w->key_cap = JSON_KEYS_INLINE;
	w->cut = NULL;
	w->cut_cap = 0;
}

static void free_cuts(struct json_writer *w)
{
	mem_free(w->cut);
	w->cut = NULL;
	w->cut_cap = 0;
}

void json_writer_free(struct json_writer *w)
{
	json_key_free(w);
	free_cuts(w);
}

void json_writer_add_special(
	struct json_writer *w, struct json_special *s, struct span key, bool drop, struct buf *text)
{
	size_t at = text->n;
	*s = (struct json_special){.drop = drop};
	json_put_string(text, key);
	if (w->rename && buf_reserve(text, sizeof "_empty"))
		text->n = (size_t)(json_key_rename(text->p + at, text->p + text->n) - text->p);
	/* The hash reads eight bytes, whatever the length. */
	buf_put(text, "\0\0\0\0\0\0\0", 8);
	if (text->failed)
		return;
	s->text = span_of(text->p + at, text->n - at - 8);
	s->hash = json_key_hash(s->text.p + 1, s->text.n - 2);
	w->special_seen[json_key_seen_word(s->hash)] |= json_key_seen_bit(s->hash);
}

const char *json_writer_reason(enum json_writer_status status)
{
	switch (status) {
	case JSON_WRITER_MALFORMED:
		return "the record is no valid msgpack";
	case JSON_WRITER_TOO_DEEP:
		return "the record is nested too deep";
	case JSON_WRITER_TOO_LONG:
		return "the record is too long as JSON";
	case JSON_WRITER_NO_ROOM:
		return "no memory for the record";
	default:
		return "";
	}
}

enum json_writer_status json_writer_run(struct json_writer *w, const uint8_t **p, const uint8_t *end)
{
	return run(w, p, end);
}

/* ---- room ------------------------------------------------------------------------------------------ */

/* Scratch above this is given back at once: a hostile record must not leave its mark. */
#define KEEP_ENTRIES 65536

/* Makes sure that `need` + JSON_SLACK bytes can be written behind the document's first `used`. */
static uint8_t *room_behind(struct json_writer *w, size_t used, size_t need)
{
	struct buf *out = w->out;
	if (used > w->limit) {
		w->status = JSON_WRITER_TOO_LONG;
		return NULL;
	}
	/* Asked here, so that the buffer itself does not fail: the caller may know another way. */
	if (used + need + JSON_SLACK > out->max - out->n || !buf_reserve(out, used + need + JSON_SLACK)) {
		out->failed = false;
		w->status = JSON_WRITER_NO_ROOM;
		return NULL;
	}
	w->doc = out->p + out->n;
	const size_t room = out->cap - out->n - JSON_SLACK;
	w->lim = w->doc + (room < w->limit ? room : w->limit);
	return w->doc + used;
}

uint8_t *json_writer_begin(struct json_writer *w)
{
	w->depth = 0;
	w->in_key = false;
	w->key_count = w->cut_count = 0;
	w->status = JSON_WRITER_DONE;
	if (w->key_cap > KEEP_ENTRIES)
		json_key_free(w);
	if (w->cut_cap > KEEP_ENTRIES)
		free_cuts(w);
	for (size_t i = 0; i < w->special_count; i++)
		w->special[i].value = NULL;
	if (w->out->failed) {
		w->status = JSON_WRITER_NO_ROOM;
		return NULL;
	}
	return room_behind(w, 0, 0);
}

uint8_t *json_writer_room(struct json_writer *w, uint8_t *d, size_t need)
{
	return room_behind(w, (size_t)(d - w->doc), need);
}

bool json_writer_skip(struct json_writer *w, const uint8_t **p, const uint8_t *end)
{
	const size_t n = mp_skip(*p, end, w->max_depth - w->depth);
	if (n == 0) {
		w->status = mp_length(*p, end) ? JSON_WRITER_TOO_DEEP : JSON_WRITER_MALFORMED;
		return false;
	}
	*p += n;
	return true;
}

/* ---- text ------------------------------------------------------------------------------------------ */

static uint8_t *put_escaped(uint8_t *d, uint8_t c)
{
	static const char hex[] = "0123456789abcdef", names[] = "btn\0fr";
	*d++ = '\\';
	if (c == '"' || c == '\\') {
		*d++ = c;
	} else if (c >= 8 && c <= 13 && c != 11) {
		*d++ = (uint8_t)names[c - 8];
	} else {
		memcpy(d, "u00", 3);
		d[3] = (uint8_t)hex[c >> 4];
		d[4] = (uint8_t)hex[c & 15];
		d += 5;
	}
	return d;
}

size_t json_writer_repair(uint8_t **dp, const uint8_t *s, size_t n, const uint8_t *stop)
{
	uint8_t *d = *dp;
	size_t i = 0;
	while (i < n) {
		const uint8_t c = s[i];
		if (c < 0x80) {
			if (c >= 0x20 && c != '"' && c != '\\')
				*d++ = c;
			else
				d = put_escaped(d, c);
			i++;
			continue;
		}
		const size_t left = (size_t)(stop - s) - i, len = utf8_len(s + i, left);
		if (len) {
			memcpy(d, s + i, len);
			d += len;
			i += len;
		} else {
			memcpy(d, UTF8_REPLACEMENT, 3);
			d += 3;
			i += utf8_bad_len(s + i, left);
		}
	}
	*dp = d;
	return i;
}

/* A string with its quotes, whatever is in it. */
static uint8_t *put_string(struct json_writer *w, uint8_t *d, struct span s)
{
	const uint8_t *p = s.p, *stop = s.p + s.n;
	*d++ = '"';
	while (p < stop) {
		const size_t n = (size_t)(stop - p) < JSON_PIECE ? (size_t)(stop - p) : JSON_PIECE;
		d = json_writer_room(w, d, 6 * n);
		if (!d)
			return NULL;
		p += json_writer_repair(&d, p, n, stop);
	}
	*d++ = '"';
	return d;
}

static uint8_t *put_base64(struct json_writer *w, uint8_t *d, struct span s)
{
	const size_t n = base64_encoded_len(BASE64_STD, s.n);
	d = json_writer_room(w, d, n);
	if (!d)
		return NULL;
	*d++ = '"';
	d += base64_encode(BASE64_STD, s, (char *)d);
	*d++ = '"';
	return d;
}

static uint8_t *put_bin(struct json_writer *w, uint8_t *d, struct span s)
{
	return utf8_valid(s) ? put_string(w, d, s) : put_base64(w, d, s);
}

/* ---- rare values ------------------------------------------------------------------------------------- */

static uint8_t *put_ext(struct json_writer *w, uint8_t *d, int type, struct span s)
{
	struct event_time t;
	if (time_text_from_ext(type, s, &t)) {
		*d++ = '"';
		d += time_text_put(&w->clock, t, 9, (char *)d);
		*d++ = '"';
		return d;
	}
	memcpy(d, "{\"type\":", 8);
	d = json_put_i64(d + 8, type);
	memcpy(d, ",\"data\":", 8);
	d = put_base64(w, d + 8, s);
	if (d)
		*d++ = '}';
	return d;
}

static uint8_t *put_uint(uint8_t *d, uint64_t v)
{
	if (v <= INT64_MAX)
		return json_put_u64(d, v);
	*d = '"';
	d = json_put_u64(d + 1, v);
	*d = '"';
	return d + 1;
}

static uint8_t *put_float(uint8_t *d, const struct mp_token *t)
{
	if (t->type == MP_FLOAT32)
		return d + json_format_float((float)t->d, (char *)d);
	return d + json_format_double(t->d, (char *)d);
}

static uint8_t *put_word(uint8_t *d, const char *word)
{
	const size_t n = strlen(word);
	memcpy(d, word, n);
	return d + n;
}

uint8_t *json_writer_scalar(struct json_writer *w, uint8_t *d, const struct mp_token *t)
{
	switch (t->type) {
	case MP_NIL:
		return put_word(d, "null");
	case MP_BOOL:
		return put_word(d, t->b ? "true" : "false");
	case MP_UINT:
		return put_uint(d, t->u);
	case MP_INT:
		return json_put_i64(d, t->i);
	case MP_FLOAT32:
	case MP_FLOAT64:
		return put_float(d, t);
	case MP_STR:
		return put_string(w, d, t->body);
	case MP_BIN:
		return put_bin(w, d, t->body);
	default:
		return put_ext(w, d, t->ext_type, t->body);
	}
}

uint8_t *json_writer_rare(struct json_writer *w, uint8_t *d, const uint8_t **p, const uint8_t *end)
{
	struct mp_token t;
	if (mp_read(p, end, &t) != MP_OK) {
		w->status = JSON_WRITER_MALFORMED;
		return NULL;
	}
	return json_writer_scalar(w, d, &t);
}

/* ---- the end ----------------------------------------------------------------------------------------- */

uint8_t *json_writer_end(struct json_writer *w, uint8_t *d)
{
	if (!w->open)
		d--;
	else if (w->level[0].is_large && !json_key_sort(w, &w->level[0]))
		return NULL;
	if (w->cut_count)
		d = json_key_close_cuts(w, d, 0);
	if ((size_t)(d - w->doc) > w->limit) {
		w->status = JSON_WRITER_TOO_LONG;
		return NULL;
	}
	return d;
}
