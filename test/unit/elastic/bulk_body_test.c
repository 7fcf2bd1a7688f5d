#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "elastic/bulk_body.h"

#include "../record/json_reference.h"
#include "../record/random_msgpack.h"
#include "base/mem.h"
#include "elastic/doc_id.h"
#include "record/json_get.h"
#include "record/record_path.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

#define RECEIVED INT64_C(1700009999123456789)

static const uint8_t frame_key[] = "0123456789ab";

/* ---- making frames ---- */

struct made {
	struct buf entries;
	struct span exact;
	struct frame_view view;
};

static void frame_begin(struct made *f, const char *tag)
{
	*f = (struct made){0};
	buf_init(&f->entries, (size_t)1 << 28);
	f->view = (struct frame_view){
		.offset = 64, .type = FRAME_DATA, .received_ns = RECEIVED, .key = frame_key, .tag = span_str(tag)};
}

static void frame_raw(struct made *f, const void *p, size_t n)
{
	buf_put(&f->entries, p, n);
	f->view.count++;
}

static void frame_add(struct made *f, uint32_t sec, uint32_t nsec, struct span record)
{
	uint8_t head[11] = {0x92, 0xd7, 0};
	be32_put(head + 3, sec);
	be32_put(head + 7, nsec);
	buf_put(&f->entries, head, sizeof head);
	buf_put_span(&f->entries, record);
	f->view.count++;
}

static void put_json(struct buf *out, const char *json)
{
	const uint8_t *p = (const uint8_t *)json, *end = p + strlen(json);
	assert_int_equal(json_get(&p, end, 64, out, NULL), JSON_OK);
}

static void frame_json(struct made *f, uint32_t sec, uint32_t nsec, const char *json)
{
	struct buf b;
	buf_init(&b, 1 << 24);
	put_json(&b, json);
	frame_add(f, sec, nsec, buf_span(&b));
	buf_free(&b);
}

/* The entries lie in a block of exactly their size from here on. */
static const struct frame_view *frame_end(struct made *f)
{
	exact_free(f->exact);
	f->exact = exact_copy(f->entries.p, f->entries.n);
	f->view.entries = f->exact;
	return &f->view;
}

static void frame_free_all(struct made *f)
{
	exact_free(f->exact);
	buf_free(&f->entries);
}

/* ---- options ---- */

struct setup {
	struct bulk_options o;
	struct name_template *names[8];
	struct record_path *paths[16];
	const struct record_path *removals[8];
	size_t name_count, path_count, removal_count;
};

static const struct name_template *name(struct setup *s, const char *text)
{
	struct err err;
	struct name_template *t = name_template_compile(text, true, &err);
	assert_non_null(t);
	s->names[s->name_count++] = t;
	return t;
}

static const struct record_path *path(struct setup *s, const char *text)
{
	struct err err;
	struct record_path *p = record_path_compile_dotted(text, &err);
	assert_non_null(p);
	s->paths[s->path_count++] = p;
	return p;
}

static void remove_key(struct setup *s, const char *text)
{
	s->removals[s->removal_count++] = path(s, text);
	s->o.remove_keys = s->removals;
}

static struct setup plain(const char *index)
{
	struct setup s = {.o = {.utc_index = true,
				  .auto_id = true,
				  .time_precision = 9,
				  .flatten_separator = "_",
				  .body_limit = 5 << 20,
				  .record_limit = 10 << 20}};
	if (index)
		s.o.index = name(&s, index);
	return s;
}

static struct setup logstash(void)
{
	struct setup s = plain(NULL);
	s.o.logstash_format = s.o.timestamp = true;
	s.o.prefix = name(&s, "logstash");
	s.o.separator = "-";
	s.o.date = name(&s, "%Y.%m.%d");
	return s;
}

static void setup_free(struct setup *s)
{
	for (size_t i = 0; i < s->name_count; i++)
		name_template_free(s->names[i]);
	for (size_t i = 0; i < s->path_count; i++)
		record_path_free(s->paths[i]);
}

/* ---- what was rejected ---- */

struct rejects {
	size_t n;
	uint32_t index[64];
	size_t len[64];
	char reason[64][120];
};

static void on_reject(void *arg, const struct frame_view *f, uint32_t index, struct span entry, const char *reason)
{
	struct rejects *r = arg;
	(void)f;
	assert_true(r->n < 64);
	r->index[r->n] = index;
	r->len[r->n] = entry.n;
	snprintf(r->reason[r->n++], sizeof *r->reason, "%s", reason);
}

static struct bulk_body *body_new(const struct setup *s, struct rejects *r)
{
	struct bulk_body *b = bulk_body_new(&s->o);
	memset(r, 0, sizeof *r);
	bulk_body_on_reject(b, on_reject, r);
	return b;
}

/* All of the frames in one body: the text and the index of the URL. */
static void assert_body(
	struct setup *s, struct made *frames, size_t n, const char *index, const char *want, const char *rejected)
{
	struct rejects r;
	struct bulk_body *b = body_new(s, &r);
	uint32_t next;
	for (int round = 0; round < 2; round++) { /* nothing of a body may be left in the next */
		memset(&r, 0, sizeof r);
		for (size_t i = 0; i < n; i++) {
			frames[i].view.offset = 64 + i;
			assert_int_equal(bulk_body_add(b, frame_end(&frames[i]), 0, UINT32_MAX, &next), BULK_ADDED);
			assert_int_equal(next, frames[i].view.count);
		}
		struct span got = bulk_body_bytes(b);
		if (!span_is(got, want)) {
			size_t same = 0; /* a message of cmocka's is cut at 1 KiB */
			while (same < got.n && got.p[same] == (uint8_t)want[same])
				same++;
			same = same < 40 ? 0 : same - 40;
			fail_msg("round %d: ...%.*s\nnot\n...%.400s", round,
				(int)(got.n - same < 400 ? got.n - same : 400), (const char *)got.p + same,
				want + same);
		}
		struct span url = bulk_body_index(b);
		if (!span_is(url, index))
			fail_msg("index %.*s, not %s", (int)url.n, (const char *)url.p, index);
		assert_int_equal(r.n, rejected ? 1 : 0);
		if (rejected && !strstr(r.reason[0], rejected))
			fail_msg("%s, not %s", r.reason[0], rejected);
		bulk_body_clear(b);
		assert_int_equal(bulk_body_index(b).n, 0);
	}
	bulk_body_free(b);
	for (size_t i = 0; i < n; i++)
		frame_free_all(&frames[i]);
	setup_free(s);
}

static void assert_one(struct setup *s, struct made *f, const char *index, const char *want)
{
	assert_body(s, f, 1, index, want, NULL);
}

/*
 * ---- the recorded cases of fluent-plugin-elasticsearch 6.0.0, with weir's operation, Z for +00:00 and the index in
 * the URL ----
 */

static void test_plain_index(void **state)
{
	(void)state;
	struct made f;
	struct setup s = plain("fluentd"); /* no @timestamp */
	frame_begin(&f, "app.Web");
	frame_json(&f, 1700000000, 123456789, "{\"a\":1,\"log\":\"x\"}");
	assert_one(&s, &f, "fluentd", "{\"create\":{}}\n{\"a\":1,\"log\":\"x\"}\n");
	s = plain("MyIndex");
	frame_begin(&f, "app.Web");
	frame_json(&f, 1700000000, 0, "{}");
	assert_one(&s, &f, "myindex", "{\"create\":{}}\n{}\n");
	s = plain("fluentd");
	s.o.timestamp = true; /* include_timestamp */
	frame_begin(&f, "app.Web");
	frame_json(&f, 1700000000, 123456789, "{\"a\":1}");
	assert_one(&s, &f, "fluentd", "{\"create\":{}}\n{\"a\":1,\"@timestamp\":\"2023-11-14T22:13:20.123456789Z\"}\n");
}

