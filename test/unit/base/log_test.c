#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/log.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define T "2026-08-07 12:00:00 +0000 "

static char dir[] = "/tmp/weir-log-test-XXXXXX";
static char path[100], moved[100];
static int64_t mono, wall_s = 1786104000; /* a Friday */

static int64_t wall_clock(void)
{
	return wall_s * NS_PER_S;
}

static int64_t mono_clock(void)
{
	return mono;
}

static int set_up(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/log", dir);
	snprintf(moved, sizeof moved, "%s/log.1", dir);
	clock_replace(wall_clock, mono_clock);
	return log_open(path) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	clock_replace(NULL, NULL);
	if (!log_open(NULL))
		return -1;
	unlink(path);
	unlink(moved);
	return rmdir(dir);
}

/* Each test begins with an empty log in text form at the info level. */
static int fresh(void **state)
{
	(void)state;
	log_set_format(LOG_TEXT);
	log_set_time_format(NULL);
	atomic_store(&log_threshold, LOG_INFO);
	return truncate(path, 0);
}

static void check_file(const char *name, const char *want, size_t want_len)
{
	char text[8192];
	int fd = open(name, O_RDONLY);
	assert_true(fd >= 0);
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	assert_true(n >= 0);
	text[n] = 0;
	if ((size_t)n != want_len || memcmp(text, want, want_len) != 0)
		fail_msg("the log is\n%s\nnot\n%s", text, want);
}

/* What is in the log now; and empties it. */
static void check_log(const char *want)
{
	check_file(path, want, strlen(want));
	assert_int_equal(truncate(path, 0), 0);
}

static void test_text(void **state)
{
	(void)state;
	log_info(NULL, "a plain line");
	log_warn("es_out", "the bulk request was refused", LOG_I("status", 429), LOG_S("host", "es:9200"));
	log_error("x", "all kinds", LOG_I("i", INT64_MIN), LOG_U("u", UINT64_MAX), LOG_D("d", 0.25),
		LOG_D("nan", (double)NAN), LOG_S("none", NULL), LOG_B("b", SPAN_LIT("x\0y")),
		LOG_B("e", span_of(NULL, 0)));
	check_log(T "[info]: a plain line\n" T
		    "[warn]: [es_out] the bulk request was refused status=429 host=\"es:9200\"\n" T
		    "[error]: [x] all kinds i=-9223372036854775808 u=18446744073709551615 d=0.25 nan=nan none=nil"
		    " b=\"x\\u0000y\" e=\"\"\n");
}

static void test_json(void **state)
{
	(void)state;
	log_set_format(LOG_JSON);
	log_info(NULL, "a \"plain\" line");
	log_warn("es\nout", "facts", LOG_I("i", -1), LOG_U("u", UINT64_MAX), LOG_D("d", 1e9), LOG_D("nan", (double)NAN),
		LOG_D("inf", -(double)INFINITY), LOG_S("none", NULL), LOG_B("b", SPAN_LIT("x\0y")));
	check_log("{\"time\":\"2026-08-07 12:00:00 +0000\",\"level\":\"info\",\"message\":\"a \\\"plain\\\" line\"}\n"
		  "{\"time\":\"2026-08-07 12:00:00 +0000\",\"level\":\"warn\",\"plugin\":\"es\\nout\","
		  "\"message\":\"facts\",\"i\":-1,\"u\":18446744073709551615,\"d\":1e+09,\"nan\":null,\"inf\":null,"
		  "\"none\":null,\"b\":\"x\\u0000y\"}\n");
}

