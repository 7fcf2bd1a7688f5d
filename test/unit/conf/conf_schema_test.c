#include "conf/conf_reader.h"
#include "conf/conf_schema.h"

#include "sample_schema.h"
#include "tree_text.h"
#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* A <source> with the lines, made into a struct. */
struct made {
	struct conf_tree *tree;
	struct conf_report report;
	struct sample *conf;
	struct buf findings;
};

static void make_with(struct made *m, const struct conf_rules *rules, const char *lines)
{
	static const struct conf_expr_env env = {.worker_id = 0, .no_files = true};
	struct buf text;
	buf_init(&text, SIZE_MAX);
	buf_init(&m->findings, SIZE_MAX);
	buf_printf(&text, "<source x y>\n%s\n</source>\n", lines);
	conf_report_init(&m->report);
	m->tree = conf_tree_read_text("t", buf_span(&text), &env, &m->report);
	m->conf = conf_make(&sample_schema, conf_tree_root(m->tree)->sections, rules, &m->report);
	report_text(&m->findings, &m->report, "t");
	buf_free(&text);
}

static void make(struct made *m, const char *lines)
{
	make_with(m, &(struct conf_rules){0}, lines);
}

static void unmake(struct made *m)
{
	conf_free(&sample_schema, m->conf);
	conf_report_free(&m->report);
	conf_tree_free(m->tree);
	buf_free(&m->findings);
}

static void test_defaults(void **state)
{
	(void)state;
	struct made m;
	make(&m, "");
	assert_string_equal(buf_cstr(&m.findings), "");
	assert_string_equal(m.conf->bind, "0.0.0.0");
	assert_null(m.conf->hosts);
	assert_int_equal(m.conf->port, 24224);
	assert_true(m.conf->backlog == CONF_NIL_INT);
	assert_true(fabs(m.conf->ratio - 0.95) < 1e-12);
	assert_true(m.conf->keepalive);
	assert_int_equal(m.conf->limit, 8388608);
	assert_int_equal(m.conf->interval, 60 * NS_PER_S);
	assert_true(m.conf->timeout == CONF_NIL_INT);
	assert_int_equal(m.conf->mode, SAMPLE_INTERVAL);
	assert_int_equal(m.conf->keys.n, 2);
	assert_string_equal(m.conf->keys.v[1], "b");
	assert_null(m.conf->keys.v[2]);
	assert_null(m.conf->headers.v);
	assert_string_equal(m.conf->pattern.source, "^a");
	assert_true(m.conf->pattern.ignore_case);
	assert_int_equal(m.conf->security.n, 0);
	assert_null(m.conf->common.type);
	assert_null(m.conf->common.id);
	assert_string_equal(m.conf->common.arg, "x y");
	assert_int_equal(m.conf->common.pos.line, 1);
	assert_ptr_equal(m.conf->common.section, conf_tree_root(m.tree)->sections);
	unmake(&m);
}

static void test_values(void **state)
{
	(void)state;
	struct made m;
	make(&m, "@type sample\n@id i\n@label @L\n@log_level debug\nbind ::1\nhosts \"a b\"\nport 1\nbacklog 5\nratio "
		 "1\n"
		 "keepalive false\nchunk_limit_size 1k\nflush_interval 2.5\ntimeout 1h\nflush_mode lazy\nkeys [\"x\", "
		 "2]\n"
		 "headers {\"a\": \"b\", \"c\": 1}\npattern /x/m");
	assert_string_equal(buf_cstr(&m.findings), "");
	assert_string_equal(m.conf->common.type, "sample");
	assert_string_equal(m.conf->common.id, "i");
	assert_string_equal(m.conf->common.label, "@L");
	assert_string_equal(m.conf->common.log_level, "debug");
	assert_string_equal(m.conf->bind, "::1");
	assert_string_equal(m.conf->hosts, "a b");
	assert_int_equal(m.conf->port, 1);
	assert_int_equal(m.conf->backlog, 5);
	assert_false(m.conf->keepalive);
	assert_int_equal(m.conf->limit, 1024);
	assert_int_equal(m.conf->interval, 2500 * NS_PER_MS);
	assert_int_equal(m.conf->timeout, 3600 * NS_PER_S);
	assert_int_equal(m.conf->mode, SAMPLE_LAZY);
	assert_string_equal(m.conf->keys.v[1], "2");
	assert_int_equal(m.conf->headers.n, 2);
	assert_string_equal(m.conf->headers.v[0].value, "b");
	assert_false(m.conf->headers.v[0].json);
	assert_string_equal(m.conf->headers.v[1].value, "1");
	assert_true(m.conf->headers.v[1].json);
	assert_string_equal(m.conf->pattern.source, "x");
	assert_true(m.conf->pattern.multi_line);
	unmake(&m);
}