static void test_logstash_format(void **state)
{
	(void)state;
	struct made f[3];
	struct setup s = logstash();
	frame_begin(&f[0], "app.Web");
	frame_json(&f[0], 1700000000, 0, "{\"a\":1,\"log\":\"x\"}");
	frame_json(&f[0], 1700000000, 123456789, "{\"a\":1,\"log\":\"x\"}");
	frame_begin(&f[1], "other");
	frame_json(&f[1], 1700086400, 0, "{\"b\":2}");
	frame_begin(&f[2], "app.Web");
	frame_json(&f[2], 1700000001, 0, "{}");
	assert_body(&s, f, 3, "logstash-2023.11.14",
		"{\"create\":{}}\n"
		"{\"a\":1,\"log\":\"x\",\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\"}\n"
		"{\"create\":{}}\n"
		"{\"a\":1,\"log\":\"x\",\"@timestamp\":\"2023-11-14T22:13:20.123456789Z\"}\n"
		"{\"create\":{\"_index\":\"logstash-2023.11.15\"}}\n"
		"{\"b\":2,\"@timestamp\":\"2023-11-15T22:13:20.000000000Z\"}\n"
		"{\"create\":{}}\n"
		"{\"@timestamp\":\"2023-11-14T22:13:21.000000000Z\"}\n",
		NULL);
	s = logstash();
	s.o.prefix = name(&s, "K8s");
	s.o.separator = "_";
	s.o.date = name(&s, "%Y.%m.%d.%H");
	frame_begin(&f[0], "t");
	frame_json(&f[0], 1700000000, 0, "{}");
	frame_json(&f[0], 1700002799, 0, "{}");
	frame_json(&f[0], 1700002800, 0, "{}");
	assert_one(&s, &f[0], "k8s_2023.11.14.22",
		"{\"create\":{}}\n{\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\"}\n"
		"{\"create\":{}}\n{\"@timestamp\":\"2023-11-14T22:59:59.000000000Z\"}\n"
		"{\"create\":{\"_index\":\"k8s_2023.11.14.23\"}}\n{\"@timestamp\":\"2023-11-14T23:00:00.000000000Z\"}"
		"\n");
}

static void test_tag_key(void **state)
{
	(void)state;
	struct made f[2];
	struct setup s = logstash();
	s.o.tag_key = "@log_name";
	frame_begin(&f[0], "app.Web");
	frame_json(&f[0], 1700000000, 0, "{\"a\":1}");
	frame_begin(&f[1], "b\"\\\n\xff");
	frame_json(&f[1], 1700000000, 0, "{\"a\":2}");
	assert_body(&s, f, 2, "logstash-2023.11.14",
		"{\"create\":{}}\n{\"a\":1,\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\",\"@log_name\":\"app.Web\"}"
		"\n"
		"{\"create\":{}}\n{\"a\":2,\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\","
		"\"@log_name\":\"b\\\"\\\\\\n\xef\xbf\xbd\"}\n",
		NULL);
	s = logstash();
	s.o.tag_key = "tag"; /* ours replaces the record's */
	frame_begin(&f[0], "t.x");
	frame_json(&f[0], 1700000000, 0, "{\"tag\":\"mine\"}");
	frame_json(&f[0], 1700000000, 0, "{\"x\":{\"tag\":1},\"tag\":[2],\"y\":3,\"tag\":4}");
	assert_one(&s, &f[0], "logstash-2023.11.14",
		"{\"create\":{}}\n{\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\",\"tag\":\"t.x\"}\n"
		"{\"create\":{}}\n{\"x\":{\"tag\":1},\"y\":3,\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\",\"tag\":"
		"\"t.x\"}\n");
}

static void test_id_key(void **state)
{
	(void)state;
	struct made f;
	struct setup s = plain("i");
	s.o.operation = BULK_INDEX;
	s.o.id_key = path(&s, "rid");
	frame_begin(&f, "t");
	frame_json(&f, 1, 0, "{\"rid\":\"abc\",\"a\":1}");
	frame_json(&f, 1, 0, "{\"a\":2}");
	frame_json(&f, 1, 0, "{\"rid\":7}");
	frame_json(&f, 1, 0, "{\"rid\":-7}");
	frame_json(&f, 1, 0, "{\"rid\":null}");
	frame_json(&f, 1, 0, "{\"rid\":\"\"}");
	frame_json(&f, 1, 0, "{\"rid\":1.5}");
	frame_json(&f, 1, 0, "{\"rid\":true}");
	frame_json(&f, 1, 0, "{\"rid\":false}");
	frame_json(&f, 1, 0, "{\"rid\":\"q\\\"}}\\n{\"}");
	assert_one(&s, &f, "i",
		"{\"index\":{\"_id\":\"abc\"}}\n{\"rid\":\"abc\",\"a\":1}\n"
		"{\"index\":{}}\n{\"a\":2}\n"
		"{\"index\":{\"_id\":\"7\"}}\n{\"rid\":7}\n"
		"{\"index\":{\"_id\":\"-7\"}}\n{\"rid\":-7}\n"
		"{\"index\":{}}\n{\"rid\":null}\n"
		"{\"index\":{}}\n{\"rid\":\"\"}\n"
		"{\"index\":{\"_id\":\"1.5\"}}\n{\"rid\":1.5}\n"
		"{\"index\":{\"_id\":\"true\"}}\n{\"rid\":true}\n"
		"{\"index\":{}}\n{\"rid\":false}\n"
		"{\"index\":{\"_id\":\"q\\\"}}\\n{\"}}\n{\"rid\":\"q\\\"}}\\n{\"}\n");
	s = plain("i");
	s.o.id_key = path(&s, "$.m.id");
	remove_key(&s, "a");
	remove_key(&s, "m");
	frame_begin(&f, "t");
	frame_json(&f, 1, 0, "{\"m\":{\"id\":\"X1\"},\"a\":1,\"b\":2}");
	assert_one(&s, &f, "i", "{\"create\":{\"_id\":\"X1\"}}\n{\"b\":2}\n");
}

static void test_missing_id(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct made f;
		struct setup s = plain("i");
		s.o.id_key = path(&s, "rid");
		s.o.drop_missing_id = kind == 0;
		s.o.operation = kind == 0 ? BULK_CREATE : kind == 1 ? BULK_UPDATE : BULK_UPSERT;
		frame_begin(&f, "t");
		frame_json(&f, 1, 0, "{\"rid\":\"abc\",\"a\":1}");
		frame_json(&f, 1, 0, "{\"a\":2}");
		static const char *const want[] = {"{\"create\":{\"_id\":\"abc\"}}\n{\"rid\":\"abc\",\"a\":1}\n",
			"{\"update\":{\"_id\":\"abc\"}}\n{\"doc\":{\"rid\":\"abc\",\"a\":1}}\n",
			"{\"update\":{\"_id\":\"abc\"}}\n{\"doc\":{\"rid\":\"abc\",\"a\":1},\"doc_as_upsert\":true}\n"};
		assert_body(&s, &f, 1, "i", want[kind], "no document id");
	}
}

