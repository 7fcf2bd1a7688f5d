/* Arenas: ceilings, marks, blocks that are kept and given back. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_alloc(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 20);
	uint8_t *last = NULL;
	for (size_t n = 0; n < 2000; n++) {
		uint8_t *p = arena_alloc(&a, n % 37);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 8, 0);
		memset(p, (int)n, n % 37);
		if (last)
			assert_int_equal(last[0], (uint8_t)(n - 1));
		last = n % 37 ? p : NULL;
	}
	assert_string_equal(arena_copy(&a, "abc", 4), "abc");
	assert_non_null(arena_array(&a, 3, 5));
	assert_null(arena_array(&a, SIZE_MAX / 2, 3));
	arena_free(&a);
	assert_int_equal(a.held, 0);
}

static void test_ceiling(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 100000);
	assert_null(arena_alloc(&a, 100001));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 3));
	size_t got = 0;
	while (arena_alloc(&a, 1000))
		got += 1000;
	assert_in_range(got, 60000, 100000);
	assert_in_range(a.held, 60000, 100000);
	arena_restore(&a, (struct arena_mark){0});
	assert_non_null(arena_alloc(&a, 1000));
	arena_free(&a);
}

static void test_marks(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 64 << 20);
	char *keep = arena_copy(&a, "keep", 5);
	struct arena_mark m = arena_save(&a);
	char *again = arena_alloc(&a, 100);
	arena_restore(&a, m);
	assert_ptr_equal(arena_alloc(&a, 100), again);
	/* Blocks that a large record needed go; one is kept, so that the next one asks nobody. */
	arena_restore(&a, m);
	for (unsigned i = 0; i < 50; i++)
		assert_non_null(arena_alloc(&a, 100000));
	assert_true(a.held > 5000000);
	arena_restore(&a, m);
	assert_in_range(a.held, 1, 2 << 20);
	size_t held = a.held;
	assert_non_null(arena_alloc(&a, 40000));
	assert_int_equal(a.held, held);
	assert_string_equal(keep, "keep");
	arena_free(&a);
}

static void test_resize_last(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 1 << 20);
	uint8_t *first = arena_alloc(&a, 10), *p = arena_alloc(&a, 100);
	assert_false(arena_resize_last(&a, first, 10, 20));
	assert_true(arena_resize_last(&a, p, 100, 200));
	memset(p, 1, 200);
	assert_true(arena_resize_last(&a, p, 200, 3));
	assert_ptr_equal(arena_alloc(&a, 1), p + 8);
	uint8_t *q = arena_alloc(&a, 8);
	assert_false(arena_resize_last(&a, q, 8, 1 << 19));
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_resize_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
