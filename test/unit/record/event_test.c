#include "record/event.h"

#include "record/msgpack_scan.h"
#include "random_msgpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct time_case {
	const char *hex;
	enum event_time_kind kind;
	int64_t sec;
	uint32_t nsec;
};

static const struct time_case time_cases[] = {
	/* EventTime in each ext form that can hold 8 bytes */
	{"d7006553f100075bcd15", EVENT_TIME, 1700000000, 123456789},
	{"c708006553f100075bcd15", EVENT_TIME, 1700000000, 123456789},
	{"c80008006553f100075bcd15", EVENT_TIME, 1700000000, 123456789},
	{"c900000008006553f100075bcd15", EVENT_TIME, 1700000000, 123456789},
	{"d700ee6b28003b9ac9ff", EVENT_TIME, 4000000000, 999999999}, /* unsigned */
	{"d700000000013b9aca00", EVENT_TIME, 2, 0},		     /* nanoseconds carried over */
	{"d70000000001ffffffff", EVENT_TIME, 5, 294967295},
	{"d70000000000075bcd15", EVENT_TIME_NOW, 0, 0},
	{"d700000000003b9aca00", EVENT_TIME, 1, 0},
	{"d700ffffffff00000000", EVENT_MARKER, 0, 0},
	{"d700fffffffe00000000", EVENT_MARKER, 0, 0},
	{"c70800fffffffe00000000", EVENT_MARKER, 0, 0},
	{"d700fffffffd00000000", EVENT_TIME, 4294967293, 0},
	{"d700fffffffe00000001", EVENT_TIME, 4294967294, 1},
	{"d70000000000", EVENT_TIME_BAD, 0, 0}, /* cut */
	{"d6006553f100", EVENT_TIME_BAD, 0, 0},
	{"d700", EVENT_TIME_BAD, 0, 0},
	{"d8000000000000000000 0000000000000000", EVENT_TIME_BAD, 0, 0},
	{"d7016553f100075bcd15", EVENT_TIME_BAD, 0, 0},
	{"c70005", EVENT_TIME_BAD, 0, 0},
	{"c70c05 000000006553f100 00000000", EVENT_TIME_BAD, 0, 0},
	/* msgpack's own timestamp */
	{"d6ff6553f100", EVENT_TIME, 1700000000, 0},
	{"d7ff 1d6f34546553f100", EVENT_TIME, 1700000000, 123456789},
	{"d7ff ffffffff ffffffff", EVENT_TIME, 17179869184, 73741823},
	{"c70cff 075bcd15 000000006553f100", EVENT_TIME, 1700000000, 123456789},
	{"c70cff 00000000 ffffffffffffffff", EVENT_TIME, -1, 0},
	{"c70cff ffffffff 7fffffffffffffff", EVENT_TIME_BAD, 0, 0}, /* the carry would overflow */
	{"d6ff00000000", EVENT_TIME_NOW, 0, 0},
	{"d5ff0001", EVENT_TIME_BAD, 0, 0},
	/* integers */
	{"00", EVENT_TIME_NOW, 0, 0},
	{"c0", EVENT_TIME_NOW, 0, 0},
	{"05", EVENT_TIME, 5, 0},
	{"ff", EVENT_TIME, -1, 0},
	{"cc05", EVENT_TIME, 5, 0},
	{"cd0100", EVENT_TIME, 256, 0},
	{"ce6553f100", EVENT_TIME, 1700000000, 0},
	{"cf000000006553f100", EVENT_TIME, 1700000000, 0},
	{"d26553f100", EVENT_TIME, 1700000000, 0},
	{"d36553f10000000000", EVENT_TIME, 7301444403, 200000000}, /* above 10^17: nanoseconds */
	{"d3ffffffffffffff38", EVENT_TIME, -200, 0},
	{"d38000000000000000", EVENT_TIME, INT64_MIN, 0},
	{"cf000000174876e7ff", EVENT_TIME, 99999999999, 0},
	{"cf000000174876e800", EVENT_TIME, 100000000, 0},
	{"cf0000018bcfe5687b", EVENT_TIME, 1700000000, 123000000},
	{"cf00005af3107a3fff", EVENT_TIME, 99999999999, 999000000},
	{"cf00060a24181e4000", EVENT_TIME, 1700000000, 0},
	{"cf00060a24181e4001", EVENT_TIME, 1700000000, 1000},
	{"cf17979cfe3aad8d15", EVENT_TIME, 1700000000, 75730197},
	{"cfffffffffffffffff", EVENT_TIME, 18446744073, 709551615},
	/* floats */
	{"cb41d954fc40200000", EVENT_TIME, 1700000000, 500000000},
	{"ca3fc00000", EVENT_TIME, 1, 500000000},
	{"cbbff8000000000000", EVENT_TIME, -2, 500000000},
	{"cb8000000000000001", EVENT_TIME, 0, 0}, /* the smallest negative: rounds up to a whole second */
	{"cb0000000000000000", EVENT_TIME_NOW, 0, 0},
	{"cb8000000000000000", EVENT_TIME_NOW, 0, 0},
	{"cb7ff8000000000000", EVENT_TIME_BAD, 0, 0},
	{"cb7ff0000000000000", EVENT_TIME_BAD, 0, 0},
	{"ca7f800000", EVENT_TIME_BAD, 0, 0},
	{"cb43e0000000000000", EVENT_TIME_BAD, 0, 0}, /* 2^63 */
	{"cbc3e0000000000001", EVENT_TIME_BAD, 0, 0},
	/* no times */
	{"c2", EVENT_TIME_BAD, 0, 0},
	{"a13a", EVENT_TIME_BAD, 0, 0},
	{"c40130", EVENT_TIME_BAD, 0, 0},
	{"9101", EVENT_TIME_BAD, 0, 0},
	{"810102", EVENT_TIME_BAD, 0, 0},
	{"c1", EVENT_TIME_BAD, 0, 0},
	{"", EVENT_TIME_BAD, 0, 0},
};

