/* Records: read, changed, removed and renamed fields, and what is written afterwards, compared as JSON. */
#include "record/record.h"

#include "base/mem.h"
#include "record/json_get.h"
#include "record/json_put.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct fixture {
	struct arena arena;
	struct buf in, out, text;
	struct record r;
	size_t used;
};

static void open_msgpack(struct fixture *f)
{
	assert_true(record_open(&f->r, &f->arena, f->in.p, f->in.p + f->in.n, MP_DEPTH_LIMIT, &f->used));
	assert_int_equal(f->used, f->in.n);
}

static void start(struct fixture *f, const char *json)
{
	arena_init(&f->arena, 1 << 20);
	buf_init(&f->in, 1 << 20);
	buf_init(&f->out, 1 << 20);
	buf_init(&f->text, 1 << 20);
	const uint8_t *p = (const uint8_t *)json;
	assert_int_equal(json_get(&p, p + strlen(json), 100, &f->in, NULL), JSON_OK);
	open_msgpack(f);
}

static void finish(struct fixture *f)
{
	arena_free(&f->arena);
	buf_free(&f->in);
	buf_free(&f->out);
	buf_free(&f->text);
}

/* The record as JSON, of all pairs (json_put drops the older of equal keys, so their number is compared as well). */
static const char *written(struct fixture *f)
{
	buf_clear(&f->out);
	buf_clear(&f->text);
	assert_true(record_put(&f->r, &f->out));
	const uint8_t *p = f->out.p;
	assert_true(json_put(&f->text, &p, f->out.p + f->out.n, 100));
	assert_ptr_equal(p, f->out.p + f->out.n);
	return buf_cstr(&f->text);
}

static struct record_path *path(const char *text)
{
	struct err err;
	struct record_path *p = record_path_compile(text, &err);
	assert_non_null(p);
	return p;
}

static void test_untouched_is_the_same_bytes(void **state)
{
	(void)state;
	struct fixture f;
	start(&f, "{\"a\":1,\"b\":{\"c\":[1,2,{\"d\":null}]},\"e\":-5,\"f\":1.5,\"g\":\"x\",\"h\":true}");
	assert_string_equal(
		written(&f), "{\"a\":1,\"b\":{\"c\":[1,2,{\"d\":null}]},\"e\":-5,\"f\":1.5,\"g\":\"x\",\"h\":true}");
	assert_int_equal(f.out.n, f.in.n);
	assert_memory_equal(f.out.p, f.in.p, f.in.n);
	finish(&f);
}

struct get_case {
	const char *key;
	int type; /* of the value; VALUE_NONE: nothing there */
	const char *text;
	int64_t i;
};

static void test_get(void **state)
{
	(void)state;
	static const struct get_case cases[] = {
		{"a", VALUE_INT, NULL, 1}, {"s", VALUE_STR, "text", 0}, {"n", VALUE_NIL, NULL, 0},
		{"nope", VALUE_NONE, NULL, 0}, {"m.k", VALUE_STR, "dotted", 0}, {"m", VALUE_RAW_MAP, NULL, 0},
		{"l", VALUE_RAW_ARRAY, NULL, 0}, {"big", VALUE_UINT, NULL, 0},
		{"d", VALUE_INT, NULL, 2}, /* repeated: the last one */
	};
	struct fixture f;
	start(&f, "{\"a\":1,\"s\":\"text\",\"n\":null,\"m.k\":\"dotted\",\"m\":{\"k\":7},\"l\":[10,11],"
		  "\"big\":18446744073709551615,\"d\":1,\"d\":2}");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct value v = {.type = VALUE_NONE};
		bool found = record_get(&f.r, span_str(cases[i].key), &v);
		if (found != (cases[i].type != VALUE_NONE) || (found && v.type != cases[i].type))
			fail_msg("%s: found %d, type %d", cases[i].key, found, v.type);
		if (found && v.type == VALUE_INT)
			assert_int_equal(v.i, cases[i].i);
		if (found && v.type == VALUE_STR)
			assert_true(span_is(v.s, cases[i].text));
		if (found && v.type == VALUE_UINT)
			assert_true(v.u == UINT64_MAX);
	}
	finish(&f);
}

