/*
 * The decoder's limits, its memory and its answers to hostile bytes. What well-formed messages mean is in
 * vectors_test.c.
 */
#include "forward/forward_decode.h"

#include "run_decoder.h"

#include "base/bytes.h"

#include <malloc.h>

#define T	    "d7006553f100075bcd15"
#define GROUP_START "d700ffffffff00000000"
#define GROUP_END   "d700fffffffe00000000"

static const struct {
	const char *hex, *want;
} cases[] = {
	/* nothing, and heartbeats */
	{"", ""},
	{"c0", "nil; "},
	{"c0c0 92a090", "nil; nil; :0; "},
	{"c0 92", "nil; more"},
	/* what is no message */
	{"05", "close:not_array"},
	{"82", "close:not_array"},
	{"c1", "close:bad_msgpack"},
	{"dbffffffff", "close:not_array"},
	{"92a174 90 a161", "t:0; close:not_array"},
	{"92a1 74c1", "close:bad_msgpack"},
	{"92 a174 91 92 " T " 81 a161 c1", "close:bad_msgpack"},
	/* sizes that are announced */
	{"ddffffffff", "close:too_large"},
	{"92a174dfffffffff", "close:too_large"},
	{"92a174 dd02000000", "close:too_many_objects"},
	{"92a174 dd04000000", "close:too_large"},
	{"92a174c6ffffffff", "close:too_large"},
	{"92a174c603fffff8", "more"},
	{"92a174c603fffff9", "close:too_large"},
	{"94a174" T "80 c9ffffffff", "close:too_large"},
	{"dd003d0900", "close:too_many_objects"},
	{"dd003d08ff", "more"},
	{"92a174dd003d08fe", "close:too_many_objects"},
	{"92a174dd003d08fd", "more"},
	{"92a174de ffff df001e0480", "close:too_many_objects"},
	/* arity and tags */
	{"90", "drop:bad_arity; "},
	{"91a174", "drop:bad_arity; "},
	{"92a174 05", "drop:bad_arity; "},
	{"92c090", "drop:bad_tag; "},
	{"9290 90", "drop:bad_tag; "},
	{"93c0 90 81a56368756e6ba161", "drop:bad_tag ack a; "},
	{"92c40174 90", "t:0; "},
	/* options of any shape */
	{"93a174 90 c0", "t:0; "},
	{"93a174 90 05", "t:0; "},
	{"93a174 90 9101", "t:0; "},
	{"93a174 90 a56368756e6b", "t:0; "},
	{"93a174 90 80", "t:0; "},
	{"93a174 90 81a56368756e6bc0", "t:0; "},
	{"93a174 90 81c4056368756e6bc40161", "t:0 ack a; "},
	{"93a174 90 82a56368756e6ba161a56368756e6ba162", "t:0 ack b; "},
	{"94a174 90 81a56368756e6ba161 81a56368756e6ba162", "t:0 ack a; "},
	{"95a174 05 80 81a56368756e6ba161 05", "t:1 ack a; "},
	{"99a174 05 80 81a56368756e6ba161 05 9105 8105c0 c3 a0", "t:1 ack a; "},
	{"93a174 90 81ad666c75656e745f7369676e616c00", "t:0; "},
	{"93a174 90 81ad666c75656e745f7369676e616c01", "drop:signal_1; "},
	{"93a174 90 82ad666c75656e745f7369676e616c cd0002 a56368756e6ba161", "drop:signal_2 ack a; "},
	{"93a174 90 81ad666c75656e745f7369676e616c04", "drop:signal_4; "},
	{"93a174 90 81ad666c75656e745f7369676e616c05", "drop:signal_other; "},
	{"93a174 90 81ad666c75656e745f7369676e616cff", "drop:signal_other; "},
	{"93a174 90 81ad666c75656e745f7369676e616ccfffffffffffffffff", "drop:signal_other; "},
	{"93a174 90 81ad666c75656e745f7369676e616ca131", "t:0; "},
	/* group markers are no events, and not bad */
	{"93a174 " GROUP_START " 80", "t:0 skipped 0 markers 1; "},
	{"92a174 93 92 92" GROUP_START "80 80 92 92" T "80 81a16101 92 92" GROUP_END "80 80",
		"t:1 skipped 0 markers 2; "},
	{"92a174 c418 92" GROUP_START "80 92" GROUP_END "80", "t:0 skipped 0 markers 2; "},
	/* bad entries; nil between packed ones is none, in an array it is */
	{"92a174 93 c0 92" T "80 05", "(bad_entry 1) (bad_entry 1) t:1 skipped 2 markers 0; "},
	{"92a174 c40f c0 92" T "80 c0 05", "(bad_entry 1) t:1 skipped 1 markers 0; "},
	{"92a174 c40c 92" T "80", "t:1; "},
	{"92a174 c40e 92" T "80 92c3", "(bad_tail 2) t:1 skipped 1 markers 0; "},
	{"92a174 c404 92c38092", "(bad_time 3) (bad_tail 1) t:0 skipped 2 markers 0; "},
	{"92a174 c400", "t:0; "},
	{"92a174 a0", "t:0; "},
	/* compression */
	{"93a174c400 81aa636f6d70726573736564a4677a6970", "t:0; "},
	{"93a174c400 81aa636f6d70726573736564a47a737464", "t:0; "},
	{"93a174c400 81aa636f6d70726573736564a36c7a34", "drop:bad_compression; "},
	{"93a174c400 81aa636f6d7072657373656405", "t:0; "},
	{"93a174c4021f8b 80", "drop:bad_compressed; "},
	{"93a174c40428b52ffd 80", "drop:bad_compressed; "},
	{"93a174c4011f 80", "(bad_entry 1) t:0 skipped 1 markers 0; "},
};