static void test_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof time_cases / sizeof *time_cases; i++) {
		const struct time_case *c = &time_cases[i];
		struct span in = exact_hex(c->hex);
		struct event_time t = {77, 77};
		size_t used = 77;
		enum event_time_kind kind = event_time_read(in.p, in.p + in.n, &t, &used);
		if (kind != c->kind || t.sec != c->sec || t.nsec != c->nsec)
			fail_msg("%s: kind %d, %lld.%09u", c->hex, kind, (long long)t.sec, t.nsec);
		assert_int_equal(used, mp_length(in.p, in.p + in.n));
		exact_free(in);
	}
}

struct read_case {
	const char *hex;
	enum event_result result;
	const char *record, *metadata;
	bool scan; /* what event_scan says of it alone */
};

#define T "d7006553f100075bcd15"

static const struct read_case read_cases[] = {
	{"92" T "80", EVENT_OK, "80", "", true},
	{"92" T "81a16101", EVENT_OK, "81a16101", "", true},
	{"9292" T "8080", EVENT_OK, "80", "80", true},
	{"9292" T "81a16b0181a16101", EVENT_OK, "81a16101", "81a16b01", true},
	{"9291" T "80", EVENT_OK, "80", "", true},
	{"9293" T "80c080", EVENT_OK, "80", "80", true},
	{"9292" T "c080", EVENT_OK, "80", "", true},
	{"9292" T "9080", EVENT_OK, "80", "", true},
	{"92 c0 80", EVENT_OK, "80", "", true},
	{"92 00 80", EVENT_OK, "80", "", true},
	{"92 ce6553f100 81a16101", EVENT_OK, "81a16101", "", true},
	{"92 ce6553f100 de0001a16101", EVENT_OK, "de0001a16101", "", true},
	{"92 ce6553f100 df00000001a16101", EVENT_OK, "df00000001a16101", "", true},
	{"92 d26553f100 81a16101", EVENT_OK, "81a16101", "", true},
	{"92 cb41d954fc40200000 81a16101", EVENT_OK, "81a16101", "", true},
	{"dc0002 05 80", EVENT_OK, "80", "", true},
	{"dd00000002 05 80", EVENT_OK, "80", "", true},
	{"93 05 81a16101 c3", EVENT_OK, "81a16101", "", true},
	{"94 05 81a16101 9101 a0", EVENT_OK, "81a16101", "", true},
	{"92 05 81a161 82a16201a1639301c080", EVENT_OK, "81a161 82a16201a1639301c080", "", true},
	{"c0", EVENT_NIL, "", "", false},
	{"92 d700ffffffff00000000 81a16101", EVENT_SKIP, "", "", false},
	{"92 d700fffffffe00000000 c0", EVENT_SKIP, "", "", false},
	{"9292 d700ffffffff00000000 80 81a16101", EVENT_SKIP, "", "", false},
	{"92 d700ffffffff00000000 8a a16101 a16102 a16103 a16104 a16105 a16106 a16107 a16108 a16109 a1610a", EVENT_SKIP,
		"", "", false},
	{"90", EVENT_BAD_ENTRY, "", "", false},
	{"91 05", EVENT_BAD_ENTRY, "", "", false},
	{"05", EVENT_BAD_ENTRY, "", "", false},
	{"82 01 02 03 04", EVENT_BAD_ENTRY, "", "", false},
	{"a3616263", EVENT_BAD_ENTRY, "", "", false},
	{"92 c3 80", EVENT_BAD_TIME, "", "", false},
	{"92 80 80", EVENT_BAD_TIME, "", "", false},
	{"92 90 80", EVENT_BAD_TIME, "", "", false},
	{"92 91c3 80", EVENT_BAD_TIME, "", "", false},
	{"92 919105 80", EVENT_BAD_TIME, "", "", false},
	{"92 a0 80", EVENT_BAD_TIME, "", "", false},
	{"92 05 c0", EVENT_BAD_RECORD, "", "", false},
	{"92 05 90", EVENT_BAD_RECORD, "", "", false},
	{"92 " T " a3616263", EVENT_BAD_RECORD, "", "", false},
	{"92 " T " 93010203", EVENT_BAD_RECORD, "", "", false},
	{"c1", EVENT_TORN, "", "", false},
	{"92", EVENT_TORN, "", "", false},
	{"92 " T " 82a16101", EVENT_TORN, "", "", false},
	{"92 " T " 81a16101a1", EVENT_OK, "81a16101", "", false}, /* the entry is good, the chunk is torn */
	{"92 " T " 81a161c1", EVENT_TORN, "", "", false},
	{"92 " T " dfffffffff", EVENT_TORN, "", "", false},
	{"ddffffffff", EVENT_TORN, "", "", false},
	{"92 " T " 81a161 d9ff", EVENT_TORN, "", "", false},
	{"92 " T " 81a161 dbffffffff", EVENT_TORN, "", "", false},
};

