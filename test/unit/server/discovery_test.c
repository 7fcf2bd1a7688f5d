/* Servers of a forward output that come from elsewhere. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/buf.h"
#include "discovery_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Each server as a line. */
static const char *read_list(const char *text, bool json, struct buf *out)
{
	struct forward_list l;
	struct err err;
	forward_list_init(&l);
	buf_clear(out);
	if (!discovery_text_read(span_str(text), json, &l, &err))
		buf_put_str(out, err.text);
	else
		for (size_t i = 0; i < l.n; i++)
			buf_printf(out, "%s=%s:%u %u%s user=%s password=%s key=%s\n", l.v[i].name, l.v[i].host,
				l.v[i].port, l.v[i].weight, l.v[i].standby ? " standby" : "", l.v[i].username,
				l.v[i].password, l.v[i].shared_key ? l.v[i].shared_key : "-");
	forward_list_free(&l);
	return buf_cstr(out);
}

#define BOTH	 "a=127.0.0.1:24224 60 user= password= key=-\nsecond=b:24225 10 standby user=u password=p key=k\n"
#define AT_LEAST "server 1 of the list: a server must have `host` and `port`"

static void test_lists(void **state)
{
	static const struct {
		const char *text;
		bool json;
		const char *want;
	} cases[] = {
		{"- host: 127.0.0.1\n  port: 24224\n  name: a\n- {host: b, port: 24225, name: second, weight: 10,\n"
		 "   standby: true, username: u, password: p, shared_key: k}\n",
			false, BOTH},
		{"[{\"host\":\"127.0.0.1\",\"port\":24224,\"name\":\"a\"},{\"host\":\"b\",\"port\":24225,\"name\":"
		 "\"second\","
		 "\"weight\":10,\"standby\":true,\"username\":\"u\",\"password\":\"p\",\"shared_key\":\"k\"}]",
			true, BOTH},
		/* What is no name is the host; JSON is YAML; texts of numbers are numbers; others' keys are others'. */
		{"[{\"host\": \"h\", \"port\": \"1\", \"zone\": \"x\", \"name\": null}]", false,
			"h=h:1 60 user= password= key=-\n"},
		{"- &x {host: h, port: 1}\n- *x\n", false,
			"h=h:1 60 user= password= key=-\nh=h:1 60 user= password= key=-\n"},
		{"- {host: '10', port: 1, password: '10', name: yes it is}", false,
			"yes it is=10:1 60 user= password=10 key=-\n"},
		{"[]", true, ""},
		{"[]", false, ""},
		{"", false, "a list of servers is expected"},
		{"host: a\nport: 1\n", false, "a list of servers is expected"},
		{"- {port: 1}", false, AT_LEAST},
		{"- {host: a}", false, AT_LEAST},
		{"[{\"host\":\"a\"}]", true, AT_LEAST},
		{"- {host: a, port: 1}\n- b", false,
			"server 2 of the list: a server with `host` and `port` is expected"},
		{"- {host: 10, port: 1}", false, "server 1 of the list: 'host' is no text"},
		{"- {host: a, port: 65536}", false, "server 1 of the list: 'port' is no number from 1 to 65535"},
		{"- {host: a, port: 1x}", false, "server 1 of the list: 'port' is no number from 1 to 65535"},
		{"- {host: a, port: 1, weight: -1}", false,
			"server 1 of the list: 'weight' is no number from 0 to 1000000"},
		{"- {host: a, port: 1, standby: sometimes}", false,
			"server 1 of the list: 'standby' is neither true nor false"},
		{"- {host: a\n  port", false, "line 3: YAML: did not find expected ',' or '}'"},
		{"[{\"host\":\n", true, "line 2: JSON: unexpected token near end of file"},
	};
	struct buf out;
	(void)state;
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(read_list(cases[i].text, cases[i].json, &out), cases[i].want);
	buf_free(&out);
}

