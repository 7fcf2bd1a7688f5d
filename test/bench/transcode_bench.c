/*
 * transcode_bench: what it costs to make a bulk body of records, in nanoseconds a record and core: the best of many
 * rounds over 2,000 records that are in the cache, so it is the transcoder's own cost. `transcode_bench NAME N` runs
 * one kind N times, for a profiler.
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "elastic/bulk_body.h"
#include "record/record_path.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORDS 2000
#define ROUNDS	200

static msgpack_sbuffer entries;
static msgpack_packer packer;

static void put(const char *s)
{
	msgpack_pack_str(&packer, strlen(s));
	msgpack_pack_str_body(&packer, s, strlen(s));
}

static void put_pair(const char *key, const char *value)
{
	put(key);
	put(value);
}

static void small(int i)
{
	char id[16];
	snprintf(id, sizeof id, "u-%06d", i * 37 % 1000000);
	msgpack_pack_map(&packer, 6);
	put_pair("level", i % 7 ? "info" : "warning");
	put_pair("service", "checkout-api");
	put("status");
	msgpack_pack_int(&packer, 200 + i % 5);
	put("duration_ms");
	msgpack_pack_int(&packer, i % 1000);
	put_pair("user_id", id);
	put_pair("msg", "request completed");
}

static void kubernetes_line(int i, const char *line)
{
	char pod[64];
	snprintf(pod, sizeof pod, "checkout-api-7d9c5b6f4-%05d", i);
	msgpack_pack_map(&packer, 4);
	put_pair("log", line);
	put_pair("stream", "stdout");
	put_pair("time", "2026-08-07T12:00:00.123456789Z");
	put("kubernetes");
	msgpack_pack_map(&packer, 9);
	put_pair("pod_name", pod);
	put_pair("namespace_name", "production");
	put_pair("pod_id", "3f2a8c1e-0b1d-4c5f-9a7e-1234567890ab");
	put_pair("host", "ip-10-0-12-34.eu-west-1.compute.internal");
	put_pair("container_name", "checkout");
	put_pair("docker_id", "f00dfeedf00dfeedf00dfeedf00dfeedf00dfeedf00dfeedf00dfeedf00dfeed");
	put_pair("container_image", "registry.example.com/shop/checkout:1.42.0");
	put("labels");
	msgpack_pack_map(&packer, 5);
	put_pair("app", "checkout");
	put_pair("app.kubernetes.io/name", "checkout");
	put_pair("app.kubernetes.io/managed-by", "Helm");
	put_pair("pod-template-hash", "7d9c5b6f4");
	put_pair("version", "1.42.0");
	put("annotations");
	msgpack_pack_map(&packer, 1);
	put_pair("prometheus.io/scrape", "true");
}

static void kubernetes(int i)
{
	char line[301] = {0};
	for (int k = 0; k < 300; k++)
		line[k] = "abcdefghij klmnop"[(k * 7 + i) % 17];
	kubernetes_line(i, line);
}

/* JSON in the log line: a quote every six bytes. */
static void kubernetes_json(int i)
{
	char line[301] = {0};
	for (int k = 0; k < 300; k++)
		line[k] = k % 6 ? "abcdefghij klmnop"[(k * 7 + i) % 17] : '"';
	kubernetes_line(i, line);
}

static void own_timestamp(int i)
{
	char text[40];
	snprintf(text, sizeof text, "2023-11-14T22:%02d:%02d.%06dZ", i / 60 % 60, i % 60, i);
	msgpack_pack_map(&packer, 3);
	put_pair("@timestamp", text);
	put_pair("msg", "request completed");
	put("n");
	msgpack_pack_int(&packer, i);
}

static void wide(int i)
{
	msgpack_pack_map(&packer, 45);
	for (int k = 0; k < 45; k++) {
		char key[16];
		snprintf(key, sizeof key, "field_name_%02d", k);
		put(key);
		if (k % 3 == 0)
			msgpack_pack_int(&packer, i * k);
		else if (k % 3 == 1)
			put("some value");
		else
			msgpack_pack_double(&packer, i / 8.0);
	}
}