static void test_wrong_ids(void **state)
{
	(void)state;
	char json[2048];
	static const struct {
		int len;
		const char *fill, *reason;
	} rows[] = {{512, "x", NULL}, {513, "x", "longer than 512"}, {171, "\xff\xff\xff", "longer than 512"}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct made f;
		struct setup s = plain("i");
		struct buf b;
		s.o.id_key = path(&s, "rid");
		buf_init(&b, 4096);
		buf_put(&b, "\x81\xa3rid\xda", 6);
		put_be(&b, (uint64_t)rows[i].len, 2);
		for (int k = 0; k < rows[i].len; k++)
			buf_put_byte(&b, (uint8_t)*rows[i].fill);
		frame_begin(&f, "t");
		frame_add(&f, 1, 0, buf_span(&b));
		buf_free(&b);
		snprintf(json, sizeof json, "{\"create\":{\"_id\":\"%.*s\"}}\n", 0, "");
		if (rows[i].reason) {
			assert_body(&s, &f, 1, "", "", rows[i].reason);
			continue;
		}
		char id[600];
		memset(id, 'x', 512);
		id[512] = 0;
		snprintf(json, sizeof json, "{\"create\":{\"_id\":\"%s\"}}\n{\"rid\":\"%s\"}\n", id, id);
		assert_one(&s, &f, "i", json);
	}
	static const char *const odd[] = {"{\"rid\":[1]}", "{\"rid\":{}}"};
	for (size_t i = 0; i < 2; i++) {
		struct made f;
		struct setup s = plain("i");
		s.o.id_key = path(&s, "rid");
		frame_begin(&f, "t");
		frame_json(&f, 1, 0, odd[i]);
		assert_body(&s, &f, 1, "", "", "neither a string nor a number");
	}
}

static void test_routing_pipeline_type(void **state)
{
	(void)state;
	struct made f[2];
	struct setup s = plain("i-${tag}");
	s.o.routing_key = path(&s, "r");
	s.o.pipeline = name(&s, "my-\"pipe");
	s.o.type_name = "_doc";
	s.o.id_key = path(&s, "id");
	frame_begin(&f[0], "a");
	frame_json(&f[0], 1, 0, "{\"r\":\"R1\",\"id\":1}");
	frame_json(&f[0], 1, 0, "{\"r\":2}");
	frame_begin(&f[1], "b");
	frame_json(&f[1], 1, 0, "{}");
	assert_body(&s, f, 2, "i-a",
		"{\"create\":{\"_type\":\"_doc\",\"pipeline\":\"my-\\\"pipe\",\"_id\":\"1\",\"routing\":\"R1\"}}\n{"
		"\"r\":\"R1\",\"id\":1}\n"
		"{\"create\":{\"_type\":\"_doc\",\"pipeline\":\"my-\\\"pipe\",\"routing\":\"2\"}}\n{\"r\":2}\n"
		"{\"create\":{\"_index\":\"i-b\",\"_type\":\"_doc\",\"pipeline\":\"my-\\\"pipe\"}}\n{}\n",
		NULL);
	s = plain("i");
	s.o.routing_key = path(&s, "r");
	s.o.pipeline = name(&s, "${p}");
	frame_begin(&f[0], "a");
	frame_json(&f[0], 1, 0, "{\"p\":\"one\"}");
	frame_json(&f[0], 1, 0, "{\"p\":\"two\",\"r\":\"x\"}");
	frame_json(&f[0], 1, 0, "{\"r\":\"x\"}");
	frame_json(&f[0], 1, 0, "{}");
	assert_one(&s, &f[0], "i",
		"{\"create\":{\"pipeline\":\"one\"}}\n{\"p\":\"one\"}\n"
		"{\"create\":{\"pipeline\":\"two\",\"routing\":\"x\"}}\n{\"p\":\"two\",\"r\":\"x\"}\n"
		"{\"create\":{\"routing\":\"x\"}}\n{\"r\":\"x\"}\n"
		"{\"create\":{}}\n{}\n");
	s = plain("i");
	s.o.pipeline = name(&s, "p-${tag}");
	frame_begin(&f[0], "a");
	frame_json(&f[0], 1, 0, "{}");
	frame_begin(&f[1], "b");
	frame_json(&f[1], 1, 0, "{}");
	assert_body(&s, f, 2, "i", "{\"create\":{\"pipeline\":\"p-a\"}}\n{}\n{\"create\":{\"pipeline\":\"p-b\"}}\n{}\n",
		NULL);
}

static void test_time_key(void **state)
{
	(void)state;
	struct made f;
	struct setup s = logstash();
	s.o.time_key = path(&s, "vtm");
	frame_begin(&f, "t");
	frame_json(&f, 1700000000, 0, "{\"vtm\":\"2001-02-03T04:05:06.789Z\"}");
	frame_json(&f, 1700000000, 0, "{\"vtm\":\"2001-02-03 04:05:06 +0900\"}");
	frame_json(&f, 1700000000, 0, "{\"vtm\":981173106}");
	frame_json(&f, 1700000000, 0, "{\"vtm\":981173106.25}");
	frame_json(&f, 1700000000, 0, "{\"a\":\"no key\"}");
	frame_json(&f, 1700000000, 0, "{\"vtm\":\"garbage\"}");
	frame_json(&f, 1700000000, 0, "{\"vtm\":981173106,\"@timestamp\":\"2020-01-01\"}");
	frame_json(&f, 1700000000, 0, "{\"vtm\":981173106,\"@timestamp\":null}");
	assert_one(&s, &f, "logstash-2001.02.03",
		"{\"create\":{}}\n{\"vtm\":\"2001-02-03T04:05:06.789Z\",\"@timestamp\":\"2001-02-03T04:05:06."
		"789000000Z\"}\n"
		"{\"create\":{\"_index\":\"logstash-2001.02.02\"}}\n"
		"{\"vtm\":\"2001-02-03 04:05:06 +0900\",\"@timestamp\":\"2001-02-02T19:05:06.000000000Z\"}\n"
		"{\"create\":{}}\n{\"vtm\":981173106,\"@timestamp\":\"2001-02-03T04:05:06.000000000Z\"}\n"
		"{\"create\":{}}\n{\"vtm\":981173106.25,\"@timestamp\":\"2001-02-03T04:05:06.250000000Z\"}\n"
		"{\"create\":{\"_index\":\"logstash-2023.11.14\"}}\n"
		"{\"a\":\"no key\",\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\"}\n"
		"{\"create\":{\"_index\":\"logstash-2023.11.14\"}}\n"
		"{\"vtm\":\"garbage\",\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\"}\n"
		"{\"create\":{\"_index\":\"logstash-2020.01.01\"}}\n{\"vtm\":981173106,\"@timestamp\":\"2020-01-01\"}\n"
		"{\"create\":{}}\n{\"vtm\":981173106,\"@timestamp\":\"2001-02-03T04:05:06.000000000Z\"}\n");
	s = logstash();
	s.o.time_key = path(&s, "vtm");
	s.o.time_key_format = "%Y-%m-%d %H:%M:%S";
	s.o.time_key_exclude_timestamp = true;
	frame_begin(&f, "t");
	frame_json(&f, 1700000000, 0, "{\"vtm\":\"2001-02-03 04:05:06\"}");
	frame_json(&f, 1700000000, 0, "{\"vtm\":\"bad\"}");
	assert_one(&s, &f, "logstash-2001.02.03",
		"{\"create\":{}}\n{\"vtm\":\"2001-02-03 04:05:06\"}\n"
		"{\"create\":{\"_index\":\"logstash-2023.11.14\"}}\n{\"vtm\":\"bad\"}\n");
}