struct remove_case {
	const char *in, *path, *want;
};

static void test_remove(void **state)
{
	(void)state;
	static const struct remove_case cases[] = {
		{"{\"a\":1,\"b\":2}", "a", "{\"b\":2}"},
		{"{\"a\":1,\"b\":2}", "c", "{\"a\":1,\"b\":2}"},
		{"{\"a\":1,\"b\":2,\"a\":3}", "a", "{\"b\":2}"},
		{"{\"a\":{\"b\":1,\"c\":2},\"d\":3}", "$.a.b", "{\"a\":{\"c\":2},\"d\":3}"},
		{"{\"a\":{\"b\":1}}", "$.a.b.c", "{\"a\":{\"b\":1}}"},
		{"{\"a\":{\"b\":1}}", "$.z.b", "{\"a\":{\"b\":1}}"},
		{"{\"a\":[1,2,3]}", "$.a[0]", "{\"a\":[2,3]}"},
		{"{\"a\":[1,2,3]}", "$.a[-1]", "{\"a\":[1,2]}"},
		{"{\"a\":[1,2,3]}", "$.a[7]", "{\"a\":[1,2,3]}"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fixture f;
		start(&f, cases[i].in);
		struct record_path *p = path(cases[i].path);
		assert_true(record_remove_path(&f.r, p));
		record_path_free(p);
		if (strcmp(written(&f), cases[i].want) != 0)
			fail_msg("%s - %s: got %s instead of %s", cases[i].in, cases[i].path, written(&f),
				cases[i].want);
		finish(&f);
	}
}

static void test_values_to_msgpack(void **state)
{
	(void)state;
	struct fixture f;
	start(&f, "{}");
	struct value_array *array = value_array_new(&f.arena, 0);
	struct value v;
	const int64_t ints[] = {
		0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, INT64_MAX, -1, -32, -33, INT64_MIN};
	for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
		v = value_int(ints[i]);
		assert_true(value_array_push(&f.arena, array, &v));
	}
	v = (struct value){.type = VALUE_ARRAY, .array = array};
	assert_true(record_set(&f.r, SPAN_LIT("i"), &v));
	v = value_uint(UINT64_C(1) << 63);
	assert_true(record_set(&f.r, SPAN_LIT("u"), &v));
	v = value_float(-0.5);
	assert_true(record_set(&f.r, SPAN_LIT("f"), &v));
	v = value_bool(false);
	assert_true(record_set(&f.r, SPAN_LIT("b"), &v));
	v = value_nil();
	assert_true(record_set(&f.r, SPAN_LIT("n"), &v));
	v = (struct value){.type = VALUE_TIME, .time = {1700000000, 5}};
	assert_true(record_set(&f.r, SPAN_LIT("t"), &v));
	v.time = (struct event_time){-1, 5};
	assert_true(record_set(&f.r, SPAN_LIT("t2"), &v));
	v = (struct value){.type = VALUE_SYM, .s = SPAN_LIT("sym")};
	assert_true(record_set(&f.r, SPAN_LIT("s"), &v));
	assert_string_equal(written(&f),
		"{\"i\":[0,127,128,255,256,65535,65536,4294967295,4294967296,9223372036854775807,-1,-32,-33,"
		"-9223372036854775808],\"u\":\"9223372036854775808\",\"f\":-0.5,\"b\":false,\"n\":null,"
		"\"t\":\"2023-11-14T22:13:20.000000005Z\",\"t2\":\"1969-12-31T23:59:59.000000005Z\",\"s\":\"sym\"}");
	v = (struct value){.type = VALUE_OTHER};
	assert_true(record_set(&f.r, SPAN_LIT("o"), &v));
	assert_false(record_put(&f.r, &f.out));
	finish(&f);
}

