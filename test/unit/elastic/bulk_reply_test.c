#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "elastic/bulk_reply.h"

#include "../record/bytes_util.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdio.h>

static bool judge(struct bulk_reply *r, const char *body, size_t n, size_t count, bool create, struct err *err)
{
	struct span s = exact_copy(body, n);
	const bool good = bulk_reply_judge(r, s, count, create, err);
	exact_free(s); /* outcomes must not point into the body */
	return good;
}

/* ---- verdicts ---- */

static void test_verdicts(void **state)
{
	(void)state;
	static const struct {
		unsigned status;
		const char *type;
		enum bulk_verdict create, other;
	} rows[] = {
		{200, NULL, BULK_DONE, BULK_DONE},
		{201, NULL, BULK_DONE, BULK_DONE},
		{409, "version_conflict_engine_exception", BULK_DUPLICATE, BULK_RETRY},
		{429, "es_rejected_execution_exception", BULK_RETRY, BULK_RETRY},
		{429, "circuit_breaking_exception", BULK_RETRY, BULK_RETRY},
		{429, "cluster_block_exception", BULK_RETRY, BULK_RETRY},
		{500, NULL, BULK_RETRY, BULK_RETRY},
		{502, NULL, BULK_RETRY, BULK_RETRY},
		{503, "unavailable_shards_exception", BULK_RETRY, BULK_RETRY},
		{504, NULL, BULK_RETRY, BULK_RETRY},
		{599, NULL, BULK_RETRY, BULK_RETRY},
		{408, NULL, BULK_RETRY, BULK_RETRY},
		{0, NULL, BULK_RETRY, BULK_RETRY},
		{302, NULL, BULK_RETRY, BULK_RETRY},
		{403, "cluster_block_exception", BULK_HOLD, BULK_HOLD},
		{403, "security_exception", BULK_HOLD, BULK_HOLD},
		{401, "security_exception", BULK_HOLD, BULK_HOLD},
		{400, "index_closed_exception", BULK_HOLD, BULK_HOLD},
		{404, "index_not_found_exception", BULK_HOLD, BULK_HOLD},
		{404, "document_missing_exception", BULK_REJECT, BULK_REJECT},
		{400, "mapper_parsing_exception", BULK_REJECT, BULK_REJECT},
		{400, "document_parsing_exception", BULK_REJECT, BULK_REJECT},
		{400, "illegal_argument_exception", BULK_REJECT, BULK_REJECT},
		{400, "strict_dynamic_mapping_exception", BULK_REJECT, BULK_REJECT},
		{400, "invalid_index_name_exception", BULK_REJECT, BULK_REJECT},
		{400, NULL, BULK_REJECT, BULK_REJECT},
		{413, NULL, BULK_REJECT, BULK_REJECT},
		{418, NULL, BULK_REJECT, BULK_REJECT},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(bulk_verdict_of(rows[i].status, rows[i].type, true), rows[i].create);
		assert_int_equal(bulk_verdict_of(rows[i].status, rows[i].type, false), rows[i].other);
	}
}

/* ---- replies as the servers gave them ---- */

/* OpenSearch 2.19 */
static const char os_ok[] =
	"{\"took\":34,\"errors\":false,\"items\":[{\"create\":{\"status\":201}},{\"create\":{\"status\":201}}]}";
static const char os_mixed[] = "{\"took\":7,\"errors\":true,\"items\":[{\"create\":{\"status\":409,\"error\":{\"type\":"
			       "\"version_conflict_engine_exception\","
			       "\"reason\":\"[1]: version conflict, document already exists (current version "
			       "[1])\",\"index\":\"m1\",\"shard\":\"0\","
			       "\"index_uuid\":\"i7gJkmoqQSesQX5sWPh2Zw\"}}},{\"create\":{\"status\":400,\"error\":{"
			       "\"type\":\"mapper_parsing_exception\","
			       "\"reason\":\"failed to parse field [n] of type [long] in document with id '3'. Preview "
			       "of field's value: 'abc'\",\"caused_by\":"
			       "{\"type\":\"illegal_argument_exception\",\"reason\":\"For input string: "
			       "\\\"abc\\\"\"}}}},{\"create\":{\"status\":201}}]}";
/* Elasticsearch 8.19 */
static const char es_ok[] =
	"{\"errors\":false,\"took\":204,\"items\":[{\"create\":{\"status\":201}},{\"create\":{\"status\":201}}]}";