static void test_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		print_message("%s\n", cases[i].hex);
		check_hex(&forward_default_limits, cases[i].hex, cases[i].want);
	}
}

/* skip_invalid_event false: the first bad event fails its message, and nobody hears of single ones. */
static void test_keep_invalid(void **state)
{
	(void)state;
	struct forward_limits limits = forward_default_limits;
	limits.keep_invalid = true;
	check_hex(&limits, "92a174 93 c0 92" T "80 05", "drop:bad_entry; ");
	check_hex(&limits, "93a174 91 92 05 05 81a56368756e6ba161", "drop:bad_record ack a; ");
	check_hex(&limits, "92a174 c40f 92" T "80 92c380", "drop:bad_time; ");
	check_hex(&limits, "92a174 c40d 92" T "80 92", "drop:bad_tail; ");
	check_hex(&limits, "92a174 c40d c0 92" T "80", "t:1; ");
	check_hex(&limits, "92a174 92 92" GROUP_START "80 92" T "80", "t:1 skipped 0 markers 1; ");
	check_hex(&limits, "93a174 " T " c0", "drop:bad_record; ");
}

static struct span nested(const char *before, unsigned levels, const char *after)
{
	struct span head = exact_hex(before), tail = exact_hex(after);
	struct buf b;
	buf_init(&b, 64u * MIB);
	buf_put_span(&b, head);
	for (unsigned i = 0; i < levels; i++)
		buf_put(&b, "\x81\xa1\x61", 3);
	buf_put_span(&b, tail);
	struct span s = exact_copy(b.p, b.n);
	exact_free(head);
	exact_free(tail);
	buf_free(&b);
	return s;
}

static void check_nested(const char *before, unsigned levels, const char *after, const char *want)
{
	struct span in = nested(before, levels, after);
	check_span(&forward_default_limits, in, want);
	exact_free(in);
}

/* In PackedForward each entry is judged alone. */
static void check_packed_nested(unsigned levels, const char *after, const char *want)
{
	struct span deep = nested("92" T "81a161", levels - 1, after), good = exact_hex("92" T "80");
	struct buf b;
	buf_init(&b, MIB);
	buf_put(&b, "\x92\xa1t\xdb", 4);
	buf_put(&b, "\0\0\0\0", 4);
	be32_put(b.p + 4, (uint32_t)(deep.n + 2 * good.n));
	buf_put_span(&b, good);
	buf_put_span(&b, deep);
	buf_put_span(&b, good);
	check_span(&forward_default_limits, buf_span(&b), want);
	buf_free(&b);
	exact_free(deep);
	exact_free(good);
}