/* A container that holds itself ends in an error, not in the stack. */
static void test_cycle_cannot_be_written(void **state)
{
	(void)state;
	struct fixture f;
	start(&f, "{\"a\":{\"b\":1}}");
	struct value a;
	struct value_pair *pair = value_map_find_str(&f.arena, f.r.map, SPAN_LIT("a"));
	assert_non_null(pair);
	assert_true(value_open(&f.arena, &pair->value));
	a = pair->value;
	const struct value key = value_str(SPAN_LIT("self"));
	struct value *place = value_map_put(&f.arena, a.map, &key);
	assert_non_null(place);
	*place = a;
	assert_false(record_put(&f.r, &f.out));
	finish(&f);
}

static void test_text_lengths(void **state)
{
	(void)state;
	static const size_t lengths[] = {0, 31, 32, 255, 256, 65535, 65536};
	uint8_t *bytes = mem_alloc(70000);
	memset(bytes, 'x', 70000);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct fixture f;
		start(&f, "{}");
		struct value v = value_str(span_of(bytes, lengths[i])), back;
		v.bin = i % 2;
		assert_true(record_set(&f.r, SPAN_LIT("k"), &v));
		assert_true(record_put(&f.r, &f.out));
		buf_clear(&f.in);
		buf_put_span(&f.in, buf_span(&f.out));
		open_msgpack(&f);
		assert_true(record_get(&f.r, SPAN_LIT("k"), &back));
		assert_int_equal(back.type, VALUE_STR);
		assert_int_equal(back.bin, i % 2);
		assert_true(span_eq(back.s, v.s));
		finish(&f);
	}
	mem_free(bytes);
}

static void key_text(char *out, unsigned i)
{
	snprintf(out, 16, "key%u", i);
}

/* Many pairs use the table: finding, removing, adding again, repeated keys. */
static void test_large_map(void **state)
{
	(void)state;
	enum { N = 2000 };
	struct arena a;
	static char text[N][16];
	arena_init(&a, 16 << 20);
	struct value_map *m = value_map_new(&a, 0);
	assert_non_null(m);
	for (unsigned i = 0; i < N; i++) {
		key_text(text[i], i);
		const struct value key = value_str(span_str(text[i]));
		struct value *place = value_map_put(&a, m, &key);
		assert_non_null(place);
		*place = value_int(i);
	}
	assert_int_equal(m->live, N);
	for (unsigned i = 0; i < N; i += 2) {
		const struct value key = value_str(span_str(text[i]));
		struct value old;
		assert_true(value_map_remove(&a, m, &key, &old));
		assert_int_equal(old.i, i);
		assert_false(value_map_remove(&a, m, &key, &old));
	}
	assert_int_equal(m->live, N / 2);
	for (unsigned i = 0; i < N; i++) {
		struct value_pair *pair = value_map_find_str(&a, m, span_str(text[i]));
		assert_int_equal(pair != NULL, i % 2);
		if (pair)
			assert_int_equal(pair->value.i, i);
	}
	const struct value key = value_str(SPAN_LIT("key0"));
	struct value *place = value_map_put(&a, m, &key);
	assert_non_null(place);
	*place = value_int(77);
	assert_int_equal(value_map_find_str(&a, m, SPAN_LIT("key0"))->value.i, 77);
	struct value_map *copy = value_map_copy(&a, m);
	assert_int_equal(copy->n, N / 2 + 1);
	assert_int_equal(value_map_find_str(&a, copy, SPAN_LIT("key1999"))->value.i, 1999);
	arena_free(&a);
}

static void check_unique(unsigned pairs, unsigned keys)
{
	struct fixture f;
	start(&f, "{}");
	buf_clear(&f.in);
	mp_put_map_head(&f.in, pairs);
	for (unsigned i = 0; i < pairs; i++) {
		char text[16];
		key_text(text, i % keys);
		mp_put_str(&f.in, span_str(text));
		buf_put_byte(&f.in, (uint8_t)(i & 0x7f));
	}
	open_msgpack(&f);
	assert_true(value_map_unique(&f.arena, f.r.map));
	assert_int_equal(f.r.map->live, keys < pairs ? keys : pairs);
	struct value self, key, v;
	struct value_iter it;
	unsigned i = 0;
	record_iter(&f.r, &self, &it);
	for (; value_iter_pair(&it, &key, &v); i++) {
		char text[16];
		key_text(text, i);
		assert_true(span_is(key.s, text));
		unsigned last = i + (pairs - 1 - i) / keys * keys;
		assert_int_equal(v.i, last & 0x7f);
	}
	assert_int_equal(i, f.r.map->live);
	finish(&f);
}