static const char es_mixed[] = "{\"errors\":true,\"took\":0,\"items\":[{\"create\":{\"status\":409,\"error\":{\"type\":"
			       "\"version_conflict_engine_exception\","
			       "\"reason\":\"[1]: version conflict, document already exists (current version "
			       "[1])\",\"index_uuid\":\"49mEOCAjTFiOQHQIlPEmrA\","
			       "\"shard\":\"0\",\"index\":\"m1\"}}},{\"create\":{\"status\":400,\"error\":{\"type\":"
			       "\"document_parsing_exception\",\"reason\":"
			       "\"[1:6] failed to parse field [n] of type [long] in document with id '3'. Preview of "
			       "field's value: 'abc'\",\"caused_by\":{"
			       "\"type\":\"illegal_argument_exception\",\"reason\":\"For input string: "
			       "\\\"abc\\\"\"}}}},{\"create\":{\"status\":201}}]}";
static const char es_nested[] = "{\"errors\":true,\"took\":200,\"items\":[{\"create\":{\"status\":400,\"error\":{"
				"\"type\":\"document_parsing_exception\",\"reason\":"
				"\"[1:6] failed to parse: [1:11] Duplicate field 'a'\\n at [Source: "
				"(byte[])\\\"{\\\"a\\\":1,\\\"a\\\":2}\\\"; line: 1, column: "
				"11]\",\"caused_by\":{\"type\":\"x_content_parse_exception\",\"reason\":\"[1:11] "
				"Duplicate field 'a'\",\"caused_by\":{\"type\":"
				"\"json_parse_exception\",\"reason\":\"Duplicate field 'a'\"}}}}}]}";
/* Without filter_path. */
static const char os_whole[] =
	"{\"took\":3,\"errors\":false,\"items\":[{\"create\":{\"_index\":\"m1\",\"_id\":\"77\",\"_version\":1,"
	"\"result\":"
	"\"created\",\"_shards\":{\"total\":2,\"successful\":1,\"failed\":0},\"_seq_no\":3,\"_primary_term\":1,"
	"\"status\":201}}]}";

static void assert_item(const struct bulk_reply *r, size_t i, enum bulk_verdict verdict, unsigned status,
	const char *type, const char *reason)
{
	const struct bulk_outcome *o = bulk_reply_item(r, i);
	assert_int_equal(o->verdict, verdict);
	assert_int_equal(o->status, status);
	if (!type) {
		assert_null(o->type);
		return;
	}
	assert_string_equal(o->type, type);
	assert_string_equal(o->reason, reason);
}

static void test_real_replies(void **state)
{
	(void)state;
	struct bulk_reply *r = bulk_reply_new();
	struct err err;
	assert_true(judge(r, os_ok, strlen(os_ok), 2, true, &err));
	assert_true(bulk_reply_all_done(r));
	assert_item(r, 0, BULK_DONE, 201, NULL, NULL);
	assert_item(r, 1, BULK_DONE, 201, NULL, NULL);
	assert_true(judge(r, es_ok, strlen(es_ok), 2, true, &err));
	assert_true(bulk_reply_all_done(r));
	assert_true(judge(r, os_whole, strlen(os_whole), 1, true, &err));
	assert_true(bulk_reply_all_done(r));
	assert_item(r, 0, BULK_DONE, 201, NULL, NULL);

	static const char conflict[] = "[1]: version conflict, document already exists (current version [1])";
	assert_true(judge(r, os_mixed, strlen(os_mixed), 3, true, &err));
	assert_false(bulk_reply_all_done(r));
	assert_item(r, 0, BULK_DUPLICATE, 409, "version_conflict_engine_exception", conflict);
	assert_item(r, 1, BULK_REJECT, 400, "mapper_parsing_exception",
		"failed to parse field [n] of type [long] in document with id '3'. Preview of field's value: 'abc'; "
		"caused by "
		"illegal_argument_exception: For input string: \"abc\"");
	assert_item(r, 2, BULK_DONE, 201, NULL, NULL);
	assert_true(judge(r, es_mixed, strlen(es_mixed), 3, false, &err));
	assert_item(r, 0, BULK_RETRY, 409, "version_conflict_engine_exception", conflict);
	assert_item(r, 1, BULK_REJECT, 400, "document_parsing_exception",
		"[1:6] failed to parse field [n] of type [long] in document with id '3'. Preview of field's value: "
		"'abc'; caused by "
		"illegal_argument_exception: For input string: \"abc\"");
	assert_item(r, 2, BULK_DONE, 201, NULL, NULL);
	assert_true(judge(r, es_nested, strlen(es_nested), 1, true, &err));
	assert_item(r, 0, BULK_REJECT, 400, "document_parsing_exception",
		"[1:6] failed to parse: [1:11] Duplicate field 'a'\n at [Source: (byte[])\"{\"a\":1,\"a\":2}\"; line: "
		"1, column: 11]; "
		"caused by x_content_parse_exception: [1:11] Duplicate field 'a'; caused by json_parse_exception: "
		"Duplicate field 'a'");
	bulk_reply_free(r);
	bulk_reply_free(NULL);
}

