#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/record_path.h"

#include "base/buf.h"
#include "bytes_util.h"
#include "record/json_get.h"
#include "record/json_put.h"

#include <stdio.h>

/* The record as msgpack in a block of exactly its size; for exact_free. */
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

static const char record_json[] =
	"{\"a\":{\"b\":[10,[20,21],{\"c\":30}],\"\":40,\"b.c\":41},\"a.b\":50,\"l\":[1,2,3],\"n\":null,\"key x\":60,"
	"\"d\":1,\"d\":2,\"q'\":70}";

static void assert_found(bool dotted, const char *path, const char *want)
{
	struct err err;
	struct record_path *p = dotted ? record_path_compile_dotted(path, &err) : record_path_compile(path, &err);
	if (!p)
		fail_msg("%s: %s", path, err.text);
	struct span record = record_of(record_json), found = record_path_get(p, record);
	if (!want) {
		assert_int_equal(found.n, 0);
	} else {
		struct buf out;
		buf_init(&out, 1 << 20);
		const uint8_t *q = found.p;
		assert_true(json_put(&out, &q, found.p + found.n, 64));
		assert_ptr_equal(q, found.p + found.n);
		if (strcmp(buf_cstr(&out), want) != 0)
			fail_msg("%s: %s, not %s", path, buf_cstr(&out), want);
		buf_free(&out);
	}
	exact_free(record);
	record_path_free(p);
}

static void test_get(void **state)
{
	(void)state;
	static const struct {
		const char *path, *plain, *dotted;
	} rows[] = {
		{"l", "[1,2,3]", "[1,2,3]"},
		{"n", "null", "null"},
		{"missing", NULL, NULL},
		{"d", "2", "2"}, /* the last of repeated keys */
		{"key x", "60", "60"},
		{"a.b", "50", "[10,[20,21],{\"c\":30}]"},
		{"$.a.b", "[10,[20,21],{\"c\":30}]", "[10,[20,21],{\"c\":30}]"},
		{"$.a.b[0]", "10", "10"},
		{"$.a.b[1][1]", "21", "21"},
		{"$.a.b[2].c", "30", "30"},
		{"$.a.b[-1].c", "30", "30"},
		{"$.a.b[-3]", "10", "10"},
		{"$.a.b[3]", NULL, NULL},
		{"$.a.b[-4]", NULL, NULL},
		{"$.a.c", NULL, NULL},
		{"$.l.c", NULL, NULL},
		{"$.a[0]", NULL, NULL},
		{"$.l[0].x", NULL, NULL},
		{"$.n.x", NULL, NULL},
		{"$.a.", "{\"b\":[10,[20,21],{\"c\":30}],\"\":40,\"b.c\":41}",
			"{\"b\":[10,[20,21],{\"c\":30}],\"\":40,\"b.c\":41}"},
		{"$['a']['b.c']", "41", "41"},
		{"$['a'][\"b\"][1][0]", "20", "20"},
		{"$['a']['']", "40", "40"},
		{"$['key x']", "60", "60"},
		{"$['q'']", "70", "70"},
		{"$[\"q'\"]", "70", "70"},
		{"a.b[2].c", NULL, "30"},
		{"a.b.c", NULL, NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_found(false, rows[i].path, rows[i].plain);
		assert_found(true, rows[i].path, rows[i].dotted);
	}
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {"", "$.", "$.a[", "$.a[x]", "$.a[]", "$.a[1]b", "$.a[1", "$[", "$['a",
		"$['a'", "$['a']b", "$[a]", "$['a'][", "$.a b", "$[1x]", "$[- 1]", "$[99999999999999999999]", "$[+1]"};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err err = {.text = ""};
		if (record_path_compile(rows[i], &err))
			fail_msg("'%s' was taken", rows[i]);
		char want[64];
		snprintf(want, sizeof want, "'%s'", rows[i]);
		assert_non_null(strstr(err.text, want));
	}
	record_path_free(NULL);
}

static void test_steps(void **state)
{
	(void)state;
	struct err err;
	struct record_path *p = record_path_compile("$.a.b[2].c", &err);
	const struct record_step *s;
	assert_non_null(p);
	assert_int_equal(record_path_steps(p, &s), 4);
	assert_true(span_is(s[0].key, "a") && span_is(s[1].key, "b") && span_is(s[3].key, "c"));
	assert_true(s[2].is_index && s[2].index == 2 && !s[0].is_index);
	record_path_free(p);
}

/* Cut anywhere, a record holds what it holds or nothing; never does a read go past its end. */
static void test_cut_records(void **state)
{
	(void)state;
	struct err err;
	struct record_path *p = record_path_compile("$.a.b[1][1]", &err);
	struct span whole = record_of(record_json);
	for (size_t n = 0; n < whole.n; n++) {
		struct span cut = exact_copy(whole.p, n), found = record_path_get(p, cut);
		assert_true(found.n <= n);
		exact_free(cut);
	}
	exact_free(whole);
	record_path_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_cut_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
