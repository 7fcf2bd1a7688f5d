/* The bytes of a chunk file, held against the drawing in chunk_format.h. */
#include "buffer/chunk_format.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "buffer/chunk_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const uint8_t id[CHUNK_ID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void a_head_byte_for_byte(void **state)
{
	(void)state;
	uint8_t p[CHUNK_BLOCK];
	struct chunk_head h = {
		.created_ns = 0x1122334455667788, .name = SPAN_LIT("out_es"), .stage = SPAN_LIT("tag=a")};
	memcpy(h.id, id, sizeof id);
	h.length = chunk_format_head_length(h.name, h.stage);
	assert_int_equal(h.length, CHUNK_BLOCK);
	chunk_format_put_head(p, &h);
	for (int copy = 0; copy < 2; copy++) {
		const uint8_t *q = p + copy * CHUNK_BLOCK / 2;
		assert_memory_equal(q, "\x89WCHK\r\n\x1a", 8);
		assert_int_equal(le32_get(q + 8), crc32c(0, q + 12, 64 - 12 + 6 + 5));
		assert_int_equal(le16_get(q + 12), 1);
		assert_int_equal(le16_get(q + 14), 6);
		assert_int_equal(le32_get(q + 16), 5);
		assert_int_equal(le32_get(q + 20), 4096);
		assert_int_equal(le64_get(q + 24), 0x1122334455667788);
		assert_memory_equal(q + 32, id, 16);
		assert_memory_equal(q + 64, "out_estag=a", 11);
		for (int i = 75; i < 2048; i++)
			assert_int_equal(q[i], 0);
	}
}

static void heads_come_back(void **state)
{
	(void)state;
	static const size_t stages[] = {0, 1, 1000, 1784, 1785, 5000, CHUNK_STAGE_MAX};
	uint8_t *p = malloc(CHUNK_HEAD_BLOCK_MAX), *stage = malloc(CHUNK_STAGE_MAX);
	uint8_t name[CHUNK_NAME_MAX];
	memset(name, 'n', sizeof name);
	for (int i = 0; i < CHUNK_STAGE_MAX; i++)
		stage[i] = (uint8_t)(i * 13);
	for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++)
		for (size_t n = 0; n <= CHUNK_NAME_MAX; n += CHUNK_NAME_MAX) {
			struct chunk_head h = {
				.created_ns = 5, .name = span_of(name, n), .stage = span_of(stage, stages[i])};
			struct chunk_head got;
			memcpy(h.id, id, sizeof id);
			h.length = chunk_format_head_length(h.name, h.stage);
			assert_true(h.length <= CHUNK_HEAD_BLOCK_MAX && h.length % CHUNK_BLOCK == 0);
			assert_true(2 * chunk_format_head_size(h.name, h.stage) <= h.length);
			chunk_format_put_head(p, &h);
			for (uint32_t broken = 0; broken < 3; broken++) {
				if (broken)
					p[(broken - 1) * h.length / 2 + 40] ^=
						1; /* the first copy, then the second too */
				enum chunk_head_is is = chunk_format_get_head(p, h.length, &got);
				assert_int_equal(is, broken < 2 ? CHUNK_HEAD_GOOD : CHUNK_HEAD_BAD);
				if (is != CHUNK_HEAD_GOOD)
					continue;
				assert_memory_equal(got.id, id, sizeof id);
				assert_true(span_eq(got.name, h.name) && span_eq(got.stage, h.stage));
				assert_int_equal(got.length, h.length);
				assert_int_equal(got.created_ns, 5);
			}
		}
	free(p);
	free(stage);
}

static void heads_that_lie(void **state)
{
	(void)state;
	struct chunk_head h = {.name = SPAN_LIT("out")}, got;
	uint8_t p[2 * CHUNK_BLOCK];
	static const struct {
		const char *what;
		size_t at, bytes;
		uint64_t value;
		enum chunk_head_is is;
	} lies[] = {
		{"version 0", 12, 2, 0, CHUNK_HEAD_BAD},
		{"version 2", 12, 2, 2, CHUNK_HEAD_NEWER},
		{"version 65535", 12, 2, 65535, CHUNK_HEAD_NEWER},
		{"a name too long", 14, 2, 201, CHUNK_HEAD_BAD},
		{"a name beyond the file", 14, 2, 65535, CHUNK_HEAD_BAD},
		{"a stage beyond the file", 16, 4, UINT32_MAX, CHUNK_HEAD_BAD},
		{"a sum that goes round", 16, 4, UINT32_MAX - 60, CHUNK_HEAD_BAD},
		{"H too small", 20, 4, 0, CHUNK_HEAD_BAD},
		{"H too great", 20, 4, 8192, CHUNK_HEAD_BAD},
		{"another magic", 0, 1, 0x88, CHUNK_HEAD_BAD},
	};
	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		memset(p, 0, sizeof p);
		h.length = CHUNK_BLOCK;
		chunk_format_put_head(p, &h);
		memset(p + CHUNK_BLOCK / 2, 0, CHUNK_BLOCK / 2);
		memcpy(p + lies[i].at, &lies[i].value, lies[i].bytes);
		size_t n = 64 - 12 + (size_t)le16_get(p + 14) + le32_get(p + 16);
		if (n < sizeof p - 12)
			le32_put(p + 8, crc32c(0, p + 12, n)); /* the checksum is right */
		for (size_t len = 0; len <= sizeof p; len += 128)
			if (len >= 64 + 256 && chunk_format_get_head(p, len, &got) != lies[i].is)
				fail_msg("%s in %zu bytes", lies[i].what, len);
	}
}