#define CHUNK "81a56368756e6ba161"

static void test_depth(void **state)
{
	(void)state;
	check_nested("94a174" T, 63, "01" CHUNK, "t:1 ack a; ");
	check_nested("94a174" T, 64, "01" CHUNK, "drop:too_deep ack a; ");
	check_nested("94a174" T, 63, "80" CHUNK, "drop:too_deep ack a; ");
	check_nested("94a174" T, 300, "01" CHUNK "c0", "drop:too_deep ack a; nil; ");
	check_nested("94a174" T, 200000, "01" CHUNK "c0", "drop:too_deep ack a; nil; ");
	check_nested("94a174" T, 1000000, "c1", "close:bad_msgpack");
	check_nested("94a174" T, 1000000, "", "more");
	check_nested("94a174" T, 100, "dfffffffff", "close:too_large");
	check_nested("94a174" T, 100, "df001e8481", "close:too_many_objects");
	check_nested("93a174 91 92" T, 61, "01" CHUNK, "t:1 ack a; ");
	check_nested("93a174 91 92" T, 62, "01" CHUNK, "drop:too_deep ack a; ");
	/* a deep option still gives its chunk */
	check_nested("93a174 90 82 a56368756e6ba161 a161", 1000, "01", "drop:too_deep ack a; ");
	check_packed_nested(63, "01", "t:3; ");
	check_packed_nested(63, "80", "(too_deep 201) t:2 skipped 1 markers 0; ");
	check_packed_nested(64, "01", "(too_deep 204) t:2 skipped 1 markers 0; ");
	check_packed_nested(20000, "01", "(too_deep 60012) t:2 skipped 1 markers 0; ");
}

/* A limit is met to the byte, however the message is cut. */
static void test_message_size(void **state)
{
	(void)state;
	static const char *const messages[] = {"93a174" T "81a161a162", "93a174 91 92" T "81a161a162 80",
		"92a174 c410 92" T "81a161a162", "5b2274222c352c7b2261223a317d5d"};
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		struct span in = exact_hex(messages[i]);
		struct forward_limits limits = forward_default_limits;
		for (limits.max_message = in.n - 4; limits.max_message < in.n; limits.max_message++)
			check_span(&limits, in, "close:too_large");
		check_span(&limits, in, "t:1; ");
		exact_free(in);
	}
}

static void test_object_count(void **state)
{
	(void)state;
	struct forward_limits limits = forward_default_limits;
	const char *message = "93a174" T "82a161a162a163920102"; /* 10 objects */
	for (limits.max_objects = 1; limits.max_objects < 10; limits.max_objects++)
		check_hex(&limits, message, "close:too_many_objects");
	check_hex(&limits, message, "t:1; ");
	limits.max_objects = 6;
	check_span(&limits, SPAN_LIT("[\"t\",5,{\"a\":1}]"), "t:1; ");
	check_span(&limits, SPAN_LIT("[\"t\",5,{\"a\":1,\"b\":2}]"), "close:too_many_objects");
}

static void check_tag(size_t n, uint8_t c, const char *want)
{
	struct buf b;
	buf_init(&b, MIB);
	buf_put(&b, "\x92\xda", 2);
	buf_put_byte(&b, (uint8_t)(n >> 8));
	buf_put_byte(&b, (uint8_t)n);
	for (size_t i = 0; i < n; i++)
		buf_put_byte(&b, c);
	buf_put_byte(&b, 0x90);
	check_span(&forward_default_limits, buf_span(&b), want);
	buf_free(&b);
}

