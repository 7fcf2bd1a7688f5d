#include "record/msgpack_scan.h"

#include "random_msgpack.h"

#include <msgpack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct token_case {
	const char *hex;
	struct mp_token t;
	const char *body; /* hex */
};

/* The last line of defence for doubles is their bits: -0.0 and NaN do not compare. */
static uint64_t bits(double d)
{
	uint64_t v;
	memcpy(&v, &d, sizeof v);
	return v;
}

static const struct token_case token_cases[] = {
	{"00", {.type = MP_UINT, .u = 0}, ""},
	{"7f", {.type = MP_UINT, .u = 127}, ""},
	{"e0", {.type = MP_INT, .i = -32}, ""},
	{"ff", {.type = MP_INT, .i = -1}, ""},
	{"c0", {.type = MP_NIL}, ""},
	{"c2", {.type = MP_BOOL, .b = false}, ""},
	{"c3", {.type = MP_BOOL, .b = true}, ""},
	{"ccff", {.type = MP_UINT, .u = 255}, ""},
	{"cdffff", {.type = MP_UINT, .u = 65535}, ""},
	{"ceffffffff", {.type = MP_UINT, .u = 4294967295}, ""},
	{"cfffffffffffffffff", {.type = MP_UINT, .u = UINT64_MAX}, ""},
	{"d080", {.type = MP_INT, .i = -128}, ""},
	{"d07f", {.type = MP_UINT, .u = 127}, ""},
	{"d18000", {.type = MP_INT, .i = -32768}, ""},
	{"d100c8", {.type = MP_UINT, .u = 200}, ""},
	{"d280000000", {.type = MP_INT, .i = INT32_MIN}, ""},
	{"d25dd3c6ac", {.type = MP_UINT, .u = 1574160044}, ""},
	{"d38000000000000000", {.type = MP_INT, .i = INT64_MIN}, ""},
	{"d37fffffffffffffff", {.type = MP_UINT, .u = INT64_MAX}, ""},
	{"ca3fc00000", {.type = MP_FLOAT32, .d = 1.5}, ""},
	{"ca80000000", {.type = MP_FLOAT32, .d = -0.0}, ""},
	{"cb3fb999999999999a", {.type = MP_FLOAT64, .d = 0.1}, ""},
	{"a0", {.type = MP_STR}, ""},
	{"a3616263", {.type = MP_STR}, "616263"},
	{"bf 61616161616161616161616161616161616161616161616161616161616161", {.type = MP_STR},
		"61616161616161616161616161616161616161616161616161616161616161"},
	{"d900", {.type = MP_STR}, ""},
	{"d90161", {.type = MP_STR}, "61"},
	{"da000161", {.type = MP_STR}, "61"},
	{"db00000002 6162", {.type = MP_STR}, "6162"},
	{"c400", {.type = MP_BIN}, ""},
	{"c40161", {.type = MP_BIN}, "61"},
	{"c5000161", {.type = MP_BIN}, "61"},
	{"c600000001 61", {.type = MP_BIN}, "61"},
	{"d40aff", {.type = MP_EXT, .ext_type = 10}, "ff"},
	{"d5ff0102", {.type = MP_EXT, .ext_type = -1}, "0102"},
	{"d60001020304", {.type = MP_EXT, .ext_type = 0}, "01020304"},
	{"d7006553f100075bcd15", {.type = MP_EXT, .ext_type = 0}, "6553f100075bcd15"},
	{"d880 000102030405060708090a0b0c0d0e0f", {.type = MP_EXT, .ext_type = -128},
		"000102030405060708090a0b0c0d0e0f"},
	{"c70005", {.type = MP_EXT, .ext_type = 5}, ""},
	{"c70105aa", {.type = MP_EXT, .ext_type = 5}, "aa"},
	{"c8000105aa", {.type = MP_EXT, .ext_type = 5}, "aa"},
	{"c90000000105aa", {.type = MP_EXT, .ext_type = 5}, "aa"},
	{"90", {.type = MP_ARRAY, .count = 0}, ""},
	{"9f", {.type = MP_ARRAY, .count = 15}, ""},
	{"dc0102", {.type = MP_ARRAY, .count = 258}, ""},
	{"ddffffffff", {.type = MP_ARRAY, .count = UINT32_MAX}, ""},
	{"80", {.type = MP_MAP, .count = 0}, ""},
	{"8f", {.type = MP_MAP, .count = 15}, ""},
	{"de0102", {.type = MP_MAP, .count = 258}, ""},
	{"dfffffffff", {.type = MP_MAP, .count = UINT32_MAX}, ""},
};

