#include "forward/inflate.h"

#include "../record/bytes_util.h"
#include "base/bytes.h"

#include <libdeflate.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zstd.h>
#include <cmocka.h>

enum { MIB = 1 << 20 };

/* Text that compresses about as logs do. */
static void put_lines(struct buf *b, size_t n, uint64_t seed)
{
	struct random r = {seed};
	const size_t end = b->n + n;
	while (b->n < end)
		buf_printf(b, "2026-08-01T12:00:00 host-%u GET /api/v%u/items/%u 200\n", random_below(&r, 30),
			random_below(&r, 3), random_below(&r, 100000));
	b->n = end;
}

static void put_gzip(struct buf *out, struct span in, int level)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
	size_t bound = libdeflate_gzip_compress_bound(c, in.n);
	assert_true(buf_reserve(out, bound));
	out->n += libdeflate_gzip_compress(c, in.p, in.n, out->p + out->n, bound);
	libdeflate_free_compressor(c);
}

/* Streamed, so that the frame does not say how large its content is, if `sized` is false. */
static void put_zstd(struct buf *out, struct span in, bool sized, int window_log)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t bound = ZSTD_compressBound(in.n) + 64;
	assert_true(buf_reserve(out, bound));
	ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, sized);
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	if (window_log)
		ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
	ZSTD_inBuffer from = {.src = in.p, .size = in.n};
	ZSTD_outBuffer to = {.dst = out->p + out->n, .size = bound};
	ZSTD_EndDirective end = ZSTD_e_end;
	if (!sized) /* told in two steps, the size is not known when the header is written */
		assert_false(ZSTD_isError(ZSTD_compressStream2(c, &to, &from, ZSTD_e_flush)));
	assert_int_equal(ZSTD_compressStream2(c, &to, &from, end), 0);
	out->n += to.pos;
	ZSTD_freeCCtx(c);
}

static void put(enum inflate_kind kind, struct buf *out, struct span in)
{
	if (kind == INFLATE_GZIP)
		put_gzip(out, in, 6);
	else
		put_zstd(out, in, true, 0);
}

static enum inflate_result run(enum inflate_kind kind, struct span in, uint32_t ratio, struct buf *out)
{
	struct span exact = exact_copy(in.p, in.n);
	enum inflate_result r = inflate_all(kind, exact, ratio, out);
	exact_free(exact);
	return r;
}

static void check(enum inflate_kind kind, struct span in, struct span want)
{
	struct buf out;
	buf_init(&out, 256u * MIB);
	buf_put(&out, "before", 6);
	assert_int_equal(run(kind, in, 0, &out), INFLATE_OK);
	assert_int_equal(out.n, 6 + want.n);
	assert_memory_equal(out.p, "before", 6);
	assert_true(span_eq(span_of(out.p + 6, out.n - 6), want));
	buf_free(&out);
}

static void check_bad(enum inflate_kind kind, struct span in)
{
	struct buf out;
	buf_init(&out, 256u * MIB);
	buf_put(&out, "before", 6);
	assert_int_equal(run(kind, in, 0, &out), INFLATE_BAD);
	assert_int_equal(out.n, 6);
	buf_free(&out);
}

static void test_sniff(void **state)
{
	(void)state;
	assert_int_equal(inflate_sniff(SPAN_LIT("\x1f\x8b")), INFLATE_GZIP);
	assert_int_equal(inflate_sniff(SPAN_LIT("\x1f\x8b\x08")), INFLATE_GZIP);
	assert_int_equal(inflate_sniff(SPAN_LIT("\x1f")), INFLATE_NONE);
	assert_int_equal(inflate_sniff(SPAN_LIT("\x28\xb5\x2f\xfd")), INFLATE_ZSTD);
	assert_int_equal(inflate_sniff(SPAN_LIT("\x28\xb5\x2f")), INFLATE_NONE);
	assert_int_equal(inflate_sniff(SPAN_LIT("\x92\xce")), INFLATE_NONE);
	assert_int_equal(inflate_sniff((struct span){0}), INFLATE_NONE);
}

static void test_sizes(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 2, 100, 1000, 65535, 65536, 300000, 3 * MIB};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct buf plain, packed;
		buf_init(&plain, 64u * MIB);
		buf_init(&packed, 64u * MIB);
		put_lines(&plain, sizes[i], 1);
		for (int level = 0; level <= 12; level += 6) {
			buf_clear(&packed);
			put_gzip(&packed, buf_span(&plain), level);
			check(INFLATE_GZIP, buf_span(&packed), buf_span(&plain));
		}
		for (int sized = 0; sized < 2; sized++) {
			buf_clear(&packed);
			put_zstd(&packed, buf_span(&plain), sized, 0);
			check(INFLATE_ZSTD, buf_span(&packed), buf_span(&plain));
		}
		buf_free(&plain);
		buf_free(&packed);
	}
}

static void test_no_input(void **state)
{
	(void)state;
	check(INFLATE_GZIP, (struct span){0}, (struct span){0});
	check(INFLATE_ZSTD, (struct span){0}, (struct span){0});
}