static void judge_one(struct bulk_reply *r, const char *result)
{
	char body[4096];
	struct err err;
	snprintf(body, sizeof body, "{\"took\":1,\"errors\":true,\"items\":[{\"create\":%s}]}", result);
	if (!judge(r, body, strlen(body), 1, true, &err))
		fail_msg("%s: %s", result, err.text);
}

/* Statuses 400 that an operator mends: nothing of them becomes a dead letter. */
static void test_configuration_is_held(void **state)
{
	(void)state;
	static const struct {
		const char *type, *reason;
		enum bulk_verdict verdict;
	} rows[] = {
		{"illegal_argument_exception", "Document ID is not supported in create/index operation request",
			BULK_HOLD},
		{"validation_exception",
			"Validation Failed: 1: this action would add [2] total shards, but this cluster currently has "
			"[12]/[1] maximum "
			"shards open;",
			BULK_HOLD},
		{"validation_exception",
			"Validation Failed: 1: this action would add [2] shards, but this cluster currently has "
			"[12]/[1] maximum "
			"normal shards open; for more information, see https://www.elastic.co/guide/",
			BULK_HOLD},
		{"illegal_argument_exception",
			"no write index is defined for alias [al]. The write index may be explicitly disabled using "
			"is_write_index=false",
			BULK_HOLD},
		{"illegal_argument_exception", "only write ops with an op_type of create are allowed in data streams",
			BULK_HOLD},
		{"illegal_argument_exception", "pipeline with id [nope] does not exist", BULK_HOLD},
		{"index_closed_exception", "closed", BULK_HOLD},
		{"illegal_argument_exception", "Limit of total fields [2] has been exceeded", BULK_REJECT},
		{"invalid_index_name_exception", "Invalid index name [BAD], must be lowercase", BULK_REJECT},
		{"illegal_argument_exception", "if _id is specified it must not be empty", BULK_REJECT},
	};
	struct bulk_reply *r = bulk_reply_new();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char result[1024];
		snprintf(result, sizeof result, "{\"status\":400,\"error\":{\"type\":\"%s\",\"reason\":\"%s\"}}",
			rows[i].type, rows[i].reason);
		judge_one(r, result);
		assert_item(r, 0, rows[i].verdict, 400, rows[i].type, rows[i].reason);
	}
	bulk_reply_free(r);
}

static void test_forms_of_errors(void **state)
{
	(void)state;
	struct bulk_reply *r = bulk_reply_new();
	judge_one(r, "{\"error\":\"MapperParsingException[x]\",\"status\":400}");
	assert_item(r, 0, BULK_REJECT, 400, "", "MapperParsingException[x]");
	judge_one(r, "{\"status\":400,\"error\":null}");
	assert_item(r, 0, BULK_REJECT, 400, "", "");
	judge_one(r, "{\"status\":400,\"error\":{}}");
	assert_item(r, 0, BULK_REJECT, 400, "", "");
	judge_one(r, "{\"status\":400,\"error\":{\"caused_by\":{\"reason\":\"b\",\"type\":\"a\"},\"reason\":null,"
		     "\"type\":7}}");
	assert_item(r, 0, BULK_REJECT, 400, "", "caused by a: b");
	judge_one(r, "{\"status\":400,\"error\":{\"reason\":\"r\",\"caused_by\":{\"type\":\"t\"},\"root_cause\":[{"
		     "\"type\":\"x\"}],\"type\":\"y\"}}");
	assert_item(r, 0, BULK_REJECT, 400, "y", "r; caused by t");
	judge_one(r, "{\"status\":503}");
	assert_item(r, 0, BULK_RETRY, 503, NULL, NULL);
	judge_one(r, "{ \"status\" : 429 , \"error\" : { \"type\" : \"es_rejected_execution_exception\" , \"reason\" : "
		     "\"\\u0000\\ud83d\\ude00"
		     "\\ud83d\\u00e9\\/\\n\xff\" } }");
	assert_item(r, 0, BULK_RETRY, 429, "es_rejected_execution_exception",
		"\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd\xc3\xa9/\n\xef\xbf\xbd");
	/* Five causes deep: four are kept. */
	judge_one(r, "{\"status\":400,\"error\":{\"type\":\"0\",\"caused_by\":{\"type\":\"1\",\"caused_by\":{\"type\":"
		     "\"2\",\"caused_by\":{"
		     "\"type\":\"3\",\"caused_by\":{\"type\":\"4\"}}}}}}");
	assert_item(r, 0, BULK_REJECT, 400, "0", "caused by 1; caused by 2; caused by 3");
	bulk_reply_free(r);
}