static void test_hostile_values(void **state)
{
	(void)state;
	static const struct {
		const char *value, *shown;
	} cases[] = {
		{"a\nb", "a\\nb"},
		{"a\r\n2026-08-07 [info]: forged", "a\\u000d\\n2026-08-07 [info]: forged"},
		{"\x1b[31mred", "\\u001b[31mred"},
		{"\x07\x08\t\x7f", "\\u0007\\u0008\\u0009\\u007f"},
		{"\xc2\x9b"
		 "31m \xc2\x80 \xc2\x9f \xc2\xa0",
			"\\u009b31m \\u0080 \\u009f \xc2\xa0"},
		{"say \"hi\" \\ back", "say \\\"hi\\\" \\\\ back"},
		{"\xff", "\xef\xbf\xbd"},
		{"a\xc3", "a\xef\xbf\xbd"},
		{"\xe2\x82z", "\xef\xbf\xbdz"},
		{"\x9b[31m", "\xef\xbf\xbd[31m"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *want = mem_printf(T "[info]: value v=\"%s\"\n", cases[i].shown);
		log_info(NULL, "value", LOG_S("v", cases[i].value));
		check_log(want);
		mem_free(want);
		want = mem_printf(
			"{\"time\":\"t\",\"level\":\"info\",\"message\":\"value\",\"v\":\"%s\"}\n", cases[i].shown);
		log_set_format(LOG_JSON);
		log_set_time_format("t");
		log_info(NULL, "value", LOG_S("v", cases[i].value));
		check_log(want);
		mem_free(want);
		fresh(NULL);
	}
}

/* A value of `n` bytes: a character at its beginning, then x's, then a character that begins at byte `at`. */
static void check_cut(size_t n, size_t at, const char *character, size_t kept)
{
	char value[2000], want[4000];
	memset(value, 'x', sizeof value);
	memcpy(value, "\xc3\xa9", 2);
	memcpy(value + at, character, strlen(character));
	if (kept < n)
		snprintf(want, sizeof want, T "[info]: value v=\"%.*s...(%zu bytes)\"\n", (int)kept, value, n);
	else
		snprintf(want, sizeof want, T "[info]: value v=\"%.*s\"\n", (int)n, value);
	log_info(NULL, "value", LOG_B("v", span_of(value, n)));
	check_log(want);
}

static void test_long_values_are_cut(void **state)
{
	(void)state;
	static const char euro[] = "\xe2\x82\xac", smile[] = "\xf0\x9f\x98\x80";
	check_cut(512, 100, euro, 512);
	check_cut(513, 100, euro, 512);
	check_cut(1500, 100, euro, 512);
	check_cut(512, 509, euro, 512);
	check_cut(513, 509, euro, 512);
	check_cut(513, 510, euro, 510);
	check_cut(600, 511, euro, 511);
	check_cut(600, 512, euro, 512);
	check_cut(600, 508, smile, 512);
	check_cut(600, 509, smile, 509);
	check_cut(600, 510, smile, 510);
	check_cut(600, 511, smile, 511);
}

static void test_threshold(void **state)
{
	(void)state;
	atomic_store(&log_threshold, LOG_WARN);
	log_trace(NULL, "0");
	log_debug(NULL, "1");
	log_info(NULL, "2");
	log_warn(NULL, "3");
	log_error(NULL, "4");
	log_at(LOG_FATAL, NULL, "5");
	check_log(T "[warn]: 3\n" T "[error]: 4\n" T "[fatal]: 5\n");
	atomic_store(&log_threshold, LOG_TRACE);
	log_trace(NULL, "0");
	log_debug(NULL, "1");
	check_log(T "[trace]: 0\n" T "[debug]: 1\n");
}

static void test_level_names(void **state)
{
	(void)state;
	for (int i = LOG_TRACE; i <= LOG_FATAL; i++) {
		enum log_level level = LOG_TRACE;
		assert_true(log_level_parse(log_level_name((enum log_level)i), &level));
		assert_int_equal(level, i);
	}
	enum log_level level = LOG_WARN;
	assert_false(log_level_parse("loud", &level));
	assert_false(log_level_parse("", &level));
	assert_false(log_level_parse("INFO", &level));
	assert_int_equal(level, LOG_WARN);
}

static void test_time_format(void **state)
{
	(void)state;
	char format[] = "%d/%b/%Y";
	log_set_time_format(format);
	format[0] = 'x'; /* it was copied */
	log_info(NULL, "a");
	log_set_time_format("\"%H\"\n");
	log_set_format(LOG_JSON);
	log_info(NULL, "b");
	log_set_time_format(NULL);
	log_set_format(LOG_TEXT);
	log_info(NULL, "c");
	check_log("07/Aug/2026 [info]: a\n"
		  "{\"time\":\"\\\"12\\\"\\n\",\"level\":\"info\",\"message\":\"b\"}\n" T "[info]: c\n");
}

static void test_rate_limit(void **state)
{
	(void)state;
	struct log_limit limit = {0};
	uint64_t held = 99;
	mono = 0;
	assert_true(log_allowed(&limit, 100, &held));
	assert_int_equal(held, 0);
	assert_false(log_allowed(&limit, 100, &held));
	mono = 99;
	assert_false(log_allowed(&limit, 100, &held));
	mono = 100;
	assert_true(log_allowed(&limit, 100, &held));
	assert_int_equal(held, 2);
	mono = 199;
	assert_false(log_allowed(&limit, 100, &held));
	mono = 1000;
	assert_true(log_allowed(&limit, 100, &held));
	assert_int_equal(held, 1);
	mono = 1100;
	assert_true(log_allowed(&limit, 100, &held));
	assert_int_equal(held, 0);
}

static void test_reopen_after_rename(void **state)
{
	(void)state;
	log_info(NULL, "before");
	assert_int_equal(rename(path, moved), 0);
	log_info(NULL, "still the old file");
	assert_true(log_reopen());
	log_info(NULL, "new file");
	check_log(T "[info]: new file\n");
	static const char old[] = T "[info]: before\n" T "[info]: still the old file\n";
	check_file(moved, old, sizeof old - 1);
}

static void test_open_fails(void **state)
{
	(void)state;
	char *none = mem_printf("%s/no/such", dir);
	errno = 0;
	assert_false(log_open(none));
	assert_int_equal(errno, ENOENT);
	mem_free(none);
	log_info(NULL, "the old one stays");
	assert_true(log_reopen());
	log_info(NULL, "and its name");
	check_log(T "[info]: the old one stays\n" T "[info]: and its name\n");
}

static void test_errno_is_kept(void **state)
{
	(void)state;
	errno = ERANGE;
	log_info(NULL, "x");
	assert_int_equal(errno, ERANGE);
}

struct tapped {
	int lines;
	enum log_level level;
	char text[100];
};

static void tap(void *arg, enum log_level level, const char *plugin, const char *message, const struct log_kv *kv)
{
	struct tapped *t = arg;
	t->lines++;
	t->level = level;
	snprintf(t->text, sizeof t->text, "%s/%s/%s=%d", plugin, message, kv->key, (int)kv->i);
	assert_null(kv[1].key);
}

static void test_tap(void **state)
{
	(void)state;
	struct tapped t = {0};
	log_tap(tap, &t);
	log_warn("p", "m", LOG_I("k", 5));
	log_debug("p", "below the threshold", LOG_I("k", 6));
	log_tap(NULL, NULL);
	log_warn("p", "after", LOG_I("k", 7));
	assert_int_equal(t.lines, 1);
	assert_int_equal(t.level, LOG_WARN);
	assert_string_equal(t.text, "p/m/k=5");
}

/* The file of that suffix has as many lines; then it is removed. -1: there is none. */
static void check_rotated(const char *suffix, int lines)
{
	char name[200];
	int n = 0, c;
	snprintf(name, sizeof name, "%s.%s", path, suffix);
	FILE *f = fopen(name, "re");
	if (lines < 0) {
		assert_null(f);
		return;
	}
	assert_non_null(f);
	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	assert_int_equal(n, lines);
	assert_int_equal(unlink(name), 0);
}

static void test_rotation_by_size(void **state)
{
	(void)state;
	assert_true(log_reopen()); /* it was made shorter */
	log_set_rotation(&(struct log_rotation){.files = 3, .bytes = 100});
	for (int i = 0; i < 13; i++)
		log_info(NULL, "0123456789");
	log_set_rotation(&(struct log_rotation){0});
	check_log(T "[info]: 0123456789\n");
	check_rotated("0", 3);
	check_rotated("1", 3);
	check_rotated("2", -1);
}

static void test_rotation_by_time(void **state)
{
	static const struct {
		enum log_period period;
		int64_t seconds;
		const char *suffix;
	} cases[] = {
		{LOG_DAILY, 86400, "20260807"},
		{LOG_WEEKLY, 3 * 86400, "20260808"},
		{LOG_MONTHLY, 25 * 86400, "20260831"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		log_set_rotation(&(struct log_rotation){.period = cases[i].period});
		log_info(NULL, "old");
		wall_s += cases[i].seconds;
		log_info(NULL, "new");
		log_info(NULL, "new");
		wall_s -= cases[i].seconds;
		log_set_rotation(&(struct log_rotation){0});
		check_rotated(cases[i].suffix, i ? 3 : 1); /* the new ones of the case before are in the file */
	}
}

static void test_levels_of_plugins(void **state)
{
	static const struct log_plugin_level levels[] = {{"loud", LOG_DEBUG}, {"quiet", LOG_ERROR}};
	struct tapped t = {0};
	(void)state;
	log_tap(tap, &t);
	log_set_plugin_levels(levels, 2);
	assert_int_equal(atomic_load(&log_threshold), LOG_DEBUG);
	log_debug("loud", "told", LOG_I("k", 1));
	assert_string_equal(t.text, "loud/told/k=1");
	log_warn("quiet", "not told", LOG_I("k", 2));
	log_debug("other", "not told", LOG_I("k", 3));
	log_debug(NULL, "not told", LOG_I("k", 4));
	assert_int_equal(t.lines, 1);
	log_info(NULL, "told", LOG_I("k", 5));
	log_error("quiet", "told", LOG_I("k", 6));
	assert_int_equal(t.lines, 3);
	log_set_plugin_levels(NULL, 0);
	assert_int_equal(atomic_load(&log_threshold), LOG_INFO);
	log_debug("loud", "not told", LOG_I("k", 7));
	assert_int_equal(t.lines, 3);
	log_tap(NULL, NULL);
}

#define THREADS 4
#define LINES	200

static void *chatter(void *arg)
{
	static struct log_limit limit;
	uint64_t held;
	for (int i = 0; i < LINES; i++) {
		log_info(arg, "a line of a thread", LOG_I("i", i));
		(void)log_allowed(&limit, NS_PER_S, &held);
	}
	return NULL;
}

static void test_threads_do_not_mix_lines(void **state)
{
	(void)state;
	static char names[THREADS][2] = {"a", "b", "c", "d"};
	int next[THREADS] = {0}, total = 0;
	char line[200], want[200];
	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, chatter, names[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	for (; fgets(line, sizeof line, f); total++) {
		int who = line[sizeof T "[info]: [" - 1] - 'a';
		assert_in_range(who, 0, THREADS - 1);
		snprintf(want, sizeof want, T "[info]: [%s] a line of a thread i=%d\n", names[who], next[who]++);
		assert_string_equal(line, want);
	}
	fclose(f);
	assert_int_equal(total, THREADS * LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_text, fresh),
		cmocka_unit_test_setup(test_json, fresh),
		cmocka_unit_test_setup(test_hostile_values, fresh),
		cmocka_unit_test_setup(test_long_values_are_cut, fresh),
		cmocka_unit_test_setup(test_threshold, fresh),
		cmocka_unit_test_setup(test_level_names, fresh),
		cmocka_unit_test_setup(test_time_format, fresh),
		cmocka_unit_test_setup(test_rate_limit, fresh),
		cmocka_unit_test_setup(test_reopen_after_rename, fresh),
		cmocka_unit_test_setup(test_open_fails, fresh),
		cmocka_unit_test_setup(test_errno_is_kept, fresh),
		cmocka_unit_test_setup(test_rotation_by_size, fresh),
		cmocka_unit_test_setup(test_rotation_by_time, fresh),
		cmocka_unit_test_setup(test_levels_of_plugins, fresh),
		cmocka_unit_test_setup(test_tap, fresh),
		cmocka_unit_test_setup(test_threads_do_not_mix_lines, fresh),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
