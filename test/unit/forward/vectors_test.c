/*
 * Every vector of test/vectors/forward.json, in one piece, byte by byte and doubled. What must come out was typed
 * by hand, so this is the decoder against the protocol and not against itself. Run from the top of the source tree.
 */
#include "forward/forward_decode.h"
#include "forward/forward_encode.h"

#include "../record/expected_json.h"
#include "record/event.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static json_t *vectors;

/* What a run of the decoder gave, as the vectors have it: a list of results, and how it ended. */
struct outcome {
	json_t *results;
	json_t *bad; /* what on_bad heard: [length, reason] each */
	char end[48];
};

static void on_bad(void *arg, struct span entry, const char *reason)
{
	json_array_append_new(arg, json_pack("[i, s]", (int)entry.n, reason));
}

static json_t *hex_of(struct span s)
{
	struct buf b;
	buf_init(&b, SIZE_MAX);
	for (size_t i = 0; i < s.n; i++)
		buf_printf(&b, "%02x", s.p[i]);
	json_t *j = json_string(buf_cstr(&b));
	buf_free(&b);
	return j;
}

static void add_reply(json_t *result, const struct forward_msg *msg)
{
	struct buf b;
	if (msg->chunk.n == 0)
		return;
	buf_init(&b, 4096);
	assert_true(forward_put_ack(&b, msg->chunk, msg->json));
	json_object_set_new(result, "reply_hex", hex_of(buf_span(&b)));
	json_object_set_new(result, "chunk_text", hex_of(msg->chunk_text));
	buf_free(&b);
}

/* json_put must say the same of a record as the tree that msgpack-c and jansson make of it. */
static void check_json_put(struct span record, const json_t *tree)
{
	struct buf b;
	const uint8_t *p = record.p;
	buf_init(&b, 1 << 20);
	assert_true(json_put(&b, &p, record.p + record.n, MP_DEPTH_LIMIT));
	assert_ptr_equal(p, record.p + record.n);
	json_t *back = json_loadb((const char *)b.p, b.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_non_null(back);
	if (!json_same(back, tree))
		fail_msg("json_put: %.*s", (int)b.n, b.p);
	json_decref(back);
	buf_free(&b);
}

static void add_entries(json_t *result, const struct forward_msg *msg)
{
	json_t *entries = json_array(), *meta = json_array();
	const uint8_t *p = msg->entries.p, *end = p + msg->entries.n;
	for (uint32_t i = 0; i < msg->count; i++) {
		struct event e;
		size_t used;
		assert_int_equal(event_read(p, end, MP_DEPTH_LIMIT, &e, &used), EVENT_OK);
		p += used;
		json_t *entry = json_array(), *record = json_of_msgpack(e.record);
		check_json_put(e.record, record);
		bool now = e.kind == EVENT_TIME_NOW;
		json_array_append_new(entry, now ? json_null() : json_integer(e.time.sec));
		json_array_append_new(entry, now ? json_null() : json_integer(e.time.nsec));
		json_array_append_new(entry, record);
		json_array_append_new(entries, entry);
		json_array_append_new(meta, e.metadata.n ? json_of_msgpack(e.metadata) : json_null());
	}
	assert_ptr_equal(p, end);
	json_object_set_new(result, "entries", entries);
	json_object_set_new(result, "meta", meta);
}

static void add_result(struct outcome *o, enum forward_step step, const struct forward_msg *msg)
{
	json_t *result = json_object();
	char error[48];
	switch (step) {
	case FORWARD_HEARTBEAT:
		json_object_set_new(result, "heartbeat", json_true());
		break;
	case FORWARD_DROPPED:
		snprintf(error, sizeof error, "drop:%s", msg->reason);
		json_object_set_new(result, "error", json_string(error));
		add_reply(result, msg);
		break;
	default:
		json_object_set_new(result, "tag", json_stringn((const char *)msg->tag.p, msg->tag.n));
		add_reply(result, msg);
		add_entries(result, msg);
		json_object_set_new(result, "left_out", json_integer(msg->skipped + msg->markers));
		json_object_set_new(result, "bad", json_deep_copy(o->bad));
		assert_int_equal(json_array_size(o->bad), msg->skipped);
	}
	json_array_clear(o->bad);
	json_array_append_new(o->results, result);
}

/* Gives the decoder what is there of the input, again and again, until it wants more. False: it closes. */
static bool drain(struct forward_decoder *d, struct span in, size_t *consumed, size_t have, struct outcome *o)
{
	for (;;) {
		struct span piece = exact_copy(in.p + *consumed, have - *consumed);
		struct forward_msg msg;
		size_t used, want;
		enum forward_step step = forward_decode(d, piece.p, piece.n, &used, &want, &msg);
		if (step == FORWARD_CLOSE)
			snprintf(o->end, sizeof o->end, "close:%s", msg.reason);
		else if (step != FORWARD_MORE)
			add_result(o, step, &msg);
		if (step == FORWARD_EVENTS || step == FORWARD_DROPPED)
			assert_true(msg.json || (msg.raw.p == piece.p && msg.raw.n == used));
		exact_free(piece);
		*consumed += used;
		if (step == FORWARD_CLOSE)
			return false;
		if (step == FORWARD_MORE) {
			assert_int_equal(used, 0);
			assert_true(want > 0);
			return true;
		}
		assert_true(used > 0);
	}
}

/* `piece` bytes come at a time; 0: all at once. */
static struct outcome run(struct span in, size_t piece, const struct forward_limits *limits)
{
	struct outcome o = {.results = json_array(), .bad = json_array()};
	struct forward_decoder *d = forward_decoder_new(limits, on_bad, o.bad);
	size_t consumed = 0;
	for (size_t have = piece ? piece : in.n;; have += piece) {
		if (have > in.n)
			have = in.n;
		if (!drain(d, in, &consumed, have, &o))
			break;
		if (have == in.n) {
			assert_int_equal(forward_decoder_is_inside(d), !(consumed == in.n || in.p[consumed] == '\r'));
			strcpy(o.end, forward_decoder_is_inside(d) ? "need_more" : "");
			break;
		}
	}
	forward_decoder_free(d);
	json_decref(o.bad);
	return o;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));
	return s ? s : "";
}

