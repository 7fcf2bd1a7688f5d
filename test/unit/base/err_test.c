#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/err.h"

#include <errno.h>
#include <string.h>

static void test_set(void **state)
{
	(void)state;
	struct err e = {.code = 5};
	assert_false(err_set(&e, "%s of %d", "three", 4));
	assert_string_equal(e.text, "three of 4");
	assert_int_equal(e.code, 0);
}

static void test_sys(void **state)
{
	(void)state;
	struct err e;
	assert_false(err_sys(&e, ENOENT, "open '%s'", "/x"));
	assert_string_equal(e.text, "open '/x': No such file or directory");
	assert_int_equal(e.code, ENOENT);
}

static void test_wrap(void **state)
{
	(void)state;
	struct err e;
	err_sys(&e, EACCES, "open");
	assert_false(err_wrap(&e, "buffer %d", 7));
	assert_false(err_wrap(&e, "start"));
	assert_string_equal(e.text, "start: buffer 7: open: Permission denied");
	assert_int_equal(e.code, EACCES);
}

static void test_long_texts_are_cut(void **state)
{
	(void)state;
	struct err e;
	char text[1000];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	err_set(&e, "%s", text);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	err_wrap(&e, "outer");
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	assert_memory_equal(e.text, "outer: xxx", 10);
	err_wrap(&e, "%s", text);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	assert_null(strstr(e.text, "outer"));
	err_sys(&e, EIO, "%s", text);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	assert_int_equal(e.code, EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_sys),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_long_texts_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