static void test_entries(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof read_cases / sizeof *read_cases; i++) {
		const struct read_case *c = &read_cases[i];
		struct span in = exact_hex(c->hex), record = exact_hex(c->record), metadata = exact_hex(c->metadata);
		struct event e;
		size_t used;
		uint32_t count;
		enum event_result got = event_read(in.p, in.p + in.n, 64, &e, &used);
		if (got != c->result)
			fail_msg("%s: %d", c->hex, got);
		assert_int_equal(used, mp_length(in.p, in.p + in.n));
		if (got == EVENT_OK) {
			assert_true(span_eq(e.record, record));
			assert_true(span_eq(e.metadata, metadata));
			assert_true(e.kind == EVENT_TIME || e.kind == EVENT_TIME_NOW);
		}
		if (event_scan(in, 64, &count) != c->scan)
			fail_msg("%s: event_scan says %d", c->hex, !c->scan);
		if (c->scan)
			assert_int_equal(count, 1);
		exact_free(in);
		exact_free(record);
		exact_free(metadata);
	}
}

static void test_scan_of_nothing(void **state)
{
	(void)state;
	uint32_t count = 7;
	assert_true(event_scan((struct span){0}, 64, &count));
	assert_int_equal(count, 0);
}

/* [time, {"a": {"a": ... 1}}] with `depth` containers in all. */
static struct span nested_entry(unsigned depth)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_put(&b, "\x92\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x00", 11);
	for (unsigned i = 1; i < depth; i++)
		buf_put(&b, "\x81\xa1\x61", 3);
	buf_put_byte(&b, 1);
	struct span s = exact_copy(b.p, b.n);
	buf_free(&b);
	return s;
}

static void test_depth(void **state)
{
	(void)state;
	static const unsigned limits[] = {2, 3, 10, 64, MP_DEPTH_LIMIT};
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		for (unsigned depth = 2; depth < limits[i] + 3; depth++) {
			struct span in = nested_entry(depth);
			struct event e;
			size_t used;
			uint32_t count;
			bool good = depth <= limits[i];
			assert_int_equal(
				event_read(in.p, in.p + in.n, limits[i], &e, &used), good ? EVENT_OK : EVENT_TOO_DEEP);
			assert_int_equal(used, in.n);
			assert_int_equal(event_scan(in, limits[i], &count), good);
			exact_free(in);
		}
	}
	struct span in = nested_entry(100000);
	struct event e;
	size_t used;
	assert_int_equal(event_read(in.p, in.p + in.n, 1u << 30, &e, &used), EVENT_TOO_DEEP);
	assert_int_equal(used, in.n);
	exact_free(in);
}

/*
 * Entries that look alike, as a sender's do, so that the scan's memory of keys is used; now and then one that does
 * not.
 */
