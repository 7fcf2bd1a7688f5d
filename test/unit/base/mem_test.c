#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"

#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static void test_alloc(void **state)
{
	(void)state;
	char *p = mem_zalloc(100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	memset(p, 'x', 100);
	p = mem_realloc(p, 1000);
	assert_int_equal(p[99], 'x');
	mem_free(p);
	int *v = mem_array(50, sizeof *v);
	for (int i = 0; i < 50; i++)
		assert_int_equal(v[i], 0);
	mem_free(v);
	mem_free(NULL);
	mem_free_secret(NULL, 5);
	mem_free_secret(mem_strdup("secret"), 6);
}

static void test_nothing_is_something(void **state)
{
	(void)state;
	void *p[] = {mem_alloc(0), mem_zalloc(0), mem_array(0, 8), mem_array(8, 0), mem_try(0), mem_realloc(NULL, 0)};
	for (size_t i = 0; i < sizeof p / sizeof *p; i++) {
		assert_non_null(p[i]);
		mem_free(p[i]);
	}
}

static void test_strings(void **state)
{
	(void)state;
	char *a = mem_strdup("text"), *b = mem_strndup("text", 2), *c = mem_strndup(NULL, 0),
	     *d = mem_printf("%d-%s", 7, "x");
	assert_string_equal(a, "text");
	assert_string_equal(b, "te");
	assert_string_equal(c, "");
	assert_string_equal(d, "7-x");
	mem_free(a);
	mem_free(b);
	mem_free(c);
	mem_free(d);
}

static void test_nth_fails(void **state)
{
	(void)state;
	void *p[3];
	mem_fail_at(2);
	for (int i = 0; i < 3; i++)
		p[i] = mem_try(8);
	assert_non_null(p[0]);
	assert_null(p[1]);
	assert_non_null(p[2]);
	mem_fail_at(1);
	assert_null(mem_try_realloc(p[0], 100)); /* p[0] is still there */
	mem_fail_at(0);
	memset(p[0], 1, 8);
	mem_free(p[0]);
	mem_free(p[2]);
}

static void use_up(int what)
{
	char text[3] = "ab";
	mem_fail_at(1);
	switch (what) {
	case 0:
		mem_free(mem_alloc(1));
		break;
	case 1:
		mem_free(mem_zalloc(1));
		break;
	case 2:
		mem_free(mem_array(1, 1));
		break;
	case 3:
		mem_free(mem_realloc(NULL, 1));
		break;
	case 4:
		mem_free(mem_strdup(text));
		break;
	case 5:
		mem_free(mem_printf("%s", text));
		break;
	}
}

static void test_small_things_end_the_process(void **state)
{
	(void)state;
	for (int what = 0; what < 6; what++) {
		int fds[2], status;
		char text[256] = "";
		assert_int_equal(pipe(fds), 0);
		pid_t pid = fork();
		if (pid == 0) {
			dup2(fds[1], STDERR_FILENO);
			use_up(what);
			_exit(0);
		}
		close(fds[1]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(read(fds[0], text, sizeof text - 1) > 0);
		close(fds[0]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), EX_OSERR);
		assert_memory_equal(text, "weir: out of memory (", 21);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_nothing_is_something),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_nth_fails),
		cmocka_unit_test(test_small_things_end_the_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