static void test_sections(void **state)
{
	(void)state;
	struct made m;
	make(&m,
		"<security>\n shared_key k\n <user>\n  username u\n  password p\n </user>\n <user>\n  username v\n"
		"  password q\n </user>\n</security>\n<labels a>\n any thing\n type t\n</labels>\n<labels>\n</labels>");
	assert_string_equal(buf_cstr(&m.findings), "");
	assert_int_equal(m.conf->security.n, 1);
	const struct sample_security *s = m.conf->security.v[0];
	assert_string_equal(s->shared_key, "k");
	assert_false(s->user_auth);
	assert_int_equal(s->users.n, 2);
	const struct sample_user *u = s->users.v[1];
	assert_string_equal(u->username, "v");
	assert_string_equal(u->password, "q");
	assert_int_equal(m.conf->labels.n, 2);
	const struct sample_labels *l = m.conf->labels.v[0];
	assert_string_equal(l->common.arg, "a");
	assert_null(l->common.type);
	assert_string_equal(conf_section_get(l->common.section, "type")->value, "t");
	unmake(&m);
}

static void test_no_section(void **state)
{
	(void)state;
	struct conf_report report;
	conf_report_init(&report);
	struct sample_security *s = conf_make(&sample_security_schema, NULL, &(struct conf_rules){0}, &report);
	assert_int_equal(report.n, 0);
	assert_null(s->shared_key);
	assert_string_equal(s->common.arg, "");
	assert_int_equal(conf_where(s, "shared_key").line, 0);
	assert_false(conf_is_given(&sample_security_schema, s, "shared_key"));
	conf_free(&sample_security_schema, s);
	conf_free(&sample_security_schema, NULL);
}

