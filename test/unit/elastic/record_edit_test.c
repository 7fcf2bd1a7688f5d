#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "elastic/record_edit.h"

#include "../record/bytes_util.h"
#include "../record/random_msgpack.h"
#include "base/mem.h"
#include "record/json_get.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"

static struct span record_of(const char *json)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	const uint8_t *p = (const uint8_t *)json, *end = p + strlen(json);
	assert_int_equal(json_get(&p, end, 64, &b, NULL), JSON_OK);
	struct span s = exact_copy(b.p, b.n);
	buf_free(&b);
	return s;
}

static void assert_json(const struct buf *msgpack, const char *want, const char *what)
{
	struct buf out;
	struct span exact = exact_copy(msgpack->p, msgpack->n);
	const uint8_t *p = exact.p;
	buf_init(&out, 1 << 20);
	assert_true(json_put(&out, &p, exact.p + exact.n, 64));
	assert_ptr_equal(p, exact.p + exact.n);
	if (strcmp(buf_cstr(&out), want) != 0)
		fail_msg("%s: %s, not %s", what, buf_cstr(&out), want);
	exact_free(exact);
	buf_free(&out);
}

static void test_remove(void **state)
{
	(void)state;
	static const struct {
		const char *record, *path, *want;
	} rows[] = {
		{"{\"a\":1,\"b\":2}", "a", "{\"b\":2}"},
		{"{\"a\":1}", "a", "{}"},
		{"{\"a\":1}", "b", "{\"a\":1}"},
		{"{}", "b", "{}"},
		{"{\"m\":{\"idx\":\"x\",\"k\":1},\"a\":1}", "$.m.idx", "{\"m\":{\"k\":1},\"a\":1}"},
		{"{\"m\":{\"n\":{\"o\":1}}}", "$.m.n.o", "{\"m\":{\"n\":{}}}"},
		{"{\"m\":[1,{\"x\":1,\"y\":2},3]}", "$.m[1].x", "{\"m\":[1,{\"y\":2},3]}"},
		{"{\"m\":[1,2,3]}", "$.m[1]", "{\"m\":[1,3]}"},
		{"{\"m\":[1,2,3]}", "$.m[-1]", "{\"m\":[1,2]}"},
		{"{\"m\":[1,2,3]}", "$.m[-4]", "{\"m\":[1,2,3]}"},
		{"{\"m\":[1,2,3]}", "$.m.x", "{\"m\":[1,2,3]}"},
		{"{\"m\":1}", "$.m[0]", "{\"m\":1}"},
		{"{\"a\":1,\"a\":2,\"b\":{\"a\":3}}", "a", "{\"b\":{\"a\":3}}"},
		{"{\"m\":{\"x\":1},\"m\":{\"x\":2,\"y\":3}}", "$.m.x", "{\"m\":{\"y\":3}}"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err err;
		struct buf out;
		struct span record = record_of(rows[i].record);
		struct record_path *path = record_path_compile(rows[i].path, &err);
		buf_init(&out, 1 << 20);
		assert_non_null(path);
		assert_true(record_edit_remove(record, path, &out));
		assert_json(&out, rows[i].want, rows[i].record);
		buf_free(&out);
		/* Into less room than it takes. */
		buf_init(&out, 4);
		assert_false(record_edit_remove(record, path, &out));
		buf_free(&out);
		record_path_free(path);
		exact_free(record);
	}
}

static void test_flatten(void **state)
{
	(void)state;
	static const struct {
		const char *record, *separator, *want;
	} rows[] = {
		{"{\"a\":{\"b\":{\"c\":1}},\"l\":[{\"x\":1}],\"e\":{}}", ".", "{\"a.b.c\":1,\"l\":[{\"x\":1}]}"},
		{"{\"a\":{\"b\":1,\"c\":2},\"d\":{\"e\":{\"f\":3},\"g\":4},\"h\":5}", "_",
			"{\"a_b\":1,\"a_c\":2,\"d_e_f\":3,\"d_g\":4,\"h\":5}"},
		{"{}", ".", "{}"},
		{"{\"a\":{\"b\":{}}}", ".", "{}"},
		{"{\"\":{\"b\":1}}", ".", "{\".b\":1}"},
		{"{\"a\":{\"b\":1},\"a.b\":2}", ".", "{\"a.b\":2}"},
		{"{\"a\":{\"b\":1}}", "", "{\"ab\":1}"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf out;
		struct span record = record_of(rows[i].record);
		buf_init(&out, 1 << 20);
		assert_true(record_edit_flatten(record, span_str(rows[i].separator), false, &out));
		assert_json(&out, rows[i].want, rows[i].record);
		buf_free(&out);
		buf_init(&out, 4);
		assert_false(record_edit_flatten(record, span_str(rows[i].separator), false, &out));
		buf_free(&out);
		exact_free(record);
	}
	struct buf out;
	buf_init(&out, 1 << 20);
	struct span keys = exact_hex("83 a161 84 01 02 c0 03 c401 78 04 cb 3ff8000000000000 05 07 08 90 81 c3 06");
	assert_true(record_edit_flatten(keys, SPAN_LIT("-"), false, &out));
	assert_json(&out, "{\"a-1\":2,\"a-\":3,\"a-x\":4,\"a-1.5\":5,\"7\":8,\"[]-true\":6}", "keys");
	buf_free(&out);
	exact_free(keys);
}

/* A long name above many leaves would be written once for each of them. */
static void test_flatten_is_bounded(void **state)
{
	(void)state;
	struct buf in, out;
	buf_init(&in, 1 << 22);
	buf_put(&in, "\x81\xda\x80\x00", 4);
	for (int i = 0; i < 32768; i++)
		buf_put_byte(&in, 'k');
	buf_put(&in, "\xde\x80\x00", 3);
	for (int i = 0; i < 32768; i++)
		buf_put(&in, (uint8_t[]){0xcd, (uint8_t)(i >> 8), (uint8_t)i, 1}, 4);
	buf_init(&out, 1 << 20);
	assert_false(record_edit_flatten(buf_span(&in), SPAN_LIT("."), false, &out));
	assert_true(out.cap <= 1 << 20);
	buf_free(&in);
	buf_free(&out);
}

static void test_random_records(void **state)
{
	(void)state;
	struct random r = {11};
	struct err err;
	struct record_path *path = record_path_compile("$.a[0].b", &err);
	for (int i = 0; i < 3000; i++) {
		struct buf b, out;
		buf_init(&b, 1 << 26);
		buf_init(&out, 1 << 26);
		put_random_map(&b, &r, 5);
		struct span in = exact_copy(b.p, b.n);
		/* What has no JSON form (containers as keys inside such keys) cannot be flattened either. */
		const uint8_t *p = in.p;
		const bool good = json_put(&out, &p, in.p + in.n, 64);
		buf_clear(&out);
		assert_true(record_edit_flatten(in, SPAN_LIT("."), false, &out) || !good);
		if (good)
			assert_int_equal(mp_skip(out.p, out.p + out.n, 8), out.n);
		buf_clear(&out);
		assert_true(record_edit_remove(in, path, &out));
		assert_int_equal(mp_skip(out.p, out.p + out.n, 8), out.n);
		exact_free(in);
		buf_free(&b);
		buf_free(&out);
	}
	record_path_free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_flatten),
		cmocka_unit_test(test_flatten_is_bounded),
		cmocka_unit_test(test_random_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