/* A @timestamp that is there stays as it is and decides the date; what cannot be read leaves it to the event's time. */
static void test_own_timestamp(void **state)
{
	(void)state;
	struct made f;
	struct setup s = logstash();
	frame_begin(&f, "t");
	frame_json(&f, 1700000000, 0, "{\"@timestamp\":\"2001-02-03T23:30:00-05:00\"}");
	frame_json(&f, 1700000000, 0, "{\"@timestamp\":\"junk\",\"a\":1}");
	frame_json(&f, 1700000000, 0, "{\"@timestamp\":981173106}");
	frame_json(&f, 1700000000, 0, "{\"a\":1}");
	frame_json(&f, 1700000000, 0, "{\"@timestamp\":null,\"a\":1}");
	frame_json(&f, 1700000000, 0, "{\"@timestamp\":\"2001-02-04\"}");
	frame_json(&f, 1700000000, 0, "{\"@timestamp\":\"x\",\"@timestamp\":\"2001-02-04\"}");
	frame_json(&f, 1700000000, 0, "{\"b\":{\"@timestamp\":1}}");
	assert_one(&s, &f, "logstash-2001.02.04",
		"{\"create\":{}}\n{\"@timestamp\":\"2001-02-03T23:30:00-05:00\"}\n"
		"{\"create\":{\"_index\":\"logstash-2023.11.14\"}}\n{\"@timestamp\":\"junk\",\"a\":1}\n"
		"{\"create\":{\"_index\":\"logstash-2001.02.03\"}}\n{\"@timestamp\":981173106}\n"
		"{\"create\":{\"_index\":\"logstash-2023.11.14\"}}\n{\"a\":1,\"@timestamp\":\"2023-11-14T22:13:20."
		"000000000Z\"}\n"
		"{\"create\":{\"_index\":\"logstash-2023.11.14\"}}\n{\"a\":1,\"@timestamp\":\"2023-11-14T22:13:20."
		"000000000Z\"}\n"
		"{\"create\":{}}\n{\"@timestamp\":\"2001-02-04\"}\n"
		"{\"create\":{}}\n{\"@timestamp\":\"2001-02-04\"}\n"
		"{\"create\":{\"_index\":\"logstash-2023.11.14\"}}\n"
		"{\"b\":{\"@timestamp\":1},\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\"}\n");
	s = plain("i"); /* without logstash_format and include_timestamp it is a field like others */
	frame_begin(&f, "t");
	frame_json(&f, 1700000000, 0, "{\"@timestamp\":null}");
	assert_one(&s, &f, "i", "{\"create\":{}}\n{\"@timestamp\":null}\n");
}

static void test_time_precision(void **state)
{
	(void)state;
	static const char *const want[] = {"2023-11-14T22:13:20Z", "2023-11-14T22:13:20.123Z"};
	for (unsigned i = 0; i < 2; i++) {
		struct made f;
		struct setup s = logstash();
		char text[200];
		s.o.time_precision = 3 * i;
		frame_begin(&f, "t");
		frame_json(&f, 1700000000, 123456789, "{}");
		snprintf(text, sizeof text, "{\"create\":{}}\n{\"@timestamp\":\"%s\"}\n", want[i]);
		assert_one(&s, &f, "logstash-2023.11.14", text);
	}
}

static void test_local_index_date(void **state)
{
	(void)state;
	struct made f;
	char *before = getenv("TZ") ? mem_strdup(getenv("TZ")) : NULL;
	setenv("TZ", "JST-9", 1); /* needs no zone file */
	tzset();
	struct setup s = logstash();
	s.o.utc_index = false;
	frame_begin(&f, "t");
	frame_json(&f, 1700000000, 0, "{}");
	frame_json(&f, 1699973999, 0, "{}"); /* 2023-11-14 23:59:59 in Tokyo */
	assert_one(&s, &f, "logstash-2023.11.15",
		"{\"create\":{}}\n{\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\"}\n"
		"{\"create\":{\"_index\":\"logstash-2023.11.14\"}}\n{\"@timestamp\":\"2023-11-14T14:59:59.000000000Z\"}"
		"\n");
	if (before)
		setenv("TZ", before, 1);
	else
		unsetenv("TZ");
	tzset();
	mem_free(before);
}

static void test_index_placeholders(void **state)
{
	(void)state;
	struct made f[2];
	struct setup s = plain("fluentd.${tag}.%Y%m%d");
	frame_begin(&f[0], "App.Web");
	frame_json(&f[0], 1700000000, 0, "{\"a\":1}");
	frame_begin(&f[1], "db");
	frame_json(&f[1], 1700086400, 0, "{\"a\":2}");
	assert_body(&s, f, 2, "fluentd.app.web.20231114",
		"{\"create\":{}}\n{\"a\":1}\n{\"create\":{\"_index\":\"fluentd.db.20231115\"}}\n{\"a\":2}\n", NULL);
	s = logstash();
	s.o.timestamp = false;
	s.o.prefix = name(&s, "${tag[1]}-${$.kubernetes.namespace_name}");
	frame_begin(&f[0], "kube.var.log");
	frame_json(&f[0], 1700000000, 0, "{\"kubernetes\":{\"namespace_name\":\"Prod\"},\"a\":1}");
	frame_json(&f[0], 1700000000, 0, "{\"a\":2}");
	frame_json(
		&f[0], 1700000000, 0, "{\"kubernetes\":{\"namespace_name\":\"PROD\"},\"@timestamp\":\"2001-02-03\"}");
	assert_one(&s, &f[0], "var-prod-2023.11.14",
		"{\"create\":{}}\n{\"kubernetes\":{\"namespace_name\":\"Prod\"},\"a\":1}\n"
		"{\"create\":{\"_index\":\"var--2023.11.14\"}}\n{\"a\":2}\n"
		"{\"create\":{\"_index\":\"var-prod-2001.02.03\"}}\n"
		"{\"kubernetes\":{\"namespace_name\":\"PROD\"},\"@timestamp\":\"2001-02-03\"}\n");
	/* Nothing that came from the net reaches an action line, or an index, as it is. */
	s = plain("x-${evil}");
	frame_begin(&f[0], "t");
	frame_json(&f[0], 1, 0, "{\"evil\":\"a\"}");
	frame_json(&f[0], 1, 0, "{\"evil\":\"\\\"}}\\n{\\\"delete\\\":{\"}");
	assert_one(&s, &f[0], "x-a",
		"{\"create\":{}}\n{\"evil\":\"a\"}\n"
		"{\"create\":{\"_index\":\"x-_}}_{_delete__{\"}}\n{\"evil\":\"\\\"}}\\n{\\\"delete\\\":{\"}\n");
}

static void test_target_index_key(void **state)
{
	(void)state;
	struct made f;
	struct setup s = plain("fluentd");
	s.o.target_index = path(&s, "meta.idx");
	frame_begin(&f, "t");
	frame_json(&f, 1, 0, "{\"meta\":{\"idx\":\"Custom-Idx\",\"k\":1},\"a\":1}");
	frame_json(&f, 1, 0, "{\"a\":2}");
	frame_json(&f, 1, 0, "{\"meta\":{\"idx\":null}}");
	frame_json(&f, 1, 0, "{\"meta\":{\"idx\":\"custom-idx\"}}");
	assert_one(&s, &f, "custom-idx",
		"{\"create\":{}}\n{\"meta\":{\"k\":1},\"a\":1}\n"
		"{\"create\":{\"_index\":\"fluentd\"}}\n{\"a\":2}\n"
		"{\"create\":{\"_index\":\"fluentd\"}}\n{\"meta\":{\"idx\":null}}\n"
		"{\"create\":{}}\n{\"meta\":{}}\n");
	s = logstash();
	s.o.target_index = path(&s, "idx");
	frame_begin(&f, "t");
	frame_json(&f, 1700000000, 0, "{\"a\":1}");
	frame_json(&f, 1700000000, 0, "{\"idx\":\"X\",\"a\":2}");
	frame_json(&f, 1700000000, 0, "{\"idx\":false,\"a\":3}");
	assert_one(&s, &f, "logstash-2023.11.14",
		"{\"create\":{}}\n{\"a\":1,\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\"}\n"
		"{\"create\":{\"_index\":\"x\"}}\n{\"a\":2,\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\"}\n"
		"{\"create\":{}}\n{\"idx\":false,\"a\":3,\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\"}\n");
	static const char *const bad[][2] = {{"{\"idx\":7}", "is no string"}, {"{\"idx\":\"...\"}", "nothing is left"}};
	for (size_t i = 0; i < 2; i++) {
		s = plain("fluentd");
		s.o.target_index = path(&s, "idx");
		frame_begin(&f, "t");
		frame_json(&f, 1, 0, bad[i][0]);
		assert_body(&s, &f, 1, "", "", bad[i][1]);
	}
}