static const struct finding_case {
	const char *lines;
	const char *report;
	struct conf_rules rules;
} finding_cases[] = {
	/* unknown parameters, and what was meant */
	{"prot 1", "2:1 warning: 'prot' is not a parameter of <source>: did you mean 'port'?", {0}},
	{"prot 1", "2:1 error: 'prot' is not a parameter of <source>: did you mean 'port'?", {.strict = true}},
	{"@type sample\nprot 1",
		"3:1 warning: 'prot' is not a parameter of <source> of type sample: did you mean 'port'?", {0}},
	{"Port 1", "2:1 warning: 'Port' is not a parameter of <source>: did you mean 'port'?", {0}},
	{"flush-interval 1",
		"2:1 warning: 'flush-interval' is not a parameter of <source>: did you mean 'flush_interval'?", {0}},
	{"chunk_limt_sise 1",
		"2:1 warning: 'chunk_limt_sise' is not a parameter of <source>: did you mean 'chunk_limit_size'?", {0}},
	{"label @X", "2:1 warning: 'label' is not a parameter of <source>: did you mean '@label'?", {0}},
	{"foo bar", "2:1 warning: 'foo' is not a parameter of <source>", {0}},
	{"shared_key x", "2:1 warning: 'shared_key' is not a parameter of <source>: it belongs into <security>", {0}},
	{"security x", "2:1 warning: 'security' is not a parameter of <source>: it is a section, <security>", {0}},
	{"port=5", "2:1 warning: 'port=' is not a parameter of <source>: write 'port' and its value without '='", {0}},
	{"port: 5", "2:1 warning: 'port:' is not a parameter of <source>: write 'port', without ':'", {0}},
	{"<security>\nshared_key k\nport 5\n</security>",
		"4:1 warning: 'port' is not a parameter of <security>: it belongs into <source>, outside of <security>",
		{0}},
	{"<security>\nshared_key k\n<user>\nusername u\npassword p\nuser_auth true\n</user>\n</security>",
		"7:1 warning: 'user_auth' is not a parameter of <user>: it belongs into <security>, outside of <user>",
		{0}},
	/* unknown sections */
	{"<securty>\n</securty>", "2:1 warning: section <securty> is not used in <source>: did you mean <security>?",
		{0}},
	{"<securty>\n</securty>", "2:1 error: section <securty> is not used in <source>: did you mean <security>?",
		{.strict = true}},
	{"<foo>\n</foo>", "2:1 warning: section <foo> is not used in <source>", {0}},
	{"<user>\n</user>", "2:1 warning: section <user> is not used in <source>: it belongs into <security>", {0}},
	{"<port>\n</port>", "2:1 warning: section <port> is not used in <source>: 'port' is a parameter", {0}},
	{"<security>\nshared_key k\n<labels>\n</labels>\n</security>",
		"4:1 warning: section <labels> is not used in <security>: it belongs into <source>, outside of "
		"<security>",
		{0}},
	/* required things, things given twice */
	{"<security>\n</security>", "2:1 error: 'shared_key' parameter is required in <security>", {0}},
	{"<security>\nshared_key a\n</security>\n<security>\nshared_key b\n</security>",
		"5:1 error: '<security>' section cannot be written twice or more", {0}},
	/* nil and default */
	{"timeout \"#{use_nil}\"", "", {0}},
	{"port \"#{use_nil}\"", "2:6 error: 'port' parameter is required but nil is specified", {0}},
	{"<security>\nshared_key \"#{use_nil}\"\n</security>",
		"3:12 error: 'shared_key' parameter is required but nil is specified", {0}},
	{"port \"#{use_default}\"", "", {0}},
	{"<security>\nshared_key \"#{use_default}\"\n</security>",
		"2:1 error: 'shared_key' parameter is required in <security>", {0}},
	/* wrong values */
	{"port abc", "2:6 error: port: 'abc' is not an integer (fluentd would take it as 0)", {0}},
	{"port", "2:5 error: port: an integer is expected, but there is no value (fluentd would take it as 0)", {0}},
	{"port 70000", "2:6 error: 'port' must be from 0 to 65535", {0}},
	{"port -1", "2:6 error: 'port' must be from 0 to 65535", {0}},
	{"backlog 0", "2:9 error: 'backlog' must be 1 at least", {0}},
	{"ratio 0", "2:7 error: 'ratio' must be greater than 0", {0}},
	{"ratio x", "2:7 error: ratio: 'x' is not a number (fluentd would take it as 0)", {0}},
	{"chunk_limit_size 0", "2:18 error: 'chunk_limit_size' must be greater than 0", {0}},
	{"chunk_limit_size abc",
		"2:18 error: chunk_limit_size: 'abc' is not a size such as 512k, 8m or 1g (fluentd would take it as 0)",
		{0}},
	{"flush_interval 2h", "2:16 error: 'flush_interval' must be from 0 s to 3600 s", {0}},
	{"keepalive maybe", "2:11 error: keepalive: 'maybe' is neither true nor false", {0}},
	{"flush_mode sometimes", "2:12 error: flush_mode: valid options are lazy,interval but got 'sometimes'", {0}},
	{"flush_mode LAZY", "2:12 error: flush_mode: valid options are lazy,interval but got 'LAZY'", {0}},
	{"keys '[a]'", "2:6 error: keys: '[a]' is not valid JSON: invalid token near 'a'", {0}},
	{"pattern /a",
		"2:9 error: pattern: invalid regexp: missing right slash (an expression that begins with / must end "
		"with one)",
		{0}},
	{"bind \"a\\0b\"", "2:6 error: bind: a 0 byte is not possible here", {0}},
	{"headers [1]", "2:9 error: headers: this is not a possible value", {0}},
	{"headers a: b", "2:9 warning: headers: this is not taken as fluentd would take it", {0}},
	/* traps */
	{"flush_interval 500ms",
		"2:16 warning: flush_interval: '500ms' is taken as 0.5 s (fluentd would take it as 30000 s)", {0}},
	{"keepalive on", "2:11 warning: keepalive: 'on' is taken as true (fluentd knows true, yes, false and no only)",
		{0}},
	{"keepalive on", "2:11 error: keepalive: 'on' is neither true nor false", {.strict_value = true}},
	{"backlog 010",
		"2:9 warning: backlog: '010' is taken as 8, since a leading 0 means octal with strict_config_value",
		{.strict_value = true}},
	/* old names */
	{"buffer_chunk_limit 1k", "", {0}},
	{"chunk_limit 1k", "", {0}},
	{"buffer_chunk_limit 1x",
		"2:20 error: buffer_chunk_limit: '1x' has no unit that is known, and is not a size such as 512k, 8m or "
		"1g "
		"(fluentd would take it as 1)",
		{0}},
	{"buffer_chunk_limit 1k\nchunk_limit_size 2k",
		"2:1 warning: 'buffer_chunk_limit' is not used: 'chunk_limit_size' is given as well", {0}},
	{"type sample\nid i\nlog_level info",
		"2:1 warning: 'type' is deprecated parameter name. use '@type' instead.\n"
		"3:1 warning: 'id' is deprecated parameter name. use '@id' instead.\n"
		"4:1 warning: 'log_level' is deprecated parameter name. use '@log_level' instead.",
		{0}},
	/* support */
	{"blocking_timeout 1", "2:1 note: 'blocking_timeout' has no effect: nothing polls here", {0}},
	{"cert_verifier x", "2:1 error: 'cert_verifier' is not possible with weir: use client_cert_auth", {0}},
	{"cert_verifier none", "", {0}},
	{"index_prefix x", "2:1 error: 'index_prefix' parameter is already removed: use hosts", {0}},
	{"wait 1", "2:1 warning: 'wait' parameter is deprecated: use timeout", {0}},
	/* the plugin's own check, and no second opinion on what is broken already */
	{"port 9", "2:6 error: not that port", {0}},
	{"port \"#{1+}\"", "2:11 error: in \"#{1+}\": a value is expected at the end", {0}},
	{"<security>\nshared_key \"a\\q\"\n</security>",
		"3:14 error: unexpected back-slash escape character 'q' (a back-slash is written \\\\ in double "
		"quotes)",
		{0}},
};

