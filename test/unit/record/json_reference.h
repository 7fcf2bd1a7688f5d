/*
 * json_reference.h: for tests and fuzzing: the JSON text that a msgpack object must become, byte for byte, written
 * slowly and plainly on top of msgpack-c. Shares with the product only the text of floating-point numbers, which
 * json_number_test.c checks by itself.
 */
#ifndef WEIR_TEST_RECORD_JSON_REFERENCE_H
#define WEIR_TEST_RECORD_JSON_REFERENCE_H

#include "base/buf.h"
#include "base/mem.h"
#include "record/json_number.h"
#include "record/json_put.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct json_ref {
	bool rename;
	bool in_key;  /* inside an array or a map that is a key */
	bool refused; /* such a key inside such a key */
};

/* Length of the sequence at p if it is well-formed (Unicode 15, table 3-7), else minus that of its maximal subpart. */
static inline int ref_utf8(const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t first, last, lo, hi, len;
	} rows[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	if (p[0] < 0x80)
		return 1;
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
		if (p[0] < rows[r].first || p[0] > rows[r].last)
			continue;
		int good = 1;
		while (good < rows[r].len && (size_t)good < n) {
			uint8_t lo = good == 1 ? rows[r].lo : 0x80, hi = good == 1 ? rows[r].hi : 0xbf;
			if (p[good] < lo || p[good] > hi)
				break;
			good++;
		}
		return good == rows[r].len ? good : -good;
	}
	return -1;
}

static inline bool ref_utf8_valid(const char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		int len = ref_utf8((const uint8_t *)p + i, n - i);
		if (len < 0)
			return false;
		i += (size_t)len;
	}
	return true;
}

/* Repaired, not yet escaped. */
static inline void ref_repair(struct buf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		int len = ref_utf8((const uint8_t *)p + i, n - i);
		if (len > 0)
			buf_put(out, p + i, (size_t)len);
		else
			buf_put_str(out, "\xef\xbf\xbd");
		i += (size_t)abs(len);
	}
}

static inline void ref_quote(struct buf *out, struct span s)
{
	buf_put_byte(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		static const char named[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
		const char *at = s.p[i] ? strchr(named, s.p[i]) : NULL;
		if (at)
			buf_printf(out, "\\%c", names[at - named]);
		else if (s.p[i] < 0x20)
			buf_printf(out, "\\u%04x", s.p[i]);
		else
			buf_put_byte(out, s.p[i]);
	}
	buf_put_byte(out, '"');
}

static inline void ref_base64(struct buf *out, const char *s, size_t n)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = 0;
		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < n ? (uint8_t)s[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buf_put_byte(out, i + k > n ? '=' : (uint8_t)letters[v >> (18 - 6 * k) & 63]);
	}
}

static inline uint64_t ref_be(const char *p, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | (uint8_t)p[i];
	return v;
}

static inline void ref_time(struct buf *out, int64_t sec, uint32_t nsec)
{
	struct tm tm;
	char date[64];
	if (__builtin_add_overflow(sec, (int64_t)(nsec / 1000000000), &sec))
		sec = INT64_MAX;
	time_t t = sec < -62167219200 ? -62167219200 : sec > 253402300799 ? 253402300799 : sec;
	gmtime_r(&t, &tm);
	snprintf(date, sizeof date, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		tm.tm_hour, tm.tm_min, tm.tm_sec);
	buf_printf(out, "\"%s.%09uZ\"", date, nsec % 1000000000);
}

static inline void ref_ext(struct buf *out, const msgpack_object_ext *e)
{
	const char *p = e->ptr;
	if (e->type == 0 && e->size == 8) {
		ref_time(out, (int64_t)ref_be(p, 4), (uint32_t)ref_be(p + 4, 4));
	} else if (e->type == -1 && e->size == 4) {
		ref_time(out, (int64_t)ref_be(p, 4), 0);
	} else if (e->type == -1 && e->size == 8) {
		ref_time(out, (int64_t)(ref_be(p, 8) & 0x3ffffffff), (uint32_t)(ref_be(p, 8) >> 34));
	} else if (e->type == -1 && e->size == 12) {
		ref_time(out, (int64_t)ref_be(p + 4, 8), (uint32_t)ref_be(p, 4));
	} else if (e->type == 5 && e->size == 12) {
		ref_time(out, (int64_t)ref_be(p, 8), (uint32_t)ref_be(p + 8, 4));
	} else {
		buf_printf(out, "{\"type\":%d,\"data\":\"", e->type);
		ref_base64(out, p, e->size);
		buf_put_str(out, "\"}");
	}
}