static void check_value(const struct mp_token *t, const struct mp_token *want)
{
	switch (want->type) {
	case MP_BOOL:
		assert_int_equal(t->b, want->b);
		break;
	case MP_UINT:
		assert_true(t->u == want->u);
		break;
	case MP_INT:
		assert_true(t->i == want->i);
		break;
	case MP_FLOAT32:
	case MP_FLOAT64:
		assert_true(bits(t->d) == bits(want->d));
		break;
	case MP_EXT:
		assert_int_equal(t->ext_type, want->ext_type);
		break;
	case MP_ARRAY:
	case MP_MAP:
		assert_true(t->count == want->count);
		break;
	default:
		break;
	}
}

static void test_tokens(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof token_cases / sizeof *token_cases; i++) {
		const struct token_case *c = &token_cases[i];
		struct span in = exact_hex(c->hex), body = exact_hex(c->body);
		const uint8_t *p = in.p;
		struct mp_token t;
		assert_int_equal(mp_read(&p, in.p + in.n, &t), MP_OK);
		assert_ptr_equal(p, in.p + in.n);
		assert_int_equal(t.type, c->t.type);
		assert_true(span_eq(t.body, body));
		check_value(&t, &c->t);
		for (size_t n = 0; n < in.n; n++) {
			struct span cut = exact_copy(in.p, n);
			p = cut.p;
			assert_int_equal(mp_read(&p, cut.p + n, &t), MP_SHORT);
			assert_ptr_equal(p, cut.p);
			exact_free(cut);
		}
		exact_free(in);
		exact_free(body);
	}
}

static void test_never_used_byte(void **state)
{
	(void)state;
	uint8_t in[4] = {0xc1, 0x92, 0x01, 0xc1};
	const uint8_t *p = in;
	struct mp_token t;
	assert_int_equal(mp_read(&p, in + 4, &t), MP_BAD);
	assert_ptr_equal(p, in);
	assert_int_equal(mp_skip(in, in + 4, 8), 0);
	assert_int_equal(mp_length(in, in + 4), 0);
	assert_int_equal(mp_skip(in + 1, in + 4, 8), 0);
	assert_int_equal(mp_length(in + 1, in + 4), 0);
}

/* What each of the 256 first bytes means, by the word of msgpack-c. */
static void test_first_bytes(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		uint8_t in[64] = {(uint8_t)c};
		msgpack_unpacked u;
		size_t used = 0;
		msgpack_unpacked_init(&u);
		msgpack_unpack_return r = msgpack_unpack_next(&u, (const char *)in, sizeof in, &used);
		if (r != MSGPACK_UNPACK_SUCCESS && r != MSGPACK_UNPACK_EXTRA_BYTES)
			used = 0;
		assert_int_equal(mp_length(in, in + sizeof in), used);
		assert_int_equal(mp_skip(in, in + sizeof in, 8), used);
		msgpack_unpacked_destroy(&u);
	}
}

static void test_depth(void **state)
{
	(void)state;
	enum { LEVELS = 100000 };
	uint8_t *p = mem_alloc(LEVELS + 1);
	memset(p, 0x91, LEVELS);
	p[LEVELS] = 1;
	const uint8_t *end = p + LEVELS + 1;
	for (unsigned depth = 0; depth < MP_DEPTH_LIMIT + 20; depth++) {
		size_t want = depth <= MP_DEPTH_LIMIT ? depth + 1 : 0;
		assert_int_equal(mp_skip(end - depth - 1, end, depth), want);
		if (depth)
			assert_int_equal(mp_skip(end - depth - 1, end, depth - 1), 0);
	}
	assert_int_equal(mp_length(p, end), LEVELS + 1);
	assert_int_equal(mp_length(p, end - 1), 0);
	p[LEVELS - 1] = 0x90; /* an empty container is one level too */
	assert_int_equal(mp_skip(end - 3, end - 1, 2), 2);
	assert_int_equal(mp_skip(end - 3, end - 1, 1), 0);
	mem_free(p);
}

static void test_hostile_headers(void **state)
{
	(void)state;
	static const char *const cases[] = {"ddffffffff", "dfffffffff", "dfffffffff dfffffffff dfffffffff",
		"dbffffffff", "c6ffffffff00", "c9ffffffff", "dd00000003 0101", "82a16101", "dcffff",
		"93 01 dfffffffff 01"};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct span in = exact_hex(cases[i]);
		assert_int_equal(mp_skip(in.p, in.p + in.n, 64), 0);
		assert_int_equal(mp_length(in.p, in.p + in.n), 0);
		exact_free(in);
	}
}

static void check_get(const char *map, const char *key, const char *want)
{
	struct span in = exact_hex(map), k = exact_hex(key), w = exact_hex(want);
	struct span got = mp_map_get(in, k);
	assert_int_equal(got.n, w.n);
	assert_true(span_eq(got, w));
	exact_free(in);
	exact_free(k);
	exact_free(w);
}

