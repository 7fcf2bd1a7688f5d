/*
 * The decoder on any bytes, cut anywhere: what comes out must not depend on the cuts, and what is said to be good
 * entries must be. The first byte of the input chooses the cuts and the limits, the rest is the stream.
 */
#include "base/mem.h"
#include "forward/forward_decode.h"
#include "forward/forward_encode.h"
#include "record/event.h"
#include "record/msgpack_scan.h"

#include <stdlib.h>

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A digest of everything that came out. */
struct sum {
	uint64_t h;
};

static void add(struct sum *s, const void *p, size_t n)
{
	const uint8_t *b = p;
	for (size_t i = 0; i < n; i++)
		s->h = (s->h ^ b[i]) * UINT64_C(1099511628211);
	s->h = (s->h ^ n) * UINT64_C(1099511628211);
}

static void add_text(struct sum *s, const char *text)
{
	add(s, text, strlen(text));
}

static void on_bad(void *arg, struct span entry, const char *reason)
{
	add(arg, entry.p, entry.n);
	add_text(arg, reason);
}

static void check_events(const struct forward_msg *msg, const struct forward_limits *limits)
{
	const uint8_t *p = msg->entries.p, *end;
	uint32_t count;
	if (msg->entries.n == 0) {
		REQUIRE(msg->count == 0);
		return;
	}
	end = p + msg->entries.n;
	REQUIRE(event_scan(msg->entries, limits->max_depth, &count) && count == msg->count);
	for (uint32_t i = 0; i < count; i++) {
		struct event e;
		size_t used;
		REQUIRE(event_read(p, end, limits->max_depth, &e, &used) == EVENT_OK);
		REQUIRE(mp_skip(e.record.p, end, limits->max_depth) == e.record.n || e.record.n == 0);
		p += used;
	}
	REQUIRE(p == end);
	REQUIRE(!limits->keep_invalid || msg->skipped == 0);
}

static void add_result(
	struct sum *s, enum forward_step step, const struct forward_msg *msg, const struct forward_limits *limits)
{
	add(s, &step, sizeof step);
	if (step == FORWARD_HEARTBEAT)
		return;
	if (step != FORWARD_EVENTS) {
		REQUIRE(msg->reason);
		add_text(s, msg->reason);
	}
	if (step == FORWARD_CLOSE)
		return;
	if (step == FORWARD_EVENTS)
		check_events(msg, limits);
	add(s, msg->tag.p, msg->tag.n);
	add(s, msg->entries.p, msg->entries.n);
	add(s, &msg->count, sizeof msg->count);
	add(s, &msg->skipped, sizeof msg->skipped);
	add(s, &msg->markers, sizeof msg->markers);
	add(s, msg->raw.p, msg->raw.n);
	add(s, msg->chunk_text.p, msg->chunk_text.n);
	if (msg->chunk.n) {
		struct buf ack;
		buf_init(&ack, 65536);
		REQUIRE(forward_put_ack(&ack, msg->chunk, msg->json));
		REQUIRE(msg->json || mp_length(ack.p, ack.p + ack.n) == ack.n);
		add(s, ack.p, ack.n);
		buf_free(&ack);
	}
}

/* `seed` 0: all at once; else in pieces of 1 to 16 bytes, each call with a copy of what there is. */
static uint64_t run(const uint8_t *data, size_t size, uint32_t seed, const struct forward_limits *limits)
{
	struct sum s = {UINT64_C(14695981039346656037)};
	struct forward_decoder *d = forward_decoder_new(limits, on_bad, &s);
	size_t consumed = 0, have = seed ? 0 : size;
	for (;;) {
		struct forward_msg msg;
		size_t used, want;
		uint8_t *part = mem_alloc(have - consumed);
		if (have > consumed)
			memcpy(part, data + consumed, have - consumed);
		enum forward_step step = forward_decode(d, part, have - consumed, &used, &want, &msg);
		REQUIRE(used <= have - consumed);
		REQUIRE((step == FORWARD_MORE || step == FORWARD_CLOSE) == (used == 0));
		if (step != FORWARD_MORE)
			add_result(&s, step, &msg, limits);
		mem_free(part);
		consumed += used;
		if (step == FORWARD_CLOSE)
			break;
		if (step != FORWARD_MORE)
			continue;
		REQUIRE(want > 0);
		if (have == size) {
			bool inside = forward_decoder_is_inside(d);
			add(&s, &inside, sizeof inside);
			break;
		}
		seed = seed * 1103515245 + 12345;
		size_t piece = 1 + (seed >> 16) % 16;
		have = piece < size - have ? have + piece : size;
	}
	forward_decoder_free(d);
	return s.h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct forward_limits limits = {.max_message = 1 << 16,
		.max_decompressed = 1 << 16,
		.max_objects = 4000,
		.max_depth = 20,
		.max_tag = 100,
		.max_chunk_id = 64};
	if (size == 0)
		return 0;
	uint8_t choice = data[0];
	limits.keep_invalid = choice & 1;
	limits.msgpack_only = choice & 2;
	if (choice & 4)
		limits.max_message = 100;
	uint64_t whole = run(data + 1, size - 1, 0, &limits);
	REQUIRE(whole == run(data + 1, size - 1, 1u + choice, &limits));
	return 0;
}