static void test_findings(void **state)
{
	(void)state;
	int differ = 0;
	for (size_t i = 0; i < sizeof finding_cases / sizeof *finding_cases; i++) {
		struct made m;
		make_with(&m, &finding_cases[i].rules, finding_cases[i].lines);
		if (strcmp(buf_cstr(&m.findings), finding_cases[i].report) != 0) {
			print_error("%s\n--- gave\n%s\n--- instead of\n%s\n", finding_cases[i].lines,
				buf_cstr(&m.findings), finding_cases[i].report);
			differ++;
		}
		unmake(&m);
	}
	assert_int_equal(differ, 0);
}

/* Where a value is wrong the default stays. */
static void test_wrong_keeps_default(void **state)
{
	(void)state;
	struct made m;
	make(&m, "port abc\nflush_mode x\nkeys '['\nchunk_limit_size 0\nkeepalive maybe\npattern /a\nratio -1");
	assert_int_equal(m.report.errors, 7);
	assert_int_equal(m.conf->port, 24224);
	assert_int_equal(m.conf->mode, SAMPLE_INTERVAL);
	assert_int_equal(m.conf->keys.n, 2);
	assert_int_equal(m.conf->limit, 8388608);
	assert_true(m.conf->keepalive);
	assert_string_equal(m.conf->pattern.source, "^a");
	assert_true(m.conf->ratio > 0.9);
	unmake(&m);
}

static void test_old_names(void **state)
{
	(void)state;
	struct made m;
	make(&m, "type sample\nbuffer_chunk_limit 1k\nbuffer_chunk_limit 2k");
	assert_string_equal(m.conf->common.type, "sample");
	assert_int_equal(m.conf->limit, 2048);
	assert_true(conf_is_given(&sample_schema, m.conf, "chunk_limit_size"));
	assert_true(conf_is_given(&sample_schema, m.conf, "@type"));
	assert_false(conf_is_given(&sample_schema, m.conf, "port"));
	assert_int_equal(conf_where(m.conf, "chunk_limit_size").line, 4);
	assert_int_equal(conf_where(m.conf, "chunk_limit_size").column, 20);
	assert_int_equal(conf_where(m.conf, "@type").line, 2);
	assert_int_equal(conf_where(m.conf, "port").line, 1);
	unmake(&m);
	make(&m, "buffer_chunk_limit 1k\nchunk_limit_size 2k\nport 5\nport \"#{use_default}\"");
	assert_int_equal(m.conf->limit, 2048);
	assert_int_equal(m.conf->port, 24224);
	assert_false(conf_is_given(&sample_schema, m.conf, "port"));
	unmake(&m);
}