static void test_map_get(void **state)
{
	(void)state;
	check_get("82 a161 01 a162 9201c0", "62", "9201c0");
	check_get("82 a161 01 a162 9201c0", "61", "01");
	check_get("82 a161 01 a162 9201c0", "63", "");
	check_get("83 a161 01 a162 02 c40161 03", "61", "03"); /* the last wins; a bin key is a key */
	check_get("82 a0 05 01 06", "", "05");
	check_get("82 01 02 a161 03", "61", "03");
	check_get("82 9161 02 a161 03", "61", "03");
	check_get("82 81a16101 81a16102 a161 03", "61", "03");
	check_get("92 a161 01", "61", "");
	check_get("", "61", "");
	check_get("82 a161 01 a162", "61", ""); /* torn: nothing of it is believed */
	check_get("dfffffffff a161 01", "61", "");
	check_get("d90161", "61", "");
}

static void check_tree(const uint8_t **p, const uint8_t *end, const msgpack_object *o)
{
	struct mp_token t;
	assert_int_equal(mp_read(p, end, &t), MP_OK);
	switch (o->type) {
	case MSGPACK_OBJECT_NIL:
		assert_int_equal(t.type, MP_NIL);
		break;
	case MSGPACK_OBJECT_BOOLEAN:
		assert_true(t.type == MP_BOOL && t.b == o->via.boolean);
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		assert_true(t.type == MP_UINT && t.u == o->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		assert_true(t.type == MP_INT && t.i == o->via.i64);
		break;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		assert_int_equal(t.type, o->type == MSGPACK_OBJECT_FLOAT32 ? MP_FLOAT32 : MP_FLOAT64);
		assert_true(bits(t.d) == bits(o->via.f64) || (t.d != t.d && o->via.f64 != o->via.f64));
		break;
	case MSGPACK_OBJECT_STR:
		assert_true(t.type == MP_STR && span_eq(t.body, span_of(o->via.str.ptr, o->via.str.size)));
		break;
	case MSGPACK_OBJECT_BIN:
		assert_true(t.type == MP_BIN && span_eq(t.body, span_of(o->via.bin.ptr, o->via.bin.size)));
		break;
	case MSGPACK_OBJECT_EXT:
		assert_true(t.type == MP_EXT && t.ext_type == o->via.ext.type);
		assert_true(span_eq(t.body, span_of(o->via.ext.ptr, o->via.ext.size)));
		break;
	case MSGPACK_OBJECT_ARRAY:
		assert_true(t.type == MP_ARRAY && t.count == o->via.array.size);
		for (uint32_t i = 0; i < t.count; i++)
			check_tree(p, end, &o->via.array.ptr[i]);
		break;
	case MSGPACK_OBJECT_MAP:
		assert_true(t.type == MP_MAP && t.count == o->via.map.size);
		for (uint32_t i = 0; i < t.count; i++) {
			check_tree(p, end, &o->via.map.ptr[i].key);
			check_tree(p, end, &o->via.map.ptr[i].val);
		}
		break;
	}
}

static void test_against_msgpack_c(void **state)
{
	(void)state;
	struct random r = {0x9e3779b97f4a7c15};
	struct buf b;
	buf_init(&b, 64u << 20);
	for (int round = 0; round < 3000; round++) {
		buf_clear(&b);
		put_random_value(&b, &r, random_below(&r, 5));
		struct span in = exact_copy(b.p, b.n);
		msgpack_unpacked u;
		size_t used = 0;
		msgpack_unpacked_init(&u);
		assert_int_equal(msgpack_unpack_next(&u, (const char *)in.p, in.n, &used), MSGPACK_UNPACK_SUCCESS);
		assert_int_equal(used, in.n);
		assert_int_equal(mp_skip(in.p, in.p + in.n, 8), in.n);
		assert_int_equal(mp_length(in.p, in.p + in.n), in.n);
		const uint8_t *p = in.p;
		check_tree(&p, in.p + in.n, &u.data);
		assert_ptr_equal(p, in.p + in.n);
		msgpack_unpacked_destroy(&u);
		size_t cut = random_below(&r, (unsigned)in.n);
		struct span part = exact_copy(in.p, cut);
		assert_int_equal(mp_skip(part.p, part.p + cut, 8), 0);
		assert_int_equal(mp_length(part.p, part.p + cut), 0);
		exact_free(part);
		exact_free(in);
	}
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_never_used_byte),
		cmocka_unit_test(test_first_bytes),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_hostile_headers),
		cmocka_unit_test(test_map_get),
		cmocka_unit_test(test_against_msgpack_c),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