/* fluentd appends a member for each append to its buffer. */
static void test_many_members(void **state)
{
	(void)state;
	for (enum inflate_kind kind = INFLATE_GZIP; kind <= INFLATE_ZSTD; kind++) {
		struct buf plain, packed;
		struct random r = {99};
		buf_init(&plain, 64u * MIB);
		buf_init(&packed, 64u * MIB);
		for (int i = 0; i < 500; i++) {
			size_t n = random_below(&r, 20) ? random_below(&r, 400) : random_below(&r, 2) * 200000;
			const size_t begin = plain.n;
			put_lines(&plain, n, (uint64_t)i + 1);
			put(kind, &packed, span_of(plain.p + begin, n));
		}
		check(kind, buf_span(&packed), buf_span(&plain));
		if (kind == INFLATE_GZIP) {
			for (int i = 0; i < 600; i++)
				buf_put_byte(&packed, 0);
			check(kind, buf_span(&packed), buf_span(&plain));
			buf_put_byte(&packed, 1);
		} else {
			buf_put(&packed, "\x50\x2a\x4d\x18\x03\x00\x00\x00xyz", 11); /* a skippable frame */
			check(kind, buf_span(&packed), buf_span(&plain));
			buf_put_byte(&packed, 0);
		}
		check_bad(kind, buf_span(&packed));
		buf_free(&plain);
		buf_free(&packed);
	}
}

static void test_gzip_header_fields(void **state)
{
	(void)state;
	static const struct {
		uint8_t flags;
		const char *fields;
		size_t n;
	} cases[] = {
		{0x08, "name\0", 5}, {0x10, "comment\0", 8}, {0x04, "\x04\0abcd", 6},
		{0x1c, "\x02\0abname\0comment\0", 17}, {0x01, "", 0}, /* FTEXT */
	};
	struct buf packed, b;
	buf_init(&packed, MIB);
	buf_init(&b, MIB);
	put_gzip(&packed, SPAN_LIT("content"), 6);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (int members = 0; members < 2; members++) {
			buf_clear(&b);
			if (members)
				buf_put_span(&b, buf_span(&packed));
			const size_t head = b.n;
			buf_put(&b, packed.p, 10);
			b.p[head + 3] = cases[i].flags;
			buf_put(&b, cases[i].fields, cases[i].n);
			buf_put(&b, packed.p + 10, packed.n - 10);
			check(INFLATE_GZIP, buf_span(&b), members ? SPAN_LIT("contentcontent") : SPAN_LIT("content"));
		}
	}
	buf_free(&packed);
	buf_free(&b);
}

/* Cut anywhere, nothing of it is used; cut between two members, it is whole. */
static void test_cut_at_every_byte(void **state)
{
	(void)state;
	for (enum inflate_kind kind = INFLATE_GZIP; kind <= INFLATE_ZSTD; kind++) {
		struct buf plain, packed;
		buf_init(&plain, MIB);
		buf_init(&packed, MIB);
		put_lines(&plain, 700, 5);
		put(kind, &packed, span_of(plain.p, 400));
		const size_t first = packed.n;
		put(kind, &packed, span_of(plain.p + 400, 300));
		for (size_t n = 1; n < packed.n; n++) {
			if (n == first)
				check(kind, span_of(packed.p, n), span_of(plain.p, 400));
			else
				check_bad(kind, span_of(packed.p, n));
		}
		buf_free(&plain);
		buf_free(&packed);
	}
}

/* No flipped bit brings other content than was sent. */
static void test_every_flipped_bit(void **state)
{
	(void)state;
	for (enum inflate_kind kind = INFLATE_GZIP; kind <= INFLATE_ZSTD; kind++) {
		struct buf plain, packed;
		unsigned bad = 0;
		buf_init(&plain, MIB);
		buf_init(&packed, MIB);
		put_lines(&plain, 500, 6);
		put(kind, &packed, buf_span(&plain));
		for (size_t bit = 0; bit < 8 * packed.n; bit++) {
			struct buf out;
			buf_init(&out, MIB);
			packed.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
			enum inflate_result r = run(kind, buf_span(&packed), 0, &out);
			packed.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (r == INFLATE_OK)
				assert_true(span_eq(buf_span(&out), buf_span(&plain)));
			else
				bad++;
			buf_free(&out);
		}
		assert_true(bad > 8 * packed.n - 100); /* but for MTIME and the like */
		buf_free(&plain);
		buf_free(&packed);
	}
}

static void test_ceiling(void **state)
{
	(void)state;
	for (enum inflate_kind kind = INFLATE_GZIP; kind <= INFLATE_ZSTD; kind++) {
		for (int members = 1; members < 4; members++) {
			struct buf plain, packed, out;
			buf_init(&plain, 64u * MIB);
			buf_init(&packed, 64u * MIB);
			for (int i = 0; i < members; i++) {
				const size_t begin = plain.n;
				put_lines(&plain, 100000 + (size_t)i, 7);
				put(kind, &packed, span_of(plain.p + begin, plain.n - begin));
			}
			static const int over[] = {-100000, -65536, -1, 0, 1, 100};
			for (size_t i = 0; i < sizeof over / sizeof *over; i++) {
				buf_init(&out, (size_t)((int)plain.n + over[i]));
				enum inflate_result want = over[i] < 0 ? INFLATE_TOO_LARGE : INFLATE_OK;
				assert_int_equal(run(kind, buf_span(&packed), 0, &out), want);
				assert_int_equal(out.n, want == INFLATE_OK ? plain.n : 0);
				assert_true(out.cap <= out.max);
				buf_free(&out);
			}
			buf_free(&plain);
			buf_free(&packed);
		}
	}
}

