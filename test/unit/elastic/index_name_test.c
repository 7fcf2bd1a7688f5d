#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "elastic/index_name.h"

#include "../record/bytes_util.h"
#include "record/json_get.h"

#include <stdio.h>

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

/* 2023-11-14T22:13:20.123456789Z, a Tuesday */
static const struct event_time when = {1700000000, 123456789};

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool times;
		int64_t offset;
		const char *want;
	} rows[] = {
		{"fluentd", true, 0, "fluentd"},
		{"", true, 0, ""},
		{"${tag}", true, 0, "kube.var.log"},
		{"a-${tag[0]}-${tag[1]}-${tag[2]}-b", true, 0, "a-kube-var-log-b"},
		{"${tag[-1]}.${tag[-3]}", true, 0, "log.kube"},
		{"a-${tag[9]}-${tag[-9]}-${tag[3]}", true, 0, "a---"},
		{"${tag_parts[1]}", true, 0, "var"},
		{"${level}", true, 0, "Info"},
		{"${missing}x", true, 0, "x"},
		{"${$.kubernetes.namespace_name}", true, 0, "Prod"},
		{"${$['kubernetes']['labels'][1]}", true, 0, "b"},
		{"${n}-${f}-${t}-${z}", true, 0, "7-1.5-true-"},
		{"${$.kubernetes.labels}", true, 0, "[\"a\",\"b\"]"},
		{"${a.b}", true, 0, "dotted"},
		{"${@x}", true, 0, "at"},
		{"x.%Y%m%d", true, 0, "x.20231114"},
		{"x.%Y%m%d", false, 0, "x.%Y%m%d"},
		{"%Y.%m.%d.%H", true, 0, "2023.11.14.22"},
		{"%Y.%m.%d.%H:%M", true, 9 * 3600, "2023.11.15.07:13"},
		{"%Y.%m.%d %z", true, -12600, "2023.11.14 -0330"},
		{"${tag[0]}-%G.%V-${level}-%j", true, 0, "kube-2023.46-Info-318"},
		{"100%%", true, 0, "100%"},
		{"$x {y} ${tag}}", true, 0, "$x {y} kube.var.log}"},
	};
	struct span record = record_of(
		"{\"level\":\"Info\",\"n\":7,\"f\":1.5,\"t\":true,\"z\":null,\"a.b\":\"dotted\",\"@x\":\"at\","
		"\"kubernetes\":{\"namespace_name\":\"Prod\",\"labels\":[\"a\",\"b\"]}}");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err err;
		struct buf out;
		buf_init(&out, 4096);
		struct name_template *t = name_template_compile(rows[i].text, rows[i].times, &err);
		if (!t)
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_true(name_template_put(t, SPAN_LIT("kube.var.log"), when, rows[i].offset, record, &out));
		if (strcmp(buf_cstr(&out), rows[i].want) != 0)
			fail_msg("%s: %s, not %s", rows[i].text, buf_cstr(&out), rows[i].want);
		name_template_free(t);
		buf_free(&out);
	}
	exact_free(record);
}

static void test_tag_parts(void **state)
{
	(void)state;
	static const struct {
		const char *tag, *text, *want;
	} rows[] = {
		{"", "<${tag}${tag[0]}${tag[-1]}>", "<>"},
		{"a", "<${tag[0]}|${tag[-1]}|${tag[1]}>", "<a|a|>"},
		{"a.", "<${tag[0]}|${tag[1]}|${tag[-1]}>", "<a||>"},
		{".a", "<${tag[0]}|${tag[1]}|${tag[-1]}>", "<|a|a>"},
		{"a..b", "<${tag[1]}|${tag[2]}|${tag[-3]}|${tag[-4]}>", "<|b|a|>"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err err;
		struct buf out;
		struct span tag = exact_copy(rows[i].tag, strlen(rows[i].tag));
		buf_init(&out, 4096);
		struct name_template *t = name_template_compile(rows[i].text, true, &err);
		assert_non_null(t);
		assert_true(name_template_put(t, tag, when, 0, (struct span){0}, &out));
		assert_string_equal(buf_cstr(&out), rows[i].want);
		name_template_free(t);
		exact_free(tag);
		buf_free(&out);
	}
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {"${", "a${tag", "${}", "${tag[}", "${tag[x]}", "${tag[]}", "${tag[1}",
		"${tag [1]}", "${chunk_id}", "${record['a']}", "${a b}", "${$.}", "${$['a'}", "${$[x]}", "x%L", "x%3N",
		"%Q", "${tag[999999999999]}"};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err err = {.text = ""};
		if (name_template_compile(rows[i], true, &err))
			fail_msg("'%s' was taken", rows[i]);
		assert_true(strlen(err.text) > 5);
	}
	name_template_free(NULL);
}