static void test_remove_keys(void **state)
{
	(void)state;
	struct made f;
	struct setup s = logstash();
	s.o.tag_key = "tag";
	remove_key(&s, "a");
	remove_key(&s, "$.b.c");
	remove_key(&s, "$.b.d[0]");
	remove_key(&s, "tag");
	frame_begin(&f, "t");
	frame_json(&f, 1700000000, 0, "{\"a\":{\"x\":1},\"b\":{\"a\":1,\"c\":2,\"d\":[3,4]},\"tag\":1}");
	frame_json(&f, 1700000000, 0, "{\"a\":1}");
	assert_one(&s, &f, "logstash-2023.11.14",
		"{\"create\":{}}\n{\"b\":{\"a\":1,\"d\":[4]},\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\"}\n"
		"{\"create\":{}}\n{\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\"}\n");
	s = logstash();
	remove_key(&s, "@timestamp"); /* still decides the date */
	frame_begin(&f, "t");
	frame_json(&f, 1700000000, 0, "{\"@timestamp\":\"2001-02-03\",\"a\":1}");
	frame_json(&f, 1700000000, 0, "{\"a\":2}");
	assert_one(&s, &f, "logstash-2001.02.03",
		"{\"create\":{}}\n{\"a\":1}\n{\"create\":{\"_index\":\"logstash-2023.11.14\"}}\n{\"a\":2}\n");
}

static void test_data_stream(void **state)
{
	(void)state;
	struct made f;
	struct setup s = plain("logs-app-default");
	s.o.data_stream = true;
	s.o.operation = BULK_INDEX;
	s.o.id_key = path(&s, "rid");
	s.o.tag_key = "tag";
	frame_begin(&f, "t");
	frame_json(&f, 1700000000, 5, "{\"rid\":\"A\"}");
	frame_json(&f, 1700000000, 0, "{\"@timestamp\":\"2001-01-01T00:00:00Z\"}");
	assert_one(&s, &f, "logs-app-default",
		"{\"create\":{\"_id\":\"A\"}}\n{\"rid\":\"A\",\"@timestamp\":\"2023-11-14T22:13:20.000000005Z\","
		"\"tag\":\"t\"}\n"
		"{\"create\":{}}\n{\"@timestamp\":\"2001-01-01T00:00:00Z\",\"tag\":\"t\"}\n");
}

static void test_flatten_hashes(void **state)
{
	(void)state;
	struct made f;
	struct setup s = plain("fluentd");
	s.o.flatten_hashes = true;
	s.o.flatten_separator = ".";
	s.o.id_key = path(&s, "$['a.b.c']");
	remove_key(&s, "x.y");
	frame_begin(&f, "t");
	frame_json(&f, 1, 0, "{\"a\":{\"b\":{\"c\":1}},\"l\":[{\"x\":1}],\"e\":{}}");
	assert_one(&s, &f, "fluentd", "{\"create\":{\"_id\":\"1\"}}\n{\"a.b.c\":1,\"l\":[{\"x\":1}]}\n");
}

static void test_field_names_and_values(void **state)
{
	(void)state;
	struct made f;
	struct setup s = plain("i");
	struct span odd = exact_hex("89 a0 01 a120 02 a22e61 03 a4612e2e62 04 01 05 a131 06 a1ff cb 7ff8000000000000 "
				    "a178 a3610a62 c0 81 a0 81 "
				    "a2612e cf ffffffffffffffff");
	frame_begin(&f, "t");
	frame_add(&f, 1, 0, odd);
	exact_free(odd);
	assert_one(&s, &f, "i",
		"{\"create\":{}}\n{\"_empty\":1,\"_\":2,\"_a\":3,\"a__b\":4,\"1\":6,\"\xef\xbf\xbd\":null,\"x\":"
		"\"a\\nb\","
		"\"null\":{\"_empty\":{\"a_\":\"18446744073709551615\"}}}\n");
	/* What is removed, or ours, is found under the name that it gets. */
	s = plain("i");
	s.o.tag_key = "_empty";
	remove_key(&s, "$['a.']");
	frame_begin(&f, "t");
	frame_json(&f, 1, 0, "{\"\":1,\"a.\":2,\"b\":3}");
	assert_one(&s, &f, "i", "{\"create\":{}}\n{\"b\":3,\"_empty\":\"t\"}\n");
}

/* A record of many fields is sorted at its end; what is special in it must be found all the same. */
static void test_wide_record(void **state)
{
	(void)state;
	struct made f;
	struct setup s = logstash();
	struct buf json, want;
	buf_init(&json, 1 << 20);
	buf_init(&want, 1 << 20);
	s.o.tag_key = "tag";
	remove_key(&s, "gone");
	buf_put_str(&json, "{\"tag\":1,\"x\":1,\"gone\":{\"a\":[1]}");
	buf_put_str(&want, "{\"create\":{}}\n{");
	for (int i = 0; i < 300; i++) {
		buf_printf(&json, ",\"f%d\":%d", i, i);
		buf_printf(&want, "\"f%d\":%d,", i, i);
	}
	buf_put_str(&json, ",\"@timestamp\":\"2001-02-03\",\"x\":2,\"tag\":[2],\"gone\":0}");
	buf_put_str(&want, "\"@timestamp\":\"2001-02-03\",\"x\":2,\"tag\":\"t\"}\n");
	frame_begin(&f, "t");
	frame_json(&f, 1700000000, 0, buf_cstr(&json));
	assert_one(&s, &f, "logstash-2001.02.03", buf_cstr(&want));
	buf_free(&json);
	buf_free(&want);
}

/* ---- entries ---- */