static void test_failure_store(void **state)
{
	(void)state;
	static const char body[] =
		"{\"errors\":false,\"items\":[{\"create\":{\"status\":201}},{\"create\":{\"failure_store\":\"used\","
		"\"status\":"
		"201}},{\"create\":{\"status\":201,\"failure_store\":\"not_enabled\"}},{\"create\":{\"status\":201}}]}";
	struct bulk_reply *r = bulk_reply_new();
	struct err err;
	assert_true(judge(r, body, strlen(body), 4, true, &err));
	assert_false(bulk_reply_all_done(r));
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(bulk_reply_item(r, i)->verdict, BULK_DONE);
		assert_int_equal(bulk_reply_item(r, i)->failure_store, i == 1);
	}
	bulk_reply_free(r);
}

/* ---- replies that say nothing ---- */

static void test_cut_anywhere(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		size_t count;
	} rows[] = {{os_ok, 2}, {os_mixed, 3}, {es_ok, 2}, {es_mixed, 3}, {es_nested, 1}, {os_whole, 1}};
	struct bulk_reply *r = bulk_reply_new();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t n = 0; n < strlen(rows[i].body); n++) {
			struct err err = {.text = ""};
			if (judge(r, rows[i].body, n, rows[i].count, true, &err))
				fail_msg("%zu: %.*s", n, (int)n, rows[i].body);
			assert_true(strlen(err.text) > 10);
		}
	bulk_reply_free(r);
}

static void test_wrong_counts(void **state)
{
	(void)state;
	struct bulk_reply *r = bulk_reply_new();
	struct err err;
	assert_false(judge(r, os_ok, strlen(os_ok), 1, true, &err));
	assert_false(judge(r, os_ok, strlen(os_ok), 3, true, &err));
	assert_non_null(strstr(err.text, "2 items for the 3"));
	assert_false(judge(r, os_mixed, strlen(os_mixed), 2, true, &err));
	assert_false(judge(r, os_mixed, strlen(os_mixed), 4, true, &err));
	assert_false(judge(r, "{\"errors\":true}", 15, 1, true, &err));
	assert_non_null(strstr(err.text, "no items"));
	assert_false(judge(r, "{\"errors\":false,\"items\":[]}", 27, 1, true, &err));
	assert_false(judge(r, "{}", 2, 1, true, &err));
	/* Servers that only resemble Elasticsearch leave the items out. */
	assert_true(judge(r, "{\"took\":1,\"errors\":false}", 25, 1000, true, &err));
	assert_true(bulk_reply_all_done(r));
	assert_item(r, 999, BULK_DONE, 200, NULL, NULL);
	bulk_reply_free(r);
}