static void put_entries(struct buf *b, struct random *r)
{
	static const char *const keys[] = {"message", "stream", "kubernetes", "a", "", "thread_name"};
	unsigned n = random_below(r, 12), fields = random_below(r, 7);
	for (unsigned i = 0; i < n; i++) {
		if (random_below(r, 12) == 0) {
			put_random_value(b, r, 3);
			continue;
		}
		buf_put(b, "\x92\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x00", 11);
		buf_put_byte(b, (uint8_t)(0x80 | fields));
		for (unsigned j = 0; j < fields; j++) {
			const char *key = keys[random_below(r, 10) ? j : random_below(r, 6)];
			buf_put_byte(b, (uint8_t)(0xa0 | strlen(key)));
			buf_put_str(b, key);
			put_random_value(b, r, random_below(r, 3));
		}
	}
}

/* The slow way to what event_scan says. */
static bool all_good(struct span in, unsigned max_depth, uint32_t *count)
{
	const uint8_t *p = in.p, *end = in.p + in.n;
	for (*count = 0; p < end; (*count)++) {
		struct event e;
		size_t used;
		if (event_read(p, end, max_depth, &e, &used) != EVENT_OK)
			return false;
		p += used;
	}
	return true;
}

static void test_scan_agrees_with_read(void **state)
{
	(void)state;
	struct random r = {0x2545f4914f6cdd1d};
	struct buf b;
	unsigned good = 0, bad = 0;
	buf_init(&b, 64u << 20);
	for (int round = 0; round < 30000; round++) {
		buf_clear(&b);
		put_entries(&b, &r);
		size_t n = random_below(&r, 3) || b.n == 0 ? b.n : random_below(&r, (unsigned)b.n);
		struct span in = exact_copy(b.p, n);
		for (unsigned flips = n && random_below(&r, 2) ? 1 + random_below(&r, 3) : 0; flips; flips--)
			((uint8_t *)(uintptr_t)in.p)[random_below(&r, (unsigned)n)] = (uint8_t)random_next(&r);
		unsigned max_depth = 2 + random_below(&r, 6);
		uint32_t fast, slow;
		bool want = all_good(in, max_depth, &slow);
		assert_int_equal(event_scan(in, max_depth, &fast), want);
		if (want)
			assert_int_equal(fast, slow);
		want ? good++ : bad++;
		exact_free(in);
	}
	buf_free(&b);
	assert_true(good > 3000 && bad > 3000);
}

static uint64_t count_objects(struct span in)
{
	const uint8_t *p = in.p, *end = in.p + in.n;
	struct mp_token t;
	uint64_t count = 0;
	for (; p < end; count++)
		assert_int_equal(mp_read(&p, end, &t), MP_OK);
	return count;
}

/*
 * What event_scan_usual takes is good and whole, and counted right; it may stop early, but not at an entry as
 * senders make them.
 */
static void test_scan_of_a_beginning(void **state)
{
	(void)state;
	struct random r = {0x853c49e6748fea9b};
	struct buf b;
	uint64_t total = 0;
	buf_init(&b, 64u << 20);
	for (int round = 0; round < 10000; round++) {
		buf_clear(&b);
		put_entries(&b, &r);
		size_t n = b.n ? random_below(&r, (unsigned)b.n + 1) : 0, used, at = 0;
		struct span in = exact_copy(b.p, n);
		uint64_t objects;
		uint32_t most = random_below(&r, 12), count = event_scan_usual(in, 64, most, &used, &objects);
		assert_true(count <= most && used <= n);
		for (uint32_t i = 0; i < count; i++) {
			struct event e;
			size_t length;
			assert_int_equal(event_read(in.p + at, in.p + used, 64, &e, &length), EVENT_OK);
			at += length;
		}
		assert_int_equal(at, used);
		assert_int_equal(objects, count_objects(span_of(in.p, used)) - count);
		total += count;
		exact_free(in);
	}
	assert_true(total > 10000);
	buf_free(&b);
	struct span usual = exact_hex("92" T "81a161a162 9292" T "8081a161a162 92ce6553f10082a161a162a163c0");
	size_t used;
	uint64_t objects;
	assert_int_equal(event_scan_usual(usual, 2, 10, &used, &objects), 3);
	assert_int_equal(used, usual.n);
	assert_int_equal(objects, 4 + 6 + 6);
	assert_int_equal(event_scan_usual(usual, 2, 2, &used, &objects), 2);
	assert_int_equal(event_scan_usual(usual, 1, 10, &used, &objects), 0);
	assert_int_equal(used, 0);
	exact_free(usual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_scan_of_nothing),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_scan_agrees_with_read),
		cmocka_unit_test(test_scan_of_a_beginning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