static struct frame_head a_frame(void)
{
	struct frame_head h = {
		.length = 1000,
		.payload_crc = 0xdeadbeef,
		.number = 77,
		.synced = 8192,
		.received_ns = 1234567890123456789,
		.count = 12,
		.info_len = 30,
		.tag_len = 20,
		.type = FRAME_DEAD,
		.last = true,
	};
	memcpy(h.key, "twelve bytes", 12);
	return h;
}

static void a_frame_byte_for_byte(void **state)
{
	(void)state;
	uint8_t p[64], salted[16 + 60];
	struct frame_head h = a_frame(), got;
	struct chunk_salt salt = chunk_format_salt(id);
	chunk_format_put_frame(p, &h, &salt, 16384);
	memcpy(salted, id, 16);
	memcpy(salted + 16, p + 4, 60);
	assert_int_equal(le32_get(p), crc32c(0, salted, sizeof salted));
	assert_int_equal(le32_get(p + 4), 1000);
	assert_int_equal(le32_get(p + 8), 0xdeadbeef ^ le32_get(id + 12));
	assert_int_equal(le32_get(p + 12), 77);
	assert_int_equal(le64_get(p + 16), 8192);
	assert_int_equal(le64_get(p + 24), 1234567890123456789);
	assert_int_equal(le32_get(p + 32), 12);
	assert_int_equal(le32_get(p + 36), 30);
	assert_int_equal(le16_get(p + 40), 20);
	assert_int_equal(p[42], 2);
	assert_int_equal(p[43], 1);
	assert_memory_equal(p + 44, "twelve bytes", 12);
	assert_int_equal(le64_get(p + 56), 16384 ^ le64_get(id));
	assert_true(chunk_format_get_frame(p, &got, &salt, 16384));
	assert_int_equal(got.length, 1000);
	assert_int_equal(got.payload_crc, 0xdeadbeef);
	assert_int_equal(got.number, 77);
	assert_int_equal(got.synced, 8192);
	assert_int_equal(got.received_ns, 1234567890123456789);
	assert_int_equal(got.count, 12);
	assert_int_equal(got.info_len, 30);
	assert_int_equal(got.tag_len, 20);
	assert_int_equal(got.type, FRAME_DEAD);
	assert_true(got.last);
	assert_memory_equal(got.key, "twelve bytes", 12);
	assert_int_equal(chunk_format_next(16384, &got), 16384 + 4096);
	got.last = false;
	assert_int_equal(chunk_format_next(16384, &got), 16384 + 64 + 1000);
	got.length = 1001;
	assert_int_equal(chunk_format_next(16384, &got), 16384 + 64 + 1008);
}

static void every_bit_of_a_frame_head_counts(void **state)
{
	(void)state;
	uint8_t p[64];
	struct frame_head h = a_frame(), got;
	struct chunk_salt salt = chunk_format_salt(id), other;
	chunk_format_put_frame(p, &h, &salt, 16384);
	for (int bit = 0; bit < 64 * 8; bit++) {
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(chunk_format_get_frame(p, &got, &salt, 16384));
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_false(chunk_format_get_frame(p, &got, &salt, 16392));
	for (int bit = 0; bit < 16 * 8; bit++) { /* and of the id */
		uint8_t wrong[16];
		memcpy(wrong, id, 16);
		wrong[bit / 8] ^= (uint8_t)(1 << bit % 8);
		other = chunk_format_salt(wrong);
		assert_false(chunk_format_get_frame(p, &got, &other, 16384));
	}
	assert_true(chunk_format_get_frame(p, &got, &salt, 16384));
}

static void frames_that_make_no_sense(void **state)
{
	(void)state;
	uint8_t p[64];
	struct chunk_salt salt = chunk_format_salt(id);
	struct frame_head got, h;
	const struct frame_head good = a_frame();
	struct {
		const char *what;
		struct frame_head h;
	} bad[9];
	for (size_t i = 0; i < 9; i++)
		bad[i].h = good;
	bad[0].what = "tag and info beyond the payload", bad[0].h.info_len = 981;
	bad[1].what = "info that goes round", bad[1].h.info_len = UINT32_MAX - 10;
	bad[2].what = "no type", bad[2].h.type = 0;
	bad[3].what = "another type", bad[3].h.type = 5;
	bad[4].what = "synced beyond itself", bad[4].h.synced = 16385;
	bad[5].what = "a payload too long", bad[5].h.length = (UINT32_C(1) << 31) + 1;
	bad[6].what = "a mark with a payload", bad[6].h.type = CHUNK_MARK;
	bad[7].what = "a short seal", bad[7].h.type = CHUNK_SEAL;
	bad[8].what = "a payload of 4 GiB", bad[8].h.length = UINT32_MAX;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		chunk_format_put_frame(p, &bad[i].h, &salt, 16384);
		if (chunk_format_get_frame(p, &got, &salt, 16384))
			fail_msg("%s", bad[i].what);
	}
	h = good;
	h.info_len = 980; /* tag and info are all there is */
	chunk_format_put_frame(p, &h, &salt, 16384);
	assert_true(chunk_format_get_frame(p, &got, &salt, 16384));
}