static void test_no_replies(void **state)
{
	(void)state;
	static const char *const rows[] = {"", " ", "null", "[]", "\"x\"", "{\"errors\":false", "{\"errors\":false}}",
		"{\"errors\":false} x", "<html><head><title>502 Bad Gateway</title></head></html>",
		"{\"errors\":false,}", "{errors:false}", "{\"errors\" false}",
		"{\"errors\":false,\"items\":[{\"create\":{\"status\":201}},]}", "{\"errors\":false,\"items\":{}}",
		"{\"errors\":false,\"items\":[{}]}", "{\"errors\":false,\"items\":[{\"create\":{}}]}",
		"{\"errors\":false,\"items\":[7]}", "{\"errors\":false,\"items\":[{\"create\":{\"status\":\"201\"}}]}",
		"{\"errors\":false,\"items\":[{\"create\":{\"status\":2010}}]}",
		"{\"errors\":false,\"items\":[{\"create\":{\"status\":20x}}]}",
		"{\"errors\":false,\"items\":[{\"create\":{\"status\":201}}",
		"{\"errors\":false,\"x\":01,\"items\":[{\"create\":{\"status\":201}}]}",
		"{\"errors\":false,\"x\":\"\\q\",\"items\":[]}", "{\"errors\":false,\"x\":\"\n\"}",
		"{\"errors\":false,\"x\":tru}", "{\"errors\":false,\"x\":-}", "{\"errors\":false,\"x\":1.}",
		"{\"errors\":false,\"x\":1e}", "{\"errors\":false,\"x\":[}]}", "{\"errors\":false,\"x\":{\"a\"}}",
		"{\"errors\":false,\"x\":[1,,2]}"};
	struct bulk_reply *r = bulk_reply_new();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err err = {.text = ""};
		if (judge(r, rows[i], strlen(rows[i]), 1, true, &err))
			fail_msg("%s", rows[i]);
		assert_true(strlen(err.text) > 10);
	}
	struct err err;
	static const char html[] = "<html>\r\n<title>502 \xff</title>";
	assert_false(judge(r, html, strlen(html), 1, true, &err));
	assert_non_null(strstr(err.text, "'<html>  <title>502  </title>'"));
	bulk_reply_free(r);
}

/* Nesting of any depth is no recursion. */
static void test_deep_replies(void **state)
{
	(void)state;
	struct bulk_reply *r = bulk_reply_new();
	for (size_t depth = 200; depth < 100000; depth = depth * 3 + 1) {
		struct buf b;
		struct err err;
		buf_init(&b, 1 << 24);
		buf_put_str(&b, "{\"x\":");
		for (size_t i = 0; i < depth; i++)
			buf_put_str(&b, i % 2 ? "[" : "{\"a\":");
		buf_put_byte(&b, '1');
		for (size_t i = depth; i-- > 0;)
			buf_put_byte(&b, i % 2 ? ']' : '}');
		buf_put_str(&b, ",\"errors\":false}");
		assert_int_equal(judge(r, (char *)b.p, b.n, 5, true, &err), depth <= 256);
		buf_free(&b);
	}
	bulk_reply_free(r);
}

/* ---- large ones ---- */

static void test_many_items(void **state)
{
	(void)state;
	struct bulk_reply *r = bulk_reply_new();
	struct random rnd = {5};
	for (int round = 0; round < 40; round++) {
		const size_t count = 1 + random_below(&rnd, 3000);
		const unsigned odd = random_below(&rnd, 2) ? 1 + random_below(&rnd, 200) : 0;
		enum bulk_verdict *want = mem_array(count, sizeof *want);
		struct buf b;
		struct err err;
		bool all = true;
		buf_init(&b, 1 << 24);
		buf_put_str(&b, "{\"took\":3,\"items\":[");
		for (size_t i = 0; i < count; i++) {
			buf_put_str(&b, i ? round % 2 ? ", " : "," : "");
			if (odd && random_below(&rnd, odd) == 0) {
				static const unsigned statuses[] = {200, 409, 429, 503, 400, 403};
				static const enum bulk_verdict verdicts[] = {
					BULK_DONE, BULK_DUPLICATE, BULK_RETRY, BULK_RETRY, BULK_REJECT, BULK_HOLD};
				const unsigned k = random_below(&rnd, 6);
				buf_printf(&b,
					"{\"create\":{\"error\":{\"type\":\"t%u\",\"reason\":\"r%u\"},\"status\":%u}}",
					k, random_below(&rnd, 3), statuses[k]);
				want[i] = verdicts[k];
				all = false;
			} else {
				buf_printf(&b, "{\"create\":{\"status\":%s}}", random_below(&rnd, 50) ? "201" : "200");
				want[i] = BULK_DONE;
			}
		}
		buf_printf(&b, "],\"errors\":%s}", all ? "false" : "true");
		if (!judge(r, (char *)b.p, b.n, count, true, &err))
			fail_msg("%s", err.text);
		assert_int_equal(bulk_reply_all_done(r), all);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(bulk_reply_item(r, i)->verdict, want[i]);
		assert_false(judge(r, (char *)b.p, b.n, count + 1, true, &err));
		assert_false(judge(r, (char *)b.p, b.n - 1, count, true, &err));
		mem_free(want);
		buf_free(&b);
	}
	bulk_reply_free(r);
}