static void test_tag_length(void **state)
{
	(void)state;
	check_tag(4096, 'a', "aaaaaaaaaaaaaaaaaaaa:0; ");
	check_tag(4097, 'a', "drop:bad_tag; ");
	check_tag(5, 0xff, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd:0; ");
}

static void test_chunk_length(void **state)
{
	(void)state;
	struct buf b;
	for (uint16_t n = 1019; n < 1024; n++) {
		buf_init(&b, MIB);
		buf_put(&b,
			"\x93\xa1t\x90\x81\xa5"
			"chunk\xda",
			12);
		buf_put_byte(&b, (uint8_t)(n >> 8));
		buf_put_byte(&b, (uint8_t)n);
		for (unsigned i = 0; i < n; i++)
			buf_put_byte(&b, 'i');
		/* Its header is counted in. */
		check_span(
			&forward_default_limits, buf_span(&b), n <= 1021 ? "t:0 ack iiiiiiiiiiiiiiiiiiii; " : "t:0; ");
		buf_free(&b);
	}
}

/* ---- views and memory ----------------------------------------------------------------------------- */

struct one {
	struct forward_decoder *d;
	struct span in;
	enum forward_step step;
	struct forward_msg msg;
	size_t used, want;
};

static struct one decode(const char *hex)
{
	struct one o = {.in = exact_hex(hex)};
	o.d = forward_decoder_new(&forward_default_limits, NULL, NULL);
	o.step = forward_decode(o.d, o.in.p, o.in.n, &o.used, &o.want, &o.msg);
	return o;
}

static void done(struct one *o)
{
	forward_decoder_free(o->d);
	exact_free(o->in);
}

static bool is_view(struct span view, struct span in)
{
	return view.p >= in.p && view.p + view.n <= in.p + in.n;
}

static void check_entries(const char *hex, bool view, const char *want)
{
	struct one o = decode(hex);
	struct span entries = exact_hex(want);
	assert_int_equal(o.step, FORWARD_EVENTS);
	assert_int_equal(o.used, o.in.n);
	assert_true(span_eq(o.msg.entries, entries));
	assert_int_equal(is_view(o.msg.entries, o.in), view);
	assert_true(is_view(o.msg.tag, o.in));
	exact_free(entries);
	done(&o);
}

static void test_entries_are_views(void **state)
{
	(void)state;
	check_entries("92a174 92 92" T "81a16101 92" T "80", true, "92" T "81a16101 92" T "80");
	check_entries("92a174 c41b 92" T "81a16101 92" T "80", true, "92" T "81a16101 92" T "80");
	check_entries("92a174 93 92" T "81a16101 05 92" T "80", false, "92" T "81a16101 92" T "80");
	check_entries("92a174 c41c 92" T "81a16101 c0 92" T "80", false, "92" T "81a16101 92" T "80");
	check_entries("93a174 " T " 81a16101", false, "92" T "81a16101");
	check_entries("94a174 05 de0001a16101 80", false, "9205de0001a16101");
	check_entries("94a174 " T " 80 81a86d65746164617461 81a16b02", false, "9292" T "81a16b02 80");
	check_entries("94a174 " T " 80 81a86d65746164617461 80", false, "92" T "80");
	check_entries("94a174 " T " 80 81a86d65746164617461 05", false, "92" T "80");
	check_entries("92a174 91 93 05 80 c3", true, "93 05 80 c3");
	check_entries("92a174 90", true, "");
}

static void test_forms(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		enum forward_form form;
	} forms[] = {{"93a174" T "80", FORWARD_FORM_MESSAGE}, {"92a17490", FORWARD_FORM_FORWARD},
		{"92a174c400", FORWARD_FORM_PACKED}, {"92a174a0", FORWARD_FORM_PACKED},
		{"93a174c400 81aa636f6d70726573736564a4677a6970", FORWARD_FORM_COMPRESSED}};
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct one o = decode(forms[i].hex);
		assert_int_equal(o.step, FORWARD_EVENTS);
		assert_int_equal(o.msg.form, forms[i].form);
		assert_false(o.msg.json);
		assert_ptr_equal(o.msg.raw.p, o.in.p);
		assert_int_equal(o.msg.raw.n, o.in.n);
		done(&o);
	}
}

