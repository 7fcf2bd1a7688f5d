/*
 * template.h: the bytes that load_gen.c sends: a chunk of records, and the places in it that change from one sending to the next.
 * Two kinds of record: "small", a line of an access log of about 100 bytes, and "kube", a container's line with its Kubernetes
 * metadata of about 900. The same records in each run.
 */
#ifndef WEIR_BENCH_TEMPLATE_H
#define WEIR_BENCH_TEMPLATE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define ID_LEN	     24 /* characters of a chunk id, as fluentd and Fluent Bit have */
#define TEMPLATE_MAX ((size_t)256 << 20)

enum mode { MODE_PACKED, MODE_FORWARD, MODE_MESSAGE };
enum kind { KIND_SMALL, KIND_KUBE };

struct template
{
	struct buf bytes;
	enum kind kind;
	const char *tag;
	unsigned count; /* records */
	bool ack;
	size_t *time; /* offset of each record's EventTime seconds; nanoseconds follow */
	size_t *seq;  /* offset of each record's 8 bytes of seq */
	size_t *id;   /* offset of each chunk id */
	unsigned ids; /* 1, or one for each record in Message mode; 0 without acks */
};

static uint64_t random_state = 88172645463325252u;

/* xorshift64: the same records in each run. */
static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) % n);
}

/* ---- msgpack ---- */

static void put_byte(struct buf *b, unsigned v)
{
	buf_put_byte(b, (uint8_t)v);
}

static void put_be16(struct buf *b, unsigned v)
{
	uint8_t raw[2];
	be16_put(raw, (uint16_t)v);
	buf_put(b, raw, sizeof raw);
}

static void put_be32(struct buf *b, uint32_t v)
{
	uint8_t raw[4];
	be32_put(raw, v);
	buf_put(b, raw, sizeof raw);
}

static void put_map(struct buf *b, unsigned n)
{
	put_byte(b, 0x80u | n);
}

static void put_str(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	if (n < 32) {
		put_byte(b, 0xa0u | (unsigned)n);
	} else if (n < 256) {
		put_byte(b, 0xd9);
		put_byte(b, (unsigned)n);
	} else {
		put_byte(b, 0xda);
		put_be16(b, (unsigned)n);
	}
	buf_put(b, s, n);
}

static void put_pair(struct buf *b, const char *key, const char *value)
{
	put_str(b, key);
	put_str(b, value);
}

static void put_uint(struct buf *b, uint32_t v)
{
	if (v < 128) {
		put_byte(b, v);
	} else if (v < 65536) {
		put_byte(b, 0xcd);
		put_be16(b, v);
	} else {
		put_byte(b, 0xce);
		put_be32(b, v);
	}
}

static void put_double(struct buf *b, double v)
{
	uint64_t bits;
	uint8_t raw[8];

	memcpy(&bits, &v, sizeof bits);
	be64_put(raw, bits);
	put_byte(b, 0xcb);
	buf_put(b, raw, sizeof raw);
}

static void put_array32(struct buf *b, uint32_t n)
{
	put_byte(b, 0xdd);
	put_be32(b, n);
}

/* ---- records ---- */

static void put_seq(struct template *t, unsigned i)
{
	put_str(&t->bytes, "seq");
	put_byte(&t->bytes, 0xcf);
	t->seq[i] = t->bytes.n;
	buf_put(&t->bytes, "\0\0\0\0\0\0\0", 8);
}

/* About 100 bytes with its time: a line of an access log, 6 pairs. */
static void put_small(struct template *t, unsigned i)
{
	static const char *const levels[] = {"info", "info", "info", "warn", "error"};
	static const unsigned statuses[] = {200, 200, 200, 304, 404, 500};
	struct buf *b = &t->bytes;
	char text[64];

	put_map(b, 6);
	snprintf(text, sizeof text, "web-%03u", random_below(200));
	put_pair(b, "host", text);
	put_pair(b, "level", levels[random_below(5)]);
	snprintf(text, sizeof text, "/api/v1/items/%u", random_below(1000000));
	put_pair(b, "path", text);
	put_str(b, "status");
	put_uint(b, statuses[random_below(6)]);
	put_str(b, "took");
	put_double(b, random_below(1000000) / 1e6);
	put_seq(t, i);
}

static void put_log_line(struct buf *b)
{
	static const char *const words[] = {"request", "completed", "user", "session", "timeout", "retry", "order",
		"payment", "\xea\xb2\xb0\xec\xa0\x9c", "cache", "miss", "\"quoted\"", "thread-7", "GET", "/shop/cart"};
	char line[512];
	int n = snprintf(line, sizeof line,
		"2026-08-07 12:%02u:%02u.%03u  INFO 1 --- [exec-%u] c.example.shop.OrderController : ",
		random_below(60), random_below(60), random_below(1000), random_below(64));

	while (n < 290)
		n += snprintf(line + n, sizeof line - (size_t)n, "%s ", words[random_below(15)]);
	snprintf(line + n, sizeof line - (size_t)n, "id=%08x\n", random_below(UINT32_MAX));
	put_pair(b, "log", line);
}

