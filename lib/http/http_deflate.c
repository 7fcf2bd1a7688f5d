#include "http/http_deflate.h"

#include <limits.h>
#include <zlib.h>

#define STEP ((size_t)64 << 10) /* bytes of output that there is room for, at the least */

static enum http_inflate step(z_stream *z, struct buf *out)
{
	size_t room = out->max - out->n;
	if (!room)
		return HTTP_INFLATE_TOO_LARGE;
	if (room > STEP)
		room = STEP;
	if (!buf_reserve(out, room))
		return HTTP_INFLATE_NO_MEMORY;
	size_t free = out->cap - out->n;
	z->next_out = out->p + out->n;
	z->avail_out = free > UINT_MAX ? UINT_MAX : (uInt)free;
	uInt before = z->avail_out;
	int rc = inflate(z, Z_NO_FLUSH);
	out->n += before - z->avail_out;
	if (rc == Z_STREAM_END)
		return z->avail_in ? HTTP_INFLATE_BAD : HTTP_INFLATE_OK;
	if (rc == Z_MEM_ERROR)
		return HTTP_INFLATE_NO_MEMORY;
	/* Without an end, more output must have come: else the input is cut or damaged. */
	return rc == Z_OK && before != z->avail_out ? HTTP_INFLATE_TOO_LARGE : HTTP_INFLATE_BAD;
}

enum http_inflate http_inflate(struct span in, struct buf *out)
{
	size_t before = out->n;
	z_stream z = {0};
	/* RFC 1950, 2.2: the first byte's low half is 8, and both bytes are a multiple of 31. */
	bool zlib = in.n >= 2 && (in.p[0] & 15) == 8 && ((unsigned)in.p[0] << 8 | in.p[1]) % 31 == 0;
	if (in.n > UINT_MAX)
		return HTTP_INFLATE_TOO_LARGE;
	z.next_in = (z_const Bytef *)(uintptr_t)in.p;
	z.avail_in = (uInt)in.n;
	if (inflateInit2(&z, zlib ? 15 : -15) != Z_OK)
		return HTTP_INFLATE_NO_MEMORY;
	enum http_inflate result;
	/* TOO_LARGE of a step only says that it is not the end while there is room. */
	do
		result = step(&z, out);
	while (result == HTTP_INFLATE_TOO_LARGE && out->n < out->max);
	inflateEnd(&z);
	if (result != HTTP_INFLATE_OK) {
		out->n = before;
		out->failed = false;
	}
	return result;
}
