/* The YAML form: fluentd's own examples, with the tree that the other syntax would give; and mistakes with their places. */
#include "conf/conf_reader.h"

#include "tree_text.h"
#include "base/mem.h"

#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct yaml_case {
	const char *name;
	const char *input;
	const char *tree;   /* NULL = not looked at */
	const char *report; /* "" = nothing was found */
};

static int run(const struct yaml_case *c)
{
	static const struct conf_expr_env env = {.worker_id = 0, .no_files = true};
	struct conf_report report;
	struct buf tree, findings;
	buf_init(&tree, SIZE_MAX);
	buf_init(&findings, SIZE_MAX);
	conf_report_init(&report);
	struct conf_tree *t = conf_tree_read_text("t.yaml", span_str(c->input), &env, &report);
	tree_text(&tree, conf_tree_root(t));
	report_text(&findings, &report, "t.yaml");
	int differs = (c->tree && strcmp(buf_cstr(&tree), c->tree) != 0) || strcmp(buf_cstr(&findings), c->report) != 0;
	if (differs)
		print_error("%s\n--- tree\n%s\n--- instead of\n%s\n--- report\n%s\n--- instead of\n%s\n", c->name,
			buf_cstr(&tree), c->tree ? c->tree : "any", buf_cstr(&findings), c->report);
	conf_tree_free(t);
	conf_report_free(&report);
	buf_free(&tree);
	buf_free(&findings);
	return differs;
}

static const struct yaml_case cases[] = {
	{"special elements",
		"config:\n  - source:\n      $type: dummy_type\n      $label: dummy_label\n      $id: dummy_id\n"
		"      $log_level: debug\n      $unknown: unknown\n",
		"{} <source \"\">{@type=\"dummy_type\", @label=\"dummy_label\", @id=\"dummy_id\", "
		"@log_level=\"debug\", "
		"$unknown=\"unknown\"}",
		""},
	{"tag", "config:\n  - match:\n      $tag: dummy_tag\n", "{} <match \"dummy_tag\">{}", ""},
	{"no tag", "config:\n  - filter:\n      $type: x\n", "{} <filter \"\">{@type=\"x\"}", ""},
	{"several tags", "config:\n  - filter:\n      $tag: ['a.*', 'b']\n", "{} <filter \"a.* b\">{}",
		"3:13 warning: each of these patterns is taken (fluentd would join them with commas, and match none)"},
	{"worker", "config:\n  - worker:\n      $arg: 0\n      config:\n        - source:\n            $type: dummy\n",
		"{} <worker \"0\">{} <source \"\">{@type=\"dummy\"} </worker>", ""},
	{"label",
		"config:\n  - label:\n      $name: '@L'\n      config:\n        - filter:\n            $type: d\n      "
		"  - match: {}\n",
		"{} <label \"@L\">{} <filter \"\">{@type=\"d\"} </filter> <match \"\">{} </label>", ""},
	{"system comes first",
		"config:\n  - source:\n      $type: d\nsystem:\n  workers: 2\n  log:\n    format: json\nunknown:\n  d: "
		"d\n",
		"{} <system \"\">{workers=\"2\"} <log \"\">{format=\"json\"} </system> <source \"\">{@type=\"d\"}", ""},
	{"only system", "system:\n  d: d\n", "{} <system \"\">{d=\"d\"}", ""},
	{"directives in order", "config:\n  - source: {}\n  - filter: {}\n  - match: {}\n  - match: {$tag: b}\n",
		"{} <source \"\">{} </source> <filter \"\">{} </filter> <match \"\">{} </match> <match \"b\">{}", ""},
	{"sections within",
		"config:\n  - match:\n      buffer:\n        $arg: [tag, time]\n        $type: file\n        "
		"flush_interval: 5s\n",
		"{} <match \"\">{} <buffer \"tag,time\">{@type=\"file\", flush_interval=\"5s\"} </match>", ""},
	{"a list of sections",
		"config:\n  - match:\n      store:\n        - $type: a\n        - $type: b\n          buffer: {$arg: "
		"tag}\n",
		"{} <match \"\">{} <store \"\">{@type=\"a\"} </store> <store \"\">{@type=\"b\"} <buffer \"tag\">{} "
		"</store> </match>",
		""},
	{"code",
		"config:\n  - source:\n      host: !fluent/s \"#{ENV['WEIR_TEST_X']}-x\"\n      port: !fluent/s "
		"'#{1+1}'\n"
		"      a: !fluent/s \"#{use_nil}\"\n      b: !fluent/s \"#{use_default}\"\n      c: \"#{1+1}\"\n",
		"{} <source \"\">{host=\"envval-x\", port=\"2\", a=nil, b=:default, c=\"#{1+1}\"}", ""},
	{"JSON",
		"config:\n  - source:\n      h: !fluent/json {\n        \"k\": \"v\",\n        \"k1\": 10, \"k2\": "
		"[1.5, true, null, '1', 0x1]\n      }\n",
		"{} <source "
		"\"\">{h=\"{\\\"k\\\":\\\"v\\\",\\\"k1\\\":10,\\\"k2\\\":[1.5,true,null,\\\"1\\\",\\\"0x1\\\"]}\"}",
		""},
	{"code in JSON", "config:\n  - source:\n      h: !fluent/json {\"k\": !fluent/s \"#{'a\\\"b'}\"}\n",
		"{} <source \"\">{h=\"{\\\"k\\\":\\\"a\\\\\\\"b\\\"}\"}", ""},
	{"lists are arrays",
		"config:\n  - source:\n      a: [502, 503]\n      b:\n        - x\n        - 'y z'\n      c: []\n",
		"{} <source \"\">{a=\"[502,503]\", b=\"[\\\"x\\\",\\\"y z\\\"]\", c=\"[]\"}", ""},
	{"values",
		"config:\n  - source:\n      mode: 0644\n      float: 3.40\n      on: On\n      off: Off\n      yes: "
		"'yes'\n"
		"      'null': null\n      tilde: ~\n      none:\n      date: 2026-01-01\n      symbol: :foo\n"
		"      text: |\n        a\n        b\n      quoted: \"a\\tb\"\n",
		"{} <source \"\">{mode=\"0644\", float=\"3.40\", on=\"true\", off=\"false\", yes=\"yes\", null=nil, "
		"tilde=nil, "
		"none=nil, date=\"2026-01-01\", symbol=\"foo\", text=\"a\\nb\\n\", quoted=\"a\\x09b\"}",
		""},
	{"merging",
		"common: &c\n  p: foo\n  q: 12345\nconfig:\n  - match:\n      $tag: a\n      <<: *c\n  - match:\n      "
		"$tag: b\n"
		"      <<: *c\n      p: override\n      r: 1\n",
		"{} <match \"a\">{p=\"foo\", q=\"12345\"} </match> <match \"b\">{p=\"override\", q=\"12345\", r=\"1\"}",
		""},
	{"merging lists, sections once",
		"a: &a {buffer: {x: 1}, p: 1}\nb: &b {p: 2}\nconfig:\n  - match:\n      <<: [*a, *b]\n      buffer: "
		"{x: 2}\n",
		"{} <match \"\">{p=\"2\"} <buffer \"\">{x=\"2\"} </match>", ""},
	{"empty", "", "{}", ""},
	{"comments only", "# x\n", "{}", ""},
	{"empty config", "config:\n", "{}", ""},
};

