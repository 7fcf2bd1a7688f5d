#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/map.h"

#include "base/mem.h"

#include <stdio.h>

#define KEYS 3000

static struct span key_of(char *text, size_t size, unsigned i)
{
	return span_of(text, (size_t)snprintf(text, size, "key.%u", i));
}

static void put(struct map *m, struct span key, void *value)
{
	void **at = map_put(m, key);
	assert_non_null(at);
	*at = value;
}

static void test_put_get_remove(void **state)
{
	(void)state;
	struct map *m = map_new();
	int a, b;
	assert_null(map_get(m, SPAN_LIT("x")));
	assert_null(map_remove(m, SPAN_LIT("x")));
	put(m, SPAN_LIT("x"), &a);
	put(m, SPAN_LIT(""), &b);
	assert_ptr_equal(map_get(m, SPAN_LIT("x")), &a);
	assert_ptr_equal(map_get(m, SPAN_LIT("")), &b);
	assert_null(map_get(m, SPAN_LIT("X")));
	assert_null(map_get(m, span_of("x\0", 2)));
	assert_int_equal(map_count(m), 2);
	void **again = map_put(m, SPAN_LIT("x"));
	assert_ptr_equal(*again, &a);
	*again = &b;
	assert_ptr_equal(map_get(m, SPAN_LIT("x")), &b);
	assert_int_equal(map_count(m), 2);
	assert_ptr_equal(map_remove(m, SPAN_LIT("x")), &b);
	assert_null(map_get(m, SPAN_LIT("x")));
	assert_ptr_equal(map_get(m, SPAN_LIT("")), &b);
	assert_int_equal(map_count(m), 1);
	map_free(m, NULL);
	map_free(NULL, NULL);
}

static void test_keys_are_copied(void **state)
{
	(void)state;
	struct map *m = map_new();
	char key[] = "mine";
	int v;
	put(m, span_str(key), &v);
	key[0] = 'w';
	assert_null(map_get(m, SPAN_LIT("wine")));
	assert_ptr_equal(map_get(m, SPAN_LIT("mine")), &v);
	assert_ptr_equal(map_remove(m, SPAN_LIT("mine")), &v);
	map_free(m, NULL);
}

/* Puts and takes out at random beside a plain array that says what must be there. */
static void test_against_an_array(void **state)
{
	(void)state;
	struct map *m = map_new();
	static char there[KEYS];
	char text[32];
	size_t count = 0;
	uint32_t r = 12345;
	for (int step = 0; step < 60000; step++) {
		r = r * 1664525 + 1013904223;
		unsigned i = (r >> 8) % KEYS;
		struct span key = key_of(text, sizeof text, i);
		assert_ptr_equal(map_get(m, key), there[i] ? &there[i] : NULL);
		if (r & 0x80000000) {
			put(m, key, &there[i]);
			count += !there[i];
			there[i] = 1;
		} else {
			assert_ptr_equal(map_remove(m, key), there[i] ? &there[i] : NULL);
			count -= there[i] != 0;
			there[i] = 0;
		}
		assert_int_equal(map_count(m), count);
	}
	for (unsigned i = 0; i < KEYS; i++)
		assert_ptr_equal(map_get(m, key_of(text, sizeof text, i)), there[i] ? &there[i] : NULL);
	map_free(m, NULL);
}

static void test_iterates_over_each_once(void **state)
{
	(void)state;
	struct map *m = map_new();
	static char seen[KEYS];
	char text[32];
	for (unsigned i = 0; i < KEYS; i++)
		put(m, key_of(text, sizeof text, i), &seen[i]);
	struct map_iter it = {0};
	size_t n = 0;
	for (; map_next(m, &it); n++) {
		char *at = it.value;
		struct span key = key_of(text, sizeof text, (unsigned)(at - seen));
		assert_true(span_eq(key, it.key));
		assert_int_equal(*at, 0);
		*at = 1;
	}
	assert_int_equal(n, KEYS);
	assert_false(map_next(m, &it));
	map_free(m, NULL);
}

static void test_frees_values(void **state)
{
	(void)state;
	struct map *m = map_new();
	char text[32];
	for (unsigned i = 0; i < 100; i++)
		put(m, key_of(text, sizeof text, i), mem_strdup("value"));
	map_free(m, mem_free); /* the leak checker is the judge */
}

static void test_no_memory_changes_nothing(void **state)
{
	(void)state;
	struct map *m = map_new();
	char text[32];
	int v;
	for (unsigned i = 0; i < 12; i++)
		put(m, key_of(text, sizeof text, i), &v);
	for (int nth = 1; nth <= 2; nth++) { /* the table, then the key */
		mem_fail_at(nth);
		void **at = map_put(m, SPAN_LIT("new"));
		mem_fail_at(0);
		assert_null(at);
		assert_int_equal(map_count(m), 12);
		assert_null(map_get(m, SPAN_LIT("new")));
		assert_ptr_equal(map_get(m, SPAN_LIT("key.11")), &v);
	}
	put(m, SPAN_LIT("new"), &v);
	assert_ptr_equal(map_get(m, SPAN_LIT("new")), &v);
	map_free(m, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_get_remove),
		cmocka_unit_test(test_keys_are_copied),
		cmocka_unit_test(test_against_an_array),
		cmocka_unit_test(test_iterates_over_each_once),
		cmocka_unit_test(test_frees_values),
		cmocka_unit_test(test_no_memory_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
