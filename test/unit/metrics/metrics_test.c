#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "metrics/metrics.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>

static void check_text(struct metrics *m, const char *want)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	metrics_text(m, &b);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void test_empty(void **state)
{
	(void)state;
	struct metrics *m = metrics_new();
	check_text(m, "");
	metrics_free(m);
	metrics_free(NULL);
}

static void test_sorted_with_one_head_a_name(void **state)
{
	(void)state;
	struct metrics *m = metrics_new();
	struct counter *z = metrics_counter(m, "weir_z_total", NULL, "Last.");
	struct counter *b = metrics_counter(m, "weir_in_total", "plugin_id=\"b\"", "Events in.");
	struct gauge *g = metrics_gauge(m, "weir_in_bytes", "", "A gauge.");
	struct counter *a = metrics_counter(m, "weir_in_total", "plugin_id=\"a\"", "Another help.");
	struct counter *none = metrics_counter(m, "weir_in_total", NULL, "Again another.");
	counter_add(z, UINT64_MAX);
	counter_add(a, 1);
	counter_add(b, 2);
	counter_add(b, 40);
	counter_add(none, 7);
	gauge_set(g, INT64_MIN);
	check_text(m, "# HELP weir_in_bytes A gauge.\n"
		      "# TYPE weir_in_bytes gauge\n"
		      "weir_in_bytes -9223372036854775808\n"
		      "# HELP weir_in_total Events in.\n"
		      "# TYPE weir_in_total counter\n"
		      "weir_in_total 7\n"
		      "weir_in_total{plugin_id=\"a\"} 1\n"
		      "weir_in_total{plugin_id=\"b\"} 42\n"
		      "# HELP weir_z_total Last.\n"
		      "# TYPE weir_z_total counter\n"
		      "weir_z_total 18446744073709551615\n");
	metrics_free(m);
}

static void test_same_name_and_labels_is_the_same_metric(void **state)
{
	(void)state;
	static const double bounds[] = {1};
	struct metrics *m = metrics_new();
	char *labels = metrics_labels("a", "1", NULL);
	struct counter *c = metrics_counter(m, "c_total", labels, "C.");
	struct gauge *g = metrics_gauge(m, "g", labels, "G.");
	struct histogram *h = metrics_histogram(m, "h_seconds", labels, "H.", bounds, 1);
	mem_free(labels);
	assert_ptr_equal(metrics_counter(m, "c_total", "a=\"1\"", "C."), c);
	assert_ptr_equal(metrics_gauge(m, "g", "a=\"1\"", "G."), g);
	assert_ptr_equal(metrics_histogram(m, "h_seconds", "a=\"1\"", "H.", bounds, 1), h);
	assert_ptr_not_equal(metrics_counter(m, "c_total", "a=\"2\"", "C."), c);
	assert_ptr_not_equal(metrics_counter(m, "c_total", NULL, "C."), c);
	gauge_set(g, 5);
	gauge_add(g, -7);
	assert_int_equal(gauge_get(g), -2);
	metrics_free(m);
}

static void test_histogram(void **state)
{
	(void)state;
	static const double bounds[] = {0.005, 0.1, 1, 2.5, 10};
	struct metrics *m = metrics_new();
	struct histogram *h = metrics_histogram(m, "t_seconds", "id=\"x\"", "Time.", bounds, 5);
	struct histogram *bare = metrics_histogram(m, "u_seconds", NULL, "No bounds.", bounds, 0);
	histogram_observe(h, 0.005, 1); /* bounds are inclusive */
	histogram_observe(h, 0.25, 2);
	histogram_observe(h, 2, 1);
	histogram_observe(h, 11, 3);
	histogram_observe(h, 0, 1);
	histogram_observe(h, 4, 0);
	histogram_observe(bare, 1e-9, 1);
	check_text(m, "# HELP t_seconds Time.\n"
		      "# TYPE t_seconds histogram\n"
		      "t_seconds_bucket{id=\"x\",le=\"0.005\"} 2\n"
		      "t_seconds_bucket{id=\"x\",le=\"0.1\"} 2\n"
		      "t_seconds_bucket{id=\"x\",le=\"1\"} 4\n"
		      "t_seconds_bucket{id=\"x\",le=\"2.5\"} 5\n"
		      "t_seconds_bucket{id=\"x\",le=\"10\"} 5\n"
		      "t_seconds_bucket{id=\"x\",le=\"+Inf\"} 8\n"
		      "t_seconds_sum{id=\"x\"} 35.505\n"
		      "t_seconds_count{id=\"x\"} 8\n"
		      "# HELP u_seconds No bounds.\n"
		      "# TYPE u_seconds histogram\n"
		      "u_seconds_bucket{le=\"+Inf\"} 1\n"
		      "u_seconds_sum 1e-09\n"
		      "u_seconds_count 1\n");
	metrics_free(m);
}

