#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void rfc_3720_values(void **state)
{
	(void)state;
	uint8_t up[32], down[32], zeros[32] = {0}, ones[32];
	/* RFC 3720 B.4: an iSCSI SCSI Read (10) command */
	static const uint8_t read10[48] = {
		0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02};
	for (int i = 0; i < 32; i++) {
		up[i] = (uint8_t)i;
		down[i] = (uint8_t)(31 - i);
		ones[i] = 0xff;
	}
	static const struct {
		const char *what;
		uint32_t crc;
	} want[] = {{"zeros", 0x8a9136aa}, {"ones", 0x62a8ab43}, {"up", 0x46dd794e}, {"down", 0x113fdb5c},
		{"read", 0xd9963a56}, {"123456789", 0xe3069283}, {"", 0}};
	const struct {
		const void *p;
		size_t n;
	} in[] = {{zeros, 32}, {ones, 32}, {up, 32}, {down, 32}, {read10, 48}, {"123456789", 9}, {"", 0}};
	for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
		if (crc32c(0, in[i].p, in[i].n) != want[i].crc)
			fail_msg("%s: %08x", want[i].what, crc32c(0, in[i].p, in[i].n));
		assert_int_equal(crc32c_portable(0, in[i].p, in[i].n), want[i].crc);
	}
}

/* By the definition, a bit at a time. */
static uint32_t slow(const uint8_t *p, size_t n)
{
	uint32_t c = 0xffffffff;
	while (n--) {
		c ^= *p++;
		for (int i = 0; i < 8; i++)
			c = (c >> 1) ^ (c & 1 ? 0x82f63b78 : 0);
	}
	return ~c;
}

static void every_way_gives_the_same(void **state)
{
	(void)state;
	enum { N = 40000 };
	uint8_t *p = malloc(N + 8);
	srandom(7);
	for (int i = 0; i < N + 8; i++)
		p[i] = (uint8_t)random();
	for (int k = 0; k < 1500; k++) {
		size_t n = k < 900 ? (size_t)k : (size_t)random() % N, at = (size_t)random() % 8;
		uint32_t c = slow(p + at, n);
		assert_int_equal(crc32c(0, p + at, n), c);
		assert_int_equal(crc32c_portable(0, p + at, n), c);
		size_t half = n ? (size_t)random() % n : 0;
		assert_int_equal(crc32c(crc32c(0, p + at, half), p + at + half, n - half), c);
		assert_int_equal(crc32c(crc32c_portable(0, p + at, half), p + at + half, n - half), c);
	}
	free(p);
}

static void kind_is_told(void **state)
{
	(void)state;
	const char *k = crc32c_kind();
#if defined(__x86_64__)
	assert_string_equal(k, __builtin_cpu_supports("sse4.2") ? "sse4.2" : "portable");
#endif
	assert_true(strlen(k) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_3720_values),
		cmocka_unit_test(every_way_gives_the_same),
		cmocka_unit_test(kind_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
