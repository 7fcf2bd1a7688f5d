/* The pure parts of the outputs: rules of rewrite_tag_filter, chunk keys and their placeholders, retry limits, weights. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "chunk_keys.h"
#include "elasticsearch_conf.h"
#include "forward_nodes.h"
#include "record/msgpack_put.h"
#include "retry.h"
#include "rewrite_rule.h"

#include <sys/socket.h>
#include <unistd.h>

/* {"k": v} */
static void put_record(struct buf *b, const char *key, struct span value)
{
	buf_init(b, 4096);
	mp_put_map_head(b, 1);
	mp_put_str(b, span_str(key));
	mp_put_str(b, value);
}

static void test_rewrite(void **state)
{
	static const struct {
		const char *pattern, *tag;
		struct span value;
		bool invert, capitalize;
		const char *want; /* NULL = no hit */
	} cases[] = {
		{"^a(.)", "x.$1", SPAN_LIT("abc"), false, false, "x.b"},
		{"^b", "x", SPAN_LIT("abc"), false, false, NULL},
		{"^b", "x.$1", SPAN_LIT("abc"), true, false, "x.$1"},
		{".*", "x", SPAN_LIT(""), false, false, NULL},
		{"(\\w+) (\\w+)?", "$2-$1-$3", SPAN_LIT("fOO "), false, true, "-Foo-"},
		{".", "${tag}|${tag_parts[1]}|${tag_parts[9]}|__TAG__|__TAG_PARTS[0]__", SPAN_LIT("v"), false, false,
			"app.web|web||app.web|app"},
		{".", "${hostname}.__HOSTNAME__", SPAN_LIT("v"), false, false, "host.host"},
		{".", "$x ${ ${Tag} $", SPAN_LIT("v"), false, false, "$x ${ ${Tag} $"},
		{"(.*)", "$1", SPAN_LIT("${tag}"), false, false, "${tag}"},
		{"a\\?b", "hit",
			SPAN_LIT("a\xff"
				 "b"),
			false, false, "hit"},
		{"(?<n>a)", "n.$1", SPAN_LIT("a"), false, false, "n.a"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rewrite_rule_options o = {
			.key = "k",
			.pattern = span_str(cases[i].pattern),
			.tag = cases[i].tag,
			.invert = cases[i].invert,
			.capitalize = cases[i].capitalize,
			.hostname = "host",
		};
		const char *unknown = NULL, *part = NULL;
		struct err err;
		struct buf record, out;
		struct rewrite_room room;
		struct rewrite_rule *r = rewrite_rule_compile(&o, &unknown, &part, &err);
		assert_non_null(r);
		rewrite_room_init(&room);
		put_record(&record, "k", cases[i].value);
		buf_init(&out, 4096);
		bool hit = rewrite_rule_apply(r, buf_span(&record), SPAN_LIT("app.web"), &room, &out);
		assert_int_equal(hit, cases[i].want != NULL);
		if (cases[i].want)
			assert_string_equal(buf_cstr(&out), cases[i].want);
		buf_free(&out);
		buf_free(&record);
		rewrite_room_free(&room);
		rewrite_rule_free(r);
	}
}

static void test_rewrite_refused(void **state)
{
	static const struct {
		const char *key, *pattern, *tag, *text, *part, *unknown;
	} cases[] = {
		{"$.", "a", "x", "no record accessor", "key", NULL},
		{"k", "(", "x", "regular expression", "pattern", NULL},
		{"k", "a", "${tag_parts[0..1]}", "does not support range", "tag", NULL},
		{"k", "a", "x.${nobody}", NULL, NULL, "nobody"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rewrite_rule_options o = {.key = cases[i].key,
			.pattern = span_str(cases[i].pattern),
			.tag = cases[i].tag,
			.hostname = "h"};
		const char *unknown = NULL, *part = NULL;
		struct err err;
		struct rewrite_rule *r = rewrite_rule_compile(&o, &unknown, &part, &err);
		assert_int_equal(r == NULL, cases[i].text != NULL);
		if (cases[i].text) {
			assert_non_null(strstr(err.text, cases[i].text));
			assert_string_equal(part, cases[i].part);
		} else
			assert_string_equal(unknown, cases[i].unknown);
		rewrite_rule_free(r);
	}
}

/* ---- chunk keys ------------------------------------------------------------------------------------------------------- */

static struct buffer_conf conf_of(const char *keys, int64_t timekey_s, const char *zone)
{
	return (struct buffer_conf){
		.common = {.arg = (char *)(uintptr_t)keys, .schema = &buffer_conf_schema},
		.timekey_ns = timekey_s ? timekey_s * NS_PER_S : CONF_NIL_INT,
		.timekey_wait_ns = 10 * NS_PER_S,
		.timekey_use_utc = !zone,
		.timekey_zone = (char *)(uintptr_t)zone,
	};
}

static void test_placeholders(void **state)
{
	static const struct {
		const char *keys;
		int64_t timekey_s;
		const char *zone, *text;
		bool path;
		const char *want;
	} cases[] = {
		{"tag,time,k", 3600, NULL, "%Y%m%d%H/${tag}/${k}", false, "2023111422/a.b/v/w"},
		{"tag,time,k", 3600, NULL, "%H${tag[0]}${tag[-1]}${tag[7]}|${k}", true, "22ab|v%2Fw"},
		{"tag,time,k", 86400, "+09:00", "%Y%m%d%z${tag}${k}", false, "20231115+0900a.bv/w"},
		{"[]", 0, NULL, "%d-${chunk_id}", false, "%d-id"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buffer_conf c = conf_of(cases[i].keys, cases[i].timekey_s, cases[i].zone);
		struct conf_report r;
		struct buf stage, out, record;
		struct chunk_meta meta;
		conf_report_init(&r);
		struct chunk_keys *k = chunk_keys_new(&c, "", CONF_NIL_INT, &r);
		struct chunk_template *t = chunk_template_new(
			k, cases[i].text, "path", false, (struct conf_pos){0}, &r);
		assert_int_equal(r.errors, 0);
		put_record(&record, "k", SPAN_LIT("v/w"));
		buf_init(&stage, 65535);
		buf_init(&out, 4096);
		int64_t due = chunk_keys_stage(
			k, SPAN_LIT("a.b"), (struct event_time){.sec = 1700000000}, buf_span(&record), &stage);
		chunk_meta_read(buf_span(&stage), &meta);
		if (cases[i].timekey_s)
			assert_int_equal(due, (meta.timekey + cases[i].timekey_s + 10) * NS_PER_S);
		assert_true(chunk_template_put(t, &meta, "id", cases[i].path, &out));
		assert_string_equal(buf_cstr(&out), cases[i].want);
		buf_free(&out);
		buf_free(&stage);
		buf_free(&record);
		chunk_template_free(t);
		chunk_keys_free(k);
		conf_report_free(&r);
	}
}

static void test_fluentds_rules(void **state)
{
	static const struct {
		const char *keys;
		int64_t timekey_s;
		const char *text, *error; /* NULL: none */
	} cases[] = {
		{"tag,time", 86400, "/x.%Y%m%d", "doesn't have tag placeholder"},
		{"time", 86400, "/x.${tag}.%Y%m%d", "has tag placeholders, but chunk key 'tag' is not configured"},
		{"time", 86400, "/x.%Y%m%d%H", NULL},
		{"time", 3600, "/x.%Y%m%d", "doesn't have timestamp placeholder for hour('%Y%m%d%H') for timekey 3600"},
		{"time", 86400, "/x", "doesn't have timestamp placeholders for timekey 86400"},
		{"tag", 0, "/${tag}.%Y", "has timestamp placeholders, but chunk key 'time' is not configured"},
		{"k", 0, "/x", "doesn't have enough placeholders for keys k"},
		{"k", 0, "/${k}/${j}", "has placeholders, but chunk keys doesn't have keys j"},
		{"time", 0, "/x", "timekey is not configured"},
		{"a b", 0, "/x", "includes invalid char"},
		{"$['a']", 0, "/x", "bracket notation is not allowed"},
		{"$.a.b,c", 0, "/${$.a.b}${c}", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buffer_conf c = conf_of(cases[i].keys, cases[i].timekey_s, NULL);
		struct conf_report r;
		conf_report_init(&r);
		struct chunk_keys *k = chunk_keys_new(&c, "", CONF_NIL_INT, &r);
		struct chunk_template *t = chunk_template_new(k, cases[i].text, "path", true, (struct conf_pos){0}, &r);
		assert_int_equal(r.errors == 0, cases[i].error == NULL);
		if (cases[i].error)
			assert_non_null(strstr(r.v[0].text, cases[i].error));
		chunk_template_free(t);
		chunk_keys_free(k);
		conf_report_free(&r);
	}
}

/* ---- the rest --------------------------------------------------------------------------------------------------------- */

static void test_retry(void **state)
{
	static const struct {
		struct retry_limits l;
		bool secondary;
		uint64_t failures;
		int64_t elapsed_s;
		enum retry_verdict want;
	} cases[] = {
		{{.timeout_ns = 100 * NS_PER_S, .max_times = -1}, false, 99, 99, RETRY_AGAIN},
		{{.timeout_ns = 100 * NS_PER_S, .max_times = -1}, false, 99, 100, RETRY_GIVE_UP},
		{{.timeout_ns = 100 * NS_PER_S, .max_times = 3}, false, 3, 1, RETRY_AGAIN},
		{{.timeout_ns = 100 * NS_PER_S, .max_times = 3}, false, 4, 1, RETRY_GIVE_UP},
		{{.timeout_ns = 100 * NS_PER_S, .max_times = -1, .secondary_threshold = 0.8}, true, 1, 79, RETRY_AGAIN},
		{{.timeout_ns = 100 * NS_PER_S, .max_times = -1, .secondary_threshold = 0.8}, true, 1, 80,
			RETRY_SECONDARY},
		{{.timeout_ns = 100 * NS_PER_S, .max_times = 10, .secondary_threshold = 0.5}, true, 6, 1,
			RETRY_SECONDARY},
		{{.forever = true, .timeout_ns = 1, .max_times = 0}, true, 9, 900, RETRY_AGAIN},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(
			retry_judge(&cases[i].l, cases[i].secondary, cases[i].failures, cases[i].elapsed_s * NS_PER_S),
			cases[i].want);
}

static void test_weights(void **state)
{
	static const struct forward_node v[] = {{.name = "a", .host = "a", .port = 1, .weight = 30},
		{.name = "b", .host = "b", .port = 1, .weight = 10},
		{.name = "s", .host = "s", .port = 1, .weight = 60, .standby = true}};
	struct forward_nodes *s = forward_nodes_new(v, 3, 10 * NS_PER_S, NULL);
	bool tried[3] = {0};
	unsigned n[3] = {0};
	size_t i;
	(void)state;
	for (unsigned k = 0; k < 400; k++) {
		assert_true(forward_nodes_pick(s, tried, 0, &i));
		n[i]++;
	}
	assert_int_equal(n[0], 300);
	assert_int_equal(n[1], 100);
	assert_int_equal(n[2], 0);
	/* The standby one stands in for the weight of the one that failed, until recover_wait is over. */
	assert_true(forward_nodes_failed(s, 0, 0));
	assert_false(forward_nodes_failed(s, 0, 0));
	n[0] = n[1] = n[2] = 0;
	for (unsigned k = 0; k < 700; k++) {
		assert_true(forward_nodes_pick(s, tried, NS_PER_S, &i));
		n[i]++;
	}
	assert_int_equal(n[0], 0);
	assert_int_equal(n[1], 100);
	assert_int_equal(n[2], 600);
	/* Then it must be found out first whether it is back; one thread at a time does. */
	int pair[2];
	assert_false(forward_nodes_due(s, 9 * NS_PER_S, &i));
	assert_true(forward_nodes_due(s, 11 * NS_PER_S, &i));
	assert_int_equal(i, 0);
	assert_false(forward_nodes_due(s, 11 * NS_PER_S, &i));
	forward_nodes_probe(s, 0, -1, 11 * NS_PER_S, 0);
	assert_false(forward_nodes_due(s, 12 * NS_PER_S, &i));
	for (unsigned k = 0; k < 20; k++) {
		assert_true(forward_nodes_pick(s, tried, 12 * NS_PER_S, &i));
		assert_int_not_equal(i, 0);
	}
	assert_true(forward_nodes_due(s, 22 * NS_PER_S, &i));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	forward_nodes_probe(s, 0, pair[0], 22 * NS_PER_S, 23 * NS_PER_S);
	unsigned seen = 0;
	for (unsigned k = 0; k < 20; k++) {
		assert_true(forward_nodes_pick(s, tried, 22 * NS_PER_S, &i));
		seen += i == 0;
	}
	assert_int_equal(seen, 1); /* one thread tries it */
	close(pair[1]);
	assert_true(forward_nodes_worked(s, 0, 0));
	/* All are tried before it is given up, also those that rest. */
	forward_nodes_failed(s, 0, 0);
	forward_nodes_failed(s, 1, 0);
	for (unsigned k = 0; k < 3; k++) {
		assert_true(forward_nodes_pick(s, tried, 0, &i));
		assert_false(tried[i]);
		tried[i] = true;
	}
	assert_false(forward_nodes_pick(s, tried, 0, &i));
	forward_nodes_free(s);
}

static void test_heartbeats(void **state)
{
	struct forward_node v[] = {{"a", "a", 1, NULL, "", NULL, false, 60}, {"b", "b", 1, NULL, "", NULL, false, 60}};
	const bool tried[2] = {0};
	struct forward_nodes *s = forward_nodes_new(v, 2, 10 * NS_PER_S, NULL);
	const int64_t now = clock_mono_ns() + 100 * NS_PER_S;
	size_t i = 9;
	(void)state;
	forward_nodes_seen(s, 0, now - NS_PER_S);
	assert_false(forward_nodes_silent(s, 0, now, now - 2 * NS_PER_S));
	assert_true(forward_nodes_silent(s, 1, now, now - 2 * NS_PER_S));
	assert_false(forward_nodes_silent(s, 1, now, now - 2 * NS_PER_S)); /* told once */
	for (unsigned k = 0; k < 10; k++) {
		assert_true(forward_nodes_pick(s, tried, now, &i));
		assert_int_equal(i, 0);
	}
	/* An answer within the rest changes nothing; one after it lets a thread try. */
	forward_nodes_seen(s, 1, now + NS_PER_S);
	assert_true(forward_nodes_pick(s, tried, now + NS_PER_S, &i));
	assert_int_equal(i, 0);
	forward_nodes_seen(s, 1, now + 11 * NS_PER_S);
	unsigned turns = 0;
	for (unsigned k = 0; k < 10; k++) {
		assert_true(forward_nodes_pick(s, tried, now + 11 * NS_PER_S, &i));
		turns += i == 1;
	}
	assert_int_equal(turns, 1);
	/* A delivery is an answer as well. */
	assert_true(forward_nodes_worked(s, 1, now + 12 * NS_PER_S));
	assert_false(forward_nodes_silent(s, 1, now + 13 * NS_PER_S, now + 11 * NS_PER_S));
	assert_true(forward_nodes_silent(s, 1, now + 15 * NS_PER_S, now + 13 * NS_PER_S));
	forward_nodes_free(s);
}

static void test_dynamic(void **state)
{
	static const char *const cases[][2] = {
		{"a-${record['x']}", "a-${$['x']}"},
		{"${record[\"a\"][\"b}\"]}-${tag_parts[1]}", "${$['a']['b}']}-${tag_parts[1]}"},
		{"x-${time.strftime('%Y.%m')}", "x-%Y.%m"},
		{"${1 + 1}", "${1 + 1}"},
		{"${record['x'", "${record['x'"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *text = elasticsearch_dynamic_text(cases[i][0]);
		assert_string_equal(text, cases[i][1]);
		mem_free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_rewrite_refused),
		cmocka_unit_test(test_placeholders),
		cmocka_unit_test(test_fluentds_rules),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_heartbeats),
		cmocka_unit_test(test_dynamic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