static void test_dependencies(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool tag, record;
		int64_t period;
	} rows[] = {
		{"plain", false, false, 0},
		{"${tag}", true, false, 0},
		{"${tag[0]}", true, false, 0},
		{"${a}", false, true, 0},
		{"${$.a.b}-${tag}", true, true, 0},
		{"%Y.%m.%d", false, false, 86400},
		{"%F", false, false, 86400},
		{"%Y.%m.%d.%H", false, false, 3600},
		{"%-H", false, false, 3600},
		{"%I%p", false, false, 3600},
		{"%Y%H%M", false, false, 60},
		{"%R", false, false, 60},
		{"%T", false, false, 1},
		{"%s", false, false, 1},
		{"%Y-%s-%d", false, false, 1},
		{"a%%b%n", false, false, 0},
		{"%M${tag}%Y", true, false, 60},
		{"%", false, false, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err err;
		struct name_template *t = name_template_compile(rows[i].text, true, &err);
		assert_non_null(t);
		assert_int_equal(name_template_uses_tag(t), rows[i].tag);
		assert_int_equal(name_template_uses_record(t), rows[i].record);
		if (name_template_period(t) != rows[i].period)
			fail_msg("%s: %lld", rows[i].text, (long long)name_template_period(t));
		name_template_free(t);
	}
}

/* A sender's field cannot make a name of any length. */
static void test_long_fields(void **state)
{
	(void)state;
	char json[8192];
	struct err err;
	struct buf out;
	snprintf(json, sizeof json, "{\"a\":\"%02000d\",\"b\":[\"%02000d\"]}", 1, 2);
	struct span record = record_of(json);
	struct name_template *t = name_template_compile("${a}|${b}", true, &err);
	buf_init(&out, 4096);
	assert_true(name_template_put(t, (struct span){0}, when, 0, record, &out));
	assert_int_equal(out.n, 1024 + 1);
	buf_free(&out);
	buf_init(&out, 100);
	assert_false(name_template_put(t, (struct span){0}, when, 0, record, &out));
	buf_free(&out);
	name_template_free(t);
	exact_free(record);
}