static void test_labels(void **state)
{
	(void)state;
	static const struct {
		const char *value, *want;
	} cases[] = {
		{"", "k=\"\""},
		{"plain value, {with} = signs", "k=\"plain value, {with} = signs\""},
		{"a\"b", "k=\"a\\\"b\""},
		{"a\\b", "k=\"a\\\\b\""},
		{"a\nb", "k=\"a\\nb\""},
		{"\\\"\n", "k=\"\\\\\\\"\\n\""},
		{"\xc3\xa9\xf0\x9f\x98\x80", "k=\"\xc3\xa9\xf0\x9f\x98\x80\""},
		{"a\xff\xc3z", "k=\"a\xef\xbf\xbd\xef\xbf\xbdz\""},
		{"cut\xe2\x82", "k=\"cut\xef\xbf\xbd\""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *labels = metrics_labels("k", cases[i].value, NULL);
		assert_string_equal(labels, cases[i].want);
		mem_free(labels);
	}
	char *two = metrics_labels("a", "1", "b", "2", NULL);
	assert_string_equal(two, "a=\"1\",b=\"2\"");
	mem_free(two);
	char *none = metrics_labels(NULL, NULL);
	assert_string_equal(none, "");
	mem_free(none);
}

static void test_help_is_escaped(void **state)
{
	(void)state;
	struct metrics *m = metrics_new();
	metrics_counter(m, "x_total", NULL, "Two\nlines, a \\ and \"quotes\".");
	check_text(m, "# HELP x_total Two\\nlines, a \\\\ and \"quotes\".\n# TYPE x_total counter\nx_total 0\n");
	metrics_free(m);
}

struct collector {
	struct metrics *m;
	int calls;
};

static void collect(void *arg)
{
	struct collector *c = arg;
	gauge_set(metrics_gauge(c->m, "read_bytes", NULL, "Read at each rendering."), ++c->calls);
}

static void test_hooks(void **state)
{
	(void)state;
	struct metrics *m = metrics_new();
	struct collector one = {.m = m}, other = {.m = m};
	metrics_on_collect(m, collect, &other);
	metrics_on_collect(m, collect, &one);
	metrics_off_collect(m, collect, &other);
	metrics_off_collect(m, collect, &other);
	check_text(m, "# HELP read_bytes Read at each rendering.\n# TYPE read_bytes gauge\nread_bytes 1\n");
	check_text(m, "# HELP read_bytes Read at each rendering.\n# TYPE read_bytes gauge\nread_bytes 2\n");
	metrics_off_collect(m, collect, &one);
	check_text(m, "# HELP read_bytes Read at each rendering.\n# TYPE read_bytes gauge\nread_bytes 2\n");
	assert_int_equal(other.calls, 0);
	metrics_free(m);
}

static void test_ceiling(void **state)
{
	(void)state;
	struct metrics *m = metrics_new();
	struct buf b;
	buf_init(&b, 20);
	metrics_counter(m, "x_total", NULL, "Help.");
	metrics_text(m, &b);
	assert_true(b.failed);
	buf_free(&b);
	metrics_free(m);
}

#define THREADS 4
#define ROUNDS	3000

static const double busy_bounds[] = {0.25, 0.5};

/* Registers, counts and renders beside the others. */
static void *busy(void *arg)
{
	struct metrics *m = arg;
	struct buf b;
	char labels[32];
	buf_init(&b, 1 << 20);
	for (int i = 0; i < ROUNDS; i++) {
		snprintf(labels, sizeof labels, "i=\"%d\"", i % 50);
		counter_add(metrics_counter(m, "all_total", labels, "All."), 1);
		gauge_add(metrics_gauge(m, "level", NULL, "Level."), i % 2 ? 1 : -1);
		histogram_observe(metrics_histogram(m, "h_seconds", NULL, "H.", busy_bounds, 2), (i % 3) * 0.25, 1);
		if (i % 500 == 0) {
			buf_clear(&b);
			metrics_text(m, &b);
		}
	}
	buf_free(&b);
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	struct metrics *m = metrics_new();
	pthread_t t[THREADS];
	char labels[32];
	uint64_t sum = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, busy, m), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 50; i++) {
		snprintf(labels, sizeof labels, "i=\"%d\"", i);
		uint64_t n = counter_get(metrics_counter(m, "all_total", labels, "All."));
		assert_int_equal(n, THREADS * ROUNDS / 50);
		sum += n;
	}
	assert_int_equal(sum, THREADS * ROUNDS);
	assert_int_equal(gauge_get(metrics_gauge(m, "level", NULL, "Level.")), 0);
	struct buf b;
	buf_init(&b, 1 << 20);
	metrics_text(m, &b);
	assert_non_null(strstr(buf_cstr(&b), "h_seconds_bucket{le=\"0.25\"} 8000\n"
					     "h_seconds_bucket{le=\"0.5\"} 12000\n"
					     "h_seconds_bucket{le=\"+Inf\"} 12000\n"
					     "h_seconds_sum 3000\n"
					     "h_seconds_count 12000\n"));
	buf_free(&b);
	metrics_free(m);
}