static void test_bombs(void **state)
{
	(void)state;
	uint8_t *zeros = mem_zalloc(20 * MIB);
	for (enum inflate_kind kind = INFLATE_GZIP; kind <= INFLATE_ZSTD; kind++) {
		struct buf packed, out;
		buf_init(&packed, 64u * MIB);
		put(kind, &packed, span_of(zeros, 20 * MIB));
		buf_init(&out, 16u * MIB);
		assert_int_equal(run(kind, buf_span(&packed), 0, &out), INFLATE_TOO_LARGE);
		buf_free(&out);
		buf_init(&out, 64u * MIB);
		assert_int_equal(run(kind, buf_span(&packed), 100, &out), INFLATE_TOO_LARGE);
		assert_true(out.cap <= 200 * packed.n + 2 * MIB);
		assert_int_equal(run(kind, buf_span(&packed), 1u << 31, &out), INFLATE_OK);
		assert_int_equal(out.n, 20 * MIB);
		buf_free(&out);
		/* A ratio says nothing of little output. */
		buf_clear(&packed);
		put(kind, &packed, span_of(zeros, MIB));
		buf_init(&out, 64u * MIB);
		assert_int_equal(run(kind, buf_span(&packed), 2, &out), INFLATE_OK);
		buf_free(&out);
		buf_clear(&packed);
		put(kind, &packed, span_of(zeros, MIB + 1));
		buf_init(&out, 64u * MIB);
		assert_int_equal(run(kind, buf_span(&packed), 2, &out), INFLATE_TOO_LARGE);
		buf_free(&out);
		buf_free(&packed);
	}
	mem_free(zeros);
}

/* A size that the input announces makes nobody allocate it. */
static void test_false_sizes(void **state)
{
	(void)state;
	static const uint32_t announced[] = {0, 1, 0x7fffffff, 0xffffffff, 1000};
	struct buf packed, out;
	buf_init(&packed, MIB);
	put_gzip(&packed, SPAN_LIT("content, and content, and content"), 6);
	for (size_t i = 0; i < sizeof announced / sizeof *announced; i++) {
		le32_put(packed.p + packed.n - 4, announced[i]);
		buf_init(&out, 256u * MIB);
		assert_int_equal(run(INFLATE_GZIP, buf_span(&packed), 0, &out), INFLATE_BAD);
		assert_true(out.cap < 4096);
		buf_free(&out);
	}
	/* zstd: a frame of one raw block that says it holds 2^60 bytes. */
	struct span huge = exact_hex("28b52ffd c0 00 0000000000000010 090000 61");
	buf_init(&out, 256u * MIB);
	assert_int_equal(run(INFLATE_ZSTD, huge, 0, &out), INFLATE_BAD);
	assert_true(out.cap < 4096);
	buf_free(&out);
	exact_free(huge);
	buf_free(&packed);
}

/* A frame may ask for 2 GiB of window. */
static void test_zstd_window(void **state)
{
	(void)state;
	struct buf plain, packed;
	buf_init(&plain, 64u * MIB);
	buf_init(&packed, 64u * MIB);
	put_lines(&plain, 20000, 8);
	put_zstd(&packed, buf_span(&plain), false, 23);
	check(INFLATE_ZSTD, buf_span(&packed), buf_span(&plain));
	buf_clear(&packed);
	put_zstd(&packed, buf_span(&plain), false, 24);
	check_bad(INFLATE_ZSTD, buf_span(&packed));
	buf_free(&plain);
	buf_free(&packed);
}

static void test_no_memory(void **state)
{
	(void)state;
	for (enum inflate_kind kind = INFLATE_GZIP; kind <= INFLATE_ZSTD; kind++) {
		struct buf plain, packed, out;
		buf_init(&plain, 64u * MIB);
		buf_init(&packed, 64u * MIB);
		for (unsigned i = 0; i < 100000; i++)
			buf_put(&plain, "aaaaaaaaaaaaaaaa", 16);
		put(kind, &packed, buf_span(&plain));
		for (long nth = 1; nth < 3; nth++) {
			buf_init(&out, 64u * MIB);
			mem_fail_at(nth);
			assert_int_equal(inflate_all(kind, buf_span(&packed), 0, &out), INFLATE_NO_MEMORY);
			mem_fail_at(0);
			assert_int_equal(out.n, 0);
			buf_free(&out);
		}
		buf_free(&plain);
		buf_free(&packed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sniff),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_no_input),
		cmocka_unit_test(test_many_members),
		cmocka_unit_test(test_gzip_header_fields),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_every_flipped_bit),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_false_sizes),
		cmocka_unit_test(test_zstd_window),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