static inline void ref_put(struct json_ref *r, struct buf *out, const msgpack_object *o);

/* ---- field names ---- */

/* Whether the character at p (of len bytes) is white space to Java. */
static inline bool ref_blank(const uint8_t *p, int len)
{
	uint32_t c = len == 1 ? p[0] : len == 3 ? (uint32_t)((p[0] & 15) << 12 | (p[1] & 63) << 6 | (p[2] & 63)) : 0;
	if (len == 2 || len == 4)
		return false;
	return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a && c != 0x2007) || c == 0x2028 || c == 0x2029 || c == 0x205f || c == 0x3000;
}

/* Cuts the name at its dots, then puts it together again by the rule in json_key.h. */
static inline void ref_rename(struct buf *out, struct span name)
{
	size_t begin[1024], end[1024], parts = 0, at = 0;
	bool bad[1024];
	if (name.n == 0) {
		buf_put_str(out, "_empty");
		return;
	}
	for (size_t i = 0; i <= name.n && parts < 1024; i++) {
		if (i < name.n && name.p[i] != '.')
			continue;
		begin[parts] = at;
		end[parts] = i;
		bad[parts] = true;
		for (size_t k = at; k < i;) {
			int len = ref_utf8(name.p + k, i - k);
			bad[parts] = bad[parts] && ref_blank(name.p + k, len);
			k += (size_t)len;
		}
		parts++;
		at = i + 1;
	}
	for (size_t k = 0; k < parts; k++) {
		if (k)
			buf_put_byte(out, bad[k] || bad[k - 1] ? '_' : '.');
		for (size_t i = begin[k]; i < end[k];) {
			int len = ref_utf8(name.p + i, end[k] - i);
			if (bad[k])
				buf_put_byte(out, '_');
			else
				buf_put(out, name.p + i, (size_t)len);
			i += (size_t)len;
		}
	}
}

/* The key's name: no quotes, nothing escaped. */
static inline void ref_key(struct json_ref *r, struct buf *out, const msgpack_object *o)
{
	struct buf name, text;
	buf_init(&name, SIZE_MAX / 2);
	buf_init(&text, SIZE_MAX / 2);
	bool container = o->type == MSGPACK_OBJECT_MAP || o->type == MSGPACK_OBJECT_ARRAY;
	if (o->type == MSGPACK_OBJECT_STR ||
		(o->type == MSGPACK_OBJECT_BIN && ref_utf8_valid(o->via.bin.ptr, o->via.bin.size))) {
		ref_repair(&name, o->via.str.ptr, o->via.str.size);
	} else {
		if (container && r->in_key)
			r->refused = true;
		bool before = r->in_key;
		r->in_key |= container;
		if (!r->refused)
			ref_put(r, &text, o);
		r->in_key = before;
		/* What is a JSON string already (times, large integers, Base64) has nothing to escape in it. */
		bool quoted = text.n && text.p[0] == '"';
		if (text.n)
			buf_put(&name, text.p + quoted, text.n - 2 * quoted);
	}
	if (r->rename)
		ref_rename(out, buf_span(&name));
	else
		buf_put_span(out, buf_span(&name));
	buf_free(&name);
	buf_free(&text);
}