static void cyrillic(int i)
{
	char text[600] = "";
	for (int k = 0; k < 10; k++)
		strcat(text, "съешь ещё этих мягких булок, ");
	msgpack_pack_map(&packer, 2);
	put_pair("log", text);
	put("n");
	msgpack_pack_int(&packer, i);
}

static const struct {
	const char *name, *id_key, *prefix;
	void (*make)(int i);
} kinds[] = {
	{"small", NULL, "logstash", small},
	{"kubernetes", NULL, "logstash", kubernetes},
	{"kubernetes-json", NULL, "logstash", kubernetes_json},
	{"own-timestamp", NULL, "logstash", own_timestamp},
	{"45-fields", NULL, "logstash", wide},
	{"cyrillic", NULL, "logstash", cyrillic},
	{"small-id-key", "user_id", "logstash", small},
	{"small-index-of-record", NULL, "${service}", small},
};

static void make_entries(void (*make)(int i))
{
	msgpack_sbuffer_clear(&entries);
	for (uint32_t i = 0; i < RECORDS; i++) {
		uint8_t head[11] = {0x92, 0xd7, 0};
		be32_put(head + 3, 1700000000 + i / 1000);
		be32_put(head + 7, i % 1000 * 1000000 + 123);
		msgpack_sbuffer_write(&entries, (const char *)head, sizeof head);
		make((int)i);
	}
}

static struct bulk_body *make_body(const char *prefix, const char *id_key)
{
	struct err err;
	const struct bulk_options o = {.logstash_format = true,
		.prefix = name_template_compile(prefix, true, &err),
		.separator = "-",
		.date = name_template_compile("%Y.%m.%d", true, &err),
		.utc_index = true,
		.id_key = id_key ? record_path_compile(id_key, &err) : NULL,
		.timestamp = true,
		.time_precision = 9,
		.tag_key = "tag",
		.body_limit = 64 << 20,
		.record_limit = 10 << 20};
	return bulk_body_new(&o);
}

static void run(size_t kind, int rounds)
{
	struct bulk_body *b = make_body(kinds[kind].prefix, kinds[kind].id_key);
	int64_t best = INT64_MAX;
	make_entries(kinds[kind].make);
	const struct frame_view f = {.offset = 64,
		.type = FRAME_DATA,
		.count = RECORDS,
		.key = (const uint8_t *)"0123456789ab",
		.tag = SPAN_LIT("app.web"),
		.entries = span_of(entries.data, entries.size)};
	for (int i = 0; i < rounds; i++) {
		uint32_t next;
		bulk_body_clear(b);
		const int64_t begin = clock_mono_ns();
		const enum bulk_add added = bulk_body_add(b, &f, 0, UINT32_MAX, &next);
		const int64_t took = clock_mono_ns() - begin;
		if (added != BULK_ADDED || bulk_body_count(b) != RECORDS) {
			fprintf(stderr, "%s: not all records became documents\n", kinds[kind].name);
			exit(1);
		}
		best = took < best ? took : best;
	}
	printf("%-24s %7.1f ns a record   %5zu bytes of msgpack   %5zu of the body\n", kinds[kind].name,
		(double)best / RECORDS, entries.size / RECORDS, bulk_body_bytes(b).n / RECORDS);
	bulk_body_free(b);
}

int main(int argc, char **argv)
{
	msgpack_sbuffer_init(&entries);
	msgpack_packer_init(&packer, &entries, msgpack_sbuffer_write);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (argc < 2 || strcmp(argv[1], kinds[i].name) == 0)
			run(i, argc > 2 ? atoi(argv[2]) : ROUNDS);
	msgpack_sbuffer_destroy(&entries);
	return 0;
}