static void test_entry_forms(void **state)
{
	(void)state;
	struct made f;
	struct setup s = logstash();
	frame_begin(&f, "t");
	static const char *const hex[] = {
		"92 d700 6553f100 00000001 80", "92 ce 6553f101 80", "92 d2 6553f102 80",
		"92 c708 00 6553f103 00000002 80", "92 92 d700 6553f104 00000003 80 81 a161 01",
		"92 92 d700 6553f105 00000003 81 a16d 01 81 a161 02", "92 91 ce 6553f106 80", "93 ce 6553f107 80 c0",
		"92 00 80", /* 0: when it was received */
		"92 d700 00000000 00000000 80", "92 c0 80",
		"92 d700 6553f108 3b9aca00 80",				       /* a second in nanoseconds */
		"92 d3 0000018bcfe5a4a0 80",				       /* milliseconds */
		"92 d2 ffffffff 80",					       /* before 1970 */
		"92 ce 6553f109 de 0001 a161 03", "92 cb 41d954fc42480000 80", /* float */
	};
	for (size_t i = 0; i < sizeof hex / sizeof *hex; i++) {
		struct span e = exact_hex(hex[i]);
		frame_raw(&f, e.p, e.n);
		exact_free(e);
	}
	/* Neither nil nor Fluent Bit's group markers are events; they are not counted. */
	struct span none = exact_hex("c0 92 92 d700 ffffffff 00000000 80 80 92 d700 fffffffe 00000000 80");
	buf_put_span(&f.entries, none);
	exact_free(none);
	struct span last = exact_hex("92 d700 fffffffd 00000000 80");
	frame_raw(&f, last.p, last.n);
	exact_free(last);
	static const char *const times[] = {"2023-11-14T22:13:20.000000001", "2023-11-14T22:13:21.000000000",
		"2023-11-14T22:13:22.000000000", "2023-11-14T22:13:23.000000002", "2023-11-14T22:13:24.000000003",
		"2023-11-14T22:13:25.000000003", "2023-11-14T22:13:26.000000000", "2023-11-14T22:13:27.000000000",
		"2023-11-15T00:59:59.123456789", "2023-11-15T00:59:59.123456789", "2023-11-15T00:59:59.123456789",
		"2023-11-14T22:13:29.000000000", "2023-11-14T22:13:35.520000000", "1969-12-31T23:59:59.000000000",
		"2023-11-14T22:13:29.000000000", "2023-11-14T22:13:29.125000000", "2106-02-07T06:28:13.000000000"};
	struct buf want;
	buf_init(&want, 1 << 16);
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		buf_put_str(&want, "{\"create\":{");
		if (strncmp(times[i], "2023-11-14", 10) != 0)
			buf_printf(
				&want, "\"_index\":\"logstash-%.4s.%.2s.%.2s\"", times[i], times[i] + 5, times[i] + 8);
		buf_printf(&want, "}}\n{%s\"@timestamp\":\"%sZ\"}\n",
			i == 4	  ? "\"a\":1,"
			: i == 5  ? "\"a\":2,"
			: i == 14 ? "\"a\":3,"
				  : "",
			times[i]);
	}
	assert_one(&s, &f, "logstash-2023.11.14", buf_cstr(&want));
	buf_free(&want);
}

/* No second is too early or too late for arithmetic. */
static void test_extreme_times(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *id_time, *text;
	} rows[] = {
		{"92 d3 8000000000000000 80", "AAAAAAAA", "0000-01-01T00:00:00.000000000Z"},
		{"92 d3 d3d3d3d3d3d3d3a2 80", "AAAAAAAA", "0000-01-01T00:00:00.000000000Z"},
		{"92 c70cff 3b9ac9ff 7fffffffffffffff 80", "________", "9999-12-31T23:59:59.999999999Z"},
		{"92 c70cff 3b9ac9ff 0020c49ba5e353f7 80", "________", "9999-12-31T23:59:59.999999999Z"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct made f;
		struct rejects r;
		struct setup s = logstash();
		char want[128];
		uint32_t next;
		s.o.auto_id = false;
		frame_begin(&f, "t");
		struct span e = exact_hex(rows[i].hex);
		frame_raw(&f, e.p, e.n);
		exact_free(e);
		struct bulk_body *b = body_new(&s, &r);
		assert_int_equal(bulk_body_add(b, frame_end(&f), 0, UINT32_MAX, &next), BULK_ADDED);
		assert_int_equal(bulk_body_count(b), 1);
		struct span got = bulk_body_bytes(b);
		snprintf(want, sizeof want, "\"_id\":\"%s", rows[i].id_time);
		assert_non_null(memmem(got.p, got.n, want, strlen(want)));
		assert_non_null(memmem(got.p, got.n, rows[i].text, strlen(rows[i].text)));
		bulk_body_free(b);
		frame_free_all(&f);
		setup_free(&s);
	}
}

static void test_bad_entries(void **state)
{
	(void)state;
	static char deep[2000];
	static const struct {
		const char *hex, *reason;
	} rows[] = {
		{"01", "no array"},
		{"91 01", "no array"},
		{"92 a161 80", "time is none"},
		{"92 01 a161", "no map"},
		{"92 01 90", "no map"},
		{"92 d700 6553f100 00000001 c0", "no map"},
		{"92 d700 6553f100 00000001 81 81 81 01 02 03 04", "too deep"},
		{deep, "too deep"},
	};
	char *end = stpcpy(deep, "92 d700 6553f100 00000001 81 a161 ");
	for (int i = 0; i < 300; i++)
		end = stpcpy(end, "91 ");
	strcpy(end, "01");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct made f;
		struct setup s = plain("i");
		frame_begin(&f, "t");
		frame_json(&f, 1, 0, "{\"a\":1}");
		struct span e = exact_hex(rows[i].hex);
		frame_raw(&f, e.p, e.n);
		exact_free(e);
		frame_json(&f, 1, 0, "{\"a\":2}");
		assert_body(&s, &f, 1, "i", "{\"create\":{}}\n{\"a\":1}\n{\"create\":{}}\n{\"a\":2}\n", rows[i].reason);
	}
}

/* What is torn, and what does not come at all, is told event by event: each must be accounted for. */
static void test_torn_frame(void **state)
{
	(void)state;
	struct made f;
	struct rejects r;
	struct setup s = plain("i");
	frame_begin(&f, "t");
	frame_json(&f, 1, 0, "{\"a\":1}");
	frame_raw(&f, "\x92\x01\x82\xa1", 4);
	f.view.count = 4;
	struct bulk_body *b = body_new(&s, &r);
	uint32_t next;
	assert_int_equal(bulk_body_add(b, frame_end(&f), 0, UINT32_MAX, &next), BULK_ADDED);
	assert_int_equal(next, 4);
	assert_int_equal(bulk_body_count(b), 1);
	assert_int_equal(r.n, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(r.index[i], i + 1);
	assert_int_equal(r.len[0], 4);
	assert_int_equal(r.len[1], 0);
	assert_non_null(strstr(r.reason[0], "cut"));
	assert_non_null(strstr(r.reason[2], "missing"));
	bulk_body_free(b);
	frame_free_all(&f);
	setup_free(&s);
}

/* ---- ids, items, limits ---- */

static void test_own_ids_and_items(void **state)
{
	(void)state;
	struct made f;
	struct rejects r;
	struct setup s = logstash();
	s.o.auto_id = false;
	frame_begin(&f, "t");
	for (uint32_t i = 0; i < 300; i++)
		frame_json(&f, 1700000000 + i * 1000, i * 1000000 + 999999, "{\"a\":1}");
	struct bulk_body *b = body_new(&s, &r);
	uint32_t next;
	assert_int_equal(bulk_body_add(b, frame_end(&f), 100, UINT32_MAX, &next), BULK_ADDED);
	assert_int_equal(bulk_body_count(b), 200);
	struct doc_id_frame ids;
	doc_id_begin(&ids, frame_key, 0);
	const struct bulk_item *items = bulk_body_items(b);
	size_t at = 0;
	for (uint32_t i = 0; i < 200; i++) {
		char want[200], id[DOC_ID_LEN + 1] = {0};
		const uint32_t n = 100 + i;
		assert_int_equal(items[i].frame_offset, 64);
		assert_int_equal(items[i].index, n);
		assert_int_equal(items[i].start, at);
		at += items[i].length;
		doc_id_put(&ids, (1700000000 + n * INT64_C(1000)) * 1000 + n, n, id);
		struct span line = span_of(bulk_body_bytes(b).p + items[i].start, items[i].length);
		snprintf(want, sizeof want, "\"_id\":\"%s\"}}\n{\"a\":1,", id);
		assert_non_null(memmem(line.p, line.n, want, strlen(want)));
		assert_int_equal(line.p[line.n - 1], '\n');
	}
	assert_int_equal(at, bulk_body_bytes(b).n);
	/* Parts of it, to be sent again. */
	struct buf part;
	buf_init(&part, 1 << 20);
	assert_true(bulk_body_slice(b, 10, 20, &part));
	assert_int_equal(part.n, items[19].start + items[19].length - items[10].start);
	assert_memory_equal(part.p, bulk_body_bytes(b).p + items[10].start, part.n);
	assert_true(bulk_body_slice(b, 20, 20, &part));
	assert_true(bulk_body_slice(b, 199, 200, &part));
	buf_free(&part);
	bulk_body_free(b);
	frame_free_all(&f);
	setup_free(&s);
}

/* However the frame is cut into bodies, each event is in one of them, once and in order. */
static void test_limits_and_resumption(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct made f;
		struct rejects r;
		struct setup s = logstash();
		char json[64];
		s.o.body_limit = kind == 0 ? 1 : kind == 1 ? 500 : 100000;
		s.o.max_items = kind == 2 ? 7 : 0;
		frame_begin(&f, "t");
		for (int i = 0; i < 100; i++) {
			snprintf(json, sizeof json, "{\"n\":%d,\"x\":\"%0*d\"}", i, i % 30 + 1, 0);
			frame_json(&f, 1700000000, 0, json);
		}
		struct bulk_body *b = body_new(&s, &r);
		uint32_t at = 0, bodies = 0;
		enum bulk_add added = BULK_FULL;
		while (added == BULK_FULL) {
			uint32_t next;
			bulk_body_clear(b);
			added = bulk_body_add(b, frame_end(&f), at, UINT32_MAX, &next);
			assert_int_equal(bulk_body_count(b), next - at);
			assert_true(next > at);
			assert_true(bulk_body_bytes(b).n <= s.o.body_limit || next - at == 1);
			assert_true(!s.o.max_items || next - at <= s.o.max_items);
			for (uint32_t i = at; i < next; i++) {
				const struct bulk_item *item = &bulk_body_items(b)[i - at];
				snprintf(json, sizeof json, "\n{\"n\":%u,", i);
				assert_int_equal(item->index, i);
				assert_non_null(
					memmem(bulk_body_bytes(b).p + item->start, item->length, json, strlen(json)));
			}
			at = next;
			bodies++;
		}
		assert_int_equal(at, 100);
		assert_int_equal(r.n, 0);
		assert_int_equal(bodies == 1, kind == 3);
		bulk_body_free(b);
		frame_free_all(&f);
		setup_free(&s);
	}
}

