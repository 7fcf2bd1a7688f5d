/*
 * The instruction of the processor has a latency of three cycles and starts one a cycle, so three stretches of the
 * input are worked on side by side and then joined. Joining needs the effect of "n zero bytes follow" on a checksum:
 * a linear map of 32 bits, kept as four tables of 256 for each of the two stretch lengths.
 */
#include "base/crc32c.h"

#include "base/bytes.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HARDWARE_KIND	"sse4.2"
#define HARDWARE_TARGET __attribute__((target("sse4.2")))
#define STEP8(crc, v)	((uint32_t)_mm_crc32_u64((crc), (v)))
#define STEP1(crc, v)	_mm_crc32_u8((crc), (v))
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define HARDWARE_KIND "armv8"
#define HARDWARE_TARGET
#define STEP8(crc, v) __crc32cd((crc), (v))
#define STEP1(crc, v) __crc32cb((crc), (v))
#endif

#define POLY UINT32_C(0x82f63b78) /* RFC 3720's 0x1edc6f41, bits reversed */

static uint32_t slice[8][256]; /* slice[k][b]: byte b, then k zero bytes */

static void slice_init(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t c = b;
		for (int i = 0; i < 8; i++)
			c = (c >> 1) ^ (c & 1 ? POLY : 0);
		slice[0][b] = c;
	}
	for (int k = 1; k < 8; k++)
		for (int b = 0; b < 256; b++)
			slice[k][b] = slice[0][slice[k - 1][b] & 255] ^ (slice[k - 1][b] >> 8);
}

static uint32_t update_portable(uint32_t c, const uint8_t *p, size_t n)
{
	for (; n >= 8; p += 8, n -= 8) {
		uint64_t v = le64_get(p) ^ c;
		c = slice[7][v & 255] ^ slice[6][(v >> 8) & 255] ^ slice[5][(v >> 16) & 255] ^
		    slice[4][(v >> 24) & 255] ^ slice[3][(v >> 32) & 255] ^ slice[2][(v >> 40) & 255] ^
		    slice[1][(v >> 48) & 255] ^ slice[0][v >> 56];
	}
	while (n--)
		c = slice[0][(c ^ *p++) & 255] ^ (c >> 8);
	return c;
}

uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n)
{
	return ~update_portable(~crc, p, n);
}

#ifdef HARDWARE_KIND
#define LONG  ((size_t)4096) /* bytes of a stretch */
#define SHORT ((size_t)256)

struct zeros {
	uint32_t t[4][256];
};
static struct zeros zeros_long, zeros_short;
static uint32_t (*update)(uint32_t, const uint8_t *, size_t) = update_portable;

static uint32_t zeros_append(const struct zeros *z, uint32_t c)
{
	return z->t[0][c & 255] ^ z->t[1][(c >> 8) & 255] ^ z->t[2][(c >> 16) & 255] ^ z->t[3][c >> 24];
}

static void zeros_init(struct zeros *z, size_t n)
{
	uint32_t bit[32]; /* what becomes of each bit; the map is linear, so these say all */
	for (int i = 0; i < 32; i++) {
		uint32_t c = UINT32_C(1) << i;
		for (size_t k = 0; k < n; k++)
			c = slice[0][c & 255] ^ (c >> 8);
		bit[i] = c;
	}
	for (int k = 0; k < 4; k++)
		for (uint32_t b = 0; b < 256; b++) {
			uint32_t c = 0;
			for (int i = 0; i < 8; i++)
				c ^= (b >> i) & 1 ? bit[8 * k + i] : 0;
			z->t[k][b] = c;
		}
}

HARDWARE_TARGET static inline uint32_t three_lanes(uint32_t c, const uint8_t *p, size_t lane, const struct zeros *z)
{
	uint32_t c1 = 0, c2 = 0;
	for (const uint8_t *end = p + lane; p < end; p += 8) {
		c = STEP8(c, le64_get(p));
		c1 = STEP8(c1, le64_get(p + lane));
		c2 = STEP8(c2, le64_get(p + 2 * lane));
	}
	return zeros_append(z, zeros_append(z, c) ^ c1) ^ c2;
}

HARDWARE_TARGET static uint32_t update_hardware(uint32_t c, const uint8_t *p, size_t n)
{
	for (; n >= 3 * LONG; p += 3 * LONG, n -= 3 * LONG)
		c = three_lanes(c, p, LONG, &zeros_long);
	for (; n >= 3 * SHORT; p += 3 * SHORT, n -= 3 * SHORT)
		c = three_lanes(c, p, SHORT, &zeros_short);
	for (; n >= 8; p += 8, n -= 8)
		c = STEP8(c, le64_get(p));
	while (n--)
		c = STEP1(c, *p++);
	return c;
}

static int hardware_is_here(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("sse4.2");
#else
	return 1;
#endif
}

__attribute__((constructor)) static void init(void)
{
	slice_init();
	if (hardware_is_here()) {
		zeros_init(&zeros_long, LONG);
		zeros_init(&zeros_short, SHORT);
		update = update_hardware;
	}
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	return ~update(~crc, p, n);
}

const char *crc32c_kind(void)
{
	return update == update_hardware ? HARDWARE_KIND : "portable";
}
#else
__attribute__((constructor)) static void init(void)
{
	slice_init();
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	return crc32c_portable(crc, p, n);
}

const char *crc32c_kind(void)
{
	return "portable";
}
#endif
