/* The readers of access logs without the engine against the expressions: whatever they decide, the expression decides the same. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "parse_util.h"

#include "base/utf8.h"
#include "parse/parse_access.h"

#define LINES 60000

static uint64_t seed = 1;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Mostly the first one, which is as it should be. */
static const char *pick(const char *const *from, size_t n)
{
	return from[next_random() % 8 ? 0 : next_random() % n];
}

#define PICK(...) pick((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* A line made of parts that are as they should be, or nearly so. */
static size_t make_line(char *line, size_t size)
{
	int n = snprintf(line, size, "%s %s%s%s [%s] \"%s%s%s%s%s\" %s %s%s%s%s",
		PICK("127.0.0.1", "::1", "-", "", "h ost"), PICK("-", "10.0.0.1", "x"), PICK(" ", " ", " ", "  ", ""),
		PICK("-", "frank", "a\"b", ""), PICK("28/Feb/2013:12:00:00 +0900", "", "x]y", "a b"),
		PICK("GET", "POST", "", "G\"T", "\\x16"), PICK(" ", " ", " ", "  ", "", "\t"),
		PICK("/", "/a b", "/a\"b", "/a\\\"b", "", "*", "/\xc3\xa4"), PICK(" ", " ", " ", "  ", "", " x "),
		PICK("HTTP/1.1", "HTTP/1.1", "", "H\"P", "HTTP/1.1\"", "HTTP/1.1 "), PICK("200", "-", "", "20 0"),
		PICK("777", "-", "", "7\"7"), PICK(" \"-\"", " \"http://r/?a=b\"", "", " \"\"", " \"r\\\"x\"", " r"),
		PICK(" \"Mozilla/5.0 (X11; Linux)\"", " \"-\"", " \"a\\\"b\"", "", " \"a", " \"\" "),
		PICK("", "", " \"1.2.3.4, 5.6.7.8\"", " 1.2.3.4", " -", " x \"y\"", "\n", " ", " \"", "\nGET"));
	size_t len = (size_t)n;
	/* One byte in some lines becomes another one. */
	if (len && next_random() % 8 == 0)
		line[next_random() % len] = *PICK("\"", " ", "\\", "[", "]", "\n", "\t", "x", "-");
	return len;
}

static void assert_same(const struct parser_room *fast, const struct capture *c, const struct capture_room *groups,
	struct span line, bool with_absent)
{
	size_t at = 0;
	for (size_t i = 0; i < capture_count(c); i++) {
		struct span want = capture_get(c, groups, line, i);
		if (!want.p && !with_absent)
			continue;
		assert_true(at < fast->fields_n);
		const struct field *f = &fast->fields[at++];
		struct span name = capture_name(c, i);
		assert_int_equal(f->key.n, name.n);
		assert_memory_equal(f->key.p, name.p, name.n);
		assert_int_equal(f->text.p == NULL, want.p == NULL);
		assert_int_equal(f->text.n, want.n);
		if (want.n)
			assert_memory_equal(f->text.p, want.p, want.n);
	}
	assert_int_equal(at, fast->fields_n);
}

static const char apache2_source[] =
	"^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \\[(?<time>[^\\]]*)\\] "
	"\"(?<method>\\S+)(?: +(?<path>(?:[^\\\"]|\\\\\")*?)(?: +\\S*)?)?\" (?<code>[^ ]*) (?<size>[^ ]*)"
	"(?: \"(?<referer>(?:[^\\\"]|\\\\\")*)\" \"(?<agent>(?:[^\\\"]|\\\\\")*)\")?$";

/* The default of the table, without its slashes. */
static struct span default_expression(const char *type)
{
	for (const struct conf_param *p = parser_type_schema(type)->params; p->name; p++)
		if (strcmp(p->name, "expression") == 0)
			return span_of(p->value + 1, strlen(p->value) - 2);
	return span_str(apache2_source);
}

static void as_the_expression(
	const char *type, enum access_result (*fast)(struct parser_room *, struct span), bool absent)
{
	struct err err;
	struct parser_room room;
	struct capture_room groups = {0};
	struct capture *c = capture_compile(default_expression(type), 0, &err);
	unsigned decided = 0, yes = 0;
	assert_non_null(c);
	parser_room_init(&room, 1 << 20);
	for (int i = 0; i < LINES; i++) {
		char text[1024];
		struct span line = span_of(text, make_line(text, sizeof text));
		if (!utf8_valid(line))
			continue;
		fields_start(&room);
		enum access_result r = fast(&room, line);
		if (r == ACCESS_UNSURE)
			continue;
		decided++;
		enum regexp_result want = capture_search(c, line, 0, &groups, NULL, NULL);
		if ((want == REGEXP_YES) != (r == ACCESS_YES))
			fail_msg("%s: %.*s: %d, the expression %d", type, (int)line.n, text, (int)r, (int)want);
		if (r != ACCESS_YES)
			continue;
		yes++;
		assert_same(&room, c, &groups, line, absent);
	}
	print_message("%s: %u of %d lines decided, %u match\n", type, decided, LINES, yes);
	assert_true(decided > LINES / 4 && yes > LINES / 50);
	parser_room_free(&room);
	capture_room_free(&groups);
	capture_free(c);
}

static void nginx(void **state)
{
	(void)state;
	as_the_expression("nginx", access_nginx, false);
}

static void apache(void **state)
{
	(void)state;
	as_the_expression("apache", access_apache, false);
}

static void apache2(void **state)
{
	(void)state;
	as_the_expression("apache2", access_apache2, true);
}

/* What servers really write never needs the engine. */
static void usual_lines_are_fast(void **state)
{
	static const char *const lines[] = {
		"10.0.0.1 - - [28/Feb/2013:12:00:00 +0900] \"GET /a?b=c HTTP/1.1\" 200 777",
		"10.0.0.1 - frank [28/Feb/2013:12:00:00 +0900] \"POST /a HTTP/2.0\" 404 - \"-\" \"curl/7.1 (x; y)\"",
		"2001:db8::1 - - [28/Feb/2013:12:00:00 +0900] \"GET / HTTP/1.1\" 200 0 \"http://r/\" \"Mozilla/5.0\"",
	};
	struct parser_room room;
	(void)state;
	parser_room_init(&room, 1 << 20);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		assert_int_equal(access_nginx(&room, span_str(lines[i])), ACCESS_YES);
		assert_int_equal(access_apache(&room, span_str(lines[i])), ACCESS_YES);
		assert_int_equal(access_apache2(&room, span_str(lines[i])), ACCESS_YES);
	}
	assert_int_equal(access_nginx(&room, SPAN_LIT("a - - [t] \"GET / HTTP/1.1\" 200 1 \"r\" \"a\" \"1.2.3.4\"")),
		ACCESS_YES);
	parser_room_free(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nginx),
		cmocka_unit_test(apache),
		cmocka_unit_test(apache2),
		cmocka_unit_test(usual_lines_are_fast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