/* More than there is room for at first; if there is no memory for more, what is there goes first. */
static void test_many_items(void **state)
{
	(void)state;
	struct made f;
	struct rejects r;
	struct setup s = plain("i");
	uint32_t next;
	frame_begin(&f, "t");
	for (int i = 0; i < 5000; i++)
		frame_json(&f, 1, 0, "{}");
	struct bulk_body *b = body_new(&s, &r);
	assert_int_equal(bulk_body_add(b, frame_end(&f), 0, UINT32_MAX, &next), BULK_ADDED);
	assert_int_equal(bulk_body_count(b), 5000);
	assert_int_equal(bulk_body_items(b)[4999].index, 4999);
	bulk_body_free(b);
	b = body_new(&s, &r);
	assert_int_equal(bulk_body_add(b, &f.view, 0, 1000, &next), BULK_ADDED);
	mem_fail_at(1);
	enum bulk_add added = bulk_body_add(b, &f.view, 1000, UINT32_MAX, &next);
	mem_fail_at(0);
	assert_int_equal(added, BULK_FULL);
	assert_int_equal(next, bulk_body_count(b));
	assert_int_equal(r.n, 0);
	bulk_body_clear(b);
	assert_int_equal(bulk_body_add(b, &f.view, next, UINT32_MAX, &next), BULK_ADDED);
	assert_int_equal(next, 5000);
	bulk_body_free(b);
	frame_free_all(&f);
	setup_free(&s);
}

/* A record above the body's limit goes alone; one above its own limit not at all. */
static void test_large_records(void **state)
{
	(void)state;
	struct made f;
	struct rejects r;
	struct setup s = plain("i");
	struct buf big;
	s.o.body_limit = 1000;
	s.o.record_limit = 5000;
	buf_init(&big, 1 << 20);
	frame_begin(&f, "t");
	static const size_t sizes[] = {10, 2000, 10, 4992, 4993, 10, 100000, 10};
	for (size_t i = 0; i < 8; i++) {
		buf_clear(&big);
		buf_put(&big, "\x81\xa1x\xdb", 4);
		put_be(&big, sizes[i], 4);
		for (size_t k = 0; k < sizes[i]; k++)
			buf_put_byte(&big, 'y');
		frame_add(&f, 1, 0, buf_span(&big));
	}
	struct bulk_body *b = body_new(&s, &r);
	uint32_t at = 0, next;
	static const uint32_t ends[] = {1, 2, 3, 4, 8};
	for (size_t i = 0; i < 5; i++) {
		bulk_body_clear(b);
		assert_int_equal(
			bulk_body_add(b, frame_end(&f), at, UINT32_MAX, &next), i < 4 ? BULK_FULL : BULK_ADDED);
		assert_int_equal(next, ends[i]);
		at = next;
	}
	assert_int_equal(bulk_body_count(b), 2);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.index[0], 4);
	assert_int_equal(r.index[1], 6);
	assert_non_null(strstr(r.reason[0], "too long"));
	assert_true(r.len[1] > 100000);
	bulk_body_free(b);
	buf_free(&big);
	frame_free_all(&f);
	setup_free(&s);
}

static void count_reject(void *arg, const struct frame_view *f, uint32_t index, struct span entry, const char *reason)
{
	uint32_t *n = arg;
	(void)f;
	(void)entry;
	(void)reason;
	assert_int_equal(index, (*n)++);
}

/* A frame of which no event can be a document is told of in parts, too. */
static void test_many_rejected(void **state)
{
	(void)state;
	enum { EVENTS = 100000, AT_ONCE = 20000 };
	struct made f;
	struct setup s = plain("i");
	uint32_t told = 0, next = 0, before;
	s.o.id_key = path(&s, "id");
	s.o.drop_missing_id = true;
	frame_begin(&f, "t");
	for (int i = 0; i < EVENTS; i++)
		frame_json(&f, 1, 0, "{}");
	struct bulk_body *b = bulk_body_new(&s.o);
	bulk_body_on_reject(b, count_reject, &told);
	frame_end(&f);
	do {
		before = next;
		bulk_body_clear(b);
		bool full = bulk_body_add(b, &f.view, next, UINT32_MAX, &next) == BULK_FULL;
		assert_int_equal(full, next < EVENTS);
		assert_int_equal(bulk_body_count(b), 0);
		assert_int_equal(told, next);
		assert_true(next > before && next - before < AT_ONCE);
	} while (next < EVENTS);
	bulk_body_free(b);
	frame_free_all(&f);
	setup_free(&s);
}