static void check_ack(const json_t *want, const json_t *got)
{
	const json_t *ack = json_object_get(want, "ack");
	assert_string_equal(text_of(got, "reply_hex"), text_of(want, "reply_hex"));
	if (json_is_string(ack)) {
		json_t *hex = hex_of(span_of(json_string_value(ack), json_string_length(ack)));
		assert_string_equal(text_of(got, "chunk_text"), json_string_value(hex));
		json_decref(hex);
	} else if (json_is_object(ack)) {
		const char *bin = text_of(ack, "bin");
		assert_string_equal(text_of(got, "chunk_text"), *bin ? bin : text_of(ack, "raw"));
	} else {
		assert_null(json_object_get(got, "reply_hex"));
	}
}

static void check_left_out(const json_t *want, const json_t *got)
{
	json_int_t tail = json_integer_value(json_object_get(want, "bad_tail"));
	json_int_t skipped = json_integer_value(json_object_get(want, "skipped")) + (tail ? 1 : 0);
	assert_int_equal(json_integer_value(json_object_get(got, "left_out")), skipped);
	const json_t *bad = json_object_get(got, "bad");
	const json_t *last = json_array_get(bad, json_array_size(bad) - 1);
	bool has_tail = json_is_array(last) && !strcmp(json_string_value(json_array_get(last, 1)), "bad_tail");
	assert_int_equal(has_tail ? json_integer_value(json_array_get(last, 0)) : 0, tail);
}