static void test_free_sections(void **state)
{
	(void)state;
	static const struct conf_expr_env env = {.worker_id = 0, .no_files = true};
	static const struct conf_schema store = {
		.name = "store", .size = sizeof(struct conf_common), .free_keys = true, .free_sections = true};
	struct conf_report report;
	conf_report_init(&report);
	struct conf_tree *t = conf_tree_read_text(
		"t", span_str("<store>\n@type x\n<buffer>\n</buffer>\n</store>"), &env, &report);
	void *conf = conf_make(&store, conf_tree_root(t)->sections, &(struct conf_rules){.strict = true}, &report);
	assert_int_equal(report.n, 0);
	conf_free(&store, conf);
	conf_tree_free(t);
}

/* ---- show ---- */

static void test_show(void **state)
{
	(void)state;
	struct made m;
	struct buf out;
	buf_init(&out, SIZE_MAX);
	setenv("WEIR_TEST_HOST", "https://u:pw@es:9200/x", 1);
	make(&m,
		"@type sample\nhosts \"#{ENV['WEIR_TEST_HOST']}\"\nport 5\nflush_interval 0.5\nkeys a, \"b\"\nheaders "
		"{\"Authorization\": \"x\"}\ntimeout 90s\nbind \"a # b\"\n<security>\nshared_key "
		"topsecret\n<user>\nusername "
		"u\npassword pass2\n</user>\n</security>\n<labels x>\nhost \"#{ENV['WEIR_TEST_HOST']}\"\nenv prod\nenv "
		"test\njs {\"a\": 1}\nApiToken t0\n</labels>");
	assert_string_equal(buf_cstr(&m.findings), "");
	conf_show(&sample_schema, m.conf, &out, 0);
	assert_string_equal(buf_cstr(&out),
		"<source x y>\n"
		"  @type sample                                  # t:2\n"
		"  bind \"a # b\"                                  # t:9\n"
		"  hosts https://u:xxxxxx@es:9200/x              # from the environment (t:3)\n"
		"  port 5                                        # t:4\n"
		"  # backlog is not set                          # default\n"
		"  ratio 0.95                                    # default\n"
		"  keepalive true                                # default\n"
		"  chunk_limit_size 8m                           # default\n"
		"  flush_interval 0.5                            # t:5\n"
		"  timeout 90s                                   # t:8\n"
		"  flush_mode interval                           # default\n"
		"  keys [\"a\",\"\\\"b\\\"\"]                            # t:6\n"
		"  headers xxxxxx                                # t:7\n"
		"  pattern /^a/i                                 # default\n"
		"  <security>\n"
		"    shared_key xxxxxx                           # t:11\n"
		"    user_auth false                             # default\n"
		"    <user>\n"
		"      username u                                # t:13\n"
		"      password xxxxxx                           # t:14\n"
		"    </user>\n"
		"  </security>\n"
		"  <labels x>\n"
		"    host xxxxxx                                 # from the environment (t:18)\n"
		"    env test                                    # t:20\n"
		"    js {\"a\":1}                                  # t:21\n"
		"    ApiToken xxxxxx                             # t:22\n"
		"  </labels>\n"
		"</source>\n");
	unmake(&m);
	buf_free(&out);
}

/* What is shown is a configuration, and it says the same. */
static void test_show_again(void **state)
{
	(void)state;
	struct made m, again;
	struct buf out, lines;
	buf_init(&out, SIZE_MAX);
	buf_init(&lines, SIZE_MAX);
	make(&m, "bind ' #{x} \"q\" \\\\n '\nhosts \"a\\nb\\t\"\nport 7\nchunk_limit_size 1536\nflush_interval "
		 "0.25\ntimeout "
		 "-1\nkeys [\"x, y\", \"z\\\"\\u0023{1}\"]\npattern '/a\\/b #{1}/m' \nratio 0.1\nkeepalive "
		 "false\nflush_mode lazy");
	assert_string_equal(buf_cstr(&m.findings), "");
	conf_show(&sample_schema, m.conf, &out, 0);
	const char *begin = strchr(buf_cstr(&out), '\n') + 1;
	buf_put(&lines, begin, (size_t)(strstr(begin, "</source>") - begin));
	make(&again, buf_cstr(&lines));
	assert_string_equal(buf_cstr(&again.findings), "");
	assert_string_equal(again.conf->bind, m.conf->bind);
	assert_string_equal(again.conf->hosts, m.conf->hosts);
	assert_int_equal(again.conf->port, 7);
	assert_int_equal(again.conf->limit, 1536);
	assert_int_equal(again.conf->interval, m.conf->interval);
	assert_int_equal(again.conf->timeout, -NS_PER_S);
	assert_string_equal(again.conf->keys.v[0], "x, y");
	assert_string_equal(again.conf->keys.v[1], "z\"#{1}");
	assert_string_equal(again.conf->pattern.source, "a\\/b #{1}");
	assert_true(again.conf->pattern.multi_line);
	assert_false(again.conf->keepalive);
	assert_int_equal(again.conf->mode, SAMPLE_LAZY);
	unmake(&m);
	unmake(&again);
	buf_free(&out);
	buf_free(&lines);
}

