/*
 * Random messages, decoded by weir and judged again by a slow reading of msgpack-c's trees, written from the protocol's
 * description. Each stream is cut at random places.
 */
#include "forward/forward_decode.h"

#include "../record/expected_json.h"
#include "../record/random_msgpack.h"
#include "record/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* ---- the oracle ----------------------------------------------------------------------------------- */

enum verdict { GOOD, MARKER, BAD_ENTRY, BAD_TIME, BAD_RECORD };

struct expected {
	const char *reason; /* NULL: events */
	struct span chunk;  /* n = 0: none */
	uint32_t count, skipped, markers;
	json_t *records;
};

static bool is_text(const msgpack_object *o)
{
	return o->type == MSGPACK_OBJECT_STR || o->type == MSGPACK_OBJECT_BIN;
}

static enum verdict judge_ext_time(const msgpack_object_ext *e)
{
	if (e->type == 0 && e->size == 8)
		return memcmp(e->ptr, "\xff\xff\xff\xff\0\0\0", 8) == 0 ||
				       memcmp(e->ptr, "\xff\xff\xff\xfe\0\0\0", 8) == 0
			       ? MARKER
			       : GOOD;
	return e->type == -1 && (e->size == 4 || e->size == 8 || e->size == 12) ? GOOD : BAD_TIME;
}

static enum verdict judge_time(const msgpack_object *o)
{
	switch (o->type) {
	case MSGPACK_OBJECT_NIL:
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return GOOD;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return isfinite(o->via.f64) && fabs(o->via.f64) < 9.2e18 ? GOOD : BAD_TIME;
	case MSGPACK_OBJECT_EXT:
		return judge_ext_time(&o->via.ext);
	default:
		return BAD_TIME;
	}
}

static enum verdict judge_entry(const msgpack_object *o)
{
	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size < 2)
		return BAD_ENTRY;
	const msgpack_object *time = &o->via.array.ptr[0];
	if (time->type == MSGPACK_OBJECT_ARRAY) {
		if (time->via.array.size == 0)
			return BAD_TIME;
		time = &time->via.array.ptr[0];
	}
	enum verdict v = judge_time(time);
	if (v != GOOD)
		return v;
	return o->via.array.ptr[1].type == MSGPACK_OBJECT_MAP ? GOOD : BAD_RECORD;
}

static void expect_entry(struct expected *e, const msgpack_object *o)
{
	switch (judge_entry(o)) {
	case GOOD:
		e->count++;
		json_array_append_new(e->records, json_of_object(&o->via.array.ptr[1]));
		break;
	case MARKER:
		e->markers++;
		break;
	default:
		e->skipped++;
	}
}

static void expect_packed(struct expected *e, const char *p, size_t n)
{
	size_t at = 0;
	while (at < n) {
		msgpack_unpacked u;
		msgpack_unpacked_init(&u);
		msgpack_unpack_return r = msgpack_unpack_next(&u, p, n, &at);
		bool whole = r == MSGPACK_UNPACK_SUCCESS || r == MSGPACK_UNPACK_EXTRA_BYTES;
		if (whole && u.data.type != MSGPACK_OBJECT_NIL)
			expect_entry(e, &u.data);
		msgpack_unpacked_destroy(&u);
		if (!whole) {
			e->skipped++; /* the tail */
			return;
		}
	}
}

static const msgpack_object *option_value(const msgpack_object *option, const char *key)
{
	const msgpack_object *found = NULL;
	if (!option || option->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < option->via.map.size; i++) {
		const msgpack_object_kv *kv = &option->via.map.ptr[i];
		/* str and bin lie alike in the union */
		if (is_text(&kv->key) && span_eq(span_of(kv->key.via.str.ptr, kv->key.via.str.size), span_str(key)))
			found = &kv->val;
	}
	return found;
}

static void expect_message(struct expected *e, const msgpack_object_array *a)
{
	if (a->size < 3) {
		e->reason = "bad_arity";
		return;
	}
	enum verdict v = judge_time(&a->ptr[1]);
	if (v == MARKER) {
		e->markers = 1;
	} else if (v != GOOD) {
		e->reason = "bad_time";
	} else if (a->ptr[2].type != MSGPACK_OBJECT_MAP) {
		e->reason = "bad_record";
	} else {
		e->count = 1;
		json_array_append_new(e->records, json_of_object(&a->ptr[2]));
	}
}