static const struct yaml_case error_cases[] = {
	{"syntax", "config:\n  - source: [\n", "{}",
		"3:1 error: YAML: while parsing a flow node: did not find expected node content"},
	{"tab", "config:\n\t- x\n", "{}",
		"2:1 error: YAML: while scanning for the next token: found character that cannot start any token"},
	{"unknown anchor", "config:\n  - match:\n      <<: *nope\n", "{}", "3:11 error: YAML: found undefined alias"},
	{"not UTF-8", "config: \xff\n", "{}", "0:0 error: YAML: invalid leading UTF-8 octet"},
	{"unknown directive", "config:\n  - sorce:\n      $type: d\n", "{}",
		"2:5 error: there is no directive 'sorce': did you mean 'source'?"},
	{"strange directive", "config:\n  - unknown:\n      $type: d\n", "{}",
		"2:5 error: there is no directive 'unknown': a list holds source, match, filter, label and worker"},
	{"misspelt config", "confg:\n  - source: {}\n", "{}",
		"1:1 error: 'confg' is not read: did you mean 'config'?\n1:1 error: a mapping with 'config:' is "
		"expected"},
	{"label without config", "config:\n  - label:\n      $name: x\n", "{} <label \"x\">{}",
		"2:5 error: a list of directives is expected in it: 'config:'"},
	{"config is no list", "config:\n  source: {}\n", "{}", "2:3 error: a list of directives is expected"},
	{"no mapping", "just text\n", "{}", "1:1 error: a mapping with 'config:' is expected"},
	{"directive without mapping", "config:\n  - source: x\n", "{}",
		"2:13 error: the parameters of a section are expected, as a mapping"},
	{"text for a directive", "config:\n  - x\n", "{}",
		"2:5 error: a directive is expected, such as 'source:' or 'match:'"},
	{"code with a mistake", "config:\n  - source:\n      p: !fluent/s \"#{1+}\"\n", "{} <source \"\">{p=broken}",
		"3:10 error: in \"#{1+}\": a value is expected at the end"},
	{"quote in !fluent/s", "config:\n  - source:\n      p: !fluent/s 'a\"b'\n", "{} <source \"\">{p=broken}",
		"3:10 error: a quote within the text of !fluent/s needs a back-slash"},
	{"include as a value", "config:\n  - source:\n      p: !include x.yaml\n", "{} <source \"\">{p=broken}",
		"3:10 error: !include is possible in a list of directives only"},
	{"alias to itself", "config: &a\n  - *a\n", NULL, "1:9 error: this is nested too deeply"},
	{"merge of itself", "config:\n  - match: &a\n      <<: *a\n", NULL, "2:12 error: this is nested too deeply"},
};