/* Single events out of many frames, in any order, as partial retries ask for them. */
static void test_random_access(void **state)
{
	(void)state;
	struct made f[4];
	struct rejects r;
	struct setup s = plain("i");
	char json[64];
	struct random rnd = {9};
	static const uint8_t keys[4][FRAME_KEY_LEN + 1] = {
		"aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc", "dddddddddddd"};
	for (int k = 0; k < 4; k++) {
		frame_begin(&f[k], "t");
		f[k].view.key = keys[k];
		f[k].view.offset = 64u * (unsigned)(1 + k / 2); /* other chunks have frames at the same offsets */
		for (int i = 0; i < 50; i++) {
			snprintf(json, sizeof json, "{\"n\":\"%d-%02d\"}", k, i);
			frame_json(&f[k], 1, 0, json);
		}
		frame_end(&f[k]);
	}
	struct bulk_body *b = body_new(&s, &r);
	for (int i = 0; i < 3000; i++) {
		const unsigned k = random_below(&rnd, 4), index = random_below(&rnd, 50);
		uint32_t next;
		bulk_body_clear(b);
		assert_int_equal(bulk_body_add(b, &f[k].view, index, index + 1, &next), BULK_ADDED);
		assert_int_equal(next, index + 1);
		snprintf(json, sizeof json, "{\"create\":{}}\n{\"n\":\"%u-%02u\"}\n", k, index);
		assert_true(span_is(bulk_body_bytes(b), json));
	}
	uint32_t next;
	bulk_body_clear(b);
	assert_int_equal(bulk_body_add(b, &f[0].view, 50, UINT32_MAX, &next), BULK_ADDED);
	assert_int_equal(next, 50);
	assert_int_equal(bulk_body_count(b), 0);
	bulk_body_free(b);
	for (int k = 0; k < 4; k++)
		frame_free_all(&f[k]);
	setup_free(&s);
}

/* ---- random records against the reference ---- */

static void on_index(void *arg, struct span index)
{
	buf_printf(arg, "%.*s ", (int)index.n, (const char *)index.p);
}

/* Of each item's index that is not the one before; of what did not get into the body, with the next one. */
static void test_told_of_indices(void **state)
{
	static const char *const records[] = {
		"{\"n\":\"a\"}", "{\"n\":\"a\"}", "{\"n\":\"b\"}", "{\"n\":\"a\"}", "{\"n\":\"a\"}", "{\"n\":\"c\"}"};
	struct setup s = plain("x-${n}");
	struct made f;
	struct buf told;
	uint32_t next = 0;
	(void)state;
	s.o.max_items = 4;
	buf_init(&told, 4096);
	frame_begin(&f, "t");
	for (size_t i = 0; i < sizeof records / sizeof *records; i++)
		frame_json(&f, 1700000000, 0, records[i]);
	const struct frame_view *v = frame_end(&f);
	struct bulk_body *b = bulk_body_new(&s.o);
	bulk_body_on_index(b, on_index, &told);
	assert_int_equal(bulk_body_add(b, v, 0, UINT32_MAX, &next), BULK_FULL);
	assert_string_equal(buf_cstr(&told), "x-a x-b x-a ");
	bulk_body_clear(b);
	buf_clear(&told);
	assert_int_equal(bulk_body_add(b, v, next, UINT32_MAX, &next), BULK_ADDED);
	assert_string_equal(buf_cstr(&told), "x-a x-c ");
	bulk_body_free(b);
	frame_free_all(&f);
	setup_free(&s);
	buf_free(&told);
}

/* The document that the reference makes of a record: without `tag` and @timestamp, which ours replace and follow. */
static void test_random_records(void **state)
{
	(void)state;
	struct random rnd = {77};
	for (int i = 0; i < 1500; i++) {
		struct made f;
		struct rejects r;
		struct setup s = logstash();
		struct buf in, want;
		s.o.tag_key = "tag";
		buf_init(&in, 1 << 26);
		buf_init(&want, 1 << 26);
		put_random_map(&in, &rnd, 5);
		frame_begin(&f, "t");
		frame_add(&f, 1700000000, 0, buf_span(&in));
		struct bulk_body *b = body_new(&s, &r);
		uint32_t next;
		assert_int_equal(bulk_body_add(b, frame_end(&f), 0, UINT32_MAX, &next), BULK_ADDED);
		const enum ref_result kind = ref_json(buf_span(&in), true, &want);
		assert_true(kind != REF_UNKNOWN);
		assert_int_equal(bulk_body_count(b), kind == REF_TEXT);
		assert_int_equal(r.n, kind != REF_TEXT);
		if (kind == REF_TEXT) {
			static const char tail[] = "\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\",\"tag\":\"t\"}\n";
			const struct span doc = span_of(bulk_body_bytes(b).p + strlen("{\"create\":{}}\n"),
				bulk_body_bytes(b).n - strlen("{\"create\":{}}\n"));
			want.n--;
			if (want.n > 1)
				buf_put_byte(&want, ',');
			buf_put_str(&want, tail);
			assert_true(span_eq(doc, buf_span(&want)));
			json_error_t error;
			json_t *j = json_loadb(
				(const char *)doc.p, doc.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
			if (!j && !strstr(error.text, "NUL byte in object key"))
				fail_msg("%s: %.*s", error.text, (int)doc.n, (const char *)doc.p);
			json_decref(j);
		}
		bulk_body_free(b);
		buf_free(&in);
		buf_free(&want);
		frame_free_all(&f);
		setup_free(&s);
	}
}

/* Each allocation fails in turn: an event is in the body whole, rejected, or left for later. */
static void test_no_memory(void **state)
{
	(void)state;
	for (long nth = 1; nth < 40; nth++) {
		struct made f;
		struct rejects r;
		struct setup s = logstash();
		s.o.pipeline = name(&s, "${p}");
		s.o.id_key = path(&s, "id");
		s.o.target_index = path(&s, "$.m.i");
		s.o.flatten_hashes = false;
		frame_begin(&f, "t");
		frame_json(&f, 1700000000, 0, "{\"p\":\"x\",\"id\":\"y\",\"m\":{\"i\":\"z\"}}");
		frame_json(&f, 1700000000, 0, "{\"p\":\"x\",\"id\":\"y\",\"m\":{}}");
		frame_end(&f);
		struct bulk_body *b = body_new(&s, &r);
		uint32_t next;
		bulk_body_add(b, &f.view, 1, 2, &next); /* the tag is taken over with memory that must be there */
		bulk_body_clear(b);
		mem_fail_at(nth);
		const enum bulk_add added = bulk_body_add(b, &f.view, 0, UINT32_MAX, &next);
		mem_fail_at(0);
		assert_int_equal(bulk_body_count(b) + r.n, next);
		assert_int_equal(added == BULK_ADDED, next == 2);
		const struct span bytes = bulk_body_bytes(b);
		size_t lines = 0;
		for (size_t i = 0; i < bytes.n; i++)
			lines += bytes.p[i] == '\n';
		assert_int_equal(lines, 2 * bulk_body_count(b));
		bulk_body_free(b);
		frame_free_all(&f);
		setup_free(&s);
	}
	bulk_body_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_index),
		cmocka_unit_test(test_logstash_format),
		cmocka_unit_test(test_tag_key),
		cmocka_unit_test(test_id_key),
		cmocka_unit_test(test_missing_id),
		cmocka_unit_test(test_wrong_ids),
		cmocka_unit_test(test_routing_pipeline_type),
		cmocka_unit_test(test_time_key),
		cmocka_unit_test(test_own_timestamp),
		cmocka_unit_test(test_time_precision),
		cmocka_unit_test(test_local_index_date),
		cmocka_unit_test(test_index_placeholders),
		cmocka_unit_test(test_target_index_key),
		cmocka_unit_test(test_remove_keys),
		cmocka_unit_test(test_data_stream),
		cmocka_unit_test(test_flatten_hashes),
		cmocka_unit_test(test_field_names_and_values),
		cmocka_unit_test(test_wide_record),
		cmocka_unit_test(test_entry_forms),
		cmocka_unit_test(test_extreme_times),
		cmocka_unit_test(test_bad_entries),
		cmocka_unit_test(test_torn_frame),
		cmocka_unit_test(test_own_ids_and_items),
		cmocka_unit_test(test_limits_and_resumption),
		cmocka_unit_test(test_many_items),
		cmocka_unit_test(test_large_records),
		cmocka_unit_test(test_many_rejected),
		cmocka_unit_test(test_random_access),
		cmocka_unit_test(test_told_of_indices),
		cmocka_unit_test(test_random_records),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