static struct expected expect(const msgpack_object *o)
{
	struct expected e = {.records = json_array()};
	assert_int_equal(o->type, MSGPACK_OBJECT_ARRAY);
	const msgpack_object_array *a = &o->via.array;
	if (a->size < 2) {
		e.reason = "bad_arity";
		return e;
	}
	const msgpack_object *second = &a->ptr[1];
	bool message = second->type != MSGPACK_OBJECT_ARRAY && !is_text(second);
	uint32_t at = message ? 3 : 2;
	const msgpack_object *option = at < a->size ? &a->ptr[at] : NULL;
	const msgpack_object *chunk = option_value(option, "chunk"), *signal = option_value(option, "fluent_signal");
	if (chunk && is_text(chunk))
		e.chunk = span_of(chunk->via.str.ptr, chunk->via.str.size);
	if (!is_text(&a->ptr[0]))
		e.reason = "bad_tag";
	else if (signal && signal->type == MSGPACK_OBJECT_POSITIVE_INTEGER && signal->via.u64)
		e.reason = "signal_1";
	else if (message)
		expect_message(&e, a);
	else if (second->type == MSGPACK_OBJECT_ARRAY)
		for (uint32_t i = 0; i < second->via.array.size; i++)
			expect_entry(&e, &second->via.array.ptr[i]);
	else
		expect_packed(&e, second->via.str.ptr, second->via.str.size);
	return e;
}

/* ---- random messages ------------------------------------------------------------------------------ */

static void put_time(struct buf *b, struct random *r)
{
	switch (random_below(r, 12)) {
	case 0:
		put_random_value(b, r, 2);
		return;
	case 1:
		buf_put(b, "\xd7\0\xff\xff\xff\xff\0\0\0\0", 10);
		return;
	case 2:
		buf_put(b, "\xd7\0\xff\xff\xff\xfe\0\0\0", 10);
		return;
	case 3:
		buf_put(b, "\xc7\x08\0", 3);
		put_be(b, random_next(r), 8);
		return;
	case 4:
		put_random_number(b, r);
		return;
	case 5:
		buf_put(b, "\xd6\xff", 2);
		put_be(b, random_next(r), 4);
		return;
	default:
		buf_put(b, "\xd7\0\x65\x53", 4);
		put_be(b, random_next(r), 6);
	}
}

static void put_record(struct buf *b, struct random *r)
{
	if (random_below(r, 15))
		put_random_map(b, r, 3);
	else
		put_random_value(b, r, 2);
}

static void put_entry(struct buf *b, struct random *r)
{
	uint32_t n = random_below(r, 12) ? 2 : random_below(r, 5);
	if (random_below(r, 30) == 0) {
		put_random_value(b, r, 2);
		return;
	}
	put_random_head(b, r, n, 0x90, 16, 0xdc, 2);
	if (n > 0 && random_below(r, 4) == 0) { /* Fluent Bit's header */
		uint32_t header = random_below(r, 8) ? 2 : random_below(r, 4);
		put_random_head(b, r, header, 0x90, 16, 0xdc, 2);
		for (uint32_t i = 0; i < header; i++)
			i ? put_record(b, r) : put_time(b, r);
	} else if (n > 0) {
		put_time(b, r);
	}
	for (uint32_t i = 1; i < n; i++)
		i == 1 ? put_record(b, r) : put_random_value(b, r, 1);
}

static void put_option(struct buf *b, struct random *r)
{
	uint32_t n = random_below(r, 4);
	if (random_below(r, 6) == 0) {
		put_random_value(b, r, 2);
		return;
	}
	put_random_head(b, r, n, 0x80, 16, 0xde, 2);
	for (uint32_t i = 0; i < n; i++) {
		switch (random_below(r, 4)) {
		case 0:
		case 1:
			buf_put(b,
				"\xa5"
				"chunk",
				6);
			put_random_str(b, r);
			break;
		case 2:
			buf_put(b,
				"\xc4\x0d"
				"fluent_signal",
				15);
			buf_put_byte(b, (uint8_t)(random_below(r, 4) == 0));
			break;
		default:
			put_random_str(b, r);
			put_random_value(b, r, 2);
		}
	}
}

static void put_packed(struct buf *b, struct random *r, uint32_t entries)
{
	struct buf body;
	buf_init(&body, 64u << 20);
	for (uint32_t i = 0; i < entries; i++) {
		put_entry(&body, r);
		if (random_below(r, 10) == 0)
			buf_put_byte(&body, 0xc0);
	}
	if (random_below(r, 8) == 0 && body.n)
		body.n -= random_below(r, (unsigned)body.n);
	bool bin = random_below(r, 2);
	put_random_head(b, r, (uint32_t)body.n, bin ? 0 : 0xa0, bin ? 0 : 32, bin ? 0xc4 : 0xd9, 1);
	buf_put_span(b, buf_span(&body));
	buf_free(&body);
}