/* *want is a bound from below: with so many bytes less than the rest the message is never whole. */
static void test_wanted_bytes(void **state)
{
	(void)state;
	static const char *const messages[] = {"92a174 c41b 92" T "81a16101 92" T "80", "93a174 " T " 81a161a162 ",
		"93a174 93 92" T "81a16101 05 92" T
		"8f 01020304050607080910111213141501020304050607080910111213141501 80 ",
		"92 da000174 dc000192058080"};
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		struct span in = exact_hex(messages[i]);
		struct forward_decoder *d = forward_decoder_new(&forward_default_limits, NULL, NULL);
		struct forward_msg msg;
		size_t used, want;
		for (size_t n = 1; n < in.n - (i == 2); n++) {
			if (forward_decode(d, in.p, n, &used, &want, &msg) != FORWARD_MORE)
				break;
			assert_in_range(want, 1, in.n - n);
		}
		forward_decoder_free(d);
		exact_free(in);
	}
	/* The body of a PackedForward message is asked for as a whole. */
	struct one o = decode("92a174 c600100000");
	assert_int_equal(o.step, FORWARD_MORE);
	assert_int_equal(o.want, 0x100000);
	done(&o);
}

static void test_idle_decoder_is_small(void **state)
{
	(void)state;
	struct one o = decode("93a174 " T " 80 93a174");
	assert_int_equal(o.step, FORWARD_EVENTS);
	assert_true(malloc_usable_size(o.d) < 640);
	assert_int_equal(forward_decode(o.d, o.in.p + o.used, o.in.n - o.used, &o.used, &o.want, &o.msg), FORWARD_MORE);
	assert_true(forward_decoder_is_inside(o.d));
	forward_decoder_release(o.d);
	assert_true(forward_decoder_is_inside(o.d));
	done(&o);
	forward_decoder_free(NULL);
}

/* Without memory nothing is acknowledged: the connection closes and the sender keeps what it has. */
static void test_no_memory(void **state)
{
	(void)state;
	static const char *const messages[] = {"93a174 " T " 80", "92a174 91 05", "92a2ff74 90",
		"92a174 c40a 1f8b0800000000000003", "92a174 c409 28b52ffd200100000061", "5b2274222c5b5d5d"};
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		struct span in = exact_hex(messages[i]);
		struct forward_decoder *d = forward_decoder_new(&forward_default_limits, NULL, NULL);
		struct forward_msg msg;
		size_t used, want;
		mem_fail_at(1);
		enum forward_step step = forward_decode(d, in.p, in.n, &used, &want, &msg);
		mem_fail_at(0);
		assert_int_equal(step, FORWARD_CLOSE);
		assert_string_equal(msg.reason, "out_of_memory");
		forward_decoder_free(d);
		exact_free(in);
	}
}

/* Many messages in one read, as Istio's Mixer sends them once a minute. */
static void test_many_messages(void **state)
{
	(void)state;
	struct span one = exact_hex("94a174 d25dd3c6ac 81a161a162 c0");
	struct buf b;
	buf_init(&b, 64u * MIB);
	for (int i = 0; i < 20000; i++)
		buf_put_span(&b, one);
	struct forward_decoder *d = forward_decoder_new(&forward_default_limits, NULL, NULL);
	struct forward_msg msg;
	size_t used, want, at = 0;
	unsigned count = 0;
	while (forward_decode(d, b.p + at, b.n - at, &used, &want, &msg) == FORWARD_EVENTS) {
		assert_int_equal(used, one.n);
		assert_int_equal(msg.count, 1);
		at += used;
		count++;
	}
	assert_int_equal(count, 20000);
	assert_int_equal(at, b.n);
	forward_decoder_free(d);
	buf_free(&b);
	exact_free(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_keep_invalid),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_message_size),
		cmocka_unit_test(test_object_count),
		cmocka_unit_test(test_tag_length),
		cmocka_unit_test(test_chunk_length),
		cmocka_unit_test(test_entries_are_views),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_wanted_bytes),
		cmocka_unit_test(test_idle_decoder_is_small),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_many_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