static void test_real_numbers_and_summaries(void **state)
{
	(void)state;
	struct metrics *m = metrics_new();
	struct real *c = metrics_real(m, METRIC_COUNTER, "app_seconds_total", NULL, "Time.");
	struct real *g = metrics_real(m, METRIC_GAUGE, "app_load", "host=\"a\"", "Load.");
	struct histogram *s = metrics_summary(m, "app_size", NULL, "Size.");
	real_add(c, 0.25);
	real_add(c, 2);
	real_set(g, -1.5);
	histogram_observe(s, 10, 3);
	histogram_observe(s, 0.5, 1);
	check_text(m, "# HELP app_load Load.\n"
		      "# TYPE app_load gauge\n"
		      "app_load{host=\"a\"} -1.5\n"
		      "# HELP app_seconds_total Time.\n"
		      "# TYPE app_seconds_total counter\n"
		      "app_seconds_total 2.25\n"
		      "# HELP app_size Size.\n"
		      "# TYPE app_size summary\n"
		      "app_size_sum 30.5\n"
		      "app_size_count 4\n");
	assert_true(metrics_name_fits(m, METRIC_GAUGE, "app_load") && metrics_name_fits(m, METRIC_HISTOGRAM, "other"));
	assert_false(metrics_name_fits(m, METRIC_COUNTER, "app_load") || metrics_name_fits(m, METRIC_GAUGE, "a b") ||
		     metrics_name_fits(m, METRIC_GAUGE, ""));
	metrics_counter(m, "weir_whole_total", "x=\"1\"", "A counter of whole numbers is another kind.");
	assert_false(metrics_name_fits(m, METRIC_COUNTER, "weir_whole_total"));
	assert_true(metrics_label_fits("a_1") && !metrics_label_fits("1a") && !metrics_label_fits("a:b"));
	metrics_free(m);
}

static void *observe_much(void *arg)
{
	for (int i = 0; i < 10000; i++)
		histogram_observe(arg, i % 2 ? 0.5 : 2, 1);
	return NULL;
}

static void test_threads_observe_side_by_side(void **state)
{
	static const double bounds[] = {1};
	pthread_t threads[12]; /* more than there are shards */
	(void)state;
	struct metrics *m = metrics_new();
	struct histogram *h = metrics_histogram(m, "t_seconds", NULL, "T.", bounds, 1);
	for (size_t i = 0; i < 12; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, observe_much, h), 0);
	for (size_t i = 0; i < 12; i++)
		pthread_join(threads[i], NULL);
	check_text(m, "# HELP t_seconds T.\n"
		      "# TYPE t_seconds histogram\n"
		      "t_seconds_bucket{le=\"1\"} 60000\n"
		      "t_seconds_bucket{le=\"+Inf\"} 120000\n"
		      "t_seconds_sum 150000\n"
		      "t_seconds_count 120000\n");
	histogram_set(metrics_histogram(m, "u_seconds", NULL, "U.", bounds, 1), (uint64_t[]){3, 4}, 1.25);
	struct buf b;
	buf_init(&b, 1 << 20);
	metrics_text(m, &b);
	assert_non_null(strstr(
		buf_cstr(&b), "u_seconds_bucket{le=\"1\"} 3\nu_seconds_bucket{le=\"+Inf\"} 7\nu_seconds_sum 1.25\n"));
	buf_free(&b);
	metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_sorted_with_one_head_a_name),
		cmocka_unit_test(test_same_name_and_labels_is_the_same_metric),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_help_is_escaped),
		cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_real_numbers_and_summaries),
		cmocka_unit_test(test_threads_observe_side_by_side),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