/* About 900 bytes: a container's line as Fluent Bit's kubernetes filter leaves it. */
static void put_kube(struct template *t, unsigned i)
{
	struct buf *b = &t->bytes;
	char pod[64], text[128];
	uint32_t hash = random_below(UINT32_MAX);

	snprintf(pod, sizeof pod, "shop-order-%08x-%05u", hash, random_below(100000));
	put_map(b, 5);
	put_seq(t, i);
	put_pair(b, "stream", random_below(4) ? "stdout" : "stderr");
	put_pair(b, "logtag", "F");
	put_log_line(b);
	put_str(b, "kubernetes");
	put_map(b, 10);
	put_pair(b, "pod_name", pod);
	put_pair(b, "namespace_name", "shop");
	snprintf(text, sizeof text, "%08x-1f2e-4c3d-9b8a-%012x", hash, random_below(UINT32_MAX));
	put_pair(b, "pod_id", text);
	put_str(b, "labels");
	put_map(b, 4);
	put_pair(b, "app.kubernetes.io/name", "shop-order");
	put_pair(b, "app.kubernetes.io/version", "2.14.1");
	snprintf(text, sizeof text, "%08x", hash);
	put_pair(b, "pod-template-hash", text);
	put_pair(b, "tier", "backend");
	put_pair(b, "host", "ip-10-20-30-40.ap-northeast-2.compute.internal");
	put_pair(b, "pod_ip", "10.20.30.41");
	put_pair(b, "container_name", "order");
	snprintf(text, sizeof text, "%08x%08x%08x%08x", hash, hash ^ 0x5a5a5a5au, ~hash, hash * 2654435761u);
	put_pair(b, "docker_id", text);
	snprintf(text, sizeof text, "registry.example.com/shop/order@sha256:%08x%08x%08x%08x", hash, ~hash, hash / 3,
		hash / 7);
	put_pair(b, "container_hash", text);
	put_pair(b, "container_image", "registry.example.com/shop/order:2.14.1");
}

/* ---- templates ---- */

static void put_time_and_record(struct template *t, unsigned i)
{
	put_byte(&t->bytes, 0xd7);
	put_byte(&t->bytes, 0);
	t->time[i] = t->bytes.n;
	buf_put(&t->bytes, "\0\0\0\0\0\0\0", 8);
	if (t->kind == KIND_SMALL)
		put_small(t, i);
	else
		put_kube(t, i);
}

static void put_option(struct template *t, unsigned size)
{
	struct buf *b = &t->bytes;

	put_map(b, (t->ack ? 1u : 0u) + (size ? 1u : 0u));
	if (size) {
		put_str(b, "size");
		put_uint(b, size);
	}
	if (!t->ack)
		return;
	put_str(b, "chunk");
	put_byte(b, 0xa0u | ID_LEN);
	t->id[t->ids++] = b->n;
	buf_put(b, "000000000000000000000000", ID_LEN);
}

static void put_packed(struct template *t)
{
	struct buf *b = &t->bytes;
	size_t length_at;

	put_byte(b, 0x93);
	put_str(b, t->tag);
	put_byte(b, 0xc6);
	length_at = b->n;
	put_be32(b, 0);
	for (unsigned i = 0; i < t->count; i++) {
		put_byte(b, 0x92);
		put_time_and_record(t, i);
	}
	if (!b->failed)
		be32_put(b->p + length_at, (uint32_t)(b->n - length_at - 4));
	put_option(t, t->count);
}

static void put_forward(struct template *t)
{
	put_byte(&t->bytes, 0x93);
	put_str(&t->bytes, t->tag);
	put_array32(&t->bytes, t->count);
	for (unsigned i = 0; i < t->count; i++) {
		put_byte(&t->bytes, 0x92);
		put_time_and_record(t, i);
	}
	put_option(t, t->count);
}

static void put_messages(struct template *t)
{
	for (unsigned i = 0; i < t->count; i++) {
		put_byte(&t->bytes, 0x94);
		put_str(&t->bytes, t->tag);
		put_time_and_record(t, i);
		put_option(t, 0);
	}
}

/* Ends the program over 256 MiB: that is a mistake in the arguments. */
static void template_build(
	struct template *t, enum mode mode, enum kind kind, const char *tag, unsigned count, bool ack)
{
	*t = (struct template){.kind = kind, .tag = tag, .count = count, .ack = ack};
	buf_init(&t->bytes, TEMPLATE_MAX);
	t->time = mem_array(t->count, sizeof *t->time);
	t->seq = mem_array(t->count, sizeof *t->seq);
	t->id = mem_array(t->count, sizeof *t->id);
	if (mode == MODE_PACKED)
		put_packed(t);
	else if (mode == MODE_FORWARD)
		put_forward(t);
	else
		put_messages(t);
	if (t->bytes.failed) {
		fprintf(stderr, "load_gen: a chunk would be over 256 MiB\n");
		exit(2);
	}
}

static void template_free(struct template *t)
{
	buf_free(&t->bytes);
	mem_free(t->time);
	mem_free(t->seq);
	mem_free(t->id);
}

#endif