static void put_message(struct buf *b, struct random *r)
{
	unsigned form = random_below(r, 3), entries = random_below(r, 8);
	uint32_t n = (form == 0 ? 3 : 2) + random_below(r, 2);
	if (random_below(r, 20) == 0)
		n = random_below(r, 7);
	put_random_head(b, r, n, 0x90, 16, 0xdc, 2);
	for (uint32_t i = 0; i < n; i++) {
		if (i == 0) {
			random_below(r, 20) ? put_random_str(b, r) : put_random_value(b, r, 1);
		} else if (i == 1 && form == 0) {
			put_time(b, r);
		} else if (i == 1 && form == 1) {
			put_random_head(b, r, entries, 0x90, 16, 0xdc, 2);
			for (unsigned k = 0; k < entries; k++)
				put_entry(b, r);
		} else if (i == 1) {
			put_packed(b, r, entries);
		} else if (i == 2 && form == 0) {
			put_record(b, r);
		} else {
			put_option(b, r);
		}
	}
}

/* ---- comparison ----------------------------------------------------------------------------------- */

static json_t *records_of(const struct forward_msg *msg)
{
	json_t *records = json_array();
	const uint8_t *p = msg->entries.p, *end = p + msg->entries.n;
	for (uint32_t i = 0; i < msg->count; i++) {
		struct event e;
		size_t used;
		assert_int_equal(event_read(p, end, MP_DEPTH_LIMIT, &e, &used), EVENT_OK);
		json_array_append_new(records, json_of_msgpack(e.record));
		p += used;
	}
	assert_ptr_equal(p, end);
	return records;
}

struct tally {
	unsigned events, dropped, skipped, markers, chunks;
};

static void compare(enum forward_step step, const struct forward_msg *msg, struct tally *tally)
{
	msgpack_unpacked u;
	size_t used = 0;
	msgpack_unpacked_init(&u);
	assert_int_equal(msgpack_unpack_next(&u, (const char *)msg->raw.p, msg->raw.n, &used), MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(used, msg->raw.n);
	struct expected e = expect(&u.data);
	assert_int_equal(step, e.reason ? FORWARD_DROPPED : FORWARD_EVENTS);
	if (e.reason)
		assert_string_equal(msg->reason, e.reason);
	if (e.chunk.n && msg->raw.n < 500) /* a longer one may be over the limit */
		assert_true(span_eq(msg->chunk_text, e.chunk));
	if (step == FORWARD_EVENTS) {
		assert_int_equal(msg->count, e.count);
		assert_int_equal(msg->skipped, e.skipped);
		assert_int_equal(msg->markers, e.markers);
		json_t *records = records_of(msg);
		assert_true(json_same(records, e.records));
		json_decref(records);
	}
	tally->events += msg->count;
	tally->dropped += step == FORWARD_DROPPED;
	tally->skipped += msg->skipped;
	tally->markers += msg->markers;
	tally->chunks += e.chunk.n > 0;
	json_decref(e.records);
	msgpack_unpacked_destroy(&u);
}

/* A stream of whole messages, given to the decoder in pieces of random sizes. */
static void run(struct span in, unsigned messages, struct random *r, struct tally *tally)
{
	struct forward_decoder *d = forward_decoder_new(&forward_default_limits, NULL, NULL);
	size_t consumed = 0, have = 0;
	while (consumed < in.n) {
		struct forward_msg msg;
		size_t used, want;
		struct span part = exact_copy(in.p + consumed, have - consumed);
		enum forward_step step = forward_decode(d, part.p, part.n, &used, &want, &msg);
		if (step == FORWARD_MORE) {
			assert_in_range(want, 1, in.n - have);
			size_t more = random_below(r, 3) ? 1 + random_below(r, 60) : want;
			have = more < in.n - have ? have + more : in.n;
		} else {
			compare(step, &msg, tally);
			messages--;
		}
		exact_free(part);
		consumed += used;
	}
	assert_int_equal(messages, 0);
	assert_false(forward_decoder_is_inside(d));
	forward_decoder_free(d);
}

static void test_random_streams(void **state)
{
	(void)state;
	struct random r = {0xdeadbeefcafe};
	struct tally tally = {0};
	struct buf b;
	buf_init(&b, 256u << 20);
	for (int round = 0; round < 600; round++) {
		unsigned messages = 1 + random_below(&r, 4);
		buf_clear(&b);
		for (unsigned i = 0; i < messages; i++)
			put_message(&b, &r);
		run(buf_span(&b), messages, &r, &tally);
	}
	buf_free(&b);
	print_message("%u events, %u messages dropped, %u events left out, %u markers, %u chunks\n", tally.events,
		tally.dropped, tally.skipped, tally.markers, tally.chunks);
	assert_true(tally.events > 1000 && tally.dropped > 50 && tally.skipped > 300 && tally.markers > 100 &&
		    tally.chunks > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_streams),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
