#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "elastic/doc_id.h"

#include "base/base64.h"
#include "base/bytes.h"

static const uint8_t key[FRAME_KEY_LEN] = {0, 1, 2, 3, 0xfb, 0xff, 0xbf, 7, 8, 9, 10, 0xff};

/* The 21 bytes of doc_id.h's drawing, as Base64url. */
static void assert_id(int64_t ms, uint64_t ms_in_id, uint32_t index)
{
	struct doc_id_frame f;
	uint8_t bytes[6 + FRAME_KEY_LEN + 3];
	char got[DOC_ID_LEN + 1] = {0}, want[DOC_ID_LEN + 1] = {0};
	doc_id_begin(&f, key, index / 3); /* the place of the frame's first event */
	memset(got, '!', DOC_ID_LEN);
	doc_id_put(&f, ms, index - index / 3, got);
	for (int i = 0; i < 6; i++)
		bytes[i] = (uint8_t)(ms_in_id >> (40 - 8 * i));
	memcpy(bytes + 6, key, sizeof key);
	for (int i = 0; i < 3; i++)
		bytes[18 + i] = (uint8_t)(index >> (16 - 8 * i));
	assert_int_equal(base64_encode(BASE64_URL, span_of(bytes, sizeof bytes), want), DOC_ID_LEN);
	assert_string_equal(got, want);
}

static void test_ids(void **state)
{
	(void)state;
	const int64_t top = (INT64_C(1) << 48) - 1;
	assert_id(0, 0, 0);
	assert_id(1700000000123, 1700000000123, 1);
	assert_id(1700000000123, 1700000000123, (1 << 24) - 1);
	assert_id(-1, 0, 5);
	assert_id(INT64_MIN, 0, 5);
	assert_id(top, (uint64_t)top, 5);
	assert_id(top + 1, (uint64_t)top, 5);
	assert_id(INT64_MAX, (uint64_t)top, 5);
	for (int i = 0; i < 48; i++)
		assert_id(INT64_C(1) << i, UINT64_C(1) << i, i < 24 ? 1u << i : 0);
}

/* Known text, so that ids stay the same from version to version: a repetition may come from the one before. */
static void test_stability(void **state)
{
	(void)state;
	struct doc_id_frame f;
	char id[DOC_ID_LEN + 1] = {0};
	doc_id_begin(&f, (const uint8_t *)"0123456789ab", 0);
	doc_id_put(&f, 1700000000123, 70000, id);
	assert_string_equal(id, "AYvP5Wh7MDEyMzQ1Njc4OWFiARFw");
}

/* A compressed message may hold more events than the place tells apart. */
static void test_long_frames(void **state)
{
	(void)state;
	struct doc_id_frame f;
	char ids[4][DOC_ID_LEN];
	static const uint32_t places[] = {5, 5 + (1 << 24), 5 + (2 << 24), UINT32_MAX};
	doc_id_begin(&f, key, 0);
	for (size_t i = 0; i < 4; i++) {
		doc_id_put(&f, 1, places[i], ids[i]);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(ids[i], ids[k], DOC_ID_LEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_stability),
		cmocka_unit_test(test_long_frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
