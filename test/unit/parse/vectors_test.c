/* Texts and what fluentd 1.19.3's parsers made of them, with the machine's zone at UTC and the time of now at PARSE_NOW. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "parse_util.h"

#include <jansson.h>

#define COUNT 1933

static json_t *vectors;

static struct span unhex(const char *hex, uint8_t *to)
{
	size_t n = strlen(hex) / 2;
	for (size_t i = 0; i < n; i++) {
		unsigned v;
		sscanf(hex + 2 * i, "%2x", &v);
		to[i] = (uint8_t)v;
	}
	return span_of(to, n);
}

static json_t *run(const json_t *vector)
{
	uint8_t bytes[4096];
	const char *hex = json_string_value(json_object_get(vector, "hex"));
	const json_t *text = json_object_get(vector, "text");
	struct span input = hex ? unhex(hex, bytes) : span_of(json_string_value(text), json_string_length(text));
	char *section = mem_printf("<parse>\n%s</parse>\n", json_string_value(json_object_get(vector, "parse")));
	struct made_parser m;
	make_parser(&m, section, NULL);
	char *got = m.parser ? parse_all(m.parser, input) : mem_strdup("[\"CONF\"]");
	char *list = mem_printf("[%s]", got);
	json_t *result = json_loads(list, 0, NULL);
	mem_free(list);
	mem_free(got);
	free_parser(&m);
	mem_free(section);
	return result;
}

static void as_fluentd(void **state)
{
	size_t i, bad = 0;
	json_t *vector;
	(void)state;
	json_array_foreach(vectors, i, vector)
	{
		json_t *got = run(vector);
		if (!got || !json_equal(got, json_object_get(vector, "want"))) {
			char *v = json_dumps(vector, 0), *g = got ? json_dumps(got, 0) : NULL;
			print_error("%zu: %s\n   got %s\n", i, v, g ? g : "no JSON");
			free(v);
			free(g);
			bad++;
		}
		json_decref(got);
	}
	assert_int_equal(bad, 0);
	assert_int_equal(json_array_size(vectors), COUNT);
}

static int load(void **state)
{
	json_error_t e;
	(void)state;
	setenv("TZ", "UTC", 1);
	vectors = json_load_file("test/vectors/parsers.json", 0, &e);
	if (!vectors)
		print_error("test/vectors/parsers.json: %s (run this from the top of the source tree)\n", e.text);
	return vectors ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	json_decref(vectors);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(as_fluentd)};
	return cmocka_run_group_tests(tests, load, unload);
}