static void test_clean(void **state)
{
	(void)state;
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"logs-app-default", "logs-app-default"}, {"MyIndex", "myindex"}, {"", ""}, {".", ""}, {"..", ""},
		{"-_+.a", "a"}, {"a-_+.", "a-_+."}, {"/a/", "a_"},
		{"a\\b/c*d?e\"f<g>h|i j,k#l:m", "a_b_c_d_e_f_g_h_i_j_k_l_m"}, {"a\nb\x01\x7f", "a_b__"},
		{"<logs-{now/d}>", "logs-{now_d}_"}, {"${x}%y@!'()", "${x}%y@!'()"}, {"___", ""}, {"\xff", ""},
		{"a\xff\xe2\x82z", "a__z"}, {"a\xed\xa0\x80", "a___"},
		{"\xc3\x89t\xc3\xa9", "\xc3\xa9t\xc3\xa9"},				  /* É */
		{"\xd0\x96\xd0\xb6\xce\xa3\xd5\x84", "\xd0\xb6\xd0\xb6\xcf\x83\xd5\xb4"}, /* Ж Σ Մ */
		{"\xc5\xb8\xc4\xb0", "\xc3\xbf\xc4\xb0"},  /* Ÿ becomes shorter to nobody; İ stays */
		{"\xe2\x84\xaa\xe1\xba\x9e", "k\xc3\x9f"}, /* the Kelvin sign and the capital ß shrink */
		{"\xef\xbc\xa1\xe6\x97\xa5\xf0\x9f\x98\x80", "\xef\xbd\x81\xe6\x97\xa5\xf0\x9f\x98\x80"},
		{"\xc3\x97\xc3\x9f\xe2\x80\x93", "\xc3\x97\xc3\x9f\xe2\x80\x93"}, /* × ß – have no case */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct span s = exact_copy(rows[i].in, strlen(rows[i].in));
		uint8_t *p = (uint8_t *)(uintptr_t)s.p;
		const size_t n = index_name_clean(p, s.n, false);
		if (n != strlen(rows[i].want) || memcmp(p, rows[i].want, n) != 0)
			fail_msg("'%s': '%.*s', not '%s'", rows[i].in, (int)n, (char *)p, rows[i].want);
		/* What is clean stays so. */
		assert_int_equal(index_name_clean(p, n, false), n);
		exact_free(s);
	}
}

static void test_hidden(void **state)
{
	(void)state;
	static const char *const rows[][2] = {{".ops", ".ops"}, {"..ops", ".ops"}, {".-Ops", ".ops"}, {".", ""},
		{"..", ""}, {"ops", "ops"}, {"-.ops", "ops"}, {"", ""}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct span s = exact_copy(rows[i][0], strlen(rows[i][0]));
		uint8_t *p = (uint8_t *)(uintptr_t)s.p;
		const size_t n = index_name_clean(p, s.n, true);
		if (n != strlen(rows[i][1]) || memcmp(p, rows[i][1], n) != 0)
			fail_msg("'%s': '%.*s', not '%s'", rows[i][0], (int)n, (char *)p, rows[i][1]);
		exact_free(s);
	}
	struct err err;
	static const struct {
		const char *name;
		bool hidden;
	} names[] = {{".ops-%Y", true}, {"ops", false}, {"${tag}", false}, {"", false}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct name_template *t = name_template_compile(names[i].name, true, &err);
		assert_int_equal(name_template_is_hidden(t), names[i].hidden);
		name_template_free(t);
	}
}

static void test_clean_cuts_at_a_character(void **state)
{
	(void)state;
	for (size_t before = 250; before <= 256; before++) {
		uint8_t name[300];
		memset(name, 'a', before);
		memcpy(name + before, "\xe6\x97\xa5zz", 5);
		const size_t n = index_name_clean(name, before + 5, false);
		const size_t want = before + 3 > 255   ? (before < 255 ? before : 255)
				    : before + 5 > 255 ? 255
						       : before + 5;
		assert_int_equal(n, want);
	}
}

/* Whatever comes, the rules of Elasticsearch's MetadataCreateIndexService hold afterwards. */
static void test_clean_random(void **state)
{
	(void)state;
	struct random r = {3};
	for (int i = 0; i < 30000; i++) {
		uint8_t bytes[400];
		const size_t len = random_below(&r, sizeof bytes);
		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)(random_below(&r, 3) ? random_below(&r, 128) : random_next(&r) & 0xff);
		struct span s = exact_copy(bytes, len);
		uint8_t *p = (uint8_t *)(uintptr_t)s.p;
		const size_t n = index_name_clean(p, len, false);
		assert_true(n <= 255 && n <= len);
		for (size_t k = 0; k < n; k++)
			assert_false(p[k] <= ' ' || p[k] == 0x7f || (p[k] >= 'A' && p[k] <= 'Z') ||
				     strchr("\\/*?\"<>|,#:", p[k]));
		assert_false(n && strchr("-_+.", p[0]));
		exact_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_tag_parts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_dependencies),
		cmocka_unit_test(test_long_fields),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_clean_cuts_at_a_character),
		cmocka_unit_test(test_clean_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