/* What is kept of reasons is bounded for each and for all. */
static void test_long_reasons(void **state)
{
	(void)state;
	struct bulk_reply *r = bulk_reply_new();
	struct buf b;
	struct err err;
	const size_t count = 20000;
	buf_init(&b, 1 << 28);
	buf_put_str(&b, "{\"errors\":true,\"items\":[");
	for (size_t i = 0; i < count; i++)
		buf_printf(&b,
			"%s{\"index\":{\"status\":400,\"error\":{\"type\":\"%0300d\",\"reason\":\"%05zu "
			"\xe6\x97\xa5%02000d\"}}}",
			i ? "," : "", 1, i, 2);
	buf_put_str(&b, "]}");
	assert_true(judge(r, (char *)b.p, b.n, count, false, &err));
	for (size_t i = 0; i < count; i++) {
		const struct bulk_outcome *o = bulk_reply_item(r, i);
		char want[16];
		assert_int_equal(o->verdict, BULK_REJECT);
		assert_true(strlen(o->type) < 128);
		assert_true(strlen(o->reason) < 1024);
		assert_true(utf8_valid(span_str(o->reason)));
		snprintf(want, sizeof want, "%05zu", i);
		assert_true(strncmp(o->reason, want, 5) == 0 || strncmp(o->reason, "(too many", 9) == 0);
	}
	assert_true(strncmp(bulk_reply_item(r, count - 1)->reason, "(too many", 9) == 0);
	buf_free(&b);
	bulk_reply_free(r);
}

static void test_no_memory(void **state)
{
	(void)state;
	struct bulk_reply *r = bulk_reply_new();
	struct err err;
	struct span body = exact_copy(es_mixed, strlen(es_mixed));
	for (long nth = 1; nth < 8; nth++) {
		mem_fail_at(nth);
		bool good = bulk_reply_judge(r, body, 3, true, &err);
		mem_fail_at(0);
		if (good)
			assert_item(r, 2, BULK_DONE, 201, NULL, NULL);
	}
	exact_free(body);
	bulk_reply_free(r);
}

/* ---- other replies ---- */

static void test_error_text(void **state)
{
	(void)state;
	static const struct {
		const char *body, *want;
	} rows[] = {
		{"{\"error\":{\"root_cause\":[{\"type\":\"a\",\"reason\":\"b\"}],\"type\":\"illegal_argument_"
		 "exception\",\"reason\":\"Malformed "
		 "action/metadata line [3]\"},\"status\":400}",
			"illegal_argument_exception: Malformed action/metadata line [3]"},
		{"{\"error\":{\"type\":\"t\",\"reason\":\"r\",\"caused_by\":{\"type\":\"u\",\"reason\":\"s\"}},"
		 "\"status\":400}",
			"t: r; caused by u: s"},
		{"{\"error\":{\"type\":\"t\"},\"status\":400}", "t"},
		{"{\"error\":{\"reason\":\"r\"}}", "r"},
		{"{\"status\":503,\"error\":\"unavailable\"}", "unavailable"},
		{"{\"message\":\"Request size exceeded 10485760 bytes\"}", "Request size exceeded 10485760 bytes"},
		{"{\"Message\":\"User: anonymous is not authorized\"}", "User: anonymous is not authorized"},
		{"{\"error\":{\"type\":\"t\",\"reason\":\"cut", ""},
		{"{\"ok\":true}", ""},
		{"<html>", ""},
		{"", ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char out[256];
		struct span body = exact_copy(rows[i].body, strlen(rows[i].body));
		memset(out, 'x', sizeof out);
		bulk_error_text(body, out, sizeof out);
		assert_string_equal(out, rows[i].want);
		for (size_t size = 1; size < 12; size++) {
			char *small = mem_alloc(size);
			bulk_error_text(body, small, size);
			assert_true(strlen(small) < size);
			assert_memory_equal(small, rows[i].want, strlen(small));
			mem_free(small);
		}
		exact_free(body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_real_replies),
		cmocka_unit_test(test_configuration_is_held),
		cmocka_unit_test(test_forms_of_errors),
		cmocka_unit_test(test_failure_store),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_wrong_counts),
		cmocka_unit_test(test_no_replies),
		cmocka_unit_test(test_deep_replies),
		cmocka_unit_test(test_many_items),
		cmocka_unit_test(test_long_reasons),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_error_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