static void check_result(const json_t *want, const json_t *got)
{
	check_ack(want, got);
	assert_int_equal(
		json_is_true(json_object_get(want, "heartbeat")), json_is_true(json_object_get(got, "heartbeat")));
	assert_string_equal(text_of(want, "error"), text_of(got, "error"));
	if (!json_object_get(want, "tag"))
		return;
	assert_true(json_equal(json_object_get(want, "tag"), json_object_get(got, "tag")));
	if (!json_same(json_object_get(want, "entries"), json_object_get(got, "entries"))) {
		char *text = json_dumps(json_object_get(got, "entries"), JSON_COMPACT);
		fail_msg("entries: %s", text);
	}
	if (json_object_get(want, "meta"))
		assert_true(json_same(json_object_get(want, "meta"), json_object_get(got, "meta")));
	check_left_out(want, got);
}

/* What a vector wants, `times` times over, against an outcome. */
static void check(const json_t *vector, unsigned times, struct outcome o)
{
	json_t *want = json_array();
	const char *error = text_of(vector, "error"), *end = text_of(vector, "end");
	if (strncmp(error, "close:", 6) == 0)
		end = error;
	for (unsigned i = 0; i < times; i++) {
		if (json_object_get(vector, "expect"))
			json_array_append(want, json_object_get(vector, "expect"));
		json_array_extend(want, json_object_get(vector, "expect_seq"));
		if (strncmp(error, "drop:", 5) == 0) /* ack and reply stand in the vector itself */
			json_array_append_new(want, json_copy((json_t *)(uintptr_t)vector));
		if (strncmp(end, "close:", 6) == 0)
			break;
	}
	assert_string_equal(o.end, end);
	assert_int_equal(json_array_size(o.results), json_array_size(want));
	for (size_t i = 0; i < json_array_size(want); i++)
		check_result(json_array_get(want, i), json_array_get(o.results, i));
	json_decref(want);
	json_decref(o.results);
}

static struct forward_limits limits_of(const json_t *vector)
{
	struct forward_limits limits = forward_default_limits;
	const json_t *set = json_object_get(vector, "limits"), *v;
	if ((v = json_object_get(set, "max_decompressed")))
		limits.max_decompressed = (size_t)json_integer_value(v);
	if ((v = json_object_get(set, "max_objects")))
		limits.max_objects = (uint32_t)json_integer_value(v);
	return limits;
}

static void for_each_vector(void (*test)(const json_t *vector, struct span in, const struct forward_limits *limits))
{
	size_t i;
	json_t *vector;
	json_array_foreach(vectors, i, vector)
	{
		struct forward_limits limits = limits_of(vector);
		struct span in = exact_hex(text_of(vector, "hex"));
		print_message("%s\n", text_of(vector, "name"));
		test(vector, in, &limits);
		exact_free(in);
	}
	print_message("%zu vectors\n", json_array_size(vectors));
	assert_int_equal(json_array_size(vectors), 140);
}

static void in_one_piece(const json_t *vector, struct span in, const struct forward_limits *limits)
{
	check(vector, 1, run(in, 0, limits));
}

static void in_small_pieces(const json_t *vector, struct span in, const struct forward_limits *limits)
{
	for (size_t piece = 1; piece < 8; piece++)
		check(vector, 1, run(in, piece, limits));
}

static void doubled(const json_t *vector, struct span in, const struct forward_limits *limits)
{
	if (strcmp(text_of(vector, "end"), "need_more") == 0)
		return;
	struct buf b;
	buf_init(&b, SIZE_MAX);
	buf_put_span(&b, in);
	buf_put_span(&b, in);
	check(vector, 2, run(buf_span(&b), 0, limits));
	buf_free(&b);
}

static void test_in_one_piece(void **state)
{
	(void)state;
	for_each_vector(in_one_piece);
}

static void test_in_small_pieces(void **state)
{
	(void)state;
	for_each_vector(in_small_pieces);
}

static void test_doubled(void **state)
{
	(void)state;
	for_each_vector(doubled);
}

static int load(void **state)
{
	(void)state;
	json_error_t e;
	vectors = json_load_file("test/vectors/forward.json", JSON_ALLOW_NUL, &e);
	if (!vectors)
		print_error("test/vectors/forward.json: %s (run this from the top of the source tree)\n", e.text);
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_one_piece),
		cmocka_unit_test(test_in_small_pieces),
		cmocka_unit_test(test_doubled),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