static void a_seal_comes_back(void **state)
{
	(void)state;
	uint8_t block[CHUNK_BLOCK];
	struct chunk_seal s = {.synced = 8192,
				  .records = 5000000000,
				  .frames = 70000,
				  .first_ns = 3,
				  .last_ns = 9,
				  .more_holes = true},
			  got;
	struct chunk_head head = {.created_ns = 8, .name = SPAN_LIT("out"), .stage = SPAN_LIT("key")}, copy;
	memcpy(head.id, id, sizeof id);
	head.length = CHUNK_BLOCK;
	for (uint32_t i = 0; i < CHUNK_SEAL_HOLES; i++)
		s.hole[s.hole_count++] = (struct chunk_hole){4096 * i, 4096 * i + 8};
	chunk_format_put_seal(block, &s, &head, 70001, 1 << 20);
	struct chunk_salt salt = chunk_format_salt(id);
	assert_true(chunk_format_get_seal(block, &got, &salt, 1 << 20));
	assert_int_equal(got.synced, 8192);
	assert_int_equal(got.records, 5000000000);
	assert_int_equal(got.frames, 70000);
	assert_int_equal(got.first_ns, 3);
	assert_int_equal(got.last_ns, 9);
	assert_true(got.more_holes);
	assert_int_equal(got.hole_count, CHUNK_SEAL_HOLES);
	assert_memory_equal(got.hole, s.hole, sizeof s.hole);
	assert_true(chunk_format_get_seal_head(block, &copy));
	assert_memory_equal(copy.id, id, sizeof id);
	assert_true(span_is(copy.name, "out") && span_is(copy.stage, "key"));
	assert_false(chunk_format_get_seal(block, &got, &salt, (1 << 20) + CHUNK_BLOCK));
	for (int bit = 0; bit < CHUNK_BLOCK * 8; bit++) {
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(chunk_format_get_seal(block, &got, &salt, 1 << 20));
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* A key that does not fit is not there; the seal is as good. */
	uint8_t *key = calloc(1, 5000);
	head.stage = span_of(key, 5000);
	head.length = chunk_format_head_length(head.name, head.stage);
	chunk_format_put_seal(block, &s, &head, 70001, 1 << 20);
	assert_true(chunk_format_get_seal(block, &got, &salt, 1 << 20));
	assert_false(chunk_format_get_seal_head(block, &copy));
	free(key);
}

static void names(void **state)
{
	(void)state;
	char a[CHUNK_FILE_NAME_LEN + 1], b[CHUNK_FILE_NAME_LEN + 1];
	chunk_file_name(a, 1700000000123456789, 0xabcdef01);
	assert_string_equal(a, "17979cfe3d85cd15-abcdef01");
	char file[60];
	snprintf(file, sizeof file, "%s.chunk", a);
	assert_true(chunk_file_name_is(file, ".chunk", b));
	assert_string_equal(a, b);
	assert_false(chunk_file_name_is(file, ".new", b));
	static const char *const wrong[] = {"", ".chunk", "17979cfe3d85cd15-abcdef01", "17979cfe3d85cd15-abcdef0.chunk",
		"17979cfe3d85cd15-abcdef012.chunk", "17979CFE3d862515-abcdef01.chunk",
		"17979cfe3d85cd15_abcdef01.chunk", "17979cfe3d86251/-abcdef01.chunk", "../../etc/passwd-abcdef01.chunk",
		"17979cfe3d85cd15-abcdef01.chunkx"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_false(chunk_file_name_is(wrong[i], ".chunk", b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_byte_for_byte),
		cmocka_unit_test(heads_come_back),
		cmocka_unit_test(heads_that_lie),
		cmocka_unit_test(a_frame_byte_for_byte),
		cmocka_unit_test(every_bit_of_a_frame_head_counts),
		cmocka_unit_test(frames_that_make_no_sense),
		cmocka_unit_test(a_seal_comes_back),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
