#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"

#include <time.h>

static int64_t seven(void)
{
	return 7;
}

static int64_t nine(void)
{
	return 9;
}

static void test_replaced(void **state)
{
	(void)state;
	clock_replace(seven, nine);
	assert_int_equal(clock_wall_ns(), 7);
	assert_int_equal(clock_mono_ns(), 9);
	clock_replace(NULL, nine);
	assert_int_equal(clock_mono_ns(), 9);
	assert_true(clock_wall_ns() > 7);
	clock_replace(NULL, NULL);
	assert_true(clock_mono_ns() > 9);
}

static void test_real(void **state)
{
	(void)state;
	int64_t before = (int64_t)time(NULL) - 1, wall = clock_wall_ns() / NS_PER_S, after = (int64_t)time(NULL) + 1;
	assert_true(wall >= before && wall <= after);
	int64_t last = clock_mono_ns();
	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_mono_ns();
		assert_true(now >= last);
		last = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_real),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
