/*
 * Any bytes as the reply to a bulk request. What is taken for a reply must be one for jansson, too, and say the same
 * of each item.
 *
 * The first byte: how many items were sent, and whether by create.
 */
#include "elastic/bulk_reply.h"
#include "elastic/json_scan.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x)                                                              \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                \
		}                                                               \
	} while (0)

static void check_text(const char *s, size_t max)
{
	REQUIRE(strlen(s) < max && utf8_valid(span_str(s)));
}

/* The members of an item in jansson's view; the outcome must be theirs. */
static void check_item(const struct bulk_outcome *o, const json_t *item, bool create)
{
	const char *op;
	json_t *result;
	json_object_foreach((json_t *)(uintptr_t)item, op, result)
	{
		const json_t *error = json_object_get(result, "error");
		const json_int_t status = json_integer_value(json_object_get(result, "status"));
		REQUIRE(json_is_object(result) && status >= 0 && status <= 999);
		REQUIRE(bulk_verdict_of(o->status, NULL, create) == bulk_verdict_of((unsigned)status, NULL, create));
		REQUIRE((o->type != NULL) == (error != NULL));
		/* Longer texts are cut; what is no UTF-8 jansson has refused. */
		const json_t *type = json_object_get(error, "type");
		const char *text = json_string_value(type);
		if (text && json_string_length(type) < 64 && !memchr(text, 0, json_string_length(type)) && *o->type)
			REQUIRE(strcmp(text, o->type) == 0);
	}
}

/* Whether any object in it has a key twice: jansson keeps the last one then, weir the first of some. */
static bool has_duplicates(const uint8_t *p, size_t n)
{
	json_t *j = json_loadb((const char *)p, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	json_decref(j);
	return !j;
}

static void check_against_jansson(const struct bulk_reply *r, const uint8_t *p, size_t n, size_t count, bool create)
{
	json_error_t error;
	json_t *j = json_loadb((const char *)p, n, JSON_ALLOW_NUL, &error);
	/* Escapes of lone surrogates, UTF-8 and the size of numbers are none of json_scan.h's business. */
	const bool excused = strstr(error.text, "surrogate") || strstr(error.text, "decode byte") ||
			     strstr(error.text, "integer") || strstr(error.text, "real number") ||
			     strstr(error.text, "NUL byte") || strstr(error.text, "Unicode") ||
			     strstr(error.text, "invalid escape");
	if (!j && !excused) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
	const json_t *items = json_object_get(j, "items");
	if (items && !has_duplicates(p, n)) {
		REQUIRE(json_array_size(items) == count);
		for (size_t i = 0; i < count; i++)
			check_item(bulk_reply_item(r, i), json_array_get(items, i), create);
	}
	json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bulk_reply *r;
	struct err err = {.text = ""};
	char text[200];
	if (size < 1)
		return 0;
	if (!r)
		r = bulk_reply_new();
	const size_t count = data[0] >> 1, n = size - 1;
	const bool create = data[0] & 1;
	uint8_t *copy = mem_alloc(n);
	if (n)
		memcpy(copy, data + 1, n);
	if (bulk_reply_judge(r, span_of(copy, n), count, create, &err)) {
		bool all = true;
		for (size_t i = 0; i < count; i++) {
			const struct bulk_outcome *o = bulk_reply_item(r, i);
			all = all && o->verdict == BULK_DONE;
			if (o->type) {
				check_text(o->type, 128);
				check_text(o->reason, 1024);
			}
		}
		REQUIRE(all || !bulk_reply_all_done(r));
		check_against_jansson(r, copy, n, count, create);
	} else {
		REQUIRE(strlen(err.text) > 10);
	}
	bulk_error_text(span_of(copy, n), text, sizeof text);
	check_text(text, sizeof text);
	mem_free(copy);
	return 0;
}