static void test_repeated_keys(void **state)
{
	(void)state;
	check_unique(2, 1);
	check_unique(10, 4);
	check_unique(30, 30);
	check_unique(1000, 333);
}

static void test_keys_that_are_no_text(void **state)
{
	(void)state;
	struct fixture f;
	/* {1: "int", nil: "nil", "1": "str", 1.0: "float"} */
	static const uint8_t bytes[] = {0x84, 0x01, 0xa3, 'i', 'n', 't', 0xc0, 0xa3, 'n', 'i', 'l', 0xa1, '1', 0xa3,
		's', 't', 'r', 0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xa2, 'f', 'l'};
	start(&f, "{}");
	buf_clear(&f.in);
	buf_put(&f.in, bytes, sizeof bytes);
	open_msgpack(&f);
	const struct value keys[] = {
		value_int(1), value_nil(), value_str(SPAN_LIT("1")), value_float(1), value_bool(true)};
	static const char *const want[] = {"int", "nil", "str", "fl", NULL};
	const struct value raw = {.type = VALUE_RAW_MAP, .s = buf_span(&f.in)};
	for (size_t i = 0; i < 5; i++) {
		struct value v;
		struct value_pair *pair = value_map_find(&f.arena, f.r.map, &keys[i]);
		assert_int_equal(pair != NULL, want[i] != NULL);
		assert_int_equal(value_get(&f.arena, &raw, &keys[i], &v), want[i] != NULL);
		if (!pair)
			continue;
		value_load(&pair->value);
		assert_true(span_is(pair->value.s, want[i]));
		assert_true(span_is(v.s, want[i]));
	}
	finish(&f);
}

static void test_bad_input(void **state)
{
	(void)state;
	static const struct {
		uint8_t bytes[12];
		size_t n;
	} cases[] = {
		{{0}, 0}, {{0x91, 0x01}, 2},			   /* an array */
		{{0x81, 0xa1, 'a'}, 3},				   /* no value */
		{{0x81, 0xa1}, 2},				   /* half a key */
		{{0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 'a', 1}, 8}, /* more pairs than bytes */
		{{0x81, 0xa1, 'a', 0xc1}, 4},			   /* no msgpack */
		{{0x81, 0xa1, 'a', 0x91, 0x91, 0x91, 0xc0}, 7},	   /* deeper than 3 */
	};
	struct arena a;
	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct record r;
		size_t used;
		assert_false(record_open(&r, &a, cases[i].bytes, cases[i].bytes + cases[i].n, 3, &used));
	}
	arena_free(&a);
}

/* Whatever the arena's ceiling is: an answer, and no crash. */
static void test_full_arena(void **state)
{
	(void)state;
	for (size_t max = 0; max < 4000; max += 40) {
		struct fixture f;
		start(&f, "{\"a\":{\"b\":{\"c\":[1,2,3]}},\"d\":1}");
		struct arena small;
		struct record r;
		size_t used;
		struct record_path *p = path("$.a.b.c[1]");
		arena_init(&small, max);
		if (record_open(&r, &small, f.in.p, f.in.p + f.in.n, 10, &used) && record_remove_path(&r, p)) {
			f.r = r;
			assert_string_equal(written(&f), "{\"a\":{\"b\":{\"c\":[1,3]}},\"d\":1}");
		}
		record_path_free(p);
		arena_free(&small);
		finish(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_untouched_is_the_same_bytes),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_values_to_msgpack),
		cmocka_unit_test(test_cycle_cannot_be_written),
		cmocka_unit_test(test_text_lengths),
		cmocka_unit_test(test_large_map),
		cmocka_unit_test(test_repeated_keys),
		cmocka_unit_test(test_keys_that_are_no_text),
		cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_full_arena),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