/* By its name a file is JSON or YAML, and conf_encoding says what its bytes are. */
static void test_files(void **state)
{
	static const struct {
		const char *ending, *encoding, *text, *want;
	} cases[] = {
		{".json", "utf-8", "[{\"host\":\"h\",\"port\":1,\"name\":\"Zürich\"}]", "Zürich"},
		{".yml", "utf-8", "- {host: h, port: 1, name: Zürich}", "Zürich"},
		{".yaml", "iso-8859-1", "- {host: h, port: 1, name: Z\xfcrich}", "Zürich"},
		{".json", "windows-1252", "[{\"host\":\"h\",\"port\":1,\"name\":\"\x80\"}]", "€"},
		{"", "utf-8", "- {host: h, port: 1, name: Z\xfcrich}", "this is not UTF-8"},
		{"", "klingon", "[]", "conf_encoding: unknown encoding name - klingon"},
		{".json", "utf-8", "- {host: h, port: 1}", "line 1: JSON:"},
		{".none", "utf-8", NULL, "it cannot be opened: No such file or directory"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char path[64];
		struct forward_list l;
		struct err err;
		snprintf(path, sizeof path, "/tmp/weir-discovery-%d%s", (int)getpid(), cases[i].ending);
		FILE *f = cases[i].text ? fopen(path, "w") : NULL;
		if (f) {
			fputs(cases[i].text, f);
			fclose(f);
		}
		forward_list_init(&l);
		bool ok = discovery_file_read(path, cases[i].encoding, &l, &err);
		unlink(path);
		if (ok)
			assert_string_equal(l.v[0].name, cases[i].want);
		else if (!strstr(err.text, cases[i].want) || strncmp(err.text, path, strlen(path)) != 0)
			fail_msg("%zu: %s", i, err.text);
		forward_list_free(&l);
	}
}

/* What a few bytes of aliases would make large. */
static void test_bombs(void **state)
{
	struct buf text, out;
	(void)state;
	buf_init(&text, 1 << 20);
	buf_init(&out, 1 << 20);
	buf_put_str(&text, "- &a0 [x]\n");
	for (int i = 1; i < 30; i++)
		buf_printf(&text, "- &a%d [*a%d,*a%d,*a%d,*a%d]\n", i, i - 1, i - 1, i - 1, i - 1);
	assert_non_null(strstr(read_list(buf_cstr(&text), false, &out), "this is too large, or nested too deeply"));
	buf_clear(&text);
	for (int i = 0; i < 1000; i++)
		buf_put_byte(&text, '[');
	assert_string_not_equal(read_list(buf_cstr(&text), false, &out), "");
	assert_string_not_equal(read_list(buf_cstr(&text), true, &out), "");
	buf_free(&text);
	buf_free(&out);
}

static void test_same(void **state)
{
	const struct forward_node a = {.name = "a", .host = "h", .port = 1, .weight = 60};
	struct forward_node b = a;
	struct forward_list l;
	(void)state;
	forward_list_init(&l);
	assert_true(forward_list_add(&l, &a));
	assert_true(forward_list_has(&l, &b));
	b.shared_key = "k";
	assert_false(forward_list_has(&l, &b));
	b = a;
	b.standby = true;
	assert_false(forward_list_has(&l, &b));
	forward_list_free(&l);
}

/* A server that rests goes on resting in a new list that has it. */
static void test_states_are_kept(void **state)
{
	static const struct forward_node v[] = {{.name = "a", .host = "a", .port = 1, .weight = 1},
		{.name = "b", .host = "b", .port = 1, .weight = 1}, {.name = "c", .host = "c", .port = 1, .weight = 1}};
	bool tried[2] = {0};
	size_t i;
	(void)state;
	struct forward_nodes *s = forward_nodes_new(v, 2, 1000, NULL);
	forward_nodes_failed(s, 1, 0);
	struct forward_nodes *held = forward_nodes_hold(s), *t = forward_nodes_new(v + 1, 2, 1000, s);
	forward_nodes_free(s);
	assert_string_equal(forward_nodes_at(held, 0)->name, "a");
	forward_nodes_free(held);
	for (int k = 0; k < 4; k++) {
		assert_true(forward_nodes_pick(t, tried, 1, &i));
		assert_string_equal(forward_nodes_at(t, i)->name, "c");
	}
	forward_nodes_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_states_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