/* ---- documentation ---- */

static void test_reference(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, SIZE_MAX);
	conf_reference(&sample_schema, NULL, &out, 2);
	assert_string_equal(buf_cstr(&out),
		"## sample input (`<source>`)\n\n"
		"Takes samples.\n\n"
		"| parameter | type | default | meaning |\n"
		"|---|---|---|---|\n"
		"| `bind` | string | `0.0.0.0` | The address. |\n"
		"| `hosts` | string |  | Where to \\| which. |\n"
		"| `port` | integer | `24224` | The port. |\n"
		"| `backlog` | integer |  |  |\n"
		"| `ratio` | float | `0.95` |  |\n"
		"| `keepalive` | bool | `true` |  |\n"
		"| `chunk_limit_size` | size | `8m` | The size. Old names: `buffer_chunk_limit`, `chunk_limit`. |\n"
		"| `flush_interval` | time | `60s` |  |\n"
		"| `timeout` | time |  |  |\n"
		"| `flush_mode` | enum: `lazy`, `interval` | `interval` | When. |\n"
		"| `keys` | array | `a,b` |  |\n"
		"| `headers` | hash |  |  |\n"
		"| `pattern` | regexp | `/^a/i` |  |\n"
		"| `wait` | time |  | Old. Deprecated: use timeout. |\n\n"
		"Accepted, without effect:\n\n"
		"- `blocking_timeout`: nothing polls here\n\n"
		"Refused:\n\n"
		"- `cert_verifier`: use client_cert_auth\n"
		"- `index_prefix`: use hosts\n\n"
		"### `<security>`: handshake\n\n"
		"| parameter | type | default | meaning |\n"
		"|---|---|---|---|\n"
		"| `shared_key` | string | **required** | The key. |\n"
		"| `user_auth` | bool | `false` |  |\n\n"
		"#### `<user>`, several possible\n\n"
		"| parameter | type | default | meaning |\n"
		"|---|---|---|---|\n"
		"| `username` | string | **required** |  |\n"
		"| `password` | string | **required** |  |\n\n"
		"### `<labels>`, several possible\n\n");
	buf_free(&out);
}

static void test_help(void **state)
{
	(void)state;
	static const struct conf_param params[] = {
		{.name = "a",
			.type = CONF_STRING,
			.offset = sizeof(struct conf_common),
			.value = "",
			.help = "A text that is long enough to be wrapped, since a terminal has eighty columns and no "
				"more."},
		{.name = "m",
			.type = CONF_ENUM,
			.offset = sizeof(struct conf_common) + 8,
			.choices = sample_modes,
			.required = true},
		{.name = NULL},
	};
	static const struct conf_schema schema = {.name = "x", .title = "an x", .size = 256, .params = params};
	struct buf out;
	buf_init(&out, SIZE_MAX);
	conf_help(&schema, &out);
	assert_string_equal(buf_cstr(&out),
		"<x>  an x\n"
		"  a (string; default \"\")\n"
		"      A text that is long enough to be wrapped, since a terminal has eighty\n"
		"      columns and no more.\n"
		"  m (enum: lazy, interval; required)\n");
	buf_clear(&out);
	conf_help(&sample_schema, &out);
	assert_non_null(strstr(
		buf_cstr(&out), "\n  <security>  handshake\n    shared_key (string; required)\n        The key.\n"));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_no_section),
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_wrong_keeps_default),
		cmocka_unit_test(test_old_names),
		cmocka_unit_test(test_free_sections),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_show_again),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_help),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
