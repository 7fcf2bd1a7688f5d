/*
 * expected_json.h: for tests: msgpack to a jansson tree by the rules that documents follow, written with msgpack-c
 * and jansson and (up to msgpack-c's 32 levels) none of weir's own readers and writers. Trees are compared as text,
 * which tells 1 from 1.0 and 0.0 from -0.0.
 */
#ifndef WEIR_TEST_RECORD_EXPECTED_JSON_H
#define WEIR_TEST_RECORD_EXPECTED_JSON_H

#include "base/buf.h"
#include "base/utf8.h"
#include "bytes_util.h"
#include "record/msgpack_scan.h"

#include <jansson.h>
#include <math.h>
#include <msgpack.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline json_t *json_repaired(const char *p, size_t n)
{
	struct buf b;
	buf_init(&b, 64u << 20);
	const uint8_t *q = (const uint8_t *)p;
	for (size_t i = 0; i < n;) {
		size_t len = utf8_len(q + i, n - i);
		if (len)
			buf_put(&b, q + i, len);
		else
			buf_put_str(&b, UTF8_REPLACEMENT);
		i += len ? len : utf8_bad_len(q + i, n - i);
	}
	json_t *j = json_stringn_nocheck(b.n ? (const char *)b.p : "", b.n);
	buf_free(&b);
	return j;
}

static inline json_t *json_base64(const char *p, size_t n)
{
	unsigned char *text = mem_alloc(n / 3 * 4 + 5);
	int len = EVP_EncodeBlock(text, (const unsigned char *)p, (int)n);
	json_t *j = json_stringn((const char *)text, (size_t)len);
	mem_free(text);
	return j;
}

static inline json_t *json_rfc3339(int64_t sec, uint32_t nsec)
{
	char date[64], text[96];
	time_t t = (time_t)(sec + nsec / 1000000000);
	struct tm tm;
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", gmtime_r(&t, &tm));
	snprintf(text, sizeof text, "%s.%09uZ", date, nsec % 1000000000);
	return json_string(text);
}

static inline uint64_t json_be(const char *p, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | (uint8_t)p[i];
	return v;
}

static inline json_t *json_of_ext(const msgpack_object_ext *e)
{
	const char *p = e->ptr;
	if (e->type == 0 && e->size == 8)
		return json_rfc3339((int64_t)json_be(p, 4), (uint32_t)json_be(p + 4, 4));
	if (e->type == -1 && e->size == 4)
		return json_rfc3339((int64_t)json_be(p, 4), 0);
	if (e->type == -1 && e->size == 8)
		return json_rfc3339((int64_t)(json_be(p, 8) & 0x3ffffffff), (uint32_t)(json_be(p, 8) >> 34));
	if (e->type == -1 && e->size == 12)
		return json_rfc3339((int64_t)json_be(p + 4, 8), (uint32_t)json_be(p, 4));
	if (e->type == 5 && e->size == 12)
		return json_rfc3339((int64_t)json_be(p, 8), (uint32_t)json_be(p + 8, 4));
	return json_pack("{s:i, s:o}", "type", e->type, "data", json_base64(p, e->size));
}

static inline json_t *json_of_object(const msgpack_object *o);

static inline void json_add_pair(json_t *map, const msgpack_object_kv *kv)
{
	json_t *key = json_of_object(&kv->key);
	if (!json_is_string(key)) {
		char *text = json_dumps(key, JSON_ENCODE_ANY | JSON_COMPACT);
		json_decref(key);
		key = json_string_nocheck(text);
		free(text);
	}
	json_object_setn_new_nocheck(map, json_string_value(key), json_string_length(key), json_of_object(&kv->val));
	json_decref(key);
}

static inline json_t *json_of_uint(uint64_t v)
{
	char text[24];
	if (v <= INT64_MAX)
		return json_integer((json_int_t)v);
	snprintf(text, sizeof text, "%llu", (unsigned long long)v);
	return json_string(text);
}

static inline json_t *json_of_object(const msgpack_object *o)
{
	json_t *j;
	switch (o->type) {
	case MSGPACK_OBJECT_NIL:
		return json_null();
	case MSGPACK_OBJECT_BOOLEAN:
		return json_boolean(o->via.boolean);
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		return json_of_uint(o->via.u64);
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return json_integer(o->via.i64);
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return isfinite(o->via.f64) ? json_real(o->via.f64) : json_null();
	case MSGPACK_OBJECT_STR:
		return json_repaired(o->via.str.ptr, o->via.str.size);
	case MSGPACK_OBJECT_BIN:
		if (utf8_valid(span_of(o->via.bin.ptr, o->via.bin.size)))
			return json_repaired(o->via.bin.ptr, o->via.bin.size);
		return json_base64(o->via.bin.ptr, o->via.bin.size);
	case MSGPACK_OBJECT_EXT:
		return json_of_ext(&o->via.ext);
	case MSGPACK_OBJECT_ARRAY:
		j = json_array();
		for (uint32_t i = 0; i < o->via.array.size; i++)
			json_array_append_new(j, json_of_object(&o->via.array.ptr[i]));
		return j;
	default:
		j = json_object();
		for (uint32_t i = 0; i < o->via.map.size; i++)
			json_add_pair(j, &o->via.map.ptr[i]);
		return j;
	}
}

static inline json_t *json_of_msgpack(struct span s);

/* msgpack-c stops at 32 levels: what is deeper is taken apart by hand. Maps with text keys only. */
static inline json_t *json_of_deep(struct span s)
{
	const uint8_t *p = s.p, *end = s.p + s.n;
	struct mp_token t, key;
	if (mp_read(&p, end, &t) != MP_OK || (t.type != MP_ARRAY && t.type != MP_MAP))
		return NULL;
	json_t *j = t.type == MP_MAP ? json_object() : json_array();
	for (uint32_t i = 0; i < t.count; i++) {
		if (t.type == MP_MAP)
			mp_read(&p, end, &key);
		size_t n = mp_length(p, end);
		json_t *value = json_of_msgpack(span_of(p, n));
		if (t.type == MP_MAP)
			json_object_setn_new_nocheck(j, (const char *)key.body.p, key.body.n, value);
		else
			json_array_append_new(j, value);
		p += n;
	}
	return j;
}

/* NULL if the bytes are not exactly one object. */
static inline json_t *json_of_msgpack(struct span s)
{
	msgpack_unpacked u;
	size_t used = 0;
	json_t *j = NULL;
	msgpack_unpacked_init(&u);
	msgpack_unpack_return r = msgpack_unpack_next(&u, (const char *)s.p, s.n, &used);
	if (r == MSGPACK_UNPACK_SUCCESS && used == s.n)
		j = json_of_object(&u.data);
	else if (r == MSGPACK_UNPACK_NOMEM_ERROR && mp_length(s.p, s.p + s.n) == s.n)
		j = json_of_deep(s);
	msgpack_unpacked_destroy(&u);
	return j;
}

static inline bool json_same(const json_t *a, const json_t *b)
{
	const size_t flags = JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS;
	char *x = json_dumps(a, flags), *y = json_dumps(b, flags);
	bool same = x && y && strcmp(x, y) == 0;
	free(x);
	free(y);
	return same;
}

#endif
