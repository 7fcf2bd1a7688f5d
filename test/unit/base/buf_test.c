#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/buf.h"

#include "base/mem.h"

static void test_puts(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	assert_null(b.p);
	assert_string_equal(buf_cstr(&b), "");
	assert_true(buf_put(&b, NULL, 0));
	assert_true(buf_put(&b, "a\0b", 3));
	assert_true(buf_put_byte(&b, 'c'));
	assert_true(buf_put_str(&b, "de"));
	assert_true(buf_put_span(&b, SPAN_LIT("f")));
	assert_true(buf_printf(&b, "%d%s", 12, "x"));
	assert_true(span_eq(buf_span(&b), SPAN_LIT("a\0bcdef12x")));
	assert_memory_equal(buf_cstr(&b), "a\0bcdef12x", 11);
	assert_int_equal(b.n, 10);
	buf_clear(&b);
	assert_int_equal(b.n, 0);
	assert_true(b.cap > 0);
	buf_free(&b);
	assert_null(b.p);
	assert_int_equal(b.max, 1000);
	assert_true(buf_put_str(&b, "again"));
	buf_free(&b);
}

/* For each ceiling: puts byte by byte reach it exactly, and the next one fails for good. */
static void test_ceiling_is_exact(void **state)
{
	(void)state;
	for (size_t max = 0; max < 300; max++) {
		struct buf b;
		buf_init(&b, max);
		for (size_t i = 0; i < max; i++)
			assert_true(buf_put_byte(&b, (uint8_t)i));
		assert_int_equal(b.n, max);
		assert_true(b.cap <= max);
		assert_true(buf_put(&b, "", 0));
		assert_false(buf_put_byte(&b, 'x'));
		assert_true(b.failed);
		assert_int_equal(b.n, max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(b.p[i], (uint8_t)i);
		b.n = 0;
		assert_false(buf_put_byte(&b, 'x'));
		assert_false(buf_printf(&b, "x"));
		assert_false(buf_reserve(&b, 0));
		buf_clear(&b);
		assert_int_equal(buf_put_byte(&b, 'x'), max > 0);
		buf_free(&b);
	}
}

static void test_one_big_put(void **state)
{
	(void)state;
	static const char big[5000];
	struct buf b;
	buf_init(&b, 6000);
	assert_true(buf_put(&b, "x", 1));
	assert_true(buf_put(&b, big, sizeof big));
	assert_false(buf_put(&b, big, 1000));
	assert_int_equal(b.n, 5001);
	buf_free(&b);
}

static void test_sizes_do_not_overflow(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, SIZE_MAX);
	assert_true(buf_put_str(&b, "0123456789"));
	assert_false(buf_reserve(&b, SIZE_MAX - 5));
	assert_true(b.failed);
	assert_int_equal(b.n, 10);
	buf_free(&b);
}

static void test_no_memory(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1 << 20);
	assert_true(buf_put_str(&b, "kept"));
	mem_fail_at(1);
	assert_false(buf_reserve(&b, 5000));
	mem_fail_at(0);
	assert_true(b.failed);
	assert_memory_equal(b.p, "kept", 4);
	assert_string_equal(buf_cstr(&b), "");
	assert_null(buf_take(&b));
	buf_free(&b);
}

static void test_take(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 100);
	buf_put_str(&b, "mine");
	char *text = buf_take(&b);
	assert_string_equal(text, "mine");
	assert_null(b.p);
	assert_int_equal(b.n, 0);
	mem_free(text);
	text = buf_take(&b);
	assert_string_equal(text, "");
	mem_free(text);
}

/* The 0 byte of printf and cstr needs its place under the ceiling too. */
static void test_terminator_counts(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 4);
	assert_true(buf_printf(&b, "abc"));
	assert_string_equal(buf_cstr(&b), "abc");
	assert_true(buf_put_byte(&b, 'd'));
	assert_string_equal(buf_cstr(&b), "");
	assert_true(b.failed);
	buf_clear(&b);
	assert_false(buf_printf(&b, "abcd"));
	assert_int_equal(b.n, 0);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_puts),
		cmocka_unit_test(test_ceiling_is_exact),
		cmocka_unit_test(test_one_big_put),
		cmocka_unit_test(test_sizes_do_not_overflow),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_terminator_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
