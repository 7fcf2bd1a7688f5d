#include "forward/inflate.h"

#include "base/bytes.h"

#include <libdeflate.h>
#include <zstd.h>
#include <zstd_errors.h>

/* Below this much output a high ratio is no bomb. */
#define RATIO_FROM ((size_t)1 << 20)

/* The window that a zstd frame may ask for: 8 MiB, what RFC 8878 recommends that decoders support. */
#define ZSTD_WINDOW_LOG_MAX 23

/* What the output may grow to and how. */
struct room {
	struct buf *out;
	size_t limit; /* that out->n must not pass */
};

enum inflate_kind inflate_sniff(struct span in)
{
	if (in.n >= 2 && memcmp(in.p, "\x1f\x8b", 2) == 0)
		return INFLATE_GZIP;
	if (in.n >= 4 && memcmp(in.p, "\x28\xb5\x2f\xfd", 4) == 0)
		return INFLATE_ZSTD;
	return INFLATE_NONE;
}

static size_t saturating_mul(size_t a, size_t b)
{
	size_t v;
	return __builtin_mul_overflow(a, b, &v) ? SIZE_MAX : v;
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static struct room room_init(struct buf *out, size_t in, uint32_t max_ratio)
{
	struct room r = {.out = out, .limit = out->max};
	if (max_ratio) {
		size_t most = saturating_mul(in, max_ratio);
		if (most < RATIO_FROM)
			most = RATIO_FROM;
		if (most < r.limit - out->n)
			r.limit = out->n + most;
	}
	return r;
}

static size_t room_free(const struct room *r)
{
	return min_size(r->out->cap, r->limit) - r->out->n;
}

/* Makes room for `want` bytes, or for what the limit leaves. INFLATE_TOO_LARGE: there is no more to be had. */
static enum inflate_result room_grow(struct room *r, size_t want)
{
	size_t left = r->limit - r->out->n;
	if (room_free(r) == left)
		return INFLATE_TOO_LARGE;
	return buf_reserve(r->out, min_size(want, left)) ? INFLATE_OK : INFLATE_NO_MEMORY;
}

/*
 * The first guess of the output's size. What the input says of it is right for honest senders, and saves the
 * growing, but it is taken only where it is within what logs compress to, so that a few bytes cannot make us
 * allocate many.
 */
static size_t first_guess(size_t in, uint64_t announced)
{
	size_t most = saturating_mul(in, 16);
	return announced >= in / 2 && announced <= most ? (size_t)announced + 64 : saturating_mul(in, 6) + 64;
}

/* ---- gzip ----------------------------------------------------------------------------------------- */

static bool all_zero(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i])
			return false;
	return true;
}

/*
 * libdeflate wants to have the whole output of a member at once: where it does not fit, the member is begun anew
 * with more room.
 */
static enum inflate_result one_member(struct libdeflate_decompressor *d, struct span in, struct room *r, size_t *used)
{
	for (;;) {
		size_t made;
		switch (libdeflate_gzip_decompress_ex(
			d, in.p, in.n, r->out->p + r->out->n, room_free(r), used, &made)) {
		case LIBDEFLATE_SUCCESS:
			r->out->n += made;
			return INFLATE_OK;
		case LIBDEFLATE_INSUFFICIENT_SPACE: {
			enum inflate_result grown = room_grow(r, saturating_mul(room_free(r) + 1024, 3));
			if (grown != INFLATE_OK)
				return grown;
			break;
		}
		default:
			return INFLATE_BAD;
		}
	}
}

static enum inflate_result gunzip(struct span in, struct room *r)
{
	uint32_t announced = in.n >= 4 ? le32_get(in.p + in.n - 4) : 0;
	if (!buf_reserve(r->out, min_size(first_guess(in.n, announced), r->limit - r->out->n)))
		return INFLATE_NO_MEMORY;
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	if (!d)
		return INFLATE_NO_MEMORY;
	enum inflate_result result = INFLATE_OK;
	for (bool first = true; in.n && result == INFLATE_OK; first = false) {
		if (!first && in.p[0] == 0) {
			result = all_zero(in) ? INFLATE_OK : INFLATE_BAD;
			break;
		}
		size_t used = 0;
		result = one_member(d, in, r, &used);
		in.p += used;
		in.n -= used;
	}
	libdeflate_free_decompressor(d);
	return result;
}

/* ---- zstd ----------------------------------------------------------------------------------------- */

static bool is_no_memory(size_t code)
{
	return ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation;
}

/*
 * One call of the decoder. `more` is left as it says: 0 at the end of a frame. At the limit it gets a few bytes
 * that do not count, because a frame may have to be ended without any output; if it uses them the input is too
 * large.
 */
static enum inflate_result zstd_step(ZSTD_DStream *d, ZSTD_inBuffer *in, struct room *r, size_t *more)
{
	uint8_t spare[16];
	size_t left = room_free(r);
	ZSTD_outBuffer out = {.dst = left ? r->out->p + r->out->n : spare, .size = left ? left : sizeof spare};
	*more = ZSTD_decompressStream(d, &out, in);
	if (ZSTD_isError(*more))
		return is_no_memory(*more) ? INFLATE_NO_MEMORY : INFLATE_BAD;
	if (left == 0)
		return out.pos ? INFLATE_TOO_LARGE : INFLATE_OK;
	r->out->n += out.pos;
	if (out.pos < left)
		return INFLATE_OK;
	enum inflate_result grown = room_grow(r, saturating_mul(r->out->n, 2));
	return grown == INFLATE_TOO_LARGE ? INFLATE_OK : grown;
}

static enum inflate_result unzstd(struct span in, struct room *r)
{
	unsigned long long announced = ZSTD_getFrameContentSize(in.p, in.n);
	if (!buf_reserve(r->out, min_size(first_guess(in.n, announced), r->limit - r->out->n)))
		return INFLATE_NO_MEMORY;
	ZSTD_DStream *d = ZSTD_createDStream();
	if (!d)
		return INFLATE_NO_MEMORY;
	enum inflate_result result = INFLATE_OK;
	if (ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
		result = INFLATE_NO_MEMORY;
	ZSTD_inBuffer from = {.src = in.p, .size = in.n};
	size_t more = 0;
	while (result == INFLATE_OK && (from.pos < from.size || more)) {
		size_t pos = from.pos, n = r->out->n;
		result = zstd_step(d, &from, r, &more);
		if (result == INFLATE_OK && more && from.pos == pos && r->out->n == n)
			result = INFLATE_BAD; /* no way on: the input is cut */
	}
	ZSTD_freeDStream(d);
	return result;
}

enum inflate_result inflate_all(enum inflate_kind kind, struct span in, uint32_t max_ratio, struct buf *out)
{
	const size_t before = out->n;
	struct room r = room_init(out, in.n, max_ratio);
	enum inflate_result result = INFLATE_BAD;
	if (in.n == 0)
		return INFLATE_OK;
	if (kind == INFLATE_GZIP)
		result = gunzip(in, &r);
	else if (kind == INFLATE_ZSTD)
		result = unzstd(in, &r);
	if (result != INFLATE_OK)
		out->n = before;
	return result;
}