static inline void ref_map(struct json_ref *r, struct buf *out, const msgpack_object_map *m)
{
	struct buf *keys = mem_array(m->size, sizeof *keys);
	struct buf gone;
	bool first = true;
	buf_init(&gone, SIZE_MAX / 2);
	for (uint32_t i = 0; i < m->size; i++) {
		buf_init(&keys[i], SIZE_MAX / 2);
		ref_key(r, &keys[i], &m->ptr[i].key);
	}
	buf_put_byte(out, '{');
	for (uint32_t i = 0; i < m->size; i++) {
		bool again = false;
		for (uint32_t k = i + 1; k < m->size && !again; k++)
			again = span_eq(buf_span(&keys[i]), buf_span(&keys[k]));
		if (again) {
			ref_put(r, &gone, &m->ptr[i].val); /* may be reason to refuse all */
			continue;
		}
		if (!first)
			buf_put_byte(out, ',');
		first = false;
		ref_quote(out, buf_span(&keys[i]));
		buf_put_byte(out, ':');
		ref_put(r, out, &m->ptr[i].val);
	}
	buf_put_byte(out, '}');
	for (uint32_t i = 0; i < m->size; i++)
		buf_free(&keys[i]);
	buf_free(&gone);
	mem_free(keys);
}

static inline void ref_array(struct json_ref *r, struct buf *out, const msgpack_object_array *a)
{
	buf_put_byte(out, '[');
	for (uint32_t i = 0; i < a->size; i++) {
		if (i)
			buf_put_byte(out, ',');
		ref_put(r, out, &a->ptr[i]);
	}
	buf_put_byte(out, ']');
}

static inline void ref_string(struct buf *out, const char *p, size_t n)
{
	struct buf b;
	buf_init(&b, SIZE_MAX / 2);
	ref_repair(&b, p, n);
	ref_quote(out, buf_span(&b));
	buf_free(&b);
}

static inline void ref_put(struct json_ref *r, struct buf *out, const msgpack_object *o)
{
	char number[JSON_NUMBER_MAX];
	switch (o->type) {
	case MSGPACK_OBJECT_NIL:
		buf_put_str(out, "null");
		return;
	case MSGPACK_OBJECT_BOOLEAN:
		buf_put_str(out, o->via.boolean ? "true" : "false");
		return;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		buf_printf(out, o->via.u64 > INT64_MAX ? "\"%llu\"" : "%llu", (unsigned long long)o->via.u64);
		return;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		buf_printf(out, "%lld", (long long)o->via.i64);
		return;
	case MSGPACK_OBJECT_FLOAT32:
		buf_put(out, number, json_format_float((float)o->via.f64, number));
		return;
	case MSGPACK_OBJECT_FLOAT64:
		buf_put(out, number, json_format_double(o->via.f64, number));
		return;
	case MSGPACK_OBJECT_STR:
		ref_string(out, o->via.str.ptr, o->via.str.size);
		return;
	case MSGPACK_OBJECT_BIN:
		if (ref_utf8_valid(o->via.bin.ptr, o->via.bin.size)) {
			ref_string(out, o->via.bin.ptr, o->via.bin.size);
			return;
		}
		buf_put_byte(out, '"');
		ref_base64(out, o->via.bin.ptr, o->via.bin.size);
		buf_put_byte(out, '"');
		return;
	case MSGPACK_OBJECT_EXT:
		ref_ext(out, &o->via.ext);
		return;
	case MSGPACK_OBJECT_ARRAY:
		ref_array(r, out, &o->via.array);
		return;
	default:
		ref_map(r, out, &o->via.map);
	}
}

enum ref_result {
	REF_TEXT,    /* *out holds the text */
	REF_REFUSED, /* weir must refuse it: a container as a key inside a container that is a key */
	REF_UNKNOWN, /* msgpack-c cannot read it as one object */
};

static inline enum ref_result ref_json(struct span s, bool rename, struct buf *out)
{
	msgpack_unpacked u;
	size_t used = 0;
	struct json_ref r = {.rename = rename};
	enum ref_result result = REF_UNKNOWN;
	msgpack_unpacked_init(&u);
	if (msgpack_unpack_next(&u, (const char *)s.p, s.n, &used) == MSGPACK_UNPACK_SUCCESS && used == s.n) {
		ref_put(&r, out, &u.data);
		result = r.refused ? REF_REFUSED : REF_TEXT;
	}
	msgpack_unpacked_destroy(&u);
	return result;
}

#endif