static void run_all(const struct yaml_case *c, size_t n)
{
	int differ = 0;
	for (size_t i = 0; i < n; i++)
		differ += run(&c[i]);
	assert_int_equal(differ, 0);
}

static void test_cases(void **state)
{
	(void)state;
	setenv("WEIR_TEST_X", "envval", 1);
	run_all(cases, sizeof cases / sizeof *cases);
	run_all(error_cases, sizeof error_cases / sizeof *error_cases);
}

static void test_places(void **state)
{
	(void)state;
	static const struct conf_expr_env env = {.worker_id = 0, .no_files = true};
	struct conf_report report;
	conf_report_init(&report);
	setenv("WEIR_TEST_X", "envval", 1);
	struct conf_tree *t = conf_tree_read_text("t.yaml",
		span_str(
			"config:\n  - match:\n      $tag: 'a'\n      h\xc3\xa9: !fluent/s \"#{ENV['WEIR_TEST_X']}\"\n"),
		&env, &report);
	const struct conf_section *s = conf_tree_root(t)->sections;
	assert_int_equal(s->pos.line, 2);
	assert_int_equal(s->pos.column, 5);
	assert_int_equal(s->arg_pos.line, 3);
	assert_int_equal(s->arg_pos.column, 13);
	assert_int_equal(s->pairs->name_pos.line, 4);
	assert_int_equal(s->pairs->name_pos.column, 7);
	assert_int_equal(s->pairs->value_pos.column, 11);
	assert_true(s->pairs->from_code);
	conf_tree_free(t);
	conf_report_free(&report);
}

/* Each alias twice the one before: a small file that is a large document. */
static void test_bomb(void **state)
{
	(void)state;
	static const struct conf_expr_env env = {.worker_id = 0, .no_files = true};
	struct conf_report report;
	struct buf text;
	buf_init(&text, SIZE_MAX);
	conf_report_init(&report);
	buf_put_str(&text, "a0: &a0 [x, x, x, x]\n");
	for (int i = 1; i < 40; i++)
		buf_printf(&text, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1);
	buf_put_str(&text, "config:\n  - source:\n      k: !fluent/json [*a39]\n");
	struct conf_tree *t = conf_tree_read_text("t.yaml", buf_span(&text), &env, &report);
	assert_true(report.errors > 0);
	assert_string_equal(report.v[0].text, "aliases make this too large");
	conf_tree_free(t);
	conf_report_free(&report);
	buf_free(&text);
}

/* ---- files ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void test_files(void **state)
{
	(void)state;
	char dir[] = "/tmp/weir-yaml-XXXXXX", path[100];
	struct conf_report report;
	struct buf tree;
	buf_init(&tree, SIZE_MAX);
	assert_non_null(mkdtemp(dir));
	put(dir, "main.yaml",
		"config:\n  - source: {$type: a}\n  - !include '*.part.yaml'\n  - !include old.conf\n  - match: "
		"{$type: z}\n");
	put(dir, "2.part.yaml", "- filter: {$type: two}\n");
	put(dir, "1.part.yaml", "- filter: {$type: one}\n- label:\n    $name: l\n    config: !include deep.yml\n");
	put(dir, "deep.yml", "- match: {$type: deep}\n");
	put(dir, "old.conf", "<filter>\n @type old\n</filter>\n");
	put(dir, "main.conf", "@include main.yaml\n");
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/main.%s", dir, i ? "conf" : "yaml");
		conf_report_init(&report);
		buf_clear(&tree);
		struct conf_tree *t = conf_tree_read(&(struct conf_source){.path = path}, &report);
		tree_text(&tree, conf_tree_root(t));
		assert_int_equal(report.n, 0);
		assert_string_equal(buf_cstr(&tree),
			"{} <source \"\">{@type=\"a\"} </source> <filter \"\">{@type=\"one\"} </filter> <label "
			"\"l\">{} "
			"<match \"\">{@type=\"deep\"} </label> <filter \"\">{@type=\"two\"} </filter> "
			"<filter \"\">{@type=\"old\"} </filter> <match \"\">{@type=\"z\"}");
		conf_tree_free(t);
	}
	buf_free(&tree);
	assert_int_equal(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
